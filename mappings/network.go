package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var isolationView = &view{
	View: View{
		Name: "network_isolation",
		Doc: "What network rules say of the tenant's namespaces: one item for each that was there in the period. Rules are intent: " +
			"nothing here says that the network enforced them.",
		Kinds: []evidence.Kind{evidence.NetworkPolicy, evidence.NetworkNamespace},
		Fields: []Field{
			atEnd,
			{Name: "namespace", Type: "string", Doc: "name of the namespace"},
			{Name: "cluster", Type: "string", Doc: "cluster it is in"},
			{Name: "of_kubernetes", Type: "bool", Doc: "kube-system, kube-public or kube-node-lease"},
			{Name: "platform", Type: "bool", Doc: "it is the platform's own: what serves every tenant is there"},
			{Name: "ingress_open", Type: "duration", Optional: true, Doc: "longest stretch of the period in which no rule isolated all its pods for what comes in"},
			{Name: "possible_ingress_open", Type: "duration", Optional: true, Doc: "as ingress_open, counting blind windows and what could not be decided as open"},
			{Name: "egress_open", Type: "duration", Optional: true, Doc: "longest stretch of the period in which no rule isolated all its pods for what goes out"},
			{Name: "possible_egress_open", Type: "duration", Optional: true, Doc: "as egress_open, counting blind windows and what could not be decided as open"},
			{Name: "from_tenants", Type: "duration", Optional: true, Doc: "longest stretch of the period in which pods of other tenants were let in"},
			{Name: "possible_from_tenants", Type: "duration", Optional: true, Doc: "as from_tenants, counting blind windows and what could not be decided as let in"},
			{Name: "to_tenants", Type: "duration", Optional: true, Doc: "longest stretch of the period in which its pods were let out to pods of other tenants"},
			{Name: "possible_to_tenants", Type: "duration", Optional: true, Doc: "as to_tenants, counting blind windows and what could not be decided as let out"},
			{Name: "ingress_policies", Type: "list(string)", Doc: "policies that isolated all its pods for what comes in, at the end"},
			{Name: "egress_policies", Type: "list(string)", Doc: "policies that isolated all its pods for what goes out, at the end"},
			{Name: "from_outside", Type: "list(string)", Doc: "who is let in from outside the tenant, at the end: namespaces, addresses, entities; other tenants are counted"},
			{Name: "to_outside", Type: "list(string)", Doc: "as from_outside, of what its pods are let out to"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it or at the rules"},
			{Name: "undecided", Type: "string", Doc: "why something could not be decided; empty when everything could"},
		},
	},
	build: buildIsolation,
}

// isolationMeasures are the fields that measure how long something was so; of each
// there is another, with possible_ before it.
var isolationMeasures = []string{"ingress_open", "egress_open", "from_tenants", "to_tenants"}

// netRules are the rules of one source and the namespaces that they are about.
type netRules struct {
	spaces   map[string][]*stretch[evidence.NetworkNamespaceFacts] // by name, in time order
	policies []*stretch[evidence.NetworkPolicyFacts]
	modes    []*stretch[evidence.NetworkModeFacts]
}

func buildIsolation(ctx context.Context, s *scene, yield func(*item) error) error {
	spaces, err := stretches[evidence.NetworkNamespaceFacts](ctx, s, evidence.NetworkNamespace)
	if err != nil {
		return err
	}
	policies, err := stretches[evidence.NetworkPolicyFacts](ctx, s, evidence.NetworkPolicy)
	if err != nil {
		return err
	}
	modes, err := stretches[evidence.NetworkModeFacts](ctx, s, evidence.NetworkMode)
	if err != nil {
		return err
	}
	by := map[evidence.SourceID]*netRules{}
	of := func(id evidence.SourceID) *netRules {
		if by[id] == nil {
			by[id] = &netRules{spaces: map[string][]*stretch[evidence.NetworkNamespaceFacts]{}}
		}
		return by[id]
	}
	for i := range spaces {
		x := of(spaces[i].source)
		x.spaces[spaces[i].facts.Name] = append(x.spaces[spaces[i].facts.Name], &spaces[i])
	}
	for i := range policies {
		x := of(policies[i].source)
		x.policies = append(x.policies, &policies[i])
	}
	for i := range modes {
		x := of(modes[i].source)
		x.modes = append(x.modes, &modes[i])
	}
	var its []*item
	listed := map[string]bool{}
	for id, x := range by {
		for name, sts := range x.spaces {
			slices.SortFunc(sts, func(a, b *stretch[evidence.NetworkNamespaceFacts]) int { return a.from.Compare(b.from) })
			if it := s.isolationItem(id, name, sts, x); it != nil {
				its = append(its, it)
			}
			listed[id.Authority()+"/"+name] = true
		}
	}
	more, err := s.unlistedSpaces(ctx, listed)
	if err != nil {
		return err
	}
	return yieldSorted(append(its, more...), yield)
}

// unlistedSpaces makes an item of each namespace of the tenant that another source
// knows and no source of network rules listed: of it nothing can be said.
func (s *scene) unlistedSpaces(ctx context.Context, listed map[string]bool) (its []*item, err error) {
	flat, err := stretches[evidence.NamespaceFacts](ctx, s, evidence.RuntimeNamespace)
	if err != nil {
		return nil, err
	}
	for i := range flat {
		st := &flat[i]
		cluster := st.source.Authority()
		if key := cluster + "/" + st.facts.Name; listed[key] || s.neverLooked(cluster, st.from, st.end(s.period)) {
			continue
		} else {
			listed[key] = true
		}
		it := stateItem(st, evidence.RuntimeNamespace, "namespace "+st.facts.Name)
		it.set("namespace", st.facts.Name).set("cluster", cluster).set("platform", s.reader.Tenant() == evidence.Platform).set("of_kubernetes", ofKubernetes(st.facts.Name)).set("blind", true)
		const why = "no source of network rules looked at this namespace"
		for _, f := range isolationMeasures {
			it.unseen(f, why)
			it.unseen("possible_"+f, why)
		}
		for _, list := range []string{"ingress_policies", "egress_policies", "from_outside", "to_outside"} {
			it.set(list, []string{})
		}
		its = append(its, it.set("undecided", why))
	}
	return its, nil
}

// neverLooked reports whether the sources of network rules of a cluster looked, and
// not once while a namespace was there: it came after their newest look, or came
// and went between two of them.
func (s *scene) neverLooked(cluster string, from, to time.Time) bool {
	for _, id := range s.cover.sources(evidence.NetworkNamespace) {
		if id.Authority() != cluster {
			continue
		}
		if last := s.cover.lastLook(id, evidence.NetworkNamespace, to); !last.IsZero() && last.Before(from) {
			return true
		}
	}
	return false
}

func ofKubernetes(name string) bool {
	return slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, name)
}

