package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// VerifyOptions says how much is verified, and against what.
type VerifyOptions struct {
	Deep    bool       // open every claim and check its commitment
	Since   *Since     // read only what came after; nil reads the whole log
	Anchors []Anchored // what others hold of this log
	Kept    []Kept     // checkpoints of this log that somebody kept
	// Known are signed checkpoints of this log that are known of beside it. They
	// show no completeness: whoever brings the log back from an older copy may
	// bring them back too. What they contradict is a failure.
	Known   []Known
	Workers int // ranges verified at a time; 0 for one on each core
	// Pace is called by a worker after each range with the bytes it has read,
	// and may wait; an error ends the verification. Nil never waits.
	Pace     func(ctx context.Context, bytes int) error
	Progress func(done, total uint64)

	ended bool // another log continues it: that it is stopped, or lacks what was signed, was told there
}

// Since is where an earlier verification ended. It must come from a place that
// whoever can write the log cannot write.
type Since struct {
	Size uint64        `json:"size"`
	Root evidence.Hash `json:"root"`
}

// ReadAheader is an ability of a LogFile that reads badly at random.
type ReadAheader interface {
	// ReadAhead begins to bring the records [from, to) into memory. It is a
	// hint: it returns without waiting for the disk and reports nothing.
	ReadAhead(from, to uint64)
}

// Verify reads the log as it stands and checks leaves, chain, tree, stored
// tiles, ciphertexts, stored checkpoints, sign-state and the given anchors. The
// error is for a verification that could not be done; what is wrong with the
// log stands in the report.
func (l *Log) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	for {
		var r *Report
		err := guarded(func() (err error) {
			r, err = l.verify(ctx, o)
			return err
		})
		if !errors.Is(err, errRetired) {
			return r, err
		}
	}
}

// guarded turns a panic or a memory fault inside f into an error: the storage
// library trusts its pages, and damaged ones lead it out of the file.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = problem.New(problem.Corrupt, "the stored pages are damaged: %v", r)
		}
	}()
	return f()
}

// errRetired says that records were retired while they were to be read.
var errRetired = errors.New("the oldest segment was retired meanwhile")

// verifier puts the ranges together, in order.
type verifier struct {
	l    *Log
	o    VerifyOptions
	r    *Report
	head Head
	edge *edge
	tree chain.HashReader

	first    uint64        // the oldest record kept
	prev     evidence.Hash // leaf hash of the record before the next
	frontier *chain.Frontier
	partial  [][]evidence.Hash // by tile level from 1: hashes since the last full tile
	marks    []mark            // by size, those not passed yet
	ownFrom  uint64            // smallest size that a known key signed, of a log without keys; else 0
	fit      []mark            // anchors that fit
}

