package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

func storedLeaf(seq uint64) int64 { return tlog.StoredHashIndex(0, int64(seq)) }

// restated is what a record that is stated again had and no draft can say:
// people by their tokens, whom the keyring may not know any more, and the
// digest by which later states are compared.
type restated struct {
	digest  digest
	parties []evidence.Party
	people  []PersonKey // whose keys seal the text
	subject *PersonKey  // of a person record
}

// adopt gives it to the draft in place of what a draft's people would give.
func (r *restated) adopt(l *Log, d *draftState) error {
	draft := &d.item.Draft
	d.ident = l.names.state(draft.Source, draft.Kind, draft.Subject)
	d.digest, d.parties, d.people, d.subject = r.digest, r.parties, r.people, r.subject
	return nil
}

// carryBatch is how many states are carried in one append.
const carryBatch = 512

// carry states again what of the segments still holds after them, and counts
// it with the segment it comes from; a dry run only counts. What was carried
// before is not carried again.
func (l *Log) carry(ctx context.Context, plan []RetiredSegment, dry bool) error {
	all := plan[len(plan)-1].SegmentInfo
	all.First = plan[0].First
	var items []Item
	flush := func() error {
		if len(items) == 0 {
			return nil
		}
		_, err := l.Append(ctx, items)
		items = items[:0]
		return err
	}
	if err := l.statesToCarry(ctx, all, func(seq uint64, kind evidence.Kind) error {
		it, err := l.restate(seq)
		if errors.Is(err, errErased) {
			return nil // there is nothing left to state
		}
		if err != nil {
			return err
		}
		of := slices.IndexFunc(plan, func(r RetiredSegment) bool { return r.holds(seq) })
		plan[of].Carried[kind]++
		if dry {
			return nil
		}
		if items = append(items, it); len(items) == carryBatch {
			return flush()
		}
		return nil
	}); err != nil {
		return err
	}
	return flush()
}

// statesToCarry calls fn for each record of the segment that a reader of the
// time after it needs: of every subject the state in force when the segment
// ended, the end of one whose begin is kept, and whatever it says of later
// times.
func (l *Log) statesToCarry(ctx context.Context, s SegmentInfo, fn func(seq uint64, kind evidence.Kind) error) error {
	for _, info := range evidence.Kinds() {
		if !info.State {
			continue
		}
		prefix := append([]byte(info.Kind), 0)
		for next := slices.Clone(prefix); next != nil; {
			if err := ctx.Err(); err != nil {
				return err
			}
			seqs, after, err := l.Snapshot().subjectPage(prefix, next, func(seqs []uint64, ls layers, subject []byte) []uint64 {
				return append(seqs, carryOf(ls, subject, s)...)
			})
			if err != nil {
				return err
			}
			for _, seq := range seqs {
				if err := fn(seq, info.Kind); err != nil {
					return err
				}
			}
			next = after
		}
	}
	return nil
}

// carryOf returns the records of one subject that are carried.
func carryOf(ls layers, subject []byte, s SegmentInfo) []uint64 {
	end := timeKey(s.Newest)
	after := append(append(slices.Clone(subject), end[:]...), bytes.Repeat([]byte{0xff}, 9)...)
	var seqs []uint64
	if k, v := ls.seekLT(BucketState, after); len(k) == len(subject)+16 && bytes.HasPrefix(k, subject) {
		op, _ := decodeState(v)
		if seq := seqOf(k); s.holds(seq) && (op == evidence.OpSet || keptSet(ls, subject, k, s)) {
			seqs = append(seqs, seq)
		}
	}
	for k, _ := ls.seekGE(BucketState, after); len(k) == len(subject)+16 && bytes.HasPrefix(k, subject); {
		k = slices.Clone(k)
		following, _ := ls.seekGE(BucketState, append(slices.Clone(k), 0))
		again := len(following) == len(k) && bytes.Equal(following[:len(k)-8], k[:len(k)-8]) // carried, or told twice
		if seq := seqOf(k); s.holds(seq) && !again {
			seqs = append(seqs, seq)
		}
		k = following
	}
	return seqs
}

