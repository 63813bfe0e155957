package mappings

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Assessor judges one tenant's log again and again over a period whose end
// moves with the clock, as [Assess] would with Input.Rolling, and does again
// only what may have changed:
//
//   - The items of a view, and what the tests say of them, stand while the log
//     has no new record of the kinds the view was built from, no new word on
//     who people are, and nothing new was seen of the kinds whose coverage the
//     view asked for. What a view was built from is noted while it is built.
//   - A view whose items change with the clock is built anew each time: see
//     view.steady. So is one for a rule that looks at to or at.
//   - What was seen, how fresh it is and what follows from it is worked out
//     anew for every test each time. That reads the coverage records alone.
//   - With a new UTC day, other rules, other configured sources, an erasure or
//     records retired everything is judged anew.
//
// So it gives the findings that Assess gives at the same instant on the same
// log, with the records of the first thousand failed and undetermined items of a
// test in place of the items. It keeps a few hundred bytes for each test beside
// those records. It must not be used by several goroutines at a time.
//
// While nothing is new at all, it can tell until when every verdict stands: see
// [Assessor.Stands].
type Assessor struct {
	catalog    *Catalog
	from       time.Time
	size       uint64
	origin     string
	configured map[evidence.Kind][]evidence.SourceID
	views      map[viewOver]*viewBuilt
	spans      map[evidence.Kind]seenOf
	coming     []coming
	stood      standing
}

// viewOver is a view over what a test looks at. The end moves with the clock.
type viewOver struct {
	view *view
	from time.Time
}

// viewBuilt is what came of a view when it was built last.
type viewBuilt struct {
	notes notes
	turns turns // when a verdict may turn
	moves bool  // with the clock
	runs  map[*Test]*run
}

// seenOf tells whether the coverage of a kind has changed.
type seenOf struct {
	sources string
	state   uint64
}

// coming is a record that lies behind the end of what was judged: a source's
// clock goes ahead, or it says when something will be.
type coming struct {
	kind evidence.Kind
	at   time.Time
}

// Round is what one assessment came to.
type Round struct {
	At       time.Time
	Size     uint64             // of the log
	Findings []evidence.Finding // without their items
	Results  []ControlResult
	// Failed and Unknown are the records of the items that failed and of those
	// that could not be decided, for each of Findings, in the order of the items.
	Failed, Unknown [][]uint64
	// FailedCut and UnknownCut count the items beyond those.
	FailedCut, UnknownCut []int
	// Holes are those of the windows not covered, for each finding, that it
	// should have been seen in: not the stretch since the newest look.
	Holes [][]evidence.Window
	Built int // views that were built anew
	Views int // views that the tests stand on
}

// Assess judges the log as it stands at in.Now, over the days of the length
// before it. What in says of Period and Rolling is set here; Controls must be
// empty. After an error everything is as it was.
func (a *Assessor) Assess(ctx context.Context, in Input, days time.Duration) (*Round, error) {
	if in.Now.IsZero() || len(in.Controls) > 0 {
		return nil, problem.New(problem.Internal, "a rolling assessment needs the time, and is about every control")
	}
	asked := in
	in.Rolling, in.Period = true, RollingPeriod(in.Now, days)
	if err := in.check(); err != nil {
		return nil, err
	}
	as := newAssessment(in)
	as.light = true
	controls, err := in.controls()
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Round, error) { return nil, fmt.Errorf("assess %s: %w", in.Reader.Tenant(), err) }
	if err := as.load(ctx, controls); err != nil {
		return fail(err)
	}
	news, err := a.news(ctx, &in)
	if err != nil {
		return fail(err)
	}
	spans := as.cover.states()
	next := map[viewOver]*viewBuilt{}
	round := &Round{At: in.Now.UTC(), Size: in.Reader.Size()}
	for _, g := range as.groups(controls) {
		key := viewOver{g.view, g.period.From}
		was := a.views[key]
		round.Views++
		if was != nil && !news.all && was.stands(g, news.kinds, a.spans, spans) {
			for _, t := range g.tests {
				was.runs[t].period = g.period
				as.runs[t] = was.runs[t]
			}
			next[key] = was
			continue
		}
		if err := as.view(ctx, g); err != nil {
			return fail(fmt.Errorf("view %s: %w", g.view.Name, err))
		}
		round.Built++
		next[key] = as.built(g)
	}
	round.Findings, round.Results = as.conclude(controls)
	for _, c := range controls {
		for _, ref := range c.Tests {
			r := &run{} // of a control that does not bind: nothing was counted
			if in.binds(c) {
				r = as.runs[ref.Test]
			}
			round.Failed, round.Unknown = append(round.Failed, r.failedSeqs.all()), append(round.Unknown, r.unknownSeqs.all())
			round.FailedCut, round.UnknownCut = append(round.FailedCut, r.failedCut), append(round.UnknownCut, r.unknownCut)
			round.Holes = append(round.Holes, r.holes)
		}
	}
	a.catalog, a.from, a.size, a.origin = in.Catalog, in.Period.From, round.Size, in.Reader.Origin()
	a.configured, a.views, a.spans, a.coming = maps.Clone(in.Configured), next, spans, news.coming
	a.stood = as.standing(&asked, next, news.coming)
	return round, nil
}

