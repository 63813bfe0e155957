package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unique"

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
//   - That somebody looked again, and nothing else is known of the time before,
//     is nothing new to a view that asked about the time up to the newest look
//     alone, or whose items tell what the next look may change: see
//     item.follows.
//   - A view whose items change with the clock is built anew each time: see
//     view.steady. So is one for a rule that looks at to or at.
//   - What was seen, how fresh it is and what follows from it is worked out
//     anew for every test each time. That reads the coverage records alone.
//   - With a new UTC day, other rules, other configured sources, an erasure or
//     records retired everything is judged anew.
//
// So it gives the findings that Assess gives at the same instant on the same
// log, with the records of the first thousand failed and undetermined items of a
// test in place of the items. It keeps some 200 bytes for each test whose view has
// items beside those records, and less for the others. It must not be used by
// several goroutines at a time.
//
// While nothing is new at all, it can tell until when every verdict stands: see
// [Assessor.Stands].
type Assessor struct {
	catalog    *Catalog
	from       time.Time
	size       uint64
	origin     string
	configured uint64 // sum
	views      []viewBuilt
	seen       *seen
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
	viewOver
	basis   unique.Handle[basis] // most tenants have the same
	turns   turns                // when a verdict may turn
	looked  turns                // when one may, once somebody has looked again
	tests   []*Test
	tallies []tally // of the tests, in their order; nil when there were no items
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
	seen := as.cover.remember()
	if !news.all {
		news.looked, news.past, news.givers = seen.news(a.seen, as.cover)
	}
	groups := as.groups(controls)
	next := make([]viewBuilt, 0, len(groups))
	round := &Round{At: in.Now.UTC(), Size: in.Reader.Size(), Views: len(groups)}
	for _, g := range groups {
		if was := a.built(g); was != nil && was.stands(g, &news) {
			was.recall(as)
			next = append(next, *was)
			continue
		}
		if err := as.view(ctx, g); err != nil {
			return fail(fmt.Errorf("view %s: %w", g.view.Name, err))
		}
		round.Built++
		next = append(next, as.built(g))
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
	a.configured, a.views, a.seen, a.coming = sumOfSources(in.Configured), next, seen, news.coming
	a.stood = as.standing(&asked, next, news.coming)
	return round, nil
}

// RollingPeriod is what is judged at an instant by a look back over so many
// whole days and the one that runs.
func RollingPeriod(now time.Time, days time.Duration) evidence.Period {
	now = now.UTC()
	return evidence.Period{From: now.Truncate(24 * time.Hour).Add(-days), To: now}
}

// built returns what came of the group's view before; nil when it was not built.
func (a *Assessor) built(g *group) *viewBuilt {
	over := viewOver{g.view, g.period.From}
	for i := range a.views {
		if a.views[i].viewOver == over {
			return &a.views[i]
		}
	}
	return nil
}

// built keeps what came of a group.
func (as *assessment) built(g *group) viewBuilt {
	b := viewBuilt{viewOver: viewOver{g.view, g.period.From}, basis: unique.Make(g.notes.basis), tests: slices.Clone(g.tests)}
	// A view of which nothing was read and that has no items has none at any
	// time: the clock alone makes none.
	b.turns.open = g.notes.moves || !g.view.steady && (g.items > 0 || g.notes.read > 0)
	if g.items > 0 {
		b.tallies = make([]tally, 0, len(g.tests))
	}
	for _, t := range g.tests {
		r := as.runs[t]
		if g.items > 0 {
			b.tallies = append(b.tallies, r.tally.clipped())
		}
		clock := t.filter.movesWithClock() || t.assert.movesWithClock()
		b.turns.open = b.turns.open || clock && g.items > 0 || r.spent >= as.in.Budget
		b.turns.join(r.turns)
		b.looked.join(r.looked)
	}
	if w := g.notes.wakes; !w.IsZero() {
		b.turns.after(w)
	}
	return b
}

// stands reports whether the view built again would come to the same.
func (b *viewBuilt) stands(g *group, n *news) bool {
	on := b.basis.Value()
	if n.all || b.turns.passed(g.period.To) || on.reads.overlaps(n.kinds) || on.gives.overlaps(n.givers) || on.looks.overlaps(n.past) {
		return false
	}
	if on.looks.overlaps(n.looked) && (on.ends.overlaps(n.looked) || b.looked.passed(g.period.To)) {
		return false
	}
	return slices.Equal(b.tests, g.tests)
}

// recall takes what was counted before.
func (b *viewBuilt) recall(as *assessment) {
	for i, t := range b.tests {
		if b.tallies != nil {
			as.runs[t].tally = b.tallies[i]
		}
	}
}

// news is what the log says that it did not say at the assessment before.
type news struct {
	all    bool // everything is judged anew
	kinds  kindSet
	coming []coming

	looked kindSet // something is known of what was seen of these
	past   kindSet // of these, of the time up to the newest look there was
	givers kindSet // others give these
}

func (a *Assessor) news(ctx context.Context, in *Input) (news, error) {
	n := news{all: a.catalog != in.Catalog || !a.from.Equal(in.Period.From) || a.origin != in.Reader.Origin() ||
		a.size > in.Reader.Size() || a.configured != sumOfSources(in.Configured)}
	if n.all {
		// What lies ahead is found by time.
		q := evidence.Query{Period: evidence.Period{From: in.Now, To: farAway}}
		for r, err := range in.Reader.Records(ctx, q) {
			if err != nil {
				return n, fmt.Errorf("records that lie ahead: %w", err)
			}
			n.comes(coming{r.Kind, r.Occurred})
		}
		return n, nil
	}
	for _, c := range a.coming {
		if c.at.After(in.Now) {
			n.comes(c)
			continue
		}
		n.kinds.add(c.kind)
		if c.at.Equal(in.Now) { // a state of this instant is in force, an event has not happened
			n.comes(c)
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
			n.comes(coming{r.Kind, r.Occurred})
		}
	}
	return n, nil
}

// comes notes what lies ahead. Verdicts are recorded many at a time, as of the
// same instant.
func (n *news) comes(c coming) {
	if last := len(n.coming) - 1; last < 0 || n.coming[last] != c {
		n.coming = append(n.coming, c)
	}
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
