package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
	"evidenced/store"
	"evidenced/store/anchor"
)

// holding is what a place holds of a log, as verified now.
type holding struct {
	place       *place
	size        uint64 // 0: nothing that counts
	root        evidence.Hash
	rung        int
	says        string
	via         string // _platform, when it holds that log's list of this one
	taken       time.Time
	vouched     time.Time
	contradicts string // it holds another log than this one, of size other
	other       store.Anchored
}

// holdings tells what every place holds of the log: its checkpoints, and those
// of _platform, whose records list the others' checkpoints.
func (s *anchors) holdings(ctx context.Context, l *store.Log) ([]holding, error) {
	out := make([]holding, len(s.places))
	errs := make([]error, len(s.places))
	var wg sync.WaitGroup
	for i, p := range s.places {
		wg.Go(func() { out[i], errs[i] = s.holding(ctx, p, l) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *anchors) holding(ctx context.Context, p *place, l *store.Log) (holding, error) {
	own, err := s.direct(ctx, p, l)
	if err != nil || l.Tenant() == evidence.Platform || own.contradicts != "" {
		return own, err
	}
	platform, err := s.e.local.Store.Log(evidence.Platform)
	if problem.Is(err, problem.NotFound) {
		return own, nil
	}
	if err != nil {
		return own, err
	}
	h, err := s.direct(ctx, p, platform)
	if err != nil {
		return own, err
	}
	h.via = evidence.Platform.String()
	if h.size == 0 || h.contradicts != "" {
		if own.size > 0 {
			return own, nil
		}
		h.other = store.Anchored{} // that is of the other log, and not to be held against this one
		return h, nil
	}
	head, err := s.listed(ctx, platform, h, l.Origin())
	if err != nil {
		return own, err
	}
	if head.Size <= own.size {
		return own, nil
	}
	h.size, h.root = head.Size, head.Root
	return h, h.against(l)
}

// against compares the holding with the log; what it contradicts counts for
// nothing.
func (h *holding) against(l *store.Log) error {
	why, err := treeOf(l).differs(h.size, h.root)
	if err != nil {
		return err
	}
	if why != "" {
		h.contradicts = fmt.Sprintf("it holds size %d: %s", h.size, why)
		h.other = h.anchored()
		h.size, h.rung = 0, 0
	}
	return nil
}

// anchored is the holding as a verification takes it.
func (h *holding) anchored() store.Anchored {
	name := h.place.Name() + ", " + h.says
	if h.via != "" {
		name += ", through " + h.via
	}
	return store.Anchored{Rung: h.rung, Name: name, Size: h.size, Root: h.root, NotAfter: h.vouched}
}

// maxBrackets is how many older signatures of each place a verification takes
// to tell when records were appended.
const maxBrackets = 100

// anchored is what a verification of the log is held against: what the places
// hold, and the older times that they signed for this very log. A place on this
// machine shows nothing, unless it contradicts.
func (s *anchors) anchored(ctx context.Context, l *store.Log) ([]store.Anchored, error) {
	hs, err := s.holdings(ctx, l)
	if err != nil {
		return nil, err
	}
	var out []store.Anchored
	for _, h := range hs {
		switch {
		case h.contradicts != "" && h.other.Size > 0:
			out = append(out, h.other)
		case h.size > 0 && h.rung > 0:
			out = append(out, h.anchored())
		}
		older, err := s.signedBefore(h.place, l.Origin(), h.size)
		if err != nil {
			return nil, err
		}
		out = append(out, older...)
	}
	return out, nil
}

// signedBefore are the place's signatures on smaller sizes of the log that
// verify, the newest of them.
func (s *anchors) signedBefore(p *place, origin string, size uint64) ([]store.Anchored, error) {
	if p.check == nil || p.Rung() == 0 {
		return nil, nil
	}
	var out []store.Anchored
	err := s.receipts.Back(p.Name(), origin, func(r anchor.Receipt) bool {
		if r.Size >= size {
			return true
		}
		c, err := s.e.local.Store.OpenNote(r.Note)
		if err != nil || c.Origin != origin || c.Size != r.Size {
			return true
		}
		if at, err := p.check(r); err == nil {
			out = append(out, store.Anchored{Rung: p.Rung(), Name: p.Name(), Size: c.Size, Root: c.Root, NotAfter: at})
		}
		return len(out) < maxBrackets
	})
	return out, err
}

// direct tells what the place holds of the log's own checkpoints. A place that
// keeps the notes is asked; what a place signed is verified in the receipt; of
// a place that does neither, the receipt says only that something was sent.
func (s *anchors) direct(ctx context.Context, p *place, l *store.Log) (holding, error) {
	h := holding{place: p}
	r, ok, err := s.receipts.Newest(p.Name(), l.Origin())
	if err != nil {
		return h, err
	}
	if ok {
		c, err := s.e.local.Store.OpenNote(r.Note)
		if err != nil || c.Origin != l.Origin() || c.Size != r.Size || c.Root != r.Root || c.Root.IsZero() {
			// It does not hold what it says; or it has the root of no tree, with
			// which the log would not be compared.
			ok = false
		}
	}
	if ok {
		h.size, h.root, h.taken, h.rung = r.Size, r.Root, r.Done, min(1, p.Rung())
	}
	switch {
	case p.check != nil && ok:
		vouched, err := p.check(r)
		if err != nil {
			return holding{place: p, says: "the signature in its newest receipt does not verify"}, nil
		}
		h.vouched, h.rung, h.says = vouched, p.Rung(), "its signature was verified now"
	case p.check == nil && p.asks && (ok || l.Origin() == s.e.platform): // of other logs only packs were sent
		if err := s.askHolding(ctx, &h, r, l.Origin()); err != nil {
			return h, err
		}
	case ok:
		h.says = "sent; it cannot be asked"
	default:
		h.says = "nothing was sent yet"
	}
	return h, h.against(l)
}

// askHolding lets what the place says now count in place of the receipt.
func (s *anchors) askHolding(ctx context.Context, h *holding, r anchor.Receipt, origin string) error {
	got, err := s.askAgain(ctx, h.place, origin)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && h.size > 0:
		h.says = "by its receipt alone: it does not answer now"
	case err != nil:
		h.says = "it does not answer now"
	case got.conflict != nil:
		*h = holding{place: h.place, says: "asked now", contradicts: got.conflict.Why}
	case !got.ok:
		*h = holding{place: h.place, says: "asked now: it holds none"}
	default:
		h.size, h.root, h.rung, h.says = got.size, got.root, h.place.Rung(), "asked now"
		if r.Size != got.size {
			h.taken = time.Time{}
		}
	}
	return nil
}

// soon is how long the answer of a server across the network is taken again: a
// question about a thousand logs asks it once.
const soon = 30 * time.Second

type said struct {
	answer
	at time.Time
}

// askAgain is ask for a report about several logs.
func (s *anchors) askAgain(ctx context.Context, p *place, origin string) (answer, error) {
	if !strings.Contains(p.config.Place(), "://") {
		return s.ask(ctx, p, origin)
	}
	p.mu.Lock()
	had, ok := p.said[origin]
	p.mu.Unlock()
	if ok && time.Since(had.at) < soon {
		return had.answer, nil
	}
	got, err := s.ask(ctx, p, origin)
	if err == nil {
		p.mu.Lock()
		p.said[origin] = said{got, time.Now()}
		p.mu.Unlock()
	}
	return got, err
}

// listed returns the newest checkpoint of the log of the origin that _platform
// had recorded when it was as the place holds it. The record is proved to be in
// that very tree.
func (s *anchors) listed(ctx context.Context, platform *store.Log, h holding, origin string) (evidence.LogHead, error) {
	snap, err := platform.SnapshotAt(h.size)
	if err != nil {
		return evidence.LogHead{}, err
	}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.LogCheckpoints}, BySeq: true, Backward: true}
	for rec, err := range snap.Records(ctx, q) {
		if err != nil {
			return evidence.LogHead{}, err
		}
		var f evidence.CheckpointsFacts
		if err := rec.Decode(&f); err != nil {
			return evidence.LogHead{}, err
		}
		i := slices.IndexFunc(f.Logs, func(l evidence.LogHead) bool { return l.Origin == origin })
		if i < 0 {
			continue
		}
		proof, err := platform.ProveInclusion(h.size, rec.Seq)
		if err != nil {
			return evidence.LogHead{}, err
		}
		if err := chain.CheckInclusion(proof, h.size, h.root, rec.Seq, rec.Leaf); err != nil {
			return evidence.LogHead{}, problem.Wrap(problem.Corrupt, err, "record %d of %s is not in the tree that %s holds", rec.Seq, evidence.Platform, h.place.Name())
		}
		return f.Logs[i], nil
	}
	return evidence.LogHead{}, nil
}

