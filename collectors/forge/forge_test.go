package forge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func TestText(t *testing.T) {
	if got := Clean("a\x00b\xffc\u00e9"); got != "a\uFFFDb\uFFFDc\u00e9" {
		t.Errorf("cleaned %q", got)
	}
	if got := Short(strings.Repeat("é", 200)); len(got) > maxName || !strings.HasSuffix(got, "...") || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("a name of %d bytes: %q", len(got), got)
	}
	if got := string(Text("one", "", "two")); got != "one\n\ntwo" || Text("", "") != nil {
		t.Errorf("text %q", got)
	}
	if got := string(Text(strings.Repeat("x", evidence.MaxText-60) + " ghp_" + strings.Repeat("a1", 18) + strings.Repeat(" y", 60))); strings.Contains(got, "a1") {
		t.Errorf("half of a credential is kept: %s", got[evidence.MaxText-80:])
	}
	if got := Text(strings.Repeat("é", evidence.MaxText)); len(got) > evidence.MaxText || !strings.Contains(string(got), "[cut here: the text has") {
		t.Errorf("a text of %d bytes", len(got))
	}
	if got := string(Encode(map[string]string{"a": "<&>"})); got != `{"a":"<&>"}` || Encode(func() {}) != nil {
		t.Errorf("encoded %s", got)
	}
	kept, removed := Without("x/1", []byte(`{"a":1,"b":{"c":2},"d":3}`), "b", "d", "e")
	if string(kept) != `{"a":1}` || !slices.Equal(removed, []string{"x/1", "/b", "/d"}) {
		t.Errorf("kept %s, removed %v", kept, removed)
	}
	if kept, removed := Without("x/1", []byte(`{ "a": 1 }`), "b"); string(kept) != `{ "a": 1 }` || removed != nil {
		t.Errorf("of nothing to remove: kept %s, removed %v", kept, removed)
	}
	if kept, _ := Without("x/1", []byte(`[1]`), "b"); kept != nil {
		t.Errorf("of no object is kept %s", kept)
	}
}

func TestPeople(t *testing.T) {
	p := People{Mark: func(realm, id, login string) (bool, bool) { return id == "ci@example.org", login == "shared" }}
	alice := p.Claimed(evidence.RoleAuthor, "Alice", "Alice@Example.org")
	if again := p.Claimed(evidence.RoleAuthor, "A.", "alice@example.org"); alice != 0 || again != 0 {
		t.Errorf("one author stands at %d and %d", alice, again)
	}
	if other := p.Claimed(evidence.RoleCommitter, "Alice", "alice@example.org"); other != 1 {
		t.Errorf("the same in another role stands at %d", other)
	}
	if named := p.Claimed(evidence.RoleAuthor, "Bob", ""); p.List[named].NativeID != "name:bob" {
		t.Errorf("without a mail address: %+v", p.List[named])
	}
	if ci := p.Claimed(evidence.RoleAuthor, "CI", "ci@example.org"); !p.List[ci].Names.Bot || p.List[ci].Names.Shared {
		t.Errorf("a marked one: %+v", p.List[ci])
	}
	if nobody := p.Claimed(evidence.RoleAuthor, "", ""); nobody != -1 {
		t.Errorf("nobody stands at %d", nobody)
	}
	if got := p.Mask()("home/alice@example.org/\x01"); got != "home/{mail}/\uFFFD" {
		t.Errorf("masked %q", got)
	}
	for i := len(p.List); i < evidence.MaxPeople; i++ {
		p.Claimed(evidence.RoleAuthor, fmt.Sprint(i), "")
	}
	if over := p.Claimed(evidence.RoleAuthor, "one too many", ""); over != -1 || len(p.List) != evidence.MaxPeople {
		t.Errorf("one too many stands at %d of %d", over, len(p.List))
	}
	if got := AddIndex(AddIndex(AddIndex(nil, 2), 2), -1); !slices.Equal(got, []int{2}) {
		t.Errorf("indices %v", got)
	}
}

func TestRefs(t *testing.T) {
	same := func(s string) string { return s }
	if got := fmt.Sprint(Scope("a", "o/r", []string{"x/1", "", "/y", "x/1"}, true, same)); got != "[project:a/o/r path:a%2Fo%2Fr/x/1 path:a%2Fo%2Fr/y]" {
		t.Errorf("scope %s", got)
	}
	if got := fmt.Sprint(Scope("a", "o/r", []string{"x"}, false, same)); got != "[project:a/o/r path:a%2Fo%2Fr/*]" {
		t.Errorf("scope of a list that is not whole: %s", got)
	}
	var many []string
	for i := range 3 * MaxPaths {
		many = append(many, fmt.Sprintf("d%d/e%d/f", i%3, i))
	}
	if got := fmt.Sprint(Scope("a", "o/r", many, true, same)); got != "[project:a/o/r path:a%2Fo%2Fr/d0/* path:a%2Fo%2Fr/d1/* path:a%2Fo%2Fr/d2/*]" {
		t.Errorf("scope of many: %s", got)
	}
	for _, ref := range []evidence.Ref{Path("a", "o/r", strings.Repeat("deep/", 200)+"file"), Path("a", "o/r", strings.Repeat("é", 600)), Branch("a", "o/r", strings.Repeat("b", 600))} {
		if n := len(ref.String()); n > evidence.MaxRef {
			t.Errorf("a reference of %d bytes", n)
		}
	}
	sha, zero := strings.Repeat("a", 40), strings.Repeat("0", 64)
	if got := CommitLinks(1, sha, "none", zero, sha); len(got) != 2 || got[0] != Commit(sha) || ObjectOrNone("none") != "" || ObjectOrNone(sha) != sha {
		t.Errorf("links %v", got)
	}
	var shas []string
	for i := range 2 * evidence.MaxLinks {
		shas = append(shas, fmt.Sprintf("%040x", i))
	}
	if n := len(CommitLinks(8, shas...)); n != evidence.MaxLinks-8 {
		t.Errorf("%d links", n)
	}
	if got := Change("a", "o/r", 7).String(); got != "change:a/o/r!7" {
		t.Errorf("change %s", got)
	}
}

func TestPosition(t *testing.T) {
	sha := strings.Repeat("a", 40)
	type position struct {
		V int          `json:"v"`
		B *BranchState `json:"b"`
	}
	for text, want := range map[string]bool{
		`{"v":1,"b":{"head":"` + sha + `","walk":{"head":"` + sha + `","page":1}}}`: true,
		`{"v":1,"b":{"head":"x"}}`:                               false,
		`{"v":1,"b":{"walk":{"head":"x"}}}`:                      false,
		`{"v":1,"b":{"walk":{"head":"` + sha + `","base":"x"}}}`: false,
		`{"v":1,"b":{"walk":{"head":"` + sha + `","page":-1}}}`:  false,
		`{"v":1,"b":null}`:                                       false,
		`{"v":2,"b":{}}`:                                         false,
		`{"v":1,"b":{},"new":1}`:                                 false,
		`{"v":1,"b":{}}{}`:                                       false,
		`{"v":1,"b":{}`:                                          false,
	} {
		var p position
		err := ReadPosition([]byte(text), &p)
		if err == nil {
			err = CheckVersion(p.V, 1)
		}
		if err != nil && (!problem.Is(err, problem.Corrupt) || problem.Of(err).Hint == "") {
			t.Errorf("%s: %v", text, err)
		}
		if got := err == nil && p.B.Valid(); got != want {
			t.Errorf("%s: taken %v, want %v (%v)", text, got, want, err)
		}
	}
}
