package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/durable"
)

// retiredName is the file of what outlives retired segments. Its buckets:
//
//	"t" and "n"  tiles and checkpoints of retired segments, as in a segment
//	"p"          seq -> leaf hash, of the records after the last complete tile
//	"s"          segment number -> what it was
//	"k" and "o"  seq -> record kept whole, and what opens it
//	"i"          bucket and key of a posting -> value
//	"h"          the head, of a log that was ended
const retiredName = "retired.db"

var (
	partials = []byte("p")
	gone     = []byte("s")
	kept     = []byte("k")
	openings = []byte("o")
	postings = []byte("i")
)

// openRetired opens the file of what outlives retired segments when there is
// one, or makes it.
func (f *logFile) openRetired(create bool) error {
	if f.outlived != nil {
		return nil
	}
	path := filepath.Join(f.dir, retiredName)
	if _, err := os.Stat(path); os.IsNotExist(err) && !create {
		return nil
	}
	db, err := open(path, f.readOnly)
	if err != nil {
		return err
	}
	if !f.readOnly {
		if err := durable.SyncDir(f.dir); err != nil {
			db.Close()
			return problem.Wrap(problem.Storage, err, "make %s durable", path)
		}
	}
	f.outlived = db
	return db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(gone)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, v []byte) error {
			var i store.SegmentInfo
			if err := json.Unmarshal(v, &i); err != nil {
				return problem.Wrap(problem.Corrupt, err, "read %s", path)
			}
			f.retired = append(f.retired, i)
			return nil
		})
	})
}

// isRetired reports whether the segment was retired. The caller holds mu or
// is opening.
func (f *logFile) isRetired(number int) bool {
	return slices.ContainsFunc(f.retired, func(i store.SegmentInfo) bool { return i.Number == number })
}

// finishRetired removes the files of segments whose retirement was cut off
// after everything that outlives them was durable.
func (f *logFile) finishRetired() error {
	removed := false
	for _, i := range f.retired {
		err := os.Remove(filepath.Join(f.dir, segmentName(i.Number)))
		if err != nil && !os.IsNotExist(err) {
			return problem.Wrap(problem.Storage, err, "remove a retired segment")
		}
		removed = removed || err == nil
	}
	if !removed {
		return nil
	}
	if err := durable.SyncDir(f.dir); err != nil {
		return problem.Wrap(problem.Storage, err, "remove a retired segment")
	}
	return nil
}

// Retired implements store.LogFile.
func (f *logFile) Retired() []store.SegmentInfo {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.retired)
}

