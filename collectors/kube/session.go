package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// session is one run over a cluster. It belongs to one goroutine: the feeds
// hand it messages.
type session struct {
	c      *Collector
	x      *conn
	sink   collectors.Sink
	res    *resume
	look   *Look
	feeds  []*feed
	groups []*group
	st     map[*feed]*standing
	cur    *feed // whose object is being looked at

	follows bool
	resumes bool    // a poll goes on from the server's history where it can
	spaces  []*feed // of the namespaces' labels; none when they are not read
	reading map[*feed]map[string]Namespace
	odd     map[*feed]map[string]bool // namespaces of that list that cannot be read, by uid; "" is any
	listedN map[*feed]bool
	asked   map[string]bool           // namespaces that were not known when an object needed them
	pending map[string]map[*feed]bool // namespaces that feeds are still to read again
	known   bool                      // all namespaces are known
	// relabelled: a namespace has other labels, or another uid, than its
	// objects were placed by. Of polls; a run that follows reads it again.
	relabelled bool
	emitted    int // since the last commit
	counted    int // requests reported in earlier commits
	counts     []evidence.SourceCount
	kept       bool // a commit was made since the caller last looked
	// torn: the collector's own state has moved on for what was not told, or not
	// kept, yet. A run that ends here keeps nothing more: the next one tells it.
	torn bool
}

// standing is how a feed does in this session.
type standing struct {
	*place
	first    time.Time // until when everything had been seen at first
	resumed  bool      // told by its history since the last look, without a list
	whole    bool      // listed in full, and followed since
	listing  time.Time // a list has begun
	appeared bool      // was not there at the look before
	fault    error     // nothing can be read
	since    time.Time // of fault
	unread   int       // items without a name, in the list under way
	// uids are the objects of the list under way, for Resource.Listed.
	uids map[string]bool
}

func (c *Collector) session(kept []byte, sink collectors.Sink) (*session, error) {
	x, err := c.conn()
	if err != nil {
		return nil, err
	}
	res, err := loadResume(kept)
	if err != nil {
		return nil, err
	}
	if c.opts.load != nil && sink != nil { // an examination leaves it alone
		if err := c.opts.load(res.State); err != nil {
			return nil, err
		}
	}
	x.client.ResetStats()
	s := &session{
		c: c, x: x, sink: sink, res: res, st: map[*feed]*standing{}, reading: map[*feed]map[string]Namespace{}, odd: map[*feed]map[string]bool{},
		listedN: map[*feed]bool{}, asked: map[string]bool{}, pending: map[string]map[*feed]bool{},
	}
	s.look = NewLook(c.env.Source, c.agent, c.env.Clock())
	if len(c.cfg.TenantLabels) > 0 {
		s.look.labels = func(key string) bool { return slices.Contains(c.cfg.TenantLabels, key) }
	}
	s.look.before = func(*Object) time.Time {
		if s.cur == nil {
			return time.Time{}
		}
		return s.st[s.cur].To
	}
	s.look.whole = func(name string) bool {
		found := false
		for _, f := range s.feeds {
			if f.name() == name {
				if st := s.st[f]; !st.whole && !st.Absent {
					return false
				}
				found = true
			}
		}
		return found
	}
	s.look.listed = s.listedAt
	s.look.refused = func(name string) bool {
		return slices.ContainsFunc(s.feeds, func(f *feed) bool { return f.name() == name && s.st[f].Refused })
	}
	s.look.again = s.readAgain
	s.unearth()
	s.makeFeeds()
	return s, nil
}

// listedAt is Look.ListedAt.
func (s *session) listedAt(resource string) (at time.Time) {
	for _, f := range s.feeds {
		if f.name() != resource {
			continue
		}
		st := s.st[f]
		since := st.listing
		switch {
		case st.Absent && st.fault == nil:
			since = s.look.Now
		case !st.whole || st.resumed || since.IsZero():
			return time.Time{}
		}
		if at.IsZero() || since.Before(at) {
			at = since
		}
	}
	return at
}

// readAgain has the objects of a resource in a namespace read once more. A poll
// lists the resource, in place of going on from its history.
func (s *session) readAgain(resource, namespace string) {
	for _, f := range s.feeds {
		switch {
		case f.name() != resource || f.ns != "" && f.ns != namespace || s.st[f].Absent:
		case s.follows:
			f.again.add(namespace)
		default:
			s.st[f].Count = 0 // see goOn
		}
	}
}

