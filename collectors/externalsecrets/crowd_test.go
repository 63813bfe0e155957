//go:build !race

package externalsecrets

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of External Secrets fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOf(t, objectsFile), Spaces: []string{"tenant-7", "tenant-8"}}.Memory(t, "external-secrets/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := Config{Config: kube.DefaultConfig(), Vaults: vaults}
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
