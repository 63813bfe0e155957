package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// door reads Argo CD's objects where it keeps them: from the Kubernetes API
// server, whose watch drops nothing. It makes the same drafts with the same keys
// as the API door, and reads that one's position, so a source that changes doors
// tells nothing twice.
type door struct {
	*Collector
	engine collectors.Follower

	// Of the run that is going on:
	s     *session
	out   []evidence.Draft // of the object at hand
	whole bool             // every application was listed at least once
	now   time.Time        // of the commit that is being made
	full  map[string]bool  // namespaces whose list ended since the last commit; "" for all in one
	there map[string]bool  // applications since the newest list of their namespace began, by uid
	reach time.Time        // how far all histories of the first list go back
}

// newDoor makes the collector of the Kubernetes door. The network is not
// touched.
func newDoor(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	k := kube.DefaultConfig()
	k.Kubeconfig, k.Context, k.AllowExec = cfg.Kubernetes.Kubeconfig, cfg.Kubernetes.Context, cfg.Kubernetes.AllowExec
	k.Server, k.TokenFile, k.CAFile = cfg.Kubernetes.Server, cfg.Kubernetes.TokenFile, cfg.Kubernetes.CAFile
	k.Namespaces = cfg.Kubernetes.Namespaces
	k.WatchTimeout = max(cfg.WatchTimeout, 2*time.Minute) // bookmarks come about once a minute
	// An application is placed by its project and by where it deploys to, not
	// by the namespace its own object stands in.
	k.NamespaceLabels = false
	authority := env.Source.Authority()
	d := &door{Collector: &Collector{cfg: cfg, env: env, authority: authority, realm: "argocd:" + authority}}
	engine, err := kube.New(k, env, agent, d.resources(), append(opts, kube.After(nil, d.after))...)
	if err != nil {
		return nil, err
	}
	follower, ok := engine.(collectors.Follower)
	if !ok {
		return nil, problem.New(problem.Internal, "argocd: the engine does not watch")
	}
	d.engine = follower
	return d, nil
}

var (
	_ collectors.Follower = (*door)(nil)
	_ collectors.Examiner = (*door)(nil)
)

func (d *door) resources() []kube.Resource {
	v1alpha1 := []string{"v1alpha1"}
	return []kube.Resource{
		{Group: argoGroup, Resource: "applications", Kind: "Application", Versions: v1alpha1,
			Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Drafts: d.application, Gone: d.gone},
		{Group: argoGroup, Resource: "appprojects", Kind: "AppProject", Versions: v1alpha1,
			Kinds: []evidence.Kind{evidence.DeployProject}, Drafts: d.project},
	}
}

// Poll implements collectors.Collector: everything is listed once.
func (d *door) Poll(ctx context.Context, w evidence.Period, kept []byte, sink collectors.Sink) error {
	return d.run(kept, sink, func(engine []byte, s collectors.Sink) error { return d.engine.Poll(ctx, w, engine, s) })
}

// Follow implements collectors.Follower: lists, and watches in between.
func (d *door) Follow(ctx context.Context, kept []byte, sink collectors.Sink) error {
	return d.run(kept, sink, func(engine []byte, s collectors.Sink) error { return d.engine.Follow(ctx, engine, s) })
}

func (d *door) run(kept []byte, sink collectors.Sink, do func([]byte, collectors.Sink) error) error {
	res, engine, err := loadDoor(kept)
	if err != nil {
		return err
	}
	d.s = d.session(res, collect{d})
	d.out, d.whole, d.full, d.there, d.reach = nil, false, map[string]bool{}, map[string]bool{}, time.Time{}
	return do(engine, &doorSink{Sink: sink, door: d})
}

// Examine implements collectors.Examiner.
func (d *door) Examine(ctx context.Context) (collectors.Examination, error) {
	e, ok := d.engine.(collectors.Examiner)
	if !ok {
		return collectors.Examination{}, problem.New(problem.Internal, "argocd: the engine cannot be examined")
	}
	return e.Examine(ctx)
}

// collect is the sink of the session behind the door: it keeps the drafts of
// the object at hand for the engine, which hands them on and commits.
type collect struct{ d *door }

