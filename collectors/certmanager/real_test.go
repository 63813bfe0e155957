package certmanager

import (
	"bytes"
	"os"
	"regexp"
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

// The recorded objects are taken by cert-manager's own definitions on a real
// API server, and come back as the same facts.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	template := regexp.MustCompile(`'?\{\{[^}]*\}\}'?`) // the module ships parts of a chart
	for _, crd := range kubetest.CRDs(t, "github.com/cert-manager/cert-manager@v1.18.2", "deploy/crds/crd-*.yaml") {
		s.Install(template.ReplaceAll(bytes.TrimSpace(crd), []byte("test")))
	}
	kinds := map[string]string{}
	for _, r := range (&reader{}).resources() {
		kinds[r.Resource+"."+r.Group] = r.Kind
	}
	// Orders and challenges lack members that nobody reads but the server asks
	// for; two conditions of one type it refuses.
	skip := []string{"mail-ca", "web-tls-6-1", "api-tls-1-1", "api-tls-1-1-2"}
	s.Fill(objectsFile, kinds, skip...)

	cfg := Config{kube.DefaultConfig()}
	cfg.Server, cfg.CAFile, cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	c, err := New(cfg, collectors.Env{Source: "cert-manager/prod", Clock: time.Now})
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
	recorded, _, _ := look(t)
	if got, want := summary(t, rec.Drafts), summary(t, recorded); !slices.Equal(got, slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "mail-ca") })) {
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
	for _, d := range ds {
		name := strings.TrimSuffix(d.Subject.Name, "#"+d.Subject.UID)
		switch d.Kind {
		case evidence.CertDeclared:
			f := evidencetest.Decode[evidence.CertDeclaredFacts](t, d)
			out = append(out, strings.Join([]string{name, f.Secret, f.Ready, f.Reason, f.IssuerKind, f.NotAfter.String(), strings.Join(f.Names, " "), f.KeyRotation}, " "))
		case evidence.CertRequest:
			f := evidencetest.Decode[evidence.CertRequestFacts](t, d)
			out = append(out, strings.Join([]string{name, f.Approval, f.Status, f.Reason, f.Account, f.RequestedKey, f.ApprovedAt.String()}, " "))
		case evidence.CertIssuer:
			f := evidencetest.Decode[evidence.CertIssuerFacts](t, d)
			out = append(out, strings.Join([]string{name, f.Type, f.Server, f.Ready, f.Reason}, " "))
		}
	}
	slices.Sort(out)
	return out
}
