package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

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
		BaseURL: cfg.URL, CAFile: cfg.CAFile, Clock: e.Clock, Log: e.Log, CacheBytes: -1,
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

// lookupSelf asks what our own token is and returns the request id of the
// answer. The answer holds the token itself, so nothing else of it is kept but
// whose it is.
func (c *client) lookupSelf(ctx context.Context) (string, error) {
	s, err := c.get(ctx, c.names[0], "auth/token/lookup-self", false)
	if err != nil {
		return "", err
	}
	if s == nil || s.RequestID == "" {
		return "", problem.New(problem.Source, "lookup-self was answered without a request id")
	}
	if id, _ := s.Data["entity_id"].(string); id != "" {
		c.identity = "entity " + id
	} else {
		c.identity = "token with policies " + strings.Join(stringList(s.Data["policies"]), ", ")
	}
	return s.RequestID, nil
}

// errAbsent says that there is nothing under a path: 404 with an empty list of
// errors, which is how Vault answers for an empty list. Any other 404 is an
// error.
var errAbsent = errors.New("nothing there")

// get reads a path, or lists it. A 404 with an empty errors list is errAbsent;
// any other failure is a problem. The answer is never nil without an error.
func (c *client) get(ctx context.Context, namespace, path string, list bool) (*api.Secret, error) {
	var q url.Values
	if list {
		q = url.Values{"list": {"true"}}
	}
	resp, err := c.in(namespace).Logical().ReadRawWithDataWithContext(ctx, path, q)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		return nil, describe(err, path)
	}
	s, err := api.ParseSecret(resp.Body)
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "answer to %s is not Vault's JSON", path)
	}
	if s == nil || s.Data == nil {
		return nil, problem.New(problem.Source, "answer to %s holds no data", path)
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
	if _, ok := s.Data["keys"].([]any); !ok {
		return nil, problem.New(problem.Source, "list of %s holds no keys", path)
	}
	return stringList(s.Data["keys"]), nil
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
	case re.StatusCode == http.StatusForbidden || re.StatusCode == http.StatusUnauthorized:
		return problem.New(problem.Credential, "%d for %s", re.StatusCode, path).
			WithHint("give the token the policy of deploy/access/vault, or renew it")
	}
	return problem.New(problem.Source, "%d for %s", re.StatusCode, path)
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

func seconds(v any) int64 {
	if n, ok := v.(json.Number); ok {
		i, _ := n.Int64()
		return i
	}
	return 0
}
