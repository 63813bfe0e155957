package flux

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	kustomizeGroup = "kustomize.toolkit.fluxcd.io"
	helmGroup      = "helm.toolkit.fluxcd.io"

	kindKustomization = "Kustomization"
	kindRelease       = "HelmRelease"
)

var resourceOf = map[string]string{
	kindKustomization: "kustomizations." + kustomizeGroup,
	kindRelease:       "helmreleases." + helmGroup,
}

// sourceResources are the resources of the kinds of sources.
var sourceResources = map[string]string{
	kindGit: "gitrepositories", kindOCI: "ocirepositories", kindHelm: "helmrepositories", "Bucket": "buckets", kindChart: "helmcharts",
	kindExternal: "externalartifacts",
}

// reader makes drafts of Flux's objects. It is used by one goroutine at a time.
type reader struct {
	cfg       Config
	authority string
	memory    memory

	// Look.Again and Look.ListedAt, but in tests.
	again  func(l *kube.Look, resource, namespace string)
	listed func(l *kube.Look, resource string) time.Time

	now time.Time // of the commit that is being made
}

// resources lists what is read, sources first: applications are described by them.
func (r *reader) resources() []kube.Resource {
	served := []string{"v1", "v1beta2"}
	var rs []kube.Resource
	var needs []string
	for _, kind := range []string{kindGit, kindOCI, kindHelm, "Bucket", kindChart, kindExternal} {
		rs = append(rs, kube.Resource{Group: sourceGroup, Resource: sourceResources[kind], Kind: kind, Versions: served, Optional: true,
			Remove: removedOfAll, Drafts: r.sources, Gone: r.sourceGone})
		needs = append(needs, sourceResources[kind]+"."+sourceGroup)
	}
	kinds := []evidence.Kind{evidence.DeploySync, evidence.DeployState}
	return append(rs,
		kube.Resource{Group: kustomizeGroup, Resource: "kustomizations", Kind: kindKustomization, Versions: served, Kinds: kinds, Needs: needs,
			Remove: append(slices.Clone(removedOfAll), removedOfKustomization...), Drafts: r.kustomizations, Gone: gone(r.kustomizations)},
		kube.Resource{Group: helmGroup, Resource: "helmreleases", Kind: kindRelease, Versions: []string{"v2", "v2beta2"}, Optional: true, Kinds: kinds, Needs: needs,
			Remove: append(slices.Clone(removedOfAll), removedOfRelease...), Drafts: r.releases, Gone: gone(r.releases)})
}

// What these objects may hold of secrets in clear. Messages quote addresses with
// their credentials, manifests and values; checksums of values can be guessed at.
var (
	removedOfAll           = []string{"/status/conditions/*/message"}
	removedOfKustomization = []string{"/spec/postBuild/substitute", "/spec/patches", "/spec/patchesStrategicMerge", "/spec/patchesJson6902"}
	removedOfRelease       = []string{
		"/spec/values", "/spec/valuesFrom", "/spec/postRenderers", "/status/lastAttemptedValuesChecksum", "/status/lastAttemptedConfigDigest",
		"/status/history/*/configDigest",
	}
)

type draftsFunc = func(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error)

// gone makes the drafts of an object that was deleted: what its last form tells of
// syncs, and the end of its state.
func gone(drafts draftsFunc) draftsFunc {
	return func(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		return drafts(context.WithValue(ctx, deleted{}, true), o, l)
	}
}

type deleted struct{}

// finish makes the state's draft, or its end, and moves the memory on.
func (r *reader) finish(ctx context.Context, o *kube.Object, l *kube.Look, a *app, f *evidence.DeployFacts, syncs []evidence.Draft) ([]evidence.Draft, error) {
	d, err := r.state(o, l, f)
	if err != nil {
		return nil, err
	}
	a.Seen = o.ObservedAt
	if ctx.Value(deleted{}) != nil {
		d.Op, d.OccurredAt, d.Basis = evidence.OpEnd, d.ObservedAt, evidence.BasisObserved
		d.Content, d.Mentions = []byte(`{"reason":"deleted"}`), nil
		if f.Server == "" && len(r.spaces(o, f)) > 1 {
			d.Raw, d.Removed = nil, []string{agent, ""} // its inventory names what is other tenants'
		}
		delete(r.memory.Apps, o.UID)
	}
	return append(syncs, d), nil
}

// maxObjects bounds the objects listed in one draft; the rest is counted.
const maxObjects = 500

