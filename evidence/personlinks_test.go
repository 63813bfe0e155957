package evidence_test

import (
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func TestPersonLinks(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	who := func(realm, id string) evidence.Person {
		return evidence.Person{Role: evidence.RoleSubject, Realm: realm, NativeID: id, Proof: evidence.ProofClaimed}
	}
	token := func(p evidence.Person) evidence.ID { return evidencetest.Token(tenant, p.Realm, p.NativeID) }
	hour := func(n int) time.Time { return evidencetest.Start.Add(time.Duration(n) * time.Hour) }
	forge, vault, argo, boss := who("github:acme", "1"), who("vault:prod/entity", "e"), who("argocd:prod", "a"), who("github:acme", "9")
	l.LinkPeople(hour(10), forge, vault, boss, false)
	l.LinkPeople(hour(11), vault, argo, boss, false)
	l.LinkPeople(hour(20), forge, vault, boss, true)
	l.LinkPeople(hour(30), vault, forge, boss, false) // the other way round is the same pair
	links, err := evidence.LoadPersonLinks(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		of   evidence.Person
		at   time.Time
		want []evidence.Person
	}{
		{"before it was approved", forge, hour(1), []evidence.Person{forge, vault, argo}},
		{"in force", argo, hour(15), []evidence.Person{argo, vault, forge}},
		{"ended", forge, hour(25), []evidence.Person{forge}},
		{"the other part stays", vault, hour(25), []evidence.Person{vault, argo}},
		{"again", forge, hour(35), []evidence.Person{forge, vault, argo}},
		{"now", forge, time.Time{}, []evidence.Person{forge, vault, argo}},
		{"an approver is linked with nobody", boss, time.Time{}, []evidence.Person{boss}},
	} {
		var want []evidence.ID
		for _, p := range tt.want {
			want = append(want, token(p))
		}
		if got := links.All(token(tt.of), tt.at); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, want)
		}
	}
	got := links.Records(token(forge))
	if len(got) != 3 || !got[1].End || got[0].Approver != token(boss) || got[0].By != "1000" {
		t.Errorf("records of the first account: %+v", got)
	}
	if l, ok := links.Between(token(forge), token(argo), time.Time{}); ok {
		t.Errorf("linked directly by %+v", l)
	}
}

func TestSharesName(t *testing.T) {
	id := func(native, login, mail string) evidence.Identity {
		return evidence.Identity{NativeID: native, Names: evidence.Names{Login: login, Mail: mail}}
	}
	for _, tt := range []struct {
		name string
		a, b evidence.Identity
		want bool
	}{
		{"login in another case", id("1", "Carol", ""), id("2", "carol", ""), true},
		{"mail as native id", id("1", "", "c@example.org"), id("c@example.org", "", ""), true},
		{"no-reply address with id", id("8231", "", ""), id("8231+carol@users.noreply.github.example", "", ""), true},
		{"no-reply address of a login", id("1", "carol", ""), id("carol@users.noreply.github.example", "", ""), true},
		{"nothing in common", id("1", "carol", "c@example.org"), id("2", "bob", "b@example.org"), false},
		{"empty names are no name", id("1", "", ""), id("2", "", ""), false},
	} {
		if got := evidence.SharesName(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
