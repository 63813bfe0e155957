package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"evidenced/store"
)

// ranked is a posting in an order that is being made: eight bytes of its key,
// with the bucket before it, and which posting it is.
type ranked struct {
	prefix uint64
	at     int32
}

// fewRanked is how many postings are sorted by comparing them: counting 256
// values costs more than that.
const fewRanked = 64

// ranks are the orders of one sorting, used again: a chunk of postings has
// tens of thousands.
type ranks struct{ order, spare []ranked }

var rankPool = sync.Pool{New: func() any { return &ranks{} }}

// sorted calls fn with the order of the postings by their keys; of two with the
// same key the later one comes behind. The order is not to be kept.
func sorted(ps []store.Posting, fn func(order []ranked) error) error {
	r := rankPool.Get().(*ranks)
	defer rankPool.Put(r)
	if cap(r.order) < len(ps) {
		r.order, r.spare = make([]ranked, len(ps)), make([]ranked, len(ps))
	}
	s := sorter{ps}
	order := r.order[:len(ps)]
	for i := range order {
		order[i].at = int32(i)
	}
	s.load(order, 0)
	s.sort(order, r.spare[:len(ps)], 0, 56)
	return fn(order)
}

// sorter sorts by one byte of the keys after the other. Keys are digests, or
// begin with one of a few kinds, so that a byte or two part them, and what is
// left over is small. Comparing whole keys from the start would look at each
// fifteen times.
type sorter struct{ ps []store.Posting }

// load puts the eight bytes of each key from depth on into its rank; false
// when a key ends before that.
func (s sorter) load(order []ranked, depth int) bool {
	for i := range order {
		p := &s.ps[order[i].at]
		if depth == 0 {
			var b [8]byte
			b[0] = p.Bucket
			copy(b[1:], p.Key)
			order[i].prefix = binary.BigEndian.Uint64(b[:])
			continue
		}
		if len(p.Key) < depth+7 { // the bucket comes before the key
			return false
		}
		order[i].prefix = binary.BigEndian.Uint64(p.Key[depth-1:])
	}
	return true
}

// sort sorts ranks whose keys have the same bytes up to depth, and beyond that
// down to the bits of their prefixes above shift+8. Spare is as long.
func (s sorter) sort(order, spare []ranked, depth, shift int) {
	for len(order) >= fewRanked {
		if shift < 0 {
			if depth, shift = depth+8, 56; !s.load(order, depth) {
				slices.SortFunc(order, s.compareKeys)
				return
			}
		}
		var ends [256]int32
		for i := range order {
			ends[byte(order[i].prefix>>shift)]++
		}
		if int(ends[byte(order[0].prefix>>shift)]) == len(order) {
			shift -= 8
			continue
		}
		sum := int32(0)
		for i, n := range ends {
			ends[i] = sum
			sum += n
		}
		for _, o := range order {
			b := byte(o.prefix >> shift)
			spare[ends[b]] = o
			ends[b]++
		}
		copy(order, spare)
		begin := int32(0)
		for _, end := range ends {
			if end-begin > 1 {
				s.sort(order[begin:end], spare[begin:end], depth, shift-8)
			}
			begin = end
		}
		return
	}
	slices.SortFunc(order, s.compare)
}

// compare compares ranks whose prefixes are of the same depth.
func (s sorter) compare(a, b ranked) int {
	if a.prefix != b.prefix {
		return cmp.Compare(a.prefix, b.prefix)
	}
	return s.compareKeys(a, b)
}

func (s sorter) compareKeys(a, b ranked) int {
	p, q := &s.ps[a.at], &s.ps[b.at]
	if p.Bucket != q.Bucket {
		return cmp.Compare(p.Bucket, q.Bucket)
	}
	return cmp.Or(bytes.Compare(p.Key, q.Key), cmp.Compare(a.at, b.at))
}
