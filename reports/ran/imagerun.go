package ran

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// ImageAnswer says which tenants ran an image at an instant. It is made of one
// log after the other, each read through its own reader: see Family and
// ImageRun.
type ImageAnswer struct {
	Sentence string     `json:"answer"`
	Digest   string     `json:"digest"`
	Holds    []string   `json:"holds,omitempty"`   // images of it, when it is an index
	HeldBy   []string   `json:"held_by,omitempty"` // indexes that hold it
	At       time.Time  `json:"at"`
	Demo     bool       `json:"demonstration,omitempty"`
	Tenants  []ImageRun `json:"tenants"`

	zone *time.Location
}

// ImageRun says of one tenant whether it ran the image.
type ImageRun struct {
	Tenant    evidence.Tenant `json:"tenant"`
	Origin    string          `json:"origin,omitempty"`
	Size      uint64          `json:"as_known_at_size,omitempty"`
	Pods      Seen            `json:"pods_observed"`   // at the instant
	Cause     string          `json:"cause,omitempty"` // why not
	Runs      []ImageWorkload `json:"runs"`
	First     time.Time       `json:"first_seen,omitzero"` // when a pod of this tenant was first seen with it
	FirstSeq  uint64          `json:"first_record,omitempty"`
	Last      time.Time       `json:"last_seen,omitzero"` // where none runs it any more: when one was last seen with it
	LastSeq   uint64          `json:"last_record,omitempty"`
	Listed    []string        `json:"listed_by,omitempty"` // applications that list it
	ListedSeq []uint64        `json:"listed_records,omitempty"`
	Closed    []uint64        `json:"closed_records,omitempty"` // that cannot be opened

	demo bool
}

// ImageWorkload is a workload that ran the image.
type ImageWorkload struct {
	Cluster  string    `json:"cluster"`
	Workload string    `json:"workload"` // namespace/Kind/name
	Digest   string    `json:"digest"`   // as the nodes report it
	Pods     int       `json:"pods"`
	Since    time.Time `json:"since,omitzero"` // start of the oldest of these pods
	Regions  []string  `json:"regions,omitempty"`
	Seqs     []uint64  `json:"records"`
}

var digestForm = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// ParseDigest reads a digest as people give it: alone, behind a name and @, or
// the hex of a SHA-256 without its algorithm.
func ParseDigest(s string) (string, error) {
	d := s[strings.LastIndexByte(s, '@')+1:]
	if len(d) == 64 {
		d = "sha256:" + d
	}
	if !digestForm.MatchString(d) {
		return "", fmt.Errorf("%q is no digest: want sha256: and 64 lower-case hex digits", s)
	}
	return d, nil
}

// NewImageAnswer begins an answer.
func NewImageAnswer(digest string, at time.Time, zone *time.Location) *ImageAnswer {
	return &ImageAnswer{Digest: digest, At: at.UTC(), Tenants: []ImageRun{}, zone: zone}
}

// Family adds what the log of r knows of the image's index and platforms: the
// registry's record need not stand in the log of the tenant that runs it. Every
// log is asked before the first is told.
func (a *ImageAnswer) Family(ctx context.Context, r evidence.Reader) error {
	b := &builder{r: r, at: a.At, artifacts: map[string]*artifact{}}
	art, err := b.artifact(ctx, a.Digest)
	if err != nil {
		return fmt.Errorf("image %s in the log of %s: %w", a.Digest, r.Tenant(), err)
	}
	if art == nil {
		return nil
	}
	for _, d := range art.holds {
		a.Holds = with(a.Holds, d)
	}
	a.HeldBy = with(a.HeldBy, art.index)
	return nil
}

// digests are all under which a pod may report the image.
func (a *ImageAnswer) digests() []string {
	return append(append([]string{a.Digest}, a.Holds...), a.HeldBy...)
}

// Add tells of the tenant of r. Errors are those of the reader.
func (a *ImageAnswer) Add(ctx context.Context, r evidence.Reader) error {
	run := ImageRun{Tenant: r.Tenant(), Origin: r.Origin(), Size: r.Size(), Runs: []ImageWorkload{}, demo: r.Simulated()}
	b := &builder{r: r, at: a.At, a: &Answer{At: a.At, Records: map[evidence.Kind][]uint64{}}, artifacts: map[string]*artifact{}}
	if err := b.imageRun(ctx, a, &run); err != nil {
		return fmt.Errorf("who ran %s, log of %s: %w", a.Digest, r.Tenant(), err)
	}
	run.Closed = b.a.Closed
	a.Demo = a.Demo || run.demo
	a.Tenants = append(a.Tenants, run)
	return nil
}

