package gitlab

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

// TestIdle looks at 200 projects, each with a request, a pipeline and a
// deployment, in which nothing happened since: a look costs three requests for
// each and says so.
func TestIdle(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects, c.Groups = nil, []string{"acme"} })
	f.set("groups/acme", obj{"id": 9, "full_path": "acme"})
	const n = 200
	f.set("groups/9/projects", func(r *http.Request) any {
		from := 0
		if r.URL.Query().Get("page") == "2" {
			from = 100
		}
		var list []obj
		for i := from; i < from+100; i++ {
			list = append(list, f.project(100+i, fmt.Sprintf("acme/p%d", i), now.Add(-48*time.Hour)))
		}
		if from == 0 {
			return paged{list, "2"}
		}
		return list
	})
	at := now.Add(-48 * time.Hour).Format(time.RFC3339)
	for i := range n {
		f.branch(100+i, "main", sha1, sha1)
		p := fmt.Sprintf("projects/%d/", 100+i)
		f.set(p+"merge_requests", []obj{{"iid": 1, "updated_at": at}})
		f.set(p+"merge_requests/1", obj{"iid": 1, "state": "opened", "sha": sha1, "updated_at": at, "created_at": at, "author": obj{"id": 3, "username": "a"}})
		f.set(p+"merge_requests/1/approvals", obj{"approvals_required": 0, "approved_by": []obj{}})
		f.set(p+"pipelines", []obj{{"id": 2, "updated_at": at}})
		f.set(p+"pipelines/2", obj{"id": 2, "sha": sha1, "status": "success", "updated_at": at, "created_at": at})
		f.set(p+"deployments", []obj{{"id": 4, "updated_at": at}})
		f.set(p+"deployments/4", obj{"id": 4, "sha": sha1, "status": "success", "updated_at": at, "created_at": at, "environment": obj{"name": "production"}})
	}
	// The server tags its answers: what did not change comes as 304.
	counted := collectortest.NewConditional(f)
	srv := httptest.NewServer(counted)
	t.Cleanup(srv.Close)
	f.cfg.URL = srv.URL
	col := f.collector()
	look := func(resume []byte) *collectortest.Recorder {
		t.Helper()
		rec := &collectortest.Recorder{}
		if err := col.Poll(t.Context(), evidence.Period{To: f.clock}, resume, rec); err != nil {
			t.Fatal(err)
		}
		return rec
	}
	first := look(nil)
	if got, same := counted.Counts(); got > 29*n+8 || same > 0 {
		t.Errorf("the first look at %d projects made %d requests, of which %d were answered 304", n, got, same)
	} else {
		t.Logf("first look: %d requests", got)
	}
	if got := len(first.Of(evidence.PipelineRun)) + len(first.Of(evidence.DeployRelease)) + len(first.Of(evidence.ChangeMerge)); got != 3*n {
		t.Errorf("the first look found %d requests, pipelines and deployments, want %d", got, 3*n)
	}
	f.clock = now.Add(5 * time.Minute)
	second := look(first.Resume())
	got, same := counted.Counts()
	t.Logf("quiet look: %d requests, %d of them answered 304", got, same)
	if o := last(second).Requests; o != got {
		t.Errorf("the observation tells %d requests, %d were made", o, got)
	}
	if want := 3*n + 6; got != want {
		t.Errorf("a quiet look at %d projects made %d requests, want %d", n, got, want)
	}
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.PipelineRun, evidence.DeployRelease, evidence.AccessAudit} {
		if c := claimed(second, k); c != " continuous 03T12:00..03T12:05" {
			t.Errorf("%s: claimed %q", k, c)
		}
	}
	if c := claimed(second, evidence.AccessMember); c != "" {
		t.Errorf("members were not looked at, claimed %q", c)
	}
	f.clock = now.Add(6*time.Hour + time.Minute)
	third := look(second.Resume())
	got, same = counted.Counts()
	t.Logf("look at settings: %d requests, %d of them answered 304", got, same)
	if want := 14*n + 8; got > want {
		t.Errorf("a quiet look at the settings too made %d requests, want %d at most", got, want)
	}
	if c := claimed(third, evidence.AccessMember); c != " instants 03T18:01..03T18:01" {
		t.Errorf("members: claimed %q", c)
	}
}

// paged is a list with a next page.
type paged struct {
	list []obj
	next string
}

