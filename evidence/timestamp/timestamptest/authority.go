// Package timestamptest is a time-stamp authority for tests: one in the
// process that can be made to err in every way a verifier must notice, and the
// real one of the sigstore project, built from its own module.
package timestamptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// Policy is what the authority stamps under when it is not asked for another;
// the arc 2.999 is for examples.
var Policy = asn1.ObjectIdentifier{2, 999, 1}

var (
	oidExtKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidTimeStamping  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidCodeSigning   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

// Options is how the authority's certificate differs from a good one.
type Options struct {
	From, To    time.Time // its validity; zero: the years 2020 to 2050
	NonCritical bool      // its extended key usage
	MoreUsage   bool      // code signing beside time-stamping
	OtherUsage  bool      // code signing instead
	NoUsage     bool
	Encipher    bool // key usage key encipherment alone
	// Key makes the key that stamps; nil: ECDSA on P-256.
	Key func() (crypto.Signer, error)
}

// Authority stamps.
type Authority struct {
	Root, Intermediate, Cert *x509.Certificate
	// Clock gives the time in tokens; nil: time.Now.
	Clock func() time.Time
	key   crypto.Signer
}

// New makes an authority with a root, an intermediate and a certificate.
func New(t testing.TB, o Options) *Authority {
	t.Helper()
	if o.From.IsZero() {
		o.From = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.To.IsZero() {
		o.To = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	long := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Example Authority"}},
			NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	a := &Authority{}
	p256 := func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
	if o.Key == nil {
		o.Key = p256
	}
	root, rootKey := issue(t, p256, long("example root", 1), nil, nil)
	middle, middleKey := issue(t, p256, long("example intermediate", 2), root, rootKey)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "example time-stamps", Organization: []string{"Example Authority"}},
		NotBefore: o.From, NotAfter: o.To, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if o.Encipher {
		leaf.KeyUsage = x509.KeyUsageKeyEncipherment
	}
	usages := []asn1.ObjectIdentifier{oidTimeStamping}
	if o.MoreUsage {
		usages = append(usages, oidCodeSigning)
	}
	if o.OtherUsage {
		usages = []asn1.ObjectIdentifier{oidCodeSigning}
	}
	if !o.NoUsage {
		leaf.ExtraExtensions = []pkix.Extension{{Id: oidExtKeyUsage, Critical: !o.NonCritical, Value: marshal(t, usages)}}
	}
	a.Root, a.Intermediate = root, middle
	a.Cert, a.key = issue(t, o.Key, leaf, middle, middleKey)
	return a
}

func issue(t testing.TB, newKey func() (crypto.Signer, error), c, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Roots is a pool of the authority's root.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root)
	return pool
}

// RootPEM is the root as an auditor would keep it in a file.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Root.Raw})
}

func (a *Authority) now() time.Time {
	if a.Clock != nil {
		return a.Clock().UTC()
	}
	return time.Now().UTC()
}

// Answer answers a request (DER of a TimeStampReq) as RFC 3161 says.
func (a *Authority) Answer(request []byte) ([]byte, error) {
	q, err := timestamp.ParseRequest(request)
	if err != nil {
		return timestamp.CreateErrorResponse(timestamp.Rejection, timestamp.BadDataFormat)
	}
	policy := Policy
	if q.TSAPolicyOID != nil {
		policy = q.TSAPolicyOID
	}
	s := timestamp.Timestamp{
		HashAlgorithm: q.HashAlgorithm, HashedMessage: q.HashedMessage, Time: a.now(), Nonce: q.Nonce, Policy: policy,
		Accuracy: time.Second, AddTSACertificate: q.Certificates, Certificates: []*x509.Certificate{a.Intermediate},
	}
	return s.CreateResponseWithOpts(a.Cert, a.key, crypto.SHA256)
}

// ServeHTTP answers RFC 3161 requests over HTTP (section 3.4).
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "want a time-stamp request", http.StatusBadRequest)
		return
	}
	resp, err := a.Answer(b)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(resp)
}

