package bolt

import (
	"sort"

	"evidenced/store"
)

// What is in the journal is read from there: by the methods below, each of which
// tells when it is not.

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
