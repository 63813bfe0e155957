package github

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

func partsConfig(url, token string) Config {
	c := config(url, token)
	c.Repos, c.Branches, c.Skip = []string{"acme/tools"}, []string{"main"}, nil
	return c
}

// The parts beyond commits and requests, held against the whole suite: cut at
// every request, every fault at every request.
func TestPartsConformance(t *testing.T) { collectortest.Run(t, partsSuite()) }

func partsSuite() collectortest.Suite {
	return collectortest.Suite{
		Source: "github/acme", Now: now, Conversation: "testdata/parts.txtar", Planted: planted, Also: []int{410, 422, 503, 504},
		Wants: []evidence.Kind{evidence.PipelineRun, evidence.PipelineCheck, evidence.DeployRelease, evidence.AccessMember, evidence.AccessAudit},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := partsConfig(w.URL, w.TokenFile)
			cfg.Timeout, cfg.Homes = w.Timeout, []string{"acme/platform"}
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		// A part that is hidden is a blind window with its cause; the run may be
		// complete all the same.
		Means: func(status int, line string) bool {
			if (status == 404 || status == 422) && (strings.Contains(line, "/commits/6b1f53303a73") || strings.Contains(line, "/commits/9f0c4a7be1d2") || strings.Contains(line, "/compare/")) || status == 404 && strings.Contains(line, "/pulls/12/files") {
				return true // a commit that is gone: its run belongs to the repository
			}
			if status != 403 && status != 404 && status != 410 {
				return false
			}
			for _, part := range []string{"/user", "/protection", "/rules/", "/rulesets/", "/actions/", "/check-runs", "/statuses", "/deployments", "/activity",
				"/collaborators", "/teams", "/keys", "/members", "/outside_collaborators", "/installations", "/audit-log"} {
				if strings.Contains(line, part) || strings.HasSuffix(line, part) {
					return status != 410 || !strings.HasSuffix(line, "/user") && !strings.Contains(line, "/protection") && !strings.Contains(line, "/rules/")
				}
			}
			return false
		},
	}
}

// What ran on a commit is the business of all whose paths the push or the
// request that it came with changed, whichever of its commits did. A later look
// reads none of these again and says the same.
func TestWhoseRunsAre(t *testing.T) {
	const own, push, request = "run.sh", "tenants/tenant-3/app.yaml tenants/tenant-4/old.yaml tenants/tenant-5/new.yaml", "tenants/tenant-7/app.yaml"
	const landed = own + " " + push
	want := map[string]string{
		"71002/run/7003/1": landed + " " + request, "71002/run/7001/1": landed + " " + request, "71002/check/70012233": landed,
		"71002/run/7002/1": own + " tenants/tenant-3/limits.yaml " + request, "71002/run/7002/2": own + " tenants/tenant-3/limits.yaml " + request,
		"71002/activity/802": landed, "71002/suite/21": landed, "71002/activity/801": "tenants/tenant-3/limits.yaml",
	}
	lab := newPartsLab(t, nil)
	first := lab.must(nil)
	if seen := reaches(t, first, want); seen != len(want) {
		t.Errorf("the first look shows %d of %d", seen, len(want))
	}
	lab.clock = lab.clock.Add(10 * time.Minute)
	if seen := reaches(t, lab.must(first.Resume()), want); seen == 0 {
		t.Error("the second look shows none")
	}
}

// reaches compares the paths that drafts reach, and counts them.
func reaches(t *testing.T, rec *collectortest.Recorder, want map[string]string) (seen int) {
	t.Helper()
	for _, d := range rec.Drafts {
		paths, ok := want[d.Key]
		if !ok {
			continue
		}
		seen++
		var got []string
		for _, ref := range d.Scope {
			if ref.Scheme == "path" {
				got = append(got, ref.Name)
			}
		}
		if strings.Join(got, " ") != paths {
			t.Errorf("%s %s reaches %v, want %s", d.Kind, d.Key, got, paths)
		}
	}
	return seen
}