// makeFeeds makes a feed of every resource, in each configured namespace.
func (s *session) makeFeeds() {
	c := s.c
	for i := range c.resources {
		r := &c.resources[i]
		spaces := c.cfg.Namespaces
		switch {
		case r.In != "":
			spaces = []string{r.In}
		case r.Cluster || len(spaces) == 0:
			spaces = []string{""}
		}
		for _, ns := range spaces {
			f := s.newFeed(r, c.cuts[i], ns)
			p := s.res.Feeds[feedName(f)]
			if p == nil {
				p = &place{}
				s.res.Feeds[feedName(f)] = p
			}
			f.version, f.rv = p.Served, p.RV
			s.feeds = append(s.feeds, f)
			s.st[f] = &standing{place: p, first: p.To, unread: len(p.Bad)}
		}
	}
	s.makeSpaces()
	s.groups = groupsOf(c, s.feeds, s.st)
}

func (s *session) newFeed(r *Resource, cuts *cutter, ns string) *feed {
	f := &feed{x: s.x, clock: s.c.env.Clock, res: r, cuts: cuts, ns: ns, size: s.c.cfg.PageSize, again: newQueue()}
	f.ref = evidence.NewRef("object", s.look.Authority, feedName(f))
	return f
}

func feedName(f *feed) string {
	if f.ns == "" {
		return f.name()
	}
	return f.name() + "/" + f.ns
}

// listRef names a list: the resource, and the namespace when the feed is
// limited to one. It stands in the scope of every state of the list, so that a
// complete list ends no state of another one.
func (s *session) listRef(f *feed) evidence.Ref { return f.ref }

// handle takes one message.
func (s *session) handle(ctx context.Context, m message) error {
	st := s.st[m.f]
	if st == nil {
		return problem.New(problem.Internal, "kube: a message of an unknown feed")
	}
	if slices.Contains(s.spaces, m.f) {
		s.space(m)
		return nil
	}
	s.look.Now = s.c.env.Clock().UTC()
	switch m.what {
	case begun:
		st.appeared = st.appeared || st.Absent
		st.listing, st.whole, st.unread = m.at, false, 0
		clear(st.Bad)
		if m.f.res.Listed != nil {
			st.uids = map[string]bool{}
		}
		if b, ok := s.sink.(collectors.Beginner); ok {
			for _, k := range stateKinds(m.f.res.Kinds) {
				b.Begin(k, s.listRef(m.f))
			}
		}
	case seen, deleted:
		if st.uids != nil {
			st.uids[m.obj.UID] = true
		}
		s.torn = true
		if err := s.object(ctx, m); err != nil {
			return err
		}
		s.torn = false
		s.moved(m)
	case unreadable:
		st.unread++
		s.bad(m, evidence.Ref{}, cmp.Or(m.uid, fmt.Sprintf("#%d", min(st.unread, maxUnnamed))))
		s.moved(m)
	case listed:
		if err := s.lacks(ctx, m); err != nil {
			return err
		}
		s.listed(m)
	case moved:
		s.moved(m)
	case opened:
		st.fault, st.whole = nil, true
	case gap:
		st.whole = false
		s.look.Note("the watch of %s has lost history since %s: %v", feedName(m.f), evidence.FormatTime(st.To), m.err)
		st.RV = ""
	case fault:
		s.broken(m)
	case missing:
		s.notThere(m)
	case reread:
		s.reread(m.f, m.ns)
	}
	return nil
}

// moved advances the place of a feed that follows.
func (s *session) moved(m message) {
	if m.rv == "" {
		return // within a list: nothing is known until it is whole
	}
	st := s.st[m.f]
	st.RV, st.fault = m.rv, nil
	if m.behind {
		return
	}
	st.To = later(st.To, m.at)
	if !st.Known.IsZero() {
		st.Known = later(st.Known, m.at)
	}
}

// lacks lets the collector tell what a list does not show any more, when it shows
// all there is.
func (s *session) lacks(ctx context.Context, m message) error {
	st := s.st[m.f]
	uids := st.uids
	st.uids = nil
	if m.f.res.Listed == nil {
		return nil
	}
	if st.unread > 0 || len(st.Bad) > 0 || m.ours < m.total {
		st.Known = time.Time{}
		return nil
	}
	s.torn = true
	ds, err := m.f.res.Listed(ctx, &List{
		Namespace: m.f.ns, Since: st.Known, Request: m.f.asked(m.query),
		Has:   func(uid string) bool { return uids[uid] },
		Space: func(name string) (string, error) { return s.spaceNow(ctx, name) },
	}, s.look)
	if err != nil {
		return err
	}
	for _, d := range ds {
		if err := s.emit(ctx, d); err != nil {
			return err
		}
	}
	s.torn = false
	st.Known = later(st.Known, st.listing)
	return nil
}

