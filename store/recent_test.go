package store

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"evidenced/evidence"
)

// What the index has is forgotten, and its memory given back.
func TestRecentsAreForgotten(t *testing.T) {
	var r recents
	at := timeKey(time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC))
	var gens []weak.Pointer[generation]
	for seq := range uint64(2*perGeneration + 10) {
		d := &draftState{seq: seq, ident: digest{byte(seq), byte(seq >> 8), byte(seq >> 16)}, item: &Item{Draft: evidence.Draft{Op: evidence.OpSet}}}
		d.info.State = seq%2 == 0
		r.add(d, at)
		if g := weak.Make(r.gens[len(r.gens)-1]); len(gens) == 0 || gens[len(gens)-1] != g {
			gens = append(gens, g)
		}
	}
	if len(gens) != 3 {
		t.Fatalf("%d generations, want 3", len(gens))
	}
	r.forget(perGeneration + 5) // the second is not all indexed
	if _, known := r.event(digest{1}); known {
		t.Error("a record of the first generation is remembered")
	}
	if _, known := r.state(digest{2, 0x40}, at); !known {
		t.Error("a record that is not indexed is forgotten")
	}
	alive := func() (n int) {
		runtime.GC()
		for _, g := range gens {
			if g.Value() != nil {
				n++
			}
		}
		return n
	}
	if n := alive(); n != 2 {
		t.Errorf("%d generations are in memory, want 2", n)
	}
	r.rest(2*perGeneration + 10)
	if n := alive(); n != 0 || r.events != 0 || r.states != 0 {
		t.Errorf("%d generations are in memory when all is indexed, and room is made for %d and %d", n, r.events, r.states)
	}
	runtime.KeepAlive(&r)
}

// A tree over records that are in the index goes; who holds one keeps it.
func TestTailIsPruned(t *testing.T) {
	n := &names{newMACPool(make([]byte, 32)), newMACPool(make([]byte, 32))}
	tl := newTail(n, 7)
	add := func(seq uint64) {
		tl.add([]indexed{{seq: seq, kind: evidence.SecretAccess, at: time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC), op: evidence.OpEvent, ident: digest{byte(seq)}}})
	}
	add(7)
	add(8)
	held := tl.postings()
	if held.Len() == 0 {
		t.Fatal("no postings of what waits")
	}
	was := held.Len()
	tl.done(1)
	tl.prune()
	if tl.tree.Len() == 0 {
		t.Error("the tree went while a record waits")
	}
	tl.done(1)
	tl.treeMu.Lock() // somebody is at it
	tl.prune()
	if tl.tree.Len() == 0 {
		t.Error("the tree went while somebody was at it")
	}
	tl.treeMu.Unlock()
	tl.prune()
	if tl.tree.Len() != 0 || held.Len() != was {
		t.Errorf("%d postings stay, and who asked holds %d of %d", tl.tree.Len(), held.Len(), was)
	}
	add(9)
	if got := tl.postings().Len(); got != was/2 {
		t.Errorf("%d postings of a record that waits, want %d", got, was/2)
	}
}
