package certs

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// TestSecrets plants secrets in every text that a certificate, a file around it or a
// list of endpoints has, shown by a host and read from a file.
func TestSecrets(t *testing.T) {
	ck := start()
	attr := func(last int, v any) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: v})
		}
	}
	extension := func(id asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Value: value})
		}
	}
	alternative := func(tag int, s string) []byte {
		return sequence(t, asn1.RawValue{Class: 2, Tag: tag, Bytes: []byte(s)})
	}
	places := map[string]func(s string) func(*x509.Certificate){
		"common name":  func(s string) func(*x509.Certificate) { return attr(3, s) },
		"organisation": func(s string) func(*x509.Certificate) { return attr(10, s) },
		"number":       func(s string) func(*x509.Certificate) { return attr(5, s) },
		"surname":      func(s string) func(*x509.Certificate) { return attr(4, s) },
		"wide": func(s string) func(*x509.Certificate) {
			return attr(11, asn1.RawValue{Tag: asn1.TagBMPString, Bytes: wide(s)})
		},
		"host": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, s) }
		},
		"mail": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) { c.EmailAddresses = []string{s} }
		},
		"address": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) {
				c.URIs = []*url.URL{{Scheme: "https", Host: "x.example.test", Path: "/" + s}}
			}
		},
		"login": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) {
				c.URIs = []*url.URL{{Scheme: "https", User: url.UserPassword("bot", s), Host: "x.example.test"}}
			}
		},
		"lists of the revoked": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) { c.CRLDistributionPoints, c.OCSPServer = []string{s}, []string{s} }
		},
		"issuer's address": func(s string) func(*x509.Certificate) {
			return func(c *x509.Certificate) { c.IssuingCertificateURL = []string{s} }
		},
		"extension": func(s string) func(*x509.Certificate) {
			return extension(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, []byte(s))
		},
		"comment": func(s string) func(*x509.Certificate) {
			return extension(asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}, sequence(t, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(s)}))
		},
		"unreadable address": func(s string) func(*x509.Certificate) {
			return extension(asn1.ObjectIdentifier{2, 5, 29, 17}, alternative(6, "https://x.example.test:port"+s))
		},
		"unreadable host": func(s string) func(*x509.Certificate) {
			return extension(asn1.ObjectIdentifier{2, 5, 29, 17}, alternative(2, s+"\xff"))
		},
	}
	ca := newCA(t, "Test Root", nil, ck.t)
	for name, plant := range places {
		for i, secret := range collectortest.SecretTexts("x") {
			tmpl := leafOf("www.example.org", ck.t)
			plant(secret)(tmpl)
			root := newCA(t, "Root of "+secret, nil, ck.t)
			for _, by := range []*pair{ca, root} {
				leaf := sign(t, by, tmpl)
				dir := t.TempDir()
				file, list := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "endpoints")
				block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"Comment": strings.ReplaceAll(secret, "\n", " ")}, Bytes: leaf.cert.Raw})
				other := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(secret)})
				text := bytes.Join([][]byte{[]byte("# " + secret + "\n"), block, []byte(secret + "\n"), other, rawPEM([]*x509.Certificate{by.cert})}, nil)
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				addr := listenTLS(t, serve(leaf, by))
				if err := os.WriteFile(list, []byte("# "+secret+"\n"+strings.ReplaceAll(secret, "\n", " ")+"\n"+addr+" www.example.org\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				want := 2 // what the host shows, and what the file has
				if strings.HasPrefix(name, "unreadable") {
					want = 1
				}
				cfg := config(writeRoots(t, ca))
				cfg.EndpointsFile, cfg.Allow, cfg.Files = list, []Allow{{"127.0.0.0/8", []int{int(netip.MustParseAddrPort(addr).Port())}}}, []string{file}
				told, log := run(t, cfg, ck)
				if x := collectortest.FindSecret(log); x != "" {
					t.Errorf("%s, text %d: %s stands in the log: %s", name, i, x, log)
				}
				states := 0
				for _, d := range told {
					if d.Kind == evidence.CertState {
						states++
					}
					for part, text := range map[string]string{"facts": string(d.Content), "text": string(d.Text), "bytes": d.rawText(), "removed": fmt.Sprint(d.Removed)} {
						if x := collectortest.FindSecret(text); x != "" {
							t.Errorf("%s, text %d: %s stands in the %s of %s: %.400q", name, i, x, part, d.Kind, text)
						}
					}
				}
				if states != want {
					t.Errorf("%s, text %d: %d certificates are told, want %d", name, i, states, want)
				}
			}
		}
	}
}

// planted is a draft whose bytes are looked at as what they stand for.
type planted struct{ evidence.Draft }

func (d planted) rawText() string {
	s, rest := string(d.Raw), d.Raw
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return s
		}
		s += string(b.Bytes) + strings.ReplaceAll(string(b.Bytes), "\x00", "")
	}
}

// TestNestedTexts: whoever shows a certificate chooses its bytes. Strings of bits
// inside one another, each of which reads as such from two places, take no longer
// than anything else of their length.
func TestNestedTexts(t *testing.T) {
	der := bytes.Repeat([]byte{5, 0}, 128)
	for len(der) < 504 {
		der = append([]byte{3, 0x82, byte(len(der) >> 8), byte(len(der))}, der...)
	}
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	tmpl := leafOf("www.example.org", ck.t)
	tmpl.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: der}}
	leaf := issue(t, ca, tmpl).cert
	done := make(chan bool, 1)
	go func() { done <- holdsCredential(leaf) }()
	select {
	case held := <-done:
		if held {
			t.Error("nothing is taken for a credential")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a certificate of 1 KiB is read for more than ten seconds")
	}
}

func run(t *testing.T, cfg *Config, ck *clock) (told []planted, log string) {
	t.Helper()
	var out bytes.Buffer
	env := collectors.Env{Source: "certs/dmz", Clock: ck.now, Log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	c, err := New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := collectors.NewRules(nil)
	if err != nil {
		t.Fatal(err)
	}
	logs := collectortest.Logs{}
	r := &collectors.Runner{Source: env.Source, Collector: c, Rules: rules, Ledger: logs, Clock: ck.now, Log: env.Log, Every: 5 * time.Minute}
	if _, err := r.Poll(t.Context(), ck.t); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, ds := range logs {
		for _, d := range ds {
			told = append(told, planted{d})
		}
	}
	return told, out.String()
}

func wide(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

func sequence(t *testing.T, v asn1.RawValue) []byte {
	t.Helper()
	b, err := asn1.Marshal([]asn1.RawValue{v})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
