package gitrepo

import (
	"os"
	"strings"
	"testing"

	"evidenced/evidence/problem"
)

// A file of a commit is there with the very bytes, or it is not.
func TestHolds(t *testing.T) {
	r := newRepo(t)
	text := "signed off\n"
	id := r.commit(map[string]string{"statements/a.txt": text, "b.txt": "b"}, "add")
	r.ref("refs/heads/main", id)
	other := newRepo(t)
	other.ref("refs/heads/main", other.commit(map[string]string{"x": "y"}, "x"))
	c := collect(t, start(), nil, other, r)
	blob, link := r.object("blob", text), r.object("blob", "statements/a.txt")
	raw := func(mode, name, id string) string { return mode + " " + name + "\x00" + string(unhex(t, id)) }
	commitOf := func(tree string) string {
		return r.object("commit", "tree "+tree+"\nauthor A <a@x.example> 1 +0000\ncommitter A <a@x.example> 1 +0000\n\nx\n")
	}
	linked := commitOf(r.object("tree", raw("120000", "a.txt", link)))
	twice := commitOf(r.object("tree", raw("100644", "a.txt", r.object("blob", "other"))+raw("100644", "a.txt", blob)))
	runs := commitOf(r.object("tree", raw("100755", "a.txt", blob)))
	cut := r.commit(map[string]string{"gone.txt": "gone"}, "gone")
	gone := r.object("blob", "gone")
	remove(t, r.path(gone))
	for _, tc := range []struct {
		name, commit, path, want string
		found, same              bool
		code                     problem.Code
	}{
		{"the file", id, "statements/a.txt", text, true, true, ""},
		{"an executable file", runs, "a.txt", text, true, true, ""},
		{"other bytes", id, "statements/a.txt", "signed off", true, false, ""},
		{"another file", id, "b.txt", text, true, false, ""},
		{"no file", id, "statements/c.txt", text, true, false, ""},
		{"a folder", id, "statements", text, true, false, ""},
		{"below a file", id, "b.txt/a", text, true, false, ""},
		{"a path from the root", id, "/statements/a.txt", text, true, false, ""},
		{"a path that climbs", id, "statements/../statements/a.txt", text, true, false, ""},
		{"a link", linked, "a.txt", "statements/a.txt", true, false, ""},
		{"two of one name", twice, "a.txt", text, true, false, ""},
		{"a commit of nobody", strings.Repeat("a", 40), "a", text, false, false, ""},
		{"no commit", "main", "a", text, false, false, problem.Usage},
		{"a damaged repository", cut, "gone.txt", "gone", true, false, problem.Source},
		{"far down", id, strings.Repeat("a/", 100), text, true, false, problem.Usage},
	} {
		found, same, err := c.Holds(t.Context(), tc.commit, tc.path, []byte(tc.want))
		if found != tc.found || same != tc.same || tc.code == "" && err != nil || tc.code != "" && !problem.Is(err, tc.code) {
			t.Errorf("%s: found %v, same %v, %v", tc.name, found, same, err)
		}
	}
	gitless := collect(t, start(), func(c *Config) {
		c.Repos[0].URL, c.MirrorDir = "https://git.example/x.git", t.TempDir()
	}, newRepo(t))
	if found, _, err := gitless.Holds(t.Context(), id, "b.txt", nil); found || err != nil {
		t.Errorf("never fetched: %v %v", found, err)
	}
}

func unhex(t *testing.T, id string) []byte {
	t.Helper()
	h, err := parseID([]byte(id))
	if err != nil {
		t.Fatal(err)
	}
	return h[:]
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