// Anchors implements api.World.
func (e *Engine) Anchors(ctx context.Context, t evidence.Tenant) (*api.Anchors, error) {
	l, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	hs, err := e.anchors.holdings(ctx, l)
	if err != nil {
		return nil, err
	}
	snap := l.Snapshot()
	a := &api.Anchors{Tenant: t, Origin: l.Origin(), Size: snap.Size(), At: e.Now().UTC(), Demo: snap.Simulated()}
	if why := l.SigningRefused(); why != nil {
		a.Refused = why.Error()
	}
	a.Unanchored = a.Size
	for _, h := range hs {
		p := api.AnchorPlace{Name: h.place.Name(), Type: h.place.config.Type, Place: h.place.config.Place(), Every: h.place.config.Every.String(),
			Rung: h.rung, Says: h.says, Size: h.size, Taken: h.taken, Vouched: h.vouched, Contradicts: h.contradicts}
		if h.size > 0 {
			p.Via = h.via
			a.Unanchored = min(a.Unanchored, a.Size-min(a.Size, h.size))
		}
		h.place.mu.Lock()
		p.Failures, p.Why = h.place.failures, h.place.why
		h.place.mu.Unlock()
		if p.Gaps, err = e.anchors.gaps(ctx, h.place); err != nil {
			return nil, err
		}
		a.Places = append(a.Places, p)
	}
	a.Reaches, err = reaches(ctx, snap, hs)
	for _, r := range anchor.Ladder {
		if slices.ContainsFunc(a.Reaches, func(x api.AnchorReach) bool { return x.Rung == r.Rung }) {
			a.Open = append(a.Open, api.AnchorRung(r))
		}
	}
	return a, err
}