// state makes the draft of deploy.state, with as many objects as its limit allows.
func (r *reader) state(o *kube.Object, l *kube.Look, f *evidence.DeployFacts) (evidence.Draft, error) {
	var d evidence.Draft
	var beyond []evidence.DeployObject
	for keep, all, cut := maxObjects, f.Resources, f.ResourcesCut; ; keep /= 2 {
		n := min(len(all), keep)
		f.Resources, f.ResourcesCut, beyond = all[:n], cut+len(all)-n, all[n:]
		var err error
		if d, err = l.Draft(evidence.DeployState, o, f); err != nil {
			return d, err
		}
		if len(d.Content) <= evidence.MaxContent || keep == 0 {
			break
		}
	}
	r.place(&d, o, l, f)
	if f.Server == "" && len(beyond) > 0 {
		d.Mentions = append(d.Mentions, unlisted(l, beyond))
	}
	// The commit that an artifact says it was made from is linked too.
	var ls links
	kind := f.Sources[0].Kind
	ls.revisions(kind, f.Revisions)
	ls.revisions(kind, f.SyncedRevisions)
	ls.revisions(kindGit, []string{f.Flux.OriginCommit})
	ls.revisions(kindOCI, []string{f.Flux.OCIDigest})
	r.linked(&ls, l, o, f)
	d.Links = ls
	collectors.WithoutLogins(&d, agent)
	return d, nil
}

// maxScope bounds the scope of one draft.
const maxScope = 200

// place says whose an application is: of its own namespace, of the one it deploys
// to and of those that its objects are in; and whose each object is. What it
// deploys to another cluster is in none of this one's namespaces.
func (r *reader) place(d *evidence.Draft, o *kube.Object, l *kube.Look, f *evidence.DeployFacts) {
	for _, ns := range r.spaces(o, f) {
		for _, ref := range l.Scope(ns) {
			if len(d.Scope) < maxScope && !slices.Contains(d.Scope, ref) {
				d.Scope = append(d.Scope, ref)
			}
		}
	}
	if f.Server != "" {
		d.Scope = append(d.Scope, evidence.NewRef("server", l.Authority, f.Server))
	}
	if len(f.Resources) > 0 && f.Server == "" {
		in := make([]string, len(f.Resources))
		for i, x := range f.Resources {
			if in[i] = x.Namespace; x.Group == "" && x.Kind == "Namespace" {
				in[i] = x.Name
			}
		}
		m := l.Mention("/resources", in)
		m.Names = []string{"id"}
		d.Mentions = append(d.Mentions, m)
	}
}

// unlisted says whose the objects are that a state's bytes hold and its facts do not
// list.
func unlisted(l *kube.Look, objects []evidence.DeployObject) (m evidence.Mention) {
	for _, x := range objects {
		ns := x.Namespace
		if x.Group == "" && x.Kind == "Namespace" {
			ns = x.Name
		}
		if ns != "" { // called by its id first
			m.Of = append(m.Of, append([]evidence.Ref{evidence.NewRef("object", l.Authority, x.ID)}, l.Scope(ns)...))
		}
	}
	return m
}

// spaces are the namespaces of this cluster that an application concerns, its own
// first.
func (r *reader) spaces(o *kube.Object, f *evidence.DeployFacts) []string {
	out := []string{o.Namespace}
	if f.Server != "" {
		return out
	}
	add := func(ns string) {
		if ns != "" && len(out) < maxScope && !slices.Contains(out, ns) {
			out = append(out, ns)
		}
	}
	add(f.Namespace)
	for _, x := range f.Resources {
		add(x.Namespace)
		if x.Group == "" && x.Kind == "Namespace" {
			add(x.Name)
		}
	}
	return out
}

func (r *reader) linked(ls *links, l *kube.Look, o *kube.Object, f *evidence.DeployFacts) {
	if f.Server == "" && f.Namespace != "" {
		ls.add(l.Ref("", "Namespace", "", f.Namespace))
	}
	for _, s := range f.Sources {
		ls.add(sourceRef(l, s.Kind, s.Name))
	}
	if f.Flux.ServiceAccount != "" {
		ls.add(l.Ref("", "ServiceAccount", o.Namespace, f.Flux.ServiceAccount))
	}
}

// nobody is why no initiator is named.
const nobody = "Flux's objects name nobody: the review of the commit authorises, and who asked for a reconciliation is in the API server's audit log"

// sight is a sync as it stands after a look.
type sight struct {
	key   string
	facts evidence.SyncFacts
	at    time.Time       // when it occurred, by the source's word
	since time.Time       // the earliest it may have, where that is not known better
	raw   json.RawMessage // of its entry
	gone  []string        // what was taken out of raw, as Draft.Removed wants it
}

