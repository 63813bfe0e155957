package chain_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What follows is RFC 6962 section 2.1 written down once more, straight from
// its recursive definitions, to hold the package and tlog against.

func rfcNode(l, r evidence.Hash) evidence.Hash {
	return sha256.Sum256(slices.Concat([]byte{1}, l[:], r[:]))
}

// rfcSplit is the largest power of two smaller than n.
func rfcSplit(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func rfcRoot(d []evidence.Hash) evidence.Hash {
	switch len(d) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return d[0]
	}
	k := rfcSplit(len(d))
	return rfcNode(rfcRoot(d[:k]), rfcRoot(d[k:]))
}

// rfcPath is PATH(m, D[n]), section 2.1.1.
func rfcPath(m int, d []evidence.Hash) []evidence.Hash {
	if len(d) <= 1 {
		return []evidence.Hash{}
	}
	k := rfcSplit(len(d))
	if m < k {
		return append(rfcPath(m, d[:k]), rfcRoot(d[k:]))
	}
	return append(rfcPath(m-k, d[k:]), rfcRoot(d[:k]))
}

// rfcProof is SUBPROOF(m, D[n], whole), section 2.1.2.
func rfcProof(m int, d []evidence.Hash, whole bool) []evidence.Hash {
	if m == len(d) {
		if whole {
			return []evidence.Hash{}
		}
		return []evidence.Hash{rfcRoot(d)}
	}
	k := rfcSplit(len(d))
	if m <= k {
		return append(rfcProof(m, d[:k], whole), rfcRoot(d[k:]))
	}
	return append(rfcProof(m-k, d[k:], false), rfcRoot(d[:k]))
}

func rfcFrontier(d []evidence.Hash) []evidence.Hash {
	hs := []evidence.Hash{}
	for len(d) > 0 {
		k := 1 << (bits.Len(uint(len(d))) - 1)
		hs = append(hs, rfcRoot(d[:k]))
		d = d[k:]
	}
	return hs
}

// memTree keeps all hashes of a tree by tlog's numbering.
type memTree struct {
	leaves   []evidence.Hash
	stored   map[int64]tlog.Hash
	frontier chain.Frontier
}

func newTree(n int) *memTree {
	m := &memTree{stored: map[int64]tlog.Hash{}}
	for i := range n {
		h := chain.LeafHash(fmt.Appendf(nil, "leaf %d", i))
		m.leaves = append(m.leaves, h)
		m.frontier.Append(h, func(level int, index uint64, h evidence.Hash) {
			m.stored[tlog.StoredHashIndex(level, int64(index))] = tlog.Hash(h)
		})
	}
	return m
}

func (m *memTree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		h, ok := m.stored[x]
		if !ok {
			return nil, fmt.Errorf("hash %d is not stored", x)
		}
		out[i] = h
	}
	return out, nil
}

const treeMax = 70

func TestTreeAgainstRFC6962(t *testing.T) {
	m := newTree(treeMax)
	if got, want := m.frontier.Size(), uint64(treeMax); got != want {
		t.Fatalf("size %d, want %d", got, want)
	}
	if got, want := int64(len(m.stored)), tlog.StoredHashCount(treeMax); got != want {
		t.Errorf("%d hashes were emitted, want %d", got, want)
	}
	for n := range treeMax + 1 {
		want := rfcRoot(m.leaves[:n])
		root, err := chain.Root(uint64(n), m)
		if err != nil || root != want {
			t.Errorf("root of %d: %v (%v), want %v", n, root, err, want)
		}
		fr, err := chain.FrontierAt(uint64(n), m)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rfcFrontier(m.leaves[:n]), fr.Roots()); d != "" || fr.Root() != want || fr.Size() != uint64(n) {
			t.Errorf("frontier of %d (-want +got):\n%s", n, d)
		}
		for seq := range n {
			p, err := chain.ProveInclusion(uint64(n), uint64(seq), m)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rfcPath(seq, m.leaves[:n]), p); d != "" {
				t.Fatalf("inclusion of %d in %d (-want +got):\n%s", seq, n, d)
			}
			if err := chain.CheckInclusion(p, uint64(n), want, uint64(seq), m.leaves[seq]); err != nil {
				t.Fatalf("inclusion of %d in %d: %v", seq, n, err)
			}
		}
		for old := 1; old <= n; old++ {
			p, err := chain.ProveConsistency(uint64(old), uint64(n), m)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rfcProof(old, m.leaves[:n], true), p); d != "" {
				t.Fatalf("consistency of %d and %d (-want +got):\n%s", old, n, d)
			}
			if err := chain.CheckConsistency(p, uint64(old), rfcRoot(m.leaves[:old]), uint64(n), want); err != nil {
				t.Fatalf("consistency of %d and %d: %v", old, n, err)
			}
		}
	}
}

