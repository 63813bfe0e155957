package kube

import (
	"testing"

	"evidenced/evidence"
)

func TestUser(t *testing.T) {
	for name, want := range map[string]evidence.Names{
		"mira@example.org":         {Login: "mira@example.org", Mail: "mira@example.org"},
		"oidc:mira@example.org":    {Login: "oidc:mira@example.org"},
		"mira":                     {Login: "mira"},
		"system:kube-scheduler":    {Login: "system:kube-scheduler", Bot: true},
		"system:admin":             {Login: "system:admin", Shared: true},
		"@":                        {Login: "@"},
		"https://idp.example#4711": {Login: "https://idp.example#4711"},
	} {
		p := User("prod", name, evidence.RoleHolder, evidence.ProofClaimed)
		if p.Names != want || p.NativeID != name || p.Realm != "kubernetes:prod" || p.Role != evidence.RoleHolder || p.Proof != evidence.ProofClaimed {
			t.Errorf("%q: got %+v", name, p)
		}
	}
	if p := User("prod", "", evidence.RoleHolder, evidence.ProofClaimed); p.NativeID == "" {
		t.Error("a user without a name has no identity to be told by")
	}
}

func TestServiceAccount(t *testing.T) {
	for user, want := range map[string]string{
		"system:serviceaccount:tenant-7:web": "tenant-7 web true",
		"system:serviceaccount:tenant-7:":    "",
		"system:serviceaccount::web":         "",
		"system:serviceaccount:tenant-7":     "",
		"system:node:n1":                     "",
		"mira":                               "",
	} {
		ns, name, ok := ServiceAccount(user)
		if got := ns + " " + name + " true"; ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q %q %v", user, ns, name, ok)
		}
	}
}
