package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"evidenced/evidence/address"
	"evidenced/evidence/problem"
)

// Stats are the figures of a client since New or ResetStats.
type Stats struct {
	Requests    int // sent on the wire, retries and conditional ones included
	NotModified int // answered 304 and served from the cache
	// Offset is the source's clock minus ours, from the Date header of the
	// quickest answer. Date has whole seconds: the offset is what remains
	// beyond that second, 0 when the clocks may agree.
	Offset   time.Duration
	OffsetOK bool
	TLS      string // protocol version, "" for plain http
	TLSKey   string // SHA-256 of the endpoint's public key (SPKI), lower-case hex
}

// wire sends requests and measures. It is the only part that counts.
type wire struct {
	next  http.RoundTripper
	clock func() time.Time

	mu    sync.Mutex
	stats Stats
	best  time.Duration // round trip of the answer that gave Offset
}

func newWire(o Options, tc *tls.Config) *wire {
	d := &dialer{loopback: o.AllowLoopback}
	return &wire{clock: o.Clock, next: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            d.dial,
		TLSClientConfig:        tc,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.stats.Requests++
	w.mu.Unlock()
	start := w.clock()
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	w.measure(resp, start, w.clock())
	return resp, nil
}

func (w *wire) measure(resp *http.Response, start, end time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if resp.StatusCode == http.StatusNotModified {
		w.stats.NotModified++
	}
	if cs := resp.TLS; cs != nil {
		w.stats.TLS = tls.VersionName(cs.Version)
		if len(cs.PeerCertificates) > 0 {
			sum := sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo)
			w.stats.TLSKey = hex.EncodeToString(sum[:])
		}
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	rtt := end.Sub(start)
	if w.stats.OffsetOK && rtt >= w.best {
		return
	}
	w.best, w.stats.OffsetOK = rtt, true
	w.stats.Offset = offset(date, start, end)
}

// offset is how far the source's second [date, date+1s) lies from the time
// [start, end] in which it was written; 0 when they touch.
func offset(date, start, end time.Time) time.Duration {
	if d := date.Sub(end); d > 0 {
		return d
	}
	if d := date.Add(time.Second).Sub(start); d < 0 {
		return d
	}
	return 0
}

// Stats returns the figures so far.
func (c *Client) Stats() Stats {
	w := c.rt.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// ResetStats begins the figures anew, at the begin of a run. The TLS key is
// kept: a run that rides on an open connection has the same one.
func (c *Client) ResetStats() {
	w := c.rt.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats = Stats{TLS: w.stats.TLS, TLSKey: w.stats.TLSKey}
	w.best = 0
}

// Close drops idle connections.
func (c *Client) Close() {
	if t, ok := c.rt.wire.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// dialer connects to allowed addresses only.
type dialer struct{ loopback bool }

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	loopback := d.loopback || isLoopbackHost(host)
	nd := net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 15 * time.Second,
		// Control sees the address after name resolution.
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return problem.New(problem.Refused, "address to dial is not an IP address")
			}
			return refuseIP(ap.Addr(), loopback)
		},
	}
	return nd.DialContext(ctx, network, addr)
}

// refuseIP refuses an address that no source of evidence is served from.
func refuseIP(ip netip.Addr, loopback bool) error {
	why := address.Never(ip)
	if address.Plain(ip).IsLoopback() && !loopback {
		why = "loopback"
	}
	if why == "" {
		return nil
	}
	return address.Refusal(why, ip)
}

func literalIP(host string) netip.Addr {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip
}
