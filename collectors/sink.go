package collectors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// sink implements Sink for one run.
type sink struct {
	r       *Runner
	run     evidence.ID
	slot    time.Time
	started time.Time
	rotate  time.Duration // Follow: a new run for every slot
	goesOn  bool          // Follow: turnOver began this run. Stopped before anything came, it leaves no record

	queue    map[evidence.Tenant][]Placed
	queued   int
	inflight chan error // the batch being written, if any

	seen      map[evidence.Kind]map[evidence.Ref]bool
	whose     map[evidence.Ref][]evidence.Tenant // of single references, as far as they were asked for
	completes []completed

	commits    int
	items      int
	records    int
	repeated   int
	ended      int
	kept       int  // durable, waiting for a stopped log
	unread     bool // states of some log could not be read
	dropped    int  // refused for a stopped log
	refused    map[evidence.Tenant]time.Time
	requests   int
	incomplete string
	narrow     bool // the credential sees less than before
	claimed    bool // a commit claimed something of a kind
	changed    bool // coverage verdict or class changed
	notes      []string
	counts     []evidence.SourceCount // totals of single lists, ours beside the source's
	countsCut  int
	short      int // of them that say fewer came than there are
	last       evidence.Observation
}

type completed struct {
	kind  evidence.Kind
	scope evidence.Ref
}

// batchSize is how many drafts are written in the background while the
// collector reads on.
const batchSize = 4096

func (r *Runner) newSink(slot time.Time) *sink {
	return &sink{
		r: r, run: newID(), slot: slot.UTC(), started: r.Clock().UTC(),
		queue: map[evidence.Tenant][]Placed{}, seen: map[evidence.Kind]map[evidence.Ref]bool{},
	}
}

// Emit implements Sink.
func (s *sink) Emit(ctx context.Context, d evidence.Draft) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.Source == "" {
		d.Source = s.r.Source
	}
	if d.Source != s.r.Source {
		return fmt.Errorf("collector of %s emits for %s", s.r.Source, d.Source)
	}
	if err := d.Check(); err != nil {
		return err
	}
	if info, _ := evidence.KindInfo(d.Kind); info.Own || !slices.Contains(s.r.Collector.Kinds(), d.Kind) {
		return fmt.Errorf("collector of %s emits the undeclared kind %s", s.r.Source, d.Kind)
	}
	s.items++
	withoutCredentials(&d)
	if s.r.Mark != nil {
		d.People = slices.Clone(d.People)
		for i := range d.People {
			p := &d.People[i]
			bot, shared := s.r.Mark(p.Realm, p.NativeID, p.Names.Login)
			p.Names.Bot, p.Names.Shared = p.Names.Bot || bot, p.Names.Shared || shared
		}
	}
	owners := s.r.Rules.Tenants(d.Source, d.Scope)
	tenants := owners
	if info, _ := evidence.KindInfo(d.Kind); info.State {
		var err error
		if tenants, err = s.placeState(ctx, d, tenants); err != nil {
			return err
		}
	}
	if len(tenants) == 0 {
		tenants = []evidence.Tenant{evidence.Unassigned}
	}
	shared := s.share(d, owners)
	for _, t := range tenants {
		s.put(t, Placed{shared.view(t), s.actor(d, t), s.run})
	}
	if s.queued >= batchSize {
		return s.flush(ctx)
	}
	return nil
}

func (s *sink) put(t evidence.Tenant, p Placed) {
	s.queue[t] = append(s.queue[t], p)
	s.queued++
}

// end puts the end of a state into the tenant's log.
func (s *sink) end(t evidence.Tenant, d evidence.Draft) {
	shared := s.share(d, s.r.Rules.Tenants(d.Source, d.Scope))
	s.put(t, Placed{shared.view(t), "", s.run})
	s.ended++
}

// actor says whether who acted belongs to the tenant.
func (s *sink) actor(d evidence.Draft, t evidence.Tenant) evidence.ActorTenant {
	if len(d.ActorScope) == 0 {
		return evidence.ActorNone
	}
	actors := s.r.Rules.Tenants(d.Source, d.ActorScope)
	switch {
	case len(actors) == 0:
		return evidence.ActorUnknown
	case slices.Contains(actors, t):
		return evidence.ActorOwn
	case len(actors) == 1 && actors[0] == evidence.Platform:
		return evidence.ActorPlatform
	}
	return evidence.ActorOther
}

