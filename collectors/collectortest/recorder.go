// Package collectortest tries collectors: a Sink that remembers, a replay
// server, and the conformance suite that every collector passes.
package collectortest

import (
	"context"
	"fmt"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Recorder is a Sink that keeps everything in memory and can fail on demand.
type Recorder struct {
	Drafts    []evidence.Draft // committed
	Pending   []evidence.Draft // emitted since the last Commit
	Completed []Completed      // committed
	Commits   []Commit

	// FailEmit makes the n-th Emit fail (1 is the first); 0 never.
	FailEmit int
	// FailCommit makes the n-th Commit fail (1 is the first); 0 never.
	FailCommit int

	emits     int
	completes []Completed
}

// Completed is one call of Sink.Complete.
type Completed struct {
	Kind  evidence.Kind
	Scope evidence.Ref
}

// Commit is one successful call of Sink.Commit.
type Commit struct {
	Resume      []byte
	Observation evidence.Observation
	Drafts      int // committed so far
}

var _ collectors.Sink = (*Recorder)(nil)

// Emit implements collectors.Sink; a draft that breaks a rule is refused.
func (r *Recorder) Emit(ctx context.Context, d evidence.Draft) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.emits++
	if r.FailEmit > 0 && r.emits >= r.FailEmit {
		return fmt.Errorf("recorder: emit %d fails as asked", r.emits)
	}
	if err := d.Check(); err != nil {
		return err
	}
	if err := checkMentions(&d); err != nil {
		return err
	}
	r.Pending = append(r.Pending, d)
	return nil
}

// Complete implements collectors.Sink.
func (r *Recorder) Complete(kind evidence.Kind, scope evidence.Ref) {
	r.completes = append(r.completes, Completed{kind, scope})
}

// Commit implements collectors.Sink.
func (r *Recorder) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkCauses(o.Seen); err != nil {
		return err
	}
	if r.FailCommit > 0 && len(r.Commits)+1 >= r.FailCommit {
		return fmt.Errorf("recorder: commit %d fails as asked", len(r.Commits)+1)
	}
	r.Drafts = append(r.Drafts, r.Pending...)
	r.Pending = nil
	r.Completed = append(r.Completed, r.completes...)
	r.completes = nil
	r.Commits = append(r.Commits, Commit{append([]byte(nil), resume...), o, len(r.Drafts)})
	return nil
}

// Resume returns what the last Commit kept, nil before the first.
func (r *Recorder) Resume() []byte {
	if len(r.Commits) == 0 {
		return nil
	}
	return r.Commits[len(r.Commits)-1].Resume
}

// Of returns the committed drafts of a kind, in order.
func (r *Recorder) Of(kind evidence.Kind) []evidence.Draft {
	var ds []evidence.Draft
	for _, d := range r.Drafts {
		if d.Kind == kind {
			ds = append(ds, d)
		}
	}
	return ds
}
