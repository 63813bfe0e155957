package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Snapshot is a log as it stood at a size. It implements evidence.Reader. A
// snapshot of a log that cannot be opened says so when it is asked.
type Snapshot struct {
	l    *Log
	size uint64
	tree *btree.BTreeG[Posting]
	err  error
}

var _ evidence.Reader = (*Snapshot)(nil)

// Snapshot returns the log as it stands now.
func (l *Log) Snapshot() *Snapshot {
	s := &Snapshot{l: l, tree: newTree()}
	if s.err = l.use(); s.err != nil {
		return s
	}
	defer l.release()
	l.mu.RLock()
	s.size = l.head.Size
	t := l.tail
	l.mu.RUnlock()
	s.tree = t.postings()
	return s
}

// use makes the log resident for an operation; the caller releases it.
func (s *Snapshot) use() error {
	if s.err != nil {
		return s.err
	}
	return s.l.use()
}

// view opens the index for one goroutine; the log is in use until it is
// closed.
func (s *Snapshot) view() (layers, error) {
	if err := s.use(); err != nil {
		return layers{}, err
	}
	v, err := s.l.openView()
	if err != nil {
		s.l.release()
		return layers{}, err
	}
	return layers{s.tree, v}, nil
}

func (s *Snapshot) close(ls layers) error {
	defer s.l.release()
	return ls.view.Close()
}

// SnapshotAt returns the log as it stood at the size.
func (l *Log) SnapshotAt(size uint64) (*Snapshot, error) {
	s := l.Snapshot()
	if s.err != nil {
		return nil, s.err
	}
	if size > s.size {
		return nil, fmt.Errorf("the log of %s has %d records, not %d", l.tenant, s.size, size)
	}
	s.size = size
	return s, nil
}

// Log returns the log the snapshot is of.
func (s *Snapshot) Log() *Log { return s.l }

// Tenant implements evidence.Reader.
func (s *Snapshot) Tenant() evidence.Tenant { return s.l.tenant }

// Origin implements evidence.Reader.
func (s *Snapshot) Origin() string { return s.l.origin }

// Simulated implements evidence.Reader.
func (s *Snapshot) Simulated() bool { return s.l.simulated }

// Size implements evidence.Reader.
func (s *Snapshot) Size() uint64 { return s.size }

// States implements evidence.Reader.
func (s *Snapshot) States(ctx context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	prefix := append([]byte(kind), 0)
	limit := timeKey(at)
	return func(yield func(evidence.Record, error) bool) {
		next := slices.Clone(prefix)
		for next != nil {
			if err := ctx.Err(); err != nil {
				yield(evidence.Record{}, err)
				return
			}
			seqs, after, err := s.subjectPage(prefix, next, func(seqs []uint64, ls layers, subject []byte) []uint64 {
				if seq, ok := s.stateOf(ls, subject, limit); ok {
					seqs = append(seqs, seq)
				}
				return seqs
			})
			if err != nil {
				yield(evidence.Record{}, err)
				return
			}
			if !s.loadAll(seqs, yield) {
				return
			}
			next = after
		}
	}
}

// loadChunk is how many records one core opens in one read transaction.
const loadChunk = 32

// loadAll opens records on all cores and yields them in order. It reports
// whether to go on.
func (s *Snapshot) loadAll(seqs []uint64, yield func(evidence.Record, error) bool) bool {
	if err := s.use(); err != nil {
		yield(evidence.Record{}, err)
		return false
	}
	recs := make([]evidence.Record, len(seqs))
	err := s.eachEntry(seqs, func(i int, e Entry) (err error) {
		recs[i], err = s.opened(e, false, false)
		return err
	})
	s.l.release() // before the caller's own work, which may take long
	if err != nil {
		yield(evidence.Record{}, fmt.Errorf("read records of %s: %w", s.l.tenant, err))
		return false
	}
	for i := range recs {
		if !yield(recs[i], nil) {
			return false
		}
	}
	return true
}

