package gitrepo

import (
	"context"
	"runtime"

	"evidenced/evidence"
)

// counter is a Sink that keeps nothing and watches the heap.
type counter struct {
	drafts int
	resume []byte
	peak   uint64
}

func (c *counter) Emit(_ context.Context, d evidence.Draft) error {
	if c.drafts++; c.drafts%2_500 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.peak = max(c.peak, m.HeapAlloc)
	}
	return d.Check()
}

func (c *counter) Complete(evidence.Kind, evidence.Ref) {}

func (c *counter) Commit(_ context.Context, resume []byte, _ evidence.Observation) error {
	c.resume = resume
	return nil
}
