package mappings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// finding makes the finding of a test for a control.
func (a *assessment) finding(c *Control, ref TestRef) evidence.Finding {
	t, r := ref.Test, a.runs[ref.Test]
	sight := a.sight(r)
	r.holes = sight.holes
	if fresh := sight.newest.Add(t.Freshness); !fresh.Before(r.period.To) {
		a.turns.after(fresh)
	}
	if slices.ContainsFunc(sight.holes, func(w evidence.Window) bool { return w.Class != "" && w.Period.To.Equal(r.period.To) }) {
		a.turns.after(r.period.To) // it ends there, unless somebody looks: nobody says yet that it lasts
	}
	f := evidence.Finding{
		Tenant: a.in.Reader.Tenant(), Control: c.ID, Article: c.Reference(), Title: c.Title,
		Test: t.ID, RuleHash: t.hash, Period: r.period, Size: a.in.Reader.Size(),
		Severity: c.Severity, Strength: ref.Strength, View: t.View, Query: t.Population, Assertion: t.Assertion,
		Population: r.population(), Passed: r.passed, Failed: r.failed, Unknown: r.unknown, Items: r.items,
		Uncovered: slices.Clip(sight.windows), Class: sight.weakest, Newest: sight.newest, NewestOf: sight.of, Limits: limits(c, t),
	}
	if a.in.running() {
		f.Period.To = a.in.Period.To
	}
	f.Status = a.status(c, r, sight)
	switch {
	case f.Status == evidence.NotObserved && r.onlyTold(sight):
		f.Reason = evidence.ReasonNoCollector
	case f.Status == evidence.NotObserved:
		f.Reason = a.cover.reason(sight, a.in.Collectable)
	}
	f.Summary = a.summary(&f, r, sight) + c.forceNote(r.period)
	if c.ForceOver(r.period) == Preparing {
		f.Preparing = c.InForceSince
	}
	return f
}

// onlyTold reports whether a verdict of not-observed says that nothing counts and
// that none of what could count is shown by a source: people alone put it on
// record.
func (r *run) onlyTold(s *sight) bool {
	return r.population() == 0 && len(s.holes) == 0 && r.test.Empty == evidence.NotObserved
}

// sight returns what was seen for a test, which several controls may have.
func (a *assessment) sight(r *run) *sight {
	s := a.sights[r.test]
	if s == nil {
		seen := a.cover.look(r.test.needs, r.test.Least, r.period, a.in.running())
		s = &seen
		a.sights[r.test] = s
	}
	return s
}

func limits(c *Control, t *Test) string {
	return strings.Join(slices.DeleteFunc([]string{c.CannotProve, t.Limits}, func(s string) bool { return s == "" }), " ")
}

// status is the decision table of docs/assessment.md. The order is the rule:
// the first line that holds decides.
func (a *assessment) status(c *Control, r *run, s *sight) evidence.Status {
	switch {
	case r.nFailed() > 0:
		return evidence.NotSatisfied
	case r.nUnknown() > r.unobserved:
		return evidence.Undetermined
	case len(s.holes) > 0 || r.unobserved > 0:
		return evidence.NotObserved
	case r.period.To.Sub(s.newest) > r.test.Freshness:
		return evidence.Stale
	case r.population() > 0:
		return evidence.Satisfied
	case a.elsewhere(r.test):
		return evidence.NotApplicable
	case r.test.Empty == evidence.NotApplicable && !a.outOfScope(c, r.period):
		return evidence.Gap // nobody has said, in due form, that it does not apply
	case r.test.Empty == evidence.NotObserved && a.outOfScope(c, r.period):
		return evidence.NotApplicable
	}
	return r.test.Empty
}

// elsewhere reports whether what the test is about, of which the tenant's own
// log has nothing, is the platform's: then the verdict stands in _platform's
// log.
func (a *assessment) elsewhere(t *Test) bool {
	return t.Shared && a.in.Reader.Tenant() != evidence.Platform
}

func (a *assessment) outOfScope(c *Control, p evidence.Period) bool {
	return slices.ContainsFunc(a.in.Scope, func(s ScopeStatement) bool {
		if a.in.Rolling {
			return s.stands(c.ID, p.To) // the verdict is that of now, and changes when the statement begins and ends
		}
		return s.covers(c.ID, p)
	})
}

// summary says the finding in one sentence.
func (a *assessment) summary(f *evidence.Finding, r *run, s *sight) string {
	t := r.test
	switch f.Status {
	case evidence.NotSatisfied:
		return fmt.Sprintf("The evidence contradicts that %s: %d of %s failed%s%s.", t.Says, r.nFailed(),
			plural(f.Population, "item"), threshold(r, f), beside(r, f))
	case evidence.Undetermined:
		return fmt.Sprintf("It cannot be told whether %s: %d of %s could not be decided (%s).", t.Says,
			r.nUnknown(), plural(f.Population, "item"), r.why())
	case evidence.NotObserved:
		if r.onlyTold(s) {
			return fmt.Sprintf("It was not observed whether %s: nothing on record could be judged, and no source shows what nobody recorded.", t.Says)
		}
		return fmt.Sprintf("It was not observed whether %s: %s.", t.Says, unseen(f, r, s))
	case evidence.Stale:
		return fmt.Sprintf("It is no longer known whether %s: the newest look was %s, more than %s before %s.", t.Says,
			evidence.FormatTime(s.newest), human(t.Freshness), evidence.FormatTime(r.period.To))
	case evidence.Gap:
		return fmt.Sprintf("Nothing was found to show that %s, although it was looked for over the whole period.", t.Says)
	case evidence.NotApplicable:
		if a.elsewhere(t) {
			return fmt.Sprintf("Whether %s is judged in %s: none of it belongs to the tenant.", t.Says, evidence.Platform)
		}
		return fmt.Sprintf("There was nothing to test whether %s, and an approved statement says that it does not apply.", t.Says)
	}
	supports := "The evidence supports that " + t.Says
	if s.newest.Before(r.period.To) {
		supports = "Up to the look of " + evidence.FormatTime(s.newest) + " the evidence supports that " + t.Says
	}
	if f.Population == 0 {
		return supports + ": there was nothing that could have failed."
	}
	return fmt.Sprintf("%s: %s passed.", supports, plural(f.Population, "item"))
}

