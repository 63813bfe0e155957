package bolt

import (
	"container/list"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/mapped"
)

// begunKey names, beside the head of a segment, what was known when it began.
var begunKey = []byte("begun")

// begun lets a log open without opening its sealed segments.
type begun struct {
	Info   store.SegmentInfo   `json:"info"`   // of this segment: number, first, oldest
	Before []store.SegmentInfo `json:"before"` // the sealed segments kept then
}

// segment is one file of a log. The newest is open for writing; a sealed one
// is opened read-only when it is read, and closed again by its shelf.
type segment struct {
	path  string
	shelf *shelf

	mu       sync.Mutex
	info     store.SegmentInfo
	db       *mapped.DB // nil while closed
	writable bool       // db may be written
	refs     int        // reads at work
	gone     bool       // closed for good
}

// view runs fn in a read transaction of the segment.
func (s *segment) view(fn func(*bolt.Tx) error) error {
	db, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release()
	return db.View(fn)
}

// wholeMeta makes both meta pages whole before the segment is sealed: a crash
// may have torn one, and the next transaction, if there was none since, puts it
// right.
func (s *segment) wholeMeta() error {
	if err := mapped.CheckSealed(s.path); err == nil {
		return nil
	}
	if err := s.db.Update(func(*bolt.Tx) error { return nil }); err != nil {
		return problem.Wrap(problem.Storage, err, "mend segment %s", s.path)
	}
	return mapped.CheckSealed(s.path)
}

func (s *segment) acquire() (*mapped.DB, error) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return nil, fmt.Errorf("segment %s is closed", filepath.Base(s.path))
	}
	if s.db == nil {
		if _, err := os.Stat(s.path); err != nil { // bbolt would say less
			s.mu.Unlock()
			return nil, problem.Wrap(problem.Corrupt, err, "segment %s is not there", s.path)
		}
		if err := mapped.CheckSealed(s.path); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		db, err := open(s.path, true)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.db = db
	}
	s.refs++
	db, sealed := s.db, !s.writable
	s.mu.Unlock()
	if sealed {
		s.shelf.touch(s)
	}
	return db, nil
}

func (s *segment) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	s.settle()
}

// settle closes what was only waiting for its readers: a file that is sealed
// or gone. The caller holds mu.
func (s *segment) settle() {
	if s.refs > 0 || s.db == nil || !(s.gone || s.writable && s.info.Sealed) {
		return
	}
	// Nothing was written since the last durable transaction, so an error of
	// closing loses nothing.
	_ = s.db.Close()
	s.db, s.writable = nil, false
	if !s.gone {
		_ = os.Chmod(s.path, 0o400) // tried again when the log is opened
	}
}

// seal makes the segment read-only. Its readers are not waited for.
func (s *segment) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info.Sealed = true
	if st, err := os.Stat(s.path); err == nil {
		s.info.Bytes = st.Size()
	}
	s.settle()
}

// close closes the segment for good.
func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.db == nil {
		return nil
	}
	err := s.db.Close() // waits for readers
	s.db = nil
	return err
}

// discard closes the segment for good without waiting for readers, which keep
// what they have open.
func (s *segment) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.settle()
}

// idle closes a sealed file that nobody reads; false when somebody does.
func (s *segment) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs > 0 {
		return false
	}
	if s.db != nil && !s.writable {
		_ = s.db.Close() // opened read-only
		s.db = nil
	}
	return true
}

// snapshot returns what is known of the segment.
func (s *segment) snapshot() store.SegmentInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// openSealed is how many sealed files of all logs stay open after a read.
const openSealed = 32

// shelf keeps the sealed files that were read last open, a few at a time.
type shelf struct {
	mu   sync.Mutex
	open list.List // of *segment, the one read last in front
	at   map[*segment]*list.Element
}

// touch notes that the segment was opened or read.
func (h *shelf) touch(s *segment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at == nil {
		h.at = map[*segment]*list.Element{}
	}
	if e := h.at[s]; e != nil {
		h.open.MoveToFront(e)
	} else {
		h.at[s] = h.open.PushFront(s)
	}
	for e := h.open.Back(); e != nil && h.open.Len() > openSealed; {
		before := e.Prev()
		if old := e.Value.(*segment); old.idle() {
			h.open.Remove(e)
			delete(h.at, old)
		}
		e = before
	}
}

// forget takes the segment off the shelf.
func (h *shelf) forget(s *segment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.at[s]; e != nil {
		h.open.Remove(e)
		delete(h.at, s)
	}
}

// list makes the row of segments of the numbers, which rise. The newest is
// opened for writing; of the others only those that it does not tell of are
// looked into.
func (f *logFile) list(numbers []int) error {
	var before []store.SegmentInfo
	for len(numbers) > 0 && len(f.segments) == 0 {
		n := numbers[len(numbers)-1]
		s := &segment{path: filepath.Join(f.dir, segmentName(n)), shelf: f.shelf, writable: true}
		if halfMade(s.path) {
			if err := os.Remove(s.path); err != nil {
				return problem.Wrap(problem.Storage, err, "remove half-made segment")
			}
			numbers = numbers[:len(numbers)-1]
			continue
		}
		var err error
		if s.db, err = open(s.path, false); err != nil {
			return err
		}
		info, b, err := describe(s.db, n)
		if err != nil {
			s.db.Close()
			return problem.Wrap(problem.Corrupt, err, "read segment %s", s.path)
		}
		if info.Next > info.First {
			s.info, before = info, b
			f.segments = []*segment{s}
			break
		}
		// A crash between making the file and its first transaction leaves an
		// empty newest segment, which holds nothing and is made again.
		s.db.Close()
		if err := os.Remove(s.path); err != nil {
			return problem.Wrap(problem.Storage, err, "remove empty segment")
		}
		numbers = numbers[:len(numbers)-1]
	}
	if len(f.segments) == 0 {
		return nil
	}
	row, err := f.sealed(numbers[:len(numbers)-1], before)
	f.segments = append(row, f.segments...)
	return err
}

