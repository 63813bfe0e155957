package ran

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Difference is where what ran is not what was declared, or where that cannot
// be told.
type Difference struct {
	Workload string         `json:"workload"` // namespace/Kind/name, or an application
	Sort     DifferenceSort `json:"sort"`
	Rolling  bool           `json:"rolling_out,omitempty"` // explained by a change just before the instant
	Says     string         `json:"says"`
	Seqs     []uint64       `json:"records"`
}

// DifferenceSort names what differs.
type DifferenceSort string

// The sorts. Those before Added contradict what was declared, unless they are
// rolling out.
const (
	OtherImage DifferenceSort = "other-image" // a digest runs that is not the declared one
	NotRunning DifferenceSort = "not-running" // declared, and nothing of it runs
	Undeclared DifferenceSort = "undeclared"  // it runs, and nothing declares it
	TwoDigests DifferenceSort = "two-digests" // one tag runs as two digests
	Added      DifferenceSort = "added"       // a container that the workload does not declare: injected, or put there to debug
	Unjoined   DifferenceSort = "unjoined"    // what is declared and what runs cannot be compared
)

// Contradicts reports whether what ran contradicts what was declared.
func (d Difference) Contradicts() bool {
	return !d.Rolling && d.Sort != Added && d.Sort != Unjoined
}

// settles is how long a change may take to reach all pods before what still
// differs is called a contradiction: Kubernetes gives a Deployment ten minutes
// to make progress by default (progressDeadlineSeconds of apps/v1).
const settles = 10 * time.Minute

func (b *builder) justBefore(t time.Time) bool {
	return !t.IsZero() && !t.After(b.at) && b.at.Sub(t) <= settles
}

