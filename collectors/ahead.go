package collectors

import (
	"slices"

	"evidenced/evidence"
)

// Begun reports whether anything is known of the source: a run of it ended, well
// or not, or a part of one was kept. It is true of a cursor that cannot be read,
// since waiting would make it no better.
func (r *Runner) Begun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.load() != nil || !r.state.LastSlot.IsZero() || !r.state.Coverage.Begun.IsZero()
}

// Ahead returns what was seen of the source and is not in the tenant's log yet:
// coverage is told when it changes and once a day, and whoever judges in
// between must know that somebody looked. It is kept with the cursor, so that
// it will be told.
func (r *Runner) Ahead(t evidence.Tenant) ([]evidence.Span, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return nil, err
	}
	c := &r.state.Coverage
	if r.driven {
		c = c.alive(r.Clock().UTC(), r.Every, r.longestWait())
	}
	facts, _ := c.facts(r.Source, r.Clock().UTC())
	spans := spansBut(c.partsOf(t), facts.Spans)
	for _, fz := range r.state.Frozen {
		if slices.Contains(fz.Left, t) {
			spans = append(slices.Clip(spans), fz.spansOf(t)...)
		}
	}
	out := make([]evidence.Span, 0, len(spans))
	for _, s := range spans {
		out = append(out, evidence.Span{
			Source: r.Source, Kinds: s.Kinds, Class: s.Class, Cause: s.Cause, Looks: s.LookTimes(),
			Period: evidence.Period{From: s.From.UTC(), To: s.To.UTC()}, Every: s.Interval(),
		})
	}
	return out, nil
}
