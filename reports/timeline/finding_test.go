package timeline_test

import (
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

// A verdict is told with its test, its status and the sentence as it was
// recorded; one whose test is gone is told as ended.
func TestFindingsAreTold(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-9")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	f := evidence.FindingFacts{
		Control: "dora-art-9-4-e", Test: "chg-approved", Status: evidence.NotObserved, Reason: evidence.ReasonSourceDown,
		Summary: "It was not observed whether every change was approved: 1 window not covered.",
	}
	d := evidence.Draft{
		Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: evidence.NewRef("finding", "", "dora-art-9-4-e/chg-approved"),
		OccurredAt: at(14, 10, 0), Basis: evidence.BasisObserved, ObservedAt: at(14, 10, 0), Content: evidencetest.Facts(f),
	}
	l.AddDraft(d)
	d.Op, d.OccurredAt, d.ObservedAt, d.Content = evidence.OpEnd, at(14, 11, 0), at(14, 11, 0), []byte(`{"reason":"no test of the catalog gives it any more"}`)
	l.AddDraft(d)
	var got []string
	for _, x := range lines(t, l, timeline.Options{Kinds: []evidence.Kind{evidence.FindingState}, NoGaps: true}) {
		got = append(got, x.Says)
	}
	want := []string{
		"test chg-approved of control dora-art-9-4-e is not observed (source down): It was not observed whether every change was approved: 1 window not covered",
		"dora-art-9-4-e/chg-approved ended: no test of the catalog gives it any more",
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
