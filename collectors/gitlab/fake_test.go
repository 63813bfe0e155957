package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// obj is a JSON object.
type obj = map[string]any

// refusal is an answer with a status other than 200.
type refusal struct {
	status int
	header map[string]string
	body   string
}

// fake is a small GitLab: what stands under a path is answered whatever the
// query, lists that nobody set are empty, and all else is 404. It may change
// between looks.
type fake struct {
	t     *testing.T
	url   string
	clock time.Time
	cfg   Config
	desk  collectortest.World

	mu     sync.Mutex
	routes map[string]any // value, refusal, or func(*http.Request) any
	log    []string
}

var lists = []string{
	"merge_requests", "pipelines", "deployments", "members", "all", "access_tokens", "deploy_keys", "audit_events", "descendant_groups", "protected_branches",
	"protected_environments", "approval_rules", "projects", "jobs", "bridges", "notes", "versions", "commits", "diffs", "diff", "events",
}

const (
	sha1 = "1111111111111111111111111111111111111111"
	sha2 = "2222222222222222222222222222222222222222"
	sha3 = "3333333333333333333333333333333333333333"
)

func newFake(t *testing.T, change func(*Config)) *fake {
	t.Helper()
	f := &fake{t: t, clock: now, routes: map[string]any{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.desk = collectortest.Desk(t, "gitlab/acme", f.url, &f.clock)
	f.cfg = *Spec().Config().(*Config)
	f.cfg.URL, f.cfg.TokenFile, f.cfg.Projects = f.url, f.desk.TokenFile, []string{"acme/app"}
	f.cfg.History = 20 * day
	if change != nil {
		change(&f.cfg)
	}
	f.set("personal_access_tokens/self", obj{"id": 7, "user_id": 8, "scopes": []string{"read_api"}, "expires_at": "2027-01-01", "active": true})
	f.set("projects/acme/app", f.project(5, "acme/app", now.Add(-time.Hour)))
	f.branch(5, "main", sha1, sha1)
	return f
}

func (f *fake) project(id int, path string, activity time.Time) obj {
	return obj{"id": id, "path_with_namespace": path, "default_branch": "main", "created_at": "2025-01-01T00:00:00Z", "last_activity_at": activity.UTC().Format(time.RFC3339Nano)}
}

// branch sets the head of a branch and the commits that are listed whatever the
// range, newest first.
func (f *fake) branch(id int, name, head string, commits ...string) {
	f.set(fmt.Sprintf("projects/%d/repository/branches/%s", id, name), obj{"name": name, "commit": obj{"id": head}})
	var list []obj
	for _, c := range commits {
		list = append(list, commitOf(c))
	}
	f.set(fmt.Sprintf("projects/%d/repository/commits", id), list)
}

func commitOf(id string) obj {
	return obj{"id": id, "parent_ids": []string{}, "committed_date": now.Add(-2 * time.Hour).Format(time.RFC3339), "author_email": "a@b.example"}
}

func (f *fake) set(path string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes[path] = v
}

// requests returns the paths asked for since the last call, with their query.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log
	f.log = nil
	return l
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := strings.TrimPrefix(r.URL.Path, "/api/v4/")
	f.mu.Lock()
	f.log = append(f.log, p+"?"+r.URL.RawQuery)
	v, ok := f.routes[p]
	w.Header().Set("Date", f.clock.UTC().Format(http.TimeFormat))
	f.mu.Unlock()
	if fn, is := v.(func(*http.Request) any); is {
		v = fn(r)
	}
	if !ok {
		v = refusal{status: 404, body: `{"message":"404 Not found"}`}
		last := p[strings.LastIndexByte(p, '/')+1:]
		for _, l := range lists {
			if l == last && r.URL.RawQuery != "" {
				v = []obj{}
			}
		}
	}
	if ref, is := v.(refusal); is {
		for k, h := range ref.header {
			w.Header().Set(k, h)
		}
		w.WriteHeader(ref.status)
		fmt.Fprint(w, ref.body)
		return
	}
	if p, is := v.(paged); is {
		w.Header().Set("X-Next-Page", p.next)
		v = p.list
	}
	if l, is := v.([]obj); is && l == nil {
		v = []obj{}
	}
	if err := json.NewEncoder(w).Encode(v); err != nil {
		f.t.Error(err)
	}
}

func (f *fake) collector() *Collector {
	f.t.Helper()
	c, err := newWith(f.cfg, f.desk.Env, fetch.Options{Retries: -1, Sleep: f.desk.Sleep})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fake) poll(resume []byte) (*collectortest.Recorder, error) {
	f.t.Helper()
	rec := &collectortest.Recorder{}
	return rec, f.collector().Poll(f.t.Context(), evidence.Period{To: f.clock}, resume, rec)
}

func (f *fake) must(resume []byte) *collectortest.Recorder {
	f.t.Helper()
	rec, err := f.poll(resume)
	if err != nil {
		f.t.Fatal(err)
	}
	return rec
}

// claimed gives what the last commit claims of a kind.
func claimed(rec *collectortest.Recorder, k evidence.Kind) string {
	var out []string
	for _, s := range last(rec).Seen {
		for _, have := range s.Kinds {
			if have == k {
				out = append(out, fmt.Sprintf("%s %s %s..%s", s.Scope, s.Class, s.From.Format("02T15:04"), s.To.Format("02T15:04")))
			}
		}
	}
	return strings.Join(out, ", ")
}

func facts[F any](t *testing.T, d evidence.Draft) F {
	t.Helper()
	var f F
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}
