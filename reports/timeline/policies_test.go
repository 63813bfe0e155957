package timeline_test

import (
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

// The end of a result is told by the thing and the policy, whatever these are
// called, and never as if the thing had been put right.
func TestResultsEnd(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, reason, want string }{
		{"tenant-7|Deployment.apps|web|kyverno|require-signed|verify", "dropped", "policy require-signed/verify has no result on Deployment tenant-7/web any more"},
		{"tenant-7|Pod|web|kyverno|a%7Cb%2525|", "absent", "policy a|b%25 has no result on Pod tenant-7/web any more"},
		{"|ClusterRole.rbac.authorization.k8s.io|admins|kyverno|labels||report", "dropped", "policy labels has no result on ClusterRole admins any more"},
		{"tenant-7|Pod|web|kyverno|p|r", "reassigned", "what policy p/r found at Pod tenant-7/web belongs to another tenant from now on"},
		{"of another form", "dropped", "a policy's result on of another form is no longer told"},
	} {
		l := evidencetest.NewLog(tenant)
		d := evidencetest.DraftFor(evidence.PolicyResult, evidence.OpSet, at(14, 9, 0), evidence.PolicyResultFacts{Engine: "kyverno", Policy: "p", Result: "fail"})
		d.Subject = evidence.NewRef("result", "prod", tc.name)
		l.AddDraft(d)
		d.Op, d.OccurredAt, d.Content = evidence.OpEnd, at(14, 9, 1), []byte(`{"reason":"`+tc.reason+`"}`)
		l.AddDraft(d)
		ls := lines(t, l, timeline.Options{Kinds: []evidence.Kind{evidence.PolicyResult}, NoGaps: true})
		if len(ls) != 2 || !strings.HasPrefix(ls[1].Says, tc.want) {
			t.Errorf("%s: %+v, want %q", tc.name, ls, tc.want)
		}
	}
}
