package argocd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// until is a sink that ends the run once the drafts and commits satisfy a
// condition, so that no test waits for a length of time.
type until struct {
	collectortest.Recorder
	stop func()
	done func(r *collectortest.Recorder) bool
	each func(commits int) // after each commit
}

func (u *until) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	if err := u.Recorder.Commit(ctx, resume, o); err != nil {
		return err
	}
	if u.each != nil {
		u.each(len(u.Commits))
	}
	if u.done(&u.Recorder) {
		u.stop()
	}
	return nil
}

// follow runs Follow until done, and fails the test when that never comes.
func (s *server) follow(c *Collector, u *until) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	u.stop = cancel
	err := c.Follow(ctx, u.Resume(), u)
	if errors.Is(err, context.DeadlineExceeded) {
		s.t.Fatalf("nothing came of it: %d drafts, %d commits", len(u.Drafts), len(u.Commits))
	}
	return err
}

// syncs lists the sync drafts as "key seen phase".
func syncs(t testing.TB, ds []evidence.Draft) []string {
	var out []string
	for _, d := range ofKind(ds, evidence.DeploySync) {
		f := evidencetest.Decode[evidence.SyncFacts](t, d)
		out = append(out, fmt.Sprintf("%s %s %s", strings.TrimPrefix(d.Key[strings.LastIndexByte(d.Key, '/')+1:], "2026-03-02T"), f.Seen, f.Phase))
	}
	return out
}

func states(t testing.TB, ds []evidence.Draft) []string {
	var out []string
	for _, d := range ofKind(ds, evidence.DeployState) {
		out = append(out, fmt.Sprintf("%s %s", d.Op, evidencetest.Decode[evidence.DeployFacts](t, d).Sync))
	}
	return out
}

// A failed operation that the next one overwrites within the minute is seen in
// the stream alone.
func TestFollowSeesOverwritten(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(50)))
	for i, changes := range [][]change{
		{slot("Running", sha1st, 10, automated)},
		{slot("Failed", sha1st, 10, automated)},
		{slot("Running", sha2nd, 12, automated)},
		{slot("Succeeded", sha2nd, 12, automated), history(0, sha2nd, 13, automated)},
	} {
		s.lines <- line("MODIFIED", application("tenant-7-web", append(changes, gen(i+2), reconciled(50))...))
	}
	u := &until{done: func(r *collectortest.Recorder) bool { return len(r.Of(evidence.DeploySync)) == 4 }}
	if err := s.follow(s.collector(), u); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	want := []string{"13:00:10Z operation Running", "13:00:10Z operation Failed", "13:00:12Z operation Running", "13:00:12Z both Succeeded"}
	if d := cmp.Diff(want, syncs(t, u.Drafts)); d != "" {
		t.Errorf("operations (-want +got):\n%s", d)
	}
	// What a later poll finds is nothing new.
	s.at(120, application("tenant-7-web", gen(6), slot("Succeeded", sha2nd, 12, automated), history(0, sha2nd, 13, automated), reconciled(110)))
	ds, _ := s.mustPoll(s.collector(), &u.Recorder)
	if got := syncs(t, ds); len(got) > 0 {
		t.Errorf("the poll after it says again: %q", got)
	}
}

func TestFollowDeleted(t *testing.T) {
	a := application("tenant-7-web", reconciled(50))
	s := newServer(t, a)
	s.lines <- line("ADDED", a)
	s.lines <- line("MODIFIED", application("tenant-7-web", gen(2), set("OutOfSync", "status", "sync", "status")))
	s.lines <- line("DELETED", application("tenant-7-web", gen(3), slot("Failed", sha1st, 30, by("alice"))))
	u := &until{done: func(r *collectortest.Recorder) bool {
		return slices.ContainsFunc(r.Drafts, func(d evidence.Draft) bool { return d.Op == evidence.OpEnd })
	}}
	if err := s.follow(s.collector(), u); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	states := ofKind(u.Drafts, evidence.DeployState)
	last := states[len(states)-1]
	reason := evidencetest.Decode[struct{ Reason, App string }](t, last)
	if last.Op != evidence.OpEnd || reason.Reason != "deleted" || reason.App != "argocd/tenant-7-web" {
		t.Errorf("the last draft is %s %s", last.Op, last.Content)
	}
	if d := cmp.Diff([]string{"13:00:30Z operation Failed"}, syncs(t, u.Drafts)); d != "" {
		t.Errorf("the last operation (-want +got):\n%s", d)
	}
	for i := range states[1:] {
		was, is := states[i], states[i+1]
		// The stream may be quicker than the first list, which then says the
		// same state again.
		again := is.OccurredAt.Equal(was.OccurredAt) && is.Op == was.Op && string(is.Content) == string(was.Content)
		if !is.OccurredAt.After(was.OccurredAt) && !again {
			t.Errorf("state %d at %s is not after %s", i+1, is.OccurredAt, was.OccurredAt)
		}
	}
	if strings.Contains(string(u.Resume()), "uid-tenant-7-web") {
		t.Error("a deleted application stays in the resume")
	}
}

