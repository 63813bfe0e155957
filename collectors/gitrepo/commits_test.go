package gitrepo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func TestWildCommits(t *testing.T) {
	ck, r := start(), newRepo(t)
	tree := r.tree(map[string]string{"a": "1"})
	odd := r.object("tree", "100644 caf\xe9\x00"+strings.Repeat("\x01", 20)+"100644 new\nline\x00"+strings.Repeat("\x02", 20)+"100644 star*\x00"+strings.Repeat("\x03", 20))
	raw := func(author, committer, rest string) string {
		return r.object("commit", "tree "+tree+"\nauthor "+author+"\ncommitter "+committer+"\n"+rest)
	}
	tests := []struct {
		name, id string
		claimed  bool
		check    func(evidence.Draft, evidence.CommitFacts) bool
	}{
		{"year 10000", raw(alice+" 253402300800 +0000", alice+" 253402300800 +0000", "\nx"), false, nil},
		{"year 0", raw(alice+" -62167219200 +0000", alice+" -62167219200 +0000", "\nx"), false, nil},
		{"year 0001", raw(alice+" 1 +0000", alice+" -62135596799 -9999", "\nx"), true, nil},
		{"past int64", raw(alice+" 1 +0000", alice+" 99999999999999999999999 +0000", "\nx"), false, nil},
		{"zone", raw(alice+" 1 -0000", alice+" 1780000000 -2599", "\nx"), true, nil},
		{"no date", raw(alice, alice, "\nx"), false, nil},
		{"no mail", raw("Alice 1 +0000", "Alice <> 1780000000 +0000", "\nx"), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return d.People[1].NativeID == "name:alice"
		}},
		{"nobody", raw("", " <> 1780000000 +0000", "\nx"), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return d.People[1].NativeID == "nobody"
		}},
		{"no message", raw(alice+" 1 +0000", alice+" 1780000000 +0000", ""), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return len(d.Text) == 0
		}},
		{"latin-1", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "encoding ISO-8859-1\n\ncaf\xe9"), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return string(d.Text) == "café"
		}},
		{"names in latin-1", raw("J\xf6rg <j\xf6rg@example.org> 1 +0000", "J\xf6rg <> 1780000000 +0000", "encoding ISO-8859-1\n\nx"), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return d.People[0].Names.Display == "Jörg" && d.People[0].NativeID == "jörg@example.org" && d.People[1].NativeID == "name:jörg"
		}},
		{"brackets in an address", raw("Alice <alice@example.org>-<> 1 +0000", "Alice <alice@example.org> Bob <bob@example.org> 1780000000 +0000", "\nx"), true, func(d evidence.Draft, f evidence.CommitFacts) bool {
			return d.People[0].NativeID == "alice@example.org" && d.People[1].NativeID == "alice@example.org" && f.AuthoredAt.Unix() == 1
		}},
		{"headers twice", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "author Bob <bob@example.org> 9 +0000\ncommitter Bob <bob@example.org> 9 +0000\nparent "+strings.Repeat("1", 40)+"\n\nx"), true, func(d evidence.Draft, f evidence.CommitFacts) bool {
			return d.People[0].NativeID == "alice@example.org" && d.People[1].NativeID == "alice@example.org" && len(f.Parents) == 0 && d.OccurredAt.Unix() == 1780000000
		}},
		{"not UTF-8", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "\ncaf\xe9!"), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return string(d.Text) == "caf\uFFFD!" && strings.Contains(string(d.Raw), "caf\xe9!")
		}},
		{"huge message", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "\n"+strings.Repeat("x", evidence.MaxText+10)), true, func(d evidence.Draft, _ evidence.CommitFacts) bool {
			return len(d.Text) <= evidence.MaxText && strings.Contains(string(d.Text), "cut here")
		}},
		{"openpgp", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\nx"), true, func(_ evidence.Draft, f evidence.CommitFacts) bool {
			return f.Signature == "openpgp"
		}},
		{"ssh", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "gpgsig -----BEGIN SSH SIGNATURE-----\n abc\n\nx"), true, func(_ evidence.Draft, f evidence.CommitFacts) bool {
			return f.Signature == "ssh"
		}},
		{"x509", raw(alice+" 1 +0000", alice+" 1780000000 +0000", "gpgsig -----BEGIN SIGNED MESSAGE-----\n abc\n\nx"), true, func(_ evidence.Draft, f evidence.CommitFacts) bool {
			return f.Signature == "x509"
		}},
		{"odd paths", r.object("commit", "tree "+odd+"\nauthor "+alice+" 1 +0000\ncommitter "+alice+" 1780000000 +0000\n\nx"), true, func(d evidence.Draft, f evidence.CommitFacts) bool {
			return len(f.Files) == 3 && f.Files[0].Path == "caf%E9" && f.Files[1].Path == "new%0Aline" && d.Scope[3].Name == "star%2A"
		}},
	}
	for i, tt := range tests {
		r.ref(fmt.Sprintf("refs/heads/b%02d", i), tt.id)
	}
	rec := poll(t, collect(t, ck, nil, r), nil)
	byID := map[string]evidence.Draft{}
	for _, d := range rec.Of(evidence.ChangeCommit) {
		byID[d.Subject.Name] = d
	}
	for _, tt := range tests {
		d, ok := byID[tt.id]
		if !ok {
			t.Errorf("%s: not emitted; incomplete %q", tt.name, last(rec).Incomplete)
			continue
		}
		if claimed := d.Basis == evidence.BasisClaimed; claimed != tt.claimed || !claimed && !d.OccurredAt.Equal(ck.t) {
			t.Errorf("%s: occurred %v, %s", tt.name, d.OccurredAt, d.Basis)
		}
		if tt.check != nil && !tt.check(d, decode[evidence.CommitFacts](t, d)) {
			t.Errorf("%s: people %+v, text %.80q, content %.300s", tt.name, d.People, d.Text, d.Content)
		}
	}
	if len(last(rec).Notes) != 4 {
		t.Errorf("notes %q, want one for each of the four unusable dates", last(rec).Notes)
	}
}

