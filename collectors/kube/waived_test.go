package kube

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evidenced/evidence"
)

// waiving has pods and restores of one kind, of which restores are waived.
func waiving(w *world) *atomic.Bool {
	refused := &atomic.Bool{}
	w.resources = tiny()
	w.resources[1].Waived, w.resources[1].Kinds = true, []evidence.Kind{podKind}
	w.resources[1].Drafts = w.resources[0].Drafts
	w.opts = append(w.opts, After([]evidence.Kind{podKind}, func(_ context.Context, l *Look) ([]evidence.Draft, error) {
		refused.Store(l.Refused("restores.velero.io"))
		return nil, nil
	}))
	return refused
}

// refuse answers 403 for restores while it is on.
func refuse(on *atomic.Bool) func(http.ResponseWriter, *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if on.Load() && strings.HasSuffix(r.URL.Path, "/restores") {
			status(rw, 403, "Forbidden")
			return true
		}
		return false
	}
}

// A resource that is waived costs no coverage while the credential may not read it,
// and the collector knows of it; one that was read before is blind for that, once.
func TestWaived(t *testing.T) {
	w := newWorld(t)
	refused, on := waiving(w), &atomic.Bool{}
	on.Store(true)
	w.fake.setFault(refuse(on))
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("restores.velero.io", pod("shop", "drill-1", "r1", "Done"))
	look := func(says string, is bool, want ...string) {
		t.Helper()
		f := w.poll()
		if f.Outcome == evidence.RunPartial || refused.Load() != is || strings.Contains(strings.Join(f.Notes, "\n"), "may not list and watch restores.velero.io (403)") != is {
			t.Errorf("%s: run ended %s: %s; refused %t, notes %q", says, f.Outcome, f.Cause, refused.Load(), f.Notes)
		}
		if got := classes(w.log.spans(tenant("tenant-1"), podKind)); slices.Contains(got, "blind") {
			t.Errorf("%s: covered %q", says, got)
		}
		w.tells("tenant-1", podKind, want...)
	}
	look("refused from the first", true, "set web-1 Running")
	look("refused still", true, "set web-1 Running")
	on.Store(false)
	look("given", false, "set web-1 Running", "set drill-1 Done")
	on.Store(true)
	look("taken away", true, "set web-1 Running", "set drill-1 Done")
}

func TestWaivedFollowed(t *testing.T) {
	w := newWorld(t)
	refused, on := waiving(w), &atomic.Bool{}
	w.fake.setFault(refuse(on))
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	w.fake.put("restores.velero.io", pod("shop", "drill-1", "r1", "Done"))
	want := []string{"set web-1 Running"}
	for _, step := range []struct {
		says          string
		refuses, lost bool
	}{
		{"refused from the first", true, false},
		{"refused after a restart", true, false},
		{"given: that nothing was known of it was told", false, false},
		{"taken away: what was read before is lost", true, true},
	} {
		on.Store(step.refuses)
		began := w.clock()
		stop := w.follow()
		if !step.refuses {
			want = append(want, "set drill-1 Done")
		}
		var at time.Time
		w.until(step.says, func() bool {
			p := w.place("restores.velero.io")
			at = p.To
			return refused.Load() == step.refuses && p.Refused == step.refuses && at.After(began)
		})
		w.fake.bookmark("pods")
		w.until("pods are covered as far", func() bool { return w.place("pods").To.After(at) })
		w.tells("tenant-1", podKind, want...)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		got := classes(w.log.spans(tenant("tenant-1"), podKind))
		if len(got) == 0 || slices.Contains(got, "blind") != step.lost {
			t.Errorf("%s: covered %q", step.says, got)
		}
	}
}
