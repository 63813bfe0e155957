package gitrepo

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/gitrepo/signed"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const agent = "gitrepo/1"

// Collector reads git repositories. Make one with New.
type Collector struct {
	cfg       *Config
	env       collectors.Env
	authority string
	targets   []target
	branches  []glob // nil: all
	named     []glob
	waiting   map[string]chan struct{} // by repository: closed when its last ssh dial ended
	batch     int                      // drafts after which a look commits
}

var _ collectors.Collector = (*Collector)(nil)

// New checks the configuration and makes the collector. It opens nothing.
func New(cfg *Config, env collectors.Env) (*Collector, error) {
	ts, err := cfg.check()
	if err != nil {
		return nil, err
	}
	c := &Collector{cfg: cfg, env: env, targets: ts, authority: cfg.Authority, batch: batchSize, waiting: map[string]chan struct{}{}}
	if c.authority == "" {
		c.authority = env.Source.Authority()
	}
	if c.env.Clock == nil {
		c.env.Clock = time.Now
	}
	if c.env.Log == nil {
		c.env.Log = slog.New(slog.DiscardHandler)
	}
	if c.branches, err = compileGlobs(cfg.Branches); err != nil {
		return nil, err
	}
	if c.named, err = compileGlobs(cfg.Named); err != nil {
		return nil, err
	}
	return c, nil
}

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.ChangeCommit, evidence.ChangeTag, evidence.ChangeRef, evidence.ChangeRewrite}
}

var refKinds = []evidence.Kind{evidence.ChangeRef, evidence.ChangeTag, evidence.ChangeRewrite}

// batchSize is the number of drafts after which a look commits.
const batchSize = 5_000

// run is one Poll.
type run struct {
	*Collector
	sink    collectors.Sink
	resume  *resume
	signers *signed.Signers
	at      time.Time // begin of the look: what came later is for the next one
	emitted int       // since the last Commit
	wire    wireStats
	notes   []string
}

// outcome is how the look at one repository ended.
type outcome struct {
	repo  string
	prev  time.Time // begin of the last complete look
	first time.Time // begin of the first one
	since time.Time // earliest date seen at a first look
	err   error     // the look failed or was cut; nil: it is complete
	why   string    // complete but for this
	refs  string    // part of why: the refs that could not be read
}

// Poll looks at every repository once. A repository that fails makes the run
// partial; when all fail the look fails.
func (c *Collector) Poll(ctx context.Context, _ evidence.Period, kept []byte, s collectors.Sink) error {
	res, err := parseResume(kept)
	if err != nil {
		return err
	}
	signers, err := signed.Load(c.cfg.SignerFiles)
	if err != nil {
		return err
	}
	r := &run{Collector: c, sink: s, signers: signers, resume: res, at: c.now()}
	for name := range res.Repos {
		if !slices.ContainsFunc(c.targets, func(t target) bool { return t.Name == name }) {
			delete(res.Repos, name)
		}
	}
	var outs []outcome
	var errs []error
	for _, t := range c.targets {
		out, err := r.look(ctx, t)
		if err != nil {
			return err
		}
		outs = append(outs, out)
		if out.err != nil {
			errs = append(errs, out.err)
		}
	}
	if len(errs) == len(outs) && r.emitted == 0 {
		if len(errs) == 1 {
			return errs[0]
		}
		return problem.Wrap(problem.Source, errs[0], "none of %d repositories could be read, the first", len(errs))
	}
	r.completes(outs)
	return r.commit(ctx, r.observation(outs))
}

func (c *Collector) now() time.Time { return c.env.Clock().UTC() }

// look looks at one repository under its time limit. The error ends the run.
func (r *run) look(ctx context.Context, t target) (outcome, error) {
	st := r.resume.Repos[t.Name]
	if st == nil {
		st = &repoState{}
	}
	out := outcome{repo: t.Name, prev: st.Looked, first: st.First}
	limited, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	l := &look{run: r, t: t, old: st, ctx: limited, outer: ctx}
	err := l.all()
	end := collectors.EndOf(err)
	switch {
	case end != nil:
		return out, end
	case ctx.Err() != nil:
		return out, ctx.Err()
	case err != nil && limited.Err() != nil:
		out.err = problem.New(problem.Source, "repository %s: the time limit of %s was reached", t.Name, r.cfg.Timeout).
			WithHint("the next look goes on from there; raise timeout when this repeats")
	case err != nil:
		code := problem.Source
		if p := problem.Of(err); p != nil {
			code = p.Code
		}
		out.err = problem.Wrap(code, err, "repository %s", t.Name)
	}
	if out.err != nil {
		r.env.Log.LogAttrs(ctx, slog.LevelWarn, "repository was not read whole",
			slog.String("source", string(r.env.Source)), slog.String("code", string(problem.Of(out.err).Code)))
		return out, nil
	}
	out.since, out.why, out.refs = l.since, l.why(), l.lacking()
	r.notes = append(r.notes, l.notes...)
	if r.emitted >= r.batch {
		return out, r.commit(ctx, evidence.Observation{At: r.now(), Total: -1})
	}
	return out, nil
}

