package kube

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
)

func TestPollEndsWhatIsGone(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	f := w.poll()
	if f.Outcome != evidence.RunDone {
		t.Fatalf("run ended %s: %s", f.Outcome, f.Cause)
	}
	want := []evidence.SourceCount{{What: "pods", Query: "/api/v1/pods?limit=2", Source: 3, Ours: 3}}
	if !slices.Equal(f.Counts, want) {
		t.Errorf("counts %+v, want %+v", f.Counts, want)
	}
	w.fake.del("pods", "shop", "web-2")
	w.poll()
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running", "set web-3 Running", "end web-2 absent")
	if got := classes(w.log.spans(tenant("tenant-1"), podKind)); !slices.Equal(got, []string{"instants"}) {
		t.Errorf("pods are covered %q, want instants", got)
	}
}

// A list that the server drops between two pages is begun anew, and what only
// its first half held is gone.
func TestListDroppedHalfWay(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	dropped := false
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if !dropped && strings.Contains(r.URL.RawQuery, "continue=") {
			dropped = true
			w.fake.del("pods", "shop", "web-1")
			status(rw, 410, "Expired")
			return true
		}
		return false
	})
	if f := w.poll(); f.Outcome != evidence.RunDone {
		t.Fatalf("run ended %s: %s", f.Outcome, f.Cause)
	}
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running", "set web-3 Running", "end web-1 absent")
}

func TestPollFaultsEndNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(rw http.ResponseWriter, r *http.Request) bool
		says  string
	}{
		"plain 404": {func(rw http.ResponseWriter, r *http.Request) bool { http.NotFound(rw, r); return true }, "404"},
		"500":       {func(rw http.ResponseWriter, r *http.Request) bool { status(rw, 500, "InternalError"); return true }, "500"},
		"429": {func(rw http.ResponseWriter, r *http.Request) bool {
			status(rw, 429, "TooManyRequests")
			return true
		}, "come back"},
		"403":           {func(rw http.ResponseWriter, r *http.Request) bool { status(rw, 403, "Forbidden"); return true }, "may not list and watch pods (403)"},
		"410 each time": {func(rw http.ResponseWriter, r *http.Request) bool { status(rw, 410, "Expired"); return true }, "410"},
		"no list":       {func(rw http.ResponseWriter, r *http.Request) bool { answer(rw, map[string]any{}); return true }, "not a list"},
		"no version": {func(rw http.ResponseWriter, r *http.Request) bool {
			answer(rw, map[string]any{"items": []any{}, "metadata": map[string]any{}})
			return true
		}, "not a list"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
			w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
			w.poll()
			w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "/pods") && c.fault(rw, r)
			})
			w.fake.put("restores.velero.io", object("shop", "drill-2", "r2"))
			f := w.poll()
			if f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, c.says) {
				t.Errorf("run ended %s: %s; want partial with %q", f.Outcome, f.Cause, c.says)
			}
			w.tells("tenant-1", podKind, "set web-1 Running")
			w.tells("tenant-1", restoreKind, "event drill-1 ", "event drill-2 ")
			if got := classes(w.log.spans(tenant("tenant-1"), podKind)); !slices.Equal(got, []string{"instants", "blind"}) {
				t.Errorf("pods are covered %q, want instants, then blind", got)
			}
			w.fake.setFault(nil)
			if f := w.poll(); f.Outcome != evidence.RunEmpty {
				t.Errorf("run after the fault ended %s: %s", f.Outcome, f.Cause)
			}
		})
	}
}

// Discovery of a server that is starting lacks custom resources: only one that
// calls itself ready is believed.
func TestNotInstalledNeedsAReadyServer(t *testing.T) {
	w := newWorld(t)
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.poll()
	w.fake.set(func() { w.fake.served["restores.velero.io"], w.fake.notReady = false, true })
	if f := w.poll(); f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, "restores.velero.io") {
		t.Errorf("while it starts: run ended %s: %s; want partial", f.Outcome, f.Cause)
	}
	w.fake.set(func() { w.fake.notReady = false })
	if f := w.poll(); f.Outcome != evidence.RunEmpty || !slices.Contains(f.Notes, "the cluster does not have restores.velero.io") {
		t.Errorf("not installed: run ended %s: %s, notes %q", f.Outcome, f.Cause, f.Notes)
	}
	// Pods are not optional.
	w.fake.set(func() { w.fake.served["pods"] = false })
	if f := w.poll(); f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, "pods: the cluster does not have it") {
		t.Errorf("not optional: run ended %s: %s; want partial", f.Outcome, f.Cause)
	}
}

