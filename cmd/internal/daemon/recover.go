package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/anchor"
)

// tellLost makes the sources begin anew when what was kept of them, or records
// they made, are gone: a source that resumed where it was would never look at
// the lost stretch again. What was told is kept by the log's own records and
// the cursors, so a crash on the way repeats it.
func (e *Engine) tellLost(ctx context.Context) error {
	cursors := e.local.Store.Cursors()
	config, err := cursors.Cursor(configCursor)
	if err != nil {
		return fmt.Errorf("read the configuration before: %w", err)
	}
	platform, err := e.local.Store.Log(evidence.Platform)
	if err != nil {
		return err
	}
	began, err := newest(ctx, platform.Snapshot(), evidence.Query{Kinds: []evidence.Kind{evidence.PlatformConfig}})
	if err != nil {
		return err
	}
	if config == nil && began != nil {
		// The configuration is kept beside every cursor: with it they are gone.
		e.o.Log.Error("cursors lost", "count", len(e.sources))
		if err := e.forget(ctx, time.Time{}, "what was looked at last was lost with the cursor store"); err != nil {
			return err
		}
	}
	if before, err := cursors.Cursor(endedCursor); err != nil {
		return err
	} else if string(before) != endedWell {
		// Only a crash loses records, and it shows when a log is opened.
		if err := e.openLogs(ctx); err != nil {
			return err
		}
	}
	if err := cursors.PutCursor(endedCursor, nil); err != nil {
		return err
	}
	lost, err := cursors.Cursor(lostCursor)
	if err != nil || len(lost) == 0 {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, string(lost))
	if err != nil {
		return problem.New(problem.Corrupt, "the time since which records were lost is damaged")
	}
	if err := e.forget(ctx, since, "records of this time may have been lost, the source is read again"); err != nil {
		return err
	}
	return cursors.PutCursor(lostCursor, nil)
}

// The cursors that tell one run of the daemon from the next.
const (
	lostCursor  = "lost"  // since when records may be missing; empty: no log said so
	endedCursor = "ended" // how the run before ended; empty: it was killed
	endedWell   = "well"
)

// noteLost keeps since when records may be missing, the earliest of several. A
// zero time, of a log that has none left, stands behind any other: it means the
// newest run that _platform knows of.
func noteLost(cursors store.SealedCursors, since time.Time) error {
	before, err := cursors.Cursor(lostCursor)
	if err != nil {
		return err
	}
	if at, err := time.Parse(time.RFC3339Nano, string(before)); err == nil && (since.IsZero() || !at.IsZero() && at.Before(since)) {
		return nil
	}
	return cursors.PutCursor(lostCursor, []byte(since.UTC().Format(time.RFC3339Nano)))
}

// forget makes every source begin anew. A zero since means the newest run that
// _platform knows of.
func (e *Engine) forget(ctx context.Context, since time.Time, cause string) error {
	platform, err := e.local.Store.Log(evidence.Platform)
	if err != nil {
		return err
	}
	snap := platform.Snapshot()
	for _, s := range e.sources {
		id := s.runner.Source
		subject := evidence.NewRef("source", "", string(id))
		from := since
		if from.IsZero() {
			rec, err := newest(ctx, snap, evidence.Query{Kinds: []evidence.Kind{evidence.CollectionRun}, Subject: subject})
			if err != nil {
				return err
			}
			if rec != nil {
				from = rec.Occurred
			}
		}
		number, err := highest(ctx, snap, id, subject)
		if err != nil {
			return err
		}
		if err := s.runner.Forget(ctx, from, number, cause); err != nil {
			return fmt.Errorf("begin source %s anew: %w", id, err)
		}
	}
	return nil
}

// highest returns the highest number among the newest coverage records of the
// source, -1 when there is none. Every log gets the same numbers.
func highest(ctx context.Context, r evidence.Reader, id evidence.SourceID, subject evidence.Ref) (int, error) {
	number := -1
	q := evidence.Query{Kinds: []evidence.Kind{evidence.CollectionCoverage}, Subject: subject, Backward: true, Limit: 100}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimPrefix(rec.Key, string(id)+"/"))
		if err != nil {
			return 0, problem.New(problem.Corrupt, "coverage record %d of _platform has key %q", rec.Seq, rec.Key)
		}
		number = max(number, n)
	}
	return number, nil
}

