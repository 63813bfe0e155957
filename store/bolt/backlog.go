package bolt

import (
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"sync"
	"time"

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
	// segment takes it although appends go on: a burst of that size has the cores
	// and the disk for itself, and many small batches share a transaction.
	takeBatches = 4096
	takeBytes   = 64 << 20
	// Once nothing was appended for idle the segment takes everything, unless fewer
	// than these wait: they stay until more come or the log is closed.
	idle        = 100 * time.Millisecond
	idleBatches = 256
	idleBytes   = 1 << 20
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
	head    store.Head  // after the last one
	taking  bool        // somebody moves batches to the segment
	wanted  uint64      // number up to which they are moved however few they are
	failed  error       // why the segment takes nothing more
	kept    time.Time   // when the newest batch came
	watch   *time.Timer // looks whether the log is idle; nil while nobody has to look
}

// held is a batch in the journal.
type held struct {
	frame journal.Frame
	upTo  uint64 // seq after its last record, or after the last before it in the journal
	batch
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
		full = func() { f.startTaking(1) }
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

// keep makes an append durable in the journal, whose batch has about that size,
// and has the segment take what waits when it is much.
func (f *logFile) keep(entries []store.Entry, ts []store.Tile, size int, head store.Head) error {
	v, err := json.Marshal(head)
	if err != nil {
		return err
	}
	buf := getValues(journal.HeaderSize + len(v) + size)
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
	w.mu.Lock()
	much := w.bytes >= takeBytes || len(w.batches) >= takeBatches
	w.kept = time.Now()
	if w.watch == nil && !much && w.rest() {
		w.watch = time.AfterFunc(idle, f.takeWhenIdle)
	}
	w.mu.Unlock()
	if much {
		f.startTaking(0)
	}
	return nil
}

// rest reports whether enough waits that an idle log's segment takes it. The caller
// holds mu.
func (w *backlog) rest() bool { return w.bytes >= idleBytes || len(w.batches) >= idleBatches }

// takeWhenIdle has the segment take all that waits, once nothing was appended for a
// while.
func (f *logFile) takeWhenIdle() {
	w := &f.waiting
	w.mu.Lock()
	if w.watch == nil { // the log is being closed
		w.mu.Unlock()
		return
	}
	if since := time.Since(w.kept); since < idle {
		w.watch.Reset(idle - since)
		w.mu.Unlock()
		return
	}
	w.watch = nil
	n := len(w.batches)
	rest := w.rest()
	w.mu.Unlock()
	if rest {
		f.startTaking(n)
	}
}

// startTaking has the segment take what waits, beside everything else: at least
// so many of the batches, and more while they fill a transaction.
func (f *logFile) startTaking(least int) {
	w := &f.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil || len(w.batches) == 0 {
		return
	}
	if least > 0 {
		w.wanted = max(w.wanted, w.batches[min(least, len(w.batches))-1].frame.Number)
	}
	if !w.taking {
		w.taking = true
		go f.take()
	}
}

// take moves batches to the segment until those that wait would not fill a
// transaction: while appends go on, each that is not full costs them two syncs for
// little. One goroutine does, the one that set taking.
func (f *logFile) take() {
	w := &f.waiting
	for {
		w.mu.Lock()
		few := w.bytes < takeMost && len(w.batches) < takeBatches
		if len(w.batches) == 0 || w.failed != nil || few && w.batches[0].frame.Number > w.wanted {
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

// Drain implements store.LogFile.
func (f *logFile) Drain() error {
	w := &f.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batches) == 0 {
		return nil
	}
	last := w.batches[len(w.batches)-1].frame.Number
	w.wanted = max(w.wanted, last)
	for len(w.batches) > 0 && w.batches[0].frame.Number <= last && w.failed == nil {
		if !w.taking {
			w.taking = true
			go f.take()
		}
		w.changed.Wait()
	}
	return w.failed
}

// closeBacklog has the segment take what is in the journal and closes it. What
// the segment does not take stays in the journal for the next opening.
func (f *logFile) closeBacklog() error {
	w := &f.waiting
	if w.journal == nil {
		return nil
	}
	w.mu.Lock()
	if w.watch != nil {
		w.watch.Stop()
		w.watch = nil
	}
	w.mu.Unlock()
	var err error
	if !f.readOnly {
		if err = f.Drain(); err == nil {
			err = w.journal.Clear()
		}
	}
	if cerr := w.journal.Close(); err == nil {
		err = cerr
	}
	w.journal = nil
	return err
}
