package gitrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// repo is a bare repository whose objects are written byte by byte, so that
// tests can hold what git itself would refuse to write.
type repo struct {
	t    testing.TB
	dir  string
	tick int64 // seconds of the next commit
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	r := &repo{t: t, dir: filepath.Join(t.TempDir(), "r.git"), tick: 1_780_000_000}
	for _, d := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(r.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.write("HEAD", "ref: refs/heads/main\n")
	r.write("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
	return r
}

func (r *repo) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) path(id string) string { return filepath.Join(r.dir, "objects", id[:2], id[2:]) }

// object writes a loose object and returns its id.
func (r *repo) object(kind, body string) string {
	r.t.Helper()
	full := fmt.Sprintf("%s %d\x00%s", kind, len(body), body)
	sum := sha1.Sum([]byte(full))
	id := hex.EncodeToString(sum[:])
	if _, err := os.Stat(r.path(id)); err == nil {
		return id
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write([]byte(full)); err != nil {
		r.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.write(filepath.Join("objects", id[:2], id[2:]), z.String())
	return id
}

// tree writes a tree of files; a path may hold directories.
func (r *repo) tree(files map[string]string) string {
	r.t.Helper()
	type item struct{ mode, name, id string }
	var items []item
	dirs := map[string]map[string]string{}
	for path, text := range files {
		if dir, rest, ok := strings.Cut(path, "/"); ok {
			if dirs[dir] == nil {
				dirs[dir] = map[string]string{}
			}
			dirs[dir][rest] = text
			continue
		}
		mode := "100644"
		if text == "exec" {
			mode = "100755"
		}
		items = append(items, item{mode, path, r.object("blob", text)})
	}
	for dir, below := range dirs {
		items = append(items, item{"40000", dir, r.tree(below)})
	}
	slices.SortFunc(items, func(a, b item) int {
		key := func(i item) string {
			if i.mode == "40000" {
				return i.name + "/"
			}
			return i.name
		}
		return strings.Compare(key(a), key(b))
	})
	var b strings.Builder
	for _, i := range items {
		raw, err := hex.DecodeString(i.id)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\x00%s", i.mode, i.name, raw)
	}
	return r.object("tree", b.String())
}

const alice = "Alice Adams <alice@example.org>"

// commit writes a commit of a tree with parents; message and the next second
// make it new.
func (r *repo) commit(files map[string]string, message string, parents ...string) string {
	r.tick += 60
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", r.tree(files))
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s %d +0200\ncommitter %s %d -0130\n\n%s\n", alice, r.tick-30, alice, r.tick, message)
	return r.object("commit", b.String())
}

// chain writes n commits on top of parent, oldest first.
func (r *repo) chain(n int, label string, parent ...string) []string {
	var ids []string
	for i := range n {
		id := r.commit(map[string]string{"f": fmt.Sprint(label, i)}, label, parent...)
		ids, parent = append(ids, id), []string{id}
	}
	return ids
}

func (r *repo) ref(name, id string) { r.write(name, id+"\n") }

func (r *repo) drop(name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func start() *clock { return &clock{time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)} }

func (c *clock) step() { c.t = c.t.Add(5 * time.Minute) }

func collect(t testing.TB, ck *clock, edit func(*Config), repos ...*repo) *Collector {
	t.Helper()
	cfg := defaults()
	for i, r := range repos {
		cfg.Repos = append(cfg.Repos, Repo{Name: "r" + fmt.Sprint(i), URL: r.dir})
	}
	if edit != nil {
		edit(cfg)
	}
	c, err := New(cfg, collectors.Env{Source: "git/acme", Clock: ck.now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func poll(t testing.TB, c *Collector, resume []byte) *collectortest.Recorder {
	t.Helper()
	r := &collectortest.Recorder{}
	if err := c.Poll(t.Context(), evidence.Period{}, resume, r); err != nil {
		t.Fatalf("poll: %v", err)
	}
	return r
}

func last(r *collectortest.Recorder) evidence.Observation {
	return r.Commits[len(r.Commits)-1].Observation
}

func decode[F any](t testing.TB, d evidence.Draft) F {
	t.Helper()
	var f F
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func shas(t testing.TB, ds []evidence.Draft) []string {
	var out []string
	for _, d := range ds {
		out = append(out, decode[evidence.CommitFacts](t, d).SHA)
	}
	return out
}

// checkOrder fails when a commit comes before one of its parents of the same
// list.
func checkOrder(t testing.TB, ds []evidence.Draft) {
	t.Helper()
	at := map[string]int{}
	for i, d := range ds {
		at[decode[evidence.CommitFacts](t, d).SHA] = i
	}
	for i, d := range ds {
		for _, p := range decode[evidence.CommitFacts](t, d).Parents {
			if j, ok := at[p]; ok && j > i {
				t.Errorf("commit %d comes before its parent %d", i, j)
			}
		}
	}
}
