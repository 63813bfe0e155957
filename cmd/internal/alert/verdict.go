package alert

import (
	"slices"
	"time"

	"evidenced/evidence"
)

// verdict is what of a finding tells whether somebody must be alerted: there are
// some for every test of every tenant, so nothing else is kept.
type verdict struct {
	Control   evidence.ControlID
	Test      string
	Severity  string
	Status    evidence.Status
	Reason    evidence.Reason
	Summary   string
	Uncovered []evidence.Unseen
	Newest    time.Time
	NewestOf  evidence.SourceID
}

// verdictsOf keeps the verdicts that somebody may have to be alerted of, now or
// when they have grown older.
func verdictsOf(fs []evidence.FindingFacts) []verdict {
	var kept []verdict
	for i := range fs {
		f := &fs[i]
		switch {
		case f.Preparing != "":
			continue // nobody is late with what no law asks for yet
		case f.Status == evidence.NotApplicable, f.Reason == evidence.ReasonNoCollector:
			continue // nothing that anybody here could mend
		}
		x := verdict{
			Control: f.Control, Test: f.Test, Severity: f.Severity, Status: f.Status, Reason: f.Reason,
			Summary: f.Summary, Newest: f.Newest, NewestOf: f.NewestOf,
		}
		if f.Status == evidence.NotObserved {
			x.Uncovered = slices.Clip(f.Uncovered)
		}
		if f.Status == evidence.Satisfied && f.NewestOf != "" {
			x.Summary = "" // that it gets old is told by its source
		}
		kept = append(kept, x)
	}
	return slices.Clip(kept)
}
