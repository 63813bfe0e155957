package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

func hashOf(b []byte) evidence.Hash { return sha256.Sum256(b) }

// ledger gives runners the store. It implements collectors.Ledger.
type ledger struct {
	st      *store.Store
	tenants []evidence.Tenant
}

func (l *ledger) Tenants() []evidence.Tenant { return l.tenants }

func (l *ledger) Append(ctx context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	log, err := l.st.Create(t)
	if err != nil {
		return nil, err
	}
	items := make([]store.Item, len(ds))
	for i, d := range ds {
		items[i] = store.Item{Draft: d.Draft, Actor: d.Actor, Run: d.Run}
	}
	res, err := log.Append(ctx, items)
	if err != nil {
		return nil, err
	}
	news := make([]bool, len(ds))
	for i, f := range res.Fates {
		news[i] = f == store.Appended || f == store.Amended
	}
	if log.CheckpointDue(time.Time{}) { // grown by many records, whatever the time
		if _, _, err := log.Checkpoint(); err != nil {
			return nil, err
		}
	}
	return news, nil
}

func (l *ledger) OpenStates(ctx context.Context, t evidence.Tenant, kind evidence.Kind) iter.Seq2[evidence.Record, error] {
	log, err := l.st.Log(t)
	if problem.Is(err, problem.NotFound) || errors.Is(err, store.ErrKeyMissing) {
		return func(func(evidence.Record, error) bool) {}
	}
	if err != nil {
		return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, err) }
	}
	return log.Snapshot().States(ctx, kind, time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (l *ledger) Cursor(name string) ([]byte, error) { return l.st.Cursors().Cursor(name) }
func (l *ledger) PutCursor(name string, value []byte) error {
	return l.st.Cursors().PutCursor(name, value)
}
