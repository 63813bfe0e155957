package github

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	good := func() *Config {
		c := Spec().Config().(*Config)
		c.Repos, c.TokenFile = []string{"acme/app"}, "/run/token"
		return c
	}
	env := collectors.Env{Source: "github/acme", Clock: time.Now}
	c, err := Spec().New(good(), env)
	if err != nil {
		t.Fatal(err)
	}
	if c.(*Collector).authority != "acme" {
		t.Errorf("authority %q", c.(*Collector).authority)
	}
	for text, change := range map[string]func(*Config){
		"names no repository": func(c *Config) { c.Repos = nil },
		`repos holds "acme"`:  func(c *Config) { c.Repos = []string{"acme"} },
		`repos holds "a/b/c"`: func(c *Config) { c.Repos = []string{"a/b/c"} },
		`repos holds "a/.."`:  func(c *Config) { c.Repos = []string{"a/.."} },
		`"ACME/app" twice`:    func(c *Config) { c.Repos = append(c.Repos, "ACME/app") },
		"no branch name":      func(c *Config) { c.Branches = []string{"release/*"} },
		`"main" twice`:        func(c *Config) { c.Branches = []string{"main", "main"} },
		"no property's name":  func(c *Config) { c.Properties = []string{"of whom"} },
		"one too many":        func(c *Config) { c.Properties = strings.Split("a b c d e f g h i j k", " ") },
		`homes holds "acme"`:  func(c *Config) { c.Homes = []string{"acme"} },
		`"acme/t" twice`:      func(c *Config) { c.Homes = []string{"acme/t", "acme/t"} },
		"homes names 201":     func(c *Config) { c.Homes = manyTeams(201) },
		"token_file":          func(c *Config) { c.TokenFile = "" },
		"overlap":             func(c *Config) { c.Overlap = -1 },
		"history":             func(c *Config) { c.History = -1 },
		"scheme":              func(c *Config) { c.URL = "ssh://github.com/" },
		"base URL of":         func(c *Config) { c.URL = "https://tok@github.com/" },
		"CA file":             func(c *Config) { c.CAFile = "/does/not/exist" },
	} {
		cfg := good()
		change(cfg)
		if _, err := Spec().New(cfg, env); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
	}
	if _, err := Spec().New(Config{}, env); err == nil {
		t.Error("a configuration of another type is taken")
	}
}

func manyTeams(n int) (teams []string) {
	for i := range n {
		teams = append(teams, fmt.Sprintf("acme/team-%d", i))
	}
	return teams
}

func yes() *bool { b := true; return &b }
func no() *bool  { return new(bool) }

