package argocd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const (
	listPath   = "/api/v1/applications"
	streamPath = "/api/v1/stream/applications"
)

// maxQuestions bounds the permission questions asked in one look.
const maxQuestions = 50

// session is one run over a server.
type session struct {
	*Collector
	sink collectors.Sink
	res  *resume

	// Since the last full list, by uid:
	advanced map[string]bool   // an operation ran or moved on, as the list alone showed
	lost     map[string]string // why operations are lost
	newer    map[string]fresh  // as last delivered by the stream
	gone     map[string]bool   // deleted, by the stream's word

	notes    []string
	identity string
	counted  int    // requests reported in earlier commits
	doubt    string // what of the run is incomplete whatever the lists say
	emitted  int    // since the last Commit
	kept     bool   // a Commit was made since the caller last looked
}

// fresh is an application as the stream delivered it.
type fresh struct {
	app *app
	req evidence.Request
}

func (c *Collector) session(res *resume, s collectors.Sink) *session {
	x := &session{Collector: c, sink: s, res: res}
	x.forget()
	return x
}

func (s *session) forget() {
	s.advanced, s.lost = map[string]bool{}, map[string]string{}
	s.newer, s.gone = map[string]fresh{}, map[string]bool{}
}

// note keeps a remark for the operator, once.
func (s *session) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(s.notes, n) {
		s.notes = append(s.notes, n)
	}
}

// look is one full list.
type look struct {
	at      time.Time
	apps    []*app
	req     map[string]evidence.Request // by project filter
	bad     int                         // items that could not be read
	visible []string                    // projects with an application in the list
	vacant  []string                    // known projects without one that we may still see
	hidden  []string                    // projects we may no longer see, or not in full
	stale   []string                    // projects whose verdicts are frozen
	newest  time.Time                   // newest reconciledAt
	// allStale is set when no project's verdicts are alive.
	allStale bool
	lagging  int    // applications older in the list than seen before
	unread   string // why projects were not read in full; empty: they were
	// unbroken is since when the stream is known to have delivered every
	// change; zero without one.
	unbroken time.Time
}

// Poll implements collectors.Collector: one list, everything new in it, one
// commit.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, kept []byte, sink collectors.Sink) error {
	res, err := loadResume(kept)
	if err != nil {
		return err
	}
	c.client.ResetStats()
	s := c.session(res, sink)
	s.identify()
	if err := s.version(ctx); err != nil {
		return err
	}
	return s.list(ctx, nil)
}

// sourceError marks what the source did wrong, as opposed to the sink.
type sourceError struct{ error }

// Unwrap returns the cause.
func (e *sourceError) Unwrap() error { return e.error }

// list makes one full look and commits it. drain, when there is a stream,
// takes what it delivered meanwhile and says since when it is unbroken.
func (s *session) list(ctx context.Context, drain func(context.Context) (time.Time, error)) error {
	l, err := s.read(ctx)
	if err != nil {
		return &sourceError{err}
	}
	if drain != nil {
		if l.unbroken, err = drain(ctx); err != nil {
			return err
		}
		l.at = s.env.Clock().UTC()
	}
	before := s.res.Listed
	if err := s.emitAll(ctx, l, before); err != nil {
		return err
	}
	if err := s.missing(ctx, l); err != nil {
		return err
	}
	if err := s.projects(ctx, l, before); err != nil {
		return err
	}
	s.frozen(l)
	o := s.observe(l, before)
	s.complete(l)
	if l.unread == "" {
		s.completeProjects()
	}
	s.settle(l)
	return s.commit(ctx, o)
}

