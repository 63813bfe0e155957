package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"evidenced/evidence"
)

const (
	maxSANs  = 200
	maxChain = 100
	maxName  = 256 // bytes of one name

	maxSpoiled = 50 // certificates that cannot be read
)

// theCertificate begins the reasons that lie in the certificate itself, and not
// in what is there to make a chain.
const theCertificate = "the certificate "

// certFacts writes down a chain; the first certificate is the one shown.
func certFacts(chain []*x509.Certificate) evidence.CertFacts {
	leaf := chain[0]
	f := evidence.CertFacts{
		Subject: subject(leaf), Issuer: issuer(leaf),
		Serial: leaf.SerialNumber.Text(16), SANs: sans(leaf),
		NotBefore: year(leaf.NotBefore), NotAfter: year(leaf.NotAfter),
		Key: keyName(leaf), Signature: signatureName(leaf),
		Fingerprint: fingerprint(leaf), SelfSigned: selfSigned(leaf),
	}
	for _, c := range chain[1:min(len(chain), maxChain+1)] {
		f.Chain = append(f.Chain, evidence.ChainCert{
			Subject: subject(c), Issuer: issuer(c), NotAfter: year(c.NotAfter), Fingerprint: fingerprint(c),
		})
	}
	return f
}

// year keeps a time within what RFC 3339 can say.
func year(t time.Time) time.Time {
	t = t.UTC()
	if t.Year() > 9999 {
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	if t.Year() < 1 {
		return time.Time{}
	}
	return t
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func keyName(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA-" + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	if c.PublicKeyAlgorithm == x509.UnknownPublicKeyAlgorithm {
		var info struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}
		_, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info)
		return unknown(info.Algorithm, err)
	}
	return clean(c.PublicKeyAlgorithm.String())
}

// signatureName names the algorithm of a certificate's signature.
func signatureName(c *x509.Certificate) string {
	if c.SignatureAlgorithm == x509.UnknownSignatureAlgorithm {
		var signed struct {
			Certificate asn1.RawValue
			Algorithm   pkix.AlgorithmIdentifier
			Signature   asn1.BitString
		}
		_, err := asn1.Unmarshal(c.Raw, &signed)
		return unknown(signed.Algorithm, err)
	}
	return c.SignatureAlgorithm.String()
}

// unknown names an algorithm that the library does not know by its number.
func unknown(a pkix.AlgorithmIdentifier, err error) string {
	if err != nil {
		return "unknown"
	}
	return "unknown (" + a.Algorithm.String() + ")"
}

func selfSigned(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, c.RawSubject) {
		return false
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var weak x509.InsecureAlgorithmError
	// A weak signature is not checked by the library; the names say it then.
	return err == nil || errors.As(err, &weak) || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

// sans lists the alternative names. Mail addresses are counted.
func sans(c *x509.Certificate) []string {
	var list []string
	mails := len(c.EmailAddresses)
	add := func(s string) {
		if isMail(s) {
			mails++
			return
		}
		list = append(list, plainText(s))
	}
	for _, n := range c.DNSNames {
		add(n)
	}
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	for _, u := range c.URIs {
		u := *u
		u.User = nil
		add(u.String())
	}
	if len(list) > maxSANs {
		more := len(list) - maxSANs
		list = append(list[:maxSANs:maxSANs], fmt.Sprintf("(%d more names)", more))
	}
	if mails > 0 {
		list = append(list, fmt.Sprintf("(%d mail addresses)", mails))
	}
	return list
}

var (
	mailText = regexp.MustCompile(`[^\s@<>,;:/]+@[^\s@<>,;:/]+`)
	mailOnly = regexp.MustCompile(`^[^\s@]+@[^\s@]+$`)
)

func isMail(s string) bool { return mailOnly.MatchString(s) && !strings.Contains(s, "/") }

// The attributes of a distinguished name that are written, RFC 4519, and those
// that name a person and are not.
var attributes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.17": "POSTALCODE",
	"2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.25": "DC",
}

const (
	oidCN     = "2.5.4.3"
	oidSerial = "2.5.4.5"
	oidMail   = "1.2.840.113549.1.9.1"
	oidUID    = "0.9.2342.19200300.100.1.1"
)

// named are the attributes that natural persons alone have: surname, name,
// given name, initials, generation and pseudonym.
var named = map[string]bool{"2.5.4.4": true, "2.5.4.41": true, "2.5.4.42": true, "2.5.4.43": true, "2.5.4.44": true, "2.5.4.65": true}

// ofPerson reports whether a name is one of a natural person.
func ofPerson(n pkix.Name) bool {
	return slices.ContainsFunc(n.Names, func(a pkix.AttributeTypeAndValue) bool { return named[a.Type.String()] })
}

