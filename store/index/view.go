package index

import (
	"bytes"
	"runtime/debug"
	"slices"

	"evidenced/store"
)

// View implements store.Index.
func (x *index) View() (store.IndexView, error) {
	v, err := x.hold()
	if err != nil {
		return nil, err
	}
	return &view{x: x, v: v}, nil
}

// view reads all runs of a version as one ordered map. It walks either way
// with cursors of its own, which stay where they are while they can: a walk
// moves few of them at a time.
type view struct {
	x   *index
	v   *version
	err error

	forward  []walker // the run with the earliest posting first
	backward []walker // the run with the latest posting first
	buf      []byte
}

// walker is a cursor and the key it was sent to: going forward it stands on
// the first posting at or after it, going backward on the last one before it.
type walker struct {
	cursor
	age  int // rises with how old the run is
	to   []byte
	sent bool
}

// walkers makes a walker for each run, in the order given.
func (v *view) walkers(ws *[]walker, order func(a, b *run) int) {
	if *ws != nil {
		return
	}
	v.v.newest(func(r *run) bool {
		*ws = append(*ws, walker{cursor: cursor{r: r}, age: len(*ws)})
		return true
	})
	slices.SortFunc(*ws, func(a, b walker) int { return order(a.r, b.r) })
}

func earliestFirst(a, b *run) int { return bytes.Compare(a.earliest[:], b.earliest[:]) }

func latestFirst(a, b *run) int { return bytes.Compare(b.latest[:], a.latest[:]) }

// better reports whether w stands before best (sign -1) or after it (sign 1);
// of two with the same key the newer one is better.
func (w *walker) better(best *walker, sign int) bool {
	if !w.valid {
		return false
	}
	if best == nil {
		return true
	}
	c := bytes.Compare(w.key(), best.key()) * sign
	return c > 0 || c == 0 && w.age < best.age
}

// SeekGE implements store.IndexView.
func (v *view) SeekGE(bucket byte, key []byte) (k, val []byte) {
	if v.err != nil {
		return nil, nil
	}
	defer guard(&v.err, debug.SetPanicOnFault(true))
	v.buf = fullKey(v.buf, bucket, key)
	v.walkers(&v.forward, earliestFirst)
	var best *walker
	for i := range v.forward {
		w := &v.forward[i]
		w.notBefore(v.buf)
		if w.better(best, -1) {
			best = w
		}
	}
	return best.posting(bucket)
}

// SeekLT implements store.IndexView.
func (v *view) SeekLT(bucket byte, key []byte) (k, val []byte) {
	if v.err != nil {
		return nil, nil
	}
	defer guard(&v.err, debug.SetPanicOnFault(true))
	v.buf = fullKey(v.buf, bucket, key)
	v.walkers(&v.backward, latestFirst)
	var best *walker
	for i := range v.backward {
		w := &v.backward[i]
		w.before(v.buf)
		if w.better(best, 1) {
			best = w
		}
	}
	return best.posting(bucket)
}

// From implements store.IndexView.
func (v *view) From(bucket byte, prefix []byte, limit store.When) (when store.When, val []byte, ok bool) {
	if v.err != nil {
		return when, nil, false
	}
	defer guard(&v.err, debug.SetPanicOnFault(true))
	v.buf = append(fullKey(v.buf, bucket, prefix), limit[:]...)
	v.walkers(&v.forward, earliestFirst)
	part, hashed := filtered(v.buf)
	sum := hashOf(part)
	var best *walker
	for i := range v.forward {
		w := &v.forward[i]
		if best != nil && bytes.Compare(w.r.earliest[:], best.when()) > 0 {
			break // neither this nor a later one has any before it
		}
		if bytes.Compare(w.r.latest[:], limit[:]) < 0 || hashed && !w.r.may(sum) {
			continue
		}
		w.notBefore(v.buf)
		if w.about(v.buf) && w.better(best, -1) {
			best = w
		}
	}
	return best.told()
}

// Before implements store.IndexView.
func (v *view) Before(bucket byte, prefix []byte, limit store.When) (when store.When, val []byte, ok bool) {
	if v.err != nil {
		return when, nil, false
	}
	defer guard(&v.err, debug.SetPanicOnFault(true))
	v.buf = append(fullKey(v.buf, bucket, prefix), limit[:]...)
	v.walkers(&v.backward, latestFirst)
	part, hashed := filtered(v.buf)
	sum := hashOf(part)
	var best *walker
	for i := range v.backward {
		w := &v.backward[i]
		if best != nil && bytes.Compare(w.r.latest[:], best.when()) < 0 {
			break
		}
		if bytes.Compare(w.r.earliest[:], limit[:]) >= 0 || hashed && !w.r.may(sum) {
			continue
		}
		w.before(v.buf)
		if w.about(v.buf) && w.better(best, 1) {
			best = w
		}
	}
	return best.told()
}

// about reports whether the walker stands on a posting with the same prefix as
// the key.
func (w *walker) about(key []byte) bool {
	if !w.valid {
		return false
	}
	n := len(key) - len(store.When{})
	k := w.key()
	return len(k) == len(key) && bytes.Equal(k[:n], key[:n])
}

func (w *walker) when() []byte {
	k := w.key()
	return k[len(k)-len(store.When{}):]
}

// told copies what the walker stands on.
func (w *walker) told() (when store.When, val []byte, ok bool) {
	if w == nil {
		return when, nil, false
	}
	return store.When(w.when()), append([]byte(nil), w.val()...), true
}

func (w *walker) notBefore(key []byte) {
	if w.sent && bytes.Compare(w.to, key) <= 0 {
		switch {
		case !w.valid || bytes.Compare(w.key(), key) >= 0:
			w.to = append(w.to[:0], key...)
			return
		default:
			if w.next(); !w.valid || bytes.Compare(w.key(), key) >= 0 {
				w.to = append(w.to[:0], key...)
				return
			}
		}
	}
	w.to, w.sent = append(w.to[:0], key...), true
	w.seekGE(key)
}

func (w *walker) before(key []byte) {
	if w.sent && bytes.Compare(w.to, key) >= 0 {
		switch {
		case !w.valid || bytes.Compare(w.key(), key) < 0:
			w.to = append(w.to[:0], key...)
			return
		default:
			if w.prev(); !w.valid || bytes.Compare(w.key(), key) < 0 {
				w.to = append(w.to[:0], key...)
				return
			}
		}
	}
	w.to, w.sent = append(w.to[:0], key...), true
	w.seekLT(key)
}

// posting copies the posting the walker stands on, when it is of the bucket:
// the run's own bytes are there only while the view is.
func (w *walker) posting(bucket byte) (key, val []byte) {
	if w == nil {
		return nil, nil
	}
	k, v := w.b.entry(w.i)
	if k[0] != bucket {
		return nil, nil
	}
	b := make([]byte, len(k)-1+len(v))
	copy(b, k[1:])
	copy(b[len(k)-1:], v)
	return b[: len(k)-1 : len(k)-1], b[len(k)-1:]
}

// Close implements store.IndexView.
func (v *view) Close() error {
	v.x.release(v.v)
	return v.err
}
