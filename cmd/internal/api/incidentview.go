package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
)

// IncidentLine is an incident in a list.
type IncidentLine struct {
	Tenant    evidence.Tenant `json:"tenant"`
	ID        string          `json:"id"`
	Reference string          `json:"reference,omitempty"`
	Declared  time.Time       `json:"declared"`
	Closed    time.Time       `json:"closed,omitzero"`
	Part      bool            `json:"part,omitempty"`
	Decided   []string        `json:"decided,omitempty"`
	Next      *deadline.Clock `json:"next,omitempty"` // the most urgent open clock
	Summary   string          `json:"summary,omitempty"`
}

// IncidentView is what is known of one incident.
type IncidentView struct {
	Tenant    evidence.Tenant                  `json:"tenant"`
	ID        string                           `json:"id"`
	Size      uint64                           `json:"log_size"`
	Demo      bool                             `json:"demonstration,omitempty"`
	Declared  time.Time                        `json:"declared"`
	Closed    time.Time                        `json:"closed,omitzero"`
	Part      bool                             `json:"part,omitempty"`
	Affected  []evidence.IncidentPart          `json:"affected,omitempty"`
	Fields    incident.Fields                  `json:"fields"`
	Set       map[string]uint64                `json:"set_by,omitempty"`
	Filled    map[string][]uint64              `json:"filled_from,omitempty"`
	Lost      map[string]string                `json:"lost,omitempty"`
	Aware     map[string][]ViewedMoment        `json:"aware,omitempty"`
	Decisions []ViewedDecision                 `json:"decisions,omitempty"`
	Contacts  map[string]ViewedContact         `json:"contacts,omitempty"`
	Clocks    []deadline.Clock                 `json:"clocks"`
	Open      map[deadline.Stage][]notice.Open `json:"open_items"`
	Notices   []ViewedNotice                   `json:"notices,omitempty"`
	Notes     []string                         `json:"notes,omitempty"`
	Acts      []ViewedAct                      `json:"acts"`
}

// ViewedMoment, ViewedDecision, ViewedNotice and ViewedAct are acts with their
// records.
type ViewedMoment struct {
	evidence.IncidentMomentFacts
	Record uint64    `json:"record"`
	Acted  time.Time `json:"recorded"`
	Reason string    `json:"reason,omitempty"`
}

// ViewedDecision is a classification.
type ViewedDecision struct {
	evidence.IncidentDecisionFacts
	Record  uint64    `json:"record"`
	Acted   time.Time `json:"recorded"`
	Reason  string    `json:"reason,omitempty"`
	Decided string    `json:"decided_by,omitempty"`
}

// ViewedNotice is an act on a notification.
type ViewedNotice struct {
	evidence.IncidentNoticeFacts
	Record uint64    `json:"record"`
	Acted  time.Time `json:"recorded"`
	Reason string    `json:"reason,omitempty"`
}

// ViewedContact is whom to call.
type ViewedContact struct {
	Name  string `json:"name"`
	Mail  string `json:"mail,omitempty"`
	Phone string `json:"phone,omitempty"`
	Team  bool   `json:"team,omitempty"`
	Lost  bool   `json:"lost,omitempty"`
}

// ViewedAct is one record of the incident.
type ViewedAct struct {
	Record uint64        `json:"record"`
	Kind   evidence.Kind `json:"kind"`
	At     time.Time     `json:"recorded"`
	By     string        `json:"by"`
	Says   string        `json:"says"`
	Reason string        `json:"reason,omitempty"`
}

// listIncidents answers over one tenant, or over all.
func (c *call) listIncidents(ctx context.Context, p IncidentParams) error {
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return err
	}
	lines := []IncidentLine{}
	for _, t := range ts {
		q.tenant = t
		a := &acting{call: c, q: q, p: p}
		more, err := a.lines(ctx)
		if err != nil {
			return err
		}
		lines = append(lines, more...)
	}
	if p.JSON {
		return c.document(map[string]any{"incidents": lines})
	}
	return tellIncidents(&page{w: c.begin(MediaText)}, lines, q, p.Closed)
}

