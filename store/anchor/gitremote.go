package anchor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"evidenced/evidence/address"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// maxGitBody bounds one answer of a git server. A branch of checkpoints alone
// is small; a server that cannot send the tip without its history sends more.
const maxGitBody = 64 << 20

// endpoint reads the URL. Only https is spoken: over anything else the token
// and the notes could be read or changed on the way.
func (g *Git) endpoint() (*transport.Endpoint, error) {
	ep, err := transport.NewEndpoint(g.o.Repository)
	if err != nil || ep.Protocol != "https" || ep.User != "" || ep.Password != "" {
		return nil, fmt.Errorf("the repository must be a path or an https URL without a user")
	}
	return ep, nil
}

// client makes the transport of this anchor: its own trust, no redirects (they
// would carry the token elsewhere), bounded answers.
func (g *Git) client() (transport.Transport, error) {
	tc := &tls.Config{MinVersion: tls.VersionTLS12}
	if g.o.CAFile != "" {
		pem, err := os.ReadFile(g.o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no certificate", g.o.CAFile)
		}
		tc.RootCAs = pool
	}
	d := &net.Dialer{Timeout: 15 * time.Second, Control: address.Guard}
	hc := &http.Client{Timeout: gitTimeout, Transport: limited{&http.Transport{
		DialContext: d.DialContext, TLSClientConfig: tc, TLSHandshakeTimeout: 15 * time.Second, DisableKeepAlives: true,
	}}}
	return githttp.NewClientWithOptions(hc, &githttp.ClientOptions{RedirectPolicy: githttp.NoFollowRedirects}), nil
}

// limited ends answers after maxGitBody bytes.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxGitBody), resp.Body}
	}
	return resp, err
}

func (g *Git) auth() (transport.AuthMethod, error) {
	if g.o.TokenFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(g.o.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return nil, fmt.Errorf("token_file %s is empty", g.o.TokenFile)
	}
	return &githttp.BasicAuth{Username: g.o.User, Password: token}, nil
}

// readRemote brings the tip of the branch into memory.
func (g *Git) readRemote(ctx context.Context) (*branch, error) {
	ep, err := g.endpoint()
	if err != nil {
		return nil, err
	}
	c, err := g.client()
	if err != nil {
		return nil, err
	}
	auth, err := g.auth()
	if err != nil {
		return nil, err
	}
	s, err := c.NewUploadPackSession(ep, auth)
	if err != nil {
		return nil, fmt.Errorf("talk to %s: %w", ep.Host, err)
	}
	defer s.Close()
	store := memory.NewStorage()
	b := &branch{store: store, close: func() {}}
	ar, err := s.AdvertisedReferencesContext(ctx)
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
	case err != nil:
		return nil, fmt.Errorf("talk to %s: %w", ep.Host, err)
	default:
		b.tip = ar.References[g.ref().String()]
		if !b.tip.IsZero() {
			if err := download(ctx, s, ar, store, b.tip); err != nil {
				return nil, fmt.Errorf("read branch %s from %s: %w", g.o.Branch, ep.Host, err)
			}
		}
	}
	b.publish = func(ctx context.Context, commit plumbing.Hash, objects []plumbing.Hash) error {
		return g.push(ctx, c, ep, auth, b, commit, objects)
	}
	return b, nil
}

// download brings the objects of the tip, without its history where the server
// can leave that out.
func download(ctx context.Context, s transport.UploadPackSession, ar *packp.AdvRefs, store *memory.Storage, tip plumbing.Hash) (err error) {
	defer func() { // the library's pack reader panics on some damaged packs
		if p := recover(); p != nil {
			err = fmt.Errorf("the pack cannot be read: %v", p)
		}
	}()
	req := packp.NewUploadPackRequestFromCapabilities(ar.Capabilities)
	for _, c := range []capability.Capability{capability.ThinPack, capability.MultiACK, capability.MultiACKDetailed} {
		req.Capabilities.Delete(c)
	}
	if ar.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return err
		}
	}
	if ar.Capabilities.Supports(capability.Shallow) {
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return err
		}
		req.Depth = packp.DepthCommits(1)
	}
	req.Wants = []plumbing.Hash{tip}
	resp, err := s.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Close()
	var r io.Reader = resp
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		r = sideband.NewDemuxer(sideband.Sideband64k, resp)
	case req.Capabilities.Supports(capability.Sideband):
		r = sideband.NewDemuxer(sideband.Sideband, resp)
	}
	return packfile.UpdateObjectStorage(store, r)
}

// push asks the server to move the branch from the tip it was read at. The
// server compares: when the branch moved meanwhile it refuses.
func (g *Git) push(ctx context.Context, c transport.Transport, ep *transport.Endpoint, auth transport.AuthMethod, b *branch, commit plumbing.Hash, objects []plumbing.Hash) error {
	s, err := c.NewReceivePackSession(ep, auth)
	if err != nil {
		return fmt.Errorf("talk to %s: %w", ep.Host, err)
	}
	defer s.Close()
	ar, err := s.AdvertisedReferencesContext(ctx)
	if err != nil && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return fmt.Errorf("push to %s: %w", ep.Host, err)
	}
	req := packp.NewReferenceUpdateRequest()
	if ar != nil {
		if now := ar.References[g.ref().String()]; now != b.tip {
			return fmt.Errorf("branch %s was moved by somebody else meanwhile", g.o.Branch)
		}
		req = packp.NewReferenceUpdateRequestFromCapabilities(ar.Capabilities)
	}
	req.Commands = []*packp.Command{{Name: g.ref(), Old: b.tip, New: commit}}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, b.store, false).Encode(objects, 10); err != nil {
		return fmt.Errorf("pack the commit: %w", err)
	}
	req.Packfile = io.NopCloser(&pack)
	status, err := s.ReceivePack(ctx, req)
	if err != nil {
		return fmt.Errorf("push to %s: %w", ep.Host, err)
	}
	if status == nil {
		return fmt.Errorf("push to %s: the server did not say whether it took the commit", ep.Host)
	}
	if err := status.Error(); err != nil {
		return fmt.Errorf("push to %s: %w", ep.Host, err)
	}
	return nil
}
