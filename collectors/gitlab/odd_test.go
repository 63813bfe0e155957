package gitlab

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// TestOddItems: an item without an id, or of a form that the API does not describe,
// costs none of the others, of whatever list: it is told, of its kinds not all counts as seen since the last look, and nothing
// ends for it.
func TestOddItems(t *testing.T) {
	at := now.Add(30 * time.Minute).Format(time.RFC3339)
	user := account(21, "mira.k", "Mira")
	request := map[string]any{
		"projects/5/merge_requests":             []obj{{"iid": 2, "updated_at": at}, {"iid": 1, "updated_at": at}},
		"projects/5/merge_requests/1":           obj{"iid": 1, "state": "opened", "author": user, "updated_at": at},
		"projects/5/merge_requests/1/approvals": obj{"approved_by": []obj{}},
		"projects/5/merge_requests/2":           obj{"iid": 2, "state": "opened", "author": user, "updated_at": at},
		"projects/5/merge_requests/2/approvals": obj{"approved_by": []obj{}},
	}
	pipelines := map[string]any{
		"projects/5/pipelines":   []obj{{"id": 4, "updated_at": at}, {"id": 3, "updated_at": at}},
		"projects/5/pipelines/3": obj{"id": 3, "sha": sha1, "status": "success"},
		"projects/5/pipelines/4": obj{"id": 4, "sha": sha1, "status": "success"},
	}
	and := func(m map[string]any, path string, v any) map[string]any {
		m = maps.Clone(m)
		m[path] = v
		return m
	}
	both := []evidence.Kind{evidence.ChangeMerge, evidence.ChangeReview}
	for name, tt := range map[string]struct {
		set   map[string]any
		told  string
		kinds []evidence.Kind
		good  int // drafts of the first kind that come all the same
	}{
		"request": {and(request, "projects/5/merge_requests", []obj{{"updated_at": at}, {"iid": 1, "updated_at": at}, {"iid": 3}}), "an item without a number or time", both, 1},
		"note": {and(request, "projects/5/merge_requests/1/notes", []obj{{"system": true, "body": "approved this merge request", "created_at": at, "author": user}}),
			"a note without an id or time", both, 1},
		"pipeline": {and(pipelines, "projects/5/pipelines", []obj{{"updated_at": at}, {"id": 3, "updated_at": at}}), "an item without a number or time",
			[]evidence.Kind{evidence.PipelineRun, evidence.PipelineReport}, 1},
		"job": {and(pipelines, "projects/5/pipelines/4/jobs", []obj{{"name": "scan", "status": "success"}}), "a job without an id",
			[]evidence.Kind{evidence.PipelineRun, evidence.PipelineReport}, 1},
		"deployment": {map[string]any{"projects/5/deployments": []obj{{"updated_at": at}, {"id": 6, "updated_at": at}},
			"projects/5/deployments/6": obj{"id": 6, "sha": sha1, "status": "success", "environment": obj{"name": "production"}, "created_at": at}},
			"an item without a number or time", []evidence.Kind{evidence.DeployRelease}, 1},
		"audit event": {map[string]any{"projects/5/audit_events": []obj{{"created_at": at}, {"id": 7, "author_id": 21, "entity_type": "Project", "created_at": at}}},
			"an audit event without an id or time", []evidence.Kind{evidence.AccessAudit}, 1},
		"member": {map[string]any{"projects/5/members/all": []obj{{"username": "x", "access_level": 30}, {"id": 21, "username": "mira.k", "access_level": 30}}},
			"a member without an id", []evidence.Kind{evidence.AccessMember}, 1},
		"access token": {map[string]any{"projects/5/access_tokens": []obj{{"name": "x"}, {"id": 8, "name": "y", "active": true, "access_level": 30}}},
			"an access token without an id", []evidence.Kind{evidence.AccessMember}, 1},
		"deploy key": {map[string]any{"projects/5/deploy_keys": []obj{{"title": "x"}, {"id": 9, "title": "y"}}},
			"a deploy key without an id", []evidence.Kind{evidence.AccessMember}, 1},
		"form of a listed request": {and(request, "projects/5/merge_requests", []obj{{"iid": "2", "updated_at": at}, {"iid": 1, "updated_at": at}}), "something of an unknown form (iid)", both, 1},
		"form of a request":        {and(request, "projects/5/merge_requests/2", obj{"iid": 2, "state": "opened", "author": "mira.k", "updated_at": at}), "something of an unknown form (author)", both, 1},
		"time of a request":        {and(request, "projects/5/merge_requests/2", obj{"iid": 2, "state": "opened", "merged_at": "today", "updated_at": at}), "something of an unknown form", both, 1},
		"form of a note":           {and(request, "projects/5/merge_requests/1/notes", []obj{{"id": "1", "system": true, "body": "approved this merge request"}}), "something of an unknown form (id)", both, 1},
		"form of approvals":        {and(request, "projects/5/merge_requests/1/approvals", obj{"approved_by": "mira.k"}), "something of an unknown form (approved_by)", both, 1},
		"form of a pipeline": {and(pipelines, "projects/5/pipelines/4", obj{"id": 4, "sha": sha1, "status": []string{"success"}}), "something of an unknown form (status)",
			[]evidence.Kind{evidence.PipelineRun, evidence.PipelineReport}, 1},
		"commit of a pipeline": {and(pipelines, "projects/5/pipelines/4", obj{"id": 4, "sha": nil, "status": "skipped"}), "a pipeline without a commit",
			[]evidence.Kind{evidence.PipelineRun, evidence.PipelineReport}, 1},
		"commit of a request": {and(request, "projects/5/merge_requests/2/commits", []obj{{"id": "HEAD"}}), "a commit without an object id", both, 1},
		"environment of a deployment": {map[string]any{"projects/5/deployments": []obj{{"id": 5, "updated_at": at}, {"id": 6, "updated_at": at}},
			"projects/5/deployments/5": obj{"id": 5, "sha": sha1, "status": "success", "environment": nil},
			"projects/5/deployments/6": obj{"id": 6, "sha": sha1, "status": "success", "environment": obj{"name": "production"}, "created_at": at}},
			"a deployment without an environment", []evidence.Kind{evidence.DeployRelease}, 1},
		"form of a deployment": {map[string]any{"projects/5/deployments": []obj{{"id": 5, "updated_at": at}, {"id": 6, "updated_at": at}},
			"projects/5/deployments/5": obj{"id": 5, "sha": sha1, "status": "success", "environment": "production"},
			"projects/5/deployments/6": obj{"id": 6, "sha": sha1, "status": "success", "environment": obj{"name": "production"}, "created_at": at}},
			"something of an unknown form (environment)", []evidence.Kind{evidence.DeployRelease}, 1},
		"form of an audit event": {map[string]any{"projects/5/audit_events": []obj{{"id": 6, "author_id": "x", "created_at": at}, {"id": 7, "author_id": 21, "entity_type": "Project", "created_at": at}}},
			"something of an unknown form (author_id)", []evidence.Kind{evidence.AccessAudit}, 1},
		"form of a member": {map[string]any{"projects/5/members/all": []obj{{"id": 20, "access_level": "Developer"}, {"id": 21, "username": "mira.k", "access_level": 30}}},
			"something of an unknown form (access_level)", []evidence.Kind{evidence.AccessMember}, 1},
		"form of an access token": {map[string]any{"projects/5/access_tokens": []obj{{"id": 8, "scopes": "api"}, {"id": 9, "name": "y", "active": true, "access_level": 30}}},
			"something of an unknown form (scopes)", []evidence.Kind{evidence.AccessMember}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, func(c *Config) { c.SettingsEvery = time.Minute })
			f.set("projects/5/access_tokens", []obj{})
			f.set("projects/5/deploy_keys", []obj{})
			first := f.must(nil)
			complete(t, first)
			f.clock = now.Add(time.Hour)
			f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
			for path, v := range tt.set {
				f.set(path, v)
			}
			rec := f.must(first.Resume())
			if o := last(rec); !strings.Contains(o.Incomplete, "project") || !strings.Contains(o.Incomplete, tt.told) {
				t.Errorf("incomplete %q, want %q", o.Incomplete, tt.told)
			}
			if n := len(rec.Of(tt.kinds[0])); n != tt.good {
				t.Errorf("%d drafts of %s, want %d", n, tt.kinds[0], tt.good)
			}
			window := now.Format("02T15:04") + ".." + f.clock.Format("02T15:04")
			for _, k := range f.collector().Kinds() {
				got := claimed(rec, k)
				if blind := strings.Contains(got, " blind "); blind != slices.Contains(tt.kinds, k) || blind && !strings.HasSuffix(got, window) {
					t.Errorf("%s is claimed as %q", k, got)
				}
			}
			for _, c := range rec.Completed {
				if slices.Contains(tt.kinds, c.Kind) {
					t.Errorf("states of %s end", c.Kind)
				}
			}
			// What is listed properly later is seen from then on, and not before.
			for path := range tt.set {
				if v, ok := request[path]; ok && !strings.HasSuffix(path, "s") {
					f.set(path, v)
				} else {
					f.set(path, []obj{})
				}
			}
			f.clock = f.clock.Add(time.Hour)
			f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
			again := f.must(rec.Resume())
			complete(t, again)
			for _, s := range last(again).Seen {
				if s.Class == evidence.Blind || s.From.Before(now.Add(time.Hour)) {
					t.Errorf("after it was mended: %+v", s)
				}
			}
		})
	}
}

