package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// shelf is what registries are known to hold or to have held: artifacts by
// digest, the indexes they are part of, and the tags that point at them.
//
// A node may report the digest of one platform's image where the registry
// lists only the index, and the other way round. So a digest is looked up
// together with the indexes that hold it.
type shelf struct {
	reader   evidence.Reader
	states   []*shelved
	byDigest map[string][]*shelved
	parents  map[string][]string          // image -> indexes that hold it
	places   map[string]bool              // host/project that some source shows
	caches   map[string]bool              // those that hold copies of another registry's images
	tags     map[string][]tagSpan         // host/project/repository:tag
	asked    map[string]bool              // digests that were asked for one by one
	newest   map[evidence.Ref]*shelved    // of each artifact, while reading
	sources  map[string]evidence.SourceID // host -> source that shows it
}

// shelved is one state of one artifact.
type shelved struct {
	seq        uint64
	endSeq     uint64
	source     evidence.SourceID
	subject    evidence.Ref
	host       string
	project    string
	repository string // without the project
	digest     string
	children   []string // of an index, without attestations
	cut        bool     // the list of children may lack some
	revision   string
	origin     string // repository that the builder names
	tags       []evidence.ArtifactTag
	from       time.Time
	notBefore  time.Time // the last look before from; zero: none
	until      time.Time // zero: still there
	lastLook   time.Time // the last look that still showed it as it was
	ended      bool      // it went; else another state followed
	looked     bool      // looked up by digest: it was there before the period
}

func (a *shelved) place() string { return a.host + "/" + a.project }
func (a *shelved) name() string  { return a.place() + "/" + a.repository }

// tagSpan is a tag pointing at a digest for a while.
type tagSpan struct {
	digest string
	at     *shelved
	pushed time.Time // when the tag was put there, as the registry says; zero: not said
}

// maxChildren is how many images of an index a record lists.
const maxChildren = 40

// shelf returns what the registries hold in the scene's period.
func (s *scene) shelf(ctx context.Context) (*shelf, error) {
	return s.delivery.shelf.get(s, func() (*shelf, error) { return s.newShelf(ctx) })
}