// An object that cannot be read costs its namespace's owner the coverage, the
// others nothing, and ends nothing.
func TestUnreadableObject(t *testing.T) {
	w := newWorld(t)
	w.rules = rulesByName(t)
	w.fake.put("restores.velero.io", pod("shop", "drill-1", "r1", "Completed"))
	w.fake.put("restores.velero.io", pod("desk", "drill-2", "r2", "Completed"))
	w.poll()
	w.fake.put("restores.velero.io", pod("shop", "drill-3", "r3", "unreadable"))
	f := w.poll()
	if f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, "1 objects of restores.velero.io could not be read") {
		t.Errorf("run ended %s: %s; want partial", f.Outcome, f.Cause)
	}
	if got := classes(w.log.spans(tenant("tenant-1"), restoreKind)); !slices.Contains(got, "blind") {
		t.Errorf("the owner is covered %q, want blind as well", got)
	}
	if got := classes(w.log.spans(tenant("tenant-2"), restoreKind)); slices.Contains(got, "blind") {
		t.Errorf("the neighbour is covered %q, want no blind window", got)
	}
	// A pod without a name: whose it is cannot be told.
	w.fake.put("restores.velero.io", pod("shop", "drill-3", "r3", "Completed"))
	w.fake.put("pods", pod("shop", "web-1", "", "Running"))
	if f := w.poll(); f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, "1 objects of pods could not be read") {
		t.Errorf("run ended %s: %s; want partial", f.Outcome, f.Cause)
	}
}

// Without the namespaces nobody can tell whose an object is, and nothing moves
// to another log.
func TestNamespacesRefused(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.poll()
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/namespaces" {
			status(rw, 403, "Forbidden")
			return true
		}
		return false
	})
	r := w.runner()
	if f, err := r.Poll(t.Context(), w.clock()); err != nil || f.Outcome != evidence.RunFailed || !strings.Contains(f.Cause, "namespaces could not be read") {
		t.Errorf("run ended %s: %s, %v", f.Outcome, f.Cause, err)
	}
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.cfg.NamespaceLabels = false
	w.rules = rulesByName(t)
	if f := w.poll(); f.Outcome != evidence.RunEmpty {
		t.Errorf("by name alone: run ended %s: %s", f.Outcome, f.Cause)
	}
}

func TestLimitedToNamespaces(t *testing.T) {
	w := newWorld(t)
	w.cfg.Namespaces = []string{"shop"}
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("pods", pod("desk", "mail-1", "u2", "Running"))
	w.poll()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.tells("tenant-2", podKind)
	w.fake.del("pods", "shop", "web-1")
	w.poll()
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 absent")
	if n := w.fake.requests("/api/v1/pods"); n != 0 {
		t.Errorf("%d lists of all namespaces", n)
	}
}

// A namespace that came to be after the namespaces were listed is asked for.
func TestNamespaceOfTheMoment(t *testing.T) {
	w := newWorld(t)
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/pods") {
			w.fake.setFault(nil)
			w.fake.put("namespaces", space("new", "ns-9", map[string]string{"tenant": "two"}))
			w.fake.put("pods", pod("new", "web-1", "u1", "Running"))
			w.fake.put("pods", pod("nowhere", "web-2", "u2", "Running"))
		}
		return false
	})
	w.poll()
	w.tells("tenant-2", podKind, "set web-1 Running")
	if got := w.log.told(evidence.Unassigned, podKind); !slices.Equal(got, []string{"set web-2 Running"}) {
		t.Errorf("unassigned: %q", got)
	}
}

