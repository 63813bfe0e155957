package people_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/people"
)

func at(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }

func person(role evidence.Role, realm, id, login string) evidence.Person {
	return evidence.Person{Role: role, Realm: realm, NativeID: id, Names: evidence.Names{Login: login}, Proof: evidence.ProofAuthenticated}
}

const sha = "a41c9e2f00000000000000000000000000000001"

// story: carol has a forge account, a Vault identity and a git address; the
// first two are linked, the third only bears her login. Her former link with a
// deployer account ended. Bob is bob everywhere, and nobody said so.
func story(t testing.TB) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	claimed := evidence.Person{Role: evidence.RoleAuthor, Realm: "git:claimed", NativeID: "carol", Proof: evidence.ProofClaimed}
	l.Add(evidence.ChangeCommit, evidence.OpEvent, at(10, 8), evidence.CommitFacts{Repo: "acme/shop", SHA: sha, Author: 0, Committer: -1}, claimed)
	l.Add(evidence.ChangeMerge, evidence.OpEvent, at(10, 10), evidence.MergeFacts{
		Repo: "acme/shop", Number: 7, State: "merged", Base: "main", MergeSHA: sha, MergedAt: at(10, 10), Author: 0, Merger: 0, ReviewsSeen: true,
		Reviews: []evidence.ReviewState{{ID: "1", Person: 2, State: "approved", At: at(10, 9)}},
	}, person(evidence.RoleAuthor, "github:acme", "8231", "carol"), person(evidence.RoleMerger, "github:acme", "8231", "carol"), person(evidence.RoleReviewer, "github:acme", "55", "bob"))
	read := func(day int, id string, p evidence.Person) {
		l.Add(evidence.SecretAccess, evidence.OpEvent, at(day, 12), evidence.AccessFacts{RequestID: id, Operation: "read", Path: "kv/data/a", Secret: "kv/a", Outcome: "ok", Reading: true, Who: 0}, p)
	}
	read(11, "r1", person(evidence.RoleReader, "vault:prod/entity", "e7c1", "carol.w"))
	read(12, "r2", person(evidence.RoleReader, "vault:prod/entity", "e900", "bob"))
	read(20, "r3", person(evidence.RoleReader, "vault:prod/entity", "e7c1", "carol.w"))
	robot := person(evidence.RoleReader, "vault:prod/entity", "e001", "ci")
	robot.Names.Bot = true
	read(12, "r4", robot)
	shared := person(evidence.RoleReader, "vault:prod/entity", "e002", "ops")
	shared.Names.Shared = true
	read(12, "r5", shared)
	gone := person(evidence.RoleReader, "vault:prod/entity", "e003", "mallory")
	read(12, "r6", gone)
	l.Erase(evidencetest.Token(tenant, "vault:prod/entity", "e003"))
	forge, vault, argo, boss := person("", "github:acme", "8231", "carol"), person("", "vault:prod/entity", "e7c1", "carol.w"), person("", "argocd:prod", "cw", "cw"), person("", "github:acme", "9", "dana")
	l.LinkPeople(at(13, 9), forge, vault, boss, false)
	l.LinkPeople(at(13, 10), forge, argo, boss, false)
	l.LinkPeople(at(14, 10), forge, argo, boss, true)
	l.Cover("vault/prod", evidence.Continuous, evidence.Period{From: at(9, 0), To: at(15, 0)}, "", evidence.SecretAccess)
	l.Cover("vault/prod", evidence.Blind, evidence.Period{From: at(15, 0), To: at(15, 6)}, "sealed", evidence.SecretAccess)
	return l
}

func load(t testing.TB, l evidence.Reader) *people.Register {
	t.Helper()
	g, err := people.Load(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func golden(t testing.TB, name string, doc any, text func(io.Writer, reports.Style) error) {
	t.Helper()
	var b bytes.Buffer
	if err := text(&b, reports.Style{Width: 120}); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, name+".txt", b.Bytes())
	j, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, name+".json", append(j, '\n'))
}