// sync makes the draft of deploy.sync.
func (r *reader) sync(o *kube.Object, l *kube.Look, state *evidence.DeployFacts, s sight) (evidence.Draft, error) {
	f := s.facts
	f.App, f.UID, f.Namespace, f.Server, f.Prune = state.App, state.UID, state.Namespace, state.Server, state.Prune
	f.Initiator, f.Automated = -1, true
	f.Flux.Kind, f.Flux.Initiator = o.Kind, nobody
	d, err := l.Draft(evidence.DeploySync, o, f)
	if err != nil {
		return d, err
	}
	d.Key = o.UID + "/" + s.key
	if !s.at.IsZero() {
		d.OccurredAt, d.Basis, d.NotBefore = s.at, evidence.BasisSource, s.since
	}
	r.place(&d, o, l, state)
	d.Mentions = nil // its facts list no objects
	if state.Server == "" {
		if others := r.spaces(o, state)[1:]; len(others) > 0 {
			d.Mentions = []evidence.Mention{l.Mention("", others)}
		}
	}
	var ls links
	ls.add(evidence.NewRef("sync", l.Authority, state.App+"/"+s.key).WithUID(o.UID))
	ls.revisions(state.Sources[0].Kind, f.Revisions)
	ls.revisions(kindGit, []string{f.Flux.OriginCommit})
	ls.revisions(kindOCI, []string{f.Flux.OCIDigest})
	r.linked(&ls, l, o, &evidence.DeployFacts{Server: f.Server, Namespace: f.Namespace, Sources: f.Sources, Flux: state.Flux})
	d.Links, d.Raw, d.Removed = ls, slices.Clone(s.raw), s.gone
	collectors.WithoutLogins(&d, agent)
	return d, nil
}

// base reads what both kinds of applications share.
func (r *reader) base(o *kube.Object, c *common) *evidence.DeployFacts {
	ready := c.Status.Conditions.Of("Ready")
	f := &evidence.DeployFacts{
		App: appName(o.Kind, o.Namespace, o.Name), UID: o.UID, HistoryID: -1, Namespace: word(c.Spec.TargetNamespace),
		Automated: !c.Spec.Suspend, ResourceVersion: o.ResourceVersion,
		Flux: &evidence.FluxState{
			Kind: o.Kind, Attempted: word(c.Status.LastAttemptedRevision), Applied: word(c.Status.LastAppliedRevision),
			Ready: orUnknown(ready.Status), Reason: word(ready.Reason), Stale: c.Status.ObservedGeneration < o.Generation,
			Suspended: c.Spec.Suspend, Deleting: !o.DeletedAt.IsZero(), ServiceAccount: word(c.Spec.ServiceAccountName),
			RequestedAt: asked(o.Annotations["reconcile.fluxcd.io/requestedAt"]), HandledAt: asked(c.Status.LastHandled),
		},
	}
	if k := c.Spec.KubeConfig; k != nil {
		f.Flux.Remote = "unknown"
		if k.SecretRef != nil {
			f.Flux.Remote = "Secret " + word(k.SecretRef.Name)
		} else if k.ConfigMapRef != nil {
			f.Flux.Remote = "ConfigMap " + word(k.ConfigMapRef.Name)
		}
		f.Server = "kubeconfig:" + o.Namespace + "/" + strings.ReplaceAll(f.Flux.Remote, " ", "/")
		f.Flux.RemoteNamespace, f.Namespace = f.Namespace, ""
	}
	for _, d := range c.Spec.DependsOn {
		ns := d.Namespace
		if ns == "" {
			ns = o.Namespace
		}
		if len(f.Flux.DependsOn) < maxRefers {
			f.Flux.DependsOn = append(f.Flux.DependsOn, word(appName(o.Kind, ns, d.Name)))
		}
	}
	for _, x := range c.Status.Conditions {
		if x.Status == "True" {
			f.Conditions = append(f.Conditions, word(x.Type))
		}
	}
	slices.Sort(f.Conditions)
	f.Conditions = slices.Compact(f.Conditions)
	f.Conditions = f.Conditions[:min(len(f.Conditions), maxRefers)]
	if c.Status.Inventory != nil {
		for _, e := range c.Status.Inventory.Entries {
			if x, ok := managed(e.ID); ok {
				f.Resources = append(f.Resources, x)
			}
		}
		slices.SortFunc(f.Resources, func(x, y evidence.DeployObject) int { return strings.Compare(x.ID, y.ID) })
	}
	return f
}

// managed reads an id of the inventory: NAMESPACE_NAME_GROUP_KIND, where a colon
// in the name stands as two underscores.
func managed(id string) (evidence.DeployObject, bool) {
	ns, rest, ok := strings.Cut(id, "_")
	k := strings.LastIndexByte(rest, '_')
	if !ok || k < 0 || len(id) > maxWord {
		return evidence.DeployObject{}, false
	}
	g := strings.LastIndexByte(rest[:k], '_')
	if g < 0 {
		return evidence.DeployObject{}, false
	}
	return evidence.DeployObject{
		Group: rest[g+1 : k], Kind: rest[k+1:], Namespace: ns, Name: strings.ReplaceAll(rest[:g], "__", ":"), ID: id,
	}, true
}

// asked reads the time of a request. A request may be any word; one that is no
// time says nothing that is kept.
func asked(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() <= 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

func orUnknown(s string) string {
	if s == "" {
		return "Unknown"
	}
	return word(s)
}