// differences compares what ran with what the workloads and the applications
// declare.
func (b *builder) differences(ctx context.Context, all []*Running) error {
	var seen []*Running
	for _, r := range all {
		// What was seen last is not what was at the instant: nothing follows from
		// comparing it with what was declared then.
		if !b.fl.podsIn[r.Cluster] || r.decl != nil && !b.fl.declIn[r.Cluster] {
			r.worsen(FitUnknown)
			continue
		}
		seen = append(seen, r)
		if err := b.compare(ctx, r); err != nil {
			return err
		}
	}
	if err := b.tags(ctx, seen); err != nil {
		return err
	}
	for i := range b.deploys {
		d := &b.deploys[i]
		if !sighting(b.cov, d.rec.Source, evidence.DeployState, b.at).Covered() {
			continue
		}
		if err := b.compareApp(ctx, d, seen); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) differ(r *Running, sort DifferenceSort, rolling bool, seqs []uint64, format string, args ...any) {
	d := Difference{Workload: r.name(), Sort: sort, Rolling: rolling, Says: r.Workload + " " + fmt.Sprintf(format, args...), Seqs: union(nil, seqs)}
	b.a.Differ = append(b.a.Differ, d)
	switch {
	case d.Contradicts():
		r.worsen(FitDiffers)
	case rolling:
		r.worsen(FitRolling)
	case sort == Unjoined:
		r.worsen(FitUnknown)
	}
}

// compare holds one workload's pods against its own declaration.
func (b *builder) compare(ctx context.Context, r *Running) error {
	if r.decl == nil {
		b.compareBare(r)
		return nil
	}
	if want := r.decl.facts.Replicas; r.Pods == 0 && runsAlways(r.decl.facts.Kind) && want != nil && *want > 0 {
		why := "no pod of it is there"
		if r.Waiting > 0 {
			why = fmt.Sprintf("none of its %s runs", reports.Count(r.Waiting, "pod"))
			if len(r.Why) > 0 {
				why += ": " + list(r.Why, 3)
			}
		}
		since := r.decl.rec.Occurred
		b.differ(r, NotRunning, b.justBefore(since), r.Seqs, "is declared with %s, and %s", reports.Count(int(*want), "replica"), why)
	}
	for i := range r.Images {
		if err := b.compareImage(ctx, r, &r.Images[i]); err != nil {
			return err
		}
	}
	return nil
}

// runsAlways reports whether a workload of the kind has pods all the time.
func runsAlways(kind string) bool { return kind == "Deployment" || kind == "StatefulSet" }

// compareBare says of pods whose workload is not in force what that means.
func (b *builder) compareBare(r *Running) {
	if r.Pods == 0 {
		return
	}
	switch {
	case strings.HasPrefix(r.Workload, "Pod/"):
		if r.App == "" {
			b.differ(r, Undeclared, false, r.Seqs, "runs as a pod that no workload and no application declares")
		}
	case strings.HasPrefix(r.Workload, "Node/"):
		// Its node started it from a file of its own.
		r.worsen(FitUnknown)
	case !b.fl.declIn[r.Cluster]:
		r.worsen(FitUnknown)
	case !b.fl.collects(r):
		// A controller of a custom resource, say, or a kind that is left out.
		b.differ(r, Unjoined, false, r.Seqs, "owns pods, and what declares it is of a kind that is not observed")
	default:
		b.differ(r, Undeclared, false, r.Seqs, "has %s running, and the workload itself is not there", reports.Count(r.Pods, "pod"))
	}
}

// collects reports whether a workload of the kind would have been seen.
// Replica sets are read or not, as the source is configured.
func (f *fleet) collects(r *Running) bool {
	switch r.kind() {
	case "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob":
		return true
	}
	return slices.ContainsFunc(f.works, func(d *declared) bool { return d.facts.Cluster == r.Cluster && d.facts.Kind == r.kind() })
}

func (r *Running) kind() string {
	kind, _, _ := strings.Cut(r.Workload, "/")
	return kind
}

// compareImage holds what one container ran against the workload's template.
func (b *builder) compareImage(ctx context.Context, r *Running, m *RunningImage) error {
	seqs := append(slices.Clone(m.seqs), r.decl.rec.Seq)
	decl := r.decl.image(m.Container)
	if decl == "" {
		b.differ(r, Added, false, seqs, "runs a container %s (%s) that it does not declare", m.Container, shortImage(m.Asked))
		return nil
	}
	same, known, err := b.same(ctx, m, decl)
	if err != nil || same {
		return err
	}
	if decl == m.Asked {
		switch _, digest, _ := strings.Cut(decl, "@"); {
		case digest == "":
			return nil // a tag was asked for and is what runs: see tags
		case !known:
			b.differ(r, Unjoined, false, seqs, "declares %s and runs %s: no registry record says whether the one holds the other", shortImage(decl), shortDigest(m))
			return nil
		}
	}
	past, err := b.templates(ctx, r.decl)
	if err != nil {
		return err
	}
	since, earlier := past.since(m.Container, decl), past.had(m.Container, m.Asked)
	// A job that began before the schedule changed ends as it began.
	rolling := earlier && (b.justBefore(since) || r.kind() == "CronJob" && m.Newest.Before(since))
	seqs = append(seqs, past.seqs...)
	switch {
	case rolling:
		b.differ(r, OtherImage, true, seqs, "was rolling out: %s still ran %s, which was declared before %s UTC", reports.Count(m.Pods, "pod"), shortImage(m.runs()), reports.Near(since, b.at))
	case earlier:
		b.differ(r, OtherImage, false, seqs, "runs %s in %s, though %s is declared since %s UTC", shortImage(m.runs()), reports.Count(m.Pods, "pod"), shortImage(decl), reports.Near(since, b.at))
	default:
		b.differ(r, OtherImage, false, seqs, "runs %s in %s, though %s is declared", shortImage(m.runs()), reports.Count(m.Pods, "pod"), shortImage(decl))
	}
	return nil
}

// runs names the image that runs: the name asked for with the digest there.
func (m *RunningImage) runs() string {
	name, digest, _ := strings.Cut(m.Asked, "@")
	if m.Digest != "" {
		digest = m.Digest
	}
	if digest == "" {
		return name
	}
	return name + "@" + digest
}

func shortDigest(m *RunningImage) string {
	if m.Digest == "" {
		return "an image whose digest the node does not report"
	}
	return reports.ShortID(m.Digest)
}

func (d *declared) image(container string) string {
	for _, c := range d.facts.Containers {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

// same reports whether what a container ran is the reference: by digest, or
// through the index that holds it. known is false when the digests differ and
// nothing says what the index holds.
func (b *builder) same(ctx context.Context, m *RunningImage, ref string) (same, known bool, err error) {
	_, digest, _ := strings.Cut(ref, "@")
	switch {
	case digest == "":
		return ref == m.Asked, true, nil
	case m.Digest == "" || m.Unjoined:
		return false, false, nil
	case digest == m.Digest || digest == m.Index:
		return true, true, nil
	}
	a, err := b.artifact(ctx, digest)
	if err != nil || a == nil {
		return false, false, err
	}
	return slices.Contains(a.holds, m.Digest), a.own != nil, nil
}

// templates is what a workload declared before: its records, newest first.
type templates struct {
	of   []template
	seqs []uint64
}

type template struct {
	from   time.Time
	images map[string]string
}

// templatesRead bounds how many earlier states of a workload are read.
const templatesRead = 50

func (b *builder) templates(ctx context.Context, d *declared) (*templates, error) {
	if d.past != nil {
		return d.past, nil
	}
	p := &templates{}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.RuntimeWorkload}, Subject: d.rec.Subject, Source: d.rec.Source, Period: until(b.at), Backward: true, Limit: templatesRead}
	for rec, err := range b.r.Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		var f evidence.WorkloadFacts
		if rec.Op != evidence.OpSet || rec.Decode(&f) != nil {
			break
		}
		t := template{rec.Occurred, map[string]string{}}
		for _, c := range f.Containers {
			t.images[c.Name] = c.Image
		}
		p.of, p.seqs = append(p.of, t), append(p.seqs, rec.Seq)
	}
	d.past = p
	return p, nil
}

