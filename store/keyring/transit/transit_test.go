package transit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/keyring"
)

const (
	fullToken = "hvs.full-token-of-the-test"
	weakToken = "hvs.weak-token-of-the-test"
)

// built is the program that serves the real transit engine, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "transitserver")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "transitserver")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	cmd.Dir = "testdata/transitserver"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{err, string(out)}
	}
	return bin, nil
})

type buildError struct {
	err error
	out string
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.out }

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// startVault runs the server until the test ends and returns its address.
func startVault(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatalf("build the transit server: %v", err)
	}
	cmd := exec.Command(bin, "-token", fullToken, "-weak", weakToken, "-mount", "platform/transit")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // it ends with its standard input
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return strings.TrimSpace(line)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tokenFile(t testing.TB, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

func newWrapping(t testing.TB, c Config) *Wrapping {
	t.Helper()
	w, err := New(c)
	must(t, err)
	return w
}

// do asks the server as an administrator of Vault would.
func do(t testing.TB, method, url, namespace string, body any) map[string]any {
	t.Helper()
	b, err := json.Marshal(body)
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(b))
	must(t, err)
	r.Header.Set("X-Vault-Token", fullToken)
	if namespace != "" {
		r.Header.Set("X-Vault-Namespace", namespace)
	}
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, text)
	}
	var answer struct{ Data map[string]any }
	if len(text) > 0 {
		must(t, json.Unmarshal(text, &answer))
	}
	return answer.Data
}

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	must(t, err)
	return tn
}

func person(t testing.TB, k *keyring.Keyring, name, id string) store.PersonKey {
	t.Helper()
	tk, err := k.Tenant(tenant(t, name), true)
	must(t, err)
	ps, err := tk.People([]store.Identity{{Realm: "github:prod", NativeID: id}})
	must(t, err)
	return ps[0]
}

func openRing(t testing.TB, o keyring.Options) *keyring.Keyring {
	t.Helper()
	k, err := keyring.OpenWith(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { k.Close() })
	return k
}

func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	must(t, os.CopyFS(to, os.DirFS(from)))
	for _, f := range []string{keyring.File, File} {
		must(t, os.Chmod(filepath.Join(to, f), 0o600))
	}
}

