package pack

import (
	"cmp"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// statementEnd is the end of a waiver or scope statement before its time.
type statementEnd struct {
	seq uint64
	at  time.Time
}

// readStatement decodes what a waiver or scope statement says into facts, and
// returns what it is about. An end says nothing more: it is kept, and said is
// false.
func (l *learned) readStatement(lf *chain.Leaf, plain []byte, facts any) (c content, said bool, err error) {
	if c, err = openContent(plain); err != nil {
		return c, false, err
	}
	if lf.Op == evidence.OpEnd {
		l.ends[c.Subject] = append(upTo(l.ends[c.Subject], lf.Recorded), statementEnd{lf.Seq, lf.Recorded})
		return c, false, nil
	}
	if err := c.read(facts); err != nil {
		return c, false, err
	}
	return c, true, nil
}

// upTo leaves away the ends that are not before an instant: of a later record
// that ends the same at that instant, they say nothing more. So the ends of a
// subject are in order of their records, and of time.
func upTo(ends []statementEnd, at time.Time) []statementEnd {
	for len(ends) > 0 && !ends[len(ends)-1].at.Before(at) {
		ends = ends[:len(ends)-1]
	}
	return ends
}

// endedAt returns when the statement of a record was ended before its time; early
// is false when it was not.
func (l *learned) endedAt(subject evidence.Ref, seq uint64) (at time.Time, early bool) {
	ends := l.ends[subject]
	i, _ := slices.BinarySearchFunc(ends, seq+1, func(e statementEnd, seq uint64) int { return cmp.Compare(e.seq, seq) })
	if i == len(ends) {
		return at, false
	}
	return ends[i].at, true
}
