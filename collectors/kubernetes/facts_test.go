package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"

	"github.com/rogpeppe/go-internal/txtar"
)

var seen = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

func testLook() *kube.Look {
	return kube.NewLook("kubernetes/prod", agent, seen,
		kube.Namespace{Name: "tenant-7", UID: "ns-7", Labels: map[string]string{"tenant": "tenant-7", "kubernetes.io/metadata.name": "tenant-7"}})
}

func testConfig() Config { return *Spec().Config().(*Config) }

// draftOf parses raw as an object of the resource and makes its draft.
func draftOf(t testing.TB, cfg Config, resource string, raw []byte) (evidence.Draft, error) {
	t.Helper()
	for _, r := range cfg.resources() {
		if r.Resource != resource {
			continue
		}
		o, err := kube.ParseObject(raw, seen, r.Remove...)
		if err != nil {
			t.Fatalf("%s: %v", resource, err)
		}
		ds, err := r.Drafts(t.Context(), o, testLook())
		if err != nil {
			return evidence.Draft{}, err
		}
		if len(ds) != 1 || len(r.Kinds) != 1 || ds[0].Kind != r.Kinds[0] {
			t.Fatalf("%s gives %d drafts", resource, len(ds))
		}
		return ds[0], ds[0].Check()
	}
	t.Fatalf("no resource %s", resource)
	return evidence.Draft{}, nil
}

func objects(t testing.TB) map[string][]byte {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", "objects.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for _, f := range a.Files {
		m[f.Name] = f.Data
	}
	return m
}