func TestManyFilesAndMerge(t *testing.T) {
	ck, r := start(), newRepo(t)
	files := map[string]string{}
	for i := range 700 {
		files[fmt.Sprintf("tenants/t%d/app/f%d", i%30, i)] = fmt.Sprint(i)
	}
	a := r.commit(map[string]string{"a": "x", "m": "same"}, "root")
	b := r.commit(files, "many", a)
	c1 := r.commit(map[string]string{"a": "exec", "m": "same"}, "side", a)
	c2 := r.commit(map[string]string{"b": "x", "m/q": "z"}, "side 2", a)
	m := r.commit(files, "octopus", b, c1, c2)
	r.ref("refs/heads/main", m)
	rec := poll(t, collect(t, ck, nil, r), nil)
	byID := map[string]evidence.Draft{}
	for _, d := range rec.Of(evidence.ChangeCommit) {
		byID[d.Subject.Name] = d
	}
	if len(byID) != 5 {
		t.Fatalf("%d commits, want 5", len(byID))
	}
	f := decode[evidence.CommitFacts](t, byID[b])
	if len(f.Files) != maxFiles || f.FilesCut != 702-maxFiles {
		t.Errorf("%d files and %d cut, want %d and %d", len(f.Files), f.FilesCut, maxFiles, 702-maxFiles)
	}
	if n := len(byID[b].Scope); n != 33 || byID[b].Scope[3].Name != "tenants/t0/app/*" {
		t.Errorf("%d scopes, the fourth %v; want project, a, m and 30 directories", n, byID[b].Scope[3])
	}
	if f := decode[evidence.CommitFacts](t, byID[c1]); len(f.Files) != 1 || f.Files[0].Status != "modified" {
		t.Errorf("content and mode changed: %+v", f.Files)
	}
	want := []evidence.FileChange{{Path: "b", From: "a", Status: "renamed"}, {Path: "m", Status: "removed"}, {Path: "m/q", Status: "added"}}
	if diff := cmp.Diff(want, decode[evidence.CommitFacts](t, byID[c2]).Files); diff != "" {
		t.Errorf("file to directory (-want +got):\n%s", diff)
	}
	if f := decode[evidence.CommitFacts](t, byID[m]); !f.Merge || len(f.Parents) != 3 || len(f.Files) != 0 {
		t.Errorf("octopus: %+v", f)
	}
}

// A text that is cut holds no half of a credential.
func TestCutText(t *testing.T) {
	got := string(cutText([]byte(strings.Repeat("x", evidence.MaxText-60) + " ghp_" + strings.Repeat("a1", 18) + strings.Repeat(" y", 60))))
	if strings.Contains(got, "a1") || !strings.Contains(got, "[cut here: the text has") || len(got) > evidence.MaxText {
		t.Errorf("the text ends in %s", got[len(got)-80:])
	}
}