// Closed tells of a tenant whose log cannot be asked about the instant.
func (a *ImageAnswer) Closed(t evidence.Tenant, why string) {
	a.Tenants = append(a.Tenants, ImageRun{Tenant: t, Pods: NotSeenThen, Cause: why, Runs: []ImageWorkload{}})
}

func (b *builder) imageRun(ctx context.Context, a *ImageAnswer, run *ImageRun) error {
	instant := evidence.Period{From: a.At, To: a.At.Add(time.Nanosecond)}
	var err error
	if b.cov, err = evidence.LoadCoverage(ctx, evidence.CoverageNear(b.r, instant), instant); err != nil {
		return err
	}
	if !anyCovered(b.cov, evidence.RuntimePod, b.at) {
		// What was read later from history may claim the instant from afar.
		if b.cov, err = evidence.LoadCoverage(ctx, b.r, instant); err != nil {
			return err
		}
	}
	if run.Pods = b.seenAt(evidence.RuntimePod); run.Pods != SeenYes {
		for _, id := range b.cov.Sources(evidence.RuntimePod) {
			run.Cause = cmp.Or(run.Cause, sighting(b.cov, id, evidence.RuntimePod, b.at).Cause)
		}
	}
	ds := a.digests()
	for rec, err := range b.r.States(ctx, evidence.DeployState, b.at) {
		if err != nil {
			return err
		}
		var f evidence.DeployFacts
		if rec.Decode(&f) != nil || !lists(&f, ds) {
			continue
		}
		run.Listed, run.ListedSeq = with(run.Listed, f.App), append(run.ListedSeq, rec.Seq)
	}
	if b.fl, err = b.fleet(ctx); err != nil {
		return err
	}
	at := map[string]int{}
	for _, p := range b.fl.pods {
		b.runsImage(p, ds, run, at)
	}
	slices.SortFunc(run.Runs, func(x, y ImageWorkload) int {
		return cmp.Or(strings.Compare(x.Cluster, y.Cluster), strings.Compare(x.Workload, y.Workload), strings.Compare(x.Digest, y.Digest))
	})
	return b.firstLast(ctx, ds, run)
}

// lists reports whether an application lists an image by one of the digests.
func lists(f *evidence.DeployFacts, digests []string) bool {
	return slices.ContainsFunc(f.Images, func(image string) bool {
		_, d, _ := strings.Cut(image, "@")
		return slices.Contains(digests, d)
	})
}

// runsImage counts a pod in when a container of it ran one of the digests.
func (b *builder) runsImage(p *pod, digests []string, run *ImageRun, at map[string]int) {
	for _, c := range p.facts.Containers {
		if c.State != "running" || !slices.Contains(digests, c.Digest) {
			continue
		}
		_, name := b.fl.top(p)
		k := key(p.facts.Cluster, p.facts.Namespace, name, c.Digest)
		i, ok := at[k]
		if !ok {
			i = len(run.Runs)
			at[k] = i
			run.Runs = append(run.Runs, ImageWorkload{Cluster: p.facts.Cluster, Workload: p.facts.Namespace + "/" + name, Digest: c.Digest})
		}
		w := &run.Runs[i]
		if slices.Contains(w.Seqs, p.rec.Seq) {
			continue // another container of the same pod
		}
		w.Pods++
		w.Seqs = append(w.Seqs, p.rec.Seq)
		w.Regions = with(w.Regions, b.fl.region[key(p.facts.Cluster, p.facts.Node)])
		if start := cmp.Or(p.facts.StartedAt, p.facts.CreatedAt, p.rec.Occurred); w.Since.IsZero() || start.Before(w.Since) {
			w.Since = start
		}
	}
}

// firstLast finds when a pod was first seen with the image, and when last if
// none runs it any more.
func (b *builder) firstLast(ctx context.Context, digests []string, run *ImageRun) error {
	for _, d := range digests {
		for _, back := range []bool{false, true} {
			q := evidence.Query{Kinds: []evidence.Kind{evidence.RuntimePod}, Link: evidence.NewRef("image", "", d), Period: until(b.at), Backward: back, Limit: 1}
			for rec, err := range b.r.Records(ctx, q) {
				if err != nil {
					return err
				}
				switch {
				case !back && (run.First.IsZero() || rec.Occurred.Before(run.First)):
					run.First, run.FirstSeq = rec.Occurred, rec.Seq
				case back && len(run.Runs) == 0 && rec.Occurred.After(run.Last):
					run.Last, run.LastSeq = rec.Occurred, rec.Seq
				}
			}
		}
	}
	return nil
}

