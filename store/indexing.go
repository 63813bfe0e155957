package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// indexEvery is how long records wait at most before the index takes them.
const indexEvery = 2 * time.Second

// indexChunk bounds the records of one index transaction.
const indexChunk = 4096

// flushAt is how many waiting records wake the indexer: the committer is left
// alone by it for a burst of that size.
const flushAt = 32 << 10

// maxTail is how many waiting records stop the committer until the indexer has
// caught up: memory stays flat and callers feel the back-pressure.
const maxTail = 64 << 10

func (l *Log) indexLoop() {
	defer l.done.Done()
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	idle := l.flushed.Load() // records in the index when nothing was remembered any more
	for {
		select {
		case <-l.quit:
			return
		case <-l.flush:
		case <-tick.C:
		}
		before := l.flushed.Load()
		if err := l.flushIndex(); err != nil {
			// The index can be derived again; the log goes on from memory.
			l.st.o.Log.Error("index not stored", "tenant", l.tenant.String(), "err", err)
			continue
		}
		if after := l.flushed.Load(); after == before && after != idle {
			l.forgetIndexed()
			idle = after
		}
	}
}

// forgetIndexed has the committer of a log to which nothing comes any more let
// go of what it remembers of records that are in the index by now. While it is
// at work it does so with every batch.
func (l *Log) forgetIndexed() {
	rq := newRequest(nil)
	rq.work = func() error {
		l.recent.rest(l.flushed.Load())
		return nil
	}
	l.queue.push(rq) // nobody waits for it
}

// flushIndex stores the postings of the tail.
func (l *Log) flushIndex() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	for {
		batches := l.tail.first(indexChunk)
		if len(batches) == 0 {
			return nil
		}
		err := l.storePostings(batches)
		l.mu.Lock()
		l.flushErr = err
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// postingLists are lists for the postings of a chunk, which the index copies.
var postingLists = sync.Pool{New: func() any { return &postingList{ps: make([]Posting, 0, indexChunk*7)} }}

// storePostings moves records from the front of the tail into the index.
func (l *Log) storePostings(batches [][]indexed) error {
	list := postingLists.Get().(*postingList)
	defer func() {
		list.ps, list.bytes = list.ps[:0], list.bytes[:0]
		postingLists.Put(list)
	}()
	var mark uint64
	for _, recs := range batches {
		for i := range recs {
			list.add(&l.names, &recs[i])
		}
		mark = recs[len(recs)-1].seq + 1
	}
	if err := l.index.Apply(list.ps, mark); err != nil {
		return err
	}
	// Only now may the records leave memory: a reader always finds them in one
	// place or in both.
	l.flushed.Store(mark)
	l.tail.done(len(batches))
	l.tail.prune()
	l.caughtUp()
	return nil
}

// caughtUp wakes a committer that waits for the index.
func (l *Log) caughtUp() {
	select {
	case l.indexed <- struct{}{}:
	default:
	}
}

// waitForIndex holds the committer back while the tail is too long.
func (l *Log) waitForIndex() {
	for l.tail.len() >= maxTail {
		l.mu.RLock()
		failing := l.flushErr
		l.mu.RUnlock()
		if errors.Is(failing, ErrIndexDamaged) && l.mend(failing) == nil {
			return
		}
		if failing != nil {
			_ = l.stop(fmt.Errorf("the index cannot be written and memory is full: %w", failing))
			return
		}
		l.wakeIndexer()
		select {
		case <-l.quit:
			return
		case <-l.indexed:
		case <-time.After(indexEvery): // the indexer failed, and says so above
		}
	}
}

func (l *Log) wakeIndexer() {
	select {
	case l.flush <- struct{}{}:
	default:
	}
}

// WaitIndexed returns when every record that is in the log now is in the
// stored index.
func (l *Log) WaitIndexed(ctx context.Context) error {
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	size := l.size()
	for l.flushed.Load() < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.flushIndex(); err != nil {
			return fmt.Errorf("index of %s: %w", l.tenant, err)
		}
	}
	return nil
}

// WaitStored is WaitIndexed that waits for the segment too: then nothing is left to
// do of what was appended before.
func (l *Log) WaitStored(ctx context.Context) error {
	if err := l.WaitIndexed(ctx); err != nil {
		return err
	}
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	if err := l.file.Drain(); err != nil {
		return fmt.Errorf("segment of %s: %w", l.tenant, err)
	}
	return nil
}

// catchUpIndex derives the postings of records that were not indexed when the
// log was closed. An index that is ahead of its log belongs to another log
// file (a restored copy) and is thrown away.
func (l *Log) catchUpIndex() error {
	mark, err := l.index.Watermark()
	if err != nil || mark > l.head.Size {
		if err := l.index.Reset(); err != nil {
			return fmt.Errorf("reset index: %w", err)
		}
		mark = 0
	}
	if mark < l.file.First() {
		if mark, err = l.indexRetired(); err != nil {
			return err
		}
	}
	for mark < l.head.Size {
		end := min(mark+indexChunk, l.head.Size)
		ps := make([]Posting, 0, indexChunk*7)
		if err := l.file.Scan(mark, end, func(e Entry) error {
			r, err := l.derive(e)
			if err == nil {
				ps = l.names.postings(ps, &r)
			}
			return err
		}); err != nil {
			return fmt.Errorf("derive index: %w", err)
		}
		if err := l.index.Apply(ps, end); err != nil {
			return fmt.Errorf("store index: %w", err)
		}
		mark = end
	}
	l.flushed.Store(mark)
	l.mu.Lock()
	l.tail = newTail(&l.names, mark)
	l.mu.Unlock()
	return nil
}

