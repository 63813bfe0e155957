package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// clock is a clock that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func start() *clock { return &clock{time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)} }

func collector(t *testing.T, cfg *Config, now func() time.Time) *Collector {
	t.Helper()
	c, err := New(cfg, collectors.Env{Source: "certs/dmz", Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func config(roots string, es ...Endpoint) *Config {
	c := defaults()
	c.Timeout, c.Endpoints, c.RootsFile = 2*time.Second, es, roots
	return c
}

func poll(t *testing.T, c *Collector, resume []byte) *collectortest.Recorder {
	t.Helper()
	r := &collectortest.Recorder{}
	if err := c.Poll(t.Context(), evidence.Period{}, resume, r); err != nil {
		t.Fatalf("poll: %v", err)
	}
	return r
}

func facts(t *testing.T, d evidence.Draft) evidence.CertFacts {
	t.Helper()
	var f evidence.CertFacts
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestProbe(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	inter := newCA(t, "Test Intermediate", ca, ck.t)
	stranger := newCA(t, "Strange Root", nil, ck.t)
	good := issue(t, inter, leafOf("www.example.org", ck.t))
	expired := leafOf("www.example.org", ck.t)
	expired.NotBefore, expired.NotAfter = ck.t.Add(-48*time.Hour), ck.t.Add(-time.Hour)
	early := leafOf("www.example.org", ck.t)
	early.NotBefore = ck.t.Add(time.Hour)
	roots := writeRoots(t, ca)

	tests := []struct {
		name     string
		config   *tls.Config
		sni      string
		trusted  string
		why      string
		matches  bool
		chain    int
		protocol string
		self     bool
	}{
		{"chain", serve(good, inter), "www.example.org", "yes", "", true, 1, "TLS 1.3", false},
		{"wrong name", serve(good, inter), "other.example.org", "yes", "", false, 1, "TLS 1.3", false},
		{"expired", serve(issue(t, inter, expired), inter), "www.example.org", "no", "the certificate has expired", true, 1, "TLS 1.3", false},
		{"not yet valid", serve(issue(t, inter, early), inter), "www.example.org", "no", "the certificate is not yet valid", true, 1, "TLS 1.3", false},
		{"intermediate left out", serve(good), "www.example.org", "no", "no chain to a trusted authority", true, 0, "TLS 1.3", false},
		{"unknown root", serve(issue(t, stranger, leafOf("www.example.org", ck.t)), stranger), "www.example.org", "no", "no chain to a trusted authority", true, 1, "TLS 1.3", false},
		{"self-signed", serve(issue(t, nil, leafOf("www.example.org", ck.t))), "www.example.org", "no", "no chain to a trusted authority", true, 0, "TLS 1.3", true},
		{"TLS 1.2 only", limit(serve(good, inter), tls.VersionTLS12, tls.VersionTLS12), "www.example.org", "yes", "", true, 1, "TLS 1.2", false},
		{"TLS 1.0 only", limit(serve(good, inter), tls.VersionTLS10, tls.VersionTLS10), "www.example.org", "yes", "", true, 1, "TLS 1.0", false},
		{"client certificate wanted, TLS 1.2", wantClient(limit(serve(good, inter), tls.VersionTLS12, tls.VersionTLS12)), "www.example.org", "yes", "", true, 1, "TLS 1.2", false},
		{"client certificate wanted, TLS 1.3", wantClient(serve(good, inter)), "www.example.org", "yes", "", true, 1, "TLS 1.3", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr := listenTLS(t, tt.config)
			r := poll(t, collector(t, config(roots, Endpoint{addr, tt.sni}), ck.now), nil)
			if len(r.Drafts) != 1 || len(r.Completed) != 1 {
				t.Fatalf("got %d drafts, %d completes, want 1 and 1; incomplete %q", len(r.Drafts), len(r.Completed), r.Commits[0].Observation.Incomplete)
			}
			d := r.Drafts[0]
			f := facts(t, d)
			if f.Trusted != tt.trusted || f.TrustError != tt.why || f.NameMatches != tt.matches || len(f.Chain) != tt.chain || f.Protocol != tt.protocol || f.SelfSigned != tt.self {
				t.Errorf("got trusted %s (%q), name matches %v, chain %d, %s, self-signed %v; want %s (%q), %v, %d, %s, %v",
					f.Trusted, f.TrustError, f.NameMatches, len(f.Chain), f.Protocol, f.SelfSigned,
					tt.trusted, tt.why, tt.matches, tt.chain, tt.protocol, tt.self)
			}
			if got, want := d.Subject.String(), "cert:dmz/"+addr+"@"+tt.sni; got != want {
				t.Errorf("subject %s, want %s", got, want)
			}
			if f.Dialled != addr || f.Endpoint != addr || f.SNI != tt.sni || len(f.Fingerprint) != 64 || f.Cipher == "" || f.Key != "ECDSA-P-256" {
				t.Errorf("facts %+v", f)
			}
			if d.Basis != evidence.BasisObserved || !d.OccurredAt.Equal(ck.t) || !d.NotBefore.IsZero() {
				t.Errorf("time %v %s, not before %v", d.OccurredAt, d.Basis, d.NotBefore)
			}
			if n := strings.Count(string(d.Raw), "BEGIN CERTIFICATE"); n != tt.chain+1 {
				t.Errorf("raw holds %d certificates, want %d", n, tt.chain+1)
			}
		})
	}
}

// The same certificate looks the same at every look, whatever the clock says.
func TestSecondLook(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	old := leafOf("www.example.org", ck.t)
	old.NotBefore, old.NotAfter = ck.t.Add(-48*time.Hour), ck.t.Add(-time.Hour)
	addr := listenTLS(t, serve(issue(t, ca, old)))
	c := collector(t, config(writeRoots(t, ca), Endpoint{addr, "www.example.org"}), ck.now)
	first := poll(t, c, nil)
	ck.t = ck.t.Add(time.Hour)
	second := poll(t, c, first.Resume())
	a, b := facts(t, first.Drafts[0]), facts(t, second.Drafts[0])
	if !second.Drafts[0].NotBefore.Equal(first.Drafts[0].OccurredAt) {
		t.Errorf("not before %v, want the first look %v", second.Drafts[0].NotBefore, first.Drafts[0].OccurredAt)
	}
	a.LookedAt, b.LookedAt = time.Time{}, time.Time{}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("facts changed between looks (-first +second):\n%s", diff)
	}
}

func TestUnreachable(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	good := issue(t, ca, leafOf("www.example.org", ck.t))
	many := serve(good)
	for range 400 { // past the size a client takes
		many.Certificates[0].Certificate = append(many.Certificates[0].Certificate, bigCert(t, ca, ck.t).Raw)
	}
	closed := listen(t, func(net.Conn) {})
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	tests := []struct{ name, addr, cause string }{
		{"says nothing", listen(t, hold), "the TLS handshake did not end in time"},
		{"closes at once", closed, "it closed the connection during the TLS handshake"},
		{"closes mid-handshake", listen(t, func(c net.Conn) { c.Read(make([]byte, 64)); c.Write([]byte{22, 3, 3, 0}) }), "it closed the connection during the TLS handshake"},
		{"plain HTTP", listen(t, func(c net.Conn) { c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); hold(c) }), "it does not speak TLS"},
		{"refused", refused.Addr().String(), "the connection was refused"},
		{"huge chain", listenTLS(t, many), "the TLS handshake failed: "},
		{"metadata service", "169.254.169.254:443", "the link-local address 169.254.169.254 is never dialled"},
		{"mapped metadata service", "[::ffff:169.254.169.254]:443", "the link-local address 169.254.169.254 is never dialled"},
		{"unknown name", "nowhere.invalid:443", "the name "},
	}
	alive := listenTLS(t, serve(good))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(writeRoots(t, ca), Endpoint{Address: tt.addr}, Endpoint{alive, "www.example.org"})
			cfg.Timeout = 20 * time.Second
			if tt.name == "says nothing" {
				cfg.Timeout = 300 * time.Millisecond
			}
			c := collector(t, cfg, ck.now)
			c.prober.lookup = func(context.Context, string) ([]netip.Addr, error) {
				return nil, &net.DNSError{IsNotFound: true}
			}
			r := poll(t, c, nil)
			if len(r.Drafts) != 1 || len(r.Completed) != 0 {
				t.Errorf("got %d drafts and %d completes, want the other endpoint's and none", len(r.Drafts), len(r.Completed))
			}
			o := r.Commits[0].Observation
			if !strings.Contains(o.Incomplete, tt.cause) {
				t.Errorf("incomplete: %q, want the cause %q", o.Incomplete, tt.cause)
			}
			if len(o.Seen) != 2 || o.Seen[0].Class != evidence.Instants || o.Seen[1].Class != evidence.Blind ||
				o.Seen[0].Scope.IsZero() || o.Seen[1].Scope.IsZero() {
				t.Errorf("seen %+v, want one scope blind and one instant", o.Seen)
			}
		})
	}
}

