package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func openDir(t testing.TB, dir string, c *clock) *Local {
	t.Helper()
	l, err := Open(Options{Dir: dir, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func event(key string, at time.Time, facts any, people ...evidence.Person) store.Item {
	b, err := json.Marshal(facts)
	if err != nil {
		panic(err)
	}
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: key,
		Subject: evidence.NewRef("change", "prod", "acme/app!"+key), OccurredAt: at, Basis: evidence.BasisSource,
		ObservedAt: at.Add(time.Minute), Content: b, People: people, Links: []evidence.Ref{evidence.NewRef("commit", "", "aa"+key)},
		Text: []byte("title of " + key), Raw: []byte(`{"raw":"` + key + `"}`),
	}}
}

func state(subject string, at time.Time, facts any) store.Item {
	b, err := json.Marshal(facts)
	if err != nil {
		panic(err)
	}
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.DeployState, Op: evidence.OpSet, Source: "argocd/prod",
		Subject: evidence.NewRef("app", "prod", subject), OccurredAt: at, Basis: evidence.BasisObserved,
		ObservedAt: at, Content: b,
	}}
}

func person(id, login string) evidence.Person {
	return evidence.Person{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: id, Names: evidence.Names{Login: login}, Proof: evidence.ProofAuthenticated}
}