func (a *acting) lines(ctx context.Context) ([]IncidentLine, error) {
	r, err := a.Reader(ctx, a.q.tenant)
	if err != nil {
		return nil, err
	}
	all, err := incident.List(ctx, r)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if err := a.sealRead(ctx, a.q.tenant); err != nil {
		return nil, err
	}
	var out []IncidentLine
	for _, inc := range all {
		if !inc.Closed.IsZero() && !a.p.Closed {
			continue
		}
		candidate, err := a.candidate(ctx, r, inc)
		if err != nil {
			return nil, err
		}
		clocks, _, err := notice.Clocks(inc, a.Calendars(), candidate, a.q.now)
		if err != nil {
			return nil, err
		}
		l := IncidentLine{Tenant: a.q.tenant, ID: inc.ID, Reference: inc.Fields.Identity.Reference, Declared: inc.Declared, Closed: inc.Closed,
			Part: inc.Part, Summary: inc.Fields.Narrative.Summary, Next: urgent(clocks)}
		for _, law := range incident.Laws {
			if d, ok := inc.Decided(law); ok {
				l.Decided = append(l.Decided, law+": "+d.Decision)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// urgency orders the states of open clocks.
var urgency = map[deadline.State]int{
	deadline.Overdue: 1, deadline.PastSafe: 2, deadline.NoReceipt: 3, deadline.Owed: 4, deadline.Running: 5, deadline.Waiting: 6,
}

// urgent returns the open clock that needs somebody first.
func urgent(clocks []deadline.Clock) *deadline.Clock {
	var best *deadline.Clock
	for i := range clocks {
		k := &clocks[i]
		if !k.IsOpen() {
			continue
		}
		if best == nil || urgency[k.State] < urgency[best.State] || urgency[k.State] == urgency[best.State] && k.Due.Safe.Before(best.Due.Safe) {
			best = k
		}
	}
	return best
}

func tellIncidents(p *page, lines []IncidentLine, q *question, closed bool) error {
	open := 0
	for _, l := range lines {
		if l.Closed.IsZero() {
			open++
		}
	}
	head := fmt.Sprintf("%s open.", plural(open, "incident"))
	if open != 1 {
		head = fmt.Sprintf("%d incidents are open.", open)
	}
	if closed {
		head += fmt.Sprintf(" %d closed.", len(lines)-open)
	}
	p.line(head)
	if len(lines) == 0 {
		return p.err
	}
	t := reports.Table{Columns: []reports.Column{{Title: "TENANT"}, {Title: "ID", Keep: true}, {Title: "DECLARED (UTC)", Keep: true}, {Title: "NEXT", Keep: true}, {Title: "BY"}, {Title: "WHAT"}}}
	for _, l := range lines {
		next, by := "nothing", ""
		switch {
		case !l.Closed.IsZero():
			next = "closed"
		case l.Next != nil:
			next = string(l.Next.Stage) + " " + word(l.Next.State)
			if !l.Next.Due.Safe.IsZero() {
				by = l.Next.Due.Safe.Format("2 Jan 15:04")
			}
		}
		what := l.Summary
		if what == "" {
			what = l.Reference
		}
		if l.Part {
			what = strings.TrimSpace("(part of a platform incident) " + what)
		}
		t.Row(l.Tenant.String(), l.ID, l.Declared.UTC().Format("2 Jan 2006 15:04"), next, by, reports.FirstLine(what, 80))
	}
	if p.err == nil {
		p.err = t.Write(p.w, q.style)
	}
	return p.err
}

// word says a clock's state as people do.
func word(s deadline.State) string {
	switch s {
	case deadline.NoReceipt:
		return "sent, no receipt"
	case deadline.MetLate:
		return "met, late"
	case deadline.PastSafe:
		return "past safe"
	case deadline.Void:
		return "not owed"
	}
	return string(s)
}

// load reads the incident for an answer, which is sealed before it is given.
func (a *acting) load(ctx context.Context) (evidence.Reader, *incident.Incident, error) {
	if a.p.ID == "" {
		return nil, nil, missingID(a.q.tenant)
	}
	r, err := a.Reader(ctx, a.q.tenant)
	if err != nil {
		return nil, nil, err
	}
	inc, err := incident.Load(ctx, r, a.p.ID)
	if err != nil {
		return nil, nil, err
	}
	read := evidence.ReadFacts{Command: a.op, Via: a.Via, UID: a.UID, Size: r.Size(), Purpose: a.p.Purpose}
	if err := a.Read(ctx, a.q.tenant, read); err != nil {
		return nil, nil, fmt.Errorf("seal who asked, before the answer: %w", err)
	}
	return r, inc, nil
}

// clocks tells every clock of the incident.
func (a *acting) clocks(ctx context.Context) error {
	r, inc, err := a.load(ctx)
	if err != nil {
		return err
	}
	candidate, err := a.candidate(ctx, r, inc)
	if err != nil {
		return err
	}
	clocks, notes, err := notice.Clocks(inc, a.Calendars(), candidate, a.q.now)
	if err != nil {
		return err
	}
	if a.p.JSON {
		return a.document(map[string]any{"tenant": a.q.tenant, "id": inc.ID, "now": a.q.now, "calendars": a.Calendars().Version(), "clocks": clocks, "notes": notes})
	}
	p := &page{w: a.begin(MediaText)}
	if r.Simulated() {
		p.line(reports.Demonstration)
	}
	p.line(a.clockHead(inc, clocks))
	a.clockTable(p, inc, clocks)
	a.clockRules(p, clocks)
	for _, n := range notes {
		p.line("note: " + reports.Terminal(n))
	}
	if len(clocks) > 0 {
		p.para("", "Calendars: "+a.Calendars().Version()+". Rules marked * were not read at their source. The law's text wins; the entity decides and submits.", a.q.style)
	}
	return p.err
}

// clockHead is the first line: what needs somebody first.
func (a *acting) clockHead(inc *incident.Incident, clocks []deadline.Clock) string {
	if len(clocks) == 0 {
		return fmt.Sprintf("No clock runs for incident %s: set reporter.roles, or declare awareness under a law.", inc.ID)
	}
	k := urgent(clocks)
	if k == nil {
		return fmt.Sprintf("Nothing is owed for incident %s now.", inc.ID)
	}
	if k.Stage == deadline.DORAInitial && len(k.Notes) > 0 && k.Sent.IsZero() && (k.State == deadline.Running || k.State == deadline.PastSafe) {
		if _, major := inc.Major(); !major {
			return fmt.Sprintf("dora.initial waits for the classification: 4 h from it, and within 24 h of awareness (%s) if that is not over.", cli.SayTime(k.Due.Safe, a.q.zone))
		}
	}
	switch k.State {
	case deadline.Overdue:
		return fmt.Sprintf("%s is OVERDUE since %s.", k.Stage, cli.SayTime(k.Due.Latest, a.q.zone))
	case deadline.PastSafe:
		return fmt.Sprintf("%s is past its number of hours; the most that is allowed is %s (%s left).", k.Stage, a.end(inc, k.Due), left(k.Due.Latest.Sub(a.q.now)))
	case deadline.NoReceipt:
		return fmt.Sprintf("%s was sent and has no receipt: it is not met.", k.Stage)
	case deadline.Owed:
		return fmt.Sprintf("%s is owed without undue delay since %s.", k.Stage, cli.SayTime(k.From, a.q.zone))
	case deadline.Waiting:
		return fmt.Sprintf("%s waits for %s.", k.Stage, k.Start)
	}
	return fmt.Sprintf("%s is next, by %s (%s left).", k.Stage, cli.SayTime(k.Due.Safe, a.q.zone), left(k.Due.Safe.Sub(a.q.now)))
}

// zoneOf is where the authority's days end.
func (a *acting) zoneOf(inc *incident.Incident) *time.Location {
	rep := inc.Fields.Reporter
	if rep.Zone != "" {
		if z, err := time.LoadLocation(rep.Zone); err == nil {
			return z
		}
	}
	if z, err := a.Calendars().Zone(rep.State); rep.State != "" && err == nil {
		return z
	}
	return time.UTC
}

// end says a latest instant in the authority's zone; the end of a day is that
// day's.
func (a *acting) end(inc *incident.Incident, d deadline.Due) string {
	z := a.zoneOf(inc)
	if d.EndOfDay {
		return d.Latest.In(z).Add(-time.Nanosecond).Format("Mon 2 Jan 2006") + " 24:00"
	}
	return d.Latest.In(z).Format("Mon 2 Jan 2006 15:04")
}

func left(d time.Duration) string {
	switch h := int(d / time.Hour); {
	case d < 0:
		return "none"
	case h >= 48:
		return fmt.Sprintf("%d d %d h", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%d h %02d min", h, int(d/time.Minute)%60)
	}
	return fmt.Sprintf("%d min", int(d/time.Minute))
}

func (a *acting) clockTable(p *page, inc *incident.Incident, clocks []deadline.Clock) {
	if len(clocks) == 0 || p.err != nil {
		return
	}
	z := a.zoneOf(inc)
	t := reports.Table{Columns: []reports.Column{{Title: "STAGE", Keep: true}, {Title: "STATE", Keep: true},
		{Title: "SAFE (" + z.String() + ")", Keep: true}, {Title: "LATEST", Keep: true}, {Title: "LEFT", Keep: true}, {Title: "SENT", Keep: true}}}
	for i := range clocks {
		k := &clocks[i]
		safe, latest, rest, sent := "", "", "", ""
		if !k.Due.Safe.IsZero() {
			safe, latest = k.Due.Safe.In(z).Format("Mon 2 Jan 2006 15:04"), a.end(inc, k.Due)
			if k.Sent.IsZero() && k.IsOpen() {
				rest = left(k.Due.Safe.Sub(a.q.now))
			}
		} else if k.State == deadline.Owed {
			safe = "at once"
		}
		if !k.Sent.IsZero() {
			sent = k.Sent.In(z).Format("Mon 2 Jan 2006 15:04")
		}
		state := word(k.State)
		if k.Late && k.State == deadline.NoReceipt {
			state += ", late"
		}
		paint := map[deadline.State]func(string) string{deadline.Overdue: a.q.style.Bad, deadline.PastSafe: a.q.style.Warn, deadline.NoReceipt: a.q.style.Warn, deadline.Void: a.q.style.Dim}[k.State]
		t.PaintedRow(paint, string(k.Stage), state, safe, latest, rest, sent)
	}
	p.err = t.Write(p.w, a.q.style)
}

// clockRules names the rules of each limit.
func (a *acting) clockRules(p *page, clocks []deadline.Clock) {
	p.line("")
	for _, k := range clocks {
		if k.State == deadline.Void || k.State == deadline.OnRequest {
			continue
		}
		rules := make([]string, 0, len(k.Due.Rules)+1)
		switch {
		case k.State == deadline.Waiting:
			rules = append(rules, "waits for "+k.Start)
		default:
			rules = append(rules, "from "+cli.SayTime(k.From, a.q.zone)+", "+k.Start)
		}
		for _, r := range k.Due.Rules {
			mark := ""
			if r.Unverified {
				mark = "*"
			}
			rules = append(rules, r.Article+mark+" "+r.Says)
		}
		if len(k.Due.Rules) == 0 {
			rules = append(rules, k.Article+" "+k.Says)
		}
		p.para(fmt.Sprintf("%-18s ", k.Stage), strings.Join(rules, "; "), a.q.style)
		for _, n := range k.Notes {
			p.para("                   ", "note: "+n, a.q.style)
		}
		if !k.Delay.IsZero() {
			p.line("                   the authority was told of the delay " + cli.SayTime(k.Delay, a.q.zone))
		}
	}
}

// show tells all that is known.
func (a *acting) show(ctx context.Context) error {
	r, inc, err := a.load(ctx)
	if err != nil {
		return err
	}
	v, err := a.view(ctx, r, inc)
	if err != nil {
		return err
	}
	if a.p.JSON {
		return a.document(v)
	}
	return a.tell(v, inc)
}

func (a *acting) view(ctx context.Context, r evidence.Reader, inc *incident.Incident) (*IncidentView, error) {
	candidate, err := a.candidate(ctx, r, inc)
	if err != nil {
		return nil, err
	}
	v := &IncidentView{
		Tenant: a.q.tenant, ID: inc.ID, Size: inc.Size, Demo: r.Simulated(), Declared: inc.Declared, Closed: inc.Closed, Part: inc.Part, Affected: inc.Affected,
		Fields: inc.Fields, Set: inc.Set, Filled: inc.Filled, Lost: inc.Lost, Aware: map[string][]ViewedMoment{}, Contacts: map[string]ViewedContact{},
		Open: map[deadline.Stage][]notice.Open{},
	}
	if v.Clocks, v.Notes, err = notice.Clocks(inc, a.Calendars(), candidate, a.q.now); err != nil {
		return nil, err
	}
	for _, k := range v.Clocks {
		if !k.IsOpen() && k.State != deadline.NoReceipt {
			continue
		}
		if open := notice.OpenItems(inc, k.Stage); len(open) > 0 {
			v.Open[k.Stage] = open
		}
	}
	for law, ms := range inc.Aware {
		for _, m := range ms {
			v.Aware[law] = append(v.Aware[law], ViewedMoment{m.IncidentMomentFacts, m.Seq, m.Acted, m.Reason})
		}
	}
	people := reports.NewPeople(r)
	for _, d := range inc.Decisions {
		vd := ViewedDecision{d.IncidentDecisionFacts, d.Seq, d.Acted, d.Reason, ""}
		if !d.Decider.Token.IsZero() {
			who, err := people.Party(ctx, d.Decider)
			if err != nil {
				return nil, err
			}
			vd.Decided = who.Label
		}
		v.Decisions = append(v.Decisions, vd)
	}
	for place, c := range inc.Contacts {
		id, err := r.Identity(ctx, c.Person.Token)
		if err != nil {
			return nil, err
		}
		vc := ViewedContact{Name: id.Names.Display, Mail: id.Names.Mail, Phone: c.Phone, Team: c.Team, Lost: c.Lost || id.Erased}
		if id.Erased {
			vc.Name = id.Label()
		}
		v.Contacts[place] = vc
	}
	for _, n := range inc.Notices {
		v.Notices = append(v.Notices, ViewedNotice{n.IncidentNoticeFacts, n.Seq, n.Acted, n.Reason})
	}
	for _, x := range inc.Acts {
		v.Acts = append(v.Acts, ViewedAct{x.Seq, x.Kind, x.At, x.By, x.Says, x.Reason})
	}
	return v, nil
}

func (a *acting) tell(v *IncidentView, inc *incident.Incident) error {
	p := &page{w: a.begin(MediaText)}
	if v.Demo {
		p.line(reports.Demonstration)
	}
	p.line(a.clockHead(inc, v.Clocks))
	state := "open"
	if !v.Closed.IsZero() {
		state = "closed " + cli.SayTime(v.Closed, a.q.zone)
	}
	what := ""
	if v.Part {
		what = ", part of a platform incident"
	}
	p.line(fmt.Sprintf("Incident %s of %s%s: declared %s, %s, as known at log size %d.", v.ID, v.Tenant, what, cli.SayTime(v.Declared, a.q.zone), state, v.Size))
	if s := inc.Fields.Narrative.Summary; s != "" {
		p.para("", s, a.q.style)
	}
	a.tellMoments(p, v)
	for _, x := range v.Affected {
		p.line(fmt.Sprintf("AFFECTED   %s, its own incident %s", x.Tenant, x.ID))
	}
	p.line("")
	a.clockTable(p, inc, v.Clocks)
	a.tellOpen(p, v)
	a.tellContacts(p, v)
	for _, path := range slices.Sorted(maps.Keys(v.Filled)) {
		p.para("EVIDENCE   ", fmt.Sprintf("%s: records %s", path, numbers(v.Filled[path])), a.q.style)
	}
	for _, path := range slices.Sorted(maps.Keys(v.Lost)) {
		p.line(a.q.style.Warn(reports.Terminal(fmt.Sprintf("LOST       %s cannot be opened any more: %s", path, v.Lost[path]))))
	}
	for _, n := range v.Notes {
		p.line("note: " + reports.Terminal(n))
	}
	p.line("")
	for _, x := range v.Acts {
		p.para(fmt.Sprintf("%-10d %s  %-9s ", x.Record, x.At.UTC().Format("2 Jan 2006 15:04:05"), x.By), x.Says+because(x.Reason), a.q.style)
	}
	return p.err
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
			p.line(fmt.Sprintf("%-10s %s", strings.ToUpper(m.what), said))
		}
	}
	for _, law := range incident.Laws {
		ms := v.Aware[law]
		if len(ms) == 0 {
			continue
		}
		m := ms[len(ms)-1]
		p.line(fmt.Sprintf("AWARE      %s: %s, recorded %s  (record %d)", law, cli.SayTime(m.At, a.q.zone), cli.SayTime(m.Acted, a.q.zone), m.Record))
		for _, c := range m.Candidates {
			p.para("           ", fmt.Sprintf("earlier candidate %s, %s (record %d); reason given: %s", cli.SayTime(c.At, a.q.zone), c.What, c.Seq, m.Reason), a.q.style)
		}
	}
	for _, d := range v.Decisions {
		said := d.Decision
		if said == "" {
			said = "not decided"
		}
		by := ""
		if d.Decided != "" {
			by = " by " + d.Decided
		}
		p.para("DECIDED    ", fmt.Sprintf("%s: %s%s, %s, recorded %s; the procedure says %s (record %d)%s", d.Law, said, by, cli.SayTime(d.At, a.q.zone), cli.SayTime(d.Acted, a.q.zone), d.Procedure, d.Record, because(d.Reason)), a.q.style)
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
		p.line("")
		more, before := newItems(open, told)
		head := fmt.Sprintf("%s lacks %s", stage, plural(len(open), "item"))
		if before > 0 {
			head += fmt.Sprintf(", %d of them told above", before)
		}
		p.line(a.q.style.Bold(head))
		if len(more) == 0 {
			continue
		}
		t := reports.Table{Columns: []reports.Column{{Title: "NO", Keep: true}, {Title: "ITEM"}, {Title: "SET", Max: 44}, {Title: "WHY"}}}
		for _, o := range more {
			set := strings.Join(o.Fields, " or ")
			if o.How != "" {
				set = "evidenced incident " + o.How
			}
			t.Row(o.Number, o.Name, set, o.Why)
		}
		if p.err == nil {
			p.err = t.Write(p.w, a.q.style)
		}
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
		p.para("CONTACT    ", place+": "+said, a.q.style)
	}
}

// text tells what an act left.
func (r *Acted) text(p *page, q *question) error {
	for _, s := range r.Says {
		p.line(reports.Terminal(s))
	}
	if w := r.Working; w != nil {
		w.text(p, q)
	}
	if len(r.Records) > 0 {
		p.line(fmt.Sprintf("in the log of %s, %s", r.Tenant, recordsOf(r.Records)))
	}
	for _, x := range r.Parts {
		p.line(fmt.Sprintf("part in %s: incident %s, %s", x.Tenant, x.ID, recordsOf(x.Records)))
	}
	return p.err
}

func recordsOf(seqs []uint64) string {
	if len(seqs) == 1 {
		return fmt.Sprintf("record %d", seqs[0])
	}
	return "records " + numbers(seqs)
}

func (w *Working) text(p *page, q *question) {
	head := "The procedure says " + w.Outcome + "."
	if len(w.Missing) > 0 {
		head = "It cannot be decided yet, missing: " + strings.Join(w.Missing, ", ") + "."
	}
	p.para("", head, q.style)
	for _, s := range w.Steps {
		p.para(fmt.Sprintf("%-8s %-27s ", s.Answer, s.Rule), s.Asks+": "+s.Why, q.style)
	}
	for _, o := range w.Offered {
		line := fmt.Sprintf("%s: %s", o.What, o.Value)
		if len(o.Records) > 0 {
			line += fmt.Sprintf(" (%s: %s)", plural(o.Count, "record"), numbers(o.Records))
		}
		if o.Limits != "" {
			line += "; " + o.Limits
		}
		p.para("EVIDENCE   ", line, q.style)
	}
	p.line(w.Version + ". The evidence stands beside; a person decides.")
}
