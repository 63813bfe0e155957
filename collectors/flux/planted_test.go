package flux

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "flux/prod", now, objectsFile, `/status/inventory/entries/\d+/id|/spec/kubeConfig/secretRef/name`, func() *kube.Look { return testLook(now) },
		func() []kube.Resource { return testReader().resources() })
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	// Who owns the namespace that something deploys into is told of it, and where it stands.
	looktest.ApartOwn(t, "flux/prod", now, objectsFile, "/spec/targetNamespace",
		func(more ...kube.Namespace) *kube.Look { return looktest.New("flux/prod", agent, now, spaces, more...) },
		func() []kube.Resource { return testReader().resources() })
}
