package mappings

import (
	"context"
	"fmt"
	"time"

	"evidenced/evidence"
)

// What evidenced records of itself (changes of its configuration, runs,
// offboarding) has no coverage records: the log is the witness. It has no
// holes, so it tells all from its genesis to its newest record, whatever that
// is about. After the newest record nobody can tell whether nothing happened
// or nobody was there to write it down.

// isOwn reports whether records of the kind are made by evidenced itself.
func isOwn(kind evidence.Kind) bool {
	info, ok := evidence.KindInfo(kind)
	return ok && info.Own
}

// ownSpan returns from when to when the log tells of itself. What was dropped
// under retention tells nothing any more.
func ownSpan(ctx context.Context, r evidence.Reader, retired time.Time) (evidence.Period, error) {
	if r.Size() == 0 {
		return evidence.Period{}, nil
	}
	first, err := r.Record(ctx, 0)
	if err != nil {
		return evidence.Period{}, fmt.Errorf("first record: %w", err)
	}
	last, err := r.Record(ctx, r.Size()-1)
	if err != nil {
		return evidence.Period{}, fmt.Errorf("newest record: %w", err)
	}
	p := evidence.Period{From: first.Recorded.UTC(), To: last.Recorded.UTC()}
	if retired.After(p.From) {
		p.From = retired
	}
	return p, nil
}

func (c *coverage) ownStrips(p evidence.Period) []evidence.Strip {
	in, ok := c.own.Intersect(p)
	if !ok {
		cause := "the log had not begun"
		if !c.own.IsZero() && !c.own.To.After(p.From) {
			cause = "nothing was recorded"
		}
		return []evidence.Strip{{Period: p, Cause: cause}}
	}
	var strips []evidence.Strip
	if in.From.After(p.From) {
		cause := "the log had not begun"
		if c.all != nil && c.own.From.Equal(c.all.Retired) {
			cause = evidence.CauseRetired
		}
		strips = append(strips, evidence.Strip{Period: evidence.Period{From: p.From, To: in.From}, Cause: cause})
	}
	strips = append(strips, evidence.Strip{Period: in, Class: evidence.Continuous})
	if in.To.Before(p.To) {
		strips = append(strips, evidence.Strip{Period: evidence.Period{From: in.To, To: p.To}, Cause: "nothing was recorded"})
	}
	return strips
}

// ownLook returns the last time before t of which the log tells.
func (c *coverage) ownLook(t time.Time) time.Time {
	switch {
	case c.own.IsZero() || t.Before(c.own.From):
		return time.Time{}
	case t.Before(c.own.To):
		return t
	}
	return c.own.To
}
