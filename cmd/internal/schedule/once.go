package schedule

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"evidenced/evidence"
)

// Once runs every entry one time, now, and returns when all have ended. At most
// atOnce run at the same time; they begin in the order given. A job is called
// also when ctx has ended before its turn: it is for the job to record that.
// The errors, panics among them, stand in the order of the entries; nil is among
// them for each that did not fail. The schedules of the entries, and whether
// they are paused, say nothing here.
//
// Waits is told which entries have not ended, in order: all before the first
// begins, and the rest whenever one ends. It is called by one goroutine at a
// time and may be nil.
func Once(ctx context.Context, clock func() time.Time, entries []Entry, atOnce int, waits func([]evidence.SourceID)) []error {
	errs := make([]error, len(entries))
	left := make([]evidence.SourceID, len(entries))
	for i := range entries {
		left[i] = entries[i].Source
	}
	var mu sync.Mutex // for left and waits
	tell := func() {
		if waits != nil {
			waits(slices.Clone(left))
		}
	}
	tell()
	turns := make(chan int)
	var wg sync.WaitGroup
	for range min(atOnce, len(entries)) {
		wg.Go(func() {
			for i := range turns {
				if err := guarded(ctx, entries[i].Job, clock().UTC()); err != nil {
					errs[i] = fmt.Errorf("source %s: %w", entries[i].Source, err)
				}
				mu.Lock()
				left = slices.DeleteFunc(left, func(s evidence.SourceID) bool { return s == entries[i].Source })
				tell()
				mu.Unlock()
			}
		})
	}
	for i := range entries {
		turns <- i
	}
	close(turns)
	wg.Wait()
	return errs
}
