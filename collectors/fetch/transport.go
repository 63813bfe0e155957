package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence/problem"
)

// transport is the RoundTripper with all the rules. Order of one attempt:
// header, cache, wire (which counts and measures), whole body.
type transport struct {
	o     Options
	base  *url.URL
	wire  *wire
	cache *cache
}

func newTransport(o Options, base *url.URL, tc *tls.Config) *transport {
	w := newWire(o, tc)
	return &transport{o: o, base: base, wire: w, cache: newCache(o.CacheBytes, w)}
}

// maxRedirects within one origin; a rename needs one.
const maxRedirects = 5

func (t *transport) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return problem.New(problem.Source, "more than %d redirects", maxRedirects)
	}
	if !t.o.AnyOrigin && !sameOrigin(req.URL, t.base) {
		return offOrigin("a redirect", req.URL)
	}
	return nil
}

// allowed refuses an address off the base URL's origin.
func (t *transport) allowed(u *url.URL) error {
	if !t.o.AnyOrigin && !sameOrigin(u, t.base) {
		return offOrigin("a link", u)
	}
	if ip := literalIP(u.Hostname()); ip.IsValid() {
		return refuseIP(ip, true)
	}
	return nil
}

func offOrigin(what string, u *url.URL) error {
	return problem.New(problem.Source, "%s to %s://%s was refused: it leaves the configured scheme, host and port", what, u.Scheme, u.Host).
		WithHint("set the source's url to the address it is really served from")
}

// sameOrigin compares scheme, host and port, with the scheme's default port
// filled in.
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// verdict is what one attempt came to.
type verdict struct {
	resp      *http.Response // non-nil: the caller's
	err       error          // what to say if this was the last attempt
	telling   *http.Response // non-nil: the caller's if this was the last attempt
	retry     bool
	throttled bool
	asked     bool          // the source named the wait
	wait      time.Duration // asked for
	status    int
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.allowed(req.URL); err != nil {
		closeBody(req)
		return nil, err
	}
	var used http.Header
	for attempt := 0; ; attempt++ {
		h, err := t.header()
		if err != nil {
			closeBody(req)
			return nil, err
		}
		v := t.attempt(req, h)
		if v.resp != nil && v.resp.StatusCode == http.StatusUnauthorized && used == nil && t.rotated(h) && rewindable(req) {
			// The token was replaced while the request was under way.
			used = h
			v.resp.Body.Close()
			if err := rewind(req); err != nil {
				return nil, err
			}
			continue
		}
		if v.resp != nil {
			return v.resp, nil
		}
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		wait := backoff(attempt)
		if v.asked {
			wait = v.wait
		}
		if !v.retry || attempt >= t.o.Retries || wait > t.o.MaxWait || !rewindable(req) {
			if v.telling != nil {
				return v.telling, nil
			}
			return nil, t.last(req.URL, v, wait)
		}
		t.o.Log.LogAttrs(req.Context(), slog.LevelDebug, "request is tried again",
			slog.Int("attempt", attempt+1), slog.Int("status", v.status), slog.Duration("wait", wait))
		if err := t.o.Sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		if err := rewind(req); err != nil {
			return nil, err
		}
	}
}

// last is the error after the last attempt.
func (t *transport) last(u *url.URL, v verdict, wait time.Duration) error {
	if !v.throttled && !(v.asked && wait > t.o.MaxWait) {
		return v.err
	}
	if !v.asked {
		wait = max(wait, time.Minute)
	}
	return throttled(u, v.status, t.o.Clock().UTC().Add(wait))
}

func (t *transport) header() (http.Header, error) {
	if t.o.Header == nil {
		return nil, nil
	}
	h, err := t.o.Header()
	if err != nil {
		if problem.Of(err) != nil {
			return nil, err
		}
		return nil, problem.Wrap(problem.Credential, err, "read the credential").WithHint("check the token file")
	}
	return h, nil
}

func (t *transport) rotated(h http.Header) bool {
	if t.o.Header == nil {
		return false
	}
	now, err := t.o.Header()
	return err == nil && !reflect.DeepEqual(now, h)
}

