package store

import (
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// edge is the right edge of a log's tree: the frontier, and the hashes of the
// tile that is not full yet on each tile level. With the stored full tiles it
// gives every hash of the tree.
type edge struct {
	frontier *chain.Frontier
	partial  [][]evidence.Hash // by tile level: hashes of level 8*i since the last full tile
}

// clone returns a copy. It shares the memory of the partial tiles: what is
// appended to it stands behind all that the original has. So of the copies of one
// edge only the last may be appended to, as the committer does, which copies again
// when the copy it appended to came to nothing.
func (e *edge) clone() *edge {
	return &edge{frontier: e.frontier.Clone(), partial: slices.Clone(e.partial)}
}

// append adds a leaf hash and calls full for every tile it completes.
func (e *edge) append(leaf evidence.Hash, full func(Tile)) {
	e.frontier.Append(leaf, func(level int, index uint64, h evidence.Hash) {
		if level%8 != 0 {
			return
		}
		t := level / 8
		if t == len(e.partial) {
			e.partial = append(e.partial, nil)
		}
		if cap(e.partial[t]) < TileWidth {
			e.partial[t] = append(make([]evidence.Hash, 0, TileWidth), e.partial[t]...)
		}
		e.partial[t] = append(e.partial[t], h)
		if len(e.partial[t]) == TileWidth {
			full(Tile{t, index / TileWidth, joinHashes(e.partial[t])})
			e.partial[t] = nil
		}
	})
}

func joinHashes(hs []evidence.Hash) []byte {
	b := make([]byte, 0, len(hs)*32)
	for _, h := range hs {
		b = append(b, h[:]...)
	}
	return b
}

// loadEdge rebuilds the edge of a stored log and checks it against the head.
func loadEdge(f LogFile, head Head) (*edge, error) {
	fr, err := chain.NewFrontier(head.Size, head.Frontier)
	if err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	e := &edge{frontier: fr}
	// Level 0: the leaves since the last full tile.
	start := head.Size - head.Size%TileWidth
	leaves, err := f.RetiredHashes(start)
	if err != nil {
		return nil, fmt.Errorf("read the end of the retired records: %w", err)
	}
	if err := f.Scan(max(start, f.First()), head.Size, func(en Entry) error {
		leaves = append(leaves, chain.LeafHash(en.Leaf))
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the end of the log: %w", err)
	}
	if head.Size > 0 {
		e.partial = append(e.partial, leaves)
	}
	// Level i: the roots of the full tiles of level i-1 since its last full
	// tile.
	for level, n := 1, head.Size/TileWidth; n > 0; level, n = level+1, n/TileWidth {
		var hs []evidence.Hash
		for i := n - n%TileWidth; i < n; i++ {
			b, err := f.Tile(level-1, i)
			if err != nil {
				return nil, err
			}
			hs = append(hs, subtree(b))
		}
		e.partial = append(e.partial, hs)
	}
	return e, nil
}

// subtree returns the root over the hashes, whose number is a power of two.
func subtree(b []byte) evidence.Hash {
	hs := make([]tlog.Hash, len(b)/32)
	for i := range hs {
		copy(hs[i][:], b[i*32:])
	}
	for len(hs) > 1 {
		for i := range len(hs) / 2 {
			hs[i] = tlog.NodeHash(hs[2*i], hs[2*i+1])
		}
		hs = hs[:len(hs)/2]
	}
	return evidence.Hash(hs[0])
}

// hashes reads the tree of the log as it stands: full tiles from the file, the
// rest from the edge.
func (l *Log) hashes() chain.HashReader {
	l.mu.RLock()
	e := l.edge.clone()
	l.mu.RUnlock()
	return e.hashes(l.file)
}

// hashes reads the tree of which e is the edge.
func (e *edge) hashes(f LogFile) chain.HashReader {
	return chain.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		cache := map[[2]uint64][]byte{}
		for i, x := range indexes {
			h, err := e.hash(f, x, cache)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

func (e *edge) hash(f LogFile, index int64, cache map[[2]uint64][]byte) (tlog.Hash, error) {
	level, n := tlog.SplitStoredHashIndex(index)
	t, k := level/8, level%8
	first := uint64(n) << k // index of the first hash of level 8t below it
	tile := first / TileWidth
	width := uint64(1) << k
	off := first % TileWidth
	fullTiles := e.frontier.Size() >> (8 * (t + 1))
	if tile < fullTiles {
		id := [2]uint64{uint64(t), tile}
		b, ok := cache[id]
		if !ok {
			var err error
			if b, err = f.Tile(t, tile); err != nil {
				return tlog.Hash{}, err
			}
			cache[id] = b
		}
		return tlog.Hash(subtree(b[off*32 : (off+width)*32])), nil
	}
	if t >= len(e.partial) || off+width > uint64(len(e.partial[t])) {
		return tlog.Hash{}, fmt.Errorf("hash %d of level %d is not in a tree of %d", n, level, e.frontier.Size())
	}
	return tlog.Hash(subtree(joinHashes(e.partial[t][off : off+width]))), nil
}