// TestProtection joins classic protection and rules.
func TestProtection(t *testing.T) {
	tests := []struct {
		name    string
		flag    bool
		classic string // JSON; "" none, "hidden"
		rules   string // JSON; "hidden"
		want    evidence.ProtectionFacts
	}{
		{name: "nothing", rules: `[]`, want: evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true, AllowForcePush: yes(), AllowDeletion: yes()}},
		{name: "all hidden, flag off", classic: "hidden", rules: "hidden", want: evidence.ProtectionFacts{Classic: "not-visible"}},
		{name: "all hidden, flag on", flag: true, classic: "hidden", rules: "hidden", want: evidence.ProtectionFacts{Classic: "not-visible", Protected: true}},
		{name: "classic that guards no push", flag: true, classic: `{"enforce_admins":{"enabled":true},"allow_force_pushes":{"enabled":true},"allow_deletions":{"enabled":false}}`, rules: `[]`,
			want: evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, EnforceAdmins: yes(), AllowForcePush: yes(), AllowDeletion: no()}},
		{name: "the stricter holds", classic: `{"required_pull_request_reviews":{"required_approving_review_count":1,"dismiss_stale_reviews":true},"allow_force_pushes":{"enabled":true},"allow_deletions":{"enabled":true}}`,
			rules: `[{"type":"pull_request","ruleset_id":1,"parameters":{"required_approving_review_count":2,"require_code_owner_review":true}},{"type":"non_fast_forward","ruleset_id":1},{"type":"deletion","ruleset_id":1},{"type":"required_signatures","ruleset_id":1},{"type":"required_linear_history","ruleset_id":1}]`,
			want: evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, RequiredApprovals: 2, DismissStale: yes(), CodeOwners: yes(), LastPushApproval: no(),
				AllowForcePush: no(), AllowDeletion: no(), RequiredSignatures: yes(), LinearHistory: yes()}},
		{name: "checks of both", classic: `{"required_status_checks":{"strict":true,"contexts":["b","a"],"checks":[{"context":"a"},{"context":"b","app_id":7},null]},"allow_force_pushes":{"enabled":false},"allow_deletions":{"enabled":false}}`,
			rules: `[{"type":"required_status_checks","ruleset_id":1,"parameters":{"required_status_checks":[{"context":"c"},{"context":"d","integration_id":7}]}}]`,
			want: evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, RequiredChecks: []string{"a", "b", "c", "d"}, ChecksOfAnyApp: []string{"a", "c"},
				ChecksOfApps: []evidence.CheckApp{{Check: "b", App: 7}, {Check: "d", App: 7}}, StrictChecks: yes(), AllowForcePush: no(), AllowDeletion: no()}},
		{name: "a check of any app, and of one", classic: `{"required_status_checks":{"contexts":["a"],"checks":[{"context":"a","app_id":null}]}}`,
			rules: `[{"type":"required_status_checks","ruleset_id":1,"parameters":{"strict_required_status_checks_policy":false,"required_status_checks":[{"context":"a","integration_id":7},{"context":"a","integration_id":7}]}},{"type":"non_fast_forward"},{"type":"deletion"}]`,
			want:  evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, RequiredChecks: []string{"a"}, ChecksOfApps: []evidence.CheckApp{{Check: "a", App: 7}}, StrictChecks: no(), AllowForcePush: no(), AllowDeletion: no()}},
		{name: "a strict rule beside lax ones", classic: `{"required_status_checks":{"strict":false}}`,
			rules: `[{"type":"required_status_checks","parameters":{"strict_required_status_checks_policy":true}},{"type":"required_status_checks","parameters":{"strict_required_status_checks_policy":false}}]`,
			want:  evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, StrictChecks: yes(), AllowForcePush: yes(), AllowDeletion: yes()}},
		{name: "rules hidden that may be stricter", rules: "hidden",
			classic: `{"required_pull_request_reviews":{"required_approving_review_count":1,"dismiss_stale_reviews":true},"required_status_checks":{"strict":false},"required_signatures":{"enabled":false},"required_linear_history":{"enabled":true},"allow_force_pushes":{"enabled":true},"allow_deletions":{"enabled":false}}`,
			want:    evidence.ProtectionFacts{Classic: "yes", Protected: true, RequiredApprovals: 1, DismissStale: yes(), LinearHistory: yes(), AllowDeletion: no()}},
		{name: "classic hidden that may be stricter", classic: "hidden", rules: `[{"type":"pull_request","parameters":{"dismiss_stale_reviews_on_push":false,"require_last_push_approval":true}}]`,
			want: evidence.ProtectionFacts{Classic: "not-visible", RulesetsSeen: true, Protected: true, LastPushApproval: yes()}},
		{name: "teams that must approve", classic: `{"allow_force_pushes":{"enabled":false},"allow_deletions":{"enabled":false}}`,
			rules: `[{"type":"pull_request","parameters":{"required_reviewers":[{"minimum_approvals":2,"file_patterns":["tenants/tenant-8/**","*.tf"],"reviewer":{"id":9,"type":"Team"}},{"minimum_approvals":0,"reviewer":{"id":4,"type":"Team"}}]}}]`,
			want: evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, AllowForcePush: no(), AllowDeletion: no(),
				Reviewers: []evidence.GuardTeam{{Kind: "team", ID: 4}, {Kind: "team", ID: 9, Approvals: 2, Patterns: 2}}}},
		{name: "teams for every file", classic: `{"allow_force_pushes":{"enabled":false},"allow_deletions":{"enabled":false}}`,
			rules: `[{"type":"pull_request","parameters":{"required_reviewers":[{"minimum_approvals":1,"file_patterns":["docs/**","*"],"reviewer":{"id":9,"type":"Team"}},{"minimum_approvals":1,"file_patterns":["*","!docs/**"],"reviewer":{"id":4,"type":"Team"}}]}}]`,
			want: evidence.ProtectionFacts{Classic: "yes", RulesetsSeen: true, Protected: true, AllowForcePush: no(), AllowDeletion: no(),
				Reviewers: []evidence.GuardTeam{{Kind: "team", ID: 4, Approvals: 1, Patterns: 2}, {Kind: "team", ID: 9, Approvals: 1, Patterns: 2, Everything: true}}}},
		{name: "parameters of another form", rules: `[{"type":"pull_request","ruleset_id":1,"parameters":[1]}]`,
			want: evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true, Protected: true, AllowForcePush: yes(), AllowDeletion: yes()}},
		{name: "deployments alone", rules: `[{"type":"required_deployments","ruleset_id":1,"parameters":{"required_deployment_environments":["staging"]}}]`,
			want: evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true, Protected: true, AllowForcePush: yes(), AllowDeletion: yes()}},
		{name: "code scanning alone", rules: `[{"type":"code_scanning","ruleset_id":1,"parameters":{"code_scanning_tools":[{"tool":"CodeQL"}]}}]`,
			want: evidence.ProtectionFacts{Classic: "no", RulesetsSeen: true, Protected: true, AllowForcePush: yes(), AllowDeletion: yes()}},
		{name: "locked", classic: `{"lock_branch":{"enabled":true}}`, rules: "hidden", want: evidence.ProtectionFacts{Classic: "yes", Protected: true}},
	}
	for _, tt := range tests {
		g := &guard{flag: tt.flag, visible: tt.classic != "hidden", seen: tt.rules != "hidden"}
		if tt.classic != "" && g.visible {
			if err := json.Unmarshal([]byte(tt.classic), &g.classic); err != nil {
				t.Fatal(err)
			}
		}
		if g.seen {
			if err := json.Unmarshal([]byte(tt.rules), &g.rules); err != nil {
				t.Fatal(err)
			}
		}
		tt.want.Repo, tt.want.Branch = "a/b", "main"
		if d := cmp.Diff(&tt.want, g.facts("a/b", "main", newPeople(&Collector{authority: "acme"}))); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// TestProperties makes labels of the custom properties that are configured, and
// of no others.
func TestProperties(t *testing.T) {
	l := newLab(t, func(c *Config) { only(c); c.Properties = []string{"tenant", "zones", "none", "odd"} })
	l.Replace(api, `{"id":71001,"full_name":"acme/platform","default_branch":"main",
		"custom_properties":{"tenant":"tenant-7","zones":["eu","","us"],"contact":"somebody","none":null,"odd":{"a":1}}}`)
	rec := l.must(nil)
	want := "[label:acme/tenant=tenant-7 label:acme/zones=eu label:acme/zones=us]"
	for _, d := range rec.Drafts {
		var got []evidence.Ref
		for _, r := range d.Scope {
			if r.Scheme == "label" {
				got = append(got, r)
			}
		}
		if fmt.Sprint(got) != want || d.Scope[0] != l.c.project("acme/platform") {
			t.Errorf("%s %s: scope %v, want the labels %s", d.Kind, d.Key, d.Scope, want)
		}
	}
	p := newPartsLab(t, func(c *Config) { c.Properties = []string{"tenant"} })
	p.Replace("GET /api/v3/repos/acme/tools", `{"id":71002,"full_name":"acme/tools","default_branch":"main","custom_properties":{"tenant":"tenant-7"}}`)
	label := evidence.NewRef("label", "acme", "tenant=tenant-7")
	for _, d := range p.must(nil).Drafts {
		ofOrg := d.Scope[0] == p.c.project("acme") || strings.HasPrefix(d.Key, "audit/")
		if slices.Contains(d.Scope, label) == ofOrg {
			t.Errorf("%s %s: scope %v", d.Kind, d.Key, d.Scope)
		}
		if d.Kind == evidence.DeployRelease && !slices.ContainsFunc(d.Scope, func(r evidence.Ref) bool { return strings.HasPrefix(r.Name, "environment=") }) {
			t.Errorf("a deployment without its environment in %v", d.Scope)
		}
	}
}

// TestVerifiedAt reads when GitHub came to its verdict, which the library does
// not know.
func TestVerifiedAt(t *testing.T) {
	l := newLab(t, only)
	sha := strings.Repeat("5", 40)
	commit := strings.Replace(commitJSON(sha, sha6, "2026-03-01T10:00:00Z"), `"message"`,
		`"verification":{"verified":true,"reason":"valid","signature":"-----BEGIN SSH SIGNATURE-----","verified_at":"2026-03-01T10:00:07Z"},"message"`, 1)
	l.Replace(api+"/branches/main", branchJSON(sha))
	l.Replace(api+"/commits?sha="+sha+"&per_page=100", "["+commit+"]")
	l.Replace(api+"/commits/"+sha+"?per_page=100", commit)
	ds := l.must(nil).Of(evidence.ChangeCommit)
	if len(ds) != 1 {
		t.Fatalf("%d commits", len(ds))
	}
	f := factsOf[evidence.CommitFacts](t, ds[0])
	if f.Signature != "ssh" || f.Verified == nil || !*f.Verified || f.VerifiedWhy != "valid" || evidence.FormatTime(f.VerifiedAt) != "2026-03-01T10:00:07Z" {
		t.Errorf("facts %+v", f)
	}
}

// TestBypass tells "nobody" from "hidden from this credential".
func TestBypass(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":1}`:                           "not-visible 0",
		`{"id":1,"bypass_actors":null}`:      "not-visible 0",
		`{"id":1,"bypass_actors":[]}`:        "none 0",
		`{"id":1,"bypass_actors":[{},{}]}`:   "some 2",
		`{"id":1,"bypass_actors":[null]}`:    "some 1",
		`{"id":1,"enforcement":"evaluate"}`:  "not-visible 0",
		`{"id":1,"name":"x","bypass":"all"}`: "not-visible 0",
	} {
		s := &ruleset{}
		if err := json.Unmarshal([]byte(body), s); err != nil {
			t.Fatal(err)
		}
		f := (&guard{rulesets: map[int64]*ruleset{1: s}}).rulesetFacts(newPeople(&Collector{authority: "acme"}))[0]
		if got := fmt.Sprint(f.Bypass, " ", f.BypassCount); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

// TestBypassers tells who may pass by a ruleset, and when.
func TestBypassers(t *testing.T) {
	who := newPeople(&Collector{authority: "acme"})
	s := &ruleset{}
	if err := json.Unmarshal([]byte(`{"id":1,"bypass_actors":[
		{"actor_id":5,"actor_type":"RepositoryRole","bypass_mode":"always"},
		{"actor_id":234,"actor_type":"Team","bypass_mode":"pull_request"},
		{"actor_id":1,"actor_type":"OrganizationAdmin","bypass_mode":"exempt"},
		{"actor_id":null,"actor_type":"DeployKey","bypass_mode":"always"},
		{"actor_id":15368,"actor_type":"Integration"},
		{"actor_id":31,"actor_type":"User","bypass_mode":"always"},
		{"actor_id":"x","actor_type":"EnterpriseOwner"},
		7]}`), s); err != nil {
		t.Fatal(err)
	}
	got := (&guard{rulesets: map[int64]*ruleset{1: s}}).rulesetFacts(who)[0]
	want := []evidence.Bypasser{
		{Kind: "app", ID: 15368, Person: -1}, {Kind: "deploy-key", Person: -1, Mode: "always"}, {Kind: "enterprise-owner", Person: -1},
		{Kind: "organization-admin", Person: -1, Mode: "exempt"}, {Kind: "role", ID: 5, Person: -1, Mode: "always"},
		{Kind: "team", ID: 234, Person: -1, Mode: "pull-request"}, {Kind: "unknown", Person: -1}, {Kind: "user", Person: 0, Mode: "always"},
	}
	if d := cmp.Diff(want, got.Bypassers); d != "" || got.BypassCount != 8 {
		t.Errorf("%d pass by (-want +got):\n%s", got.BypassCount, d)
	}
	if len(who.List) != 1 || who.List[0].NativeID != "31" || who.List[0].Role != evidence.RoleHolder || who.List[0].Proof != evidence.ProofClaimed {
		t.Errorf("people %+v", who.List)
	}
}

func TestScope(t *testing.T) {
	name := func(s string) *gh.CommitFile { return &gh.CommitFile{Filename: &s} }
	var many, flat []*gh.CommitFile
	for i := range 300 {
		many = append(many, name(fmt.Sprintf("tenants/tenant-%d/app/deep/file-%d.yaml", i%7, i)))
		flat = append(flat, name(fmt.Sprintf("file-%d", i)))
	}
	old, neu := "old/a", "new/a"
	long := "dir/" + strings.Repeat("é", 200)
	tests := []struct {
		name  string
		files []*gh.CommitFile
		whole bool
		want  []string
	}{
		{"few", []*gh.CommitFile{name("a/b.yaml"), name("c")}, true, []string{"a/b.yaml", "c"}},
		{"both ends of a rename", []*gh.CommitFile{{Filename: &neu, PreviousFilename: &old}}, true, []string{"new/a", "old/a"}},
		{"many become directories", many, true, []string{"tenants/tenant-0/app/deep/*", "tenants/tenant-1/app/deep/*", "tenants/tenant-2/app/deep/*", "tenants/tenant-3/app/deep/*", "tenants/tenant-4/app/deep/*", "tenants/tenant-5/app/deep/*", "tenants/tenant-6/app/deep/*"}},
		{"many at the top reach everywhere", flat, true, []string{"*"}},
		{"a cut list reaches everywhere", many[:1], false, []string{"*"}},
		{"a long path becomes its directory", []*gh.CommitFile{name(long)}, true, []string{"dir/*"}},
	}
	for _, tt := range tests {
		var got []string
		refs := changed(fileList{files: tt.files, whole: tt.whole}, forge.Clean).Scope("acme", "acme/app")
		for _, r := range refs[1:] {
			got = append(got, r.Name)
			if len(r.String()) > evidence.MaxRef || r.Authority != "acme/acme/app" {
				t.Errorf("%s: reference %s", tt.name, r)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" || refs[0].String() != "project:acme/acme/app" {
			t.Errorf("%s: %s (-want +got):\n%s", tt.name, refs[0], d)
		}
	}
	fs, cut := files(many, 0, forge.Clean)
	if len(fs) != 300 || cut != 0 {
		t.Errorf("%d files, %d cut", len(fs), cut)
	}
	if fs, cut = files(append(many, many...), 1000, forge.Clean); len(fs) != maxFiles || cut != 500 {
		t.Errorf("%d files, %d cut; want %d, 500", len(fs), cut, maxFiles)
	}
}

// FuzzBodies gives the decoders what a source might send: each draft they make
// must keep the rules of evidence.Draft.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"sha":"` + c4 + `","commit":{"author":{"name":"A","email":"a@b","date":"2026-03-03T12:30:00Z"},"committer":null,"message":"m","verification":{"verified":true,"reason":"valid","signature":"-----BEGIN SSH"}},"parents":[{"sha":"` + c4 + `"}],"author":{"id":4,"login":"x"},"files":[{"filename":"a/b","status":"renamed","previous_filename":"c"}]}`))
	f.Add([]byte(`{"number":3,"state":"closed","merged_at":"2026-03-03T12:30:00Z","merge_commit_sha":"x","title":"t","body":null,"user":null,"merged_by":{"id":-1},"head":{"sha":"` + c4 + `"},"base":{"ref":"main"},"changed_files":900}`))
	f.Add([]byte(`{"id":5,"user":{"id":5},"state":"APPROVED","submitted_at":1772458867,"commit_id":null,"body":"b"}`))
	f.Add([]byte(`{"required_pull_request_reviews":{},"required_status_checks":{"checks":[null]},"type":"pull_request","ruleset_id":3,"parameters":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &Collector{authority: "acme", env: collectors.Env{Source: "github/acme", Clock: func() time.Time { return now }}}
		r := &repoLook{look: &look{Collector: c, started: now}, name: "acme/app", id: 7, st: &repoState{}, fallback: "main"}
		p := &page{body: body}
		check := func(d evidence.Draft) {
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
		var fl fileList
		if it, err := readCommit(p, body); err == nil {
			fl.files = it.Files
			check(r.commitDraft("main", &forge.BranchState{}, p, it, body, fl))
		}
		q := &request{page: p, fl: fl, dismissed: map[int64]dismissal{}}
		if err := decode(p, &q.pr); err == nil && q.pr != nil && q.pr.GetNumber() > 0 {
			check(r.mergeDraft(q))
		}
		rv := review{raw: body}
		if err := json.Unmarshal(body, &rv.PullRequestReview); err == nil && rv.GetID() > 0 && q.pr != nil && reviewState(rv.GetState()) != "" {
			for _, d := range r.reviewDrafts(q, rv, nil) {
				check(d)
			}
		}
		g := &guard{seen: true, visible: true, rulesets: map[int64]*ruleset{}}
		var ru rule
		set := &ruleset{}
		if decode(p, &g.classic) == nil && decode(p, &ru) == nil && decode(p, set) == nil {
			g.rules, g.rulesets[ru.Ruleset] = append(g.rules, ru), set
			check(r.protectionDraft("main", g.facts("acme/app", "main", newPeople(c)), evidence.Request{}))
		}
		if rc, err := readCursor(body); err == nil && body != nil {
			if _, err := readCursor(rc.bytes()); err != nil {
				t.Errorf("cursor %s is refused when read again: %v", body, err)
			}
		}
	})
}

// TestManifest keeps the example of least privilege to reading.
func TestManifest(t *testing.T) {
	b, err := os.ReadFile("../../deploy/access/github/app-manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Permissions map[string]string `json:"default_permissions"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for name, access := range m.Permissions {
		if access != "read" {
			t.Errorf("permission %s is %q", name, access)
		}
	}
	if len(m.Permissions) != 11 {
		t.Errorf("%d permissions, the page lists 11", len(m.Permissions))
	}
}

// TestLimits makes a request of extreme size: its drafts must keep the limits.
func TestLimits(t *testing.T) {
	c := &Collector{authority: "acme", env: collectors.Env{Source: "github/acme", Clock: func() time.Time { return now }}}
	r := &repoLook{look: &look{Collector: c, started: now}, name: "acme/app", id: 7, st: &repoState{}, fallback: "main"}
	ptr := func(s string) *string { return &s }
	q := &request{page: &page{}, pr: &gh.PullRequest{Number: new(int), Title: ptr(strings.Repeat("é", 300<<10)), Head: &gh.PullRequestBranch{SHA: ptr(c4)}}}
	for i := range int64(3000) {
		sha := fmt.Sprintf("%040x", i)
		mail := fmt.Sprintf("%d@example.org", i)
		q.reviews = append(q.reviews, review{PullRequestReview: &gh.PullRequestReview{ID: &i, State: ptr("APPROVED"), CommitID: &sha, User: &gh.User{ID: &i}}})
		q.commits = append(q.commits, &gh.RepositoryCommit{SHA: &sha, Commit: &gh.Commit{Author: &gh.CommitAuthor{Email: &mail}}})
		q.fl.files = append(q.fl.files, &gh.CommitFile{Filename: ptr(strings.Repeat(`"\`, 500) + mail)})
	}
	q.commits = q.commits[:250] // GitHub lists no more
	d := r.mergeDraft(q)
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	if len(d.Text) > evidence.MaxText || len(d.People) != evidence.MaxPeople {
		t.Errorf("text of %d bytes, %d people", len(d.Text), len(d.People))
	}
	for _, ref := range append(d.Links, d.Scope...) {
		if len(ref.String()) > evidence.MaxRef {
			t.Errorf("reference of %d bytes", len(ref.String()))
		}
	}
	b := c.branchRef("acme/app", strings.Repeat("é", 127))
	if len(b.String()) > evidence.MaxRef || b == c.branchRef("acme/app", strings.Repeat("é", 126)) {
		t.Errorf("long branch: %s", b)
	}
}