// Each of these ends the stream. It is opened again, and what came before and
// after is kept.
func TestFollowBrokenStream(t *testing.T) {
	before := line("MODIFIED", application("tenant-7-web", gen(2), set("OutOfSync", "status", "sync", "status")))
	after := line("MODIFIED", application("tenant-7-web", gen(3), set("Unknown", "status", "sync", "status")))
	for name, tc := range map[string]struct{ text string }{
		"cut in the middle of a line": {before[:len(before)/2]},
		"an oversized line":           {`{"result":{"type":"ADDED","x":"` + strings.Repeat("x", 70000) + `"}}` + "\n"},
		"an error event":              {`{"error":{"grpc_code":14,"http_code":503,"message":"transport is closing"}}` + "\n"},
		"HTML":                        {"<html>502</html>\n"},
		"an unknown type":             {`{"result":{"type":"BOOKMARK","application":{}}}` + "\n"},
		"the end":                     {""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, application("tenant-7-web", reconciled(50)))
			var opened atomic.Int32
			s.stream = func(w http.ResponseWriter, r *http.Request) {
				if opened.Add(1) == 1 {
					fmt.Fprint(w, before+tc.text)
					return
				}
				fmt.Fprint(w, after)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
			u := &until{done: func(r *collectortest.Recorder) bool {
				return slices.ContainsFunc(r.Drafts, func(d evidence.Draft) bool { return strings.Contains(string(d.Content), `"Unknown"`) })
			}}
			c := s.collector(func(c *Config) { c.MaxLineBytes = 64 << 10 })
			if err := s.follow(c, u); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			got := states(t, u.Drafts)
			if !slices.Contains(got, "set OutOfSync") || !slices.Contains(got, "set Unknown") {
				t.Errorf("states %q", got)
			}
		})
	}
}

