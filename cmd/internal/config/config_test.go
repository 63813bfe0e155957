package config

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var update = flag.Bool("update", false, "rewrite golden files")

// forge is a made-up type of source with a field of every shape.
type forge struct {
	URL          string          `yaml:"url" loosens:"change: another server is read"`
	TokenFile    string          `yaml:"token_file" loosens:"none"`
	Repositories []string        `yaml:"repositories" loosens:"limits"`
	Ignore       []string        `yaml:"ignore_labels" loosens:"skips"`
	Every        time.Duration   `yaml:"every" loosens:"more: it is read less often"`
	Verify       bool            `yaml:"verify" loosens:"off: nothing is verified"`
	Insecure     bool            `yaml:"insecure" loosens:"on: anybody may answer"`
	Limit        int             `yaml:"limit" loosens:"less,0=all: less is read"`
	Targets      []target        `yaml:"targets" loosens:"keeps"`
	Named        map[string]int  `yaml:"named" loosens:"less: less of it is read"`
	Key          evidence.Secret `yaml:"key" loosens:"none"`
	Common       `yaml:",inline"`
}

type target struct {
	Host string `yaml:"host" loosens:"id"`
	Port uint16 `yaml:"port" loosens:"less: fewer ports"`
}

// Common is inlined, as collectors may share fields.
type Common struct {
	CAFile string `yaml:"ca_file" loosens:"none"`
}

