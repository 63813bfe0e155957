package evidence

import (
	"context"
	"iter"
	"time"
)

// CoverageNear returns a reader that answers LoadCoverage with the records of
// coverage and of retired segments that can matter for the period alone, so that a question about an
// hour does not read what a log of years was seen of.
//
// A live source leaves a record each UTC day at least, which occurs when its
// stretch ends, so both neighbours are within a day and a little. Beside these
// are the records at either end of the log: what is read from history at the
// start claims times long before its record, and the newest say what was last
// seen of a source that went silent. What was read later from history may
// still be missed: who finds an instant uncovered asks the whole log.
func CoverageNear(r Reader, p Period) Reader { return nearReader{r, p} }

const (
	nearBefore = 26 * time.Hour
	// A record may hold thousands of looks, so those of the ends are few.
	nearEdges = 8
)

type nearReader struct {
	Reader
	period Period
}

// Records yields the coverage records around the period and at the log's ends;
// every other query is answered as it is.
func (n nearReader) Records(ctx context.Context, q Query) iter.Seq2[Record, error] {
	if len(q.Kinds) != 1 || q.Kinds[0] != CollectionCoverage && q.Kinds[0] != LogSegment {
		return n.Reader.Records(ctx, q)
	}
	return func(yield func(Record, error) bool) {
		around, first, last := q, q, q
		if !n.period.From.IsZero() {
			around.Period.From = n.period.From.Add(-nearBefore)
		}
		if !n.period.To.IsZero() {
			around.Period.To = n.period.To.Add(nearBefore)
		}
		first.Limit = nearEdges
		last.Limit, last.Backward = nearEdges, true
		seen := map[uint64]bool{}
		for _, part := range []Query{around, first, last} {
			for rec, err := range n.Reader.Records(ctx, part) {
				if err == nil && seen[rec.Seq] {
					continue
				}
				seen[rec.Seq] = true
				if !yield(rec, err) || err != nil {
					return
				}
			}
		}
	}
}
