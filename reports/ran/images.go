package ran

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Image is one digest that ran, with what was known of it at the instant.
type Image struct {
	Digest    string     `json:"digest"`
	Index     string     `json:"index,omitempty"` // digest of the index that holds it
	Name      string     `json:"name,omitempty"`  // project and repository at the registry
	Registry  Seen       `json:"registry"`        // whether a registry told of it
	Workloads []string   `json:"workloads"`
	Tags      []string   `json:"tags,omitempty"` // at the instant
	PushedAt  time.Time  `json:"pushed_at,omitzero"`
	Revision  string     `json:"revision,omitempty"` // commit it says it was built from: a claim of its maker
	Scan      *Scan      `json:"scan,omitempty"`     // the newest that had ended
	ScanSays  string     `json:"scan_state,omitempty"`
	Signed    []string   `json:"signatures,omitempty"` // types present; nobody verified them
	SBOM      bool       `json:"sbom,omitempty"`
	Pipelines []Pipeline `json:"pipelines,omitempty"`
	Seqs      []uint64   `json:"records,omitempty"`
}

// Seen says what is known of a thing that a source may tell.
type Seen string

// The answers.
const (
	SeenYes       Seen = "observed"
	SeenNot       Seen = "not-seen"       // a source was looked at and does not tell of it
	NotConfigured Seen = "not-configured" // no source of the kind
	NotSeenThen   Seen = "not-observed"   // the source was not seen at the instant
)

// Limits of what is looked up in the registry.
const (
	imagesRead      = 256 // digests
	recordsPerImage = 64  // newest records of each
)

// Scan is one finished scan of an image.
type Scan struct {
	Status   string         `json:"status"`
	Severity string         `json:"severity,omitempty"`
	Counts   map[string]int `json:"by_severity,omitempty"`
	Total    int            `json:"total"`
	Fixable  int            `json:"fixable"`
	Scanner  string         `json:"scanner,omitempty"`
	Percent  int            `json:"complete_percent,omitempty"` // of an index's images that were scanned, when not all
	Ended    time.Time      `json:"ended,omitzero"`
	Of       string         `json:"of"` // the digest it looked at: the image's own or its index's
	Seq      uint64         `json:"record"`
}

// Pipeline is one run of a pipeline on the commit an image was built from.
type Pipeline struct {
	Repo    string    `json:"repo"`
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Status  string    `json:"status"`
	Ended   time.Time `json:"ended,omitzero"`
	Attempt int       `json:"attempt,omitempty"`
	Seq     uint64    `json:"record"`
}

// artifact is what a registry told of a digest by the instant.
type artifact struct {
	recs []evidence.Record // newest first
	own  *evidence.ArtifactFacts
	// index is the digest of an index that holds it; "" when none is known.
	index string
	// holds are the digests that it holds itself, being an index.
	holds []string
	seqs  []uint64
}

// artifact looks a digest up, once. It returns nil when nothing tells of it or
// when too many were looked up already.
func (b *builder) artifact(ctx context.Context, digest string) (*artifact, error) {
	if a, ok := b.artifacts[digest]; ok {
		return a, nil
	}
	if digest == "" || len(b.artifacts) >= imagesRead {
		return nil, nil
	}
	recs, err := newest(b.r.Records(ctx, evidence.Query{
		Kinds:  []evidence.Kind{evidence.ArtifactImage, evidence.ArtifactScan, evidence.ArtifactSigned, evidence.ArtifactSBOM},
		Link:   evidence.NewRef("image", "", digest),
		Period: until(b.at), Backward: true, Limit: recordsPerImage,
	}))
	if err != nil {
		return nil, err
	}
	a := &artifact{recs: recs}
	for i := range recs {
		var f evidence.ArtifactFacts
		if recs[i].Kind != evidence.ArtifactImage || recs[i].Op != evidence.OpSet || recs[i].Decode(&f) != nil {
			continue
		}
		if f.Digest == digest {
			if a.own == nil {
				a.own = &f
				a.seqs = append(a.seqs, recs[i].Seq)
				for _, c := range f.Children {
					a.holds = append(a.holds, c.Digest)
				}
			}
			continue
		}
		if a.index == "" && slices.ContainsFunc(f.Children, func(c evidence.ArtifactChild) bool { return c.Digest == digest }) {
			a.index = f.Digest
			a.seqs = append(a.seqs, recs[i].Seq)
		}
	}
	if a.own == nil && a.index == "" {
		a = nil
	}
	b.artifacts[digest] = a
	return a, nil
}

