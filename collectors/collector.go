// Package collectors runs collectors: it gives each its window and resume
// cursor, decides the tenants of what it emits, ends states that a complete
// list no longer shows, writes what was kept and what was seen into the logs,
// and moves the cursor only when all of it is durable.
//
// A collector lives in a folder of its own below this one, reads one source,
// never writes to it, never guesses a tenant, and never imports the store: it
// is handed a Sink.
package collectors

import (
	"context"
	"log/slog"
	"time"

	"evidenced/evidence"
)

// Collector reads one source. A Collector is used by one goroutine at a time.
type Collector interface {
	// Kinds lists the kinds it may emit.
	Kinds() []evidence.Kind
	// Poll looks once and returns when it has caught up. The window is the
	// stretch of source time to be covered: From is where the last complete
	// look ended (zero at the first look), To is now. Resume is what the last
	// Commit kept, nil at the first look; a resume it cannot read is an error
	// that says so, never a silent fresh start.
	//
	// A collector commits whenever what it emitted so far can stand alone and
	// again at the end. A returned error means the look failed after the last
	// Commit; everything committed stays.
	Poll(ctx context.Context, window evidence.Period, resume []byte, s Sink) error
}

// Follower is a Collector that can also stay with its source: tails, watches,
// listeners. Follow commits at least every 5 seconds or 5,000 drafts while
// there is something to commit, and once a minute when there is not, so that
// coverage grows. It returns when ctx ends or the source is lost; the daemon
// then calls it again after a pause.
type Follower interface {
	Collector
	Follow(ctx context.Context, resume []byte, s Sink) error
}

// Sink takes what a collector reads. It may be used by one goroutine at a
// time.
type Sink interface {
	// Emit queues a draft; it blocks only for back-pressure. An error means
	// that the run is over: the draft broke a rule or the store stopped.
	Emit(ctx context.Context, d evidence.Draft) error
	// Complete says that a full, successful list of the kind within scope was
	// emitted in this run since its begin; the zero scope is the whole source.
	// States of the kind whose Scope holds scope and that were not emitted end
	// as absent at the next Commit. Never call it after a partial list.
	Complete(kind evidence.Kind, scope evidence.Ref)
	// Commit returns when everything emitted is durable, and then keeps
	// resume. The observation says what this part of the look has seen.
	Commit(ctx context.Context, resume []byte, o evidence.Observation) error
}

// Env is what a collector gets from the daemon.
type Env struct {
	Source evidence.SourceID
	Clock  func() time.Time // the daemon's clock, UTC
	Log    *slog.Logger     // attributes: tenant, source, kind, run, counts; never names or content
	// Mark tells whether the configuration marks a native id of a realm as a
	// bot or as an account shared by several people. May be nil.
	Mark func(realm, nativeID, login string) (bot, shared bool)
	// Seal is the daemon's keyring, for what a collector keeps on disk by
	// itself; nil when nothing is to be kept (a look at the configuration).
	Seal Sealer
}

// Sealer seals small values, each bound to a name, under a key that never
// leaves the daemon's keyring.
type Sealer interface {
	Seal(name string, plain []byte) ([]byte, error)
	Open(name string, sealed []byte) ([]byte, error)
}

// Spec describes a kind of source to the configuration. Config returns a
// pointer to a fresh config struct with its defaults set and yaml tags; New
// checks it and makes the collector, without touching the network.
type Spec struct {
	Type   string // the value of "type:" in the configuration
	Says   string // one line for people
	Config func() any
	New    func(config any, env Env) (Collector, error)
	// Every is how often the source is looked at when its schedule is not
	// configured, as a cron expression of robfig/cron ("@every 5m").
	Every string
}
