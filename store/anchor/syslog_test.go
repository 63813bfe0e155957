package anchor

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evidenced/evidence/chain"
)

var syslogForm = regexp.MustCompile(`^<109>1 2026-11-14T12:00:00\.000000Z \S+ evidenced \d+ CHECKPOINT - origin=(\S+) size=(\d+) root=([0-9a-f]{64}) note=(\S+)$`)

func checkMessage(t *testing.T, w *world, h *history, msg string, size uint64) {
	t.Helper()
	m := syslogForm.FindStringSubmatch(msg)
	if m == nil {
		t.Fatalf("message %q is not as RFC 5424 has it", msg)
	}
	signed, err := base64.StdEncoding.DecodeString(m[4])
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.open(signed)
	want := chain.Checkpoint{Origin: origin, Size: size, Root: h.roots[size]}
	if err != nil || c != want || m[1] != origin || m[2] != strconv.FormatUint(size, 10) || m[3] != c.Root.String() {
		t.Errorf("message %q: %+v, %v", msg, c, err)
	}
}

func TestSyslog(t *testing.T) {
	w := newWorld(t)
	h := w.history(t, origin).grow(5, "a")
	shortDir := func() string { // a socket's path has room for 107 bytes
		dir := t.TempDir()
		if len(dir) > 90 {
			t.Fatalf("temporary directory %s is too long for a socket", dir)
		}
		return dir
	}
	packet := func(network, addr string) (string, func() string) {
		c, err := net.ListenPacket(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c.LocalAddr().String(), func() string {
			b := make([]byte, 64<<10)
			n, _, err := c.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			return string(b[:n])
		}
	}
	stream := func(network, addr string) (string, func() string) {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().String(), func() string {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			r := bufio.NewReader(c)
			head, err := r.ReadString(' ') // octet counting, RFC 6587
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(head))
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				t.Fatal(err)
			}
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("behind the message: %q", rest)
			}
			return string(b)
		}
	}
	for name, c := range map[string]struct {
		scheme string
		listen func() (string, func() string)
	}{
		"local datagram": {"", func() (string, func() string) { return packet("unixgram", filepath.Join(shortDir(), "s")) }},
		"local stream":   {"", func() (string, func() string) { return stream("unix", filepath.Join(shortDir(), "s")) }},
		"udp":            {"udp://", func() (string, func() string) { return packet("udp", "127.0.0.1:0") }},
		"tcp":            {"tcp://", func() (string, func() string) { return stream("tcp", "127.0.0.1:0") }},
	} {
		addr, read := c.listen()
		s, err := NewSyslog(SyslogOptions{Name: "log", Address: c.scheme + addr, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		r := h.mustPut(s, 5)
		if r.Type != "syslog" || r.Rung != 0 || r.Size != 5 || r.Place != c.scheme+addr {
			t.Errorf("%s: receipt %+v", name, r)
		}
		checkMessage(t, w, h, read(), 5)
		if _, _, ok, err := s.Newest(t.Context(), origin); ok || err != nil {
			t.Errorf("%s: a syslog answered: %t %v", name, ok, err)
		}
	}
}

func TestSyslogDown(t *testing.T) {
	h := newWorld(t).history(t, origin).grow(1, "a")
	for _, addr := range []string{filepath.Join(t.TempDir(), "none"), "tcp://127.0.0.1:1"} {
		s, err := NewSyslog(SyslogOptions{Name: "log", Address: addr, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.put(s, 1); err == nil || !strings.HasPrefix(err.Error(), "anchor log: ") {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}

func TestSyslogAddressAndRung(t *testing.T) {
	for _, c := range []struct {
		addr      string
		forwarded bool
		rung      int
		bad       bool
	}{
		{addr: "/dev/log", rung: 0},
		{addr: "/dev/log", forwarded: true, rung: 2},
		{addr: "udp://127.0.0.1:514", rung: 0},
		{addr: "tcp://[::1]:601", rung: 0},
		{addr: "udp://localhost:514", rung: 0},
		{addr: "tcp://logs.example:601", rung: 2},
		{addr: "tcp://logs.example", bad: true},
		{addr: "tcp://logs.example:0", bad: true},
		{addr: "http://logs.example:80", bad: true},
		{addr: "tcp://user@logs.example:601", bad: true},
		{addr: "tcp://logs.example:601/x", bad: true},
		{addr: "log", bad: true},
		{addr: "", bad: true},
	} {
		s, err := NewSyslog(SyslogOptions{Name: "log", Address: c.addr, Forwarded: c.forwarded, Now: clock})
		if (err != nil) != c.bad {
			t.Errorf("%q: %v", c.addr, err)
		}
		if err == nil && s.Rung() != c.rung {
			t.Errorf("%q: rung %d, want %d", c.addr, s.Rung(), c.rung)
		}
	}
}
