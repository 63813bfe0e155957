package address

import (
	"net/netip"
	"testing"

	"evidenced/evidence/problem"
)

func TestNever(t *testing.T) {
	for in, want := range map[string]string{
		"169.254.169.254": "link-local", "::ffff:169.254.169.254": "link-local", "64:ff9b::a9fe:a9fe": "link-local",
		"fe80::1%eth0": "link-local", "fd00:ec2::254": "metadata", "100.100.100.200": "metadata", "64:ff9b::6464:64c8": "metadata",
		"192.0.0.192": "metadata", "224.0.0.1": "multicast", "ff02::1": "multicast", "0.0.0.0": "unspecified", "::": "unspecified",
		"127.0.0.1": "", "::1": "", "10.0.0.1": "", "192.0.2.1": "", "2001:db8::1": "",
	} {
		if got := Never(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestGuard(t *testing.T) {
	for in, ok := range map[string]bool{"127.0.0.1:8200": true, "[::1]:443": true, "169.254.169.254:80": false, "100.100.100.200:80": false, "host:80": false, "": false} {
		err := Guard("tcp", in, nil)
		if (err == nil) != ok || err != nil && !problem.Is(err, problem.Refused) {
			t.Errorf("%q: got %v", in, err)
		}
	}
}
