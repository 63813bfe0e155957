package github

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestOddItems: an item without an id, or of a form that the API does not describe,
// costs none of the others, of whatever list: it is told, of its kinds not all counts as seen since the last look, and nothing
// ends for it.
func TestOddItems(t *testing.T) {
	at := now.Add(30 * time.Minute).Format(time.RFC3339)
	sha := fmt.Sprintf("%040x", 1)
	pull := func(n int) string {
		return fmt.Sprintf(`{"number":%d,"state":"open","updated_at":%q,"head":{"sha":%q},"base":{"ref":"main"},"user":{"login":"mira","id":21}}`, n, at, sha)
	}
	request := map[string]string{"pulls": "[" + pull(2) + "," + pull(1) + "]", "pulls/1": pull(1), "pulls/2": pull(2), "pulls/1/reviews": "[]", "pulls/2/reviews": "[]",
		"pulls/1/commits": "[]", "pulls/2/commits": "[]", "pulls/1/files": "[]", "pulls/2/files": "[]"}
	with := func(m map[string]string, path, body string) map[string]string {
		m = maps.Clone(m)
		if m == nil {
			m = map[string]string{}
		}
		m[path] = body
		return m
	}
	// A push whose second commit is the odd one.
	pushed := func(odd string) map[string]string {
		eight, nine := fmt.Sprintf("%040x", 8), fmt.Sprintf("%040x", 9)
		one, last := commitJSON(eight, sha, at), commitJSON(nine, eight, at)
		return map[string]string{
			"branches/main":                 fmt.Sprintf(`{"protected":true,"commit":{"sha":%q}}`, nine),
			"compare/" + sha + "..." + nine: `{"status":"ahead","total_commits":3,"commits":[` + one + "," + odd + "," + last + `]}`,
			"commits/" + eight:              one, "commits/" + nine: last,
		}
	}
	both := []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}
	run := fmt.Sprintf(`{"id":7,"run_attempt":1,"status":"completed","conclusion":"success","event":"push","head_sha":%q,"created_at":%q,"updated_at":%q}`, sha, at, at)
	for name, tt := range map[string]struct {
		set   map[string]string
		told  string
		kinds []evidence.Kind
		good  int // drafts of the first kind that come all the same
	}{
		"request":    {with(request, "pulls", "["+fmt.Sprintf(`{"updated_at":%q}`, at)+","+pull(1)+"]"), "a request without a number or time", both, 1},
		"review":     {with(request, "pulls/1/reviews", fmt.Sprintf(`[{"state":"APPROVED","submitted_at":%q}]`, at)), "a review without an id or a known state", both, 1},
		"run":        {map[string]string{"actions/runs": `{"total_count":2,"workflow_runs":[{"status":"completed"},` + run + `]}`, "actions/runs/7/attempts/1/jobs": `{"total_count":0,"jobs":[]}`}, "a run without an id, a time or a commit", []evidence.Kind{evidence.PipelineRun}, 1},
		"deployment": {map[string]string{"deployments": fmt.Sprintf(`[{"sha":%q,"created_at":%q},{"id":4,"sha":%q,"created_at":%q}]`, sha, at, sha, at), "deployments/4/statuses": "[]"}, "a deployment without an id, a time or a commit", []evidence.Kind{evidence.DeployRelease}, 1},
		"activity":   {map[string]string{"activity": fmt.Sprintf(`[{"timestamp":%q},{"id":5,"timestamp":%q,"activity_type":"push","ref":"refs/heads/main","after":%q}]`, at, at, sha)}, "an activity without an id or a time", []evidence.Kind{evidence.AccessAudit}, 1},
		"rule suite": {map[string]string{"rulesets/rule-suites": fmt.Sprintf(`[{"pushed_at":%q},{"id":5,"pushed_at":%q,"result":"pass","ref":"refs/heads/main","after_sha":%q}]`, at, at, sha)}, "a rule suite without an id or a time", []evidence.Kind{evidence.AccessAudit}, 1},
		"collaborator": {map[string]string{"collaborators": `[{"login":"x"},{"login":"mira","id":21,"permissions":{"pull":true}}]`}, "a collaborator without an id",
			[]evidence.Kind{evidence.AccessMember}, 1},
		"team":       {map[string]string{"teams": `[{"slug":"x"},{"slug":"y","id":22}]`}, "a team without an id", []evidence.Kind{evidence.AccessMember}, 1},
		"deploy key": {map[string]string{"keys": `[{"title":"x"},{"id":23}]`}, "a deploy key without an id", []evidence.Kind{evidence.AccessMember}, 1},
		"check run": {with(request, "commits/"+sha+"/check-runs", fmt.Sprintf(`{"total_count":2,"check_runs":[{"name":"x"},{"id":24,"name":"y","status":"completed","conclusion":"success","head_sha":%q,"completed_at":%q}]}`, sha, at)),
			"a check run without an id", []evidence.Kind{evidence.PipelineCheck}, 1},
		"commit status": {with(request, "commits/"+sha+"/statuses", fmt.Sprintf(`[{"state":"success"},{"id":25,"state":"success","context":"x","created_at":%q}]`, at)),
			"a commit status without an id", []evidence.Kind{evidence.PipelineCheck}, 2},
		"member": {map[string]string{"orgs/acme/members": `[{"login":"x"},{"login":"mira","id":21}]`}, "a member without an id", nil, 0},
		"installation": {map[string]string{"orgs/acme/installations": `{"total_count":2,"installations":[{"app_slug":"x"},{"id":26,"app_slug":"y"}]}`},
			"an installation without an id", nil, 0},
		"form of a listed request": {with(request, "pulls", fmt.Sprintf(`[{"number":"2","updated_at":%q},`, at)+pull(1)+"]"), "something of an unknown form (number)", both, 1},
		"time of a listed request": {with(request, "pulls", `[{"number":2,"updated_at":"today"},`+pull(1)+"]"), "something of an unknown form", both, 1},
		"form of a request":        {with(request, "pulls/2", strings.Replace(pull(2), `"state":"open"`, `"state":7`, 1)), "something of an unknown form (state)", both, 1},
		"head of a request":        {with(request, "pulls/2", fmt.Sprintf(`{"number":2,"state":"closed","updated_at":%q,"head":null,"base":{"ref":"main"}}`, at)), "a request without a head", both, 1},
		"form of a review":         {with(request, "pulls/1/reviews", fmt.Sprintf(`[{"id":3,"state":"APPROVED","user":"mira","submitted_at":%q}]`, at)), "something of an unknown form (user)", both, 1},
		"form of a run": {map[string]string{"actions/runs": fmt.Sprintf(`{"total_count":2,"workflow_runs":[{"id":8,"actor":"mira","head_sha":%q,"created_at":%q},`, sha, at) + run + `]}`, "actions/runs/7/attempts/1/jobs": `{"total_count":0,"jobs":[]}`},
			"something of an unknown form (actor)", []evidence.Kind{evidence.PipelineRun}, 1},
		"form of a job": {map[string]string{"actions/runs": `{"total_count":2,"workflow_runs":[` + strings.Replace(run, `"id":7`, `"id":8`, 1) + `,` + run + `]}`,
			"actions/runs/8/attempts/1/jobs": `{"total_count":1,"jobs":[{"id":"1"}]}`, "actions/runs/7/attempts/1/jobs": `{"total_count":0,"jobs":[]}`},
			"something of an unknown form (jobs.id)", []evidence.Kind{evidence.PipelineRun}, 1},
		"form of a deployment": {map[string]string{"deployments": fmt.Sprintf(`[{"id":3,"creator":7,"sha":%q,"created_at":%q},{"id":4,"sha":%q,"created_at":%q}]`, sha, at, sha, at), "deployments/4/statuses": "[]"},
			"something of an unknown form (creator)", []evidence.Kind{evidence.DeployRelease}, 1},
		"form of a deployment's status": {map[string]string{"deployments": fmt.Sprintf(`[{"id":3,"sha":%q,"created_at":%q},{"id":4,"sha":%q,"created_at":%q}]`, sha, at, sha, at), "deployments/3/statuses": `[{"id":"1"}]`, "deployments/4/statuses": "[]"},
			"something of an unknown form (id)", []evidence.Kind{evidence.DeployRelease}, 1},
		"form of an activity": {map[string]string{"activity": fmt.Sprintf(`[{"id":"4","timestamp":%q},{"id":5,"timestamp":%q,"activity_type":"push","ref":"refs/heads/main","after":%q}]`, at, at, sha)},
			"something of an unknown form (id)", []evidence.Kind{evidence.AccessAudit}, 1},
		"form of a check run": {with(request, "commits/"+sha+"/check-runs", fmt.Sprintf(`{"total_count":2,"check_runs":[{"id":23,"app":"x"},{"id":24,"name":"y","status":"completed","conclusion":"success","head_sha":%q,"completed_at":%q}]}`, sha, at)),
			"something of an unknown form (app)", []evidence.Kind{evidence.PipelineCheck}, 1},
		"form of an installation": {map[string]string{"orgs/acme/installations": `{"total_count":2,"installations":[{"id":25,"permissions":["x"]},{"id":26,"app_slug":"y"}]}`},
			"something of an unknown form (permissions)", nil, 0},
		"commit":                     {pushed(`{"commit":{}}`), "a commit without an object id", []evidence.Kind{evidence.ChangeCommit}, 2},
		"form of a commit":           {pushed(fmt.Sprintf(`{"sha":%q,"commit":"x"}`, fmt.Sprintf("%040x", 7))), "something of an unknown form (commit)", []evidence.Kind{evidence.ChangeCommit}, 2},
		"an entry that is no object": {pushed(`7`), "something that is no object", []evidence.Kind{evidence.ChangeCommit}, 2},
		"form of a rule": {map[string]string{"rules/branches/main": `[{"type":"deletion","ruleset_id":7},{"type":"update","ruleset_id":"7"}]`}, "something of an unknown form (ruleset_id)",
			[]evidence.Kind{evidence.ChangeProtection}, 0},
		"rule": {map[string]string{"rules/branches/main": `[null]`}, "a rule of an unknown form (other)", []evidence.Kind{evidence.ChangeProtection}, 0},
		"approvals that a rule asks for": {map[string]string{"rules/branches/main": `[{"type":"pull_request","ruleset_id":7,"parameters":{"required_approving_review_count":"two"}}]`},
			"a rule of an unknown form (pull_request)", []evidence.Kind{evidence.ChangeProtection}, 0},
		"ruleset":                    {map[string]string{"rulesets/7": `{"id":7,"enforcement":true}`}, "something of an unknown form (enforcement)", []evidence.Kind{evidence.ChangeProtection}, 0},
		"form of classic protection": {map[string]string{"branches/main/protection": `{"enforce_admins":"yes"}`}, "something of an unknown form (enforce_admins)", []evidence.Kind{evidence.ChangeProtection}, 0},
		"approval of a deployment": {map[string]string{"deployments": fmt.Sprintf(`[{"id":3,"sha":%q,"created_at":%q},{"id":4,"sha":%q,"created_at":%q}]`, sha, at, sha, at),
			"deployments/3/statuses": `[{"id":1,"state":"success","log_url":"https://x/actions/runs/3/job/1"}]`, "deployments/4/statuses": "[]", "actions/runs/3/approvals": `["mira"]`},
			"something that is no object", []evidence.Kind{evidence.DeployRelease}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			clock := now
			answers := map[string]string{"teams": "[]", "keys": "[]", "collaborators": "[]", "orgs/acme/members": "[]", "orgs/acme/outside_collaborators": "[]",
				"orgs/acme/installations": `{"total_count":0,"installations":[]}`}
			clean := maps.Clone(answers)
			c := standIn(t, wild(answers), 1, &clock, func(cfg *Config) { cfg.Every[partMembers] = 0 })
			first := lookAt(t, c, clock, nil)
			whole(t, first)
			clock = now.Add(time.Hour)
			maps.Copy(answers, tt.set)
			rec := lookAt(t, c, clock, first.Resume())
			if o := last(rec); !strings.Contains(o.Incomplete, tt.told) {
				t.Errorf("incomplete %q, want %q", o.Incomplete, tt.told)
			}
			if tt.good > 0 && len(rec.Of(tt.kinds[0])) != tt.good {
				t.Errorf("%d drafts of %s, want %d", len(rec.Of(tt.kinds[0])), tt.kinds[0], tt.good)
			}
			for _, s := range last(rec).Seen {
				blind := slices.ContainsFunc(s.Kinds, func(k evidence.Kind) bool { return slices.Contains(tt.kinds, k) })
				if org := s.Scope.Name == "acme"; org {
					blind = tt.kinds == nil && slices.Contains(s.Kinds, evidence.AccessMember)
				}
				// Whether rules were bypassed, and organisations' audit logs, this GitHub may not tell.
				if blind && (s.Class != evidence.Blind || !s.From.Equal(now)) || !blind && s.Class == evidence.Blind && strings.Contains(s.Cause, tt.told) {
					t.Errorf("%v at %s is claimed as %s from %s: %s", s.Kinds, s.Scope, s.Class, s.From, s.Cause)
				}
			}
			for _, done := range rec.Completed {
				if done.Kind == evidence.AccessMember && (slices.Contains(tt.kinds, done.Kind) && done.Scope.Name != "acme" || tt.kinds == nil && done.Scope.Name == "acme") {
					t.Errorf("states of %s end", done.Scope)
				}
			}
			// What is listed properly later is seen from then on, and not before.
			clear(answers)
			maps.Copy(answers, clean)
			if tt.set["pulls"] != "" {
				maps.Copy(answers, with(request, "pulls", "[]"))
			}
			clock = clock.Add(time.Hour)
			again := lookAt(t, c, clock, rec.Resume())
			whole(t, again)
			for _, s := range last(again).Seen {
				if strings.Contains(s.Cause, tt.told) || slices.ContainsFunc(s.Kinds, func(k evidence.Kind) bool { return slices.Contains(tt.kinds, k) }) && s.From.Before(now.Add(time.Hour)) && s.Class != evidence.Blind {
					t.Errorf("after it was mended: %+v", s)
				}
			}
		})
	}
}

