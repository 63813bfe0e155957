package harbor

import (
	"regexp"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the registry.
func TestSecrets(t *testing.T) {
	p := collectortest.Secrets(suite())
	p.Told = map[string]string{
		`/projects\? /\d+/name`: "what the failed request for it names",
		`/scanners\? /\d+/uuid`: "the same",
	}
	p.Run(t)
}

// TestApartOther plants the name of tenant-7's project, and looks in the log of the
// other tenant.
func TestApartOther(t *testing.T) {
	base := regexp.MustCompile(`\bbase\b`)
	collectortest.Apart{
		Suite: suite(), Edit: func(archive string) string { return base.ReplaceAllString(archive, "zq-base") },
		Own: collectors.Owns{Projects: []string{"zq-base"}}, Other: collectors.Owns{Projects: []string{"tenant-7"}}, Names: []string{"tenant-7"},
		Told: map[string]string{
			`/projects/zq-base/ .*`:                     "what stands in its own project is told to it whole",
			`/projects/zq-base/(members|scanner)\S* .*`: "the same",
			`/projects\? /2/.*`:                         "the row of its own project",
			`/projects\? /[01]/name`:                    "the name of a project that no rule gives to anyone",
			`/audit-?log(s|-exts)\? /10/.*`:             "a row about its own project, and who acted in it",
			`/robots\? /0/(name|level)`:                 "what the robot is called, and a word of the registry's choice",
			`/robots\? /0/permissions/.*`:               "words of the registry's choice; projects are judged, by their whole name",
		},
	}.Run(t)
}

// TestApart plants the name of another tenant's project.
func TestApart(t *testing.T) {
	base := regexp.MustCompile(`\bbase\b`)
	collectortest.Apart{
		Suite: suite(), Edit: func(archive string) string { return base.ReplaceAllString(archive, "zq-base") },
		Own: collectors.Owns{Projects: []string{"tenant-7"}}, Other: collectors.Owns{Projects: []string{"zq-base"}}, Names: []string{"zq-base"},
		Told: map[string]string{
			`/projects/tenant-7/ .*`:          "what stands in its own project is told to it whole",
			`/projects\? /0/.*`:               "the row of its own project",
			`/projects\? /[12]/name`:          "the name of a project that no rule gives to anyone",
			`/retentions/4 .*`:                "a rule of its own project, and its runs",
			`/audit-?log(s|-exts)\? .*`:       "rows about its own project, and who acted in it",
			`/robots\?.*ProjectID%3D3 .*`:     "a robot of its own project",
			`/robots\? /0/(name|level)`:       "what the robot is called, and a word of the registry's choice",
			`/robots\? /0/permissions/.*`:     "words of the registry's choice; projects are judged, by their whole name",
			`/replication/policies\? /0/name`: "what the policy is called",
			`/replication/executions\? .*`:    "words of the registry's choice",
		},
	}.Run(t)
}
