package pack

import (
	"cmp"
	"slices"

	"evidenced/evidence"
)

// Differs is a finding that says less than the log recorded of it: by the newest
// verdict there, records of what is judged failed that the pack does not count
// as failed. What healed since differs too; what was hidden does.
type Differs struct {
	Control evidence.ControlID `json:"control"`
	Test    string             `json:"test"`
	Record  uint64             `json:"record"` // the verdict that the log recorded
	Failed  []uint64           `json:"failed"` // records that failed by it
}

// differing lists the findings that say less than the log recorded by the same
// rule. A verdict of before the range may have been followed by others that the
// pack does not hold.
func (v *verifier) differing(fs []Finding) []Differs {
	recorded := map[pair]verdict{}
	for _, x := range v.plans.verdicts {
		if x.seq >= v.start {
			recorded[pair{x.Control, x.Test}] = x
		}
	}
	var out []Differs
	for i := range fs {
		f := &fs[i]
		x, ok := recorded[f.pair()]
		if !ok || x.Rule != f.RuleHash {
			continue
		}
		told := map[uint64]bool{}
		for _, it := range f.Failed {
			told[it.Seq] = true
		}
		d := Differs{Control: f.Control, Test: f.Test, Record: x.seq}
		for _, seq := range x.Failed {
			if at := v.occurred[seq]; v.inRange(seq) && !told[seq] && f.Period.Contains(at) {
				d.Failed = append(d.Failed, seq)
			}
		}
		if len(d.Failed) > 0 {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Differs) int { return cmp.Or(cmp.Compare(a.Control, b.Control), cmp.Compare(a.Test, b.Test)) })
	return out
}

// inRange reports whether a record is one of the range.
func (v *verifier) inRange(seq uint64) bool { return seq >= v.m.Start.Size && seq < v.m.Closing.Size }
