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

// WaiverFacts are the facts of waiver: failures of tests are accepted for a
// while, for these controls alone. It stands beside a finding and never changes its
// status. Records and Subjects say which failures; with neither it is all of
// the tests. From is never before the record's own time.
type WaiverFacts struct {
	Name     string       `json:"name"`
	Controls []ControlID  `json:"controls"`
	Tests    []WaivedTest `json:"tests"`
	Records  []uint64     `json:"records,omitempty"`  // of items that failed, ascending
	Subjects []Ref        `json:"subjects,omitempty"` // what items that fail are about
	From     time.Time    `json:"from"`
	Until    time.Time    `json:"until"`
	Approval Approval     `json:"approval"`
}

// WaivedTest is a test by its rule: failures of another rule under the same
// name are not accepted by it.
type WaivedTest struct {
	Test string `json:"test"`
	Rule Hash   `json:"rule"`
}

// ScopeFacts are the facts of scope.statement: a control does not apply.
type ScopeFacts struct {
	Name     string    `json:"name"`
	Control  ControlID `json:"control"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until,omitzero"`
	Approval Approval  `json:"approval"`
}

// AttestationFacts are the facts of attestation.manual: a person's word about
// something that no source shows, and perhaps a document.
type AttestationFacts struct {
	Name     string      `json:"name"`
	Controls []ControlID `json:"controls"`
	From     time.Time   `json:"from"`
	Until    time.Time   `json:"until"`
	Document Hash        `json:"document,omitzero"` // SHA-256 of a document
	Size     int64       `json:"document_size,omitempty"`
	Media    string      `json:"document_type,omitempty"`
	Kept     bool        `json:"document_kept,omitempty"` // in the record's raw bytes; else elsewhere
	Approval Approval    `json:"approval"`
}

// Approval says who made a statement and which other person approved it. Maker
// and Approver are indices in People. The approved text and its signatures
// stand in the text claim, see package mappings/statement.
type Approval struct {
	By       string    `json:"by"` // user id of the process that asked, "uid 1000"
	Maker    int       `json:"maker"`
	Approver int       `json:"approver"`
	Text     Hash      `json:"statement"`     // SHA-256 of the text that was approved
	Made     time.Time `json:"made"`          // when it was drafted, as it says
	At       time.Time `json:"at,omitzero"`   // when it was approved, where that is known
	Key      string    `json:"key,omitempty"` // fingerprint of the key that the approver signed by
	// Of a reviewed commit: the commit that holds the text as a file, and the
	// records of the request that was approved.
	Repo    string   `json:"repo,omitempty"`
	Commit  string   `json:"commit,omitempty"`
	Path    string   `json:"path,omitempty"`
	Records []uint64 `json:"records,omitempty"`
}

// StatementEndFacts are the facts of the end of a statement before its time.
type StatementEndFacts struct {
	By string `json:"by"` // user id of the process that asked; why stands in the text claim
}

// CatalogFacts are the facts of platform.catalog: the rules that the tenant is
// judged by from the record on. In the log of _platform its raw bytes are all
// files of the catalog; other tenants are told of the change alone. A record
// whose Before is its own Catalog says again what is in force.
type CatalogFacts struct {
	Catalog  Hash   `json:"catalog"` // SHA-256 of the canonical text of all controls and tests
	Before   Hash   `json:"before,omitzero"`
	Program  string `json:"program"`      // whose views the rules look at
	By       string `json:"by,omitempty"` // user id of the process that loaded them
	Controls int    `json:"controls"`
	Tests    int    `json:"tests"`
	// Table is the hash of the catalog's table of controls and tests. Tenancy and
	// Entities are what this tenant is said to be, by which its controls are
	// chosen; a nil Tenancy leaves none out, no Entities put none aside.
	Table    Hash     `json:"table"`
	Tenancy  *Tenancy `json:"tenancy,omitempty"`
	Entities []string `json:"entities,omitempty"`
	Files    []string `json:"files"`             // names; those of the user's begin with user/
	Diff     []string `json:"diff,omitempty"`    // what is new, changed or gone
	Loosen   []string `json:"loosens,omitempty"` // what of the change loosens what is judged
	// Rewritten names rules that say something else, of which it cannot be told
	// whether they ask for less.
	Rewritten []string `json:"rewritten,omitempty"`
}
