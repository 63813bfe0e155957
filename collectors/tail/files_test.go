package tail

import "testing"

func TestSiblings(t *testing.T) {
	for name, want := range map[string]bool{
		"audit.log.1": true, "audit.log.12.gz": true, "audit.log-20260302": true, "audit.log-20260302.gz": true,
		"audit-2026-03-02T10:00:00Z.log": true, "audit.1.log": true, "audit.log.old": true, "audit-2026-03-02.log.gz": true,
		"audit.log": false, "audit2.log": false, "audit.log.swp": false, "audit-prod.log": false, "other.log.1": false, "audit.log~": false,
	} {
		if got := isSibling("/var/log/audit.log", "/var/log/"+name); got != want {
			t.Errorf("isSibling(%s) = %v, want %v", name, got, want)
		}
	}
	if isSibling("/var/log/audit.log", "/var/log/x/audit.log.1") {
		t.Error("a file of another folder is no sibling")
	}
}
