package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/bolt"
	"evidenced/store/local"
)

// again opens the directory of a closed engine once more.
func again(t testing.TB, e *Engine) (*Engine, error) {
	t.Helper()
	next, err := Open(t.Context(), Options{Config: e.o.Config, Clock: e.o.Clock, Program: "evidenced test", Metrics: telemetry.NewMetrics()})
	if err == nil {
		t.Cleanup(func() { next.Close() })
	}
	return next, err
}

// merged is a merge as the runner hands it to a log.
func merged(n int, at time.Time) []store.Item {
	d := mergeDraft("acme/one", n, at, true)
	d.Source = "forge/prod"
	return []store.Item{{Draft: d}}
}

func coverageSpans(t testing.TB, e *Engine, name string) (keys map[string]bool, spans []evidence.CoverageSpan) {
	t.Helper()
	r, err := e.Reader(t.Context(), mustTenant(t, name))
	if err != nil {
		t.Fatal(err)
	}
	keys = map[string]bool{}
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.CollectionCoverage}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.CoverageFacts
		if err := json.Unmarshal(rec.Facts, &f); err != nil {
			t.Fatal(err)
		}
		keys[rec.Key] = true
		spans = append(spans, f.Spans...)
	}
	return keys, spans
}

// A cursor store that cannot be read, or is gone, costs no evidence: the
// sources are read again, and the time since the last look is told as blind in
// every log, also when the daemon dies on the way.
func TestLostCursors(t *testing.T) {
	for _, lose := range []func(t *testing.T, dir string){
		func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "cursors.db")) },
		func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "cursors.db"), bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
		e := newEngine(t, clock, src)
		for range 3 {
			src.emit = []evidence.Draft{mergeDraft("acme/one", 1, begin.Add(-time.Minute), true)}
			if _, err := e.Collect(t.Context(), "", false); err != nil {
				t.Fatal(err)
			}
			clock.t = clock.t.Add(time.Minute)
		}
		before, _ := coverageSpans(t, e, "tenant-1")
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		lose(t, e.o.Config.DataDir)
		clock.t = clock.t.Add(time.Hour)
		e, err := again(t, e)
		if err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Minute)
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		after, spans := coverageSpans(t, e, "tenant-1")
		if len(after) <= len(before) {
			t.Errorf("%d coverage records, were %d: numbers were used twice", len(after), len(before))
		}
		blind := false
		for _, s := range spans {
			blind = blind || s.Class == evidence.Blind && strings.Contains(s.Cause, "lost with the cursor store") && s.To.Sub(s.From) >= time.Hour
		}
		if !blind {
			t.Errorf("the lost hour is not told as blind: %+v", spans)
		}
		n := 0
		r, err := e.Reader(t.Context(), mustTenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("the merge stands %d times", n)
		}
	}
}

