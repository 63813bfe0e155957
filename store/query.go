package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"
	"slices"

	"evidenced/evidence"
)

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

// mostAtOnce is how many records Records opens at a time at most: few enough
// that large ones do not fill the memory.
const mostAtOnce = 4 * loadChunk

// Records implements evidence.Reader. It opens records some at a time, and more
// of them from time to time, so that one who wants a few does not wait for many.
func (s *Snapshot) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		var seqs []uint64
		n, atOnce := 0, 1
		open := func() (more bool) {
			recs, err := s.matching(seqs, &q)
			seqs = seqs[:0]
			for i := range recs {
				if n++; !yield(recs[i], nil) || n == q.Limit {
					return false
				}
			}
			if err != nil {
				yield(evidence.Record{}, err)
			}
			return err == nil
		}
		for seq, err := range s.sequences(ctx, q) {
			if err != nil {
				if open() {
					yield(evidence.Record{}, err)
				}
				return
			}
			if seq < q.FromSeq {
				continue
			}
			if seqs = append(seqs, seq); len(seqs) < atOnce {
				continue
			}
			if !open() {
				return
			}
			if !q.WithRaw { // what was received may be large
				atOnce = min(2*atOnce, mostAtOnce)
			}
			if q.Limit > 0 {
				atOnce = min(atOnce, q.Limit-n)
			}
		}
		open()
	}
}

// matching opens those of the records that the query asks for, in the order
// given. With an error come the records before the one that it is about.
func (s *Snapshot) matching(seqs []uint64, q *evidence.Query) ([]evidence.Record, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	if err := s.use(); err != nil {
		return nil, err
	}
	defer s.l.release()
	recs := make([]evidence.Record, len(seqs))
	want := make([]bool, len(seqs))
	err := s.eachEntry(seqs, func(i int, e Entry) (err error) {
		recs[i], want[i], err = s.openedFor(e, q)
		return err
	})
	oneByOne := err != nil // to say which it is about
	var out []evidence.Record
	for i, seq := range seqs {
		if oneByOne {
			e, err := s.entry(seq)
			if err == nil {
				recs[i], want[i], err = s.openedFor(e, q)
			}
			if err != nil {
				return out, err
			}
		}
		if want[i] {
			out = append(out, recs[i])
		}
	}
	return out, nil
}

// matches filters what the index cannot.
func matches(r *evidence.Record, q *evidence.Query) bool {
	return leafMatches(r, q) && (q.Subject.IsZero() || r.Subject == q.Subject) && (q.Link.IsZero() || r.Holds(q.Link))
}

// leafMatches filters by what a leaf says, before anything is opened.
func leafMatches(r *evidence.Record, q *evidence.Query) bool {
	switch {
	case r.Seq < q.FromSeq,
		q.Source != "" && r.Source != q.Source,
		q.Op != "" && r.Op != q.Op,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, r.Kind),
		!q.Person.IsZero() && !slices.ContainsFunc(r.People, func(p evidence.Party) bool { return p.Token == q.Person }):
		return false
	case q.Period.IsZero():
		return true
	}
	return (q.Period.From.IsZero() || !r.Occurred.Before(q.Period.From)) && (q.Period.To.IsZero() || r.Occurred.Before(q.Period.To))
}

// sequences yields the seqs of candidates in the query's order.
func (s *Snapshot) sequences(ctx context.Context, q evidence.Query) iter.Seq2[uint64, error] {
	switch {
	case q.BySeq && (len(q.Kinds) > 0 && (q.Limit == 0 || s.few(q)) || !q.Person.IsZero() || !q.Subject.IsZero() || !q.Link.IsZero()):
		return s.sorted(ctx, q)
	case q.BySeq:
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

// few reports whether there are no more records of the query's kinds than one page
// of postings of each shows. Those are sorted also when the query asks for some
// alone: to meet them in the log could take all of it. Of frequent kinds enough
// are met soon.
func (s *Snapshot) few(q evidence.Query) bool {
	ls, err := s.view()
	if err != nil {
		return false // the query itself tells
	}
	all := true
	for _, k := range q.Kinds {
		p := newPage(bucketTime, append([]byte(k), 0), q)
		p.want = pageSize
		p.fill(ls, s.size, s.l.gone)
		all = all && p.done
	}
	return s.close(ls) == nil && all
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

// sorted yields the seqs of some kinds, or of a person or thing, in log order,
// without looking at the records of others. The seqs are held in memory, eight
// bytes each.
func (s *Snapshot) sorted(ctx context.Context, q evidence.Query) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		var seqs []uint64
		for seq, err := range s.sequences(ctx, evidence.Query{Kinds: q.Kinds, Period: q.Period, Person: q.Person, Subject: q.Subject, Link: q.Link}) {
			if err != nil {
				yield(0, err)
				return
			}
			if seq >= q.FromSeq {
				seqs = append(seqs, seq)
			}
		}
		slices.Sort(seqs)
		if q.Backward {
			slices.Reverse(seqs)
		}
		for _, seq := range seqs {
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
