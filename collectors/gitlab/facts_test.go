package gitlab

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// desk is a look at a project without a server.
func desk() *projectLook {
	c := &Collector{authority: "acme", env: collectors.Env{Source: "gitlab/acme", Clock: func() time.Time { return now }}}
	l := &look{Collector: c, started: now, cur: &cursor{}}
	p := project{id: 5, path: "acme/app", fallback: "main"}
	return &projectLook{look: l, project: p, ref: c.project(p.path), st: &projectState{}, watched: []string{"main"}, envs: &environments{seen: true, aboveSeen: true, protected: map[string]*gl.ProtectedEnvironment{}}}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, branch string
		want            bool
	}{
		{"main", "main", true}, {"main", "main2", false}, {"*", "any/thing", true}, {"release/*", "release/1/2", true}, {"release/*", "release", false},
		{"*-stable", "16-stable", true}, {"*-stable", "16-stable-x", false}, {"a*c*e", "abcde", true}, {"a.c", "abc", false}, {"a+*", "a+b", true}, {"x*", "a\nx", false},
	} {
		if got := covers(tt.pattern, tt.branch); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.pattern, tt.branch, got)
		}
	}
}

// TestProtection says what holds when several guards match: the most permissive
// one for pushing, the strictest for approval.
func TestProtection(t *testing.T) {
	level := func(n gl.AccessLevelValue) []*gl.BranchAccessDescription {
		return []*gl.BranchAccessDescription{{AccessLevel: n}}
	}
	yes, no := func() *bool { v := true; return &v }, func() *bool { v := false; return &v }
	tests := []struct {
		name  string
		guard guard
		want  evidence.ProtectionFacts
	}{
		{"nothing is visible", guard{}, evidence.ProtectionFacts{Classic: "not-visible"}},
		{"nothing guards", guard{seen: true, pushSeen: true, rulesAre: true}, evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true, AllowForcePush: yes(), AllowDeletion: yes(), RequiredSignatures: no()}},
		{"nobody pushes", guard{seen: true, branches: []*gl.ProtectedBranch{{ID: 1, Name: "main", PushAccessLevels: level(0)}}},
			evidence.ProtectionFacts{Classic: "yes", Protected: true, AllowForcePush: no(), AllowDeletion: no(), CodeOwners: no(),
				Rulesets: []evidence.RulesetFacts{{ID: 1, Name: "main", Source: "protected-branch", Enforcement: "active", Rules: []string{"push:none"}, Bypass: "none"}}}},
		{"maintainers push", guard{seen: true, branches: []*gl.ProtectedBranch{{ID: 1, Name: "main", PushAccessLevels: level(40)}}},
			evidence.ProtectionFacts{Classic: "yes", Protected: true, AllowForcePush: no(), AllowDeletion: no(), CodeOwners: no(),
				Rulesets: []evidence.RulesetFacts{{ID: 1, Name: "main", Source: "protected-branch", Enforcement: "active", Rules: []string{"push:maintainer"}, Bypass: "some", BypassCount: 1}}}},
		{"the most permissive lets push, the strictest asks owners", guard{seen: true, branches: []*gl.ProtectedBranch{
			{ID: 1, Name: "main", PushAccessLevels: level(0), CodeOwnerApprovalRequired: true}, {ID: 2, Name: "m*", PushAccessLevels: level(30), AllowForcePush: true}, {ID: 3, Name: "other", PushAccessLevels: level(30)}}},
			evidence.ProtectionFacts{Classic: "yes", AllowForcePush: yes(), AllowDeletion: no(), CodeOwners: yes(), Rulesets: []evidence.RulesetFacts{
				{ID: 1, Name: "main", Source: "protected-branch", Enforcement: "active", Rules: []string{"code-owners", "push:none"}, Bypass: "none"},
				{ID: 2, Name: "m*", Source: "protected-branch", Enforcement: "active", Rules: []string{"force-push", "push:developer"}, Bypass: "some", BypassCount: 1}}}},
		{"rules of other branches do not count", guard{rulesAre: true, rules: []*approvalRule{
			{ID: 4, Name: "a", RuleType: "regular", ApprovalsRequired: 1}, {ID: 5, Name: "b", RuleType: "regular", ApprovalsRequired: 9, ProtectedBranches: []ruleBranch{{Name: "release"}}},
			{ID: 6, Name: "c", RuleType: "code_owner", ApprovalsRequired: 2, ProtectedBranches: []ruleBranch{{Name: "ma*"}}}}},
			evidence.ProtectionFacts{Classic: "not-visible", RequiredApprovals: 2, Rulesets: []evidence.RulesetFacts{
				{ID: 4, Name: "a", Source: "approval-rule", Enforcement: "active", Rules: []string{"regular", "approvals:1"}, Bypass: "none"},
				{ID: 6, Name: "c", Source: "approval-rule", Enforcement: "active", Rules: []string{"code_owner", "approvals:2"}, Bypass: "none"}}}},
		{"a bad report's approvals are not everyone's", guard{rulesAre: true, rules: []*approvalRule{
			{ID: 4, Name: "Coverage-Check", RuleType: "report_approver", ReportType: "code_coverage", ApprovalsRequired: 2}, {ID: 5, Name: "a", RuleType: "any_approver", ApprovalsRequired: 1}}},
			evidence.ProtectionFacts{Classic: "not-visible", RequiredApprovals: 1, Rulesets: []evidence.RulesetFacts{
				{ID: 4, Name: "Coverage-Check", Source: "approval-rule", Enforcement: "active", Rules: []string{"report_approver", "approvals:2", "report:code_coverage"}, Bypass: "none"},
				{ID: 5, Name: "a", Source: "approval-rule", Enforcement: "active", Rules: []string{"any_approver", "approvals:1"}, Bypass: "none"}}}},
		{"rules of protected branches on one that is not", guard{seen: true, rulesAre: true, branches: []*gl.ProtectedBranch{{ID: 1, Name: "release", PushAccessLevels: level(0)}}, rules: []*approvalRule{
			{ID: 4, Name: "a", RuleType: "regular", ApprovalsRequired: 2, AppliesToAllProtectedBranches: true, ProtectedBranches: []ruleBranch{{Name: "release"}}}}},
			evidence.ProtectionFacts{Classic: "no", AllowForcePush: yes(), AllowDeletion: yes()}},
		{"rules of all protected branches", guard{rulesAre: true, branches: []*gl.ProtectedBranch{{ID: 1, Name: "main", PushAccessLevels: level(0)}}, rules: []*approvalRule{
			{ID: 4, Name: "a", RuleType: "regular", ApprovalsRequired: 2, AppliesToAllProtectedBranches: true}}},
			evidence.ProtectionFacts{Classic: "yes", Protected: true, AllowForcePush: no(), AllowDeletion: no(), CodeOwners: no(), RequiredApprovals: 2, Rulesets: []evidence.RulesetFacts{
				{ID: 4, Name: "a", Source: "approval-rule", Enforcement: "active", Rules: []string{"regular", "approvals:2"}, Bypass: "none"},
				{ID: 1, Name: "main", Source: "protected-branch", Enforcement: "active", Rules: []string{"push:none"}, Bypass: "none"}}}},
	}
	for _, tt := range tests {
		tt.want.Repo, tt.want.Branch = "acme/app", "main"
		if d := cmp.Diff(&tt.want, tt.guard.facts("acme/app", "main")); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// TestReviews joins the notes' history with who approves now.
func TestReviews(t *testing.T) {
	note := func(id, by int, min int, body string) string {
		return fmt.Sprintf(`{"id":%d,"system":true,"body":%q,"author":{"id":%d},"created_at":"2026-03-02T12:%02d:00Z"}`, id, body, by, min)
	}
	const up, down = "approved this merge request", "unapproved this merge request"
	tests := []struct {
		name  string
		notes []string
		now   string // accounts that approve now
		want  []string
	}{
		{"approved", []string{note(1, 7, 10, up)}, "7", []string{"1 7 approved v1"}},
		{"approved on the second version", []string{note(1, 7, 40, up)}, "7", []string{"1 7 approved v2"}},
		{"approved before any version", []string{note(1, 7, 0, up)}, "7", []string{"1 7 approved "}},
		{"withdrawn", []string{note(1, 7, 10, up), note(2, 7, 20, down)}, "", []string{"1 7 dismissed v1"}},
		{"approved again", []string{note(1, 7, 10, up), note(2, 7, 20, down), note(3, 7, 40, up)}, "7", []string{"1 7 dismissed v1", "3 7 approved v2"}},
		{"taken away by a push", []string{note(1, 7, 10, up)}, "", []string{"1 7 dismissed v1"}},
		{"taken away by a push and given again", []string{note(1, 7, 10, up), note(2, 7, 40, up)}, "7", []string{"1 7 dismissed v1", "2 7 approved v2"}},
		{"one of two", []string{note(1, 7, 10, up), note(2, 8, 11, up)}, "8", []string{"1 7 dismissed v1", "2 8 approved v1"}},
		{"without a note", nil, "7", []string{"user-7 7 approved "}},
		{"changes asked for", []string{note(1, 7, 10, "requested changes")}, "", []string{"1 7 changes-requested v1"}},
		{"withdrawn by another", []string{note(1, 7, 10, up), note(2, 8, 20, down)}, "7", []string{"1 7 approved v1"}},
		{"said, not done", []string{strings.Replace(note(1, 7, 10, up), "true", "false", 1)}, "", nil},
	}
	v1, v2 := sha1, sha2
	for _, tt := range tests {
		q := &request{mr: &gl.MergeRequest{IID: 3}, page: &page{}}
		for i, v := range []string{v1, v2} {
			at := time.Date(2026, 3, 2, 12, 5+30*i, 0, 0, time.UTC)
			q.versions = append(q.versions, &gl.MergeRequestDiffVersion{HeadCommitSHA: v, CreatedAt: &at})
		}
		for _, raw := range tt.notes {
			n, err := readNote(&page{}, json.RawMessage(raw))
			if err != nil {
				t.Fatal(err)
			}
			if n.says() != "" {
				q.notes = append(q.notes, n)
			}
		}
		for _, id := range strings.Fields(tt.now) {
			var u gl.BasicUser
			fmt.Sscan(id, &u.ID)
			q.approved = append(q.approved, approval{User: &u})
		}
		var got []string
		for _, v := range desk().reviews(q) {
			commit := map[string]string{v1: "v1", v2: "v2"}[v.commit]
			got = append(got, fmt.Sprintf("%s %d %s %s", v.id, v.by.ID, v.state, commit))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// TestMerged tells who merged and what landed, in all the ways a request lands.
func TestMerged(t *testing.T) {
	const merged = `"state":"merged","merged_at":"2026-03-02T13:00:00Z","target_branch":"main","sha":"` + sha1 + `"`
	tests := []struct {
		name, body string
		sha        string
		mergers    []string
		state      string
	}{
		{"merge commit", `{"iid":3,` + merged + `,"merge_commit_sha":"` + sha2 + `","merge_user":{"id":7},"merged_by":{"id":7}}`, sha2, []string{"7"}, "merged"},
		{"squashed, fast-forward", `{"iid":3,` + merged + `,"merge_commit_sha":null,"squash_commit_sha":"` + sha3 + `","merge_user":{"id":7}}`, sha3, []string{"7"}, "merged"},
		{"fast-forward", `{"iid":3,` + merged + `,"merged_by":{"id":8}}`, sha1, []string{"8"}, "merged"},
		{"two accounts", `{"iid":3,` + merged + `,"merge_user":{"id":7},"merged_by":{"id":8}}`, sha1, []string{"7", "8"}, "merged"},
		{"a user who is gone", `{"iid":3,` + merged + `,"merge_user":null,"merged_by":null,"author":null}`, sha1, nil, "merged"},
		{"open", `{"iid":3,"state":"opened","sha":"` + sha1 + `","merge_commit_sha":"` + sha2 + `"}`, "", nil, "open"},
		{"locked while it merges", `{"iid":3,"state":"locked","sha":"` + sha1 + `"}`, "", nil, "open"},
		{"a state newer than us", `{"iid":3,"state":"parked","sha":"` + sha1 + `"}`, "", nil, "parked"},
	}
	for _, tt := range tests {
		q := &request{page: &page{body: []byte(tt.body)}}
		if err := q.decode(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		d, _ := desk().mergeDrafts(q)
		f := facts[evidence.MergeFacts](t, d)
		var mergers []string
		for _, p := range d.People {
			if p.Role == evidence.RoleMerger {
				mergers = append(mergers, p.NativeID)
			}
		}
		if f.MergeSHA != tt.sha || f.State != tt.state || !slices.Equal(mergers, tt.mergers) {
			t.Errorf("%s: sha %q state %q mergers %v", tt.name, f.MergeSHA, f.State, mergers)
		}
	}
}

// TestReportLeaks: what a scanner of secrets found must not be kept by us.
func TestReportLeaks(t *testing.T) {
	l := newLab(t, nil)
	rec := l.must(nil)
	n := 0
	for _, d := range rec.Of(evidence.PipelineReport) {
		for _, word := range append([]string{"glpat-planted"}, planted...) {
			if strings.Contains(string(d.Raw)+string(d.Content), word) {
				t.Errorf("report %s holds %q", d.Key, word)
			}
		}
		if !json.Valid(d.Raw) {
			t.Errorf("report %s: raw is no JSON", d.Key)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d reports, want 3", n)
	}
}

// TestRawNamesPeople: whom the bytes of a record name is one of its people, or
// is not kept: erasing a person must reach the bytes.
func TestRawNamesPeople(t *testing.T) {
	user := func(id int) *gl.BasicUser {
		return &gl.BasicUser{ID: id, Username: fmt.Sprint("u", id), Name: fmt.Sprint("Name ", id)}
	}
	body, err := json.Marshal(obj{"iid": 1, "sha": sha1, "author": user(1), "assignee": user(2), "assignees": []any{user(2), user(3)}, "reviewers": []any{user(4)}, "closed_by": user(5), "merge_user": user(6), "merged_by": user(7)})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`"username":"u(\d+)"`)
	for _, authors := range []int{0, 200} {
		q := &request{page: &page{body: body}, files: fileList{whole: true}}
		if err := q.decode(); err != nil {
			t.Fatal(err)
		}
		for i := range authors {
			q.commits = append(q.commits, &gl.Commit{ID: sha1, AuthorEmail: fmt.Sprintf("%d@example.org", i)})
		}
		d, _ := desk().mergeDrafts(q)
		for _, m := range named.FindAllSubmatch(d.Raw, -1) {
			if !slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == string(m[1]) }) {
				t.Errorf("%d authors: the request names account %s, who is none of its people", authors, m[1])
			}
		}
		if len(d.Raw) == 0 || (authors > 0) != (len(d.Removed) > 0) {
			t.Errorf("%d authors: raw %s, removed %q", authors, d.Raw, d.Removed)
		}
	}
	c := &container{look: desk().look, name: "project 5", path: "acme/app", level: "project"}
	m, err := readMember(&page{}, []byte(`{"id":4,"username":"u4","access_level":30,"created_by":{"id":9,"username":"u9"},"newer":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := c.memberDraft(m, false); strings.Contains(string(d.Raw), "u9") || !strings.Contains(string(d.Raw), "newer") {
		t.Errorf("member: %s", d.Raw)
	}
	e, err := readAudit(&page{}, []byte(`{"id":3,"author_id":-1,"entity_id":4,"entity_type":"User","created_at":"2026-03-03T10:00:00Z","details":{"failed_login":"STANDARD","author_name":"Jo","target_details":"Jo"}}`))
	if err != nil {
		t.Fatal(err)
	}
	d := (&auditLook{look: desk().look}).auditDraft(e)
	if f := facts[evidence.AuditFacts](t, d); f.Who < 0 || d.People[f.Who].NativeID != "login:jo" || d.People[f.Who].Proof != evidence.ProofClaimed || f.Outcome != "denied" {
		t.Errorf("failed login: %+v by %+v", f, d.People)
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ in, out, removed string }{
		{`{"a":1.10,"b":[{"x":"<&>"}]}`, `{"a":1.10,"b":[{"x":"<&>"}]}`, ""},
		{`{"v":[{"raw_source_code_extract":"s","n":1.10},{"raw_source_code_extract":"t"}]}`, `{"v":[{"n":1.10},{}]}`, "gitlab-remover/1 /v/-/raw_source_code_extract"},
		{`{"a/b":{"commit":{}}}`, `{"a/b":{}}`, "gitlab-remover/1 /a~1b/commit"},
		{`not json`, ``, "gitlab-remover/1 "},
		{`{} {}`, ``, "gitlab-remover/1 "},
	} {
		out, removed := redact([]byte(tt.in))
		if string(out) != tt.out || strings.Join(removed, " ") != tt.removed {
			t.Errorf("%s: got %s, %q", tt.in, out, removed)
		}
	}
}

func TestImageName(t *testing.T) {
	for in, want := range map[string]string{
		"registry.example/a/b:1": "registry.example/a/b:1", "registry.example/a/b@sha256:" + strings.Repeat("9", 64): "registry.example/a/b",
		"https://user:pass@registry.example/a:1": "registry.example/a:1", "user:pass@registry.example/a:1": "registry.example/a:1", "": "",
	} {
		if got := imageName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestEnvironment keeps names of people out of the names of review apps.
func TestEnvironment(t *testing.T) {
	r := desk()
	r.cfg.Environments = []string{"review/known"}
	r.envs.protected["eu/production"] = &gl.ProtectedEnvironment{}
	for in, want := range map[string]string{"production": "production", "review/known": "review/known", "eu/production": "eu/production"} {
		if got := r.environment(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	got := r.environment("review/hkoenig-x2-limits")
	if !regexp.MustCompile(`^review/other-[0-9a-f]{16}$`).MatchString(got) || got == r.environment("review/pmarek7-limits") {
		t.Errorf("got %q", got)
	}
}

func TestStatus(t *testing.T) {
	for in, want := range map[string]string{
		"created": "waiting", "waiting_for_resource": "waiting", "preparing": "waiting", "pending": "waiting", "manual": "waiting", "scheduled": "waiting", "blocked": "waiting",
		"running": "running", "canceling": "running", "success": "success", "failed": "failure", "canceled": "cancelled", "skipped": "skipped", "new-word": "unknown", "": "unknown",
	} {
		if got := status(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if releaseStatus("skipped") != "inactive" || releaseStatus("success") != "success" {
		t.Error("status of a deployment")
	}
}

// TestLimits makes a request of extreme size: its drafts must keep the limits.
func TestLimits(t *testing.T) {
	q := &request{page: &page{}, mr: &gl.MergeRequest{IID: 1, SHA: sha1, Title: strings.Repeat("é", 300<<10)}, rules: &gl.MergeRequestApprovalState{}}
	for i := 1; i <= 3000; i++ {
		at := now
		q.notes = append(q.notes, note{Note: gl.Note{ID: i, System: true, Body: "approved this merge request", CreatedAt: &at}})
		q.notes[i-1].Author.ID = i
		q.commits = append(q.commits, &gl.Commit{ID: fmt.Sprintf("%040x", i), AuthorEmail: fmt.Sprintf("%d@example.org", i)})
		q.files.files = append(q.files.files, &gl.Diff{NewPath: strings.Repeat(`"\`, 500) + fmt.Sprint(i)})
		q.rules.Rules = append(q.rules.Rules, &gl.MergeRequestApprovalRule{ID: i, Name: strings.Repeat("é", 1000)})
	}
	d, reviews := desk().mergeDrafts(q)
	for _, d := range append(reviews, d) {
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		for _, ref := range append(d.Links, d.Scope...) {
			if len(ref.String()) > evidence.MaxRef {
				t.Fatalf("reference of %d bytes", len(ref.String()))
			}
		}
	}
	if len(d.Text) > evidence.MaxText || len(d.People) != evidence.MaxPeople {
		t.Errorf("text of %d bytes, %d people", len(d.Text), len(d.People))
	}
	big := &run{Pipeline: &gl.Pipeline{ID: 1, SHA: sha1}, page: &page{}}
	for i := 1; i <= 3000; i++ {
		big.jobs = append(big.jobs, &gl.Job{ID: i, Name: strings.Repeat(`"`, 255), Stage: strings.Repeat(`\`, 255)})
	}
	pd := desk().pipelineDraft(big)
	if err := pd.Check(); err != nil {
		t.Error(err)
	}
	if f := facts[evidence.PipelineFacts](t, pd); len(f.Jobs) == 0 || f.JobsCut+len(f.Jobs) != 3000 {
		t.Errorf("%d jobs listed, %d cut", len(f.Jobs), f.JobsCut)
	}
	var rep report
	rep.page = &page{body: []byte(`{}`)}
	for i := range 20000 {
		rep.Found = append(rep.Found, vulnerability{ID: plainText(strings.Repeat("x", 400) + fmt.Sprint(i)), Severity: "low"})
	}
	rd := desk().reportDraft(&run{Pipeline: &gl.Pipeline{ID: 1, SHA: sha1}}, &gl.Job{ID: 1}, "sast", &rep)
	if err := rd.Check(); err != nil {
		t.Error(err)
	}
	if f := facts[evidence.ReportFacts](t, rd); f.Total != 20000 || f.Cut+len(f.Findings) != 20000 || f.BySeverity["Low"] != 20000 {
		t.Errorf("%d findings, %d listed, %d cut", f.Total, len(f.Findings), f.Cut)
	}
}

// TestAccessExample keeps the example of least privilege to reading.
func TestAccessExample(t *testing.T) {
	b, err := os.ReadFile("../../deploy/access/gitlab/group-access-token.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Scopes      []string `json:"scopes"`
		AccessLevel int      `json:"access_level"`
		ExpiresAt   string   `json:"expires_at"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Scopes) == 0 || slices.ContainsFunc(m.Scopes, writes) || m.AccessLevel > 50 || m.ExpiresAt == "" {
		t.Errorf("example %+v", m)
	}
}

// FuzzMerge gives the decoders of requests, notes and commits what a source
// might send: each draft they make must keep the rules of evidence.Draft.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"id":"` + sha1 + `","iid":3,"state":"merged","merged_at":"2026-03-03T12:30:00Z","merge_commit_sha":"x","title":"t","author":null,"merge_user":{"id":-1},"sha":"` + sha2 + `","target_branch":"main","changes_count":"1000+","parent_ids":["` + sha3 + `"],"approved_by":[{"user":{"id":4},"approved_at":"2026-03-03T12:00:00Z"},{"user":null}],"rules":[null,{"id":1,"approved_by":[null]}]}`))
	f.Add([]byte(`{"id":901,"system":true,"body":"approved this merge request","created_at":"2026-03-03T12:30:00Z","author":{"id":7,"name":"A","username":"a"}}`))
	f.Add([]byte(`{"new_path":"a/b","old_path":"c","renamed_file":true,"name":"m*","push_access_levels":[null,{"access_level":30,"user_id":4}],"approvals_required":2,"protected_branches":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &page{body: body}
		r := desk()
		q := &request{page: p, files: fileList{whole: true}}
		q.approve(p) // what is no approval leaves the request without
		if n, err := readNote(p, body); err == nil && n.says() != "" {
			q.notes = append(q.notes, n, n)
		}
		if it, err := readCommit(p, body); err == nil {
			q.commits = append(q.commits, it)
			check(t, body, r.commitDraft("main", &forge.BranchState{}, p, it, body, q.files, commitSignature{}))
		}
		var d gl.Diff
		if decode(p, &d) == nil {
			q.files.files = append(q.files.files, &d)
		}
		decode(p, &q.rules)
		if err := q.decode(); err == nil {
			md, reviews := r.mergeDrafts(q)
			check(t, body, append(reviews, md)...)
		}
		g := &guard{seen: true, pushSeen: true, rulesAre: true}
		var b gl.ProtectedBranch
		var ru approvalRule
		if decode(p, &b) == nil && decode(p, &ru) == nil {
			g.branches, g.raw, g.rules = []*gl.ProtectedBranch{&b}, []json.RawMessage{body}, []*approvalRule{&ru}
			gd := r.protectionDraft("main", g.facts("acme/app", "main"), evidence.Request{})
			gd.Raw, gd.People = g.own(r.Collector, "main")
			check(t, body, gd)
		}
		if rc, err := readCursor(body); err == nil && body != nil {
			if _, err := readCursor(rc.bytes()); err != nil {
				t.Errorf("cursor %s is refused when read again: %v", body, err)
			}
		}
	})
}

// FuzzPipeline does the same for pipelines, jobs, bridges and deployments.
func FuzzPipeline(f *testing.F) {
	f.Add([]byte(`{"id":3,"sha":"` + sha1 + `","status":"success","ref":"refs/merge-requests/7/merge","user":{"id":4,"username":"x"},"created_at":"2026-03-03T12:30:00Z","finished_at":"0001-01-01T00:00:00Z","name":"n","stage":"s","artifacts":[{"file_type":"sast"}],"downstream_pipeline":{"id":9,"project_id":5},"environment":{"name":"review/x"},"deployable":{"pipeline":{"id":8},"commit":{"author_email":"a@b"},"user":{"id":1}},"approvals":[{"user":null,"status":"approved"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, r := &page{body: body}, desk()
		var id struct {
			ID int `json:"id"`
		}
		if decode(p, &id) != nil {
			return
		}
		if q, err := readRun(p, id.ID); err == nil {
			if j, err := readJob(p, body); err == nil {
				q.jobs = append(q.jobs, j, j)
			}
			var b gl.Bridge
			if decode(p, &b) == nil {
				q.bridges = append(q.bridges, &b)
			}
			check(t, body, r.pipelineDraft(q))
		}
		if d, err := readDeployment(p, id.ID); err == nil {
			check(t, body, r.releaseDraft(d))
		}
	})
}

// FuzzReport does the same for security reports.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"scan":{"scanner":{"name":"T","version":"1","vendor":{"name":"V"}},"end_time":"2026-03-02T13:08:30"},"vulnerabilities":[{"id":"a","severity":"Medium","identifiers":[{"type":"cve","value":"CVE-1"}],"location":{"image":"r/a@sha256:` + strings.Repeat("9", 64) + `","file":"x","start_line":3,"dependency":{"package":{"name":"p"},"version":"1"}},"raw_source_code_extract":"s"},{}]}`))
	f.Add([]byte(`{"vulnerabilities":[{"severity":"critical","location":{"image":"http://u:p@h/x:1"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rep, err := readReport(&page{body: body})
		if err != nil {
			return
		}
		d := desk().reportDraft(&run{Pipeline: &gl.Pipeline{ID: 1, SHA: sha1, Ref: "main"}}, &gl.Job{ID: 2, Name: "j"}, "sast", rep)
		check(t, body, d)
		if strings.Contains(string(d.Raw), `"raw_source_code_extract"`) {
			t.Errorf("%s: the extract is kept", body)
		}
	})
}

// FuzzAccess does the same for members, tokens, keys, audit events and projects.
func FuzzAccess(f *testing.F) {
	f.Add([]byte(`{"id":3,"access_level":30,"username":"project_5_bot_1","state":"active","expires_at":"2026-04-01","scopes":["api"],"name":"x@y","key":"ssh-ed25519 AAAA c@d","created_at":"2026-03-03T12:30:00Z","path_with_namespace":"a/b","default_branch":"main","topics":["tenant:t","x"]}`))
	f.Add([]byte(`{"id":77,"author_id":4,"entity_id":5,"entity_type":"User","created_at":"2026-03-03T12:30:00Z","details":{"author_name":"A","author_email":"a@b","change":"x","from":"Mira","to":"true","target_id":"7","target_type":"User","target_details":"B","ip_address":"192.0.2.1","entity_path":"a/b"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, r := &page{body: body}, desk()
		c := &container{look: r.look, name: "project 5", path: "acme/app", level: "project", ref: r.ref, scope: r.scope()}
		if m, err := readMember(p, body); err == nil {
			check(t, body, c.memberDraft(m, true))
		}
		if d, err := c.tokenDraft(p, body); err == nil {
			check(t, body, d)
		}
		if d, err := c.keyDraft(p, body); err == nil {
			check(t, body, d)
		}
		if e, err := readAudit(p, body); err == nil {
			check(t, body, (&auditLook{look: r.look}).auditDraft(e), (&auditLook{look: r.look, ref: r.ref, scope: r.scope()}).auditDraft(e))
		}
		if it, err := readProject(p, body); err == nil {
			r.project = it
			check(t, body, r.refDraft("main", &forge.BranchState{}, sha1, p))
		}
	})
}

func check(t *testing.T, body []byte, ds ...evidence.Draft) {
	t.Helper()
	for _, d := range ds {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		for _, refs := range [][]evidence.Ref{d.Links, d.Scope, {d.Subject}} {
			for _, ref := range refs {
				if _, err := evidence.ParseRef(ref.String()); err != nil {
					t.Errorf("%s: %v", body, err)
				}
			}
		}
	}
}
