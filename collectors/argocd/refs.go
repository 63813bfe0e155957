package argocd

import (
	"maps"
	"regexp"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/pointer"
)

// maxScope bounds the scope of one draft; more namespaces than this in one
// application are named in the facts alone.
const maxScope = 200

var (
	gitSHA    = regexp.MustCompile(`^[0-9a-f]{40}$`)
	digestRef = regexp.MustCompile(`^(?:.*@)?((?:sha256:[0-9a-f]{64})|(?:sha512:[0-9a-f]{128}))$`)
)

// revisionRef returns the join key of a revision: a commit, or the digest of
// an OCI source. A chart version or a branch joins nothing.
func revisionRef(rev string) (evidence.Ref, bool) {
	if gitSHA.MatchString(rev) {
		return evidence.NewRef("commit", "", rev), true
	}
	if m := digestRef.FindStringSubmatch(rev); m != nil {
		return evidence.NewRef("image", "", m[1]), true
	}
	return evidence.Ref{}, false
}

// imageRef returns the join key of an image: its digest, or its tagged name
// when it was deployed without one.
func imageRef(image string) evidence.Ref {
	if m := digestRef.FindStringSubmatch(image); m != nil {
		return evidence.NewRef("image", "", m[1])
	}
	return evidence.NewRef("imagetag", "", image)
}

// appRef names an application; authority is the last part of the source's
// name.
func appRef(authority string, a *app) evidence.Ref {
	return evidence.NewRef("app", authority, a.fullName()).WithUID(a.uid())
}

func projectRef(authority, project string) evidence.Ref {
	return evidence.NewRef("project", authority, project)
}

func nsRef(authority, ns string) evidence.Ref { return evidence.NewRef("ns", authority, ns) }

// links collects join keys without repeats, up to the limit of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

func (l *links) revisions(revs []string) {
	for _, rev := range revs {
		if r, ok := revisionRef(rev); ok {
			l.add(r)
		}
	}
}

func (l *links) images(images []string) {
	for _, i := range images {
		l.add(imageRef(i))
	}
}

// scope lists what the tenancy rules look at: project, destination namespace
// and server, the namespaces its objects really are in, and its labels.
func (c *Collector) scope(a *app) []evidence.Ref {
	var s links
	s.add(projectRef(c.authority, a.project()))
	s.add(nsRef(c.authority, a.Spec.Destination.Namespace))
	for _, r := range a.Status.Resources {
		if len(s) >= maxScope {
			break
		}
		s.add(nsRef(c.authority, r.Namespace))
	}
	for _, l := range c.labelScope(a.Labels) {
		s.add(l)
	}
	s.add(evidence.NewRef("server", c.authority, destination(a)))
	return s
}

// mentionObjects says whose the objects at a place of the facts are, by their
// namespace, and those that the facts do not list: the platform's application may put
// something into the namespaces of several. Its bytes describe them all. Who owns the
// project owns all of it.
func (c *Collector) mentionObjects(a *app, at string, listed []evidence.DeployObject) []evidence.Mention {
	within := projectRef(c.authority, a.project())
	of := evidence.Mention{At: at, Names: []string{"namespace", "name"}, Of: make([][]evidence.Ref, len(listed)), Within: within, InRaw: true}
	for i, o := range listed {
		of.Of[i] = c.objectSpace(o.Group, o.Kind, o.Namespace, o.Name)
	}
	rest := evidence.Mention{Within: within, InRaw: true}
	seen := map[evidence.Ref]bool{}
	add := func(group, kind, ns, name string) {
		if refs := c.objectSpace(group, kind, ns, name); refs != nil && !seen[refs[0]] {
			seen[refs[0]] = true
			rest.Of = append(rest.Of, refs)
		}
	}
	for _, r := range a.Status.Resources {
		add(r.Group, r.Kind, r.Namespace, r.Name)
	}
	if o := a.Status.OperationState; o != nil {
		if o.Operation.Sync != nil {
			for _, r := range o.Operation.Sync.Resources {
				add(r.Group, r.Kind, r.Namespace, r.Name)
			}
		}
		if o.SyncResult != nil {
			for _, r := range o.SyncResult.Resources {
				if r != nil {
					add(r.Group, r.Kind, r.Namespace, r.Name)
				}
			}
		}
	}
	var out []evidence.Mention
	for _, m := range []evidence.Mention{of, rest} {
		if len(m.Of) > 0 {
			out = append(out, m)
		}
	}
	return out
}

// objectSpace is the namespace that an object is in, or is.
func (c *Collector) objectSpace(group, kind, ns, name string) []evidence.Ref {
	if group == "" && kind == "Namespace" {
		ns = name
	}
	if ns == "" {
		return nil
	}
	return []evidence.Ref{nsRef(c.authority, ns)}
}

// labelScope lists an object's own labels, less those that name people.
func (c *Collector) labelScope(labels map[string]string) []evidence.Ref {
	var s links
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if !slices.Contains(c.cfg.IgnoreLabels, k) {
			s.add(evidence.NewRef("label", c.authority, k+"="+labels[k]))
		}
	}
	return s
}

// ignoredLabels are pointers to the labels that are kept out.
func (c *Collector) ignoredLabels() (pointers []string) {
	for _, k := range c.cfg.IgnoreLabels {
		pointers = append(pointers, pointer.Join("metadata", "labels", k))
	}
	return pointers
}

// destination is the target cluster: its server address or its name; only
// one of the two is set.
func destination(a *app) string {
	if s := a.Spec.Destination.Server; s != "" {
		return cleanURL(s)
	}
	return a.Spec.Destination.Name
}