// RollingPeriod is what is judged at an instant by a look back over so many
// whole days and the one that runs.
func RollingPeriod(now time.Time, days time.Duration) evidence.Period {
	now = now.UTC()
	return evidence.Period{From: now.Truncate(24 * time.Hour).Add(-days), To: now}
}

// built keeps what came of a group.
func (as *assessment) built(g *group) *viewBuilt {
	b := &viewBuilt{notes: g.notes, runs: map[*Test]*run{}}
	// A view of which nothing was read and that has no items has none at any
	// time: the clock alone makes none.
	b.moves = g.notes.moves || !g.view.steady && (g.items > 0 || g.notes.read > 0)
	for _, t := range g.tests {
		r := as.runs[t]
		r.failedSeqs.rest, r.unknownSeqs.rest = bytes.Clone(r.failedSeqs.rest), bytes.Clone(r.unknownSeqs.rest)
		b.runs[t] = r
		clock := t.filter.movesWithClock() || t.assert.movesWithClock()
		b.moves = b.moves || clock && g.items > 0 || r.spent >= as.in.Budget
		b.turns.join(r.turns)
	}
	b.turns.open = b.turns.open || b.moves
	if w := b.notes.wakes; !w.IsZero() {
		b.turns.after(w)
	}
	return b
}

// stands reports whether the view built again would come to the same.
func (b *viewBuilt) stands(g *group, fresh kindSet, before, now map[evidence.Kind]seenOf) bool {
	if b.moves || b.notes.reads.overlaps(fresh) || b.turns.passed(g.period.To) {
		return false
	}
	if slices.ContainsFunc(g.tests, func(t *Test) bool { return b.runs[t] == nil }) {
		return false
	}
	for k := range kindBits {
		if b.notes.looks.has(k) && before[k].state != now[k].state || b.notes.gives.has(k) && before[k].sources != now[k].sources {
			return false
		}
	}
	return true
}

// news is what the log says that it did not say at the assessment before.
type news struct {
	all    bool // everything is judged anew
	kinds  kindSet
	coming []coming
}

func (a *Assessor) news(ctx context.Context, in *Input) (news, error) {
	n := news{all: a.catalog != in.Catalog || !a.from.Equal(in.Period.From) || a.origin != in.Reader.Origin() ||
		a.size > in.Reader.Size() || !maps.EqualFunc(a.configured, in.Configured, slices.Equal)}
	if n.all {
		// What lies ahead is found by time.
		q := evidence.Query{Period: evidence.Period{From: in.Now, To: farAway}}
		for r, err := range in.Reader.Records(ctx, q) {
			if err != nil {
				return n, fmt.Errorf("records that lie ahead: %w", err)
			}
			n.coming = append(n.coming, coming{r.Kind, r.Occurred})
		}
		return n, nil
	}
	for _, c := range a.coming {
		if c.at.After(in.Now) {
			n.coming = append(n.coming, c)
			continue
		}
		n.kinds.add(c.kind)
		if c.at.Equal(in.Now) { // a state of this instant is in force, an event has not happened
			n.coming = append(n.coming, c)
		}
	}
	if a.size == in.Reader.Size() {
		return n, nil
	}
	for r, err := range in.Reader.Records(ctx, evidence.Query{BySeq: true, FromSeq: a.size}) {
		if err != nil {
			return n, fmt.Errorf("new records: %w", err)
		}
		n.kinds.add(r.Kind)
		switch {
		case r.Kind == evidence.Erasure, r.Kind == evidence.LogSegment:
			n.all = true
		case !r.Occurred.Before(in.Now):
			n.coming = append(n.coming, coming{r.Kind, r.Occurred})
		}
	}
	return n, nil
}

// states sums up what is known of every kind's coverage, so that a change is
// noticed.
func (c *coverage) states() map[evidence.Kind]seenOf {
	sums := map[evidence.Kind]seenOf{}
	for i := range c.all.Spans() {
		s := &c.all.Spans()[i]
		h := sumOfSpan(s)
		for _, k := range s.Kinds {
			x := sums[k]
			x.state += h // spans of one begin have no order
			sums[k] = x
		}
	}
	for k := range kindBits {
		if ids := c.sources(k); len(ids) > 0 && !isOwn(k) {
			x := sums[k]
			x.sources = fmt.Sprint(ids)
			sums[k] = x
		}
	}
	return sums
}

// FNV-1a, so that a sum is the same in every process.
const offset, prime = 14695981039346656037, 1099511628211

func mix(h, v uint64) uint64 {
	for range 8 {
		h = (h ^ v&0xff) * prime
		v >>= 8
	}
	return h
}

func mixText(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h, uint64(len(s)))
}
