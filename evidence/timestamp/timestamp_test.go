package timestamp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/pkcs7"
	digitorus "github.com/digitorus/timestamp"
	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence/timestamp"
	"evidenced/evidence/timestamp/timestamptest"
)

var (
	imprint = sha256.Sum256([]byte("a checkpoint"))
	other   = sha256.Sum256([]byte("another"))
	at      = time.Date(2026, 11, 14, 13, 0, 0, 0, time.UTC)
)

func good(t testing.TB) *timestamptest.Authority {
	a := timestamptest.New(t, timestamptest.Options{})
	a.Clock = func() time.Time { return at }
	return a
}

func TestVerify(t *testing.T) {
	a := good(t)
	nonce := big.NewInt(77)
	token := a.Token(t, timestamptest.Odd{Imprint: imprint, Nonce: nonce})
	for name, o := range map[string]timestamp.Options{
		"roots alone":         {Roots: a.Roots()},
		"policy":              {Roots: a.Roots(), Policies: []asn1.ObjectIdentifier{{2, 999, 5}, timestamptest.Policy}},
		"nonce":               {Roots: a.Roots(), Nonce: nonce},
		"other intermediates": {Roots: a.Roots(), Intermediates: x509.NewCertPool()},
	} {
		got, err := timestamp.Verify(token, imprint, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !got.Time.Equal(at) || got.Time.Location() != time.UTC || !got.Policy.Equal(timestamptest.Policy) || got.Serial.Int64() != 42 || got.Authority != "CN=example time-stamps,O=Example Authority" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Each refusal has its own words.
func TestRefused(t *testing.T) {
	a := good(t)
	later := timestamptest.New(t, timestamptest.Options{})
	stamp := func(o timestamptest.Options, odd timestamptest.Odd) func(*testing.T) ([]byte, timestamp.Options) {
		return func(t *testing.T) ([]byte, timestamp.Options) {
			b := timestamptest.New(t, o)
			b.Clock = a.Clock
			odd.Imprint = imprint
			return b.Token(t, odd), timestamp.Options{Roots: b.Roots()}
		}
	}
	whole := a.Token(t, timestamptest.Odd{Imprint: imprint})
	change := func(old, new string) func(*testing.T) ([]byte, timestamp.Options) {
		return func(t *testing.T) ([]byte, timestamp.Options) {
			if n := bytes.Count(whole, []byte(old)); n == 0 {
				t.Fatalf("the token holds no %q", old)
			}
			return bytes.Replace(whole, []byte(old), []byte(new), 1), timestamp.Options{Roots: a.Roots()}
		}
	}
	same := func(token []byte, o timestamp.Options) func(*testing.T) ([]byte, timestamp.Options) {
		return func(*testing.T) ([]byte, timestamp.Options) { return token, o }
	}
	flipLast := bytes.Clone(whole)
	flipLast[len(flipLast)-1] ^= 1
	for _, tc := range []struct {
		name string
		make func(*testing.T) ([]byte, timestamp.Options)
		want string
	}{
		{"no roots", same(whole, timestamp.Options{}), "no trusted roots were given to verify it with"},
		{"empty", same(nil, timestamp.Options{Roots: a.Roots()}), "not DER: asn1: syntax error: sequence truncated"},
		{"too large", same(make([]byte, timestamp.MaxToken+1), timestamp.Options{Roots: a.Roots()}), "token has 65537 bytes, at most 65536"},
		{"bytes behind", same(append(bytes.Clone(whole), 0), timestamp.Options{Roots: a.Roots()}), "1 bytes after its end"},
		{"cut", same(whole[:len(whole)-1], timestamp.Options{Roots: a.Roots()}), "not DER: asn1: syntax error: data truncated"},
		{"indefinite length", same(append([]byte{0x30, 0x80}, append(bytes.Clone(whole[4:]), 0, 0)...), timestamp.Options{Roots: a.Roots()}), "not DER: asn1: syntax error: indefinite length found (not DER)"},
		{"time changed", change("20261114130000Z", "20261114130001Z"), "the signed message digest is not that of the time-stamp"},
		{"imprint changed", change(string(imprint[:]), string(other[:])), "the signed message digest is not that of the time-stamp"},
		{"signature changed", same(flipLast, timestamp.Options{Roots: a.Roots()}), "the signature is not good: x509: ECDSA verification failure"},
		{"other imprint", func(t *testing.T) ([]byte, timestamp.Options) {
			return a.Token(t, timestamptest.Odd{Imprint: other}), timestamp.Options{Roots: a.Roots()}
		}, "it is for other bytes: imprint " + hex.EncodeToString(other[:]) + ", want " + hex.EncodeToString(imprint[:])},
		{"other root", same(whole, timestamp.Options{Roots: later.Roots()}), "the certificate that signed does not lead to a trusted root"},
		{"empty roots", same(whole, timestamp.Options{Roots: x509.NewCertPool()}), "the certificate that signed does not lead to a trusted root"},
		{"policy not accepted", same(whole, timestamp.Options{Roots: a.Roots(), Policies: []asn1.ObjectIdentifier{{2, 999, 2}}}), "its policy 2.999.1 is not one of those accepted"},
		{"no nonce", same(whole, timestamp.Options{Roots: a.Roots(), Nonce: big.NewInt(1)}), "its nonce is not the one that was asked for"},
		{"other nonce", func(t *testing.T) ([]byte, timestamp.Options) {
			return a.Token(t, timestamptest.Odd{Imprint: imprint, Nonce: big.NewInt(2)}), timestamp.Options{Roots: a.Roots(), Nonce: big.NewInt(1)}
		}, "its nonce is not the one that was asked for"},
		{"expired", stamp(timestamptest.Options{To: at.Add(-time.Hour)}, timestamptest.Odd{}),
			"the certificate that signed is valid from 2020-01-01T00:00:00Z to 2026-11-14T12:00:00Z, not at the token's time 2026-11-14T13:00:00Z"},
		{"not yet valid", stamp(timestamptest.Options{From: at.Add(time.Hour)}, timestamptest.Odd{}),
			"the certificate that signed is valid from 2026-11-14T14:00:00Z to 2050-01-01T00:00:00Z, not at the token's time 2026-11-14T13:00:00Z"},
		{"no certificate", stamp(timestamptest.Options{}, timestamptest.Odd{NoCertificate: true}), "it carries no certificate"},
		{"usage not critical", stamp(timestamptest.Options{NonCritical: true}, timestamptest.Odd{}), "the certificate that signed does not mark its extended key usage critical"},
		{"more usages", stamp(timestamptest.Options{MoreUsage: true}, timestamptest.Odd{}), "the certificate that signed has other extended key usages beside time-stamping"},
		{"other usage", stamp(timestamptest.Options{OtherUsage: true}, timestamptest.Odd{}), "the certificate that signed is not one for time-stamping"},
		{"no usage", stamp(timestamptest.Options{NoUsage: true}, timestamptest.Odd{}), "the certificate that signed has no extended key usage: it is not one for time-stamping"},
		{"key usage", stamp(timestamptest.Options{Encipher: true}, timestamptest.Odd{}), "the certificate that signed is not for signatures"},
		{"version", stamp(timestamptest.Options{}, timestamptest.Odd{Version: 2}), "time-stamp of version 2, want 1"},
		{"version of signed data", stamp(timestamptest.Options{}, timestamptest.Odd{DataVersion: 1}), "signed data of version 1, want 3"},
		{"content type", stamp(timestamptest.Options{}, timestamptest.Odd{ContentType: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}}), "content is 1.2.840.113549.1.7.1, not a time-stamp"},
		{"imprint algorithm", stamp(timestamptest.Options{}, timestamptest.Odd{ImprintAlg: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 8}}), "its imprint is made with 2.16.840.1.101.3.4.2.8, not SHA-256"},
		{"no signing certificate", stamp(timestamptest.Options{}, timestamptest.Odd{NoSigningCert: true}), "signed attribute signing certificate is missing"},
		{"other signing certificate", stamp(timestamptest.Options{}, timestamptest.Odd{OtherCert: later.Cert}), "the signed attributes name another certificate than the one that signed"},
		{"other serial of the signing certificate", stamp(timestamptest.Options{}, timestamptest.Odd{OtherSerial: true}), "the signed attributes name another certificate than the one that signed"},
		{"attribute twice", stamp(timestamptest.Options{}, timestamptest.Odd{Twice: true}), "signed attribute 1.2.840.113549.1.9.16.2.47 stands twice"},
		{"other authority", stamp(timestamptest.Options{}, timestamptest.Odd{Authority: later.Root.RawSubject}), "it names another authority than the certificate that signed"},
		{"critical extension", stamp(timestamptest.Options{}, timestamptest.Odd{CriticalUnknown: true}), "it has a critical extension 2.999.7 that is not known here"},
		{"SHA-1", stamp(timestamptest.Options{}, timestamptest.Odd{SHA1: true}), "digest algorithm 1.3.14.3.2.26 is not accepted"},
		{"two signatures", stamp(timestamptest.Options{}, timestamptest.Odd{TwoSigners: true}), "more than one signature"},
		{"element behind the last", stamp(timestamptest.Options{}, timestamptest.Odd{After: []byte{4, 1, 0}}), "time-stamp: unexpected element at its end"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, o := tc.make(t)
			_, err := timestamp.Verify(token, imprint, o)
			if err == nil {
				t.Fatal("accepted")
			}
			if got, want := err.Error(), "time-stamp token: "+tc.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// Keys and digests that authorities use, and none for another's digest.
func TestAlgorithms(t *testing.T) {
	curve := func(c elliptic.Curve) func() (crypto.Signer, error) {
		return func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }
	}
	for _, tc := range []struct {
		name   string
		key    func() (crypto.Signer, error)
		digest asn1.ObjectIdentifier
	}{
		{"P-256, SHA-256", curve(elliptic.P256()), pkcs7.OIDDigestAlgorithmSHA256},
		{"P-384, SHA-384", curve(elliptic.P384()), pkcs7.OIDDigestAlgorithmSHA384},
		{"P-521, SHA-512", curve(elliptic.P521()), pkcs7.OIDDigestAlgorithmSHA512},
		{"RSA, SHA-256", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }, pkcs7.OIDDigestAlgorithmSHA256},
		{"RSA, SHA-384", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }, pkcs7.OIDDigestAlgorithmSHA384},
		{"RSA, SHA-512", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }, pkcs7.OIDDigestAlgorithmSHA512},
		{"Ed25519, SHA-512", func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		}, pkcs7.OIDDigestAlgorithmSHA512},
	} {
		a := timestamptest.New(t, timestamptest.Options{Key: tc.key})
		token := a.Token(t, timestamptest.Odd{Imprint: imprint, Digest: tc.digest})
		if _, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: a.Roots()}); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		changed := bytes.Replace(token, imprint[:], other[:], 1)
		if _, err := timestamp.Verify(changed, other, timestamp.Options{Roots: a.Roots()}); err == nil {
			t.Errorf("%s: accepted with another imprint", tc.name)
		}
	}
}

