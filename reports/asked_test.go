package reports_test

import (
	"testing"

	"evidenced/evidence"
	"evidenced/reports"
)

// A read of what is known of a secret beside its value is never told as one of the
// secret.
func TestAsked(t *testing.T) {
	for _, tc := range []struct {
		f    evidence.AccessFacts
		want string
	}{
		{evidence.AccessFacts{Operation: "read", Path: "kv/data/t7/db", Secret: "kv/t7/db", Reading: true}, "read of kv/t7/db"},
		{evidence.AccessFacts{Operation: "update", Path: "pki/issue/web", Secret: "pki/issue/web", Reading: true}, "read of pki/issue/web"},
		{evidence.AccessFacts{Operation: "read", Path: "kv/metadata/t7/db", Secret: "kv/t7/db"}, "read of kv/metadata/t7/db, no secret in it"},
		{evidence.AccessFacts{Operation: "list", Path: "kv/metadata/t7", Secret: "kv/t7"}, "list of kv/t7"},
		{evidence.AccessFacts{Operation: "read", Path: "sys/policies/acl/t7"}, "read of sys/policies/acl/t7"},
	} {
		if got := reports.Asked(&tc.f); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.f, got, tc.want)
		}
	}
}
