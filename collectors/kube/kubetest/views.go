package kubetest

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// given is a collector that hands over drafts, and a ledger that keeps what each
// tenant gets of their kinds.
type given struct {
	at     time.Time
	drafts []evidence.Draft
	got    map[string][]evidence.Draft
}

// Kinds implements collectors.Collector.
func (g *given) Kinds() (kinds []evidence.Kind) {
	for _, d := range g.drafts {
		if !slices.Contains(kinds, d.Kind) {
			kinds = append(kinds, d.Kind)
		}
	}
	return kinds
}

// Poll implements collectors.Collector.
func (g *given) Poll(ctx context.Context, _ evidence.Period, _ []byte, s collectors.Sink) error {
	for _, d := range g.drafts {
		if err := s.Emit(ctx, d); err != nil {
			return err
		}
	}
	return s.Commit(ctx, nil, evidence.Observation{At: g.at})
}

// Tenants implements collectors.Ledger.
func (g *given) Tenants() []evidence.Tenant { return nil }

// Append implements collectors.Ledger.
func (g *given) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	kinds := g.Kinds()
	for _, d := range ds {
		if slices.Contains(kinds, d.Draft.Kind) { // else it is of the run itself
			g.got[t.String()] = append(g.got[t.String()], d.Draft)
		}
	}
	return make([]bool, len(ds)), nil
}

// Ingest implements collectors.Ledger.
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

// OpenStates implements collectors.Ledger.
func (g *given) OpenStates(context.Context, evidence.Tenant, evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(func(evidence.Record, error) bool) {}
}

// Cursor implements collectors.Ledger.
func (g *given) Cursor(string) ([]byte, error) { return nil, nil }

// PutCursor implements collectors.Ledger.
func (g *given) PutCursor(string, []byte) error { return nil }

// TenantLabel is the label by which the namespaces of tests name their tenant.
const TenantLabel = "evidence.example.test/tenant"

// ByLabel gives to each tenant the namespaces whose [TenantLabel] has its name,
// and those of "platform" to the platform.
func ByLabel(t testing.TB, tenants ...string) []collectors.TenantRules {
	t.Helper()
	owns := func(name string) []collectors.Owns {
		return []collectors.Owns{{Labels: []string{TenantLabel + "=" + name}}}
	}
	rules := []collectors.TenantRules{{Tenant: evidence.Platform, Owns: owns("platform")}}
	for _, name := range tenants {
		tenant, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, collectors.TenantRules{Tenant: tenant, Owns: owns(name)})
	}
	return rules
}

// Views returns what each tenant's log gets of drafts by the rules, by the
// tenant's name: a thing of several comes to each of them in its own view. The
// platform is "_platform".
func Views(t testing.TB, source evidence.SourceID, at time.Time, rules []collectors.TenantRules, ds ...evidence.Draft) map[string][]evidence.Draft {
	t.Helper()
	set, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	g := &given{at: at, drafts: ds, got: map[string][]evidence.Draft{}}
	r := &collectors.Runner{Source: source, Collector: g, Rules: set, Ledger: g, Clock: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	if _, err := r.Poll(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g.got
}
