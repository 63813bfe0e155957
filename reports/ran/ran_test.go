package ran_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports"
	"evidenced/reports/ran"
)

// The story: web and worker were synced at 12:58:44 by alice from a merge
// that bob approved; db-proxy runs an older commit that nobody saw reviewed.

const (
	shaNew = "a41c9e2f00000000000000000000000000000001"
	shaOld = "5d0f3b1f00000000000000000000000000000002"
	digest = "@sha256:9b4c1d00000000000000000000000000000000000000000000000000000000aa"
)

var asked = at(14, 13, 0, 0)

func at(day, hour, minute, second int) time.Time {
	return time.Date(2026, 11, day, hour, minute, second, 0, time.UTC)
}

func person(role evidence.Role, realm, login string, proof evidence.Proof) evidence.Person {
	return evidence.Person{Role: role, Realm: realm, NativeID: "id-" + login, Names: evidence.Names{Login: login}, Proof: proof}
}

func machine(login string) evidence.Person {
	p := person(evidence.RoleReader, "vault:prod/entity", login, evidence.ProofAuthenticated)
	p.Names.Bot = true
	return p
}

var (
	alice = person(evidence.RoleInitiator, "argocd:prod", "alice", evidence.ProofAuthenticated)
	carol = person(evidence.RoleAuthor, "git:claimed", "carol", evidence.ProofClaimed)
)

func state(app, sha, health, sync string, syncedAt time.Time, history int64) evidence.DeployFacts {
	return evidence.DeployFacts{
		App: "argocd/" + app, UID: "uid-" + app, Project: "tenant-7", Namespace: "tenant-7",
		Revisions: []string{sha}, SyncedRevisions: []string{sha}, SyncedAt: syncedAt, HistoryID: history,
		Sync: sync, Health: health, Images: []string{"registry.example/acme/" + app + digest},
	}
}

func syncOf(app, sha, phase string, start, end time.Time, history int64) evidence.SyncFacts {
	return evidence.SyncFacts{
		App: "argocd/" + app, UID: "uid-" + app, Seen: "both", HistoryID: history, Phase: phase,
		StartedAt: start, FinishedAt: end, Revisions: []string{sha}, Initiator: -1,
	}
}

func newLog(t testing.TB) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	return evidencetest.NewLog(tenant)
}

func addDeploys(l *evidencetest.Log) {
	auto := syncOf("db-proxy", shaOld, "Succeeded", at(2, 7, 9, 0), at(2, 7, 10, 0), 3)
	auto.Automated = true
	l.Add(evidence.DeploySync, evidence.OpEvent, at(2, 7, 9, 0), auto)
	l.Add(evidence.DeployState, evidence.OpSet, at(2, 7, 10, 0), state("db-proxy", shaOld, "Healthy", "Synced", at(2, 7, 10, 0), 3))
	for _, app := range []string{"web", "worker"} {
		l.Add(evidence.DeployState, evidence.OpSet, at(3, 8, 0, 0), state(app, shaOld, "Healthy", "Synced", at(3, 8, 0, 0), 6))
		f := syncOf(app, shaNew, "Succeeded", at(14, 12, 58, 40), at(14, 12, 58, 44), 7)
		f.Initiator = 0
		l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 58, 40), f, alice)
		health := map[string]string{"web": "Healthy", "worker": "Progressing"}[app]
		l.Add(evidence.DeployState, evidence.OpSet, at(14, 12, 58, 44), state(app, shaNew, health, "Synced", at(14, 12, 58, 44), 7))
	}
}

