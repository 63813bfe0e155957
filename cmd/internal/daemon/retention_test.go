package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports/coverage"
	"evidenced/store"
	"evidenced/store/storetest"
)

// engineIn opens the engine of a folder with these tenants and further lines
// of configuration.
func engineIn(t testing.TB, dir string, clock *testClock, tenants, more string, change func(*store.Options)) (*Engine, *testSource, error) {
	t.Helper()
	src := &testSource{clock: clock.now}
	spec := collectors.Spec{Type: "test", Says: "a test", Config: func() any { return &struct{}{} }, Every: "@every 1m",
		New: func(any, collectors.Env) (collectors.Collector, error) { return src, nil }}
	text := "data_dir: data\nlisten: \"\"\n" + more + "tenants:\n"
	for _, name := range strings.Fields(tenants) {
		text += "  - name: " + name + "\n    owns:\n      - projects: [acme/" + strings.TrimPrefix(name, "tenant-") + "]\n"
	}
	file := filepath.Join(dir, "evidenced.yaml")
	if err := os.WriteFile(file, []byte(text+"sources:\n  - name: forge/prod\n    type: test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Options{Config: cfg, Clock: clock.now, Program: "evidenced test", store: change})
	if err == nil {
		t.Cleanup(func() { e.Close() })
	}
	return e, src, err
}

func mustEngine(t testing.TB, dir string, clock *testClock, tenants, more string, change func(*store.Options)) (*Engine, *testSource) {
	t.Helper()
	e, src, err := engineIn(t, dir, clock, tenants, more, change)
	if err != nil {
		t.Fatal(err)
	}
	return e, src
}

// fourMonths collects a change a month for each of two projects.
func fourMonths(t testing.TB, e *Engine, src *testSource, clock *testClock) {
	t.Helper()
	for m := range 4 {
		clock.t = begin.AddDate(0, m, 0)
		for i := range 5 {
			clock.t = clock.t.Add(24 * time.Hour)
			n := m*10 + i
			src.emit = []evidence.Draft{mergeDraft("acme/1", n, clock.t.Add(-time.Minute), true), mergeDraft("acme/2", n, clock.t.Add(-time.Minute), true)}
			if _, err := e.Collect(t.Context(), "", false); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func quiet(_, _ uint64) {}

func packOf(t testing.TB, e *Engine, p evidence.Period) ([]byte, error) {
	t.Helper()
	var b bytes.Buffer
	_, err := e.Pack(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: p, Progress: quiet}, &b)
	return b.Bytes(), err
}

// draftsInIntake counts the bytes on the disk behind the first lines of the
// intake's files.
func draftsInIntake(t testing.TB, dir string) (n int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "data", "intake", "*.intake"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		n += len(b) - bytes.IndexByte(b, '\n') - 1
	}
	return n
}

func TestRetain(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "retention: {keep: 30 days}\n", nil)
	fourMonths(t, e, src, clock)
	one := mustTenant(t, "tenant-1")
	kept := evidence.Period{From: begin.AddDate(0, 3, 0).Truncate(24 * time.Hour), To: clock.t}
	lost := evidence.Period{From: begin.AddDate(0, 1, 0), To: begin.AddDate(0, 1, 6)}
	issued, err := packOf(t, e, lost)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.PlaceHold(t.Context(), mustTenant(t, "tenant-2"), evidence.HoldFacts{Name: "case-1", Reason: "a case", Authority: "a court"}); err != nil {
		t.Fatal(err)
	}

	dry, err := e.Retain(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if draftsInIntake(t, dir) == 0 {
		t.Fatal("the intake has no draft on the disk that the retention could leave")
	}
	done, err := e.Retain(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if n := draftsInIntake(t, dir); n != 0 {
		t.Errorf("the intake has %d bytes of drafts on the disk after the retention", n)
	}
	for i, r := range done {
		want := 3
		if r.Tenant == mustTenant(t, "tenant-2") {
			want = 0
			if !strings.Contains(r.Held, "case-1") {
				t.Errorf("%s is held by %q", r.Tenant, r.Held)
			}
		}
		if len(r.Retired) != want || len(dry[i].Retired) != want {
			t.Errorf("%s: %d segments retired, the dry run says %d, want %d", r.Tenant, len(r.Retired), len(dry[i].Retired), want)
		}
	}

	for _, name := range []string{"tenant-1", "tenant-2", "_platform"} {
		rep, err := e.Verify(t.Context(), mustTenant(t, name), api.VerifyRequest{Deep: true, Progress: quiet})
		if err != nil || !rep.OK() {
			t.Errorf("%s: verify: %v, %+v", name, err, rep)
		}
	}
	trust := trustOf(t, e, one)
	if _, err := verifyBytes(issued, trust); err != nil {
		t.Errorf("a pack issued before does not verify any more: %v", err)
	}
	b, err := packOf(t, e, kept)
	if err != nil {
		t.Fatalf("pack of a kept period: %v", err)
	}
	if rep, err := verifyBytes(b, trust); err != nil || !rep.Complete || rep.Counts["change.merge"] != 5 {
		t.Errorf("pack of a kept period: %+v, %v", rep, err)
	}
	for _, p := range []evidence.Period{lost, {From: lost.From, To: kept.To}} {
		if _, err := packOf(t, e, p); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "retired under retention") {
			t.Errorf("pack of %s: %v", p, err)
		}
	}

	r, err := e.Reader(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := coverage.Build(t.Context(), r, evidence.Period{From: lost.From, To: kept.To})
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, w := range chart.Blind {
		if w.To.Before(begin.AddDate(0, 3, 0)) && w.Cause == "nobody looked" && w.From.Before(begin.AddDate(0, 2, 5)) {
			t.Errorf("the retired time counts as never looked at: %+v", w)
		}
		told = told || w.Cause == evidence.CauseRetired
	}
	if !told {
		t.Errorf("coverage does not tell the retirement: %+v", chart.Blind)
	}
	for _, op := range []string{"coverage", "timeline"} {
		params := `{"tenant":"tenant-1","from":"2026-12-02","to":"2026-12-05"}`
		err := api.Run(t.Context(), e, api.Caller{Via: "direct"}, op, []byte(params), &api.Out{Header: func(string) error { return nil }, Body: &bytes.Buffer{}})
		if !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), "retired under retention") {
			t.Errorf("%s of a retired time: %v", op, err)
		}
	}

	// The source tells the old months again: nothing comes back.
	size := r.Size()
	src.emit = nil
	for m := range 3 {
		for i := range 5 {
			at := begin.AddDate(0, m, i+1)
			src.emit = append(src.emit, mergeDraft("acme/1", m*10+i, at.Add(-time.Minute), true), mergeDraft("acme/1", 1000+m*10+i, at, true))
		}
	}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	log, err := e.local.Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range log.Snapshot().Records(t.Context(), evidence.Query{BySeq: true, FromSeq: size}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind == evidence.ChangeMerge {
			t.Errorf("record %d about %s came back", rec.Seq, rec.Occurred)
		}
	}
	if log.Expired() != 30 {
		t.Errorf("%d drafts were refused, want 30", log.Expired())
	}
}

func trustOf(t testing.TB, e *Engine, tn evidence.Tenant) string {
	t.Helper()
	origin, ok, err := e.local.Store.Has(tn)
	if err != nil || !ok {
		t.Fatalf("%s has no log: %v", tn, err)
	}
	return fmt.Sprintf("%s %s %s %s # since the first audit\n", tn, origin, e.local.LogKey.Verifier, e.local.PackKey.Verifier)
}

func request(t testing.TB) api.OffboardRequest {
	return api.OffboardRequest{Tenant: mustTenant(t, "tenant-1"), Reason: "contract ended", Authority: "ticket 4711", By: api.Caller{UID: 7}, Progress: quiet}
}

func TestOffboard(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	fourMonths(t, e, src, clock)
	one, r := mustTenant(t, "tenant-1"), request(t)
	r.NoExport = "waived"
	if _, err := e.Offboard(t.Context(), r); !problem.Is(err, problem.Refused) || !strings.Contains(problem.Text("", err), "tenants:") {
		t.Errorf("offboard a configured tenant: %v", err)
	}
	for name, code := range map[string]problem.Code{"_platform": problem.Refused, "nobody": problem.NotFound} {
		bad := r
		bad.Tenant = mustTenant(t, name)
		if _, err := e.Offboard(t.Context(), bad); !problem.Is(err, code) {
			t.Errorf("offboard %s: %v", name, err)
		}
	}
	e.Close()

	e, _ = mustEngine(t, dir, clock, "tenant-2", "", nil)
	r.NoExport = ""
	if _, err := e.Offboard(t.Context(), r); !problem.Is(err, problem.Usage) {
		t.Errorf("neither exported nor said why not: %v", err)
	}
	r.Manifest = evidence.Hash{1}
	if _, err := e.Offboard(t.Context(), r); !problem.Is(err, problem.Usage) {
		t.Errorf("an export that was never made: %v", err)
	}
	hold := evidence.HoldFacts{Name: "case-1", Reason: "a case", Authority: "a court"}
	if _, err := e.PlaceHold(t.Context(), one, hold); err != nil {
		t.Fatal(err)
	}
	if _, err := e.OffboardExport(t.Context(), r, &bytes.Buffer{}); !problem.Is(err, problem.Refused) {
		t.Errorf("export of a held tenant's end: %v", err)
	}
	if _, err := e.Offboard(t.Context(), r); !problem.Is(err, problem.Refused) {
		t.Errorf("offboard a held tenant: %v", err)
	}
	if _, err := e.ReleaseHold(t.Context(), one, hold); err != nil {
		t.Fatal(err)
	}

	trust, origin := trustOf(t, e, one), ""
	var b bytes.Buffer
	res, err := e.OffboardExport(t.Context(), r, &b)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := verifyBytes(b.Bytes(), trust)
	if err != nil || !rep.Complete || rep.Counts["change.merge"] != 20 || rep.First != 0 {
		t.Errorf("the export: %+v, %v", rep, err)
	}
	r.Manifest = res.Manifest
	out, err := e.Offboard(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	origin = out.Origin
	checkOffboarded(t, e, out)
	if _, err := verifyBytes(b.Bytes(), trust); err != nil {
		t.Errorf("the export does not verify any more: %v", err)
	}
	if _, err := e.Offboard(t.Context(), r); !problem.Is(err, problem.NotFound) || !strings.Contains(err.Error(), "was offboarded") {
		t.Errorf("offboard again: %v", err)
	}
	if _, err := e.Reader(t.Context(), one); !problem.Is(err, problem.NotFound) {
		t.Errorf("read it: %v", err)
	}
	if rep, err := e.Verify(t.Context(), mustTenant(t, "tenant-2"), api.VerifyRequest{Deep: true, Progress: quiet}); err != nil || !rep.OK() {
		t.Errorf("the other tenant: %+v, %v", rep, err)
	}
	e.Close()

	// A tenant of the same name is another one.
	e, _ = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	now, ok, err := e.local.Store.Has(one)
	if err != nil || !ok || now == origin {
		t.Errorf("the tenant begun anew has origin %s, before %s: %v", now, origin, err)
	}
	rd, err := e.Reader(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := rd.Record(t.Context(), 0); err != nil || rec.Recorded.Before(clock.t) {
		t.Errorf("its first record: %+v, %v", rec, err)
	}
}

// checkOffboarded checks what must be left, and what must not.
func checkOffboarded(t testing.TB, e *Engine, out api.Offboarded) {
	t.Helper()
	var steps []string
	for _, s := range out.Steps {
		steps = append(steps, string(s.Step))
	}
	if got, want := strings.Join(steps, " "), "access-cut export final-checkpoint keys-destroyed segments-retired"; got != want {
		t.Errorf("steps in %s: got %s, want %s", evidence.Platform, got, want)
	}
	if out.Checkpoint == nil {
		t.Fatal("no final checkpoint")
	}
	head, signed, ended, err := e.local.Store.Ended(out.Origin)
	if err != nil || !ended || head.Size != out.Checkpoint.Size || !bytes.Contains(signed, []byte(out.Origin)) {
		t.Errorf("the ended log: size %d of %d, %v, %v", head.Size, out.Checkpoint.Size, ended, err)
	}
	id := out.Origin[strings.LastIndexByte(out.Origin, '/')+1:]
	var left []string
	if err := filepath.WalkDir(filepath.Join(e.local.Dir, "tenants", id), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, d.Name())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0] != "retired.db" {
		t.Errorf("files left of the tenant: %v", left)
	}
	if ts, err := e.Tenants(t.Context()); err != nil || strings.Contains(fmt.Sprint(ts), "tenant-1") {
		t.Errorf("tenants: %v, %v", ts, err)
	}
}

// An offboarding that the machine's end cuts off at any write goes on when it
// is asked for again, or by itself once the tenant's log was closed.
func TestCrashWhileOffboarding(t *testing.T) {
	const enough = 8
	k := 0
	for ; ; k++ {
		if over := crashWhileOffboarding(t, k, k%2 == 0); over {
			break
		}
	}
	if k < enough {
		t.Errorf("an offboarding had %d writes: the test tests nothing", k)
	}
}

func crashWhileOffboarding(t *testing.T, k int, done bool) bool {
	t.Helper()
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	src.emit = []evidence.Draft{mergeDraft("acme/1", 1, clock.t.Add(-time.Minute), true), mergeDraft("acme/2", 1, clock.t.Add(-time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	e.Close()
	crash := &storetest.Crash{Done: done}
	e, _ = mustEngine(t, dir, clock, "tenant-2", "", crash.Options)
	r := request(t)
	r.NoExport = "waived in writing"
	crash.After(k)
	_, err := e.Offboard(t.Context(), r)
	over := err == nil
	if !over && !errors.Is(err, storetest.ErrCrash) {
		t.Fatalf("write %d: %v", k, err)
	}
	if over {
		crash.Never()
	}
	e.Close()

	e, _ = mustEngine(t, dir, clock, "tenant-2", "", nil)
	out, err := e.Offboard(t.Context(), r)
	switch {
	case problem.Is(err, problem.NotFound):
		// It was over, or went on by itself when the engine was opened.
		all, err := e.offboardings(t.Context())
		if err != nil || len(all) != 1 || !all[0].over() {
			t.Fatalf("write %d: offboardings %+v, %v", k, all, err)
		}
		if out, err = e.tellOffboarded(t.Context(), all[0]); err != nil {
			t.Fatal(err)
		}
	case err != nil:
		t.Fatalf("write %d: again: %v", k, err)
	}
	checkOffboarded(t, e, out)
	rep, err := e.Verify(t.Context(), evidence.Platform, api.VerifyRequest{Deep: true, Progress: quiet})
	if err != nil || !rep.OK() {
		t.Errorf("write %d: %s: %+v, %v", k, evidence.Platform, rep, err)
	}
	n := 0
	rd, err := e.Reader(t.Context(), evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range rd.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.TenantOffboard}}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(evidence.OffboardSteps) {
		t.Errorf("write %d: %d records of steps, want each once", k, n)
	}
	return over
}
