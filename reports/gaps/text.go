package gaps

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// Text writes the answer for people: the first line is the answer.
func (r *Report) Text(w io.Writer, style reports.Style) error {
	p := reports.NewPage(w, style)
	p.Headline(r.headline(), r.Demo)
	r.table(p)
	r.remedies(p)
	r.waived(p)
	r.apart(p)
	p.Line("")
	for _, s := range r.sources() {
		p.Para("", s)
	}
	return p.Err()
}

func (r *Report) headline() string {
	needs, untold, waived, never := 0, 0, 0, 0
	laws := map[string]int{}
	var with []string
	for _, t := range r.Tenants {
		needs, untold, waived = needs+len(t.Needs), untold+len(t.Untold), waived+len(t.Waived)
		if t.Judged.IsZero() {
			never++
		}
		for _, g := range t.Needs {
			laws[g.Law]++
		}
		if len(t.Needs) > 0 {
			with = append(with, t.Tenant.String())
		}
	}
	of := reports.Count(len(r.Tenants), "tenant")
	if len(r.Tenants) == 1 {
		of = r.Tenants[0].Tenant.String()
	}
	of += r.asked()
	rest := ""
	if waived > 0 {
		rest = fmt.Sprintf("; %s more failed and %s waived", reports.Number(int64(waived)), reports.Are(waived))
	}
	if untold > 0 {
		rest += fmt.Sprintf("; %s more cannot be told", reports.Number(int64(untold)))
	}
	if _, _, overdue := r.without(); overdue > 0 {
		rest += fmt.Sprintf("; %s overdue", reports.Count(overdue, "remedy"))
	}
	if never > 0 && never == len(r.Tenants) && needs+untold+waived == 0 {
		return "Not known: no verdict on " + of + " is on record" + rest + "."
	}
	if never > 0 {
		rest += fmt.Sprintf("; %s not judged yet", reports.Count(never, "tenant"))
	}
	rest += "."
	if needs == 0 {
		return "No control of " + of + " needs someone" + rest
	}
	var parts []string
	for _, law := range slices.SortedFunc(maps.Keys(laws), func(a, b string) int { return cmp.Or(laws[b]-laws[a], strings.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%s %d", law, laws[law]))
	}
	verb := " need someone"
	if needs == 1 {
		verb = " needs someone"
	}
	if len(r.Tenants) > 1 {
		of = fmt.Sprintf("%d of %s", len(with), of)
	}
	return fmt.Sprintf("%s of %s%s (%s)%s", reports.Count(needs, "control"), of, verb, strings.Join(parts, ", "), rest)
}

func (r *Report) asked() string {
	var parts []string
	if r.Law != "" {
		parts = append(parts, "of "+r.Law)
	}
	if r.Level != "" {
		parts = append(parts, "of severity "+r.Level+" or worse")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (r *Report) table(p *reports.Page) {
	several := len(r.Tenants) > 1
	t := reports.Table{Columns: []reports.Column{{Title: "SEV", Keep: true}, {Title: "CONTROL", Keep: true}, {Title: "STATUS", Keep: true}, {Title: "SINCE", Keep: true}, {Title: "WHY"}}}
	if several {
		t.Columns = slices.Insert(t.Columns, 0, reports.Column{Title: "TENANT", Keep: true})
	}
	for _, x := range r.Tenants {
		above := ""
		for _, g := range x.Needs {
			why := g.Why
			if why == above {
				why = "as above"
			}
			above = g.Why
			cells := []string{g.Severity, string(g.Control), string(g.Status), reports.Near(g.Since, r.At), why}
			if several {
				cells = slices.Insert(cells, 0, x.Tenant.String())
			}
			paint := p.Style.Warn
			if g.Severity == "high" {
				paint = p.Style.Bad
			}
			t.PaintedRow(paint, cells...)
		}
	}
	if t.Len() == 0 {
		return
	}
	p.Line("")
	p.Table(&t)
}

// waived tells what failed and is accepted for a while, and by whom.
func (r *Report) waived(p *reports.Page) {
	for _, x := range r.Tenants {
		if len(x.Waived) == 0 {
			continue
		}
		p.Line("")
		p.Line(p.Style.Bold("WAIVED  " + x.Tenant.String()))
		for _, g := range x.Waived {
			p.Para("  ", fmt.Sprintf("%s  %s  %s since %s, %s", g.Severity, g.Control, g.Status, reports.Near(g.Since, r.At), g.Why))
			for _, f := range g.Findings {
				if !f.accepted() {
					continue
				}
				for _, w := range f.Waived.By {
					p.Para("    ", fmt.Sprintf("%s: waived until %s by %s, approved by %s (record %d)%s", f.Test, reports.Near(w.Until, r.At), w.By, w.Approved, w.Seq, because(w.Reason)))
				}
			}
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reports.FirstLine(reason, 100)
}

// apart tells what cannot be told, by its cause, and what nobody answers.
func (r *Report) apart(p *reports.Page) {
	for _, x := range r.Tenants {
		groups := map[string][]string{}
		for _, g := range x.Untold {
			name := g.cannotTell()
			groups[name] = append(groups[name], string(g.Control))
		}
		if len(groups) == 0 {
			continue
		}
		p.Line("")
		p.Line(p.Style.Bold("TOLD APART  " + x.Tenant.String()))
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			p.Para("  ", fmt.Sprintf("%s (%s): %s", name, reports.Count(len(groups[name]), "control"), strings.Join(groups[name], ", ")))
			for _, w := range causes(x.Untold, name) {
				p.Para("    ", w)
			}
		}
	}
	preparing := map[evidence.ControlID]bool{}
	for _, x := range r.Tenants {
		for _, g := range x.Preparing {
			preparing[g.Control] = true
		}
	}
	outside, unrecorded := 0, 0
	if len(r.Tenants) == 1 {
		outside, unrecorded = r.Tenants[0].Outside, r.Tenants[0].Unrecorded
	}
	attested := map[evidence.ControlID]bool{}
	for _, x := range r.Tenants {
		for _, a := range x.Attested {
			attested[a.Control] = true
		}
	}
	unused := map[string]bool{}
	for _, x := range r.Tenants {
		for _, test := range x.NotUsed {
			unused[test] = true
		}
	}
	if len(preparing)+len(r.Unanswered)+len(attested)+len(unused)+outside+unrecorded > 0 {
		p.Line("")
	}
	if outside > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: %s that %s not apply; evidenced assess --all says why", reports.Count(outside, "control"), verb(outside)))
	}
	if n := len(preparing); n > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: %s of laws that do not apply yet; --json names them", reports.Count(n, "open control")))
	}
	if n := len(attested); n > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: a person's word on %s; no verdict stands on it, evidenced attest list tells whose", reports.Count(n, "control")))
	}
	if unrecorded > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: %s on declared incidents: none to judge is on record", reports.Count(unrecorded, "control")))
	}
	if n := len(unused); n > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: %s of what no source is configured for; --json names them", reports.Count(n, "test")))
	}
	if n := len(r.Unanswered); n > 0 {
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("not counted: %s that no collector answers yet; --json names them", reports.Count(n, "control")))
	}
}

