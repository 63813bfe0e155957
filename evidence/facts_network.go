package evidence

import "time"

// Facts of networks: what rules of a cluster say about who may talk to whom.
// They are what was declared, never what went over the wire. See facts.go for
// the rules.

// NetworkPolicyFacts are the facts of network.policy: one object of rules, in
// one form whatever its kind.
type NetworkPolicyFacts struct {
	Cluster   string `json:"cluster"`
	Kind      string `json:"kind"` // NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, CiliumCIDRGroup, AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// Unread says why nothing is known of what the object means: its kind is
	// told as there and not interpreted.
	Unread string `json:"unread,omitempty"`
	// Valid is what the cluster says of the object: True, False, Unknown. Empty:
	// the kind says no such thing of itself, or nobody has said it yet.
	Valid           string        `json:"valid,omitempty"`
	ValidReason     string        `json:"valid_reason,omitempty"`
	Specs           []NetworkSpec `json:"specs,omitempty"` // of a Kubernetes policy one; of Cilium's spec, then specs
	SpecsCut        int           `json:"specs_cut,omitempty"`
	Blocks          int           `json:"blocks,omitempty"`        // of addresses, of a CiliumCIDRGroup: which they are may be one tenant's business
	BlocksSHA256    string        `json:"blocks_sha256,omitempty"` // of the blocks, sorted, each with a line end
	CreatedAt       time.Time     `json:"created_at,omitzero"`
	ResourceVersion string        `json:"resource_version,omitempty"`
	Others          Others        `json:"others,omitempty"`
}

// NetworkSpec is one set of rules and whom it is about.
type NetworkSpec struct {
	Of string `json:"of"` // pods, nodes, others: endpoints of Cilium itself, as those of health checks
	// Namespaces and Pods say which pods: all of the requirements hold of each.
	// Without any it is about every pod of the object's namespace, or of the
	// cluster. Requirements on a namespace name it by NamespaceName.
	Namespaces []NetworkMatch `json:"namespaces,omitempty"`
	Pods       []NetworkMatch `json:"pods,omitempty"`
	Ingress    NetworkRules   `json:"ingress"`
	Egress     NetworkRules   `json:"egress"`
	Unread     string         `json:"unread,omitempty"` // why what it means is not known
}

// NamespaceName is the label that every namespace has with its own name. Keys of
// requirements are this one where a rule says it in another way.
const NamespaceName = "kubernetes.io/metadata.name"

// NetworkRules are the rules of a spec for one direction.
type NetworkRules struct {
	// Isolates: what no rule lets through is refused, of the pods that the spec
	// is about. Otherwise the rules only add to what other policies say.
	Isolates bool          `json:"isolates"`
	Allow    []NetworkRule `json:"allow,omitempty"`
	Deny     []NetworkRule `json:"deny,omitempty"` // beats every allowance
	Cut      int           `json:"cut,omitempty"`  // rules that are not listed
}

// NetworkRule is one rule: any of its peers, on any of its ports. Without peers it
// is about nobody, unless Anyone says that it is about whoever there is.
type NetworkRule struct {
	Peers    []NetworkPeer `json:"peers,omitempty"`
	PeersCut int           `json:"peers_cut,omitempty"`
	Anyone   bool          `json:"anyone,omitempty"`
	Ports    []string      `json:"ports,omitempty"` // TCP/443, UDP/1000-2000, ANY/http, ICMP/8; none: all
	PortsCut int           `json:"ports_cut,omitempty"`
	Within   []string      `json:"within,omitempty"` // what narrows it further: http, dns, kafka, serverNames, authentication, ...
}

// How far a peer reaches.
const (
	ReachOwn     = "own"     // pods of the policy's own namespace
	ReachSome    = "some"    // pods of the namespaces of Spaces
	ReachAll     = "all"     // pods of every namespace
	ReachOutside = "outside" // no pods of the cluster: addresses, names, nodes
	ReachUnknown = "unknown" // Why says why it cannot be told
)

// NetworkPeer is one peer of a rule.
type NetworkPeer struct {
	Type       string         `json:"type"`           // pods, addresses, entity, names, service, group, nodes, unknown
	Name       string         `json:"name,omitempty"` // address with its mask, entity, name pattern, group of addresses
	Except     []string       `json:"except,omitempty"`
	Namespaces []NetworkMatch `json:"namespaces,omitempty"` // as declared
	Pods       []NetworkMatch `json:"pods,omitempty"`       // of these namespaces, as declared; none: all
	Reach      string         `json:"reach"`
	// Spaces are the namespaces that the peer took in when it was seen. SpacesAll
	// is how many they were: those that are other tenants' are left out of a
	// tenant's record, and those beyond the limit, which SpacesCut counts.
	Spaces    []string `json:"spaces,omitempty"`
	SpacesAll int      `json:"spaces_all,omitempty"`
	SpacesCut int      `json:"spaces_cut,omitempty"`
	Why       string   `json:"why,omitempty"`
}

// NetworkMatch is one requirement on labels.
type NetworkMatch struct {
	Key    string   `json:"key"`
	Op     string   `json:"op"` // in, not-in, exists, missing; others are not understood
	Values []string `json:"values,omitempty"`
}

// Holds reports whether labels meet the requirement; known is false when the
// operator is not understood. A label that is not there meets not-in
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/).
func (m NetworkMatch) Holds(labels map[string]string) (holds, known bool) {
	v, ok := labels[m.Key]
	switch m.Op {
	case "in":
		return ok && contains(m.Values, v), true
	case "not-in":
		return !ok || !contains(m.Values, v), true
	case "exists":
		return ok, true
	case "missing":
		return !ok, true
	}
	return false, false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// NetworkNamespaceFacts are the facts of network.namespace: a namespace whose
// rules are read, and the labels that rules choose it by.
type NetworkNamespaceFacts struct {
	Cluster         string            `json:"cluster"`
	Name            string            `json:"name"`
	UID             string            `json:"uid"`
	Labels          map[string]string `json:"labels,omitempty"`
	LabelsLeftOut   int               `json:"labels_left_out,omitempty"` // labels that the source is told to leave alone
	CreatedAt       time.Time         `json:"created_at,omitzero"`
	ResourceVersion string            `json:"resource_version,omitempty"`
}

// NetworkModeFacts are the facts of network.mode: how an agent applies rules.
type NetworkModeFacts struct {
	Cluster         string            `json:"cluster"`
	Namespace       string            `json:"namespace"`
	Name            string            `json:"name"`
	UID             string            `json:"uid"`
	Agent           string            `json:"agent"`              // cilium
	Settings        map[string]string `json:"settings,omitempty"` // those that say whether rules are applied
	ResourceVersion string            `json:"resource_version,omitempty"`
}