type partsLab struct {
	*collectortest.Replay
	t     *testing.T
	clock time.Time
	c     *Collector
}

func newPartsLab(t *testing.T, change func(*Config)) *partsLab {
	t.Helper()
	l := &partsLab{Replay: collectortest.NewReplay(t, "testdata/parts.txtar", now), t: t, clock: now}
	w := collectortest.Desk(t, "github/acme", l.URL, &l.clock)
	cfg := partsConfig(w.URL, w.TokenFile)
	if change != nil {
		change(&cfg)
	}
	var err error
	l.c, err = newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *partsLab) must(resume []byte) *collectortest.Recorder {
	l.t.Helper()
	rec := &collectortest.Recorder{}
	if err := l.c.Poll(l.t.Context(), evidence.Period{To: l.clock}, resume, rec); err != nil {
		l.t.Fatal(err)
	}
	return rec
}

func factsOf[T any](t *testing.T, d evidence.Draft) T {
	t.Helper()
	var f T
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPipelineFacts(t *testing.T) {
	rec := newPartsLab(t, nil).must(nil)
	got := map[string]evidence.PipelineFacts{}
	for _, d := range rec.Of(evidence.PipelineRun) {
		f := factsOf[evidence.PipelineFacts](t, d)
		got[d.Key] = f
		if !slices.Contains(d.Links, forge.Commit(f.SHA)) || !slices.Contains(d.Links, d.Subject) || len(d.Raw) == 0 {
			t.Errorf("%s: links %v, %d raw bytes", d.Key, d.Links, len(d.Raw))
		}
		if len(d.Scope) < 2 || d.Scope[1].Scheme != "path" {
			t.Errorf("%s: scope %v holds no path of its commit", d.Key, d.Scope)
		}
		if f.ID == "7002" && f.Attempt == 2 && !strings.Contains(string(d.Raw), "newer_field") {
			t.Error("a field that the library does not know is lost")
		}
		if strings.Contains(f.Ref, "mira") {
			t.Errorf("the branch's name stands in the facts: %s", f.Ref)
		}
	}
	type want struct {
		status, native string
		jobs           int
		trigger        string
	}
	for key, w := range map[string]want{
		"/run/7001/1": {"success", "completed/success", 2, "4402"},
		"/run/7002/1": {"failure", "completed/failure", 1, "4402"}, // the failed first attempt is not hidden
		"/run/7002/2": {"success", "completed/success", 1, "5011"},
		"/run/7003/1": {"running", "in_progress", 0, "4402"},
	} {
		f, ok := found(got, key)
		if !ok || f.Status != w.status || f.Native != w.native || len(f.Jobs) != w.jobs || f.Change != 12 {
			t.Errorf("%s: %v %+v, want %+v", key, ok, f, w)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d runs", len(got))
	}
	if f, _ := found(got, "/run/7002/1"); f.Jobs[0].Status != "failure" {
		t.Errorf("job %+v", f.Jobs[0])
	}
}

func found[T any](m map[string]T, suffix string) (v T, ok bool) {
	for k, v := range m {
		if strings.HasSuffix(k, suffix) {
			return v, true
		}
	}
	return v, false
}

func TestCheckAndReleaseFacts(t *testing.T) {
	rec := newPartsLab(t, nil).must(nil)
	checks := map[string]evidence.CheckFacts{}
	for _, d := range rec.Of(evidence.PipelineCheck) {
		f := factsOf[evidence.CheckFacts](t, d)
		checks[f.Form+"/"+f.ID] = f
	}
	for id, status := range map[string]string{"check-run/70012233": "success", "check-run/70012234": "running", "commit-status/9911": "success", "commit-status/9910": "waiting"} {
		if checks[id].Status != status {
			t.Errorf("%s: %+v, want %s", id, checks[id], status)
		}
	}
	releases := map[string]evidence.Draft{}
	for _, d := range rec.Of(evidence.DeployRelease) {
		releases[factsOf[evidence.ReleaseFacts](t, d).ID] = d
	}
	f := factsOf[evidence.ReleaseFacts](t, releases["301"])
	if f.Status != "success" || f.Pipeline != "7001" || len(f.Approvals) != 1 || f.Approvals[0].State != "approved" || !f.FinishedAt.Equal(time.Date(2026, 3, 2, 13, 22, 0, 0, time.UTC)) {
		t.Errorf("301: %+v", f)
	}
	if p := releases["301"].People[f.Approvals[0].Person]; p.NativeID != "5011" || p.Role != evidence.RoleApprover || p.Proof != evidence.ProofAuthenticated {
		t.Errorf("approver %+v", p)
	}
	if f := factsOf[evidence.ReleaseFacts](t, releases["302"]); f.Status != "waiting" || !f.FinishedAt.IsZero() {
		t.Errorf("302: %+v", f)
	}
}

func TestAuditAndMembers(t *testing.T) {
	rec := newPartsLab(t, nil).must(nil)
	actions := map[string]evidence.AuditFacts{}
	for _, d := range rec.Of(evidence.AccessAudit) {
		f := factsOf[evidence.AuditFacts](t, d)
		actions[f.Action] = f
		if f.Who < 0 || d.People[f.Who].Realm != "github:acme" {
			t.Errorf("%s: nobody did it: %+v", f.Action, d.People)
		}
	}
	for action, outcome := range map[string]string{"ref.force_push": "ok", "ref.branch_creation": "ok", "rules.bypass": "ok", "protected_branch.policy_override": "ok", "org.add_member": "ok"} {
		if f, ok := actions[action]; !ok || f.Outcome != outcome {
			t.Errorf("%s: %v %+v", action, ok, f)
		}
	}
	if f := actions["ref.branch_creation"]; f.Changed[0] != "from none" || strings.Contains(f.Name, "mira") {
		t.Errorf("%+v", f)
	}
	if f := actions["protected_branch.policy_override"]; f.Container != "acme/tools" || len(f.Remote) != 1 {
		t.Errorf("%+v", f)
	}
	ranks := map[string]string{}
	for _, d := range rec.Of(evidence.AccessMember) {
		f := factsOf[evidence.MemberFacts](t, d)
		ranks[d.Subject.Name] = f.Type + " " + f.Rank
	}
	for who, rank := range map[string]string{
		"acme/tools/user-4402": "user admin", "acme/tools/user-5011": "user write", "acme/tools/team-61": "team write", "acme/tools/key-71": "deploy-key write",
		"acme/user-4402": "user admin", "acme/user-5011": "user read", "acme/app-81": "app write",
	} {
		if ranks[who] != rank {
			t.Errorf("%s: %q, want %q", who, ranks[who], rank)
		}
	}
	if len(rec.Completed) < 2 {
		t.Errorf("completed: %v", rec.Completed)
	}
}

// A second look asks for what is not over and for nothing twice; a quiet one
// makes a bounded number of requests.
func TestSecondLookAtParts(t *testing.T) {
	l := newPartsLab(t, nil)
	first := l.must(nil)
	l.Requests()
	l.clock = l.clock.Add(5 * time.Minute)
	l.must(first.Resume())
	asked := l.Requests()
	count := func(part string) (n int) {
		for _, line := range asked {
			if strings.Contains(line, part) {
				n++
			}
		}
		return n
	}
	for part, want := range map[string]int{
		"/actions/runs?": 1, "/actions/runs/7003": 0 /* the list shows it */, "/actions/runs/7001/": 1, // approvals of the deployment that is read again
		"/check-runs": 1, "/deployments?": 1, "/deployments/302": 1, "/collaborators": 0, "/teams": 0, "/members": 0, "/activity": 1, "/audit-log": 1,
	} {
		if part == "/deployments/302" {
			if n := count(part); n < 1 || n > 2 {
				t.Errorf("%s: %d requests", part, n)
			}
			continue
		}
		if part == "/actions/runs/7001/" || part == "/audit-log" {
			continue
		}
		if n := count(part); n != want {
			t.Errorf("%s: %d requests, want %d", part, n, want)
		}
	}
	if len(asked) > 30 {
		t.Errorf("a second look makes %d requests: %v", len(asked), asked)
	}
}

// An audit log is read on from where it was read, whatever the configured
// history, and a first look that was cut claims no more than one that was not.
func TestAuditResumes(t *testing.T) {
	l := newPartsLab(t, func(c *Config) { c.History = 48 * time.Hour })
	var asked []string
	l.SetFault(func(n int, line string, w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(line, "/audit-log") {
			return false
		}
		asked = append(asked, r.URL.Query().Get("phrase"))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case len(asked) == 1:
			w.Header().Set("Link", "<"+l.URL+r.URL.Path+"?order=asc&after=x>; rel=\"next\"")
			fmt.Fprintf(w, `[{"@timestamp": %d, "_document_id": "a1", "action": "org.x", "actor": "mira-kostka9"}]`, now.Add(-24*time.Hour).UnixMilli())
		case len(asked) == 2:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			fmt.Fprint(w, `[]`)
		}
		return true
	})
	cut := &collectortest.Recorder{}
	if err := l.c.Poll(t.Context(), evidence.Period{To: l.clock}, nil, cut); err == nil {
		t.Fatal("the first look was not cut")
	}
	rec := l.must(cut.Resume())
	claim := func(rec *collectortest.Recorder) (out []string) {
		for _, s := range rec.Commits[len(rec.Commits)-1].Observation.Seen {
			if slices.Contains(s.Kinds, evidence.AccessAudit) && s.Scope.Name == "acme" {
				out = append(out, fmt.Sprintf("%s %s", s.Class, s.From.Format("02T15:04")))
			}
		}
		return out
	}
	if got := claim(rec); !slices.Equal(got, []string{"reconstructed 01T12:00"}) {
		t.Errorf("resumed: claims %v", got)
	}
	for _, d := range cut.Of(evidence.AccessAudit) {
		if f := factsOf[evidence.AuditFacts](t, d); f.ID == "a1" && (f.Who != 0 || d.People[0].NativeID != "login:mira-kostka9") {
			t.Errorf("an actor without a number: %+v", d.People)
		}
	}
	l.clock = l.clock.Add(9 * 24 * time.Hour)
	rec = l.must(rec.Resume())
	if got := claim(rec); !slices.Equal(got, []string{"continuous 03T12:00"}) {
		t.Errorf("after nine days: claims %v", got)
	}
	if want := "created:>=2026-03-02T11:00:00Z"; asked[len(asked)-1] != want {
		t.Errorf("asked %q, want %q", asked[len(asked)-1], want)
	}
}

// A commit that is gone has no checks; that says nothing of the others.
func TestChecksOfGoneCommit(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusUnprocessableEntity} {
		l := newPartsLab(t, nil)
		cur, err := readCursor(l.must(nil).Resume())
		if err != nil {
			t.Fatal(err)
		}
		cur.Repos["acme/tools"].Checks.Wanted = map[string]time.Time{sha5: now}
		l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
			if strings.Contains(line, sha5) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprint(w, `{"message": "No commit found for SHA"}`)
			}
			return strings.Contains(line, sha5)
		})
		rec := l.must(cur.bytes())
		o := rec.Commits[len(rec.Commits)-1].Observation
		for _, s := range o.Seen {
			if slices.Contains(s.Kinds, evidence.PipelineCheck) && s.Class != evidence.Instants {
				t.Errorf("%d: checks claimed %s: %s", status, s.Class, s.Cause)
			}
		}
		cur, err = readCursor(rec.Resume())
		if err != nil || o.Incomplete != "" || len(cur.Repos["acme/tools"].Checks.Wanted) != 0 {
			t.Errorf("%d: %v, incomplete %q, position %s", status, err, o.Incomplete, rec.Resume())
		}
	}
}

