package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
	"unique"

	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/store"
)

// judge keeps what is known of every tenant's findings between assessments,
// and which tenants have something new.
type judge struct {
	mu      sync.Mutex
	tenants map[evidence.Tenant]*judged
	dirty   map[evidence.Tenant]bool
	news    chan struct{} // something is dirty; holds one
	keeping sync.Mutex    // when tenants were judged is being written down
}

// judged is one tenant's part. Its assessment goes on in one goroutine at a
// time.
type judged struct {
	busy     sync.Mutex
	assessor mappings.Assessor
	known    verdicts                  // in force; nil until they are read
	last     time.Time                 // when it was judged last; zero: not since the start
	views    int                       // that the tests stand on
	scope    []mappings.ScopeStatement // as they were then
	words    time.Time                 // when a statement begins or ends to have an effect next; zero: none does
}

func newJudge() *judge {
	return &judge{tenants: map[evidence.Tenant]*judged{}, dirty: map[evidence.Tenant]bool{}, news: make(chan struct{}, 1)}
}

func (j *judge) of(t evidence.Tenant) *judged {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.tenants[t]
	if d == nil {
		d = &judged{}
		j.tenants[t] = d
	}
	return d
}

// came notes that the tenant's log has new records of a source. Findings, and
// what else evidenced itself records, come by another way and call nobody.
func (j *judge) came(t evidence.Tenant) {
	j.mu.Lock()
	j.dirty[t] = true
	j.mu.Unlock()
	select {
	case j.news <- struct{}{}:
	default:
	}
}

func (j *judge) takeDirty() []evidence.Tenant {
	j.mu.Lock()
	defer j.mu.Unlock()
	var ts []evidence.Tenant
	for t := range j.dirty {
		ts = append(ts, t)
	}
	clear(j.dirty)
	return ts
}

// Judged is told of every assessment of a tenant: all its findings as they
// stand, whether they changed or not, those of tests that no collector could
// answer left out. A tenant of which nothing is new, and none of whose verdicts
// can have turned since, is not assessed. It is called by one goroutine for each tenant at a time,
// after the changes are recorded, and must be quick.
type Judged interface {
	Judged(ctx context.Context, t evidence.Tenant, at time.Time, findings []evidence.FindingFacts)
}

// firstLooks is how long the first assessment waits for sources that were never
// looked at.
const firstLooks = time.Minute

// awaitFirstLooks waits until something is known of every source that is not
// paused, ctx ends or the time is up. A new source is looked at when the daemon
// starts; who judged before that look ended would put on record, and have
// everybody told, that nobody looked. A source that was looked at before a restart
// is not waited for.
func (e *Engine) awaitFirstLooks(ctx context.Context, most time.Duration) {
	up := time.NewTimer(most)
	defer up.Stop()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for slices.ContainsFunc(e.sources, func(s *source) bool { return s.config.Paused == "" && !s.runner.Begun() }) {
		select {
		case <-ctx.Done():
			return
		case <-up.C:
			return
		case <-again.C:
		}
	}
}

// judgeAlways judges every tenant when it is due, and those that have new records
// a little later, until ctx ends.
func (e *Engine) judgeAlways(ctx context.Context) error {
	every := time.NewTicker(e.o.Config.Assess.Every)
	defer every.Stop()
	var took time.Duration // by what was judged last
	judge := func(ts []evidence.Tenant) {
		begun := time.Now()
		e.judgeThese(ctx, ts)
		took = time.Since(begun)
	}
	judge(e.ledgerTenants())
	var soon <-chan time.Time // nil while nobody has new records
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			soon = nil
			e.judge.takeDirty()
			judge(e.ledgerTenants())
		case <-e.judge.news:
			if soon == nil {
				soon = time.After(rest(e.o.Config.Assess.Delay, took))
			}
		case <-soon:
			soon = nil
			judge(e.judge.takeDirty())
		}
	}
}

// judgeShare is how much of the time judging for new records takes at most: one
// part in so many.
const judgeShare = 5

// rest says how long to wait for more new records after judging took so long. A
// source that always tells something new would otherwise keep every core busy with
// judging a large tenant over and over.
func rest(delay, took time.Duration) time.Duration {
	return max(delay, (judgeShare-1)*took)
}

