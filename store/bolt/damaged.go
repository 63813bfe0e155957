package bolt

import (
	"errors"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
	"evidenced/store/mapped"
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
func openDerived(path string) (*mapped.DB, error) {
	db, err := open(path, false)
	if !errors.Is(err, mapped.ErrDamaged) {
		return db, err
	}
	if err := moveAside(path); err != nil {
		return nil, err
	}
	return open(path, false)
}

func moveAside(path string) error {
	err := os.Rename(path, path+damagedSuffix)
	if err == nil {
		err = durable.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "move damaged %s aside", filepath.Base(path))
	}
	return nil
}

// SiftCursors moves the cursors aside, as if their file could not be read, when
// one of them is not whole: under a damaged name a cursor would be taken for one
// that was never kept, and nobody would hear of it.
func (b *Backend) SiftCursors(whole func(name string, value []byte) bool) error {
	path := filepath.Join(b.dir, "cursors.db")
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return nil
	}
	db, err := b.cursorDB()
	if err != nil {
		return err
	}
	bad := false
	err = db.View(func(tx *bolt.Tx) error {
		bk := tx.Bucket(cursors)
		if bk == nil {
			return nil
		}
		return bk.ForEach(func(name, v []byte) error {
			bad = bad || !whole(string(name), v)
			return nil
		})
	})
	if err != nil && !errors.Is(err, mapped.ErrDamaged) {
		return problem.Wrap(problem.Storage, err, "read cursors")
	}
	bad = bad || err != nil
	if err := b.Close(); err != nil {
		return problem.Wrap(problem.Storage, err, "close cursors")
	}
	if bad {
		return moveAside(path)
	}
	return nil
}

// initialPages is how many pages bbolt writes when it makes a file.
const initialPages = 4

// halfMade reports whether a crash cut the making of a segment: the file is no
// longer than a new one, and no transaction can be in it.
func halfMade(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() <= initialPages*pageSize && errors.Is(mapped.Check(path), mapped.ErrDamaged)
}
