package policies

import (
	"fmt"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// What policies do that check nothing.
func TestChangers(t *testing.T) {
	flag := func(b *bool) string {
		if b == nil {
			return "-"
		}
		return fmt.Sprint(*b)
	}
	for _, c := range []struct{ resource, rest, want string }{
		{"mutatingpolicies.policies.kyverno.io", `"spec":{}`, "kyverno mutate open=false admission=true background=false ready=Unknown"},
		{"mutatingpolicies.policies.kyverno.io", `"spec":{"failurePolicy":"Ignore","evaluation":{"admission":{"enabled":false},"mutateExisting":{"enabled":true}}},"status":{"conditionStatus":{"ready":true}}`,
			"kyverno mutate open=true admission=false background=true ready=True"},
		{"namespacedmutatingpolicies.policies.kyverno.io", `"spec":{}`, "kyverno mutate open=false admission=true background=false ready=Unknown"},
		{"generatingpolicies.policies.kyverno.io", `"spec":{"evaluation":{"generateExisting":{"enabled":true}}}`, "kyverno generate open=- admission=true background=true ready=Unknown"},
		{"deletingpolicies.policies.kyverno.io", `"spec":{"schedule":"*/5 * * * *","conditions":[{"name":"x"}]},"status":{"conditionStatus":{"conditions":[{"type":"RBACPermissionsGranted","status":"False"}]}}`,
			"kyverno delete open=- admission=- background=- ready=False RBACPermissionsGranted */5 * * * * conditions"},
		{"namespaceddeletingpolicies.policies.kyverno.io", `"spec":{"schedule":"tenant-8"}`, "kyverno delete open=- admission=- background=- ready=Unknown"},
		{"mutatingadmissionpolicies.admissionregistration.k8s.io", `"spec":{"failurePolicy":"Ignore"}`, "kubernetes mutate open=true admission=- background=- ready="},
	} {
		ds := testReader().give(t, testLook(now), c.resource, []byte(`{"metadata":{"name":"p","uid":"u"},`+c.rest+`}`), false)
		f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, ds[0])
		got := fmt.Sprintf("%s %s open=%s admission=%s background=%s ready=%s %s %s %s", f.Engine, f.Rules[0].Type, flag(f.FailsOpen), flag(f.Admission), flag(f.Background),
			f.Ready, f.Reason, f.Schedule, strings.Join(f.Applies.By, " "))
		if got = strings.Join(strings.Fields(got), " "); got != c.want || f.Mode != evidence.PolicyNoCheck || len(ds) != 1 {
			t.Errorf("%s %s:\n got %s (%s, %d drafts)\nwant %s", c.resource, c.rest, got, f.Mode, len(ds), c.want)
		}
	}
}

// A binding says what it does with what it binds, and whether it always does.
func TestBindings(t *testing.T) {
	for _, c := range []struct{ kind, spec, want string }{
		{"validatingadmissionpolicybindings", `{"policyName":"p","validationActions":["Deny"]}`, "enforce []"},
		{"validatingadmissionpolicybindings", `{"policyName":"p","validationActions":["Warn"]}`, "audit []"},
		{"validatingadmissionpolicybindings", `{"policyName":"p","validationActions":["Deny"],"paramRef":{"name":"x","parameterNotFoundAction":"Deny"}}`, "enforce [parameters]"},
		{"validatingadmissionpolicybindings", `{"policyName":"p","validationActions":["Deny"],"paramRef":{"name":"x","parameterNotFoundAction":"Allow"}}`, "enforce [parameters where there are some]"},
		{"mutatingadmissionpolicybindings", `{"policyName":"p"}`, "none []"},
	} {
		ds := testReader().give(t, testLook(now), c.kind+"."+admissionGroup, []byte(`{"metadata":{"name":"b","uid":"u"},"spec":`+c.spec+`}`), false)
		f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, ds[0])
		if got := fmt.Sprintf("%s %v", f.Mode, f.Applies.By); got != c.want || f.Binds != "p" {
			t.Errorf("%s: got %s of %q, want %s", c.spec, got, f.Binds, c.want)
		}
	}
}
