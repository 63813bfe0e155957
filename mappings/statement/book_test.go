package statement

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/mappings"
)

const day = 24 * time.Hour

// now is when statements are recorded, unless a test moves it.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func login(id, name string) evidence.Person {
	return evidence.Person{Realm: "github:prod", NativeID: id, Names: evidence.Names{Login: name}, Proof: evidence.ProofAuthenticated}
}

var (
	alice, bob, carol, dave = login("1", "alice"), login("2", "bob"), login("3", "carol"), login("4", "dave")
	daveElsewhere           = evidence.Person{Realm: "gitlab:prod", NativeID: "44", Names: evidence.Names{Login: "dave.d"}, Proof: evidence.ProofAuthenticated}
)

// desk is a log with two changes that nobody approved, and the statements made
// about them.
type desk struct {
	t     *testing.T
	l     *evidencetest.Log
	cat   *mappings.Catalog
	fails [2]uint64 // dave's request, carol's request
	now   time.Time
}

func newDesk(t *testing.T) *desk {
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, l: evidencetest.NewLog(tenant(t, "tenant-7")), cat: cat, now: now}
	for i, by := range []evidence.Person{dave, carol} {
		d.fails[i] = d.merge(i+1, now.Add(-2*day), by, nil)
	}
	d.merge(3, now.Add(-day), alice, &bob)
	d.l.Cover("github/acme", evidence.Continuous, evidence.Period{From: evidencetest.Start, To: now}, "", evidence.ChangeCommit, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeRef, evidence.ChangeProtection)
	return d
}

// merge adds a merged request of one commit, approved by somebody or nobody.
func (d *desk) merge(n int, at time.Time, by evidence.Person, approver *evidence.Person) uint64 {
	sha, head := fmt.Sprintf("%040x", n), fmt.Sprintf("%040x", n+1000)
	f := evidence.MergeFacts{Repo: "acme/web", Number: n, State: "merged", Base: "main", HeadSHA: head, MergeSHA: sha, MergedAt: at, ReviewsSeen: true, Author: 0, Merger: 1}
	by.Role = evidence.RoleAuthor
	merger := by
	merger.Role = evidence.RoleMerger
	people := []evidence.Person{by, merger}
	if approver != nil {
		r := *approver
		r.Role = evidence.RoleReviewer
		people = append(people, r)
		f.Reviews = []evidence.ReviewState{{ID: "1", Person: 2, State: "approved", Commit: head, At: at.Add(-time.Minute)}}
	}
	d.l.Add(evidence.ChangeCommit, evidence.OpEvent, at, evidence.CommitFacts{Repo: "acme/web", SHA: sha, Branch: "main", Author: -1, Committer: -1})
	return d.l.Add(evidence.ChangeMerge, evidence.OpEvent, at, f, people...).Seq
}

const control, test = "dora-art-9-4-e", "chg-approved"

func (d *desk) rule(id string) evidence.Hash {
	for _, x := range d.cat.Tests() {
		if x.ID == id {
			return x.Hash()
		}
	}
	d.t.Fatalf("no test %s", id)
	return evidence.Hash{}
}

// waiver is alice's waiver of the test for ten days.
func (d *desk) waiver(name string, records ...uint64) *Statement {
	return &Statement{
		Type: Waiver, Tenant: d.l.Tenant(), Origin: d.l.Origin(), Name: name, Made: d.now.Add(-time.Hour), Maker: Account{alice.Realm, alice.NativeID},
		Controls: []evidence.ControlID{control}, Tests: []evidence.WaivedTest{{Test: test, Rule: d.rule(test)}}, Records: records,
		Until: d.now.Add(10 * day), Reason: "the move to the new forge",
	}
}

