package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// large is a stand-in for a GitHub with many repositories, each with a commit, a
// merged request, a workflow run, a deployment, a push, a guard and members, all
// a day old.
type large struct {
	at string
	// instead answers in place of the stand-in, when it is set and says so.
	instead func(path string, w http.ResponseWriter, r *http.Request) bool
}

func (f large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", now.Format(http.TimeFormat))
	p := strings.TrimPrefix(r.URL.Path, "/api/v3/")
	if f.instead != nil && f.instead(p, w, r) {
		return
	}
	body, ok := map[string]string{
		"user":                             `{"id":1}`,
		"orgs/acme/members":                `[{"id":2,"login":"a"}]`,
		"orgs/acme/outside_collaborators":  `[]`,
		"orgs/acme/installations":          `{"total_count":0,"installations":[]}`,
		"orgs/acme/audit-log":              `[]`,
		"orgs/acme/teams/platform/members": `[{"id":2,"login":"a"}]`,
	}[p]
	var n int
	if rest, is := strings.CutPrefix(p, "repos/acme/r"); is {
		num, below, _ := strings.Cut(rest, "/")
		fmt.Sscanf(num, "%d", &n)
		body, ok = f.repo(n, below)
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		body = `{"message":"Not Found"}`
	}
	fmt.Fprint(w, body)
}

func (f large) repo(n int, below string) (string, bool) {
	sha := fmt.Sprintf("%040x", n+1)
	commit := commitJSON(sha, sha5, f.at)
	user := `{"id":2,"login":"a"}`
	body, ok := map[string]string{
		"":                               fmt.Sprintf(`{"id":%d,"full_name":"acme/r%d","default_branch":"main"}`, 1000+n, n),
		"branches/main":                  fmt.Sprintf(`{"protected":true,"commit":{"sha":%q}}`, sha),
		"branches/main/protection":       `{"enforce_admins":{"enabled":true}}`,
		"rules/branches/main":            `[{"type":"deletion","ruleset_id":7}]`,
		"rulesets/7":                     `{"id":7,"name":"all","enforcement":"active"}`,
		"commits":                        "[" + commit + "]",
		"commits/" + sha:                 commit,
		"commits/" + sha + "/check-runs": `{"total_count":1,"check_runs":[{"id":1,"status":"completed","conclusion":"success"}]}`,
		"commits/" + sha + "/statuses":   `[]`,
		"pulls":                          fmt.Sprintf(`[{"number":1,"updated_at":%q}]`, f.at),
		"pulls/1":                        fmt.Sprintf(`{"number":1,"state":"closed","merged":true,"merged_at":%q,"updated_at":%q,"created_at":%q,"head":{"sha":%q},"base":{"ref":"main"},"merge_commit_sha":%q,"user":%s,"merged_by":%s,"commits":1,"changed_files":1}`, f.at, f.at, f.at, sha, sha, user, user),
		"pulls/1/reviews":                fmt.Sprintf(`[{"id":5,"user":%s,"state":"APPROVED","submitted_at":%q,"commit_id":%q}]`, user, f.at, sha),
		"pulls/1/commits":                "[" + commit + "]",
		"pulls/1/files":                  `[{"filename":"x","status":"added"}]`,
		"actions/runs":                   fmt.Sprintf(`{"total_count":1,"workflow_runs":[{"id":3,"run_attempt":1,"event":"push","status":"completed","conclusion":"success","head_sha":%q,"created_at":%q,"updated_at":%q}]}`, sha, f.at, f.at),
		"actions/runs/3/attempts/1/jobs": `{"total_count":0,"jobs":[]}`,
		"deployments":                    fmt.Sprintf(`[{"id":4,"sha":%q,"environment":"production","created_at":%q,"updated_at":%q,"creator":%s}]`, sha, f.at, f.at, user),
		"deployments/4/statuses":         fmt.Sprintf(`[{"id":1,"state":"success","created_at":%q}]`, f.at),
		"activity":                       fmt.Sprintf(`[{"id":6,"before":%q,"after":%q,"ref":"refs/heads/main","timestamp":%q,"activity_type":"push","actor":%s}]`, sha5, sha, f.at, user),
		"rulesets/rule-suites":           `[]`,
		"collaborators":                  `[{"id":2,"login":"a","role_name":"write"}]`,
		"teams":                          `[]`,
		"keys":                           `[]`,
	}[below]
	return body, ok
}

var yesterday = now.Add(-24 * time.Hour).Format(time.RFC3339)

// standIn makes a collector of the first repositories that a handler serves.
func standIn(t *testing.T, h http.Handler, repos int, clock *time.Time, change func(*Config)) *Collector {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	w := collectortest.Desk(t, "github/acme", srv.URL, clock)
	cfg := *Spec().Config().(*Config)
	cfg.URL, cfg.TokenFile = w.URL+"/api/v3/", w.TokenFile
	for i := range repos {
		cfg.Repos = append(cfg.Repos, fmt.Sprintf("acme/r%d", i))
	}
	if change != nil {
		change(&cfg)
	}
	c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBudget counts what looks at a GitHub with 200 repositories cost: the first
// one, a quiet one five minutes later, and those in which guards and members are
// due as well.
func TestBudget(t *testing.T) {
	repos := collectortest.Thin(200)
	c := collectortest.NewConditional(large{at: yesterday})
	clock := now
	col := standIn(t, c, repos, &clock, func(cfg *Config) { cfg.Homes = []string{"acme/platform"} })
	var resume []byte
	for _, look := range []struct {
		name      string
		after     time.Duration
		each      int // requests for each repository
		others    int // and for the source
		quiet     bool
		commits   int
		guardsDue bool
	}{
		{name: "first", each: 23, others: 8, commits: repos, guardsDue: true},
		{name: "quiet", after: 5 * time.Minute, each: 7, others: 3, quiet: true},
		{name: "guards due", after: 16 * time.Minute, each: 10, others: 3, quiet: true, guardsDue: true},
		{name: "guards and members due", after: 62 * time.Minute, each: 13, others: 7, quiet: true, guardsDue: true},
	} {
		clock = now.Add(look.after)
		rec := &collectortest.Recorder{}
		if err := col.Poll(t.Context(), evidence.Period{To: clock}, resume, rec); err != nil {
			t.Fatalf("%s: %v", look.name, err)
		}
		resume = rec.Resume()
		requests, same := c.Counts()
		o := last(rec)
		t.Logf("%s look: %d requests, %d of them answered 304", look.name, requests, same)
		if requests > look.each*repos+look.others || requests < (look.each-1)*repos {
			t.Errorf("%s look: %d requests, want %d for each of %d repositories and %d more", look.name, requests, look.each, repos, look.others)
		}
		if o.Requests != requests || o.Incomplete != "" {
			t.Errorf("%s look: the observation says %d requests and %q", look.name, o.Requests, o.Incomplete)
		}
		if look.quiet && requests-same > look.others {
			t.Errorf("%s look: %d of %d requests had a body", look.name, requests-same, requests)
		}
		if n := len(rec.Of(evidence.ChangeCommit)); n != look.commits {
			t.Errorf("%s look: %d commits, want %d", look.name, n, look.commits)
		}
		if got := len(rec.Of(evidence.ChangeProtection)) == repos; got != look.guardsDue {
			t.Errorf("%s look: guards read %v, want %v", look.name, got, look.guardsDue)
		}
	}
}