// TestFullLook finds, once a day, what the activity date did not tell of, and
// says that it was not seen when it happened.
func TestFullLook(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/acme/app", f.project(5, "acme/app", now.Add(-48*time.Hour)))
	first := f.must(nil)
	f.clock = now.Add(time.Hour)
	f.branch(5, "main", sha2, sha2)
	f.set("projects/5/repository/merge_base", commitOf(sha1))
	quiet := f.must(first.Resume())
	if n := len(quiet.Of(evidence.ChangeCommit)); n != 0 {
		t.Fatalf("a quiet project was read: %d commits", n)
	}
	f.clock = now.Add(24 * time.Hour)
	full := f.must(quiet.Resume())
	if n := len(full.Of(evidence.ChangeCommit)); n != 1 {
		t.Fatalf("the full look brought %d commits, want 1", n)
	}
	if c := claimed(full, evidence.ChangeCommit); c != " reconstructed 03T13:00..04T12:00" {
		t.Errorf("claimed %q", c)
	}
	// An event that the date tells of is no news of that sort.
	f.clock = now.Add(25 * time.Hour)
	f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
	f.branch(5, "main", sha3, sha3)
	f.set("projects/5/repository/merge_base", commitOf(sha2))
	if c := claimed(f.must(full.Resume()), evidence.ChangeCommit); c != " continuous 04T12:00..04T13:00" {
		t.Errorf("claimed %q", c)
	}
}

// TestActivityLag: the server writes the activity date once an hour at most, so
// a project is quiet only when it was read well after that date.
func TestActivityLag(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/acme/app", f.project(5, "acme/app", now.Add(-30*time.Minute)))
	first := f.must(nil)
	f.clock = now.Add(5 * time.Minute)
	f.requests()
	f.must(first.Resume())
	if !slices.ContainsFunc(f.requests(), func(s string) bool { return strings.HasPrefix(s, "projects/5/repository/branches/main") }) {
		t.Error("a project active half an hour ago was taken for quiet")
	}
}

// TestRewrites tells a branch that moved on from one that was rewritten, one
// whose old head is gone, and one that is deleted.
func TestRewrites(t *testing.T) {
	begin := func(t *testing.T) (*fake, []byte) {
		f := newFake(t, func(c *Config) { c.Branches = []string{"main", "next"} })
		f.branch(5, "next", sha1, sha1)
		rec := f.must(nil)
		f.clock = now.Add(5 * time.Minute)
		return f, rec.Resume()
	}
	t.Run("forward", func(t *testing.T) {
		f, resume := begin(t)
		f.branch(5, "main", sha2, sha2)
		f.set("projects/5/repository/merge_base", commitOf(sha1))
		f.requests()
		rec := f.must(resume)
		if len(rec.Of(evidence.ChangeRewrite)) != 0 || len(rec.Of(evidence.ChangeCommit)) != 1 {
			t.Errorf("%d rewrites, %d commits", len(rec.Of(evidence.ChangeRewrite)), len(rec.Of(evidence.ChangeCommit)))
		}
		if !slices.ContainsFunc(f.requests(), func(s string) bool { return strings.Contains(s, "ref_name="+sha1+".."+sha2) }) {
			t.Error("the commits between the heads were not asked for by ancestry")
		}
	})
	t.Run("rewritten", func(t *testing.T) {
		f, resume := begin(t)
		f.branch(5, "main", sha2, sha2)
		f.set("projects/5/repository/merge_base", commitOf(sha3))
		rec := f.must(resume)
		rw := rec.Of(evidence.ChangeRewrite)
		if len(rw) != 1 {
			t.Fatalf("%d rewrites", len(rw))
		}
		want := evidence.RewriteFacts{Repo: "acme/app", Ref: "refs/heads/main", Before: sha1, After: sha2, Lost: []string{sha2}}
		if d := cmp.Diff(want, facts[evidence.RewriteFacts](t, rw[0])); d != "" {
			t.Errorf("rewrite (-want +got):\n%s", d)
		}
		if c := claimed(rec, evidence.ChangeCommit); !strings.Contains(c, "reconstructed") {
			t.Errorf("claimed %q", c)
		}
	})
	t.Run("gone", func(t *testing.T) {
		f, resume := begin(t)
		f.branch(5, "main", sha2, sha2)
		f.set("projects/5/repository/commits/"+sha2, commitOf(sha2))
		rec := f.must(resume)
		if n := len(rec.Of(evidence.ChangeRewrite)); n != 1 {
			t.Errorf("%d rewrites", n)
		}
		if c := claimed(rec, evidence.ChangeCommit); !strings.Contains(c, "blind") {
			t.Errorf("claimed %q", c)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		f, resume := begin(t)
		f.set("projects/5/repository/branches/next", refusal{status: 404})
		f.set("projects/5/repository/branches", []obj{{"name": "main"}})
		rec := f.must(resume)
		ended := map[evidence.Kind]int{}
		for _, d := range rec.Drafts {
			if d.Op == evidence.OpEnd {
				ended[d.Kind]++
			}
		}
		if ended[evidence.ChangeRef] != 1 || ended[evidence.ChangeProtection] != 1 || len(rec.Of(evidence.ChangeRewrite)) != 1 {
			t.Errorf("ended %v, %d rewrites", ended, len(rec.Of(evidence.ChangeRewrite)))
		}
		f.set("projects/5/repository/branches", refusal{status: 403})
		if _, err := f.poll(resume); err == nil {
			t.Error("a branch that cannot be told from a hidden one counts as deleted")
		}
	})
}

// TestRename: a project keeps its identity, and what stands under its old path
// ends unless another project has taken the path.
func TestRename(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects, c.Groups = nil, []string{"acme"} })
	f.set("groups/acme", obj{"id": 9, "full_path": "acme"})
	f.set("groups/9/projects", []obj{f.project(5, "acme/app", now)})
	first := f.must(nil)
	f.clock = now.Add(5 * time.Minute)
	f.set("groups/9/projects", []obj{f.project(5, "acme/new", now)})
	rec := f.must(first.Resume())
	old := evidence.NewRef("project", "acme", "acme/app")
	ended := map[evidence.Kind]bool{}
	for _, c := range rec.Completed {
		if c.Scope == old {
			ended[c.Kind] = true
		}
	}
	if len(ended) != 3 {
		t.Errorf("states under the old path end for %v", ended)
	}
	if got := rec.Of(evidence.ChangeRef)[0].Subject.String(); got != "branch:acme/acme/new@main" {
		t.Errorf("the branch is called %s", got)
	}
	if rec.Of(evidence.ChangeProtection)[0].Key != "5@main" {
		t.Error("settings were not read anew under the new path")
	}
	if d := cmp.Diff(last(first).Sees, last(rec).Sees); d != "" {
		t.Errorf("a rename looks like a loss of sight:\n%s", d)
	}
	f.set("groups/9/projects", []obj{f.project(5, "acme/new", now), f.project(6, "acme/app", now)})
	f.branch(6, "main", sha1, sha1)
	for _, c := range f.must(first.Resume()).Completed {
		if c.Scope == old && c.Kind == evidence.ChangeRef {
			t.Error("the path was taken by another project, and its states end all the same")
		}
	}
}