// Whom the bytes of a record name is one of its people, or is not kept: erasing
// a person must reach the bytes.
func TestRawNamesPeople(t *testing.T) {
	l := newPartsLab(t, nil)
	rec := l.must(nil)
	for _, d := range rec.Drafts {
		for _, p := range []struct{ word, id string }{
			{"mira@planted.example", "mira@planted.example"}, {"tlind-q7", "6003"},
		} {
			if strings.Contains(string(d.Raw), p.word) && !slices.ContainsFunc(d.People, func(q evidence.Person) bool { return q.NativeID == p.id }) {
				t.Errorf("%s %s names %q and not %s", d.Kind, d.Key, p.word, p.id)
			}
		}
		if strings.Contains(string(d.Raw)+string(d.Content), "planted-payload") {
			t.Errorf("%s %s holds the payload of a deployment", d.Kind, d.Key)
		}
		if strings.Contains(d.Key, "/key-") && (strings.Contains(strings.ToLower(string(d.Raw)), "mira") || len(d.Removed) != 3) {
			t.Errorf("%s: %s without %q", d.Key, d.Raw, d.Removed)
		}
	}
}

// A credential of who is no member is sent to the public members: they are not
// the owners, and not all members.
func TestPublicMembers(t *testing.T) {
	l := newPartsLab(t, nil)
	l.SetFault(func(_ int, line string, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(line, "/public_members"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `[{"login": "tlind-q7", "id": 6003, "type": "User"}]`)
		case strings.Contains(line, "/orgs/acme/members"):
			http.Redirect(w, r, "/api/v3/orgs/acme/public_members", http.StatusFound)
		default:
			return false
		}
		return true
	})
	rec := l.must(nil)
	for _, d := range rec.Of(evidence.AccessMember) {
		if strings.HasSuffix(d.Subject.Name, "user-6003") {
			t.Errorf("a public member is told as %s", d.Content)
		}
	}
	for _, c := range rec.Completed {
		if c.Kind == evidence.AccessMember && c.Scope.Name == "acme" {
			t.Error("a list of public members ends states")
		}
	}
}

