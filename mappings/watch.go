package mappings

import (
	"context"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"time"

	"evidenced/evidence"
)

// kindSet is a set of kinds, small enough to keep one for every view of every
// tenant.
type kindSet [3]uint64

// kindBits numbers the kinds.
var kindBits = func() map[evidence.Kind]int {
	bits := map[evidence.Kind]int{}
	for i, k := range evidence.Kinds() {
		bits[k.Kind] = i
	}
	if len(bits) > 64*len(kindSet{}) {
		panic(fmt.Sprintf("mappings: %d kinds do not fit a kindSet", len(bits)))
	}
	return bits
}()

// everyKind has all kinds.
var everyKind = func() (s kindSet) {
	for k := range kindBits {
		s.add(k)
	}
	return s
}()

// add puts kinds in. One that nobody knows is in no record.
func (s *kindSet) add(kinds ...evidence.Kind) {
	for _, k := range kinds {
		if i, ok := kindBits[k]; ok {
			s.set(i)
		}
	}
}

// set puts the kind of a number in.
func (s *kindSet) set(i int) { s[i/64] |= 1 << (i % 64) }

// all yields the numbers of the kinds that are in.
func (s kindSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(64*i + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

func (s *kindSet) join(o kindSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s kindSet) overlaps(o kindSet) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// basis is what was asked for to make a view.
type basis struct {
	reads kindSet // records of these kinds
	looks kindSet // what was seen of these kinds
	ends  kindSet // of these also what was seen after the newest look
	gives kindSet // who gives these kinds
}

// notes is what a view was made from: when none of it changes, the view built
// again gives the same items.
type notes struct {
	basis
	wakes time.Time
	moves bool // it changes with the clock in a way that nothing tells beforehand
	read  int  // records that were read, but for those that tell what was seen
}

func (n *notes) join(o *notes) {
	n.reads.join(o.reads)
	n.looks.join(o.looks)
	n.ends.join(o.ends)
	n.gives.join(o.gives)
	n.wake(o.wakes)
	n.moves = n.moves || o.moves
	n.read += o.read
}

// wake notes that the view changes by itself once the period reaches t.
func (n *notes) wake(t time.Time) {
	if !t.IsZero() && (n.wakes.IsZero() || t.Before(n.wakes)) {
		n.wakes = t
	}
}

// notebook says who notes at the moment: one view is built at a time. A nil
// one notes nothing.
type notebook struct{ open *notes }

// into makes n note from now on, and returns what ends that.
func (b *notebook) into(n *notes) (back func()) {
	if b == nil {
		return func() {}
	}
	was := b.open
	b.open = n
	return func() { b.open = was }
}

func (b *notebook) reads(kinds ...evidence.Kind) {
	if b != nil && b.open != nil {
		b.open.reads.add(kinds...)
	}
}

func (b *notebook) looks(kind evidence.Kind) {
	if b != nil && b.open != nil {
		b.open.looks.add(kind)
	}
}

func (b *notebook) ends(kind evidence.Kind) {
	if b != nil && b.open != nil {
		b.open.ends.add(kind)
	}
}

func (b *notebook) gives(kind evidence.Kind) {
	if b != nil && b.open != nil {
		b.open.gives.add(kind)
	}
}

// wakes notes that what is made changes by itself once the period reaches t.
func (b *notebook) wakes(t time.Time) {
	if b != nil && b.open != nil {
		b.open.wake(t)
	}
}

func (b *notebook) moves() {
	if b != nil && b.open != nil {
		b.open.moves = true
	}
}

// hasRead reports whether any record was read for what is made now.
func (b *notebook) hasRead() bool { return b != nil && b.open != nil && b.open.read > 0 }

// counted counts the records that are read.
func (b *notebook) counted(rs iter.Seq2[evidence.Record, error]) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for r, err := range rs {
			if b.open != nil && r.Kind != evidence.CollectionCoverage && r.Kind != evidence.LogSegment {
				b.open.read++
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// watched is a reader that notes what it is asked for. Single records are not
// noted: they never change.
type watched struct {
	evidence.Reader
	book *notebook
}

func (w watched) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	if len(q.Kinds) == 0 {
		if w.book.open != nil {
			w.book.open.reads.join(everyKind)
		}
	}
	w.book.reads(q.Kinds...)
	return w.book.counted(w.Reader.Records(ctx, q))
}

func (w watched) States(ctx context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	w.book.reads(kind)
	return w.book.counted(w.Reader.States(ctx, kind, at))
}

func (w watched) Identity(ctx context.Context, token evidence.ID) (evidence.Identity, error) {
	w.book.reads(whoKinds...)
	return w.Reader.Identity(ctx, token)
}

// whoKinds are the kinds that say who somebody is.
var whoKinds = []evidence.Kind{evidence.PersonKnown, evidence.Erasure, evidence.IdentityLink}

// shared is something that several views are made from. It is built by the
// first that asks; everyone that asks depends on what it was built from, and on
// who people are, since what one view asked about a person is kept for the
// others.
type shared[T any] struct {
	made  *T
	notes notes
}

// get returns the thing, building it at first use.
func (j *shared[T]) get(s *scene, build func() (*T, error)) (*T, error) {
	if j.made == nil {
		var n notes
		end := s.book.into(&n)
		made, err := build()
		end()
		if err != nil {
			return nil, err
		}
		j.offer(made, n)
	}
	if s.book != nil && s.book.open != nil {
		s.book.open.join(&j.notes)
	}
	return j.made, nil
}

// offer keeps what another view has made on its way, and what from.
func (j *shared[T]) offer(made *T, n notes) {
	n.reads.add(whoKinds...)
	j.made, j.notes = made, n
}

// later notes that something of the view lies at or behind the end of what is
// judged, and will count once the end has passed it.
func (s *scene) later(t time.Time) {
	if s.book != nil && s.book.open != nil && !t.Before(s.period.To) {
		s.book.open.wake(t)
	}
}

// moves notes that something of the view changes with the clock in a way that
// nothing tells beforehand.
func (s *scene) moves() { s.book.moves() }

// looksAtAll notes that the view is made from everything that was seen.
func (s *scene) looksAtAll() {
	if s.book != nil && s.book.open != nil {
		s.book.open.looks.join(everyKind)
		s.book.open.ends.join(everyKind)
		s.book.open.gives.join(everyKind)
	}
	s.cover.upTo(s.period.To, false)
}

// movesWithClock reports whether the rule looks at when the period ends.
func (r *rule) movesWithClock() bool {
	return slices.Contains(r.vars, "to") || slices.Contains(r.vars, "at")
}
