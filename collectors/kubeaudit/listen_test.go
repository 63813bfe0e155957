package kubeaudit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/spool/spooltest"
	"evidenced/evidence"
)

func listenConfig(t testing.TB) Config {
	c := defaultConfig()
	c.Listen, c.SpoolDir = "127.0.0.1:0", filepath.Join(t.TempDir(), "spool")
	return c
}

// followed is a collector that follows until stop is called.
type followed struct {
	addr string
	c    *Collector
	rec  *watched
	stop func()
}

// watched tells of commits.
type watched struct {
	mu sync.Mutex
	collectortest.Recorder
	commits chan int
}

func (w *watched) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.Recorder.Commit(ctx, resume, o); err != nil {
		return err
	}
	w.commits <- len(w.Drafts)
	return nil
}

func follow(t *testing.T, cfg Config, resume []byte) *followed {
	t.Helper()
	rec := &watched{commits: make(chan int, 100000)}
	return followWith(t, cfg, resume, rec, rec)
}

func followWith(t *testing.T, cfg Config, resume []byte, rec *watched, sink collectors.Sink) *followed {
	t.Helper()
	var mu sync.Mutex
	clock := now
	env := testEnv()
	env.Clock = func() time.Time { // each look at the clock is a little later
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(100 * time.Millisecond)
		return clock
	}
	c, err := New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	bound := make(chan string, 1)
	c.tick, c.bound = time.Millisecond, func(a string) { bound <- a }
	ctx, cancel := context.WithCancel(t.Context())
	f := &followed{c: c, rec: rec}
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, resume, sink) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow returned %v", err)
		}
	})
	t.Cleanup(f.stop)
	select {
	case f.addr = <-bound:
	case err := <-done:
		done <- context.Canceled
		t.Fatalf("Follow ended: %v", err)
	}
	return f
}

// until waits for a commit after which n drafts are durable.
func (f *followed) until(t *testing.T, n int) {
	t.Helper()
	for {
		select {
		case got := <-f.rec.commits:
			if got >= n {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("%d drafts never came", n)
		}
	}
}

func send(t *testing.T, client *http.Client, url, token string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return -1
	}
	resp.Body.Close()
	return resp.StatusCode
}

// What a webhook sends becomes the same drafts as the file would, once, though
// batches come twice and the daemon restarts; nothing that must not be kept
// reaches the disk.
func TestWebhook(t *testing.T) {
	cfg := listenConfig(t)
	cfg.ListenTokenFile = logFile(t, []byte("listen-token\n"))
	want := keys(poll(t, fileConfig(logFile(t, recorded(t))), nil).Drafts)
	lines := bytes.SplitAfter(recorded(t), []byte("\n"))
	first, second := batch(bytes.Join(lines[:9], nil)), batch(bytes.Join(lines[9:], nil))

	f := follow(t, cfg, nil)
	url := "http://" + f.addr + "/audit"
	for token, status := range map[string]int{"": 401, "other": 401, "listen-toke": 401, "listen-token": 200} {
		if got := send(t, http.DefaultClient, url, token, first); got != status {
			t.Errorf("token %q: status %d, want %d", token, got, status)
		}
	}
	f.until(t, 8)
	f.stop()
	g := follow(t, cfg, f.rec.Resume())
	url = "http://" + g.addr + "/audit"
	for _, b := range [][]byte{first, second, second} { // the API server sends again what it is not sure of
		if got := send(t, http.DefaultClient, url, "listen-token", b); got != 200 {
			t.Errorf("status %d", got)
		}
	}
	g.until(t, len(want)+len(want)-8)
	g.stop()
	all := append(keys(f.rec.Drafts), keys(g.rec.Drafts)...)
	slices.Sort(all)
	slices.Sort(want)
	if got := slices.Compact(all); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, d := range f.rec.Drafts {
		if strings.Contains(string(d.Content), `"unauthenticated":true`) || strings.Contains(string(d.Raw), "planted-") {
			t.Errorf("%s: %s", d.Key, d.Content)
		}
	}
	for _, cm := range append(f.rec.Commits, g.rec.Commits...) {
		for _, s := range cm.Observation.Seen {
			if s.Class != evidence.Instants {
				t.Errorf("without a probe a webhook claims %+v", s)
			}
		}
	}
}

