package kube

import (
	"context"
	"errors"
	"slices"
	"time"

	"evidenced/evidence/problem"
)

// discovery is what a server says it serves, asked once for each group.
type discovery struct {
	x      *conn
	groups map[string][]string // served versions by group; nil until asked
	docs   map[string][]string // resources by group and version
	again  *discovery          // of a moment later, once asked for
}

func (x *conn) discovery() *discovery {
	return &discovery{x: x, docs: map[string][]string{}}
}

// errVersion says that a resource is there and cannot be read.
var errVersion = errors.New("it is not understood here")

// version returns the first version of the resource that the server serves; ""
// when it answered in full and does not have the resource. Everything that is
// not a full answer is an error, and so is a resource that is there in versions
// alone that nobody here can read: it is not gone.
func (d *discovery) version(ctx context.Context, r *Resource) (string, error) {
	if d.groups == nil && r.Group != "" {
		if err := d.askGroups(ctx); err != nil {
			return "", err
		}
	}
	served := []string{"v1"} // of the core group
	if r.Group != "" {
		served = d.groups[r.Group]
	}
	known := slices.DeleteFunc(slices.Clone(r.Versions), func(v string) bool { return !slices.Contains(served, v) })
	others := slices.DeleteFunc(slices.Clone(served), func(v string) bool { return slices.Contains(r.Versions, v) })
	for _, v := range slices.Concat(known, others) {
		names, err := d.askResources(ctx, r, v)
		if err != nil {
			return "", err
		}
		if !slices.Contains(names, r.Resource) {
			continue
		}
		if !slices.Contains(r.Versions, v) {
			return "", problem.Wrap(problem.Source, errVersion, "the cluster serves %s in version %s", r.name(), v).
				WithHint("update evidenced, or let the cluster serve one of %v", r.Versions)
		}
		return v, nil
	}
	return "", nil
}

// acceptDiscovery asks for the aggregated form, which tells every group with
// its resources in one answer (stable since Kubernetes 1.30), and takes the
// plain one from older servers.
const acceptDiscovery = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList,application/json"

// groupsAnswer is the answer of /apis in either form.
type groupsAnswer struct {
	Kind   string `json:"kind"`
	Groups []struct {
		Name     string `json:"name"`
		Versions []struct {
			Version string `json:"version"`
		} `json:"versions"`
	} `json:"groups"`
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Freshness string `json:"freshness"` // Current, or Stale: an extension server did not answer
			Resources []struct {
				Resource string `json:"resource"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

func (d *discovery) askGroups(ctx context.Context) error {
	var v groupsAnswer
	if err := d.ask(ctx, "/apis", acceptDiscovery, &v); err != nil {
		return err
	}
	groups := map[string][]string{}
	switch v.Kind {
	case "APIGroupList":
		for _, g := range v.Groups {
			for _, ver := range g.Versions {
				groups[g.Name] = append(groups[g.Name], ver.Version)
			}
		}
	case "APIGroupDiscoveryList":
		for _, g := range v.Items {
			for _, ver := range g.Versions {
				groups[g.Metadata.Name] = append(groups[g.Metadata.Name], ver.Version)
				if ver.Freshness == "Stale" {
					continue // asked for by itself when it is needed
				}
				names := []string{}
				for _, r := range ver.Resources {
					names = append(names, r.Resource)
				}
				d.docs[g.Metadata.Name+"/"+ver.Version] = names
			}
		}
	default:
		return problem.New(problem.Source, "the answer of /apis is no list of API groups").
			WithHint("check that the address leads to a Kubernetes API server")
	}
	d.groups = groups
	return nil
}

func (d *discovery) askResources(ctx context.Context, r *Resource, version string) ([]string, error) {
	if !pathSegment(version) {
		return nil, problem.New(problem.Source, "the server names a version that no path can hold")
	}
	gv := r.apiVersion(version)
	if names, ok := d.docs[gv]; ok {
		return names, nil
	}
	var v struct {
		Kind         string `json:"kind"`
		GroupVersion string `json:"groupVersion"`
		Resources    []struct {
			Name string `json:"name"`
		} `json:"resources"`
	}
	path := "/apis/" + gv
	if r.Group == "" {
		path = "/api/" + gv
	}
	if err := d.ask(ctx, path, "application/json", &v); err != nil {
		return nil, err
	}
	if v.Kind != "APIResourceList" || v.GroupVersion != gv {
		return nil, problem.New(problem.Source, "the answer of %s is no list of resources", path)
	}
	names := []string{}
	for _, res := range v.Resources {
		names = append(names, res.Name)
	}
	d.docs[gv] = names
	return names, nil
}

func (d *discovery) ask(ctx context.Context, path, accept string, v any) error {
	resp, err := d.x.get(ctx, path, accept)
	if err != nil {
		return err
	}
	if err := unmarshal(resp.Body, v); err != nil {
		return problem.New(problem.Source, "the answer of %s %v", path, err)
	}
	return nil
}

// betweenChecks lies between the two looks that a resource is not installed
// takes. A server that has just started names its custom resources a moment
// later than its own.
const betweenChecks = 2 * time.Second

// installed returns the version to read the resource in, or that the cluster
// does not have it: discovery said so in full, twice, and the server called
// itself ready after either time. Whatever else it answers is an error.
func (x *conn) installed(ctx context.Context, r *Resource, first *discovery) (version string, absent bool, err error) {
	for i := range 2 {
		d := first
		if i > 0 {
			if d, err = first.second(ctx); err != nil {
				return "", false, err
			}
		}
		version, err = d.version(ctx, r)
		if err != nil || version != "" {
			return version, false, err
		}
		if err := x.ready(ctx); err != nil {
			return "", false, err
		}
	}
	return "", true, nil
}

// second returns the discovery of a moment later. All resources that the first
// did not name share it: a cluster that lacks many costs one wait.
func (d *discovery) second(ctx context.Context) (*discovery, error) {
	if d.again == nil {
		if err := d.x.sleep(ctx, betweenChecks); err != nil {
			return nil, err
		}
		d.again = d.x.discovery()
	}
	return d.again, nil
}

// ready is nil when the server calls itself ready.
func (x *conn) ready(ctx context.Context) error {
	resp, err := x.get(ctx, "/readyz", "")
	if err != nil {
		return err
	}
	if string(resp.Body) != "ok" {
		return problem.New(problem.Source, "the answer of /readyz is not the word ok")
	}
	return nil
}
