//go:build !race

package demo_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/daemon"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/mappings"
	"evidenced/reports"
)

// checkDemoGaps holds what the findings of the demonstration say at its end:
// the planted problems of the world, and nothing else. Each line is a test that
// somebody must act on, with the records it failed on; below stands what cannot
// be told. A line that is no planted problem is a fault in a rule or
// in the world.
func checkDemoGaps(t *testing.T, e *daemon.Engine) {
	ts, err := e.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var needs, untold []string
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
		told := map[string]bool{}
		for _, s := range byTest(standing) {
			if told[s.Test] {
				continue // one test, several controls
			}
			told[s.Test] = true
			switch reports.StatusGroup(s.Status) {
			case reports.NeedsWork:
				needs = append(needs, fmt.Sprintf("%s %s %s", tn, s.Test, s.Status))
				for _, seq := range s.Failed {
					needs = append(needs, "    "+recordLine(t, r, seq))
				}
			case reports.CannotTell:
				untold = append(untold, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", tn, s.Test, s.Status, s.Reason)))
			}
		}
	}
	text := "NEED SOMEONE\n" + strings.Join(needs, "\n") + "\n\nCANNOT BE TOLD\n" + strings.Join(untold, "\n") + "\n"
	evidencetest.Golden(t, "gaps.txt", []byte(text))
}

func byTest(all []mappings.Standing) []mappings.Standing {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b mappings.Standing) int { return cmp.Compare(a.Test, b.Test) })
	return all
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
