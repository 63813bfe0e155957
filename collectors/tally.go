package collectors

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// tally gathers, between two coverage records, what a source was seen of. Its
// fields are saved with the cursor, so that a crash forgets no look.
type tally struct {
	Number  int                              `json:"n"` // coverage records written
	Begun   time.Time                        `json:"begun,omitzero"`
	Written time.Time                        `json:"written,omitzero"` // end of the newest coverage record
	Open    []evidence.CoverageSpan          `json:"open,omitempty"`   // one for each set of kinds, growing
	Closed  []evidence.CoverageSpan          `json:"closed,omitempty"`
	Unseen  *evidence.CoverageSpan           `json:"unseen,omitempty"` // nothing was claimed yet, and looking failed
	Parts   []part                           `json:"parts,omitempty"`  // blind in a part of the source
	Counts  map[string]map[evidence.Kind]int `json:"counts,omitempty"`
	Runs    evidence.RunCounts               `json:"runs"`
	IDs     []evidence.ID                    `json:"ids,omitempty"`
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

func (t *tally) ran(id evidence.ID) { t.IDs = append(t.IDs, id) }

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
func (t *tally) see(seen []evidence.Seen, spacing time.Duration, owners func(evidence.Ref) []string) (changed bool) {
	if len(seen) == 0 {
		return false // in the middle of a look: nothing is claimed or taken back
	}
	now := map[int]bool{} // parts that are blind in this look
	for _, s := range append(whole(seen), parts(seen)...) {
		if s.Scope.IsZero() {
			changed = t.extend(s, max(spacing, spacingOf(s.Every))) || changed
			continue
		}
		i, fresh := t.miss(s, owners(s.Scope))
		now[i] = true
		changed = fresh || changed
	}
	for i := range t.Parts {
		if t.Parts[i].Open && !now[i] {
			t.Parts[i].Open, changed = false, true
		}
	}
	return changed
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
func (t *tally) miss(s evidence.Seen, tenants []string) (index int, fresh bool) {
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
		Kinds: slices.Clone(s.Kinds), From: from, To: s.To.UTC(), Class: evidence.Blind, Cause: cause,
	}})
	return len(t.Parts) - 1, true
}

