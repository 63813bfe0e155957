//go:build !race

package demo_test

import (
	"slices"
	"testing"

	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/evidence/remedy"
	"evidenced/reports/pack"
)

// checkDemoRemedies holds the plans that stand at the end of the demonstration
// against what its people planned: each is for planted problems that still fail,
// and one of them is overdue, in the pack too.
func checkDemoRemedies(t *testing.T, e *daemon.Engine, s *demo.Summary) {
	ts, err := e.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	overdue := map[string]int{"guard-for-all": 2, "new-password": 0} // days
	found := 0
	for _, tn := range ts {
		r, err := e.Reader(t.Context(), tn)
		if err != nil {
			t.Fatal(err)
		}
		b, err := remedy.Load(t.Context(), r, e.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range b.Tell() {
			found++
			i := slices.IndexFunc(demo.RemedySteps(), func(s demo.RemedyStep) bool { return s.Name == x.Name && s.Tenant == tn.String() })
			want, known := overdue[x.Name]
			if i < 0 || !known || x.State != remedy.Open || x.Failing != x.Of || x.Overdue != (want > 0) || want > 0 && x.Days != want {
				t.Errorf("%s %s is %s, %s, %d of %d fail", tn, x.Name, x.State, x.Stands(), x.Failing, x.Of)
			}
		}
	}
	if found != len(demo.RemedySteps()) || found != len(overdue) {
		t.Errorf("%d plans in the logs, %d were made", found, len(demo.RemedySteps()))
	}
	rep, err := pack.VerifyFile(s.Pack, pack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := rep.Remedies; c == nil || len(c.Plans) != 1 || len(c.Overdue) != 1 || c.Without == 0 || c.Without >= c.Failed {
		t.Errorf("the pack of %s counts %+v", s.Tenant, rep.Remedies)
	}
}

// Each step names a tenant and planted tests, in the order of time.
func TestRemedySteps(t *testing.T) {
	steps := demo.RemedySteps()
	for i, s := range steps {
		if i > 0 && s.When.Before(steps[i-1].When) {
			t.Errorf("%s comes before the step above it", s.Name)
		}
		for _, test := range s.Tests {
			planted := slices.ContainsFunc(demo.Planted(), func(p demo.Plant) bool {
				return p.Since.Before(s.When) && slices.ContainsFunc(p.Finds, func(f demo.Find) bool { return f.Test == test && slices.Contains(f.Logs, s.Tenant) })
			})
			if !planted {
				t.Errorf("%s: nothing is planted in %s that fails %s by then", s.Name, s.Tenant, test)
			}
		}
	}
}
