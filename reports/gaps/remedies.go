package gaps

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence/remedy"
	"evidenced/reports"
)

// Owed sums up what is planned for the failures of a tenant that need somebody.
// Controls that share a test share its failures: each counts once.
type Owed struct {
	Failed  int `json:"failed_items"` // a finding that found nothing, or nothing new, is one
	Without int `json:"without_plan"`
	Plans   int `json:"plans"`
	Overdue int `json:"overdue"`
}

// planned is a plan with what of a tenant's findings it is for.
type planned struct {
	remedy.Told
	tests []string // with how many items
}

// remediesOf gathers what is planned for the open findings of the gaps, what is
// overdue first.
func remediesOf(gs []Gap) (Owed, []planned) {
	var sum Owed
	var out []planned
	seen := map[string]bool{}
	for _, g := range gs {
		for _, f := range g.Findings {
			if f.Remedies == nil || f.accepted() || seen[f.Test] {
				continue
			}
			seen[f.Test] = true
			sum.Failed += f.Remedies.Of
			sum.Without += f.Remedies.Without
			for _, o := range f.Remedies.Plans {
				i := slices.IndexFunc(out, func(p planned) bool { return p.Name == o.Name })
				if i < 0 {
					i, out = len(out), append(out, planned{Told: o.Told})
				}
				out[i].tests = append(out[i].tests, fmt.Sprintf("%s %d of %d", f.Test, max(1, len(o.Records)), f.Remedies.Of))
			}
		}
	}
	sum.Plans = len(out)
	for _, p := range out {
		if p.Overdue {
			sum.Overdue++
		}
	}
	slices.SortStableFunc(out, func(a, b planned) int { return remedy.ByNeed(&a.Told, &b.Told) })
	return sum, out
}

// remedies tells what is planned for what failed.
func (r *Report) remedies(p *reports.Page) {
	for _, x := range r.Tenants {
		_, plans := remediesOf(x.Needs)
		if len(plans) == 0 {
			continue
		}
		p.Line("")
		p.Line(p.Style.Bold("REMEDIES  " + x.Tenant.String()))
		t := reports.Table{Columns: []reports.Column{{Title: "DUE", Keep: true}, {Title: "NAME", Keep: true}, {Title: "OWNER"}, {Title: "STANDS", Keep: true}, {Title: "FOR"}}}
		for _, o := range plans {
			paint := p.Style.Warn
			if o.Overdue {
				paint = p.Style.Bad
			}
			t.PaintedRow(paint, o.DueDay(), o.Name, o.Owner, o.Short(), strings.Join(o.tests, ", "))
		}
		p.Table(&t)
	}
	switch failed, without, _ := r.without(); {
	case without == 0:
		return
	case without == failed:
		p.Line("")
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("no remedy is planned for %s; evidenced remedy set plans one", reports.Count(failed, "failed item")))
	default:
		p.Line("")
		p.PaintedPara("", p.Style.Dim, fmt.Sprintf("no remedy is planned for %s of %s", reports.Number(int64(without)), reports.Count(failed, "failed item")))
	}
}

// without counts the failures that nobody plans to mend, and what is overdue.
func (r *Report) without() (failed, without, overdue int) {
	for _, x := range r.Tenants {
		failed, without, overdue = failed+x.Owed.Failed, without+x.Owed.Without, overdue+x.Owed.Overdue
	}
	return failed, without, overdue
}
