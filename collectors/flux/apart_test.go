package flux

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// What a Kustomization of the platform puts into the namespaces of several is told to
// each without the others', also beyond what its facts list and when it is gone.
func TestInventoryApart(t *testing.T) {
	entries := []map[string]string{{"id": "tenant-7_web_apps_Deployment", "v": "v1"}}
	for i := range maxObjects + 10 {
		entries = append(entries, map[string]string{"id": fmt.Sprintf("zq-space_app-%03d_apps_Deployment", i), "v": "v1"})
	}
	raw, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"name": "all", "namespace": "flux-system", "uid": "u", "generation": 1, "creationTimestamp": "2026-03-01T10:00:00Z"},
		"spec":     map[string]any{"path": "./", "prune": true, "interval": "5m", "sourceRef": map[string]any{"kind": "GitRepository", "name": "all"}},
		"status":   map[string]any{"observedGeneration": 1, "inventory": map[string]any{"entries": entries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := testReader()
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	rules[1].Owns[0].Namespaces, rules[2].Owns[0].Namespaces = []string{"tenant-7"}, []string{"zq-space"}
	for _, gone := range []bool{false, true} {
		var told int
		for _, d := range kubetest.Views(t, "flux/prod", now, rules, r.give(t, testLook(now), "kustomizations.kustomize.toolkit.fluxcd.io", raw, gone)...)["tenant-7"] {
			if d.Kind == evidence.DeployState {
				told++
			}
			if s := fmt.Sprint(d.Scope, d.Links, d.Removed) + string(d.Content) + string(d.Raw); strings.Contains(s, "zq-space") {
				t.Errorf("gone %t: %s tells tenant-7 %.600s", gone, d.Kind, s[strings.Index(s, "zq-space"):])
			}
			if !gone && d.Kind == evidence.DeployState && !strings.Contains(string(d.Raw), "tenant-7_web_apps_Deployment") {
				t.Errorf("tenant-7 is not told of its own: %.300s", d.Raw)
			}
		}
		if told != 1 {
			t.Errorf("gone %t: told %d times", gone, told)
		}
	}
}