// index fills which indexes the digests of a workload belong to.
func (b *builder) index(ctx context.Context, r *Running) error {
	for i := range r.Images {
		a, err := b.artifact(ctx, r.Images[i].Digest)
		if err != nil {
			return err
		}
		if a != nil {
			r.Images[i].Index = a.index
		}
	}
	return nil
}

// images tells of every digest that ran what registry and forge knew of it.
func (b *builder) images(ctx context.Context) error {
	byDigest := map[string]int{}
	for i := range b.a.Running {
		r := &b.a.Running[i]
		for _, m := range r.Images {
			if m.Digest == "" {
				continue
			}
			at, ok := byDigest[m.Digest]
			if !ok {
				at = len(b.a.Images)
				byDigest[m.Digest] = at
				b.a.Images = append(b.a.Images, Image{Digest: m.Digest, Index: m.Index})
			}
			b.a.Images[at].Workloads = with(b.a.Images[at].Workloads, r.name())
		}
	}
	for i := range b.a.Images {
		if err := b.image(ctx, &b.a.Images[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) image(ctx context.Context, m *Image) error {
	a, err := b.artifact(ctx, m.Digest)
	if err != nil {
		return err
	}
	if a == nil {
		m.Registry = b.seenOf(evidence.ArtifactImage)
		return nil
	}
	m.Registry = SeenYes
	m.Seqs = append(m.Seqs, a.seqs...)
	recs, own := a.recs, a.own
	if a.index != "" {
		// Registries tag, scan and sign the index; what holds for it is told of
		// the image it holds, with its digest beside.
		up, err := b.artifact(ctx, a.index)
		if err != nil {
			return err
		}
		if up != nil && up.own != nil {
			recs = append(slices.Clone(recs), up.recs...)
			own = cmp.Or(own, up.own)
			m.Revision = up.own.Revision
			m.tags(up.own)
			m.Seqs = append(m.Seqs, up.seqs...)
		}
	}
	if own != nil {
		m.Name = own.Project + "/" + own.Repository
		m.PushedAt, m.ScanSays = own.PushedAt, own.Scan
		m.Revision = cmp.Or(own.Revision, m.Revision)
		m.tags(own)
	}
	m.attached(b, recs, m.Digest, a.index)
	b.a.Records[evidence.ArtifactImage] = append(b.a.Records[evidence.ArtifactImage], a.seqs...)
	return b.pipelines(ctx, m)
}

func (m *Image) tags(f *evidence.ArtifactFacts) {
	for _, t := range f.Tags {
		m.Tags = with(m.Tags, t.Name)
	}
}

// attached reads the newest scan and what hangs at the image, as known then.
func (m *Image) attached(b *builder, recs []evidence.Record, digests ...string) {
	ended := map[evidence.Ref]bool{}
	for i := range recs {
		rec := &recs[i]
		switch rec.Kind {
		case evidence.ArtifactScan:
			var f evidence.ScanFacts
			if rec.Decode(&f) != nil || !slices.Contains(digests, f.Digest) {
				continue
			}
			over := cmp.Or(f.FinishedAt, rec.Occurred)
			if over.After(b.at) || m.Scan != nil && !over.After(m.Scan.Ended) {
				continue
			}
			m.Scan = &Scan{Status: f.Status, Severity: f.Severity, Counts: f.BySeverity, Total: f.Total, Fixable: f.Fixable, Scanner: f.Scanner.Name, Percent: f.CompletePercent, Ended: over, Of: f.Digest, Seq: rec.Seq}
		case evidence.ArtifactSigned, evidence.ArtifactSBOM:
			// Newest first: what ended after it was set is not there any more.
			if rec.Op == evidence.OpEnd {
				ended[rec.Subject] = true
				continue
			}
			if ended[rec.Subject] {
				continue
			}
			if rec.Kind == evidence.ArtifactSBOM {
				m.SBOM = true
			} else {
				var f evidence.SignatureFacts
				if rec.Decode(&f) != nil {
					continue
				}
				m.Signed = with(m.Signed, f.Type)
			}
			m.Seqs = append(m.Seqs, rec.Seq)
			b.cite(rec)
		}
	}
	if m.Scan != nil {
		m.Seqs = append(m.Seqs, m.Scan.Seq)
		b.a.Records[evidence.ArtifactScan] = append(b.a.Records[evidence.ArtifactScan], m.Scan.Seq)
	}
}

// pipelines tells the runs on the commit that the image says it was built
// from, the newest first, as they stood at the instant.
func (b *builder) pipelines(ctx context.Context, m *Image) error {
	if !reports.IsCommit(m.Revision) {
		return nil
	}
	recs, err := newest(b.r.Records(ctx, evidence.Query{
		Kinds: []evidence.Kind{evidence.PipelineRun}, Link: evidence.NewRef("commit", "", m.Revision), Period: until(b.at), Backward: true, Limit: recordsPerImage,
	}))
	if err != nil {
		return err
	}
	for i := range recs {
		var f evidence.PipelineFacts
		if recs[i].Decode(&f) != nil || f.SHA != m.Revision {
			continue
		}
		p := Pipeline{Repo: f.Repo, ID: f.ID, Name: f.Name, Status: f.Status, Ended: f.FinishedAt, Attempt: f.Attempt, Seq: recs[i].Seq}
		if f.FinishedAt.After(b.at) {
			p.Status, p.Ended = "running", time.Time{}
		}
		m.Pipelines = append(m.Pipelines, p)
		m.Seqs = append(m.Seqs, p.Seq)
		b.cite(&recs[i])
	}
	return nil
}

// seenOf says why a source told nothing of a thing of the kind.
func (b *builder) seenOf(kind evidence.Kind) Seen {
	switch {
	case len(b.cov.Sources(kind)) == 0:
		return NotConfigured
	case !anyCovered(b.cov, kind, b.at):
		return NotSeenThen
	}
	return SeenNot
}

// words tells the image in one line.
func (m *Image) words(at time.Time) []string {
	var parts []string
	switch {
	case m.Registry == SeenNot:
		return []string{"the registry does not tell of it"}
	case m.Registry != SeenYes:
		return []string{"registry not observed (" + string(m.Registry) + ")"}
	}
	if m.Index != "" {
		parts = append(parts, "held by index "+reports.ShortID(m.Index))
	}
	parts = append(parts, m.scanWords(at))
	if len(m.Signed) > 0 {
		parts = append(parts, list(m.Signed, 3)+" present, not verified")
	} else {
		parts = append(parts, "no signature seen")
	}
	if m.SBOM {
		parts = append(parts, "bill of materials present")
	}
	switch {
	case m.Revision == "":
		parts = append(parts, "does not say what it was built from")
	case len(m.Pipelines) == 0:
		parts = append(parts, "says it was built from "+reports.ShortID(m.Revision)+", of which no pipeline run was seen")
	default:
		p := m.Pipelines[0]
		s := fmt.Sprintf("says it was built from %s, whose pipeline %s ended %s", reports.ShortID(m.Revision), cmp.Or(p.Name, p.ID), p.Status)
		if p.Ended.IsZero() {
			s = fmt.Sprintf("says it was built from %s, whose pipeline %s stood at %s", reports.ShortID(m.Revision), cmp.Or(p.Name, p.ID), p.Status)
		} else {
			s += " at " + reports.Near(p.Ended, at) + " UTC"
		}
		if n := len(m.Pipelines); n > 1 {
			s += fmt.Sprintf(" (the newest of %d)", n)
		}
		parts = append(parts, s)
	}
	return parts
}

// severities from the worst down, as scanners name them.
var severities = []string{"Critical", "High", "Medium", "Low", "Negligible", "None", "Unknown"}

func (m *Image) scanWords(at time.Time) string {
	s := m.Scan
	if s == nil {
		if m.ScanSays == "" || m.ScanSays == "never" {
			return "not scanned by then"
		}
		return "no finished scan by then, the registry says " + m.ScanSays
	}
	w := "scan "
	if s.Percent > 0 {
		w += fmt.Sprintf("of %d%% of its images ", s.Percent)
	}
	w += s.Status + " at " + reports.Near(s.Ended, at) + " UTC"
	if s.Status != "success" {
		return w
	}
	var counts []string
	for _, sev := range severities {
		if n := s.Counts[sev]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, sev))
		}
	}
	switch {
	case len(counts) > 0:
		w += ": " + list(counts, 3)
	case s.Total == 0:
		w += ": nothing found"
	default:
		w += fmt.Sprintf(": %d found, worst %s", s.Total, s.Severity)
	}
	if s.Fixable > 0 {
		w += fmt.Sprintf(", %d with a fix", s.Fixable)
	}
	return w
}
