package evidence

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Coverage says what was seen of the sources of one tenant, from the
// collection.coverage records of the tenant's own log. Where no span reaches,
// nobody looked.
type Coverage struct {
	spans []Span
	// Retired is until when the log's records, those of coverage too, were
	// dropped under retention; zero when none were.
	Retired time.Time
	Runs    map[SourceID]RunCounts
	// Latest is when the last claim ends, wherever it lies; zero when there is
	// none.
	Latest time.Time

	began map[SourceID]map[Kind][4]time.Time // by the least rank of class
	told  []told
	quiet []quiet
}

// Begin returns when the first claim of the source for the kind, of the class
// or a better one, begins, wherever it lies; zero when there is none.
func (c *Coverage) Begin(source SourceID, kind Kind, least Class) time.Time {
	return c.began[source][kind][least.Rank()]
}

// First returns when any source first saw the kind, wherever that lies; zero
// when none ever did, of what was loaded.
func (c *Coverage) First(kind Kind) time.Time {
	var first time.Time
	for source := range c.began {
		if t := c.Begin(source, kind, Reconstructed); !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Add takes in spans that no record claims yet.
func (c *Coverage) Add(spans ...Span) {
	for _, s := range spans {
		c.begin(s.Source, s.Kinds, s.Class, s.Period)
	}
	c.spans = append(c.spans, spans...)
	sort.SliceStable(c.spans, func(i, j int) bool { return c.spans[i].Period.From.Before(c.spans[j].Period.From) })
}

func (c *Coverage) begin(source SourceID, kinds []Kind, class Class, p Period) {
	from := p.From
	if p.To.After(c.Latest) {
		c.Latest = p.To.UTC()
	}
	if c.began == nil {
		c.began = map[SourceID]map[Kind][4]time.Time{}
	}
	if c.began[source] == nil {
		c.began[source] = map[Kind][4]time.Time{}
	}
	for _, k := range kinds {
		ts := c.began[source][k]
		for rank := range class.Rank() + 1 {
			if ts[rank].IsZero() || from.Before(ts[rank]) {
				ts[rank] = from.UTC()
			}
		}
		c.began[source][k] = ts
	}
}

// Span is one claimed stretch of one source for some kinds.
type Span struct {
	Source SourceID
	Kinds  []Kind
	Period Period
	Class  Class
	Cause  string
	Looks  []time.Time   // of Instants, in order
	Every  time.Duration // how often the kinds are due to be looked at; 0: not said
	Seq    uint64        // the record that claims it
}

// LoadCoverage reads the coverage of a period. Spans keep their own ends, so
// that looks just outside the period can be named.
func LoadCoverage(ctx context.Context, r Reader, p Period) (*Coverage, error) {
	c := &Coverage{Runs: map[SourceID]RunCounts{}}
	// A coverage record occurs when its stretch ends; it covers at most a day
	// before that, a blind or reconstructed one any length.
	for rec, err := range r.Records(ctx, Query{Kinds: []Kind{CollectionCoverage}}) {
		if err != nil {
			return nil, fmt.Errorf("load coverage: %w", err)
		}
		var f CoverageFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		c.told = append(c.told, told{f.Source, f.Period, f.Runs})
		if RunsIn(p, f.Period) {
			n := c.Runs[f.Source]
			n.Add(f.Runs)
			c.Runs[f.Source] = n
		}
		for _, s := range f.Spans {
			c.begin(f.Source, s.Kinds, s.Class, Period{s.From, s.To})
			if near(&s, p) {
				c.spans = append(c.spans, f.Span(s, rec.Seq))
			}
		}
		for _, q := range f.Quiet {
			c.quiet = append(c.quiet, quiet{f.Source, q})
		}
	}
	var err error
	if c.Retired, err = RetiredUntil(ctx, r); err != nil {
		return nil, fmt.Errorf("load coverage: %w", err)
	}
	sort.SliceStable(c.spans, func(i, j int) bool { return c.spans[i].Period.From.Before(c.spans[j].Period.From) })
	return c, nil
}

// Span is a stretch that the record with the seq claims for its source.
func (f *CoverageFacts) Span(s CoverageSpan, seq uint64) Span {
	return Span{
		Source: f.Source, Kinds: s.Kinds, Period: Period{s.From.UTC(), s.To.UTC()},
		Class: s.Class, Cause: s.Cause, Looks: s.LookTimes(), Every: s.Interval(), Seq: seq,
	}
}

// UsualInterval returns how far apart the looks at a polled source usually
// lie: the median of its looks for the kind. 0 when it has no two looks.
func (c *Coverage) UsualInterval(source SourceID, kind Kind) time.Duration {
	var looks []time.Time
	for _, s := range c.spans {
		if s.Source == source && slices.Contains(s.Kinds, kind) {
			looks = append(looks, s.Looks...)
		}
	}
	return UsualGap(looks)
}

// UsualGap returns the median of the distances between looks, which it sorts. 0 when
// no two lie apart.
func UsualGap(looks []time.Time) time.Duration {
	slices.SortFunc(looks, time.Time.Compare)
	gaps := make([]time.Duration, 0, len(looks))
	for i := 1; i < len(looks); i++ {
		if d := looks[i].Sub(looks[i-1]); d > 0 {
			gaps = append(gaps, d)
		}
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// CauseRetired is the cause of a stretch of which nothing is known any more:
// what was seen of it was dropped under retention. It does not say that nobody
// looked, nor that nothing happened.
const CauseRetired = "retired under retention"

// CauseUnseen is the cause of a window of a source that was due and of which
// nothing was seen: no record tells of which kinds.
const CauseUnseen = "nothing of it was seen"

// RetiredUntil returns until when the records of a log were dropped under
// retention, by its own records that tell so; zero when none were.
func RetiredUntil(ctx context.Context, r Reader) (time.Time, error) {
	var until time.Time
	for rec, err := range r.Records(ctx, Query{Kinds: []Kind{LogSegment}}) {
		if err != nil {
			return until, err
		}
		var f SegmentFacts
		if err := rec.Decode(&f); err != nil {
			return until, err
		}
		if f.Act == SegmentRetired && f.Newest.After(until) {
			until = f.Newest.UTC()
		}
	}
	return until, nil
}

// LookTimes returns the instants at which the span's source was looked at, in
// order; nil for other classes than Instants.
func (s CoverageSpan) LookTimes() []time.Time {
	if s.Class != Instants {
		return nil
	}
	ts := make([]time.Time, 0, len(s.Looks)+1)
	t := s.From.UTC()
	ts = append(ts, t)
	for _, ms := range s.Looks {
		t = t.Add(time.Duration(ms) * time.Millisecond)
		ts = append(ts, t)
	}
	return ts
}

// longestInterval is longer than any schedule's.
const longestInterval = 10 * 366 * 24 * time.Hour

// Interval returns how often the kinds are due to be looked at; 0 when it is not
// said, or so seldom that it cannot be meant.
func (s CoverageSpan) Interval() time.Duration {
	if s.Every <= 0 || s.Every > longestInterval.Milliseconds() {
		return 0
	}
	return time.Duration(s.Every) * time.Millisecond
}

// Spans returns all spans in order of their begin. The slice is shared: do not
// change it.
func (c *Coverage) Spans() []Span { return c.spans }

// Sources returns the sources that claim anything for one of the kinds, or
// any at all when no kind is given, sorted.
func (c *Coverage) Sources(kinds ...Kind) []SourceID {
	var ids []SourceID
	for _, s := range c.spans {
		if (len(kinds) == 0 || overlap(s.Kinds, kinds)) && !slices.Contains(ids, s.Source) {
			ids = append(ids, s.Source)
		}
	}
	slices.Sort(ids)
	return ids
}

func overlap(a, b []Kind) bool {
	for _, k := range a {
		if slices.Contains(b, k) {
			return true
		}
	}
	return false
}

// Strip is a stretch of one class, without overlap: what may be said of one
// source and kind.
type Strip struct {
	Period Period
	Class  Class // "" where nobody looked
	Cause  string
	Seq    uint64
}

// CauseNobody is the cause of a stretch of which nothing is claimed.
const CauseNobody = "nobody looked"

// Strips lays the period out into stretches in time order, with the best
// class that any span claims for the source (any source when it is "") and
// kind. Together they fill the period; where no span reaches the class is ""
// and the cause says that nobody looked.
func (c *Coverage) Strips(source SourceID, kind Kind, p Period) []Strip {
	var in []*Span
	cuts := []time.Time{p.From, p.To}
	if c.Retired.After(p.From) && c.Retired.Before(p.To) {
		cuts = append(cuts, c.Retired)
	}
	for i := range c.spans {
		s := &c.spans[i]
		if source != "" && s.Source != source || kind != "" && !slices.Contains(s.Kinds, kind) {
			continue
		}
		if x, ok := s.Period.Intersect(p); ok {
			in = append(in, s)
			cuts = append(cuts, x.From, x.To)
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	var strips []Strip
	var over []*Span // those that reach over the cell, in order of their begin
	for i, next := 0, 0; i+1 < len(cuts); i++ {
		cell := Period{cuts[i], cuts[i+1]}
		if cell.Duration() == 0 {
			continue
		}
		best := Strip{Period: cell, Cause: CauseNobody}
		if !cell.To.After(c.Retired) {
			best.Cause = CauseRetired
		}
		found := false
		for ; next < len(in) && !in[next].Period.From.After(cell.From); next++ {
			over = append(over, in[next])
		}
		over = slices.DeleteFunc(over, func(s *Span) bool { return s.Period.To.Before(cell.To) })
		for _, s := range over {
			if !found || s.Class.Rank() > best.Class.Rank() {
				best.Class, best.Cause, best.Seq, found = s.Class, s.Cause, s.Seq, true
			}
		}
		if n := len(strips); n > 0 && strips[n-1].Class == best.Class && strips[n-1].Cause == best.Cause {
			strips[n-1].Period.To = cell.To
			continue
		}
		strips = append(strips, best)
	}
	return strips
}

// Uncovered returns the windows of the period in which no source saw the kind
// in the class or a better one, each with the best that can be said. The
// newest stretch, from the last thing seen to the end of the period, counts
// too.
func (c *Coverage) Uncovered(kind Kind, least Class, p Period) []Window {
	var ws []Window
	for _, s := range c.Strips("", kind, p) {
		if s.Class.Rank() >= least.Rank() && s.Class.Rank() > 0 {
			continue
		}
		ws = append(ws, Window{Kind: kind, Period: s.Period, Class: s.Class, Cause: s.Cause, Source: c.blindSource(kind, s.Period)})
	}
	return ws
}

func (c *Coverage) blindSource(kind Kind, p Period) SourceID {
	for _, s := range c.spans {
		if s.Class == Blind && slices.Contains(s.Kinds, kind) && s.Period.Overlaps(p) {
			return s.Source
		}
	}
	return ""
}

// LooksAround returns the last sighting at or before t and the first after
// it, of the source for the kind: for Instants the looks, else the span's
// ends. Zero times mean none known.
func (c *Coverage) LooksAround(source SourceID, kind Kind, t time.Time) (before, after time.Time, class Class) {
	for _, s := range c.spans {
		if s.Source != source || !slices.Contains(s.Kinds, kind) || s.Class == Blind {
			continue
		}
		if s.Class == Instants {
			i := sort.Search(len(s.Looks), func(i int) bool { return s.Looks[i].After(t) })
			if i > 0 && s.Looks[i-1].After(before) {
				before = s.Looks[i-1]
			}
			if i < len(s.Looks) && (after.IsZero() || s.Looks[i].Before(after)) {
				after = s.Looks[i]
			}
			if class == "" && i > 0 && i < len(s.Looks) {
				class = Instants
			}
			continue
		}
		switch {
		case !s.Period.From.After(t) && t.Before(s.Period.To):
			if s.Class.Rank() > class.Rank() {
				class = s.Class
			}
			if t.After(before) {
				before = t
			}
			if s.Class == Continuous {
				after = t
			}
		case !s.Period.To.After(t) && s.Period.To.After(before):
			before = s.Period.To
		case s.Period.From.After(t) && (after.IsZero() || s.Period.From.Before(after)):
			after = s.Period.From
		}
	}
	return before, after, class
}
