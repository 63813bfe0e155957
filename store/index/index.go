// Package index keeps the derived postings of a log: an ordered map of small
// keys that arrive in random order, many for each record, and are hardly ever
// written twice. It holds no truth: whatever is lost or damaged here is derived
// again from the records.
//
// Postings are gathered in memory, sorted, and written as runs: files that are
// never changed (run.go). When several runs of about one size have come
// together, a run made of all of them takes their place (merge.go), so that a
// posting is written again once for each eightfold growth of the log. A look-up
// asks every run. Filters in the runs answer most of those that
// de-duplication makes without reading a block.
//
// There is no write-ahead log and no list of files. The name of a run says
// which row of additions it holds, so that the directory itself tells what is
// there, and each run says up to which record the index reaches with it. What
// was in memory when the process died is derived again.
package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"evidenced/evidence/problem"
	"evidenced/store"
)

const (
	// spillBytes is how much one index gathers in memory before it writes a
	// run.
	spillBytes = 16 << 20
	// maxRuns is how many runs may wait to be merged before the index takes
	// nothing more.
	maxRuns = 64
	// mergers is how many indexes of a process merge at a time.
	mergers = 2
)

// Pool is what the indexes of a process share. The zero value is ready.
type Pool struct {
	create func(path string) (file, error) // nil for the machine's own
	spill  int                             // bytes in memory that become a run; 0 for spillBytes
	most   int                             // bytes in memory of all; 0 for poolBytes

	once   sync.Once
	slots  chan struct{} // taken by those that merge
	memory memory
}

// file is what an index writes to.
type file interface {
	io.WriteCloser
	Sync() error
}

func (p *Pool) file(path string) (file, error) {
	if p.create != nil {
		return p.create(path)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// turn waits until the caller may merge.
func (p *Pool) turn(quit <-chan struct{}) bool {
	p.once.Do(func() { p.slots = make(chan struct{}, mergers) })
	select {
	case p.slots <- struct{}{}:
		return true
	case <-quit:
		return false
	}
}

// Open opens the index kept in the directory, making it when it is not there.
// A run that is damaged where it says what it is, and all later ones, are
// thrown away, and so is whatever else lies there.
func (p *Pool) Open(dir string) (store.Index, error) {
	x := &index{pool: p, dir: dir}
	if err := x.open(); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open index %s", dir)
	}
	return x, nil
}

// index implements store.Index. One goroutine at a time applies, resets and
// closes; reading may go on beside it, and so may another index that has this
// one write what it gathered.
type index struct {
	pool *Pool
	dir  string

	work sync.Mutex // held by who adds, writes what was gathered, resets or closes

	mu       sync.Mutex // guards the next four, and the counts of versions and runs
	now      *version
	merging  bool
	mergeErr error
	settled  sync.Cond // told when a merge has ended

	next uint64 // number of the next addition that is written
	quit chan struct{}
	stop atomic.Bool
}

// version is the index as it stood at a moment.
type version struct {
	files  []*run // the oldest first
	memory []*run // later than all files
	mark   uint64 // records that are indexed
	refs   int    // views, and the index itself while it stands so
}

// newest calls fn for the runs, the newest first, until it returns false.
func (v *version) newest(fn func(*run) bool) {
	for _, rs := range [][]*run{v.memory, v.files} {
		for i := len(rs) - 1; i >= 0; i-- {
			if !fn(rs[i]) {
				return
			}
		}
	}
}

func (x *index) open() error {
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return err
	}
	runs, err := openRuns(x.dir)
	if err != nil {
		return err
	}
	x.quit, x.settled.L = make(chan struct{}), &x.mu
	x.stop.Store(false)
	x.mergeErr = nil
	v := &version{files: runs}
	if n := len(runs); n > 0 {
		x.next, v.mark = runs[n-1].last+1, runs[n-1].mark
	} else {
		x.next = 0
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.install(v)
	x.startMerge() // that a closing may have cut off
	return nil
}

// install makes the version the one that stands. The caller holds mu.
func (x *index) install(v *version) {
	old := x.now
	x.now = v
	if v != nil {
		v.refs = 1
		for _, rs := range [][]*run{v.files, v.memory} {
			for _, r := range rs {
				r.refs++
			}
		}
	}
	if old != nil {
		x.drop(old)
	}
}

// drop gives a version up. The caller holds mu.
func (x *index) drop(v *version) {
	if v.refs--; v.refs > 0 {
		return
	}
	for _, rs := range [][]*run{v.files, v.memory} {
		for _, r := range rs {
			if r.refs--; r.refs == 0 {
				r.unmap()
			}
		}
	}
}

var errClosed = errors.New("the index is closed")

// hold returns the version that stands; it is to be released.
func (x *index) hold() (*version, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.now == nil {
		return nil, errClosed
	}
	x.now.refs++
	return x.now, nil
}

func (x *index) release(v *version) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(v)
}

// Watermark implements store.Index.
func (x *index) Watermark() (uint64, error) {
	v, err := x.hold()
	if err != nil {
		return 0, err
	}
	defer x.release(v)
	return v.mark, nil
}

// Apply implements store.Index. When what is in memory cannot be written,
// nothing is taken.
func (x *index) Apply(ps []store.Posting, mark uint64) error {
	x.work.Lock()
	defer x.work.Unlock()
	if err := x.take(ps, mark); err != nil {
		return err
	}
	x.pool.relieve(x)
	return nil
}

