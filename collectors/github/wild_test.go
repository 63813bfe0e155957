package github

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// The tests of this file hold what real servers answer beside what their
// description says.

// wild is a stand-in that answers some paths below its one repository, or below
// the API, in another way. A body may begin with "STATUS ".
func wild(answers map[string]string) large {
	return large{at: yesterday, instead: func(p string, w http.ResponseWriter, r *http.Request) bool {
		body, ok := answers[strings.TrimPrefix(p, "repos/acme/r0/")]
		if !ok {
			return false
		}
		var status int
		if n, _ := fmt.Sscanf(body, "%3d ", &status); n == 1 {
			w.WriteHeader(status)
			body = body[4:]
		}
		fmt.Fprint(w, body)
		return true
	}}
}

func whole(t *testing.T, rec *collectortest.Recorder) {
	t.Helper()
	if o := last(rec); o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
	for _, d := range rec.Drafts {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", d.Key, err)
		}
	}
}

func noted(rec *collectortest.Recorder, words string) bool {
	return slices.ContainsFunc(last(rec).Notes, func(n string) bool { return strings.Contains(n, words) })
}

// TestAnotherBranchAnswers: who asks for a branch that was renamed, and often for
// one that is gone, is sent on to the default branch.
func TestAnotherBranchAnswers(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	gone := false
	f := large{at: yesterday, instead: func(p string, w http.ResponseWriter, r *http.Request) bool {
		switch p {
		case "repos/acme/r0/compare/" + sha + "..." + sha:
			fmt.Fprint(w, `{"status":"identical","total_commits":0,"commits":[]}`)
		case "repos/acme/r0/branches/release":
			if gone {
				http.Redirect(w, r, "/api/v3/repositories/1000/branches/main", http.StatusMovedPermanently)
				return true
			}
			fmt.Fprintf(w, `{"name":"release","protected":true,"commit":{"sha":%q}}`, sha)
		case "repos/acme/r0/branches/release/protection":
			fmt.Fprint(w, `{"enforce_admins":{"enabled":true}}`)
		case "repos/acme/r0/rules/branches/release":
			fmt.Fprint(w, `[]`)
		case "repositories/1000/branches/main":
			fmt.Fprintf(w, `{"name":"main","protected":true,"commit":{"sha":%q}}`, sha)
		case "repos/acme/r0/branches":
			fmt.Fprintf(w, `[{"name":"main","commit":{"sha":%q}}]`, sha)
		default:
			return false
		}
		return true
	}}
	c := standIn(t, f, 1, &clock, func(cfg *Config) { cfg.Branches = []string{"main", "release"} })
	first := lookAt(t, c, clock, nil)
	clock, gone = clock.Add(time.Hour), true
	rec := lookAt(t, c, clock, first.Resume())
	whole(t, rec)
	for _, d := range rec.Of(evidence.ChangeRef) {
		if f := factsOf[evidence.RefFacts](t, d); f.Ref == "refs/heads/release" && d.Op != evidence.OpEnd {
			t.Errorf("a branch that is gone stands at %s", f.SHA)
		}
	}
	if !slices.ContainsFunc(rec.Of(evidence.ChangeRef), func(d evidence.Draft) bool {
		return d.Op == evidence.OpEnd && factsOf[evidence.RefFacts](t, d).Ref == "refs/heads/release"
	}) || !noted(rec, "answered for by another one") {
		t.Errorf("the branch did not end; notes %q", last(rec).Notes)
	}
	for _, d := range rec.Of(evidence.ChangeProtection) {
		if f := factsOf[evidence.ProtectionFacts](t, d); f.Branch == "release" && d.Op != evidence.OpEnd {
			t.Errorf("a branch that is gone has the guard %+v", f)
		}
	}
}

