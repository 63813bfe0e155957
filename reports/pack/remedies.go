package pack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/remedy"
)

// Remedy is a plan for some of what failed, as its newest record says it when the
// pack was made. It changes no status. Who answers for it and what is done stand
// in the record.
type Remedy struct {
	Record   uint64    `json:"record"`
	Items    []uint64  `json:"items,omitempty"` // records of failed items it is for; none: that nothing was found, or nothing new enough
	Cause    string    `json:"cause"`
	Due      string    `json:"due"`
	FirstDue string    `json:"first_due"`
	Late     time.Time `json:"late_from"`
	Done     bool      `json:"said_done,omitempty"`
	// Closed is when the last of its items failed no longer by the recorded
	// verdicts; zero while one does.
	Closed time.Time `json:"closed,omitzero"`
}

// plan is the newest remedy.plan record of a subject whose content the pack
// discloses.
type plan struct {
	seq    uint64
	ended  bool // withdrawn
	facts  remedyFacts
	weight int
}

// plans are the plans in the pack, and the verdicts they are held against.
type plans struct {
	newest   map[evidence.Ref]plan
	verdicts map[evidence.Ref]verdict // by finding

	// Made of these when all are known.
	live    []plan // that were not withdrawn, the oldest record first
	shares  *remedy.Shares
	failing map[failure]bool  // by the newest verdicts
	open    map[uint64]string // of plans that were asked for: what still fails; "": nothing
	counted map[string]bool   // tests whose failures are counted
}

// verdict is what the newest finding.state record of a finding says, as far as a
// verifier reads it.
type verdict struct {
	seq     uint64
	Control evidence.ControlID `json:"control"`
	Test    string             `json:"test"`
	Rule    evidence.Hash      `json:"rule"`
	Failed  []uint64           `json:"failed"`
	Status  evidence.Status    `json:"status"`

	Uncovered []struct {
		Kind evidence.Kind `json:"kind"`
	} `json:"uncovered"`

	weight int
}

// failure is an item that fails a test; with record 0, which is a log's genesis
// and no item, that the test found nothing or nothing new enough.
type failure struct {
	test   string
	record uint64
}

func newPlans() plans {
	return plans{
		newest: map[evidence.Ref]plan{}, verdicts: map[evidence.Ref]verdict{}, failing: map[failure]bool{}, open: map[uint64]string{}, counted: map[string]bool{},
	}
}

// read keeps what a plan says, when it is the newest of its subject.
// The weight is what it is more than the one before.
func (p *plans) read(lf *chain.Leaf, plain []byte) (weight int, err error) {
	c, err := openContent(plain)
	if err != nil {
		return 0, err
	}
	x := plan{seq: lf.Seq, ended: lf.Op == evidence.OpEnd, weight: c.weight}
	if !x.ended {
		if err := c.read(&x.facts); err != nil {
			return 0, err
		}
	}
	was := p.newest[c.Subject]
	p.newest[c.Subject] = x
	return x.weight - was.weight, nil
}

// readVerdict keeps what a finding says, when it is the newest of its subject.
// The weight is what it is more than the one before.
func (p *plans) readVerdict(lf *chain.Leaf, plain []byte) (weight int, err error) {
	c, err := openContent(plain)
	if err != nil {
		return 0, err
	}
	v := verdict{seq: lf.Seq, weight: c.weight}
	if err := c.read(&v); err != nil {
		return 0, err
	}
	was := p.verdicts[c.Subject]
	p.verdicts[c.Subject] = v
	return v.weight - was.weight, nil
}

// settle indexes what was learned, once.
func (p *plans) settle() {
	if p.shares != nil {
		return
	}
	for _, x := range p.newest {
		if !x.ended {
			p.live = append(p.live, x)
		}
	}
	slices.SortFunc(p.live, func(a, b plan) int { return cmp.Compare(a.seq, b.seq) })
	covering := make([]remedy.Covering, len(p.live))
	for i, x := range p.live {
		covering[i].Seq = x.seq
		for _, f := range x.facts.For {
			covering[i].For = append(covering[i].For, evidence.RemedyFor{Test: f.Test, Records: f.Records})
		}
	}
	p.shares = remedy.NewShares(covering)
	for ref, v := range p.verdicts {
		_, test, _ := strings.Cut(ref.Name, "/")
		for _, seq := range v.Failed {
			p.failing[failure{test, seq}] = true
		}
		if v.Status == evidence.Gap || v.Status == evidence.Stale {
			p.failing[failure{test: test}] = true
		}
	}
}

