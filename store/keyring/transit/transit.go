// Package transit keeps the wrapping key of a keyring under a key of Vault's
// (or OpenBao's) transit secrets engine. The local file holds only what transit
// encrypted; the wrapping key itself is in memory alone, and the key that opens
// it never leaves Vault. So destroying the version of the transit key that
// encrypted an old wrapping key destroys every copy of the old keyring.
//
// The transit key must serve one keyring only: its old versions are trimmed.
package transit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"evidenced/evidence/address"
	"evidenced/evidence/problem"
	"evidenced/store/keyring"
)

// File is the name of the wrapped key in the directory of the keyring.
const File = "wrapping.transit"

// Config says where the transit key is.
type Config struct {
	Address   string // https://vault.example:8200; http only to this host itself
	Mount     string // of the engine; default transit
	Key       string // name of the transit key, which must be there already
	TokenFile string // read anew for every request
	CAFile    string // PEM; default: the system's
	Namespace string
	// Destroy lets old versions of the transit key be destroyed when the
	// wrapping key is renewed. The token must be allowed to.
	Destroy bool
}

// Limits of every exchange.
const (
	timeout     = 20 * time.Second
	maxAnswer   = 1 << 20 // bytes
	maxToken    = 16 << 10
	minKeyBytes = 32
)

// The fields of a description.
const (
	paramAddress   = "address"
	paramMount     = "mount"
	paramKey       = "key"
	paramTokenFile = "token_file"
	paramCAFile    = "ca_file"
	paramNamespace = "namespace"
	paramDestroy   = "destroy"
)

// Wrapping implements keyring.Wrapping.
type Wrapping struct {
	c     Config
	vault *api.Client
}

var _ keyring.Wrapping = (*Wrapping)(nil)

// FromDescription makes the wrapping that a keyring says it has.
func FromDescription(d keyring.Description) (*Wrapping, error) {
	p := d.Params
	return New(Config{
		Address: p[paramAddress], Mount: p[paramMount], Key: p[paramKey], TokenFile: p[paramTokenFile], CAFile: p[paramCAFile],
		Namespace: p[paramNamespace], Destroy: p[paramDestroy] == "true",
	})
}

// New makes a wrapping. It asks nothing yet.
func New(c Config) (*Wrapping, error) {
	if c.Mount = strings.Trim(c.Mount, "/"); c.Mount == "" {
		c.Mount = "transit"
	}
	c.Namespace = strings.Trim(c.Namespace, "/")
	if err := c.check(); err != nil {
		return nil, err
	}
	tr, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	w := &Wrapping{c: c}
	if err := withoutEnv(func() error {
		w.vault, err = api.NewClient(&api.Config{
			Address: c.Address, HttpClient: &http.Client{Transport: tr, Timeout: timeout}, MaxRetries: 0, DisableRedirects: true,
			CheckRetry: func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		})
		return err
	}); err != nil {
		return nil, problem.Wrap(problem.Config, err, "make the client for %s", c.Address)
	}
	w.vault.ClearToken() // the transport sets it, fresh from the file
	if c.Namespace != "" {
		w.vault = w.vault.WithNamespace(c.Namespace)
	}
	return w, nil
}

// names bounds what may stand in a path: no segment that climbs, nothing that
// a URL would read differently.
var names = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

func (c *Config) check() error {
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "":
		return problem.New(problem.Config, "transit address %q is no address such as https://vault.example:8200", c.Address)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return problem.New(problem.Config, "transit address %q: the token and the wrapping key would cross the network in clear", c.Address).
			WithHint("use https, with ca_file for a certificate of your own authority")
	case !names.MatchString(c.Mount):
		return problem.New(problem.Config, "transit mount %q", c.Mount)
	case !names.MatchString(c.Key) || strings.Contains(c.Key, "/"):
		return problem.New(problem.Config, "transit key %q is no name of a key", c.Key)
	case c.Namespace != "" && !names.MatchString(c.Namespace):
		return problem.New(problem.Config, "transit namespace %q", c.Namespace)
	case c.TokenFile == "":
		return problem.New(problem.Config, "transit has no token_file")
	}
	c.Address = u.Scheme + "://" + u.Host
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// env guards the environment while a client is made.
var env sync.Mutex

// withoutEnv runs f without VAULT_ and BAO_ variables: the library would let
// them win over the configuration.
func withoutEnv(f func() error) error {
	env.Lock()
	defer env.Unlock()
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "BAO_") {
			os.Unsetenv(name)
			defer os.Setenv(name, value)
		}
	}
	return f()
}

// transport adds the token, keeps to one host and bounds answers.
type transport struct {
	next      http.RoundTripper
	host      string
	tokenFile string
}

