package coverage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/coverage"
)

func at(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)
}

func newLog(t testing.TB) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	return evidencetest.NewLog(tenant)
}

func week(t testing.TB) *evidencetest.Log {
	l := newLog(t)
	deploy := []evidence.Kind{evidence.DeployState, evidence.DeploySync}
	l.Cover("github/acme", evidence.Reconstructed, evidence.Period{From: at(1, 0, 0), To: at(9, 4, 0)}, "read 9 Nov", evidence.ChangeMerge)
	l.Cover("github/acme", evidence.Continuous, evidence.Period{From: at(9, 4, 0), To: at(16, 0, 0)}, "", evidence.ChangeMerge)
	l.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: at(8, 0, 0), To: at(10, 11, 2)}, "", deploy...)
	l.AddCoverage(evidence.CoverageFacts{
		Source: "argocd/prod", Period: evidence.Period{From: at(10, 11, 2), To: at(10, 15, 40)},
		Spans: []evidence.CoverageSpan{{Kinds: deploy, From: at(10, 11, 2), To: at(10, 15, 40), Class: evidence.Blind, Cause: "503 from server \x1b[2J"}},
		Runs:  evidence.RunCounts{Expected: 19, Failed: 19},
	})
	l.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: at(10, 15, 40), To: at(15, 0, 0)}, "", deploy...)
	for day := 9; day < 15; day++ {
		var looks []time.Time
		for h := 0; h < 24; h += 6 {
			looks = append(looks, at(day, h, 0))
		}
		l.CoverLooks("certs/edge", looks, evidence.CertState)
	}
	return l
}

// A source that was due and never seen claims nothing; its failures are told all the
// same, alone and beside sources that were seen.
func TestNeverSeen(t *testing.T) {
	p := evidence.Period{From: at(9, 0, 0), To: at(10, 0, 0)}
	failed := func(l *evidencetest.Log, when time.Time) {
		l.AddCoverage(evidence.CoverageFacts{Source: "harbor/prod", Period: evidence.Period{From: when, To: when}, Runs: evidence.RunCounts{Expected: 5, Failed: 4, Missed: 1}})
	}
	alone := newLog(t)
	failed(alone, at(8, 23, 0))
	failed(alone, at(9, 4, 0))
	failed(alone, at(10, 0, 0))
	beside := newLog(t)
	failed(beside, at(9, 4, 0))
	beside.Cover("github/acme", evidence.Continuous, p, "", evidence.ChangeMerge)
	for _, tc := range []struct {
		log  *evidencetest.Log
		want []string
	}{
		{alone, []string{"Not known: of 1 source nothing was seen for tenant-7", "expected 5 ", "failed 4 ", "nothing of it was seen (of 5 runs due 4 failed, 1 missed)"}},
		{beside, []string{"1 of 2 sources of tenant-7 did not see all of", "failed 4 ", "harbor/prod 9 Nov"}},
	} {
		c, err := coverage.Build(t.Context(), tc.log, p)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := coverage.Text(&b, c, reports.Style{Width: 100}); err != nil {
			t.Fatal(err)
		}
		for _, want := range tc.want {
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%q is not told:\n%s", want, b.String())
			}
		}
	}
}

