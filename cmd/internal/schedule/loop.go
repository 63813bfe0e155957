package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"evidenced/evidence"
)

// Job does the work of one slot. An error means that the work failed and
// counts towards back-off; work done in part is for the job to report and
// returns nil.
type Job func(ctx context.Context, slot time.Time) error

// Entry is one source on the schedule.
type Entry struct {
	Source   evidence.SourceID
	Schedule Schedule
	Job      Job
	// Paused, when not empty, is why the source is not looked at: its slots
	// are reported as missed with this cause.
	Paused string
	// Last is the newest slot that is accounted for, run or missed, as kept
	// over a restart. Zero means a first start: the job runs at once.
	Last time.Time
}

// Missed says that slots went by without a run.
type Missed struct {
	Source evidence.SourceID
	Count  int
	First  time.Time // first missed slot
	Last   time.Time // last missed slot
	Cause  string
	// Held says that the source was left alone because of how the run before
	// ended: it took too long, or failed.
	Held bool
}

// Loop runs entries when they are due. Each has its own goroutine: one that
// hangs or fails delays no other. An entry never overlaps with itself.
type Loop struct {
	// Clock is the daemon's clock; nil means time.Now.
	Clock func() time.Time
	// Jitter spreads the starts: a slot starts up to this much later, at most
	// a tenth of the time to the next slot. Zero: none.
	Jitter time.Duration
	// Missed is called with slots that went by, before the run that catches
	// up. It runs in the entry's goroutine. May be nil.
	Missed func(ctx context.Context, m Missed)
	// State is called when an entry's state changes. May be nil.
	State func(source evidence.SourceID, s State)
	// Backoff sets how failures in a row slow an entry down.
	Backoff Backoff
	// RetryAt tells from an error when the source asked us to come back; the
	// loop does not come back earlier, but within a day. May be nil.
	RetryAt func(error) (time.Time, bool)
	// Wait waits for a duration and returns false when ctx ended first; nil
	// means a timer.
	Wait func(ctx context.Context, d time.Duration) bool
	Log  *slog.Logger // nil: silent
}

// PauseReport is how often the missed slots of a paused source are reported.
const PauseReport = time.Hour

// Run runs the entries until ctx ends, then waits for the jobs that still run
// (their ctx has ended too) and returns. Slots missed by paused sources up to
// then are reported before it returns.
func (l *Loop) Run(ctx context.Context, entries []Entry) {
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Go(func() {
			r := &runner{loop: l, Entry: e}
			if e.Paused != "" {
				r.pause(ctx)
				return
			}
			r.run(ctx)
		})
	}
	wg.Wait()
}

func (l *Loop) now() time.Time {
	if l.Clock != nil {
		return l.Clock().UTC()
	}
	return time.Now().UTC()
}

func (l *Loop) wait(ctx context.Context, d time.Duration) bool {
	if l.Wait != nil {
		return l.Wait(ctx, d)
	}
	return wait(ctx, d)
}

// runner is one entry at work; only its goroutine touches it.
type runner struct {
	loop *Loop
	Entry
	health
	cause string // why slots since Last went by; "" when nobody was there
	held  bool   // that is how the run before ended
}

func (r *runner) run(ctx context.Context) {
	if r.Last.IsZero() && ctx.Err() == nil {
		// The first look has no slot behind it: it is its own.
		r.do(ctx, r.loop.now().Truncate(time.Second))
	}
	for ctx.Err() == nil {
		// A clock set back must not silence the source until it has caught up;
		// a small step back must not run a slot twice.
		if now := r.loop.now(); r.Last.Sub(now) > clockStep {
			r.Last = now
		}
		next := r.Schedule.Next(r.Last)
		if next.IsZero() {
			<-ctx.Done()
			return
		}
		if !r.sleepUntil(ctx, maxTime(next.Add(r.jitter(next)), r.notBefore)) {
			return
		}
		if slot, ok := r.catchUp(ctx); ok {
			r.do(ctx, slot)
		}
	}
}

