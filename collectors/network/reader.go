package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// reader makes drafts of network rules. It is used by one goroutine at a time.
type reader struct {
	cfg    Config
	pods   []netip.Prefix // addresses of pods; none: not known
	memory memory
	again  func(l *kube.Look, resource, namespace string) // Look.Again, but in tests
	spaces string                                         // all namespaces when the memory was gone through last, summed up
	noted  bool                                           // that the ConfigMap is not there was noted
	asked  map[string]string                              // what a policy was asked to be read again for, by its key in the memory
}

const (
	kubeGroup   = "networking.k8s.io"
	ciliumGroup = "cilium.io"
	adminGroup  = "policy.networking.k8s.io"

	kindPolicy      = "NetworkPolicy"
	kindCilium      = "CiliumNetworkPolicy"
	kindClusterwide = "CiliumClusterwideNetworkPolicy"
	kindCIDRGroup   = "CiliumCIDRGroup"
)

// resourceOf are the resources that Again asks for, by kind.
var resourceOf = map[string]string{
	kindPolicy: "networkpolicies." + kubeGroup, kindCilium: "ciliumnetworkpolicies." + ciliumGroup,
	kindClusterwide: "ciliumclusterwidenetworkpolicies." + ciliumGroup,
}

// resources lists what is read, namespaces first: peers are chosen by their labels.
func (r *reader) resources() []kube.Resource {
	policy := []evidence.Kind{evidence.NetworkPolicy}
	needs := []string{"namespaces"}
	rs := []kube.Resource{
		{Resource: "namespaces", Kind: "Namespace", Versions: []string{"v1"}, Cluster: true,
			Kinds: []evidence.Kind{evidence.NetworkNamespace}, Remove: []string{annotations}, Drafts: r.namespaces},
		{Group: kubeGroup, Resource: "networkpolicies", Kind: kindPolicy, Versions: []string{"v1"}, Kinds: policy, Needs: needs,
			Remove: removedOfAll, Drafts: r.kubernetes, Gone: r.gone(r.kubernetes)},
		{Group: ciliumGroup, Resource: "ciliumnetworkpolicies", Kind: kindCilium, Versions: []string{"v2"}, Optional: true, Kinds: policy, Needs: needs,
			Remove: removedOfCilium(), Drafts: r.cilium, Gone: r.gone(r.cilium)},
		{Group: ciliumGroup, Resource: "ciliumclusterwidenetworkpolicies", Kind: kindClusterwide, Versions: []string{"v2"}, Optional: true, Cluster: true, Kinds: policy, Needs: needs,
			Remove: removedOfCilium(), Drafts: r.cilium, Gone: r.gone(r.cilium)},
		{Group: ciliumGroup, Resource: "ciliumcidrgroups", Kind: kindCIDRGroup, Versions: []string{"v2", "v2alpha1"}, Optional: true, Cluster: true, Kinds: policy,
			Remove: removedOfAll, Drafts: r.cidrGroup},
	}
	// Kinds with a priority above, or below, all policies. They are told as there.
	for _, x := range []struct {
		resource, kind string
		versions       []string
	}{
		{"adminnetworkpolicies", "AdminNetworkPolicy", []string{"v1alpha1"}},
		{"baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", []string{"v1alpha1"}},
		{"clusternetworkpolicies", "ClusterNetworkPolicy", []string{"v1beta1", "v1alpha2"}},
	} {
		rs = append(rs, kube.Resource{Group: adminGroup, Resource: x.resource, Kind: x.kind, Versions: x.versions, Optional: true, Cluster: true, Kinds: policy,
			Remove: removedOfAll, Drafts: r.uninterpreted})
	}
	if r.cfg.CiliumConfig != "" {
		rs = append(rs, kube.Resource{Resource: "configmaps", Kind: "ConfigMap", Versions: []string{"v1"}, In: r.cfg.CiliumConfig, Named: "cilium-config",
			Kinds: []evidence.Kind{evidence.NetworkMode}, Remove: []string{annotations}, Drafts: r.mode, Gone: r.gone(r.mode)})
	}
	return rs
}

// annotations of these objects are words of people, and nothing is read of them.
const annotations = "/metadata/annotations"

// removedOfAll is what is read of no object: messages quote what they are about.
var removedOfAll = []string{annotations, "/status/conditions/*/message"}

// removedOfCilium is what is taken out of Cilium's policies: free text, errors that
// quote, and rules of HTTP and other protocols whose values may be credentials.
func removedOfCilium() []string {
	out := append(slices.Clone(removedOfAll), "/status/derivativePolicies", "/status/nodes")
	for _, spec := range []string{"/spec", "/specs/*"} {
		out = append(out, spec+"/description")
		for _, direction := range []string{"/ingress", "/egress"} {
			rules := spec + direction + "/*/toPorts/*/rules"
			out = append(out, rules+"/http/*/headers", rules+"/http/*/headerMatches", rules+"/l7")
		}
	}
	return out
}

