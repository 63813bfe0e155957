package mappings

import (
	"slices"
	"time"

	"evidenced/evidence"
)

// spell is how long something held of a subject without a break.
type spell struct {
	sure     time.Duration // longest stretch that was seen, without a blind window in it
	possible time.Duration // counting blind windows and unknown states as holding
	from     time.Time     // begin of the sure one
	seqs     []uint64      // the states it is made of
	blind    bool          // nobody looked for a part of the subject's time in the period

	open  time.Duration // how long it has held up to the period's end, blind windows and unknown states counted
	since time.Time     // where the sure stretch begins that the next look may show to go on; zero: none
}

// longest measures the longest spell in which holds says yes, over the states
// of one subject in time order. A spell keeps its begin before the period. It
// is sure up to the last look that still showed it.
func longest[T any](s *scene, kind evidence.Kind, sts []stretch[T], holds func(*T) tri) spell {
	blind := s.cover.blind(sts[0].source, kind, evidence.Period{From: earlier(sts[0].from, s.period.From), To: s.period.To})
	out := spellOf(s, sts, holds, func(*stretch[T], evidence.Period) []evidence.Period { return blind })
	for i := range sts {
		if in, ok := (evidence.Period{From: sts[i].from, To: sts[i].end(s.period)}).Intersect(s.period); ok {
			out.blind = out.blind || slices.ContainsFunc(blind, in.Overlaps)
		}
	}
	return out
}

// longestAsYet is longest for an item that tells by goesOn what the clock and the
// next look may change of it. It leaves blind open.
func longestAsYet[T any](s *scene, kind evidence.Kind, sts []stretch[T], holds func(*T) tri) spell {
	return spellOf(s, sts, holds, func(st *stretch[T], p evidence.Period) []evidence.Period {
		if st.until.IsZero() {
			return s.cover.blindAsYet(st.source, kind, p)
		}
		return s.cover.blind(st.source, kind, p)
	})
}

// goesOn notes which fields go on growing while the last state holds: the possible
// one with the clock, the sure one with the next look.
func (out *spell) goesOn(s *scene, it *item, sure, possible string) {
	if out.open > 0 && possible != "" {
		it.grows(possible, out.open)
	}
	if !out.since.IsZero() {
		it.follows(sure, s.period.To.Sub(out.since), !out.from.Equal(out.since))
	}
}

// spellOf is longest, with blind giving the windows of a stretch that nobody saw.
func spellOf[T any](s *scene, sts []stretch[T], holds func(*T) tri, blind func(*stretch[T], evidence.Period) []evidence.Period) spell {
	var out spell
	var open time.Duration
	var began time.Time
	var seqs []uint64
	for i := range sts {
		st := &sts[i]
		p := evidence.Period{From: st.from, To: st.end(s.period)}
		is := holds(&st.facts)
		if joined := i > 0 && sts[i-1].until.Equal(st.from); !joined || is == no {
			open, began, seqs = 0, time.Time{}, nil
		}
		out.open, out.since = 0, time.Time{}
		if is == no {
			continue
		}
		open += p.Duration()
		out.possible = max(out.possible, open)
		if st.until.IsZero() {
			out.open = open
		}
		if is == unknown {
			began, seqs = time.Time{}, nil
			continue
		}
		seqs = append(seqs, st.seq)
		newest := firstTime(began, p.From)
		sure := p
		last := i+1 == len(sts) || !sts[i+1].from.Equal(st.until) || holds(&sts[i+1].facts) != yes
		if last && !st.until.IsZero() && st.lastLook.Before(p.To) && st.lastLook.After(p.From) {
			sure.To = st.lastLook
		}
		for _, seen := range sure.Subtract(blind(st, p)) {
			if began.IsZero() || !seen.From.Equal(p.From) {
				began = seen.From
			}
			newest = began
			if d := seen.To.Sub(began); d > out.sure {
				out.sure, out.from, out.seqs = d, began, slices.Clone(seqs)
			}
			if !seen.To.Equal(p.To) {
				began = time.Time{}
			}
		}
		if st.until.IsZero() {
			out.since = newest
		}
	}
	return out
}

// newestOf returns the newest of the states, and whether it is in force at the end.
func newestOf[T any](sts []stretch[T]) (st *stretch[T], inForce bool) {
	st = &sts[len(sts)-1]
	return st, st.until.IsZero()
}

// subjectItem begins the item of one subject over all its states: its records
// are the newest state first, then the others.
func subjectItem[T any](sts []stretch[T], kind evidence.Kind, label string) *item {
	last, inForce := newestOf(sts)
	it := &item{
		seqs: []uint64{last.seq}, kind: kind, at: sts[0].from, label: label,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if last.endSeq != 0 {
		it.also(last.endSeq)
	}
	return it.set("source", string(last.source)).set("happened", sts[0].from).set("at_end", inForce)
}

// front puts the records that decided before the others.
func (it *item) front(seqs ...uint64) {
	if len(seqs) > 0 {
		it.seqs = append(slices.Clone(seqs), slices.DeleteFunc(it.seqs, func(q uint64) bool { return slices.Contains(seqs, q) })...)
	}
}

// readyIs turns a condition's word, True, False or Unknown, into an answer.
func readyIs(word string) tri {
	switch word {
	case "True":
		return yes
	case "False":
		return no
	}
	return unknown
}

// not turns an answer round.
func (t tri) not() tri {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}
