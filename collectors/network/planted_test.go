package network

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in rules of the cluster.
func TestApart(t *testing.T) {
	looktest.Apart(t, "network/prod", now, objectsFile, `/spec.*/(key|operator|matchLabels/~)|/status/.*`, testLook,
		func() []kube.Resource { return mustReader(t, testConfig()).resources() })
}

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "network/prod", now, objectsFile, "", func() *kube.Look { return testLook() },
		func() []kube.Resource { return mustReader(t, testConfig()).resources() })
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	looktest.ApartOwn(t, "network/prod", now, objectsFile, "",
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("network/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return mustReader(t, testConfig()).resources() })
}
