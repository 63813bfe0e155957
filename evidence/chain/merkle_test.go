package chain_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Roots and proofs are held against transparency-dev/merkle, which shares no
// code with tlog or with this package: what one makes the other must make too,
// and verify, and what one refuses the other must refuse.

// node returns the hash of a full subtree, by level and index.
type node func(level uint, index uint64) evidence.Hash

// ReadHashes implements chain.HashReader.
func (f node) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		out[i] = tlog.Hash(f(uint(level), uint64(n)))
	}
	return out, nil
}

// foreign returns the proof of the other library over the same tree.
func (f node) foreign(nodes proof.Nodes, err error) ([][]byte, error) {
	if err != nil {
		return nil, err
	}
	var hs [][]byte
	for _, id := range nodes.IDs {
		h := f(id.Level, id.Index)
		hs = append(hs, h[:])
	}
	return nodes.Rehash(hs, rfc6962.DefaultHasher.HashChildren)
}

func byteSlices(hs []evidence.Hash) [][]byte {
	out := make([][]byte, len(hs))
	for i := range hs {
		out[i] = hs[i][:]
	}
	return out
}

func sameProof(ours []evidence.Hash, theirs [][]byte) bool {
	return slices.EqualFunc(byteSlices(ours), theirs, bytes.Equal)
}

// compareInclusion compares making and verifying the proof of a record.
func compareInclusion(t *testing.T, f node, size, seq uint64, root, leaf evidence.Hash) {
	t.Helper()
	ours, err := chain.ProveInclusion(size, seq, f)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := f.foreign(proof.Inclusion(seq, size))
	if err != nil || !sameProof(ours, theirs) {
		t.Fatalf("inclusion of %d in %d: ours %x, theirs %x (%v)", seq, size, ours, theirs, err)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, seq, size, leaf[:], byteSlices(ours), root[:]); err != nil {
		t.Fatalf("inclusion of %d in %d: they refuse ours: %v", seq, size, err)
	}
	if err := chain.CheckInclusion(ours, size, root, seq, leaf); err != nil {
		t.Fatalf("inclusion of %d in %d: we refuse theirs: %v", seq, size, err)
	}
}

// compareConsistency compares making and verifying the proof from a size.
func compareConsistency(t *testing.T, f node, old, size uint64, oldRoot, root evidence.Hash) {
	t.Helper()
	ours, err := chain.ProveConsistency(old, size, f)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := f.foreign(proof.Consistency(old, size))
	if err != nil || !sameProof(ours, theirs) {
		t.Fatalf("consistency of %d and %d: ours %x, theirs %x (%v)", old, size, ours, theirs, err)
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, byteSlices(ours), oldRoot[:], root[:]); err != nil {
		t.Fatalf("consistency of %d and %d: they refuse ours: %v", old, size, err)
	}
	if err := chain.CheckConsistency(ours, old, oldRoot, size, root); err != nil {
		t.Fatalf("consistency of %d and %d: we refuse theirs: %v", old, size, err)
	}
}

func TestAgainstMerkleExhaustively(t *testing.T) {
	const most = 300
	m := newTree(most)
	f := node(func(level uint, index uint64) evidence.Hash {
		return evidence.Hash(m.stored[tlog.StoredHashIndex(int(level), int64(index))])
	})
	var roots []evidence.Hash
	var frontier chain.Frontier
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	growing := factory.NewEmptyRange(0)
	for n := uint64(0); n <= most; n++ {
		want := rfc6962.DefaultHasher.EmptyRoot()
		if n > 0 {
			data := fmt.Appendf(nil, "leaf %d", n-1)
			leaf := rfc6962.DefaultHasher.HashLeaf(data)
			if ours := chain.LeafHash(data); !bytes.Equal(ours[:], leaf) {
				t.Fatalf("leaf %d: %s, theirs %x", n-1, ours, leaf)
			}
			if err := growing.Append(leaf, nil); err != nil {
				t.Fatal(err)
			}
			frontier.Append(evidence.Hash(leaf), nil)
			var err error
			if want, err = growing.GetRootHash(nil); err != nil {
				t.Fatal(err)
			}
		}
		root, err := chain.Root(n, f)
		if err != nil || !bytes.Equal(root[:], want) || frontier.Root() != root {
			t.Fatalf("root of %d: %s and %s (%v), theirs %x", n, root, frontier.Root(), err, want)
		}
		// Their compact range and our frontier are the same hashes.
		if !sameProof(frontier.Roots(), growing.Hashes()) {
			t.Fatalf("frontier of %d: %x, theirs %x", n, frontier.Roots(), growing.Hashes())
		}
		roots = append(roots, root)
		for seq := range n {
			compareInclusion(t, f, n, seq, root, m.leaves[seq])
		}
		for old := uint64(1); old <= n; old++ {
			compareConsistency(t, f, old, n, roots[old], root)
		}
	}
}

// sparse is a tree of any size below 2^53 in which only the marked leaves
// differ from one another; all other subtrees of a level are alike, so that no
// more hashes are made than a proof needs.
type sparse struct {
	marked []uint64 // sorted
	plain  [64]evidence.Hash
	known  map[[2]uint64]evidence.Hash
}

