package kubeaudit

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	sealed "evidenced/collectors/spool"
	"evidenced/collectors/tail"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var kinds = []evidence.Kind{evidence.AccessAudit}

// Collector reads the audit log of one API server.
type Collector struct {
	cfg     Config
	env     collectors.Env
	api     *client // nil without a server
	maker   *maker
	keeper  *keeper
	notes   *tail.Notes
	streams map[string]*tail.Stream
	spool   *spool // nil without a listener

	tick  time.Duration // of Follow
	batch int           // drafts between two commits
	bound func(addr string)
}

var (
	_ collectors.Follower = (*Collector)(nil)
	_ collectors.Examiner = (*Collector)(nil)
)

// New checks the configuration and makes the collector. The network is not
// touched, files are not opened. Errors are problem.Config.
func New(cfg Config, env collectors.Env) (*Collector, error) { return build(cfg, env, nil) }

// build is New with a hand on the HTTP client, for tests.
func build(cfg Config, env collectors.Env, tune func(*fetch.Options)) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if env.Clock == nil {
		env.Clock = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	c := &Collector{cfg: cfg, env: env, notes: &tail.Notes{}, streams: map[string]*tail.Stream{}, tick: time.Second, batch: commitDrafts}
	authority := path.Base(string(env.Source))
	c.keeper = newKeeper(cfg, func(name string) bool {
		if env.Mark == nil {
			return false
		}
		bot, _ := env.Mark("kubernetes:"+authority, name, name)
		return bot
	})
	c.maker = &maker{source: env.Source, authority: authority, cluster: cfg.ClusterNamespace, clock: env.Clock, scope: c.scope}
	if cfg.Listen != "" {
		c.spool = &spool{dir: cfg.SpoolDir, source: string(env.Source), keys: env.Seal, limit: cfg.SpoolBytes, clock: env.Clock}
	}
	if cfg.Server != "" {
		var err error
		if c.api, err = newClient(cfg, env, tune); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// scope is what tenancy looks at for a namespace.
func (c *Collector) scope(namespace string) []evidence.Ref {
	var known []kube.Namespace
	if c.api != nil {
		if n, ok := c.api.namespaces[namespace]; ok {
			known = append(known, n)
		}
	}
	return kube.NewLook(c.env.Source, agent, time.Time{}, known...).Scope(namespace)
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind { return slices.Clone(kinds) }

// Poll implements collectors.Collector: a probe, and the log to its end. Of a
// listener it reads what was sent before.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	r, err := c.begin(resume, s)
	if err != nil {
		return err
	}
	defer r.end()
	r.window = window
	r.probe(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	return r.commit(ctx, true)
}

// Follow implements collectors.Follower. The listener is there as long as it
// runs.
func (c *Collector) Follow(ctx context.Context, resume []byte, s collectors.Sink) error {
	r, err := c.begin(resume, s)
	if err != nil {
		return err
	}
	defer r.end()
	r.follows = true
	var lost <-chan error
	if c.spool != nil {
		l, err := c.listen(ctx)
		if err != nil {
			return err
		}
		defer l.close()
		lost = l.failed
	}
	return tail.Loop(ctx, c.tick, lost, r.follow)
}

const (
	commitDrafts = 5000
	commitBytes  = 16 << 20
	commitEvery  = 5 * time.Second
	probeEvery   = time.Minute
)

// cursor is what a Commit keeps: places, ids and hashes, no names, no lines.
type cursor struct {
	Version int                    `json:"v"`
	Streams map[string]*tail.State `json:"streams,omitempty"` // by path of the active file
	tail.CoverState
}

const cursorVersion = 1

// readCursor reads a resume; nil is the first look. What it cannot read is an
// error, never a fresh start.
func readCursor(resume []byte) (*cursor, error) {
	c := &cursor{Version: cursorVersion}
	if resume != nil {
		dec := json.NewDecoder(bytes.NewReader(resume))
		dec.DisallowUnknownFields()
		if err := dec.Decode(c); err != nil || c.Version != cursorVersion {
			return nil, problem.New(problem.Corrupt, "the resume cursor cannot be read").
				WithHint("it was written by another version or damaged; a fresh start is an administrator's decision")
		}
	}
	if c.Streams == nil {
		c.Streams = map[string]*tail.State{}
	}
	return c, nil
}

// run is one Poll or Follow.
type run struct {
	c       *Collector
	sink    collectors.Sink
	window  evidence.Period
	cur     *cursor
	cover   *tail.Cover
	streams []*tail.Stream // in order of their paths
	events  map[*tail.Stream]*line
	drafts  int // since the last commit
	bytes   int
	at      time.Time // of the last commit
	probed  time.Time
	follows bool
	broken  error // why the API could not be asked
}

func (c *Collector) begin(resume []byte, s collectors.Sink) (*run, error) {
	cur, err := readCursor(resume)
	if err != nil {
		return nil, err
	}
	c.notes.Flush()
	r := &run{c: c, sink: s, cur: cur, at: c.env.Clock(), events: map[*tail.Stream]*line{}}
	r.cover = &tail.Cover{CoverState: &cur.CoverState, Kinds: kinds, Probing: c.api != nil, Limit: c.cfg.ProbeLimit, Gaps: r.openGaps, Instants: c.spool != nil}
	if c.api != nil {
		c.api.http.ResetStats()
	}
	if paths, err := tail.Expand(c.cfg.AuditFiles); err == nil && len(paths) > 1 && r.cover.Probing {
		// A probe turns up in the file of the one server that answered it.
		r.cover.Probing = false
		c.notes.Add("several files match audit_files: give each API server a source of its own, or coverage is only reconstructed")
	}
	return r, nil
}

func (r *run) end() {
	for _, s := range r.streams {
		s.Stop()
	}
}

// follow is one turn of Follow.
func (r *run) follow(ctx context.Context) error {
	now := r.c.env.Clock()
	if r.probed.IsZero() || now.Sub(r.probed) >= probeEvery {
		r.probe(ctx)
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	idle := r.c.env.Clock().Sub(r.at)
	if idle >= time.Minute || idle >= commitEvery && (r.drafts > 0 || r.cover.Pending()) {
		return r.commit(ctx, true)
	}
	return nil
}

// probe asks for the namespaces; the request must turn up in the log.
func (r *run) probe(ctx context.Context) {
	if r.c.api == nil {
		return
	}
	r.probed = r.c.env.Clock()
	id, err := r.c.api.probe(ctx)
	r.broken = err
	switch {
	case !r.cover.Probing:
	case err != nil:
		r.cover.Failed(r.probed.UTC(), collectors.PlainCause(err))
	default:
		r.cover.Sent(id, r.probed.UTC())
	}
}

// learn asks for the namespaces again when an event is of one that was made
// since they were asked for.
func (r *run) learn(ctx context.Context, l *line) {
	ns := l.e.resource().space()
	if r.c.api == nil || !possible(ns) || !l.at.After(r.probed) || r.c.env.Clock().Sub(r.probed) < askAgain {
		return
	}
	if _, known := r.c.api.namespaces[ns]; !known {
		r.probe(ctx)
	}
}

// askAgain is the least time between two lists of namespaces.
const askAgain = time.Second

// read takes everything that stands in the log. It waits for the namespaces
// when they are asked for: an event that was placed without their labels would
// stay with the wrong tenant for good, and the log keeps it meanwhile.
func (r *run) read(ctx context.Context) error {
	if r.c.api != nil && r.c.api.namespaces == nil {
		r.c.notes.Partial("the log is not read before the namespaces are known: their labels say whose an event is")
		return nil
	}
	if err := r.open(); err != nil {
		return err
	}
	for {
		s, l, err := r.next(ctx)
		if err != nil {
			return err
		}
		if s == nil {
			return nil
		}
		if err := r.consume(ctx, s, l); err != nil {
			return err
		}
	}
}

// open finds the streams and looks at their files.
func (r *run) open() error {
	c := r.c
	paths, err := c.paths()
	if err != nil {
		return err
	}
	for p := range r.cur.Streams {
		if slices.Contains(paths, p) {
			continue
		}
		if !c.configured(p) {
			delete(r.cur.Streams, p)
			continue
		}
		paths = append(paths, p) // it was read before: its end may still be there
	}
	slices.Sort(paths)
	r.streams = r.streams[:0]
	clear(r.events)
	for _, p := range paths {
		s := c.streams[p]
		if s == nil {
			s = c.stream(p)
			c.streams[p] = s
		}
		if r.cur.Streams[p] == nil {
			r.cur.Streams[p] = &tail.State{}
		}
		s.Use(r.cur.Streams[p])
		s.Watch = !r.cur.Probe.Last.IsZero() && c.spool == nil
		if err := c.refresh(s); err != nil {
			if len(paths) == 1 {
				return problem.Wrap(problem.Source, err, "read audit file %s", p).
					WithHint("give the daemon read permission on the file and its folder")
			}
			c.notes.Partial("%s: %v", p, err)
			continue
		}
		if s.Count() == 0 && c.spool == nil {
			c.notes.Add("%s: no audit line yet", p)
		}
		r.streams = append(r.streams, s)
	}
	return nil
}

// stream makes the stream of an active file.
func (c *Collector) stream(path string) *tail.Stream {
	o := tail.Options{MaxLine: c.cfg.MaxLine, Silence: c.cfg.ProbeLimit, Time: lineTime, Note: c.notes.Add, Partial: c.notes.Partial, Join: true}
	if c.spool != nil {
		o.Join = false // it holds what was sent
		o.MaxLine, o.Final = sealed.Grown(c.cfg.MaxLine), true
		o.Open = func(line []byte) ([]byte, error) { return c.spool.open(path, line) }
	}
	return tail.New(path, o)
}

// refresh lets a stream look at its files. While it does, none of the spool's
// may be renamed.
func (c *Collector) refresh(s *tail.Stream) error {
	if c.spool != nil {
		if _, err := c.spool.key(); err != nil {
			return err
		}
		c.spool.mu.Lock()
		defer c.spool.mu.Unlock()
	}
	return s.Refresh()
}

// paths returns the active files: those configured, or those of the spool.
func (c *Collector) paths() ([]string, error) {
	if c.spool != nil {
		if err := os.MkdirAll(c.spool.dir, 0o700); err != nil {
			return nil, problem.Wrap(problem.Source, err, "make the spool folder")
		}
		return c.spool.actives(), nil
	}
	paths, err := tail.Expand(c.cfg.AuditFiles)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "audit_files")
	}
	if len(paths) == 0 {
		c.notes.Partial("no audit file matches audit_files")
	}
	return paths, nil
}

// configured reports whether a path that was read before still belongs to the
// source.
func (c *Collector) configured(p string) bool {
	if c.spool != nil {
		return filepath.Dir(p) == filepath.Clean(c.spool.dir)
	}
	return slices.ContainsFunc(c.cfg.AuditFiles, func(pattern string) bool {
		ok, err := filepath.Match(pattern, p)
		return err == nil && ok || pattern == p
	})
}

// next returns the oldest event of all streams, not yet taken; nil at the end.
func (r *run) next(ctx context.Context) (first *tail.Stream, l *line, err error) {
	for _, s := range r.streams {
		for r.events[s] == nil {
			t, err := s.Next(ctx)
			if err != nil {
				return nil, nil, problem.Wrap(problem.Source, err, "read audit file %s", s.Path)
			}
			if t == nil {
				break
			}
			r.events[s] = r.decode(s, t)
		}
		if x := r.events[s]; x != nil && (l == nil || x.at.Before(l.at)) {
			first, l = s, x
		}
	}
	return first, l, nil
}

// decode reads a line; nil, and the line skipped, when it cannot be.
func (r *run) decode(s *tail.Stream, t *tail.Line) *line {
	if len(bytes.TrimSpace(t.Text)) == 0 {
		s.Skip()
		return nil
	}
	if m, ok := readMark(t.Text); ok && r.c.spool != nil {
		r.c.notes.Partial("%d sent events of %d bytes could not be read: %s", m.Items, m.Bytes, m.Why)
		s.Lose("events that were sent could not be read")
		s.Skip()
		return nil
	}
	text := t.Text
	e, err := parse(text)
	if w, ok := tail.Unwrap(text); err != nil && r.c.spool == nil && (ok || t.Joined) {
		if ok {
			text = w.Text
		}
		if ownLog(text) {
			r.c.notes.Add("%s: lines of the server's own log stand between those of its audit log; they are passed over", s.Path)
			s.Skip()
			return nil
		}
		e, err = parse(text)
	}
	if err != nil {
		path, off := s.Where()
		r.c.notes.Partial("%s, offset %d, %d bytes: %v", path, off, t.Place.N, err)
		s.Skip()
		return nil
	}
	l := &line{e: e, raw: text, at: e.at(), known: true, open: r.c.spool != nil && r.c.spool.isOpen(s.Path)}
	if l.at.IsZero() {
		l.at, l.known = s.At, false
	}
	return l
}

// consume takes the event and makes what is to be kept of it durable in time.
func (r *run) consume(ctx context.Context, s *tail.Stream, l *line) error {
	c := r.c
	var d evidence.Draft
	var err error
	kept := c.keeper.keep(l.e)
	if kept {
		r.learn(ctx, l)
		// Before the line is taken: its bytes are the stream's.
		if l.at.IsZero() {
			l.at = c.env.Clock().UTC()
		}
		d, err = c.maker.draft(l)
	}
	path, off := s.Where()
	at, _, lost := s.Take(l.at)
	delete(r.events, s)
	r.cover.Line([]byte(l.e.AuditID), at, lost)
	switch {
	case err != nil:
		c.notes.Partial("%s, offset %d: %v", path, off, err)
		return nil
	case !kept:
		return nil
	}
	if l.e.secretContent() {
		c.notes.Add("an event of %s carried the content of a secret: it was not kept, but the API server writes it; let its audit policy log secrets and tokens at level Metadata", at.Format(time.DateOnly))
	}
	if err := r.sink.Emit(ctx, d); err != nil {
		return err
	}
	r.drafts++
	r.bytes += len(d.Raw) + len(d.Content)
	if r.drafts >= c.batch || r.bytes >= commitBytes || r.drafts%500 == 0 && c.env.Clock().Sub(r.at) >= commitEvery {
		return r.commit(ctx, false)
	}
	return nil
}

// openGaps adds the losses that no later line has ended yet.
func (r *run) openGaps(at time.Time) {
	for _, s := range r.streams {
		if s.Gap != "" && !s.At.IsZero() && s.At.Before(at) {
			r.cover.Lose(tail.Loss{From: s.At, To: at, Cause: s.Gap})
			s.At = at
		}
	}
}

// whole reports whether the log is in files that are there, and nothing is missing
// of them.
func (r *run) whole() bool {
	for _, s := range r.streams {
		if _, err := os.Stat(s.Path); err != nil || s.Gap != "" {
			return false
		}
	}
	return len(r.streams) > 0
}

// commit makes what was emitted durable and keeps how far we are.
func (r *run) commit(ctx context.Context, caughtUp bool) error {
	c := r.c
	for _, s := range r.streams {
		s.Seal()
	}
	var lost tail.Loss
	var refused int
	if c.spool != nil {
		var ok bool
		if lost, refused, ok = c.spool.refusals(); ok {
			c.notes.Partial("%d batches were refused (spool full, too large or not readable): the API server may have dropped them", refused)
			r.cover.Lose(lost)
		}
	}
	now := c.env.Clock().UTC()
	o := evidence.Observation{At: now, Window: r.window, Total: -1}
	o.Seen, o.Probe = r.cover.Commit(now, caughtUp)
	for _, n := range c.keeper.flush() {
		c.notes.Add("%s", n)
	}
	o.Notes, o.Incomplete = c.notes.Flush()
	if caughtUp && o.Incomplete == "" && r.whole() {
		o.Quiet = r.cover.Quiet(now)
	}
	if r.broken != nil && caughtUp {
		o.Incomplete = join(o.Incomplete, "the API could not be asked: "+r.broken.Error())
	}
	if c.api != nil {
		st := c.api.http.Stats()
		o.Requests, o.Offset, o.OffsetOK, o.TLS, o.TLSKey = st.Requests, st.Offset, st.OffsetOK, st.TLS, st.TLSKey
		c.api.http.ResetStats()
	}
	resume, err := json.Marshal(r.cur)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "write the resume cursor")
	}
	if err := r.sink.Commit(ctx, resume, o); err != nil {
		return err
	}
	r.drafts, r.bytes, r.at = 0, 0, c.env.Clock()
	if c.spool != nil {
		if refused > 0 {
			c.spool.told(lost, refused)
		}
		for _, s := range r.streams {
			c.spool.drop(s.Finished())
		}
		if r.follows {
			c.spool.turn(r.streams)
		}
	}
	return nil
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
