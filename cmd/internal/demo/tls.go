package demo

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"evidenced/testdata/world"
)

// endpoints are the TLS servers. Keys come from the seed and the authority
// signs with Ed25519, so the same world has the same certificates.
type endpoints struct {
	w     *world.World
	now   func() time.Time
	root  authority
	inter authority
	shown map[string]*tls.Certificate // by host
	next  int64                       // serial number
	addrs map[string]string           // by host
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// newEndpoints makes the authority and the first certificate of each host, and
// writes the root to rootsFile.
func newEndpoints(w *world.World, rootsFile string, now func() time.Time) (*endpoints, error) {
	e := &endpoints{w: w, now: now, shown: map[string]*tls.Certificate{}, addrs: map[string]string{}, next: 100}
	var err error
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if e.root, err = e.authority("Demonstration Root", nil, from, from.AddDate(20, 0, 0)); err != nil {
		return nil, err
	}
	if e.inter, err = e.authority("Demonstration Issuing 1", &e.root, from, from.AddDate(10, 0, 0)); err != nil {
		return nil, err
	}
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.root.cert.Raw})
	if err := os.WriteFile(rootsFile, roots, 0o644); err != nil {
		return nil, fmt.Errorf("write the root certificate: %w", err)
	}
	for _, ep := range w.Endpoints {
		if err := e.renew(ep.Host, ep.Issued, ep.Days); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *endpoints) seed(name string) []byte {
	sum := sha256.Sum256([]byte("key/" + strconv.FormatUint(e.w.Seed, 10) + "/" + name))
	return sum[:]
}

func (e *endpoints) authority(name string, by *authority, from, to time.Time) (authority, error) {
	key := ed25519.NewKeyFromSeed(e.seed(name))
	e.next++
	t := &x509.Certificate{SerialNumber: big.NewInt(e.next), Subject: pkix.Name{Organization: []string{"Nordlicht Platform (invented)"}, CommonName: name},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	parent, signer := t, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	cert, err := sign(t, parent, key.Public(), signer)
	return authority{cert, key}, err
}

func sign(t, parent *x509.Certificate, public any, by ed25519.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(nil, t, parent, public, by)
	if err != nil {
		return nil, fmt.Errorf("make certificate %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// renew gives a host a new key and certificate, valid from at for so many
// days.
func (e *endpoints) renew(host string, at time.Time, days int) error {
	e.next++
	key, err := leafKey(e.seed(host + "/" + strconv.FormatInt(e.next, 10)))
	if err != nil {
		return err
	}
	serial := new(big.Int).SetBytes(e.seed("serial/" + strconv.FormatInt(e.next, 10))[:12])
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: at, NotAfter: at.AddDate(0, 0, days), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	cert, err := sign(t, e.inter.cert, key.Public(), e.inter.key)
	if err != nil {
		return err
	}
	e.shown[host] = &tls.Certificate{Certificate: [][]byte{cert.Raw, e.inter.cert.Raw}, PrivateKey: key, Leaf: cert}
	return nil
}

// leafKey makes a P-256 key of a seed.
func leafKey(seed []byte) (*ecdsa.PrivateKey, error) {
	n := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(1))
	d := new(big.Int).Mod(new(big.Int).SetBytes(seed), n)
	d.Add(d, big.NewInt(1))
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
}

// listen starts one server for each endpoint.
func (e *endpoints) listen(p *Platform) error {
	for _, ep := range e.w.Endpoints {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen on loopback: %w", err)
		}
		e.addrs[ep.Host] = l.Addr().String()
		host := ep.Host
		p.run(tls.NewListener(l, &tls.Config{
			MinVersion: tls.VersionTLS12,
			Time:       e.now,
			NextProtos: []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				p.mu.Lock()
				defer p.mu.Unlock()
				return e.shown[host], nil
			},
		}), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", httpDate(p.Now()))
			w.WriteHeader(http.StatusNoContent)
		}))
	}
	return nil
}