// placeState remembers that the subject was seen, ends it in the logs of
// tenants it no longer belongs to, and sends its end where it is open.
func (s *sink) placeState(ctx context.Context, d evidence.Draft, tenants []evidence.Tenant) ([]evidence.Tenant, error) {
	open, err := s.open(ctx, d.Kind)
	if err != nil {
		return nil, err
	}
	if len(tenants) == 0 {
		tenants = []evidence.Tenant{evidence.Unassigned}
	}
	before := open[d.Subject]
	if d.Op == evidence.OpEnd {
		delete(open, d.Subject)
		if len(before.tenants) > 0 {
			tenants = before.tenants
		}
		return tenants, nil
	}
	for _, t := range before.tenants {
		if !slices.Contains(tenants, t) {
			s.end(t, endOf(d.Kind, d.Source, d.Subject, before.scope, "reassigned", before.end(s.r.Clock().UTC()), time.Time{}))
		}
	}
	open[d.Subject] = openState{tenants, d.Scope, maxTime(before.since, d.OccurredAt)}
	if s.seen[d.Kind] == nil {
		s.seen[d.Kind] = map[evidence.Ref]bool{}
	}
	s.seen[d.Kind][d.Subject] = true
	return tenants, nil
}

// open returns the open states of the kind, read from the logs once. A tenant
// whose log cannot be read holds no other up: states that are only known there
// end when a later run can read it.
func (s *sink) open(ctx context.Context, kind evidence.Kind) (openStates, error) {
	if o := s.r.states[kind]; o != nil {
		return o, nil
	}
	o := openStates{}
	tenants := s.r.Ledger.Tenants()
	if !slices.Contains(tenants, evidence.Unassigned) {
		tenants = append(slices.Clone(tenants), evidence.Unassigned)
	}
	for _, t := range tenants {
		err := s.openIn(ctx, t, kind, o)
		if err != nil && ctx.Err() != nil {
			return nil, &storeError{fmt.Errorf("read open states of %s: %w", t, err)}
		}
		if err != nil {
			s.unread = true
			s.note(fmt.Sprintf("the states in force of %s could not be read: none of them ends by absence for now", t))
			s.r.Log.Error("open states not read", "tenant", t.String(), "source", string(s.r.Source), "kind", string(kind))
		}
	}
	s.r.states[kind] = o
	return o, nil
}

// openIn adds those of one tenant.
func (s *sink) openIn(ctx context.Context, t evidence.Tenant, kind evidence.Kind, o openStates) error {
	for rec, err := range s.r.Ledger.OpenStates(ctx, t, kind) {
		if err != nil {
			return err
		}
		if rec.Source == s.r.Source {
			st := o[rec.Subject]
			st.tenants, st.since = append(st.tenants, t), maxTime(st.since, rec.Occurred)
			// Each log tells of the scope what is its tenant's or nobody's; together
			// they tell all of it.
			st.scope = union(st.scope, rec.Scope)
			o[rec.Subject] = st
		}
	}
	return nil
}

// union adds to a what only b has. Logs tell the same, or few references each.
func union(a, b []evidence.Ref) []evidence.Ref {
	if len(a) == 0 {
		return slices.Clip(b) // somebody else's memory: more goes elsewhere
	}
	if slices.Equal(a, b) {
		return a
	}
	told := func(ref evidence.Ref) bool { return slices.Contains(a, ref) }
	if len(b) > fewRefs {
		has := make(map[evidence.Ref]bool, len(a))
		for _, ref := range a {
			has[ref] = true
		}
		told = func(ref evidence.Ref) bool { return has[ref] }
	}
	for _, ref := range b {
		if !told(ref) {
			a = append(a, ref)
		}
	}
	return a
}

// fewRefs is how many references are looked for one by one.
const fewRefs = 8

func endOf(kind evidence.Kind, source evidence.SourceID, subject evidence.Ref, scope []evidence.Ref, reason string, at, notBefore time.Time) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: evidence.OpEnd, Source: source, Subject: subject, Scope: scope,
		OccurredAt: at, Basis: evidence.BasisObserved, ObservedAt: at, NotBefore: notBefore,
		Content: []byte(`{"reason":"` + reason + `"}`),
	}
}

// flush hands the queue to the background writer and waits for the batch
// before it, so that at most one batch is being written while one is read.
func (s *sink) flush(ctx context.Context) error {
	if err := s.wait(); err != nil {
		return err
	}
	if s.queued == 0 {
		return nil
	}
	queue := s.queue
	s.queue, s.queued = map[evidence.Tenant][]Placed{}, 0
	done := make(chan error, 1)
	s.inflight = done
	// The goroutine ends with its batch; wait collects it before the run ends.
	go func() { done <- s.write(ctx, queue) }()
	return nil
}

