// Package vault reads HashiCorp Vault and OpenBao: the audit log of file and
// socket devices line by line, and, when a URL is configured, what the API says about
// who could read what.
//
// # The log
//
// Each request leaves a request line and a response line. They are joined by
// request id into one draft of [evidence.SecretAccess] or
// [evidence.SecretAuth], whatever the number of devices that show it. A
// request whose response does not come within two minutes of log time is
// recorded as such, and amended when it comes later. Values that the server
// hashed stay hashed. A line that shows credentials in clear (log_raw) is
// never kept; of it only who, when and where is recorded. Numbers and booleans
// of stored secrets, which the server does not hash, are taken out of the raw
// line.
//
// The tail knows a file by device, inode and the hash of its first line, so it
// follows renames, copies and compression; what it cannot find again is a
// blind window with its cause. The cursor holds for each file how far it was
// read, and references to the requests that still wait: a run cut anywhere
// goes on as if it had not been cut.
//
// A socket device writes to a listener that always drains into a bounded spool
// of files, which the tail reads like a device's own. Nothing on a socket proves
// who is writing: its records say so, and a file that shows the same request
// replaces them.
//
// # Coverage
//
// The log is covered continuously only between two sightings of our own probe,
// a lookup-self whose request id turns up in it. Without a URL there is no
// probe, and what was read is claimed as reconstructed.
//
// # The state
//
// Audit devices, mounts, policies, roles and identities are listed at
// Config.StateEvery, rotated keys and credentials and leases at
// Config.RotationEvery; whether the server is sealed is asked at each look,
// because the server does not audit it. Nothing below a secret's data path is
// ever read.
package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/tail"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Collector reads one server, or one set of audit files.
type Collector struct {
	cfg     Config
	env     collectors.Env
	maker   *maker
	api     *client // nil without a URL
	spool   *spool  // nil without a listener
	recv    *receiver
	streams map[string]*stream
	notes   *notes
	retry   retry // of the state
	again   retry // of rotation and leases

	tick     time.Duration // of Follow
	batch    int           // drafts between two commits
	interval time.Duration // between two requests of the state walk
}

var _ collectors.Follower = (*Collector)(nil)

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
	c := &Collector{
		cfg: cfg, env: env, streams: map[string]*stream{}, notes: newNotes(), tick: time.Second, batch: commitDrafts, interval: cfg.Pace,
		maker: &maker{source: env.Source, authority: path.Base(string(env.Source)), mark: env.Mark, clock: env.Clock},
	}
	if cfg.Listen != "" {
		c.spool = newSpool(cfg.SpoolDir, string(env.Source), env.Seal, cfg.SpoolMax, env.Clock)
	}
	if cfg.URL != "" {
		var err error
		if c.api, err = newClient(cfg, env, tune); err != nil {
			return nil, err
		}
	}
	return c, nil
}

var auditKinds = []evidence.Kind{evidence.SecretAccess, evidence.SecretAuth}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	ks := slices.Clone(auditKinds)
	if c.cfg.URL != "" {
		ks = append(append(ks, stateKinds...), rotationKinds...)
		ks = append(ks, evidence.SecretServer)
	}
	return ks
}

// Poll implements collectors.Collector: a probe, the log to its end, and the
// state when it is due.
func (c *Collector) Poll(ctx context.Context, window evidence.Period, resume []byte, s collectors.Sink) error {
	r, err := c.begin(resume, s)
	if err != nil {
		return err
	}
	defer r.end()
	r.window = window
	if err := r.health(ctx); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.stateIfDue(ctx); err != nil {
		return err
	}
	if err := r.rotationIfDue(ctx); err != nil {
		return err
	}
	return r.commit(ctx, true)
}

// Follow implements collectors.Follower.
func (c *Collector) Follow(ctx context.Context, resume []byte, s collectors.Sink) error {
	r, err := c.begin(resume, s)
	if err != nil {
		return err
	}
	defer r.end()
	if c.spool != nil {
		if c.recv, err = c.receive(ctx); err != nil {
			return err
		}
		defer func() {
			c.recv.stop()
			c.recv = nil
		}()
	}
	return tail.Loop(ctx, c.tick, nil, r.follow)
}

