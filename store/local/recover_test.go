package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

// copyTree copies a directory as a disk snapshot does.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
}

// signedRoots remembers every checkpoint ever signed and fails on two roots of
// one size of one origin.
type signedRoots map[string]evidence.Hash

func (s signedRoots) add(t testing.TB, c chain.Checkpoint) {
	t.Helper()
	id := fmt.Sprintf("%s %d", c.Origin, c.Size)
	if before, ok := s[id]; ok && before != c.Root {
		t.Fatalf("two trees of one size were signed: %s with roots %s and %s", id, before, c.Root)
	}
	s[id] = c.Root
}

func grow(t testing.TB, log *store.Log, roots signedRoots, name string, n int) (chain.Checkpoint, []byte) {
	t.Helper()
	for i := range n {
		mustAppend(t, log, event(fmt.Sprintf("%s-%d", name, i), start, map[string]int{"v": i}, person("7", "mira")))
	}
	c, signed, err := log.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	roots.add(t, c)
	return c, signed
}

func facts(t testing.TB, log *store.Log, kind evidence.Kind, into any) (n int) {
	t.Helper()
	for rec, err := range log.Snapshot().Records(context.Background(), evidence.Query{Kinds: []evidence.Kind{kind}}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(rec.Facts, into); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// What a copy comes back with decides whether it goes on, and no way of coming
// back signs a second tree of a size.
func TestCopiesComeBack(t *testing.T) {
	ctx := context.Background()
	type world struct {
		dir, old, newest string // the directory; a snapshot of it before, and after, the last checkpoint
		early, late      store.Known
	}
	outside := func(name string, k store.Known) store.Known { k.From, k.Outside = name, true; return k }
	for _, tc := range []struct {
		name    string
		arrange func(t *testing.T, w world) string // returns the directory that comes back
		given   func(w world) []store.Known
		stopped bool
		verdict store.Stand
	}{
		{"nothing happened", func(t *testing.T, w world) string { return w.dir }, nil, false, store.Whole},
		{"newest copy, sign-state lost", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.newest, "sign-state"))
			return w.newest
		}, nil, true, store.NotKnown},
		{"newest copy, sign-state lost, newest anchor given", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.newest, "sign-state"))
			return w.newest
		}, func(w world) []store.Known { return []store.Known{outside("auditor", w.late)} }, true, store.Whole},
		{"newest copy, sign-state lost, older anchor given", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.newest, "sign-state"))
			return w.newest
		}, func(w world) []store.Known { return []store.Known{outside("auditor", w.early)} }, true, store.NotKnown},
		{"old copy, sign-state kept", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.dir, "tenants"))
			copyTree(t, filepath.Join(w.old, "tenants"), filepath.Join(w.dir, "tenants"))
			return w.dir
		}, nil, true, store.TailLost},
		{"newest copy, sign-state old", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.newest, "sign-state"))
			copyTree(t, filepath.Join(w.old, "sign-state"), filepath.Join(w.newest, "sign-state"))
			return w.newest
		}, nil, true, store.NotKnown},
		{"old copy, sign-state lost, newest anchor given", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.old, "sign-state"))
			return w.old
		}, func(w world) []store.Known { return []store.Known{outside("auditor", w.late)} }, true, store.TailLost},
		{"everything rolled back, newest anchor given", func(t *testing.T, w world) string { return w.old },
			func(w world) []store.Known { return []store.Known{outside("witness", w.late)} }, false, store.TailLost},
		{"records lost altogether, keys kept", func(t *testing.T, w world) string {
			os.RemoveAll(filepath.Join(w.dir, "tenants"))
			os.RemoveAll(filepath.Join(w.dir, "sign-state"))
			return w.dir
		}, nil, true, store.NotKnown},
		{"another tree was signed", func(t *testing.T, w world) string { return w.dir }, func(w world) []store.Known {
			k := outside("witness", w.early)
			k.Root[0] ^= 1
			return []store.Known{k}
		}, false, store.OtherTree},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, base, roots := &clock{start}, t.TempDir(), signedRoots{}
			w := world{dir: filepath.Join(base, "data"), old: filepath.Join(base, "old"), newest: filepath.Join(base, "newest")}
			tn := tenant(t, "tenant-1")
			known := func(cp chain.Checkpoint) store.Known { return store.Known{Size: cp.Size, Root: cp.Root} }
			for i, snapshot := range []string{w.old, w.newest} {
				l := openDir(t, w.dir, c)
				log, err := l.Store.Create(tn)
				if err != nil {
					t.Fatal(err)
				}
				cp, _ := grow(t, log, roots, fmt.Sprint("batch", i), 3)
				if i == 0 {
					w.early = known(cp)
				}
				w.late = known(cp)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				copyTree(t, w.dir, snapshot)
			}
			var given []store.Known
			if tc.given != nil {
				given = tc.given(w)
			}
			dir := tc.arrange(t, w)
			l := openDir(t, dir, c)
			log, err := l.Store.Log(tn)
			if err != nil {
				t.Fatal(err)
			}
			if err := log.Stopped(); (err != nil) != tc.stopped {
				t.Errorf("stopped: %v, want %v", err, tc.stopped)
			}
			if tc.stopped {
				if _, _, err := log.Checkpoint(); err == nil {
					t.Error("it signed a checkpoint before it was accepted")
				}
				if _, err := log.Append(ctx, []store.Item{event("x", start, map[string]int{})}); err == nil {
					t.Error("it took a record before it was accepted")
				}
			}
			st, err := log.Standing(given)
			if err != nil || st.Verdict != tc.verdict {
				t.Fatalf("standing: %+v, %v; want %s", st, err, tc.verdict)
			}
			origin := log.Origin()
			if tc.verdict == store.Whole {
				if _, err := l.Store.Accept(ctx, tn, store.Acceptance{Given: given, Reason: "test", Authority: "test"}); err != nil {
					t.Fatal(err)
				}
			} else {
				if _, err := l.Store.Accept(ctx, tn, store.Acceptance{Given: given, Reason: "test", Authority: "test"}); !problem.Is(err, problem.Refused) {
					t.Fatalf("accepted without --lost-tail: %v", err)
				}
				if _, err := l.Store.Accept(ctx, tn, store.Acceptance{Given: given, LostTail: true, Reason: "test", Authority: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			l.Close()
			l = openDir(t, dir, c) // a restart finds it the same
			if log, err = l.Store.Log(tn); err != nil || log.Stopped() != nil {
				t.Fatalf("after it was accepted: %v, %v", err, log.Stopped())
			}
			if (log.Origin() == origin) != (tc.verdict == store.Whole) {
				t.Errorf("verdict %s, origin before %s, now %s", tc.verdict, origin, log.Origin())
			}
			var rf evidence.RecoveredFacts
			if n := facts(t, log, evidence.LogRecovered, &rf); n != 1 || rf.Reason != "test" || rf.Authority != "test" {
				t.Errorf("%d log.recovered records, the last %+v", n, rf)
			}
			grow(t, log, roots, "after", 4)
			rep, err := log.Verify(ctx, store.VerifyOptions{Deep: true})
			if err != nil || !rep.OK() {
				t.Errorf("verify: %v %+v", err, rep)
			}
			checkPrior(t, l, tn, st, w.late)
		})
	}
}

