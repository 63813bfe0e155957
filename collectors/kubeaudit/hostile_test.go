package kubeaudit

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
)

// eventOf is one line of the log: a read of a Secret by a person.
func eventOf(id, at string, more string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":"ResponseComplete",`+
		`"requestURI":"/api/v1/namespaces/tenant-7/secrets/db","verb":"get","user":{"username":"mira@acme.example"},`+
		`"objectRef":{"resource":"secrets","namespace":"tenant-7","name":"db"},"responseStatus":{"code":200},`+
		`"requestReceivedTimestamp":%q,"stageTimestamp":%q%s}`+"\n", id, at, at, more)
}

// A client may choose the Audit-Id of its requests: one that it uses again, or
// one of any length, hides none of them.
func TestChosenAuditID(t *testing.T) {
	long := strings.Repeat("x", 4000)
	lines := eventOf("same", "2026-03-02T14:00:00.000001Z", "") + eventOf("same", "2026-03-02T14:00:00.000002Z", "") +
		eventOf(long+"1", "2026-03-02T14:00:01Z", "") + eventOf(long+"2", "2026-03-02T14:00:01Z", "")
	ks := keys(poll(t, fileConfig(logFile(t, []byte(lines))), nil).Drafts)
	slices.Sort(ks)
	if got := slices.Compact(slices.Clone(ks)); len(got) != 4 {
		t.Errorf("4 requests make %d keys: %q", len(got), got)
	}
	for _, k := range ks {
		if len(k) > evidence.MaxKey {
			t.Errorf("key of %d bytes", len(k))
		}
	}
	again := keys(poll(t, fileConfig(logFile(t, []byte(lines+lines))), nil).Drafts)
	slices.Sort(again)
	if got := slices.Compact(again); !slices.Equal(got, ks) {
		t.Errorf("lines that come twice have keys %q, want %q", got, ks)
	}

	// Nor does it cost the other events of a batch.
	f := follow(t, listenConfig(t), nil)
	if got := send(t, http.DefaultClient, "http://"+f.addr, "", batch([]byte(lines))); got != 200 {
		t.Fatalf("batch: status %d", got)
	}
	f.until(t, 4)
	f.stop()
}
