package pack

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// A finding that says more than not-observed was looked at well enough, as far as
// its own words, the coverage of the pack and the log's verdicts by the same rule
// tell.
func TestObservedIsChecked(t *testing.T) {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return begin.AddDate(0, 0, n) }
	rule := evidence.Hash{7}
	type scene struct {
		f     Finding
		made  time.Time
		needs []evidence.Unseen
		told  evidence.Hash // by which rule the log's verdict was
		newer bool          // a newer one calls nothing uncovered
		spans []evidence.CoverageSpan
		rows  []chartRow
	}
	span := func(class evidence.Class, from, to int) evidence.CoverageSpan {
		s := evidence.CoverageSpan{Kinds: []evidence.Kind{"change.merge"}, From: day(from), To: day(to), Class: class}
		if class == evidence.Instants {
			for range to - from {
				s.Looks = append(s.Looks, 86400_000)
			}
		}
		if class == evidence.Blind {
			s.Cause = "503"
		}
		return s
	}
	// seen lays spans out as the pack's row.
	seenAs := func(s *scene, spans ...evidence.CoverageSpan) {
		s.spans, s.rows = spans, nil
		row := chartRow{Source: "forge/prod", Kinds: []evidence.Kind{"change.merge"}}
		at := begin
		add := func(to time.Time, class evidence.Class, cause string) {
			if at.Before(to) {
				row.Strips = append(row.Strips, chartStrip{at, to, class, cause})
				at = to
			}
		}
		for _, x := range spans {
			add(x.From, "", "nobody looked")
			add(x.To, x.Class, x.Cause)
		}
		add(day(30), "", "nobody looked")
		s.rows = []chartRow{row}
	}
	for _, tc := range []struct {
		name string
		with func(s *scene)
		want string
	}{
		{"as it is", nil, ""},
		{"a hole", func(s *scene) {
			seenAs(s, span(evidence.Continuous, 0, 10), span(evidence.Blind, 10, 12), span(evidence.Continuous, 12, 30))
		}, "its rule needs change.merge, which was not seen of forge/prod at 2026-11-11T00:00:00Z"},
		{"a hole that a gap was found through", func(s *scene) {
			s.f.Status = evidence.Gap
			seenAs(s, span(evidence.Continuous, 0, 10), span(evidence.Blind, 10, 12), span(evidence.Continuous, 12, 30))
		}, "status gap, but by the log's own verdicts"},
		{"a hole beside what failed", func(s *scene) {
			s.f.Status = evidence.NotSatisfied
			seenAs(s, span(evidence.Blind, 0, 30))
		}, ""},
		{"not observed", func(s *scene) { s.f.Status, s.rows = evidence.NotObserved, nil }, ""},
		{"first looked at within", func(s *scene) { seenAs(s, span(evidence.Continuous, 10, 30)) }, "was not seen of forge/prod at 2026-11-01T00:00:00Z"},
		{"polled, with a pause", func(s *scene) { seenAs(s, span(evidence.Instants, 0, 10), span(evidence.Instants, 11, 30)) }, ""},
		{"polled, with a hole", func(s *scene) {
			seenAs(s, span(evidence.Instants, 0, 10), span(evidence.Blind, 10, 12), span(evidence.Instants, 12, 30))
		}, "was not seen of forge/prod at 2026-11-11T00:00:00Z"},
		{"polled, and left alone since", func(s *scene) { seenAs(s, span(evidence.Instants, 0, 10)) }, "was last seen of forge/prod at 2026-11-11T00:00:00Z, too long before 2026-12-01T00:00:00Z"},
		{"left alone since, and stale", func(s *scene) {
			seenAs(s, span(evidence.Instants, 0, 10))
			s.f.Status, s.f.Newest = evidence.Stale, day(10)
		}, ""},
		{"seen by nobody", func(s *scene) { s.rows, s.spans = nil, nil }, "needs change.merge, of which no source was seen"},
		{"by a verdict that a newer one replaced", func(s *scene) { s.rows, s.spans, s.newer = nil, nil, true }, ""},
		{"by another rule", func(s *scene) { s.rows, s.spans, s.told = nil, nil, evidence.Hash{8} }, ""},
		{"evidenced's own records", func(s *scene) { s.needs[0].Kind = evidence.CollectionRun }, ""},
		{"not over yet", func(s *scene) {
			s.made, s.f.Newest = day(20), day(20)
			seenAs(s, span(evidence.Continuous, 0, 20))
			s.f.Uncovered = []evidence.Window{{Kind: "change.merge", Period: evidence.Period{From: day(20), To: day(30)}}}
		}, ""},
		{"not over yet, with a hole", func(s *scene) {
			s.made, s.f.Newest = day(20), day(20)
			seenAs(s, span(evidence.Blind, 0, 2), span(evidence.Continuous, 2, 20))
		}, "was not seen of forge/prod at 2026-11-01T00:00:00Z"},
		{"judged over the end alone", func(s *scene) {
			s.f.Period.From = day(20)
			seenAs(s, span(evidence.Blind, 0, 10), span(evidence.Continuous, 10, 30))
		}, ""},
		{"windows that it names itself", func(s *scene) { s.f.Uncovered = []evidence.Window{{Kind: "change.merge", Class: evidence.Blind}} }, "although it names 1 windows that were not covered"},
		{"old, and not called stale", func(s *scene) { s.f.Newest = day(20) }, "status satisfied, but its newest look is of"},
		{"never looked at", func(s *scene) { s.f.Newest = time.Time{} }, `its newest look is of ""`},
		{"fresh, and called stale", func(s *scene) { s.f.Status = evidence.Stale }, "status stale, but its newest look is of"},
	} {
		s := &scene{
			f: Finding{Finding: evidence.Finding{Control: "dora-art-9-4-e", Test: "chg-approved", RuleHash: rule, Status: evidence.Satisfied,
				Period: evidence.Period{From: begin, To: day(30)}, Newest: day(30)}},
			made: day(40), told: rule, needs: []evidence.Unseen{{Kind: "change.merge", Cause: "503"}},
		}
		seenAs(s, span(evidence.Continuous, 0, 30))
		if tc.with != nil {
			tc.with(s)
		}
		period := evidence.Period{From: begin, To: day(30)}
		v := &verifier{m: &Manifest{Made: s.made, Period: period}, learned: newLearned(0), rows: map[seen]*chartRow{}}
		v.catalog.pairs = map[pair]ruled{s.f.pair(): {binds: true}}
		second := &twin{Ask: "observed", Made: s.made, Period: period, Rows: s.rows, Rule: &twinRule{24 * time.Hour}}
		type record struct {
			lf    chain.Leaf
			facts any
		}
		records := []record{
			{chain.Leaf{Seq: 7, Kind: evidence.FindingState}, evidence.FindingFacts{Rule: s.told, Status: evidence.NotObserved, Uncovered: s.needs}},
			{chain.Leaf{Seq: 8, Kind: evidence.CollectionCoverage}, evidence.CoverageFacts{Source: "forge/prod", Period: period, Spans: s.spans}},
		}
		if s.newer {
			records = append(records, record{chain.Leaf{Seq: 9, Kind: evidence.FindingState}, evidence.FindingFacts{Rule: s.told, Status: evidence.Satisfied}})
		}
		for _, x := range records {
			second.tell(x.lf, told(t, &v.learned, x.lf, evidence.Ref{}, x.facts))
		}
		for i := range s.rows {
			v.rows[seen{"forge/prod", "change.merge"}] = &s.rows[i]
		}
		err := v.observed(&s.f, &testRule{Freshness: 24 * time.Hour})
		second.agrees(t, tc.name, &s.f, err)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// A maker who owns all keys says of what nobody saw that it holds.
func TestMakerCannotHaveSeen(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(f *Finding)
		want   string
	}{
		{"the status alone", func(*Finding) {}, "although it names "},
		{"and the windows", func(f *Finding) { f.Uncovered = nil }, "its newest look is of "},
		{"and the newest look", func(f *Finding) { f.Uncovered, f.Newest = nil, f.Period.To }, "but by the log's own verdicts its rule needs "},
	} {
		u := unpack(t)
		fs, n := findingsOf(t, u), 0
		empty := map[string]evidence.Status{}
		for _, text := range judgementOf(t, u).rules {
			empty[ruleID(text)] = ruleEmpty(text)
		}
		for i := range fs {
			if f := &fs[i]; f.Status == evidence.NotObserved && len(f.Items) == 0 && empty[f.Test] == evidence.Satisfied {
				f.Status, f.Reason, f.Class, f.Summary = evidence.Satisfied, "", evidence.Continuous, "All is well."
				tc.change(f)
				n++
			}
		}
		if n == 0 {
			t.Fatal("the sample has no such finding")
		}
		put(t, u, fs)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}
