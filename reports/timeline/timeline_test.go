package timeline_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/timeline"
)

func at(day, hour, minute int) time.Time {
	return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC)
}

var period = evidence.Period{From: at(14, 0, 0), To: at(16, 0, 0)}

func person(role evidence.Role, login string, proof evidence.Proof) evidence.Person {
	return evidence.Person{Role: role, Realm: "test", NativeID: login, Names: evidence.Names{Login: login}, Proof: proof}
}

const sha = "a41c9e2f00000000000000000000000000000001"

// world has a record of every kind that collectors make.
func world(t testing.TB) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	set, event := evidence.OpSet, evidence.OpEvent
	carol := person(evidence.RoleAuthor, "carol", evidence.ProofClaimed)
	bob := person(evidence.RoleReviewer, "bob", evidence.ProofAuthenticated)
	alice := person(evidence.RoleMerger, "alice", evidence.ProofAuthenticated)

	d := evidencetest.DraftFor(evidence.ChangeCommit, event, at(14, 9, 0), evidence.CommitFacts{Repo: "acme/gitops", SHA: sha, Files: []evidence.FileChange{{Path: "web.yaml", Status: "modified"}}, Committer: -1}, carol)
	d.Text, d.Basis = []byte("=HYPERLINK(\"http://evil\") \x1b]0;owned\x07\nbody"), evidence.BasisClaimed
	l.AddDraft(d)
	l.Add(evidence.ChangeRewrite, event, at(14, 9, 5), evidence.RewriteFacts{Repo: "acme/gitops", Ref: "refs/heads/main", Before: sha, After: strings.Repeat("b", 40), Lost: []string{sha}})
	l.Add(evidence.ChangeProtection, set, at(14, 9, 6), evidence.ProtectionFacts{Repo: "acme/gitops", Branch: "main", Protected: true, RequiredApprovals: 1})
	merge := evidence.MergeFacts{Repo: "acme/gitops", Number: 412, State: "open", Base: "main", ReviewsSeen: true, Merger: -1}
	l.Add(evidence.ChangeMerge, event, at(14, 10, 0), merge, carol)
	l.Add(evidence.ChangeReview, event, at(14, 12, 41), evidence.ReviewFacts{Repo: "acme/gitops", Number: 412, ID: "1", State: "changes-requested", Person: 0}, bob)
	merge.State, merge.MergeSHA, merge.Merger = "merged", sha, 2
	merge.Reviews = []evidence.ReviewState{{ID: "1", Person: 1, State: "approved", At: at(14, 12, 41)}}
	l.Add(evidence.ChangeMerge, event, at(14, 12, 55), merge, carol, bob, alice)
	l.Add(evidence.DeploySync, event, at(14, 12, 58), evidence.SyncFacts{App: "argocd/web", UID: "u", Phase: "Succeeded", StartedAt: at(14, 12, 58), Revisions: []string{sha}, Initiator: 0, Prune: true}, alice)
	state := evidencetest.DraftFor(evidence.DeployState, set, at(14, 13, 0), evidence.DeployFacts{App: "argocd/web", UID: "u", Revisions: []string{sha}, Sync: "Synced", Health: "Healthy", Images: []string{"web@sha256:1"}})
	state.Basis, state.NotBefore = evidence.BasisObserved, at(14, 12, 59)
	l.AddDraft(state)
	read := evidencetest.DraftFor(evidence.SecretAccess, event, at(14, 13, 5), evidence.AccessFacts{RequestID: "r1", Operation: "read", Path: "kv/data/t7/db", Secret: "kv/t7/db", Outcome: "denied", Reading: true, Who: 0}, person(evidence.RoleReader, "mallory", evidence.ProofAuthenticated))
	read.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", "tenant-2")}
	l.AddDraft(read)
	l.Add(evidence.SecretAuth, event, at(14, 13, 6), evidence.AccessFacts{RequestID: "r2", Operation: "update", Path: "auth/userpass/login/{user}", Outcome: "ok", Who: -1})
	l.Add(evidence.SecretPolicy, set, at(14, 14, 0), evidence.PolicyFacts{Name: "t7", Rules: []evidence.PolicyRule{{Path: "kv/*"}}})
	l.Add(evidence.SecretRole, set, at(14, 14, 1), evidence.RoleFacts{Mount: "kubernetes", Role: "t7-web", Policies: []string{"t7"}, Holder: -1})
	l.Add(evidence.SecretIdentity, set, at(14, 14, 2), evidence.IdentityFacts{Entity: "e1", Policies: []string{"t7"}, Holder: 0}, person(evidence.RoleHolder, "alice", evidence.ProofAuthenticated))
	l.Add(evidence.SecretDevice, set, at(14, 14, 3), evidence.DeviceFacts{Path: "file/", Type: "file"})
	l.Add(evidence.SecretMount, set, at(14, 14, 4), evidence.MountFacts{Path: "kv/", Class: "secret", Type: "kv"})
	l.Add(evidence.CertState, set, at(14, 15, 0), evidence.CertFacts{Endpoint: "web.t7.example:443", Subject: "CN=web", Issuer: "CN=CA", NotAfter: at(30, 0, 0)})
	l.Add(evidence.DeployState, evidence.OpEnd, at(15, 8, 0), `{"app":"argocd/web","uid":"u","reason":"absent"}`)
	l.Add(evidence.ChangeTag, set, at(15, 9, 0), evidence.RefFacts{Repo: "acme/gitops", Ref: "refs/tags/v1", SHA: sha, Tagger: -1})
	l.Add(evidence.DeployState, evidence.OpSet, at(15, 9, 1), `{"app":"argocd/x","uid":"x","sync":"Synced","health":"Healthy","revisions":["1.2.3"],"history_id":-1,"sources":[]}`)
	l.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: at(14, 0, 0), To: at(14, 18, 0)}, "", evidence.DeployState, evidence.DeploySync)
	l.Cover("argocd/prod", evidence.Blind, evidence.Period{From: at(14, 18, 0), To: at(15, 7, 0)}, "503 from server", evidence.DeployState, evidence.DeploySync)
	l.Cover("argocd/prod", evidence.Continuous, evidence.Period{From: at(15, 7, 0), To: at(16, 0, 0)}, "", evidence.DeployState, evidence.DeploySync)
	return l
}

