package flux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

var now = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

const objectsFile = "testdata/objects.txtar"

var spaces = map[string]map[string]string{
	"flux-system": {"evidence.example.test/tenant": "platform"},
	"tenant-7":    {"evidence.example.test/tenant": "tenant-7"}, "tenant-8": {"evidence.example.test/tenant": "tenant-8"},
}

// planted are secrets that stand in the objects in clear. Nothing of them is in a
// draft, not even in its bytes.
var planted = []string{
	"planted-message", "planted-pass", "planted-query", "planted-substitute", "planted-patch", "planted-last-applied",
	"planted-values", "planted-key", "planted-render", "planted-checksum",
}

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		Source: "flux/prod", Now: now, Conversation: kubetest.Conversation(t, objectsFile, spaces),
		Wants: []evidence.Kind{evidence.DeploySync, evidence.DeployState}, Planted: planted,
		Says: func(d evidence.Draft) bool { return bytes.Contains(d.Content, []byte(`"unread":`)) },
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := *Spec().Config().(*Config)
			cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
			c, err := newWith(cfg, w.Env, kube.Client(func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody }))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
}

func testReader() *reader {
	return &reader{
		cfg: *Spec().Config().(*Config), authority: "prod",
		again: (*kube.Look).Again, listed: (*kube.Look).ListedAt,
	}
}

func testLook(at time.Time) *kube.Look { return looktest.New("flux/prod", agent, at, spaces) }

// give hands an object to the functions of its resource.
func (r *reader) give(t testing.TB, l *kube.Look, resource string, raw []byte, gone bool) []evidence.Draft {
	t.Helper()
	ds, err := looktest.Give(t, r.resources(), l, resource, raw, gone)
	if err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
	return ds
}

// look gives the drafts of the recorded objects.
func look(t testing.TB) []evidence.Draft {
	t.Helper()
	return looktest.Objects(t, testReader().resources(), testLook(now), objectsFile)
}

func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, d := range look(t) {
		b, err := json.MarshalIndent(struct {
			Kind, Op, Key, Subject, At, Basis string
			NotBefore                         time.Time `json:",omitzero"`
			Links, Scope                      []evidence.Ref
			Removed                           []string
			Mentions                          []evidence.Mention `json:",omitempty"`
			Facts                             json.RawMessage
		}{string(d.Kind), string(d.Op), d.Key, d.Subject.String(), evidence.FormatTime(d.OccurredAt), string(d.Basis), d.NotBefore, d.Links, d.Scope, d.Removed, d.Mentions, d.Content}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "objects.golden", got.Bytes())
}

func TestSecretsAreTakenOut(t *testing.T) {
	for _, d := range look(t) {
		for _, word := range planted {
			if strings.Contains(fmt.Sprintf("%+v", d)+string(d.Content)+string(d.Raw)+string(d.Text), word) {
				t.Errorf("%q found in a draft of %s", word, d.Subject)
			}
		}
	}
}

// An address with credentials in an object's own bytes takes them with it.
func TestCredentialsInRaw(t *testing.T) {
	r := testReader()
	raw := `{"metadata":{"name":"a","namespace":"tenant-7","uid":"u"},"spec":{"sourceRef":{"kind":"GitRepository","name":"x"},"components":["https://bot:planted-pass@git.example.test/x"]}}`
	for _, d := range r.give(t, testLook(now), "kustomizations.kustomize.toolkit.fluxcd.io", []byte(raw), false) {
		if strings.Contains(string(d.Raw)+string(d.Content), "planted") || !slices.Equal(d.Removed, []string{agent, ""}) {
			t.Errorf("raw %s, removed %q", d.Raw, d.Removed)
		}
	}
}