// huge is a key that nobody has and that takes long to check.
type huge struct{ rsa.PublicKey }

func (h *huge) Public() crypto.PublicKey { return &h.PublicKey }

func (h *huge) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	sig := make([]byte, h.Size())
	sig[1] = 1
	return sig, nil
}

// A key as large as a token has room for would hold up whoever reads it: it is
// refused before its signature is looked at.
func TestHugeKey(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 150_000)
	a := timestamptest.New(t, timestamptest.Options{Key: func() (crypto.Signer, error) {
		return &huge{rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 1<<31 - 1}}, nil
	}})
	token := a.Token(t, timestamptest.Odd{Imprint: imprint})
	if _, err := timestamp.Inspect(token, imprint); err == nil || !strings.Contains(err.Error(), "RSA key of 150001 bits") {
		t.Errorf("got %v", err)
	}
}

// Inspect asks for no roots, and for all that needs none.
func TestInspect(t *testing.T) {
	a := good(t)
	if got, err := timestamp.Inspect(a.Token(t, timestamptest.Odd{Imprint: imprint}), imprint); err != nil || !got.Time.Equal(at) {
		t.Errorf("a good token: %+v, %v", got, err)
	}
	for name, token := range map[string][]byte{
		"other imprint":       a.Token(t, timestamptest.Odd{Imprint: other}),
		"no certificate":      a.Token(t, timestamptest.Odd{Imprint: imprint, NoCertificate: true}),
		"other certificate":   a.Token(t, timestamptest.Odd{Imprint: imprint, OtherCert: a.Root}),
		"not for time-stamps": timestamptest.New(t, timestamptest.Options{OtherUsage: true}).Token(t, timestamptest.Odd{Imprint: imprint}),
		"changed":             bytes.Replace(a.Token(t, timestamptest.Odd{Imprint: imprint}), []byte("20261114130000Z"), []byte("20261114130001Z"), 1),
	} {
		if _, err := timestamp.Inspect(token, imprint); err == nil {
			t.Errorf("%s: nothing found", name)
		}
	}
}

