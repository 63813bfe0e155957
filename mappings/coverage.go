package mappings

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// coverage answers questions about what was seen, source by source: a kind is
// seen at a time only when every source that gives it was. One source seeing
// well never makes up for another that was blind, since each sees things of
// its own.
type coverage struct {
	all        *evidence.Coverage
	ever       *evidence.Coverage // of all time, without what is ahead
	configured map[evidence.Kind][]evidence.SourceID
	own        evidence.Period // of the log itself, see ownSpan
	book       *notebook       // may be nil
	ahead      []evidence.Span // what of all is not in the log yet
	end        time.Time       // of what is judged, when it moves with the clock; else zero
	beyond     bool            // something was seen behind it, by a source whose clock goes ahead
	looked     map[sourceKind]*seenSums
	laid       map[laidKey]laidOut
	givers     map[evidence.Kind][]evidence.SourceID
	margins    map[sourceKind]time.Duration
}

// laidKey names strips that were laid out already: many tests need the same.
type laidKey struct {
	source evidence.SourceID
	kind   evidence.Kind
	period evidence.Period
}

// laidOut is what one source saw of a kind in a period, and when it was looked at
// last before its end.
type laidOut struct {
	strips []evidence.Strip
	last   time.Time
}

// sources lists who gives a kind: those that ever claimed it and those that
// are configured to. The list is shared: do not change it.
func (c *coverage) sources(kind evidence.Kind) []evidence.SourceID {
	if isOwn(kind) {
		return []evidence.SourceID{evidence.SelfSource}
	}
	c.book.gives(kind)
	ids, known := c.givers[kind]
	if !known {
		ids = append(c.all.Sources(kind), c.configured[kind]...)
		slices.Sort(ids)
		ids = slices.Clip(slices.Compact(ids))
		if c.givers == nil {
			c.givers = map[evidence.Kind][]evidence.SourceID{}
		}
		c.givers[kind] = ids
	}
	return ids
}

// leastMargin is how far around a period coverage is laid out at least, so that
// the looks next to its ends are known.
const leastMargin = 48 * time.Hour

// margin is how far around a period coverage is laid out for one source and kind.
func (c *coverage) margin(id evidence.SourceID, kind evidence.Kind) time.Duration {
	key := sourceKind{id, kindBits[kind]}
	d, ok := c.margins[key]
	if !ok {
		if c.margins == nil {
			c.margins = map[sourceKind]time.Duration{}
		}
		d = max(leastMargin, 2*c.all.LongestInterval(id, kind))
		c.margins[key] = d
	}
	return d
}

// strips lays out what one source saw of a kind. Between two polled stretches
// of one source lies no blindness as long as the pause is no longer than its
// usual one (a roll-up at midnight cuts a row of looks in two).
func (c *coverage) strips(id evidence.SourceID, kind evidence.Kind, p evidence.Period) []evidence.Strip {
	if !isOwn(kind) {
		c.asked(id, kind, p.To)
	}
	return c.layOut(id, kind, p)
}

func (c *coverage) layOut(id evidence.SourceID, kind evidence.Kind, p evidence.Period) []evidence.Strip {
	c.upTo(p.To, isOwn(kind))
	if isOwn(kind) {
		return c.ownStrips(p)
	}
	around := c.margin(id, kind)
	wide := evidence.Period{From: p.From.Add(-around), To: p.To.Add(around)}
	ss := c.all.Strips(id, kind, wide)
	for i := 1; i+1 < len(ss); i++ {
		before, after := ss[i-1], ss[i+1]
		if ss[i].Class == "" && before.Class == evidence.Instants && after.Class == evidence.Instants &&
			ss[i].Period.Duration() <= c.pause(id, kind, before.Period, after.Period) {
			ss[i].Class, ss[i].Cause = evidence.Instants, ""
		}
	}
	// What is blind stays so for its cause until the next look is overdue, as far as
	// is known by now. That nothing was claimed since a look is a matter of freshness.
	if on, until, ok := c.all.GoesOn(id, kind, ss, later(p.To, c.all.Latest)); ok && on.Class == evidence.Blind {
		c.book.wakes(until)
		n := len(ss)
		if n > 1 && ss[n-2].Class == on.Class && ss[n-2].Cause == on.Cause {
			on.Period.From = ss[n-2].Period.From
			n--
		}
		ss = append(ss[:n-1], on)
	}
	var cut []evidence.Strip
	for _, s := range ss {
		if in, ok := s.Period.Intersect(p); ok {
			s.Period = in
			cut = append(cut, s)
		}
	}
	return cut
}

// upTo notes that somebody asked what was seen up to t. Where that is the end of
// what is judged, the answer stays as it is until somebody looks again, unless
// something was seen behind it already. What is known of our own records goes on
// with the clock.
func (c *coverage) upTo(t time.Time, own bool) {
	if (own || c.beyond) && !c.end.IsZero() && !t.Before(c.end) {
		c.book.moves()
	}
}

