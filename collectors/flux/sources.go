package flux

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	sourceGroup = "source.toolkit.fluxcd.io"

	kindGit   = "GitRepository"
	kindOCI   = "OCIRepository"
	kindHelm  = "HelmRepository"
	kindChart = "HelmChart"
	// kindExternal is made by somebody else's controller, out of whatever its own
	// object says: there is no address, and nothing tells of signatures. Since Flux
	// 2.7, see https://fluxcd.io/flux/components/source/externalartifacts/.
	kindExternal = "ExternalArtifact"
)

// fetched is what is remembered of a source.
type fetched struct {
	URL       string `json:"u,omitempty"`
	Target    string `json:"t,omitempty"`
	Verify    string `json:"v,omitempty"`
	Suspended bool   `json:"s,omitempty"`
	Of        string `json:"o,omitempty"` // HelmChart: key of its source
	Chart     string `json:"c,omitempty"`
	Maker     string `json:"m,omitempty"` // ExternalArtifact: kind.group of what it was made from

	Revision string `json:"r,omitempty"` // of the artifact
	Digest   string `json:"d,omitempty"`
	Verified string `json:"f,omitempty"`
	From     string `json:"b,omitempty"` // HelmChart: revision of its source
}

// declared is a hash of what somebody wrote.
func (f *fetched) declared() string {
	return hashOf(f.URL, f.Target, f.Verify, f.Of, cmp.Or(f.Chart, f.Maker), map[bool]string{true: "suspended"}[f.Suspended])
}

func sourceKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// sources remembers a source. It makes no draft: what it says stands in those of
// the applications that use it.
func (r *reader) sources(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	key := sourceKey(o.Kind, o.Namespace, o.Name)
	if r.memory.shown == nil {
		r.memory.shown = map[string]time.Time{}
	}
	r.memory.shown[key] = o.ObservedAt
	var in sourceObject
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	r.learn(l, key, read(o, &in), true)
	return nil, nil
}

// sourceGone forgets a source.
func (r *reader) sourceGone(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	key := sourceKey(o.Kind, o.Namespace, o.Name)
	delete(r.memory.shown, key)
	r.learn(l, key, fetched{}, false)
	return nil, nil
}

// sweepEvery is how soon sources are swept again: a kind that the cluster does not
// have counts as listed at each moment.
const sweepEvery = time.Minute

// sweep forgets the sources that the newest list of all of their kind did not show.
func (r *reader) sweep(l *kube.Look) {
	m := &r.memory
	var gone []string
	for kind, resource := range sourceResources {
		began := r.listed(l, resource+"."+sourceGroup)
		if began.IsZero() || began.Sub(m.swept[kind]) < sweepEvery {
			continue
		}
		if m.swept == nil {
			m.swept = map[string]time.Time{}
		}
		m.swept[kind] = began
		for key := range m.Sources {
			if strings.HasPrefix(key, kind+"/") && m.shown[key].Before(began) {
				gone = append(gone, key)
			}
		}
	}
	for _, key := range gone {
		delete(m.shown, key)
		r.learn(l, key, fetched{}, false)
	}
}

func read(o *kube.Object, in *sourceObject) fetched {
	s := &in.Spec
	f := fetched{URL: address(s.URL), Suspended: s.Suspend, Verify: "none", Target: target(o.Kind, in)}
	if o.Kind == "Bucket" {
		f.URL = address(path.Join(s.Endpoint, s.BucketName, s.Prefix))
	}
	if o.Kind == kindChart {
		f.Of, f.Chart = sourceKey(s.SourceRef.Kind, o.Namespace, s.SourceRef.Name), word(s.Chart)
		f.From = word(in.Status.SourceRevision)
	}
	if o.Kind == kindExternal {
		f.Verify, f.Maker = "", "somebody else"
		if ref := s.SourceRef; ref.Kind != "" {
			group, _, _ := strings.Cut(ref.APIVersion, "/")
			f.Maker = word(strings.TrimSuffix(ref.Kind+"."+group, "."))
		}
	}
	if s.Verify != nil {
		f.Verify = word(cmp.Or(s.Verify.Mode, s.Verify.Provider, "HEAD"))
		if f.Verify == "head" { // v1beta2
			f.Verify = "HEAD"
		}
		f.Verified = word(cmp.Or(in.Status.Conditions.Of("SourceVerified").Status, "Unknown"))
	}
	if a := in.Status.Artifact; a != nil {
		f.Revision, f.Digest = word(a.Revision), word(cmp.Or(a.Digest, a.Checksum))
	}
	return f
}

