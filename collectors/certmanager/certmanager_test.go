package certmanager

import (
	"bytes"
	"encoding/json"
	"log/slog"
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

var now = time.Date(2026, 2, 10, 9, 0, 0, 0, time.UTC)

const objectsFile = "testdata/objects.txtar"

var spaces = map[string]map[string]string{
	"tenant-7": {"evidence.example.test/tenant": "tenant-7"}, "tenant-8": {"evidence.example.test/tenant": "tenant-8"},
}

func suite(t *testing.T) collectortest.Suite {
	return collectortest.Suite{
		Source: "cert-manager/prod", Now: now, Conversation: kubetest.Conversation(t, objectsFile, spaces),
		Wants:   []evidence.Kind{evidence.CertDeclared, evidence.CertRequest, evidence.CertIssuer},
		Planted: []string{"mira.planted", "jonas.planted", "planted-message", "planted-solver-key", "planted-token-of-challenge", "planted-pass"},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := Config{kube.DefaultConfig()}
			cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
			c, err := newWith(cfg, w.Env, kube.Client(func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody }))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite(t)) }

// look gives the drafts of the recorded objects, and the remarks.
func look(t testing.TB) ([]evidence.Draft, *reader, *kube.Look) {
	t.Helper()
	r := &reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}
	l := looktest.New("cert-manager/prod", agent, now, spaces)
	return looktest.Objects(t, r.resources(), l, objectsFile), r, l
}

// TestGolden compares every draft, without its bytes.
func TestGolden(t *testing.T) {
	ds, _, _ := look(t)
	var got bytes.Buffer
	for _, d := range ds {
		b, err := json.MarshalIndent(struct {
			Kind, Op, Key, Subject, Basis string
			Occurred                      time.Time
			People                        []evidence.Person
			Links, Scope, ActorScope      []evidence.Ref
			Removed                       []string
			Facts                         json.RawMessage
		}{string(d.Kind), string(d.Op), d.Key, d.Subject.String(), string(d.Basis), d.OccurredAt, d.People, d.Links, d.Scope, d.ActorScope, d.Removed, d.Content}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "objects.golden", got.Bytes())
}

// request returns the facts of the recorded request of that name.
func requestNamed(t testing.TB, name string) (evidence.CertRequestFacts, evidence.Draft) {
	t.Helper()
	ds, _, _ := look(t)
	for _, d := range ds {
		if d.Kind == evidence.CertRequest {
			if f := evidencetest.Decode[evidence.CertRequestFacts](t, d); f.Name == name {
				return f, d
			}
		}
	}
	t.Fatalf("no request %s", name)
	return evidence.CertRequestFacts{}, evidence.Draft{}
}

func TestRequests(t *testing.T) {
	for _, tc := range []struct {
		name, approval, reason, status, account string
		requester                               int
		cert, key                               bool
	}{
		{"web-tls-6", "approved", "Issued", "issued", "cert-manager/cert-manager", -1, true, true},
		{"api-tls-1", "approved", "Failed", "failed", "cert-manager/cert-manager", -1, false, true},
		{"shadow", "denied", "Denied", "denied", "", 0, false, true}, // denied beside approved: final
		{"broken", "approved", "BadCSR", "invalid", "", 0, false, false},
		{"csi-1", "waiting", "", "waiting", "tenant-8/api", -1, false, true},
	} {
		f, d := requestNamed(t, tc.name)
		if f.Approval != tc.approval || f.Reason != tc.reason || f.Status != tc.status || f.Account != tc.account || f.Requester != tc.requester || (f.Cert != nil) != tc.cert || (f.RequestedKey != "") != tc.key {
			t.Errorf("%s: got %+v", tc.name, f)
		}
		if d.Key != f.UID || d.Basis != evidence.BasisSource || !d.OccurredAt.Equal(f.CreatedAt) {
			t.Errorf("%s: key %q, %s at %s", tc.name, d.Key, d.Basis, d.OccurredAt)
		}
		if tc.requester == 0 && (len(d.People) == 0 || d.People[0].Realm != "kubernetes:prod" || d.People[0].Proof != evidence.ProofAuthenticated) {
			t.Errorf("%s: people %+v", tc.name, d.People)
		}
	}
	// The newest certificate is joined to what a server shows by its
	// fingerprint, and by host and Secret.
	f, d := requestNamed(t, "web-tls-6")
	if len(f.Cert.Fingerprint) != 64 || f.Cert.Serial != "4a1c0de" || !f.Cert.NameMatches || f.Cert.Trusted != "not-checked" || len(f.Cert.Chain) != 1 {
		t.Errorf("certificate %+v", f.Cert)
	}
	for _, want := range []string{"host:prod/web.tenant-7.example.test", "copy:prod/tenant-7/web-tls", "object:prod/Certificate.cert-manager.io/tenant-7/web-tls",
		"object:prod/ClusterIssuer.cert-manager.io//acme-public", "account:prod/cert-manager/cert-manager"} {
		if !slices.ContainsFunc(d.Links, func(r evidence.Ref) bool { return r.String() == want }) {
			t.Errorf("no link %s in %v", want, d.Links)
		}
	}
}

// Users of the cluster's own parts are no persons.
func TestRequester(t *testing.T) {
	r := &reader{env: collectors.Env{Mark: func(_, id, _ string) (bot, shared bool) { return id == "ci", id == "ops" }}}
	for _, tc := range []struct {
		user        string
		named       bool
		bot, shared bool
		mail        string
	}{
		{"", false, false, false, ""},
		{"system:serviceaccount:a:b", false, false, false, ""},
		{"system:serviceaccount:a", true, true, false, ""},
		{"system:kube-controller-manager", true, true, false, ""},
		{"ci", true, true, false, ""},
		{"ops", true, false, true, ""},
		{"ines@example.test", true, false, false, "ines@example.test"},
	} {
		p, ok := r.requester("prod", tc.user)
		if ok != tc.named || p.Names.Bot != tc.bot || p.Names.Shared != tc.shared || p.Names.Mail != tc.mail {
			t.Errorf("%q: got %+v, %v", tc.user, p, ok)
		}
	}
}

func object(t testing.TB, at time.Time, kind, ns, name, uid string, spec, status any, annotations map[string]string) *kube.Object {
	t.Helper()
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"namespace": ns, "name": name, "uid": uid, "resourceVersion": "1",
		"creationTimestamp": now.Add(-time.Hour).Format(time.RFC3339), "annotations": annotations}, "spec": spec, "status": status})
	if err != nil {
		t.Fatal(err)
	}
	o, err := kube.ParseObject(b, at)
	if err != nil {
		t.Fatal(err)
	}
	o.APIVersion, o.Kind = "cert-manager.io/v1", kind
	return o
}

