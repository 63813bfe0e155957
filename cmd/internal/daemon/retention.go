package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// Holds implements api.Retainer.
func (e *Engine) Holds(ctx context.Context, t evidence.Tenant) ([]store.Hold, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	return log.Holds(ctx)
}

// PlaceHold implements api.Retainer.
func (e *Engine) PlaceHold(ctx context.Context, t evidence.Tenant, f evidence.HoldFacts) (store.Hold, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return store.Hold{}, err
	}
	return log.PlaceHold(ctx, f)
}

// ReleaseHold implements api.Retainer.
func (e *Engine) ReleaseHold(ctx context.Context, t evidence.Tenant, f evidence.HoldFacts) (store.Hold, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return store.Hold{}, err
	}
	return log.ReleaseHold(ctx, f)
}

// Retain implements api.Retainer. One tenant's failure keeps none of the others
// from being done.
func (e *Engine) Retain(ctx context.Context, dry bool) ([]api.Retained, error) {
	if e.o.Config.OfDirectory() {
		return nil, problem.New(problem.Usage, "a retention stands in a configuration, not in a data directory").WithHint("give -c FILE")
	}
	e.keeping.Lock()
	defer e.keeping.Unlock()
	ts, err := e.local.Store.Tenants()
	if err != nil {
		return nil, err
	}
	out := make([]api.Retained, 0, len(ts))
	var errs []error
	dropped := false
	for _, t := range ts {
		r, err := e.retain(ctx, t, dry)
		if err != nil {
			r.Error = err.Error()
			errs = append(errs, fmt.Errorf("retention of %s: %w", t, err))
		}
		dropped = dropped || len(r.Retired) > 0
		out = append(out, r)
	}
	if dropped && !dry {
		errs = append(errs, e.shred(), e.Checkpoints(ctx))
	}
	if !dry {
		// Also when nothing went now: a crash may have come between.
		errs = append(errs, e.local.Store.ForgetIntake())
	}
	return out, errors.Join(errs...)
}

func (e *Engine) retain(ctx context.Context, t evidence.Tenant, dry bool) (api.Retained, error) {
	keep := e.o.Config.Keep(t)
	r := api.Retained{Tenant: t, Keep: keep.String(), Retired: []store.RetiredSegment{}}
	horizon, ok := keep.Horizon(e.Now())
	if !ok {
		return r, nil
	}
	r.Horizon = horizon
	log, err := e.local.Store.Log(t)
	if err != nil {
		return r, err
	}
	if why, held := log.Held(ctx); held {
		r.Held = why
		return r, nil
	}
	done, err := log.Retire(ctx, store.RetireOptions{
		Before: horizon, Authority: "configured retention: " + keep.String(), Reason: "storage limitation (Article 5(1)(e) GDPR)", DryRun: dry,
	})
	r.Retired = append(r.Retired, done...)
	if m := e.o.Metrics; m != nil && !dry {
		m.Add("evidenced_retention_segments_total", telemetry.Labels{Tenant: t}, len(done))
	}
	return r, err
}

// shred overwrites what destroyed keys left in the keyring's file.
func (e *Engine) shred() error {
	if s, ok := any(e.local.Keys).(store.Shredder); ok {
		return s.Shred()
	}
	return nil
}

// retentionEvery is how often the daemon applies the retention.
const retentionEvery = 24 * time.Hour

// retireDaily applies the retention at the start and once a day.
func (e *Engine) retireDaily(ctx context.Context) error {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		rs, err := e.Retain(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		for _, r := range rs {
			if len(r.Retired) > 0 || r.Held != "" {
				e.o.Log.Info("retention applied", "tenant", r.Tenant.String(), "segments", len(r.Retired), "held", r.Held != "")
			}
			e.countExpired(r.Tenant)
		}
		if err != nil {
			e.o.Log.Error("retention not applied everywhere", "code", codeOf(err))
		} else {
			e.o.Metrics.Time("evidenced_retention_last_complete_timestamp_seconds", telemetry.Labels{}, e.Now())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// countExpired publishes how many drafts were refused because they are about a
// time whose records were retired.
func (e *Engine) countExpired(t evidence.Tenant) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return
	}
	e.o.Metrics.Func("evidenced_drafts_expired", telemetry.Labels{Tenant: t}, func() float64 { return float64(log.Expired()) })
}
