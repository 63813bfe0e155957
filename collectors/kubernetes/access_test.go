package kubernetes

import (
	"testing"

	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/reach"
)

// The roles that we ask for open what is read, and no more: nothing that
// writes, and no way to a Secret.
func TestAccess(t *testing.T) {
	const dir = "../../deploy/access/kubernetes/"
	rules := looktest.Rules(t, dir+"reader.yaml", dir+"role.yaml")
	looktest.ReadsOnly(t, rules, testConfig().resources())
	role := evidence.RBACFacts{Kind: "ClusterRole", Name: "r", Rules: rules}
	binding := evidence.RBACFacts{Kind: "ClusterRoleBinding", Name: "b", RoleKind: "ClusterRole", RoleName: "r", Subjects: []evidence.RBACSubject{{Kind: "ServiceAccount", Person: -1}}}
	if gs := reach.Secrets([]evidence.RBACFacts{role, binding}, "tenant-7", ""); len(gs) > 0 {
		t.Errorf("the role leads to Secrets: %+v", gs)
	}
}
