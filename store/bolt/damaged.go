package bolt

import (
	"errors"
	"os"
	"path/filepath"

	"evidenced/evidence/problem"
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
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "move damaged %s aside", filepath.Base(path))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "move damaged %s aside", filepath.Base(path))
	}
	return open(path, false)
}

// initialPages is how many pages bbolt writes when it makes a file.
const initialPages = 4

// halfMade reports whether a crash cut the making of a segment: the file is no
// longer than a new one, and no transaction can be in it.
func halfMade(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() <= initialPages*pageSize && errors.Is(mapped.Check(path), mapped.ErrDamaged)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
