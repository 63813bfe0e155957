package demo

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the forge tells of its pipelines and of who may do what. This
// organisation's plan has no audit log.

func ghNone(*http.Request) (int, any) { return http.StatusOK, list{} }

// runs are those that have begun, newest first.
func (p *Platform) runs() []*buildRun {
	var out []*buildRun
	for _, r := range p.builds.runs {
		if !r.started.After(p.now) {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out
}

// state is a run's status and conclusion by now, and when it last changed.
func (r *buildRun) state(now time.Time) (status string, conclusion any, updated time.Time) {
	if r.ended.After(now) {
		return "in_progress", nil, r.started
	}
	return "completed", r.conclusion, r.ended
}

func (p *Platform) runJSON(r *buildRun) map[string]any {
	status, conclusion, updated := r.state(p.now)
	actor := userJSON(r.by)
	name, _ := r.workflow()
	event, title, id := "push", "Build "+r.app+" "+r.version, 5501
	pulls := []any{}
	if r.pull != nil {
		event, title, id = "pull_request", r.pull.title, 5502
		pulls = append(pulls, map[string]any{"id": 70000 + r.pull.number, "number": r.pull.number, "url": p.api("/pulls/" + itoa(r.pull.number)),
			"head": map[string]any{"ref": r.branch, "sha": r.sha, "repo": map[string]any{"id": repoID, "name": p.world.Repo}},
			"base": map[string]any{"ref": mainBranch, "sha": r.pull.base.sha, "repo": map[string]any{"id": repoID, "name": p.world.Repo}}})
	}
	return map[string]any{"id": r.id, "name": name, "path": ".github/workflows/" + name + ".yaml", "run_number": r.number, "run_attempt": 1, "event": event,
		"head_branch": r.branch, "head_sha": r.sha, "status": status, "conclusion": conclusion, "workflow_id": id, "check_suite_id": r.id + 1,
		"display_title": title, "actor": actor, "triggering_actor": actor, "pull_requests": pulls,
		"created_at": r.started, "run_started_at": r.started, "updated_at": updated, "url": p.api("/actions/runs/" + strconv.FormatInt(r.id, 10)),
		"repository": map[string]any{"id": repoID, "full_name": p.fullName()}}
}

func (p *Platform) ghRuns(r *http.Request) (int, any) {
	q := r.URL.Query()
	from, to := created(q.Get("created"))
	var l list
	for _, run := range p.runs() {
		if sha := q.Get("head_sha"); sha != "" && run.sha != sha || !from.IsZero() && run.started.Before(from) || !to.IsZero() && run.started.After(to) {
			continue
		}
		if b := q.Get("branch"); b != "" && run.branch != b {
			continue
		}
		l.items = append(l.items, p.runJSON(run))
	}
	total := len(l.items)
	l.wrap = func(page []any) any { return map[string]any{"total_count": total, "workflow_runs": page} }
	return http.StatusOK, l
}

// created reads the forms of a created filter: >=T, <=T, A..B.
func created(q string) (from, to time.Time) {
	at := func(s string) time.Time {
		t, _ := time.Parse(time.RFC3339, s)
		return t
	}
	switch a, b, ranged := strings.Cut(q, ".."); {
	case ranged:
		if a != "*" {
			from = at(a)
		}
		if b != "*" {
			to = at(b)
		}
	case strings.HasPrefix(q, ">="):
		from = at(q[2:])
	case strings.HasPrefix(q, "<="):
		to = at(q[2:])
	}
	return from, to
}

func (p *Platform) runOf(r *http.Request) *buildRun {
	for _, run := range p.runs() {
		if strconv.FormatInt(run.id, 10) == r.PathValue("id") {
			return run
		}
	}
	return nil
}

func (p *Platform) ghRun(r *http.Request) (int, any) {
	if run := p.runOf(r); run != nil && (r.PathValue("attempt") == "" || r.PathValue("attempt") == "1") {
		return http.StatusOK, p.runJSON(run)
	}
	return notFound("Not Found")
}

// jobs are the steps of a run: a failed run fails in its last one.
func (p *Platform) jobs(run *buildRun) []any {
	var out []any
	_, names := run.workflow()
	each := run.ended.Sub(run.started) / time.Duration(len(names))
	for i, name := range names {
		began := run.started.Add(time.Duration(i) * each)
		ended := began.Add(each)
		j := map[string]any{"id": run.id*10 + int64(i), "run_id": run.id, "run_attempt": 1, "name": name, "head_sha": run.sha, "status": "completed",
			"conclusion": "success", "started_at": began, "completed_at": ended}
		if i == len(names)-1 {
			j["conclusion"] = run.conclusion
		}
		if ended.After(p.now) {
			j["status"], j["conclusion"], j["completed_at"] = "in_progress", nil, nil
		}
		out = append(out, j)
	}
	return out
}

func (p *Platform) ghJobs(r *http.Request) (int, any) {
	run := p.runOf(r)
	if run == nil {
		return notFound("Not Found")
	}
	l := list{items: p.jobs(run)}
	total := len(l.items)
	l.wrap = func(page []any) any { return map[string]any{"total_count": total, "jobs": page} }
	return http.StatusOK, l
}

func (p *Platform) ghChecks(r *http.Request) (int, any) {
	c := p.resolve(r.PathValue("sha"))
	if c == nil {
		return notFound("Not Found")
	}
	var l list
	for _, run := range p.runs() {
		if run.sha != c.sha {
			continue
		}
		for _, j := range p.jobs(run) {
			j := j.(map[string]any)
			l.items = append(l.items, map[string]any{"id": j["id"], "name": j["name"], "head_sha": run.sha, "status": j["status"], "conclusion": j["conclusion"],
				"started_at": j["started_at"], "completed_at": j["completed_at"], "app": map[string]any{"id": 15368, "slug": "github-actions", "name": "Forge Actions"},
				"check_suite": map[string]any{"id": run.id + 1}})
		}
	}
	total := len(l.items)
	l.wrap = func(page []any) any { return map[string]any{"total_count": total, "check_runs": page} }
	return http.StatusOK, l
}

func (p *Platform) ghCollaborators(*http.Request) (int, any) {
	var l list
	for _, u := range p.world.People {
		if !u.Human() {
			continue
		}
		j := userJSON(u).(map[string]any)
		j["role_name"] = "write"
		j["permissions"] = map[string]bool{"admin": u.Admin, "maintain": u.Admin, "push": true, "triage": true, "pull": true}
		if u.Admin {
			j["role_name"] = "admin"
		}
		l.items = append(l.items, j)
	}
	return http.StatusOK, l
}

func (p *Platform) ghOrg(r *http.Request) (int, any) {
	if !strings.EqualFold(r.PathValue("org"), p.world.Owner) {
		return notFound("Not Found")
	}
	return http.StatusOK, map[string]any{"login": p.world.Owner, "id": 990100, "type": "Organization", "plan": map[string]string{"name": "team"}}
}

func (p *Platform) ghMembers(r *http.Request) (int, any) {
	var l list
	for _, u := range p.world.People {
		if role := r.URL.Query().Get("role"); u.Human() && (role == "" || role == "all" || (role == "admin") == u.Admin) {
			l.items = append(l.items, userJSON(u))
		}
	}
	return http.StatusOK, l
}