// A sender that proves nothing is heard on loopback, and said.
func TestUnauthenticated(t *testing.T) {
	f := follow(t, listenConfig(t), nil)
	if got := send(t, http.DefaultClient, "http://"+f.addr, "", batch(recorded(t))); got != 200 {
		t.Fatalf("status %d", got)
	}
	f.until(t, 18)
	f.stop()
	for _, d := range f.rec.Drafts {
		if !strings.Contains(string(d.Content), `"unauthenticated":true`) {
			t.Errorf("%s is not said to be unauthenticated", d.Key)
		}
		for _, p := range d.People {
			if p.Proof != evidence.ProofClaimed {
				t.Errorf("%s: proof %s", d.Key, p.Proof)
			}
		}
	}
}

// What is no list of events is refused whole and leaves nothing behind.
func TestRefused(t *testing.T) {
	cfg := listenConfig(t)
	cfg.MaxLine = 4096
	f := follow(t, cfg, nil)
	for body, want := range map[string]int{
		"":   400,
		"[]": 400,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}`:                             200,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]} more`:                        400,
		`{"kind":"PodList","apiVersion":"v1","items":[]}`:                                            400,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{}}`:                             400,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"x","stage":"Panic"`: 400,
	} {
		if got := send(t, http.DefaultClient, "http://"+f.addr, "", []byte(body)); got != want {
			t.Errorf("%.120s: status %d, want %d", body, got, want)
		}
	}
	resp, err := http.Get("http://" + f.addr)
	if err != nil || resp.StatusCode != 405 {
		t.Errorf("GET: %v %v", resp, err)
	}
	resp.Body.Close()
	// The API server does not send again what it was told is bad: that is said.
	for told := 0; told != 6; {
		<-f.rec.commits
		told = 0
		f.rec.mu.Lock()
		for _, c := range f.rec.Commits {
			n := 0
			if _, err := fmt.Sscanf(c.Observation.Incomplete, "%d batches were refused", &n); err == nil {
				told += n
			}
		}
		f.rec.mu.Unlock()
	}
	f.stop()
	if fi, err := os.Stat(filepath.Join(cfg.SpoolDir, openName)); err == nil && fi.Size() > 0 {
		t.Errorf("a refused batch left %d bytes", fi.Size())
	}
}

// Items of a batch that cannot be read cost none of the others: they are
// counted, and the log is blind where they stood.
func TestOddItem(t *testing.T) {
	good := func(id, at string) string { return strings.TrimSpace(eventOf(id, at, "")) }
	before, after := good("a", "2026-03-02T14:00:00Z"), good("b", "2026-03-02T14:00:09Z")
	for _, tt := range []struct {
		name, items string
		items1      int
		why         string
	}{
		{"no event", before + `,{"auditID":"planted-x"},` + after, 1, "no event of audit.k8s.io"},
		{"no object", before + `,7,"planted-x",null,` + after, 3, "no JSON object"},
		{"of another type", before + `,` + strings.Replace(good("c", "2026-03-02T14:00:01Z"), `"verb":"get"`, `"verb":{"planted-x":1}`, 1) + `,` + after, 1, "field verb is of another type"},
		{"of another kind", before + `,{"kind":"Pod","apiVersion":"v1","metadata":{"name":"planted-x"}},` + after, 1, "no event of audit.k8s.io"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := listenConfig(t)
			f := follow(t, cfg, nil)
			body := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + tt.items + `]}`
			if got := send(t, http.DefaultClient, "http://"+f.addr, "", []byte(body)); got != 200 {
				t.Fatalf("status %d", got)
			}
			f.until(t, 2)
			f.stop()
			var said string
			var blind []evidence.Seen
			for _, c := range f.rec.Commits {
				o := c.Observation
				said += o.Incomplete
				for _, s := range o.Seen {
					if s.Class == evidence.Blind {
						blind = append(blind, s)
					}
				}
				if all := fmt.Sprint(o); strings.Contains(all, "planted") {
					t.Errorf("content is told: %s", all)
				}
			}
			if want := fmt.Sprintf("%d sent events of ", tt.items1); !strings.Contains(said, want) || !strings.Contains(said, tt.why) || strings.Contains(said, "refused") {
				t.Errorf("incomplete %q, want %q and %q", said, want, tt.why)
			}
			if len(blind) != 1 || blind[0].From.Second() != 0 || blind[0].To.Second() != 9 || !strings.Contains(blind[0].Cause, "could not be read") {
				t.Errorf("blind %+v, want between the two events", blind)
			}
		})
	}
}

// A batch of nothing but odd items is as small in the spool as one mark.
func TestOddItemsOnly(t *testing.T) {
	body := `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[7` + strings.Repeat(",7", 100_000) + `]}`
	lines, err := readBatch(strings.NewReader(body), now)
	m, ok := readMark(bytes.TrimSpace(lines))
	if err != nil || !ok || m.Items != 100_001 || m.Bytes != 100_001 || len(lines) > 300 {
		t.Errorf("%v, mark %+v in %d bytes", err, m, len(lines))
	}
}

