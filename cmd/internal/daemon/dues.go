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

// deadlines are the notifications of a tenant's incidents that somebody still has
// to send, or to get a receipt for, with a limit. Alarms follow the safe instant;
// what the law allows at most stands in the sentence.
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
	judged := e.judgedFrom(now)
	var ds []alert.Deadline
	for _, inc := range incs {
		var clocks []deadline.Clock
		sign, err := firstSign(ctx, r, inc, now)
		if err == nil {
			clocks, _, err = notice.Clocks(inc, e.calendars, sign, now)
		}
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", inc.ID, err)
		}
		for i := range clocks {
			if k := &clocks[i]; isTold(inc, k, judged) {
				ds = append(ds, dueOf(inc, k))
			}
		}
	}
	return ds, nil
}

// judgedFrom is the begin of what the findings of now are about.
func (e *Engine) judgedFrom(now time.Time) time.Time {
	return mappings.RollingPeriod(now, e.o.Config.Assess.Period).From
}

// isTold reports whether somebody is told of the limit of a clock. Closing an
// incident ends no limit of a law: one that was not kept is told as long as the
// findings about it stand, which is while it, or the close, lies in what is judged.
// A look that was due before the close is told as long.
func isTold(inc *incident.Incident, k *deadline.Clock, judged time.Time) bool {
	switch {
	case !k.IsOpen(), k.Due.Safe.IsZero(), k.Start == "": // of the last the duty fell away, and it was sent before
		return false
	case inc.Closed.IsZero():
		return true
	case k.Stage == deadline.DORARecurring || k.Stage == deadline.NIS2Recurring:
		return k.Due.Late(inc.Closed) && !inc.Closed.Before(judged)
	case !notice.Outlasts(inc, k):
		return false
	}
	return !inc.Closed.Before(judged) || !limitOf(inc, k).Before(judged)
}

// limitOf is the last instant for what a clock waits for: the notice, or the
// receipt of what was sent last.
func limitOf(inc *incident.Incident, k *deadline.Clock) time.Time {
	if k.State != deadline.NoReceipt {
		return k.Due.Latest
	}
	sent := k.Sent
	for _, f := range inc.Sent(string(k.Stage)) {
		if f.At.After(sent) {
			sent = f.At
		}
	}
	return sent.Add(deadline.ReceiptWithin)
}

// firstSign stands in for awareness that nobody declared: an incident that
// waits for the declaration would never warn, and the law's clock does not wait.
// The log is searched only where an awareness is missing. Of a closed incident
// nobody declares it any more, and that it is missing is a finding.
func firstSign(ctx context.Context, r evidence.Reader, inc *incident.Incident, now time.Time) (time.Time, error) {
	if !inc.Closed.IsZero() {
		return time.Time{}, nil
	}
	for _, law := range notice.Laws(inc) {
		if _, aware := inc.AwareSince(string(law)); !aware && law != deadline.Contract {
			return incident.FirstSign(ctx, r, inc, now)
		}
	}
	return time.Time{}, nil
}

// dueOf makes a deadline of a clock that somebody is told of. The warning comes when
// a quarter of the time is left, an hour before at the least. Of what was sent it
// comes then too, because without a receipt nobody knows that it arrived; what is
// late is the receipt alone.
func dueOf(inc *incident.Incident, k *deadline.Clock) alert.Deadline {
	lead := max(time.Hour, k.Due.Safe.Sub(k.From)/4)
	d := alert.Deadline{
		Name: alert.DueSoon, Key: inc.ID + "/" + string(k.Stage), Says: fmt.Sprintf("incident %s: %s (%s) %s", inc.ID, k.Stage, k.Article, dueSays(inc, k)),
		Warn: k.Due.Safe.Add(-lead), Due: k.Due.Safe, Severity: alert.Warning, Late: alert.Critical,
	}
	if k.State == deadline.NoReceipt {
		d.Due = limitOf(inc, k)
	}
	if k.Provisional {
		d.Says += "; nobody has declared since when the entity is aware, it counts from the earliest sign on record"
	}
	if !inc.Closed.IsZero() {
		d.Says += "; the incident is closed, and the limit stands"
	}
	return d
}

// dueSays says what a clock waits for.
func dueSays(inc *incident.Incident, k *deadline.Clock) string {
	safe, latest := evidence.FormatTime(k.Due.Safe), evidence.FormatTime(k.Due.Latest)
	_, major := inc.Major()
	switch {
	case k.State == deadline.NoReceipt:
		return fmt.Sprintf("was sent %s and has no receipt; it is to be on record by %s", evidence.FormatTime(k.Sent), evidence.FormatTime(limitOf(inc, k)))
	case k.Stage == deadline.DORAInitial && !major:
		return fmt.Sprintf("waits for the classification: 4 h run from it, within 24 h of awareness, which end %s", safe)
	case k.State == deadline.Overdue:
		return fmt.Sprintf("was due by %s, and nothing is on record as sent", latest)
	case k.Due.Latest.Equal(k.Due.Safe):
		return "is due by " + safe
	}
	return fmt.Sprintf("is due by %s, at the very latest by %s", safe, latest)
}

// toAlert leaves out what nobody is alerted of by a finding, and what stands in
// the findings all the same. Failures of limits of notices: the clocks of incidents,
// closed ones among them, alert of these, before and while they are over, and one
// clock is one alert. And
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
