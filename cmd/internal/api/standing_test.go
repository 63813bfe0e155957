package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports"
)

// What is in preparation and what no source answers stands apart: neither is
// counted, and no exception is told for a breach.
func TestAssessmentApart(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	finding := func(test string, s evidence.Status) evidence.Finding {
		return evidence.Finding{Tenant: tenant, Test: test, Status: s, Summary: "summary of " + test, Population: 3, Failed: make([]evidence.Item, 1)}
	}
	a := &Assessment{
		Tenant: tenant, Period: evidence.Period{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 8, 0, 0, 0, 0, time.UTC)},
		Findings: []evidence.Finding{finding("x-one", evidence.NotSatisfied), finding("x-two", evidence.Satisfied), finding("x-one", evidence.NotSatisfied)},
		Controls: []AssessedControl{
			{ID: "cra-annex1-2-1", Status: evidence.NotSatisfied, Why: "one failed", Findings: []int{0}, Standing: Standing{Preparing: "2027-12-11"}},
			{ID: "dora-art-9-4-e", Status: evidence.Satisfied, Why: "all passed", Findings: []int{1}},
			{ID: "dora-art-9-4-f", Status: evidence.NotSatisfied, Why: "one failed", Findings: []int{2}},
			{ID: "dora-art-19-4", Status: evidence.NotObserved, Reason: evidence.ReasonNoCollector, Why: "nobody answers", Standing: Standing{AnsweredBy: "a clock"}},
			{ID: "cra-art-14-2", Status: evidence.NotObserved, Reason: evidence.ReasonNoCollector, Why: "nobody answers", Standing: Standing{Preparing: "2027-12-11", AnsweredBy: "a clock"}},
		},
	}
	var b bytes.Buffer
	if err := a.text(&page{reports.NewPage(&b, reports.Style{})}, true); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"1 control of tenant-7 needs someone over 1 Nov to 7 Nov 2026 (UTC).\n",
		"cra-annex1-2-1  not-satisfied, preparing         failed 1 of 3: one failed\n",
		"1 control of laws that do not apply yet: preparation, no breach\n",
		"no source answers 2 controls yet; evidenced controls --unanswered lists them\n",
		"cra-annex1-2-1  x-one  not-satisfied: as told under dora-art-9-4-f\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the text lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "dora-art-19-4") || strings.Count(got, "summary of x-one") != 1 {
		t.Errorf("told twice, or told although nothing was judged:\n%s", got)
	}
	doc, err := json.Marshal(a)
	if err != nil || !strings.Contains(string(doc), `"preparing":"2027-12-11"`) || !strings.Contains(string(doc), `"answered_by":"a clock"`) {
		t.Errorf("document %s, %v", doc, err)
	}
}

func TestStanding(t *testing.T) {
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := cat.Control("cra-annex1-2-1")
	if !ok {
		t.Fatal("no such control")
	}
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		period evidence.Period
		now    time.Time
		want   string
	}{
		{evidence.Period{From: at(2026), To: at(2027)}, at(2027), "2027-12-11"},
		{evidence.Period{From: at(2027), To: at(2029)}, at(2027).AddDate(0, 1, 0), "2027-12-11"}, // still running, judged up to now
		{evidence.Period{From: at(2027), To: at(2029)}, at(2029), ""},
		{evidence.Period{From: at(2028), To: at(2029)}, time.Time{}, ""},
	} {
		if got := standing(&mappings.Input{Period: tt.period, Now: tt.now}, c); got.Preparing != tt.want {
			t.Errorf("%s at %s: preparing %q, want %q", tt.period, tt.now, got.Preparing, tt.want)
		}
	}
}