// TestOddBranch: one branch of which something cannot be read costs nothing of the
// others, of whatever part, and moves nobody's position.
func TestOddBranch(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	answers := map[string]string{
		"branches/release": fmt.Sprintf(`{"protected":true,"commit":{"sha":%q}}`, sha), "branches/release/protection": `{}`, "rules/branches/release": `[]`,
		"compare/" + sha + "..." + sha: `{"status":"identical","total_commits":0,"commits":[]}`,
	}
	c := standIn(t, wild(answers), 1, &clock, func(cfg *Config) { cfg.Branches = []string{"main", "release"} })
	first := lookAt(t, c, clock, nil)
	whole(t, first)
	clock = now.Add(time.Hour)
	answers["branches/main"] = `{"commit":[]}`
	rec := lookAt(t, c, clock, first.Resume())
	if o := last(rec); !strings.Contains(o.Incomplete, "repository acme/r0") || !strings.Contains(o.Incomplete, "something of an unknown form (commit)") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	for kind, n := range map[evidence.Kind]int{evidence.ChangeRef: 1, evidence.ChangeProtection: 1} {
		ds := rec.Of(kind)
		if len(ds) != n || !strings.HasSuffix(ds[0].Subject.Name, "@release") {
			t.Errorf("%d drafts of %s", len(ds), kind)
		}
		if got := seenOf(last(rec), kind); len(got) != 1 || got[0].Class != evidence.Blind || !got[0].From.Equal(now) {
			t.Errorf("%s is claimed as %+v", kind, got)
		}
	}
	if got := seenOf(last(rec), evidence.ChangeCommit); len(got) != 1 || got[0].Class != evidence.Blind {
		t.Errorf("commits are claimed as %+v", got)
	}
	delete(answers, "branches/main")
	clock = clock.Add(time.Hour)
	again := lookAt(t, c, clock, rec.Resume())
	whole(t, again)
	if n := len(again.Of(evidence.ChangeProtection)); n != 2 {
		t.Errorf("%d guards after it was mended, want 2", n)
	}
}

