package vault

import (
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence"
)

// What other collectors call a secret is what the audit log's drafts call it.
func TestSecretRefIsTheSubjectOfAReading(t *testing.T) {
	for _, tc := range []struct{ ns, mount, mountType, path, asked string }{
		{"", "kv/", "kv", "kv/data/tenant-7/web/db", "kv/tenant-7/web/db"},
		{"", "old/kv/", "kv", "old/kv/tenant-7/web", "/old/kv/tenant-7/web/"},
		{"org/seven", "kv/", "kv", "kv/data/web db%41", "kv/web db%41"},
		{"", "kv/", "kv", "kv/data/people/mira@example.test/key", "kv/people/mira@example.test/key"},
		{"", "kv/", "kv", "kv/data/" + strings.Repeat("deep/", 120) + "end", "kv/" + strings.Repeat("deep/", 120) + "end"},
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		write(t, path, newGen().both(call{who: "alice", op: "read", ns: tc.ns, mount: tc.mount, mountType: tc.mountType, path: tc.path,
			resp: obj{"data": obj{"data": obj{"p": "x"}}}}))
		ds := poll(t, Config{AuditFiles: []string{path}}, nil).Of(evidence.SecretAccess)
		if len(ds) != 1 {
			t.Fatalf("%s: %d drafts", tc.path, len(ds))
		}
		if got := SecretRef("prod", tc.ns, tc.asked); got != ds[0].Subject {
			t.Errorf("%s %s: got %s, the audit log's draft has %s", tc.ns, tc.asked, got, ds[0].Subject)
		}
	}
}

func TestNamesForOthers(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{RoleRef("prod", "", "kubernetes", "tenant-7").String(), "role:prod/auth/kubernetes/tenant-7"},
		{RoleRef("prod", "org/seven/", "/k8s/", "web").String(), "role:prod/org/seven/auth/k8s/web"},
		{Login("prod", "", "userpass", "mira").NativeID, "auth/userpass/mira"},
		{Login("prod", "org", "ldap/", "mira@example.test").Names.Mail, "mira@example.test"},
		{Login("prod", "org", "ldap/", "mira").Realm, "vault:prod/login"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
