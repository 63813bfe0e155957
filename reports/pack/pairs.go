package pack

import (
	"fmt"
	"slices"

	"evidenced/evidence"
)

// Judged is an entry of judged.json: a test, the controls that it was judged
// for, and those for which it was not.
type Judged struct {
	Test     string               `json:"test"`
	Controls []evidence.ControlID `json:"controls"`           // sorted
	LeftOut  []LeftOut            `json:"left_out,omitempty"` // sorted by control
}

// LeftOut is a control that does not apply, and why: see [evidence.OutByTier]
// and its neighbours.
type LeftOut struct {
	Control evidence.ControlID `json:"control"`
	Why     string             `json:"why"`
}

// pair is a control and a test that answers it: what one finding is of.
type pair struct {
	control evidence.ControlID
	test    string
}

func (p pair) String() string { return string(p.control) + "/" + p.test }

// onePerPair requires exactly one finding of every pair that was judged, and none
// beside, so that no verdict can be left away. Writer and verifier ask the same.
func onePerPair(list []Judged, fs []Finding) error {
	found := map[pair]bool{}
	for _, j := range list {
		for _, id := range j.Controls {
			found[pair{id, j.Test}] = false
		}
	}
	for i := range fs {
		p := fs[i].pair()
		twice, listed := found[p]
		if !listed {
			return fmt.Errorf("finding %s is of a control and a test that %s does not name as judged", p, memberJudged)
		}
		if twice {
			return fmt.Errorf("there are two findings %s", p)
		}
		found[p] = true
	}
	for _, j := range list {
		for _, id := range j.Controls {
			if p := (pair{id, j.Test}); !found[p] {
				return fmt.Errorf("there is no finding %s, although %s names that control and test as judged", p, memberJudged)
			}
		}
	}
	return nil
}

// everyPair holds judged.json against the catalog in force and the findings, and
// counts.
func (v *verifier) everyPair(fs []Finding) error {
	var list []Judged
	if err := v.readMember(memberJudged, &list); err != nil {
		return err
	}
	if err := v.catalog.same(list); err != nil {
		return err
	}
	controls := map[evidence.ControlID]bool{}
	n := &v.rep.Judged
	for _, j := range list {
		for _, id := range j.Controls {
			controls[id] = true
		}
		if n.Pairs += len(j.Controls); len(j.Controls) > 0 {
			n.Tests++
		}
		n.LeftOut += len(j.LeftOut)
	}
	n.Controls = len(controls)
	return onePerPair(list, fs)
}

// same requires that a list says of every pair of the catalog in force what
// follows from it, and of no other.
func (r *ruling) same(list []Judged) error {
	said := map[pair]string{}
	say := func(p pair, out string) error {
		want, ok := r.pairs[p]
		_, twice := said[p]
		switch {
		case !ok:
			return fmt.Errorf("%s names %s, which the catalog of record %d does not have", memberJudged, p, r.seq)
		case twice:
			return fmt.Errorf("%s names %s twice", memberJudged, p)
		case out != want.out && want.out == "":
			return fmt.Errorf("%s leaves %s out (%q), but it applies by the catalog of record %d and what the tenant is", memberJudged, p, out, r.seq)
		case out != want.out:
			return fmt.Errorf("%s says of %s %q, but by the catalog of record %d it is left out: %s", memberJudged, p, out, r.seq, want.out)
		}
		said[p] = out
		return nil
	}
	for _, j := range list {
		for _, id := range j.Controls {
			if err := say(pair{id, j.Test}, ""); err != nil {
				return err
			}
		}
		for _, x := range j.LeftOut {
			if err := say(pair{x.Control, j.Test}, x.Why); err != nil {
				return err
			}
		}
	}
	for _, j := range r.judged {
		for _, p := range j.pairs() {
			if _, ok := said[p]; !ok {
				return fmt.Errorf("%s does not name %s, which the catalog of record %d has", memberJudged, p, r.seq)
			}
		}
	}
	if !slices.EqualFunc(list, r.judged, sameJudged) {
		return fmt.Errorf("%s is not in its one form: sorted by test and control, no test without a control", memberJudged)
	}
	return nil
}

func sameJudged(a, b Judged) bool {
	return a.Test == b.Test && slices.Equal(a.Controls, b.Controls) && slices.Equal(a.LeftOut, b.LeftOut)
}

// pairs are all of an entry, those that were left out too.
func (j *Judged) pairs() []pair {
	var ps []pair
	for _, id := range j.Controls {
		ps = append(ps, pair{id, j.Test})
	}
	for _, x := range j.LeftOut {
		ps = append(ps, pair{x.Control, j.Test})
	}
	return ps
}

// JudgedCount says how much of the catalog in force was judged: a control
// without tests is not counted.
type JudgedCount struct {
	Controls int `json:"controls"`
	Tests    int `json:"tests"`
	Pairs    int `json:"pairs"`    // of a control and a test, a finding each
	LeftOut  int `json:"left_out"` // pairs that do not apply to the tenant
}
