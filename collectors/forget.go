package collectors

import (
	"context"
	"time"

	"evidenced/evidence"
)

// Forget makes the next look begin as the first one did, because what was kept
// of earlier looks, or the records they made, is lost. Since is the newest
// instant whose records are known to be there; from it until now the source
// counts as not seen, for the cause. What the new look finds again is dropped
// by its identity. Written is the highest number of a coverage record of this
// source in any log: numbers go on after it, since a log takes each only once.
func (r *Runner) Forget(ctx context.Context, since time.Time, written int, cause string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return err
	}
	now, c := r.Clock().UTC(), &r.state.Coverage
	if since.IsZero() || since.After(now) {
		since = now
	}
	r.states, r.state.Resume, r.state.LastComplete = nil, nil, time.Time{}
	c.Number = max(c.Number, written+1)
	blind := evidence.CoverageSpan{Kinds: r.Collector.Kinds(), From: since.UTC(), To: now, Class: evidence.Blind, Cause: cause, Every: r.Every.Milliseconds()}
	if len(c.Open) == 0 {
		c.Closed = append(c.Closed, blind)
		c.begin(blind.From)
	} else {
		c.lose(r.Collector.Kinds(), loss{cause: cause, due: since, until: now, every: r.Every, idle: true})
		c.Parts = append(c.Parts, part{Span: blind})
	}
	c.count(evidence.RunMissed, 1)
	return r.record(ctx, newID(), evidence.RunFacts{
		Source: r.Source, Slot: since.UTC().Add(time.Nanosecond), Until: now, Outcome: evidence.RunMissed, Cause: cause, Missed: 1, Total: -1,
	}, now, true)
}
