package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
)

// damagedSuffix ends the name of a file that was moved aside because it cannot
// be read. It is kept for a look; the next damaged one replaces it.
const damagedSuffix = ".damaged"

// Damaged lists the files below the directory that were moved aside.
func Damaged(dir string) []string {
	var out []string
	for _, name := range []string{"cursors.db"} {
		if _, err := os.Stat(filepath.Join(dir, name+damagedSuffix)); err == nil {
			out = append(out, name+damagedSuffix)
		}
	}
	return out
}

// openDerived opens a file that can be made again. One that is damaged is
// moved aside; one that is merely held, or on a full disk, is left alone.
func openDerived(path string) (*bolt.DB, error) {
	db, err := open(path, false)
	if !errors.Is(err, errDamaged) {
		return db, err
	}
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "move damaged %s aside", filepath.Base(path))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "move damaged %s aside", filepath.Base(path))
	}
	return open(path, false)
}

// errDamaged says that a file is no whole bbolt database.
var errDamaged = errors.New("the file is damaged")

// initialPages is how many pages bbolt writes when it makes a file.
const initialPages = 4

// metaPage is what a bbolt meta page tells, by its layout (version 2): a page
// header of 16 bytes, then magic, version, page size and flags (4 bytes each),
// root page and sequence, free list page, number of pages, transaction (8
// bytes each) and an FNV-1a checksum, in the byte order of the machine.
type metaPage struct{ pages, tx uint64 }

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaHeader  = 16
	metaLength  = 56 // without the checksum
)

func readMeta(r io.ReaderAt, off int64) (m metaPage, pageSize int64, ok bool) {
	var b [metaHeader + metaLength + 8]byte
	if _, err := r.ReadAt(b[:], off); err != nil {
		return m, 0, false
	}
	e, v := binary.NativeEndian, b[metaHeader:]
	h := fnv.New64a()
	h.Write(v[:metaLength])
	if e.Uint32(v) != boltMagic || e.Uint32(v[4:]) != boltVersion || e.Uint64(v[metaLength:]) != h.Sum64() {
		return m, 0, false
	}
	return metaPage{pages: e.Uint64(v[40:]), tx: e.Uint64(v[48:])}, int64(e.Uint32(v[8:])), true
}

// checkFile looks at the meta pages before bbolt maps the file: a file that was
// cut short would end the process with a bus error at the first page it lacks.
// A file that is not there, or empty, is fine: bbolt makes it.
func checkFile(path string) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	first, size, ok := readMeta(f, 0)
	var second metaPage
	ok2 := false
	// With the first meta page torn, the second is where the pages' size says.
	for _, at := range []int64{size, pageSize, int64(os.Getpagesize())} {
		if !ok2 && at > 0 {
			var n int64
			if second, n, ok2 = readMeta(f, at); ok2 {
				size = n
			}
		}
	}
	if !ok && !ok2 {
		return fmt.Errorf("%w: no valid meta page", errDamaged)
	}
	newest := first
	if !ok || ok2 && second.tx > first.tx {
		newest = second
	}
	if int64(newest.pages)*size > st.Size() {
		return fmt.Errorf("%w: %d bytes, want %d pages of %d", errDamaged, st.Size(), newest.pages, size)
	}
	return nil
}

// openFile is bolt.Open behind checkFile. What bbolt finds wrong by a panic
// while it looks for free pages becomes an error.
func openFile(path string, o *bolt.Options) (db *bolt.DB, err error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: its pages do not hang together", errDamaged)
		}
	}()
	return bolt.Open(path, 0o600, o)
}

// halfMade reports whether a crash cut the making of a segment: the file is no
// longer than a new one, and no transaction can be in it.
func halfMade(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() <= initialPages*pageSize && errors.Is(checkFile(path), errDamaged)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
