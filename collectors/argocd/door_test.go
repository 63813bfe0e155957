package argocd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// doorObjects writes what the API's recorded conversation shows as objects of
// a cluster.
func doorObjects(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "all.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var out txtar.Archive
	for _, f := range txtar.Parse(b).Files {
		name := map[string]string{"GET " + listPath: "applications.argoproj.io/v1alpha1", "GET " + projectsPath: "appprojects.argoproj.io/v1alpha1"}[f.Name]
		if name == "" {
			continue
		}
		var l struct{ Items json.RawMessage }
		if err := json.Unmarshal(f.Data, &l); err != nil {
			t.Fatal(err)
		}
		out.Files = append(out.Files, txtar.File{Name: name, Data: append(l.Items, '\n')})
	}
	file := filepath.Join(t.TempDir(), "objects.txtar")
	if err := os.WriteFile(file, txtar.Format(&out), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func doorOf(t testing.TB, url, tokenFile string, env collectors.Env, tune func(*fetch.Options), changes ...func(*Config)) *door {
	t.Helper()
	cfg := *newConfig().(*Config)
	cfg.Kubernetes = &Kubernetes{Server: url, TokenFile: tokenFile}
	for _, c := range changes {
		c(&cfg)
	}
	c, err := newDoor(cfg, env, kube.Client(tune))
	if err != nil {
		t.Fatal(err)
	}
	return c.(*door)
}

func TestDoorConformance(t *testing.T) {
	s := suite("")
	s.Conversation = kubetest.Conversation(t, doorObjects(t), nil)
	s.Means = nil
	s.New = func(t testing.TB, w collectortest.World) collectors.Collector {
		return doorOf(t, w.URL, w.TokenFile, w.Env, func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody })
	}
	collectortest.Run(t, s)
}

// cluster is an API server that holds Argo CD's objects and sends what the test
// tells it to over the watch of applications.
type cluster struct {
	*httptest.Server
	mu       sync.Mutex
	now      time.Time
	apps     []obj
	projects []obj
	events   chan string
	refuse   int // status of every list, when set
}

func newCluster(t testing.TB, apps ...obj) *cluster {
	k := &cluster{now: t0.Add(time.Minute), apps: apps, projects: []obj{appProject("default")}, events: make(chan string, 16)}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Close)
	return k
}

func (k *cluster) clock() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *cluster) at(seconds int, apps ...obj) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now, k.apps = t0.Add(time.Duration(seconds)*time.Second), apps
}

