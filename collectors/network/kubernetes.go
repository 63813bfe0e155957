package network

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// selector is a label selector of Kubernetes. Nil is not there; empty is all.
type selector struct {
	Labels      map[string]string `json:"matchLabels"`
	Expressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

// matches are the requirements of a selector, in a stable order.
func (s *selector) matches() (ms []evidence.NetworkMatch) {
	if s == nil {
		return nil
	}
	for _, k := range sortedKeys(s.Labels) {
		ms = append(ms, evidence.NetworkMatch{Key: k, Op: "in", Values: []string{s.Labels[k]}})
	}
	for _, x := range s.Expressions {
		op, ok := map[string]string{"In": "in", "NotIn": "not-in", "Exists": "exists", "DoesNotExist": "missing"}[x.Operator]
		if !ok {
			op = word(x.Operator) // said as it is: nobody understands it
		}
		ms = append(ms, evidence.NetworkMatch{Key: x.Key, Op: op, Values: slices.Clone(x.Values)})
	}
	return ms
}

type kubePolicy struct {
	Spec struct {
		PodSelector *selector  `json:"podSelector"`
		PolicyTypes []string   `json:"policyTypes"`
		Ingress     []kubeRule `json:"ingress"`
		Egress      []kubeRule `json:"egress"`
	} `json:"spec"`
}

type kubeRule struct {
	From  []json.RawMessage `json:"from"`
	To    []json.RawMessage `json:"to"`
	Ports []struct {
		Protocol string      `json:"protocol"`
		Port     intOrString `json:"port"`
		EndPort  int         `json:"endPort"`
	} `json:"ports"`
}

type kubePeer struct {
	PodSelector       *selector `json:"podSelector"`
	NamespaceSelector *selector `json:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except"`
	} `json:"ipBlock"`
}

// intOrString is a port by number or name, as text; empty when there is none.
type intOrString string

func (p *intOrString) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*p = intOrString(s)
		return nil
	}
	var n int32
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*p = intOrString(fmt.Sprint(n))
	return nil
}

// kubernetes makes the draft of a NetworkPolicy.
func (r *reader) kubernetes(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in kubePolicy
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	b := r.building(o, l)
	s := evidence.NetworkSpec{Of: "pods", Pods: in.Spec.PodSelector.matches()}
	s.Ingress.Isolates, s.Egress.Isolates = in.directions()
	if s.Ingress.Isolates {
		b.kubeRules(&s.Ingress, in.Spec.Ingress, func(x *kubeRule) []json.RawMessage { return x.From })
	}
	if s.Egress.Isolates {
		b.kubeRules(&s.Egress, in.Spec.Egress, func(x *kubeRule) []json.RawMessage { return x.To })
	}
	for _, t := range in.Spec.PolicyTypes {
		if t != "Ingress" && t != "Egress" {
			s.Unread = "policyTypes holds a direction that is not known"
		}
	}
	b.facts.Specs = []evidence.NetworkSpec{s}
	return b.drafts()
}

// directions says for which directions the policy isolates. Rules of a direction
// that policyTypes leaves out have no effect.
func (p *kubePolicy) directions() (ingress, egress bool) {
	if len(p.Spec.PolicyTypes) == 0 {
		return true, len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.PolicyTypes, "Ingress"), slices.Contains(p.Spec.PolicyTypes, "Egress")
}

func (b *building) kubeRules(to *evidence.NetworkRules, rules []kubeRule, peers func(*kubeRule) []json.RawMessage) {
	for i := range rules {
		in := &rules[i]
		if len(to.Allow) >= maxRules {
			to.Cut++
			continue
		}
		var x evidence.NetworkRule
		for _, p := range in.Ports {
			addPort(&x, p.Protocol, "TCP", string(p.Port), p.EndPort)
		}
		list := peers(in)
		x.Anyone = len(list) == 0
		for _, raw := range list {
			b.addPeer(&x, b.kubePeer(raw))
		}
		to.Allow = append(to.Allow, x)
	}
}

// kubePeer reads one peer. Selectors of one peer hold together; a peer that holds
// none of the members that are known selects nobody can say whom.
func (b *building) kubePeer(raw json.RawMessage) evidence.NetworkPeer {
	var in kubePeer
	if err := json.Unmarshal(raw, &in); err != nil || unknownMember(raw, "podSelector", "namespaceSelector", "ipBlock") {
		return unknownPeer("the peer holds something that is not understood")
	}
	switch {
	case in.IPBlock != nil && (in.PodSelector != nil || in.NamespaceSelector != nil):
		return unknownPeer("the peer holds an address beside a selector")
	case in.IPBlock != nil:
		return addresses(in.IPBlock.CIDR, in.IPBlock.Except)
	case in.PodSelector == nil && in.NamespaceSelector == nil:
		return unknownPeer("the peer is empty")
	}
	p := evidence.NetworkPeer{Type: "pods", Pods: in.PodSelector.matches(), Reach: evidence.ReachOwn}
	if in.NamespaceSelector != nil {
		p.Namespaces = in.NamespaceSelector.matches()
		b.reach(&p)
	}
	return p
}
