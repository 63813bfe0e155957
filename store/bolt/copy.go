package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/mapped"
)

// Copy implements store.Copier: each segment in a read transaction of its own,
// the oldest first. Only the newest grows, and a segment holds its own head, so
// what is copied is the log as it stood at one moment of the copying. What is in
// the journal when it begins goes to the segment first.
func (f *logFile) Copy(ctx context.Context, fn store.CopyFunc) error {
	if err := f.Drain(); err != nil {
		return err
	}
	f.mu.RLock()
	segs := slices.Clone(f.segments)
	f.mu.RUnlock()
	for _, s := range segs {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.copy(fn)
		if err != nil && f.wasRetired(s.info.Number) {
			continue // meanwhile; what outlives it is in the file that comes last
		}
		if err != nil {
			return fmt.Errorf("copy segment %d: %w", s.info.Number, err)
		}
	}
	f.mu.RLock()
	outlived := f.outlived
	f.mu.RUnlock()
	if outlived == nil {
		return nil
	}
	return copyDB(outlived, "log/"+retiredName, fn)
}

func (s *segment) copy(fn store.CopyFunc) error {
	db, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release()
	return copyDB(db, "log/"+filepath.Base(s.path), fn)
}

func (f *logFile) wasRetired(number int) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.isRetired(number)
}

func copyDB(db *mapped.DB, name string, fn store.CopyFunc) error {
	return db.View(func(tx *bolt.Tx) error {
		return fn(name, func(w io.Writer) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
}

// CopyCursors implements store.CursorCopier.
func (b *Backend) CopyCursors(fn store.CopyFunc) error {
	db, err := b.cursorDB()
	if err != nil {
		return err
	}
	return copyDB(db, "cursors.db", fn)
}

// OpenCopy opens the log below the directory (its log/NNNN.db) for reading
// alone: nothing is made, repaired or written, so that a backup can be looked
// at on a medium that cannot be written to.
func OpenCopy(dir string) (_ store.LogFile, err error) {
	f := &logFile{dir: filepath.Join(dir, "log"), shelf: &shelf{}, readOnly: true}
	es, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, problem.Wrap(problem.NotFound, err, "list segments of the copy")
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := f.openRetired(false); err != nil {
		return nil, err
	}
	for _, e := range es {
		n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".db"))
		if err != nil || segmentName(n) != e.Name() || f.isRetired(n) {
			continue
		}
		s := &segment{path: filepath.Join(f.dir, e.Name()), shelf: f.shelf}
		f.segments = append(f.segments, s)
		err = s.view(func(tx *bolt.Tx) (err error) {
			s.info, _, err = describeTx(tx, n)
			return err
		})
		if err == nil && s.info.Next == s.info.First {
			err = errors.New("it holds no record")
		}
		if err != nil {
			return nil, problem.Wrap(problem.Corrupt, err, "read segment %s", s.path)
		}
	}
	sort.Slice(f.segments, func(i, j int) bool { return f.segments[i].info.Number < f.segments[j].info.Number })
	for i := range f.segments {
		f.segments[i].info.Sealed = i < len(f.segments)-1
	}
	if err := f.openBacklog(); err != nil {
		return nil, err
	}
	return f, nil
}
