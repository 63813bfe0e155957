package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
)

// urgency orders the states of open clocks.
var urgency = map[deadline.State]int{
	deadline.Overdue: 1, deadline.PastSafe: 2, deadline.NoReceipt: 4, deadline.Owed: 5, deadline.Running: 6, deadline.Waiting: 7,
}

// pressing is how near a limit is when it goes before receipts and before what has
// no number: limits that laws count in hours are at most as long.
const pressing = 72 * time.Hour

func urgencyOf(k *deadline.Clock, now time.Time) int {
	if k.State == deadline.Running && k.Due.Safe.Sub(now) <= pressing {
		return 3
	}
	return urgency[k.State]
}

// urgent returns the open clock that needs somebody first.
func urgent(clocks []deadline.Clock, now time.Time) *deadline.Clock {
	var best *deadline.Clock
	for i := range clocks {
		k := &clocks[i]
		if !k.IsOpen() {
			continue
		}
		if best == nil {
			best = k
			continue
		}
		switch u, least := urgencyOf(k, now), urgencyOf(best, now); {
		case u < least, u == least && k.Due.Safe.Before(best.Due.Safe):
			best = k
		}
	}
	return best
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

// clocks tells every clock of the incident.
func (a *acting) clocks(ctx context.Context) error {
	r, inc, err := a.load(ctx)
	if err != nil {
		return err
	}
	candidate, err := incident.FirstSign(ctx, r, inc, a.q.now)
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
	p := a.page(a.q.style)
	p.Para("", a.clockHead(inc, clocks))
	if r.Simulated() {
		p.Para("", reports.Demonstration)
	}
	a.clockTable(p, inc, clocks)
	a.clockRules(p, clocks)
	for _, n := range notes {
		p.Para("note: ", n)
	}
	if len(clocks) > 0 {
		p.Para("", "Calendars: "+a.Calendars().Version()+". Rules marked * were not read at their source. The law's text wins; the entity decides and submits.")
	}
	return p.Err()
}

// clockHead is the first line: what needs somebody first.
func (a *acting) clockHead(inc *incident.Incident, clocks []deadline.Clock) string {
	if len(clocks) == 0 {
		return fmt.Sprintf("No clock runs for incident %s: set reporter.roles, or declare awareness under a law.", inc.ID)
	}
	k := urgent(clocks, a.q.now)
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
		since := ""
		if k.Provisional {
			since = " That counts from the earliest sign on record: nobody has declared since when the entity is aware."
		}
		return fmt.Sprintf("%s is OVERDUE since %s.%s", k.Stage, cli.SayTime(k.Due.Latest, a.q.zone), since)
	case deadline.PastSafe:
		return fmt.Sprintf("%s is past its number of hours; the most that is allowed is %s (%s left).", k.Stage, a.most(inc, k.Due), left(k.Due.Latest.Sub(a.q.now)))
	case deadline.NoReceipt:
		return fmt.Sprintf("%s was sent and has no receipt: it is not met.", k.Stage)
	case deadline.Owed:
		return fmt.Sprintf("%s is owed without undue delay since %s.", k.Stage, cli.SayTime(k.From, a.q.zone))
	case deadline.Waiting:
		return fmt.Sprintf("%s waits for %s.", k.Stage, k.Start)
	}
	return fmt.Sprintf("%s is next, by %s (%s left).", k.Stage, cli.SayTime(k.Due.Safe, a.q.zone), left(k.Due.Safe.Sub(a.q.now)))
}

