package looktest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// Rules returns the rules of the roles in files. Each must let things be got, listed
// and watched, and nothing else.
func Rules(t testing.TB, files ...string) (rules []evidence.RBACRule) {
	t.Helper()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(b)); ; {
			var o struct {
				Rules []struct {
					Groups    []string `yaml:"apiGroups"`
					Resources []string `yaml:"resources"`
					Verbs     []string `yaml:"verbs"`
				} `yaml:"rules"`
			}
			if err := dec.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, r := range o.Rules {
				if !slices.Equal(r.Verbs, []string{"get", "list", "watch"}) {
					t.Errorf("%s gives %q on %s", file, r.Verbs, r.Resources)
				}
				rules = append(rules, evidence.RBACRule{Verbs: r.Verbs, Groups: r.Groups, Resources: r.Resources})
			}
		}
	}
	return rules
}

// ReadsOnly holds rules of roles against what the resources read, and more that is
// read beside them as RESOURCE.GROUP, with the dot for the core group too
// ("namespaces."): that is given, and nothing else.
func ReadsOnly(t testing.TB, rules []evidence.RBACRule, resources []kube.Resource, more ...string) {
	t.Helper()
	for _, r := range resources {
		more = append(more, r.Resource+"."+r.Group)
	}
	given := map[string]bool{}
	for _, r := range rules {
		for _, g := range r.Groups {
			for _, name := range r.Resources {
				given[name+"."+g] = true
			}
		}
	}
	slices.Sort(more)
	if d := cmp.Diff(slices.Compact(more), slices.Sorted(maps.Keys(given))); d != "" {
		t.Errorf("roles (-what is read +what they give):\n%s", d)
	}
}
