package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors"
)

// rights lists what an examination found, one line for each right.
func rights(e collectors.Examination) (out []string) {
	for _, r := range e.Rights {
		out = append(out, string(r.Access)+" "+r.Name)
	}
	return out
}

func review(rules ...map[string]any) func(rw http.ResponseWriter, r *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.URL.Path != "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" {
			return false
		}
		rw.WriteHeader(http.StatusCreated)
		answer(rw, map[string]any{"kind": "SelfSubjectRulesReview", "status": map[string]any{"incomplete": false, "resourceRules": rules}})
		return true
	}
}

func may(verbs, resources string) map[string]any {
	return map[string]any{"verbs": strings.Split(verbs, " "), "apiGroups": []string{"*"}, "resources": strings.Split(resources, " ")}
}

func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		rules []map[string]any
		want  []string
	}{
		"reads only": {
			[]map[string]any{may("get list watch", "namespaces pods restores"), may("create", "selfsubjectaccessreviews selfsubjectrulesreviews")},
			[]string{"readable list namespaces", "readable list pods", "readable list restores.velero.io"},
		},
		"cannot watch": {
			[]map[string]any{may("get list watch", "namespaces restores"), may("list", "pods")},
			[]string{"readable list namespaces", "missing watch pods", "readable list pods", "readable list restores.velero.io"},
		},
		"too powerful": {
			[]map[string]any{may("*", "*")},
			[]string{"readable list namespaces", "readable list pods", "readable list restores.velero.io", "excess * *", "excess read secrets"},
		},
		"reads secrets": {
			[]map[string]any{may("get list watch", "namespaces pods restores secrets"), may("delete", "pods")},
			[]string{"readable list namespaces", "readable list pods", "readable list restores.velero.io", "excess read secrets", "excess delete pods"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fake.setFault(review(c.rules...))
			e, err := w.collector().Examine(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := rights(e); !slices.Equal(got, c.want) {
				t.Errorf("rights %q, want %q", got, c.want)
			}
			if e.Version != "v1.35.0" || e.Requests == 0 || !e.OffsetOK || len(e.Oldest) != 1 {
				t.Errorf("examination %+v", e)
			}
			if n := w.fake.requests("POST "); n != 1 {
				t.Errorf("%d POST requests, want the one question", n)
			}
		})
	}
}

func TestExamineFaults(t *testing.T) {
	w := newWorld(t)
	w.fake.set(func() { w.fake.served["restores.velero.io"] = false })
	w.fake.setFault(func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost:
			status(rw, 404, "NotFound")
		case strings.HasSuffix(r.URL.Path, "/pods"):
			status(rw, 403, "Forbidden")
		default:
			return false
		}
		return true
	})
	e, err := w.collector().Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"readable list namespaces", "missing list pods", "absent list restores.velero.io", "unknown rights beyond reading"}
	if got := rights(e); !slices.Equal(got, want) {
		t.Errorf("rights %q, want %q", got, want)
	}
	if h := e.Rights[1].Hint; h != `add verbs [list, watch] on resources [pods] of apiGroups [""]` {
		t.Errorf("hint %q", h)
	}
	w.fake.Close()
	if _, err := w.collector().Examine(t.Context()); err == nil {
		t.Error("a server that is not there is examined")
	}
}

