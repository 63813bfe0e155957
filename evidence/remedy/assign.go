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

// Shares says which of several plans answers for what: the one with the newest
// record.
type Shares struct {
	seqs []uint64
	by   map[item]int
}

// NewShares indexes plans, so that asking costs no more than what is asked for.
func NewShares(plans []Covering) *Shares {
	s := &Shares{by: map[item]int{}}
	for i, p := range plans {
		s.seqs = append(s.seqs, p.Seq)
		for _, it := range itemsOf(p.For) {
			if j, taken := s.by[it]; !taken || s.seqs[j] < p.Seq {
				s.by[it] = i
			}
		}
	}
	return s
}

// itemsOf lists what a plan is for.
func itemsOf(list []evidence.RemedyFor) []item {
	var out []item
	for _, f := range list {
		if len(f.Records) == 0 {
			out = append(out, item{test: f.Test, whole: true})
		}
		for _, seq := range f.Records {
			out = append(out, item{test: f.Test, seq: seq})
		}
	}
	return out
}

// Of says which plans answer for the items that failed a test, in the order of
// the list. Without items the finding itself is looked for, which found nothing
// or nothing new enough.
func (s *Shares) Of(test string, failed []uint64) []Share {
	records := map[int][]uint64{}
	if i, ok := s.by[item{test: test, whole: true}]; ok && len(failed) == 0 {
		records[i] = nil
	}
	for _, seq := range failed {
		if i, ok := s.by[item{test: test, seq: seq}]; ok {
			records[i] = append(records[i], seq)
		}
	}
	var out []Share
	for i, seqs := range records {
		out = append(out, Share{i, seqs})
	}
	slices.SortFunc(out, func(a, b Share) int { return a.Plan - b.Plan })
	return out
}
