package network

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

type ciliumPolicy struct {
	Spec   json.RawMessage   `json:"spec"`
	Specs  []json.RawMessage `json:"specs"`
	Status struct {
		Conditions kube.Conditions `json:"conditions"`
	} `json:"status"`
}

type ciliumSpec struct {
	Endpoints   *selector    `json:"endpointSelector"`
	Nodes       *selector    `json:"nodeSelector"`
	Ingress     []ciliumRule `json:"ingress"`
	IngressDeny []ciliumRule `json:"ingressDeny"`
	Egress      []ciliumRule `json:"egress"`
	EgressDeny  []ciliumRule `json:"egressDeny"`
	DefaultDeny struct {
		Ingress *bool `json:"ingress"`
		Egress  *bool `json:"egress"`
	} `json:"enableDefaultDeny"`
}

// ciliumRule is a rule by its members: what is not known among them must be seen.
type ciliumRule map[string]json.RawMessage

// specMembers are the members of a rule set that are understood, or say nothing of
// what it means.
var specMembers = []string{"endpointSelector", "nodeSelector", "ingress", "ingressDeny", "egress", "egressDeny", "enableDefaultDeny", "labels", "description", "log"}

// cilium makes the draft of a policy of Cilium, of a namespace or of the cluster.
func (r *reader) cilium(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in ciliumPolicy
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	b := r.building(o, l)
	valid := in.Status.Conditions.Of("Valid")
	b.facts.Valid, b.facts.ValidReason = word(valid.Status), word(valid.Reason)
	raws := in.Specs
	if len(in.Spec) > 0 && string(in.Spec) != "null" {
		raws = append([]json.RawMessage{in.Spec}, raws...)
	}
	if len(raws) == 0 {
		b.facts.Unread = "it holds neither spec nor specs"
	}
	for _, raw := range raws {
		if len(b.facts.Specs) >= maxSpecs {
			b.facts.SpecsCut++
			continue
		}
		b.facts.Specs = append(b.facts.Specs, b.ciliumSpec(raw))
	}
	return b.drafts()
}

func (b *building) ciliumSpec(raw json.RawMessage) evidence.NetworkSpec {
	s := evidence.NetworkSpec{Of: "pods"}
	var in ciliumSpec
	if err := json.Unmarshal(raw, &in); err != nil {
		s.Unread = "the rule set cannot be read"
		return s
	}
	if unknownMember(raw, specMembers...) {
		s.Unread = "the rule set holds something that is not understood"
	}
	// In a direction that has rules the default is to deny, whatever they say. Asked
	// for where there are none it does nothing: the agent looks at rules alone.
	s.Ingress.Isolates = len(in.Ingress)+len(in.IngressDeny) > 0 && (in.DefaultDeny.Ingress == nil || *in.DefaultDeny.Ingress)
	s.Egress.Isolates = len(in.Egress)+len(in.EgressDeny) > 0 && (in.DefaultDeny.Egress == nil || *in.DefaultDeny.Egress)
	switch {
	case in.Endpoints != nil && in.Nodes != nil, in.Endpoints == nil && in.Nodes == nil:
		s.Unread = "the rule set is about pods and nodes, or about neither"
	case in.Nodes != nil:
		s.Of = "nodes"
		return s // of nodes nothing is judged
	default:
		b.ciliumSubject(&s, in.Endpoints)
	}
	for _, part := range []struct {
		to    *evidence.NetworkRules
		rules []ciliumRule
		from  bool
		deny  bool
	}{
		{&s.Ingress, in.Ingress, true, false}, {&s.Ingress, in.IngressDeny, true, true},
		{&s.Egress, in.Egress, false, false}, {&s.Egress, in.EgressDeny, false, true},
	} {
		for _, x := range part.rules {
			list := &part.to.Allow
			if part.deny {
				list = &part.to.Deny
			}
			if len(*list) >= maxRules {
				part.to.Cut++
				continue
			}
			rule, odd := b.ciliumRule(x, part.from)
			if odd != "" && s.Unread == "" {
				s.Unread = odd
			}
			*list = append(*list, rule)
		}
	}
	return s
}