func addChange(l *evidencetest.Log) {
	commit := evidencetest.DraftFor(evidence.ChangeCommit, evidence.OpEvent, at(14, 12, 30, 0), evidence.CommitFacts{
		Repo: "acme/gitops", SHA: shaNew, Author: 0, Committer: -1,
	}, carol)
	commit.Text = []byte("raise worker limits \x1b[31m\n\nbody")
	l.AddDraft(commit)
	l.Add(evidence.ChangeMerge, evidence.OpEvent, at(14, 12, 55, 0), evidence.MergeFacts{
		Repo: "acme/gitops", Number: 412, State: "merged", Base: "main", HeadSHA: "c0ffee0000000000000000000000000000000003",
		MergeSHA: shaNew, MergedAt: at(14, 12, 55, 0), Author: 0, Merger: 2, ReviewsSeen: true,
		Reviews: []evidence.ReviewState{
			{ID: "1", Person: 1, State: "approved", At: at(14, 12, 41, 0), Commit: "c0ffee0000000000000000000000000000000003"},
			{ID: "2", Person: 1, State: "approved", At: at(14, 15, 0, 0)}, // after the instant
		},
	}, person(evidence.RoleAuthor, "github:acme", "carol-gh", evidence.ProofAuthenticated),
		person(evidence.RoleReviewer, "github:acme", "bob", evidence.ProofAuthenticated),
		person(evidence.RoleMerger, "github:acme", "alice", evidence.ProofAuthenticated))
}

func addSecrets(l *evidencetest.Log) {
	read := func(name, path string) evidence.PolicyFacts {
		return evidence.PolicyFacts{Name: name, SHA256: "00", Rules: []evidence.PolicyRule{{Path: path, Capabilities: []string{"read"}}}}
	}
	l.Add(evidence.SecretPolicy, evidence.OpSet, at(2, 0, 0, 0), read("tenant-7-web", "kv/data/tenant-7/web/*"))
	l.Add(evidence.SecretPolicy, evidence.OpSet, at(2, 0, 0, 0), read("admin", "kv/*"))
	l.Add(evidence.SecretPolicy, evidence.OpSet, at(2, 0, 0, 0), read("names-only", "kv/metadata/tenant-7/*"))
	l.Add(evidence.SecretPolicy, evidence.OpSet, at(2, 0, 0, 0), read("break-glass", "kv/data/*"))
	l.Add(evidence.SecretRole, evidence.OpSet, at(2, 0, 0, 0), evidence.RoleFacts{Mount: "kubernetes", MountType: "kubernetes", Role: "tenant-7-web", Policies: []string{"tenant-7-web"}, Holder: -1})
	l.Add(evidence.SecretIdentity, evidence.OpSet, at(2, 0, 0, 0), evidence.IdentityFacts{Entity: "e-1", GroupPolicies: []string{"admin"}, Holder: 0},
		person(evidence.RoleHolder, "vault:prod/entity", "platform-admin", evidence.ProofAuthenticated))
	l.Add(evidence.SecretIdentity, evidence.OpSet, at(2, 0, 0, 0), evidence.IdentityFacts{Entity: "e-2", Policies: []string{"tenant-7-web"}, Holder: -1, Aliases: []evidence.IdentityAlias{{Role: "tenant-7-web"}}})
	access := func(i int, when time.Time, outcome string, reading bool, role string, who evidence.Person, actor string) {
		d := evidencetest.DraftFor(evidence.SecretAccess, evidence.OpEvent, when, evidence.AccessFacts{
			RequestID: fmt.Sprintf("req-%d", i), Operation: "read", Path: "kv/data/tenant-7/web/db", Outcome: outcome, Reading: reading,
			Secret: "kv/tenant-7/web/db", Who: 0, Role: role, SAName: role,
		}, who)
		d.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", actor)}
		l.AddDraft(d)
	}
	for i := range 14 {
		access(i, at(14, 12, 31+i, 0), "ok", true, "tenant-7-web", machine("tenant-7-web"), "tenant-7")
	}
	admin := person(evidence.RoleReader, "vault:prod/entity", "platform-admin", evidence.ProofAuthenticated)
	access(20, at(14, 13, 10, 0), "ok", true, "", admin, "_platform")
	access(21, at(14, 13, 11, 0), "ok", false, "", admin, "_platform") // a list of names
	access(22, at(14, 13, 12, 0), "denied", true, "", person(evidence.RoleReader, "vault:prod/entity", "mallory", evidence.ProofAuthenticated), "tenant-2")
	access(23, at(14, 14, 12, 0), "ok", true, "", admin, "_platform") // outside the hour
}