func signedBy(p evidence.Person) Approval {
	return Approval{Maker: evidence.ProofSigned, Approver: Account{p.Realm, p.NativeID}, Proof: evidence.ProofSigned, Key: "SHA256:abc",
		Signed: []Signature{{"maker", "-----BEGIN SSH SIGNATURE-----\nA"}, {"approver", "-----BEGIN SSH SIGNATURE-----\nB"}}}
}

func (d *desk) book() *Book {
	d.t.Helper()
	b, err := Load(d.t.Context(), d.l, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *desk) input() mappings.Input { return mappings.Input{Reader: d.l, Catalog: d.cat} }

func (d *desk) add(s *Statement, a Approval, document ...byte) error {
	d.t.Helper()
	x, err := d.book().Add(d.t.Context(), s, a, document, "uid 1000", d.input())
	if err == nil {
		d.l.AddDraft(x)
	}
	return err
}

func (d *desk) mustAdd(s *Statement, a Approval) {
	d.t.Helper()
	if err := d.add(s, a); err != nil {
		d.t.Fatalf("%s: %s", s, problem.Text("x", err))
	}
}

// waived asks what of the test's failures is accepted at a time.
func (d *desk) waived(at time.Time) *Waived {
	d.t.Helper()
	in := d.input()
	in.Now, in.Period, in.Rolling, in.Controls = now, evidence.Period{From: now.Add(-15 * day), To: now}, true, []evidence.ControlID{control}
	fs, _, err := mappings.Assess(d.t.Context(), in)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := range fs {
		if fs[i].Test != test {
			continue
		}
		if fs[i].Status != evidence.NotSatisfied || len(fs[i].Failed) != 2 {
			d.t.Fatalf("the finding is %s with %d failed", fs[i].Status, len(fs[i].Failed))
		}
		b, err := Load(d.t.Context(), d.l, at)
		if err != nil {
			d.t.Fatal(err)
		}
		w, err := b.Waive(d.t.Context(), OfFinding(&fs[i]))
		if err != nil {
			d.t.Fatal(err)
		}
		return w
	}
	d.t.Fatal("there is no finding")
	return nil
}

// A waiver of a whole test begins with its record, lasts until its end and
// leaves the failure where it was.
func TestWaiverLasts(t *testing.T) {
	d := newDesk(t)
	d.mustAdd(d.waiver("new-forge"), signedBy(bob))
	if w := d.waived(now.Add(-time.Minute)); w != nil {
		t.Errorf("before its record: %+v", w)
	}
	w := d.waived(now)
	if w == nil || !w.Whole || w.Items != 2 || w.Of != 2 || !w.Until.Equal(now.Add(10*day)) || len(w.By) != 1 {
		t.Fatalf("in force: %+v", w)
	}
	if s := w.By[0]; s.MakerName != "alice" || s.OtherName != "bob" || s.Reason != "the move to the new forge" || !s.From.Equal(now) || s.State(now) != InForce {
		t.Errorf("it says %+v", s)
	}
	if w := d.waived(now.Add(10*day - 1)); w == nil || !w.Whole {
		t.Errorf("just before its end: %+v", w)
	}
	w = d.waived(now.Add(10 * day))
	if w == nil || w.Whole || w.Items != 0 || len(w.Not) != 1 || !strings.HasPrefix(w.Not[0].Why, "it ran out 2026-11-30") {
		t.Errorf("after its end: %+v", w)
	}
	if w := d.waived(now.Add(100 * day)); w != nil {
		t.Errorf("long after its end: %+v", w)
	}
}

// Ended by somebody it is over at once, and the same text does not come back.
func TestWaiverIsEnded(t *testing.T) {
	d := newDesk(t)
	s := d.waiver("new-forge")
	d.mustAdd(s, signedBy(bob))
	d.now = now.Add(day)
	x, _, err := d.book().Finish(Waiver, "new-forge", "uid 1000", "the forge has moved")
	if err != nil {
		t.Fatal(err)
	}
	d.l.AddDraft(x)
	if w := d.waived(now.Add(day - 1)); w == nil || !w.Whole {
		t.Errorf("before: %+v", w)
	}
	if w := d.waived(now.Add(day)); w == nil || w.Whole || !strings.HasPrefix(w.Not[0].Why, "it was ended") {
		t.Errorf("after: %+v", w)
	}
	d.now = now.Add(2 * day)
	if err := d.add(s, signedBy(bob)); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "recorded already") {
		t.Errorf("again: %v", err)
	}
	if _, _, err := d.book().Finish(Waiver, "new-forge", "uid 1000", "again"); !problem.Is(err, problem.Refused) {
		t.Errorf("ended twice: %v", err)
	}
	if _, _, err := d.book().Finish(Waiver, "none", "uid 1000", "again"); !problem.Is(err, problem.NotFound) {
		t.Errorf("nothing ended: %v", err)
	}
	d.mustAdd(d.waiver("new-forge"), signedBy(bob)) // the name is free again
}

