package timeline

import (
	"testing"

	"evidenced/evidence"
)

// A rule set of Cilium about its own endpoints is not told to be about pods.
func TestNetworkOfNoPods(t *testing.T) {
	f := evidence.NetworkPolicyFacts{Kind: "CiliumClusterwideNetworkPolicy", Name: "health", Specs: []evidence.NetworkSpec{
		{Of: "nodes"}, {Of: "others", Ingress: evidence.NetworkRules{Isolates: true}},
	}}
	const want = "CiliumClusterwideNetworkPolicy health declares for endpoints that are no pods that nobody is let in"
	if got := (&teller{}).networkPolicy(f); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f.Specs = append(f.Specs, evidence.NetworkSpec{Of: "pods"})
	if got := (&teller{}).networkPolicy(f); got == want {
		t.Error("pods are not told beside them")
	}
}
