package terraform

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// agent names collector and version in each draft's request.
const agent = "terraform/1"

// Collector reads one organization.
type Collector struct {
	cfg       Config
	env       collectors.Env
	authority string
	fetch     *fetch.Client
	audit     *fetch.Client // nil: the audit trail is not read
	// logins are names of accounts as answers told them: an answer may name who
	// confirmed a run by id alone.
	logins map[string]evidence.Names
}

// New checks the configuration and makes the collector; nothing is dialled.
func New(cfg Config, env collectors.Env) (*Collector, error) {
	return newWith(cfg, env, fetch.Options{})
}

// newWith lets tests replace how requests wait.
func newWith(cfg Config, env collectors.Env, o fetch.Options) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Timeout > 0 {
		o.Timeout = cfg.Timeout
	}
	o.Key = "url"
	o.BaseURL, o.CAFile, o.Clock, o.Log = cfg.URL, cfg.CAFile, env.Clock, env.Log
	o.UserAgent, o.Throttle = "evidenced-"+agent, throttle
	// Answers hold addresses from which a state can be downloaded by whoever knows
	// them: none is kept beyond its look.
	o.CacheBytes = -1
	c := &Collector{cfg: cfg, env: env, authority: env.Source.Authority(), logins: map[string]evidence.Names{}}
	var err error
	o.Header = fetch.Bearer(fetch.TokenFile(cfg.TokenFile))
	if c.fetch, err = fetch.New(o); err != nil {
		return nil, err
	}
	if cfg.AuditTokenFile != "" {
		o.Header = fetch.Bearer(fetch.TokenFile(cfg.AuditTokenFile))
		if c.audit, err = fetch.New(o); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	ks := []evidence.Kind{evidence.InfraWorkspace, evidence.InfraRun}
	if c.cfg.States {
		ks = append(ks, evidence.InfraState)
	}
	if c.audit != nil {
		ks = append(ks, evidence.AccessAudit)
	}
	return ks
}

// look is one Poll.
type look struct {
	*Collector
	ctx        context.Context
	sink       collectors.Sink
	cur        *cursor
	started    time.Time
	window     evidence.Period
	workspaces []*workspace
	runs       map[string]*workspace // whose the runs are that this look read
	seen       []evidence.Seen
	sees       []string
	notes      []string
	missed     forge.Missed
	counts     []evidence.SourceCount
	after      []func() // moves of positions in time, done when seen is committed
	pending    int      // drafts since the last commit
}

// Poll implements collectors.Collector.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	cur, err := readCursor(resume)
	if err != nil {
		return err
	}
	c.fetch.ResetStats()
	if c.audit != nil {
		c.audit.ResetStats()
	}
	l := &look{Collector: c, ctx: ctx, sink: s, cur: cur, started: c.env.Clock().UTC(), window: window, runs: map[string]*workspace{}}
	if err := l.listWorkspaces(); err != nil {
		return err
	}
	for _, w := range l.workspaces {
		if err := w.read(); err != nil {
			return l.stop(err)
		}
		if err := l.progress(); err != nil {
			return err
		}
	}
	if err := l.readAudit(); err != nil {
		return err
	}
	l.conclude()
	if len(l.seen) == 0 && l.missed.First != nil {
		return l.missed.First
	}
	for _, move := range l.after {
		move()
	}
	return l.commit(l.seen, l.missed.String())
}

// stop keeps, where the platform ends a look half way, what was read of the
// workspaces before: with many of them the next look would else come no further.
func (l *look) stop(err error) error {
	if l.ctx.Err() == nil && collectors.EndOf(err) == nil && l.pending > 0 {
		if err := l.commit(nil, ""); err != nil {
			return err
		}
	}
	return err
}

// firstLook is the cause of what the first look read from lists of the platform.
const firstLook = "read from the platform's lists at the first look"

// conclude says what was seen of the lists that each workspace has.
func (l *look) conclude() {
	for _, part := range []struct {
		kind evidence.Kind
		of   func(*workspace) *part
	}{
		{evidence.InfraRun, func(w *workspace) *part { return &w.runs }},
		{evidence.InfraState, func(w *workspace) *part { return &w.states }},
	} {
		if slices.Contains(l.Kinds(), part.kind) {
			l.concludePart(part.kind, part.of)
		}
	}
	l.after = append(l.after, func() { l.cur.Looked = l.started })
}