func (s *scene) newShelf(ctx context.Context) (*shelf, error) {
	x := &shelf{
		reader: s.reader, byDigest: map[string][]*shelved{}, parents: map[string][]string{}, places: map[string]bool{}, caches: map[string]bool{},
		tags: map[string][]tagSpan{}, asked: map[string]bool{}, newest: map[evidence.Ref]*shelved{}, sources: map[string]evidence.SourceID{},
	}
	if err := eachState(ctx, s.reader, s.period, evidence.ArtifactImage, x.take); err != nil {
		return nil, fmt.Errorf("artifacts: %w", err)
	}
	err := eachState(ctx, s.reader, s.period, evidence.RegistryProject, func(r *evidence.Record) error {
		var f evidence.RegistryProjectFacts
		if r.Op != evidence.OpSet {
			return nil
		}
		if err := r.Decode(&f); err != nil {
			return err
		}
		x.places[f.Registry+"/"+f.Project] = true
		if f.ProxyCache {
			x.caches[f.Registry+"/"+f.Project] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("registry projects: %w", err)
	}
	x.newest = nil
	return x, nil
}

// take reads one record of an artifact.
func (x *shelf) take(r *evidence.Record) error {
	if was := x.newest[r.Subject]; was != nil && was.source == r.Source && was.until.IsZero() {
		was.until, was.endSeq, was.lastLook = r.Occurred, r.Seq, r.NotBefore
		if r.Op != evidence.OpSet {
			var end struct {
				Reason string `json:"reason"`
			}
			if len(r.Facts) > 0 {
				if err := r.Decode(&end); err != nil {
					return err
				}
			}
			was.ended = end.Reason != "reassigned" // it is there still, and another tenant's
		}
	}
	if r.Op != evidence.OpSet {
		return nil
	}
	a, err := readShelved(r)
	if err != nil {
		return err
	}
	if x.newest != nil {
		x.newest[r.Subject] = a
	}
	x.put(a)
	return nil
}

func readShelved(r *evidence.Record) (*shelved, error) {
	var f evidence.ArtifactFacts
	if err := r.Decode(&f); err != nil {
		return nil, err
	}
	a := &shelved{
		seq: r.Seq, source: r.Source, subject: r.Subject, host: f.Registry, project: f.Project, repository: f.Repository, digest: f.Digest,
		revision: strings.ToLower(f.Revision), origin: f.Source, tags: f.Tags, from: r.Occurred, notBefore: r.NotBefore,
		cut: len(f.Children) >= maxChildren,
	}
	for _, c := range f.Children {
		if !strings.HasPrefix(c.Platform, "unknown") { // what is attached to an index stands there too
			a.children = append(a.children, c.Digest)
		}
	}
	return a, nil
}

func (x *shelf) put(a *shelved) {
	x.places[a.place()] = true
	x.sources[a.host] = a.source
	x.states = append(x.states, a)
	x.byDigest[a.digest] = append(x.byDigest[a.digest], a)
	for _, c := range a.children {
		if !slices.Contains(x.parents[c], a.digest) {
			x.parents[c] = append(x.parents[c], a.digest)
		}
	}
	for _, t := range a.tags {
		key := a.name() + ":" + t.Name
		x.tags[key] = append(x.tags[key], tagSpan{a.digest, a, t.PushedAt})
	}
}

// find returns the states of the artifacts that are the digest or an index
// that holds it. What was gone before the period is asked for by name.
func (x *shelf) find(ctx context.Context, digest string) ([]*shelved, error) {
	if len(x.byDigest[digest]) == 0 && len(x.parents[digest]) == 0 && digest != "" && !x.asked[digest] {
		x.asked[digest] = true
		q := evidence.Query{Kinds: []evidence.Kind{evidence.ArtifactImage}, Link: evidence.NewRef("image", "", digest), Backward: true, Limit: 4}
		for r, err := range x.reader.Records(ctx, q) {
			if err != nil {
				return nil, fmt.Errorf("artifact by digest: %w", err)
			}
			if r.Op != evidence.OpSet {
				continue
			}
			a, err := readShelved(&r)
			if err != nil {
				return nil, err
			}
			a.until, a.ended, a.looked = a.from, true, true // all that is known: it was there then
			x.put(a)
		}
	}
	found := slices.Clone(x.byDigest[digest])
	for _, p := range x.parents[digest] {
		found = append(found, x.byDigest[p]...)
	}
	return found, nil
}

// related lists the digests that stand for the image as a whole: its own, and
// those of the indexes that hold it.
func (x *shelf) related(digest string) []string {
	return append([]string{digest}, x.parents[digest]...)
}

// children lists the images of an index, nil when the digest is none.
func (x *shelf) children(digest string) []string {
	var cs []string
	for _, a := range x.byDigest[digest] {
		for _, c := range a.children {
			if !slices.Contains(cs, c) {
				cs = append(cs, c)
			}
		}
	}
	return cs
}

// same reports whether two digests are of one image: equal, or one is an index
// that holds the other. Unknown when the registry does not say enough.
func (x *shelf) same(a, b string) tri {
	switch {
	case a == b:
		return yes
	case slices.Contains(x.parents[a], b), slices.Contains(x.parents[b], a):
		return yes
	case x.whole(a) && x.whole(b), x.whole(a) && x.lists(a), x.whole(b) && x.lists(b):
		return no
	}
	return unknown
}

// whole reports whether the registry told everything about a digest: it is
// there, and its list of images was not cut.
func (x *shelf) whole(digest string) bool {
	as := x.byDigest[digest]
	return len(as) > 0 && !slices.ContainsFunc(as, func(a *shelved) bool { return a.cut })
}

// lists reports whether the digest is an index.
func (x *shelf) lists(digest string) bool { return len(x.children(digest)) > 0 }

// watched reports whether some source shows the registry project that an image
// was pulled from, given as host/project/repository.
func (x *shelf) watched(from string) bool {
	host, rest, _ := strings.Cut(from, "/")
	project, _, _ := strings.Cut(rest, "/")
	return x.places[host+"/"+project]
}
