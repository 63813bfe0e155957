package reports

import (
	"slices"

	"evidenced/evidence"
)

// Strips lays the period out for one source and kind, like
// evidence.Coverage.Strips, but without the seams between coverage records: a
// polled source's record ends at its last look and the next begins at the
// following one, and where these lie no further apart than the source usually
// looks (half as much again), the stretch between counts as polled too.
//
// So does the stretch behind the newest claim, as long as the next look is not
// due: a source that looks once a day is not blind at noon because its next look
// comes at midnight, and one that is down is down for its cause until it is looked
// at again. Once a look is overdue, nobody looked since that claim.
func Strips(cov *evidence.Coverage, source evidence.SourceID, kind evidence.Kind, p evidence.Period) []Strip {
	// Seams at the period's edges can only be told with what lies outside.
	usual := cov.UsualInterval(source, kind)
	around := 2 * cov.LongestInterval(source, kind)
	wide := evidence.Period{From: p.From.Add(-around), To: p.To.Add(around)}
	var out []Strip
	raw := cov.Strips(source, kind, wide)
	// Of a period that is over more is known than at its end.
	known := p.To
	if cov.Latest.After(known) {
		known = cov.Latest
	}
	if on, _, ok := cov.GoesOn(source, kind, raw, known); ok {
		raw[len(raw)-1] = on
	}
	for i, s := range raw {
		strip := Strip{From: s.Period.From, To: s.Period.To, Class: s.Class, Cause: s.Cause, Seq: s.Seq}
		seam := s.Class == "" && i > 0 && i+1 < len(raw) && raw[i-1].Class == evidence.Instants && raw[i+1].Class == evidence.Instants
		if seam && s.Period.Duration() <= usual+usual/2 {
			strip.Class, strip.Cause, strip.Seq = evidence.Instants, raw[i-1].Cause, raw[i-1].Seq
		}
		if n := len(out); n > 0 && out[n-1].Class == strip.Class && out[n-1].Cause == strip.Cause {
			out[n-1].To = strip.To
			continue
		}
		out = append(out, strip)
	}
	if n := len(out) - 1; n > 0 && out[n].Class == "" && out[n].Cause == evidence.CauseNobody {
		if why := Unclaimed(cov, source, kind, evidence.Period{From: out[n].From, To: known}); why != evidence.CauseNobody {
			out[n].Why = why
		}
	}
	return clip(out, p)
}

// Why nothing is claimed of the newest stretch though somebody looked, or will.
const (
	notYet = "not told yet, the next look is not overdue"
	silent = "looked at, but nothing was told of it"
)

// Unclaimed says why nothing is claimed of a source's kind over a period that
// begins where its newest claim ends: because the next look is not overdue at its
// end; since the source was looked at and showed other kinds alone, as a log that
// proves nothing beyond its newest line; else because nobody looked.
func Unclaimed(cov *evidence.Coverage, source evidence.SourceID, kind evidence.Kind, p evidence.Period) string {
	every := cov.Interval(source, kind, p.From)
	due := every + every/2
	if p.From.IsZero() || every == 0 {
		return evidence.CauseNobody
	}
	lately := false // another kind was seen
	for _, s := range cov.Spans() {
		if s.Source != source || s.Class.Rank() == 0 || !s.Period.To.After(p.From) {
			continue
		}
		if slices.Contains(s.Kinds, kind) {
			return evidence.CauseNobody // nor is it the newest: somebody looked again
		}
		lately = lately || !s.Period.To.Before(p.To.Add(-due))
	}
	switch {
	case !p.To.After(p.From.Add(due)):
		return notYet
	case lately:
		return silent
	}
	return evidence.CauseNobody
}

func clip(strips []Strip, p evidence.Period) []Strip {
	var out []Strip
	for _, s := range strips {
		if in, ok := (evidence.Period{From: s.From, To: s.To}).Intersect(p); ok {
			s.From, s.To = in.From, in.To
			out = append(out, s)
		}
	}
	return out
}

// BlindWindows returns the stretches of the period in which the source did not
// see the kind, in order: where it tried and could not, and where nobody
// looked.
func BlindWindows(cov *evidence.Coverage, source evidence.SourceID, kind evidence.Kind, p evidence.Period) []BlindWindow {
	var ws []BlindWindow
	for _, s := range Strips(cov, source, kind, p) {
		if s.Class.Rank() > 0 {
			continue
		}
		ws = append(ws, BlindWindow{
			Source: source, Kinds: []evidence.Kind{kind}, From: s.From, To: s.To,
			Cause: s.Cause, Looked: s.Class == evidence.Blind, Seq: s.Seq, Why: s.Why,
		})
	}
	return ws
}

// AllBlind returns the blind windows of all sources over the period, in order
// of time; kinds that a source missed alike stand in one window.
func AllBlind(cov *evidence.Coverage, p evidence.Period) []BlindWindow {
	var ws []BlindWindow
	for _, id := range cov.Sources() {
		for _, kind := range KindsOf(cov, id) {
			for _, w := range BlindWindows(cov, id, kind, p) {
				same := func(o BlindWindow) bool {
					return o.Source == w.Source && o.From.Equal(w.From) && o.To.Equal(w.To) && o.Cause == w.Cause && o.Why == w.Why
				}
				if i := slices.IndexFunc(ws, same); i >= 0 {
					ws[i].Kinds = append(ws[i].Kinds, kind)
					continue
				}
				ws = append(ws, w)
			}
		}
	}
	slices.SortStableFunc(ws, func(x, y BlindWindow) int { return x.From.Compare(y.From) })
	return ws
}

// KindsOf returns the kinds that a source claims anything for, sorted.
func KindsOf(cov *evidence.Coverage, id evidence.SourceID) []evidence.Kind {
	var kinds []evidence.Kind
	for _, s := range cov.Spans() {
		if s.Source == id {
			kinds = append(kinds, s.Kinds...)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
