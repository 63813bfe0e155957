package kube

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// namespaces is the engine's own resource: labels say whose an object is.
var namespaces = Resource{Resource: "namespaces", Kind: "Namespace", Versions: []string{"v1"}, Cluster: true, Metadata: true}

// makeSpaces makes the feeds of the namespaces: one for all, or one for each
// that the collector is limited to, for which a right on that one is enough.
func (s *session) makeSpaces() {
	if !s.c.cfg.NamespaceLabels {
		s.known = true
		return
	}
	limits := s.c.cfg.Namespaces
	if len(limits) == 0 {
		limits = []string{""}
	}
	for _, ns := range limits {
		r := namespaces
		if ns != "" {
			r.selector = "metadata.name=" + ns
		}
		f := s.newFeed(&r, s.c.noCuts, "")
		f.version = "v1"
		s.spaces = append(s.spaces, f)
		s.st[f] = &standing{place: &place{}}
	}
}

// space takes a message about namespaces. They are always listed at the begin
// of a run, so that the map is whole before the first object is placed.
func (s *session) space(m message) {
	st := s.st[m.f]
	switch m.what {
	case begun:
		s.reading[m.f], s.odd[m.f] = map[string]Namespace{}, map[string]bool{}
	case seen:
		n := spaceOf(m.obj)
		if m.obj.Listed {
			s.reading[m.f][n.Name] = n
			return
		}
		st.fault = nil
		s.learn(n)
	case deleted:
		st.fault = nil
		s.forget(m.obj.Name, m.at)
	case unreadable:
		s.look.Note("a namespace could not be read: its objects are placed by its name alone, or as they were")
		if s.odd[m.f] != nil {
			s.odd[m.f][m.uid] = true
		}
	case listed:
		st.fault, s.listedN[m.f] = nil, true
		for _, n := range s.reading[m.f] {
			s.learn(n)
		}
		for _, name := range slices.Concat(slices.Collect(maps.Keys(s.res.Spaces)), slices.Collect(maps.Keys(s.res.Labels))) {
			if _, there := s.reading[m.f][name]; !there && (m.f.res.selector == "" || m.f.res.selector == "metadata.name="+name) {
				if k := s.res.Spaces[name]; s.odd[m.f][k.UID] || s.odd[m.f][""] {
					s.remember(name, k) // it is there, or may be
					continue
				}
				s.forget(name, m.at)
			}
		}
		s.reading[m.f], s.odd[m.f] = nil, nil
		s.known = len(s.listedN) == len(s.spaces)
	case moved, opened:
		st.fault = nil
	case fault:
		if st.fault == nil {
			st.since = m.at
		}
		st.fault = m.err
	}
}

// remember takes a namespace as it was last read: it is no less there for that it cannot
// be read now, nor is it anybody else's.
func (s *session) remember(name string, k keptSpace) {
	if _, ok := s.look.namespaces[name]; ok || k.UID == "" {
		return
	}
	s.look.namespaces[name] = Namespace{Name: name, UID: k.UID, Labels: k.Labels, Made: k.Made}
	s.look.values = nil
}

// learn takes a namespace as it is now. When its labels are others than those
// its objects were placed by, they are read again.
func (s *session) learn(n Namespace) {
	if old, ok := s.res.Spaces[n.Name]; ok && old.UID != n.UID {
		s.bury(n.Name, s.c.env.Clock().UTC())
	}
	s.look.namespaces[n.Name], s.look.values = n, nil
	s.res.Spaces[n.Name] = keptSpace{UID: n.UID, Labels: s.look.placing(n.Labels), Made: n.Made}
	if s.res.Gone[n.Name].UID == n.UID {
		s.dig(n.Name) // told out of order: it is there after all
	}
	hash := labelHash(n.UID, s.look.Scope(n.Name))
	old, had := s.res.Labels[n.Name]
	switch {
	case had && old != hash, s.asked[n.Name]:
		delete(s.asked, n.Name)
		if !s.follows {
			s.relabelled = true // everything is listed in this run
			return
		}
		s.pending[n.Name] = map[*feed]bool{}
		for _, f := range s.feeds {
			if !f.res.Cluster && (f.ns == "" || f.ns == n.Name) && !s.st[f].Absent {
				s.pending[n.Name][f] = true
				f.again.add(n.Name)
			}
		}
		s.reread(nil, n.Name)
	case !had:
		s.res.Labels[n.Name] = hash
	}
}

// forget drops a namespace that is gone. Its last labels stay: what happened to
// its objects may be told after its end, for each resource has its own watch.
func (s *session) forget(name string, at time.Time) {
	s.bury(name, at)
	delete(s.look.namespaces, name)
	s.look.values = nil
	delete(s.res.Spaces, name)
	delete(s.res.Labels, name)
	delete(s.pending, name)
	delete(s.asked, name)
}

