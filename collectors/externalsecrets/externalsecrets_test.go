package externalsecrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	"evidenced/evidence/problem"
)

var now = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

const objectsFile = "testdata/objects.txtar"

var spaces = map[string]map[string]string{
	"tenant-7": {"evidence.example.test/tenant": "tenant-7"}, "tenant-8": {"evidence.example.test/tenant": "tenant-8"},
}

var planted = []string{"mira.planted", "planted-message", "planted-pass", "planted-query"}

// vaults names the second server; the first is the one of our own last name.
var vaults = map[string]string{"https://vault-two.example.test:443": "two"}

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		Source: "external-secrets/prod", Now: now, Conversation: kubetest.Conversation(t, objectsFile, spaces),
		Wants: []evidence.Kind{evidence.SecretSync, evidence.SecretStore}, Planted: planted,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := Config{Config: kube.DefaultConfig(), Vaults: vaults}
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
	r := &reader{env: collectors.Env{Source: "external-secrets/prod"}, authority: "prod", vaults: map[string]string{}}
	for server, authority := range vaults {
		r.vaults[serverKey(server)] = authority
	}
	return r
}

// look gives the drafts of the recorded objects, and the remarks.
func look(t testing.TB) ([]evidence.Draft, []string) {
	t.Helper()
	l := looktest.New("external-secrets/prod", agent, now, spaces)
	return looktest.Objects(t, testReader().resources(), l, objectsFile), l.Notes()
}

func TestGolden(t *testing.T) {
	ds, _ := look(t)
	var got bytes.Buffer
	for _, d := range ds {
		b, err := json.MarshalIndent(struct {
			Kind, Op, Subject string
			People            []evidence.Person
			Links, Scope      []evidence.Ref
			Removed           []string
			Facts             json.RawMessage
		}{string(d.Kind), string(d.Op), d.Subject.String(), d.People, d.Links, d.Scope, d.Removed, d.Content}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "objects.golden", got.Bytes())
}

// What people write into these objects in clear is nowhere in a draft, not
// even in its bytes.
func TestSecretsAreTakenOut(t *testing.T) {
	ds, notes := look(t)
	for _, d := range ds {
		for _, word := range []string{"planted-literal", "planted-fake", "planted-header", "planted-role-id", "planted-metadata", "planted-pass", "planted-query"} {
			if strings.Contains(fmt.Sprintf("%+v", d)+string(d.Content)+string(d.Raw)+string(d.Text), word) {
				t.Errorf("%q found in a draft of %s", word, d.Subject)
			}
		}
	}
	if !slices.Contains(notes, "there are ClusterExternalSecrets: the ExternalSecrets they make are read, each in its namespace") {
		t.Errorf("notes %q", notes)
	}
}

// The links of a sync are the names that the Vault collector gives the same
// secrets (see TestSecretRefIsTheSubjectOfAReading there).
func TestLinks(t *testing.T) {
	ds, _ := look(t)
	for _, tc := range []struct {
		subject string
		want    []string
	}{
		{"object:prod/ExternalSecret.external-secrets.io/tenant-7/web-db", []string{"copy:prod/tenant-7/web-db",
			"object:prod/ClusterSecretStore.external-secrets.io//vault", "object:prod/SecretStore.external-secrets.io/tenant-7/other", "secret:prod/kv/tenant-7/web/db"}},
		{"object:prod/ExternalSecret.external-secrets.io/tenant-8/all", []string{"copy:prod/tenant-8/app-env",
			"object:prod/SecretStore.external-secrets.io/tenant-8/team", "secret:two/org/eight/secret/eight/app"}},
		{"object:prod/ExternalSecret.external-secrets.io/tenant-7/fresh", []string{"object:prod/SecretStore.external-secrets.io/tenant-7/nowhere"}},
		{"object:prod/PushSecret.external-secrets.io/tenant-7/back", []string{"copy:prod/tenant-7/issued-key",
			"object:prod/ClusterSecretStore.external-secrets.io//limited", "object:prod/SecretStore.external-secrets.io/tenant-7/other", "secret:prod/kv/tenant-7/issued"}},
		{"object:prod/ClusterSecretStore.external-secrets.io//vault", []string{"role:prod/auth/kubernetes/external-secrets", "account:prod/external-secrets/external-secrets"}},
		{"object:prod/SecretStore.external-secrets.io/tenant-8/team", nil},
	} {
		i := slices.IndexFunc(ds, func(d evidence.Draft) bool {
			return strings.HasPrefix(d.Subject.String(), tc.subject+"#")
		})
		if i < 0 {
			t.Errorf("no draft of %s", tc.subject)
			continue
		}
		var got []string
		for _, l := range ds[i].Links {
			got = append(got, l.String())
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.subject, d)
		}
	}
}

