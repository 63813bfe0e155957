//go:build !race

package network

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
)

// A platform of 100 tenants with 50,000 policies fits.
func TestMemory(t *testing.T) {
	kubetest.Crowd{Scene: kubetest.SceneOf(t, objectsFile), Spaces: []string{"tenant-7", "tenant-8"}}.Memory(t, "network/prod",
		func(server, token string, env collectors.Env) (collectors.Collector, error) {
			cfg := *Spec().Config().(*Config)
			cfg.Server, cfg.TokenFile, cfg.QPS = server, token, 1e6
			return New(cfg, env)
		})
}