// since returns when the container began to be declared with the image.
func (p *templates) since(container, image string) time.Time {
	var t time.Time
	for _, x := range p.of {
		if x.images[container] != image {
			break
		}
		t = x.from
	}
	return t
}

// had reports whether the container was declared with the image before.
func (p *templates) had(container, image string) bool {
	return slices.ContainsFunc(p.of, func(x template) bool { return x.images[container] == image })
}

// tags finds references by tag that ran as more than one image. Two platforms'
// images of one index are one.
func (b *builder) tags(ctx context.Context, all []*Running) error {
	type uses struct {
		of     []*Running
		images []string
		seqs   []uint64
		newest time.Time
		joined bool // a registry told of every digest
	}
	found := map[string]*uses{}
	var order []string
	for _, r := range all {
		for i := range r.Images {
			m := &r.Images[i]
			if strings.Contains(m.Asked, "@") || m.Digest == "" || m.Unjoined {
				continue
			}
			u := found[m.Asked]
			if u == nil {
				u = &uses{joined: true}
				found[m.Asked] = u
				order = append(order, m.Asked)
			}
			a, err := b.artifact(ctx, m.Digest)
			if err != nil {
				return err
			}
			u.joined = u.joined && a != nil
			u.of, u.seqs = append(u.of, r), append(u.seqs, m.seqs...)
			u.images = with(u.images, cmp.Or(m.Index, m.Digest))
			if m.Newest.After(u.newest) {
				u.newest = m.Newest
			}
		}
	}
	for _, tag := range order {
		u := found[tag]
		if len(u.images) < 2 {
			continue
		}
		short := make([]string, len(u.images))
		for i, d := range u.images {
			short[i] = reports.ShortID(d)
		}
		r := u.of[0]
		if u.joined {
			b.differ(r, TwoDigests, b.justBefore(u.newest), u.seqs, "runs tag %s as %d images: %s", tagName(tag), len(short), list(short, 4))
		} else {
			b.differ(r, Unjoined, false, u.seqs, "runs tag %s as %s: no registry record says whether one index holds them", tagName(tag), list(short, 4))
		}
		for _, o := range u.of[1:] {
			o.worsen(r.Fit)
		}
	}
	return nil
}