// TestOddBranchBetweenGuards: a branch that could not be read while guards were not due
// leaves the guards as they are, which the next look at them reads.
func TestOddBranchBetweenGuards(t *testing.T) {
	clock := now
	answers := map[string]string{}
	c := standIn(t, wild(answers), 1, &clock, func(cfg *Config) {
		cfg.Branches, cfg.Every = []string{"main"}, map[string]time.Duration{partGuards: 24 * time.Hour}
	})
	rec := lookAt(t, c, clock, nil)
	whole(t, rec)
	clock = now.Add(time.Hour)
	answers["branches/main"] = `{"commit":{}}`
	rec = lookAt(t, c, clock, rec.Resume())
	if o := last(rec); !strings.Contains(o.Incomplete, "no object id of the branch") || len(seenOf(o, evidence.ChangeProtection)) != 0 {
		t.Errorf("incomplete %q, guards are claimed as %+v", o.Incomplete, seenOf(o, evidence.ChangeProtection))
	}
	delete(answers, "branches/main")
	clock = now.Add(24 * time.Hour)
	rec = lookAt(t, c, clock, rec.Resume())
	whole(t, rec)
	if got := seenOf(last(rec), evidence.ChangeProtection); len(got) != 1 || got[0].Class != evidence.Instants || len(rec.Of(evidence.ChangeProtection)) != 1 {
		t.Errorf("guards are claimed as %+v", got)
	}
}

