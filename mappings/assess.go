package mappings

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

// Input is what an assessment stands on.
type Input struct {
	Reader  evidence.Reader // one tenant's log
	Catalog *Catalog
	Period  evidence.Period // what is judged; its end may lie ahead
	Now     time.Time       // the time of judging; zero: some time after the period

	// Configured says which sources are configured to give each kind, for this
	// tenant. Nil: sources are known by their coverage alone.
	Configured map[evidence.Kind][]evidence.SourceID
	// Collectable are the kinds that some collector of the program makes. Nil:
	// every kind that collectors make, see [evidence.Kinds].
	Collectable map[evidence.Kind]bool
	// Scope are the statements that a control does not apply to the tenant.
	Scope []ScopeStatement
	// Tenancy is what the tenant is: controls for others are left out. Nil:
	// every control applies. Controls asked for by name always do.
	Tenancy *evidence.Tenancy
	// Entities are the sorts of entities that the tenant, and the platform that
	// serves it, are. Controls that bind others are not applicable; nil: not
	// known, so that every control is judged. Controls asked for by name are.
	Entities []string
	// Controls limits the assessment to these; empty: all.
	Controls []evidence.ControlID

	// Days are the days off that limits of incidents are moved by. Nil: those of
	// [deadline.Builtin].
	Days *deadline.Calendars

	// Rolling is for judging again and again while the period's end moves with
	// the clock: windows begin with a UTC day, and no test looks further back
	// than to when all its sources had been looked at.
	Rolling bool
	// Ahead is what was seen and is not in the log yet: a daemon tells it with
	// the day's coverage.
	Ahead []evidence.Span

	// Budget is the time the rules of one test may take over the whole
	// population; what is left then is undetermined. Zero: a minute.
	Budget time.Duration
	// Clock measures the budget. Nil: time.Now.
	Clock func() time.Time
}

// ScopeStatement is the dated, approved word of a person that a control does
// not apply. It acts from its date on, until it expires.
type ScopeStatement struct {
	Control    evidence.ControlID
	From       time.Time
	Until      time.Time // zero: no end
	By         string    // who made it: a token or account id
	ApprovedBy string    // another person
	Why        string
	Seq        uint64 // the record that holds it
}

// covers reports whether the statement is approved and in force over p.
func (s *ScopeStatement) covers(id evidence.ControlID, p evidence.Period) bool {
	return s.approved(id) && !s.From.After(p.From) && (s.Until.IsZero() || !s.Until.Before(p.To))
}

// stands reports whether the statement is approved and in force at an instant.
func (s *ScopeStatement) stands(id evidence.ControlID, at time.Time) bool {
	return s.approved(id) && !s.From.After(at) && (s.Until.IsZero() || s.Until.After(at))
}

func (s *ScopeStatement) approved(id evidence.ControlID) bool {
	return s.Control == id && s.By != "" && s.ApprovedBy != "" && s.ApprovedBy != s.By && !s.From.IsZero()
}

// ControlResult is the verdict of one control: the worst of its tests.
type ControlResult struct {
	Control  *Control
	Status   evidence.Status
	Reason   evidence.Reason
	Why      string // one sentence
	Findings []int  // indices into the findings

	silent []int // those of them that say nothing beside others
}

// Assess judges a tenant's log over a period: one finding for every test of
// every control, in the catalog's order, and one result for every control. The
// same input gives the same findings.
//
// An error means that the log could not be read or the context ended; then
// there are no findings at all. Rules that fail are no error: their items are
// undetermined.
func Assess(ctx context.Context, in Input) ([]evidence.Finding, []ControlResult, error) {
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	controls, err := in.controls()
	if err != nil {
		return nil, nil, err
	}
	a := newAssessment(in)
	if err := a.load(ctx, controls); err != nil {
		return nil, nil, fmt.Errorf("assess %s: %w", in.Reader.Tenant(), err)
	}
	for _, g := range a.groups(controls) {
		if err := a.view(ctx, g); err != nil {
			return nil, nil, fmt.Errorf("assess %s: view %s: %w", in.Reader.Tenant(), g.view.Name, err)
		}
	}
	findings, results := a.conclude(controls)
	return findings, results, nil
}

