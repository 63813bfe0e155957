package mappings

import (
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// Force says whether the law behind a control applied.
type Force string

// The two states of force.
const (
	InForce Force = "in-force"
	// Preparing: the law applies from a later day on. What fails then is work
	// to do and no breach.
	Preparing Force = "preparing"
)

// ForceAt says whether the control's law applies at a moment. Days begin at
// midnight UTC.
func (c *Control) ForceAt(at time.Time) Force {
	if evidence.Day(c.InForceSince).After(at) {
		return Preparing
	}
	return InForce
}

// ForceOver says whether the control's law applied in any part of the period.
func (c *Control) ForceOver(p evidence.Period) Force {
	if evidence.Day(c.InForceSince).Before(p.To) {
		return InForce
	}
	return Preparing
}

// StandsOver reports whether the control's wording stood in any part of the
// period. One that was replaced by an amendment is not judged after it, and
// its successor not before.
func (c *Control) StandsOver(p evidence.Period) bool { return c.applicability().StandsOver(p) }

// Unanswered reports whether no source of this program answers the control. It
// is listed apart and calls for nobody.
func (c *Control) Unanswered() bool { return len(c.Tests) == 0 }

// OnlyTold reports whether every test of the control is about what people alone
// put on record: when nothing of it can be judged there is no finding.
func (c *Control) OnlyTold() bool {
	return len(c.Tests) > 0 && len(c.Tiers)+len(c.Tags) == 0 && c.ValidFrom == "" && c.ValidTo == "" &&
		!slices.ContainsFunc(c.Tests, func(r TestRef) bool { return r.Test.Empty != evidence.NotObserved })
}

// forceNote is what a finding says beside its verdict when the law did not
// apply over all of what was judged; empty when it did.
func (c *Control) forceNote(p evidence.Period) string {
	since := evidence.Day(c.InForceSince)
	switch {
	case c.ForceOver(p) == Preparing:
		return fmt.Sprintf(" Preparation, no breach: %s applies from %s.", c.Act.Name, c.InForceSince)
	case since.After(p.From):
		return fmt.Sprintf(" %s applies from %s, within the period: what was before is preparation and no breach.", c.Act.Name, c.InForceSince)
	}
	return ""
}