// concludePart claims a kind for the workspaces that were read whole, and says of
// each other one since when it was not.
func (l *look) concludePart(kind evidence.Kind, of func(*workspace) *part) {
	kinds := []evidence.Kind{kind}
	whole := 0
	for _, w := range l.workspaces {
		if of(w).cause == "" {
			whole++
		}
	}
	since := func(t time.Time) time.Time {
		if t.IsZero() || t.After(l.started) {
			return l.started
		}
		return t
	}
	if whole == 0 {
		cause := "none of it could be read"
		switch {
		case l.sightless():
			cause = "the credential sees no workspace"
		case len(l.workspaces) == 0:
			l.claim(kinds) // there is none
			return
		}
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: since(l.cur.Looked), To: l.started, Cause: cause})
		return
	}
	begin := l.claim(kinds)
	for _, w := range l.workspaces {
		p := of(w)
		if p.cause == "" {
			l.after = append(l.after, func() { p.at(w.st).Looked = l.started })
			continue
		}
		looked := p.at(w.st).Looked
		if looked.IsZero() {
			looked = begin
		}
		l.seen = append(l.seen, evidence.Seen{Kinds: kinds, Scope: w.ref(), Class: evidence.Blind, From: since(looked), To: l.started, Cause: p.cause})
	}
}

// claim says that a kind was seen of all workspaces, since the look before; it
// returns when that begins.
func (l *look) claim(kinds []evidence.Kind) time.Time {
	s := evidence.Seen{Kinds: kinds, Class: evidence.Continuous, From: l.cur.Looked, To: l.started}
	if s.From.IsZero() || s.From.After(s.To) {
		s.Class, s.From, s.Cause = evidence.Reconstructed, l.started.Add(-l.cfg.History), firstLook
		if l.cfg.History == 0 {
			s.From = l.earliest()
		}
	}
	l.seen = append(l.seen, s)
	return s.From
}

// earliest is when the oldest workspace was made.
func (l *look) earliest() time.Time {
	t := l.started
	for _, w := range l.workspaces {
		if at := w.attr.CreatedAt.Time; !at.IsZero() && at.Before(t) {
			t = at
		}
	}
	return t
}

// miss remembers what could not be read; it returns the error when that is the
// end of the run.
func (l *look) miss(err error, format string, args ...any) error {
	return l.missed.Miss(l.ctx, err, format, args...)
}

func (l *look) emit(d evidence.Draft) error {
	l.pending++
	return collectors.Ending(l.sink.Emit(l.ctx, d))
}

// commit makes durable what was emitted and where to go on.
func (l *look) commit(seen []evidence.Seen, incomplete string) error {
	st := l.fetch.Stats()
	o := evidence.Observation{
		At: l.env.Clock().UTC(), Window: l.window, Seen: seen, Incomplete: incomplete,
		Total: -1, Counts: l.counts, Sees: l.sees,
		Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey, Requests: st.Requests, Notes: l.notes,
	}
	if l.audit != nil {
		o.Requests += l.audit.Stats().Requests
	}
	if seen == nil {
		// In the middle of a look: what the credential sees and how much was
		// asked is told once, at its end.
		o.Sees, o.Requests, o.Counts = nil, 0, nil
	}
	if err := l.sink.Commit(l.ctx, l.cur.bytes(), o); err != nil {
		return collectors.Ending(err)
	}
	l.pending = 0
	return nil
}

// maxPending bounds what a cut would make us read again.
const maxPending = 2000

// progress commits in the middle of a look, claiming nothing yet, when enough
// came together.
func (l *look) progress() error {
	if l.pending < maxPending {
		return nil
	}
	return l.commit(nil, "")
}

func (l *look) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// draft fills what all drafts of a look share.
func (l *look) draft(kind evidence.Kind, op evidence.Op, subject evidence.Ref, facts any, req evidence.Request) evidence.Draft {
	return evidence.Draft{
		Kind: kind, Op: op, Source: l.env.Source, Subject: subject,
		OccurredAt: l.started, Basis: evidence.BasisObserved, ObservedAt: l.env.Clock().UTC(),
		Content: forge.Encode(facts), Request: req,
	}
}
