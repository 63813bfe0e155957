package daemon

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/reports/pack"
)

// testSource is a collector that emits what the test gives it.
type testSource struct {
	emit     []evidence.Draft
	sees     []string
	fail     bool // the credential is refused
	instants bool // looks claim instants
	clock    func() time.Time
}

func (s *testSource) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.DeployState, evidence.DeploySync}
}

func (s *testSource) Poll(ctx context.Context, w evidence.Period, _ []byte, sk collectors.Sink) error {
	if s.fail {
		return problem.New(problem.Credential, "401 from the forge of acme/secret-name")
	}
	for _, d := range s.emit {
		if err := sk.Emit(ctx, d); err != nil {
			return err
		}
	}
	now := s.clock()
	from := w.From
	class := evidence.Continuous
	if from.IsZero() {
		from, class = now.Add(-time.Hour), evidence.Reconstructed
	}
	if s.instants {
		from, class = now, evidence.Instants
	}
	return sk.Commit(ctx, []byte(`{}`), evidence.Observation{At: now, Total: -1, Sees: s.sees, Seen: []evidence.Seen{{Kinds: s.Kinds(), Class: class, From: from, To: now}}})
}

type testClock struct{ t time.Time }

func (c *testClock) now() time.Time { return c.t }

var begin = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func newEngine(t testing.TB, clock *testClock, src *testSource) *Engine {
	t.Helper()
	return openEngine(t, t.TempDir(), clock, src)
}

// openEngine opens the data directory below dir; it begins one when there is
// none.
func openEngine(t testing.TB, dir string, clock *testClock, src *testSource) *Engine {
	t.Helper()
	return openEngineOf(t, dir, "forge/prod", clock, src)
}

// openEngineOf opens an engine whose one source has the name.
func openEngineOf(t testing.TB, dir, name string, clock *testClock, src *testSource) *Engine {
	t.Helper()
	src.clock = clock.now
	file := filepath.Join(dir, "evidenced.yaml")
	spec := collectors.Spec{Type: "test", Says: "a test", Config: func() any { return &struct{}{} }, Every: "@every 1m",
		New: func(any, collectors.Env) (collectors.Collector, error) { return src, nil }}
	text := "data_dir: data\nlisten: \"\"\ntenants:\n" +
		"  - name: tenant-1\n    owns:\n      - projects: [acme/one]\n" +
		"  - name: tenant-2\n    owns:\n      - projects: [acme/two]\n" +
		"sources:\n  - name: " + name + "\n    type: test\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Options{Config: cfg, Clock: clock.now, Program: "evidenced test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func mergeDraft(repo string, n int, at time.Time, approved bool) evidence.Draft {
	f := evidence.MergeFacts{
		Repo: repo, Number: n, State: "merged", Base: "main", MergeSHA: fmt.Sprintf("%040x", n), MergedAt: at, OpenedAt: at.Add(-time.Hour),
		Author: 0, Merger: 1, ReviewsSeen: true, HeadSHA: fmt.Sprintf("%040x", n+1000),
	}
	people := []evidence.Person{
		{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: "1", Names: evidence.Names{Login: "zuzanna"}, Proof: evidence.ProofAuthenticated},
		{Role: evidence.RoleMerger, Realm: "github:prod", NativeID: "2", Names: evidence.Names{Login: "éloïse"}, Proof: evidence.ProofAuthenticated},
	}
	if approved {
		people = append(people, evidence.Person{Role: evidence.RoleReviewer, Realm: "github:prod", NativeID: "2", Names: evidence.Names{Login: "éloïse"}, Proof: evidence.ProofAuthenticated})
		f.Reviews = []evidence.ReviewState{{ID: fmt.Sprint(n), Person: 2, State: "approved", Commit: f.HeadSHA, At: at.Add(-time.Minute)}}
	}
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return evidence.Draft{
		Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Key: fmt.Sprint(repo, n), Subject: evidence.NewRef("change", "prod", fmt.Sprintf("%s!%d", repo, n)),
		People: people, OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at.Add(time.Minute),
		Links: []evidence.Ref{evidence.NewRef("commit", "", f.MergeSHA)}, Scope: []evidence.Ref{evidence.NewRef("project", "prod", repo)},
		Content: b, Text: []byte("change number " + fmt.Sprint(n)), Raw: []byte(`{"number":` + fmt.Sprint(n) + `}`),
	}
}

func mustTenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

// makePack collects two days and returns a pack of the second one, with its
// trust line.
func makePackBytes(t testing.TB) (*Engine, []byte, string) { return makePackOf(t, 60) }

func makePackOf(t testing.TB, hours int) (*Engine, []byte, string) {
	t.Helper()
	clock, src := &testClock{begin}, &testSource{}
	e := newEngine(t, clock, src)
	for i := range hours {
		src.emit = []evidence.Draft{mergeDraft("acme/one", i, clock.t.Add(-time.Minute), i != hours*3/4), mergeDraft("acme/two", i, clock.t.Add(-time.Minute), true)}
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	var buf bytes.Buffer
	period := evidence.Period{From: begin.Add(time.Duration(hours*2/5) * time.Hour), To: begin.Add(time.Duration(hours-4) * time.Hour)}
	if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: period, Raw: "exceptions", Progress: func(_, _ uint64) {}}, &buf); err != nil {
		t.Fatal(err)
	}
	log, err := e.Local().Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	trust := fmt.Sprintf("tenant-1 %s %s %s # since the first audit\n", log.Origin(), e.Local().LogKey.Verifier, e.Local().PackKey.Verifier)
	return e, buf.Bytes(), trust
}

