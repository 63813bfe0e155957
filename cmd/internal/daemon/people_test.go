package daemon

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/problem"
	"evidenced/reports/people"
	"evidenced/store"
)

// Links between accounts are followed in what a person did, and recorded in
// _platform without naming anybody; chains are joined from a real log.
func TestLinkedPeopleAndChains(t *testing.T) {
	ctx := context.Background()
	src := &testSource{}
	e := newEngine(t, &testClock{begin}, src)
	other := mergeDraft("acme/one", 2, begin.Add(-time.Hour), false)
	other.People[0].Realm, other.People[0].NativeID = "gitlab:prod", "77"
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, begin.Add(-2*time.Hour), true), other}
	if _, err := e.Collect(ctx, "", false); err != nil {
		t.Fatal(err)
	}
	one := mustTenant(t, "tenant-1")
	link := store.LinkRequest{
		A: store.Identity{Realm: "github:prod", NativeID: "1"}, B: store.Identity{Realm: "gitlab:prod", NativeID: "77"},
		Approver: store.Identity{Realm: "github:prod", NativeID: "2"}, By: "1000", Reason: "same staff number",
	}
	if err := e.Link(ctx, one, link); err != nil {
		t.Fatal(err)
	}
	refused := link
	refused.Approver = refused.B
	if err := e.Link(ctx, one, refused); !problem.Is(err, problem.Refused) {
		t.Errorf("an own approval: %v", err)
	}

	r, err := e.Reader(ctx, one)
	if err != nil {
		t.Fatal(err)
	}
	g, err := people.Load(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	found := g.Find("gitlab:prod|77")
	if len(found) != 1 || len(found[0]) != 2 {
		t.Fatalf("found %v", found)
	}
	w, err := g.Did(ctx, r, found[0], evidence.Period{From: begin.AddDate(0, 0, -1), To: begin.AddDate(0, 0, 1)}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Deeds) != 2 || w.Roles[evidence.RoleAuthor] != 2 {
		t.Errorf("under two accounts the person did %+v", w.Deeds)
	}

	tr, err := lineage.Walk(ctx, r, evidence.NewRef("commit", "", fmt.Sprintf("%040x", 1)), lineage.Options{Direction: lineage.Backward})
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := tr.Node("change:prod/acme/one!1"); !ok || !n.Back || len(n.Records) != 1 {
		t.Errorf("the landed commit does not come from its request: %+v", tr.Nodes)
	}

	acts, err := e.Reader(ctx, evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for rec, err := range acts.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PlatformAdmin}}) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(rec.Facts), "identity.link") {
			continue
		}
		links++
		for _, name := range []string{"zuzanna", "gitlab", "github", "77"} {
			if strings.Contains(string(rec.Facts), name) {
				t.Errorf("_platform names %q: %s", name, rec.Facts)
			}
		}
	}
	if links != 1 {
		t.Errorf("%d links recorded in _platform, want 1", links)
	}
}
