package timestamp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // RFC 2634 names certificates by it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Options is what a token is held against.
type Options struct {
	// Roots are the authorities' roots that the caller trusts. There is no
	// default: without roots nothing is verified.
	Roots *x509.CertPool
	// Intermediates helps to build the chain, besides the certificates in the
	// token. It adds no trust. May be nil.
	Intermediates *x509.CertPool
	// Policies are the authority policies that are accepted; none: any.
	Policies []asn1.ObjectIdentifier
	// Nonce is what the request held; nil when the token is read later.
	Nonce *big.Int
}

// Token is what a verified token says.
type Token struct {
	Time      time.Time             `json:"time"`     // UTC
	Accuracy  time.Duration         `json:"accuracy"` // nanoseconds, either way; 0: not said
	Policy    asn1.ObjectIdentifier `json:"-"`
	Serial    *big.Int              `json:"-"`
	Authority string                `json:"authority"` // subject of the certificate that signed
}

// NotAfter is the latest instant at which the stamped bytes can have come into
// being, as far as the authority says.
func (t *Token) NotAfter() time.Time { return t.Time.Add(t.Accuracy) }

// Verify checks a token (DER, without the response around it) over the imprint.
// The package comment says what that means and what is left out. The error
// names the first thing that is wrong.
func Verify(token []byte, imprint [32]byte, o Options) (*Token, error) {
	if o.Roots == nil {
		return nil, fmt.Errorf("time-stamp token: no trusted roots were given to verify it with")
	}
	return read(token, imprint, &o)
}

// Inspect reads a token over the imprint without saying that it is good: all of
// [Verify] but what needs roots, policies and nonce. A token that passes holds
// together, and may be made by anybody. It finds out a token that nobody could
// ever verify.
func Inspect(token []byte, imprint [32]byte) (*Token, error) { return read(token, imprint, nil) }

func read(token []byte, imprint [32]byte, o *Options) (*Token, error) {
	t, err := check(token, imprint, o)
	if err != nil {
		return nil, fmt.Errorf("time-stamp token: %w", err)
	}
	return t, nil
}

func check(token []byte, imprint [32]byte, o *Options) (*Token, error) {
	s, err := parse(token)
	if err != nil {
		return nil, err
	}
	cert, err := s.certificate()
	if err != nil {
		return nil, err
	}
	if err := s.checkSignature(cert); err != nil {
		return nil, err
	}
	t, err := parseInfo(s.content)
	if err != nil {
		return nil, err
	}
	if err := checkUsage(cert); err != nil {
		return nil, err
	}
	if o != nil {
		if err := s.checkChain(cert, t.time, o); err != nil {
			return nil, err
		}
		if err := t.checkWanted(o); err != nil {
			return nil, err
		}
	}
	if err := t.check(cert, imprint); err != nil {
		return nil, err
	}
	return &Token{Time: t.time.UTC(), Accuracy: t.accuracy, Policy: t.policy, Serial: t.serial, Authority: cert.Subject.String()}, nil
}

// certificate returns the certificate in the token that the signer names.
func (s *signed) certificate() (*x509.Certificate, error) {
	if len(s.certs) == 0 {
		return nil, fmt.Errorf("it carries no certificate")
	}
	for _, c := range s.certs {
		if bytes.Equal(c.RawIssuer, s.signer.issuer) && c.SerialNumber.Cmp(s.signer.serial) == 0 {
			return c, nil
		}
	}
	return nil, fmt.Errorf("it does not carry the certificate that signed")
}

// checkSignature checks the signed attributes and the signature over them.
func (s *signed) checkSignature(cert *x509.Certificate) error {
	attrs, err := s.signer.parseAttributes()
	if err != nil {
		return err
	}
	var kind asn1.ObjectIdentifier
	if err := attrs.value("content type", oidContentType, &kind); err != nil {
		return err
	}
	if !kind.Equal(oidTSTInfo) {
		return fmt.Errorf("the signed content type is %v, not a time-stamp", kind)
	}
	var digest []byte
	if err := attrs.value("message digest", oidMessageDigest, &digest); err != nil {
		return err
	}
	h := s.signer.digest.New()
	h.Write(s.content)
	if subtle.ConstantTimeCompare(digest, h.Sum(nil)) != 1 {
		return fmt.Errorf("the signed message digest is not that of the time-stamp")
	}
	// The signature is over the attributes as a SET (RFC 5652 section 5.4),
	// not under the tag they stand with.
	set, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: s.signer.attributes})
	if err != nil {
		return err
	}
	if err := cert.CheckSignature(s.signer.algorithm, set, s.signer.signature); err != nil {
		return fmt.Errorf("the signature is not good: %w", err)
	}
	return checkSigningCert(attrs, cert)
}

