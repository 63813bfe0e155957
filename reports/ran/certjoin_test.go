package ran_test

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/ran"
)

// addCert declares tenant-7/web for *.t7.example, by the cluster's issuer.
func addCert(l *evidencetest.Log, ready string) {
	f := evidence.CertDeclaredFacts{Cluster: "prod", Namespace: "tenant-7", Name: "web", UID: "uid-c", Secret: "web-tls", Names: []string{"*.t7.example"}, IssuerKind: "ClusterIssuer", IssuerName: "ca", Ready: ready, Reason: "Expired"}
	d := object(evidence.CertDeclared, at(3, 0, 0, 0), evidence.NewRef("object", "prod", "Certificate.cert-manager.io/tenant-7/web").WithUID("uid-c"), f)
	d.Source = "certmanager/prod"
	l.AddDraft(d)
	i := object(evidence.CertIssuer, at(2, 0, 0, 0), evidence.NewRef("object", "prod", "ClusterIssuer.cert-manager.io//ca").WithUID("uid-i"), evidence.CertIssuerFacts{Cluster: "prod", Kind: "ClusterIssuer", Name: "ca", Type: "ca", Ready: ready})
	i.Source = "certmanager/prod"
	l.AddDraft(i)
}

func addRequest(l *evidencetest.Log, name, status, fingerprint string, when time.Time, byCert bool) {
	f := evidence.CertRequestFacts{Cluster: "prod", Namespace: "tenant-7", Name: name, UID: "uid-" + name, Certificate: "web", IssuerKind: "ClusterIssuer", IssuerName: "ca", Requester: -1, Account: "cert-manager/cert-manager", Approval: "approved", Status: status}
	if status == "issued" {
		f.IssuedAt, f.Cert = when, &evidence.CertFacts{Fingerprint: fingerprint}
	} else {
		f.FailedAt = when
	}
	d := object(evidence.CertRequest, when, evidence.NewRef("object", "prod", "CertificateRequest.cert-manager.io/tenant-7/"+name).WithUID(f.UID), f)
	d.Op, d.Key, d.Source = evidence.OpEvent, f.UID, "certmanager/prod"
	d.Links = []evidence.Ref{evidence.NewRef("copy", "prod", "tenant-7/web-tls")}
	if byCert {
		d.Links = []evidence.Ref{evidence.NewRef("object", "prod", "Certificate.cert-manager.io/tenant-7/web")}
	}
	l.AddDraft(d)
}

func addProbe(l *evidencetest.Log, host, fingerprint string) {
	l.Add(evidence.CertState, evidence.OpSet, at(14, 0, 0, 0), evidence.CertFacts{Endpoint: host + ":443", SNI: host, Subject: "CN=web", Fingerprint: fingerprint, NotAfter: asked.AddDate(0, 0, 80)})
}

func TestCertificatesJoined(t *testing.T) {
	for _, c := range []struct {
		name   string
		add    func(l *evidencetest.Log)
		served ran.Served
		says   string
	}{
		{"newest", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "issued", "f1", at(5, 0, 0, 0), false)
			addRequest(l, "web-2", "issued", "f2", at(10, 0, 0, 0), false)
			addRequest(l, "web-3", "issued", "f3", at(14, 15, 0, 0), false) // after the instant
			addProbe(l, "a.t7.example", "f2")
		}, ran.ServesNewest, "1 valid for 30 days and longer"},
		{"by the certificate", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "issued", "f1", at(5, 0, 0, 0), true)
			addProbe(l, "a.t7.example", "f1")
		}, ran.ServesNewest, "1 valid"},
		{"older", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "issued", "f1", at(5, 0, 0, 0), false)
			addRequest(l, "web-2", "issued", "f2", at(10, 0, 0, 0), false)
			addProbe(l, "a.t7.example", "f1")
		}, ran.ServesOlder, "an older one than request web-2 brought at 10 Nov 00:00 UTC"},
		{"other", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "issued", "f1", at(5, 0, 0, 0), false)
			addProbe(l, "a.t7.example", "f9")
		}, ran.ServesOther, "but not the one that request web-1 brought"},
		{"no request", func(l *evidencetest.Log) { addProbe(l, "a.t7.example", "f1") }, ran.ServesUntold, "1 valid"},
		{"another name", func(l *evidencetest.Log) { addProbe(l, "a.b.t7.example", "f1") }, "", "no endpoint that serves it was observed"},
		{"renewal failed", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "issued", "f1", at(5, 0, 0, 0), false)
			addRequest(l, "web-2", "failed", "", at(12, 0, 0, 0), false)
			addProbe(l, "a.t7.example", "f1")
		}, ran.ServesNewest, "its newest request web-2 ended failed at 12 Nov 00:00 UTC"},
		{"failed before", func(l *evidencetest.Log) {
			addRequest(l, "web-1", "failed", "", at(5, 0, 0, 0), false)
			addRequest(l, "web-2", "issued", "f2", at(12, 0, 0, 0), false)
			addProbe(l, "a.t7.example", "f2")
		}, ran.ServesNewest, "1 valid"},
		{"not ready", func(l *evidencetest.Log) {
			addCert(l, "False")
			addProbe(l, "a.t7.example", "f2")
		}, ran.ServesUntold, "tenant-7/web: declared, not ready: Expired; ClusterIssuer ca is not ready"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			addCert(l, "True")
			c.add(l)
			a, text := build(t, l, asked, ran.Options{})
			flat := strings.Join(strings.Fields(text), " ")
			if len(a.Certs) != 1 || a.Certs[0].Served != c.served || !strings.Contains(flat, c.says) {
				t.Errorf("certificates %+v, want served %q and %q:\n%s", a.Certs, c.served, c.says, text)
			}
			if c.name == "failed before" && strings.Contains(flat, "newest request") {
				t.Errorf("a failure that was made good is told:\n%s", text)
			}
		})
	}
}