// ciliumSubject says which pods a rule set is about. In a namespaced policy they
// are of its own namespace: that replaces the label k8s:io.kubernetes.pod.namespace,
// while what the selector asks of namespaces in other ways has to hold as well.
func (b *building) ciliumSubject(s *evidence.NetworkSpec, in *selector) {
	own := *in
	if b.o.Namespace != "" {
		own.Labels = maps.Clone(in.Labels)
		delete(own.Labels, "k8s:"+spaceKey)
	}
	spaces, pods, entities := split(own.matches())
	s.Namespaces, s.Pods = spaces, pods
	for _, m := range entities {
		asked := m.Op == "exists" || m.Op == "in"
		switch name := strings.TrimPrefix(m.Key, reserved); {
		case entity(name).Reach != evidence.ReachOutside || !asked && m.Op != "missing" && m.Op != "not-in":
			s.Unread = "the rule set is about endpoints that may be no pods"
		case asked:
			s.Of = "others"
		default: // every pod meets it
		}
	}
}

// What a selector of endpoints may say instead of a label of the pod itself
// (https://docs.cilium.io/en/stable/network/kubernetes/policy/#namespaces).
const (
	spaceKey       = "io.kubernetes.pod.namespace"
	spaceLabelsKey = "io.cilium.k8s.namespace.labels."
	reserved       = "reserved:"
)

// split parts what a selector of endpoints asks of namespaces, of pods and of
// reserved identities. Labels lose the source k8s or any, which all of these have.
func split(ms []evidence.NetworkMatch) (spaces, pods, entities []evidence.NetworkMatch) {
	for _, m := range ms {
		if strings.HasPrefix(m.Key, reserved) {
			entities = append(entities, m)
			continue
		}
		key := m.Key
		for _, source := range []string{"k8s:", "any:"} {
			key = strings.TrimPrefix(key, source)
		}
		if key == spaceKey {
			m.Key = evidence.NamespaceName
			spaces = append(spaces, m)
		} else if label, ok := strings.CutPrefix(key, spaceLabelsKey); ok {
			m.Key = label
			spaces = append(spaces, m)
		} else {
			m.Key = key
			pods = append(pods, m)
		}
	}
	return spaces, pods, entities
}

// ruleMembers are the members of a rule that name peers, by direction.
var ruleMembers = map[bool][]string{
	true:  {"fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "fromNodes", "fromGroups"},
	false: {"toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toNodes", "toGroups", "toServices", "toFQDNs"},
}

// mayBeEmpty are members of which an empty list is none. Of the others it is nobody.
var mayBeEmpty = []string{"fromGroups", "toGroups", "toServices", "toFQDNs"}

// ciliumRule reads one rule. odd says why the rule set it stands in is not
// understood; empty when it is.
func (b *building) ciliumRule(in ciliumRule, from bool) (x evidence.NetworkRule, odd string) {
	named, ports, nobody := 0, 0, false
	for _, k := range sortedKeys(in) {
		raw := in[k]
		switch {
		case string(raw) == "null": // not there
		case slices.Contains(ruleMembers[from], k):
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				return x, "a list of peers cannot be read"
			}
			if len(list) == 0 && slices.Contains(mayBeEmpty, k) {
				continue
			}
			named++
			nobody = nobody || len(list) == 0
			for _, p := range list {
				b.addPeer(&x, b.ciliumPeer(k, p))
			}
		case k == "toPorts", k == "icmps":
			n, err := ciliumPorts(&x, k, raw)
			if err != nil {
				return x, "ports of a rule cannot be read"
			}
			ports += n
		case k == "authentication":
			x.Within = append(x.Within, "authentication")
		default: // fromRequires and toRequires narrow other rules; the rest is not known
			odd = "a rule holds " + word(k) + ", which is not interpreted"
		}
	}
	if named > 1 && odd == "" {
		odd = "a rule names peers in several ways at once"
	}
	x.Anyone = named == 0 && ports > 0
	// Entries that name no port let nothing pass, and narrow it to that.
	if nobody || ports > 0 && len(x.Ports) == 0 {
		x.Anyone = false
		x.Peers, x.PeersCut = nil, 0
	}
	return x, odd
}

