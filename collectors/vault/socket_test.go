package vault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/tail"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// socketConfig listens on a unix socket of the test's own.
func socketConfig(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	// Test folders have long names, and a socket's path is short.
	short, err := os.MkdirTemp("", "vs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	return Config{Listen: "unix://" + filepath.Join(short, "s"), SpoolDir: filepath.Join(dir, "spool"), MaxLine: 1 << 20}
}

// spooled puts lines into the spool as a receiver does.
func spooled(t testing.TB, cfg Config, lines string) {
	t.Helper()
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	s := newSpool(cfg.SpoolDir, "vault/prod", keyring, cfg.SpoolMax, func() time.Time { return later })
	if _, err := s.open(); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(lines) {
		s.write([]byte(strings.TrimSuffix(l, "\n")))
	}
	s.stop()
}

// told prints drafts as request, operation, outcome and how they came.
func told(t testing.TB, ds []evidence.Draft) (out []string) {
	t.Helper()
	for _, d := range ds {
		f := facts(t, d)
		out = append(out, fmt.Sprintf("%.8s %s %s %s", d.Key, d.Op, f.Outcome, f.Transport))
	}
	return out
}

func TestParseListen(t *testing.T) {
	long := "unix:///" + strings.Repeat("x", 107)
	for _, x := range []struct {
		text  string
		peers []string
		want  string // network and address, or a part of the error
	}{
		{"unix:///run/evidenced/vault.sock", nil, "unix /run/evidenced/vault.sock"},
		{"tcp://127.0.0.1:9200", nil, "tcp 127.0.0.1:9200"},
		{"tcp://[::1]:9200", nil, "tcp [::1]:9200"},
		{"tcp://0.0.0.0:9200", []string{"10.0.0.0/8", "192.0.2.7"}, "tcp 0.0.0.0:9200"},
		{"tcp://0.0.0.0:9200", nil, "no peers are listed"},
		{"tcp://192.0.2.1:9200", nil, "no peers are listed"},
		{"tcp://vault.example:9200", nil, "not an IP address"},
		{"tcp://127.0.0.1", nil, "not an IP address"},
		{"tcp://127.0.0.1:9200", []string{"everybody"}, "neither an address nor a network"},
		{"udp://127.0.0.1:9200", nil, "neither unix:// nor tcp://"},
		{"unix://run/vault.sock", nil, "not an absolute path"},
		{"unix:///run/vault.sock", []string{"10.0.0.0/8"}, "guarded by its group"},
		{long, nil, "at most 107"},
		{"127.0.0.1:9200", nil, "listen:"},
		{"", nil, "neither unix"},
	} {
		a, err := parseListen(x.text, x.peers)
		got := a.network + " " + a.at
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, x.want) {
			t.Errorf("%q %q: got %s, want %s", x.text, x.peers, got, x.want)
		}
	}
	for _, bad := range []Config{
		{Listen: "unix:///run/v.sock"}, {Listen: "unix:///run/v.sock", SpoolDir: "spool"}, {SpoolDir: "/var/spool/v"},
		{Listen: "unix:///run/v.sock", SpoolDir: "/var/spool/v", SpoolMax: 10},
		{Listen: "unix:///run/v.sock", SpoolDir: "/var/spool/v", AuditFiles: []string{"/var/spool/v/*.log"}},
	} {
		if err := bad.check(); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

func FuzzParseListen(f *testing.F) {
	f.Add("unix:///run/evidenced/vault.sock", "")
	f.Add("tcp://0.0.0.0:9200", "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, text, peer string) {
		var peers []string
		if peer != "" {
			peers = []string{peer}
		}
		a, err := parseListen(text, peers)
		if err != nil {
			return
		}
		if a.network == "tcp" && len(a.peers) == 0 {
			if ap, err := netip.ParseAddrPort(a.at); err != nil || !ap.Addr().IsLoopback() {
				t.Errorf("%q listens on %s for everybody", text, a.at)
			}
		}
		if a.network == "unix" && (!filepath.IsAbs(a.at) || len(a.at) > 107) {
			t.Errorf("%q listens on %s", text, a.at)
		}
	})
}

// TestSocketUnion: a file and a socket tell of the same requests. Each is one
// event; what a file shows never carries the socket's mark.
func TestSocketUnion(t *testing.T) {
	g := newGen()
	var reqs, resps []string
	for range 3 {
		q, p := g.pair(g.kvRead("alice", "tenant-7/web/db"))
		reqs, resps = append(reqs, q), append(resps, p)
	}
	whole := reqs[0] + resps[0]
	for _, x := range []struct {
		name         string
		file, socket string
		want         []string
	}{
		{"both show all", whole, whole, []string{"00000001 event ok "}},
		{"only the socket shows it", "", whole, []string{"00000001 event ok socket"}},
		{"the response came over the socket alone", reqs[0], whole, []string{"00000001 event ok socket"}},
		{"each shows another", whole, reqs[1] + resps[1], []string{"00000001 event ok ", "00000002 event ok socket"}},
	} {
		cfg := socketConfig(t)
		cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
		write(t, cfg.AuditFiles[0], x.file)
		spooled(t, cfg, x.socket)
		rec := poll(t, cfg, nil)
		if d := cmp.Diff(x.want, told(t, rec.Drafts)); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
	// The socket is quicker: what it told is amended when the file shows it,
	// and the file's record is amended by nothing.
	cfg := socketConfig(t)
	cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
	write(t, cfg.AuditFiles[0], "")
	now := g.t.Add(time.Second)
	spooled(t, cfg, whole)
	rec := pollAt(t, cfg, nil, now)
	write(t, cfg.AuditFiles[0], reqs[0])
	rec2 := pollAt(t, cfg, rec.Resume(), now)
	add(t, cfg.AuditFiles[0], resps[0])
	rec3 := pollAt(t, cfg, rec2.Resume(), now)
	spooled(t, cfg, whole)
	rec4 := pollAt(t, cfg, rec3.Resume(), now)
	got := [][]string{told(t, rec.Drafts), told(t, rec2.Drafts), told(t, rec3.Drafts), told(t, rec4.Drafts)}
	if d := cmp.Diff([][]string{{"00000001 event ok socket"}, nil, {"00000001 amend ok "}, nil}, got); d != "" {
		t.Errorf("the socket is quicker (-want +got):\n%s", d)
	}
	// A response that a socket tells of a file's request waits for the file's
	// own, over a restart too.
	cfg = socketConfig(t)
	cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
	write(t, cfg.AuditFiles[0], reqs[0])
	forged := strings.Replace(resps[0], `"type":"response"`, `"error":"permission denied","type":"response"`, 1)
	spooled(t, cfg, forged)
	rec = pollAt(t, cfg, nil, now)
	add(t, cfg.AuditFiles[0], resps[0])
	rec2 = pollAt(t, cfg, rec.Resume(), now)
	if d := cmp.Diff([]string{"00000001 event ok "}, told(t, slices.Concat(rec.Drafts, rec2.Drafts))); d != "" {
		t.Errorf("a response of the socket alone (-want +got):\n%s", d)
	}
	// When the file's never comes, it stands, marked; it was kept over the
	// restart.
	cfg = socketConfig(t)
	cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
	write(t, cfg.AuditFiles[0], reqs[0])
	spooled(t, cfg, resps[0])
	rec = pollAt(t, cfg, nil, now)
	rec2 = poll(t, cfg, rec.Resume())
	if d := cmp.Diff([]string{"00000001 event ok socket"}, told(t, slices.Concat(rec.Drafts, rec2.Drafts))); d != "" {
		t.Errorf("the file lost the response (-want +got):\n%s", d)
	}
}

// TestSpoolBounds: the spool never grows beyond its size, says what it
// dropped, gives back what was read, and tells the loss as a blind window.
func TestSpoolBounds(t *testing.T) {
	cfg := socketConfig(t)
	cfg.SpoolMax = minSpool
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	g := newGen()
	sp := newSpool(cfg.SpoolDir, "vault/prod", keyring, cfg.SpoolMax, func() time.Time { return later })
	if _, err := sp.open(); err != nil {
		t.Fatal(err)
	}
	wrote := 0
	for sp.lines.Load() < 100 {
		for l := range strings.Lines(g.reads(1)) {
			sp.write([]byte(strings.TrimSuffix(l, "\n")))
			wrote++
		}
	}
	size := func() (n int64, files int) {
		names, err := os.ReadDir(cfg.SpoolDir)
		if err != nil {
			t.Fatal(err)
		}
		for _, de := range names {
			fi, err := de.Info()
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", de.Name(), fi.Mode())
			}
			n += fi.Size()
		}
		return n, len(names) - 1 // the key
	}
	n, files := size()
	if n > cfg.SpoolMax || n < cfg.SpoolMax/2 || files < 4 {
		t.Errorf("%d bytes in %d files, want nearly %d in several", n, files, cfg.SpoolMax)
	}
	if fi, err := os.Stat(cfg.SpoolDir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("spool folder: %v, %v", fi.Mode(), err)
	}
	dropped := int(sp.lines.Load())
	lost := fmt.Sprintf("%d lines of", dropped)
	c := fileCollector(t, cfg, later)
	c.spool = sp
	var rec collectortest.Recorder
	look := func() {
		t.Helper()
		if err := c.Poll(t.Context(), evidence.Period{To: later}, rec.Resume(), &rec); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if n, files := size(); files != 1 || n > sp.segment+4096 {
		t.Errorf("%d bytes in %d files after all was read", n, files)
	}
	before := len(rec.Drafts)
	g.t = g.t.Add(time.Hour)
	sp.flush()
	for l := range strings.Lines(g.reads(2)) {
		sp.write([]byte(strings.TrimSuffix(l, "\n")))
	}
	look()
	o := last(&rec)
	if len(rec.Drafts) != before+2 || before != (wrote-dropped+1)/2 {
		t.Errorf("%d drafts of %d lines, then %d more", before, wrote, len(rec.Drafts)-before)
	}
	if !strings.Contains(o.Incomplete, lost) || !strings.Contains(o.Incomplete, "the spool was full") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	if !slices.ContainsFunc(o.Seen, func(s evidence.Seen) bool {
		return s.Class == evidence.Blind && strings.Contains(s.Cause, lost) && s.To.Sub(s.From) > 59*time.Minute
	}) {
		t.Errorf("no blind window over what was dropped: %+v", o.Seen)
	}
	for _, d := range rec.Drafts {
		if facts(t, d).Transport != "socket" {
			t.Fatalf("%s is not marked", d.Key)
		}
	}
}

// TestSpoolRestart: a half line that a crash left is cut off, and the time
// without a listener is told.
func TestSpoolRestart(t *testing.T) {
	cfg := socketConfig(t)
	g := newGen()
	spooled(t, cfg, g.reads(2))
	rec := poll(t, cfg, nil)
	add(t, filepath.Join(cfg.SpoolDir, spoolFile), `{"time":"2026-03-02T14:00:0`)
	c := fileCollector(t, cfg, later)
	r, err := c.receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", strings.TrimPrefix(cfg.Listen, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	g.t = g.t.Add(time.Minute)
	if _, err := io.WriteString(conn, g.reads(1)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	waitFor(t, func() bool { return spoolLines(t, cfg) >= 4 }) // both lines and two marks of the new file
	r.stop()
	rec2 := poll(t, cfg, rec.Resume())
	if len(rec.Drafts) != 2 || len(rec2.Drafts) != 1 {
		t.Errorf("%d and %d drafts, want 2 and 1", len(rec.Drafts), len(rec2.Drafts))
	}
	if o := last(rec2); !strings.Contains(o.Incomplete, "listener was not running") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
}

// spoolLines counts the lines of the active file.
func spoolLines(t testing.TB, cfg Config) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(cfg.SpoolDir, spoolFile))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// waitFor asks until something that another goroutine does is done.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for range 5000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("what was waited for never came")
}

// TestReceiver writes to the socket as a server would and worse.
func TestReceiver(t *testing.T) {
	cfg := socketConfig(t)
	cfg.MaxLine = 1 << 16
	c := fileCollector(t, cfg, later)
	c.tick = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &signal{commits: make(chan progress, 100000)}
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, nil, sink) }()
	at := strings.TrimPrefix(cfg.Listen, "unix://")
	waitFor(t, func() bool { _, err := os.Stat(at); return err == nil })
	waitFor(t, func() bool { fi, err := os.Stat(at); return err == nil && fi.Mode().Perm() == 0o660 })
	g := newGen()
	send := func(parts ...string) {
		t.Helper()
		conn, err := net.Dial("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, p := range parts {
			if _, err := io.WriteString(conn, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	lines := g.reads(3)
	n := strings.Index(lines, "\n") / 2
	// In pieces, with a line of ours forged, one too long, and half a line at
	// the end.
	send(lines[:n], lines[n:], string(markBegin)+`{"lost":"forged"}`+"\n", `{"x":"`+strings.Repeat("y", 1<<20)+"\"}\n", g.reads(1), `{"half":`)
	waitFor(t, func() bool { return spoolLines(t, cfg) >= 1+8+3 }) // head, lines, three marks
	send(g.reads(1))
	waitFor(t, func() bool { return spoolLines(t, cfg) >= 1+8+3+3 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Follow returned %v", err)
	}
	if _, err := os.Stat(at); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	var rec collectortest.Recorder
	if err := fileCollector(t, cfg, later).Poll(t.Context(), evidence.Period{To: later}, sink.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(sink.Drafts, rec.Drafts)
	if len(all) != 5 {
		t.Errorf("%d drafts, want 5: %v", len(all), told(t, all))
	}
	var notes string
	for _, cm := range slices.Concat(sink.Commits, rec.Commits) {
		notes += strings.Join(cm.Observation.Notes, "\n") + "\n"
	}
	for _, want := range []string{"1 lines of", "began like one of our own marks", "a line of 1048584 bytes is longer than max_line", "half line of 8 bytes", "nobody was connected for"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "forged") {
		t.Error("a mark that came over the socket was believed")
	}
}

// TestReceiverNeverStalls: with the spool full and nobody reading it, the
// server can go on writing.
func TestReceiverNeverStalls(t *testing.T) {
	cfg := socketConfig(t)
	cfg.SpoolMax = minSpool
	c := fileCollector(t, cfg, later)
	r, err := c.receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", strings.TrimPrefix(cfg.Listen, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	text := newGen().reads(200)
	sent := 0
	for range 40 {
		if err := conn.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := io.WriteString(conn, text)
		sent += n
		if err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	conn.Close()
	waitFor(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.conns) == 0 && len(r.queue) == 0 })
	r.stop()
	if sent < 4*minSpool || c.spool.total > minSpool || c.spool.lines.Load() == 0 {
		t.Errorf("%d bytes sent, %d kept, %d lines dropped", sent, c.spool.total, c.spool.lines.Load())
	}
}

// TestPeers: who is not listed is turned away at once, and counted.
func TestPeers(t *testing.T) {
	for _, x := range []struct {
		peers []string
		want  bool
	}{{nil, true}, {[]string{"127.0.0.0/8"}, true}, {[]string{"127.0.0.1"}, true}, {[]string{"192.0.2.0/24"}, false}} {
		cfg := socketConfig(t)
		cfg.Listen, cfg.Peers = "tcp://127.0.0.1:0", x.peers
		c := fileCollector(t, cfg, later)
		r, err := c.receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", r.ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, newGen().reads(1)) // who is turned away may not even get this far
		if x.want {
			waitFor(t, func() bool { return spoolLines(t, cfg) >= 3 })
		} else {
			waitFor(t, func() bool { return r.refused.Load() == 1 })
		}
		conn.Close()
		r.stop()
		if got := spoolLines(t, cfg) >= 3; got != x.want {
			t.Errorf("peers %v: lines kept %v, want %v", x.peers, got, x.want)
		}
	}
}

// TestStaleSocket: a rest of an earlier process is replaced, a socket in use
// and a file are not, and a spool that others may use is refused.
func TestStaleSocket(t *testing.T) {
	cfg := socketConfig(t)
	at := strings.TrimPrefix(cfg.Listen, "unix://")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fileCollector(t, cfg, later).receive(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody else listens") {
		t.Errorf("a socket in use: %v", err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	r, err := fileCollector(t, cfg, later).receive(t.Context())
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	r.stop()
	if err := os.Chmod(cfg.SpoolDir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := fileCollector(t, cfg, later).receive(t.Context()); err == nil || !strings.Contains(err.Error(), "others may use the spool folder") {
		t.Errorf("an open spool folder: %v", err)
	}
	if err := os.Chmod(cfg.SpoolDir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, at, "precious")
	if _, err := fileCollector(t, cfg, later).receive(t.Context()); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file: %v", err)
	}
}

// TestSocketProbe: with a socket alone its sightings cover the log; beside a
// file only the file's do.
func TestSocketProbe(t *testing.T) {
	for _, withFile := range []bool{false, true} {
		s := newServer(t)
		cfg := socketConfig(t)
		cfg.StateEvery = 100 * time.Hour
		s.audit = filepath.Join(t.TempDir(), "elsewhere")
		write(t, s.audit, "")
		if withFile {
			cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
			write(t, cfg.AuditFiles[0], newGen().reads(1))
		}
		base := s.clock
		c := s.collector(t, cfg)
		var rec collectortest.Recorder
		for range 5 {
			s.forward(time.Minute)
			if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(s.audit)
			if err != nil {
				t.Fatal(err)
			}
			write(t, s.audit, "")
			spooled(t, cfg, string(b)) // the socket shows what the server audits
		}
		got := seen(&rec, base)
		if continuous := slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "continuous") }); continuous == withFile {
			t.Errorf("with a file %v: %v", withFile, got)
		}
		if blind := slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "blind") }); blind != withFile {
			t.Errorf("with a file %v: %v", withFile, got)
		}
	}
}

