package certmanager

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in issuers of the cluster.
func TestApart(t *testing.T) {
	looktest.Apart(t, "cert-manager/prod", now, objectsFile, `.*/(server|email|lastRegisteredEmail|status|reason)`,
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("cert-manager/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource {
			return (&reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}).resources()
		})
}

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "cert-manager/prod", now, objectsFile, "",
		func() *kube.Look { return looktest.New("cert-manager/prod", agent, now, spaces) },
		func() []kube.Resource {
			return (&reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}).resources()
		})
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	looktest.ApartOwn(t, "cert-manager/prod", now, objectsFile, "",
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("cert-manager/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource {
			return (&reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}).resources()
		})
}
