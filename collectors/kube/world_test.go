package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// ledger is a collectors.Ledger in memory with a log's rules for events and
// states. Every change wakes those who wait for one.
type ledger struct {
	mu      sync.Mutex
	tenants []evidence.Tenant
	logs    map[evidence.Tenant][]collectors.Placed
	last    map[string]*collectors.Placed
	cursors map[string][]byte
	changed chan struct{}
}

func newLedger() *ledger {
	return &ledger{
		tenants: []evidence.Tenant{evidence.Platform, tenant("tenant-1"), tenant("tenant-2")}, logs: map[evidence.Tenant][]collectors.Placed{},
		last: map[string]*collectors.Placed{}, cursors: map[string][]byte{}, changed: make(chan struct{}),
	}
}

func tenant(name string) evidence.Tenant {
	t, err := evidence.ParseTenant(name)
	if err != nil {
		panic(err)
	}
	return t
}

func (l *ledger) Tenants() []evidence.Tenant { return l.tenants }

func (l *ledger) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// facts returns the content that makes a state or amends an event.
func facts(d evidence.Draft) string {
	info, _ := evidence.KindInfo(d.Kind)
	var m map[string]any
	json.Unmarshal(d.Content, &m)
	for _, v := range info.Volatile {
		delete(m, v)
	}
	b, _ := json.Marshal(m)
	return string(d.Op) + string(b)
}

func (l *ledger) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.wake()
	var news []bool
	for _, d := range ds {
		info, _ := evidence.KindInfo(d.Draft.Kind)
		id := fmt.Sprint(t, d.Draft.Source, d.Draft.Kind, d.Draft.Key)
		if info.State {
			id = fmt.Sprint(t, d.Draft.Source, d.Draft.Kind, d.Draft.Subject)
		}
		last := l.last[id]
		n := last == nil || (info.State || info.Revisable) && facts(last.Draft) != facts(d.Draft)
		if info.State && d.Draft.Op == evidence.OpEnd {
			n = last != nil && last.Draft.Op == evidence.OpSet
		}
		if n {
			l.logs[t] = append(l.logs[t], d)
			l.last[id] = &d
		}
		news = append(news, n)
	}
	return news, nil
}

func (l *ledger) Ingest(ctx context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	taken := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		news, err := l.Append(ctx, t, ds)
		taken[t] = collectors.Taken{New: news, Err: err}
	}
	return taken, nil
}