// Pushes without the evaluation of rules are not all that there was.
func TestHiddenSuites(t *testing.T) {
	l := newPartsLab(t, nil)
	first := l.must(nil)
	l.clock = l.clock.Add(5 * time.Minute)
	l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
		if strings.Contains(line, "/rule-suites") {
			w.WriteHeader(http.StatusNotFound)
		}
		return strings.Contains(line, "/rule-suites")
	})
	rec := l.must(first.Resume())
	for _, s := range rec.Commits[len(rec.Commits)-1].Observation.Seen {
		if slices.Contains(s.Kinds, evidence.AccessAudit) && s.Scope.Name != "acme" && (s.Class != evidence.Reconstructed || s.Cause == "") {
			t.Errorf("claims %s: %q", s.Class, s.Cause)
		}
	}
}

// What a plan or a credential hides is a blind window with its cause, never
// silence.
func TestHiddenParts(t *testing.T) {
	for _, tc := range []struct {
		path, cause string
		kind        evidence.Kind
	}{
		{"/actions/runs?", "workflow runs are not visible", evidence.PipelineRun},
		{"/check-runs", "checks are not visible", evidence.PipelineCheck},
		{"/deployments?", "deployments are not visible", evidence.DeployRelease},
		{"/activity", "who pushed is not visible", evidence.AccessAudit},
		{"/collaborators", "who has access is not visible in full", evidence.AccessMember},
		{"/installations", "members, outside collaborators and apps are not visible in full", evidence.AccessMember},
		{"/audit-log", "the organisation's audit log is not available on this plan", evidence.AccessAudit},
	} {
		l := newPartsLab(t, nil)
		l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
			if !strings.Contains(line, tc.path) {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message": "Resource not accessible by integration"}`)
			return true
		})
		rec := l.must(nil)
		told := false
		for _, s := range rec.Commits[len(rec.Commits)-1].Observation.Seen {
			told = told || s.Class == evidence.Blind && slices.Contains(s.Kinds, tc.kind) && strings.HasPrefix(s.Cause, tc.cause)
		}
		if !told {
			t.Errorf("%s: not told: %+v", tc.path, rec.Commits[len(rec.Commits)-1].Observation.Seen)
		}
		if tc.kind == evidence.AccessMember && len(rec.Completed) > 1 {
			t.Errorf("%s: a list that is not whole ends states: %v", tc.path, rec.Completed)
		}
	}
}