// A blind endpoint keeps its last look, so that what follows is bracketed.
func TestBlindThenBack(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	addr := listenTLS(t, serve(issue(t, ca, leafOf("www.example.org", ck.t))))
	c := collector(t, config(writeRoots(t, ca), Endpoint{addr, "www.example.org"}), ck.now)
	first := poll(t, c, nil)
	t0 := ck.t
	guarded := *c.prober
	c.prober.timeout = time.Nanosecond
	ck.t = ck.t.Add(time.Hour)
	second := poll(t, c, first.Resume())
	seen := second.Commits[0].Observation.Seen
	if len(seen) != 1 || seen[0].Class != evidence.Blind || !seen[0].From.Equal(t0) || !seen[0].To.Equal(ck.t) {
		t.Errorf("seen %+v, want blind from %v to %v", seen, t0, ck.t)
	}
	*c.prober = guarded
	ck.t = ck.t.Add(time.Hour)
	third := poll(t, c, second.Resume())
	if len(third.Drafts) != 1 || !third.Drafts[0].NotBefore.Equal(t0) {
		t.Errorf("third look %+v, want one draft not before %v", third.Drafts, t0)
	}
}

func TestFoundEndpoints(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	addr := listenTLS(t, serve(issue(t, ca, leafOf("www.example.org", ck.t))))
	list := filepath.Join(t.TempDir(), "found")
	if err := os.WriteFile(list, []byte("# found\n"+addr+" www.example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ap := netip.MustParseAddrPort(addr)
	for _, tt := range []struct {
		name  string
		allow Allow
		want  int
	}{
		{"allowed", Allow{"127.0.0.0/8", []int{int(ap.Port())}}, 1},
		{"other port", Allow{"127.0.0.0/8", []int{1}}, 0},
		{"other range", Allow{"10.0.0.0/8", []int{int(ap.Port())}}, 0},
	} {
		cfg := config(writeRoots(t, ca))
		cfg.EndpointsFile, cfg.Allow = list, []Allow{tt.allow}
		r := poll(t, collector(t, cfg, ck.now), nil)
		if len(r.Drafts) != tt.want {
			t.Errorf("%s: %d drafts, want %d (%s)", tt.name, len(r.Drafts), tt.want, r.Commits[0].Observation.Incomplete)
		}
	}
}

// Mail addresses and logins of a certificate are nowhere but in people and raw.
func TestPeople(t *testing.T) {
	ck := start()
	ca := newCA(t, "Test Root", nil, ck.t)
	l := leafOf("www.example.org", ck.t)
	l.EmailAddresses = []string{"Alice.Planted@example.org"}
	l.Subject = personal()
	addr := listenTLS(t, serve(issue(t, ca, l)))
	r := poll(t, collector(t, config(writeRoots(t, ca), Endpoint{addr, "www.example.org"}), ck.now), nil)
	d := r.Drafts[0]
	public := string(d.Content) + d.Subject.String() + d.Key
	for _, s := range append(d.Links, d.Scope...) {
		public += s.String()
	}
	public += string(r.Resume())
	for _, planted := range []string{"lice.Planted", "lice.planted", "aplanted", "bob@example"} {
		if strings.Contains(public, planted) {
			t.Errorf("%q stands in what is public: %s", planted, public)
		}
	}
	f := facts(t, d)
	if diff := cmp.Diff([]string{"www.example.org", "(1 mail addresses)"}, f.SANs); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if len(d.People) != 2 || d.People[0].NativeID != "alice.planted@example.org" || d.People[0].Proof != evidence.ProofClaimed {
		t.Errorf("people %+v, want alice and bob", d.People)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"nothing", func(c *Config) { c.Endpoints = nil }, "nothing to look at"},
		{"url", func(c *Config) { c.Endpoints[0].Address = "https://www.example.org" }, "the port is no number"},
		{"port", func(c *Config) { c.Endpoints[0].Address = "www.example.org:0443" }, "the port is no number"},
		{"host", func(c *Config) { c.Endpoints[0].Address = "www example:443" }, "the host is neither"},
		{"sni", func(c *Config) { c.Endpoints[0].SNI = "a/b" }, "is no host name"},
		{"twice", func(c *Config) { c.Endpoints = append(c.Endpoints, c.Endpoints[0]) }, "is there twice"},
		{"timeout", func(c *Config) { c.Timeout = 0 }, "timeout"},
		{"concurrency", func(c *Config) { c.Concurrency = 0 }, "concurrency"},
		{"allow", func(c *Config) { c.Allow = []Allow{{"all", []int{1}}} }, "no range"},
		{"allow ports", func(c *Config) { c.Allow = []Allow{{"10.0.0.0/8", nil}} }, "without ports"},
		{"found without allow", func(c *Config) { c.EndpointsFile = "/x" }, "allow is empty"},
		{"relative file", func(c *Config) { c.Files = []string{"x.pem"} }, "no absolute path"},
		{"pattern", func(c *Config) { c.Files = []string{"/x/[.pem"} }, "bad pattern"},
	} {
		cfg := config("", Endpoint{"www.example.org:443", ""})
		tt.edit(cfg)
		_, err := New(cfg, collectors.Env{Source: "certs/dmz"})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestBadResume(t *testing.T) {
	ck := start()
	c := collector(t, config("", Endpoint{"127.0.0.1:1", ""}), ck.now)
	for _, b := range []string{"x", `{"v":9}`} {
		if err := c.Poll(t.Context(), evidence.Period{}, []byte(b), &collectortest.Recorder{}); err == nil {
			t.Errorf("resume %q was taken", b)
		}
	}
}

func TestVerifyRules(t *testing.T) {
	at := time.Date(2026, 11, 14, 0, 0, 0, 0, time.UTC)
	ca := newCA(t, "Root", nil, at)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	l := leafOf("x.example.org", at)
	l.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	p := issue(t, ca, l)
	if ok, why := trust([]*x509.Certificate{p.cert}, pool, at, x509.ExtKeyUsageServerAuth); ok || why != "the certificate is not for servers" {
		t.Errorf("client certificate: %v %q", ok, why)
	}
	under := issue(t, p, leafOf("y.example.org", at))
	if ok, why := trust([]*x509.Certificate{under.cert, p.cert}, pool, at, x509.ExtKeyUsageAny); ok || why == "" {
		t.Errorf("issued by a leaf: %v %q", ok, why)
	}
}
