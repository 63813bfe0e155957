package store

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// chunksEach is how many chunks there are for each core at least, where there
// are enough indexes: one core does not wait long for another's last.
const chunksEach = 8

// fewest is how many jobs are worth waking another core for.
const fewest = 6

// inOrder runs fn for 0..n-1 on all cores, in chunks of at most so many, and
// returns a function that waits until fn was run for all indexes up to i and
// returns the first error among them. Small jobs are run at once by the caller.
func inOrder(n, chunk int, fn func(i int) error) (ready func(i int) error) {
	cores := runtime.GOMAXPROCS(0)
	if n >= fewest { // else one core has it done before another begins
		chunk = max(1, min(chunk, n/(chunksEach*cores)))
	}
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
	// The goroutines end when no chunk is left.
	for range workers - 1 {
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
			done[at].Wait()
			if errs[at] != nil {
				return errs[at]
			}
		}
		return nil
	}
}
