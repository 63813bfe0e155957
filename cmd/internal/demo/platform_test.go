package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/testdata/world"
)

func loadWorld(t testing.TB) *world.World {
	t.Helper()
	w, err := world.Load()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newPlatform(t testing.TB) *Platform {
	t.Helper()
	p, err := New(t.TempDir(), loadWorld(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

func advance(t testing.TB, p *Platform, to time.Time) {
	t.Helper()
	if err := p.Advance(to); err != nil {
		t.Fatal(err)
	}
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// ask makes a GET with the server's token and returns status, header and body.
func ask(t testing.TB, p *Platform, server, path string) (int, http.Header, []byte) {
	t.Helper()
	return askWith(t, p, server, "GET", path, p.tokens[server], nil)
}

func askWith(t testing.TB, p *Platform, server, method, path, token string, header map[string]string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, p.urls[server]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		if server == "vault" {
			req.Header.Set("X-Vault-Token", token)
		} else {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

// get asks and decodes a 200 answer.
func get[T any](t testing.TB, p *Platform, server, path string) T {
	t.Helper()
	status, _, b := ask(t, p, server, path)
	var v T
	if status != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", server, path, status, b)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s %s: %v", server, path, err)
	}
	return v
}

// paths that together show all of the platform's state.
var shownPaths = map[string][]string{
	"github": {"", "/branches", "/branches/main", "/branches/main/protection", "/rules/branches/main", "/rulesets", "/rulesets/7001",
		"/commits?per_page=100", "/commits?per_page=100&page=2", "/pulls?state=all&sort=updated&direction=desc&per_page=100",
		"/pulls/5", "/pulls/5/reviews", "/pulls/5/commits", "/pulls/5/files", "/activity?per_page=100"},
	"argocd": {"/api/v1/applications", "/api/v1/applications/tenant-7-web", "/api/version", "/api/v1/version"},
	"vault": {"/v1/sys/audit", "/v1/sys/mounts", "/v1/sys/auth", "/v1/sys/policies/acl?list=true", "/v1/sys/policies/acl/reporting",
		"/v1/identity/entity/id?list=true", "/v1/identity/group/id?list=true", "/v1/auth/kubernetes/role?list=true",
		"/v1/auth/kubernetes/role/tenant-7", "/v1/auth/approle/role?list=true", "/v1/auth/approle/role/reporting",
		"/v1/auth/userpass/users?list=true", "/v1/auth/userpass/users/lukasz", "/v1/auth/token/lookup-self"},
}

// bodies hashes every shown answer.
func bodies(t *testing.T, p *Platform) map[string]string {
	t.Helper()
	out := map[string]string{}
	for server, paths := range shownPaths {
		for _, path := range paths {
			full := path
			if server == "github" {
				full = "/repos/" + p.fullName() + path
			}
			status, h, b := ask(t, p, server, full)
			if status != http.StatusOK {
				t.Errorf("%s %s: status %d: %s", server, full, status, b)
			}
			if got, want := h.Get("Date"), httpDate(p.Now()); got != want {
				t.Errorf("%s %s: Date %q, want %q", server, full, got, want)
			}
			sum := sha256.Sum256(b)
			out[server+full] = hex.EncodeToString(sum[:8])
		}
	}
	return out
}

func TestSameWorldTwice(t *testing.T) {
	var all [2]map[string]string
	for i := range all {
		p := newPlatform(t)
		began := time.Now()
		all[i] = map[string]string{}
		for _, stop := range []string{"2026-10-29T12:00:00Z", "2026-11-14T14:00:00Z", "2026-11-14T16:00:00Z"} {
			advance(t, p, at(t, stop))
			for k, v := range bodies(t, p) {
				all[i][stop+" "+k] = v
			}
		}
		for name, b := range p.git.branches {
			all[i]["branch "+name] = b.head.sha
		}
		for _, c := range p.tls.shown {
			sum := sha256.Sum256(c.Certificate[0])
			all[i]["cert "+c.Leaf.Subject.CommonName] = hex.EncodeToString(sum[:8])
		}
		err := filepath.WalkDir(filepath.Dir(p.AuditFile()), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if filepath.Base(path) == "audit.log" {
				// Answers to ourselves hold the port of our own side.
				var own []string
				for _, l := range strings.Split(string(b), "\n") {
					if !strings.Contains(l, `"remote_address":"127.0.0.1"`) {
						own = append(own, l)
					}
				}
				b = []byte(strings.Join(own, "\n"))
			}
			sum := sha256.Sum256(b)
			all[i]["file "+filepath.Base(path)] = hex.EncodeToString(sum[:8])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done, n := p.Played()
		t.Logf("played %d of %d acts in %s: %d commits, %d pull requests, %d audit lines", done, n, time.Since(began).Round(time.Millisecond),
			len(p.git.commits), len(p.forge.pulls), p.vault.audit.lines)
	}
	if d := cmp.Diff(all[0], all[1]); d != "" {
		t.Errorf("two plays of one world differ (-first +second):\n%s", d)
	}
}

func TestWorldIsLarge(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, p.world.End)
	syncs := 0
	for _, a := range p.world.Acts {
		if a.Do == world.SyncDone {
			syncs++
		}
	}
	for what, got := range map[string][3]int{
		"commits": {len(p.git.commits), 120, 260}, "pull requests": {len(p.forge.pulls), 70, 120},
		"syncs": {syncs, 200, 450}, "requests": {p.vault.scripted, 4500, 9500},
	} {
		if got[0] < got[1] || got[0] > got[2] {
			t.Errorf("%d %s, want %d to %d", got[0], what, got[1], got[2])
		}
	}
	t.Logf("%d commits, %d requests, %d syncs, %d vault requests", len(p.git.commits), len(p.forge.pulls), syncs, p.vault.scripted)
}

func TestWrongTokenIsRefused(t *testing.T) {
	p := newPlatform(t)
	for server, path := range map[string]string{"github": "/repos/" + p.fullName(), "argocd": "/api/v1/applications", "vault": "/v1/sys/mounts"} {
		for _, token := range []string{"", "nonsense"} {
			status, _, body := askWith(t, p, server, "GET", path, token, nil)
			want := http.StatusUnauthorized
			if server == "vault" {
				want = http.StatusForbidden
			}
			if status != want {
				t.Errorf("%s with token %q: status %d, want %d: %s", server, token, status, want, body)
			}
		}
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	p := newPlatform(t)
	if err := p.Advance(p.Now().Add(-time.Second)); err == nil {
		t.Error("an earlier time was accepted")
	}
	next, ok := p.Next()
	if !ok || !next.After(p.Now()) {
		t.Errorf("next act at %s, want after %s", next, p.Now())
	}
}

func TestConditionalRequestsAndPages(t *testing.T) {
	p := newPlatform(t)
	advance(t, p, at(t, "2026-11-02T12:00:00Z"))
	path := "/repos/" + p.fullName() + "/pulls?state=all&per_page=20"
	_, h, _ := ask(t, p, "github", path)
	if !strings.Contains(h.Get("Link"), `rel="next"`) || h.Get("X-RateLimit-Remaining") == "" {
		t.Errorf("headers %v: no next page or no rate limit", h)
	}
	status, _, body := askWith(t, p, "github", "GET", path, p.tokens["github"], map[string]string{"If-None-Match": h.Get("ETag")})
	if status != http.StatusNotModified || len(body) != 0 {
		t.Errorf("same ETag: status %d with %d bytes, want 304 with none", status, len(body))
	}
	seen := map[int]bool{}
	for page := 1; page < 20; page++ {
		list := get[[]struct{ Number int }](t, p, "github", fmt.Sprintf("%s&page=%d", path, page))
		if len(list) == 0 {
			break
		}
		for _, pl := range list {
			if seen[pl.Number] {
				t.Errorf("request %d on two pages", pl.Number)
			}
			seen[pl.Number] = true
		}
	}
	if len(seen) != len(p.forge.pulls) {
		t.Errorf("%d requests on all pages, want %d", len(seen), len(p.forge.pulls))
	}
}
