package anchor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store/durable"
	"evidenced/store/mapped"
)

// Receipts keeps receipts in a file of its own, anchors/receipts.db in the data
// directory, mode 0600. It holds what is public to whoever holds a checkpoint:
// no key and no name of a tenant. It may be used by several goroutines.
type Receipts struct{ db *mapped.DB }

var receiptBucket = []byte("receipts")

// receiptsFile is its name below the directory.
const receiptsFile = "receipts.db"

// damagedSuffix ends the name of the file when it was moved aside because it
// cannot be read. It is kept for a look; the next damaged one replaces it.
const damagedSuffix = ".damaged"

// receiptsDir is where the receipts of a data directory are.
func receiptsDir(data string) string { return filepath.Join(data, "anchors") }

// DamagedReceipts names, below the data directory, the file of receipts that was
// moved aside; none when none was.
func DamagedReceipts(data string) []string {
	name := filepath.Join(receiptsDir(data), receiptsFile+damagedSuffix)
	if _, err := os.Stat(name); err != nil {
		return nil
	}
	rel, err := filepath.Rel(data, name)
	if err != nil {
		return nil
	}
	return []string{rel}
}

// OpenReceipts opens the file of the data directory, made when it is missing. A
// damaged one is moved aside: what it held is lost, and all that is evidence
// goes on.
func OpenReceipts(data string) (*Receipts, error) {
	dir := receiptsDir(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make the directory of receipts")
	}
	path := filepath.Join(dir, receiptsFile)
	r, err := openReceipts(path)
	if !errors.Is(err, mapped.ErrDamaged) {
		return r, err
	}
	err = os.Rename(path, path+damagedSuffix)
	if err == nil {
		err = durable.SyncDir(dir)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "move damaged %s aside", path)
	}
	return openReceipts(path)
}

func openReceipts(path string) (*Receipts, error) {
	db, err := mapped.Open(path, &bolt.Options{Timeout: 2 * time.Second, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "open %s", path)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(receiptBucket)
		return err
	})
	if err != nil {
		db.Close()
		return nil, problem.Wrap(problem.Storage, err, "open %s", path)
	}
	return &Receipts{db}, nil
}

// Close closes the file.
func (r *Receipts) Close() error { return r.db.Close() }

// receiptPrefix begins the keys of one place's receipts of one log. Neither
// part can hold a zero byte.
func receiptPrefix(origin, anchor string) []byte {
	return append(append(append([]byte(origin), 0), anchor...), 0)
}

// Put stores a receipt and returns when it is on the disk. One of the same
// place, log and size is kept as it is when it stands: the first said it first.
func (r *Receipts) Put(rc Receipt) error {
	v, err := json.Marshal(rc)
	if err != nil {
		return fmt.Errorf("receipt of %s: %w", rc.Anchor, err)
	}
	k := binary.BigEndian.AppendUint64(receiptPrefix(rc.Origin, rc.Anchor), rc.Size)
	err = r.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(receiptBucket)
		if b.Get(k) != nil {
			return nil
		}
		return b.Put(k, v)
	})
	if err != nil {
		return problem.Wrap(problem.Storage, err, "keep the receipt of anchor %s", rc.Anchor)
	}
	return nil
}

// Newest returns the place's receipt of the largest size of the log.
func (r *Receipts) Newest(anchor, origin string) (rc Receipt, ok bool, err error) {
	return r.AtMost(anchor, origin, math.MaxUint64)
}

// AtMost returns the place's receipt of the largest size of the log that is at
// most the given one.
func (r *Receipts) AtMost(anchor, origin string, size uint64) (rc Receipt, ok bool, err error) {
	err = r.db.View(func(tx *bolt.Tx) error {
		prefix := receiptPrefix(origin, anchor)
		k, v := last(tx.Bucket(receiptBucket).Cursor(), prefix, size)
		if !bytes.HasPrefix(k, prefix) {
			return nil
		}
		ok = true
		return decodeReceipt(v, &rc)
	})
	return rc, ok, err
}

// Each calls fn for the place's receipts of the log, the smallest size first.
// An empty name means every place, in order of name.
func (r *Receipts) Each(anchor, origin string, fn func(Receipt) error) error {
	return r.db.View(func(tx *bolt.Tx) error {
		prefix := append([]byte(origin), 0)
		if anchor != "" {
			prefix = receiptPrefix(origin, anchor)
		}
		c := tx.Bucket(receiptBucket).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			var rc Receipt
			if err := decodeReceipt(v, &rc); err != nil {
				return err
			}
			if err := fn(rc); err != nil {
				return err
			}
		}
		return nil
	})
}

// Back calls fn for the place's receipts of the log, the largest size first,
// until fn returns false.
func (r *Receipts) Back(anchor, origin string, fn func(Receipt) bool) error {
	return r.db.View(func(tx *bolt.Tx) error {
		prefix := receiptPrefix(origin, anchor)
		c := tx.Bucket(receiptBucket).Cursor()
		for k, v := last(c, prefix, math.MaxUint64); bytes.HasPrefix(k, prefix); k, v = c.Prev() {
			var rc Receipt
			if err := decodeReceipt(v, &rc); err != nil {
				return err
			}
			if !fn(rc) {
				return nil
			}
		}
		return nil
	})
}

// last moves the cursor to the last key of at most the prefix and the size.
func last(c *bolt.Cursor, prefix []byte, size uint64) (k, v []byte) {
	want := binary.BigEndian.AppendUint64(bytes.Clone(prefix), size)
	switch k, v = c.Seek(want); {
	case k == nil:
		return c.Last()
	case bytes.Equal(k, want):
		return k, v
	}
	return c.Prev()
}

// Of returns every receipt of exactly this checkpoint of the log.
func (r *Receipts) Of(origin string, size uint64) ([]Receipt, error) {
	var out []Receipt
	err := r.db.View(func(tx *bolt.Tx) error {
		prefix := append([]byte(origin), 0)
		c := tx.Bucket(receiptBucket).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); {
			name, _, _ := bytes.Cut(k[len(prefix):], []byte{0})
			of := receiptPrefix(origin, string(name))
			exact := binary.BigEndian.AppendUint64(bytes.Clone(of), size)
			if v := tx.Bucket(receiptBucket).Get(exact); v != nil {
				var rc Receipt
				if err := decodeReceipt(v, &rc); err != nil {
					return err
				}
				out = append(out, rc)
			}
			k, _ = c.Seek(append(of[:len(of)-1], 1)) // the next place
		}
		return nil
	})
	return out, err
}

func decodeReceipt(v []byte, into *Receipt) error {
	if err := json.Unmarshal(v, into); err != nil {
		return problem.Wrap(problem.Corrupt, err, "a stored receipt cannot be read")
	}
	return nil
}
