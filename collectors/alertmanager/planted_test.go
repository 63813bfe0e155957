package alertmanager

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the Alertmanager.
func TestSecrets(t *testing.T) {
	collectortest.Secrets(suite()).Run(t)
}

// TestApartOther plants the names of tenants that have alerts of their own, and looks in
// the log of one that has none but what concerns everybody.
func TestApartOther(t *testing.T) {
	collectortest.Apart{
		Suite: suite(),
		Own:   collectors.Owns{Labels: []string{"tenant=zq-*"}, Namespaces: []string{"zq-*"}},
		Other: collectors.Owns{Labels: []string{"tenant=tenant-2"}, Namespaces: []string{"tenant-3-*"}}, Names: []string{"tenant-2", "tenant-3-x"},
		Whole: []string{`/silences /\d/matchers/\d/value`},
		Told: map[string]string{
			`/silences /\d+/(id|createdBy)`:    "what the silence is called, and who says to have made it",
			`/silences /\d+/matchers/\d+/name`: "names of labels",
			`/silences /2/matchers/[01]/value`: "which alert a silence of everybody's is about, by its name and severity",
		},
	}.Run(t)
}

// TestApart plants the name and the namespace of another tenant.
func TestApart(t *testing.T) {
	collectortest.Apart{
		Suite: suite(),
		Own:   collectors.Owns{Labels: []string{"tenant=tenant-2"}, Namespaces: []string{"tenant-3-*"}},
		Other: collectors.Owns{Labels: []string{"tenant=zq-*"}, Namespaces: []string{"zq-*"}}, Names: []string{"zq-other", "zq-space"},
		// A condition on a tenant or namespace names it whole; more than that is another name.
		Whole: []string{`/silences /[123]/matchers/0/value`, `/silences /2/matchers/1/value`, `/alerts /\d+/labels/(namespace|tenant)`},
		Told: map[string]string{
			`/alerts /\d+/labels/.*`:                          "labels of its own alert",
			`/alerts /\d+/status/(silencedBy|inhibitedBy)/.*`: "ids of silences, and fingerprints",
			`/silences /0/(comment|matchers/.*)`:              "of a silence that concerns it alone",
			`/silences /\d+/(id|createdBy)`:                   "what the silence is called, and who says to have made it",
			`/silences /\d+/matchers/\d+/name`:                "names of labels",
			`/silences /2/matchers/0/value`:                   "which alert a silence of everybody's is about, by its severity",
		},
	}.Run(t)
}
