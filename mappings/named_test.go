package mappings

import (
	"strings"
	"testing"

	"evidenced/evidence/problem"
)

// What a person names is found in any case, and a slip has one answer: the code
// and the names that are near.
func TestNamed(t *testing.T) {
	cat := mustLoad(t)
	for _, named := range []string{"dora", "DORA", "nis2", "NIS-2", "nis2 "} {
		a, err := cat.Law(strings.TrimSpace(named))
		if err != nil || !a.Is(strings.ToUpper(strings.TrimSpace(named))) {
			t.Errorf("%q: %+v, %v", named, a, err)
		}
	}
	for named, hint := range map[string]string{"doro": "did you mean dora? there are cra, dataact", "NIS": "did you mean nis2?", "hammurabi": "hint: there are cra, dataact", "": "there are cra"} {
		if _, err := cat.Law(named); !problem.Is(err, problem.Usage) || !strings.Contains(problem.Text("x", err), hint) {
			t.Errorf("%q: %v, want a problem of code usage that says %q", named, err, hint)
		}
	}
	if c, err := cat.Named("dora-art-19-4"); err != nil || c.ID != "dora-art-19-4" {
		t.Errorf("got %+v, %v", c, err)
	}
	for id, hint := range map[string]string{"dora-art-9-4": "did you mean dora-art-9-4-b", "zz": "evidenced controls lists them all"} {
		if _, err := cat.Named(id); !problem.Is(err, problem.NotFound) || !strings.Contains(problem.Text("x", err), hint) {
			t.Errorf("%q: %v, want a problem of code not-found that says %q", id, err, hint)
		}
	}
}
