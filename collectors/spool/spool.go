// Package spool seals what a collector was sent until it is durable evidence.
//
// A spool is a folder of log files of our own making that a tail reads. Nothing
// in them stands in clear: each line is sealed by itself, so that a file can be
// appended to, cut off by a crash and read from the middle. A line is the
// unpadded base64 of
//
//	epoch (8 bytes) | nonce (12 random bytes) | AES-256-GCM of the line
//
// under HKDF-SHA-256 of the folder's key for the epoch, bound to the name of
// source and stream. A process that writes begins an epoch of its own, and
// another after a thousand million lines, so that random nonces never come near
// their limit. The folder's key is 32 random bytes in the file "key", sealed by
// the daemon's keyring.
//
// Sealing keeps lines from who finds the disk. It is no erasure: files are to be
// deleted when what was made of them is durable.
package spool

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

const (
	keyFile  = "key"
	keyBytes = 32
	// maxKeyFile is more than a sealed key can need.
	maxKeyFile = 4 << 10
	epochBytes = 8
	nonceBytes = 12
	overhead   = epochBytes + nonceBytes + 16
	// maxLines of one epoch: far below the 2^32 at which random nonces of one
	// key become a risk (NIST SP 800-38D, 8.3).
	maxLines = 1 << 30
	// maxCiphers are kept; files of more epochs than that are read slowly.
	maxCiphers = 64
)

// Lines seals and opens the lines of one folder. It may be used by several
// goroutines at a time.
type Lines struct {
	source string
	key    []byte

	mu      sync.Mutex
	ciphers map[[epochBytes]byte]cipher.AEAD
	epoch   [epochBytes]byte // that is written in
	written int
}

// Open reads the key of a folder, which exists, or makes one. Source is the
// configured name: its lines open for no other. Errors are problem.Config when
// there is no keyring and problem.Corrupt when the key does not open.
func Open(dir, source string, s collectors.Sealer) (*Lines, error) {
	if s == nil {
		return nil, problem.New(problem.Config, "the spool of %s cannot be sealed: there is no keyring", source).
			WithHint("open the installation with its keys")
	}
	name, path := "spool/"+source, filepath.Join(dir, keyFile)
	sealed, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, keyBytes)
		rand.Read(key)
		if sealed, err = s.Seal(name, key); err == nil {
			err = makeKey(dir, sealed)
		}
	}
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "read the key of the spool of %s", source)
	}
	key, err := s.Open(name, sealed)
	if err != nil || len(key) != keyBytes {
		return nil, problem.New(problem.Corrupt, "the key of the spool of %s does not open", source).
			WithHint("it belongs to another keyring or source; what waits in %s can be read with that one only. Move the folder away to begin anew", dir)
	}
	l := &Lines{source: source, key: key, ciphers: map[[epochBytes]byte]cipher.AEAD{}}
	rand.Read(l.epoch[:])
	return l, nil
}

func readKey(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxKeyFile {
		return nil, errors.New("the file is too large for a key")
	}
	return os.ReadFile(path)
}

// makeKey writes the file of the key as a whole or not at all.
func makeKey(dir string, sealed []byte) error {
	f, err := os.CreateTemp(dir, keyFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(sealed)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, keyFile))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// Grown is how long the sealed form of a line of n bytes is.
func Grown(n int) int { return base64.RawStdEncoding.EncodedLen(n + overhead) }

// Seal appends the sealed form of a line to dst, without a newline. Stream
// names the file that it is for: it opens as a line of no other.
func (l *Lines) Seal(dst []byte, stream string, line []byte) ([]byte, error) {
	epoch, aead, err := l.write()
	if err != nil {
		return dst, err
	}
	b := make([]byte, epochBytes+nonceBytes, len(line)+overhead)
	copy(b, epoch[:])
	rand.Read(b[epochBytes:])
	b = aead.Seal(b, b[epochBytes:], line, l.bound(stream))
	return base64.RawStdEncoding.AppendEncode(dst, b), nil
}

// errSealed says as much as may be said of a line that does not open.
var errSealed = errors.New("a line of the spool does not open")

// Open returns a line that Seal made, newly allocated.
func (l *Lines) Open(stream string, sealed []byte) ([]byte, error) {
	b, err := base64.RawStdEncoding.AppendDecode(nil, sealed)
	if err != nil || len(b) < overhead {
		return nil, errSealed
	}
	l.mu.Lock()
	aead, err := l.cipher([epochBytes]byte(b))
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	sealedAt := b[epochBytes+nonceBytes:]
	line, err := aead.Open(sealedAt[:0], b[epochBytes:epochBytes+nonceBytes], sealedAt, l.bound(stream))
	if err != nil {
		return nil, errSealed
	}
	return line, nil
}

// bound is what a line is sealed for, each part behind its length.
func (l *Lines) bound(stream string) (b []byte) {
	for _, part := range []string{"evidenced/spool/v1", l.source, stream} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// write returns the epoch to seal the next line in.
func (l *Lines) write() ([epochBytes]byte, cipher.AEAD, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written >= maxLines {
		rand.Read(l.epoch[:])
		l.written = 0
	}
	l.written++
	aead, err := l.cipher(l.epoch)
	return l.epoch, aead, err
}

// cipher returns the cipher of an epoch; the caller holds mu.
func (l *Lines) cipher(epoch [epochBytes]byte) (cipher.AEAD, error) {
	if aead := l.ciphers[epoch]; aead != nil {
		return aead, nil
	}
	key, err := hkdf.Key(sha256.New, l.key, epoch[:], "evidenced/spool/line/v1", keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(l.ciphers) >= maxCiphers {
		clear(l.ciphers)
	}
	l.ciphers[epoch] = aead
	return aead, nil
}

// WholeLines takes a half line off the end of a file, which a crash left, and
// returns the size that is left.
func WholeLines(f *os.File) (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := fi.Size(); end > 0; {
		from := max(0, end-int64(len(buf)))
		b := buf[:end-from]
		if _, err := f.ReadAt(b, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			keep := from + int64(i) + 1
			if keep == fi.Size() {
				return keep, nil
			}
			return keep, f.Truncate(keep)
		}
		end = from
	}
	if fi.Size() == 0 {
		return 0, nil
	}
	return 0, f.Truncate(0)
}

// SyncDir makes durable which names a folder holds.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
