package terraform

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// A quiet look asks for the first page of each list alone, whatever its length.
func TestQuietLook(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.History = 0 })
	for i := range 300 {
		id := fmt.Sprintf("ws-%03d", i)
		p.workspaces = append(p.workspaces, wsRow(id, fmt.Sprintf("w-%03d", i), "sv-"+id))
		p.runs[id] = []row{runRow("run-"+id, "applied", now.Add(-24*time.Hour))}
		p.states[fmt.Sprintf("w-%03d", i)] = []row{svRow("sv-"+id, 1, now.Add(-24*time.Hour), true)}
	}
	p.runs["ws-000"] = manyRuns(230, now.Add(-time.Hour))
	first := p.must(nil)
	if n := len(first.Of(evidence.InfraRun)); n != 299+230 {
		t.Fatalf("%d runs, want %d", n, 299+230)
	}
	second := p.later(5*time.Minute, first)
	if n := len(p.asked); n != 3+300 {
		t.Errorf("a quiet look makes %d requests, want %d", n, 3+300)
	}
	if len(second.Of(evidence.InfraRun)) != 0 || len(second.Of(evidence.InfraState)) != 0 || len(second.Of(evidence.InfraWorkspace)) != 300 {
		t.Errorf("a quiet look tells %d drafts", len(second.Drafts))
	}
	if o := last(second); o.Requests != len(p.asked) || o.Incomplete != "" {
		t.Errorf("%+v", o)
	}
	if n := len(second.Resume()); n > 300*400 {
		t.Errorf("the position takes %d bytes", n)
	}
}

// New runs that shift the list while it is read are told at the next look, and
// none of the old ones is lost; one that goes meanwhile has the list read anew.
func TestListShifts(t *testing.T) {
	for _, change := range []string{"grows", "shrinks"} {
		p := newPlatform(t, func(c *Config) { c.History = 0 })
		p.workspaces = []row{wsRow("ws-1", "net", "")}
		p.runs["ws-1"] = manyRuns(65, now.Add(-time.Hour))
		n := 0
		p.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/ws-1/runs") {
				return false
			}
			if n++; n != 2 {
				return false
			}
			if change == "grows" {
				p.runs["ws-1"] = append([]row{runRow("run-new", "applied", now)}, p.runs["ws-1"]...)
			} else {
				p.runs["ws-1"] = slices.Delete(p.runs["ws-1"], 3, 5)
			}
			return false
		}
		first := p.must(nil)
		second := p.later(5*time.Minute, first)
		got := slices.Compact(slices.Sorted(slices.Values(append(keysOf(first, evidence.InfraRun), keysOf(second, evidence.InfraRun)...))))
		want := 65
		if change == "grows" {
			want++
		}
		if len(got) != want || last(first).Incomplete != "" {
			t.Errorf("%s: %d runs told, want %d (%s)", change, len(got), want, last(first).Incomplete)
		}
		if n := len(keysOf(first, evidence.InfraRun)); n != len(slices.Compact(keysOf(first, evidence.InfraRun))) {
			t.Errorf("%s: a run is told twice in one look", change)
		}
	}
	// A list that never stands still is not taken for whole.
	p := newPlatform(t, func(c *Config) { c.History = 0 })
	p.workspaces = []row{wsRow("ws-1", "net", ""), wsRow("ws-2", "db", "")}
	p.runs["ws-1"], p.runs["ws-2"] = manyRuns(400, now.Add(-time.Hour)), []row{runRow("run-b", "applied", now)}
	p.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/ws-1/runs") {
			p.runs["ws-1"] = p.runs["ws-1"][:len(p.runs["ws-1"])-1]
		}
		return false
	}
	rec := p.must(nil)
	if b := blind(rec, evidence.InfraRun); len(b) != 1 || b["project:acme/acme//net"] == "" || last(rec).Incomplete == "" {
		t.Errorf("a list that shrinks all the time: blind %v, %q", b, last(rec).Incomplete)
	}
	if !slices.Contains(keysOf(rec, evidence.InfraRun), "run-b") {
		t.Error("the other workspace is not read")
	}
}

