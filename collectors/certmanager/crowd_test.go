//go:build !race

package certmanager

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 objects of cert-manager fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOf(t, objectsFile), Spaces: []string{"tenant-7", "tenant-8"}}.Memory(t, "cert-manager/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := Config{kube.DefaultConfig()}
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
