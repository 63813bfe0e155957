package reports

import (
	"regexp"
	"time"

	"evidenced/evidence"
)

// PackDoc is the document of an evidence pack: everything its PDF says, in the
// order it says it. The pack's maker fills it from a log at one size and the
// findings at that size; reports/pdf draws it. Texts are as they came and are
// made safe where they are drawn.
type PackDoc struct {
	Tenant    evidence.Tenant
	Origin    string
	Period    evidence.Period
	FirstSeq  uint64 // first record in the pack
	Size      uint64 // closing log size: records up to Size-1 are in the pack
	Root      evidence.Hash
	Generated time.Time
	Program   string // name and version of the program that made the pack
	Purpose   string // empty: not stated
	Recipient string // empty: not stated

	Complete      bool   // every record of the range is there; else a selection
	Interim       string // why the pack is interim; empty when it is final
	Demonstration bool   // the log is simulated

	Maker      MakerKey
	Anchor     Anchor
	DataDigest evidence.Hash // over the pack's data members

	Controls  []ControlResult // in the order they are shown, law by law
	Laws      []Law           // whose controls they are
	Coverage  CoverageChart
	Incidents []PackIncident
	Timeline  *TimelinePart // nil: none was made
	Registers []Register
	Changes   []SystemChange
	Loosened  []Loosening // of the pack's range
	Custody   []CustodyStep
	Withheld  []WithheldClaims
	Earlier   []EarlierPack
	Steps     []string // how to verify, a command or sentence each; empty: the standard ones

	// Names opens person tokens that stand in labels, reasons and summaries. A
	// token that is not there stays a token: its person was withheld.
	Names map[evidence.ID]string
}

// MakerKey is the key that signs the pack.
type MakerKey struct {
	Name        string // of the note verifier key
	Fingerprint string // lower-case hex
}

// Anchor says how far the closing checkpoint is fixed outside the maker's
// reach. Rung 0 means by nobody but the maker.
type Anchor struct {
	Rung       int
	Says       string // what is shown: "signed by the maker alone"
	LeavesOpen string // what it cannot show
}

// Law is a law whose controls were judged, and what of its text was read.
type Law struct {
	Name       string
	Title      string
	CELEX      string
	Since      string // the date from which it applies, when no control says otherwise
	Read       string // the date as of which its text was read, with the language; empty: not stated
	Binds      string // who is bound by it
	Unverified string // what about it was not checked; may be empty
}

// ControlResult is one control with its findings.
type ControlResult struct {
	ID        evidence.ControlID
	Law       string // short name of the regulation, "DORA"; controls of one law stand together
	Article   string
	Title     string
	Objective string // in our own words
	Status    evidence.Status
	Reason    evidence.Reason
	Findings  []evidence.Finding
	Samples   []string      // of the findings, by their places: what was drawn of each; "" for none
	Coverage  []CoverageRow // of the sources the control rests on
	Limits    string        // what this cannot prove
	Waivers   []Waiver      // in force at the end of what was judged
	Scoped    []Waiver      // statements that it does not apply
	Attested  []Attestation // people's words; no verdict stands on them
	Remedies  []Remedy      // planned for what failed, as of when the pack was made
	// Unplanned counts failed items that no remedy is planned for.
	Unplanned int
	// Waived says that every failure is accepted for a while. The status stays.
	Waived bool
	// Unverified is what about the duty's text was not checked; may be empty.
	Unverified string

	// Preparing is the date from which the law applies, when it did not in what
	// was judged; such controls stand apart and are no breach. Empty: in force.
	Preparing string
	// AnsweredBy is what would answer a control that no source answers yet: it
	// has no findings and counts for nothing. Empty: it was judged.
	AnsweredBy string
}

// Waiver is a dated, approved exception, or a statement of scope. It never
// changes what the evidence says. People stand in it as tokens or names.
type Waiver struct {
	Name       string
	Covers     string // what it accepts: "chg-approved, 1 of 2 failures"
	Reason     string
	By         string
	ApprovedBy string
	From       time.Time
	To         time.Time // zero: no end
	Seq        uint64
}

