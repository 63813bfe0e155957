package kubernetes

import (
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the cluster.
func TestSecrets(t *testing.T) {
	p := collectortest.Secrets(suite())
	p.Told = map[string]string{`.* /metadata/continue`: "what the failed request for the next page names"}
	p.Run(t)
}

// TestApart plants what another tenant's namespace is called in a node, which all share,
// and looks in the log of either.
func TestApart(t *testing.T) {
	seven, other := collectors.Owns{Namespaces: []string{"tenant-7"}}, collectors.Owns{Namespaces: []string{"zq-other"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: other, Names: []string{"zq-other"}},
		"other": {Own: other, Other: seven, Names: []string{"tenant-7"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Suite, a.Only = suite(), []string{`/nodes\S* .*`}
			a.Edit = strings.NewReplacer(`{"metadata":{"name":"kube-system","uid":"ns-0"`, `{"metadata":{"name":"zq-other","uid":"ns-8","resourceVersion":"12"}},{"metadata":{"name":"kube-system","uid":"ns-0"`).Replace
			a.Told = map[string]string{
				`.* /items/0/metadata/(name|uid|resourceVersion)`: "what the node is called",
				`.* /items/0/(metadata/labels/\S+/(region|zone|instance-type)|spec/providerID|status/nodeInfo/.*|status/conditions/1/status)`: "words of the provider's choice, and of the node's programs",
			}
			a.Run(t)
		})
	}
}