// Every bit of what is signed is held. Bits that may change are those of
// unsigned places: the order and parameters of the digest algorithms, and the
// chain's certificates where a trusted root helps out.
func TestEveryBitOfTheTimeStamp(t *testing.T) {
	a := good(t)
	token := a.Token(t, timestamptest.Odd{Imprint: imprint})
	o := timestamp.Options{Roots: a.Roots()}
	want, err := timestamp.Verify(token, imprint, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(token) * 8 {
		c := bytes.Clone(token)
		c[i/8] ^= 1 << (i % 8)
		got, err := timestamp.Verify(c, imprint, o)
		if err == nil && (!got.Time.Equal(want.Time) || got.Authority != want.Authority || got.Serial.Cmp(want.Serial) != 0 || !got.Policy.Equal(want.Policy)) {
			t.Fatalf("bit %d changed: %+v", i, got)
		}
	}
}

func TestRequestAndResponse(t *testing.T) {
	a := good(t)
	nonce := new(big.Int).SetUint64(1<<63 + 5)
	req, err := timestamp.Request(imprint, nonce, timestamptest.Policy)
	if err != nil {
		t.Fatal(err)
	}
	// The library reads the same out of it.
	q, err := digitorus.ParseRequest(req)
	if err != nil || !bytes.Equal(q.HashedMessage, imprint[:]) || q.Nonce.Cmp(nonce) != 0 || !q.TSAPolicyOID.Equal(timestamptest.Policy) || !q.Certificates {
		t.Fatalf("the request as the library reads it: %+v, %v", q, err)
	}
	resp, err := a.Answer(req)
	if err != nil {
		t.Fatal(err)
	}
	token, err := timestamp.Response(resp)
	if err != nil {
		t.Fatal(err)
	}
	got, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: a.Roots(), Nonce: nonce, Policies: []asn1.ObjectIdentifier{timestamptest.Policy}})
	if err != nil || !got.Time.Equal(at) || got.Accuracy != time.Second || !got.NotAfter().Equal(at.Add(time.Second)) {
		t.Errorf("token %+v, %v", got, err)
	}
	plain, err := timestamp.Request(imprint, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if q, err := digitorus.ParseRequest(plain); err != nil || q.Nonce != nil || q.TSAPolicyOID != nil {
		t.Errorf("plain request: %+v, %v", q, err)
	}
	for _, n := range []int64{0, -1} {
		if _, err := timestamp.Request(imprint, big.NewInt(n), nil); err == nil || err.Error() != "time-stamp request: nonce must be positive" {
			t.Errorf("nonce %d: %v", n, err)
		}
	}
}

