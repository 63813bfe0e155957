package collectors

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Placed is a draft that belongs to one tenant.
type Placed struct {
	Draft evidence.Draft
	Actor evidence.ActorTenant
	Run   evidence.ID
}

// Taken says what became of one tenant's drafts of a batch.
type Taken struct {
	New []bool // for each draft, whether it is a new record
	// Kept says that the drafts are durable and wait for the tenant's log,
	// which is stopped.
	Kept bool
	// Refused says that the drafts are not durable, because as much waits for
	// the tenant's stopped log as may. The source goes on without the tenant.
	Refused bool
	Err     error // the drafts are not durable, and the look has failed
}

// Ledger is where a runner writes. It may be used by several goroutines.
type Ledger interface {
	// Tenants lists the tenants whose logs tell the coverage of a source:
	// every configured one, and _platform.
	Tenants() []evidence.Tenant
	// Append makes the drafts durable in the tenant's log and reports for each
	// whether it is new there.
	Append(ctx context.Context, t evidence.Tenant, ds []Placed) ([]bool, error)
	// Ingest makes the drafts of a batch durable, each tenant's for itself, and
	// says what became of them. An error, and an error of one tenant, mean that
	// drafts are not durable.
	Ingest(ctx context.Context, batch map[evidence.Tenant][]Placed) (map[evidence.Tenant]Taken, error)
	// OpenStates yields the states of the kind in force in the tenant's log.
	OpenStates(ctx context.Context, t evidence.Tenant, kind evidence.Kind) iter.Seq2[evidence.Record, error]
	// Cursor and PutCursor keep a small value, sealed and durable.
	Cursor(name string) ([]byte, error)
	PutCursor(name string, value []byte) error
}

// Runner runs one source.
type Runner struct {
	Source    evidence.SourceID
	Collector Collector
	Rules     *Rules
	Ledger    Ledger
	Clock     func() time.Time
	Log       *slog.Logger
	Mark      func(realm, nativeID, login string) (bot, shared bool)
	// Every is the time between two due slots. Looks further apart than two
	// and a half times this do not make one covered stretch.
	Every time.Duration
	// AcceptScope lets the next run end the states of containers that the
	// credential no longer sees.
	AcceptScope bool
	// Away tells why nobody could look at some time after the instant, as while
	// the machine slept; "" when somebody could. May be nil.
	Away func(since time.Time) string
	// Paused says that nobody looks until the configuration changes: what is
	// blind stays so without a look that is due.
	Paused bool
	// Done is told of every run that ended; may be nil.
	Done func(evidence.RunFacts)

	// driven says that the source is looked after by this process.
	driven bool

	// states is what the running goroutine knows of open states.
	states map[evidence.Kind]openStates

	// mu guards state and driven: a flush of coverage may come from another goroutine
	// while a run goes on.
	mu    sync.Mutex
	state *runnerState
}

// runnerState is what a runner keeps between runs, sealed, beside the resume
// cursor of the collector.
type runnerState struct {
	Version      int       `json:"v"`
	Resume       []byte    `json:"resume,omitempty"`
	LastComplete time.Time `json:"last_complete,omitzero"` // end of the newest complete look
	LastSlot     time.Time `json:"last_slot,omitzero"`     // newest slot accounted for
	LastList     lists     `json:"last_list,omitempty"`    // newest complete list by kind
	Sees         []string  `json:"sees,omitempty"`         // containers the credential has seen
	Coverage     tally     `json:"coverage"`
	Frozen       []frozen  `json:"frozen,omitempty"` // coverage records not yet in every log
}

type lists map[evidence.Kind]time.Time

// openStates says, for each subject of a kind, which tenants hold it open and
// within which scope it was seen.
type openStates map[evidence.Ref]openState

type openState struct {
	tenants []evidence.Tenant
	scope   []evidence.Ref
	since   time.Time // when the state in force began, as the source says
}

// end is when a state that is gone at the instant ends: never before it began,
// even when the source's clock is ahead of ours.
func (o openState) end(at time.Time) time.Time {
	if at.After(o.since) {
		return at
	}
	return o.since.Add(time.Nanosecond)
}

