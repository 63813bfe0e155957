package remedy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// Told is a plan as answers tell it.
type Told struct {
	Name     string   `json:"name"`
	State    State    `json:"state"`
	Outcome  Ending   `json:"outcome,omitempty"` // of one that is closed
	Overdue  bool     `json:"overdue,omitempty"`
	Days     int      `json:"days_after_due"` // of its end, else of now; not positive: days before
	Due      string   `json:"due"`
	FirstDue string   `json:"first_due"`
	Moved    int      `json:"due_moved,omitempty"` // how often
	Tests    []string `json:"tests"`
	Failing  int      `json:"items_failing"`
	Of       int      `json:"items"`
	Owner    string   `json:"owner"`
	// Person says that the owner is a person and no role or team; Token is theirs.
	Person bool        `json:"owner_is_person,omitempty"`
	Token  evidence.ID `json:"owner_token,omitzero"`
	Cause  string      `json:"cause"`
	Detail string      `json:"cause_detail,omitempty"`
	Remedy string      `json:"remedy,omitempty"`
	Ticket string      `json:"ticket,omitempty"`
	Lost   string      `json:"words_lost,omitempty"`
	Done   time.Time   `json:"said_done,omitzero"`
	Ended  time.Time   `json:"ended,omitzero"` // closed or withdrawn
	Reason string      `json:"reason,omitempty"`
	By     string      `json:"said_by,omitempty"`
	Said   time.Time   `json:"said"`
	Seq    uint64      `json:"record"`
	Items  []Item      `json:"items_by_record,omitempty"`
	Past   []Revision  `json:"history,omitempty"`
}

// Tell tells the plan as it stands at an instant, without its items and its
// history.
func (p *Plan) Tell(at time.Time) Told {
	t := Told{
		Name: p.Name, State: p.State, Overdue: p.Overdue(at), Days: p.Days(at), Due: p.Due, FirstDue: p.FirstDue, Moved: p.Moved(),
		Failing: p.Failing(), Of: len(p.Items) + p.cut(""), Owner: p.OwnerName, Person: p.RemedyFacts.Owner >= 0, Token: p.OwnerIs,
		Cause: p.Cause, Detail: p.Detail, Remedy: p.Remedy, Ticket: p.Ticket, Lost: p.Lost, Done: p.DoneSince, Ended: p.Ended,
		Reason: p.Reason, By: p.MakerName, Said: p.Said, Seq: p.Seq,
	}
	for _, f := range p.For {
		t.Tests = append(t.Tests, f.Test)
	}
	switch p.State {
	case Closed:
		t.Outcome, t.Days = p.Outcome(), p.Days(p.Ended)
	case Withdrawn:
		t.Reason, t.Days = p.EndWhy, p.Days(p.Ended)
	}
	if t.Owner == "" {
		t.Owner = "unknown" // the words that named a role or a team are lost
	}
	return t
}

// TellAll tells everything about the plan.
func (p *Plan) TellAll(at time.Time) Told {
	t := p.Tell(at)
	t.Items, t.Past = p.Items, p.Revisions
	return t
}

// Stands says in a few words how the plan stands.
func (t *Told) Stands() string {
	switch {
	case t.State == Closed && t.Ended.IsZero():
		return "closed"
	case t.State == Closed:
		return fmt.Sprintf("%s %s, %s", t.Outcome, t.Ended.Format("2 Jan 2006"), t.Lateness())
	case t.State == Withdrawn:
		return "withdrawn " + t.Ended.Format("2 Jan 2006")
	case t.State == Superseded:
		return "superseded"
	}
	s := t.Lateness()
	if t.State == SaidDone {
		s = "said done " + t.Done.Format("2 Jan 2006") + ", still failing, " + s
	}
	return s
}

// Short says it in a word or two.
func (t *Told) Short() string {
	if !t.State.Live() {
		return string(t.State)
	}
	if t.State == SaidDone {
		return "said done, " + t.Lateness()
	}
	return t.Lateness()
}

// DueDay gives the day as people write it: "30 Nov 2026".
func (t *Told) DueDay() string { return Day(t.Due) }

// Day gives a day of a record, such as 2026-11-30, as people write it.
func Day(text string) string {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return text
	}
	return t.Format("2 Jan 2006")
}

