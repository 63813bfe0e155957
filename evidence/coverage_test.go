package evidence_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// coverageOf writes the spans as collection.coverage records and loads them.
func coverageOf(t testing.TB, p evidence.Period, facts ...evidence.CoverageFacts) *evidence.Coverage {
	t.Helper()
	c, err := loadCoverage(p, facts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loadCoverage(p evidence.Period, facts ...evidence.CoverageFacts) (*evidence.Coverage, error) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		return nil, err
	}
	log := evidencetest.NewLog(tenant)
	for i, f := range facts {
		for _, s := range f.Spans {
			if f.Period.From.IsZero() || s.From.Before(f.Period.From) {
				f.Period.From = s.From
			}
			if s.To.After(f.Period.To) {
				f.Period.To = s.To
			}
		}
		if len(f.Spans) == 0 {
			f.Period = p
		}
		b, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		log.AddDraft(evidence.Draft{
			Kind: evidence.CollectionCoverage, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: string(rune('a' + i)),
			Subject: evidence.NewRef("source", "", string(f.Source)), OccurredAt: f.Period.To, Basis: evidence.BasisSource, ObservedAt: f.Period.To, Content: b,
		})
	}
	return evidence.LoadCoverage(context.Background(), log, p)
}

var merges = []evidence.Kind{evidence.ChangeMerge}

func seen(class evidence.Class, from, to int, looks ...int64) evidence.CoverageSpan {
	s := evidence.CoverageSpan{Kinds: merges, From: minute(from), To: minute(to), Class: class, Looks: looks}
	if class == evidence.Blind {
		s.Cause = "the source was down"
	}
	return s
}

