package timestamp

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

var (
	oidSignedData      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCert     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSubjectAltName  = asn1.ObjectIdentifier{2, 5, 29, 17}
	digestAlgorithms   = []digestAlgorithm{{oidSHA256, crypto.SHA256}, {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384}, {asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512}}
	oidRSA             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	signatureAlgorithm = []struct {
		oid  asn1.ObjectIdentifier
		hash crypto.Hash // that the digest algorithm must be; 0: any
		alg  x509.SignatureAlgorithm
	}{
		{oidRSA, crypto.SHA256, x509.SHA256WithRSA}, {oidRSA, crypto.SHA384, x509.SHA384WithRSA}, {oidRSA, crypto.SHA512, x509.SHA512WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, crypto.SHA256, x509.SHA256WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, crypto.SHA384, x509.SHA384WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, crypto.SHA512, x509.SHA512WithRSA},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256, x509.ECDSAWithSHA256},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, crypto.SHA384, x509.ECDSAWithSHA384},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, crypto.SHA512, x509.ECDSAWithSHA512},
		{asn1.ObjectIdentifier{1, 3, 101, 112}, 0, x509.PureEd25519},
	}
)

type digestAlgorithm struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
}

// signed is a token taken apart.
type signed struct {
	content []byte // DER of the TSTInfo
	certs   []*x509.Certificate
	signer  signerInfo
}

type signerInfo struct {
	issuer     []byte // DER
	serial     *big.Int
	digest     crypto.Hash
	attributes []byte // content of the SET, as signed
	algorithm  x509.SignatureAlgorithm
	signature  []byte
}

// info is the TSTInfo.
type info struct {
	policy     asn1.ObjectIdentifier
	hashAlg    asn1.ObjectIdentifier
	hash       []byte
	serial     *big.Int
	time       time.Time
	accuracy   time.Duration
	nonce      *big.Int
	authority  asn1.RawValue // GeneralName; empty when not said
	extensions asn1.RawValue
}

// maxRSA bounds the modulus of keys in a token, in bits. A signature by one that
// fills the token takes many seconds to check, and anybody can make it.
const maxRSA = 16384

// parse takes a token apart (RFC 5652 section 5). It checks form alone.
func parse(token []byte) (*signed, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("token has %d bytes, at most %d", len(token), MaxToken)
	}
	if err := wellFormed(token); err != nil {
		return nil, err
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(token, &outer); err != nil || outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence {
		return nil, fmt.Errorf("not a sequence")
	}
	ci := inside("content info", outer)
	var kind asn1.ObjectIdentifier
	ci.into("type", &kind)
	explicit := ci.take("content", asn1.ClassContextSpecific, 0)
	if err := ci.done(); err != nil {
		return nil, err
	}
	if !kind.Equal(oidSignedData) {
		return nil, fmt.Errorf("content is %v, not signed data", kind)
	}
	wrap := inside("content info", explicit)
	body := wrap.take("signed data", asn1.ClassUniversal, asn1.TagSequence)
	if err := wrap.done(); err != nil {
		return nil, err
	}
	return parseSignedData(inside("signed data", body))
}

func parseSignedData(sd *elements) (*signed, error) {
	var version int
	sd.into("version", &version)
	sd.take("digest algorithms", asn1.ClassUniversal, asn1.TagSet)
	encap := inside("content", sd.take("content", asn1.ClassUniversal, asn1.TagSequence))
	certs, _ := sd.opt(asn1.ClassContextSpecific, 0)
	sd.opt(asn1.ClassContextSpecific, 1) // revocation lists: not used
	signers := inside("signers", sd.take("signers", asn1.ClassUniversal, asn1.TagSet))
	if err := sd.done(); err != nil {
		return nil, err
	}
	if version != 3 {
		return nil, fmt.Errorf("signed data of version %d, want 3", version)
	}
	s := &signed{}
	var kind asn1.ObjectIdentifier
	encap.into("type", &kind)
	explicit := inside("content", encap.take("value", asn1.ClassContextSpecific, 0))
	if err := encap.done(); err != nil {
		return nil, err
	}
	if !kind.Equal(oidTSTInfo) {
		return nil, fmt.Errorf("content is %v, not a time-stamp", kind)
	}
	explicit.into("value", &s.content)
	if err := explicit.done(); err != nil {
		return nil, err
	}
	for in := inside("certificates", certs); len(in.rest) > 0; {
		c := in.take("certificate", asn1.ClassUniversal, asn1.TagSequence)
		if in.err != nil {
			return nil, in.err
		}
		cert, err := x509.ParseCertificate(c.FullBytes)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		if k, ok := cert.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("certificate with an RSA key of %d bits, at most %d", k.N.BitLen(), maxRSA)
		}
		s.certs = append(s.certs, cert)
	}
	one := signers.take("signer", asn1.ClassUniversal, asn1.TagSequence)
	if signers.err == nil && len(signers.rest) > 0 {
		return nil, fmt.Errorf("more than one signature")
	}
	if err := signers.done(); err != nil {
		return nil, err
	}
	err := s.signer.parse(inside("signer", one))
	return s, err
}