// conclude makes the findings of what every test counted.
func (a *assessment) conclude(controls []*Control) ([]evidence.Finding, []ControlResult) {
	var findings []evidence.Finding
	var results []ControlResult
	for _, c := range controls {
		res := ControlResult{Control: c}
		for _, ref := range c.Tests {
			res.Findings = append(res.Findings, len(findings))
			if a.in.binds(c) {
				f := a.finding(c, ref)
				if a.silent(ref.Test, &f) {
					res.silent = append(res.silent, len(findings))
				}
				findings = append(findings, f)
			} else {
				findings = append(findings, a.unbound(c, ref))
			}
		}
		res.judge(findings)
		if !a.in.binds(c) {
			res.Status, res.Reason, res.Why = evidence.NotApplicable, evidence.ReasonEntity, a.whyUnbound(c)
		}
		results = append(results, res)
	}
	return findings, results
}

func (in *Input) check() error {
	switch {
	case in.Reader == nil || in.Catalog == nil:
		return problem.New(problem.Internal, "assessment without a log or a catalog")
	case in.Period.IsZero() || !in.Period.From.Before(in.Period.To):
		return problem.New(problem.Usage, "the period %s is empty or upside down", in.Period).
			WithHint("give --from before --to")
	case !in.Now.IsZero() && !in.Period.From.Before(in.Now):
		return problem.New(problem.Usage, "the period %s has not begun at %s", in.Period, evidence.FormatTime(in.Now)).
			WithHint("choose a period that has begun")
	}
	in.Period = evidence.Period{From: in.Period.From.UTC(), To: in.Period.To.UTC()}
	if in.Budget <= 0 {
		in.Budget = time.Minute
	}
	if in.Clock == nil {
		in.Clock = time.Now
	}
	if in.Collectable == nil {
		in.Collectable = map[evidence.Kind]bool{}
		for _, k := range evidence.Kinds() {
			in.Collectable[k.Kind] = !k.Own
		}
	}
	return nil
}

