package incident

import (
	"slices"
	"strings"
	"time"
)

// Closing is one act that closed the incident, or opened it again.
type Closing struct {
	Seq    uint64
	At     time.Time // since when it is closed; of one that was opened again, when that was recorded
	Reopen bool
}

// Until returns the incident as it stood just before an instant of the world, by
// what is known of it now: what was sent, received, asked for, decided, closed
// or became known at the instant or later is left out, and so is the awareness
// that by the newest word began then. Fields stay as they are now, but for times
// that lie behind. Next is the earliest instant that was left out; zero when
// none was.
func (inc *Incident) Until(at time.Time) (then *Incident, next time.Time) {
	was := func(t time.Time) bool {
		if t.Before(at) {
			return true
		}
		if next.IsZero() || t.Before(next) {
			next = t
		}
		return false
	}
	c := *inc
	c.Aware = map[string][]Moment{}
	for law, ms := range inc.Aware {
		// The newest word counts: one that moved the instant behind at takes the
		// earlier ones with it.
		if len(ms) > 0 && was(ms[len(ms)-1].At) {
			c.Aware[law] = ms
		}
	}
	c.Decisions = kept(inc.Decisions, func(d *Decision) bool { return was(d.At) })
	c.Notices = kept(inc.Notices, func(n *Notice) bool { return was(n.At) })
	c.Closings = kept(inc.Closings, func(x *Closing) bool { return was(x.At) })
	c.Closed, c.ClosedAct = time.Time{}, 0
	for _, x := range c.Closings {
		c.Closed, c.ClosedAct = x.At, x.Seq
		if x.Reopen {
			c.Closed = time.Time{}
		}
	}
	t := &c.Fields.Times
	for _, f := range []*time.Time{
		&t.Occurred, &t.FirstTrace, &t.Detected, &t.Contained, &t.Restored, &t.Recovered, &t.Addressed, &t.Resolved,
		&t.Available, &t.Handled, &t.FirstOfMany, &t.ClientsHit, &c.Home,
	} {
		if !f.IsZero() && !was(*f) {
			*f = time.Time{}
		}
	}
	return &c, next
}

// kept returns a new list of those that pass.
func kept[T any](all []T, pass func(*T) bool) []T {
	var out []T
	for i := range all {
		if pass(&all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

// Act returns the act of a record.
func (inc *Incident) Act(seq uint64) (Act, bool) {
	if i := slices.IndexFunc(inc.Acts, func(a Act) bool { return a.Seq == seq }); i >= 0 {
		return inc.Acts[i], true
	}
	return Act{}, false
}

// Written returns the act that set a field first, since it was taken back last.
// False when it is not set. One whose text cannot be opened any more was set.
func (inc *Incident) Written(path string) (Act, bool) {
	seq, ok := inc.first[path]
	if !ok {
		return Act{}, false
	}
	return inc.Act(seq)
}

// stands reports whether a document holds more than nothing at the path: an
// empty text and an empty list say nothing.
func stands(doc map[string]any, path string) bool {
	var v any = doc
	for name := range strings.SplitSeq(path, ".") {
		obj, ok := v.(map[string]any)
		if !ok {
			return false
		}
		v = obj[name]
	}
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return strings.TrimSpace(v) != ""
	case []any:
		return len(v) > 0
	}
	return true
}