// read gets the list, one answer for each configured project.
func (s *session) read(ctx context.Context) (*look, error) {
	l := &look{req: map[string]evidence.Request{}}
	filters := s.cfg.Projects
	if len(filters) == 0 {
		filters = []string{""}
	}
	seen := map[string]bool{}
	for _, p := range filters {
		q := url.Values{}
		if p != "" {
			q.Set("projects", p)
		}
		r, err := s.client.Get(ctx, listPath, q)
		if err != nil {
			return nil, fmt.Errorf("collector %s: list applications: %w", s.env.Source, explain(err))
		}
		in, err := decodeList(r.Body)
		if err != nil {
			return nil, problem.Wrap(problem.Source, err, "collector %s: list applications from %s", s.env.Source, r.URL).
				WithHint("check that url leads to the Argo CD API server and not to a login page or an ingress")
		}
		l.bad += in.bad
		for _, a := range in.apps {
			if !seen[a.uid()] && (p == "" || a.project() == p) {
				seen[a.uid()] = true
				l.apps = append(l.apps, a)
			}
		}
		l.req[p] = evidence.Request{Method: http.MethodGet, URL: r.URL, Response: r.SHA256, Agent: agent}
	}
	l.at = s.env.Clock().UTC()
	for _, a := range l.apps {
		if !slices.Contains(l.visible, a.project()) {
			l.visible = append(l.visible, a.project())
		}
	}
	slices.Sort(l.visible)
	return l, nil
}

// explain adds a hint to a refused credential.
func explain(err error) error {
	if fetch.Status(err) == http.StatusUnauthorized || fetch.Status(err) == http.StatusForbidden {
		return problem.Wrap(problem.Credential, err, "token refused").
			WithHint("issue a new token for an account with the rights in deploy/access/argocd and put it into token_file")
	}
	return err
}

// requestOf returns how the application was fetched.
func (l *look) requestOf(a *app) evidence.Request {
	if r, ok := l.req[a.project()]; ok {
		return r
	}
	return l.req[""]
}

func (s *session) emitAll(ctx context.Context, l *look, before time.Time) error {
	l.apps = slices.DeleteFunc(l.apps, func(a *app) bool { return s.gone[a.uid()] })
	for _, a := range l.apps {
		req := l.requestOf(a)
		if n, ok := s.newer[a.uid()]; ok && n.app.Generation > a.Generation {
			a, req = n.app, n.req // the stream was quicker than the list
		}
		if s.lags(a) {
			l.lagging++
		}
		if err := s.take(ctx, a, l.at, before, req, true); err != nil {
			return err
		}
	}
	if l.lagging > 0 {
		s.note("%d applications are older in this list than seen before: a lagging replica of the API server, or a restored cluster", l.lagging)
	}
	return nil
}

// maxLags is after how many lists in a row an older application is believed:
// a replica catches up, a restored cluster does not.
const maxLags = 3

// lags reports whether the list shows an older application than was seen
// before. Its state must not be taken for a new one.
func (s *session) lags(a *app) bool {
	m := s.res.Apps[a.uid()]
	if m == nil || a.Generation >= m.Gen {
		if m != nil {
			m.Lags = 0
		}
		return false
	}
	if m.Lags++; m.Lags >= maxLags {
		m.Lags, m.Gen = 0, 0
		return false
	}
	return true
}

// take moves the memory of one application on and emits what is new. From a
// list the state is always emitted, so that the runner knows it is there.
func (s *session) take(ctx context.Context, a *app, now, listed time.Time, req evidence.Request, always bool) error {
	m := s.res.Apps[a.uid()]
	created := false
	if m == nil {
		m = &memory{Hist: -1}
		s.res.Apps[a.uid()] = m
		created = !listed.IsZero() && a.CreationTimestamp.After(listed)
	}
	older := a.Generation < m.Gen
	mv := m.operations(a, created, older)
	if mv.advanced && always && !listed.IsZero() {
		s.advanced[a.uid()] = true
	}
	if mv.lost != "" {
		s.lost[a.uid()] = mv.lost
	}
	if mv.skipped {
		s.lost[a.uid()] = "an operation was overwritten before its end was seen"
	}
	for _, g := range mv.sights {
		if err := s.emit(ctx, s.syncDraft(a, g, now, m.Seen, req)); err != nil {
			return err
		}
	}
	if older {
		return nil
	}
	if !always {
		s.newer[a.uid()] = fresh{a, req}
	}
	f := deployFacts(a)
	w := m.State.next(f, healthTime(a), now, m.Seen, listed)
	seen := m.Seen
	m.Name, m.Project, m.Dest, m.Gen, m.Seen = a.fullName(), a.project(), a.Spec.Destination.Namespace, a.Generation, now
	m.Apart = a.Status.ControllerNamespace != "" && a.Status.ControllerNamespace != a.Namespace
	m.Pulse, m.Idle = pulseOf(a)
	if !w.changed && !always {
		return nil
	}
	if !w.changed {
		w.notBefore = seen
	}
	return s.emit(ctx, s.stateDraft(a, f, w, now, req))
}

