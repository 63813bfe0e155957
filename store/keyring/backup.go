package keyring

import (
	"bufio"
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/crypto/scrypt"

	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
	"evidenced/store/mapped"
)

// A backup is one file, sealed under a passphrase because the wrapping key it
// was made beside may be destroyed at any time:
//
//	"evidenced-keyring-backup/v1" line feed
//	salt, 32 bytes
//	chunks: AES-256-GCM over up to 64 KiB each; all but the last are full
//
// key = HKDF-SHA-256(scrypt(passphrase, salt, N 65536, r 8, p 1), info
// "evidenced/keyring/backup/v1"); the nonce of a chunk is its number (11 bytes,
// big-endian) and 1 for the last chunk, else 0. So a cut, a chunk out of order
// and a chunk too many are found. Inside are lines of JSON: one for each entry
// of the keyring, then one for each file of signing keys.
const (
	backupMagic = "evidenced-keyring-backup/v1\n"
	saltSize    = 32
	chunkSize   = 64 << 10
	backupInfo  = "evidenced/keyring/backup/v1"
)

// MinPassphrase is the least length of a passphrase, in bytes.
const MinPassphrase = 16

// signingKeys are the other files of the directory that a backup takes along.
var signingKeys = []string{"log.key", "pack.key"}

// backupLine is an entry of a bucket, or a file.
type backupLine struct {
	Bucket string `json:"b,omitempty"`
	Name   []byte `json:"k,omitempty"`
	File   string `json:"f,omitempty"`
	Value  []byte `json:"v"`
}

// maxBackupLine bounds a line, in bytes: far more than any entry needs.
const maxBackupLine = 1 << 20

func backupCipher(passphrase string, salt []byte) (cipher.AEAD, error) {
	if len(passphrase) < MinPassphrase {
		return nil, problem.New(problem.Usage, "the passphrase has %d bytes, the least is %d", len(passphrase), MinPassphrase).
			WithHint("take one that a machine made, such as 32 random letters")
	}
	stretched, err := scrypt.Key([]byte(passphrase), salt, 1<<16, 8, 1, 32)
	if err != nil {
		return nil, fmt.Errorf("backup key: %w", err)
	}
	key, err := hkdf.Key(sha256.New, stretched, nil, backupInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("backup key: %w", err)
	}
	return newAEAD(key)
}

// Backup writes a consistent copy of the keyring and of the signing keys
// beside it, sealed under the passphrase. From then on the destruction of a
// key made until now is never more than logical: the copy may hold it.
func (k *Keyring) Backup(w io.Writer, passphrase string) error {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	aead, err := backupCipher(passphrase, salt)
	if err != nil {
		return err
	}
	// Held to the end, so that the file is not replaced meanwhile; appending to
	// the logs goes on, however slowly w takes the copy.
	k.replacing.Lock()
	defer k.replacing.Unlock()
	// First it is noted that a copy exists, then the copy is made.
	if err := k.nextEpoch(); err != nil {
		return err
	}
	if _, err := w.Write(append([]byte(backupMagic), salt...)); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	sealed := &chunkWriter{w: w, aead: aead}
	if err := k.dump(json.NewEncoder(sealed)); err != nil {
		return err
	}
	return sealed.Close()
}

// nextEpoch notes that a copy exists. The caller holds replacing.
func (k *Keyring) nextEpoch() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	in := k.inner
	in.Epoch++
	if err := k.update(func(tx *bolt.Tx) error { return putMeta(tx, placed(k.dir, k.wrapping), k.box, in) }); err != nil {
		return problem.Wrap(problem.Storage, err, "note the backup in the keyring")
	}
	k.inner = in
	return nil
}

