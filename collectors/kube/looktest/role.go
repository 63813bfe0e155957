package kubetest

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
)

// ReadsOnly holds the rules of a file of roles against what is read, each as
// RESOURCE.GROUP, with the dot for the core group too ("namespaces."): the roles
// let that be got, listed and watched, and give nothing else.
func ReadsOnly(t testing.TB, file string, read ...string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
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
			t.Fatal(err)
		}
		for _, r := range o.Rules {
			if !slices.Equal(r.Verbs, []string{"get", "list", "watch"}) {
				t.Errorf("the role gives %q on %s", r.Verbs, r.Resources)
			}
			for _, g := range r.Groups {
				for _, name := range r.Resources {
					given[name+"."+g] = true
				}
			}
		}
	}
	want := slices.Sorted(slices.Values(read))
	if d := cmp.Diff(slices.Compact(want), slices.Sorted(maps.Keys(given))); d != "" {
		t.Errorf("%s (-what is read +what it gives):\n%s", file, d)
	}
}