// Lateness counts days from the one that was given.
func (t *Told) Lateness() string {
	live := t.State.Live()
	switch n := t.Days; {
	case n > 0 && live:
		return "overdue by " + days(n)
	case n > 0:
		return days(n) + " after due"
	case n < 0 && live:
		return "due in " + days(-n)
	case n < 0:
		return days(-n) + " before due"
	case live:
		return "due today"
	}
	return "on the day due"
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// Failing is a finding as plans look at it.
type Failing struct {
	Test   string
	Status evidence.Status
	Failed []uint64 // records of the items that failed
	Cut    int      // items that failed beyond those
}

// Owes reports whether somebody must act on a finding of the status.
func Owes(s evidence.Status) bool {
	return s == evidence.NotSatisfied || s == evidence.Gap || s == evidence.Stale
}

// Beside is what is planned for a finding. It never changes its status.
type Beside struct {
	Plans   []Owed `json:"plans,omitempty"` // what is overdue first, then by day
	Without int    `json:"without_plan"`    // items that failed and that no plan is for
	Of      int    `json:"of"`              // items that failed; 1 of a finding that found nothing, or nothing new
}

// Owed is a plan with what of the finding it is for.
type Owed struct {
	Told
	Records []uint64 `json:"for_records,omitempty"` // none: the finding itself
}

// Beside says what is planned for a finding; nil for one that nobody must act
// on, and of a nil book. A plan that closed by the recorded findings is told too
// where another judgement still names its items.
func (b *Book) Beside(f Failing) *Beside {
	if b == nil || !Owes(f.Status) {
		return nil
	}
	out := &Beside{Of: len(f.Failed) + f.Cut}
	if len(f.Failed) == 0 {
		out.Of = 1
	}
	unnamed := 0
	out.Without = out.Of
	for _, s := range b.Shares(f) {
		out.Plans = append(out.Plans, Owed{s.Tell(b.At), s.Records})
		out.Without -= max(1, len(s.Records))
		unnamed += s.cut(f.Test)
	}
	out.Without -= min(unnamed, f.Cut)
	slices.SortStableFunc(out.Plans, func(x, y Owed) int { return ByNeed(&x.Told, &y.Told) })
	return out
}

// sharing indexes the plans that were not withdrawn.
func (b *Book) sharing() *Shares {
	if b.shares == nil {
		var covering []Covering
		for _, p := range b.All {
			if p.State != Withdrawn {
				b.live, covering = append(b.live, p), append(covering, Covering{p.Seq, p.For})
			}
		}
		b.shares = NewShares(covering)
	}
	return b.shares
}

// Shares says which plans answer for what of a finding's failures.
func (b *Book) Shares(f Failing) (out []PlanShare) {
	if !Owes(f.Status) {
		return nil
	}
	for _, s := range b.sharing().Of(f.Test, f.Failed) {
		out = append(out, PlanShare{b.live[s.Plan], s.Records})
	}
	return out
}

// PlanShare is a plan and what of a finding it answers for.
type PlanShare struct {
	*Plan
	Records []uint64 // none: the finding itself
}

// ByNeed puts first what is overdue, then what is due first, then what is over.
func ByNeed(x, y *Told) int {
	return cmp.Or(over(x)-over(y), cmp.Compare(x.Due, y.Due), cmp.Compare(x.Name, y.Name))
}

// over is 1 for a plan that nobody has to carry out any more.
func over(t *Told) int {
	if t.State.Live() {
		return 0
	}
	return 1
}

// Tell tells the plans, those first that need somebody most.
func (b *Book) Tell() []Told {
	out := []Told{}
	for _, p := range b.All {
		out = append(out, p.Tell(b.At))
	}
	slices.SortStableFunc(out, func(x, y Told) int { return ByNeed(&x, &y) })
	return out
}

// OfFacts is a recorded finding.
func OfFacts(f *evidence.FindingFacts) Failing {
	return Failing{f.Test, f.Status, f.Failed, f.FailedCut}
}

// OfFinding is a finding of an assessment.
func OfFinding(f *evidence.Finding) Failing {
	x := Failing{Test: f.Test, Status: f.Status}
	for _, it := range f.Failed {
		x.Failed = append(x.Failed, it.Seq)
	}
	slices.Sort(x.Failed)
	x.Failed = slices.Compact(x.Failed)
	return x
}