// checkPrior looks at the log that was given up, if one was.
func checkPrior(t *testing.T, l *Local, tn evidence.Tenant, st store.Standing, late store.Known) {
	t.Helper()
	prior, err := l.Store.Prior(tn)
	if err != nil {
		t.Fatal(err)
	}
	if st.Verdict == store.Whole {
		if len(prior) != 0 {
			t.Errorf("%d earlier logs of a log that went on", len(prior))
		}
		return
	}
	if len(prior) != 1 || prior[0].Origin() != st.Origin {
		t.Fatalf("earlier logs: %v, want the one given up", prior)
	}
	if _, _, err := prior[0].Checkpoint(); err == nil {
		t.Error("the log that was given up signs")
	}
	if _, err := prior[0].Append(context.Background(), []store.Item{event("x", start, map[string]int{})}); err == nil {
		t.Error("the log that was given up takes records")
	}
	if prior[0].Size() != st.Size {
		t.Errorf("the log that was given up has %d records, had %d", prior[0].Size(), st.Size)
	}
	for rec, err := range prior[0].Snapshot().Records(context.Background(), evidence.Query{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if err != nil || len(rec.Facts) == 0 {
			t.Errorf("a record of the log that was given up cannot be read: %v", err)
		}
	}
	log, err := l.Store.Log(tn)
	if err != nil {
		t.Fatal(err)
	}
	var g evidence.GenesisFacts
	if facts(t, log, evidence.LogGenesis, &g) != 1 || g.Predecessor == nil || g.Predecessor.Origin != st.Origin || g.Predecessor.Why != "test" ||
		g.Predecessor.Size != st.Common.Size || g.Predecessor.Root != st.Common.Root {
		t.Errorf("genesis names predecessor %+v, want the common checkpoint %+v", g.Predecessor, st.Common)
	}
	if st.Verdict == store.TailLost && (g.Predecessor.Lost == nil || g.Predecessor.Lost.Size != late.Size || g.Predecessor.Lost.Root != late.Root) {
		t.Errorf("genesis names as lost %+v, want %+v", g.Predecessor.Lost, late)
	}
}

// Between the keyring's turn to a new log and its genesis a crash may come: the
// genesis still names its predecessor.
func TestCrashBeforeNewGenesis(t *testing.T) {
	c, dir, tn := &clock{start}, filepath.Join(t.TempDir(), "data"), tenant(t, "tenant-1")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tn)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, log, signedRoots{}, "a", 2)
	origin := log.Origin()
	if err := l.Keys.Succeed(tn, []byte(`{"origin":"`+origin+`","size":3,"why":"cut"}`)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = openDir(t, dir, c)
	if log, err = l.Store.Log(tn); err != nil || log.Stopped() != nil {
		t.Fatal(err, log.Stopped())
	}
	var g evidence.GenesisFacts
	if facts(t, log, evidence.LogGenesis, &g) != 1 || log.Origin() == origin || g.Predecessor == nil || g.Predecessor.Origin != origin || g.Predecessor.Why != "cut" {
		t.Errorf("genesis of %s: %+v", log.Origin(), g)
	}
}

