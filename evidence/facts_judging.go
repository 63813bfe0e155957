package evidence

import "time"

// Facts of judging: verdicts as they changed, and what people say about them.
// See facts.go for the rules.

// FindingFacts are the facts of finding.state: the verdict of one test of one
// control as of a moment. A new record begins when the verdict changes: its
// status, reason, rule or which items failed or could not be decided. Counts
// of what passed move with every assessment and begin none.
type FindingFacts struct {
	Control  ControlID `json:"control"`
	Article  string    `json:"article"`
	Title    string    `json:"title"`
	Test     string    `json:"test"`
	Rule     Hash      `json:"rule"` // SHA-256 of the test's canonical text
	Severity string    `json:"severity"`
	Strength string    `json:"strength"`
	Status   Status    `json:"status"`
	Reason   Reason    `json:"reason,omitempty"`
	// Preparing is the date from which the law applies, while it does not:
	// what fails until then is work to do and no breach.
	Preparing string `json:"preparing,omitempty"`
	// Failed and Unknown are the records of the items that failed and of those
	// that could not be decided, ascending. FailedCut and UnknownCut count the
	// items beyond what a record can hold.
	Failed     []uint64 `json:"failed,omitempty"`
	FailedCut  int      `json:"failed_cut,omitempty"`
	Unknown    []uint64 `json:"undetermined,omitempty"`
	UnknownCut int      `json:"undetermined_cut,omitempty"`
	// Uncovered are the windows without required coverage, UncoveredCut counts
	// those beyond what a record can hold.
	Uncovered    []Unseen `json:"uncovered,omitempty"`
	UncoveredCut int      `json:"uncovered_cut,omitempty"`
	// The rest is volatile: as it was when the state began.
	Summary    string    `json:"summary"`
	Period     Period    `json:"period"`
	Size       uint64    `json:"size"` // log size it was judged on
	Population int       `json:"population"`
	Passed     int       `json:"passed"`
	Class      Class     `json:"class,omitempty"`
	Newest     time.Time `json:"newest,omitzero"`
	NewestOf   SourceID  `json:"newest_of,omitempty"`
}

// Unseen is a window in which required coverage is missing. What is judged moves
// with the clock, and its ends alone begin no new state.
type Unseen struct {
	Source SourceID  `json:"source,omitempty"`
	Kind   Kind      `json:"kind"`
	From   time.Time `json:"from,omitzero"` // zero: from the begin of what is judged, or before
	To     time.Time `json:"to,omitzero"`   // zero: it lasts
	Class  Class     `json:"class,omitempty"`
	Cause  string    `json:"cause"`
}

// WaiverFacts are the facts of waiver: failures of a test are accepted for a
// while. It stands beside a finding and never changes its status.
type WaiverFacts struct {
	Name     string    `json:"name"`
	Control  ControlID `json:"control"`
	Test     string    `json:"test,omitempty"` // empty: every test of the control
	Subjects []Ref     `json:"subjects,omitempty"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Approval Approval  `json:"approval"`
}

// ScopeFacts are the facts of scope.statement: a control does not apply.
type ScopeFacts struct {
	Name     string    `json:"name"`
	Control  ControlID `json:"control"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until,omitzero"`
	Approval Approval  `json:"approval"`
}

// AttestationFacts are the facts of attestation.manual: a person's signed word
// or document about something that no source shows.
type AttestationFacts struct {
	Name     string      `json:"name"`
	Controls []ControlID `json:"controls"`
	From     time.Time   `json:"from"`
	Until    time.Time   `json:"until"`
	Document Hash        `json:"document,omitzero"` // SHA-256 of a document kept elsewhere or in raw
	Size     int64       `json:"document_size,omitempty"`
	Media    string      `json:"document_type,omitempty"`
	Approval Approval    `json:"approval"`
}

// Approval says who made a statement and which other person approved it. Both
// are person tokens of the log.
type Approval struct {
	By         ID     `json:"by"`
	ApprovedBy ID     `json:"approved_by"`
	Proof      Proof  `json:"proof"`            // how the approval is known: signed or authenticated
	Commit     Ref    `json:"commit,omitzero"`  // of a reviewed commit that holds the statement
	Key        string `json:"key_id,omitempty"` // of a signature
}

// CatalogFacts are the facts of platform.catalog: the rules in force from the
// record's time on. In the log of _platform its raw bytes are all files of the
// catalog; other tenants are told of the change alone.
type CatalogFacts struct {
	Catalog  Hash     `json:"catalog"` // SHA-256 of the canonical text of all controls and tests
	Before   Hash     `json:"before,omitzero"`
	Program  string   `json:"program"` // whose views the rules look at
	Controls int      `json:"controls"`
	Tests    int      `json:"tests"`
	Files    []string `json:"files"`             // names; those of the user's begin with user/
	Diff     []string `json:"diff,omitempty"`    // what is new, changed or gone
	Loosen   []string `json:"loosens,omitempty"` // what of the change loosens what is judged
}
