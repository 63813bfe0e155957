package gitlab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// The tests of this file hold what real servers answer beside what their
// description says.

func complete(t *testing.T, rec *collectortest.Recorder) {
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

// account is how the server shows an account beside what it did.
func account(id int, login, name string) obj {
	return obj{"id": id, "username": login, "name": name, "state": "active"}
}

func hoursAgo(n int) string {
	return now.Add(-time.Duration(n) * time.Hour).Format(time.RFC3339)
}

// request sets one merged request with its notes and who approves it now.
func (f *fake) request(mr obj, notes []obj, approvals obj) {
	mr["iid"], mr["updated_at"] = 1, hoursAgo(1)
	f.set("projects/5/merge_requests", []obj{{"iid": 1, "updated_at": hoursAgo(1)}})
	f.set("projects/5/merge_requests/1", mr)
	f.set("projects/5/merge_requests/1/notes", notes)
	f.set("projects/5/merge_requests/1/approvals", approvals)
}

// TestApprovalsReset: since GitLab 16 a push that takes approvals away leaves a
// note of who pushed, which names whose approvals went.
func TestApprovalsReset(t *testing.T) {
	f := newFake(t, nil)
	mira, jonas, carol := account(21, "mira.k", "Mira"), account(22, "jonas", "Jonas"), account(23, "carol", "Carol")
	note := func(id int, by obj, body string, hours int) obj {
		return obj{"id": id, "system": true, "body": body, "created_at": hoursAgo(hours), "author": by}
	}
	f.request(obj{"state": "opened", "author": carol}, []obj{
		note(1, mira, "approved this merge request", 9), note(2, jonas, "approved this merge request", 8),
		note(3, carol, "reset approvals from @mira.k and @jonas by pushing to the branch", 7),
		note(4, jonas, "approved this merge request", 6),
	}, obj{"approvals_required": 1, "approved_by": []obj{{"user": jonas}}})
	rec := f.must(nil)
	complete(t, rec)
	var got []string
	for _, d := range rec.Of(evidence.ChangeReview) {
		v := facts[evidence.ReviewFacts](t, d)
		line := fmt.Sprintf("%s %s %s", v.ID, v.State, d.OccurredAt.Sub(now))
		for _, p := range d.People {
			line += " " + string(p.Role) + ":" + p.NativeID
		}
		got = append(got, line)
		if v.State == "dismissed" && len(d.Raw) > 0 {
			t.Errorf("%s keeps a note that names others: %s", v.ID, d.Raw)
		}
	}
	slices.Sort(got)
	want := []string{
		"1 approved -9h0m0s reviewer:21", "1 dismissed -7h0m0s reviewer:21 initiator:23",
		"2 approved -8h0m0s reviewer:22", "2 dismissed -7h0m0s reviewer:22 initiator:23",
		"4 approved -6h0m0s reviewer:22",
	}
	if !slices.Equal(got, want) {
		t.Errorf("reviews\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	m := facts[evidence.MergeFacts](t, rec.Of(evidence.ChangeMerge)[0])
	standing := slices.DeleteFunc(m.Reviews, func(v evidence.ReviewState) bool { return v.State != "approved" })
	if len(standing) != 1 || standing[0].ID != "4" {
		t.Errorf("reviews that stand: %+v", m.Reviews)
	}
}

// TestTrailersOfCommits: a commit with trailers, which servers list by their keys, and
// with dates of the far future is read wherever it stands.
func TestTrailersOfCommits(t *testing.T) {
	f := newFake(t, nil)
	commit := commitOf(sha1)
	commit["trailers"] = obj{"Signed-off-by": "Jonas <jonas@example.org>"}
	commit["extended_trailers"] = obj{"Signed-off-by": []string{"Mira <mira@example.org>", "Jonas <jonas@example.org>"}}
	f.set("projects/5/repository/commits", []obj{commit})
	f.set("projects/5/repository/branches/main", obj{"name": "main", "commit": commit})
	f.request(obj{"state": "opened", "sha": sha1, "author": account(22, "j", "J")}, nil, obj{"approved_by": []obj{}})
	f.set("projects/5/merge_requests/1/commits", []obj{commit})
	f.set("projects/5/pipelines", []obj{{"id": 3, "updated_at": hoursAgo(1)}})
	f.set("projects/5/pipelines/3", obj{"id": 3, "sha": sha1, "status": "success"})
	f.set("projects/5/pipelines/3/jobs", []obj{{"id": 4, "name": "test", "status": "success", "commit": commit}})
	f.set("projects/5/deployments", []obj{{"id": 6, "updated_at": hoursAgo(1)}})
	f.set("projects/5/deployments/6", obj{"id": 6, "sha": sha1, "status": "success", "created_at": hoursAgo(1), "environment": obj{"name": "production"}, "deployable": obj{"commit": commit}})
	// Whoever makes a commit chooses its dates too.
	commit["authored_date"], commit["committed_date"] = "33658-09-27T01:46:39.000Z", "292278994-08-17T07:12:55.000+00:00"
	rec := f.must(nil)
	complete(t, rec)
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.PipelineRun, evidence.DeployRelease} {
		if n := len(rec.Of(k)); n != 1 {
			t.Errorf("%d records of %s, want 1", n, k)
		}
	}
}

// TestCoAuthors: whom a trailer calls a co-author made the change too, and all whom
// trailers name can be erased from the text.
func TestCoAuthors(t *testing.T) {
	f := newFake(t, nil)
	commit := commitOf(sha1)
	commit["message"] = "m\n\nCo-authored-by: Mira <mira@example.org>\n"
	f.set("projects/5/repository/commits", []obj{commit})
	f.request(obj{"state": "opened", "sha": sha1, "author": account(22, "j", "J"), "head_pipeline": obj{"id": 6, "sha": sha1, "user": account(24, "runner", "R")}, "description": "x\nSuggested-by: Jonas <jonas@example.org>"}, nil, obj{"approved_by": []obj{}})
	f.set("projects/5/merge_requests/1/commits", []obj{commit})
	rec := f.must(nil)
	complete(t, rec)
	d := rec.Of(evidence.ChangeMerge)[0]
	var makers, all []string
	for _, i := range facts[evidence.MergeFacts](t, d).CommitAuthors {
		makers = append(makers, d.People[i].NativeID)
	}
	for _, p := range slices.Concat(d.People, rec.Of(evidence.ChangeCommit)[0].People) {
		all = append(all, string(p.Role)+" "+p.NativeID)
	}
	if !slices.Equal(makers, []string{"a@b.example", "mira@example.org"}) {
		t.Errorf("made by %v", makers)
	}
	if want := []string{"author 22", "committer a@b.example", "committer mira@example.org", "mentioned jonas@example.org", "subject 24", "author a@b.example", "author mira@example.org"}; !slices.Equal(all, want) {
		t.Errorf("people %q", all)
	}
}

// TestEditionWithoutRules: the free edition tells who approved, and neither asks
// for approvals nor says how many.
func TestEditionWithoutRules(t *testing.T) {
	for name, want := range map[string]struct {
		approvals obj
		required  string
	}{
		"free":       {obj{"user_has_approved": false, "user_can_approve": false, "approved": true, "approved_by": []obj{{"user": account(21, "m", "M"), "approved_at": hoursAgo(2)}}}, "none"},
		"paid, none": {obj{"approvals_required": 0, "approved": true, "approved_by": []obj{}}, "0"},
		"paid, two":  {obj{"approvals_required": 2, "approved": false, "approved_by": []obj{}}, "2"},
	} {
		f := newFake(t, nil)
		f.request(obj{"state": "opened", "author": account(22, "j", "J")}, nil, want.approvals)
		rec := f.must(nil)
		complete(t, rec)
		got := "none"
		if r := facts[evidence.MergeFacts](t, rec.Of(evidence.ChangeMerge)[0]).Required; r != nil {
			got = fmt.Sprint(*r)
		}
		if got != want.required {
			t.Errorf("%s: required %s, want %s", name, got, want.required)
		}
	}
}

// TestNobodysAccounts: what deleted accounts did is moved to one account for all
// of them.
func TestNobodysAccounts(t *testing.T) {
	f := newFake(t, nil)
	ghost := account(40, "ghost1", "Ghost User")
	f.request(obj{"state": "merged", "merged_at": hoursAgo(1), "author": ghost, "merge_user": ghost, "assignee": ghost, "reviewers": []obj{ghost, account(41, "ghost", "Gil Host")}},
		[]obj{{"id": 1, "system": true, "body": "approved this merge request", "created_at": hoursAgo(3), "author": ghost}},
		obj{"approved_by": []obj{{"user": ghost}}})
	f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": hoursAgo(1)}})
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "success", "user": account(42, "service_account_group_9_1f", "Deployer")})
	rec := f.must(nil)
	complete(t, rec)
	d := rec.Of(evidence.ChangeMerge)[0]
	m := facts[evidence.MergeFacts](t, d)
	if m.Author != -1 || m.Merger != -1 || len(m.Reviews) != 1 || m.Reviews[0].Person != -1 {
		t.Errorf("deleted accounts are somebody: %+v", m)
	}
	if len(d.Raw) == 0 || len(d.Removed) > 0 || len(d.People) != 1 || d.People[0].NativeID != "41" {
		t.Errorf("people %+v, removed %v", d.People, d.Removed)
	}
	if p := rec.Of(evidence.PipelineRun)[0].People; len(p) != 1 || !p[0].Names.Bot {
		t.Errorf("a service account is a person: %+v", p)
	}
}