func (l *Log) verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	// Checkpoints and sign-state never run ahead of the records, so they are
	// read before the head.
	newest, err := l.file.NoteAt(maxSize)
	if err != nil {
		return nil, fmt.Errorf("read the newest checkpoint: %w", err)
	}
	l.sign.mu.Lock()
	signed := mark{size: l.sign.size, root: l.sign.root, about: ofIntegrity, what: "the sign-state"}
	l.sign.mu.Unlock()
	l.mu.RLock()
	head, edge, flushed := l.head, l.edge.clone(), l.flushed.Load()
	l.mu.RUnlock()
	ks := l.heldKeys()
	key, err := note.NewVerifier(ks[len(ks)-1].Key)
	if err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	v := &verifier{l: l, o: o, head: head, edge: edge, tree: edge.hashes(l.file), first: l.file.First(), r: &Report{
		Tenant: l.tenant, Origin: l.origin, Size: head.Size, Root: edge.frontier.Root(), Indexed: flushed, Deep: o.Deep,
		Clock: "real", SignedBy: fmt.Sprintf("%s+%08x", key.Name(), key.KeyHash()), Asked: len(o.Anchors) + len(o.Kept),
	}}
	if l.simulated {
		v.r.Clock = "simulated"
	}
	if newest.Size > head.Size {
		v.r.fail(ofIntegrity, "a checkpoint of size %d is stored, the log has %d records: the end is lost", newest.Size, head.Size)
		newest, err = l.file.NoteAt(head.Size)
		if err != nil {
			return nil, fmt.Errorf("read the newest checkpoint: %w", err)
		}
	}
	v.r.Signed, v.r.Unsigned = newest.Size, head.Size-newest.Size
	if signed.size > 0 && !(o.ended && signed.size > head.Size) {
		v.expect(signed)
	}
	for _, k := range o.Known {
		v.expect(mark{size: k.Size, root: k.Root, about: ofIntegrity, what: k.From})
	}
	if _, err := l.KeyChanges(head.Size); err != nil {
		v.r.fail(ofSignatures, "%v", err)
	}
	for _, a := range slices.Concat(o.Anchors, v.open(o.Kept)) {
		v.expect(mark{size: a.Size, root: a.Root, about: ofCompleteness, what: a.Name, anchor: &a})
	}
	slices.SortStableFunc(v.marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	v.retired(ctx)
	if v.ownFrom, err = v.l.oldestOwn(); err != nil {
		return nil, err
	}
	if err := v.begin(); err != nil {
		return nil, err
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	v.finish()
	return v.r, nil
}

// retired compares what is gone with what the log tells of it. What cannot be
// compared is a failure like another: the rest is verified all the same.
func (v *verifier) retired(ctx context.Context) {
	var wrong []string
	err := guarded(func() (err error) {
		wrong, err = v.l.CheckRetired(ctx)
		return err
	})
	for _, w := range wrong {
		v.r.fail(ofIntegrity, "%s", w)
	}
	if err != nil {
		v.r.fail(ofIntegrity, "what was retired cannot be compared: %v", err)
	}
	if v.l.keyless() {
		v.r.Untold = v.first
	}
}

// begin finds where reading starts, and the state of chain and tree there:
// from the stored hashes, for the records before are gone or were verified
// earlier.
func (v *verifier) begin() error {
	from := v.first
	if s := v.o.Since; s != nil {
		v.r.Since = s
		switch {
		case s.Size > v.head.Size:
			v.r.fail(ofIntegrity, "%d records were verified earlier, %d are here: the end is lost", s.Size, v.head.Size)
			v.r.Since = nil
		case !v.rootIs(s.Size, s.Root, ofIntegrity, "the records verified earlier"):
			v.r.Since = nil // the whole log is read to find the damage
		default:
			from = max(from, s.Size)
		}
	}
	v.r.From = from
	v.prev, v.frontier = chain.GenesisPrev(v.l.origin), &chain.Frontier{}
	if from > 0 {
		leaf, err := v.stored(0, from-1, from)
		if err == nil {
			v.prev = leaf[0]
			v.frontier, err = chain.FrontierAt(from, v.tree)
		}
		if err != nil {
			return fmt.Errorf("verify from record %d on: %w", from, err)
		}
	}
	for level, n := 1, from/TileWidth; n > 0; level, n = level+1, n/TileWidth {
		hs, err := v.stored(8*level, n-n%TileWidth, n)
		if err != nil {
			return fmt.Errorf("verify from record %d on: %w", from, err)
		}
		v.partial = append(v.partial, hs)
	}
	// What lies before is compared with the stored tree.
	for len(v.marks) > 0 && v.marks[0].size <= from {
		m := v.marks[0]
		v.marks = v.marks[1:]
		if v.rootIs(m.size, m.root, m.about, m.what) {
			v.passed(m)
		}
	}
	return v.notesBefore(from)
}

// stored reads the hashes [from, to) of a level of the tree.
func (v *verifier) stored(level int, from, to uint64) ([]evidence.Hash, error) {
	indexes := make([]int64, 0, to-from)
	for i := from; i < to; i++ {
		indexes = append(indexes, chain.StoredIndex(level, i))
	}
	hs, err := v.tree.ReadHashes(indexes)
	out := make([]evidence.Hash, len(hs))
	for i, h := range hs {
		out[i] = evidence.Hash(h)
	}
	return out, err
}

// run hands ranges to workers and merges them in order. At most two ranges for
// each worker are in memory.
func (v *verifier) run(ctx context.Context) error {
	workers := v.o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs, order := make(chan *span), make(chan *span, workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range workers {
		wg.Go(func() {
			w := newWorker(v)
			for s := range jobs {
				w.verify(ctx, s)
				close(s.done)
			}
		})
	}
	wg.Go(func() {
		defer close(jobs)
		defer close(order)
		v.dispatch(ctx, jobs, order)
	})
	for s := range order {
		<-s.done
		if s.err != nil {
			return s.err
		}
		v.merge(s)
		if v.o.Progress != nil {
			v.o.Progress(s.to, v.head.Size)
		}
		if s.unreadable != "" {
			if v.l.file.First() > s.from {
				return errRetired
			}
			return nil // the hashes after it are not known
		}
		spans.Put(s)
	}
	return ctx.Err()
}

// dispatch cuts what is to be read into ranges, aligned so that all but the
// first and the last are full subtrees, and reads ahead of the workers.
func (v *verifier) dispatch(ctx context.Context, jobs, order chan<- *span) {
	ahead, _ := v.l.file.(ReadAheader)
	for from := v.r.From; from < v.head.Size; {
		to := min(from-from%spanWidth+spanWidth, v.head.Size)
		if ahead != nil {
			// What damage it meets the worker will meet and tell.
			_ = guarded(func() error { ahead.ReadAhead(from, to); return nil })
		}
		s := newSpan(from, to)
		if s.before = from % TileWidth; s.before > 0 {
			if s.err = guarded(func() error {
				hs, err := v.stored(0, from-s.before, from)
				copy(s.nodes[0][from-s.before-s.base:], hs)
				return err
			}); s.err != nil {
				close(s.done)
				order <- s // has room: it is the first
				return
			}
		}
		select {
		case order <- s:
		case <-ctx.Done():
			return
		}
		select {
		case jobs <- s:
		case <-ctx.Done():
			s.err = ctx.Err()
			close(s.done)
			return
		}
		from = to
	}
}

// merge takes the next range in: its link to the one before, its part of the
// tree, its checkpoints and the marks in it.
func (v *verifier) merge(s *span) {
	v.link(s)
	v.r.Records += s.records
	v.r.Claims += s.claims
	v.r.Opened += s.opened
	v.r.Erased += s.erased
	v.r.Missing += s.missing
	v.r.Tiles += s.tiles
	if s.unreadable != "" {
		v.r.fail(ofIntegrity, "%s", s.unreadable)
		return
	}
	at := s.from
	for _, m := range v.marksIn(s) {
		s.grow(v.frontier, at, m.size)
		at = m.size
		if got := v.frontier.Root(); got != m.root {
			v.mismatch(m, got)
			continue
		}
		if m.note {
			v.counted(m.unchecked)
		}
		v.passed(m)
	}
	s.grow(v.frontier, at, s.to)
	// Subtrees of a full tile are the hashes of the tiles above.
	for i := (s.from - s.before + TileWidth - 1) / TileWidth; i < s.to/TileWidth; i++ {
		v.push(1, i, s.nodes[8][i-s.base/TileWidth])
	}
}

// link compares the range's first record with the one before it, takes the
// range's failures in, and remembers its last record.
func (v *verifier) link(s *span) {
	if h := s.head; h != nil {
		switch {
		case h.prev != v.prev:
			v.r.fail(ofIntegrity, "record %d does not follow record %d: it was made after another one", h.seq, h.seq-1)
		case h.recorded.Before(v.r.Last):
			v.r.fail(ofIntegrity, "record %d was recorded at %s, before its predecessor", h.seq, evidence.FormatTime(h.recorded))
		}
	}
	for _, f := range s.failures {
		v.r.fail(f.about, "%s", f.says)
	}
	v.r.MoreFailed += s.more
	v.r.failed[ofIntegrity] += s.more
	if s.unreadable == "" {
		v.prev = s.nodes[0][s.to-s.base-1]
	}
	if v.r.First.IsZero() {
		v.r.First = s.firstRecorded
	}
	if !s.lastRecorded.IsZero() {
		v.r.Last = s.lastRecorded
	}
}

// push adds hash i of a tile level above the lowest, and compares the tile that
// it fills with the stored one.
func (v *verifier) push(level int, i uint64, h evidence.Hash) {
	if level > len(v.partial) {
		v.partial = append(v.partial, nil)
	}
	p := append(v.partial[level-1], h)
	v.partial[level-1] = p
	if i%TileWidth != TileWidth-1 {
		return
	}
	v.partial[level-1] = nil
	tile := joinHashes(p)
	if len(p) != TileWidth {
		v.r.fail(ofIntegrity, "tile %d/%d has no begin", level, i/TileWidth)
		return
	}
	stored, err := v.l.file.Tile(level, i/TileWidth)
	switch {
	case err != nil:
		v.r.fail(ofIntegrity, "%v", err)
	case !bytes.Equal(stored, tile):
		v.r.fail(ofIntegrity, "tile %d/%d is not what the records give", level, i/TileWidth)
	default:
		v.r.Tiles++
	}
	v.push(level+1, i/TileWidth, subtree(tile))
}

// finish compares what the records gave with the head.
func (v *verifier) finish() {
	if v.frontier.Size() == v.head.Size {
		if root := v.frontier.Root(); root != v.r.Root {
			v.r.fail(ofIntegrity, "the tree over the records has root %s, the log's head says %s", root, v.r.Root)
		}
		if v.head.Size > 0 && v.prev != v.head.Last {
			v.r.fail(ofIntegrity, "the head names another last record")
		}
	}
	if stopped := v.l.stoppedBy(); stopped != nil && !v.o.ended {
		v.r.fail(ofIntegrity, "the log is stopped: %v", stopped)
	}
	v.r.anchored(v.fit)
}