func TestResponseRefused(t *testing.T) {
	rejected, err := digitorus.CreateErrorResponse(digitorus.Rejection, digitorus.UnacceptedPolicy)
	if err != nil {
		t.Fatal(err)
	}
	req, err := timestamp.Request(imprint, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := good(t).Answer(req)
	if err != nil {
		t.Fatal(err)
	}
	modified := bytes.Replace(whole, []byte{0x30, 3, 2, 1, 0}, []byte{0x30, 3, 2, 1, 1}, 1)
	for _, tc := range []struct {
		name string
		in   []byte
		want string
	}{
		{"rejected", rejected, "the authority did not grant a time-stamp: status 2, policy not supported"},
		{"granted with modifications", modified, "the authority did not grant a time-stamp: status 1, no reason given"},
		{"no token", []byte{0x30, 5, 0x30, 3, 2, 1, 0}, "time-stamp response: token is missing"},
		{"no status", []byte{0x30, 0}, "time-stamp response: status is missing"},
		{"something else", []byte{4, 0}, "time-stamp response: not a sequence"},
		{"page of a proxy", []byte("<html>"), "time-stamp response: not DER: asn1: syntax error: data truncated"},
		{"empty", nil, "time-stamp response: not DER: asn1: syntax error: sequence truncated"},
		{"bytes behind", append(bytes.Clone(whole), 5, 0), "time-stamp response: 2 bytes after its end"},
		{"too large", make([]byte, timestamp.MaxResponse+1), "time-stamp response has 69633 bytes, at most 69632"},
	} {
		if _, err := timestamp.Response(tc.in); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}

func newSigner(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// A fixed note has a fixed imprint: the sum below is made by sha256sum over the
// four lines, "log", "1", an empty one and the signature's.
func TestImprint(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	pub := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey("log.example", pub)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(vkey, "+")[1]
	s, err := note.NewSigner("PRIVATE+KEY+log.example+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "log\n1\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := timestamp.Imprint(signed, v)
	if err != nil {
		t.Fatal(err)
	}
	const want = "f420558627fda52ab258835be57ea8a562504f59f32abbffd2e7402b1b78fb00"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("imprint %x of\n%s\nwant %s", got, signed, want)
	}
	// Lines of others change nothing, wherever they stand.
	witness, wv := newSigner(t, "witness.example")
	opened, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := note.Sign(opened, witness)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := timestamp.Imprint(cosigned, v); err != nil || again != got {
		t.Errorf("cosigned: %x, %v", again, err)
	}
	line := bytes.TrimPrefix(signed, []byte("log\n1\n\n"))
	wline := bytes.Replace(bytes.TrimPrefix(cosigned, []byte("log\n1\n\n")), line, nil, 1)
	if again, err := timestamp.Imprint([]byte("log\n1\n\n"+string(wline)+string(line)), v); err != nil || again != got {
		t.Errorf("cosigned, the witness first: %x, %v", again, err)
	}
	if _, err := timestamp.Imprint([]byte("log\n1\n\n"+string(wline)), v); err == nil {
		t.Error("a note that only a witness signed has an imprint of the log's")
	}
	if theirs, err := timestamp.Imprint(cosigned, wv); err != nil || theirs == got {
		t.Errorf("imprint by the witness's key: %x, %v", theirs, err)
	}
	// 68 bytes of signature leave four unused bits in the last character.
	loose := bytes.Clone(signed)
	i := bytes.LastIndexByte(loose, '=') - 1
	loose[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", loose[i])|1]
	if _, err := timestamp.Imprint(loose, v); err == nil || !strings.Contains(err.Error(), "canonical") {
		t.Errorf("another spelling of the signature: %v", err)
	}
}

// post asks an authority as a client would.
func post(t *testing.T, url string, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %v\n%s", resp.Status, err, b)
	}
	return b
}

// An authority that is not our code stamps a checkpoint; its token verifies
// here and with openssl, and changed, neither here nor there.
func TestRealAuthority(t *testing.T) {
	url, roots, rootPEM := timestamptest.Real(t, "chain")
	s, v := newSigner(t, "log.example")
	signed, err := note.Sign(&note.Note{Text: "log.example/1\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := timestamp.Imprint(signed, v)
	if err != nil {
		t.Fatal(err)
	}
	nonce := big.NewInt(0x5eed)
	req, err := timestamp.Request(sum, nonce, timestamptest.Policy)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-2 * time.Second) // whole seconds in the token, and its accuracy
	token, err := timestamp.Response(post(t, url, req))
	if err != nil {
		t.Fatal(err)
	}
	o := timestamp.Options{Roots: roots, Nonce: nonce, Policies: []asn1.ObjectIdentifier{timestamptest.Policy}}
	got, err := timestamp.Verify(token, sum, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Time.Before(began) || got.NotAfter().Before(began) || got.Authority == "" || got.Serial.Sign() <= 0 {
		t.Errorf("token %+v", got)
	}
	t.Logf("%d bytes by %s at %s", len(token), got.Authority, got.Time)

	dir := t.TempDir()
	for name, b := range map[string][]byte{"token": token, "root.pem": rootPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := openssl(t.Context(), dir, hex.EncodeToString(sum[:])); err != nil {
		t.Error(err)
	}
	if err := openssl(t.Context(), dir, hex.EncodeToString(imprint[:])); err == nil {
		t.Error("openssl verifies the token for another imprint")
	}
	if _, err := timestamp.Verify(token, imprint, o); err == nil || !strings.Contains(err.Error(), "it is for other bytes") {
		t.Errorf("for another imprint: %v", err)
	}
	tampered := bytes.Replace(token, sum[:], imprint[:], 1)
	if _, err := timestamp.Verify(tampered, imprint, o); err == nil || !strings.Contains(err.Error(), "message digest") {
		t.Errorf("imprint changed in the token: %v", err)
	}
	if _, err := timestamp.Verify(token, sum, timestamp.Options{Roots: good(t).Roots()}); err == nil || !strings.Contains(err.Error(), "does not lead to a trusted root") {
		t.Errorf("with another root: %v", err)
	}
}

// openssl verifies dir/token over the digest with dir/root.pem, as an auditor
// would without any of our code.
func openssl(ctx context.Context, dir, digest string) error {
	cmd := exec.CommandContext(ctx, "openssl", "ts", "-verify", "-token_in", "-in", "token", "-digest", digest, "-CAfile", "root.pem")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Verification: OK")) {
		return &opensslError{string(out), err}
	}
	return nil
}

type opensslError struct {
	out string
	err error
}

func (e *opensslError) Error() string { return "openssl: " + e.out }
func (e *opensslError) Unwrap() error { return e.err }

// Tokens that openssl itself makes are read: it names certificates by SHA-1 or
// SHA-256 and orders attributes its own way.
func TestTokensOfOpenSSL(t *testing.T) {
	a := good(t)
	for _, alg := range []string{"sha1", "sha256"} {
		t.Run(alg, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name string, b []byte) {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			req, err := timestamp.Request(imprint, big.NewInt(9), nil)
			if err != nil {
				t.Fatal(err)
			}
			write("query", req)
			write("cert.pem", a.CertPEM())
			write("key.pem", a.KeyPEM(t))
			write("chain.pem", a.ChainPEM())
			write("serial", []byte("0A\n"))
			write("conf", []byte("[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_digest=sha256\ndefault_policy=2.999.1\ndigests=sha256\nordering=no\ntsa_name=yes\ness_cert_id_chain=no\naccuracy=secs:1, millisecs:500\ness_cert_id_alg="+alg+"\n"))
			cmd := exec.CommandContext(t.Context(), "openssl", "ts", "-reply", "-config", "conf", "-queryfile", "query", "-signer", "cert.pem", "-inkey", "key.pem", "-chain", "chain.pem", "-out", "reply")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("openssl: %v\n%s", err, out)
			}
			resp, err := os.ReadFile(filepath.Join(dir, "reply"))
			if err != nil {
				t.Fatal(err)
			}
			token, err := timestamp.Response(resp)
			if err != nil {
				t.Fatal(err)
			}
			got, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: a.Roots(), Nonce: big.NewInt(9)})
			if err != nil {
				t.Fatal(err)
			}
			if got.Accuracy != 1500*time.Millisecond || got.Serial.Int64() < 10 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	a := good(t)
	token := a.Token(t, timestamptest.Odd{Imprint: imprint})
	roots, between, err := timestamp.Certificates([]byte("the authority's, by hand\n" + string(a.ChainPEM()) + string(a.RootPEM())))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: roots, Intermediates: between}); err != nil {
		t.Error(err)
	}
	// An intermediate is no root, also when it stands in the file of roots.
	b := timestamptest.New(t, timestamptest.Options{})
	if roots, between, err = timestamp.Certificates(append(b.RootPEM(), a.ChainPEM()...)); err != nil {
		t.Fatal(err)
	}
	if _, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: roots, Intermediates: between}); err == nil {
		t.Error("trusted by an intermediate certificate alone")
	}
	for _, tc := range []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "certificates: no root certificate (one that issued itself) in PEM form"},
		{"an intermediate alone", a.ChainPEM(), "certificates: no root certificate (one that issued itself) in PEM form"},
		{"a key", a.KeyPEM(t), `certificates: block 1 is a "PRIVATE KEY"`},
		{"damaged", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificates: block 1: x509: malformed certificate"},
		{"too large", make([]byte, timestamp.MaxRoots+1), "certificates: 1048577 bytes, at most 1048576"},
	} {
		if _, _, err := timestamp.Certificates(tc.in); err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}