// Emit implements collectors.Sink.
func (c collect) Emit(_ context.Context, d evidence.Draft) error {
	c.d.out = append(c.d.out, d)
	return nil
}

// Complete implements collectors.Sink; the engine says which lists were full.
func (collect) Complete(evidence.Kind, evidence.Ref) {}

// Commit implements collectors.Sink; the engine commits.
func (collect) Commit(context.Context, []byte, evidence.Observation) error { return nil }

// application makes the drafts of an application: from a list always its state,
// else what is new.
func (d *door) application(ctx context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	a, err := decodeApp(o.Raw)
	if err != nil {
		return nil, err
	}
	d.there[a.uid()] = true
	if d.s.res.Listed.IsZero() && o.Listed {
		if t := reachOf(a, o.ObservedAt); t.After(d.reach) {
			d.reach = t
		}
	}
	d.out = nil
	if err := d.s.take(ctx, a, o.ObservedAt, d.s.res.Listed, requestOf(o), o.Listed); err != nil {
		return nil, err
	}
	delete(d.s.newer, a.uid()) // no list of ours is older than the watch
	return d.made(o), nil
}

// gone makes the drafts of an application that was deleted.
func (d *door) gone(ctx context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	a, err := decodeApp(o.Raw)
	if err != nil {
		return nil, err
	}
	d.out = nil
	if err := d.s.ended(ctx, a, o.ObservedAt, requestOf(o)); err != nil {
		return nil, err
	}
	delete(d.there, a.uid())
	return d.made(o), nil
}

// project makes the draft of an AppProject.
func (d *door) project(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	p, err := decodeProject(o.Raw)
	if err != nil {
		return nil, err
	}
	d.out = []evidence.Draft{d.projectDraft(p, o.ObservedAt, d.s.res.Listed, requestOf(o))}
	return d.made(o), nil
}

// made takes the drafts, and says of those that hold the object's own bytes
// what the engine had taken out of them.
func (d *door) made(o *kube.Object) []evidence.Draft {
	out := d.out
	d.out = nil
	for i := range out {
		if out[i].Kind != evidence.DeploySync {
			out[i].Removed = joinRemoved(out[i].Removed, o.Removed)
		}
	}
	return out
}

// joinRemoved joins what two removers took out, both named first.
func joinRemoved(ours, theirs []string) []string {
	if len(ours) == 0 || len(theirs) == 0 {
		return append(ours, theirs...)
	}
	return slices.Concat([]string{ours[0] + " " + theirs[0]}, theirs[1:], ours[1:])
}

// requestOf says how the engine read an object, with the collector's name.
func requestOf(o *kube.Object) evidence.Request {
	r := o.Request
	r.Agent = agent + r.Agent
	return r
}

// after is called before each commit.
func (d *door) after(_ context.Context, l *kube.Look) ([]evidence.Draft, error) {
	d.whole, d.now = l.Whole("applications."+argoGroup), l.Now
	return nil, nil
}

// doorSink stands between the engine and the runner: it adds to each commit
// what the engine cannot know of Argo CD, and keeps the position of both.
type doorSink struct {
	collectors.Sink
	door *door
}

var _ collectors.Beginner = (*doorSink)(nil)

// Begin implements collectors.Beginner.
func (s *doorSink) Begin(kind evidence.Kind, scope evidence.Ref) {
	if kind == evidence.DeployState {
		s.door.begin(namespaceOf(scope))
	}
	if b, ok := s.Sink.(collectors.Beginner); ok {
		b.Begin(kind, s.door.scopeOf(scope))
	}
}

// Complete implements collectors.Sink.
func (s *doorSink) Complete(kind evidence.Kind, scope evidence.Ref) {
	if kind == evidence.DeployState {
		s.door.full[namespaceOf(scope)] = true
	}
	s.Sink.Complete(kind, s.door.scopeOf(scope))
}

// namespaceOf is the namespace that a list of the engine is limited to; "" when
// it is not.
func namespaceOf(list evidence.Ref) string {
	_, ns, _ := strings.Cut(list.Name, "/")
	return ns
}

