package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// memory is a Ledger in memory with the log's rules for events and states.
type memory struct {
	tenants []evidence.Tenant
	logs    map[evidence.Tenant][]Placed
	cursors map[string][]byte
	fail    error
	stopped map[evidence.Tenant]Taken // what becomes of their drafts
	mu      sync.Mutex
}

func newMemory(t *testing.T, names ...string) *memory {
	m := &memory{tenants: []evidence.Tenant{evidence.Platform}, logs: map[evidence.Tenant][]Placed{}, cursors: map[string][]byte{}}
	for _, n := range names {
		m.tenants = append(m.tenants, tenantOf(t, n))
	}
	return m
}

func tenantOf(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func (m *memory) Tenants() []evidence.Tenant { return m.tenants }

func (m *memory) Append(_ context.Context, t evidence.Tenant, ds []Placed) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	var news []bool
	for _, d := range ds {
		n := true
		info, _ := evidence.KindInfo(d.Draft.Kind)
		for _, o := range m.logs[t] {
			if !info.State && o.Draft.Kind == d.Draft.Kind && o.Draft.Key == d.Draft.Key {
				n = false
			}
		}
		if last := m.last(t, d.Draft.Kind, d.Draft.Subject); info.State {
			n = last == nil && d.Draft.Op == evidence.OpSet || last != nil && (last.Draft.Op != d.Draft.Op || string(last.Draft.Content) != string(d.Draft.Content))
		}
		if n {
			m.logs[t] = append(m.logs[t], d)
		}
		news = append(news, n)
	}
	return news, nil
}

func (m *memory) Ingest(ctx context.Context, batch map[evidence.Tenant][]Placed) (map[evidence.Tenant]Taken, error) {
	taken := map[evidence.Tenant]Taken{}
	for t, ds := range batch {
		if k, ok := m.stopped[t]; ok {
			taken[t] = k
			continue
		}
		news, err := m.Append(ctx, t, ds)
		taken[t] = Taken{New: news, Err: err}
	}
	return taken, nil
}

func (m *memory) last(t evidence.Tenant, k evidence.Kind, subject evidence.Ref) *Placed {
	var p *Placed
	for i := range m.logs[t] {
		if d := &m.logs[t][i]; d.Draft.Kind == k && d.Draft.Subject == subject {
			p = d
		}
	}
	return p
}

func (m *memory) OpenStates(_ context.Context, t evidence.Tenant, k evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		seen := map[evidence.Ref]bool{}
		for _, d := range m.logs[t] {
			if d.Draft.Kind != k || seen[d.Draft.Subject] {
				continue
			}
			seen[d.Draft.Subject] = true
			if l := m.last(t, k, d.Draft.Subject); l.Draft.Op == evidence.OpSet {
				if !yield(evidence.Record{Source: d.Draft.Source, Subject: d.Draft.Subject, Scope: l.Draft.Scope}, nil) {
					return
				}
			}
		}
	}
}

func (m *memory) Cursor(name string) ([]byte, error)        { return m.cursors[name], nil }
func (m *memory) PutCursor(name string, value []byte) error { m.cursors[name] = value; return nil }

func (m *memory) count(t evidence.Tenant, k evidence.Kind, op evidence.Op) (n int) {
	for _, d := range m.logs[t] {
		if d.Draft.Kind == k && d.Draft.Op == op {
			n++
		}
	}
	return n
}

// script is a collector that does what the test says.
type script struct {
	poll func(ctx context.Context, w evidence.Period, resume []byte, s Sink) error
}

func (s *script) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.DeployState, evidence.DeploySync}
}
func (s *script) Poll(ctx context.Context, w evidence.Period, resume []byte, sk Sink) error {
	return s.poll(ctx, w, resume, sk)
}

var t0 = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

type bench struct {
	*Runner
	mem *memory
	now time.Time
	sc  *script
}

