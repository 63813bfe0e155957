//go:build !race

package policies

import (
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of policy engines and 100,000
// results fits.
func TestMemory(t *testing.T) {
	scene := kubetest.SceneOf(t, objectsFile)
	for i, s := range scene {
		if !strings.HasSuffix(s.Resource, "reports") { // reports are many, of the rest one is enough
			scene[i].Objects = s.Objects[:min(1, len(s.Objects))]
		}
	}
	kubetest.Crowd{Scene: scene, Spaces: []string{"tenant-7", "tenant-8"}, Once: []string{"policies", "policyexceptions"}}.Memory(t, "policies/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := testConfig()
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
