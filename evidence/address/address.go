// Package address says which network addresses nothing here ever connects to:
// whoever answers for a host name must not lead a client, with its credential,
// to the machine's own neighbours or to a cloud's metadata service.
package address

import (
	"net/netip"
	"slices"
	"syscall"

	"evidenced/evidence/problem"
)

// metadata services of clouds outside the link-local ranges.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS over IPv6
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

// nat64 embeds an IPv4 address in its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Plain returns the address that an IPv4-mapped, NAT64 or zoned one stands for.
func Plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// Never says why the address is never connected to; "" when it may be.
func Never(ip netip.Addr) string {
	ip = Plain(ip)
	switch {
	case slices.Contains(metadata, ip):
		return "metadata"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsMulticast():
		return "multicast"
	case ip.IsUnspecified():
		return "unspecified"
	}
	return ""
}

// Guard is a net.Dialer's Control. It sees the address after name resolution
// and gives a problem of code refused for one that is never connected to.
func Guard(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return problem.New(problem.Refused, "the address to dial is no IP address")
	}
	if why := Never(ap.Addr()); why != "" {
		return Refusal(why, ap.Addr())
	}
	return nil
}

// Refusal is the problem of an address that is never connected to.
func Refusal(why string, ip netip.Addr) error {
	return problem.New(problem.Refused, "the %s address %s is never dialled", why, Plain(ip)).
		WithHint("check what the host name resolves to")
}
