package bolt

import (
	"bytes"
	"encoding/binary"
	"os"

	bolt "go.etcd.io/bbolt"

	"evidenced/store"
)

var (
	meta      = []byte("meta")
	watermark = []byte("watermark")
)

// index implements store.Index in one file, a bucket of the file for each
// bucket of postings.
type index struct {
	path string
	db   *bolt.DB
}

// openIndex opens the index; a file that bbolt cannot open is thrown away,
// because everything in it can be derived again.
func openIndex(path string) (*index, error) {
	db, err := open(path, false)
	if err != nil {
		if rerr := os.Remove(path); rerr != nil {
			return nil, err
		}
		if db, err = open(path, false); err != nil {
			return nil, err
		}
	}
	return &index{path: path, db: db}, nil
}

func (x *index) Close() error { return x.db.Close() }

func (x *index) Watermark() (n uint64, err error) {
	err = x.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(meta); b != nil {
			if v := b.Get(watermark); len(v) == 8 {
				n = binary.BigEndian.Uint64(v)
			}
		}
		return nil
	})
	return n, err
}

func (x *index) Apply(ps []store.Posting, mark uint64) error {
	return x.db.Update(func(tx *bolt.Tx) error {
		var b *bolt.Bucket
		var at byte
		for _, p := range ps {
			if b == nil || p.Bucket != at {
				var err error
				if b, err = tx.CreateBucketIfNotExists([]byte{p.Bucket}); err != nil {
					return err
				}
				at = p.Bucket
			}
			if err := b.Put(p.Key, p.Value); err != nil {
				return err
			}
		}
		m, err := tx.CreateBucketIfNotExists(meta)
		if err != nil {
			return err
		}
		return m.Put(watermark, seqKey(mark))
	})
}

func (x *index) Reset() error {
	if err := x.db.Close(); err != nil {
		return err
	}
	if err := os.Remove(x.path); err != nil {
		return err
	}
	db, err := open(x.path, false)
	if err != nil {
		return err
	}
	x.db = db
	return nil
}

func (x *index) View() (store.IndexView, error) {
	tx, err := x.db.Begin(false)
	if err != nil {
		return nil, err
	}
	return &view{tx: tx, cursors: map[byte]*bolt.Cursor{}}, nil
}

type view struct {
	tx      *bolt.Tx
	cursors map[byte]*bolt.Cursor
}

func (v *view) cursor(bucket byte) *bolt.Cursor {
	c, ok := v.cursors[bucket]
	if !ok {
		if b := v.tx.Bucket([]byte{bucket}); b != nil {
			c = b.Cursor()
		}
		v.cursors[bucket] = c
	}
	return c
}

func (v *view) SeekGE(bucket byte, key []byte) (k, val []byte) {
	c := v.cursor(bucket)
	if c == nil {
		return nil, nil
	}
	return c.Seek(key)
}

func (v *view) SeekLT(bucket byte, key []byte) (k, val []byte) {
	c := v.cursor(bucket)
	if c == nil {
		return nil, nil
	}
	if k, _ = c.Seek(key); k == nil {
		k, val = c.Last()
	} else {
		k, val = c.Prev()
	}
	if k != nil && bytes.Compare(k, key) >= 0 {
		return nil, nil
	}
	return k, val
}

func (v *view) Close() { _ = v.tx.Rollback() }
