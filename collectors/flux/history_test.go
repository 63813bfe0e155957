package flux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// object is one whose status a test writes.
type object map[string]any

func at(minute int) string {
	return now.Add(time.Duration(minute-60) * time.Minute).Format(time.RFC3339)
}

func commitOf(c string) string { return strings.Repeat(c, 40) }

// of makes an entry: manifests and outcome, first and last minute, count, revision.
func of(digest, status string, first, last, n int, rev string) object {
	return object{"digest": "sha256:" + strings.Repeat(digest, 64), "firstReconciled": at(first), "lastReconciled": at(last),
		"lastReconciledStatus": status, "totalReconciliations": n, "metadata": object{"revision": "main@sha1:" + commitOf(rev)}}
}

func ready(status, reason string, minute int) []object {
	return []object{{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": at(minute), "observedGeneration": 1}}
}

func ksOf(status object) []byte {
	b, err := json.Marshal(object{
		"metadata": object{"name": "apps", "namespace": "tenant-7", "uid": "u-1", "generation": 1, "resourceVersion": "5", "creationTimestamp": at(0)},
		"spec":     object{"interval": "10m0s", "path": "./apps", "prune": true, "sourceRef": object{"kind": "GitRepository", "name": "config"}},
		"status":   status,
	})
	if err != nil {
		panic(err)
	}
	return b
}

const ks, gits, hrs = "kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io", "helmreleases.helm.toolkit.fluxcd.io"

// tell sums up the syncs among drafts.
func tell(t testing.TB, ds []evidence.Draft) (out []string) {
	for _, d := range ds {
		if d.Kind != evidence.DeploySync {
			continue
		}
		f := evidencetest.Decode[evidence.SyncFacts](t, d)
		s := fmt.Sprintf("%s %s %s %s", d.OccurredAt.Format("15:04"), f.Seen, f.Phase, strings.Join(f.Revisions, ","))
		if !d.NotBefore.IsZero() {
			s += " since " + d.NotBefore.Format("15:04")
		}
		out = append(out, s)
	}
	return out
}

// Each look at a history tells what is new in it, once.
func TestHistory(t *testing.T) {
	ok, failed := "ReconciliationSucceeded", "ReconciliationFailed"
	a, b := commitOf("a"), commitOf("b")
	type step struct {
		what    string
		history []object
		want    []string
		lost    string
	}
	for name, steps := range map[string][]step{
		"as it happens": {
			{"the first", []object{of("1", ok, 1, 1, 1, "a")}, []string{"13:01 history Succeeded " + a}, ""},
			{"again, without news", []object{of("1", ok, 1, 11, 2, "a")}, nil, ""},
			{"other manifests fail", []object{of("2", failed, 13, 13, 1, "b"), of("1", ok, 1, 11, 2, "a")}, []string{"13:13 history Failed " + b}, ""},
			{"they fail on", []object{of("2", failed, 13, 15, 2, "b"), of("1", ok, 1, 11, 2, "a")}, nil, ""},
			{"they go", []object{of("2", ok, 17, 17, 1, "b"), of("2", failed, 13, 15, 2, "b"), of("1", ok, 1, 11, 2, "a")}, []string{"13:17 history Succeeded " + b}, ""},
			{"back to what was before", []object{of("1", ok, 1, 19, 3, "a"), of("2", ok, 17, 17, 1, "b"), of("2", failed, 13, 15, 2, "b")}, []string{"13:19 history Succeeded " + a}, ""},
			{"which stays", []object{of("1", ok, 1, 29, 4, "a"), of("2", ok, 17, 17, 1, "b"), of("2", failed, 13, 15, 2, "b")}, nil, ""},
		},
		"away and back while nobody looked": {
			{"first", []object{of("1", ok, 1, 11, 2, "a")}, []string{"13:11 history Succeeded " + a + " since 13:01"}, ""},
			{"both", []object{of("1", ok, 1, 31, 4, "a"), of("2", ok, 21, 21, 1, "b")}, []string{"13:21 history Succeeded " + b, "13:31 history Succeeded " + a + " since 13:11"}, ""},
			{"and stays", []object{of("1", ok, 1, 41, 5, "a"), of("2", ok, 21, 21, 1, "b")}, nil, ""},
			{"once more", []object{of("1", ok, 1, 61, 7, "a"), of("2", ok, 21, 51, 2, "b")},
				[]string{"13:51 history Succeeded " + b, "14:01 history Succeeded " + a + " since 13:41"}, ""},
		},
		"another revision with the same manifests": {
			{"first", []object{of("1", ok, 1, 1, 1, "a")}, []string{"13:01 history Succeeded " + a}, ""},
			{"at the next reconciliation", []object{of("1", ok, 1, 11, 2, "b")}, []string{"13:11 history Succeeded " + b}, ""},
			{"back, at one of three", []object{of("1", ok, 1, 41, 5, "a")}, []string{"13:41 history Succeeded " + a + " since 13:11"}, ""},
		},
		"a first look at what has been for long": {
			{"of which it is not known when the revision came", []object{of("1", ok, 1, 51, 6, "a")}, []string{"13:51 history Succeeded " + a + " since 13:01"}, ""},
		},
		"what fell out": {
			{"one", []object{of("1", ok, 1, 1, 1, "a")}, []string{"13:01 history Succeeded " + a}, ""},
			{"five that nobody knows", []object{of("6", ok, 6, 6, 1, "b"), of("5", ok, 5, 5, 1, "b"), of("4", ok, 4, 4, 1, "b"), of("3", ok, 3, 3, 1, "b"), of("2", ok, 2, 2, 1, "b")},
				[]string{"13:02 history Succeeded " + b, "13:03 history Succeeded " + b, "13:04 history Succeeded " + b, "13:05 history Succeeded " + b, "13:06 history Succeeded " + b},
				"the history holds five reconciliations, and none of them is the last that was seen"},
			{"an older copy was restored", []object{of("1", ok, 1, 1, 1, "a")}, []string{"13:01 history Succeeded " + a}, "the history has begun anew"},
		},
		"four that nobody knows beside one that is": {
			{"one", []object{of("1", ok, 1, 1, 1, "a")}, []string{"13:01 history Succeeded " + a}, ""},
			{"five", []object{of("5", ok, 5, 5, 1, "b"), of("4", ok, 4, 4, 1, "b"), of("3", ok, 3, 3, 1, "b"), of("2", ok, 2, 2, 1, "b"), of("1", ok, 1, 1, 1, "a")},
				[]string{"13:02 history Succeeded " + b, "13:03 history Succeeded " + b, "13:04 history Succeeded " + b, "13:05 history Succeeded " + b}, ""},
		},
	} {
		r := testReader()
		var keys []string
		for i, s := range steps {
			l := testLook(now.Add(time.Duration(i) * time.Minute))
			ds := r.give(t, l, ks, ksOf(object{"observedGeneration": 1, "history": s.history, "conditions": ready("True", ok, 1)}), false)
			if d := cmp.Diff(s.want, tell(t, ds)); d != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, s.what, d)
			}
			for _, d := range ds {
				if d.Kind == evidence.DeploySync {
					if slices.Contains(keys, d.Key) && s.lost == "" {
						t.Errorf("%s: %s: the key %s was another sync's", name, s.what, d.Key)
					}
					keys = append(keys, d.Key)
				}
			}
			lost := ""
			for _, x := range r.memory.Lost {
				lost += x.Why
			}
			if lost != s.lost {
				t.Errorf("%s: %s: lost %q, want %q", name, s.what, lost, s.lost)
			}
			r.memory.Lost = nil
			// What is kept in the cursor comes back the same.
			var back memory
			if b, err := json.Marshal(r.memory); err != nil || json.Unmarshal(b, &back) != nil {
				t.Fatal(err)
			}
			r.memory = back
		}
	}
}

