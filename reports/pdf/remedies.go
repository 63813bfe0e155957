package pdf

import (
	"fmt"
	"strings"

	"evidenced/reports"
)

// remedies draws what is planned for what failed, beside what the evidence says.
func (p *pack) remedies(c *reports.ControlResult) {
	if len(c.Remedies) == 0 {
		return
	}
	p.sub("Remedies (they do not change the status)", 10)
	for _, r := range c.Remedies {
		p.bullet(p.planned(r))
	}
	if c.Unplanned > 0 {
		p.para(body.in(soft), fmt.Sprintf("No remedy is planned for %s.", reports.Count(c.Unplanned, "failed item")))
	}
}

// planned tells a plan in one sentence, how it stands first.
func (p *pack) planned(r reports.Remedy) string {
	stands := r.Stands
	if r.Over {
		stands = strings.ToUpper(stands)
	}
	s := fmt.Sprintf("%s: %s, due %s", r.Name, stands, r.Due)
	if r.Moved != "" {
		s += " (at first " + r.Moved + ")"
	}
	return s + fmt.Sprintf(", owner %s, for %s; root cause %s; %s; record %d", p.open(r.Owner), r.Covers, r.Cause, r.Remedy, r.Seq)
}

// overdue counts the remedies whose day is over. Controls that share a test share
// its remedies.
func (p *pack) overdue() int {
	seen := map[uint64]bool{}
	for _, c := range p.doc.Controls {
		for _, r := range c.Remedies {
			if r.Over {
				seen[r.Seq] = true
			}
		}
	}
	return len(seen)
}
