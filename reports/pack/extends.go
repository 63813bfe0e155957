package pack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Extension says how a pack was found to go on from an earlier one.
type Extension struct {
	Origin string        `json:"origin"`
	Size   uint64        `json:"size"` // at which the earlier pack closed
	Root   evidence.Hash `json:"root"`
	How    string        `json:"how"`    // proof, or the records themselves
	Issued uint64        `json:"issued"` // record that sealed the earlier pack
	// Sealed says that this record stands in the new history, at its place.
	// It does not when the new pack closed before the earlier one was sealed.
	Sealed bool `json:"sealed"`
}

// Extends verifies two packs, and that the log of the newer one is the older
// one's grown: that the tree at which the older pack closed is an ancestor of
// the newer's, and that the record which sealed the older pack stands in it. No
// store is asked. The report is the newer pack's; the options' policy is asked
// of the newer pack alone.
func Extends(newer io.ReaderAt, newerSize int64, older io.ReaderAt, olderSize int64, o Options) (*Report, error) {
	oldOptions := o
	oldOptions.Policy = nil
	old, err := open(older, olderSize, oldOptions)
	if err == nil {
		err = old.verify()
	}
	if err != nil {
		return nil, fmt.Errorf("the earlier pack does not verify: %w", err)
	}
	v, err := open(newer, newerSize, o)
	if err != nil {
		return nil, err
	}
	v.wantRoots[old.closing.Size] = evidence.Hash{}
	v.want[old.index] = evidence.Hash{}
	if err := v.verify(); err != nil {
		return nil, err
	}
	if v.rep.Extends, err = v.extends(old); err != nil {
		return nil, err
	}
	if !v.m.Complete || !old.m.Complete {
		return v.rep, ErrSelection
	}
	return v.rep, nil
}

// ExtendsFile verifies the packs in two files.
func ExtendsFile(newer, older string, o Options) (*Report, error) {
	f, size, err := openFile(newer)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g, oldSize, err := openFile(older)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	return Extends(f, size, g, oldSize, o)
}

func openFile(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// extends compares two verified packs.
func (v *verifier) extends(old *verifier) (*Extension, error) {
	a, b := old.closing, v.closing
	switch {
	case old.m.Tenant != v.m.Tenant:
		return nil, fmt.Errorf("the earlier pack is of %s, this one of %s", old.m.Tenant, v.m.Tenant)
	case a.Origin != b.Origin:
		return nil, v.otherLog(old)
	case v.keys.At(a.Size).Key != old.m.LogKey:
		return nil, fmt.Errorf("the log was signed by another key when the earlier pack was made, and nothing in the log passes it on")
	case a.Size > b.Size:
		return nil, fmt.Errorf("the log became shorter: the earlier pack closed at size %d, this one at %d; its end is lost, or an older copy was brought back", a.Size, b.Size)
	case a.Size == b.Size && a.Root != b.Root:
		return nil, v.fork(old, b.Root)
	}
	e := &Extension{Origin: a.Origin, Size: a.Size, Root: a.Root, Issued: old.index}
	// The new pack's own leaves go first: they are the records, a proof only
	// speaks of them.
	if root := v.wantRoots[a.Size]; !root.IsZero() {
		if root != a.Root {
			return nil, v.fork(old, root)
		}
		e.How = "the records themselves"
	} else if root, ok := v.proved[a.Size]; ok {
		if root != a.Root {
			return nil, v.fork(old, root)
		}
		e.How = "consistency proof"
	} else {
		return nil, fmt.Errorf("nothing in the pack shows that its log extends the earlier pack's: there is no consistency proof from size %d", a.Size)
	}
	if err := v.rulesGoOn(old.catalog.seq); err != nil {
		return nil, err
	}
	if old.index >= b.Size {
		return e, nil
	}
	switch leaf := v.want[old.index]; {
	case leaf.IsZero():
		return nil, fmt.Errorf("nothing in the pack shows record %d, which sealed the earlier pack", old.index)
	case leaf != old.indexLeaf:
		return nil, fmt.Errorf("two histories: record %d, which sealed the earlier pack, is another one here; the log was taken back behind it", old.index)
	}
	e.Sealed = true
	return e, nil
}

// otherLog says what the new log's genesis says of the old one. A log that
// names a predecessor does so by its own word: the two have no tree in common.
func (v *verifier) otherLog(old *verifier) error {
	why := "and does not name it as its predecessor"
	if p := v.genesis.Predecessor; p != nil && p.Origin == old.closing.Origin {
		why = fmt.Sprintf("which it names as its predecessor, ended at size %d; that is its own word", p.Size)
		if p.Size < old.closing.Size {
			why += fmt.Sprintf(", and records up to size %d that the earlier pack shows are lost", old.closing.Size)
		}
	}
	return fmt.Errorf("another log: this pack is of log %s, the earlier one of %s, %s", v.closing.Origin, old.closing.Origin, why)
}

// fork says that two trees of one size were signed, and which record differs
// first where both packs hold the leaves.
func (v *verifier) fork(old *verifier, root evidence.Hash) error {
	why := ""
	seq, found, err := firstDifference(v, old)
	if err != nil {
		return err
	}
	if found {
		why = fmt.Sprintf("; record %d is the first that differs", seq)
	}
	return fmt.Errorf("two histories: at size %d the earlier pack's log has root %s, this one's %s%s", old.closing.Size, old.closing.Root, root, why)
}

// firstDifference finds the first record of both ranges that is not the same.
func firstDifference(v, old *verifier) (uint64, bool, error) {
	a, err := v.leafReader()
	if err != nil {
		return 0, false, err
	}
	b, err := old.leafReader()
	if err != nil {
		return 0, false, err
	}
	from, to := max(v.m.Start.Size, old.m.Start.Size), min(v.closing.Size, old.closing.Size)
	for seq := from; seq < to; seq++ {
		x, err := a.at(seq)
		if err != nil {
			return 0, false, err
		}
		y, err := b.at(seq)
		if err != nil {
			return 0, false, err
		}
		if !bytes.Equal(x, y) {
			return seq, true, nil
		}
	}
	return 0, false, nil
}

// leafReader walks leaves.jsonl by seq.
type leafReader struct {
	sc   *bufio.Scanner
	next uint64
}

func (v *verifier) leafReader() (*leafReader, error) {
	r, err := v.c.open(memberLeaves)
	if err != nil {
		return nil, err
	}
	l := &leafReader{sc: bufio.NewScanner(r), next: v.m.Start.Size}
	l.sc.Buffer(make([]byte, 64<<10), chain.MaxLeaf+1)
	l.sc.Split(wholeLines)
	return l, nil
}

// at returns the leaf with the seq, which must not be before the last one. The
// bytes are good until the next call.
func (l *leafReader) at(seq uint64) ([]byte, error) {
	for l.sc.Scan() {
		l.next++
		if l.next > seq {
			return l.sc.Bytes(), nil
		}
	}
	if err := l.sc.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("leaves.jsonl ends before its time")
}
