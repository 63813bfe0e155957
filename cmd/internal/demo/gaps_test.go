//go:build !race

package demo_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports"
)

// verdictOf is a test in a log.
type verdictOf struct{ log, test string }

// checkDemoGaps holds what the findings of the demonstration say at its end
// against what was planted in its world: each planted problem is found, by the
// records it is made of, and nothing else is. The same goes for what cannot be
// told. A finding that nobody planted is a fault in a rule or in the world.
func checkDemoGaps(t *testing.T, e *daemon.Engine) {
	needs, untold := demoStandings(t, e)
	want := map[verdictOf][]string{}
	since := map[verdictOf]time.Time{}
	hides := demo.Unanswered()
	for _, p := range demo.Planted() {
		hides = append(hides, p.Hides...)
		for _, f := range p.Finds {
			for _, log := range f.Logs {
				v := verdictOf{log, f.Test}
				if was, ok := since[v]; !ok || p.Since.Before(was) {
					since[v] = p.Since
				}
				want[v] = append(want[v], f.Records...)
			}
		}
	}
	for v, patterns := range want {
		got, ok := needs[v]
		if !ok {
			t.Errorf("%s %s: planted and not found", v.log, v.test)
			continue
		}
		// The slowest is a weakness: known from Sunday's scan on, with a week to mend it.
		if began := since[v]; got.since.Before(began) || !began.IsZero() && got.since.After(began.Add(12*24*time.Hour)) {
			t.Errorf("%s %s: found since %s, planted at %s", v.log, v.test, got.since, began)
		}
		compareRecords(t, v, patterns, got.records)
	}
	for v, got := range needs {
		if want[v] == nil {
			t.Errorf("%s %s: found and not planted:\n  %s", v.log, v.test, strings.Join(got.records, "\n  "))
		}
	}
	expected := map[verdictOf]string{}
	for _, h := range hides {
		for _, log := range h.Logs {
			for _, test := range h.Tests {
				v := verdictOf{log, test}
				if want[v] == nil { // what failed is told, whatever else was not seen
					expected[v] = h.Reason
				}
			}
		}
	}
	for v, reason := range expected {
		if got, ok := untold[v]; !ok || got != reason {
			t.Errorf("%s %s: want it not to be told (%s), got %q", v.log, v.test, reason, got)
		}
	}
	for v, got := range untold {
		if _, ok := expected[v]; !ok {
			t.Errorf("%s %s: cannot be told (%s), and nothing planted hides it", v.log, v.test, got)
		}
	}
}

// compareRecords matches patterns and records, each with at least one of the
// other, and no pattern with two.
func compareRecords(t *testing.T, v verdictOf, patterns, records []string) {
	t.Helper()
	matched := map[string]bool{}
	for _, p := range patterns {
		n := 0
		for _, r := range records {
			if ok, err := path.Match(p, r); err != nil {
				t.Fatalf("pattern %q: %v", p, err)
			} else if ok {
				n++
				matched[r] = true
			}
		}
		if n != 1 {
			t.Errorf("%s %s: %q fits %d of the records that failed, want 1:\n  %s", v.log, v.test, p, n, strings.Join(records, "\n  "))
		}
	}
	for _, r := range records {
		if !matched[r] {
			t.Errorf("%s %s: %s failed and is not planted", v.log, v.test, r)
		}
	}
}

// failing is a test that somebody must act on.
type failing struct {
	since   time.Time
	records []string
}

// demoStandings reads the findings that stand in every log: those that somebody
// must act on, and why others cannot be told.
func demoStandings(t *testing.T, e *daemon.Engine) (map[verdictOf]failing, map[verdictOf]string) {
	t.Helper()
	ts, err := e.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	needs, untold := map[verdictOf]failing{}, map[verdictOf]string{}
	for _, tn := range ts {
		if tn == evidence.Unassigned {
			continue
		}
		r, err := e.Reader(t.Context(), tn)
		if err != nil {
			t.Fatal(err)
		}
		standing, _, err := mappings.Standings(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(standing) == 0 {
			t.Errorf("%s was not judged", tn)
		}
		for _, s := range standing {
			v := verdictOf{tn.String(), s.Test}
			if _, told := needs[v]; told {
				continue // one test, several controls
			}
			switch reports.StatusGroup(s.Status) {
			case reports.NeedsWork:
				f := failing{since: s.Since}
				for _, seq := range s.Failed {
					f.records = append(f.records, recordLine(t, r, seq))
				}
				needs[v] = f
			case reports.CannotTell:
				untold[v] = string(s.Reason)
			}
		}
	}
	return needs, untold
}

// recordLine names a record by what does not depend on the order of collecting.
func recordLine(t *testing.T, r evidence.Reader, seq uint64) string {
	t.Helper()
	rec, err := r.Record(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	name := rec.Subject.Name
	if _, host, ok := strings.Cut(name, "@"); ok && rec.Kind == evidence.CertState {
		name = host // the port is another every time
	}
	return fmt.Sprintf("%s %s %s", rec.Occurred.UTC().Format(time.DateOnly), rec.Kind, name)
}

// The planted problems are of tests that there are, in every tenant, and touch
// every law.
func TestPlantedTouchesEveryLaw(t *testing.T) {
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	laws, logs, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	acts := map[string][]string{}
	for _, c := range cat.Controls() {
		for _, ref := range c.Tests {
			acts[ref.Test.ID] = append(acts[ref.Test.ID], c.Act.ID)
		}
	}
	for _, p := range demo.Planted() {
		if names[p.Name] || p.Name == "" || !strings.HasSuffix(p.Says, ".") || len(p.Finds)+len(p.Hides) == 0 {
			t.Errorf("planted %q: the name is used twice, or something is missing", p.Name)
		}
		names[p.Name] = true
		for _, f := range p.Finds {
			if acts[f.Test] == nil || len(f.Records) == 0 {
				t.Errorf("%s: test %s is of no control, or names no record", p.Name, f.Test)
			}
			for _, a := range acts[f.Test] {
				laws[a] = true
			}
			for _, l := range f.Logs {
				logs[l] = true
			}
		}
		for _, h := range p.Hides {
			for _, test := range h.Tests {
				if acts[test] == nil {
					t.Errorf("%s: test %s is of no control", p.Name, test)
				}
			}
		}
	}
	if n := len(names); n < 10 || n > 30 {
		t.Errorf("%d problems, want 10 to 30", n)
	}
	for _, a := range cat.Acts() {
		if !laws[a.ID] {
			t.Errorf("nothing planted touches %s", a.ID)
		}
	}
	if len(logs) != 9 || !slices.Contains(demo.Planted()[0].Finds[0].Logs, evidence.Platform.String()) {
		t.Errorf("planted in %v", logs)
	}
}
