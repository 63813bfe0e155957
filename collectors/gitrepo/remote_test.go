package gitrepo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

const token = "tok-planted-123456"

// loader serves one repository under any address.
type loader struct{ dir string }

func (l loader) Load(*transport.Endpoint) (storer.Storer, error) {
	return filesystem.NewStorage(osfs.New(l.dir), cache.NewObjectLRUDefault()), nil
}

// smart serves a repository over git's smart HTTP protocol; spoil may change
// the answer's bytes.
func smart(t *testing.T, dir string, spoil func([]byte) []byte) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, pass, _ := req.BasicAuth(); pass != token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(req.URL.Path, "/moved") {
			http.Redirect(w, req, "https://127.0.0.1:1/elsewhere", http.StatusFound)
			return
		}
		sess, err := server.NewServer(loader{dir}).NewUploadPackSession(&transport.Endpoint{}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		var out bytes.Buffer
		if strings.HasSuffix(req.URL.Path, "/info/refs") {
			ar, err := sess.AdvertisedReferencesContext(req.Context())
			if err != nil {
				t.Error(err)
				return
			}
			ar.Prefix = [][]byte{[]byte("# service=git-upload-pack"), {}}
			if err := ar.Encode(&out); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		} else {
			if _, err := sess.AdvertisedReferencesContext(req.Context()); err != nil {
				t.Error(err)
				return
			}
			up := packp.NewUploadPackRequest()
			if err := up.UploadRequest.Decode(req.Body); err != nil {
				t.Error(err)
				return
			}
			resp, err := sess.UploadPack(req.Context(), up)
			if err != nil {
				t.Error(err)
				return
			}
			if err := resp.Encode(&out); err != nil {
				t.Error(err)
			}
		}
		b := out.Bytes()
		if spoil != nil {
			b = spoil(b)
		}
		w.Write(b)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that distrust it are part of the tests
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func httpsConfig(t *testing.T, s *httptest.Server, path string) func(*Config) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	tok := filepath.Join(dir, "token")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, b := range map[string][]byte{ca: block, tok: []byte(token + "\n")} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *Config) {
		c.MirrorDir = filepath.Join(dir, "mirrors")
		c.Repos = []Repo{{Name: "far", URL: s.URL + path, TokenFile: tok, CAFile: ca}}
	}
}

func TestHTTPS(t *testing.T) {
	ck, r := start(), newRepo(t)
	ids := r.chain(6, "x")
	r.ref("refs/heads/main", ids[4])
	s := smart(t, r.dir, nil)
	c := collect(t, ck, httpsConfig(t, s, "/r.git"))
	first := poll(t, c, nil)
	if n := len(first.Of(evidence.ChangeCommit)); n != 5 {
		t.Fatalf("%d commits, want 5", n)
	}
	o := last(first)
	if o.TLSKey == "" || o.Requests != 2 {
		t.Errorf("observation %+v", o)
	}
	side := r.chain(1, "side", ids[2])
	r.ref("refs/heads/main", side[0])
	ck.step()
	second := poll(t, c, first.Resume())
	rw := second.Of(evidence.ChangeRewrite)
	if len(second.Of(evidence.ChangeCommit)) != 1 || len(rw) != 1 {
		t.Fatalf("%d commits and %d rewrites, want 1 and 1", len(second.Of(evidence.ChangeCommit)), len(rw))
	}
	if f := decode[evidence.RewriteFacts](t, rw[0]); len(f.Lost) != 2 || f.Lost[0] != ids[4] {
		t.Errorf("lost %v, want %v and %v", f.Lost, ids[4], ids[3])
	}
	pins, err := filepath.Glob(c.cfg.MirrorDir + "/far-*.git/refs/evidence/*")
	if err != nil || len(pins) != 2 {
		t.Errorf("pins %v, %v; want the present head and the rewritten one", pins, err)
	}
	r.ref("refs/heads/main", r.chain(1, "more", side[0])[0])
	ck.step()
	third := poll(t, c, second.Resume())
	if len(third.Of(evidence.ChangeCommit)) != 1 || len(third.Of(evidence.ChangeRewrite)) != 0 {
		t.Errorf("third look: %d drafts", len(third.Drafts))
	}
	pins, _ = filepath.Glob(c.cfg.MirrorDir + "/far-*.git/refs/evidence/*")
	if len(pins) != 2 {
		t.Errorf("pins %v; want the forwarded head's gone", pins)
	}
	for _, d := range first.Drafts {
		if strings.Contains(string(d.Content)+d.Request.URL, token) {
			t.Error("a draft holds the token")
		}
	}
}

