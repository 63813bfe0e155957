package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// Retirement of a segment, in its order. Everything before the record can be
// done again without a trace, and everything after it is done again when the
// log is opened:
//
//  1. the states of it that still hold are stated again by records that name
//     the ones they carry
//  2. the record log.segment tells what is dropped, under a signed checkpoint
//  3. the records that others cannot be read without, and what
//     de-duplication must remember, are kept in a file of their own
//  4. hashes and checkpoints are kept beside them, and the segment's file goes
//  5. its data key is destroyed, so that copies of the file are dead too

// SegmentKeys is a TenantKeys whose data keys can be destroyed.
type SegmentKeys interface {
	// DestroyDataKey removes every version of the segment's data key durably.
	// A key that is not there is no error.
	DestroyDataKey(segment int) error
}

// Shredder is a Keyring that can overwrite what destroyed keys left in its
// file.
type Shredder interface{ Shred() error }

// RetireOptions says what is retired, and by whose word.
type RetireOptions struct {
	Before    time.Time // the horizon: segments whose newest record is older
	Authority string    // the rule or person that orders it
	Reason    string
	DryRun    bool // only tell what would be retired
}

// RetiredSegment tells what became of a segment.
type RetiredSegment struct {
	SegmentInfo
	Carried map[evidence.Kind]int `json:"carried,omitempty"` // states stated again
	Kept    []uint64              `json:"kept"`              // records that stay
}

// Retire retires every sealed segment whose newest record was recorded before
// the horizon, the oldest first. The newest segment never is. A log under a
// legal hold is refused.
func (l *Log) Retire(ctx context.Context, o RetireOptions) ([]RetiredSegment, error) {
	if o.Authority == "" || o.Before.IsZero() {
		return nil, problem.New(problem.Usage, "a retirement needs a horizon and an authority")
	}
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	if err := l.stoppedBy(); err != nil {
		return nil, err
	}
	if !l.ret.busy.TryLock() {
		return nil, problem.New(problem.Refused, "segments of %s are being retired already, or somebody is being erased", l.tenant)
	}
	defer l.ret.busy.Unlock()
	due := l.due(o.Before)
	if len(due) == 0 {
		return nil, nil
	}
	if err := l.RefuseHeld(ctx, "retire records"); err != nil {
		return nil, err
	}
	plan := make([]RetiredSegment, len(due))
	for i, s := range due {
		lasting, err := l.lasting(ctx, s)
		if err != nil {
			return nil, err
		}
		plan[i] = RetiredSegment{SegmentInfo: s, Carried: map[evidence.Kind]int{}, Kept: lasting}
	}
	// States are carried past all that goes in one step, so that none is
	// stated again only to go with the next segment.
	if err := l.carry(ctx, plan, o.DryRun); err != nil {
		return nil, fmt.Errorf("carry the states of %s over: %w", l.tenant, err)
	}
	if o.DryRun {
		return plan, nil
	}
	for i, r := range plan {
		err := l.RefuseHeld(ctx, "retire records")
		if err == nil {
			err = l.tellRetired(ctx, r, o)
		}
		if err == nil {
			err = l.drop(ctx, r.SegmentInfo)
		}
		if err != nil {
			return plan[:i], fmt.Errorf("retire segment %d of %s: %w", r.Number, l.tenant, err)
		}
	}
	return plan, nil
}

// due lists the segments that lie before the horizon whole.
func (l *Log) due(before time.Time) []SegmentInfo {
	ss := l.file.Segments()
	n := 0
	for n < len(ss)-1 && ss[n].Sealed && ss[n].Newest.Before(before) {
		n++
	}
	return ss[:n]
}

// lasting lists the records of the segment that outlive it.
func (l *Log) lasting(ctx context.Context, s SegmentInfo) ([]uint64, error) {
	seqs := []uint64{}
	err := l.file.Scan(s.First, s.Next, func(e Entry) error {
		lf, err := chain.Decode(e.Leaf)
		if err != nil {
			return fmt.Errorf("record %d: %w", e.Seq, err)
		}
		if info, _ := evidence.KindInfo(lf.Kind); info.Lasting {
			seqs = append(seqs, e.Seq)
		}
		return ctx.Err()
	})
	return seqs, err
}

// tellRetired appends the record of the retirement and signs it. Told before,
// it is only signed.
func (l *Log) tellRetired(ctx context.Context, s RetiredSegment, o RetireOptions) error {
	now := l.st.o.Clock().UTC()
	root, err := chain.Root(s.Next, l.hashes())
	if err != nil {
		return err
	}
	last, err := l.leafHash(s.Next - 1)
	if err != nil {
		return err
	}
	d, err := l.segmentDraft("retired", evidence.SegmentFacts{
		Act: evidence.SegmentRetired, Segment: s.Number, First: s.First, Next: s.Next, Root: root, Last: last, Oldest: s.Oldest, Newest: s.Newest,
		Horizon: o.Before.UTC(), Authority: o.Authority, Reason: o.Reason, Carried: s.Carried, Kept: s.Kept,
	}, now)
	if err != nil {
		return err
	}
	if _, err := l.Append(ctx, []Item{{Draft: d}}); err != nil {
		return err
	}
	_, _, err = l.Checkpoint()
	return err
}

