package evidence

import "context"

// Newest returns, of the records of a kind whose seq is below the one given, the
// one that was recorded last; ok is false when there is none. With the reader's
// size as below it looks at all of them.
//
// It asks for the records backward and without a limit, and stops at the first.
// A reader answers a query by kind in log order from what it keeps of the kind;
// with a limit it goes back through the log itself, to the very begin of it for a
// kind of which there is nothing.
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
