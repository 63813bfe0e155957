package policies

import (
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/looktest"
)

// TestApart plants another tenant's names in policies of the cluster and in reports.
func TestApart(t *testing.T) {
	looktest.Apart(t, "policies/prod", now, objectsFile, `.*/(kinds|apiGroups|resources|operations|validationActions|ruleNames)/\d+|.*/(name|policy|policyName|rule|source|kind|uid|group|action|\w*[aA]ction|scope|status|reason|category|type)`,
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("policies/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources(constraintKinds) })
}

// TestSecrets plants secrets in every text of every object.
func TestSecrets(t *testing.T) {
	looktest.Secrets(t, "policies/prod", now, objectsFile, "", func() *kube.Look { return testLook(now) },
		func() []kube.Resource { return testReader().resources(constraintKinds) })
}

// TestApartOwn plants another tenant's names in objects of a tenant's namespace.
func TestApartOwn(t *testing.T) {
	// Who owns the namespace that an exception opens is told of it, and where it stands.
	looktest.ApartOwn(t, "policies/prod", now, objectsFile, `/spec/match/.*/namespaces/\d`,
		func(more ...kube.Namespace) *kube.Look {
			return looktest.New("policies/prod", agent, now, spaces, more...)
		},
		func() []kube.Resource { return testReader().resources(constraintKinds) })
}
