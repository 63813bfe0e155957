package timeline_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

// The end of an alert is told by the name that its start has, also when the
// start lies before what is asked about; by its fingerprint when no start is there.
func TestEndOfAnAlert(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	add := func(op evidence.Op, fingerprint string, when time.Time, content any) {
		t.Helper()
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		l.AddDraft(evidence.Draft{Kind: evidence.AlertInstance, Op: op, Source: "alertmanager/prod", Subject: evidence.NewRef("alert", "prod", fingerprint),
			OccurredAt: when, ObservedAt: when, Basis: evidence.BasisObserved, Content: b})
	}
	add(evidence.OpSet, "f00d", at(13, 9, 0), evidence.AlertFacts{Name: "DiskFull", Fingerprint: "f00d", Severity: "critical", StartsAt: at(13, 9, 0), Status: "active"})
	add(evidence.OpEnd, "f00d", at(14, 9, 0), map[string]string{"reason": "absent"})
	add(evidence.OpEnd, "beef", at(14, 9, 5), map[string]string{"reason": "absent"})
	add(evidence.OpSet, "f00d", at(14, 9, 30), evidence.AlertFacts{Name: "DiskFuller", Fingerprint: "f00d", StartsAt: at(14, 9, 30), Status: "active"})
	add(evidence.OpEnd, "f00d", at(14, 9, 40), map[string]string{"reason": evidence.AlertFiredAgain})
	var got []string
	for line, err := range timeline.Build(t.Context(), l, evidence.Period{From: at(14, 0, 0), To: at(15, 0, 0)}, timeline.Options{NoGaps: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line.Says)
	}
	want := []string{
		"alert DiskFull is listed no more: it was resolved, or nobody tells of it any more",
		"alert beef is listed no more: it was resolved, or nobody tells of it any more",
		"alert DiskFuller fires",
		"alert DiskFuller ended, and fires again",
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
