package mappings

import (
	"testing"

	"evidenced/evidence"
)

// TestOthersNamespacesCutNothing holds that the time of a namespace is cut by
// another of the tenant only where a policy lets that one pass: a tenant may
// have thousands, and each of them came and went.
func TestOthersNamespacesCutNothing(t *testing.T) {
	space := func(name, from, until string) *stretch[evidence.NetworkNamespaceFacts] {
		st := &stretch[evidence.NetworkNamespaceFacts]{from: at(t, from), facts: evidence.NetworkNamespaceFacts{Name: name}}
		if until != "" {
			st.until = at(t, until)
		}
		return st
	}
	c := parseCase(t, "looks network/prod 1h 01T00:00 30T00:00 network.policy,network.namespace,network.mode", mustLoad(t))
	cov, err := evidence.LoadCoverage(t.Context(), c.log, evidence.Period{From: at(t, "01T00:00"), To: at(t, "30T00:00")})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{reader: c.log, period: evidence.Period{From: at(t, "01T00:00"), To: at(t, "30T00:00")}, cover: &coverage{all: cov}}
	x := &netRules{spaces: map[string][]*stretch[evidence.NetworkNamespaceFacts]{
		"web": {space("web", "01T00:00", "")}, "ci": {space("ci", "05T00:00", "06T00:00")}, "db": {space("db", "07T00:00", "")},
	}}
	for _, tt := range []struct {
		peers []string
		want  int
	}{{nil, 1}, {[]string{"db"}, 2}, {[]string{"ci", "db"}, 4}} {
		x.policies = []*stretch[evidence.NetworkPolicyFacts]{{from: at(t, "01T00:00"), facts: evidence.NetworkPolicyFacts{
			Kind: "NetworkPolicy", Name: "p", Namespace: "web", Specs: []evidence.NetworkSpec{{Of: "pods", Ingress: evidence.NetworkRules{
				Isolates: true, Allow: []evidence.NetworkRule{{Peers: []evidence.NetworkPeer{{Type: "pods", Reach: evidence.ReachSome, Spaces: tt.peers, SpacesAll: len(tt.peers)}}}},
			}}},
		}}}
		if got := s.netStates("network/prod", x.spaces["web"], x); len(got) != tt.want {
			t.Errorf("peers %v: got %d states, want %d", tt.peers, len(got), tt.want)
		}
	}
}