// TestSeveralGhosts: approvals of several deleted accounts stand under one account.
// None takes away another, none is somebody's, and what was withdrawn is told
// without saying whose it was when that is not known.
func TestSeveralGhosts(t *testing.T) {
	ghost := account(40, "ghost1", "Ghost User")
	note := func(id int, body string, hours int) obj {
		return obj{"id": id, "system": true, "body": body + " this merge request", "created_at": hoursAgo(hours), "author": ghost}
	}
	by := func(n int) (list []obj) {
		for range n {
			list = append(list, obj{"user": ghost})
		}
		return list
	}
	for name, tt := range map[string]struct {
		notes []obj
		now   int
		want  string // reviews: id and state
		said  bool
	}{
		"two":                     {[]obj{note(1, "approved", 5), note(2, "approved", 4)}, 1, "1 approved, 2 approved", true},
		"two, deleted with all":   {[]obj{note(1, "approved", 5), note(2, "approved", 4)}, 0, "1 approved, 2 approved", true},
		"one withdrew":            {[]obj{note(1, "approved", 5), note(2, "unapproved", 4), note(3, "approved", 3)}, 1, "1 dismissed, 3 approved", false},
		"one of two withdrew":     {[]obj{note(1, "approved", 5), note(2, "approved", 4), note(3, "unapproved", 3)}, 1, "1 approved, 2 approved, 3 dismissed", true},
		"without notes":           {nil, 2, "user-40 approved, user-40-1 approved", false},
		"one of two with no note": {[]obj{note(1, "approved", 5)}, 2, "1 approved, user-40 approved", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			f.request(obj{"state": "merged", "merged_at": hoursAgo(1), "author": account(22, "j", "J"), "merge_user": account(23, "m", "M")}, tt.notes, obj{"approved_by": by(tt.now)})
			rec := f.must(nil)
			complete(t, rec)
			d := rec.Of(evidence.ChangeMerge)[0]
			var got []string
			for _, v := range facts[evidence.MergeFacts](t, d).Reviews {
				got = append(got, v.ID+" "+v.State)
				if v.Person != -1 {
					t.Errorf("review %s is somebody's: %+v", v.ID, d.People)
				}
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("reviews %s, want %s", s, tt.want)
			}
			for _, v := range rec.Of(evidence.ChangeReview) {
				if fv := facts[evidence.ReviewFacts](t, v); len(v.People) > 0 || fv.Person != -1 {
					t.Errorf("the record of review %s names %+v", fv.ID, v.People)
				}
			}
			if said := strings.Contains(strings.Join(last(rec).Notes, "\n"), "accounts that were deleted since"); said != tt.said {
				t.Errorf("notes %q", last(rec).Notes)
			}
		})
	}
}