func TestChart(t *testing.T) {
	cases := []struct {
		name string
		log  *evidencetest.Log
		p    evidence.Period
	}{
		{"week", week(t), evidence.Period{From: at(8, 0, 0), To: at(15, 0, 0)}},
		{"day", week(t), evidence.Period{From: at(10, 0, 0), To: at(11, 0, 0)}},
		{"month", week(t), evidence.Period{From: at(1, 0, 0), To: at(30, 0, 0)}},
		{"fine", week(t), evidence.Period{From: at(11, 0, 0), To: at(12, 0, 0)}},
		{"none", newLog(t), evidence.Period{From: at(8, 0, 0), To: at(15, 0, 0)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chart, err := coverage.Build(context.Background(), c.log, c.p)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := coverage.Text(&b, chart, reports.Style{Width: 110}); err != nil {
				t.Fatal(err)
			}
			evidencetest.Golden(t, c.name+".txt", b.Bytes())
			if strings.ContainsRune(b.String(), '\x1b') {
				t.Error("an escape sequence of a source reached the terminal")
			}
			if c.name == "week" {
				doc, err := json.MarshalIndent(chart, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				evidencetest.Golden(t, "week.json", append(doc, '\n'))
			}
			for _, row := range chart.Rows {
				fills(t, row, c.p)
			}
		})
	}
}

// fills checks that the strips of a row cover the period without overlap.
func fills(t *testing.T, row reports.CoverageRow, p evidence.Period) {
	t.Helper()
	next := p.From
	for _, s := range row.Strips {
		if !s.From.Equal(next) || !s.From.Before(s.To) {
			t.Errorf("%s: strip %v to %v does not follow %v", row.Source, s.From, s.To, next)
		}
		next = s.To
	}
	if !next.Equal(p.To) {
		t.Errorf("%s: strips end at %v, the period at %v", row.Source, next, p.To)
	}
}

// A source that looks each six hours is not blind three hours after its newest
// look, while another that is followed was seen up to now; it is when it kept
// silent for longer than it may, and from then on when nobody claims anything.
func TestNextLookNotDue(t *testing.T) {
	for _, tc := range []struct {
		now  time.Time
		want []evidence.Period
	}{
		{at(14, 21, 0), nil},
		{at(15, 3, 0), nil},
		{at(15, 4, 0), []evidence.Period{{From: at(14, 18, 0), To: at(15, 4, 0)}}},
	} {
		l := newLog(t)
		for day := 12; day < 15; day++ {
			l.CoverLooks("certs/edge", []time.Time{at(day, 0, 0), at(day, 6, 0), at(day, 12, 0), at(day, 18, 0)}, evidence.CertState)
		}
		l.Cover("github/acme", evidence.Continuous, evidence.Period{From: at(12, 0, 0), To: tc.now}, "", evidence.ChangeMerge)
		c, err := coverage.Build(t.Context(), l, evidence.Period{From: at(12, 0, 0), To: tc.now})
		if err != nil {
			t.Fatal(err)
		}
		var got []evidence.Period
		for _, b := range c.Blind {
			got = append(got, evidence.Period{From: b.From, To: b.To})
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("blind at %s (-want +got):\n%s", tc.now, diff)
		}
		for _, row := range c.Rows {
			fills(t, row, c.Period)
		}
		late, err := coverage.Build(t.Context(), l, evidence.Period{From: at(12, 0, 0), To: at(16, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(late.Blind); n < 2 || !late.Blind[n-1].To.Equal(at(16, 0, 0)) || late.Blind[n-1].From.After(tc.now) {
			t.Errorf("until the 16th, as known %s, blind is %+v; want both sources to its end", tc.now, late.Blind)
		}
	}
}

func TestErrors(t *testing.T) {
	l := week(t)
	if _, err := coverage.Build(context.Background(), l, evidence.Period{From: at(2, 0, 0), To: at(2, 0, 0)}); err == nil {
		t.Error("an empty period: no error")
	}
	broken := errors.New("disk gone")
	l.Fail("Records", broken)
	if _, err := coverage.Build(context.Background(), l, evidence.Period{From: at(1, 0, 0), To: at(2, 0, 0)}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestForKinds(t *testing.T) {
	chart, err := coverage.Build(context.Background(), week(t), evidence.Period{From: at(8, 0, 0), To: at(15, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	rows := coverage.ForKinds(chart, evidence.DeploySync, evidence.CertState)
	if len(rows) != 2 || len(rows[0].Kinds) != 1 || rows[0].Source != "argocd/prod" || rows[1].Source != "certs/edge" {
		t.Errorf("rows %+v, want argocd/prod with one kind and certs/edge", rows)
	}
}

// The platform's log tells where a source counts otherwise than we do.
func TestCounted(t *testing.T) {
	l := evidencetest.NewLog(evidence.Platform)
	l.Cover("harbor/prod", evidence.Continuous, evidence.Period{From: at(8, 0, 0), To: at(9, 0, 0)}, "", evidence.RegistryAudit)
	run := func(h int, counts ...evidence.SourceCount) {
		content, err := json.Marshal(evidence.RunFacts{Source: "harbor/prod", Slot: at(8, h, 0), Total: -1, Counts: counts})
		if err != nil {
			t.Fatal(err)
		}
		l.AddDraft(evidence.Draft{Kind: evidence.CollectionRun, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: at(8, h, 0).String(), Content: content,
			Subject: evidence.NewRef("source", "", "harbor/prod"), OccurredAt: at(8, h, 0), Basis: evidence.BasisSource, ObservedAt: at(8, h, 0)})
	}
	run(1, evidence.SourceCount{What: "projects", Source: 8, Ours: 8}, evidence.SourceCount{What: "audit log", Query: "q=id=[1~]\x1b[2J", Source: 120, Ours: 118})
	run(2, evidence.SourceCount{What: "projects", Source: 8, Ours: 8}, evidence.SourceCount{What: "audit log", Query: "q=id=[119~]", Source: 9, Ours: 7})
	c, err := coverage.Build(t.Context(), l, evidence.Period{From: at(8, 0, 0), To: at(9, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Counted == nil || c.Counted.Agreed != 2 || len(c.Counted.Differs) != 1 || c.Counted.Differs[0].Ours != 7 || c.Counted.Differs[0].Seq == 0 {
		t.Fatalf("%+v", c.Counted)
	}
	var b bytes.Buffer
	if err := coverage.Text(&b, c, reports.Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"COUNTED    2 lists as long as the source counts\n", "harbor/prod, audit log: the source counts 9, 7 came (asked: q=id=[119~]), 8 Nov 02:00"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("a query reaches the terminal raw")
	}
}

// On a narrow terminal the note that all is made up is wrapped like the rest.
func TestNarrowDemonstration(t *testing.T) {
	var b bytes.Buffer
	if err := coverage.Text(&b, &reports.CoverageChart{Demo: true}, reports.Style{Width: 60}); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "\n\n")
	for _, l := range strings.Split(head, "\n") {
		if reports.TextWidth(l) > 60 {
			t.Errorf("line of %d columns: %s", reports.TextWidth(l), l)
		}
	}
	if !strings.Contains(head, "DEMONSTRATION") {
		t.Errorf("got\n%s", head)
	}
}

// A source that is down and looked at on schedule reads as one stretch with its
// cause; one that nobody looks at any more is told so.
func TestDownUntilNow(t *testing.T) {
	kinds := []evidence.Kind{evidence.SecretAccess}
	for _, tc := range []struct {
		name string
		now  time.Time
		want []string
	}{
		{"just looked", at(9, 4, 0).Add(20 * time.Second), []string{"2026-11-09T00:00:00Z/2026-11-09T04:00:20Z 503"}},
		{"the next look is due", at(9, 4, 5), []string{"2026-11-09T00:00:00Z/2026-11-09T04:05:00Z 503"}},
		{"the daemon stopped", at(9, 4, 30), []string{"2026-11-09T00:00:00Z/2026-11-09T04:00:00Z 503", "2026-11-09T04:00:00Z/2026-11-09T04:30:00Z nobody looked"}},
	} {
		l := newLog(t)
		l.AddCoverage(evidence.CoverageFacts{
			Source: "vault/prod", Period: evidence.Period{From: at(9, 0, 0), To: at(9, 4, 0)}, Runs: evidence.RunCounts{Expected: 48, Failed: 48},
			Spans: []evidence.CoverageSpan{{Kinds: kinds, From: at(9, 0, 0), To: at(9, 4, 0), Class: evidence.Blind, Cause: "503", Every: (5 * time.Minute).Milliseconds()}},
		})
		c, err := coverage.Build(t.Context(), l, evidence.Period{From: at(9, 0, 0), To: tc.now})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range c.Blind {
			got = append(got, evidence.Period{From: b.From, To: b.To}.String()+" "+b.Cause)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// What happened since the newest look is no hole as long as the next look is not
// overdue; a log that proves nothing beyond its newest line was looked at, though
// nothing is claimed of its end; and a source that nobody looks at any more was not.
func TestEndNotTold(t *testing.T) {
	every := (5 * time.Minute).Milliseconds()
	for _, tc := range []struct {
		name         string
		lines        time.Time // up to when the log of the registry is claimed
		now          time.Time
		head, window string
	}{
		{"just looked", at(9, 4, 0), at(9, 4, 0).Add(18 * time.Second),
			"1 source of tenant-7 saw all of 9 Nov 2026 00:00 to 04:00:18 (UTC), but for the end, which the next look at 1 of them is to tell.",
			"04:00:18 UTC (18 seconds): not told yet, the next look is not overdue"},
		{"a quiet log", at(9, 3, 0), at(9, 4, 2),
			"1 of 1 source of tenant-7 did not see all of 9 Nov 2026 00:00 to 04:02 (UTC): 1 blind window.",
			"03:00 to 04:02 UTC (62 minutes): looked at, but nothing was told of it"},
		{"the daemon stopped", at(9, 4, 0), at(9, 6, 0),
			"1 of 1 source of tenant-7 did not see all of 9 Nov 2026 00:00 to 06:00 (UTC): 2 blind windows.",
			"04:00 to 06:00 UTC (2 hours): nobody looked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLog(t)
			looks := evidence.CoverageSpan{Kinds: []evidence.Kind{evidence.ArtifactImage}, From: at(9, 0, 0), To: at(9, 4, 0), Class: evidence.Instants, Every: every}
			for range 48 {
				looks.Looks = append(looks.Looks, every)
			}
			l.AddCoverage(evidence.CoverageFacts{
				Source: "harbor/prod", Period: evidence.Period{From: at(9, 0, 0), To: at(9, 4, 0)}, Runs: evidence.RunCounts{Expected: 48, Done: 48},
				Spans: []evidence.CoverageSpan{looks, {Kinds: []evidence.Kind{evidence.RegistryAudit}, From: at(9, 0, 0), To: tc.lines, Class: evidence.Continuous, Every: every}},
			})
			c, err := coverage.Build(t.Context(), l, evidence.Period{From: at(9, 0, 0), To: tc.now})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := coverage.Text(&b, c, reports.Style{Width: 200}); err != nil {
				t.Fatal(err)
			}
			if head, _, _ := strings.Cut(b.String(), "\n"); head != tc.head {
				t.Errorf("got\n%s\nwant\n%s", head, tc.head)
			}
			if !strings.Contains(b.String(), tc.window) {
				t.Errorf("no %q in\n%s", tc.window, b.String())
			}
			doc, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			// Packs hold the document, and verifiers make it again from the records.
			if s := string(doc); !strings.Contains(s, "nobody looked") || strings.Contains(s, "overdue") || strings.Contains(s, "told") {
				t.Errorf("the document says it otherwise: %s", s)
			}
		})
	}
}

// What is said of a day is the same, however long a period is asked for: also when
// the interval changed, and when looks lie further apart than the day is long.
func TestSameForEveryPeriod(t *testing.T) {
	kinds := []evidence.Kind{evidence.SecretAccess}
	every := func(s evidence.CoverageSpan, d time.Duration) evidence.CoverageSpan {
		s.Kinds, s.Every = kinds, d.Milliseconds()
		return s
	}
	const day = 24 * time.Hour
	fives := make([]int64, 9*12)
	for i := range fives {
		fives[i] = 300_000
	}
	nobody := "2026-11-05T09:00:00Z/2026-11-06T00:00:00Z nobody looked"
	for _, tc := range []struct {
		name  string
		spans []evidence.CoverageSpan
		later time.Time // what the log knows, by another source
		want  []string
	}{
		{"every five minutes, changed to daily, and never again", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(5, 0, 0), To: at(5, 9, 0), Class: evidence.Instants, Looks: fives}, day)}, at(21, 0, 0), []string{nobody}},
		{"daily, and only ever blind", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(5, 0, 0), To: at(5, 8, 0), Class: evidence.Blind, Cause: "503"}, day)}, at(21, 0, 0),
			[]string{"2026-11-05T00:00:00Z/2026-11-05T08:00:00Z 503", "2026-11-05T08:00:00Z/2026-11-06T00:00:00Z nobody looked"}},
		{"daily, and blind until the next look is due", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(5, 0, 0), To: at(5, 8, 0), Class: evidence.Blind, Cause: "503"}, day)}, at(6, 20, 0),
			[]string{"2026-11-05T00:00:00Z/2026-11-06T00:00:00Z 503"}},
		{"every five minutes, and daily later", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(5, 0, 0), To: at(5, 9, 0), Class: evidence.Instants, Looks: fives}, 5*time.Minute),
			every(evidence.CoverageSpan{From: at(10, 0, 0), To: at(11, 0, 0), Class: evidence.Instants, Looks: []int64{day.Milliseconds()}}, day)}, at(21, 0, 0), []string{nobody}},
		{"daily, and every five minutes later", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(4, 9, 0), To: at(5, 9, 0), Class: evidence.Instants, Looks: []int64{day.Milliseconds()}}, day),
			every(evidence.CoverageSpan{From: at(6, 9, 0), To: at(6, 18, 0), Class: evidence.Instants, Looks: fives}, 5*time.Minute)}, at(21, 0, 0), []string{nobody}},
		{"weekly", []evidence.CoverageSpan{
			every(evidence.CoverageSpan{From: at(-2, 9, 0), To: at(5, 9, 0), Class: evidence.Instants, Looks: []int64{7 * day.Milliseconds()}}, 7*day),
			every(evidence.CoverageSpan{From: at(12, 9, 0), To: at(19, 9, 0), Class: evidence.Instants, Looks: []int64{7 * day.Milliseconds()}}, 7*day)}, at(21, 0, 0), nil},
	} {
		l := newLog(t)
		for _, s := range tc.spans {
			l.AddCoverage(evidence.CoverageFacts{Source: "vault/prod", Period: evidence.Period{From: s.From, To: s.To}, Spans: []evidence.CoverageSpan{s}})
		}
		l.Cover("github/acme", evidence.Continuous, evidence.Period{From: at(1, 0, 0), To: tc.later}, "", evidence.ChangeMerge)
		for _, to := range []time.Time{at(6, 0, 0), at(6, 12, 0), at(9, 0, 0), at(20, 0, 0)} {
			c, err := coverage.Build(t.Context(), l, evidence.Period{From: at(5, 0, 0), To: to})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range c.Blind {
				if in, ok := (evidence.Period{From: b.From, To: b.To}).Intersect(evidence.Period{From: at(5, 0, 0), To: at(6, 0, 0)}); ok && b.Source == "vault/prod" {
					got = append(got, in.String()+" "+b.Cause)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" && (to.Before(tc.later) || tc.later.After(at(7, 0, 0))) {
				t.Errorf("%s, asked until %s (-want +got):\n%s", tc.name, to, diff)
			}
		}
	}
}