// TestDrafts makes the draft of each recorded object.
func TestDrafts(t *testing.T) {
	a, err := txtar.ParseFile(filepath.Join("testdata", "objects.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, f := range a.Files {
		resource, _, _ := strings.Cut(f.Name, "/")
		d, err := draftOf(t, testConfig(), resource, f.Data)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		var facts bytes.Buffer
		if err := json.Indent(&facts, d.Content, "", " "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "== %s\n%s %s %s\n%s\n", f.Name, d.Kind, d.Op, d.Subject, facts.Bytes())
		for _, p := range d.People {
			fmt.Fprintf(&got, "person %s %s %q %s %+v\n", p.Role, p.Realm, p.NativeID, p.Proof, p.Names)
		}
		for _, r := range d.Scope {
			fmt.Fprintf(&got, "scope %s\n", r)
		}
		for _, r := range d.Links {
			fmt.Fprintf(&got, "link %s\n", r)
		}
		if d.Request.Agent != agent || !d.OccurredAt.Equal(seen) || d.Basis != evidence.BasisObserved {
			t.Errorf("%s: agent %q, at %v by %s", f.Name, d.Request.Agent, d.OccurredAt, d.Basis)
		}
		// What may hold a secret is in none of it, and what is left is JSON.
		for part, b := range map[string][]byte{"content": d.Content, "raw": d.Raw, "the rest": fmt.Append(nil, d.Links, d.Scope, d.Subject, d.Request)} {
			if bytes.Contains(b, []byte("planted-")) {
				t.Errorf("%s: %s holds what must be taken out: %s", f.Name, part, b)
			}
		}
		if !json.Valid(d.Raw) {
			t.Errorf("%s: raw is no JSON", f.Name)
		}
		if bytes.Contains(f.Data, []byte("planted-")) != (len(d.Removed) > 1) {
			t.Errorf("%s: removed %q", f.Name, d.Removed)
		}
	}
	evidencetest.Golden(t, "drafts.golden", got.Bytes())
}

func TestRunningDigest(t *testing.T) {
	sha := "sha256:" + strings.Repeat("a", 64)
	long := "sha512:" + strings.Repeat("b", 128)
	for id, want := range map[string]string{
		"harbor.example/t/web@" + sha:                   sha + " manifest",
		"docker-pullable://harbor.example/t/web@" + sha: sha + " manifest",
		"docker://" + sha:                               sha + " unknown",
		sha:                                             sha + " unknown",
		"r/x@" + long:                                   long + " manifest",
		"":                                              " ",
		"sha256:short":                                  " ",
		"r/x@sha256:short":                              " ",
		"r/x@" + strings.ToUpper(sha):                   " ",
		"r/x:1":                                         " ",
	} {
		if d, of := runningDigest(id); d+" "+of != want {
			t.Errorf("%s: got %q %q, want %q", id, d, of, want)
		}
	}
}

func TestImageRefs(t *testing.T) {
	sha := "sha256:" + strings.Repeat("a", 64)
	for image, want := range map[string]string{
		"nginx":                            "imagetag:/docker.io/library/nginx:latest",
		"bitnami/postgresql:16":            "imagetag:/docker.io/bitnami/postgresql:16",
		"docker.io/nginx:1":                "imagetag:/docker.io/library/nginx:1",
		"index.docker.io/nginx:1":          "imagetag:/docker.io/library/nginx:1",
		"index.docker.io/bitnami/x:1":      "imagetag:/docker.io/bitnami/x:1",
		"harbor.example/t/web:1.42.0":      "imagetag:/harbor.example/t/web:1.42.0",
		"harbor.example:5000/t/web":        "imagetag:/harbor.example:5000/t/web:latest",
		"localhost/check:7":                "imagetag:/localhost/check:7",
		"harbor.example/t/web@" + sha:      "image:/" + sha,
		"harbor.example/t/web:1@" + sha:    "image:/" + sha + " imagetag:/harbor.example/t/web:1",
		"harbor.example/t/web@sha256:none": "",
		"":                                 "",
		"a b:1":                            "",
		"x:" + strings.Repeat("t", 129):    "",
	} {
		var got []string
		for _, r := range imageRefs(image) {
			got = append(got, r.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", image, got, want)
		}
	}
}

// Labels that tenancy does not look at stay out of a namespace's facts.
func TestNamespaceLabels(t *testing.T) {
	o, err := kube.ParseObject([]byte(`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x","uid":"u","labels":{"tenant":"x","pod-security.kubernetes.io/warn":"restricted"}}}`), seen)
	if err != nil {
		t.Fatal(err)
	}
	d, err := maker{}.namespace(o, testLook())
	if err != nil || !strings.Contains(string(d.Content), `"labels":{"pod-security.kubernetes.io/warn":"restricted","tenant":"x"}`) {
		t.Errorf("%s, %v", d.Content, err)
	}
}

func TestArgo(t *testing.T) {
	const pod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"tenant-7","uid":"u","labels":{"team/app":"web"}},"spec":{}}`
	for _, c := range []struct{ label, ns, app, link string }{
		{"", "argocd", "", ""},
		{"team/app", "argocd", "argocd/web", "app:prod/argocd/web"},
		{"team/app", "", "web", ""},
		{"other", "argocd", "", ""},
	} {
		cfg := testConfig()
		cfg.ArgoLabel, cfg.ArgoNamespace = c.label, c.ns
		d, err := draftOf(t, cfg, "pods", []byte(pod))
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.PodFacts
		if err := json.Unmarshal(d.Content, &f); err != nil || f.App != c.app {
			t.Errorf("label %q: app %q, want %q (%v)", c.label, f.App, c.app, err)
		}
		if has := strings.Contains(fmt.Sprint(d.Links), "app:"); has != (c.link != "") || has && !strings.Contains(fmt.Sprint(d.Links), c.link) {
			t.Errorf("label %q: links %v", c.label, d.Links)
		}
	}
}

// Facts stay within what a draft may hold, and say what was left out.
func TestLimits(t *testing.T) {
	var rules, subjects, volumes []string
	for i := range 3000 {
		rules = append(rules, fmt.Sprintf(`{"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["%0200d"]}`, i))
		kind := "User"
		if i%2 == 0 {
			kind = "Group"
		}
		subjects = append(subjects, fmt.Sprintf(`{"kind":%q,"name":"s%0200d"}`, kind, i))
		volumes = append(volumes, fmt.Sprintf(`{"name":"v%d","secret":{"secretName":"s%d"}}`, i, i))
	}
	for resource, raw := range map[string]string{
		"clusterroles": `{"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"r","uid":"u"},"rules":[` + strings.Join(rules, ",") + `]}`,
		"rolebindings": `{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"r","namespace":"x","uid":"u"},"roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[` + strings.Join(subjects, ",") + `]}`,
		"pods":         `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"x","uid":"u"},"spec":{"volumes":[` + strings.Join(volumes, ",") + `]}}`,
	} {
		d, err := draftOf(t, testConfig(), resource, []byte(raw))
		if err != nil {
			t.Errorf("%s: %v", resource, err)
			continue
		}
		if resource == "pods" {
			continue
		}
		var f evidence.RBACFacts
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		if len(f.Rules)+f.RulesCut+len(f.Subjects)+f.SubjectsCut != 3000 || f.RulesCut+f.SubjectsCut == 0 {
			t.Errorf("%s: %d rules and %d more, %d subjects and %d more", resource, len(f.Rules), f.RulesCut, len(f.Subjects), f.SubjectsCut)
		}
		for _, s := range f.Subjects {
			if s.Person >= len(d.People) || (s.Kind == "User") != (s.Person >= 0) {
				t.Fatalf("%s: subject %+v of %d people", resource, s, len(d.People))
			}
		}
	}
}

