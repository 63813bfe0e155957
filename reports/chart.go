package reports

import (
	"time"

	"evidenced/evidence"
)

// CoverageChart is what was seen of each source over a period, and how the due
// runs ended. reports/coverage makes it; text, JSON and PDF are drawn from it.
type CoverageChart struct {
	Tenant  evidence.Tenant                          `json:"tenant"`
	Origin  string                                   `json:"origin"`
	Size    uint64                                   `json:"size"` // log size it was read at
	Period  evidence.Period                          `json:"period"`
	Rows    []CoverageRow                            `json:"rows"`
	Runs    evidence.RunCounts                       `json:"runs"`
	Sources map[evidence.SourceID]evidence.RunCounts `json:"runs_by_source,omitempty"`
	Blind   []BlindWindow                            `json:"blind"`
	// Counted sets what sources count themselves beside what came, of the runs
	// in the log of the platform alone: other tenants' logs hold no runs.
	Counted *Counted `json:"counted,omitempty"`
	Demo    bool     `json:"demonstration,omitempty"`
}

// Counted are totals of single lists.
type Counted struct {
	Agreed  int         `json:"agreed"`  // lists of which as many came as the source counts
	Differs []CountedAs `json:"differs"` // the newest of each list, at most 100
	Cut     int         `json:"cut,omitempty"`
}

// CountedAs is one list of which another number came than the source counts.
type CountedAs struct {
	Source evidence.SourceID `json:"source"`
	evidence.SourceCount
	At  time.Time `json:"at"`
	Seq uint64    `json:"record"`
}

// CoverageRow is one source, for kinds that were seen alike.
type CoverageRow struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"`
	Strips []Strip           `json:"strips"`          // in order, they fill the period
	Looks  []time.Time       `json:"looks,omitempty"` // of the stretches of class instants
}

// Strip is a stretch of one class. The empty class means that nobody looked.
type Strip struct {
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
	Class evidence.Class `json:"class"`
	Cause string         `json:"cause,omitempty"`
	Seq   uint64         `json:"record,omitempty"` // the coverage record that claims it
}

// NotYet reports whether it is the newest of a source that is seen at every instant:
// nothing is claimed of it yet, and that is no blindness.
func (s *Strip) NotYet() bool { return s.Class == "" && s.Cause == evidence.CauseNotYet }

// BlindWindow is a stretch in which a source was not seen, and why.
type BlindWindow struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"` // none: of a source of which nothing was seen at all
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Cause  string            `json:"cause"`
	Looked bool              `json:"looked"` // true: we tried and failed; false: nobody looked
	Seq    uint64            `json:"record,omitempty"`
}

// NotYet is that of the stretch. A chart lists it as what its rows do not show.
func (w *BlindWindow) NotYet() bool { return !w.Looked && w.Cause == evidence.CauseNotYet }

// ClassWord says a class in words; the empty class is "nobody looked".
func ClassWord(c evidence.Class) string {
	if c == "" {
		return "nobody looked"
	}
	return string(c)
}

// StatusWord says a status in words for people. No text says "compliant": the
// evidence supports, or it does not.
func StatusWord(s evidence.Status) string {
	switch s {
	case evidence.Satisfied:
		return "the evidence supports it"
	case evidence.NotSatisfied:
		return "the evidence shows exceptions"
	case evidence.Undetermined:
		return "could not be decided"
	case evidence.NotObserved:
		return "not observed well enough"
	case evidence.Stale:
		return "the evidence is too old"
	case evidence.Gap:
		return "evidence that must exist is missing"
	case evidence.NotApplicable:
		return "does not apply"
	}
	return "not judged"
}

// Group is the three-way reading of a status on a first page.
type Group int

// The groups.
const (
	Supported  Group = iota // satisfied
	NeedsWork               // not satisfied, gap, stale: somebody must act
	CannotTell              // undetermined, not observed
	Outside                 // not applicable
)

// StatusGroup sorts a status into its group.
func StatusGroup(s evidence.Status) Group {
	switch s {
	case evidence.Satisfied:
		return Supported
	case evidence.NotSatisfied, evidence.Gap, evidence.Stale:
		return NeedsWork
	case evidence.NotApplicable:
		return Outside
	}
	return CannotTell
}