// A tenant whose log lost its signed end is stopped, told everywhere, and holds
// nobody else up; what its log missed of the configuration it is told later.
func TestOneLogStopped(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
	e := newEngine(t, clock, src)
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	one, two := mustTenant(t, "tenant-1"), mustTenant(t, "tenant-2")
	log, err := e.Local().Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(e.o.Config.DataDir, "sign-state", log.ID())
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, append(kept, []byte("99999 "+strings.Repeat("ab", 32)+"\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err = again(t, e)
	if err != nil {
		t.Fatalf("the daemon does not start: %v", err)
	}
	log, err = e.Local().Store.Log(two)
	if err != nil {
		t.Fatal(err)
	}
	size := log.Size()
	clock.t = clock.t.Add(time.Minute)
	src.emit = []evidence.Draft{mergeDraft("acme/two", 7, clock.t.Add(-time.Minute), true)}
	_, _ = e.Collect(t.Context(), "", false) // tells that tenant-1's coverage waits
	if log.Size() <= size {
		t.Error("the other tenant got nothing")
	}
	if err := e.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "tenant-1") || strings.Contains(err.Error(), "tenant-2") {
		t.Errorf("ready: %v", err)
	}
	e.watchStopped()
	var metrics bytes.Buffer
	e.o.Metrics.Write(&metrics)
	for _, line := range []string{`evidenced_log_stopped{tenant="tenant-1"} 1`, `evidenced_log_stopped{tenant="tenant-2"} 0`, `evidenced_log_stopped{tenant="_platform"} 0`} {
		if !strings.Contains(metrics.String(), line) {
			t.Errorf("no metric %s", line)
		}
	}
	var out bytes.Buffer
	if err := api.Run(t.Context(), e, api.Caller{}, "tenants", []byte("{}"), &api.Out{Header: func(string) error { return nil }, Body: &out}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "tenant-1  STOPPED: ") || strings.Contains(out.String(), "tenant-2  STOPPED") {
		t.Errorf("tenants says %q", out.String())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err = again(t, e)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ready(t.Context()); err != nil {
		t.Errorf("after the sign-state is back: %v", err)
	}
}

// failing is a backend one of whose logs cannot be written while full is set.
type failing struct {
	store.Backend
	log  string
	full bool
}

type failingFile struct {
	store.LogFile
	b *failing
}

func (b *failing) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err == nil && id == b.log {
		f = failingFile{f, b}
	}
	return f, ix, err
}

func (f failingFile) Append(es []store.Entry, ts []store.Tile, h store.Head) error {
	if f.b.full {
		return syscall.ENOSPC
	}
	return f.LogFile.Append(es, ts, h)
}

func (f failingFile) PutNote(n store.Note) error {
	if f.b.full {
		return syscall.EIO // what a failed fsync gives
	}
	return f.LogFile.PutNote(n)
}

// A full disk stops one tenant until the next start, loses nothing that was
// acknowledged, and the others go on.
func TestDiskFull(t *testing.T) {
	dir, ctx := filepath.Join(t.TempDir(), "data"), context.Background()
	b := &failing{}
	open := func() *local.Local {
		t.Helper()
		l, err := local.Open(local.Options{Dir: dir, Clock: func() time.Time { return begin }, Store: func(o *store.Options) {
			b.Backend = bolt.New(dir)
			o.Backend = b
		}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	item := func(n int) []store.Item { return merged(n, begin) }
	l := open()
	one, err := l.Store.Create(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	b.log = one.ID()
	for _, name := range []string{"append", "checkpoint"} {
		one, err = l.Store.Log(mustTenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := l.Store.Create(mustTenant(t, "tenant-2"))
		if err != nil {
			t.Fatal(err)
		}
		n := int(one.Size()) * 10
		if _, err := one.Append(ctx, item(n)); err != nil {
			t.Fatal(err)
		}
		size := one.Size()
		b.full = true
		if name == "append" {
			_, err = one.Append(ctx, item(n+1))
		} else {
			_, _, err = one.Checkpoint()
		}
		if !problem.Is(err, problem.Storage) || one.Stopped() == nil {
			t.Errorf("%s on a full disk: %v, stopped %v", name, err, one.Stopped())
		}
		if _, err := two.Append(ctx, item(n)); err != nil {
			t.Errorf("the other tenant: %v", err)
		}
		b.full = false
		if _, err := one.Append(ctx, item(n+1)); err == nil {
			t.Error("the log went on without a restart, although what was written is not known")
		}
		l.Close()
		l = open()
		if one, err = l.Store.Log(mustTenant(t, "tenant-1")); err != nil || one.Stopped() != nil || one.Size() != size {
			t.Fatalf("after a restart: %v, stopped %v, %d records, want %d", err, one.Stopped(), one.Size(), size)
		}
		if _, err := one.Append(ctx, item(n+1)); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		if _, _, err := one.Checkpoint(); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		if rep, err := one.Verify(ctx, store.VerifyOptions{}); err != nil || !rep.OK() {
			t.Errorf("verify: %+v %v", rep, err)
		}
	}
	l.Close()
}

// From a backup, made while the daemon's engine is open, an installation comes
// back: refused before it is accepted, whole with the newest checkpoint, in a
// new log when more was signed.
func TestBackupAndRestore(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
	e := newEngine(t, clock, src)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, begin.Add(-time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "backup")
	if _, err := e.Backup(t.Context(), to, func(_, _ uint64) {}); err != nil {
		t.Fatal(err)
	}
	notes := map[string][]byte{}
	for _, name := range []string{"_platform", "tenant-1", "tenant-2"} {
		log, err := e.Local().Store.Log(mustTenant(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, notes[name], err = log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	log, err := e.Local().Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	lost := log.Origin()
	// tenant-1 goes on after the backup, and what it signs then is known of.
	clock.t = clock.t.Add(time.Minute)
	if _, err := log.Append(t.Context(), merged(2, clock.t)); err != nil {
		t.Fatal(err)
	}
	if _, notes["tenant-1"], err = log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	dir := e.o.Config.DataDir
	rep, err := CheckBackup(t.Context(), to, filepath.Join(dir, "keys"), nil, nil)
	if err != nil || !rep.OK || len(rep.Logs) != 3 || rep.Logs[0].Opened == 0 {
		t.Fatalf("check: %+v %v", rep, err)
	}
	if rep, err = CheckBackup(t.Context(), to, "", notes, nil); err != nil || rep.OK {
		t.Errorf("the backup is older than a checkpoint given, and verifies: %+v %v", rep, err)
	}
	for _, name := range []string{"tenants", "intake", "sign-state", "cursors.db"} { // the disk is lost, the keys were elsewhere
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "tenants"), os.DirFS(filepath.Join(to, "tenants"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"backup.json", "cursors.db"} {
		b, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := again(t, e); !problem.Is(err, problem.Refused) {
		t.Fatalf("a restored directory is served: %v", err)
	}
	o := Options{Config: e.o.Config, Clock: clock.now, Log: slog.New(slog.DiscardHandler)}
	a := Acceptance{Notes: notes, Reason: "disk failed", Authority: "operations"}
	got, err := Accept(t.Context(), o, a)
	if !problem.Is(err, problem.Refused) || len(got) != 3 {
		t.Fatalf("accepted with a lost tail: %+v %v", got, err)
	}
	if !local.Restored(dir) {
		t.Error("it does not count as restored any more, though one log was refused")
	}
	a.LostTail = true
	got, err = Accept(t.Context(), o, a)
	if err != nil {
		t.Fatalf("%+v %v", got, err)
	}
	for _, g := range got {
		if want := g.Tenant == mustTenant(t, "tenant-1"); (g.Outcome == outcomeNew) != want {
			t.Errorf("%s: %+v", g.Tenant, g)
		}
	}
	e, err = again(t, e)
	if err != nil {
		t.Fatal(err)
	}
	if log, err = e.Local().Store.Log(mustTenant(t, "tenant-1")); err != nil || log.Origin() == lost {
		t.Fatalf("tenant-1 goes on in %s: %v", log.Origin(), err)
	}
	clock.t = clock.t.Add(time.Minute)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, begin.Add(-time.Minute), true), mergeDraft("acme/one", 2, begin.Add(time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	_, spans := coverageSpans(t, e, "tenant-2")
	blind := false
	for _, s := range spans {
		blind = blind || s.Class == evidence.Blind && strings.Contains(s.Cause, "may have been lost")
	}
	if !blind {
		t.Error("coverage does not tell that records may have been lost")
	}
	checks, err := e.Fsck(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range checks {
		if !c.OK {
			t.Errorf("fsck: %+v", c)
		}
		found = found || strings.Contains(c.What, lost)
	}
	if !found {
		t.Error("fsck does not look at the earlier log")
	}
	var b bytes.Buffer
	if err := api.Run(t.Context(), e, api.Caller{}, "rotate-log-key", []byte(`{"reason":"after the loss"}`), &api.Out{Header: func(string) error { return nil }, Body: &b}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), e.Local().LogKey.Verifier) {
		t.Errorf("rotation says %q", b.String())
	}
}