// What holds refreshes back, or keeps them from the copy.
func TestHeldBack(t *testing.T) {
	r := testReader()
	res := r.resources()[slices.IndexFunc(r.resources(), func(x kube.Resource) bool { return x.Resource == "externalsecrets" })]
	for _, tc := range []struct {
		spec, windows string
		immutable     bool
	}{
		{`{"secretStoreRef":{"name":"s"},"target":{"name":"t"}}`, "", false},
		{`{"secretStoreRef":{"name":"s"},"syncWindows":{"kind":"deny","windows":[{"schedule":"0 8 * * *","duration":"1h"}]}}`, "deny", false},
		{`{"secretStoreRef":{"name":"s"},"syncWindows":null,"target":{"name":"t","immutable":true}}`, "", true},
	} {
		o, err := kube.ParseObject([]byte(`{"kind":"ExternalSecret","metadata":{"name":"e","namespace":"tenant-7","uid":"e-1"},"spec":`+tc.spec+`}`), now, res.Remove...)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := res.Drafts(t.Context(), o, kube.NewLook("external-secrets/prod", agent, now))
		if err != nil || len(ds) != 1 {
			t.Fatalf("%d drafts, %v", len(ds), err)
		}
		if f := evidencetest.Decode[evidence.SecretSyncFacts](t, ds[0]); f.Windows != tc.windows || f.Immutable != tc.immutable {
			t.Errorf("%s: windows %q, immutable %t", tc.spec, f.Windows, f.Immutable)
		}
	}
}

// TestOddSelector: a store that chooses namespaces in a way that cannot be read is not
// told without saying whose what it names is.
func TestOddSelector(t *testing.T) {
	r := testReader()
	for _, selector := range []string{`{"matchLabels":{"team":["tenant-8"]}}`, `"team=tenant-8"`, `{"matchExpressions":[{"key":"team","values":"tenant-8"}]}`} {
		i := slices.IndexFunc(r.resources(), func(x kube.Resource) bool { return x.Resource == "clustersecretstores" })
		o, err := kube.ParseObject([]byte(`{"metadata":{"name":"bao","uid":"s-1"},"spec":{"provider":{"fake":{}},"conditions":[{"namespaceSelector":`+selector+`}]}}`), now)
		if err != nil {
			t.Fatal(err)
		}
		ds, err := r.resources()[i].Drafts(t.Context(), o, kube.NewLook("external-secrets/prod", agent, now))
		if err == nil || len(ds) > 0 || strings.Contains(err.Error(), "tenant-8") {
			t.Errorf("%s: %d drafts, %v", selector, len(ds), err)
		}
	}
}

