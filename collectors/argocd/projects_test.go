package argocd

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func TestProjectsHidden(t *testing.T) {
	web := application("tenant-7-web", reconciled(50))
	for _, tc := range []struct {
		name     string
		projects []obj
		can      map[string]string
		why      string
	}{
		{"all are there", []obj{appProject("default"), appProject("tenant-7")}, nil, ""},
		{"one is gone", []obj{appProject("default")}, map[string]string{"projects/get/tenant-7": "yes"}, ""},
		{"one is gone and the server does not say", []obj{appProject("default")}, nil, ""},
		{"one is hidden", []obj{appProject("default")}, map[string]string{"projects/get/tenant-7": "no"}, "the account may not read every project"},
		{"none, and the server says no", nil, map[string]string{"projects/get/*": "no"}, "the account may not read every project"},
		{"none, and the server does not say", nil, nil, "the account may not read every project"},
		{"one cannot be read", []obj{appProject("default"), {"metadata": obj{"name": 7}}}, nil, "1 of 2 projects could not be read"},
	} {
		s := newServer(t, web)
		s.projects = []obj{appProject("default"), appProject("tenant-7")}
		c, rec := s.collector(), &collectortest.Recorder{}
		s.mustPoll(c, rec)
		rec.Completed = nil
		s.at(120, web)
		s.projects, s.can = tc.projects, tc.can
		_, o := s.mustPoll(c, rec)
		if o.Incomplete != tc.why {
			t.Errorf("%s: incomplete %q", tc.name, o.Incomplete)
		}
		full := slices.ContainsFunc(rec.Completed, func(c collectortest.Completed) bool { return c.Kind == evidence.DeployProject })
		seen := o.Seen[len(o.Seen)-1]
		if full != (tc.why == "") || (seen.Class == evidence.Blind) != (tc.why != "") || !slices.Equal(seen.Kinds, []evidence.Kind{evidence.DeployProject}) {
			t.Errorf("%s: complete %v, claims %+v", tc.name, rec.Completed, seen)
		}
		if len(completed(rec)) != 1 {
			t.Errorf("%s: the list of applications was full all the same: %v", tc.name, rec.Completed)
		}
	}
}

func TestExamine(t *testing.T) {
	right := func(x collectors.Examination, name string) collectors.Access {
		for _, r := range x.Rights {
			if r.Name == name {
				return r.Access
			}
		}
		return ""
	}
	s := newServer(t, application("tenant-7-web", history(0, sha1st, -7200, automated), history(1, sha1st, 11, automated)))
	s.can = map[string]string{"*/*": "yes", "projects/get/*": "yes", "applications/sync/*/*": "yes", "applications/delete/*/*": "no"}
	x, err := s.collector().Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := []collectors.Access{right(x, "list applications"), right(x, "list projects"), right(x, "sync applications"), right(x, "delete applications")}
	if d := cmp.Diff([]collectors.Access{collectors.Readable, collectors.Readable, collectors.Excess, ""}, got); d != "" {
		t.Errorf("rights (-want +got):\n%s", d)
	}
	if x.Version != "v2.14.21" || !x.OffsetOK || x.Requests < 10 || len(x.Oldest) != 1 || x.Oldest[0].At.Format("15:04:05") != "11:00:00" {
		t.Errorf("got %+v", x)
	}
	if b, _ := json.Marshal(x); strings.Contains(string(b), "planted") || strings.Contains(string(b), token) {
		t.Errorf("the examination names somebody: %s", b)
	}

	s.can = map[string]string{"*/*": "no", "projects/get/*": "no"}
	if x, err = s.collector().Examine(t.Context()); err != nil || right(x, "list applications") != collectors.Missing || right(x, "list projects") != collectors.Missing {
		t.Errorf("without rights: %+v, %v", x.Rights, err)
	}
	s.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	if x, err = s.collector().Examine(t.Context()); err != nil || right(x, "list applications") != collectors.Missing {
		t.Errorf("a refused list: %+v, %v", x.Rights, err)
	}
	s.list = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	if x, err = s.collector().Examine(t.Context()); err != nil || right(x, "list applications") != collectors.Untold {
		t.Errorf("a server in trouble: %+v, %v", x.Rights, err)
	}
	c := s.collector()
	if err := os.WriteFile(c.cfg.TokenFile, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Examine(t.Context()); !problem.Is(err, problem.Credential) {
		t.Errorf("a token that the server does not know: %v", err)
	}
}

func recordedProjects(t testing.TB) (out []json.RawMessage) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "all.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(b).Files {
		if f.Name == "GET "+projectsPath {
			var l struct{ Items []json.RawMessage }
			if err := json.Unmarshal(f.Data, &l); err != nil {
				t.Fatal(err)
			}
			out = l.Items
		}
	}
	return out
}

func FuzzProject(f *testing.F) {
	for _, raw := range recordedProjects(f) {
		f.Add([]byte(raw))
	}
	cfg := *newConfig().(*Config)
	c := &Collector{cfg: cfg, env: collectors.Env{Source: "argocd/prod"}, authority: "prod", realm: "argocd:prod"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodeProject(raw)
		if err != nil {
			return
		}
		d := c.projectDraft(p, t0, t0, evidence.Request{})
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkProject(b *testing.B) {
	raw := recordedProjects(b)[0]
	cfg := *newConfig().(*Config)
	c := &Collector{cfg: cfg, env: collectors.Env{Source: "argocd/prod"}, authority: "prod", realm: "argocd:prod"}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		p, err := decodeProject(raw)
		if err != nil {
			b.Fatal(err)
		}
		c.projectDraft(p, t0, t0, evidence.Request{})
	}
}

// Whose the parts of a project are, which tenants may share.
func TestMentionTargets(t *testing.T) {
	c := &Collector{authority: "prod"}
	within, ns := projectRef("prod", "shared"), func(n string) []evidence.Ref { return []evidence.Ref{nsRef("prod", n)} }
	repo := func(names ...string) (refs []evidence.Ref) {
		for _, n := range names {
			refs = append(refs, projectRef("prod", n))
		}
		return refs
	}
	got := c.mentionTargets(evidence.ProjectFacts{
		Name: "shared", SourceNamespaces: []string{"apps-7"}, Destinations: []evidence.ProjectTarget{{Namespace: "tenant-7"}, {Namespace: "*"}, {}},
		SourceRepos: []string{"https://forge.example/acme/tenant-7/gitops.git", "git@forge.example:acme/tenant-8.git", "registry.example/tenant-8/charts", "!https://forge.example/acme/*", "*", "https://charts.example"},
		SyncWindows: []evidence.ProjectSyncWindow{{Applications: []string{"*"}}, {Namespaces: []string{"tenant-8", "*"}}},
	})
	want := []evidence.Mention{
		{At: "/destinations", Names: []string{"namespace"}, Of: [][]evidence.Ref{ns("tenant-7"), nil, nil}, Within: within},
		{At: "/source_namespaces", Of: [][]evidence.Ref{ns("apps-7")}, Within: within},
		{At: "/source_repos", Within: within, Of: [][]evidence.Ref{
			repo("acme/tenant-7/gitops", "acme/tenant-7", "acme"), repo("acme/tenant-8", "acme"), repo("tenant-8/charts", "tenant-8"), repo("acme/*", "acme"), nil, nil,
		}},
		{At: "/sync_windows/1/namespaces", Of: [][]evidence.Ref{ns("tenant-8"), nil}, Within: within},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("whose the parts of a project are (-want +got):\n%s", d)
	}
}
