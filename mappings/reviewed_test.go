package mappings

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// Who approved the request that brought a commit, by the rules of four eyes.
func TestReviewOf(t *testing.T) {
	at := evidencetest.Start.Add(48 * time.Hour)
	who := func(role evidence.Role, id string) evidence.Person {
		return evidence.Person{Role: role, Realm: "github:prod", NativeID: id, Names: evidence.Names{Login: "login" + id}, Proof: evidence.ProofAuthenticated}
	}
	sha := func(n int) string { return fmt.Sprintf("%040x", n) }
	for _, tc := range []struct {
		name   string
		with   func(f *evidence.MergeFacts, people []evidence.Person)
		commit string
		want   string // of the error
		code   problem.Code
	}{
		{"as merged", nil, sha(1), "", ""},
		{"its own commit", nil, sha(2), "", ""},
		{"no id", nil, "main", "no commit id", problem.Usage},
		{"nobody saw it", nil, sha(9), "no source saw", problem.Refused},
		{"pushed without a request", nil, sha(3), "no merged request", problem.Refused},
		{"not merged yet", func(f *evidence.MergeFacts, _ []evidence.Person) { f.State, f.MergedAt = "open", time.Time{} }, sha(1), "no merged request", problem.Refused},
		{"to a branch nobody watches", func(f *evidence.MergeFacts, _ []evidence.Person) { f.Base = "playground" }, sha(2), "no merged request", problem.Refused},
		{"approved before the last push", func(f *evidence.MergeFacts, _ []evidence.Person) { f.Reviews[0].Commit = sha(7) }, sha(1), "before the last push", problem.Refused},
		{"approved by its author", func(_ *evidence.MergeFacts, p []evidence.Person) { p[2].NativeID = "1" }, sha(1), "the author's own", problem.Refused},
		{"approval is a claim", func(_ *evidence.MergeFacts, p []evidence.Person) { p[2].Proof = evidence.ProofClaimed }, sha(1), "only claimed", problem.Refused},
		{"approved from another realm", func(_ *evidence.MergeFacts, p []evidence.Person) { p[2].Realm = "gitlab:prod" }, sha(1), "not linked", problem.Refused},
		{"reviews not read", func(f *evidence.MergeFacts, _ []evidence.Person) { f.Reviews, f.ReviewsSeen = nil, false }, sha(1), "were not read", problem.Refused},
	} {
		x, err := evidence.ParseTenant("tenant-7")
		if err != nil {
			t.Fatal(err)
		}
		l := evidencetest.NewLog(x)
		f := evidence.MergeFacts{
			Repo: "acme/web", Number: 4, State: "merged", Base: "main", HeadSHA: sha(2), MergeSHA: sha(1), Commits: []string{sha(2)}, MergedAt: at, ReviewsSeen: true, Author: 0, Merger: 1,
			Reviews: []evidence.ReviewState{{ID: "1", Person: 2, State: "approved", Commit: sha(2), At: at.Add(-time.Minute)}},
		}
		people := []evidence.Person{who(evidence.RoleAuthor, "1"), who(evidence.RoleMerger, "2"), who(evidence.RoleReviewer, "2")}
		if tc.with != nil {
			tc.with(&f, people)
		}
		branch := map[bool]string{true: "main", false: "topic"}
		for i, parents := range [][]string{1: {sha(2)}, 2: nil, 3: {sha(1)}} {
			if i > 0 {
				l.Add(evidence.ChangeCommit, evidence.OpEvent, at, evidence.CommitFacts{Repo: "acme/web", SHA: sha(i), Parents: parents, Branch: branch[i != 2], Author: -1, Committer: -1})
			}
		}
		req := l.Add(evidence.ChangeMerge, evidence.OpEvent, at, f, people...)
		p, err := LoadPersons(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ReviewOf(t.Context(), l, p, tc.commit, at.Add(time.Hour))
		if tc.want != "" {
			if !problem.Is(err, tc.code) || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("%s: %+v, %v, want %s %q", tc.name, r, err, tc.code, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if len(r.Records) != 1 || r.Records[0] != req.Seq || r.Head != sha(2) || r.Repo != "acme/web" || !r.At.Equal(at.Add(-time.Minute)) ||
			r.Author.Token != req.People[0].Token || r.Approver.Token != req.People[2].Token {
			t.Errorf("%s: %+v", tc.name, r)
		}
	}
}

// An account that the log does not know is nobody's other account, and one of
// another realm cannot be told apart from anybody.
func TestPersons(t *testing.T) {
	x, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(x)
	known := evidence.Person{Role: evidence.RoleMerger, Realm: "github:prod", NativeID: "1", Names: evidence.Names{Login: "one"}, Proof: evidence.ProofAuthenticated}
	rec := l.Add(evidence.ChangeTag, evidence.OpSet, evidencetest.Start, map[string]any{"name": "v1"}, known)
	p, err := LoadPersons(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(realm, id string) evidence.Party {
		t.Helper()
		a, err := p.Account(t.Context(), realm, id, evidence.ProofSigned)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, two, other := ask("github:prod", "1"), ask("github:prod", "2"), ask("gitlab:prod", "1")
	if one.Token != rec.People[0].Token || two.Token == one.Token || two.Token.IsZero() || ask("github:prod", "2").Token != two.Token {
		t.Errorf("tokens %s %s", one.Token, two.Token)
	}
	for _, tc := range []struct {
		a, b evidence.Party
		want Sameness
	}{{one, one, OnePerson}, {one, two, TwoPersons}, {one, other, NotTold}} {
		if got, why := p.Same(t.Context(), tc.a, tc.b, time.Time{}); got != tc.want || (why == "") != (got != NotTold) {
			t.Errorf("%v and %v: %v %q, want %v", tc.a, tc.b, got, why, tc.want)
		}
	}
	if id := p.Identity(t.Context(), one.Token); id.Names.Login != "one" {
		t.Errorf("identity %+v", id)
	}
}

// What the guards of a branch ask of checks holds for the request that was merged
// under them; the strictest one counts, and where none says nothing is known.
func TestStrictChecks(t *testing.T) {
	at := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)
	strict, lax := true, false
	guard := func(branch string, from, until time.Time, s *bool) stretch[evidence.ProtectionFacts] {
		return stretch[evidence.ProtectionFacts]{from: from, until: until, facts: evidence.ProtectionFacts{Repo: "acme/shop", Branch: branch, StrictChecks: s}}
	}
	day := 24 * time.Hour
	for name, tt := range map[string]struct {
		guards []stretch[evidence.ProtectionFacts]
		want   *bool
	}{
		"none":      {nil, nil},
		"silent":    {[]stretch[evidence.ProtectionFacts]{guard("main", at.Add(-day), time.Time{}, nil)}, nil},
		"lax":       {[]stretch[evidence.ProtectionFacts]{guard("main", at.Add(-day), time.Time{}, &lax)}, &lax},
		"strictest": {[]stretch[evidence.ProtectionFacts]{guard("main", at.Add(-day), time.Time{}, &strict), guard("main", at.Add(-day), time.Time{}, &lax)}, &strict},
		"elsewhere": {[]stretch[evidence.ProtectionFacts]{guard("next", at.Add(-day), time.Time{}, &strict)}, nil},
		"lifted":    {[]stretch[evidence.ProtectionFacts]{guard("main", at.Add(-3*day), at.Add(-day), &strict), guard("main", at.Add(-day), time.Time{}, &lax)}, &lax},
	} {
		x := &tested{guards: tt.guards}
		_, _, got := x.required("acme/shop", "main", at)
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