// netState is what rules say of a namespace between two changes.
type netState struct{ in, out netSide }

// netSide is that of one direction.
type netSide struct {
	open     tri      // some pods are not isolated
	tenants  tri      // pods of other tenants are let pass
	by       []string // policies that isolate all pods
	outside  []string // who is let pass from outside the tenant
	why      string   // of open or tenants being so
	whose    string   // as why, of tenants
	unknowns []string // why something is not known
	seqs     []uint64 // of the policies that say so
}

// isolationItem makes the item of a namespace; nil when it was not there at any
// time of the period.
func (s *scene) isolationItem(id evidence.SourceID, name string, sts []*stretch[evidence.NetworkNamespaceFacts], x *netRules) *item {
	last := sts[len(sts)-1]
	it := &item{
		seqs: []uint64{last.seq}, kind: evidence.NetworkNamespace, at: sts[0].from, label: "namespace " + name,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if last.endSeq != 0 {
		it.also(last.endSeq)
	}
	for _, st := range sts[:len(sts)-1] {
		it.also(st.seq)
	}
	it.set("source", string(id)).set("happened", it.at).set("at_end", last.until.IsZero())
	it.set("namespace", name).set("cluster", id.Authority()).set("platform", s.reader.Tenant() == evidence.Platform).set("of_kubernetes", ofKubernetes(name))
	states := s.netStates(id, sts, x)
	if len(states) == 0 {
		return nil // it went as the period began
	}
	blind := false
	var unknowns []string
	for _, part := range []struct {
		name  string
		holds func(*netState) tri
		why   func(*netState) string
	}{
		{"ingress_open", func(n *netState) tri { return n.in.open }, func(n *netState) string { return n.in.why }},
		{"egress_open", func(n *netState) tri { return n.out.open }, func(n *netState) string { return n.out.why }},
		{"from_tenants", func(n *netState) tri { return n.in.tenants }, func(n *netState) string { return n.in.whose }},
		{"to_tenants", func(n *netState) tri { return n.out.tenants }, func(n *netState) string { return n.out.whose }},
	} {
		sp := longest(s, evidence.NetworkPolicy, states, part.holds)
		it.set(part.name, sp.sure).set("possible_"+part.name, max(sp.sure, sp.possible))
		blind = blind || sp.blind
		if sp.sure > 0 {
			i := slices.IndexFunc(states, func(st stretch[netState]) bool {
				return !st.end(s.period).Before(sp.from) && part.holds(&st.facts) == yes
			})
			why := ""
			if i >= 0 {
				why = part.why(&states[i].facts)
				it.also(states[i].facts.in.seqs...)
				it.also(states[i].facts.out.seqs...)
			}
			it.why[part.name] = fmt.Sprintf("%s, for %s from %s", why, human(sp.sure.Round(time.Second)), evidence.FormatTime(sp.from))
		}
	}
	for i := range states {
		n := &states[i].facts
		for _, u := range slices.Concat(n.in.unknowns, n.out.unknowns) {
			if !slices.Contains(unknowns, u) && len(unknowns) < 5 {
				unknowns = append(unknowns, u)
			}
		}
	}
	end := states[len(states)-1].facts
	it.also(end.in.seqs...)
	it.also(end.out.seqs...)
	it.set("ingress_policies", orEmpty(end.in.by)).set("egress_policies", orEmpty(end.out.by))
	it.set("from_outside", orEmpty(end.in.outside)).set("to_outside", orEmpty(end.out.outside))
	return it.set("blind", blind).set("undecided", strings.Join(unknowns, "; "))
}

// netStates cuts the time of a namespace in the period where something changes, and
// says what the rules mean in between.
func (s *scene) netStates(id evidence.SourceID, sts []*stretch[evidence.NetworkNamespaceFacts], x *netRules) (out []stretch[netState]) {
	cuts := []time.Time{s.period.From}
	cut := func(from, until time.Time) {
		for _, t := range []time.Time{from, until} {
			if t.After(s.period.From) && t.Before(s.period.To) {
				cuts = append(cuts, t)
			}
		}
	}
	for _, st := range sts {
		cut(st.from, st.until)
	}
	about := netRules{spaces: x.spaces, modes: x.modes}
	for _, st := range x.policies {
		if f := &st.facts; f.Namespace == "" || f.Namespace == sts[0].facts.Name {
			cut(st.from, st.until)
			about.policies = append(about.policies, st)
		}
	}
	for name := range about.peers() { // whose they are counts, and no other namespace does
		for _, st := range x.spaces[name] {
			cut(st.from, st.until)
		}
	}
	for _, st := range x.modes {
		cut(st.from, st.until)
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	for i, t := range cuts {
		j := slices.IndexFunc(sts, func(st *stretch[evidence.NetworkNamespaceFacts]) bool {
			return !st.from.After(t) && st.end(s.period).After(t)
		})
		if j < 0 {
			continue // it was not there
		}
		n := stretch[netState]{seq: sts[j].seq, source: id, from: t, facts: about.at(s, t, sts[j], x.ownAt(t, s.period))}
		if i+1 < len(cuts) {
			n.until = cuts[i+1]
			n.lastLook = later(s.cover.lastLook(id, evidence.NetworkPolicy, n.until.Add(-time.Nanosecond)), t.Add(time.Nanosecond))
		} else if sts[j].until.Before(s.period.To) {
			n.until = sts[j].until
		}
		out = append(out, n)
	}
	return out
}

// peers are the names of namespaces that the policies let pass.
func (x *netRules) peers() map[string]bool {
	names := map[string]bool{}
	for _, st := range x.policies {
		for i := range st.facts.Specs {
			spec := &st.facts.Specs[i]
			for _, rule := range slices.Concat(spec.Ingress.Allow, spec.Egress.Allow) {
				for _, p := range rule.Peers {
					for _, n := range p.Spaces {
						names[n] = true
					}
				}
			}
		}
	}
	return names
}

// ownAt returns whether a namespace of the source was the tenant's at a time.
func (x *netRules) ownAt(t time.Time, p evidence.Period) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(x.spaces[name], func(st *stretch[evidence.NetworkNamespaceFacts]) bool { return !st.from.After(t) && st.end(p).After(t) })
	}
}
