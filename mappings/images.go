package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// The times of a registry and of a cluster are told by different clocks: what
// lies closer together is not put in order.
const clockSlack = time.Minute

var runningImagesView = &view{
	View: View{
		Name: "running_images",
		Doc: "Images that ran in the period: one item for each digest that a node reported for some container, " +
			"init containers and finished pods among them, and one for each image whose digest no node told.",
		Kinds: []evidence.Kind{evidence.RuntimePod},
		Fields: []Field{
			{Name: "digest", Type: "string", Doc: "digest as the node reports it, of one platform's image or of an index; empty when it reports none"},
			{Name: "image", Type: "string", Doc: "image as a pod asked for it; the first one by name where several did"},
			{Name: "from", Type: "string", Doc: "registry host and repository it was pulled from"},
			{Name: "namespaces", Type: "list(string)", Doc: "namespaces it ran in"},
			{Name: "workloads", Type: "list(string)", Doc: "namespace/kind/name of what ran it"},
			{Name: "init_only", Type: "bool", Doc: "only init containers ran it"},
			{Name: "first_run", Type: "timestamp", Doc: "earliest begin of a container that ran it; may lie before the period"},
			{Name: "last_run", Type: "timestamp", Doc: "latest time at which a container was known to run it"},
			{Name: "at_end", Type: "bool", Doc: "some container ran it at the end of the period, or when pods were last looked at before"},
			{Name: "watched", Type: "bool", Needs: []evidence.Kind{evidence.ArtifactImage}, Doc: "some source shows the registry project it was pulled from"},
			{Name: "scanned", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "a scan of the image, or of the index that holds it, finished by the end of the period"},
			{Name: "longest_unscanned", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "greatest age of its newest finished scan while it ran; time before its first scan counts from the first run"},
			{Name: "critical_open", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "longest time that a critical finding had been open while it ran, from the first scan in a row that showed it"},
			{Name: "critical_possible", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_open, counting findings that reports do not list, or of a severity that is not known, as one that stayed"},
			{Name: "high_open", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_open, of high findings"},
			{Name: "high_possible", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_possible, of high findings"},
			{Name: "signed_before_run", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactSigned, evidence.ArtifactImage},
				Doc: "a signature stood at the image, or at the index that holds it, when it first ran in what was seen; nobody verified it"},
			{Name: "sbom", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactSBOM, evidence.ArtifactImage},
				Doc: "a bill of materials is bound to the image, to the index that holds it, or to every image of the index"},
			{Name: "sbom_by_build", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactSBOM, evidence.ArtifactImage},
				Doc: "one of them came with the image and was not made by the registry's own scan"},
			{Name: "commit_known", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactImage, evidence.ChangeCommit, evidence.PipelineRun},
				Doc: "a pipeline or the image's own label names the commit it was built from, and that commit was observed"},
			{Name: "pipeline_known", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactImage, evidence.PipelineRun},
				Doc: "a pipeline that succeeded ran on that commit, or names the image"},
		},
	},
	build:  buildRunningImages,
	steady: true,
}

