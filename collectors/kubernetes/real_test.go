package kubernetes

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// given are what the server says of an object and a file cannot: they are left
// out of the comparison.
var given = []string{"uid", "resource_version", "created_at", "generation"}

func plain(t *testing.T, content []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range given {
		delete(m, k)
	}
	if o, ok := m["owner"].(map[string]any); ok {
		delete(o, "uid")
	}
	return m
}

// The recorded objects, written to a real API server and read back from it
// through its own types, have the facts that the files have; and a look by an
// account that may read everything but Secrets is whole.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	a, err := txtar.ParseFile("testdata/objects.txtar")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{}
	for _, ns := range []string{"kube-system", "ops"} {
		s.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}})
	}
	for _, f := range a.Files {
		resource, name, _ := strings.Cut(f.Name, "/")
		var o map[string]any
		if err := json.Unmarshal(f.Data, &o); err != nil {
			t.Fatal(err)
		}
		meta := o["metadata"].(map[string]any)
		delete(meta, "uid")
		delete(meta, "resourceVersion")
		path := "/apis/" + o["apiVersion"].(string)
		if o["apiVersion"] == "v1" {
			path = "/api/v1"
		}
		if ns, ok := meta["namespace"].(string); ok {
			path += "/namespaces/" + ns
		}
		s.Create(path+"/"+resource, o)
		d, err := draftOf(t, testConfig(), resource, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		want[resource+"/"+name] = plain(t, d.Content)
	}
	cfg := testConfig()
	cfg.Server, cfg.CAFile, cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	c, err := New(cfg, collectors.Env{Source: "kubernetes/prod", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: time.Now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	for _, x := range rec.Commits {
		if x.Observation.Incomplete != "" {
			t.Errorf("incomplete: %s", x.Observation.Incomplete)
		}
	}
	names := map[string]string{}
	for _, r := range cfg.resources() {
		names[r.Kind] = r.Resource
	}
	found := 0
	for _, d := range rec.Drafts {
		if strings.Contains(string(d.Raw)+string(d.Content), "planted-") {
			t.Errorf("%s holds what must be taken out", d.Subject)
		}
		var o struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := json.Unmarshal(d.Raw, &o); err != nil {
			t.Fatal(err)
		}
		kind := o.Kind
		if kind == "" { // items of a list leave it out
			var f struct{ Kind string }
			if err := json.Unmarshal(d.Content, &f); err != nil {
				t.Fatal(err)
			}
			kind = f.Kind
		}
		for k, r := range map[evidence.Kind]string{evidence.RuntimePod: "Pod", evidence.RuntimeNode: "Node", evidence.RuntimeNamespace: "Namespace"} {
			if d.Kind == k {
				kind = r
			}
		}
		w := want[names[kind]+"/"+o.Metadata.Name]
		if w == nil {
			continue // the server's own, and the namespaces made above
		}
		found++
		got := plain(t, d.Content)
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s (-file +server):\n%s", d.Subject, diff)
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d objects came back", found, len(want))
	}
}
