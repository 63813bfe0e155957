package mappings

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// scanMemory is how far before a period scans and pipelines are read in a row.
// A finding that is older counts as that old at least. What was scanned before
// that and never since is asked for by its digest.
const scanMemory = 100 * 24 * time.Hour

// scans are the finished scans of the images that ran, of whatever source.
type scans struct {
	byDigest map[string][]*scan // in order of time
	named    map[string][]*scan // host/project/repository:tag, as pipelines call what they scanned
	byFirst  map[findingKey]time.Time
}

// findingKey is one weakness of one repository's images.
type findingKey struct{ place, id, pack string }

// scan is one scan that ended with a report.
type scan struct {
	seq    uint64
	source evidence.SourceID
	digest string
	place  string // host/project/repository
	at     time.Time
	bad    map[findingKey]string // severity, of critical and high ones
	// counted says that there are findings of a severity which the record does
	// not list: by the summary, or beyond where the list was cut.
	counted map[string]bool
	// odd says that there may be findings of any severity beside those: some
	// finding has one that this program does not know, or only some images of
	// an index were scanned.
	odd bool
}

// The severities that rules ask for.
const (
	critical = "Critical"
	high     = "High"
)

// judgedSeverities are the severities that have fields of their own, with the names that
// these begin with.
var judgedSeverities = []struct{ severity, field string }{{critical, "critical"}, {high, "high"}}

var knownSeverities = []string{critical, high, "Medium", "Low", "Negligible", "None", "Unknown", ""}

// scans reads the scans of the images of the fleet.
func (s *scene) scans(ctx context.Context) (*scans, error) {
	return s.delivery.scans.get(s, func() (*scans, error) { return s.newScans(ctx) })
}

func (s *scene) newScans(ctx context.Context) (*scans, error) {
	f, err := s.fleet(ctx)
	if err != nil {
		return nil, err
	}
	shelf, err := s.shelf(ctx)
	if err != nil {
		return nil, err
	}
	x := &scans{byDigest: map[string][]*scan{}, named: map[string][]*scan{}, byFirst: map[findingKey]time.Time{}}
	wanted, places, err := x.wanted(ctx, f, shelf)
	if err != nil {
		return nil, err
	}
	kinds := []evidence.Kind{evidence.ArtifactScan, evidence.PipelineReport}
	since := evidence.Period{From: s.period.From.Add(-scanMemory), To: s.period.To}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: kinds, Period: since}) {
		if err != nil {
			return nil, fmt.Errorf("scans: %w", err)
		}
		if err := x.take(&r, wanted, places); err != nil {
			return nil, err
		}
	}
	if err := x.older(ctx, s.reader, wanted, since.From); err != nil {
		return nil, err
	}
	for _, list := range x.byDigest {
		slices.SortStableFunc(list, func(a, b *scan) int { return a.at.Compare(b.at) })
	}
	return x, nil
}

// wanted lists the digests whose scans say something about what ran, and the
// repositories that hold them.
func (x *scans) wanted(ctx context.Context, f *fleet, shelf *shelf) (digests, places map[string]bool, err error) {
	digests, places = map[string]bool{}, map[string]bool{}
	for _, u := range f.uses {
		if u.digest == "" || digests[u.digest] {
			continue
		}
		found, err := shelf.find(ctx, u.digest)
		if err != nil {
			return nil, nil, err
		}
		for _, a := range found {
			places[a.name()] = true
		}
		for _, d := range append(shelf.related(u.digest), shelf.children(u.digest)...) {
			digests[d] = true
		}
	}
	return digests, places, nil
}

// take reads one scan. Of images that did not run it keeps only since when a
// weakness is known in their repository.
func (x *scans) take(r *evidence.Record, wanted, places map[string]bool) error {
	sc, tag, err := readScan(r)
	if err != nil || sc == nil {
		return err
	}
	if places[sc.place] || wanted[sc.digest] {
		x.first(sc)
	}
	if wanted[sc.digest] {
		x.byDigest[sc.digest] = append(x.byDigest[sc.digest], sc)
	}
	if tag != "" && sc.digest != "" {
		sc := *sc
		sc.bad = nil
		x.named[tag] = append(x.named[tag], &sc)
	}
	return nil
}

// first notes since when the findings of a scan are known.
func (x *scans) first(sc *scan) {
	for k := range sc.bad {
		if t, ok := x.byFirst[k]; !ok || sc.at.Before(t) {
			x.byFirst[k] = sc.at
		}
	}
}

