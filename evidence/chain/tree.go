package chain

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
)

// NodeHash returns SHA-256(0x01 || left || right), RFC 6962 section 2.1.
func NodeHash(left, right evidence.Hash) evidence.Hash {
	return evidence.Hash(tlog.NodeHash(tlog.Hash(left), tlog.Hash(right)))
}

// Frontier is the right edge of a tree: the roots of its full subtrees, the
// largest first. With it the tree grows and its root is known without any
// earlier leaf. The zero value is the empty tree.
type Frontier struct {
	size  uint64
	roots []tlog.Hash
}

// NewFrontier makes the frontier of a tree of the size from the roots of its
// full subtrees, the largest first: one for each one-bit of size.
func NewFrontier(size uint64, roots []evidence.Hash) (*Frontier, error) {
	if bits.OnesCount64(size) != len(roots) {
		return nil, fmt.Errorf("frontier of a tree of %d: %d hashes, want %d", size, len(roots), bits.OnesCount64(size))
	}
	f := &Frontier{size: size}
	for _, r := range roots {
		f.roots = append(f.roots, tlog.Hash(r))
	}
	return f, nil
}

// Size is the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Roots returns the roots of the full subtrees, the largest first.
func (f *Frontier) Roots() []evidence.Hash {
	hs := make([]evidence.Hash, len(f.roots))
	for i, r := range f.roots {
		hs[i] = evidence.Hash(r)
	}
	return hs
}

// Clone returns a copy.
func (f *Frontier) Clone() *Frontier {
	return &Frontier{f.size, append([]tlog.Hash(nil), f.roots...)}
}

// Append adds a leaf by its hash. Emit, when not nil, is called with every
// interior hash that becomes complete, lowest first, with its level (leaf
// hashes are level 0 and are emitted too).
func (f *Frontier) Append(leaf evidence.Hash, emit func(level int, index uint64, h evidence.Hash)) {
	h := tlog.Hash(leaf)
	n := f.size
	if emit != nil {
		emit(0, n, leaf)
	}
	for level := 1; n&1 == 1; level++ {
		h = tlog.NodeHash(f.roots[len(f.roots)-1], h)
		f.roots = f.roots[:len(f.roots)-1]
		n >>= 1
		if emit != nil {
			emit(level, n, evidence.Hash(h))
		}
	}
	f.roots = append(f.roots, h)
	f.size++
}

// AppendTree adds 2^level leaves at once by the root of the full subtree over
// them. The size before must be a multiple of 2^level.
func (f *Frontier) AppendTree(level int, root evidence.Hash) error {
	if level < 0 || level > 52 || f.size&(1<<level-1) != 0 {
		return fmt.Errorf("append a subtree of level %d to a tree of %d leaves", level, f.size)
	}
	h := tlog.Hash(root)
	for n := f.size >> level; n&1 == 1; n >>= 1 {
		h = tlog.NodeHash(f.roots[len(f.roots)-1], h)
		f.roots = f.roots[:len(f.roots)-1]
	}
	f.roots = append(f.roots, h)
	f.size += 1 << level
	return nil
}

// Root returns the tree's root; for the empty tree SHA-256 of nothing, as RFC
// 6962 says.
func (f *Frontier) Root() evidence.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return evidence.Hash(h)
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return evidence.Hash(h)
}

// HashReader reads stored hashes of a tree, by tlog's numbering.
type HashReader = tlog.HashReader

// HashReaderFunc makes a HashReader of a function.
type HashReaderFunc = tlog.HashReaderFunc

// StoredIndex is the number by which a HashReader is asked for hash i of a level
// of the tree; leaf hashes are level 0.
func StoredIndex(level int, i uint64) int64 { return tlog.StoredHashIndex(level, int64(i)) }

// Root returns the root of the first size leaves.
func Root(size uint64, r HashReader) (evidence.Hash, error) {
	h, err := tlog.TreeHash(int64(size), r)
	return evidence.Hash(h), err
}

// ProveInclusion proves that leaf seq is in the tree of the size.
func ProveInclusion(size, seq uint64, r HashReader) ([]evidence.Hash, error) {
	if seq >= size {
		return nil, fmt.Errorf("prove inclusion: record %d is not in a tree of %d", seq, size)
	}
	p, err := tlog.ProveRecord(int64(size), int64(seq), r)
	return hashes(p), err
}

// CheckInclusion verifies an inclusion proof.
func CheckInclusion(proof []evidence.Hash, size uint64, root evidence.Hash, seq uint64, leaf evidence.Hash) error {
	if seq >= size || size >= maxInt {
		return fmt.Errorf("check inclusion: record %d is not in a tree of %d", seq, size)
	}
	return tlog.CheckRecord(tlogHashes(proof), int64(size), tlog.Hash(root), int64(seq), tlog.Hash(leaf))
}

// ProveConsistency proves that the tree of size new extends the one of old.
func ProveConsistency(oldSize, newSize uint64, r HashReader) ([]evidence.Hash, error) {
	if oldSize == 0 || oldSize > newSize {
		return nil, fmt.Errorf("prove consistency: from size %d to %d", oldSize, newSize)
	}
	p, err := tlog.ProveTree(int64(newSize), int64(oldSize), r)
	return hashes(p), err
}

// CheckConsistency verifies a consistency proof. Every tree extends the empty
// one, which needs no proof.
func CheckConsistency(proof []evidence.Hash, oldSize uint64, oldRoot evidence.Hash, newSize uint64, newRoot evidence.Hash) error {
	if oldSize > newSize || newSize >= maxInt {
		return fmt.Errorf("check consistency: from size %d to %d", oldSize, newSize)
	}
	if oldSize == 0 {
		if len(proof) != 0 {
			return fmt.Errorf("check consistency: a proof from size 0 must be empty")
		}
		return nil
	}
	return tlog.CheckTree(tlogHashes(proof), int64(newSize), tlog.Hash(newRoot), int64(oldSize), tlog.Hash(oldRoot))
}

// FrontierAt reads the frontier of the first size leaves.
func FrontierAt(size uint64, r HashReader) (*Frontier, error) {
	if size == 0 {
		return &Frontier{}, nil
	}
	var indexes []int64
	var start uint64
	for level := 63; level >= 0; level-- {
		if bit := uint64(1) << level; size&bit != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(start>>level)))
			start += bit
		}
	}
	hs, err := r.ReadHashes(indexes)
	if err != nil {
		return nil, fmt.Errorf("read frontier of %d: %w", size, err)
	}
	return &Frontier{size: size, roots: hs}, nil
}

func hashes(p []tlog.Hash) []evidence.Hash {
	hs := make([]evidence.Hash, len(p))
	for i, h := range p {
		hs[i] = evidence.Hash(h)
	}
	return hs
}

func tlogHashes(p []evidence.Hash) []tlog.Hash {
	hs := make([]tlog.Hash, len(p))
	for i, h := range p {
		hs[i] = tlog.Hash(h)
	}
	return hs
}
