package argocd

import (
	"path"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

	"evidenced/evidence"
)

// maxRefers bounds what one source refers to in the facts.
const maxRefers = 100

// refers lists what a source says that its manifests are made from beside its
// path: Helm's value and parameter files, Kustomize's components. What lies at
// another address is of no repository that is known.
func refers(s *v1alpha1.ApplicationSource) []string {
	var found []string
	if h := s.Helm; h != nil {
		found = append(found, h.ValueFiles...)
		for _, p := range h.FileParameters {
			found = append(found, p.Path)
		}
	}
	if k := s.Kustomize; k != nil {
		found = append(found, k.Components...)
	}
	var out []string
	for _, f := range found {
		out = addRefer(out, s.Path, f)
	}
	return out
}

// withRefers adds the paths of the annotation manifest-generate-paths, which
// says after which changes Argo CD makes the manifests anew: parted by
// semicolons, relative to the path of each source or, behind a slash, from the
// root of its repository.
func withRefers(sources []evidence.DeploySource, annotation string) []evidence.DeploySource {
	for i := range sources {
		for f := range strings.SplitSeq(annotation, ";") {
			sources[i].Refers = addRefer(sources[i].Refers, sources[i].Path, f)
		}
	}
	return sources
}

// addRefer adds one path, from the root of its repository or behind $REF/. One
// below the source's own path says nothing new, one above the root nothing at
// all.
func addRefer(list []string, own, f string) []string {
	f = strings.TrimSpace(f)
	if f == "" || strings.Contains(f, "://") || len(list) == maxRefers {
		return list
	}
	if !strings.HasPrefix(f, "$") {
		own = path.Clean("/" + own)
		if !strings.HasPrefix(f, "/") {
			f = path.Join(own, f)
		}
		f = path.Clean(f)
		if f == own || own == "/" || strings.HasPrefix(f, own+"/") {
			return list
		}
		f = strings.TrimPrefix(f, "/")
	}
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}
