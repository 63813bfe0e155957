package timeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// The sentences of network rules: what was declared, never what it did.

func (t *teller) networkPolicy(f evidence.NetworkPolicyFacts) string {
	name := f.Kind + " " + strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")
	switch {
	case f.Unread != "":
		return name + " is there; what it means is not known: " + f.Unread
	case f.Kind == "CiliumCIDRGroup":
		return fmt.Sprintf("%s lists %s", name, reports.Count(f.Blocks, "block")+" of addresses")
	}
	var says []string
	for _, part := range []struct {
		word string
		of   func(*evidence.NetworkSpec) *evidence.NetworkRules
	}{
		{"in", func(s *evidence.NetworkSpec) *evidence.NetworkRules { return &s.Ingress }},
		{"out", func(s *evidence.NetworkSpec) *evidence.NetworkRules { return &s.Egress }},
	} {
		if s := passing(f.Specs, part.word, part.of); s != "" {
			says = append(says, s)
		}
	}
	who := "all pods"
	if slices.ContainsFunc(f.Specs, func(s evidence.NetworkSpec) bool { return len(s.Pods)+len(s.Namespaces) > 0 }) {
		who = "some pods"
	}
	if len(f.Specs) > 0 && !slices.ContainsFunc(f.Specs, func(s evidence.NetworkSpec) bool { return s.Of != "nodes" }) {
		who = "nodes"
	} else if len(f.Specs) > 0 && !slices.ContainsFunc(f.Specs, func(s evidence.NetworkSpec) bool { return s.Of == "pods" }) {
		who = "endpoints that are no pods"
	}
	s := name + " declares for " + who + " that "
	switch {
	case slices.ContainsFunc(f.Specs, func(s evidence.NetworkSpec) bool { return s.Unread != "" }):
		s = name + " is there; a part of what it means is not known"
	case len(says) == 0:
		s += "nothing is let in or out"
		if !slices.ContainsFunc(f.Specs, func(s evidence.NetworkSpec) bool { return s.Ingress.Isolates || s.Egress.Isolates }) {
			s = name + " declares nothing"
		}
	default:
		s += strings.Join(says, ", and ")
	}
	if f.SpecsCut > 0 {
		s += ", and more"
	}
	if f.Valid == "False" {
		s += "; the cluster does not take it for valid"
	}
	return s
}

// passing says whom the rules of one direction let pass; empty when they are about
// nobody and isolate nothing.
func passing(specs []evidence.NetworkSpec, word string, of func(*evidence.NetworkSpec) *evidence.NetworkRules) string {
	isolates := false
	var who []string
	denies := 0
	for i := range specs {
		r := of(&specs[i])
		isolates = isolates || r.Isolates
		denies += len(r.Deny)
		for _, x := range r.Allow {
			if x.Anyone {
				who = append(who, "anyone")
			}
			for _, p := range x.Peers {
				who = append(who, peer(p))
			}
		}
	}
	who = slices.Compact(who)
	s := ""
	switch {
	case isolates && len(who) == 0:
		s = "nobody is let " + word
	case isolates:
		s = "only " + few(who) + " may pass " + word
	case len(who) > 0:
		s = few(who) + " may pass " + word
	}
	if denies > 0 {
		s = strings.TrimPrefix(s+", "+reports.Count(denies, "rule")+" denying what comes "+word, ", ")
		if word == "out" {
			s = strings.Replace(s, "what comes out", "what goes out", 1)
		}
	}
	return s
}

func peer(p evidence.NetworkPeer) string {
	pods := "pods"
	if len(p.Pods) > 0 {
		pods = "some pods"
	}
	switch {
	case p.Type == "service", p.Type != "pods" && p.Name == "":
		return strings.TrimSpace(p.Type + " " + p.Name)
	case p.Type != "pods":
		return p.Name
	case p.Reach == evidence.ReachOwn:
		return pods + " of its namespace"
	case p.Reach == evidence.ReachAll:
		return pods + " of every namespace"
	case p.Reach != evidence.ReachSome:
		return pods + " of namespaces that are not known"
	}
	others := p.SpacesAll - len(p.Spaces)
	switch {
	case p.SpacesAll == 0:
		return pods + " of no namespace that is there"
	case len(p.Spaces) == 0:
		return pods + " of " + reports.Count(others, "other namespace")
	case others > 0:
		return pods + " of " + few(p.Spaces) + " and " + reports.Count(others, "other namespace")
	}
	return pods + " of " + few(p.Spaces)
}

func (t *teller) networkNamespace(f evidence.NetworkNamespaceFacts) string {
	return fmt.Sprintf("network rules of namespace %s of cluster %s are read", f.Name, f.Cluster)
}

func (t *teller) networkMode(f evidence.NetworkModeFacts) string {
	var set []string
	for _, k := range slices.Sorted(maps.Keys(f.Settings)) {
		set = append(set, k+" "+f.Settings[k])
	}
	if len(set) == 0 {
		return fmt.Sprintf("%s of cluster %s says nothing of how it applies network rules", f.Agent, f.Cluster)
	}
	return fmt.Sprintf("%s of cluster %s applies network rules with %s", f.Agent, f.Cluster, strings.Join(set, ", "))
}