// A read that was answered counts although the log lacks the line of its request;
// one of which the log lacks the answer is said to be unknown.
func TestHalfARead(t *testing.T) {
	l := newLog(t)
	addCoverage(l)
	for i, half := range []struct{ outcome, answer string }{
		{"no-request", "ok"}, {"no-request", "denied"}, {"no-request", "missing"}, {"no-response", ""},
	} {
		f := evidence.AccessFacts{
			RequestID: fmt.Sprint(i), Operation: "read", Path: "kv/data/tenant-7/web/db", Secret: "kv/tenant-7/web/db", Reading: true,
			Outcome: half.outcome, Who: -1, Role: "other",
		}
		if half.answer != "" {
			f.Extra = map[string]string{"answer": half.answer}
		}
		l.Add(evidence.SecretAccess, evidence.OpEvent, at(14, 13, 1+i, 0), f)
	}
	a, _ := build(t, l, asked, ran.Options{Zone: berlin(t)})
	if s := a.Secrets; len(s.Did) != 1 || s.Did[0].Count != 1 || len(s.Denied) != 1 || s.Denied[0].Count != 1 {
		t.Errorf("did %+v, denied %+v", s.Did, s.Denied)
	}
	if want := "1 request for a secret in the window: the audit log lacks how it was answered"; !slices.Contains(a.Secrets.Notes, want) {
		t.Errorf("notes %q lack %q", a.Secrets.Notes, want)
	}
}

func addCerts(l *evidencetest.Log) {
	for i, days := range []int{-3, 12, 80} {
		l.Add(evidence.CertState, evidence.OpSet, at(3, 0, 0, 0), evidence.CertFacts{
			Endpoint: fmt.Sprintf("web-%d.tenant-7.example:443", i), SNI: fmt.Sprintf("web-%d.tenant-7.example", i), Subject: "CN=web",
			NotBefore: at(1, 0, 0, 0).AddDate(0, -2, 0), NotAfter: asked.AddDate(0, 0, days),
		})
	}
}

var deployKinds = []evidence.Kind{evidence.DeployState, evidence.DeploySync}

func looks(from, to time.Time, every time.Duration) []time.Time {
	var ts []time.Time
	for t := from; !t.After(to); t = t.Add(every) {
		ts = append(ts, t)
	}
	return ts
}

func addCoverage(l *evidencetest.Log) {
	// Two records, as days give them: the seam between them is no blindness.
	l.CoverLooks("argocd/prod", looks(at(14, 12, 0, 18), at(14, 12, 59, 48), 30*time.Second), deployKinds...)
	l.CoverLooks("argocd/prod", looks(at(14, 13, 0, 18), at(14, 15, 0, 0), 30*time.Second), deployKinds...)
	day := evidence.Period{From: at(14, 0, 0, 0), To: at(15, 0, 0, 0)}
	l.Cover("vault/prod", evidence.Continuous, day, "", evidence.SecretAccess)
	l.CoverLooks("vault/prod", looks(at(14, 0, 0, 0), at(15, 0, 0, 0), 5*time.Minute), evidence.SecretPolicy, evidence.SecretRole, evidence.SecretIdentity)
	l.CoverLooks("github/acme", looks(at(14, 12, 55, 0), at(14, 15, 5, 0), 10*time.Minute), evidence.ChangeMerge, evidence.ChangeCommit)
	l.CoverLooks("certs/edge", looks(at(14, 0, 0, 0), at(15, 0, 0, 0), 6*time.Hour), evidence.CertState)
}

