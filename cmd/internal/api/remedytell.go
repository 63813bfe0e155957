package api

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/reports"
)

func (r *RemedySaid) text(p *page) error {
	t := &r.Remedy
	switch r.Act {
	case "done":
		p.Para("", fmt.Sprintf("Remedy %s of %s is said to be done; %s. It closes when the findings no longer name what it is for.", t.Name, r.Tenant, failingOf(t)))
	case "end":
		p.Para("", fmt.Sprintf("Remedy %s of %s is withdrawn. What it was for has no plan of that name any more.", t.Name, r.Tenant))
	default:
		p.Para("", fmt.Sprintf("Remedy %s of %s is recorded, %s (%s). Owner %s; %s.", t.Name, r.Tenant, t.Stands(), t.DueDay(), t.Owner, itemsOf(t)))
		if t.Moved > 0 {
			p.Para("", "Its day was moved; the first one was "+remedy.Day(t.FirstDue)+".")
		}
	}
	p.Line(fmt.Sprintf("in the log of %s, record %d", r.Tenant, r.Record))
	return p.Err()
}

// itemsOf says what a plan is for.
func itemsOf(t *remedy.Told) string {
	return fmt.Sprintf("for %s of %s", reports.Count(t.Of, "failed item"), strings.Join(t.Tests, ", "))
}

// failingOf counts what of it still fails.
func failingOf(t *remedy.Told) string {
	if t.Failing == 1 {
		return fmt.Sprintf("1 of %s still fails", reports.Count(t.Of, "item"))
	}
	return fmt.Sprintf("%d of %s still fail", t.Failing, reports.Count(t.Of, "item"))
}

func tellRemedies(p *page, lists []RemedyList) error {
	n, overdue, over, demo := 0, 0, 0, false
	for _, l := range lists {
		over, demo = over+l.Over, demo || l.Demo
		n += len(l.Remedies)
		for _, t := range l.Remedies {
			if t.Overdue {
				overdue++
			}
		}
	}
	of := reports.Count(len(lists), "tenant")
	if len(lists) == 1 {
		of = lists[0].Tenant.String()
	}
	head := reports.Count(n, "remedy") + " of " + of
	if overdue > 0 {
		head += fmt.Sprintf(", %d overdue", overdue)
	}
	p.Headline(head+".", demo)
	t := reports.Table{Columns: []reports.Column{{Title: "DUE", Keep: true}, {Title: "NAME", Keep: true}, {Title: "OWNER"}, {Title: "FAIL", Keep: true}, {Title: "STANDS"}, {Title: "REMEDY"}}}
	for _, l := range lists {
		for _, x := range l.Remedies {
			name, stands, paint := x.Name, x.Short(), reports.Plain
			if len(lists) > 1 {
				name = l.Tenant.String() + " " + name
			}
			switch {
			case x.Overdue:
				paint = p.Style.Bad
			case !x.State.Live():
				stands, paint = x.Stands(), p.Style.Dim
			}
			says := reports.FirstLine(x.Remedy, 80)
			if x.Lost != "" {
				says = x.Lost
			}
			t.PaintedRow(paint, x.DueDay(), name, x.Owner, fmt.Sprintf("%d/%d", x.Failing, x.Of), stands, says)
		}
	}
	p.list(&t, over)
	return p.Err()
}

func showRemedy(p *page, t *remedy.Told) error {
	p.Head(p.Style.Bold, fmt.Sprintf("remedy %s: %s", t.Name, t.Stands()))
	due := t.DueDay()
	if t.Moved > 0 {
		due += fmt.Sprintf(", moved %s, at first %s", reports.Count(t.Moved, "time"), remedy.Day(t.FirstDue))
	}
	p.fact("due", due)
	owner := t.Owner
	if !t.Person {
		owner += " (a role or a team)"
	}
	p.fact("owner", owner)
	p.fact("cause", causeOf(t.Cause))
	p.words("", t.Detail)
	p.words("remedy", t.Remedy)
	p.fact("ticket", t.Ticket)
	p.fact("words", t.Lost)
	p.fact("tests", strings.Join(t.Tests, ", "))
	p.fact("items", failingOf(t))
	shown := 0
	for _, x := range t.Items {
		if shown++; shown > 20 {
			p.fact("", fmt.Sprintf("and %d more; --json has all", len(t.Items)-20))
			break
		}
		p.fact("", saysItem(&x, p.Style.Zone))
	}
	for _, r := range t.Past {
		p.fact("record "+fmt.Sprint(r.Seq), saysRevision(&r))
	}
	p.Para("", "A plan changes no verdict. It closes when the findings no longer name what it is for.")
	return p.Err()
}

func causeOf(id string) string {
	for _, c := range remedy.Causes {
		if c.ID == id {
			return id + ": " + c.Says
		}
	}
	return id
}

func saysItem(x *remedy.Item, zone *time.Location) string {
	what := fmt.Sprintf("record %d", x.Record)
	if x.Record == 0 {
		what = "nothing found, or nothing new enough"
	}
	s := fmt.Sprintf("%s, %s: %s", x.Test, what, x.State)
	if !x.At.IsZero() {
		s += " since " + reports.Stamp(x.At, zone)
	}
	return s
}

func saysRevision(r *remedy.Revision) string {
	s := evidence.FormatTime(r.At) + " " + r.Says
	if r.Due != "" {
		s += ", due " + remedy.Day(r.Due)
	}
	if r.By != "" {
		s += ", by " + r.By
	}
	if r.Reason != "" {
		s += ": " + reports.FirstLine(r.Reason, 200)
	}
	return s
}