func TestStrips(t *testing.T) {
	c := coverageOf(t, span(0, 100),
		evidence.CoverageFacts{Source: "github/prod", Spans: []evidence.CoverageSpan{
			seen(evidence.Reconstructed, -50, 10), seen(evidence.Continuous, 10, 30), seen(evidence.Blind, 30, 40), seen(evidence.Instants, 40, 60, 600_000, 600_000)}},
		evidence.CoverageFacts{Source: "gitlab/prod", Spans: []evidence.CoverageSpan{seen(evidence.Reconstructed, 35, 70)}})
	strip := func(class evidence.Class, from, to int) string {
		return string(class) + " " + span(from, to).String()
	}
	all := []string{strip("reconstructed", 0, 10), strip("continuous", 10, 30), strip("blind", 30, 35), strip("reconstructed", 35, 40),
		strip("instants", 40, 60), strip("reconstructed", 60, 70), strip("", 70, 100)}
	one := []string{strip("reconstructed", 0, 10), strip("continuous", 10, 30), strip("blind", 30, 40), strip("instants", 40, 60), strip("", 60, 100)}
	for _, tc := range []struct {
		source evidence.SourceID
		kind   evidence.Kind
		want   []string
	}{
		{"", evidence.ChangeMerge, all}, {"", "", all}, {"github/prod", evidence.ChangeMerge, one},
		{"github/prod", evidence.CertState, []string{strip("", 0, 100)}}, {"vault/prod", "", []string{strip("", 0, 100)}},
	} {
		var got []string
		for _, s := range c.Strips(tc.source, tc.kind, span(0, 100)) {
			got = append(got, string(s.Class)+" "+s.Period.String())
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("strips of %q, %q (-want +got):\n%s", tc.source, tc.kind, d)
		}
	}
	var got []string
	for _, w := range c.Uncovered(evidence.ChangeMerge, evidence.Instants, span(0, 100)) {
		got = append(got, string(w.Class)+" "+w.Period.String())
	}
	want := []string{strip("reconstructed", 0, 10), strip("blind", 30, 35), strip("reconstructed", 35, 40), strip("reconstructed", 60, 70), strip("", 70, 100)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("uncovered (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]evidence.SourceID{"github/prod", "gitlab/prod"}, c.Sources(evidence.ChangeMerge)); d != "" {
		t.Errorf("sources (-want +got):\n%s", d)
	}
	if got := c.Sources(evidence.CertState); len(got) != 0 {
		t.Errorf("sources of another kind: %v", got)
	}
}

func TestLooksAround(t *testing.T) {
	c := coverageOf(t, span(0, 100), evidence.CoverageFacts{Source: "github/prod", Spans: []evidence.CoverageSpan{
		seen(evidence.Instants, 10, 30, 600_000, 600_000), seen(evidence.Continuous, 40, 50), seen(evidence.Blind, 50, 60)}})
	for _, tc := range []struct {
		at            int
		before, after int // -1: none
		class         evidence.Class
	}{
		{5, -1, 10, ""}, {10, 10, 20, evidence.Instants}, {15, 10, 20, evidence.Instants}, {35, 30, 40, ""},
		{45, 45, 45, evidence.Continuous}, {55, 50, -1, ""},
	} {
		before, after, class := c.LooksAround("github/prod", evidence.ChangeMerge, minute(tc.at))
		want := func(n int) time.Time {
			if n < 0 {
				return time.Time{}
			}
			return minute(n)
		}
		if !before.Equal(want(tc.before)) || !after.Equal(want(tc.after)) || class != tc.class {
			t.Errorf("minute %d: %s, %s, %q", tc.at, before, after, class)
		}
	}
}

func TestLookTimes(t *testing.T) {
	s := seen(evidence.Instants, 0, 3, 60_000, 120_000)
	if d := cmp.Diff([]time.Time{minute(0), minute(1), minute(3)}, s.LookTimes()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := seen(evidence.Continuous, 0, 3).LookTimes(); got != nil {
		t.Errorf("looks of a continuous stretch: %v", got)
	}
}

// Strips fill the period without overlap, neighbours differ, and each minute
// has the best class that any span claims for it.
func TestStripsFillThePeriod(t *testing.T) {
	classes := []evidence.Class{evidence.Continuous, evidence.Instants, evidence.Reconstructed, evidence.Blind}
	rapid.Check(t, func(t *rapid.T) {
		p := span(0, rapid.IntRange(1, 60).Draw(t, "length"))
		var spans []evidence.CoverageSpan
		for _, q := range drawPeriods(t, "spans") {
			s := evidence.CoverageSpan{Kinds: merges, From: q.From, To: q.To, Class: rapid.SampledFrom(classes).Draw(t, "class")}
			if s.Class == evidence.Blind {
				s.Cause = rapid.SampledFrom([]string{"down", "paused"}).Draw(t, "cause")
			}
			spans = append(spans, s)
		}
		c, err := loadCoverage(p, evidence.CoverageFacts{Source: "github/prod", Spans: spans})
		if err != nil {
			t.Fatal(err)
		}
		strips := c.Strips("github/prod", evidence.ChangeMerge, p)
		at := p.From
		for i, s := range strips {
			if !s.Period.From.Equal(at) || s.Period.Duration() <= 0 {
				t.Fatalf("strip %d begins at %s, want %s", i, s.Period.From, at)
			}
			if i > 0 && strips[i-1].Class == s.Class && strips[i-1].Cause == s.Cause {
				t.Fatalf("strips %d and %d are one", i-1, i)
			}
			at = s.Period.To
			for m := s.Period.From; m.Before(s.Period.To); m = m.Add(time.Minute) {
				best, any := -1, false
				for _, in := range spans {
					if (evidence.Period{From: in.From, To: in.To}).Contains(m) {
						any, best = true, max(best, in.Class.Rank())
					}
				}
				if any != (s.Class != "") || any && s.Class.Rank() != best {
					t.Fatalf("at %s: class %q, best claim %d (%v)", m, s.Class, best, spans)
				}
			}
		}
		if !at.Equal(p.To) {
			t.Fatalf("strips end at %s, want %s", at, p.To)
		}
	})
}

func TestClassRank(t *testing.T) {
	order := []evidence.Class{evidence.Continuous, evidence.Instants, evidence.Reconstructed, evidence.Blind}
	for i := 1; i < len(order); i++ {
		if order[i-1].Rank() <= order[i].Rank() {
			t.Errorf("%s does not come before %s", order[i-1], order[i])
		}
	}
	if evidence.Class("").Rank() != 0 || evidence.Class("perfect").Rank() != 0 {
		t.Error("an unknown class has a rank")
	}
}

// What is near a period is told as the whole log would tell it; years of other
// coverage are not read.
func TestCoverageNear(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	day := func(n int) time.Time { return evidencetest.Start.Add(time.Duration(n) * 24 * time.Hour) }
	for n := range 100 {
		l.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: day(n), To: day(n + 1)}, "", evidence.DeployState)
	}
	p := evidence.Period{From: day(50).Add(time.Hour), To: day(50).Add(2 * time.Hour)}
	near := evidence.CoverageNear(l, p)
	read := 0
	for _, err := range near.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.CollectionCoverage}}) {
		if err != nil {
			t.Fatal(err)
		}
		read++
	}
	if read > 24 {
		t.Errorf("%d coverage records were read for an hour", read)
	}
	all, err := evidence.LoadCoverage(t.Context(), l, p)
	if err != nil {
		t.Fatal(err)
	}
	some, err := evidence.LoadCoverage(t.Context(), near, p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all.Strips("", evidence.DeployState, p), some.Strips("", evidence.DeployState, p)); diff != "" {
		t.Errorf("(-whole log +near):\n%s", diff)
	}
	if n := len(slicesOf(near.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.LogGenesis}}))); n != 1 {
		t.Errorf("another query gave %d records, want 1", n)
	}
}

func slicesOf(seq func(func(evidence.Record, error) bool)) (all []evidence.Record) {
	for r, err := range seq {
		if err == nil {
			all = append(all, r)
		}
	}
	return all
}

