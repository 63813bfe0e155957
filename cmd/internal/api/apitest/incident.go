package apitest

import (
	"context"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

// Act implements api.Incidents.
func (w *World) Act(_ context.Context, t evidence.Tenant, decide func(r evidence.Reader) ([]evidence.Draft, error)) ([]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, ok := w.Logs[t]
	if !ok {
		return nil, problem.New(problem.NotFound, "no log of %s", t)
	}
	drafts, err := decide(l)
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	for _, d := range drafts {
		seqs = append(seqs, l.AddDraft(d).Seq)
	}
	return seqs, nil
}

// Calendars implements api.Incidents with the built-in ones.
func (w *World) Calendars() *deadline.Calendars { return deadline.Builtin() }