func verb(n int) string {
	if n == 1 {
		return "does"
	}
	return "do"
}

// mostCauses is how many causes of a group are told apart; --json has all.
const mostCauses = 4

// causes says what is behind the controls of a group, what most of them share
// first. One cause is told once, with one of the tests it leaves open.
func causes(gs []Gap, group string) []string {
	var all []string
	says, count := map[string]string{}, map[string]int{}
	for _, g := range gs {
		if g.cannotTell() != group {
			continue
		}
		key := g.Why
		if len(g.Findings) > 0 && len(g.Findings[0].Uncovered) > 0 {
			key = unseen(g.Findings[0].Standing)
		}
		if count[key] == 0 {
			all, says[key] = append(all, key), g.Why
		}
		count[key]++
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	var out []string
	for i, key := range all {
		if i == mostCauses {
			return append(out, fmt.Sprintf("and %s; --json names them", reports.Count(len(all)-i, "cause")))
		}
		text := says[key]
		if len(all) > 1 {
			text = reports.Count(count[key], "control") + ": " + text
		}
		out = append(out, text)
	}
	return out
}

// cannotTell names the group of a control that cannot be told.
func (g *Gap) cannotTell() string {
	if g.Reason == "" {
		return string(g.Status)
	}
	return string(g.Status) + ": " + string(g.Reason)
}

// sources says what the answer stands on.
func (r *Report) sources() []string {
	var never []string
	var out []string
	for _, t := range r.Tenants {
		switch {
		case t.Judged.IsZero() && t.Tenant == evidence.Unassigned:
			out = append(out, "nobody judges "+t.Tenant.String()+": it holds what no tenancy rule gives to a tenant")
		case t.Judged.IsZero():
			never = append(never, t.Tenant.String())
		case len(r.Tenants) == 1:
			out = append(out, fmt.Sprintf("as judged %s, at log size %d; the evidence supports or does not support, it does not say that anybody complies", reports.Stamp(t.Judged, nil), t.Size))
		}
	}
	if len(r.Tenants) > 1 {
		oldest := slices.MinFunc(r.Tenants, func(a, b Tenant) int { return a.Judged.Compare(b.Judged) })
		if !oldest.Judged.IsZero() {
			out = append(out, fmt.Sprintf("as judged %s or later; the evidence supports or does not support, it does not say that anybody complies", reports.Stamp(oldest.Judged, nil)))
		}
	}
	if len(never) > 0 {
		out = append(out, "not judged yet: "+strings.Join(never, ", ")+"; evidenced serve judges all the time, evidenced collect once")
	}
	return out
}
