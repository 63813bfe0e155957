package reports

import (
	"cmp"
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

	// Why says in other words than Cause why nothing is claimed, where more is known
	// than that. It is for people, and in no document that programs compare.
	Why string `json:"-"`
}

// BlindWindow is a stretch in which a source was not seen, and why.
type BlindWindow struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"` // none: of a source of which nothing was seen at all
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Cause  string            `json:"cause"`
	Looked bool              `json:"looked"` // true: we tried and failed; false: nobody looked
	Seq    uint64            `json:"record,omitempty"`
	Why    string            `json:"-"` // as of a Strip
}

// Ahead reports whether nothing is claimed only because the next look is not
// overdue: what happened may still be told.
func (w *BlindWindow) Ahead() bool { return w.Why == notYet }

// Says is why it was not seen, in words for people.
func (w *BlindWindow) Says() string { return cmp.Or(w.Why, w.Cause) }

// Words says what a stretch is: its class, or why it has none.
func (s *Strip) Words() string { return cmp.Or(s.Why, ClassWord(s.Class)) }

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