func newBench(t *testing.T) *bench {
	mem := newMemory(t, "tenant-1", "tenant-2")
	rules, err := NewRules([]TenantRules{
		{Tenant: tenantOf(t, "tenant-1"), Owns: []Owns{{Namespaces: []string{"tenant-1"}}}},
		{Tenant: tenantOf(t, "tenant-2"), Owns: []Owns{{Namespaces: []string{"tenant-2", "shared"}}}},
		{Tenant: evidence.Platform, Owns: []Owns{{Namespaces: []string{"platform"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{mem: mem, now: t0, sc: &script{}}
	b.Runner = &Runner{Source: "argocd/prod", Collector: b.sc, Rules: rules, Ledger: mem, Clock: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	return b
}

func (b *bench) run(t *testing.T, fn func(s Sink) error) evidence.RunFacts {
	t.Helper()
	b.sc.poll = func(_ context.Context, _ evidence.Period, _ []byte, s Sink) error { return fn(s) }
	f, err := b.Poll(context.Background(), b.now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func app(ns, name string, at time.Time) evidence.Draft {
	return evidence.Draft{
		Kind: evidence.DeployState, Op: evidence.OpSet, Subject: evidence.NewRef("app", "prod", ns+"/"+name), OccurredAt: at,
		Basis: evidence.BasisObserved, ObservedAt: at, Scope: []evidence.Ref{evidence.NewRef("ns", "prod", ns)}, Content: []byte(`{"name":"` + name + `"}`),
	}
}

func (b *bench) look(sees ...string) evidence.Observation {
	return evidence.Observation{At: b.now, Total: -1, Sees: sees, Seen: []evidence.Seen{{Kinds: b.sc.Kinds(), Class: evidence.Instants, From: b.now, To: b.now}}}
}

func (b *bench) list(t *testing.T, apps ...string) evidence.RunFacts {
	t.Helper()
	return b.run(t, func(s Sink) error {
		for _, a := range apps {
			var ns, name string
			fmt.Sscanf(a, "%s %s", &ns, &name)
			if err := s.Emit(context.Background(), app(ns, name, b.now)); err != nil {
				return err
			}
		}
		s.Complete(evidence.DeployState, evidence.Ref{})
		return s.Commit(context.Background(), []byte("x"), b.look("p1", "p2"))
	})
}

func TestRunOutcomesAndEnds(t *testing.T) {
	b := newBench(t)
	t1, t2 := tenantOf(t, "tenant-1"), tenantOf(t, "tenant-2")
	if f := b.list(t, "tenant-1 web", "tenant-2 api", "nowhere x"); f.Outcome != evidence.RunDone || f.Records != 3 {
		t.Errorf("first list: got %+v", f)
	}
	if n := b.mem.count(evidence.Unassigned, evidence.DeployState, evidence.OpSet); n != 1 {
		t.Errorf("unassigned drafts: got %d, want 1", n)
	}
	b.now = b.now.Add(time.Minute)
	if f := b.list(t, "tenant-1 web", "tenant-2 api", "nowhere x"); f.Outcome != evidence.RunEmpty || f.Repeated != 3 {
		t.Errorf("same list again: got %+v", f)
	}
	b.now = b.now.Add(time.Minute)
	if f := b.list(t, "tenant-1 web", "nowhere x"); f.Outcome != evidence.RunDone || f.Ended_ != 1 {
		t.Errorf("shorter list: got %+v", f)
	}
	if n := b.mem.count(t2, evidence.DeployState, evidence.OpEnd); n != 1 {
		t.Errorf("ends in tenant-2: got %d, want 1", n)
	}
	end := b.mem.last(t2, evidence.DeployState, evidence.NewRef("app", "prod", "tenant-2/api"))
	if string(end.Draft.Content) != `{"reason":"absent"}` || !end.Draft.NotBefore.Equal(t0.Add(time.Minute)) {
		t.Errorf("end: got %s not before %s", end.Draft.Content, end.Draft.NotBefore)
	}

	// A failed look, a partial list and a shrunk credential end nothing.
	b.now = b.now.Add(time.Minute)
	f := b.run(t, func(s Sink) error { return errors.New("503 from server") })
	if f.Outcome != evidence.RunFailed {
		t.Errorf("failed look: got %+v", f)
	}
	b.now = b.now.Add(time.Minute)
	f = b.run(t, func(s Sink) error {
		s.Complete(evidence.DeployState, evidence.Ref{})
		return s.Commit(context.Background(), nil, b.look("p1"))
	})
	if f.Outcome != evidence.RunPartial || b.mem.count(t1, evidence.DeployState, evidence.OpEnd) != 0 {
		t.Errorf("shrunk scope: got %+v, ends %d", f, b.mem.count(t1, evidence.DeployState, evidence.OpEnd))
	}

	// A subject that moves to another tenant ends in the old log.
	b.now = b.now.Add(time.Minute)
	b.run(t, func(s Sink) error {
		d := app("tenant-1", "web", b.now)
		d.Scope = []evidence.Ref{evidence.NewRef("ns", "prod", "tenant-2")}
		if err := s.Emit(context.Background(), d); err != nil {
			return err
		}
		return s.Commit(context.Background(), nil, b.look("p1", "p2"))
	})
	end = b.mem.last(t1, evidence.DeployState, evidence.NewRef("app", "prod", "tenant-1/web"))
	if end.Draft.Op != evidence.OpEnd || string(end.Draft.Content) != `{"reason":"reassigned"}` {
		t.Errorf("after reassignment: got %s %s", end.Draft.Op, end.Draft.Content)
	}
}

// What a source counts stands beside what we counted; fewer of ours make the
// run partial, however many lists agree.
func TestSourceCounts(t *testing.T) {
	b := newBench(t)
	look := func(counts ...evidence.SourceCount) evidence.RunFacts {
		b.now = b.now.Add(time.Minute)
		return b.run(t, func(s Sink) error {
			o := b.look("p1")
			o.Counts = counts
			return s.Commit(context.Background(), nil, o)
		})
	}
	f := look(evidence.SourceCount{What: "requests", Query: "state=all", Source: 3, Ours: 3}, evidence.SourceCount{What: "members", Source: 3, Ours: 4})
	if f.Outcome != evidence.RunEmpty || len(f.Counts) != 2 || f.Counts[0].What != "members" || f.Counts[1].Query != "state=all" {
		t.Errorf("more than the source counts: %+v", f)
	}
	var many []evidence.SourceCount
	for range 3 * maxCounts {
		many = append(many, evidence.SourceCount{What: "pages", Source: 1, Ours: 1})
	}
	for i := range 2 * maxShort {
		many = append(many, evidence.SourceCount{What: fmt.Sprint("robots ", i), Source: 9, Ours: 8})
	}
	f = look(many...)
	if f.Outcome != evidence.RunPartial || strings.Count(f.Cause, ": the source counts 9, 8 came") != maxShort {
		t.Errorf("fewer than the source counts: %s, %q", f.Outcome, f.Cause)
	}
	if len(f.Counts) != maxCounts || f.CountsCut != len(many)-maxCounts || f.Counts[2*maxShort-1].What[:6] != "robots" || f.Counts[2*maxShort].What != "pages" {
		t.Errorf("%d counts kept, %d cut", len(f.Counts), f.CountsCut)
	}
}

func coverageOf(t *testing.T, m *memory, tn evidence.Tenant) (spans []evidence.CoverageSpan, runs evidence.RunCounts) {
	t.Helper()
	for _, d := range m.logs[tn] {
		if d.Draft.Kind != evidence.CollectionCoverage {
			continue
		}
		var f evidence.CoverageFacts
		if err := json.Unmarshal(d.Draft.Content, &f); err != nil {
			t.Fatal(err)
		}
		spans = append(spans, f.Spans...)
		runs.Add(f.Runs)
	}
	return spans, runs
}

func TestCoverageTellsBlindFromQuiet(t *testing.T) {
	b := newBench(t)
	step := func(n int, fn func()) {
		for range n {
			fn()
			b.now = b.now.Add(time.Minute)
		}
	}
	step(5, func() { b.list(t, "tenant-1 web") })
	step(3, func() { b.run(t, func(Sink) error { return errors.New("503 from server") }) })
	step(5, func() { b.list(t, "tenant-1 web") })
	b.now = b.now.Add(30 * time.Minute)
	if err := b.Missed(context.Background(), b.now.Add(-30*time.Minute), b.now.Add(-time.Minute), 30, "daemon down"); err != nil {
		t.Fatal(err)
	}
	step(3, func() { b.list(t, "tenant-1 web") })
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, tn := range b.mem.tenants {
		spans, runs := coverageOf(t, b.mem, tn)
		if want := (evidence.RunCounts{Expected: 46, Done: 1, Empty: 12, Failed: 3, Missed: 30}); runs != want {
			t.Errorf("%s: runs: got %+v, want %+v", tn, runs, want)
		}
		at := func(min int) evidence.Class {
			var best evidence.Class
			m := t0.Add(time.Duration(min)*time.Minute + 30*time.Second)
			for _, s := range spans {
				if !m.Before(s.From) && m.Before(s.To) && s.Class.Rank() >= best.Rank() {
					best = s.Class
				}
			}
			return best
		}
		for _, tc := range []struct {
			min  int
			want evidence.Class
		}{{-1, ""}, {0, evidence.Instants}, {3, evidence.Instants}, {4, evidence.Blind}, {6, evidence.Blind}, {9, evidence.Instants}, {20, evidence.Blind}, {44, evidence.Instants}} {
			if got := at(tc.min); got != tc.want {
				t.Errorf("%s: class after minute %d: got %q, want %q", tn, tc.min, got, tc.want)
			}
		}
	}
	// What a crash leaves is the cursor: a new runner goes on from it.
	before, _ := json.Marshal(b.state)
	b.state = nil
	if _, _, err := b.loaded(); err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(b.state); string(after) != string(before) {
		t.Errorf("state after a restart:\n got %s\nwant %s", after, before)
	}
}

// Before anything was ever claimed a source that fails is blind from its first run
// on, over restarts and coverage records, and no longer once something is claimed.
func TestBlindBeforeTheFirstLook(t *testing.T) {
	b := newBench(t)
	fail := func(n int) {
		for range n {
			b.run(t, func(Sink) error { return errors.New("503 from server") })
			b.now = b.now.Add(time.Minute)
		}
	}
	fail(3)
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.state = nil // the daemon is started again
	b.now = b.now.Add(10 * time.Minute)
	if err := b.Missed(t.Context(), b.now.Add(-10*time.Minute), b.now.Add(-time.Minute), 10, "daemon down"); err != nil {
		t.Fatal(err)
	}
	fail(2)
	for range 3 {
		b.list(t, "tenant-1 web")
		b.now = b.now.Add(time.Minute)
	}
	fail(1)
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tn := range b.mem.tenants {
		spans, runs := coverageOf(t, b.mem, tn)
		if want := (evidence.RunCounts{Expected: 19, Done: 1, Empty: 2, Failed: 6, Missed: 10}); runs != want {
			t.Errorf("%s: runs: got %+v, want %+v", tn, runs, want)
		}
		var got []string
		for _, s := range spans {
			if s.From.Before(s.To) {
				got = append(got, fmt.Sprintf("%v to %v %s, %d kinds", s.From.Sub(t0), s.To.Sub(t0), s.Class, len(s.Kinds)))
			}
		}
		n := len(b.sc.Kinds())
		want := []string{
			fmt.Sprintf("0s to 2m0s blind, %d kinds", n), fmt.Sprintf("2m0s to 12m0s blind, %d kinds", n), fmt.Sprintf("12m0s to 15m0s blind, %d kinds", n),
			fmt.Sprintf("15m0s to 17m0s instants, %d kinds", n), fmt.Sprintf("17m0s to 18m0s blind, %d kinds", n),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tn, diff)
		}
	}
}

// What fails from the first run on tells each of its causes, and a look that was
// refused everything is no look, although it ended in order.
func TestBlindByEachCause(t *testing.T) {
	b := newBench(t)
	if err := b.Missed(t.Context(), b.now, b.now.Add(9*time.Minute), 10, "paused"); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(10 * time.Minute)
	for range 5 {
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1, Incomplete: "may not list anything (403)"})
		})
		b.now = b.now.Add(time.Minute)
	}
	b.run(t, func(Sink) error { return nil })
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tn := range b.mem.tenants {
		spans, _ := coverageOf(t, b.mem, tn)
		var got []string
		for _, s := range spans {
			if s.From.Before(s.To) {
				got = append(got, fmt.Sprintf("%v to %v %s: %s", s.From.Sub(t0), s.To.Sub(t0), s.Class, s.Cause))
			}
		}
		want := []string{"0s to 9m0s blind: paused", "9m0s to 14m0s blind: the look was incomplete", "14m0s to 15m0s blind: the look failed"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tn, diff)
		}
	}
}

// However much a look could not read, that it was partial is recorded.
func TestLongCause(t *testing.T) {
	b := newBench(t)
	var told evidence.RunFacts
	b.Done = func(f evidence.RunFacts) { told = f }
	b.run(t, func(s Sink) error {
		o := b.look()
		o.Incomplete = "a" + strings.Repeat("ä", evidence.MaxContent)
		return s.Commit(t.Context(), nil, o)
	})
	if told.Outcome != evidence.RunPartial || len(told.Cause) > maxCause+20 || !utf8.ValidString(told.Cause) || !strings.HasSuffix(told.Cause, "ä... and more") {
		t.Errorf("%s: %d bytes, %.40q", told.Outcome, len(told.Cause), told.Cause)
	}
}

// A part of the source that was not seen takes back the claim for its owner
// alone.
func TestBlindPartConcernsItsOwner(t *testing.T) {
	b := newBench(t)
	look := func(blind bool) {
		b.run(t, func(s Sink) error {
			o := b.look()
			if blind {
				o.Incomplete = "tenant-1 did not answer"
				o.Seen = append(o.Seen, evidence.Seen{Kinds: b.sc.Kinds(), Class: evidence.Blind, Scope: evidence.NewRef("ns", "prod", "tenant-1"), From: b.now.Add(-time.Minute), To: b.now, Cause: "no answer"})
			}
			return s.Commit(context.Background(), nil, o)
		})
		b.now = b.now.Add(time.Minute)
	}
	for i := range 12 {
		look(i >= 4 && i < 7)
	}
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tenant string
		min    int
		want   evidence.Class
	}{{"tenant-1", 2, evidence.Instants}, {"tenant-1", 3, evidence.Blind}, {"tenant-1", 5, evidence.Blind}, {"tenant-1", 6, ""}, {"tenant-1", 8, evidence.Instants}, {"tenant-2", 3, evidence.Instants}, {"tenant-2", 5, evidence.Instants}, {"tenant-2", 6, evidence.Instants}} {
		spans, _ := coverageOf(t, b.mem, tenantOf(t, tc.tenant))
		var best evidence.Class
		m := t0.Add(time.Duration(tc.min)*time.Minute + 30*time.Second)
		for _, s := range spans {
			if !m.Before(s.From) && m.Before(s.To) && s.Class.Rank() >= best.Rank() {
				best = s.Class
			}
		}
		if best != tc.want {
			t.Errorf("%s after minute %d: got %q, want %q", tc.tenant, tc.min, best, tc.want)
		}
	}
}

// A tenant whose log is stopped holds the source up for nobody. What is kept
// for it counts as its own; what had to be refused leaves it blind.
func TestStoppedLogDoesNotStopTheSource(t *testing.T) {
	for _, tc := range []struct {
		name  string
		taken Taken
		kept  int
		blind bool
	}{{"kept", Taken{Kept: true}, 1, false}, {"refused", Taken{Refused: true}, 0, true}} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			one, two := tenantOf(t, "tenant-1"), tenantOf(t, "tenant-2")
			b.list(t, "tenant-1 web", "tenant-2 api")
			b.mem.stopped = map[evidence.Tenant]Taken{one: tc.taken}
			b.now = b.now.Add(time.Minute)
			f := b.list(t, "tenant-1 web2", "tenant-2 api2")
			if f.Outcome != evidence.RunDone || f.Kept != tc.kept && tc.kept == 0 || (f.Refused > 0) != tc.blind {
				t.Errorf("the run: %+v", f)
			}
			b.mem.stopped = nil
			b.now = b.now.Add(time.Minute)
			b.list(t, "tenant-1 web2", "tenant-2 api2")
			if err := b.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, tn := range []evidence.Tenant{one, two} {
				spans, _ := coverageOf(t, b.mem, tn)
				blind := slices.ContainsFunc(spans, func(s evidence.CoverageSpan) bool { return s.Class == evidence.Blind })
				if blind != (tc.blind && tn == one) {
					t.Errorf("%s: blind %t, spans %+v", tn, blind, spans)
				}
			}
		})
	}
}

