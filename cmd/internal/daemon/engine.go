// Package daemon puts the parts together: an open data directory, the runners
// of the configured sources on their schedule, the operations of package api,
// and the daemon around them.
package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/schedule"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/mappings/deadline"
	"evidenced/store"
	"evidenced/store/local"
)

// Options is what an Engine is made of.
type Options struct {
	Config    *config.Config
	Program   string           // name and version, for packs
	Clock     func() time.Time // nil: time.Now
	Simulated bool             // a demonstration: begins or opens a simulated installation
	// ReadOnly opens a data directory to answer from it; simulated ones too.
	ReadOnly bool
	Log      *slog.Logger
	Metrics  *telemetry.Metrics // nil: its own
	Judged   Judged             // is told of every assessment; may be nil
	// Waits is told which sources Collect still waits for; see schedule.Once.
	// May be nil.
	Waits func([]evidence.SourceID)
	// AskLimit is how long a first signature waits for what anchors know; 0 is
	// 30 seconds, and 5 when ReadOnly.
	AskLimit time.Duration

	store func(*store.Options) // last changes to the store; may be nil
}

// Engine is an open data directory with its configuration. Its methods may be
// called by several goroutines.
type Engine struct {
	o       Options
	local   *local.Local
	catalog *mappings.Catalog
	rules   *collectors.Rules
	sources []*source
	watch   *schedule.Watch // runs while serving
	judge   *judge
	shown   *verdictMetrics
	alerts  *alerts // set while serving, when somebody is to be told

	anchors  *anchors // nil until they are asked
	platform string   // origin of _platform's log; "" when it has none

	mu       sync.Mutex  // one pack at a time
	receipts receiptsFor // for packs; nil: none
	began    bool        // what a crash lost was looked for
	heads    recordedHeads
	keeping  sync.Mutex // one backup, rotation, retention or offboarding at a time

	acting    sync.Mutex // one act on an incident or a statement at a time
	calendars *deadline.Calendars
}

// source is a configured source with its runner.
type source struct {
	config *config.Source
	runner *collectors.Runner
	busy   sync.Mutex // held by a run
}

// questionEnds is how long a daemon that starts waits for a question that is being
// answered from its data directory: nobody looks while it is down.
const questionEnds = 10 * time.Second

// Open opens the data directory of the configuration and makes its runners.
// Nothing is collected yet.
func Open(ctx context.Context, o Options) (_ *Engine, err error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = telemetry.NewMetrics() // before anything runs that counts
	}
	e := &Engine{o: o, judge: newJudge(), shown: newVerdictMetrics(o.Metrics)}
	if o.ReadOnly {
		// A demonstration at rest has a clock of its own, known once it is open.
		o.Clock = func() time.Time { return e.o.Clock() }
	}
	var user []fs.FS
	if o.Config.Catalogs != "" {
		user = append(user, os.DirFS(o.Config.Catalogs))
	}
	if e.catalog, err = mappings.Load(user...); err != nil {
		return nil, err
	}
	if err := CheckEntityTypes(o.Config, e.catalog); err != nil {
		return nil, err
	}
	if e.calendars, err = calendarsOf(o.Config); err != nil {
		return nil, err
	}
	if err = checkSigners(o.Config); err != nil {
		return nil, err
	}
	if e.rules, err = collectors.NewRules(o.Config.TenantRules()); err != nil {
		return nil, err
	}
	wrapping, err := wrappingOf(o.Config)
	if err != nil {
		return nil, err
	}
	patience := questionEnds
	if o.ReadOnly {
		patience = 0 // who asks tries the daemon's socket again meanwhile
	}
	if e.local, err = local.Open(local.Options{
		Patience: patience, Wrapping: wrapping, Dir: o.Config.DataDir, KeysDir: o.Config.Keys.Dir, SignDir: o.Config.Keys.SignStateDir,
		Clock: o.Clock, Simulated: o.Simulated, AllowSimulated: o.ReadOnly, Log: o.Log,
		Store: func(so *store.Options) {
			so.CheckpointEvery, so.CheckpointRecords = o.Config.Checkpoint.Every, uint64(o.Config.Checkpoint.Records)
			tellLosses(so)
			so.BeforeFirstSign = e.beforeFirstSign
			so.SegmentBytes, so.SegmentRecords, so.SegmentMonthly = o.Config.Segment.Bytes, uint64(o.Config.Segment.Records), o.Config.Segment.Monthly
			if o.store != nil {
				o.store(so)
			}
		},
	}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.local.Close()
			e.anchors.close()
		}
	}()
	if err := e.local.Store.SettleErasures(ctx); err != nil {
		// A log that takes nothing must not keep the others from answering; it
		// is tried again at the next start.
		o.Log.Error("an erasure is not recorded yet", "code", codeOf(err))
	}
	if o.ReadOnly {
		if err = e.stopClock(); err != nil {
			return nil, err
		}
		return e, e.openAnchors()
	}
	for _, f := range e.local.Damaged() {
		o.Log.Error("damaged file moved aside", "file", f)
	}
	if e.local.Restored {
		return nil, problem.New(problem.Refused, "%s came from a backup", o.Config.DataDir).
			WithHint("evidenced restore --accept compares it with what is known elsewhere and lets it go on")
	}
	// Before anything is signed, as the end of a rotation is.
	if err = e.openAnchors(); err != nil {
		return nil, err
	}
	if err = e.resumeRotation(ctx); err != nil {
		return nil, err
	}
	if err = e.resumeOffboardings(ctx); err != nil {
		return nil, err
	}
	if err = e.beginLogs(); err != nil {
		return nil, err
	}
	if err = e.makeRunners(); err != nil {
		return nil, err
	}
	if err = e.tellLost(ctx); err != nil {
		return nil, err
	}
	if err = e.tellUnconfigured(ctx); err != nil {
		return nil, err
	}
	e.began = true
	return e, e.sealInForce(ctx)
}

