package controls

import (
	"fmt"
	"io"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports"
)

// Text writes the list for people: law by law what tests answer, then what no
// source answers yet.
func (l *List) Text(w io.Writer, style reports.Style) error {
	p := &page{reports.NewPage(w, style)}
	p.Headline(l.headline(), false)
	for _, a := range l.Acts {
		t := reports.Table{Columns: []reports.Column{{Title: "CONTROL", Keep: true}, {Title: "ARTICLE"}, {Title: "SEVERITY", Keep: true},
			{Title: "FORCE", Keep: true}, {Title: "TESTS", Right: true, Keep: true}, {Title: "TITLE"}}}
		for _, c := range l.of(a, false) {
			paint := reports.Plain
			if c.Force == mappings.Preparing {
				paint = style.Dim
			}
			t.PaintedRow(paint, string(c.ID), c.article, c.Severity, forceWord(&c), fmt.Sprint(len(c.Tests)), c.Title)
		}
		if t.Len() == 0 {
			continue
		}
		p.Line("")
		p.Para("", fmt.Sprintf("%s  %s, %s", a.Name, a.Title, since(a.InForceSince, l.At)))
		p.Table(&t)
	}
	if l.Unanswered > 0 {
		p.Line("")
		p.Para("", fmt.Sprintf("NOT ANSWERED YET  %s without a source that tells; they count for nothing and alert nobody", reports.Count(l.Unanswered, "control")))
		t := reports.Table{Columns: []reports.Column{{Title: "CONTROL", Keep: true}, {Title: "FORCE", Keep: true}, {Title: "TITLE"}, {Title: "WOULD BE ANSWERED BY"}}}
		for _, a := range l.Acts {
			for _, c := range l.of(a, true) {
				t.Row(string(c.ID), forceWord(&c), c.Title, c.AnsweredBy)
			}
		}
		p.Table(&t)
	}
	p.Line("")
	p.Para("", fmt.Sprintf("catalog %s; a test measures one thing: none of this says that a law is kept", l.Catalog.String()[:12]))
	return p.Err()
}

func (l *List) headline() string {
	if len(l.Controls) == 0 {
		return "No control fits the filter."
	}
	s := fmt.Sprintf("%s of %s: %d answered by tests", reports.Count(len(l.Controls), "control"), reports.Count(len(l.Acts), "act"), l.Answered)
	if l.Unanswered > 0 {
		s += fmt.Sprintf(", %d that no source answers yet", l.Unanswered)
	}
	if l.Preparing > 0 {
		s += fmt.Sprintf("; for %d the law does not apply yet", l.Preparing)
	}
	return s + "."
}

func (l *List) of(a *mappings.Act, unanswered bool) []Listed {
	var cs []Listed
	for _, c := range l.Controls {
		if c.Act == a.ID && (len(c.Tests) == 0) == unanswered {
			cs = append(cs, c)
		}
	}
	return cs
}

func forceWord(c *Listed) string {
	if c.Force == mappings.Preparing {
		return "preparing"
	}
	return "in force"
}

// since says from when something applies, seen from a moment.
func since(date string, at time.Time) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	if t.After(at) {
		return "preparing: applies from " + t.Format("2 Jan 2006")
	}
	return "in force since " + t.Format("2 Jan 2006")
}

// Text writes everything about the control for people.
func (e *Explained) Text(w io.Writer, style reports.Style) error {
	p := &page{reports.NewPage(w, style)}
	p.PaintedPara("", style.Bold, fmt.Sprintf("%s  %s  %s", e.ID, e.Reference, e.Title))
	if e.Force == mappings.Preparing {
		p.Para("", "Preparing: the law does not apply yet. What the tests find is work to do and says nothing about a breach.")
	}
	p.Line("")
	p.fact("objective", e.Objective)
	p.fact("law", e.law())
	p.fact("binds", e.binds())
	p.fact("entities", e.entities())
	p.fact("force", since(e.InForceSince, e.At))
	if s := e.validity(); s != "" {
		p.fact("wording", s)
	}
	p.fact("meant for", e.meantFor())
	p.fact("severity", e.Severity)
	p.fact("cannot prove", e.CannotProve)
	if e.Unverified != "" {
		p.fact("unverified", e.Unverified)
	}
	if e.Law.Unverified != "" {
		p.fact("of the law", e.Law.Unverified)
	}
	if e.AnsweredBy != "" {
		p.Line("")
		p.Para("", "No source answers it yet: its verdict is not-observed, no-collector; it counts for nothing and alerts nobody.")
		p.fact("answered by", e.AnsweredBy)
		return p.Err()
	}
	p.Line("")
	p.Para("", fmt.Sprintf("%s; the verdict is the worst of theirs. Supporting ones alone never make it satisfied.", reports.Count(len(e.Told), "test")))
	for i := range e.Told {
		p.test(&e.Told[i])
	}
	p.feeds(e)
	return p.Err()
}

func (e *Explained) law() string {
	s := e.Law.Title
	if e.Law.CELEX != "" {
		s += ", CELEX " + e.Law.CELEX
	}
	if e.Law.TextRead != "" {
		s += ", text"
		if e.Law.Language != "" {
			s += " (" + e.Law.Language + ")"
		}
		s += " as of " + e.Law.TextRead
	}
	return s
}

func (e *Explained) binds() string {
	s := e.Law.Addressee
	if e.Role != "" {
		s += "; here the " + e.Role
	}
	return s
}

