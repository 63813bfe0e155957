package mappings

import (
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// standing is what an assessment stood on, beside the log, and how long its
// verdicts stand while none of it changes.
type standing struct {
	turns       turns
	tenancy     *evidence.Tenancy
	entities    []string
	scope       []ScopeStatement
	collectable map[evidence.Kind]bool
	ahead       uint64 // sum
	budget      time.Duration
}

// standing tells what the assessment stands on and how long.
func (as *assessment) standing(in *Input, views []viewBuilt, coming []coming) standing {
	s := standing{
		turns: as.turns, tenancy: in.Tenancy, entities: slices.Clone(in.Entities), scope: slices.Clone(in.Scope), collectable: in.Collectable,
		ahead: sumOf(in.Ahead), budget: in.Budget,
	}
	for i := range views {
		s.turns.join(views[i].turns)
	}
	for i := range in.Scope {
		if end := in.Scope[i].Until; !end.Before(in.Now) {
			s.turns.after(end)
		}
	}
	for _, c := range coming {
		s.turns.after(c.at.Add(-time.Nanosecond)) // it counts at its very instant
	}
	if as.cover.beyond {
		s.turns.open = true
	}
	return s
}

// Stands reports whether every verdict of the assessment before is that of an
// assessment at in.Now too, over the same number of days: nothing is new, and
// no clock ran out. size is how many records the log has; in needs no Reader.
// What findings say of counts, looks and periods may be older.
func (a *Assessor) Stands(in Input, size uint64, days time.Duration) bool {
	s := &a.stood
	return a.views != nil && a.size == size && a.catalog == in.Catalog && a.from.Equal(RollingPeriod(in.Now, days).From) &&
		!s.turns.passed(in.Now.UTC()) && s.ahead == sumOf(in.Ahead) && s.tenancy.Equal(in.Tenancy) && (s.entities == nil) == (in.Entities == nil) &&
		slices.Equal(s.entities, in.Entities) && slices.Equal(s.scope, in.Scope) &&
		(in.Collectable == nil) == (s.collectable == nil) && maps.Equal(s.collectable, in.Collectable) && s.budget == in.Budget &&
		a.configured == sumOfSources(in.Configured)
}

// sumOfSources sums up which sources are configured, so that a change is
// noticed.
func sumOfSources(configured map[evidence.Kind][]evidence.SourceID) (sum uint64) {
	if configured == nil {
		return 0
	}
	for k, ids := range configured {
		h := mixText(offset, string(k))
		for _, id := range ids {
			h = mixText(h, string(id))
		}
		sum += h // kinds have no order
	}
	return mix(offset, sum)
}

// sumOf sums up spans, so that a change is noticed.
func sumOf(spans []evidence.Span) uint64 {
	h := uint64(offset)
	for i := range spans {
		h = mix(h, sumOfSpan(&spans[i]))
		for _, k := range spans[i].Kinds {
			h = mixText(h, string(k))
		}
	}
	return h
}

// sumOfSpan sums up one span, but for its kinds.
func sumOfSpan(s *evidence.Span) uint64 {
	h := mix(mix(mixText(mixText(offset, string(s.Source)), string(s.Class)), uint64(s.Period.From.UnixNano())), uint64(s.Period.To.UnixNano()))
	h = mixText(h, s.Cause)
	for _, t := range s.Looks {
		h = mix(h, uint64(t.UnixNano()))
	}
	return mix(mix(h, uint64(len(s.Looks))), uint64(s.Every))
}
