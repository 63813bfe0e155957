package vault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// server is a small Vault: paths and their data, and an audit file that it
// writes like a real one.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	data  map[string]any // "GET path" or "LIST path" to data
	fail  map[string]int
	asked []string
	caps  []evidence.PolicyRule // what the token may do; nil: capabilities are not told
	g     *gen
	audit string // file; empty: requests are answered but not written
	clock time.Time
	n     int

	unsupported string // a path that this server does not have
}

func newServer(t testing.TB) *server {
	s := &server{data: map[string]any{}, fail: map[string]int{}, g: newGen(), clock: newGen().t}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	s.data["GET auth/token/lookup-self"] = obj{"id": "hvs.planted", "entity_id": "ent-collector", "policies": []string{"evidenced"}, "display_name": "token",
		"expire_time": "2026-03-02T15:00:00Z", "ttl": 3600, "period": 3600}
	s.data["GET sys/health"] = obj{"initialized": true, "sealed": false, "standby": false, "version": "1.20.4", "cluster_id": "c-1", "cluster_name": "vault-1",
		"server_time_utc": 1772460000, "replication_dr_mode": "disabled", "replication_performance_mode": "disabled"}
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	line := r.Method + " " + path
	if r.URL.Query().Get("list") == "true" {
		line = "LIST " + path
	}
	if ns := r.Header.Get("X-Vault-Namespace"); ns != "" {
		line += " @" + strings.Trim(ns, "/")
	}
	s.asked = append(s.asked, line)
	if r.Header.Get("X-Vault-Token") != "t0ken" {
		w.WriteHeader(403)
		fmt.Fprint(w, `{"errors":["permission denied"]}`)
		return
	}
	code := s.fail[line]
	if code == 0 {
		code = s.fail["*"]
	}
	if code != 0 {
		w.WriteHeader(code)
		fmt.Fprint(w, `{"errors":["as asked"]}`)
		return
	}
	data, ok := s.data[line]
	if path == "sys/health" && ok {
		json.NewEncoder(w).Encode(data)
		return
	}
	if path == "sys/capabilities-self" && s.caps != nil {
		var body struct{ Paths []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			panic(err)
		}
		out := obj{}
		for _, p := range body.Paths {
			out[p] = s.may(p)
		}
		data, ok = out, true
	}
	if !ok && (path == "sys/namespaces" || path == s.unsupported) {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}`)
		return
	}
	if !ok {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"errors":[]}`)
		return
	}
	s.n++
	id := fmt.Sprintf("%08x-aaaa-4000-8000-%012x", s.n, s.n)
	if s.audit != "" {
		s.g.t = s.clock
		add(nil2{}, s.audit, s.g.both(call{who: "collector", op: "read", path: path, mount: "auth/token/", mountType: "token", id: id, resp: obj{"data": obj{"ttl": 1}}}))
	}
	json.NewEncoder(w).Encode(obj{"request_id": id, "data": data})
}

// may lists capabilities on a path, as the server would.
func (s *server) may(path string) (caps []string) {
	for _, r := range s.caps {
		if fits(r.Path, path) {
			caps = append(caps, r.Capabilities...)
		}
	}
	if caps == nil {
		return []string{"deny"}
	}
	return caps
}

// nil2 lets a handler use the test helpers: it panics where a test fails.
type nil2 struct{ testing.TB }

func (nil2) Helper()           {}
func (nil2) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (s *server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *server) forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

func (s *server) collector(t testing.TB, cfg Config) *Collector {
	t.Helper()
	cfg.URL, cfg.TokenFile = s.URL, filepath.Join(t.TempDir(), "token")
	write(t, cfg.TokenFile, "t0ken\n")
	c, err := build(cfg, collectors.Env{Seal: keyring, Source: "vault/prod", Clock: s.now}, func(o *fetch.Options) { o.Retries = -1 })
	if err != nil {
		t.Fatal(err)
	}
	c.interval = 0
	return c
}