func lines(t testing.TB, r evidence.Reader, opt timeline.Options) []timeline.Line {
	t.Helper()
	var ls []timeline.Line
	for l, err := range timeline.Build(context.Background(), r, period, opt) {
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	return ls
}

func TestWriters(t *testing.T) {
	l := world(t)
	l.SetSimulated(true)
	all := timeline.Options{}
	for _, k := range evidence.Kinds() {
		if k.Kind != evidence.CollectionCoverage && k.Kind != evidence.PersonKnown {
			all.Kinds = append(all.Kinds, k.Kind)
		}
	}
	build := func() iter.Seq2[timeline.Line, error] {
		return timeline.Build(context.Background(), l, period, all)
	}
	var text, doc, table bytes.Buffer
	if err := timeline.Text(&text, timeline.HeadOf(l, period), build(), reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	if err := timeline.JSON(&doc, build()); err != nil {
		t.Fatal(err)
	}
	if err := timeline.CSV(&table, build()); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "all.txt", text.Bytes())
	evidencetest.Golden(t, "all.csv", table.Bytes())
	if strings.ContainsAny(text.String(), "\x1b\x07") {
		t.Error("an escape sequence of a source reached the terminal")
	}
	n := len(lines(t, l, all))
	if got := bytes.Count(doc.Bytes(), []byte("\n")); got != n {
		t.Errorf("%d JSON lines, want %d", got, n)
	}
	for line := range bytes.Lines(doc.Bytes()) {
		var back timeline.Line
		if err := json.Unmarshal(line, &back); err != nil || !back.Demo || back.Says == "" {
			t.Errorf("JSON line %s: %v", line, err)
		}
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != n+1 {
		t.Errorf("%d CSV rows, want %d and a header: %v", len(rows), n, err)
	}
}

func TestOrderAndGaps(t *testing.T) {
	ls := lines(t, world(t), timeline.Options{})
	gaps := 0
	for i, l := range ls {
		if i > 0 && l.At.Before(ls[i-1].At) {
			t.Errorf("line %d (%s) stands before its time", i, l.Says)
		}
		if l.Gap {
			gaps++
			if !l.At.Equal(at(14, 18, 0)) || !l.Until.Equal(at(15, 7, 0)) || !strings.Contains(l.Says, "503") {
				t.Errorf("gap %+v, want that of argocd/prod", l)
			}
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps, want 1", gaps)
	}
	for _, l := range lines(t, world(t), timeline.Options{Kinds: []evidence.Kind{evidence.ChangeMerge}}) {
		if l.Kind != evidence.ChangeMerge {
			t.Errorf("asked for merges, got %s (%s)", l.Kind, l.Says)
		}
	}
	if ls := lines(t, world(t), timeline.Options{NoGaps: true}); len(ls) == 0 || ls[len(ls)-1].Gap {
		t.Error("gaps were told though left out")
	}
}

// TestAheadIsNoGap: of what has not come yet nobody could have seen anything.
func TestAheadIsNoGap(t *testing.T) {
	for _, now := range []time.Time{{}, at(15, 3, 0), at(14, 12, 0)} {
		var ends []time.Time
		for _, l := range lines(t, world(t), timeline.Options{Now: now}) {
			if l.Gap {
				ends = append(ends, l.Until)
			}
		}
		switch {
		case now.IsZero() && (len(ends) != 1 || !ends[0].Equal(at(15, 7, 0))):
			t.Errorf("over and done: gaps until %v", ends)
		case now.Equal(at(15, 3, 0)) && (len(ends) != 1 || !ends[0].Equal(now)):
			t.Errorf("at %s: gaps until %v, want it to end now", now, ends)
		case now.Equal(at(14, 12, 0)) && len(ends) != 0:
			t.Errorf("at %s: gaps until %v that lie ahead", now, ends)
		}
	}
}

// TestNobodyLooked: without any coverage the timeline says so.
func TestNobodyLooked(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-9")
	if err != nil {
		t.Fatal(err)
	}
	ls := lines(t, evidencetest.NewLog(tenant), timeline.Options{})
	if len(ls) != 1 || !ls[0].Gap || !strings.Contains(ls[0].Says, "no source") {
		t.Errorf("lines %+v, want one that says that nobody looked", ls)
	}
}

func TestAbsentIsNotDeleted(t *testing.T) {
	for _, l := range lines(t, world(t), timeline.Options{}) {
		if l.Op == evidence.OpEnd && !strings.Contains(l.Says, "absent") {
			t.Errorf("an absent application is told as %q", l.Says)
		}
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("disk gone")
	l := world(t)
	l.Fail("Records", broken)
	var b bytes.Buffer
	err := timeline.Text(&b, timeline.HeadOf(l, period), timeline.Build(context.Background(), l, period, timeline.Options{}), reports.Style{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	for _, err := range timeline.Build(context.Background(), world(t), evidence.Period{}, timeline.Options{}) {
		if err == nil {
			t.Error("an empty period: no error")
		}
	}
}

// TestStreams: the first line comes without reading the whole log.
func TestStreams(t *testing.T) {
	for l, err := range timeline.Build(context.Background(), world(t), period, timeline.Options{}) {
		if err != nil || l.Says == "" {
			t.Fatalf("first line %+v, %v", l, err)
		}
		return
	}
	t.Error("no line")
}
