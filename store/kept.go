package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// retirement is what a log knows of its retired segments.
type retirement struct {
	busy    sync.Mutex // held by a retirement
	expired atomic.Uint64

	pinMu  sync.Mutex // held while a segment goes
	unpins sync.Cond  // on pinMu, made by the first that waits
	pinned int        // long reads that need every segment they began with

	mu    sync.RWMutex
	next  uint64            // records below are gone but for the kept ones
	until time.Time         // record time of the newest of them
	kept  map[uint64][]byte // seq -> what opens it
	order []uint64          // of kept
}

// pin keeps every segment that is kept now until the returned function is
// called: for a long read, which must not lose the ground under it.
func (l *Log) pin() func() {
	l.ret.pinMu.Lock()
	defer l.ret.pinMu.Unlock()
	l.ret.pinned++
	return func() {
		l.ret.pinMu.Lock()
		defer l.ret.pinMu.Unlock()
		if l.ret.pinned--; l.ret.pinned == 0 && l.ret.unpins.L != nil {
			l.ret.unpins.Broadcast()
		}
	}
}

// unpinned runs do while nothing is pinned, and waits for that.
func (l *Log) unpinned(do func() error) error {
	l.ret.pinMu.Lock()
	defer l.ret.pinMu.Unlock()
	l.ret.unpins.L = &l.ret.pinMu
	for l.ret.pinned > 0 {
		l.ret.unpins.Wait()
	}
	return do()
}