// A record of the same reconciliation has the same key and facts for whoever comes
// to see it.
func TestHistoryOfAnother(t *testing.T) {
	status := object{"observedGeneration": 1, "conditions": ready("True", "ReconciliationSucceeded", 1),
		"history": []object{of("2", "ReconciliationSucceeded", 5, 5, 1, "b"), of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}}
	one, other := testReader(), testReader()
	other.give(t, testLook(now), ks, ksOf(object{"history": []object{of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}}), false)
	x, y := one.give(t, testLook(now), ks, ksOf(status), false), other.give(t, testLook(now), ks, ksOf(status), false)
	if x[1].Key != y[0].Key || string(x[1].Content) != string(y[0].Content) {
		t.Errorf("%s\n%s\n%s\n%s", x[1].Key, y[0].Key, x[1].Content, y[0].Content)
	}
}

// Servers that keep no history, and failures that come to none, are seen in the
// condition.
func TestConditions(t *testing.T) {
	rev := func(c string) string { return "main@sha1:" + commitOf(c) }
	r := testReader()
	for i, s := range []struct {
		what, applied, attempted string
		conditions               []object
		want                     []string
	}{
		{"nothing yet", "", "", nil, nil},
		{"it waits for others", "", "", ready("False", "DependencyNotReady", 1), nil},
		{"its source has no artifact", "", "", ready("False", "ArtifactFailed", 2), []string{"13:02 conditions Failed "}},
		{"at work", "", rev("a"), ready("Unknown", "Progressing", 3), nil},
		{"applied", rev("a"), rev("a"), ready("True", "ReconciliationSucceeded", 4), []string{"13:04 conditions Succeeded " + commitOf("a")}},
		{"reconciled again", rev("a"), rev("a"), ready("True", "ReconciliationSucceeded", 14), nil},
		{"cannot be built", rev("a"), rev("b"), ready("False", "BuildFailed", 15), []string{"13:15 conditions Failed " + commitOf("b")}},
		{"still not", rev("a"), rev("b"), ready("False", "BuildFailed", 25), nil},
		{"not another one either", rev("a"), rev("c"), ready("False", "BuildFailed", 26), []string{"13:26 conditions Failed " + commitOf("c")}},
		{"then it can", rev("c"), rev("c"), ready("True", "ReconciliationSucceeded", 36), []string{"13:36 conditions Succeeded " + commitOf("c") + " since 13:04"}},
		{"and it cannot once more", rev("c"), rev("c"), ready("False", "BuildFailed", 37), []string{"13:37 conditions Failed " + commitOf("c")}},
	} {
		status := object{"observedGeneration": 1, "lastAppliedRevision": s.applied, "lastAttemptedRevision": s.attempted, "conditions": s.conditions}
		ds := r.give(t, testLook(now.Add(time.Duration(i)*time.Minute)), ks, ksOf(status), false)
		if d := cmp.Diff(s.want, tell(t, ds)); d != "" {
			t.Errorf("%s (-want +got):\n%s", s.what, d)
		}
	}
}