func (r *Runner) cursorName() string { return "source/" + string(r.Source) }

// load reads the state once; the caller holds mu.
func (r *Runner) load() error {
	if r.state != nil {
		return nil
	}
	b, err := r.Ledger.Cursor(r.cursorName())
	if err != nil {
		return fmt.Errorf("cursor of source %s: %w", r.Source, err)
	}
	st := &runnerState{Version: 1, LastList: lists{}}
	if b != nil {
		if err := json.Unmarshal(b, st); err != nil || st.Version != 1 {
			return problem.New(problem.Corrupt, "cursor of source %s cannot be read", r.Source)
		}
	}
	r.state = st
	return nil
}

// loaded reads the state for a run and returns the window's begin and the
// resume cursor.
func (r *Runner) loaded() (time.Time, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return time.Time{}, nil, err
	}
	if r.states == nil {
		r.states = map[evidence.Kind]openStates{}
	}
	r.driven = true
	return r.state.LastComplete, r.state.Resume, nil
}

// LastSlot returns the newest slot that is accounted for, run or missed; zero
// before the first.
func (r *Runner) LastSlot() (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return time.Time{}, err
	}
	return r.state.LastSlot, nil
}

// save keeps the state; the caller holds mu.
func (r *Runner) save() error {
	b, err := json.Marshal(r.state)
	if err != nil {
		return err
	}
	return r.Ledger.PutCursor(r.cursorName(), b)
}

func newID() (id evidence.ID) {
	rand.Read(id[:])
	return id
}

// Poll does the run that was due at slot. The returned facts say how it ended;
// the error is nil for a run that could be recorded, whatever its outcome, and
// tells only of a store that failed.
func (r *Runner) Poll(ctx context.Context, slot time.Time) (evidence.RunFacts, error) {
	from, resume, err := r.loaded()
	if err != nil {
		return evidence.RunFacts{}, err
	}
	s := r.newSink(slot)
	if from.After(s.started) {
		from = s.started // the clock was set back
	}
	window := evidence.Period{From: from, To: s.started}
	err = guard(r.Log, func() error { return r.Collector.Poll(ctx, window, resume, s) })
	return r.end(context.WithoutCancel(ctx), s, err)
}

// Follow stays with the source until ctx ends or the source is lost. A run is
// recorded for every due slot.
func (r *Runner) Follow(ctx context.Context) error {
	f, ok := r.Collector.(Follower)
	if !ok {
		return fmt.Errorf("source %s cannot be followed", r.Source)
	}
	_, resume, err := r.loaded()
	if err != nil {
		return err
	}
	s := r.newSink(r.Clock().UTC())
	s.rotate = r.Every
	err = guard(r.Log, func() error { return f.Follow(ctx, resume, s) })
	if ctx.Err() != nil && s.commits > 0 {
		err = nil // a clean end after a commit is no failure
	}
	if ctx.Err() != nil && s.goesOn && s.commits == 0 && s.items == 0 {
		return nil // nor is one just after a run ended: nothing came since
	}
	_, serr := r.end(context.WithoutCancel(ctx), s, err)
	if serr != nil {
		return serr
	}
	if err != nil {
		return fmt.Errorf("source %s: %w", r.Source, err)
	}
	return nil
}

// guard turns a panic of a collector into the failure of its run.
func guard(log *slog.Logger, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value may hold what was being read; its type and place do not.
			err = problem.New(problem.Internal, "the collector panicked (%T)", p)
			log.Error("collector panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	return fn()
}

// Missed records n due slots from the first to the last at which nobody
// looked, and why.
func (r *Runner) Missed(ctx context.Context, first, last time.Time, n int, cause string) error {
	return r.missed(ctx, first, last, n, cause, false)
}

// Held records due slots that were missed because of how the runs before them
// ended: they took too long, or failed so that the source was left alone for a
// while. What was blind before is so for its own cause.
func (r *Runner) Held(ctx context.Context, first, last time.Time, n int, cause string) error {
	return r.missed(ctx, first, last, n, cause, true)
}

func (r *Runner) missed(ctx context.Context, first, last time.Time, n int, cause string, held bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return err
	}
	r.driven = true
	now := r.Clock().UTC()
	f := evidence.RunFacts{
		Source: r.Source, Slot: first.UTC(), Until: last.UTC(), Outcome: evidence.RunMissed, Cause: cause, Missed: n, Total: -1,
	}
	r.state.Coverage.count(evidence.RunMissed, n)
	changed := r.state.Coverage.lose(r.Collector.Kinds(), loss{cause: cause, due: first, until: last, every: r.Every, idle: true, held: held})
	return r.record(ctx, newID(), f, now, changed)
}