// Keep implements store.LogFile.
func (f *logFile) Keep(k store.Remains) error {
	if len(k.Entries) != len(k.Openings) {
		return fmt.Errorf("%d records to keep and %d openings", len(k.Entries), len(k.Openings))
	}
	f.mu.Lock()
	err := f.openRetired(true)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.outlived.Update(func(tx *bolt.Tx) error {
		kb, ob, ib, err := keptBuckets(tx)
		if err != nil {
			return err
		}
		for i, e := range k.Entries {
			if err := kb.Put(seqKey(e.Seq), encodeEntry(nil, e)); err != nil {
				return err
			}
			if err := ob.Put(seqKey(e.Seq), k.Openings[i]); err != nil {
				return err
			}
		}
		for _, p := range k.Postings {
			if err := ib.Put(append([]byte{p.Bucket}, p.Key...), p.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

func keptBuckets(tx *bolt.Tx) (k, o, i *bolt.Bucket, err error) {
	if k, err = tx.CreateBucketIfNotExists(kept); err != nil {
		return
	}
	if o, err = tx.CreateBucketIfNotExists(openings); err != nil {
		return
	}
	i, err = tx.CreateBucketIfNotExists(postings)
	return
}

// Retire implements store.LogFile: what outlives the segment becomes durable
// in one transaction together with the note that it is retired, then the file
// goes.
func (f *logFile) Retire(number int) error {
	f.retiring.Lock()
	defer f.retiring.Unlock()
	f.mu.RLock()
	done := f.isRetired(number)
	oldest := len(f.segments) > 1 && f.segments[0].info.Number == number && f.segments[0].snapshot().Sealed
	f.mu.RUnlock()
	switch {
	case done:
		return nil
	case !oldest:
		return problem.New(problem.Refused, "segment %d is not the oldest sealed one", number)
	}
	return f.retireOldest()
}

// retireOldest retires the first segment of the row. The caller holds
// retiring; readers go on meanwhile.
func (f *logFile) retireOldest() error {
	f.mu.Lock()
	s := f.segments[0]
	err := f.openRetired(true)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	info := s.snapshot()
	if err := s.view(func(from *bolt.Tx) error {
		return f.outlived.Update(func(to *bolt.Tx) error { return outlive(to, from, info) })
	}); err != nil {
		return fmt.Errorf("keep what outlives segment %d: %w", info.Number, err)
	}
	f.mu.Lock()
	f.retired = append(f.retired, info)
	f.segments = f.segments[1:]
	f.mu.Unlock()
	f.shelf.forget(s)
	s.discard()
	if err := f.clearJournal(); err != nil {
		return err
	}
	return f.finishRetired()
}

// clearJournal removes from the disk what the journal still shows of records
// that segments took long ago.
func (f *logFile) clearJournal() error {
	f.appending.Lock()
	defer f.appending.Unlock()
	if err := f.Drain(); err != nil {
		return err
	}
	return f.waiting.journal.Forget()
}

// outlive copies the hashes and checkpoints of a segment.
func outlive(to, from *bolt.Tx, info store.SegmentInfo) error {
	for _, name := range [][]byte{tiles, notes} {
		if err := copyBucket(to, from, name); err != nil {
			return err
		}
	}
	pb, err := to.CreateBucketIfNotExists(partials)
	if err != nil {
		return err
	}
	full := info.Next - info.Next%store.TileWidth
	c := pb.Cursor()
	for k, _ := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k) < full; k, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	rb := from.Bucket(records)
	for seq := max(full, info.First); seq < info.Next; seq++ {
		e, err := decodeEntry(seq, rb.Get(seqKey(seq)), nil)
		if err != nil {
			return err
		}
		h := chain.LeafHash(e.Leaf)
		if err := pb.Put(seqKey(seq), h[:]); err != nil {
			return err
		}
	}
	sb, err := to.CreateBucketIfNotExists(gone)
	if err != nil {
		return err
	}
	v, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return sb.Put(seqKey(uint64(info.Number)), v)
}

func copyBucket(to, from *bolt.Tx, name []byte) error {
	src := from.Bucket(name)
	if src == nil {
		return nil
	}
	dst, err := bucket(to, name)
	if err != nil {
		return err
	}
	return src.ForEach(func(k, v []byte) error { return dst.Put(k, v) })
}

// outlivedView reads the file of what outlives retired segments; nothing when
// there is none.
func (f *logFile) outlivedView(fn func(*bolt.Tx) error) error {
	f.mu.RLock()
	db := f.outlived
	f.mu.RUnlock()
	if db == nil {
		return nil
	}
	return db.View(fn)
}

// RetiredHashes implements store.LogFile.
func (f *logFile) RetiredHashes(from uint64) ([]evidence.Hash, error) {
	var hs []evidence.Hash
	to := f.First()
	err := f.outlivedView(func(tx *bolt.Tx) error {
		b := tx.Bucket(partials)
		for seq := from; seq < to; seq++ {
			var v []byte
			if b != nil {
				v = b.Get(seqKey(seq))
			}
			if len(v) != 32 {
				return problem.New(problem.Corrupt, "the hash of retired record %d is missing", seq)
			}
			hs = append(hs, evidence.Hash(v))
		}
		return nil
	})
	if err == nil && uint64(len(hs)) != to-min(from, to) {
		err = problem.New(problem.Corrupt, "the hashes of retired records are missing")
	}
	return hs, err
}

// keptEntry reads a record that outlives its segment.
func (f *logFile) keptEntry(seq uint64) (store.Entry, error) {
	e, err := store.Entry{Seq: seq}, error(store.ErrRetired)
	verr := f.outlivedView(func(tx *bolt.Tx) error {
		b := tx.Bucket(kept)
		if b == nil {
			return nil
		}
		if v := b.Get(seqKey(seq)); v != nil {
			e, err = decodeEntry(seq, slices.Clone(v), nil)
		}
		return nil
	})
	if verr != nil {
		return e, verr
	}
	return e, err
}

// KeptRecords implements store.LogFile.
func (f *logFile) KeptRecords(fn func(store.Entry, []byte) error) error {
	first := f.First()
	return f.outlivedView(func(tx *bolt.Tx) error {
		kb, ob := tx.Bucket(kept), tx.Bucket(openings)
		if kb == nil || ob == nil {
			return nil
		}
		return kb.ForEach(func(k, v []byte) error {
			seq := binary.BigEndian.Uint64(k)
			if seq >= first {
				return nil // its segment is not retired yet
			}
			e, err := decodeEntry(seq, v, nil)
			if err != nil {
				return err
			}
			return fn(e, ob.Get(k))
		})
	})
}

// KeptPostings implements store.LogFile.
func (f *logFile) KeptPostings(fn func(store.Posting) error) error {
	return f.outlivedView(func(tx *bolt.Tx) error {
		b := tx.Bucket(postings)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error { return fn(store.Posting{Bucket: k[0], Key: k[1:], Value: v}) })
	})
}

// End implements store.Backend.
func (b *Backend) End(logID string) error {
	dir := filepath.Join(b.dir, "tenants", logID)
	if err := checkID(logID); err != nil {
		return err
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return problem.New(problem.NotFound, "no log in %s", dir)
	}
	f := &logFile{dir: filepath.Join(dir, "log"), shelf: &b.shelf}
	if err := f.openAll(); err != nil {
		return err
	}
	err := f.end()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		return problem.Wrap(problem.Storage, err, "remove the index")
	}
	return durable.SyncDir(dir)
}

// end keeps the head and retires every segment; the journal goes with them.
func (f *logFile) end() error {
	if err := f.retireAll(); err != nil {
		return err
	}
	if err := f.waiting.journal.Remove(); err != nil {
		return err
	}
	return durable.SyncDir(f.dir)
}

func (f *logFile) retireAll() error {
	if len(f.segments) == 0 {
		return nil
	}
	if err := f.Drain(); err != nil {
		return err
	}
	head, err := f.Head()
	if err != nil {
		return err
	}
	v, err := json.Marshal(head)
	if err != nil {
		return err
	}
	f.retiring.Lock()
	defer f.retiring.Unlock()
	f.mu.Lock()
	err = f.openRetired(true)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := f.outlived.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(heads)
		if err != nil {
			return err
		}
		return b.Put(headKey, v)
	}); err != nil {
		return err
	}
	for len(f.segments) > 0 {
		if err := f.retireOldest(); err != nil {
			return err
		}
	}
	return nil
}

