package certmanager

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/certs"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const group = "cert-manager.io"

// maxHosts bounds the host names one draft links to; a certificate with more
// names has them in its facts.
const maxHosts = 150

// links collects join keys without repeats, up to the limits of a draft.
type links []evidence.Ref

func (l *links) add(r evidence.Ref) {
	if len(*l) < evidence.MaxLinks && r.Name != "" && len(r.String()) <= evidence.MaxRef && !slices.Contains(*l, r) {
		*l = append(*l, r)
	}
}

// secret adds the Secret that holds a certificate; no name adds nothing.
func (l *links) secret(authority, namespace, name string) {
	if name != "" {
		l.add(evidence.NewRef("copy", authority, namespace+"/"+name))
	}
}

// hosts adds the names a certificate is for, in the form in which the live
// probe names its endpoints.
func (l *links) hosts(authority string, names []string) {
	n := 0
	for _, name := range names {
		if host, ok := hostOf(name); ok && n < maxHosts {
			l.add(evidence.NewRef("host", authority, host))
			n++
		}
	}
}

// hostOf returns the host in a name of a certificate: a DNS name in lower case
// and without the root's dot, or an address.
func hostOf(name string) (string, bool) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String(), true
	}
	if u, err := url.Parse(name); err == nil && u.Scheme != "" {
		return "", false // a URI names an identity, no endpoint
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, name != "" && !strings.ContainsAny(name, "/ @(")
}

// withDefaults fills in what the API leaves out.
func (r issuerRef) withDefaults() issuerRef {
	if r.Kind == "" {
		r.Kind = "Issuer"
	}
	if r.Group == "" {
		r.Group = group
	}
	return r
}

// ref names the issuer. Issuers of other groups follow the same custom: a kind
// that begins with Cluster belongs to no namespace.
func (r issuerRef) ref(authority, namespace string) evidence.Ref {
	r = r.withDefaults()
	if r.Name == "" {
		return evidence.Ref{}
	}
	if strings.HasPrefix(r.Kind, "Cluster") {
		namespace = ""
	}
	return kube.RefOf(authority, r.Group, r.Kind, namespace, r.Name)
}

// names returns the names of a certificate as facts hold them, and the mail
// addresses among them.
func names(lists ...[]string) (names, mails []string) {
	for _, n := range slices.Concat(lists...) {
		if u, err := url.Parse(n); err == nil && u.Scheme != "" && u.User != nil {
			u.User = nil
			n = u.String()
		}
		n = collectors.WithoutCredentials(n)
		clean, mail := certs.Name(n)
		switch {
		case mail:
			mails = append(mails, n)
		case clean != "" && !slices.Contains(names, clean):
			names = append(names, clean)
		}
	}
	return names[:min(len(names), maxNames)], mails
}

// maxNames bounds the names listed in facts.
const maxNames = 500

// word returns a reason as facts hold it.
func word(s string) string {
	w, mail := certs.Name(s)
	if mail {
		return "{mail}"
	}
	return w
}
