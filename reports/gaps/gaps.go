// Package gaps says what needs somebody: the findings in force by the records
// of one or several tenants' logs that are not satisfied, by severity and age.
//
// It stands on finding.state records alone, so it costs little and can say
// since when. What has no collector is told apart and counted nowhere: nobody
// can do anything about it in this installation.
package gaps

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

// Report is the answer.
type Report struct {
	At      time.Time `json:"at"`
	Law     string    `json:"law,omitempty"`      // what was asked for
	Level   string    `json:"severity,omitempty"` // the least severity asked for
	Demo    bool      `json:"demonstration,omitempty"`
	Tenants []Tenant  `json:"tenants"`
	// Unanswered are the controls that no collector of this program can answer
	// yet. They are not counted.
	Unanswered []Unanswered `json:"unanswered,omitempty"`
}

// Tenant is one tenant's part.
type Tenant struct {
	Tenant evidence.Tenant `json:"tenant"`
	Origin string          `json:"origin"`
	Size   uint64          `json:"as_known_at_size"`
	Judged time.Time       `json:"judged,omitzero"` // zero: never
	Needs  []Gap           `json:"needs_someone"`
	Untold []Gap           `json:"cannot_be_told"`
	// Waived are controls of which every failure is accepted for a while. Their
	// status is what it is; they are not counted among those that need somebody.
	Waived []Gap `json:"waived,omitempty"`
	// Attested are controls on which a person's word is in force. No verdict
	// stands on it.
	Attested []Attested `json:"attested,omitempty"`
	// Preparing are open controls of laws that do not apply yet. They are not
	// counted.
	Preparing []Gap `json:"preparing,omitempty"`
	Good      int   `json:"supported"` // controls of which nothing is open
	// Outside are controls that do not apply to the tenant. They are not among
	// the supported ones.
	Outside int `json:"not_applicable"`
	// Unrecorded are controls on what people alone put on record, such as
	// incidents, of which nothing could be judged. They are not counted.
	Unrecorded int `json:"nothing_on_record,omitempty"`
	// NotUsed are tests of what not every platform has and no source shows. They
	// are not counted where other tests speak for their control.
	NotUsed []string `json:"not_used,omitempty"`
	// Owed is what is planned for what needs somebody.
	Owed Owed `json:"remedies"`
}

// Gap is a control with at least one finding that is not satisfied.
type Gap struct {
	Control  evidence.ControlID `json:"control"`
	Law      string             `json:"law"`
	Article  string             `json:"article"`
	Title    string             `json:"title"`
	Severity string             `json:"severity"`
	Status   evidence.Status    `json:"status"`
	Reason   evidence.Reason    `json:"reason,omitempty"`
	Since    time.Time          `json:"since"` // of the oldest finding of that status
	Why      string             `json:"why"`
	// Findings are those that are open, the worst first.
	Findings []Finding `json:"findings"`
}

// Finding is one that is open, with what somebody accepted of it and what is
// planned for it.
type Finding struct {
	mappings.Standing
	Waived   *statement.ToldWaived `json:"waived,omitempty"`
	Remedies *remedy.Beside        `json:"remedies,omitempty"`
}

// accepted reports whether nothing of the finding is left that needs somebody.
func (f *Finding) accepted() bool { return f.Waived != nil && f.Waived.Whole }

// Attested is a person's word on a control.
type Attested struct {
	Control      evidence.ControlID `json:"control"`
	Article      string             `json:"article"`
	Title        string             `json:"title"`
	Attestations []statement.Told   `json:"attestations"`
}

// Unanswered is a control without a collector.
type Unanswered struct {
	Control    evidence.ControlID `json:"control"`
	Article    string             `json:"article"`
	Title      string             `json:"title"`
	AnsweredBy string             `json:"answered_by"`
}

// Filter says what is asked for; zero values ask for all.
type Filter struct {
	Law      string // id of an act, or its name, in any case
	Severity string // this one and worse
}

func rank(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list)
}

func (f Filter) admits(c *mappings.Control) bool {
	law := f.Law == "" || c.Act.Is(f.Law)
	return law && (f.Severity == "" || rank(mappings.Severities, c.Severity) <= rank(mappings.Severities, f.Severity))
}

