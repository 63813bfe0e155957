package pack

import (
	"encoding/json"
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
func (l *learned) readStatement(lf *chain.Leaf, plain []byte, facts any) (subject evidence.Ref, said bool, err error) {
	c, err := openContent(plain)
	if err != nil {
		return evidence.Ref{}, false, err
	}
	if lf.Op == evidence.OpEnd {
		l.ends[c.Subject] = append(l.ends[c.Subject], statementEnd{lf.Seq, lf.Recorded})
		return c.Subject, false, nil
	}
	if err := json.Unmarshal(c.Facts, facts); err != nil {
		return evidence.Ref{}, false, err
	}
	return c.Subject, true, nil
}

// endedAt returns when the statement of a record was ended before its time; early
// is false when it was not.
func (l *learned) endedAt(subject evidence.Ref, seq uint64) (at time.Time, early bool) {
	for _, e := range l.ends[subject] {
		if e.seq > seq && (!early || e.at.Before(at)) {
			at, early = e.at, true
		}
	}
	return at, early
}
