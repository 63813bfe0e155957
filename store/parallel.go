package store

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// chunksEach is how many chunks there are for each core at least, where there
// are enough indexes: one core does not wait long for another's last.
const chunksEach = 8

// wakeUp is how much work is worth waking another core for. One that sleeps
// begins after 60 to 130 us in a virtual machine, and waking it costs some more.
const wakeUp = 150 * time.Microsecond

// looks is how often the caller looks whether a chunk is finished before it
// sleeps: about as long as a chunk takes, because waking up takes longer.
const looks = 30_000

// inOrder runs fn for 0..n-1 on all cores, in chunks of at most so many, and
// returns a function that waits until fn was run for all indexes up to i and
// returns the first error among them. Work is about how long one core would take
// for all; what is little the caller runs itself, when it is asked for.
func inOrder(n, chunk int, work time.Duration, fn func(i int) error) (ready func(i int) error) {
	cores := runtime.GOMAXPROCS(0)
	if work < wakeUp {
		cores = 1
	}
	chunk = max(1, min(chunk, n/(chunksEach*cores)))
	chunks := (n + chunk - 1) / chunk
	workers := min(cores, chunks)
	if workers < 2 {
		next, failed := 0, error(nil)
		return func(i int) error {
			for ; next <= i && failed == nil; next++ {
				failed = fn(next)
			}
			return failed
		}
	}
	var (
		taken    atomic.Int64
		errs     = make([]error, chunks)
		done     = make([]sync.WaitGroup, chunks)
		finished = make([]atomic.Bool, chunks)
	)
	for i := range done {
		done[i].Add(1)
	}
	run := func() bool {
		c := int(taken.Add(1)) - 1
		if c >= chunks {
			return false
		}
		defer done[c].Done()
		defer finished[c].Store(true)
		for i := c * chunk; i < min(n, (c+1)*chunk); i++ {
			if errs[c] = fn(i); errs[c] != nil {
				break
			}
		}
		return true
	}
	// The goroutines end when no chunk is left. There is one more than cores to
	// wake: the one started last is kept for the core that started it, and another
	// core that finds no other work sleeps before it takes that one.
	for range workers {
		go func() {
			for run() {
			}
		}()
	}
	at := 0 // chunks known to be done
	return func(i int) error {
		for ; at*chunk <= i; at++ {
			// The caller works too while it would only wait.
			for !finished[at].Load() && run() {
			}
			for i := 0; i < looks && !finished[at].Load(); i++ {
			}
			done[at].Wait()
			if errs[at] != nil {
				return errs[at]
			}
		}
		return nil
	}
}

// What one core takes for 1,024 bytes of items, about.
const (
	checking    = 400 * time.Nanosecond
	identifying = 1500 * time.Nanosecond
	sealing     = 2 * time.Microsecond
)

// reading is what one core takes to read a record and open its content, about.
const reading = 5 * time.Microsecond

// workOn returns how long one core takes for the items.
func workOn(items []Item, kibibyte time.Duration) time.Duration {
	n := 0
	for i := range items {
		d := &items[i].Draft
		n += 512 + len(d.Content) + len(d.Text) + len(d.Raw) // and what every item takes
	}
	return time.Duration(n) * kibibyte / 1024
}