// The engine is the real one of Vault, in a process of its own: a keyring lives
// under it, a person is erased, and the copy made before opens no more.
func TestAgainstVault(t *testing.T) {
	addr := startVault(t)
	keys := addr + "/v1/platform/transit/keys/"
	for _, ns := range []string{"", "acme"} {
		do(t, http.MethodPost, keys+"evidenced", ns, map[string]any{})
	}
	// Variables of the environment must not win over the configuration.
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "hvs.other")
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	conf := Config{Address: addr + "/", Mount: "/platform/transit/", Key: "evidenced", TokenFile: tokenFile(t, fullToken), Destroy: true}

	t.Run("erasing is cryptographic", func(t *testing.T) {
		conf := conf
		conf.Namespace = "acme"
		dir := t.TempDir()
		k := openRing(t, keyring.Options{Dir: dir, Wrapping: newWrapping(t, conf), Create: true})
		mira, odo := person(t, k, "tenant-1", "8231"), person(t, k, "tenant-1", "77")
		must(t, k.Close())
		wrapped, err := os.ReadFile(filepath.Join(dir, File))
		must(t, err)
		if !strings.HasPrefix(string(wrapped), "vault:v1:") {
			t.Errorf("wrapped key: %.20s", wrapped)
		}
		stolen := t.TempDir()
		copyFiles(t, dir, stolen)
		k = openRing(t, keyring.Options{Dir: dir, Wrapping: newWrapping(t, conf)})
		d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{mira.KeyID}}}, nil)
		must(t, err)
		if d.Level != evidence.Cryptographic {
			t.Fatalf("destroyed: %+v", d)
		}
		must(t, k.Close())
		k = openRing(t, keyring.Options{Dir: dir, Wrapping: newWrapping(t, conf)})
		if got := person(t, k, "tenant-1", "77"); got.Token != odo.Token {
			t.Error("another person's token changed")
		}
		if got := person(t, k, "tenant-1", "8231"); got.Token == mira.Token {
			t.Error("the erased person's token is back")
		}
		if _, err := keyring.OpenWith(t.Context(), keyring.Options{Dir: stolen, Wrapping: newWrapping(t, conf)}); err == nil {
			t.Error("the copy made before the erasure opens still")
		}
		state := do(t, http.MethodGet, keys+"evidenced", "acme", nil)
		if got, ok := state["min_available_version"].(float64); !ok || got != 2 {
			t.Errorf("least available version: %v", state["min_available_version"])
		}
		if state := do(t, http.MethodGet, keys+"evidenced", "", nil); state["latest_version"].(float64) != 1 {
			t.Error("the key of another namespace was rotated")
		}
	})

	t.Run("to transit and back", func(t *testing.T) {
		dir := t.TempDir()
		k := openRing(t, keyring.Options{Dir: dir, Create: true})
		before := person(t, k, "tenant-1", "8231")
		if gone, why, err := k.Rewrap(t.Context(), newWrapping(t, conf)); err != nil || gone {
			t.Fatalf("to transit: %v (%s), %v", gone, why, err)
		}
		must(t, k.Close())
		d, err := keyring.Describe(dir)
		must(t, err)
		w, err := FromDescription(d)
		must(t, err)
		k = openRing(t, keyring.Options{Dir: dir, Wrapping: w})
		if gone, why, err := k.Rewrap(t.Context(), keyring.LocalFile(filepath.Join(dir, keyring.WrappingFile))); err != nil || !gone {
			t.Fatalf("back: %v (%s), %v", gone, why, err)
		}
		must(t, k.Close())
		k = openRing(t, keyring.Options{Dir: dir})
		if got := person(t, k, "tenant-1", "8231"); got.Token != before.Token || !bytes.Equal(got.Key, before.Key) {
			t.Error("a person was lost on the way")
		}
		if es, err := os.ReadDir(dir); err != nil || slices.ContainsFunc(es, func(e os.DirEntry) bool { return e.Name() == File }) {
			t.Errorf("files: %v, %v", es, err)
		}
	})

	t.Run("what keeps it logical", func(t *testing.T) {
		for _, tc := range []struct {
			key   string
			make  map[string]any
			weak  bool
			no    bool
			wants string
		}{
			{key: "exportable", make: map[string]any{"exportable": true}, wants: "exported"},
			{key: "backup", make: map[string]any{"allow_plaintext_backup": true}, wants: "backed up"},
			{key: "forbidden", no: true, wants: "configuration"},
		} {
			do(t, http.MethodPost, keys+tc.key, "", tc.make)
			conf := conf
			conf.Key, conf.Destroy = tc.key, !tc.no
			k := openRing(t, keyring.Options{Dir: t.TempDir(), Wrapping: newWrapping(t, conf), Create: true})
			p := person(t, k, "tenant-1", "8231")
			d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p.KeyID}}}, nil)
			if err != nil || d.Level != evidence.Logical || !strings.Contains(d.Why, tc.wants) {
				t.Errorf("%s: %+v, %v", tc.key, d, err)
			}
		}
	})

	t.Run("token", func(t *testing.T) {
		do(t, http.MethodPost, keys+"token", "", map[string]any{})
		conf := conf
		conf.Key, conf.TokenFile = "token", tokenFile(t, weakToken)
		k := openRing(t, keyring.Options{Dir: t.TempDir(), Wrapping: newWrapping(t, conf), Create: true})
		p := person(t, k, "tenant-1", "8231")
		destroy := func() (store.Destroyed, error) {
			return k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p.KeyID}}}, nil)
		}
		// A token that may not rotate stops the erasure before anything is
		// gone; with another one, read from the same file, it goes on.
		if _, err := destroy(); !problem.Is(err, problem.Credential) || strings.Contains(err.Error(), weakToken) {
			t.Errorf("with a token that may not rotate: %v", err)
		}
		if got := person(t, k, "tenant-1", "8231"); got.Token != p.Token {
			t.Error("the key is gone all the same")
		}
		must(t, os.WriteFile(conf.TokenFile, []byte(fullToken), 0o600))
		if d, err := destroy(); err != nil || d.Level != evidence.Cryptographic {
			t.Errorf("with the other token: %+v, %v", d, err)
		}
	})

	t.Run("no such key", func(t *testing.T) {
		conf := conf
		conf.Key = "never-made"
		dir := t.TempDir()
		_, err := keyring.OpenWith(t.Context(), keyring.Options{Dir: dir, Wrapping: newWrapping(t, conf), Create: true})
		if !problem.Is(err, problem.NotFound) {
			t.Errorf("got %v", err)
		}
		if es, err := os.ReadDir(dir); err != nil || len(es) > 0 {
			t.Errorf("left behind: %v, %v", es, err)
		}
	})
}

