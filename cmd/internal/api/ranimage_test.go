package api_test

import (
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence/problem"
)

const someDigest = "sha256:9b4c1d00000000000000000000000000000000000000000000000000000000aa"

// The question about an image goes to every tenant's own log, each of which
// keeps that it was asked, or to the one that is named.
func TestRanImage(t *testing.T) {
	w := apitest.New()
	got, err := both(t, w, "ran", api.RanParams{Image: "registry.example/web@" + someDigest, Common: api.Common{Purpose: "recall"}})
	if err != nil || !strings.HasPrefix(got.String(), "Not known: no source observed the pods of any tenant") {
		t.Errorf("%v\n%s", err, got)
	}
	if reads, _ := w.Reads(); len(reads) != 8 || !strings.HasPrefix(reads[2], "tenant-7 ran via") {
		t.Errorf("sealed reads %q, want one in each of four logs for each of two questions", reads)
	}
	w = apitest.New()
	got, err = both(t, w, "ran", api.RanParams{Image: someDigest, At: "13:00", Common: common("tenant-7", true)})
	if err != nil || got.media != api.MediaJSON || !strings.Contains(got.String(), `"tenant": "tenant-7"`) || strings.Contains(got.String(), `"tenant-8"`) {
		t.Errorf("%v\n%s", err, got)
	}
	if reads, _ := w.Reads(); len(reads) != 2 {
		t.Errorf("sealed reads %q, want one for each of two questions", reads)
	}
	for _, tc := range []struct {
		name   string
		params api.RanParams
		code   problem.Code
		want   string
	}{
		{"tag", api.RanParams{Image: "web:v7"}, problem.Usage, "is no digest"},
		{"ahead", api.RanParams{Image: someDigest, At: "2027-01-01"}, problem.Usage, "lies ahead"},
		{"window", api.RanParams{Image: someDigest, Window: "2h"}, problem.Usage, "a window is not asked for"},
		{"unknown tenant", api.RanParams{Image: someDigest, Common: common("tenant-9", false)}, problem.NotFound, "no log of tenant tenant-9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := both(t, apitest.New(), "ran", tc.params)
			if !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) {
				t.Errorf("got %v, want %s and %q", err, tc.code, tc.want)
			}
		})
	}
}
