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
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

func seqBytes(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

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

// pageSize is how many postings are read under one view of the index.
const pageSize = 512

// never is after every record.
var never = When(bytes.Repeat([]byte{0xff}, 16))

// page is one run of postings with a common prefix, in time order.
type page struct {
	bucket   byte
	prefix   []byte
	from, to When // to exclusive
	backward bool
	kinds    []evidence.Kind // of bucketLink and bucketPerson, to filter early

	buf  []hit
	want int // hits to read at a time: few at first, for the one who wants one
	done bool
}

type hit struct {
	when When
	seq  uint64
}

func newPage(bucket byte, prefix []byte, q evidence.Query) *page {
	p := &page{bucket: bucket, prefix: prefix, backward: q.Backward}
	p.to = never
	if !q.Period.IsZero() {
		if !q.Period.From.IsZero() {
			k := timeKey(q.Period.From)
			copy(p.from[:], k[:])
		}
		if !q.Period.To.IsZero() {
			k := timeKey(q.Period.To)
			p.to = When{}
			copy(p.to[:], k[:])
		}
	}
	if bucket == bucketLink || bucket == bucketPerson {
		p.kinds = q.Kinds
	}
	return p
}

// fill reads the next postings.
func (p *page) fill(ls layers, size uint64, gone func(seq uint64) bool) {
	p.want = min(max(8, 4*p.want), pageSize)
	for len(p.buf) < p.want && !p.done {
		var v []byte
		var h hit
		var ok bool
		if p.backward {
			h.when, v, ok = ls.before(p.bucket, p.prefix, p.to)
		} else {
			h.when, v, ok = ls.from(p.bucket, p.prefix, p.from)
		}
		if !ok || bytes.Compare(h.when[:], p.from[:]) < 0 || bytes.Compare(h.when[:], p.to[:]) >= 0 {
			p.done = true
			return
		}
		h.seq = binary.BigEndian.Uint64(h.when[8:])
		if p.backward {
			p.to = h.when
		} else {
			p.from = h.when
			binary.BigEndian.PutUint64(p.from[8:], h.seq+1)
			p.done = h.seq+1 == 0 // no record has that seq
		}
		if h.seq >= size || gone(h.seq) || len(p.kinds) > 0 && !slices.Contains(p.kinds, evidence.Kind(v)) {
			continue
		}
		p.buf = append(p.buf, h)
	}
}

// Records implements evidence.Reader.
func (s *Snapshot) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		n := 0
		for seq, err := range s.sequences(ctx, q) {
			if err != nil {
				yield(evidence.Record{}, err)
				return
			}
			rec, err := s.load(seq, q.WithText, q.WithRaw)
			if err != nil {
				yield(evidence.Record{}, err)
				return
			}
			if !matches(&rec, q) {
				continue
			}
			if !yield(rec, nil) {
				return
			}
			if n++; n == q.Limit {
				return
			}
		}
	}
}

// matches filters what the index cannot.
func matches(r *evidence.Record, q evidence.Query) bool {
	switch {
	case r.Seq < q.FromSeq,
		q.Source != "" && r.Source != q.Source,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, r.Kind),
		!q.Subject.IsZero() && r.Subject != q.Subject,
		!q.Link.IsZero() && r.Subject != q.Link && !slices.Contains(r.Links, q.Link),
		!q.Person.IsZero() && !slices.ContainsFunc(r.People, func(p evidence.Party) bool { return p.Token == q.Person }):
		return false
	case q.Period.IsZero():
		return true
	}
	return (q.Period.From.IsZero() || !r.Occurred.Before(q.Period.From)) && (q.Period.To.IsZero() || r.Occurred.Before(q.Period.To))
}

// sequences yields the seqs of candidates in the query's order.
func (s *Snapshot) sequences(ctx context.Context, q evidence.Query) iter.Seq2[uint64, error] {
	if q.BySeq {
		return s.inOrder(ctx, q)
	}
	var pages []*page
	switch {
	case !q.Person.IsZero():
		pages = append(pages, newPage(bucketPerson, q.Person[:], q))
	case !q.Subject.IsZero() || !q.Link.IsZero():
		r := q.Subject
		if r.IsZero() {
			r = q.Link
		}
		h := s.l.names.ref(r)
		pages = append(pages, newPage(bucketLink, h[:], q))
	default:
		kinds := q.Kinds
		if len(kinds) == 0 {
			for _, i := range evidence.Kinds() {
				kinds = append(kinds, i.Kind)
			}
		}
		for _, k := range kinds {
			pages = append(pages, newPage(bucketTime, append([]byte(k), 0), q))
		}
	}
	return func(yield func(uint64, error) bool) {
		for {
			if err := ctx.Err(); err != nil {
				yield(0, err)
				return
			}
			if err := s.refill(pages); err != nil {
				yield(0, err)
				return
			}
			// Merge until one page runs dry and must be refilled.
			for {
				best := -1
				dry := false
				for i, p := range pages {
					if len(p.buf) == 0 {
						dry = dry || !p.done
						continue
					}
					if best < 0 || before(p.buf[0], pages[best].buf[0], q.Backward) {
						best = i
					}
				}
				if dry {
					break
				}
				if best < 0 {
					return
				}
				h := pages[best].buf[0]
				pages[best].buf = pages[best].buf[1:]
				if !yield(h.seq, nil) {
					return
				}
			}
		}
	}
}

