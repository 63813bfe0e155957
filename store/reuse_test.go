package store

import (
	"bytes"
	"testing"

	"evidenced/evidence/chain"
)

// A leaf that was placed stays where it is while others are placed behind it,
// also when they need more memory.
func TestLeavesStay(t *testing.T) {
	var m batchMemory
	place := func(size int, fill byte) []byte {
		room := m.room(size)
		begin := len(*room)
		*room = append(*room, bytes.Repeat([]byte{fill}, size)...)
		return (*room)[begin:len(*room):len(*room)]
	}
	var leaves [][]byte
	for i := range 200 {
		leaves = append(leaves, place(1+i*chain.MaxLeaf/200, byte(i)))
	}
	leaves = append(leaves, place(leafArena+1, 200), place(1, 201))
	for i, leaf := range leaves {
		if len(bytes.Trim(leaf, string([]byte{byte(i)}))) > 0 {
			t.Errorf("leaf %d was written over", i)
		}
	}
	if len(m.arenas) < 3 {
		t.Errorf("%d pieces of memory for all", len(m.arenas))
	}
}

// What a batch leaves behind is in none that comes after it.
func TestBatchMemoryIsClean(t *testing.T) {
	for _, n := range []int{1, 100, keptStates, keptStates + 1, 7} {
		mem := batchMemories.Get().(*batchMemory)
		states, entries := mem.take(n), mem.takeEntries(n)
		if len(states) != n || len(entries) != n || len(mem.arenas) > 0 {
			t.Fatalf("%d items: %d states, %d entries, %d arenas", n, len(states), len(entries), len(mem.arenas))
		}
		m := &batchMade{memory: mem, entries: entries}
		for i := range states {
			if states[i].item != nil || states[i].seq != 0 || states[i].amends != nil || states[i].claims != nil || entries[i].Leaf != nil {
				t.Fatalf("%d items: item %d begins with what was there before", n, i)
			}
			states[i] = draftState{item: &Item{}, seq: 7, amendsBatch: &states[0]}
			states[i].claims = states[i].oneClaim[:1]
			entries[i] = Entry{Seq: 7, Leaf: []byte{1}}
			m.drafts = append(m.drafts, &states[i])
		}
		room := mem.room(10)
		*room = append(*room, 1, 2, 3)
		m.done()
		if m.drafts != nil || m.entries != nil || m.memory != nil {
			t.Errorf("%d items: memory that was given back is still in use", n)
		}
		for i := range states {
			if n <= keptStates && (states[i].item != nil || entries[i].Leaf != nil) {
				t.Fatalf("%d items: item %d is kept alive", n, i)
			}
		}
	}
}
