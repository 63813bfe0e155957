package kube

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Collector reads the resources of one cluster. It implements
// collectors.Collector, collectors.Follower and collectors.Examiner.
type Collector struct {
	cfg       Config
	env       collectors.Env
	agent     string
	resources []Resource
	cuts      []*cutter // of resources
	noCuts    *cutter
	opts      options

	mu  sync.Mutex
	con *conn // made when first needed: its files may come late

	commitEvery time.Duration // longest wait while there is something to commit
	idleCommit  time.Duration // longest wait otherwise
	backoff     time.Duration // first pause before a watch is opened again
	recheck     time.Duration // between two looks for a resource that the cluster does not have
	patience    time.Duration // how long a feed may be cut off before the run says so
}

// Option changes what a Collector does beside lists and watches.
type Option func(*options)

type options struct {
	after   func(ctx context.Context, l *Look) ([]evidence.Draft, error)
	afterOf []evidence.Kind
	load    func(kept json.RawMessage) error
	save    func() (json.RawMessage, error)
	observe func(o *evidence.Observation)
	examine func(ctx context.Context, e *collectors.Examination) error
	fetch   func(*fetch.Options)
}

// After is called before each commit, for drafts of these kinds that join
// several objects (the grade of a restore test). What it needs to remember
// goes into a [State]. It may be called with nothing new: the same draft again
// is dropped by the log. The error fails the run.
func After(kinds []evidence.Kind, f func(ctx context.Context, l *Look) ([]evidence.Draft, error)) Option {
	return func(o *options) { o.afterOf, o.after = kinds, f }
}

// State keeps a small JSON value of the collector in the resume cursor, across
// restarts: it is set to its zero value or to what the last commit kept before
// the first object of a run, and kept at each commit.
func State[T any](p *T) Option {
	return func(o *options) {
		o.load = func(kept json.RawMessage) error {
			var v T
			if len(kept) > 0 {
				if err := json.Unmarshal(kept, &v); err != nil {
					return problem.New(problem.Corrupt, "the collector's own part of the cursor cannot be read")
				}
			}
			*p = v
			return nil
		}
		o.save = func() (json.RawMessage, error) { return json.Marshal(p) }
	}
}

// Observe may add to the observation of each commit: requests made elsewhere,
// totals, what was incomplete.
func Observe(f func(o *evidence.Observation)) Option {
	return func(o *options) { o.observe = f }
}

// Examined may add to an examination what is read elsewhere. It may be called
// while a run goes on.
func Examined(f func(ctx context.Context, e *collectors.Examination) error) Option {
	return func(o *options) { o.examine = f }
}

// Client changes how requests are made, for tests.
func Client(f func(*fetch.Options)) Option {
	return func(o *options) { o.fetch = f }
}

// New checks the configuration and makes the collector; nothing is dialled.
// Agent names collector and version, "velero/1". With watch off the collector
// it returns polls and cannot follow.
func New(cfg Config, env collectors.Env, agent string, rs []Resource, opts ...Option) (collectors.Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if !env.Source.Valid() || env.Clock == nil || agent == "" {
		return nil, problem.New(problem.Internal, "kube: no source name, clock or agent")
	}
	c := &Collector{
		cfg: cfg, env: env, agent: agent, resources: rs,
		commitEvery: 5 * time.Second, idleCommit: time.Minute, backoff: time.Second,
		recheck: 5 * time.Minute, patience: time.Minute,
	}
	for _, o := range opts {
		o(&c.opts)
	}
	var err error
	if c.noCuts, err = parseCuts(nil); err != nil {
		return nil, err
	}
	for i := range rs {
		cuts, err := rs[i].check()
		if err != nil {
			return nil, problem.Wrap(problem.Internal, err, "kube: resource %s", rs[i].name())
		}
		c.cuts = append(c.cuts, cuts)
	}
	if cfg.atHand() {
		if _, err := c.conn(); err != nil {
			return nil, err
		}
	}
	if !cfg.Watch {
		return &poller{c}, nil
	}
	return c, nil
}

// conn returns the connection, made when it is first needed.
func (c *Collector) conn() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.con == nil {
		x, err := c.connect()
		if err != nil {
			return nil, err
		}
		c.con = x
	}
	return c.con, nil
}

// poller is a Collector that does not follow.
type poller struct{ c *Collector }

var _ collectors.Examiner = (*poller)(nil)

// Kinds implements collectors.Collector.
func (p *poller) Kinds() []evidence.Kind { return p.c.Kinds() }

// Poll implements collectors.Collector.
func (p *poller) Poll(ctx context.Context, w evidence.Period, resume []byte, s collectors.Sink) error {
	return p.c.pollFrom(ctx, resume, s, true)
}

// Examine implements collectors.Examiner.
func (p *poller) Examine(ctx context.Context) (collectors.Examination, error) {
	return p.c.Examine(ctx)
}

var (
	_ collectors.Follower = (*Collector)(nil)
	_ collectors.Examiner = (*Collector)(nil)
)

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind { return kindsOf(c.resources, c.opts.afterOf) }

func kindsOf(rs []Resource, more []evidence.Kind) (kinds []evidence.Kind) {
	seen := map[evidence.Kind]bool{}
	add := func(ks []evidence.Kind) {
		for _, k := range ks {
			if !seen[k] {
				seen[k] = true
				kinds = append(kinds, k)
			}
		}
	}
	for i := range rs {
		add(rs[i].Kinds)
	}
	add(more)
	return kinds
}
