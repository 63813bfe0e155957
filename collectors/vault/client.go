package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	pathpkg "path"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"
)

// client asks the API. Limits, retries, the token and the guard against
// redirects are those of fetch; the Vault library adds none of its own.
type client struct {
	http     *fetch.Client
	vault    *api.Client
	names    []string // namespaces, the token's own first
	identity string
}

// env guards the environment while a Vault client is made.
var env sync.Mutex

// withoutEnv runs f without the VAULT_ variables: the library reads address,
// token, namespace, headers and TLS settings from them, and a stray one would
// win over the configuration.
func withoutEnv(f func() error) error {
	env.Lock()
	defer env.Unlock()
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "VAULT_") || strings.HasPrefix(k, "BAO_") {
			os.Unsetenv(k)
			defer os.Setenv(k, v)
		}
	}
	return f()
}

func newClient(cfg Config, e collectors.Env, tune func(*fetch.Options)) (*client, error) {
	o := fetch.Options{
		Key: "url", BaseURL: cfg.URL, CAFile: cfg.CAFile, Clock: e.Clock, Log: e.Log, CacheBytes: -1,
		Header: fetch.HeaderFrom("X-Vault-Token", "", fetch.TokenFile(cfg.TokenFile)),
	}
	if tune != nil {
		tune(&o)
	}
	h, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	c := &client{http: h, names: append([]string{strings.Trim(cfg.Namespace, "/")}, cfg.Namespaces...)}
	err = withoutEnv(func() error {
		c.vault, err = api.NewClient(&api.Config{
			Address: strings.TrimSuffix(cfg.URL, "/"), HttpClient: h.HTTP(), MaxRetries: 0, DisableRedirects: true,
			CheckRetry: func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		})
		return err
	})
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "make the client for %s", cfg.URL)
	}
	c.vault.ClearToken() // the transport sets it, fresh from the file
	for i := range c.names {
		c.names[i] = strings.Trim(c.names[i], "/")
	}
	return c, nil
}

// in returns a client for one namespace. It shares nothing that is changed.
func (c *client) in(namespace string) *api.Client {
	if namespace == "" {
		return c.vault
	}
	return c.vault.WithNamespace(namespace)
}

func (c *client) sees() []string {
	out := make([]string, len(c.names))
	for i, n := range c.names {
		if out[i] = n; n == "" {
			out[i] = "root"
		}
	}
	return out
}

// self is what the server says of our own token.
type self struct {
	request  string // id of the request
	policies []string
	expires  time.Time // zero: never, or not said
	period   int64     // seconds; the token lives on for as long as it is renewed
	told     bool      // the server says when it ends, or that it does not
}

// lookupSelf asks what our own token is. The answer holds the token itself, so
// nothing of it is kept but whose it is, what it may and how long it lives.
func (c *client) lookupSelf(ctx context.Context) (self, error) {
	s, err := c.get(ctx, c.names[0], "auth/token/lookup-self", false)
	if err != nil {
		return self{}, err
	}
	if s.RequestID == "" {
		return self{}, problem.New(problem.Source, "lookup-self was answered without a request id")
	}
	me := self{request: s.RequestID, period: seconds(s.Data["period"])}
	me.policies = sorted(append(stringList(s.Data["policies"]), stringList(s.Data["identity_policies"])...))
	me.expires = parseTime([]byte(asString(s.Data["expire_time"])))
	_, me.told = s.Data["expire_time"]
	if id, _ := s.Data["entity_id"].(string); id != "" {
		c.identity = "entity " + id
	} else {
		c.identity = "token with policies " + strings.Join(stringList(s.Data["policies"]), ", ")
	}
	return me, nil
}

// errAbsent says that there is nothing under a path: 404 with an empty list of
// errors, which is how Vault answers for an empty list. Any other 404 is an
// error.
var errAbsent = errors.New("nothing there")

// errUnsupported says that the server has no such path at all: another
// version, edition or product.
var errUnsupported = errors.New("not a path of this server")

// get reads a path, or lists it. A 404 with an empty errors list is errAbsent;
// any other failure is a problem. The answer is never nil without an error.
func (c *client) get(ctx context.Context, namespace, path string, list bool) (*api.Secret, error) {
	var q url.Values
	if list {
		q = url.Values{"list": {"true"}}
	}
	return c.ask(ctx, namespace, path, q)
}