// tagName is the last part of a reference with a tag.
func tagName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// compareApp holds what an application lists against what its workloads' pods
// ran. Where the pods were not seen nothing is said.
func (b *builder) compareApp(ctx context.Context, d *deployed, all []*Running) error {
	var mine []*Running
	loose := false
	cluster := d.rec.Source.Authority()
	for _, r := range all {
		switch {
		case sameApp(r.App, d.facts.App):
			mine = append(mine, r)
		case r.App == "" && r.Cluster == cluster && r.Namespace == d.facts.Namespace:
			loose = true // it may be the application's: nothing says whose it is
		}
	}
	if len(d.facts.Images) == 0 || len(mine) == 0 && (loose || !b.fl.podsIn[cluster]) {
		return nil
	}
	rolling := b.justBefore(d.facts.SyncedAt) || b.justBefore(d.rec.Occurred)
	if len(mine) == 0 {
		b.differApp(d, NotRunning, rolling, nil, "lists %s, and no pod of it was seen", reports.Count(len(d.facts.Images), "image"))
		return nil
	}
	for _, r := range mine {
		told := r.Fit == FitDiffers || r.Fit == FitRolling
		for i := range r.Images {
			m := &r.Images[i]
			if told || r.decl != nil && r.decl.image(m.Container) == "" {
				continue // its own declaration said so already, or it was injected
			}
			listed, known, err := b.listed(ctx, m, d.facts.Images)
			if err != nil {
				return err
			}
			switch seqs := append(slices.Clone(m.seqs), d.rec.Seq); {
			case listed:
			case !known:
				b.differ(r, Unjoined, false, seqs, "runs %s, which %s does not list by that digest: no registry record says whether it lists the index", shortImage(m.runs()), shortApp(d.facts.App))
			default:
				b.differ(r, OtherImage, rolling, seqs, "runs %s, which application %s does not list", shortImage(m.runs()), shortApp(d.facts.App))
			}
		}
	}
	for _, image := range d.facts.Images {
		there, err := b.somewhere(ctx, image, mine)
		if err != nil {
			return err
		}
		if !there {
			b.differApp(d, NotRunning, rolling, mine, "lists %s, which no pod or workload of it has", shortImage(image))
		}
	}
	return nil
}

func (b *builder) differApp(d *deployed, sort DifferenceSort, rolling bool, mine []*Running, format string, args ...any) {
	seqs := []uint64{d.rec.Seq}
	for _, r := range mine {
		seqs = append(seqs, r.Seqs...)
	}
	b.a.Differ = append(b.a.Differ, Difference{
		Workload: d.facts.App, Sort: sort, Rolling: rolling, Seqs: union(nil, seqs),
		Says: "application " + shortApp(d.facts.App) + " " + fmt.Sprintf(format, args...),
	})
}

// sameApp compares names of applications; a tracking label may leave out the
// namespace.
func sameApp(name, app string) bool {
	return name != "" && (name == app || !strings.Contains(name, "/") && name == shortApp(app))
}

// listed reports whether one of the references is what a container ran. known
// is false when one of the same repository might be and cannot be told.
func (b *builder) listed(ctx context.Context, m *RunningImage, images []string) (listed, known bool, err error) {
	known = true
	for _, image := range images {
		if image == m.Asked && (!strings.Contains(image, "@") || m.Digest == "" || m.Unjoined) {
			return true, true, nil
		}
		same, sure, err := b.same(ctx, m, image)
		if err != nil || same {
			return same, true, err
		}
		known = known && (sure || repository(image) != repository(m.Asked))
	}
	return false, known, nil
}

// repository is a reference without tag and digest.
func repository(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		ref = ref[:i]
	}
	return ref
}

// somewhere reports whether any container of the workloads, in any state, has
// the image.
func (b *builder) somewhere(ctx context.Context, image string, mine []*Running) (bool, error) {
	_, digest, _ := strings.Cut(image, "@")
	var holds []string
	a, err := b.artifact(ctx, digest)
	if err != nil {
		return false, err
	}
	if a != nil {
		holds = a.holds
	}
	has := func(cs []evidence.ContainerFacts) bool {
		return slices.ContainsFunc(cs, func(c evidence.ContainerFacts) bool {
			if c.Image == image || digest != "" && c.Digest == digest || slices.Contains(holds, c.Digest) {
				return true
			}
			_, asked, _ := strings.Cut(c.Image, "@")
			// Without the registry a digest that differs may still be held by it.
			return digest != "" && asked == digest || a == nil && digest != "" && c.Digest != "" && repository(c.Image) == repository(image)
		})
	}
	for _, r := range mine {
		if r.decl != nil && has(r.decl.facts.Containers) {
			return true, nil
		}
		for _, p := range r.pods {
			if has(p.facts.Containers) {
				return true, nil
			}
		}
	}
	return false, nil
}
