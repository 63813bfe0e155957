package evidence

import "time"

// ControlID names a control of a catalog, such as "dora-art-9-4-e".
type ControlID string

// Status is the verdict of a finding. docs/assessment.md has the table that
// decides between the seven, and its order.
type Status string

// The seven statuses.
const (
	NotSatisfied  Status = "not-satisfied"  // an item failed
	Undetermined  Status = "undetermined"   // an item could not be decided
	NotObserved   Status = "not-observed"   // required coverage is missing
	Stale         Status = "stale"          // the newest evidence is too old
	Gap           Status = "gap"            // evidence that must exist is not there
	NotApplicable Status = "not-applicable" // the control does not apply
	Satisfied     Status = "satisfied"      // all items passed under full coverage
)

// Reason details a not-observed status.
type Reason string

// The reasons.
const (
	ReasonNoCollector   Reason = "no-collector"
	ReasonNotConfigured Reason = "not-configured"
	ReasonNoPermission  Reason = "no-permission"
	ReasonSourceDown    Reason = "source-down"
	ReasonBlind         Reason = "blind"
	ReasonClass         Reason = "class" // seen, but of a weaker class than the test accepts

	// ReasonEntity is that of not-applicable: the duty is of other sorts of
	// entities than the tenant and the platform are, by the configuration.
	ReasonEntity Reason = "entity"
)

// Item is one member of a population with its verdict.
type Item struct {
	Seq     uint64    `json:"seq"` // the record that is the item
	Also    []uint64  `json:"also,omitempty"`
	Kind    Kind      `json:"kind"`
	At      time.Time `json:"at"`
	Label   string    `json:"label"`             // short, for people; people stand in it as tokens
	Why     string    `json:"why,omitempty"`     // why it failed or is undetermined
	Verdict Verdict   `json:"verdict,omitempty"` // of this item
}

// Verdict of one item.
type Verdict string

// The three verdicts.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "undetermined"
)

// Window is a stretch of the period that required coverage does not reach.
type Window struct {
	Source SourceID `json:"source,omitempty"`
	Kind   Kind     `json:"kind"`
	Period Period   `json:"period"`
	Class  Class    `json:"class"`
	Cause  string   `json:"cause"`
}

// Finding is the verdict of one test of one control for one tenant over one
// period, as known at a log size.
type Finding struct {
	Tenant   Tenant    `json:"tenant"`
	Control  ControlID `json:"control"`
	Article  string    `json:"article"` // regulation and article, "DORA Art. 9(4)(e)"
	Title    string    `json:"title"`
	Test     string    `json:"test"`
	RuleHash Hash      `json:"rule"` // SHA-256 of the test's canonical text
	Period   Period    `json:"period"`
	Size     uint64    `json:"size"` // log size the verdict stands on
	Status   Status    `json:"status"`
	Reason   Reason    `json:"reason,omitempty"`
	Summary  string    `json:"summary"` // one sentence
	Severity string    `json:"severity"`
	Strength string    `json:"strength"`
	// Preparing is the date from which the law applies, when that lies at or
	// after the end of what was judged: then failing is no breach of it.
	Preparing  string    `json:"preparing,omitempty"`
	View       string    `json:"view"`
	Query      string    `json:"query"` // the population filter, CEL
	Assertion  string    `json:"assertion"`
	Population int       `json:"population"`
	Passed     int       `json:"passed"`
	Failed     []Item    `json:"failed,omitempty"`
	Unknown    []Item    `json:"undetermined,omitempty"`
	Items      []Item    `json:"-"` // all, passed too, in time order
	Uncovered  []Window  `json:"uncovered,omitempty"`
	Class      Class     `json:"class,omitempty"` // weakest class over the period
	Newest     time.Time `json:"newest,omitzero"`
	NewestOf   SourceID  `json:"newest_of,omitempty"` // the source that was looked at longest ago
	Limits     string    `json:"limits,omitempty"`    // what this cannot prove
}