// sealed makes the sealed segments: those that the newest one tells of, unless
// they were retired since, and whatever else lies there.
func (f *logFile) sealed(numbers []int, before []store.SegmentInfo) ([]*segment, error) {
	known := map[int]store.SegmentInfo{}
	var all []int
	for _, i := range before {
		if !f.isRetired(i.Number) {
			known[i.Number] = i
			all = append(all, i.Number)
		}
	}
	for _, n := range numbers {
		if _, ok := known[n]; !ok {
			all = append(all, n)
		}
	}
	sort.Ints(all)
	var row []*segment
	for _, n := range all {
		s := &segment{path: filepath.Join(f.dir, segmentName(n)), shelf: f.shelf, info: known[n]}
		st, err := os.Stat(s.path)
		if err == nil && st.Mode().Perm() != 0o400 {
			_ = os.Chmod(s.path, 0o400) // a crash came before it was sealed whole
		}
		if s.info.Number == 0 {
			if err := s.view(func(tx *bolt.Tx) (err error) {
				s.info, _, err = describeTx(tx, n)
				return err
			}); err != nil {
				return nil, problem.Wrap(problem.Corrupt, err, "read segment %s", s.path)
			}
			if s.info.Next == s.info.First {
				return nil, problem.New(problem.Corrupt, "segment %s is empty but not the newest", s.path)
			}
		}
		s.info.Sealed = true
		if st != nil {
			s.info.Bytes = st.Size()
		}
		row = append(row, s)
	}
	return row, nil
}

// describe reads what a segment says of itself and of those before it. A
// segment without a record has Next equal to First.
func describe(db *mapped.DB, number int) (info store.SegmentInfo, before []store.SegmentInfo, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		info, before, err = describeTx(tx, number)
		return err
	})
	return info, before, err
}

func describeTx(tx *bolt.Tx, number int) (store.SegmentInfo, []store.SegmentInfo, error) {
	info := store.SegmentInfo{Number: number, Bytes: tx.Size()}
	rb, hb := tx.Bucket(records), tx.Bucket(heads)
	if rb == nil || hb == nil {
		return info, nil, nil
	}
	first, _ := rb.Cursor().First()
	last, _ := rb.Cursor().Last()
	if len(first) != 8 || len(last) != 8 {
		return info, nil, nil
	}
	info.First, info.Next = binary.BigEndian.Uint64(first), binary.BigEndian.Uint64(last)+1
	var h store.Head
	if v := hb.Get(headKey); v != nil {
		if err := json.Unmarshal(v, &h); err != nil {
			return info, nil, fmt.Errorf("head: %w", err)
		}
	}
	info.Oldest, info.Newest = h.Recorded, h.Recorded
	var b begun
	if v := hb.Get(begunKey); v != nil {
		if err := json.Unmarshal(v, &b); err != nil {
			return info, nil, fmt.Errorf("begin of the segment: %w", err)
		}
		info.Oldest = b.Info.Oldest
	}
	return info, b.Before, nil
}

// update runs fn in a transaction of the newest segment, and notes how large the
// file is then.
func (s *segment) update(fn func(*bolt.Tx) error) error {
	if err := s.db.Update(fn); err != nil {
		return err
	}
	if st, err := os.Stat(s.path); err == nil {
		s.mu.Lock()
		s.info.Bytes = st.Size()
		s.mu.Unlock()
	}
	return nil
}

// begin writes, in the first transaction of a segment, what was known then.
func (f *logFile) begin(hb *bolt.Bucket, s *segment) error {
	if hb.Get(begunKey) != nil {
		return nil
	}
	b := begun{Info: s.snapshot()}
	for _, i := range f.Segments() {
		if i.Number != b.Info.Number {
			i.Sealed = true
			b.Before = append(b.Before, i)
		}
	}
	v, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return hb.Put(begunKey, v)
}

// grown notes what an append made durable, and seals the segments before.
func (f *logFile) grown(s *segment, head store.Head) {
	s.mu.Lock()
	s.info.Next, s.info.Newest = head.Size, head.Recorded
	s.mu.Unlock()
	f.mu.RLock()
	defer f.mu.RUnlock()
	for i := len(f.segments) - 2; i >= 0; i-- {
		if f.segments[i].snapshot().Sealed {
			return
		}
		f.segments[i].seal()
	}
}

// Segments implements store.LogFile.
func (f *logFile) Segments() []store.SegmentInfo {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]store.SegmentInfo, len(f.segments))
	for i, s := range f.segments {
		out[i] = s.snapshot()
	}
	if n := len(out); n > 0 {
		out[n-1].Bytes += f.waiting.size()
	}
	return out
}
