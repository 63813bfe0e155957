package kubernetes

import (
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// podObject is the part of a pod that is read beside its metadata.
type podObject struct {
	Spec   podSpec `json:"spec"`
	Status struct {
		Phase                      string            `json:"phase"`
		StartTime                  *time.Time        `json:"startTime"`
		ContainerStatuses          []containerStatus `json:"containerStatuses"`
		InitContainerStatuses      []containerStatus `json:"initContainerStatuses"`
		EphemeralContainerStatuses []containerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type containerStatus struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	ImageID      string `json:"imageID"`
	RestartCount int32  `json:"restartCount"`
	State        struct {
		Waiting *struct {
			Reason string `json:"reason"`
		} `json:"waiting"`
		Running *struct {
			StartedAt *time.Time `json:"startedAt"`
		} `json:"running"`
		Terminated *struct {
			Reason     string     `json:"reason"`
			StartedAt  *time.Time `json:"startedAt"`
			FinishedAt *time.Time `json:"finishedAt"`
		} `json:"terminated"`
	} `json:"state"`
}

// pod makes the draft of a pod.
func (m maker) pod(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var p podObject
	if err := o.Decode(&p); err != nil {
		return evidence.Draft{}, err
	}
	secrets, providers := p.Spec.secrets()
	f := evidence.PodFacts{
		Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Node: p.Spec.NodeName, Phase: p.Status.Phase, ServiceAccount: p.Spec.account(),
		Owner: o.Controller(), App: m.tracked(o),
		Secrets: secrets, SecretProviders: providers, ImageVolumes: p.Spec.imageVolumes(),
		Privileged: p.Spec.privileged(), HostNetwork: p.Spec.HostNetwork,
		CreatedAt: o.CreatedAt, StartedAt: kube.Time(p.Status.StartTime), ResourceVersion: o.ResourceVersion,
	}
	if f.Phase == "" {
		f.Phase = "Unknown"
	}
	f.Containers, f.Restarts = p.containers()
	f.Workload = topOwner(o)

	var ls links
	for _, c := range f.Containers {
		if c.Digest != "" {
			ls.add(evidence.NewRef("image", "", c.Digest))
		}
	}
	m.owners(&ls, o, l)
	if kind, name, ok := strings.Cut(f.Workload, "/"); ok && f.Owner != nil && kind != f.Owner.Kind {
		ls.add(l.Ref("apps", kind, o.Namespace, name))
	}
	if f.Node != "" {
		ls.add(l.Ref("", "Node", "", f.Node))
	}
	m.app(&ls, l, f.App)
	p.Spec.refs(&ls, l, o.Namespace, secrets, providers)

	d, err := l.Draft(evidence.RuntimePod, o, &f)
	d.Links = ls
	return d, err
}

// containers joins what was asked for with what the node reports.
func (p *podObject) containers() (cs []evidence.ContainerFacts, restarts int32) {
	cs = p.Spec.declared()
	status := map[string]*containerStatus{}
	for _, list := range [][]containerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			status[list[i].Name] = &list[i] // names are unique in a pod, whatever the list
			restarts += list[i].RestartCount
		}
	}
	for i := range cs {
		s := status[cs[i].Name]
		if s == nil {
			continue
		}
		c := &cs[i]
		c.ImageID = s.ImageID
		c.Digest, c.DigestOf = s.digest()
		switch {
		case s.State.Terminated != nil:
			t := s.State.Terminated
			c.State, c.Reason, c.StartedAt, c.EndedAt = "terminated", t.Reason, kube.Time(t.StartedAt), kube.Time(t.FinishedAt)
		case s.State.Running != nil:
			c.State, c.StartedAt = "running", kube.Time(s.State.Running.StartedAt)
		case s.State.Waiting != nil:
			c.State, c.Reason = "waiting", s.State.Waiting.Reason
		}
	}
	return cs, restarts
}

// topOwner returns Kind/name of the workload at the top of a pod's owners. A
// ReplicaSet that a Deployment made is called after it and after the hash of
// the pod template, which every pod of it has as a label; any other owner is
// taken as the top, though it may have an owner itself.
func topOwner(o *kube.Object) string {
	c := o.Controller()
	if c == nil || c.Kind == "Node" {
		return "" // a bare pod, or one that its node started from a file
	}
	if hash := o.Labels["pod-template-hash"]; c.Kind == "ReplicaSet" && hash != "" {
		if name, ok := strings.CutSuffix(c.Name, "-"+hash); ok && name != "" {
			return "Deployment/" + name
		}
	}
	return c.Kind + "/" + c.Name
}

// owners adds the controllers of an object, by uid.
func (m maker) owners(ls *links, o *kube.Object, l *kube.Look) {
	for _, w := range o.Owners {
		if !w.Controller {
			continue
		}
		group, ns := w.Group(), o.Namespace
		if group == "" && w.Kind == "Node" {
			ns = "" // a pod that its node started itself
		}
		ls.add(kube.RefOf(l.Authority, group, w.Kind, ns, w.Name).WithUID(w.UID))
	}
}