// drop does what follows the record: it may be repeated from any point.
func (l *Log) drop(ctx context.Context, s SegmentInfo) error {
	if err := l.outlive(ctx, s); err != nil {
		return err
	}
	if err := l.unpinned(func() error {
		if err := l.file.Retire(s.Number); err != nil {
			return err
		}
		return l.loadRetired()
	}); err != nil {
		return err
	}
	return l.destroySegmentKeys()
}

// keepChunk is how many records' worth of what outlives a segment is stored in
// one transaction.
const keepChunk = 4096

// outlive stores what outlives the segment.
func (l *Log) outlive(ctx context.Context, s SegmentInfo) error {
	aead, err := l.keptCipher()
	if err != nil {
		return err
	}
	for from := s.First; from < s.Next; from += keepChunk {
		var k Remains
		err := l.file.Scan(from, min(from+keepChunk, s.Next), func(e Entry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			r, err := l.derive(e)
			if err != nil {
				return err
			}
			for _, p := range l.names.postings(nil, &r) {
				if p.Bucket == BucketIdentity || p.Bucket == BucketState {
					k.Postings = append(k.Postings, p)
				}
			}
			lf, err := chain.Decode(e.Leaf)
			if err != nil {
				return fmt.Errorf("record %d: %w", e.Seq, err)
			}
			if info, _ := evidence.KindInfo(lf.Kind); !info.Lasting {
				if e.Seq == s.Next-1 {
					// The leaf alone shows when what is kept begins.
					k.Entries, k.Openings = append(k.Entries, Entry{Seq: e.Seq, Leaf: slices.Clone(e.Leaf)}), append(k.Openings, nil)
				}
				return nil
			}
			opening, err := l.sealOpening(aead, lf, e)
			if err != nil {
				return err
			}
			k.Entries, k.Openings = append(k.Entries, e.clone()), append(k.Openings, opening)
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortStableFunc(k.Postings, comparePostings) // of two with one key the later holds
		if err := l.file.Keep(k); err != nil {
			return err
		}
	}
	return nil
}

func comparePostings(a, b Posting) int {
	switch {
	case lessPosting(a, b):
		return -1
	case lessPosting(b, a):
		return 1
	}
	return 0
}

func (e Entry) clone() Entry {
	c := Entry{Seq: e.Seq, Leaf: slices.Clone(e.Leaf)}
	for _, b := range e.Claims {
		c.Claims = append(c.Claims, slices.Clone(b))
	}
	return c
}

// destroySegmentKeys destroys the data keys of retired segments, those too
// that an old keyring brought back.
func (l *Log) destroySegmentKeys() error {
	keys, ok := l.keys.(SegmentKeys)
	if !ok {
		return nil
	}
	for _, s := range l.file.Retired() {
		if err := keys.DestroyDataKey(s.Number); err != nil {
			return fmt.Errorf("destroy the data key of segment %d: %w", s.Number, err)
		}
		l.forgetCiphers(s.Number)
	}
	return nil
}

// forgetCiphers takes what was made of a segment's data key out of memory.
func (l *Log) forgetCiphers(segment int) {
	l.ciphersMu.Lock()
	defer l.ciphersMu.Unlock()
	l.ciphersGen++ // what is made of the key at this moment is not remembered
	for name := range l.ciphers {
		if segmentOfKey(name) == segment {
			delete(l.ciphers, name)
		}
	}
}

// segmentOfKey returns the segment of a data key's id, which begins with d and
// the number; 0 for another key.
func segmentOfKey(id string) int {
	n := 0
	if _, err := fmt.Sscanf(id, "d%d", &n); err != nil {
		return 0
	}
	return n
}

// resumeRetired completes what a crash cut off: segments that the log says are
// retired are dropped, and their keys destroyed.
func (l *Log) resumeRetired(ctx context.Context) error {
	if l.stoppedBy() != nil || l.size() == 0 {
		return nil
	}
	told, err := l.told(ctx, evidence.SegmentRetired)
	if problem.Is(err, problem.Corrupt) {
		l.stopAtOpening(err) // verification names what else is wrong
		return nil
	}
	if err != nil {
		return err
	}
	if wrong := untold(l.file.Retired(), told); len(wrong) > 0 {
		l.stopAtOpening(problem.New(problem.Corrupt, "log of %s: %s", l.tenant, wrong[0]).WithHint(doesNotFit, l.tenant))
		return nil
	}
	for _, s := range l.file.Segments() {
		i := slices.IndexFunc(told, func(f evidence.SegmentFacts) bool { return f.Segment == s.Number })
		if i < 0 {
			break
		}
		if err := l.drop(ctx, s); err != nil {
			return fmt.Errorf("complete the retirement of segment %d: %w", s.Number, err)
		}
	}
	return l.destroySegmentKeys()
}

// told reads the log.segment records of one act, in order of the segments. The
// caller has the log in use, or is opening it.
func (l *Log) told(ctx context.Context, act evidence.SegmentAct) ([]evidence.SegmentFacts, error) {
	l.mu.RLock()
	s, t := &Snapshot{l: l, size: l.head.Size}, l.tail
	l.mu.RUnlock()
	s.tree = t.postings()
	v, err := l.openView()
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	for p := newPage(bucketTime, append([]byte(evidence.LogSegment), 0), evidence.Query{}); !p.done; p.buf = nil {
		p.fill(layers{s.tree, v}, s.size, l.gone)
		for _, h := range p.buf {
			seqs = append(seqs, h.seq)
		}
	}
	if err := v.Close(); err != nil {
		return nil, err
	}
	var out []evidence.SegmentFacts
	for _, seq := range seqs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := s.loadHeld(seq, false, false)
		if err != nil {
			return nil, err
		}
		if rec.Kind != evidence.LogSegment {
			return nil, problem.New(problem.Corrupt, "the index of %s names record %d, a %s, as one of a segment", l.tenant, seq, rec.Kind).
				WithHint("make it anew: evidenced fsck --repair-index")
		}
		var f evidence.SegmentFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		if f.Act == act {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b evidence.SegmentFacts) int { return a.Segment - b.Segment })
	return out, nil
}

// CheckRetired compares what is dropped with what the log tells of it, and
// says what does not agree: a log whose begin is missing without a record of
// its retirement was cut, not retired. Of a log that there are no keys for, only
// the hashes of what outlives its segments are compared.
func (l *Log) CheckRetired(ctx context.Context) ([]string, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	first := l.file.First()
	if first == 0 {
		return nil, nil
	}
	if l.keyless() {
		return l.checkKept(nil)
	}
	told, err := l.told(ctx, evidence.SegmentRetired)
	if err != nil {
		return nil, err
	}
	wrong := untold(l.file.Retired(), told)
	var dropped []evidence.SegmentFacts
	next := uint64(0)
	for _, f := range told {
		if f.First != next || f.Next > first {
			continue // of a segment that is not dropped yet
		}
		next = f.Next
		dropped = append(dropped, f)
		root, err := chain.Root(f.Next, l.hashes())
		if err != nil {
			return nil, err
		}
		last, err := l.leafHash(f.Next - 1)
		if err != nil {
			return nil, err
		}
		if root != f.Root || last != f.Last {
			wrong = append(wrong, fmt.Sprintf("the hashes kept of segment %d (records %d to %d) are not those that its record of retirement names", f.Segment, f.First, f.Next-1))
		}
	}
	if next != first {
		wrong = append(wrong, fmt.Sprintf("the records %d to %d are missing, and no record says that they were retired", next, first-1))
	}
	kept, err := l.checkKept(dropped)
	return append(wrong, kept...), err
}

// untold says which of the retired segments are not as their records of
// retirement tell: what is noted of them is not sealed, and their times decide
// which evidence is refused as older than the horizon.
func untold(retired []SegmentInfo, told []evidence.SegmentFacts) (wrong []string) {
	for _, s := range retired {
		if !slices.ContainsFunc(told, func(f evidence.SegmentFacts) bool {
			return f.Segment == s.Number && f.First == s.First && f.Next == s.Next && f.Oldest.Equal(s.Oldest) && f.Newest.Equal(s.Newest)
		}) {
			wrong = append(wrong, fmt.Sprintf("what is noted of segment %d (records %d to %d) is not what a record of its retirement tells", s.Number, s.First, max(s.Next, 1)-1))
		}
	}
	return wrong
}

// leafHash reads the leaf hash of a record from the tree, whether or not the
// record is kept.
func (l *Log) leafHash(seq uint64) (evidence.Hash, error) {
	hs, err := l.hashes().ReadHashes([]int64{storedLeaf(seq)})
	if err != nil {
		return evidence.Hash{}, err
	}
	return evidence.Hash(hs[0]), nil
}

// Retired says what of the log was retired: records below Next that are not
// kept, all of them recorded until Until. It is zero while nothing was.
type Retired struct {
	Next  uint64
	Until time.Time
}

// Retired returns what was retired; of a log that cannot be opened what was
// known of it last.
func (l *Log) Retired() Retired {
	if err := l.use(); err == nil {
		defer l.release()
	}
	return l.retired()
}

func (l *Log) retired() Retired {
	l.ret.mu.RLock()
	defer l.ret.mu.RUnlock()
	return Retired{l.ret.next, l.ret.until}
}

// Keeps reports whether every record of the period is kept. Otherwise it is a
// problem of code refused that says from when on they are.
func (l *Log) Keeps(p evidence.Period) error {
	if err := l.use(); err != nil { // so that it is known
		return err
	}
	defer l.release()
	r := l.Retired()
	if r.Next == 0 || p.From.After(r.Until) {
		return nil
	}
	what := "the begin of the period was"
	if !p.To.IsZero() && !p.To.After(r.Until) {
		what = "the period was"
	}
	return problem.New(problem.Refused, "%s retired under retention: what was recorded until %s is dropped", what, evidence.FormatTime(r.Until)).
		WithHint("ask for a period that begins after it; packs issued before still verify")
}

// errNotCarried says that a state in force cannot be read.
var errNotCarried = errors.New("a state in force cannot be read")