func TestRegister(t *testing.T) {
	g := load(t, story(t))
	golden(t, "register", g, g.Text)
	want := map[string]people.Sort{
		"github:acme|8231": people.Linked, "vault:prod/entity|e7c1": people.Linked, "argocd:prod|cw": people.Unlinked, "git:claimed|carol": people.Unlinked,
		"vault:prod/entity|e001": people.Bot, "vault:prod/entity|e002": people.Shared, "github:acme|55": people.Unlinked,
	}
	for _, a := range g.Accounts {
		if s, ok := want[a.ID()]; ok && s != a.Sort {
			t.Errorf("%s is %s, want %s", a.ID(), a.Sort, s)
		}
		delete(want, a.ID())
		if a.Sort == people.Erased && (a.NativeID != "" || a.Realm != "") {
			t.Errorf("of an erased account is left %+v", a)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the register: %v", want)
	}
}

func TestWho(t *testing.T) {
	l := story(t)
	g := load(t, l)
	month := evidence.Period{From: at(9, 0), To: at(18, 0)}
	for _, tt := range []struct {
		text, name string
		records    int
		roles      map[evidence.Role]int
	}{
		{"CAROL.W", "carol", 2, map[evidence.Role]int{"author": 1, "merger": 1, "reader": 1}},
		{"github:acme|8231", "", 2, nil},
		{evidencetest.Token(l.Tenant(), "vault:prod/entity", "e7c1").String(), "", 2, nil},
		{"dana", "approver", 3, map[evidence.Role]int{"approver": 3}},
		{"git:claimed|carol", "claimed", 1, map[evidence.Role]int{"author": 1}},
		{"ops", "", 1, map[evidence.Role]int{"reader": 1}},
	} {
		found := g.Find(tt.text)
		if len(found) != 1 {
			t.Errorf("%q names %d persons", tt.text, len(found))
			continue
		}
		w, err := g.Did(t.Context(), l, found[0], month, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Deeds) != tt.records {
			t.Errorf("%q: %d records, want %d", tt.text, len(w.Deeds), tt.records)
		}
		for role, n := range tt.roles {
			if w.Roles[role] != n {
				t.Errorf("%q: %d as %s, want %d", tt.text, w.Roles[role], role, n)
			}
		}
		if tt.name != "" {
			golden(t, "who-"+tt.name, w, w.Text)
		}
	}
}

// A name of several people lists them; nobody is found by a part of a name or
// when erased.
func TestFind(t *testing.T) {
	g := load(t, story(t))
	for text, want := range map[string]int{"bob": 2, "carol": 2, "mallory": 0, "caro": 0, "": 0, "|": 0, "github:acme|": 0, "github:acme|55": 1} {
		if got := g.Find(text); len(got) != want {
			t.Errorf("%q names %d persons, want %d", text, len(got), want)
		}
	}
	if got := g.Names(g.Find("github:acme|8231")[0]); !slices.Equal(got, []string{"github:acme|8231", "vault:prod/entity|e7c1"}) {
		t.Errorf("accounts of one person: %q", got)
	}
}

// Who asks for a name is told of accounts that have one like it: what they did is
// in no answer about the name. Accounts that the answer holds are not among them.
func TestAlike(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	for i, p := range []evidence.Person{
		person(evidence.RoleReader, "vault:prod/entity", "e1", "joerg"),
		person(evidence.RoleReader, "kubernetes:prod", "joerg@example.org", "joerg@example.org"),
		person(evidence.RoleReader, "github:prod", "7", "Joerg-Smith"),
		person(evidence.RoleReader, "github:prod", "8", "joergen"),
	} {
		l.Add(evidence.SecretAccess, evidence.OpEvent, at(11, 12), evidence.AccessFacts{RequestID: fmt.Sprint(i), Operation: "read", Path: "kv/data/a", Outcome: "ok", Reading: true}, p)
	}
	g := load(t, l)
	for text, want := range map[string][]string{
		"joerg":             {"github:prod|7", "kubernetes:prod|joerg@example.org"},
		"JOERG@example.org": {"github:prod|7", "vault:prod/entity|e1"},
		"joerg-smith":       nil,
		"joe":               nil,
		"":                  nil,
	} {
		got := g.Alike(text)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestNobodyYet(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-9")
	if err != nil {
		t.Fatal(err)
	}
	g := load(t, evidencetest.NewLog(tenant))
	if !strings.Contains(g.Sentence, "knows nobody yet") {
		t.Errorf("got %q", g.Sentence)
	}
}

func TestReaderErrors(t *testing.T) {
	boom := errors.New("boom")
	l := story(t)
	g := load(t, l)
	for _, method := range []string{"Records", "Identity"} {
		l.Fail(method, boom)
		if _, err := people.Load(t.Context(), l); !errors.Is(err, boom) {
			t.Errorf("%s: load: %v", method, err)
		}
		l.Fail(method, nil)
	}
	l.Fail("Records", boom)
	if _, err := g.Did(t.Context(), l, g.Find("dana")[0], evidence.Period{From: at(9, 0), To: at(18, 0)}, time.Time{}); !errors.Is(err, boom) {
		t.Errorf("did: %v", err)
	}
}

// FuzzFind: whatever is typed finds people or nobody, and text with controls
// comes out harmless.
func FuzzFind(f *testing.F) {
	for _, s := range []string{"carol", "github:acme|8231", "\x1b[31m", "|||", "\u202e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tenant, err := evidence.ParseTenant("tenant-7")
		if err != nil {
			t.Fatal(err)
		}
		l := evidencetest.NewLog(tenant)
		p := person(evidence.RoleReader, "vault:prod/entity", "x"+s, s)
		l.Add(evidence.SecretAccess, evidence.OpEvent, at(10, 12), evidence.AccessFacts{RequestID: "r", Secret: "kv/a", Outcome: "ok", Reading: true, Who: 0}, p)
		g := load(t, l)
		for _, found := range g.Find(s) {
			w, err := g.Did(t.Context(), l, found, evidence.Period{From: at(9, 0), To: at(18, 0)}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []func(io.Writer, reports.Style) error{g.Text, w.Text} {
				var b bytes.Buffer
				if err := text(&b, reports.Style{}); err != nil {
					t.Fatal(err)
				}
				for _, r := range b.String() {
					if r < ' ' && r != '\n' || r == 0x202e || r == 0x7f {
						t.Fatalf("%q writes %U", s, r)
					}
				}
			}
		}
	})
}

func BenchmarkRegister(b *testing.B) {
	l := story(b)
	for b.Loop() {
		if _, err := people.Load(b.Context(), l); err != nil {
			b.Fatal(err)
		}
	}
}