// Done puts the answer into words once every tenant was told.
func (a *ImageAnswer) Done() {
	when := reports.Spoken(a.At, a.zone)
	var runs, blind []string
	pods, seen, without := 0, 0, 0
	var oldest time.Time
	for i := range a.Tenants {
		t := &a.Tenants[i]
		switch t.Pods {
		case SeenYes:
			seen++
		case NotConfigured:
			without++
		default:
			blind = append(blind, t.Tenant.String())
		}
		if len(t.Runs) == 0 {
			continue
		}
		name := t.Tenant.String()
		if t.Pods != SeenYes {
			name += " (when last seen)"
		}
		runs = append(runs, name)
		for _, w := range t.Runs {
			pods += w.Pods
			if oldest.IsZero() || w.Since.Before(oldest) {
				oldest = w.Since
			}
		}
	}
	short := reports.ShortID(a.Digest)
	switch {
	case seen == 0 && len(runs) == 0:
		a.Sentence = fmt.Sprintf("Not known: no source observed the pods of any tenant asked at %s, so who ran %s cannot be said.", when, short)
		return
	case len(runs) == 0:
		a.Sentence = fmt.Sprintf("At %s nobody of the %s whose pods were observed ran %s.", when, reports.Count(seen, "tenant"), short)
	default:
		a.Sentence = fmt.Sprintf("At %s %s ran %s in %s, the oldest of them since %s UTC.", when, list(runs, 8), short, reports.Count(pods, "pod"), reports.Near(oldest, a.At))
	}
	if len(blind) > 0 {
		a.Sentence += fmt.Sprintf(" Not observed then: %s.", list(blind, 8))
	}
	if without > 0 {
		a.Sentence += fmt.Sprintf(" No source tells the pods of %s.", reports.Count(without, "log"))
	}
}

// Text writes the answer for people.
func (a *ImageAnswer) Text(w io.Writer, style reports.Style) error {
	p := &printer{reports.NewPage(w, style)}
	p.Sentence(style.Bold, a.Sentence, a.Demo)
	p.Line("")
	p.block("IMAGE", a.Digest)
	for _, d := range a.Holds {
		p.block("", "holds "+d)
	}
	for _, d := range a.HeldBy {
		p.block("", "held by "+d+": a pod that reports this may run another image of it")
	}
	a.table(p)
	for i := range a.Tenants {
		a.Tenants[i].notes(p, a.At)
	}
	return p.Err()
}

func (a *ImageAnswer) table(p *printer) {
	t := &reports.Table{Columns: []reports.Column{
		{Title: "TENANT"}, {Title: "WORKLOAD"}, {Title: "PODS", Right: true}, {Title: "SINCE (UTC)", Keep: true}, {Title: "WHERE"}, {Title: "REPORTS"},
	}}
	for _, x := range a.Tenants {
		for j, w := range x.Runs {
			name := x.Tenant.String()
			if j > 0 {
				name = ""
			}
			t.Row(name, w.Cluster+":"+w.Workload, fmt.Sprint(w.Pods), reports.Near(w.Since, a.At), strings.Join(w.Regions, ", "), reports.ShortID(w.Digest))
		}
	}
	p.Line("")
	if t.Len() > 0 {
		p.Table(t)
		p.Line("")
	}
}

// notes says of a tenant what is no row of the table.
func (t *ImageRun) notes(p *printer, at time.Time) {
	var says []string
	switch {
	case len(t.Runs) > 0:
		says = append(says, fmt.Sprintf("first seen with it at %s UTC (record %d)", reports.Near(t.First, at), t.FirstSeq))
	case !t.Last.IsZero():
		says = append(says, fmt.Sprintf("did not run it then; a pod was last told with it at %s UTC (record %d)", reports.Near(t.Last, at), t.LastSeq))
	}
	if len(t.Listed) > 0 {
		says = append(says, fmt.Sprintf("listed by application %s [%s]", list(t.Listed, 4), reports.Seqs(t.ListedSeq, 6)))
	}
	if t.Pods == NotSeenThen || t.Pods != SeenYes && len(says) > 0 {
		says = append(says, "pods not observed: "+cmp.Or(t.Cause, string(t.Pods)))
	}
	if len(t.Closed) > 0 {
		says = append(says, reports.Count(len(t.Closed), "record")+" of its clusters cannot be opened")
	}
	if len(says) > 0 {
		p.Para(fmt.Sprintf("%-*s ", labelW-1, t.Tenant), strings.Join(says, "; "))
	}
}
