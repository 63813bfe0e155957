package externalsecrets

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in stores of the cluster.
func TestApart(t *testing.T) {
	looktest.Apart(t, "external-secrets/prod", now, objectsFile, `/spec/provider/vault/(server|path|version|auth/.*)|/status/conditions/\d+/(status|reason)`,
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("external-secrets/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources() })
}
