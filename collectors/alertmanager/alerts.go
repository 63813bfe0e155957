package alertmanager

import (
	"context"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// alertMark is what is remembered of an alert that was told.
type alertMark struct {
	Starts time.Time    `json:"s,omitzero"`
	Since  time.Time    `json:"t,omitzero"` // begin of the state that was told last
	Seen   time.Time    `json:"l,omitzero"` // the last look that showed it
	Told   string       `json:"h"`          // hash of its facts
	Scope  evidence.Ref `json:"o"`
}

// short leaves out what most alerts have alike, for the cursor, and full puts it
// back: they are as they began, and were seen by the last look.
func (m alertMark) short(at time.Time) alertMark {
	if m.Since.Equal(m.Starts) {
		m.Since = time.Time{}
	}
	if m.Seen.Equal(at) {
		m.Seen = time.Time{}
	}
	return m
}

func (m alertMark) full(at time.Time) alertMark {
	if m.Since.IsZero() {
		m.Since = m.Starts
	}
	if m.Seen.IsZero() {
		m.Seen = at
	}
	return m
}

// merged is one alert of all peers.
type merged struct {
	*apiAlert
	starts []time.Time // of each peer that knows one
	status string
	req    evidence.Request
}

// status in our words. What the Alertmanager has not looked at yet, which lasts
// moments, fires.
func statusOf(state string) string {
	switch state {
	case "active", "unprocessed":
		return "active"
	case "suppressed":
		return "suppressed"
	}
	return "unknown"
}

// merge makes one of what several peers say of an alert. While one of them tells
// people of it, it is active.
func (m *merged) merge(a *apiAlert) {
	if !a.Starts.IsZero() {
		m.starts = append(m.starts, a.Starts)
	}
	switch status := statusOf(a.State); {
	case m.status == "active":
	case status == "active":
		m.status, m.Silenced, m.Inhibited, m.Muted = status, nil, nil, nil
	case status == "suppressed":
		m.status = status
		m.Silenced, m.Inhibited, m.Muted = append(m.Silenced, a.Silenced...), append(m.Inhibited, a.Inhibited...), append(m.Muted, a.Muted...)
	}
}

// tellAlerts emits every alert, and the ends of those that are gone.
func (l *look) tellAlerts(ctx context.Context) error {
	all := map[string]*merged{}
	for _, p := range l.alerts.peers {
		for _, raw := range p.items {
			a, ok := parseAlert(raw)
			if !ok {
				l.alerts.bad++
				continue
			}
			m := all[a.Fingerprint]
			if m != nil && !maps.Equal(m.Labels, a.Labels) {
				a.Fingerprint = printOf(a.Labels) // two alerts: the source's hash is a short one
				m = all[a.Fingerprint]
			}
			if m == nil {
				first := *a
				first.Silenced, first.Inhibited, first.Muted = nil, nil, nil
				m = &merged{apiAlert: &first, status: "unknown", req: p.req}
				all[a.Fingerprint] = m
			}
			m.merge(a)
		}
	}
	l.next.Alerts = make(map[string]alertMark, len(all))
	for _, print := range slices.Sorted(maps.Keys(all)) {
		if err := l.tellAlert(ctx, all[print]); err != nil {
			return err
		}
	}
	return l.gone(ctx)
}

// gone ends the alerts that no peer lists any more, once that says something.
func (l *look) gone(ctx context.Context) error {
	complete := l.alerts.whole() && l.settled > 0
	for _, print := range slices.Sorted(maps.Keys(l.old.Alerts)) {
		if _, still := l.next.Alerts[print]; still {
			continue
		}
		mark := l.old.Alerts[print]
		if !complete {
			l.next.Alerts[print] = mark
			continue
		}
		reason := "absent"
		if l.began.After(mark.Seen) {
			reason = evidence.AlertGoneRestart
		}
		if err := l.endAlert(ctx, print, mark, reason, l.at); err != nil {
			return err
		}
	}
	if complete {
		l.sink.Complete(evidence.AlertInstance, evidence.Ref{})
	}
	return nil
}

func (l *look) endAlert(ctx context.Context, print string, mark alertMark, reason string, at time.Time) error {
	subject, key := l.instance(print, mark.Starts)
	if !at.After(mark.Since) {
		at = mark.Since.Add(time.Nanosecond) // its sender's clock is ahead of ours
	}
	d := l.end(evidence.AlertInstance, subject, key, reason, at, mark.Seen, evidence.BasisObserved)
	d.Scope = []evidence.Ref{mark.Scope}
	return l.sink.Emit(ctx, d)
}

// instance names an alert with one start.
func (l *look) instance(print string, starts time.Time) (evidence.Ref, string) {
	since := "unknown"
	if !starts.IsZero() {
		since = evidence.FormatTime(starts)
	}
	return evidence.NewRef("alert", l.authority, print).WithUID(since), print + "/" + since
}

// began chooses when an alert began. Peers that were told by different senders
// may say different times: the one that was told before stands while none says
// only later ones, else the first. An Alertmanager that hears of a firing from two
// senders moves its start back: it is that firing still.
func (m *merged) began(before time.Time) time.Time {
	if len(m.starts) == 0 {
		return before
	}
	first := slices.MinFunc(m.starts, time.Time.Compare)
	if !before.IsZero() && (!first.After(before) || slices.ContainsFunc(m.starts, before.Equal)) {
		return before
	}
	return first
}

const maxHiders = 100 // silences and other alerts named in facts

func some(names []string) []string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = Short(names[i])
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxHiders)]
}

