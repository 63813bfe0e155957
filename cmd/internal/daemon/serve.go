package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/schedule"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Serve collects on schedule, answers on the socket and on the telemetry
// address, and signs, until ctx ends. Then it stops in reverse order; what was
// committed stays, what was not is looked at again at the next start. It does
// not close the engine.
func (e *Engine) Serve(ctx context.Context) error {
	log := e.o.Log
	sock, path, done, err := api.Listen(e.local.Dir, "")
	if err != nil {
		return err
	}
	defer done()
	if err := e.local.SetSocket(path); err != nil {
		sock.Close()
		return problem.Wrap(problem.Storage, err, "name the socket in the lock file")
	}
	var web net.Listener
	if e.o.Config.Listen != "" {
		if web, err = net.Listen("tcp", e.o.Config.Listen); err != nil {
			sock.Close()
			return problem.Wrap(problem.Config, err, "listen on %s", e.o.Config.Listen).
				WithHint("free the address, or set listen: in %s", e.o.Config.File())
		}
		log.Info("telemetry ready", "address", web.Addr().String())
	}
	if e.alerts, err = e.openAlerts(); err != nil {
		sock.Close()
		if web != nil {
			web.Close()
		}
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	// A server that ends by itself ends the daemon: half a daemon misleads.
	part := func(name string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	part("socket", func() error { return api.Serve(ctx, sock, e, log) })
	if web != nil {
		h := telemetry.Handler(e.o.Metrics, telemetry.Health{Ready: e.ready})
		if telemetry.OnLoopback(web) {
			h = telemetry.Local(h)
		}
		part("telemetry", func() error { return telemetry.Serve(ctx, web, h, log) })
	}
	part("logs", func() error { return e.openLogs(ctx) })
	part("scrub", func() error { return e.scrub(ctx) })
	part("checkpoints", func() error { return e.sign(ctx) })
	for _, p := range e.anchors.places {
		part("anchor "+p.Name(), func() error { e.anchors.run(ctx, p); return nil })
	}
	part("assessment", func() error {
		e.awaitFirstLooks(ctx, firstLooks)
		return e.judgeAlways(ctx)
	})
	part("retention", func() error { return e.retireDaily(ctx) })
	if e.alerts != nil {
		part("alerts", func() error { return e.alerts.run(ctx, e) })
	}
	part("clock", func() error { e.watch.Run(ctx); return nil })
	e.collect(ctx, part)
	for _, x := range e.o.Config.Exposed() {
		log.Warn("others may read a file with a secret", "field", x.Field, "file", x.File, "mode", fmt.Sprintf("%04o", x.Mode), "read_by", x.By, "hint", x.Hint())
	}
	log.Info("serving", "sources", len(e.sources), "tenants", len(e.o.Config.Tenants))
	<-ctx.Done()
	wg.Wait()
	last := context.WithoutCancel(ctx)
	err = errors.Join(e.Flush(last), e.Checkpoints(last))
	e.anchors.all(last, anchorAtStop)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	log.Info("stopped")
	return err
}

// collect starts every source: followers stay with theirs, the others are
// polled on schedule.
func (e *Engine) collect(ctx context.Context, part func(string, func() error)) {
	loop := &schedule.Loop{
		Clock: e.o.Clock, Jitter: 10 * time.Second, Log: e.o.Log,
		Missed: func(ctx context.Context, m schedule.Missed) {
			if s := e.source(m.Source); s != nil {
				s.busy.Lock()
				defer s.busy.Unlock()
				missed := s.runner.Missed
				if m.Held {
					missed = s.runner.Held
				}
				// At a stop the paused slots so far are still told.
				if err := missed(context.WithoutCancel(ctx), m.First, m.Last, m.Count, m.Cause); err != nil {
					e.o.Log.Error("missed slots not recorded", "source", string(m.Source), "code", codeOf(err))
				}
			}
		},
	}
	var entries []schedule.Entry
	for _, s := range e.sources {
		if _, ok := s.runner.Collector.(collectors.Follower); ok && s.config.Paused == "" {
			part(string(s.runner.Source), func() error {
				again := false
				loop.Keep(ctx, func(ctx context.Context) error {
					if err := e.missedByFollower(ctx, s, again); err != nil {
						return err
					}
					again = true
					return s.runner.Follow(ctx)
				}, func(err error, next time.Duration) {
					e.o.Log.Warn("source lost", "source", string(s.runner.Source), "code", codeOf(err), "again_in", next.String())
				})
				return nil
			})
			continue
		}
		last, err := s.runner.LastSlot()
		if err != nil {
			e.o.Log.Error("cursor not read", "source", string(s.runner.Source), "code", codeOf(err))
			continue
		}
		entries = append(entries, schedule.Entry{
			Source: s.runner.Source, Schedule: s.config.Due, Paused: s.config.Paused, Last: last,
			Job: func(ctx context.Context, slot time.Time) error {
				f, err := e.run(ctx, s, slot)
				if err == nil && f.Outcome == evidence.RunFailed {
					err = errRunFailed // the cause stands in the run's record
				}
				return err
			},
		})
	}
	part("schedule", func() error { loop.Run(ctx, entries); return nil })
}

// errRunFailed slows the schedule of a source down.
var errRunFailed = errors.New("the run failed: its record in the log of _platform has the cause, and doctor tries the source")

// missedByFollower records the slots that went by since the follower was last
// with its source, and why. Again says that it was since the daemon began.
func (e *Engine) missedByFollower(ctx context.Context, s *source, again bool) error {
	last, err := s.runner.LastSlot()
	if err != nil || last.IsZero() {
		return err
	}
	var m missed
	for t := range s.config.Due.Due(evidence.Period{From: last.Add(time.Nanosecond), To: e.o.Clock().UTC()}) {
		m.add(t)
	}
	if m.n <= 1 {
		return nil // the slot that this follow begins with
	}
	switch {
	case !again:
		return s.runner.Missed(ctx, m.first, m.newest, m.n, daemonDown)
	case e.watch.Slept(last):
		return s.runner.Missed(ctx, m.first, m.newest, m.n, schedule.Asleep)
	}
	return s.runner.Held(ctx, m.first, m.newest, m.n, "the source was lost, and is tried again now and then")
}

// daemonDown is why nobody looked before the daemon began.
const daemonDown = "the daemon was not running"

// codeOf says what kind of error it was; its text may name what was read, and
// stands in the run's record instead.
func codeOf(err error) string {
	if p := problem.Of(err); p != nil {
		return string(p.Code)
	}
	return "other"
}

func (e *Engine) source(id evidence.SourceID) *source {
	for _, s := range e.sources {
		if s.runner.Source == id {
			return s
		}
	}
	return nil
}

// sign makes checkpoints when they are due.
func (e *Engine) sign(ctx context.Context) error {
	tick := time.NewTicker(e.o.Config.Checkpoint.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := e.Checkpoints(ctx); err != nil && ctx.Err() == nil {
				// A stopped log must not stop the others: it is told and tried
				// again.
				e.o.Log.Error("checkpoints not signed", "err", err)
			}
			e.local.Store.Rest(ctx, restAfter)
		}
	}
}

// anchorAtStop bounds how long a stop waits for the anchors to take the newest
// checkpoint.
const anchorAtStop = 10 * time.Second

// ready fails while a log is stopped or signs nothing. It names tenants, not
// what happened.
func (e *Engine) ready(context.Context) error {
	var names []string
	for t := range e.stoppedLogs() {
		names = append(names, t.String())
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("log stopped: %s", strings.Join(names, ", "))
}

// openLogs opens every log once, so that one that must not go on is found at
// the start and not with its next record.
func (e *Engine) openLogs(ctx context.Context) error {
	ts, err := e.local.Store.Tenants()
	if err != nil {
		return err
	}
	for _, t := range ts {
		if ctx.Err() != nil {
			return nil
		}
		l, err := e.local.Store.Log(t)
		if err != nil {
			return err
		}
		if err := l.Stopped(); err != nil {
			e.o.Log.Error("log does not go on", "tenant", t.String(), "code", codeOf(err))
		}
	}
	return nil
}

// restAfter is how long a log that nobody uses stays open.
const restAfter = 10 * time.Minute
