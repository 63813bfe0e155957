package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// Opened is a record with the claims that could be opened.
type Opened struct {
	Seq      uint64
	Leaf     []byte
	Openings map[string]claim.Opening
	Closed   map[string]string // claims asked for that could not be opened, and why
}

// Export calls fn for the records [from, to) in order, opening the named
// claims. The leaf's bytes are valid only during the call.
func (s *Snapshot) Export(ctx context.Context, from, to uint64, claims []string, fn func(Opened) error) error {
	if to > s.size {
		return fmt.Errorf("export to record %d of %d", to, s.size)
	}
	if err := s.use(); err != nil {
		return err
	}
	defer s.l.release()
	defer s.l.pin()()
	return s.l.scanKept(from, to, func(e Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := Opened{Seq: e.Seq, Leaf: e.Leaf}
		if len(claims) == 0 {
			return fn(o)
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil {
			return fmt.Errorf("record %d: %w", e.Seq, err)
		}
		o.Openings, o.Closed = map[string]claim.Opening{}, map[string]string{}
		for i, c := range lf.Claims {
			if !slices.Contains(claims, c.Name) {
				continue
			}
			op, err := s.l.openClaim(lf, e, i)
			switch {
			case errors.Is(err, ErrKeyMissing):
				o.Closed[c.Name] = s.l.whyClosed(c.Keys)
			case err != nil:
				return fmt.Errorf("record %d: %w", e.Seq, err)
			default:
				o.Openings[c.Name] = op
			}
		}
		return fn(o)
	})
}

// CheckpointBefore returns the newest signed checkpoint all of whose records
// were recorded at or before t; a nil note when there is none.
func (s *Snapshot) CheckpointBefore(t time.Time) (chain.Checkpoint, []byte, error) {
	if err := s.use(); err != nil {
		return chain.Checkpoint{}, nil, err
	}
	defer s.l.release()
	// Record times never fall, so the first record after t is found by halving.
	lo, hi := min(s.l.file.First(), s.size), s.size
	for lo < hi {
		mid := (lo + hi) / 2
		e, err := s.l.file.Entry(mid)
		if err != nil {
			return chain.Checkpoint{}, nil, err
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil {
			return chain.Checkpoint{}, nil, fmt.Errorf("record %d: %w", mid, err)
		}
		if lf.Recorded.After(t) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return s.l.NoteAt(lo)
}

// AppendAt appends items and returns the seq of the first that is new, the
// size of the log then, and a signed checkpoint that covers it.
func (l *Log) AppendAt(ctx context.Context, items []Item) (uint64, chain.Checkpoint, []byte, error) {
	res, err := l.Append(ctx, items)
	if err != nil {
		return 0, chain.Checkpoint{}, nil, err
	}
	i := slices.IndexFunc(res.Fates, func(f Fate) bool { return f == Appended || f == Amended })
	if i < 0 {
		return 0, chain.Checkpoint{}, nil, fmt.Errorf("nothing new to append to the log of %s", l.tenant)
	}
	c, signed, err := l.Checkpoint()
	return res.Seqs[i], c, signed, err
}
