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
	"evidenced/evidence"
)

// TestSkew measures a server whose clock is ten minutes off, and loses nothing
// by it.
func TestSkew(t *testing.T) {
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		f := newFake(t, nil)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			f.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.Header().Set("Date", f.clock.Add(off).Format(http.TimeFormat))
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		}))
		t.Cleanup(srv.Close)
		f.cfg.URL = srv.URL
		updated := func() string { return f.clock.Add(off - time.Second).Format(time.RFC3339Nano) }
		pipeline := func() {
			f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": updated()}})
			f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "success", "updated_at": updated()})
		}
		pipeline()
		first := f.must(nil)
		if o := last(first); !o.OffsetOK || (o.Offset-off).Abs() > 2*time.Second {
			t.Errorf("a clock %v off is told as %v, %v", off, o.Offset, o.OffsetOK)
		}
		f.clock = f.clock.Add(5 * time.Minute)
		pipeline()
		if n := len(f.must(first.Resume()).Of(evidence.PipelineRun)); n != 1 {
			t.Errorf("with a clock %v off a pipeline that was updated meanwhile is read %d times", off, n)
		}
	}
}

// TestMovingPages lets a request be updated while the list is read: it comes on
// both pages, pushes another down, and none is lost or doubled.
func TestMovingPages(t *testing.T) {
	f := newFake(t, nil)
	item := func(iid, hours int) obj {
		at := now.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339)
		f.set(fmt.Sprintf("projects/5/merge_requests/%d", iid), obj{"iid": iid, "state": "opened", "sha": sha1, "updated_at": at})
		f.set(fmt.Sprintf("projects/5/merge_requests/%d/approvals", iid), obj{"approved_by": []obj{}})
		return obj{"iid": iid, "updated_at": at}
	}
	moved := false
	f.set("projects/5/merge_requests", func(r *http.Request) any {
		switch {
		case r.URL.Query().Get("page") == "2":
			return []obj{item(3, 2), item(2, 3)}
		case !moved:
			moved = true // number 1 is updated now: 4, 3 and 2 move down by one
			return paged{[]obj{item(4, 1), item(3, 2)}, "2"}
		}
		return paged{[]obj{item(1, 0), item(4, 1)}, "2"}
	})
	numbers := func(rec *collectortest.Recorder) (ns []int) {
		for _, d := range rec.Of(evidence.ChangeMerge) {
			ns = append(ns, facts[evidence.MergeFacts](t, d).Number)
		}
		return ns
	}
	first := f.must(nil)
	if got := numbers(first); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("first look reads %v, want 2, 3 and 4 once each", got)
	}
	f.clock = now.Add(5 * time.Minute)
	if got := numbers(f.must(first.Resume())); !slices.Equal(got, []int{1}) {
		t.Errorf("second look reads %v, want the request that moved", got)
	}
}

// TestNewWords lets the source use words that are newer than the program, leave
// out what is optional, and name nobody where an account is gone: nothing of it
// ends a look, none of it is taken for something good, and the bytes stay.
func TestNewWords(t *testing.T) {
	f := newFake(t, nil)
	at := now.Add(-time.Hour).Format(time.RFC3339)
	f.set("projects/5/merge_requests", []obj{{"iid": 1, "updated_at": at}})
	f.set("projects/5/merge_requests/1", obj{"iid": 1, "state": "simmering", "author": nil, "merge_user": nil, "newer": obj{"kept": 1}})
	f.set("projects/5/merge_requests/1/approvals", obj{"approved_by": []obj{{"user": nil}, {"user": obj{"id": 9, "username": "ghost"}}}})
	f.set("projects/5/merge_requests/1/notes", []obj{{"id": 4, "system": true, "body": "pondered this merge request", "created_at": at, "author": obj{}}})
	f.set("projects/5/pipelines", []obj{{"id": 2, "updated_at": at}})
	f.set("projects/5/pipelines/2", obj{"id": 2, "sha": sha1, "status": "marvellous", "source": "telepathy", "user": nil})
	f.set("projects/5/pipelines/2/jobs", []obj{{"id": 3, "name": "x", "status": "dreaming", "user": nil, "failure_reason": "a spell, cast by hand"}})
	f.set("projects/5/deployments", []obj{{"id": 4, "updated_at": at}})
	f.set("projects/5/deployments/4", obj{"id": 4, "sha": sha1, "status": "marvellous", "environment": obj{"name": "production"}, "user": nil, "approvals": []obj{{"user": nil, "status": "pondered"}}})
	f.set("projects/5/members/all", []obj{{"id": 6, "username": "m", "access_level": 37, "state": "hovering"}})
	f.set("projects/5/audit_events", []obj{{"id": 7, "author_id": -1, "entity_type": "Spell", "created_at": at, "details": obj{}}})
	f.set("projects/5/protected_branches", []obj{{"name": "main", "push_access_levels": []obj{{"access_level": 37}}}})
	rec := f.must(nil)
	if o := last(rec); o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
	for _, d := range rec.Drafts {
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", d.Key, err)
		}
	}
	m := facts[evidence.MergeFacts](t, rec.Of(evidence.ChangeMerge)[0])
	if m.State != "simmering" || m.Author != -1 || m.Merger != -1 || len(m.Reviews) != 1 || m.Reviews[0].State != "approved" {
		t.Errorf("request %+v", m)
	}
	if raw := string(rec.Of(evidence.ChangeMerge)[0].Raw); !strings.Contains(raw, `"newer":{"kept":1}`) {
		t.Errorf("raw %s", raw)
	}
	p := facts[evidence.PipelineFacts](t, rec.Of(evidence.PipelineRun)[0])
	if p.Status != "unknown" || p.Native != "marvellous" || p.Actor != -1 || p.Jobs[0].Status != "unknown" || p.Jobs[0].Why != "other" {
		t.Errorf("pipeline %+v", p)
	}
	r := facts[evidence.ReleaseFacts](t, rec.Of(evidence.DeployRelease)[0])
	if r.Status != "unknown" || r.Actor != -1 || len(r.Approvals) != 1 || r.Approvals[0].Person != -1 || r.Approvals[0].State != "pondered" {
		t.Errorf("deployment %+v", r)
	}
	a := facts[evidence.MemberFacts](t, rec.Of(evidence.AccessMember)[0])
	if a.Role != "level-37" || a.Rank != "unknown" || !a.Disabled {
		t.Errorf("member %+v", a)
	}
	e := facts[evidence.AuditFacts](t, rec.Of(evidence.AccessAudit)[0])
	if e.Action != "other" || e.Who != -1 {
		t.Errorf("audit event %+v", e)
	}
}
