package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	Demo      bool            `json:"demonstration,omitempty"`
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
	return tellIncidents(c.page(q.style), lines, p.Closed)
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
		var candidate time.Time
		if inc.Closed.IsZero() {
			if candidate, err = incident.FirstSign(ctx, r, inc, a.q.now); err != nil {
				return nil, err
			}
		}
		clocks, _, err := notice.Clocks(inc, a.Calendars(), candidate, a.q.now)
		if err != nil {
			return nil, err
		}
		if !inc.Closed.IsZero() {
			clocks = slices.DeleteFunc(clocks, func(k deadline.Clock) bool { return !notice.Outlasts(inc, &k) })
		}
		l := IncidentLine{Tenant: a.q.tenant, ID: inc.ID, Reference: inc.Fields.Identity.Reference, Declared: inc.Declared, Closed: inc.Closed,
			Part: inc.Part, Summary: inc.Fields.Narrative.Summary, Next: urgent(clocks, a.q.now), Demo: r.Simulated()}
		if !inc.Closed.IsZero() && !a.p.Closed && !l.ahead() {
			continue
		}
		for _, law := range incident.Laws {
			if d, ok := inc.Decided(law); ok {
				l.Decided = append(l.Decided, law+": "+d.Decision)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// ahead reports whether a limit is still to be kept.
func (l *IncidentLine) ahead() bool {
	return l.Next != nil && (l.Next.State == deadline.Running || l.Next.State == deadline.PastSafe)
}

func tellIncidents(p *page, lines []IncidentLine, closed bool) error {
	open := 0
	for _, l := range lines {
		if l.Closed.IsZero() {
			open++
		}
	}
	head := fmt.Sprintf("%s %s open.", reports.Count(open, "incident"), reports.Are(open))
	switch shut := len(lines) - open; {
	case closed:
		head += fmt.Sprintf(" %d closed.", shut)
	case shut > 0:
		head += fmt.Sprintf(" %d closed, with a limit ahead.", shut)
	}
	p.Headline(head, slices.ContainsFunc(lines, func(l IncidentLine) bool { return l.Demo }))
	if len(lines) == 0 {
		return p.Err()
	}
	t := reports.Table{Columns: []reports.Column{{Title: "TENANT"}, {Title: "ID", Keep: true}, {Title: "DECLARED (UTC)", Keep: true}, {Title: "NEXT", Keep: true}, {Title: "BY (UTC)", Keep: true}, {Title: "WHAT"}}}
	for _, l := range lines {
		next, by := "nothing", ""
		switch {
		case !l.Closed.IsZero() && !l.ahead():
			next = "closed"
		case l.Next != nil && l.Next.State == deadline.NoReceipt:
			next = string(l.Next.Stage) + " no receipt"
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
	p.Table(&t)
	return p.Err()
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
	r, err = a.sealAsked(ctx, r, evidence.Period{}, a.p.Purpose)
	return r, inc, err
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
	candidate, err := incident.FirstSign(ctx, r, inc, a.q.now)
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
		if !k.IsOpen() && k.State != deadline.NoReceipt && k.State != deadline.Voluntary {
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