// TestSuiteSocket runs the conformance suite over a spool.
func TestSuiteSocket(t *testing.T) {
	cfg := socketConfig(t)
	b, err := os.ReadFile(suiteLog(t))
	if err != nil {
		t.Fatal(err)
	}
	spooled(t, cfg, string(b))
	collectortest.Run(t, suiteOf(t, cfg, collectortest.Suite{Wants: auditKinds}))
}

// FuzzMark: whatever stands in a spool after the begin of a mark, reading it
// does not fail and notes stay short.
func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"lost":"x"}`))
	f.Add([]byte(`{"long":"y","at":"2026-03-02T14:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &stream{Stream: tail.New("socket", tail.Options{}), notes: newNotes(), device: "socket"}
		s.mark(b)
		var m mark
		if err := json.Unmarshal(b, &m); err == nil && m.Lost != "" && s.Gap != m.Lost {
			t.Errorf("gap %q, want %q", s.Gap, m.Lost)
		}
	})
}

func BenchmarkSpool(b *testing.B) {
	sp := newSpool(filepath.Join(b.TempDir(), "spool"), "vault/prod", keyring, 1<<40, time.Now)
	if _, err := sp.open(); err != nil {
		b.Fatal(err)
	}
	defer sp.stop()
	line := bytes.TrimSuffix([]byte(newGen().reads(1)), []byte("\n"))
	line = line[:bytes.IndexByte(line, '\n')]
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		sp.write(line)
	}
}