// spansFor returns the spans as they hold for a tenant: those of the whole
// source, less the parts of the tenant that were not seen.
func (t *tally) spansFor(tn evidence.Tenant, whole []evidence.CoverageSpan) []evidence.CoverageSpan {
	spans := whole
	for _, p := range t.Parts {
		if !p.concerns(tn) {
			continue
		}
		var next []evidence.CoverageSpan
		for _, s := range spans {
			if s.Class != evidence.Blind && slices.ContainsFunc(s.Kinds, func(k evidence.Kind) bool { return slices.Contains(p.Span.Kinds, k) }) {
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

// extend grows the open span of the kinds or closes it and opens another.
func (t *tally) extend(s evidence.Seen, spacing time.Duration) (changed bool) {
	s.From, s.To = s.From.UTC(), s.To.UTC()
	if s.To.Before(s.From) {
		return false
	}
	if t.Begun.IsZero() || s.From.Before(t.Begun) {
		t.Begun = s.From
	}
	i := slices.IndexFunc(t.Open, func(o evidence.CoverageSpan) bool { return slices.Equal(o.Kinds, s.Kinds) })
	if i >= 0 && grow(&t.Open[i], s, spacing) {
		return false
	}
	span := evidence.CoverageSpan{Kinds: slices.Clone(s.Kinds), From: s.From, To: s.To, Class: s.Class, Cause: s.Cause}
	if i < 0 {
		t.Open = append(t.Open, span)
		return t.appeared()
	}
	old := t.Open[i]
	if old.Class == evidence.Instants && s.Class == evidence.Blind && span.From.Before(old.To) {
		span.From = old.To
	}
	t.Closed = append(t.Closed, old)
	t.Open[i] = span
	return old.Class != s.Class || old.Cause != s.Cause
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

// claims reports whether anything was claimed, be it that a part was not seen.
func (t *tally) claims() bool { return len(t.Open)+len(t.Parts) > 0 }

// appeared closes the stretch in which nothing was seen.
func (t *tally) appeared() (changed bool) {
	if t.Unseen == nil {
		return false
	}
	t.Closed, t.Unseen = append(t.Closed, *t.Unseen), nil
	return true
}

// lose says that until now nothing of the kinds was seen since their open
// spans ended, or since the run that was due then when there was no claim before.
func (t *tally) lose(kinds []evidence.Kind, due, now time.Time, cause string) (changed bool) {
	if len(t.Open) == 0 {
		return t.fail(kinds, due.UTC(), now.UTC(), cause)
	}
	for _, o := range slices.Clone(t.Open) {
		if !slices.ContainsFunc(o.Kinds, func(k evidence.Kind) bool { return slices.Contains(kinds, k) }) || !now.After(o.To) {
			continue
		}
		if o.Class == evidence.Blind {
			// Still blind; the first cause stands for the whole window.
			i := slices.IndexFunc(t.Open, func(x evidence.CoverageSpan) bool { return slices.Equal(x.Kinds, o.Kinds) })
			t.Open[i].To = now
			continue
		}
		if t.extend(evidence.Seen{Kinds: o.Kinds, Class: evidence.Blind, From: o.To, To: now, Cause: cause}, 0) {
			changed = true
		}
	}
	return changed
}

// fail grows the stretch in which nothing was seen yet. It may last for long, so
// another cause begins another stretch, and so do other kinds; that alone is no
// reason to write a record, since a source may answer now so and now so.
func (t *tally) fail(kinds []evidence.Kind, due, now time.Time, cause string) (changed bool) {
	was := t.Unseen
	if was != nil && was.Cause == cause && slices.Equal(was.Kinds, kinds) {
		was.To = maxTime(was.To, now)
		return false
	}
	if was != nil {
		t.appeared()
		due = was.To
	}
	t.Unseen = &evidence.CoverageSpan{Kinds: slices.Clone(kinds), From: due, To: maxTime(due, now), Class: evidence.Blind, Cause: cause}
	if t.Begun.IsZero() || due.Before(t.Begun) {
		t.Begun = due
	}
	return was == nil
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
	return false
}

// going are the spans that may grow.
func (t *tally) going() []evidence.CoverageSpan {
	if t.Unseen == nil {
		return t.Open
	}
	return append(slices.Clip(t.Open), *t.Unseen)
}

// dayOver reports whether a UTC day ended since the tally began.
func (t *tally) dayOver(now time.Time) bool {
	if t.Begun.IsZero() {
		return false
	}
	begun := t.Begun
	if t.Written.After(begun) {
		begun = t.Written
	}
	return now.UTC().Truncate(24 * time.Hour).After(begun)
}

// facts returns the coverage record's facts without counts, and the counts of
// each tenant.
func (t *tally) facts(source evidence.SourceID, now time.Time) (evidence.CoverageFacts, map[evidence.Tenant]map[evidence.Kind]int) {
	f := evidence.CoverageFacts{Source: source, Runs: t.Runs, Spans: slices.Clone(t.Closed)}
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

// written begins a new tally after the old one became records. Open spans go
// on from their end: a look that was written already is not claimed twice, but
// stays the first of the next stretch so that the stretches join.
func (t *tally) written() {
	next := tally{Number: t.Number + 1, Written: t.Written}
	on := func(o evidence.CoverageSpan) evidence.CoverageSpan {
		if o.To.After(next.Written) {
			next.Written = o.To
		}
		if next.Begun.IsZero() || o.To.Before(next.Begun) {
			next.Begun = o.To
		}
		return evidence.CoverageSpan{Kinds: o.Kinds, From: o.To, To: o.To, Class: o.Class, Cause: o.Cause}
	}
	for _, o := range t.Open {
		next.Open = append(next.Open, on(o))
	}
	if t.Unseen != nil {
		o := on(*t.Unseen)
		next.Unseen = &o
	}
	for _, p := range t.Parts {
		if p.Open { // goes on being blind from where the record ends
			p.Span.From, p.Carried = p.Span.To, true
			next.Parts = append(next.Parts, p)
		}
	}
	*t = next
}
