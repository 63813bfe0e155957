package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
)

func (a *acting) tell(v *IncidentView, inc *incident.Incident) error {
	p := a.page(a.q.style)
	p.Para("", a.clockHead(inc, v.Clocks))
	if v.Demo {
		p.Para("", reports.Demonstration)
	}
	state := "open"
	if !v.Closed.IsZero() {
		state = "closed " + cli.SayTime(v.Closed, a.q.zone)
	}
	what := ""
	if v.Part {
		what = ", part of a platform incident"
	}
	p.Para("", fmt.Sprintf("Incident %s of %s%s: declared %s, %s, as known at log size %d.", v.ID, v.Tenant, what, cli.SayTime(v.Declared, a.q.zone), state, v.Size))
	if s := inc.Fields.Narrative.Summary; s != "" {
		p.Para("", s)
	}
	a.tellMoments(p, v)
	for _, x := range v.Affected {
		p.Para("AFFECTED   ", fmt.Sprintf("%s, its own incident %s", x.Tenant, x.ID))
	}
	p.Line("")
	a.clockTable(p, inc, v.Clocks)
	a.tellOpen(p, v)
	a.tellContacts(p, v)
	for _, path := range slices.Sorted(maps.Keys(v.Filled)) {
		p.Para("EVIDENCE   ", fmt.Sprintf("%s: records %s", path, numbers(v.Filled[path])))
	}
	for _, path := range slices.Sorted(maps.Keys(v.Lost)) {
		p.PaintedPara(a.q.style.Warn("LOST       "), a.q.style.Warn, fmt.Sprintf("%s cannot be opened any more: %s", path, v.Lost[path]))
	}
	for _, n := range v.Notes {
		p.Para("note: ", n)
	}
	p.Line("")
	t := reports.Table{Columns: []reports.Column{{Title: "RECORD"}, {Title: "TIME (UTC)", Keep: true}, {Title: "BY", Keep: true}, {Title: "WHAT"}}}
	for _, x := range v.Acts {
		t.Row(fmt.Sprint(x.Record), x.At.UTC().Format("2 Jan 2006 15:04:05"), x.By, x.Says+because(x.Reason))
	}
	p.Table(&t)
	return p.Err()
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reports.Shorten(reason, 160) + ")"
}

func numbers(ns []uint64) string {
	var ss []string
	for i, n := range ns {
		if i == 12 {
			ss = append(ss, fmt.Sprintf("and %d more", len(ns)-i))
			break
		}
		ss = append(ss, fmt.Sprint(n))
	}
	return strings.Join(ss, ", ")
}

// tellMoments tells the four moments: occurrence, detection, awareness,
// classification, each with when it was recorded.
func (a *acting) tellMoments(p *page, v *IncidentView) {
	t := v.Fields.Times
	for _, m := range []struct {
		what, path string
		at         time.Time
	}{{"occurred", "times.occurred", t.Occurred}, {"detected", "times.detected", t.Detected}, {"resolved", "times.resolved", t.Resolved}} {
		said := "not known"
		if !m.at.IsZero() {
			said = fmt.Sprintf("%s  (record %d)", cli.SayTime(m.at, a.q.zone), v.Set[m.path])
		}
		if m.what != "resolved" || !m.at.IsZero() {
			p.Para(fmt.Sprintf("%-10s ", strings.ToUpper(m.what)), said)
		}
	}
	for _, law := range incident.Laws {
		ms := v.Aware[law]
		if len(ms) == 0 {
			continue
		}
		m := ms[len(ms)-1]
		p.Para("AWARE      ", fmt.Sprintf("%s: %s, recorded %s  (record %d)", law, cli.SayTime(m.At, a.q.zone), cli.SayTime(m.Acted, a.q.zone), m.Record))
		for _, c := range m.Candidates {
			p.Para("           ", fmt.Sprintf("earlier candidate %s, %s (record %d); reason given: %s", cli.SayTime(c.At, a.q.zone), c.What, c.Seq, m.Reason))
		}
	}
	for _, d := range v.Decisions {
		head, said := "DECIDED    ", d.Decision
		if said == "" {
			head, said = "LOOKED     ", "nobody decided"
		}
		by := ""
		if d.Decided != "" {
			by = " by " + d.Decided
		}
		p.Para(head, fmt.Sprintf("%s: %s%s, %s, recorded %s; the procedure says %s (record %d)%s", d.Law, said, by, cli.SayTime(d.At, a.q.zone), cli.SayTime(d.Acted, a.q.zone), d.Procedure, d.Record, because(d.Reason)))
	}
}

