package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	git "github.com/go-git/go-git/v5"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// site is a folder with a configuration and a data directory, which engines
// open one after another.
type site struct {
	t     *testing.T
	dir   string
	clock *siteClock
	src   *testSource
	n     int // changes made so far
	last  *Engine
}

// siteClock is a clock that alarms may read beside the test.
type siteClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *siteClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *siteClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newSite(t *testing.T) *site {
	return &site{t: t, dir: t.TempDir(), clock: &siteClock{t: begin}, src: &testSource{}}
}

// open opens the data directory with these lines about anchors.
func (s *site) open(anchors string, set ...func(*Options)) *Engine {
	s.t.Helper()
	s.src.clock = s.clock.now
	file := filepath.Join(s.dir, "evidenced.yaml")
	text := "data_dir: data\nlisten: \"\"\ntenants:\n" +
		"  - name: tenant-1\n    owns:\n      - projects: [acme/one]\n" +
		"  - name: tenant-2\n    owns:\n      - projects: [acme/two]\n" +
		"sources:\n  - name: forge/prod\n    type: test\n" + anchors
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{{Type: "test", Says: "a test", Config: func() any { return &struct{}{} }, Every: "@every 1m",
		New: func(any, collectors.Env) (collectors.Collector, error) { return s.src, nil }}})
	if err != nil {
		s.t.Fatal(err)
	}
	o := Options{Config: cfg, Clock: s.clock.now, Program: "evidenced test", Metrics: telemetry.NewMetrics()}
	for _, f := range set {
		f(&o)
	}
	e, err := Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.Close() })
	s.last = e
	return e
}

// change lets one change of each tenant be seen.
func (s *site) change(e *Engine) error {
	s.n++
	s.clock.pass(time.Minute)
	s.src.emit = []evidence.Draft{
		mergeDraft("acme/one", s.n, s.clock.now().Add(-10*time.Second), true),
		mergeDraft("acme/two", s.n, s.clock.now().Add(-10*time.Second), true),
	}
	_, err := e.Collect(s.t.Context(), "", false)
	return err
}

func (s *site) mustChange(e *Engine) {
	s.t.Helper()
	if err := s.change(e); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) close(e *Engine) {
	s.t.Helper()
	if err := e.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) log(e *Engine, tenant string) *store.Log {
	s.t.Helper()
	l, err := e.local.Store.Log(mustTenant(s.t, tenant))
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// copyTree copies a folder with its modes.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), st.Mode().Perm())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, st.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// restore puts an older copy in place of the whole data directory.
func (s *site) restore(copied string) {
	s.t.Helper()
	data := filepath.Join(s.dir, "data")
	if err := os.RemoveAll(data); err != nil {
		s.t.Fatal(err)
	}
	copyTree(s.t, copied, data)
}

// acts returns the alarms that _platform recorded. What is told is recorded
// beside what goes on, so what is pending is waited for.
func (s *site) acts(e *Engine, act string) []map[string]string {
	s.t.Helper()
	e.anchors.recorded.Wait()
	var out []map[string]string
	for rec, err := range s.log(e, "_platform").Snapshot().Records(s.t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.PlatformAdmin}}) {
		if err != nil {
			s.t.Fatal(err)
		}
		var f evidence.AdminFacts
		if err := json.Unmarshal(rec.Facts, &f); err != nil {
			s.t.Fatal(err)
		}
		if f.Act == act {
			out = append(out, f.Detail)
		}
	}
	return out
}

func (s *site) anchorFile(e *Engine, tenant string) string {
	return filepath.Join(s.dir, "data-anchors", s.log(e, tenant).Origin()+".checkpoints")
}

func (s *site) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// signed is everything that was ever signed, by the sign-state.
func (s *site) signed() string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "data", "sign-state", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(s.read(f))
	}
	return all.String()
}

func refusedToSign(err error) bool {
	return errors.Is(err, store.ErrNotSigned) && problem.Is(err, problem.Refused)
}

