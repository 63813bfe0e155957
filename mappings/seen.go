package mappings

import (
	"iter"
	"slices"
	"time"

	"evidenced/evidence"
)

// Sources are looked at all the time, and mostly all that a look tells is that
// somebody looked again: of the time up to the look before, as much is known as
// was. So what is known of every source and kind is summed up twice, as a whole
// and up to its newest look. A view that only asked about the time up to there
// stands when the second sum does.

// seen sums up what was seen, so that the next assessment can tell what of it is
// new.
type seen struct {
	of     []seenOf
	givers []uint64 // by kind: sum of the sources that give it; 0 for none
}

// seenOf is what one source saw of the kinds.
type seenOf struct {
	source evidence.SourceID
	kinds  kindSet
	seenSums
}

type seenSums struct {
	all    uint64
	until  time.Time     // newest look; zero: none, or nobody may build on it
	before uint64        // sum of what is known of the time up to it
	pause  time.Duration // longest one in the polled stretch that ends with it
}

// sourceKind is a kind, by its number, as one source sees it.
type sourceKind struct {
	source evidence.SourceID
	kind   int
}

// sourceKinds yields the kinds of a span, but for those that nobody knows.
func sourceKinds(s *evidence.Span) iter.Seq[sourceKind] {
	return func(yield func(sourceKind) bool) {
		for _, k := range s.Kinds {
			if i, known := kindBits[k]; known && !yield(sourceKind{s.Source, i}) {
				return
			}
		}
	}
}

// lookedAt sums up what was seen of every kind by every source.
func (c *coverage) lookedAt() map[sourceKind]*seenSums {
	sums := map[sourceKind]*seenSums{}
	spans := c.all.Spans()
	whole := make([]uint64, len(spans))
	for i := range spans {
		s := &spans[i]
		whole[i] = sumOfSpan(s)
		for key := range sourceKinds(s) {
			x := sums[key]
			if x == nil {
				x = &seenSums{}
				sums[key] = x
			}
			x.all += whole[i] // spans of one begin have no order
			if c.beyond || s.Class.Rank() == 0 {
				continue
			}
			switch last := lastOf(s); {
			case last.After(x.until):
				x.until, x.pause = last.UTC(), pauseAfter(s, time.Time{})
			case last.Equal(x.until):
				x.pause = max(x.pause, pauseAfter(s, time.Time{}))
			}
		}
	}
	for i := range spans {
		for key := range sourceKinds(&spans[i]) {
			x := sums[key]
			x.before += sumUpTo(&spans[i], whole[i], x.until)
		}
	}
	return sums
}

// lastOf is the last time at which the span's source was looked at.
func lastOf(s *evidence.Span) time.Time {
	if n := len(s.Looks); s.Class == evidence.Instants && n > 0 {
		return s.Looks[n-1]
	}
	return s.Period.To
}

// pauseAfter is the longest pause between two looks of a span of which the
// second came after t.
func pauseAfter(s *evidence.Span, t time.Time) (longest time.Duration) {
	if s.Class != evidence.Instants {
		return 0
	}
	for i := len(s.Looks) - 1; i > 0 && s.Looks[i].After(t); i-- {
		longest = max(longest, s.Looks[i].Sub(s.Looks[i-1]))
	}
	return longest
}

// sumUpTo sums up what a span tells of the time up to t. whole is the sum of all
// it tells.
func sumUpTo(s *evidence.Span, whole uint64, t time.Time) uint64 {
	switch {
	case !s.Period.To.After(t) && !lastOf(s).After(t):
		return whole
	case !s.Period.From.Before(t):
		return 0
	}
	cut := *s
	cut.Period.To = earlier(cut.Period.To, t)
	n, _ := slices.BinarySearchFunc(cut.Looks, t, func(look, t time.Time) int {
		if look.After(t) {
			return 1
		}
		return -1
	})
	cut.Looks = cut.Looks[:n]
	return sumOfSpan(&cut)
}

// remember keeps what was seen for the next assessment. Most kinds of a source
// are seen together, so they share an entry.
func (c *coverage) remember() *seen {
	groups := map[seenOf]kindSet{}
	for key, sums := range c.looked {
		g := seenOf{source: key.source, seenSums: *sums}
		kinds := groups[g]
		kinds.set(key.kind)
		groups[g] = kinds
	}
	s := &seen{of: make([]seenOf, 0, len(groups)), givers: make([]uint64, len(kindBits))}
	for g, kinds := range groups {
		g.kinds = kinds
		s.of = append(s.of, g)
	}
	for k, i := range kindBits {
		if isOwn(k) {
			continue
		}
		for _, id := range c.sources(k) {
			s.givers[i] = mixText(s.givers[i]+1, string(id))
		}
	}
	return s
}

// news tells the kinds of which something else is known than before: at all, of
// the time up to the newest look there was then, and who gives them.
func (s *seen) news(before *seen, c *coverage) (looked, past, givers kindSet) {
	for i := range s.givers {
		if s.givers[i] != before.givers[i] {
			givers.set(i)
		}
	}
	changed := map[sourceKind]*seenSums{} // as they were
	known := map[sourceKind]bool{}
	for i := range before.of {
		was := &before.of[i]
		for kind := range was.kinds.all() {
			key := sourceKind{was.source, kind}
			known[key] = true
			if is := c.looked[key]; is == nil || is.all != was.all {
				changed[key] = &was.seenSums
			}
		}
	}
	for key := range c.looked {
		if !known[key] {
			changed[key] = &seenSums{}
		}
	}
	for key := range changed {
		looked.set(key.kind)
	}
	for key := range c.otherBefore(changed) {
		past.set(key.kind)
	}
	return looked, past, givers
}

// otherBefore returns those of which something else is known now of the time up
// to the look that was the newest. A pause longer than those before it counts as
// that too: it says how long an earlier one may be, see [coverage.strips].
func (c *coverage) otherBefore(were map[sourceKind]*seenSums) map[sourceKind]bool {
	other, sums := map[sourceKind]bool{}, map[sourceKind]uint64{}
	if len(were) == 0 {
		return other
	}
	spans := c.all.Spans()
	for i := range spans {
		s := &spans[i]
		whole := sumOfSpan(s)
		for key := range sourceKinds(s) {
			was := were[key]
			if was == nil {
				continue
			}
			sums[key] += sumUpTo(s, whole, was.until)
			if pauseAfter(s, was.until) > was.pause {
				other[key] = true
			}
		}
	}
	for key, was := range were {
		if was.until.IsZero() || sums[key] != was.before {
			other[key] = true
		}
	}
	return other
}

// asked notes that somebody asked what a source saw of a kind up to t.
func (c *coverage) asked(id evidence.SourceID, kind evidence.Kind, t time.Time) {
	c.book.looks(kind)
	if is := c.looked[sourceKind{id, kindBits[kind]}]; is == nil || t.After(is.until) {
		c.book.ends(kind)
	}
}
