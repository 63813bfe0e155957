package store

import (
	"encoding/json"
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Segments says when a segment is full. Whichever limit is met first ends it.
type Segments struct {
	Bytes   int64  // on disk; default 1 GiB
	Records uint64 // 0: no limit
	Monthly bool   // records of two UTC months of record time never share one
}

// ends reports whether the segment, of which current is known, takes no more:
// the batch recorded at now begins a new one. A segment without a record takes
// any.
func (p Segments) ends(current SegmentInfo, now time.Time) bool {
	switch {
	case current.Next == current.First:
		return false
	case p.Bytes > 0 && current.Bytes > p.Bytes,
		p.Records > 0 && current.Next-current.First >= p.Records:
		return true
	}
	return p.Monthly && !sameMonth(current.Newest, now)
}

func sameMonth(a, b time.Time) bool {
	ay, am, _ := a.UTC().Date()
	by, bm, _ := b.UTC().Date()
	return ay == by && am == bm
}

// nextSegment returns the drafts of a batch for the segment they go to, and
// its number. When the batch begins a segment, the end of the one before is
// signed first, so that what is kept of a log always begins at a checkpoint,
// and the batch begins with the record that tells it. Only the committer calls
// it.
func (l *Log) nextSegment(ds []*draftState, head Head, e *edge, now time.Time) ([]*draftState, int, error) {
	if head.Segment == 0 {
		return ds, 1, nil
	}
	segments := l.file.Segments()
	if len(segments) == 0 {
		return nil, 0, problem.New(problem.Corrupt, "the log of %s has no segment", l.tenant)
	}
	current := segments[len(segments)-1]
	if current.Number < head.Segment {
		return ds, head.Segment, nil // it begins with what is on its way
	}
	current.Next, current.Newest = head.Size, head.Recorded
	if !l.st.segments().ends(current, now) {
		return ds, head.Segment, nil
	}
	l.settle() // a checkpoint covers only what is durable
	if err := l.stoppedBy(); err != nil {
		return nil, 0, err
	}
	l.signEnd(current.Number)
	d, err := l.segmentDraft("sealed", evidence.SegmentFacts{
		Act: evidence.SegmentSealed, Segment: current.Number, First: current.First, Next: head.Size,
		Root: e.frontier.Root(), Last: head.Last, Oldest: current.Oldest, Newest: head.Recorded, Sealed: now,
	}, now)
	if err != nil {
		return nil, 0, err
	}
	sealed := &draftState{item: &Item{Draft: d}}
	if err := l.identify(sealed); err != nil {
		return nil, 0, err
	}
	return append([]*draftState{sealed}, ds...), head.Segment + 1, nil
}

// signEnd signs the end of a segment. A log that signed nothing since it was
// opened is left alone: what must be asked before its first signature may take
// long or want to append, and the next checkpoint covers the records too.
func (l *Log) signEnd(number int) {
	l.mu.RLock()
	signs := !l.signedAt.IsZero()
	l.mu.RUnlock()
	if !signs {
		return
	}
	if _, _, err := l.checkpoint(); err != nil {
		l.st.o.Log.Warn("end of segment not signed", "tenant", l.tenant.String(), "segment", number, "err", err)
	}
}

func (s *Store) segments() Segments {
	return Segments{Bytes: s.o.SegmentBytes, Records: s.o.SegmentRecords, Monthly: s.o.SegmentMonthly}
}

// segmentDraft makes a log.segment record. Its key is the act and the number,
// so that it stands once however often it is told.
func (l *Log) segmentDraft(act string, f evidence.SegmentFacts, now time.Time) (evidence.Draft, error) {
	content, err := json.Marshal(f)
	if err != nil {
		return evidence.Draft{}, err
	}
	return evidence.Draft{
		Kind: evidence.LogSegment, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: fmt.Sprintf("%s/%d", act, f.Segment),
		Subject: evidence.NewRef("log", "", l.origin), OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
	}, nil
}

// Segments lists the segments that are kept, the oldest first.
func (l *Log) Segments() ([]SegmentInfo, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	return l.file.Segments(), nil
}