// Without a word in the configuration _platform's checkpoints go to a folder
// beside the data directory, once each.
func TestAnchorsByDefault(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	path := s.anchorFile(e, "_platform")
	if n := strings.Count(s.read(path), "\n"); n != 1 {
		t.Errorf("%d lines after one look, want 1", n)
	}
	r, ok, err := e.anchors.receipts.Newest("folder", e.platform)
	c, signed, cerr := s.log(e, "_platform").Checkpoint()
	if err != nil || cerr != nil || !ok || r.Size != c.Size || r.Root != c.Root || string(r.Note) != string(signed) || r.Rung != 0 {
		t.Errorf("receipt %+v, %v; checkpoint %+v, %v", r, err, c, cerr)
	}
	e.anchors.all(t.Context(), time.Minute) // nothing new: nothing is written
	s.mustChange(e)
	if n := strings.Count(s.read(path), "\n"); n != 2 {
		t.Errorf("%d lines after two looks, want 2", n)
	}
	var page strings.Builder
	e.o.Metrics.Write(&page)
	for _, want := range []string{
		`evidenced_anchor_puts_total{outcome="done",anchor="folder"} 3`,
		`evidenced_anchor_last_success_timestamp_seconds{anchor="folder"}`,
		`evidenced_anchor_every_seconds{anchor="folder"} 300`,
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if err := e.ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// What is closed twice lets go of everything: the next who opens it reads what
// was sealed.
func TestClosedTwice(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	e.Close() // a deferred one; the lock is let go of already
	e = s.open("", func(o *Options) { o.ReadOnly = true })
	if _, err := e.knownHeads(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoAnchors(t *testing.T) {
	s := newSite(t)
	e := s.open("anchors: []\n")
	s.mustChange(e)
	if _, err := os.Stat(filepath.Join(s.dir, "data-anchors")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
}

// A crash between the place and the receipt: the place has it, we do not know.
func TestCrashBeforeTheReceipt(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	if err := os.RemoveAll(filepath.Join(s.dir, "data", "anchors")); err != nil {
		t.Fatal(err)
	}
	e = s.open("")
	path := s.anchorFile(e, "_platform")
	lines := strings.Count(s.read(path), "\n")
	e.anchors.all(t.Context(), time.Minute)
	s.mustChange(e)
	if n := strings.Count(s.read(path), "\n"); n <= lines {
		t.Errorf("%d lines, want more than %d", n, lines)
	}
	if _, ok, err := e.anchors.receipts.Newest("folder", e.platform); !ok || err != nil {
		t.Errorf("no receipt: %v", err)
	}
	if got := s.acts(e, "anchor.conflict"); len(got) > 0 {
		t.Errorf("alarm %v", got)
	}
}

// The whole data directory, sign-state and receipts among it, goes back to an
// older copy: only the folder outside knows better. No log signs anything.
func TestRolledBackAsAWhole(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, filepath.Join(s.dir, "data"), old)

	e = s.open("")
	s.mustChange(e)
	s.mustChange(e)
	path := s.anchorFile(e, "_platform")
	s.close(e)
	s.restore(old)
	before, kept := s.signed(), s.read(path)

	e = s.open("")
	if err := s.change(e); !refusedToSign(err) {
		t.Errorf("collecting: got %v, want that nothing is signed", err)
	}
	for _, name := range []string{"_platform", "tenant-1", "tenant-2"} {
		size := s.log(e, name).Size()
		if _, _, err := s.log(e, name).Checkpoint(); !refusedToSign(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
		if size == 0 || s.log(e, name).Stopped() != nil {
			t.Errorf("%s takes no records", name)
		}
	}
	if after := s.signed(); after != before {
		t.Errorf("the sign-state grew:\n%s\nfrom\n%s", after, before)
	}
	if got := s.acts(e, "anchor.conflict"); len(got) != 1 || got[0]["anchor"] != "folder" || got[0]["origin"] != e.platform {
		t.Errorf("alarms %v", got)
	}
	if err := e.ready(t.Context()); err == nil {
		t.Error("ready although logs sign nothing")
	}
	s.close(e)
	if got := s.read(path); got != kept {
		t.Error("the folder was written to")
	}
}

// As above, but meanwhile the copy grew past the size that was anchored.
func TestRolledBackAndGrown(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	s.close(e)
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, filepath.Join(s.dir, "data"), old)
	e = s.open("")
	s.mustChange(e)
	known := s.log(e, "_platform").Size()
	s.close(e)
	s.restore(old)

	e = s.open("anchors: []\n") // the one who brings it back takes the anchors away
	for range 4 {
		s.mustChange(e)
	}
	if s.log(e, "_platform").Size() <= known {
		t.Fatal("the copy did not grow enough")
	}
	s.close(e)
	before := s.signed()
	e = s.open("")
	if err := s.change(e); !refusedToSign(err) {
		t.Errorf("got %v, want a refusal", err)
	}
	if after := s.signed(); after != before {
		t.Error("the sign-state grew")
	}
}

// One tenant's log goes back with its sign-state: _platform knows better. The
// others go on.
func TestOneLogRolledBack(t *testing.T) {
	s := newSite(t)
	e := s.open("anchors: []\n")
	s.mustChange(e)
	id := strings.TrimPrefix(s.log(e, "tenant-1").Origin(), strings.SplitAfter(e.platform, "/")[0])
	s.close(e)
	old := filepath.Join(t.TempDir(), "old")
	copyTree(t, filepath.Join(s.dir, "data"), old)
	e = s.open("anchors: []\n")
	s.mustChange(e)
	s.close(e)
	for _, part := range []string{"tenants/" + id, "sign-state/" + id} {
		now := filepath.Join(s.dir, "data", part)
		if err := os.RemoveAll(now); err != nil {
			t.Fatal(err)
		}
		copyTree(t, filepath.Join(old, part), now)
	}
	e = s.open("anchors: []\n")
	for _, name := range []string{"tenant-1", "tenant-2"} {
		if err := e.Read(t.Context(), mustTenant(t, name), evidence.ReadFacts{Command: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.log(e, "tenant-1").Checkpoint(); !refusedToSign(err) || !strings.Contains(err.Error(), "_platform") {
		t.Errorf("tenant-1: got %v, want a refusal", err)
	}
	for _, name := range []string{"tenant-2", "_platform"} {
		if _, _, err := s.log(e, name).Checkpoint(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A copy of the machine runs beside it, with the same keys, and anchored first.
func TestTwoOfOneLog(t *testing.T) {
	a := newSite(t)
	shared := "anchors: [{name: folder, type: file, dir: " + filepath.Join(a.dir, "shared") + "}]\n"
	e := a.open(shared)
	a.mustChange(e)
	a.close(e)
	b := newSite(t)
	copyTree(t, filepath.Join(a.dir, "data"), filepath.Join(b.dir, "data"))
	b.clock, b.n = &siteClock{t: a.clock.now()}, 100

	ea, eb := a.open(shared), b.open(shared)
	for _, e := range []*Engine{ea, eb} { // both are let sign before they part
		if _, _, err := a.log(e, "_platform").Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	a.mustChange(ea)
	a.mustChange(ea)
	if err := b.change(eb); err != nil {
		t.Fatal(err) // the last it signs: the anchor is asked after that
	}
	if got := b.acts(eb, "anchor.conflict"); len(got) != 1 || got[0]["anchor"] != "folder" {
		t.Errorf("alarms %v", got)
	}
	if err := b.change(eb); !refusedToSign(err) {
		t.Errorf("the copy: got %v, want a refusal", err)
	}
	if err := a.change(ea); err != nil {
		t.Errorf("the log that was there first: %v", err)
	}
}

// A place that forgot what it held is told about and filled again; nothing of
// the log is in doubt.
func TestAnchorLostItsState(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	path := s.anchorFile(e, "_platform")
	s.close(e)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	e = s.open("")
	s.mustChange(e)
	if got := s.acts(e, "anchor.lost"); len(got) != 1 || got[0]["known_size"] != "0" {
		t.Errorf("told %v", got)
	}
	if n := strings.Count(s.read(path), "\n"); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}

// An answer given before a receipt came is compared after it: the place has
// lost nothing.
func TestAnswerOlderThanTheReceipt(t *testing.T) {
	s := newSite(t)
	e := s.open("")
	s.mustChange(e)
	p, l := e.anchors.places[0], s.log(e, "_platform")
	got, err := e.anchors.ask(t.Context(), p, l.Origin())
	if err != nil || !got.ok {
		t.Fatal(got, err)
	}
	s.mustChange(e)
	if rc, _, err := e.anchors.receipts.Newest(p.Name(), l.Origin()); err != nil || rc.Size <= got.size {
		t.Fatalf("no newer receipt: %d, %v", rc.Size, err)
	}
	if err := e.anchors.compare(p, treeOf(l), got); err != nil {
		t.Fatal(err)
	}
	if told := s.acts(e, "anchor.lost"); len(told) != 0 {
		t.Errorf("told %v", told)
	}
}

func gitAnchor(s *site) (yaml, dir string) {
	dir = filepath.Join(s.dir, "anchor.git")
	return "anchors: [{name: repo, type: git, repository: anchor.git}]\n", dir
}

// No anchor answers: after the limit logs are signed, and it is told.
func TestAnchorDown(t *testing.T) {
	s := newSite(t)
	yaml, _ := gitAnchor(s)
	e := s.open(yaml, func(o *Options) { o.AskLimit = time.Millisecond })
	s.mustChange(e)
	if s.signed() == "" {
		t.Error("nothing was signed")
	}
	if got := s.acts(e, "anchor.unasked"); len(got) != 1 || got[0]["anchor"] != "repo" {
		t.Errorf("told %v", got)
	}
	p := e.anchors.places[0]
	if p.failed() == 0 {
		t.Error("no failure is counted")
	}
}

// The same with anchors_required: nothing is signed before the anchor answers,
// records are taken, and then all is signed.
func TestAnchorsRequired(t *testing.T) {
	s := newSite(t)
	yaml, dir := gitAnchor(s)
	e := s.open(yaml+"anchors_required: true\n", func(o *Options) { o.AskLimit = time.Millisecond })
	err := s.change(e)
	if !errors.Is(err, store.ErrNotSigned) || problem.Is(err, problem.Refused) {
		t.Errorf("got %v, want that nothing is signed for now", err)
	}
	if got := s.signed(); got != "" {
		t.Errorf("signed %q", got)
	}
	if s.log(e, "tenant-1").Size() < 3 {
		t.Error("no records were taken")
	}
	if _, err := git.PlainInit(dir, true); err != nil {
		t.Fatal(err)
	}
	<-e.anchors.asking.compared // it is asked again by itself
	s.mustChange(e)
	if _, ok, err := e.anchors.receipts.Newest("repo", e.platform); !ok || err != nil {
		t.Errorf("no receipt: %v", err)
	}
}

// A command that only reads does not sign when an anchor is silent, and does
// not fail for it.
func TestReadingLeavesSigning(t *testing.T) {
	s := newSite(t)
	yaml, _ := gitAnchor(s)
	e := s.open("anchors: []\n")
	s.mustChange(e)
	s.close(e)
	before := s.signed()
	e = s.open(yaml, func(o *Options) { o.ReadOnly, o.AskLimit = true, time.Millisecond })
	if err := e.Read(t.Context(), mustTenant(t, "tenant-1"), evidence.ReadFacts{Command: "test"}); err != nil {
		t.Fatal(err)
	}
	s.close(e)
	if after := s.signed(); after != before {
		t.Error("it signed")
	}
	e = s.open("anchors: []\n")
	if _, _, err := s.log(e, "tenant-1").Checkpoint(); err != nil {
		t.Errorf("the next start: %v", err)
	}
}
