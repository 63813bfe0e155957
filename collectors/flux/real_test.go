package flux

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// The recorded objects are taken by Flux's own definitions on a real API server,
// and come back as the same facts.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	for module, pattern := range map[string]string{
		"github.com/fluxcd/source-controller@v1.7.3":    "config/crd/bases/source.toolkit.fluxcd.io_[beghor]*.yaml",
		"github.com/fluxcd/kustomize-controller@v1.7.3": "config/crd/bases/*.yaml",
		"github.com/fluxcd/helm-controller@v1.4.0":      "config/crd/bases/*.yaml",
	} {
		for _, crd := range kubetest.CRDs(t, module, pattern) {
			s.Install(crd)
		}
	}
	kinds := map[string]string{}
	for _, r := range testReader().resources() {
		kinds[r.Resource+"."+r.Group] = r.Kind
	}
	// One declares more than its controller has seen, which a new object does not;
	// one has what v2 no longer holds.
	skip := []string{"lost", "old"}
	s.Fill(objectsFile, kinds, skip...)

	cfg := *Spec().Config().(*Config)
	cfg.Server, cfg.CAFile, cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	c, err := New(cfg, collectors.Env{Source: "flux/prod", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	rec := &collectortest.Recorder{}
	if err := c.Poll(t.Context(), evidence.Period{To: time.Now()}, nil, rec); err != nil {
		t.Fatal(err)
	}
	if o := rec.Commits[len(rec.Commits)-1].Observation; o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
	want := slices.DeleteFunc(summary(t, look(t)), func(s string) bool {
		return slices.ContainsFunc(skip, func(name string) bool { return strings.Contains(s, "/"+name+" ") })
	})
	if d := cmp.Diff(want, summary(t, rec.Drafts)); d != "" {
		t.Errorf("the server gives (-recorded +server):\n%s", d)
	}

	x, err := c.(collectors.Examiner).Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range x.Rights {
		if r.Access != collectors.Readable && len(r.Kinds) > 0 { // this server answers no review of rights
			t.Errorf("%s is %s: %s", r.Name, r.Access, r.Hint)
		}
	}
}

// summary tells drafts in a line each, without what a server gives anew.
func summary(t testing.TB, ds []evidence.Draft) (out []string) {
	for _, d := range ds {
		if d.Kind == evidence.DeploySync {
			f := evidencetest.Decode[evidence.SyncFacts](t, d)
			out = append(out, fmt.Sprint("sync ", f.App, " ", f.Seen, f.Phase, f.Revisions, f.FinishedAt, f.StartedAt, f.Sources, f.Flux.Release, f.Flux.Reason, f.Flux.DeletedAt))
			continue
		}
		f := evidencetest.Decode[evidence.DeployFacts](t, d)
		out = append(out, fmt.Sprint("state ", f.App, " ", f.Sync, f.Health, f.Revisions, f.SyncedRevisions, f.Sources, f.Server, f.Flux.Ready, f.Flux.Suspended, f.Flux.Origin, f.Flux.Release))
	}
	slices.Sort(out)
	return out
}
