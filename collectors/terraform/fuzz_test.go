package terraform

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"evidenced/evidence"

	"github.com/rogpeppe/go-internal/txtar"
)

// Addresses lose the keys of modules and instances, whatever these hold.
func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		`aws_vpc.main`: "aws_vpc.main", `aws_vpc.main[0]`: "aws_vpc.main", `module.net["a"].aws_vpc.main["b.c"]`: "module.net.aws_vpc.main",
		`module.net["a]b\"].c"].aws_vpc.main`: "module.net.aws_vpc.main", `data.aws_ami.x["s3cr3t"]`: "data.aws_ami.x",
		`aws_vpc.main["open`: "", `aws vpc`: "", `a.b]`: "", ``: "", `a..b`: "", `module.größe.a.b`: "module.größe.a.b", strings.Repeat("a", 300): "",
	} {
		if got := address(in); got != want {
			t.Errorf("address(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		`provider["registry.terraform.io/hashicorp/aws"].west`: "registry.terraform.io/hashicorp/aws", `provider.aws`: "aws", `provider.aws.west`: "aws", `aws.west`: "aws", `module.net.module.a.provider.aws.west`: "aws", `provider["registry.terraform.io/-/null"]`: "registry.terraform.io/-/null", `hashicorp/random`: "hashicorp/random",
		`module.x.provider["terraform.io/builtin/terraform"]`: "terraform.io/builtin/terraform", `provider["registry`: "", `a b`: "", ``: "",
	} {
		if got := providerName(in); got != want {
			t.Errorf("providerName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{`module.net["a"].aws_vpc.main[0]`, `a["b]`, `data.x.y["\"]"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := address(s)
		if strings.ContainsAny(a, "[]\" \\\n") || len(a) > maxText {
			t.Errorf("address(%q) = %q", s, a)
		}
		if p := providerName(s); strings.ContainsAny(p, "[]\" \\\n") || len(p) > maxText {
			t.Errorf("providerName(%q) = %q", s, p)
		}
	})
}

// FuzzItem reads any item of a list as each of the things that it may be, and
// makes its facts. What is kept of its bytes has only the members that may stay.
func FuzzItem(f *testing.F) {
	ar, err := txtar.ParseFile("testdata/organization.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range ar.Files {
		var d struct {
			Data []json.RawMessage `json:"data"`
		}
		if json.Unmarshal(file.Data, &d) == nil {
			for _, raw := range d.Data {
				f.Add([]byte(raw))
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, a, err := readRun(raw); err == nil {
			a.standing()
			a.endedAt()
			if a.madeAt().Year() < 2 || a.madeAt().Year() > 9999 || r.ID == "" {
				t.Errorf("a run %q made %v", r.ID, a.madeAt())
			}
		}
		if _, a, err := readState(raw); err == nil {
			rs := resourcesOf(a.Resources)
			if _, err := evidence.EncodeFacts(evidence.InfraStateFacts{Resources: rs}); err != nil {
				t.Error(err)
			}
		}
		for _, s := range []shape{runShape, stateShape, workspaceShape, auditShape} {
			kept, _ := reduce(raw, s)
			if kept == nil {
				continue
			}
			var v any
			if err := json.Unmarshal(kept, &v); err != nil {
				t.Fatalf("%q is no JSON: %v", kept, err)
			}
			if where := beyond(v, s); where != "" {
				t.Errorf("%q keeps %s", kept, where)
			}
		}
	})
}

// beyond names a member of a value that its shape does not hold.
func beyond(v any, s shape) string {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			sub, ok := s[name]
			if !ok {
				return name
			}
			if where := beyond(x, sub); where != "" {
				return where
			}
		}
	case []any:
		for _, x := range v {
			if where := beyond(x, s); where != "" {
				return where
			}
		}
	case string:
		if len(s) > 0 || len(v) > maxPlain {
			return fmt.Sprintf("%.40q", v)
		}
	}
	return ""
}

// A position that cannot be read is refused, and one that was written is read.
func FuzzCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"workspaces":{"ws-1":{"name":"a","runs":{"newest":"2026-03-03T12:00:00Z","open":["run-1"]}}}}`))
	f.Add([]byte(`{"v":1,"workspaces":{"ws-1":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readCursor(b)
		if err != nil {
			return
		}
		if _, err := readCursor(c.bytes()); err != nil {
			t.Errorf("%q is written as %q, which is refused: %v", b, c.bytes(), err)
		}
	})
}

// The configuration says the first thing to fix.
func TestConfig(t *testing.T) {
	token := t.TempDir() + "/token"
	if err := os.WriteFile(token, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"":                                func(*Config) {},
		"organization is not set":         func(c *Config) { c.Organization = "" },
		"which cannot be the name of one": func(c *Config) { c.Organization = "a/b" },
		"token_file is not set":           func(c *Config) { c.TokenFile = "" },
		"url is empty":                    func(c *Config) { c.URL = "" },
		"url holds the path of the API":   func(c *Config) { c.URL = "https://tfe.example/api/v2" },
		"history is negative":             func(c *Config) { c.History = -1 },
	} {
		c := *Spec().Config().(*Config)
		c.Organization, c.TokenFile = "acme", token
		change(&c)
		if err := c.check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
