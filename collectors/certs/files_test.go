package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func keyPEM(t testing.TB, p *pair) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestFiles(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	leaf := issue(t, ca, leafOf("www.example.org", ck.t))
	pemOf := func(ps ...*pair) []byte {
		var b []byte
		for _, p := range ps {
			b = append(b, rawPEM([]*x509.Certificate{p.cert})...)
		}
		return b
	}
	dir := t.TempDir()
	secret := keyPEM(t, leaf)
	write(t, dir+"/good/tls.pem", append(append([]byte("a comment\n"), secret...), pemOf(leaf, ca)...))
	write(t, dir+"/good/ca-first.crt", pemOf(ca, leaf))
	write(t, dir+"/good/ca.crt", pemOf(ca))
	write(t, dir+"/good/only.key", secret)
	write(t, dir+"/good/key.pem", secret)
	write(t, dir+"/good/der.cer", leaf.cert.Raw)
	write(t, dir+"/good/..data/tls.pem", pemOf(leaf))
	write(t, dir+"/good/deep/er/tls.pem", pemOf(leaf))
	if err := os.Symlink("..data/tls.pem", dir+"/good/mounted.pem"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/outside.pem", pemOf(leaf))

	run := func(roots string, patterns ...string) ([]evidence.Draft, string, int) {
		cfg := config(roots)
		cfg.Files = patterns
		r := poll(t, collector(t, cfg, ck.now), nil)
		return r.Drafts, r.Commits[0].Observation.Incomplete, len(r.Completed)
	}
	roots := writeRoots(t, ca)

	ds, missing, completes := run(roots, dir+"/good")
	if missing != "" || completes != 1 {
		t.Fatalf("incomplete %q, %d completes", missing, completes)
	}
	var names []string
	for _, d := range ds {
		f := facts(t, d)
		names = append(names, strings.TrimPrefix(f.File, dir+"/good/")+" "+f.Subject+" "+f.Trusted)
		if bytes.Contains(d.Raw, []byte("PRIVATE")) || bytes.Contains(d.Raw, []byte("comment")) {
			t.Errorf("%s: raw holds more than certificates", f.File)
		}
	}
	want := "ca-first.crt CN=www.example.org yes|ca.crt CN=Test Root not-checked|deep/er/tls.pem CN=www.example.org yes|" +
		"der.cer CN=www.example.org yes|mounted.pem CN=www.example.org yes|tls.pem CN=www.example.org yes"
	if got := strings.Join(names, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	if err := os.Symlink("../../outside.pem", dir+"/good/deep/out.pem"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/bad/damaged.pem", bytes.Replace(pemOf(leaf), []byte("MII"), []byte("M*I"), 1))
	write(t, dir+"/bad/no-cert.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	write(t, dir+"/bad/cut.pem", pemOf(leaf)[:200])
	write(t, dir+"/bad/big.pem", make([]byte, maxFileBytes+1))
	for _, tt := range []struct{ pattern, want string }{
		{dir + "/good", "leads out of the named directory"},
		{dir + "/bad/damaged.pem", "1 of its 1 certificates cannot be read: certificate 1 is damaged"},
		{dir + "/bad/no-cert.pem", "certificate 1 cannot be parsed"},
		{dir + "/bad/cut.pem", "1 of its 1 certificates cannot be read: certificate 1 is damaged"},
		{dir + "/bad/big.pem", "is larger than"},
		{dir + "/bad/*.pem", "4 of 4 could not be looked at"},
		{dir + "/none.pem", "it is not there"},
		{dir + "/good/key.pem", "it holds no certificate"},
		{dir + "/none/*.pem", "it is not there"},
	} {
		_, missing, completes := run(roots, tt.pattern)
		if !strings.Contains(missing, tt.want) || completes != 0 {
			t.Errorf("%s: incomplete %q with %d completes, want %q and none", tt.pattern, missing, completes, tt.want)
		}
	}
	ds, missing, _ = run(roots, dir+"/good/*.pem")
	if len(ds) != 2 || missing != "" {
		t.Errorf("pattern: %d drafts, incomplete %q, want 2 and nothing", len(ds), missing)
	}
}

// One certificate that cannot be read does not hide the others of its file:
// they are told, it is told by its place, and the file is not claimed as seen.
func TestSpoiledCertificate(t *testing.T) {
	ck := start()
	root := newCA(t, "Test Root", nil, ck.t)
	inter := newCA(t, "Test Intermediate", root, ck.t)
	leaf := issue(t, inter, leafOf("www.example.org", ck.t))
	old := leafOf("www.example.org", ck.t)
	old.NotAfter = ck.t.Add(-time.Minute)
	expired := issue(t, inter, old)
	part := func(p *pair) string { return string(rawPEM([]*x509.Certificate{p.cert})) }
	odd := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	torn := strings.Replace(part(inter), "MII", "M*I", 1)
	// What the library does not like is a name, and it quotes it.
	l := leafOf("www.example.org", ck.t)
	l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: append([]byte{0x30, 31, 0x86, 29}, "x://%zz/alice.planted@x.example"[:29]...)}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l.SerialNumber = big.NewInt(7)
	quoted, err := x509.CreateCertificate(rand.Reader, l, inter.cert, &key.PublicKey, inter.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParseCertificate(quoted); err == nil || !strings.Contains(err.Error(), "alice") {
		t.Fatalf("the library says %v, want an error with the name", err)
	}
	named := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: quoted}))

	roots := writeRoots(t, root)
	for _, tt := range []struct {
		name, file string
		subject    string
		chain      int
		trusted    string
		unreadable string
	}{
		{"second of three", part(leaf) + odd + part(root), "CN=www.example.org", 1, "not-checked", "certificate 2 cannot be parsed: "},
		{"torn intermediate", part(leaf) + torn, "CN=www.example.org", 0, "not-checked", "certificate 2 is damaged: "},
		{"whole chain beside", part(leaf) + part(inter) + odd, "CN=www.example.org", 1, "yes", "certificate 3 cannot be parsed: "},
		{"expired all the same", part(expired) + part(inter) + odd, "CN=www.example.org", 1, "no", "certificate 3 cannot be parsed: "},
		{"authorities", part(root) + odd + part(inter), "CN=Test Root", 1, "not-checked", "certificate 2 cannot be parsed: "},
		{"after a key", string(keyPEM(t, leaf)) + part(leaf) + part(inter) + "x" + part(root), "CN=www.example.org", 1, "yes", "certificate 3 is damaged: "},
		{"name in the reason", named + part(leaf) + part(inter), "CN=www.example.org", 1, "yes", "certificate 1 cannot be parsed: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/other.pem", []byte(part(root)))
			write(t, dir+"/tls.pem", []byte(part(leaf)+part(inter)))
			cfg := config(roots)
			cfg.Files = []string{dir}
			c := collector(t, cfg, ck.now)
			good := poll(t, c, nil)
			seen := ck.t
			ck.t = ck.t.Add(time.Hour)
			defer func() { ck.t = seen }()
			write(t, dir+"/tls.pem", []byte(tt.file))
			r := poll(t, c, good.Resume())
			if len(r.Drafts) != 2 || len(r.Completed) != 0 {
				t.Fatalf("%d drafts, %d completes, want both files and none", len(r.Drafts), len(r.Completed))
			}
			f := facts(t, r.Drafts[1])
			if f.Subject != tt.subject || len(f.Chain) != tt.chain || f.Trusted != tt.trusted {
				t.Errorf("got %s with %d more, trusted %s (%s)", f.Subject, len(f.Chain), f.Trusted, f.TrustError)
			}
			if len(f.Unreadable) != 1 || !strings.HasPrefix(f.Unreadable[0], tt.unreadable) {
				t.Errorf("unreadable %q, want %q", f.Unreadable, tt.unreadable)
			}
			if b := string(r.Drafts[1].Content) + r.Commits[0].Observation.Incomplete; strings.Contains(b, "alice") {
				t.Errorf("a name is told: %s", b)
			}
			o := r.Commits[0].Observation
			if !strings.Contains(o.Incomplete, "1 of 2 could not be looked at") || !strings.Contains(o.Incomplete, tt.unreadable) {
				t.Errorf("incomplete %q", o.Incomplete)
			}
			var blind, lit []string
			for _, s := range o.Seen {
				switch {
				case s.Class != evidence.Blind:
					lit = append(lit, filepath.Base(s.Scope.Name))
				case s.From.Equal(seen) && s.To.Equal(ck.t):
					blind = append(blind, filepath.Base(s.Scope.Name))
				}
			}
			if strings.Join(blind, " ") != "tls.pem" || strings.Join(lit, " ") != "other.pem" {
				t.Errorf("blind at %q, seen %q", blind, lit)
			}
			// The stretch in which not all of it was seen goes on from the last look that saw it.
			ck.t = ck.t.Add(time.Hour)
			for _, s := range poll(t, c, r.Resume()).Commits[0].Observation.Seen {
				if s.Class == evidence.Blind && !s.From.Equal(seen) {
					t.Errorf("later blind from %v, want %v", s.From, seen)
				}
			}
		})
	}
}