// TestCutUnion cuts runs over a file with holes and a socket that shows
// everything, at many places: what comes together is that of an uncut run, and
// what was read of the spool is given back.
func TestCutUnion(t *testing.T) {
	cfg := socketConfig(t)
	cfg.SpoolMax = minSpool
	cfg.AuditFiles = []string{filepath.Join(t.TempDir(), "audit.log")}
	g := newGen()
	var file, socket strings.Builder
	for i := range 150 {
		q, p := g.pair(g.kvRead([]string{"alice", "app", "pod"}[i%3], fmt.Sprintf("tenant-%d/x", i%5)))
		socket.WriteString(q + p)
		if i%5 != 4 {
			file.WriteString(q)
		}
		if i%3 != 2 {
			file.WriteString(p)
		}
		if i%40 == 39 {
			g.t = g.t.Add(70 * time.Second)
		}
	}
	write(t, cfg.AuditFiles[0], file.String())
	spooled(t, cfg, socket.String())
	spool := func() (Config, int) {
		c := cfg
		c.SpoolDir = filepath.Join(t.TempDir(), "spool")
		if err := os.CopyFS(c.SpoolDir, os.DirFS(cfg.SpoolDir)); err != nil {
			t.Fatal(err)
		}
		names, err := os.ReadDir(c.SpoolDir)
		if err != nil {
			t.Fatal(err)
		}
		return c, len(names)
	}
	uncut, files := spool()
	whole := poll(t, uncut, nil)
	want := set(whole.Drafts)
	if len(want) != 150 || files < 2 {
		t.Fatalf("%d drafts of 150 requests, %d spool files", len(want), files)
	}
	marked := 0
	for _, d := range whole.Drafts {
		if facts(t, d).Transport != "" {
			marked++
		}
	}
	if marked < 50 || marked > 90 {
		t.Errorf("%d of 150 records stand on the socket", marked)
	}
	if names, err := os.ReadDir(uncut.SpoolDir); err != nil || len(names) != 2 { // the active one, and the key
		t.Errorf("%d spool files are left, %v", len(names)-1, err)
	}
	for _, batch := range []int{1, 7} {
		for fail := 1; fail <= len(want)+2; fail += 6 {
			for _, rec := range []*collectortest.Recorder{{FailEmit: fail}, {FailCommit: fail}} {
				own, _ := spool()
				c := fileCollector(t, own, later)
				c.batch = batch
				err := c.Poll(t.Context(), evidence.Period{To: later}, nil, rec)
				rest := poll(t, own, rec.Resume())
				if d := cmp.Diff(want, set(slices.Concat(rec.Drafts, rest.Drafts))); d != "" {
					t.Fatalf("batch %d, emit %d or commit %d fails (%v): other drafts (-uncut +cut):\n%s", batch, rec.FailEmit, rec.FailCommit, err, d)
				}
			}
		}
	}
}

// FuzzReadLine: lines come whole whatever the pieces, long ones as size and
// hash, and a half line as its size.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("one\n\nthree\nhal"), 4)
	f.Add(bytes.Repeat([]byte("x"), 200), 16)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		if max < 1 || max > 1<<20 {
			return
		}
		src := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(b)), 16)
		rest := b
		for {
			l, err := readLine(src, max)
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if whole != (err == nil) {
				t.Fatalf("%q: error %v", rest, err)
			}
			if l.size != int64(len(line)) {
				t.Fatalf("%q: size %d", line, l.size)
			}
			if err != nil {
				return
			}
			sum := sha256.Sum256(line)
			if long := len(line) > max; long && l.sum != hex.EncodeToString(sum[:]) || !long && (l.sum != "" || !bytes.Equal(l.text, line)) {
				t.Fatalf("%q, at most %d: got %q, hash %s", line, max, l.text, l.sum)
			}
			rest = after
		}
	})
}
