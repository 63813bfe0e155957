package kube

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// later lets the next look at the feed's history be the first.
func (w *world) later(feed string) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var outer map[string]json.RawMessage
	var kept []byte
	var r resume
	json.Unmarshal(w.log.cursors["source/kubernetes/prod"], &outer)
	if err := json.Unmarshal(outer["resume"], &kept); err != nil {
		w.t.Fatal(err)
	}
	json.Unmarshal(kept, &r)
	r.Feeds[feed].Short = 0
	kept, _ = json.Marshal(r)
	outer["resume"], _ = json.Marshal(kept)
	w.log.cursors["source/kubernetes/prod"], _ = json.Marshal(outer)
}

// look polls once with a collector that does not follow.
func (w *world) look() evidence.RunFacts {
	w.t.Helper()
	r := w.runner()
	r.Collector = &poller{r.Collector.(*Collector)}
	f, err := r.Poll(w.t.Context(), w.clock())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// A poll goes on from the server's history while the server has it, and lists
// when it has not.
func TestPollGoesOn(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	w.look()
	told := []string{"set web-1 Running", "set web-2 Running", "set web-3 Running"}
	lists := func() int { return w.fake.requests("/pods?limit") }
	one := lists()
	step := func(what string, wantLists int, more ...string) {
		t.Helper()
		w.pass(time.Minute)
		if f := w.look(); f.Outcome != evidence.RunDone && f.Outcome != evidence.RunEmpty {
			t.Errorf("%s: run ended %s: %s", what, f.Outcome, f.Cause)
		}
		told = append(told, more...)
		w.tells("tenant-1", podKind, told...)
		if got := lists(); got != wantLists {
			t.Errorf("%s: %d lists of pods, want %d", what, got, wantLists)
		}
	}

	w.fake.put("pods", pod("shop", "web-1", "uid-web-1", "Failed"))
	w.fake.del("pods", "shop", "web-2")
	w.fake.put("pods", pod("desk", "mail-1", "u9", "Running"))
	w.fake.bookmark("pods")
	step("history", one, "set web-1 Failed", "end web-2 deleted")
	w.tells("tenant-2", podKind, "set mail-1 Running")
	if got := classes(w.log.spans(tenant("tenant-1"), podKind)); !slices.Equal(got, []string{"instants", "continuous"}) {
		t.Errorf("pods are covered %q, want an instant, and no gap from there on", got)
	}

	w.fake.put("pods", pod("shop", "web-3", "uid-web-3", "Failed"))
	step("no bookmark", one+1, "set web-3 Failed")
	w.later("pods")
	w.fake.del("pods", "shop", "web-3")
	w.fake.compact()
	w.fake.put("pods", pod("shop", "web-4", "uid-web-4", "Running"))
	step("history is lost", one+2, "set web-4 Running", "end web-3 absent")
	watches := w.fake.requests("timeoutSeconds")
	w.fake.bookmark("pods")
	step("the server forgets sooner than this", one+3)
	if got := w.fake.requests("timeoutSeconds"); got != watches {
		t.Errorf("%d looks at a history that is known to be gone", got-watches)
	}

	// Whose a namespace's objects are has changed: each of them moves.
	w = newWorld(t)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	w.look()
	w.fake.bookmark("pods")
	w.fake.put("namespaces", space("shop", "ns-1", map[string]string{"tenant": "two"}))
	w.look()
	w.tells("tenant-2", podKind, "set web-1 Running", "set web-2 Running", "set web-3 Running")
}

// What fails on the way is listed in the same look; a credential that is
// refused is said.
func TestPollCannotGoOn(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"web-1", "web-2", "web-3"} {
		w.fake.put("pods", pod("shop", name, "uid-"+name, "Running"))
	}
	w.look()
	w.fake.bookmark("pods")
	for code, want := range map[int]evidence.Outcome{500: evidence.RunEmpty, 403: evidence.RunEmpty, 401: evidence.RunFailed} {
		w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.RawQuery, "timeoutSeconds") {
				return false
			}
			status(rw, code, "Wrong")
			return true
		})
		if f := w.look(); f.Outcome != want {
			t.Errorf("%d: run ended %s: %s; want %s", code, f.Outcome, f.Cause, want)
		}
	}
}
