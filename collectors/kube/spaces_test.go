package kube

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
)

// When a namespace was made and found gone stays in the resume, so that a look at
// an earlier time knows it after a restart.
func TestGoneNamespaceKeepsItsTimes(t *testing.T) {
	made := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	b, err := json.Marshal(keptSpace{UID: "1", Labels: map[string]string{"tenant": "a"}, Made: made, Since: made.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var k keptSpace
	if err := json.Unmarshal(b, &k); err != nil {
		t.Fatal(err)
	}
	l := NewLook("velero/prod", "velero/1", made.Add(48*time.Hour), k.last("x"), Namespace{Name: "x", UID: "2", Labels: map[string]string{"tenant": "b"}, Made: made.Add(2 * time.Hour)})
	never := func(Namespace) bool { return false }
	for _, tt := range []struct {
		from, to time.Duration
		want     string // the label of x's owner; "" when it was not there
	}{
		{0, time.Minute, "a"}, {30 * time.Minute, 70 * time.Minute, "a"}, {70 * time.Minute, 80 * time.Minute, ""},
		{3 * time.Hour, 4 * time.Hour, "b"}, {-2 * time.Hour, -time.Hour, ""},
	} {
		then := l.During(evidence.Period{From: made.Add(tt.from), To: made.Add(tt.to)}, never)
		got := ""
		if slices.Contains(then.Namespaces(), "x") {
			n, _ := then.Namespace("x")
			got = n.Labels["tenant"]
			if refs := then.Scope("x"); !slices.Contains(refs, evidence.NewRef("label", "prod", "tenant="+got)) {
				t.Errorf("%v to %v: scope %v", tt.from, tt.to, refs)
			}
		}
		if got != tt.want {
			t.Errorf("%v to %v: x is of %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
	if l.During(evidence.Period{}, never).Namespaces()[0] != "x" || l.Scope("x")[1].Name != "tenant=b" {
		t.Error("the look itself changed")
	}
}