// derive opens a stored record and says what the index needs of it. A record
// whose content is closed for good (an erased person's) is found by kind, time
// and people only.
func (l *Log) derive(e Entry) (indexed, error) {
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return indexed{}, fmt.Errorf("record %d: %w", e.Seq, err)
	}
	r := indexed{seq: e.Seq, kind: lf.Kind, at: lf.Occurred, op: lf.Op, people: lf.People}
	c, err := l.openContent(lf, e)
	if err != nil {
		if !errors.Is(err, ErrKeyMissing) {
			l.st.o.Log.Warn("record indexed without its content", "tenant", l.tenant.String(), "seq", e.Seq, "err", err)
		}
		r.closed = true
		if lf.Kind == evidence.PersonKnown && len(lf.People) == 1 {
			// What an erased person's record is about stands in its leaf: it is
			// found as erased, not as unknown.
			r.closed, r.subject = false, evidence.NewRef("person", "", lf.People[0].Token.String())
			r.ident = l.names.state(lf.Source, lf.Kind, r.subject)
		}
		return r, nil
	}
	info, _ := evidence.KindInfo(lf.Kind)
	if r.ident = l.names.identity(lf.Source, lf.Kind, c.Key); info.State {
		r.ident = l.names.state(lf.Source, lf.Kind, c.Subject)
	}
	r.digest, r.subject, r.links = c.Digest, c.Subject, c.Links
	return r, nil
}

// CheckIndex derives the postings of every record again and counts the records
// that the index does not have as they are: not found by kind and time, by what
// they are about or who is in them, or found as something else. Whoever can write
// the index, which is not sealed, hides a record so, or has a state end.
func (l *Log) CheckIndex(ctx context.Context) (wrong uint64, err error) {
	if err := l.use(); err != nil {
		return 0, err
	}
	defer l.release()
	s := l.Snapshot()
	v, err := l.openView()
	if err != nil {
		return 0, err
	}
	c := indexCheck{l: l, ls: layers{s.tree, v}, size: s.size, first: l.file.First(), closed: map[uint64]bool{}, newer: map[uint64]digest{}}
	err = l.file.Scan(c.first, s.size, func(e Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.record(e)
	})
	if err == nil {
		err = c.others(ctx)
	}
	return c.wrong, errors.Join(err, v.Close())
}

// indexCheck compares an index with the records.
type indexCheck struct {
	l           *Log
	ls          layers
	first, size uint64
	wrong       uint64            // records that are not in it as they are
	postings    uint64            // of records that open, by which they are found
	closed      map[uint64]bool   // records that do not open any more: the index may know more of them
	newer       map[uint64]digest // records that are said to be the newest of an identity
}

func (c *indexCheck) record(e Entry) error {
	r, err := c.l.derive(e)
	if err != nil {
		return err
	}
	// A record that was erased since leaves postings that are not derived any
	// more, and a state whose value is not known.
	closed := r.closed || r.digest == (digest{})
	good := true
	if want, said := c.newer[e.Seq]; said {
		good = closed || want == r.ident
		delete(c.newer, e.Seq)
	}
	for _, p := range c.l.names.postings(nil, &r) {
		v, ok := c.ls.get(p.Bucket, p.Key)
		switch {
		case !ok:
			good = false
		case p.Bucket == BucketIdentity && len(v) >= 8 && binary.BigEndian.Uint64(v) > e.Seq:
			c.newer[binary.BigEndian.Uint64(v)] = r.ident // corrected later
		case !closed && !bytes.Equal(v, p.Value):
			good = false
		}
		if !closed && p.Bucket != BucketIdentity {
			c.postings++
		}
	}
	if closed {
		c.closed[e.Seq] = true
	}
	if !good {
		c.wrong++
	}
	return nil
}

// others counts what the index says of records beyond what they say themselves.
func (c *indexCheck) others(ctx context.Context) error {
	var found uint64
	for _, bucket := range []byte{bucketTime, BucketState, bucketLink, bucketPerson} {
		for n, next := 0, []byte{}; ; n++ {
			if n%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			k, _ := c.ls.seekGE(bucket, next)
			if k == nil {
				break
			}
			if len(k) >= len(When{}) {
				seq := binary.BigEndian.Uint64(k[len(k)-8:])
				if seq >= c.first && seq < c.size && !c.closed[seq] {
					found++
				}
			}
			next = append(append(next[:0], k...), 0)
		}
	}
	if found > c.postings {
		c.wrong += found - c.postings
	}
	return nil
}

// RebuildIndex throws the index away and derives it again. The log takes no
// appends and answers no questions meanwhile.
func (l *Log) RebuildIndex() error {
	return l.between(l.deriveIndex)
}
