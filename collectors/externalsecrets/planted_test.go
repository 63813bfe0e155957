package externalsecrets

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in stores of the cluster.
func TestApart(t *testing.T) {
	looktest.Apart(t, "external-secrets/prod", now, objectsFile, `/spec/provider/vault/(server|path|version|auth/.*)|/spec/provider/~|/status/conditions/\d+/(status|reason)`,
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("external-secrets/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources() })
}

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "external-secrets/prod", now, objectsFile, "",
		func() *kube.Look { return looktest.New("external-secrets/prod", agent, now, spaces) },
		func() []kube.Resource { return testReader().resources() })
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	looktest.ApartOwn(t, "external-secrets/prod", now, objectsFile, "",
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("external-secrets/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources() })
}