// Of the seconds behind what a source shows of every instant it is not known yet
// what happened, and of a log that was read whole why nothing is claimed; neither is
// told as a source that did not see.
func TestNewestIsNoFailing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		claimed time.Time // end of it
		quiet   bool      // read up to now
		says    string
	}{
		{"not told yet", at(14, 12, 58, 0), false, "vault/prod not known yet: the next claim will tell, last look before 12:58  [secret.access]"},
		{"a quiet log", at(14, 12, 30, 0), true, "vault/prod nothing new was written to what was read;"},
		{"nobody looked", at(14, 12, 30, 0), false, "vault/prod did not see it: nobody looked, last look before 12:30  [secret.access]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLog(t)
			addDeploys(l)
			l.CoverLooks("argocd/prod", looks(at(14, 12, 0, 18), at(14, 13, 0, 18), 30*time.Second), deployKinds...)
			kinds := []evidence.Kind{evidence.SecretAccess}
			f := evidence.CoverageFacts{Source: "vault/prod", Period: evidence.Period{From: at(14, 0, 0, 0), To: tc.claimed}}
			f.Spans = []evidence.CoverageSpan{{Kinds: kinds, From: f.Period.From, To: tc.claimed, Class: evidence.Continuous, Every: (5 * time.Minute).Milliseconds()}}
			if tc.quiet {
				f.Quiet = []evidence.Quiet{{Kinds: kinds, From: tc.claimed, To: asked.Add(time.Second), Cause: evidence.CauseQuiet}}
			}
			l.AddCoverage(f)
			if _, text := build(t, l, asked, ran.Options{}); !strings.Contains(text, tc.says) {
				t.Errorf("no %q in\n%s", tc.says, text)
			}
		})
	}
}

func fullLog(t testing.TB) *evidencetest.Log {
	l := newLog(t)
	addDeploys(l)
	addChange(l)
	addSecrets(l)
	addCerts(l)
	addCoverage(l)
	return l
}

func build(t *testing.T, r evidence.Reader, when time.Time, opt ran.Options) (*ran.Answer, string) {
	t.Helper()
	a, err := ran.Build(context.Background(), r, when, opt)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.Text(&b, reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	return a, b.String()
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	return time.FixedZone("CET", 3600)
}

func TestAnswer(t *testing.T) {
	cases := []struct {
		name string
		log  func(t *testing.T) evidence.Reader
		at   time.Time
		want ran.Verdict
	}{
		{"known", func(t *testing.T) evidence.Reader { return fullLog(t) }, asked, ran.Known},
		{"blind", func(t *testing.T) evidence.Reader {
			l := newLog(t)
			addDeploys(l)
			l.CoverLooks("argocd/prod", looks(at(14, 12, 0, 0), at(14, 13, 20, 0), time.Minute), deployKinds...)
			l.Cover("argocd/prod", evidence.Blind, evidence.Period{From: at(14, 13, 20, 0), To: at(14, 15, 5, 0)}, "argocd/prod unreachable", deployKinds...)
			l.CoverLooks("argocd/prod", looks(at(14, 15, 5, 0), at(14, 16, 0, 0), time.Minute), deployKinds...)
			return l
		}, at(14, 14, 0, 0), ran.LastKnown},
		{"drift", func(t *testing.T) evidence.Reader {
			l := fullLog(t)
			l.SetSimulated(true)
			f := state("web", shaNew, "Degraded", "OutOfSync", at(14, 12, 58, 44), 7)
			l.Add(evidence.DeployState, evidence.OpSet, at(14, 12, 59, 30), f)
			return l
		}, asked, ran.Known},
		{"contradicted", func(t *testing.T) evidence.Reader {
			l := fullLog(t)
			l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 59, 0), syncOf("web", shaOld, "Succeeded", at(14, 12, 59, 0), at(14, 12, 59, 10), 8))
			return l
		}, asked, ran.Contradicted},
		{"never", func(t *testing.T) evidence.Reader { return newLog(t) }, asked, ran.NotKnown},
		{"nothing", func(t *testing.T) evidence.Reader {
			l := newLog(t)
			addCoverage(l)
			return l
		}, asked, ran.Known},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, text := build(t, c.log(t), c.at, ran.Options{Zone: berlin(t)})
			if a.Verdict != c.want {
				t.Errorf("verdict %s, want %s\n%s", a.Verdict, c.want, text)
			}
			evidencetest.Golden(t, c.name+".txt", []byte(text))
			doc, err := json.MarshalIndent(a, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "known" {
				evidencetest.Golden(t, "known.json", append(doc, '\n'))
			}
			if strings.ContainsRune(text, '\x1b') {
				t.Errorf("an escape sequence of a source reached the terminal:\n%q", text)
			}
		})
	}
}

