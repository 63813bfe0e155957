package evidence

import "time"

// Class says how well a stretch of a source's own time was seen.
type Class string

// The classes, best first.
const (
	Continuous    Class = "continuous"    // gapless cursor over the source's own history, or an unbroken watch
	Instants      Class = "instants"      // polled: nothing is claimed between looks
	Reconstructed Class = "reconstructed" // read later from history
	Blind         Class = "blind"         // not seen, and why
)

// Rank orders classes: 3 continuous, 2 instants, 1 reconstructed, 0 blind or
// unknown.
func (c Class) Rank() int {
	switch c {
	case Continuous:
		return 3
	case Instants:
		return 2
	case Reconstructed:
		return 1
	}
	return 0
}

// Outcome is how a due run of a source ended.
type Outcome string

// The outcomes.
const (
	RunDone    Outcome = "done"    // looked, complete, found something new
	RunEmpty   Outcome = "empty"   // looked, complete, nothing new
	RunPartial Outcome = "partial" // looked, incomplete
	RunFailed  Outcome = "failed"  // could not look
	RunMissed  Outcome = "missed"  // nobody looked: daemon down, source paused
)

// Observation is what a collector says of one act of looking, at Commit.
type Observation struct {
	At     time.Time // when the look ended
	Window Period    // source time asked for; zero for a plain state list
	Seen   []Seen    // what may be claimed for each kind
	// Underway are kinds whose first look is not over: nothing is known of them,
	// not even that the source has none.
	Underway []Kind `json:",omitempty"`

	// Quiet is what the look can claim nothing of, though it was there.
	Quiet []Quiet `json:",omitempty"`

	// Incomplete is empty after a full look, else one sentence saying what is
	// missing and why. It makes the run partial.
	Incomplete string

	Total    int64         // the source's own total; -1 when it gives none
	Counts   []SourceCount // totals the source gives for single lists, beside our own counts
	Identity string        // whose credential: account id or role, never a person's name or a secret
	Sees     []string      // containers the credential may see (projects, repositories); a shrunk set makes the run partial
	Offset   time.Duration // source clock minus ours, from Date headers
	OffsetOK bool          // an offset was measured
	TLSKey   string        // SHA-256 of the endpoint's public key, lower-case hex
	TLS      string        // protocol version
	Requests int           // requests made since the commit before
	Probe    *Probe        // own sighting in a pushed or tailed source
	Notes    []string      // what an operator should know: unknown fields, skipped lines, counts
}

// SourceCount sets the total that a source gives for one list beside what we
// counted for the same question. Fewer of ours than of the source's make the
// run partial; more (the list grew while it was read) are told as they are.
type SourceCount struct {
	What   string `json:"what"`            // "audit log of tenant-7"
	Query  string `json:"query,omitempty"` // the question asked, without credentials
	Source int64  `json:"source"`
	Ours   int64  `json:"ours"`
}

// Probe is a mark we made at the source and found in what the source gave us.
// A tailed source is covered only between two sightings.
type Probe struct {
	ID     string    // request id
	SeenAt time.Time // the source's own time of the mark
}

// Quiet is a stretch in which what we read of a source was read to its end, and
// showed nothing new: whether it would have is not known. Nothing is claimed of it,
// and yet it is not true that nobody looked.
type Quiet struct {
	Kinds []Kind    `json:"kinds"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause"` // as that of Seen
}

// Seen claims a class over a stretch of the source's own time for some kinds.
// For Instants From and To are both the time of the look.
type Seen struct {
	Kinds []Kind
	Scope Ref // zero: everything the source has
	Class Class
	From  time.Time
	To    time.Time
	// Cause says for Blind why, for Reconstructed how late. Every tenant's log tells
	// that of a claim without a scope, and that of a part its owners': it is in words
	// that name nobody and quote nothing of the source.
	Cause string
	// Every is how often these kinds are looked at when that is less often
	// than the source's schedule; zero: at every slot.
	Every time.Duration
}