func FuzzCertificates(f *testing.F) {
	root, err := os.ReadFile("testdata/root.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(root)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		roots, between, err := timestamp.Certificates(b)
		if (err == nil) != (roots != nil && between != nil) {
			t.Errorf("pools %v and %v with %v", roots, between, err)
		}
	})
}

// The sample is an answer of the authority in timestamptest to a request for
// the imprint with nonce 5. It is fixed, so that every process that fuzzes
// starts from the same bytes.
func sample(t testing.TB) (response []byte, roots *x509.CertPool) {
	t.Helper()
	response, err := os.ReadFile("testdata/response.der")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile("testdata/root.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatal("testdata/root.pem holds no certificate")
	}
	return response, roots
}

var update = flag.Bool("update", false, "write the sample anew")

func TestSample(t *testing.T) {
	if *update {
		a := good(t)
		req, err := timestamp.Request(imprint, big.NewInt(5), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := a.Answer(req)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"response.der": resp, "root.pem": a.RootPEM()} {
			if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	resp, roots := sample(t)
	token, err := timestamp.Response(resp)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := timestamp.Verify(token, imprint, timestamp.Options{Roots: roots, Nonce: big.NewInt(5)}); err != nil || !got.Time.Equal(at) {
		t.Errorf("the sample: %+v, %v", got, err)
	}
}

// What is accepted here the library accepts too, and reads the same out of it.
func FuzzVerify(f *testing.F) {
	resp, roots := sample(f)
	token, err := timestamp.Response(resp)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Add(bytes.Repeat([]byte{0x30, 0x82, 0xff, 0xff}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := timestamp.Verify(b, imprint, timestamp.Options{Roots: roots})
		if err != nil {
			return
		}
		lib, err := digitorus.Parse(b)
		if err != nil || !lib.Time.Equal(got.Time) || !bytes.Equal(lib.HashedMessage, imprint[:]) || lib.SerialNumber.Cmp(got.Serial) != 0 {
			t.Errorf("the library reads %+v, %v; we %+v", lib, err, got)
		}
	})
}

func FuzzResponse(f *testing.F) {
	resp, _ := sample(f)
	f.Add(resp)
	f.Add([]byte{0x30, 5, 0x30, 3, 2, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if token, err := timestamp.Response(b); err == nil && (len(token) == 0 || !bytes.Contains(b, token)) {
			t.Errorf("token of %d bytes out of a response of %d", len(token), len(b))
		}
	})
}
