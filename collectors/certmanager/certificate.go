package certmanager

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"evidenced/collectors/certs"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// certificates makes the drafts of a Certificate.
func (r *reader) certificates(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in certificate
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f, mails := declaredFacts(o, l.Authority, &in)
	d, err := fit(evidence.CertDeclared, o, l, func(keep int) any {
		g := f
		g.Names = f.Names[:min(len(f.Names), keep)]
		return g
	})
	if err != nil {
		return nil, err
	}
	d.Links = declaredLinks(l.Authority, &f)
	d.People = certs.Mentioned(nil, mails, r.env.Mark)
	n := in.Spec.RevisionHistoryLimit
	r.memory.certificate(o, f.Revision, f.Secret, n != nil && *n <= 1)
	return []evidence.Draft{d}, nil
}

// fit makes a draft with as many names as its size limit allows.
func fit(kind evidence.Kind, o *kube.Object, l *kube.Look, facts func(keep int) any) (evidence.Draft, error) {
	for keep := maxNames; ; keep /= 2 {
		d, err := l.Draft(kind, o, facts(keep))
		if err != nil || len(d.Content) <= evidence.MaxContent {
			return d, err
		}
		if keep == 0 {
			return d, errTooLarge
		}
	}
}

var errTooLarge = errors.New("the facts are larger than a record can be")

// declaredFacts reads a Certificate; mails are addresses among its names.
func declaredFacts(o *kube.Object, authority string, in *certificate) (f evidence.CertDeclaredFacts, mails []string) {
	ref, st := in.Spec.IssuerRef.withDefaults(), &in.Status
	ready := st.Conditions.Of("Ready")
	f = evidence.CertDeclaredFacts{
		Cluster: authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Secret: in.Spec.SecretName, IssuerKind: ref.Kind, IssuerName: ref.Name, IssuerGroup: ref.Group,
		NotBefore: kube.Time(st.NotBefore), NotAfter: kube.Time(st.NotAfter), RenewalAt: kube.Time(st.RenewalTime),
		Ready: ready.Status, Reason: word(ready.Reason), Issuing: st.Conditions.Is("Issuing"),
		LastFailure: kube.Time(st.LastFailureTime), IsCA: in.Spec.IsCA, ResourceVersion: o.ResourceVersion,
	}
	f.Renewal = word(in.Spec.Renewal.Policy)
	cn := in.Spec.CommonName
	if cn == "" {
		cn = commonName(in.Spec.LiteralSubject)
	}
	f.Names, mails = names([]string{cn}, in.Spec.DNSNames, in.Spec.IPAddresses, in.Spec.URIs)
	if st.Revision != nil {
		f.Revision = *st.Revision
	}
	if st.FailedIssuanceAttempts != nil {
		f.FailedAttempts = int(*st.FailedIssuanceAttempts)
	}
	if k := in.Spec.PrivateKey; k != nil {
		f.KeyRotation = k.RotationPolicy
	}
	for _, n := range in.Spec.OtherNames { // a user principal name is an address
		if _, mail := certs.Name(n.UTF8Value); mail {
			mails = append(mails, n.UTF8Value)
		}
	}
	return f, append(mails, in.Spec.EmailAddresses...)
}

// literalCN finds the common name of a subject as RFC 4514 writes it, up to a
// comma or plus sign that is not escaped.
var literalCN = regexp.MustCompile(`(?i)(?:^|[,+])\s*(?:CN|2\.5\.4\.3)\s*=\s*((?:\\.|[^\\,+])*)`)

// hexPair is a byte as RFC 4514 may write it.
var hexPair = regexp.MustCompile(`\\[0-9A-Fa-f]{2}`)

// commonName returns the common name of a subject; "" when it has none, or one
// that is not written plainly.
func commonName(subject string) string {
	m := literalCN.FindStringSubmatch(subject)
	if m == nil || hexPair.MatchString(m[1]) || strings.HasPrefix(m[1], "#") {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(m[1], `\`, ""))
}

func declaredLinks(authority string, f *evidence.CertDeclaredFacts) []evidence.Ref {
	var l links
	l.secret(authority, f.Namespace, f.Secret)
	l.add(issuerRef{f.IssuerName, f.IssuerKind, f.IssuerGroup}.ref(authority, f.Namespace))
	l.hosts(authority, f.Names)
	return l
}
