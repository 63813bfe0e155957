package api

import (
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/reports"
)

func (r *RemedySaid) text(p *page, q *question) error {
	t := &r.Remedy
	switch r.Act {
	case "done":
		p.para("", fmt.Sprintf("Remedy %s of %s is said to be done; %s. It closes when the findings no longer name what it is for.", t.Name, r.Tenant, failingOf(t)), q.style)
	case "end":
		p.para("", fmt.Sprintf("Remedy %s of %s is withdrawn. What it was for has no plan of that name any more.", t.Name, r.Tenant), q.style)
	default:
		p.para("", fmt.Sprintf("Remedy %s of %s is recorded, %s (%s). Owner %s; %s.", t.Name, r.Tenant, t.Stands(), t.DueDay(), t.Owner, itemsOf(t)), q.style)
		if t.Moved > 0 {
			p.para("", "Its day was moved; the first one was "+remedy.Day(t.FirstDue)+".", q.style)
		}
	}
	p.line(fmt.Sprintf("in the log of %s, record %d", r.Tenant, r.Record))
	return p.err
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

func tellRemedies(p *page, lists []RemedyList, q *question) error {
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
	p.err = q.style.Headline(p.w, q.style.Bold, head+".")
	if demo && p.err == nil {
		p.err = q.style.Headline(p.w, q.style.Bad, reports.Demonstration)
	}
	t := reports.Table{Columns: []reports.Column{{Title: "DUE", Keep: true}, {Title: "NAME", Keep: true}, {Title: "OWNER", Max: 20}, {Title: "FAIL", Keep: true}, {Title: "STANDS"}, {Title: "REMEDY"}}}
	for _, l := range lists {
		for _, x := range l.Remedies {
			name, stands, paint := x.Name, x.Short(), func(s string) string { return s }
			if len(lists) > 1 {
				name = l.Tenant.String() + " " + name
			}
			switch {
			case x.Overdue:
				paint = q.style.Bad
			case !x.State.Live():
				stands, paint = x.Stands(), q.style.Dim
			}
			says := reports.FirstLine(x.Remedy, 80)
			if x.Lost != "" {
				says = x.Lost
			}
			t.PaintedRow(paint, x.DueDay(), name, x.Owner, fmt.Sprintf("%d/%d", x.Failing, x.Of), stands, says)
		}
	}
	if t.Len() > 0 {
		p.line("")
		if p.err == nil {
			p.err = t.Write(p.w, q.style)
		}
	}
	if over > 0 {
		p.line(q.style.Dim(fmt.Sprintf("%d more %s over; --all lists them", over, map[bool]string{true: "is", false: "are"}[over == 1])))
	}
	return p.err
}

func showRemedy(p *page, t *remedy.Told, q *question) {
	p.err = q.style.Headline(p.w, q.style.Bold, fmt.Sprintf("remedy %s: %s", t.Name, t.Stands()))
	line := func(key, value string) {
		if value != "" {
			p.para(fmt.Sprintf("%-12s", key), value, q.style)
		}
	}
	words := func(key, text string) {
		for l := range strings.SplitSeq(text, "\n") {
			line(key, l)
			key = ""
		}
	}
	due := t.DueDay()
	if t.Moved > 0 {
		due += fmt.Sprintf(", moved %s, at first %s", reports.Count(t.Moved, "time"), remedy.Day(t.FirstDue))
	}
	line("due", due)
	owner := t.Owner
	if !t.Person {
		owner += " (a role or a team)"
	}
	line("owner", owner)
	line("cause", causeOf(t.Cause))
	words("", t.Detail)
	words("remedy", t.Remedy)
	line("ticket", t.Ticket)
	line("words", t.Lost)
	line("tests", strings.Join(t.Tests, ", "))
	line("items", failingOf(t))
	shown := 0
	for _, x := range t.Items {
		if shown++; shown > 20 {
			line("", fmt.Sprintf("and %d more; --json has all", len(t.Items)-20))
			break
		}
		line("", saysItem(&x, q))
	}
	for _, r := range t.Past {
		line("record "+fmt.Sprint(r.Seq), saysRevision(&r, q))
	}
	p.para("", "A plan changes no verdict. It closes when the findings no longer name what it is for.", q.style)
}

func causeOf(id string) string {
	for _, c := range remedy.Causes {
		if c.ID == id {
			return id + ": " + c.Says
		}
	}
	return id
}

func saysItem(x *remedy.Item, q *question) string {
	what := fmt.Sprintf("record %d", x.Record)
	if x.Record == 0 {
		what = "nothing found, or nothing new enough"
	}
	s := fmt.Sprintf("%s, %s: %s", x.Test, what, x.State)
	if !x.At.IsZero() {
		s += " since " + reports.Stamp(x.At, q.zone)
	}
	return s
}

func saysRevision(r *remedy.Revision, q *question) string {
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
