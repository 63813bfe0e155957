package vault

import (
	"fmt"

	"evidenced/evidence"
)

// What one role, identity or policy has of several tenants: each of them is told
// its own. A policy is whoever's it is by name, and whoever's paths it opens.

// mentionRules says whose the rules of a policy are, and more of them that stand in
// its text alone.
func (w *walk) mentionRules(ns *nsState, rules, more []evidence.PolicyRule) []evidence.Mention {
	of := make([][]evidence.Ref, len(rules))
	for i, r := range rules {
		if path := ruleOwner(ns, r); path != "" {
			of[i] = []evidence.Ref{w.m.ref("path", path)}
		}
	}
	ms := []evidence.Mention{{At: "/rules", Names: []string{"path"}, Of: of}}
	var told evidence.Mention
	for _, r := range more {
		if path := ruleOwner(ns, r); path != "" {
			told.Of = append(told.Of, []evidence.Ref{w.m.ref("path", r.Path), w.m.ref("path", path)})
		}
	}
	if len(told.Of) > 0 {
		ms = append(ms, told)
	}
	return ms
}

// mentionPolicies says whose the policies in a list are.
func (w *walk) mentionPolicies(ns *nsState, at string, policies []string) evidence.Mention {
	of := make([][]evidence.Ref, len(policies))
	for i, p := range policies {
		of[i] = append(w.policyRefs(ns, policies[i:i+1]), w.paths(ns, []string{p})...)
	}
	return evidence.Mention{At: at, Of: of}
}

// mentionHeld says whose that is what an identity holds. A group is told to
// whoever has one of its policies; a group without any is nobody's.
func (w *walk) mentionHeld(ns *nsState, f *evidence.IdentityFacts) []evidence.Mention {
	ms := []evidence.Mention{
		w.mentionPolicies(ns, "/policies", f.Policies), w.mentionPolicies(ns, "/group_policies", f.GroupPolicies),
	}
	groups := evidence.Mention{At: "/groups", Names: []string{"id", "name"}, Of: make([][]evidence.Ref, len(f.Groups))}
	for i, g := range f.Groups {
		m := w.mentionPolicies(ns, fmt.Sprintf("/groups/%d/policies", i), g.Policies)
		for _, refs := range m.Of {
			groups.Of[i] = append(groups.Of[i], refs...)
		}
		ms = append(ms, m)
	}
	return append(ms, groups)
}
