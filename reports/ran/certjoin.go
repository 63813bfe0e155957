package ran

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// DeclaredCert is a certificate that a cluster asks to exist, with the newest
// request that was issued for it by the instant.
type DeclaredCert struct {
	Name      string    `json:"name"` // namespace/name
	Cluster   string    `json:"cluster"`
	Names     []string  `json:"names,omitempty"`
	Secret    string    `json:"secret,omitempty"`
	Ready     string    `json:"ready,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	NotAfter  time.Time `json:"not_after,omitzero"` // as the cluster last saw it in the Secret
	Issuer    string    `json:"issuer"`             // kind and name
	IssuerIs  string    `json:"issuer_ready,omitempty"`
	Issued    *Issued   `json:"issued,omitempty"`
	Failed    *Issued   `json:"newest_failed,omitempty"` // a newer request that came to nothing
	Requests  Seen      `json:"requests_observed"`
	Endpoints []string  `json:"endpoints,omitempty"` // that serve one of its names
	Seqs      []uint64  `json:"records"`

	older []string // fingerprints issued before
}

// Issued is one request for a certificate and what came of it.
type Issued struct {
	Request     string    `json:"request"`
	At          time.Time `json:"at,omitzero"`
	Status      string    `json:"status"`
	Approval    string    `json:"approval"`
	By          string    `json:"asked_by,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Seq         uint64    `json:"record"`
}

// Served says how what an endpoint shows compares with what was issued.
type Served string

// The answers.
const (
	ServesNewest Served = "newest"    // what was issued last
	ServesOlder  Served = "older"     // what was issued before that
	ServesOther  Served = "other"     // none of the certificates issued for it that are known
	ServesUntold Served = "not-known" // it is declared, and no issued request is known
)

// requestsRead bounds how many requests of one certificate are read.
const requestsRead = 32

// declaredCerts reads what the clusters declare, with what was issued.
func (b *builder) declaredCerts(ctx context.Context) error {
	ready := map[string]string{}
	err := states(ctx, b, evidence.CertIssuer, func(rec *evidence.Record, f evidence.CertIssuerFacts) {
		ready[key(f.Cluster, f.Kind, f.Namespace, f.Name)] = f.Ready
		b.cite(rec)
	})
	if err != nil {
		return err
	}
	var recs []evidence.Record
	err = states(ctx, b, evidence.CertDeclared, func(rec *evidence.Record, f evidence.CertDeclaredFacts) {
		ns := f.Namespace
		if strings.HasPrefix(f.IssuerKind, "Cluster") {
			ns = ""
		}
		b.a.CertsDeclared = append(b.a.CertsDeclared, DeclaredCert{
			Name: f.Namespace + "/" + f.Name, Cluster: f.Cluster, Names: f.Names, Secret: f.Secret, Ready: f.Ready, Reason: f.Reason, NotAfter: f.NotAfter,
			Issuer: f.IssuerKind + " " + f.IssuerName, IssuerIs: ready[key(f.Cluster, f.IssuerKind, ns, f.IssuerName)],
			Requests: b.seenAt(evidence.CertRequest), Seqs: []uint64{rec.Seq},
		})
		recs = append(recs, *rec)
		b.cite(rec)
	})
	if err != nil {
		return err
	}
	for i := range recs {
		if err := b.issued(ctx, &b.a.CertsDeclared[i], &recs[i]); err != nil {
			return err
		}
	}
	return nil
}

// issued finds the requests of one certificate: they link the Secret that it
// goes into, or the certificate itself without its uid.
func (b *builder) issued(ctx context.Context, d *DeclaredCert, rec *evidence.Record) error {
	ns, name, _ := strings.Cut(d.Name, "/")
	subject := rec.Subject
	subject.UID = ""
	for _, link := range []evidence.Ref{subject, evidence.NewRef("copy", d.Cluster, ns+"/"+d.Secret)} {
		recs, err := newest(b.r.Records(ctx, evidence.Query{
			Kinds: []evidence.Kind{evidence.CertRequest}, Link: link, Period: until(b.at), Backward: true, Limit: requestsRead,
		}))
		if err != nil {
			return err
		}
		for i := range recs {
			if err := b.request(ctx, d, &recs[i], name); err != nil {
				return err
			}
		}
		if d.Issued != nil || d.Failed != nil {
			break
		}
	}
	if d.Issued != nil && d.Failed != nil && d.Issued.At.After(d.Failed.At) {
		d.Failed = nil
	}
	return nil
}

