package collectortest

import (
	"context"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Counter is a Sink that counts drafts and keeps the last resume alone, for what
// is measured: a log too forgets a draft once it is written.
type Counter struct {
	Drafts int
	Resume []byte
}

var _ collectors.Sink = (*Counter)(nil)

// Emit implements collectors.Sink.
func (c *Counter) Emit(context.Context, evidence.Draft) error { c.Drafts++; return nil }

// Complete implements collectors.Sink.
func (c *Counter) Complete(evidence.Kind, evidence.Ref) {}

// Commit implements collectors.Sink.
func (c *Counter) Commit(_ context.Context, resume []byte, _ evidence.Observation) error {
	c.Resume = resume
	return nil
}
