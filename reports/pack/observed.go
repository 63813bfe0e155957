package pack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
)

// observed holds what a finding says of looking against its status, by the order
// of the decision table: one with a hole in what its rule needs is not-observed
// at best, and one whose newest look is older than the rule takes is stale.
//
// What a rule needs is a matter of the program that judges. The log tells of it
// where its own newest verdicts by the same rule name kinds that were not
// covered: those the rule needs, whatever the finding says.
func (v *verifier) observed(f *Finding, r *testRule) error {
	switch f.Status {
	case evidence.Satisfied, evidence.Gap, evidence.NotApplicable, evidence.Stale:
	default:
		return nil
	}
	if !v.catalog.pairs[f.pair()].binds {
		return nil
	}
	end := v.judgedTo()
	if n := len(f.Uncovered); n > 0 && !v.running() {
		return fmt.Errorf("finding %s: status %s, although it names %d windows that were not covered", f.name(), f.Status, n)
	}
	if old := end.Sub(f.Newest) > r.Freshness; old != (f.Status == evidence.Stale) {
		return fmt.Errorf("finding %s: status %s, but its newest look is of %q, and its rule says how old that may be at %s", f.name(), f.Status, evidence.FormatTime(f.Newest), evidence.FormatTime(end))
	}
	over, ok := evidence.Period{From: f.Period.From, To: end}.Intersect(v.m.Period)
	if !ok {
		return nil // what was seen of it is not in the pack
	}
	// Findings of one test ask the same.
	asked := lookedAt{f.Test, f.Status == evidence.Stale}
	if v.seen[asked] {
		return nil
	}
	for _, kind := range v.needs(f.RuleHash) {
		if why := v.unseen(kind, over, f.Status, r.Freshness); why != "" {
			return fmt.Errorf("finding %s: status %s, but by the log's own verdicts its rule needs %s, %s", f.name(), f.Status, kind, why)
		}
	}
	if v.seen == nil {
		v.seen = map[lookedAt]bool{}
	}
	v.seen[asked] = true
	return nil
}

// lookedAt is what observed was asked for and found seen.
type lookedAt struct {
	test  string
	stale bool
}

// needs are the kinds that a rule needs to be seen, as far as the newest verdicts
// in the range say that one was not. Older ones may be of a program whose views
// looked at others, and behind one of before the range a newer may be hidden.
func (l *learned) needs(rule evidence.Hash) []evidence.Kind {
	if l.needed == nil {
		l.needed = map[evidence.Hash][]evidence.Kind{}
		for _, x := range l.plans.verdicts {
			for _, w := range x.Uncovered {
				if x.seq >= l.start {
					l.needed[x.Rule] = append(l.needed[x.Rule], w.Kind)
				}
			}
		}
		for rule, kinds := range l.needed {
			slices.Sort(kinds)
			l.needed[rule] = slices.Compact(kinds)
		}
	}
	return l.needed[rule]
}

// running reports whether the period was not over when the pack was made.
func (v *verifier) running() bool { return !v.m.Period.To.Before(v.m.Made) }

// unseen says why a kind was not seen well enough for a status; "" when it was,
// as far as a pack shows. What evidenced itself records needs no source.
func (v *verifier) unseen(kind evidence.Kind, over evidence.Period, status evidence.Status, fresh time.Duration) string {
	if !registerKind(kind) {
		return ""
	}
	keys := v.sourcesOf(kind)
	if len(keys) == 0 {
		return "of which no source was seen"
	}
	for _, key := range keys {
		if s, hole := v.rows[key].hole(over, v.running()); hole {
			return fmt.Sprintf("which was not seen of %s at %s", key.source, evidence.FormatTime(s.From))
		}
		if last := v.lastSeen(key, over.To); status != evidence.Stale && over.To.Sub(last) > fresh {
			return fmt.Sprintf("which was last seen of %s at %s, too long before %s", key.source, evidence.FormatTime(last), evidence.FormatTime(over.To))
		}
	}
	return ""
}

// sourcesOf are the rows of coverage of a kind, by source.
func (v *verifier) sourcesOf(kind evidence.Kind) []seen {
	if v.byKind == nil {
		v.byKind = map[evidence.Kind][]seen{}
		for _, key := range slices.SortedFunc(maps.Keys(v.rows), seen.compare) {
			v.byKind[key.kind] = append(v.byKind[key.kind], key)
		}
	}
	return v.byKind[kind]
}

func (s seen) compare(t seen) int {
	return cmp.Or(cmp.Compare(s.source, t.source), cmp.Compare(s.kind, t.kind))
}

// hole returns the first stretch of a row in which nothing was seen. Where a
// source was polled, a pause between looks may be none: there the stretches that
// a record calls blind count alone. While the period runs, what comes after the
// newest look is no hole yet. The period ends at the same instant at every call.
func (r *chartRow) hole(over evidence.Period, running bool) (chartStrip, bool) {
	if r.holes == nil {
		polled := slices.ContainsFunc(r.Strips, func(s chartStrip) bool { return s.Class == evidence.Instants })
		r.holes = []chartStrip{}
		for _, s := range r.Strips {
			tail := running && !s.To.Before(over.To)
			if s.From.Before(over.To) && (s.Class == evidence.Blind || s.Class == "" && !polled && !tail) {
				r.holes = append(r.holes, s)
			}
		}
	}
	i, _ := slices.BinarySearchFunc(r.holes, over.From, func(s chartStrip, from time.Time) int {
		if from.Before(s.To) {
			return 1
		}
		return -1
	})
	if i == len(r.holes) {
		return chartStrip{}, false
	}
	return r.holes[i], true
}

// lastSeen is when spans end that saw something, at an instant at the latest,
// which is the same at every call.
func (v *verifier) lastSeen(key seen, at time.Time) time.Time {
	if last, known := v.newest[key]; known {
		return last
	}
	var last time.Time
	for _, s := range v.spans[key] {
		to := s.To
		if to.After(at) {
			to = at
		}
		if s.class.Rank() > 0 && !s.From.After(at) && to.After(last) {
			last = to
		}
	}
	if v.newest == nil {
		v.newest = map[seen]time.Time{}
	}
	v.newest[key] = last
	return last
}
