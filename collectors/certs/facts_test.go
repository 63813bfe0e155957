package certs

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// The name of a natural person stands in no fact: neither where the subject
// says by its attributes that it is one, nor where the certificate is for mail
// alone. What serves a host, or is an authority, keeps its name.
func TestNamesOfPersons(t *testing.T) {
	ck := start()
	attr := func(last int, v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: v}
	}
	ca := newCA(t, "Test Root", nil, ck.t)
	for name, tc := range map[string]struct {
		cn    string
		more  []pkix.AttributeTypeAndValue
		mails []string
		hosts []string
		ca    bool
		want  string
	}{
		"a person":             {cn: "PLANTED\\,MAGDA\\,1", more: []pkix.AttributeTypeAndValue{attr(4, "PLANTED"), attr(42, "MAGDA"), attr(5, "PNO-1")}, want: "SERIALNUMBER={uid},2.5.4.42={name},2.5.4.4={name},CN={name}"},
		"a pseudonym":          {cn: "PSEUDO.1", more: []pkix.AttributeTypeAndValue{attr(65, "PSEUDO.1")}, want: "2.5.4.65={name},CN={name}"},
		"a person's host":      {cn: "WWW.example.org", more: []pkix.AttributeTypeAndValue{attr(4, "PLANTED")}, hosts: []string{"www.example.org"}, want: "2.5.4.4={name},CN=WWW.example.org"},
		"for mail alone":       {cn: "Magda Planted", mails: []string{"magda@planted.example"}, want: "CN={name}"},
		"a host that has mail": {cn: "Example Web", mails: []string{"root@planted.example"}, hosts: []string{"www.example.org"}, want: "CN=Example Web"},
		"an authority":         {cn: "Mail Root", mails: []string{"root@planted.example"}, ca: true, want: "CN=Mail Root"},
		"a company":            {cn: "Example Ltd", more: []pkix.AttributeTypeAndValue{attr(5, "HRB 1"), attr(10, "Example Ltd")}, want: "O=Example Ltd,SERIALNUMBER=HRB 1,CN=Example Ltd"},
	} {
		l := leafOf(tc.cn, ck.t)
		l.DNSNames, l.EmailAddresses = tc.hosts, tc.mails
		l.Subject = pkix.Name{ExtraNames: append([]pkix.AttributeTypeAndValue{attr(3, tc.cn)}, tc.more...)}
		if tc.ca {
			l.IsCA, l.BasicConstraintsValid, l.KeyUsage = true, true, x509.KeyUsageCertSign
		}
		for _, by := range []*pair{ca, nil} {
			f := certFacts([]*x509.Certificate{issue(t, by, l).cert})
			wantIssuer := "CN=Test Root"
			if by == nil {
				wantIssuer = tc.want
			}
			if f.Subject != tc.want || f.Issuer != wantIssuer {
				t.Errorf("%s: subject %q, want %q; issuer %q, want %q", name, f.Subject, tc.want, f.Issuer, wantIssuer)
			}
		}
	}
}

// An algorithm that the library does not know is told as unknown, with its
// number.
func TestUnknownAlgorithms(t *testing.T) {
	der := issue(t, nil, leafOf("www.example.org", start().t)).cert.Raw
	key := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}         // id-ecPublicKey
	sig := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}   // ecdsa-with-SHA256
	der = bytes.ReplaceAll(der, key, append(key[:6:6], 0x7f))       // of nobody
	der = bytes.ReplaceAll(der, sig, append(sig[:6:6], 0x03, 0x7f)) // of nobody
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	f := certFacts([]*x509.Certificate{c})
	if f.Key != "unknown (1.2.840.10045.2.127)" || f.Signature != "unknown (1.2.840.10045.4.3.127)" {
		t.Errorf("key %q, signature %q", f.Key, f.Signature)
	}
}