// entities says whom it is judged for, and to whom of the configured tenants it
// does not apply.
func (e *Explained) entities() string {
	if len(e.Entities) == 0 {
		return "every sort of entity"
	}
	s := strings.Join(e.Entities, ", ") + "; not applicable to those who say that they are others"
	if len(e.NotTo) > 0 {
		s += ": here " + strings.Join(e.NotTo, ", ")
	}
	return s
}

func (e *Explained) validity() string {
	var parts []string
	if e.ValidFrom != "" {
		parts = append(parts, "stands from "+e.ValidFrom)
	}
	if e.ValidTo != "" {
		parts = append(parts, "stood until "+e.ValidTo)
	}
	if e.Replaces != "" {
		parts = append(parts, "in place of "+string(e.Replaces))
	}
	return strings.Join(parts, ", ")
}

func (e *Explained) meantFor() string {
	var parts []string
	if len(e.Tiers) > 0 {
		parts = append(parts, "tier "+strings.Join(e.Tiers, " or "))
	}
	if len(e.Tags) > 0 {
		parts = append(parts, "tag "+strings.Join(e.Tags, " or "))
	}
	if len(parts) == 0 {
		return "every tenant that is bound"
	}
	return "tenants of " + strings.Join(parts, " and ")
}

var emptyWords = map[evidence.Status]string{
	evidence.Satisfied:     "satisfied: there was nothing that could have failed",
	evidence.Gap:           "gap: there must be some",
	evidence.NotObserved:   "not observed: no source shows what nobody recorded; not applicable, once an approved statement says so",
	evidence.NotApplicable: "not applicable, once an approved statement says so; a gap until then",
}

func (p *page) test(t *ExplainedTest) {
	p.Line("")
	p.PaintedPara("", p.Style.Bold, fmt.Sprintf("%s (%s)  %s", t.ID, t.Strength, t.Title))
	p.fact("  says", "The evidence supports that "+t.Says+".")
	p.fact("  items", t.View+": "+t.ViewDoc)
	if t.Population != "true" {
		p.fact("  that count", oneLine(t.Population))
	}
	p.fact("  assertion", oneLine(t.Assertion))
	p.fact("  window", p.number(t, t.Window))
	p.fact("  freshness", "the newest look at most "+length(t.Freshness)+" old"+p.whose(t, t.Freshness))
	p.fact("  coverage", "at least "+string(t.Least))
	p.fact("  if none", emptyWords[t.Empty])
	if t.Shared {
		p.fact("  shared", "what it is about may be the platform's alone: a tenant whose own log has none of it is not judged by it, _platform is")
	}
	if t.Optional {
		p.fact("  optional", "not every platform has what it is about: while no source is configured that shows it, it says nothing beside other tests")
	}
	if t.Threshold > 0 {
		p.fact("  threshold", fmt.Sprintf("%g %% failed, beside the status (default)", t.Threshold))
	}
	for _, n := range t.Numbers {
		p.fact("  number", fmt.Sprintf("%s: %s (%s)", n.Value, n.Says, origin(n)))
	}
	if t.Limits != "" {
		p.fact("  limits", t.Limits)
	}
	p.fact("  rule", t.Rule.String())
}

// number says the window, and whose it is.
func (p *page) number(t *ExplainedTest, d time.Duration) string {
	if d == 0 {
		return "the whole period"
	}
	return "the last " + length(d) + " of the period" + p.whose(t, d)
}

// whose says whose a window or a freshness limit is, when no number of the
// test does.
func (p *page) whose(t *ExplainedTest, d time.Duration) string {
	for _, n := range t.Numbers {
		if v, err := mappings.ParseDuration(n.Value); err == nil && v == d {
			return " (" + origin(n) + ")"
		}
	}
	return " (default)"
}

func origin(n mappings.Number) string {
	if n.Origin == mappings.OriginLaw {
		return "law: " + n.Source
	}
	return "default"
}

// length writes a duration as people do.
func length(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 24*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	s := strings.TrimSuffix(d.String(), "0s")
	if hours, ok := strings.CutSuffix(s, "h0m"); ok {
		return hours + "h"
	}
	return s
}

// oneLine puts an expression of several lines on one, as it is wrapped anew.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// feeds says which sources give what the tests stand on.
func (p *page) feeds(e *Explained) {
	p.Line("")
	if e.Feeds == nil {
		p.Para("", "It stands on "+kinds(e.Kinds)+".")
		p.Para("", "No configuration was read, so the sources that give them are not known; -c FILE names one.")
		return
	}
	missing := 0
	t := reports.Table{Columns: []reports.Column{{Title: "STANDS ON", Keep: true}, {Title: "GIVEN BY"}, {Title: "WHAT IT IS"}}}
	for _, f := range e.Feeds {
		given := "no configured source"
		switch {
		case f.Own:
			given = "evidenced itself"
		case len(f.Sources) > 0:
			var names []string
			for _, s := range f.Sources {
				name := string(s.Name)
				if s.Paused {
					name += " (paused)"
				}
				names = append(names, name)
			}
			given = strings.Join(names, ", ")
		default:
			missing++
		}
		t.Row(string(f.Kind), given, f.Says)
	}
	p.Table(&t)
	if missing > 0 {
		p.Para("", fmt.Sprintf("%s no configured source gives: the tests that need them are not observed.", reports.Count(missing, "kind")))
	}
}

func kinds(ks []evidence.Kind) string {
	var names []string
	for _, k := range ks {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// page writes an answer about controls.
type page struct{ *reports.Page }

// fact writes a named text, wrapped beside its name.
func (p *page) fact(name, text string) { p.Para(fmt.Sprintf("%-14s", name), strings.TrimSpace(text)) }