// listed closes a list: what it lacks is gone, and what happened since the
// last look is lost when a watch should have told it.
func (s *session) listed(m message) {
	st := s.st[m.f]
	if st.unread == 0 && len(st.Bad) == 0 {
		for _, k := range stateKinds(m.f.res.Kinds) {
			s.sink.Complete(k, s.listRef(m.f))
		}
	}
	if m.total >= 0 {
		s.counts = append(s.counts, evidence.SourceCount{What: feedName(m.f), Query: m.query, Source: m.total, Ours: m.ours})
	}
	switch {
	case st.Refused: // that it was not known until now was told
	case st.appeared:
		s.lost(st, st.listing, "the resource was not there at the look before, and what happened since is not known")
	case s.follows && !st.To.IsZero():
		s.lost(st, st.listing, "the server no longer had the history since the last look, and the list shows only what is there now")
	}
	st.appeared, st.Absent, st.Refused, st.whole, st.fault = false, false, false, true, nil
	st.Served, st.RV, st.To, st.Count = m.version, m.rv, later(st.To, st.listing), m.ours
	if st.first.IsZero() {
		st.first = st.To
	}
}

// lost adds a blind stretch from the place of a feed to the instant.
func (s *session) lost(st *standing, to time.Time, cause string) {
	if st.To.IsZero() || !to.After(st.To) {
		return
	}
	if n := len(st.Blind); n > 0 && st.Blind[n-1].Cause == cause && st.Blind[n-1].To.Equal(st.To) {
		st.Blind[n-1].To = to
	} else {
		st.Blind = append(st.Blind, blind{st.To, to, cause})
	}
	st.To = to
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// broken takes a fault. A feed that is refused, or that only another program
// could read, is blind at once; one that is cut off may still catch up, and
// claims nothing until it has. What is waived is blind for what it was read before,
// once, and costs nothing more.
func (s *session) broken(m message) {
	st := s.st[m.f]
	if st.fault == nil {
		st.since = m.at
	}
	st.fault, st.whole = m.err, false
	switch {
	case refusal(m.err) && m.f.res.Waived:
		if !st.Refused {
			s.lost(st, m.at, "the credential may not read "+m.f.name()+" any more")
		}
		st.Refused, st.Absent, st.fault, st.To = true, false, nil, later(st.To, m.at)
		if st.first.IsZero() {
			st.first = st.To
		}
		s.look.Note("%s: what stands on it is told as not known", plain(m.f, m.err))
	case refusal(m.err):
		s.lost(st, m.at, "the credential may not read "+m.f.name())
	case errors.Is(m.err, errVersion):
		s.lost(st, m.at, "the cluster serves "+m.f.name()+" in no version that is understood")
	}
}

// notThere takes that the cluster does not have the resource: whatever was
// there is gone with it.
func (s *session) notThere(m message) {
	st := s.st[m.f]
	if !st.Absent {
		if b, ok := s.sink.(collectors.Beginner); ok {
			for _, k := range stateKinds(m.f.res.Kinds) {
				b.Begin(k, s.listRef(m.f))
			}
		}
	}
	for _, k := range stateKinds(m.f.res.Kinds) {
		s.sink.Complete(k, s.listRef(m.f))
	}
	if !st.Absent || st.fault == nil {
		st.since = m.at
	}
	st.Absent, st.Refused, st.appeared, st.whole, st.RV, st.Served, st.fault = true, false, false, false, "", "", nil
	clear(st.Bad)
	if m.f.res.Optional {
		s.look.Note("the cluster does not have %s", m.f.name())
	} else {
		st.fault = problem.New(problem.Source, "the cluster does not have it")
	}
	st.To = later(st.To, m.at)
	if st.first.IsZero() {
		st.first = st.To
	}
	s.reread(m.f, "")
}

func stateKinds(kinds []evidence.Kind) (out []evidence.Kind) {
	for _, k := range kinds {
		if info, _ := evidence.KindInfo(k); info.State {
			out = append(out, k)
		}
	}
	return out
}

// object makes and emits the drafts of one object.
func (s *session) object(ctx context.Context, m message) error {
	if err := s.placeOf(ctx, m.obj.Namespace); err != nil {
		return err
	}
	s.cur, s.look.past = m.f, s.pastOf(m.obj)
	defer func() { s.cur, s.look.past = nil, "" }()
	res := m.f.res
	make, gone := res.Drafts, false
	if m.what == deleted {
		gone = res.Gone == nil
		if res.Gone != nil {
			make = res.Gone
		}
	}
	ds, err := make(ctx, m.obj, s.look)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && m.what == deleted {
		// Nobody tells of the object again: its states end by its name alone.
		gone = true
		ds, err = s.bare(m.obj, res)
	}
	if err != nil {
		scope := evidence.Ref{}
		if m.obj.Namespace != "" {
			scope = evidence.NewRef("ns", s.look.Authority, m.obj.Namespace)
		}
		s.bad(m, scope, m.obj.UID)
		return nil
	}
	delete(s.st[m.f].Bad, m.obj.UID)
	var own, scope []evidence.Ref // of an object's many states most share their scope
	for _, d := range ds {
		if info, _ := evidence.KindInfo(d.Kind); info.State {
			if gone && d.Op == evidence.OpSet {
				d = ended(d)
			}
			if same := len(own) > 0 && len(own) == len(d.Scope) && &own[0] == &d.Scope[0]; !same {
				own, scope = d.Scope, slices.Concat(d.Scope, []evidence.Ref{s.listRef(m.f)})
			}
			d.Scope = scope
		}
		if err := s.emit(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// bare makes drafts of an object that hold nothing but who it was, one for
// each kind of state that its resource has.
func (s *session) bare(o *Object, r *Resource) (ds []evidence.Draft, err error) {
	for _, k := range stateKinds(r.Kinds) {
		d, err := s.look.Draft(k, o, struct{}{})
		if err != nil {
			return nil, err
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// ended makes the end of a state out of its last form.
func ended(d evidence.Draft) evidence.Draft {
	at := d.ObservedAt
	if !at.After(d.OccurredAt) && d.Basis != evidence.BasisObserved {
		at = d.OccurredAt.Add(time.Nanosecond) // the source's clock is ahead of ours
	}
	d.Op, d.OccurredAt, d.Basis = evidence.OpEnd, at, evidence.BasisObserved
	d.Content, d.Text = []byte(`{"reason":"deleted"}`), nil
	return d
}

// maxUnnamed bounds the objects that are remembered without saying which they are: a
// watch may tell one of them without end.
const maxUnnamed = 1000

// bad remembers an object that could not be read. What it says of its
// namespace is missing until it can be.
func (s *session) bad(m message, scope evidence.Ref, uid string) {
	st := s.st[m.f]
	if scope.IsZero() {
		scope = s.listRef(m.f)
	}
	if st.Bad == nil {
		st.Bad = map[string]badObject{}
	}
	if _, ok := st.Bad[uid]; !ok {
		st.Bad[uid] = badObject{scope, m.at}
	}
}

func (s *session) emit(ctx context.Context, d evidence.Draft) error {
	if d.NotBefore.After(d.OccurredAt) {
		d.NotBefore = time.Time{} // the source's own time says more
	}
	s.emitted++
	return collectors.Ending(s.sink.Emit(ctx, d))
}

// commit makes everything durable that was emitted. The claims say what may be
// said of the kinds; none are made in the middle of a look.
func (s *session) commit(ctx context.Context, claims []evidence.Seen, incomplete string) error {
	s.look.Now = s.c.env.Clock().UTC()
	s.torn = true
	if s.c.opts.after != nil {
		ds, err := s.c.opts.after(ctx, s.look)
		if err != nil {
			return err
		}
		for _, d := range ds {
			if err := s.emit(ctx, d); err != nil {
				return err
			}
		}
	}
	if s.c.opts.save != nil {
		b, err := s.c.opts.save()
		if err != nil {
			return fmt.Errorf("encode the collector's state: %w", err)
		}
		s.res.State = b
	}
	s.digAll()
	b, err := json.Marshal(s.res)
	if err != nil {
		return err
	}
	o := s.observation(claims, incomplete)
	if s.follows {
		o.Underway = s.underway()
	}
	if s.c.opts.observe != nil {
		s.c.opts.observe(&o)
	}
	if err := s.sink.Commit(ctx, b, o); err != nil {
		return collectors.Ending(err)
	}
	s.emitted, s.kept, s.torn = 0, true, false
	return nil
}

func (s *session) observation(claims []evidence.Seen, incomplete string) evidence.Observation {
	st := s.x.client.Stats()
	identity, _ := s.x.identity()
	o := evidence.Observation{
		At: s.c.env.Clock().UTC(), Seen: claims, Incomplete: incomplete, Total: -1, Counts: s.counts,
		Identity: identity, Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey,
		Requests: st.Requests - s.counted, Notes: s.look.notes,
	}
	s.counted, s.look.notes, s.counts = st.Requests, nil, nil
	return o
}

// plain says in a sentence why a feed cannot be read.
func plain(f *feed, err error) string {
	switch {
	case fetch.Status(err) != 0 && refusal(err):
		return fmt.Sprintf("the credential may not list and watch %s (%d)", f.name(), fetch.Status(err))
	case errors.Is(err, errExpired):
		return fmt.Sprintf("the history of %s is lost", f.name())
	}
	return fmt.Sprintf("%s: %v", f.name(), err)
}
