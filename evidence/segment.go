package evidence

import "time"

// SegmentAct says what a log.segment record tells of a segment.
type SegmentAct string

// The acts.
const (
	SegmentSealed  SegmentAct = "sealed"  // nothing is added to it any more
	SegmentRetired SegmentAct = "retired" // its records are dropped, its hashes are kept
)

// SegmentFacts are the facts of log.segment: what became of one segment of the
// log. The records [First, Next) are in it. Root is the root of the tree of
// Next records, so that whoever has an old checkpoint can be shown that the
// dropped records were those that it signed.
type SegmentFacts struct {
	Act     SegmentAct `json:"act"`
	Segment int        `json:"segment"`
	First   uint64     `json:"first"`
	Next    uint64     `json:"next"`
	Root    Hash       `json:"root"`
	Last    Hash       `json:"last"`   // leaf hash of record Next-1
	Oldest  time.Time  `json:"oldest"` // record times
	Newest  time.Time  `json:"newest"`
	Sealed  time.Time  `json:"sealed,omitzero"`

	// Of a retired segment alone. Every record of it was recorded before
	// Horizon. Carried counts, by kind, the states in force that later records
	// state again; Kept are the records that stay although their segment goes.
	Horizon   time.Time    `json:"horizon,omitzero"`
	Authority string       `json:"authority,omitempty"`
	Reason    string       `json:"reason,omitempty"`
	Carried   map[Kind]int `json:"carried,omitempty"`
	Kept      []uint64     `json:"kept,omitempty"`
}

// Records is the number of records in the segment.
func (f SegmentFacts) Records() uint64 { return f.Next - f.First }

// HoldFacts are the facts of log.hold, a state: while a hold is in force, no
// record is retired, no person erased and the tenant not offboarded. The
// record that ends a hold says who released it and why.
type HoldFacts struct {
	Name      string `json:"name"`
	Reason    string `json:"reason"`
	Authority string `json:"authority"` // who ordered it: a court, a file number
	By        string `json:"by"`        // user id of the process that asked
}

// OffboardStep is one step of taking a tenant off.
type OffboardStep string

// The steps, in their order.
const (
	OffboardCut      OffboardStep = "access-cut"       // no rule names the tenant any more
	OffboardExport   OffboardStep = "export"           // the evidence was handed over, or not, and why
	OffboardClosed   OffboardStep = "final-checkpoint" // the last record of the tenant's log
	OffboardKeys     OffboardStep = "keys-destroyed"
	OffboardSegments OffboardStep = "segments-retired"
)

// OffboardSteps are all steps in their order.
var OffboardSteps = []OffboardStep{OffboardCut, OffboardExport, OffboardClosed, OffboardKeys, OffboardSegments}

// OffboardFacts are the facts of tenant.offboard. The tenant's own log has the
// steps up to the final checkpoint, after which nothing can be added to it;
// the log of _platform has all of them.
type OffboardFacts struct {
	Step      OffboardStep `json:"step"`
	Tenant    Tenant       `json:"tenant"`
	Origin    string       `json:"origin"`
	Earlier   []string     `json:"earlier,omitempty"` // origins of the logs that this one continues; they end with it
	Reason    string       `json:"reason"`
	Authority string       `json:"authority"`
	By        string       `json:"by"` // user id of the process that asked

	Config     string   `json:"config,omitempty"`    // access-cut: hash of the configuration that does not name the tenant
	Manifest   Hash     `json:"manifest,omitzero"`   // export: of the pack that was handed over
	NoExport   string   `json:"no_export,omitempty"` // export: why none was made
	Checkpoint *LogHead `json:"checkpoint,omitempty"`
	Note       string   `json:"note,omitempty"`  // the signed checkpoint itself
	Level      string   `json:"level,omitempty"` // keys-destroyed: logical or cryptographic
	Records    uint64   `json:"records,omitempty"`
}
