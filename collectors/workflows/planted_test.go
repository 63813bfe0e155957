package workflows

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "workflows/prod", now, objectsFile, "", func() *kube.Look { return testLook(now) },
		func() []kube.Resource { return testReader().resources() })
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	looktest.ApartOwn(t, "workflows/prod", now, objectsFile, "",
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("workflows/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources() })
}
