package store

import (
	"sync"

	"evidenced/evidence/chain"
)

// What every batch needs is made in memory that is used again: a log that
// grows fast would otherwise spend its time on collecting it. All of it is of
// this process alone, like the drafts beside it.

// plaintexts are buffers for contents, which are copied when they are sealed.
var plaintexts = sync.Pool{New: func() any { return new([]byte) }}

// ciphertexts are buffers for what is stored, used again once it is. A rare
// long one is not kept.
var ciphertexts = sync.Pool{New: func() any { return new([]byte) }}

const maxCiphertext = 16 << 10

// readyLeaves are buffers for leaves until they are placed.
var readyLeaves = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

// leafArena is how many bytes of placed leaves share one piece of memory.
const leafArena = 256 << 10

var leafArenas = sync.Pool{New: func() any {
	b := make([]byte, 0, leafArena)
	return &b
}}

// batchMemory is what the drafts of one batch stand in until they are durable
// and shown.
type batchMemory struct {
	states  []draftState
	entries []Entry
	arenas  []*[]byte // of placed leaves; the last is being filled
	hasher  chain.Hasher
}

var batchMemories = sync.Pool{New: func() any { return new(batchMemory) }}

// keptStates is how many drafts a batch may have for their states to be used
// again.
const keptStates = 2 * crowdedItems

// take returns the states of a batch of n items, all zero.
func (m *batchMemory) take(n int) []draftState {
	if cap(m.states) < n {
		m.states = make([]draftState, n)
	}
	m.states = m.states[:n]
	return m.states
}

// takeEntries returns room for n entries.
func (m *batchMemory) takeEntries(n int) []Entry {
	if cap(m.entries) < n {
		m.entries = make([]Entry, n)
	}
	m.entries = m.entries[:n]
	return m.entries
}

// room returns where a leaf of at most so many bytes is appended. What stands
// there already stays where it is.
func (m *batchMemory) room(n int) *[]byte {
	if last := len(m.arenas) - 1; last >= 0 {
		if a := m.arenas[last]; cap(*a)-len(*a) >= n {
			return a
		}
	}
	a := new([]byte)
	if n <= leafArena {
		a = leafArenas.Get().(*[]byte)
	} else {
		*a = make([]byte, 0, n)
	}
	m.arenas = append(m.arenas, a)
	return a
}

// done gives back the memory of a batch that is durable and shown, or never
// will be.
func (m *batchMade) done() {
	for _, d := range m.drafts {
		if d.buf != nil {
			ciphertexts.Put(d.buf)
		}
	}
	mem := m.memory
	m.drafts, m.entries, m.indexed, m.memory = nil, nil, nil, nil
	for _, a := range mem.arenas {
		if cap(*a) == leafArena {
			*a = (*a)[:0]
			leafArenas.Put(a)
		}
	}
	if cap(mem.states) > keptStates {
		return
	}
	// Nothing may be kept alive by them, and the next batch begins with zeros.
	clear(mem.states)
	clear(mem.entries)
	clear(mem.arenas)
	mem.arenas = mem.arenas[:0]
	batchMemories.Put(mem)
}
