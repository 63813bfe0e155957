//go:build !race

package velero

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of Velero fits, with the 5,000
// backups and restores that are remembered whole.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOfLists(t, "testdata/cluster.txtar"), Spaces: []string{"tenant-7", "tenant-8"}, Once: []string{"backupstoragelocations"}, Limit: 350 << 20}.Memory(t, "velero/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := *defaults()
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
