package pack

import (
	"encoding/json"
	"fmt"
	"slices"

	"evidenced/evidence"
)

// findings requires every cited record, and recounts populations and statuses.
func (v *verifier) findings() error {
	b, err := v.small(memberFindings)
	if err != nil {
		return err
	}
	var fs []Finding
	if err := strict(memberFindings, b, &fs); err != nil {
		return err
	}
	if err := v.everyTest(fs); err != nil {
		return err
	}
	cited := map[uint64]bool{}
	for _, f := range fs {
		name := string(f.Control) + "/" + f.Test
		if f.Tenant != v.m.Tenant || f.Period != v.m.Period || f.Size != v.m.Closing.Size {
			return fmt.Errorf("finding %s is of another tenant, period or log size", name)
		}
		counts := map[evidence.Verdict]int{}
		for _, it := range f.Items {
			counts[it.Verdict]++
			for _, seq := range append([]uint64{it.Seq}, it.Also...) {
				if _, ok := v.seqs[seq]; !ok {
					return fmt.Errorf("finding %s cites record %d, which the pack does not hold", name, seq)
				}
				cited[seq] = true
			}
			if v.seqs[it.Seq] != it.Kind {
				return fmt.Errorf("finding %s: record %d is %s, not %s", name, it.Seq, v.seqs[it.Seq], it.Kind)
			}
		}
		if len(f.Items) != f.Population || counts[evidence.Pass] != f.Passed || counts[evidence.Fail] != len(f.Failed) || counts[evidence.Unknown] != len(f.Unknown) {
			return fmt.Errorf("finding %s: population of %d (%d passed, %d failed, %d undetermined) but %d items (%d, %d, %d)", name,
				f.Population, f.Passed, len(f.Failed), len(f.Unknown), len(f.Items), counts[evidence.Pass], counts[evidence.Fail], counts[evidence.Unknown])
		}
		if !sameItems(f.Failed, f.Items, evidence.Fail) || !sameItems(f.Unknown, f.Items, evidence.Unknown) {
			return fmt.Errorf("finding %s: its exceptions are not the items of its population", name)
		}
		if f.Status == evidence.Satisfied && (len(f.Failed) > 0 || len(f.Unknown) > 0) || f.Status != evidence.NotSatisfied && len(f.Failed) > 0 {
			return fmt.Errorf("finding %s: status %s with %d failed items", name, f.Status, len(f.Failed))
		}
		v.rep.Findings[string(f.Status)]++
	}
	v.rep.Cited = len(cited)
	return v.samples(fs)
}

// sameItems reports whether part is the items of all with one verdict, in order.
func sameItems(part, all []evidence.Item, verdict evidence.Verdict) bool {
	rest := part
	for _, it := range all {
		if it.Verdict != verdict {
			continue
		}
		if len(rest) == 0 || rest[0].Seq != it.Seq || !slices.Equal(rest[0].Also, it.Also) {
			return false
		}
		rest = rest[1:]
	}
	return len(rest) == 0
}

// everyTest requires a finding of every test of the rules: a verdict cannot be
// left away.
func (v *verifier) everyTest(fs []Finding) error {
	b, err := v.small(memberRules)
	if err != nil {
		return err
	}
	var rules []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(b, &rules); err != nil {
		return fmt.Errorf("member %s: %w", memberRules, err)
	}
	for _, r := range rules {
		if !slices.ContainsFunc(fs, func(f Finding) bool { return f.Test == r.ID }) {
			return fmt.Errorf("there is no finding of test %s, although it stands among the rules", r.ID)
		}
	}
	return nil
}
