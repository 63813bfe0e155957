package kubeaudit

import (
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Under the audit policy that we ask for, every recorded event that is kept is
// written, and none above Metadata: the first rule that matches decides.
func TestPolicy(t *testing.T) {
	b, err := os.ReadFile("../../deploy/access/kubeaudit/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type resources struct {
		Group     string   `yaml:"group"`
		Resources []string `yaml:"resources"`
	}
	var policy struct {
		Rules []struct {
			Level     string      `yaml:"level"`
			Users     []string    `yaml:"users"`
			Verbs     []string    `yaml:"verbs"`
			Resources []resources `yaml:"resources"`
			URLs      []string    `yaml:"nonResourceURLs"`
		} `yaml:"rules"`
	}
	if err := yaml.Unmarshal(b, &policy); err != nil {
		t.Fatal(err)
	}
	level := func(e *event) string {
		r := e.resource()
		name := r.Resource
		if r.Subresource != "" {
			name += "/" + r.Subresource
		}
		for _, rule := range policy.Rules {
			in := len(rule.Resources) == 0 && len(rule.URLs) == 0 || slices.ContainsFunc(rule.Resources, func(x resources) bool {
				return x.Group == r.APIGroup && (len(x.Resources) == 0 || slices.Contains(x.Resources, name))
			})
			if in && (len(rule.Users) == 0 || slices.Contains(rule.Users, e.User.Username)) && (len(rule.Verbs) == 0 || slices.Contains(rule.Verbs, e.Verb)) {
				return rule.Level
			}
		}
		return "None"
	}
	c := must(New(fileConfig("/var/log/audit.log"), testEnv()))
	for _, l := range splitLines(recorded(t)) {
		e, err := parse(l)
		if err != nil {
			t.Fatal(err)
		}
		if c.keeper.keep(e) && level(e) != "Metadata" {
			t.Errorf("%s is kept, and written at level %s", e.AuditID, level(e))
		}
	}
	probe := &event{Verb: "list", User: user{Username: "system:serviceaccount:evidenced:evidenced-audit"}, ObjectRef: &objectRef{Resource: "namespaces"}}
	for e, want := range map[*event]string{
		probe: "Metadata",
		{Verb: "get", User: user{Username: "system:kube-controller-manager"}, ObjectRef: &objectRef{Resource: "secrets"}}: "Metadata",
		{Verb: "list", User: user{Username: "system:kube-scheduler"}, ObjectRef: &objectRef{Resource: "pods"}}:            "None",
	} {
		if got := level(e); got != want {
			t.Errorf("%s of %s by %s: level %s, want %s", e.Verb, e.ObjectRef.Resource, e.User.Username, got, want)
		}
	}
}