// target is the branch, tag, range or version that a source follows. A tag stands
// in full, so that no reader takes it for a branch.
func target(kind string, in *sourceObject) string {
	ref := in.Spec.Ref
	if ref == nil {
		if kind == kindGit {
			return "master" // Flux's default
		}
		return word(in.Spec.Version)
	}
	if kind == kindOCI {
		return word(cmp.Or(ref.Digest, ref.SemVer, ref.Tag))
	}
	switch {
	case ref.Commit != "":
		return word(ref.Commit)
	case ref.Name != "":
		return word(ref.Name)
	case ref.SemVer != "":
		return "refs/tags/" + word(ref.SemVer)
	case ref.Tag != "":
		return "refs/tags/" + word(ref.Tag)
	}
	return word(cmp.Or(ref.Branch, "master"))
}

// learn takes a source as it is now, and has the applications read again of which
// it says something else than was told.
func (r *reader) learn(l *kube.Look, key string, f fetched, there bool) {
	m := &r.memory
	if old, had := m.Sources[key]; had == there && old == f {
		return
	}
	if m.Sources == nil {
		m.Sources = map[string]fetched{}
	}
	if m.Sources[key] = f; !there {
		delete(m.Sources, key)
	}
	for _, a := range m.Apps {
		for _, u := range a.Uses {
			if u.Key == key && (u.Spec != specOf(m, key) || a.Of == key && a.Kept.news(a.Kind, &f)) {
				r.again(l, resourceOf[a.Kind], a.NS)
			}
		}
	}
}

// specOf is the hash of what a source declares; "" when it is not known.
func specOf(m *memory, key string) string {
	f, ok := m.Sources[key]
	if !ok {
		return ""
	}
	return f.declared()
}

// news reports whether the source says something else of the revision in force.
func (k inUse) news(appKind string, f *fetched) bool {
	return k.Revision != "" && same(appKind, f.Revision, k.Revision) && (k.Artifact != f.Digest || k.Verified != f.Verified)
}

// same reports whether an artifact is of the revision. A HelmRelease knows the
// chart's version, or the digest of its OCI artifact.
func same(appKind, artifact, revision string) bool {
	return artifact == revision || appKind == kindRelease && revision != "" && strings.HasSuffix(artifact, "@"+revision)
}

// inForce says of a revision what its source says, or said when it had it.
func (r *reader) inForce(a *app, key, revision string) inUse {
	a.Of = key
	if f, ok := r.memory.Sources[key]; ok && revision != "" && same(a.Kind, f.Revision, revision) {
		a.Kept = inUse{revision, f.Digest, f.Verified}
	} else if a.Kept.Revision != revision {
		a.Kept = inUse{Revision: revision}
	}
	return a.Kept
}

// describe fills in what the source of the key says.
func (r *reader) describe(l *kube.Look, a *app, key string, s *evidence.DeploySource) (fetched, bool) {
	a.Uses = append(a.Uses, use{key, specOf(&r.memory, key)})
	f, ok := r.memory.Sources[key]
	if !ok {
		kind, full, _ := strings.Cut(key, "/")
		ns, _, _ := strings.Cut(full, "/")
		s.Unread = r.unread(l, kind, ns)
		return f, false
	}
	return f, true
}

// unread says why nothing is known of a source.
func (r *reader) unread(l *kube.Look, kind, ns string) string {
	resource, ok := sourceResources[kind]
	switch {
	case !ok:
		return "sources of its kind are not read"
	case !r.reads(ns):
		return "its namespace is not read"
	case !l.Whole(resource + "." + sourceGroup):
		return resource + " could not be read"
	}
	return "there is no such object"
}

// reads reports whether the collector reads the namespace.
func (r *reader) reads(ns string) bool {
	return len(r.cfg.Namespaces) == 0 || slices.Contains(r.cfg.Namespaces, ns)
}

// kustomizeSource describes the source of a Kustomization.
func (r *reader) kustomizeSource(l *kube.Look, o *kube.Object, a *app, k *kustomization, revision string) evidence.DeploySource {
	ref := k.Spec.SourceRef
	ns := cmp.Or(ref.Namespace, o.Namespace)
	s := evidence.DeploySource{Kind: word(ref.Kind), Name: word(ns + "/" + ref.Name), Path: word(cmp.Or(strings.TrimSpace(k.Spec.Path), "."))}
	for _, c := range k.Spec.Components {
		if len(s.Refers) < maxRefers && !strings.Contains(c, "://") {
			s.Refers = append(s.Refers, strings.TrimPrefix(path.Join("/", s.Path, word(c)), "/"))
		}
	}
	key := sourceKey(ref.Kind, ns, ref.Name)
	if f, ok := r.describe(l, a, key, &s); ok {
		s.RepoURL, s.TargetRevision, s.Verify, s.Suspended, s.MadeBy = f.URL, f.Target, f.Verify, f.Suspended, f.Maker
	}
	kept := r.inForce(a, key, revision)
	s.Artifact, s.Verified = kept.Artifact, kept.Verified
	return s
}

