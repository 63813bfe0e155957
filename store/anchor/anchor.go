// Package anchor keeps checkpoints outside the machine that signs them, so
// that whoever owns that machine, or its signing key, cannot rewrite or shorten
// a log unseen.
//
// An [Anchor] is one such place. How much it shows depends on who could change
// it together with the log; that is its rung (see [Ladder]). Each checkpoint
// that a place took leaves a [Receipt], which [Receipts] keeps beside the data.
// A receipt is no proof by itself when it lies on the machine it speaks about:
// what counts is verified again at use, from the place itself or by the
// signature of somebody else in the receipt.
//
// The types of anchors here: [File], [Syslog] and [Git] hold the signed note as
// it is; a time-stamping authority and a witness add a signature of their own.
package anchor

import (
	"context"
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Anchor is a place for checkpoints. Its methods may be called by several
// goroutines; Put of one origin is called by one at a time, with sizes that
// never fall.
type Anchor interface {
	// Name is the configured name, shown in reports.
	Name() string
	// Rung is what the place reaches on the ladder as things stand now: a
	// folder that lies on the disk of the log itself reaches none.
	Rung() int
	// Put hands the checkpoint over and returns when the place has it: durable
	// where the place can say so. What is there already is not an error: a
	// crash between Put and the receipt is made good by calling Put again.
	// A place that remembers checks that the new tree extends the one it
	// knows; prove gives the consistency proof (RFC 6962) from an older size
	// of the same log to the checkpoint's. A *Conflict means that it knows of
	// another tree or of a larger one; any other error may pass.
	Put(ctx context.Context, c Checkpoint, prove func(oldSize uint64) ([]evidence.Hash, error)) (Receipt, error)
	// Newest asks for the newest checkpoint the place knows of the log. Not ok
	// means that it knows none, or that it is of a type that cannot be asked.
	// A root that the place cannot tell is zero.
	Newest(ctx context.Context, origin string) (size uint64, root evidence.Hash, ok bool, err error)
}

// Checkpoint is a signed checkpoint of a log.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   evidence.Hash
	Signed []byte // the note, signed by the log's own key
}

// Receipt says what was sent to which place, when, and what came back.
type Receipt struct {
	Anchor string        `json:"anchor"` // name
	Type   string        `json:"type"`   // file, syslog, git, rfc3161, witness
	Rung   int           `json:"rung"`   // when it was made
	Place  string        `json:"place"`  // path or address, without secrets
	Origin string        `json:"origin"`
	Size   uint64        `json:"size"`
	Root   evidence.Hash `json:"root"`
	// Note is the signed note as sent, with the cosignatures that came back.
	Note []byte `json:"note"`
	// Token is the time-stamp token that came back, DER.
	Token []byte `json:"token,omitempty"`
	// Answer is what else the place said: a commit, a serial number.
	Answer string    `json:"answer,omitempty"`
	Sent   time.Time `json:"sent"` // by our clock
	Done   time.Time `json:"done"`
	// Vouched is the time that the place itself signed; zero where it signs
	// none. It bounds the log from above: it was no later in this state.
	Vouched time.Time `json:"vouched,omitzero"`
}

// receipt begins the receipt of a checkpoint.
func (c Checkpoint) receipt(a Anchor, typ, place string, sent time.Time) Receipt {
	return Receipt{Anchor: a.Name(), Type: typ, Rung: a.Rung(), Place: place,
		Origin: c.Origin, Size: c.Size, Root: c.Root, Note: c.Signed, Sent: sent.UTC()}
}

// Conflict says that a place knows of a larger log, or of another tree, than
// the one it was shown: the log was rolled back, cut or rewritten, or the key
// signs in two places.
type Conflict struct {
	Anchor string
	Origin string
	Size   uint64        // what we showed
	Known  uint64        // the size that the place knows
	Root   evidence.Hash // its root there; zero when the place did not say
	Why    string        // in words, without what the place sent
}

// Error names the place, the log and both sizes.
func (c *Conflict) Error() string {
	return fmt.Sprintf("anchor %s holds size %d of log %s, the log has %d: %s", c.Anchor, c.Known, c.Origin, c.Size, c.Why)
}

// Opener verifies a signed note by the log's own key, and by no other, and
// returns what it says.
type Opener func(signed []byte) (chain.Checkpoint, error)

// held decides what a place that holds old does with c: nothing when it holds
// the same already, refuse when c does not extend old, else take it.
func held(name string, old chain.Checkpoint, c Checkpoint, prove func(uint64) ([]evidence.Hash, error)) (same bool, err error) {
	no := &Conflict{Anchor: name, Origin: c.Origin, Size: c.Size, Known: old.Size, Root: old.Root}
	switch {
	case old.Size > c.Size:
		no.Why = "the end of the log is lost, or an older copy was brought back"
		return false, no
	case old.Size == c.Size && old.Root != c.Root:
		no.Why = "two trees of one size were signed"
		return false, no
	case old.Size == c.Size:
		return true, nil
	case old.Size == 0:
		return false, nil
	}
	proof, err := prove(old.Size)
	if err != nil {
		return false, fmt.Errorf("anchor %s: prove that size %d extends %d: %w", name, c.Size, old.Size, err)
	}
	if err := chain.CheckConsistency(proof, old.Size, old.Root, c.Size, c.Root); err != nil {
		no.Why = "the log does not extend what was anchored: records before it were changed"
		return false, no
	}
	return false, nil
}

// Rung is a step of the ladder.
type Rung struct {
	Rung int
	What string // who holds a checkpoint
	Open string // the attack it leaves open
}

// Ladder lists the rungs, the lowest first.
var Ladder = []Rung{
	{0, "local: nobody but this machine holds a checkpoint",
		"whoever can write this machine's disks can cut the log, bring back an older copy, or with its key rewrite all of it"},
	{1, "receipt: somebody was handed a proof with a signed checkpoint",
		"whoever holds the signing key can make another history and other receipts; only who kept an older receipt can tell"},
	{2, "elsewhere: a log, repository, syslog or folder on another disk or host holds checkpoints",
		"whoever holds the signing key and can write there as well can rewrite both; the times are our own"},
	{3, "object lock: a store that lets nobody delete holds checkpoints",
		"a second history beside the first, shown to somebody else; the provider of the store"},
	{4, "time-stamp: an authority signed that the log stood so no later than a time",
		"a second history beside the first, stamped as well and shown to somebody else"},
	{5, "witnesses: others signed that they saw one history only grow",
		"the signing key's holder together with as many witnesses as the policy asks for"},
}