// TestOtherForms: members that nothing reads come in more than one form, and the
// details of audit events in any.
func TestOtherForms(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": hoursAgo(1)}})
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "success", "duration": 123.65, "queued_duration": 0.01, "coverage": 30.5, "detailed_status": obj{"illustration": "none"}})
	f.set("projects/5/pipelines/2/jobs", []obj{{"id": 3, "name": "x", "status": "success", "duration": "1 s", "coverage": "98.2", "tag_list": "a, b", "runner": 4}})
	f.request(obj{"state": "opened", "labels": []obj{{"name": "x"}}, "milestone": "v1"}, []obj{{"id": 4, "system": false, "body": "look here", "created_at": hoursAgo(2), "position": "image"}}, obj{"approved_by": []obj{}})
	at := hoursAgo(2)
	f.set("projects/5/audit_events", []obj{
		{"id": 7, "author_id": 9, "entity_id": 5, "entity_type": "Project", "created_at": at, "details": obj{"change": "allow force push", "from": false, "to": true, "target_id": "31", "target_type": "ProtectedBranch", "custom_message": obj{"message": "x"}, "with": []string{"x"}}},
		{"id": 8, "author_id": 9, "entity_id": 5, "entity_type": "Project", "created_at": at, "details": obj{"change": []string{"a"}, "from": 20, "to": obj{}, "add": nil, "event_name": "role_changed", "entity_path": nil, "ip_address": nil}},
	})
	rec := f.must(nil)
	complete(t, rec)
	if p := facts[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0]); p.Status != "success" || len(p.Jobs) != 1 || p.Jobs[0].Status != "success" {
		t.Errorf("pipeline %+v", p)
	}
	es := rec.Of(evidence.AccessAudit)
	slices.SortFunc(es, func(a, b evidence.Draft) int { return strings.Compare(a.Key, b.Key) })
	if len(es) != 2 || len(rec.Of(evidence.ChangeMerge)) != 1 {
		t.Fatalf("%d audit events, %d requests", len(es), len(rec.Of(evidence.ChangeMerge)))
	}
	if e := facts[evidence.AuditFacts](t, es[0]); e.Action != "change_allow_force_push" || !slices.Equal(e.Changed, []string{"change allow_force_push: false -> true"}) || e.UID != "31" {
		t.Errorf("truths: %+v", e)
	}
	if e := facts[evidence.AuditFacts](t, es[1]); e.Action != "role_changed" || len(e.Changed) != 0 {
		t.Errorf("forms of none: %+v", e)
	}
	// What is read keeps its form: another one is no pipeline of this API.
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": obj{"text": "success"}})
	if rec, err := f.poll(nil); err == nil && last(rec).Incomplete == "" {
		t.Error("a status of another form was taken")
	}
}

