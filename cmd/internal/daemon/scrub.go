package daemon

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/store"
)

// scrubLook is how often the scrubber looks for logs that are due.
const scrubLook = time.Minute

// scrubber verifies every log in full, one after the other, each when its last
// full pass is verify.scrub_every old. It reads no faster than the
// configuration allows, so that it takes little from collecting.
type scrubber struct {
	e     *Engine
	limit *rate.Limiter
	// tried is when a pass was begun in this run of the daemon. Only passes
	// that found nothing are kept beyond it: after a restart a bad log is read
	// again at once.
	tried map[evidence.Tenant]time.Time
}

// scrubBurst is how many bytes are read before the limit is felt.
const scrubBurst = 8 << 20

func (e *Engine) newScrubber() *scrubber {
	return &scrubber{e: e, limit: rate.NewLimiter(rate.Limit(e.o.Config.Verify.BytesPerSecond), scrubBurst), tried: map[evidence.Tenant]time.Time{}}
}

// scrub works until ctx ends.
func (e *Engine) scrub(ctx context.Context) error {
	s := e.newScrubber()
	tick := time.NewTicker(scrubLook)
	defer tick.Stop()
	for {
		s.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round verifies the logs that are due. What goes wrong with one is told and
// does not keep the others from being verified.
func (s *scrubber) round(ctx context.Context) {
	s.e.watchStopped() // of logs too that began since
	ts, err := s.e.local.Store.Tenants()
	if err != nil {
		s.e.o.Log.Error("logs to verify not listed", "code", codeOf(err))
		return
	}
	for _, t := range ts {
		if ctx.Err() != nil {
			return
		}
		log, err := s.e.local.Store.Log(t)
		if err == nil {
			err = s.look(ctx, log)
		}
		if err != nil && ctx.Err() == nil {
			s.e.o.Log.Error("log not verified", "tenant", t.String(), "code", codeOf(err))
			s.count(t, "broken")
		}
	}
}

// look verifies the log if it is due.
func (s *scrubber) look(ctx context.Context, log *store.Log) error {
	t, now := log.Tenant(), s.e.o.Clock()
	last, err := s.e.lastVerified(log)
	if err != nil {
		return err
	}
	due := s.tried[t]
	if last != nil && last.Full.After(due) {
		due = last.Full
		s.complete(t, last.Full)
	}
	if now.Sub(due) < s.e.o.Config.Verify.ScrubEvery {
		return nil
	}
	s.tried[t] = now
	return s.pass(ctx, log)
}

// pass verifies a log in full and tells what came of it.
func (s *scrubber) pass(ctx context.Context, log *store.Log) error {
	t := log.Tenant()
	rep, err := s.e.verify(ctx, log, store.VerifyOptions{Workers: 1, Pace: s.pace}, false)
	if err != nil {
		return err
	}
	s.complete(t, s.e.o.Clock())
	bad := len(rep.Failures) + rep.MoreFailed + int(rep.Missing)
	if m := s.e.o.Metrics; m != nil {
		m.Add("evidenced_verify_records_total", telemetry.Labels{Tenant: t}, int(rep.Records))
		m.Set("evidenced_verify_failures", telemetry.Labels{Tenant: t}, float64(bad))
	}
	if rep.OK() {
		s.count(t, "ok")
		s.e.o.Log.Info("log verified", "tenant", t.String(), "records", rep.Records, "size", rep.Size)
		return nil
	}
	s.count(t, "failed")
	s.e.o.Log.Error("log does not verify", "tenant", t.String(), "failures", bad, "records", rep.Records, "size", rep.Size)
	return s.e.sealDamage(ctx, rep)
}

// pace waits until so many bytes may be read.
func (s *scrubber) pace(ctx context.Context, bytes int) error {
	for bytes > 0 {
		n := min(bytes, scrubBurst)
		if err := s.limit.WaitN(ctx, n); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

func (s *scrubber) count(t evidence.Tenant, outcome string) {
	if m := s.e.o.Metrics; m != nil {
		m.Add("evidenced_verify_passes_total", telemetry.Labels{Tenant: t, Outcome: outcome}, 1)
	}
}

// complete tells when the log was read to its end last.
func (s *scrubber) complete(t evidence.Tenant, at time.Time) {
	if m := s.e.o.Metrics; m != nil {
		m.Time("evidenced_verify_last_complete_timestamp_seconds", telemetry.Labels{Tenant: t}, at)
	}
}
