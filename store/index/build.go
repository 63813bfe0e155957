package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"evidenced/store"
)

// builder writes a run from postings in the order of their keys.
type builder struct {
	r      *run
	emit   func(block) error // takes the next block; must not keep it
	sums   bool
	next   uint32
	levels []*blockWriter
	firsts [][]byte // first key of each level's block
	filter bloom
	about  []byte // what was put into the filter last: postings of one state follow each other
}

// newBuilder makes a builder of a run with at most so many keys in its filter.
func newBuilder(keys uint64, sums bool, emit func(block) error) *builder {
	b := &builder{r: &run{}, emit: emit, sums: sums, filter: newBloom(keys)}
	for i := range b.r.earliest {
		b.r.earliest[i] = 0xff // nothing is of any time yet
	}
	return b
}

// add adds a posting behind all that were added.
func (b *builder) add(key, val []byte) error {
	b.r.count++
	if w, ok := whenOf(key); ok {
		b.span(w)
	}
	if part, ok := filtered(key); ok {
		if !bytes.Equal(part, b.about) {
			b.about = append(b.about[:0], part...)
			b.filter.add(hashOf(part))
			b.r.keys++
		}
	}
	return b.put(0, key, val)
}

// whenOf returns the end of a key, with its bucket; false of an identity, or of
// a key that is too short to have one.
func whenOf(key []byte) (w []byte, ok bool) {
	n := len(key) - len(store.When{})
	if n < 1 || key[0] == store.BucketIdentity {
		return nil, false
	}
	return key[n:], true
}

// span takes the time of a posting into the run's.
func (b *builder) span(w []byte) {
	if bytes.Compare(w, b.r.earliest[:]) < 0 {
		copy(b.r.earliest[:], w)
	}
	if bytes.Compare(w, b.r.latest[:]) > 0 {
		copy(b.r.latest[:], w)
	}
}

func (b *builder) put(level int, key, val []byte) error {
	if level == len(b.levels) {
		w := &blockWriter{}
		w.reset(byte(level))
		b.levels, b.firsts = append(b.levels, w), append(b.firsts, nil)
	}
	w := b.levels[level]
	if !w.fits(key, val) {
		if err := b.full(level); err != nil {
			return err
		}
	}
	if w.n == 0 {
		b.firsts[level] = append(b.firsts[level][:0], key...)
	}
	w.add(key, val)
	return nil
}

// full hands a block on and notes it in the level above.
func (b *builder) full(level int) error {
	n, err := b.hand(b.levels[level])
	if err != nil {
		return err
	}
	var val [4]byte
	binary.BigEndian.PutUint32(val[:], n)
	b.levels[level].reset(byte(level))
	return b.put(level+1, b.firsts[level], val[:])
}

func (b *builder) hand(w *blockWriter) (uint32, error) {
	n := b.next
	if n == 1<<31 {
		return 0, fmt.Errorf("a run of more than %d blocks", n)
	}
	b.next++
	if b.sums {
		w.close(n)
	} else {
		binary.BigEndian.PutUint16(w.b[6:], uint16(w.n))
	}
	return n, b.emit(w.b)
}

// finish writes the rest of the tree and the filter.
func (b *builder) finish() error {
	for l := 0; l < len(b.levels); l++ {
		if l < len(b.levels)-1 {
			if err := b.full(l); err != nil {
				return err
			}
			continue
		}
		n, err := b.hand(b.levels[l])
		if err != nil {
			return err
		}
		b.r.root = n
		break
	}
	b.r.filterAt, b.r.lines = b.next, b.filter.count()
	w := &blockWriter{}
	for rest := b.filter.lines.data; len(rest) > 0; {
		w.reset(levelBloom)
		n := copy(w.b[lineBytes:], rest)
		rest = rest[n:]
		if _, err := b.hand(w); err != nil {
			return err
		}
	}
	return nil
}

// end writes the end block.
func (b *builder) end() error {
	w := &blockWriter{}
	w.reset(levelEnd)
	b.r.writeEnd(w.b)
	_, err := b.hand(w)
	return err
}

// prefix is the begin of a key as a number that sorts like it.
func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// newMemoryRun sorts postings into a run in memory; nil when there are none. Of
// two with the same key the later one holds.
func newMemoryRun(ps []store.Posting) (*run, error) {
	size, keys := 0, uint64(0)
	for i := range ps {
		p := &ps[i]
		if len(p.Key) >= maxKey || len(p.Value) > maxKey {
			return nil, fmt.Errorf("a posting with a key of %d and a value of %d bytes", len(p.Key), len(p.Value))
		}
		size += 5 + len(p.Key) + len(p.Value)
		if p.Bucket == store.BucketIdentity || p.Bucket == store.BucketState {
			keys++
		}
	}
	if len(ps) == 0 {
		return nil, nil
	}
	size = (size/(blockSize-256) + 4 + int(keys)*filterBits/8/(blockSize-lineBytes)) * blockSize
	return inMemory(keys, size, func(b *builder) error {
		return sorted(ps, func(order []ranked) error { return b.addAll(ps, order) })
	})
}

// inMemory makes a run in memory of about so many bytes, of what fill adds.
func inMemory(keys uint64, size int, fill func(*builder) error) (*run, error) {
	a := newArena(size)
	b := newBuilder(keys, false, func(blk block) error {
		a.add(blk)
		return nil
	})
	defer b.filter.lines.free()
	err := fill(b)
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		a.free()
		return nil, err
	}
	b.r.data, b.r.arena = a.data, a
	return b.r, nil
}

// addAll adds the postings in the order; of two with the same key the later
// one.
func (b *builder) addAll(ps []store.Posting, order []ranked) error {
	var key []byte
	for i, o := range order {
		p := &ps[o.at]
		if i+1 < len(order) {
			if q := &ps[order[i+1].at]; q.Bucket == p.Bucket && bytes.Equal(q.Key, p.Key) {
				continue
			}
		}
		key = fullKey(key, p.Bucket, p.Key)
		if err := b.add(key, p.Value); err != nil {
			return err
		}
	}
	return nil
}