// subject renders whom a certificate is of. The common name of a person, and
// the number of their identity, is left out like the rest of their name: where
// the subject has a person's attributes (ETSI EN 319 412-2, section 4.2.4), and
// in an end entity's certificate for mail alone (RFC 8550). A common name that
// is a host of the certificate is no person's.
func subject(c *x509.Certificate) string {
	forMail := !c.IsCA && len(c.EmailAddresses) > 0 && len(c.DNSNames)+len(c.IPAddresses)+len(c.URIs) == 0
	return dn(c.Subject, forMail || ofPerson(c.Subject), c.DNSNames)
}

// issuer renders who signed a certificate, by the rules of subject.
func issuer(c *x509.Certificate) string {
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		return subject(c)
	}
	return dn(c.Issuer, ofPerson(c.Issuer), nil)
}

// dn renders a distinguished name, most specific part first, as RFC 4514
// orders it, with what names a person left out. Of a person's name that is the
// common name too, unless it is one of hosts.
func dn(n pkix.Name, person bool, hosts []string) string {
	var parts []string
	for _, a := range slices.Backward(n.Names) {
		oid := a.Type.String()
		value := fmt.Sprint(a.Value)
		switch {
		case oid == oidMail:
			parts = append(parts, "emailAddress={mail}")
			continue
		case oid == oidUID:
			parts = append(parts, "UID={uid}")
			continue
		case named[oid]:
			parts = append(parts, oid+"={name}")
			continue
		case person && oid == oidSerial:
			parts = append(parts, "SERIALNUMBER={uid}")
			continue
		case person && oid == oidCN && !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, value) }):
			parts = append(parts, "CN={name}")
			continue
		}
		name, ok := attributes[oid]
		if !ok {
			name = oid
		}
		parts = append(parts, name+"="+escapeDN(plainText(value)))
	}
	return cut(strings.Join(parts, ","))
}

var dnEscapes = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `+`, `\+`, `"`, `\"`, `;`, `\;`, `<`, `\<`, `>`, `\>`)

func escapeDN(s string) string { return dnEscapes.Replace(s) }

// cut keeps a name short; a cut one ends in a hash over the whole.
func cut(s string) string {
	if len(s) <= maxName {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxName-24], "") + "..~" + hex.EncodeToString(sum[:8])
}

// clean percent-encodes what JSON would fold or break: bytes that are not
// UTF-8, control characters, and % itself.
func clean(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 || r < 0x20 || r == 0x7f || r == '%' {
			fmt.Fprintf(&b, "%%%02X", s[i])
			i++
			continue
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return cut(b.String())
}

// mentioned are the persons whose mail addresses the certificates hold.
func (c *Collector) mentioned(chain []*x509.Certificate) []evidence.Person {
	return Mentioned(nil, MailsOf(chain), c.env.Mark)
}

// MailsOf lists the mail addresses in a chain of certificates, repeats
// included.
func MailsOf(chain []*x509.Certificate) []string {
	var mails []string
	add := func(mail string) { mails = append(mails, mail) }
	for _, crt := range chain {
		for _, m := range crt.EmailAddresses {
			add(m)
		}
		for _, n := range crt.DNSNames {
			if isMail(n) {
				add(n)
			}
		}
		for _, a := range slices.Concat(crt.Subject.Names, crt.Issuer.Names) {
			if v, ok := a.Value.(string); ok && (a.Type.Equal(mailOID) || isMail(v)) {
				add(v)
			}
		}
	}
	return mails
}

var mailOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// trust verifies the chain at a time and says "yes", or "no" with a reason
// that reads the same at every look.
func trust(chain []*x509.Certificate, roots *x509.CertPool, at time.Time, usage x509.ExtKeyUsage) (yes bool, why string) {
	inter := x509.NewCertPool()
	for _, c := range chain[1:] {
		inter.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err == nil {
		return true, ""
	}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return false, "no chain to a trusted authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		what := strings.TrimSpace(theCertificate)
		if invalid.Cert != nil && !invalid.Cert.Equal(chain[0]) {
			what = "a certificate of the chain"
		}
		if invalid.Cert != nil && at.Before(invalid.Cert.NotBefore) {
			return false, what + " is not yet valid"
		}
		return false, what + " has expired"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return false, theCertificate + "is not for servers"
	case errors.As(err, &invalid) && invalid.Reason == x509.NotAuthorizedToSign:
		return false, "a certificate of the chain is no authority"
	case errors.As(err, &invalid):
		return false, fmt.Sprintf("the chain breaks a rule of RFC 5280 (%d)", invalid.Reason)
	}
	return false, "the chain cannot be verified"
}

// rawPEM encodes the certificates alone.
func rawPEM(chain []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range chain {
		// Writing to a buffer does not fail.
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}