func TestStateAndAfter(t *testing.T) {
	w := newWorld(t)
	type memory struct {
		Looks int `json:"looks"`
	}
	var m memory
	w.opts = []Option{State(&m), Observe(func(o *evidence.Observation) { m.Looks++; o.Notes = append(o.Notes, "observed") })}
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.poll()
	first := m.Looks
	m.Looks = 99 // another run starts from what was kept
	f := w.poll()
	if m.Looks != first || first != 1 || !slices.Contains(f.Notes, "observed") {
		t.Errorf("state after a restart %d, want %d; notes %q", m.Looks, first, f.Notes)
	}
	var outer struct{ Resume []byte }
	json.Unmarshal(w.log.cursors["source/kubernetes/prod"], &outer)
	if !strings.Contains(string(outer.Resume), `"state":{"looks":0}`) {
		t.Errorf("resume %s holds no state", outer.Resume)
	}
}

// What joins several objects is made before a commit, and only of lists that
// are whole.
func TestAfter(t *testing.T) {
	w := newWorld(t)
	var whole []bool
	w.opts = []Option{After([]evidence.Kind{evidence.BackupTest}, func(_ context.Context, l *Look) ([]evidence.Draft, error) {
		whole = append(whole, l.Whole("restores.velero.io"))
		return []evidence.Draft{{
			Kind: evidence.BackupTest, Op: evidence.OpEvent, Source: l.Source, Key: "drill-1/0",
			Subject:    l.Ref("velero.io", "Restore", "shop", "drill-1"),
			OccurredAt: worldBegin, Basis: evidence.BasisSource, ObservedAt: l.Now, Scope: l.Scope("shop"), Content: []byte(`{"phase":"graded"}`),
		}}, nil
	})}
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.poll()
	w.tells("tenant-1", evidence.BackupTest, "event drill-1 graded")
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/restores") {
			status(rw, 500, "InternalError")
			return true
		}
		return false
	})
	w.poll()
	if !slices.Equal(whole, []bool{true, false}) {
		t.Errorf("restores are whole %v, want true, then false", whole)
	}
	// It stands on every list, and so is covered no better than the worst.
	if got := classes(w.log.spans(tenant("tenant-1"), evidence.BackupTest)); !slices.Equal(got, []string{"instants", "blind"}) {
		t.Errorf("tests are covered %q, want instants, then blind", got)
	}
}

// Discovery in its aggregated form, with versions that nobody here can read and
// an extension server that is away.
func TestDiscovery(t *testing.T) {
	resources := func(names ...string) (list []any) {
		for _, n := range names {
			list = append(list, map[string]any{"resource": n})
		}
		return list
	}
	for name, c := range map[string]struct {
		versions []any
		version  string
		fails    string
	}{
		"served":          {[]any{map[string]any{"version": "v1", "freshness": "Current", "resources": resources("backups", "restores")}}, "v1", ""},
		"best first":      {[]any{map[string]any{"version": "v1", "resources": resources("restores")}, map[string]any{"version": "v2", "resources": resources("restores")}}, "v2", ""},
		"not there":       {[]any{map[string]any{"version": "v1", "resources": resources("backups")}}, "", ""},
		"version unknown": {[]any{map[string]any{"version": "v3", "resources": resources("restores")}}, "", "not understood"},
		"bad version":     {[]any{map[string]any{"version": "../v3", "resources": resources("restores")}}, "", "no path"},
		// The fake knows v1 in the plain form: what is stale is asked for.
		"stale":               {[]any{map[string]any{"version": "v1", "freshness": "Stale"}}, "v1", ""},
		"stale and not there": {[]any{map[string]any{"version": "v2", "freshness": "Stale"}}, "", "404"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/apis" {
					return false
				}
				if !strings.Contains(r.Header.Get("Accept"), "APIGroupDiscoveryList") {
					t.Errorf("asked for %s", r.Header.Get("Accept"))
				}
				answer(rw, map[string]any{"kind": "APIGroupDiscoveryList", "items": []any{map[string]any{"metadata": map[string]any{"name": "velero.io"}, "versions": c.versions}}})
				return true
			})
			x, err := w.collector().conn()
			if err != nil {
				t.Fatal(err)
			}
			res := tiny()[1]
			got, err := x.discovery().version(t.Context(), &res)
			if got != c.version || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("version %q, %v; want %q, %q", got, err, c.version, c.fails)
			}
		})
	}
}
