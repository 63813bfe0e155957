package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

// gated is a backend of which one log's next write waits at a gate.
type gated struct {
	store.Backend
	mu   sync.Mutex
	id   string
	gate chan struct{}
	at   chan struct{} // closed when the write is at the gate
}

type gatedFile struct {
	store.LogFile
	id string
	b  *gated
}

func (b *gated) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return &gatedFile{f, id, b}, ix, nil
}

func (f *gatedFile) Append(es []store.Entry, ts []store.Tile, h store.Head) error {
	f.b.mu.Lock()
	gate := f.b.gate
	if gate != nil && f.id == f.b.id {
		f.b.gate = nil
		close(f.b.at)
	} else {
		gate = nil
	}
	f.b.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return f.LogFile.Append(es, ts, h)
}

// intakeFrames counts the bytes that the intake has on the disk but for its
// first lines.
func intakeFrames(t testing.TB, dir string) (n int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "intake", "*.intake"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		n += len(b) - strings.IndexByte(string(b), '\n') - 1
	}
	return n
}

// A batch of three parts for a log, the second of which cannot become a record:
// the log stops, the third is not taken before it, and after the next start
// none that was promised is missing.
func TestStoppedAmidABatchLosesNothing(t *testing.T) {
	c, dir, ctx := &clock{start}, filepath.Join(t.TempDir(), "data"), t.Context()
	fb := &gated{}
	ring := &fickle{}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) {
		fb.Backend, o.Backend = o.Backend, fb
		ring.Keyring, o.Keys = o.Keys, ring
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, log, event("before", start, map[string]int{"n": 0}))
	fb.mu.Lock()
	fb.id, fb.gate, fb.at = filepath.Base(log.Origin()), make(chan struct{}), make(chan struct{})
	gate, at := fb.gate, fb.at
	fb.mu.Unlock()
	send := func(key string, p evidence.Person) *store.Ingested {
		in, err := l.Store.Ingest(ctx, []store.Part{
			{Tenant: tenant(t, "tenant-1"), Items: []store.Item{event(key, start, map[string]int{"n": 1}, p)}},
			{Tenant: tenant(t, "tenant-2"), Items: []store.Item{event(key, start, map[string]int{"n": 1})}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	first := send("first", person("1", "one")) // waits at the gate, so that the others share a batch
	<-at
	ring.fail("2")
	second, third := send("second", person("2", "two")), send("third", person("3", "three"))
	close(gate)
	if _, err := first.Wait(ctx, 0); err != nil {
		t.Error(err)
	}
	for name, in := range map[string]*store.Ingested{"second": second, "third": third} {
		if _, err := in.Wait(ctx, 0); !errors.Is(err, store.ErrKept) {
			t.Errorf("%s: got %v, want kept", name, err)
		}
	}
	if log.Stopped() == nil {
		t.Error("the log is not stopped")
	}
	if err := l.Close(); err != nil {
		t.Logf("closing: %v", err)
	}
	l = openDir(t, dir, c)
	if got := keysOf(t, l, "tenant-1"); got["first"] != 1 || got["second"] != 1 || got["third"] != 1 {
		t.Errorf("after the next start the log has %v", got)
	}
}

// fickle is a keyring that gives no key for a person.
type fickle struct {
	store.Keyring
	mu   sync.Mutex
	whom string
}

type fickleKeys struct {
	store.TenantKeys
	f *fickle
}

func (f *fickle) fail(id string) { f.mu.Lock(); f.whom = id; f.mu.Unlock() }

func (f *fickle) Tenant(t evidence.Tenant, create bool) (store.TenantKeys, error) {
	k, err := f.Keyring.Tenant(t, create)
	if err != nil {
		return nil, err
	}
	return &fickleKeys{k, f}, nil
}

func (k *fickleKeys) People(ids []store.Identity) ([]store.PersonKey, error) {
	k.f.mu.Lock()
	defer k.f.mu.Unlock()
	for _, id := range ids {
		if k.f.whom != "" && id.NativeID == k.f.whom {
			return nil, errDisk
		}
	}
	return k.TenantKeys.People(ids)
}

// A part that was kept for a stopped log reaches the log that continues it.
func TestKeptPartsReachTheNextLog(t *testing.T) {
	c, dir, ctx := &clock{start}, filepath.Join(t.TempDir(), "data"), t.Context()
	fb := &failing{}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) { fb.Backend = o.Backend; o.Backend = fb }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	ingest := func(key string, want error) {
		in, err := l.Store.Ingest(ctx, parts(t, key, start, map[string]int{"n": 1}, "tenant-1", "tenant-2"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Wait(ctx, 0); !errors.Is(err, want) {
			t.Fatalf("%s: got %v, want %v", key, err, want)
		}
	}
	ingest("taken", nil)
	log := logOf(t, l, "tenant-1")
	fb.ids.Store(filepath.Base(log.Origin()), true)
	fb.fail.Store(true)
	ingest("kept", store.ErrKept)
	end, err := json.Marshal(evidence.LogEnd{Origin: log.Origin(), Size: log.Size(), Why: "the disk was lost"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Logf("closing: %v", err)
	}
	k, err := keyring.OpenWith(t.Context(), keyring.Options{Dir: filepath.Join(dir, "keys"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Succeed(tenant(t, "tenant-1"), end), k.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l = openDir(t, dir, c)
		if got := keysOf(t, l, "tenant-1"); got["kept"] != 1 || got["taken"] != 0 {
			t.Errorf("the log that goes on has %v", got)
		}
		l.Close()
	}
}

// An erasure that a crash cut off before the intake was rid of the drafts is
// carried to its end at the next start.
func TestCutErasureForgetsTheIntake(t *testing.T) {
	c, dir, ctx := &clock{start}, filepath.Join(t.TempDir(), "data"), context.Background()
	l := openDir(t, dir, c)
	defer func() { l.Close() }()
	in, err := l.Store.Ingest(ctx, parts(t, "k", start, map[string]int{"n": 1}, "tenant-1", "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := in.Wait(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := l.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	p, err := keys.Lookup([]store.Identity{identityOf(person("7", "login"))})
	if err != nil || p[0].KeyID == "" {
		t.Fatal(p, err)
	}
	if _, err := l.Keys.Destroy(ctx, []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p[0].KeyID}}}, []byte(`{"tokens":{},"by":"1000","asked":"2026-11-01T08:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if intakeFrames(t, dir) == 0 {
		t.Fatal("the intake has nothing on the disk that could be forgotten")
	}
	l = openDir(t, dir, c)
	for _, n := range []string{"tenant-1", "tenant-2"} {
		if err := logOf(t, l, n).CaughtUp(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Store.SettleErasures(ctx); err != nil {
		t.Fatal(err)
	}
	if n := intakeFrames(t, dir); n != 0 {
		t.Errorf("the intake has %d bytes of drafts on the disk", n)
	}
}

// Nothing that the intake had of a tenant is on the disk once its keys are
// destroyed, taken or not; the others' parts stay.
func TestDestroyedTenantLeavesTheIntake(t *testing.T) {
	c, dir, ctx := &clock{start}, filepath.Join(t.TempDir(), "data"), t.Context()
	fb := &failing{}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) { fb.Backend = o.Backend; o.Backend = fb }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	for _, key := range []string{"taken", "kept"} {
		in, err := l.Store.Ingest(ctx, parts(t, key, start, map[string]int{"n": 1}, "tenant-1", "tenant-2"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if _, err := in.Wait(ctx, i); err != nil && !errors.Is(err, store.ErrKept) {
				t.Fatal(err)
			}
		}
		fb.ids.Store(filepath.Base(logOf(t, l, "tenant-1").Origin()), true)
		fb.fail.Store(true)
	}
	one := logOf(t, l, "tenant-1")
	if one.Kept() == 0 || intakeFrames(t, dir) == 0 {
		t.Fatal("nothing is kept")
	}
	if err := l.Store.DestroyTenant(tenant(t, "tenant-1"), one.Origin(), nil); err != nil {
		t.Logf("closing: %v", err)
	}
	if n := intakeFrames(t, dir); n != 0 {
		t.Errorf("the intake has %d bytes of drafts on the disk", n)
	}
}

// A hold that is placed again while the clock is behind holds all the same, and
// so does its release.
func TestHoldWithAClockSetBack(t *testing.T) {
	c, ctx := &clock{start}, t.Context()
	l := openDir(t, filepath.Join(t.TempDir(), "data"), c)
	defer l.Close()
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	f := evidence.HoldFacts{Name: "case-7", Reason: "a dispute", Authority: "counsel"}
	for range 2 {
		if _, err := log.PlaceHold(ctx, f); err != nil {
			t.Fatal(err)
		}
		if _, held := log.Held(ctx); !held {
			t.Error("a hold that was placed does not hold")
		}
		c.t = c.t.Add(-24 * 3600e9)
		if _, err := log.ReleaseHold(ctx, f); err != nil {
			t.Fatal(err)
		}
		if why, held := log.Held(ctx); held {
			t.Errorf("held after the release: %s", why)
		}
	}
}

// slow is a backend that keeps what outlives a segment only once it may.
type slow struct {
	store.Backend
	at, gate chan struct{}
}

type slowFile struct {
	store.LogFile
	b *slow
}

func (b *slow) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return &slowFile{f, b}, ix, nil
}

func (f *slowFile) Keep(r store.Remains) error {
	f.b.at <- struct{}{}
	<-f.b.gate
	return f.LogFile.Keep(r)
}

// Nobody is erased from a log while a retirement states its records again.
func TestEraseWaitsForARetirement(t *testing.T) {
	c, ctx, b := &clock{start}, t.Context(), &slow{at: make(chan struct{}, 100), gate: make(chan struct{})}
	l := months(t, filepath.Join(t.TempDir(), "data"), c, func(o *store.Options) { b.Backend, o.Backend = o.Backend, b })
	log := theLog(t, l)
	story(t, c, log)
	done := make(chan error, 1)
	go func() {
		_, err := log.Retire(ctx, retireAll)
		done <- err
	}()
	<-b.at
	rq := store.EraseRequest{Subject: identityOf(person("7", "mira")), By: "1000"}
	if _, err := l.Store.Erase(ctx, rq); !problem.Is(err, problem.Refused) {
		t.Errorf("while segments go: got %v, want refused", err)
	}
	close(b.gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := l.Store.Erase(ctx, rq); err != nil || len(got.Logs) != 1 || len(got.Logs[0].Still) != 0 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
}
