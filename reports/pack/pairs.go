package pack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"evidenced/evidence"
)

// Judged is an entry of judged.json: a test, and the controls that it was
// judged for. Without it a maker could leave out what a test says of one
// control as long as another control keeps that test.
type Judged struct {
	Test     string               `json:"test"`
	Controls []evidence.ControlID `json:"controls"` // sorted, none twice, at least one
}

// pair is a control and a test that answers it: what one finding is of.
type pair struct {
	control evidence.ControlID
	test    string
}

func (p pair) String() string { return string(p.control) + "/" + p.test }

// pairsOf returns the pairs of judged.json in its order, and refuses a list that
// is not written in its one form.
func pairsOf(list []Judged) ([]pair, error) {
	var ps []pair
	for i, j := range list {
		if i > 0 {
			if err := ascending("test", list[i-1].Test, j.Test); err != nil {
				return nil, err
			}
		}
		if j.Test == "" || len(j.Controls) == 0 {
			return nil, fmt.Errorf("member %s: test %q for %d controls; each has a name and at least one", memberJudged, j.Test, len(j.Controls))
		}
		for k, id := range j.Controls {
			if id == "" {
				return nil, fmt.Errorf("member %s: test %s: a control without a name", memberJudged, j.Test)
			}
			if k > 0 {
				if err := ascending("test "+j.Test+": control", string(j.Controls[k-1]), string(id)); err != nil {
					return nil, err
				}
			}
			ps = append(ps, pair{id, j.Test})
		}
	}
	return ps, nil
}

// ascending requires that of two neighbours in a list the second is the larger.
func ascending(what, before, id string) error {
	switch cmp.Compare(before, id) {
	case 0:
		return fmt.Errorf("member %s: %s %s stands there twice", memberJudged, what, id)
	case 1:
		return fmt.Errorf("member %s: %s %s stands after %s; they must be sorted", memberJudged, what, id, before)
	}
	return nil
}

// onePerPair requires exactly one finding of every pair, and none beside, so that
// no verdict can be left away. Writer and verifier ask the same.
func onePerPair(pairs []pair, fs []Finding) error {
	found := make(map[pair]bool, len(pairs))
	for _, p := range pairs {
		found[p] = false
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
	for _, p := range pairs {
		if !found[p] {
			return fmt.Errorf("there is no finding %s, although %s names that control and test as judged", p, memberJudged)
		}
	}
	return nil
}

// sameTests requires that the tests of the pairs are those of the rules.
func sameTests(rules map[string]rule, list []Judged) error {
	named := map[string]bool{}
	for _, j := range list {
		if _, ok := rules[j.Test]; !ok {
			return fmt.Errorf("member %s names test %s, which does not stand among the rules", memberJudged, j.Test)
		}
		named[j.Test] = true
	}
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		if !named[id] {
			return fmt.Errorf("member %s does not say for which controls test %s was judged, although it stands among the rules", memberJudged, id)
		}
	}
	return nil
}

// everyPair holds judged.json against the rules and the findings, and counts.
func (v *verifier) everyPair(rules map[string]rule, fs []Finding) error {
	b, err := v.small(memberJudged)
	if err != nil {
		return err
	}
	var list []Judged
	if err := strict(memberJudged, b, &list); err != nil {
		return err
	}
	pairs, err := pairsOf(list)
	if err != nil {
		return err
	}
	if err := sameTests(rules, list); err != nil {
		return err
	}
	controls := map[evidence.ControlID]bool{}
	for _, p := range pairs {
		controls[p.control] = true
	}
	v.rep.Judged = JudgedCount{Controls: len(controls), Tests: len(list), Pairs: len(pairs)}
	return onePerPair(pairs, fs)
}

// JudgedCount says how much was judged: a control without tests is not counted.
type JudgedCount struct {
	Controls int `json:"controls"`
	Tests    int `json:"tests"`
	Pairs    int `json:"pairs"` // of a control and a test, a finding each
}

// writeJudged stages the pairs that were judged, and refuses findings that a
// verifier would not take for theirs.
func (w *writer) writeJudged() error {
	pairs, err := pairsOf(w.in.Judged)
	if err != nil {
		return err
	}
	if err := onePerPair(pairs, w.in.Findings); err != nil {
		return err
	}
	if w.in.Judged == nil {
		w.in.Judged = []Judged{}
	}
	return w.json(memberJudged, w.in.Judged)
}