func (s *session) emit(ctx context.Context, d evidence.Draft) error {
	s.emitted++
	return s.sink.Emit(ctx, d)
}

// syncDraft makes the draft of one operation. It occurred when it started, a
// time that neither its end nor a second sighting moves; entries of old
// servers without a start occurred when they were done.
func (s *session) syncDraft(a *app, g sight, now, seen time.Time, req evidence.Request) evidence.Draft {
	people := s.initiator(g.by)
	if len(people) > 0 {
		g.facts.Initiator = 0
	}
	d := evidence.Draft{
		Kind: evidence.DeploySync, Op: evidence.OpEvent, Source: s.env.Source,
		Key: a.uid() + "/" + g.op.Key, Subject: appRef(s.authority, a), People: people,
		OccurredAt: g.facts.StartedAt, Basis: evidence.BasisSource, ObservedAt: now,
		Scope: s.scope(a), Request: req,
	}
	if d.OccurredAt.IsZero() {
		d.OccurredAt = g.facts.FinishedAt
	}
	if d.OccurredAt.IsZero() {
		d.OccurredAt, d.Basis, d.NotBefore = now, evidence.BasisObserved, seen
	}
	d.ActorScope = s.actorScope(g.by.Username)
	var l links
	l.add(evidence.NewRef("sync", s.authority, a.fullName()+"/"+g.op.Key).WithUID(a.uid()))
	l.revisions(g.facts.Revisions)
	l.add(evidence.NewRef("namespace", s.authority, a.Spec.Destination.Namespace))
	l.images(g.facts.Images)
	d.Links = l
	d.Content = fit(func(keep int) any {
		f := g.facts
		f.Objects, f.ObjectsCut = cutObjects(f.Objects, f.ObjectsCut, keep)
		return f
	})
	d.Mentions = s.mentionObjects(a, "/objects", g.facts.Objects)
	d.Text = []byte(g.text)[:min(len(g.text), evidence.MaxText)]
	if len(g.raw) > 0 {
		d.Raw, d.Removed = redact(g.raw, nil)
	}
	return d
}

// stateDraft makes the draft of a state.
func (s *session) stateDraft(a *app, f evidence.DeployFacts, w when, now time.Time, req evidence.Request) evidence.Draft {
	d := evidence.Draft{
		Kind: evidence.DeployState, Op: evidence.OpSet, Source: s.env.Source,
		Key: a.uid(), Subject: appRef(s.authority, a),
		OccurredAt: w.at, Basis: w.basis, NotBefore: w.notBefore, ObservedAt: now,
		Scope: s.scope(a), Request: req,
	}
	var l links
	l.revisions(f.Revisions)
	l.revisions(f.SyncedRevisions)
	l.revisions(dryRevision(a, f))
	l.add(evidence.NewRef("namespace", s.authority, a.Spec.Destination.Namespace))
	l.images(f.Images)
	d.Links = l
	d.Content = fit(func(keep int) any {
		g := f
		g.Resources, g.ResourcesCut = cutObjects(f.Resources, f.ResourcesCut, keep)
		return g
	})
	d.Mentions = s.mentionObjects(a, "/resources", f.Resources)
	d.Raw, d.Removed = redact(a.raw, append(s.ignoredLabels(), removedOfApplication...))
	return d
}