func (in *Input) controls() ([]*Control, error) {
	var cs []*Control
	for _, c := range in.Catalog.controls {
		asked := slices.Contains(in.Controls, c.ID)
		if len(in.Controls) == 0 {
			asked = c.applicability().Out(in.Tenancy) == ""
		}
		if asked && c.StandsOver(in.Period) {
			cs = append(cs, c)
		}
	}
	for _, id := range in.Controls {
		if _, err := in.Catalog.Named(string(id)); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

// assessment is one run of Assess.
type assessment struct {
	in     Input
	cover  *coverage
	people *people
	runs   map[*Test]*run
	sights map[*Test]*sight
	scenes map[evidence.Period]*scene
	over   map[evidence.Period][]*view
	joins  joins
	book   notebook
	light  bool // of items their records are kept at most
	turns  turns
}

func newAssessment(in Input) *assessment {
	a := &assessment{in: in, runs: map[*Test]*run{}, sights: map[*Test]*sight{}, scenes: map[evidence.Period]*scene{}, over: map[evidence.Period][]*view{}}
	a.in.Reader = watched{in.Reader, &a.book}
	a.people = newPeople(a.in.Reader)
	a.people.book = &a.book
	return a
}

// judged returns what of the period a test looks at.
func (a *assessment) judged(t *Test) evidence.Period {
	p := a.in.judged(t)
	if began := a.cover.began(t.needs, t.Least); a.in.Rolling && began.After(p.From) && began.Before(p.To) {
		p.From = began
	}
	return p
}

// judged returns what of the period a test looks at: up to now, and of a test
// with a window the last part only.
func (in *Input) judged(t *Test) evidence.Period {
	p := in.Period
	if in.running() {
		p.To = in.Now.UTC()
	}
	if t.Window > 0 {
		end := p.To
		if in.Rolling {
			end = end.Truncate(24 * time.Hour)
		}
		p.From = end.Add(-t.Window)
	}
	return p
}

// running reports whether the period is not over yet.
func (in *Input) running() bool { return !in.Now.IsZero() && !in.Period.To.Before(in.Now) }

// load reads the coverage of everything the tests look at.
func (a *assessment) load(ctx context.Context, controls []*Control) error {
	all := evidence.Period{}
	for _, c := range controls {
		for _, ref := range c.Tests {
			p := a.in.judged(ref.Test)
			if all.IsZero() {
				all = p
			}
			all.From = earlier(all.From, p.From)
		}
	}
	if all.IsZero() {
		all = a.in.Period
	}
	ever, err := evidence.LoadCoverage(ctx, a.in.Reader, evidence.Period{})
	if err != nil {
		return err
	}
	cov := ever.Within(all)
	cov.Add(a.in.Ahead...)
	a.cover = &coverage{all: cov, ever: ever, configured: a.in.Configured, book: &a.book, ahead: a.in.Ahead}
	if a.in.Rolling {
		a.cover.end = a.in.Now.UTC()
		a.cover.beyond = cov.Latest.After(a.cover.end)
		a.cover.looked = a.cover.lookedAt()
	}
	if a.cover.own, err = ownSpan(ctx, a.in.Reader, cov.Retired); err != nil {
		return err
	}
	if now := a.in.Now; a.in.Rolling && !a.cover.own.IsZero() && now.After(a.cover.own.To) {
		// Who judges as the clock goes on is there to write things down. Else a
		// verdict about an idle log would change by being recorded.
		a.cover.own.To = now.UTC()
	}
	return a.people.load(ctx)
}

// group is the tests that share a view over the same period.
type group struct {
	view   *view
	period evidence.Period
	tests  []*Test
	notes  notes // what the view was built from
	items  int
}

// groups gathers the tests of the controls, each once, by view and period.
func (a *assessment) groups(controls []*Control) []*group {
	var gs []*group
	for _, c := range controls {
		if !a.in.binds(c) {
			continue
		}
		for _, ref := range c.Tests {
			t := ref.Test
			if a.runs[t] != nil {
				continue
			}
			p := a.judged(t)
			a.runs[t] = &run{test: t, period: p, light: a.light}
			i := slices.IndexFunc(gs, func(g *group) bool { return g.view == t.view && g.period == p })
			if i < 0 {
				i, gs = len(gs), append(gs, &group{view: t.view, period: p})
				a.over[p] = append(a.over[p], t.view)
			}
			gs[i].tests = append(gs[i].tests, t)
		}
	}
	return gs
}

// view builds a view once and puts every item before each of its tests.
func (a *assessment) view(ctx context.Context, g *group) error {
	s := a.scenes[g.period]
	if s == nil {
		s = &scene{reader: a.in.Reader, period: g.period, cover: a.cover, people: a.people, book: &a.book, joins: &a.joins, together: a.over[g.period], days: a.in.Days}
		a.scenes[g.period] = s
	}
	defer a.book.into(&g.notes)()
	return g.view.build(ctx, s, func(it *item) error {
		g.items++
		vars := s.vars(it)
		for _, t := range g.tests {
			if err := a.runs[t].take(ctx, a, it, vars); err != nil {
				return err
			}
		}
		return nil
	})
}

// run gathers the verdicts of one test.
type run struct {
	test    *Test
	period  evidence.Period
	spent   time.Duration
	items   []evidence.Item
	failed  []evidence.Item
	unknown []evidence.Item
	light   bool // keeps of items what a tally has, and no more
	tally

	turns  turns // when what it says of an item may change
	looked turns // when it may, once somebody has looked again

	holes []evidence.Window // what was not seen and should have been, of the last finding
}

// tally is what a run counted. Of the items that failed or could not be decided
// a light run keeps the records alone, of mostItems each, and counts the others.
type tally struct {
	passed      int
	unobserved  int    // undetermined items that nobody saw well enough
	firstWhy    string // of the first item that could not be decided
	counted     int    // by a light run
	failedSeqs  seqList
	unknownSeqs seqList
	failedCut   int
	unknownCut  int
}

// mostItems is how many failed, and how many undetermined items a light run
// keeps the records of: the earliest.
const mostItems = 1000

func (r *run) population() int { return len(r.items) + r.counted }
func (r *run) nFailed() int    { return len(r.failed) + r.failedSeqs.n + r.failedCut }
func (r *run) nUnknown() int   { return len(r.unknown) + r.unknownSeqs.n + r.unknownCut }

// take decides one item. Only the end of the context is an error.
func (r *run) take(ctx context.Context, a *assessment, it *item, vars map[string]any) error {
	if err := ctx.Err(); err != nil || !it.concerns(r.test.filter, r.test.assert) {
		return err
	}
	in, ok, why, unobserved := true, false, "the time for this test was used up", false
	left := a.in.Budget - r.spent
	verdict := evidence.Unknown
	if left > 0 {
		begin := a.in.Clock()
		in, ok, why, unobserved = r.decide(it, vars)
		r.spent += a.in.Clock().Sub(begin)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(it.moving) > 0 {
		clock, looked := it.turns(r.period.To, r.test.filter, r.test.assert)
		r.turns.join(clock)
		r.looked.join(looked)
	}
	switch {
	case !in:
		return nil
	case ok && it.weak != "":
		why = it.weak
	case ok:
		verdict, why = evidence.Pass, ""
	case why == "":
		verdict = evidence.Fail
		if !r.light {
			why = r.test.assert.because(it)
		}
	}
	r.add(it, verdict, why, unobserved)
	return nil
}

// decide runs the population filter, then the assertion. A reason means that
// one of them could not be decided. The cost limit bounds how long that takes.
func (r *run) decide(it *item, vars map[string]any) (in, ok bool, why string, unobserved bool) {
	in, err := r.test.filter.eval(vars)
	if err != nil {
		why, unobserved = r.test.filter.explain(err, it)
		return true, false, "not known whether it counts: " + why, unobserved
	}
	if !in {
		return false, false, "", false
	}
	if ok, err = r.test.assert.eval(vars); err != nil {
		why, unobserved = r.test.assert.explain(err, it)
		return true, false, why, unobserved
	}
	return true, ok, "", false
}

func (r *run) add(it *item, v evidence.Verdict, why string, unobserved bool) {
	x := evidence.Item{Seq: it.seqs[0], Also: it.seqs[1:], Kind: it.kind, At: it.at.UTC(), Label: it.label, Why: why, Verdict: v}
	if x.Seq == 0 {
		x.Kind = evidence.LogGenesis // an item made of no record stands on the log itself
	}
	if len(x.Also) == 0 {
		x.Also = nil
	}
	if r.light {
		r.counted++
	} else {
		r.items = append(r.items, x)
	}
	switch {
	case v == evidence.Pass:
		r.passed++
		return
	case v == evidence.Unknown:
		if r.nUnknown() == 0 {
			r.firstWhy = why
		}
		if unobserved {
			r.unobserved++
		}
	}
	switch {
	case !r.light && v == evidence.Fail:
		r.failed = append(r.failed, x)
	case !r.light:
		r.unknown = append(r.unknown, x)
	case v == evidence.Fail:
		keepSeq(&r.failedSeqs, x.Seq, &r.failedCut)
	default:
		keepSeq(&r.unknownSeqs, x.Seq, &r.unknownCut)
	}
}

// clipped returns the tally with lists that take no more memory than they need.
func (t tally) clipped() tally {
	t.failedSeqs.rest, t.unknownSeqs.rest = bytes.Clone(t.failedSeqs.rest), bytes.Clone(t.unknownSeqs.rest)
	return t
}

func keepSeq(list *seqList, seq uint64, cut *int) {
	if list.n == mostItems {
		*cut++
		return
	}
	list.add(seq)
}
