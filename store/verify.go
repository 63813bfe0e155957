package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Report is the verdict of a verification of one log. Each field answers one
// question; none stands for another.
type Report struct {
	Tenant      evidence.Tenant `json:"tenant"`
	Origin      string          `json:"origin"`
	Size        uint64          `json:"size"`
	Root        evidence.Hash   `json:"root"`
	Records     uint64          `json:"records"` // verified
	Claims      uint64          `json:"claims"`  // ciphertexts whose hash is the leaf's
	Opened      uint64          `json:"opened"`  // claims opened and matched to their commitment (deep)
	Erased      uint64          `json:"erased"`  // claims closed by an erasure record
	Missing     uint64          `json:"missing"` // claims whose key is gone without one
	Checkpoints int             `json:"checkpoints"`
	Signed      uint64          `json:"signed_size"` // newest checkpoint's size
	Unsigned    uint64          `json:"unsigned"`    // records after it
	Indexed     uint64          `json:"indexed"`
	First       time.Time       `json:"first,omitzero"` // record times
	Last        time.Time       `json:"last,omitzero"`
	Clock       string          `json:"clock"`
	Failures    []string        `json:"failures,omitempty"` // what is wrong, at most 20
	MoreFailed  int             `json:"more_failures,omitempty"`
	// Anchor says which rung of the anchor ladder was checked. With none, that
	// the log is whole is shown only against its own checkpoints.
	Anchor string `json:"anchor"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Failures) == 0 && r.Missing == 0 }

func (r *Report) fail(format string, args ...any) {
	if len(r.Failures) == 20 {
		r.MoreFailed++
		return
	}
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

// VerifyOptions says how much is verified.
type VerifyOptions struct {
	Deep     bool // open every claim and check its commitment
	Progress func(done, total uint64)
}

// Verify reads the whole log as it stands and checks leaves, chain, tree,
// ciphertexts, stored checkpoints and sign-state. The error is for reads that
// could not be done; what is wrong with the log stands in the report.
func (l *Log) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	l.mu.RLock()
	head, root, flushed := l.head, l.edge.frontier.Root(), l.flushed.Load()
	l.mu.RUnlock()
	v := verifier{l: l, o: o, r: &Report{
		Tenant: l.tenant, Origin: l.origin, Size: head.Size, Root: root, Indexed: flushed,
		Signed: l.lastSigned().Size, Clock: "real", Anchor: "none given: completeness is shown against this log's own checkpoints only",
	}, prev: chain.GenesisPrev(l.origin), frontier: &chain.Frontier{}}
	if l.simulated {
		v.r.Clock = "simulated"
	}
	v.r.Unsigned = head.Size - v.r.Signed
	if err := v.checkNotes(head.Size); err != nil {
		return nil, err
	}
	err := l.file.Scan(0, head.Size, func(e Entry) error {
		if e.Seq%4096 == 0 {
			if o.Progress != nil {
				o.Progress(e.Seq, head.Size)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		v.record(e)
		return nil
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		v.r.fail("records cannot be read from %d on: %v", v.r.Records, err)
	}
	if v.frontier.Size() == head.Size && v.frontier.Root() != root {
		v.r.fail("the tree over the records has root %s, the log's head says %s", v.frontier.Root(), root)
	}
	if v.frontier.Size() == head.Size && head.Size > 0 && v.prev != head.Last {
		v.r.fail("the head names another last record")
	}
	if stopped := l.stoppedBy(); stopped != nil {
		v.r.fail("the log is stopped: %v", stopped)
	}
	return v.r, nil
}

type verifier struct {
	l        *Log
	o        VerifyOptions
	r        *Report
	prev     evidence.Hash
	frontier *chain.Frontier
	notes    map[uint64]evidence.Hash // checkpoint roots by size
}

// checkNotes verifies the signature of every stored checkpoint.
func (v *verifier) checkNotes(size uint64) error {
	v.notes = map[uint64]evidence.Hash{}
	for at := size; ; {
		n, err := v.l.file.NoteAt(at)
		if err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		if n.Signed == nil {
			return nil
		}
		c, err := chain.OpenCheckpoint(n.Signed, v.l.st.verifier)
		switch {
		case err != nil:
			v.r.fail("checkpoint of size %d: %v", n.Size, err)
		case c.Origin != v.l.origin || c.Size != n.Size:
			v.r.fail("checkpoint of size %d is of log %s, size %d", n.Size, c.Origin, c.Size)
		default:
			v.notes[c.Size] = c.Root
			v.r.Checkpoints++
		}
		if n.Size == 0 {
			return nil
		}
		at = n.Size - 1
	}
}

// record checks one record and goes on after a failure with what is stored,
// so that each damage is named once.
func (v *verifier) record(e Entry) {
	v.r.Records++
	hash := chain.LeafHash(e.Leaf)
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		v.r.fail("record %d: %v", e.Seq, err)
	} else {
		v.leaf(lf, e)
	}
	v.prev = hash
	v.frontier.Append(hash, nil)
	if root, ok := v.notes[v.frontier.Size()]; ok && root != v.frontier.Root() {
		v.r.fail("the records up to %d are not those that the checkpoint of size %d signed", e.Seq, v.frontier.Size())
	}
}

func (v *verifier) leaf(lf *chain.Leaf, e Entry) {
	switch {
	case lf.Origin != v.l.origin:
		v.r.fail("record %d belongs to log %s", e.Seq, lf.Origin)
	case lf.Seq != e.Seq:
		v.r.fail("record %d says it is record %d", e.Seq, lf.Seq)
	case lf.Prev != v.prev:
		v.r.fail("record %d does not follow record %d: it was made after another one", e.Seq, e.Seq-1)
	case lf.Recorded.Before(v.r.Last):
		v.r.fail("record %d was recorded at %s, before its predecessor", e.Seq, evidence.FormatTime(lf.Recorded))
	}
	if v.r.First.IsZero() {
		v.r.First = lf.Recorded
	}
	v.r.Last = lf.Recorded
	if len(lf.Claims) != len(e.Claims) {
		v.r.fail("record %d (%s): %d claims are stored, the leaf has %d", e.Seq, lf.Kind, len(e.Claims), len(lf.Claims))
		return
	}
	for i, c := range lf.Claims {
		if len(e.Claims[i]) != c.Size || evidence.Hash(sha256.Sum256(e.Claims[i])) != c.Sealed {
			v.r.fail("record %d (%s, %s): the stored %s is not the sealed one", e.Seq, lf.Kind, evidence.FormatTime(lf.Occurred), c.Name)
			continue
		}
		v.r.Claims++
		if v.o.Deep {
			v.open(lf, e, i)
		}
	}
}

func (v *verifier) open(lf *chain.Leaf, e Entry, i int) {
	_, err := v.l.openClaim(lf, e, i)
	switch {
	case err == nil:
		v.r.Opened++
	case errors.Is(err, ErrKeyMissing) && v.l.whyClosed(lf.Claims[i].Keys) == closedErased:
		v.r.Erased++
	case errors.Is(err, ErrKeyMissing):
		v.r.Missing++
	default:
		v.r.fail("record %d (%s): %v", e.Seq, lf.Kind, err)
	}
}