// TestAuditWindows asks for 30 days at a time and survives a lost next link.
func TestAuditWindows(t *testing.T) {
	f := newFake(t, func(c *Config) { c.History = 70 * day })
	all := 250
	event := func(i int) obj {
		return obj{"id": 1000 + i, "author_id": 3, "entity_id": 5, "entity_type": "Project", "event_name": "x", "created_at": now.Add(-time.Duration(all-i) * time.Hour).Format(time.RFC3339), "details": obj{}}
	}
	var windows []string
	f.set("projects/5/audit_events", func(r *http.Request) any {
		q := r.URL.Query()
		from, err1 := time.Parse(time.RFC3339, q.Get("created_after"))
		to, err2 := time.Parse(time.RFC3339, q.Get("created_before"))
		if err1 != nil || err2 != nil || q.Get("pagination") != "keyset" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		if to.Sub(from) > 30*day {
			t.Errorf("a window of %s", to.Sub(from))
		}
		windows = append(windows, q.Get("created_after"))
		list := []obj{}
		for i := all - 1; i >= 0 && len(list) < 100; i-- {
			at := now.Add(-time.Duration(all-i) * time.Hour)
			if !at.Before(from) && !at.After(to) {
				list = append(list, event(i))
			}
		}
		return list // never with a Link
	})
	rec := f.must(nil)
	if n := len(rec.Of(evidence.AccessAudit)); n != all {
		t.Errorf("%d events, want %d", n, all)
	}
	slices.Sort(windows)
	if n := len(slices.Compact(windows)); n != 3 {
		t.Errorf("%d windows, want 3: %v", n, windows)
	}
	f.clock = now.Add(5 * time.Minute)
	windows = nil
	again := f.must(rec.Resume())
	if len(windows) != 1 || windows[0] != now.Add(-auditLag).Format(time.RFC3339) {
		t.Errorf("the second look asked %v", windows)
	}
	if c := claimed(again, evidence.AccessAudit); c != " continuous 03T12:00..03T12:05" {
		t.Errorf("claimed %q", c)
	}
}

// TestTier: what an edition does not have is a blind window that goes on from
// look to look, never an empty list, and losing it makes the run partial.
func TestTier(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/audit_events", refusal{status: 403})
	first := f.must(nil)
	if c := claimed(first, evidence.AccessAudit); c != " blind 03T12:00..03T12:00" {
		t.Errorf("claimed %q", c)
	}
	f.clock = now.Add(5 * time.Minute)
	second := f.must(first.Resume())
	if c := claimed(second, evidence.AccessAudit); c != " blind 03T12:00..03T12:05" {
		t.Errorf("claimed %q", c)
	}
	if last(second).Incomplete != "" {
		t.Errorf("incomplete: %s", last(second).Incomplete)
	}
	f.set("projects/5/audit_events", []obj{})
	f.clock = now.Add(10 * time.Minute)
	third := f.must(second.Resume())
	f.set("projects/5/audit_events", refusal{status: 404})
	f.clock = now.Add(15 * time.Minute)
	lost := f.must(third.Resume())
	if !strings.Contains(last(lost).Incomplete, "can be read no longer") {
		t.Errorf("incomplete: %q", last(lost).Incomplete)
	}
	if c := claimed(lost, evidence.AccessAudit); c != " blind 03T12:10..03T12:15" {
		t.Errorf("claimed %q", c)
	}
}

