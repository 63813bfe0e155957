package alertrules

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the server.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite()).Run(t) }

// TestApart plants the name and the namespace of another tenant.
func TestApart(t *testing.T) {
	collectortest.Apart{
		Suite: suite(),
		Own:   collectors.Owns{Labels: []string{"tenant=tenant-7"}, Namespaces: []string{"tenant-7"}},
		Other: collectors.Owns{Labels: []string{"tenant=zq-*"}, Namespaces: []string{"zq-*"}}, Names: []string{"zq-other", "zq-space"},
		Whole: []string{`/rules .*/labels/(tenant|namespace)`},
		Told: map[string]string{
			`/rules .*/groups/1/(name|file)`:                     "where its own rules stand",
			`/rules .*/groups/1/rules/0/(name|type|labels/\S+)`:  "of its own rule",
			`/rules .*/groups/1/rules/0/(health|lastEvaluation)`: "the same",
		},
	}.Run(t)
}
