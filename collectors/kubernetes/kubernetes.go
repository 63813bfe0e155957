package kubernetes

import (
	"context"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// maker turns objects into drafts. It remembers nothing.
type maker struct {
	argoNamespace string
	argoLabel     string
}

var v1 = []string{"v1"}

// annotations of objects of which only facts matter: people write anything
// into them.
const annotations = "/metadata/annotations"

func kinds(k ...evidence.Kind) []evidence.Kind { return k }

// one makes the function of a resource of one that makes a single draft.
func one(f func(o *kube.Object, l *kube.Look) (evidence.Draft, error)) func(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error) {
	return func(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		d, err := f(o, l)
		if err != nil {
			return nil, err
		}
		return []evidence.Draft{d}, nil
	}
}

// links collects join keys without repeats, up to the limit of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

// firstOf returns the value of the first key that has one.
func firstOf(m map[string]string, keys ...string) string {
	for _, k := range keys {
		if v := m[k]; v != "" {
			return v
		}
	}
	return ""
}