// loadRetired reads what outlives the retired segments.
func (l *Log) loadRetired() error {
	kept := map[uint64][]byte{}
	if err := l.file.KeptRecords(func(e Entry, opening []byte) error {
		if len(opening) > 0 { // else only its leaf is kept
			kept[e.Seq] = slices.Clone(opening)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read what outlives retired segments: %w", err)
	}
	var until time.Time
	for _, s := range l.file.Retired() {
		until = s.Newest
	}
	l.ret.mu.Lock()
	defer l.ret.mu.Unlock()
	l.ret.next, l.ret.until, l.ret.kept, l.ret.order = l.file.First(), until, kept, l.ret.order[:0:0]
	for seq := range kept {
		l.ret.order = append(l.ret.order, seq)
	}
	slices.Sort(l.ret.order)
	return nil
}

// gone reports whether the record went with its segment.
func (l *Log) gone(seq uint64) bool {
	l.ret.mu.RLock()
	defer l.ret.mu.RUnlock()
	return seq < l.ret.next && l.ret.kept[seq] == nil
}

// retiredKey reports whether the key is the data key of a retired segment.
func (l *Log) retiredKey(id string) bool {
	n := segmentOfKey(id)
	return n > 0 && slices.ContainsFunc(l.file.Retired(), func(s SegmentInfo) bool { return s.Number == n })
}

// leafOnly reports whether no claim of the record is kept.
func (l *Log) leafOnly(e Entry) bool { return len(e.Claims) == 0 && l.gone(e.Seq) }

// keptSeqs returns the records that outlive their segments, in order, and the
// seq from which on all are kept.
func (l *Log) keptSeqs() ([]uint64, uint64) {
	l.ret.mu.RLock()
	defer l.ret.mu.RUnlock()
	return l.ret.order, l.ret.next
}

// Expired returns how many drafts were refused since the log was opened
// because they are about a time whose records were retired.
func (l *Log) Expired() uint64 { return l.ret.expired.Load() }

// expired reports whether the draft is about something that was retired. A
// known event is: its record is gone. An unknown one is when it happened
// before the horizon by its source's clock; a time that is only claimed decides
// nothing. A state is when another took its place before the horizon; else it
// reaches into what is kept and is wanted whatever its age.
func (f *filter) expired(d *draftState) (bool, error) {
	r := f.l.retired()
	if r.Next == 0 || d.item.Carries != nil {
		return false, nil
	}
	draft := &d.item.Draft
	old := !draft.OccurredAt.After(r.Until)
	if d.info.State {
		if !old {
			return false, nil
		}
		return f.superseded(d, timeKey(draft.OccurredAt), timeKey(r.Until))
	}
	if f.events[d.ident] != nil {
		return false, nil
	}
	if e, ok := f.l.recent.event(d.ident); ok {
		return f.l.gone(e.seq), nil
	}
	if d.stored != nil {
		return len(d.stored) >= 8 && f.l.gone(binary.BigEndian.Uint64(d.stored)), nil
	}
	return old && draft.Basis != evidence.BasisClaimed, nil
}

// superseded reports whether a state of the subject is known after the one
// instant and up to the other.
func (f *filter) superseded(d *draftState, after, until [8]byte) (bool, error) {
	within := func(at [8]byte) bool { return string(at[:]) > string(after[:]) && string(at[:]) <= string(until[:]) }
	for _, g := range f.l.recent.gens {
		if slices.ContainsFunc(g.states[d.ident], func(s stateAt) bool { return within(s.at) }) {
			return true, nil
		}
	}
	if slices.ContainsFunc(f.states[d.ident], func(s stateAt) bool { return within(s.at) }) {
		return true, nil
	}
	newest, ok, err := f.l.storedState(d, until)
	return ok && within(newest.at), err
}

// keptCipher returns what seals the openings of kept records: a key that goes
// with the tenant's root key and with nothing else.
func (l *Log) keptCipher() (cipher.AEAD, error) {
	key, err := l.keys.Derived("kept")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (l *Log) keptBinding(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("evidenced/kept/v1\x00"+l.origin+"\x00"), seq)
}

// sealOpening seals salt and plaintext of a record's content, so that it opens
// when the data key of its segment is gone.
func (l *Log) sealOpening(aead cipher.AEAD, lf *chain.Leaf, e Entry) ([]byte, error) {
	i := slices.IndexFunc(lf.Claims, func(c chain.Claim) bool { return c.Name == "content" })
	if i < 0 {
		return nil, fmt.Errorf("record %d has no content claim", e.Seq)
	}
	o, err := l.openClaim(lf, e, i)
	if err != nil {
		return nil, fmt.Errorf("record %d (%s): %w", e.Seq, lf.Kind, err)
	}
	plain, err := json.Marshal(keptOpening{o.Salt[:], o.Plain})
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, l.keptBinding(e.Seq)), nil
}

type keptOpening struct {
	Salt  []byte `json:"salt"`
	Plain []byte `json:"plain"`
}

// openKept opens the content of a record that outlives its segment; false when
// it is another claim or record.
func (l *Log) openKept(lf *chain.Leaf, c chain.Claim) (claim.Opening, bool, error) {
	var o claim.Opening
	l.ret.mu.RLock()
	sealed := l.ret.kept[lf.Seq]
	l.ret.mu.RUnlock()
	if sealed == nil || c.Name != "content" {
		return o, false, nil
	}
	aead, err := l.keptCipher()
	if err != nil {
		return o, false, err
	}
	n := aead.NonceSize()
	if len(sealed) < n {
		return o, false, errKept
	}
	plain, err := aead.Open(nil, sealed[:n], sealed[n:], l.keptBinding(lf.Seq))
	if err != nil {
		return o, false, errKept
	}
	var k keptOpening
	if err := json.Unmarshal(plain, &k); err != nil || len(k.Salt) != len(o.Salt) {
		return o, false, errKept
	}
	o.Salt, o.Plain = [claim.SaltSize]byte(k.Salt), k.Plain
	return o, true, o.Check(c.Name, c.Commit)
}

var errKept = errors.New("what opens a kept record is damaged")

// checkKept verifies the records that outlive their segments against the tree
// and their openings against the commitments, and that those are all there which
// the records of the retirements name.
func (l *Log) checkKept(dropped []evidence.SegmentFacts) (wrong []string, err error) {
	whole := map[uint64]bool{} // false: the leaf alone
	err = l.file.KeptRecords(func(e Entry, opening []byte) error {
		whole[e.Seq] = len(opening) > 0
		says, err := l.checkKeptRecord(e, len(opening) > 0)
		if says != "" {
			wrong = append(wrong, says)
		}
		return err
	})
	for _, f := range dropped {
		for _, seq := range f.Kept {
			if !whole[seq] {
				wrong = append(wrong, fmt.Sprintf("record %d, which was to outlive segment %d, is missing or does not open", seq, f.Segment))
			}
		}
		if _, ok := whole[f.Next-1]; !ok {
			wrong = append(wrong, fmt.Sprintf("the leaf of record %d, the last of segment %d, is missing", f.Next-1, f.Segment))
		}
	}
	return wrong, err
}

// checkKeptRecord says what is wrong with one record; "" for nothing.
func (l *Log) checkKeptRecord(e Entry, whole bool) (string, error) {
	want, err := l.leafHash(e.Seq)
	if err != nil {
		return "", err
	}
	if chain.LeafHash(e.Leaf) != want {
		return fmt.Sprintf("record %d, which outlives its segment, is not the one in the tree", e.Seq), nil
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return fmt.Sprintf("record %d: %v", e.Seq, err), nil
	}
	if !whole || l.keyless() {
		return "", nil
	}
	if _, err := l.openContent(lf, e); err != nil {
		return fmt.Sprintf("record %d (%s), which outlives its segment: %v", e.Seq, lf.Kind, err), nil
	}
	return "", nil
}

// indexRetired stores the postings of what was retired: all of a record that
// is kept, and of the others what de-duplication knows them by. It returns the
// seq to go on from.
func (l *Log) indexRetired() (uint64, error) {
	first := l.file.First()
	var ps []Posting
	store := func(mark uint64) error {
		err := l.index.Apply(ps, mark)
		ps = ps[:0]
		return err
	}
	if err := l.file.KeptPostings(func(p Posting) error {
		ps = append(ps, Posting{p.Bucket, slices.Clone(p.Key), slices.Clone(p.Value)})
		if len(ps) < indexChunk {
			return nil
		}
		return store(0)
	}); err != nil {
		return 0, fmt.Errorf("index what was retired: %w", err)
	}
	if err := l.file.KeptRecords(func(e Entry, opening []byte) error {
		if len(opening) == 0 {
			return nil
		}
		r, err := l.derive(e)
		if err == nil {
			ps = l.names.postings(ps, &r)
		}
		return err
	}); err != nil {
		return 0, fmt.Errorf("index what outlives retired segments: %w", err)
	}
	return first, store(first)
}

// scanKept is LogFile.Scan over records of which those outlive their segment
// that were retired.
func (l *Log) scanKept(from, to uint64, fn func(Entry) error) error {
	for first := l.file.First(); from < min(to, first); from++ {
		e, err := l.file.Entry(from)
		if err != nil {
			return fmt.Errorf("record %d: %w", from, err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return l.file.Scan(from, to, fn)
}
