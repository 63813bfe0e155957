package collectors

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"evidenced/evidence"
)

// tally gathers, between two coverage records, what a source was seen of. Its
// fields are saved with the cursor, so that a crash forgets no look.
type tally struct {
	Number  int                              `json:"n"`                // coverage records written
	Begun   time.Time                        `json:"begun,omitzero"`   // when the record before was written, or begin of an earlier claim or run
	Written time.Time                        `json:"written,omitzero"` // end of the newest coverage record
	Open    []evidence.CoverageSpan          `json:"open,omitempty"`   // one for each set of kinds, growing
	Closed  []evidence.CoverageSpan          `json:"closed,omitempty"`
	Quiet   []evidence.Quiet                 `json:"quiet,omitempty"`     // behind what was claimed, one for each set of kinds
	Rested  time.Time                        `json:"quiet_told,omitzero"` // end of what the newest coverage record tells of that
	Unseen  beginnings                       `json:"unseen,omitempty"`    // of kinds that were due and never claimed
	Without []evidence.Kind                  `json:"without,omitempty"`   // never claimed, and a look that missed nothing said nothing of them
	Idle    bool                             `json:"idle,omitempty"`      // at the newest slot nobody looked
	Pace    int64                            `json:"pace,omitempty"`      // milliseconds between two slots of the source, at the newest
	Parts   []part                           `json:"parts,omitempty"`     // blind in a part of the source
	Counts  map[string]map[evidence.Kind]int `json:"counts,omitempty"`
	Runs    evidence.RunCounts               `json:"runs"`
	IDs     []evidence.ID                    `json:"ids,omitempty"`
}

// beginnings tell why kinds that were due were never claimed. A kind has at most
// one, and none once it was claimed.
type beginnings []evidence.CoverageSpan

// UnmarshalJSON reads a single one too, which was kept for all kinds together.
func (b *beginnings) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte("{")) {
		return json.Unmarshal(text, (*[]evidence.CoverageSpan)(b))
	}
	var one evidence.CoverageSpan
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*b = beginnings{one}
	return nil
}

// maxRunIDs bounds the run ids listed in one coverage record; the hash covers
// all of them.
const maxRunIDs = 3000

func (t *tally) add(tn evidence.Tenant, k evidence.Kind) {
	if t.Counts == nil {
		t.Counts = map[string]map[evidence.Kind]int{}
	}
	if t.Counts[tn.String()] == nil {
		t.Counts[tn.String()] = map[evidence.Kind]int{}
	}
	t.Counts[tn.String()][k]++
}

func (t *tally) count(o evidence.Outcome, n int) {
	t.Runs.Expected += n
	switch o {
	case evidence.RunDone:
		t.Runs.Done += n
	case evidence.RunEmpty:
		t.Runs.Empty += n
	case evidence.RunPartial:
		t.Runs.Partial += n
	case evidence.RunFailed:
		t.Runs.Failed += n
	case evidence.RunMissed:
		t.Runs.Missed += n
	}
}

// ran takes in a run that ended now. A day in which runs claimed nothing is told
// all the same, and so is one that begins before the tally did, by a clock that was
// set back.
func (t *tally) ran(id evidence.ID, now time.Time) {
	t.IDs = append(t.IDs, id)
	t.begin(now)
}

// see takes in what one part of a look may claim and reports whether a class
// changed. A claim with a scope is about a part of the source: a blind part
// takes back, for the tenants that own it, what the look claims of the whole;
// a seen part claims nothing by itself.
func (t *tally) see(seen []evidence.Seen, every time.Duration, owners func(evidence.Ref) []string) (changed bool) {
	if len(seen) == 0 {
		return false // in the middle of a look: nothing is claimed or taken back
	}
	t.Idle = false
	t.keepsPace(every)
	now := map[int]bool{} // parts that are blind in this look
	for _, s := range append(whole(seen), parts(seen)...) {
		if s.Scope.IsZero() {
			changed = t.extend(s, max(every, s.Every)) || changed
			continue
		}
		i, fresh := t.miss(s, max(every, s.Every), owners(s.Scope))
		now[i] = true
		changed = fresh || changed
	}
	for i := range t.Parts {
		if t.Parts[i].Open && !now[i] && speaksOf(seen, t.Parts[i].Span.Kinds) {
			t.Parts[i].Open, changed = false, true
		}
	}
	return changed
}