const (
	commitDrafts = 5000
	commitBytes  = 16 << 20
	commitEvery  = 5 * time.Second
	probeEvery   = time.Minute
)

// run is one Poll or Follow.
type run struct {
	c       *Collector
	sink    collectors.Sink
	window  evidence.Period
	cur     *cursor
	join    *join
	cover   *tail.Cover
	streams []*stream // in order of their paths
	loaded  bool      // the join was rebuilt
	drafts  int       // since the last commit
	bytes   int
	at      time.Time // of the last commit
	probed  time.Time
	asked   time.Time       // when the server's health was
	seen    []evidence.Seen // of the state side
	broken  error           // why the API could not be asked
}

func (c *Collector) begin(resume []byte, s collectors.Sink) (*run, error) {
	cur, err := readCursor(resume)
	if err != nil {
		return nil, err
	}
	c.notes.Flush()
	r := &run{c: c, sink: s, cur: cur, at: c.env.Clock()}
	r.cover = &tail.Cover{CoverState: &cur.CoverState, Kinds: auditKinds, Probing: c.api != nil, Limit: c.cfg.ProbeLimit, Gaps: r.openGaps}
	if c.api != nil {
		c.api.http.ResetStats()
	}
	return r, nil
}

func (r *run) end() {
	for _, s := range r.streams {
		s.stop()
	}
}

