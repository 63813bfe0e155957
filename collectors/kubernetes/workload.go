package kubernetes

import (
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// workload describes a resource that makes pods.
func (m maker) workload(group, resource, kind string) kube.Resource {
	at := "/spec/template/spec"
	if kind == "CronJob" {
		at = "/spec/jobTemplate/spec/template/spec"
	}
	return kube.Resource{
		Group: group, Resource: resource, Kind: kind, Versions: v1, Kinds: kinds(evidence.RuntimeWorkload),
		Remove: append(podSpecSecrets(at), "/metadata/annotations/kubernetes.io~1change-cause"), Drafts: one(m.workloadDraft),
	}
}

// workloadObject is the part of a workload that is read beside its metadata.
// No kind has all of it.
type workloadObject struct {
	Spec struct {
		Replicas    *int32   `json:"replicas"`
		Parallelism *int32   `json:"parallelism"`
		Template    template `json:"template"`
		JobTemplate struct {
			Spec struct {
				Parallelism *int32   `json:"parallelism"`
				Template    template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration     int64  `json:"observedGeneration"`
		ReadyReplicas          *int32 `json:"readyReplicas"`
		Ready                  *int32 `json:"ready"`                  // of a Job
		NumberReady            *int32 `json:"numberReady"`            // of a DaemonSet
		DesiredNumberScheduled *int32 `json:"desiredNumberScheduled"` // of a DaemonSet
	} `json:"status"`
}

type template struct {
	Spec podSpec `json:"spec"`
}

// workloadDraft makes the draft of a workload.
func (m maker) workloadDraft(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var w workloadObject
	if err := o.Decode(&w); err != nil {
		return evidence.Draft{}, err
	}
	spec, replicas := &w.Spec.Template.Spec, w.Spec.Replicas
	switch o.Kind {
	case "CronJob":
		spec, replicas = &w.Spec.JobTemplate.Spec.Template.Spec, w.Spec.JobTemplate.Spec.Parallelism
	case "Job":
		replicas = w.Spec.Parallelism
	case "DaemonSet":
		replicas = nil // as many as there are nodes: no part of what is declared
	}
	ready := w.Status.ReadyReplicas
	switch {
	case w.Status.NumberReady != nil:
		ready = w.Status.NumberReady
	case w.Status.Ready != nil:
		ready = w.Status.Ready
	}
	secrets, providers := spec.secrets()
	f := evidence.WorkloadFacts{
		Cluster: l.Authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Generation: o.Generation, ObservedGeneration: w.Status.ObservedGeneration,
		Rollout: o.Annotations["deployment.kubernetes.io/revision"],
		Owner:   o.Controller(), App: m.tracked(o),
		Containers: spec.declared(), ServiceAccount: spec.account(), Secrets: secrets, SecretProviders: providers,
		ImageVolumes: spec.imageVolumes(),
		Replicas:     replicas, Ready: ready, CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
	var ls links
	m.owners(&ls, o, l)
	m.app(&ls, l, f.App)
	spec.refs(&ls, l, o.Namespace, secrets, providers)
	d, err := l.Draft(evidence.RuntimeWorkload, o, &f)
	d.Links = ls
	return d, err
}

// trackingID is the annotation by which Argo CD knows the objects of an
// application: APP:GROUP/KIND:NAMESPACE/NAME
// (https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/).
const trackingID = "argocd.argoproj.io/tracking-id"

// tracked returns the application that tracks an object, namespace/name, or
// only its name when Argo CD's namespace is not configured. An annotation that
// names another object was copied from it and counts for nothing, except on a
// ReplicaSet: there the controller of its Deployment, or of the Rollout in its
// place, copies it. A pod has one of its own when the application declares the
// pod itself, as a hook say.
func (m maker) tracked(o *kube.Object) string {
	app, what, ok := strings.Cut(o.Annotations[trackingID], ":")
	if !ok || app == "" {
		return m.labelled(o)
	}
	group, kind, name := o.Group(), o.Kind, o.Name
	for _, w := range o.Owners {
		if w.Controller && o.Kind == "ReplicaSet" {
			group, kind, name = w.Group(), w.Kind, w.Name
		}
	}
	if what != group+"/"+kind+":"+o.Namespace+"/"+name {
		return ""
	}
	// An application outside Argo CD's own namespace is called namespace_name;
	// neither part can hold the underscore.
	if ns, name, ok := strings.Cut(app, "_"); ok {
		return ns + "/" + name
	}
	return m.inArgoNamespace(app)
}

// fluxLabels are the labels by which Flux marks what it puts there, and the kind
// of application that each pair names. What a HelmRelease made comes first: a
// Kustomization made that HelmRelease.
// See https://fluxcd.io/flux/components/kustomize/kustomizations/ and
// https://fluxcd.io/flux/components/helm/helmreleases/.
var fluxLabels = []struct{ domain, kind string }{
	{"helm.toolkit.fluxcd.io", "HelmRelease"},
	{"kustomize.toolkit.fluxcd.io", "Kustomization"},
}

// labelled returns the application that labels name: one of Flux, as
// namespace/Kind/name, or the one of the label that is configured.
func (m maker) labelled(o *kube.Object) string {
	for _, x := range fluxLabels {
		if ns, name := o.Labels[x.domain+"/namespace"], o.Labels[x.domain+"/name"]; ns != "" && name != "" {
			return ns + "/" + x.kind + "/" + name
		}
	}
	if m.argoLabel == "" || o.Labels[m.argoLabel] == "" {
		return ""
	}
	return m.inArgoNamespace(o.Labels[m.argoLabel])
}

func (m maker) inArgoNamespace(app string) string {
	if m.argoNamespace == "" {
		return app
	}
	return m.argoNamespace + "/" + app
}

// app links the application when its namespace is known.
func (m maker) app(ls *links, l *kube.Look, app string) {
	if strings.Contains(app, "/") {
		ls.add(evidence.NewRef("app", l.Authority, app))
	}
}
