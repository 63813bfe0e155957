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
	fs, err := v.readFindings()
	if err != nil {
		return err
	}
	if err := v.readCatalog(); err != nil {
		return err
	}
	rules, err := v.readRuleTexts()
	if err != nil {
		return err
	}
	if err := v.ruledBy(rules); err != nil {
		return err
	}
	if err := v.everyPair(fs); err != nil {
		return err
	}
	if err := v.covered(); err != nil {
		return err
	}
	cited := map[uint64]bool{}
	for i := range fs {
		f := &fs[i]
		r := rules[f.Test]
		if f.Tenant != v.m.Tenant || f.Period != v.judged(r.Window) || f.Size != v.m.Closing.Size {
			return fmt.Errorf("finding %s is of another tenant, period or log size", f.name())
		}
		if f.RuleHash != r.hash || f.View != r.View || f.Query != r.Population || f.Assertion != r.Assertion {
			return fmt.Errorf("finding %s says that it was judged by another rule than %s holds", f.name(), memberRules)
		}
		if err := v.citations(f, cited); err != nil {
			return err
		}
		if err := f.recount(); err != nil {
			return err
		}
		if err := v.decided(f, &r); err != nil {
			return err
		}
		if err := v.observed(f, &r); err != nil {
			return err
		}
		if err := v.waived(f); err != nil {
			return err
		}
		if err := v.remedies(f); err != nil {
			return err
		}
		v.rep.Findings[string(f.Status)]++
	}
	if err := v.oneJudgement(fs); err != nil {
		return err
	}
	if v.rep.Waived != nil {
		slices.Sort(v.rep.Waived.Waivers)
	}
	if v.rep.Remedies != nil {
		v.rep.Remedies.inOrder()
	}
	v.rep.Cited, v.rep.Differs, v.rep.Incidents = len(cited), v.differing(fs), v.incidents()
	return v.samples(fs)
}

// name is what people call a finding.
func (f *Finding) name() string { return f.pair().String() }

func (f *Finding) pair() pair { return pair{f.Control, f.Test} }

// citations requires the records of every item.
func (v *verifier) citations(f *Finding, cited map[uint64]bool) error {
	for _, it := range f.Items {
		for _, seq := range append([]uint64{it.Seq}, it.Also...) {
			if v.seqs.kind(seq) == "" {
				return fmt.Errorf("finding %s cites record %d, which the pack does not hold", f.name(), seq)
			}
			if v.seqs.isShut(seq) {
				return fmt.Errorf("finding %s counts record %d, whose content is withheld: nobody could look at it", f.name(), seq)
			}
			cited[seq] = true
		}
		if kind := v.seqs.kind(it.Seq); kind != it.Kind {
			return fmt.Errorf("finding %s: record %d is %s, not %s", f.name(), it.Seq, kind, it.Kind)
		}
	}
	return nil
}

// recount holds what a finding says of its items against them.
func (f *Finding) recount() error {
	counts := map[evidence.Verdict]int{}
	for _, it := range f.Items {
		counts[it.Verdict]++
	}
	pass, fail, unknown := counts[evidence.Pass], counts[evidence.Fail], counts[evidence.Unknown]
	if len(f.Items) != f.Population || pass != f.Passed || fail != len(f.Failed) || unknown != len(f.Unknown) || pass+fail+unknown != len(f.Items) {
		return fmt.Errorf("finding %s: population of %d (%d passed, %d failed, %d undetermined) but %d items (%d, %d, %d)", f.name(),
			f.Population, f.Passed, len(f.Failed), len(f.Unknown), len(f.Items), pass, fail, unknown)
	}
	if !sameItems(f.Failed, f.Items, evidence.Fail) || !sameItems(f.Unknown, f.Items, evidence.Unknown) {
		return fmt.Errorf("finding %s: its exceptions are not the items of its population", f.name())
	}
	return nil
}

// sameItems reports whether part is the items of all with one verdict, in order.
func sameItems(part, all []evidence.Item, verdict evidence.Verdict) bool {
	rest := part
	for _, it := range all {
		if it.Verdict != verdict {
			continue
		}
		if len(rest) == 0 || !sameItem(rest[0], it) {
			return false
		}
		rest = rest[1:]
	}
	return len(rest) == 0
}

// sameItem reports whether two items are one, word for word: who reads the
// exceptions alone reads nothing that the population does not say.
func sameItem(a, b evidence.Item) bool {
	return a.Seq == b.Seq && slices.Equal(a.Also, b.Also) && a.Kind == b.Kind && a.At.Equal(b.At) && a.Label == b.Label && a.Why == b.Why && a.Verdict == b.Verdict
}

// judged is the period a test looks at: the pack's, or of a test with a window
// the last so long of it, counted back from the end of what was over when the
// pack was made. That may begin before the pack's period; records before the
// pack's range that it cites stand in it one by one.
func (v *verifier) judged(window time.Duration) evidence.Period {
	p := v.m.Period
	if window > 0 {
		p.From = v.judgedTo().Add(-window)
	}
	return p
}

// judgedTo is the end of what was over when the pack was made.
func (v *verifier) judgedTo() time.Time {
	if v.m.Made.Before(v.m.Period.To) {
		return v.m.Made
	}
	return v.m.Period.To
}

// testRule is a test of rules.json, as far as a verifier reads it.
type testRule struct {
	ID         string          `json:"id"`
	View       string          `json:"view"`
	Population string          `json:"population"`
	Assertion  string          `json:"assertion"`
	Window     time.Duration   `json:"window"`
	Freshness  time.Duration   `json:"freshness"` // how old the newest look may be
	Empty      evidence.Status `json:"empty"`     // what an empty population means
	Shared     bool            `json:"shared"`    // an empty one may mean that it is judged in _platform

	hash evidence.Hash // what its findings call it by
}

// readRuleTexts reads rules.json.
func (v *verifier) readRuleTexts() (map[string]testRule, error) {
	var texts []json.RawMessage
	if err := v.readLoose(memberRules, &texts); err != nil {
		return nil, err
	}
	rules := map[string]testRule{}
	for _, text := range texts {
		var r testRule
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("member %s: %w", memberRules, err)
		}
		if min(r.Window, r.Freshness) < 0 || max(r.Window, r.Freshness) > longestWindow {
			return nil, fmt.Errorf("test %s looks at a time that no test does", r.ID)
		}
		if _, twice := rules[r.ID]; twice || r.ID == "" {
			return nil, fmt.Errorf("member %s: test %q has no name of its own", memberRules, r.ID)
		}
		var err error
		if r.hash, err = textHash(text); err != nil {
			return nil, fmt.Errorf("member %s: %w", memberRules, err)
		}
		rules[r.ID] = r
	}
	return rules, nil
}

// oneJudgement requires that findings of one test, where it binds the tenant,
// judge the same items alike: none can be turned for one control alone.
func (v *verifier) oneJudgement(fs []Finding) error {
	first := map[string]*Finding{}
	for i := range fs {
		f := &fs[i]
		if !v.catalog.pairs[f.pair()].binds {
			continue
		}
		if other := first[f.Test]; other == nil {
			first[f.Test] = f
		} else if !slices.EqualFunc(f.Items, other.Items, sameVerdict) {
			return fmt.Errorf("findings %s and %s are of one test, but judge other items", other.name(), f.name())
		}
	}
	return nil
}

func sameVerdict(a, b evidence.Item) bool {
	return a.Seq == b.Seq && a.Verdict == b.Verdict && slices.Equal(a.Also, b.Also)
}

// longestWindow is the longest a catalog takes, and more than enough for how old
// a look may be.
const longestWindow = 36525 * 24 * time.Hour