// keptSet reports whether the begin of a state of the subject, before the key,
// stays after the segment: carried from an earlier one, or told late.
func keptSet(ls layers, subject, key []byte, s SegmentInfo) bool {
	for {
		k, v := ls.seekLT(BucketState, slices.Clone(key))
		if len(k) != len(subject)+16 || !bytes.HasPrefix(k, subject) {
			return false
		}
		if op, _ := decodeState(v); op == evidence.OpSet && seqOf(k) >= s.Next {
			return true
		}
		key = k
	}
}

func seqOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

func (s SegmentInfo) holds(seq uint64) bool { return seq >= s.First && seq < s.Next }

// errErased says that the content of a record was erased.
var errErased = errors.New("the content was erased")

// restate makes the item that states a record again. Raw bytes are not
// carried: they fall under the retention.
func (l *Log) restate(seq uint64) (Item, error) {
	e, err := l.file.Entry(seq)
	if err != nil {
		return Item{}, fmt.Errorf("read record %d: %w", seq, err)
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return Item{}, fmt.Errorf("record %d: %w", seq, err)
	}
	c, err := l.openContent(lf, e)
	if errors.Is(err, ErrKeyMissing) {
		if l.whyClosed(keysOf(lf, "content")) == closedErased {
			return Item{}, errErased
		}
		return Item{}, fmt.Errorf("record %d (%s): %w: its key is missing", seq, lf.Kind, errNotCarried)
	}
	if err != nil {
		return Item{}, fmt.Errorf("record %d (%s): %w", seq, lf.Kind, err)
	}
	it := Item{Actor: c.Actor, Run: lf.Run, From: lf.From, Carries: &evidence.At{Seq: seq, Leaf: chain.LeafHash(e.Leaf)},
		Draft: evidence.Draft{
			Kind: lf.Kind, Op: lf.Op, Source: lf.Source, Key: c.Key, Subject: c.Subject, OccurredAt: lf.Occurred, Basis: lf.Basis,
			NotBefore: lf.NotBefore, ObservedAt: lf.Observed, Links: c.Links, Scope: c.Scope, Content: c.Facts,
		},
		restated: &restated{digest: c.Digest, parties: lf.People},
	}
	if c.Request != nil {
		it.Draft.Request = *c.Request
	}
	if lf.Kind == evidence.PersonKnown {
		ps, err := l.personKeys(keysOf(lf, "content"))
		if err != nil || len(ps) != 1 {
			return Item{}, fmt.Errorf("record %d: %w: the person's key", seq, errNotCarried)
		}
		it.restated.subject = &ps[0]
	}
	return it, l.restateText(&it, lf, e, c)
}

// restateText takes the text over, unless it was cut or a person it belongs to
// was erased.
func (l *Log) restateText(it *Item, lf *chain.Leaf, e Entry, c *content) error {
	i := slices.IndexFunc(lf.Claims, func(c chain.Claim) bool { return c.Name == "text" })
	if i < 0 || c.TextCut != nil {
		return nil
	}
	o, err := l.openClaim(lf, e, i)
	if errors.Is(err, ErrKeyMissing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record %d (%s): %w", lf.Seq, lf.Kind, err)
	}
	if it.restated.people, err = l.personKeys(lf.Claims[i].Keys); err != nil {
		return err
	}
	it.Draft.Text = o.Plain
	return nil
}

func keysOf(lf *chain.Leaf, claim string) []string {
	for _, c := range lf.Claims {
		if c.Name == claim {
			return c.Keys
		}
	}
	return nil
}

// personKeys reads the keys of people among the ids of a claim's keys.
func (l *Log) personKeys(ids []string) ([]PersonKey, error) {
	var ps []PersonKey
	for _, id := range ids {
		if segmentOfKey(id) > 0 {
			continue
		}
		key, err := l.keys.Key(id)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", id, err)
		}
		ps = append(ps, PersonKey{KeyID: id, Key: key})
	}
	return ps, nil
}