// eachEntry calls fn with every stored record and its index in seqs, on all
// cores. The caller has the log in use; an entry is valid until fn returns.
func (s *Snapshot) eachEntry(seqs []uint64, fn func(i int, e Entry) error) error {
	// In order of seq, as they lie on the disk; a chunk in one transaction.
	order := make([]int, len(seqs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(seqs[a], seqs[b]) })
	chunks := (len(seqs) + loadChunk - 1) / loadChunk
	return inOrder(chunks, 1, time.Duration(len(seqs))*reading, func(c int) error {
		at := order[c*loadChunk : min((c+1)*loadChunk, len(order))]
		sorted := make([]uint64, len(at))
		for i, o := range at {
			sorted[i] = seqs[o]
		}
		return s.l.file.Entries(sorted, func(i int, e Entry) error { return fn(at[i], e) })
	})(chunks - 1)
}

// subjectPage gathers records of up to pageSize subjects from the key next on: add
// appends those of one. It returns the key to go on from, nil at the end.
func (s *Snapshot) subjectPage(prefix, next []byte, add func(seqs []uint64, ls layers, subject []byte) []uint64) (seqs []uint64, after []byte, err error) {
	ls, err := s.view()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.close(ls)) }()
	for range pageSize {
		k, _ := ls.seekGE(BucketState, next)
		if len(k) != len(prefix)+32 || !bytes.HasPrefix(k, prefix) {
			return seqs, nil, nil
		}
		subject := slices.Clone(k[:len(prefix)+16])
		seqs = add(seqs, ls, subject)
		next = append(subject, bytes.Repeat([]byte{0xff}, 17)...)
	}
	return seqs, next, nil
}

// stateOf returns the newest set of the subject at or before the limit that is
// not ended.
func (s *Snapshot) stateOf(ls layers, subject []byte, limit [8]byte) (uint64, bool) {
	at := never
	copy(at[:], limit[:])
	for {
		when, v, ok := ls.before(BucketState, subject, at)
		if !ok {
			return 0, false
		}
		seq := binary.BigEndian.Uint64(when[8:])
		if seq >= s.size {
			at = when
			continue
		}
		op, _ := decodeState(v)
		return seq, op == evidence.OpSet && !s.l.gone(seq)
	}
}

// Record implements evidence.Reader.
func (s *Snapshot) Record(ctx context.Context, seq uint64) (evidence.Record, error) {
	if seq >= s.size {
		return evidence.Record{}, problem.New(problem.NotFound, "no record %d: the log of %s has %d", seq, s.l.tenant, s.size)
	}
	if err := ctx.Err(); err != nil {
		return evidence.Record{}, err
	}
	return s.load(seq, true, true)
}

// Identity implements evidence.Reader.
func (s *Snapshot) Identity(ctx context.Context, token evidence.ID) (evidence.Identity, error) {
	id := evidence.Identity{Token: token}
	subject := evidence.NewRef("person", "", token.String())
	ident := s.l.names.state(evidence.SelfSource, evidence.PersonKnown, subject)
	ls, err := s.view()
	if err != nil {
		return id, err
	}
	limit := timeKey(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	seq, ok := s.stateOf(ls, stateKey(evidence.PersonKnown, ident), limit)
	if err := s.close(ls); err != nil {
		return id, err
	}
	if !ok {
		return id, problem.New(problem.NotFound, "nobody in the log of %s has the token %s", s.l.tenant, token)
	}
	rec, err := s.load(seq, false, false)
	if err != nil {
		return id, err
	}
	if why, closed := rec.Closed["content"]; closed {
		if why == closedErased {
			id.Erased = true
			return id, nil
		}
		return id, fmt.Errorf("person record %d: %s", seq, why)
	}
	var f evidence.PersonFacts
	if err := rec.Decode(&f); err != nil {
		return id, err
	}
	id.Realm, id.NativeID, id.Names = f.Realm, f.NativeID, f.Names
	return id, nil
}
