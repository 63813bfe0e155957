package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t testing.TB, name string, parent *pair, at time.Time) *pair {
	t.Helper()
	return issue(t, parent, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: at.Add(-24 * time.Hour), NotAfter: at.Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
}

func leafOf(name string, at time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// personal is a subject full of what names persons.
func personal() pkix.Name {
	attr := func(oid asn1.ObjectIdentifier, v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: v}
	}
	return pkix.Name{CommonName: "www.example.org", ExtraNames: []pkix.AttributeTypeAndValue{
		attr(asn1.ObjectIdentifier{2, 5, 4, 3}, "bob@example.org"),
		attr(asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, "aplanted"),
		attr(asn1.ObjectIdentifier{2, 5, 4, 10}, "Ex, ample"),
	}}
}

var serial int64

// issue signs a certificate; without a parent it signs itself.
func issue(t testing.TB, parent *pair, tmpl *x509.Certificate) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	tmpl.SerialNumber = big.NewInt(serial)
	by, signer := tmpl, key
	if parent != nil {
		by, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

// sign is issue of a certificate that nobody may be able to read.
func sign(t testing.TB, by *pair, tmpl *x509.Certificate) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	tmpl.SerialNumber = big.NewInt(serial)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{&x509.Certificate{Raw: der}, key}
}

var big1 struct {
	sync.Once
	cert *x509.Certificate
}

func bigCert(t testing.TB, ca *pair, at time.Time) *x509.Certificate {
	big1.Do(func() {
		l := leafOf("big.example.org", at)
		for i := range 60 {
			l.DNSNames = append(l.DNSNames, fmt.Sprintf("a-rather-long-name-%d.example.org", i))
		}
		big1.cert = issue(t, ca, l).cert
	})
	return big1.cert
}

func serve(leaf *pair, chain ...*pair) *tls.Config {
	c := tls.Certificate{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}
	for _, p := range chain {
		c.Certificate = append(c.Certificate, p.cert.Raw)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}}
}

func limit(c *tls.Config, least, most uint16) *tls.Config {
	c.MinVersion, c.MaxVersion = least, most
	return c
}

func wantClient(c *tls.Config) *tls.Config {
	c.ClientAuth = tls.RequireAnyClientCert
	return c
}

func writeRoots(t testing.TB, ca *pair) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(path, rawPEM([]*x509.Certificate{ca.cert}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listen answers each connection in a goroutine of its own until the test
// ends, then closes all.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// hold reads until the other side goes away.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func listenTLS(t testing.TB, cfg *tls.Config) string {
	return listen(t, func(c net.Conn) {
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			hold(s)
		}
	})
}
