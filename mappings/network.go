package mappings

import (
	"cmp"
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
	for _, others := range x.spaces {
		for _, st := range others {
			cut(st.from, st.until)
		}
	}
	about := netRules{spaces: x.spaces, modes: x.modes}
	for _, st := range x.policies {
		if f := &st.facts; f.Namespace == "" || f.Namespace == sts[0].facts.Name {
			cut(st.from, st.until)
			about.policies = append(about.policies, st)
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

// ownAt returns whether a namespace of the source was the tenant's at a time.
func (x *netRules) ownAt(t time.Time, p evidence.Period) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(x.spaces[name], func(st *stretch[evidence.NetworkNamespaceFacts]) bool { return !st.from.After(t) && st.end(p).After(t) })
	}
}

// netMode is what is known of the agent that applies rules.
type netMode struct {
	off          string // why no rule is applied; empty when that is not known
	always       bool   // pods are isolated without a rule
	cilium       bool   // addresses of rules are never pods
	alwaysDenies bool   // enableDefaultDeny is not heeded
	without      map[string]bool
	seq          uint64
}

func (x *netRules) modeAt(t time.Time, p evidence.Period) (m netMode) {
	m.without = map[string]bool{}
	for _, st := range x.modes {
		if st.from.After(t) || !st.end(p).After(t) {
			continue
		}
		set := st.facts.Settings
		m.cilium, m.seq = true, st.seq
		switch {
		case set["enable-policy"] == "never":
			m.off = "the agent applies no rules (enable-policy: never)"
		case set["policy-audit-mode"] == "true":
			m.off = "rules are only logged (policy-audit-mode)"
		}
		m.always = set["enable-policy"] == "always"
		m.alwaysDenies = set["enable-non-default-deny-policies"] == "false"
		for key, kind := range map[string]string{
			"enable-k8s-networkpolicy": "NetworkPolicy", "enable-cilium-network-policy": "CiliumNetworkPolicy",
			"enable-cilium-clusterwide-network-policy": "CiliumClusterwideNetworkPolicy",
		} {
			if set[key] == "false" {
				m.without[kind] = true
			}
		}
	}
	return m
}

// at says what the rules mean for a namespace at a time.
func (x *netRules) at(s *scene, t time.Time, ns *stretch[evidence.NetworkNamespaceFacts], own func(string) bool) netState {
	mode := x.modeAt(t, s.period)
	judge := func(side func(*evidence.NetworkSpec) *evidence.NetworkRules, word string) netSide {
		j := netJudge{ns: &ns.facts, mode: mode, own: own, word: word, platform: s.reader.Tenant() == evidence.Platform, denies: no}
		for _, st := range x.policies {
			if !st.from.After(t) && st.end(s.period).After(t) {
				j.policy(st, side)
			}
		}
		return j.side()
	}
	return netState{
		in:  judge(func(n *evidence.NetworkSpec) *evidence.NetworkRules { return &n.Ingress }, "in"),
		out: judge(func(n *evidence.NetworkSpec) *evidence.NetworkRules { return &n.Egress }, "out"),
	}
}

// netJudge puts together what all policies say of one namespace and direction.
type netJudge struct {
	ns       *evidence.NetworkNamespaceFacts
	mode     netMode
	own      func(string) bool
	word     string // in, out
	platform bool   // it is the platform's namespace: nobody else's names are hidden from it

	closed   []string // policies that isolate all pods
	partly   []string // policies that isolate some pods
	maybe    bool     // some may isolate all
	passes   []pass
	outside  []string
	denies   tri // every pod is denied, yes; unknown: something is
	invalid  []string
	below    []string // kinds that count where no other rule isolates
	unknowns []string
	seqs     []uint64
}

// pass is an opening to pods of other tenants.
type pass struct {
	what string
	sure bool
}

func (j *netJudge) unknown(format string, args ...any) {
	if u := fmt.Sprintf(format, args...); !slices.Contains(j.unknowns, u) {
		j.unknowns = append(j.unknowns, u)
	}
}

func (j *netJudge) beyond(what string) {
	if !slices.Contains(j.outside, what) && len(j.outside) < 100 {
		j.outside = append(j.outside, what)
	}
}

func (j *netJudge) policy(st *stretch[evidence.NetworkPolicyFacts], side func(*evidence.NetworkSpec) *evidence.NetworkRules) {
	f := &st.facts
	if f.Namespace != "" && f.Namespace != j.ns.Name || f.Kind == "CiliumCIDRGroup" || j.mode.without[f.Kind] {
		return
	}
	name := f.Kind + " " + f.Name
	before := len(j.closed) + len(j.passes) + len(j.outside) + len(j.unknowns)
	defer func() {
		if len(j.closed)+len(j.partly)+len(j.below)+len(j.passes)+len(j.outside)+len(j.unknowns) > before {
			j.seqs = append(j.seqs, st.seq)
		}
	}()
	switch {
	case f.Valid == "False":
		j.invalid = append(j.invalid, name)
		j.seqs = append(j.seqs, st.seq)
		return // the cluster does not apply it
	case f.Unread != "" && f.Kind == "BaselineAdminNetworkPolicy":
		j.below = append(j.below, fmt.Sprintf("%s: %s", name, f.Unread))
		return
	case f.Unread != "":
		j.maybe = true
		j.passes = append(j.passes, pass{name, false})
		j.unknown("%s: %s", name, f.Unread)
		return
	case f.SpecsCut > 0:
		j.maybe = true
		j.passes = append(j.passes, pass{name, false})
		j.unknown("%s is too long to be told whole", name)
	}
	told := !strings.HasPrefix(f.Kind, "Cilium") || f.Valid == "True"
	for i := range f.Specs {
		spec := &f.Specs[i]
		applies := j.applies(spec)
		if spec.Of != "pods" || applies == no {
			continue
		}
		rules := side(spec)
		if spec.Unread != "" {
			j.maybe = true
			j.passes = append(j.passes, pass{name, false})
			j.unknown("%s: %s", name, spec.Unread)
			continue
		}
		isolates := rules.Isolates || j.mode.alwaysDenies && strings.HasPrefix(f.Kind, "Cilium") && len(rules.Allow)+len(rules.Deny)+rules.Cut > 0
		if !isolates && len(rules.Allow)+len(rules.Deny)+rules.Cut == 0 {
			continue
		}
		if applies == unknown {
			j.unknown("%s: whether it is about this namespace is not known", name)
		}
		if !told {
			j.unknown("%s: the cluster has not said that it is valid", name)
		}
		sure := applies == yes && told
		switch {
		case isolates && len(spec.Pods) > 0:
			j.partly = append(j.partly, name)
		case isolates && sure:
			j.closed = append(j.closed, name)
		case isolates:
			j.maybe = true
		}
		// Which pods of the namespace a rule of the cluster picks out by their labels
		// is not known, maybe none.
		if f.Namespace == "" && len(spec.Pods) > 0 && sure {
			sure = false
			j.unknown("%s: whether the namespace has pods that it is about is not known", name)
		}
		j.rules(name, rules, sure, len(spec.Pods) == 0)
	}
}

// applies says whether a rule set is about the namespace.
func (j *netJudge) applies(spec *evidence.NetworkSpec) tri {
	is := yes
	for _, m := range spec.Namespaces {
		holds, known := m.Holds(map[string]string{m.Key: j.ns.Name})
		if m.Key != evidence.NamespaceName {
			holds, known = m.Holds(j.ns.Labels)
			if _, there := j.ns.Labels[m.Key]; !there && j.ns.LabelsLeftOut > 0 {
				known = false
			}
		}
		switch {
		case !known:
			is = unknown
		case !holds:
			return no
		}
	}
	return is
}

func (j *netJudge) rules(name string, rules *evidence.NetworkRules, sure, all bool) {
	if rules.Cut > 0 {
		j.passes = append(j.passes, pass{name, false})
		j.unknown("%s has more rules than are told", name)
	}
	for i := range rules.Allow {
		j.allow(name, &rules.Allow[i], sure)
	}
	for i := range rules.Deny {
		x := &rules.Deny[i]
		every := slices.ContainsFunc(x.Peers, func(p evidence.NetworkPeer) bool { return p.Reach == evidence.ReachAll && len(p.Pods) == 0 })
		switch {
		case sure && all && every && len(x.Ports)+x.PortsCut == 0:
			j.denies = yes
		case j.denies == no && (len(x.Peers) > 0 || x.Anyone):
			j.denies = unknown
		}
	}
}

// allow takes what one rule lets pass.
func (j *netJudge) allow(name string, x *evidence.NetworkRule, sure bool) {
	add := func(what string, sure bool) {
		j.passes = append(j.passes, pass{fmt.Sprintf("%s lets %s %s", name, what, j.word), sure})
	}
	if x.Anyone {
		j.beyond("anyone")
		add("anyone", sure)
	}
	if x.PeersCut > 0 {
		add("more peers than are told", false)
		j.unknown("%s has more peers than are told", name)
	}
	for i := range x.Peers {
		p := &x.Peers[i]
		reach := p.Reach
		if p.Type == "addresses" && j.mode.cilium {
			reach = evidence.ReachOutside
		}
		switch reach {
		case evidence.ReachOwn:
		case evidence.ReachAll:
			what := "every namespace"
			if p.Type == "entity" || p.Type == "addresses" {
				what = p.Name
			}
			j.beyond(what)
			if len(p.Pods) == 0 {
				add(what, sure)
				continue
			}
			add("pods of every namespace that carry certain labels", false)
			j.unknown("%s: whose the pods are that it lets %s by their labels is not known", name, j.word)
		case evidence.ReachSome:
			j.some(name, p, sure, add)
		case evidence.ReachOutside:
			if p.Name != "none" || p.Type != "entity" {
				j.beyond(strings.TrimSpace(p.Type + " " + p.Name))
			}
		default:
			j.beyond(strings.TrimSpace(p.Type + " " + p.Name))
			add(strings.TrimSpace(p.Type+" "+p.Name), false)
			j.unknown("%s: %s", name, cmp.Or(p.Why, "how far a peer reaches is not known"))
		}
	}
}

// some takes a peer that reaches into namespaces. Those that are not told are other
// tenants'.
func (j *netJudge) some(name string, p *evidence.NetworkPeer, sure bool, add func(string, bool)) {
	strangers := 0
	for _, n := range p.Spaces {
		if !j.own(n) {
			j.beyond("namespace " + n)
			strangers++
		}
	}
	if j.platform && strangers > 0 {
		add("namespaces that may be a tenant's", false)
		j.unknown("%s: whose the namespaces are that it lets %s is not told in the platform's own record", name, j.word)
	}
	if n := p.SpacesAll - len(p.Spaces) - p.SpacesCut; n > 0 {
		what := plural(n, "namespace") + " of other tenants"
		j.beyond(what)
		add(what, sure)
	}
	if p.SpacesCut > 0 {
		add("more namespaces than are told", false)
		j.unknown("%s lets more namespaces %s than are told", name, j.word)
	}
}

// side concludes.
func (j *netJudge) side() netSide {
	n := netSide{by: j.closed, outside: j.outside, unknowns: j.unknowns, seqs: j.seqs}
	if j.mode.off != "" {
		n.open, n.tenants, n.why, n.whose, n.by = yes, yes, j.mode.off, j.mode.off, nil
		n.seqs = append(n.seqs, j.mode.seq)
		return n
	}
	switch {
	case len(j.closed) > 0 || j.mode.always:
		n.open = no
	case j.maybe || len(j.below) > 0:
		n.open = unknown
		n.unknowns = append(slices.Clip(n.unknowns), j.below...)
	default:
		n.open = yes
		n.why = "no rule isolates it for what " + map[string]string{"in": "comes in", "out": "goes out"}[j.word]
		if len(j.partly) > 0 {
			n.why = "rules isolate some of its pods only for what " + map[string]string{"in": "comes in", "out": "goes out"}[j.word]
		}
		if len(j.invalid) > 0 {
			n.why += "; not valid: " + strings.Join(j.invalid[:min(3, len(j.invalid))], ", ")
		}
	}
	passes := j.passes
	if n.open != no {
		passes = append([]pass{{n.why, n.open == yes}}, passes...)
	}
	n.tenants = no
	for _, p := range passes {
		switch {
		case p.sure && n.tenants != yes:
			n.tenants, n.whose = yes, p.what
		case n.tenants == no:
			n.tenants = unknown
		}
	}
	switch {
	case n.tenants == no:
	case j.denies == yes:
		n.tenants, n.whose = no, "" // denial beats every allowance
	case j.denies != no && n.tenants == yes:
		n.tenants, n.whose = unknown, ""
		n.unknowns = append(slices.Clip(n.unknowns), "rules that deny stand beside those that let "+j.word)
	}
	return n
}