// lay is strips and lastLook for a period that many tests share.
func (c *coverage) lay(id evidence.SourceID, kind evidence.Kind, p evidence.Period) laidOut {
	k := laidKey{id, kind, p}
	out, ok := c.laid[k]
	if !ok {
		if c.laid == nil {
			c.laid = map[laidKey]laidOut{}
		}
		out = laidOut{c.strips(id, kind, p), c.lastLook(id, kind, p.To)}
		c.laid[k] = out
	}
	return out
}

// began returns when all sources of the kinds had been looked at well enough
// for the first time, as far as they ever were: nothing can be said of the time
// before.
func (c *coverage) began(kinds []evidence.Kind, least evidence.Class) time.Time {
	var began time.Time
	for _, kind := range kinds {
		for _, id := range c.sources(kind) {
			t := c.all.Begin(id, kind, least)
			if isOwn(kind) {
				t = c.own.From
			}
			if t.After(began) {
				began = t
			}
		}
	}
	return began
}

// pause returns half as much again as the longest pause between two looks of
// the polled stretches that touch one of the periods.
func (c *coverage) pause(id evidence.SourceID, kind evidence.Kind, ps ...evidence.Period) time.Duration {
	var longest time.Duration
	for _, s := range c.all.Spans() {
		if s.Source != id || s.Class != evidence.Instants || !slices.Contains(s.Kinds, kind) ||
			!slices.ContainsFunc(ps, s.Period.Overlaps) {
			continue
		}
		for i := 1; i < len(s.Looks); i++ {
			longest = max(longest, s.Looks[i].Sub(s.Looks[i-1]))
		}
	}
	return longest + longest/2
}

// seen reports whether some source saw the kind at the time, in whatever class.
func (c *coverage) seen(kind evidence.Kind, t time.Time) bool {
	p := evidence.Period{From: t, To: t.Add(time.Nanosecond)}
	return slices.ContainsFunc(c.sources(kind), func(id evidence.SourceID) bool {
		ss := c.strips(id, kind, p)
		return len(ss) > 0 && ss[0].Class.Rank() > 0
	})
}

// blind returns the stretches of the period in which the source saw nothing of
// the kind.
func (c *coverage) blind(id evidence.SourceID, kind evidence.Kind, p evidence.Period) []evidence.Period {
	if !isOwn(kind) {
		c.asked(id, kind, p.To)
	}
	return c.blindAsYet(id, kind, p)
}

// blindAsYet is blind for an item that tells by follows what the next look may
// change of it.
func (c *coverage) blindAsYet(id evidence.SourceID, kind evidence.Kind, p evidence.Period) []evidence.Period {
	if !isOwn(kind) {
		c.book.looks(kind)
	}
	var ps []evidence.Period
	for _, s := range c.layOut(id, kind, p) {
		if s.Class.Rank() == 0 {
			ps = append(ps, s.Period)
		}
	}
	return ps
}

// lastLook returns the last time before t at which the source was looking at
// the kind; zero when it never was.
func (c *coverage) lastLook(id evidence.SourceID, kind evidence.Kind, t time.Time) time.Time {
	if !isOwn(kind) {
		c.asked(id, kind, t)
	}
	return c.lastLookAsYet(id, kind, t)
}

// lastLookAsYet is lastLook for an item that tells by follows what the next look
// may change of it.
func (c *coverage) lastLookAsYet(id evidence.SourceID, kind evidence.Kind, t time.Time) time.Time {
	c.upTo(t, isOwn(kind))
	if isOwn(kind) {
		return c.ownLook(t)
	}
	c.book.looks(kind)
	before, _, _ := c.all.LooksAround(id, kind, t)
	return before
}

// sight is what a test may build on.
type sight struct {
	windows []evidence.Window // not covered in the class the test accepts, all kinds
	holes   []evidence.Window // those of them that make the verdict not-observed
	weakest evidence.Class
	newest  time.Time         // the oldest of the sources' newest looks; zero: none ever looked
	of      evidence.SourceID // whose it is
	none    []evidence.Kind
}

// look works out what was seen of the kinds. While the period still runs, the
// stretch after the newest look is no hole yet: it is judged by freshness.
func (c *coverage) look(kinds []evidence.Kind, least evidence.Class, p evidence.Period, running bool) sight {
	s := sight{weakest: evidence.Continuous}
	first := true
	for _, kind := range kinds {
		ids := c.sources(kind)
		if len(ids) == 0 {
			w := evidence.Window{Kind: kind, Period: p, Cause: "no configured source makes it"}
			s.windows, s.holes, s.none = append(s.windows, w), append(s.holes, w), append(s.none, kind)
			s.weakest, s.newest, s.of, first = evidence.Blind, time.Time{}, "", false
			continue
		}
		for _, id := range ids {
			newest := c.source(&s, id, kind, least, p, running)
			if first || newest.Before(s.newest) {
				s.newest, s.of, first = newest, id, false
			}
		}
		c.tooWeak(&s, kind, least, p)
	}
	return s
}