// reaches divides the log into runs of records with the rung they reach. Who
// holds a checkpoint holds every record before it.
func reaches(ctx context.Context, snap *store.Snapshot, hs []holding) ([]api.AnchorReach, error) {
	ends := []uint64{snap.Size()}
	for _, h := range hs {
		if h.size > 0 && h.size < snap.Size() {
			ends = append(ends, h.size)
		}
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	var out []api.AnchorReach
	var from uint64
	for _, to := range ends {
		if to <= from {
			continue
		}
		r := api.AnchorReach{From: from, To: to, By: []string{}}
		for _, h := range hs {
			switch {
			case h.size < to || h.rung < r.Rung:
			case h.rung > r.Rung:
				r.Rung, r.By = h.rung, []string{h.place.Name()}
			default:
				r.By = append(r.By, h.place.Name())
			}
		}
		var err error
		if r.First, err = recordedAt(ctx, snap, from); err != nil {
			return nil, err
		}
		if r.Last, err = recordedAt(ctx, snap, to-1); err != nil {
			return nil, err
		}
		if n := len(out); n > 0 && out[n-1].Rung == r.Rung && slices.Equal(out[n-1].By, r.By) {
			out[n-1].To, out[n-1].Last = r.To, r.Last
		} else {
			out = append(out, r)
		}
		from = to
	}
	return out, nil
}

// recordedAt is when a record was recorded; zero when its segment is retired.
func recordedAt(ctx context.Context, snap *store.Snapshot, seq uint64) (time.Time, error) {
	rec, err := snap.Record(ctx, seq)
	if errors.Is(err, store.ErrNoEntry) {
		return time.Time{}, nil
	}
	return rec.Recorded, err
}

// How far back gaps are looked for, and how many are told, the newest first.
const (
	gapDays = 31
	maxGaps = 20
)

// gaps finds when records of _platform waited for the place longer than three
// times its schedule. Where nothing was recorded nothing waited.
func (s *anchors) gaps(ctx context.Context, p *place) ([]api.AnchorGap, error) {
	if s.e.platform == "" {
		return nil, nil
	}
	l, err := s.e.local.Store.Log(evidence.Platform)
	if err != nil {
		return nil, err
	}
	limit, since := 3*p.config.Every, s.e.Now().AddDate(0, 0, -gapDays)
	type span struct{ before, after anchor.Receipt }
	var far []span
	var next anchor.Receipt
	err = s.receipts.Back(p.Name(), s.e.platform, func(r anchor.Receipt) bool {
		if next.Size > 0 && next.Done.Sub(r.Done) > limit {
			far = append(far, span{r, next})
		}
		next = r
		return r.Done.After(since) && len(far) < maxGaps
	})
	if err != nil {
		return nil, err
	}
	var out []api.AnchorGap
	snap := l.Snapshot()
	for _, f := range far {
		if f.before.Size >= snap.Size() {
			continue // receipts of a log that was longer
		}
		waited, err := recordedAt(ctx, snap, f.before.Size) // the first that it did not hold
		if err != nil {
			return nil, err
		}
		if !waited.IsZero() && f.after.Done.Sub(waited) > limit {
			out = append(out, api.AnchorGap{From: waited, To: f.after.Done})
		}
	}
	return out, nil
}

// Receipt implements api.World. The checkpoint in it is the newest, or an older
// one that reached a higher rung.
func (e *Engine) Receipt(ctx context.Context, t evidence.Tenant, seq uint64) ([]byte, error) {
	l, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	c, signed, err := l.Checkpoint()
	if err != nil {
		return nil, err
	}
	if seq >= c.Size {
		return nil, problem.New(problem.NotFound, "%s has no record %d", t, seq)
	}
	rung := 1
	for _, p := range e.anchors.places {
		r, ok, err := e.anchors.receipts.Newest(p.Name(), l.Origin())
		if err != nil {
			return nil, err
		}
		if ok && r.Size > seq && r.Size <= c.Size && p.check != nil && p.Rung() > rung {
			if _, err := p.check(r); err == nil {
				rung, signed, c.Size = p.Rung(), r.Note, r.Size
			}
		}
	}
	proof := witness.Proof{Index: seq, Signed: signed}
	if proof.Path, err = l.ProveInclusion(c.Size, seq); err != nil {
		return nil, err
	}
	err = l.Snapshot().Export(ctx, seq, seq+1, nil, func(o store.Opened) error {
		proof.Extra = slices.Clone(o.Leaf)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// What is handed out was verified once, as the one who gets it will.
	if _, _, err := proof.Verify(l.Origin(), l.LogKeys().At(c.Size).Key, chain.LeafHash(proof.Extra), nil); err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "receipt of record %d of %s", seq, t)
	}
	return proof.Encode()
}
