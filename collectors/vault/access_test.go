package vault

import (
	"os"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// TestAccessPolicy: the published policy allows every request that the
// collector makes, and no reading of secrets.
func TestAccessPolicy(t *testing.T) {
	text, err := os.ReadFile("../../deploy/access/vault/policy.hcl")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := parsePolicy(string(text))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	vaultState(s)
	rotating(t, s)
	s.audit = t.TempDir() + "/audit.log"
	write(t, s.audit, "")
	if err := s.collector(t, Config{AuditFiles: []string{s.audit}}).Poll(t.Context(), evidence.Period{To: s.now()}, nil, &collectortest.Recorder{}); err != nil {
		t.Fatal(err)
	}
	if len(s.asked) < 15 {
		t.Fatalf("only %d requests", len(s.asked))
	}
	for _, line := range s.asked {
		verb, path, _ := strings.Cut(line, " ")
		need := map[string]string{"GET": "read", "LIST": "list", "PUT": "update"}[verb]
		if !slices.ContainsFunc(rules, func(r evidence.PolicyRule) bool {
			return slices.Contains(r.Capabilities, need) && fits(r.Path, path)
		}) {
			t.Errorf("%s is not allowed by the published policy", line)
		}
	}
	for _, r := range rules {
		if slices.Contains(strings.Split(r.Path, "/"), "data") || fits(r.Path, "kv/data/x") || fits(r.Path, "sys/raw/x") || fits(r.Path, "old/x") || fits(r.Path, "old/keys/x") || fits(r.Path, "database/static-creds/x") {
			t.Errorf("the policy opens %s", r.Path)
		}
	}
}

// fits reports whether a rule's path covers a path, as the server would.
func fits(rule, path string) bool {
	want, have := strings.Split(rule, "/"), strings.Split(path, "/")
	for i, w := range want {
		if i == len(want)-1 && strings.HasSuffix(w, "*") {
			return i < len(have) && strings.HasPrefix(have[i], strings.TrimSuffix(w, "*"))
		}
		if i >= len(have) || w != "+" && w != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}
