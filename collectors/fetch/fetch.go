// Package fetch is how collectors speak HTTP: one client with time limits for
// every phase, retries with jitter that honour Retry-After, size caps, an ETag
// cache, a guard against redirects and addresses that would carry a credential
// elsewhere, and the figures that an observation reports (requests, the
// source's clock offset, its TLS key).
//
// All of it lives in a RoundTripper, so that client libraries can ride on
// [Client.HTTP]. What it promises to them:
//
//   - A body is whole. It is read to its end before the caller sees it; a body
//     that stops early or passes the cap is an error, never a short success.
//     ([Client.Stream] is the exception: the caller reads as bytes arrive.)
//   - A request never leaves scheme, host and port of the base URL, whether by
//     a redirect, a next-page link or a library's own following of either.
//   - Link-local, metadata, multicast and unspecified addresses are refused
//     when dialling, after name resolution.
//   - 429, 5xx and broken connections are retried a few times; what remains is
//     a problem.Throttled or problem.Source error. Other statuses are given to
//     the library as they are.
//   - No error text holds a header value that was sent.
package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"evidenced/evidence/problem"
)

// Options sets up a Client. Only BaseURL is needed.
type Options struct {
	// BaseURL is where every request goes: scheme, host, port and a path that
	// relative paths are added to. It must hold no user, query or fragment.
	BaseURL string
	// Key is what BaseURL is called in the configuration, such as url or
	// archive.url: errors about it begin with it. "" leaves it out.
	Key string
	// Header gives the headers that carry the credential. It is called anew
	// for each attempt, so that a rotated token is used at once. May be nil.
	Header func() (http.Header, error)
	// CAFile names PEM certificates; when set they alone are trusted.
	CAFile string
	// Timeout bounds one attempt from dial to the last byte of the body; of a
	// stream it bounds the time to its first header. Default 30 s.
	Timeout time.Duration
	// StreamIdle bounds the time between two reads that give bytes of a
	// stream; 0 leaves a dead peer to TCP and HTTP/2 keep-alive.
	StreamIdle time.Duration
	// MaxBody is the largest body in bytes after decompression. Default 32 MiB.
	MaxBody int64
	// UserAgent is sent with each request that has none. Default "evidenced".
	UserAgent string
	// Clock is the daemon's clock. Default time.Now.
	Clock func() time.Time
	// Log gets one debug line for each retry; never a URL or a header.
	Log *slog.Logger
	// Retries is the number of attempts after the first; 0 means 3, below 0
	// none.
	Retries int
	// MaxWait is the longest wait before one retry. A source that asks for
	// more gets its way: the call returns problem.Throttled. Default 60 s.
	MaxWait time.Duration
	// Sleep waits between attempts. Default: a timer that ends with ctx.
	Sleep func(ctx context.Context, d time.Duration) error
	// Throttle looks at an answer and says whether it means "come back later"
	// and after how long (0: unknown); for sources that say so in their own
	// way. 429, and 503 with Retry-After, need no help. May be nil.
	Throttle func(resp *http.Response, body []byte) (wait time.Duration, throttled bool)
	// Tells looks at an answer with a status from 500 on and says whether its
	// body tells the caller more than a failure. It is tried again all the
	// same; after the last attempt the caller gets it in place of an error,
	// unless it names a time to come back. May be nil.
	Tells func(resp *http.Response, body []byte) bool
	// CacheBytes bounds the bodies kept for conditional requests. Default
	// 16 MiB; below 0 none.
	CacheBytes int64
	// AllowLoopback lets a host name resolve to a loopback address. The name
	// localhost and literal loopback addresses are always allowed.
	AllowLoopback bool
	// Under makes the transport that sends requests, in place of our own, for
	// sources whose libraries bring the credential and the TLS settings (a
	// kubeconfig). It must connect with the dial function it is given, which
	// refuses what no source is served from. CAFile is not used then. May be
	// nil.
	Under func(dial DialFunc) (http.RoundTripper, error)
	// AnyOrigin lets redirects leave the base URL's origin, for downloads.
	// Refused together with Header.
	AnyOrigin bool
}

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Client is an HTTP client for one source. It may be used by several
// goroutines at a time.
type Client struct {
	o    Options
	base *url.URL
	http *http.Client
	rt   *transport
}

// Response is one answer with its whole body.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	SHA256 string // of Body, lower-case hex
	URL    string // as asked, without credentials
}

// New makes a client; nothing is dialled. Errors are problem.Config.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		if o.Key != "" {
			err = problem.Wrap(problem.Config, err, "%s", o.Key)
		}
		return nil, err
	}
	if o.AnyOrigin && o.Header != nil {
		return nil, problem.New(problem.Config, "a client with a credential must not follow redirects to other hosts")
	}
	defaults(&o)
	tc, err := tlsConfig(o.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, base: base}
	c.rt = newTransport(o, base, tc)
	if o.Under != nil {
		d := &dialer{loopback: o.AllowLoopback}
		if c.rt.wire.next, err = o.Under(d.dial); err != nil {
			return nil, err
		}
	}
	c.http = &http.Client{Transport: c.rt, CheckRedirect: c.rt.checkRedirect}
	if base.Scheme == "http" && o.Header != nil && !isLoopbackHost(base.Hostname()) {
		o.Log.Warn("credential travels unencrypted: the base URL is plain http")
	}
	return c, nil
}