// newest returns the newest record that matches; nil for none.
func newest(ctx context.Context, r evidence.Reader, q evidence.Query) (*evidence.Record, error) {
	q.Backward, q.Limit = true, 1
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		return &rec, nil
	}
	return nil, nil
}

// stoppedLogs returns why logs take nothing more, or are no longer signed, by
// tenant.
func (e *Engine) stoppedLogs() map[evidence.Tenant]error {
	out := map[evidence.Tenant]error{}
	ts, err := e.local.Store.Tenants()
	if err != nil {
		return map[evidence.Tenant]error{evidence.Platform: err}
	}
	for _, t := range ts {
		log, err := e.local.Store.Log(t)
		if err == nil {
			err = errors.Join(log.Failure(), log.SigningRefused())
		}
		if err != nil {
			out[t] = err
		}
	}
	return out
}

// watchStopped makes the gauge evidenced_log_stopped of every tenant: 1 while
// its log takes nothing more.
func (e *Engine) watchStopped() {
	ts, err := e.local.Store.Tenants()
	if err != nil || e.o.Metrics == nil {
		return
	}
	for _, t := range ts {
		e.o.Metrics.Func("evidenced_log_stopped", telemetry.Labels{Tenant: t}, func() float64 {
			log, err := e.local.Store.Log(t)
			if err != nil || log.Failure() != nil {
				return 1
			}
			return 0
		})
	}
}

// Stopped implements api.World.
func (e *Engine) Stopped(_ context.Context, t evidence.Tenant) string {
	log, err := e.local.Store.Log(t)
	if err == nil {
		err = log.Stopped()
	}
	if err == nil {
		return ""
	}
	if p := problem.Of(err); p != nil {
		return p.Message
	}
	return err.Error()
}

// openRefused says whether an error of opening one tenant's log must not keep
// the others from their work: all but a mistake of ours.
func (e *Engine) openRefused(t evidence.Tenant, err error) bool {
	if t == evidence.Platform || problem.Of(err) == nil {
		return false
	}
	e.o.Log.Error("log not opened", "tenant", t.String(), "code", codeOf(err))
	return true
}

// checkPrior verifies the logs that a tenant's log continues.
func (e *Engine) checkPrior(ctx context.Context, t evidence.Tenant) ([]api.Check, error) {
	logs, err := e.local.Store.Prior(t)
	if err != nil {
		return []api.Check{{What: "earlier logs of " + t.String(), Says: err.Error()}}, nil
	}
	var out []api.Check
	for _, l := range logs {
		c := api.Check{What: "earlier log " + l.Origin() + " of " + t.String()}
		rep, err := l.VerifyEnded(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case err != nil:
			c.Says = err.Error()
		case !rep.OK():
			c.Says = strings.Join(rep.Failures, "; ")
		default:
			c.OK, c.Says = true, fmt.Sprintf("%d records verify; another log continues it", rep.Records)
		}
		out = append(out, c)
	}
	return out, nil
}

// VerifyEarlier implements api.World.
func (e *Engine) VerifyEarlier(ctx context.Context, t evidence.Tenant, kept map[string][]store.Kept) ([]*store.Report, error) {
	logs, err := e.local.Store.Prior(t)
	if err != nil {
		return nil, err
	}
	var out []*store.Report
	for _, l := range logs {
		if len(kept[l.Origin()]) == 0 {
			continue
		}
		rep, err := l.VerifyEnded(ctx, kept[l.Origin()]...)
		if err != nil {
			return nil, fmt.Errorf("earlier log %s: %w", l.Origin(), err)
		}
		out = append(out, rep)
	}
	return out, nil
}

// checkDamaged names files that were moved aside: what they held was made
// again, and somebody should know why it was needed.
func (e *Engine) checkDamaged() []api.Check {
	var out []api.Check
	for _, f := range append(e.local.Damaged(), anchor.DamagedReceipts(e.local.Dir)...) {
		out = append(out, api.Check{What: f, OK: true, Says: "a damaged file moved aside; what it held was begun anew. Remove it once you know why"})
	}
	return out
}