func (k *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	w.Header().Set("Date", k.now.Format(http.TimeFormat))
	apps, projects, refuse := k.apps, k.projects, k.refuse
	k.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	list := func(items []obj) {
		if refuse != 0 {
			w.WriteHeader(refuse)
			return
		}
		if items == nil {
			items = []obj{}
		}
		json.NewEncoder(w).Encode(obj{"kind": "List", "apiVersion": "argoproj.io/v1alpha1", "metadata": obj{"resourceVersion": "500"}, "items": items})
	}
	watch := r.URL.Query().Get("watch") != ""
	switch {
	case r.URL.Path == "/apis":
		fmt.Fprint(w, `{"kind":"APIGroupList","groups":[{"name":"argoproj.io","versions":[{"version":"v1alpha1"}]}]}`)
	case r.URL.Path == "/apis/argoproj.io/v1alpha1":
		fmt.Fprint(w, `{"kind":"APIResourceList","groupVersion":"argoproj.io/v1alpha1","resources":[{"name":"applications"},{"name":"appprojects"}]}`)
	case watch && strings.HasSuffix(r.URL.Path, "/applications"):
		k.stream(w, r, k.events)
	case watch:
		k.stream(w, r, nil)
	case strings.HasSuffix(r.URL.Path, "/applications"):
		list(apps)
	case strings.HasSuffix(r.URL.Path, "/appprojects"):
		list(projects)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (k *cluster) stream(w http.ResponseWriter, r *http.Request, events <-chan string) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case e := <-events:
			fmt.Fprintln(w, e)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// event is one line of a watch.
func watchEvent(kind string, a obj, version int) string {
	a = maps.Clone(a)
	a["apiVersion"], a["kind"] = "argoproj.io/v1alpha1", "Application"
	m := maps.Clone(a["metadata"].(obj))
	m["resourceVersion"] = fmt.Sprint(version)
	a["metadata"] = m
	b, err := json.Marshal(obj{"type": kind, "object": a})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (k *cluster) door(t testing.TB, changes ...func(*Config)) *door {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return doorOf(t, k.URL, file, collectors.Env{Source: "argocd/prod", Clock: k.clock}, func(*fetch.Options) {}, changes...)
}

func (k *cluster) mustPoll(t testing.TB, d *door, rec *collectortest.Recorder) ([]evidence.Draft, evidence.Observation) {
	t.Helper()
	n := len(rec.Drafts)
	if err := d.Poll(t.Context(), evidence.Period{To: k.clock()}, rec.Resume(), rec); err != nil {
		t.Fatal(err)
	}
	return rec.Drafts[n:], rec.Commits[len(rec.Commits)-1].Observation
}

// said is what the log tells drafts apart by, with the content less what may
// change without a new record.
func said(t testing.TB, ds []evidence.Draft) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, d := range ds {
		var f map[string]any
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		info, _ := evidence.KindInfo(d.Kind)
		for _, v := range info.Volatile {
			delete(f, v)
		}
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("%s %s %s %s", d.Kind, d.Key, d.Subject, d.Op)] = string(b)
	}
	return out
}

// A source that changes doors tells nothing twice: same kinds, keys, subjects
// and facts, and the position of one door is read by the other.
func TestChangingDoors(t *testing.T) {
	apps := func() []obj {
		return []obj{
			application("tenant-7-web", gen(4), slot("Failed", sha2nd, 20, by("mira.planted@example.test")), history(0, sha1st, 11, automated), history(1, sha1st, 15, by("jonas.planted")), reconciled(50)),
			application("tenant-8-web", gen(2), slot("Succeeded", sha1st, 10, automated), history(0, sha1st, 11, automated), reconciled(50)),
		}
	}
	api, k := newServer(t, apps()...), newCluster(t, apps()...)
	first := &collectortest.Recorder{}
	api.mustPoll(api.collector(), first)
	want := said(t, first.Drafts)
	if len(want) != 7 {
		t.Fatalf("the API door tells %d things: %v", len(want), slices.Sorted(maps.Keys(want)))
	}
	for name, resume := range map[string]*collectortest.Recorder{"begun at the door": {}, "gone over to the door": {Commits: slices.Clone(first.Commits)}} {
		n := len(resume.Drafts)
		ds, o := k.mustPoll(t, k.door(t), resume)
		got := said(t, ds)
		if n > 0 || o.Incomplete != "" {
			t.Errorf("%s: incomplete %q", name, o.Incomplete)
		}
		for id, content := range got {
			if want[id] != content {
				t.Errorf("%s: %s\nthe door says %s\nthe API says  %s", name, id, content, want[id])
			}
		}
		if name == "begun at the door" && len(got) != len(want) {
			t.Errorf("the door tells %d things, the API %d", len(got), len(want))
		}
		// What was open before the change ends when it is gone.
		if !slices.Contains(resume.Completed, collectortest.Completed{Kind: evidence.DeployState}) {
			t.Errorf("%s: complete lists %v", name, resume.Completed)
		}
		// And back again.
		api.at(120, apps()...)
		back, o := api.mustPoll(api.collector(), resume)
		for id, content := range said(t, back) {
			if want[id] != content {
				t.Errorf("%s and back: %s is new", name, id)
			}
		}
		if o.Incomplete != "" {
			t.Errorf("%s and back: incomplete %q", name, o.Incomplete)
		}
	}
}

// Every change on the watch is told once: failed and selective syncs, the end
// on the server's word.
func TestDoorFollows(t *testing.T) {
	web := application("tenant-7-web", history(0, sha1st, 11, automated), reconciled(50))
	k := newCluster(t, web)
	selective := func(o obj) {
		part(o, "operation", "sync")["resources"] = []obj{{"group": "apps", "kind": "Deployment", "name": "web"}}
	}
	failed := application("tenant-7-web", gen(2), history(0, sha1st, 11, automated), slot("Failed", sha2nd, 70, by("mira.planted@example.test")), reconciled(50))
	healed := application("tenant-7-web", gen(3), history(0, sha1st, 11, automated), slot("Succeeded", sha2nd, 80, automated, selective), reconciled(50))
	quiet := application("tenant-7-web", gen(4), history(0, sha1st, 11, automated), slot("Succeeded", sha2nd, 80, automated, selective), reconciled(55))
	// They wait at the server when the watch opens after the list.
	k.events <- watchEvent("MODIFIED", failed, 501)
	k.events <- watchEvent("MODIFIED", healed, 502)
	k.events <- watchEvent("MODIFIED", quiet, 503)
	k.events <- watchEvent("DELETED", quiet, 504)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	u := &until{stop: cancel, done: func(rec *collectortest.Recorder) bool {
		return slices.ContainsFunc(rec.Drafts, func(d evidence.Draft) bool { return d.Op == evidence.OpEnd })
	}}
	if err := k.door(t).Follow(ctx, nil, u); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ends with %v after %d drafts", err, len(u.Drafts))
	}
	var got []string
	for _, d := range u.Drafts {
		switch d.Kind {
		case evidence.DeploySync:
			f := evidencetest.Decode[evidence.SyncFacts](t, d)
			got = append(got, fmt.Sprintf("sync %s %s partial=%t", d.Key, f.Phase, f.Partial))
		case evidence.DeployState:
			got = append(got, fmt.Sprintf("state %s", d.Op))
		}
	}
	want := []string{"sync uid-tenant-7-web/" + at(10) + " Succeeded partial=false", "state set",
		"sync uid-tenant-7-web/" + at(70) + " Failed partial=false", "sync uid-tenant-7-web/" + at(80) + " Succeeded partial=true", "state end"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A jump of history ids is a blind stretch through this door too, and frozen
// verdicts are, however well they are watched.
func TestDoorSaysWhatItMissed(t *testing.T) {
	k := newCluster(t, application("tenant-7-web", history(3, sha1st, 11, automated), reconciled(50)), application("tenant-8-web", reconciled(50)))
	d, rec := k.door(t), &collectortest.Recorder{}
	_, o := k.mustPoll(t, d, rec)
	if d := cmp.Diff([]string{"sync reconstructed  11..60", "sync+state instants  60..60"}, claimed(o)); d != "" {
		t.Errorf("first look (-want +got):\n%s", d)
	}
	k.at(120, application("tenant-7-web", gen(2), history(9, sha2nd, 100, automated), reconciled(110)), application("tenant-8-web", reconciled(110)))
	_, o = k.mustPoll(t, d, rec)
	if d := cmp.Diff([]string{"sync blind project:prod/tenant-7 60..120", "sync blind ns:prod/tenant-7 60..120", "sync+state instants  120..120"}, claimed(o)); d != "" {
		t.Errorf("ids jumped (-want +got):\n%s", d)
	}
	if cause := o.Seen[0].Cause; cause != "5 entries of the history are lost: id 3 is followed by 9" {
		t.Errorf("cause: %s", cause)
	}
	// An hour later: Argo CD has reconciled nothing, and one application is gone.
	k.at(3720, application("tenant-7-web", gen(2), history(9, sha2nd, 100, automated), reconciled(110)))
	_, o = k.mustPoll(t, d, rec)
	if d := cmp.Diff([]string{"state blind  110..3720", "sync instants  3720..3720"}, claimed(o)); d != "" {
		t.Errorf("frozen (-want +got):\n%s", d)
	}
	res, _, err := loadDoor(rec.Resume())
	if err != nil || len(res.Apps) != 1 {
		t.Errorf("%d applications are remembered, %v", len(res.Apps), err)
	}
}

// A refused list ends nothing and forgets nothing.
func TestDoorRefused(t *testing.T) {
	k := newCluster(t, application("tenant-7-web", reconciled(50)))
	d, rec := k.door(t), &collectortest.Recorder{}
	k.mustPoll(t, d, rec)
	rec.Completed, k.refuse = nil, http.StatusForbidden
	err := d.Poll(t.Context(), evidence.Period{To: k.clock()}, rec.Resume(), rec)
	last := rec.Commits[len(rec.Commits)-1]
	if err == nil && last.Observation.Incomplete == "" || len(rec.Completed) > 0 {
		t.Errorf("got %v, incomplete %q, complete %v", err, last.Observation.Incomplete, rec.Completed)
	}
	if res, _, err := loadDoor(rec.Resume()); err != nil || len(res.Apps) != 1 {
		t.Errorf("%d applications are remembered, %v", len(res.Apps), err)
	}
}

func TestDoorConfig(t *testing.T) {
	env := collectors.Env{Source: "argocd/prod", Clock: time.Now}
	for name, change := range map[string]func(*Config){
		"stands beside kubernetes":           func(c *Config) { c.URL = "https://argocd.example.test" },
		"token_file or ca_file stands":       func(c *Config) { c.TokenFile = "/run/token" },
		"projects stands beside":             func(c *Config) { c.Projects = []string{"tenant-7"} },
		"kubeconfig and server are both set": func(c *Config) { c.Kubernetes.Kubeconfig = "/x" },
		"stale_after":                        func(c *Config) { c.StaleAfter = 0 },
	} {
		cfg := *newConfig().(*Config)
		cfg.Kubernetes = &Kubernetes{Server: "https://cluster.example.test", TokenFile: "/run/token"}
		change(&cfg)
		if _, err := Spec().New(&cfg, env); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDoorLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/argocd/role.yaml"), (&door{}).resources())
}

func TestDoorBadResume(t *testing.T) {
	for _, b := range []string{"{", `{"v":2}`, `{"v":2,"seen":{}}`, `{"v":2,"seen":{"v":1,"apps":{}},"more":1}`, `{"v":3,"apps":{}}`} {
		if _, _, err := loadDoor([]byte(b)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%s: got %v", b, err)
		}
	}
}
