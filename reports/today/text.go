package today

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

// Text writes the answer for people: the first line is the answer.
func (r *Report) Text(w io.Writer, style reports.Style) error {
	over := r.over()
	head := fmt.Sprintf("%s: %d new and %d healed since %s, %d blind now, %s.",
		r.Tenant, len(r.New), len(r.Healed), reports.Near(r.Since, r.At), len(r.Blind), dueWords(len(r.Due)-over, over, reports.Near(r.Until, r.At)))
	if r.Judged.IsZero() {
		head = fmt.Sprintf("Not known: no verdict on %s is on record; %s.", r.Tenant, dueWords(len(r.Due)-over, over, reports.Near(r.Until, r.At)))
	}
	p := reports.NewPage(w, style)
	p.Headline(head, r.Demo)
	r.table(p)
	says := fmt.Sprintf("as judged %s, at log size %d", reports.Stamp(r.Judged, nil), r.Size)
	if r.Judged.IsZero() {
		says = "not judged yet: evidenced serve judges all the time, evidenced collect once"
		if r.Tenant == evidence.Unassigned {
			says = "nobody judges " + r.Tenant.String() + ": it holds what no tenancy rule gives to a tenant"
		}
	}
	p.Line("")
	p.Para("", says)
	return p.Err()
}

// over is how much of what is due is overdue.
func (r *Report) over() int {
	n := 0
	for _, d := range r.Due {
		if d.Over {
			n++
		}
	}
	return n
}

// dueWords tells what is due from what is overdue.
func dueWords(due, over int, until string) string {
	s := fmt.Sprintf("%d due until %s", due, until)
	if over > 0 {
		s += fmt.Sprintf(", %d overdue", over)
	}
	return s
}

// table writes a line for each thing, after an empty one; nothing when there is
// none. What one test says of several controls is one thing.
func (r *Report) table(p *reports.Page) {
	t := reports.Table{Columns: []reports.Column{{Title: "", Keep: true}, {Title: "WHEN", Keep: true}, {Title: "WHAT"}, {Title: "WHY"}}}
	for _, c := range once(r.New) {
		paint := p.Style.Warn
		if c.Severity == "high" {
			paint = p.Style.Bad
		}
		if c.Waived != nil && c.Waived.Whole {
			paint = p.Style.Dim
		}
		t.PaintedRow(paint, "NEW", reports.Near(c.At, r.At), c.controls(), fmt.Sprintf("%s%s, %s", accepted(c.Change, r.At), c.Is, c.Why))
	}
	for _, c := range once(r.Healed) {
		t.Row("HEALED", reports.Near(c.At, r.At), c.controls(), fmt.Sprintf("was %s: %s", c.Was, c.Why))
	}
	for _, b := range r.Blind {
		since := "all along"
		if !b.Since.IsZero() {
			since = reports.Near(b.Since, r.At)
		}
		t.PaintedRow(p.Style.Warn, "BLIND", since, string(b.Source), fmt.Sprintf("%s, for %s (%s)", b.Cause, reports.Count(len(b.Controls), "control"), kinds(b.Kinds)))
	}
	for _, d := range r.Due {
		word, paint := "DUE", reports.Plain
		if d.Over {
			word, paint = "OVERDUE", p.Style.Bad
		}
		t.PaintedRow(paint, word, reports.Near(d.At, r.At), d.What, d.Says)
	}
	if t.Len() == 0 {
		return
	}
	p.Line("")
	p.Table(&t)
}

// told is a change, and in how many further controls the same one is.
type told struct {
	Change
	more int
}

// controls names the gravest of the controls.
func (c told) controls() string {
	if c.more == 0 {
		return string(c.Control)
	}
	return fmt.Sprintf("%s +%d", c.Control, c.more)
}

// once puts changes together that one test made in one moment, in the place of
// the first of them.
func once(changes []Change) []told {
	var out []told
	for _, c := range changes {
		i := slices.IndexFunc(out, func(o told) bool {
			return o.Test == c.Test && o.Was == c.Was && o.Is == c.Is && o.At.Equal(c.At) && o.Why == c.Why && sameWaiver(o.Waived, c.Waived)
		})
		if i < 0 {
			out = append(out, told{Change: c})
			continue
		}
		out[i].more++
	}
	return out
}

// sameWaiver reports whether two controls are accepted alike.
func sameWaiver(a, b *statement.ToldWaived) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Whole == b.Whole && a.Until.Equal(b.Until)
}

// accepted says until when all of a change is waived.
func accepted(c Change, at time.Time) string {
	if c.Waived == nil || !c.Waived.Whole {
		return ""
	}
	return "waived until " + reports.Near(c.Waived.Until, at) + ": "
}

func kinds(ks []evidence.Kind) string {
	var ss []string
	for _, k := range ks {
		ss = append(ss, string(k))
	}
	return strings.Join(ss, ", ")
}