func before(a, b hit, backward bool) bool {
	c := bytes.Compare(a.when[:], b.when[:])
	if backward {
		return c > 0
	}
	return c < 0
}

func (s *Snapshot) refill(pages []*page) error {
	ls, err := s.view()
	if err != nil {
		return err
	}
	for _, p := range pages {
		p.fill(ls, s.size, s.l.gone)
	}
	return s.close(ls)
}

func (s *Snapshot) inOrder(ctx context.Context, q evidence.Query) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		kept, first := s.l.keptSeqs()
		before := uint64(len(kept)) // records kept before first
		n := before + s.size - min(first, s.size)
		for i := range n {
			if q.Backward {
				i = n - 1 - i
			}
			seq := first + i - before
			if i < before {
				seq = kept[i]
			}
			if seq >= s.size {
				continue // the snapshot is older than what was retired since
			}
			if seq < q.FromSeq {
				if q.Backward {
					return
				}
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(0, err)
				return
			}
			if !yield(seq, nil) {
				return
			}
		}
	}
}

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
			seqs, after, err := s.statePage(prefix, next, limit)
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
	// In order of seq, as they lie on the disk; a chunk in one transaction.
	order := make([]int, len(seqs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(seqs[a], seqs[b]) })
	recs := make([]evidence.Record, len(seqs))
	chunks := (len(seqs) + loadChunk - 1) / loadChunk
	err := inOrder(chunks, 1, func(c int) error {
		at := order[c*loadChunk : min((c+1)*loadChunk, len(order))]
		sorted := make([]uint64, len(at))
		for i, o := range at {
			sorted[i] = seqs[o]
		}
		return s.l.file.Entries(sorted, func(i int, e Entry) (err error) {
			recs[at[i]], err = s.opened(e, false, false)
			return err
		})
	})(chunks - 1)
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

// statePage finds the states in force of up to pageSize subjects from the key
// next on, and the key to go on from; nil at the end.
func (s *Snapshot) statePage(prefix, next []byte, limit [8]byte) (seqs []uint64, after []byte, err error) {
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
		if seq, ok := s.stateOf(ls, subject, limit); ok {
			seqs = append(seqs, seq)
		}
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

// The reasons why a claim is closed.
const (
	closedErased  = "erased"
	closedRetired = "retired"
	closedMissing = "key missing"
)

// load reads a record and opens its content, and text and raw when asked.
func (s *Snapshot) load(seq uint64, text, raw bool) (evidence.Record, error) {
	if err := s.use(); err != nil {
		return evidence.Record{}, err
	}
	defer s.l.release()
	return s.loadHeld(seq, text, raw)
}

// loadHeld is load for a caller that has the log in use.
func (s *Snapshot) loadHeld(seq uint64, text, raw bool) (evidence.Record, error) {
	e, err := s.l.file.Entry(seq)
	if errors.Is(err, ErrRetired) {
		return evidence.Record{}, problem.Wrap(problem.NotFound, err, "record %d of %s", seq, s.l.tenant)
	}
	if err != nil {
		return evidence.Record{}, fmt.Errorf("read record %d of %s: %w", seq, s.l.tenant, err)
	}
	return s.opened(e, text, raw)
}

// opened opens a stored record.
func (s *Snapshot) opened(e Entry, text, raw bool) (evidence.Record, error) {
	seq := e.Seq
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return evidence.Record{}, problem.Wrap(problem.Corrupt, err, "record %d of %s", seq, s.l.tenant)
	}
	r := evidence.Record{
		Seq: lf.Seq, Leaf: chain.LeafHash(e.Leaf), ID: lf.ID, Kind: lf.Kind, Version: lf.Version, Op: lf.Op,
		Source: lf.Source, Run: lf.Run, Occurred: lf.Occurred, Basis: lf.Basis, NotBefore: lf.NotBefore,
		Observed: lf.Observed, Recorded: lf.Recorded, People: lf.People, Amends: lf.Amends, Carries: lf.Carries, From: lf.From,
	}
	for i, c := range lf.Claims {
		if c.Name == "text" && !text || c.Name == "raw" && !raw {
			continue
		}
		o, err := s.l.openClaim(lf, e, i)
		if errors.Is(err, ErrKeyMissing) {
			if r.Closed == nil {
				r.Closed = map[string]string{}
			}
			r.Closed[c.Name] = s.l.whyClosed(c.Keys)
			continue
		}
		if err != nil {
			return r, problem.Wrap(problem.Corrupt, err, "record %d of %s", seq, s.l.tenant)
		}
		switch c.Name {
		case "text":
			r.Text = o.Plain
		case "raw":
			r.Raw = o.Plain
		default:
			if err := fillContent(&r, o.Plain); err != nil {
				return r, problem.Wrap(problem.Corrupt, err, "record %d of %s", seq, s.l.tenant)
			}
		}
	}
	return r, nil
}