// A service account's token says whose it is and when it ends; a person's name
// is never told.
func TestIdentity(t *testing.T) {
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	for in, want := range map[string]string{
		token(`{"sub":"system:serviceaccount:evidenced:reader","exp":1794700800}`): "system:serviceaccount:evidenced:reader",
		token(`{"sub":"ines.okafor@example.org","exp":1794700800}`):                "bearer token",
		token(`{`): "bearer token",
		"opaque":   "bearer token",
	} {
		w := newWorld(t)
		if err := os.WriteFile(w.cfg.TokenFile, []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := w.collector().conn()
		if err != nil {
			t.Fatal(err)
		}
		got, expires := x.identity()
		if got != want || expires.IsZero() == strings.HasPrefix(want, "system:") {
			t.Errorf("identity %q until %v, want %q", got, expires, want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kubeconfig := func(cluster, user string) string {
		return `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"k","cluster":` + cluster + `}],"users":[{"name":"u","user":` + user + `}],"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}]}`
	}
	good := `{"server":"https://127.0.0.1:6443"}`
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"both", func(c *Config) { c.Kubeconfig, c.Server = "a", "https://b" }, "both set"},
		{"context alone", func(c *Config) { c.Context = "a" }, "context is set without kubeconfig"},
		{"exec alone", func(c *Config) { c.AllowExec = true }, "allow_exec is set without kubeconfig"},
		{"no token", func(c *Config) { c.Server = "https://b" }, "without token_file"},
		{"no scheme", func(c *Config) { c.Server, c.TokenFile = "cluster.example:6443", "t" }, "neither https:// nor http://"},
		{"no server", func(c *Config) { c.CAFile = "a" }, "without server"},
		{"page size", func(c *Config) { c.PageSize = 0 }, "page_size"},
		{"qps", func(c *Config) { c.QPS = 0 }, "qps"},
		{"timeout", func(c *Config) { c.Timeout = 0 }, "timeout"},
		{"watch timeout", func(c *Config) { c.WatchTimeout = 1 }, "watch_timeout"},
		{"object size", func(c *Config) { c.MaxObjectBytes = 1 }, "max_object_bytes"},
		{"namespace", func(c *Config) { c.Namespaces = []string{"a/b"} }, `namespace "a/b"`},
		{"namespace twice", func(c *Config) { c.Namespaces = []string{"a", "a"} }, `namespace "a"`},
		{"no such file", func(c *Config) { c.Kubeconfig = filepath.Join(dir, "none") }, "open kubeconfig"},
		{"no token yet", func(c *Config) { c.Server, c.TokenFile = "https://127.0.0.1:1", filepath.Join(dir, "none") }, "set up the connection"},
		{"no pod", func(*Config) {}, "this is no pod"},
		{"no yaml", func(c *Config) { c.Kubeconfig = write("bad", "{token: s3cret-t0ken") }, "cannot be read"},
		{"exec", func(c *Config) {
			c.Kubeconfig = write("exec", kubeconfig(good, `{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"/bin/false","interactiveMode":"Never"}}`))
		}, "runs a program"},
		{"insecure", func(c *Config) {
			c.Kubeconfig = write("insecure", kubeconfig(`{"server":"https://127.0.0.1:6443","insecure-skip-tls-verify":true}`, `{"token":"t"}`))
		}, "does not verify"},
		{"other context", func(c *Config) {
			c.Kubeconfig, c.Context = write("ctx", kubeconfig(good, `{"token":"t"}`)), "other"
		}, `no usable context "other"`},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		made, err := New(cfg, collectors.Env{Source: "kubernetes/prod", Clock: (&world{}).clock}, "tiny/1", tiny())
		if err == nil { // its files are not there yet
			_, err = made.(collectors.Examiner).Examine(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	cfg := DefaultConfig()
	cfg.Kubeconfig = write("good", kubeconfig(good, `{"token":"t"}`))
	if _, err := New(cfg, collectors.Env{Source: "kubernetes/prod", Clock: (&world{}).clock}, "tiny/1", tiny()); err != nil {
		t.Error(err)
	}
	cfg.Watch = false
	c, err := New(cfg, collectors.Env{Source: "kubernetes/prod", Clock: (&world{}).clock}, "tiny/1", tiny())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.(collectors.Follower); ok {
		t.Error("with watch off the collector follows")
	}
	if _, ok := c.(collectors.Examiner); !ok {
		t.Error("with watch off the collector cannot be examined")
	}
}

// What is read elsewhere is examined too, and its fault is told.
func TestExamined(t *testing.T) {
	w := newWorld(t)
	fault := errors.New("no archive")
	for _, want := range []error{nil, fault} {
		w.opts = []Option{Examined(func(_ context.Context, e *collectors.Examination) error {
			e.Rights = append(e.Rights, collectors.Right{Name: "the archive"})
			return want
		})}
		e, err := w.collector().Examine(t.Context())
		if n := len(e.Rights); !errors.Is(err, want) || n == 0 || e.Rights[n-1].Name != "the archive" {
			t.Errorf("%v, rights %+v", err, e.Rights)
		}
	}
}