// Single failures are waived one by one; the rest stays.
func TestWaiverOfSomeItems(t *testing.T) {
	d := newDesk(t)
	d.mustAdd(d.waiver("one", d.fails[0]), signedBy(carol))
	if w := d.waived(now); w == nil || w.Whole || w.Items != 1 || w.Of != 2 {
		t.Fatalf("one of two: %+v", w)
	}
	s := d.waiver("two")
	s.Subjects, s.Until = []evidence.Ref{evidence.NewRef("change", "acme", "acme/web!2")}, now.Add(5*day)
	d.mustAdd(s, signedBy(bob))
	w := d.waived(now)
	if w == nil || !w.Whole || !w.Until.Equal(now.Add(5*day)) || len(w.By) != 2 {
		t.Errorf("both: %+v", w)
	}
	if w := d.waived(now.Add(6 * day)); w == nil || w.Whole || w.Items != 1 {
		t.Errorf("one ended: %+v", w)
	}
}

// Two proven persons, of whom the approver did nothing of what fails.
func TestWhoMayApprove(t *testing.T) {
	for _, tc := range []struct {
		name string
		with func(d *desk, s *Statement, a *Approval)
		want string
	}{
		{"nobody", func(_ *desk, _ *Statement, a *Approval) { *a = Approval{Maker: evidence.ProofSigned} }, "nothing proves who the approver is"},
		{"the maker", func(_ *desk, _ *Statement, a *Approval) { a.Approver = Account{alice.Realm, alice.NativeID} }, "the approver is the maker"},
		{"a claim", func(_ *desk, _ *Statement, a *Approval) { a.Proof = evidence.ProofClaimed }, "nothing proves who the approver is"},
		{"a maker who only claims", func(_ *desk, _ *Statement, a *Approval) { a.Maker = evidence.ProofClaimed }, "nothing proves who the maker is"},
		{"who failed", func(_ *desk, _ *Statement, a *Approval) { a.Approver = Account{dave.Realm, dave.NativeID} }, "its approver did what failed in record"},
		{"who failed, for the other's failure", func(d *desk, s *Statement, a *Approval) {
			a.Approver, s.Records = Account{dave.Realm, dave.NativeID}, []uint64{d.fails[1]}
		}, ""},
		{"another login of the maker", func(d *desk, s *Statement, a *Approval) {
			s.Maker, a.Approver = Account{dave.Realm, dave.NativeID}, Account{daveElsewhere.Realm, daveElsewhere.NativeID}
			d.l.LinkPeople(now.Add(-day), dave, daveElsewhere, alice, false)
		}, "two accounts of one person"},
		{"another login of who failed", func(d *desk, s *Statement, a *Approval) {
			a.Approver = Account{daveElsewhere.Realm, daveElsewhere.NativeID}
			d.l.LinkPeople(now.Add(-day), dave, daveElsewhere, alice, false)
		}, "its approver did what failed"},
		{"an account that nobody linked", func(_ *desk, _ *Statement, a *Approval) {
			a.Approver = Account{daveElsewhere.Realm, daveElsewhere.NativeID}
		}, "not known whether approver and maker are two persons"},
		{"somebody new of the realm", func(_ *desk, _ *Statement, a *Approval) { a.Approver = Account{"github:prod", "99"} }, ""},
		{"a machine", func(d *desk, _ *Statement, a *Approval) {
			bot := login("70", "merge-bot")
			bot.Names.Bot, bot.Role = true, evidence.RoleMerger
			d.l.Add(evidence.ChangeTag, evidence.OpSet, now.Add(-day), map[string]any{"name": "v1"}, bot)
			a.Approver = Account{bot.Realm, bot.NativeID}
		}, "speaks for nobody"},
		{"a shared account", func(d *desk, _ *Statement, a *Approval) {
			desk := login("71", "desk")
			desk.Names.Shared, desk.Role = true, evidence.RoleMerger
			d.l.Add(evidence.ChangeTag, evidence.OpSet, now.Add(-day), map[string]any{"name": "v1"}, desk)
			a.Approver = Account{desk.Realm, desk.NativeID}
		}, "speaks for nobody"},
	} {
		d := newDesk(t)
		s, a := d.waiver("w"), signedBy(bob)
		tc.with(d, s, &a)
		size := d.l.Size()
		err := d.add(s, a)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && (!problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		case tc.want != "" && (d.l.Size() != size || d.waived(now) != nil):
			t.Errorf("%s: something was recorded", tc.name)
		}
	}
}

