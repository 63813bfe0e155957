package collectors

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
)

func TestWithoutCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"clone https://bot:p@ss@git.example.test/a.git":                           "clone https://git.example.test/a.git",
		"https://oauth2token@git.example.test/a.git":                              "https://git.example.test/a.git",
		"ssh://git@git.example.test/a.git":                                        "ssh://git@git.example.test/a.git",
		"postgres://app:pw@db.example.test/app":                                   "postgres://db.example.test/app",
		"docker://alpine:3.20@sha256:0123456789ab":                                "docker://alpine:3.20@sha256:0123456789ab",
		"see team@example.test and https://a.example.test":                        "see team@example.test and https://a.example.test",
		"token hvs." + strings.Repeat("A1", 12) + " leaked":                       "token [removed] leaked",
		"hvs.example.test is a host":                                              "hvs.example.test is a host",
		"ghp_" + strings.Repeat("a1", 18):                                         "[removed]",
		"use github_pat_11AA, glpat-ab12.cd34":                                    "use [removed], [removed]",
		"key AKIA" + strings.Repeat("A", 16) + ".":                                "key [removed].",
		"id eyJhbGciOiJSUzI1.eyJzdWIiOiJ4.c2ln!":                                  "id [removed]!",
		`curl -H "Authorization: Bearer abc.def" x`:                               `curl -H "Authorization: Bearer [removed]" x`,
		"dsn password=hunter2&user=app, or passwd=x":                              "dsn password=[removed]&user=app, or passwd=[removed]",
		"the password of the user was changed":                                    "the password of the user was changed",
		"a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb": "a\n[removed]\nb",
		"cut -----BEGIN PRIVATE KEY-----\nMHc":                                    "cut [removed]",
	} {
		got := WithoutCredentials(in)
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if again := WithoutCredentials(got); again != got {
			t.Errorf("%q: a second time gives %q", in, again)
		}
	}
}

// What is taken out of a draft: from facts, text and names in part, from the bytes
// each string whole, with its place.
func TestDraftWithoutCredentials(t *testing.T) {
	token := "ghp_" + strings.Repeat("a1", 18)
	people := []evidence.Person{{NativeID: "7", Names: evidence.Names{Display: "x " + token}}}
	d := evidence.Draft{
		Content: []byte(`{"n":1.50,"title":"uses ` + token + `"}`), Text: []byte("uses " + token), People: people,
		Raw: []byte(`{"a":["uses ` + token + `","b"],"url":"https:\/\/me:pw@x.example.test"}`), Removed: []string{"forge/1", "/z"},
	}
	withoutCredentials(&d)
	if got, want := string(d.Content), `{"n":1.50,"title":"uses [removed]"}`; got != want {
		t.Errorf("facts %s, want %s", got, want)
	}
	if got, want := string(d.Text), "uses [removed]"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if got, want := string(d.Raw), `{"a":["[removed]","b"],"url":"[removed]"}`; got != want {
		t.Errorf("bytes %s, want %s", got, want)
	}
	if want := []string{"forge/1 credentials/1", "/z", "/a/0", "/url"}; !slices.Equal(d.Removed, want) {
		t.Errorf("removed %q, want %q", d.Removed, want)
	}
	if d.People[0].Names.Display != "x [removed]" || people[0].Names.Display == "x [removed]" {
		t.Errorf("people %v, and those that were handed over %v", d.People, people)
	}
	plain := evidence.Draft{Content: []byte(`{ "a" : 1 }`), Text: []byte("x"), Raw: []byte("tree 1\nauthor A <a@example.test>")}
	was := fmt.Sprint(plain)
	if withoutCredentials(&plain); fmt.Sprint(plain) != was {
		t.Errorf("a draft without any was changed: %v", plain)
	}
}

// Members whose names hold credentials are called by what is left, each by a name of
// its own; whose they are is still told of each.
func TestNamesWithoutCredentials(t *testing.T) {
	ns := func(name string) []evidence.Ref { return []evidence.Ref{evidence.NewRef("ns", "prod", name)} }
	first, second := "glpat-aaaabbbbcccc", "ghp_aaaabbbbcccc"
	d := evidence.Draft{
		Content: []byte(`{"into":{"a":"1","` + second + `":"3","` + first + `":"2","z":"4"},"labels":{"[removed]":"there","` + first + `":"x"}}`),
		Raw:     []byte(`{"into":{"` + first + `":"2"}}`), Removed: []string{"x/1", "/into/" + first + "/y", "/into/" + second, "/z"},
		Mentions: []evidence.Mention{{At: "/into", Of: [][]evidence.Ref{ns("a"), ns("3"), ns("2"), ns("z"), ns("more")}}},
	}
	was := d.Mentions[0].Of[0][0]
	withoutCredentials(&d)
	if got, want := string(d.Content), `{"into":{"[removed]":"3","[removed] 2":"2","a":"1","z":"4"},"labels":{"[removed]":"there","[removed] 2":"x"}}`; got != want {
		t.Errorf("facts %s\nwant  %s", got, want)
	}
	var of []string
	for _, refs := range d.Mentions[0].Of {
		of = append(of, refs[0].Name)
	}
	if want := []string{"3", "2", "a", "z", "more"}; !slices.Equal(of, want) {
		t.Errorf("members are of %q, want %q", of, want)
	}
	if was.Name != "a" {
		t.Error("the mentions that were handed over are changed")
	}
	if got, want := string(d.Raw), `{"into":{}}`; got != want {
		t.Errorf("bytes %s, want %s", got, want)
	}
	if want := []string{"x/1 credentials/1", "/into", "/z"}; !slices.Equal(d.Removed, want) {
		t.Errorf("removed %q, want %q", d.Removed, want)
	}
}