// newItems leaves out what an earlier stage told already.
func newItems(open []notice.Open, told map[string]bool) (more []notice.Open, before int) {
	for _, o := range open {
		if key := o.Number + o.Name; told[key] {
			before++
		} else {
			told[key] = true
			more = append(more, o)
		}
	}
	return more, before
}

func (a *acting) tellOpen(p *page, v *IncidentView) {
	told := map[string]bool{}
	for _, stage := range deadline.Stages {
		open := v.Open[stage]
		if len(open) == 0 {
			continue
		}
		p.Line("")
		more, before := newItems(open, told)
		head := fmt.Sprintf("%s lacks %s", stage, plural(len(open), "item"))
		if before > 0 {
			head += fmt.Sprintf(", %d of them told above", before)
		}
		p.Line(a.q.style.Bold(head))
		if len(more) == 0 {
			continue
		}
		t := reports.Table{Columns: []reports.Column{{Title: "NO", Keep: true}, {Title: "ITEM"}, {Title: "SET", Keep: true}, {Title: "WHY"}}}
		for _, o := range more {
			set := strings.Join(o.Fields, " or ")
			if o.How != "" {
				set = "evidenced incident " + o.How
			}
			t.Row(o.Number, o.Name, set, o.Why)
		}
		p.Table(&t)
	}
}

func (a *acting) tellContacts(p *page, v *IncidentView) {
	for _, place := range incident.Places {
		c, ok := v.Contacts[place]
		if !ok {
			continue
		}
		said := strings.Join([]string{c.Name, c.Mail, c.Phone}, ", ")
		if c.Lost {
			said = c.Name + ": erased, name another contact"
		}
		p.Para("CONTACT    ", place+": "+said)
	}
}

// text tells what an act left.
func (r *Acted) text(p *page) error {
	for _, s := range r.Says {
		p.Line(reports.Terminal(s))
	}
	if w := r.Working; w != nil {
		w.text(p)
	}
	if len(r.Records) > 0 {
		p.Line(fmt.Sprintf("in the log of %s, %s", r.Tenant, recordsOf(r.Records)))
	}
	for _, x := range r.Parts {
		p.Line(fmt.Sprintf("part in %s: incident %s, %s", x.Tenant, x.ID, recordsOf(x.Records)))
	}
	return p.Err()
}

func recordsOf(seqs []uint64) string {
	if len(seqs) == 1 {
		return fmt.Sprintf("record %d", seqs[0])
	}
	return "records " + numbers(seqs)
}

func (w *Working) text(p *page) {
	head := "The procedure says " + w.Outcome + "."
	if len(w.Missing) > 0 {
		head = "It cannot be decided yet, missing: " + strings.Join(w.Missing, ", ") + "."
		switch { // a person has decided
		case w.Decision != "" && w.Law == "gdpr":
			head = "Nothing is computed: the risk to people is a person's decision."
		case w.Decision != "":
			head = "By the procedure it could not be decided yet, missing: " + strings.Join(w.Missing, ", ") + "."
		}
	}
	p.Para("", head)
	for _, s := range w.Steps {
		p.Para(fmt.Sprintf("%-8s %-27s ", s.Answer, s.Rule), s.Asks+": "+s.Why)
	}
	for _, o := range w.Offered {
		line := fmt.Sprintf("%s: %s", o.What, o.Value)
		if len(o.Records) > 0 {
			line += fmt.Sprintf(" (%s: %s)", plural(o.Count, "record"), numbers(o.Records))
		}
		if o.Limits != "" {
			line += "; " + o.Limits
		}
		p.Para("EVIDENCE   ", line)
	}
	p.Line(w.Version + ". The evidence stands beside; a person decides.")
}