// A token that is revoked ends the run, wherever it shows.
func TestFollowRefused(t *testing.T) {
	for name, stream := range map[string]http.HandlerFunc{
		"when the stream is opened": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"forbidden":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"inside the stream": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, `{"error":{"grpc_code":16,"http_code":401,"message":"token of mira.planted expired"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, application("tenant-7-web", reconciled(50)))
			s.stream = stream
			u := &until{done: func(*collectortest.Recorder) bool { return false }}
			err := s.follow(s.collector(), u)
			if !problem.Is(err, problem.Credential) || strings.Contains(err.Error(), "mira.planted") {
				t.Errorf("got %v", err)
			}
			if len(u.Commits) == 0 || len(ofKind(u.Drafts, evidence.DeployState)) != 1 {
				t.Errorf("the list before it: %d commits, %d drafts", len(u.Commits), len(u.Drafts))
			}
		})
	}
}

// Continuous needs a stream that proved its subscription before the list
// before, and nothing that only the list showed.
func TestFollowCoverage(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(50)))
	c := s.collector()
	res, err := loadResume(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := &until{done: func(*collectortest.Recorder) bool { return false }}
	f := &follow{session: c.session(res, u), in: make(chan delivery, 8)}
	send := func(kind string, a obj) {
		f.in <- delivery{ev: event{kind, decoded(t, a)}, req: evidence.Request{}}
	}
	list := func(seconds int, apps ...obj) []string {
		s.at(seconds, apps...)
		if err := f.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(claimed(u.Commits[len(u.Commits)-1].Observation), func(c string) bool {
			return !strings.HasPrefix(c, "sync") || strings.Contains(c, "instants")
		})
	}
	web := func(n int, changes ...change) obj {
		return application("tenant-7-web", append(changes, gen(n), reconciled(50+60*n))...)
	}
	ran := []change{slot("Succeeded", sha1st, 200, automated), history(0, sha1st, 201, automated)}

	list(60, web(1))
	send(eventAdded, web(1))
	if got := list(120, web(1)); len(got) != 0 {
		t.Errorf("an ADDED proves no subscription, yet claims %q", got)
	}
	s.at(130)
	send(eventModified, web(2))
	if got := list(180, web(2)); len(got) != 0 {
		t.Errorf("subscribed since the last list only, yet claims %q", got)
	}
	send(eventModified, web(3, slot("Running", sha1st, 200, automated)))
	send(eventModified, web(4, ran...))
	if d := cmp.Diff([]string{"sync continuous  180..240"}, list(240, web(4, ran...))); d != "" {
		t.Errorf("a sync that the stream delivered (-want +got):\n%s", d)
	}
	instants := func(want ...string) {
		t.Helper()
		got := slices.DeleteFunc(claimed(u.Commits[len(u.Commits)-1].Observation), func(c string) bool { return !strings.HasPrefix(c, "sync instants") })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("instants (-want +got):\n%s", d)
		}
	}
	instants([]string{}...)
	if got := list(300, web(5, append(ran, slot("Failed", sha2nd, 290, automated))...)); len(got) != 0 {
		t.Errorf("an operation that only the list shows, yet claims %q", got)
	}
	instants("sync instants  240..240", "sync instants  300..300")
	if d := cmp.Diff([]string{"sync continuous  300..360"}, list(360, web(5, append(ran, slot("Failed", sha2nd, 290, automated))...))); d != "" {
		t.Errorf("quiet again (-want +got):\n%s", d)
	}
	send(eventModified, web(6, append(ran, slot("Running", sha2nd, 370, automated))...))
	send(eventModified, web(7, append(ran, slot("Running", sha1st, 380, automated))...))
	want := []string{"sync blind project:prod/tenant-7 360..420", "sync blind ns:prod/tenant-7 360..420"}
	if d := cmp.Diff(want, list(420, web(7, append(ran, slot("Running", sha1st, 380, automated))...))); d != "" {
		t.Errorf("overwritten before its end was seen (-want +got):\n%s", d)
	}
	f.in <- delivery{err: errBehind}
	if got := list(480, web(7, append(ran, slot("Running", sha1st, 380, automated))...)); len(got) != 0 {
		t.Errorf("a broken stream, yet claims %q", got)
	}
}

// A list that fails for a while costs a partial commit; what the stream
// brought stays.
func TestFollowListFails(t *testing.T) {
	s := newServer(t)
	s.list = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>Bad Gateway</html>")
	}
	s.lines <- line("MODIFIED", application("tenant-7-web", slot("Failed", sha1st, 10, automated)))
	u := &until{done: func(r *collectortest.Recorder) bool { return len(r.Of(evidence.DeploySync)) == 1 }}
	if err := s.follow(s.collector(), u); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !strings.Contains(u.Commits[0].Observation.Incomplete, "502") || len(u.Completed) > 0 || len(u.Commits[0].Observation.Seen) > 0 {
		t.Errorf("first commit: %+v", u.Commits[0].Observation)
	}
}

// A stream that is quicker than we are is called broken, before the server
// drops events.
func TestFollowBehind(t *testing.T) {
	out := make(chan delivery, 1)
	d := delivery{ev: event{Type: eventModified}}
	if err := hand(t.Context(), out, d); err != nil {
		t.Fatal(err)
	}
	if err := hand(t.Context(), out, d); !errors.Is(err, errBehind) {
		t.Errorf("a change with nobody to take it: %v", err)
	}
}

// A run that ends keeps what only the stream showed.
func TestFollowLeaves(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(50)))
	c := s.collector()
	res, _ := loadResume(nil)
	u := &until{done: func(*collectortest.Recorder) bool { return false }}
	f := &follow{session: c.session(res, u), in: make(chan delivery, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d := delivery{ev: event{eventModified, decoded(t, application("tenant-7-web", slot("Failed", sha1st, 10, automated)))}}
	if err := f.handle(ctx, d); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := f.leave(ctx); !errors.Is(err, context.Canceled) || len(u.Drafts) != 2 {
		t.Errorf("left with %v and %d drafts, want the sync and the state", err, len(u.Drafts))
	}
}

// The sink's own error ends the run, and nothing is committed after it.
func TestFollowSinkFails(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(50)))
	u := &until{done: func(*collectortest.Recorder) bool { return false }}
	u.FailEmit = 1
	if err := s.follow(s.collector(), u); err == nil || len(u.Commits) > 0 {
		t.Errorf("got %v and %d commits", err, len(u.Commits))
	}
}
