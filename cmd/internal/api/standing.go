package api

import (
	"fmt"
	"slices"

	"evidenced/mappings"
	"evidenced/reports"
)

// Standing says how a control's verdict is to be taken.
type Standing struct {
	// Preparing is the date from which the law applies, when it did not in what
	// was judged: then nothing is a breach of it. Empty: in force.
	Preparing string `json:"preparing,omitempty"`
	// AnsweredBy is what would answer a control that no source answers yet. It
	// counts for nothing. Empty: it was judged.
	AnsweredBy string `json:"answered_by,omitempty"`
}

func standing(in *mappings.Input, c *mappings.Control) Standing {
	s := Standing{AnsweredBy: c.AnsweredBy}
	over := in.Period
	if !in.Now.IsZero() && in.Now.Before(over.To) {
		over.To = in.Now
	}
	if c.ForceOver(over) == mappings.Preparing {
		s.Preparing = c.InForceSince
	}
	return s
}

// judged reports whether some source answers the control.
func (s Standing) judged() bool { return s.AnsweredBy == "" }

// inForceFirst lists the judged controls: those of laws in force before those
// in preparation, each half by what needs someone most.
func (a *Assessment) inForceFirst() []AssessedControl {
	cs := slices.DeleteFunc(slices.Clone(a.Controls), func(c AssessedControl) bool { return !c.judged() })
	slices.SortStableFunc(cs, func(x, y AssessedControl) int {
		if (x.Preparing == "") != (y.Preparing == "") {
			if x.Preparing == "" {
				return -1
			}
			return 1
		}
		return order(x.Status) - order(y.Status)
	})
	return cs
}

// apart says in a line each what of the assessment counts for nothing.
func (a *Assessment) apart() []string {
	preparing, waiting := 0, 0
	for _, c := range a.Controls {
		switch {
		case !c.judged():
			waiting++
		case c.Preparing != "":
			preparing++
		}
	}
	var lines []string
	if preparing > 0 {
		lines = append(lines, fmt.Sprintf("%s of laws that do not apply yet: preparation, no breach", reports.Count(preparing, "control")))
	}
	if waiting > 0 {
		lines = append(lines, fmt.Sprintf("no source answers %s yet; evidenced controls --unanswered lists them", reports.Count(waiting, "control")))
	}
	return lines
}
