package intake

import (
	"crypto/rand"
	"fmt"
	"testing"

	"evidenced/store"
)

// BenchmarkPut makes 1,000 drafts of 1 KB over 300 logs durable, and takes
// them out again.
func BenchmarkPut(b *testing.B) {
	const logs, records = 300, 1000
	in, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close() })
	body := make([]byte, records<<10/logs)
	rand.Read(body)
	frames := make([]store.IntakeFrame, logs)
	for b.Loop() {
		for i := range frames {
			frames[i] = store.IntakeFrame{Log: fmt.Sprintf("%016x", i), Body: body}
		}
		var taken []uint64
		if err := in.Put(frames, func(fs []store.IntakeFrame) {
			for _, f := range fs {
				taken = append(taken, f.Pos)
			}
		}); err != nil {
			b.Fatal(err)
		}
		if len(taken) != logs {
			b.Fatalf("%d of %d frames were accepted", len(taken), logs)
		}
		if err := in.Taken(taken...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
}
