package collectortest

import (
	"context"
	"iter"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Logs is a ledger in memory: what each tenant's log gets, the records of runs and
// of coverage among it. It forgets states and cursors: each run is a first look.
type Logs map[evidence.Tenant][]evidence.Draft

var _ collectors.Ledger = Logs{}

// Tenants implements collectors.Ledger.
func (l Logs) Tenants() (ts []evidence.Tenant) {
	for t := range l {
		ts = append(ts, t)
	}
	return ts
}

// Append implements collectors.Ledger.
func (l Logs) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	fresh := make([]bool, len(ds))
	for i, d := range ds {
		l[t], fresh[i] = append(l[t], d.Draft), true
	}
	return fresh, nil
}

// Ingest implements collectors.Ledger.
func (l Logs) Ingest(ctx context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	taken := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		fresh, err := l.Append(ctx, t, ds)
		if err != nil {
			return nil, err
		}
		taken[t] = collectors.Taken{New: fresh}
	}
	return taken, nil
}

// OpenStates implements collectors.Ledger.
func (l Logs) OpenStates(context.Context, evidence.Tenant, evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(func(evidence.Record, error) bool) {}
}

// Cursor implements collectors.Ledger.
func (l Logs) Cursor(string) ([]byte, error) { return nil, nil }

// PutCursor implements collectors.Ledger.
func (l Logs) PutCursor(string, []byte) error { return nil }