func defaults(o *Options) {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 32 << 20
	}
	if o.UserAgent == "" {
		o.UserAgent = "evidenced"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Retries == 0:
		o.Retries = 3
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.MaxWait <= 0 {
		o.MaxWait = time.Minute
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func parseBase(s string) (*url.URL, error) {
	if s == "" {
		return nil, problem.New(problem.Config, "no base URL")
	}
	u, err := url.Parse(s)
	if err != nil {
		// The parser's own text quotes the input, which may hold a password.
		return nil, problem.New(problem.Config, "base URL is not a URL")
	}
	switch {
	case u.User != nil:
		return nil, problem.New(problem.Config, "base URL of %s holds a user or password", u.Host).WithHint("move it to a token file")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, problem.New(problem.Config, "base URL has scheme %q", u.Scheme).WithHint("write it whole, such as https://HOST:PORT: it begins with https:// or http://")
	case u.Hostname() == "":
		return nil, problem.New(problem.Config, "base URL names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, problem.New(problem.Config, "base URL of %s holds a query or fragment", u.Host).WithHint("leave out the ? or # and all after it")
	}
	return u, nil
}

func tlsConfig(caFile string) (*tls.Config, error) {
	tc := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return tc, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "read CA file").WithHint("set ca_file to a PEM file that the daemon's user may read, or leave it out to trust the system's authorities")
	}
	tc.RootCAs = x509.NewCertPool()
	if !tc.RootCAs.AppendCertsFromPEM(pem) {
		return nil, problem.New(problem.Config, "CA file %s holds no PEM certificate", caFile).WithHint("put the authority's certificate, in PEM, into it")
	}
	return tc, nil
}

// HTTP returns a client for libraries to ride on; each call gives a copy, since
// some libraries change it. It has no overall timeout: each attempt has its
// own.
func (c *Client) HTTP() *http.Client { h := *c.http; return &h }

// Base returns a copy of the base URL.
func (c *Client) Base() *url.URL { u := *c.base; return &u }

// URL returns the address of a path below the base URL, or of an absolute URL
// of the same origin (a next-page link), with query added. The path is taken
// as escaped already.
func (c *Client) URL(path string, query url.Values) (*url.URL, error) {
	var u *url.URL
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		abs, err := url.Parse(path)
		if err != nil {
			return nil, problem.New(problem.Source, "next link is not a URL")
		}
		u = abs
	} else {
		p, raw, _ := strings.Cut(path, "?")
		for _, seg := range strings.Split(p, "/") {
			if s, err := url.PathUnescape(seg); err != nil || s == ".." || s == "." {
				return nil, fmt.Errorf("path segment %q of a request is not allowed", seg)
			}
		}
		u = c.base.JoinPath(strings.TrimPrefix(p, "/"))
		u.RawQuery = raw
	}
	if len(query) > 0 {
		q := u.Query()
		for k, vs := range query {
			q[k] = vs
		}
		u.RawQuery = q.Encode()
	}
	if err := c.rt.allowed(u); err != nil {
		return nil, err
	}
	return u, nil
}

// Get reads one answer. A status outside 200..299 is an error (see
// [StatusProblem]); the answer is then returned beside it, so that a caller
// may tell a 404 that means "none" from one that means trouble.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (*Response, error) {
	return c.GetAs(ctx, path, query, "")
}

// GetAs is Get with a media type to ask for; "" for whatever the source likes.
func (c *Client) GetAs(ctx context.Context, path string, query url.Values, accept string) (*Response, error) {
	resp, u, err := c.do(ctx, path, query, accept)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // in memory already
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "read answer of %s", SafeURL(u))
	}
	sum := sha256.Sum256(body)
	r := &Response{resp.StatusCode, resp.Header, body, hex.EncodeToString(sum[:]), SafeURL(u)}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return r, StatusProblem("GET", u, resp.StatusCode)
	}
	return r, nil
}

// Stream opens an answer to be read as it arrives; the caller closes it. The
// body has no size cap, so bound what you keep: see [Lines].
func (c *Client) Stream(ctx context.Context, path string, query url.Values) (io.ReadCloser, http.Header, error) {
	return c.Open(ctx, path, query, Reading{Idle: c.o.StreamIdle})
}

// Reading says how one stream is read.
type Reading struct {
	Accept string        // media type to ask for; "" for whatever the source likes
	Idle   time.Duration // as Options.StreamIdle, for this stream
}

// Open is Stream with settings for this one answer.
func (c *Client) Open(ctx context.Context, path string, query url.Values, r Reading) (io.ReadCloser, http.Header, error) {
	resp, u, err := c.do(context.WithValue(ctx, streamKey{}, r), path, query, r.Accept)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		resp.Body.Close()
		return nil, resp.Header, StatusProblem("GET", u, resp.StatusCode)
	}
	return resp.Body, resp.Header, nil
}

// streamKey marks the context of a request whose answer is streamed; its value
// is a Reading.
type streamKey struct{}

func (c *Client) do(ctx context.Context, path string, query url.Values, accept string) (*http.Response, *url.URL, error) {
	u, err := c.URL(path, query)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, unwrapURL(err)
	}
	return resp, u, nil
}

// unwrapURL drops the *url.Error around what the transport said: our own
// problems name the address already, without its secrets.
func unwrapURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func isLoopbackHost(h string) bool {
	if strings.EqualFold(h, "localhost") {
		return true
	}
	ip := net.ParseIP(h)
	return ip != nil && ip.IsLoopback()
}
