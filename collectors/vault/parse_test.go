package vault

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode compares the line decoder with encoding/json: it takes a line
// exactly when that is JSON (bar nesting), and reads the same id, path and
// error.
func FuzzDecode(f *testing.F) {
	g := newGen()
	for _, c := range []call{g.kvRead("alice", "tenant-7/db"), g.login("bob"), {op: "read", path: "x", respErr: "a\n\t\u00e9\"b"}} {
		q, p := g.pair(c)
		f.Add([]byte(q))
		f.Add([]byte(p))
	}
	for _, s := range []string{`{"type":"request","request":{"id":"\ud83d\ude00\ud83d\u0041\/"}}`, `{"a":[1,-0.5e+3,true,null,{}],"type":"x"}`, `{}`, `[`, `{"request":{"data":[{"a":[1]}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var e entry
		err := e.decode(line)
		s := scan{b: line}
		s.skip()
		if bad := s.end() != nil; bad == json.Valid(line) && !strings.Contains(s.err.Error(), "deep") {
			t.Fatalf("scan says bad=%v: %v, encoding/json says valid=%v", bad, s.err, json.Valid(line))
		}
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatal("decoded a line that is not JSON")
		}
		m := &maker{source: "vault/prod", authority: "prod", clock: newGenClock}
		p := &pair{resp: &e, respLine: line, respRaw: e.raw(), at: e.at, respAt: e.at}
		if e.request {
			p.req, p.reqLine, p.reqRaw, p.resp, p.respLine = &e, line, e.raw(), nil, nil
		}
		if p.at.IsZero() {
			p.at = newGenClock()
		}
		d, err := m.draft(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil && len(d.Content) <= evidence.MaxContent && len(d.Links) <= evidence.MaxLinks {
			t.Fatal(err)
		}
		if e.raw() && len(d.Raw) > 0 {
			t.Fatal("a line with values in clear was kept")
		}
		if !utf8.Valid(d.Content) {
			t.Fatal("content is not UTF-8")
		}
		for _, r := range append(append(d.Links, d.Scope...), d.Subject) {
			if _, err := evidence.ParseRef(r.String()); err != nil || len(r.String()) > evidence.MaxRef {
				t.Fatalf("reference of %d bytes: %v", len(r.String()), err)
			}
		}
		for _, l := range strings.Split(string(d.Raw), "\n") {
			if len(d.Removed) > 0 && l != "" && !json.Valid([]byte(l)) && !strings.Contains(string(line), "\n") {
				t.Fatalf("redacted line is no JSON: %q", l)
			}
		}
	})
}

var newGenClock = newGen().now

func FuzzPolicy(f *testing.F) {
	for _, tc := range policies {
		f.Add(tc.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parsePolicy(text)
		if err != nil && rules != nil {
			t.Fatal("rules beside an error")
		}
		for _, r := range rules {
			if !utf8.ValidString(r.Path) {
				t.Fatalf("path %q", r.Path)
			}
			ownerPath(r.Path, []string{"kv", "a/b"})
		}
	})
}

var policies = []struct {
	name, text string
	want       []evidence.PolicyRule
	err        string
}{
	{"block", `path "kv/data/a/*" { capabilities = ["read", "list"] }`, []evidence.PolicyRule{{Path: "kv/data/a/*", Capabilities: []string{"list", "read"}}}, ""},
	{"comments and name", "# one\nname = \"x\" // two\n/* three { */ path \"a\" {\n capabilities=[\"read\",]\n}\n", []evidence.PolicyRule{{Path: "a", Capabilities: []string{"read"}}}, ""},
	{"parameters", "path \"a\" {\n capabilities = [\"update\"]\n min_wrapping_ttl = \"1s\"\n max_wrapping_ttl = 90\n required_parameters = [\"x\"]\n allowed_parameters = {\n \"*\" = []\n bar = [\"z\", true, 1.5]\n }\n}",
		[]evidence.PolicyRule{{Path: "a", Capabilities: []string{"update"}}}, ""},
	{"deny wins", `path "a" { capabilities = ["read", "deny"] }`, []evidence.PolicyRule{{Path: "a", Capabilities: []string{"deny"}}}, ""},
	{"old form", `path "a" { policy = "write" }`, []evidence.PolicyRule{{Path: "a", Capabilities: []string{"create", "delete", "list", "patch", "read", "update"}}}, ""},
	{"template", `path "kv/data/{{identity.entity.name}}/*" { capabilities = ["read"] }`, []evidence.PolicyRule{{Path: "kv/data/{{identity.entity.name}}/*", Capabilities: []string{"read"}}}, ""},
	{"assigned", `path = { "a/*" = { capabilities = ["read"] } }`, []evidence.PolicyRule{{Path: "a/*", Capabilities: []string{"read"}}}, ""},
	{"heredoc", "path \"a\" {\n capabilities = [\"read\"]\n comment = <<EOF\n } { \"\nEOF\n}", []evidence.PolicyRule{{Path: "a", Capabilities: []string{"read"}}}, ""},
	{"escape", `path "a\"b" { capabilities = ["read"] }`, []evidence.PolicyRule{{Path: `a"b`, Capabilities: []string{"read"}}}, ""},
	{"no capabilities", `path "a" {}`, []evidence.PolicyRule{{Path: "a"}}, ""},
	{"json", `{"path": {"a/*": {"capabilities": ["read"]}, "b": {"policy": "deny"}}}`,
		[]evidence.PolicyRule{{Path: "a/*", Capabilities: []string{"read"}}, {Path: "b", Capabilities: []string{"deny"}}}, ""},
	{"json list", `{"path": [{"a": {"capabilities": ["read"]}}, {"b": [{"capabilities": ["list"]}]}]}`,
		[]evidence.PolicyRule{{Path: "a", Capabilities: []string{"read"}}, {Path: "b", Capabilities: []string{"list"}}}, ""},
	{"empty", "", nil, ""},
	{"unknown key", `rule "a" {}`, nil, `unknown key "rule"`},
	{"cut", "path \"a\" {\n capabilities = [\"read\"", nil, "line 2"},
	{"unclosed comment", "/* x", nil, "comment without end"},
	{"not a list", `path "a" { capabilities = "read" }`, nil, "no list"},
	{"deep", strings.Repeat("a { ", 100), nil, "too deep"},
	{"json deep", `{"path":` + strings.Repeat("[", 100), nil, "too deep"},
	{"json tail", `{} {}`, nil, "after the policy"},
}

func TestParsePolicy(t *testing.T) {
	for _, tc := range policies {
		got, err := parsePolicy(tc.text)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.err)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
}

func TestOwnerPath(t *testing.T) {
	kv := []string{"kv", "team/kv"}
	for path, want := range map[string]string{
		"kv/data/tenant-7/*": "kv/tenant-7/*", "kv/metadata/tenant-7/": "kv/tenant-7/", "kv/*": "kv/*", "kv/+/tenant-7/db": "kv/tenant-7/db",
		"kv/d*": "kv/*", "kv/data": "kv/*", "+/data/tenant-7/*": "kv/tenant-7/*", "team/kv/data/x": "team/kv/x", "old/data/x": "old/data/x",
		"kv/data/{{identity.entity.name}}/*": "kv/+/*", "kv/data/{{identity.entity.id}}*": "kv/*", "*": "*", "sys/mounts": "sys/mounts",
	} {
		if got := ownerPath(path, kv); got != want {
			t.Errorf("ownerPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "neither audit_files nor url"},
		{Config{AuditFiles: []string{"audit.log"}}, "not an absolute path"},
		{Config{AuditFiles: []string{"/var/[log"}}, "not a path or glob"},
		{Config{URL: "https://vault.example"}, "without token_file"},
		{Config{AuditFiles: []string{"/a"}, Namespaces: []string{"x"}}, "need url"},
		{Config{AuditFiles: []string{"/a"}, MaxLine: 10}, "max_line"},
		{Config{AuditFiles: []string{"/a"}, ProbeLimit: 1}, "probe_limit"},
		{Config{AuditFiles: []string{"/a"}, StateEvery: 1}, "state_every"},
		{Config{AuditFiles: []string{"/a"}, Prefix: "x{"}, "prefix"},
		{Config{URL: "https://user:pw@vault.example", TokenFile: "/t"}, "user or password"},
		{Config{AuditFiles: []string{"/a/*.log"}}, ""},
	} {
		_, err := Spec().New(&tc.cfg, collectorsEnv())
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.cfg, err, tc.want)
		}
	}
	if _, err := readCursor([]byte(`{"v":2}`)); err == nil {
		t.Error("a cursor of another version is taken")
	}
}