func TestStoreFailureKeepsTheCursor(t *testing.T) {
	b := newBench(t)
	b.list(t, "tenant-1 web")
	before := string(b.mem.cursors["source/argocd/prod"])
	b.mem.fail = errors.New("disk full")
	b.sc.poll = func(ctx context.Context, _ evidence.Period, _ []byte, s Sink) error {
		if err := s.Emit(ctx, app("tenant-1", "new", b.now)); err != nil {
			return err
		}
		return s.Commit(ctx, []byte("later"), b.look("p1", "p2"))
	}
	if _, err := b.Poll(context.Background(), b.now); err == nil {
		t.Fatal("a run on a failing store reports no error")
	}
	if got := string(b.mem.cursors["source/argocd/prod"]); got != before {
		t.Errorf("the cursor moved although nothing was kept: %s", got)
	}
}

func TestPathCovers(t *testing.T) {
	for _, tc := range []struct {
		prefix, name string
		want         bool
	}{
		{"kv/tenant-7/", "kv/tenant-7/web/db", true},
		{"kv/tenant-7/", "kv/tenant-7", true},
		{"kv/tenant-7/", "kv/tenant-70/web", false},
		{"kv/tenant-7/", "kv/*", true},
		{"kv/tenant-7/", "kv/ten*", true},
		{"kv/tenant-7/", "kv/tenant-8*", false},
		{"kv/tenant-7/", "*", true},
		{"kv/tenant-7/", "+/tenant-7/*", true},
		{"kv/tenant-7/", "kv/+/web", true},
		{"kv/tenant-7/", "kv", false},
		{"tenants/tenant-7", "tenants/tenant-7/app.yaml", true},
		{"tenants/tenant-7", "README.md", false},
	} {
		if got := pathCovers(tc.prefix, tc.name); got != tc.want {
			t.Errorf("pathCovers(%q, %q) = %v, want %v", tc.prefix, tc.name, got, tc.want)
		}
	}
}

