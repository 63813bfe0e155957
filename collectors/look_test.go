package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// A source may miss thousands of its parts at once, of one tenant or of nobody:
// the record of it is one that a log takes.
func TestRecordOfManyPartsStaysSmall(t *testing.T) {
	b := newBench(t)
	for i := range 4 {
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
				{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Instants, From: b.now, To: b.now},
			}}
			for n := range 3000 {
				if i == 1 || i == 2 {
					o.Seen = append(o.Seen, evidence.Seen{
						Kinds: []evidence.Kind{evidence.DeployState}, Scope: evidence.NewRef("ns", "prod", fmt.Sprintf("nobody-%d", n)),
						Class: evidence.Blind, From: b.now.Add(-time.Minute), To: b.now, Cause: fmt.Sprintf("%d: it could not be read", n),
					})
				}
			}
			return s.Commit(t.Context(), nil, o)
		})
		b.now = b.now.Add(time.Minute)
	}
	b.flush(t)
	for _, d := range b.mem.logs[tenantOf(t, "tenant-1")] {
		if n := len(d.Draft.Content); n > evidence.MaxContent {
			t.Errorf("a record of %d bytes", n)
		}
	}
	t.Log(b.told(t, "tenant-1", evidence.DeployState))
}

// Parts that are told apart are, as far as a record holds them; the others are one.
func TestPartsOfOneTenant(t *testing.T) {
	for n, want := range map[int]int{3: 3, 1000: 1} {
		var c tally
		for i := range n {
			c.miss(evidence.Seen{
				Kinds: []evidence.Kind{evidence.DeployState}, Scope: evidence.NewRef("ns", "prod", fmt.Sprint(i)),
				From: t0.Add(time.Duration(i) * time.Second), To: t0.Add(time.Hour), Cause: fmt.Sprintf("%d: it could not be read", i),
			}, time.Minute, []string{"tenant-1"})
		}
		if got := c.partsOf(tenantOf(t, "tenant-1")); len(got) != want || !got[0].Span.From.Equal(t0) {
			t.Errorf("%d parts: %d are told, want %d from the begin of the first on", n, len(got), want)
		}
		if got := c.partsOf(tenantOf(t, "tenant-2")); len(got) != 0 {
			t.Errorf("%d parts of another tenant are told", len(got))
		}
	}
}

// A log that stays broken has what waits for it kept, and nothing of the others.
func TestBrokenLogKeepsItsOwnWaiting(t *testing.T) {
	b := newBench(t)
	t1, t2 := tenantOf(t, "tenant-1"), tenantOf(t, "tenant-2")
	broken := &brokenLog{memory: b.mem}
	b.Ledger = broken
	broken.becomes(t1)
	for day := range 5 {
		b.now = t0.Add(time.Duration(day) * 24 * time.Hour)
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
				{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Instants, From: b.now, To: b.now},
				{Kinds: []evidence.Kind{evidence.DeployState}, Scope: evidence.NewRef("ns", "prod", "x"), Class: evidence.Blind, From: t0, To: b.now},
			}})
		})
	}
	if len(b.state.Frozen) == 0 {
		t.Fatal("nothing waits")
	}
	for _, fz := range b.state.Frozen {
		if _, ok := fz.Spans[t1.String()]; !ok || len(fz.Spans) != 1 || len(fz.Counts) != 1 || len(fz.Left) != 1 {
			t.Errorf("record %d waits for %v with spans of %d tenants and counts of %d", fz.Number, fz.Left, len(fz.Spans), len(fz.Counts))
		}
	}
	if err := b.Flush(t.Context(), t2); err != nil {
		t.Errorf("who asks of another tenant is told %v", err)
	}
	if err := b.Flush(t.Context(), t1); !errors.Is(err, errBroken) {
		t.Errorf("who asks of the tenant is told %v", err)
	}
	want := b.told(t, "tenant-2", evidence.DeployState)
	b.again()
	broken.becomes(evidence.Tenant{})
	b.flush(t)
	same(t, "once it is mended", b.told(t, "tenant-1", evidence.DeployState), want...)
}

// A look that finds nothing to see after the clock was set back is told of a time
// that has a begin before its end.
func TestBlindAfterTheClockWasSetBack(t *testing.T) {
	b := newBench(t)
	b.sees(t, "", evidence.DeployState)
	b.sees(t, "", evidence.DeployState)
	b.now = t0.Add(-time.Hour)
	blind := func() {
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
				{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Blind, From: b.now.Add(-time.Minute), To: b.now, Cause: "none of it could be read"},
			}})
		})
		b.now = b.now.Add(time.Minute)
	}
	blind()
	blind()
	b.sees(t, "", evidence.DeployState)
	b.sees(t, "", evidence.DeployState)
	b.flush(t)
	spans, _ := coverageOf(t, b.mem, tenantOf(t, "tenant-1"))
	for _, s := range spans {
		if s.To.Before(s.From) {
			t.Errorf("a span from %s to %s", s.From, s.To)
		}
	}
	same(t, "told", b.told(t, "tenant-1", evidence.DeployState), "-61--58 blind: none of it could be read", "-58--57 instants", "0-1 instants")
}

// A kind whose first look is under way is no kind that the source does not have.
func TestFirstLookUnderWay(t *testing.T) {
	for _, underway := range []bool{true, false} {
		b := newBench(t)
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
				{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Continuous, From: b.now, To: b.now},
			}}
			if underway {
				o.Underway = []evidence.Kind{evidence.DeploySync}
			}
			return s.Commit(t.Context(), nil, o)
		})
		b.now = b.now.Add(time.Minute)
		b.fails(t, 3)
		b.flush(t)
		var want []string
		if underway {
			want = []string{"1-3 blind: the look failed"}
		}
		same(t, fmt.Sprintf("under way %v", underway), b.told(t, "tenant-1", evidence.DeploySync), want...)
	}
}

