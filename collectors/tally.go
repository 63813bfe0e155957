package collectors

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
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

// speaksOf reports whether any of the claims is about one of the kinds. A look at
// other kinds does not show a part that was blind.
func speaksOf(seen []evidence.Seen, kinds []evidence.Kind) bool {
	return slices.ContainsFunc(seen, func(s evidence.Seen) bool { return overlap(s.Kinds, kinds) })
}

func overlap(a, b []evidence.Kind) bool {
	return slices.ContainsFunc(a, func(k evidence.Kind) bool { return slices.Contains(b, k) })
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

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
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

// pending reports whether something is not yet in the logs.
func (t *tally) pending() bool {
	if len(t.Closed) > 0 || len(t.Parts) > 0 || t.Runs != (evidence.RunCounts{}) {
		return true
	}
	for _, o := range t.going() {
		if o.To.After(t.Written) {
			return true
		}
	}
	return t.restedUntil().After(t.Rested)
}

// restedUntil is the end of what nothing can be claimed of.
func (t *tally) restedUntil() (until time.Time) {
	for _, q := range t.Quiet {
		until = maxTime(until, q.To)
	}
	return until
}

// going are the spans that may grow.
func (t *tally) going() []evidence.CoverageSpan {
	return append(slices.Clip(t.Open), t.Unseen...)
}

// dayOver reports whether a UTC day ended since the tally began, or as much came
// together as a record should hold.
func (t *tally) dayOver(now time.Time) bool {
	if t.weight() > maxWeight {
		return true
	}
	if t.Begun.IsZero() {
		return false
	}
	begun := t.Begun
	if t.Written.After(begun) && !t.Written.After(now) { // a clock that went back says nothing of days
		begun = t.Written
	}
	return now.UTC().Truncate(24 * time.Hour).After(begun)
}

// maxWeight is about how many bytes of facts make a record before its day is
// over: half of what the content of one may have.
const maxWeight = evidence.MaxContent / 2

// weight is about how many bytes the tally makes in a record, but for the parts,
// which come again with each.
func (t *tally) weight() int {
	n := min(len(t.IDs), maxRunIDs) * 36
	for _, spans := range [][]evidence.CoverageSpan{t.Open, t.Closed, t.Unseen} {
		for i := range spans {
			n += weightOf(&spans[i])
		}
	}
	return n
}

func weightOf(s *evidence.CoverageSpan) int {
	return 200 + len(s.Cause) + 24*len(s.Kinds) + 8*len(s.Looks)
}

// longestWait is how long a source that does not answer may be left alone, and a
// little.
const longestWait = 20 * time.Minute

// alive is the tally as it stands for whoever asks now, while the source is being
// looked after every so often: what is blind is so until now, although no look
// was due since, unless that is longer ago than looks are ever left out. A span that does not say how often its kinds are due, as one
// from an older cursor, is due as often as the source.
func (t *tally) alive(now time.Time, every, longest time.Duration) *tally {
	c := *t
	c.Open, c.Unseen = slices.Clone(t.Open), slices.Clone(t.Unseen)
	for n, spans := range [][]evidence.CoverageSpan{c.Open, c.Unseen} {
		for i := range spans {
			o := &spans[i]
			if n == 0 && (t.outdated(i) || t.lookedUntil(o).After(o.To)) {
				continue
			}
			if o.Interval() == 0 {
				o.Every = every.Milliseconds()
			}
			if due := o.Interval(); due > 0 && now.Sub(o.To) > due {
				lastUntil(o, now.UTC(), longest)
			}
		}
	}
	return &c
}

// facts returns the coverage record's facts without counts, and the counts of
// each tenant.
func (t *tally) facts(source evidence.SourceID, now time.Time) (evidence.CoverageFacts, map[evidence.Tenant]map[evidence.Kind]int) {
	f := evidence.CoverageFacts{Source: source, Runs: t.Runs, Spans: slices.Clone(t.Closed), Quiet: slices.Clone(t.Quiet)}
	f.Spans = append(f.Spans, t.going()...)
	for _, s := range f.Spans {
		if f.Period.From.IsZero() || s.From.Before(f.Period.From) {
			f.Period.From = s.From
		}
		if s.To.After(f.Period.To) {
			f.Period.To = s.To
		}
	}
	if len(f.Spans) == 0 { // in the middle of the first look: the runs are told all the same
		f.Period = evidence.Period{From: now, To: now}
	}
	h := sha256.New()
	for _, id := range t.IDs {
		h.Write(id[:])
	}
	f.Hash = evidence.Hash(h.Sum(nil))
	f.RunIDs = t.IDs
	if len(f.RunIDs) > maxRunIDs {
		f.RunIDs = f.RunIDs[:maxRunIDs]
	}
	counts := map[evidence.Tenant]map[evidence.Kind]int{}
	for name, c := range t.Counts {
		if tn, err := evidence.ParseTenant(name); err == nil {
			counts[tn] = c
		}
	}
	return f, counts
}

// written begins a new tally after the old one became records now. Open spans go
// on from their end: a look that was written already is not claimed twice, but
// stays the first of the next stretch so that the stretches join.
func (t *tally) written(now time.Time) {
	// Of what was claimed last long ago nothing is told anew until another day ended.
	next := tally{Begun: now, Number: t.Number + 1, Written: t.Written, Idle: t.Idle, Pace: t.Pace, Without: t.Without, Quiet: t.Quiet, Rested: t.restedUntil()}
	goOn := func(o evidence.CoverageSpan) evidence.CoverageSpan {
		if o.To.After(next.Written) {
			next.Written = o.To
		}
		return evidence.CoverageSpan{Kinds: o.Kinds, From: o.To, To: o.To, Class: o.Class, Cause: o.Cause, Every: o.Every}
	}
	for i, o := range t.Open {
		if !t.outdated(i) {
			next.Open = append(next.Open, goOn(o))
		}
	}
	for _, u := range t.Unseen {
		next.Unseen = append(next.Unseen, goOn(u))
	}
	for _, p := range t.Parts {
		if p.Open { // goes on being blind from where the record ends
			p.Span.From, p.Carried = p.Span.To, true
			next.Parts = append(next.Parts, p)
		}
	}
	*t = next
}