// rest takes in what a look can claim nothing of. It comes with each look from the
// newest claim on, and is no reason to write a record.
func (t *tally) rest(qs []evidence.Quiet) {
	for _, q := range qs {
		if !q.From.Before(q.To) {
			continue
		}
		t.Idle = false
		t.Quiet = slices.DeleteFunc(t.Quiet, func(o evidence.Quiet) bool { return slices.Equal(o.Kinds, q.Kinds) })
		q.From, q.To = q.From.UTC(), q.To.UTC()
		t.Quiet = append(t.Quiet, q)
	}
}

// lookedUntil is until when somebody looked at the kinds of a span: until it ends,
// or further where nothing could be claimed.
func (t *tally) lookedUntil(o *evidence.CoverageSpan) time.Time {
	until := o.To
	for _, q := range t.Quiet {
		if slices.Equal(q.Kinds, o.Kinds) {
			until = maxTime(until, q.To)
		}
	}
	return until
}

func overlap(a, b []evidence.Kind) bool {
	return slices.ContainsFunc(a, func(k evidence.Kind) bool { return slices.Contains(b, k) })
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// extend grows the open span of the kinds or closes it and opens another. The
// kinds are looked at every so often.
func (t *tally) extend(s evidence.Seen, every time.Duration) (changed bool) {
	s.From, s.To = s.From.UTC(), s.To.UTC()
	if s.To.Before(s.From) {
		return false
	}
	t.begin(s.From)
	if s.Class != evidence.Blind {
		t.Quiet = slices.DeleteFunc(t.Quiet, func(q evidence.Quiet) bool { return slices.Equal(q.Kinds, s.Kinds) && !q.To.After(s.To) })
	}
	spacing := spacingOf(every)
	changed = t.appeared(s, spacing)
	span := evidence.CoverageSpan{Kinds: slices.Clone(s.Kinds), From: s.From, To: s.To, Class: s.Class, Cause: s.Cause, Every: every.Milliseconds()}
	i := slices.IndexFunc(t.Open, func(o evidence.CoverageSpan) bool { return slices.Equal(o.Kinds, s.Kinds) })
	if i < 0 {
		for j := range t.Open { // what of them is blind in other company ends
			if overlap(t.Open[j].Kinds, s.Kinds) {
				lastUntil(&t.Open[j], s.From, spacing)
			}
		}
		t.Open = append(t.Open, span)
		return changed
	}
	lastUntil(&t.Open[i], s.From, spacing)
	if grow(&t.Open[i], s, spacing) {
		t.Open[i].Every = span.Every
		return changed
	}
	old := t.Open[i]
	if old.Class == evidence.Instants && s.Class == evidence.Blind && span.From.Before(old.To) && span.To.After(old.To) {
		span.From = old.To // where all of it lies before, the clock was set back
	}
	t.Closed = append(t.Closed, old)
	t.Open[i] = span
	return changed || old.Class != s.Class || old.Cause != s.Cause
}

// outdated reports whether all kinds of an open span were claimed since in other
// company, as another version of a collector may group them.
func (t *tally) outdated(i int) bool {
	o := &t.Open[i]
	return !slices.ContainsFunc(o.Kinds, func(k evidence.Kind) bool {
		return !slices.ContainsFunc(t.Open, func(x evidence.CoverageSpan) bool { return x.To.After(o.To) && slices.Contains(x.Kinds, k) })
	})
}

// begin keeps when the tally begins: with the first of what is claimed.
func (t *tally) begin(at time.Time) {
	if t.Begun.IsZero() || at.Before(t.Begun) {
		t.Begun = at
	}
}

// lastUntil lets a blind span last until something is claimed again, or until
// now: nothing was seen in between, and no look was due for so long that nobody
// was there.
func lastUntil(s *evidence.CoverageSpan, until time.Time, longest time.Duration) {
	if d := until.Sub(s.To); s.Class == evidence.Blind && d > 0 && d <= longest {
		s.To = until
	}
}

// grow extends the span by the claim when both make one stretch.
func grow(o *evidence.CoverageSpan, s evidence.Seen, spacing time.Duration) bool {
	if o.Class != s.Class || o.Cause != s.Cause && s.Class != evidence.Reconstructed {
		return false
	}
	if s.Class == evidence.Instants {
		step := s.To.Sub(o.To)
		if step < 0 || step > spacing {
			return false
		}
		// Looks are kept to the millisecond; keep the sum exact by rounding
		// the span's end, not each step.
		ms := step.Milliseconds()
		o.Looks = append(o.Looks, ms)
		o.To = o.To.Add(time.Duration(ms) * time.Millisecond)
		return true
	}
	if s.From.After(o.To) || s.To.Before(o.From) {
		return false
	}
	if s.To.After(o.To) {
		o.To = s.To
	}
	if s.From.Before(o.From) {
		o.From = s.From
	}
	return true
}

// unclaimed are those of the kinds of which nothing was claimed yet.
func (t *tally) unclaimed(kinds []evidence.Kind) []evidence.Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k evidence.Kind) bool {
		return slices.ContainsFunc(t.Open, func(o evidence.CoverageSpan) bool { return slices.Contains(o.Kinds, k) })
	})
}

