package collectors

import (
	"crypto/sha256"
	"slices"
	"time"

	"evidenced/evidence"
)

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
// was due since, unless that is longer ago than looks are ever left out. A span
// that does not say how often its kinds are due, as one from an older cursor, is
// due as often as the source.
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
