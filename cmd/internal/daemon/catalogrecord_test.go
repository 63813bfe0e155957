package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const houseRules = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2026-01-01, addressee: us}
tests:
  - {id: house-seen, title: Seen, says: all is seen, view: changes, assert: item.merger_known, window: period, freshness: 24h, least: reconstructed, empty: gap}
controls:
  - {id: house-1, act: house, article: Art. 1, title: One, objective: Hold it., severity: low, cannot_prove: Much., tests: [{test: house-seen, strength: direct}]}
`

// withRules opens the directory with rules of the house, or without any when
// the text is empty.
func withRules(t *testing.T, dir string, clock *testClock, text string) *Engine {
	t.Helper()
	rules := filepath.Join(dir, "rules")
	if err := os.RemoveAll(rules); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	if text != "" {
		if err := os.WriteFile(filepath.Join(rules, "own.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := openEngine(t, dir, clock, &testSource{})
	c := *e.o.Config
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	c.Catalogs = rules
	e, err := Open(t.Context(), Options{Config: &c, Clock: clock.now, Program: "evidenced test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func rulesRecords(t *testing.T, e *Engine, tn evidence.Tenant) []evidence.Record {
	t.Helper()
	r, err := e.Reader(t.Context(), tn)
	if err != nil {
		t.Fatal(err)
	}
	var recs []evidence.Record
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.PlatformCatalog}, WithRaw: true}) {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	return recs
}

// Rules are recorded when they change, with what they loosen, and a past
// instant finds those of then.
func TestRulesAreRecorded(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e := withRules(t, dir, clock, houseRules)
	withHouse := e.catalog.Hash()
	n := len(rulesRecords(t, e, evidence.Platform))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(24 * time.Hour)
	weaker := withRules(t, dir, clock, strings.Replace(houseRules, "freshness: 24h", "freshness: 240h", 1))
	if err := weaker.Close(); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(24 * time.Hour)
	e = withRules(t, dir, clock, "")
	// Each opening of the helper goes through the built-in rules alone.
	recs := rulesRecords(t, e, evidence.Platform)
	if len(recs) != n+3 {
		t.Fatalf("%d records of rules, want %d", len(recs), n+3)
	}
	var f evidence.CatalogFacts
	if err := recs[n-1].Decode(&f); err != nil {
		t.Fatal(err)
	}
	if f.Catalog != withHouse || f.Program != "evidenced test" || len(f.Diff) != 2 || len(f.Loosen) != 0 || f.Files[len(f.Files)-1] != "user/own.yaml" {
		t.Errorf("rules of the house: %+v", f)
	}
	if err := recs[n].Decode(&f); err != nil {
		t.Fatal(err)
	}
	if len(f.Loosen) != 2 || !strings.Contains(f.Loosen[0], "house-seen was dropped") {
		t.Errorf("dropping the rules of the house loosens %q", f.Loosen)
	}
	for _, tn := range []evidence.Tenant{mustTenant(t, "tenant-1"), evidence.Platform} {
		for _, rec := range rulesRecords(t, e, tn) {
			if (len(rec.Raw) > 0) != (tn == evidence.Platform) {
				t.Errorf("%s: record %d holds %d bytes of rules", tn, rec.Seq, len(rec.Raw))
			}
		}
	}
	then, err := e.Rules(t.Context(), begin.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if then.Hash() != withHouse {
		t.Errorf("the rules of then are %s, want %s", then.Hash(), withHouse)
	}
	now, err := e.Rules(t.Context(), clock.t)
	if err != nil || now.Hash() != e.catalog.Hash() {
		t.Errorf("the rules of now: %v", err)
	}
	if _, err := e.Rules(t.Context(), begin.Add(-time.Hour)); !problem.Is(err, problem.NotFound) {
		t.Errorf("before anything was recorded: %v", err)
	}
}

// The same rules are recorded once, however often the program starts.
func TestSameRulesAreRecordedOnce(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	for range 3 {
		e := openEngine(t, dir, clock, &testSource{})
		clock.t = clock.t.Add(time.Hour)
		if n := len(rulesRecords(t, e, evidence.Platform)); n != 1 {
			t.Fatalf("%d records of one set of rules", n)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
