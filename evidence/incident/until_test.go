package incident_test

import (
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
)

// act adds an act as a log holds it, without what makes acts being asked.
func (w *world) act(kind evidence.Kind, recorded time.Time, facts map[string]any, text string) uint64 {
	w.t.Helper()
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: recorded.String() + string(kind), Subject: incident.Ref(w.id),
		OccurredAt: recorded, Basis: evidence.BasisSource, ObservedAt: recorded, Content: evidencetest.Facts(facts),
	}
	if text != "" {
		d.Text = []byte(text)
	}
	return w.log.AddDraft(d).Seq
}

// TestUntil asks an incident how it stood, by what was recorded later too.
func TestUntil(t *testing.T) {
	w := begin(t, first)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	at := func(x time.Time) string { return x.Format(time.RFC3339) }
	w.act(evidence.IncidentMoment, day(-4), map[string]any{"law": "dora", "at": at(day(-5))}, "")
	w.act(evidence.IncidentMoment, day(-4).Add(time.Hour), map[string]any{"law": "nis2", "at": at(day(-5))}, "")
	w.act(evidence.IncidentMoment, day(-3), map[string]any{"law": "nis2", "at": at(day(-3))}, "")
	w.act(evidence.IncidentDecision, day(-2), map[string]any{"law": "dora", "decision": "major", "at": at(day(-4))}, "")
	w.act(evidence.IncidentNotice, day(-1), map[string]any{"stage": "dora.initial", "act": "sent", "at": at(day(-3))}, "")
	w.act(evidence.IncidentUpdated, day(-1), map[string]any{"set": map[string]any{"times": map[string]any{"recovered": at(day(-2)), "planned_resolution": at(day(30))}}}, "")
	w.act(evidence.IncidentClosed, day(-1), map[string]any{"at": at(day(-2))}, "")
	w.act(evidence.IncidentClosed, day(0), map[string]any{"reopen": true}, "")
	inc := w.load()

	for _, tt := range []struct {
		at                     time.Time
		moments, decided, sent int
		closed, recovered      bool
		next                   time.Time
	}{
		// The newest word on NIS-2 is that it began on the third day before.
		{day(-5).Add(time.Second), 1, 0, 0, false, false, day(-4)},
		{day(-4), 1, 0, 0, false, false, day(-4)},
		{day(-4).Add(time.Second), 1, 1, 0, false, false, day(-3)},
		{day(-3).Add(time.Second), 2, 1, 1, false, false, day(-2)},
		{day(-2).Add(time.Second), 2, 1, 1, true, true, day(0)},
		{day(1), 2, 1, 1, false, true, time.Time{}},
	} {
		got, next := inc.Until(tt.at)
		if len(got.Aware) != tt.moments || len(got.Decisions) != tt.decided || len(got.Sent("")) != tt.sent ||
			got.Closed.IsZero() == tt.closed || got.Fields.Times.Recovered.IsZero() == tt.recovered || !next.Equal(tt.next) {
			t.Errorf("until %s: got %d moments, %d decisions, %d sent, closed %s, recovered %s, next %s; want %+v",
				tt.at, len(got.Aware), len(got.Decisions), len(got.Sent("")), got.Closed, got.Fields.Times.Recovered, next, tt)
		}
		if got.Fields.Times.Planned.IsZero() {
			t.Errorf("until %s: what is planned is gone", tt.at)
		}
	}
	if len(inc.Decisions) != 1 || inc.Fields.Times.Recovered.IsZero() || len(inc.Aware) != 2 {
		t.Error("asking changed the incident")
	}
}

// TestWritten tells since when a field stands.
func TestWritten(t *testing.T) {
	w := begin(t, first)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	text := func(paths ...string) map[string]any { return map[string]any{"texts": paths} }
	one := w.act(evidence.IncidentUpdated, day(-4), text("narrative.lessons", "narrative.cause"), `{"fields":{"narrative":{"lessons":"a","cause":"x"}}}`)
	w.act(evidence.IncidentUpdated, day(-3), text("narrative.lessons", "narrative.cause"), `{"fields":{"narrative":{"lessons":"b","cause":null}}}`)
	w.act(evidence.IncidentUpdated, day(-2), text("narrative.resolution"), `{"fields":{"narrative":{"resolution":"  "}}}`)
	four := w.act(evidence.IncidentUpdated, day(-1), text("narrative.resolution", "narrative.cause"), `{"fields":{"narrative":{"resolution":"done","cause":"y"}}}`)
	inc := w.load()
	for path, want := range map[string]uint64{"narrative.lessons": one, "narrative.cause": four, "narrative.resolution": four} {
		if act, ok := inc.Written(path); !ok || act.Seq != want {
			t.Errorf("%s: got record %d (%v), want %d", path, act.Seq, ok, want)
		}
	}
	for _, path := range []string{"narrative.other", "causes.high", "no.such"} {
		if act, ok := inc.Written(path); ok {
			t.Errorf("%s was written by record %d", path, act.Seq)
		}
	}

	w.log.CloseText(one, "erased")
	w.log.CloseText(four, "erased")
	inc = w.load()
	if _, ok := inc.Written("narrative.resolution"); !ok || inc.Lost["narrative.resolution"] == "" {
		t.Error("a text that cannot be opened any more was never written")
	}
	if act, ok := inc.Written("narrative.lessons"); !ok || act.Seq != one || inc.Lost["narrative.lessons"] != "" {
		t.Errorf("got record %d (%v): the first text is gone and the second is there", act.Seq, ok)
	}
}

// TestReceived holds that the first receipt counts, whichever was recorded first.
func TestReceived(t *testing.T) {
	f := incident.Filing{Receipts: []incident.Notice{
		{IncidentNoticeFacts: evidence.IncidentNoticeFacts{At: now.Add(10 * time.Hour)}}, {IncidentNoticeFacts: evidence.IncidentNoticeFacts{At: now.Add(time.Hour)}},
	}}
	if got := f.Received(); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("got %s, want an hour after %s", got, now)
	}
	if got := (&incident.Filing{}).Received(); !got.IsZero() {
		t.Errorf("without a receipt: got %s", got)
	}
}
