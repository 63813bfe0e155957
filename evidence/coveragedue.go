package evidence

import (
	"slices"
	"time"
)

// Interval returns how often the source is due to be looked at for the kind, as
// its newest claim that says so tells, else how far apart its looks usually lie.
// 0 when neither is known.
func (c *Coverage) Interval(source SourceID, kind Kind) time.Duration {
	var newest time.Time
	var every time.Duration
	for i := range c.spans {
		s := &c.spans[i]
		if s.Source == source && s.Every > 0 && slices.Contains(s.Kinds, kind) && !s.Period.To.Before(newest) {
			newest, every = s.Period.To, s.Every
		}
	}
	if every > 0 {
		return every
	}
	return c.UsualInterval(source, kind)
}

// NotDue reports whether the last of the strips of a source and kind, of which
// nothing is claimed, goes on what was before it at the time: that was polled or
// blind, and no more time went by than looks may lie apart (the interval, and half
// as much again). When the next look comes, both will be one stretch; when none
// comes, nobody looked since the claim ended. A claim of every instant goes on
// nothing.
func (c *Coverage) NotDue(source SourceID, kind Kind, strips []Strip, at time.Time) bool {
	n := len(strips)
	if n < 2 || strips[n-1].Class != "" || strips[n-2].Class != Instants && strips[n-2].Class != Blind {
		return false
	}
	d := c.Interval(source, kind)
	return at.Sub(strips[n-1].Period.From) <= d+d/2
}
