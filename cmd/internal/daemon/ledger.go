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
	asked   func() bool // a first signature would not wait for anchors
	came    func(evidence.Tenant)
}

func (l *ledger) Tenants() []evidence.Tenant { return l.tenants }

func (l *ledger) Append(ctx context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	log, err := l.st.Create(t)
	if err != nil {
		return nil, err
	}
	res, err := log.Append(ctx, items(ds))
	if err != nil {
		return nil, err
	}
	l.came(t)
	return news(res), l.signWhenGrown(t)
}

func items(ds []collectors.Placed) []store.Item {
	out := make([]store.Item, len(ds))
	for i, d := range ds {
		out[i] = store.Item{Draft: d.Draft, Actor: d.Actor, Run: d.Run}
	}
	return out
}

func news(res store.Result) []bool {
	out := make([]bool, len(res.Fates))
	for i, f := range res.Fates {
		out[i] = f == store.Appended || f == store.Amended
	}
	return out
}

// signWhenGrown signs a log that has grown by many records, whatever the time.
// That it is not signed, or not yet, holds up no source.
func (l *ledger) signWhenGrown(t evidence.Tenant) error {
	log, err := l.st.Log(t)
	if err != nil || !log.CheckpointDue(time.Time{}) || !l.asked() {
		return err
	}
	if _, _, err = log.Checkpoint(); errors.Is(err, store.ErrNotSigned) {
		return nil
	}
	return err
}

// Ingest implements collectors.Ledger.
func (l *ledger) Ingest(ctx context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	parts := make([]store.Part, 0, len(batch))
	for t, ds := range batch {
		parts = append(parts, store.Part{Tenant: t, Items: items(ds)})
	}
	in, err := l.st.Ingest(ctx, parts)
	if err != nil {
		return nil, err
	}
	taken := make(map[evidence.Tenant]collectors.Taken, len(parts))
	for i, p := range parts {
		res, err := in.Wait(ctx, i)
		k := collectors.Taken{New: news(res)}
		switch {
		case errors.Is(err, store.ErrKept):
			k.Kept = true
		case errors.Is(err, store.ErrQuota), errors.Is(err, store.ErrKeysLost):
			k.Refused = true
		case err != nil:
			k.Err = err
		default:
			l.came(p.Tenant)
			k.Err = l.signWhenGrown(p.Tenant)
		}
		taken[p.Tenant] = k
	}
	return taken, nil
}

func (l *ledger) OpenStates(ctx context.Context, t evidence.Tenant, kind evidence.Kind) iter.Seq2[evidence.Record, error] {
	log, err := l.st.Log(t)
	if problem.Is(err, problem.NotFound) || errors.Is(err, store.ErrKeyMissing) {
		return func(func(evidence.Record, error) bool) {}
	}
	if err != nil {
		return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, err) }
	}
	if err := log.CaughtUp(ctx); err != nil {
		return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, err) }
	}
	return log.Snapshot().States(ctx, kind, time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (l *ledger) Cursor(name string) ([]byte, error) { return l.st.Cursors().Cursor(name) }
func (l *ledger) PutCursor(name string, value []byte) error {
	return l.st.Cursors().PutCursor(name, value)
}