// complete takes in that a look claimed something and missed nothing: of a kind
// that was never claimed there is nothing at the source to be seen, as far as
// anybody can tell, unless the first look at it is under way.
func (t *tally) complete(kinds, underway []evidence.Kind, now time.Time, every time.Duration) {
	t.Idle = false
	_, t.Without = divide(t.unclaimed(kinds), underway)
	t.appeared(evidence.Seen{Kinds: t.Without, From: now.UTC()}, spacingOf(every))
}

// incomplete takes in that a look missed something. What was claimed before goes
// on as the look says, and parts are told as such; of the other kinds nothing but
// the loss is known.
func (t *tally) incomplete(kinds []evidence.Kind, l loss) (changed bool) {
	kinds = slices.DeleteFunc(t.unclaimed(kinds), func(k evidence.Kind) bool {
		return slices.ContainsFunc(t.Parts, func(p part) bool { return slices.Contains(p.Span.Kinds, k) })
	})
	t.Idle = false
	// A source may be seen now whole and now not: that is no reason to write a
	// record for kinds that it may not have.
	before := t.Without
	_, t.Without = divide(before, kinds)
	_, lost := divide(kinds, before)
	return t.loseUnseen(kinds, l) && len(lost) > 0
}

// appeared closes the stretches in which nothing was seen of the kinds that are
// claimed now.
func (t *tally) appeared(s evidence.Seen, spacing time.Duration) (changed bool) {
	var left beginnings
	for _, u := range t.Unseen {
		now, still := divide(u.Kinds, s.Kinds)
		if len(now) > 0 {
			over := u
			over.Kinds = now
			lastUntil(&over, s.From, spacing)
			t.closeUnseen(over)
			changed = true
		}
		if u.Kinds = still; len(still) > 0 {
			left = append(left, u)
		}
	}
	t.Unseen = left
	return changed
}

// closeUnseen closes a stretch in which nothing was seen yet, unless all of it is
// told.
func (t *tally) closeUnseen(s evidence.CoverageSpan) {
	if s.From.Before(s.To) {
		t.Closed = append(t.Closed, s)
	}
}

// divide tells the kinds that are among others from those that are not.
func divide(kinds, others []evidence.Kind) (in, out []evidence.Kind) {
	for _, k := range kinds {
		if slices.Contains(others, k) {
			in = append(in, k)
		} else {
			out = append(out, k)
		}
	}
	return in, out
}

