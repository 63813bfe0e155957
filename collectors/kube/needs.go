package kube

import "slices"

// What a resource's drafts build on is read before it. A poll goes by the order
// of the resources; while following, a feed that needs others waits at a gate
// of its own until each of them was read once, goes on from an earlier run, or
// turned out not to be readable: then it does without.

// gateOf returns what the feed waits for before it begins; nil for nothing.
func (fw *following) gateOf(f *feed) <-chan struct{} {
	switch {
	case len(f.res.Needs) > 0:
		gate := make(chan struct{})
		fw.waiting[f] = gate
		return gate
	case f.res.Cluster:
		return nil
	}
	return fw.placed
}

// release opens the gates of the feeds whose needs are met.
func (fw *following) release() {
	for f, gate := range fw.waiting {
		if (fw.known || f.res.Cluster && !slices.Contains(f.res.Needs, namespaces.name())) && !slices.ContainsFunc(f.res.Needs, fw.untried) {
			close(gate)
			delete(fw.waiting, f)
		}
	}
}

// untried reports whether nothing is known yet of the resource.
func (s *session) untried(name string) bool {
	return slices.ContainsFunc(s.feeds, func(f *feed) bool {
		st := s.st[f]
		return f.name() == name && !st.whole && !st.Absent && !st.Refused && st.fault == nil && st.RV == ""
	})
}