// TestMembersHidden: a list that is hidden ends nothing, and one that was
// readable before is missed.
func TestMembersHidden(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/access_tokens", refusal{status: 403})
	rec := f.must(nil)
	completed := func() bool {
		return slices.ContainsFunc(rec.Completed, func(c collectortest.Completed) bool { return c.Kind == evidence.AccessMember })
	}
	if !completed() {
		t.Error("tokens were never seen: the list of what was is full")
	}
	f.set("projects/5/deploy_keys", refusal{status: 403})
	f.clock = now.Add(7 * time.Hour)
	rec = f.must(rec.Resume())
	if completed() || !strings.Contains(last(rec).Incomplete, "deploy keys") {
		t.Errorf("completed %v, incomplete %q", completed(), last(rec).Incomplete)
	}
	f.set("projects/5/members", refusal{status: 403})
	f.clock = now.Add(14 * time.Hour)
	if rec = f.must(rec.Resume()); completed() {
		t.Error("hidden members are a full list")
	}
}

// TestChildren reads a child pipeline again until it has ended, although the
// list of pipelines does not show it.
func TestChildren(t *testing.T) {
	f := newFake(t, nil)
	pipe := func(id int, status, source string) obj {
		return obj{"id": id, "iid": id, "sha": sha1, "ref": "main", "status": status, "source": source, "created_at": now.Add(-time.Hour), "updated_at": now.Add(-time.Hour)}
	}
	child := pipe(71, "running", "parent_pipeline")
	child["project_id"] = 5
	f.set("projects/5/pipelines", []obj{pipe(70, "success", "push")})
	f.set("projects/5/pipelines/70", pipe(70, "success", "push"))
	f.set("projects/5/pipelines/70/bridges", []obj{{"id": 1, "name": "child", "status": "success", "downstream_pipeline": child}})
	f.set("projects/5/pipelines/71", child)
	rec := f.must(nil)
	if got := len(rec.Of(evidence.PipelineRun)); got != 2 {
		t.Fatalf("%d pipelines", got)
	}
	f.set("projects/5/pipelines", []obj{})
	f.set("projects/5/pipelines/71", pipe(71, "failed", "parent_pipeline"))
	f.clock = now.Add(5 * time.Minute)
	rec = f.must(rec.Resume())
	runs := rec.Of(evidence.PipelineRun)
	if len(runs) != 1 {
		t.Fatalf("%d pipelines, want the child alone", len(runs))
	}
	if p := facts[evidence.PipelineFacts](t, runs[0]); p.Parent != "70" || p.Status != "failure" {
		t.Errorf("child %+v", p)
	}
	f.clock = now.Add(10 * time.Minute)
	if rec = f.must(rec.Resume()); len(rec.Of(evidence.PipelineRun)) != 0 {
		t.Error("a child that has ended is read again")
	}
}

// TestVanished notices a pipeline that was deleted at the source, in a quiet
// project and in a busy one.
func TestVanished(t *testing.T) {
	for name, activity := range map[string]time.Time{"quiet": now.Add(-48 * time.Hour), "busy": now.Add(26 * time.Hour)} {
		f := newFake(t, nil)
		f.set("projects/acme/app", f.project(5, "acme/app", activity))
		rec := f.must(nil)
		pipe := func(id int) obj {
			return obj{"id": id, "sha": sha1, "status": "success", "updated_at": now.Add(time.Minute)}
		}
		f.set("projects/5/pipelines", []obj{pipe(71), pipe(70)})
		f.set("projects/5/pipelines/70", pipe(70))
		f.set("projects/5/pipelines/71", pipe(71))
		f.clock = now.Add(5 * time.Minute)
		rec = f.must(rec.Resume())
		f.set("projects/5/pipelines", []obj{pipe(71)})
		f.set("projects/5/pipelines/70", refusal{status: 404})
		f.clock = now.Add(25 * time.Hour)
		rec = f.must(rec.Resume())
		told := slices.DeleteFunc(last(rec).Notes, func(n string) bool { return !strings.Contains(n, "was deleted") })
		if len(told) != 1 || !strings.Contains(told[0], "pipeline 70 ") {
			t.Errorf("%s: notes %q", name, told)
		}
		f.clock = now.Add(50 * time.Hour)
		rec = f.must(rec.Resume())
		if slices.ContainsFunc(last(rec).Notes, func(n string) bool { return strings.Contains(n, "was deleted") }) {
			t.Errorf("%s: told twice", name)
		}
	}
}

