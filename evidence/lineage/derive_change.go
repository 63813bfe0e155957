package lineage

import (
	"slices"
	"strings"

	"evidenced/evidence"
)

// merge joins a request with the commits it proposed, the one it landed as and
// the pipelines that ran for it. A request that was merged without a commit of its own landed as its head.
func (r *reading) merge() {
	var f evidence.MergeFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	self := thing(r.rec.Subject)
	merged := f.State == "merged" || !f.MergedAt.IsZero()
	landed := f.MergeSHA
	if landed == "" && merged {
		landed = f.HeadSHA
	}
	for at, c := range r.links("commit") {
		if c.Name == f.HeadSHA || c.Name != landed {
			// Beside the listed commits, heads that were pushed over.
			r.add(thing(c), self, StepProposed, BySource, r.field(at, []string{c.Name}, "head_sha", "commits")).after = f.OpenedAt
		}
		if merged && c.Name == landed {
			r.add(self, thing(c), StepLanded, BySource, r.field(at, []string{c.Name}, "merge_sha", "head_sha")).after = f.MergedAt
		}
	}
	for at, p := range r.links("pipeline") {
		r.add(self, thing(p), StepRan, BySource, at).after = f.OpenedAt
	}
}

func (r *reading) review() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("change") {
		r.add(self, thing(c), StepReviews, BySource, r.field(at, []string{last(c.Name, "!")}, "number")).after = r.rec.Occurred
	}
	for at, c := range r.links("commit") {
		r.add(thing(c), self, StepReviewed, BySource, r.field(at, []string{c.Name}, "commit")).after = r.rec.Occurred
	}
}

func (r *reading) pipeline() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("commit") {
		r.add(thing(c), self, StepRan, BySource, r.field(at, []string{c.Name}, "sha")).after = r.rec.Occurred
	}
	for at, c := range r.links("change") {
		r.add(thing(c), self, StepRan, BySource, r.field(at, []string{last(c.Name, "!")}, "change")).after = r.rec.Occurred
	}
	parent, _ := r.facts["parent"].(string)
	for at, c := range r.links("pipeline") {
		if parent != "" && (parent == c.Name || parent == last(c.Name, "/")) {
			r.add(thing(c), self, StepRan, BySource, "/facts/parent").after = r.rec.Occurred
			continue
		}
		r.add(self, thing(c), StepRan, BySource, at).after = r.rec.Occurred // one that it started
	}
	for at, i := range r.links("image") {
		r.add(self, thing(i), StepNamed, BySource, at).after = r.rec.Occurred
	}
}

func (r *reading) check() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("commit") {
		r.add(thing(c), self, StepChecked, BySource, r.field(at, []string{c.Name}, "sha")).after = r.rec.Occurred
	}
	for at, c := range r.links("pipeline") {
		r.add(thing(c), self, StepChecked, BySource, r.field(at, []string{last(c.Name, "/")}, "suite", "id")).after = r.rec.Occurred
	}
}

// report joins a security report with its commit and pipeline. The image it
// names is one that the pipeline looked at.
func (r *reading) report() {
	self := about(r.rec)
	for at, c := range r.refs("commit") {
		r.add(thing(c), self, StepReported, BySource, r.field(at, []string{c.Name}, "sha")).after = r.rec.Occurred
	}
	for at, c := range r.refs("pipeline") {
		r.add(thing(c), self, StepReported, BySource, r.field(at, []string{last(c.Name, "/"), c.Name}, "pipeline")).after = r.rec.Occurred
	}
	for at, i := range r.refs("image") {
		r.add(self, thing(i), StepNamed, BySource, r.field(at, []string{i.Name}, "digest")).after = r.rec.Occurred
	}
	for at, i := range r.refs("imagetag") {
		r.add(self, thing(i), StepNamed, ByName, r.field(at, []string{i.Name}, "image")).after = r.rec.Occurred
	}
}

// image joins an image with the commit that it says it was built from, the
// images of an index and the tags that point at it.
func (r *reading) image() {
	var f evidence.ArtifactFacts
	if r.rec.Decode(&f) != nil || f.Digest == "" {
		return
	}
	self := about(r.rec)
	for at, c := range r.links("commit") {
		r.add(thing(c), self, StepBuilt, ByClaim, r.field(at, []string{c.Name, "sha1:" + c.Name}, "revision"))
	}
	for at, i := range r.refs("image") {
		r.add(self, thing(i), StepChild, BySource, r.field(at, []string{i.Name}, "children"))
	}
	for at, t := range r.links("imagetag") {
		r.add(self, thing(t), StepTagged, BySource, r.field(at, []string{last(t.Name, ":")}, "tags"))
	}
}

func (r *reading) ofImage(step Step) {
	self := about(r.rec)
	subject, _ := r.facts["subject"].(string) // the digest that a bill of materials or signature belongs to
	for at, i := range r.refs("image") {
		if subject != "" && i.Name != subject {
			continue
		}
		e := r.add(thing(i), self, step, BySource, r.field(at, []string{i.Name}, "subject", "digest"))
		if r.rec.Op == evidence.OpEvent || r.rec.Op == evidence.OpAmend {
			e.after = r.rec.Occurred
		}
	}
}

func (r *reading) scan()      { r.ofImage(StepScanned) }
func (r *reading) sbom()      { r.ofImage(StepDescribed) }
func (r *reading) signature() { r.ofImage(StepSigned) }

