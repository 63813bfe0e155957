package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sort"
	"sync"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/journal"
)

// journalName is the file of what was appended and is not in the newest segment
// yet. The other segments are whole without it.
const journalName = "journal"

// takenKey names, beside the head of a segment, the number of the newest batch of
// the journal that it has.
var takenKey = []byte("taken")

const (
	// takeBatches and takeBytes say how much waits in the journal before the
	// segment takes it: a burst of that size has the cores for itself, and many
	// small batches share a transaction.
	takeBatches = 1024
	takeBytes   = 32 << 20
	// takeMost bounds what one transaction takes, in bytes, and with it its
	// memory; a single batch may be larger.
	takeMost = 2 << 20
)

// backlog is what is durable in the journal and not yet in the segment. Reading
// looks here first: what is not here is in a segment.
type backlog struct {
	journal *journal.Journal

	mu      sync.RWMutex
	changed sync.Cond // something was taken, or nothing more will be; under mu for writing
	batches []held    // in order
	bytes   int64
	head    store.Head // after the last one
	taking  bool       // somebody moves batches to the segment
	failed  error      // why the segment takes nothing more
}

// held is a batch in the journal.
type held struct {
	frame journal.Frame
	upTo  uint64 // seq after its last record, or after the last before it in the journal
	batch
}

// values are buffers for bodies; one larger than maxValues is not kept.
var values = sync.Pool{New: func() any { return new([]byte) }}

// Sizes of such buffers, in bytes.
const (
	maxValues  = 4 << 20
	valuesStep = 64 << 10
)

// getValues returns a buffer with room for so many bytes.
func getValues(size int) *[]byte {
	buf := values.Get().(*[]byte)
	if cap(*buf) < size {
		// Somewhat more, so that the next batch fits too.
		*buf = make([]byte, 0, (size/valuesStep+1)*valuesStep)
	}
	return buf
}

func putValues(buf *[]byte) {
	if cap(*buf) <= maxValues {
		values.Put(buf)
	}
}