func newTransport(c Config) (*transport, error) {
	dial := net.Dialer{Timeout: 10 * time.Second, Control: address.Guard}
	t := &http.Transport{
		DialContext: dial.DialContext,
		Proxy:       http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: timeout,
		MaxIdleConns: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "read ca_file of transit")
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, problem.New(problem.Config, "ca_file %s of transit holds no certificate", c.CAFile)
		}
	}
	u, err := url.Parse(c.Address)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "transit address")
	}
	return &transport{t, u.Host, c.TokenFile}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.host {
		return nil, problem.New(problem.Source, "transit would lead to another host, which never gets the token")
	}
	token, err := readToken(t.tokenFile)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("X-Vault-Token", token)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, problem.New(problem.Source, "transit answers with a redirect (%d), which is not followed", resp.StatusCode).
			WithHint("give the address of the active node or of its load balancer")
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

func readToken(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", problem.Wrap(problem.Credential, err, "token file of transit")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return "", problem.New(problem.Refused, "token file %s of transit has mode %#o: others may read it", path, st.Mode().Perm()).WithHint("chmod 600 %s", path)
	}
	if st.Size() > maxToken {
		return "", problem.New(problem.Credential, "token file %s of transit has %d bytes", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", problem.Wrap(problem.Credential, err, "token file of transit")
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", problem.New(problem.Credential, "token file %s of transit holds no token", path)
	}
	return token, nil
}

// Describe implements keyring.Wrapping.
func (w *Wrapping) Describe() keyring.Description {
	return keyring.Description{Kind: keyring.KindTransit, Path: File, Params: map[string]string{
		paramAddress: w.c.Address, paramMount: w.c.Mount, paramKey: w.c.Key, paramTokenFile: absolute(w.c.TokenFile), paramCAFile: absolute(w.c.CAFile),
		paramNamespace: w.c.Namespace, paramDestroy: strconv.FormatBool(w.c.Destroy),
	}}
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func (w *Wrapping) path(parts ...string) string {
	return strings.Join(append([]string{w.c.Mount}, parts...), "/")
}

// errAbsent says that there is no such path or key.
var errAbsent = errors.New("not there")

// ask reads the path, or writes to it when there is a body.
func (w *Wrapping) ask(ctx context.Context, path string, body map[string]any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var s *api.Secret
	var err error
	if body == nil {
		s, err = w.vault.Logical().ReadWithContext(ctx, path)
	} else {
		s, err = w.vault.Logical().WriteWithContext(ctx, path, body)
	}
	switch {
	case err != nil:
		return nil, describe(err, path)
	case s == nil && body == nil:
		return nil, errAbsent
	case s == nil:
		return nil, nil // written, nothing to say
	}
	return s.Data, nil
}

// refused is a status that is an answer: the server understood and will not.
type refused struct{ status int }

func (r refused) Error() string { return fmt.Sprintf("status %d", r.status) }

// describe turns an error of the library into one for people. What the server
// wrote is left out: it may repeat what was sent.
func describe(err error, path string) error {
	var re *api.ResponseError
	if !errors.As(err, &re) {
		if p := problem.Of(err); p != nil {
			return p
		}
		// The library's text may hold the URL, never the token or the body.
		return problem.Wrap(problem.Source, err, "transit cannot be asked for %s", path)
	}
	switch re.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		return problem.Wrap(problem.Credential, refused{re.StatusCode}, "transit refuses the token for %s", path).
			WithHint("give the token the policy that docs/keys.md shows, or renew it")
	case http.StatusNotFound:
		return errAbsent
	}
	return problem.Wrap(problem.Source, refused{re.StatusCode}, "transit refuses %s", path)
}

// Wrap implements keyring.Wrapping.
func (w *Wrapping) Wrap(ctx context.Context, key []byte) ([]byte, error) {
	// A token that may create keys would make a missing one by encrypting.
	if _, err := w.key(ctx); errors.Is(err, errAbsent) {
		return nil, problem.New(problem.NotFound, "there is no transit key %s at %s", w.c.Key, w.c.Mount).
			WithHint("make it: vault write -f %s", w.path("keys", w.c.Key))
	} else if err != nil && !problem.Is(err, problem.Credential) {
		return nil, err
	}
	data, err := w.ask(ctx, w.path("encrypt", w.c.Key), map[string]any{"plaintext": base64.StdEncoding.EncodeToString(key)})
	if err != nil {
		return nil, fmt.Errorf("wrap by transit: %w", err)
	}
	text, _ := data["ciphertext"].(string)
	if _, err := versionOf([]byte(text)); err != nil {
		return nil, err
	}
	return []byte(text + "\n"), nil
}

// Unwrap implements keyring.Wrapping.
func (w *Wrapping) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if _, err := versionOf(wrapped); err != nil {
		return nil, err
	}
	data, err := w.ask(ctx, w.path("decrypt", w.c.Key), map[string]any{"ciphertext": strings.TrimSuffix(string(wrapped), "\n")})
	if errors.Is(err, errAbsent) {
		err = problem.New(problem.NotFound, "there is no transit key %s at %s", w.c.Key, w.c.Mount).
			WithHint("without it nothing opens the keyring; the logs can be verified, not read")
	}
	if err != nil {
		return nil, fmt.Errorf("unwrap by transit: %w", err)
	}
	text, _ := data["plaintext"].(string)
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != minKeyBytes {
		return nil, problem.New(problem.Source, "transit gives back no wrapping key")
	}
	return key, nil
}

