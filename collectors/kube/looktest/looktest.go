// Package looktest hands recorded objects to the functions of a collector's
// resources, as the engine of collectors/kube would after a list or a watch, but
// without a server.
package looktest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// New makes a look at a cluster with these namespaces, by their labels, and more.
func New(source evidence.SourceID, agent string, at time.Time, namespaces map[string]map[string]string, more ...kube.Namespace) *kube.Look {
	for name, labels := range namespaces {
		more = append(more, kube.Namespace{Name: name, UID: "uid-of-" + name, Labels: labels})
	}
	return kube.NewLook(source, agent, at, more...)
}

// Give hands an object to the resource of the name ("policyreports.wgpolicyk8s.io";
// of the core group "configmaps"), as one that is there or that is gone. Every draft
// must be one that a log takes.
func Give(t testing.TB, resources []kube.Resource, l *kube.Look, name string, raw []byte, gone bool) ([]evidence.Draft, error) {
	t.Helper()
	i := slices.IndexFunc(resources, func(r kube.Resource) bool { return Name(r) == name })
	if i < 0 {
		t.Fatalf("no resource %s", name)
	}
	r := resources[i]
	o, err := kube.ParseObject(raw, l.Now, r.Remove...)
	if err != nil {
		return nil, err
	}
	o.APIVersion, o.Kind = strings.TrimPrefix(r.Group+"/"+r.Versions[0], "/"), r.Kind
	read := r.Drafts
	if gone {
		read = r.Gone
	}
	ds, err := read(t.Context(), o, l)
	for _, d := range ds {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
	return ds, err
}

// Objects gives the drafts of all objects of an archive (see kubetest.Objects), in
// the order of the resources.
func Objects(t testing.TB, resources []kube.Resource, l *kube.Look, file string) (out []evidence.Draft) {
	t.Helper()
	objects := kubetest.Objects(t, file)
	for _, r := range resources {
		for _, raw := range objects[Name(r)] {
			ds, err := Give(t, resources, l, Name(r), raw, false)
			if err != nil {
				t.Fatalf("%s: %v\n%s", Name(r), err, raw)
			}
			out = append(out, ds...)
		}
	}
	return out
}

// Name is what a resource is called in archives and in tests.
func Name(r kube.Resource) string { return strings.TrimSuffix(r.Resource+"."+r.Group, ".") }

// Works fails the test if a collector that watches does not follow its source, or
// one that polls does, or if doctor cannot examine it.
func Works(t testing.TB, c collectors.Collector, watches bool) {
	t.Helper()
	if _, follows := c.(collectors.Follower); follows != watches {
		t.Errorf("it follows: %t, want %t", follows, watches)
	}
	if _, examines := c.(collectors.Examiner); !examines {
		t.Error("it cannot be examined")
	}
}