// What holds of an organisation is not claimed of its repositories, nor the
// other way round.
func TestOrganisationByItself(t *testing.T) {
	for _, hidden := range []string{"/activity", "/audit-log"} {
		l := newPartsLab(t, nil)
		l.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
			if strings.Contains(line, hidden) {
				w.WriteHeader(http.StatusForbidden)
			}
			return strings.Contains(line, hidden)
		})
		rec := l.must(nil)
		var got []string
		for _, s := range rec.Commits[len(rec.Commits)-1].Observation.Seen {
			if slices.Contains(s.Kinds, evidence.AccessAudit) {
				got = append(got, fmt.Sprintf("%s %s", s.Scope, s.Class))
			}
		}
		slices.Sort(got)
		want := []string{" blind", "project:acme/acme reconstructed"}
		if hidden == "/audit-log" {
			want = []string{" reconstructed", "project:acme/acme blind"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("without %s: claims %q, want %q", hidden, got, want)
		}
	}
}

// More runs than a filtered list gives are read in shorter stretches.
func TestManyRuns(t *testing.T) {
	l := newPartsLab(t, func(c *Config) {
		c.Skip = []string{partChecks, partDeployments, partPushes, partMembers, partAudit}
		c.History = 40 * 24 * time.Hour
	})
	const all = 2400
	at := func(i int) time.Time { return now.Add(-time.Duration(i) * 20 * time.Minute).Add(-time.Minute) }
	l.SetFault(func(_ int, line string, w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(line, "/jobs") {
			fmt.Fprint(w, `{"total_count": 0, "jobs": []}`)
			return true
		}
		if !strings.Contains(line, "/actions/runs?") {
			return false
		}
		from, to := time.Time{}, now.Add(time.Hour)
		if c := r.URL.Query().Get("created"); c != "" {
			a, b, _ := strings.Cut(c, "..")
			from, _ = time.Parse(time.RFC3339, a)
			to, _ = time.Parse(time.RFC3339, b)
		}
		var some []string
		total := 0
		page := 1
		fmt.Sscanf(r.URL.Query().Get("page"), "%d", &page)
		for i := range all {
			if c := at(i); !c.Before(from) && !c.After(to) {
				if total >= (page-1)*100 && total < page*100 && total < 1000 {
					some = append(some, fmt.Sprintf(`{"id": %d, "run_attempt": 1, "head_sha": "e5353879bd69bfddcb465dad176ff52db8319d6f", "status": "completed", "conclusion": "success", "created_at": %q, "updated_at": %q}`,
						i+1, c.Format(time.RFC3339), c.Format(time.RFC3339)))
				}
				total++
			}
		}
		if page*100 < min(total, 1000) {
			u := *r.URL
			q := u.Query()
			q.Set("page", fmt.Sprint(page+1))
			u.RawQuery = q.Encode()
			w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, l.URL, u.String()))
		}
		fmt.Fprintf(w, `{"total_count": %d, "workflow_runs": [%s]}`, total, strings.Join(some, ","))
		return true
	})
	rec := l.must(nil)
	keys := map[string]bool{}
	for _, d := range rec.Of(evidence.PipelineRun) {
		keys[d.Key] = true
	}
	if len(keys) != all {
		t.Errorf("%d of %d runs", len(keys), all)
	}
	for _, c := range rec.Commits {
		for _, n := range c.Observation.Counts {
			if n.Source != n.Ours {
				t.Errorf("%+v", n)
			}
		}
	}
}

