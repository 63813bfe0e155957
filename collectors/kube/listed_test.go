package kube

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// When a full list began is told of lists alone: not of a look that went on from
// the history, nor before the list is whole; what the cluster does not have was
// listed just now.
func TestListedAt(t *testing.T) {
	w := newWorld(t)
	var pods, restores time.Time
	var within bool // some object of a list was handed out when the list counted as whole
	rs := tiny()
	for i := range rs {
		if rs[i].name() == "pods" {
			make := rs[i].Drafts
			rs[i].Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				within = within || o.Listed && !l.ListedAt("pods").IsZero()
				return make(ctx, o, l)
			}
		}
	}
	w.resources = rs
	w.opts = []Option{After(nil, func(_ context.Context, l *Look) ([]evidence.Draft, error) {
		pods, restores = l.ListedAt("pods"), l.ListedAt("restores.velero.io")
		return nil, nil
	})}
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	before := w.clock()
	w.look()
	if !pods.After(before) || pods.After(w.clock()) || within {
		t.Errorf("the first look listed at %s, begun after %s; before it was whole: %t", pods, before, within)
	}
	if restores.IsZero() {
		t.Error("what is listed, or not there, was not listed")
	}
	w.pass(time.Minute)
	w.fake.bookmark("pods")
	w.look()
	if !pods.IsZero() {
		t.Errorf("a look that went on from the history listed at %s", pods)
	}
	w.pass(time.Minute)
	w.later("pods")
	w.fake.compact()
	w.fake.put("pods", pod("shop", "web-4", "uid-web-4", "Running"))
	before = w.clock()
	w.look()
	if !pods.After(before) {
		t.Errorf("when the history was lost the list began at %s, not after %s", pods, before)
	}
}

// What a list of everything did not show is gone; what was told by the server's
// history, or by part of a list, says nothing of what it leaves out.
func TestListedAfterFaults(t *testing.T) {
	w := newWorld(t)
	var listed time.Time
	w.opts = []Option{After(nil, func(_ context.Context, l *Look) ([]evidence.Draft, error) {
		listed = l.ListedAt("pods")
		return nil, nil
	})}
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	look := func(name string, want bool) {
		t.Helper()
		w.pass(time.Second)
		began := w.clock()
		w.look()
		if got := !listed.IsZero(); got != want || got && !listed.After(began) {
			t.Errorf("%s: listed at %s, begun at %s, want %t", name, listed, began, want)
		}
	}
	look("a list", true)
	w.fake.put("pods", pod("shop", "web-1", "uid-web-1", "Failed"))
	w.fake.bookmark("pods")
	look("history", false)
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/pods") {
			status(rw, 500, "InternalError")
			return true
		}
		return false
	})
	look("a fault", false)
	w.fake.setFault(nil)
	w.fake.compact()
	look("history is lost", true)
}

// Kinds are under way until each resource they stand on was read once, or is known
// not to be there.
func TestUnderway(t *testing.T) {
	w := newWorld(t)
	s, err := w.collector().session(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := s.underway()
	if want := s.c.Kinds(); !slices.Equal(all, want) {
		t.Errorf("before anything was read %v are under way, want %v", all, want)
	}
	for i, f := range s.feeds {
		if i == 0 {
			s.st[f].Absent, s.st[f].To = true, w.clock()
		} else {
			s.st[f].To = w.clock()
		}
		for _, k := range s.underway() {
			if slices.Contains(f.res.Kinds, k) && !slices.ContainsFunc(s.feeds[i+1:], func(g *feed) bool { return slices.Contains(g.res.Kinds, k) }) {
				t.Errorf("%s is under way, though %s was read", k, f.name())
			}
		}
	}
	if left := s.underway(); len(left) > 0 {
		t.Errorf("%v are under way, though everything was read", left)
	}
}
