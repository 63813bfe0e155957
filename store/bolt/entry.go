package bolt

import (
	"encoding/binary"

	"evidenced/evidence/problem"
	"evidenced/store"
)

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 8), seq) }

func tileKey(level int, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(level)}, index)
}

func entrySize(e store.Entry) int {
	n := 4 + len(e.Leaf)
	for _, c := range e.Claims {
		n += 4 + len(c)
	}
	return n
}

func encodeEntry(b []byte, e store.Entry) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Leaf)))
	b = append(b, e.Leaf...)
	for _, c := range e.Claims {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c)))
		b = append(b, c...)
	}
	return b
}

// decodeEntry cuts a value into its parts; claims is where their list goes.
func decodeEntry(seq uint64, v []byte, claims [][]byte) (store.Entry, error) {
	e := store.Entry{Seq: seq, Claims: claims}
	for i := 0; len(v) > 0; i++ {
		if len(v) < 4 || uint64(binary.BigEndian.Uint32(v)) > uint64(len(v)-4) {
			return e, problem.New(problem.Corrupt, "record %d: stored bytes are damaged", seq)
		}
		n := int(binary.BigEndian.Uint32(v))
		part := v[4 : 4+n : 4+n]
		v = v[4+n:]
		if i == 0 {
			e.Leaf = part
			continue
		}
		e.Claims = append(e.Claims, part)
	}
	if e.Leaf == nil {
		return e, problem.New(problem.Corrupt, "record %d: no leaf", seq)
	}
	return e, nil
}
