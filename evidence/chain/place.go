package chain

import (
	"encoding/hex"
	"strconv"
	"time"

	"evidenced/evidence"
)

// Unplaced is a leaf without its place in a log: all of its bytes but seq,
// prev and recorded. Leaves are made ready in parallel and placed one after
// the other, because each needs the hash of the one before it.
type Unplaced struct {
	origin string
	middle []byte // from id to the observed time's closing quote
	end    []byte // from people on
}

// Unplaced makes the leaf ready. Seq, Prev and Recorded are ignored; every
// other field is checked as Encode checks it. The result stands in buf, or in
// new memory where that is too small; Buffer gives it back.
func (l *Leaf) Unplaced(buf []byte) (Unplaced, error) {
	c := *l
	c.Seq, c.Recorded = 0, c.Observed.Truncate(time.Microsecond)
	if err := c.check(); err != nil {
		return Unplaced{}, err
	}
	b := c.appendMiddle(buf[:0])
	cut := len(b)
	b = c.appendEnd(b)
	return Unplaced{l.Origin, b[:cut], b[cut:]}, nil
}

// Buffer returns the memory the leaf stands in, which may be used again once it
// was placed.
func (u Unplaced) Buffer() []byte { return u.middle[:0] }

// PlacedSize is the most bytes that Place appends.
func (u Unplaced) PlacedSize() int { return len(u.origin) + len(u.middle) + len(u.end) + 192 }

// Place appends the whole leaf to b: the bytes that Encode gives. Recorded is
// in whole microseconds. The leaf's length is for the caller to hold against
// MaxLeaf.
func (u Unplaced) Place(b []byte, seq uint64, prev evidence.Hash, recorded time.Time) []byte {
	b = appendBegin(b, u.origin, seq, prev)
	b = append(b, u.middle...)
	b = append(b, `,"recorded":"`...)
	b = recorded.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	return append(b, u.end...)
}

func appendBegin(b []byte, origin string, seq uint64, prev evidence.Hash) []byte {
	b = append(b, `{"v":1,"origin":"`...)
	b = append(b, origin...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"prev":"`...)
	b = hex.AppendEncode(b, prev[:])
	return append(b, '"')
}