// While following, a list that begins anew forgets what was emitted since the
// last one: else what was deleted in between, unseen, would never end.
func TestListBeginsAnew(t *testing.T) {
	b := newBench(t)
	all, other := evidence.NewRef("object", "prod", "applications"), evidence.NewRef("object", "prod", "others")
	emit := func(s Sink, name string, list evidence.Ref) {
		d := app("tenant-1", name, b.now)
		d.Scope = append(d.Scope, list)
		if err := s.Emit(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	b.sc.poll = func(ctx context.Context, _ evidence.Period, _ []byte, s Sink) error {
		emit(s, "kept", all)
		emit(s, "gone", all)
		emit(s, "elsewhere", other)
		if err := s.Commit(ctx, nil, evidence.Observation{}); err != nil {
			return err
		}
		b.now = b.now.Add(time.Second)
		s.(Beginner).Begin(evidence.DeployState, all)
		emit(s, "kept", all)
		s.Complete(evidence.DeployState, all)
		return s.Commit(ctx, nil, evidence.Observation{})
	}
	if _, err := b.Poll(t.Context(), b.now); err != nil {
		t.Fatal(err)
	}
	var ended []string
	for _, d := range b.mem.logs[tenantOf(t, "tenant-1")] {
		if d.Draft.Op == evidence.OpEnd {
			ended = append(ended, d.Draft.Subject.Name)
		}
	}
	if len(ended) != 1 || !strings.HasSuffix(ended[0], "gone") {
		t.Errorf("ended %q, want gone alone", ended)
	}
}
