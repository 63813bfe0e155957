package lineage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// Limits of one walk.
const (
	defaultNodes = 500
	defaultReads = 20_000
	perNode      = 1000 // records of making read for one node
	usesPerNode  = 200  // records of use
	besidePer    = 10   // nodes told beside one, of one step
)

// Walk traces the start along the links of the log of r. The start need not be
// known to the log: then the trace holds it alone and says what is missing.
//
// An error is one of the reader or of the context; limits are no error.
func Walk(ctx context.Context, r evidence.Reader, start evidence.Ref, opt Options) (*Trace, error) {
	w := newWalker(r, opt)
	return w.trace(ctx, thing(start))
}

// WalkRecord traces from what a record is the record of.
func WalkRecord(ctx context.Context, r evidence.Reader, rec evidence.Record, opt Options) (*Trace, error) {
	w := newWalker(r, opt)
	e := about(&rec)
	w.keep(rec)
	return w.trace(ctx, e)
}

// bounds is a span of time asked about, in three parts: when links must hold,
// before when what was made must have been made, and when uses count.
type bounds struct {
	hold spans
	made time.Time // exclusive; zero: no bound
	uses evidence.Period
	// instant: a use counts with what held at the instant, not at its moment.
	instant bool
}

func (o Options) bounds() bounds {
	switch {
	case !o.At.IsZero():
		around := o.Around
		if around <= 0 {
			around = time.Hour
		}
		at := o.At.UTC()
		next := at.Add(time.Nanosecond)
		return bounds{spans{{From: at, To: next}}, next, evidence.Period{From: at.Add(-around / 2), To: at.Add(around / 2)}, true}
	case !o.Window.IsZero():
		p := evidence.Period{From: o.Window.From.UTC(), To: o.Window.To.UTC()}
		return bounds{spans{p}, p.To, p, false}
	}
	return bounds{hold: always}
}

type walker struct {
	r     evidence.Reader
	opt   Options
	b     bounds
	reads int
	cut   map[string]int // limits hit: what, how often

	records map[uint64]evidence.Record
	nodes   map[string]*visited
	ends    map[uint64]time.Time // when a state's record ceased to be in force
	next    map[uint64]time.Time // when the sync after a sync began
	others  []string             // authorities of hosts; nil until asked for
	cov     *evidence.Coverage   // nil until asked for
	full    bool                 // the limit of nodes was hit
}

// visited is a node with everything that records say of it.
type visited struct {
	end
	records []uint64 // about it
	links   []*link
	looked  bool // for later commits that contain it
}

// link is all edges of one step between two ends.
type link struct {
	from, to end
	step     Step
	proof    Proof
	causes   []cause
	spans    spans
}

// cause is a cause with when it holds.
type cause struct {
	Cause
	spans spans
}

func newWalker(r evidence.Reader, opt Options) *walker {
	if opt.MaxNodes <= 0 {
		opt.MaxNodes = defaultNodes
	}
	if opt.MaxReads <= 0 {
		opt.MaxReads = defaultReads
	}
	return &walker{
		r: r, opt: opt, b: opt.bounds(), cut: map[string]int{}, records: map[uint64]evidence.Record{},
		nodes: map[string]*visited{}, ends: map[uint64]time.Time{}, next: map[uint64]time.Time{},
	}
}

func (w *walker) keep(rec evidence.Record) { w.records[rec.Seq] = rec }