// A run that waits is followed until it ends, however many come after it.
func TestRunIsFollowed(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	p.runs["ws-1"] = []row{runRow("run-waits", "planned", now.Add(-time.Hour))}
	rec := p.must(nil)
	for i := range 45 {
		p.runs["ws-1"] = append([]row{runRow(fmt.Sprintf("run-%03d", i), "discarded", now.Add(time.Duration(i)*time.Minute))}, p.runs["ws-1"]...)
	}
	rec = p.later(2*time.Hour, rec)
	if n := len(rec.Of(evidence.InfraRun)); n != 46 {
		t.Errorf("%d runs told, want 45 new ones and the one that waits", n)
	}
	rec = p.later(5*time.Minute, rec)
	if got := keysOf(rec, evidence.InfraRun); len(got) != 1 || got[0] != "run-waits" {
		t.Errorf("told %v", got)
	}
	p.runs["ws-1"][45] = runRow("run-waits", "applied", now.Add(-time.Hour))
	rec = p.later(5*time.Minute, rec)
	if ds := rec.Of(evidence.InfraRun); len(ds) != 1 || !strings.Contains(string(ds[0].Content), `"status":"applied"`) || !ds[0].OccurredAt.Equal(now.Add(-time.Hour)) {
		t.Errorf("told %+v", ds)
	}
	if rec = p.later(5*time.Minute, rec); len(rec.Of(evidence.InfraRun)) != 0 {
		t.Error("a run that ended is read again")
	}
}

// A run that is purged before it ended leaves a blind stretch of its workspace.
func TestRunIsPurged(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", ""), wsRow("ws-2", "db", "")}
	p.runs["ws-1"] = []row{runRow("run-waits", "planned", now.Add(-time.Hour))}
	first := p.must(nil)
	p.runs["ws-1"] = nil
	second := p.later(5*time.Minute, first)
	if b := blind(second, evidence.InfraRun); len(b) != 1 || !strings.Contains(b["project:acme/acme//net"], "no longer there") {
		t.Errorf("blind %v", b)
	}
	if b := blind(p.later(5*time.Minute, second), evidence.InfraRun); len(b) != 0 {
		t.Errorf("blind %v once it is given up", b)
	}
}

// What a workspace had while it could not be read is read later, and the others
// are not held up.
func TestWorkspaceUnreadable(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "sv-1"), wsRow("ws-2", "db", "sv-2")}
	p.runs["ws-2"] = []row{runRow("run-b", "applied", now.Add(-time.Hour))}
	first := p.must(nil)
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/ws-1/runs") {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	p.runs["ws-1"] = []row{runRow("run-a", "applied", now.Add(time.Minute))}
	p.runs["ws-2"] = append([]row{runRow("run-c", "applied", now.Add(time.Minute))}, p.runs["ws-2"]...)
	second := p.later(5*time.Minute, first)
	if b := blind(second, evidence.InfraRun); len(b) != 1 || b["project:acme/acme//net"] == "" || !strings.Contains(last(second).Incomplete, "ws-1") {
		t.Errorf("blind %v, %q", b, last(second).Incomplete)
	}
	if got := keysOf(second, evidence.InfraRun); !slices.Equal(got, []string{"run-c"}) {
		t.Errorf("told %v", got)
	}
	p.before = nil
	third := p.later(5*time.Minute, second)
	if got := keysOf(third, evidence.InfraRun); !slices.Equal(got, []string{"run-a"}) || len(blind(third, evidence.InfraRun)) != 0 {
		t.Errorf("told %v, blind %v", got, blind(third, evidence.InfraRun))
	}
}

// An empty list is no proof that nothing is there; nor is one that lacks a
// workspace, but where the credential sees all of them.
func TestWorkspacesGo(t *testing.T) {
	for _, all := range []bool{false, true} {
		p := newPlatform(t, func(c *Config) { c.SeesAll = all })
		p.workspaces = []row{wsRow("ws-1", "net", ""), wsRow("ws-2", "db", "")}
		first := p.must(nil)
		if sees := last(first).Sees; (sees == nil) != all || !all && len(sees) != 2 {
			t.Errorf("sees_all %v: sees %v", all, sees)
		}
		p.workspaces = p.workspaces[:1]
		second := p.later(5*time.Minute, first)
		if n := len(second.Completed); n != 1 {
			t.Errorf("sees_all %v: %d complete lists", all, n)
		}
		if sees := last(second).Sees; !all && len(sees) != 1 || all && sees != nil {
			t.Errorf("sees_all %v: sees %v", all, sees)
		}
		p.workspaces = nil
		third := p.later(5*time.Minute, second)
		if len(third.Completed) != 0 || blind(third, evidence.InfraWorkspace)[""] == "" || blind(third, evidence.InfraRun)[""] == "" {
			t.Errorf("sees_all %v: an empty list is taken for an empty organization: %+v", all, last(third))
		}
	}
}