// What is said of a period is the same, whether the log is read for it or the
// coverage of all time is cut down to it.
func TestWithin(t *testing.T) {
	facts := []evidence.CoverageFacts{
		{Source: "github/prod", Runs: evidence.RunCounts{Expected: 3, Done: 2}, Spans: []evidence.CoverageSpan{
			seen(evidence.Reconstructed, -50, 10), seen(evidence.Continuous, 10, 30), seen(evidence.Blind, 30, 40), seen(evidence.Instants, 40, 60, 600_000, 600_000)}},
		{Source: "gitlab/prod", Runs: evidence.RunCounts{Expected: 1}, Spans: []evidence.CoverageSpan{seen(evidence.Instants, 9000, 9000)}},
	}
	ever := coverageOf(t, evidence.Period{}, facts...)
	for _, p := range []evidence.Period{{}, span(0, 100), span(-90, -60), span(6120, 6200), span(9000, 9001), span(20_000, 20_001)} {
		want := coverageOf(t, p, facts...)
		got := ever.Within(p)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: cut down to it %+v, read for it %+v", p, got, want)
		}
		got.Add(evidence.Span{Source: "new/one", Kinds: merges, Period: span(0, 1), Class: evidence.Continuous})
		if d := ever.Begin("new/one", evidence.ChangeMerge, evidence.Continuous); !d.IsZero() {
			t.Errorf("%s: what was added to the part is in the whole", p)
		}
	}
}

// What was polled or blind goes on until the next look is overdue, by what its
// claims say, else by how it was looked at. What was followed does not.
func TestGoesOn(t *testing.T) {
	span := func(class evidence.Class, every time.Duration, looks ...int64) evidence.CoverageSpan {
		s := seen(class, 0, 60, looks...)
		s.Every = every.Milliseconds()
		return s
	}
	due := func(from, to int, every time.Duration) evidence.CoverageSpan {
		s := seen(evidence.Continuous, from, to)
		s.Every = every.Milliseconds()
		return s
	}
	const tens = 600_000
	for _, tc := range []struct {
		name     string
		of       []evidence.CoverageSpan
		at       int
		interval time.Duration
		want     evidence.Class // "": does not go on
	}{
		{"blind", []evidence.CoverageSpan{span(evidence.Blind, time.Hour)}, 150, time.Hour, evidence.Blind},
		{"blind for longer", []evidence.CoverageSpan{span(evidence.Blind, time.Hour)}, 151, time.Hour, ""},
		{"blind, nobody knows how often", []evidence.CoverageSpan{span(evidence.Blind, 0)}, 61, 0, ""},
		{"polled", []evidence.CoverageSpan{span(evidence.Instants, 0, tens, tens, tens, tens, tens, tens)}, 75, 10 * time.Minute, evidence.Instants},
		{"polled for longer", []evidence.CoverageSpan{span(evidence.Instants, 0, tens, tens, tens, tens, tens, tens)}, 76, 10 * time.Minute, ""},
		{"polled, and said how often", []evidence.CoverageSpan{span(evidence.Instants, time.Hour, tens, tens, tens, tens, tens, tens)}, 150, time.Hour, evidence.Instants},
		{"followed", []evidence.CoverageSpan{span(evidence.Continuous, time.Hour)}, 61, time.Hour, ""},
		{"read from history", []evidence.CoverageSpan{span(evidence.Reconstructed, time.Hour)}, 61, time.Hour, ""},
		{"so seldom that it cannot be meant", []evidence.CoverageSpan{span(evidence.Blind, 1<<62)}, 61, 0, ""},
		{"looked at less often before", []evidence.CoverageSpan{due(0, 30, 24*time.Hour), span(evidence.Blind, time.Hour)}, 151, time.Hour, ""},
		{"looked at less often later", []evidence.CoverageSpan{span(evidence.Blind, time.Hour), due(1000, 1001, 24*time.Hour)}, 151, time.Hour, ""},
		{"looked at more often later", []evidence.CoverageSpan{span(evidence.Blind, time.Hour), due(1000, 1001, time.Minute)}, 150, time.Hour, evidence.Blind},
		{"blind until it was seen", []evidence.CoverageSpan{span(evidence.Blind, time.Hour), seen(evidence.Instants, 60, 60)}, 70, time.Hour, evidence.Instants},
		{"blind, and seen once since", []evidence.CoverageSpan{span(evidence.Blind, time.Hour), seen(evidence.Instants, 65, 65)}, 70, time.Hour, ""},
	} {
		p := evidence.Period{From: minute(0), To: minute(tc.at)}
		c := coverageOf(t, p, evidence.CoverageFacts{Source: "github/prod", Spans: tc.of})
		strips := c.Strips("github/prod", evidence.ChangeMerge, p)
		if d := c.Interval("github/prod", evidence.ChangeMerge, minute(60)); d != tc.interval {
			t.Errorf("%s: interval %s, want %s", tc.name, d, tc.interval)
		}
		on, until, ok := c.GoesOn("github/prod", evidence.ChangeMerge, strips, minute(tc.at))
		if ok != (tc.want != "") || ok && (on.Class != tc.want || !on.Period.From.Equal(minute(60)) || until.Before(minute(tc.at))) {
			t.Errorf("%s: goes on %t as %+v until %s, want %q", tc.name, ok, on, until, tc.want)
		}
	}
	if _, _, ok := (&evidence.Coverage{}).GoesOn("github/prod", evidence.ChangeMerge, nil, minute(0)); ok {
		t.Error("of nothing at all the next look is awaited")
	}
}