func FuzzParts(f *testing.F) {
	b, err := os.ReadFile("testdata/parts.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range strings.Split(string(b), "\n-- ") {
		if _, body, ok := strings.Cut(s, "\n"); ok {
			f.Add([]byte(strings.TrimSpace(body)))
		}
	}
	c, err := newWith(partsConfig("https://api.example", "none"), collectors.Env{Source: "github/acme", Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}, fetch.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := &collectortest.Recorder{}
		l := &look{Collector: c, ctx: t.Context(), sink: rec, cur: &cursor{V: cursorVersion, Repos: map[string]*repoState{}}, started: now}
		r := &repoLook{look: l, name: "acme/tools", id: 1, path: "repos/acme/tools", st: &repoState{}, fallback: "main", done: map[string]bool{}}
		r.memory.Keep("e5353879bd69bfddcb465dad176ff52db8319d6f", forge.Read{Changed: forge.Changed{Whole: true}, Gone: true})
		c.cfg.History = time.Nanosecond // what is old asks for no commit
		p := &page{body: body}
		for _, take := range []func(*page, json.RawMessage) (evidence.Draft, error){r.activity, r.suite, r.collaborator, r.team, r.deployKey,
			func(p *page, raw json.RawMessage) (evidence.Draft, error) {
				return l.auditDraft(p, raw, "acme", &orgState{})
			}} {
			if d, err := take(p, body); err == nil {
				d.Source = "github/acme"
				if err := d.Check(); err != nil {
					t.Errorf("%v of %q", err, body)
				}
			}
		}
		if _, list, err := (&repoLook{look: &look{}, st: &repoState{}}).runList(p); err == nil {
			for _, it := range list {
				if it.GetID() <= 0 || it.created.IsZero() {
					t.Errorf("%+v", it)
				}
			}
		}
	})
}

