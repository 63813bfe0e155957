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

// TestApart plants the paths of another tenant in a project that both share.
func TestApart(t *testing.T) {
	collectortest.Apart{
		Suite: suite(),
		Own:   collectors.Owns{Paths: []string{"tenants/tenant-7"}}, Other: collectors.Owns{Paths: []string{"docs"}},
		Names: []string{"docs/limits.md"},
		Only:  []string{`/diffs?\b.* .*/(old|new)_path`, `/(artifacts|vulnerability_findings)\S* .*/location/file`},
		Whole: []string{`/diffs?\b.* .*/(old|new)_path`, `/(artifacts|vulnerability_findings)\S* .*/location/file`},
	}.Run(t)
}