// A frontier that goes on from stored hashes and a tree grown from nothing are
// the same tree.
func TestFrontierGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 600).Draw(t, "size")
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		m := newTree(n)
		at, err := chain.FrontierAt(uint64(cut), m)
		if err != nil {
			t.Fatal(err)
		}
		f, err := chain.NewFrontier(at.Size(), at.Roots())
		if err != nil {
			t.Fatal(err)
		}
		before := f.Clone()
		for _, h := range m.leaves[cut:] {
			f.Append(h, nil)
		}
		if f.Root() != rfcRoot(m.leaves) || f.Size() != uint64(n) {
			t.Fatalf("from %d to %d: root %s, want %s", cut, n, f.Root(), rfcRoot(m.leaves))
		}
		if before.Size() != uint64(cut) || before.Root() != rfcRoot(m.leaves[:cut]) {
			t.Fatalf("growing changed the copy of %d", cut)
		}
	})
}

// No proof changed in any way, and no other question, passes.
func TestProofsRefuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newTree(rapid.IntRange(2, 200).Draw(t, "size"))
		n := uint64(len(m.leaves))
		seq := rapid.Uint64Range(0, n-1).Draw(t, "seq")
		root := m.frontier.Root()
		p, err := chain.ProveInclusion(n, seq, m)
		if err != nil {
			t.Fatal(err)
		}
		if chain.CheckInclusion(p, n, root, (seq+1)%n, m.leaves[seq]) == nil {
			t.Fatal("the proof passes for another record")
		}
		if chain.CheckInclusion(p, n, root, n, m.leaves[seq]) == nil || chain.CheckInclusion(p, 1<<53, root, seq, m.leaves[seq]) == nil {
			t.Fatal("the proof passes outside the tree")
		}
		for _, q := range twisted(t, p) {
			if chain.CheckInclusion(q, n, root, seq, m.leaves[seq]) == nil {
				t.Fatalf("record %d of %d: a changed proof passes", seq, n)
			}
		}
		old := rapid.Uint64Range(1, n).Draw(t, "old")
		oldRoot := rfcRoot(m.leaves[:old])
		if p, err = chain.ProveConsistency(old, n, m); err != nil {
			t.Fatal(err)
		}
		oldRoot[3] ^= 1
		if chain.CheckConsistency(p, old, oldRoot, n, root) == nil {
			t.Fatal("another old root passes")
		}
		oldRoot[3] ^= 1
		for _, q := range twisted(t, p) {
			if chain.CheckConsistency(q, old, oldRoot, n, root) == nil {
				t.Fatalf("%d and %d: a changed proof passes", old, n)
			}
		}
	})
}