// Of fills a tenant's part from its findings in force, what people said beside,
// nil when nobody said anything, and what is planned. A finding of a control that
// the catalog does not have is left out: it is about to end.
func (x *Tenant) Of(cat *mappings.Catalog, f Filter, standing []mappings.Standing, said *statement.Beside, plans *remedy.Book) {
	byControl := map[evidence.ControlID][]mappings.Standing{}
	for _, s := range standing {
		byControl[s.Control] = append(byControl[s.Control], s)
	}
	for _, c := range cat.Controls() {
		if !f.admits(c) {
			continue
		}
		if said != nil && len(said.Attested[c.ID]) > 0 {
			x.Attested = append(x.Attested, Attested{c.ID, c.Reference(), c.Title, said.Attested[c.ID]})
		}
		if all, judged := byControl[c.ID]; judged {
			x.control(cat, c, x.used(c, all), said, plans)
		} else if len(standing) > 0 && c.OnlyTold() {
			x.Unrecorded++
		}
	}
	for _, list := range [][]Gap{x.Needs, x.Untold, x.Preparing, x.Waived} {
		slices.SortStableFunc(list, byNeed)
	}
	x.Owed, _ = remediesOf(x.Needs)
}

// used leaves out findings of tests of what no source shows, where there are
// others.
func (x *Tenant) used(c *mappings.Control, all []mappings.Standing) (used []mappings.Standing) {
	var not []string
	for _, s := range all {
		i := slices.IndexFunc(c.Tests, func(r mappings.TestRef) bool { return r.Test.ID == s.Test })
		if i >= 0 && c.Tests[i].Test.NotUsed(&s.FindingFacts) {
			not = append(not, s.Test)
			continue
		}
		used = append(used, s)
	}
	if len(used) == 0 {
		return all
	}
	x.NotUsed = append(x.NotUsed, not...)
	slices.Sort(x.NotUsed)
	x.NotUsed = slices.Compact(x.NotUsed)
	return used
}

// control sorts a control in. What is accepted stands apart from what needs
// somebody, and hides nothing that cannot be told.
func (x *Tenant) control(cat *mappings.Catalog, c *mappings.Control, all []mappings.Standing, said *statement.Beside, plans *remedy.Book) {
	var open, needs, waived, untold []Finding
	for _, s := range all {
		f := Finding{s, said.Of(s.Control, s.Test), plans.Beside(remedy.OfFacts(&s.FindingFacts))}
		if !mappings.Open(s.Status) {
			continue
		}
		open = append(open, f)
		switch {
		case reports.StatusGroup(s.Status) != reports.NeedsWork:
			untold = append(untold, f)
		case f.accepted():
			waived = append(waived, f)
		default:
			needs = append(needs, f)
		}
	}
	switch {
	case len(open) == 0 && !slices.ContainsFunc(all, func(s mappings.Standing) bool { return s.Status != evidence.NotApplicable }):
		x.Outside++
		return
	case len(open) == 0:
		x.Good++
		return
	case slices.ContainsFunc(open, func(f Finding) bool { return f.Preparing != "" }):
		x.Preparing = append(x.Preparing, gapOf(cat, c, open, open))
		return
	case len(needs) > 0:
		x.Needs = append(x.Needs, gapOf(cat, c, needs, open))
		return
	}
	if len(waived) > 0 {
		x.Waived = append(x.Waived, gapOf(cat, c, waived, open))
	}
	if len(untold) > 0 {
		x.Untold = append(x.Untold, gapOf(cat, c, untold, open))
	}
}

// byNeed puts the most severe and oldest first, and together what has one cause.
func byNeed(a, b Gap) int {
	return cmp.Or(cmp.Compare(rank(mappings.Severities, a.Severity), rank(mappings.Severities, b.Severity)), a.Since.Compare(b.Since), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Control, b.Control))
}