// A paused source is told as that between two reports of its slots, however often
// it would be due.
func TestPausedUntilNow(t *testing.T) {
	b := newBench(t)
	b.sees(t, "", evidence.DeployState)
	b.again()
	b.Paused = true
	if err := b.Missed(t.Context(), b.now, b.now, 1, "paused: the move"); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{5, 25, 55} {
		b.now = t0.Add(after * time.Minute)
		b.flush(t)
		same(t, "paused", b.told(t, "tenant-1", evidence.DeployState), fmt.Sprintf("0-%d blind: paused: the move", after))
	}
	b.now = t0.Add(4 * time.Hour) // the machine slept, or nobody reported
	b.flush(t)
	same(t, "long after", b.told(t, "tenant-1", evidence.DeployState), "0-55 blind: paused: the move")
}

// A source of which nothing more is claimed, as a log to which nothing is written,
// is told of once a day and not at every look of the days that follow.
func TestIdleSourceIsToldOnceADay(t *testing.T) {
	b := newBench(t)
	b.run(t, func(s Sink) error {
		return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
			{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Reconstructed, From: b.now.Add(-time.Hour), To: b.now, Cause: "no probe configured"},
		}})
	})
	for range 3*24*4 - 1 {
		b.now = b.now.Add(15 * time.Minute)
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1})
		})
	}
	if n := b.mem.count(tenantOf(t, "tenant-1"), evidence.CollectionCoverage, evidence.OpEvent); n != 3 {
		t.Errorf("%d records of 3 days that ended", n)
	}
	// A clock that was far ahead does not keep the days after it from being told.
	b.now = t0.Add(1000 * time.Hour)
	b.flush(t)
	b.now = t0.Add(4 * 24 * time.Hour)
	before := b.mem.count(tenantOf(t, "tenant-1"), evidence.CollectionCoverage, evidence.OpEvent)
	for range 24 {
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1})
		})
		b.now = b.now.Add(2 * time.Hour)
	}
	if n := b.mem.count(tenantOf(t, "tenant-1"), evidence.CollectionCoverage, evidence.OpEvent) - before; n != 2 {
		t.Errorf("%d records of 2 days after the clock was set back", n)
	}
}

// A log to which nothing is written is told as one that was looked at, for as long
// as it was, and later failures begin where that ended. What is written then is
// claimed as before.
func TestQuietLog(t *testing.T) {
	kinds := []evidence.Kind{evidence.DeployState}
	b := newBench(t)
	b.Every = 5 * time.Minute
	line := t0
	look := func(written bool) {
		t.Helper()
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1}
			if written {
				o.Seen = []evidence.Seen{{Kinds: kinds, Class: evidence.Reconstructed, From: line, To: b.now, Cause: "no probe"}}
				line = b.now
			} else {
				o.Quiet = []evidence.Quiet{{Kinds: kinds, From: line, To: b.now, Cause: evidence.CauseQuiet}}
			}
			return s.Commit(t.Context(), nil, o)
		})
		b.now = b.now.Add(5 * time.Minute)
	}
	told := func() (out []string) {
		t.Helper()
		b.flush(t)
		log := evidencetest.NewLog(tenantOf(t, "tenant-1"))
		for _, d := range b.mem.logs[tenantOf(t, "tenant-1")] {
			var f evidence.CoverageFacts
			if err := json.Unmarshal(d.Draft.Content, &f); err != nil {
				t.Fatal(err)
			}
			log.AddCoverage(f)
		}
		c, err := evidence.LoadCoverage(t.Context(), log, evidence.Period{})
		if err != nil {
			t.Fatal(err)
		}
		strips := c.Strips(b.Source, kinds[0], evidence.Period{From: t0, To: b.now})
		notYet := c.NotYet(b.Source, kinds[0], strips, b.now)
		for i, s := range strips {
			if s.Cause = c.WhyNot(b.Source, kinds[0], s, s.Period.To); notYet && i == len(strips)-1 {
				s.Cause = evidence.CauseNotYet
			}
			out = append(out, fmt.Sprintf("%v-%v %s: %s", s.Period.From.Sub(t0).Minutes(), s.Period.To.Sub(t0).Minutes(), s.Class, s.Cause))
		}
		return out
	}
	b.now = t0.Add(10 * time.Minute)
	look(true)
	same(t, "just written", told(), "0-10 reconstructed: no probe", "10-15 : "+evidence.CauseNotYet)
	for range 9 {
		look(false)
	}
	same(t, "quiet", told(), "0-10 reconstructed: no probe", "10-60 : "+evidence.CauseQuiet)
	b.now = t0.Add(120 * time.Minute) // nobody looked
	same(t, "quiet, then nobody", told(), "0-10 reconstructed: no probe", "10-120 : "+evidence.CauseQuiet+"; nobody looked after 2026-11-01T08:55:00Z")
	if err := b.Missed(t.Context(), t0.Add(60*time.Minute), t0.Add(115*time.Minute), 12, "the daemon was not running"); err != nil {
		t.Fatal(err)
	}
	look(false)
	look(false)
	same(t, "quiet again", told(), "0-10 reconstructed: no probe", "10-55 : "+evidence.CauseQuiet,
		"55-115 blind: the daemon was not running", "115-130 : "+evidence.CauseQuiet)
	look(true)
	same(t, "written again", told(), "0-130 reconstructed: no probe", "130-135 : "+evidence.CauseNotYet)
}