func TestHTTPSFaults(t *testing.T) {
	ck, r := start(), newRepo(t)
	r.ref("refs/heads/main", r.chain(40, "x")[39])
	packOnly := func(f func([]byte) []byte) func([]byte) []byte {
		return func(b []byte) []byte {
			if i := bytes.Index(b, []byte("PACK")); i >= 0 {
				return f(b)
			}
			return b
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func([]byte) []byte
		edit  func(*Config)
		want  string
		code  problem.Code
	}{
		{"truncated pack", packOnly(func(b []byte) []byte { return b[:len(b)/2] }), nil, "repository far", problem.Source},
		{"damaged pack", packOnly(func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b }), nil, "repository far", problem.Source},
		{"no pack", packOnly(func(b []byte) []byte { return bytes.Replace(b, []byte("PACK"), []byte("JUNK"), 1) }), nil, "sent no pack", problem.Source},
		{"too many objects", nil, func(c *Config) { c.MaxObjects = 5 }, "120 objects, at most 5", problem.Refused},
		{"too large", nil, func(c *Config) { c.MaxPackBytes = 500 }, "larger than 500 bytes", problem.Refused},
		{"wrong token", nil, func(c *Config) {
			if err := os.WriteFile(c.Repos[0].TokenFile, []byte("tok-wrong-secret"), 0o600); err != nil {
				t.Error(err)
			}
		}, "refused the credential", problem.Credential},
		{"redirect", nil, func(c *Config) { c.Repos[0].URL = strings.Replace(c.Repos[0].URL, "/r.git", "/moved", 1) }, "redirect", problem.Source},
		{"unknown authority", nil, func(c *Config) { c.Repos[0].CAFile = "" }, "certificate", problem.Source},
		{"metadata address", nil, func(c *Config) { c.Repos[0].URL = "https://169.254.169.254/x" }, "never dialled", problem.Refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := smart(t, r.dir, tt.spoil)
			base := httpsConfig(t, s, "/r.git")
			c := collect(t, ck, func(c *Config) {
				base(c)
				if tt.edit != nil {
					tt.edit(c)
				}
			})
			rec := &collectortest.Recorder{}
			err := c.Poll(t.Context(), evidence.Period{}, nil, rec)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !problem.Is(err, tt.code) {
				t.Fatalf("got %v, want %s with %q", err, tt.code, tt.want)
			}
			if text := problem.Text("x", err); strings.Contains(text, "tok-") {
				t.Errorf("the error holds the token: %s", text)
			}
			if len(rec.Drafts)+len(rec.Completed) != 0 {
				t.Error("something was committed")
			}
			left, _ := filepath.Glob(c.cfg.MirrorDir + "/*/objects/pack/*")
			if len(left) != 0 {
				t.Errorf("left behind in the mirror: %v", left)
			}
		})
	}
}

// A server that never answers ends with the time limit.
func TestSilentServer(t *testing.T) {
	ck := start()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	t.Cleanup(s.Close)
	base := httpsConfig(t, s, "/r.git")
	c := collect(t, ck, func(c *Config) { base(c); c.Timeout = 200 * time.Millisecond })
	err := c.Poll(t.Context(), evidence.Period{}, nil, &collectortest.Recorder{})
	if err == nil || !strings.Contains(err.Error(), "time limit") {
		t.Errorf("got %v, want the time limit", err)
	}
}

// sshServer serves a repository to one key; it returns its address and its
// host key.
func sshServer(t *testing.T, dir string, allowed ssh.PublicKey) (string, ssh.PublicKey) {
	t.Helper()
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), allowed.Marshal()) {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, nil
	}}
	cfg.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveSSH(c, cfg, dir) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), host.PublicKey()
}

func serveSSH(c net.Conn, cfg *ssh.ServerConfig, dir string) {
	defer c.Close()
	_, chans, reqs, err := ssh.NewServerConn(c, cfg)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	for nc := range chans {
		ch, rs, err := nc.Accept()
		if err != nil {
			return
		}
		for r := range rs {
			_ = r.Reply(true, nil)
			if r.Type == "exec" {
				uploadPack(ch, dir)
				_, _ = ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
				ch.Close()
			}
		}
	}
}

func uploadPack(ch io.ReadWriter, dir string) {
	sess, err := server.NewServer(loader{dir}).NewUploadPackSession(&transport.Endpoint{}, nil)
	if err != nil {
		return
	}
	ar, err := sess.AdvertisedReferencesContext(context.Background())
	if err != nil || ar.Encode(ch) != nil {
		return
	}
	up := packp.NewUploadPackRequest()
	if up.UploadRequest.Decode(ch) != nil {
		return
	}
	if resp, err := sess.UploadPack(context.Background(), up); err == nil {
		_ = resp.Encode(ch)
	}
}

func TestSSH(t *testing.T) {
	ck, r := start(), newRepo(t)
	r.ref("refs/heads/main", r.chain(3, "x")[2])
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	addr, host := sshServer(t, r.dir, allowed)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	good := file("key", string(pem.EncodeToMemory(block)))
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	block, err = ssh.MarshalPrivateKey(other, "")
	if err != nil {
		t.Fatal(err)
	}
	bad := file("other", string(pem.EncodeToMemory(block)))
	hosts := file("hosts", knownhosts.Line([]string{addr}, host)+"\n")
	changed := file("changed", knownhosts.Line([]string{addr}, allowed)+"\n")
	empty := file("empty", "")
	for _, tt := range []struct{ name, key, hosts, want string }{
		{"good", good, hosts, ""},
		{"wrong key", bad, hosts, "refused the credential"},
		{"unknown host", good, empty, "is not in known_hosts_file"},
		{"changed host", good, changed, "another key than known_hosts_file"},
		{"no key", dir + "/none", hosts, "key_file"},
	} {
		c := collect(t, ck, func(c *Config) {
			c.MirrorDir = filepath.Join(t.TempDir(), "m")
			c.Repos = []Repo{{Name: "far", URL: "ssh://git@" + addr + "/r.git", KeyFile: tt.key, KnownHostsFile: tt.hosts}}
		})
		rec := &collectortest.Recorder{}
		err := c.Poll(t.Context(), evidence.Period{}, nil, rec)
		if tt.want == "" {
			if err != nil || len(rec.Of(evidence.ChangeCommit)) != 3 || !strings.HasPrefix(last(rec).Identity, "ssh key SHA256:") {
				t.Errorf("%s: %v, %d commits", tt.name, err, len(rec.Of(evidence.ChangeCommit)))
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