// openBacklog reads what the journal holds beyond the newest segment.
func (f *logFile) openBacklog() error {
	f.waiting.changed.L = &f.waiting.mu
	var taken uint64
	var head store.Head
	if s := f.newest(); s != nil {
		if err := s.view(func(tx *bolt.Tx) error {
			if b := tx.Bucket(heads); b != nil && len(b.Get(takenKey)) == 8 {
				taken = binary.BigEndian.Uint64(b.Get(takenKey))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	var full func()
	if !f.readOnly {
		full = f.startTaking
	}
	j, err := journal.Open(filepath.Join(f.dir, journalName), taken, full)
	if err != nil {
		return err
	}
	f.waiting.journal = j
	frames := j.Waiting()
	if len(frames) > 0 {
		if head, err = f.Head(); err != nil {
			return err
		}
	}
	buf := getValues(0)
	defer putValues(buf)
	for _, fr := range frames {
		body, err := j.Body(fr, *buf)
		if err != nil {
			return err
		}
		*buf = body
		b, err := readBatch(body)
		if err == nil {
			err = b.follows(head, body)
		}
		if err != nil {
			return problem.Wrap(problem.Corrupt, err, "batch %d of the journal in %s does not follow the newest segment", fr.Number, f.dir).
				WithHint("the segment or the journal is of another log or another time: bring the newest copy of both back")
		}
		if len(b.records) > 0 {
			head = b.head
		}
		f.hold(held{frame: fr, batch: b})
	}
	if f.readOnly {
		return nil
	}
	return j.Clear() // after a crash: of what the segments have
}

// hold shows a batch that is durable in the journal to readers.
func (f *logFile) hold(h held) {
	w := &f.waiting
	w.mu.Lock()
	if n := len(w.batches); len(h.records) > 0 {
		h.upTo = h.end()
	} else if n > 0 {
		h.upTo = w.batches[n-1].upTo
	}
	w.batches = append(w.batches, h)
	w.bytes += int64(h.frame.Length)
	if len(h.records) > 0 {
		w.head = h.head
	}
	w.mu.Unlock()
	if len(h.records) > 0 {
		f.grown(f.newest(), h.head)
	}
}

// keep makes an append durable in the journal, and has the segment take what
// waits when it is much.
func (f *logFile) keep(entries []store.Entry, ts []store.Tile, head store.Head) error {
	v, err := json.Marshal(head)
	if err != nil {
		return err
	}
	buf := getValues(journal.HeaderSize + len(v) + batchSize(entries, ts))
	defer putValues(buf)
	b, err := appendBatch((*buf)[:journal.HeaderSize], entries, ts, v)
	if err != nil {
		return err
	}
	return f.append(buf, b, head)
}

// keepNote makes a checkpoint durable in the journal.
func (f *logFile) keepNote(n store.Note) error {
	buf := getValues(journal.HeaderSize + len(n.Signed) + 64)
	defer putValues(buf)
	return f.append(buf, appendNote((*buf)[:journal.HeaderSize], n), store.Head{})
}

// append makes a batch durable that stands in b, behind room for its header. The
// memory goes back to buf. The caller holds appending.
func (f *logFile) append(buf *[]byte, b []byte, head store.Head) error {
	w := &f.waiting
	parts, _, err := cutBatch(b[journal.HeaderSize:])
	if err != nil {
		return err
	}
	parts.head = head
	fr, b, err := w.journal.Append(b)
	*buf = b
	if err != nil {
		return err
	}
	f.hold(held{frame: fr, batch: parts})
	w.mu.RLock()
	much := w.bytes >= takeBytes || len(w.batches) >= takeBatches
	w.mu.RUnlock()
	if much {
		f.startTaking()
	}
	return nil
}

// startTaking has the segment take what waits, beside everything else.
func (f *logFile) startTaking() {
	w := &f.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.taking && w.failed == nil && len(w.batches) > 0 {
		w.taking = true
		go f.take()
	}
}

// take moves batches to the segment until none wait. One goroutine does, the
// one that set taking.
func (f *logFile) take() {
	w := &f.waiting
	for {
		w.mu.Lock()
		if len(w.batches) == 0 || w.failed != nil {
			w.taking = false
			w.changed.Broadcast()
			w.mu.Unlock()
			return
		}
		n, size := 0, 0
		for n < len(w.batches) && (n == 0 || size+w.batches[n].frame.Length <= takeMost) {
			size += w.batches[n].frame.Length
			n++
		}
		some := w.batches[:n:n]
		w.mu.Unlock()
		err := f.store(some, size)
		w.mu.Lock()
		if err != nil {
			// It stays in the journal, and can be read there.
			w.failed = err
			w.journal.Fail(err)
		} else {
			w.batches = append([]held(nil), w.batches[n:]...)
			w.bytes -= int64(size)
			w.journal.Take(some[n-1].frame.Number)
		}
		w.changed.Broadcast()
		w.mu.Unlock()
	}
}

// store puts batches of the journal into the newest segment, in one transaction.
func (f *logFile) store(some []held, size int) error {
	buf := getValues(size + len(some)*journal.HeaderSize)
	defer putValues(buf)
	bodies, rest := make([][]byte, len(some)), (*buf)[:0]
	for i, h := range some {
		end := journal.HeaderSize + h.frame.Length
		body, err := f.waiting.journal.Body(h.frame, rest[:0:end])
		if err != nil {
			return err
		}
		bodies[i], rest = body, rest[end:cap(rest)]
	}
	s := f.newest()
	return s.update(func(tx *bolt.Tx) error {
		var head store.Head
		for _, h := range some {
			if len(h.records) > 0 {
				head = h.head
			}
		}
		w, err := f.writer(tx, s, head, some[len(some)-1].frame.Number)
		if err != nil {
			return err
		}
		for i, h := range some {
			for _, n := range h.notes {
				if err := w.notes.Put(seqKey(n.of), bodies[i][n.at:n.at+n.size]); err != nil {
					return err
				}
			}
			for _, t := range h.tiles {
				if err := w.tiles.Put(tileKey(t.level, t.index), bodies[i][t.at:t.at+tileBytes]); err != nil {
					return err
				}
			}
			for k, r := range h.records {
				if err := w.record(h.first+uint64(k), bodies[i][r.at:r.at+r.size:r.at+r.size]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// drain waits until the segment has all that is in the journal now.
func (f *logFile) drain() error {
	w := &f.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batches) == 0 {
		return nil
	}
	last := w.batches[len(w.batches)-1].frame.Number
	for len(w.batches) > 0 && w.batches[0].frame.Number <= last && w.failed == nil {
		if !w.taking {
			w.taking = true
			go f.take()
		}
		w.changed.Wait()
	}
	return w.failed
}

// holds returns the batch that has the record; false when none has it, so that
// it is in a segment or nowhere. The caller holds mu.
func (w *backlog) holds(seq uint64) (held, bool) {
	i := sort.Search(len(w.batches), func(i int) bool { return w.batches[i].upTo > seq })
	if i == len(w.batches) || seq < w.batches[i].first || seq >= w.batches[i].end() {
		return held{}, false
	}
	return w.batches[i], true
}

// end returns the head after the records in the journal; false when there are
// none.
func (w *backlog) end() (store.Head, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, h := range w.batches {
		if len(h.records) > 0 {
			return w.head, true
		}
	}
	return store.Head{}, false
}

// size returns how many bytes the segment will grow by, about.
func (w *backlog) size() int64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.bytes
}

// from returns the first seq in the journal; the largest number when it has
// no records.
func (w *backlog) from() uint64 {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, h := range w.batches {
		if len(h.records) > 0 {
			return h.first
		}
	}
	return 1<<64 - 1
}

// entry reads a record that is in the journal; false when it is not there.
func (w *backlog) entry(seq uint64) (store.Entry, bool, error) {
	// Held while reading: once taken, the place may be written again.
	w.mu.RLock()
	defer w.mu.RUnlock()
	h, ok := w.holds(seq)
	if !ok {
		return store.Entry{}, false, nil
	}
	r := h.records[seq-h.first]
	v, err := w.journal.Part(h.frame, r.at, r.size)
	if err != nil {
		return store.Entry{}, true, err
	}
	e, err := decodeEntry(seq, v, nil)
	return e, true, err
}

// scan calls fn for the records [from, to) that stand in one batch of the
// journal, and returns the next seq; from itself when it is not there.
func (w *backlog) scan(from, to uint64, fn func(store.Entry) error) (uint64, error) {
	buf := getValues(0)
	defer putValues(buf)
	h, body, err := w.body(from, *buf)
	if body == nil || err != nil {
		return from, err
	}
	*buf = body
	var claims [][]byte // of one entry after the other
	for ; from < to && from-h.first < uint64(len(h.records)); from++ {
		r := h.records[from-h.first]
		e, err := decodeEntry(from, body[r.at:r.at+r.size:r.at+r.size], claims[:0])
		if err != nil {
			return from, err
		}
		claims = e.Claims
		if err := fn(e); err != nil {
			return from, err
		}
	}
	return from, nil
}

// body reads the batch that has the record into b's memory; nil when none has
// it.
func (w *backlog) body(seq uint64, b []byte) (held, []byte, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	h, ok := w.holds(seq)
	if !ok {
		return h, nil, nil
	}
	b, err := w.journal.Body(h.frame, b)
	return h, b, err
}

// tile reads a tile that is in the journal; nil when it is not there.
func (w *backlog) tile(level int, index uint64) ([]byte, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, h := range w.batches {
		for _, t := range h.tiles {
			if t.level == level && t.index == index {
				return w.journal.Part(h.frame, t.at, tileBytes)
			}
		}
	}
	return nil, nil
}

// note returns the checkpoint in the journal of the largest size up to the one
// given, of several the newest; a zero Note when there is none.
func (w *backlog) note(size uint64) (n store.Note, err error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, h := range w.batches {
		for _, s := range h.notes {
			if s.of > size || s.of < n.Size {
				continue
			}
			n.Size = s.of
			if n.Signed, err = w.journal.Part(h.frame, s.at, s.size); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// closeBacklog has the segment take what is in the journal and closes it. What
// the segment does not take stays in the journal for the next opening.
func (f *logFile) closeBacklog() error {
	w := &f.waiting
	if w.journal == nil {
		return nil
	}
	var err error
	if !f.readOnly {
		if err = f.drain(); err == nil {
			err = w.journal.Clear()
		}
	}
	if cerr := w.journal.Close(); err == nil {
		err = cerr
	}
	w.journal = nil
	return err
}

// writer is a transaction of a segment that takes records.
type writer struct {
	records, tiles, notes *bolt.Bucket
	key                   [8]byte
}

// writer begins the taking of batches up to the number, after which the head is
// the one given, or as before when that has no size.
func (f *logFile) writer(tx *bolt.Tx, s *segment, head store.Head, number uint64) (*writer, error) {
	rb, err := bucket(tx, records)
	if err != nil {
		return nil, err
	}
	tb, err := bucket(tx, tiles)
	if err != nil {
		return nil, err
	}
	nb, err := bucket(tx, notes)
	if err != nil {
		return nil, err
	}
	hb, err := bucket(tx, heads)
	if err != nil {
		return nil, err
	}
	if err := f.begin(hb, s); err != nil {
		return nil, err
	}
	if head.Size > 0 {
		v, err := json.Marshal(head)
		if err != nil {
			return nil, err
		}
		if err := hb.Put(headKey, v); err != nil {
			return nil, err
		}
	}
	return &writer{records: rb, tiles: tb, notes: nb}, hb.Put(takenKey, seqKey(number))
}

// record puts a record, whose value must stay as it is until the transaction
// ends.
func (w *writer) record(seq uint64, value []byte) error {
	binary.BigEndian.PutUint64(w.key[:], seq) // bbolt copies a key at once
	if err := w.records.Put(w.key[:], value); err != nil {
		return fmt.Errorf("record %d: %w", seq, err)
	}
	return nil
}
