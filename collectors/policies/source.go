package policies

import (
	"context"
	"errors"
	"slices"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// source reads with an engine made for the kinds of constraints that the cluster
// has, and with another one when there are more.
type source struct {
	r      *reader
	opts   []kube.Option
	engine collectors.Collector
	kinds  []string // of constraints that the engine reads
}

// errKinds ends a run whose engine does not read a kind of constraints that there
// is. One that is not there any more is read as absent, which ends what it told,
// until the next run.
var errKinds = errors.New("there are other kinds of constraints")

// build makes the engine for the kinds of constraints.
func (s *source) build(kinds []string) error {
	e, err := s.make(s.r.cfg.Config, s.r.resources(kinds), kube.State(&s.r.memory), kube.Observe(s.r.observe),
		kube.After(nil, func(ctx context.Context, l *kube.Look) ([]evidence.Draft, error) {
			now, ok := s.r.templates(l)
			if ok && slices.ContainsFunc(now, func(k string) bool { return !slices.Contains(s.kinds, k) }) {
				return nil, errKinds
			}
			return s.r.after(ctx, l)
		}))
	if err != nil {
		return err
	}
	s.engine, s.kinds = e, kinds
	return nil
}

func (s *source) make(cfg kube.Config, rs []kube.Resource, opts ...kube.Option) (collectors.Collector, error) {
	return kube.New(cfg, s.r.env, agent, rs, append(slices.Clone(s.opts), opts...)...)
}

// probe learns which kinds of constraints the cluster has, by a look at the
// templates alone; false when that failed: the kinds known before stay then, since
// the run itself reads the templates too and says what is wrong with them. It
// changes nothing of the source.
func (s *source) probe(ctx context.Context) ([]string, bool, error) {
	cfg := s.r.cfg.Config
	cfg.NamespaceLabels, cfg.Watch, cfg.Namespaces = false, false, nil
	var found []string
	t := templateResource
	t.Kinds = nil
	t.Drafts = func(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
		kind, err := kindOfTemplate(o)
		if err == nil {
			found = append(found, kind)
		}
		return nil, err
	}
	e, err := s.make(cfg, []kube.Resource{t})
	if err != nil {
		return nil, false, err
	}
	err = e.Poll(ctx, evidence.Period{}, nil, nothing{})
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	return sortedKinds(found), err == nil, nil
}

// prepare makes the engine that reads the kinds of constraints there are now.
func (s *source) prepare(ctx context.Context) error {
	kinds, ok, err := s.probe(ctx)
	if err != nil || !ok {
		return err
	}
	if kinds = sortedKinds(append(kinds, s.r.told()...)); slices.Equal(kinds, s.kinds) {
		return nil
	}
	return s.build(kinds)
}

// nothing is a sink that keeps nothing.
type nothing struct{}

func (nothing) Emit(context.Context, evidence.Draft) error                 { return nil }
func (nothing) Complete(evidence.Kind, evidence.Ref)                       {}
func (nothing) Commit(context.Context, []byte, evidence.Observation) error { return nil }

// mostKindChanges bounds how often one run begins again for other kinds of
// constraints.
const mostKindChanges = 5

// run hands runs to engines until one ends for another reason than that the kinds
// of constraints have changed. Each goes on where the one before it committed.
func (s *source) run(resume []byte, sink collectors.Sink, with func(e collectors.Collector, resume []byte, sink collectors.Sink) error) error {
	k := &keeping{Sink: sink, resume: resume}
	var err error
	for range mostKindChanges {
		s.r.begin()
		err = with(s.engine, k.resume, k.sink())
		if !errors.Is(err, errKinds) {
			return err
		}
		if err := s.build(s.r.known()); err != nil {
			return err
		}
	}
	return problem.New(problem.Source, "the kinds of Gatekeeper's constraints change all the time").
		WithHint("look who makes and deletes ConstraintTemplates")
}

// keeping is a sink that remembers the cursor of the last commit.
type keeping struct {
	collectors.Sink
	resume []byte
}

// Commit implements collectors.Sink.
func (k *keeping) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	if err := k.Sink.Commit(ctx, resume, o); err != nil {
		return err
	}
	k.resume = slices.Clone(resume)
	return nil
}

// sink keeps the ability of a sink to be told where a list begins.
func (k *keeping) sink() collectors.Sink {
	if b, ok := k.Sink.(collectors.Beginner); ok {
		return struct {
			*keeping
			collectors.Beginner
		}{k, b}
	}
	return k
}

// Kinds implements collectors.Collector. They are the same whatever the engine.
func (s *source) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.PolicyInForce, evidence.PolicyResult, evidence.PolicyException}
}

// Poll implements collectors.Collector.
func (s *source) Poll(ctx context.Context, w evidence.Period, resume []byte, sink collectors.Sink) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.run(resume, sink, func(e collectors.Collector, resume []byte, sink collectors.Sink) error {
		return e.Poll(ctx, w, resume, sink)
	})
}

// Examine implements collectors.Examiner. It may be called while a run goes on, so
// it has an engine of its own.
func (s *source) Examine(ctx context.Context) (collectors.Examination, error) {
	kinds, _, err := s.probe(ctx)
	if err != nil {
		return collectors.Examination{}, err
	}
	own, err := s.make(s.r.cfg.Config, s.r.resources(kinds))
	if err != nil {
		return collectors.Examination{}, err
	}
	e, ok := own.(collectors.Examiner)
	if !ok {
		return collectors.Examination{}, problem.New(problem.Internal, "policies: the engine cannot be examined")
	}
	return e.Examine(ctx)
}

// follower is a source that can stay with the cluster.
type follower struct{ *source }

// Follow implements collectors.Follower.
func (f *follower) Follow(ctx context.Context, resume []byte, sink collectors.Sink) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	return f.run(resume, sink, func(e collectors.Collector, resume []byte, sink collectors.Sink) error {
		w, ok := e.(collectors.Follower)
		if !ok {
			return problem.New(problem.Internal, "policies: the engine cannot follow")
		}
		return w.Follow(ctx, resume, sink)
	})
}

var (
	_ collectors.Follower = (*follower)(nil)
	_ collectors.Examiner = (*source)(nil)
)