// twisted returns the proof with a hash less, a hash more and a bit flipped.
func twisted(t *rapid.T, p []evidence.Hash) [][]evidence.Hash {
	out := [][]evidence.Hash{append(slices.Clone(p), evidence.Hash{1})}
	if len(p) > 0 {
		q := slices.Clone(p)
		q[rapid.IntRange(0, len(p)-1).Draw(t, "hash")][rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		out = append(out, p[1:], p[:len(p)-1], q)
	}
	return out
}

func TestTreeEdges(t *testing.T) {
	m := newTree(3)
	root := m.frontier.Root()
	for _, tc := range []struct {
		what string
		err  error
	}{
		{"a frontier with a hash too few", frontierErr(3, 1)},
		{"a frontier with a hash too many", frontierErr(4, 2)},
		{"a proof of a record that is not there", second(chain.ProveInclusion(3, 3, m))},
		{"a proof from the empty tree", second(chain.ProveConsistency(0, 3, m))},
		{"a proof of a shorter tree", second(chain.ProveConsistency(3, 2, m))},
		{"a check from size 0 with a proof", chain.CheckConsistency([]evidence.Hash{{}}, 0, evidence.Hash{}, 3, root)},
		{"a check of a shorter tree", chain.CheckConsistency(nil, 3, root, 2, root)},
		{"a check at 2^53", chain.CheckConsistency(nil, 3, root, 1<<53, root)},
		{"two roots of one size", chain.CheckConsistency(nil, 3, evidence.Hash{1}, 3, root)},
	} {
		if tc.err == nil {
			t.Errorf("%s passes", tc.what)
		}
	}
	if err := chain.CheckConsistency(nil, 0, evidence.Hash{9}, 3, root); err != nil {
		t.Errorf("every tree extends the empty one: %v", err)
	}
	if err := chain.CheckConsistency(nil, 3, root, 3, root); err != nil {
		t.Errorf("a tree extends itself: %v", err)
	}
	if _, err := chain.FrontierAt(4, m); err == nil {
		t.Error("a frontier beyond the stored hashes is read")
	}
}

func frontierErr(size uint64, hashes int) error {
	return second(chain.NewFrontier(size, make([]evidence.Hash, hashes)))
}

func second[T any](_ T, err error) error { return err }

func TestGenesisPrev(t *testing.T) {
	want := evidence.Hash(sha256.Sum256([]byte("evidenced/genesis/v1\x00\x00\x00\x03a/b")))
	if got := chain.GenesisPrev("a/b"); got != want {
		t.Errorf("genesis prev %s, want %s", got, want)
	}
	if chain.GenesisPrev("a") == chain.GenesisPrev("b") {
		t.Error("two logs begin alike")
	}
}

func TestLeafHash(t *testing.T) {
	for _, n := range []int{0, 1, 2047, 2048, 2049, chain.MaxLeaf} {
		b := bytes.Repeat([]byte{'a'}, n)
		if got, want := chain.LeafHash(b), evidence.Hash(sha256.Sum256(append([]byte{0}, b...))); got != want {
			t.Errorf("leaf of %d bytes: %s, want %s", n, got, want)
		}
	}
}

type treeVector struct {
	Rule string `json:"rule"`
	Size []struct {
		Size     int             `json:"size"`
		Root     evidence.Hash   `json:"root"`
		Frontier []evidence.Hash `json:"frontier"`
	} `json:"trees"`
}

func TestTreeVectors(t *testing.T) {
	v := treeVector{Rule: "leaf i is the text \"leaf \" and i in decimal; its hash is SHA-256(0x00 || leaf)"}
	m := newTree(treeMax)
	for n := range treeMax + 1 {
		v.Size = append(v.Size, struct {
			Size     int             `json:"size"`
			Root     evidence.Hash   `json:"root"`
			Frontier []evidence.Hash `json:"frontier"`
		}{n, rfcRoot(m.leaves[:n]), rfcFrontier(m.leaves[:n])})
	}
	vectorFile(t, "trees.json", v)
}

type inclusionVector struct {
	Why   string          `json:"why,omitempty"` // refused, and why
	Size  uint64          `json:"size"`
	Root  evidence.Hash   `json:"root"`
	Seq   uint64          `json:"seq"`
	Leaf  evidence.Hash   `json:"leaf"`
	Proof []evidence.Hash `json:"proof"`
}

type consistencyVector struct {
	Why     string          `json:"why,omitempty"`
	OldSize uint64          `json:"old_size"`
	OldRoot evidence.Hash   `json:"old_root"`
	NewSize uint64          `json:"new_size"`
	NewRoot evidence.Hash   `json:"new_root"`
	Proof   []evidence.Hash `json:"proof"`
}

type proofVectors struct {
	Inclusion          []inclusionVector   `json:"inclusion"`
	InclusionRefused   []inclusionVector   `json:"inclusion_refused"`
	Consistency        []consistencyVector `json:"consistency"`
	ConsistencyRefused []consistencyVector `json:"consistency_refused"`
}

func makeProofVectors() proofVectors {
	var v proofVectors
	m := newTree(treeMax)
	sizes := []int{1, 2, 3, 5, 8, 21, 64, 70}
	for _, n := range sizes {
		for _, seq := range slices.Compact([]int{0, n / 2, n - 1}) {
			v.Inclusion = append(v.Inclusion, inclusionVector{"", uint64(n), rfcRoot(m.leaves[:n]), uint64(seq), m.leaves[seq], rfcPath(seq, m.leaves[:n])})
		}
		for _, old := range sizes {
			if old <= n {
				v.Consistency = append(v.Consistency, consistencyVector{"", uint64(old), rfcRoot(m.leaves[:old]), uint64(n), rfcRoot(m.leaves[:n]), rfcProof(old, m.leaves[:n], true)})
			}
		}
	}
	v.Consistency = append(v.Consistency, consistencyVector{"", 0, rfcRoot(nil), 70, rfcRoot(m.leaves), []evidence.Hash{}})
	badIn := func(why string, edit func(*inclusionVector)) {
		x := inclusionVector{why, 21, rfcRoot(m.leaves[:21]), 10, m.leaves[10], rfcPath(10, m.leaves[:21])}
		edit(&x)
		v.InclusionRefused = append(v.InclusionRefused, x)
	}
	badIn("another record's number", func(x *inclusionVector) { x.Seq = 11 })
	badIn("a record outside the tree", func(x *inclusionVector) { x.Seq = 21 })
	badIn("another tree size", func(x *inclusionVector) { x.Size = 42 })
	badIn("another leaf", func(x *inclusionVector) { x.Leaf = m.leaves[11] })
	badIn("another root", func(x *inclusionVector) { x.Root = rfcRoot(m.leaves[:22]) })
	badIn("a hash is missing", func(x *inclusionVector) { x.Proof = x.Proof[1:] })
	badIn("a hash too many", func(x *inclusionVector) { x.Proof = append(x.Proof, m.leaves[0]) })
	badIn("two hashes are swapped", func(x *inclusionVector) { x.Proof[0], x.Proof[1] = x.Proof[1], x.Proof[0] })
	badCo := func(why string, edit func(*consistencyVector)) {
		x := consistencyVector{why, 21, rfcRoot(m.leaves[:21]), 64, rfcRoot(m.leaves[:64]), rfcProof(21, m.leaves[:64], true)}
		edit(&x)
		v.ConsistencyRefused = append(v.ConsistencyRefused, x)
	}
	badCo("another old root", func(x *consistencyVector) { x.OldRoot = rfcRoot(m.leaves[:22]) })
	badCo("another new root", func(x *consistencyVector) { x.NewRoot = rfcRoot(m.leaves[:65]) })
	badCo("another old size", func(x *consistencyVector) { x.OldSize = 22 })
	badCo("the new tree is smaller", func(x *consistencyVector) { x.OldSize, x.NewSize = x.NewSize, x.OldSize })
	badCo("a hash is missing", func(x *consistencyVector) { x.Proof = x.Proof[:len(x.Proof)-1] })
	badCo("a hash too many", func(x *consistencyVector) { x.Proof = append(x.Proof, m.leaves[0]) })
	badCo("one size with two roots", func(x *consistencyVector) { x.NewSize, x.Proof = 21, []evidence.Hash{} })
	badCo("a proof from size 0", func(x *consistencyVector) { x.OldSize, x.OldRoot = 0, rfcRoot(nil) })
	return v
}

func TestProofVectors(t *testing.T) {
	v := makeProofVectors()
	vectorFile(t, "proofs.json", v)
	for _, x := range slices.Concat(v.Inclusion, v.InclusionRefused) {
		if err := chain.CheckInclusion(x.Proof, x.Size, x.Root, x.Seq, x.Leaf); (err == nil) != (x.Why == "") {
			t.Errorf("inclusion of %d in %d (%s): %v", x.Seq, x.Size, x.Why, err)
		}
	}
	for _, x := range slices.Concat(v.Consistency, v.ConsistencyRefused) {
		if err := chain.CheckConsistency(x.Proof, x.OldSize, x.OldRoot, x.NewSize, x.NewRoot); (err == nil) != (x.Why == "") {
			t.Errorf("consistency of %d and %d (%s): %v", x.OldSize, x.NewSize, x.Why, err)
		}
	}
}

// Leaves added by subtrees of any size give the tree of the leaves.
func TestAppendTree(t *testing.T) {
	leaf := func(i uint64) evidence.Hash { return fixedHash(fmt.Sprint("leaf ", i)) }
	subtree := func(level int, at uint64) evidence.Hash {
		f := &chain.Frontier{}
		for i := range uint64(1) << level {
			f.Append(leaf(at+i), nil)
		}
		return f.Root()
	}
	want, got := &chain.Frontier{}, &chain.Frontier{}
	for _, level := range []int{0, 0, 1, 2, 0, 0, 0, 0, 2, 4, 3, 1, 0} {
		for i := range uint64(1) << level {
			want.Append(leaf(got.Size()+i), nil)
		}
		if err := got.AppendTree(level, subtree(level, got.Size())); err != nil {
			t.Fatal(err)
		}
		if got.Size() != want.Size() || got.Root() != want.Root() {
			t.Fatalf("after a subtree of level %d: size %d root %s, want %d %s", level, got.Size(), got.Root(), want.Size(), want.Root())
		}
	}
	for _, level := range []int{-1, 1, 6, 53} { // the size is odd
		if got.Size()&1 == 0 {
			t.Fatalf("size %d", got.Size())
		}
		if err := got.AppendTree(level, fixedHash("x")); err == nil {
			t.Errorf("a subtree of level %d is added to a tree of %d", level, got.Size())
		}
	}
}

func TestHasher(t *testing.T) {
	var h chain.Hasher
	for _, n := range []int{0, 1, 55, 64, 2047, 2048, 2049, chain.MaxLeaf, chain.MaxLeaf + 1} {
		leaf := bytes.Repeat([]byte{byte(n)}, n)
		if got, want := h.LeafHash(leaf), evidence.Hash(sha256.Sum256(append([]byte{0}, leaf...))); got != want || chain.LeafHash(leaf) != want {
			t.Errorf("hash of %d bytes: %s, want %s", n, got, want)
		}
	}
}
