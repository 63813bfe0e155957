package kubetest

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// given is a collector that hands over drafts.
type given struct {
	at     time.Time
	drafts []evidence.Draft
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
	g, logs := &given{at: at, drafts: ds}, collectortest.Logs{}
	r := &collectors.Runner{Source: source, Collector: g, Rules: set, Ledger: logs, Clock: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	if _, err := r.Poll(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, kinds := map[string][]evidence.Draft{}, g.Kinds()
	for tenant, all := range logs {
		for _, d := range all {
			if slices.Contains(kinds, d.Kind) { // else it is of the run itself
				got[tenant.String()] = append(got[tenant.String()], d)
			}
		}
	}
	return got
}
