package mappings

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBetween compares the walk with the plain definition: what head reaches
// and base does not.
func TestBetween(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := &changeIndex{bySHA: map[string]int{}}
		n := rapid.IntRange(1, 14).Draw(rt, "commits")
		names := rapid.Permutation(makeNames(n)).Draw(rt, "names") // so that numbers tell nothing of the order
		for _, name := range names {
			x.node(name)
		}
		for i := 1; i < n; i++ {
			for _, p := range rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 2), rapid.ID).Draw(rt, "parents") {
				c := &x.commits[x.node(fmt.Sprint(i))]
				c.parents = append(c.parents, int32(x.node(fmt.Sprint(p))))
			}
		}
		x.sort()
		head, base := rapid.IntRange(0, n-1).Draw(rt, "head"), rapid.IntRange(0, n-1).Draw(rt, "base")
		inBase := map[int]bool{}
		x.walk(base, inBase, func(*commit) {})
		var want []int
		inHead := map[int]bool{}
		x.walk(head, inHead, func(*commit) {})
		for i := range inHead {
			if !inBase[i] {
				want = append(want, i)
			}
		}
		got := slices.Sorted(slices.Values(x.between(head, base)))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("from %d back to %d: got %v, want %v", head, base, got, want)
		}
	})
}

func makeNames(n int) []string {
	var s []string
	for i := range n {
		s = append(s, fmt.Sprint(i))
	}
	return s
}
