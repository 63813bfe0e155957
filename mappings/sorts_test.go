package mappings

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"evidenced/evidence"
)

// Two duties share a test and bind others; a third binds everybody, a fourth
// has no test.
const sortsRules = `version: 1
acts:
  - {id: bank, name: Banks, title: Rules of banks, in_force_since: 2020-01-01, entities: [financial-entity], addressee: banks}
  - {id: any, name: All, title: Rules of all, in_force_since: 2020-01-01, addressee: everybody}
tests:
  - id: one-drift
    title: No drift
    says: nothing drifts
    view: running
    assert: item.longest_drift < duration("60m")
    window: period
    freshness: 24h
    least: instants
    empty: gap
controls:
  - {id: bank-art-1, act: bank, article: Art. 1, title: Of banks, objective: Do., severity: high, cannot_prove: much, tests: [{test: one-drift, strength: direct}]}
  - {id: bank-art-2, act: bank, article: Art. 2, title: Of makers, objective: Do., severity: high, cannot_prove: much, applies: {entities: [manufacturer, cloud]}, tests: [{test: one-drift, strength: direct}]}
  - {id: any-art-1, act: any, article: Art. 1, title: Of all, objective: Do., severity: high, cannot_prove: much, tests: [{test: one-drift, strength: direct}]}
  - {id: bank-art-3, act: bank, article: Art. 3, title: Unanswered, objective: Do., severity: high, cannot_prove: much, answered_by: nobody}
`

func sortsCatalog(t *testing.T) *Catalog {
	t.Helper()
	cat, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(sortsRules)}})
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// A control that binds others is not applicable with that reason, and stays; of
// one that says nothing of itself every control is judged.
func TestSortsOfEntities(t *testing.T) {
	cat := sortsCatalog(t)
	const none = "not-applicable: entity"
	for _, tc := range []struct {
		name  string
		are   []string
		names []evidence.ControlID
		want  [4]string // bank-art-1, bank-art-2, any-art-1, bank-art-3
	}{
		{"not said", nil, nil, [4]string{"gap", "gap", "gap", "not-observed: no-collector"}},
		{"a bank", []string{"financial-entity"}, nil, [4]string{"gap", none, "gap", "not-observed: no-collector"}},
		{"a maker", []string{"manufacturer"}, nil, [4]string{none, "gap", "gap", none}},
		{"a bank on a cloud", []string{"cloud", "financial-entity"}, nil, [4]string{"gap", "gap", "gap", "not-observed: no-collector"}},
		{"none", []string{NoSort}, nil, [4]string{none, none, "gap", none}},
		{"asked for by name", []string{NoSort}, []evidence.ControlID{"bank-art-1", "bank-art-2", "any-art-1", "bank-art-3"}, [4]string{"gap", "gap", "gap", "not-observed: no-collector"}},
	} {
		c := parseCase(t, "period 01T00:00 30T00:00", cat)
		if err := c.line(t, "cover argocd/prod continuous 01T00:00 30T00:00 deploy.state,runtime.workload"); err != nil {
			t.Fatal(err)
		}
		c.in.Catalog, c.in.Entities, c.in.Controls = cat, tc.are, tc.names
		findings, results, err := Assess(t.Context(), c.in)
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 4 || len(findings) != 3 {
			t.Fatalf("%s: %d results and %d findings, want 4 and 3: none is dropped", tc.name, len(results), len(findings))
		}
		got := map[evidence.ControlID]string{}
		for _, r := range results {
			s := string(r.Status)
			if r.Reason != "" {
				s += ": " + string(r.Reason)
			}
			got[r.Control.ID] = s
			for _, i := range r.Findings {
				f := &findings[i]
				if (f.Reason == evidence.ReasonEntity) != (s == none) {
					t.Errorf("%s: %s says %s, its finding %s %s", tc.name, r.Control.ID, s, f.Status, f.Reason)
				}
				if s == none && (f.Population != 0 || f.Tenant != c.log.Tenant() || f.Period != c.in.Period || f.RuleHash.IsZero()) {
					t.Errorf("%s: the finding of %s is not whole: %+v", tc.name, r.Control.ID, f)
				}
			}
			if s == none && (!strings.Contains(r.Why, strings.Join(r.Control.Entities, ", ")) || strings.Contains(r.Why, "here the entity and its platform are none,")) {
				t.Errorf("%s: %s says %q", tc.name, r.Control.ID, r.Why)
			}
		}
		for i, id := range []evidence.ControlID{"bank-art-1", "bank-art-2", "any-art-1", "bank-art-3"} {
			if got[id] != tc.want[i] {
				t.Errorf("%s: %s is %s, want %s", tc.name, id, got[id], tc.want[i])
			}
		}
	}
}

// Judging as the clock goes on says the same, also when what a tenant is
// changes, and records it.
func TestSortsWhileJudgingGoesOn(t *testing.T) {
	cat := sortsCatalog(t)
	c := parseCase(t, "period 01T00:00 30T00:00", cat)
	if err := c.line(t, "cover argocd/prod continuous 01T00:00 30T00:00 deploy.state,runtime.workload"); err != nil {
		t.Fatal(err)
	}
	var a Assessor
	for _, are := range [][]string{nil, {NoSort}, {"financial-entity"}, {"manufacturer"}, nil} {
		in := c.in
		in.Catalog, in.Entities, in.Now, in.Period = cat, are, c.in.Period.To, evidence.Period{}
		round, err := a.Assess(t.Context(), in, 28*24*60*60*1e9)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range round.Findings {
			control, _ := cat.Control(f.Control)
			facts, recorded := round.Facts(i)
			if bound := control.Binds(are); bound == (f.Status == evidence.NotApplicable) || !recorded || facts.Status != f.Status || facts.Reason != f.Reason {
				t.Errorf("as %v: %s is %s (%s), recorded as %s (%s) %t", are, f.Control, f.Status, f.Reason, facts.Status, facts.Reason, recorded)
			}
		}
	}
}

// Every word of the catalogs may be said of a tenant.
func TestSorts(t *testing.T) {
	words := mustLoad(t).Sorts()
	for _, w := range []string{"financial-entity", "ict-provider", "controller", "processor", "data-holder", "essential-entity", "important-entity", "manufacturer", "cloud", "none"} {
		if !slices.Contains(words, w) {
			t.Errorf("%s may not be said of a tenant: %v", w, words)
		}
	}
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Errorf("not sorted, each once: %v", words)
	}
}
