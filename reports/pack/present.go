package pack

import (
	"fmt"
	"iter"
	"slices"

	"evidenced/evidence"
)

// present says which records a pack holds, of which kind, and whether their content
// is open, in a few bytes each: a pack may hold millions.
type present struct {
	first   uint64   // of the range
	marks   []uint16 // of the range, in order
	before  []uint64 // records before the range, ascending
	marked  []uint16 // of these
	kinds   []evidence.Kind
	numbers map[evidence.Kind]uint16 // in kinds
}

const (
	mostKinds = 4096    // a register each
	shutMark  = 1 << 15 // beside the number of the kind
)

func newPresent(first uint64) present {
	return present{first: first, numbers: map[evidence.Kind]uint16{}}
}

// add notes a record: those before the range in order, those of the range too.
func (p *present) add(seq uint64, kind evidence.Kind) error {
	n, known := p.numbers[kind]
	if !known {
		if len(p.kinds) == mostKinds {
			return fmt.Errorf("record %d is of one more kind than the %d that a pack may hold", seq, mostKinds)
		}
		n = uint16(len(p.kinds))
		p.kinds, p.numbers[kind] = append(p.kinds, kind), n
	}
	if seq < p.first {
		p.before, p.marked = append(p.before, seq), append(p.marked, n)
	} else {
		p.marks = append(p.marks, n)
	}
	return nil
}

// mark finds what is noted of a record; nil when the pack does not hold it.
func (p *present) mark(seq uint64) *uint16 {
	if seq >= p.first {
		if i := seq - p.first; i < uint64(len(p.marks)) {
			return &p.marks[i]
		}
		return nil
	}
	if i, there := slices.BinarySearch(p.before, seq); there {
		return &p.marked[i]
	}
	return nil
}

// kind returns the kind of a record, "" when the pack does not hold it.
func (p *present) kind(seq uint64) evidence.Kind {
	if m := p.mark(seq); m != nil {
		return p.kinds[*m&^shutMark]
	}
	return ""
}

// shut notes that the content of a record is not disclosed.
func (p *present) shut(seq uint64) {
	if m := p.mark(seq); m != nil {
		*m |= shutMark
	}
}

func (p *present) isShut(seq uint64) bool {
	m := p.mark(seq)
	return m != nil && *m&shutMark != 0
}

// of yields the records of a kind, in order.
func (p *present) of(kind evidence.Kind) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		n, known := p.numbers[kind]
		if !known {
			return
		}
		for i, m := range p.marked {
			if m&^shutMark == n && !yield(p.before[i]) {
				return
			}
		}
		for i, m := range p.marks {
			if m&^shutMark == n && !yield(p.first+uint64(i)) {
				return
			}
		}
	}
}
