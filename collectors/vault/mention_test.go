package vault

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// Whose a policy is: its name's owner, and the owners of what it opens. What
// granted a request is everybody's whom the request concerns.
func TestMentions(t *testing.T) {
	m := &maker{authority: "prod"}
	ref := func(scheme, name string) evidence.Ref { return evidence.NewRef(scheme, "prod", name) }
	w := &walk{m: m}
	ns := &nsState{kv: []string{"kv"}, policies: map[string][]evidence.PolicyRule{
		"a": {{Path: "kv/data/a/*", Capabilities: []string{"read"}}}, "b": {{Path: "kv/data/b/*", Capabilities: []string{"deny"}}},
	}}
	var d evidence.Draft
	m.mention(&d, &evidence.AccessFacts{Policies: []string{"a", "b"}, Granting: []string{"b"}})
	held := w.mentionHeld(ns, &evidence.IdentityFacts{Policies: []string{"a"}, Groups: []evidence.IdentityGroup{{ID: "g", Policies: []string{"b", "a"}}, {ID: "none"}}})
	ofA := []evidence.Ref{ref("policy", "a"), ref("path", "kv/a/*")}
	for _, tc := range []struct {
		name      string
		got, want []evidence.Mention
	}{
		{"a request", d.Mentions, []evidence.Mention{{At: "/policies", Of: [][]evidence.Ref{{ref("policy", "a")}, nil}}}},
		{"a policy", w.mentionRules(ns, append(ns.policies["a"], ns.policies["b"]...), nil), []evidence.Mention{
			{At: "/rules", Names: []string{"path"}, Of: [][]evidence.Ref{{ref("path", "kv/a/*")}, {ref("path", "kv/b/*")}}},
		}},
		{"a policy of more rules than are listed", w.mentionRules(ns, ns.policies["a"], append(ns.policies["b"], evidence.PolicyRule{})), []evidence.Mention{
			{At: "/rules", Names: []string{"path"}, Of: [][]evidence.Ref{{ref("path", "kv/a/*")}}},
			{Of: [][]evidence.Ref{{ref("path", "kv/data/b/*"), ref("path", "kv/b/*")}}},
		}},
		{"an identity", held, []evidence.Mention{
			{At: "/policies", Of: [][]evidence.Ref{ofA}},
			{At: "/group_policies", Of: [][]evidence.Ref{}},
			{At: "/groups/0/policies", Of: [][]evidence.Ref{{ref("policy", "b")}, ofA}},
			{At: "/groups/1/policies", Of: [][]evidence.Ref{}},
			{At: "/groups", Names: []string{"id", "name"}, Of: [][]evidence.Ref{append([]evidence.Ref{ref("policy", "b")}, ofA...), nil}},
		}},
	} {
		if d := cmp.Diff(tc.want, tc.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	if len(d.ActorScope) != 2 {
		t.Errorf("the actor's scope: %v", d.ActorScope)
	}
}
