package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
	"evidenced/store/local"
)

var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func open(t testing.TB, dir string, segmentBytes int64) *local.Local {
	t.Helper()
	l, err := local.Open(local.Options{Dir: dir, Clock: func() time.Time { return start }, Store: func(o *store.Options) { o.SegmentBytes = segmentBytes }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func merge(key string) store.Item {
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: key,
		Subject: evidence.NewRef("change", "prod", "acme/app!"+key), OccurredAt: start, Basis: evidence.BasisSource, ObservedAt: start,
		Content: []byte(`{"v":"` + strings.Repeat("x", 300) + `"}`),
		People:  []evidence.Person{{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: "7", Names: evidence.Names{Login: "zuzanna"}, Proof: evidence.ProofAuthenticated}},
	}}
}

func add(t testing.TB, l *local.Local, name string, from, to int) *store.Log {
	t.Helper()
	log, err := l.Store.Create(tenant(t, name))
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		if _, err := log.Append(context.Background(), []store.Item{merge(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := log.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	return log
}

func back(t testing.TB, l *local.Local, dir string) *Result {
	t.Helper()
	res, err := Write(context.Background(), dir, Source{Dir: l.Dir, Store: l.Store, Program: "test", Now: start}, func(_, _ uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func check(t testing.TB, dir string, o CheckOptions) *Report {
	t.Helper()
	r, err := Check(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all returns everything that is wrong.
func (r *Report) all() string {
	s := strings.Join(r.Failures, "; ")
	for _, l := range r.Logs {
		s += strings.Join(l.Failures, "; ")
	}
	return s
}

func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// A backup is made while logs grow, holds no key, name or sign-state, verifies
// by itself, and a second one copies only what has changed.
func TestBackupWhileAppending(t *testing.T) {
	base := t.TempDir()
	dir, to := filepath.Join(base, "data"), filepath.Join(base, "backup")
	l := open(t, dir, 1<<16)
	for _, name := range []string{"_platform", "tenant-1", "tenant-2"} {
		add(t, l, name, 0, 120)
	}
	if err := l.Store.Cursors().PutCursor("source/x", []byte("resume")); err != nil {
		t.Fatal(err)
	}
	stop, log := make(chan struct{}), add(t, l, "tenant-1", 0, 0)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1000; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := log.Append(context.Background(), []store.Item{merge(fmt.Sprint(i))}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	res := back(t, l, to)
	close(stop)
	wg.Wait()
	if res.Logs != 3 || res.Records < 360 || res.Copied != res.Bytes {
		t.Errorf("result: %+v", res)
	}
	before := files(t, to)
	r := check(t, to, CheckOptions{LogKey: l.LogKey.Verifier, Keys: keysOf(t, l.Keys)})
	if !r.OK || len(r.Logs) != 3 {
		t.Fatalf("the backup does not verify: %s", r.all())
	}
	for _, v := range r.Logs {
		if v.Records != v.Size || v.Opened == 0 || v.Closed != 0 || v.Checkpoints == 0 {
			t.Errorf("verdict: %+v", v)
		}
	}
	if after := files(t, to); len(after) != len(before) {
		t.Errorf("checking changed the backup: %d files, had %d", len(after), len(before))
	} else {
		for name := range before {
			if after[name] != before[name] {
				t.Errorf("checking changed %s", name)
			}
		}
	}
	keyText, err := os.ReadFile(filepath.Join(dir, "keys", "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range before {
		for what, s := range map[string]string{"a name": "zuzanna", "a tenant": "tenant-1", "the private key": strings.SplitN(string(keyText), "\n", 2)[0]} {
			if strings.Contains(text, s) || strings.Contains(name, s) {
				t.Errorf("%s holds %s", name, what)
			}
		}
		if strings.HasPrefix(name, "keys") || strings.HasPrefix(name, "sign-state") || strings.Contains(name, "index") {
			t.Errorf("%s is in the backup", name)
		}
	}
	again := back(t, l, to) // tenant-1 grew in its newest segment, the others did not
	if again.Copied >= again.Bytes/2 || again.Copied == 0 {
		t.Errorf("the second backup copied %d of %d bytes", again.Copied, again.Bytes)
	}
	if same := back(t, l, to); same.Copied != 0 {
		t.Errorf("a third backup of the same logs copied %d bytes", same.Copied)
	}
	if r := check(t, to, CheckOptions{}); !r.OK {
		t.Errorf("after the second backup: %s", r.all())
	}
}

func keysOf(t testing.TB, k *keyring.Keyring) func(string) (store.TenantKeys, bool) {
	t.Helper()
	by := map[string]store.TenantKeys{}
	ts, err := k.Tenants()
	if err != nil {
		t.Fatal(err)
	}
	for _, tn := range ts {
		tk, err := k.Tenant(tn, false)
		if err != nil {
			t.Fatal(err)
		}
		prior, err := k.Prior(tn)
		if err != nil {
			t.Fatal(err)
		}
		for _, tk := range append(prior, tk) {
			by[tk.LogID()] = tk
		}
	}
	return func(id string) (store.TenantKeys, bool) { tk, ok := by[id]; return tk, ok }
}

// Every damage to a backup is found, and what an anchor knows better is told.
func TestCheckFindsDamage(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	l := open(t, dir, 1<<30)
	log := add(t, l, "tenant-1", 0, 20)
	_, early, err := log.NoteAt(log.Size())
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(base, "made")
	back(t, l, made)
	add(t, l, "tenant-1", 20, 30)
	_, late, err := log.NoteAt(log.Size())
	if err != nil {
		t.Fatal(err)
	}
	seg := filepath.Join("tenants", log.ID(), "log", "0001.db")
	other := open(t, filepath.Join(base, "other"), 1<<30)
	_, foreign, err := add(t, other, "tenant-1", 0, 3).NoteAt(3)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		break_ func(dir string) error
		notes  map[string][]byte
		want   string // part of what is told; "" verifies
		failed problem.Code
	}{
		{name: "as made"},
		{name: "with its own checkpoint", notes: map[string][]byte{"auditor.txt": early}},
		{name: "with a later checkpoint", notes: map[string][]byte{"auditor.txt": late}, want: "their end is lost"},
		{name: "with a checkpoint of another log", notes: map[string][]byte{"x": foreign}, want: "is not in the backup"},
		{name: "with a changed checkpoint", notes: map[string][]byte{"x": []byte(strings.Replace(string(early), "\n\n", "\n\n— x AAAA\n", 1))[:len(early)]}, want: "checkpoint x"},
		{name: "flipped byte", break_: func(dir string) error { return flip(filepath.Join(dir, seg)) }, want: "was changed"},
		{name: "cut segment", break_: func(dir string) error { return os.Truncate(filepath.Join(dir, seg), 30_000) }, want: "was changed"},
		{name: "missing segment", break_: func(dir string) error { return os.Remove(filepath.Join(dir, seg)) }, want: "is missing"},
		{name: "missing cursors", break_: func(dir string) error { return os.Remove(filepath.Join(dir, "cursors.db")) }, want: "is missing"},
		{name: "no manifest", break_: func(dir string) error { return os.Remove(filepath.Join(dir, ManifestName)) }, failed: problem.NotFound},
		{name: "manifest with more", break_: func(dir string) error {
			return edit(dir, func(m map[string]any) { m["x"] = 1 })
		}, failed: problem.Corrupt},
		{name: "manifest that leads out", break_: func(dir string) error {
			return edit(dir, func(m map[string]any) {
				m["logs"].([]any)[0].(map[string]any)["files"].([]any)[0].(map[string]any)["name"] = "../../installation"
			})
		}, failed: problem.Corrupt},
		{name: "manifest of another root", break_: func(dir string) error {
			return edit(dir, func(m map[string]any) {
				m["logs"].([]any)[0].(map[string]any)["root"] = strings.Repeat("ab", 32)
			})
		}, want: "is not the manifest's"},
		{name: "damage hidden in the manifest", break_: func(dir string) error {
			if err := flip(filepath.Join(dir, seg)); err != nil {
				return err
			}
			f, err := hashFile(filepath.Join(dir, seg))
			if err != nil {
				return err
			}
			return edit(dir, func(m map[string]any) {
				m["logs"].([]any)[0].(map[string]any)["files"].([]any)[0].(map[string]any)["sha256"] = f.SHA256.String()
			})
		}, want: "record"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			for name, text := range files(t, made) {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if tc.break_ != nil {
				if err := tc.break_(dir); err != nil {
					t.Fatal(err)
				}
			}
			r, err := Check(context.Background(), dir, CheckOptions{Notes: tc.notes})
			if tc.failed != "" {
				if !problem.Is(err, tc.failed) {
					t.Errorf("got %v, want a problem of code %s", err, tc.failed)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.OK != (tc.want == "") || !strings.Contains(r.all(), tc.want) {
				t.Errorf("ok %v: %q, want %q", r.OK, r.all(), tc.want)
			}
		})
	}
}

// Nobody signs the manifest: whoever changes a backup can name a log key of his
// own in it, and sign again. With the keys at hand the log's own records tell.
func TestCheckAsksTheRecordsForTheLogKey(t *testing.T) {
	base := t.TempDir()
	l := open(t, filepath.Join(base, "data"), 1<<30)
	add(t, l, "tenant-1", 0, 3)
	made := filepath.Join(base, "made")
	back(t, l, made)
	_, other, err := note.GenerateKey(rand.Reader, "somebody")
	if err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, l.Keys)
	if r := check(t, made, CheckOptions{Keys: keys}); !r.OK {
		t.Fatal(r.all())
	}
	if err := edit(made, func(m map[string]any) {
		m["logs"].([]any)[0].(map[string]any)["log_keys"].([]any)[0].(map[string]any)["key"] = other
	}); err != nil {
		t.Fatal(err)
	}
	if r := check(t, made, CheckOptions{Keys: keys}); r.OK || !strings.Contains(r.all(), "the log began with another key than the manifest names") {
		t.Errorf("ok %v: %q", r.OK, r.all())
	}
}

// Nobody signs the manifest, so that a log can be left out of a backup, or an older
// copy of it brought in. With the keys at hand _platform tells.
func TestCheckAsksPlatformForTheOthers(t *testing.T) {
	base := t.TempDir()
	l := open(t, filepath.Join(base, "data"), 1<<30)
	platform, one, two := add(t, l, "_platform", 0, 3), add(t, l, "tenant-1", 0, 10), add(t, l, "tenant-2", 0, 10)
	early := filepath.Join(base, "early")
	back(t, l, early)
	add(t, l, "tenant-1", 10, 20)
	var heads []evidence.LogHead
	for _, log := range []*store.Log{one, two} {
		c, _, err := log.NoteAt(log.Size())
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, evidence.LogHead{Origin: c.Origin, Size: c.Size, Root: c.Root})
	}
	tell := func(kind evidence.Kind, facts any) {
		t.Helper()
		b, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := platform.Append(t.Context(), []store.Item{{Draft: evidence.Draft{
			Kind: kind, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: fmt.Sprint(platform.Size()), Subject: evidence.NewRef("log", "", platform.Origin()),
			OccurredAt: start, Basis: evidence.BasisSource, ObservedAt: start, Content: b,
		}}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := platform.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	tell(evidence.LogCheckpoints, evidence.CheckpointsFacts{Logs: heads})
	made := filepath.Join(base, "made")
	back(t, l, made)
	keys := keysOf(t, l.Keys)
	older, err := Load(early)
	if err != nil {
		t.Fatal(err)
	}
	logs := func(m map[string]any) []any { return m["logs"].([]any) }
	without := func(m map[string]any, origin string) {
		m["logs"] = slices.DeleteFunc(logs(m), func(x any) bool { return x.(map[string]any)["origin"] == origin })
	}
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string) error
		want   string // with the keys
	}{
		{"as made", func(*testing.T, string) error { return nil }, ""},
		{"a log left out", func(_ *testing.T, dir string) error {
			return edit(dir, func(m map[string]any) { without(m, two.Origin()) })
		}, "log " + two.Origin() + ", of which _platform knows 12 records, is not in the backup"},
		{"all logs left out", func(_ *testing.T, dir string) error {
			return edit(dir, func(m map[string]any) { m["logs"] = []any{} })
		}, "it holds no log"},
		{"an older copy of a log", func(t *testing.T, dir string) error {
			for name, text := range files(t, filepath.Join(early, "tenants", one.ID())) {
				if err := os.WriteFile(filepath.Join(dir, "tenants", one.ID(), name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return edit(dir, func(m map[string]any) {
				without(m, one.Origin())
				i := slices.IndexFunc(older.Logs, func(l Log) bool { return l.Origin == one.Origin() })
				b, err := json.Marshal(older.Logs[i])
				var x any
				if err == nil {
					err = json.Unmarshal(b, &x)
				}
				if err != nil {
					t.Fatal(err)
				}
				m["logs"] = append(logs(m), x)
			})
		}, "_platform knows 22 records of it: the 12 of the backup are older, or their end is lost"},
		{"_platform last", func(_ *testing.T, dir string) error {
			return edit(dir, func(m map[string]any) { slices.Reverse(logs(m)) })
		}, "stands before that of _platform"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			if err := tc.change(t, dir); err != nil {
				t.Fatal(err)
			}
			if r := check(t, dir, CheckOptions{Keys: keys}); r.OK != (tc.want == "") || !strings.Contains(r.all(), tc.want) {
				t.Errorf("ok %v: %q, want %q", r.OK, r.all(), tc.want)
			}
		})
	}
	// A tenant that was taken off has no log any more, from a step on.
	for _, step := range evidence.OffboardSteps[:3] {
		tell(evidence.TenantOffboard, evidence.OffboardFacts{Step: step, Tenant: tenant(t, "tenant-2"), Origin: two.Origin(), Reason: "r", Authority: "a", By: "uid 0"})
		off := filepath.Join(t.TempDir(), "off")
		back(t, l, off)
		if err := edit(off, func(m map[string]any) { without(m, two.Origin()) }); err != nil {
			t.Fatal(err)
		}
		if r := check(t, off, CheckOptions{Keys: keys}); r.OK != (step == evidence.OffboardClosed) {
			t.Errorf("without a tenant that is at %s: ok %v, %s", step, r.OK, r.all())
		}
	}
}

// A tenant that went on in a new log has an old one that is not what _platform knows
// of it. The new log tells that, and what else is wrong is no less so.
func TestCheckAfterALostTail(t *testing.T) {
	shorter := func(l *local.Local, log *store.Log, was string) { // what was signed is lost
		for name, text := range files(t, was) {
			if err := os.WriteFile(filepath.Join(l.Dir, "tenants", log.ID(), name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(l *local.Local, log *store.Log, _ string) {
		if err := os.RemoveAll(filepath.Join(l.Dir, "tenants", log.ID())); err != nil {
			t.Fatal(err)
		}
	}
	leave := func(m map[string]any, origin string) {
		m["logs"] = slices.DeleteFunc(m["logs"].([]any), func(x any) bool { return x.(map[string]any)["origin"] == origin })
	}
	keep := func(map[string]any, string, string) {}
	for _, tc := range []struct {
		name     string
		lose     func(l *local.Local, log *store.Log, was string)
		other    bool // what is known is another tree, of a size that is there, and something larger
		platform func(old evidence.LogHead) evidence.LogHead
		unsigned bool
		change   func(m map[string]any, old, now string)
		want     string // "" verifies
	}{
		{name: "the end lost", lose: shorter, change: keep},
		{name: "all lost", lose: gone, change: keep},
		{name: "another tree, and a longer one", lose: shorter, other: true, change: keep},
		{name: "more is known than was then", lose: shorter, change: keep, platform: func(h evidence.LogHead) evidence.LogHead { h.Size++; return h }, want: "_platform knows 23 records of it: the 12"},
		{name: "another tree below what is left", lose: shorter, change: keep, platform: func(h evidence.LogHead) evidence.LogHead { h.Size = 11; return h }, want: "the first 11 records are not those that its checkpoint in _platform signed"},
		{name: "the old log left out", lose: shorter, change: func(m map[string]any, old, _ string) { leave(m, old) }, want: "is not in the backup"},
		{name: "the new log left out", lose: shorter, change: func(m map[string]any, _, now string) { leave(m, now) }, want: "_platform knows 22 records of it: the 12"},
		{name: "all lost, and the new log left out", lose: gone, change: func(m map[string]any, _, now string) { leave(m, now) }, want: "is not in the backup"},
		{name: "the new log not signed", lose: shorter, unsigned: true, change: keep, want: "_platform knows 22 records of it: the 12"},
		{name: "the new log does not verify", lose: shorter, change: func(m map[string]any, _, now string) {
			for _, x := range m["logs"].([]any) {
				if x := x.(map[string]any); x["origin"] == now {
					x["root"] = strings.Repeat("ab", 32)
				}
			}
		}, want: "_platform knows 22 records of it: the 12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := t.TempDir()
			l := open(t, filepath.Join(base, "data"), 1<<30)
			platform, log := add(t, l, "_platform", 0, 3), add(t, l, "tenant-1", 0, 10)
			id, was := log.ID(), filepath.Join(base, "was")
			back(t, l, filepath.Join(base, "early"))
			if err := os.CopyFS(was, os.DirFS(filepath.Join(base, "early", "tenants", id))); err != nil {
				t.Fatal(err)
			}
			add(t, l, "tenant-1", 10, 20)
			c, _, err := log.NoteAt(log.Size())
			if err != nil {
				t.Fatal(err)
			}
			head := evidence.LogHead{Origin: c.Origin, Size: c.Size, Root: c.Root}
			if tc.platform != nil {
				head = tc.platform(head)
			}
			b, err := json.Marshal(evidence.CheckpointsFacts{Logs: []evidence.LogHead{head}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := platform.Append(t.Context(), []store.Item{{Draft: evidence.Draft{
				Kind: evidence.LogCheckpoints, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: "k", Subject: evidence.NewRef("log", "", platform.Origin()),
				OccurredAt: start, Basis: evidence.BasisSource, ObservedAt: start, Content: b,
			}}}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := platform.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			l.Close()
			tc.lose(l, log, was)
			l = open(t, filepath.Join(base, "data"), 1<<30)
			given := []store.Known{{From: "_platform", Size: c.Size, Root: c.Root}}
			if tc.other {
				given = append(given, store.Known{From: "auditor", Outside: true, Size: 11, Root: c.Root})
			}
			st, err := l.Store.Accept(t.Context(), tenant(t, "tenant-1"), store.Acceptance{Given: given, LostTail: true, Reason: "r", Authority: "a"})
			if err != nil || st.Lost == nil || (st.Verdict == store.OtherTree) != tc.other {
				t.Fatalf("%+v, %v", st, err)
			}
			now, err := l.Store.Log(tenant(t, "tenant-1"))
			if err != nil {
				t.Fatal(err)
			}
			if !tc.unsigned {
				add(t, l, "tenant-1", 30, 33)
			}
			made := filepath.Join(base, "made")
			back(t, l, made)
			if err := edit(made, func(m map[string]any) { tc.change(m, log.Origin(), now.Origin()) }); err != nil {
				t.Fatal(err)
			}
			r := check(t, made, CheckOptions{Keys: keysOf(t, l.Keys)})
			if r.OK != (tc.want == "") || !strings.Contains(r.all(), tc.want) {
				t.Errorf("ok %v: %q, want %q", r.OK, r.all(), tc.want)
			}
			if v := r.Logs[len(r.Logs)-1]; r.OK && (v.Continues == nil || v.Continues.Origin != log.Origin() || v.Continues.Lost == nil) {
				t.Errorf("the new log continues %+v", v.Continues)
			}
		})
	}
}

// flip changes a byte of the ciphertext of a record: its text stands in no
// page's header.
func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	i := strings.Index(string(b), `"seq":9,`)
	if i < 0 {
		return fmt.Errorf("record 9 not found in %s", path)
	}
	for from := i; ; {
		b[from+6] = '8'
		next := strings.Index(string(b[from+1:]), `"seq":9,`)
		if next < 0 {
			break
		}
		from += 1 + next
	}
	return os.WriteFile(path, b, 0o600)
}

func edit(dir string, change func(map[string]any)) error {
	path := filepath.Join(dir, ManifestName)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	change(m)
	if b, err = json.Marshal(m); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// A place in use for something else is refused, and nothing is written there.
func TestBackupPlaces(t *testing.T) {
	base := t.TempDir()
	l := open(t, filepath.Join(base, "data"), 1<<30)
	add(t, l, "tenant-1", 0, 2)
	other := open(t, filepath.Join(base, "other"), 1<<30)
	add(t, other, "tenant-1", 0, 2)
	back(t, other, filepath.Join(base, "others"))
	full := filepath.Join(base, "full")
	if err := os.MkdirAll(full, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{l.Dir, filepath.Join(l.Dir, "backup"), full, filepath.Join(base, "others")} {
		before := files(t, base)
		if _, err := Write(context.Background(), to, Source{Dir: l.Dir, Store: l.Store, Now: start}, func(_, _ uint64) {}); !problem.Is(err, problem.Refused) {
			t.Errorf("backup to %s: %v, want it refused", to, err)
		}
		if after := files(t, base); len(after) != len(before) {
			t.Errorf("backup to %s left %d files, were %d", to, len(after), len(before))
		}
	}
}

// A backup cut off while it was brought up to date is no backup until it is
// run again.
func TestBackupCutOff(t *testing.T) {
	base := t.TempDir()
	to := filepath.Join(base, "backup")
	l := open(t, filepath.Join(base, "data"), 1<<30)
	add(t, l, "tenant-1", 0, 5)
	back(t, l, to)
	add(t, l, "tenant-2", 0, 5)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Write(ctx, to, Source{Dir: l.Dir, Store: l.Store, Now: start}, func(_, _ uint64) { cancel() })
	if err == nil {
		t.Fatal("a cancelled backup says it is whole")
	}
	if _, err := Check(context.Background(), to, CheckOptions{}); !problem.Is(err, problem.NotFound) {
		t.Errorf("a cut-off backup is checked as one: %v", err)
	}
	back(t, l, to)
	if r := check(t, to, CheckOptions{}); !r.OK || len(r.Logs) != 2 {
		t.Errorf("after running it again: %s", r.all())
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"program":"p","made":"2026-11-01T08:00:00Z","files":[{"name":"installation","bytes":1,"sha256":"` + strings.Repeat("00", 32) + `"}],"logs":[]}`))
	f.Add([]byte(`{"format":1,"logs":[{"log":"00ff","origin":"a/b","size":3,"root":"` + strings.Repeat("00", 32) + `","log_keys":[],"files":[{"name":"log/0001.db","bytes":0,"sha256":"` + strings.Repeat("00", 32) + `"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		for _, l := range m.Logs {
			for _, file := range l.Files {
				if p := l.path(file); !filepath.IsLocal(p) || !strings.HasPrefix(p, filepath.Join("tenants", l.ID)+"/") {
					t.Errorf("file %q of log %q stands at %q", file.Name, l.ID, p)
				}
			}
		}
		for _, file := range m.Files {
			if !filepath.IsLocal(file.Name) {
				t.Errorf("file %q", file.Name)
			}
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseManifest(again); err != nil {
			t.Errorf("written again it is refused: %v", err)
		}
	})
}

// A log whose first segments are retired is backed up with what outlives them,
// and the copy verifies.
func TestBackupOfRetiredLog(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "data"), 1)
	to := filepath.Join(t.TempDir(), "backup")
	add(t, l, "tenant-1", 0, 10)
	back(t, l, to)
	log := add(t, l, "tenant-1", 10, 20)
	done, err := log.Retire(t.Context(), store.RetireOptions{Before: start.AddDate(1, 0, 0), Authority: "rule"})
	if err != nil || len(done) < 5 {
		t.Fatalf("retire: %d segments, %v", len(done), err)
	}
	back(t, l, to)
	home := filepath.Join(to, "tenants", log.ID(), "log")
	if _, err := os.Stat(filepath.Join(home, "retired.db")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(home, "0001.db")); !os.IsNotExist(err) {
		t.Errorf("a retired segment lives on in the backup: %v", err)
	}
	if wrong := check(t, to, CheckOptions{}).all(); wrong != "" {
		t.Error(wrong)
	}
}
