package evidence

import (
	"slices"
	"time"
)

// Interval returns how often the source was due to be looked at for the kind at a
// time, as the newest claim that ends by then and says so tells, else how far apart
// its looks usually lie. 0 when neither is known. What was configured later says
// nothing of when a look was due before.
func (c *Coverage) Interval(source SourceID, kind Kind, at time.Time) time.Duration {
	var newest time.Time
	var every time.Duration
	for i := range c.spans {
		s := &c.spans[i]
		if s.Every > 0 && s.of(source, kind) && !s.Period.To.After(at) && !s.Period.To.Before(newest) {
			newest, every = s.Period.To, s.Every
		}
	}
	if every > 0 {
		return every
	}
	return c.UsualInterval(source, kind)
}

// LongestInterval returns the longest of what Interval may return at any time: who
// lays out a stretch around a period that is longer than that sees all looks that
// its begin and its end may hang on.
func (c *Coverage) LongestInterval(source SourceID, kind Kind) time.Duration {
	longest := c.UsualInterval(source, kind)
	for i := range c.spans {
		if s := &c.spans[i]; s.Every > longest && s.of(source, kind) {
			longest = s.Every
		}
	}
	return longest
}

// GoesOn returns the last of the strips of a source and kind, of which nothing is
// claimed, as what it goes on at the time, and until when it does unless somebody
// looks: what was polled or blind up to its begin, as long as no more time went by
// than looks may lie apart (the interval, and half as much again). When the next
// look comes, both will be one stretch; when none comes, nobody looked since the
// claim ended. A claim of every instant goes on nothing.
func (c *Coverage) GoesOn(source SourceID, kind Kind, strips []Strip, at time.Time) (on Strip, until time.Time, ok bool) {
	on, last := c.end(source, kind, strips)
	if last == nil || last.Class != Instants && last.Class != Blind {
		return Strip{}, time.Time{}, false
	}
	until = c.overdue(source, kind, on.Period.From)
	on.Class, on.Cause, on.Seq = last.Class, last.Cause, last.Seq
	return on, until, !at.After(until)
}

// CauseNotYet is the cause of a stretch behind a claim of every instant, which ends
// before now always: with what comes next it reaches further.
const CauseNotYet = "not known yet: the next claim will tell"

// NotYet reports whether of the last of the strips nothing is claimed yet, at the
// time, because the source is seen at every instant, or read later, and the next
// claim is not overdue. It is no hole then, and nothing is known of it either.
func (c *Coverage) NotYet(source SourceID, kind Kind, strips []Strip, at time.Time) bool {
	on, last := c.end(source, kind, strips)
	if last == nil || last.Class != Continuous && last.Class != Reconstructed {
		return false
	}
	return !at.After(c.overdue(source, kind, on.Period.From))
}

// quiet is a stretch that a record tells of a source.
type quiet struct {
	source SourceID
	Quiet
}

// CauseQuiet is the cause of a stretch in which a log was read to its end and
// nothing was written to it, as far as was read.
const CauseQuiet = "nothing new was written to what was read; without a probe it is not known whether the source writes elsewhere"

// WhyNot returns why nothing is claimed of a strip of a source and kind, at the
// time, where somebody looked all the same for some of it from its begin on: until
// when stands in it, unless that is its end, or the next look is not overdue.
func (c *Coverage) WhyNot(source SourceID, kind Kind, s Strip, at time.Time) string {
	if s.Class != "" || s.Cause != CauseNobody {
		return s.Cause
	}
	var last Quiet
	for i := range c.quiet {
		q := &c.quiet[i]
		if q.source == source && slices.Contains(q.Kinds, kind) && !q.From.After(s.Period.From) && q.To.After(s.Period.From) && q.To.After(last.To) {
			last = q.Quiet
		}
	}
	switch {
	case last.To.IsZero():
		return s.Cause
	case !last.To.Before(s.Period.To), !at.After(c.overdue(source, kind, last.To)):
		return last.Cause
	}
	return last.Cause + "; nobody looked after " + FormatTime(last.To)
}

// end returns the last of the strips when nothing is claimed of it, and the best of
// what was claimed up to its begin; nil where that is nothing, or where a single
// look lies behind it.
func (c *Coverage) end(source SourceID, kind Kind, strips []Strip) (on Strip, last *Span) {
	if len(strips) == 0 || strips[len(strips)-1].Class != "" {
		return Strip{}, nil
	}
	on = strips[len(strips)-1]
	from := on.Period.From
	for i := range c.spans {
		s := &c.spans[i]
		if !s.of(source, kind) || s.Period.To.Before(from) || !s.Period.From.Before(on.Period.To) {
			continue
		}
		if s.Period.To.After(from) {
			return Strip{}, nil // a single look lies behind, which is in no strip
		}
		if last == nil || s.Class.Rank() > last.Class.Rank() {
			last = s
		}
	}
	return on, last
}

// overdue is from when on the look after one at a time is overdue.
func (c *Coverage) overdue(source SourceID, kind Kind, at time.Time) time.Time {
	d := c.Interval(source, kind, at)
	return at.Add(d + d/2)
}

func (s *Span) of(source SourceID, kind Kind) bool {
	return s.Source == source && slices.Contains(s.Kinds, kind)
}