// query reads records until the budget is spent. Of more than max it reads the
// first max and counts a limit.
func (w *walker) query(ctx context.Context, q evidence.Query, max int) ([]evidence.Record, error) {
	if max > 0 {
		q.Limit = max + 1
	}
	var recs []evidence.Record
	for rec, err := range w.r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		if max > 0 && len(recs) == max {
			w.cut[fmt.Sprintf("only the newest %d records that name one thing were read", max)]++
			break
		}
		if w.reads++; w.reads > w.opt.MaxReads {
			w.cut[fmt.Sprintf("the walk stopped after %d records", w.opt.MaxReads)]++
			break
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// visit reads what the log says of a thing, once.
func (w *walker) visit(ctx context.Context, e end) (*visited, error) {
	if v, ok := w.nodes[e.id]; ok {
		return v, nil
	}
	if len(w.nodes) >= 4*w.opt.MaxNodes {
		w.full = true
		return &visited{end: e}, nil
	}
	v := &visited{end: e}
	w.nodes[e.id] = v
	var recs []evidence.Record
	if e.ref.IsZero() {
		for _, rec := range w.records {
			if about(&rec).id == e.id {
				recs = append(recs, rec)
			}
		}
		slices.SortFunc(recs, func(a, b evidence.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	} else {
		q := evidence.Query{Link: e.ref, Kinds: making, Period: evidence.Period{To: w.b.made}, Backward: true}
		var err error
		if recs, err = w.query(ctx, q, perNode); err != nil {
			return nil, err
		}
		if slices.Contains(used, e.stage) {
			uses, err := w.uses(ctx, e)
			if err != nil {
				return nil, err
			}
			recs = append(recs, uses...)
		}
	}
	if err := w.join(ctx, v, recs); err != nil {
		return nil, err
	}
	return v, w.sameHost(ctx, v)
}

// uses reads what was done with a thing. How a commit was pushed belongs to its
// making: that counts whenever it was.
func (w *walker) uses(ctx context.Context, e end) ([]evidence.Record, error) {
	q := evidence.Query{Link: e.ref, Kinds: using, Period: w.b.uses, Backward: true}
	if e.stage == Commit || e.stage == Audit {
		q.Kinds, q.Period = []evidence.Kind{evidence.AccessAudit}, evidence.Period{To: w.b.made}
		if w.b.uses.To.After(w.b.made) {
			q.Period.To = w.b.uses.To
		}
	}
	return w.query(ctx, q, usesPerNode)
}

// join turns the records that name a thing into its links.
func (w *walker) join(ctx context.Context, v *visited, recs []evidence.Record) error {
	type life struct {
		spans spans
		state bool
		ref   evidence.Ref
	}
	lives := map[string]*life{}
	successor := map[string]time.Time{} // of the same subject, in what was read newest first
	for i := range recs {
		rec := recs[i]
		w.keep(rec)
		info, _ := evidence.KindInfo(rec.Kind)
		if about(&rec).id == v.id {
			v.records = append(v.records, rec.Seq)
		}
		self := rec.Subject
		if self.UID != "" && (self == v.ref || self.WithUID("") == v.ref) && Traceable(self) {
			l := lives[self.UID]
			if l == nil {
				l = &life{ref: self}
				lives[self.UID] = l
			}
			if info.State {
				until := ever
				if !l.state && rec.Op == evidence.OpEnd {
					until = rec.Occurred // the newest is read first
				} else if l.state {
					until = l.spans[len(l.spans)-1].To
				}
				l.state = true
				l.spans = spans{{From: begin(&rec), To: until}}
			}
		}
		if !info.State {
			if err := w.event(ctx, v, &rec); err != nil {
				return err
			}
			continue
		}
		k := string(rec.Kind) + " " + string(rec.Source) + " " + rec.Subject.String()
		after, known := successor[k]
		successor[k] = rec.Occurred
		// What was replaced before the time asked about needs no closer look.
		if known && !w.b.hold[0].From.IsZero() && !after.After(w.b.hold[0].From) {
			continue
		}
		edges := touching(derive(&rec), v.id)
		if len(edges) == 0 {
			continue
		}
		until, err := w.endOf(ctx, &rec)
		if err != nil {
			return err
		}
		held := spans{{From: begin(&rec), To: until}}
		for _, e := range edges {
			v.add(&e, &rec, held)
		}
	}
	for _, l := range lives {
		if !l.state {
			l.spans = always
		}
		named, bearer := thing(l.ref.WithUID("")), thing(l.ref)
		v.addLink(&link{from: named, to: bearer, step: StepSame, proof: ByName, spans: l.spans})
	}
	slices.SortStableFunc(v.links, func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.from.id, b.from.id), cmp.Compare(a.to.id, b.to.id))
	})
	return nil
}

func touching(edges []edge, id string) []edge {
	return slices.DeleteFunc(edges, func(e edge) bool { return e.from.id != id && e.to.id != id })
}

// begin is when a state may have begun.
func begin(rec *evidence.Record) time.Time {
	if rec.Basis == evidence.BasisObserved && !rec.NotBefore.IsZero() && rec.NotBefore.Before(rec.Occurred) {
		return rec.NotBefore
	}
	return rec.Occurred
}

// event adds the links of an event.
func (w *walker) event(ctx context.Context, v *visited, rec *evidence.Record) error {
	use := slices.Contains(using, rec.Kind)
	for _, e := range touching(derive(rec), v.id) {
		held := always
		switch {
		case use && e.step != StepPushed && !w.b.instant:
			held = spans{{From: rec.Occurred, To: rec.Occurred.Add(time.Nanosecond)}}
		case use && e.step != StepPushed:
			if !w.b.uses.Contains(rec.Occurred) {
				continue
			}
		case !w.b.made.IsZero() && rec.Basis != evidence.BasisClaimed && !e.after.Before(w.b.made):
			continue
		case e.step == StepDeployed:
			until, err := w.nextSync(ctx, rec)
			if err != nil {
				return err
			}
			held = spans{{From: rec.Occurred, To: until}}
		}
		v.add(&e, rec, held)
	}
	return nil
}

// add adds what one record says to the links of a node.
func (v *visited) add(e *edge, rec *evidence.Record, held spans) {
	v.addLink(&link{e.from, e.to, e.step, e.proof, []cause{{Cause{rec.Seq, rec.Kind, rec.Source, e.field}, held}}, held})
}

func (v *visited) addLink(n *link) {
	for _, l := range v.links {
		if l.from.id == n.from.id && l.to.id == n.to.id && l.step == n.step {
			l.causes = append(l.causes, n.causes...)
			l.spans = l.spans.or(n.spans)
			if n.proof == BySource {
				l.proof = BySource
			}
			return
		}
	}
	v.links = append(v.links, n)
}

// endOf returns when the state of a record was replaced or ended, as the same
// source told it.
func (w *walker) endOf(ctx context.Context, rec *evidence.Record) (time.Time, error) {
	if t, ok := w.ends[rec.Seq]; ok {
		return t, nil
	}
	q := evidence.Query{Kinds: []evidence.Kind{rec.Kind}, Source: rec.Source, Subject: rec.Subject, Period: evidence.Period{From: rec.Occurred}}
	until := ever
	for next, err := range w.r.Records(ctx, q) {
		if err != nil {
			return until, err
		}
		w.reads++
		if next.Occurred.After(rec.Occurred) || next.Seq > rec.Seq {
			until = next.Occurred
			break
		}
	}
	w.ends[rec.Seq] = until
	return until, nil
}

// nextSync returns when the next sync of the same application that succeeded
// began.
func (w *walker) nextSync(ctx context.Context, rec *evidence.Record) (time.Time, error) {
	if t, ok := w.next[rec.Seq]; ok {
		return t, nil
	}
	q := evidence.Query{Kinds: []evidence.Kind{rec.Kind}, Source: rec.Source, Period: evidence.Period{From: rec.Occurred.Add(time.Nanosecond)}}
	for _, l := range append([]evidence.Ref{rec.Subject}, rec.Links...) {
		if l.Scheme == "app" {
			q.Link = l
			break
		}
	}
	until := ever
	for next, err := range w.r.Records(ctx, q) {
		if err != nil {
			return until, err
		}
		w.reads++
		var f evidence.SyncFacts
		if next.Key != rec.Key && next.Decode(&f) == nil && f.Phase == "Succeeded" && !f.DryRun && !f.Partial {
			until = next.Occurred
			break
		}
		if w.reads > w.opt.MaxReads {
			break
		}
	}
	w.next[rec.Seq] = until
	return until, nil
}

// sameHost links a host with the same host as sources of other names know it:
// the one who asks for a certificate and the one who looks at what is shown
// rarely bear one name.
func (w *walker) sameHost(ctx context.Context, v *visited) error {
	if v.stage != Host || len(v.links) == 0 {
		return nil
	}
	others, err := w.authorities(ctx)
	if err != nil {
		return err
	}
	for _, a := range others {
		o := v.ref
		o.Authority = a
		if o == v.ref {
			continue
		}
		found, err := w.query(ctx, evidence.Query{Link: o, Kinds: []evidence.Kind{evidence.CertDeclared, evidence.CertState}, Limit: 1}, 1)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		from, to := thing(v.ref), thing(o)
		if to.id < from.id {
			from, to = to, from
		}
		v.addLink(&link{from: from, to: to, step: StepSame, proof: ByName, spans: always})
	}
	return nil
}

// authorities returns the last parts of the names of the sources that tell of
// certificates.
func (w *walker) authorities(ctx context.Context) ([]string, error) {
	if w.others == nil {
		cov, err := w.coverage(ctx)
		if err != nil {
			return nil, err
		}
		w.others = authoritiesOf(cov.Sources(evidence.CertDeclared, evidence.CertState))
	}
	return w.others, nil
}

// authoritiesOf returns the last parts of the names of sources, each once; it
// is never nil.
func authoritiesOf(sources []evidence.SourceID) []string {
	as := []string{}
	for _, s := range sources {
		if a := last(string(s), "/"); !slices.Contains(as, a) {
			as = append(as, a)
		}
	}
	return as
}

// reached is one node as a walk in one direction reached it.
type reached struct {
	end
	spans spans
	steps int
}

// arrival tells two ways to come to a node apart: from a thing that bears the
// same name the walk must go on by another link.
type arrival struct {
	id   string
	same bool
}

// run walks in one direction and returns what it reached, the start included,
// in the order of the walk.
func (w *walker) run(ctx context.Context, start end, forward bool) (map[string]*reached, error) {
	type stop struct {
		end
		spans spans
		steps int
	}
	at := map[arrival]*stop{}
	queue := []arrival{{start.id, false}}
	at[queue[0]] = &stop{start, w.b.hold, 0}
	out := map[string]*reached{start.id: {start, w.b.hold, 0}}
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k := queue[0]
		queue = queue[1:]
		from := at[k]
		v, err := w.visit(ctx, from.end)
		if err != nil {
			return nil, err
		}
		if forward {
			if err := w.contained(ctx, v); err != nil {
				return nil, err
			}
		}
		for _, l := range v.links {
			to, ok := l.other(k.id, forward)
			if !ok || k.same && l.step == StepSame {
				continue
			}
			held := from.spans.and(l.spans)
			if len(held) == 0 {
				continue
			}
			next := arrival{to.id, l.step == StepSame}
			steps := from.steps + 1
			if l.step == StepSame {
				steps = from.steps
			}
			o := at[next]
			if o == nil {
				if len(out) >= w.opt.MaxNodes && out[to.id] == nil {
					w.full = true
					continue
				}
				o = &stop{end: to, steps: steps}
				at[next] = o
			} else if o.spans.has(held) {
				continue
			}
			o.spans = o.spans.or(held)
			queue = append(queue, next)
			if n := out[to.id]; n == nil {
				out[to.id] = &reached{to, o.spans, o.steps}
			} else {
				n.spans, n.steps = n.spans.or(held), min(n.steps, steps)
			}
		}
	}
	return out, nil
}

// other returns the far end of a link when it may be walked from the node.
func (l *link) other(id string, forward bool) (end, bool) {
	switch {
	case l.step == StepSame && l.from.id == id, forward && l.from.id == id:
		return l.to, true
	case l.step == StepSame && l.to.id == id, !forward && l.to.id == id:
		return l.from, true
	}
	return end{}, false
}
