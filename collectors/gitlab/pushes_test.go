package gitlab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestPushes: who moved which branch is told once, found again by day, and not
// asked for while nothing happens.
func TestPushes(t *testing.T) {
	f := newFake(t, nil)
	mira := account(21, "mira", "Mira")
	event := func(id, hours int, data obj) obj {
		return obj{"id": id, "created_at": hoursAgo(hours), "action_name": "pushed to", "author": mira, "author_username": "mira", "push_data": data}
	}
	zero := strings.Repeat("0", 40)
	f.set("projects/5/events", []obj{
		event(4, 1, obj{"action": "pushed", "ref_type": "branch", "ref": "main", "commit_from": sha1, "commit_to": sha2, "commit_count": 1, "commit_title": "words of mira"}),
		event(3, 2, obj{"action": "removed", "ref_type": "branch", "ref": "mira/x", "commit_from": sha1, "commit_to": zero}),
		event(2, 3, obj{"action": "created", "ref_type": "tag", "ref": "v1", "commit_from": nil, "commit_to": sha1}),
		{"id": 1, "created_at": hoursAgo(4), "author": nil, "push_data": obj{"action": "pushed", "ref_type": "branch", "ref": nil, "ref_count": 9}},
	})
	first := f.must(nil)
	complete(t, first)
	var got []string
	for _, d := range first.Of(evidence.AccessAudit) {
		a := facts[evidence.AuditFacts](t, d)
		got = append(got, a.Action+" "+a.Name+" "+strings.Join(a.Changed, " "))
		if strings.Contains(string(d.Raw), "words of") || (a.Who == 0) != (len(d.People) == 1 && d.People[0].NativeID == "21") {
			t.Errorf("%s: people %v, raw %s", d.Key, d.People, d.Raw)
		}
	}
	want := []string{
		"ref.push  9 refs", "ref.tag_creation refs/tags/v1 from none to " + sha1,
		"ref.branch_deletion refs/heads/" + (&projectLook{look: &look{Collector: f.collector()}, project: project{id: 5}}).public("mira/x") + " from " + sha1 + " to none",
		"ref.push refs/heads/main from " + sha1 + " to " + sha2,
	}
	if !slices.Equal(got, want) {
		t.Errorf("pushes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	asked := func() (q string) {
		for _, r := range f.requests() {
			if p, query, _ := strings.Cut(r, "?"); p == "projects/5/events" {
				q += query
			}
		}
		return q
	}
	asked()
	// An hour later somebody pushed again: asked for from the day before the
	// newest that was read, since the server compares days.
	f.clock = now.Add(time.Hour)
	f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
	f.set("projects/5/events", []obj{
		event(5, 0, obj{"action": "pushed", "ref_type": "branch", "ref": "main", "commit_from": sha2, "commit_to": sha3}),
		event(4, 1, obj{"action": "pushed", "ref_type": "branch", "ref": "main", "commit_from": sha1, "commit_to": sha2}),
	})
	second := f.must(first.Resume())
	if ds := second.Of(evidence.AccessAudit); len(ds) != 1 || ds[0].Key != "5/push/5" {
		t.Errorf("the second look told %d pushes", len(ds))
	}
	if q := asked(); !strings.Contains(q, "after=2026-03-02&") {
		t.Errorf("asked for %s", q)
	}
	// A project in which nothing happens since is not asked.
	f.clock = now.Add(4 * time.Hour)
	third := f.must(second.Resume())
	f.clock = now.Add(5 * time.Hour)
	asked()
	fourth := f.must(third.Resume())
	if q := asked(); q != "" {
		t.Errorf("a quiet project was asked for %s", q)
	}
	// Hidden pushes are no empty list: what could be read once is missed.
	f.clock = now.Add(6 * time.Hour)
	f.set("projects/acme/app", f.project(5, "acme/app", f.clock))
	f.set("projects/5/events", refusal{status: 403, body: `{"message":"403 Forbidden"}`})
	if rec := f.must(fourth.Resume()); !strings.Contains(last(rec).Incomplete, "pushes of project 5 can be read no longer") {
		t.Errorf("incomplete %q", last(rec).Incomplete)
	}
}
