package daemon

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
	"evidenced/reports/today"
)

// Dues implements api.World: beside what the states of the logs tell, the
// clocks of incidents.
func (e *Engine) Dues() []today.Dues { return []today.Dues{e.clocksDue} }

// clocksDue are the clocks of a tenant's incidents that need somebody: those with a
// limit at it, those without one and those that cannot run at once. Of a closed
// incident the limits alone are left.
func (e *Engine) clocksDue(ctx context.Context, in *today.Input, until time.Time) ([]today.Due, error) {
	incs, err := incident.List(ctx, in.Reader)
	if err != nil {
		return nil, err
	}
	judged := e.judgedFrom(in.Now)
	var out []today.Due
	for _, inc := range incs {
		clocks, _, err := notice.Clocks(inc, e.calendars, time.Time{}, in.Now)
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", inc.ID, err)
		}
		if !inc.Closed.IsZero() {
			clocks = slices.DeleteFunc(clocks, func(k deadline.Clock) bool { return !isTold(inc, &k, judged) })
		}
		for _, d := range incidentDues(inc, clocks, in.Now) {
			if !d.At.After(until) {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// incidentDues are what the clocks of an incident ask for. A limit stands at
// safe until that is over, then at latest, so overdue is only what the law no
// longer allows.
func incidentDues(inc *incident.Incident, clocks []deadline.Clock, now time.Time) []today.Due {
	var out []today.Due
	var waits []deadline.Law
	add := func(at time.Time, format string, args ...any) {
		out = append(out, today.Due{At: at.UTC(), What: "incident", Says: "incident " + inc.ID + ": " + fmt.Sprintf(format, args...), Seqs: []uint64{inc.Acts[0].Seq}})
	}
	for i := range clocks {
		k := &clocks[i]
		name := fmt.Sprintf("%s (%s)", k.Stage, k.Article)
		switch k.State {
		case deadline.Running:
			if k.Due.Latest.Equal(k.Due.Safe) {
				add(k.Due.Safe, "%s must be sent", name)
			} else {
				add(k.Due.Safe, "%s must be sent, at the very latest by %s", name, evidence.FormatTime(k.Due.Latest))
			}
		case deadline.PastSafe, deadline.Overdue:
			add(k.Due.Latest, "%s must be sent; its safe limit was %s", name, evidence.FormatTime(k.Due.Safe))
		case deadline.Owed:
			add(now, "%s is owed without undue delay since %s", name, evidence.FormatTime(k.From))
		case deadline.NoReceipt:
			add(now, "%s was sent %s and has no receipt", name, evidence.FormatTime(k.Sent))
		case deadline.Waiting:
			if strings.HasPrefix(k.Start, "awareness") && !slices.Contains(waits, k.Law) {
				waits = append(waits, k.Law)
				add(now, "nobody has declared since when the entity is aware for %s, and its limits run from then", k.Law)
			}
		}
	}
	return out
}