// A workspace whose tags cannot be read stays with its owners.
func TestTagsUnread(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	p.workspaces[0]["relationships"].(row)["effective-tag-bindings"] = row{"data": []row{{"id": "tb-1", "type": "effective-tag-bindings"}}}
	p.included = []row{{"id": "tb-1", "type": "effective-tag-bindings", "attributes": row{"key": "tenant", "value": "tenant-7"}}}
	label := evidence.NewRef("label", "acme", "tenant=tenant-7")
	first := p.must(nil)
	if d := first.Of(evidence.InfraWorkspace)[0]; !slices.Contains(d.Scope, label) || len(d.Mentions) != 1 || d.Mentions[0].Of[0][0] != label {
		t.Fatalf("%+v", d)
	}
	for _, broken := range []any{row{}, row{"data": []row{{"id": "tb-9", "type": "effective-tag-bindings"}}}} {
		p.workspaces[0]["relationships"].(row)["effective-tag-bindings"] = broken
		second := p.later(5*time.Minute, first)
		d := second.Of(evidence.InfraWorkspace)[0]
		if !slices.Contains(d.Scope, label) || !strings.Contains(string(d.Content), "tags_unread") || last(second).Incomplete == "" {
			t.Errorf("%v: scope %v, %s, %q", broken, d.Scope, d.Content, last(second).Incomplete)
		}
	}
	// A platform that refuses to tell them is asked for less.
	p.workspaces = []row{wsRow("ws-1", "net", "", "tenant-7")}
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		refused := strings.Contains(r.URL.Query().Get("include"), "tag_bindings")
		if refused {
			w.WriteHeader(http.StatusBadRequest)
		}
		return refused
	}
	p.restart()
	rec := p.must(nil)
	if d := rec.Of(evidence.InfraWorkspace)[0]; !slices.Contains(d.Scope, evidence.NewRef("label", "acme", "tenant-7=")) || len(last(rec).Notes) != 1 || last(rec).Incomplete != "" {
		t.Errorf("scope %v, %+v", d.Scope, last(rec))
	}
}

// A version is read again until the platform has looked into it, and no longer
// than a day.
func TestStateProcessedLater(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "sv-2")}
	p.states["net"] = []row{svRow("sv-2", 2, now.Add(-time.Minute), false), svRow("sv-1", 1, now.Add(-time.Hour), true)}
	first := p.must(nil)
	if got := keysOf(first, evidence.InfraState); len(got) != 2 {
		t.Fatalf("told %v", got)
	}
	second := p.later(5*time.Minute, first)
	if got := keysOf(second, evidence.InfraState); !slices.Equal(got, []string{"sv-2"}) {
		t.Errorf("told %v", got)
	}
	p.states["net"][0] = svRow("sv-2", 2, now.Add(-time.Minute), true)
	third := p.later(5*time.Minute, second)
	if ds := third.Of(evidence.InfraState); len(ds) != 1 || !strings.Contains(string(ds[0].Content), `"processed":true,"resources":[{"address":"t.a"`) && !strings.Contains(string(ds[0].Content), `"address":"t.a"`) {
		t.Errorf("told %+v", ds)
	}
	fourth := p.later(5*time.Minute, third)
	if len(fourth.Of(evidence.InfraState)) != 0 || slices.ContainsFunc(p.asked, func(s string) bool { return strings.Contains(s, "state-versions") }) {
		t.Errorf("asked %v", p.asked)
	}
	// One that never is: given up after a day.
	p.states["net"] = append([]row{svRow("sv-3", 3, p.clock, false)}, p.states["net"]...)
	p.workspaces[0] = wsRow("ws-1", "net", "sv-3")
	rec := p.later(5*time.Minute, fourth)
	rec = p.later(25*time.Hour, rec)
	if len(rec.Of(evidence.InfraState)) != 1 {
		t.Error("the last reading is not told")
	}
	if rec = p.later(5*time.Minute, rec); len(rec.Of(evidence.InfraState)) != 0 {
		t.Error("a version that is never looked into is read for ever")
	}
}

// The audit trail is kept for 14 days: what is older after a longer hole was not
// seen.
func TestAuditHole(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.AuditTokenFile = c.TokenFile })
	entry := func(id string, at time.Time) row {
		return row{"id": id, "timestamp": at.Format(time.RFC3339), "type": "Resource", "auth": row{"accessor_id": "user-1", "description": "x", "type": "Client"}, "resource": row{"id": "ws-1", "type": "workspace", "action": "update"}}
	}
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	p.audit = []row{entry("a-1", now.Add(-13*24*time.Hour)), entry("a-2", now.Add(-time.Hour))}
	first := p.must(nil)
	if got := keysOf(first, evidence.AccessAudit); len(got) != 2 {
		t.Errorf("told %v", got)
	}
	if d := first.Of(evidence.AccessAudit)[0]; !slices.Contains(d.Scope, evidence.NewRef("project", "acme", "acme//net")) {
		t.Errorf("an entry about a workspace has the scope %v", d.Scope)
	}
	p.audit = append(p.audit, entry("a-3", now.Add(5*24*time.Hour)), entry("a-4", now.Add(19*24*time.Hour)))
	second := p.later(20*24*time.Hour, first)
	if got := keysOf(second, evidence.AccessAudit); !slices.Equal(got, []string{"a-4"}) {
		t.Errorf("told %v", got)
	}
	var from, to time.Time
	for _, s := range last(second).Seen {
		if s.Class == evidence.Blind && s.Kinds[0] == evidence.AccessAudit {
			from, to = s.From, s.To
		}
	}
	if !from.Equal(now) || !to.Equal(p.clock.Add(-auditKept)) {
		t.Errorf("blind from %v to %v", from, to)
	}
}