// The bytes of a binding name nobody who is not among its people: erasing them
// could not reach the bytes.
func TestManyHolders(t *testing.T) {
	for _, n := range []int{evidence.MaxPeople, evidence.MaxPeople + 1} {
		var subjects []string
		for i := range n {
			subjects = append(subjects, fmt.Sprintf(`{"kind":"User","name":"holder-%d@example.test"}`, i))
		}
		raw := `{"kind":"ClusterRoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"r","uid":"u"},"roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[` + strings.Join(subjects, ",") + `]}`
		d, err := draftOf(t, testConfig(), "clusterrolebindings", []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			name := fmt.Sprintf("holder-%d@example.test", i)
			if strings.Contains(string(d.Raw), name) && !slices.ContainsFunc(d.People, func(p evidence.Person) bool { return p.NativeID == name }) {
				t.Errorf("of %d holders the bytes name %s, the people do not", n, name)
			}
		}
		if kept := len(d.Raw) > 0; kept != (n == evidence.MaxPeople) || kept == (len(d.Removed) > 0) {
			t.Errorf("of %d holders %d bytes are kept, removed %v", n, len(d.Raw), d.Removed)
		}
	}
}

// What is not shaped as it should be is an error, never a draft with holes,
// and the error holds nothing of the object.
func TestBad(t *testing.T) {
	for resource, raw := range map[string]string{
		"pods":         `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"x","uid":"u"},"spec":{"containers":{"name":"planted"}}}`,
		"deployments":  `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"p","namespace":"x","uid":"u"},"spec":{"replicas":"planted"}}`,
		"nodes":        `{"kind":"Node","apiVersion":"v1","metadata":{"name":"p","uid":"u"},"status":{"conditions":"planted"}}`,
		"roles":        `{"kind":"Role","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"p","namespace":"x","uid":"u"},"rules":[{"verbs":"planted"}]}`,
		"namespaces":   `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"p","uid":"u"},"status":["planted"]}`,
		"rolebindings": `{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"p","namespace":"x","uid":"u"},"subjects":[7]}`,
	} {
		if _, err := draftOf(t, testConfig(), resource, []byte(raw)); err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got error %v", resource, err)
		}
	}
}

