package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"evidenced/evidence/address"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// shown is what an endpoint showed.
type shown struct {
	chain    []*x509.Certificate // as sent, never empty
	protocol string
	cipher   string
	dialled  string // address and port
	at       time.Time
	asked    bool // the endpoint asked for a client certificate and went no further
}

// prober connects and shakes hands.
type prober struct {
	timeout time.Duration
	allow   []allowed
	clock   func() time.Time
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
}

// attempts is how often an endpoint is tried before it counts as unreachable.
const attempts = 2

// refusedError is an address that is never dialled.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// probe looks at one endpoint. Errors are one short sentence for people
// without ports of our own, so that the same failure reads the same.
func (p *prober) probe(ctx context.Context, e endpoint) (*shown, error) {
	var err error
	for range attempts {
		var s *shown
		if s, err = p.once(ctx, e); err == nil {
			return s, nil
		}
		var refused refusedError
		if errors.As(err, &refused) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (p *prober) once(ctx context.Context, e endpoint) (*shown, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	addrs, err := p.resolve(ctx, e.host)
	if err != nil {
		return nil, err
	}
	var firstErr error
	for _, ip := range addrs {
		s, err := p.shake(ctx, e, ip)
		if err == nil {
			return s, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}

func (p *prober) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ips, err := p.lookup(ctx, host)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, errors.New("the name does not resolve")
	case err != nil && ctx.Err() != nil, errors.As(err, &dns) && dns.IsTimeout:
		return nil, errors.New("the name was not resolved in time")
	case err != nil:
		return nil, errors.New("the name cannot be resolved: the name server fails")
	case len(ips) == 0:
		return nil, errors.New("the name does not resolve")
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Compact(ips), nil
}

// shake connects to one address and does the handshake.
func (p *prober) shake(ctx context.Context, e endpoint, ip netip.Addr) (*shown, error) {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return p.guard(address, e.found) }}
	raw, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), e.port))
	if err != nil {
		return nil, dialCause(ctx, err)
	}
	defer raw.Close()
	s := &shown{dialled: raw.RemoteAddr().String()}
	keep := func(cs tls.ConnectionState) {
		s.chain, s.protocol, s.cipher = cs.PeerCertificates, tls.VersionName(cs.Version), tls.CipherSuiteName(cs.CipherSuite)
		s.at = p.clock().UTC()
	}
	conn := tls.Client(raw, &tls.Config{
		ServerName: e.sni,
		// Whether it can be trusted is found out afterwards and written down.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       allSuites(),
		VerifyConnection:   func(cs tls.ConnectionState) error { keep(cs); return nil },
		// Called after the server has proven its key.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.asked = true
			return &tls.Certificate{}, nil
		},
	})
	err = conn.HandshakeContext(ctx)
	if err == nil {
		keep(conn.ConnectionState())
		s.asked = false
	}
	if err != nil && !(s.asked && len(s.chain) > 0) {
		return nil, handshakeCause(ctx, err)
	}
	if len(s.chain) == 0 {
		return nil, errors.New("it showed no certificate")
	}
	return s, nil
}

func allSuites() []uint16 {
	var ids []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, s.ID)
	}
	return ids
}

// guard decides about the address that is about to be dialled, after name
// resolution.
func (p *prober) guard(to string, found bool) error {
	ap, err := netip.ParseAddrPort(to)
	if err != nil {
		return refusedError("the address to dial is no IP address")
	}
	ip := address.Plain(ap.Addr())
	if why := address.Never(ip); why != "" {
		return refusedError(fmt.Sprintf("the %s address %s is never dialled", why, ip))
	}
	if found && !slices.ContainsFunc(p.allow, func(a allowed) bool { return a.holds(netip.AddrPortFrom(ip, ap.Port())) }) {
		return refusedError(fmt.Sprintf("the found address %s and port %d are not in allow", ip, ap.Port()))
	}
	return nil
}

func dialCause(ctx context.Context, err error) error {
	var refused refusedError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return errors.New("there is no route to it")
	case isTimeout(ctx, err):
		return errors.New("no connection in time")
	}
	return errors.New("it cannot be connected to: " + lastPart(err))
}

func handshakeCause(ctx context.Context, err error) error {
	var record tls.RecordHeaderError
	switch {
	case isTimeout(ctx, err):
		return errors.New("the TLS handshake did not end in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("it closed the connection during the TLS handshake")
	case errors.As(err, &record):
		return errors.New("it does not speak TLS")
	}
	return errors.New("the TLS handshake failed: " + lastPart(err))
}

func isTimeout(ctx context.Context, err error) bool {
	var ne net.Error
	return ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// lastPart is the innermost text of an error, without the addresses that
// net.OpError puts in front.
func lastPart(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return unquoted(strings.TrimPrefix(err.Error(), "tls: "))
}