func (b *builder) request(ctx context.Context, d *DeclaredCert, rec *evidence.Record, name string) error {
	var f evidence.CertRequestFacts
	if rec.Decode(&f) != nil || f.Certificate != name && f.Certificate != "" {
		return nil
	}
	is := Issued{Request: f.Name, Status: f.Status, Approval: f.Approval, Seq: rec.Seq}
	switch f.Status {
	case "issued":
		is.At = cmp.Or(f.IssuedAt, rec.Occurred)
		if f.Cert != nil {
			is.Fingerprint = f.Cert.Fingerprint
		}
	case "failed", "denied", "invalid":
		is.At = cmp.Or(f.FailedAt, rec.Occurred)
	default:
		return nil // nothing has come of it yet
	}
	if is.At.After(b.at) {
		return nil
	}
	by, err := b.who(ctx, rec, f.Requester)
	if err != nil {
		return err
	}
	switch {
	case by != nil:
		is.By = by.Label
	case f.Account != "":
		is.By = "account " + f.Account
	}
	newest := &d.Issued
	if f.Status != "issued" {
		newest = &d.Failed
	}
	switch old := *newest; {
	case old != nil && !is.At.After(old.At):
		if f.Status == "issued" {
			d.older = with(d.older, is.Fingerprint)
		}
		return nil
	case old != nil && f.Status == "issued":
		d.older = with(d.older, old.Fingerprint)
	}
	*newest = &is
	d.Seqs = append(d.Seqs, rec.Seq)
	b.cite(rec)
	return nil
}

// join says which declared certificate an endpoint's is, and whether it shows
// the one that was issued last.
func (b *builder) join(c *Certificate, f *evidence.CertFacts) {
	host, _, _ := strings.Cut(f.Endpoint, ":")
	host = strings.ToLower(cmp.Or(f.SNI, host))
	for i := range b.a.CertsDeclared {
		d := &b.a.CertsDeclared[i]
		newest := d.Issued != nil && d.Issued.Fingerprint != "" && d.Issued.Fingerprint == f.Fingerprint
		older := slices.Contains(d.older, f.Fingerprint) && f.Fingerprint != ""
		named := host != "" && slices.ContainsFunc(d.Names, func(n string) bool { return covers(n, host) })
		// Of several that declare the name, the one whose issue is served.
		if !newest && !older && (!named || c.Declared != "") {
			continue
		}
		c.Declared = d.Name
		d.Endpoints = with(d.Endpoints, c.Place)
		switch {
		case newest:
			c.Served = ServesNewest
			return
		case older:
			c.Served = ServesOlder
		case d.Issued == nil || d.Issued.Fingerprint == "":
			c.Served = ServesUntold
		default:
			c.Served = ServesOther
		}
	}
}

// covers reports whether a name of a certificate is for the host: itself, or
// one label under a wildcard (RFC 6125, section 6.4.3).
func covers(name, host string) bool {
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		_, under, has := strings.Cut(host, ".")
		return has && under == rest
	}
	return name == host
}

// joinWords says what stands behind the certificate of an endpoint; bad when
// that needs to be told even though the certificate is valid.
func (a *Answer) joinWords(c *Certificate) (says string, bad bool) {
	i := slices.IndexFunc(a.CertsDeclared, func(d DeclaredCert) bool { return d.Name == c.Declared })
	if c.Declared == "" || i < 0 {
		return "", false
	}
	d := &a.CertsDeclared[i]
	switch c.Served {
	case ServesNewest:
		return fmt.Sprintf("declared as %s, from request %s of %s UTC", d.Name, d.Issued.Request, reports.Near(d.Issued.At, a.At)), false
	case ServesOlder:
		return fmt.Sprintf("declared as %s, an older one than request %s brought at %s UTC", d.Name, d.Issued.Request, reports.Near(d.Issued.At, a.At)), true
	case ServesOther:
		return fmt.Sprintf("declared as %s, but not the one that request %s brought at %s UTC (records %d, %d)", d.Name, d.Issued.Request, reports.Near(d.Issued.At, a.At), c.Seq, d.Issued.Seq), true
	}
	return fmt.Sprintf("declared as %s, whose requests were not observed", d.Name), false
}

// textDeclaredCerts tells of declared certificates what the endpoints do not.
func (a *Answer) textDeclaredCerts(p *printer, label string) {
	for i := range a.CertsDeclared {
		d := &a.CertsDeclared[i]
		var parts []string
		if d.Ready != "True" && d.Ready != "" {
			parts = append(parts, "not ready: "+cmp.Or(d.Reason, "no reason given"))
		}
		if d.IssuerIs != "" && d.IssuerIs != "True" {
			parts = append(parts, d.Issuer+" is not ready")
		}
		if f := d.Failed; f != nil {
			parts = append(parts, fmt.Sprintf("its newest request %s ended %s at %s UTC (record %d)", f.Request, f.Status, reports.Near(f.At, a.At), f.Seq))
		}
		if len(d.Endpoints) == 0 {
			parts = append(parts, "no endpoint that serves it was observed")
		}
		if len(parts) > 0 {
			p.block(label, fmt.Sprintf("%s: declared, %s", d.Name, strings.Join(parts, "; ")))
			label = ""
		}
	}
}
