//go:build !race

package demo_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/lineage"
	"evidenced/reports"
	"evidenced/reports/trace"
)

// recordNumbers are places in the log: they follow the order in which sources
// were read, which is no part of the story. The list of them ends an answer.
var recordNumbers = regexp.MustCompile(`records? [0-9]+(\.\.[0-9]+)?(, [0-9]+(\.\.[0-9]+)?)*`)

// checkDemoTraces compares three whole answers with golden files: from a commit
// that was deployed within a later one forward to the pods, from a read of a
// secret back to who approved what read it, and a chain that is broken, since
// the platform synced a commit that no request brought.
func checkDemoTraces(t *testing.T, e *daemon.Engine, s *demo.Summary) {
	r, err := e.Reader(t.Context(), s.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, asked string
		opt         trace.Options
		wants       []string
	}{
		{"trace-forward", "commit " + demoMerge(t, r, 11)[:7], trace.Options{Options: lineage.Options{Direction: lineage.Forward, At: time.Date(2026, 10, 21, 10, 0, 0, 0, time.UTC)}},
			[]string{"contained in", "merged by", "POD"}},
		{"trace-access", demoRead(t, r), trace.Options{Options: lineage.Options{Direction: lineage.Backward}},
			[]string{"approved by eleni-p and gen-lefevre", "reviewer", "read in access"}},
		{"trace-broken", "argocd/tenant-7-web", trace.Options{Options: lineage.Options{Direction: lineage.Backward, At: time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)}},
			[]string{"the request that brought it and who approved it", "no record, though github/prod was looked at throughout"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := lineage.Parse(tt.asked)
			if err != nil {
				t.Fatal(err)
			}
			found, err := lineage.Resolve(t.Context(), r, w, tt.opt.At)
			if err != nil || len(found) != 1 {
				t.Fatalf("%q: found %+v, %v", tt.asked, found, err)
			}
			a, err := trace.Build(t.Context(), r, tt.asked, found[0], tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := a.Text(&b, reports.Style{Width: 100_000}); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.wants {
				if !strings.Contains(b.String(), want) {
					t.Errorf("the answer does not hold %q", want)
				}
			}
			told, _, _ := strings.Cut(b.String(), "\nRECORDS ")
			evidencetest.Golden(t, tt.name+".txt", []byte(recordNumbers.ReplaceAllString(told, "record N")))
		})
	}
}

// demoMerge is the commit that a request landed as.
func demoMerge(t *testing.T, r evidence.Reader, number int64) string {
	t.Helper()
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.MergeFacts
		if rec.Decode(&f) == nil && int64(f.Number) == number && len(f.MergeSHA) == 40 {
			return f.MergeSHA
		}
	}
	t.Fatalf("request %d is not in the log", number)
	return ""
}

// demoRead is the id of a read of the web's database password by its own pod,
// right after the release of 14 November.
func demoRead(t *testing.T, r evidence.Reader) string {
	t.Helper()
	q := evidence.Query{Kinds: []evidence.Kind{evidence.SecretAccess}, Subject: evidence.NewRef("secret", "prod", "kv/tenant-7/web/db"),
		Period: evidence.Period{From: time.Date(2026, 11, 14, 13, 57, 0, 0, time.UTC), To: time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)}}
	for rec, err := range r.Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.AccessFacts
		if rec.Decode(&f) == nil && f.Operation == "read" {
			return f.RequestID
		}
	}
	t.Fatal("the story's read is not in the log")
	return ""
}