// endDraft makes the draft of an application that the server says was
// deleted.
func (s *session) endDraft(a *app, now, seen time.Time, req evidence.Request) evidence.Draft {
	f := deployFacts(a)
	d := s.stateDraft(a, f, when{at: now, basis: evidence.BasisObserved, notBefore: seen}, now, req)
	d.Op = evidence.OpEnd
	d.Content = fit(func(keep int) any {
		g := f
		g.Resources, g.ResourcesCut = cutObjects(f.Resources, f.ResourcesCut, keep)
		return struct {
			Reason string `json:"reason"`
			evidence.DeployFacts
		}{"deleted", g}
	})
	return d
}

// actorScope says who acted, for tenancy: a project token belongs to its
// project. The name of a person is in no scope.
func (s *session) actorScope(username string) []evidence.Ref {
	if p, ok := projectToken(username); ok {
		return []evidence.Ref{projectRef(s.authority, p)}
	}
	return nil
}

// fit marshals the facts with as many objects as the size limit of a draft
// allows.
func fit(facts func(keep int) any) []byte {
	for keep := maxObjects; ; keep /= 2 {
		b, err := json.Marshal(facts(keep))
		if err != nil {
			panic("argocd: facts do not marshal: " + err.Error()) // plain structs always do
		}
		if len(b) <= evidence.MaxContent || keep == 0 {
			return b
		}
	}
}

func cutObjects(os []evidence.DeployObject, cut, keep int) ([]evidence.DeployObject, int) {
	if len(os) <= keep {
		return os, cut
	}
	return os[:keep], cut + len(os) - keep
}

// complete says which lists were full. With a filter, or when some project is
// hidden, each project stands for itself.
func (s *session) complete(l *look) {
	if l.bad > 0 || l.lagging > 0 {
		return
	}
	if len(s.cfg.Projects) == 0 && len(l.hidden) == 0 {
		s.sink.Complete(evidence.DeployState, evidence.Ref{})
		return
	}
	for _, p := range slices.Concat(l.visible, l.vacant) {
		if !slices.Contains(l.hidden, p) {
			s.sink.Complete(evidence.DeployState, projectRef(s.authority, p))
		}
	}
}

// completeProjects says that the list of projects was full, of the whole
// source or of the projects it is limited to.
func (s *session) completeProjects() {
	if len(s.cfg.Projects) == 0 {
		s.sink.Complete(evidence.DeployProject, evidence.Ref{})
	}
	for _, p := range s.cfg.Projects {
		s.sink.Complete(evidence.DeployProject, projectRef(s.authority, p))
	}
}

// absent lists the known applications, by uid, that the list does not show.
// One that the stream delivered meanwhile is newer than the list.
func (s *session) absent(l *look) []string {
	there := map[string]bool{}
	for _, a := range l.apps {
		there[a.uid()] = true
	}
	var uids []string
	for uid := range s.res.Apps {
		if _, delivered := s.newer[uid]; !there[uid] && !delivered {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	return uids
}

// settle moves the resume on after a full list.
func (s *session) settle(l *look) {
	for _, uid := range s.absent(l) {
		if l.bad == 0 && !slices.Contains(l.hidden, s.res.Apps[uid].Project) {
			delete(s.res.Apps, uid)
		}
	}
	s.res.Listed = l.at
	s.res.Lost = l.hidden
	for _, p := range l.visible {
		if !slices.Contains(s.res.Offered, p) {
			s.res.Offered = append(s.res.Offered, p)
		}
	}
	slices.Sort(s.res.Offered)
	s.forget()
}

func (s *session) commit(ctx context.Context, o evidence.Observation) error {
	b, err := s.res.encode()
	if err != nil {
		return fmt.Errorf("collector %s: keep position: %w", s.env.Source, err)
	}
	if err := s.sink.Commit(ctx, b, o); err != nil {
		return err
	}
	s.emitted, s.notes, s.kept = 0, nil, true
	return nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