// within reports whether a list limited to ns shows the application.
func (m *memory) within(ns string) bool { return ns == "" || strings.HasPrefix(m.Name, ns+"/") }

// begin forgets which applications an earlier list showed.
func (d *door) begin(ns string) {
	for uid := range d.there {
		if m := d.s.res.Apps[uid]; m == nil || m.within(ns) {
			delete(d.there, uid)
		}
	}
}

// scopeOf is what a full list of the engine covers: of all namespaces, it is
// everything that the source has, and so ends what the API door saw too.
func (d *door) scopeOf(list evidence.Ref) evidence.Ref {
	if len(d.cfg.Kubernetes.Namespaces) == 0 {
		return evidence.Ref{}
	}
	return list
}

// Commit implements collectors.Sink.
func (s *doorSink) Commit(ctx context.Context, engine []byte, o evidence.Observation) error {
	d := s.door
	if d.whole && len(o.Seen) > 0 { // in the middle of a look nothing is claimed
		d.settle(&o)
	}
	o.Notes = append(o.Notes, d.s.notes...)
	d.s.notes = nil
	seen, err := d.s.res.encode()
	if err != nil {
		return fmt.Errorf("collector %s: keep position: %w", d.env.Source, err)
	}
	b, err := json.Marshal(doorResume{V: doorVersion, Seen: seen, Engine: engine})
	if err != nil {
		return fmt.Errorf("collector %s: keep position: %w", d.env.Source, err)
	}
	return s.Sink.Commit(ctx, b, o)
}

// settle adds what is known of operations that were lost and of verdicts that
// are frozen, and moves the memory on.
func (d *door) settle(o *evidence.Observation) {
	s := d.s
	for ns := range d.full {
		for uid, m := range s.res.Apps {
			if !d.there[uid] && m.within(ns) {
				delete(s.res.Apps, uid)
			}
		}
	}
	clear(d.full)
	before := s.res.Listed
	l := &look{at: d.now}
	now := d.now
	if o.OffsetOK {
		now = now.Add(o.Offset)
	}
	var pulses []pulse
	for _, m := range s.res.Apps {
		pulses = append(pulses, pulse{m.Project, m.Pulse, m.Idle})
		if !slices.Contains(s.res.Offered, m.Project) {
			s.res.Offered = append(s.res.Offered, m.Project)
		}
	}
	slices.Sort(s.res.Offered)
	s.judge(l, now, pulses)
	var extra []evidence.Seen
	if before.IsZero() {
		extra = append(extra, fromHistory(d.reach, l.at)...)
		before = l.at
	}
	extra = append(extra, s.lostClaims(l, before)...)
	extra = append(extra, s.frozenClaims(l, before)...)
	o.Seen = append(extra, d.unfrozen(l, o.Seen)...)
	s.res.Listed, s.res.Lost, s.res.Gapless = l.at, nil, false
	s.forget()
}

// lostClaims says of which projects operations were lost since the last
// commit.
func (s *session) lostClaims(l *look, before time.Time) []evidence.Seen {
	var reasons, projects []string
	for uid, why := range s.lost {
		if m := s.res.Apps[uid]; m != nil {
			reasons, projects = append(reasons, why), append(projects, m.Project)
		}
	}
	if len(projects) == 0 {
		return nil
	}
	slices.Sort(projects)
	return s.within(slices.Compact(projects), evidence.Seen{Kinds: []evidence.Kind{evidence.DeploySync},
		Class: evidence.Blind, From: before, To: l.at, Cause: lossCause(reasons)})
}

// unfrozen takes states out of what the engine claims when no verdict of Argo
// CD is alive: a frozen one is not seen, however well it is watched.
func (d *door) unfrozen(l *look, seen []evidence.Seen) []evidence.Seen {
	if !l.allStale {
		return seen
	}
	var out []evidence.Seen
	for _, c := range seen {
		if c.Class != evidence.Blind {
			c.Kinds = slices.DeleteFunc(slices.Clone(c.Kinds), func(k evidence.Kind) bool { return k == evidence.DeployState })
		}
		if len(c.Kinds) > 0 {
			out = append(out, c)
		}
	}
	return out
}