// TestStores reads forms of stores that real clusters have: OpenBao under its own
// name, a login by certificate, which names its role otherwise, and conditions
// of which one by name does not hold the others back.
func TestStores(t *testing.T) {
	read := func(spec string) (evidence.SecretStoreFacts, evidence.Draft, *reader) {
		t.Helper()
		r := testReader()
		i := slices.IndexFunc(r.resources(), func(x kube.Resource) bool { return x.Resource == "clustersecretstores" })
		res := r.resources()[i]
		raw := `{"apiVersion":"external-secrets.io/v1","kind":"ClusterSecretStore","metadata":{"name":"bao","uid":"s-1","resourceVersion":"1"},"spec":` + spec + `}`
		o, err := kube.ParseObject([]byte(raw), now, res.Remove...)
		if err != nil {
			t.Fatal(err)
		}
		l := kube.NewLook("external-secrets/prod", agent, now, kube.Namespace{Name: "tenant-7", Labels: spaces["tenant-7"]}, kube.Namespace{Name: "tenant-8", Labels: spaces["tenant-8"]})
		ds, err := res.Drafts(t.Context(), o, l)
		if err != nil {
			t.Fatal(err)
		}
		return evidencetest.Decode[evidence.SecretStoreFacts](t, ds[0]), ds[0], r
	}
	_, shared, _ := read(`{"provider":{"fake":{}},"conditions":[{"namespaces":["tenant-7","tenant-8"]}]}`)
	look := kube.NewLook("external-secrets/prod", agent, now, kube.Namespace{Name: "tenant-7", Labels: spaces["tenant-7"]}, kube.Namespace{Name: "tenant-8", Labels: spaces["tenant-8"]})
	if diff := cmp.Diff([]evidence.Mention{look.Mention("/namespaces", []string{"tenant-7", "tenant-8"})}, shared.Mentions); diff != "" {
		t.Errorf("whose the namespaces of a store are (-want +got):\n%s", diff)
	}
	// What chooses namespaces otherwise is whose these are, and stands in the bytes.
	_, shared, _ = read(`{"provider":{"fake":{}},"conditions":[{"namespaceRegexes":["^tenant-7.*$","(","^other$"]},{"namespaceSelector":{"matchLabels":{"evidence.example.test/tenant":"tenant-8"},"matchExpressions":[{"key":"evidence.example.test/tenant","operator":"In","values":["tenant-7"]}]}}]}`)
	called := func(scheme, name string, spaces ...string) []evidence.Ref {
		refs := []evidence.Ref{evidence.NewRef(scheme, "prod", name)}
		for _, n := range spaces {
			refs = append(refs, look.Scope(n)...)
		}
		return refs
	}
	chosen := evidence.Mention{Of: [][]evidence.Ref{
		called("ns", "^tenant-7.*$", "tenant-7"), called("ns", "^other$"), called("label", "tenant-8", "tenant-8"), called("label", "tenant-7", "tenant-7"),
	}}
	spelled := look.Mention("", []string{"other", "tenant-7"})
	if diff := cmp.Diff([]evidence.Mention{look.Mention("/namespaces", nil), chosen, spelled, look.Mention("", []string{"tenant-8"})}, shared.Mentions); diff != "" {
		t.Errorf("whose the conditions of a store are (-want +got):\n%s", diff)
	}
	many := make([]string, maxNamespaces+1)
	for i := range many {
		many[i] = fmt.Sprintf("tenant-%03d", i)
	}
	_, shared, _ = read(`{"provider":{"fake":{}},"conditions":[{"namespaces":["` + strings.Join(many, `","`) + `"]}]}`)
	if diff := cmp.Diff([]evidence.Mention{look.Mention("/namespaces", many[:maxNamespaces]), look.Mention("", many)}, shared.Mentions); diff != "" {
		t.Errorf("whose many namespaces are (-want +got):\n%s", diff)
	}
	f, d, r := read(`{"provider":{"openBao":{"server":"https://vault-two.example.test","path":"kv","version":"v2","namespace":"org","auth":{"appRole":{"path":"approle","roleId":"planted-role-id","secretRef":{"name":"x","key":"y"}}}}}}`)
	if f.Provider != "openBao" || f.Server != "https://vault-two.example.test" || f.Path != "kv" || f.AuthMethod != "appRole" || f.AuthMount != "org/auth/approle" {
		t.Errorf("a store of OpenBao: %+v", f)
	}
	if strings.Contains(string(d.Raw), "planted-role-id") {
		t.Error("the role id of a store stands in its bytes")
	}
	s, _ := r.memory.get(storeRef{Name: "bao", Kind: kindClusterStore}, "tenant-7")
	if ref, ok := s.secretRef("web/db"); !ok || ref.String() != "secret:two/org/kv/web/db" {
		t.Errorf("a secret of OpenBao is called %s", ref)
	}
	f, _, _ = read(`{"provider":{"vault":{"server":"https://vault-two.example.test","version":"v2","auth":{"cert":{"path":"cert","vaultRole":"sync","clientCert":{"name":"x"}}}}}}`)
	if f.AuthMethod != "cert" || f.Role != "sync" {
		t.Errorf("a login by certificate: %+v", f)
	}
	provider := `"provider":{"fake":{}}`
	for conditions, tenants := range map[string][]string{
		`[]`:                            {"tenant-7", "tenant-8"},
		`[{"namespaces":["tenant-7"]}]`: {"tenant-7"},
		`[{"namespaces":["tenant-7"]},{"namespaceRegexes":["tenant-.*"]}]`:                     {"tenant-7", "tenant-8"},
		`[{"namespaces":["tenant-7"]},{"namespaceSelector":{"matchLabels":{"shared":"yes"}}}]`: {"tenant-7", "tenant-8"},
		`[{"namespaces":["tenant-7"],"namespaceSelector":null},{"namespaces":["tenant-8"]}]`:   {"tenant-7", "tenant-8"},
		`[{"namespaceSelector":{}}]`: {"tenant-7", "tenant-8"},
	} {
		_, d, _ := read(`{` + provider + `,"conditions":` + conditions + `}`)
		for ns := range spaces {
			reached := slices.ContainsFunc(d.Scope, func(r evidence.Ref) bool {
				return r.Scheme == "ns" && (r.Name == ns || r.Name == "*")
			})
			if reached != slices.Contains(tenants, ns) {
				t.Errorf("conditions %s: scope %v", conditions, d.Scope)
			}
		}
	}
}