// seen prints claims about the log, without the kinds of the state side.
func seen(rec *collectortest.Recorder, base time.Time) []string {
	var out []string
	for _, c := range rec.Commits {
		for _, s := range c.Observation.Seen {
			if slices.Contains(s.Kinds, evidence.SecretAccess) {
				out = append(out, fmt.Sprintf("%s %s..%s", s.Class, s.From.Sub(base).Round(time.Second), s.To.Sub(base).Round(time.Second)))
			}
		}
	}
	return out
}

// TestProbe goes through a day of a probed log: sightings, an outage of the
// API, a file that is not written any more, and its return.
func TestProbe(t *testing.T) {
	s := newServer(t)
	s.audit = filepath.Join(t.TempDir(), "audit.log")
	s.g.t = s.clock
	base := s.clock
	write(t, s.audit, s.g.reads(2))
	c := s.collector(t, Config{AuditFiles: []string{s.audit}, StateEvery: 100 * time.Hour})
	var resume []byte
	look := func(want ...string) evidence.Observation {
		t.Helper()
		var rec collectortest.Recorder
		if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, resume, &rec); err != nil {
			t.Fatal(err)
		}
		resume = rec.Resume()
		if d := cmp.Diff(want, seen(&rec, base)); d != "" {
			t.Errorf("at %s (-want +got):\n%s", s.now().Sub(base), d)
		}
		return last(&rec)
	}
	s.forward(time.Minute)
	if o := look("reconstructed 0s..1m0s"); o.Probe == nil || o.Identity != "entity ent-collector" || !strings.Contains(o.Incomplete, "secret.") {
		t.Errorf("first look: probe %v, identity %q, incomplete %q", o.Probe, o.Identity, o.Incomplete)
	}
	s.forward(5 * time.Minute)
	look("continuous 1m0s..6m0s")
	// The API is down while lines flow: no claim, blind only after the limit.
	s.fail["*"] = 503
	s.forward(time.Minute)
	add(t, s.audit, s.g.reads(1))
	if o := look(); !strings.Contains(o.Incomplete, "503") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	s.forward(5 * time.Minute)
	look("blind 6m0s..12m0s")
	delete(s.fail, "*")
	s.forward(time.Minute)
	look("continuous 6m0s..13m0s")
	// The server writes elsewhere: the probe is answered but does not turn up.
	audit := s.audit
	s.audit = filepath.Join(t.TempDir(), "elsewhere")
	write(t, s.audit, "")
	s.forward(time.Minute)
	look()
	s.forward(time.Minute)
	look()
	s.forward(2 * time.Minute)
	look("blind 13m0s..17m0s")
	s.forward(time.Minute)
	look("blind 17m0s..18m0s")
	// It writes here again, but what it wrote elsewhere is not here.
	s.audit = audit
	s.forward(time.Minute)
	look("blind 13m0s..19m0s")
	s.forward(time.Minute)
	look("continuous 19m0s..20m0s")
}

