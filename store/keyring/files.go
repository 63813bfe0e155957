package keyring

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// oldFiles are files that lost their names, or are about to.
type oldFiles []*os.File

func openOld(paths ...string) (oldFiles, error) {
	var fs oldFiles
	for _, p := range paths {
		f, err := os.OpenFile(p, os.O_RDWR, 0)
		if err != nil {
			fs.close()
			return nil, err
		}
		fs = append(fs, f)
	}
	return fs, nil
}

func (fs oldFiles) close() {
	for _, f := range fs {
		f.Close()
	}
}

func (fs oldFiles) overwrite() error {
	for _, f := range fs {
		if err := overwrite(f); err != nil {
			return err
		}
	}
	return nil
}

// overwrite fills a file with random bytes. On a disk that writes elsewhere (a
// flash disk, a copying file system) this does little; that the values were
// sealed under a key that is gone does the rest.
func overwrite(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, st.Size()); err != nil {
		return err
	}
	return f.Sync()
}

// dropFile overwrites and removes a file that may not be there.
func dropFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := overwrite(f); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// moveFile renames durably.
func moveFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return problem.Wrap(problem.Storage, err, "put %s in place", to)
	}
	if err := durable.SyncDir(filepath.Dir(to)); err != nil {
		return problem.Wrap(problem.Storage, err, "sync %s", filepath.Dir(to))
	}
	return nil
}
