package schedule

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A sleep is found by a step of the watch or by a question, whichever is first,
// and lies after what was done before it and before what was done after it.
func TestWatch(t *testing.T) {
	for _, tc := range []struct {
		name   string
		sleep  time.Duration // at 10m20s by the clock
		asked  time.Duration // this long after it
		before bool          // it is after what was done just before
	}{
		{"asked on waking", 2 * time.Hour, 0, true},
		{"asked later", 2 * time.Hour, 30 * time.Minute, true},
		{"a little", 59 * time.Second, 5 * time.Minute, false},
		{"set back", -time.Hour, 5 * time.Minute, false},
		{"no sleep", 0, 5 * time.Minute, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var offset atomic.Int64
				clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
				w := &Watch{Clock: clock}
				if w.Slept(time.Time{}) {
					t.Error("a watch that does not run tells something")
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go w.Run(ctx)
				time.Sleep(10*time.Minute + 20*time.Second)
				before := clock()
				offset.Add(int64(tc.sleep))
				after := clock()
				time.Sleep(tc.asked)
				if got := w.Slept(before.Add(-time.Nanosecond)); got != tc.before {
					t.Errorf("after what was done before it: %v, want %v", got, tc.before)
				}
				if w.Slept(after) {
					t.Error("after what was done after it")
				}
			})
		})
	}
}

// A clock that is set back further than to a sleep says nothing of what comes then.
func TestWatchForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offset atomic.Int64
		w := &Watch{Clock: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		time.Sleep(10 * time.Minute)
		offset.Add(int64(2 * time.Hour))
		time.Sleep(10 * time.Minute)
		offset.Add(int64(-4 * time.Hour))
		time.Sleep(10 * time.Minute)
		if w.Slept(w.Clock().Add(-time.Second)) {
			t.Error("what is done now was done before a sleep that is long over")
		}
	})
}
