package evidence_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

type refVector struct {
	Text      string `json:"text"`
	Scheme    string `json:"scheme"`
	Authority string `json:"authority_hex"` // bytes, for they need not be UTF-8
	Name      string `json:"name_hex"`
	UID       string `json:"uid_hex"`
}

type refRefused struct {
	Why  string `json:"why"`
	Text string `json:"text"`
}

var refGood = []struct {
	text string
	ref  evidence.Ref
}{
	{"change:prod/acme/web!7", evidence.NewRef("change", "prod", "acme/web!7")},
	{"commit:/0123456789abcdef0123456789abcdef01234567", evidence.NewRef("commit", "", "0123456789abcdef0123456789abcdef01234567")},
	{"image:/sha256:00", evidence.NewRef("image", "", "sha256:00")},
	{"app:prod/argocd/web#7e2c", evidence.NewRef("app", "prod", "argocd/web").WithUID("7e2c")},
	{"secret:prod/kv/tenant-7/web%20db", evidence.NewRef("secret", "prod", "kv/tenant-7/web db")},
	{"secret:prod/kv/x%FF%FEy", evidence.NewRef("secret", "prod", "kv/x\xff\xfey")},
	{"secret:prod/kv/x%EF%BF%BDy", evidence.NewRef("secret", "prod", "kv/x\uFFFDy")},
	{"branch:prod/acme/web@na%C3%AFve", evidence.NewRef("branch", "prod", "acme/web@naïve")},
	{"path:prod/a%23b%25c%22d%5Ce", evidence.NewRef("path", "prod", `a#b%c"d\e`)},
	{"repo:a%2Fb/c/d", evidence.NewRef("repo", "a/b", "c/d")},
	{"label:prod/team=a:b<c>&d", evidence.NewRef("label", "prod", "team=a:b<c>&d")},
	{"path:prod/a%00%0A%7Fb", evidence.NewRef("path", "prod", "a\x00\n\x7fb")},
	{"mount:prod/kv/", evidence.NewRef("mount", "prod", "kv/")},
	{"person:/AAAAAAAAAAAAAAAAAAAAAA", evidence.NewRef("person", "", "AAAAAAAAAAAAAAAAAAAAAA")},
	{"repo:/", evidence.NewRef("repo", "", "")},
	{"ns:prod/web#a%2523", evidence.NewRef("ns", "prod", "web").WithUID("a%23")},
}

var refBad = []refRefused{
	{"empty", ""},
	{"no scheme", "prod/acme"},
	{"an unknown scheme", "file:prod/acme"},
	{"a scheme in upper case", "Repo:prod/acme"},
	{"no authority and no slash", "repo:acme"},
	{"an empty uid", "repo:prod/acme#"},
	{"two uids", "repo:prod/acme#a#b"},
	{"a space", "repo:prod/acme web"},
	{"a control character", "repo:prod/acme\tweb"},
	{"a byte above 0x7e", "repo:prod/na\u00efve"},
	{"an escape that needs none", "repo:prod/%61cme"},
	{"a slash escaped in a name", "repo:prod/acme%2Fweb"},
	{"lower-case hex", "repo:prod/na%c3%afve"},
	{"a cut escape", "repo:prod/acme%2"},
	{"a bare percent sign", "repo:prod/100%"},
	{"an escape that is no hex", "repo:prod/acme%ZZ"},
	{"a quote", `repo:prod/a"b`},
	{"a backslash", `repo:prod/a\b`},
}

func TestRefVectors(t *testing.T) {
	var v struct {
		Schemes map[string]string `json:"schemes"`
		Good    []refVector       `json:"good"`
		Refused []refRefused      `json:"refused"`
	}
	v.Schemes, v.Refused = evidence.RefSchemes, refBad
	for _, g := range refGood {
		v.Good = append(v.Good, refVector{g.text, g.ref.Scheme, hexOf(g.ref.Authority), hexOf(g.ref.Name), hexOf(g.ref.UID)})
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	const path = "../testdata/vectors/refs.json"
	if evidencetest.Updating() {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), buf.String()); d != "" {
		t.Errorf("refs.json is not what the code makes (-file +code):\n%s", d)
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

func TestRef(t *testing.T) {
	for _, g := range refGood {
		if got := g.ref.String(); got != g.text {
			t.Errorf("%+v is written %q, want %q", g.ref, got, g.text)
		}
		got, err := evidence.ParseRef(g.text)
		if err != nil || got != g.ref {
			t.Errorf("%q is read as %+v (%v), want %+v", g.text, got, err, g.ref)
		}
	}
	for _, b := range refBad {
		if r, err := evidence.ParseRef(b.Text); err == nil {
			t.Errorf("%q (%s) is read as %+v", b.Text, b.Why, r)
		}
	}
	if _, err := evidence.ParseRef("repo:/" + strings.Repeat("a", 40*evidence.MaxRef)); err == nil {
		t.Error("a reference of any length is read")
	}
	defer func() {
		if recover() == nil {
			t.Error("NewRef takes an unknown scheme")
		}
	}()
	evidence.NewRef("nonsense", "", "")
}

func TestRefText(t *testing.T) {
	type holder struct{ R evidence.Ref }
	var h holder
	b, err := json.Marshal(h)
	if err != nil || string(b) != `{"R":""}` {
		t.Errorf("zero reference: %s, %v", b, err)
	}
	if err := json.Unmarshal(b, &h); err != nil || !h.R.IsZero() {
		t.Errorf("zero reference read again: %+v, %v", h, err)
	}
	before := evidence.NewRef("repo", "", "kept")
	h.R = before
	if err := json.Unmarshal([]byte(`{"R":"repo"}`), &h); err == nil || h.R != before {
		t.Errorf("after a bad reference: %+v, %v", h, err)
	}
}

// Two different names never share a text form, and every text form is ASCII
// that a JSON encoder leaves alone.
func TestRefAnyBytes(t *testing.T) {
	bytesGen := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
	})
	rapid.Check(t, func(t *rapid.T) {
		r := evidence.Ref{Scheme: "path", Authority: bytesGen.Draw(t, "authority"), Name: bytesGen.Draw(t, "name"), UID: bytesGen.Draw(t, "uid")}
		s := r.String()
		for i := 0; i < len(s); i++ {
			if s[i] <= ' ' || s[i] >= utf8.RuneSelf {
				t.Fatalf("%q holds byte %#x", s, s[i])
			}
		}
		got, err := evidence.ParseRef(s)
		if err != nil || got != r {
			t.Fatalf("%q is read as %+v (%v), want %+v", s, got, err, r)
		}
	})
}

func FuzzParseRef(f *testing.F) {
	for _, g := range refGood {
		f.Add(g.text)
	}
	for _, b := range refBad {
		f.Add(b.Text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := evidence.ParseRef(s)
		if err != nil {
			if r != (evidence.Ref{}) {
				t.Fatalf("%q is refused, and yet %+v", s, r)
			}
			return
		}
		if r.String() != s {
			t.Fatalf("%q is accepted and written %q", s, r.String())
		}
	})
}
