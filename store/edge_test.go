package store

import (
	"slices"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What is appended to a copy of an edge does not show in the original, also when
// it comes to nothing and another copy is appended to: the committer's way when a
// batch is refused.
func TestEdgeCopies(t *testing.T) {
	leaf := func(n, of int) evidence.Hash { return chain.LeafHash([]byte{byte(n), byte(n >> 8), byte(of)}) }
	grow := func(e *edge, n, of int) (tiles []Tile) {
		for i := range n {
			e.append(leaf(i, of), func(t Tile) { tiles = append(tiles, t) })
		}
		return tiles
	}
	fr, err := chain.NewFrontier(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	base := &edge{frontier: fr}
	grow(base, 200, 0)
	root, partial := base.frontier.Root(), slices.Clone(base.partial[0])
	for _, n := range []int{1, 55, 56, 57, 700} {
		grow(base.clone(), n, 1)
		second := base.clone()
		tiles := grow(second, n, 2)

		alone, _ := chain.NewFrontier(0, nil)
		want := &edge{frontier: alone}
		wanted := append(grow(want, 200, 0), grow(want, n, 2)...)
		if second.frontier.Root() != want.frontier.Root() || !slices.Equal(second.partial[0], want.partial[0]) {
			t.Errorf("%d behind a batch that came to nothing: another tree than without it", n)
		}
		if !slices.EqualFunc(tiles, wanted, func(a, b Tile) bool { return a.Index == b.Index && string(a.Hashes) == string(b.Hashes) }) {
			t.Errorf("%d behind a batch that came to nothing: other tiles than without it", n)
		}
		if base.frontier.Root() != root || !slices.Equal(base.partial[0], partial) {
			t.Fatalf("%d appended to copies: the original has changed", n)
		}
	}
}
