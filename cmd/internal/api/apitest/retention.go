package apitest

import (
	"context"
	"io"
	"slices"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// keeper keeps the holds of a World in memory.
type keeper struct{ holds []store.Hold }

// Holds implements api.Retainer.
func (w *World) Holds(context.Context, evidence.Tenant) ([]store.Hold, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.keeper.holds), nil
}

// PlaceHold implements api.Retainer.
func (w *World) PlaceHold(_ context.Context, _ evidence.Tenant, f evidence.HoldFacts) (store.Hold, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := store.Hold{HoldFacts: f, Since: Now, Seq: 5}
	w.keeper.holds = append(w.keeper.holds, h)
	return h, nil
}

// ReleaseHold implements api.Retainer.
func (w *World) ReleaseHold(_ context.Context, _ evidence.Tenant, f evidence.HoldFacts) (store.Hold, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, h := range w.keeper.holds {
		if h.Name == f.Name {
			w.keeper.holds = slices.Delete(w.keeper.holds, i, i+1)
			return h, nil
		}
	}
	return store.Hold{}, problem.New(problem.NotFound, "no hold %s is in force", f.Name)
}

// Retain implements api.Retainer: one tenant has a segment that is too old, one
// is held, one keeps for ever.
func (w *World) Retain(_ context.Context, dry bool) ([]api.Retained, error) {
	horizon := Now.AddDate(-3, 0, 0)
	old := store.RetiredSegment{
		SegmentInfo: store.SegmentInfo{Number: 1, First: 0, Next: 40, Oldest: horizon.AddDate(0, -2, 0), Newest: horizon.AddDate(0, -1, 0), Sealed: true, Bytes: 65536},
		Carried:     map[evidence.Kind]int{evidence.DeployState: 2, evidence.PersonKnown: 1}, Kept: []uint64{0},
	}
	return []api.Retained{
		{Tenant: evidence.Platform, Keep: "forever", Retired: []store.RetiredSegment{}},
		{Tenant: tenant("tenant-7"), Keep: "36 months", Horizon: horizon, Retired: []store.RetiredSegment{old}},
		{Tenant: tenant("tenant-8"), Keep: "36 months", Horizon: horizon, Retired: []store.RetiredSegment{}, Held: "hold case-1 since 2026-01-01T00:00:00Z by a court: a case"},
	}, nil
}

// OffboardExport implements api.Retainer with bytes that are no zip.
func (w *World) OffboardExport(_ context.Context, r api.OffboardRequest, out io.Writer) (api.PackResult, error) {
	if _, err := io.WriteString(out, "pack"); err != nil {
		return api.PackResult{}, err
	}
	return api.PackResult{Tenant: r.Tenant, Period: evidence.Period{From: Now.Add(-time.Hour), To: Now}, Manifest: evidence.Hash{7}, Records: 4, Complete: true}, nil
}

// Offboard implements api.Retainer.
func (w *World) Offboard(_ context.Context, r api.OffboardRequest) (api.Offboarded, error) {
	if r.Manifest.IsZero() && r.NoExport == "" {
		return api.Offboarded{}, problem.New(problem.Usage, "no export")
	}
	res := api.Offboarded{Tenant: r.Tenant, Origin: "aa/bb", Checkpoint: &evidence.LogHead{Origin: "aa/bb", Size: 41, Root: evidence.Hash{1}}}
	for i, s := range evidence.OffboardSteps {
		res.Steps = append(res.Steps, api.OffboardedAt{Step: s, At: Now.Add(time.Duration(i) * time.Second), Seq: uint64(i + 10)})
	}
	return res, nil
}
