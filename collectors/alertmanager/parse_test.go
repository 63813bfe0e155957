package alertmanager

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence/problem"
)

func TestAlternatives(t *testing.T) {
	for pattern, want := range map[string]string{
		"a": "a", "a|b": "a b", "tenant-1|tenant-2": "tenant-1 tenant-2", "(a|b)-(c|d)": "a-c a-d b-c b-d", "a?": " a", "": "", "a||b": "a  b",
		"^(a|b)$": "a b", "a|a": "a", "[a-c]": "a b c", `a\.b`: "a.b",
		"a.": "-", ".*": "-", "a+": "-", "a*": "-", "(?i)a": "-", "[a-z0-9]": "-", `\w`: "-", "a(": "-", "a{2}": "-", "[^a]": "-",
		strings.Repeat("(a|b)", 20): "-", "(" + strings.Repeat("x", 200) + "[a-p])[a-p]": "-", strings.Repeat("x", 5000): "-",
	} {
		got, ok := alternatives(pattern)
		text := strings.Join(got, " ")
		if !ok {
			text = "-"
		}
		if text != want {
			t.Errorf("alternatives(%.40q): %q, want %q", pattern, text, want)
		}
	}
}

// What is listed is all that the expression matches.
func FuzzAlternatives(f *testing.F) {
	for _, s := range []string{"a|b", "tenant-[12]", "(a|b)?c", "(?i)a", "^a|b$", "a||", `\bfoo\b`, "(?s:.)", "[[:digit:]]", "(?U)a?"} {
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got, ok := alternatives(pattern)
		if !ok {
			return
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return // what stands alone and not within anchors, no Alertmanager takes
		}
		if len(got) > maxListed {
			t.Fatalf("%d texts", len(got))
		}
		if re.MatchString(text) && !slices.Contains(got, text) {
			t.Errorf("%q matches %q, which is not among %q", pattern, text, got)
		}
	})
}

// Whatever an Alertmanager lists, what is told of it is a sound draft.
func FuzzParse(f *testing.F) {
	f.Add([]byte(firing(print1, now, "active", "s")))
	f.Add([]byte(silence("s", "expired", now, now, now, onTenant7)))
	f.Add([]byte(`{"labels":{"alertname":"a","tenant":"*"},"fingerprint":[],"startsAt":"9999-12-31T23:59:59Z"}`))
	f.Add([]byte(`{"id":"x","matchers":[{"name":"\ud800","value":"\u0000","isRegex":true}],"startsAt":"2026-01-01T00:00:00+23:59","endsAt":"0002-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := New(config("", "http://127.0.0.1:1"), collectors.Env{Source: "alertmanager/prod", Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		rec := &collectortest.Recorder{} // which takes no draft that is not sound
		l := &look{Collector: c, sink: rec, at: now, old: &memory{}, next: &memory{V: memoryVersion}, settled: 1}
		l.alerts.peers = []list{{items: []json.RawMessage{b}}}
		l.silences.peers = l.alerts.peers
		if err := l.tellAlerts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.tellSilences(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.next.At = l.at
		kept, err := l.next.bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readMemory(kept); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"urls is not set":              func(c *Config) { c.URLs = nil },
		"names a peer twice":           func(c *Config) { c.URLs = append(c.URLs, c.URLs[0]) },
		"at most 20":                   func(c *Config) { c.URLs = slices.Repeat(c.URLs, 21) },
		"user is set without":          func(c *Config) { c.User = "u" },
		"settle is":                    func(c *Config) { c.Settle = -1 },
		"tenant_label is":              func(c *Config) { c.TenantLabel = "a b" },
		"namespace_label is":           func(c *Config) { c.NamespaceLabel = "" },
		"are the same":                 func(c *Config) { c.NamespaceLabel = c.TenantLabel },
		"cluster_namespace is empty":   func(c *Config) { c.ClusterNamespace = "" },
		"keep_labels":                  func(c *Config) { c.Keep = []string{"a-b"} },
		"urls: base URL has scheme":    func(c *Config) { c.URLs = []string{"ftp://x.example"} },
		"holds a user or password":     func(c *Config) { c.URLs = []string{"http://u:geheim@x.example"} },
		"keep_labels has 51 names":     func(c *Config) { c.Keep = slices.Repeat([]string{"a"}, 51) },
		"base URL names no host":       func(c *Config) { c.URLs = []string{"http://"} },
		"holds a query or fragment":    func(c *Config) { c.URLs = []string{"http://x.example?token=geheim"} },
		"urls has 21 addresses":        func(c *Config) { c.URLs = slices.Repeat(c.URLs, 21) },
		"settle is 2h0m0s, must be 0s": func(c *Config) { c.Settle = 2 * time.Hour },
	} {
		cfg := config("", "http://am.example")
		change(&cfg)
		_, err := New(cfg, collectors.Env{Source: "alertmanager/prod"})
		if !problem.Is(err, problem.Config) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "geheim") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