func (c *client) ask(ctx context.Context, namespace, path string, q url.Values) (*api.Secret, error) {
	// The library would resolve dots in names, and so ask for something else.
	if pathpkg.Clean(path) != path {
		return nil, problem.New(problem.Source, "the name %s cannot be asked for", shown(path))
	}
	resp, err := c.in(namespace).Logical().ReadRawWithDataWithContext(ctx, path, q)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return nil, hide(describe(err, path), path)
	}
	s, err := api.ParseSecret(resp.Body)
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "answer to %s is not Vault's JSON", shown(path))
	}
	if s == nil || s.Data == nil {
		return nil, problem.New(problem.Source, "answer to %s holds no data", shown(path))
	}
	return s, nil
}

// keys lists the names under a path; none when there are none.
func (c *client) keys(ctx context.Context, namespace, path string) ([]string, error) {
	s, err := c.get(ctx, namespace, path, true)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, ok := s.Data["keys"].([]any)
	if !ok {
		return nil, problem.New(problem.Source, "list of %s holds no keys", shown(path))
	}
	names := stringList(list)
	if len(names) < len(list) {
		// What it names would seem to be gone.
		return nil, problem.New(problem.Source, "list of %s holds a key that is no name", shown(path))
	}
	return names, nil
}

// describe turns an error of the library into one for people.
func describe(err error, path string) error {
	if err == nil {
		return nil
	}
	var re *api.ResponseError
	if !errors.As(err, &re) {
		if p := problem.Of(err); p != nil {
			return fmt.Errorf("%s: %w", path, p)
		}
		return problem.Wrap(problem.Source, err, "ask for %s", path)
	}
	switch {
	case re.StatusCode == http.StatusNotFound && !re.RawError && re.Errors != nil && len(re.Errors) == 0:
		return errAbsent
	case unsupported(re):
		return errUnsupported
	case re.StatusCode == http.StatusForbidden || re.StatusCode == http.StatusUnauthorized:
		return problem.New(problem.Credential, "%d for %s", re.StatusCode, path).
			WithHint("give the token the policy of deploy/access/vault, or renew it")
	}
	return problem.New(problem.Source, "%d for %s", re.StatusCode, path)
}

// hidden is an error whose text held the name of a person.
type hidden struct {
	error
	text string
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.error }

// hide takes the names of people in a path out of an error that tells of it.
func hide(err error, path string) error {
	s := shown(path)
	if s == path {
		return err
	}
	text := err.Error()
	for _, p := range []string{path, (&url.URL{Path: path}).EscapedPath()} {
		text = strings.ReplaceAll(text, p, s)
	}
	return &hidden{err, text}
}

// unsupported tells a path that the server does not have from one that it does
// not find just now: only the former says so in words.
func unsupported(re *api.ResponseError) bool {
	if re.RawError || re.StatusCode != http.StatusNotFound && re.StatusCode != http.StatusMethodNotAllowed && re.StatusCode != http.StatusBadRequest {
		return false
	}
	for _, e := range re.Errors {
		for _, says := range []string{"unsupported path", "unsupported operation", "no handler for route",
			"operation unavailable in namespaces", "unavailable operation"} { // OpenBao
			if strings.Contains(e, says) {
				return true
			}
		}
	}
	return false
}

// stringList reads a list of strings of a decoded answer.
func stringList(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok && s != "" {
				out = append(out, s)
			}
		}
	case []string:
		out = v
	case string: // some fields are comma-separated on older servers
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

func asString(v any) string { s, _ := v.(string); return s }

func asBool(v any) bool { b, _ := v.(bool); return b }

// seconds reads a number of seconds; some engines give it a fraction, some
// write it as a duration ("720h").
func seconds(v any) int64 {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil || f < 0 || f > 1<<53 {
			return 0
		}
		return int64(f)
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			return int64(d / time.Second)
		}
	}
	return 0
}

// when reads a time that is RFC 3339 or seconds since 1970.
func when(v any) time.Time {
	switch v := v.(type) {
	case string:
		return parseTime([]byte(v))
	case json.Number:
		if i, err := v.Int64(); err == nil && i > 0 && i < 1<<38 {
			return time.Unix(i, 0).UTC()
		}
	}
	return time.Time{}
}
