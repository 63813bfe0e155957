package timeline

import (
	"strings"

	"evidenced/evidence"
)

// family is what a kind of record is about, for people who look at a part.
type family struct {
	id    string // in the page: letters alone
	title string
	heads []string // first parts of the kinds
}

// families in the order of the legend; the last takes what no other does.
var families = []family{
	{"change", "changes", []string{"change"}},
	{"build", "builds and images", []string{"pipeline", "artifact", "registry"}},
	{"deploy", "deployments and workloads", []string{"deploy", "runtime", "workflow", "infra"}},
	{"secret", "secrets and access", []string{"secret", "access", "network"}},
	{"keep", "backups and certificates", []string{"backup", "cert"}},
	{"judge", "verdicts and incidents", []string{"finding", "incident", "waiver", "scope", "attestation", "remedy", "alert", "policy", "slo"}},
	{"own", "the evidence itself", nil},
}

// familyOf returns the index of a kind's family.
func familyOf(k evidence.Kind) int {
	head, _, _ := strings.Cut(string(k), ".")
	for i, f := range families {
		for _, h := range f.heads {
			if h == head {
				return i
			}
		}
	}
	return len(families) - 1
}
