package certmanager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strconv"
	"strings"

	"evidenced/collectors/certs"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// requests makes the draft of a CertificateRequest: one event, amended until it
// has ended.
func (r *reader) requests(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in request
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	a := readRequest(o, l.Authority, &in)
	if a.damaged != "" {
		l.Note("%s of a certificate request cannot be read; the rest of it is kept", a.damaged)
	}
	var people []evidence.Person
	if who, ok := r.requester(l.Authority, in.Spec.Username); ok {
		a.facts.Requester = 0
		people = append(people, who)
	}
	d, err := fit(evidence.CertRequest, o, l, func(keep int) any {
		f := a.facts
		f.Names = a.facts.Names[:min(len(a.facts.Names), keep)]
		if f.Cert != nil {
			crt := *f.Cert
			crt.SANs, crt.Chain = crt.SANs[:min(len(crt.SANs), keep)], crt.Chain[:min(len(crt.Chain), keep)]
			f.Cert = &crt
		}
		return f
	})
	if err != nil {
		return nil, err
	}
	if !o.CreatedAt.IsZero() {
		d.OccurredAt, d.Basis = o.CreatedAt, evidence.BasisSource
	}
	d.People = certs.Mentioned(people, a.mails, r.env.Mark)
	d.Links = a.links(l.Authority, r.memory.secretOf(o.Namespace, a.facts.Certificate))
	if ns, _, ok := strings.Cut(a.facts.Account, "/"); ok {
		d.ActorScope = []evidence.Ref{evidence.NewRef("ns", l.Authority, ns)}
	}
	r.memory.request(o.Namespace, a.facts.Certificate, a.facts.Revision)
	return []evidence.Draft{d}, nil
}

// asked is a request as read.
type asked struct {
	facts   evidence.CertRequestFacts
	mails   []string
	names   []string // asked for and given
	damaged string   // what could not be read
}

func readRequest(o *kube.Object, authority string, in *request) *asked {
	ref := in.Spec.IssuerRef.withDefaults()
	a := &asked{facts: evidence.CertRequestFacts{
		Cluster: authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Certificate: o.Annotations[annotationName], IssuerKind: ref.Kind, IssuerName: ref.Name, IssuerGroup: ref.Group,
		Requester: -1, Account: serviceAccount(in.Spec.Username),
		FailedAt: kube.Time(in.Status.FailureTime), CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}}
	// A revision that is no number is left out: no fact follows from it.
	if n, err := strconv.ParseInt(o.Annotations[annotationRevision], 10, 64); err == nil && n > 0 {
		a.facts.Revision = n
	}
	a.outcome(in.Status.Conditions)
	a.csr(in.Spec.Request)
	a.certificate(in.Status.Certificate)
	return a
}

// outcome reads the conditions. Denied is final, even beside Approved, which
// the API forbids.
func (a *asked) outcome(cs kube.Conditions) {
	f, ready, approved, denied := &a.facts, cs.Of("Ready"), cs.Of("Approved"), cs.Of("Denied")
	switch {
	case denied.Status == "True":
		f.Approval, f.ApprovalReason = "denied", word(denied.Reason)
	case approved.Status == "True":
		f.Approval, f.ApprovalReason, f.ApprovedAt = "approved", word(approved.Reason), approved.At()
	default:
		f.Approval = "waiting"
	}
	f.Reason = word(ready.Reason)
	switch {
	case f.Approval == "denied":
		f.Status = "denied"
	case cs.Is("InvalidRequest"):
		f.Status, f.Reason = "invalid", word(cs.Of("InvalidRequest").Reason)
	case ready.Status == "True":
		f.Status, f.IssuedAt = "issued", ready.At()
	case ready.Reason == "Failed", !f.FailedAt.IsZero():
		f.Status = "failed"
	default:
		f.Status = "waiting"
	}
}

// csr reads the key and the names asked for out of the signing request.
func (a *asked) csr(text []byte) {
	block, _ := pem.Decode(text)
	if block == nil {
		a.damaged = "the signing request"
		return
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		a.damaged = "the signing request"
		return
	}
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	a.facts.RequestedKey = hex.EncodeToString(sum[:])
	ips := make([]string, len(csr.IPAddresses))
	for i, ip := range csr.IPAddresses {
		ips[i] = ip.String()
	}
	uris := make([]string, len(csr.URIs))
	for i, u := range csr.URIs {
		uris[i] = u.String()
	}
	var mails []string
	a.facts.Names, mails = names([]string{csr.Subject.CommonName}, csr.DNSNames, ips, uris)
	a.names = append(a.names, a.facts.Names...)
	a.mails = append(append(a.mails, mails...), csr.EmailAddresses...)
}

// maxCerts bounds the chain read out of one request.
const maxCerts = 20

// certificate reads what came of the request.
func (a *asked) certificate(text []byte) {
	if len(bytes.TrimSpace(text)) == 0 {
		return
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil && len(chain) < maxCerts; block, rest = pem.Decode(rest) {
		crt, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			break
		}
		chain = append(chain, crt)
	}
	if len(chain) == 0 {
		a.damaged = "the certificate"
		return
	}
	f := certs.Facts(chain)
	f.Trusted, f.NameMatches = "not-checked", len(a.names) > 0
	for _, n := range a.names {
		if host, ok := hostOf(n); ok && chain[0].VerifyHostname(host) != nil {
			f.NameMatches = false
		}
	}
	a.facts.Cert = &f
	a.mails = append(a.mails, certs.MailsOf(chain)...)
	a.names = append(a.names, f.SANs...)
}

func (a *asked) links(authority, secret string) []evidence.Ref {
	f := &a.facts
	var l links
	if f.Certificate != "" {
		l.add(kube.RefOf(authority, group, "Certificate", f.Namespace, f.Certificate))
	}
	l.add(issuerRef{f.IssuerName, f.IssuerKind, f.IssuerGroup}.ref(authority, f.Namespace))
	l.secret(authority, f.Namespace, secret)
	if f.Account != "" {
		l.add(evidence.NewRef("account", authority, f.Account))
	}
	l.hosts(authority, a.names)
	return l
}

// serviceAccount returns namespace/name of a service account's user name; empty
// for any other.
func serviceAccount(username string) string {
	ns, name, ok := kube.ServiceAccount(username)
	if !ok {
		return ""
	}
	return ns + "/" + name
}

// requester returns the person who asked, as the API server logged them in;
// false when a service account did, or nobody is named.
func (r *reader) requester(authority, username string) (evidence.Person, bool) {
	if username == "" || serviceAccount(username) != "" {
		return evidence.Person{}, false
	}
	p := kube.User(authority, username, evidence.RoleInitiator, evidence.ProofAuthenticated)
	if r.env.Mark != nil {
		bot, shared := r.env.Mark(p.Realm, username, username)
		p.Names.Bot, p.Names.Shared = p.Names.Bot || bot, shared
	}
	return p, true
}