// TestProbeLoss: a truncation between two sightings is blind in the middle of
// what is continuous.
func TestProbeLoss(t *testing.T) {
	s := newServer(t)
	s.audit = filepath.Join(t.TempDir(), "audit.log")
	base := s.clock
	write(t, s.audit, s.g.reads(1))
	c := s.collector(t, Config{AuditFiles: []string{s.audit}, StateEvery: 100 * time.Hour})
	var rec collectortest.Recorder
	for range 2 {
		s.forward(time.Minute)
		if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
			t.Fatal(err)
		}
	}
	truncate(t, s.audit, nil)
	s.g.t = base.Add(150 * time.Second)
	add(t, s.audit, s.g.reads(1))
	s.forward(time.Minute)
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	want := []string{"reconstructed 0s..1m0s", "continuous 1m0s..2m0s", "continuous 2m0s..2m0s", "continuous 2m30s..3m0s", "blind 2m0s..2m30s"}
	if d := cmp.Diff(want, seen(&rec, base)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func vaultState(s *server) {
	s.data["GET sys/audit"] = obj{"file/": obj{"type": "file", "local": false, "options": obj{"file_path": "/var/log/audit.log", "log_raw": "true"}}}
	s.data["PUT sys/audit-hash/file"] = obj{"hash": "hmac-sha256:0123456789abcdef0123456789abcdef"}
	s.data["GET sys/key-status"] = obj{"term": 3, "install_time": "2026-02-01T00:00:00.5Z", "encryptions": 12345}
	s.data["GET sys/leases/count"] = obj{"lease_count": 2, "counts": obj{"database_1": 2}}
	s.data["GET sys/mounts"] = obj{
		"kv/": obj{"type": "kv", "accessor": "kv_1", "uuid": "u-1", "options": obj{"version": "2"}, "seal_wrap": true,
			"config": obj{"default_lease_ttl": 0, "max_lease_ttl": 7200, "audit_non_hmac_request_keys": []string{"note"}}},
		"old/":         obj{"type": "kv", "accessor": "kv_2", "uuid": "u-2", "options": obj{"version": "1"}},
		"sys/":         obj{"type": "system", "accessor": "system_1", "uuid": "u-3"},
		"request_note": "not a mount",
	}
	s.data["GET sys/auth"] = obj{
		"approle/": obj{"type": "approle", "accessor": "auth_approle_1"}, "userpass/": obj{"type": "userpass", "accessor": "auth_userpass_1"},
		"kubernetes/": obj{"type": "kubernetes", "accessor": "auth_kubernetes_1"}, "token/": obj{"type": "token", "accessor": "auth_token_1"},
	}
	s.data["LIST sys/policies/acl"] = obj{"keys": []string{"default", "tenant-7-read", "broken", "root"}}
	s.data["GET sys/policies/acl/default"] = obj{"name": "default", "policy": `path "auth/token/lookup-self" { capabilities = ["read"] }`}
	s.data["GET sys/policies/acl/tenant-7-read"] = obj{"name": "tenant-7-read", "policy": "path \"kv/data/tenant-7/*\" {\n  capabilities = [\"read\", \"list\"]\n}\npath \"old/tenant-7\" { policy = \"read\" }\npath \"kv/data/tenant-9/*\" { capabilities = [\"deny\"] }\n"}
	s.data["GET sys/policies/acl/broken"] = obj{"name": "broken", "policy": "path {{"}
	s.data["LIST auth/approle/role"] = obj{"keys": []string{"tenant-7-app"}}
	s.data["GET auth/approle/role/tenant-7-app"] = obj{"token_policies": []string{"tenant-7-read"}, "token_ttl": 1200, "token_max_ttl": 3600, "bind_secret_id": true, "secret_id_ttl": 0}
	s.data["LIST auth/token/roles"] = obj{"keys": []string{"deployer"}}
	s.data["GET auth/token/roles/deployer"] = obj{"allowed_policies": []string{"default"}, "token_period": 86400, "orphan": true, "token_type": "default-service"}
	s.data["LIST auth/userpass/users"] = obj{"keys": []string{"alice.meier", "ghost.person"}}
	s.data["GET auth/userpass/users/alice.meier"] = obj{"token_policies": []string{"tenant-7-read"}, "token_ttl": 600}
	s.data["GET auth/userpass/users/ghost.person"] = obj{"token_policies": []string{}}
	s.data["LIST auth/kubernetes/role"] = obj{"keys": []string{"web"}}
	s.data["GET auth/kubernetes/role/web"] = obj{"bound_service_account_names": []string{"web"}, "bound_service_account_namespaces": []string{"tenant-7"}, "policies": []string{"default"}}
	s.data["LIST identity/group/id"] = obj{"keys": []string{"g1"}}
	s.data["GET identity/group/id/g1"] = obj{"policies": []string{"tenant-7-read"}, "name": "readers", "type": "external",
		"alias": obj{"name": "staff@example.org", "mount_type": "oidc", "mount_path": "auth/oidc/"}}
	s.data["LIST identity/entity/id"] = obj{"keys": []string{"e1", "e2"}}
	s.data["GET identity/entity/id/e1"] = obj{"name": "alice-m", "policies": []string{"default"}, "group_ids": []string{"g1"}, "disabled": false, "merged_entity_ids": []string{"e0"},
		"aliases": []obj{{"name": "alice.meier", "mount_accessor": "auth_userpass_1", "mount_type": "userpass", "mount_path": "auth/userpass/"}}}
	s.data["GET identity/entity/id/e2"] = obj{"name": "entity_1", "aliases": []obj{{"name": "role-id-uuid", "mount_accessor": "auth_approle_1",
		"mount_type": "approle", "mount_path": "auth/approle/", "metadata": obj{"role_name": "tenant-7-app"}}}}
}

func TestState(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	s.fail["PUT sys/audit-hash/file"] = 0
	t.Setenv("VAULT_TOKEN", "stray")
	t.Setenv("VAULT_NAMESPACE", "stray")
	t.Setenv("VAULT_ADDR", "http://192.0.2.1:1")
	t.Setenv("VAULT_CACERT", "/nonexistent")
	c := s.collector(t, Config{})
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	if o := last(&rec); o.Incomplete != "" || len(o.Seen) != 3 || o.Seen[1].Class != evidence.Instants {
		t.Errorf("incomplete %q, seen %+v", o.Incomplete, o.Seen)
	}
	var done []string
	for _, x := range rec.Completed {
		done = append(done, string(x.Kind))
	}
	if d := cmp.Diff([]string{"secret.server", "secret.device", "secret.mount", "secret.policy", "secret.role", "secret.identity", "secret.rotation", "secret.lease"}, done); d != "" {
		t.Errorf("complete (-want +got):\n%s", d)
	}
	got := map[string]string{}
	for _, d := range rec.Drafts {
		got[d.Subject.String()] = string(d.Content) + " " + fmt.Sprint(d.Scope)
		if d.Kind == evidence.SecretRole && len(d.People) == 1 && strings.HasPrefix(d.Subject.Name, "auth/userpass/u-") {
			got["user "+d.People[0].Realm+" "+d.People[0].NativeID] = fmt.Sprint(d.Scope)
		}
	}
	for subject, want := range map[string]string{
		"device:prod/file":  `"log_raw":true,"era":"0123456789abcdef"`,
		"mount:prod/kv":     `"version":"2","max_ttl_seconds":7200,"clear_request_keys":["note"],"seal_wrap":true`,
		"server:prod/vault": `{"version":"1.20.4","initialized":true,"sealed":false,"cluster":"c-1","cluster_name":"vault-1"} [server:prod/vault mount:prod/sys]`,
		"secret:prod/sys/barrier-key": `{"path":"sys/barrier-key","type":"barrier-key","version":3,"last_rotated":"2026-02-01T00:00:00.5Z"} ` +
			`[mount:prod/sys path:prod/sys/barrier-key]`,
		"path:prod/sys/leases/irrevocable": `"count":2,"irrevocable":true`,
		"role:prod/auth/token/deployer":    `"policies":["default"],"period_seconds":86400,"explicit_max_ttl_seconds":0,"token_type":"default-service","orphan":true`,
		"mount:prod/auth/approle":          `"class":"auth","type":"approle"`,
		"policy:prod/tenant-7-read": `"rules":[{"path":"kv/data/tenant-7/*","capabilities":["list","read"]},{"path":"old/tenant-7","capabilities":["list","read"]},` +
			`{"path":"kv/data/tenant-9/*","capabilities":["deny"]}]} [policy:prod/tenant-7-read path:prod/kv/tenant-7/* path:prod/old/tenant-7]`,
		"policy:prod/broken": `"unparsed":true`,
		"policy:prod/root":   `"rules":[{"path":"*","capabilities":["root"]}]} [policy:prod/root path:prod/*]`,
		"role:prod/auth/approle/tenant-7-app": `"policies":["tenant-7-read"],"ttl_seconds":1200,"max_ttl_seconds":3600,"secret_id_forever":true,"holder":-1} ` +
			`[policy:prod/tenant-7-read path:prod/kv/tenant-7/* path:prod/old/tenant-7]`,
		"role:prod/auth/kubernetes/web":             `"bound_namespaces":["tenant-7"],"bound_service_accounts":["web"]`,
		"entity:prod/e1":                            `"groups":[{"id":"g1","name":"readers","external":true,"mount_path":"auth/oidc","mount_type":"oidc","policies":["tenant-7-read"]}],"merged_from":["e0"],"holder":0`,
		"entity:prod/e2":                            `"mount_path":"auth/approle","role":"tenant-7-app"}],"holder":-1}`,
		"user vault:prod/entity e1":                 "path:prod/kv/tenant-7/*",
		"user vault:prod/login auth/userpass/ghost": "",
	} {
		if strings.HasSuffix(subject, "ghost") {
			subject += ".person"
		}
		if v, ok := got[subject]; !ok || !strings.Contains(v, want) {
			t.Errorf("%s: got %s, want %s", subject, v, want)
		}
	}
	noNames(t, &rec, "alice", "ghost", "hvs.", "t0ken", "staff@")
	for _, d := range rec.Drafts {
		if d.Subject.String() == "policy:prod/tenant-7-read" && !strings.HasPrefix(string(d.Text), "path ") {
			t.Error("policy text is missing")
		}
	}
	// Not due again, then due.
	n := len(s.asked)
	s.forward(time.Minute)
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	if asked := s.asked[n:]; len(asked) != 1 || asked[0] != "GET sys/health" {
		t.Errorf("asked %v within the hour", asked)
	}
	states := func() (ds []evidence.Draft) {
		for _, d := range rec.Drafts {
			if slices.Contains(stateKinds, d.Kind) {
				ds = append(ds, d)
			}
		}
		return ds
	}
	before := len(states())
	s.forward(time.Hour)
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, rec.Resume(), &rec); err != nil {
		t.Fatal(err)
	}
	if len(states()) != 2*before {
		t.Fatalf("%d states after the second look, want %d", len(states()), 2*before)
	}
	subjects := func(ds []evidence.Draft) (out []string) {
		for _, d := range ds {
			out = append(out, d.Subject.String()+string(d.Content))
		}
		return out
	}
	if d := cmp.Diff(subjects(states()[:before]), subjects(states()[before:])); d != "" {
		t.Errorf("an unchanged state changed (-first +second):\n%s", d)
	}
}

