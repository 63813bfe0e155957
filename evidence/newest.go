package evidence

import "context"

// Newest returns, of the records of a kind whose seq is below the one given, the
// one that was recorded last; ok is false when there is none. With the reader's
// size as below it looks at all of them.
//
// It asks for the records backward and without a limit, and stops at the first: a
// reader then answers from what it keeps of the kind, and never goes back through
// the log for a record that may not be there.
func Newest(ctx context.Context, r Reader, k Kind, below uint64) (newest Record, ok bool, err error) {
	for rec, err := range r.Records(ctx, Query{Kinds: []Kind{k}, BySeq: true, Backward: true}) {
		if err != nil {
			return Record{}, false, err
		}
		if rec.Seq < below {
			return rec, true, nil
		}
	}
	return Record{}, false, nil
}
