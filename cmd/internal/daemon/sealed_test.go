package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

// printed runs an operation and returns what it prints.
func printed(t *testing.T, e *Engine, op string, params any) (string, error) {
	t.Helper()
	b, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = api.Run(t.Context(), e, api.Caller{}, op, b, &api.Out{Header: func(string) error { return nil }, Body: &out})
	return out.String(), err
}

// A tenant that was taken off is no failure of the directory: what is left of its
// log is held against what _platform tells of its end.
func TestVerifyAfterOffboarding(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	fourMonths(t, e, src, clock)
	e.Close()
	e, _ = mustEngine(t, dir, clock, "tenant-2", "", nil)
	r := request(t)
	r.NoExport = "waived"
	gone, err := e.Offboard(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.RotateLogKey(t.Context(), "yearly", false); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"verify", "fsck"} {
		got, err := printed(t, e, op, struct{}{})
		if err != nil || !strings.Contains(got, "the log of tenant-1, which was taken off: its ") || !strings.Contains(got, "OK        tenant-2: ") {
			t.Errorf("%s: %v\n%s", op, err, got)
		}
	}
	// Another end than the one that was told is a failure.
	rep, ended, err := e.local.Store.CheckEnded(gone.Origin, []string{e.local.LogKey.Verifier}, &evidence.LogHead{Size: gone.Checkpoint.Size - 1})
	if err != nil || !ended || rep.OK() {
		t.Errorf("another end: %+v, %t, %v", rep, ended, err)
	}
	e.Close()

	// Without a keyring it cannot be known why it ended, and it is said so.
	if err := os.Remove(filepath.Join(e.o.Config.DataDir, "keys", keyring.File)); err != nil {
		t.Fatal(err)
	}
	e, err = Open(t.Context(), Options{Config: e.o.Config, Clock: clock.now, Program: "evidenced test", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := printed(t, e, "verify", struct{}{})
	if err != nil || !strings.Contains(got, "its last checkpoint is here; why, only the keyring shows") {
		t.Errorf("%v\n%s", err, got)
	}
}

// A log that a keyring with other logs has no keys for is a failure, and its
// tenant gets no second log.
func TestLogWithoutKeysIsAFailure(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, _ := mustEngine(t, dir, clock, "tenant-1", "", nil)
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	e.Close()
	path := filepath.Join(e.o.Config.DataDir, "keys", keyring.File)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, _ = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	e.Close()
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	src.emit = []evidence.Draft{mergeDraft("acme/1", 1, clock.t.Add(-time.Minute), true), mergeDraft("acme/2", 2, clock.t.Add(-time.Minute), true)}
	runs, err := e.Collect(t.Context(), "", false)
	if err == nil || len(runs) != 1 || runs[0].Outcome != evidence.RunDone || runs[0].Refused == 0 {
		t.Errorf("the source: %+v, %v", runs, err)
	}
	if has, err := e.local.Store.Log(mustTenant(t, "tenant-2")); err == nil {
		t.Errorf("tenant-2 has a second log, %s", has.Origin())
	}
	got, err := printed(t, e, "verify", struct{}{})
	if !problem.Is(err, problem.Corrupt) || !strings.Contains(got, "the keyring has no keys of it, and no record of _platform says that its tenant was taken off") ||
		!strings.Contains(got, "OK        tenant-1: ") {
		t.Errorf("%v\n%s", err, got)
	}
}

// One log that cannot be read keeps no other from its verdict.
func TestVerifyGoesOnBesideAnUnreadableLog(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, _ := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	log, err := e.local.Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	path := filepath.Join(e.o.Config.DataDir, "tenants", log.ID(), "log", "0001.db")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, st.Size()), 0o600); err != nil {
		t.Fatal(err)
	}
	e, _ = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	got, err := printed(t, e, "verify", struct{}{})
	if !problem.Is(err, problem.Corrupt) || !strings.Contains(err.Error(), "1 log does not verify") ||
		!strings.Contains(got, "FAILED    log of tenant-1: cannot be verified: ") || !strings.Contains(got, "OK        tenant-2: ") || !strings.Contains(got, "OK        _platform: ") {
		t.Errorf("%v\n%s", err, got)
	}
	if err := e.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "tenant-1") {
		t.Errorf("ready: %v", err)
	}
	if _, err := printed(t, e, "verify", api.VerifyParams{Tenant: "tenant-1"}); !problem.Is(err, problem.Corrupt) {
		t.Errorf("asked for alone: %v", err)
	}
}