// An entry belongs to the workspace that it names, in whatever form it does.
func TestAuditConcerns(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.AuditTokenFile = c.TokenFile })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	for i, meta := range []any{
		row{"workspace_id": "ws-1", "workspace": "net"}, row{"workspace": row{"id": "ws-1", "name": "net"}, "run": row{"id": "run-1"}}, row{"comment": nil, "payload": row{"workspace": row{"id": "ws-1"}}, "actor": "mira"},
		row{"payload": "x", "workspace": 7}, nil,
	} {
		p.audit = append(p.audit, row{"id": fmt.Sprintf("a-%d", i), "timestamp": now.Add(-time.Hour).Format(time.RFC3339), "auth": row{"accessor_id": "user-1", "type": "Client"}, "resource": row{"id": "x-1", "type": "policy_evaluation", "action": "override", "meta": meta}})
	}
	for i, d := range p.must(nil).Of(evidence.AccessAudit) {
		if named := slices.Contains(d.Scope, evidence.NewRef("project", "acme", "acme//net")); named != (i < 3) {
			t.Errorf("entry %s has the scope %v", d.Key, d.Scope)
		}
	}
}

// 429 is waited for as long as the platform says, in fractions of a second; a long
// wait ends the run.
func TestRateLimit(t *testing.T) {
	for reset, ends := range map[string]bool{"0.4": false, "7200": true, "": false, "x": false} {
		p := newPlatform(t, nil)
		p.workspaces = []row{wsRow("ws-1", "net", "")}
		n := 0
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/runs") {
				return false
			}
			if n++; n > 1 && !ends {
				return false
			}
			if reset != "" {
				w.Header().Set("X-RateLimit-Reset", reset)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		_, err := p.poll(nil)
		if (err != nil) != ends {
			t.Errorf("X-RateLimit-Reset %q: %v", reset, err)
		}
		if ends && n != 1 {
			t.Errorf("X-RateLimit-Reset %q: asked %d times", reset, n)
		}
	}
}

// An item of an odd form costs none of the others, and is told as not seen.
func TestOddItems(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "sv-1"), wsRow("ws-2", "db", "sv-2")}
	odd := runRow("run-odd", "applied", now)
	odd["attributes"].(row)["created-at"], odd["attributes"].(row)["status-timestamps"] = "0001-01-01T00:00:00Z", nil
	late := runRow("run-late", "applied", now.Add(-time.Hour))
	late["attributes"].(row)["created-at"] = "0001-01-01T00:00:00Z"
	p.runs["ws-1"] = []row{odd, late, runRow("run-good", "applied", now.Add(-2*time.Hour)), {"id": "run x", "type": "runs"}}
	p.states["net"] = []row{{"id": "sv-1", "type": "state-versions", "attributes": row{"created-at": nil}}, svRow("sv-0", 1, now.Add(-time.Hour), true)}
	rec := p.must(nil)
	if got := keysOf(rec, evidence.InfraRun); !slices.Equal(got, []string{"run-good", "run-late"}) {
		t.Errorf("told %v", got)
	}
	if got := keysOf(rec, evidence.InfraState); !slices.Equal(got, []string{"sv-0"}) {
		t.Errorf("told %v", got)
	}
	for _, kind := range []evidence.Kind{evidence.InfraRun, evidence.InfraState} {
		if b := blind(rec, kind); len(b) != 1 || !strings.Contains(b["project:acme/acme//net"], "not all could be read") {
			t.Errorf("%s: blind %v", kind, b)
		}
	}
	if last(rec).Incomplete == "" {
		t.Error("the look says it is complete")
	}
}

// A page of nothing but items of an odd form does not hide what stands behind it.
func TestOddPage(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	for i := range pageSize {
		p.runs["ws-1"] = append(p.runs["ws-1"], row{"id": fmt.Sprintf("run-odd%d", i), "type": "runs"})
	}
	p.runs["ws-1"] = append(p.runs["ws-1"], manyRuns(3, now.Add(-time.Hour))...)
	if got := keysOf(p.must(nil), evidence.InfraRun); len(got) != 3 {
		t.Errorf("told %v", got)
	}
}

