package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/flowcontrol"
)

// conn speaks to one API server. client-go brings credential, TLS settings and
// proxy; fetch sends, retries, measures and guards. It may be used by several
// goroutines at a time.
type conn struct {
	client  *fetch.Client
	limiter flowcontrol.RateLimiter
	sleep   func(ctx context.Context, d time.Duration) error
	idle    time.Duration // of a page
	silent  time.Duration // of a watch
	maxObj  int
	token   func() string // the bearer token in use, "" when there is none
}

// maxKubeconfig is the largest kubeconfig, in bytes.
const maxKubeconfig = 4 << 20

// restConfig reads how to reach the cluster. Errors are problem.Config.
func (c *Config) restConfig() (*rest.Config, error) {
	switch {
	case c.Kubeconfig != "":
		return c.fromKubeconfig()
	case c.Server != "":
		return &rest.Config{
			Host: c.Server, BearerTokenFile: c.TokenFile,
			TLSClientConfig: rest.TLSClientConfig{CAFile: c.CAFile},
		}, nil
	}
	rc, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, problem.New(problem.Config, "neither kubeconfig nor server is set, and this is no pod").
			WithHint("set kubeconfig, or server with token_file and ca_file")
	}
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "read the pod's service account").
			WithHint("check that automountServiceAccountToken is not switched off")
	}
	return rc, nil
}

func (c *Config) fromKubeconfig() (*rest.Config, error) {
	f, err := os.Open(c.Kubeconfig)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "open kubeconfig").
			WithHint("set kubeconfig to a file that the daemon's user may read")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKubeconfig+1))
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "read kubeconfig")
	}
	if len(b) > maxKubeconfig {
		return nil, problem.New(problem.Config, "kubeconfig %s is larger than %d bytes", c.Kubeconfig, maxKubeconfig)
	}
	kc, err := clientcmd.Load(b)
	if err != nil {
		// The parser's text may quote the file, which holds credentials.
		return nil, problem.New(problem.Config, "kubeconfig %s cannot be read (%T)", c.Kubeconfig, err)
	}
	for name := range kc.Clusters {
		kc.Clusters[name].LocationOfOrigin = c.Kubeconfig
	}
	for name := range kc.AuthInfos {
		kc.AuthInfos[name].LocationOfOrigin = c.Kubeconfig
	}
	if err := clientcmd.ResolveLocalPaths(kc); err != nil {
		return nil, problem.Wrap(problem.Config, err, "kubeconfig %s", c.Kubeconfig)
	}
	rc, err := clientcmd.NewNonInteractiveClientConfig(*kc, c.Context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, problem.New(problem.Config, "kubeconfig %s has no usable context %q", c.Kubeconfig, c.Context).
			WithHint("set context to one of the file's contexts with a cluster and a user")
	}
	switch {
	case rc.ExecProvider != nil && !c.AllowExec:
		return nil, problem.New(problem.Config, "kubeconfig %s runs a program to get its credential", c.Kubeconfig).
			WithHint("use the token of a service account (deploy/access/kubernetes), or set allow_exec: true")
	case rc.AuthProvider != nil:
		return nil, problem.New(problem.Config, "kubeconfig %s uses an auth provider, which is not supported", c.Kubeconfig).
			WithHint("use the token of a service account (deploy/access/kubernetes)")
	case rc.Insecure:
		return nil, problem.New(problem.Config, "kubeconfig %s does not verify the server's certificate", c.Kubeconfig).
			WithHint("drop insecure-skip-tls-verify and set certificate-authority")
	}
	return rc, nil
}

// connect makes the client; nothing is dialled.
func (c *Collector) connect() (*conn, error) {
	rc, err := c.cfg.restConfig()
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(rc)
	if err != nil {
		return nil, problem.New(problem.Config, "the address of the API server is not a URL")
	}
	o := fetch.Options{
		BaseURL: base.String(), Timeout: c.cfg.Timeout, Clock: c.env.Clock, Log: c.env.Log,
		CacheBytes: -1, // lists carry no ETag
		Under: func(dial fetch.DialFunc) (http.RoundTripper, error) {
			rc.Dial = dial
			rt, err := rest.TransportFor(rc)
			if err != nil {
				return nil, problem.Wrap(problem.Config, err, "set up the connection to the API server").
					WithHint("check token_file and ca_file, or what the kubeconfig names in their place")
			}
			return rt, nil
		},
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if c.opts.fetch != nil {
		c.opts.fetch(&o)
	}
	client, err := fetch.New(o)
	if err != nil {
		return nil, err
	}
	x := &conn{
		client: client, limiter: flowcontrol.NewTokenBucketRateLimiter(float32(c.cfg.QPS), int(max(2*c.cfg.QPS, 10))),
		sleep: o.Sleep, idle: o.Timeout, silent: c.cfg.WatchTimeout, maxObj: c.cfg.MaxObjectBytes,
		token: func() string { return tokenOf(rc) },
	}
	if x.sleep == nil {
		x.sleep = pause
	}
	return x, nil
}

// pause waits, or returns when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// tokenOf returns the bearer token of the configuration; "" without one.
func tokenOf(rc *rest.Config) string {
	if rc.BearerTokenFile != "" {
		if s, err := fetch.TokenFile(rc.BearerTokenFile)(); err == nil {
			return s.Reveal()
		}
		return ""
	}
	return rc.BearerToken
}

// account is what a service account's token says of itself, unverified: the
// server verifies it.
type account struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

// identity says whose credential is used, without a person's name.
func (x *conn) identity() (string, time.Time) {
	parts := strings.Split(x.token(), ".")
	if len(parts) != 3 {
		if len(parts) == 1 && parts[0] == "" {
			return "client certificate or exec plugin", time.Time{}
		}
		return "bearer token", time.Time{}
	}
	var a account
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &a) != nil || !strings.HasPrefix(a.Subject, "system:serviceaccount:") {
		return "bearer token", time.Time{}
	}
	var expires time.Time
	if a.Expires > 0 {
		expires = time.Unix(a.Expires, 0).UTC()
	}
	return a.Subject, expires
}

// get reads a whole answer.
func (x *conn) get(ctx context.Context, path, accept string) (*fetch.Response, error) {
	if err := x.limiter.Wait(ctx); err != nil {
		return nil, waitError(ctx, err)
	}
	return x.client.GetAs(ctx, path, nil, accept)
}

// open opens an answer that is read as it arrives.
func (x *conn) open(ctx context.Context, path string, q url.Values, accept string, idle time.Duration) (io.ReadCloser, http.Header, error) {
	if err := x.limiter.Wait(ctx); err != nil {
		return nil, nil, waitError(ctx, err)
	}
	return x.client.Open(ctx, path, q, fetch.Reading{Accept: accept, Idle: idle})
}

// waitError tells a wait that ctx cut short from any other.
func waitError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// refusal reports whether the server refused the credential or the right.
func refusal(err error) bool { return problem.Is(err, problem.Credential) }