func specs() []collectors.Spec {
	return []collectors.Spec{
		{Type: "forge", Says: "a forge", Every: "@every 5m",
			Config: func() any { return &forge{Every: time.Minute, Verify: true, Limit: 10} },
			New: func(config any, env collectors.Env) (collectors.Collector, error) {
				if config.(*forge).URL == "" {
					return nil, problem.New(problem.Config, "forge: url is missing").WithHint("set url")
				}
				return nil, nil
			}},
		{Type: "vault", Says: "a vault", Every: "@every 1m", Config: func() any {
			return &struct {
				AuditFile string `yaml:"audit_file" loosens:"change: another log is read"`
			}{}
		}},
	}
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("/etc/evidenced/evidenced.yaml", []byte(text), specs())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each file of testdata/invalid.txtar is one small mistake; the comment lines
// it begins with are the issues expected, all of them.
func TestInvalid(t *testing.T) {
	a, err := txtar.ParseFile("testdata/invalid.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) < 20 {
		t.Errorf("%d invalid files, want 20 or more", len(a.Files))
	}
	for i, f := range a.Files {
		var want, got []string
		body := string(f.Data)
		for strings.HasPrefix(body, "# want ") {
			var l string
			l, body, _ = strings.Cut(body, "\n")
			want = append(want, strings.TrimPrefix(l, "# want "))
		}
		_, err := Parse("e.yaml", []byte(body), specs())
		var issues Issues
		if errors.As(err, &issues) {
			for _, i := range issues {
				got = append(got, strings.TrimPrefix(i.String(), "e.yaml:"))
			}
		}
		if !problem.Is(err, problem.Config) {
			t.Errorf("%s: error %v is not a problem of the configuration", f.Name, err)
		}
		if *update {
			head := ""
			for _, g := range got {
				head += "# want " + g + "\n"
			}
			a.Files[i].Data = []byte(head + body)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, d)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/invalid.txtar", txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := "sources: " + strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for name, tc := range map[string]struct{ text, want string }{
		"too large": {"# " + strings.Repeat("x", maxFile), "at most 1048576"},
		"too deep":  {deep, "nested more than 32 deep"},
		"bomb":      {"a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]", "aliases are not allowed"},
	} {
		_, err := Parse("e.yaml", []byte(tc.text), specs())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := Parse("e.yaml", []byte("log: {lvel: info}\nlisten: x\n"), specs())
	want := `evidenced: the configuration cannot be used: 2 problems: 
  e.yaml:1:7: unknown key "lvel" in log (did you mean "level"?)
  e.yaml:2:9: listen: "x" is no address such as 127.0.0.1:9320
  hint: evidenced config check -c e.yaml tries it again
`
	if d := cmp.Diff(want, problem.Text("evidenced", err)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "log:\ntenants:\nsources: []\n"} {
		c := parse(t, text)
		if c.DataDir != "/var/lib/evidenced" || c.Keys.Dir != "/var/lib/evidenced/keys" || c.Checkpoint.Records != 10_000 {
			t.Errorf("%q: got %+v", text, c)
		}
	}
	notes := parse(t, "").Notes()
	if len(notes) != 2 {
		t.Errorf("notes on an empty file: %q", notes)
	}
}

func TestForDirectory(t *testing.T) {
	c, err := ForDirectory("/srv/demo")
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/srv/demo" || c.Keys != (Keys{Dir: "/srv/demo/keys", SignStateDir: "/srv/demo/sign-state", Wrapping: Wrapping{File: "/srv/demo/keys/wrapping.key"}}) || c.Zone() != time.UTC {
		t.Errorf("got %+v", c)
	}
}

const good = `
data_dir: data
time_zone: Europe/Berlin
tenants:
  - name: tenant-7
    tier: premium
    tags: [pci]
    owns:
      - namespaces: [tenant-7, tenant-7-*]
        paths: [kv/tenant-7/]
      - sources: [forge/acme]
        projects: [acme/shop]
platform:
  owns: [{namespaces: [argocd]}]
sources:
  - name: forge/acme
    type: forge
    config:
      url: https://forge.example
      token_file: secrets/token
      repositories: [acme/shop, acme/api]
      every: 90s
      targets: [{host: a.example, port: 443}]
      named: {x: 1}
      ca_file: /etc/ca.pem
  - name: vault/prod
    type: vault
    schedule: "*/10 * * * *"
    paused: moving house
accounts:
  bots: [{realm: "forge:*", ids: ["17"], logins: [deploy-bot]}]
  shared: [{realm: "vault:prod/entity", ids: [e-1]}]
`

func TestParse(t *testing.T) {
	c := parse(t, good)
	f := c.Source("forge/acme").Config.(*forge)
	want := &forge{URL: "https://forge.example", TokenFile: "/etc/evidenced/secrets/token", Repositories: []string{"acme/shop", "acme/api"},
		Every: 90 * time.Second, Verify: true, Limit: 10, Targets: []target{{"a.example", 443}}, Named: map[string]int{"x": 1}, Common: Common{CAFile: "/etc/ca.pem"}}
	if d := cmp.Diff(want, f, cmp.AllowUnexported(evidence.Secret{})); d != "" {
		t.Errorf("config of forge/acme (-want +got):\n%s", d)
	}
	if c.DataDir != "/etc/evidenced/data" || c.Keys.SignStateDir != "/etc/evidenced/data/sign-state" {
		t.Errorf("data in %s, sign-state in %s", c.DataDir, c.Keys.SignStateDir)
	}
	if got := c.Sources[0].Due.String() + " " + c.Sources[1].Due.String(); got != "@every 5m0s */10 * * * *" {
		t.Errorf("schedules %q", got)
	}
	if _, err := collectors.NewRules(c.TenantRules()); err != nil {
		t.Errorf("rules: %v", err)
	}
	if c.Zone().String() != "Europe/Berlin" {
		t.Errorf("zone %s", c.Zone())
	}
	for _, tc := range []struct {
		realm, id, login string
		bot, shared      bool
	}{
		{"forge:acme", "17", "x", true, false},
		{"forge:acme", "18", "deploy-bot", true, false},
		{"forge:acme", "18", "", false, false},
		{"forge:acme/x", "17", "", false, false},
		{"vault:prod/entity", "e-1", "", false, true},
	} {
		if bot, shared := c.Accounts.Mark(tc.realm, tc.id, tc.login); bot != tc.bot || shared != tc.shared {
			t.Errorf("Mark(%q, %q, %q): got %t, %t", tc.realm, tc.id, tc.login, bot, shared)
		}
	}
}

func TestTryNamesThePlace(t *testing.T) {
	c := parse(t, "sources:\n  - name: forge/a\n    type: forge\n    config: {limit: 3}\n")
	err := c.Try(time.Now)
	want := "the configuration cannot be used: /etc/evidenced/evidenced.yaml:4:13: source forge/a cannot be used: forge: url is missing (set url)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("sources: [{name: a, type: forge, config: {named: {a: {}}}}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("e.yaml", data, specs())
		if err != nil {
			if !problem.Is(err, problem.Config) {
				t.Fatalf("error %v is not a problem of the configuration", err)
			}
			return
		}
		if len(c.Effective()) == 0 {
			t.Fatal("no effective form")
		}
	})
}