// certificates makes an authority and a certificate of it, as PEM files.
func certificates(t *testing.T) (ca, cert, key string, pool *x509.CertPool, pair tls.Certificate) {
	t.Helper()
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		return path
	}
	make1 := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = k
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &k.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, k
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, caKey := make1(authority, authority, nil)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, k := make1(leaf, authority, caKey)
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return file("ca.pem", "CERTIFICATE", caDER), file("cert.pem", "CERTIFICATE", der), file("key.pem", "EC PRIVATE KEY", kb), pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

// With client_ca_file only a sender with a certificate of it is heard.
func TestMutualTLS(t *testing.T) {
	cfg := listenConfig(t)
	var pool *x509.CertPool
	var pair tls.Certificate
	cfg.ClientCAFile, cfg.TLSCertFile, cfg.TLSKeyFile, pool, pair = certificates(t)
	f := follow(t, cfg, nil)
	url := "https://" + f.addr
	_, _, _, _, stranger := certificates(t)
	for name, c := range map[string]struct {
		certs []tls.Certificate
		want  int
	}{"none": {nil, -1}, "of another authority": {[]tls.Certificate{stranger}, -1}, "right": {[]tls.Certificate{pair}, 200}} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: c.certs}}
		if got := send(t, &http.Client{Transport: tr}, url, "", batch(recorded(t))); got != c.want {
			t.Errorf("certificate %s: status %d, want %d", name, got, c.want)
		}
		tr.CloseIdleConnections()
	}
	f.until(t, 18)
	f.stop()
	if s := string(f.rec.Drafts[0].Content); strings.Contains(s, "unauthenticated") {
		t.Errorf("a sender with a certificate is said to prove nothing: %s", s)
	}
}

// spoolOf is the spool of a collector that is not running.
func spoolOf(cfg Config) *spool {
	env := testEnv()
	return &spool{dir: cfg.SpoolDir, source: string(env.Source), keys: env.Seal, limit: 1 << 30, clock: env.Clock}
}