// maxRefers bounds the files and folders that one source refers to.
const maxRefers = 200

// chartSource describes where the chart of a HelmRelease comes from. version is
// the chart's in force, digest that of its OCI artifact. origin is the revision of
// its repository that the chart was made from, where the version tells.
func (r *reader) chartSource(l *kube.Look, o *kube.Object, a *app, h *helmRelease, version, digest string) (s evidence.DeploySource, origin string) {
	switch ref := h.Spec.ChartRef; {
	case ref != nil && (ref.Kind == kindOCI || ref.Kind == kindExternal):
		ns := cmp.Or(ref.Namespace, o.Namespace)
		s.Kind, s.Name, s.Chart = ref.Kind, word(ns+"/"+ref.Name), word(ref.Name)
		key := sourceKey(ref.Kind, ns, ref.Name)
		if f, ok := r.describe(l, a, key, &s); ok {
			s.RepoURL, s.TargetRevision, s.Verify, s.Suspended, s.MadeBy = f.URL, f.Target, f.Verify, f.Suspended, f.Maker
			if f.URL != "" {
				s.Chart = path.Base("/" + f.URL)
			}
		}
		kept := r.inForce(a, key, digest)
		s.Artifact, s.Verified = kept.Artifact, kept.Verified
	case ref != nil:
		ns := cmp.Or(ref.Namespace, o.Namespace)
		key := sourceKey(ref.Kind, ns, ref.Name)
		s.Kind, s.Name, s.Chart = word(ref.Kind), word(ns+"/"+ref.Name), word(ref.Name)
		f, ok := r.describe(l, a, key, &s)
		if ok {
			s.TargetRevision, s.Suspended = f.Target, f.Suspended
			repo, _ := r.describe(l, a, f.Of, &s)
			s.RepoURL = repo.URL
			chartFrom(&s, f.Of, f.Chart)
			origin = r.packed(a, key, f, repo, version, &s)
		}
	case h.Spec.Chart != nil:
		c := &h.Spec.Chart.Spec
		ns := cmp.Or(c.SourceRef.Namespace, o.Namespace)
		of := sourceKey(c.SourceRef.Kind, ns, c.SourceRef.Name)
		s.Kind, s.Name, s.TargetRevision = word(c.SourceRef.Kind), word(ns+"/"+c.SourceRef.Name), word(c.Version)
		chartFrom(&s, of, word(c.Chart))
		for _, v := range c.ValuesFiles {
			if len(s.Refers) < maxRefers {
				s.Refers = append(s.Refers, strings.TrimPrefix(path.Join("/", word(v)), "/"))
			}
		}
		repo, ok := r.describe(l, a, of, &s)
		if ok {
			s.RepoURL, s.Suspended = repo.URL, repo.Suspended
			if c.SourceRef.Kind == kindGit {
				s.TargetRevision = repo.Target
			}
		}
		if cns, name, ok := strings.Cut(h.Status.HelmChart, "/"); ok {
			key := sourceKey(kindChart, cns, name)
			if f, ok := r.describe(l, a, key, &s); ok {
				origin = r.packed(a, key, f, repo, version, &s)
			}
		}
	}
	return s, origin
}

// chartFrom says what a chart is called: by its name in a repository of charts, by
// its folder in a repository of files.
func chartFrom(s *evidence.DeploySource, source, chart string) {
	if strings.HasPrefix(source, kindHelm+"/") {
		s.Chart = chart
		return
	}
	s.Chart, s.Path = "", chart
}

// packed says what a HelmChart tells of the version in force.
func (r *reader) packed(a *app, key string, f, repo fetched, version string, s *evidence.DeploySource) (origin string) {
	s.Verify = f.Verify
	kept := r.inForce(a, key, version)
	s.Artifact, s.Verified = kept.Artifact, kept.Verified
	if version == "" || f.Revision != version {
		return ""
	}
	if f.Verify == "none" && repo.Verify != "" && f.From == repo.Revision {
		s.Verify, s.Verified = repo.Verify, repo.Verified
	}
	// A chart that is made anew for each commit has the commit's id behind its
	// version; one that is not may be of any commit that has the version.
	_, mark, _ := strings.Cut(version, "+")
	mark, _, _ = strings.Cut(mark, ".")
	if id := revisionOf(kindGit, f.From); len(mark) >= 7 && objectID.MatchString(id) && strings.HasPrefix(id, mark) {
		return f.From
	}
	return ""
}