// TestOddItemKept: a look that is cut after an odd item does not forget it.
func TestOddItemKept(t *testing.T) {
	at := now.Add(30 * time.Minute).Format(time.RFC3339)
	f := newFake(t, nil)
	first := f.must(nil)
	f.clock = now.Add(time.Hour)
	f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
	f.set("projects/5/pipelines", []obj{{"updated_at": at}, {"id": 3, "updated_at": now.Add(59 * time.Minute).Format(time.RFC3339)}})
	f.set("projects/5/pipelines/3", obj{"id": 3, "sha": sha1, "status": "success"})
	f.set("projects/5/deployments", refusal{status: 500})
	f.cfg.Projects = append(f.cfg.Projects, "acme/other")
	f.set("projects/acme/other", f.project(6, "acme/other", now.Add(-time.Hour)))
	f.branch(6, "main", sha2, sha2)
	cut := f.must(first.Resume())
	f.set("projects/5/deployments", []obj{})
	f.set("projects/5/pipelines", []obj{})
	f.clock = now.Add(2 * time.Hour)
	rec := f.must(cut.Resume())
	if got := claimed(rec, evidence.PipelineRun); !strings.Contains(got, "acme/app blind "+now.Format("02T15:04")) {
		t.Errorf("after a look that was cut: %s", got)
	}
}