// threshold names the limit that stands beside the status and never changes it.
func threshold(r *run, f *evidence.Finding) string {
	t := r.test
	if t.Threshold == 0 || f.Population == 0 {
		return ""
	}
	share := 100 * float64(r.nFailed()) / float64(f.Population)
	word := "within"
	if share > t.Threshold {
		word = "above"
	}
	return fmt.Sprintf(" (%.1f %%, %s the threshold of %g %%, which does not change the status)", share, word, t.Threshold)
}

func beside(r *run, f *evidence.Finding) string {
	var parts []string
	if n := r.nUnknown(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be decided", n))
	}
	if n := len(f.Uncovered); n > 0 {
		parts = append(parts, plural(n, "window")+" not covered")
	}
	if len(parts) == 0 {
		return ""
	}
	return "; beside it " + strings.Join(parts, " and ")
}

func unseen(f *evidence.Finding, r *run, s *sight) string {
	if len(s.none) > 0 {
		var ks []string
		for _, k := range s.none {
			ks = append(ks, string(k))
		}
		return "no source gives " + strings.Join(ks, ", ")
	}
	if len(s.holes) == 0 {
		return fmt.Sprintf("%d of %s could not be seen well enough (%s)", r.unobserved, plural(f.Population, "item"), r.why())
	}
	w := slices.MaxFunc(s.holes, func(a, b evidence.Window) int { return cmp.Compare(a.Period.Duration(), b.Period.Duration()) })
	who := string(w.Source)
	if who == "" {
		who = string(w.Kind)
	}
	return fmt.Sprintf("%s not covered, the longest %s of %s (%s)", plural(len(s.holes), "window"), w.Period, who, w.Cause)
}

// why is the reason of the first item that could not be decided.
func (r *run) why() string {
	if r.nUnknown() == 0 {
		return "no reason known"
	}
	return r.firstWhy
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func human(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 24*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// silent reports whether a finding says nothing beside those of other tests: it
// found nothing on record to judge where no source would show what nobody
// recorded, or it is about a system that no source shows.
func (a *assessment) silent(t *Test, f *evidence.Finding) bool {
	s := a.sights[t]
	return f.Status == evidence.NotObserved && a.runs[t].onlyTold(s) ||
		t.notUsed(f.Status, f.Reason, func(k evidence.Kind) bool { return slices.Contains(s.none, k) })
}

// NotUsed reports whether a recorded finding of an optional test says that no
// source shows what it is about, or ever did. Such a finding says nothing beside
// those of other tests.
func (t *Test) NotUsed(f *evidence.FindingFacts) bool {
	return t.notUsed(f.Status, f.Reason, func(k evidence.Kind) bool {
		return slices.ContainsFunc(f.Uncovered, func(w evidence.Unseen) bool { return w.Kind == k && w.Source == "" && w.Class == "" })
	})
}

// notUsed reports whether a test is about a system that not every platform has,
// and its finding says that no source shows that system, or ever did. None tells
// of which kinds there is no source; one that sees too little is one.
func (t *Test) notUsed(s evidence.Status, r evidence.Reason, none func(evidence.Kind) bool) bool {
	return t.Optional && s == evidence.NotObserved && r == evidence.ReasonNotConfigured &&
		!slices.ContainsFunc(t.view.Kinds, func(k evidence.Kind) bool { return !none(k) })
}

// rank orders statuses, worst first, as the decision table does. A test that
// does not apply says nothing, so it comes last.
var rank = map[evidence.Status]int{
	evidence.NotSatisfied: 0, evidence.Undetermined: 1, evidence.NotObserved: 2, evidence.Stale: 3,
	evidence.Gap: 4, evidence.Satisfied: 5, evidence.NotApplicable: 6,
}

// judge makes a control's verdict from its findings: the worst of those that
// apply. Supporting tests can pull it down, but they alone never lift it to
// satisfied. A silent one says nothing beside others: see [assessment.silent].
func (c *ControlResult) judge(all []evidence.Finding) {
	if len(c.Findings) == 0 {
		c.Status, c.Reason = evidence.NotObserved, evidence.ReasonNoCollector
		c.Why = "No source answers it yet: " + c.Control.AnsweredBy + "."
		return
	}
	var worst, silent *evidence.Finding
	carried := false
	for _, i := range c.Findings {
		f := &all[i]
		switch {
		case slices.Contains(c.silent, i):
			if silent == nil || f.Strength != Supporting && silent.Strength == Supporting {
				silent = f
			}
		case worst == nil || rank[f.Status] < rank[worst.Status]:
			worst = f
		}
		carried = carried || f.Strength != Supporting && f.Status == evidence.Satisfied
	}
	if silent != nil && (worst == nil || worst.Status == evidence.NotApplicable || worst.Status == evidence.Satisfied && !carried && silent.Strength != Supporting) {
		worst = silent
	}
	c.Status, c.Reason, c.Why = worst.Status, worst.Reason, worst.Summary
	if c.Status == evidence.Satisfied && !carried {
		c.Status = evidence.Undetermined
		c.Why = "Only supporting tests speak for it, and they alone do not carry it."
	}
}