// TestVerified: the server tells of its own signatures, and of those by an
// authority, in other words than of those by an account's key.
func TestVerified(t *testing.T) {
	for status, want := range map[string]bool{
		"verified": true, "verified_system": true, "verified_ca": true, "unverified": false, "unverified_key": false, "same_user_different_email": false,
		"other_user": false, "revoked_key": false, "multiple_signatures": false, "unverified_author_email": false,
	} {
		f := newFake(t, nil)
		f.set("projects/5/repository/commits/"+sha1+"/signature", obj{"signature_type": "SSH", "verification_status": status})
		rec := f.must(nil)
		complete(t, rec)
		c := facts[evidence.CommitFacts](t, rec.Of(evidence.ChangeCommit)[0])
		if c.Verified == nil || *c.Verified != want || c.VerifiedWhy != status || c.Signature != "ssh" {
			t.Errorf("%s: %v %s", status, *c.Verified, c.VerifiedWhy)
		}
	}
}

// TestLongDiff: the server tells a thousand changed files of a commit and not
// that there were more, so that it reaches every path.
func TestLongDiff(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/repository/commits/"+sha1+"/diff", func() []obj {
		var list []obj
		for i := range 1000 {
			list = append(list, obj{"new_path": fmt.Sprintf("tenants/tenant-7/%d", i), "old_path": fmt.Sprintf("tenants/tenant-7/%d", i), "too_large": i > 900})
		}
		return list
	}())
	rec := f.must(nil)
	complete(t, rec)
	d := rec.Of(evidence.ChangeCommit)[0]
	if !slices.ContainsFunc(d.Scope, func(r evidence.Ref) bool { return r.Scheme == "path" && !strings.Contains(r.Name, "tenant-7") }) {
		t.Errorf("scope %v", d.Scope)
	}
}

// TestExternalStatuses: a pipeline that stands for what other systems reported
// has no jobs of the server's own.
func TestExternalStatuses(t *testing.T) {
	f := newFake(t, nil)
	f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": hoursAgo(1)}})
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "failed", "source": "external", "ref": "main"})
	f.set("projects/5/repository/commits/"+sha1+"/statuses", []obj{
		{"id": 91, "name": "policy-test", "status": "failed", "allow_failure": false, "finished_at": hoursAgo(1), "author": account(21, "m", "M"), "description": "by M"},
		{"id": 92, "name": "lint", "status": "success", "allow_failure": true},
	})
	rec := f.must(nil)
	complete(t, rec)
	p := facts[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0])
	if len(p.Jobs) != 2 || p.Jobs[0].ID != "91" || p.Jobs[0].Status != "failure" || p.Jobs[0].Stage != "external" || !p.JobsSeen {
		t.Errorf("jobs %+v", p.Jobs)
	}
	asked := slices.ContainsFunc(f.requests(), func(r string) bool {
		return strings.Contains(r, "/statuses?") && strings.Contains(r, "pipeline_id=2") && strings.Contains(r, "all=true")
	})
	if !asked {
		t.Error("not the statuses of the pipeline were asked for")
	}
	f.set("projects/5/repository/commits/"+sha1+"/statuses", refusal{status: 403, body: `{"message":"403 Forbidden"}`})
	rec = f.must(nil)
	complete(t, rec)
	if p := facts[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0]); p.JobsSeen {
		t.Errorf("hidden statuses were seen: %+v", p)
	}
}

// TestFilesNotListed: the server may list fewer files of a request than it says
// were changed, and the record counts the others.
func TestFilesNotListed(t *testing.T) {
	for _, tt := range []struct {
		count any
		cut   int
		scope string
	}{
		{"2", 0, "path:acme%2Facme%2Fapp/a path:acme%2Facme%2Fapp/b"},
		{"35", 33, "path:acme%2Facme%2Fapp/*"},
		{"1000+", 998, "path:acme%2Facme%2Fapp/*"},
		{"1", 0, "path:acme%2Facme%2Fapp/a path:acme%2Facme%2Fapp/b"}, // pushed between the two requests
		{"", 0, "path:acme%2Facme%2Fapp/a path:acme%2Facme%2Fapp/b"},
		{nil, 0, "path:acme%2Facme%2Fapp/a path:acme%2Facme%2Fapp/b"},
	} {
		f := newFake(t, nil)
		f.request(obj{"state": "opened", "author": account(21, "mira.k", "Mira"), "changes_count": tt.count}, []obj{}, obj{"approved_by": []obj{}})
		f.set("projects/5/merge_requests/1/diffs", []obj{{"old_path": "a", "new_path": "a"}, {"old_path": "b", "new_path": "b"}})
		rec := f.must(nil)
		complete(t, rec)
		d := rec.Of(evidence.ChangeMerge)[0]
		var paths []string
		for _, ref := range d.Scope[1:] {
			paths = append(paths, ref.String())
		}
		if m := facts[evidence.MergeFacts](t, d); len(m.Files) != 2 || m.FilesCut != tt.cut || strings.Join(paths, " ") != tt.scope {
			t.Errorf("%v changed: %d files and %d more, scope %q", tt.count, len(m.Files), m.FilesCut, paths)
		}
	}
}