// Close signs what has grown and closes the directory.
func (e *Engine) Close() error {
	var errs []error
	for _, s := range e.sources {
		if c, ok := s.runner.Collector.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	if !e.o.ReadOnly && e.began {
		e.began = false // a second Close must not open the cursors again
		errs = append(errs, e.local.Store.Cursors().PutCursor(endedCursor, []byte(endedWell)))
	}
	e.anchors.asking.settle()
	return errors.Join(append(errs, e.local.Close(), e.anchors.close())...)
}

// stopClock makes the clock of a demonstration at rest stand just after its
// newest record: its weeks ended there, whatever the day is now.
func (e *Engine) stopClock() error {
	if !e.local.Simulated {
		return nil
	}
	ts, err := e.local.Store.Tenants()
	if err != nil {
		return err
	}
	var newest time.Time
	for _, t := range ts {
		log, err := e.local.Store.Log(t)
		if err != nil {
			return err
		}
		if s := log.Snapshot(); s.Size() > 0 {
			rec, err := s.Record(context.Background(), s.Size()-1)
			if err != nil {
				return err
			}
			if rec.Recorded.After(newest) {
				newest = rec.Recorded
			}
		}
	}
	at := newest.Add(time.Second)
	e.o.Clock = func() time.Time { return at }
	return nil
}

// Local is the open data directory.
func (e *Engine) Local() *local.Local { return e.local }

// beginLogs makes sure that every configured tenant has a log, so that even a
// tenant of whom nothing was ever seen has its coverage.
func (e *Engine) beginLogs() error {
	for _, t := range e.o.Config.TenantNames() {
		if t == evidence.Unassigned {
			continue // begun with the first draft that no rule matches
		}
		if _, err := e.local.Store.Create(t); err != nil && !e.openRefused(t, err) {
			return err
		}
	}
	_, err := e.local.Store.Create(evidence.Platform)
	return err
}

func (e *Engine) makeRunners() error {
	led := &ledger{st: e.local.Store, tenants: e.ledgerTenants(), asked: e.anchors.asking.over, came: e.judge.came}
	e.watch = &schedule.Watch{Clock: e.o.Clock}
	away := func(since time.Time) string {
		if e.watch.Slept(since) {
			return schedule.Asleep
		}
		return ""
	}
	for i := range e.o.Config.Sources {
		sc := &e.o.Config.Sources[i]
		log := e.o.Log.With("source", string(sc.Name))
		c, err := sc.Collector(collectors.Env{Clock: e.o.Clock, Log: log, Mark: e.o.Config.Accounts.Mark, Seal: e.local.Store.Sealer()})
		if err != nil {
			return err
		}
		e.sources = append(e.sources, &source{config: sc, runner: &collectors.Runner{
			Source: sc.Name, Collector: c, Rules: e.rules, Ledger: led, Clock: e.o.Clock, Log: e.o.Log,
			Mark: e.o.Config.Accounts.Mark, Every: sc.Due.Longest(), Done: e.done, Away: away, Paused: sc.Paused != "",
		}})
	}
	return nil
}

// ledgerTenants are the tenants whose logs tell the coverage of sources.
func (e *Engine) ledgerTenants() []evidence.Tenant {
	ts := []evidence.Tenant{evidence.Platform}
	for _, t := range e.o.Config.Tenants {
		if !slices.Contains(ts, t.Name) {
			ts = append(ts, t.Name)
		}
	}
	return ts
}

// done counts runs.
func (e *Engine) done(f evidence.RunFacts) {
	m := e.o.Metrics
	if m == nil {
		return
	}
	m.Add("evidenced_collector_runs_total", telemetry.Labels{Source: f.Source, Outcome: string(f.Outcome)}, max(1, f.Missed))
	m.Add("evidenced_collector_records_total", telemetry.Labels{Source: f.Source}, f.Records)
	m.Add("evidenced_collector_requests_total", telemetry.Labels{Source: f.Source}, f.Requests)
	if f.Outcome == evidence.RunDone || f.Outcome == evidence.RunEmpty {
		m.Time("evidenced_collector_last_complete_timestamp_seconds", telemetry.Labels{Source: f.Source}, f.Ended)
	}
}