func fillContent(r *evidence.Record, plain []byte) error {
	var c content
	if err := c.decode(plain); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	r.Key, r.Subject, r.Links, r.Scope = c.Key, c.Subject, c.Links, c.Scope
	r.Actor, r.Facts, r.Request = c.Actor, c.Facts, c.Request
	return nil
}

// openClaim opens the i-th claim of a record.
func (l *Log) openClaim(lf *chain.Leaf, e Entry, i int) (claim.Opening, error) {
	if l.leafOnly(e) {
		return claim.Opening{}, ErrKeyMissing
	}
	if i >= len(e.Claims) {
		return claim.Opening{}, fmt.Errorf("claim %s is not stored", lf.Claims[i].Name)
	}
	c := lf.Claims[i]
	ci, err := l.claimCipher(c.Keys)
	if errors.Is(err, ErrKeyMissing) {
		if o, ok, kerr := l.openKept(lf, c); ok || kerr != nil {
			return o, kerr
		}
	}
	if err != nil {
		return claim.Opening{}, err
	}
	return ci.Open(lf.Origin, lf.ID, c.Name, e.Claims[i], c.Commit)
}

// claimCipher returns the cipher of a claim that needs the keys. One that is gone
// is ErrKeyMissing.
func (l *Log) claimCipher(ids []string) (*claim.Cipher, error) {
	return l.cipher(ids, func() ([][]byte, error) {
		ks := make([][]byte, len(ids))
		for j, id := range ids {
			var err error
			if ks[j], err = l.keys.Key(id); err != nil {
				return nil, fmt.Errorf("key %s: %w", id, err)
			}
		}
		return ks, nil
	})
}

func (l *Log) openContent(lf *chain.Leaf, e Entry) (*content, error) {
	for i, c := range lf.Claims {
		if c.Name != "content" {
			continue
		}
		o, err := l.openClaim(lf, e, i)
		if err != nil {
			return nil, err
		}
		var out content
		if err := out.decode(o.Plain); err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		return &out, nil
	}
	return nil, fmt.Errorf("record %d has no content claim", e.Seq)
}

// whyClosed tells an erased key from a lost one: erased only when an erasure
// record of this log names the key.
func (l *Log) whyClosed(keys []string) string {
	for _, id := range keys {
		if _, err := l.keys.Key(id); err == nil {
			continue
		}
		if l.retiredKey(id) {
			return closedRetired
		}
		erased, err := l.erasureNames(evidence.NewRef("key", "", id))
		if err != nil || !erased && !l.erasedLater(id) {
			return closedMissing
		}
	}
	return closedErased
}

// erasureNames reports whether an erasure record of this log names the key. The
// index only says where to look: it is not sealed, so the record is read.
func (l *Log) erasureNames(key evidence.Ref) (bool, error) {
	v, err := l.openView()
	if err != nil {
		return false, err
	}
	h := l.names.ref(key)
	ls := layers{l.tail.postings(), v}
	var seqs []uint64
	for next := h[:]; ; {
		k, kind := ls.seekGE(bucketLink, next)
		if !bytes.HasPrefix(k, h[:]) {
			break
		}
		if evidence.Kind(kind) == evidence.Erasure {
			seqs = append(seqs, seqOf(k))
		}
		next = append(bytes.Clone(k), 0)
	}
	if err := v.Close(); err != nil {
		return false, err
	}
	for _, seq := range seqs {
		e, err := l.file.Entry(seq)
		if errors.Is(err, ErrRetired) {
			return true, nil // the index is all that is left of it
		}
		if err != nil {
			return false, err
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil || lf.Kind != evidence.Erasure {
			continue
		}
		c, err := l.openContent(lf, e)
		if errors.Is(err, ErrKeyMissing) || err == nil && (c.Subject == key || slices.Contains(c.Links, key)) {
			return true, nil // of a segment whose key was destroyed the leaf is left
		}
	}
	return false, nil
}
