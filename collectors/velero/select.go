package velero

import (
	"maps"
	"path"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// maxScope bounds the scope of one draft.
const maxScope = 2000

// maxNames bounds lists of names in facts.
const maxNames = 500

// all reports whether the selection leaves no namespace out by naming some.
func (s *selection) all() bool {
	return len(s.IncludedNamespaces) == 0 || slices.Contains(s.IncludedNamespaces, "*")
}

// within returns the namespaces of known that the selection covers, sorted. A
// name without wildcards is covered whether it is known or not: it may have
// been deleted since.
func (s *selection) within(known []string) []string {
	set := map[string]bool{}
	if s.all() {
		for _, n := range known {
			set[n] = true
		}
	} else {
		for _, p := range s.IncludedNamespaces {
			if !strings.ContainsAny(p, "*?[") {
				set[p] = true
				continue
			}
			for _, n := range known {
				if ok, err := path.Match(p, n); err == nil && ok {
					set[n] = true
				}
			}
		}
	}
	for n := range set {
		if fitsAny(s.ExcludedNamespaces, n) {
			delete(set, n)
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// selects reports whether labels narrow the selection.
func (s *selection) selects() bool {
	return present(s.LabelSelector) || len(s.OrLabelSelectors) > 0
}

func present(raw []byte) bool {
	t := strings.TrimSpace(string(raw))
	return t != "" && t != "null" && t != "{}"
}

// facts turns the selection into what a record says of it.
func (s *selection) facts(volumes *bool) evidence.BackupScope {
	f := evidence.BackupScope{
		Namespaces: head(s.IncludedNamespaces), ExcludedNamespaces: head(s.ExcludedNamespaces),
		Resources:         head(slices.Concat(s.IncludedResources, s.IncludedNamespaced)),
		ExcludedResources: head(slices.Concat(s.ExcludedResources, s.ExcludedNamespaced, s.ExcludedCluster)),
		Selector:          s.selects(), Volumes: volumes,
	}
	if s.all() {
		f.Namespaces = nil
	}
	return f
}

// facts is what a record says of what a backup covers.
func (s *backupSpec) facts() evidence.BackupScope {
	f := s.selection.facts(s.SnapshotVolumes)
	if s.ResourcePolicy != nil {
		f.Policy = s.ResourcePolicy.Name
	}
	return f
}

func head(list []string) []string {
	if len(list) > maxNames {
		list = list[:maxNames]
	}
	return slices.Clone(list)
}

// leftOut are resources that Velero's restore leaves out by itself: they
// belong to the cluster, not to what was backed up. It writes them into each
// Restore, so they do not narrow it.
var leftOut = []string{
	"nodes", "events", "events.events.k8s.io", "backups.velero.io", "restores.velero.io", "resticrepositories.velero.io",
	"csinodes.storage.k8s.io", "volumeattachments.storage.k8s.io", "backuprepositories.velero.io",
}

// narrowed says why a restore of this selection leaves out kinds of objects, ""
// when it does not.
func (s *selection) narrowed() string {
	if list := slices.Concat(s.IncludedResources, s.IncludedNamespaced); len(list) > 0 && !slices.Contains(list, "*") {
		return "it was limited to some kinds of objects"
	}
	for _, r := range slices.Concat(s.ExcludedResources, s.ExcludedNamespaced) {
		if !slices.Contains(leftOut, r) {
			return "some kinds of objects were left out"
		}
	}
	return ""
}

// covered returns the namespaces that a selection covers now. When it covers all
// and none is known it is empty: the draft then belongs to Velero's own
// namespace alone.
func covered(s *selection, l *kube.Look) []string { return coveredOf(s, l, l.Namespaces()) }

// coveredOf is covered among the namespaces that are known.
func coveredOf(s *selection, l *kube.Look, known []string) []string {
	names := s.within(known)
	if len(names) == 0 {
		l.Note("a backup or schedule covers all namespaces, and which there are is not known: it stays with Velero's own namespace")
	}
	return names
}

// place puts a draft where tenancy finds the owners of the namespaces it
// covers. Without any it stays with Velero's own namespace.
func place(d *evidence.Draft, l *kube.Look, namespaces []string) {
	if refs := scope(l, namespaces); len(refs) > 0 {
		d.Scope = refs
	}
}

// mention says whose the namespaces are that a selection names and those that it
// covers. A pattern is nobody's unless a rule is written the same way.
func (s *selection) mention(l *kube.Look, covers []string) []evidence.Mention {
	ms := []evidence.Mention{l.Mention("/scope/excluded_namespaces", s.ExcludedNamespaces), l.Mention("", covers)}
	if !s.all() {
		ms = append(ms, l.Mention("/scope/namespaces", s.IncludedNamespaces))
	}
	return ms
}

// mentionInto says whose the pairs of namespaces are that a restore maps: who
// owns what it came from or what it went into.
func mentionInto(l *kube.Look, into map[string]string) evidence.Mention {
	m := evidence.Mention{At: "/into"}
	for _, from := range slices.Sorted(maps.Keys(into)) {
		refs := slices.Concat(l.Scope(from), l.Scope(into[from]))
		if to := into[from]; len(refs) > 0 && to != "" { // a link tells it too
			refs = append(refs, l.Ref("", "Namespace", "", to))
		}
		m.Of = append(m.Of, refs)
	}
	return m
}

// scope is what tenancy looks at for something that covers these namespaces.
func scope(l *kube.Look, namespaces []string) []evidence.Ref {
	var refs []evidence.Ref
	seen := map[evidence.Ref]bool{}
	for _, n := range namespaces {
		for _, r := range l.Scope(n) {
			if !seen[r] && len(refs) < maxScope {
				seen[r] = true
				refs = append(refs, r)
			}
		}
	}
	return refs
}

// links collects join keys without repeats, up to the limit of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && !strings.HasSuffix(r.Name, "/") && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

func (l *links) velero(look *kube.Look, kind, namespace, name string) {
	if name != "" {
		l.add(look.Ref("velero.io", kind, namespace, name))
	}
}

func (l *links) namespaces(look *kube.Look, names []string) {
	for _, n := range names {
		l.add(look.Ref("", "Namespace", "", n))
	}
}
