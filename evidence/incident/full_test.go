package incident_test

import (
	"context"
	"iter"
	"os"
	"testing"

	"evidenced/evidence"
)

// Full is an incident with every field set; mappings/notice reads the same
// file.
func Full(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Records yields records whose text is closed.
func (c closing) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for rec, err := range c.Log.Records(ctx, q) {
			if len(rec.Text) > 0 {
				rec.Text, rec.Closed = nil, map[string]string{"text": "erased"}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}