// A page of a login proxy, with whatever status, is neither an empty list nor told
// to anybody.
func TestLoginPage(t *testing.T) {
	for _, suffix := range []string{"/workspaces", "/ws-1/runs", "/run-a/run-events", "/run-a/policy-checks", "/state-versions", "/audit-trail"} {
		for _, code := range []int{http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests} {
			p := newPlatform(t, func(c *Config) { c.AuditTokenFile = c.TokenFile })
			p.workspaces = []row{wsRow("ws-1", "net", "sv-1"), wsRow("ws-2", "db", "")}
			p.runs["ws-1"] = []row{runRow("run-a", "applied", now.Add(-time.Hour))}
			p.runs["ws-1"][0]["relationships"].(row)["policy-checks"] = nil
			p.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, suffix) {
					return false
				}
				w.Header().Set("Content-Type", "text/html")
				w.Header().Set("X-RateLimit-Reset", "soon")
				w.WriteHeader(code)
				fmt.Fprint(w, "<html>s3cr3t")
				return true
			}
			rec, err := p.poll(nil)
			if err == nil && last(rec).Incomplete == "" {
				t.Errorf("%s %d: the look says it is complete", suffix, code)
			}
			if whole := fmt.Sprintf("%v %+v", err, rec); strings.Contains(whole, secret) {
				t.Errorf("%s %d: %s", suffix, code, whole)
			}
			for _, d := range rec.Of(evidence.InfraRun) {
				c := string(d.Content)
				if strings.HasSuffix(suffix, "run-events") && !strings.Contains(c, `"events_seen":false`) || strings.HasSuffix(suffix, "policy-checks") && !strings.Contains(c, `"policies_seen":false`) {
					t.Errorf("%s %d: %s", suffix, code, c)
				}
			}
		}
	}
}

// A run that the platform dates into the future does not hide those that come
// after it.
func TestRunFromTheFuture(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "sv-1")}
	p.runs["ws-1"] = []row{runRow("run-future", "applied", now.AddDate(5, 0, 0))}
	p.states["net"] = []row{svRow("sv-1", 1, now.AddDate(5, 0, 0), true)}
	first := p.must(nil)
	p.workspaces[0] = wsRow("ws-1", "net", "sv-2")
	p.runs["ws-1"] = append([]row{runRow("run-next", "applied", now.Add(time.Minute))}, p.runs["ws-1"]...)
	p.states["net"] = append([]row{svRow("sv-2", 2, now.Add(time.Minute), true)}, p.states["net"]...)
	second := p.later(5*time.Minute, first)
	if got := keysOf(second, evidence.InfraRun); !slices.Equal(got, []string{"run-next"}) {
		t.Errorf("told runs %v", got)
	}
	if got := keysOf(second, evidence.InfraState); !slices.Equal(got, []string{"sv-2"}) {
		t.Errorf("told states %v", got)
	}
	third := p.later(20*time.Minute, second)
	if len(third.Of(evidence.InfraRun)) != 0 {
		t.Errorf("told again: %v", keysOf(third, evidence.InfraRun))
	}
}

// Times without a zone are of no moment that is known.
func TestTimesWithoutZone(t *testing.T) {
	for in, want := range map[string]bool{`"2026-03-03T10:00:00"`: false, `"2026-03-03 10:00:00Z"`: false, `"2026-03-03"`: false, `1772532000`: false, `"2026-03-03T10:00:00+02:00"`: true} {
		var m moment
		if err := json.Unmarshal([]byte(in), &m); err != nil || m.IsZero() == want {
			t.Errorf("%s: %v, %v", in, m, err)
		}
	}
}

// A workspace cannot be named like another one's path, and a run of another
// workspace, or a version of its state, is not told as its own.
func TestForeign(t *testing.T) {
	p := newPlatform(t, nil)
	ws := wsRow("ws-1", "a/b", "")
	ws["relationships"].(row)["project"] = row{"data": row{"id": "prj-1", "type": "projects"}}
	p.workspaces = []row{ws, wsRow("ws-2", "net", "")}
	p.included = []row{{"id": "prj-1", "type": "projects", "attributes": row{"name": "x/tenant-7"}}}
	foreign := svRow("sv-1", 1, now, true)
	foreign["relationships"] = row{"workspace": row{"data": row{"id": "ws-9", "type": "workspaces"}}}
	p.states["net"] = []row{foreign}
	taken := runRow("run-a", "applied", now)
	taken["relationships"].(row)["workspace"] = row{"data": row{"id": "ws-9", "type": "workspaces"}}
	p.runs["ws-2"] = []row{taken}
	rec := p.must(nil)
	want := []evidence.Ref{evidence.NewRef("project", "acme", "acme/x_tenant-7/a_b"), evidence.NewRef("project", "acme", "acme/x_tenant-7")}
	if d := rec.Of(evidence.InfraWorkspace)[0]; !slices.Equal(d.Scope, want) {
		t.Errorf("scope %v", d.Scope)
	}
	if len(rec.Of(evidence.InfraState)) != 0 || len(blind(rec, evidence.InfraState)) != 1 {
		t.Errorf("a foreign version: %v, blind %v", keysOf(rec, evidence.InfraState), blind(rec, evidence.InfraState))
	}
	if len(rec.Of(evidence.InfraRun)) != 0 || len(blind(rec, evidence.InfraRun)) != 1 {
		t.Errorf("a foreign run: %v, blind %v", keysOf(rec, evidence.InfraRun), blind(rec, evidence.InfraRun))
	}
	// One that waits is asked for by itself.
	waits := runRow("run-b", "planned", now)
	p.runs["ws-2"] = []row{waits}
	first := p.must(nil)
	waits["relationships"].(row)["workspace"] = row{"data": row{"id": "ws-9", "type": "workspaces"}}
	p.runs["ws-2"], p.runs["ws-9"] = nil, []row{waits}
	second := p.later(5*time.Minute, first)
	if len(first.Of(evidence.InfraRun)) != 1 || len(second.Of(evidence.InfraRun)) != 0 || len(blind(second, evidence.InfraRun)) != 1 {
		t.Errorf("a foreign run by its id: %v, then %v", keysOf(first, evidence.InfraRun), keysOf(second, evidence.InfraRun))
	}
}