// TestUndatedCommit: the first walk leaves out what is known to be old. A commit
// whose date is missing, or cannot be written, is not known to be.
func TestUndatedCommit(t *testing.T) {
	f := newFake(t, nil)
	undated, old := commitOf(sha1), commitOf(sha3)
	delete(undated, "committed_date")
	old["committed_date"] = "1970-01-01T00:00:00Z"
	f.branch(5, "main", sha1)
	f.set("projects/5/repository/commits", []obj{undated, commitOf(sha2), old})
	rec := f.must(nil)
	complete(t, rec)
	got := map[string]evidence.Draft{}
	for _, d := range rec.Of(evidence.ChangeCommit) {
		got[d.Subject.Name] = d
	}
	if len(got) != 2 || got[sha1].Basis != evidence.BasisObserved || got[sha2].Basis != evidence.BasisClaimed {
		t.Errorf("%d commits, the one without a date is %q, the other one %q", len(got), got[sha1].Basis, got[sha2].Basis)
	}
}

// TestEventsOfOtherForms: older servers do not number events, and a list of pushes
// may hold events that are none. Neither keeps the project from being read.
func TestEventsOfOtherForms(t *testing.T) {
	f := newFake(t, nil)
	mira := account(21, "mira.k", "Mira")
	data := obj{"action": "pushed", "ref_type": "branch", "ref": "main", "commit_from": sha2, "commit_to": sha1, "commit_count": 1}
	f.set("projects/5/events", []obj{
		{"id": 71, "action_name": "opened", "target_type": "Issue", "created_at": hoursAgo(1), "author": mira},
		{"id": 72, "action_name": "closed", "target_type": "Issue", "author": mira},
		{"id": 73, "action_name": "pushed to", "created_at": hoursAgo(2), "author": mira, "push_data": data},
		{"action_name": "pushed to", "created_at": hoursAgo(3), "author": mira, "push_data": data},
	})
	f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": hoursAgo(1)}})
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "success"})
	rec := f.must(nil)
	complete(t, rec)
	ds := rec.Of(evidence.AccessAudit)
	if len(ds) != 1 || ds[0].Key != "5/push/73" || len(rec.Of(evidence.PipelineRun)) != 1 {
		t.Errorf("%d pushes and %d pipelines", len(ds), len(rec.Of(evidence.PipelineRun)))
	}
	if !slices.ContainsFunc(last(rec).Notes, func(n string) bool { return strings.Contains(n, "not recorded for it: 1") }) {
		t.Errorf("notes %q", last(rec).Notes)
	}
}

// TestEndUntold: of requests that were imported, or are older than what a server
// keeps of them now, it does not tell when they were merged or closed. Their notes
// may; a request that is over did not end when it was opened.
func TestEndUntold(t *testing.T) {
	carol, mira := account(23, "carol", "Carol"), account(21, "mira.k", "Mira")
	note := func(id int, body string, hours int) obj {
		return obj{"id": id, "system": true, "body": body, "created_at": hoursAgo(hours), "author": mira}
	}
	for name, tt := range map[string]struct {
		state  string
		notes  []obj
		at     time.Duration // before the look; 0: not known
		merger bool
	}{
		"merged, noted":     {"merged", []obj{note(1, "closed", 8), note(2, "merged", 5), {"id": 3, "body": "merged", "created_at": hoursAgo(2), "author": mira}}, 5 * time.Hour, true},
		"merged, not noted": {"merged", []obj{note(1, "approved this merge request", 6)}, 0, false},
		"closed twice":      {"closed", []obj{note(1, "closed", 8), note(2, "reopened", 7), note(3, "closed", 6)}, 6 * time.Hour, false},
		"closed, not noted": {"closed", nil, 0, false},
		"open again":        {"opened", []obj{note(1, "closed", 8)}, 9 * time.Hour, false},
	} {
		f := newFake(t, nil)
		f.request(obj{"state": tt.state, "sha": sha1, "created_at": hoursAgo(9), "merged_at": nil, "merge_user": nil, "merged_by": nil, "closed_at": nil, "author": carol}, tt.notes, obj{"approved_by": []obj{}})
		rec := f.must(nil)
		complete(t, rec)
		d := rec.Of(evidence.ChangeMerge)[0]
		m := facts[evidence.MergeFacts](t, d)
		merger := m.Merger >= 0 && d.People[m.Merger].NativeID == "21"
		if merger != tt.merger || (m.MergeSHA == sha1) != (tt.state == "merged") || m.MergedAt.IsZero() != (tt.state != "merged" || tt.at == 0) {
			t.Errorf("%s: %+v", name, m)
		}
		want, basis, from := now.Add(-tt.at), evidence.BasisSource, time.Time{}
		if tt.at == 0 {
			basis, from = evidence.BasisObserved, now.Add(-9*time.Hour)
		}
		if !d.OccurredAt.Equal(want) || d.Basis != basis || !d.NotBefore.Equal(from) {
			t.Errorf("%s: %s at %s, not before %s", name, d.Basis, d.OccurredAt, d.NotBefore)
		}
	}
}

