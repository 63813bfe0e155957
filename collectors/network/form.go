package network

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// Limits of one draft. What is beyond them is counted in the facts, and nothing is
// concluded from what was cut.
const (
	maxSpecs  = 200
	maxRules  = 300 // of a direction
	maxPeers  = 300 // of a rule
	maxPorts  = 100
	maxWords  = 20
	maxSpaces = 300 // namespaces of a peer
	// maxMentions bounds the lists of names in one draft: each is judged for each
	// tenant that gets it.
	maxMentions = 1000
)

// building is the draft of one policy while it is made.
type building struct {
	r     *reader
	o     *kube.Object
	l     *kube.Look
	facts evidence.NetworkPolicyFacts
	// chosen are the requirements on namespaces that were looked up.
	chosen  [][]evidence.NetworkMatch
	shorter bool // some of it was left out for its size
}

func (r *reader) building(o *kube.Object, l *kube.Look) *building {
	return &building{r: r, o: o, l: l, facts: newFacts(o, l)}
}

// addPeer adds a peer to a rule, up to the limit.
func (b *building) addPeer(x *evidence.NetworkRule, p evidence.NetworkPeer) {
	if len(x.Peers) >= maxPeers {
		x.PeersCut++
		return
	}
	x.Peers = append(x.Peers, p)
}

func unknownPeer(why string) evidence.NetworkPeer {
	return evidence.NetworkPeer{Type: "unknown", Reach: evidence.ReachUnknown, Why: why}
}

// addresses is a block of addresses as a peer. Whether pods are among them depends
// on what enforces the rules: Kubernetes leaves it open.
func addresses(cidr string, except []string) evidence.NetworkPeer {
	p := evidence.NetworkPeer{Type: "addresses", Name: word(cidr), Reach: evidence.ReachUnknown, Why: "pods may have some of these addresses"}
	for _, x := range except {
		if len(p.Except) < maxSpaces {
			p.Except = append(p.Except, word(x))
		}
	}
	return p
}

// place says of blocks of addresses whether pods are among them, where the
// configuration tells which addresses pods have.
func (b *building) place(p *evidence.NetworkPeer) {
	if p.Type != "addresses" || p.Reach != evidence.ReachUnknown || len(b.r.pods) == 0 || len(p.Except) >= maxSpaces {
		return
	}
	block, err := prefixOf(p.Name)
	if err != nil {
		return
	}
	reach := evidence.ReachOutside
	for _, pods := range b.r.pods {
		if !block.Overlaps(pods) {
			continue
		}
		common := pods // of two blocks that overlap one lies in the other
		if block.Bits() > pods.Bits() {
			common = block
		}
		if slices.ContainsFunc(p.Except, func(x string) bool {
			except, err := prefixOf(x)
			return err == nil && except.Overlaps(common) && except.Bits() <= common.Bits()
		}) {
			continue
		}
		if common != pods || slices.ContainsFunc(p.Except, func(x string) bool { except, err := prefixOf(x); return err != nil || except.Overlaps(common) }) {
			return // some of them
		}
		reach = evidence.ReachAll
	}
	p.Reach, p.Why = reach, ""
}

