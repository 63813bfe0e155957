package kube

import (
	"context"
	"errors"
	"time"

	"evidenced/evidence"
)

// Resource is one kind of object that a collector lists and watches.
type Resource struct {
	Group    string   // "velero.io"; "" for the core group
	Resource string   // as in the path: "restores"
	Kind     string   // "Restore": lists leave it out of their items
	Versions []string // served versions it understands, best first; the first that the cluster serves is used
	Cluster  bool     // cluster-scoped
	// In and Named limit the resource to the one object of that name in that
	// namespace, whichever namespaces are read of the others: a right on it alone
	// is enough. Both or neither.
	In, Named string
	// Metadata asks for labels, annotations and owners alone: neither spec nor
	// data ever leaves the server.
	Metadata bool
	// Optional says that a cluster may do without it. A cluster that lacks a
	// resource which is not optional makes the run partial.
	Optional bool
	// Waived says that a credential which may not read it costs the kinds no
	// coverage: the collector tells what is not known for that, by Look.Refused.
	Waived   bool
	selector string // fieldSelector of the engine's own lists
	// Kinds are the kinds it yields. Their states end when the object is gone:
	// reason deleted on the server's word, absent when a complete list lacks it.
	Kinds []evidence.Kind
	// Needs names resources of the collector, with their group, that this one's
	// drafts build on: they are read first. They must stand before it. What needs
	// namespaces begins when the look knows them too, be it of the cluster itself.
	Needs []string
	// Remove are JSON pointers of members that are taken out of each object
	// before anybody sees it, beside those that always are; the segment *
	// stands for every member or element:
	// "/spec/containers/*/env/*/value".
	Remove []string
	// Drafts makes drafts of an object. The error says that this object could
	// not be read; it is told without its text, the run is partial and the
	// rest goes on. Engine and function share the object's memory: do not keep
	// Raw.
	Drafts func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error)
	// Gone makes the drafts of an object whose deletion the server told. When
	// nil, the states that Drafts makes of its last form end with the reason
	// deleted.
	Gone func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error)
	// Listed, where there is one, makes the drafts of what a list lacks, for
	// events, which nothing ends. It is told of a list alone that came in full and
	// of which every object was understood. The error says that the list is to be
	// made again.
	Listed func(ctx context.Context, list *List, l *Look) ([]evidence.Draft, error)
}

// List is a list that shows all there is.
type List struct {
	Namespace string // of this one alone; "" of all
	// Since is until when what had been told was known to be all there is; zero
	// when it is not known. After it, objects went unseen.
	Since   time.Time
	Request evidence.Request                          // how it was asked for
	Has     func(uid string) bool                     // whether an object was in it
	Space   func(name string) (uid string, err error) // asks for a namespace as it is now; "" when there is none
}

// name is the resource with its group, as people and CRDs write it:
// "restores.velero.io", "pods".
func (r *Resource) name() string {
	if r.Group == "" {
		return r.Resource
	}
	return r.Resource + "." + r.Group
}

// path is the address of the resource in one version below the server's root,
// within a namespace when one is given.
func (r *Resource) path(version, namespace string) string {
	p := "/apis/" + r.Group + "/" + version
	if r.Group == "" {
		p = "/api/" + version
	}
	if namespace != "" {
		p += "/namespaces/" + namespace
	}
	return p + "/" + r.Resource
}

// chosen is the fieldSelector of the lists; empty for all objects.
func (r *Resource) chosen() string {
	if r.Named != "" {
		return "metadata.name=" + r.Named
	}
	return r.selector
}

// apiVersion is what an object of the resource says of itself.
func (r *Resource) apiVersion(version string) string {
	if r.Group == "" {
		return version
	}
	return r.Group + "/" + version
}

// check refuses a resource that is not told in full: a programmer's mistake.
func (r *Resource) check() (*cutter, error) {
	switch {
	case !pathSegment(r.Resource) || r.Group != "" && !pathSegment(r.Group) || r.Kind == "":
		return nil, errors.New("no resource, group or kind that a path can hold")
	case len(r.Versions) == 0:
		return nil, errors.New("no version")
	case (r.In == "") != (r.Named == "") || r.In != "" && (r.Cluster || !pathSegment(r.In) || !pathSegment(r.Named)):
		return nil, errors.New("one object needs its namespace and its name, as a path can hold them")
	case r.Drafts == nil:
		return nil, errors.New("no drafts function")
	}
	for _, v := range r.Versions {
		if !pathSegment(v) {
			return nil, errors.New("no version that a path can hold")
		}
	}
	return parseCuts(r.Remove)
}
