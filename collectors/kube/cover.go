package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// group is a set of kinds that stand on the same feeds, and so are covered
// alike: as far as the feed that is furthest behind.
type group struct {
	kinds   []evidence.Kind
	feeds   []*feed
	claimed time.Time // until when something was claimed; zero before the first look
}

// groupsOf sorts the collector's kinds by the feeds they stand on. What After
// makes stands on all of them.
func groupsOf(c *Collector, feeds []*feed, st map[*feed]*standing) []*group {
	var gs []*group
	for _, k := range c.Kinds() {
		var on []*feed
		for _, f := range feeds {
			if slices.Contains(f.res.Kinds, k) || slices.Contains(c.opts.afterOf, k) {
				on = append(on, f)
			}
		}
		if i := slices.IndexFunc(gs, func(g *group) bool { return slices.Equal(g.feeds, on) }); i >= 0 {
			gs[i].kinds = append(gs[i].kinds, k)
			continue
		}
		g := &group{kinds: []evidence.Kind{k}, feeds: on}
		g.claimed, _ = reach(g, st)
		gs = append(gs, g)
	}
	return gs
}

// reach is until when all feeds of the group have seen everything; false when
// one has not begun.
func reach(g *group, st map[*feed]*standing) (to time.Time, ok bool) {
	for _, f := range g.feeds {
		at := st[f].To
		if at.IsZero() {
			return time.Time{}, false
		}
		if to.IsZero() || at.Before(to) {
			to = at
		}
	}
	return to, len(g.feeds) > 0
}

// followed says what may be claimed while following: unbroken watches, the
// stretches whose history was lost, and the looks that found that the cluster
// does not have a resource.
func (s *session) followed() []evidence.Seen {
	var seen []evidence.Seen
	for _, g := range s.groups {
		to, ok := reach(g, s.st)
		from := g.claimed
		if from.IsZero() {
			for _, f := range g.feeds {
				from = later(from, s.st[f].first)
			}
		}
		if !ok || to.Before(from) || to.Equal(g.claimed) {
			continue
		}
		if s.allAbsent(g) {
			seen = append(seen, evidence.Seen{Kinds: g.kinds, Class: evidence.Instants, From: to, To: to, Every: s.c.recheck})
		} else {
			seen = append(seen, s.stretch(g, from, to)...)
		}
		g.claimed = to
	}
	if len(seen) > 0 {
		seen = append(seen, s.badParts()...)
	}
	s.prune()
	return seen
}

// underway are the kinds of which not everything was read once.
func (s *session) underway() (kinds []evidence.Kind) {
	for _, g := range s.groups {
		if _, ok := reach(g, s.st); !ok && len(g.feeds) > 0 {
			kinds = append(kinds, g.kinds...)
		}
	}
	return kinds
}

func (s *session) allAbsent(g *group) bool {
	return !slices.ContainsFunc(g.feeds, func(f *feed) bool { return !s.st[f].Absent })
}

// stretch lays out what was seen and what was lost between two instants.
func (s *session) stretch(g *group, from, to time.Time) (seen []evidence.Seen) {
	var lost []blind
	for _, f := range g.feeds {
		for _, b := range s.st[f].Blind {
			b.From, b.To = later(b.From, from), earlier(b.To, to)
			if b.From.Before(b.To) {
				lost = append(lost, b)
			}
		}
	}
	slices.SortStableFunc(lost, func(a, b blind) int { return a.From.Compare(b.From) })
	at := from
	add := func(c evidence.Class, end time.Time, cause string) {
		if end.After(at) || len(seen) == 0 && c == evidence.Continuous {
			seen = append(seen, evidence.Seen{Kinds: g.kinds, Class: c, From: at, To: end, Cause: cause})
			at = end
		}
	}
	for _, b := range lost {
		if b.From.After(at) {
			add(evidence.Continuous, b.From, "")
		}
		add(evidence.Blind, b.To, b.Cause)
	}
	if to.After(at) || len(seen) == 0 {
		add(evidence.Continuous, to, "")
	}
	return seen
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// prune drops lost stretches that every group has claimed.
func (s *session) prune() {
	for _, f := range s.feeds {
		st := s.st[f]
		st.Blind = slices.DeleteFunc(st.Blind, func(b blind) bool {
			return !slices.ContainsFunc(s.groups, func(g *group) bool {
				return slices.Contains(g.feeds, f) && g.claimed.Before(b.To)
			})
		})
	}
}

// polled says what one list of everything may claim. A kind that could not be
// read in full is blind since it was last seen. One whose whole history since
// then was told is covered without a gap.
func (s *session) polled(now time.Time) []evidence.Seen {
	var seen []evidence.Seen
	for _, g := range s.groups {
		cause, resumed := "", len(g.feeds) > 0
		for _, f := range g.feeds {
			st := s.st[f]
			if cause == "" && !st.whole && !st.Absent && !st.Refused {
				cause = f.name() + " could not be read in full"
			}
			resumed = resumed && (st.resumed || st.Refused)
		}
		to, _ := reach(g, s.st)
		switch {
		case cause == "" && resumed && !g.claimed.IsZero() && to.After(g.claimed):
			seen = append(seen, s.stretch(g, g.claimed, to)...)
			g.claimed = to
		case cause == "" && len(g.feeds) > 0:
			seen = append(seen, evidence.Seen{Kinds: g.kinds, Class: evidence.Instants, From: now, To: now})
			g.claimed = now
		case g.claimed.Before(now) && !g.claimed.IsZero():
			seen = append(seen, evidence.Seen{Kinds: g.kinds, Class: evidence.Blind, From: g.claimed, To: now, Cause: cause})
			g.claimed = now
		}
	}
	if len(seen) > 0 {
		seen = append(seen, s.badParts()...)
	}
	for _, f := range s.feeds {
		s.st[f].Blind = nil // a list claims instants; what lies between is not claimed at all
	}
	return seen
}

// badParts are the parts of the cluster whose objects could not all be read.
func (s *session) badParts() (seen []evidence.Seen) {
	now := s.c.env.Clock().UTC()
	for _, f := range s.feeds {
		since := map[evidence.Ref]time.Time{}
		for _, b := range s.st[f].Bad {
			if at, ok := since[b.Scope]; !ok || b.Since.Before(at) {
				since[b.Scope] = b.Since
			}
		}
		for scope, at := range since {
			if len(f.res.Kinds) > 0 {
				seen = append(seen, evidence.Seen{
					Kinds: f.res.Kinds, Scope: scope, Class: evidence.Blind, From: at, To: now,
					Cause: "objects of " + f.name() + " could not be read",
				})
			}
		}
	}
	slices.SortFunc(seen, func(a, b evidence.Seen) int { return cmp.Compare(a.Scope.String(), b.Scope.String()) })
	return seen
}

// incomplete says what could not be read, "" when all could. A feed that was
// cut off a moment ago may still catch up.
func (s *session) incomplete(now time.Time, patience time.Duration) string {
	var why []string
	for _, f := range slices.Concat(s.spaces, s.feeds) {
		st := s.st[f]
		if st.fault != nil && (refusal(st.fault) || now.Sub(st.since) >= patience) {
			why = append(why, plain(f, st.fault))
		}
		if n := len(st.Bad); n > 0 {
			why = append(why, fmt.Sprintf("%d objects of %s could not be read", n, f.name()))
		}
	}
	const most = 5
	if n := len(why); n > most {
		why = append(why[:most], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(why, "; ")
}
