package kube

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// applications are Argo CD's, as a collector of one line would read them.
func applications() Resource {
	return Resource{
		Group: "argoproj.io", Resource: "applications", Kind: "Application", Versions: []string{"v1alpha1"},
		Kinds: []evidence.Kind{evidence.DeployState},
		Drafts: func(_ context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
			var a struct {
				Spec struct {
					Project string `json:"project"`
				} `json:"spec"`
			}
			if err := o.Decode(&a); err != nil {
				return nil, err
			}
			d, err := l.Draft(evidence.DeployState, o, map[string]any{"phase": a.Spec.Project})
			return []evidence.Draft{d}, err
		},
	}
}

const appsPath = "/apis/argoproj.io/v1alpha1/namespaces/shop/applications"

func application(name, project string) map[string]any {
	return map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name, "namespace": "shop"},
		"spec": map[string]any{"project": project, "destination": map[string]any{"namespace": "shop"}, "source": map[string]any{"repoURL": "https://git.example.org/shop"}},
	}
}

func to(project string) func(map[string]any) {
	return func(o map[string]any) { o["spec"].(map[string]any)["project"] = project }
}

// Real custom resources of a real API server: every change is told once,
// deletions end states, and restarts of either side change nothing.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	for _, crd := range kubetest.CRDs(t, "github.com/argoproj/argo-cd/v2@v2.14.21", "manifests/crds/application-crd.yaml") {
		s.Install(crd)
	}
	s.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop", "labels": map[string]any{"tenant": "one"}}})
	s.Create(appsPath, application("web", "a"))
	s.Create(appsPath, application("mail", "a"))
	s.Create("/api/v1/namespaces/shop/pods", map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web-1"}, "status": map[string]any{"phase": "Running"}})

	w := newWorld(t)
	w.cfg.Server, w.cfg.CAFile, w.cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	w.resources = append(tiny(), applications())
	stop := w.follow()
	told := []string{"set mail a", "set web a"}
	check := func() {
		t.Helper()
		w.until("the log tells "+strings.Join(told, ", "), func() bool {
			got := w.log.told(tenant("tenant-1"), evidence.DeployState)
			for i := range got {
				// A deletion while the watch is down shows as absence.
				got[i] = strings.Replace(got[i], "absent", "deleted", 1)
			}
			if len(got) > len(told) {
				t.Fatalf("the log tells %q, want %q", got, told)
			}
			return slices.Equal(got, told)
		})
	}
	check()
	w.tells("tenant-1", podKind, "set web-1 Running")

	s.Create(appsPath, application("desk", "a"))
	s.Change(appsPath+"/web", to("b"))
	s.Delete(appsPath + "/mail")
	told = append(told, "set desk a", "set web b", "end mail deleted")
	check()

	s.Kill()
	s.Again()
	s.Ready()
	check() // nothing is gone because a server started
	s.Change(appsPath+"/desk", to("c"))
	told = append(told, "set desk c")
	check()

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	s.Again() // the collector meets a server that is not ready yet
	again := w.restart()
	s.Ready()
	s.Change(appsPath+"/web", to("d"))
	told = append(told, "set web d")
	check()
	s.Delete(appsPath + "/desk")
	told = append(told, "end desk deleted")
	check()
	if err := again(); err != nil {
		t.Fatal(err)
	}

	// The same objects have the same names throughout.
	refs := map[evidence.Ref]int{}
	for _, p := range w.log.logs[tenant("tenant-1")] {
		if p.Draft.Kind == evidence.DeployState {
			refs[p.Draft.Subject]++
		}
	}
	if counts := slices.Sorted(maps.Values(refs)); !slices.Equal(counts, []int{2, 3, 3}) {
		t.Errorf("records by application: %v, want 2 of mail, 3 of web and 3 of desk", refs)
	}
	for _, sp := range w.log.spans(tenant("tenant-1"), evidence.DeployState) {
		if sp.Class == evidence.Blind && sp.Cause == "" {
			t.Errorf("a blind window without a cause: %+v", sp)
		}
	}
	told = polledRealServer(t, s, w, told)

	w.cfg.TokenFile = s.TokenFile("nobody")
	if f := w.poll(); f.Outcome != evidence.RunPartial || !strings.Contains(f.Cause, "may not list and watch namespaces (403)") {
		t.Errorf("whom nothing is allowed: run ended %s: %s", f.Outcome, f.Cause)
	}
	check()
}

// polledRealServer looks now and then at the same server: what happened between
// two looks comes out of its history, to the bookmark that ends it.
func polledRealServer(t *testing.T, s *kubetest.Server, w *world, told []string) []string {
	w.cfg.PageSize = 1
	s.Create(appsPath, application("cart", "a"))
	s.Create(appsPath, application("till", "a"))
	told = append(told, "set cart a", "set till a")
	if f := w.look(); f.Outcome != evidence.RunDone {
		t.Fatalf("first look ended %s: %s", f.Outcome, f.Cause)
	}
	w.tells("tenant-1", evidence.DeployState, told...)
	defer s.Busy("/api/v1/namespaces/shop")()
	s.Change(appsPath+"/cart", to("b"))
	s.Delete(appsPath + "/till")
	told = append(told, "set cart b", "end till deleted")
	f := w.look()
	if f.Outcome != evidence.RunDone || len(f.Counts) > 0 { // what has one page comes without a total
		t.Errorf("second look ended %s: %s; it lists pages of %+v", f.Outcome, f.Cause, f.Counts)
	}
	w.tells("tenant-1", evidence.DeployState, told...)
	got := classes(w.log.spans(tenant("tenant-1"), evidence.DeployState))
	if n := len(got); n < 2 || got[n-2] != "instants" || got[n-1] != "continuous" {
		t.Errorf("the two looks cover %q, want an instant, and no gap from there on", got)
	}
	return told
}
