package api

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

func (r *StatementAdded) text(p *page, q *question) error {
	t := r.Statement
	switch r.Act {
	case "end":
		p.line(fmt.Sprintf("%s %s of %s is ended.", t.Type, t.Name, r.Tenant))
		if t.Type == statement.Waiver {
			p.line("What it accepted needs somebody again, from now on.")
		}
	default:
		p.line(fmt.Sprintf("%s %s of %s is recorded: %s.", t.Type, t.Name, r.Tenant, standsUntil(t, q)))
		p.para("", stoodBehind(t), q.style)
	}
	p.line(fmt.Sprintf("in the log of %s, record %d", r.Tenant, r.Record))
	return p.err
}

// standsUntil says when the statement has its effect.
func standsUntil(t statement.Told, q *question) string {
	until := "no end"
	if !t.Until.IsZero() {
		until = "until " + reports.Stamp(t.Until, q.zone)
	}
	switch t.State {
	case statement.Void:
		return "without effect, because " + t.Void
	case statement.Pending:
		return "from " + reports.Stamp(t.From, q.zone) + ", " + until
	case statement.Ended:
		return "ended " + reports.Stamp(t.Ended, q.zone)
	case statement.Expired:
		return "ran out " + reports.Stamp(t.Until, q.zone)
	}
	return "in force, " + until
}

// stoodBehind says who made and approved it and how that is known.
func stoodBehind(t statement.Told) string {
	if t.Approved == "" {
		return "made and approved by nobody that is known"
	}
	how := fmt.Sprintf("signed with key %s", t.Key)
	if t.Commit != "" {
		how = fmt.Sprintf("by approving the request that brought commit %s (%s)", t.Commit[:min(12, len(t.Commit))], recordsOf(t.Request))
	}
	return fmt.Sprintf("made by %s, approved by %s, %s", t.By, t.Approved, how)
}

func tellStatements(p *page, lists []StatementList, params StatementParams, q *question) error {
	count := map[statement.State]int{}
	n, over := 0, 0
	for _, l := range lists {
		over += l.Over
		for _, t := range l.Statements {
			count[t.State]++
			n++
		}
	}
	of := plural(len(lists), "tenant")
	if len(lists) == 1 {
		of = lists[0].Tenant.String()
	}
	what := plural(n, string(params.Type))
	if params.Type == statement.Scope {
		what = plural(n, "scope statement")
	}
	var parts []string
	for _, s := range []statement.State{statement.InForce, statement.Pending, statement.Void, statement.Expired, statement.Ended} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], strings.ReplaceAll(string(s), "-", " ")))
		}
	}
	head := what + " of " + of
	if len(parts) > 0 {
		head += ": " + strings.Join(parts, ", ")
	}
	p.line(q.style.Bold(head + "."))
	for _, l := range lists {
		if l.Demo {
			p.line(q.style.Bad(reports.Demonstration))
			break
		}
	}
	t := reports.Table{Columns: []reports.Column{{Title: "STATE", Keep: true}, {Title: "NAME", Keep: true}, {Title: "CONTROL", Keep: true}, {Title: "UNTIL (UTC)", Keep: true}, {Title: "MADE, APPROVED BY"}, {Title: "WHY"}}}
	for _, l := range lists {
		for _, x := range l.Statements {
			name, until := x.Name, "no end"
			if len(lists) > 1 {
				name = l.Tenant.String() + " " + name
			}
			if end := x.Until; !end.IsZero() {
				until = end.UTC().Format("2 Jan 2006 15:04")
			}
			var ids []string
			for _, c := range x.Controls {
				ids = append(ids, string(c))
			}
			why := reports.FirstLine(x.Reason, 80)
			switch {
			case x.Void != "":
				why = "no effect: " + x.Void
			case x.Lost != "":
				why = x.Lost
			}
			paint := func(s string) string { return s }
			if x.State != statement.InForce {
				paint = q.style.Dim
			}
			t.PaintedRow(paint, string(x.State), name, strings.Join(ids, " "), until, x.By+", "+x.Approved, why)
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

func showStatement(p *page, t statement.Told, q *question) {
	p.line(q.style.Bold(fmt.Sprintf("%s %s: %s", t.Type, t.Name, reports.Terminal(standsUntil(t, q)))))
	line := func(key, value string) {
		if value != "" {
			p.para(fmt.Sprintf("%-12s", key), value, q.style)
		}
	}
	var ids []string
	for _, c := range t.Controls {
		ids = append(ids, string(c))
	}
	line("controls", strings.Join(ids, ", "))
	line("tests", strings.Join(t.Tests, ", "))
	if len(t.Records) > 0 {
		line("accepts", "what failed in "+recordsOf(t.Records))
	}
	var subjects []string
	for _, r := range t.Subjects {
		subjects = append(subjects, r.String())
	}
	line("subjects", strings.Join(subjects, ", "))
	line("from", stampOr(t.From, q))
	line("until", stampOr(t.Until, q))
	line("ended", stampOr(t.Ended, q))
	line("people", stoodBehind(t))
	line("approved", stampOr(t.At, q))
	if t.Commit != "" {
		line("file", t.Path+" of commit "+t.Commit)
	}
	if !t.Document.IsZero() {
		where := "kept elsewhere"
		if t.Kept {
			where = "kept in the record"
		}
		line("document", fmt.Sprintf("SHA-256 %s, %s bytes, %s, %s; what it says was not looked at", t.Document, reports.Number(t.Size), t.Media, where))
	}
	if t.Lost != "" {
		line("reason", t.Lost)
	}
	for i, l := range strings.Split(t.Reason, "\n") {
		key := ""
		if i == 0 {
			key = "reason"
		}
		line(key, l)
	}
	line("text", "SHA-256 "+t.Text.String())
	line("record", fmt.Sprintf("%d, %s", t.Seq, evidence.FormatTime(t.Recorded)))
	if t.Type == statement.Attestation {
		p.para("", "A person's word. No source shows it, and no verdict stands on it.", q.style)
	}
}

func stampOr(t time.Time, q *question) string {
	if t.IsZero() {
		return ""
	}
	return reports.Stamp(t, q.zone)
}