// An expression that chooses the namespaces of several tells none of the others,
// whether or not the namespaces are known by their labels.
func TestExpressionOfSeveral(t *testing.T) {
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	for i, name := range []string{"platform", "tenant-7", "tenant-8"} {
		rules[i].Owns[0].Namespaces = []string{name}
	}
	raw := `{"metadata":{"name":"bao","uid":"s-1"},"spec":{"provider":{"fake":{}},"conditions":[{"namespaceRegexes":["^(tenant-7|tenant-8)$"]}]}}`
	for what, l := range map[string]*kube.Look{"labels": looktest.New("external-secrets/prod", agent, now, spaces), "names": kube.NewLook("external-secrets/prod", agent, now)} {
		ds, err := looktest.Give(t, testReader().resources(), l, "clustersecretstores.external-secrets.io", []byte(raw), false)
		if err != nil {
			t.Fatal(err)
		}
		got := kubetest.Views(t, "external-secrets/prod", now, rules, ds...)["tenant-7"]
		if len(got) != 1 || strings.Contains(string(got[0].Raw), "tenant-8") || !strings.Contains(string(ds[0].Raw), "tenant-8") {
			t.Errorf("%s: tenant-7 is told %d times, in bytes %s", what, len(got), got[0].Raw)
		}
	}
}

// How the operator makes a path of a key.
func TestSecretRef(t *testing.T) {
	for _, tc := range []struct {
		s         store
		key, want string
	}{
		{store{Authority: "prod", Mount: "kv"}, "a/b", "secret:prod/kv/a/b"},
		{store{Authority: "prod", Mount: "kv"}, "kv/a/b", "secret:prod/kv/a/b"},
		{store{Authority: "prod", Mount: "kv"}, "kv/data/a/b", "secret:prod/kv/a/b"},
		{store{Authority: "prod", Mount: "kv"}, "data/a", "secret:prod/kv/data/a"}, // only after the mount it is KV's own
		{store{Authority: "prod", Mount: "kv", V1: true}, "kv/data/a", "secret:prod/kv/data/a"},
		{store{Authority: "prod", Mount: "deep/kv"}, "/deep/kv/a/", "secret:prod/deep/kv/a"},
		{store{Authority: "prod"}, "kv/data/a/b", "secret:prod/kv/a/b"},
		{store{Authority: "prod"}, "deep/kv/data/a", "secret:prod/deep/kv/a"},
		{store{Authority: "prod"}, "kv/a/b", "secret:prod/kv/a/b"},
		{store{Authority: "prod", V1: true}, "kv/data/a", "secret:prod/kv/data/a"},
		{store{Authority: "prod", Namespace: "org/seven", Mount: "kv"}, "a", "secret:prod/org/seven/kv/a"},
		{store{Authority: "prod", Mount: "kv"}, "", ""},
		{store{}, "a", ""},
	} {
		ref, ok := tc.s.secretRef(tc.key)
		if ok != (tc.want != "") || ref.String() != tc.want {
			t.Errorf("%+v %q: got %s, want %s", tc.s, tc.key, ref, tc.want)
		}
	}
}

