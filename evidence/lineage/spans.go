package lineage

import (
	"slices"
	"time"

	"evidenced/evidence"
)

// ever is the end of a span that has none.
var ever = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// always is all time.
var always = spans{{To: ever}}

// spans is a set of instants: half-open periods in order, none touching the
// next.
type spans []evidence.Period

// and returns the instants of both.
func (s spans) and(o spans) spans {
	var out spans
	for i, j := 0, 0; i < len(s) && j < len(o); {
		if x, ok := s[i].Intersect(o[j]); ok {
			out = append(out, x)
		}
		if s[i].To.Before(o[j].To) {
			i++
		} else {
			j++
		}
	}
	return out
}

// or returns the instants of either.
func (s spans) or(o spans) spans {
	all := slices.Concat(s, o)
	slices.SortFunc(all, func(a, b evidence.Period) int { return a.From.Compare(b.From) })
	var out spans
	for _, p := range all {
		if !p.From.Before(p.To) {
			continue
		}
		if n := len(out); n > 0 && !out[n-1].To.Before(p.From) {
			if p.To.After(out[n-1].To) {
				out[n-1].To = p.To
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

// has reports whether every instant of o is in s.
func (s spans) has(o spans) bool {
	for _, p := range o {
		if !slices.ContainsFunc(s, func(q evidence.Period) bool { return !p.From.Before(q.From) && !q.To.Before(p.To) }) {
			return false
		}
	}
	return true
}

// Span is a stretch of time in an answer. A zero end is open.
type Span struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// told turns spans into what an answer holds; all time is nil.
func (s spans) told() []Span {
	var out []Span
	for _, p := range s {
		x := Span{From: p.From, To: p.To}
		if p.To.Equal(ever) {
			x.To = time.Time{}
		}
		if x != (Span{}) {
			out = append(out, x)
		}
	}
	return out
}
