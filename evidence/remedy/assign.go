package remedy

import (
	"slices"

	"evidenced/evidence"
)

// Covering is a plan as far as it is said what it is for.
type Covering struct {
	Seq uint64 // of its newest record
	For []evidence.RemedyFor
}

// Share is what of a finding a plan answers for.
type Share struct {
	Plan    int // its place in the list
	Records []uint64
}

// Assign says which plan answers for which of the items that failed a test: of
// several the newest. Without items the finding itself is looked for, which
// found nothing or nothing new enough. Plans come in the order of the list, and
// those that answer for nothing are left out.
func Assign(plans []Covering, test string, failed []uint64) []Share {
	shares := make([]Share, len(plans))
	took := make([]bool, len(plans))
	newest := func(has func(*evidence.RemedyFor) bool) int {
		best := -1
		for i, p := range plans {
			if (best < 0 || p.Seq > plans[best].Seq) && slices.ContainsFunc(p.For, func(x evidence.RemedyFor) bool { return x.Test == test && has(&x) }) {
				best = i
			}
		}
		return best
	}
	if len(failed) == 0 {
		if i := newest(func(x *evidence.RemedyFor) bool { return len(x.Records) == 0 }); i >= 0 {
			took[i] = true
		}
	}
	for _, seq := range failed {
		if i := newest(func(x *evidence.RemedyFor) bool { _, ok := slices.BinarySearch(x.Records, seq); return ok }); i >= 0 {
			took[i] = true
			shares[i].Records = append(shares[i].Records, seq)
		}
	}
	var out []Share
	for i, s := range shares {
		if took[i] {
			s.Plan = i
			out = append(out, s)
		}
	}
	return out
}
