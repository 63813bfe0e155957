package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"evidenced/evidence"
)

// Sources that hang, fail, panic and finish: each for itself, as many at once as
// may, told in their order whichever ended first.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		ends := func(name string, after time.Duration, err error) Entry {
			return Entry{Source: evidence.SourceID(name), Job: func(context.Context, time.Time) error { time.Sleep(after); return err }}
		}
		broken := Entry{Source: "broken", Job: func(context.Context, time.Time) error { time.Sleep(500 * time.Millisecond); panic("off by one") }}
		dead := errors.New("no answer")
		errs := Once(t.Context(), time.Now, []Entry{
			ends("dead-1", 22*time.Second, dead), broken, ends("good", time.Second, nil), ends("dead-2", 23*time.Second, dead), ends("late", time.Second, nil),
		}, 3, func(left []evidence.SourceID) { j.note("waits for %v", left) })
		check(t, j.lines,
			"0s waits for [dead-1 broken good dead-2 late]",
			"500ms waits for [dead-1 good dead-2 late]",
			"1s waits for [dead-1 dead-2 late]",
			"2s waits for [dead-1 dead-2]",
			"22s waits for [dead-2]",
			"23.5s waits for []")
		var p *PanicError
		if !errors.Is(errs[0], dead) || !errors.As(errs[1], &p) || errs[2] != nil || !errors.Is(errs[3], dead) || errs[4] != nil {
			t.Errorf("errors %v", errs)
		}
		if got := fmt.Sprint(errs[3]); got != "source dead-2: no answer" {
			t.Errorf("error %q does not name its source", got)
		}
	})
}

func TestOnceKeepsWithinItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		var entries []Entry
		for i := range 50 {
			entries = append(entries, Entry{Source: evidence.SourceID(fmt.Sprint(i)), Job: func(context.Context, time.Time) error {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				return nil
			}})
		}
		Once(t.Context(), time.Now, entries, 4, nil)
		if got := most.Load(); got != 4 {
			t.Errorf("%d at the same time, want 4", got)
		}
		if got := time.Since(begin); got != 13*time.Second {
			t.Errorf("50 jobs of a second took %s, want 13s", got)
		}
		if errs := Once(t.Context(), time.Now, nil, 4, nil); len(errs) > 0 {
			t.Errorf("errors of no entries: %v", errs)
		}
	})
}

// A stop reaches those that run at once, and those whose turn has not come are
// called to say so.
func TestOnceStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		called := 0
		hang := func(ctx context.Context, _ time.Time) error { called++; <-ctx.Done(); return ctx.Err() }
		errs := Once(ctx, time.Now, []Entry{{Source: "a", Job: hang}, {Source: "b", Job: hang}, {Source: "c", Job: hang}}, 1, nil)
		if called != 3 || !errors.Is(errors.Join(errs...), context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%d called, %v, after %s", called, errs, time.Since(begin))
		}
	})
}
