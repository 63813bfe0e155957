package mappings

import (
	"strings"
	"testing"
	"testing/fstest"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// What belongs to the platform is judged there: its own log is never excused.
func TestSharedIsJudgedForThePlatform(t *testing.T) {
	cat := mustLoad(t)
	for _, tc := range []struct {
		tenant evidence.Tenant
		want   evidence.Status
	}{{mustParse(t, "tenant-7"), evidence.NotApplicable}, {evidence.Platform, evidence.Gap}} {
		c := parseCase(t, "", cat)
		c.log = evidencetest.NewLog(tc.tenant)
		if err := c.line(t, "cover vault/prod continuous 01T00:00 30T00:00 secret.device"); err != nil {
			t.Fatal(err)
		}
		c.in.Reader = c.log
		by, err := c.assess(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := by["vault-audit"].Status; got != tc.want {
			t.Errorf("%s: %s, want %s", tc.tenant, got, tc.want)
		}
	}
}

func mustParse(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func TestSharedIsTrueOrFalse(t *testing.T) {
	text := strings.Replace(ownRules, "    empty: gap\n", "    empty: gap\n    shared: perhaps\n", 1)
	_, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(text)}})
	if fs := faultsOf(err); len(fs) != 1 || fs[0].Line != 14 || !strings.Contains(fs[0].Error(), "must be true or false") {
		t.Errorf("got %v, want a fault in line 14", err)
	}
}
