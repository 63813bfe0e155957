package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func TestRetaining(t *testing.T) {
	w := apitest.New()
	common := api.Common{Tenant: "tenant-7"}
	off := api.OffboardParams{Tenant: "tenant-7", Reason: "contract ended", Authority: "ticket 4711"}
	told := off
	told.NoExport = "waived"
	for _, tc := range []struct {
		name   string
		op     string
		params any
		code   problem.Code // "" for none
		want   []string
	}{
		{"no hold", "hold", api.HoldParams{Common: common, Act: "list"}, "", []string{"no hold is in force on tenant-7"}},
		{"place", "hold", api.HoldParams{Common: common, Act: "place", Name: "case-1", Reason: "why \x1b[31m", Authority: "a court"}, "", []string{"hold case-1 is in force on tenant-7"}},
		{"list", "hold", api.HoldParams{Common: common, Act: "list"}, "", []string{"2 holds in force", "by a court: why", "record 5"}},
		{"list as JSON", "hold", api.HoldParams{Common: api.Common{Tenant: "tenant-7", JSON: true}, Act: "list"}, "", []string{`"name": "case-1"`, `"by": "uid `}},
		{"release", "hold", api.HoldParams{Common: common, Act: "release", Name: "case-1", Reason: "settled", Authority: "a court"}, "", []string{"hold case-1 on tenant-7, in force since", "is released"}},
		{"release what is not there", "hold", api.HoldParams{Common: common, Act: "release", Name: "case-2"}, problem.NotFound, nil},
		{"another act", "hold", api.HoldParams{Common: common, Act: "bend"}, problem.Usage, nil},
		{"another tenant", "hold", api.HoldParams{Common: api.Common{Tenant: "nobody"}, Act: "list"}, problem.NotFound, nil},

		{"dry run", "retention", api.RetentionParams{DryRun: true}, "",
			[]string{"_platform: kept for ever", "tenant-7: kept for 36 months, from 14 Nov 2023 14:00 UTC on: 1 segment would be dropped", "records 0 to 39", "3 states carried over, 1 record kept whole",
				"tenant-8: kept for 36 months, from 14 Nov 2023 14:00 UTC on: nothing is dropped, hold case-1"}},
		{"run", "retention", api.RetentionParams{}, "", []string{"1 segment dropped"}},
		{"run as JSON", "retention", api.RetentionParams{JSON: true}, "", []string{`"dry_run": false`, `"deploy.state": 2`}},

		{"offboard without a reason", "offboard", api.OffboardParams{Tenant: "tenant-7", Authority: "x"}, problem.Usage, nil},
		{"offboard without an authority", "offboard-export", api.OffboardParams{Tenant: "tenant-7", Reason: "x"}, problem.Usage, nil},
		{"offboard what is no name", "offboard", api.OffboardParams{Tenant: "../x", Reason: "x", Authority: "y"}, problem.Usage, nil},
		{"offboard without an export", "offboard", off, problem.Usage, nil},
		{"export", "offboard-export", off, "", []string{"pack"}},
		{"offboard", "offboard", told, "", []string{"tenant-7 is offboarded", "access-cut", "segments-retired", "record 14 of _platform", "last checkpoint: aa/bb, size 41"}},
	} {
		got, err := both(t, w, tc.op, tc.params)
		if tc.code != "" {
			if !problem.Is(err, tc.code) {
				t.Errorf("%s: got %v, want a problem of code %s", tc.name, err, tc.code)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(got.String(), want) {
				t.Errorf("%s: %q is not in\n%s", tc.name, want, got)
			}
		}
		if strings.Contains(got.String(), "\x1b") {
			t.Errorf("%s: a terminal's control byte in the answer", tc.name)
		}
	}
}

// Of a time whose records were dropped nothing is answered but that.
func TestRetiredIsSaid(t *testing.T) {
	w := apitest.New()
	tn, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	until := apitest.Now.AddDate(0, 0, -10)
	facts, err := json.Marshal(evidence.SegmentFacts{Act: evidence.SegmentRetired, Segment: 1, Next: 9, Newest: until})
	if err != nil {
		t.Fatal(err)
	}
	w.Logs[tn].AddDraft(evidence.Draft{
		Kind: evidence.LogSegment, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: "retired/1", Subject: evidence.NewRef("log", "", "aa/bb"),
		OccurredAt: apitest.Now, Basis: evidence.BasisSource, ObservedAt: apitest.Now, Content: facts,
	})
	common := api.Common{Tenant: "tenant-7"}
	old, half := api.Span{From: "2026-10-01", To: "2026-10-20"}, api.Span{From: "2026-10-01", To: "2026-11-13"}
	for op, params := range map[string]any{
		"coverage": api.CoverageParams{Common: common, Span: old},
		"timeline": api.TimelineParams{Common: common, Span: old},
		"ran":      api.RanParams{Common: common, At: "2026-10-10 12:00"},
		"records":  api.RecordsParams{Common: common, Span: old},
	} {
		if _, err := both(t, w, op, params); !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), "retired under retention") {
			t.Errorf("%s: %v", op, err)
		}
	}
	got, err := both(t, w, "coverage", api.CoverageParams{Common: common, Span: half})
	if err != nil || !strings.Contains(strings.Join(strings.Fields(got.String()), " "), "retired under retention") {
		t.Errorf("coverage of a time half retired: %v\n%s", err, got)
	}
}
