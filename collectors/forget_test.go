package collectors

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"evidenced/evidence"
)

func coverageRecords(t *testing.T, m *memory, tn evidence.Tenant) (keys map[string]int, spans []evidence.CoverageSpan) {
	t.Helper()
	keys = map[string]int{}
	for _, p := range m.logs[tn] {
		if p.Draft.Kind != evidence.CollectionCoverage {
			continue
		}
		keys[p.Draft.Key]++
		var f evidence.CoverageFacts
		if err := json.Unmarshal(p.Draft.Content, &f); err != nil {
			t.Fatal(err)
		}
		spans = append(spans, f.Spans...)
	}
	return keys, spans
}

// After what was kept of a source is lost, the next look begins anew, the time
// since the last record is blind, and no coverage record takes an old number.
func TestForget(t *testing.T) {
	for _, lostCursor := range []bool{true, false} {
		b := newBench(t)
		look := func(s Sink) error {
			return s.Commit(context.Background(), []byte("resume"), evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
				{Kinds: []evidence.Kind{evidence.DeployState, evidence.DeploySync}, Class: evidence.Continuous, From: b.now.Add(-time.Minute), To: b.now}}})
		}
		for range 5 {
			b.run(t, look)
			b.now = b.now.Add(time.Minute)
		}
		if err := b.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		b.run(t, look)
		since := b.now.Add(-2 * time.Minute)
		b.now = b.now.Add(3 * time.Minute)
		if lostCursor {
			delete(b.mem.cursors, b.cursorName())
			b.Runner.state, b.Runner.states = nil, nil
		}
		if err := b.Forget(context.Background(), since, 0, "it was lost"); err != nil {
			t.Fatal(err)
		}
		var window evidence.Period
		var resume []byte
		b.sc.poll = func(_ context.Context, w evidence.Period, r []byte, s Sink) error {
			window, resume = w, r
			return look(s)
		}
		if _, err := b.Poll(context.Background(), b.now); err != nil {
			t.Fatal(err)
		}
		if !window.From.IsZero() || resume != nil {
			t.Errorf("lost cursor %v: the look began at %s with resume %q, want a first look", lostCursor, window.From, resume)
		}
		if err := b.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		keys, spans := coverageRecords(t, b.mem, tenantOf(t, "tenant-1"))
		for k, n := range keys {
			if n > 1 {
				t.Errorf("lost cursor %v: coverage record %s stands %d times: a log would drop the second", lostCursor, k, n)
			}
		}
		blind := false
		for _, s := range spans {
			blind = blind || s.Class == evidence.Blind && !s.From.After(since) && s.To.Equal(b.now) && s.Cause == "it was lost"
		}
		if !blind {
			t.Errorf("lost cursor %v: no blind span from %s to %s in %+v", lostCursor, since, b.now, spans)
		}
	}
}