// An issuance whose request nobody saw is a blind stretch in its namespace,
// since the look before.
func TestMissedIssuances(t *testing.T) {
	var m memory
	cert := func(at time.Time, uid string, rev int64) {
		m.certificate(object(t, at, "Certificate", "tenant-7", "web", uid, nil, nil, nil), rev, "web-tls", false)
	}
	t1, t2, t3, t4, t5, t6 := now.Add(time.Minute), now.Add(2*time.Minute), now.Add(3*time.Minute), now.Add(4*time.Minute), now.Add(5*time.Minute), now.Add(6*time.Minute)
	step := func(at time.Time, want int64) {
		t.Helper()
		m.settle(at)
		seen := m.claims("prod")
		if want == 0 && len(seen) > 0 || want > 0 && (len(seen) != 1 || seen[0].Class != evidence.Blind || seen[0].Scope.String() != "ns:prod/tenant-7" || seen[0].Cause != missedCause(want)) {
			t.Errorf("at %s: claims %+v, want %d missed", at, seen, want)
		}
		if want > 0 && (seen[0].From.After(seen[0].To) || !seen[0].To.Equal(at)) {
			t.Errorf("at %s: blind from %s to %s", at, seen[0].From, seen[0].To)
		}
	}
	cert(t1, "u1", 4) // the first look: what was before is nobody's claim
	m.request("tenant-7", "web", 4)
	step(t1, 0)
	m.request("tenant-7", "web", 5)
	cert(t2, "u1", 5)
	step(t2, 0)
	m.request("tenant-7", "web", 8) // 6 and 7 were dropped by the history limit
	cert(t3, "u1", 8)
	step(t3, 2)
	cert(t4, "u1", 9)
	step(t4, 1)
	cert(t5, "u1", 1) // its status was lost
	step(t5, 0)
	cert(t6, "u2", 3) // made anew under its name, before the last look as far as is known
	step(t6, 0)

	// Across a restart.
	b, err := json.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	m = memory{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	cert(now.Add(7*time.Minute), "u2", 4)
	step(now.Add(7*time.Minute), 1)
	if got := m.secretOf("tenant-7", "web"); got != "web-tls" {
		t.Errorf("the Secret of a known certificate: %q", got)
	}
	// Made since the last look and renewed before we saw it.
	late := object(t, now.Add(9*time.Minute), "Certificate", "tenant-7", "new", "u9", nil, nil, nil)
	late.CreatedAt = now.Add(8 * time.Minute)
	m.certificate(late, 2, "new-tls", false)
	m.request("tenant-7", "new", 2)
	step(now.Add(9*time.Minute), 1)
	// A certificate that was not seen for long is forgotten.
	m.settle(now.Add(forgetAfter + 48*time.Hour))
	if len(m.Certs) != 0 {
		t.Errorf("%d certificates are remembered for ever", len(m.Certs))
	}
}

// What may be a secret in an issuer is nowhere, not even in its bytes.
func TestSecretsAreTakenOut(t *testing.T) {
	ds, _, _ := look(t)
	for _, d := range ds {
		for _, word := range []string{"planted-pass", "planted-solver-key", "planted-token-of-challenge"} {
			if strings.Contains(string(d.Content)+string(d.Raw), word) {
				t.Errorf("%q found in a draft of %s", word, d.Subject)
			}
		}
	}
}

func TestNotes(t *testing.T) {
	_, r, l := look(t)
	if _, err := r.settle(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	var o evidence.Observation
	r.observe(&o)
	want := []string{
		"1 certificates keep their newest request alone (revisionHistoryLimit 1): what came before is gone at each renewal",
		"ACME: challenge invalid, 1 times", "ACME: order errored, 1 times",
	}
	if d := cmp.Diff(want, o.Notes); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
	if n := l.Notes(); !slices.Contains(n, "the signing request of a certificate request cannot be read; the rest of it is kept") {
		t.Errorf("notes of the look: %q", n)
	}
	o = evidence.Observation{}
	if r.observe(&o); len(o.Notes) > 0 {
		t.Errorf("said again: %q", o.Notes)
	}
}

func TestHosts(t *testing.T) {
	for in, want := range map[string]string{
		"Web.Example.test.": "web.example.test", "*.example.test": "*.example.test", "192.0.2.7": "192.0.2.7", "2001:DB8::1": "2001:db8::1",
		"spiffe://a/b": "", "": "", "(3 more names)": "", "a@b.test": "",
	} {
		got, ok := hostOf(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v", in, got, ok)
		}
	}
}

// What somebody wrote into an object never breaks the run: the draft shrinks.
func TestHugeNames(t *testing.T) {
	var many []string
	for range 2000 {
		many = append(many, strings.Repeat("<", 250)+string(rune('a'+len(many)%26))+time.Duration(len(many)).String())
	}
	r := &reader{told: map[string]bool{}}
	l := kube.NewLook("cert-manager/prod", agent, now)
	o := object(t, now, "Certificate", "tenant-7", "web", "u1", map[string]any{"dnsNames": many, "secretName": "x"}, nil, nil)
	ds, err := r.certificates(t.Context(), o, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := ds[0].Check(); err != nil {
		t.Error(err)
	}
	if f := evidencetest.Decode[evidence.CertDeclaredFacts](t, ds[0]); len(f.Names) == 0 {
		t.Error("no name is left")
	}
}

func TestLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/certmanager/role.yaml"), (&reader{}).resources())
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "cert-manager/prod", Clock: time.Now, Log: slog.New(slog.DiscardHandler)}
	cfg := Spec().Config().(*Config)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Server, cfg.TokenFile = "https://cluster.example.test", token
	c, err := Spec().New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	looktest.Works(t, c, true)
	cfg.TokenFile = ""
	if _, err := Spec().New(cfg, env); !problem.Is(err, problem.Config) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := Spec().New(env, env); !problem.Is(err, problem.Internal) {
		t.Errorf("a config of another type: %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	for _, raw := range kubetest.Objects(f, objectsFile)["certificaterequests.cert-manager.io"] {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := kube.ParseObject(raw, now)
		if err != nil {
			return
		}
		o.APIVersion, o.Kind = "cert-manager.io/v1", "CertificateRequest"
		r := &reader{told: map[string]bool{}}
		l := kube.NewLook("cert-manager/prod", agent, now)
		for _, drafts := range []func() ([]evidence.Draft, error){
			func() ([]evidence.Draft, error) { return r.requests(t.Context(), o, l) },
			func() ([]evidence.Draft, error) { return r.certificates(t.Context(), o, l) },
			func() ([]evidence.Draft, error) { return r.issuers(t.Context(), o, l) },
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

func BenchmarkRequest(b *testing.B) {
	raw := kubetest.Objects(b, objectsFile)["certificaterequests.cert-manager.io"][0]
	r := &reader{told: map[string]bool{}}
	l := kube.NewLook("cert-manager/prod", agent, now)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		o, err := kube.ParseObject(raw, now)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.requests(b.Context(), o, l); err != nil {
			b.Fatal(err)
		}
	}
}

// An issuer of the cluster is told to every tenant: whose the hosts and zones of
// its solvers are goes with it.
// Members that cert-manager took up later: a subject as text, other names, a
// renewal that is switched off, and who logs in at a provider of DNS.
func TestLaterMembers(t *testing.T) {
	r := &reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}
	l := kube.NewLook("cert-manager/prod", agent, now)
	give := func(kind, raw string) evidence.Draft {
		t.Helper()
		rs := r.resources()
		res := rs[slices.IndexFunc(rs, func(x kube.Resource) bool { return x.Kind == kind })]
		o, err := kube.ParseObject([]byte(raw), now, res.Remove...)
		if err != nil {
			t.Fatal(err)
		}
		o.APIVersion, o.Kind = res.Group+"/v1", kind
		ds, err := res.Drafts(t.Context(), o, l)
		if err != nil || len(ds) != 1 || ds[0].Check() != nil {
			t.Fatalf("%d drafts, %v", len(ds), err)
		}
		return ds[0]
	}
	d := give("Certificate", `{"metadata":{"name":"web","namespace":"tenant-7","uid":"c-1"},"spec":{"secretName":"web-tls","issuerRef":{"name":"ca"},
		"literalSubject":"O=Shop\\, Inc,CN=web.shop.example","otherNames":[{"oid":"1.3.6.1.4.1.311.20.2.3","utf8Value":"mira@shop.example"},{"oid":"1.2.3","utf8Value":"device-9"}],
		"renewal":{"policy":"Disabled"}}}`)
	f := evidencetest.Decode[evidence.CertDeclaredFacts](t, d)
	if !slices.Equal(f.Names, []string{"web.shop.example"}) || f.Renewal != "Disabled" {
		t.Errorf("got %+v", f)
	}
	if len(d.People) != 1 || d.People[0].NativeID != "mira@shop.example" {
		t.Errorf("people %+v", d.People)
	}
	for subject, want := range map[string]string{
		"": "", "O=Shop": "", "cn = a.example ,O=Shop": "a.example", `CN=Shop\, a`: "Shop, a", `CN=\C3\A4`: "", "CN=#04024869": "", "OU=x+2.5.4.3=b.example": "b.example", "O=CN": "",
	} {
		if got := commonName(subject); got != want {
			t.Errorf("the name of %q is %q, want %q", subject, got, want)
		}
	}

	d = give("ClusterIssuer", `{"metadata":{"name":"acme","uid":"i-1"},"spec":{"acme":{"server":"https://acme.example/dir","email":"ops@shop.example","solvers":[
		{"dns01":{"cloudflare":{"email":"nils@shop.example"}}},{"http01":{}}]}}}`)
	if len(d.People) != 2 || d.People[1].NativeID != "nils@shop.example" {
		t.Errorf("people %+v", d.People)
	}
	d = give("ClusterIssuer", `{"metadata":{"name":"vault","uid":"i-2"},"spec":{"vault":{"server":"https://vault.example","path":"pki/sign/web","auth":{"appRole":{"path":"approle","roleId":"planted-role","secretRef":{"name":"s"}}}}}}`)
	if strings.Contains(string(d.Raw), "planted") || !slices.Contains(d.Removed, "/spec/vault/auth/appRole/roleId") {
		t.Errorf("removed %q from %s", d.Removed, d.Raw)
	}
	d = give("ClusterIssuer", `{"metadata":{"name":"ngts","uid":"i-3"},"spec":{"venafi":{"zone":"z","ngts":{"url":"https://ngts.example/api?key=planted"}}}}`)
	if f := evidencetest.Decode[evidence.CertIssuerFacts](t, d); f.Type != "venafi" || f.Server != "https://ngts.example/api" {
		t.Errorf("got %+v", f)
	}
}

func TestHostsOfIssuer(t *testing.T) {
	r := &reader{env: collectors.Env{Source: "cert-manager/prod"}, told: map[string]bool{}}
	l := kube.NewLook("cert-manager/prod", agent, now)
	raw := `{"apiVersion":"cert-manager.io/v1","kind":"ClusterIssuer","metadata":{"name":"acme","uid":"i-1","resourceVersion":"1"},"spec":{"acme":{"server":"https://acme.example/dir","solvers":[` +
		`{"http01":{}},{"selector":{"dnsNames":["shop.tenant-7.example",""],"dnsZones":["tenant-8.example"]}}]}}}`
	o, err := kube.ParseObject([]byte(raw), now)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := r.issuers(t.Context(), o, l)
	if err != nil {
		t.Fatal(err)
	}
	host := func(name string) evidence.Ref { return evidence.NewRef("host", "prod", name) }
	want := []evidence.Mention{{Of: [][]evidence.Ref{{host("shop.tenant-7.example")}, {host("tenant-8.example"), host("*.tenant-8.example")}}}}
	if diff := cmp.Diff(want, ds[0].Mentions); diff != "" {
		t.Errorf("whose the hosts are (-want +got):\n%s", diff)
	}
	if err := ds[0].Check(); err != nil {
		t.Error(err)
	}
}
