package kubernetes

import (
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// namespace makes the draft of a namespace. Of its labels those are kept that
// tenancy looks at, and Kubernetes' own.
func (m maker) namespace(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var n struct {
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	if err := o.Decode(&n); err != nil {
		return evidence.Draft{}, err
	}
	f := evidence.NamespaceFacts{
		Cluster: l.Authority, Name: o.Name, UID: o.UID, Phase: n.Status.Phase,
		CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
	d, err := l.Draft(evidence.RuntimeNamespace, o, &f)
	if err != nil {
		return d, err
	}
	f.Labels = map[string]string{}
	for _, r := range d.Scope {
		if k, v, ok := strings.Cut(r.Name, "="); ok && r.Scheme == "label" {
			f.Labels[k] = v
		}
	}
	for k, v := range o.Labels {
		if strings.Contains(k, "kubernetes.io/") {
			f.Labels[k] = v
		}
	}
	return l.Draft(evidence.RuntimeNamespace, o, &f)
}

// node makes the draft of a node. Region and zone are the labels that the
// cloud's controller or an administrator gave it, the older names counting
// when the newer are missing
// (https://kubernetes.io/docs/reference/labels-annotations-taints/).
func (m maker) node(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var n struct {
		Spec struct {
			ProviderID    string `json:"providerID"`
			Unschedulable bool   `json:"unschedulable"`
		} `json:"spec"`
		Status struct {
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
			NodeInfo struct {
				OSImage                 string `json:"osImage"`
				KernelVersion           string `json:"kernelVersion"`
				ContainerRuntimeVersion string `json:"containerRuntimeVersion"`
				KubeletVersion          string `json:"kubeletVersion"`
			} `json:"nodeInfo"`
		} `json:"status"`
	}
	if err := o.Decode(&n); err != nil {
		return evidence.Draft{}, err
	}
	info := n.Status.NodeInfo
	f := evidence.NodeFacts{
		Cluster: l.Authority, Name: o.Name, UID: o.UID,
		Region: firstOf(o.Labels, "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
		Zone:   firstOf(o.Labels, "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
		Type:   firstOf(o.Labels, "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
		OS:     info.OSImage, Kernel: info.KernelVersion, Runtime: info.ContainerRuntimeVersion, Kubelet: info.KubeletVersion,
		Unschedulable: n.Spec.Unschedulable, CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
	if scheme, _, ok := strings.Cut(n.Spec.ProviderID, "://"); ok {
		f.Provider = scheme
	}
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			f.Ready = c.Status
		}
	}
	d, err := l.Draft(evidence.RuntimeNode, o, &f)
	d.Scope = l.Everywhere()
	if err == nil {
		l.Spell(&d) // a node may be for a tenant alone, and bear its name in a label or a taint
	}
	return d, err
}