func verifyBytes(b []byte, trust string) (*pack.Report, error) {
	var o pack.Options
	if trust != "" {
		tr, err := pack.ParseTrust(strings.NewReader(trust))
		if err != nil {
			return nil, err
		}
		o.Trust = tr
	}
	return pack.Verify(bytes.NewReader(b), int64(len(b)), o)
}

func TestPackVerifies(t *testing.T) {
	_, b, trust := makePackBytes(t)
	rep, err := verifyBytes(b, trust)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Known || !rep.Complete || rep.Counts["change.merge"] != 32 || rep.First == 0 {
		t.Errorf("report: %+v", rep)
	}
	t.Logf("%d bytes, report %+v", len(b), rep)
	if _, err := verifyBytes(b, ""); err != nil {
		t.Errorf("without a trust file: %v", err)
	}
	sameVerdict(t, b)
	if _, err := verifyBytes(b, strings.Replace(trust, "tenant-1", "tenant-9", 1)); err == nil {
		t.Error("a trust file that does not know the tenant is ignored")
	}
}

// A source that was due and of which nothing was ever seen is told in the pack, and
// such a pack verifies.
func TestPackOfNeverSeen(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{fail: true}
	e := newEngine(t, clock, src)
	for range 30 {
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	var buf bytes.Buffer
	period := evidence.Period{From: begin, To: begin.Add(28 * time.Hour)}
	if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: period, Raw: "exceptions", Progress: func(_, _ uint64) {}}, &buf); err != nil {
		t.Fatal(err)
	}
	if _, err := verifyBytes(buf.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	sameVerdict(t, buf.Bytes())
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("coverage.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c reports.CoverageChart
	if err := json.NewDecoder(f).Decode(&c); err != nil {
		t.Fatal(err)
	}
	if n := c.Sources["forge/prod"]; n.Failed == 0 || n.Failed != n.Expected {
		t.Errorf("runs are %+v, all of them failed", n)
	}
	if len(c.Blind) != 1 || c.Blind[0].Cause != "the source refused the credential" || !slices.Equal(c.Blind[0].Kinds, src.Kinds()) || !c.Blind[0].Looked || (evidence.Period{From: c.Blind[0].From, To: c.Blind[0].To}) != period {
		t.Errorf("blind windows are %+v", c.Blind)
	}
}

// Every byte of a pack is held by something.
func TestPackAnyByteChanged(t *testing.T) {
	_, b, trust := makePackBytes(t)
	step := len(b)/1200 + 1
	for i := 0; i < len(b); i += step {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		if _, err := verifyBytes(c, trust); err == nil {
			t.Fatalf("byte %d of %d changed from %#x to %#x, and the pack still verifies", i, len(b), b[i], c[i])
		}
	}
}
