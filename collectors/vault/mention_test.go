package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/collectortest"
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

// A policy with more rules than its facts list: its text has them all, and whose
// they are is said of each.
func TestPolicyOfManyRules(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	var text strings.Builder
	for i := range keptRules + 2 {
		fmt.Fprintf(&text, "path \"kv/data/tenant-%d/*\" { capabilities = [\"read\"] }\n", i)
	}
	s.data["GET sys/policies/acl/tenant-7-read"] = obj{"name": "tenant-7-read", "policy": text.String()}
	var rec collectortest.Recorder
	if err := s.collector(t, Config{}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	for _, d := range rec.Of(evidence.SecretPolicy) {
		if d.Subject.Name != "tenant-7-read" {
			continue
		}
		ref := func(name string) evidence.Ref { return evidence.NewRef("path", "prod", name) }
		last := fmt.Sprintf("tenant-%d/*", keptRules+1)
		if len(d.Mentions) != 2 || len(d.Mentions[0].Of) != keptRules || len(d.Mentions[1].Of) != 2 ||
			!slices.Equal(d.Mentions[1].Of[1], []evidence.Ref{ref("kv/data/" + last), ref("kv/" + last)}) {
			t.Errorf("whose the rules are: %d lists, %v", len(d.Mentions), d.Mentions[len(d.Mentions)-1].Of)
		}
		return
	}
	t.Error("the policy was not read")
}