func (b *building) ciliumPeer(member string, raw json.RawMessage) evidence.NetworkPeer {
	const odd = "the peer cannot be read"
	switch {
	case strings.HasSuffix(member, "Endpoints"):
		var s selector
		if json.Unmarshal(raw, &s) != nil || unknownMember(raw, "matchLabels", "matchExpressions") {
			return unknownPeer(odd)
		}
		return b.endpoints(s.matches())
	case strings.HasSuffix(member, "Nodes"):
		var s selector
		if json.Unmarshal(raw, &s) != nil {
			return unknownPeer(odd)
		}
		return evidence.NetworkPeer{Type: "nodes", Pods: s.matches(), Reach: evidence.ReachOutside}
	case strings.HasSuffix(member, "Entities"):
		var name string
		if json.Unmarshal(raw, &name) != nil {
			return unknownPeer(odd)
		}
		return entity(name)
	case strings.HasSuffix(member, "CIDR"):
		var cidr string
		if json.Unmarshal(raw, &cidr) != nil {
			return unknownPeer(odd)
		}
		return cilium(addresses(cidr, nil))
	case strings.HasSuffix(member, "CIDRSet"):
		var set struct {
			CIDR   string          `json:"cidr"`
			Group  string          `json:"cidrGroupRef"`
			Chosen json.RawMessage `json:"cidrGroupSelector"`
			Except []string        `json:"except"`
		}
		if json.Unmarshal(raw, &set) != nil {
			return unknownPeer(odd)
		}
		switch {
		case set.Group != "":
			return evidence.NetworkPeer{Type: "addresses", Name: "group " + word(set.Group), Except: set.Except, Reach: evidence.ReachOutside}
		case len(set.Chosen) > 0 && string(set.Chosen) != "null":
			return evidence.NetworkPeer{Type: "addresses", Name: "groups chosen by labels", Except: set.Except, Reach: evidence.ReachOutside}
		}
		return cilium(addresses(set.CIDR, set.Except))
	case member == "toFQDNs":
		var f struct {
			Name    string `json:"matchName"`
			Pattern string `json:"matchPattern"`
		}
		if json.Unmarshal(raw, &f) != nil {
			return unknownPeer(odd)
		}
		return evidence.NetworkPeer{Type: "names", Name: word(f.Name + f.Pattern), Reach: evidence.ReachOutside}
	case member == "toServices":
		return b.service(raw)
	}
	return evidence.NetworkPeer{Type: "group", Reach: evidence.ReachOutside} // addresses that a cloud tells
}

// cilium marks addresses as Cilium takes them: never as pods of the cluster, which
// have identities of their own.
func cilium(p evidence.NetworkPeer) evidence.NetworkPeer {
	if p.Type == "addresses" {
		p.Reach, p.Why = evidence.ReachOutside, ""
	}
	return p
}

// endpoints reads a selector of endpoints as a peer.
func (b *building) endpoints(ms []evidence.NetworkMatch) evidence.NetworkPeer {
	spaces, pods, entities := split(ms)
	if len(entities) > 0 {
		if len(ms) == 1 && (ms[0].Op == "exists" || ms[0].Op == "in") {
			return entity(strings.TrimPrefix(ms[0].Key, reserved))
		}
		return unknownPeer("the peer mixes reserved identities with labels")
	}
	p := evidence.NetworkPeer{Type: "pods", Namespaces: spaces, Pods: pods, Reach: evidence.ReachOwn}
	if len(spaces) > 0 || b.o.Namespace == "" {
		b.reach(&p)
	}
	return p
}

// entity says how far a named class of peers reaches
// (https://docs.cilium.io/en/stable/security/policy/language/#entities-based).
func entity(name string) evidence.NetworkPeer {
	p := evidence.NetworkPeer{Type: "entity", Name: word(name), Reach: evidence.ReachUnknown}
	switch name {
	case "all", "cluster":
		p.Reach = evidence.ReachAll
	case "world", "world-ipv4", "world-ipv6", "host", "remote-node", "kube-apiserver", "health", "none", "ingress":
		p.Reach = evidence.ReachOutside
	case "init", "unmanaged":
		p.Why = "pods without an identity may be anybody's"
	default:
		p.Why = "the entity is not known"
	}
	return p
}

