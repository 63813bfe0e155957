package fetch

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestRefuseIP lists addresses as the dialler sees them, after resolution.
func TestRefuseIP(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.7": "", "10.0.0.1": "", "2001:db8::1": "", "fd00::1": "", "64:ff9b::c000:207": "",
		"127.0.0.1": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "64:ff9b::7f00:1": "loopback",
		"169.254.169.254": "link-local", "fe80::1%eth0": "link-local", "64:ff9b::a9fe:a9fe": "link-local",
		"fd00:ec2::254": "metadata", "100.100.100.200": "metadata", "192.0.0.192": "metadata",
		"0.0.0.0": "unspecified", "::": "unspecified", "239.1.1.1": "multicast", "ff02::1": "multicast",
	} {
		err := refuseIP(netip.MustParseAddr(ip), false)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", ip, err, want)
		}
	}
	if err := refuseIP(netip.MustParseAddr("127.0.0.1"), true); err != nil {
		t.Error(err)
	}
}

// TestNameToLoopback resolves a name to a loopback address: refused, unless
// the source is configured to live there.
func TestNameToLoopback(t *testing.T) {
	for _, allow := range []bool{false, true} {
		d := &dialer{loopback: allow}
		conn, err := d.dial(t.Context(), "tcp", "localhost.:1")
		if err == nil {
			conn.Close()
		}
		refused := err != nil && strings.Contains(err.Error(), "is never dialled")
		unresolved := err != nil && strings.Contains(err.Error(), "lookup")
		if !unresolved && refused == allow {
			t.Errorf("allowed %v: got %v", allow, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n := range 70 {
		if d := backoff(n); d < 250*time.Millisecond || d > 30*time.Second {
			t.Errorf("retry %d waits %s", n, d)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"3", "-1", "99999999999999999999", "Mon, 02 Mar 2026 12:00:00 GMT", "soon"} {
		f.Add(s, "Mon, 02 Mar 2026 11:00:00 GMT")
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, after, date string) {
		d, ok := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, now)
		if d < 0 || !ok && d != 0 {
			t.Errorf("%q, %q: %v, %v", after, date, d, ok)
		}
	})
}
