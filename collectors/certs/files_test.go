package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		{dir + "/bad/damaged.pem", "1 of its 1 certificates are damaged"},
		{dir + "/bad/no-cert.pem", "its certificate 1 cannot be parsed"},
		{dir + "/bad/cut.pem", "1 of its 1 certificates are damaged"},
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
		chain, err := parsePEM(bytes.Clone(data))
		if err != nil || len(chain) == 0 {
			return
		}
		if bytes.Contains(rawPEM(chain), []byte("PRIVATE")) {
			t.Error("raw holds a key")
		}
		d := c.draft("x", certFacts(chain), chain, at, nil, &resume{})
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
