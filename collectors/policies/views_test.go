package policies

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// given is a collector that hands over one draft, and a ledger that keeps what each
// tenant gets of it.
type given struct {
	draft evidence.Draft
	got   map[evidence.Tenant]evidence.Draft
}

func (g *given) Kinds() []evidence.Kind { return []evidence.Kind{g.draft.Kind} }

func (g *given) Poll(ctx context.Context, _ evidence.Period, _ []byte, s collectors.Sink) error {
	if err := s.Emit(ctx, g.draft); err != nil {
		return err
	}
	return s.Commit(ctx, nil, evidence.Observation{At: now})
}

func (g *given) Tenants() (ts []evidence.Tenant) { return nil }

func (g *given) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	for _, d := range ds {
		if d.Draft.Kind == g.draft.Kind {
			g.got[t] = d.Draft
		}
	}
	return make([]bool, len(ds)), nil
}

func (g *given) Ingest(ctx context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	taken := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		taken[t] = collectors.Taken{New: make([]bool, len(ds))}
		if _, err := g.Append(ctx, t, ds); err != nil {
			return nil, err
		}
	}
	return taken, nil
}

func (g *given) OpenStates(context.Context, evidence.Tenant, evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(func(evidence.Record, error) bool) {}
}

func (g *given) Cursor(string) ([]byte, error)  { return nil, nil }
func (g *given) PutCursor(string, []byte) error { return nil }

// viewOf returns what the tenant's log gets of a draft, by rules that go by the
// labels of namespaces; the zero draft for nothing.
func viewOf(t testing.TB, d evidence.Draft, name string) evidence.Draft {
	t.Helper()
	g := &given{draft: d, got: map[evidence.Tenant]evidence.Draft{}}
	rules := []collectors.TenantRules{{Tenant: evidence.Platform, Owns: []collectors.Owns{{Labels: []string{tenantLabel + "=platform"}}}}}
	for _, n := range []string{"tenant-7", "tenant-8"} {
		tenant, err := evidence.ParseTenant(n)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, collectors.TenantRules{Tenant: tenant, Owns: []collectors.Owns{{Labels: []string{tenantLabel + "=" + n}}}})
	}
	set, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	r := &collectors.Runner{Source: "policies/prod", Collector: g, Rules: set, Ledger: g, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	if _, err := r.Poll(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tenant, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return g.got[tenant]
}