// While the controller is at work the verdict before holds, and nothing begins a
// new state.
func TestAtWork(t *testing.T) {
	r, l := testReader(), testLook(now)
	status := func(attempted string, cs []object) object {
		return object{"observedGeneration": 1, "lastAppliedRevision": "main@sha1:" + commitOf("a"), "lastAttemptedRevision": "main@sha1:" + commitOf(attempted),
			"conditions": cs, "history": []object{of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}}
	}
	state := func(o object) string {
		ds := r.give(t, l, ks, ksOf(o), false)
		return string(ds[len(ds)-1].Content)
	}
	good := state(status("a", ready("True", "ReconciliationSucceeded", 1)))
	work := append(ready("Unknown", "Progressing", 11), object{"type": "Reconciling", "status": "True", "reason": "Progressing", "lastTransitionTime": at(11)})
	if again := state(status("a", work)); again != good {
		t.Errorf("at work:\n%s\nbefore:\n%s", again, good)
	}
	var f evidence.DeployFacts
	if err := json.Unmarshal([]byte(state(status("b", work))), &f); err != nil || f.Sync != "OutOfSync" || f.Flux.Ready != "Unknown" {
		t.Errorf("at work on another revision: %s, %+v, %v", f.Sync, f.Flux, err)
	}
}

