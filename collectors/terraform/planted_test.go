package terraform

import (
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the platform.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite()).Run(t) }

// TestApart plants the tag, project and workspace of another tenant.
func TestApart(t *testing.T) {
	collectortest.Apart{
		Suite: suite(), Edit: strings.NewReplacer("platform-dns", "zq-dns", `"key": "base"`, `"key": "zq"`).Replace,
		Own:   collectors.Owns{Labels: []string{"tenant=tenant-7"}},
		Other: collectors.Owns{Labels: []string{"tenant=zq-*", "zq=*"}, Projects: []string{"acme/zq-*", "acme/*/zq-*"}}, Names: []string{"zq-dns", "zq-team"},
		Told: map[string]string{
			`/audit-trail /data/[01]/.*`:          "entries about its own workspace, and who acted there",
			`/workspaces\? /data/[01]/.*`:         "its own workspaces",
			`/workspaces\? /included/0/.*`:        "the project of its own workspaces",
			`/workspaces\? /included/2/.*`:        "a tag of theirs that no rule gives to anyone",
			`/runs/run-(Dba|Net)\S*/ .*`:          "what happened in its own runs",
			`/workspaces/ws-(Db9|Net)\S*/runs .*`: "its own runs",
			`/state-versions\?.*tenant-7-\S* .*`:  "versions of its own states",
			`/state-versions/sv-(Db|Net)\S* .*`:   "the same",
		},
	}.Run(t)
}

// TestApartOther plants what tenant-7's things are called, and looks in the other's log.
func TestApartOther(t *testing.T) {
	collectortest.Apart{
		Suite: suite(), Edit: strings.NewReplacer("platform-dns", "zq-dns", `"key": "base"`, `"key": "zq"`).Replace,
		Own:   collectors.Owns{Labels: []string{"tenant=zq-*", "zq=*"}, Projects: []string{"acme/zq-*", "acme/*/zq-*"}},
		Other: collectors.Owns{Labels: []string{"tenant=tenant-7"}, Projects: []string{"acme/*/tenant-7-*"}}, Names: []string{"tenant-7-network", "tenant-7"},
		Told: map[string]string{
			`/workspaces\?.*number%5D=2\S* .*`: "its own workspace, with its project and tags",
			`/runs/run-Dns\S*/ .*`:             "what happened in its own runs",
			`/runs/run-Dns\S* .*`:              "the same",
			`/workspaces/ws-Dns\S*/runs .*`:    "its own runs",
		},
	}.Run(t)
}
