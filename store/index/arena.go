package index

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// outsideFrom is from how many bytes on an arena stands outside Go's heap: a
// smaller one is not worth a mapping.
const outsideFrom = 256 << 10

// arena is memory for something large whose end is known: postings that wait to
// be written, the filter of a run while it is made. It stands outside Go's heap,
// where the collector would let as much garbage gather beside it before it
// begins, and it is given back the moment it is not needed. What was taken of it
// must not be used after free.
type arena struct {
	data    []byte
	outside bool
}

// outside is how many bytes all arenas have outside Go's heap.
var outside atomic.Int64

// OutsideHeap returns how many bytes of memory the indexes of the process hold
// outside Go's heap, mapped files not counted.
func OutsideHeap() int64 { return outside.Load() }

// newArena makes an empty arena with room for so many bytes, all zero.
func newArena(size int) arena {
	if size < outsideFrom {
		return arena{data: make([]byte, 0, size)}
	}
	page := os.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil { // too many mappings, or a limit on memory: the heap has room or tells
		return arena{data: make([]byte, 0, size)}
	}
	outside.Add(int64(size))
	return arena{data: b[:0], outside: true}
}

// add appends bytes; where there is no room left, all moves to a larger arena.
func (a *arena) add(b []byte) {
	if len(a.data)+len(b) > cap(a.data) {
		larger := newArena(2*cap(a.data) + len(b))
		larger.data = append(larger.data, a.data...)
		a.free()
		*a = larger
	}
	a.data = append(a.data, b...)
}

// free gives the memory back.
func (a *arena) free() {
	if a.outside {
		whole := a.data[:cap(a.data)]
		outside.Add(-int64(len(whole)))
		_ = unix.Munmap(whole)
	}
	*a = arena{}
}