// What an object declares and what the controller says of it make the verdict.
func TestVerdicts(t *testing.T) {
	rev := "main@sha1:" + commitOf("a")
	for _, tc := range []struct {
		what, resource string
		spec           object
		status         object
		generation     int
		sync, health   string
	}{
		{"no status", ks, nil, nil, 1, "Unknown", "Unknown"},
		{"ready", ks, nil, object{"lastAppliedRevision": rev, "lastAttemptedRevision": rev, "conditions": ready("True", "ReconciliationSucceeded", 1)}, 1, "Synced", "Unknown"},
		{"suspended", ks, object{"suspend": true}, object{"lastAppliedRevision": rev, "lastAttemptedRevision": rev, "conditions": ready("True", "ReconciliationSucceeded", 1)}, 1, "Unknown", "Unknown"},
		{"declared anew", ks, nil, object{"lastAppliedRevision": rev, "lastAttemptedRevision": rev, "conditions": ready("True", "ReconciliationSucceeded", 1)}, 2, "OutOfSync", "Unknown"},
		{"unhealthy", ks, nil, object{"lastAppliedRevision": rev, "lastAttemptedRevision": "main@sha1:" + commitOf("b"), "conditions": ready("False", "HealthCheckFailed", 1)}, 1, "OutOfSync", "Degraded"},
		{"the same fails", ks, nil, object{"lastAppliedRevision": rev, "lastAttemptedRevision": rev, "conditions": ready("False", "ReconciliationFailed", 1)}, 1, "Unknown", "Unknown"},
		{"released", hrs, nil, object{"conditions": ready("True", "UpgradeSucceeded", 1)}, 1, "Synced", "Healthy"},
		{"released, not waited for", hrs, object{"install": object{"disableWait": true}}, object{"lastAttemptedReleaseAction": "install", "conditions": ready("True", "InstallSucceeded", 1)}, 1, "Synced", "Unknown"},
		{"drifted", hrs, nil, object{"conditions": append(ready("True", "UpgradeSucceeded", 1), object{"type": "Drifted", "status": "True"})}, 1, "OutOfSync", "Healthy"},
		{"not released", hrs, nil, object{"conditions": append(ready("False", "UpgradeFailed", 1), object{"type": "Released", "status": "False"})}, 1, "OutOfSync", "Degraded"},
		{"tests fail", hrs, nil, object{"conditions": append(ready("False", "TestFailed", 1), object{"type": "Released", "status": "True"})}, 1, "Synced", "Degraded"},
		{"waits for others", hrs, nil, object{"conditions": ready("False", "DependencyNotReady", 1)}, 1, "Unknown", "Unknown"},
	} {
		o := object{"metadata": object{"name": "a", "namespace": "tenant-7", "uid": "u", "generation": tc.generation}, "spec": tc.spec}
		if tc.status != nil {
			tc.status["observedGeneration"] = 1
			o["status"] = tc.status
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		ds := testReader().give(t, testLook(now), tc.resource, b, false)
		f := evidencetest.Decode[evidence.DeployFacts](t, ds[len(ds)-1])
		if f.Sync != tc.sync || f.Health != tc.health {
			t.Errorf("%s: %s and %s, want %s and %s", tc.what, f.Sync, f.Health, tc.sync, tc.health)
		}
		if suspended := tc.spec["suspend"] == true; f.Flux.Suspended != suspended || f.Automated == suspended {
			t.Errorf("%s: suspended %t, automated %t", tc.what, f.Flux.Suspended, f.Automated)
		}
	}
}

// A version of a release is one record, amended as it comes to its end.
func TestVersions(t *testing.T) {
	snap := func(v int, status, chart string, more ...string) object {
		s := object{"name": "web", "namespace": "tenant-7", "version": v, "status": status, "action": "upgrade", "chartName": "web", "chartVersion": chart,
			"firstDeployed": at(0), "lastDeployed": at(v)}
		if len(more) > 0 {
			s["deleted"] = more[0]
		}
		return s
	}
	r := testReader()
	keys := map[string]bool{}
	for i, s := range []struct {
		what    string
		history []any
		want    []string
		news    int
		lost    string
	}{
		{"null in it", []any{nil}, nil, 0, ""},
		{"begun", []any{snap(1, "pending-install", "1.0.0")}, []string{"13:01 history Running 1.0.0"}, 1, ""},
		{"done", []any{snap(1, "deployed", "1.0.0")}, []string{"13:01 history Succeeded 1.0.0"}, 0, ""},
		{"upgraded", []any{snap(2, "deployed", "1.1.0"), snap(1, "superseded", "1.0.0")}, []string{"13:02 history Succeeded 1.1.0"}, 1, ""},
		{"failed, rolled back", []any{snap(4, "deployed", "1.1.0"), snap(3, "failed", "1.2.0"), snap(2, "superseded", "1.1.0")}, []string{"13:03 history Failed 1.2.0", "13:04 history Succeeded 1.1.0"}, 2, ""},
		{"a version nobody saw", []any{snap(7, "deployed", "1.4.0"), snap(6, "superseded", "1.3.0")}, []string{"13:06 history Succeeded 1.3.0", "13:07 history Succeeded 1.4.0"}, 2,
			"1 versions of a release are lost: 4 is followed by 6"},
		{"uninstalled", []any{snap(7, "uninstalled", "1.4.0", at(9))}, []string{"13:07 history Succeeded 1.4.0"}, 0, ""},
	} {
		b, err := json.Marshal(object{"metadata": object{"name": "web", "namespace": "tenant-7", "uid": "u", "generation": 1},
			"status": object{"observedGeneration": 1, "history": s.history, "conditions": ready("True", "UpgradeSucceeded", 1)}})
		if err != nil {
			t.Fatal(err)
		}
		ds := r.give(t, testLook(now.Add(time.Duration(i)*time.Minute)), hrs, b, false)
		if d := cmp.Diff(s.want, tell(t, ds)); d != "" {
			t.Errorf("%s (-want +got):\n%s", s.what, d)
		}
		news := 0
		for _, d := range ds {
			if d.Kind == evidence.DeploySync && !keys[d.Key] {
				keys[d.Key] = true
				news++
			}
		}
		if news != s.news {
			t.Errorf("%s: %d new keys, want %d", s.what, news, s.news)
		}
		lost := ""
		for _, x := range r.memory.Lost {
			lost += x.Why
		}
		if r.memory.Lost = nil; lost != s.lost {
			t.Errorf("%s: lost %q, want %q", s.what, lost, s.lost)
		}
	}
}

// A deleted object ends its state, tells what its last form shows of syncs, and is
// forgotten.
func TestDeleted(t *testing.T) {
	r := testReader()
	first := ksOf(object{"history": []object{of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}})
	r.give(t, testLook(now), ks, first, false)
	last := ksOf(object{"history": []object{of("2", "ReconciliationSucceeded", 2, 2, 1, "b"), of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}})
	ds := r.give(t, testLook(now.Add(time.Minute)), ks, last, true)
	if len(ds) != 2 || ds[0].Kind != evidence.DeploySync || ds[1].Op != evidence.OpEnd || string(ds[1].Content) != `{"reason":"deleted"}` || len(r.memory.Apps) != 0 {
		t.Errorf("%d drafts, %d remembered", len(ds), len(r.memory.Apps))
	}
}

// What was not told of a source comes later under the same key, and a source that
// declares something else has what uses it read again.
func TestSourceComesLater(t *testing.T) {
	git := func(verify, rev string) []byte {
		o := object{"metadata": object{"name": "config", "namespace": "tenant-7", "uid": "g"},
			"spec":   object{"url": "https://git.example.test/x.git", "ref": object{"branch": "main"}},
			"status": object{"artifact": object{"revision": "main@sha1:" + commitOf(rev), "digest": "sha256:" + strings.Repeat(rev, 64)}, "conditions": []object{{"type": "SourceVerified", "status": "True"}}}}
		if verify != "" {
			o["spec"].(object)["verify"] = object{"mode": verify}
		}
		b, _ := json.Marshal(o)
		return b
	}
	status := object{"observedGeneration": 1, "lastAppliedRevision": "main@sha1:" + commitOf("a"), "lastAttemptedRevision": "main@sha1:" + commitOf("a"),
		"conditions": ready("True", "ReconciliationSucceeded", 1), "history": []object{of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}}
	r, l := testReader(), testLook(now)
	var again []string
	r.again = func(_ *kube.Look, resource, ns string) { again = append(again, resource+" "+ns) }
	ds := r.give(t, l, ks, ksOf(status), false)
	key := ds[0].Key
	source := func(d evidence.Draft) evidence.DeploySource {
		return evidencetest.Decode[evidence.DeployFacts](t, d).Sources[0]
	}
	if s := source(ds[1]); s.Unread != "there is no such object" || s.RepoURL != "" {
		t.Errorf("without its source: %+v", s)
	}
	step := func(what string, g []byte, wantAgain bool, wantSyncs int, want evidence.DeploySource) {
		t.Helper()
		again = nil
		r.give(t, l, gits, g, false)
		if wantAgain != slices.Equal(again, []string{ks + " tenant-7"}) {
			t.Errorf("%s: read again %q", what, again)
		}
		ds := r.give(t, l, ks, ksOf(status), false)
		if len(ds) != wantSyncs+1 || wantSyncs > 0 && ds[0].Key != key {
			t.Fatalf("%s: %d drafts, the first with the key %s", what, len(ds), ds[0].Key)
		}
		want.RepoURL, want.Path, want.TargetRevision, want.Kind, want.Name = "https://git.example.test/x.git", "./apps", "main", "GitRepository", "tenant-7/config"
		if d := cmp.Diff(want, source(ds[len(ds)-1])); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	step("it is there", git("HEAD", "a"), true, 1, evidence.DeploySource{Verify: "HEAD", Verified: "True", Artifact: digest})
	step("it stays", git("HEAD", "a"), false, 0, evidence.DeploySource{Verify: "HEAD", Verified: "True", Artifact: digest})
	step("it goes on", git("HEAD", "b"), false, 0, evidence.DeploySource{Verify: "HEAD", Verified: "True", Artifact: digest})
	step("nothing is verified any more", git("", "b"), true, 0, evidence.DeploySource{Verify: "none", Verified: "True", Artifact: digest})
}

// A source that went while nobody looked is not there: a list of all of its kind
// did not show it. Without a list nothing is known to be gone.
func TestSourceGoneUnseen(t *testing.T) {
	git := []byte(`{"metadata":{"name":"config","namespace":"tenant-7","uid":"g"},"spec":{"url":"https://git.example.test/x.git","verify":{"mode":"HEAD"}}}`)
	r := testReader()
	var again []string
	r.again = func(_ *kube.Look, resource, ns string) { again = append(again, resource+" "+ns) }
	r.give(t, testLook(now), gits, git, false)
	r.give(t, testLook(now), ks, ksOf(object{}), false)
	b, err := json.Marshal(r.memory)
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]bool{"shown": true, "not shown": false} {
		for _, listed := range []bool{false, true} {
			later := now.Add(time.Hour)
			r.memory, again = memory{}, nil // as the next run begins
			if err := json.Unmarshal(b, &r.memory); err != nil {
				t.Fatal(err)
			}
			r.listed = func(*kube.Look, string) time.Time {
				if listed {
					return later
				}
				return time.Time{}
			}
			if shown {
				r.give(t, testLook(later), gits, git, false)
			}
			ds := r.give(t, testLook(later), ks, ksOf(object{}), false)
			s := evidencetest.Decode[evidence.DeployFacts](t, ds[len(ds)-1]).Sources[0]
			if gone := listed && !shown; gone != (s.Unread == "there is no such object") || gone != (s.RepoURL == "") {
				t.Errorf("%s, listed %t: %+v", what, listed, s)
			}
			// Where the applications were told before, they are told again.
			r.memory, again = memory{}, nil
			if err := json.Unmarshal(b, &r.memory); err != nil {
				t.Fatal(err)
			}
			if shown {
				r.give(t, testLook(later), gits, git, false)
			}
			if _, err := r.after(t.Context(), testLook(later)); err != nil {
				t.Fatal(err)
			}
			if (len(again) > 0) != (listed && !shown) {
				t.Errorf("%s, listed %t: read again %q", what, listed, again)
			}
		}
	}
}

// What is known to be lost is blind for everybody whose it is, and the states are
// while nothing is reconciled.
func TestCoverage(t *testing.T) {
	r := testReader()
	l := testLook(now)
	state := func(last int) []byte {
		return ksOf(object{"observedGeneration": 1, "conditions": ready("True", "ReconciliationSucceeded", 1), "history": []object{of("1", "ReconciliationSucceeded", 1, last, 7, "a")}})
	}
	claim := func(at time.Time) (out []string) {
		r.now = at
		o := evidence.Observation{Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Class: evidence.Continuous, From: at.Add(-time.Minute), To: at}}}
		r.observe(&o)
		for _, s := range o.Seen {
			out = append(out, fmt.Sprintf("%s %v %s %s-%s", s.Class, s.Kinds, s.Scope, s.From.Format("15:04"), s.To.Format("15:04")))
		}
		return out
	}
	both := "continuous [deploy.sync deploy.state]  "
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	r.give(t, l, ks, state(59), false)
	check("alive", claim(now), both+"13:59-14:00")
	r.memory.lose(r.memory.Apps["u-1"], []string{"tenant-7"}, now.Add(time.Minute), "lost")
	check("lost", claim(now.Add(time.Minute)), "blind [deploy.sync] ns:prod/tenant-7 14:00-14:01", both+"14:00-14:01")
	check("told once", claim(now.Add(2*time.Minute)), both+"14:01-14:02")
	r.observe(&evidence.Observation{}) // within a look nothing is claimed
	check("frozen", claim(now.Add(30*time.Minute)), "blind [deploy.state]  13:59-14:30", "continuous [deploy.sync]  14:29-14:30")
	check("still", claim(now.Add(31*time.Minute)), "blind [deploy.state]  14:30-14:31", "continuous [deploy.sync]  14:30-14:31")
	r.give(t, l, ks, state(91), false)
	check("alive again", claim(now.Add(32*time.Minute)), "blind [deploy.state]  14:31-14:32", both+"14:31-14:32")
	check("and on", claim(now.Add(33*time.Minute)), both+"14:32-14:33")

	// What was suspended is not late as soon as it is resumed, and its resuming is
	// no word of the controller.
	suspended := func(yes bool) []byte {
		if !yes {
			return state(91)
		}
		return bytes.Replace(state(91), []byte(`"prune"`), []byte(`"suspend":true,"prune"`), 1)
	}
	r.give(t, testLook(now.Add(34*time.Minute)), ks, suspended(true), false)
	check("suspended", claim(now.Add(1000*time.Minute)), both+"06:39-06:40")
	r.give(t, testLook(now.Add(1001*time.Minute)), ks, suspended(false), false)
	check("resumed", claim(now.Add(1001*time.Minute)), both+"06:40-06:41")
	check("and not reconciled since", claim(now.Add(1030*time.Minute)), "blind [deploy.state]  06:41-07:10", "continuous [deploy.sync]  07:09-07:10")
	other := bytes.ReplaceAll(suspended(true), []byte(`"u-1"`), []byte(`"u-2"`))
	r.give(t, testLook(now.Add(1030*time.Minute)), ks, other, false)
	r.give(t, testLook(now.Add(1031*time.Minute)), ks, bytes.Replace(other, []byte(`"suspend":true,`), nil, 1), false)
	check("another is resumed", claim(now.Add(1031*time.Minute)), "blind [deploy.state]  07:10-07:11", "continuous [deploy.sync]  07:10-07:11")
}

