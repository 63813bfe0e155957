// Package bolt is the default backend: below one directory, a directory per
// log with numbered segments (log/0001.db) and a derived index (index/), and
// one file of sealed cursors. Every file but the journal and those of the index is
// a bbolt database.
//
// A segment has four buckets: "r" (seq -> record), "t" (tile level, tile index
// -> 256 hashes), "n" (size -> signed checkpoint) and "h" (the head, in the
// newest segment the end of the log, and what the log had when the segment
// began). The newest segment alone is written; the others are sealed, mode
// 0400, and opened when they are read. What is appended is durable in
// log/journal before the newest segment takes it (see package journal). What
// outlives retired segments is in log/retired.db. A record is one value: the
// length of its leaf, the leaf, then length and bytes of each claim, so that an
// append writes one key per record in rising order and pages fill whole.
package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/index"
	"evidenced/store/mapped"
)

var (
	records = []byte("r")
	tiles   = []byte("t")
	notes   = []byte("n")
	heads   = []byte("h")
	headKey = []byte("head")
	cursors = []byte("c")
)

// Backend implements store.Backend in one directory.
type Backend struct {
	dir     string
	indexes index.Pool

	shelf shelf // open sealed segments of all logs

	mu      sync.Mutex
	cursors *mapped.DB
}

// New makes the backend of the directory, which must exist. Nothing is opened
// before it is needed.
func New(dir string) *Backend { return &Backend{dir: dir} }

// pageSize is that of new files, in bytes.
const pageSize = 16 << 10

func open(path string, readOnly bool) (*mapped.DB, error) {
	db, err := mapped.Open(path, &bolt.Options{
		Timeout: 2 * time.Second,
		// The free list of an append-only file is a page or two: writing it
		// with each commit costs little, and opening need not read every page
		// to find what is free.
		FreelistType: bolt.FreelistMapType,
		// Large pages take several records: fewer of them are written and
		// searched.
		PageSize: pageSize,
		ReadOnly: readOnly,
	})
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "open %s", path)
	}
	return db, nil
}

// Logs implements store.Backend.
func (b *Backend) Logs() ([]string, error) {
	es, err := os.ReadDir(filepath.Join(b.dir, "tenants"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "list logs")
	}
	var ids []string
	for _, e := range es {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Close closes the cursors; logs are closed one by one.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cursors == nil {
		return nil
	}
	err := b.cursors.Close()
	b.cursors = nil
	return err
}

func (b *Backend) cursorDB() (*mapped.DB, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cursors == nil {
		db, err := openDerived(filepath.Join(b.dir, "cursors.db"))
		if err != nil {
			return nil, err
		}
		b.cursors = db
	}
	return b.cursors, nil
}

// Cursor implements store.Cursors.
func (b *Backend) Cursor(name string) ([]byte, error) {
	db, err := b.cursorDB()
	if err != nil {
		return nil, err
	}
	var out []byte
	err = db.View(func(tx *bolt.Tx) error {
		if bk := tx.Bucket(cursors); bk != nil {
			if v := bk.Get([]byte(name)); v != nil {
				out = append([]byte{}, v...)
			}
		}
		return nil
	})
	return out, err
}

// PutCursor implements store.Cursors.
func (b *Backend) PutCursor(name string, value []byte) error {
	db, err := b.cursorDB()
	if err != nil {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		bk, err := tx.CreateBucketIfNotExists(cursors)
		if err != nil {
			return err
		}
		return bk.Put([]byte(name), value)
	})
}

// Open implements store.Backend.
func (b *Backend) Open(logID string, create bool) (store.LogFile, store.Index, error) {
	if err := checkID(logID); err != nil {
		return nil, nil, err
	}
	dir := filepath.Join(b.dir, "tenants", logID)
	if create {
		if err := os.MkdirAll(filepath.Join(dir, "log"), 0o700); err != nil {
			return nil, nil, problem.Wrap(problem.Storage, err, "make log directory")
		}
	}
	f := &logFile{dir: filepath.Join(dir, "log"), shelf: &b.shelf}
	if err := f.openAll(); err != nil {
		return nil, nil, err
	}
	if len(f.segments) == 0 && !create {
		f.Close()
		return nil, nil, problem.New(problem.NotFound, "no log in %s", dir)
	}
	if len(f.segments) == 0 && len(f.retired) > 0 {
		_, err := f.endedHead()
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		return nil, nil, problem.New(problem.Refused, "the log in %s was ended: only its hashes and checkpoints are left", dir)
	}
	ix, err := b.indexes.Open(filepath.Join(dir, "index"))
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, ix, nil
}

func checkID(logID string) error {
	if logID == "" || strings.ContainsAny(logID, "/\\.") {
		return fmt.Errorf("bad log id %q", logID)
	}
	return nil
}