// source adds what one source did not see, and returns its newest look.
func (c *coverage) source(s *sight, id evidence.SourceID, kind evidence.Kind, least evidence.Class, p evidence.Period, running bool) time.Time {
	laid := c.lay(id, kind, p)
	newest := laid.last
	for _, strip := range laid.strips {
		tail := running && strip.Class == "" && strip.Period.To.Equal(p.To) && newest.After(p.From)
		if !tail && strip.Class.Rank() < s.weakest.Rank() {
			s.weakest = cmp.Or(strip.Class, evidence.Blind)
		}
		if strip.Class.Rank() > 0 {
			if strip.Period.To.After(newest) {
				newest = strip.Period.To
			}
			continue
		}
		w := evidence.Window{Source: id, Kind: kind, Period: strip.Period, Class: strip.Class, Cause: strip.Cause}
		s.windows = append(s.windows, w)
		if !tail {
			s.holes = append(s.holes, w)
		}
	}
	return newest
}

// tooWeak adds the stretches in which even the best source was of a weaker
// class than the test accepts.
func (c *coverage) tooWeak(s *sight, kind evidence.Kind, least evidence.Class, p evidence.Period) {
	best := map[evidence.Period]evidence.Strip{}
	var cells []evidence.Period
	var strips [][]evidence.Strip
	cuts := []time.Time{}
	weak := false
	for _, id := range c.sources(kind) {
		ss := c.lay(id, kind, p).strips
		strips = append(strips, ss)
		for _, x := range ss {
			cuts = append(cuts, x.Period.From, x.Period.To)
			weak = weak || x.Class.Rank() > 0 && x.Class.Rank() < least.Rank()
		}
	}
	if !weak {
		return // what was seen at all was seen well enough
	}
	slices.SortFunc(cuts, time.Time.Compare)
	for i := 0; i+1 < len(cuts); i++ {
		cell := evidence.Period{From: cuts[i], To: cuts[i+1]}
		if cell.Duration() == 0 {
			continue
		}
		cells = append(cells, cell)
		for _, ss := range strips {
			for _, x := range ss {
				if b, ok := best[cell]; x.Period.Overlaps(cell) && (!ok || x.Class.Rank() > b.Class.Rank()) {
					best[cell] = x
				}
			}
		}
	}
	var open *evidence.Window
	for _, cell := range cells {
		b := best[cell]
		if b.Class.Rank() == 0 || b.Class.Rank() >= least.Rank() {
			open = nil
			continue
		}
		if open != nil && open.Class == b.Class && open.Period.To.Equal(cell.From) {
			open.Period.To = cell.To
			s.holes[len(s.holes)-1] = *open
			s.windows[len(s.windows)-1] = *open
			continue
		}
		open = &evidence.Window{Kind: kind, Period: cell, Class: b.Class, Cause: "seen as " + string(b.Class) + ", the test needs " + string(least)}
		s.holes, s.windows = append(s.holes, *open), append(s.windows, *open)
	}
}

// causes tells a window's reason by the words of its cause, first match first.
var causes = []struct {
	reason evidence.Reason
	words  []string
}{
	{evidence.ReasonNoPermission, []string{"401", "403", "permission", "denied", "forbidden", "unauthor", "credential", "token expired", "scope shrank"}},
	{evidence.ReasonSourceDown, []string{"500", "502", "503", "504", "unreachable", "timeout", "timed out", "refused", "no such host", "connection", "down", "eof", "429", "unavailable"}},
}

// reason says why the holes are there: the one that most needs a person wins.
func (c *coverage) reason(s *sight, collectable map[evidence.Kind]bool) evidence.Reason {
	for _, k := range s.none {
		if !collectable[k] {
			return evidence.ReasonNoCollector
		}
	}
	if len(s.none) > 0 {
		return evidence.ReasonNotConfigured
	}
	for _, cause := range causes {
		for _, w := range s.holes {
			text := strings.ToLower(w.Cause)
			if slices.ContainsFunc(cause.words, func(word string) bool { return strings.Contains(text, word) }) {
				return cause.reason
			}
		}
	}
	for _, w := range s.holes {
		if w.Class.Rank() == 0 {
			return evidence.ReasonBlind
		}
	}
	if len(s.holes) == 0 {
		return evidence.ReasonBlind // a field nobody could see
	}
	return evidence.ReasonClass
}