// catchUp looks at the slots since the last one: it reports all but the newest
// as missed and returns the newest, to be run now.
func (r *runner) catchUp(ctx context.Context) (time.Time, bool) {
	n, first, newest := r.Schedule.passed(r.Last, r.loop.now())
	if n == 0 {
		return time.Time{}, false
	}
	if n > 1 {
		_, _, last := r.Schedule.passed(r.Last, newest.Add(-time.Nanosecond))
		r.report(ctx, Missed{Count: n - 1, First: first, Last: last, Cause: r.why(), Held: r.held})
	}
	return newest, true
}

func (r *runner) why() string {
	if r.cause != "" {
		return r.cause
	}
	return "the daemon was not running"
}

func (r *runner) report(ctx context.Context, m Missed) {
	r.Last, m.Source = m.Last, r.Source
	if r.loop.Missed != nil {
		// The report must reach the log even while the daemon stops.
		r.loop.Missed(context.WithoutCancel(ctx), m)
	}
}

// do runs the job for the slot and learns from how it ended.
func (r *runner) do(ctx context.Context, slot time.Time) {
	err := guarded(ctx, r.Job, slot)
	r.Last = slot
	if ctx.Err() != nil {
		return // a stop is not a failure of the source
	}
	before, now := r.state(), r.loop.now()
	r.ended(r.loop.Backoff, now, err, r.loop.RetryAt)
	r.cause, r.held = "the run before took longer than the schedule allows", true
	if err != nil {
		r.cause = fmt.Sprintf("backing off after %d failed %s", r.failures, runs(r.failures))
		r.log(ctx, slot, err)
	}
	if after := r.state(); after != before && r.loop.State != nil {
		r.loop.State(r.Source, after)
	}
}

func runs(n int) string {
	if n == 1 {
		return "run"
	}
	return "runs in a row"
}

func (r *runner) log(ctx context.Context, slot time.Time, err error) {
	if r.loop.Log == nil {
		return
	}
	attrs := []any{"source", r.Source, "slot", slot, "failures", r.failures, "not_before", r.notBefore, "err", err}
	var p *PanicError
	if errors.As(err, &p) {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	r.loop.Log.WarnContext(ctx, "run failed", attrs...)
}

// Timers do not count the time a machine is suspended, so a long wait is cut
// into steps and the clock looked at after each.
const (
	step      = time.Minute
	clockStep = time.Minute // a clock further off than this was set, or the machine slept
)

// sleepUntil waits until the clock shows at; false when ctx ended.
func (r *runner) sleepUntil(ctx context.Context, at time.Time) bool {
	for {
		now := r.loop.now()
		left := at.Sub(now)
		if left <= 0 {
			return ctx.Err() == nil
		}
		if r.Last.Sub(now) > clockStep {
			return true // the clock was set back: think again
		}
		d := min(left, step)
		if !r.loop.wait(ctx, d) {
			return false
		}
		if ranAhead(r.loop.now().Sub(now), d) {
			r.cause, r.held = Asleep, false
		}
	}
}

func (r *runner) jitter(slot time.Time) time.Duration {
	limit := min(r.loop.Jitter, r.Schedule.Next(slot).Sub(slot)/10)
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}

// pause reports the slots of a paused entry until ctx ends: the first once it went
// by, so that it is told why nobody looks.
func (r *runner) pause(ctx context.Context) {
	if r.Last.IsZero() {
		r.Last = r.loop.now()
	}
	if next := r.Schedule.Next(r.Last); !next.IsZero() {
		r.loop.wait(ctx, min(next.Sub(r.loop.now()), PauseReport))
	}
	for {
		if n, first, last := r.Schedule.passed(r.Last, r.loop.now()); n > 0 {
			r.report(ctx, Missed{Count: n, First: first, Last: last, Cause: "paused: " + r.Paused})
		}
		if ctx.Err() != nil {
			return
		}
		r.loop.wait(ctx, PauseReport)
	}
}

// guarded turns a panic of the job into its error: one source's defect stops
// its run, not the daemon.
func guarded(ctx context.Context, job Job, slot time.Time) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return job(ctx, slot)
}

// PanicError is a panic of a job. Its text leaves the stack out.
type PanicError struct {
	Value any
	Stack []byte
}

// Error says that the job panicked.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// wait waits for d; false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
