package certmanager

import (
	"context"
	"net/url"
	"slices"

	"evidenced/collectors"
	"evidenced/collectors/certs"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// issuers makes the draft of an Issuer or a ClusterIssuer.
func (r *reader) issuers(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in issuer
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	d, err := l.Draft(evidence.CertIssuer, o, issuerFacts(o, l.Authority, &in))
	if err != nil {
		return nil, err
	}
	collectors.WithoutLogins(&d, agent)
	if o.Namespace == "" { // it may sign in every namespace
		d.Scope = append(d.Scope, l.Everywhere()...)
		d.Mentions = mentionHosts(l.Authority, &in)
		l.Spell(&d)
	}
	// The contact of an ACME account is a person, and stands in the bytes.
	var mails []string
	if a := in.Spec.ACME; a != nil && a.Email != "" {
		mails = append(mails, a.Email)
	}
	if a := in.Spec.ACME; a != nil {
		for _, s := range a.Solvers { // the login of its DNS provider
			if m := s.DNS01.Cloudflare.Email; m != "" && !slices.Contains(mails, m) {
				mails = append(mails, m)
			}
		}
	}
	if a := in.Status.ACME; a != nil && a.LastRegisteredEmail != "" {
		mails = append(mails, a.LastRegisteredEmail)
	}
	d.People = certs.Mentioned(nil, mails, r.env.Mark)
	return []evidence.Draft{d}, nil
}

// mentionHosts says whose the hosts are that the solvers of an issuer are meant
// for. They stand in its bytes alone.
func mentionHosts(authority string, in *issuer) []evidence.Mention {
	if in.Spec.ACME == nil {
		return nil
	}
	var m evidence.Mention
	host := func(name string) evidence.Ref { return evidence.NewRef("host", authority, name) }
	for _, s := range in.Spec.ACME.Solvers {
		for _, n := range s.Selector.DNSNames {
			if n != "" {
				m.Of = append(m.Of, []evidence.Ref{host(n)})
			}
		}
		for _, z := range s.Selector.DNSZones { // a zone is whose its hosts are
			if z != "" {
				m.Of = append(m.Of, []evidence.Ref{host(z), host("*." + z)})
			}
		}
	}
	if len(m.Of) == 0 {
		return nil
	}
	return []evidence.Mention{m}
}

func issuerFacts(o *kube.Object, authority string, in *issuer) evidence.CertIssuerFacts {
	ready := in.Status.Conditions.Of("Ready")
	f := evidence.CertIssuerFacts{
		Cluster: authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Type: "unknown",
		Ready: ready.Status, Reason: word(ready.Reason), ResourceVersion: o.ResourceVersion,
	}
	switch s := &in.Spec; {
	case s.ACME != nil:
		f.Type, f.Server = "acme", safeURL(s.ACME.Server)
	case s.CA != nil:
		f.Type = "ca"
	case s.Vault != nil:
		f.Type, f.Server = "vault", safeURL(s.Vault.Server)
	case s.Venafi != nil:
		f.Type = "venafi"
		if s.Venafi.TPP != nil {
			f.Server = safeURL(s.Venafi.TPP.URL)
		} else if s.Venafi.Cloud != nil {
			f.Server = safeURL(s.Venafi.Cloud.URL)
		} else if s.Venafi.NGTS != nil {
			f.Server = safeURL(s.Venafi.NGTS.URL)
		}
	case s.SelfSigned != nil:
		f.Type = "self-signed"
	}
	return f
}

// safeURL returns an address without user, query and fragment, which may hold
// credentials; what is no address is left out.
func safeURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return word(u.String())
}
