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
)

// looks polls once with each resume of the poll before.
func lookAt(t *testing.T, c *Collector, clock time.Time, resume []byte) *collectortest.Recorder {
	t.Helper()
	rec := &collectortest.Recorder{}
	if err := c.Poll(t.Context(), evidence.Period{To: clock}, resume, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestSkew measures a server whose clock is ten minutes off, and loses nothing
// by it.
func TestSkew(t *testing.T) {
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		clock, updated := now, now.Add(off-time.Second)
		f := large{at: yesterday, instead: func(p string, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", clock.Add(off).Format(http.TimeFormat))
			if p == "repos/acme/r0/pulls" {
				fmt.Fprintf(w, `[{"number":1,"updated_at":%q}]`, updated.Format(time.RFC3339))
				return true
			}
			return false
		}}
		c := standIn(t, f, 1, &clock, nil)
		first := lookAt(t, c, clock, nil)
		if o := last(first); !o.OffsetOK || (o.Offset-off).Abs() > 2*time.Second {
			t.Errorf("a clock %v off is told as %v, %v", off, o.Offset, o.OffsetOK)
		}
		clock = clock.Add(5 * time.Minute)
		updated = clock.Add(off - time.Second)
		if n := len(lookAt(t, c, clock, first.Resume()).Of(evidence.ChangeMerge)); n != 1 {
			t.Errorf("with a clock %v off a request that was updated meanwhile is read %d times", off, n)
		}
	}
}

// TestRenamed follows a repository to its new address at the same server, goes
// on under the configured name, and says so.
func TestRenamed(t *testing.T) {
	clock := now
	f := large{at: yesterday}
	serve := f
	f.instead = func(p string, w http.ResponseWriter, r *http.Request) bool {
		if below, ok := strings.CutPrefix(p, "repos/acme/r0"); ok {
			to := *r.URL
			to.Path = "/api/v3/repositories/1000" + below
			http.Redirect(w, r, to.RequestURI(), http.StatusMovedPermanently)
			return true
		}
		below, ok := strings.CutPrefix(p, "repositories/1000")
		if !ok {
			return false
		}
		if below == "" {
			fmt.Fprint(w, `{"id":1000,"full_name":"acme/renamed","default_branch":"main"}`)
			return true
		}
		body, ok := serve.repo(0, strings.TrimPrefix(below, "/"))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, body)
		return true
	}
	rec := lookAt(t, standIn(t, f, 1, &clock, nil), clock, nil)
	o := last(rec)
	if o.Incomplete != "" || !slices.ContainsFunc(o.Notes, func(n string) bool { return strings.Contains(n, "renamed or moved") }) {
		t.Errorf("incomplete %q, notes %q", o.Incomplete, o.Notes)
	}
	plain := lookAt(t, standIn(t, large{at: yesterday}, 1, &clock, nil), clock, nil)
	if len(rec.Drafts) != len(plain.Drafts) || len(plain.Drafts) == 0 {
		t.Errorf("%d drafts of a renamed repository, %d of one that is not", len(rec.Drafts), len(plain.Drafts))
	}
	for i, d := range rec.Drafts {
		if d.Key != plain.Drafts[i].Key || d.Subject != plain.Drafts[i].Subject {
			t.Errorf("%s %s stands as %s %s", plain.Drafts[i].Key, plain.Drafts[i].Subject, d.Key, d.Subject)
		}
	}
}

// TestMovingPages lets a request be updated while the list is read: it comes on
// both pages, pushes another down, and none is lost or doubled.
func TestMovingPages(t *testing.T) {
	clock := now
	at := func(hours int) string { return now.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339) }
	item := func(n int, when string) string { return fmt.Sprintf(`{"number":%d,"updated_at":%q}`, n, when) }
	moved := false
	f := large{at: yesterday, instead: func(p string, w http.ResponseWriter, r *http.Request) bool {
		n := 0
		if _, err := fmt.Sscanf(p, "repos/acme/r0/pulls/%d", &n); err == nil {
			below := strings.TrimPrefix(p, fmt.Sprintf("repos/acme/r0/pulls/%d", n))
			body, _ := large{at: yesterday}.repo(0, "pulls/1"+below)
			fmt.Fprint(w, strings.Replace(body, `"number":1,`, fmt.Sprintf(`"number":%d,`, n), 1))
			return true
		}
		if p != "repos/acme/r0/pulls" {
			return false
		}
		switch page := r.URL.Query().Get("page"); {
		case page == "" && !moved:
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s&page=2>; rel="next"`, r.Host, r.URL.Path, r.URL.RawQuery))
			fmt.Fprintf(w, "[%s,%s]", item(4, at(1)), item(3, at(2)))
			moved = true // number 1 is updated now: 4, 3 and 2 move down by one
		case page == "":
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s&page=2>; rel="next"`, r.Host, r.URL.Path, r.URL.RawQuery))
			fmt.Fprintf(w, "[%s,%s]", item(1, now.Format(time.RFC3339)), item(4, at(1)))
		default:
			fmt.Fprintf(w, "[%s,%s]", item(3, at(2)), item(2, at(3)))
		}
		return true
	}}
	c := standIn(t, f, 1, &clock, nil)
	first := lookAt(t, c, clock, nil)
	numbers := func(rec *collectortest.Recorder) (ns []int) {
		for _, d := range rec.Of(evidence.ChangeMerge) {
			ns = append(ns, factsOf[evidence.MergeFacts](t, d).Number)
		}
		return ns
	}
	if got := numbers(first); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("first look reads %v, want 2, 3 and 4 once each", got)
	}
	clock = clock.Add(5 * time.Minute)
	if got := numbers(lookAt(t, c, clock, first.Resume())); !slices.Equal(got, []int{1}) {
		t.Errorf("second look reads %v, want the request that moved", got)
	}
}