// limits says what of a law, or of all where none is named, must be sent, and by when,
// as the incident stands after an act.
func (a *acting) limits(ctx context.Context, id, law string) ([]string, error) {
	r, err := a.Reader(ctx, a.q.tenant)
	if err != nil {
		return nil, err
	}
	inc, err := incident.Load(ctx, r, id)
	if err != nil {
		return nil, err
	}
	clocks, _, err := notice.Clocks(inc, a.Calendars(), time.Time{}, a.q.now)
	if err != nil {
		return nil, err
	}
	_, major := inc.Major()
	var says []string
	for i := range clocks {
		k := &clocks[i]
		switch {
		case law != "" && string(k.Law) != law, !k.IsOpen(), !k.Sent.IsZero():
		case k.State == deadline.Owed:
			says = append(says, fmt.Sprintf("%s is owed without undue delay", k.Stage))
		case k.Due.Safe.IsZero(): // it waits
		case !inc.Closed.IsZero() && !notice.Outlasts(inc, k):
		case k.Stage == deadline.DORAInitial && !major:
			says = append(says, fmt.Sprintf("dora.initial waits for the classification: 4 h run from it, within 24 h of awareness, which end %s; next: %s --law dora",
				cli.SayTime(k.Due.Safe, a.q.zone), inc.Command("classify")))
		case k.State == deadline.Overdue:
			says = append(says, fmt.Sprintf("%s is OVERDUE since %s", k.Stage, cli.SayTime(k.Due.Latest, a.q.zone)))
		case k.Due.Latest.Equal(k.Due.Safe):
			says = append(says, fmt.Sprintf("%s is due by %s", k.Stage, cli.SayTime(k.Due.Safe, a.q.zone)))
		default:
			says = append(says, fmt.Sprintf("%s is due by %s, at the very latest by %s", k.Stage, cli.SayTime(k.Due.Safe, a.q.zone), a.most(inc, k.Due)))
		}
	}
	return says, nil
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

// most says a latest instant in a sentence: as other times, but for the end of a
// day, which is one of the authority's zone.
func (a *acting) most(inc *incident.Incident, d deadline.Due) string {
	if d.EndOfDay {
		return a.end(inc, d) + " in " + a.zoneOf(inc).String()
	}
	return cli.SayTime(d.Latest, a.q.zone)
}

// end says a latest instant in the authority's zone; the end of a day is that
// day's.
func (a *acting) end(inc *incident.Incident, d deadline.Due) string { return a.endAs(inc, d, wideDate) }

func (a *acting) endAs(inc *incident.Incident, d deadline.Due, date string) string {
	z := a.zoneOf(inc)
	if d.EndOfDay {
		return d.Latest.In(z).Add(-time.Nanosecond).Format(date) + " 24:00"
	}
	return d.Latest.In(z).Format(date + " 15:04")
}

// Forms of a day in the table of clocks: in full, and for narrow terminals.
const (
	wideDate   = "Mon 2 Jan 2006"
	narrowDate = "2 Jan"
	wideTable  = 100 // columns, from which on dates stand in full
)

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
	if len(clocks) == 0 || p.Err() != nil {
		return
	}
	z := a.zoneOf(inc)
	date, safeTitle := wideDate, "SAFE ("+z.String()+")"
	if a.q.style.Columns() < wideTable {
		date, safeTitle = narrowDate, "SAFE"
	}
	t := reports.Table{Columns: []reports.Column{{Title: "STAGE", Keep: true}, {Title: "STATE", Keep: true},
		{Title: safeTitle, Keep: true}, {Title: "LATEST", Keep: true}, {Title: "LEFT", Keep: true}, {Title: "SENT", Keep: true}}}
	for i := range clocks {
		k := &clocks[i]
		safe, latest, rest, sent := "", "", "", ""
		if !k.Due.Safe.IsZero() {
			safe, latest = k.Due.Safe.In(z).Format(date+" 15:04"), a.endAs(inc, k.Due, date)
			if k.Sent.IsZero() && k.IsOpen() {
				rest = left(nextLimit(k).Sub(a.q.now))
			}
		} else if k.State == deadline.Owed {
			safe = "at once"
		}
		if !k.Sent.IsZero() {
			sent = k.Sent.In(z).Format(date + " 15:04")
		}
		state := word(k.State)
		if k.Late && k.State == deadline.NoReceipt {
			state += ", late"
		}
		paint := map[deadline.State]func(string) string{deadline.Overdue: a.q.style.Bad, deadline.PastSafe: a.q.style.Warn, deadline.NoReceipt: a.q.style.Warn, deadline.Void: a.q.style.Dim}[k.State]
		t.PaintedRow(paint, string(k.Stage), state, safe, latest, rest, sent)
	}
	p.Table(&t)
	if date == narrowDate {
		p.Line("Times in the table are those of " + z.String() + ".")
	}
}

// nextLimit is the limit that comes next: past the safe one it is the latest.
func nextLimit(k *deadline.Clock) time.Time {
	if k.State == deadline.PastSafe {
		return k.Due.Latest
	}
	return k.Due.Safe
}

// clockRules names the rules of each limit.
func (a *acting) clockRules(p *page, clocks []deadline.Clock) {
	p.Line("")
	for _, k := range clocks {
		if k.State == deadline.Void || k.State == deadline.OnRequest {
			continue
		}
		rules := make([]string, 0, len(k.Due.Rules)+1)
		switch {
		case k.State == deadline.Waiting:
			rules = append(rules, "waits for "+k.Start)
		case k.From.IsZero(): // it was sent, and is owed no more
			rules = append(rules, k.Start)
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
		rules = slices.DeleteFunc(rules, func(s string) bool { return s == "" })
		p.Para(fmt.Sprintf("%-18s ", k.Stage), strings.Join(rules, "; "))
		for _, n := range k.Notes {
			p.Para("                   ", "note: "+n)
		}
		if !k.Delay.IsZero() {
			p.Line("                   the authority was told of the delay " + cli.SayTime(k.Delay, a.q.zone))
		}
	}
}
