package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// clusterSource reads the project of Argo CD applications out of a cluster.
var clusterSource = collectors.Spec{
	Type: "cluster", Says: "a test", Every: "@every 1m",
	Config: func() any { c := kube.DefaultConfig(); return &c },
	New: func(c any, env collectors.Env) (collectors.Collector, error) {
		return kube.New(*c.(*kube.Config), env, "test/1", []kube.Resource{{
			Group: "argoproj.io", Resource: "applications", Kind: "Application", Versions: []string{"v1alpha1"},
			Kinds: []evidence.Kind{evidence.DeployState},
			Drafts: func(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
				var a struct {
					Spec struct {
						Project string `json:"project"`
					} `json:"spec"`
				}
				if err := o.Decode(&a); err != nil {
					return nil, err
				}
				d, err := l.Draft(evidence.DeployState, o, map[string]string{"name": o.Name, "project": a.Spec.Project})
				return []evidence.Draft{d}, err
			},
		}})
	},
}

// serveCluster runs a daemon over the data directory until it is stopped.
func serveCluster(t *testing.T, dir string, s *kubetest.Server) (e *Engine, stop func()) {
	t.Helper()
	text := "data_dir: data\nlisten: \"\"\ntenants:\n  - name: tenant-1\n    owns:\n      - labels: [tenant=one]\n" +
		"sources:\n  - name: kubernetes/prod\n    type: cluster\n    config:\n" +
		fmt.Sprintf("      server: %s\n      ca_file: %s\n      token_file: %s\n", s.URL, s.CAFile, s.TokenFile("reader"))
	file := filepath.Join(dir, "evidenced.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{clusterSource})
	if err != nil {
		t.Fatal(err)
	}
	e, err = Open(t.Context(), Options{Config: cfg, Clock: time.Now, Program: "evidenced test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return e, stop
}

// told lists the records of tenant-1 about applications: what the daemon says
// happened, in order of seq, and the subjects with their uids.
func told(t *testing.T, e *Engine) (lines []string, subjects map[string]string) {
	t.Helper()
	r, err := e.Reader(t.Context(), mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	subjects = map[string]string{}
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.DeployState}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Project, Reason string }
		if err := json.Unmarshal(rec.Facts, &f); err != nil {
			t.Fatal(err)
		}
		name := rec.Subject.Name[strings.LastIndexByte(rec.Subject.Name, '/')+1:]
		lines = append(lines, fmt.Sprintf("%s %s %s", rec.Op, name, strings.Replace(f.Project+f.Reason, "absent", "deleted", 1)))
		subjects[name] = rec.Subject.String()
	}
	return lines, subjects
}

// The daemon over a real API server: each change is one record, a deletion ends
// the state, and restarts of the daemon and of the server in the middle leave
// the records, and the names of things, as they are.
func TestClusterAcrossRestarts(t *testing.T) {
	t.Cleanup(kubetest.Clean)
	s := kubetest.Start(t)
	for _, crd := range kubetest.CRDs(t, "github.com/argoproj/argo-cd/v2@v2.14.21", "manifests/crds/application-crd.yaml") {
		s.Install(crd)
	}
	s.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "labels": map[string]any{"tenant": "one"}}})
	const path = "/apis/argoproj.io/v1alpha1/namespaces/shop/applications"
	create := func(name string) {
		s.Create(path, map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"project": "a", "destination": map[string]any{"namespace": "shop"}},
		})
	}
	to := func(name, project string) {
		s.Change(path+"/"+name, func(o map[string]any) { o["spec"].(map[string]any)["project"] = project })
	}
	var want []string
	until := func(e *Engine, more ...string) {
		t.Helper()
		want = append(want, more...)
		limit, tick := time.After(3*time.Minute), time.NewTicker(100*time.Millisecond)
		defer tick.Stop()
		for {
			got, _ := told(t, e)
			if slices.Equal(got, want) {
				return
			}
			if len(got) > len(want) {
				t.Fatalf("the log tells %q, want %q", got, want)
			}
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("the log tells %q, waited in vain for %q", got, want)
			}
		}
	}
	dir := t.TempDir()
	create("web")
	e, stop := serveCluster(t, dir, s)
	until(e, "set web a")
	create("mail")
	until(e, "set mail a")
	_, before := told(t, e)

	stop()
	to("web", "b")
	e, stop = serveCluster(t, dir, s)
	until(e, "set web b")

	s.Kill()
	s.Again()
	s.Ready()
	s.Delete(path + "/mail")
	until(e, "end mail deleted")
	to("web", "c")
	until(e, "set web c")
	if _, after := told(t, e); after["web"] != before["web"] || after["mail"] != before["mail"] {
		t.Errorf("names of things changed: %v, were %v", after, before)
	}
	stop()
}