// TestOddProject: a project that cannot be told holds up none of the others of
// its group.
func TestOddProject(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Projects, c.Groups = nil, []string{"acme"} })
	f.set("groups/acme", obj{"id": 2, "full_path": "acme"})
	f.set("groups/2/descendant_groups", []obj{{"full_path": "acme/x"}})
	f.set("groups/2/projects", []obj{{"path_with_namespace": "acme/nameless"}, f.project(5, "acme/app", now.Add(-time.Hour))})
	rec := f.must(nil)
	if o := last(rec); !strings.Contains(o.Incomplete, "group acme") || !strings.Contains(o.Incomplete, "a project without an id or path") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	if n := len(rec.Of(evidence.ChangeCommit)); n != 1 {
		t.Errorf("%d commits of the other project, want 1", n)
	}
	if got := claimed(rec, evidence.ChangeMerge); !strings.Contains(got, "acme blind") || strings.HasPrefix(got, " ") {
		t.Errorf("requests are claimed as %s", got)
	}
}

// TestOddCommit: a commit of a branch that cannot be read costs none of the others,
// nor the project; that not all was seen is told, also of a first look.
func TestOddCommit(t *testing.T) {
	for name, odd := range map[string]struct {
		commit any
		told   string
	}{
		"no id":                 {obj{"title": "x"}, "a commit without an object id"},
		"an author in parts":    {obj{"id": sha2, "author_name": obj{"first": "mira"}}, "something of an unknown form (author_name)"},
		"a parent that is none": {obj{"id": sha2, "parent_ids": []string{"main"}}, "a parent without an object id"},
		"no object":             {"x", "something that is no object"},
	} {
		for _, later := range []bool{false, true} {
			f := newFake(t, nil)
			var resume []byte
			if later {
				first := f.must(nil)
				complete(t, first)
				resume = first.Resume()
				f.clock = now.Add(time.Hour)
				f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
			}
			f.branch(5, "main", sha3)
			f.set("projects/5/repository/merge_base", obj{"id": sha1})
			f.set("projects/5/repository/commits", []any{commitOf(sha3), odd.commit})
			rec := f.must(resume)
			if o := last(rec); !strings.Contains(o.Incomplete, odd.told) {
				t.Errorf("%s: incomplete %q", name, o.Incomplete)
			}
			if n := len(rec.Of(evidence.ChangeCommit)); n != 1 || len(rec.Of(evidence.ChangeRef)) != 1 || len(rec.Of(evidence.ChangeProtection)) == 0 && !later {
				t.Errorf("%s: %d commits, %d drafts", name, n, len(rec.Drafts))
			}
			if got := claimed(rec, evidence.ChangeCommit); !strings.Contains(got, "blind") || later && !strings.HasSuffix(got, now.Format("02T15:04")+".."+f.clock.Format("02T15:04")) {
				t.Errorf("%s: commits are claimed as %s", name, got)
			}
			if got := claimed(rec, evidence.ChangeMerge); strings.Contains(got, "blind") {
				t.Errorf("%s: requests are claimed as %s", name, got)
			}
			f.clock = f.clock.Add(time.Hour)
			again := f.must(rec.Resume())
			complete(t, again)
			if got := claimed(again, evidence.ChangeCommit); !strings.Contains(got, "continuous "+f.clock.Add(-time.Hour).Format("02T15:04")) {
				t.Errorf("%s: the look after it claims %s", name, got)
			}
		}
	}
}