// service reads a service as a peer: the pods behind it are of the namespace that
// the peer names, unless the service names other addresses. Without a namespace it
// is one of any, in a policy of a namespace too.
func (b *building) service(raw json.RawMessage) evidence.NetworkPeer {
	var in struct {
		Service *struct {
			Name      string `json:"serviceName"`
			Namespace string `json:"namespace"`
		} `json:"k8sService"`
		Chosen *struct {
			Namespace string `json:"namespace"`
		} `json:"k8sServiceSelector"`
	}
	p := evidence.NetworkPeer{Type: "service", Reach: evidence.ReachUnknown, Why: "which services the selector chooses is not read"}
	ns := ""
	switch {
	case json.Unmarshal(raw, &in) != nil:
		return unknownPeer("the peer cannot be read")
	case in.Chosen != nil: // beside it the other is not looked at
		ns = in.Chosen.Namespace
	case in.Service != nil:
		p.Name, ns, p.Why = word(in.Service.Name), in.Service.Namespace, "it names no namespace: a service of any that has its name is meant"
	}
	if ns != "" {
		// A service may also stand for addresses that somebody wrote.
		p.Namespaces, p.Why = []evidence.NetworkMatch{{Key: evidence.NamespaceName, Op: "in", Values: []string{ns}}}, ""
		b.reach(&p)
		if p.Reach == evidence.ReachSome && len(p.Spaces) == 1 && p.Spaces[0] == b.o.Namespace {
			p.Reach, p.Spaces, p.SpacesAll = evidence.ReachOwn, nil, 0
		}
	}
	return p
}

// ciliumPorts adds the ports of a rule and returns how many entries there were.
func ciliumPorts(x *evidence.NetworkRule, member string, raw json.RawMessage) (int, error) {
	if member == "icmps" {
		var list []struct {
			Fields []struct {
				Family string      `json:"family"`
				Type   intOrString `json:"type"`
			} `json:"fields"`
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return 0, err
		}
		for _, in := range list {
			for _, f := range in.Fields {
				addPort(x, "ICMP"+strings.TrimPrefix(f.Family, "IPv4"), "", string(f.Type), 0)
			}
		}
		return len(list), nil
	}
	var list []struct {
		Ports []struct {
			Port     intOrString `json:"port"`
			Protocol string      `json:"protocol"`
			EndPort  int         `json:"endPort"`
		} `json:"ports"`
		Rules       map[string]json.RawMessage `json:"rules"`
		ServerNames []string                   `json:"serverNames"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return 0, err
	}
	for _, in := range list {
		for _, p := range in.Ports {
			port := string(p.Port)
			if port == "0" {
				port = "" // every port
			}
			addPort(x, p.Protocol, "ANY", port, p.EndPort)
		}
		within := sortedKeys(in.Rules)
		if len(in.ServerNames) > 0 { // of TLS
			within = append(within, "serverNames")
		}
		for _, k := range within {
			if k = word(k); !slices.Contains(x.Within, k) && len(x.Within) < maxWords {
				x.Within = append(x.Within, k)
			}
		}
	}
	return len(list), nil
}

// addPort adds one port of a rule, as PROTOCOL/PORT-END. otherwise is the protocol
// where none is named.
func addPort(x *evidence.NetworkRule, protocol, otherwise, port string, end int) {
	if protocol == "" {
		protocol = otherwise
	}
	s := strings.ToUpper(word(protocol))
	if port != "" {
		s += "/" + word(port)
		if end > 0 {
			s += fmt.Sprintf("-%d", end)
		}
	}
	switch {
	case len(x.Ports) >= maxPorts:
		x.PortsCut++
	case !slices.Contains(x.Ports, s):
		x.Ports = append(x.Ports, s)
	}
}