var ciphertext = regexp.MustCompile(`^vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/=_-]+\n?$`)

// versionOf reads which version of the transit key made a ciphertext.
func versionOf(wrapped []byte) (int, error) {
	m := ciphertext.FindSubmatch(wrapped)
	if m == nil {
		return 0, problem.New(problem.Corrupt, "what transit wrapped is damaged: want vault:vN:...")
	}
	return strconv.Atoi(string(m[1]))
}

// Renew implements keyring.Wrapping: where old versions may be destroyed, it
// makes a new one.
func (w *Wrapping) Renew(ctx context.Context) error {
	if !w.c.Destroy {
		return nil
	}
	if _, err := w.ask(ctx, w.path("keys", w.c.Key, "rotate"), map[string]any{}); err != nil {
		return fmt.Errorf("rotate the transit key: %w", err)
	}
	return nil
}

// Retire implements keyring.Wrapping: it raises min_decryption_version, trims
// the versions below, and then tries to unwrap the old key. Only when that is
// refused, and the key can be neither exported nor backed up, the old wrapping
// key is gone.
func (w *Wrapping) Retire(ctx context.Context, old, current []byte) (bool, string) {
	if !w.c.Destroy {
		return false, "the configuration does not let old versions of the transit key be destroyed"
	}
	was, err := versionOf(old)
	if err != nil {
		return false, "the old wrapping key is not one of transit"
	}
	// After a change to a local file nothing of the transit key is needed any
	// more: a version of its own takes the place of what is destroyed.
	now, err := versionOf(current)
	if err != nil {
		if now, err = w.another(ctx); err != nil {
			return false, "the transit key could not be rotated: " + code(err)
		}
	}
	if now <= was {
		return false, "the transit key was not rotated"
	}
	if _, err := w.ask(ctx, w.path("keys", w.c.Key, "config"), map[string]any{"min_decryption_version": now, "min_encryption_version": now}); err != nil {
		return false, "the least version of the transit key could not be raised: " + code(err)
	}
	if _, err := w.ask(ctx, w.path("keys", w.c.Key, "trim"), map[string]any{"min_available_version": now}); err != nil {
		return false, "old versions of the transit key could not be trimmed: " + code(err)
	}
	k, err := w.key(ctx)
	switch {
	case err != nil:
		return false, "the transit key could not be looked at: " + code(err)
	case k.exportable:
		return false, "the transit key may be exported, so a copy of the old version may exist"
	case k.backup:
		return false, "the transit key may be backed up in clear, so a copy of the old version may exist"
	case k.available < now || k.decryption < now:
		return false, "the transit engine keeps old versions"
	}
	_, err = w.ask(ctx, w.path("decrypt", w.c.Key), map[string]any{"ciphertext": strings.TrimSuffix(string(old), "\n")})
	var no refused
	if err == nil || !errors.As(err, &no) || no.status != http.StatusBadRequest {
		return false, "transit does not refuse to unwrap the old wrapping key"
	}
	return true, ""
}

// code is what may be recorded of an error: which class it is.
func code(err error) string {
	if p := problem.Of(err); p != nil {
		return string(p.Code)
	}
	return "not there"
}

// another makes a version of the key and returns its number.
func (w *Wrapping) another(ctx context.Context) (int, error) {
	if err := w.Renew(ctx); err != nil {
		return 0, err
	}
	k, err := w.key(ctx)
	return k.latest, err
}

// keyState is what is known of the transit key.
type keyState struct {
	latest, decryption, available int
	exportable, backup            bool
}

// key looks at the transit key. Of the answer only numbers and flags are read.
func (w *Wrapping) key(ctx context.Context) (keyState, error) {
	data, err := w.ask(ctx, w.path("keys", w.c.Key), nil)
	if err != nil {
		return keyState{}, err
	}
	return readKeyState(data), nil
}

// readKeyState reads the fields; one that is missing or of another form counts
// as the worst that it could say.
func readKeyState(data map[string]any) keyState {
	number := func(name string) int {
		switch v := data[name].(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil && n >= 0 && n < 1<<31 {
				return int(n)
			}
		case float64:
			if v >= 0 && v < 1<<31 {
				return int(v)
			}
		}
		return 0
	}
	flag := func(name string) bool {
		v, ok := data[name].(bool)
		return v || !ok
	}
	return keyState{
		latest: number("latest_version"), decryption: number("min_decryption_version"), available: number("min_available_version"),
		exportable: flag("exportable"), backup: flag("allow_plaintext_backup"),
	}
}