func BenchmarkRunList(b *testing.B) {
	body, err := os.ReadFile("testdata/parts.txtar")
	if err != nil {
		b.Fatal(err)
	}
	_, s, _ := strings.Cut(string(body), "/actions/runs?per_page=100 --\n")
	s, _, _ = strings.Cut(s, "\n-- ")
	p := &page{body: []byte(s)}
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		if _, list, err := (&repoLook{look: &look{}, st: &repoState{}}).runList(p); err != nil || len(list) != 3 {
			b.Fatal(err)
		}
	}
}

// TestOpenRun asks for a run that was not over by itself once the list is read
// no further back than to newer ones.
func TestOpenRun(t *testing.T) {
	l := newPartsLab(t, nil)
	const runs = "GET /api/v3/repos/acme/tools/actions/runs"
	run := func(id int, created, status string) string {
		return fmt.Sprintf(`{"id":%d,"run_attempt":1,"event":"push","status":%q,"conclusion":"success","head_sha":%q,"created_at":%q,"updated_at":%q}`, id, status, sha5, created, created)
	}
	l.Replace("GET /api/v3/repos/acme/tools/commits/"+sha5+"?per_page=100", "status: 404\n\n{}")
	l.Replace(runs+"?per_page=100", `{"total_count":1,"workflow_runs":[`+run(8, "2026-03-03T10:00:00Z", "in_progress")+`]}`)
	rec := l.must(nil)
	l.clock = l.clock.Add(5 * time.Minute)
	l.Replace(runs+"?per_page=100", `{"total_count":2,"workflow_runs":[`+run(9, "2026-03-03T12:01:00Z", "in_progress")+`,`+run(8, "2026-03-03T10:00:00Z", "in_progress")+`]}`)
	rec = l.must(rec.Resume())
	l.clock = l.clock.Add(5 * time.Minute)
	l.Replace(runs+"/8", run(8, "2026-03-03T10:00:00Z", "completed"))
	l.Replace(runs+"/8/attempts/1/jobs?per_page=100", `{"total_count":0,"jobs":[]}`)
	l.Requests()
	rec = l.must(rec.Resume())
	got := map[string]string{}
	for _, d := range rec.Of(evidence.PipelineRun) {
		f := factsOf[evidence.PipelineFacts](t, d)
		got[f.ID] += f.Status
	}
	if len(got) != 2 || got["8"] != "success" || got["9"] != "running" {
		t.Errorf("runs %v", got)
	}
	asked := 0
	for _, line := range l.Requests() {
		if line == runs+"/8" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("the older run is asked for %d times", asked)
	}
}
