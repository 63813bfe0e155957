package daemon

import (
	"context"
	"fmt"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

// deadlines are the notifications of a tenant's open incidents that somebody
// still has to send, or to get a receipt for, with a limit. Alarms follow the
// safe instant; what the law allows at most stands in the sentence.
func (e *Engine) deadlines(ctx context.Context, t evidence.Tenant, now time.Time) ([]alert.Deadline, error) {
	r, err := e.Reader(ctx, t)
	if problem.Is(err, problem.NotFound) {
		return nil, nil // no log yet: no incident
	}
	if err != nil {
		return nil, err
	}
	incs, err := incident.List(ctx, r)
	if err != nil {
		return nil, err
	}
	var ds []alert.Deadline
	for _, inc := range incs {
		if !inc.Closed.IsZero() {
			continue
		}
		clocks, _, err := notice.Clocks(inc, e.calendars, time.Time{}, now)
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", inc.ID, err)
		}
		for i := range clocks {
			if d, ok := dueOf(inc.ID, &clocks[i]); ok {
				ds = append(ds, d)
			}
		}
	}
	return ds, nil
}

// dueOf makes a deadline of a clock that runs. The warning comes when a quarter
// of the time is left, an hour before at the least.
func dueOf(id string, k *deadline.Clock) (alert.Deadline, bool) {
	if !k.IsOpen() || k.Due.Safe.IsZero() {
		return alert.Deadline{}, false
	}
	what := "is due"
	if k.State == deadline.NoReceipt {
		what = "was sent and has no receipt; it is due"
	}
	says := fmt.Sprintf("incident %s: %s (%s) %s by %s", id, k.Stage, k.Article, what, evidence.FormatTime(k.Due.Safe))
	if !k.Due.Latest.Equal(k.Due.Safe) {
		says += ", at the very latest by " + evidence.FormatTime(k.Due.Latest)
	}
	lead := max(time.Hour, k.Due.Safe.Sub(k.From)/4)
	return alert.Deadline{Name: alert.DueSoon, Late: alert.Critical, Key: id + "/" + string(k.Stage), Says: says, Warn: k.Due.Safe.Add(-lead), Due: k.Due.Safe, Severity: alert.Warning}, true
}

// dateAlerts hands the deadlines of every tenant over: the clocks of incidents
// and the days of remedies. A tenant whose log cannot be read keeps those it had.
func (e *Engine) dateAlerts(ctx context.Context, a *alerts, now time.Time) {
	for _, t := range e.ledgerTenants() {
		ds, err := e.deadlines(ctx, t, now)
		if err == nil {
			var more []alert.Deadline
			more, err = a.remedies.deadlines(ctx, e, t, now)
			ds = append(ds, more...)
		}
		if err != nil {
			if ctx.Err() == nil {
				e.o.Log.Error("deadlines not read", "tenant", t.String(), "code", codeOf(err))
			}
			continue
		}
		a.board.Deadlines(t, ds)
	}
}
