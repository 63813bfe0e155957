package externalsecrets

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// The recorded objects are taken by the operator's own definitions on a real
// API server, and come back with the same facts and links.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	kinds := map[string]string{}
	for _, r := range testReader().resources() {
		kinds[r.Resource+"."+r.Group] = r.Kind
		for _, crd := range kubetest.CRDs(t, "github.com/external-secrets/external-secrets@v0.18.2", "config/crds/bases/external-secrets.io_"+r.Resource+".yaml") {
			s.Install(crd)
		}
	}
	// A target that is no Secret, and what a ClusterExternalSecret must hold,
	// are of other versions than this one.
	skip := []string{"fresh", "everywhere"}
	s.Fill(objectsFile, kinds, skip...)

	cfg := Config{Config: kube.DefaultConfig(), Vaults: vaults}
	cfg.Server, cfg.CAFile, cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	c, err := New(cfg, collectors.Env{Source: "external-secrets/prod", Clock: time.Now})
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
	recorded, _ := look(t)
	want := slices.DeleteFunc(summary(t, recorded), func(s string) bool { return strings.Contains(s, "/fresh ") })
	if got := summary(t, rec.Drafts); !slices.Equal(got, want) {
		t.Errorf("the server gives\n%s\nrecorded are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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
	t.Helper()
	for _, d := range ds {
		line := d.Subject.Name + " "
		for _, l := range d.Links {
			line += l.String() + " "
		}
		switch d.Kind {
		case evidence.SecretSync:
			f := evidencetest.Decode[evidence.SecretSyncFacts](t, d)
			line += strings.Join([]string{f.Target, f.StoreKind, f.Interval, f.Policy, f.Ready, f.Reason, f.RefreshedAt.String(), f.SyncedVersion}, " ")
		case evidence.SecretStore:
			f := evidencetest.Decode[evidence.SecretStoreFacts](t, d)
			line += strings.Join([]string{f.Provider, f.Server, f.Path, f.Version, f.AuthMethod, f.AuthMount, f.Role, f.Account, f.Ready}, " ")
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}
