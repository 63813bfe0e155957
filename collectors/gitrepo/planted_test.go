package gitrepo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// history describes a repository, so that its texts can be planted one by one.
type history struct {
	// Commits stand on one another, each with all its files.
	Commits []struct {
		Author, Committer, Encoding, Message string
		Files                                map[string]string
	}
	Tags     []struct{ Name, Tagger, Message string }
	Branches []string
}

const plain = `{
"Commits": [
 {"Author": "Alice Adams <alice@example.org>", "Committer": "Alice Adams <alice@example.org>", "Encoding": "UTF-8", "Message": "begin", "Files": {"a.yaml": "1", "apps/web/b.yaml": "1"}},
 {"Author": "Alice Adams <alice@example.org>", "Committer": "Bob Brown <bob@example.org>", "Encoding": "UTF-8", "Message": "more\n\nReviewed-by: Carl Cox <carl@example.org>\nCo-authored-by: Dora Dahl <dora@example.org>", "Files": {"a.yaml": "2", "apps/web/b.yaml": "2"}}
],
"Tags": [{"Name": "v1.0", "Tagger": "Alice Adams <alice@example.org>", "Message": "first"}],
"Branches": ["main", "release/1", "adamsa/fix"]
}`

// both is of two tenants, who share a repository: each changes files of its own, and
// one change is of both.
const both = `{
"Commits": [
 {"Author": "Alice Adams <alice@example.org>", "Committer": "Alice Adams <alice@example.org>", "Encoding": "UTF-8", "Message": "begin", "Files": {"tenants/tenant-7/web.yaml": "1"}},
 {"Author": "Zoe Quist <zoe@example.org>", "Committer": "Zoe Quist <zoe@example.org>", "Encoding": "UTF-8", "Message": "begin too", "Files": {"tenants/tenant-7/web.yaml": "1", "tenants/zq-three/web.yaml": "1"}},
 {"Author": "Alice Adams <alice@example.org>", "Committer": "Alice Adams <alice@example.org>", "Encoding": "UTF-8", "Message": "change tenants/tenant-7/web.yaml and tenants/zq-three/web.yaml", "Files": {"tenants/tenant-7/web.yaml": "2", "tenants/zq-three/web.yaml": "2", "shared.yaml": "1"}}
],
"Tags": [], "Branches": ["main"]
}`

// build writes the repository that is described, in place of what is there.
func (r *repo) build(described string) {
	r.t.Helper()
	var h history
	if err := json.Unmarshal([]byte(described), &h); err != nil {
		return // it is no such description: the collector reads what was there
	}
	for _, dir := range []string{"objects", "refs"} {
		if err := os.RemoveAll(filepath.Join(r.dir, dir)); err != nil {
			r.t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(r.dir, dir, "heads"), 0o700); err != nil {
			r.t.Fatal(err)
		}
	}
	head := ""
	for i, c := range h.Commits {
		files := map[string]string{}
		for path, text := range c.Files {
			files[pathOf(path)] = text
		}
		var b strings.Builder
		fmt.Fprintf(&b, "tree %s\n", r.tree(files))
		if head != "" {
			fmt.Fprintf(&b, "parent %s\n", head)
		}
		at := r.tick + int64(60*i)
		fmt.Fprintf(&b, "author %s %d +0200\ncommitter %s %d -0130\nencoding %s\n\n%s\n", folded(c.Author), at, folded(c.Committer), at, folded(c.Encoding), c.Message)
		head = r.object("commit", b.String())
	}
	for _, name := range h.Branches {
		r.ref("refs/heads/"+refName(name), head)
	}
	for _, x := range h.Tags {
		name := refName(x.Name)
		r.ref("refs/tags/"+name, r.object("tag", "object "+head+"\ntype commit\ntag "+name+"\ntagger "+folded(x.Tagger)+fmt.Sprintf(" %d +0000\n\n%s\n", r.tick, x.Message)))
	}
}

// folded is a text as the value of a header: git begins a further line with a blank.
func folded(s string) string { return strings.ReplaceAll(s, "\n", "\n ") }

// pathOf is a path that git would take, of the words in a text: no part of it is
// empty.
func pathOf(s string) string {
	return of(s, " ", func(w string) bool { return !strings.Contains(w, "//") })
}

// refName is a name that git would take (git-check-ref-format), of the words in a
// text.
func refName(s string) string {
	return of(s, "/", func(w string) bool {
		return !strings.ContainsAny(w, "~^:?*[\\,") && !strings.Contains(w, "//") && !strings.HasPrefix(w, "-")
	})
}

// of joins the words that may stand in a name. What is a secret by the words before
// it is none there.
func of(s, sep string, may func(word string) bool) string {
	var words []string
	for _, w := range strings.Fields(s) {
		if may(w) && (sep == " " || !strings.Contains(w, "Zq79") && !strings.Contains(w, "Zq80") && !strings.Contains(w, "Zq82") && !strings.Contains(w, "Zq83")) {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, sep)
}

func plantedSuite(r *repo) collectortest.Suite {
	return collectortest.Suite{
		Source: "git/acme", Now: start().t,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := defaults()
			cfg.Repos = []Repo{{Name: "platform", URL: r.dir}}
			c, err := New(cfg, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
}

// TestSecrets plants secrets in every text of a repository: names, messages, paths,
// tags and branches.
func TestSecrets(t *testing.T) {
	r := newRepo(t)
	p := collectortest.Secrets(plantedSuite(r))
	p.Lines, p.Write = []string{plain}, func(lines []string) { r.build(lines[0]) }
	p.Run(t)
}

// TestApart plants the paths of another tenant among those that a commit changes, in
// a repository that both share, and looks in the log of either.
func TestApart(t *testing.T) {
	seven, three := collectors.Owns{Paths: []string{"tenants/tenant-7"}}, collectors.Owns{Paths: []string{"tenants/zq-three"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: three, Names: []string{"tenants/zq-three/limits.yaml", "tenants/zq-three/web.yaml"}},
		"three": {Own: three, Other: seven, Names: []string{"tenants/tenant-7/limits.yaml", "tenants/tenant-7/web.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			a.Suite, a.Lines, a.Write = plantedSuite(r), []string{both}, func(lines []string) { r.build(lines[0]) }
			a.Only = []string{`/0 /Commits/\d+/Files/~`}
			a.Whole = a.Only
			a.Run(t)
		})
	}
}