// Who acted belongs to nobody that is known, and no record is the platform's for
// its actor's sake.
func TestActors(t *testing.T) {
	l := newLab(t, nil)
	got := collectortest.Actors(t, l.must(nil).Drafts, "x=y", "tenant=tenant-7")
	for kind, by := range got {
		for whose := range by {
			if whose != "[]" && whose != "nobody acted" {
				t.Errorf("%s: %s acted", kind, whose)
			}
		}
	}
}

// A part that never could be read is not claimed for the time before it was first
// tried, and is read once it can be.
func TestNeverReadable(t *testing.T) {
	p := newPlatform(t, nil)
	p.workspaces = []row{wsRow("ws-1", "net", "sv-1"), wsRow("ws-2", "db", "sv-2")}
	p.workspaces[0]["attributes"].(row)["permissions"] = row{"can-read-state-versions": false}
	p.states["net"] = []row{svRow("sv-1", 1, now.Add(-48*time.Hour), true)}
	of := func(rec *collectortest.Recorder, class evidence.Class) (out []evidence.Seen) {
		for _, s := range last(rec).Seen {
			if s.Class == class && s.Scope.Name == "acme//net" {
				out = append(out, s)
			}
		}
		return out
	}
	first := p.must(nil)
	if b := of(first, evidence.Blind); len(b) != 1 || !b[0].From.Equal(now.Add(-p.cfg.History)) || !b[0].To.Equal(now) {
		t.Errorf("blind %+v", b)
	}
	second := p.later(5*time.Minute, first)
	if b := of(second, evidence.Blind); len(b) != 1 || !b[0].From.Equal(now) || !b[0].To.Equal(p.clock) {
		t.Errorf("blind %+v", b)
	}
	p.workspaces[0]["attributes"].(row)["permissions"] = nil
	third := p.later(5*time.Minute, second)
	if b := of(third, evidence.Blind); len(b) != 0 {
		t.Errorf("blind %+v", b)
	}
	if got := keysOf(third, evidence.InfraState); !slices.Equal(got, []string{"sv-1"}) {
		t.Errorf("told %v", got)
	}
}

// A dead token of the audit trail costs the audit trail alone.
func TestAuditTokenDead(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusTooManyRequests} {
		p := newPlatform(t, func(c *Config) { c.AuditTokenFile = c.TokenFile })
		p.workspaces = []row{wsRow("ws-1", "net", "")}
		p.runs["ws-1"] = []row{runRow("run-a", "applied", now.Add(-time.Hour))}
		p.before = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "audit-trail") {
				return false
			}
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(code)
			return true
		}
		rec := p.must(nil)
		if got := keysOf(rec, evidence.InfraRun); !slices.Equal(got, []string{"run-a"}) || len(blind(rec, evidence.AccessAudit)) != 1 || len(blind(rec, evidence.InfraRun)) != 0 {
			t.Errorf("%d: told %v, blind %v", code, got, blind(rec, evidence.AccessAudit))
		}
		if !strings.Contains(last(rec).Incomplete, "audit trail") {
			t.Errorf("%d: %q", code, last(rec).Incomplete)
		}
	}
}