// TestHidden: a project that became hidden does not hold up the others, and
// nothing is claimed for the whole source.
func TestHidden(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects = []string{"acme/app", "acme/gone"} })
	rec := f.must(nil)
	if !strings.Contains(last(rec).Incomplete, "project acme/gone") {
		t.Errorf("incomplete: %q", last(rec).Incomplete)
	}
	for _, k := range []evidence.Kind{evidence.ChangeMerge, evidence.AccessMember} {
		if c := claimed(rec, k); !strings.Contains(c, "project:acme/acme/app ") || !strings.Contains(c, "project:acme/acme/gone blind ") {
			t.Errorf("%s: claimed %q", k, c)
		}
	}
	f.set("projects/acme/app", refusal{status: 404})
	if _, err := f.poll(nil); !problem.Is(err, problem.NotFound) {
		t.Errorf("nothing is visible: %v", err)
	}
}

// TestSubgroups reads the members and events of the groups below, and of the
// chosen paths only those that hold a chosen project.
func TestSubgroups(t *testing.T) {
	f := newFake(t, func(c *Config) {
		c.Projects, c.Groups, c.Include = nil, []string{"acme"}, []string{"acme/one", "acme/two/app"}
	})
	f.set("groups/acme", obj{"id": 9, "full_path": "acme"})
	f.set("groups/9/projects", []obj{f.project(5, "acme/two/app", now), f.project(6, "acme/two/other", now)})
	f.set("groups/9/descendant_groups", []obj{{"id": 13, "full_path": "acme/three"}, {"id": 12, "full_path": "acme/two"}, {"id": 11, "full_path": "acme/one/deep"}})
	f.set("groups/12/members/all", refusal{200, map[string]string{"X-Total": "2"}, `[{"id":3,"access_level":30}]`})
	rec := f.must(nil)
	if d := cmp.Diff([]string{"group 9", "group 11", "group 12", "project 5"}, last(rec).Sees); d != "" {
		t.Errorf("sees (-want +got):\n%s", d)
	}
	for _, c := range rec.Completed {
		if c.Scope.Name == "acme/two" {
			t.Error("a list of members is complete although the source counts more")
		}
	}
}

// TestEnvironments reads deployments to the chosen environments only, and
// counts all of them.
func TestEnvironments(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Environments = []string{"production"} })
	dep := func(id int, env string) obj {
		return obj{"id": id, "sha": sha1, "status": "success", "created_at": now.Add(-time.Hour), "updated_at": now.Add(-time.Hour), "environment": obj{"name": env}}
	}
	f.set("projects/5/deployments", []obj{dep(1, "production"), dep(2, "review/x")})
	f.set("projects/5/deployments/1", dep(1, "production"))
	rec := f.must(nil)
	ds := rec.Of(evidence.DeployRelease)
	if len(ds) != 1 || facts[evidence.ReleaseFacts](t, ds[0]).Environment != "production" {
		t.Errorf("%d deployments", len(ds))
	}
	if slices.ContainsFunc(f.requests(), func(s string) bool { return strings.HasPrefix(s, "projects/5/deployments/2") }) {
		t.Error("a deployment that is not asked for was read")
	}
}

// TestReconcile sets the source's totals beside ours.
func TestReconcile(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/deployments", refusal{status: 200, header: map[string]string{"X-Total": "3"}, body: `[]`})
	f.set("projects/5/pipelines", refusal{status: 200, body: `[]`}) // more than 10,000 items have no total
	got := map[string]int64{}
	for _, c := range last(f.must(nil)).Counts {
		got[c.What] = c.Source - c.Ours
	}
	if d := cmp.Diff(map[string]int64{"deployments of project 5": 3}, got); d != "" {
		t.Errorf("differences (-want +got):\n%s", d)
	}
}

