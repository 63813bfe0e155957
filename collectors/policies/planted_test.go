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