// Flush writes what coverage is not yet in the tenants' logs, so that an
// answer about now stands on records. Who asks of some tenants is not told that
// the log of another one refused: what that one misses is kept, and waits.
func (r *Runner) Flush(ctx context.Context, of ...evidence.Tenant) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return err
	}
	if r.driven {
		r.state.Coverage = *r.state.Coverage.alive(r.Clock().UTC(), r.Every, r.longestWait())
	}
	write := r.thaw
	if r.state.Coverage.pending() {
		write = r.writeCoverage
	}
	waits, err := write(ctx)
	return errors.Join(waits.of(of), err)
}

// longestWait is how long what is blind stays so without a look that is due.
func (r *Runner) longestWait() time.Duration {
	if r.Paused {
		return 2 * time.Hour // its slots are told each hour
	}
	return longestWait
}

// waiting are the logs that did not take their coverage, and why not.
type waiting map[evidence.Tenant]error

// of is why the logs of the tenants wait; those of all when none is named.
func (w waiting) of(ts []evidence.Tenant) error {
	var errs []error
	for t, err := range w {
		if len(ts) == 0 || slices.Contains(ts, t) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// end closes a run: what was emitted after the last commit is dropped with the
// sink, the outcome is recorded.
func (r *Runner) end(ctx context.Context, s *sink, err error) (evidence.RunFacts, error) {
	s.drain()
	r.mu.Lock()
	defer r.mu.Unlock()
	f := s.facts(r.Clock().UTC())
	var storeErr *storeError
	if errors.As(err, &storeErr) {
		r.state, r.states = nil, nil // read again what was really kept
		if err := r.load(); err != nil {
			return f, errors.Join(storeErr.err, err)
		}
		// The logs that still write are told that this run came to nothing.
		f.Outcome, f.Cause = evidence.RunFailed, "the store refused a write"
		r.state.Coverage.count(f.Outcome, 1)
		changed := r.state.Coverage.lose(r.Collector.Kinds(), r.lossOf(&f, f.Cause))
		return f, errors.Join(storeErr.err, r.record(ctx, s.run, f, r.Clock().UTC(), changed))
	}
	if s.queued > 0 || s.unread {
		// Dropped drafts may have been states, and a log may be readable again:
		// what is open is read again.
		r.states = map[evidence.Kind]openStates{}
	}
	switch {
	case err != nil && s.commits > 0:
		f.Outcome, f.Cause = evidence.RunPartial, err.Error()
	case err != nil:
		f.Outcome, f.Cause = evidence.RunFailed, err.Error()
	case s.commits == 0:
		f.Outcome, f.Cause = evidence.RunFailed, "the collector ended without an observation"
	case s.incomplete != "":
		f.Outcome, f.Cause = evidence.RunPartial, s.incomplete
	case f.Records > 0 || f.Ended_ > 0:
		f.Outcome = evidence.RunDone
	default:
		f.Outcome = evidence.RunEmpty
	}
	f.Cause = WithoutCredentials(f.Cause) // what a source calls its things is its own
	if len(f.Cause) > maxCause {
		f.Cause = strings.ToValidUTF8(f.Cause[:maxCause], "") + "... and more"
	}
	if f.Outcome == evidence.RunDone || f.Outcome == evidence.RunEmpty {
		r.state.LastComplete = s.started
	}
	changed := s.changed
	switch c, kinds := &r.state.Coverage, r.Collector.Kinds(); {
	case err != nil || f.Outcome == evidence.RunFailed:
		l := r.lossOf(&f, PlainCause(err))
		if r.Away != nil {
			if cause := r.Away(maxTime(s.started, s.last.At)); cause != "" {
				l.cause, l.idle = cause, true // what failed after that is no reason
			}
		}
		changed = c.lose(kinds, l) || changed
	case f.Outcome == evidence.RunPartial:
		changed = c.incomplete(kinds, r.lossOf(&f, "the look was incomplete")) || changed
	case s.claimed: // a run that is over in the middle of a look knows nothing of the rest
		c.complete(kinds, s.last.Underway, f.Ended, r.Every)
	}
	r.state.Coverage.count(f.Outcome, 1)
	told := []any{"source", string(r.Source), "outcome", string(f.Outcome), "items", f.Items, "records", f.Records, "requests", f.Requests}
	if p := problem.Of(err); p != nil { // its text may name what was read, and stands in the record
		told = append(told, "code", string(p.Code))
	}
	r.Log.Info("run ended", told...)
	return f, r.record(ctx, s.run, f, r.Clock().UTC(), changed)
}

// maxCause bounds why a run was partial, in bytes: a run whose record is too large is
// none.
const maxCause = 16 << 10

// lossOf is why a run that ended now saw nothing.
func (r *Runner) lossOf(f *evidence.RunFacts, cause string) loss {
	return loss{cause: cause, due: f.Slot, until: f.Ended, every: r.Every}
}

// record writes a run into _platform, and the coverage into every log when its
// verdict changed or a day is over.
func (r *Runner) record(ctx context.Context, run evidence.ID, f evidence.RunFacts, now time.Time, changed bool) error {
	content, err := json.Marshal(f)
	if err != nil {
		return err
	}
	d := evidence.Draft{
		Kind: evidence.CollectionRun, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key: r.runKey(run, f), Subject: evidence.NewRef("source", "", string(r.Source)),
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
	}
	if _, err := r.Ledger.Append(ctx, evidence.Platform, []Placed{{Draft: d, Run: run}}); err != nil {
		return fmt.Errorf("record run of %s: %w", r.Source, err)
	}
	r.state.Coverage.ran(run, now)
	for _, t := range []time.Time{f.Slot, f.Until} {
		if t.After(r.state.LastSlot) {
			r.state.LastSlot = t
		}
	}
	if r.Done != nil {
		r.Done(f)
	}
	var waits waiting
	if changed || r.state.Coverage.dayOver(now) {
		waits, err = r.writeCoverage(ctx)
	} else if err = r.save(); err == nil {
		waits, err = r.thaw(ctx)
	}
	if len(waits) > 0 {
		// It is kept, and no reason to look less often for all the others.
		r.Log.Error("coverage waits for a log that refused it", "source", string(r.Source))
	}
	return err
}

// runKey names a run by its slot, so that one slot ends once, whatever crashes.
// A slot that was accounted for already comes again only when the clock was set
// back: that is another run.
func (r *Runner) runKey(run evidence.ID, f evidence.RunFacts) string {
	key := fmt.Sprintf("%s/%s", r.Source, f.Slot.UTC().Format(time.RFC3339Nano))
	if f.Outcome != evidence.RunMissed && !f.Slot.After(r.state.LastSlot) {
		key += "/" + run.String()
	}
	return key
}

// frozen is a coverage record on its way into the logs. It is saved before the
// first log gets it, so that after a crash the rest get the same one.
type frozen struct {
	Number int                                `json:"n"`
	Facts  evidence.CoverageFacts             `json:"facts"`            // with the spans of all tenants that have none of their own
	Spans  map[string][]evidence.CoverageSpan `json:"spans"`            // by tenant
	Counts map[string]map[evidence.Kind]int   `json:"counts,omitempty"` // by tenant
	Left   []evidence.Tenant                  `json:"left"`             // tenants still to get it
}

// spansOf are the spans that the tenant is told.
func (f *frozen) spansOf(t evidence.Tenant) []evidence.CoverageSpan {
	if own, ok := f.Spans[t.String()]; ok {
		return own
	}
	return f.Facts.Spans
}

// leaves keeps what the tenants still need, who may need it for long.
func (f *frozen) leaves(left []evidence.Tenant) {
	f.Left = left
	gone := func(name string) bool {
		return !slices.ContainsFunc(left, func(t evidence.Tenant) bool { return t.String() == name })
	}
	maps.DeleteFunc(f.Spans, func(name string, _ []evidence.CoverageSpan) bool { return gone(name) })
	maps.DeleteFunc(f.Counts, func(name string, _ map[evidence.Kind]int) bool { return gone(name) })
}

// writeCoverage makes a coverage record of the tally and appends it to every
// tenant's log, each with that tenant's own spans and counts. It returns what
// thaw does.
func (r *Runner) writeCoverage(ctx context.Context) (waiting, error) {
	c := &r.state.Coverage
	now := r.Clock().UTC()
	facts, counts := c.facts(r.Source, now)
	fz := frozen{Number: c.Number, Facts: facts, Spans: map[string][]evidence.CoverageSpan{}, Counts: map[string]map[evidence.Kind]int{}, Left: r.Ledger.Tenants()}
	for _, t := range fz.Left {
		if parts := c.partsOf(t); len(parts) > 0 {
			fz.Spans[t.String()] = spansBut(parts, facts.Spans)
		}
		own := map[evidence.Kind]int{}
		for _, k := range r.Collector.Kinds() {
			own[k] = counts[t][k]
		}
		fz.Counts[t.String()] = own
	}
	c.written(now)
	r.state.Frozen = append(r.state.Frozen, fz)
	if err := r.save(); err != nil {
		return nil, err
	}
	return r.thaw(ctx)
}

// thaw appends frozen coverage records to the logs that do not have them. A
// log that refuses keeps its own waiting, which waits tells; the others get theirs.
func (r *Runner) thaw(ctx context.Context) (waiting, error) {
	if len(r.state.Frozen) == 0 {
		return nil, nil
	}
	waits := waiting{}
	var still []frozen
	for _, fz := range r.state.Frozen {
		var left []evidence.Tenant
		for _, t := range fz.Left {
			if err := r.appendCoverage(ctx, fz, t); err != nil {
				left = append(left, t)
				waits[t] = fmt.Errorf("record coverage of %s for %s: %w", r.Source, t, err)
			}
		}
		if len(left) > 0 {
			fz.leaves(left)
			still = append(still, fz)
		}
	}
	r.state.Frozen = still
	return waits, r.save()
}

func (r *Runner) appendCoverage(ctx context.Context, fz frozen, t evidence.Tenant) error {
	f := fz.Facts
	f.Spans, f.Counts = fz.spansOf(t), fz.Counts[t.String()]
	content, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = r.Ledger.Append(ctx, t, []Placed{{Draft: evidence.Draft{
		Kind: evidence.CollectionCoverage, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key: fmt.Sprintf("%s/%d", r.Source, fz.Number), Subject: evidence.NewRef("source", "", string(r.Source)),
		OccurredAt: f.Period.To, Basis: evidence.BasisSource, ObservedAt: r.Clock().UTC(), Content: content,
	}}})
	return err
}

// PlainCause says in words that name nobody why a look failed: it stands in
// every tenant's log. The whole error stands in the run's record in _platform.
func PlainCause(err error) string {
	switch {
	case problem.Is(err, problem.Credential):
		return "the source refused the credential"
	case problem.Is(err, problem.Throttled):
		return "the source was unavailable: it asked us to come back later"
	case problem.Is(err, problem.Source):
		return "the source was unreachable or answered with an error"
	case problem.Is(err, problem.Internal):
		return "the collector failed"
	case errors.Is(err, context.Canceled):
		return "the look was broken off"
	}
	return "the look failed"
}

// owners names the tenants that own a part of the source.
func (r *Runner) owners(scope evidence.Ref) []string {
	var names []string
	for _, t := range r.Rules.Tenants(r.Source, []evidence.Ref{scope}) {
		names = append(names, t.String())
	}
	return names
}

// storeError marks an error of the ledger, which is not the source's fault.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }
