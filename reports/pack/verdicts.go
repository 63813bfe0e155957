package pack

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

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
	windows, err := v.everyTest(fs)
	if err != nil {
		return err
	}
	cited := map[uint64]bool{}
	for _, f := range fs {
		name := string(f.Control) + "/" + f.Test
		if f.Tenant != v.m.Tenant || f.Period != v.judged(windows[f.Test]) || f.Size != v.m.Closing.Size {
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
		if err := v.waived(&f); err != nil {
			return err
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

// judged is the period a test looks at: the pack's, or of a test with a window
// the last so long of it, counted back from the end of what was over when the
// pack was made. That may begin before the pack's period; records before the
// pack's range that it cites stand in it one by one.
func (v *verifier) judged(window time.Duration) evidence.Period {
	p := v.m.Period
	if window > 0 {
		end := p.To
		if v.m.Made.Before(end) {
			end = v.m.Made
		}
		p.From = end.Add(-window)
	}
	return p
}

// everyTest requires a finding of every test of the rules: a verdict cannot be
// left away. It returns the windows of the tests that have one.
func (v *verifier) everyTest(fs []Finding) (map[string]time.Duration, error) {
	b, err := v.small(memberRules)
	if err != nil {
		return nil, err
	}
	var rules []struct {
		ID     string        `json:"id"`
		Window time.Duration `json:"window"`
	}
	if err := json.Unmarshal(b, &rules); err != nil {
		return nil, fmt.Errorf("member %s: %w", memberRules, err)
	}
	windows := map[string]time.Duration{}
	for _, r := range rules {
		if r.Window < 0 || r.Window > longestWindow {
			return nil, fmt.Errorf("test %s looks at %s, which no test does", r.ID, r.Window)
		}
		windows[r.ID] = r.Window
		if !slices.ContainsFunc(fs, func(f Finding) bool { return f.Test == r.ID }) {
			return nil, fmt.Errorf("there is no finding of test %s, although it stands among the rules", r.ID)
		}
	}
	return windows, nil
}

// longestWindow is the longest a catalog takes.
const longestWindow = 36525 * 24 * time.Hour