func fuzz(f *testing.F, resources ...string) {
	for name, raw := range objects(f) {
		for _, r := range resources {
			if strings.HasPrefix(name, r+"/") {
				f.Add(raw)
			}
		}
	}
	by := map[string]kube.Resource{}
	for _, r := range testConfig().resources() {
		by[r.Resource] = r
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, name := range resources {
			r := by[name]
			o, err := kube.ParseObject(raw, seen, r.Remove...)
			if err != nil {
				return
			}
			o.Kind = r.Kind
			ds, err := r.Drafts(t.Context(), o, testLook())
			if err != nil {
				continue
			}
			for _, d := range ds {
				if err := d.Check(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				var facts evidence.RBACFacts
				if d.Kind != evidence.AccessRBAC || json.Unmarshal(d.Content, &facts) != nil {
					continue
				}
				for _, s := range facts.Subjects {
					if s.Kind == "User" && (s.Name != "" || s.Person < 0 || s.Person >= len(d.People)) {
						t.Errorf("%s: user %+v of %d people", name, s, len(d.People))
					}
				}
			}
		}
	})
}

func FuzzPod(f *testing.F)      { fuzz(f, "pods") }
func FuzzWorkload(f *testing.F) { fuzz(f, "deployments", "cronjobs", "jobs", "daemonsets") }
func FuzzRBAC(f *testing.F)     { fuzz(f, "rolebindings", "clusterroles") }
func FuzzCluster(f *testing.F)  { fuzz(f, "namespaces", "nodes") }

func FuzzImage(f *testing.F) {
	f.Add("harbor.example/t/web:1@sha256:" + strings.Repeat("a", 64))
	f.Add("docker-pullable://x@sha256:")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range imageRefs(s) {
			if p, err := evidence.ParseRef(r.String()); err != nil || p != r {
				t.Errorf("%q gives %s: %v", s, r, err)
			}
		}
		if d, of := runningDigest(s); (d == "") != (of == "") {
			t.Errorf("%q: digest %q of %q", s, d, of)
		}
	})
}

func bench(b *testing.B, resource, name string) {
	raw := objects(b)[resource+"/"+name]
	var r kube.Resource
	for _, x := range testConfig().resources() {
		if x.Resource == resource {
			r = x
		}
	}
	l := testLook()
	o, err := kube.ParseObject(raw, seen, r.Remove...)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Drafts(b.Context(), o, l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPod(b *testing.B)      { bench(b, "pods", "web-6c9f7d-abcde") }
func BenchmarkWorkload(b *testing.B) { bench(b, "deployments", "web") }
func BenchmarkBinding(b *testing.B)  { bench(b, "rolebindings", "sre-breakglass") }
func BenchmarkNode(b *testing.B)     { bench(b, "nodes", "n17") }

// A node that is for one tenant alone bears its name in labels and taints, and its
// record goes to everybody.
func TestNodeOfOne(t *testing.T) {
	raw := `{"kind":"Node","apiVersion":"v1","metadata":{"name":"n1","uid":"u","labels":{"pool":"eight-corp","stage":"prod","team":"space-8"}},"spec":{"taints":[{"key":"dedicated","value":"eight-corp","effect":"NoSchedule"}]}}`
	l := looktest.New("kubernetes/prod", agent, seen, map[string]map[string]string{
		"tenant-7": {kubetest.TenantLabel: "tenant-7", "stage": "prod"}, "space-8": {kubetest.TenantLabel: "eight-corp", "stage": "prod"},
	})
	ds, err := looktest.Give(t, testConfig().resources(), l, "nodes", []byte(raw), false)
	if err != nil {
		t.Fatal(err)
	}
	views := kubetest.Views(t, "kubernetes/prod", seen, kubetest.ByLabel(t, "tenant-7", "eight-corp"), ds...)
	if s := string(views["tenant-7"][0].Raw); strings.Contains(s, "eight") || strings.Contains(s, "space-8") || !strings.Contains(s, `"stage":"prod"`) {
		t.Errorf("tenant-7 is told %s", s)
	}
	if s := string(views["eight-corp"][0].Raw); s != raw {
		t.Errorf("the node's own tenant is told %s", s)
	}
}