func TestRevisions(t *testing.T) {
	id, digest := strings.Repeat("a1", 20), "sha256:"+strings.Repeat("3", 64)
	for _, tc := range []struct{ kind, rev, want, ref string }{
		{kindGit, "main@sha1:" + id, id, "commit:/" + id},
		{kindGit, "refs/heads/x@y@sha1:" + id, id, "commit:/" + id},
		{kindGit, "sha1:" + id, id, "commit:/" + id},
		{kindGit, "main/" + id, id, "commit:/" + id},
		{kindGit, "main@" + digest, digest[7:], "commit:/" + digest[7:]},
		{kindOCI, "v1@" + digest, digest, "image:/" + digest},
		{kindOCI, digest, digest, "image:/" + digest},
		{"Bucket", digest, digest, ""},
		{kindChart, "1.2.3", "1.2.3", ""},
		{kindChart, "1.2.3+" + id[:12], "1.2.3+" + id[:12], ""},
		{"ExternalArtifact", "main@sha1:" + id, id, "commit:/" + id},
		{kindGit, "main@sha1:short", "main@sha1:short", ""},
	} {
		got := revisionOf(tc.kind, tc.rev)
		ref, _ := revisionRef(tc.kind, got)
		if got != tc.want || ref.String() != tc.ref {
			t.Errorf("%s %s: got %s and %s, want %s and %s", tc.kind, tc.rev, got, ref, tc.want, tc.ref)
		}
	}
}

// Rules by which differences are left out are counted, whatever they say.
func TestIgnores(t *testing.T) {
	for _, tc := range []struct {
		resource, spec, drift string
		want                  int
	}{
		{"kustomizations." + kustomizeGroup, `{}`, "", 0},
		{"kustomizations." + kustomizeGroup, `{"ignore":[{"paths":["/spec/replicas"]},{"paths":["/data"],"target":{"kind":"ConfigMap"}}]}`, "", 2},
		{"helmreleases." + helmGroup, `{}`, "disabled", 0},
		{"helmreleases." + helmGroup, `{"driftDetection":{"ignore":[{"paths":["/spec/replicas"]}]}}`, "disabled", 1},
		{"helmreleases." + helmGroup, `{"driftDetection":{"mode":"enabled","ignore":[{"paths":["/spec/replicas"]}]}}`, "enabled", 1},
	} {
		ds := testReader().give(t, testLook(now), tc.resource, fmt.Appendf(nil, `{"metadata":{"name":"web","namespace":"tenant-7","uid":"u-9"},"spec":%s}`, tc.spec), false)
		f := evidencetest.Decode[evidence.DeployFacts](t, ds[len(ds)-1])
		if f.Ignores != tc.want || f.Flux.DriftDetection != tc.drift {
			t.Errorf("%s: %d rules, drift detection %q", tc.spec, f.Ignores, f.Flux.DriftDetection)
		}
	}
}

func TestManaged(t *testing.T) {
	for id, want := range map[string]string{
		"tenant-7_web_apps_Deployment":                           "apps/Deployment tenant-7/web",
		"_tenant-7__Namespace":                                   "/Namespace /tenant-7",
		"_read__all_rbac.authorization.k8s.io_ClusterRole":       "rbac.authorization.k8s.io/ClusterRole /read:all",
		"tenant-7_a__b__c_rbac.authorization.k8s.io_RoleBinding": "rbac.authorization.k8s.io/RoleBinding tenant-7/a:b:c",
		"nothing": "", "a_b": "", "": "",
	} {
		o, ok := managed(id)
		got := ""
		if ok {
			got = o.Group + "/" + o.Kind + " " + o.Namespace + "/" + o.Name
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", id, got, want)
		}
	}
}

// The role in deploy/access covers what is read and nothing beyond reading.
func TestLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/flux/role.yaml"), testReader().resources())
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "flux/prod", Clock: time.Now}
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.StaleAfter = time.Second }, "stale_after must be at least 1m"},
		{func(c *Config) { c.PageSize = 0 }, "page_size"},
	} {
		cfg := Spec().Config().(*Config)
		cfg.Server, cfg.TokenFile = "https://cluster.example.test", "/nowhere/token"
		tc.change(cfg)
		c, err := Spec().New(cfg, env)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
		if err == nil {
			looktest.Works(t, c, true)
		}
	}
	if d := cmp.Diff([]evidence.Kind{evidence.DeploySync, evidence.DeployState}, mustNew(t).Kinds()); d != "" {
		t.Error(d)
	}
}

func mustNew(t testing.TB) collectors.Collector {
	cfg := *Spec().Config().(*Config)
	cfg.Server, cfg.TokenFile = "https://cluster.example.test", "/nowhere/token"
	c, err := New(cfg, collectors.Env{Source: "flux/prod", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
