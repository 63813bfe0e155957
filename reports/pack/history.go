package pack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// ancestor is an entry of consistency.json: a tree that the closing one
// extends, and the proof.
type ancestor struct {
	Size  uint64          `json:"size"`
	Root  evidence.Hash   `json:"root"`
	Proof []evidence.Hash `json:"proof"`
}

// history writes consistency.json: the tree at the range's begin, those at
// which earlier packs closed, and those that receipts speak of.
func (w *writer) history() error {
	sizes := map[uint64]bool{}
	if w.start.Size > 0 {
		sizes[w.start.Size] = true
	}
	for _, e := range w.in.Earlier {
		sizes[e.Facts.Size] = true
	}
	for _, r := range w.receipts {
		sizes[r.Size] = true
	}
	list := []ancestor{}
	for _, size := range slices.Sorted(maps.Keys(sizes)) {
		if size == 0 || size > w.m.Closing.Size {
			return problem.New(problem.Corrupt, "an earlier pack or receipt is of log size %d, the pack closes at %d", size, w.m.Closing.Size)
		}
		a, err := w.ancestor(size)
		if err != nil {
			return err
		}
		list = append(list, a)
	}
	for _, e := range w.in.Earlier {
		i, _ := slices.BinarySearchFunc(list, e.Facts.Size, func(a ancestor, size uint64) int { return cmp.Compare(a.Size, size) })
		if list[i].Root != e.Facts.Root {
			return problem.New(problem.Corrupt, "the pack that record %d sealed closed at size %d with root %s, the log has %s there", e.Seq, e.Facts.Size, e.Facts.Root, list[i].Root).
				WithHint("run evidenced verify --tenant %s", w.m.Tenant)
		}
	}
	return w.json(memberConsistency, list)
}

func (w *writer) ancestor(size uint64) (ancestor, error) {
	fr, err := w.in.Log.Frontier(size)
	if err != nil {
		return ancestor{}, err
	}
	proof, err := w.in.Log.ProveConsistency(size, w.m.Closing.Size)
	return ancestor{size, fr.Root(), proof}, err
}

// overlapping are the earlier packs that packs.json lists.
func (w *writer) overlapping() []Earlier {
	list := []Earlier{}
	for _, e := range w.in.Earlier {
		if e.Facts.Period.Overlaps(w.in.Period) {
			list = append(list, e)
		}
	}
	return list
}

// parseHistory reads consistency.json: sizes ascend and lie in the closing tree,
// and every proof leads there.
func parseHistory(b []byte, closing chain.Checkpoint) ([]ancestor, error) {
	var list []ancestor
	if err := strict(memberConsistency, b, &list); err != nil {
		return nil, err
	}
	last := uint64(0)
	for _, a := range list {
		if a.Size <= last {
			return nil, fmt.Errorf("%s: size %d is out of order", memberConsistency, a.Size)
		}
		last = a.Size
		if err := chain.CheckConsistency(a.Proof, a.Size, a.Root, closing.Size, closing.Root); err != nil {
			return nil, fmt.Errorf("%s: the log does not extend its tree of size %d: %w", memberConsistency, a.Size, err)
		}
	}
	return list, nil
}

// history verifies consistency.json.
func (v *verifier) history() error {
	b, err := v.small(memberConsistency)
	if err != nil {
		return err
	}
	list, err := parseHistory(b, v.closing)
	if err != nil {
		return err
	}
	for _, a := range list {
		v.proved[a.Size] = a.Root
	}
	if v.m.Start.Size > 0 && v.proved[v.m.Start.Size] != v.m.Start.Root {
		return fmt.Errorf("%s: no proof from the starting checkpoint", memberConsistency)
	}
	return nil
}

// earlierPacks holds packs.json against the pack.issued records, and asks for a
// proof from where each earlier pack closed.
func (v *verifier) earlierPacks() error {
	var list []Earlier
	if err := v.readMember(memberPacks, &list); err != nil {
		return err
	}
	listed := map[uint64]bool{}
	for i, e := range list {
		if i > 0 && e.Seq <= list[i-1].Seq {
			return fmt.Errorf("%s: record %d is out of order", memberPacks, e.Seq)
		}
		if v.seqs.kind(e.Seq) != evidence.PackIssued {
			return fmt.Errorf("%s: record %d, which sealed an earlier pack, is not in this one", memberPacks, e.Seq)
		}
		f, open := v.sealed[e.Seq]
		if !open {
			return fmt.Errorf("%s: record %d, which sealed an earlier pack, is not disclosed: nothing shows what it says of it", memberPacks, e.Seq)
		}
		if !sameFacts(f, e.Facts) {
			return fmt.Errorf("%s: record %d says otherwise of the earlier pack", memberPacks, e.Seq)
		}
		if err := v.provedFrom(e.Seq, e.Facts); err != nil {
			return err
		}
		listed[e.Seq] = true
	}
	for _, seq := range slices.Sorted(maps.Keys(v.sealed)) {
		f := v.sealed[seq]
		if f.Period.Overlaps(v.m.Period) && !listed[seq] {
			return fmt.Errorf("%s: the earlier pack that record %d sealed is not listed, although its period overlaps", memberPacks, seq)
		}
		if err := v.provedFrom(seq, f); err != nil {
			return err
		}
	}
	return v.numbered()
}

// numbered holds the numbers that packs of one log count themselves by against the
// records that sealed them: none is missing between two that are known, and
// this one is the next. Those before the first are told; retention may have
// dropped them.
func (v *verifier) numbered() error {
	var missing uint64
	known, n := false, uint64(0)
	check := func(what string, number uint64) error {
		n++
		switch {
		case number < n || known && number-n != missing:
			return fmt.Errorf("%s is number %d of its log, the pack holds the records of %d packs up to it: one is missing or numbered falsely", what, number, n)
		case !known:
			known, missing = true, number-n
		}
		return nil
	}
	for seq := range v.seqs.of(evidence.PackIssued) {
		f, open := v.sealed[seq]
		if !open {
			n++ // of a period that concerns nobody here
			continue
		}
		if err := check(fmt.Sprintf("the pack that record %d sealed", seq), f.Number); err != nil {
			return err
		}
	}
	v.rep.Number = v.m.Number
	err := check("this pack", v.m.Number)
	v.rep.Unshown = missing
	return err
}

func (v *verifier) provedFrom(seq uint64, f evidence.PackFacts) error {
	root, ok := v.proved[f.Size]
	if !ok {
		return fmt.Errorf("%s: no proof from size %d, where the pack closed that record %d sealed", memberConsistency, f.Size, seq)
	}
	if root != f.Root {
		return fmt.Errorf("%s: the pack that record %d sealed closed at size %d with another root", memberConsistency, seq, f.Size)
	}
	return nil
}

func sameFacts(a, b evidence.PackFacts) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}