// A directory from a backup takes nothing, whatever its sign-state says, until
// it is accepted.
func TestRestoredDirectory(t *testing.T) {
	c, dir, tn := &clock{start}, filepath.Join(t.TempDir(), "data"), tenant(t, "tenant-1")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tn)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, log, signedRoots{}, "a", 2)
	l.Close()
	if err := os.WriteFile(filepath.Join(dir, BackupManifest), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	l = openDir(t, dir, c)
	if log, err = l.Store.Log(tn); err != nil || !problem.Is(log.Stopped(), problem.Refused) {
		t.Errorf("restored log: %v, stopped %v", err, log.Stopped())
	}
	if rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: true}); err != nil || rep.Records != 3+1 {
		t.Errorf("it cannot be verified: %+v %v", rep, err)
	}
	l.Close()
	l, err = Open(Options{Dir: dir, Clock: c.now, Accepting: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Store.Accept(context.Background(), tn, store.Acceptance{Reason: "r", Authority: "a"}); err != nil {
		t.Error(err)
	}
	if err := l.Accepted(); err != nil {
		t.Error(err)
	}
	l.Close()
	l = openDir(t, dir, c)
	if log, err = l.Store.Log(tn); err != nil || log.Stopped() != nil {
		t.Errorf("after it was accepted: %v %v", err, log.Stopped())
	}
}

// An unsigned tail that the disk did not keep is recorded, once, and the log
// goes on; a signed one stops the log.
func TestLostTail(t *testing.T) {
	for _, signed := range []bool{false, true} {
		c, base, tn := &clock{start}, t.TempDir(), tenant(t, "tenant-1")
		dir, before := filepath.Join(base, "data"), filepath.Join(base, "before")
		l := openDir(t, dir, c)
		log, err := l.Store.Create(tn)
		if err != nil {
			t.Fatal(err)
		}
		roots := signedRoots{}
		cp, _ := grow(t, log, roots, "kept", 3)
		l.Close()
		copyTree(t, dir, before)
		l = openDir(t, dir, c)
		if log, err = l.Store.Log(tn); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			mustAppend(t, log, event(fmt.Sprint("lost", i), start, map[string]int{"v": i}))
		}
		if err := log.WaitIndexed(context.Background()); err != nil {
			t.Fatal(err)
		}
		l.Close() // signs; what follows puts the sign-state back where nothing of the tail was signed
		seg := filepath.Join("tenants", log.ID(), "log")
		os.RemoveAll(filepath.Join(dir, seg))
		copyTree(t, filepath.Join(before, seg), filepath.Join(dir, seg))
		if !signed {
			os.RemoveAll(filepath.Join(dir, "sign-state"))
			copyTree(t, filepath.Join(before, "sign-state"), filepath.Join(dir, "sign-state"))
		}
		for range 2 {
			l = openDir(t, dir, c)
			if log, err = l.Store.Log(tn); err != nil {
				t.Fatal(err)
			}
			if stopped := log.Stopped(); (stopped != nil) != signed {
				t.Fatalf("signed %v: stopped %v", signed, stopped)
			}
			if !signed {
				var f evidence.RecoveredFacts
				if n := facts(t, log, evidence.LogRecovered, &f); n != 1 || f.Outcome != "unsigned-tail-lost" || f.Size != cp.Size || f.Lost != 5 {
					t.Errorf("%d log.recovered, the last %+v; want 5 records lost after %d", n, f, cp.Size)
				}
			}
			l.Close()
		}
	}
}

