package velero

import (
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the cluster.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite(t)).Run(t) }

// restoreOfBoth brings back what is of two tenants.
const restoreOfBoth = `{"apiVersion":"velero.io/v1","kind":"Restore","metadata":{"name":"all","namespace":"velero","uid":"5b1e7a00-0000-4000-8000-000000000079","resourceVersion":"1100","creationTimestamp":"2026-03-01T04:30:00Z","labels":{"evidenced/restore-test":"true"}},"spec":{"backupName":"platform-weekly-20260222030000","includedNamespaces":["tenant-7","tenant-8"],"namespaceMapping":{"tenant-7":"drill","tenant-8":"drill-b"}},"status":{"phase":"Failed","failureReason":"some part failed","validationErrors":["some namespace is gone"],"startTimestamp":"2026-03-01T04:30:01Z","completionTimestamp":"2026-03-01T04:30:09Z"}}`

// TestApart plants what another tenant's namespace is called, in Velero's objects, and
// looks in the log of either.
func TestApart(t *testing.T) {
	seven := collectors.Owns{Labels: []string{"tenant=tenant-7"}, Namespaces: []string{"tenant-7"}}
	eight := collectors.Owns{Labels: []string{"tenant=zq-eight"}, Namespaces: []string{"zq-eight"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: eight, Names: []string{"zq-eight"}},
		"eight": {Own: eight, Other: seven, Names: []string{"tenant-7"}},
	} {
		t.Run(name, func(t *testing.T) {
			own := map[string]string{"seven": "tenant-7", "eight": "zq-eight"}[name]
			a.Suite, a.Edit = suite(t), strings.NewReplacer("tenant-8", "zq-eight", "drill-tenant-7", "drill",
				`"csiVolumeSnapshotsAttempted":6`, `"csiVolumeSnapshotsAttempted":6,"failureReason":"some part failed","validationErrors":["some namespace is gone"]`,
				`"kind":"RestoreList","apiVersion":"velero.io/v1","metadata":{"resourceVersion":"9000"},"items":[`, `"kind":"RestoreList","apiVersion":"velero.io/v1","metadata":{"resourceVersion":"9000"},"items":[`+strings.ReplaceAll(restoreOfBoth, "tenant-8", "zq-eight")+",",
			).Replace
			a.Only = []string{`/namespaces .*`, `/schedules\S* /items/1/.*`, `/backups\S* /items/2/.*`, `/restores\S* /items/0/.*`, `/backupstoragelocations .*`, `/deletebackuprequests .*`}
			// A namespace is named whole; more than that is another name.
			a.Whole = []string{`/namespaces .*/name`, `.* .*/(in|ex)cludedNamespaces/\d`, `.* .*/namespaceMapping/.*`}
			a.Sentences = []string{`.* .*/(failureReason|validationErrors/\d)`}
			a.Told = map[string]string{
				`/restores\S* /items/0/spec/namespaceMapping/` + own:                   "where its own data was put",
				`/namespaces .*/labels/.*`:                                             "labels of its own namespaces, and of those that are nobody's",
				`.* .*/metadata/(name|namespace|uid|resourceVersion)`:                  "what it is called",
				`.* .*/(phase|schedule|labels/velero.io/gc-failure)`:                   "words of Velero's choice",
				`.* .*/(labels/velero.io/(schedule-name|storage-location)|backupName)`: "what belongs together is called",
			}
			a.Run(t)
		})
	}
}
