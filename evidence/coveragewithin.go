package evidence

import (
	"maps"
	"slices"
	"time"
)

// told is how many runs of a source one record of coverage counts.
type told struct {
	source SourceID
	period Period
	runs   RunCounts
}

// RunsIn reports whether the runs that a coverage record counts are those of a
// period, by the stretch that the record is of. One that claims a single look, or
// nothing because nothing was seen yet, is of an instant.
func RunsIn(p, stretch Period) bool {
	return p.Overlaps(stretch) || stretch.From.Equal(stretch.To) && p.Contains(stretch.To)
}

// nearSpan is how far around a period spans are kept, and twice their interval
// more, so that the looks next to its ends are known.
const nearSpan = 48 * time.Hour

// near reports whether a span counts for what is said of the period; every span
// does when it is zero.
func near(s *CoverageSpan, p Period) bool {
	if p.IsZero() {
		return true
	}
	sp := Period{s.From, s.To}
	if s.Class == Instants {
		sp.To = sp.To.Add(time.Nanosecond)
	}
	around := nearSpan + 2*s.Interval()
	return sp.Overlaps(Period{p.From.Add(-around), p.To.Add(around)})
}

// Near is near for a span that was loaded.
func (s *Span) Near(p Period) bool {
	return near(&CoverageSpan{From: s.Period.From, To: s.Period.To, Class: s.Class, Every: s.Every.Milliseconds()}, p)
}

// Within returns what LoadCoverage gives for a period, from the coverage of all
// time, without reading the log again. The two share nothing that Add changes.
func (c *Coverage) Within(p Period) *Coverage {
	in := &Coverage{Retired: c.Retired, Latest: c.Latest, Runs: map[SourceID]RunCounts{}, began: map[SourceID]map[Kind][4]time.Time{}, told: c.told, quiet: c.quiet}
	for id, kinds := range c.began {
		in.began[id] = maps.Clone(kinds)
	}
	for _, t := range c.told {
		if RunsIn(p, t.period) {
			n := in.Runs[t.source]
			n.Add(t.runs)
			in.Runs[t.source] = n
		}
	}
	for i := range c.spans {
		if s := &c.spans[i]; s.Near(p) {
			in.spans = append(in.spans, *s)
		}
	}
	in.spans = slices.Clip(in.spans)
	return in
}