func (si *signerInfo) parse(in *elements) error {
	var version int
	in.into("version", &version)
	if in.err == nil && version != 1 { // 3 names the certificate by key identifier
		return fmt.Errorf("signer of version %d, want 1 (issuer and serial number)", version)
	}
	sid := inside("signer", in.take("issuer and serial number", asn1.ClassUniversal, asn1.TagSequence))
	si.issuer = sid.any("issuer").FullBytes
	sid.into("serial number", &si.serial)
	digest := in.algorithm("digest algorithm")
	attrs, ok := in.opt(asn1.ClassContextSpecific, 0)
	if !ok && in.err == nil {
		in.fail("signed attributes are missing")
	}
	si.attributes = attrs.Bytes
	alg := in.algorithm("signature algorithm")
	in.into("signature", &si.signature)
	in.opt(asn1.ClassContextSpecific, 1) // unsigned attributes: say nothing
	if err := in.done(); err != nil {
		return err
	}
	if err := sid.done(); err != nil {
		return err
	}
	for _, d := range digestAlgorithms {
		if d.oid.Equal(digest) {
			si.digest = d.hash
		}
	}
	if si.digest == 0 {
		return fmt.Errorf("digest algorithm %v is not accepted", digest)
	}
	for _, a := range signatureAlgorithm {
		if a.oid.Equal(alg) && (a.hash == 0 || a.hash == si.digest) {
			si.algorithm = a.alg
		}
	}
	if si.algorithm == x509.UnknownSignatureAlgorithm {
		return fmt.Errorf("signature algorithm %v with that digest is not accepted", alg)
	}
	return nil
}

// parseInfo reads the TSTInfo (RFC 3161 section 2.4.2).
func parseInfo(der []byte) (*info, error) {
	if err := wellFormed(der); err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil || outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence {
		return nil, fmt.Errorf("time-stamp: not a sequence")
	}
	in := inside("time-stamp", outer)
	var version int
	var t info
	in.into("version", &version)
	if in.err == nil && version != 1 {
		return nil, fmt.Errorf("time-stamp of version %d, want 1", version)
	}
	in.into("policy", &t.policy)
	mi := inside("time-stamp: imprint", in.take("imprint", asn1.ClassUniversal, asn1.TagSequence))
	t.hashAlg = mi.algorithm("algorithm")
	mi.into("hash", &t.hash)
	in.into("serial number", &t.serial)
	when := in.take("time", asn1.ClassUniversal, asn1.TagGeneralizedTime)
	if in.err == nil && !bytes.HasSuffix(when.Bytes, []byte("Z")) {
		in.fail("time is not in UTC")
	}
	if in.err == nil {
		in.err = decode("time-stamp: time", when, &t.time)
	}
	if acc, ok := in.opt(asn1.ClassUniversal, asn1.TagSequence); ok {
		var err error
		if t.accuracy, err = parseAccuracy(acc); err != nil {
			return nil, err
		}
	}
	in.opt(asn1.ClassUniversal, asn1.TagBoolean) // ordering
	if v, ok := in.opt(asn1.ClassUniversal, asn1.TagInteger); ok && in.err == nil {
		in.err = decode("time-stamp: nonce", v, &t.nonce)
	}
	if v, ok := in.opt(asn1.ClassContextSpecific, 0); ok {
		name := inside("time-stamp: authority", v)
		t.authority = name.any("name")
		if err := name.done(); err != nil {
			return nil, err
		}
	}
	t.extensions, _ = in.opt(asn1.ClassContextSpecific, 1)
	if err := in.done(); err != nil {
		return nil, err
	}
	return &t, mi.done()
}

// parseAccuracy reads seconds, milliseconds and microseconds, each optional.
func parseAccuracy(v asn1.RawValue) (time.Duration, error) {
	in := inside("time-stamp: accuracy", v)
	var total time.Duration
	for i, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		class, tag, most := asn1.ClassContextSpecific, i-1, 999
		if i == 0 {
			class, tag, most = asn1.ClassUniversal, asn1.TagInteger, 1<<31-1
		}
		f, ok := in.opt(class, tag)
		if !ok {
			continue
		}
		// An implicit tag stands in the integer's own place.
		as := append([]byte{asn1.TagInteger}, f.FullBytes[1:]...)
		var n int
		if _, err := asn1.Unmarshal(as, &n); err != nil || f.IsCompound || n < 0 || n > most {
			in.fail("bad number")
		}
		total += time.Duration(n) * unit
	}
	return total, in.done()
}
