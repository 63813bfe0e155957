package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings"
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
		var clocks []deadline.Clock
		sign, err := firstSign(ctx, r, inc, now)
		if err == nil {
			clocks, _, err = notice.Clocks(inc, e.calendars, sign, now)
		}
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

// firstSign stands in for awareness that nobody declared: an incident that
// waits for the declaration would never warn, and the law's clock does not wait.
// The log is searched only where an awareness is missing.
func firstSign(ctx context.Context, r evidence.Reader, inc *incident.Incident, now time.Time) (time.Time, error) {
	for _, law := range notice.Laws(inc) {
		if _, aware := inc.AwareSince(string(law)); !aware && law != deadline.Contract {
			return incident.FirstSign(ctx, r, inc, now)
		}
	}
	return time.Time{}, nil
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
	if k.Provisional {
		says += "; nobody has declared since when the entity is aware, it counts from the earliest sign on record"
	}
	lead := max(time.Hour, k.Due.Safe.Sub(k.From)/4)
	return alert.Deadline{Name: alert.DueSoon, Late: alert.Critical, Key: id + "/" + string(k.Stage), Says: says, Warn: k.Due.Safe.Add(-lead), Due: k.Due.Safe, Severity: alert.Warning}, true
}

// toAlert leaves out what nobody is alerted of by a finding, and what stands in
// the findings all the same. Failures of limits of notices: the clocks of incidents
// alert of these, before and while they are over, and one clock is one alert. And
// tests of what not every platform has, while no source shows it.
func toAlert(cat *mappings.Catalog, facts []evidence.FindingFacts) []evidence.FindingFacts {
	tests := map[string]*mappings.Test{}
	for _, t := range cat.Tests() {
		tests[t.ID] = t
	}
	return slices.DeleteFunc(slices.Clone(facts), func(f evidence.FindingFacts) bool {
		t := tests[f.Test]
		return t != nil && (f.Status == evidence.NotSatisfied && t.AboutLimits() || t.NotUsed(&f))
	})
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
