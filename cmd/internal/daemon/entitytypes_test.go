package daemon

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
)

// A word that no control binds is refused, with those that are known: by a slip
// it would put duties aside.
func TestEntityTypesAreKnown(t *testing.T) {
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Tenants = []config.Tenant{{Name: mustTenant(t, "tenant-7"), EntityTypes: []string{"financial-entity", "controller"}}}
	c.Platform.EntityTypes = []string{"cloud", "ict-provider"}
	if err := CheckEntityTypes(c, cat); err != nil {
		t.Errorf("words of the catalog: %v", err)
	}
	c.Platform.EntityTypes = []string{"clowd"}
	if err := CheckEntityTypes(c, cat); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), `platform: entity_types: no control of the catalog binds "clowd"`) || !strings.Contains(problem.Of(err).Hint, "cloud, controller") {
		t.Errorf("a slip for the platform: %v", err)
	}
	c.Platform.EntityTypes, c.Tenants[0].EntityTypes = []string{"none"}, []string{"finance-entity"}
	if err := CheckEntityTypes(c, cat); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "tenant tenant-7") {
		t.Errorf("a slip for a tenant: %v", err)
	}
}

// What the configuration says of a tenant decides what is judged for it: duties
// of others are not applicable, recorded as such, and nobody is alerted.
func TestEntityTypesAreJudged(t *testing.T) {
	clock := &testClock{begin}
	e, src := mustEngine(t, t.TempDir(), clock, "tenant-1", "", nil)
	src.sees = []string{"acme/1"}
	src.emit = []evidence.Draft{mergeDraft("acme/1", 1, clock.t, true)}
	collectAt(t, e, clock, evidence.RunDone)
	entity := 0 // of the findings, those that are of another's duties
	statuses := func() map[evidence.Status]int {
		t.Helper()
		entity = 0
		judgeNow(t, e)
		all, err := e.Findings(t.Context(), mustTenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		n := map[evidence.Status]int{}
		for _, s := range all {
			if strings.HasPrefix(string(s.Control), "dora") {
				n[s.Status]++
				if s.Reason == evidence.ReasonEntity {
					entity++
				}
				if (s.Reason == evidence.ReasonEntity) != (s.Status == evidence.NotApplicable && strings.Contains(s.Summary, "it binds financial-entity")) {
					t.Errorf("%s/%s is %s (%s): %s", s.Control, s.Test, s.Status, s.Reason, s.Summary)
				}
			}
		}
		return n
	}
	before := statuses()
	if entity != 0 || len(before) < 2 {
		t.Fatalf("nothing is said of the tenant, and its findings of DORA are %v", before)
	}
	for i := range e.o.Config.Tenants {
		e.o.Config.Tenants[i].EntityTypes = []string{"manufacturer"}
	}
	e.o.Config.Platform.EntityTypes = []string{"cloud"}
	clock.t = clock.t.Add(2 * e.o.Config.Assess.Every)
	if after := statuses(); len(after) != 1 || entity == 0 || after[evidence.NotApplicable] != entity {
		t.Errorf("a manufacturer's findings of DORA are %v, want all not applicable", after)
	}
	e.o.Config.Platform.EntityTypes = []string{"cloud", "financial-entity"}
	clock.t = clock.t.Add(2 * e.o.Config.Assess.Every)
	if again := statuses(); !cmp.Equal(again, before) {
		t.Errorf("on a platform that is a financial entity they are %v, want %v", again, before)
	}
}