// TestReviewerNeverGuessed takes the merge record, then only its reviews away.
// Before the first look of all it is not the configuration that lacks a source.
func TestBeforeTheFirstLook(t *testing.T) {
	_, text := build(t, fullLog(t), at(1, 0, 0, 0).AddDate(-6, 0, 0), ran.Options{})
	for _, want := range []string{"no source tells what tenant-7 ran by 00:00 UTC on 1 Nov 2020; what they tell begins at ", "who read its secrets (no source tells of the time before ", "did read     not observed: no source tells of the time before "} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "no source observes") {
		t.Errorf("it says that no source observes the tenant:\n%s", text)
	}
}

func TestReviewerNeverGuessed(t *testing.T) {
	l := newLog(t)
	addDeploys(l)
	addCoverage(l)
	a, text := build(t, l, asked, ran.Options{})
	if a.Changes[0].Review != ran.ReviewNotSeen || !strings.Contains(text, "reviewer: not observed") {
		t.Errorf("without a merge record the review is %s:\n%s", a.Changes[0].Review, text)
	}
	for _, seen := range []bool{false, true} {
		l := newLog(t)
		addDeploys(l)
		l.Add(evidence.ChangeMerge, evidence.OpEvent, at(14, 12, 55, 0), evidence.MergeFacts{
			Repo: "acme/gitops", Number: 412, State: "merged", MergeSHA: shaNew, MergedAt: at(14, 12, 55, 0), Author: -1, Merger: -1, ReviewsSeen: seen,
		})
		a, text := build(t, l, asked, ran.Options{})
		want := ran.ReviewNotSeen
		if seen {
			want = ran.NobodyApproved
		}
		for _, c := range a.Changes {
			if c.Revision == shaNew && c.Review != want {
				t.Errorf("reviews seen %v: review is %s, want %s\n%s", seen, c.Review, want, text)
			}
		}
	}
}

// TestAmendedMerge checks that the newest word on a merge counts.
func TestAmendedMerge(t *testing.T) {
	l := newLog(t)
	addDeploys(l)
	open := evidence.MergeFacts{Repo: "acme/gitops", Number: 412, State: "open", HeadSHA: shaNew, Author: -1, Merger: -1, ReviewsSeen: true}
	l.Add(evidence.ChangeMerge, evidence.OpEvent, at(14, 12, 0, 0), open)
	open.State, open.MergeSHA, open.MergedAt = "merged", shaNew, at(14, 12, 55, 0)
	open.Reviews, open.Merger = []evidence.ReviewState{{ID: "1", Person: 0, State: "approved", At: at(14, 12, 41, 0)}}, -1
	l.Add(evidence.ChangeMerge, evidence.OpEvent, at(14, 12, 0, 0), open, person(evidence.RoleReviewer, "github:acme", "bob", evidence.ProofAuthenticated))
	a, text := build(t, l, asked, ran.Options{})
	found := false
	for _, c := range a.Changes {
		found = found || c.Revision == shaNew && c.Review == ran.Reviewed
	}
	if !found {
		t.Errorf("the amended merge was not used:\n%s", text)
	}
}

