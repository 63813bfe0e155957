package evidencetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
)

func newLog(t *testing.T) *Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	return NewLog(tenant)
}

func hour(n int) time.Time { return Start.Add(time.Duration(n) * time.Hour) }

func records(t *testing.T, r evidence.Reader, q evidence.Query) []uint64 {
	t.Helper()
	var seqs []uint64
	for rec, err := range r.Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, rec.Seq)
	}
	return seqs
}

func states(t *testing.T, r evidence.Reader, at time.Time) []uint64 {
	t.Helper()
	var seqs []uint64
	for rec, err := range r.States(t.Context(), evidence.SecretPolicy, at) {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, rec.Seq)
	}
	return seqs
}

func TestQueries(t *testing.T) {
	l := newLog(t)
	who := evidence.Person{Role: evidence.RoleReader, Realm: "vault:prod", NativeID: "e1", Proof: evidence.ProofAuthenticated}
	read := func(n int, id string, people ...evidence.Person) uint64 {
		return l.Add(evidence.SecretAccess, evidence.OpEvent, hour(n), evidence.AccessFacts{RequestID: id, Secret: "kv/" + id, Who: -1}, people...).Seq
	}
	a := read(5, "a", who) // behind the person's own record
	b := read(3, "b")
	c := read(4, "c", who)
	kind := []evidence.Kind{evidence.SecretAccess}
	for _, tt := range []struct {
		name string
		q    evidence.Query
		want []uint64
	}{
		{"by occurrence", evidence.Query{Kinds: kind}, []uint64{b, c, a}},
		{"in log order", evidence.Query{Kinds: kind, BySeq: true}, []uint64{a, b, c}},
		{"newest first", evidence.Query{Kinds: kind, Backward: true}, []uint64{a, c, b}},
		{"limit", evidence.Query{Kinds: kind, Limit: 2}, []uint64{b, c}},
		{"period is half open", evidence.Query{Kinds: kind, Period: evidence.Period{From: hour(4), To: hour(5)}}, []uint64{c}},
		{"person", evidence.Query{Kinds: kind, Person: Token(l.Tenant(), "vault:prod", "e1")}, []uint64{c, a}},
		{"link", evidence.Query{Link: evidence.NewRef("secret", "prod", "kv/b")}, []uint64{b}},
		{"subject as link", evidence.Query{Link: evidence.NewRef("request", "prod", "c")}, []uint64{c}},
		{"subject", evidence.Query{Subject: evidence.NewRef("request", "prod", "a")}, []uint64{a}},
		{"from", evidence.Query{Kinds: kind, FromSeq: b}, []uint64{b, c}},
		{"source", evidence.Query{Source: "vault/other"}, nil},
		{"operation", evidence.Query{Op: evidence.OpSet, Kinds: kind}, nil},
		{"operation that all have", evidence.Query{Op: evidence.OpEvent, Kinds: kind}, []uint64{b, c, a}},
	} {
		if got := records(t, l, tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := records(t, l.At(b), evidence.Query{Kinds: kind}); !slices.Equal(got, []uint64{a}) {
		t.Errorf("snapshot of %d: got %v, want %v", b, got, a)
	}
}

// A name without a uid finds whatever bears it; a uid finds its own.
func TestLinkByName(t *testing.T) {
	l := newLog(t)
	app := func(uid string) evidence.Record {
		return l.Add(evidence.DeployState, evidence.OpSet, hour(1), evidence.DeployFacts{App: "argocd/web", UID: uid})
	}
	a, b := app("1"), app("2")
	named := evidence.NewRef("app", "prod", "argocd/web")
	if got := records(t, l, evidence.Query{Link: named}); !slices.Equal(got, []uint64{a.Seq, b.Seq}) {
		t.Errorf("by name: got %v", got)
	}
	if got := records(t, l, evidence.Query{Link: named.WithUID("2")}); !slices.Equal(got, []uint64{b.Seq}) {
		t.Errorf("by uid: got %v", got)
	}
	if got := records(t, l, evidence.Query{Subject: named}); got != nil {
		t.Errorf("as subject: got %v", got)
	}
}

func TestRepeatsAndAmendments(t *testing.T) {
	l := newLog(t)
	f := evidence.AccessFacts{RequestID: "a", Outcome: "no-response", Who: -1}
	first := l.Add(evidence.SecretAccess, evidence.OpEvent, hour(1), f)
	if again := l.Add(evidence.SecretAccess, evidence.OpEvent, hour(1), f); again.Seq != first.Seq {
		t.Errorf("the same event again is record %d, want %d", again.Seq, first.Seq)
	}
	f.Outcome = "ok"
	amend := l.Add(evidence.SecretAccess, evidence.OpEvent, hour(1), f)
	if amend.Op != evidence.OpAmend || amend.Amends == nil || amend.Amends.Seq != first.Seq || amend.Amends.Leaf != first.Leaf {
		t.Errorf("got %s of %+v, want an amendment of record %d", amend.Op, amend.Amends, first.Seq)
	}
}

func TestStates(t *testing.T) {
	l := newLog(t)
	set := func(n int, name, sha string) uint64 {
		return l.Add(evidence.SecretPolicy, evidence.OpSet, hour(n), evidence.PolicyFacts{Name: name, SHA256: sha}).Seq
	}
	a1, b := set(1, "a", "1"), set(2, "b", "1")
	if again := set(3, "a", "1"); again != a1 {
		t.Errorf("an unchanged state is record %d, want %d", again, a1)
	}
	a2 := set(5, "a", "2")
	l.Add(evidence.SecretPolicy, evidence.OpEnd, hour(7), evidence.PolicyFacts{Name: "b"})
	late := set(4, "a", "3") // recorded last, began before a2
	back := set(9, "a", "1") // what was once is a new state
	for _, tt := range []struct {
		at   time.Time
		want []uint64
	}{
		{hour(0), nil},
		{hour(1), []uint64{a1}},
		{hour(2), []uint64{a1, b}},
		{hour(4), []uint64{late, b}},
		{hour(5), []uint64{a2, b}},
		{hour(7).Add(-1), []uint64{a2, b}},
		{hour(7), []uint64{a2}}, // an end at the instant ends it
		{hour(9), []uint64{back}},
	} {
		if got := states(t, l, tt.at); !slices.Equal(got, tt.want) {
			t.Errorf("at %s: got %v, want %v", evidence.FormatTime(tt.at), got, tt.want)
		}
	}
}

func TestPeopleAndErrors(t *testing.T) {
	l := newLog(t)
	who := evidence.Person{Role: evidence.RoleReader, Realm: "r", NativeID: "1", Names: evidence.Names{Login: "ann"}, Proof: evidence.ProofAuthenticated}
	r := l.Add(evidence.SecretAccess, evidence.OpEvent, hour(1), evidence.AccessFacts{RequestID: "a"}, who)
	l.Add(evidence.SecretAccess, evidence.OpEvent, hour(2), evidence.AccessFacts{RequestID: "b"}, who)
	if got := records(t, l, evidence.Query{Kinds: []evidence.Kind{evidence.PersonKnown}}); len(got) != 1 || got[0] != r.Seq-1 {
		t.Errorf("person records %v, want one before record %d", got, r.Seq)
	}
	token := r.People[0].Token
	if id, err := l.Identity(t.Context(), token); err != nil || id.Label() != "ann" {
		t.Errorf("got %+v, %v", id, err)
	}
	l.Erase(token)
	if id, err := l.Identity(t.Context(), token); err != nil || !id.Erased || id.NativeID != "" {
		t.Errorf("got %+v, %v after erasing", id, err)
	}
	if _, err := l.Identity(t.Context(), evidence.ID{1}); err == nil {
		t.Error("an unknown token is no error")
	}
	if _, err := l.Record(t.Context(), l.Size()); err == nil {
		t.Error("a record behind the end is no error")
	}
	boom := errors.New("boom")
	l.Fail("Records", boom)
	n := 0
	for _, err := range l.Records(t.Context(), evidence.Query{}) {
		if n++; err != nil && (n != 2 || !errors.Is(err, boom)) {
			t.Errorf("item %d: %v", n, err)
		}
	}
	if n != 2 {
		t.Errorf("got %d items, want one and then the error", n)
	}
}

func TestCoverage(t *testing.T) {
	l := newLog(t)
	l.CoverLooks("vault/prod", []time.Time{hour(1), hour(2), hour(4)}, evidence.SecretDevice)
	l.Cover("vault/prod", evidence.Blind, evidence.Period{From: hour(4), To: hour(6)}, "down", evidence.SecretDevice)
	c, err := evidence.LoadCoverage(t.Context(), l, evidence.Period{From: hour(0), To: hour(8)})
	if err != nil {
		t.Fatal(err)
	}
	var got []evidence.Class
	for _, s := range c.Strips("vault/prod", evidence.SecretDevice, evidence.Period{From: hour(0), To: hour(8)}) {
		got = append(got, s.Class)
	}
	if want := []evidence.Class{"", evidence.Instants, evidence.Blind, ""}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if before, after, _ := c.LooksAround("vault/prod", evidence.SecretDevice, hour(3)); !before.Equal(hour(2)) || !after.Equal(hour(4)) {
		t.Errorf("got looks at %v and %v", before, after)
	}
}
