package kube

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Roles that we publish for clusters only read, and never Secrets.
func TestPublishedRolesOnlyRead(t *testing.T) {
	files, err := filepath.Glob("../../deploy/access/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	roles := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(b)); ; {
			var o struct {
				Kind  string `yaml:"kind"`
				Rules []struct {
					APIGroups     []string `yaml:"apiGroups"`
					Resources     []string `yaml:"resources"`
					ResourceNames []string `yaml:"resourceNames"`
					Verbs         []string `yaml:"verbs"`
				} `yaml:"rules"`
			}
			if err := dec.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				break // not of the shape of a role
			}
			if o.Kind != "ClusterRole" && o.Kind != "Role" {
				continue
			}
			roles++
			for _, r := range o.Rules {
				for _, v := range r.Verbs {
					if v != "get" && v != "list" && v != "watch" {
						t.Errorf("%s: a role gives %q", name, v)
					}
				}
				if slices.Contains(r.Resources, "*") || slices.Contains(r.APIGroups, "*") {
					t.Errorf("%s: a role gives everything of %q", name, r.APIGroups)
				}
				if slices.Contains(r.Resources, "secrets") {
					t.Errorf("%s: a role reads Secrets", name)
				}
			}
		}
	}
	if roles < 2 {
		t.Errorf("%d roles found", roles)
	}
}