// TestOddFiles: a file of a commit or request that cannot be read leaves it where
// every owner of a path sees it.
func TestOddFiles(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	unnamed := lookAt(t, standIn(t, wild(map[string]string{
		"commits/" + sha: strings.TrimSuffix(commitJSON(sha, sha5, yesterday), "}") + `,"files":[{"filename":"x"},{"status":"added"}]}`,
		"pulls/1/files":  `[{"filename":"x","status":"added"},{}]`,
	}), 1, &clock, nil), clock, nil)
	whole(t, unnamed)
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge} {
		if ds := unnamed.Of(k); len(ds) != 1 || !slices.ContainsFunc(ds[0].Scope, func(r evidence.Ref) bool { return r.Scheme == "path" && strings.HasSuffix(r.Name, "*") }) {
			t.Errorf("%s with a file that has no name: %d drafts", k, len(ds))
		}
	}
	rec := lookAt(t, standIn(t, wild(map[string]string{
		"commits/" + sha: strings.TrimSuffix(commitJSON(sha, sha5, yesterday), "}") + `,"files":[{"filename":7}]}`,
		"pulls/1/files":  `[{"filename":"x","status":"added"},{"filename":["y"]}]`,
	}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge} {
		ds := rec.Of(k)
		if len(ds) != 1 || !slices.ContainsFunc(ds[0].Scope, func(r evidence.Ref) bool { return r.Scheme == "path" && strings.HasSuffix(r.Name, "*") }) {
			t.Errorf("%s: %d drafts", k, len(ds))
		}
	}
	if !noted(rec, "cannot be read") {
		t.Errorf("notes %q", last(rec).Notes)
	}
}

// TestFailedDeployments: one that failed is a record as one that succeeded, with how
// and when it ended as GitHub says it.
func TestFailedDeployments(t *testing.T) {
	sha := fmt.Sprintf("%040x", 1)
	for statuses, want := range map[string]string{ // newest first
		"failure:10 in_progress:9":          "failure 10",
		"error:10 queued:9":                 "failure 10",
		"inactive:11 failure:10":            "failure 10",
		"inactive:12 success:11 failure:10": "success 11",
		"success:11 success:10":             "success 10",
		"failure:11 success:10":             "failure 11",
		"success:12 failure:11 success:10":  "success 12",
		"in_progress:11 failure:10":         "running -",
		"abandoned:11":                      "unknown -",
		"":                                  "waiting -",
	} {
		clock := now
		var list []string
		for _, s := range strings.Fields(statuses) {
			state, hour, _ := strings.Cut(s, ":")
			list = append(list, fmt.Sprintf(`{"id":%s,"state":%q,"created_at":"2026-03-01T%sT"}`, hour, state, hour))
		}
		body := regexp.MustCompile(`T([0-9]+)T`).ReplaceAllStringFunc("["+strings.Join(list, ",")+"]", func(s string) string {
			return fmt.Sprintf("T%02s:00:00Z", strings.Trim(s, "T"))
		})
		rec := lookAt(t, standIn(t, wild(map[string]string{
			"deployments":            fmt.Sprintf(`[{"id":4,"sha":%q,"environment":"production","created_at":"2026-03-01T08:00:00Z"}]`, sha),
			"deployments/4/statuses": body,
		}), 1, &clock, nil), clock, nil)
		whole(t, rec)
		ds := rec.Of(evidence.DeployRelease)
		if len(ds) != 1 {
			t.Fatalf("%q: %d deployments", statuses, len(ds))
		}
		f := factsOf[evidence.ReleaseFacts](t, ds[0])
		got := f.Status + " -"
		if !f.FinishedAt.IsZero() {
			got = fmt.Sprintf("%s %d", f.Status, f.FinishedAt.Hour())
		}
		if got != want {
			t.Errorf("%q: %s, want %s", statuses, got, want)
		}
	}
}
