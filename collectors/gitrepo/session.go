package gitrepo

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"evidenced/collectors/fetch"
	"evidenced/evidence/address"
	"evidenced/evidence/problem"
)

// session connects to the server. Each repository has a client of its own, so
// nothing of one (trust, credential) serves another.
func (l *look) session() (transport.UploadPackSession, error) {
	ep, err := transport.NewEndpoint(l.t.dial)
	if err != nil {
		return nil, problem.New(problem.Config, "url cannot be read")
	}
	if l.t.place == placeSSH {
		return l.sshSession(ep)
	}
	return l.httpsSession(ep)
}

const dialTimeout = 15 * time.Second

func (l *look) httpsSession(ep *transport.Endpoint) (transport.UploadPackSession, error) {
	client, basic, err := l.https()
	if err != nil {
		return nil, err
	}
	var auth transport.AuthMethod
	if basic != nil {
		auth = basic
	}
	// A redirect would carry the credential elsewhere.
	c := githttp.NewClientWithOptions(client, &githttp.ClientOptions{RedirectPolicy: githttp.NoFollowRedirects})
	return c.NewUploadPackSession(ep, auth)
}

// https is the client of an https repository, and its credential; nil for none.
func (l *look) https() (*http.Client, *githttp.BasicAuth, error) {
	tc := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.t.CAFile != "" {
		pem, err := os.ReadFile(l.t.CAFile)
		if err != nil {
			return nil, nil, problem.Wrap(problem.Config, err, "ca_file")
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, problem.New(problem.Config, "ca_file %s holds no certificate", l.t.CAFile)
		}
		tc.RootCAs = pool
	}
	nd := &net.Dialer{Timeout: dialTimeout, Control: address.Guard}
	client := &http.Client{Transport: &metered{l: l, next: &http.Transport{
		DialContext: nd.DialContext, TLSClientConfig: tc, TLSHandshakeTimeout: dialTimeout,
		ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true,
	}}}
	if l.t.TokenFile == "" {
		return client, nil, nil
	}
	secret, err := fetch.TokenFile(l.t.TokenFile)()
	if err != nil {
		return nil, nil, err
	}
	user := l.t.User
	if user == "" {
		user = "git"
	}
	return client, &githttp.BasicAuth{Username: user, Password: secret.Reveal()}, nil
}

// maxRefBytes bounds the list of refs that a server announces, which the
// library keeps in memory: some 900,000 refs.
const maxRefBytes = 64 << 20

// metered notes what an observation reports of a connection, and bounds every
// answer: the list of refs, and a pack with what stands before it.
type metered struct {
	l    *look
	next http.RoundTripper
}

func (m *metered) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	w := &m.l.wire
	if cs := resp.TLS; cs != nil && len(cs.PeerCertificates) > 0 {
		sum := sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo)
		w.tls, w.tlsKey = tls.VersionName(cs.Version), hex.EncodeToString(sum[:])
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		w.offset, w.offsetOK = date.Sub(m.l.now().Truncate(time.Second)), true
	}
	body := &capped{r: resp.Body, left: maxRefBytes, max: maxRefBytes, what: "list of refs", do: "ask the server for fewer branches and tags"}
	if req.Method == http.MethodPost {
		body = capPack(resp.Body, m.l.cfg.MaxPackBytes+maxRefBytes)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{body, resp.Body}
	return resp, nil
}

func (l *look) sshSession(ep *transport.Endpoint) (transport.UploadPackSession, error) {
	key, err := os.ReadFile(l.t.KeyFile)
	if err != nil {
		return nil, problem.Wrap(problem.Credential, err, "key_file")
	}
	signer, err := ssh.ParsePrivateKey(key)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, problem.New(problem.Credential, "key_file %s is locked with a passphrase", l.t.KeyFile).
			WithHint("make a read-only deploy key without one and keep the file readable by the daemon alone")
	case err != nil:
		return nil, problem.New(problem.Credential, "key_file %s holds no private key that can be read", l.t.KeyFile)
	}
	if _, err := os.Stat(l.t.KnownHostsFile); err != nil {
		return nil, problem.Wrap(problem.Config, err, "known_hosts_file")
	}
	hosts, err := gitssh.NewKnownHostsDb(l.t.KnownHostsFile)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "known_hosts_file")
	}
	if ep.User == "" {
		ep.User = "git"
	}
	port := ep.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	l.wire.identity = "ssh key " + ssh.FingerprintSHA256(signer.PublicKey())
	verify := hosts.HostKeyCallback()
	auth := &gitssh.PublicKeys{User: ep.User, Signer: signer}
	auth.HostKeyAlgorithms = hosts.HostKeyAlgorithms(net.JoinHostPort(ep.Host, strconv.Itoa(port)))
	// Runs before the key is used; the address is the one connected to.
	auth.HostKeyCallback = func(name string, remote net.Addr, key ssh.PublicKey) error {
		if err := address.Guard("tcp", remote.String(), nil); err != nil {
			return err
		}
		return verify(name, remote, key)
	}
	return l.dialSSH(gitssh.NewClient(&ssh.ClientConfig{
		User: ep.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: dialTimeout,
		HostKeyCallback: auth.HostKeyCallback, HostKeyAlgorithms: auth.HostKeyAlgorithms,
	}), ep, auth)
}

// dialSSH connects. The library waits for the server's greeting without a
// context; a server that never sends one would gather goroutines, so only one
// connection of a repository may wait.
func (l *look) dialSSH(client transport.Transport, ep *transport.Endpoint, auth transport.AuthMethod) (transport.UploadPackSession, error) {
	if earlier := l.waiting[l.t.Name]; earlier != nil {
		select {
		case <-earlier:
		default:
			return nil, problem.New(problem.Source, "the server at %s has not answered an earlier connection yet", l.t.show)
		}
	}
	type result struct {
		s   transport.UploadPackSession
		err error
	}
	done, over := make(chan result, 1), make(chan struct{})
	l.waiting[l.t.Name] = over
	go func() {
		defer close(over)
		s, err := client.NewUploadPackSession(ep, auth)
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-l.ctx.Done():
		go func() {
			if r := <-done; r.s != nil {
				_ = r.s.Close()
			}
		}()
		return nil, l.ctx.Err()
	}
}
