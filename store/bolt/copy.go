package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// Copy implements store.Copier: each segment in a read transaction of its own,
// the oldest first. Only the newest grows, and a segment holds its own head, so
// what is copied is the log as it stood at one moment of the copying.
func (f *logFile) Copy(ctx context.Context, fn store.CopyFunc) error {
	f.mu.RLock()
	segs := append([]segment(nil), f.segments...)
	f.mu.RUnlock()
	for _, s := range segs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyDB(s.db, "log/"+filepath.Base(s.path), fn); err != nil {
			return fmt.Errorf("copy segment %d: %w", s.number, err)
		}
	}
	return nil
}

func copyDB(db *bolt.DB, name string, fn store.CopyFunc) error {
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
	f := &logFile{dir: filepath.Join(dir, "log")}
	es, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, problem.Wrap(problem.NotFound, err, "list segments of the copy")
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	for _, e := range es {
		n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".db"))
		if err != nil || segmentName(n) != e.Name() {
			continue
		}
		s := segment{number: n, path: filepath.Join(f.dir, e.Name())}
		if s.db, err = open(s.path, true); err != nil {
			return nil, err
		}
		f.segments = append(f.segments, s)
		if f.segments[len(f.segments)-1].first, err = firstOf(s.db); err != nil {
			return nil, problem.Wrap(problem.Corrupt, err, "read segment %s", s.path)
		}
	}
	sort.Slice(f.segments, func(i, j int) bool { return f.segments[i].number < f.segments[j].number })
	return f, nil
}

func firstOf(db *bolt.DB) (first uint64, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(records); b != nil {
			if k, _ := b.Cursor().First(); len(k) == 8 {
				first = binary.BigEndian.Uint64(k)
				return nil
			}
		}
		return errors.New("it holds no record")
	})
	return first, err
}