// A record that somehow got in without an approval, or whose approver turns out
// to be the maker, has no effect.
func TestNoEffectWithoutApproval(t *testing.T) {
	for name, change := range map[string]func(d *desk, x *evidence.Draft){
		"no people":     func(_ *desk, x *evidence.Draft) { x.People = nil },
		"maker alone":   func(_ *desk, x *evidence.Draft) { x.People = x.People[:1] },
		"one of claims": func(_ *desk, x *evidence.Draft) { x.People[1].Proof = evidence.ProofClaimed },
		"another text": func(_ *desk, x *evidence.Draft) {
			x.Text = []byte(strings.Replace(string(x.Text), "new forge", "new house", 1))
		},
		"no JSON": func(_ *desk, x *evidence.Draft) { x.Text = []byte("approved!") },
		"found one later": func(d *desk, x *evidence.Draft) {
			x.People[1] = daveElsewhere
			x.People[1].Role = evidence.RoleApprover
			d.l.LinkPeople(now.Add(-day), alice, daveElsewhere, carol, false)
		},
	} {
		d := newDesk(t)
		x, err := d.book().Add(t.Context(), d.waiver("w"), signedBy(bob), nil, "uid 1000", d.input())
		if err != nil {
			t.Fatal(err)
		}
		change(d, &x)
		d.l.AddDraft(x)
		b := d.book()
		if len(b.All) != 1 || b.All[0].State(now) != Void || b.All[0].Void == "" || len(b.InForce(Waiver)) != 0 {
			t.Errorf("%s: %+v", name, b.All)
		}
		if w := d.waived(now); w == nil || w.Items != 0 || w.Whole || len(w.Not) != 1 {
			t.Errorf("%s: waives %+v", name, w)
		}
	}
}

