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

// TestApart plants the path of another tenant in a repository that both share.
func TestApart(t *testing.T) {
	collectortest.Apart{
		Suite: suite(), Edit: strings.NewReplacer("tenants/tenant-3", "tenants/zq-three").Replace,
		Own: collectors.Owns{Paths: []string{"tenants/tenant-7"}}, Other: collectors.Owns{Paths: []string{"tenants/zq-three"}},
		Names: []string{"tenants/zq-three/limits.yaml", "tenants/zq-three/release.yaml"},
		Only:  []string{`/(commits|pulls)/\S* .*/(previous_)?filename`},
		Whole: []string{`/(commits|pulls)/\S* .*/(previous_)?filename`},
	}.Run(t)
}
