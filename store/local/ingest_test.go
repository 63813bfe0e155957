package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// failing is a backend whose log files refuse to append while told to.
type failing struct {
	store.Backend
	ids  sync.Map // ids of the logs that fail
	fail atomic.Bool
}

type failingFile struct {
	store.LogFile
	id string
	b  *failing
}

func (b *failing) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return &failingFile{f, id, b}, ix, nil
}

var errDisk = errors.New("no space left on device")

func (f *failingFile) Append(es []store.Entry, ts []store.Tile, h store.Head) error {
	if _, ok := f.b.ids.Load(f.id); ok && f.b.fail.Load() {
		return errDisk
	}
	return f.LogFile.Append(es, ts, h)
}

func parts(t testing.TB, key string, at time.Time, facts any, tenants ...string) []store.Part {
	var ps []store.Part
	for _, n := range tenants {
		ps = append(ps, store.Part{Tenant: tenant(t, n), Items: []store.Item{event(key, at, facts, person("7", "login"))}})
	}
	return ps
}

func keysOf(t *testing.T, l *Local, name string) map[string]int {
	t.Helper()
	log, err := l.Store.Log(tenant(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys := map[string]int{}
	for rec, err := range log.Snapshot().Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if err != nil {
			t.Fatal(err)
		}
		keys[rec.Key]++
	}
	return keys
}

// TestStoppedLogHoldsNobodyUp stops one tenant's log in the middle of a batch
// for three. The others go on, the batches stay durable, and after the next
// start the stopped log takes all of them, once, in order.
func TestStoppedLogHoldsNobodyUp(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	fb := &failing{}
	l, err := Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) { fb.Backend = o.Backend; o.Backend = fb; o.IntakeQuota = 20_000 }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	ctx := t.Context()
	all := []string{"tenant-1", "tenant-2", "tenant-3"}
	ingest := func(key string, n int, names ...string) []error {
		in, err := l.Store.Ingest(ctx, parts(t, key, start, map[string]int{"n": n}, names...))
		if err != nil {
			t.Fatal(err)
		}
		var errs []error
		for i := range names {
			_, err := in.Wait(ctx, i)
			errs = append(errs, err)
		}
		return errs
	}
	for _, err := range ingest("before", 1, all...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := l.Store.Log(tenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	fb.ids.Store(filepath.Base(log.Origin()), true)
	fb.fail.Store(true)
	for n := range 5 {
		// The same key with other facts each time: revisions, whose order and
		// number must come out right.
		for i, err := range ingest("revised", n, all...) {
			if i == 1 != errors.Is(err, store.ErrKept) || i != 1 && err != nil {
				t.Errorf("batch %d, %s: got %v", n, all[i], err)
			}
		}
	}
	if err := ingest("alone", 1, "tenant-2")[0]; !errors.Is(err, store.ErrKept) {
		t.Errorf("a batch for the stopped log alone: got %v, want kept", err)
	}
	if log.Stopped() == nil || log.Kept() == 0 {
		t.Errorf("the log does not say that it is stopped (%v) and that %d bytes wait", log.Stopped(), log.Kept())
	}
	full := false
	for n := 0; n < 100 && !full; n++ {
		errs := ingest(fmt.Sprint("more", n), n, "tenant-1", "tenant-2")
		full = errors.Is(errs[1], store.ErrQuota)
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
	}
	if !full {
		t.Error("the intake takes without end for a stopped log")
	}
	if err := l.Close(); err != nil {
		t.Logf("closing: %v", err) // the stopped log may say so again
	}

	l = openDir(t, dir, c)
	got := keysOf(t, l, "tenant-2")
	if got["before"] != 1 || got["revised"] != 5 || got["alone"] != 1 || got["more0"] != 1 {
		t.Errorf("the log took %v", got)
	}
	for _, n := range []string{"tenant-1", "tenant-3"} {
		if got := keysOf(t, l, n); got["revised"] != 5 {
			t.Errorf("%s has %v", n, got)
		}
	}
	l.Close()
	l = openDir(t, dir, c)
	if got := keysOf(t, l, "tenant-2"); got["revised"] != 5 {
		t.Errorf("taken again after another start: %v", got)
	}
}

// ingestUntilKilled sends batches for three tenants, each key twice with other
// facts, and tells a key once its second batch is durable.
func ingestUntilKilled(dir string) error {
	l, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	log, err := l.Store.Create(evidence.Platform)
	if err != nil {
		return err
	}
	// Each life has keys of its own.
	life := fmt.Sprint("life", rand.Uint64())
	if _, err := log.Append(context.Background(), []store.Item{event(life, start, map[string]int{})}); err != nil {
		return err
	}
	for n := log.Size() * 1_000_000; ; n++ {
		for rev := range 2 {
			var ps []store.Part
			for _, name := range []string{"tenant-1", "tenant-2", "tenant-3"} {
				tn, err := evidence.ParseTenant(name)
				if err != nil {
					return err
				}
				ps = append(ps, store.Part{Tenant: tn, Items: []store.Item{event(fmt.Sprint(n), start, map[string]int{"rev": rev})}})
			}
			if _, err := l.Store.Ingest(context.Background(), ps); err != nil {
				return err
			}
		}
		fmt.Fprintln(out, n)
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// Killed at any moment, every batch that was durable is in every log, its two
// revisions once each.
func TestKilledWhileIngesting(t *testing.T) {
	t.Setenv(crashHow, "ingest")
	var dir string
	var acked map[string]bool
	for i := range cycles(20) {
		if i%lives == 0 {
			dir, acked = filepath.Join(t.TempDir(), "data"), map[string]bool{}
		}
		runAndKill(t, dir, time.Duration(5+rand.IntN(60))*time.Millisecond, acked)
		l, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatalf("cycle %d: %v", i, err)
		}
		for _, name := range []string{"tenant-1", "tenant-2", "tenant-3"} {
			got := keysOf(t, l, name)
			for k := range acked {
				if got[k] != 2 {
					t.Errorf("cycle %d: %s has %d records of key %s, want 2", i, name, got[k], k)
				}
			}
			for k, n := range got {
				if n > 2 {
					t.Errorf("cycle %d: %s has %d records of key %s", i, name, n, k)
				}
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