// attempt sends the request once and reads the whole answer.
func (t *transport) attempt(orig *http.Request, h http.Header) verdict {
	reading, streaming := orig.Context().Value(streamKey{}).(Reading)
	ctx, cancel := context.WithCancelCause(orig.Context())
	timer := time.AfterFunc(t.o.Timeout, func() { cancel(errTimeout) })
	req := orig.Clone(ctx)
	for k, vs := range h {
		req.Header[http.CanonicalHeaderKey(k)] = vs
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", t.o.UserAgent)
	}
	var resp *http.Response
	var err error
	if streaming {
		resp, err = t.wire.RoundTrip(req)
	} else {
		resp, err = t.cache.RoundTrip(req)
	}
	if err != nil {
		timer.Stop()
		defer cancel(nil)
		return t.broken(req, causeOf(ctx, err))
	}
	if streaming && resp.StatusCode/100 == 2 {
		timer.Stop()
		resp.Body = newStream(resp.Body, cancel, reading.Idle)
		return verdict{resp: resp}
	}
	defer cancel(nil)
	defer timer.Stop()
	body, err := t.whole(resp)
	if err != nil {
		return t.broken(req, causeOf(ctx, err))
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return t.judge(req, resp, body)
}

// ErrTooLarge is the cause of an error about a body beyond Options.MaxBody.
// Asking again does not help; what such an answer means is the caller's to say.
var ErrTooLarge = errors.New("answer is larger than allowed")

var errTimeout = errors.New("no full answer in time")

// causeOf gives the reason of our own cancelling in place of "context
// canceled".
func causeOf(ctx context.Context, err error) error {
	if c := context.Cause(ctx); errors.Is(c, errTimeout) || errors.Is(c, errIdle) {
		return c
	}
	return err
}

// whole reads the body to its end; net/http reports one that stops before its
// announced length or its last chunk as io.ErrUnexpectedEOF.
func (t *transport) whole(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > t.o.MaxBody {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.o.MaxBody+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > t.o.MaxBody {
		return nil, ErrTooLarge
	}
	if resp.ContentLength > int64(len(body)) && resp.Request.Method != http.MethodHead {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}

// broken judges an attempt that gave no whole answer.
func (t *transport) broken(req *http.Request, err error) verdict {
	u := SafeURL(req.URL)
	if p := problem.Of(err); p != nil {
		return verdict{err: err}
	}
	v := verdict{retry: idempotent(req.Method)}
	switch {
	case errors.Is(err, ErrTooLarge):
		v.retry = false
		v.err = problem.Wrap(problem.Source, ErrTooLarge, "the answer of %s is larger than %d bytes", u, t.o.MaxBody).
			WithHint("ask for smaller pages, or check what is served at this address")
	case errors.Is(err, errTimeout):
		v.err = problem.New(problem.Source, "no full answer from %s within %s", u, t.o.Timeout).
			WithHint("check the network path and the load of the source")
	case errors.Is(err, io.ErrUnexpectedEOF):
		v.err = problem.Wrap(problem.Source, err, "the answer of %s stopped before its end", u).
			WithHint("check proxies between here and the source; the next run tries again")
	case isTLSTrust(err):
		v.retry = false
		v.err = problem.Wrap(problem.Source, scrub(err, req.Header), "the certificate of %s is not trusted", u).
			WithHint("set ca_file to the authority that signed it")
	default:
		v.err = problem.Wrap(problem.Source, scrub(err, req.Header), "no answer from %s", u).
			WithHint("check that the address is right and reachable from here")
	}
	return v
}

func isTLSTrust(err error) bool {
	var ve *tls.CertificateVerificationError
	return errors.As(err, &ve)
}

// judge decides what a whole answer means.
func (t *transport) judge(req *http.Request, resp *http.Response, body []byte) verdict {
	s := resp.StatusCode
	wait, asked := retryAfter(resp.Header, t.o.Clock())
	if t.o.Throttle != nil {
		if w, ok := t.o.Throttle(resp, body); ok {
			if w > 0 {
				wait, asked = w, true
			}
			return verdict{retry: true, throttled: true, asked: asked, wait: wait, status: s}
		}
	}
	switch {
	case s == http.StatusTooManyRequests:
		return verdict{retry: true, throttled: true, asked: asked, wait: wait, status: s}
	case s >= 500 && s != http.StatusNotImplemented:
		v := verdict{
			retry: idempotent(req.Method) || s == http.StatusServiceUnavailable,
			asked: asked, wait: wait, status: s,
			err: StatusProblem(req.Method, req.URL, s),
		}
		if t.o.Tells != nil && !asked && t.o.Tells(resp, body) {
			v.telling = resp
		}
		return v
	}
	return verdict{resp: resp, status: s}
}

func idempotent(method string) bool {
	return method != http.MethodPost && method != http.MethodPatch
}

// retryAfter reads Retry-After in seconds or as an HTTP date. A date is taken
// against the answer's own Date when it has one, so that a wrong clock on
// either side does no harm.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if s == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 {
			return 0, false
		}
		return time.Duration(min(n, 366*86400)) * time.Second, true
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0, false
	}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d
	}
	return max(at.Sub(now), 0), true
}

// backoff is the wait before retry n (from 0) when the source named none: half
// to all of 0.5 s, 1 s, 2 s, ... to 30 s.
func backoff(n int) time.Duration {
	d := 30 * time.Second
	if n < 6 {
		d = 500 * time.Millisecond << n
	}
	return d/2 + rand.N(d/2+1)
}

func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func rewind(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	b, err := req.GetBody()
	if err != nil {
		return fmt.Errorf("send request again: %w", err)
	}
	req.Body = b
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
