//go:build !race

package workflows

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of Argo Workflows fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOf(t, objectsFile), Spaces: []string{"tenant-7", "tenant-8"}, Once: []string{"clusterworkflowtemplates"}}.Memory(t, "workflows/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := *defaults()
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
