package witness_test

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/witness"
)

// tree keeps all hashes of a small log, by tlog's numbering.
type tree map[int64]tlog.Hash

func newTree(n int) tree {
	tr, f := tree{}, chain.Frontier{}
	for i := range n {
		f.Append(chain.LeafHash(fmt.Appendf(nil, "leaf %d", i)), func(level int, index uint64, h evidence.Hash) {
			tr[tlog.StoredHashIndex(level, int64(index))] = tlog.Hash(h)
		})
	}
	return tr
}

func (tr tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = tr[x]
	}
	return out, nil
}

func (tr tree) root(t testing.TB, n uint64) evidence.Hash {
	t.Helper()
	h, err := chain.Root(n, tr)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (tr tree) inclusion(t testing.TB, n, seq uint64) []evidence.Hash {
	t.Helper()
	p, err := chain.ProveInclusion(n, seq, tr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProofs(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	for _, x := range v.Proofs {
		p, err := witness.ParseProof([]byte(x.Text))
		if err != nil || p.Index != x.Index {
			t.Errorf("%s: %+v, %v", x.Name, p, err)
			continue
		}
		c, cs, err := p.Verify(v.Origin, v.LogKey, v.Leaf, ws)
		if err != nil || c.Size != x.Size || len(cs) != 2 {
			t.Errorf("%s: %+v, %v, %v", x.Name, c, cs, err)
		}
		if _, _, err := p.Verify(v.Origin, v.LogKey, chain.LeafHash([]byte("leaf 11")), ws); err == nil {
			t.Errorf("%s: passes for another leaf", x.Name)
		}
		if _, _, err := p.Verify(v.Origin+"0", v.LogKey, v.Leaf, ws); err == nil {
			t.Errorf("%s: passes for another log", x.Name)
		}
	}
	for _, b := range v.BadProofs {
		p, err := witness.ParseProof([]byte(b.Text))
		if (err == nil) != b.Parses {
			t.Errorf("%s: %v", b.Why, err)
		}
		if err == nil {
			if _, _, err := p.Verify(v.Origin, v.LogKey, v.Leaf, ws); err == nil {
				t.Errorf("accepted: %s", b.Why)
			}
		}
	}
	for why, p := range map[string]witness.Proof{
		"extra of more than 32 KiB": {Extra: make([]byte, witness.MaxExtra+1), Signed: []byte("x")}, "record 2^53": {Index: 1 << 53, Signed: []byte("x")},
		"64 hashes": {Path: make([]evidence.Hash, 64), Signed: []byte("x")}, "no checkpoint": {}, "a large checkpoint": {Signed: make([]byte, witness.MaxNote+1)},
	} {
		if _, err := p.Encode(); err == nil {
			t.Errorf("encoded: %s", why)
		}
	}
	largest := witness.Proof{Extra: make([]byte, witness.MaxExtra), Index: 1<<53 - 1, Path: make([]evidence.Hash, 63), Signed: make([]byte, witness.MaxNote)}
	if b, err := largest.Encode(); err != nil || len(b) > witness.MaxProofText {
		t.Errorf("the largest proof has %d bytes (%v), at most %d are read", len(b), err, witness.MaxProofText)
	}
}

// Every record of a log of every size is shown by its own proof.
func TestEveryProof(t *testing.T) {
	v := makeVectors(t)
	log, _ := logKey(t, vLog, "vectors: log key")
	tr := newTree(40)
	for n := uint64(1); n <= 40; n++ {
		signed := signedBy(t, chain.Checkpoint{Origin: vOrigin, Size: n, Root: tr.root(t, n)}.Text(), log)
		for seq := range n {
			b, err := witness.Proof{Index: seq, Path: tr.inclusion(t, n, seq), Signed: []byte(signed)}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			p, err := witness.ParseProof(b)
			if err != nil {
				t.Fatal(err)
			}
			if c, _, err := p.Verify(vOrigin, v.LogKey, chain.LeafHash(fmt.Appendf(nil, "leaf %d", seq)), nil); err != nil || c.Size != n {
				t.Fatalf("record %d of %d: %v", seq, n, err)
			}
		}
	}
}
