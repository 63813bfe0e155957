package store

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What a log must agree with: sizes at which somebody knows the root of its tree.

// mark is a size at which the tree must have a known root.
type mark struct {
	size     uint64
	root     evidence.Hash
	about    int
	what     string    // for the failure
	anchor   *Anchored // of an anchor
	note     bool      // of a stored checkpoint
	recorded time.Time // of an anchor's last record, once passed
	// unchecked says that the stored checkpoint may be signed by an earlier key.
	unchecked bool
}

// open makes anchors of kept checkpoints. One that the log's key did not sign is
// no anchor but a failure: whoever kept it was deceived, then or now.
func (v *verifier) open(kept []Kept) []Anchored {
	var out []Anchored
	for _, k := range kept {
		c, err := v.l.heldKeys().Open(k.Signed)
		switch {
		case err != nil:
			v.r.fail(ofSignatures, "%s: %v", k.Name, err)
		case c.Origin != v.l.origin:
			v.r.fail(ofCompleteness, "%s is of another log, %s", k.Name, c.Origin)
		default:
			out = append(out, Anchored{Rung: 1, Name: k.Name, Size: c.Size, Root: c.Root})
		}
	}
	return out
}

// expect takes a mark in; one beyond the end fails at once.
func (v *verifier) expect(m mark) {
	switch {
	case m.size <= v.head.Size:
		v.marks = append(v.marks, m)
	case m.anchor != nil:
		v.r.fail(ofCompleteness, "anchored tail lost: %s holds size %d of this log, %d records are here", m.what, m.size, v.head.Size)
	default:
		v.r.fail(m.about, "%s knows size %d of this log, %d records are here: the end is lost", m.what, m.size, v.head.Size)
	}
}

// rootIs compares the root at a size by the stored tree.
func (v *verifier) rootIs(size uint64, want evidence.Hash, about int, what string) bool {
	got, err := chain.Root(size, v.tree)
	if err != nil {
		v.r.fail(ofIntegrity, "the tree at size %d cannot be read: %v", size, err)
		return false
	}
	if got != want {
		v.mismatch(mark{size: size, root: want, about: about, what: what}, got)
	}
	return got == want
}

func (v *verifier) mismatch(m mark, got evidence.Hash) {
	if m.about == ofCompleteness {
		v.r.fail(m.about, "another tree: %s holds root %s at size %d, here it is %s", m.what, m.root, m.size, got)
		return
	}
	v.r.fail(m.about, "the records up to %d are not those that %s knows: root %s at size %d, here it is %s", m.size-1, m.what, m.root, m.size, got)
}

// passed takes note of an anchor that fits.
func (v *verifier) passed(m mark) {
	if m.anchor == nil {
		return
	}
	if m.size > v.first {
		m.recorded = v.l.recordedAt(m.size - 1)
	}
	v.fit = append(v.fit, m)
}

// recordedAt is the record time of a record; zero when it cannot be read.
func (l *Log) recordedAt(seq uint64) time.Time {
	e, err := l.file.Entry(seq)
	if err != nil {
		return time.Time{}
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return time.Time{}
	}
	return lf.Recorded
}

// notesBefore checks the stored checkpoints of at most the size against the
// stored tree. An earlier verification has checked those it covered.
func (v *verifier) notesBefore(size uint64) error {
	if v.r.Since != nil && size == v.r.Since.Size || size == 0 {
		return nil
	}
	notes, err := readNotes(v.l, 0, size, v.ownFrom)
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	for _, n := range notes {
		switch {
		case n.bad != "":
			v.r.fail(ofSignatures, "%s", n.bad)
		case v.rootIs(n.size, n.root, ofIntegrity, fmt.Sprintf("the checkpoint of size %d", n.size)):
			v.counted(n.unchecked)
		}
	}
	return nil
}

// counted counts a stored checkpoint whose root fits.
func (v *verifier) counted(unchecked bool) {
	if unchecked {
		v.r.Unchecked++
		return
	}
	v.r.Checkpoints++
}

// marksIn returns the marks and checkpoints that end in the range, by size.
func (v *verifier) marksIn(s *span) []mark {
	n := 0
	for n < len(v.marks) && v.marks[n].size <= s.to {
		n++
	}
	in := slices.Clone(v.marks[:n])
	v.marks = v.marks[n:]
	for _, n := range s.notes {
		if n.bad != "" {
			v.r.fail(ofSignatures, "%s", n.bad)
			continue
		}
		in = append(in, mark{size: n.size, root: n.root, about: ofIntegrity, what: fmt.Sprintf("the checkpoint of size %d", n.size), note: true, unchecked: n.unchecked})
	}
	slices.SortStableFunc(in, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	return in
}