// TestOddOfCommit: what a commit changed, or how it is signed, may be unreadable; the
// commit is told without it, and nothing is made up.
func TestOddOfCommit(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/repository/commits/"+sha1+"/signature", obj{"signature_type": "PGP"})
	f.set("projects/5/repository/commits/"+sha1+"/diff", []any{obj{"new_path": "a"}, obj{"new_path": 7}, 3})
	rec := f.must(nil)
	complete(t, rec)
	d := rec.Of(evidence.ChangeCommit)[0]
	if c := facts[evidence.CommitFacts](t, d); c.Verified != nil || c.Signature != "" || c.VerifiedWhy != "unreadable" || len(c.Files) != 1 {
		t.Errorf("%+v", c)
	}
	if !slices.ContainsFunc(d.Scope, func(r evidence.Ref) bool { return r.Scheme == "path" && strings.HasSuffix(r.Name, "*") }) {
		t.Errorf("scope %v", d.Scope)
	}
}

// TestOddBranch: a branch of which something cannot be read costs none of the others,
// and is asked for again although the project is quiet.
func TestOddBranch(t *testing.T) {
	f := newFake(t, func(c *Config) { c.Branches = []string{"main", "release"} })
	f.branch(5, "release", sha1, sha1)
	first := f.must(nil)
	complete(t, first)
	f.clock = now.Add(time.Hour)
	f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
	f.set("projects/5/repository/branches/main", obj{"commit": obj{}})
	if rec := f.must(first.Resume()); !strings.Contains(last(rec).Incomplete, "no object id of the branch") || len(rec.Of(evidence.ChangeRef)) != 1 {
		t.Errorf("incomplete %q, %d branches", last(rec).Incomplete, len(rec.Of(evidence.ChangeRef)))
	}
	f.set("projects/5/repository/branches/main", obj{"commit": []string{sha2}})
	rec := f.must(first.Resume())
	if o := last(rec); !strings.Contains(o.Incomplete, "something of an unknown form (commit)") || len(rec.Of(evidence.ChangeRef)) != 1 {
		t.Errorf("incomplete %q, %d branches", o.Incomplete, len(rec.Of(evidence.ChangeRef)))
	}
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef} {
		if got := claimed(rec, k); !strings.HasSuffix(got, "blind "+now.Format("02T15:04")+".."+f.clock.Format("02T15:04")) {
			t.Errorf("%s is claimed as %s", k, got)
		}
	}
	f.clock = f.clock.Add(6 * time.Hour)
	again := f.must(rec.Resume())
	if o := last(again); !strings.Contains(o.Incomplete, "something of an unknown form (commit)") {
		t.Errorf("of a quiet project: incomplete %q", o.Incomplete)
	}
}

