package mappings

import "encoding/binary"

// seqList is a list of sequence numbers, mostly ascending, in one or two bytes
// each: some are kept for every test of every tenant.
type seqList struct {
	n    int
	last uint64
	rest []byte // differences, each to the one before
}

func (l *seqList) add(seq uint64) {
	l.rest = binary.AppendVarint(l.rest, int64(seq-l.last))
	l.last = seq
	l.n++
}

// all returns the numbers in the order they were added in; nil when there are
// none.
func (l *seqList) all() []uint64 {
	if l.n == 0 {
		return nil
	}
	seqs := make([]uint64, 0, l.n)
	seq := uint64(0)
	for rest := l.rest; len(rest) > 0; {
		d, size := binary.Varint(rest)
		seq += uint64(d)
		seqs = append(seqs, seq)
		rest = rest[size:]
	}
	return seqs
}