// What lies in the past, is not of this log, not of the catalog, or there
// already.
func TestWhatIsNotAcceptable(t *testing.T) {
	d := newDesk(t)
	d.mustAdd(d.waiver("taken"), signedBy(bob))
	for _, tc := range []struct {
		name string
		with func(s *Statement)
		code problem.Code
		want string
	}{
		{"from yesterday", func(s *Statement) { s.From = now.Add(-day) }, problem.Refused, "lies in the past"},
		{"over already", func(s *Statement) { s.Made, s.Until = now.Add(-3*day), now.Add(-day) }, problem.Refused, "it ended at"},
		{"made tomorrow", func(s *Statement) { s.Made = now.Add(day) }, problem.Refused, "lies ahead"},
		{"made long ago", func(s *Statement) { s.Made = now.Add(-40 * day) }, problem.Refused, "more than 30 days ago"},
		{"of another tenant", func(s *Statement) { s.Tenant = tenant(t, "tenant-8") }, problem.Refused, "not about tenant-7"},
		{"of another log", func(s *Statement) { s.Origin = "test/other" }, problem.Refused, "another log"},
		{"a name in force", func(s *Statement) { s.Name, s.Reason = "taken", "another one" }, problem.Refused, "there already"},
		{"no such control", func(s *Statement) { s.Controls = []evidence.ControlID{"dora-art-99"} }, problem.NotFound, "no control"},
		{"no such test", func(s *Statement) { s.Tests[0].Test = "cert-valid" }, problem.NotFound, "has no test"},
		{"another rule", func(s *Statement) { s.Tests[0].Rule[0] ^= 1 }, problem.Refused, "the rule of test chg-approved changed"},
		{"a record that did not fail", func(s *Statement) { s.Records = []uint64{1} }, problem.Refused, "record 1 is no item that fails"},
		{"upside down", func(s *Statement) { s.From, s.Until = now.Add(2*day), now.Add(day) }, problem.Usage, "upside down"},
	} {
		s := d.waiver("w")
		tc.with(s)
		if err := d.add(s, signedBy(bob)); !problem.Is(err, tc.code) || !strings.Contains(fmt.Sprint(err), tc.want) {
			t.Errorf("%s: %v, want %s %q", tc.name, err, tc.code, tc.want)
		}
	}
	later := d.waiver("later")
	later.From = now.Add(day)
	d.mustAdd(later, signedBy(bob))
	for _, s := range d.book().All {
		if s.Name == "later" && (s.State(now) != Pending || s.State(now.Add(day)) != InForce) {
			t.Errorf("later: %s, then %s", s.State(now), s.State(now.Add(day)))
		}
	}
}

// A rule that was changed since is another rule: its failures were accepted by
// nobody.
func TestRuleChanged(t *testing.T) {
	d := newDesk(t)
	d.mustAdd(d.waiver("w"), signedBy(bob))
	f := Failing{Control: control, Test: test, Rule: d.rule(test), Status: evidence.NotSatisfied, Failed: []uint64{d.fails[0]}}
	b := d.book()
	if w, err := b.Waive(t.Context(), f); err != nil || w == nil || !w.Whole {
		t.Fatalf("the same rule: %+v %v", w, err)
	}
	f.Rule[3] ^= 1
	if w, err := b.Waive(t.Context(), f); err != nil || w == nil || w.Whole || !strings.Contains(w.Not[0].Why, "another than the one it was approved for") {
		t.Errorf("another rule: %+v %v", w, err)
	}
	f.Rule = d.rule(test)
	for _, status := range []evidence.Status{evidence.Undetermined, evidence.NotObserved, evidence.Stale, evidence.Satisfied, evidence.NotApplicable} {
		f.Status = status
		if w, err := b.Waive(t.Context(), f); err != nil || w != nil {
			t.Errorf("%s is waived: %+v %v", status, w, err)
		}
	}
	f.Status, f.Failed = evidence.Gap, nil
	if w, err := b.Waive(t.Context(), f); err != nil || w == nil || !w.Whole {
		t.Errorf("a gap: %+v %v", w, err)
	}
	f.Status, f.Failed, f.Cut = evidence.NotSatisfied, []uint64{d.fails[0]}, 5
	if w, err := b.Waive(t.Context(), f); err != nil || w == nil || w.Whole || !strings.Contains(w.Not[0].Why, "looked at for the first 1") {
		t.Errorf("more failed than are named: %+v %v", w, err)
	}
}

