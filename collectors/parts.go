package collectors

import (
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// part is a stretch in which a part of the source was not seen. It concerns
// the tenants that own the part; no tenants means that nobody is known to own
// it, and it concerns all.
type part struct {
	Scope   string                `json:"scope,omitempty"`
	Tenants []string              `json:"tenants,omitempty"`
	Span    evidence.CoverageSpan `json:"span"`
	Open    bool                  `json:"open,omitempty"`    // still blind at the newest look
	Carried bool                  `json:"carried,omitempty"` // went on from a coverage record: blind at its first instant too
}

// unownedPart is the cause told of a part that no tenant owns: what it is
// called is nobody else's business.
const unownedPart = "a part of the source that no tenant owns was not seen"

func (p part) concerns(t evidence.Tenant) bool {
	return len(p.Tenants) == 0 || slices.Contains(p.Tenants, t.String())
}

// speaksOf reports whether any of the claims is about one of the kinds. A look at
// other kinds does not show a part that was blind.
func speaksOf(seen []evidence.Seen, kinds []evidence.Kind) bool {
	return slices.ContainsFunc(seen, func(s evidence.Seen) bool { return overlap(s.Kinds, kinds) })
}

// parts are the claims that a part of the source was not seen.
func parts(seen []evidence.Seen) (out []evidence.Seen) {
	for _, s := range seen {
		if len(s.Kinds) > 0 && !s.Scope.IsZero() && s.Class == evidence.Blind {
			out = append(out, s)
		}
	}
	return out
}

// whole are the claims about the whole source. Where a look claims kinds part
// by part, the weakest of the parts stands for the whole: the class that all
// have, over the time that all share. Parts that were not seen are told apart.
func whole(seen []evidence.Seen) (out []evidence.Seen) {
	byKinds := map[string]int{}
	told := map[string]bool{}
	for _, s := range seen {
		if len(s.Kinds) > 0 && s.Scope.IsZero() {
			out = append(out, s)
			told[fmt.Sprint(s.Kinds)] = true
		}
	}
	for _, s := range seen {
		name := fmt.Sprint(s.Kinds)
		if len(s.Kinds) == 0 || s.Scope.IsZero() || s.Class == evidence.Blind || told[name] {
			continue
		}
		i, ok := byKinds[name]
		if !ok {
			s.Scope = evidence.Ref{}
			byKinds[name] = len(out)
			out = append(out, s)
			continue
		}
		w := &out[i]
		if s.Class.Rank() < w.Class.Rank() {
			w.Class, w.Cause = s.Class, s.Cause
		}
		if s.From.After(w.From) {
			w.From = s.From
		}
		if s.To.Before(w.To) {
			w.To = s.To
		}
		if w.Class == evidence.Instants {
			w.To = maxTime(w.From, w.To)
			w.From = w.To
		}
	}
	return out
}

// miss grows the open stretch of a blind part or begins one.
func (t *tally) miss(s evidence.Seen, every time.Duration, tenants []string) (index int, fresh bool) {
	scope := s.Scope.String()
	for i := range t.Parts {
		p := &t.Parts[i]
		// Open means that the look before did not see the part either: one
		// stretch, whatever its cause is called now.
		if p.Open && p.Scope == scope && slices.Equal(p.Tenants, tenants) && slices.Equal(p.Span.Kinds, s.Kinds) {
			if s.To.After(p.Span.To) {
				p.Span.To = s.To.UTC()
			}
			return i, false
		}
	}
	cause, from := s.Cause, s.From.UTC()
	if len(tenants) == 0 {
		cause = unownedPart
	}
	if !from.Before(s.To) {
		from = s.To.UTC().Add(-time.Nanosecond) // never seen before: this look did not see it either
	}
	t.Parts = append(t.Parts, part{Scope: scope, Tenants: tenants, Open: true, Span: evidence.CoverageSpan{
		Kinds: slices.Clone(s.Kinds), From: from, To: s.To.UTC(), Class: evidence.Blind, Cause: cause, Every: every.Milliseconds(),
	}})
	return len(t.Parts) - 1, true
}

// spansBut returns the spans as they hold for a tenant: those of the whole
// source, less the parts of the tenant that were not seen.
func spansBut(parts []part, whole []evidence.CoverageSpan) []evidence.CoverageSpan {
	spans := whole
	for _, p := range parts {
		var next []evidence.CoverageSpan
		for _, s := range spans {
			if s.Class != evidence.Blind && overlap(s.Kinds, p.Span.Kinds) {
				from := p.Span.From
				if p.Carried {
					from = from.Add(-time.Nanosecond)
				}
				next = append(next, without(s, from, p.Span.To)...)
				continue
			}
			next = append(next, s)
		}
		spans = append(next, p.Span)
	}
	return spans
}

// partsOf returns the parts that concern a tenant. Those that say the same of the
// same time are one, and where a record could not hold what each says they all
// say the same.
func (t *tally) partsOf(tn evidence.Tenant) []part {
	var own []part
	n := 0
	for _, p := range t.Parts {
		if p.concerns(tn) {
			own = append(own, p)
			n += weightOf(&p.Span)
		}
	}
	if joined := joinParts(own); n <= maxWeightOfParts || weightOfParts(joined) <= maxWeightOfParts {
		return joined
	}
	for i := range own {
		own[i].Span.Cause = manyParts
	}
	return joinParts(own)
}

// manyParts is the cause told of parts that are too many to be told one by one.
const manyParts = "parts of the source were not seen, too many to tell of each"

// maxWeightOfParts is about how many bytes of parts a record holds: a quarter of
// what its content may have.
const maxWeightOfParts = evidence.MaxContent / 4

func weightOfParts(ps []part) (n int) {
	for i := range ps {
		n += weightOf(&ps[i].Span)
	}
	return n
}

// joinParts makes one of the parts that say the same of times that touch.
func joinParts(ps []part) []part {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b part) int { return a.Span.From.Compare(b.Span.From) })
	newest := map[string]int{} // by what is said
	var out []part
	for _, p := range ps {
		name := fmt.Sprint(p.Span.Kinds, p.Span.Cause)
		i, ok := newest[name]
		if !ok || p.Span.From.After(out[i].Span.To) {
			newest[name] = len(out)
			out = append(out, p)
			continue
		}
		o := &out[i]
		o.Carried = o.Carried || p.Carried && p.Span.From.Equal(o.Span.From)
		o.Span.To = maxTime(o.Span.To, p.Span.To)
		o.Span.Every = max(o.Span.Every, p.Span.Every)
	}
	return out
}

// without takes (from, to] out of a span. Looks in it did not show the part.
func without(s evidence.CoverageSpan, from, to time.Time) []evidence.CoverageSpan {
	if s.Class != evidence.Instants {
		var out []evidence.CoverageSpan
		for _, p := range (evidence.Period{From: s.From, To: s.To}).Subtract([]evidence.Period{{From: from, To: to}}) {
			c := s
			c.From, c.To = p.From, p.To
			out = append(out, c)
		}
		return out
	}
	var out []evidence.CoverageSpan
	var run []time.Time
	flush := func() {
		if len(run) > 0 {
			c := s
			c.From, c.To, c.Looks = run[0], run[len(run)-1], nil
			for i := 1; i < len(run); i++ {
				c.Looks = append(c.Looks, run[i].Sub(run[i-1]).Milliseconds())
			}
			out = append(out, c)
		}
		run = nil
	}
	for _, look := range s.LookTimes() {
		if look.After(from) && !look.After(to) {
			flush()
			continue
		}
		if len(run) > 0 && !run[len(run)-1].After(from) && look.After(to) {
			flush() // no look between: the two sides must not join across it
		}
		run = append(run, look)
	}
	flush()
	return out
}
