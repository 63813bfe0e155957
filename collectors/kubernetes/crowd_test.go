//go:build !race

package kubernetes

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 workloads, pods and roles fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOfLists(t, "testdata/cluster.txtar"), Spaces: []string{"tenant-7"}}.Memory(t, "kubernetes/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := testConfig()
			cfg.ReplicaSets = true
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