// loss is why nothing was seen.
type loss struct {
	cause string
	due   time.Time     // of the run that failed, or of the first that was missed
	until time.Time     // now, or when the last missed run was due
	every time.Duration // between two due slots
	idle  bool          // nobody looked
	held  bool          // nobody looked because of how the runs before ended: no cause of its own
}

// lose says that until now nothing of the kinds was seen since their open
// spans ended, or since the run that was due then when there was no claim before.
func (t *tally) lose(kinds []evidence.Kind, l loss) (changed bool) {
	l.due, l.until = l.due.UTC(), l.until.UTC()
	_, missing := divide(t.unclaimed(kinds), t.Without)
	changed = t.loseUnseen(missing, l)
	begun, outdated := false, make([]bool, len(t.Open))
	for i := range t.Open {
		outdated[i] = t.outdated(i)
	}
	for i := range outdated {
		o := &t.Open[i]
		from := t.lookedUntil(o)
		if !overlap(o.Kinds, kinds) || !l.until.After(from) || outdated[i] {
			continue
		}
		every := t.paced(o, l.every)
		if o.Class == evidence.Blind && from.Equal(o.To) && (o.Cause == l.cause || l.held || !l.idle && !t.Idle) {
			// Still blind. A source may answer now so and now so: the first cause
			// stands for all of them, but not for a time in which nobody looked.
			o.To, o.Every = l.until, every.Milliseconds()
			continue
		}
		begun = begun || o.Class != evidence.Blind
		changed = t.extend(evidence.Seen{Kinds: o.Kinds, Class: evidence.Blind, From: from, To: l.until, Cause: l.cause}, every) || changed
	}
	t.Idle = l.idle && (t.Idle || begun || !l.held)
	t.keepsPace(l.every)
	return changed
}

// paced is how often the kinds of a span are due while nothing is claimed of them,
// of a source that is due every so often now. Kinds may be due less often than
// their source, which only a claim says: until the next one they are due no more
// often than before. The others are due as their source is.
func (t *tally) paced(o *evidence.CoverageSpan, every time.Duration) time.Duration {
	if t.Pace > 0 && o.Every <= t.Pace {
		return every
	}
	return max(every, o.Interval())
}

// keepsPace keeps how often the source is due.
func (t *tally) keepsPace(every time.Duration) { t.Pace = every.Milliseconds() }

// loseUnseen grows the stretches in which nothing was seen yet of the kinds. They
// may last for long, so another cause begins another stretch; that alone is no
// reason to write a record, since a source may answer now so and now so.
func (t *tally) loseUnseen(kinds []evidence.Kind, l loss) (changed bool) {
	var next beginnings
	fresh := kinds
	for _, u := range t.Unseen {
		now, not := divide(u.Kinds, kinds)
		_, fresh = divide(fresh, u.Kinds)
		if len(now) == 0 || len(not) == 0 && (u.Cause == l.cause || l.held) {
			if len(now) > 0 {
				u.To = maxTime(u.To, l.until)
				if l.every > 0 {
					u.Every = l.every.Milliseconds()
				}
			}
			next = append(next, u)
			continue
		}
		over, cause := u, u.Cause
		if over.Kinds = now; !l.held {
			cause = l.cause
		}
		t.closeUnseen(over)
		if len(not) > 0 {
			u.Kinds = not
			next = append(next, u)
		}
		next = append(next, l.span(now, u.To, cause))
	}
	if len(fresh) > 0 {
		next = append(next, l.span(fresh, l.due, l.cause))
		t.begin(l.due)
	}
	t.Unseen = next
	return len(fresh) > 0
}

// span is the blind stretch of the kinds from then on.
func (l *loss) span(kinds []evidence.Kind, from time.Time, cause string) evidence.CoverageSpan {
	return evidence.CoverageSpan{
		Kinds: slices.Clone(kinds), From: from, To: maxTime(from, l.until), Class: evidence.Blind, Cause: cause, Every: l.every.Milliseconds(),
	}
}
