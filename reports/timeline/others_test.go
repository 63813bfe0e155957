package timeline

import (
	"testing"

	"evidenced/evidence"
)

// What a shared thing has of other tenants is told as a number.
func TestTellOthers(t *testing.T) {
	tell := &teller{}
	for _, tc := range []struct{ got, want string }{
		{tell.policy(evidence.PolicyFacts{Name: "common", Rules: []evidence.PolicyRule{{}}, Others: evidence.Others{"rules": 2}}), "policy common is in force with 1 rule and 2 of other tenants"},
		{tell.role(evidence.RoleFacts{Role: "sync", Mount: "auth/kubernetes", Holder: -1, Policies: []string{"a"}, Others: evidence.Others{"policies": 1}}), "role sync at auth/kubernetes gets policies a and 1 of other tenants"},
		{tell.identity(evidence.IdentityFacts{Entity: "e-1", Holder: -1, Policies: []string{"a"}, Others: evidence.Others{"policies": 1, "group_policies": 2, "groups": 4}}), "entity e-1 holds policies a and 3 of other tenants"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
