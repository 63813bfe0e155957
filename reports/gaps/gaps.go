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
	"evidenced/mappings"
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
	// Preparing are open controls of laws that do not apply yet. They are not
	// counted.
	Preparing []Gap `json:"preparing,omitempty"`
	Good      int   `json:"supported"` // controls of which nothing is open
	// Outside are controls that do not apply to the tenant. They are not among
	// the supported ones.
	Outside int `json:"not_applicable"`
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
	Findings []mappings.Standing `json:"findings"`
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

var severities = []string{"high", "medium", "low"}

func rank(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list)
}

func (f Filter) admits(c *mappings.Control) bool {
	law := f.Law == "" || strings.EqualFold(f.Law, c.Act.ID) || strings.EqualFold(f.Law, c.Act.Name)
	return law && (f.Severity == "" || rank(severities, c.Severity) <= rank(severities, f.Severity))
}

// Of fills a tenant's part from its findings in force. A finding of a control
// that the catalog does not have is left out: it is about to end.
func (x *Tenant) Of(cat *mappings.Catalog, f Filter, standing []mappings.Standing) {
	byControl := map[evidence.ControlID][]mappings.Standing{}
	for _, s := range standing {
		byControl[s.Control] = append(byControl[s.Control], s)
	}
	for _, c := range cat.Controls() {
		all, judged := byControl[c.ID]
		if !judged || !f.admits(c) {
			continue
		}
		g, open := gapOf(cat, c, all)
		switch {
		case !open && !slices.ContainsFunc(all, func(s mappings.Standing) bool { return s.Status != evidence.NotApplicable }):
			x.Outside++
		case !open:
			x.Good++
		case g.Findings[0].Preparing != "":
			x.Preparing = append(x.Preparing, g)
		case reports.StatusGroup(g.Status) == reports.NeedsWork:
			x.Needs = append(x.Needs, g)
		default:
			x.Untold = append(x.Untold, g)
		}
	}
	for _, list := range [][]Gap{x.Needs, x.Untold, x.Preparing} {
		slices.SortStableFunc(list, byNeed)
	}
}

func byNeed(a, b Gap) int {
	return cmp.Or(cmp.Compare(rank(severities, a.Severity), rank(severities, b.Severity)), a.Since.Compare(b.Since), cmp.Compare(a.Control, b.Control))
}

// gapOf sums up a control: what somebody must act on goes before what cannot be
// told, and the worse before the less bad.
func gapOf(cat *mappings.Catalog, c *mappings.Control, all []mappings.Standing) (Gap, bool) {
	g := Gap{Control: c.ID, Law: c.Act.Name, Article: c.Reference(), Title: c.Title, Severity: c.Severity}
	for _, s := range all {
		if mappings.Open(s.Status) {
			g.Findings = append(g.Findings, s)
		}
	}
	if len(g.Findings) == 0 {
		return g, false
	}
	slices.SortStableFunc(g.Findings, func(a, b mappings.Standing) int {
		return cmp.Or(cmp.Compare(urgency(a.Status), urgency(b.Status)), a.Since.Compare(b.Since), cmp.Compare(a.Test, b.Test))
	})
	first := g.Findings[0]
	g.Status, g.Reason, g.Since, g.Why = first.Status, first.Reason, first.Since, Why(cat, first)
	return g, true
}

func urgency(s evidence.Status) int {
	return slices.Index([]evidence.Status{evidence.NotSatisfied, evidence.Gap, evidence.Stale, evidence.Undetermined, evidence.NotObserved}, s)
}

// Why says in a few words what is wrong, what counts first: how many failed
// and in which records, then what it is about, by the name of the test.
func Why(cat *mappings.Catalog, s mappings.Standing) string {
	about := s.Test
	if i := slices.IndexFunc(cat.Tests(), func(t *mappings.Test) bool { return t.ID == s.Test }); i >= 0 {
		about = strings.TrimSuffix(cat.Tests()[i].Title, ".")
	}
	switch failed, unknown := len(s.Failed)+s.FailedCut, len(s.Unknown)+s.UnknownCut; s.Status {
	case evidence.NotSatisfied:
		return fmt.Sprintf("%d of %s%s: %s", failed, reports.Count(s.Population, "item"), inRecords(s.Failed), about)
	case evidence.Undetermined:
		return fmt.Sprintf("%d of %s undecided%s: %s", unknown, reports.Count(s.Population, "item"), inRecords(s.Unknown), about)
	case evidence.Gap:
		return "nothing found: " + about
	case evidence.Stale:
		return "not looked at since " + evidence.FormatTime(s.Newest.Truncate(time.Second)) + ": " + about
	case evidence.NotObserved:
		if len(s.Uncovered) == 0 {
			return about
		}
		w := s.Uncovered[0]
		return fmt.Sprintf("%s: %s (%s)", cmp.Or(string(w.Source), string(w.Kind)), w.Cause, about)
	}
	return about
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
