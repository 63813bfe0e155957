//go:build !race

package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/doctor"
	"evidenced/collectors"
	"evidenced/collectors/all"
	"evidenced/reports"
)

// One credential that only reads, one that may do everything, one that has
// expired; and every source of the platform with the credential it should have.
func TestDoctor(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, p.world.Instant)
	p.Stay()
	examine := func(b []byte) (*doctor.Report, string) {
		t.Helper()
		c, err := config.Parse("doctor.yaml", b, all.Specs())
		if err != nil {
			t.Fatal(err)
		}
		r, err := daemon.Examine(t.Context(), c, time.Now, nil, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := r.Text(&text, reports.Style{}); err != nil {
			t.Fatal(err)
		}
		return r, text.String()
	}
	b, err := p.doctorYAML()
	if err != nil {
		t.Fatal(err)
	}
	r, text := examine(b)
	for _, x := range r.Sources {
		powerful := slices.ContainsFunc(x.Rights, func(r doctor.Right) bool { return r.Access == collectors.Excess })
		switch string(x.Source) {
		case SourceForge:
			if x.Verdict != doctor.Readable && x.Verdict != doctor.Partly || powerful {
				t.Errorf("the forge: %+v", x)
			}
		case SourceCluster:
			if !powerful || len(x.Warnings) == 0 {
				t.Errorf("the cluster's administrator is no warning: %+v", x)
			}
		case SourceArgoCD:
			if x.Verdict != doctor.Unreached || !strings.Contains(x.Why, "401") {
				t.Errorf("the expired token: %+v", x)
			}
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if b, err = p.ConfigYAML(); err != nil {
		t.Fatal(err)
	}
	r, text = examine(append([]byte("data_dir: "+t.TempDir()+"\n"), b...))
	for _, x := range r.Sources {
		if x.Verdict != doctor.Readable && x.Verdict != doctor.Unasked || len(x.Warnings) > 0 {
			t.Errorf("%s: %s %s %v\n%s", x.Source, x.Verdict, x.Why, x.Warnings, text)
		}
	}
}