// TestNewWords lets the source use words that are newer than the program, leave
// out what is optional, and name nobody where an account was deleted: nothing of
// it ends a look, none of it is taken for something good, and the bytes stay.
func TestNewWords(t *testing.T) {
	clock := now
	sha := fmt.Sprintf("%040x", 1)
	answers := map[string]string{
		"pulls/1":                        `{"number":1,"state":"simmering","head":{"sha":"` + sha + `","repo":null},"base":{},"user":null,"merged_by":null,"newer":{"kept":1}}`,
		"pulls/1/reviews":                `[{"id":5,"user":null,"state":"PONDERED","commit_id":null},{"id":6,"state":"APPROVED","user":null,"submitted_at":"2026-03-02T10:00:00Z"}]`,
		"pulls/1/commits":                `[]`,
		"pulls/1/files":                  `[{"filename":"x","status":"transmuted"}]`,
		"commits/" + sha + "/check-runs": `{"total_count":2,"check_runs":[{"id":1,"status":"dreaming","conclusion":null},{"id":2,"status":"completed","conclusion":"marvellous"}]}`,
		"commits/" + sha + "/statuses":   `[{"id":3,"state":"marvellous","creator":null}]`,
		"actions/runs":                   `{"total_count":1,"workflow_runs":[{"id":3,"event":"telepathy","status":"completed","conclusion":"marvellous","head_sha":"` + sha + `","created_at":"` + yesterday + `","actor":null}]}`,
		"deployments/4/statuses":         `[{"id":1,"state":"marvellous"}]`,
		"deployments":                    `[{"id":4,"sha":"` + sha + `","created_at":"` + yesterday + `","creator":null}]`,
		"activity":                       `[{"id":6,"before":"` + sha5 + `","after":"` + sha + `","timestamp":"` + yesterday + `","activity_type":"teleport","actor":null}]`,
		"rulesets/rule-suites":           `[{"id":7,"pushed_at":"` + yesterday + `","result":"marvellous","after_sha":"` + sha + `"}]`,
		"collaborators":                  `[{"id":2,"role_name":"wizard"}]`,
		"teams":                          `[{"id":9,"slug":"t","permission":"wizard","permissions":{}}]`,
		"keys":                           `[{"id":8}]`,
		"rules/branches/main":            `[{"type":"incantation","ruleset_id":7}]`,
		"rulesets/7":                     `{"id":7,"enforcement":"moonlight"}`,
		"branches/main/protection":       `{"spell":true}`,
	}
	f := large{at: yesterday, instead: func(p string, w http.ResponseWriter, _ *http.Request) bool {
		body, ok := answers[strings.TrimPrefix(p, "repos/acme/r0/")]
		if ok {
			fmt.Fprint(w, body)
		}
		return ok
	}}
	rec := lookAt(t, standIn(t, f, 1, &clock, nil), clock, nil)
	if o := last(rec); o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
	for _, d := range rec.Drafts {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", d.Key, err)
		}
	}
	merge := factsOf[evidence.MergeFacts](t, rec.Of(evidence.ChangeMerge)[0])
	if merge.State != "simmering" || merge.Author != -1 || merge.Merger != -1 || len(merge.Reviews) != 2 || merge.Reviews[0].State != "other" || merge.Reviews[1].Person != -1 {
		t.Errorf("request %+v", merge)
	}
	if raw := string(rec.Of(evidence.ChangeMerge)[0].Raw); !strings.Contains(raw, `"newer":{"kept":1}`) {
		t.Errorf("raw %s", raw)
	}
	if fs := merge.Files; len(fs) != 1 || fs[0].Status != "modified" {
		t.Errorf("files %+v", fs)
	}
	for _, d := range rec.Of(evidence.PipelineCheck) {
		if c := factsOf[evidence.CheckFacts](t, d); c.Status != "unknown" {
			t.Errorf("check %+v", c)
		}
	}
	if r := factsOf[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0]); r.Status != "unknown" || r.Native != "completed/marvellous" || r.Actor != -1 || r.Trigger != -1 {
		t.Errorf("run %+v", r)
	}
	if r := factsOf[evidence.ReleaseFacts](t, rec.Of(evidence.DeployRelease)[0]); r.Status != "unknown" || r.Actor != -1 {
		t.Errorf("deployment %+v", r)
	}
	audits := rec.Of(evidence.AccessAudit)
	if a := factsOf[evidence.AuditFacts](t, audits[0]); a.Action != "ref.teleport" || a.Who != -1 {
		t.Errorf("activity %+v", a)
	}
	if a := factsOf[evidence.AuditFacts](t, audits[1]); a.Outcome != "unknown" || a.Who != -1 {
		t.Errorf("rule suite %+v", a)
	}
	for _, d := range rec.Of(evidence.AccessMember) {
		if m := factsOf[evidence.MemberFacts](t, d); m.Level == "repository" && m.Rank != "none" && m.Rank != "unknown" {
			t.Errorf("member %+v", m)
		}
	}
	g := factsOf[evidence.ProtectionFacts](t, rec.Of(evidence.ChangeProtection)[0])
	if g.Protected || g.Classic != "yes" || len(g.Rulesets) != 1 || g.Rulesets[0].Enforcement != "moonlight" {
		t.Errorf("guard %+v", g)
	}
}