// A look that the platform ends half way keeps what it has read, claims nothing,
// and the next one reads the rest.
func TestEndedHalfWay(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "a", ""), wsRow("ws-2", "b", "")}
	p.runs["ws-1"], p.runs["ws-2"] = []row{runRow("run-a", "applied", now.Add(-time.Hour))}, []row{runRow("run-b", "applied", now.Add(-time.Hour))}
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/ws-2/runs") {
			return false
		}
		w.Header().Set("X-RateLimit-Reset", "7200")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	first, err := p.poll(nil)
	if err == nil || len(first.Commits) != 1 || len(last(first).Seen) != 0 || len(first.Completed) != 0 {
		t.Fatalf("%v, %+v", err, first.Commits)
	}
	p.before = nil
	second := p.later(5*time.Minute, first)
	if got := keysOf(second, evidence.InfraRun); !slices.Equal(got, []string{"run-b"}) {
		t.Errorf("told %v", got)
	}
	if s := last(second).Seen; len(blind(second, evidence.InfraRun)) != 0 || !slices.ContainsFunc(s, func(s evidence.Seen) bool {
		return s.Class == evidence.Reconstructed && s.Kinds[0] == evidence.InfraRun && s.Scope.IsZero()
	}) {
		t.Errorf("claims %+v", s)
	}
}

// Who let a run pass a stage is told, whether the stage failed by policies or by a
// task; evaluations that do not come along are asked for.
func TestStages(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	run := runRow("run-a", "applied", now.Add(-time.Hour))
	run["relationships"].(row)["task-stages"] = row{"data": []row{{"id": "ts-1", "type": "task-stages"}}}
	p.runs["ws-1"] = []row{run}
	stage := func(id, status string, times row, evaluations ...row) row {
		return row{"id": id, "type": "task-stages", "attributes": row{"stage": "post_plan", "status": status, "status-timestamps": times}, "relationships": row{"policy-evaluations": row{"data": evaluations}}}
	}
	waited := row{"awaiting-override-at": "2026-03-03T10:00:00Z"}
	list := row{"meta": row{}, "data": []row{
		stage("ts-1", "passed", waited, row{"id": "poleval-1", "type": "policy-evaluations"}),
		stage("ts-2", "running", waited),
		stage("ts-3", "passed", row{}),
		stage("ts-4", "canceled", waited),
	}}
	broken := false
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/task-stages"):
			p.write(w, list)
		case strings.HasSuffix(r.URL.Path, "/task-stages/ts-1/policy-evaluations") && broken:
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/task-stages/ts-1/policy-evaluations"):
			p.write(w, row{"data": []row{{"id": "poleval-1", "type": "policy-evaluations", "attributes": row{"status": "overridden", "policy-kind": "opa", "result-count": row{"mandatory-failed": 2}}}}})
		default:
			return false
		}
		return true
	}
	rec := p.must(nil)
	want := `"policies_seen":true,"policies":[{"id":"poleval-1","form":"policy-evaluation","kind":"opa","stage":"post_plan","status":"overridden","mandatory_failed":2,"overridden":true},` +
		`{"id":"ts-2","form":"task-stage","stage":"post_plan","status":"running","overridden":true}]`
	if ds := rec.Of(evidence.InfraRun); len(ds) != 1 || !strings.Contains(string(ds[0].Content), want) {
		t.Errorf("told %s\nwant %s", ds[0].Content, want)
	}
	// What cannot be read now is owed.
	broken = true
	p.restart()
	first := p.must(nil)
	if ds := first.Of(evidence.InfraRun); !strings.Contains(string(ds[0].Content), `"policies_seen":false`) || last(first).Incomplete == "" {
		t.Errorf("told %s, %q", ds[0].Content, last(first).Incomplete)
	}
	broken = false
	if ds := p.later(5*time.Minute, first).Of(evidence.InfraRun); len(ds) != 1 || !strings.Contains(string(ds[0].Content), want) {
		t.Errorf("what was owed is not told: %+v", ds)
	}
}