// What is no longer configured is left to Complete to end.
func TestRemovedFile(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	dir := t.TempDir()
	write(t, dir+"/a.pem", rawPEM([]*x509.Certificate{ca.cert}))
	write(t, dir+"/b.pem", rawPEM([]*x509.Certificate{ca.cert}))
	cfg := config("")
	cfg.Files = []string{dir}
	c := collector(t, cfg, ck.now)
	first := poll(t, c, nil)
	if err := os.Remove(dir + "/b.pem"); err != nil {
		t.Fatal(err)
	}
	second := poll(t, c, first.Resume())
	if len(first.Drafts) != 2 || len(second.Drafts) != 1 || len(second.Completed) != 1 || !second.Completed[0].Scope.IsZero() {
		t.Errorf("got %d then %d drafts, completes %+v", len(first.Drafts), len(second.Drafts), second.Completed)
	}
	if bytes.Contains(second.Resume(), []byte("b.pem")) {
		t.Errorf("the resume still holds the removed file: %s", second.Resume())
	}
}

func FuzzParsePEM(f *testing.F) {
	at := start().t
	ca := newCA(f, "Root", nil, at)
	both := append(keyPEM(f, ca), rawPEM([]*x509.Certificate{ca.cert})...)
	f.Add(both)
	f.Add(ca.cert.Raw)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	c, err := New(&Config{Files: []string{"/x"}, Timeout: 1, Concurrency: 1}, collectors.Env{Source: "certs/x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		chain, bad, err := parsePEM(bytes.Clone(data))
		if err != nil || len(chain) == 0 {
			return
		}
		if bytes.Contains(rawPEM(chain), []byte("PRIVATE")) {
			t.Error("raw holds a key")
		}
		facts := certFacts(chain)
		facts.Unreadable = told(bad, maxSpoiled)
		d := c.draft("x", facts, chain, at, nil, &resume{})
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	})
}

func TestConformance(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	l := leafOf("www.example.org", ck.t)
	l.EmailAddresses = []string{"Alice.Planted@example.org"}
	l.Subject = personal()
	addr := listenTLS(t, serve(issue(t, ca, l)))
	dir := t.TempDir()
	write(t, dir+"/a.pem", rawPEM([]*x509.Certificate{ca.cert}))
	roots := writeRoots(t, ca)
	collectortest.Run(t, collectortest.Suite{
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(roots, Endpoint{addr, "www.example.org"})
			cfg.Files = []string{dir}
			c, err := New(cfg, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Source: "certs/dmz", Now: ck.t,
		Wants:   []evidence.Kind{evidence.CertState},
		Planted: []string{"lice.Planted", "alice.planted@example.org", "aplanted", "bob@example.org"},
	})
}