func TestServerKey(t *testing.T) {
	for in, want := range map[string]string{
		"https://Vault.example.test": "https://vault.example.test:443", "https://vault.example.test:8200/": "https://vault.example.test:8200",
		"http://vault": "http://vault:80", "vault:8200": "vault:8200", "HTTPS://a:1/v1?x=y": "https://a:1",
	} {
		if got := serverKey(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// A sync with more remote secrets than a record holds is cut, and says so.
func TestHugeSync(t *testing.T) {
	var data []map[string]any
	for i := range 3000 {
		data = append(data, map[string]any{"remoteRef": map[string]string{"key": strings.Repeat("<", 200) + fmt.Sprint(i)}})
	}
	raw, err := json.Marshal(map[string]any{"metadata": map[string]string{"name": "a", "namespace": "tenant-7", "uid": "u"},
		"spec": map[string]any{"secretStoreRef": map[string]string{"name": "vault", "kind": kindClusterStore}, "data": data}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := kube.ParseObject(raw, now)
	if err != nil {
		t.Fatal(err)
	}
	r := testReader()
	r.memory.put(kindClusterStore, "", "vault", store{Authority: "prod", Mount: "kv"})
	l := kube.NewLook("external-secrets/prod", agent, now)
	ds, err := r.syncs(t.Context(), o, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := ds[0].Check(); err != nil || len(l.Notes()) != 1 {
		t.Errorf("got %v, notes %q", err, l.Notes())
	}
}

func TestLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/externalsecrets/role.yaml"), (&reader{}).resources())
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "external-secrets/prod", Clock: time.Now}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		vaults map[string]string
		bad    bool
	}{
		"none": {nil, false}, "one": {map[string]string{"https://vault.example.test": "prod"}, false},
		"no address":      {map[string]string{"vault": "prod"}, true},
		"a whole name":    {map[string]string{"https://vault.example.test": "vault/prod"}, true},
		"two for one":     {map[string]string{"https://vault.example.test": "a", "https://VAULT.example.test:443/": "b"}, true},
		"the same, twice": {map[string]string{"https://vault.example.test": "a", "https://VAULT.example.test:443/": "a"}, false},
	} {
		cfg := Spec().Config().(*Config)
		cfg.Server, cfg.TokenFile, cfg.Vaults = "https://cluster.example.test", token, tc.vaults
		c, err := Spec().New(cfg, env)
		if tc.bad != problem.Is(err, problem.Config) || !tc.bad && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !tc.bad {
			looktest.Works(t, c, true)
		}
	}
}

func FuzzExternalSecret(f *testing.F) {
	for _, list := range kubetest.Objects(f, objectsFile) {
		for _, raw := range list {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := kube.ParseObject(raw, now, removedOfStore...)
		if err != nil {
			return
		}
		o.APIVersion, o.Kind = group+"/v1", kindClusterStore
		r := testReader()
		l := kube.NewLook("external-secrets/prod", agent, now)
		for _, drafts := range []func() ([]evidence.Draft, error){
			func() ([]evidence.Draft, error) { return r.stores(t.Context(), o, l) },
			func() ([]evidence.Draft, error) { return r.syncs(t.Context(), o, l) },
			func() ([]evidence.Draft, error) { return r.pushes(t.Context(), o, l) },
		} {
			ds, err := drafts()
			for _, d := range ds {
				if err := d.Check(); err != nil {
					t.Error(err)
				}
			}
			if err == nil && len(ds) != 1 {
				t.Errorf("%d drafts", len(ds))
			}
		}
	})
}

func BenchmarkExternalSecret(b *testing.B) {
	raw := kubetest.Objects(b, objectsFile)["externalsecrets.external-secrets.io"][0]
	r := testReader()
	r.memory.put(kindClusterStore, "", "vault", store{Authority: "prod", Mount: "kv"})
	l := kube.NewLook("external-secrets/prod", agent, now)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		o, err := kube.ParseObject(raw, now)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.syncs(b.Context(), o, l); err != nil {
			b.Fatal(err)
		}
	}
}