func TestMergedLater(t *testing.T) {
	l := newLog(t)
	addDeploys(l)
	l.Add(evidence.ChangeMerge, evidence.OpEvent, at(14, 14, 0, 0), evidence.MergeFacts{
		Repo: "acme/gitops", Number: 412, State: "merged", MergeSHA: shaNew, MergedAt: at(14, 14, 0, 0), Author: -1, Merger: -1, ReviewsSeen: true,
	})
	_, text := build(t, l, asked, ran.Options{})
	if !strings.Contains(text, "merged only later") {
		t.Errorf("a merge after the instant was taken as before it:\n%s", text)
	}
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("disk gone")
	for _, method := range []string{"Records", "States"} {
		l := fullLog(t)
		l.Fail(method, broken)
		if _, err := ran.Build(context.Background(), l, asked, ran.Options{}); !errors.Is(err, broken) {
			t.Errorf("%s fails: got %v, want %v", method, err, broken)
		}
	}
	if _, err := ran.Build(context.Background(), newLog(t), time.Time{}, ran.Options{}); err == nil {
		t.Error("no instant: no error")
	}
}

func TestRunsOfOwnSourcesOnly(t *testing.T) {
	platform := evidencetest.NewLog(evidence.Platform)
	for i, source := range []evidence.SourceID{"argocd/prod", "gitlab/other"} {
		platform.AddDraft(evidence.Draft{
			Kind: evidence.CollectionRun, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: fmt.Sprint(i), Subject: evidence.NewRef("source", "", string(source)),
			OccurredAt: asked, ObservedAt: asked, Basis: evidence.BasisSource,
			Content: []byte(fmt.Sprintf(`{"source":%q,"slot":"2026-11-14T13:00:00Z","outcome":"failed","cause":"503","items":0,"records":0,"repeated":0,"source_total":-1,"requests":1}`, source)),
		})
	}
	a, text := build(t, fullLog(t), asked, ran.Options{Platform: platform})
	if len(a.Runs) != 1 || a.Runs[0].Source != "argocd/prod" {
		t.Errorf("runs %v, want that of argocd/prod alone", a.Runs)
	}
	if !strings.Contains(text, "ended failed: 503") {
		t.Errorf("the failed run is not told:\n%s", text)
	}
}

// asking notes the queries that reach a log.
type asking struct {
	evidence.Reader
	queries []evidence.Query
}

func (a *asking) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	a.queries = append(a.queries, q)
	return a.Reader.Records(ctx, q)
}

// TestNarrowQueries holds the promise that the cost does not grow with the
// log: every query names kinds, and is bounded by a period that is closed at
// both ends, or by a link or a subject, or by a limit.
func TestNarrowQueries(t *testing.T) {
	full := copiedLog(t)
	addCert(full, "True")
	addRequest(full, "web-1", "issued", "f1", at(5, 0, 0, 0), false)
	addPod(full, podSpec{name: "web-3", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + oldImage, digest: oldImage, started: at(13, 0, 0, 0)})
	r := &asking{Reader: full}
	build(t, r, asked, ran.Options{})
	if len(r.queries) == 0 {
		t.Fatal("no queries")
	}
	for _, q := range r.queries {
		closed := !q.Period.From.IsZero() && !q.Period.To.IsZero()
		bound := closed || !q.Link.IsZero() || !q.Subject.IsZero() || q.Limit > 0
		if len(q.Kinds) == 0 || !bound {
			t.Errorf("query %+v reads as much as there is", q)
		}
	}
}

// TestResync: syncing the same revision again is no change, and a newer
// attempt that failed is told.
func TestResync(t *testing.T) {
	l := fullLog(t)
	again := syncOf("web", shaNew, "Succeeded", at(14, 12, 59, 10), at(14, 12, 59, 12), 8)
	l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 59, 10), again)
	failed := syncOf("worker", shaOld, "Failed", at(14, 12, 59, 20), at(14, 12, 59, 25), -1)
	l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 59, 20), failed)
	later := syncOf("worker", shaOld, "Succeeded", at(14, 12, 59, 30), at(14, 13, 0, 30), 9) // still running at the instant
	l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 59, 30), later)
	a, text := build(t, l, asked, ran.Options{})
	if a.Verdict != ran.Known {
		t.Errorf("verdict %s:\n%s", a.Verdict, text)
	}
	for _, w := range a.Works {
		if w.App == "argocd/db-proxy" {
			continue
		}
		if !w.Since.Equal(at(14, 12, 58, 44)) || w.SyncedBy == nil || w.SyncedBy.Label != "alice" {
			t.Errorf("%s: since %v by %v, want the first sync of the revision by alice", w.App, w.Since, w.SyncedBy)
		}
	}
	for _, want := range []string{"web: synced again at 12:59:12 UTC, same revision", "worker: a newer sync ended Failed at 12:59:25"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
}

