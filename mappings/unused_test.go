package mappings

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// caseCatalog is the built-in catalog with a control of its own for tests that
// no built-in control uses, so that cases and mutations reach every test.
func caseCatalog(t testing.TB) *Catalog {
	t.Helper()
	unused := unusedTests(mustLoad(t))
	if len(unused) == 0 {
		return mustLoad(t)
	}
	var refs []string
	for _, id := range unused {
		refs = append(refs, fmt.Sprintf("{test: %s, strength: direct}", id))
	}
	own := `version: 1
acts:
  - {id: cases, name: Cases, title: Cases, in_force_since: 2020-01-01, addressee: this test}
controls:
  - {id: cases-1, act: cases, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [` + strings.Join(refs, ", ") + `]}
`
	c, err := Load(fstest.MapFS{"cases.yaml": {Data: []byte(own)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func unusedTests(c *Catalog) (ids []string) {
	used := map[*Test]bool{}
	for _, ctl := range c.Controls() {
		for _, r := range ctl.Tests {
			used[r.Test] = true
		}
	}
	for _, x := range c.Tests() {
		if !used[x] {
			ids = append(ids, x.ID)
		}
	}
	return ids
}
