package keyring

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// Wrapping is how the wrapping key of a keyring is kept. The keyring gives it
// the key to wrap and keeps what comes back in a file; the key itself is only
// in memory. Its methods may be called by several goroutines.
type Wrapping interface {
	// Describe says which wrapping this is. It holds no secret.
	Describe() Description
	// Wrap returns the form in which the key is kept.
	Wrap(ctx context.Context, key []byte) ([]byte, error)
	// Unwrap reads what Wrap returned.
	Unwrap(ctx context.Context, wrapped []byte) ([]byte, error)
	// Renew is called before a new key is wrapped that shall outlive the old
	// one: what Wrap returns afterwards does not depend on what Retire destroys.
	Renew(ctx context.Context) error
	// Retire destroys what could unwrap old, given that current stays. It
	// reports whether nobody can unwrap old any more, and if not why. It may be
	// repeated.
	Retire(ctx context.Context, old, current []byte) (gone bool, why string)
}

// The kinds of wrapping.
const (
	KindFile    = "file"
	KindTransit = "transit"
)

// Description says how a wrapping key is kept. It stands in clear in the
// keyring.
type Description struct {
	Kind string `json:"kind"`
	// Path is the file that holds the wrapped key; a relative one lies in the
	// directory of the keyring.
	Path string `json:"path"`
	// Params are what else it takes to reach it, by their names in the
	// configuration.
	Params map[string]string `json:"params,omitempty"`
}

// File is the path of the wrapped key of the keyring in dir.
func (d Description) File(dir string) string {
	if filepath.IsAbs(d.Path) {
		return d.Path
	}
	return filepath.Join(dir, d.Path)
}

// WrappingFile is the default name of the local wrapping key, in the directory
// of the keyring.
const WrappingFile = "wrapping.key"

// LocalFile keeps the wrapping key in a file of this host: 64 hex digits and a
// line end. Whoever copies the file and the keyring can read everything, so
// what is destroyed here is destroyed logically.
func LocalFile(path string) Wrapping { return localFile{absolute(path)} }

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

type localFile struct{ path string }

func (l localFile) Describe() Description { return Description{Kind: KindFile, Path: l.path} }

func (localFile) Wrap(_ context.Context, key []byte) ([]byte, error) {
	return []byte(hex.EncodeToString(key) + "\n"), nil
}

func (l localFile) Unwrap(_ context.Context, b []byte) ([]byte, error) {
	if len(b) == 2*claim.KeySize+1 && b[2*claim.KeySize] == '\n' {
		if key, err := hex.DecodeString(string(b[:2*claim.KeySize])); err == nil {
			return key, nil
		}
	}
	// The decoder's own error would repeat a digit of the key.
	return nil, problem.New(problem.Corrupt, "the wrapping key %s is damaged: want 64 hex digits and a line end", l.path).
		WithHint("put the file back as it was, or restore keyring and key from a backup: evidenced keyring restore")
}

func (localFile) Renew(context.Context) error { return nil }

func (localFile) Retire(context.Context, []byte, []byte) (bool, string) {
	return false, "the wrapping key was in a local file, of which copies may exist"
}

// maxWrapped bounds a file with a wrapped key, in bytes.
const maxWrapped = 64 << 10

// readWrapped reads a wrapped key. A missing file is os.ErrNotExist.
func readWrapped(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, os.ErrNotExist
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "look at wrapping key")
	}
	if err := private(path); err != nil {
		return nil, err
	}
	if st.Size() > maxWrapped {
		return nil, problem.New(problem.Corrupt, "wrapping key %s has %d bytes", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read wrapping key")
	}
	return b, nil
}

// firstKey makes the wrapping key of a new keyring. One that is there already
// was left by a start that was cut short, and is taken up.
func firstKey(ctx context.Context, dir string, w Wrapping) error {
	path := w.Describe().File(dir)
	_, err := readWrapped(path)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	key := make([]byte, claim.KeySize)
	rand.Read(key)
	b, err := w.Wrap(ctx, key)
	if err != nil {
		return fmt.Errorf("wrap the keyring's key: %w", err)
	}
	return writePrivate(path, b)
}
