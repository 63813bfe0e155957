package externalsecrets

import (
	"slices"

	"evidenced/collectors/certs"
	"evidenced/evidence"
)

// memory is what stays between two commits, and in the cursor: where each store
// leads, by kind/namespace/name. It names objects, never people.
type memory struct {
	Stores map[string]store `json:"stores,omitempty"`
}

func storeKey(kind, namespace, name string) string {
	if kind == kindClusterStore {
		namespace = ""
	}
	return kind + "/" + namespace + "/" + name
}

func (m *memory) put(kind, namespace, name string, s store) {
	if m.Stores == nil {
		m.Stores = map[string]store{}
	}
	if key := storeKey(kind, namespace, name); s.Authority != "" {
		m.Stores[key] = s
	} else {
		delete(m.Stores, key)
	}
}

// get returns the store that a sync in the namespace refers to.
func (m *memory) get(r storeRef, namespace string) (store, bool) {
	s, ok := m.Stores[storeKey(r.Kind, namespace, r.Name)]
	return s, ok
}

// links collects join keys without repeats, up to the limits of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

// word returns a word of the source as facts hold it, without mail addresses.
func word(s string) string {
	w, mail := certs.Name(s)
	if mail {
		return "{mail}"
	}
	return w
}