func newSparse(marked ...uint64) *sparse {
	slices.Sort(marked)
	s := &sparse{marked: slices.Compact(marked), known: map[[2]uint64]evidence.Hash{}}
	s.plain[0] = chain.LeafHash([]byte("plain"))
	for level := 1; level < len(s.plain); level++ {
		s.plain[level] = rfcNode(s.plain[level-1], s.plain[level-1])
	}
	return s
}

func (s *sparse) node(level uint, index uint64) evidence.Hash {
	first := index << level
	i, _ := slices.BinarySearch(s.marked, first)
	if i == len(s.marked) || s.marked[i] >= first+1<<level {
		return s.plain[level]
	}
	if level == 0 {
		return chain.LeafHash(fmt.Appendf(nil, "marked %d", index))
	}
	key := [2]uint64{uint64(level), index}
	h, ok := s.known[key]
	if !ok {
		h = rfcNode(s.node(level-1, 2*index), s.node(level-1, 2*index+1))
		s.known[key] = h
	}
	return h
}

// theirRoot is the root of the first size leaves by their compact range.
func (s *sparse) theirRoot(t *testing.T, size uint64) evidence.Hash {
	t.Helper()
	var hs [][]byte
	for _, id := range compact.RangeNodes(0, size, nil) {
		h := s.node(id.Level, id.Index)
		hs = append(hs, h[:])
	}
	r, err := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewRange(0, size, hs)
	if err != nil {
		t.Fatal(err)
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Hash(root)
}

func TestAgainstMerkleAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6962, 9162))
	for range 2000 {
		size := 1 + rnd.Uint64N(1<<(1+rnd.UintN(53))-1)
		old, seq := 1+rnd.Uint64N(size), rnd.Uint64N(size)
		s := newSparse(seq, seq^1, old-1, old, size-1, rnd.Uint64N(size), rnd.Uint64N(size))
		f := node(s.node)
		root, oldRoot := s.theirRoot(t, size), s.theirRoot(t, old)
		for n, want := range map[uint64]evidence.Hash{size: root, old: oldRoot} {
			got, err := chain.Root(n, f)
			if err != nil || got != want {
				t.Fatalf("root of %d: %s (%v), theirs %s", n, got, err, want)
			}
			fr, err := chain.FrontierAt(n, f)
			if err != nil || fr.Root() != want {
				t.Fatalf("frontier of %d: %v, root %s, theirs %s", n, err, fr.Root(), want)
			}
		}
		compareInclusion(t, f, size, seq, root, s.node(0, seq))
		compareConsistency(t, f, old, size, oldRoot, root)
	}
}

// What is changed in any way both refuse or, where it was no change, both take.
func TestMerkleAgreesOnRefusals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	m := newTree(130)
	f := node(func(level uint, index uint64) evidence.Hash {
		return evidence.Hash(m.stored[tlog.StoredHashIndex(int(level), int64(index))])
	})
	var roots []evidence.Hash
	for n := range len(m.leaves) + 1 {
		roots = append(roots, rfcRoot(m.leaves[:n]))
	}
	refused := 0
	for range 20_000 {
		size := 1 + rnd.Uint64N(130)
		seq, old := rnd.Uint64N(size), 1+rnd.Uint64N(size)
		root, oldRoot := roots[size], roots[old]
		leaf := m.leaves[seq]
		in, err := chain.ProveInclusion(size, seq, f)
		if err != nil {
			t.Fatal(err)
		}
		co, err := chain.ProveConsistency(old, size, f)
		if err != nil {
			t.Fatal(err)
		}
		in, co = scramble(rnd, in), scramble(rnd, co)
		switch rnd.UintN(4) {
		case 0:
			seq = rnd.Uint64N(size + 2)
		case 1:
			size = rnd.Uint64N(132)
		case 2:
			old = 1 + rnd.Uint64N(132)
		}
		ours := chain.CheckInclusion(in, size, root, seq, leaf)
		theirs := proof.VerifyInclusion(rfc6962.DefaultHasher, seq, size, leaf[:], byteSlices(in), root[:])
		if (ours == nil) != (theirs == nil) {
			t.Fatalf("inclusion of %d in %d: ours %v, theirs %v", seq, size, ours, theirs)
		}
		if ours != nil {
			refused++
		}
		ours = chain.CheckConsistency(co, old, oldRoot, size, root)
		theirs = proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, byteSlices(co), oldRoot[:], root[:])
		if (ours == nil) != (theirs == nil) {
			t.Fatalf("consistency of %d and %d: ours %v, theirs %v", old, size, ours, theirs)
		}
		if ours != nil {
			refused++
		}
	}
	if refused < 10_000 {
		t.Errorf("only %d of 40000 were refused: the test changes too little", refused)
	}
}

// scramble leaves the proof alone, or drops, doubles, swaps or flips something
// in it.
func scramble(rnd *rand.Rand, p []evidence.Hash) []evidence.Hash {
	p = slices.Clone(p)
	if len(p) == 0 {
		if rnd.UintN(2) == 0 {
			p = append(p, evidence.Hash{1})
		}
		return p
	}
	i, j := rnd.IntN(len(p)), rnd.IntN(len(p))
	switch rnd.UintN(5) {
	case 0:
		return slices.Delete(p, i, i+1)
	case 1:
		return slices.Insert(p, i, p[j])
	case 2:
		p[i], p[j] = p[j], p[i]
	case 3:
		p[i][rnd.IntN(32)] ^= 1 << rnd.UintN(8)
	}
	return p
}
