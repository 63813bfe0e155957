package argocd

import (
	"testing"
	"time"

	"evidenced/evidence"
)

func TestStateBegins(t *testing.T) {
	sec := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	base := []change{history(0, sha1st, -600, automated)}
	for _, c := range []struct {
		name    string
		then    []change
		now     int
		want    int
		basis   evidence.Basis
		since   int // NotBefore, when observed
		changed bool
	}{
		{"nothing but noise", []change{reconciled(50), gen(9)}, 60, 60, evidence.BasisObserved, 0, false},
		{"a sync finished", []change{history(1, sha2nd, 40, automated), set(sha2nd, "status", "sync", "revision")}, 60, 40, evidence.BasisSource, 0, true},
		{"a sync finished, then the health changed", []change{history(1, sha2nd, 40, automated), set("Degraded", "status", "health", "status"), set(at(55), "status", "health", "lastTransitionTime")}, 60, 55, evidence.BasisSource, 0, true},
		{"the health changed", []change{set("Degraded", "status", "health", "status"), set(at(55), "status", "health", "lastTransitionTime")}, 60, 55, evidence.BasisSource, 0, true},
		{"the health changed, the source does not say when", []change{set("Degraded", "status", "health", "status")}, 60, 60, evidence.BasisObserved, 0, true},
		{"drift", []change{set("OutOfSync", "status", "sync", "status")}, 60, 60, evidence.BasisObserved, 0, true},
		{"drift after a sync", []change{history(1, sha2nd, 40, automated), set("OutOfSync", "status", "sync", "status")}, 60, 60, evidence.BasisObserved, 0, true},
		{"another image without a sync", []change{set([]string{"web:2"}, "status", "summary", "images")}, 60, 60, evidence.BasisObserved, 0, true},
		{"an object's health alone", []change{set([]obj{{"kind": "Deployment", "group": "apps", "name": "web", "namespace": "tenant-7", "status": "Synced", "health": obj{"status": "Degraded"}}}, "status", "resources")}, 60, 60, evidence.BasisObserved, 0, true},
		{"declared otherwise", []change{set("v2", "spec", "source", "targetRevision")}, 60, 60, evidence.BasisObserved, 0, true},
		{"less is compared", []change{set([]obj{{"group": "apps", "kind": "Deployment", "jsonPointers": []string{"/spec/replicas"}}}, "spec", "ignoreDifferences")}, 60, 60, evidence.BasisObserved, 0, true},
		{"a source time before the state before", []change{history(1, sha2nd, -500, automated)}, 60, 60, evidence.BasisObserved, 0, true},
		{"nothing but noise, and our clock stepped back", []change{reconciled(50), gen(9)}, -60, 0, evidence.BasisObserved, 0, false},
		{"a source time far ahead", []change{history(1, sha2nd, 4000, automated)}, 60, 60, evidence.BasisObserved, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s state
			before := decoded(t, application("tenant-7-web", base...))
			w := s.next(deployFacts(before), healthTime(before), sec(0), time.Time{}, time.Time{})
			if !w.changed || !w.at.Equal(sec(0)) || w.basis != evidence.BasisObserved || !w.notBefore.IsZero() {
				t.Fatalf("first state: %+v", w)
			}
			after := decoded(t, application("tenant-7-web", append(base, c.then...)...))
			w = s.next(deployFacts(after), healthTime(after), sec(c.now), sec(0), sec(0))
			notBefore := sec(c.since)
			if c.basis == evidence.BasisSource {
				notBefore = time.Time{}
			}
			want := when{sec(c.want), c.basis, notBefore, c.changed}
			if w != want {
				t.Errorf("got %+v, want %+v", w, want)
			}
		})
	}
}

// Whatever our clock does, the next state never begins before the one before.
func TestStateOrder(t *testing.T) {
	var s state
	last := time.Time{}
	for i, now := range []time.Time{t0, t0, t0.Add(-time.Hour), t0.Add(time.Second)} {
		a := decoded(t, application("tenant-7-web", set([]string{"OutOfSync", "Synced"}[i%2], "status", "sync", "status")))
		w := s.next(deployFacts(a), healthTime(a), now, t0, t0)
		if !w.at.After(last) {
			t.Errorf("state %d begins at %s, not after %s", i, w.at, last)
		}
		last = w.at
	}
}