// A failure that comes later by the approver's own hand is not accepted by the
// approval of before.
func TestApproverFailsLater(t *testing.T) {
	d := newDesk(t)
	d.mustAdd(d.waiver("w"), signedBy(bob))
	own := d.merge(9, now.Add(time.Hour), bob, nil)
	d.now = now.Add(2 * time.Hour)
	f := Failing{Control: control, Test: test, Rule: d.rule(test), Status: evidence.NotSatisfied, Failed: []uint64{d.fails[0], d.fails[1], own}}
	w, err := d.book().Waive(t.Context(), f)
	if err != nil || w.Whole || w.Items != 2 || len(w.Not) != 1 || !strings.Contains(w.Not[0].Why, fmt.Sprintf("record %d", own)) {
		t.Errorf("%+v %v", w, err)
	}
}

// Nobody's word stands in place of evidence; on what no source answers it is
// kept, with a document that is the approved one.
func TestAttestation(t *testing.T) {
	d := newDesk(t)
	pdf := []byte("%PDF-1.7 made up")
	s := func(name string, controls ...evidence.ControlID) *Statement {
		w := d.waiver(name)
		w.Type, w.Controls, w.Tests = Attestation, controls, nil
		return w
	}
	d.l.AddDraft(evidence.Draft{Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: mappings.FindingRef(control, test),
		OccurredAt: now.Add(-time.Hour), Basis: evidence.BasisObserved, ObservedAt: now.Add(-time.Hour),
		Content: evidencetest.Facts(evidence.FindingFacts{Control: control, Test: test, Status: evidence.NotSatisfied})})
	if err := d.add(s("a", control), signedBy(bob)); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "is judged by evidence") {
		t.Errorf("what evidence answers: %v", err)
	}
	// Where nobody declared an incident, a person may say that there was none.
	d.mustAdd(s("no-major-incident", "dora-art-19-4"), signedBy(bob))
	a := s("register", "gdpr-art-30-1-g")
	d.mustAdd(a, signedBy(bob))
	b := s("signed-register", "gdpr-art-30-1-g")
	b.Document = &Document{evidence.Hash{1}, int64(len(pdf)), "application/pdf"}
	if err := d.add(b, signedBy(bob), pdf...); !problem.Is(err, problem.Refused) {
		t.Errorf("another document: %v", err)
	}
	large := make([]byte, MaxKept+1)
	if err := d.add(b, signedBy(bob), large...); !problem.Is(err, problem.Usage) || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("a large document: %v", err)
	}
	if err := d.add(a, signedBy(bob), pdf...); err == nil {
		t.Error("a document that the statement does not name was taken")
	}
	b.Document.Size, b.Document.SHA256 = 1<<30, evidence.Hash{9}
	d.mustAdd(b, signedBy(bob)) // a gigabyte that lies elsewhere
	for _, x := range d.book().InForce(Attestation) {
		if x.Name == "signed-register" && (x.Document == nil || x.Document.Size != 1<<30 || x.Kept) {
			t.Errorf("%+v", x.Document)
		}
	}
}

