package daemon

import (
	"context"
	"sync"
	"time"

	"evidenced/evidence/chain"
	"evidenced/reports/pack"
	"evidenced/store"
	"evidenced/store/anchor"
)

// anchorPack bounds how long a pack waits for the anchors.
const anchorPack = 15 * time.Second

// forPack implements receiptsFor: every place is given the closing checkpoint,
// and what it gave for that one and for the newest at or before the begin goes
// into the pack. A place that does not answer in time is left out.
func (s *anchors) forPack(ctx context.Context, l *store.Log, start uint64, closing chain.Checkpoint, signed []byte) ([]pack.Receipt, error) {
	within, cancel := context.WithTimeout(ctx, anchorPack)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range s.places {
		wg.Go(func() { _, _ = s.put(within, p, l, closing, signed) }) // told where it happens
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []pack.Receipt
	for _, p := range s.places {
		for _, size := range []uint64{start, closing.Size} {
			r, ok, err := s.receipts.AtMost(p.Name(), closing.Origin, size)
			if err != nil {
				return nil, err
			}
			// Of the closing checkpoint itself, or of an earlier one that
			// bounds the begin.
			if ok && (r.Size == closing.Size || size == start) {
				if pr, fit := packed(p, r); fit {
					out = append(out, pr)
				}
			}
		}
	}
	return out, nil
}

// packed is the receipt as packs carry it. What shows nothing to somebody else
// is left out: a place on this machine, and a message that was only sent.
func packed(p *place, r anchor.Receipt) (pack.Receipt, bool) {
	out := pack.Receipt{Name: r.Anchor, Size: r.Size, Note: r.Note}
	switch {
	case r.Type == "rfc3161":
		out.Kind, out.Token = pack.TimeStamp, r.Token
	case r.Type == "witness":
		out.Kind = pack.Cosigned
	case p.asks && p.Rung() >= 2:
		out.Kind, out.Rung = pack.Elsewhere, p.Rung()
	default:
		return pack.Receipt{}, false
	}
	return out, true
}