type draftsFunc = func(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error)

// gone makes the end of the state of a policy that was deleted, and forgets it.
func (r *reader) gone(drafts draftsFunc) draftsFunc {
	return func(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		ds, err := drafts(ctx, o, l)
		delete(r.memory.Policies, policyKey(o.Kind, o.Namespace, o.Name))
		if o.Kind == "ConfigMap" {
			r.memory.Mode = false
		}
		for i := range ds {
			ds[i].Op, ds[i].Content, ds[i].Mentions = evidence.OpEnd, []byte(`{"reason":"deleted"}`), nil
			ds[i].Raw, ds[i].Removed = nil, []string{agent, ""} // its last form may name what is other tenants'
		}
		return ds, err
	}
}

// namespaces makes the draft of a namespace whose rules are read.
func (r *reader) namespaces(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	if len(r.cfg.Namespaces) > 0 && !slices.Contains(r.cfg.Namespaces, o.Name) {
		return nil, nil
	}
	f := evidence.NetworkNamespaceFacts{
		Cluster: l.Authority, Name: o.Name, UID: o.UID, CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion, Labels: map[string]string{},
	}
	for k, v := range o.Labels {
		if len(r.cfg.TenantLabels) == 0 || slices.Contains(r.cfg.TenantLabels, k) || ofKubernetes(k) {
			f.Labels[k] = v
		} else {
			f.LabelsLeftOut++
		}
	}
	d, err := l.Draft(evidence.NetworkNamespace, o, &f)
	if f.LabelsLeftOut > 0 {
		d.Raw, d.Removed = nil, []string{agent, ""} // they are to be left alone
	}
	return []evidence.Draft{d}, err
}

// ofKubernetes reports whether a label is Kubernetes' own.
func ofKubernetes(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	return ok && (domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") || domain == "k8s.io" || strings.HasSuffix(domain, ".k8s.io"))
}

// settings of Cilium's agent that say whether rules are applied
// (https://docs.cilium.io/en/stable/network/kubernetes/policy/).
var settings = []string{
	"policy-audit-mode", "enable-policy", "enable-k8s-networkpolicy", "enable-cilium-network-policy",
	"enable-cilium-clusterwide-network-policy", "enable-non-default-deny-policies", "policy-cidr-match-mode",
}

// mode makes the draft of Cilium's configuration: the settings named here, and
// nothing else of it.
func (r *reader) mode(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in struct {
		Data map[string]string `json:"data"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	r.memory.Mode = true
	f := evidence.NetworkModeFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Agent: "cilium", ResourceVersion: o.ResourceVersion, Settings: map[string]string{},
	}
	for _, k := range settings {
		if v, ok := in.Data[k]; ok && len(v) <= 64 {
			f.Settings[k] = v
		}
	}
	d, err := l.Draft(evidence.NetworkMode, o, &f)
	d.Scope, d.Raw, d.Removed = l.Everywhere(), nil, []string{agent, ""}
	return []evidence.Draft{d}, err
}

// uninterpreted makes the draft of an object that is told as there, and no more.
func (r *reader) uninterpreted(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	f := newFacts(o, l)
	f.Unread = o.Kind + " is not interpreted"
	d, err := l.Draft(evidence.NetworkPolicy, o, &f)
	// It names namespaces by what is not read here.
	d.Scope, d.Raw, d.Removed = l.Everywhere(), nil, []string{agent, ""}
	return []evidence.Draft{d}, err
}

func newFacts(o *kube.Object, l *kube.Look) evidence.NetworkPolicyFacts {
	return evidence.NetworkPolicyFacts{
		Cluster: l.Authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
}

// cidrGroup makes the draft of a group of addresses that policies name.
func (r *reader) cidrGroup(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in struct {
		Spec struct {
			External []string `json:"externalCIDRs"`
		} `json:"spec"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := newFacts(o, l)
	slices.Sort(in.Spec.External)
	sum := sha256.Sum256([]byte(strings.Join(append(in.Spec.External, ""), "\n")))
	f.Blocks, f.BlocksSHA256 = len(in.Spec.External), hex.EncodeToString(sum[:])
	d, err := l.Draft(evidence.NetworkPolicy, o, &f)
	// Every tenant is told that there is a group, and none whose addresses it holds.
	d.Scope, d.Raw, d.Removed = l.Everywhere(), nil, []string{agent, ""}
	return []evidence.Draft{d}, err
}
