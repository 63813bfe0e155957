package velero

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"

	"github.com/rogpeppe/go-internal/txtar"
)

// cluster answers the lists of testdata/cluster.txtar, and holds every watch
// open until a test sends an event on it.
type cluster struct {
	*httptest.Server
	bodies map[string][]byte
	spaces []string // that collectors are limited to

	mu      sync.Mutex
	lists   []string // resources that were listed
	watches map[string]chan string
	opened  chan string
	fault   func(w http.ResponseWriter, r *http.Request) bool // may answer instead
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	a, err := txtar.ParseFile("testdata/cluster.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{bodies: map[string][]byte{}, watches: map[string]chan string{}, opened: make(chan string, 100)}
	for _, f := range a.Files {
		u, err := url.Parse(strings.TrimPrefix(f.Name, "GET "))
		if err != nil {
			t.Fatal(err)
		}
		c.bodies[u.Path] = f.Data
	}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	c.mu.Lock()
	fault := c.fault
	c.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	resource := filepath.Base(r.URL.Path)
	if r.URL.Query().Get("watch") == "" {
		c.mu.Lock()
		if r.URL.Query().Has("limit") {
			c.lists = append(c.lists, resource)
		}
		c.mu.Unlock()
		b, ok := c.bodies[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(b)
		return
	}
	events := make(chan string)
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	c.mu.Lock()
	c.watches[resource] = events
	c.mu.Unlock()
	c.opened <- resource
	for {
		select {
		case e := <-events:
			_, _ = w.Write([]byte(e + "\n"))
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// watched waits until every resource of the collector is watched.
func (c *cluster) watched(t *testing.T, resources []string) {
	t.Helper()
	want := map[string]bool{}
	for _, r := range resources {
		want[r] = true
	}
	for len(want) > 0 {
		select {
		case r := <-c.opened:
			delete(want, r)
		case <-t.Context().Done():
			t.Fatalf("never watched: %v", want)
		}
	}
}

// send tells an event about an object of the lists.
func (c *cluster) send(t *testing.T, resource, kind, uid, rv string, change func([]byte) []byte) {
	t.Helper()
	for _, raw := range lists(t)[resource] {
		if !bytes.Contains(raw, []byte(`"uid":"`+uid+`"`)) {
			continue
		}
		var o map[string]any
		if err := json.Unmarshal(change(raw), &o); err != nil {
			t.Fatal(err)
		}
		o["metadata"].(map[string]any)["resourceVersion"] = rv
		b, err := json.Marshal(map[string]any{"type": kind, "object": o})
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		events := c.watches[resource]
		c.mu.Unlock()
		select {
		case events <- string(b):
		case <-t.Context().Done():
			t.Fatal("the watch takes no event")
		}
		return
	}
	t.Fatalf("no object %s in %s", uid, resource)
}

// tapped is a sink that tells what is emitted as it comes.
type tapped struct {
	collectortest.Recorder
	drafts chan evidence.Draft
	past   []evidence.Draft // told, and not what was waited for
	looked chan struct{}    // takes one: something was committed
}

func (s *tapped) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	err := s.Recorder.Commit(ctx, resume, o)
	select {
	case s.looked <- struct{}{}:
	default:
	}
	return err
}

// kept waits until something was committed.
func (s *tapped) kept(t *testing.T) {
	t.Helper()
	select {
	case <-s.looked:
	case <-t.Context().Done():
		t.Fatal("never looked")
	}
}

// again lets await look once more at what came while something else was waited
// for.
func (s *tapped) again() {
	for _, d := range s.past {
		s.drafts <- d
	}
	s.past = nil
}

func (s *tapped) Emit(ctx context.Context, d evidence.Draft) error {
	if err := s.Recorder.Emit(ctx, d); err != nil {
		return err
	}
	s.drafts <- d
	return nil
}

func (s *tapped) await(t *testing.T, kind evidence.Kind, uid, content string) evidence.Draft {
	t.Helper()
	for {
		select {
		case d := <-s.drafts:
			if d.Kind == kind && d.Subject.UID == uid && bytes.Contains(d.Content, []byte(content)) {
				return d
			}
			s.past = append(s.past, d)
		case <-t.Context().Done():
			t.Fatalf("never told: %s about %s", kind, uid)
		}
	}
}

func (c *cluster) collector(t *testing.T, clock func() time.Time, watch bool) collectors.Collector {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := *defaults()
	cfg.Server, cfg.TokenFile, cfg.QPS, cfg.Watch, cfg.Namespaces = c.URL, token, 1e6, watch, c.spaces
	cfg.Limits = []Limit{{RTO: 4 * time.Hour, RPO: 24 * time.Hour}}
	k, err := newWith(cfg, collectors.Env{Source: "velero/prod", Clock: clock}, func(o *fetch.Options) { o.Retries = -1 })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// follow starts a fresh collector, as after a restart; stop ends it and waits.
func (c *cluster) follow(t *testing.T, resume []byte) (s *tapped, stop func()) {
	t.Helper()
	f, ok := c.collector(t, func() time.Time { return now }, true).(collectors.Follower)
	if !ok {
		t.Fatal("it cannot follow")
	}
	ctx, cancel := context.WithCancel(t.Context())
	s = &tapped{drafts: make(chan evidence.Draft, 1000), looked: make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- f.Follow(ctx, resume, s) }()
	return s, func() {
		cancel()
		<-done
	}
}

func TestFollow(t *testing.T) {
	c := newCluster(t)
	var names []string
	for _, r := range newCollector(*defaults()).resources() {
		names = append(names, r.Resource)
	}

	first, stop := c.follow(t, nil)
	c.watched(t, names)
	c.send(t, "backups", "DELETED", uid("51"), "9100", same)
	d := first.await(t, evidence.BackupRun, uid("51"), `"deleted_how"`)
	if f := facts[evidence.BackupFacts](t, &d); f.DeletedHow != "unexplained" || d.Op != evidence.OpEvent || f.Phase != partiallyFailed {
		t.Errorf("a backup that vanished: %+v", f)
	}
	stop()
	for uid, grade := range map[string]int{uid("70"): 5, uid("71"): 2, uid("72"): 0} {
		if f := facts[evidence.RestoreTestFacts](t, of(t, first.Drafts, evidence.BackupTest, uid)); f.Grade != grade {
			t.Errorf("test %s: grade %d, want %d: %s", f.Restore, f.Grade, grade, f.Stopped)
		}
	}
	if bytes.Contains(first.Commits[len(first.Commits)-1].Resume, []byte("carla-quint")) {
		t.Error("the cursor holds a person's name")
	}

	// After a restart the watches go on, nothing is listed again, and the
	// drill that was running ends. What came back meanwhile was not seen:
	// unknown, never "nothing restored it".
	c.mu.Lock()
	c.lists = nil
	c.mu.Unlock()
	second, stop := c.follow(t, first.Commits[len(first.Commits)-1].Resume)
	c.watched(t, names)
	c.send(t, "restores", "MODIFIED", uid("74"), "9200", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"phase":"WaitingForPluginOperations"`), []byte(`"phase":"Completed","completionTimestamp":"2026-03-01T05:59:00Z"`), 1)
	})
	d = second.await(t, evidence.BackupTest, uid("74"), "")
	stop()
	f := facts[evidence.RestoreTestFacts](t, &d)
	if f.Grade != 2 || f.Rungs[3].Holds != unknown || !strings.Contains(f.Stopped, "of 2 volumes 2 are not known to have come back") || f.PointAt.IsZero() || *f.BackedUp != 219 {
		t.Errorf("after a restart: grade %d, %+v", f.Grade, f)
	}
	if got := refs(d.Scope); got != "ns:prod/tenant-7 label:prod/tenant=tenant-7" {
		t.Errorf("the restart forgot whose backup it was: %s", got)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.lists {
		if r != "namespaces" {
			t.Errorf("%s was listed again after a restart", r)
		}
	}
}
