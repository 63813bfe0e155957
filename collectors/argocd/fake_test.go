package argocd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

const (
	sha1st = "c0ffee12a4b6c8d0e2f4061828a3b5c7d9e1f304"
	sha2nd = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed"
	digest = "sha256:4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d4b1d"
	token  = "kept-out-of-everything"
)

// t0 is when the story of the tests begins, on the source's clock and ours.
var t0 = time.Date(2026, 3, 2, 13, 0, 0, 0, time.UTC)

// at gives t0 plus seconds, as Argo CD prints it.
func at(seconds int) string {
	return t0.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339)
}

type obj = map[string]any

// edit changes an application under construction.
type change func(a obj)

// application builds what the server shows for name, "tenant-7-web", in the
// project "tenant-7".
func application(name string, changes ...change) obj {
	project := name[:strings.LastIndexByte(name, '-')]
	a := obj{
		"metadata": obj{"name": name, "namespace": "argocd", "uid": "uid-" + name, "generation": 1,
			"resourceVersion": "10", "creationTimestamp": at(-86400), "labels": obj{"tenant": project, "owner": "planted-owner"}},
		"spec": obj{"project": project,
			"source":      obj{"repoURL": "https://git.example.test/platform.git", "path": "apps/" + name, "targetRevision": "main"},
			"destination": obj{"server": "https://kubernetes.default.svc", "namespace": project}},
		"status": obj{
			"sync":         obj{"status": "Synced", "revision": sha1st},
			"health":       obj{"status": "Healthy", "lastTransitionTime": at(-3600)},
			"summary":      obj{"images": []string{"registry.example.test/web:1.4@" + digest}},
			"resources":    []obj{{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": project, "name": "web", "status": "Synced", "health": obj{"status": "Healthy"}}},
			"history":      []obj{},
			"reconciledAt": at(0), "controllerNamespace": "argocd"},
	}
	for _, c := range changes {
		c(a)
	}
	return a
}

// appProject builds what the server shows of a project.
func appProject(name string, changes ...change) obj {
	p := obj{
		"metadata": obj{"name": name, "namespace": "argocd", "uid": "uid-project-" + name, "generation": 1, "resourceVersion": "10", "creationTimestamp": at(-86400)},
		"spec":     obj{"sourceRepos": []string{"https://git.example.test/platform.git"}, "destinations": []obj{{"server": "https://kubernetes.default.svc", "namespace": name}}},
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

func part(a obj, path ...string) obj {
	for _, p := range path {
		if a[p] == nil {
			a[p] = obj{}
		}
		a = a[p].(obj)
	}
	return a
}

// set puts a value at a path of names.
func set(value any, path ...string) change {
	return func(a obj) { part(a, path[:len(path)-1]...)[path[len(path)-1]] = value }
}

// gen sets generation and resourceVersion, as each write does.
func gen(n int) change {
	return func(a obj) {
		part(a, "metadata")["generation"] = n
		part(a, "metadata")["resourceVersion"] = fmt.Sprint(100 + n)
	}
}

func reconciled(seconds int) change { return set(at(seconds), "status", "reconciledAt") }

// history appends an entry that ended at a time and began a second before.
func history(id int, rev string, seconds int, by obj) change {
	return func(a obj) {
		s := part(a, "status")
		s["history"] = append(s["history"].([]obj), obj{"id": id, "revision": rev, "deployStartedAt": at(seconds - 1),
			"deployedAt": at(seconds), "initiatedBy": by, "source": part(a, "spec", "source")})
	}
}

// slot fills the operation slot: an operation that began at a time; phase
// Running has no end yet.
func slot(phase, rev string, seconds int, by obj, changes ...change) change {
	return func(a obj) {
		o := obj{"operation": obj{"sync": obj{"revision": rev}, "initiatedBy": by, "retry": obj{}},
			"phase": phase, "startedAt": at(seconds), "message": "message of " + phase,
			"syncResult": obj{"revision": rev, "source": part(a, "spec", "source")}}
		if over(phase) {
			o["finishedAt"] = at(seconds + 1)
			part(o, "syncResult")["resources"] = []obj{{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "tenant-7", "name": "web", "status": "Synced", "hookPhase": "Running"}}
		}
		for _, c := range changes {
			c(o)
		}
		part(a, "status")["operationState"] = o
	}
}

func by(name string) obj { return obj{"username": name} }

var automated = obj{"automated": true}

// decoded builds an application as the collector reads it.
func decoded(t testing.TB, a obj) *app {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	d, err := decodeApp(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// server is a scripted Argo CD.
type server struct {
	*httptest.Server
	t  testing.TB
	mu sync.Mutex

	now  time.Time
	apps []obj

	projects []obj
	can      map[string]string // answers of can-i; missing: 404
	list     http.HandlerFunc  // in place of the list
	stream   http.HandlerFunc  // in place of the stream
	asked    []string
	lines    chan string // what the stream sends next; closed: it ends
}

func newServer(t testing.TB, apps ...obj) *server {
	s := &server{t: t, now: t0.Add(time.Minute), apps: apps, projects: []obj{appProject("default")}, can: map[string]string{}, lines: make(chan string, 64)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// at moves the clock and shows other applications.
func (s *server) at(seconds int, apps ...obj) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.apps = t0.Add(time.Duration(seconds)*time.Second), apps
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	w.Header().Set("Date", s.now.Format(http.TimeFormat))
	s.asked = append(s.asked, r.URL.RequestURI())
	list, stream := s.list, s.stream
	s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"no session information","code":16,"message":"no session information"}`)
	case r.URL.Path == "/api/version":
		fmt.Fprint(w, `{"Version":"v2.14.21"}`)
	case r.URL.Path == listPath && list != nil:
		list(w, r)
	case r.URL.Path == listPath:
		s.serveList(w, r)
	case r.URL.Path == streamPath && stream != nil:
		stream(w, r)
	case r.URL.Path == streamPath:
		s.serveStream(w, r)
	case r.URL.Path == projectsPath:
		s.serveProjects(w)
	case r.URL.Path == "/api/v1/session/userinfo":
		fmt.Fprint(w, `{"loggedIn":true,"username":"planted-account"}`)
	case strings.HasPrefix(r.URL.Path, "/api/v1/account/can-i/applications/get/"):
		s.serveCan(w, strings.TrimPrefix(r.URL.Path, "/api/v1/account/can-i/applications/get/"))
	case strings.HasPrefix(r.URL.Path, "/api/v1/account/can-i/"):
		s.serveCan(w, strings.TrimPrefix(r.URL.Path, "/api/v1/account/can-i/"))
	default:
		s.t.Errorf("unexpected request %s", r.URL)
		w.WriteHeader(http.StatusTeapot)
	}
}

func (s *server) serveList(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []obj{}
	for _, a := range s.apps {
		if ps := r.URL.Query()["projects"]; len(ps) == 0 || slices.Contains(ps, part(a, "spec")["project"].(string)) {
			items = append(items, a)
		}
	}
	json.NewEncoder(w).Encode(obj{"metadata": obj{"resourceVersion": "99"}, "items": items})
}

func (s *server) serveProjects(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	json.NewEncoder(w).Encode(obj{"metadata": obj{"resourceVersion": "99"}, "items": s.projects})
}

func (s *server) serveCan(w http.ResponseWriter, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.can[what]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	json.NewEncoder(w).Encode(obj{"value": v})
}

func (s *server) serveStream(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	for {
		select {
		case l, ok := <-s.lines:
			if !ok {
				return
			}
			fmt.Fprint(w, l)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// line is one event of the stream.
func line(kind string, a obj) string {
	b, err := json.Marshal(obj{"result": obj{"type": kind, "application": a}})
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// collector makes a collector of the server.
func (s *server) collector(changes ...func(*Config)) *Collector {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cfg := *newConfig().(*Config)
	cfg.URL, cfg.TokenFile, cfg.PollEvery = s.URL, file, time.Hour
	for _, c := range changes {
		c(&cfg)
	}
	c, err := newWith(cfg, collectors.Env{Source: "argocd/prod", Clock: s.clock}, func(o *fetch.Options) {
		o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c.commitEvery, c.backoff = time.Millisecond, time.Millisecond
	return c
}

// poll makes one look from where rec stands.
func (s *server) poll(c *Collector, rec *collectortest.Recorder) error {
	s.t.Helper()
	return c.Poll(s.t.Context(), evidence.Period{To: s.clock()}, rec.Resume(), rec)
}

// mustPoll polls and returns what this look alone committed of applications.
func (s *server) mustPoll(c *Collector, rec *collectortest.Recorder) ([]evidence.Draft, evidence.Observation) {
	s.t.Helper()
	n := len(rec.Drafts)
	if err := s.poll(c, rec); err != nil {
		s.t.Fatal(err)
	}
	ds := slices.DeleteFunc(slices.Clone(rec.Drafts[n:]), func(d evidence.Draft) bool { return d.Kind == evidence.DeployProject })
	return ds, rec.Commits[len(rec.Commits)-1].Observation
}

// ofKind picks the drafts of a kind.
func ofKind(ds []evidence.Draft, k evidence.Kind) []evidence.Draft {
	return slices.DeleteFunc(slices.Clone(ds), func(d evidence.Draft) bool { return d.Kind != k })
}

// claimed lists what an observation claims of applications, as "kinds class
// scope from..to".
func claimed(o evidence.Observation) []string {
	var out []string
	for _, s := range o.Seen {
		if slices.Equal(s.Kinds, []evidence.Kind{evidence.DeployProject}) {
			continue
		}
		var ks []string
		for _, k := range s.Kinds {
			ks = append(ks, strings.TrimPrefix(string(k), "deploy."))
		}
		out = append(out, fmt.Sprintf("%s %s %s %.0f..%.0f", strings.Join(ks, "+"), s.Class, s.Scope, s.From.Sub(t0).Seconds(), s.To.Sub(t0).Seconds()))
	}
	return out
}