func (l *ledger) OpenStates(_ context.Context, t evidence.Tenant, k evidence.Kind) iter.Seq2[evidence.Record, error] {
	l.mu.Lock()
	var open []evidence.Record
	for id, p := range l.last {
		if d := p.Draft; strings.HasPrefix(id, t.String()) && d.Kind == k && d.Op == evidence.OpSet {
			open = append(open, evidence.Record{Source: d.Source, Subject: d.Subject, Scope: d.Scope, Occurred: d.OccurredAt})
		}
	}
	l.mu.Unlock()
	return func(yield func(evidence.Record, error) bool) {
		for _, r := range open {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (l *ledger) Cursor(name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[name], nil
}

func (l *ledger) PutCursor(name string, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursors[name] = value
	l.wake()
	return nil
}

// told lists what a tenant's log holds of a kind, one line for each record:
// "set web-1 Running", "end web-1 deleted".
func (l *ledger) told(t evidence.Tenant, k evidence.Kind) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, p := range l.logs[t] {
		if p.Draft.Kind != k {
			continue
		}
		var f struct{ Phase, Reason string }
		json.Unmarshal(p.Draft.Content, &f)
		name := p.Draft.Subject.Name
		lines = append(lines, fmt.Sprintf("%s %s %s", p.Draft.Op, name[strings.LastIndexByte(name, '/')+1:], f.Phase+f.Reason))
	}
	return lines
}

// spans lists the coverage that a tenant's log claims for a kind.
func (l *ledger) spans(t evidence.Tenant, k evidence.Kind) (out []evidence.CoverageSpan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.logs[t] {
		if p.Draft.Kind != evidence.CollectionCoverage {
			continue
		}
		var f evidence.CoverageFacts
		json.Unmarshal(p.Draft.Content, &f)
		for _, s := range f.Spans {
			if slices.Contains(s.Kinds, k) && (s.From.Before(s.To) || s.Class == evidence.Instants) {
				out = append(out, s)
			}
		}
	}
	return out
}

// runs lists the runs that ended.
func (l *ledger) runs() (out []evidence.RunFacts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.logs[evidence.Platform] {
		if p.Draft.Kind == evidence.CollectionRun {
			var f evidence.RunFacts
			json.Unmarshal(p.Draft.Content, &f)
			out = append(out, f)
		}
	}
	return out
}

// world is a cluster, a collector and the logs it fills.
type world struct {
	t     *testing.T
	fake  *fake
	log   *ledger
	cfg   Config
	opts  []Option
	rules *collectors.Rules
	more  func(c *Collector)

	resources []Resource // tiny() unless set

	mu  sync.Mutex
	now time.Time
}

var worldBegin = time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	w := &world{t: t, fake: newFake(t), log: newLedger(), now: worldBegin}
	w.cfg = DefaultConfig()
	w.cfg.Server, w.cfg.TokenFile, w.cfg.PageSize, w.cfg.QPS = w.fake.URL, tokenFile(t), 2, 1e6
	var err error
	w.rules, err = collectors.NewRules([]collectors.TenantRules{
		{Tenant: tenant("tenant-1"), Owns: []collectors.Owns{{Labels: []string{"tenant=one"}}}},
		{Tenant: tenant("tenant-2"), Owns: []collectors.Owns{{Labels: []string{"tenant=two"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.fake.put("namespaces", space("shop", "ns-1", map[string]string{"tenant": "one"}))
	w.fake.put("namespaces", space("desk", "ns-2", map[string]string{"tenant": "two"}))
	return w
}

func tokenFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("t0ken-of-nobody"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rulesByName place objects by the name of their namespace.
func rulesByName(t *testing.T) *collectors.Rules {
	r, err := collectors.NewRules([]collectors.TenantRules{
		{Tenant: tenant("tenant-1"), Owns: []collectors.Owns{{Namespaces: []string{"shop"}}}},
		{Tenant: tenant("tenant-2"), Owns: []collectors.Owns{{Namespaces: []string{"desk"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// clock moves on a millisecond each time it is read.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// collector makes a fresh one, as after a restart.
func (w *world) collector() *Collector {
	w.t.Helper()
	env := collectors.Env{Source: "kubernetes/prod", Clock: w.clock, Log: slog.New(slog.DiscardHandler)}
	opts := append([]Option{Client(func(o *fetch.Options) {
		o.Retries = -1
		o.Sleep = func(ctx context.Context, d time.Duration) error { return pause(ctx, min(d, time.Millisecond)) }
	})}, w.opts...)
	rs := w.resources
	if rs == nil {
		rs = tiny()
	}
	made, err := New(w.cfg, env, "tiny/1", rs, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	c := made.(*Collector)
	w.t.Helper()
	c.commitEvery, c.idleCommit, c.backoff, c.patience, c.recheck = time.Millisecond, 5*time.Millisecond, time.Millisecond, 0, time.Millisecond
	if w.more != nil {
		w.more(c)
	}
	return c
}

func (w *world) runner() *collectors.Runner {
	return &collectors.Runner{
		Source: "kubernetes/prod", Collector: w.collector(), Rules: w.rules, Ledger: w.log, Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), Every: time.Minute,
	}
}

// poll looks once with a fresh collector.
func (w *world) poll() evidence.RunFacts {
	w.t.Helper()
	r := w.runner()
	f, err := r.Poll(w.t.Context(), w.clock())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// follow stays with the cluster until the returned function is called, which
// flushes coverage and returns Follow's error.
func (w *world) follow() (stop func() error) {
	w.t.Helper()
	r := w.runner()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Follow(ctx) }()
	ended := false
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		err := <-done
		if ferr := r.Flush(context.WithoutCancel(ctx)); ferr != nil {
			w.t.Error(ferr)
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	w.t.Cleanup(func() { stop() })
	return stop
}

// restart follows again as the daemon does: a run that fails at once, because
// the server is not there yet, is followed by another.
func (w *world) restart() (stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	r := w.runner()
	go func() {
		for {
			err := r.Follow(ctx)
			if ctx.Err() != nil {
				done <- err
				return
			}
			_ = pause(ctx, 10*time.Millisecond)
		}
	}()
	stop = func() error {
		cancel()
		err := <-done
		if ferr := r.Flush(context.WithoutCancel(ctx)); ferr != nil {
			w.t.Error(ferr)
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	return sync.OnceValue(stop)
}

// until waits until the logs fulfil the condition; it is asked again after
// each change of them.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		w.log.mu.Lock()
		changed := w.log.changed
		w.log.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// tells waits until a tenant's log holds exactly these records of a kind.
func (w *world) tells(name string, k evidence.Kind, want ...string) {
	w.t.Helper()
	var got []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("%s of %s: %q, want %q", k, name, got, want)
		}
	}()
	w.until(fmt.Sprintf("the log of %s tells %q", name, want), func() bool {
		got = w.log.told(tenant(name), k)
		return slices.Equal(got, want)
	})
}

// place reads one feed's place out of the cursor.
func (w *world) place(feed string) place {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var outer struct{ Resume []byte }
	json.Unmarshal(w.log.cursors["source/kubernetes/prod"], &outer)
	var r resume
	json.Unmarshal(outer.Resume, &r)
	if p := r.Feeds[feed]; p != nil {
		return *p
	}
	return place{}
}