// dump writes all entries, opened. The caller holds replacing.
func (k *Keyring) dump(enc *json.Encoder) error {
	if err := k.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range [][]byte{tenantBucket, dataBucket, personBucket, keyBucket, unsettledBucket} {
			if err := tx.Bucket(bucket).ForEach(func(name, v []byte) error {
				plain, err := k.box.open(name, v)
				if err != nil {
					return err
				}
				return enc.Encode(backupLine{Bucket: string(bucket), Name: name, Value: plain})
			}); err != nil {
				return err
			}
		}
		plain, err := json.Marshal(k.inner)
		if err != nil {
			return err
		}
		return enc.Encode(backupLine{Bucket: string(metaBucket), Name: innerName, Value: plain})
	}); err != nil {
		return fmt.Errorf("back up the keyring: %w", err)
	}
	for _, name := range signingKeys {
		b, err := os.ReadFile(filepath.Join(k.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return problem.Wrap(problem.Storage, err, "back up %s", name)
		}
		if err := enc.Encode(backupLine{File: name, Value: b}); err != nil {
			return err
		}
	}
	return nil
}

// Restore writes the keyring and the signing keys of a backup into a directory
// that has no keyring, under a new wrapping key kept as w says. What was erased
// after the backup was made is in it again until the logs are opened: they
// carry the erasures out anew.
func Restore(ctx context.Context, r io.Reader, passphrase, dir string, w Wrapping) error {
	if w == nil {
		w = LocalFile(filepath.Join(dir, WrappingFile))
	}
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return problem.New(problem.Refused, "there is a keyring in %s", dir).
			WithHint("move it away first if it is to be given up; keys made after the backup are in it alone")
	}
	head := make([]byte, len(backupMagic)+saltSize)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(backupMagic)]) != backupMagic {
		return problem.New(problem.Corrupt, "this is no backup of a keyring")
	}
	aead, err := backupCipher(passphrase, head[len(backupMagic):])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return problem.Wrap(problem.Storage, err, "make key directory %s", dir)
	}
	if err := firstKey(ctx, dir, w); err != nil {
		return err
	}
	wrapped, err := readWrapped(w.Describe().File(dir))
	if err != nil {
		return err
	}
	key, err := w.Unwrap(ctx, wrapped)
	if err != nil {
		return err
	}
	to, err := newBox(key)
	if err != nil {
		return err
	}
	err = fill(bufio.NewReader(&chunkReader{r: r, aead: aead}), path+newSuffix, dir, w, to)
	if err == nil {
		err = moveFile(path+newSuffix, path)
	}
	if err != nil {
		_ = dropFile(path + newSuffix) // the error that counts is the first
	}
	return err
}

func fill(r *bufio.Reader, path, dir string, w Wrapping, to box) (err error) {
	if err := dropFile(path); err != nil {
		return problem.Wrap(problem.Storage, err, "drop %s", path)
	}
	db, err := mapped.Open(path, &bolt.Options{NoSync: true})
	if err != nil {
		return problem.Wrap(problem.Storage, err, "write the keyring")
	}
	defer func() {
		err = errors.Join(err, db.Sync(), db.Close())
	}()
	c := &copying{to: to, db: db}
	for _, c.bucket = range [][]byte{tenantBucket, dataBucket, personBucket, keyBucket, unsettledBucket, metaBucket} {
		if err := c.flush(); err != nil {
			return problem.Wrap(problem.Storage, err, "write the keyring")
		}
	}
	known := false
	return readBackup(r, func(l backupLine) error {
		if l.File != "" {
			if _, err := os.Stat(filepath.Join(dir, l.File)); err == nil {
				return problem.New(problem.Refused, "there is a %s in %s", l.File, dir).WithHint("move it away first")
			}
			return writePrivate(filepath.Join(dir, l.File), l.Value)
		}
		if l.Bucket == string(metaBucket) {
			var in inner
			if err := json.Unmarshal(l.Value, &in); err != nil || len(in.Small) != claim.KeySize || known {
				return problem.New(problem.Corrupt, "the backup is damaged")
			}
			known = true
			return db.Update(func(tx *bolt.Tx) error { return putMeta(tx, placed(dir, w), to, in) })
		}
		name := l.Name
		if l.Bucket == string(tenantBucket) {
			var e tenantEntry
			if err := json.Unmarshal(l.Value, &e); err != nil {
				return problem.New(problem.Corrupt, "the backup is damaged")
			}
			name = to.tenantName(e.Name)
		}
		if l.Bucket != string(c.bucket) || len(c.batch) >= copyBatch {
			if err := c.flush(); err != nil {
				return problem.Wrap(problem.Storage, err, "write the keyring")
			}
			c.bucket = []byte(l.Bucket)
		}
		c.batch = append(c.batch, [2][]byte{name, to.seal(name, l.Value)})
		return nil
	}, func() error {
		if !known {
			return problem.New(problem.Corrupt, "the backup is damaged")
		}
		return c.flush()
	})
}

