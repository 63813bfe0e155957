package pack

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Waived says what of a finding's failures people accepted for a while, by
// waivers that were in force at the end of what was judged. The finding's status
// is what it is without them.
type Waived struct {
	Whole   bool      `json:"all"`   // nothing that failed is left
	Items   int       `json:"items"` // records that failed and are accepted
	Of      int       `json:"of"`    // records that failed; 0 of a gap
	Until   time.Time `json:"until,omitzero"`
	Waivers []uint64  `json:"waivers"` // their records
}

// waiver is a waiver.* record whose content the pack discloses.
type waiver struct {
	Controls    []evidence.ControlID  `json:"controls"` // sorted
	Tests       []evidence.WaivedTest `json:"tests"`    // sorted
	Records     []uint64              `json:"records"`  // sorted
	Subjects    []evidence.Ref        `json:"subjects"` // as it is read; only whether there are some is kept
	From        time.Time             `json:"from"`
	Until       time.Time             `json:"until"`
	Approval    approval              `json:"approval"`
	forSubjects bool
	subject     evidence.Ref
	people      []evidence.Party
	recorded    time.Time
}

// readWaiver keeps what a waiver says.
func (l *learned) readWaiver(lf *chain.Leaf, plain []byte) (weight int, err error) {
	w := waiver{people: lf.People, recorded: lf.Recorded}
	c, said, err := l.readStatement(lf, plain, &w)
	if err != nil || !said {
		return c.weight, err
	}
	w.subject, w.forSubjects, w.Subjects = c.Subject, len(w.Subjects) > 0, nil
	slices.Sort(w.Controls)
	slices.Sort(w.Records)
	slices.SortFunc(w.Tests, compareTests)
	w.Tests = slices.Clone(slices.Compact(w.Tests)) // what stood there twice takes no memory
	l.waivers[lf.Seq] = w
	return c.weight + weightEach*len(w.people), nil
}

func compareTests(a, b evidence.WaivedTest) int {
	return cmp.Or(cmp.Compare(a.Test, b.Test), bytes.Compare(a.Rule[:], b.Rule[:]))
}

// waived holds what a finding says of waivers against their records: that they
// name it and its rule, were approved by another person, were recorded before
// the end of what is judged, and were in force then. Who did what failed, and
// the ends of waivers before the range, are the maker's word.
func (v *verifier) waived(f *Finding) error {
	w := f.Waived
	if w == nil {
		return nil
	}
	name := f.name()
	if f.Status != evidence.NotSatisfied && f.Status != evidence.Gap {
		return fmt.Errorf("finding %s: waived, although its status is %s", name, f.Status)
	}
	failed := map[uint64]bool{}
	for _, it := range f.Failed {
		failed[it.Seq] = true
	}
	if w.Of != len(failed) || w.Items < 0 || w.Items > w.Of || len(w.Waivers) == 0 || w.Of > 0 && w.Items == 0 {
		return fmt.Errorf("finding %s: %d of %d failures waived by %d waivers, %d failed", name, w.Items, w.Of, len(w.Waivers), len(failed))
	}
	if w.Whole != (w.Items == w.Of) {
		return fmt.Errorf("finding %s: %d of %d failures waived is not what it says", name, w.Items, w.Of)
	}
	end := v.judgedTo()
	rest := maps.Clone(failed) // what no waiver was found for so far
	named := map[uint64]bool{} // a list that repeats itself could go on for hours
	for _, seq := range w.Waivers {
		if named[seq] {
			return fmt.Errorf("finding %s: it names the waiver of record %d twice", name, seq)
		}
		named[seq] = true
		x, err := v.waiver(name, seq, end)
		if err != nil {
			return err
		}
		_, control := slices.BinarySearch(x.Controls, f.Control)
		_, test := slices.BinarySearchFunc(x.Tests, evidence.WaivedTest{Test: f.Test, Rule: f.RuleHash}, compareTests)
		if !control || !test {
			return fmt.Errorf("finding %s: the waiver of record %d is not about it, or about another rule", name, seq)
		}
		if f.Status == evidence.Gap && (len(x.Records) > 0 || x.forSubjects) {
			return fmt.Errorf("finding %s: the waiver of record %d accepts single failures, and nothing was found at all", name, seq)
		}
		x.takeFrom(rest)
	}
	if most := len(failed) - len(rest); w.Items > most {
		return fmt.Errorf("finding %s: %d failures waived, its waivers name %d", name, w.Items, most)
	}
	if v.rep.Waived == nil {
		v.rep.Waived = &WaivedCount{}
	}
	if w.Whole {
		v.rep.Waived.Whole++
	} else {
		v.rep.Waived.Partly++
	}
	if v.counts == nil {
		v.counts = map[uint64]bool{}
	}
	for _, seq := range w.Waivers {
		if !v.counts[seq] {
			v.counts[seq] = true
			v.rep.Waived.Waivers = append(v.rep.Waived.Waivers, seq)
		}
	}
	return nil
}

// takeFrom takes what a waiver accepts out of what failed. It costs no more than
// the shorter of the two.
func (x *waiver) takeFrom(failed map[uint64]bool) {
	if len(x.Records) == 0 || x.forSubjects {
		clear(failed)
	}
	if len(x.Records) < len(failed) {
		for _, n := range x.Records {
			delete(failed, n)
		}
		return
	}
	for n := range failed {
		if _, named := slices.BinarySearch(x.Records, n); named {
			delete(failed, n)
		}
	}
}

// approved reports whether two different parties, each proven, made and approved
// what a record of theirs states. Two accounts of one person are one party.
func (v *verifier) approved(people []evidence.Party, a approval) bool {
	party := func(i int) (evidence.Party, bool) {
		if i < 0 || i >= len(people) {
			return evidence.Party{}, false
		}
		p := people[i]
		return p, p.Proof == evidence.ProofSigned || p.Proof == evidence.ProofAuthenticated
	}
	maker, known := party(a.Maker)
	approver, proven := party(a.Approver)
	return known && proven && !v.onePerson(maker.Token, approver.Token, v.judgedTo())
}

// waiver returns a waiver that counted at an instant.
func (v *verifier) waiver(name string, seq uint64, at time.Time) (waiver, error) {
	x, ok := v.waivers[seq]
	if !ok {
		return x, fmt.Errorf("finding %s: record %d is no waiver whose content is in the pack", name, seq)
	}
	if !v.approved(x.people, x.Approval) {
		return x, fmt.Errorf("finding %s: nobody but its maker approved the waiver of record %d", name, seq)
	}
	ended, early := v.endedAt(x.subject, seq)
	if x.recorded.After(at) || x.From.After(at) || !x.Until.After(at) || early && !ended.After(at) {
		return x, fmt.Errorf("finding %s: the waiver of record %d was not in force at %s", name, seq, evidence.FormatTime(at))
	}
	return x, nil
}

// WaivedCount counts the findings that failed and were accepted. They stand in
// Report.Findings by their status all the same.
type WaivedCount struct {
	Whole   int      `json:"all_failures"`
	Partly  int      `json:"some_failures"`
	Waivers []uint64 `json:"waivers"` // their records
}
