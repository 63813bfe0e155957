package mappings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// netMode is what is known of the agent that applies rules.
type netMode struct {
	off          string // why no rule is applied; empty when that is not known
	always       bool   // pods are isolated without a rule
	cilium       bool   // addresses of rules are never pods, unless podsToo
	podsToo      bool   // addresses of rules take in the pods that have them
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
		// A list, written as "nodes,pods" or "nodes pods".
		m.podsToo = slices.Contains(strings.FieldsFunc(set["policy-cidr-match-mode"], func(c rune) bool { return c == ',' || c == ' ' }), "pods")
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
		reach, why := p.Reach, p.Why
		switch {
		case p.Type != "addresses" || !j.mode.cilium:
		case !j.mode.podsToo:
			reach = evidence.ReachOutside
		case strings.HasPrefix(name, "Cilium"): // of Kubernetes' rules the source was asked
			reach, why = evidence.ReachUnknown, "pods may have some of these addresses"
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
			j.unknown("%s: %s", name, cmp.Or(why, "how far a peer reaches is not known"))
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
