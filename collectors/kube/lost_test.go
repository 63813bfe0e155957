package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"evidenced/evidence"
)

// keptLabels tells of which namespaces the cursor knows the labels.
func (w *world) keptLabels() map[string]string {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var outer struct{ Resume []byte }
	json.Unmarshal(w.log.cursors["source/kubernetes/prod"], &outer)
	var r resume
	json.Unmarshal(outer.Resume, &r)
	return r.Labels
}

// Each resource has a watch of its own: what happened to objects of a
// namespace may be told after its end, and still belongs to its tenant.
func TestObjectsOutliveTheirNamespace(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.until("the namespace is known", func() bool { return w.keptLabels()["shop"] != "" })
	w.fake.del("namespaces", "", "shop")
	w.until("the namespace is gone", func() bool { return w.keptLabels()["shop"] == "" })
	w.fake.put("pods", pod("shop", "web-1", "u1", "Failed"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Failed")
	w.fake.del("pods", "shop", "web-1")
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Failed", "end web-1 deleted")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// choosy resources cannot read a pod in the phase "unreadable".
func choosy() []Resource {
	rs := tiny()
	drafts := rs[0].Drafts
	rs[0].Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
		if bytes.Contains(o.Raw, []byte(`"unreadable"`)) {
			return nil, errors.New("phase is not known")
		}
		return drafts(ctx, o, l)
	}
	return rs
}

// The end of a state needs no more of its object than who it is.
func TestDeletionOfUnreadableObject(t *testing.T) {
	w := newWorld(t)
	w.resources = choosy()
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	w.fake.put("pods", pod("shop", "web-1", "u1", "unreadable"))
	w.fake.del("pods", "shop", "web-1")
	w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 deleted")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// What could not be read is not seen after a restart either.
func TestUnreadableStaysBlindOverRestart(t *testing.T) {
	w := newWorld(t)
	w.resources = choosy()
	w.fake.put("pods", pod("shop", "web-1", "u1", "unreadable"))
	for range 2 {
		begin := w.clock()
		stop := w.follow()
		w.until("the watch has moved on", func() bool {
			w.fake.bookmark("pods")
			return w.place("pods").To.After(begin)
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		blind := slices.ContainsFunc(w.log.spans(tenant("tenant-1"), podKind), func(s evidence.CoverageSpan) bool {
			return s.Class == evidence.Blind && s.To.After(begin)
		})
		if !blind {
			t.Errorf("a pod that cannot be read is no blindness from %s on", begin)
		}
	}
}

// keptGone tells of which namespaces the cursor knows what they were.
func (w *world) keptGone() map[string]keptSpace {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var outer struct{ Resume []byte }
	json.Unmarshal(w.log.cursors["source/kubernetes/prod"], &outer)
	var r resume
	json.Unmarshal(outer.Resume, &r)
	return r.Gone
}

// created gives an object its time of creation.
func created(o map[string]any, at string) map[string]any {
	o["metadata"].(map[string]any)["creationTimestamp"] = at
	return o
}

// Whose objects a namespace held is known after a restart too, whether the
// namespace went before it or while nobody looked, and when its name belongs to
// somebody else by now.
func TestGoneNamespaceOverRestart(t *testing.T) {
	for name, c := range map[string]struct {
		before, while func(w *world)
	}{
		"gone before": {before: func(w *world) {
			w.fake.del("namespaces", "", "shop")
			w.until("the namespace is gone", func() bool { return w.keptGone()["shop"].UID == "ns-1" })
		}},
		"gone while nobody looked": {while: func(w *world) { w.fake.del("namespaces", "", "shop") }},
		"made anew for another tenant": {while: func(w *world) {
			w.fake.del("namespaces", "", "shop")
			w.fake.put("namespaces", created(space("shop", "ns-3", map[string]string{"tenant": "two"}), "2026-11-14T13:00:00Z"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			const born = "2026-11-14T12:00:00Z"
			w.fake.put("pods", created(pod("shop", "web-1", "u1", "Running"), born))
			stop := w.settled()
			if c.before != nil {
				c.before(w)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			// Each resource has a watch of its own: this is told late.
			w.fake.put("restores.velero.io", created(object("shop", "drill-1", "r1"), born))
			w.fake.del("pods", "shop", "web-1")
			if c.while != nil {
				c.while(w)
			}
			stop = w.follow()
			w.tells("tenant-1", podKind, "set web-1 Running", "end web-1 deleted")
			w.tells("tenant-1", restoreKind, "event drill-1 ")
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			for _, other := range []evidence.Tenant{tenant("tenant-2"), evidence.Unassigned} {
				for _, k := range []evidence.Kind{podKind, restoreKind} {
					if got := w.log.told(other, k); got != nil {
						t.Errorf("the log of %s tells %q", other, got)
					}
				}
			}
			// When every watch has long come past its end, it is forgotten.
			w.pass(2 * mourning)
			stop = w.follow()
			w.until("the namespace is forgotten", func() bool {
				w.fake.bookmark("pods")
				w.fake.bookmark("restores.velero.io")
				return len(w.keptGone()) == 0
			})
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOddMetadata: an object whose metadata cannot be read is one, however often a
// watch tells of it, and blind no longer than until it can be read.
func TestOddMetadata(t *testing.T) {
	w := newWorld(t)
	w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
	stop := w.follow()
	w.tells("tenant-1", podKind, "set web-1 Running")
	odd := pod("shop", "web-1", "u1", "Failed")
	odd["metadata"].(map[string]any)["labels"] = "none"
	for range 5 {
		w.fake.put("pods", odd)
	}
	w.fake.put("pods", pod("shop", "web-2", "u2", "Running"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running")
	w.until("the object is remembered", func() bool { w.fake.bookmark("pods"); return len(w.place("pods").Bad) > 0 })
	if bad := w.place("pods").Bad; len(bad) != 1 {
		t.Errorf("%d objects are remembered, want 1: %v", len(bad), bad)
	}
	w.fake.put("pods", pod("shop", "web-1", "u1", "Failed"))
	w.tells("tenant-1", podKind, "set web-1 Running", "set web-2 Running", "set web-1 Failed")
	w.until("it is blind no longer", func() bool { w.fake.bookmark("pods"); return len(w.place("pods").Bad) == 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestOddNamespace: a namespace that cannot be read is not gone: its objects stay whose
// they are.
func TestOddNamespace(t *testing.T) {
	for name, uid := range map[string]any{"which it is can be read": "ns-1", "it cannot": 7} {
		w := newWorld(t)
		w.fake.put("pods", pod("shop", "web-1", "u1", "Running"))
		w.poll()
		w.tells("tenant-1", podKind, "set web-1 Running")
		odd := space("shop", "", nil)
		odd["metadata"].(map[string]any)["labels"], odd["metadata"].(map[string]any)["uid"] = "none", uid
		w.fake.put("namespaces", odd)
		w.fake.put("pods", pod("shop", "web-1", "u1", "Failed"))
		for range 2 {
			w.poll()
		}
		w.tells("tenant-1", podKind, "set web-1 Running", "set web-1 Failed")
		if len(w.keptGone()) > 0 || w.keptLabels()["shop"] == "" {
			t.Errorf("%s: gone %v, labels %v", name, w.keptGone(), w.keptLabels())
		}
	}
}