// TestHiddenRepository: who may not read the code is told of no default branch,
// which is how an empty repository looks too.
func TestHiddenRepository(t *testing.T) {
	f := newFake(t, nil)
	first := f.must(nil)
	complete(t, first)
	hidden := f.project(5, "acme/app", now.Add(-time.Hour))
	delete(hidden, "default_branch")
	hidden["empty_repo"] = false
	f.set("projects/acme/app", hidden)
	f.clock = now.Add(5 * time.Minute)
	rec := f.must(first.Resume())
	for _, k := range []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef} {
		if c := claimed(rec, k); c != " blind 03T12:00..03T12:05" {
			t.Errorf("%s: claimed %q", k, c)
		}
	}
	if !strings.Contains(last(rec).Incomplete, "the repository of project 5 can be read no longer") || claimed(rec, evidence.ChangeMerge) != " continuous 03T12:00..03T12:05" {
		t.Errorf("incomplete %q, requests %q", last(rec).Incomplete, claimed(rec, evidence.ChangeMerge))
	}
	hidden["empty_repo"] = true
	f = newFake(t, nil)
	f.set("projects/acme/app", hidden)
	rec = f.must(nil)
	complete(t, rec)
	if c := claimed(rec, evidence.ChangeRef); !strings.Contains(c, " instants ") {
		t.Errorf("empty: claimed %q", c)
	}
}

// TestOtherFormsOfSettings: a role may end at a time instead of on a day, and what
// approval rules say of a branch beside its name is not always of the same form.
func TestOtherFormsOfSettings(t *testing.T) {
	f := newFake(t, nil)
	member := func(id int, ends any) obj {
		m := account(id, "m", "M")
		m["access_level"], m["expires_at"] = 30, ends
		return m
	}
	f.set("projects/5/members/all", []obj{member(21, "2026-10-22T14:13:35Z"), member(22, "2026-10-22"), member(23, nil), member(24, "")})
	f.set("projects/5/approvals", obj{})
	f.set("projects/5/approval_rules", []obj{{"id": 4, "name": "two of us", "rule_type": "regular", "approvals_required": 2,
		"protected_branches": []obj{{"name": "main", "code_owner_approval_required": "false"}}, "users": "hidden"}})
	rec := f.must(nil)
	complete(t, rec)
	got := map[string]string{}
	for _, d := range rec.Of(evidence.AccessMember) {
		got[d.People[0].NativeID] = facts[evidence.MemberFacts](t, d).ExpiresAt.Format(time.RFC3339)
	}
	none := time.Time{}.Format(time.RFC3339)
	if want := map[string]string{"21": "2026-10-22T14:13:35Z", "22": "2026-10-22T00:00:00Z", "23": none, "24": none}; !maps.Equal(got, want) {
		t.Errorf("roles end %v, want %v", got, want)
	}
	if p := facts[evidence.ProtectionFacts](t, rec.Of(evidence.ChangeProtection)[0]); p.RequiredApprovals != 2 {
		t.Errorf("guard %+v", p)
	}
	f.set("projects/5/members/all", []obj{member(21, "tomorrow")})
	if rec, err := f.poll(nil); err == nil && last(rec).Incomplete == "" {
		t.Error("a day of no form was taken")
	}
}

