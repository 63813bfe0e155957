package gitrepo

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func TestFirstLookAndNext(t *testing.T) {
	ck, r := start(), newRepo(t)
	a := r.commit(map[string]string{"a": "1", "d/x": "1"}, "first")
	b := r.commit(map[string]string{"a": "2", "d/y": "1"}, "second\n\nCo-authored-by: Bob <BOB@example.org>\nReviewed-by: Carl <carl@example.org>", a)
	r.ref("refs/heads/main", b)
	r.ref("refs/heads/alice/fix", b)
	obj := r.object("tag", "object "+b+"\ntype commit\ntag v1\ntagger "+alice+" 1780000000 +0000\n\nrelease\n")
	r.ref("refs/tags/v1", obj)
	c := collect(t, ck, nil, r)
	first := poll(t, c, nil)

	commits := first.Of(evidence.ChangeCommit)
	if diff := cmp.Diff([]string{a, b}, shas(t, commits)); diff != "" {
		t.Fatalf("commits (-want +got):\n%s", diff)
	}
	f := decode[evidence.CommitFacts](t, commits[1])
	want := evidence.CommitFacts{
		Repo: "r0", SHA: b, Parents: []string{a}, Branch: "refs/heads/main", Signature: "none", Author: 0, Committer: 1,
		AuthoredAt: time.Unix(r.tick-30, 0).UTC(), CommittedAt: time.Unix(r.tick, 0).UTC(),
		Files: []evidence.FileChange{{Path: "a", Status: "modified"}, {Path: "d/y", From: "d/x", Status: "renamed"}},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	d := commits[1]
	if d.Basis != evidence.BasisClaimed || !d.OccurredAt.Equal(f.CommittedAt) || !d.NotBefore.IsZero() || !d.ObservedAt.Equal(ck.t) {
		t.Errorf("times: %v %s, not before %v, observed %v", d.OccurredAt, d.Basis, d.NotBefore, d.ObservedAt)
	}
	if got := d.Key + " " + d.Subject.String(); got != "r0@"+b+" commit:/"+b {
		t.Errorf("identity %s", got)
	}
	var scope []string
	for _, s := range d.Scope {
		scope = append(scope, s.String())
	}
	if diff := cmp.Diff([]string{"project:acme/r0", "path:acme%2Fr0/a", "path:acme%2Fr0/d/x", "path:acme%2Fr0/d/y"}, scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	var people []string
	for _, p := range d.People {
		people = append(people, string(p.Role)+" "+p.NativeID+" "+string(p.Proof))
	}
	wantPeople := []string{"author alice@example.org claimed", "committer alice@example.org claimed", "author bob@example.org claimed", "mentioned carl@example.org claimed"}
	if diff := cmp.Diff(wantPeople, people); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(string(d.Text), "second\n") || !strings.HasPrefix(string(d.Raw), "tree ") {
		t.Errorf("text %q, raw %q", d.Text, d.Raw)
	}

	tag := decode[evidence.RefFacts](t, first.Of(evidence.ChangeTag)[0])
	if diff := cmp.Diff(evidence.RefFacts{Repo: "r0", Ref: "refs/tags/v1", SHA: obj, Target: b, Tagger: 0, Signature: "none"}, tag); diff != "" {
		t.Errorf("tag (-want +got):\n%s", diff)
	}
	refs := first.Of(evidence.ChangeRef)
	if len(refs) != 2 || refs[0].Subject.String() != "branch:acme/r0@refs/heads/main" || !strings.HasPrefix(refs[1].Subject.Name, "r0@refs/heads/~") {
		t.Errorf("refs %v", refs)
	}
	seen := last(first).Seen
	if len(seen) != 2 || seen[0].Class != evidence.Reconstructed || !seen[0].From.Equal(time.Unix(1_780_000_060, 0)) || seen[1].Class != evidence.Instants {
		t.Errorf("seen %+v", seen)
	}
	if len(first.Completed) != 2 || !first.Completed[0].Scope.IsZero() {
		t.Errorf("completed %+v", first.Completed)
	}

	t1 := ck.t
	ck.step()
	n := r.commit(map[string]string{"a": "3"}, "third", b)
	r.ref("refs/heads/main", n)
	second := poll(t, c, first.Resume())
	if diff := cmp.Diff([]string{n}, shas(t, second.Of(evidence.ChangeCommit))); diff != "" {
		t.Errorf("second look (-want +got):\n%s", diff)
	}
	if got := second.Drafts[0].NotBefore; !got.Equal(t1) {
		t.Errorf("not before %v, want %v", got, t1)
	}
	if s := last(second).Seen[0]; s.Class != evidence.Continuous || !s.From.Equal(t1) || !s.To.Equal(ck.t) {
		t.Errorf("seen %+v, want continuous from %v to %v", s, t1, ck.t)
	}
	if n := len(second.Of(evidence.ChangeRewrite)); n != 0 {
		t.Errorf("%d rewrites, want none", n)
	}
	// Nothing new: only states again.
	third := poll(t, c, second.Resume())
	if len(third.Of(evidence.ChangeCommit)) != 0 || len(third.Of(evidence.ChangeRef)) != 2 {
		t.Errorf("third look has %d drafts", len(third.Drafts))
	}
}

func TestNoNamesInPublic(t *testing.T) {
	ck, r := start(), newRepo(t)
	a := r.commit(map[string]string{"users/alice@example.org/key": "1"}, "by alice@example.org")
	r.ref("refs/heads/main", a)
	r.ref("refs/heads/adamsa/fix", a)
	r.ref("refs/tags/adamsa-test", a)
	c := collect(t, ck, nil, r)
	first := poll(t, c, nil)
	r.drop("refs/heads/adamsa/fix")
	ck.step()
	second := poll(t, c, first.Resume())
	if len(second.Of(evidence.ChangeRewrite)) != 1 {
		t.Fatal("the branch that went is no rewrite")
	}
	for _, rec := range []*collectortest.Recorder{first, second} {
		public := string(rec.Resume()) + strings.Join(last(rec).Notes, " ") + last(rec).Incomplete
		for _, d := range rec.Drafts {
			public += string(d.Content) + d.Key + d.Subject.String() + d.Request.URL
			for _, ref := range slices.Concat(d.Links, d.Scope) {
				public += ref.String()
			}
		}
		for _, planted := range []string{"adamsa", "alice@", "Alice", "Adams"} {
			if strings.Contains(public, planted) {
				t.Errorf("%q stands in what is public", planted)
			}
		}
	}
}

func TestRewrites(t *testing.T) {
	ck, r := start(), newRepo(t)
	base := r.chain(3, "base")
	side := r.chain(2, "side", base[2])
	r.ref("refs/heads/main", side[1])
	r.ref("refs/heads/release/1", base[2])
	c := collect(t, ck, nil, r)
	rec := poll(t, c, nil)
	look := func() []evidence.RewriteFacts {
		ck.step()
		rec = poll(t, c, rec.Resume())
		var fs []evidence.RewriteFacts
		for _, d := range rec.Of(evidence.ChangeRewrite) {
			fs = append(fs, decode[evidence.RewriteFacts](t, d))
		}
		return fs
	}
	check := func(what string, want ...evidence.RewriteFacts) {
		t.Helper()
		if diff := cmp.Diff(want, look()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	const main, rel = "refs/heads/main", "refs/heads/release/1"
	other := r.chain(1, "other", base[2])
	r.ref(main, other[0])
	check("force push", evidence.RewriteFacts{Repo: "r0", Ref: main, Before: side[1], After: other[0], Lost: []string{side[1], side[0]}})
	if got := shas(t, rec.Of(evidence.ChangeCommit)); len(got) != 1 || got[0] != other[0] {
		t.Errorf("commits after the force push: %v", got)
	}
	key := rec.Of(evidence.ChangeRewrite)[0].Key
	r.ref(main, side[1])
	check("put back", evidence.RewriteFacts{Repo: "r0", Ref: main, Before: other[0], After: side[1], Lost: []string{other[0]}})
	r.ref(main, other[0])
	check("again", evidence.RewriteFacts{Repo: "r0", Ref: main, Before: side[1], After: other[0], Lost: []string{side[1], side[0]}})
	if rec.Of(evidence.ChangeRewrite)[0].Key == key {
		t.Error("the second rewrite of the same commits has the key of the first")
	}
	r.ref(main, base[0])
	check("rewound", evidence.RewriteFacts{Repo: "r0", Ref: main, Before: other[0], After: base[0], Lost: []string{other[0]}})
	r.drop(rel)
	check("gone", evidence.RewriteFacts{Repo: "r0", Ref: rel, Before: base[2], Lost: []string{base[2], base[1]}})
	r.ref(rel, base[2])
	check("made again")
	r.ref(main, base[2])
	check("forward")
	r.drop(rel)
	check("gone after merging", evidence.RewriteFacts{Repo: "r0", Ref: rel, Before: base[2]})
	// Nothing may depend on dates: a child dated long before its parent.
	r.tick = 1_000_000
	old := r.chain(1, "backdated", base[2])
	r.ref(main, old[0])
	check("backdated child")
	if got := shas(t, rec.Of(evidence.ChangeCommit)); len(got) != 1 || got[0] != old[0] {
		t.Errorf("commits after the backdated one: %v", got)
	}
}

// A narrower configuration is no deletion.
func TestNoLongerWatched(t *testing.T) {
	ck, r := start(), newRepo(t)
	ids := r.chain(2, "x")
	r.ref("refs/heads/main", ids[0])
	r.ref("refs/heads/dev", ids[1])
	first := poll(t, collect(t, ck, nil, r), nil)
	ck.step()
	second := poll(t, collect(t, ck, func(c *Config) { c.Branches = []string{"main"} }, r), first.Resume())
	if n := len(second.Of(evidence.ChangeRewrite)); n != 0 || len(second.Of(evidence.ChangeRef)) != 1 {
		t.Errorf("%d rewrites, %d refs, want 0 and 1", n, len(second.Of(evidence.ChangeRef)))
	}
}

func TestEmptyAndVanished(t *testing.T) {
	ck, a, b := start(), newRepo(t), newRepo(t)
	c := collect(t, ck, nil, a, b)
	first := poll(t, c, nil)
	if len(first.Drafts) != 0 || len(first.Completed) != 2 || last(first).Incomplete != "" {
		t.Errorf("empty repositories: %+v", first)
	}
	a.ref("refs/heads/main", a.chain(1, "x")[0])
	if err := os.Rename(b.dir, b.dir+".away"); err != nil {
		t.Fatal(err)
	}
	t1 := ck.t
	ck.step()
	second := poll(t, c, first.Resume())
	o := last(second)
	if !strings.Contains(o.Incomplete, "repository r1") || len(second.Of(evidence.ChangeCommit)) != 1 {
		t.Errorf("one vanished: incomplete %q, %d commits", o.Incomplete, len(second.Of(evidence.ChangeCommit)))
	}
	// A whole-source claim of commits waits until all are read again.
	if slices.ContainsFunc(o.Seen, func(s evidence.Seen) bool { return s.Scope.IsZero() }) {
		t.Errorf("seen %+v, want no claim for the whole source", o.Seen)
	}
	for _, k := range second.Completed {
		if k.Scope.String() != "project:acme/r0" {
			t.Errorf("completed %v", k)
		}
	}
	blind := slices.IndexFunc(o.Seen, func(s evidence.Seen) bool { return s.Class == evidence.Blind })
	if blind < 0 || o.Seen[blind].Scope.Name != "r1" || !o.Seen[blind].From.Equal(t1) {
		t.Errorf("seen %+v", o.Seen)
	}
	if err := os.Rename(b.dir+".away", b.dir); err != nil {
		t.Fatal(err)
	}
	ck.step()
	back := last(poll(t, c, second.Resume()))
	if len(back.Seen) != 2 || back.Seen[0].Class != evidence.Continuous || !back.Seen[0].From.Equal(t1) || !back.Seen[0].Scope.IsZero() {
		t.Errorf("back again: seen %+v, want continuous since %v", back.Seen, t1)
	}
	third := collect(t, ck, nil, a, b, newRepo(t))
	if s := last(poll(t, third, second.Resume())).Seen[0]; s.Class != evidence.Reconstructed || !s.From.Equal(t1) {
		t.Errorf("one more repository: seen %+v, want reconstructed", s)
	}
	if err := os.Rename(b.dir, b.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(a.dir, a.dir+".away"); err != nil {
		t.Fatal(err)
	}
	rec := &collectortest.Recorder{}
	err := c.Poll(t.Context(), evidence.Period{}, second.Resume(), rec)
	if !problem.Is(err, problem.Source) || len(rec.Commits) != 0 {
		t.Errorf("all vanished: %v with %d commits, want a source problem and none", err, len(rec.Commits))
	}
}

func TestCorrupt(t *testing.T) {
	ck, r := start(), newRepo(t)
	ids := r.chain(5, "x")
	r.ref("refs/heads/main", ids[4])
	damage := func(id string, edit func([]byte) []byte) func() {
		b, err := os.ReadFile(r.path(id))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.path(id), edit(slices.Clone(b)), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(r.path(id), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	treeOf := func(i int) string { return r.tree(map[string]string{"f": fmt.Sprint("x", i)}) }
	other, err := os.ReadFile(r.path(ids[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, id string
		edit     func([]byte) []byte
		emitted  int
	}{
		{"commit cut", ids[2], func(b []byte) []byte { return b[:20] }, 1},
		{"commit empty", ids[2], func(b []byte) []byte { return nil }, 1},
		{"commit swapped", ids[2], func([]byte) []byte { return other }, 1},
		{"tree cut", treeOf(2), func(b []byte) []byte { return b[:10] }, 3},
	} {
		repair := damage(tt.id, tt.edit)
		c := collect(t, ck, nil, r)
		first := poll(t, c, nil)
		// A commit whose own or whose parent's bytes are damaged is kept back;
		// what lies below a damaged commit is out of reach.
		if n := len(first.Of(evidence.ChangeCommit)); n != tt.emitted {
			t.Errorf("%s: %d commits, want %d", tt.name, n, tt.emitted)
		}
		o := last(first)
		if !strings.Contains(o.Incomplete, ids[2]) || o.Seen[0].Class != evidence.Blind || len(first.Of(evidence.ChangeRef)) != 1 {
			t.Errorf("%s: incomplete %q, seen %+v", tt.name, o.Incomplete, o.Seen)
		}
		ck.step()
		again := poll(t, c, first.Resume())
		if last(again).Incomplete == "" || len(again.Of(evidence.ChangeCommit)) != 0 {
			t.Errorf("%s: the next look forgot", tt.name)
		}
		repair()
		ck.step()
		whole := poll(t, c, again.Resume())
		if n := len(whole.Of(evidence.ChangeCommit)); n != 5 || last(whole).Incomplete != "" {
			t.Errorf("%s: after the repair %d commits, incomplete %q; want all 5", tt.name, n, last(whole).Incomplete)
		}
	}
}

func TestShallow(t *testing.T) {
	ck, r := start(), newRepo(t)
	ids := r.chain(4, "x")
	r.ref("refs/heads/main", ids[3])
	hidden := r.path(ids[0])
	if err := os.Rename(hidden, hidden+".away"); err != nil {
		t.Fatal(err)
	}
	r.write("shallow", ids[1]+"\n")
	c := collect(t, ck, nil, r)
	first := poll(t, c, nil)
	if diff := cmp.Diff(ids[2:], shas(t, first.Of(evidence.ChangeCommit))); diff != "" {
		t.Errorf("shallow (-want +got):\n%s", diff)
	}
	if !strings.Contains(last(first).Incomplete, "shallow") {
		t.Errorf("incomplete %q", last(first).Incomplete)
	}
	r.drop("shallow")
	if err := os.Rename(hidden+".away", hidden); err != nil {
		t.Fatal(err)
	}
	second := poll(t, c, first.Resume())
	if diff := cmp.Diff(ids, shas(t, second.Of(evidence.ChangeCommit))); diff != "" {
		t.Errorf("whole again (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	ck := start()
	for _, tt := range []struct {
		name string
		edit func(*repo)
		want string
	}{
		{"alternates outside", func(r *repo) { r.write("objects/info/alternates", newRepo(r.t).dir+"/objects\n") }, "outside its own directory"},
		{"relative alternates outside", func(r *repo) {
			if err := os.MkdirAll(r.dir+"/../other/objects", 0o700); err != nil {
				r.t.Fatal(err)
			}
			r.write("objects/info/alternates", "../../other/objects\n")
		}, "outside its own directory"},
		{"pack directory linked outside", func(r *repo) {
			if err := os.Remove(r.dir + "/objects/pack"); err != nil {
				r.t.Fatal(err)
			}
			if err := os.Symlink(r.t.TempDir(), r.dir+"/objects/pack"); err != nil {
				r.t.Fatal(err)
			}
		}, "outside its own directory"},
		{"sha256", func(r *repo) {
			r.write("config", "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n")
		}, "open repository"},
		{"not a repository", func(r *repo) {
			if err := os.RemoveAll(r.dir + "/objects"); err != nil {
				r.t.Fatal(err)
			}
		}, "is not a git repository"},
		{"too many commits", func(r *repo) { r.ref("refs/heads/main", r.chain(12, "y")[11]) }, "more commits than max_objects"},
	} {
		r := newRepo(t)
		r.ref("refs/heads/main", r.chain(1, "x")[0])
		tt.edit(r)
		err := collect(t, ck, func(c *Config) { c.MaxObjects = 10 }, r).Poll(t.Context(), evidence.Period{}, nil, &collectortest.Recorder{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	// An alternate inside the root is read.
	r := newRepo(t)
	id := r.chain(1, "x")[0]
	r.ref("refs/heads/main", id)
	if err := os.MkdirAll(r.dir+"/pool", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.dir+"/objects", r.dir+"/pool/objects"); err != nil {
		t.Fatal(err)
	}
	r.write("objects/info/alternates", "../pool/objects\n")
	if rec := poll(t, collect(t, ck, nil, r), nil); len(rec.Of(evidence.ChangeCommit)) != 1 {
		t.Errorf("alternate inside: %s", last(rec).Incomplete)
	}
}

func TestConfig(t *testing.T) {
	ok := Repo{Name: "r", URL: "/srv/r.git"}
	for _, tt := range []struct {
		name  string
		repos []Repo
		edit  func(*Config)
		want  string
	}{
		{"none", nil, nil, "no repository"},
		{"name", []Repo{{Name: "a b", URL: "/x"}}, nil, "is no name"},
		{"dots", []Repo{{Name: "../a", URL: "/x"}}, nil, "is no name"},
		{"twice", []Repo{ok, ok}, nil, "is there twice"},
		{"no url", []Repo{{Name: "a"}}, nil, "url: not set"},
		{"http", []Repo{{Name: "a", URL: "http://h/x"}}, nil, "not encrypted"},
		{"password", []Repo{{Name: "a", URL: "https://u:hunter2@h/x"}}, nil, "holds a user"},
		{"unreadable", []Repo{{Name: "a", URL: "https://u:hunter2@h\x7f/x"}}, nil, "cannot be read"},
		{"ssh without keys", []Repo{{Name: "a", URL: "git@h:x.git"}}, nil, "key_file and known_hosts_file"},
		{"remote without mirror", []Repo{{Name: "a", URL: "https://h/x"}}, nil, "mirror_dir"},
		{"scheme", []Repo{{Name: "a", URL: "ftp://h/x"}}, nil, "is not known"},
		{"file host", []Repo{{Name: "a", URL: "file://h/x"}}, nil, "with a host"},
		{"pattern", []Repo{ok}, func(c *Config) { c.Branches = []string{"[a"} }, "without ]"},
		{"timeout", []Repo{ok}, func(c *Config) { c.Timeout = 0 }, "timeout"},
		{"caps", []Repo{ok}, func(c *Config) { c.MaxObjects = 0 }, "max_objects"},
	} {
		cfg := defaults()
		cfg.Repos = tt.repos
		if tt.edit != nil {
			tt.edit(cfg)
		}
		_, err := New(cfg, collectors.Env{Source: "git/acme"})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
	}
	for _, b := range []string{"x", `{"v":2}`, `{"v":1,"repos":{"a":null}}`, `{"v":1,"repos":{"a":{"heads":{"x":{"s":"zz"}}}}}`} {
		if _, err := parseResume([]byte(b)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("resume %s: %v, want a corrupt problem", b, err)
		}
	}
}
