package policies

import (
	"testing"

	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// viewOf returns what the tenant's log gets of a draft; the zero draft for nothing.
func viewOf(t testing.TB, d evidence.Draft, name string) evidence.Draft {
	t.Helper()
	if ds := kubetest.Views(t, "policies/prod", now, kubetest.ByLabel(t, "tenant-7", "tenant-8"), d)[name]; len(ds) > 0 {
		return ds[0]
	}
	return evidence.Draft{}
}