// Odd is a token built by hand, wrong where a field says so.
type Odd struct {
	Imprint [32]byte
	Time    time.Time // zero: the authority's clock
	Policy  asn1.ObjectIdentifier
	Nonce   *big.Int

	Version         int                   // of the TSTInfo; 0: 1
	DataVersion     int                   // of the signed data; 0: 3
	ContentType     asn1.ObjectIdentifier // nil: TSTInfo
	ImprintAlg      asn1.ObjectIdentifier // nil: SHA-256
	NoCertificate   bool
	NoSigningCert   bool
	OtherCert       *x509.Certificate     // named by the signing-certificate attribute
	OtherSerial     bool                  // in that attribute
	Authority       []byte                // DER of another directory name
	CriticalUnknown bool                  // an extension of the TSTInfo
	SHA1            bool                  // as digest algorithm
	Digest          asn1.ObjectIdentifier // algorithm; nil: SHA-256
	TwoSigners      bool
	Twice           bool   // the signing-certificate attribute
	After           []byte // DER put behind the TSTInfo's last element
}

type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Hash      []byte
	}
	Serial     *big.Int
	Time       time.Time        `asn1:"generalized"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"optional"`
	Extensions []pkix.Extension `asn1:"tag:1,optional,omitempty"`
	After      asn1.RawValue    `asn1:"optional"`
}

type issuerSerial struct {
	Issuer []asn1.RawValue
	Serial *big.Int
}

type essCertID struct {
	Hash   []byte
	Issuer issuerSerial
}

// Token makes the token.
func (a *Authority) Token(t testing.TB, o Odd) []byte {
	t.Helper()
	in := tstInfo{Version: max(1, o.Version), Policy: Policy, Serial: big.NewInt(42), Time: a.now(), Nonce: o.Nonce}
	if !o.Time.IsZero() {
		in.Time = o.Time.UTC()
	}
	in.Time = in.Time.Truncate(time.Second)
	if o.Policy != nil {
		in.Policy = o.Policy
	}
	in.Imprint.Algorithm.Algorithm = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	if o.ImprintAlg != nil {
		in.Imprint.Algorithm.Algorithm = o.ImprintAlg
	}
	in.Imprint.Hash = o.Imprint[:]
	if o.Authority != nil {
		dir := marshal(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: o.Authority})
		in.TSA = asn1.RawValue{FullBytes: marshal(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: dir})}
	}
	if o.CriticalUnknown {
		in.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 7}, Critical: true, Value: []byte{5, 0}}}
	}
	if o.After != nil {
		in.After = asn1.RawValue{FullBytes: o.After}
	}
	sd, err := pkcs7.NewSignedData(marshal(t, in))
	if err != nil {
		t.Fatal(err)
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if o.Digest != nil {
		sd.SetDigestAlgorithm(o.Digest)
	}
	if o.SHA1 {
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA1)
	}
	sd.SetContentType(oidTSTInfo)
	if o.ContentType != nil {
		sd.SetContentType(o.ContentType)
	}
	sd.GetSignedData().Version = 3
	if o.DataVersion != 0 {
		sd.GetSignedData().Version = o.DataVersion
	}
	conf := pkcs7.SignerInfoConfig{SkipCertificates: o.NoCertificate}
	if !o.NoSigningCert {
		attr := pkcs7.Attribute{Type: oidSigningCertV2, Value: asn1.RawValue{FullBytes: a.signingCert(t, o)}}
		conf.ExtraSignedAttributes = append(conf.ExtraSignedAttributes, attr)
		if o.Twice {
			conf.ExtraSignedAttributes = append(conf.ExtraSignedAttributes, attr)
		}
	}
	for range map[bool]int{false: 1, true: 2}[o.TwoSigners] {
		if err := sd.AddSignerChain(a.Cert, a.key, []*x509.Certificate{a.Intermediate}, conf); err != nil {
			t.Fatal(err)
		}
	}
	b, err := sd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (a *Authority) signingCert(t testing.TB, o Odd) []byte {
	cert, serial := a.Cert, a.Cert.SerialNumber
	if o.OtherCert != nil {
		cert = o.OtherCert
	}
	if o.OtherSerial {
		serial = new(big.Int).Add(serial, big.NewInt(1))
	}
	sum := sha256.Sum256(cert.Raw)
	dir := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: a.Cert.RawIssuer}
	return marshal(t, struct{ Certs []essCertID }{[]essCertID{{sum[:], issuerSerial{[]asn1.RawValue{dir}, serial}}}})
}

// CertPEM, ChainPEM and KeyPEM give the authority to another program.
func (a *Authority) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw})
}

// ChainPEM is the intermediate certificate.
func (a *Authority) ChainPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Intermediate.Raw})
}

// KeyPEM is the key that signs.
func (a *Authority) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
