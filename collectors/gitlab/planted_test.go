package gitlab

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the forge.
func TestSecrets(t *testing.T) {
	p := collectortest.Secrets(suite())
	p.Told = map[string]string{`/projects /\d+/default_branch`: "what the failed request for it names"}
	p.Run(t)
}

// TestApart plants the paths of another tenant in a project that both share, and looks
// in the log of either.
func TestApart(t *testing.T) {
	seven, docs := collectors.Owns{Paths: []string{"tenants/tenant-7"}}, collectors.Owns{Paths: []string{"docs"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: docs, Names: []string{"docs/limits.md"}},
		"docs":  {Own: docs, Other: seven, Names: []string{"tenants/tenant-7/limits.md"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Suite = suite()
			a.Only = []string{`/diffs?\b.* .*/(old|new)_path`, `/(artifacts|vulnerability_findings)\S* .*/location/file`}
			a.Whole = a.Only
			a.Run(t)
		})
	}
}