// readBackup calls one for each line and end after the last. Lines that no
// backup holds are refused.
func readBackup(r *bufio.Reader, one func(backupLine) error, end func() error) error {
	buckets := []string{string(tenantBucket), string(dataBucket), string(personBucket), string(keyBucket), string(unsettledBucket), string(metaBucket)}
	for {
		line, err := readLine(r)
		if err == io.EOF {
			return end()
		}
		if err != nil {
			return err
		}
		var l backupLine
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil {
			return problem.New(problem.Corrupt, "the backup is damaged")
		}
		entry := l.File == "" && len(l.Name) > 0 && len(l.Name) <= bolt.MaxKeySize && slices.Contains(buckets, l.Bucket)
		file := l.Bucket == "" && slices.Contains(signingKeys, l.File)
		if !entry && !file {
			return problem.New(problem.Corrupt, "the backup is damaged")
		}
		if err := one(l); err != nil {
			return err
		}
	}
}

// readLine reads up to a line feed, at most maxBackupLine bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > maxBackupLine:
			return nil, problem.New(problem.Corrupt, "the backup is damaged")
		case err == nil:
			return line, nil
		case err == io.EOF && len(line) == 0:
			return nil, io.EOF
		case err == io.EOF:
			return nil, problem.New(problem.Corrupt, "the backup is damaged")
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

// nonceOf is the nonce of chunk n.
func nonceOf(n uint64, last bool) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint64(b[3:11], n)
	if last {
		b[11] = 1
	}
	return b
}

// chunkWriter seals what is written to it in chunks. Close seals the last one,
// which may be empty.
type chunkWriter struct {
	w    io.Writer
	aead cipher.AEAD
	n    uint64
	buf  []byte
}

func (c *chunkWriter) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p...)
	for len(c.buf) > chunkSize { // one byte more than full: it is not the last
		if err := c.seal(c.buf[:chunkSize], false); err != nil {
			return 0, err
		}
		c.buf = append(c.buf[:0], c.buf[chunkSize:]...)
	}
	return len(p), nil
}

func (c *chunkWriter) seal(p []byte, last bool) error {
	_, err := c.w.Write(c.aead.Seal(nil, nonceOf(c.n, last), p, nil))
	c.n++
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func (c *chunkWriter) Close() error { return c.seal(c.buf, true) }

// chunkReader opens what a chunkWriter sealed. A cut is an error, never an end.
type chunkReader struct {
	r    io.Reader
	aead cipher.AEAD
	n    uint64
	next []byte // the chunk read ahead, sealed; nil before the first
	buf  []byte
	done bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.buf) == 0 {
		if c.done {
			return 0, io.EOF
		}
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

// open opens the next chunk: the last one is that after which nothing comes.
func (c *chunkReader) open() error {
	var err error
	if c.next == nil {
		if c.next, err = c.sealed(); err != nil {
			return err
		}
	}
	chunk := c.next
	if c.next, err = c.sealed(); err != nil {
		return err
	}
	last := len(c.next) == 0
	if c.buf, err = c.aead.Open(nil, nonceOf(c.n, last), chunk, nil); err != nil {
		return problem.New(problem.Refused, "the backup does not open").WithHint("the passphrase is not the one it was made with, or the file is damaged or cut")
	}
	c.n++
	c.done = last
	return nil
}

func (c *chunkReader) sealed() ([]byte, error) {
	b := make([]byte, chunkSize+c.aead.Overhead())
	n, err := io.ReadFull(c.r, b)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return b[:n], nil
}