// Evaluations by Terraform itself are read of a run that names some; a platform
// that does not know them is not asked.
func TestTerraformPolicies(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	asked := func(rec []row) row {
		run := runRow("run-a", "applied", now.Add(-time.Hour))
		run["relationships"].(row)["tf-policy-evaluations"] = row{"data": rec}
		return run
	}
	evaluation := func(id, stage, status string, more row) row {
		a := row{"status": status, "stage-type": stage, "result-count": row{"passed": 3, "mandatory-failed": 1, "advisory-failed": 2, "errored": 0, "unknown": 0}, "error": nil, "organized-log": true}
		maps.Copy(a, more)
		return row{"id": id, "type": "tf-policy-evaluations", "attributes": a}
	}
	list := []row{
		evaluation("tfpe-1", "Plan", "overridden", row{"status-timestamps": row{"awaiting-override-at": "2026-03-03T10:00:00Z", "overridden-at": "2026-03-03T10:05:00+00:00"}}),
		evaluation("tfpe-2", "Apply", "errored", row{"result-count": nil, "error": row{"type": "setup_error", "summary": secret, "detail": secret}}),
		evaluation("tfpe-3", "Init", "failed", row{"result-count": row{"mandatory-failed": 0, "mandatory-overridable-failed": 2}}),
	}
	hidden := false
	p.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch evaluations := strings.HasSuffix(r.URL.Path, "/tf-policy-evaluations"); {
		case evaluations && hidden:
			w.WriteHeader(http.StatusNotFound)
		case evaluations:
			p.write(w, row{"data": list})
		default:
			return false
		}
		return true
	}
	for _, x := range []struct {
		run  row
		want string
		asks bool
	}{
		{asked([]row{{"id": "tfpe-1", "type": "tf-policy-evaluations"}}), `"policies_seen":true,"policies":[` +
			`{"id":"tfpe-1","form":"tf-policy-evaluation","kind":"terraform","stage":"Plan","status":"overridden","passed":3,"advisory_failed":2,"mandatory_failed":1,"overridden":true,"overridden_at":"2026-03-03T10:05:00Z"},` +
			`{"id":"tfpe-2","form":"tf-policy-evaluation","kind":"terraform","stage":"Apply","status":"errored"},` +
			`{"id":"tfpe-3","form":"tf-policy-evaluation","kind":"terraform","stage":"Init","status":"failed","mandatory_failed":2}]`, true},
		{asked([]row{}), `"policies_seen":true,"events_seen":true`, false},
		{runRow("run-a", "applied", now.Add(-time.Hour)), `"policies_seen":true,"events_seen":true`, false},
	} {
		p.runs["ws-1"] = []row{x.run}
		p.restart()
		ds := p.must(nil).Of(evidence.InfraRun)
		if len(ds) != 1 || !strings.Contains(string(ds[0].Content), x.want) || strings.Contains(string(ds[0].Content), secret) {
			t.Errorf("told %s\nwant %s", ds[0].Content, x.want)
		}
		if asks := slices.ContainsFunc(p.asked, func(s string) bool { return strings.HasSuffix(s, "/tf-policy-evaluations") }); asks != x.asks {
			t.Errorf("asked %v", p.asked)
		}
	}
	// What a run names and the platform does not show was not seen.
	hidden = true
	p.runs["ws-1"] = []row{asked([]row{{"id": "tfpe-1", "type": "tf-policy-evaluations"}})}
	p.restart()
	if ds := p.must(nil).Of(evidence.InfraRun); len(ds) != 1 || !strings.Contains(string(ds[0].Content), `"policies_seen":false`) {
		t.Errorf("told %s", ds[0].Content)
	}
}

// How a run stands, by the words of newer platforms too.
func TestStanding(t *testing.T) {
	for status, want := range map[string]string{
		"tf_policy_checked": "waiting", "tf_policy_override": "waiting", "pre_plan_awaiting_decision": "waiting", "assessing": "running", "assessed": "planned ended",
		"policy_soft_failed": "waiting", "planned_and_finished": "planned ended", "applied": "applied ended", "something_new": "unknown",
	} {
		says, ended := (&runAttr{Status: status}).standing()
		if ended {
			says += " ended"
		}
		if says != want {
			t.Errorf("%s: %s, want %s", status, says, want)
		}
	}
}

// What a run sets for itself alone, and what its apply counts, is told of actions
// too; so is that a project shares a workspace's state.
func TestActionsAreCounted(t *testing.T) {
	p := newPlatform(t, func(c *Config) { c.States = false })
	p.workspaces = []row{wsRow("ws-1", "net", "")}
	p.workspaces[0]["attributes"].(row)["project-remote-state"] = true
	run := runRow("run-a", "applied", now.Add(-time.Hour))
	run["attributes"].(row)["invoke-action-addrs"] = []string{"action.acme_call." + secret}
	run["relationships"].(row)["apply"] = row{"data": row{"id": "apply-1", "type": "applies"}}
	p.runs["ws-1"] = []row{run}
	p.included = []row{{"id": "apply-1", "type": "applies", "attributes": row{"status": "finished", "resource-additions": 0, "resource-changes": 0, "resource-destructions": 0, "resource-imports": nil, "action-invocations": 1, "action-failures": 0, "log-read-url": secret}}}
	rec := p.must(nil)
	if ds := rec.Of(evidence.InfraRun); len(ds) != 1 || !strings.Contains(string(ds[0].Content), `"invokes":1`) || !strings.Contains(string(ds[0].Content), `"invoked":1`) || strings.Contains(fmt.Sprintf("%s%s", ds[0].Content, ds[0].Raw), secret) {
		t.Errorf("told %s", ds[0].Content)
	}
	if ds := rec.Of(evidence.InfraWorkspace); len(ds) != 1 || !strings.Contains(string(ds[0].Content), `"project_shared_state":true`) {
		t.Errorf("told %s", ds[0].Content)
	}
}
