package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"sync/atomic"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// mergeFan is how many runs of about one size are made one.
const mergeFan = 8

// sizeOf sorts runs into sizes, each eight times the one before.
func sizeOf(r *run) int {
	return bits.Len64(uint64(len(r.data))/(64<<10)) / 3
}

// choose returns which of the runs are to be merged, [from, to); to is 0 when
// none are. They are the newest ones up to a size of which enough have come
// together.
func choose(files []*run) (from, to int) {
	largest := 0
	for _, r := range files {
		largest = max(largest, sizeOf(r))
	}
	for size := 0; size <= largest; size++ {
		begin, same := len(files), 0
		for begin > 0 && sizeOf(files[begin-1]) <= size {
			begin--
			if sizeOf(files[begin]) == size {
				same++
			}
		}
		if same >= mergeFan {
			return begin, len(files)
		}
	}
	if len(files) >= maxRuns/2 { // small ones between large ones
		return len(files) / 2, len(files)
	}
	return 0, 0
}

// gathered merges runs in memory when many small ones have come together, as
// those of a log do to which little is added at a time.
func gathered(memory []*run) ([]*run, error) {
	for size, fan := range []int{mergeFan, 2 * mergeFan} {
		begin := len(memory)
		for begin > 0 && sizeOf(memory[begin-1]) <= size {
			begin--
		}
		if len(memory)-begin < fan {
			continue
		}
		var keys uint64
		n := 0
		for _, r := range memory[begin:] {
			keys += r.keys
			n += len(r.data)
		}
		together, err := inMemory(keys, n, func(b *builder) error { return merge(b, memory[begin:], &atomic.Bool{}) })
		if err != nil {
			return nil, err
		}
		for _, r := range memory[begin:] {
			if r.refs == 0 { // no version ever had it
				r.unmap()
			}
		}
		memory = append(memory[:begin:begin], together)
	}
	return memory, nil
}

// startMerge merges in the background when there is something to merge and
// nobody does. The caller holds mu. The goroutine ends when nothing is left to
// merge, or when the index is closed.
func (x *index) startMerge() {
	from, to := choose(x.now.files)
	if x.merging || to == 0 || x.stop.Load() {
		return
	}
	x.merging, x.mergeErr = true, nil
	v := x.now
	v.refs++
	go func() {
		r, err := x.mergeRuns(v.files[from:to])
		x.mu.Lock()
		defer x.mu.Unlock()
		if r != nil {
			files := append(append(append([]*run(nil), x.now.files[:from]...), r), x.now.files[to:]...)
			x.install(&version{files: files, memory: x.now.memory, mark: x.now.mark})
			for _, old := range v.files[from:to] {
				_ = os.Remove(old.path) // what stays goes with the next start
			}
		}
		x.drop(v)
		x.merging = false
		if err == nil {
			x.startMerge()
		} else if !errors.Is(err, errStopped) {
			x.mergeErr = err // tried again with the next run
		}
		x.settled.Broadcast()
	}()
}

var errStopped = errors.New("the index is being closed")

func (x *index) mergeRuns(rs []*run) (*run, error) {
	if !x.pool.turn(x.quit) {
		return nil, errStopped
	}
	defer func() { <-x.pool.slots }()
	last := rs[len(rs)-1]
	return x.write(rs, rs[0].first, last.last, last.mark)
}

// roomToMerge waits while too many runs are to be merged.
func (x *index) roomToMerge() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.now.files) >= maxRuns {
		if x.startMerge(); !x.merging {
			return nil
		}
		x.settled.Wait()
		if x.mergeErr != nil {
			return fmt.Errorf("merge runs: %w", x.mergeErr)
		}
	}
	return nil
}

// hasRoom reports whether a run can be written without waiting for a merge.
func (x *index) hasRoom() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now != nil && len(x.now.files) < maxRuns
}

// merge adds the postings of runs, the newest last, to the builder, until stop
// is set.
func merge(b *builder, from []*run, stop *atomic.Bool) error {
	var h sources
	for age, r := range from {
		s := &source{r: r, age: age}
		if err := s.open(); err != nil {
			h.close()
			return err
		}
		h = append(h, s)
	}
	defer append(sources(nil), h...).close() // h shrinks
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	var last []byte
	for n := 0; len(h) > 0; n++ {
		if n%4096 == 0 && stop.Load() {
			return errStopped
		}
		s := h[0]
		if !bytes.Equal(s.key, last) {
			if err := b.add(s.key, s.val); err != nil {
				return err
			}
			last = append(last[:0], s.key...)
		}
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.down(0)
	}
	return nil
}

// source reads the postings of a run from the first to the last.
type source struct {
	r   *run
	age int // rises with how new the run is

	f      *os.File // of a run that is a file: read, not mapped, so that it takes no memory
	buf    []byte
	have   []byte // blocks that were read and not yet looked at
	number uint32 // of the first of them

	b        block
	i        int
	key, val []byte
	prefix   uint64
}

// readBytes is how much of a file is read at a time.
const readBytes = 256 << 10

func (s *source) open() (err error) {
	if s.r.path == "" {
		s.have = s.r.data[:(int(s.r.root)+1)*blockSize]
	} else {
		if s.f, err = os.Open(s.r.path); err != nil {
			return err
		}
		s.buf = make([]byte, readBytes)
	}
	_, err = s.next()
	return err
}

// next goes to the next posting; false when there is none.
func (s *source) next() (bool, error) {
	for s.i++; s.b == nil || s.i >= s.b.len(); s.i = 0 {
		if more, err := s.nextBlock(); !more || err != nil {
			return false, err
		}
	}
	s.key, s.val = s.b.entry(s.i)
	s.prefix = prefix(s.key)
	return true, nil
}

func (s *source) nextBlock() (bool, error) {
	for {
		if len(s.have) == 0 {
			left := (int64(s.r.root) + 1 - int64(s.number)) * blockSize
			if s.f == nil || left == 0 {
				return false, nil
			}
			s.have = s.buf[:min(left, readBytes)]
			if _, err := s.f.ReadAt(s.have, int64(s.number)*blockSize); err != nil && err != io.EOF {
				return false, err
			} else if err == io.EOF {
				return false, problem.Wrap(problem.Corrupt, fmt.Errorf("%w: the file is cut short", store.ErrIndexDamaged), "index %s", s.r.path)
			}
		}
		b := block(s.have[:blockSize:blockSize])
		if s.f != nil {
			if err := b.check(s.number); err != nil {
				s.r.damaged.Store(true)
				return false, problem.Wrap(problem.Corrupt, fmt.Errorf("%w: %w", store.ErrIndexDamaged, err), "index %s", s.r.path)
			}
		}
		s.have = s.have[blockSize:]
		s.number++
		if b.level() == 0 {
			s.b = b
			return true, nil
		}
	}
}

// sources is a heap: the first has the smallest key, of two with the same key
// the newer.
type sources []*source

func (h sources) less(i, j int) bool {
	a, b := h[i], h[j]
	if a.prefix != b.prefix {
		return a.prefix < b.prefix
	}
	c := bytes.Compare(a.key, b.key)
	return c < 0 || c == 0 && a.age > b.age
}

func (h sources) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
			if h.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (h sources) close() {
	for _, s := range h {
		if s.f != nil {
			_ = s.f.Close()
		}
	}
}