// registryLine joins a line of a registry's audit log with the image it names.
// A line that names a tag alone touched whatever the tag pointed at.
func (r *reading) registryLine() {
	self := about(r.rec)
	named := false
	for at, i := range r.refs("image") {
		r.add(thing(i), self, StepTouched, BySource, r.field(at, []string{i.Name}, "digest", "resource"))
		named = true
	}
	if named {
		return
	}
	for at, t := range r.refs("imagetag") {
		r.add(thing(t), self, StepTouched, ByName, r.field(at, []string{last(t.Name, ":"), t.Name}, "tag", "resource"))
	}
}

// sync joins an operation with what it deployed and, where it succeeded, with
// the application.
func (r *reading) sync() {
	var f evidence.SyncFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	self := about(r.rec)
	for at, c := range r.links("commit", "image") {
		if f.Flux != nil && r.toldByFlux(c, f.Flux.OriginCommit, f.Flux.OCIDigest, func(proof Proof, at string) {
			r.add(thing(c), self, StepSynced, proof, at).after = r.rec.Occurred
		}) {
			continue
		}
		if !slices.ContainsFunc(f.Revisions, func(rev string) bool { return strings.HasSuffix(rev, c.Name) }) {
			continue // an image of the manifests, not what was synced
		}
		r.add(thing(c), self, StepSynced, BySource, r.field(at, []string{c.Name}, "revisions")).after = r.rec.Occurred
	}
	if f.Phase != "Succeeded" || f.DryRun {
		return
	}
	for at, a := range r.refs("app") {
		r.add(self, thing(a), StepDeployed, BySource, r.field(at, []string{f.UID}, "uid")).after = r.rec.Occurred
	}
}

// toldByFlux links what Flux tells beside the revision: the digest of a chart, and
// the commit that an artifact says it was made from, which is its maker's word.
func (r *reading) toldByFlux(c evidence.Ref, commit, digest string, link func(proof Proof, at string)) bool {
	switch c.Name {
	case commit:
		link(ByClaim, "/facts/flux/origin_commit")
	case digest:
		link(BySource, "/facts/flux/oci_digest")
	default:
		return false
	}
	return true
}

// app joins an application with the commits and images it runs. A commit that
// it was only compared with is declared, not run.
func (r *reading) app() {
	var f evidence.DeployFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	self := thing(r.rec.Subject)
	runs := f.SyncedRevisions
	if len(runs) == 0 && f.Sync == "Synced" {
		runs = f.Revisions
	}
	for at, c := range r.links("commit", "image") {
		if f.Flux != nil && r.toldByFlux(c, f.Flux.OriginCommit, f.Flux.OCIDigest, func(proof Proof, at string) {
			r.add(thing(c), self, StepRunBy, proof, at)
		}) {
			continue
		}
		switch of := func(list []string) bool {
			return slices.ContainsFunc(list, func(rev string) bool { return strings.HasSuffix(rev, c.Name) })
		}; {
		case of(runs):
			r.add(thing(c), self, StepRunBy, BySource, r.field(at, []string{c.Name}, "synced_revisions", "revisions"))
		case of(f.Revisions):
			r.add(thing(c), self, StepDeclared, BySource, r.field(at, []string{c.Name}, "revisions"))
		default:
			r.add(thing(c), self, StepRunBy, BySource, r.imageField(at, c, "images"))
		}
	}
	for at, t := range r.links("imagetag") {
		r.add(thing(t), self, StepRunBy, ByName, r.imageField(at, t, "images"))
	}
	for at, n := range r.links("namespace") {
		r.add(thing(n), self, StepHolds, BySource, r.field(at, []string{n.Name}, "namespace"))
	}
}

// imageField finds the fact that is an image's reference: whole, or ending in
// its digest.
func (r *reading) imageField(place string, ref evidence.Ref, names ...string) string {
	for _, name := range names {
		if p, ok := findSuffix("/facts/"+name, r.facts[name], ref.Name); ok {
			return p
		}
	}
	return place
}

func findSuffix(at string, v any, suffix string) (string, bool) {
	var hit func(any) []string
	hit = func(v any) (vs []string) {
		switch v := v.(type) {
		case string:
			if strings.HasSuffix(v, suffix) || strings.HasSuffix(suffix, "/"+v) {
				return []string{v}
			}
		case []any:
			for _, x := range v {
				vs = append(vs, hit(x)...)
			}
		case map[string]any:
			for _, x := range v {
				vs = append(vs, hit(x)...)
			}
		}
		return vs
	}
	return find(at, v, hit(v))
}

func (r *reading) release() {
	self := thing(r.rec.Subject)
	for at, c := range r.links("commit") {
		r.add(thing(c), self, StepReleased, BySource, r.field(at, []string{c.Name}, "sha")).after = r.rec.Occurred
	}
	for at, c := range r.links("pipeline") {
		r.add(thing(c), self, StepReleased, BySource, r.field(at, []string{last(c.Name, "/")}, "pipeline")).after = r.rec.Occurred
	}
}

// infraRun joins a run of infrastructure with the commit that its configuration
// came from. A run whose apply never began changed nothing.
func (r *reading) infraRun() {
	var f evidence.InfraRunFacts
	if r.rec.Decode(&f) != nil {
		return
	}
	step := StepPlanned
	if f.Began != nil && *f.Began {
		step = StepApplied
	}
	for at, c := range r.links("commit") {
		r.add(thing(c), thing(r.rec.Subject), step, BySource, r.field(at, []string{c.Name}, "commit")).after = r.rec.Occurred
	}
}

// infraState joins a version of a state with the run that wrote it.
func (r *reading) infraState() {
	for at, c := range r.links("tfrun") {
		r.add(thing(c), thing(r.rec.Subject), StepWrote, BySource, r.field(at, []string{last(c.Name, "/")}, "run")).after = r.rec.Occurred
	}
}