// write hands the batch over. What one log refuses does not keep the others
// from what is theirs.
func (s *sink) write(ctx context.Context, queue map[evidence.Tenant][]Placed) error {
	taken, err := s.r.Ledger.Ingest(ctx, queue)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var first error
	for t, ds := range queue {
		k := taken[t]
		switch {
		case k.Err != nil:
			if first == nil {
				first = fmt.Errorf("store for %s: %w", t, k.Err)
			}
		case k.Refused:
			s.refuse(t, ds)
		case k.Kept:
			s.kept += len(ds)
			for _, d := range ds {
				s.r.count(t, d.Draft.Kind)
			}
		default:
			for i, n := range k.New {
				if n {
					s.records++
					s.r.count(t, ds[i].Draft.Kind)
				} else {
					s.repeated++
				}
			}
		}
	}
	return first
}

// refuse remembers since when a tenant misses what the source told.
func (s *sink) refuse(t evidence.Tenant, ds []Placed) {
	if s.refused == nil {
		s.refused = map[evidence.Tenant]time.Time{}
	}
	since, ok := s.refused[t]
	for _, d := range ds {
		if !ok || d.Draft.OccurredAt.Before(since) {
			since, ok = d.Draft.OccurredAt, true
		}
	}
	s.refused[t] = since
	s.dropped += len(ds)
}

func (s *sink) wait() error {
	if s.inflight == nil {
		return nil
	}
	err := <-s.inflight
	s.inflight = nil
	if err != nil {
		return &storeError{err}
	}
	return nil
}

// drain waits for the background writer at the end of a run.
func (s *sink) drain() { _ = s.wait() }

// Complete implements Sink.
func (s *sink) Complete(kind evidence.Kind, scope evidence.Ref) {
	s.completes = append(s.completes, completed{kind, scope})
}

// Commit implements Sink.
func (s *sink) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	if o.At.IsZero() {
		o.At = s.r.Clock().UTC()
	}
	if err := s.absences(ctx, &o); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := s.wait(); err != nil {
		return err
	}
	s.commits++
	s.requests += o.Requests
	s.incomplete = join(s.incomplete, o.Incomplete)
	s.reckon(o.Counts)
	for _, n := range o.Notes {
		s.note(n)
	}
	s.last = o
	if err := s.keep(resume, o); err != nil {
		return &storeError{err}
	}
	return s.turnOver(ctx)
}

// maxNotes bounds the notes of a run.
const maxNotes = 50

// note adds one to the run's record.
func (s *sink) note(text string) {
	text = WithoutCredentials(text)
	if len(s.notes) < maxNotes && !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// maxCounts bounds the totals of single lists in one run's record, maxShort
// those that a partial run's cause spells out.
const (
	maxCounts = 100
	maxShort  = 5
)

// reckon keeps what the source counts beside what we counted. A list of which
// fewer came than the source says it has was not read in full.
func (s *sink) reckon(counts []evidence.SourceCount) {
	for _, c := range counts {
		c.What = WithoutCredentials(c.What)
		if c.Ours < c.Source && s.short < maxShort {
			s.short++
			s.incomplete = join(s.incomplete, fmt.Sprintf("%s: the source counts %d, %d came", c.What, c.Source, c.Ours))
		}
		switch {
		case len(s.counts) < maxCounts:
			s.counts = append(s.counts, c)
		case c.Ours != c.Source:
			// A difference is worth more than an agreement.
			if i := slices.IndexFunc(s.counts, func(c evidence.SourceCount) bool { return c.Ours == c.Source }); i >= 0 {
				s.counts[i] = c
			}
			s.countsCut++
		default:
			s.countsCut++
		}
	}
}

// keep moves the cursor: everything emitted is durable.
func (s *sink) keep(resume []byte, o evidence.Observation) error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	changed := false
	if s.narrow {
		// What is no longer visible may have changed unseen: nothing is claimed.
		changed = s.r.state.Coverage.lose(s.r.Collector.Kinds(), loss{cause: "scope shrank: the credential sees less than before", due: o.At, until: o.At, every: s.r.Every})
	} else {
		changed = s.r.state.Coverage.see(o.Seen, s.r.Every, s.r.owners)
		s.r.state.Coverage.rest(o.Quiet)
		s.claimed = s.claimed || slices.ContainsFunc(o.Seen, func(x evidence.Seen) bool { return len(x.Kinds) > 0 })
	}
	for t, since := range s.refused {
		changed = true
		s.r.state.Coverage.miss(evidence.Seen{
			Kinds: s.r.Collector.Kinds(), From: since, To: o.At,
			Cause: "the log was stopped, and as much waited for it as may: what the source told was refused",
		}, s.r.Every, []string{t.String()})
	}
	clear(s.refused)
	s.changed = s.changed || changed
	s.r.state.Resume = slices.Clone(resume)
	return s.r.save()
}

