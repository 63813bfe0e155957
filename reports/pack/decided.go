package pack

import (
	"fmt"

	"evidenced/evidence"
)

// decided holds what a finding says of its weight and its status against the
// catalog in force and the decision table of docs/assessment.md, as far as it
// stands on items. Whether there was coverage enough, and of late, is as issued.
func (v *verifier) decided(f *Finding, r *testRule) error {
	p := v.catalog.pairs[f.pair()]
	preparing := ""
	if evidence.Day(p.InForce).Compare(v.judgedTo()) >= 0 {
		preparing = p.InForce
	}
	switch {
	case f.Severity != p.Severity || f.Strength != p.strength:
		return fmt.Errorf("finding %s: severity %q and strength %q, the catalog in force has %q and %q", f.name(), f.Severity, f.Strength, p.Severity, p.strength)
	case f.Article != p.Article:
		return fmt.Errorf("finding %s: said to be of %q, the catalog in force has %q", f.name(), f.Article, p.Article)
	case f.Preparing != preparing:
		return fmt.Errorf("finding %s: said to be of a law that applies from %q on, the catalog in force has %q", f.name(), f.Preparing, p.InForce)
	}
	aside := f.Status == evidence.NotApplicable && f.Reason == evidence.ReasonEntity
	switch {
	case !p.binds && !(aside && len(f.Items) == 0):
		return fmt.Errorf("finding %s: status %s with a population of %d, but the control binds other sorts of entities than the tenant is said to be", f.name(), f.Status, len(f.Items))
	case !p.binds:
		return nil
	case aside:
		return fmt.Errorf("finding %s: put aside as the duty of other sorts of entities, but by the catalog in force it binds the tenant", f.name())
	}
	elsewhere := r.Shared && v.m.Tenant != evidence.Platform
	known, allowed := f.allowed(r, elsewhere)
	switch {
	case !known:
		return fmt.Errorf("finding %s: status %q is none there is", f.name(), f.Status)
	case !allowed:
		return fmt.Errorf("finding %s: status %s with a population of %d, %d failed and %d undetermined, which the decision table does not give",
			f.name(), f.Status, len(f.Items), len(f.Failed), len(f.Unknown))
	case f.Status == evidence.NotApplicable && !elsewhere:
		return v.scoped(f)
	}
	return nil
}

// allowed reports whether the status is one of the seven, and whether the
// decision table can give it for such items. What a test is about may be judged
// elsewhere, in the log of _platform, when this one has nothing of it.
func (f *Finding) allowed(r *testRule, elsewhere bool) (known, allowed bool) {
	none, failed, unknown := len(f.Items) == 0, len(f.Failed) > 0, len(f.Unknown) > 0
	switch f.Status {
	case evidence.NotSatisfied:
		return true, failed
	case evidence.Undetermined:
		return true, !failed && unknown
	case evidence.NotObserved:
		return true, !failed
	case evidence.Stale:
		return true, !failed && !unknown
	case evidence.Satisfied:
		return true, !failed && !unknown && (!none || !elsewhere && r.Empty == evidence.Satisfied)
	case evidence.Gap:
		return true, none && !elsewhere && r.Empty != evidence.Satisfied && r.Empty != evidence.NotObserved
	case evidence.NotApplicable:
		return true, none && (elsewhere || r.Empty == evidence.NotApplicable || r.Empty == evidence.NotObserved)
	}
	return false, false
}
