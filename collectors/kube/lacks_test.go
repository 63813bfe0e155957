package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/evidence"
)

// lists notes what a resource is told of its lists.
type lists struct {
	mu    sync.Mutex
	since []time.Time
	lines []string // namespace: uids it has, and that of a namespace
	err   error
}

// told returns what was told since the last call.
func (x *lists) told() (lines []string, since []time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	lines, since = x.lines, x.since
	x.lines, x.since = nil, nil
	return lines, since
}

// tell makes tiny's restores tell what their lists lack of r1 and r2.
func (x *lists) tell(w *world) {
	rs := tiny()
	i := slices.IndexFunc(rs, func(r Resource) bool { return r.Resource == "restores" })
	rs[i].Listed = func(_ context.Context, list *List, l *Look) ([]evidence.Draft, error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.err != nil {
			return nil, x.err
		}
		shop, err := list.Space("shop")
		if err != nil {
			return nil, err
		}
		none, err := list.Space("no-such")
		if err != nil {
			return nil, err
		}
		line := list.Namespace + ":"
		for _, uid := range []string{"r1", "r2"} {
			if list.Has(uid) {
				line += " " + uid
			}
		}
		x.lines, x.since = append(x.lines, line+" "+shop+none), append(x.since, list.Since)
		if !strings.Contains(list.Request.URL, "/restores?limit=2") {
			return nil, fmt.Errorf("asked for %s", list.Request.URL)
		}
		return nil, nil
	}
	w.resources = rs
}

func (x *lists) want(t *testing.T, want ...string) (since []time.Time) {
	t.Helper()
	lines, since := x.told()
	if !slices.Equal(lines, want) {
		t.Errorf("told of %q, want %q", lines, want)
	}
	return since
}

// A collector is told of the lists that show all there is, and until when what came
// before did.
func TestListed(t *testing.T) {
	w, x := newWorld(t), &lists{}
	x.tell(w)
	w.fake.put("restores.velero.io", object("shop", "one", "r1"))
	w.fake.put("restores.velero.io", object("shop", "two", "r2"))
	w.poll()
	if since := x.want(t, ": r1 r2 ns-1"); !since[0].IsZero() {
		t.Errorf("before the first look everything was known until %s", since[0])
	}
	first := w.clock()
	w.pass(time.Hour)
	w.fake.del("restores.velero.io", "shop", "two")
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/restores") {
			status(rw, 403, "Forbidden")
			return true
		}
		return false
	})
	w.poll()
	x.want(t)
	w.fake.setFault(nil)
	x.err = errors.New("not now")
	if f := w.poll(); f.Outcome != evidence.RunPartial {
		t.Errorf("a list that was not taken: %s", f.Outcome)
	}
	x.err = nil
	w.poll()
	if since := x.want(t, ": r1 ns-1"); since[0].After(first) || since[0].Before(worldBegin) {
		t.Errorf("known until %s, not shortly before %s", since[0], first)
	}
	// One that cannot be read may be any of those that a list lacks.
	w.fake.put("restores.velero.io", pod("shop", "three", "r3", "unreadable"))
	w.poll()
	x.want(t)
	w.fake.del("restores.velero.io", "shop", "three")
	w.poll()
	if since := x.want(t, ": r1 ns-1"); !since[0].IsZero() {
		t.Errorf("after a list that did not show everything, it was known until %s", since[0])
	}
}

// Each namespace has a list of its own.
func TestListedOfNamespaces(t *testing.T) {
	w, x := newWorld(t), &lists{}
	x.tell(w)
	w.cfg.Namespaces = []string{"desk", "shop"}
	w.fake.put("restores.velero.io", object("shop", "one", "r1"))
	w.fake.put("restores.velero.io", object("desk", "two", "r2"))
	w.poll()
	x.want(t, "desk: r2 ns-1", "shop: r1 ns-1")
}

// A watch moves on the time until when everything is known, and what it loses is
// told by the list that follows.
func TestListedAfterWatch(t *testing.T) {
	w, x := newWorld(t), &lists{}
	x.tell(w)
	w.fake.put("restores.velero.io", object("shop", "one", "r1"))
	stop := w.follow()
	w.tells("tenant-1", restoreKind, "event one ")
	w.fake.bookmark("restores.velero.io")
	w.pass(time.Hour)
	w.fake.put("restores.velero.io", object("shop", "two", "r2"))
	w.tells("tenant-1", restoreKind, "event one ", "event two ")
	known := w.clock()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	x.want(t, ": r1 ns-1")
	w.pass(time.Hour)
	w.fake.del("restores.velero.io", "shop", "one")
	w.fake.compact()
	w.fake.put("restores.velero.io", object("shop", "three", "r3"))
	w.follow()
	w.tells("tenant-1", restoreKind, "event one ", "event two ", "event three ")
	var since []time.Time
	w.until("the list was told", func() bool {
		var lines []string
		lines, since = x.told()
		return slices.Equal(lines, []string{": r2 ns-1"})
	})
	if since[0].After(known) || since[0].Before(worldBegin.Add(time.Hour)) {
		t.Errorf("known until %s, not shortly before %s", since[0], known)
	}
}
