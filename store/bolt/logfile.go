package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/durable"
	"evidenced/store/journal"
	"evidenced/store/mapped"
)

// logFile implements store.LogFile. The committer alone appends; mu guards the
// list of segments, which readers walk.
type logFile struct {
	dir   string
	shelf *shelf

	readOnly bool       // a copy: nothing in it is made or changed
	retiring sync.Mutex // one retirement at a time
	mu       sync.RWMutex
	segments []*segment
	retired  []store.SegmentInfo
	outlived *mapped.DB // what outlives retired segments; nil when there are none

	appending sync.Mutex // one append at a time, and none while the journal is cleared
	waiting   backlog    // what the newest segment does not have yet
}

func segmentName(n int) string { return fmt.Sprintf("%04d.db", n) }

func (f *logFile) openAll() error {
	es, err := os.ReadDir(f.dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "list segments")
	}
	var numbers []int
	for _, e := range es {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".db")); err == nil && segmentName(n) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	err = f.openRetired(false)
	if err == nil {
		err = f.finishRetired()
	}
	numbers = slices.DeleteFunc(numbers, f.isRetired)
	sort.Ints(numbers)
	if err == nil {
		err = f.list(numbers)
	}
	if err == nil {
		err = f.openBacklog()
	}
	if err != nil {
		f.Close()
	}
	return err
}

// Close implements store.LogFile.
func (f *logFile) Close() error {
	first := f.closeBacklog()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.segments {
		f.shelf.forget(s)
		if err := s.close(); err != nil && first == nil {
			first = err
		}
	}
	if f.outlived != nil {
		if err := f.outlived.Close(); err != nil && first == nil {
			first = err
		}
	}
	f.segments, f.outlived = nil, nil
	return first
}

// Head implements store.LogFile.
func (f *logFile) Head() (store.Head, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var h store.Head
	if len(f.segments) == 0 {
		return h, nil
	}
	if h, ok := f.waiting.end(); ok {
		return h, nil
	}
	s := f.segments[len(f.segments)-1]
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(heads)
		if b == nil || b.Get(headKey) == nil {
			return problem.New(problem.Corrupt, "segment %s has no head", s.path)
		}
		return json.Unmarshal(b.Get(headKey), &h)
	})
	return h, err
}

// First implements store.LogFile.
func (f *logFile) First() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if len(f.segments) > 0 {
		return f.segments[0].info.First
	}
	if n := len(f.retired); n > 0 {
		return f.retired[n-1].Next
	}
	return 0
}