// emit hands one draft to the sink.
func (r *run) emit(ctx context.Context, d evidence.Draft) error {
	if err := r.sink.Emit(ctx, d); err != nil {
		return collectors.Ending(err)
	}
	r.emitted++
	return nil
}

func (r *run) commit(ctx context.Context, o evidence.Observation) error {
	if err := r.sink.Commit(ctx, r.resume.bytes(), o); err != nil {
		return collectors.Ending(err)
	}
	r.emitted = 0
	return nil
}

// completes tells which lists of refs were full.
func (r *run) completes(outs []outcome) {
	kinds := []evidence.Kind{evidence.ChangeRef, evidence.ChangeTag}
	whole := !slices.ContainsFunc(outs, func(o outcome) bool { return o.err != nil || o.refs != "" })
	for _, k := range kinds {
		if whole {
			r.sink.Complete(k, evidence.Ref{})
			continue
		}
		for _, o := range outs {
			if o.err == nil && o.refs == "" {
				r.sink.Complete(k, r.project(o.repo))
			}
		}
	}
}

// maxNotes bounds the notes of one run.
const maxNotes = 50

func (r *run) observation(outs []outcome) evidence.Observation {
	o := evidence.Observation{
		At: r.now(), Total: -1, Notes: r.notes,
		Requests: r.wire.requests, TLS: r.wire.tls, TLSKey: r.wire.tlsKey,
		Offset: r.wire.offset, OffsetOK: r.wire.offsetOK, Identity: r.wire.identity,
	}
	if len(o.Notes) > maxNotes {
		more := len(o.Notes) - maxNotes
		o.Notes = append(o.Notes[:maxNotes:maxNotes], fmt.Sprintf("and %d more notes", more))
	}
	var missing []string
	for _, out := range outs {
		switch {
		case out.err != nil:
			missing = append(missing, out.err.Error())
		case out.why != "":
			missing = append(missing, "repository "+out.repo+": "+out.why)
		}
	}
	o.Incomplete = strings.Join(missing, "; ")
	o.Seen = r.seen(outs)
	return o
}

// seen claims what the package comment says: of a whole look for the source, of
// one that was not for each repository, so that one that could not be read
// takes coverage from its owner alone.
func (r *run) seen(outs []outcome) []evidence.Seen {
	if !slices.ContainsFunc(outs, func(o outcome) bool { return o.err != nil || o.why != "" }) {
		return []evidence.Seen{r.history(outs), r.instant()}
	}
	var parts []evidence.Seen
	lose := func(out outcome, kinds []evidence.Kind, cause string) {
		from := out.prev
		if from.IsZero() {
			from = r.at
		}
		parts = append(parts, evidence.Seen{Kinds: kinds, Scope: r.project(out.repo), Class: evidence.Blind, From: from, To: r.at, Cause: cause})
	}
	for _, out := range outs {
		// Commits of a repository that could not be read are caught up with
		// later; where its refs stood meanwhile is lost.
		if out.err != nil {
			lose(out, refKinds, "repository "+out.repo+" could not be read")
			lose(out, r.history([]outcome{out}).Kinds, "repository "+out.repo+" could not be read")
			continue
		}
		instant, history := r.instant(), r.history([]outcome{out})
		instant.Scope, history.Scope = r.project(out.repo), r.project(out.repo)
		if out.refs != "" {
			lose(out, refKinds, "repository "+out.repo+": "+out.refs)
		} else {
			parts = append(parts, instant)
		}
		if out.why != "" {
			lose(out, history.Kinds, "repository "+out.repo+": "+out.why)
			continue
		}
		parts = append(parts, history)
	}
	slices.SortStableFunc(parts, func(a, b evidence.Seen) int {
		return strings.Compare(string(a.Kinds[0])+a.Scope.Name, string(b.Kinds[0])+b.Scope.Name)
	})
	return parts
}

func (r *run) instant() evidence.Seen {
	return evidence.Seen{Kinds: refKinds, Class: evidence.Instants, From: r.at, To: r.at}
}

// history is what may be said of the commits of repositories that were read
// whole: continuous from where all were known, reconstructed where one of them
// was read for the first time.
func (r *run) history(outs []outcome) evidence.Seen {
	s := evidence.Seen{Kinds: []evidence.Kind{evidence.ChangeCommit}, Class: evidence.Continuous, To: r.at}
	var prev, first, since time.Time
	fresh := 0
	for _, out := range outs {
		if out.prev.IsZero() {
			fresh++
			if since.IsZero() || !out.since.IsZero() && out.since.Before(since) {
				since = out.since
			}
			continue
		}
		if prev.IsZero() || out.prev.Before(prev) {
			prev = out.prev
		}
		if out.first.After(first) {
			first = out.first
		}
	}
	switch {
	case fresh == 0 && first.After(prev):
		s.From = first
	case fresh == 0:
		s.From = prev
	case fresh < len(outs):
		s.Class, s.From, s.Cause = evidence.Reconstructed, prev, "a repository was read for the first time"
	case since.IsZero():
		s.Class, s.From, s.Cause = evidence.Reconstructed, r.at, "history read at the first look"
	default:
		s.Class, s.From, s.Cause = evidence.Reconstructed, since, "history read at the first look"
	}
	return s
}