// attribute is a signed attribute: type and the content of its set of values.
type attribute struct {
	oid    asn1.ObjectIdentifier
	values []byte
}

type attributes []attribute

func (si *signerInfo) parseAttributes() (attributes, error) {
	var list attributes
	for in := (&elements{what: "signed attributes", rest: si.attributes}); len(in.rest) > 0; {
		one := inside("signed attribute", in.take("attribute", asn1.ClassUniversal, asn1.TagSequence))
		if in.err != nil {
			return nil, in.err
		}
		var a attribute
		one.into("type", &a.oid)
		a.values = one.take("values", asn1.ClassUniversal, asn1.TagSet).Bytes
		if err := one.done(); err != nil {
			return nil, err
		}
		if list.find(a.oid) != nil {
			return nil, fmt.Errorf("signed attribute %v stands twice", a.oid)
		}
		list = append(list, a)
	}
	return list, nil
}

func (l attributes) find(oid asn1.ObjectIdentifier) *attribute {
	for i := range l {
		if l[i].oid.Equal(oid) {
			return &l[i]
		}
	}
	return nil
}

// value reads an attribute that must have exactly one value.
func (l attributes) value(name string, oid asn1.ObjectIdentifier, dst any) error {
	a := l.find(oid)
	if a == nil {
		return fmt.Errorf("signed attribute %s is missing", name)
	}
	in := elements{what: "signed attribute " + name, rest: a.values}
	in.into("value", dst)
	return in.done()
}

// checkSigningCert holds the certificate against the attribute that names it,
// so that no other certificate of the same key stands in for it. At least one
// of the two forms must be there; each that is there must match.
func checkSigningCert(attrs attributes, cert *x509.Certificate) error {
	seen := false
	for _, form := range []struct {
		oid  asn1.ObjectIdentifier
		hash crypto.Hash // default
	}{{oidSigningCert, crypto.SHA1}, {oidSigningCertV2, crypto.SHA256}} {
		if attrs.find(form.oid) == nil {
			continue
		}
		seen = true
		var v asn1.RawValue
		if err := attrs.value("signing certificate", form.oid, &v); err != nil {
			return err
		}
		if err := matchSigningCert(v, form.hash, cert); err != nil {
			return err
		}
	}
	if !seen {
		return fmt.Errorf("signed attribute signing certificate is missing")
	}
	return nil
}

// matchSigningCert reads SigningCertificate or SigningCertificateV2 (RFC 5035).
// The first certificate named is the one that signed; further ones would
// restrict its chain and are not needed here.
func matchSigningCert(v asn1.RawValue, hash crypto.Hash, cert *x509.Certificate) error {
	const what = "signing certificate"
	outer := inside(what, v)
	list := inside(what, outer.take("list", asn1.ClassUniversal, asn1.TagSequence))
	outer.opt(asn1.ClassUniversal, asn1.TagSequence) // policies
	if err := outer.done(); err != nil {
		return err
	}
	id := inside(what, list.take("first certificate", asn1.ClassUniversal, asn1.TagSequence))
	if list.err != nil {
		return list.err
	}
	if hash != crypto.SHA1 {
		if next, _, ok := id.next(); ok && next.Tag == asn1.TagSequence && next.Class == asn1.ClassUniversal {
			oid := id.algorithm("hash algorithm")
			i := slices.IndexFunc(digestAlgorithms, func(d digestAlgorithm) bool { return d.oid.Equal(oid) })
			if i < 0 {
				return fmt.Errorf("%s: hash algorithm %v is not accepted", what, oid)
			}
			hash = digestAlgorithms[i].hash
		}
	}
	var sum []byte
	id.into("hash", &sum)
	is, named := id.opt(asn1.ClassUniversal, asn1.TagSequence)
	if err := id.done(); err != nil {
		return err
	}
	h := hash.New()
	h.Write(cert.Raw)
	if subtle.ConstantTimeCompare(sum, h.Sum(nil)) != 1 {
		return fmt.Errorf("the signed attributes name another certificate than the one that signed")
	}
	if !named {
		return nil
	}
	in := inside(what, is)
	names := inside(what, in.take("issuer", asn1.ClassUniversal, asn1.TagSequence))
	var serial *big.Int
	in.into("serial number", &serial)
	if err := in.done(); err != nil {
		return err
	}
	dir := inside(what, names.take("issuer name", asn1.ClassContextSpecific, 4))
	name := dir.any("issuer name").FullBytes
	if err := errors.Join(names.done(), dir.done()); err != nil {
		return err
	}
	if serial.Cmp(cert.SerialNumber) != 0 || !sameName(name, cert.RawIssuer) {
		return fmt.Errorf("the signed attributes name another certificate than the one that signed")
	}
	return nil
}