// found returns what the files of the spool hold, by name.
func (f *followed) found(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	names, err := os.ReadDir(f.c.cfg.SpoolDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, de := range names {
		b, err := os.ReadFile(filepath.Join(f.c.cfg.SpoolDir, de.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was deleted just now
		}
		fi, err2 := de.Info()
		if err2 == nil && fi.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s: %v", de.Name(), fi.Mode())
		}
		if err := errors.Join(err, err2); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		files[de.Name()] = b
	}
	return files
}

// held is a sink that takes no commit with drafts until it is let go.
type held struct {
	*watched
	stopped chan struct{} // gets a value when a commit waits
	on      chan struct{}
}

func (h *held) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	h.mu.Lock()
	waiting := len(h.Pending)
	h.mu.Unlock()
	if waiting > 0 {
		select {
		case h.stopped <- struct{}{}:
		default:
		}
		select {
		case <-h.on:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.watched.Commit(ctx, resume, o)
}

// Before lines are evidence nothing of them stands on the disk in clear, and
// soon after nothing at all.
func TestSpoolKeepsNothing(t *testing.T) {
	cfg := listenConfig(t)
	rec := &held{watched: &watched{commits: make(chan int, 100000)}, stopped: make(chan struct{}, 1), on: make(chan struct{})}
	f := followWith(t, cfg, nil, rec.watched, rec)
	if got := send(t, http.DefaultClient, "http://"+f.addr, "", batch(recorded(t))); got != 200 {
		t.Fatalf("status %d", got)
	}
	<-rec.stopped
	files := f.found(t)
	if len(files[openName]) < 1000 {
		t.Errorf("%d bytes wait", len(files[openName]))
	}
	var clear [][]byte
	for _, word := range append(slices.Clone(planted), "planted-", "auditID", "username", "tenant-7") {
		clear = append(clear, []byte(word))
	}
	for name, b := range files {
		for _, word := range clear {
			if bytes.Contains(b, word) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
	close(rec.on)
	for left := 2; left > 1; { // the key stays
		select {
		case <-f.rec.commits:
			left = len(f.found(t))
		case <-t.Context().Done():
			t.Fatalf("left of the spool: %d files", left)
		}
	}
	f.stop()
	if got := f.rec.Commits[len(f.rec.Commits)-1].Observation; strings.Contains(got.Incomplete, "deleted") {
		t.Errorf("the files that were deleted are missed: %s", got.Incomplete)
	}
	g := follow(t, cfg, f.rec.Resume())
	if got := send(t, http.DefaultClient, "http://"+g.addr, "", batch(recorded(t))); got != 200 {
		t.Fatalf("status %d", got)
	}
	g.until(t, 8)
	g.stop()
	for _, c := range append(f.rec.Commits, g.rec.Commits...) {
		for _, s := range c.Observation.Seen {
			if s.Class == evidence.Blind {
				t.Errorf("blind: %+v", s)
			}
		}
	}
}

// A full spool refuses, says so, and takes again when it was read.
func TestSpoolFull(t *testing.T) {
	dir := t.TempDir()
	s := &spool{dir: dir, keys: spooltest.Keyring("a"), limit: 1000, clock: func() time.Time { return now }}
	line := append(bytes.Repeat([]byte("x"), 599), '\n')
	if err := s.append(line, false); err != nil {
		t.Fatal(err)
	}
	if err := s.append(line, false); !errors.Is(err, errFull) {
		t.Errorf("over the limit: %v", err)
	}
	l, n, ok := s.refusals()
	if !ok || n != 1 || !l.From.Equal(now) {
		t.Errorf("refusals %v %d %v", l, n, ok)
	}
	s.told(l, n)
	if _, _, ok := s.refusals(); ok {
		t.Error("refusals are told twice")
	}
	aside := filepath.Join(dir, knownName+".1")
	if err := os.Rename(filepath.Join(dir, knownName), aside); err != nil {
		t.Fatal(err)
	}
	s.drop([]string{filepath.Join(dir, knownName), aside, "/etc/known.log.1"})
	s.close()
	if err := s.append(line, false); err != nil {
		t.Errorf("after the spool was read: %v", err)
	}
}

// A half line that a crash left is taken off, and large files are put aside
// and deleted once they are read.
func TestSpoolFiles(t *testing.T) {
	cfg := listenConfig(t)
	if err := os.MkdirAll(cfg.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(recorded(t), []byte("\n"))
	active := filepath.Join(cfg.SpoolDir, knownName)
	s := spoolOf(cfg)
	seal := func(line []byte) []byte {
		b, err := s.seal(line, knownName)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := seal(lines[1])
	write(t, active, append(bytes.Clone(one), seal(lines[2])[:40]...))
	if err := s.append(lines[3], false); err != nil {
		t.Fatal(err)
	}
	three, ok := []byte(nil), false
	if b, err := os.ReadFile(active); err != nil {
		t.Fatal(err)
	} else if three, ok = bytes.CutPrefix(b, one); !ok {
		t.Errorf("after a crash: %q", b)
	}
	if l, err := s.open(active, bytes.TrimSuffix(three, []byte("\n"))); err != nil || !bytes.Equal(append(l, '\n'), lines[3]) {
		t.Errorf("after a crash: %q, %v", l, err)
	}
	s.size = rotateBytes
	if err := os.Truncate(active, rotateBytes+1); err != nil {
		t.Fatal(err)
	}
	s.close()
	if err := s.append(lines[4], false); err != nil {
		t.Fatal(err)
	}
	s.close()
	old, err := filepath.Glob(active + ".*")
	if err != nil || len(old) != 1 {
		t.Fatalf("put aside: %q, %v", old, err)
	}
	write(t, old[0], append(bytes.Clone(one), three...))
	rec := poll(t, cfg, nil)
	if got := len(rec.Drafts); got != 3 {
		t.Errorf("%d drafts, want 3", got)
	}
	if left, err := filepath.Glob(active + "*"); err != nil || !slices.Equal(left, []string{active}) {
		t.Errorf("left of the spool: %q, %v", left, err)
	}
	rec = poll(t, cfg, rec.Resume())
	if len(rec.Drafts) != 0 || rec.Commits[0].Observation.Incomplete != "" {
		t.Errorf("deleted files are missed: %+v", rec.Commits[0].Observation)
	}
}

// The suite over what was sent.
func TestSuiteSpool(t *testing.T) {
	cfg := listenConfig(t)
	s := spoolOf(cfg)
	if err := os.MkdirAll(cfg.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	lines, err := readBatch(bytes.NewReader(batch(recorded(t))), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.append(lines, true), s.append(lines, false)); err != nil {
		t.Fatal(err)
	}
	s.close()
	collectortest.Run(t, collectortest.Suite{
		Source: "kubernetes-audit/prod", Now: now, Planted: planted, Wants: []evidence.Kind{evidence.AccessAudit},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			w.Env.Seal = spooltest.Keyring("a")
			c, err := New(cfg, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			c.batch = 4
			return c
		},
	})
}