// A checkpoint of a log that another one continues is held against that log,
// which is still there.
func TestCheckpointOfAnEarlierLog(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	src.emit = []evidence.Draft{mergeDraft("acme/1", 1, clock.t.Add(-time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	one := mustTenant(t, "tenant-1")
	log, err := e.local.Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	_, signed, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	cfg := e.o.Config
	e.Close()
	if err := os.Remove(filepath.Join(e.o.Config.DataDir, "sign-state", log.ID())); err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(t.Context(), Options{Config: cfg, Clock: clock.now, Log: e.o.Log}, Acceptance{LostTail: true, Reason: "a test", Authority: "a test"}); err != nil {
		t.Fatal(err)
	}
	e, _ = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	now, err := e.local.Store.Log(one)
	if err != nil || now.Origin() == log.Origin() {
		t.Fatalf("the tenant goes on in %s, %v", now.Origin(), err)
	}
	got, err := printed(t, e, "verify", api.VerifyParams{Checkpoints: []store.Kept{{Name: "auditor", Signed: signed}}})
	if err != nil || !strings.Contains(got, "completeness  shown: up to size ") || !strings.Contains(got, log.Origin()) {
		t.Errorf("%v\n%s", err, got)
	}
}

// One log that is brought back from an older copy together with its sign-state
// agrees with itself: what _platform recorded of it, and what an earlier
// verification found, do not. The scrubber finds it as well.
func TestLogBroughtBackAlone(t *testing.T) {
	const recorded, verified = "the record of its checkpoints in _platform", "an earlier verification"
	t.Run("a tenant's", func(t *testing.T) { bringBackAlone(t, "tenant-1", recorded, verified) })
	t.Run("_platform's", func(t *testing.T) { bringBackAlone(t, "_platform", verified) })
}

func bringBackAlone(t *testing.T, name string, says ...string) {
	t.Helper()
	clock, dir := &testClock{begin}, t.TempDir()
	e, src := mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	collect := func(n int) {
		t.Helper()
		clock.t = clock.t.Add(time.Hour)
		src.emit = []evidence.Draft{mergeDraft("acme/1", n, clock.t.Add(-time.Minute), true), mergeDraft("acme/2", n, clock.t.Add(-time.Minute), true)}
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
	}
	collect(1)
	log, err := e.local.Store.Log(mustTenant(t, name))
	if err != nil {
		t.Fatal(err)
	}
	data := e.o.Config.DataDir
	paths := []string{filepath.Join(data, "tenants", log.ID()), filepath.Join(data, "sign-state", log.ID())}
	e.Close()
	old := t.TempDir()
	for i, path := range paths {
		if err := copyOf(path, filepath.Join(old, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	e, src = mustEngine(t, dir, clock, "tenant-1 tenant-2", "", nil)
	collect(2)
	if got, err := printed(t, e, "verify", struct{}{}); err != nil {
		t.Fatalf("before: %v\n%s", err, got)
	}
	e.Close()
	for i, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := copyOf(filepath.Join(old, string(rune('a'+i))), path); err != nil {
			t.Fatal(err)
		}
	}
	e, err = Open(t.Context(), Options{Config: e.o.Config, Clock: clock.now, Program: "evidenced test", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := printed(t, e, "verify", struct{}{})
	if !problem.Is(err, problem.Corrupt) || strings.Count(got, "FAILED") != 1 || !strings.Contains(got, "FAILED    "+name+": ") {
		t.Errorf("%v\n%s", err, got)
	}
	for _, want := range says {
		if !strings.Contains(got, want+" knows size ") || !strings.Contains(got, ": the end is lost") {
			t.Errorf("want %q:\n%s", want, got)
		}
	}
	if log, err = e.local.Store.Log(mustTenant(t, name)); err != nil {
		t.Fatal(err)
	}
	if rep, err := e.verify(t.Context(), log, store.VerifyOptions{}, false); err != nil || rep.OK() {
		t.Errorf("as the scrubber does: %+v, %v", rep, err)
	}
}

// copyOf copies a file or a directory.
func copyOf(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