// older asks for the newest scan of each image that was not scanned lately.
func (x *scans) older(ctx context.Context, reader evidence.Reader, wanted map[string]bool, before time.Time) error {
	for _, digest := range slices.Sorted(maps.Keys(wanted)) {
		if len(x.byDigest[digest]) > 0 {
			continue
		}
		q := evidence.Query{
			Kinds: []evidence.Kind{evidence.ArtifactScan}, Link: evidence.NewRef("image", "", digest),
			Period: evidence.Period{To: before}, Backward: true, Limit: 5,
		}
		for r, err := range reader.Records(ctx, q) {
			if err != nil {
				return fmt.Errorf("older scans: %w", err)
			}
			sc, _, err := readScan(&r)
			if err != nil {
				return err
			}
			if sc != nil && sc.digest == digest {
				x.byDigest[digest] = append(x.byDigest[digest], sc)
				x.first(sc)
				break
			}
		}
	}
	return nil
}

// readScan reads a scan that ended well. tag is the name that a pipeline's
// report gives to what it scanned.
func readScan(r *evidence.Record) (sc *scan, tag string, err error) {
	if r.Kind == evidence.PipelineReport {
		var f evidence.ReportFacts
		if err := r.Decode(&f); err != nil {
			return nil, "", err
		}
		if f.Type != "container_scanning" || f.Digest == "" && f.Image == "" {
			return nil, "", nil
		}
		sc = &scan{digest: f.Digest, place: repositoryOf(f.Image), at: firstTime(f.FinishedAt, r.Occurred)}
		sc.read(f.Findings, f.Cut, f.BySeverity, true)
		if t := tagOf(f.Image); t != "" && f.Image != "" {
			tag = sc.place + ":" + t
		}
	} else {
		var f evidence.ScanFacts
		if err := r.Decode(&f); err != nil {
			return nil, "", err
		}
		if f.Status != "success" {
			return nil, "", nil // an error, a stopped scan or an unknown outcome says nothing of weaknesses
		}
		sc = &scan{digest: f.Digest, place: f.Registry + "/" + f.Project + "/" + f.Repository, at: firstTime(f.FinishedAt, f.GeneratedAt, r.Occurred)}
		sc.read(f.Findings, f.Cut, f.BySeverity, f.ReportSeen)
		sc.odd = sc.odd || f.CompletePercent > 0
	}
	sc.seq, sc.source = r.Seq, r.Source
	return sc, tag, nil
}

func (sc *scan) read(findings []evidence.ScanFinding, cut int, counts map[string]int, whole bool) {
	sc.bad, sc.counted = map[findingKey]string{}, map[string]bool{}
	listed := map[string]int{}
	for _, v := range findings {
		listed[v.Severity]++
		if v.Severity == critical || v.Severity == high {
			sc.bad[findingKey{sc.place, v.ID, v.Package}] = v.Severity
		}
		sc.odd = sc.odd || !slices.Contains(knownSeverities, v.Severity)
	}
	for sev, n := range counts {
		sc.odd = sc.odd || n > 0 && !slices.Contains(knownSeverities, sev)
		if n > listed[sev] && (cut > 0 || !whole || len(findings) == 0) {
			sc.counted[sev] = true
		}
	}
}

// newest returns the newest scan of the image at or before t, nil when there
// was none. A scan of an index covers the images in it; where only those were
// scanned, all of them must have been, and the one scanned longest ago speaks.
func (x *scans) newest(shelf *shelf, digest string, t time.Time) *scan {
	if ss := x.speaking(shelf, digest, t); len(ss) > 0 {
		return ss[0]
	}
	return nil
}

// speaking returns the scans that say how the image stood at t: its newest one,
// or those of all images of an index, the one scanned longest ago first.
func (x *scans) speaking(shelf *shelf, digest string, t time.Time) []*scan {
	var best *scan
	for _, d := range shelf.related(digest) {
		if sc := x.before(d, t); sc != nil && (best == nil || sc.at.After(best.at)) {
			best = sc
		}
	}
	var of []*scan
	for _, c := range shelf.children(digest) {
		sc := x.before(c, t)
		if sc == nil {
			of = nil
			break
		}
		of = append(of, sc)
	}
	slices.SortStableFunc(of, func(a, b *scan) int { return a.at.Compare(b.at) })
	switch {
	case len(of) > 0 && (best == nil || of[0].at.After(best.at)):
		return of
	case best != nil:
		return []*scan{best}
	}
	return nil
}

func (x *scans) before(digest string, t time.Time) *scan {
	list := x.byDigest[digest]
	for i := len(list) - 1; i >= 0; i-- {
		if !list[i].at.After(t) {
			return list[i]
		}
	}
	return nil
}

// times lists when scans that speak about the image ended, in order.
func (x *scans) times(shelf *shelf, digest string) []time.Time {
	var ts []time.Time
	for _, d := range append(shelf.related(digest), shelf.children(digest)...) {
		for _, sc := range x.byDigest[d] {
			ts = append(ts, sc.at)
		}
	}
	slices.SortFunc(ts, time.Time.Compare)
	return ts
}