// Ended implements store.Backend.
func (b *Backend) Ended(logID string) (head store.Head, n store.Note, ended bool, err error) {
	if err := checkID(logID); err != nil {
		return head, n, false, err
	}
	f := &logFile{dir: filepath.Join(b.dir, "tenants", logID, "log"), shelf: &b.shelf}
	if err := f.openAll(); err != nil {
		return head, n, false, err
	}
	defer f.Close()
	if len(f.segments) > 0 || f.outlived == nil {
		return head, n, false, nil
	}
	if head, err = f.endedHead(); err != nil {
		return head, n, false, err
	}
	n, err = f.NoteAt(head.Size)
	return head, n, err == nil, err
}

// endedHead reads the head of a log that was ended. One that has no segments and
// no such head was not ended: its segments are missing.
func (f *logFile) endedHead() (head store.Head, err error) {
	err = f.outlivedView(func(tx *bolt.Tx) error {
		b := tx.Bucket(heads)
		if b == nil || b.Get(headKey) == nil {
			newest := 0
			for _, s := range f.retired {
				newest = max(newest, s.Number)
			}
			return problem.New(problem.Corrupt, "the segments after %d, the newest that was retired, are missing in %s", newest, f.dir)
		}
		return json.Unmarshal(b.Get(headKey), &head)
	})
	return head, err
}