func (l *look) tellAlert(ctx context.Context, m *merged) error {
	mark, known := l.old.Alerts[m.Fingerprint]
	starts := m.began(mark.Starts)
	if known && !starts.Equal(mark.Starts) {
		at := l.at
		if starts.After(mark.Seen) && starts.Before(l.at) {
			at = starts
		}
		if err := l.endAlert(ctx, m.Fingerprint, mark, evidence.AlertFiredAgain, at); err != nil {
			return err
		}
		known = false
	}
	f := evidence.AlertFacts{
		Fingerprint: m.Fingerprint, Name: Short(m.Labels[nameLabel]), Severity: Short(m.Labels[severityLabel]), StartsAt: starts, Status: m.status,
		SilencedBy: some(m.Silenced), InhibitedBy: some(m.Inhibited), MutedBy: some(m.Muted),
	}
	f.Labels, f.LabelsLeft = l.cfg.Pick(m.Labels)
	delete(f.Labels, nameLabel)
	delete(f.Labels, severityLabel)
	scope := l.cfg.Scope(l.authority, m.Labels)
	subject, key := l.instance(m.Fingerprint, starts)
	d := l.draft(evidence.AlertInstance, subject, key, f, m.req)
	d.Scope = []evidence.Ref{scope}
	for _, id := range f.SilencedBy {
		d.Links = append(d.Links, evidence.NewRef("silence", l.authority, id))
	}
	next := alertMark{Starts: starts, Seen: l.at, Told: hashOf(string(d.Content))[:16], Scope: scope}
	l.when(&d, &next, mark, known, m.status == "active")
	l.next.Alerts[m.Fingerprint] = next
	return l.sink.Emit(ctx, d)
}

// when says since when an alert is as it is. Its start is its sender's word; that
// it came to be hidden, or to be seen again, is known from looks alone. So is
// that it came at all, when a look after its start could have shown it and did
// not: then it was not told to the Alertmanager, or it ended and is told again
// with the same start.
func (l *look) when(d *evidence.Draft, next *alertMark, mark alertMark, known, active bool) {
	past := !next.Starts.IsZero() && !next.Starts.After(l.at)
	switch {
	case known && mark.Told == next.Told:
		next.Since = mark.Since
	case known:
		next.Since, d.NotBefore = l.at, mark.Seen
	case past && active && next.Starts.After(l.old.Looked):
		next.Since = next.Starts
	case past:
		next.Since, d.NotBefore = l.at, maxTime(next.Starts, l.old.Looked)
	default:
		next.Since = l.at
	}
	d.OccurredAt, d.Basis = next.Since, evidence.BasisObserved
	if next.Since.Equal(next.Starts) {
		d.Basis = evidence.BasisSource
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