// TestGuardedByTier: a group may protect environments by their tier, which no
// list of a project tells; that a deployment waits for somebody does.
func TestGuardedByTier(t *testing.T) {
	f := newFake(t, nil)
	var listed []obj
	for i, d := range []obj{
		{"status": "success", "approvals": []obj{{"user": account(21, "mira.k", "Mira"), "status": "approved", "created_at": hoursAgo(3)}}},
		{"status": "created", "pending_approval_count": 2}, {"status": "blocked"}, {"status": "success", "approvals": []obj{}, "pending_approval_count": 0},
	} {
		d["id"], d["sha"], d["updated_at"], d["created_at"], d["environment"] = i+1, sha1, hoursAgo(2), hoursAgo(4), obj{"name": "production"}
		f.set(fmt.Sprintf("projects/5/deployments/%d", i+1), d)
		listed = append(listed, obj{"id": i + 1, "updated_at": hoursAgo(2)})
	}
	f.set("projects/5/deployments", listed)
	rec := f.must(nil)
	complete(t, rec)
	got := map[string]bool{}
	for _, d := range rec.Of(evidence.DeployRelease) {
		r := facts[evidence.ReleaseFacts](t, d)
		got[r.ID] = r.Protected != nil && *r.Protected
	}
	if want := map[string]bool{"1": true, "2": true, "3": true, "4": false}; !maps.Equal(got, want) {
		t.Errorf("protected %v, want %v", got, want)
	}
}

// TestGroupEnvironments: a group's guards of a tier count beside the project's, by
// the tier that the environment has at the source.
func TestGroupEnvironments(t *testing.T) {
	rule := func(of string, id, n int) obj { return obj{"id": 1, of: id, "required_approvals": n} }
	guard := func(name string, rules ...obj) obj { return obj{"name": name, "approval_rules": rules} }
	hidden := refusal{status: 403, body: `{"message":"403 Forbidden"}`}
	yes, no := true, false
	for name, tt := range map[string]struct {
		routes map[string]any
		want   evidence.ReleaseFacts
	}{
		"nowhere": {nil, evidence.ReleaseFacts{Protected: &no}},
		"in the group": {map[string]any{"groups/acme/protected_environments": []obj{guard("production", rule("group_id", 77, 2)), guard("staging", rule("access_level", 40, 5))},
			"projects/5/environments/4": obj{"id": 4, "tier": "production"}},
			evidence.ReleaseFacts{Protected: &yes, Required: 2, Rules: []evidence.ReleaseRule{{Group: "acme", By: "group-77", Required: 2}}}},
		"in both": {map[string]any{"groups/acme/protected_environments": []obj{guard("production", rule("user_id", 7, 1))},
			"projects/5/protected_environments": []obj{guard("live", rule("access_level", 40, 1))}, "projects/5/environments/4": obj{"id": 4, "tier": "production"}},
			evidence.ReleaseFacts{Protected: &yes, Required: 2, Rules: []evidence.ReleaseRule{{By: "maintainer", Required: 1}, {Group: "acme", By: "user", Required: 1}}}},
		"of another tier": {map[string]any{"groups/acme/protected_environments": []obj{guard("staging")}, "projects/5/environments/4": obj{"id": 4, "tier": "production"}},
			evidence.ReleaseFacts{Protected: &no}},
		"of a tier that is hidden": {map[string]any{"groups/acme/protected_environments": []obj{guard("staging")}, "projects/5/environments/4": hidden}, evidence.ReleaseFacts{}},
		"hidden of the group":      {map[string]any{"groups/acme/protected_environments": hidden}, evidence.ReleaseFacts{}},
		"hidden of the project": {map[string]any{"projects/5/protected_environments": hidden, "groups/acme/protected_environments": []obj{guard("production")}, "projects/5/environments/4": obj{"id": 4, "tier": "production"}},
			evidence.ReleaseFacts{Protected: &yes}},
	} {
		f := newFake(t, nil)
		d := obj{"id": 1, "sha": sha1, "status": "success", "updated_at": hoursAgo(2), "created_at": hoursAgo(4), "environment": obj{"id": 4, "name": "live"}}
		f.set("projects/5/deployments", []obj{{"id": 1, "updated_at": hoursAgo(2)}})
		f.set("projects/5/deployments/1", d)
		for path, v := range tt.routes {
			f.set(path, v)
		}
		rec := f.must(nil)
		complete(t, rec)
		r := facts[evidence.ReleaseFacts](t, rec.Of(evidence.DeployRelease)[0])
		got := evidence.ReleaseFacts{Protected: r.Protected, Required: r.Required, Rules: r.Rules}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("guarded %s (-want +got):\n%s", name, d)
		}
	}
}

