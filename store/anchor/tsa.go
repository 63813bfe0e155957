package anchor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/address"
	"evidenced/evidence/problem"
	"evidenced/evidence/timestamp"
)

// TSAOptions say which time-stamping authority is asked and what of its
// answers is believed.
type TSAOptions struct {
	Name  string
	URL   string         // http or https; a token is as good either way
	Roots *x509.CertPool // required: an answer that does not lead to them is refused
	// Intermediates helps where the authority sends its own certificate alone;
	// it adds no trust. May be nil.
	Intermediates *x509.CertPool
	LogKey        note.Verifier // whose signature on the checkpoint is stamped
	// Policy is asked for and required in the answer; nil: the authority's own.
	Policy  asn1.ObjectIdentifier
	Timeout time.Duration // of one request; zero: 15 seconds
	Clock   func() time.Time
}

// TSA is an RFC 3161 time-stamping authority. It remembers nothing of a log, so
// it cannot be asked for the newest checkpoint and never sees a conflict.
type TSA struct {
	o      TSAOptions
	place  string // the address without what follows its path
	client *http.Client
}

// NewTSA checks the options. It does not ask the authority.
func NewTSA(o TSAOptions) (*TSA, error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, problem.New(problem.Config, "anchor %s: the address is not an http or https URL", o.Name)
	case u.User != nil:
		return nil, problem.New(problem.Config, "anchor %s: the address holds a user name or password", o.Name)
	case o.Roots == nil:
		return nil, problem.New(problem.Config, "anchor %s: no roots of the authority are given", o.Name).
			WithHint("name a file with the authority's root certificate, received from the authority itself")
	case o.LogKey == nil || o.Clock == nil:
		return nil, fmt.Errorf("anchor %s: log key or clock is missing", o.Name)
	}
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	dial := net.Dialer{Timeout: o.Timeout, Control: address.Guard}
	place := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return &TSA{o, place.String(), &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout,
			MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true,
		},
		CheckRedirect: sameHost,
	}}, nil
}

// sameHost follows a redirect only to the same scheme, host and port, and only
// while it repeats the request.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return fmt.Errorf("redirected to another host")
	}
	if req.Method != http.MethodPost || len(via) > 3 {
		return fmt.Errorf("redirected away from the request")
	}
	return nil
}

// Name implements Anchor.
func (a *TSA) Name() string { return a.o.Name }

// Rung implements Anchor.
func (a *TSA) Rung() int { return 4 }

// Newest implements Anchor: an authority cannot be asked.
func (a *TSA) Newest(context.Context, string) (uint64, evidence.Hash, bool, error) {
	return 0, evidence.Hash{}, false, nil
}

// Put implements Anchor. The receipt holds the token, verified against the
// roots; its Vouched is the latest time at which the checkpoint can have been
// signed.
func (a *TSA) Put(ctx context.Context, c Checkpoint, _ func(uint64) ([]evidence.Hash, error)) (Receipt, error) {
	r := c.receipt(a, "rfc3161", a.place, a.o.Clock())
	der, token, err := a.Stamp(ctx, c.Signed)
	if err != nil {
		return Receipt{}, err
	}
	r.Token, r.Vouched, r.Done = der, token.NotAfter(), a.o.Clock().UTC()
	r.Answer = fmt.Sprintf("serial number %x, policy %v", token.Serial, token.Policy)
	return r, nil
}

// Stamp asks for a token over the signed checkpoint and verifies it at once:
// by the roots, for this note, with the nonce just drawn and the policy asked
// for. It returns the token in DER and what it says.
func (a *TSA) Stamp(ctx context.Context, signed []byte) ([]byte, *timestamp.Token, error) {
	imprint, err := timestamp.Imprint(signed, a.o.LogKey)
	if err != nil {
		return nil, nil, fmt.Errorf("anchor %s: %w", a.o.Name, err)
	}
	nonce, err := newNonce()
	if err != nil {
		return nil, nil, fmt.Errorf("anchor %s: %w", a.o.Name, err)
	}
	request, err := timestamp.Request(imprint, nonce, a.o.Policy)
	if err != nil {
		return nil, nil, fmt.Errorf("anchor %s: %w", a.o.Name, err)
	}
	answer, err := a.post(ctx, request)
	if err != nil {
		return nil, nil, problem.Wrap(problem.Source, err, "anchor %s: ask the time-stamping authority", a.o.Name)
	}
	der, err := timestamp.Response(answer)
	if err != nil {
		return nil, nil, problem.Wrap(problem.Source, err, "anchor %s", a.o.Name)
	}
	want := timestamp.Options{Roots: a.o.Roots, Intermediates: a.o.Intermediates, Nonce: nonce}
	if a.o.Policy != nil {
		want.Policies = []asn1.ObjectIdentifier{a.o.Policy}
	}
	token, err := timestamp.Verify(der, imprint, want)
	if err != nil {
		return nil, nil, problem.Wrap(problem.Source, err, "anchor %s: the authority's answer is not accepted", a.o.Name).
			WithHint("check that the configured roots are the authority's; nothing was recorded as anchored there")
	}
	return der, token, nil
}

// newNonce draws a positive number of [timestamp.NonceBits] bits.
func newNonce() (*big.Int, error) {
	most := new(big.Int).Lsh(big.NewInt(1), timestamp.NonceBits)
	n, err := rand.Int(rand.Reader, most.Sub(most, big.NewInt(1)))
	if err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// post sends the request and returns the answer (RFC 3161 section 3.4). Nothing
// of what the other side wrote goes into an error.
func (a *TSA) post(ctx context.Context, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.o.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	req.Header.Set("Accept", "application/timestamp-reply")
	resp, err := a.client.Do(req)
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err // its text holds the whole address, perhaps with a token in it
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "application/timestamp-reply" {
		return nil, fmt.Errorf("the answer is not of type application/timestamp-reply")
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, timestamp.MaxResponse+1))
	if err != nil {
		return nil, err
	}
	if len(b) > timestamp.MaxResponse {
		return nil, fmt.Errorf("the answer is larger than %d bytes", timestamp.MaxResponse)
	}
	return b, nil
}