func TestHostileServers(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("X-Vault-Token"))
	}))
	defer other.Close()
	wrapped := []byte("vault:v1:AAAA\n")
	for _, tc := range []struct {
		what    string
		handler http.HandlerFunc
		want    problem.Code
	}{
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, problem.Source},
		{"a permanent redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
		}, problem.Source},
		{"an endless answer", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"plaintext":"`))
			for range 4 {
				if _, err := w.Write(bytes.Repeat([]byte("A"), maxAnswer/2)); err != nil {
					return
				}
			}
		}, problem.Source},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, problem.Source},
		{"no key", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"data":{"plaintext":"QUJD"}}`)) }, problem.Source},
		{"a refusal that repeats what was sent", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"errors":["` + r.Header.Get("X-Vault-Token") + `"]}`))
		}, problem.Source},
		{"401", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, problem.Credential},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, problem.NotFound},
	} {
		t.Run(tc.what, func(t *testing.T) {
			srv := httptest.NewServer(tc.handler)
			defer srv.Close()
			w := newWrapping(t, Config{Address: srv.URL, Key: "k", TokenFile: tokenFile(t, fullToken)})
			_, err := w.Unwrap(t.Context(), wrapped)
			if !problem.Is(err, tc.want) || strings.Contains(err.Error(), fullToken) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	if len(elsewhere) > 0 {
		t.Error("another host was asked")
	}
	for _, host := range []string{"169.254.169.254", "100.100.100.200"} {
		w := newWrapping(t, Config{Address: "https://" + host, Key: "k", TokenFile: tokenFile(t, fullToken)})
		if _, err := w.Unwrap(t.Context(), wrapped); err == nil || !strings.Contains(err.Error(), "never dialled") {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Address: "https://vault.example:8200", Key: "evidenced", TokenFile: "t"}
	for what, change := range map[string]func(*Config){
		"clear text": func(c *Config) { c.Address = "http://vault.example:8200" },
		"a password": func(c *Config) { c.Address = "https://a:b@vault.example" },
		"a path":     func(c *Config) { c.Address = "https://vault.example/x" },
		"no scheme":  func(c *Config) { c.Address = "vault.example:8200" },
		"mount":      func(c *Config) { c.Mount = "a/../sys" },
		"key":        func(c *Config) { c.Key = "a/b" },
		"no key":     func(c *Config) { c.Key = "" },
		"namespace":  func(c *Config) { c.Namespace = "a b" },
		"no token":   func(c *Config) { c.TokenFile = "" },
		"no CA":      func(c *Config) { c.CAFile = filepath.Join(t.TempDir(), "none") },
	} {
		c := good
		change(&c)
		if _, err := New(c); !problem.Is(err, problem.Config) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	w := newWrapping(t, good)
	if d := w.Describe(); d.Kind != keyring.KindTransit || d.Params["mount"] != "transit" || d.Params["destroy"] != "false" {
		t.Errorf("described: %+v", d)
	}
	for what, mode := range map[string]os.FileMode{"readable by all": 0o644} {
		path := tokenFile(t, fullToken)
		must(t, os.Chmod(path, mode))
		if _, err := readToken(path); !problem.Is(err, problem.Refused) {
			t.Errorf("token %s: %v", what, err)
		}
	}
	for _, text := range []string{"", "two words", "line\nbreak", strings.Repeat("x", maxToken+1)} {
		if _, err := readToken(tokenFile(t, text)); !problem.Is(err, problem.Credential) {
			t.Errorf("token %.20q: %v", text, err)
		}
	}
}

func FuzzVersionOf(f *testing.F) {
	f.Add([]byte("vault:v1:AAAA\n"))
	f.Add([]byte("vault:v0:AAAA"))
	f.Add([]byte("vault:v999999999:AAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := versionOf(b); err == nil && (v < 1 || !bytes.HasPrefix(b, []byte("vault:v"))) {
			t.Errorf("%q is of version %d", b, v)
		}
	})
}
