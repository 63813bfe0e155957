package gitrepo

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

func TestConformance(t *testing.T) {
	ck, r := start(), newRepo(t)
	a := r.commit(map[string]string{"a": "1"}, "by Alice Adams")
	b := r.commit(map[string]string{"a": "2"}, "more\n\nReviewed-by: Carl Cox <carl@example.org>", a)
	r.ref("refs/heads/main", b)
	r.ref("refs/heads/adamsa/fix", a)
	r.ref("refs/tags/v1", r.object("tag", "object "+a+"\ntype commit\ntag v1\ntagger "+alice+" 1780000000 +0000\n\nx\n"))
	collectortest.Run(t, collectortest.Suite{
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := defaults()
			cfg.Repos = []Repo{{Name: "platform", URL: r.dir}}
			c, err := New(cfg, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Source: "git/acme", Now: ck.t,
		Wants:   []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeTag},
		Planted: []string{"Alice", "alice@example.org", "adamsa", "Carl Cox", "carl@example.org"},
	})
}

// pack moves all loose objects of a repository into one pack.
func pack(t testing.TB, r *repo) {
	t.Helper()
	// Looking for deltas takes minutes for a large benchmark.
	r.write("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[pack]\n\twindow = 0\n")
	g, err := git.PlainOpen(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.RepackObjects(&git.RepackConfig{}); err != nil {
		t.Fatal(err)
	}
	if ls, ok := g.Storer.(storer.LooseObjectStorer); ok {
		var ids []plumbing.Hash
		if err := ls.ForEachObjectHash(func(h plumbing.Hash) error { ids = append(ids, h); return nil }); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if err := ls.DeleteLooseObject(id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Packed objects read the same, and changed files are what the library's own
// comparison finds.
func TestPackedAgainstLibrary(t *testing.T) {
	ck, r := start(), newRepo(t)
	files := map[string]string{}
	var parent []string
	for i := range 60 {
		switch i % 4 {
		case 0:
			files["d/"+string(rune('a'+i%26))+"/x"] = string(rune('A' + i))
		case 1:
			files["d.txt"] = string(rune('A' + i))
		case 2:
			files["d-"+string(rune('a'+i%7))] = "constant text of a file that moves about"
		case 3:
			delete(files, "d-"+string(rune('a'+(i+2)%7)))
		}
		parent = []string{r.commit(files, "x", parent...)}
	}
	r.ref("refs/heads/main", parent[0])
	c := collect(t, ck, nil, r)
	loose := poll(t, c, nil)
	pack(t, r)
	packed := poll(t, c, nil)
	if len(packed.Drafts) != len(loose.Drafts) || len(packed.Of(evidence.ChangeCommit)) != 60 {
		t.Fatalf("%d drafts packed, %d loose", len(packed.Drafts), len(loose.Drafts))
	}
	g, err := git.PlainOpen(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range packed.Of(evidence.ChangeCommit) {
		if !bytes.Equal(d.Content, loose.Of(evidence.ChangeCommit)[i].Content) {
			t.Errorf("commit %d differs between loose and packed", i)
		}
		f := decode[evidence.CommitFacts](t, d)
		got := map[string]bool{}
		for _, ch := range f.Files {
			got[ch.Path] = true
			if ch.From != "" {
				got[ch.From] = true
			}
		}
		want := map[string]bool{}
		co, err := g.CommitObject(plumbing.NewHash(f.SHA))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := co.Tree()
		if err != nil {
			t.Fatal(err)
		}
		before := &object.Tree{}
		if p, err := co.Parent(0); err == nil {
			if before, err = p.Tree(); err != nil {
				t.Fatal(err)
			}
		}
		changes, err := object.DiffTree(before, tree)
		if err != nil {
			t.Fatal(err)
		}
		for _, ch := range changes {
			for _, n := range []string{ch.From.Name, ch.To.Name} {
				if n != "" {
					want[n] = true
				}
			}
		}
		if !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("commit %d: got %v, the library finds %v", i, sorted(got), sorted(want))
		}
	}
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 99999999999999999999 -9999\ngpgsig -----BEGIN PGP\n x\n\nm\xff\n\nCo-authored-by: B <b@c>"))
	f.Add([]byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"))
	c, err := New(&Config{Repos: []Repo{{Name: "r", URL: "/r"}}, Timeout: 1, MaxObjects: 1, MaxPackBytes: 1, MaxObjectBytes: 1}, collectors.Env{Source: "git/x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parseCommit(raw)
		if err != nil {
			return
		}
		l := &look{run: &run{Collector: c}, old: &repoState{}, seenAt: start().t, t: target{Repo: Repo{Name: "r"}}}
		ch := &changes{list: []change{{path: string(raw), status: "added"}}}
		d := l.commitDraft(&commitRead{commit: p, raw: raw}, ch, "")
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		for _, ref := range d.Scope {
			if len(ref.String()) > evidence.MaxRef {
				t.Errorf("reference of %d bytes", len(ref.String()))
			}
		}
		for _, person := range d.People {
			if _, err := json.Marshal(person.NativeID); err != nil || len(person.NativeID) > maxName {
				t.Errorf("id of %d bytes, %v", len(person.NativeID), err)
			}
		}
	})
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("100644 a\x0001234567890123456789" + "40000 b\x0001234567890123456789"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		es, err := parseTree(raw)
		if err != nil {
			return
		}
		for _, e := range es {
			if e.name == "" {
				t.Error("an entry without a name")
			}
		}
	})
}

func FuzzParseTag(f *testing.F) {
	f.Add([]byte("object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v\ntagger A <a@b> 1 +0000\n\nx"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if tg, err := parseTag(raw); err == nil && tg.object.IsZero() {
			t.Error("a tag without an object")
		}
	})
}

// BenchmarkLook reads 20,000 packed commits at once; then one look with
// nothing new.
func BenchmarkLook(b *testing.B) {
	const n = 20_000
	ck, r := start(), newRepo(b)
	r.ref("refs/heads/main", r.chain(n, "x")[n-1])
	pack(b, r)
	c := collect(b, ck, nil, r)
	var resume []byte
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			s := &counter{}
			if err := c.Poll(b.Context(), evidence.Period{}, nil, s); err != nil {
				b.Fatal(err)
			}
			if s.drafts != n+1 {
				b.Fatalf("%d drafts, want %d", s.drafts, n+1)
			}
			resume = s.resume
			b.ReportMetric(float64(s.peak)/1e6, "MB-heap-peak")
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			if err := c.Poll(b.Context(), evidence.Period{}, resume, &counter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