// look sends a probe and reads the log to its end.
func (r *run) look(ctx context.Context) error {
	if !r.c.tails() {
		return nil
	}
	r.probe(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.read(ctx)
}

// follow is one turn of Follow.
func (r *run) follow(ctx context.Context) error {
	now := r.c.env.Clock()
	if r.asked.IsZero() || now.Sub(r.asked) >= probeEvery {
		if err := r.health(ctx); err != nil {
			return err
		}
	}
	if r.probed.IsZero() || now.Sub(r.probed) >= probeEvery {
		r.probe(ctx)
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	if err := r.stateIfDue(ctx); err != nil {
		return err
	}
	if err := r.rotationIfDue(ctx); err != nil {
		return err
	}
	now = r.c.env.Clock()
	idle := now.Sub(r.at)
	if idle >= time.Minute || idle >= commitEvery && (r.drafts > 0 || r.cover.Pending()) {
		return r.commit(ctx, true)
	}
	return nil
}

// probe makes a lookup-self, whose request id must turn up in the log.
func (r *run) probe(ctx context.Context) {
	if r.c.api == nil || !r.c.tails() {
		return
	}
	r.probed = r.c.env.Clock()
	me, err := r.c.api.lookupSelf(ctx)
	if err != nil {
		r.broken = err
		r.cover.Failed(r.probed.UTC(), collectors.PlainCause(err))
		return
	}
	r.broken = nil
	r.lifetime(me)
	r.cover.Sent(me.request, r.probed.UTC())
}

// read takes everything that stands in the log.
func (r *run) read(ctx context.Context) error {
	if !r.c.tails() {
		return nil
	}
	if r.c.recv != nil {
		if n := r.c.recv.refused.Swap(0); n > 0 {
			r.c.notes.Add("%d connections to the socket were refused: peers that are not listed, or too many at once", n)
		}
		r.c.spool.flush()
	}
	if err := r.open(); err != nil {
		return err
	}
	for {
		l, err := r.next(ctx)
		if err != nil {
			return err
		}
		if l == nil {
			break
		}
		if err := r.consume(ctx, l); err != nil {
			return err
		}
	}
	// No line will come for requests that are older than the wait by the clock.
	return r.join.expire(r.c.env.Clock(), r.emitter(ctx))
}

// open finds the streams and looks at their files.
func (r *run) open() error {
	c := r.c
	paths, err := tail.Expand(c.cfg.AuditFiles)
	if err != nil {
		return fmt.Errorf("audit_files %w", err)
	}
	for p := range r.cur.Streams {
		if !slices.Contains(paths, p) && c.configured(p) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	socket := ""
	if c.spool != nil {
		// Last, so that of two lines with one time the file's is taken first.
		socket = c.spool.path()
		paths = append(slices.DeleteFunc(paths, func(p string) bool { return p == socket }), socket)
	}
	r.streams = r.streams[:0]
	for p := range c.streams {
		if !slices.Contains(paths, p) {
			delete(c.streams, p)
		}
	}
	if len(paths) == 0 {
		c.notes.Partial("no audit file matches audit_files")
	}
	if r.join == nil || r.join.streams != len(paths) {
		r.rejoin(len(paths))
	}
	for _, p := range paths {
		s := c.streams[p]
		if s == nil {
			s = c.stream(p)
			c.streams[p] = s
		}
		if s.device = c.cfg.Device; s.device == "" || len(paths) > 1 {
			s.device = filepath.Base(p)
		}
		if s.spool = nil; p == socket {
			s.spool, s.device = c.spool, cmp.Or(c.cfg.SocketDevice, "socket")
		}
		if r.cur.Streams[p] == nil {
			r.cur.Streams[p] = &streamState{}
		}
		s.use(r.cur.Streams[p])
		s.spare = r.join.spare
		s.Watch = !r.cur.Probe.Last.IsZero()
		if err := s.refresh(); err != nil {
			if p == socket && errors.Is(err, fs.ErrNotExist) {
				c.notes.Add("the spool of the socket does not exist yet")
				s.stop()
				continue
			}
			if len(paths) == 1 {
				return problem.Wrap(problem.Source, err, "read audit file %s", p).
					WithHint("give the daemon read permission on the file and its folder (mode=0640 and a group on the audit device)")
			}
			c.notes.Partial("%s: %v", p, err)
			s.stop()
			continue
		}
		if s.Count() == 0 {
			c.notes.Add("%s: no audit line yet", p)
		}
		r.streams = append(r.streams, s)
	}
	if !r.loaded {
		r.join.restore(r.cur.Join, socket, r.reread)
		r.cur.Join, r.loaded = joinState{}, true
	}
	return nil
}

// rejoin makes the join for n devices, keeping what waits.
func (r *run) rejoin(n int) {
	if r.join != nil {
		r.join.streams = n
		return
	}
	r.join = newJoin(n, r.c.notes)
}

// tails reports whether there is a log to read.
func (c *Collector) tails() bool { return len(c.cfg.AuditFiles) > 0 || c.spool != nil }

func (c *Collector) configured(p string) bool {
	return c.spool != nil && p == c.spool.path() || slices.ContainsFunc(c.cfg.AuditFiles, func(pattern string) bool {
		ok, err := filepath.Match(pattern, p)
		return err == nil && ok || pattern == p
	})
}

func (r *run) reread(ref lineRef) ([]byte, string, error) {
	for _, s := range r.streams {
		if s.Path == ref.Stream {
			b, err := s.reread(ref)
			return b, s.device, err
		}
	}
	return nil, "", problem.New(problem.NotFound, "audit file is not read any more")
}

// next returns the oldest line of all streams, not yet taken.
func (r *run) next(ctx context.Context) (*line, error) {
	var first *line
	for _, s := range r.streams {
		l, err := s.next(ctx)
		if err != nil {
			return nil, problem.Wrap(problem.Source, err, "read audit file %s", s.Path)
		}
		if l != nil && (first == nil || l.at.Before(first.at)) {
			first = l
		}
	}
	return first, nil
}

func (r *run) consume(ctx context.Context, l *line) error {
	s := l.from
	s.take()
	if s.spool == nil || len(r.c.cfg.AuditFiles) == 0 {
		r.cover.Line(l.e.req.id, l.at, l.lost)
	} else if l.lost != nil {
		// The log is covered by what the files say; a socket only adds to it.
		r.c.notes.Add("%s: %s", s.device, l.lost.Cause)
	}
	kept, err := r.join.add(l, s.device, s.state.Era, r.emitter(ctx))
	if err != nil {
		return err
	}
	if !kept && len(r.join.free) < 64 {
		r.join.free = append(r.join.free, l.e)
	}
	if r.drafts >= r.c.batch || r.bytes >= commitBytes || r.drafts > 0 && r.drafts%500 == 0 && r.c.env.Clock().Sub(r.at) >= commitEvery {
		return r.commit(ctx, false)
	}
	return nil
}

func (r *run) emitter(ctx context.Context) func(*pair) error {
	return func(p *pair) error {
		d, err := r.c.maker.draft(p)
		if err != nil {
			return err
		}
		return r.emit(ctx, d)
	}
}

func (r *run) emit(ctx context.Context, d evidence.Draft) error {
	r.drafts++
	r.bytes += len(d.Raw) + len(d.Content)
	return r.sink.Emit(ctx, d)
}

// openGaps adds the losses that no later line has ended yet.
func (r *run) openGaps(at time.Time) {
	for _, s := range r.streams {
		if s.Gap != "" && !s.At.IsZero() && s.At.Before(at) && (s.spool == nil || len(r.c.cfg.AuditFiles) == 0) {
			r.cover.Lose(tail.Loss{From: s.At, To: at, Cause: s.Gap})
			s.At = at
		}
	}
}

// whole reports whether the log is in files that are there, and nothing is missing
// of them.
func (r *run) whole() bool {
	for _, s := range r.streams {
		if s.spool != nil {
			continue // it only adds to the files
		}
		if _, err := os.Stat(s.Path); err != nil || s.Gap != "" {
			return false
		}
	}
	return len(r.c.cfg.AuditFiles) > 0 && len(r.streams) > 0
}

// commit makes what was emitted durable and keeps how far we are.
func (r *run) commit(ctx context.Context, caughtUp bool) error {
	for _, s := range r.streams {
		s.Seal()
	}
	now := r.c.env.Clock().UTC()
	o := evidence.Observation{At: now, Window: r.window, Total: -1}
	o.Seen, o.Probe = r.cover.Commit(now, caughtUp)
	o.Seen = append(o.Seen, r.seen...)
	o.Notes, o.Incomplete = r.c.notes.Flush()
	if caughtUp && o.Incomplete == "" && r.whole() {
		o.Quiet = r.cover.Quiet(now)
	}
	if r.broken != nil && caughtUp {
		o.Incomplete = joinText(o.Incomplete, "the API could not be asked: "+r.broken.Error())
	}
	if r.c.api != nil {
		st := r.c.api.http.Stats()
		o.Requests, o.Offset, o.OffsetOK, o.TLS, o.TLSKey = st.Requests, st.Offset, st.OffsetOK, st.TLS, st.TLSKey
		o.Identity, o.Sees = r.c.api.identity, r.c.api.sees()
	}
	out := *r.cur
	if r.loaded {
		out.Join = r.join.state()
	}
	resume, err := json.Marshal(&out)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "write the resume cursor")
	}
	if err := r.sink.Commit(ctx, resume, o); err != nil {
		return err
	}
	r.drafts, r.bytes, r.at, r.seen = 0, 0, r.c.env.Clock(), nil
	r.free(out.Join)
	return nil
}

// free deletes the spool's files that were read to their end and that nothing
// needs to be read from again.
func (r *run) free(st joinState) {
	needed := map[string]bool{}
	for _, w := range slices.Concat(st.Wait, st.Late) {
		needed[w.Head] = true
		if w.Alt != nil {
			needed[w.Alt.Head] = true
		}
	}
	for _, s := range r.streams {
		if s.spool == nil {
			continue
		}
		for _, path := range s.Finished() {
			if !needed[s.Head(path)] && s.spool.remove(path) != nil {
				r.c.notes.Add("a file of the spool that was read cannot be deleted")
			}
		}
		if r.c.recv != nil && s.spool.turn(s) != nil {
			r.c.notes.Add("the spool's file cannot be put aside")
		}
	}
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