// sameName compares distinguished names. Their text is compared when their
// bytes differ: one name can be written with two string types.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y pkix.RDNSequence
	if _, err := asn1.Unmarshal(a, &x); err != nil {
		return false
	}
	if _, err := asn1.Unmarshal(b, &y); err != nil {
		return false
	}
	return x.String() == y.String()
}

// checkUsage requires what RFC 3161 section 2.3 asks of the certificate.
func checkUsage(cert *x509.Certificate) error {
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidExtKeyUsage) })
	switch {
	case i < 0:
		return fmt.Errorf("the certificate that signed has no extended key usage: it is not one for time-stamping")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageTimeStamping):
		return fmt.Errorf("the certificate that signed is not one for time-stamping")
	case len(cert.ExtKeyUsage) != 1 || len(cert.UnknownExtKeyUsage) != 0:
		return fmt.Errorf("the certificate that signed has other extended key usages beside time-stamping")
	case !cert.Extensions[i].Critical:
		return fmt.Errorf("the certificate that signed does not mark its extended key usage critical")
	case cert.KeyUsage != 0 && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return fmt.Errorf("the certificate that signed is not for signatures")
	}
	return nil
}

// checkChain builds a chain to the roots, valid at the token's time.
func (s *signed) checkChain(cert *x509.Certificate, at time.Time, o *Options) error {
	if at.Before(cert.NotBefore) || at.After(cert.NotAfter) {
		return fmt.Errorf("the certificate that signed is valid from %s to %s, not at the token's time %s",
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	between := x509.NewCertPool()
	if o.Intermediates != nil {
		between = o.Intermediates.Clone()
	}
	for _, c := range s.certs {
		between.AddCert(c)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("the certificate that signed does not lead to a trusted root")
	}
	if err != nil {
		return fmt.Errorf("the chain of the certificate that signed: %w", err)
	}
	return nil
}

// checkWanted compares the token with what the caller accepts.
func (t *info) checkWanted(o *Options) error {
	switch {
	case len(o.Policies) > 0 && !slices.ContainsFunc(o.Policies, t.policy.Equal):
		return fmt.Errorf("its policy %v is not one of those accepted", t.policy)
	case o.Nonce != nil && (t.nonce == nil || t.nonce.Cmp(o.Nonce) != 0):
		return fmt.Errorf("its nonce is not the one that was asked for")
	}
	return nil
}

// check holds the token against the imprint and against itself.
func (t *info) check(cert *x509.Certificate, imprint [32]byte) error {
	switch {
	case !t.hashAlg.Equal(oidSHA256):
		return fmt.Errorf("its imprint is made with %v, not SHA-256", t.hashAlg)
	case !bytes.Equal(t.hash, imprint[:]):
		return fmt.Errorf("it is for other bytes: imprint %s, want %s", hex.EncodeToString(t.hash), hex.EncodeToString(imprint[:]))
	case len(t.authority.FullBytes) > 0 && !namesAuthority(t.authority, cert):
		return fmt.Errorf("it names another authority than the certificate that signed")
	}
	for in := inside("time-stamp: extensions", t.extensions); len(in.rest) > 0; {
		one := inside("time-stamp: extension", in.take("extension", asn1.ClassUniversal, asn1.TagSequence))
		if in.err != nil {
			return in.err
		}
		var oid asn1.ObjectIdentifier
		one.into("id", &oid)
		if v, ok := one.opt(asn1.ClassUniversal, asn1.TagBoolean); ok && len(v.Bytes) == 1 && v.Bytes[0] != 0 {
			return fmt.Errorf("it has a critical extension %v that is not known here", oid)
		}
		one.any("value")
		if err := one.done(); err != nil {
			return err
		}
	}
	return nil
}

// namesAuthority reports whether a GeneralName is one of the certificate's
// names: its subject or an alternative name.
func namesAuthority(name asn1.RawValue, cert *x509.Certificate) bool {
	if name.Class == asn1.ClassContextSpecific && name.Tag == 4 && sameName(name.Bytes, cert.RawSubject) {
		return true
	}
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSubjectAltName) })
	if i < 0 {
		return false
	}
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(cert.Extensions[i].Value, &seq); err != nil {
		return false
	}
	for in := inside("names", seq); len(in.rest) > 0; {
		v := in.any("name")
		if in.err != nil {
			return false
		}
		if bytes.Equal(v.FullBytes, name.FullBytes) {
			return true
		}
	}
	return false
}