// What a Kustomization of the platform puts into the namespaces of two tenants is
// told to each of them as far as it is its own.
func TestTenants(t *testing.T) {
	for _, d := range look(t) {
		if d.Subject.Name != "flux-system/Kustomization/apps" || d.Kind != evidence.DeployState {
			continue
		}
		v := kubetest.Views(t, "flux/prod", now, kubetest.ByLabel(t, "tenant-7", "tenant-8"), d)["tenant-7"][0]
		var names []string
		for _, x := range evidencetest.Decode[evidence.DeployFacts](t, v).Resources {
			names = append(names, x.Kind+" "+x.Namespace+"/"+x.Name)
		}
		if d := cmp.Diff([]string{"ClusterRole /read:nodes", "Namespace /tenant-7", "Deployment tenant-7/web"}, names); d != "" {
			t.Errorf("tenant-7 is told (-want +got):\n%s", d)
		}
		if all := fmt.Sprintf("%+v %s %s", v, v.Content, v.Raw); strings.Contains(all, "tenant-8") {
			t.Errorf("tenant-7 is told of tenant-8: %s", all)
		}
		return
	}
	t.Error("no such state")
}

// What goes to another cluster is in none of this one's namespaces.
func TestRemote(t *testing.T) {
	found := false
	for _, d := range look(t) {
		if d.Subject.Name == "tenant-7/Kustomization/edge" {
			found = true
			if text := fmt.Sprint(d.Scope, d.Links); strings.Contains(text, "tenant-8") || !strings.Contains(text, "tenant-7") {
				t.Errorf("%s: scope %v, links %v", d.Kind, d.Scope, d.Links)
			}
		}
	}
	if !found {
		t.Error("nothing of the remote one")
	}
}