const (
	// maxGone bounds the namespaces whose last labels are remembered.
	maxGone = 10_000
	// mourning is how long the labels of a namespace that is gone are kept
	// beyond the time when every watch has come past its end.
	mourning = time.Hour
)

// bury keeps what a namespace was last.
func (s *session) bury(name string, at time.Time) {
	n, ok := s.res.Spaces[name]
	if !ok {
		return
	}
	if len(s.res.Gone) >= maxGone {
		s.dig(slices.MinFunc(slices.Collect(maps.Keys(s.res.Gone)), func(a, b string) int {
			return s.res.Gone[a].Since.Compare(s.res.Gone[b].Since)
		}))
	}
	n.Since = at
	s.res.Gone[name] = n
	s.look.gone[name] = n.last(name)
}

// dig forgets what a namespace was.
func (s *session) dig(name string) {
	delete(s.res.Gone, name)
	delete(s.look.gone, name)
}

// digAll forgets the namespaces of which no feed can have anything to tell any
// more.
func (s *session) digAll() {
	if len(s.res.Gone) == 0 {
		return
	}
	var slowest time.Time
	for _, f := range s.feeds {
		if st := s.st[f]; !f.res.Cluster && !st.Absent && !st.To.IsZero() && (slowest.IsZero() || st.To.Before(slowest)) {
			slowest = st.To
		}
	}
	for name, n := range s.res.Gone {
		if slowest.After(n.Since.Add(mourning)) {
			s.dig(name)
		}
	}
}

// unearth takes over what an earlier run knew. What went since is found by the
// list that begins each run.
func (s *session) unearth() {
	s.look.gone = map[string]Namespace{}
	for name, n := range s.res.Gone {
		s.look.gone[name] = n.last(name)
	}
}

// pastOf returns the namespace of an object when the object is older than the
// namespace that has this name now: it was of the one before.
func (s *session) pastOf(o *Object) string {
	n, ok := s.look.namespaces[o.Namespace]
	if ok && !o.CreatedAt.IsZero() && o.CreatedAt.Before(n.Made) {
		return o.Namespace
	}
	return ""
}

// reread notes that a feed has read a namespace again ("" for all: there is
// nothing to read). The labels count as applied when every feed has: a run
// that ends before goes on with those that it finds changed.
func (s *session) reread(f *feed, ns string) {
	for name, left := range s.pending {
		if ns != "" && name != ns {
			continue
		}
		delete(left, f)
		if len(left) > 0 {
			continue
		}
		delete(s.pending, name)
		if n, ok := s.look.namespaces[name]; ok {
			s.res.Labels[name] = labelHash(n.UID, s.look.Scope(name))
		}
	}
}

// settleLabels keeps, after a poll that listed everything, what its objects
// were placed by.
func (s *session) settleLabels() {
	for name, n := range s.look.namespaces {
		s.res.Labels[name] = labelHash(n.UID, s.look.Scope(name))
	}
}

// placeOf makes sure that an object's namespace is known. An object may be
// told before its namespace is; the server is asked for it then.
func (s *session) placeOf(ctx context.Context, name string) error {
	if name == "" || !s.c.cfg.NamespaceLabels || s.asked[name] {
		return nil
	}
	if _, ok := s.look.namespaces[name]; ok {
		return nil
	}
	n, err := s.askSpace(ctx, name)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.asked[name] = true
		if fetch.Status(err) != http.StatusNotFound {
			s.look.Note("a namespace could not be asked for: its objects are placed by its name until it is told")
		}
		return nil
	}
	s.learn(n)
	return nil
}

func (s *session) askSpace(ctx context.Context, name string) (n Namespace, err error) {
	if !pathSegment(name) {
		return n, errForm
	}
	f := s.newFeed(&namespaces, s.c.noCuts, "")
	f.version = "v1"
	resp, err := s.x.get(ctx, namespaces.path("v1", "")+"/"+name, f.accept(""))
	if err != nil {
		return n, err
	}
	raw := resp.Body
	if len(raw) > s.x.maxObj || !json.Valid(raw) {
		return n, errForm
	}
	o, err := f.parse(raw, s.c.env.Clock().UTC(), evidence.Request{})
	if err != nil || o.Name != name {
		return n, errForm
	}
	return spaceOf(o), nil
}

// spaceNow returns the uid of a namespace as the server tells it now; "" when it
// has none of the name.
func (s *session) spaceNow(ctx context.Context, name string) (string, error) {
	n, err := s.askSpace(ctx, name)
	if fetch.Status(err) == http.StatusNotFound {
		return "", nil
	}
	return n.UID, err
}

func spaceOf(o *Object) Namespace {
	return Namespace{Name: o.Name, UID: o.UID, Labels: o.Labels, Made: o.CreatedAt}
}
