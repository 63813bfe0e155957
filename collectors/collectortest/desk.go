package collectortest

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Desk makes what a collector under test needs beside its source: a token file,
// a clock that the test moves, a log that nobody reads, and retries that do not
// wait.
func Desk(t testing.TB, source evidence.SourceID, url string, clock *time.Time) World {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return World{
		URL: url, TokenFile: token,
		Env:   collectors.Env{Source: source, Clock: func() time.Time { return *clock }, Log: slog.New(slog.DiscardHandler)},
		Sleep: sleepless,
	}
}

// Actors gives, for each kind of draft, how often whose people acted, by rules
// that a configuration would hold: who has the label platform is of the
// platform, who has the label own is of tenant-7, and so are these projects. No
// draft may be the platform's for its actor's sake.
func Actors(t *testing.T, drafts []evidence.Draft, platform, own string, projects ...string) map[evidence.Kind]map[string]int {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := collectors.NewRules([]collectors.TenantRules{
		{Tenant: evidence.Platform, Owns: []collectors.Owns{{Labels: []string{platform}}}},
		{Tenant: tenant, Owns: []collectors.Owns{{Labels: []string{own}, Projects: projects}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[evidence.Kind]map[string]int{}
	for _, d := range drafts {
		if out[d.Kind] == nil {
			out[d.Kind] = map[string]int{}
		}
		whose := fmt.Sprint(rules.Tenants(d.Source, d.ActorScope))
		if len(d.ActorScope) == 0 {
			whose = "nobody acted"
		}
		out[d.Kind][whose]++
		if owner := fmt.Sprint(rules.Tenants(d.Source, d.Scope)); strings.Contains(owner, evidence.Platform.String()) {
			t.Errorf("%s %s is given to %s for its actor's sake", d.Kind, d.Key, owner)
		}
	}
	return out
}