// Append implements store.LogFile: the batch is durable in the journal, from
// where the segment takes it. The first of a segment, and one too large for the
// journal, go to the segment at once, behind everything that waits.
func (f *logFile) Append(entries []store.Entry, ts []store.Tile, head store.Head) error {
	f.appending.Lock()
	defer f.appending.Unlock()
	size := batchSize(entries, ts)
	if s := f.newest(); s != nil && s.info.Number == head.Segment && size <= maxJournaled {
		return f.keep(entries, ts, size, head)
	}
	if err := f.Drain(); err != nil {
		return err
	}
	s, err := f.writable(head, entries)
	if err != nil {
		return err
	}
	// The values stand in one piece of memory, which bbolt copies from before
	// the transaction ends.
	buf := getValues(size)
	defer putValues(buf)
	number := f.waiting.journal.Pass()
	if err := s.update(func(tx *bolt.Tx) error {
		w, err := f.writer(tx, s, head, number)
		if err != nil {
			return err
		}
		for _, t := range ts {
			if err := w.tiles.Put(tileKey(t.Level, t.Index), t.Hashes); err != nil {
				return err
			}
		}
		b := (*buf)[:0]
		for _, e := range entries {
			start := len(b)
			b = encodeEntry(b, e)
			if err := w.record(e.Seq, b[start:len(b):len(b)]); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		f.waiting.journal.Fail(err)
		return err
	}
	f.grown(s, head)
	return nil
}

// maxJournaled is how large a batch may be, in bytes, that goes through the
// journal. Writing a larger one twice costs more than the second sync of a
// transaction.
const maxJournaled = journal.MaxBody / 16

// newest returns the newest segment; nil when there is none.
func (f *logFile) newest() *segment {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if n := len(f.segments); n > 0 {
		return f.segments[n-1]
	}
	return nil
}

func bucket(tx *bolt.Tx, name []byte) (*bolt.Bucket, error) {
	b, err := tx.CreateBucketIfNotExists(name)
	if err == nil {
		b.FillPercent = 1.0 // keys rise: pages are filled once and never split
	}
	return b, err
}

// writable returns the segment of the head, making it when it is new.
func (f *logFile) writable(head store.Head, entries []store.Entry) (*segment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.segments)
	if n > 0 && f.segments[n-1].info.Number == head.Segment {
		return f.segments[n-1], nil
	}
	if len(entries) == 0 || n > 0 && f.segments[n-1].info.Number > head.Segment || f.isRetired(head.Segment) {
		return nil, fmt.Errorf("segment %d is not the newest", head.Segment)
	}
	if n > 0 {
		if err := f.segments[n-1].wholeMeta(); err != nil {
			return nil, err
		}
	}
	s := &segment{
		path: filepath.Join(f.dir, segmentName(head.Segment)), shelf: f.shelf, writable: true,
		info: store.SegmentInfo{Number: head.Segment, First: entries[0].Seq, Next: entries[0].Seq, Oldest: head.Recorded, Newest: head.Recorded},
	}
	var err error
	if s.db, err = open(s.path, false); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(f.dir); err != nil {
		s.db.Close()
		return nil, problem.Wrap(problem.Storage, err, "make segment %s durable", s.path)
	}
	f.segments = append(f.segments, s)
	return s, nil
}

// at returns the segments that may hold the records [from, to).
func (f *logFile) at(from, to uint64) []*segment {
	f.mu.RLock()
	defer f.mu.RUnlock()
	i := sort.Search(len(f.segments), func(i int) bool { return f.segments[i].info.First > from })
	if i > 0 {
		i--
	}
	j := i
	for j < len(f.segments) && (j == i || f.segments[j].info.First < to) {
		j++
	}
	return slices.Clone(f.segments[i:j])
}

// Entry implements store.LogFile. The result is a copy.
func (f *logFile) Entry(seq uint64) (store.Entry, error) {
	if seq < f.First() {
		return f.keptEntry(seq)
	}
	if e, ok, err := f.waiting.entry(seq); ok {
		return e, err
	}
	e := store.Entry{Seq: seq}
	err := error(store.ErrNoEntry)
	for _, s := range f.at(seq, seq+1) {
		verr := s.view(func(tx *bolt.Tx) error {
			b := tx.Bucket(records)
			if b == nil {
				return store.ErrNoEntry
			}
			v := b.Get(seqKey(seq))
			if v == nil {
				return store.ErrNoEntry
			}
			var derr error
			e, derr = decodeEntry(seq, append([]byte(nil), v...), nil)
			return derr
		})
		err = verr
	}
	return e, err
}

// Entries implements store.LogFile.
func (f *logFile) Entries(seqs []uint64, fn func(i int, e store.Entry) error) error {
	for i := 0; i < len(seqs); {
		if seqs[i] < f.First() {
			e, err := f.keptEntry(seqs[i])
			if err != nil {
				return fmt.Errorf("record %d: %w", seqs[i], err)
			}
			if err := fn(i, e); err != nil {
				return err
			}
			i++
			continue
		}
		if e, ok, err := f.waiting.entry(seqs[i]); ok {
			if err == nil {
				err = fn(i, e)
			}
			if err != nil {
				return err
			}
			i++
			continue
		}
		// One transaction for all records of a segment.
		segs := f.at(seqs[i], seqs[i]+1)
		if len(segs) == 0 {
			return fmt.Errorf("record %d: %w", seqs[i], store.ErrNoEntry)
		}
		err := segs[0].view(func(tx *bolt.Tx) error {
			b := tx.Bucket(records)
			if b == nil {
				return store.ErrNoEntry
			}
			c := b.Cursor()
			for begun := i; i < len(seqs); i++ {
				k, v := c.Seek(seqKey(seqs[i]))
				if len(k) != 8 || binary.BigEndian.Uint64(k) != seqs[i] {
					if i > begun {
						return nil // perhaps in the next segment
					}
					return fmt.Errorf("record %d: %w", seqs[i], store.ErrNoEntry)
				}
				e, err := decodeEntry(seqs[i], v, nil)
				if err != nil {
					return err
				}
				if err := fn(i, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scanChunk bounds how many records one read transaction walks, so that a long
// scan pins no pages.
const scanChunk = 4096

// Scan implements store.LogFile.
func (f *logFile) Scan(from, to uint64, fn func(store.Entry) error) error {
	for from < to {
		if from < f.First() {
			return fmt.Errorf("record %d: %w", from, store.ErrRetired)
		}
		next, err := f.waiting.scan(from, to, fn)
		if err != nil {
			return err
		}
		if next > from {
			from = next
			continue
		}
		// What the journal does not have, or not any more, is in the segments, up
		// to where it begins now.
		waiting := f.waiting.from()
		segs := f.at(from, to)
		if len(segs) == 0 {
			return store.ErrNoEntry
		}
		end := min(to, from+scanChunk)
		if from < waiting {
			end = min(end, waiting)
		}
		if len(segs) > 1 && segs[1].info.First < end {
			end = segs[1].info.First
		}
		if err := scanSegment(segs[0], from, end, fn); err != nil {
			return err
		}
		from = end
	}
	return nil
}

func scanSegment(s *segment, from, end uint64, fn func(store.Entry) error) error {
	return s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(records)
		if b == nil {
			return store.ErrNoEntry
		}
		c := b.Cursor()
		k, v := c.Seek(seqKey(from))
		var claims [][]byte // of one entry after the other
		for seq := from; seq < end; seq++ {
			if len(k) != 8 || binary.BigEndian.Uint64(k) != seq {
				return fmt.Errorf("record %d in %s: %w", seq, filepath.Base(s.path), store.ErrNoEntry)
			}
			e, err := decodeEntry(seq, v, claims[:0])
			if err != nil {
				return err
			}
			claims = e.Claims
			if err := mapped.Outside(func() error { return fn(e) }); err != nil {
				return err
			}
			k, v = c.Next()
		}
		return nil
	})
}

// Tile implements store.LogFile.
func (f *logFile) Tile(level int, index uint64) ([]byte, error) {
	last := index + 1
	for i := 0; i <= level; i++ {
		last *= store.TileWidth
	}
	if last > f.waiting.from() {
		if h, err := f.waiting.tile(level, index); h != nil || err != nil {
			return h, err
		}
	}
	var out []byte
	read := func(tx *bolt.Tx) error {
		if b := tx.Bucket(tiles); b != nil {
			out = append(out[:0], b.Get(tileKey(level, index))...)
		}
		return nil
	}
	if last-1 < f.First() {
		if err := f.outlivedView(read); err != nil {
			return nil, err
		}
	} else {
		for _, s := range f.at(last-1, last) {
			if err := s.view(read); err != nil {
				return nil, err
			}
		}
	}
	if len(out) != store.TileWidth*32 {
		return nil, problem.New(problem.Corrupt, "tile %d/%d is missing or damaged", level, index)
	}
	return out, nil
}

// PutNote implements store.LogFile.
func (f *logFile) PutNote(n store.Note) error {
	f.appending.Lock()
	defer f.appending.Unlock()
	if f.newest() == nil {
		return fmt.Errorf("no segment to keep a checkpoint in")
	}
	return f.keepNote(n)
}

// NoteAt implements store.LogFile.
func (f *logFile) NoteAt(size uint64) (store.Note, error) {
	f.mu.RLock()
	segs := slices.Clone(f.segments)
	f.mu.RUnlock()
	// What is in the journal is newer than what segments have.
	n, err := f.waiting.note(size)
	if err != nil || n.Signed != nil {
		return n, err
	}
	read := func(tx *bolt.Tx) error {
		n = noteAt(tx, size)
		return nil
	}
	for i := len(segs) - 1; i >= 0; i-- {
		if err := segs[i].view(read); err != nil || n.Signed != nil {
			return n, err
		}
	}
	return n, f.outlivedView(read)
}

func noteAt(tx *bolt.Tx, size uint64) store.Note {
	b := tx.Bucket(notes)
	if b == nil {
		return store.Note{}
	}
	c := b.Cursor()
	k, v := c.Seek(seqKey(size))
	if k == nil {
		k, v = c.Last()
	} else if len(k) != 8 || binary.BigEndian.Uint64(k) > size {
		k, v = c.Prev()
	}
	if len(k) != 8 {
		return store.Note{}
	}
	return store.Note{Size: binary.BigEndian.Uint64(k), Signed: append([]byte(nil), v...)}
}

// Bytes implements store.LogFile.
func (f *logFile) Bytes() int64 {
	if s := f.newest(); s != nil {
		return s.snapshot().Bytes + f.waiting.size()
	}
	return 0
}