// owed works out again what is planned for a finding, but for when it closed.
func (p *plans) owed(f *Finding) []Remedy {
	p.settle()
	if !remedy.Owes(f.Status) {
		return nil
	}
	var out []Remedy
	for _, s := range p.shares.Of(f.Test, remedy.OfFinding(&f.Finding).Failed) {
		x := p.live[s.Plan]
		out = append(out, Remedy{
			Record: x.seq, Items: s.Records, Cause: x.facts.Cause, Due: x.facts.Due, FirstDue: x.facts.FirstDue, Late: x.facts.Late, Done: x.facts.Done,
		})
	}
	return out
}

// fails says what of a live plan fails by a newest verdict; "" for nothing.
func (p *plans) fails(record uint64) string {
	if what, known := p.open[record]; known {
		return what
	}
	what := ""
	i, _ := slices.BinarySearchFunc(p.live, record, func(x plan, seq uint64) int { return cmp.Compare(x.seq, seq) })
	for _, f := range p.live[i].facts.For {
		if len(f.Records) == 0 && p.failing[failure{test: f.Test}] {
			what = "what " + f.Test + " looks for"
		}
		for _, seq := range f.Records {
			if p.failing[failure{f.Test, seq}] {
				what = fmt.Sprintf("record %d", seq)
			}
		}
	}
	p.open[record] = what
	return what
}

// RemedyOf says what findings.json tells of a plan with a share of a finding.
func RemedyOf(p *remedy.Plan, records []uint64) Remedy {
	x := Remedy{Record: p.Seq, Items: records, Cause: p.Cause, Due: p.Due, FirstDue: p.FirstDue, Late: p.Late, Done: p.Done}
	if p.State == remedy.Closed {
		x.Closed = p.Ended
	}
	return x
}

// remedies holds what a finding says of remedies against their records: every
// plan in the pack that is for some of its failures stands there, as its newest
// record says it, and no other. A plan that is called closed must have no item
// that the newest recorded verdicts in the pack name as failed. Plans from
// before the range are there as far as the maker put them in.
func (v *verifier) remedies(f *Finding) error {
	want := v.plans.owed(f)
	if len(want) != len(f.Remedies) {
		return fmt.Errorf("finding %s names %d remedies, its records give %d", f.name(), len(f.Remedies), len(want))
	}
	for i, x := range f.Remedies {
		w := want[i]
		if x.Record != w.Record || !slices.Equal(x.Items, w.Items) || x.Cause != w.Cause || x.Due != w.Due || x.FirstDue != w.FirstDue || !x.Late.Equal(w.Late) || x.Done != w.Done {
			return fmt.Errorf("finding %s: the remedy of record %d is not what it says", f.name(), x.Record)
		}
		if x.Closed.IsZero() {
			continue
		}
		if x.Closed.After(v.m.Made) {
			return fmt.Errorf("finding %s: the remedy of record %d is closed at %s, after the pack was made", f.name(), x.Record, evidence.FormatTime(x.Closed))
		}
		if what := v.plans.fails(x.Record); what != "" {
			return fmt.Errorf("finding %s: the remedy of record %d is called closed, and %s still fails by the newest verdict", f.name(), x.Record, what)
		}
	}
	v.countRemedies(f)
	return nil
}

// RemedyCount counts what is planned for what failed. Controls that share a test
// share its failures: each counts once.
type RemedyCount struct {
	Failed  int      `json:"failed_items"`
	Without int      `json:"without_plan"`
	Plans   []uint64 `json:"plans"` // their records
	Overdue []uint64 `json:"overdue,omitempty"`
	Closed  []uint64 `json:"closed,omitempty"`
}

func (v *verifier) countRemedies(f *Finding) {
	if !remedy.Owes(f.Status) || v.plans.counted[f.Test] {
		return
	}
	v.plans.counted[f.Test] = true
	if v.rep.Remedies == nil {
		v.rep.Remedies = &RemedyCount{Plans: []uint64{}}
	}
	c := v.rep.Remedies
	failed := max(1, len(remedy.OfFinding(&f.Finding).Failed))
	c.Failed += failed
	c.Without += failed
	for _, x := range f.Remedies {
		c.Without -= max(1, len(x.Items))
		c.Plans = append(c.Plans, x.Record)
		switch {
		case !x.Closed.IsZero():
			c.Closed = append(c.Closed, x.Record)
		case !v.m.Made.Before(x.Late):
			c.Overdue = append(c.Overdue, x.Record)
		}
	}
}

// inOrder sorts the lists, each record once.
func (c *RemedyCount) inOrder() {
	for _, list := range []*[]uint64{&c.Plans, &c.Overdue, &c.Closed} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}