// exposure is how long findings of one severity had been known.
type exposure struct {
	sure     time.Duration // of a finding that the records name
	possible time.Duration // of one that they only count
	seqs     []uint64
	why      string
}

// open measures how long a finding of the severity had been open in the image
// while it ran: from the first scan that showed it, without a scan of the same
// source in between that did not, to the end of the run or the scan that showed
// it no more. Only time within the period counts as its end.
//
// Scans of the image and of the indexes that hold it tell one story. Of an
// index whose images were scanned one by one it is not known which of them
// ran, so what they show is possible.
func (x *scans) open(shelf *shelf, digest, severity string, runs []evidence.Period, p evidence.Period) exposure {
	var e exposure
	var own []*scan
	for _, d := range shelf.related(digest) {
		own = append(own, x.byDigest[d]...)
	}
	slices.SortStableFunc(own, func(a, b *scan) int { return a.at.Compare(b.at) })
	x.openIn(&e, own, severity, runs, p)
	children := shelf.children(digest)
	for _, d := range children {
		var of exposure
		x.openIn(&of, x.byDigest[d], severity, runs, p)
		e.possible = max(e.possible, of.possible)
		if len(children) == 1 && of.sure > e.sure {
			e.sure, e.seqs, e.why = of.sure, of.seqs, of.why
		}
	}
	return e
}

// told is what one source's newest scan says, and since when it says so.
type told struct {
	newest  *scan
	since   map[findingKey]*scan // the scan that first showed it in a row
	counted *scan                // as since, of findings that are only counted
}

func (x *scans) openIn(e *exposure, list []*scan, severity string, runs []evidence.Period, p evidence.Period) {
	bySource := map[evidence.SourceID]*told{}
	for i, sc := range list {
		until := p.To
		if i+1 < len(list) {
			until = list[i+1].at
		}
		of := bySource[sc.source]
		if of == nil {
			of = &told{}
			bySource[sc.source] = of
		}
		of.take(sc, severity)
		last, ran := lastIn(runs, evidence.Period{From: sc.at, To: until}, p)
		if !ran {
			continue
		}
		for _, source := range slices.Sorted(maps.Keys(bySource)) {
			of := bySource[source]
			for _, k := range slices.SortedFunc(maps.Keys(of.since), findingKey.compare) {
				d := last.Sub(of.since[k].at)
				e.possible = max(e.possible, d)
				if d > e.sure && !contradicted(bySource, of, k) {
					e.sure, e.seqs = d, []uint64{of.since[k].seq, of.newest.seq}
					e.why = fmt.Sprintf("%s finding %s was known for %s while it ran, since %s", strings.ToLower(severity), k.id, days(d), evidence.FormatTime(of.since[k].at))
				}
			}
			if of.counted != nil {
				e.possible = max(e.possible, last.Sub(of.counted.at))
			}
		}
	}
}

func (of *told) take(sc *scan, severity string) {
	now := map[findingKey]*scan{}
	for k, sev := range sc.bad {
		if sev != severity {
			continue
		}
		k.place = "" // one image, wherever it lies
		if now[k] = of.since[k]; now[k] == nil {
			now[k] = sc
		}
	}
	of.newest, of.since = sc, now
	switch {
	case !sc.counted[severity] && !sc.odd:
		of.counted = nil
	case of.counted == nil:
		of.counted = sc
	}
}

// contradicted reports whether another source looked later and did not find
// the weakness: scanners differ in what they know and how they call it.
func contradicted(bySource map[evidence.SourceID]*told, by *told, k findingKey) bool {
	for _, other := range bySource {
		if other == by || !other.newest.at.After(by.newest.at) {
			continue
		}
		finds := false
		for o := range other.newest.bad {
			finds = finds || o.id == k.id
		}
		if !finds {
			return true
		}
	}
	return false
}

func (k findingKey) compare(o findingKey) int {
	return cmp.Or(strings.Compare(k.id, o.id), strings.Compare(k.pack, o.pack), strings.Compare(k.place, o.place))
}

// lastIn returns the last moment within both the stretch and the period at
// which something ran.
func lastIn(runs []evidence.Period, stretch, p evidence.Period) (time.Time, bool) {
	var last time.Time
	from, to := later(stretch.From, p.From), earlier(stretch.To, p.To)
	for _, r := range runs {
		if r.To.Before(from) || r.From.After(to) {
			continue
		}
		last = later(last, earlier(r.To, to))
	}
	return last, !last.IsZero()
}

// days writes a duration of days and hours.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}