// TestFaults injects what GitLab says when something is wrong.
func TestFaults(t *testing.T) {
	list := "projects/5/merge_requests"
	tests := []struct {
		name string
		path string
		with refusal
		code problem.Code
		at   time.Time // when it wants to be asked again
	}{
		{name: "limit with a reset in two hours", path: list, with: refusal{429, map[string]string{"RateLimit-Reset": fmt.Sprint(now.Add(2 * time.Hour).Unix())}, `{}`}, code: problem.Throttled, at: now.Add(2*time.Hour + time.Second)},
		{name: "limit with a reset next year", path: list, with: refusal{429, map[string]string{"RateLimit-Reset": fmt.Sprint(now.Add(365 * day).Unix())}, `{}`}, code: problem.Throttled, at: now.Add(day)},
		{name: "limit with nothing but words", path: list, with: refusal{status: 429, body: "Retry later\n"}, code: problem.Throttled, at: now.Add(time.Minute)},
		{name: "bad gateway", path: list, with: refusal{status: 502, body: "<html>"}, code: problem.Source},
		{name: "unauthorised", path: list, with: refusal{status: 401, body: `{"message":"401 Unauthorized"}`}, code: problem.Credential},
		{name: "expired", path: "personal_access_tokens/self", with: refusal{status: 401, body: `{"error":"invalid_token","error_description":"Token is expired. You can either do re-authorization or token refresh."}`}, code: problem.Credential},
		{name: "became private", path: "projects/acme/app", with: refusal{status: 404}, code: problem.NotFound},
		{name: "scope too small", path: "projects/acme/app", with: refusal{status: 403, body: `{"error":"insufficient_scope"}`}, code: problem.Credential},
		{name: "cut in a list", path: list, with: refusal{status: 200, body: `[{"iid":1,"updated_at":"2026-03-03T10:00:00Z"}`}, code: problem.Source},
		{name: "login page", path: list, with: refusal{status: 200, body: `<html>`}, code: problem.Source},
		{name: "null for a list", path: list, with: refusal{status: 200, body: `null`}, code: problem.Source},
		{name: "page without end", path: list, with: refusal{200, map[string]string{"X-Next-Page": "1"}, `[]`}, code: problem.Source},
		{name: "next page is no number", path: list, with: refusal{200, map[string]string{"X-Next-Page": "x"}, `[]`}, code: problem.Source},
		{name: "next link to itself", path: list, with: refusal{200, map[string]string{"Link": `</api/v4/x?cursor=1>; rel="next"`}, `[]`}, code: problem.Source},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, nil)
			f.set(tt.path, tt.with)
			_, err := f.poll(nil)
			if !problem.Is(err, tt.code) {
				t.Fatalf("got %v, want code %v", err, tt.code)
			}
			if at, ok := fetch.RetryAt(err); ok != !tt.at.IsZero() || ok && at.Sub(tt.at).Abs() > time.Second {
				t.Errorf("come back at %v, want %v", at, tt.at)
			}
			if strings.Contains(err.Error(), "a-token-of-the-test") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// TestForeignLink: a next link to another server ends the list with an error,
// although its query would do at ours.
func TestForeignLink(t *testing.T) {
	for link, fine := range map[string]bool{"https://elsewhere.example/api/v4/x?cursor=1": false, "URL/api/v4/x?cursor=1": true} {
		f := newFake(t, nil)
		f.set("projects/5/merge_requests", func(r *http.Request) any {
			if r.URL.Query().Get("cursor") != "" {
				return []obj{}
			}
			return refusal{200, map[string]string{"Link": "<" + strings.Replace(link, "URL", f.url, 1) + `>; rel="next"`}, `[]`}
		})
		if _, err := f.poll(nil); fine != (err == nil) {
			t.Errorf("%s: got %v", link, err)
		}
	}
}

// TestOneProjectFails: the others go on, and nothing is claimed for the whole.
func TestOneProjectFails(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects = []string{"acme/app", "acme/bad"} })
	f.set("projects/acme/bad", f.project(6, "acme/bad", now))
	f.set("projects/6/repository/branches/main", refusal{status: 500})
	rec := f.must(nil)
	if !strings.Contains(last(rec).Incomplete, "acme/bad") {
		t.Errorf("incomplete: %q", last(rec).Incomplete)
	}
	if c := claimed(rec, evidence.ChangeMerge); !strings.HasPrefix(c, "project:acme/acme/app ") {
		t.Errorf("claimed %q", c)
	}
	cur, err := readCursor(rec.Resume())
	if err != nil {
		t.Fatal(err)
	}
	if !cur.Looked.IsZero() || !cur.Projects["6"].Read.IsZero() || cur.Projects["5"].Read.IsZero() {
		t.Errorf("position %s", rec.Resume())
	}
	f.set("projects/5/repository/branches/main", refusal{status: 500})
	if _, err := f.poll(nil); err == nil {
		t.Error("no project could be read, and the run is no failure")
	}
}

// TestYoung: what was made since the last look is known from its beginning.
func TestYoung(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects, c.Groups = nil, []string{"acme"} })
	f.set("groups/acme", obj{"id": 9, "full_path": "acme"})
	f.set("groups/9/projects", []obj{f.project(5, "acme/app", now)})
	rec := f.must(nil)
	f.clock = now.Add(10 * time.Minute)
	young := f.project(6, "acme/young", f.clock)
	young["created_at"] = now.Add(5 * time.Minute)
	f.set("groups/9/projects", []obj{f.project(5, "acme/app", now), young})
	f.branch(6, "main", sha1, sha1)
	rec = f.must(rec.Resume())
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.AccessAudit} {
		if c := claimed(rec, k); c != " continuous 03T12:00..03T12:10" {
			t.Errorf("%s: claimed %q", k, c)
		}
	}
	if c := claimed(rec, evidence.AccessMember); c != "" {
		t.Errorf("only one of two was asked for members, claimed %q", c)
	}
}

