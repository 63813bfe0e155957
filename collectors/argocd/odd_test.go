package argocd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// Entries that older servers wrote say nothing of who or what started them; an
// entry that says it and names nobody is one of somebody without a name.
func TestUntoldStarter(t *testing.T) {
	without := func(a obj) {
		h := part(a, "status")["history"].([]obj)
		delete(h[len(h)-1], "initiatedBy")
	}
	null := func(a obj) {
		h := part(a, "status")["history"].([]obj)
		h[len(h)-1]["initiatedBy"] = nil
	}
	for name, c := range map[string]struct {
		changes []change
		want    bool
	}{
		"left out": {[]change{history(0, sha1st, 10, obj{}), without}, true},
		"null":     {[]change{history(0, sha1st, 10, obj{}), null}, true},
		"nobody":   {[]change{history(0, sha1st, 10, obj{})}, false},
		"somebody": {[]change{history(0, sha1st, 10, by("alice"))}, false},
		"slot says": {[]change{history(0, sha1st, 10, obj{}), without, slot("Succeeded", sha1st, 9, by("alice"))},
			false},
	} {
		s := newServer(t, application("tenant-7-web", c.changes...))
		ds, _ := s.mustPoll(s.collector(), &collectortest.Recorder{})
		ds = ofKind(ds, evidence.DeploySync)
		if len(ds) != 1 || evidencetest.Decode[evidence.SyncFacts](t, ds[0]).Untold != c.want {
			t.Errorf("%s: got %d syncs, want one with untold %t: %s", name, len(ds), c.want, ds[0].Content)
		}
	}
}

// An application that cannot be read costs the stream nothing but itself, and
// nothing is called unbroken over it.
func TestOddItemInStream(t *testing.T) {
	web := application("tenant-7-web", reconciled(50))
	s := newServer(t, web)
	s.lines <- line("ADDED", application("tenant-7-odd", set("ten", "metadata", "generation")))
	s.lines <- line("MODIFIED", application("tenant-7-web", gen(2), slot("Failed", sha1st, 10, automated), reconciled(50)))
	s.lines <- line("MODIFIED", application("tenant-7-odd", set("ten", "metadata", "generation")))
	s.lines <- line("MODIFIED", application("tenant-7-web", gen(3), slot("Running", sha2nd, 12, automated), reconciled(50)))
	u := &until{done: func(r *collectortest.Recorder) bool { return len(r.Of(evidence.DeploySync)) == 2 }}
	if err := s.follow(s.collector(), u); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	streams := 0
	s.mu.Lock()
	for _, a := range s.asked {
		if strings.HasPrefix(a, streamPath) {
			streams++
		}
	}
	s.mu.Unlock()
	if streams != 1 {
		t.Errorf("the stream was opened %d times, want once", streams)
	}
	noted := slices.ContainsFunc(u.Commits, func(c collectortest.Commit) bool {
		return slices.Contains(c.Observation.Notes, "an application in the stream could not be read")
	})
	if !noted {
		t.Errorf("no note of the application that could not be read")
	}
}

// A uid that would not fit into a key is none.
func TestLongUID(t *testing.T) {
	for n, want := range map[int]bool{36: true, maxUID: true, maxUID + 1: false} {
		raw := []byte(`{"metadata":{"name":"web","uid":"` + strings.Repeat("0", n) + `"}}`)
		if _, err := decodeApp(raw); (err == nil) != want {
			t.Errorf("application with a uid of %d bytes: %v", n, err)
		}
		if _, err := decodeProject(raw); (err == nil) != want {
			t.Errorf("project with a uid of %d bytes: %v", n, err)
		}
	}
}

// What a source hydrator made is linked to the commit it was made from, as long
// as the status tells of that pair.
func TestHydratedFrom(t *testing.T) {
	const dry = "d4aad4aad4aad4aad4aad4aad4aad4aad4aad4aa"
	made := func(hydrated string) change {
		return set(obj{"drySHA": dry, "hydratedSHA": hydrated}, "status", "sourceHydrator", "lastSuccessfulOperation")
	}
	for name, c := range map[string]struct {
		change change
		want   bool
	}{"what runs": {made(sha1st), true}, "something newer": {made(sha2nd), false}, "nothing": {set(nil, "status", "sourceHydrator"), false}} {
		s := newServer(t, application("tenant-7-web", c.change))
		ds, _ := s.mustPoll(s.collector(), &collectortest.Recorder{})
		ds = ofKind(ds, evidence.DeployState)
		if len(ds) != 1 {
			t.Fatalf("%s: %d states", name, len(ds))
		}
		if got := slices.Contains(ds[0].Links, evidence.NewRef("commit", "", dry)); got != c.want {
			t.Errorf("%s: linked to the dry commit %t, want %t: %v", name, got, c.want, ds[0].Links)
		}
	}
}

// A project of a newer server may allow single objects outside namespaces, which
// is less than their kind.
func TestClusterResourcesByName(t *testing.T) {
	s := newServer(t, application("tenant-7-web"))
	s.projects = []obj{appProject("tenant-7", set([]obj{{"group": "", "kind": "Namespace", "name": "tenant-7-*"}, {"group": "rbac.authorization.k8s.io", "kind": "ClusterRole"}}, "spec", "clusterResourceWhitelist"))}
	var rec collectortest.Recorder
	if err := s.poll(s.collector(), &rec); err != nil {
		t.Fatal(err)
	}
	ds := rec.Of(evidence.DeployProject)
	if len(ds) != 1 {
		t.Fatalf("%d projects", len(ds))
	}
	want := []string{"/Namespace/tenant-7-*", "rbac.authorization.k8s.io/ClusterRole"}
	if got := evidencetest.Decode[evidence.ProjectFacts](t, ds[0]).ClusterAllowed; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