func FuzzFlux(f *testing.F) {
	for _, list := range kubetest.Objects(f, objectsFile) {
		for _, raw := range list {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, l := testReader(), testLook(now)
		for range 2 {
			for _, res := range r.resources() {
				o, err := kube.ParseObject(raw, now, res.Remove...)
				if err != nil {
					return
				}
				o.APIVersion, o.Kind = res.Group+"/v1", res.Kind
				ds, err := res.Drafts(t.Context(), o, l)
				for _, d := range ds {
					if err := d.Check(); err != nil {
						t.Error(err)
					}
				}
				if state := len(res.Kinds) > 0; err == nil && state && (len(ds) == 0 || ds[len(ds)-1].Kind != evidence.DeployState) {
					t.Errorf("%d drafts of %s", len(ds), res.Kind)
				}
			}
		}
		o := evidence.Observation{Seen: []evidence.Seen{{Class: evidence.Instants}}}
		r.observe(&o)
	})
}

// What a list of everything did not show is forgotten. A look that goes on from
// the server's history, which tells what changed alone, forgets nothing.
func TestForgotten(t *testing.T) {
	r := testReader()
	r.give(t, testLook(now), ks, ksOf(object{"history": []object{of("1", "ReconciliationSucceeded", 1, 1, 1, "a")}}), false)
	began := time.Time{}
	r.listed = func(*kube.Look, string) time.Time { return began }
	for _, tt := range []struct {
		what  string
		began time.Time
		left  int
	}{
		{"the history went on", time.Time{}, 1},
		{"the list that showed it", now, 1},
		{"a list that did not show it", now.Add(time.Minute), 0},
	} {
		began = tt.began
		if _, err := r.after(t.Context(), testLook(now.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		if n := len(r.memory.Apps); n != tt.left {
			t.Errorf("%s: %d remembered, want %d", tt.what, n, tt.left)
		}
	}
}
