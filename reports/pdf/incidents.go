package pdf

import (
	"time"

	"evidenced/reports"
)

// incidents draws the incidents of the period with their clocks.
func (p *pack) incidents() {
	p.section("Incidents and their clocks", "What was declared for the period, and by when it had to be notified, as it stood when this was made. Safe is the number of the law, latest the most it allows; late is what was sent after latest. A stage is met by a recorded receipt alone.")
	if len(p.doc.Incidents) == 0 {
		p.para(body, "No incident is on record for the period.")
		return
	}
	for i := range p.doc.Incidents {
		p.incident(&p.doc.Incidents[i])
	}
}

func (p *pack) incident(inc *reports.PackIncident) {
	title := "Incident " + inc.ID
	if inc.Kind == "threat" {
		title = "Cyber threat " + inc.ID
	}
	p.need(50)
	p.enter(1, "", title)
	p.text(head2, left, width, title)
	p.space(1)
	state := "open"
	if !inc.Closed.IsZero() {
		state = "closed " + reports.Stamp(inc.Closed, nil)
	}
	rows := []fact{{"own reference", inc.Reference, false}, {"declared", reports.Stamp(inc.Declared, nil), false}, {"state", state, false}}
	if inc.Part {
		rows = append(rows, fact{"part", "of an incident of the platform, which provides the service", false})
	}
	p.facts(rows)
	if len(inc.Clocks) == 0 {
		p.para(body, "No clock runs: neither role nor awareness is recorded.")
	} else {
		p.clocks(inc.Clocks)
	}
	for _, n := range inc.Notes {
		p.bullet(n)
	}
	p.space(3)
}

// clocks draws a row for each, what is open first marked by its shape.
func (p *pack) clocks(cs []reports.PackClock) {
	var rows [][]string
	for _, c := range cs {
		shape := shapeGood
		switch {
		case c.Bad:
			shape = shapeWork
		case c.Open:
			shape = shapeUnclear
		}
		rows = append(rows, []string{shape, c.Stage, c.State, clockTime(c.Safe), clockTime(c.Latest), clockTime(c.Sent), clockTime(c.Receipt), c.Article})
	}
	p.drawTable([]reports.RegisterColumn{
		{Title: " "}, {Title: "Stage", Weight: 2}, {Title: "State", Weight: 2}, {Title: "Safe (UTC)"}, {Title: "Latest (UTC)"}, {Title: "Sent (UTC)"}, {Title: "Receipt (UTC)"}, {Title: "Rule", Weight: 2},
	}, rows, 6.5)
}

func clockTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006 15:04")
}

// happened draws the timeline of the period.
func (p *pack) happened() {
	if p.doc.Timeline == nil {
		return
	}
	p.section("What happened", "The period told from all sources, one line for each act: changes, builds, deployments, backups, certificates, verdicts and incidents. Single reads, pods and the like, of which there are very many, are left out here; the records have them.")
	p.timeline(p.doc.Timeline, false)
}