// A scope statement makes a gap not-applicable from its record to its end, in
// the verdict of now; a period that began before it stays a gap.
func TestScope(t *testing.T) {
	d := newDesk(t)
	s := d.waiver("no-endpoints")
	s.Type, s.Controls, s.Tests = Scope, []evidence.ControlID{"house-1"}, nil
	own, err := mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(ownRules)}})
	if err != nil {
		t.Fatal(err)
	}
	d.cat = own
	d.mustAdd(s, signedBy(bob))
	d.l.Cover("certs/edge", evidence.Continuous, evidence.Period{From: evidencetest.Start, To: now.Add(20 * day)}, "", evidence.CertState)
	judge := func(at time.Time, rolling bool, from time.Time) evidence.Status {
		t.Helper()
		b, err := Load(t.Context(), d.l, at)
		if err != nil {
			t.Fatal(err)
		}
		in := d.input()
		in.Now, in.Rolling, in.Period, in.Scope = at, rolling, evidence.Period{From: from, To: at}, b.Scopes()
		fs, _, err := mappings.Assess(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return fs[0].Status
	}
	for _, tc := range []struct {
		name    string
		at      time.Time
		rolling bool
		from    time.Time
		want    evidence.Status
	}{
		{"before", now.Add(-time.Second), true, evidencetest.Start, evidence.Gap},
		{"from its record on", now, true, evidencetest.Start, evidence.NotApplicable},
		{"until its end", now.Add(10*day - 1), true, evidencetest.Start, evidence.NotApplicable},
		{"reopened", now.Add(10 * day), true, evidencetest.Start, evidence.Gap},
		{"a period that began before it", now.Add(day), false, evidencetest.Start, evidence.Gap},
		{"a period within it", now.Add(5 * day), false, now.Add(day), evidence.NotApplicable},
		{"a period that it did not last", now.Add(11 * day), false, now.Add(day), evidence.Gap},
	} {
		if got := judge(tc.at, tc.rolling, tc.from); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	// What is there is judged, whatever somebody says.
	d.l.Add(evidence.CertState, evidence.OpSet, now.Add(-day), evidence.CertFacts{Endpoint: "web.example:443", SNI: "web.example", NotAfter: now.Add(90 * day)})
	if got := judge(now.Add(day), true, evidencetest.Start); got != evidence.Satisfied {
		t.Errorf("with a certificate there: %s", got)
	}
}

const ownRules = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2026-01-01, addressee: us}
tests:
  - id: house-certs
    title: Certificates
    says: no certificate was in use after it expired
    view: certificates
    assert: '!item.expired_in_use'
    window: period
    freshness: 90d
    least: instants
    empty: not-applicable
controls:
  - id: house-1
    act: house
    article: Art. 1
    title: One
    objective: Keep certificates.
    severity: low
    cannot_prove: Much.
    tests: [{test: house-certs, strength: direct}]
`

func BenchmarkWaive(b *testing.B) {
	l := evidencetest.NewLog(tenant(b, "tenant-7"))
	var f Failing
	f.Control, f.Test, f.Status = control, test, evidence.NotSatisfied
	for i := range 1000 {
		p := login(fmt.Sprint(i+10), fmt.Sprintf("person%d", i))
		p.Role = evidence.RoleMerger
		f.Failed = append(f.Failed, l.Add(evidence.ChangeTag, evidence.OpSet, now.Add(-day), map[string]any{"name": fmt.Sprint(i)}, p).Seq)
	}
	s := &Statement{Type: Waiver, Tenant: l.Tenant(), Origin: l.Origin(), Name: "w", Made: now, Maker: Account{"github:prod", "1"}, Controls: []evidence.ControlID{control},
		Tests: []evidence.WaivedTest{{Test: test, Rule: evidence.Hash{1}}}, Until: now.Add(day), Reason: "so"}
	f.Rule = evidence.Hash{1}
	l.AddDraft(evidence.Draft{Kind: evidence.Waiver, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: Ref(Waiver, "w"), OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now,
		People:  []evidence.Person{{Role: evidence.RoleMaker, Realm: "github:prod", NativeID: "1", Proof: evidence.ProofSigned}, {Role: evidence.RoleApprover, Realm: "github:prod", NativeID: "2", Proof: evidence.ProofSigned}},
		Content: evidencetest.Facts(s.facts(now, evidence.Approval{Maker: 0, Approver: 1, Text: s.Hash()}, false))})
	for b.Loop() {
		book, err := Load(b.Context(), l, now)
		if err != nil {
			b.Fatal(err)
		}
		if w, err := book.Waive(b.Context(), f); err != nil || !w.Whole {
			b.Fatalf("%+v %v", w, err)
		}
	}
}
