package collectors

import (
	"context"
	"time"

	"evidenced/evidence"
)

// Examiner is a Collector that can examine its own access to its source.
// Examine only reads, asks as little as it can, emits nothing and moves no
// cursor. What it found wrong stands in the Examination; the error is for a
// look that could not be made at all (the source is not there, the credential
// file cannot be read).
type Examiner interface {
	Examine(ctx context.Context) (Examination, error)
}

// Examination is what a collector may see of its source, for `evidenced
// doctor`. It names no person and holds no secret.
type Examination struct {
	Identity string    // whose credential: account id or role
	Version  string    // of the source's software, where it says
	Expires  time.Time // of the credential; zero: never, or not said
	Rights   []Right
	Offset   time.Duration // source clock minus ours, from Date headers
	OffsetOK bool          // an offset was measured
	Oldest   []Oldest
	Requests int // made for this examination
}

// Access says how a right stands.
type Access string

// The answers of an examination.
const (
	Readable Access = "readable" // it was tried, and works
	Missing  Access = "missing"  // it was tried, and refused: evidence is missing
	Absent   Access = "absent"   // the source does not have it: an edition, a plan, a version, a part that is not installed
	Excess   Access = "excess"   // the credential may do more than read
	Untold   Access = "unknown"  // it could not be tried
)

// Right is one thing the credential may or may not do.
type Right struct {
	Name   string          // "pull requests of acme/web", "list pods in all namespaces"
	Access Access          //
	Kinds  []evidence.Kind // evidence that stands on it
	Hint   string          // what to add or take away, in the source's own words for its permissions
}

// Oldest is how far back a source still tells.
type Oldest struct {
	What string    // "audit log", "workflow runs of acme/web"
	At   time.Time // of the oldest thing there; zero: it holds nothing
	Kept string    // what limits it, as the source says: "last 10 of each application"
}