func TestCursorRefuses(t *testing.T) {
	for _, s := range []string{
		``, `{}`, `{"v":2,"projects":{}}`, `{"v":1,"projects":{"x":{}}}`, `{"v":1,"projects":{"5":null}}`, `{"v":1,"projects":{},"other":1}`,
		`{"v":1,"projects":{}} {}`, `{"v":1,"projects":{"5":{"branches":{"main":{"head":"zz"}}}}}`, `{"v":1,"groups":{"9":null}}`,
		`{"v":1,"projects":{"5":{"branches":{"main":{"walk":{"head":"","page":0}}}}}}`,
	} {
		if _, err := readCursor([]byte(s)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%s: got %v", s, err)
		}
	}
}

// TestExamine tells readable, missing, absent and too much apart.
func TestExamine(t *testing.T) {
	f := newFake(t, nil)
	f.set("metadata", obj{"version": "17.8.1-ee", "enterprise": true})
	f.set("projects/5/repository/branches", []obj{})
	f.set("projects/5/push_rule", refusal{status: 404})
	f.set("projects/5/access_tokens", refusal{status: 403})
	f.set("projects/5/pipelines", []obj{{"id": 1, "created_at": "2025-02-03T04:05:06Z"}})
	f.set("personal_access_tokens/self", obj{"id": 7, "user_id": 8, "scopes": []string{"api", "read_repository"}, "expires_at": "2027-01-01", "active": true})
	c := f.collector()
	x, err := c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range x.Rights {
		got[r.Name] = string(r.Access)
		if r.Access != "readable" && r.Hint == "" {
			t.Errorf("%s: no hint", r.Name)
		}
	}
	want := map[string]string{
		"scope api": "excess", "scope read_api": "readable", "1 projects": "readable", "push rules of acme/app": "missing", "access tokens of acme/app": "missing",
		"audit events of acme/app": "readable", "approval rules of acme/app": "readable", "merge requests of acme/app": "readable",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %q, want %q", k, got[k], v)
		}
	}
	if x.Identity != "account 8, token 7" || x.Version != "17.8.1-ee" || x.Expires.Format("2006-01-02") != "2027-01-01" || x.Requests != len(f.requests()) {
		t.Errorf("examination %+v", x)
	}
	if len(x.Oldest) != 1 || x.Oldest[0].At.Year() != 2025 {
		t.Errorf("oldest %+v", x.Oldest)
	}

	f.set("metadata", obj{"version": "17.8.1", "enterprise": false})
	x, err = c.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range x.Rights {
		if r.Name == "push rules of acme/app" && r.Access != "absent" {
			t.Errorf("push rules of a free edition: %s", r.Access)
		}
	}

	f.set("personal_access_tokens/self", refusal{status: 401})
	if _, err = c.Examine(t.Context()); !problem.Is(err, problem.Credential) || !strings.Contains(problem.Of(err).Hint, "make a new one") {
		t.Errorf("a dead token: %v", err)
	}
	f.set("personal_access_tokens/self", refusal{status: 404})
	f.set("user", obj{"id": 8})
	f.set("projects/acme/app", refusal{status: 404})
	x, err = c.Examine(t.Context())
	if err != nil || x.Identity != "account 8" || len(x.Rights) != 2 || x.Rights[1].Access != "missing" {
		t.Errorf("a token that sees nothing: %+v, %v", x, err)
	}
}

func manyGroups(n int) (groups []string) {
	for i := range n {
		groups = append(groups, fmt.Sprintf("acme/team-%d", i))
	}
	return groups
}

