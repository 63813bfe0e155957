package github

import (
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the forge.
func TestSecrets(t *testing.T) {
	collectortest.Secrets(suite()).Run(t)
	collectortest.Secrets(partsSuite()).Run(t)
}

// TestApart plants the paths of another tenant in a repository that both share, and
// looks in the log of either.
func TestApart(t *testing.T) {
	seven, three := collectors.Owns{Paths: []string{"tenants/tenant-7"}}, collectors.Owns{Paths: []string{"tenants/zq-three"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: three, Names: []string{"tenants/zq-three/limits.yaml", "tenants/zq-three/release.yaml"}},
		"three": {Own: three, Other: seven, Names: []string{"tenants/tenant-7/limits.yaml", "tenants/tenant-7/release.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Suite, a.Edit = suite(), strings.NewReplacer("tenants/tenant-3", "tenants/zq-three").Replace
			a.Only = []string{`/(commits|pulls)/\S* .*/(previous_)?filename`}
			a.Whole = a.Only
			a.Told = map[string]string{`/commits/5573e39\S* /files/0/(previous_)?filename`: "a file that moved from the one's folder to the other's"}
			a.Run(t)
		})
	}
}
