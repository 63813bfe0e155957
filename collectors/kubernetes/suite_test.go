package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/evidence/reach"
)

func suiteCollector(t testing.TB, w collectortest.World, cfg Config) collectors.Collector {
	cfg.Server, cfg.TokenFile, cfg.PageSize, cfg.QPS = w.URL, w.TokenFile, 2, 1e6
	c, err := New(cfg, w.Env, kube.Client(func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody }))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSuite(t *testing.T) { collectortest.Run(t, suite()) }

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "kubernetes/prod", Now: seen, Conversation: "testdata/cluster.txtar",
		Wants: []evidence.Kind{evidence.RuntimeNamespace, evidence.RuntimeWorkload, evidence.RuntimePod, evidence.RuntimeNode, evidence.AccessRBAC},
		// What may be a secret must be nowhere; a user's name in people and raw alone.
		Planted: []string{"mira.keller@acme.example"},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			return suiteCollector(t, w, testConfig())
		},
	}
}

// From what was read, who could read the copy: the whole way to an answer.
func TestReach(t *testing.T) {
	srv := collectortest.NewReplay(t, "testdata/cluster.txtar", seen)
	cfg := testConfig()
	cfg.ReplicaSets = true
	c := suiteCollector(t, collectortest.World{URL: srv.URL, TokenFile: tokenFile(t), Timeout: 5 * time.Second, MaxBody: 1 << 20,
		Env: collectors.Env{Source: "kubernetes/prod", Clock: func() time.Time { return seen }}}, cfg)
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: seen}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	var rules []evidence.RBACFacts
	for _, d := range rec.Of(evidence.AccessRBAC) {
		var f evidence.RBACFacts
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, f)
	}
	gs := reach.Secrets(rules, "tenant-7", "db")
	if len(gs) != 5 {
		t.Fatalf("%d grants, want 5: %+v", len(gs), gs)
	}
	for _, g := range gs {
		if g.Way != reach.Exec || g.Through != "RoleBinding tenant-7/sre-breakglass of ClusterRole debug" {
			t.Errorf("grant %+v", g)
		}
	}
	if g := gs[0]; g.Subject.Kind != "User" || rec.Of(evidence.AccessRBAC)[g.Binding].People[g.Subject.Person].NativeID != "mira.keller@acme.example" {
		t.Errorf("the user of %+v is not the binding's", g)
	}
}

// A credential for single namespaces asks for nothing that stands outside.
func TestNamespacesOnly(t *testing.T) {
	cfg := testConfig()
	cfg.ClusterScoped, cfg.ReplicaSets = false, false
	for _, r := range cfg.resources() {
		if r.Cluster && r.Resource != "namespaces" || r.Resource == "replicasets" {
			t.Errorf("%s is read", r.Resource)
		}
	}
}

func TestSpec(t *testing.T) {
	s := Spec()
	if _, err := s.New("text", collectors.Env{}); !problem.Is(err, problem.Internal) {
		t.Errorf("a configuration of another type: %v", err)
	}
	cfg := testConfig()
	cfg.Server = "https://kubernetes.example"
	if _, err := s.New(&cfg, collectors.Env{Source: "kubernetes/prod", Clock: time.Now}); !problem.Is(err, problem.Config) {
		t.Errorf("a server without a token: %v", err)
	}
}

func tokenFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
