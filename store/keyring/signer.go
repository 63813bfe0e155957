package keyring

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// private refuses a file that group or others may touch.
func private(path string) error {
	st, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at %s", path)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return problem.New(problem.Refused, "key file %s has mode %#o: others may read it", path, st.Mode().Perm()).
			WithHint("chmod 600 %s, and ask who read it", path)
	}
	return nil
}

// writePrivate writes a new file 0600 and makes it and its name durable.
func writePrivate(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "make key file")
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "write key file %s", path)
	}
	return nil
}

// Signer is a note signing key with its public half.
type Signer struct {
	note.Signer
	Verifier string // note verifier key
}

// OpenSigner reads the note signing key in the file, making a new one of the
// name when the file does not exist and create is set.
func OpenSigner(path, name string, create bool) (*Signer, error) {
	b, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err) && create:
		skey, vkey, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return nil, fmt.Errorf("make signing key: %w", err)
		}
		b = []byte(skey + "\n" + vkey + "\n")
		if err := writePrivate(path, b); err != nil {
			return nil, err
		}
	case os.IsNotExist(err):
		return nil, problem.New(problem.Refused, "signing key %s is missing beside existing logs", path).
			WithHint("put the key file back; a log is signed by one key only")
	case err != nil:
		return nil, problem.Wrap(problem.Storage, err, "read signing key")
	}
	if err := private(path); err != nil {
		return nil, err
	}
	return parseSigner(path, string(b))
}

func parseSigner(path, text string) (*Signer, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	bad := problem.New(problem.Corrupt, "signing key %s is damaged", path)
	if len(lines) != 2 {
		return nil, bad
	}
	s, err := note.NewSigner(lines[0])
	if err != nil {
		return nil, bad
	}
	v, err := note.NewVerifier(lines[1])
	if err != nil || v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return nil, bad
	}
	return &Signer{s, lines[1]}, nil
}
