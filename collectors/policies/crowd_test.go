//go:build !race

package policies

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of policy engines and 100,000
// results fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOf(t, objectsFile), Spaces: []string{"tenant-7", "tenant-8"}, Once: []string{"policies", "policyexceptions"}}.Memory(t, "policies/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := testConfig()
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