// gapOf sums up a control by the worst of some of its open findings: what
// somebody must act on goes before what cannot be told, and the worse before the
// less bad.
func gapOf(cat *mappings.Catalog, c *mappings.Control, by, open []Finding) Gap {
	order := func(a, b Finding) int {
		return cmp.Or(cmp.Compare(urgency(a.Status), urgency(b.Status)), a.Since.Compare(b.Since), cmp.Compare(a.Test, b.Test))
	}
	slices.SortStableFunc(by, order)
	slices.SortStableFunc(open, order)
	first := by[0]
	return Gap{
		Control: c.ID, Law: c.Act.Name, Article: c.Reference(), Title: c.Title, Severity: c.Severity,
		Status: first.Status, Reason: first.Reason, Since: first.Since, Why: Why(cat, first.Standing) + beside(first.Waived), Findings: open,
	}
}

// beside says what is accepted of a finding, and which waivers are not.
func beside(w *statement.ToldWaived) string {
	if w == nil {
		return ""
	}
	text := ""
	if !w.Whole && w.Items > 0 {
		text += fmt.Sprintf("; %d of %d waived", w.Items, w.Of)
	}
	for _, r := range w.Not {
		text += fmt.Sprintf("; waiver %s: %s", r.Name, r.Why)
	}
	return text
}

func urgency(s evidence.Status) int {
	return slices.Index([]evidence.Status{evidence.NotSatisfied, evidence.Gap, evidence.Stale, evidence.Undetermined, evidence.NotObserved}, s)
}

// Why says in a few words what is wrong, first what must stay when a table cuts
// it: how many failed, then what it is about, by the name of the test, and last
// in which records.
func Why(cat *mappings.Catalog, s mappings.Standing) string {
	about := s.Test
	if i := slices.IndexFunc(cat.Tests(), func(t *mappings.Test) bool { return t.ID == s.Test }); i >= 0 {
		about = strings.TrimSuffix(cat.Tests()[i].Title, ".")
	}
	switch failed, unknown := len(s.Failed)+s.FailedCut, len(s.Unknown)+s.UnknownCut; s.Status {
	case evidence.NotSatisfied:
		return fmt.Sprintf("%s of %s: %s%s", reports.Number(int64(failed)), reports.Number(int64(s.Population)), about, inRecords(s.Failed))
	case evidence.Undetermined:
		return fmt.Sprintf("%s of %s undecided: %s%s", reports.Number(int64(unknown)), reports.Number(int64(s.Population)), about, inRecords(s.Unknown))
	case evidence.Gap:
		return about + ": nothing found"
	case evidence.Stale:
		return about + ": not looked at since " + evidence.FormatTime(s.Newest.Truncate(time.Second))
	case evidence.NotObserved:
		switch {
		case len(s.Uncovered) > 0:
			return unseen(s) + " (" + about + ")"
		case unknown > 0:
			return fmt.Sprintf("%s of %s not seen in full: %s%s", reports.Number(int64(unknown)), reports.Number(int64(s.Population)), about, inRecords(s.Unknown))
		}
	}
	return about
}

// unseen says which source was not seen, and why, of the first window that is
// not covered.
func unseen(s mappings.Standing) string {
	w := s.Uncovered[0]
	return cmp.Or(string(w.Source), string(w.Kind)) + ": " + w.Cause
}

func inRecords(seqs []uint64) string {
	switch len(seqs) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" (record %d)", seqs[0])
	}
	return " (records " + reports.Seqs(seqs, 3) + ")"
}

// UnansweredBy lists the controls that no collector can answer: those without a
// test, and those whose tests all need a kind that nothing collects.
func UnansweredBy(cat *mappings.Catalog, f Filter, collectable func(evidence.Kind) bool) []Unanswered {
	var out []Unanswered
	for _, c := range cat.Controls() {
		if !f.admits(c) {
			continue
		}
		by := c.AnsweredBy
		for _, ref := range c.Tests {
			i := slices.IndexFunc(ref.Test.Needs(), func(k evidence.Kind) bool { return !collectable(k) })
			if i < 0 {
				by = ""
				break
			}
			by = "a source of " + string(ref.Test.Needs()[i])
		}
		if by != "" {
			out = append(out, Unanswered{c.ID, c.Reference(), c.Title, by})
		}
	}
	return out
}