// prefixOf reads a block of addresses, or one address.
func prefixOf(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// reach says which namespaces a peer takes in by what it asks of them.
func (b *building) reach(p *evidence.NetworkPeer) {
	asks := slices.DeleteFunc(slices.Clone(p.Namespaces), func(m evidence.NetworkMatch) bool { return m.Key == evidence.NamespaceName && m.Op == "exists" })
	if len(asks) == 0 {
		p.Reach = evidence.ReachAll // every namespace has a name
		return
	}
	names, known := b.r.resolve(b.l, p.Namespaces)
	if !b.remember(p.Namespaces) || !known {
		p.Reach, p.Why = evidence.ReachUnknown, "which namespaces it takes in is not known"
		return
	}
	p.Reach, p.SpacesAll = evidence.ReachSome, len(names)
	p.Spaces = names[:min(len(names), maxSpaces)]
	p.SpacesCut = len(names) - len(p.Spaces)
}

// resolve returns the namespaces that meet all requirements, sorted. known is
// false when that cannot be told: labels are not read, or not all namespaces are
// seen, and not named either.
func (r *reader) resolve(l *kube.Look, ms []evidence.NetworkMatch) (names []string, known bool) {
	whole := r.cfg.NamespaceLabels && len(r.cfg.Namespaces) == 0 && len(l.Namespaces()) > 0
	var candidates []string
	named, labels := false, false
	for _, m := range ms {
		switch {
		case m.Op != "in" && m.Op != "not-in" && m.Op != "exists" && m.Op != "missing":
			return nil, false
		case m.Key == evidence.NamespaceName && m.Op == "in" && !named:
			candidates, named = slices.Clone(m.Values), true
		case m.Key != evidence.NamespaceName:
			labels = true
		}
	}
	if !whole && (!named || labels) {
		return nil, false
	}
	if !named {
		candidates = l.Namespaces()
	}
	names = []string{}
	for _, name := range candidates {
		n, there := l.Namespace(name)
		if !there && labels {
			continue // no such namespace: none that has the labels
		}
		if !slices.ContainsFunc(ms, func(m evidence.NetworkMatch) bool {
			has := n.Labels
			if m.Key == evidence.NamespaceName {
				has = map[string]string{m.Key: name}
			}
			holds, _ := m.Holds(has)
			return !holds
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// drafts makes the draft of the policy, as large as it may be.
func (b *building) drafts() ([]evidence.Draft, error) {
	f := &b.facts
	for i := range f.Specs {
		for _, rules := range []*evidence.NetworkRules{&f.Specs[i].Ingress, &f.Specs[i].Egress} {
			for _, list := range [][]evidence.NetworkRule{rules.Allow, rules.Deny} {
				for j := range list {
					for k := range list[j].Peers {
						b.place(&list[j].Peers[k])
					}
				}
			}
		}
	}
	d, err := b.l.Draft(evidence.NetworkPolicy, b.o, f)
	mentions := b.mentions()
	for err == nil && (len(d.Content) > evidence.MaxContent || len(mentions) > maxMentions) && b.shorten() {
		d, err = b.l.Draft(evidence.NetworkPolicy, b.o, f)
		mentions = b.mentions()
	}
	if err != nil {
		return nil, err
	}
	if b.o.Namespace == "" {
		d.Scope = b.l.Everywhere()
	}
	if b.cut() {
		d.Raw, d.Removed = nil, []string{agent, ""} // what is not listed was not asked whose it is
	}
	d.Mentions = mentions
	if b.o.Namespace == "" {
		b.l.Spell(&d)
	}
	b.settled()
	return []evidence.Draft{d}, nil
}

// shorten leaves out the second half of what is largest; false when nothing is
// left to leave out.
func (b *building) shorten() bool {
	f := &b.facts
	b.shorter = true
	if n := len(f.Specs); n > 1 {
		f.SpecsCut, f.Specs = f.SpecsCut+n-n/2, f.Specs[:n/2]
		return true
	}
	if len(f.Specs) == 0 {
		return false
	}
	s := &f.Specs[0]
	some := false
	for _, rules := range []*evidence.NetworkRules{&s.Ingress, &s.Egress} {
		for _, list := range []*[]evidence.NetworkRule{&rules.Allow, &rules.Deny} {
			if n := len(*list); n > 0 {
				rules.Cut, *list, some = rules.Cut+n-n/2, (*list)[:n/2], true
			}
		}
	}
	if !some && len(s.Pods)+len(s.Namespaces) > 0 {
		s.Pods, s.Namespaces, s.Unread, some = nil, nil, "whom it selects is too long to be told", true
	}
	return some
}

// cut reports whether something of the policy is not listed.
func (b *building) cut() bool {
	if b.shorter || b.facts.SpecsCut > 0 {
		return true
	}
	return slices.ContainsFunc(b.facts.Specs, func(s evidence.NetworkSpec) bool {
		return slices.ContainsFunc([]evidence.NetworkRules{s.Ingress, s.Egress}, func(r evidence.NetworkRules) bool {
			return r.Cut > 0 || slices.ContainsFunc(slices.Concat(r.Allow, r.Deny), func(x evidence.NetworkRule) bool {
				return x.PeersCut > 0 || slices.ContainsFunc(x.Peers, func(p evidence.NetworkPeer) bool { return p.SpacesCut > 0 })
			})
		})
	})
}

// mentions say whose the namespaces and labels are that the policy names.
func (b *building) mentions() (ms []evidence.Mention) {
	about := evidence.Mention{At: "/specs", Of: make([][]evidence.Ref, len(b.facts.Specs))}
	for i := range b.facts.Specs {
		s := &b.facts.Specs[i]
		at := fmt.Sprintf("/specs/%d", i)
		if b.o.Namespace == "" && s.Of == "pods" && len(s.Namespaces) > 0 {
			// What is about the namespaces of some is theirs.
			if names, known := b.r.resolve(b.l, s.Namespaces); known && b.remember(s.Namespaces) {
				about.Of[i] = slices.Concat(b.l.Mention("", names).Of...)
			}
		}
		ms = append(ms, b.named(at+"/namespaces", s.Namespaces, true)...)
		ms = append(ms, b.named(at+"/pods", s.Pods, false)...)
		for _, part := range []struct {
			at    string
			rules []evidence.NetworkRule
		}{{"/ingress/allow", s.Ingress.Allow}, {"/ingress/deny", s.Ingress.Deny}, {"/egress/allow", s.Egress.Allow}, {"/egress/deny", s.Egress.Deny}} {
			for j := range part.rules {
				for k := range part.rules[j].Peers {
					p := &part.rules[j].Peers[k]
					at := fmt.Sprintf("%s%s/%d/peers/%d", at, part.at, j, k)
					if len(p.Spaces) > 0 {
						ms = append(ms, b.l.Mention(at+"/spaces", p.Spaces))
					}
					ms = append(ms, b.named(at+"/namespaces", p.Namespaces, true)...)
					ms = append(ms, b.named(at+"/pods", p.Pods, false)...)
				}
			}
		}
	}
	if slices.ContainsFunc(about.Of, func(refs []evidence.Ref) bool { return refs != nil }) {
		ms = append(ms, about)
	}
	return ms
}

// named says whose the values of requirements are: namespaces by their name,
// others by the label, and by the namespace where they are its name; those on
// namespaces also by the ones that have the label.
func (b *building) named(at string, list []evidence.NetworkMatch, ofSpaces bool) (ms []evidence.Mention) {
	for i, m := range list {
		if len(m.Values) == 0 {
			continue
		}
		at := fmt.Sprintf("%s/%d/values", at, i)
		if m.Key == evidence.NamespaceName {
			ms = append(ms, b.l.Mention(at, m.Values))
			continue
		}
		of := evidence.Mention{At: at, Of: make([][]evidence.Ref, len(m.Values))}
		for j, v := range m.Values {
			of.Of[j] = []evidence.Ref{evidence.NewRef("label", b.l.Authority, m.Key+"="+v)}
			if _, there := b.l.Namespace(v); there {
				of.Of[j] = append(of.Of[j], b.l.Mention("", []string{v}).Of[0]...) // a label that holds a namespace's name
			}
			if !ofSpaces {
				continue
			}
			for _, name := range b.l.Namespaces() {
				if n, _ := b.l.Namespace(name); n.Labels[m.Key] == v {
					of.Of[j] = append(of.Of[j], b.l.Scope(name)...)
				}
			}
		}
		ms = append(ms, of)
	}
	return ms
}

// word returns a word of the source as facts hold it: of a bounded length.
func word(s string) string {
	const most = 253
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// unknownMember reports whether an object has a member beside those that are
// known, and says something with it.
func unknownMember(raw json.RawMessage, known ...string) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return true
	}
	for k, v := range m {
		if !slices.Contains(known, k) && string(v) != "null" {
			return true
		}
	}
	return false
}