func TestConfig(t *testing.T) {
	good := func() Config {
		c := *Spec().Config().(*Config)
		c.Groups, c.TokenFile = []string{"acme"}, "/token"
		return c
	}
	if c := good(); c.check() != nil {
		t.Errorf("%v", c.check())
	}
	for name, break_ := range map[string]func(*Config){
		"nothing":              func(c *Config) { c.Groups = nil },
		"a project without /":  func(c *Config) { c.Projects = []string{"acme"} },
		"a path with ..":       func(c *Config) { c.Groups = []string{"acme/../x"} },
		"a leading slash":      func(c *Config) { c.Groups = []string{"/acme"} },
		"twice":                func(c *Config) { c.Groups = []string{"acme", "ACME"} },
		"include alone":        func(c *Config) { c.Groups, c.Projects, c.Include = nil, []string{"a/b"}, []string{"a"} },
		"a pattern for branch": func(c *Config) { c.Branches = []string{"release/*"} },
		"branch twice":         func(c *Config) { c.Branches = []string{"main", "main"} },
		"empty environment":    func(c *Config) { c.Environments = []string{""} },
		"a home that is none":  func(c *Config) { c.Homes = []string{"acme/../x"} },
		"a home twice":         func(c *Config) { c.Homes = []string{"acme/ops", "ACME/ops"} },
		"too many homes":       func(c *Config) { c.Homes = manyGroups(201) },
		"no token":             func(c *Config) { c.TokenFile = "" },
		"negative overlap":     func(c *Config) { c.Overlap = -1 },
		"settings never":       func(c *Config) { c.SettingsEvery = 0 },
	} {
		c := good()
		break_(&c)
		if err := c.check(); !problem.Is(err, problem.Config) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	c := good()
	c.Include = []string{"acme/platform/", "acme/one"}
	for path, want := range map[string]bool{"acme/platform": true, "acme/platform/x/y": true, "acme/platformer": false, "Acme/One": true, "acme/two": false} {
		if c.includes(path) != want {
			t.Errorf("%s: included %v", path, !want)
		}
	}
}

// TestFailedProjectIsBlind: what is claimed of the others is not claimed for
// the owners of a project that could not be read.
func TestFailedProjectIsBlind(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects = []string{"acme/app", "acme/bad"} })
	f.set("projects/acme/bad", f.project(6, "acme/bad", now))
	f.branch(6, "main", sha1, sha1)
	first := f.must(nil)
	f.clock = now.Add(5 * time.Minute)
	f.set("projects/6/pipelines", refusal{status: 500})
	f.set("projects/acme/bad", f.project(6, "acme/bad", f.clock))
	rec := f.must(first.Resume())
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRewrite, evidence.ChangeMerge, evidence.PipelineRun, evidence.PipelineReport, evidence.DeployRelease, evidence.AccessAudit} {
		if c := claimed(rec, k); !strings.Contains(c, "project:acme/acme/bad blind 03T12:00..03T12:05") {
			t.Errorf("%s: claimed %q", k, c)
		}
	}
	if c := claimed(rec, evidence.AccessMember); c != "" {
		t.Errorf("members were not due, claimed %q", c)
	}
}

// TestBrokenReport: a report is what a job wrote. One that cannot be read is
// told, and keeps nothing else of the project from being read.
func TestBrokenReport(t *testing.T) {
	for name, body := range map[string]any{
		"no JSON": func(*http.Request) any { return "not a report" }, "of another form": obj{"vulnerabilities": "none"}, "a list": []obj{},
		"too large": obj{"vulnerabilities": []obj{}, "x": strings.Repeat("x", 33<<20)},
	} {
		f := newFake(t, nil)
		run := obj{"id": 70, "iid": 1, "sha": sha1, "ref": "main", "status": "success", "source": "push", "created_at": now.Add(-time.Hour), "updated_at": now.Add(-time.Hour)}
		f.set("projects/5/pipelines", []obj{run})
		f.set("projects/5/pipelines/70", run)
		f.set("projects/5/pipelines/70/jobs", []obj{{"id": 9, "name": "sast", "status": "success", "artifacts": []obj{{"file_type": "sast", "size": 10}}}})
		f.set("projects/5/jobs/9/artifacts/gl-sast-report.json", body)
		var resume []byte
		for look := 1; look <= 4; look++ {
			rec := f.must(resume)
			resume = rec.Resume()
			// It is asked for again, and given up in the end.
			if partial := last(rec).Incomplete != ""; partial != (look < maxTries) || (look <= maxTries) != (len(rec.Of(evidence.PipelineRun)) == 1) {
				t.Errorf("%s, look %d: incomplete %q, %d pipelines", name, look, last(rec).Incomplete, len(rec.Of(evidence.PipelineRun)))
			}
			if c := claimed(rec, evidence.PipelineReport); strings.Contains(c, "blind") != (look <= maxTries) {
				t.Errorf("%s, look %d: claimed %q", name, look, c)
			}
			if c := claimed(rec, evidence.DeployRelease); c == "" {
				t.Errorf("%s, look %d: the rest of the project was not read", name, look)
			}
			f.set("projects/5/pipelines", []obj{})
			f.clock = f.clock.Add(5 * time.Minute)
		}
	}
}

// TestNames: the server lets paths begin with a dot and nest deep.
func TestNames(t *testing.T) {
	deep := "acme" + strings.Repeat("/"+strings.Repeat("g", 200), 5)
	f := newFake(t, func(c *Config) { c.Projects, c.Groups = nil, []string{"acme"} })
	f.set("groups/acme", obj{"id": 9, "full_path": "acme"})
	f.set("groups/9/descendant_groups", []obj{{"id": 10, "full_path": "acme/.hidden"}})
	f.set("groups/9/projects", []obj{f.project(5, "acme/.profile", now), f.project(6, deep, now)})
	f.branch(6, "main", sha1, sha1)
	rec := f.must(nil)
	if o := last(rec); o.Incomplete != "" || len(o.Sees) != 4 || len(rec.Of(evidence.ChangeRef)) != 2 {
		t.Errorf("incomplete %q, sees %v", o.Incomplete, o.Sees)
	}
}
