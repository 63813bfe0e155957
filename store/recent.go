package store

import (
	"bytes"

	"evidenced/evidence"
)

// recents remembers identities and states of records that may not be in the
// stored index yet, so that de-duplication is exact while the index follows
// behind. Only the committer uses it.
type recents struct {
	gens []*generation // the oldest first
	// How many of each the one forgotten last had: the next has as many, or
	// nearly, where the log goes on as it did.
	events, states int
}

// generation is a stretch of records; it is forgotten whole.
type generation struct {
	before uint64 // seq after its last record
	events map[digest]eventAt
	states map[digest][]stateAt
}

type eventAt struct {
	seq    uint64
	digest digest
}

// stateAt is a state of a subject.
type stateAt struct {
	at     [8]byte
	seq    uint64
	op     evidence.Op
	digest digest
}

// notBefore orders states of a subject: by time, then by seq.
func (s stateAt) notBefore(o stateAt) bool {
	if c := bytes.Compare(s.at[:], o.at[:]); c != 0 {
		return c > 0
	}
	return s.seq >= o.seq
}

// perGeneration is how many records a generation takes.
const perGeneration = 16 << 10

// forget drops what the stored index has.
func (r *recents) forget(indexed uint64) {
	for len(r.gens) > 0 && r.gens[0].before <= indexed {
		r.events, r.states = len(r.gens[0].events), len(r.gens[0].states)
		r.gens[0] = nil // must not be kept alive by the array
		r.gens = r.gens[1:]
	}
}

// rest is forget for a log to which nothing comes any more: what comes next
// needs no room for as many.
func (r *recents) rest(indexed uint64) {
	if r.forget(indexed); len(r.gens) == 0 {
		*r = recents{}
	}
}

// add remembers a record.
func (r *recents) add(d *draftState, at [8]byte) {
	var g *generation
	if n := len(r.gens); n > 0 {
		g = r.gens[n-1]
	}
	if g == nil || len(g.events)+len(g.states) >= perGeneration {
		g = &generation{events: make(map[digest]eventAt, r.events), states: make(map[digest][]stateAt, r.states)}
		r.gens = append(r.gens, g)
	}
	g.before = d.seq + 1
	if d.info.State {
		g.states[d.ident] = append(g.states[d.ident], stateAt{at, d.seq, d.item.Draft.Op, d.digest})
		return
	}
	g.events[d.ident] = eventAt{d.seq, d.digest}
}

func (r *recents) event(ident digest) (eventAt, bool) {
	for i := len(r.gens) - 1; i >= 0; i-- {
		if e, ok := r.gens[i].events[ident]; ok {
			return e, true
		}
	}
	return eventAt{}, false
}

// state returns the newest remembered state of the subject at or before the
// instant.
func (r *recents) state(ident digest, at [8]byte) (best stateAt, ok bool) {
	for _, g := range r.gens {
		for _, s := range g.states[ident] {
			if bytes.Compare(s.at[:], at[:]) <= 0 && (!ok || s.notBefore(best)) {
				best, ok = s, true
			}
		}
	}
	return best, ok
}
