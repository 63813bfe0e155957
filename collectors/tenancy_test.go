package collectors

import (
	"fmt"
	"testing"

	"evidenced/evidence"
)

// What reaches every namespace concerns everybody who owns some, and nobody
// else.
func TestEveryNamespace(t *testing.T) {
	rules, err := NewRules([]TenantRules{
		{Tenant: tenantOf(t, "tenant-1"), Owns: []Owns{{Namespaces: []string{"tenant-1"}}}},
		{Tenant: tenantOf(t, "tenant-2"), Owns: []Owns{{Labels: []string{"tenant=tenant-2"}}}},
		{Tenant: tenantOf(t, "tenant-3"), Owns: []Owns{{Sources: []evidence.SourceID{"kubernetes/other"}, Namespaces: []string{"*"}}}},
		{Tenant: tenantOf(t, "tenant-4"), Owns: []Owns{{Projects: []string{"tenant-4"}, Paths: []string{"kv/tenant-4"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"*": "[tenant-1 tenant-2]", "tenant-1": "[tenant-1]", "tenant-2": "[]", "": "[]"} {
		got := fmt.Sprint(rules.Tenants("kubernetes/prod", []evidence.Ref{evidence.NewRef("ns", "prod", name)}))
		if got != want {
			t.Errorf("namespace %q: got %s, want %s", name, got, want)
		}
	}
}