func buildRunningImages(ctx context.Context, s *scene, yield func(*item) error) error {
	b, err := s.imageBench(ctx)
	if err != nil {
		return err
	}
	for _, g := range b.groups() {
		it, err := b.item(ctx, g)
		if err != nil {
			return err
		}
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

// imageBench has at hand what is asked of a running image.
type imageBench struct {
	s     *scene
	fleet *fleet
	shelf *shelf
	scans *scans
	bound *bound
	built *built
}

func (s *scene) imageBench(ctx context.Context) (*imageBench, error) {
	b := &imageBench{s: s}
	var err error
	if b.fleet, err = s.fleet(ctx); err != nil {
		return nil, err
	}
	if b.shelf, err = s.shelf(ctx); err != nil {
		return nil, err
	}
	if b.scans, err = s.scans(ctx); err != nil {
		return nil, err
	}
	if b.bound, err = s.bound(ctx); err != nil {
		return nil, err
	}
	b.built, err = s.built(ctx)
	return b, err
}

// groups gathers the uses of one digest, in order of first run. Uses without a
// digest are gathered by what was asked for.
func (b *imageBench) groups() [][]*use {
	var gs [][]*use
	at := map[string]int{}
	for _, u := range b.fleet.uses {
		key := u.digest
		if key == "" {
			key = "image " + u.image
		}
		i, ok := at[key]
		if !ok {
			i = len(gs)
			at[key] = i
			gs = append(gs, nil)
		}
		gs[i] = append(gs[i], u)
	}
	return gs
}

func (b *imageBench) item(ctx context.Context, g []*use) (*item, error) {
	u := g[0]
	it := &item{
		seqs: []uint64{u.first}, kind: evidence.RuntimePod, at: later(u.begin(), b.s.period.From), label: imageLabel(u.image, u.digest),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	images, spaces, workloads := []string{}, []string{}, []string{}
	var runs []evidence.Period
	initOnly, atEnd := true, false
	for _, u := range g {
		add(&images, u.image)
		add(&spaces, u.namespace)
		add(&workloads, u.namespace+"/"+u.workload)
		runs = joined(append(runs, u.runs...))
		initOnly, atEnd = initOnly && u.init, atEnd || u.atEnd
		it.also(u.last)
	}
	slices.Sort(images)
	slices.Sort(spaces)
	slices.Sort(workloads)
	it.seqs = it.seqs[:min(len(it.seqs), 8)] // enough to look at; workloads names the rest
	end := runs[len(runs)-1].To
	it.set("source", string(u.source)).set("happened", it.at).set("digest", u.digest).set("image", images[0]).set("from", u.from)
	it.set("namespaces", spaces).set("workloads", workloads).set("init_only", initOnly)
	it.set("first_run", runs[0].From).set("last_run", end).set("at_end", atEnd)
	it.set("watched", b.shelf.watched(u.from))
	if why, unseen := b.closed(u); why != "" {
		for _, f := range registryFields {
			it.missing[f] = lack{why, unseen}
		}
		return it, nil
	}
	b.scanFields(it, u.digest, runs[0].From, b.scansSeen(runs))
	b.signature(it, u.digest, runs[0].From)
	b.sbom(it, u.digest, end)
	return it, b.provenance(ctx, it, u.digest, end)
}

func add(list *[]string, s string) {
	if !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

func imageLabel(image, digest string) string {
	name, _, _ := strings.Cut(image, "@")
	if name == "" {
		name = "image"
	}
	if digest == "" {
		return name
	}
	return name + " at " + shortDigest(digest)
}

// shortDigest writes the algorithm and the first twelve digits.
func shortDigest(d string) string {
	alg, hex, ok := strings.Cut(d, ":")
	if !ok || len(hex) <= 12 {
		return d
	}
	return alg + ":" + hex[:12]
}

// registryFields are what only a registry can say of an image.
var registryFields = []string{
	"scanned", "longest_unscanned", "critical_open", "critical_possible", "high_open", "high_possible",
	"signed_before_run", "sbom", "sbom_by_build", "commit_known", "pipeline_known",
}

// closed says why nothing can be told about an image beyond that it ran; ""
// when something can. unobserved: because nobody looks at its registry.
func (b *imageBench) closed(u *use) (why string, unobserved bool) {
	switch {
	case u.digest == "":
		return "the node reports no digest of " + u.image, false
	case len(b.shelf.byDigest[u.digest]) > 0 || len(b.shelf.parents[u.digest]) > 0:
		return "", false
	case len(b.scans.byDigest[u.digest]) > 0 || b.built.names(u.digest):
		return "", false // a pipeline knows it
	case u.of == "unknown":
		return "the node reports a digest that need not be the registry's", false
	case !b.shelf.watched(u.from):
		return "no source shows the registry project of " + u.from, true
	}
	return "no registry record knows the digest " + shortDigest(u.digest), false
}

// scanFields say how the image was scanned while it ran.
// They run from first on; runs are what of that can be judged.
func (b *imageBench) scanFields(it *item, digest string, first time.Time, runs []evidence.Period) {
	p := b.s.period
	newest := b.scans.newest(b.shelf, digest, p.To)
	it.set("scanned", newest != nil)
	if newest == nil {
		it.why["scanned"] = "no finished scan of it is known"
		b.unfinished(it, digest)
	} else {
		it.also(newest.seq)
	}
	age, at := b.unscanned(digest, first, runs)
	it.set("longest_unscanned", age)
	it.why["longest_unscanned"] = fmt.Sprintf("%s without a newer scan while it ran, up to %s", days(age), evidence.FormatTime(at))
	if newest == nil {
		delete(it.why, "longest_unscanned")
		for _, f := range []string{"critical_open", "critical_possible", "high_open", "high_possible"} {
			it.unseen(f, "the image was never scanned")
		}
		return
	}
	for _, j := range judgedSeverities {
		e := b.scans.open(b.shelf, digest, j.severity, runs, p)
		it.set(j.field+"_open", e.sure).set(j.field+"_possible", e.possible)
		if e.why != "" {
			it.why[j.field+"_open"] = e.why
			it.also(e.seqs...)
		}
	}
}

// unfinished names a scan that stands in the registry and did not end well.
func (b *imageBench) unfinished(it *item, digest string) {
	for _, d := range b.shelf.related(digest) {
		for _, a := range b.shelf.byDigest[d] {
			it.also(a.seq)
			return
		}
	}
}

// scansSeen leaves out the time before the period and that in which some source
// of scans was blind: what was scanned then and scanned again is not known. The
// first look after that shows the newest scan.
func (b *imageBench) scansSeen(runs []evidence.Period) []evidence.Period {
	var blind []evidence.Period
	for _, id := range b.s.cover.sources(evidence.ArtifactScan) {
		blind = append(blind, b.s.cover.blind(id, evidence.ArtifactScan, b.s.period)...)
	}
	var seen []evidence.Period
	for _, r := range runs {
		p := evidence.Period{From: later(r.From, b.s.period.From), To: earlier(r.To, b.s.period.To)}
		switch {
		case p.From.Before(p.To):
			seen = append(seen, p.Subtract(blind)...)
		case !p.To.Before(p.From) && !slices.ContainsFunc(blind, func(x evidence.Period) bool { return x.Contains(p.From) }):
			seen = append(seen, p) // it ran for a moment
		}
	}
	return seen
}

// unscanned measures the greatest age of the newest scan while the image ran,
// and before its first scan the time since it first ran. It grows until a scan
// ends or the run does, so it is asked then.
func (b *imageBench) unscanned(digest string, first time.Time, runs []evidence.Period) (worst time.Duration, at time.Time) {
	times := b.scans.times(b.shelf, digest)
	ask := func(t, limit time.Time) {
		since := first
		if sc := b.scans.newest(b.shelf, digest, limit); sc != nil {
			since = sc.at
		}
		if d := t.Sub(since); d > worst || at.IsZero() {
			worst, at = max(d, 0), t
		}
	}
	for _, r := range runs {
		for _, t := range times {
			if t.After(r.From) && t.Before(r.To) {
				ask(t, t.Add(-time.Nanosecond)) // the moment before
			}
		}
		ask(r.To, r.To)
	}
	return worst, at
}