// absences ends what complete lists no longer show, unless the credential sees
// less than before.
func (s *sink) absences(ctx context.Context, o *evidence.Observation) error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if shrunk := s.shrunk(o.Sees); len(shrunk) > 0 {
		o.Incomplete = join(o.Incomplete, fmt.Sprintf("scope shrank: %d of %d containers are no longer visible to the credential (%s)", len(shrunk), len(s.r.state.Sees), shorten(shrunk)))
		s.completes, s.narrow = nil, true
	} else if o.Sees != nil {
		s.r.state.Sees = slices.Clone(o.Sees)
	}
	return s.endAbsent(ctx, *o)
}

// turnOver ends the run of a slot that is over while following, and begins the
// next one.
func (s *sink) turnOver(ctx context.Context) error {
	now := s.r.Clock().UTC()
	if d := now.Sub(s.slot); s.rotate == 0 || d >= 0 && d < s.rotate {
		return nil // a clock that was set back begins a slot anew
	}
	_, err := s.r.end(ctx, s, nil)
	if err != nil {
		return &storeError{err}
	}
	next := s.r.newSink(now)
	next.rotate, next.seen, next.goesOn = s.rotate, s.seen, true
	*s = *next
	return nil
}

// spacingOf is how far two looks may lie apart and still make one covered
// stretch, when looks are due so often.
func spacingOf(every time.Duration) time.Duration { return every*5/2 + time.Second }

// count tells the tally of a new record.
func (r *Runner) count(t evidence.Tenant, k evidence.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Coverage.add(t, k)
}

// shrunk returns the containers seen before and not now.
func (s *sink) shrunk(sees []string) []string {
	if sees == nil || s.r.AcceptScope {
		return nil // not said, or an operator says that it is well
	}
	var gone []string
	for _, c := range s.r.state.Sees {
		if !slices.Contains(sees, c) {
			gone = append(gone, c)
		}
	}
	return gone
}

// endAbsent ends the states that complete lists no longer show.
func (s *sink) endAbsent(ctx context.Context, o evidence.Observation) error {
	for _, c := range s.completes {
		open, err := s.open(ctx, c.kind)
		if err != nil {
			return err
		}
		for subject, st := range open {
			if s.seen[c.kind][subject] || !c.scope.IsZero() && !slices.Contains(st.scope, c.scope) {
				continue
			}
			for _, t := range st.tenants {
				s.end(t, endOf(c.kind, s.r.Source, subject, st.scope, "absent", st.end(o.At), s.r.state.LastList[c.kind]))
			}
			delete(open, subject)
		}
		s.r.state.LastList[c.kind] = o.At
	}
	// The next list begins anew, each scope for itself.
	for _, c := range s.completes {
		for subject := range s.seen[c.kind] {
			if c.scope.IsZero() || slices.Contains(s.r.states[c.kind][subject].scope, c.scope) {
				delete(s.seen[c.kind], subject)
			}
		}
	}
	s.completes = nil
	return nil
}

func (s *sink) facts(now time.Time) evidence.RunFacts {
	o := s.last
	f := evidence.RunFacts{
		Source: s.r.Source, Slot: s.slot, Started: s.started, Ended: now, Window: o.Window,
		Items: s.items, Records: s.records, Repeated: s.repeated, Ended_: s.ended, Kept: s.kept, Refused: s.dropped,
		Total: o.Total, Identity: o.Identity, Sees: len(o.Sees), TLS: o.TLS, TLSKey: o.TLSKey,
		Requests: s.requests, Notes: s.notes,
	}
	f.Counts, f.CountsCut = slices.Clone(s.counts), s.countsCut
	slices.SortStableFunc(f.Counts, func(a, b evidence.SourceCount) int {
		differs := func(c evidence.SourceCount) int {
			if c.Ours != c.Source {
				return 0
			}
			return 1
		}
		return differs(a) - differs(b)
	})
	if o.OffsetOK {
		ms := o.Offset.Milliseconds()
		f.OffsetMS = &ms
	}
	return f
}

func join(a, b string) string {
	if a == "" || a == b {
		return b
	}
	if b == "" {
		return a
	}
	return a + "; " + b
}

func shorten(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}
