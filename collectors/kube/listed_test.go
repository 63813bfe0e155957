package kube

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// What a list of everything did not show is gone; what was told by the server's
// history, or by part of a list, says nothing of what it leaves out.
func TestListed(t *testing.T) {
	w := newWorld(t)
	var listed time.Time
	w.opts = []Option{After(nil, func(_ context.Context, l *Look) ([]evidence.Draft, error) {
		listed = l.Listed("pods")
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
