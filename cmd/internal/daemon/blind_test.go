package daemon

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports/coverage"
)

// A list that shrank and a daemon that slept show in the coverage and in the
// pack, and no verdict over them is satisfied.
func TestBlindnessReachesAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, cause string
		act         func(t *testing.T, e *Engine, clock *testClock, src *testSource)
	}{
		{"list shrank", "scope shrank", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			src.sees = []string{"acme/one"}
			for range 6 {
				collectAt(t, e, clock, evidence.RunPartial)
			}
			src.sees = []string{"acme/one", "acme/two"}
		}},
		{"daemon slept", "daemon down", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			from := clock.t
			clock.t = clock.t.Add(6 * time.Hour)
			if err := e.sources[0].runner.Missed(t.Context(), from, clock.t, 360, "daemon down"); err != nil {
				t.Fatal(err)
			}
		}},
		{"source failed", "refused the credential", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			src.fail = true
			for range 6 {
				collectAt(t, e, clock, evidence.RunFailed)
			}
			src.fail = false
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
			e := newEngine(t, clock, src)
			src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
			collectAt(t, e, clock, evidence.RunDone)
			src.emit = nil
			for range 3 {
				collectAt(t, e, clock, evidence.RunEmpty)
			}
			tc.act(t, e, clock, src)
			collectAt(t, e, clock, evidence.RunEmpty)
			checkBlind(t, e, evidence.Period{From: begin, To: clock.t.Add(-time.Hour)}, tc.cause)
		})
	}
}

func collectAt(t *testing.T, e *Engine, clock *testClock, want evidence.Outcome) {
	t.Helper()
	fs, err := e.Collect(t.Context(), "", false)
	if err != nil || len(fs) != 1 || fs[0].Outcome != want {
		t.Fatalf("collect: %+v %v, want %s", fs, err, want)
	}
	clock.t = clock.t.Add(time.Hour)
}

func checkBlind(t *testing.T, e *Engine, p evidence.Period, cause string) {
	t.Helper()
	tn := mustTenant(t, "tenant-1")
	r, err := e.Reader(t.Context(), tn)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := coverage.Build(t.Context(), r, p)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, b := range chart.Blind {
		told = told || strings.Contains(b.Cause, cause)
	}
	if !told {
		t.Errorf("the coverage does not tell %q: %+v", cause, chart.Blind)
	}
	in, err := e.Judging(t.Context(), tn)
	if err != nil {
		t.Fatal(err)
	}
	in.Period, in.Now = p, e.Now()
	fs, _, err := mappings.Assess(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	bySource, satisfied := 0, 0
	for _, f := range fs {
		i := slices.IndexFunc(in.Catalog.Tests(), func(x *mappings.Test) bool { return x.ID == f.Test })
		if own := !slices.ContainsFunc(in.Catalog.Tests()[i].Needs(), func(k evidence.Kind) bool { info, _ := evidence.KindInfo(k); return !info.Own }); own {
			if f.Status == evidence.Satisfied {
				satisfied++
			}
			continue // what evidenced records of itself is no matter of a source
		}
		if bySource++; f.Status == evidence.Satisfied {
			t.Errorf("%s is satisfied over a blind stretch: %s", f.Test, f.Summary)
		}
	}
	if bySource == 0 {
		t.Error("no finding stands on a source")
	}
	var b bytes.Buffer
	if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: tn, Period: p, Progress: func(_, _ uint64) {}}, &b); err != nil {
		t.Fatal(err)
	}
	sameVerdict(t, b.Bytes())
	rep, err := verifyBytes(b.Bytes(), "")
	if err != nil || rep.Findings[string(evidence.Satisfied)] != satisfied {
		t.Errorf("the pack: %+v %v", rep, err)
	}
}