// A sync of which nothing says who or what started it is no person's.
func TestStarterUntold(t *testing.T) {
	for untold, want := range map[bool]string{true: "put there by somebody or something the source does not name", false: "put there by somebody the source does not name"} {
		l := fullLog(t)
		f := syncOf("web", shaOld, "Succeeded", at(14, 12, 59, 10), at(14, 12, 59, 12), 8)
		f.Untold = untold
		l.Add(evidence.DeploySync, evidence.OpEvent, at(14, 12, 59, 10), f)
		l.Add(evidence.DeployState, evidence.OpSet, at(14, 12, 59, 12), state("web", shaOld, "Healthy", "Synced", at(14, 12, 59, 12), 8))
		if _, text := build(t, l, asked, ran.Options{}); !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("untold %t: the text does not say %q:\n%s", untold, want, text)
		}
	}
}

// closed hides the content of the deploy states, as an erasure does.
type closed struct{ evidence.Reader }

func (c closed) States(ctx context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for rec, err := range c.Reader.States(ctx, kind, at) {
			if kind == evidence.DeployState {
				rec.Facts, rec.Subject, rec.Key = nil, evidence.Ref{}, ""
				rec.Closed = map[string]string{"content": "key destroyed by record 99"}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

func TestClosedContent(t *testing.T) {
	a, text := build(t, closed{fullLog(t)}, asked, ran.Options{})
	if len(a.Works) != 3 || !strings.Contains(text, "not opened: key destroyed by record 99") || !strings.Contains(a.Sentence, "nothing more can be opened") {
		t.Errorf("%d workloads:\n%s", len(a.Works), text)
	}
}

// TestNow asks for the newest instant: the next look is not due yet.
func TestNow(t *testing.T) {
	l := newLog(t)
	addDeploys(l)
	l.CoverLooks("argocd/prod", looks(at(14, 12, 0, 0), at(14, 12, 59, 40), 30*time.Second), deployKinds...)
	a, text := build(t, l, asked, ran.Options{})
	if a.Verdict != ran.Known || !strings.Contains(text, "the next look was not due yet") {
		t.Errorf("verdict %s:\n%s", a.Verdict, text)
	}
	a, text = build(t, l, asked.Add(time.Hour), ran.Options{})
	if a.Verdict != ran.LastKnown || !strings.HasPrefix(text, "Not known: no source observed tenant-7") {
		t.Errorf("an hour after the last look: verdict %s:\n%s", a.Verdict, text)
	}
}

// TestReconstructed: history read long after the instant covers it, though its
// record lies far from it.
func TestReconstructed(t *testing.T) {
	l := newLog(t)
	addDeploys(l)
	for i := range 200 { // more coverage records than are read from either end
		day := at(20, 0, 0, 0).AddDate(0, 0, i)
		l.Cover("github/acme", evidence.Continuous, evidence.Period{From: day, To: day.AddDate(0, 0, 1)}, "", evidence.ChangeMerge)
		if i == 100 {
			l.Cover("argocd/prod", evidence.Reconstructed, evidence.Period{From: at(1, 0, 0, 0), To: day}, "read from history", deployKinds...)
		}
	}
	a, text := build(t, l, asked, ran.Options{})
	if a.Verdict != ran.Known || !strings.Contains(text, "reconstructed from history") {
		t.Errorf("verdict %s:\n%s", a.Verdict, text)
	}
}
