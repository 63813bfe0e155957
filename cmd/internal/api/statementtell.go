package api

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

func (r *StatementAdded) text(p *page) error {
	t := &r.Statement
	switch r.Act {
	case "end":
		p.Line(fmt.Sprintf("%s %s of %s is ended.", t.Type, t.Name, r.Tenant))
		if t.Type == statement.Waiver {
			p.Line("What it accepted needs somebody again, from now on.")
		}
	default:
		p.Line(fmt.Sprintf("%s %s of %s is recorded: %s.", t.Type, t.Name, r.Tenant, standsUntil(t, p.Style.Zone)))
		p.Para("", stoodBehind(t))
	}
	p.Line(fmt.Sprintf("in the log of %s, record %d", r.Tenant, r.Record))
	return p.Err()
}

// standsUntil says when the statement has its effect.
func standsUntil(t *statement.Told, zone *time.Location) string {
	until := "no end"
	if !t.Until.IsZero() {
		until = "until " + reports.Stamp(t.Until, zone)
	}
	switch t.State {
	case statement.Void:
		return "without effect, because " + t.Void
	case statement.Pending:
		return "from " + reports.Stamp(t.From, zone) + ", " + until
	case statement.Ended:
		return "ended " + reports.Stamp(t.Ended, zone)
	case statement.Expired:
		return "ran out " + reports.Stamp(t.Until, zone)
	}
	return "in force, " + until
}

// stoodBehind says who made and approved it and how that is known.
func stoodBehind(t *statement.Told) string {
	if t.Approved == "" {
		return "made and approved by nobody that is known"
	}
	how := fmt.Sprintf("signed with key %s", t.Key)
	if t.Commit != "" {
		how = fmt.Sprintf("by approving the request that brought commit %s (%s)", t.Commit[:min(12, len(t.Commit))], recordsOf(t.Request))
	}
	return fmt.Sprintf("made by %s, approved by %s, %s", t.By, t.Approved, how)
}

func tellStatements(p *page, lists []StatementList, params StatementParams) error {
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
	p.Headline(head+".", false)
	for _, l := range lists {
		if l.Demo {
			p.Head(p.Style.Bad, reports.Demonstration)
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
			why := reports.FirstLine(x.Reason, 80)
			switch {
			case x.Void != "":
				why = "no effect: " + x.Void
			case x.Lost != "":
				why = x.Lost
			}
			paint := reports.Plain
			if x.State != statement.InForce {
				paint = p.Style.Dim
			}
			t.PaintedRow(paint, string(x.State), name, idsOf(x.Controls, " "), until, x.By+", "+x.Approved, why)
		}
	}
	p.list(&t, over)
	return p.Err()
}

func showStatement(p *page, t *statement.Told) {
	zone := p.Style.Zone
	p.PaintedPara("", p.Style.Bold, fmt.Sprintf("%s %s: %s", t.Type, t.Name, standsUntil(t, zone)))
	p.fact("controls", idsOf(t.Controls, ", "))
	p.fact("tests", strings.Join(t.Tests, ", "))
	if len(t.Records) > 0 {
		p.fact("accepts", "what failed in "+recordsOf(t.Records))
	}
	var subjects []string
	for _, r := range t.Subjects {
		subjects = append(subjects, r.String())
	}
	p.fact("subjects", strings.Join(subjects, ", "))
	p.fact("from", stampOr(t.From, zone))
	p.fact("until", stampOr(t.Until, zone))
	p.fact("ended", stampOr(t.Ended, zone))
	p.fact("people", stoodBehind(t))
	p.fact("approved", stampOr(t.At, zone))
	if t.Commit != "" {
		p.fact("file", t.Path+" of commit "+t.Commit)
	}
	if !t.Document.IsZero() {
		where := "kept elsewhere"
		if t.Kept {
			where = "kept in the record"
		}
		p.fact("document", fmt.Sprintf("SHA-256 %s, %s bytes, %s, %s; what it says was not looked at", t.Document, reports.Number(t.Size), t.Media, where))
	}
	if t.Lost != "" {
		p.fact("reason", t.Lost)
	}
	p.words("reason", t.Reason)
	p.fact("text", "SHA-256 "+t.Text.String())
	p.fact("record", fmt.Sprintf("%d, %s", t.Seq, evidence.FormatTime(t.Recorded)))
	if t.Type == statement.Attestation {
		p.Para("", "A person's word. No source shows it, and no verdict stands on it.")
	}
}

// idsOf names controls.
func idsOf(ids []evidence.ControlID, between string) string {
	var names []string
	for _, id := range ids {
		names = append(names, string(id))
	}
	return strings.Join(names, between)
}

// stampOr tells a time; "" for none.
func stampOr(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return reports.Stamp(t, zone)
}
