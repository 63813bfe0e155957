package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"evidenced/evidence"
)

// Drive runs the entries over a period on a simulated clock: every slot of
// every entry in order of time (entries in their given order within one
// instant), each after set has moved the clock there. Jobs run one after
// another in this goroutine. Paused entries are left out. It stops at the first
// error of a job and when ctx ends.
func Drive(ctx context.Context, p evidence.Period, entries []Entry, set func(time.Time)) error {
	var q slots
	for i, e := range entries {
		if e.Paused != "" {
			continue
		}
		if t := e.Schedule.Next(p.From.Add(-time.Nanosecond)); !t.IsZero() {
			q = append(q, due{t, i})
		}
	}
	heap.Init(&q)
	for len(q) > 0 && q[0].at.Before(p.To) {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, at := &entries[q[0].entry], q[0].at
		set(at)
		if err := guarded(ctx, e.Job, at); err != nil {
			return fmt.Errorf("run %s at %s: %w", e.Source, evidence.FormatTime(at), err)
		}
		if q[0].at = e.Schedule.Next(at); q[0].at.IsZero() {
			heap.Pop(&q)
			continue
		}
		heap.Fix(&q, 0)
	}
	return nil
}

type due struct {
	at    time.Time
	entry int
}

// slots is a heap of the next slot of each entry.
type slots []due

func (s slots) Len() int { return len(s) }
func (s slots) Less(i, j int) bool {
	if s[i].at.Equal(s[j].at) {
		return s[i].entry < s[j].entry
	}
	return s[i].at.Before(s[j].at)
}
func (s slots) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *slots) Push(x any)   { *s = append(*s, x.(due)) }
func (s *slots) Pop() any {
	old := *s
	x := old[len(old)-1]
	*s = old[:len(old)-1]
	return x
}
