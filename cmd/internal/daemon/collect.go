package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"evidenced/cmd/internal/schedule"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// collectAtOnce is how many sources Collect looks at at the same time. One that
// does not answer is waited for while the others are read; each takes memory of
// its own, so that not all of many begin together.
const collectAtOnce = 8

// Collect looks once at the named source, or at all, and brings them up to
// now. It returns how each run ended, in the order of the configuration. A
// source that fails, hangs or panics keeps no other from being looked at, and
// one whose turn had not come when ctx ended is recorded as missed.
func (e *Engine) Collect(ctx context.Context, name evidence.SourceID, acceptScope bool) ([]evidence.RunFacts, error) {
	if name != "" && e.source(name) == nil {
		return nil, problem.New(problem.NotFound, "no source %s in %s", name, e.o.Config.File()).WithHint("evidenced config check lists the sources")
	}
	runs := make([]evidence.RunFacts, len(e.sources))
	var entries []schedule.Entry
	for i, s := range e.sources {
		if name != "" && s.runner.Source != name {
			continue
		}
		entries = append(entries, schedule.Entry{Source: s.runner.Source, Job: func(ctx context.Context, slot time.Time) (err error) {
			runs[i], err = e.lookNow(ctx, s, slot, acceptScope)
			return err
		}})
	}
	errs := schedule.Once(ctx, e.o.Clock, entries, collectAtOnce, e.o.Waits)
	errs = append(errs, e.Flush(ctx), e.Checkpoints(ctx))
	e.anchors.all(ctx, putTimeout)
	// A run that ended is told, though some log did not take what tells of it.
	runs = slices.DeleteFunc(runs, func(f evidence.RunFacts) bool { return f.Source == "" })
	return runs, errors.Join(errs...)
}

// lookNow looks at a source, or records why nobody did.
func (e *Engine) lookNow(ctx context.Context, s *source, slot time.Time, acceptScope bool) (evidence.RunFacts, error) {
	cause := ""
	switch {
	case s.config.Paused != "":
		cause = "paused: " + s.config.Paused
	case ctx.Err() != nil:
		cause = "stopped before its turn"
	default:
		s.runner.AcceptScope = acceptScope
		return e.run(ctx, s, slot)
	}
	f := evidence.RunFacts{Source: s.runner.Source, Slot: slot, Outcome: evidence.RunMissed, Cause: cause}
	return f, s.runner.Missed(context.WithoutCancel(ctx), slot, slot, 1, cause)
}