func (x *index) take(ps []store.Posting, mark uint64) error {
	v, err := x.hold()
	if err != nil {
		return err
	}
	held := v.gathered()
	x.release(v)
	if held >= cmp.Or(x.pool.spill, spillBytes) {
		if err := x.spill(); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	r, err := newMemoryRun(ps)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	next := &version{files: x.now.files, memory: x.now.memory, mark: mark}
	if r != nil {
		if next.memory, err = gathered(append(next.memory[:len(next.memory):len(next.memory)], r)); err != nil {
			r.unmap()
			return fmt.Errorf("index: %w", err)
		}
	}
	x.install(next)
	x.pool.memory.holds(x, next.gathered())
	return nil
}

// gathered returns how many bytes of postings are in memory.
func (v *version) gathered() (bytes int) {
	for _, r := range v.memory {
		bytes += len(r.data)
	}
	return bytes
}

// spill writes what is in memory as a run.
func (x *index) spill() error {
	if err := x.roomToMerge(); err != nil {
		return err
	}
	v, err := x.hold()
	if err != nil {
		return err
	}
	defer x.release(v)
	if len(v.memory) == 0 {
		return nil
	}
	r, err := x.write(v.memory, x.next, x.next, v.mark)
	if err != nil {
		return err
	}
	x.next++
	x.mu.Lock()
	defer x.mu.Unlock()
	x.install(&version{files: append(x.now.files[:len(x.now.files):len(x.now.files)], r), mark: x.now.mark})
	x.pool.memory.holds(x, 0)
	x.startMerge()
	return nil
}

// flush writes what is in memory, however little it is.
func (x *index) flush() error {
	v, err := x.hold()
	if err != nil {
		return err
	}
	n := len(v.memory)
	x.release(v)
	if n == 0 {
		return nil
	}
	return x.spill()
}

// Close implements store.Index.
func (x *index) Close() error {
	x.work.Lock()
	defer x.work.Unlock()
	x.mu.Lock()
	closed := x.now == nil
	x.mu.Unlock()
	if closed {
		return nil
	}
	err := x.flush()
	x.shut()
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

// shut ends a merge at work and lets go of the files.
func (x *index) shut() {
	x.stop.Store(true)
	close(x.quit)
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.merging {
		x.settled.Wait()
	}
	for _, r := range x.now.files {
		if r.damaged.Load() {
			_ = os.Remove(r.path) // with it go all later ones, when the index is opened
		}
	}
	x.install(nil)
	x.pool.memory.holds(x, 0)
}

// Reset implements store.Index.
func (x *index) Reset() error {
	x.work.Lock()
	defer x.work.Unlock()
	x.mu.Lock()
	closed := x.now == nil
	x.mu.Unlock()
	if !closed {
		x.shut()
	}
	if err := os.RemoveAll(x.dir); err != nil {
		return problem.Wrap(problem.Storage, err, "remove index %s", x.dir)
	}
	if err := x.open(); err != nil {
		return problem.Wrap(problem.Storage, err, "make index %s", x.dir)
	}
	return nil
}

// maxKey bounds a key with its bucket, and a value.
const maxKey = 255

func fullKey(buf []byte, bucket byte, key []byte) []byte {
	return append(append(buf[:0], bucket), key...)
}

// Get implements store.Index.
func (x *index) Get(bucket byte, key []byte) (val []byte, err error) {
	v, err := x.hold()
	if err != nil {
		return nil, err
	}
	defer x.release(v)
	defer guard(&err, debug.SetPanicOnFault(true))
	var buf [64]byte
	full := fullKey(buf[:], bucket, key)
	h, hashed := filtered(full)
	sum := hashOf(h)
	v.newest(func(r *run) bool {
		if hashed && !r.may(sum) {
			return true
		}
		c := cursor{r: r}
		c.seekGE(full)
		if c.valid && bytes.Equal(c.key(), full) {
			val = append(make([]byte, 0, len(c.val())), c.val()...)
			return false
		}
		return true
	})
	return val, nil
}

// Last implements store.Index.
func (x *index) Last(bucket byte, prefix []byte, limit store.When) (when store.When, val []byte, ok bool, err error) {
	v, err := x.hold()
	if err != nil {
		return when, nil, false, err
	}
	defer x.release(v)
	defer guard(&err, debug.SetPanicOnFault(true))
	var buf [128]byte
	full := append(fullKey(buf[:], bucket, prefix), limit[:]...)
	h, hashed := filtered(full)
	sum := hashOf(h)
	past := append(full, 0) // the first key that is too late
	v.newest(func(r *run) bool {
		if bytes.Compare(r.earliest[:], limit[:]) > 0 || ok && bytes.Compare(r.latest[:], when[:]) <= 0 || hashed && !r.may(sum) {
			return true
		}
		c := cursor{r: r}
		c.seekLT(past)
		if !c.valid {
			return true
		}
		k := c.key()
		if len(k) != len(full) || !bytes.Equal(k[:1+len(prefix)], full[:1+len(prefix)]) {
			return true
		}
		// Of the same key the newer run's value holds.
		if at := k[1+len(prefix):]; !ok || bytes.Compare(at, when[:]) > 0 {
			when, val, ok = store.When(at), append(val[:0], c.val()...), true
		}
		return true
	})
	return when, val, ok, nil
}