// TestPlanWithoutGuards: on plans without branch protection for private
// repositories GitHub refuses the question, and nothing is in force.
func TestPlanWithoutGuards(t *testing.T) {
	clock := now
	upgrade := `403 {"message":"Upgrade to GitHub Pro or make this repository public to enable this feature.","status":"403"}`
	for name, tc := range map[string]struct {
		classic, rules string
		want           evidence.ProtectionFacts
		note           string
	}{
		"neither":     {upgrade, upgrade, evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true}, "the plan has no branch protection"},
		"not allowed": {`403 {"message":"Resource not accessible by integration"}`, `403 {"message":"Resource not accessible by integration"}`, evidence.ProtectionFacts{Classic: "not-visible", Protected: true}, "not visible to this credential"},
	} {
		rec := lookAt(t, standIn(t, wild(map[string]string{"branches/main/protection": tc.classic, "rules/branches/main": tc.rules}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		got := factsOf[evidence.ProtectionFacts](t, rec.Of(evidence.ChangeProtection)[0])
		if got.Classic != tc.want.Classic || got.RulesetsSeen != tc.want.RulesetsSeen || got.Protected != tc.want.Protected || !noted(rec, tc.note) {
			t.Errorf("%s: %+v, notes %q", name, got, last(rec).Notes)
		}
	}
}

// TestCoAuthors: whom a trailer calls a co-author made the change too, and all whom
// trailers name can be erased from the text.
func TestCoAuthors(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	commit := strings.Replace(commitJSON(sha, sha5, yesterday), `"message":"m"`, `"message":"m\n\nCo-authored-by: Mira <mira@example.org>\nReviewed-by: Jonas <jonas@example.org>"`, 1)
	rec := lookAt(t, standIn(t, wild(map[string]string{"pulls/1/commits": "[" + commit + "]", "commits": "[" + commit + "]"}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	d := rec.Of(evidence.ChangeMerge)[0]
	var makers []string
	for _, i := range factsOf[evidence.MergeFacts](t, d).CommitAuthors {
		makers = append(makers, d.People[i].NativeID)
	}
	if !slices.Equal(makers, []string{"a@b.example", "mira@example.org"}) {
		t.Errorf("made by %v", makers)
	}
	for _, d := range []evidence.Draft{d, rec.Of(evidence.ChangeCommit)[0]} {
		for _, id := range []string{"mira@example.org", "jonas@example.org"} {
			if !slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == id && p.Proof == evidence.ProofClaimed }) {
				t.Errorf("%s is not among the people of %s", id, d.Key)
			}
		}
	}
}

// TestWhomBytesName: the bytes of a request name people beside those who wrote,
// reviewed and merged it. They are among its people, or not in its bytes.
func TestWhomBytesName(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	user := func(id int, login, kind string) string {
		return fmt.Sprintf(`{"login":%q,"id":%d,"type":%q}`, login, id, kind)
	}
	for _, reviewers := range []int{1, 100} {
		var asked []string
		for i := range reviewers {
			asked = append(asked, user(500+i, fmt.Sprintf("asked-%d", i), "User"))
		}
		rec := lookAt(t, standIn(t, wild(map[string]string{"pulls/1": fmt.Sprintf(`{"number":1,"state":"open","updated_at":%q,"head":{"sha":%q,"user":%s,"repo":{"owner":%s}},"base":{"ref":"main","user":%s},
			"user":%s,"assignee":%s,"assignees":[%[7]s],"requested_reviewers":[%s],"milestone":{"creator":%s},"auto_merge":{"enabled_by":%s},"changed_files":1}`,
			yesterday, sha, user(11, "fork-owner", "User"), user(11, "fork-owner", "User"), user(12, "acme", "Organization"),
			user(2, "a", "User"), user(13, "assigned", "User"), strings.Join(asked, ","), user(14, "planner", "User"), user(2, "a", "User"))}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		d := rec.Of(evidence.ChangeMerge)[0]
		for _, who := range []struct{ login, id string }{{"fork-owner", "11"}, {"assigned", "13"}, {"planner", "14"}, {"asked-0", "500"}, {"asked-99", "599"}} {
			if strings.Contains(string(d.Raw), who.login) && !slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == who.id }) {
				t.Errorf("%d asked: the bytes name %s, the people do not", reviewers, who.login)
			}
		}
		if slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == "12" }) || (reviewers == 1) != (len(d.Removed) == 0) {
			t.Errorf("%d asked: people %v, removed %v", reviewers, d.People, d.Removed)
		}
	}
}

// TestClassicBypass: classic protection too may name who merges without a
// request being approved, and a ruleset of an enterprise cannot be read.
func TestClassicBypass(t *testing.T) {
	clock := now
	mira := `{"login":"mira","id":31,"type":"User"}`
	rec := lookAt(t, standIn(t, wild(map[string]string{
		"branches/main/protection": `{"required_pull_request_reviews":{"required_approving_review_count":1,"dismissal_restrictions":{"users":[` + mira + `],"teams":[]},
			"bypass_pull_request_allowances":{"users":[` + mira + `],"teams":[{"id":4,"slug":"ops"}],"apps":[]}},
			"restrictions":{"users":[{"login":"jonas","id":32}],"teams":[],"apps":[]},"enforce_admins":{"enabled":true}}`,
		"rules/branches/main": `[{"type":"non_fast_forward","ruleset_id":70,"ruleset_source_type":"Enterprise","ruleset_source":"acme-all"}]`,
		"rulesets/70":         `404 {"message":"Not Found"}`,
	}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	d := rec.Of(evidence.ChangeProtection)[0]
	f := factsOf[evidence.ProtectionFacts](t, d)
	want := []evidence.RulesetFacts{
		{Name: "classic protection", Source: "classic", Enforcement: "active", Rules: []string{"pull_request"}, Bypass: "some", BypassCount: 2,
			Bypassers: []evidence.Bypasser{{Kind: "team", ID: 4, Person: -1, Mode: "always"}, {Kind: "user", Person: 0, Mode: "always"}}},
		{ID: 70, Source: "enterprise", Enforcement: "active", Rules: []string{"non_fast_forward"}, Bypass: "not-visible"},
	}
	if diff := cmp.Diff(want, f.Rulesets); diff != "" {
		t.Errorf("rulesets (-want +got):\n%s", diff)
	}
	var people []string
	for _, p := range d.People {
		people = append(people, p.NativeID)
	}
	if len(people) == 0 || people[0] != "31" {
		t.Errorf("who may pass by is not the first of %v", people)
	}
	if slices.Sort(people); !slices.Equal(people, []string{"31", "32"}) {
		t.Errorf("people %v", d.People)
	}
}

// TestRunOfAFork: a run lists requests by its head, those to other repositories
// too.
func TestRunOfAFork(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	for requests, want := range map[string]int{
		`[{"number":88,"base":{"ref":"main","repo":{"id":55}}},{"number":12,"base":{"ref":"main","repo":{"id":1000}}}]`: 12,
		`[{"number":88,"base":{"ref":"main","repo":{"id":55}}}]`:                                                        0,
		`[{"number":12}]`: 12,
		`null`:            0,
	} {
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"actions/runs": fmt.Sprintf(`{"total_count":1,"workflow_runs":[{"id":3,"run_attempt":1,"event":"pull_request","status":"in_progress","head_sha":%q,"created_at":%q,"head_commit":null,"head_repository":null,"pull_requests":%s}]}`, sha, yesterday, requests),
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		if got := factsOf[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0]).Change; got != want {
			t.Errorf("%s: request %d, want %d", requests, got, want)
		}
	}
}

// TestDismissedUnseen: who may read reviews and not the events of issues learns
// that a review was dismissed, and not by whom.
func TestDismissedUnseen(t *testing.T) {
	clock := now
	for _, refused := range []string{`403 {"message":"Resource not accessible by integration"}`, `410 {"message":"Issues are disabled for this repo"}`} {
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"pulls/1/reviews": fmt.Sprintf(`[{"id":5,"user":{"id":2,"login":"a"},"state":"DISMISSED","submitted_at":%q}]`, yesterday),
			"issues/1/events": refused,
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		rs := rec.Of(evidence.ChangeReview)
		if len(rs) != 1 || factsOf[evidence.ReviewFacts](t, rs[0]).State != "dismissed" || rs[0].Basis != evidence.BasisObserved || !noted(rec, "who dismissed") {
			t.Errorf("%d reviews, notes %q", len(rs), last(rec).Notes)
		}
	}
}

// TestTooMuchChanged: a commit or request that GitHub cannot tell file by file
// does not keep the rest from being read, and reaches every owner of a path.
func TestTooMuchChanged(t *testing.T) {
	for _, status := range []string{"422 ", "500 "} {
		tooMuchChanged(t, status+`{"message":"Server Error: Sorry, this diff is taking too long to generate.","errors":[{"resource":"PullRequest","field":"diff","code":"not_available"}]}`)
	}
}

func tooMuchChanged(t *testing.T, sorry string) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	rec := lookAt(t, standIn(t, wild(map[string]string{
		"commits/" + sha: strings.ReplaceAll(sorry, "PullRequest", "Commit"), "pulls/1/files": sorry,
	}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge} {
		ds := rec.Of(k)
		if len(ds) != 1 || !slices.ContainsFunc(ds[0].Scope, func(r evidence.Ref) bool { return r.Scheme == "path" && strings.HasSuffix(r.Name, "*") }) {
			t.Errorf("%s: %d drafts, scope %v", k, len(ds), ds[0].Scope)
		}
	}
	if !noted(rec, "too much changed") {
		t.Errorf("notes %q", last(rec).Notes)
	}
}

// TestAnotherHistory puts a branch of another history in the place of the old
// one: the old head is there, and there is nothing to compare it with.
func TestAnotherHistory(t *testing.T) {
	for name, old := range map[string]string{
		"old head there": `[` + commitJSON(c4, sha7, "2026-03-01T12:30:00Z") + `,` + commitJSON(sha7, sha5, "2026-03-01T12:30:00Z") + `]`,
		"old head gone":  "status: 422\n\n{}",
	} {
		l := newLab(t, only)
		first := l.must(nil)
		l.clock = now.Add(time.Hour)
		l.Replace(api+"/branches/main", branchJSON(sha6))
		l.Replace(api+"/compare/"+c4+"..."+sha6+"?per_page=100", "status: 404\n\n"+`{"message":"No common ancestor between `+c4+` and `+sha6+`."}`)
		l.Replace(api+"/commits/"+sha6, commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
		l.Replace(api+"/commits?sha="+c4+"&per_page=100", old)
		l.Replace(api+"/commits?sha="+sha6+"&per_page=100", `[`+commitJSON(sha6, sha5, "2026-03-03T12:30:00Z")+`]`)
		l.Replace(api+"/commits/"+sha6+"?per_page=100", commitJSON(sha6, sha5, "2026-03-03T12:30:00Z"))
		rec := l.must(first.Resume())
		want, lost := evidence.Reconstructed, 2
		if name == "old head gone" {
			want, lost = evidence.Blind, 0
		}
		if got := seenOf(last(rec), evidence.ChangeCommit); len(got) != 1 || got[0].Class != want {
			t.Errorf("%s: claims %+v", name, got)
		}
		rs := rec.Of(evidence.ChangeRewrite)
		if len(rs) != 1 || len(factsOf[evidence.RewriteFacts](t, rs[0]).Lost) != lost || !slices.Equal(shas(rec), []string{sha6}) {
			t.Errorf("%s: %d rewrites, commits %v", name, len(rs), shas(rec))
		}
	}
}

// TestOwnerIsAPerson: what only organisations have is not missing from a person.
func TestOwnerIsAPerson(t *testing.T) {
	clock := now
	f := wild(map[string]string{"orgs/acme/members": "404 {}", "orgs/acme/audit-log": "404 {}"})
	base := f.instead
	f.instead = func(p string, w http.ResponseWriter, r *http.Request) bool {
		if p == "repos/acme/r0" {
			fmt.Fprint(w, `{"id":1000,"full_name":"acme/r0","default_branch":"main","owner":{"login":"acme","type":"User"}}`)
			return true
		}
		return base(p, w, r)
	}
	rec := lookAt(t, standIn(t, f, 1, &clock, nil), clock, nil)
	whole(t, rec)
	for _, s := range last(rec).Seen {
		if s.Class == evidence.Blind {
			t.Errorf("blind: %+v", s)
		}
	}
}

// TestUndatedCommit: the first walk leaves out what is known to be old. A commit
// whose date is missing, or cannot be written, is not known to be.
func TestUndatedCommit(t *testing.T) {
	clock := now
	undated := strings.ReplaceAll(commitJSON(sha6, sha7, yesterday), fmt.Sprintf(`,"date":%q`, yesterday), "")
	list := fmt.Sprintf("[%s,%s,%s]", undated, commitJSON(sha7, sha5, yesterday), commitJSON(sha5, sha5, "1970-01-01T00:00:00Z"))
	rec := lookAt(t, standIn(t, wild(map[string]string{"branches/main": branchJSON(sha6), "commits": list, "commits/" + sha6: undated, "commits/" + sha7: commitJSON(sha7, sha5, yesterday)}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	got := map[string]evidence.Draft{}
	for _, d := range rec.Of(evidence.ChangeCommit) {
		got[d.Subject.Name] = d
	}
	if len(got) != 2 || got[sha6].Basis != evidence.BasisObserved || got[sha7].Basis != evidence.BasisClaimed {
		t.Errorf("%d commits, the one without a date is %q, the other one %q", len(got), got[sha6].Basis, got[sha7].Basis)
	}
}

// TestRunsUnfiltered: an older Enterprise Server does not know the filter by time.
// Whatever stretch is asked for, it answers with all runs, of which there are more
// than a filtered list may have.
func TestRunsUnfiltered(t *testing.T) {
	clock, sha := now, fmt.Sprintf("%040x", 1)
	asked := 0
	f := large{at: yesterday, instead: func(p string, w http.ResponseWriter, r *http.Request) bool {
		if p != "repos/acme/r0/actions/runs" {
			return false
		}
		asked++
		first := 1
		if r.URL.Query().Get("page") == "2" {
			first = 3
		} else {
			w.Header().Set("Link", `<http://`+r.Host+r.URL.Path+`?per_page=100&page=2>; rel="next"`)
		}
		var runs []string
		for id := first; id < first+2; id++ {
			runs = append(runs, fmt.Sprintf(`{"id":%d,"run_attempt":1,"event":"push","status":"in_progress","head_sha":%q,"created_at":%q}`,
				id, sha, now.Add(-time.Duration(id)*24*time.Hour).Format(time.RFC3339)))
		}
		fmt.Fprintf(w, `{"total_count":4000,"workflow_runs":[%s]}`, strings.Join(runs, ","))
		return true
	}}
	rec := lookAt(t, standIn(t, f, 1, &clock, nil), clock, nil)
	whole(t, rec)
	var got []string
	for _, d := range rec.Of(evidence.PipelineRun) {
		got = append(got, factsOf[evidence.PipelineFacts](t, d).ID)
	}
	if !slices.Equal(got, []string{"1", "2", "3", "4"}) || asked > 5 || !noted(rec, "does not list workflow runs by time") {
		t.Errorf("runs %v with %d requests; notes %q", got, asked, last(rec).Notes)
	}
}

// TestNamesOfRuns: what names a run may be made of who started it, and where its
// workflow stands may name a branch.
func TestNamesOfRuns(t *testing.T) {
	clock, sha := now, fmt.Sprintf("%040x", 1)
	for _, tt := range []struct{ name, title, path, wantName, wantPath string }{
		{"build", "Mend the door", ".github/workflows/build.yml", "build", ".github/workflows/build.yml"},
		{"mira-k", "Mend the door", ".github/workflows/mira-k.yml", "mira-k", ".github/workflows/mira-k.yml"}, // the workflow's own name
		{"nightly", "nightly", ".github/workflows/nightly.yaml@main", "nightly", ".github/workflows/nightly.yaml@main"},
		{"Roll-out by Mira-K, for Mira Kost <mira@example.org>", "Roll-out by Mira-K, for Mira Kost <mira@example.org>", ".github/workflows/x.yml@" + sha,
			"Roll-out by {login}, for {name} <{mail}>", ".github/workflows/x.yml@" + sha},
		{"mira-kostner", "mira-kostner", ".github/workflows/x.yml@refs/heads/mira-k/door", "mira-kostner", ".github/workflows/x.yml@other-"},
	} {
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"actions/runs": fmt.Sprintf(`{"total_count":1,"workflow_runs":[{"id":3,"run_attempt":1,"event":"push","status":"in_progress","name":%q,"display_title":%q,"path":%q,"head_sha":%q,"created_at":%q,
				"actor":{"id":31,"login":"mira-k","type":"User"},"head_commit":{"id":%[4]q,"author":{"name":"Mira Kost","email":"mira@example.org"}}}]}`, tt.name, tt.title, tt.path, sha, yesterday),
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		d := rec.Of(evidence.PipelineRun)[0]
		f := factsOf[evidence.PipelineFacts](t, d)
		path, hashed := strings.CutSuffix(tt.wantPath, "other-")
		if f.Name != tt.wantName || f.Path != tt.wantPath && !(hashed && strings.HasPrefix(f.Path, path+"other-")) || !strings.Contains(string(d.Text), tt.title) {
			t.Errorf("%s: name %q, path %q, text %q", tt.title, f.Name, f.Path, d.Text)
		}
	}
}

// TestWhoseApps: the bytes of checks, deployments and guards name who owns an app,
// which may be a person. An enterprise that owns one is no account.
func TestWhoseApps(t *testing.T) {
	clock, sha := now, fmt.Sprintf("%040x", 1)
	for owner, person := range map[string]bool{
		`{"id":41,"login":"gil","type":"User"}`:          true,
		`{"id":41,"login":"acme","type":"Organization"}`: false,
		`{"id":41,"slug":"acme-group","name":"Acme"}`:    false,
	} {
		app := `{"id":9,"slug":"inspector","owner":` + owner + `}`
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"commits/" + sha + "/check-runs": `{"total_count":1,"check_runs":[{"id":1,"status":"completed","conclusion":"success","app":` + app + `}]}`,
			"deployments":                    fmt.Sprintf(`[{"id":4,"sha":%q,"environment":"production","created_at":%q,"updated_at":%q,"performed_via_github_app":%s}]`, sha, yesterday, yesterday, app),
			"branches/main/protection":       `{"restrictions":{"users":[],"teams":[],"apps":[` + app + `]}}`,
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		for _, k := range []evidence.Kind{evidence.PipelineCheck, evidence.DeployRelease, evidence.ChangeProtection} {
			d := rec.Of(k)[0]
			got := slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == "41" && p.Role == evidence.RoleSubject })
			if got != person || !strings.Contains(string(d.Raw), `"owner"`) {
				t.Errorf("%s of an app of %s: people %+v", k, owner, d.People)
			}
		}
	}
}

// TestOlderForms: an Enterprise Server may give entries of its audit log no id,
// and the first servers that told of pushes did so in other members.
func TestOlderForms(t *testing.T) {
	clock, sha := now, fmt.Sprintf("%040x", 1)
	at := now.Add(-time.Hour)
	entry := func(order string) string {
		parts := []string{`"action":"repo.create"`, fmt.Sprintf(`"@timestamp":%d`, at.UnixMilli()), `"actor":"mira"`, `"actor_id":31`}
		if order == "backwards" {
			slices.Reverse(parts)
		}
		return `{` + strings.Join(parts, ",") + `}`
	}
	other := strings.Replace(entry(""), `"repo.create"`, `"repo.destroy"`, 1)
	keys := map[string]bool{}
	for _, order := range []string{"forwards", "backwards"} {
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"orgs/acme/audit-log": "[" + entry(order) + "," + other + "]",
			"activity": fmt.Sprintf(`[{"id":6,"before":%q,"after":%q,"ref":"refs/heads/main","pushed_at":%q,"push_type":"force","pusher":{"id":31,"login":"mira","type":"User"}}]`,
				sha5, sha, at.Format(time.RFC3339)),
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		for _, d := range rec.Of(evidence.AccessAudit) {
			f := factsOf[evidence.AuditFacts](t, d)
			if f.Who != 0 || d.People[0].NativeID != "31" || !d.OccurredAt.Equal(at) {
				t.Errorf("%s: who %d of %+v at %s", f.Action, f.Who, d.People, d.OccurredAt)
			}
			keys[f.Action+" "+d.Key] = true
		}
	}
	if len(keys) != 3 || !keys["ref.force_push 1000/activity/6"] {
		t.Errorf("two entries and a push, seen twice, are %v", keys)
	}
}

// TestNewerForms: what an item says of a repository beside what is read has forms
// that are newer than the library.
func TestNewerForms(t *testing.T) {
	clock, sha := now, fmt.Sprintf("%040x", 1)
	repo := `{"id":1000,"custom_properties":{"tenants":["tenant-1","tenant-7"],"tier":null},"license":"none","owner":{"id":12,"login":"acme","type":"Organization"}}`
	rec := lookAt(t, standIn(t, wild(map[string]string{
		"actions/runs": fmt.Sprintf(`{"total_count":1,"workflow_runs":[{"id":3,"run_attempt":1,"event":"push","status":"in_progress","head_sha":%q,"created_at":%q,"repository":%s,"head_repository":%[3]s}]}`, sha, yesterday, repo),
		"pulls":        fmt.Sprintf(`[{"number":1,"updated_at":%q,"labels":{},"base":{"ref":"main","repo":%s}}]`, yesterday, repo),
		"pulls/1":      fmt.Sprintf(`{"number":1,"state":"open","updated_at":%q,"head":{"sha":%q,"repo":%s},"base":{"ref":"main","repo":%[3]s},"changed_files":1}`, yesterday, sha, repo),
	}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	if len(rec.Of(evidence.PipelineRun)) != 1 || len(rec.Of(evidence.ChangeMerge)) != 1 {
		t.Errorf("%d runs, %d requests", len(rec.Of(evidence.PipelineRun)), len(rec.Of(evidence.ChangeMerge)))
	}
	if d := rec.Of(evidence.PipelineRun)[0]; !strings.Contains(string(d.Raw), "tenant-7") {
		t.Errorf("the bytes lost what was not read: %s", d.Raw)
	}
}
