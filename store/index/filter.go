package index

import (
	"encoding/binary"
	"math/bits"

	"evidenced/store"
)

// A filter tells for most keys that a run does not have them. It is a row of
// lines as long as a line of the processor's cache; a key has bits in one of
// them. With filterBits bits for each key about one in a hundred look-ups of a
// key that is not there reads a block in vain.
const (
	filterBits  = 12
	lineBytes   = 64
	lineOnes    = 6                            // bits of a key
	linesInside = (blockSize - lineBytes) / 64 // lines of a block; its head takes the place of one
)

// filtered returns the part of a key, with its bucket, that filters know:
// identities, which are looked up whole, and what a state is of, which comes
// before time and seq. With the other postings filters would be six times as
// large, and nobody asks for those.
func filtered(key []byte) ([]byte, bool) {
	switch {
	case key[0] == store.BucketIdentity:
		return key, true
	case key[0] == store.BucketState && len(key) > len(store.When{}):
		return key[:len(key)-len(store.When{})], true
	}
	return nil, false
}

// hashOf spreads a key. The end of what is filtered is a keyed digest, which
// nobody outside can choose.
func hashOf(key []byte) uint64 {
	h := uint64(len(key))
	for ; len(key) > 16; key = key[8:] {
		h = mix(h ^ binary.LittleEndian.Uint64(key))
	}
	for ; len(key) >= 8; key = key[8:] {
		h = mix(h ^ binary.LittleEndian.Uint64(key))
	}
	for _, c := range key {
		h = mix(h ^ uint64(c))
	}
	return h
}

func mix(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// line returns which of n lines the hash falls on.
func line(sum uint64, n uint32) uint32 {
	hi, _ := bits.Mul64(sum, uint64(n))
	return uint32(hi)
}

// ones calls fn with the bits of the hash in its line.
func ones(sum uint64) [lineOnes]uint16 {
	var at [lineOnes]uint16
	h := mix(sum + 0x9e3779b97f4a7c15)
	for i := range at {
		at[i] = uint16(h & (lineBytes*8 - 1))
		h >>= 9
	}
	return at
}

// bloom is a filter that is being made.
type bloom struct{ lines arena }

// newBloom makes a filter for at most so many keys. It is to be freed.
func newBloom(keys uint64) bloom {
	if keys == 0 {
		return bloom{}
	}
	n := (keys*filterBits + lineBytes*8 - 1) / (lineBytes * 8)
	a := newArena(int(n * lineBytes))
	a.data = a.data[:n*lineBytes]
	return bloom{a}
}

func (f bloom) count() uint32 { return uint32(len(f.lines.data) / lineBytes) }

func (f bloom) add(sum uint64) {
	l := int(line(sum, f.count())) * lineBytes
	for _, o := range ones(sum) {
		f.lines.data[l+int(o>>3)] |= 1 << (o & 7)
	}
}

// may reports whether the run may have a key of the hash.
func (r *run) may(sum uint64) bool {
	if r.lines == 0 {
		return false
	}
	l := line(sum, r.lines)
	b := r.block(r.filterAt + l/linesInside)
	at := lineBytes * (1 + l%linesInside)
	part := b[at : at+lineBytes]
	for _, o := range ones(sum) {
		if part[o>>3]&(1<<(o&7)) == 0 {
			return false
		}
	}
	return true
}