// TestStateFaults lets each request fail in each way: nothing that was not
// listed in full is called complete, and the run says so.
func TestStateFaults(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	var rec collectortest.Recorder
	c := s.collector(t, Config{})
	if err := c.Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	kindOf := func(line string) evidence.Kind {
		for prefix, k := range map[string]evidence.Kind{"sys/audit": evidence.SecretDevice, "sys/mounts": evidence.SecretMount, "sys/auth": evidence.SecretMount,
			"sys/policies": evidence.SecretPolicy, "auth/": evidence.SecretRole, "identity/": evidence.SecretIdentity,
			"sys/health": evidence.SecretServer, "sys/key-status": evidence.SecretRotation, "sys/leases": evidence.SecretLease} {
			if strings.HasPrefix(strings.SplitN(line, " ", 2)[1], prefix) {
				return k
			}
		}
		return ""
	}
	lines := slices.Clone(s.asked)
	for _, line := range lines {
		for _, code := range []int{403, 429, 500, 503} {
			if strings.HasPrefix(line, "PUT") && code == 403 {
				continue // the era is optional
			}
			s.fail = map[string]int{line: code}
			var rec collectortest.Recorder
			if err := s.collector(t, Config{}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &rec); err != nil {
				t.Fatalf("%s %d: %v", line, code, err)
			}
			o := last(&rec)
			if o.Incomplete == "" {
				t.Errorf("%s %d: the run says it is complete", line, code)
			}
			for _, x := range rec.Completed {
				if x.Kind == kindOf(line) {
					t.Errorf("%s %d: %s is called complete", line, code, x.Kind)
				}
			}
			noNames(t, &rec, "alice", "ghost", "t0ken")
		}
	}
	s.fail = map[string]int{"*": 403}
	err := s.collector(t, Config{}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &collectortest.Recorder{})
	if err == nil || !strings.Contains(err.Error(), "no state could be read") {
		t.Errorf("nothing may be read: %v", err)
	}
}
