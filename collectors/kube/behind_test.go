package kube

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evidenced/evidence"
)

// settled follows until both lists are kept and a bookmark has said that pods
// are told in full.
func (w *world) settled() (stop func() error) {
	w.t.Helper()
	stop = w.follow()
	w.until("both lists are kept", func() bool { return w.place("pods").RV != "" && w.place("restores.velero.io").RV != "" })
	begun := w.place("pods").To
	w.fake.bookmark("pods")
	w.until("the bookmark is kept", func() bool { return w.place("pods").To.After(begun) })
	return stop
}

// What a watch tells from before it was opened proves nothing about now: more
// of it may be on its way. When that is lost, all of it is blind.
func TestCatchingUpClaimsNothing(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	if err := w.settled()(); err != nil {
		t.Fatal(err)
	}
	known := w.place("pods").To
	w.fake.put("pods", pod("shop", "web-1", "u1", "Failed"))
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	w.pass(time.Hour)
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Failed", "set web-2 Running")
	if err := stop(); err != nil { // in the middle of catching up, for all anybody knows
		t.Fatal(err)
	}
	if p := w.place("pods"); p.RV != "106" || !p.To.Equal(known) {
		t.Errorf("seen up to %s at %s, want 106 at %s still", p.RV, p.To, known)
	}
	for _, p := range w.log.logs[tenant("tenant-1")] {
		if d := p.Draft; d.Kind == podKind && d.NotBefore.After(known) {
			t.Errorf("a pod came after %s, it says, but nobody looked between %s and then", d.NotBefore, known)
		}
	}

	w.fake.put("pods", pod("shop", "web-3", "u3", "Running"))
	w.fake.del("pods", "shop", "web-3")
	w.fake.compact() // and with it what else happened in that hour
	w.pass(time.Hour)
	stop = w.follow()
	w.until("pods were listed anew", func() bool { return w.place("pods").To.After(known) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	spans := w.log.spans(tenant("tenant-1"), podKind)
	blind := slices.IndexFunc(spans, func(s evidence.CoverageSpan) bool { return s.Class == evidence.Blind })
	if blind < 0 || !spans[blind].From.Equal(known) || spans[blind].To.Sub(known) < 2*time.Hour {
		t.Errorf("covered %+v, want two hours of blindness from %s on", spans, known)
	}
}

// A feed that was kept from reading may find old news in its buffers: their
// arrival is no measure, and the watch is opened anew.
func TestHeldUpWatchIsOpenedAnew(t *testing.T) {
	w := newWorld(t)
	var hangs atomic.Bool
	w.opts = []Option{Observe(func(*evidence.Observation) {
		if hangs.CompareAndSwap(true, false) {
			w.pass(time.Hour) // a disk
		}
	})}
	stop := w.settled()
	hangs.Store(true)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running")
	if to := w.place("pods").To; to.Sub(worldBegin) > 30*time.Minute {
		t.Errorf("pods are seen up to %s, but nobody was told what happened in that hour", to)
	}
	w.fake.bookmark("pods")
	w.until("the bookmark of the new watch counts", func() bool { return w.place("pods").To.Sub(worldBegin) > time.Hour })
	if n := w.fake.requests("/pods?allowWatchBookmarks"); n < 2 {
		t.Errorf("%d watches of pods, want another one", n)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// One group that cannot be found out about costs its own resources.
func TestDiscoveryOfOneResourceFails(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/apis" {
			status(rw, 503, "ServiceUnavailable")
			return true
		}
		return false
	})
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.until("pods are claimed", func() bool { w.fake.bookmark("pods"); return !w.place("pods").To.IsZero() })
	// Whoever asks again has said why.
	w.until("the server is asked again what it serves", func() bool { return w.fake.requests("/apis") >= 4 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	runs := w.log.runs()
	if last := runs[len(runs)-1]; last.Outcome != evidence.RunPartial || !strings.Contains(last.Cause, "restores.velero.io") {
		t.Errorf("run ended %s: %s; want partial, naming the resource", last.Outcome, last.Cause)
	}
	got := w.log.spans(tenant("tenant-1"), restoreKind)
	if len(got) == 0 || slices.ContainsFunc(got, func(s evidence.CoverageSpan) bool { return s.Class != evidence.Blind }) {
		t.Errorf("restores are covered %+v, want them blind alone", got)
	}
	w.fake.setFault(nil)
	stop = w.follow()
	w.tells("tenant-1", restoreKind, "event drill-1 ")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A version that nobody here can read is blindness, not silence.
func TestVersionNotUnderstoodIsBlind(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))
	if err := w.settled()(); err != nil {
		t.Fatal(err)
	}
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/apis":
			answer(rw, map[string]any{"kind": "APIGroupList", "groups": []any{map[string]any{"name": "velero.io", "versions": []any{map[string]any{"version": "v3"}}}}})
		case "/apis/velero.io/v3":
			answer(rw, map[string]any{"kind": "APIResourceList", "groupVersion": "velero.io/v3", "resources": []any{map[string]any{"name": "restores"}}})
		default:
			return false
		}
		return true
	})
	known := w.place("restores.velero.io").To
	stop := w.follow()
	w.until("the fault is in the cursor", func() bool { return w.place("restores.velero.io").To.After(known) })
	w.fake.put("pods", pod("shop", "web-1", "u1", "Failed"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Failed")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(w.log.spans(tenant("tenant-1"), restoreKind), func(s evidence.CoverageSpan) bool {
		return s.Class == evidence.Blind && strings.Contains(s.Cause, "no version that is understood")
	}) {
		t.Errorf("restores are covered %+v, want a blind window", w.log.spans(tenant("tenant-1"), restoreKind))
	}
}
