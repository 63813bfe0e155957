package evidencetest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// query yields what of the first size records matches.
func (l *Log) query(ctx context.Context, q evidence.Query, size uint64) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		n := 0
		for _, r := range l.ordered(q, size) {
			if err := ctx.Err(); err != nil {
				yield(evidence.Record{}, err)
				return
			}
			if err := l.fail["Records"]; err != nil && n > 0 {
				yield(evidence.Record{}, err)
				return
			}
			if !q.WithText {
				r.Text = nil
			}
			if !q.WithRaw {
				r.Raw = nil
			}
			if n++; !yield(r, nil) || n == q.Limit {
				return
			}
		}
		if err := l.fail["Records"]; err != nil {
			yield(evidence.Record{}, err)
		}
	}
}

func (l *Log) ordered(q evidence.Query, size uint64) []evidence.Record {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var rs []evidence.Record
	for i := range l.byTime {
		if !q.BySeq {
			i = l.byTime[i]
		}
		if r := l.records[i]; r.Seq < size && matches(&r, q) {
			rs = append(rs, r)
		}
	}
	if q.Backward {
		slices.Reverse(rs)
	}
	return rs
}

// Matches reports whether a query selects the record; limits and order are not
// its business.
func Matches(r *evidence.Record, q evidence.Query) bool { return matches(r, q) }

func matches(r *evidence.Record, q evidence.Query) bool {
	switch {
	case len(q.Kinds) > 0 && !slices.Contains(q.Kinds, r.Kind),
		q.Source != "" && q.Source != r.Source,
		q.Op != "" && q.Op != r.Op,
		!q.Period.From.IsZero() && r.Occurred.Before(q.Period.From),
		!q.Period.To.IsZero() && !r.Occurred.Before(q.Period.To),
		!q.Subject.IsZero() && q.Subject != r.Subject,
		!q.Link.IsZero() && !r.Holds(q.Link),
		r.Seq < q.FromSeq:
		return false
	}
	return q.Person.IsZero() || slices.ContainsFunc(r.People, func(p evidence.Party) bool { return p.Token == q.Person })
}

func (l *Log) states(ctx context.Context, kind evidence.Kind, at time.Time, size uint64) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		newest := map[string]evidence.Record{}
		l.mu.RLock()
		for _, i := range l.byTime {
			if r := l.records[i]; r.Seq < size && r.Kind == kind && !r.Occurred.After(at) {
				newest[r.Subject.String()+"\x00"+string(r.Source)] = r
			}
		}
		l.mu.RUnlock()
		for _, k := range slices.SortedFunc(maps.Keys(newest), strings.Compare) {
			if err := ctx.Err(); err != nil {
				yield(evidence.Record{}, err)
				return
			}
			r := newest[k]
			r.Text, r.Raw = nil, nil
			if r.Op != evidence.OpEnd && !yield(r, nil) {
				return
			}
		}
		if err := l.fail["States"]; err != nil {
			yield(evidence.Record{}, err)
		}
	}
}

// Snapshot is the log as it stood at Size records.
type Snapshot struct {
	*Log
	size uint64
}

// At returns the log as it stood at size records.
func (l *Log) At(size uint64) *Snapshot { return &Snapshot{l, min(size, l.Size())} }

// Size returns the number of records of the snapshot.
func (s *Snapshot) Size() uint64 { return s.size }

// Record returns a record of the snapshot.
func (s *Snapshot) Record(_ context.Context, seq uint64) (evidence.Record, error) {
	return s.record(seq, s.size)
}

// Records yields the matching records of the snapshot.
func (s *Snapshot) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return s.query(ctx, q, s.size)
}

// States yields the states in force by what the snapshot knows.
func (s *Snapshot) States(ctx context.Context, kind evidence.Kind, at time.Time) iter.Seq2[evidence.Record, error] {
	return s.states(ctx, kind, at, s.size)
}

var (
	_ evidence.Reader = (*Log)(nil)
	_ evidence.Reader = (*Snapshot)(nil)
)
