package mappings

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
)

// bound is what is attached to images: signatures and bills of materials, by
// the digest they belong to.
type bound struct {
	signatures map[string][]*attached
	sboms      map[string][]*attached
}

// attached is one accessory over the time it was seen.
type attached struct {
	seq       uint64
	made      time.Time // as the registry says; zero: not said
	from      time.Time // first seen
	notBefore time.Time // the last look before that; zero: none
	until     time.Time // zero: still there
	byBuild   bool
}

// bound returns what is attached to images in the scene's period.
func (s *scene) bound(ctx context.Context) (*bound, error) {
	return s.delivery.bound.get(s, func() (*bound, error) { return s.newBound(ctx) })
}

func (s *scene) newBound(ctx context.Context) (*bound, error) {
	b := &bound{signatures: map[string][]*attached{}, sboms: map[string][]*attached{}}
	if err := b.load(ctx, s, evidence.ArtifactSigned, b.signatures); err != nil {
		return nil, fmt.Errorf("signatures: %w", err)
	}
	if err := b.load(ctx, s, evidence.ArtifactSBOM, b.sboms); err != nil {
		return nil, fmt.Errorf("bills of materials: %w", err)
	}
	return b, nil
}

func (b *bound) load(ctx context.Context, s *scene, kind evidence.Kind, into map[string][]*attached) error {
	type key struct {
		source evidence.SourceID
		ref    evidence.Ref
	}
	open := map[key]*attached{}
	return eachState(ctx, s.reader, s.period, kind, func(r *evidence.Record) error {
		k := key{r.Source, r.Subject}
		if a := open[k]; a != nil {
			a.until = firstTime(r.NotBefore, r.Occurred)
			delete(open, k)
			if r.Op == evidence.OpSet {
				a.until = r.Occurred // the next state goes on
			}
		}
		if r.Op != evidence.OpSet {
			return nil
		}
		var f struct {
			Subject   string    `json:"subject"`
			Type      string    `json:"type"`
			Maker     string    `json:"maker"`
			CreatedAt time.Time `json:"created_at"`
		}
		if err := r.Decode(&f); err != nil {
			return err
		}
		if kind == evidence.ArtifactSigned && !isSignature(f.Type) {
			return nil
		}
		a := &attached{seq: r.Seq, made: f.CreatedAt, from: r.Occurred, notBefore: r.NotBefore, byBuild: f.Maker == "build"}
		open[k] = a
		into[f.Subject] = append(into[f.Subject], a)
		return nil
	})
}

// isSignature tells a signature from other accessories that a registry keeps
// beside an artifact.
func isSignature(kind string) bool { return strings.HasPrefix(strings.ToLower(kind), "signature.") }

// there says whether the accessory stood at its image at t.
func (a *attached) there(t time.Time) tri {
	if !a.until.IsZero() && a.until.Add(clockSlack).Before(t) {
		return no
	}
	begin := firstTime(a.made, a.from)
	switch {
	case begin.Add(clockSlack).Before(t):
		return yes
	case begin.After(t.Add(clockSlack)):
		if a.made.IsZero() && (a.notBefore.IsZero() || a.notBefore.Before(t)) {
			return unknown // first seen later; when it was made nobody says
		}
		return no
	}
	return unknown
}

// signature says whether a signature stood at the image when it first ran.
func (b *imageBench) signature(it *item, digest string, run time.Time) {
	best, any := no, false
	for _, d := range b.shelf.related(digest) {
		for _, a := range b.bound.signatures[d] {
			any = true
			switch a.there(run) {
			case yes:
				it.also(a.seq)
				it.set("signed_before_run", true)
				return
			case unknown:
				best = unknown
			}
			it.also(a.seq)
		}
	}
	switch {
	case best == unknown:
		it.lacks("signed_before_run", "it cannot be told whether the signature or the first run came first")
	case any:
		it.set("signed_before_run", false)
		it.why["signed_before_run"] = "its signature was not there when it began to run at " + evidence.FormatTime(run)
	default:
		it.set("signed_before_run", false)
		it.why["signed_before_run"] = "no signature of it is known"
	}
}

// sbom says whether a bill of materials was bound to the image when it last
// ran.
func (b *imageBench) sbom(it *item, digest string, end time.Time) {
	found, byBuild := false, false
	take := func(d string) (there bool) {
		for _, a := range b.bound.sboms[d] {
			it.also(a.seq)
			if a.until.IsZero() || !a.until.Before(end) {
				there, byBuild = true, byBuild || a.byBuild
			}
		}
		return there
	}
	for _, d := range b.shelf.related(digest) {
		found = take(d) || found
	}
	if children := b.shelf.children(digest); !found && len(children) > 0 {
		found = true
		for _, c := range children {
			found = take(c) && found
		}
	}
	it.set("sbom", found).set("sbom_by_build", found && byBuild)
	if !found {
		it.why["sbom"] = "no bill of materials was bound to it when it last ran"
	}
}