// TestOddGuards: an entry of a guard that cannot be read costs the guard, which would
// read weaker without it, and nothing else of the project.
func TestOddGuards(t *testing.T) {
	for path, entry := range map[string]any{
		"projects/5/protected_branches":             []obj{{"name": "main", "id": 1}, {"name": "m*", "allow_force_push": "no"}},
		"projects/5/protected_branches?":            []obj{{"id": 1}},
		"projects/5/approval_rules":                 []obj{{"id": 1, "approvals_required": "two"}},
		"groups/acme/approval_rules":                []any{"two of us"},
		"projects/5/approval_rules?":                []any{nil},
		"groups/acme/approval_rules?":               []any{nil},
		"projects/5/merge_request_approval_setting": obj{"allow_author_approval": obj{"value": "no", "locked": true}},
		"projects/5/push_rule":                      obj{"reject_unsigned_commits": "yes"},
		"projects/5/approvals":                      obj{"approvals_before_merge": "one"},
	} {
		f := newFake(t, func(c *Config) { c.SettingsEvery = time.Minute })
		for _, there := range []string{"push_rule", "approvals"} {
			f.set("projects/5/"+there, obj{})
		}
		first := f.must(nil)
		complete(t, first)
		f.clock = now.Add(time.Hour)
		f.set(strings.TrimSuffix(path, "?"), entry)
		rec := f.must(first.Resume())
		if o := last(rec); !strings.Contains(o.Incomplete, "project 5") || !strings.Contains(o.Incomplete, "holds ") {
			t.Errorf("%s: incomplete %q", path, o.Incomplete)
		}
		if n := len(rec.Of(evidence.ChangeProtection)); n != 0 {
			t.Errorf("%s: %d guards are told", path, n)
		}
		for _, k := range f.collector().Kinds() {
			if got := claimed(rec, k); strings.Contains(got, "blind") != (k == evidence.ChangeProtection) {
				t.Errorf("%s: %s is claimed as %s", path, k, got)
			}
		}
		if !slices.ContainsFunc(rec.Completed, func(c collectortest.Completed) bool { return c.Kind == evidence.AccessMember }) {
			t.Errorf("%s: members are not read", path)
		}
	}
}

// TestOddEnvironments: a protected environment that cannot be read leaves the
// deployments to the others told, and of those to none of them open whether anything
// guards them.
func TestOddEnvironments(t *testing.T) {
	for path, odd := range map[string]any{"projects/5/protected_environments": obj{"approval_rules": []obj{}}, "groups/acme/protected_environments": obj{"name": 7}} {
		f := newFake(t, nil)
		f.set("projects/5/protected_environments", []any{obj{"name": "live", "approval_rules": []obj{{"required_approvals": 2, "group_id": 3}}}})
		f.set("groups/acme/protected_environments", []any{})
		list, _ := f.routes[path].([]any)
		f.set(path, append(list, odd))
		f.set("projects/5/deployments", []obj{{"id": 6, "updated_at": now}, {"id": 7, "updated_at": now}})
		for id, env := range map[string]string{"6": "live", "7": "test"} {
			f.set("projects/5/deployments/"+id, obj{"id": int(id[0] - '0'), "sha": sha1, "status": "failed", "environment": obj{"name": env}, "created_at": now})
		}
		rec := f.must(nil)
		if o := last(rec); !strings.Contains(o.Incomplete, "holds ") {
			t.Errorf("%s: incomplete %q", path, o.Incomplete)
		}
		ds := rec.Of(evidence.DeployRelease)
		if len(ds) != 2 {
			t.Fatalf("%s: %d deployments", path, len(ds))
		}
		for _, d := range ds {
			r := facts[evidence.ReleaseFacts](t, d)
			if live := r.Environment == "live"; live != (r.Protected != nil && *r.Protected && r.Required == 2) || !live && r.Protected != nil || r.Status != "failure" {
				t.Errorf("%s: %+v", path, r)
			}
		}
	}
}