// Judge judges every tenant now and records what changed. A tenant that could
// not be judged does not keep the others from being.
func (e *Engine) Judge(ctx context.Context) error { return e.judgeThese(ctx, e.ledgerTenants()) }

// JudgeAndSign judges every tenant, signs the logs that grew by it and takes
// the checkpoints to the anchors: what a program that ends then leaves behind.
func (e *Engine) JudgeAndSign(ctx context.Context) error {
	err := errors.Join(e.Judge(ctx), e.Checkpoints(ctx))
	e.anchors.all(ctx, putTimeout)
	return err
}

func (e *Engine) judgeThese(ctx context.Context, ts []evidence.Tenant) error {
	var mu sync.Mutex
	var errs []error
	done := map[evidence.Tenant]time.Time{}
	var wg sync.WaitGroup
	work := make(chan evidence.Tenant)
	for range min(runtime.GOMAXPROCS(0), len(ts)) {
		wg.Go(func() {
			for t := range work {
				at, err := e.judgeOne(ctx, t)
				if err == nil && !at.IsZero() {
					mu.Lock()
					done[t] = at
					mu.Unlock()
				}
				if err != nil && ctx.Err() == nil {
					e.o.Log.Error("tenant not judged", "tenant", t.String(), "code", codeOf(err))
					e.o.Metrics.Add("evidenced_assessments_failed_total", telemetry.Labels{Tenant: t}, 1)
					mu.Lock()
					errs = append(errs, fmt.Errorf("judge %s: %w", t, err))
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range ts {
		if ctx.Err() != nil {
			break
		}
		work <- t
	}
	close(work)
	wg.Wait()
	if len(done) > 0 {
		errs = append(errs, e.keepJudged(done))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// judgeOne judges a tenant and records the verdicts that changed. It returns
// when; the zero time for a log that takes nothing. Where every verdict stands
// it does not even open the log.
func (e *Engine) judgeOne(ctx context.Context, t evidence.Tenant) (at time.Time, err error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return at, err
	}
	if log.Stopped() != nil {
		return at, nil // told already, by what stopped it
	}
	d := e.judge.of(t)
	d.busy.Lock()
	defer d.busy.Unlock()
	in, err := e.judging(t)
	if err != nil {
		return at, err
	}
	in.Now = e.Now().UTC()
	if in.Ahead, err = e.ahead(t); err != nil {
		return at, err
	}
	in.Scope = d.scope // a new statement is a new record
	if size, ok := log.Grown(); ok && (d.words.IsZero() || in.Now.Before(d.words)) && d.assessor.Stands(in, size, e.o.Config.Assess.Period) {
		d.last = in.Now
		e.measureStood(t, d.views, in.Now)
		return in.Now, nil
	}
	snap := log.Snapshot()
	if d.known == nil {
		if d.known, err = verdictsIn(ctx, snap); err != nil {
			return at, err
		}
	}
	in.Reader = snap
	book, err := e.said(ctx, &in)
	if err != nil {
		return at, err
	}
	round, err := d.assessor.Assess(ctx, in, e.o.Config.Assess.Period)
	if err != nil {
		return at, err
	}
	facts, err := e.record(ctx, log, d, round)
	if err != nil {
		return at, err
	}
	d.last, d.views, d.scope, d.words = round.At, round.Views, in.Scope, nextWord(book)
	e.measure(t, round, facts)
	if e.o.Judged != nil {
		e.o.Judged.Judged(ctx, t, round.At, facts)
	}
	if facts, err = unwaived(ctx, book, facts); err != nil {
		return at, err
	}
	e.alerts.judged(t, toAlert(e.catalog, facts))
	return round.At, nil
}

// lastInstant is behind everything that an index can hold.
var lastInstant = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)

// ahead gathers what the sources were seen of and the tenant's log does not
// tell yet.
func (e *Engine) ahead(t evidence.Tenant) ([]evidence.Span, error) {
	var all []evidence.Span
	for _, s := range e.sources {
		spans, err := s.runner.Ahead(t)
		if err != nil {
			return nil, err
		}
		all = append(all, spans...)
	}
	return all, nil
}

// record appends a finding.state for every verdict that is another than the
// recorded one, and an end for each finding that no test gives any more. It
// returns the findings as they stand.
func (e *Engine) record(ctx context.Context, log *store.Log, d *judged, round *mappings.Round) ([]evidence.FindingFacts, error) {
	var items []store.Item
	var facts []evidence.FindingFacts
	was := d.known.byFinding()
	now := make(verdicts, 0, len(round.Findings))
	for i := range round.Findings {
		f, ok := round.Facts(i)
		if !ok {
			continue
		}
		facts = append(facts, f)
		ref := mappings.FindingRef(f.Control, f.Test)
		v := verdict{unique.Make(ref), mappings.Verdict(f)}
		now = append(now, v)
		before, known := was[v.finding]
		delete(was, v.finding) // what is left has ended
		if known && before == v.is {
			continue
		}
		content, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		items = append(items, d.item(evidence.OpSet, ref, round.At, content))
	}
	for finding := range was {
		why := `{"reason":"no test of the catalog gives it any more"}`
		if slices.ContainsFunc(round.Findings, func(f evidence.Finding) bool { return mappings.FindingRef(f.Control, f.Test) == finding.Value() }) {
			why = `{"reason":"nothing is on record any more that it could judge"}`
		}
		items = append(items, d.item(evidence.OpEnd, finding.Value(), round.At, []byte(why)))
	}
	if len(items) > 0 {
		if _, err := log.Append(ctx, items); err != nil {
			return nil, fmt.Errorf("record findings: %w", err)
		}
	}
	d.known = slices.Clone(now) // of tests that no collector answers nothing is kept
	return facts, nil
}

// item is one finding's state. The last look that did not show it is the
// assessment before.
func (d *judged) item(op evidence.Op, ref evidence.Ref, at time.Time, content []byte) store.Item {
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.FindingState, Op: op, Source: evidence.SelfSource, Subject: ref, OccurredAt: at, NotBefore: d.last,
		Basis: evidence.BasisObserved, ObservedAt: at, Content: content,
	}}
}

// judgedCursor keeps when each tenant was judged last, which an unchanged
// verdict leaves no record of.
const judgedCursor = "judged"

// Judged implements api.World.
func (e *Engine) Judged(_ context.Context, t evidence.Tenant) (time.Time, error) {
	all, err := e.judgedAt()
	return all[t.String()], err
}

func (e *Engine) judgedAt() (map[string]time.Time, error) {
	b, err := e.local.Store.Cursors().Cursor(judgedCursor)
	if err != nil || b == nil {
		return nil, err
	}
	var all map[string]time.Time
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("when tenants were judged: %w", err)
	}
	return all, nil
}

// keepJudged writes down when the tenants were judged.
func (e *Engine) keepJudged(at map[evidence.Tenant]time.Time) error {
	e.judge.keeping.Lock()
	defer e.judge.keeping.Unlock()
	all, err := e.judgedAt()
	if err != nil {
		return err
	}
	if all == nil {
		all = map[string]time.Time{}
	}
	for t, at := range at {
		all[t.String()] = at
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return e.local.Store.Cursors().PutCursor(judgedCursor, b)
}

// measure counts for operators.
func (e *Engine) measure(t evidence.Tenant, round *mappings.Round, facts []evidence.FindingFacts) {
	e.shown.judged(t, facts)
	e.o.Metrics.Add("evidenced_assessment_views_built_total", telemetry.Labels{}, round.Built)
	e.measureStood(t, round.Views, round.At)
}

// measureStood counts a tenant whose verdicts are those of now.
func (e *Engine) measureStood(t evidence.Tenant, views int, at time.Time) {
	e.o.Metrics.Time("evidenced_assessed_timestamp_seconds", telemetry.Labels{Tenant: t}, at)
	e.o.Metrics.Add("evidenced_assessment_views_total", telemetry.Labels{}, views)
}

// Findings returns the findings of a tenant that are in force by its log,
// oldest verdict or not; nil before the first assessment.
func (e *Engine) Findings(ctx context.Context, t evidence.Tenant) ([]mappings.Standing, error) {
	r, err := e.Reader(ctx, t)
	if err != nil {
		return nil, err
	}
	standing, _, err := mappings.Standings(ctx, r)
	return standing, err
}
