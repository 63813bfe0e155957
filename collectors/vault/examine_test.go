package vault

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// published is the policy of deploy/access/vault.
func published(t testing.TB) []evidence.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../deploy/access/vault/policy.hcl")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := parsePolicy(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// rights prints those that are not plainly readable.
func rights(x collectors.Examination) (out []string) {
	for _, r := range x.Rights {
		if r.Access != collectors.Readable {
			out = append(out, string(r.Access)+": "+r.Name)
		}
	}
	return out
}

func TestExamine(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "audit.log")
	old := newGen()
	old.t = old.t.Add(-48 * time.Hour)
	write(t, audit+".1", old.reads(1))
	write(t, audit, newGen().reads(1))
	rule := func(path string, caps ...string) evidence.PolicyRule {
		return evidence.PolicyRule{Path: path, Capabilities: caps}
	}
	without := func(paths ...string) []evidence.PolicyRule {
		return slices.DeleteFunc(published(t), func(r evidence.PolicyRule) bool { return slices.Contains(paths, r.Path) })
	}
	for _, x := range []struct {
		name   string
		change func(*server, *Config)
		want   []string
	}{
		{"the published policy", nil, nil},
		{"too little", func(s *server, _ *Config) { s.caps = without("sys/audit", "transit/keys/+", "sys/audit-hash/*") },
			[]string{"missing: read sys/audit", "missing: sudo sys/audit", "unknown: update sys/audit-hash/*", "missing: read transit/keys/*"}},
		{"too much", func(s *server, _ *Config) {
			s.caps = append(published(t), rule("kv/data/*", "read"), rule("old/*", "read"), rule("sys/policies/acl/*", "update"), rule("sys/raw/*", "read"),
				rule("auth/approle/role/*", "update"), rule("database/creds/*", "read"), rule("auth/token/create", "update"))
		}, []string{"excess: may read raw storage", "excess: may change policies", "excess: may make tokens", "excess: may change who logs in at auth/approle",
			"excess: may take secrets out of database", "excess: may take secrets out of kv", "excess: may take secrets out of old"}},
		{"kv metadata and leases wanted but not granted", func(_ *server, c *Config) { c.KVMetadata, c.Leases = true, []string{"database/creds/"} },
			[]string{"missing: list kv/metadata", "missing: read kv/metadata/*", "missing: list sys/leases/lookup/database/creds", "missing: sudo sys/leases/lookup/database/creds"}},
		{"a root token", func(s *server, _ *Config) {
			s.data["GET auth/token/lookup-self"] = obj{"id": "hvs.planted", "policies": []string{"root"}, "expire_time": nil, "period": 0}
		}, []string{"excess: a token that never ends", "excess: everything: the token is a root token"}},
		{"capabilities are not told", func(s *server, _ *Config) { s.caps, s.fail["PUT sys/capabilities-self"] = nil, 403 },
			[]string{"unknown: capabilities of the token"}},
		{"a namespace nobody configured", func(s *server, _ *Config) {
			s.data["LIST sys/namespaces"] = obj{"keys": []string{"team/", "other/"}}
			s.data["GET sys/mounts @team"], s.data["GET sys/auth @team"] = obj{}, obj{}
			s.data["GET auth/token/lookup-self @team"] = obj{}
		}, []string{"missing: namespace other"}},
		{"no audit file", func(_ *server, c *Config) { c.AuditFiles = []string{audit + "-none"} }, []string{"missing: audit file " + audit + "-none"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newServer(t)
			vaultState(s)
			rotating(t, s)
			s.caps = published(t)
			cfg := Config{AuditFiles: []string{audit}}
			if x.name == "a namespace nobody configured" {
				cfg.Namespaces = []string{"team"}
			}
			if x.change != nil {
				x.change(s, &cfg)
			}
			var examiner collectors.Examiner = s.collector(t, cfg)
			got, err := examiner.Examine(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(x.want, rights(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.Version != "1.20.4" || got.Requests < 5 || got.Identity == "" || !got.OffsetOK {
				t.Errorf("version %q, %d requests, identity %q, offset measured %v", got.Version, got.Requests, got.Identity, got.OffsetOK)
			}
			if len(x.want) == 0 && (!got.Expires.Equal(time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)) || len(got.Oldest) != 1 || !got.Oldest[0].At.Before(newGen().t.Add(-47*time.Hour))) {
				t.Errorf("expires %s, oldest %+v", got.Expires, got.Oldest)
			}
			for _, r := range got.Rights {
				if r.Access == collectors.Missing && r.Hint == "" || strings.Contains(r.Name+r.Hint, "hvs.") || strings.Contains(r.Name+r.Hint, sample) {
					t.Errorf("right %+v", r)
				}
			}
		})
	}
}

func TestExamineFails(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*server)
		want   string
	}{
		"sealed": {func(s *server) {
			s.data["GET sys/health"] = obj{"initialized": true, "sealed": true, "version": "1.20.4"}
		}, "sealed"},
		"refused": {func(s *server) { s.fail["GET auth/token/lookup-self"] = 403 }, "403 for auth/token/lookup-self"},
		"down":    {func(s *server) { s.Close() }, "sys/health"},
	} {
		s := newServer(t)
		vaultState(s)
		s.caps = published(t)
		c := s.collector(t, Config{})
		x.change(s)
		if _, err := c.Examine(t.Context()); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %q", name, err, x.want)
		}
	}
}

// TestExamineFiles: without a URL the files are all there is.
func TestExamineFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, newGen().reads(1))
	c, err := build(Config{AuditFiles: []string{path}}, collectorsEnv(), nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Examine(t.Context())
	if err != nil || len(rights(x)) != 0 || len(x.Rights) != 1 || len(x.Oldest) != 1 || x.Requests != 0 {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestExamineSpool: nobody else may read the lines that wait.
func TestExamineSpool(t *testing.T) {
	cfg := socketConfig(t)
	c := fileCollector(t, cfg, later)
	for i, want := range []collectors.Access{collectors.Untold, collectors.Readable, collectors.Excess} {
		switch i {
		case 1:
			spooled(t, cfg, newGen().reads(1))
		case 2:
			if err := os.Chmod(cfg.SpoolDir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if x, err := c.Examine(t.Context()); err != nil || len(x.Rights) != 1 || x.Rights[0].Access != want {
			t.Errorf("%d: %+v, %v, want %s", i, x.Rights, err, want)
		}
	}
}
