package argocd

import (
	"encoding/json"
	"fmt"
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

// What newer servers say of a project, and the types of v2 do not know.
func TestProjectOfNewerServer(t *testing.T) {
	p, err := decodeProject(json.RawMessage(`{"metadata":{"name":"shop","namespace":"argocd","uid":"p-1"},"spec":{
		"clusterResourceWhitelist":[{"group":"","kind":"Namespace","name":"shop-*"}],"clusterResourceBlacklist":[{"group":"rbac.authorization.k8s.io","kind":"*"}],
		"namespaceResourceWhitelist":[{"group":"apps","kind":"Deployment"}],
		"sourceIntegrity":{"git":{"policies":[
			{"repos":[{"url":"https://u:planted@forge.example/shop/*"}],"gpg":{"mode":"strict","keys":["5EED5EED5EED5EED"]}},
			{"repos":[{"url":"https://forge.example/*"}],"gpg":{"mode":"none"}},{"repos":null,"gpg":null}]}},
		"syncWindows":[{"kind":"deny","schedule":"0 8 * * *","duration":"1h","namespaces":["shop"],"clusters":["prod"],"andOperator":true,"syncOverrun":true},null,{"kind":"allow","schedule":"* * * * *","duration":"1h"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	f, _ := projectFacts(p)
	want := evidence.ProjectFacts{
		Name: "shop", Namespace: "argocd", UID: "p-1",
		ClusterAllowed: []string{"/Namespace/shop-*"}, ClusterDenied: []string{"rbac.authorization.k8s.io/*"}, NamespacedAllowed: []string{"apps/Deployment"},
		Integrity: []evidence.ProjectIntegrity{
			{Repos: []string{"https://forge.example/shop/*"}, Mode: "strict", Keys: []string{"5EED5EED5EED5EED"}}, {Repos: []string{"https://forge.example/*"}, Mode: "none"}, {},
		},
		SyncWindows: []evidence.ProjectSyncWindow{
			{Kind: "deny", Schedule: "0 8 * * *", Duration: "1h", Namespaces: []string{"shop"}, Clusters: []string{"prod"}, All: true, Overrun: true},
			{Kind: "allow", Schedule: "* * * * *", Duration: "1h"},
		},
	}
	if d := cmp.Diff(want, f); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
}

// Hydrated manifests may stand in another repository than what they were made of.
func TestHydratedElsewhere(t *testing.T) {
	const app = `{"metadata":{"name":"web","namespace":"argocd","uid":"a-1"},"spec":{"project":"shop","destination":{"name":"in-cluster"},"sourceHydrator":{
		"drySource":{"repoURL":"https://forge.example/shop/dry.git","path":"web","targetRevision":"main"},"syncSource":{%s"targetBranch":"env/prod","path":"web"}}}}`
	for more, want := range map[string]string{
		"": "https://forge.example/shop/dry.git", `"repoURL":"https://u:planted@forge.example/shop/wet.git",`: "https://forge.example/shop/wet.git",
	} {
		a, err := decodeApp(json.RawMessage(fmt.Sprintf(app, more)))
		if err != nil {
			t.Fatal(err)
		}
		if s := deployFacts(a).Sources; len(s) != 1 || s[0].RepoURL != want || s[0].TargetRevision != "env/prod" {
			t.Errorf("got %+v, want %s", s, want)
		}
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
		Integrity:   []evidence.ProjectIntegrity{{Mode: "head"}, {Repos: []string{"https://forge.example/acme/tenant-8.git", "*"}}},
	})
	want := []evidence.Mention{
		{At: "/destinations", Names: []string{"namespace"}, Of: [][]evidence.Ref{ns("tenant-7"), nil, nil}, Within: within},
		{At: "/source_namespaces", Of: [][]evidence.Ref{ns("apps-7")}, Within: within},
		{At: "/source_repos", Within: within, Of: [][]evidence.Ref{
			repo("acme/tenant-7/gitops", "acme/tenant-7", "acme"), repo("acme/tenant-8", "acme"), repo("tenant-8/charts", "tenant-8"), repo("acme/*", "acme"), nil, nil,
		}},
		{At: "/integrity/1/repos", Of: [][]evidence.Ref{repo("acme/tenant-8", "acme"), nil}, Within: within},
		{At: "/sync_windows/1/namespaces", Of: [][]evidence.Ref{ns("tenant-8"), nil}, Within: within},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("whose the parts of a project are (-want +got):\n%s", d)
	}
}
