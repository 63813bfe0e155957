package mappings

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// The sum leaves out what the kind calls volatile, and nothing else.
func TestVerdictLeavesOutWhatIsVolatile(t *testing.T) {
	info, _ := evidence.KindInfo(evidence.FindingState)
	when := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	whole := evidence.FindingFacts{
		Control: "x-1", Article: "a", Title: "t", Test: "x-y", Rule: evidence.Hash{1}, Severity: "high", Strength: "direct",
		Status: evidence.NotObserved, Reason: evidence.ReasonBlind, Summary: "s", Failed: []uint64{1}, FailedCut: 1, Unknown: []uint64{2}, UnknownCut: 1,
		Uncovered: []evidence.Unseen{{Kind: "k", Cause: "c"}}, UncoveredCut: 1,
		Period: evidence.Period{From: when, To: when.Add(1)}, Size: 3, Population: 4, Passed: 5, Class: evidence.Instants, Newest: when,
	}
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	if len(fields) != 22 {
		t.Errorf("%d of 22 facts are set: fill the new one in", len(fields))
	}
	for name := range fields {
		less := map[string]json.RawMessage{}
		for k, v := range fields {
			if k != name {
				less[k] = v
			}
		}
		b, err := json.Marshal(less)
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.FindingFacts
		if err := json.Unmarshal(b, &f); err != nil {
			t.Fatal(err)
		}
		if same, volatile := Verdict(f) == Verdict(whole), slices.Contains(info.Volatile, name); same != volatile {
			t.Errorf("%s: the sum stays %v, volatile is %v", name, same, volatile)
		}
	}
}

// Ends that only say what was judged do not stand in the facts: a window that
// lasts is the same state an hour and a day later.
func TestFactsHoldStill(t *testing.T) {
	at := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	verdict := func(now time.Time) evidence.Hash {
		p := RollingPeriod(now, 72*time.Hour)
		r := Round{Findings: []evidence.Finding{{Control: "x-1", Test: "x-y", Status: evidence.NotObserved, Reason: evidence.ReasonBlind, Period: p}},
			Holes: [][]evidence.Window{{{Source: "a/b", Kind: evidence.CertState, Period: p, Cause: "no configured source makes it"},
				{Source: "c/d", Kind: evidence.CertState, Period: evidence.Period{From: at.Add(-time.Hour), To: now}, Class: evidence.Blind, Cause: "503"}}},
			Failed: [][]uint64{nil}, Unknown: [][]uint64{nil}, FailedCut: []int{0}, UnknownCut: []int{0}}
		f, ok := r.Facts(0)
		if !ok {
			t.Fatal("nothing to record")
		}
		return Verdict(f)
	}
	first := verdict(at)
	for _, later := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		if verdict(at.Add(later)) != first {
			t.Errorf("after %s the verdict is another", later)
		}
	}
}

func TestNoCollectorIsNotRecorded(t *testing.T) {
	r := Round{Findings: []evidence.Finding{{Status: evidence.NotObserved, Reason: evidence.ReasonNoCollector}}, FailedCut: []int{0}, UnknownCut: []int{0}}
	if _, ok := r.Facts(0); ok {
		t.Error("a test that no collector could answer is recorded")
	}
}

func TestStandings(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	begin := evidencetest.Start.Add(time.Hour)
	hour := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Hour) }
	tell := func(n int, test string, s evidence.Status, failed ...uint64) {
		f := evidence.FindingFacts{Control: "x-1", Test: test, Status: s, Failed: failed}
		d := evidence.Draft{Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: FindingRef("x-1", test),
			OccurredAt: hour(n), Basis: evidence.BasisObserved, ObservedAt: hour(n), Content: evidencetest.Facts(f)}
		if s == "" {
			d.Op, d.Content = evidence.OpEnd, []byte(`{"reason":"removed"}`)
		}
		l.AddDraft(d)
	}
	tell(0, "a-a", evidence.Satisfied)
	tell(0, "b-b", evidence.Gap)
	tell(1, "a-a", evidence.NotSatisfied, 4)
	tell(2, "a-a", evidence.NotSatisfied, 4, 5)
	tell(3, "b-b", "")
	now, turns, err := Standings(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if len(now) != 1 || now[0].Test != "a-a" || !now[0].Began.Equal(hour(2)) || !now[0].Since.Equal(hour(1)) {
		t.Errorf("in force: %+v", now)
	}
	var got []string
	for _, x := range turns {
		word := string(x.Was) + " > " + string(x.Is.Status)
		if x.Gone {
			word += " gone"
		}
		got = append(got, x.Is.Test+" "+word)
	}
	want := []string{"a-a  > satisfied", "b-b  > gap", "a-a satisfied > not-satisfied", "b-b gap > gap gone"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("turns (-want +got):\n%s", d)
	}
}

// What a record holds is summed up as what it was made of, whatever stands in
// it: else a restart would record everything again.
func TestVerdictOfARecord(t *testing.T) {
	f := evidence.FindingFacts{
		Control: "x-1", Test: "x-y", Status: evidence.NotObserved, Title: "a \xff\xfe title <&>\u2028", Failed: []uint64{}, Unknown: []uint64{1, 300},
		Uncovered: []evidence.Unseen{{Source: "a/b", Kind: evidence.CertState, Cause: "503 \xc3(", From: time.Date(2026, 11, 5, 12, 0, 0, 7, time.FixedZone("", 3600))}},
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var read evidence.FindingFacts
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	if Verdict(read) != Verdict(f) {
		t.Errorf("read again it is another verdict: %s", b)
	}
	read.Uncovered[0].Cause, read.Uncovered[0].Class = "", evidence.Class(read.Uncovered[0].Cause)
	if Verdict(read) == Verdict(f) {
		t.Error("a text in another field is the same verdict")
	}
}
