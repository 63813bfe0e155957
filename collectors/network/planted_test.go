package network

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in rules of the cluster.
func TestApart(t *testing.T) {
	looktest.Apart(t, "network/prod", now, objectsFile, `/spec.*/(key|operator)|/status/.*`, testLook,
		func() []kube.Resource { return mustReader(t, testConfig()).resources() })
}