// A crash between finding the loss and recording it does not forget it.
func TestLostTailIsToldAfterCrash(t *testing.T) {
	c, dir, tn := &clock{start}, filepath.Join(t.TempDir(), "data"), tenant(t, "tenant-1")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tn)
	if err != nil {
		t.Fatal(err)
	}
	cp, _ := grow(t, log, signedRoots{}, "kept", 3)
	l.Close()
	path := filepath.Join(dir, "sign-state", log.ID()+".lost")
	if err := os.WriteFile(path, fmt.Appendf(nil, "7 %d\n", cp.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	l, err = Open(Options{Dir: dir, Clock: c.now, Store: func(o *store.Options) {
		o.Lost = func(tn evidence.Tenant, since time.Time) error {
			told = append(told, tn.String()+" "+since.Format(time.RFC3339))
			return nil
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if log, err = l.Store.Log(tn); err != nil || log.Stopped() != nil {
		t.Fatal(err, log.Stopped())
	}
	var f evidence.RecoveredFacts
	if n := facts(t, log, evidence.LogRecovered, &f); n != 1 || f.Lost != 7 || f.Size != cp.Size {
		t.Errorf("%d log.recovered, %+v", n, f)
	}
	if want := tn.String() + " " + start.Format(time.RFC3339); len(told) != 1 || told[0] != want {
		t.Errorf("the daemon was told %q, want %q once", told, want)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark stays: %v", err)
	}
}

// Each thing a crash may leave behind is found at the next start.
func TestStartAfterCrash(t *testing.T) {
	big := strings.Repeat("garbage ", 20_000)
	for _, tc := range []struct {
		name  string
		leave func(t *testing.T, dir, home string)
		err   problem.Code // of opening or of the log; "" when it goes on
	}{
		{"empty segment", func(t *testing.T, _, home string) { write(t, filepath.Join(home, "log", "0002.db"), "") }, ""},
		{"half-made segment", func(t *testing.T, _, home string) { write(t, filepath.Join(home, "log", "0002.db"), big[:9000]) }, ""},
		{"segment of garbage", func(t *testing.T, _, home string) { write(t, filepath.Join(home, "log", "0002.db"), big) }, problem.Corrupt},
		{"segment cut short", func(t *testing.T, _, home string) {
			if err := os.Truncate(filepath.Join(home, "log", "0001.db"), 40_000); err != nil {
				t.Fatal(err)
			}
		}, problem.Corrupt},
		{"index of garbage", func(t *testing.T, _, home string) {
			es, err := os.ReadDir(filepath.Join(home, "index"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range es {
				write(t, filepath.Join(home, "index", e.Name()), "garbage")
			}
		}, ""},
		{"index gone", func(t *testing.T, _, home string) { os.RemoveAll(filepath.Join(home, "index")) }, ""},
		{"cursors of garbage", func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, "cursors.db"), big) }, ""},
		{"cursors cut short", func(t *testing.T, dir, _ string) {
			if err := os.Truncate(filepath.Join(dir, "cursors.db"), 20_000); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"lock of a dead process", func(t *testing.T, dir, _ string) { write(t, LockPath(dir), "999999\n/run/nobody.sock\n") }, ""},
		{"installation half written", func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, "installation.new"), "{") }, ""},
		{"keyring half rewritten", func(t *testing.T, dir, _ string) { write(t, filepath.Join(dir, "keys", "keyring.db.new"), "half") }, ""},
		{"sign-state half replaced", func(t *testing.T, dir, home string) {
			write(t, filepath.Join(dir, "sign-state", filepath.Base(home)+".new"), "9")
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, dir, tn := &clock{start}, filepath.Join(t.TempDir(), "data"), tenant(t, "tenant-1")
			l := openDir(t, dir, c)
			log, err := l.Store.Create(tn)
			if err != nil {
				t.Fatal(err)
			}
			cp, _ := grow(t, log, signedRoots{}, "a", 3)
			other, err := l.Store.Create(tenant(t, "tenant-2"))
			if err != nil {
				t.Fatal(err)
			}
			grow(t, other, signedRoots{}, "a", 1)
			if err := l.Store.Cursors().PutCursor("x", []byte("kept")); err != nil {
				t.Fatal(err)
			}
			l.Close()
			tc.leave(t, dir, filepath.Join(dir, "tenants", log.ID()))
			l = openDir(t, dir, c)
			if other, err = l.Store.Log(tenant(t, "tenant-2")); err != nil || other.Stopped() != nil {
				t.Fatalf("the other tenant is held up: %v", err)
			}
			grow(t, other, signedRoots{}, "b", 1)
			if log, err = l.Store.Log(tn); err != nil {
				t.Fatal(err)
			}
			if stopped := log.Stopped(); tc.err != "" {
				if !problem.Is(stopped, tc.err) {
					t.Errorf("got %v, want a problem of code %s", stopped, tc.err)
				}
				return
			} else if stopped != nil {
				t.Fatal(stopped)
			}
			if log.Size() != cp.Size {
				t.Errorf("%d records, had %d", log.Size(), cp.Size)
			}
			if missing, err := log.CheckIndex(context.Background()); err != nil || missing > 0 {
				t.Errorf("%d records are not indexed: %v", missing, err)
			}
			if rep, err := log.Verify(context.Background(), store.VerifyOptions{}); err != nil || !rep.OK() {
				t.Errorf("verify: %+v %v", rep, err)
			}
			v, err := l.Store.Cursors().Cursor("x")
			if lost := strings.HasPrefix(tc.name, "cursors"); err != nil || lost != (v == nil) {
				t.Errorf("cursor: %q, %v", v, err)
			}
			if lost := strings.HasPrefix(tc.name, "cursors"); lost != (len(l.Damaged()) == 1) {
				t.Errorf("moved aside: %v", l.Damaged())
			}
			grow(t, log, signedRoots{}, "b", 2)
		})
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A rotation of the log key that ends at any step is taken up at the next
// start: afterwards one key signs, every log was handed over, and old
// checkpoints verify by the old key alone.
func TestLogKeyRotation(t *testing.T) {
	ctx := context.Background()
	keys := func(dir string) string { return filepath.Join(dir, "keys") }
	mv := func(t *testing.T, dir, from, to string) {
		if err := os.Rename(filepath.Join(keys(dir), from), filepath.Join(keys(dir), to)); err != nil {
			t.Fatal(err)
		}
	}
	why := keyring.Rotation{Reason: "yearly"}
	for _, tc := range []struct {
		name string
		cut  func(t *testing.T, l *Local, dir string) // ends with the directory as a crash leaves it
	}{
		{"uncut", func(t *testing.T, l *Local, _ string) {
			if _, err := l.RotateLogKey(ctx, why); err != nil {
				t.Fatal(err)
			}
		}},
		{"after the new key was made", func(t *testing.T, l *Local, dir string) {
			if _, _, err := keyring.BeginRotation(keys(dir), why); err != nil {
				t.Fatal(err)
			}
		}},
		{"after one log", func(t *testing.T, l *Local, dir string) {
			r, next, err := keyring.BeginRotation(keys(dir), why)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Store.AddLogKey(next.Verifier, next.Signer); err != nil {
				t.Fatal(err)
			}
			if err := l.rotateIn(ctx, tenant(t, "tenant-2"), r); err != nil {
				t.Fatal(err)
			}
		}},
		{"after all logs", func(t *testing.T, l *Local, dir string) {
			r, next, err := keyring.BeginRotation(keys(dir), why)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Store.AddLogKey(next.Verifier, next.Signer); err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"tenant-1", "tenant-2"} {
				if err := l.rotateIn(ctx, tenant(t, n), r); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"after the old key was renamed", func(t *testing.T, l *Local, dir string) {
			if _, err := l.RotateLogKey(ctx, why); err != nil {
				t.Fatal(err)
			}
			mv(t, dir, "log.key", "log.key.next")
			write(t, filepath.Join(keys(dir), "log.key.old"), "old bytes")
		}},
		{"before the old key was destroyed", func(t *testing.T, l *Local, dir string) {
			if _, err := l.RotateLogKey(ctx, why); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(keys(dir), "log.key.old"), "old bytes")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, base, roots := &clock{start}, t.TempDir(), signedRoots{}
			dir, after := filepath.Join(base, "data"), filepath.Join(base, "after")
			l := openDir(t, dir, c)
			oldKey := l.LogKey.Verifier
			old := map[string]chain.Checkpoint{}
			oldNote := map[string][]byte{}
			for _, n := range []string{"tenant-1", "tenant-2"} {
				log, err := l.Store.Create(tenant(t, n))
				if err != nil {
					t.Fatal(err)
				}
				old[n], oldNote[n] = grow(t, log, roots, n, 3)
			}
			secret, err := os.ReadFile(filepath.Join(keys(dir), "log.key"))
			if err != nil {
				t.Fatal(err)
			}
			tc.cut(t, l, dir)
			copyTree(t, dir, after) // what the disk holds when the process dies here
			l.Close()
			l = openDir(t, after, c)
			if _, err := l.ResumeRotation(ctx); err != nil {
				t.Fatal(err)
			}
			newKey := l.LogKey.Verifier
			if newKey == oldKey {
				t.Fatal("the old key is in force")
			}
			for _, n := range []string{"tenant-1", "tenant-2"} {
				log, err := l.Store.Log(tenant(t, n))
				if err != nil {
					t.Fatal(err)
				}
				checkRotated(t, log, roots, oldKey, newKey, old[n], oldNote[n])
			}
			fresh, err := l.Store.Create(tenant(t, "tenant-3"))
			if err != nil {
				t.Fatal(err)
			}
			grow(t, fresh, roots, "fresh", 1)
			if ks := fresh.LogKeys(); len(ks) != 1 || ks[0].Key != newKey {
				t.Errorf("a log begun later has keys %v", ks)
			}
			left, err := filepath.Glob(filepath.Join(keys(after), "log.key*"))
			if err != nil || len(left) != 1 {
				t.Errorf("key files left: %v", left)
			}
			if err := filepath.WalkDir(after, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				b, err := os.ReadFile(path)
				if err == nil && strings.Contains(string(b), strings.SplitN(string(secret), "\n", 2)[0]) {
					t.Errorf("%s holds the old private key", path)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			l.Close()
			l = openDir(t, after, c) // and the next start needs nothing more
			if there, err := l.ResumeRotation(ctx); there || err != nil {
				t.Errorf("a rotation is still under way: %v %v", there, err)
			}
			log, err := l.Store.Log(tenant(t, "tenant-1"))
			if err != nil || log.Stopped() != nil {
				t.Fatal(err, log.Stopped())
			}
			grow(t, log, roots, "later", 1)
		})
	}
}

func checkRotated(t *testing.T, log *store.Log, roots signedRoots, oldKey, newKey string, old chain.Checkpoint, oldNote []byte) {
	t.Helper()
	if err := log.Stopped(); err != nil {
		t.Fatal(err)
	}
	ks := log.LogKeys()
	if len(ks) != 2 || ks[0].Key != oldKey || ks[1].Key != newKey {
		t.Fatalf("keys of the log: %v", ks)
	}
	if c, err := ks.Open(oldNote); err != nil || c != old {
		t.Errorf("the old checkpoint does not verify any more: %v", err)
	}
	ch, err := log.KeyChanges(log.Size())
	if err != nil || len(ch) != 1 {
		t.Fatalf("changes: %v %v", ch, err)
	}
	if n := strings.Count(string(ch[0].Handover), "\n— "); n != 2 {
		t.Errorf("the handover has %d signatures, want both keys'", n)
	}
	c, signed := grow(t, log, roots, "after "+t.Name(), 2)
	if n := strings.Count(string(signed), "\n— "); n != 1 || c.Size <= ch[0].Size {
		t.Errorf("a checkpoint after the handover has %d signatures", n)
	}
	if _, err := (chain.LogKeys{{Key: oldKey}}).Open(signed); err == nil {
		t.Error("the old key signs a checkpoint after the change")
	}
	if _, err := (chain.LogKeys{{Key: oldKey}, {Key: newKey, From: 1}}).Open(oldNote); err == nil {
		t.Error("an old checkpoint verifies by a key for sizes it was not")
	}
	var f evidence.KeyFacts
	if n := facts(t, log, evidence.LogKey, &f); n != 1 || f.Old != oldKey || f.New != newKey || f.Reason != "yearly" || f.Compromised {
		t.Errorf("%d log.key records, %+v", n, f)
	}
	if rep, err := log.Verify(context.Background(), store.VerifyOptions{Deep: true}); err != nil || !rep.OK() {
		t.Errorf("verify: %+v %v", rep, err)
	}
}

// After a compromise the new key signs alone: the old one's word is worthless.
func TestCompromisedLogKey(t *testing.T) {
	c, dir := &clock{start}, filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	grow(t, log, signedRoots{}, "a", 2)
	if _, err := l.RotateLogKey(context.Background(), keyring.Rotation{Reason: "the disk was stolen", Compromised: true}); err != nil {
		t.Fatal(err)
	}
	ch, err := log.KeyChanges(log.Size())
	if err != nil || len(ch) != 1 || strings.Count(string(ch[0].Handover), "\n— ") != 1 {
		t.Errorf("changes: %+v %v", ch, err)
	}
	if ks := log.LogKeys(); len(ks) != 2 || !ks[1].Broken {
		t.Errorf("keys: %+v", ks)
	}
	if rep, err := log.Verify(context.Background(), store.VerifyOptions{}); err != nil || !rep.OK() {
		t.Errorf("verify: %+v %v", rep, err)
	}
}

// A log that is stopped holds the rotation up and keeps the old key; the others
// have the new one, and the next try ends it.
func TestRotationWaitsForStoppedLog(t *testing.T) {
	ctx, c, dir := context.Background(), &clock{start}, filepath.Join(t.TempDir(), "data")
	l := openDir(t, dir, c)
	roots := signedRoots{}
	var ids []string
	for _, n := range []string{"tenant-1", "tenant-2"} {
		log, err := l.Store.Create(tenant(t, n))
		if err != nil {
			t.Fatal(err)
		}
		grow(t, log, roots, n, 2)
		ids = append(ids, log.ID())
	}
	l.Close()
	state := filepath.Join(dir, "sign-state", ids[0])
	if err := os.Rename(state, state+".kept"); err != nil {
		t.Fatal(err)
	}
	l = openDir(t, dir, c)
	old := l.LogKey.Verifier
	if _, err := l.RotateLogKey(ctx, keyring.Rotation{Reason: "yearly"}); !problem.Is(err, problem.Incomplete) {
		t.Fatalf("rotated past a stopped log: %v", err)
	}
	if l.LogKey.Verifier != old {
		t.Error("the old key is gone")
	}
	two, err := l.Store.Log(tenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	grow(t, two, roots, "between", 2)
	l.Close()
	if err := os.Rename(state+".kept", state); err != nil {
		t.Fatal(err)
	}
	l = openDir(t, dir, c)
	if there, err := l.ResumeRotation(ctx); !there || err != nil {
		t.Fatalf("resume: %v %v", there, err)
	}
	for _, n := range []string{"tenant-1", "tenant-2"} {
		log, err := l.Store.Log(tenant(t, n))
		if err != nil {
			t.Fatal(err)
		}
		if ks := log.LogKeys(); len(ks) != 2 || ks[1].Key != l.LogKey.Verifier {
			t.Errorf("%s: keys %v", n, ks)
		}
		grow(t, log, roots, "end", 1)
	}
}