func mustAppend(t testing.TB, l *store.Log, items ...store.Item) store.Result {
	t.Helper()
	r, err := l.Append(context.Background(), items)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLogKeepsEventsStatesAndPeople(t *testing.T) {
	ctx := context.Background()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	loc := openDir(t, dir, c)
	log, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	r := mustAppend(t, log,
		event("1", start, map[string]any{"v": 1}, person("7", "mira")),
		event("1", start, map[string]any{"v": 1}, person("7", "mira")),
		event("1", start, map[string]any{"v": 2}, person("7", "mira")),
		event("1", start, map[string]any{"v": 3, "updated_at": "x"}, person("7", "mira")),
		event("1", start, map[string]any{"v": 3, "updated_at": "y"}, person("7", "mira")),
	)
	want := fmt.Sprint([]store.Fate{store.Appended, store.Repeated, store.Amended, store.Amended, store.Repeated})
	if got := fmt.Sprint(r.Fates); got != want {
		t.Errorf("fates of one key in one batch: got %s, want %s", got, want)
	}
	if r = mustAppend(t, log, event("1", start, map[string]any{"v": 4}, person("7", "mira-renamed"))); r.Fates[0] != store.Amended {
		t.Errorf("fate of a revision in a later batch: got %d, want amended", r.Fates[0])
	}

	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	a, b := map[string]any{"sync": "A"}, map[string]any{"sync": "B"}
	r = mustAppend(t, log, state("web", at(1), a), state("web", at(2), a), state("web", at(3), b), state("web", at(4), a))
	if got, want := fmt.Sprint(r.Fates), fmt.Sprint([]store.Fate{store.Appended, store.Unchanged, store.Appended, store.Appended}); got != want {
		t.Errorf("A, A, B, A in one batch: got %s, want %s", got, want)
	}
	if r = mustAppend(t, log, state("web", at(5), a)); r.Fates[0] != store.Unchanged {
		t.Errorf("A again in a later batch: got fate %d, want unchanged", r.Fates[0])
	}
	if r = mustAppend(t, log, state("web", at(2).Add(time.Minute), b)); r.Fates[0] != store.Appended {
		t.Errorf("B between A and B: got fate %d, want appended", r.Fates[0])
	}
	end := state("web", at(6), map[string]any{"reason": "absent"})
	end.Draft.Op = evidence.OpEnd
	mustAppend(t, log, end)

	check := func(stage string, log *store.Log) {
		t.Helper()
		rd := log.Snapshot()
		for _, q := range []struct {
			at   time.Time
			want string
		}{{at(0), ""}, {at(1), `{"sync":"A"}`}, {at(2).Add(2 * time.Minute), `{"sync":"B"}`}, {at(4), `{"sync":"A"}`}, {at(7), ""}} {
			got := ""
			for rec, err := range rd.States(ctx, evidence.DeployState, q.at) {
				if err != nil {
					t.Fatal(err)
				}
				got += string(rec.Facts)
			}
			if got != q.want {
				t.Errorf("%s: state at %s: got %q, want %q", stage, q.at, got, q.want)
			}
		}
		n := 0
		for rec, err := range rd.Records(ctx, evidence.Query{Link: evidence.NewRef("commit", "", "aa1"), WithText: true, WithRaw: true}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if string(rec.Text) != "title of 1" || string(rec.Raw) != `{"raw":"1"}` {
				t.Errorf("%s: record %d: text %q, raw %q", stage, rec.Seq, rec.Text, rec.Raw)
			}
			id, err := rd.Identity(ctx, rec.People[0].Token)
			if err != nil || id.Names.Login != "mira-renamed" || id.NativeID != "7" {
				t.Errorf("%s: identity: got %+v, %v", stage, id, err)
			}
		}
		if n != 4 {
			t.Errorf("%s: records linked to the commit: got %d, want 4", stage, n)
		}
		rep, err := log.Verify(ctx, store.VerifyOptions{Deep: true})
		if err != nil || !rep.OK() {
			t.Errorf("%s: verify: %v, %+v", stage, err, rep)
		}
	}
	check("first open", log)
	if _, _, err := log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	size := log.Size()
	if err := loc.Close(); err != nil {
		t.Fatal(err)
	}

	loc = openDir(t, dir, c)
	if log, err = loc.Store.Log(tenant(t, "tenant-1")); err != nil {
		t.Fatal(err)
	}
	if log.Size() != size {
		t.Errorf("size after reopening: got %d, want %d", log.Size(), size)
	}
	check("second open", log)
	if r := mustAppend(t, log, event("1", start, map[string]any{"v": 4}, person("7", "mira-renamed"))); r.Fates[0] != store.Repeated {
		t.Errorf("after reopening: got fate %d, want repeated", r.Fates[0])
	}
	loc.Close()

	// Without its index the log answers the same.
	m, _ := filepath.Glob(filepath.Join(dir, "tenants", "*", "index"))
	if len(m) == 0 {
		t.Fatal("no index to remove")
	}
	for _, p := range m {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
	}
	loc = openDir(t, dir, c)
	if log, err = loc.Store.Log(tenant(t, "tenant-1")); err != nil {
		t.Fatal(err)
	}
	check("rebuilt index", log)
}

// A directory is waited for while a question holds it, which ends; a daemon, which
// has a socket, is not waited for.
func TestOpenWaitsForQuestion(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	held := openDir(t, dir, c)
	time.AfterFunc(100*time.Millisecond, func() { held.Close() })
	l, err := Open(Options{Dir: dir, Clock: c.now, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l, err := Open(Options{Dir: dir, Clock: c.now, Patience: 50 * time.Millisecond}); !problem.Is(err, problem.Locked) {
		t.Errorf("a question that does not end: %v, %v", l, err)
	}
	if err := l.SetSocket("/run/some.sock"); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if l, err := Open(Options{Dir: dir, Clock: c.now, Patience: time.Hour}); !problem.Is(err, problem.Locked) || time.Since(begun) > time.Minute {
		t.Errorf("a daemon: %v, %v after %v", l, err, time.Since(begun))
	}
}

func TestOpenRefuses(t *testing.T) {
	c := &clock{start}
	newDir := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "data")
		l := openDir(t, dir, c)
		if _, err := l.Store.Create(tenant(t, "tenant-1")); err != nil {
			t.Fatal(err)
		}
		l.Close()
		return dir
	}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, dir string)
		code problem.Code
	}{
		{"held by another", func(t *testing.T, dir string) { openDir(t, dir, c) }, problem.Locked},
		{"readable by others", func(t *testing.T, dir string) { os.Chmod(dir, 0o755) }, problem.Refused},
		{"wrapping key readable by others", func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, "keys/wrapping.key"), 0o640) }, problem.Refused},
		{"wrapping key missing", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "keys/wrapping.key")) }, problem.Refused},
		{"log key missing", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "keys/log.key")) }, problem.Refused},
		{"log key damaged", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "keys/log.key"), []byte("x\n"), 0o600) }, problem.Corrupt},
		{"installation damaged", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "installation"), []byte("{"), 0o600) }, problem.Corrupt},
		{"newer format", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "installation"), []byte(`{"format":2,"installation":"ab"}`), 0o600)
		}, problem.Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := newDir(t)
			tc.do(t, dir)
			l, err := Open(Options{Dir: dir, Clock: c.now})
			if err == nil {
				l.Close()
			}
			if !problem.Is(err, tc.code) {
				t.Errorf("got %v, want a problem of code %s", err, tc.code)
			}
		})
	}
	t.Run("foreign directory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "x")
		os.MkdirAll(dir, 0o700)
		os.WriteFile(filepath.Join(dir, "holiday.jpg"), nil, 0o600)
		if _, err := Open(Options{Dir: dir}); !problem.Is(err, problem.Refused) {
			t.Errorf("got %v, want refused", err)
		}
	})
	t.Run("simulated, and the installation file edited", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "x")
		l, err := Open(Options{Dir: dir, Simulated: true})
		if err != nil {
			t.Fatal(err)
		}
		log, err := l.Store.Create(tenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, log, event("1", start, map[string]int{"v": 1}))
		l.Close()
		path := filepath.Join(dir, "installation")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"simulated"`, `"real"`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if log, err = l.Store.Log(tenant(t, "tenant-1")); err != nil {
			t.Fatal(err)
		}
		if _, err := log.Verify(context.Background(), store.VerifyOptions{}); !problem.Is(err, problem.Corrupt) {
			t.Errorf("a demonstration passed for real: %v", err)
		}
	})
	t.Run("simulated", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "x")
		l, err := Open(Options{Dir: dir, Simulated: true})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := Open(Options{Dir: dir}); !problem.Is(err, problem.Refused) {
			t.Errorf("real daemon on a simulated directory: got %v, want refused", err)
		}
		if _, err := Open(Options{Dir: newDir(t), Simulated: true}); !problem.Is(err, problem.Refused) {
			t.Errorf("demonstration on a real directory: got %v, want refused", err)
		}
	})
}

// An older copy of a log never signs again, and a changed one neither.
func TestRolledBackCopyStops(t *testing.T) {
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	grow := func(from, to int) {
		l := openDir(t, dir, c)
		log, err := l.Store.Create(tenant(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			mustAppend(t, log, event(fmt.Sprint(i), start, map[string]int{"v": i}))
		}
		if _, _, err := log.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	grow(0, 10)
	old := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "tenants"))); err != nil {
		t.Fatal(err)
	}
	grow(10, 20)
	os.RemoveAll(filepath.Join(dir, "tenants"))
	if err := os.Rename(old, filepath.Join(dir, "tenants")); err != nil {
		t.Fatal(err)
	}
	l := openDir(t, dir, c)
	log, err := l.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(context.Background(), []store.Item{event("x", start, map[string]int{"v": 1})}); !problem.Is(err, problem.Corrupt) {
		t.Errorf("append to a rolled-back log: got %v, want corrupt", err)
	}
	if _, _, err := log.Checkpoint(); err == nil {
		t.Error("a rolled-back log signed a checkpoint")
	}
	if other, err := l.Store.Create(tenant(t, "tenant-2")); err != nil {
		t.Errorf("another tenant is stopped too: %v", err)
	} else {
		mustAppend(t, other, event("x", start, map[string]int{"v": 1}))
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			c := &clock{start}
			l := openDir(b, filepath.Join(b.TempDir(), "data"), c)
			log, err := l.Store.Create(tenant(b, "tenant-1"))
			if err != nil {
				b.Fatal(err)
			}
			filler := make([]byte, 700)
			for i := range filler {
				filler[i] = 'a' + byte(i%26)
			}
			n := 0
			for b.Loop() {
				items := make([]store.Item, batch)
				for i := range items {
					n++
					items[i] = event(fmt.Sprint(n), start.Add(time.Duration(n)*time.Second), map[string]string{"v": string(filler)})
					items[i].Draft.Raw, items[i].Draft.Text = nil, nil
				}
				mustAppend(b, log, items...)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// What links know by name alone is found by that name whatever its uid, in the
// stored index as in the tail before it.
func TestQueryByNameWithoutUID(t *testing.T) {
	ctx := t.Context()
	loc := openDir(t, filepath.Join(t.TempDir(), "data"), &clock{start})
	l, err := loc.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	named := evidence.NewRef("app", "prod", "argocd/web")
	for i, uid := range []string{"1", "2"} {
		it := state(named.Name, start.Add(time.Duration(i)*time.Hour), map[string]string{"uid": uid})
		it.Draft.Subject = named.WithUID(uid)
		mustAppend(t, l, it)
	}
	ask := func(when string) {
		t.Helper()
		for _, tt := range []struct {
			q    evidence.Query
			want int
		}{{evidence.Query{Link: named}, 2}, {evidence.Query{Link: named.WithUID("2")}, 1}, {evidence.Query{Link: named.WithUID("3")}, 0}, {evidence.Query{Subject: named}, 0}} {
			got := 0
			for rec, err := range l.Snapshot().Records(ctx, tt.q) {
				if err != nil {
					t.Fatal(err)
				}
				if rec.Subject.Name != named.Name {
					t.Errorf("%s: found %s", when, rec.Subject)
				}
				got++
			}
			if got != tt.want {
				t.Errorf("%s, %+v: got %d records, want %d", when, tt.q, got, tt.want)
			}
		}
	}
	ask("in the tail")
	if err := l.WaitIndexed(ctx); err != nil {
		t.Fatal(err)
	}
	ask("in the index")
}
