package collectors

import (
	"crypto/sha256"
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
	Counts  map[string]map[evidence.Kind]int `json:"counts,omitempty"`
	Runs    evidence.RunCounts               `json:"runs"`
	IDs     []evidence.ID                    `json:"ids,omitempty"`
	touched bool
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

// see takes in what one part of a look may claim and reports whether a class
// changed. A claim about a part of the source (a scope) cannot cover the whole
// kind: a blind part makes the kind blind at this look, a seen part claims
// nothing by itself.
func (t *tally) see(seen []evidence.Seen, spacing time.Duration) (changed bool) {
	for _, s := range seen {
		if len(s.Kinds) == 0 || !s.Scope.IsZero() && s.Class != evidence.Blind {
			continue
		}
		if t.extend(s, spacing) {
			changed = true
		}
	}
	return changed
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
		return false
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

// lose says that until now nothing of the kinds was seen since their open
// spans ended. Before the first look there is nothing to lose.
func (t *tally) lose(kinds []evidence.Kind, now time.Time, cause string) (changed bool) {
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

// pending reports whether something is not yet in the logs.
func (t *tally) pending() bool {
	if len(t.Closed) > 0 || t.Runs != (evidence.RunCounts{}) {
		return true
	}
	for _, o := range t.Open {
		if o.To.After(t.Written) {
			return true
		}
	}
	return false
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
	for _, o := range t.Open {
		f.Spans = append(f.Spans, o)
	}
	for _, s := range f.Spans {
		if f.Period.From.IsZero() || s.From.Before(f.Period.From) {
			f.Period.From = s.From
		}
		if s.To.After(f.Period.To) {
			f.Period.To = s.To
		}
	}
	if len(f.Spans) == 0 { // never seen yet: the runs are told all the same
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
	for _, o := range t.Open {
		if o.To.After(next.Written) {
			next.Written = o.To
		}
		next.Open = append(next.Open, evidence.CoverageSpan{Kinds: o.Kinds, From: o.To, To: o.To, Class: o.Class, Cause: o.Cause})
		if next.Begun.IsZero() || o.To.Before(next.Begun) {
			next.Begun = o.To
		}
	}
	*t = next
}