// Remedy is a plan for what failed. It never changes what the evidence says. A
// person who owns it stands in it as a token or a name.
type Remedy struct {
	Name   string
	Covers string // what it is for: "chg-approved, 1 of 2 failures"
	Owner  string
	Cause  string
	Remedy string // what is done about it
	Due    string // 30 Nov 2026
	Moved  string // the day that was given first, when it is another
	Stands string // in words: "overdue by 3 days"
	Over   bool   // overdue
	Seq    uint64
}

// PackIncident is an incident of the period and its notification clocks, as
// they stood when the pack was made.
type PackIncident struct {
	ID        string
	Reference string // the entity's own; may be empty
	Kind      string // incident, threat, ...; empty: not set
	Declared  time.Time
	Closed    time.Time // zero: open
	Part      bool      // of an incident of the platform
	Clocks    []PackClock
	Notes     []string // what has to be said of all clocks
}

// PackClock is one clock of an incident.
type PackClock struct {
	Stage   string
	Article string
	State   string // in words
	Bad     bool   // late, or overdue
	Open    bool   // somebody still has to do something
	Safe    time.Time
	Latest  time.Time
	Sent    time.Time
	Receipt time.Time
}

// Attestation is a person's word on a control that no source answers.
type Attestation struct {
	Waiver
	Document string // hash, size and type; empty: none
}

// Register is one population as a table: the same rows as the CSV member.
type Register struct {
	Title   string
	Member  string // name of the CSV member in the pack
	Note    string // one sentence on what is in it, and what was left out
	Columns []RegisterColumn
	Rows    [][]string
}

// RegisterColumn is one column of a register.
type RegisterColumn struct {
	Title  string
	Weight float64 // share of the width; 0 counts as 1
	Right  bool    // numbers
	Mono   bool    // hashes and ids
}

// SystemChange is a change of the evidence system itself: a configuration
// loaded, an act of an administrator, a key.
type SystemChange struct {
	At      time.Time
	Seq     uint64
	Kind    evidence.Kind
	Summary string
	By      string
	Diff    []string // lines removed (-) and added (+)
	Loosens []string // what of it loosens the evidence
}

// Loosening is a change that weakened the evidence or asked less of it.
type Loosening struct {
	At   time.Time
	Seq  uint64
	Kind evidence.Kind
	By   string // empty: the record does not say
	Says []string
	// Unclear are rules that say something else; whether they ask for less
	// cannot be told.
	Unclear []string
}

// CustodyStep is one step of how the evidence was held.
type CustodyStep struct {
	At   time.Time
	Step string
	By   string
	Seq  uint64 // 0: not a record
	Hash string // what fixes it, may be empty
}

// WithheldClaims counts claims that were not disclosed, by reason.
type WithheldClaims struct {
	Claim  string // content, text, raw, person
	Count  int
	Reason string
	Seq    uint64 // of an erasure record; 0 for none
}

// EarlierPack is an earlier pack of overlapping scope.
type EarlierPack struct {
	Manifest evidence.Hash
	Period   evidence.Period
	Issued   time.Time
	Records  uint64
	Seq      uint64
}

var tokenInText = regexp.MustCompile(`(person:/)?[A-Za-z0-9_-]{22,}`)

// OpenNames replaces person tokens in a text (bare, or as person:/TOKEN) by
// names. A token behind person:/ that names does not hold becomes
// "person abc123": the person is there, the name is not given.
func OpenNames(text string, names map[evidence.ID]string) string {
	return tokenInText.ReplaceAllStringFunc(text, func(m string) string {
		bare, marked := m, false
		if len(m) > 8 && m[:8] == "person:/" {
			bare, marked = m[8:], true
		}
		id, err := evidence.ParseID(bare)
		if err != nil {
			return m
		}
		if name, ok := names[id]; ok {
			return name
		}
		if marked {
			return "person " + bare[:6]
		}
		return m
	})
}
