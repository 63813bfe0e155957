package kube

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"evidenced/evidence"
)

const podKind, restoreKind = evidence.RuntimePod, evidence.BackupRestore

// classes are the classes of spans, in order.
func classes(spans []evidence.CoverageSpan) (out []string) {
	for _, s := range spans {
		c := string(s.Class)
		if n := len(out); n == 0 || out[n-1] != c {
			out = append(out, c)
		}
	}
	return out
}

func TestFollowTellsEachChangeOnce(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Pending"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Pending")
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("pods", pod("shop", "web-2", "u2", "Pending"))
	w.fake.put("pods", pod("desk", "mail-1", "u3", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Pending", "set web-1 Running", "set web-2 Pending")
	w.tells("tenant-2", podKind, "set mail-1 Running")
	w.fake.del("pods", "shop", "web-1")
	w.fake.put("pods", pod("shop", "web-1", "u4", "Pending")) // under its old name: another one
	w.tells("tenant-1", podKind, "set web-1 Pending", "set web-1 Running", "set web-2 Pending", "end web-1 deleted", "set web-1 Pending")
	w.fake.bookmark("pods")
	w.fake.bookmark("restores.velero.io")
	w.until("the bookmarks are kept", func() bool { return w.place("restores.velero.io").RV == "110" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := classes(w.log.spans(tenant("tenant-1"), podKind)); !slices.Equal(got, []string{"continuous"}) {
		t.Errorf("pods are covered %q, want continuous", got)
	}
	if got := w.log.told(evidence.Unassigned, podKind); got != nil {
		t.Errorf("nobody's log holds %q", got)
	}
}

func TestRestartGoesOn(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running")
	w.until("both lists are kept", func() bool { return w.place("pods").RV != "" && w.place("restores.velero.io").RV != "" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	lists := w.fake.requests("/pods?limit")

	w.fake.del("pods", "shop", "web-1")
	w.fake.put("pods", pod("shop", "web-2", "u2", "Failed"))
	stop = w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running", "end web-1 deleted", "set web-2 Failed")
	if n := w.fake.requests("/pods?limit"); n != lists {
		t.Errorf("%d lists of pods after the restart, want none", n-lists)
	}
	w.fake.bookmark("restores.velero.io")
	w.until("the bookmark is kept", func() bool { return w.place("restores.velero.io").RV == "107" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.log.spans(tenant("tenant-1"), podKind) {
		if s.Class != evidence.Continuous {
			t.Errorf("a span of pods is %s (%s), want continuous", s.Class, s.Cause)
		}
	}
}

func TestLostHistoryIsBlind(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	stop := w.follow()
	w.until("both lists are kept", func() bool { return w.place("pods").RV != "" && w.place("restores.velero.io").RV != "" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.fake.del("pods", "shop", "web-1")
	w.fake.compact()
	w.pass(3600e9)
	stop = w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running", "end web-1 absent")
	w.fake.bookmark("pods")
	w.until("the bookmark is kept", func() bool { return w.place("pods").RV == "107" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	var lost []evidence.CoverageSpan
	for _, s := range w.log.spans(tenant("tenant-1"), podKind) {
		if s.Class == evidence.Blind {
			lost = append(lost, s)
		}
	}
	if len(lost) != 1 || !strings.Contains(lost[0].Cause, "history") || lost[0].To.Sub(lost[0].From).Hours() < 1 {
		t.Errorf("blind: %+v, want one window of an hour whose cause is the lost history", lost)
	}
}

// What a watch told since the last list must not count as part of the next:
// this pod was never in a list, and goes while nobody looks.
func TestDeletedBetweenWatchAndList(t *testing.T) {
	w := newWorld(t)
	stop := w.follow()
	w.until("the list is kept", func() bool { return w.place("pods").RV != "" })
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.fake.set(func() {
		delete(w.fake.objects["pods"], "shop/web-1")
	})
	w.fake.expire("pods")
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 absent")
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 absent", "set web-2 Running")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := classes(w.log.spans(tenant("tenant-1"), podKind)); !slices.Contains(got, "blind") {
		t.Errorf("pods are covered %q, want a blind window", got)
	}
}

// A server that starts answers 404 in plain text, 500 and 429: nothing is
// gone, and the watch goes on from its place.
func TestServerRestart(t *testing.T) {
	w := newWorld(t)
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.until("both lists are kept", func() bool { return w.place("pods").RV != "" && w.place("restores.velero.io").RV != "" })
	lists := w.fake.requests("limit=2")
	var n atomic.Int64
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/readyz" {
			http.Error(rw, "readyz check failed", 500)
			return true
		}
		switch i := n.Add(1); {
		case i < 20 && r.URL.Path == "/apis": // answers, without custom resources
			answer(rw, map[string]any{"kind": "APIGroupList", "groups": []any{}})
		case i < 20:
			http.NotFound(rw, r)
		case i < 40:
			rw.Header().Set("Retry-After", "1")
			status(rw, 429, "TooManyRequests")
		default:
			return false
		}
		return true
	})
	w.fake.kick()
	w.until("the server was asked often enough", func() bool { return n.Load() > 40 })
	w.fake.put("pods", pod("shop", "web-1", "u1", "Succeeded"))
	w.fake.put("restores.velero.io", object("shop", "drill-2", "r2"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Succeeded")
	w.tells("tenant-1", restoreKind, "event drill-1 ", "event drill-2 ")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := w.fake.requests("limit=2"); got != lists {
		t.Errorf("%d lists after the restart, want none", got-lists)
	}
	if got := classes(w.log.spans(tenant("tenant-1"), podKind)); slices.Contains(got, "blind") {
		t.Errorf("pods are covered %q, want no blind window: the watch caught up", got)
	}
}

func TestRefusedResource(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	stop := w.follow()
	w.until("both lists are kept", func() bool { return w.place("pods").RV != "" && w.place("restores.velero.io").RV != "" })
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/pods") {
			status(rw, 403, "Forbidden")
			return true
		}
		return false
	})
	w.fake.kick()
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.tells("tenant-1", restoreKind, "event drill-1 ")
	until := w.place("pods").To
	w.until("the refusal is in the cursor", func() bool { return w.place("pods").To.After(until) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(w.log.spans(tenant("tenant-1"), podKind), func(s evidence.CoverageSpan) bool {
		return s.Class == evidence.Blind && strings.Contains(s.Cause, "may not read pods")
	}) {
		t.Error("the refusal is no blind window")
	}
	runs := w.log.runs()
	last := runs[len(runs)-1]
	if last.Outcome != evidence.RunPartial || !strings.Contains(last.Cause, "may not list and watch pods (403)") {
		t.Errorf("run ended %s: %s; want partial, naming the resource", last.Outcome, last.Cause)
	}
	if got := w.log.told(tenant("tenant-1"), podKind); !slices.Equal(got, []string{"set web-1 Running"}) {
		t.Errorf("a refused list changed states: %q", got)
	}
}

func TestUnknownCredentialEndsTheRun(t *testing.T) {
	w := newWorld(t)
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool { status(rw, 401, "Unauthorized"); return true })
	stop := w.follow()
	w.until("the run is recorded", func() bool { return len(w.log.runs()) > 0 })
	if err := stop(); err == nil || !strings.Contains(err.Error(), "refused the credential") {
		t.Errorf("got %v", err)
	}
	if r := w.log.runs()[0]; r.Outcome != evidence.RunFailed {
		t.Errorf("run ended %s: %s", r.Outcome, r.Cause)
	}
}

// Labels say whose an object is; when they change, it moves.
func TestLabelsMoveObjects(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("pods", pod("desk", "mail-1", "u2", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.tells("tenant-2", podKind, "set mail-1 Running")
	w.fake.put("namespaces", space("shop", "ns-1", map[string]string{"tenant": "two"}))
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 reassigned")
	w.tells("tenant-2", podKind, "set mail-1 Running", "set web-1 Running")
	w.until("every feed has read the namespace again", func() bool { return w.place("restores.velero.io").RV != "" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// And while nobody looks, by a namespace of the same name.
	w.fake.put("namespaces", space("shop", "ns-3", map[string]string{"tenant": "one"}))
	stop = w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 reassigned", "set web-1 Running")
	w.tells("tenant-2", podKind, "set mail-1 Running", "set web-1 Running", "end web-1 reassigned")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestResourceThatIsNotInstalled(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.set(func() { w.fake.served["restores.velero.io"] = false })
	stop := w.follow()
	w.until("restores are known not to be there", func() bool { return w.place("restores.velero.io").Absent })
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.fake.set(func() { w.fake.served["restores.velero.io"] = true })
	w.tells("tenant-1", restoreKind, "event drill-1 ")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := classes(w.log.spans(tenant("tenant-1"), restoreKind)); len(got) == 0 || got[0] != "instants" {
		t.Errorf("restores are covered %q, want instants while they were not installed", got)
	}
}
