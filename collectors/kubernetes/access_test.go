package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/reach"

	"go.yaml.in/yaml/v3"
)

// The roles that we ask for open what is read, and no more: nothing that
// writes, and no way to a Secret.
func TestAccess(t *testing.T) {
	var b []byte
	for _, name := range []string{"reader.yaml", "role.yaml"} {
		part, err := os.ReadFile("../../deploy/access/kubernetes/" + name)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, part...), "\n---\n"...)
	}
	role := evidence.RBACFacts{Kind: "ClusterRole", Name: "r"}
	open := map[string]bool{}
	for dec := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var o struct {
			Kind  string `yaml:"kind"`
			Rules []struct {
				Groups    []string `yaml:"apiGroups"`
				Resources []string `yaml:"resources"`
				Verbs     []string `yaml:"verbs"`
			} `yaml:"rules"`
		}
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, r := range o.Rules {
			if !slices.Equal(r.Verbs, []string{"get", "list", "watch"}) {
				t.Errorf("verbs %q", r.Verbs)
			}
			role.Rules = append(role.Rules, evidence.RBACRule{Verbs: r.Verbs, Groups: r.Groups, Resources: r.Resources})
			for _, g := range r.Groups {
				for _, x := range r.Resources {
					open[g+"/"+x] = true
				}
			}
		}
	}
	for _, r := range testConfig().resources() {
		if !open[r.Group+"/"+r.Resource] {
			t.Errorf("%s %s is read, and not in the role", r.Group, r.Resource)
		}
		delete(open, r.Group+"/"+r.Resource)
	}
	for x := range open {
		t.Errorf("%s is in the role, and not read", x)
	}
	binding := evidence.RBACFacts{Kind: "ClusterRoleBinding", Name: "b", RoleKind: "ClusterRole", RoleName: "r", Subjects: []evidence.RBACSubject{{Kind: "ServiceAccount", Person: -1}}}
	if gs := reach.Secrets([]evidence.RBACFacts{role, binding}, "tenant-7", ""); len(gs) > 0 {
		t.Errorf("the role leads to Secrets: %+v", gs)
	}
}