// TestSettingsAbove: what the instance or a group lays down about approvals holds
// over the project's own; where it is hidden, a lax setting is not told as one.
func TestSettingsAbove(t *testing.T) {
	yes, no := true, false
	for name, tt := range map[string]struct {
		above        any
		stale, last  *bool
		wants, lacks string
	}{
		"laid down": {obj{"allow_author_approval": obj{"value": false, "locked": true, "inherited_from": "group"}, "allow_committer_approval": obj{"value": false, "locked": true, "inherited_from": "instance"},
			"retain_approvals_on_push": obj{"value": true, "locked": false, "inherited_from": nil}}, &no, &yes, "locked-by-group:allow-author-approval locked-by-instance:allow-committer-approval", "author-may-approve"},
		"not locked":         {obj{"allow_author_approval": obj{"value": true, "locked": false}}, &no, &no, "author-may-approve", "locked"},
		"of an older server": {obj{"allow_author_approval": false}, &no, &no, "author-may-approve", "locked"},
		"hidden":             {refusal{status: 404, body: `{}`}, nil, nil, "author-may-approve", "locked"},
	} {
		f := newFake(t, nil)
		f.set("projects/5/approvals", obj{"merge_requests_author_approval": true})
		f.set("projects/5/merge_request_approval_setting", tt.above)
		rec := f.must(nil)
		complete(t, rec)
		p := facts[evidence.ProtectionFacts](t, rec.Of(evidence.ChangeProtection)[0])
		if d := cmp.Diff([]*bool{tt.stale, tt.last}, []*bool{p.DismissStale, p.LastPushApproval}); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		rules := " "
		for _, s := range p.Rulesets {
			if s.Source == "approval-settings" {
				rules += strings.Join(s.Rules, " ")
			}
		}
		if !strings.Contains(rules, tt.wants) || strings.Contains(rules, " "+tt.lacks) {
			t.Errorf("%s: rules%s", name, rules)
		}
	}
}

// TestRulesOfGroups: approval rules of the groups above count on protected branches,
// each group is asked once in a look, and where they are hidden that is said and
// judges nothing.
func TestRulesOfGroups(t *testing.T) {
	hidden := refusal{status: 403, body: `{}`}
	rule := func(id, n int) obj {
		return obj{"id": id, "name": "of the group", "rule_type": "regular", "approvals_required": n, "protected_branches": []obj{}}
	}
	for name, tt := range map[string]struct {
		top, sub  any
		protected bool
		want      int
		sources   string
		noted     bool
	}{
		"of both":            {[]obj{rule(1, 2)}, []obj{rule(2, 3)}, true, 3, "approval-rule group-approval-rule group-approval-rule", false},
		"less than its own":  {[]obj{}, []obj{{"id": 2, "name": "x", "rule_type": "any_approver", "approvals_required": 0}}, true, 1, "approval-rule group-approval-rule", false},
		"about a report":     {[]obj{{"id": 2, "name": "x", "rule_type": "report_approver", "report_type": "scan_finding", "approvals_required": 4}}, []obj{}, true, 1, "approval-rule group-approval-rule", false},
		"branch not guarded": {[]obj{rule(1, 2)}, []obj{}, false, 1, "approval-rule", false},
		"hidden of one":      {hidden, []obj{rule(2, 2)}, true, 2, "approval-rule group-approval-rule", true},
		"not on this server": {refusal{status: 404, body: `{}`}, refusal{status: 404, body: `{}`}, true, 1, "approval-rule", true},
	} {
		f := newFake(t, func(c *Config) { c.Projects = []string{"acme/sub/app", "acme/sub/lib"} })
		for id, path := range map[int]string{5: "acme/sub/app", 6: "acme/sub/lib"} {
			f.set("projects/"+path, f.project(id, path, now.Add(-time.Hour)))
			f.branch(id, "main", sha1, sha1)
			f.set(fmt.Sprintf("projects/%d/approvals", id), obj{})
			f.set(fmt.Sprintf("projects/%d/approval_rules", id), []obj{rule(9, 1)})
			if tt.protected {
				f.set(fmt.Sprintf("projects/%d/protected_branches", id), []obj{{"id": 3, "name": "main"}})
			}
		}
		f.set("groups/acme/approval_rules", tt.top)
		f.set("groups/acme/sub/approval_rules", tt.sub)
		rec := f.must(nil)
		complete(t, rec)
		guards := rec.Of(evidence.ChangeProtection)
		if len(guards) != 2 {
			t.Fatalf("%s: %d guards", name, len(guards))
		}
		for _, d := range guards {
			p := facts[evidence.ProtectionFacts](t, d)
			var sources []string
			for _, s := range p.Rulesets {
				if strings.HasSuffix(s.Source, "approval-rule") {
					sources = append(sources, s.Source)
				}
			}
			if got := strings.Join(sources, " "); p.RequiredApprovals != tt.want || got != tt.sources {
				t.Errorf("%s: %d approvals by %q, want %d by %q", name, p.RequiredApprovals, got, tt.want, tt.sources)
			}
		}
		asked := 0
		for _, q := range f.requests() {
			if strings.HasPrefix(q, "groups/acme/") && strings.Contains(q, "/approval_rules") || strings.HasPrefix(q, "groups/acme/approval_rules") {
				asked++
			}
		}
		if noted := strings.Contains(strings.Join(last(rec).Notes, "; "), "approval rules of a group"); asked > 2 || noted != tt.noted {
			t.Errorf("%s: asked %d times, noted %v", name, asked, noted)
		}
	}
}
