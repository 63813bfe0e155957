package network

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// given is a collector that hands over drafts, and a ledger that keeps what each
// tenant gets of them, by subject.
type given struct {
	drafts []evidence.Draft
	got    map[evidence.Tenant]map[string]evidence.Draft
}

func (g *given) Kinds() []evidence.Kind { return []evidence.Kind{evidence.NetworkPolicy} }

func (g *given) Poll(ctx context.Context, _ evidence.Period, _ []byte, s collectors.Sink) error {
	for _, d := range g.drafts {
		if err := s.Emit(ctx, d); err != nil {
			return err
		}
	}
	return s.Commit(ctx, nil, evidence.Observation{At: now})
}

func (g *given) Tenants() (ts []evidence.Tenant) { return nil }

func (g *given) Append(_ context.Context, t evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	for _, d := range ds {
		if d.Draft.Kind == evidence.NetworkPolicy {
			if g.got[t] == nil {
				g.got[t] = map[string]evidence.Draft{}
			}
			g.got[t][d.Draft.Subject.Name] = d.Draft
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

// views returns what each tenant's log gets of drafts. byName gives namespaces to
// tenants by their names, else by their labels.
func views(t testing.TB, byName bool, ds ...evidence.Draft) map[string]map[string]evidence.Draft {
	t.Helper()
	g := &given{drafts: ds, got: map[evidence.Tenant]map[string]evidence.Draft{}}
	rule := func(tenant evidence.Tenant, name string, spaces ...string) collectors.TenantRules {
		o := collectors.Owns{Labels: []string{tenantLabel + "=" + name}}
		if byName {
			o = collectors.Owns{Namespaces: spaces}
		}
		return collectors.TenantRules{Tenant: tenant, Owns: []collectors.Owns{o}}
	}
	rules := []collectors.TenantRules{rule(evidence.Platform, "platform", "monitoring", "ingress", "kube-system")}
	for i := range 100 {
		n := fmt.Sprintf("tenant-%d", i)
		tenant, err := evidence.ParseTenant(n)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule(tenant, n, n))
	}
	set, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	r := &collectors.Runner{Source: "network/prod", Collector: g, Rules: set, Ledger: g, Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Every: time.Minute}
	if _, err := r.Poll(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]evidence.Draft{}
	for tenant, ds := range g.got {
		out[tenant.String()] = ds
	}
	return out
}

// TestTenants looks at what each tenant is told of rules that name several: its own
// namespaces by name, others' by number, and no word of what is about others alone.
func TestTenants(t *testing.T) {
	r, l := mustReader(t, testConfig()), testLook()
	var ds []evidence.Draft
	for _, x := range []struct{ resource, raw string }{
		{"networkpolicies.networking.k8s.io", `{"metadata":{"name":"own","namespace":"tenant-7","uid":"1"},"spec":{"ingress":[{"from":[
			{"namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"In","values":["tenant-7","tenant-8","monitoring"]}]}},
			{"namespaceSelector":{"matchLabels":{"evidence.example.test/tenant":"tenant-8"}},"podSelector":{"matchLabels":{"owner":"tenant-8"}}}]}]}}`},
		{"ciliumclusterwidenetworkpolicies.cilium.io", `{"metadata":{"name":"wide","uid":"2"},"specs":[
			{"endpointSelector":{"matchExpressions":[{"key":"k8s:io.cilium.k8s.namespace.labels.evidence.example.test/tenant","operator":"In","values":["tenant-7","tenant-8"]}]},"ingress":[{}]},
			{"endpointSelector":{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-7"}},"egress":[{"toEndpoints":[{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-8"}}]}]},
			{"endpointSelector":{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-8","app":"secret-app"}},"egress":[{"toFQDNs":[{"matchName":"partner-of-eight.example"}]}]},
			{"endpointSelector":{},"egress":[{"toEntities":["kube-apiserver"]}]}],"status":{"conditions":[{"type":"Valid","status":"True"}]}}`},
	} {
		got, err := r.give(t, l, x.resource, []byte(x.raw), false)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, got...)
	}
	const own, wide = "NetworkPolicy.networking.k8s.io/tenant-7/own", "CiliumClusterwideNetworkPolicy.cilium.io//wide"
	for _, byName := range []bool{false, true} {
		all := views(t, byName, ds...)
		seven, eight, platform := all["tenant-7"], all["tenant-8"], all["_platform"]
		if _, told := eight[own]; told {
			t.Errorf("by name %t: tenant-8 is told of a policy in a namespace of tenant-7", byName)
		}
		if _, told := platform[own]; told {
			t.Errorf("by name %t: the platform's own log holds a tenant's policy", byName)
		}
		f := facts[evidence.NetworkPolicyFacts](t, seven[own])
		peers := f.Specs[0].Ingress.Allow[0].Peers
		if got := fmt.Sprint(peers[0].Spaces, peers[0].SpacesAll, peers[1].Spaces, peers[1].SpacesAll); got != "[monitoring tenant-7] 3 [] 1" {
			t.Errorf("by name %t: tenant-7 is told of its peers: %s", byName, got)
		}
		w := facts[evidence.NetworkPolicyFacts](t, seven[wide])
		if len(w.Specs) != 3 || w.Others["specs"] != 1 || len(w.Specs[0].Namespaces[0].Values) != 1 || w.Specs[1].Egress.Allow[0].Peers[0].SpacesAll != 1 {
			t.Errorf("by name %t: tenant-7 is told of the cluster's rules: %s", byName, seven[wide].Content)
		}
		if w := facts[evidence.NetworkPolicyFacts](t, eight[wide]); len(w.Specs) != 3 || w.Specs[1].Pods == nil {
			t.Errorf("by name %t: tenant-8 is told of the cluster's rules: %s", byName, eight[wide].Content)
		}
		if w := facts[evidence.NetworkPolicyFacts](t, platform[wide]); len(w.Specs) != 4 {
			t.Errorf("by name %t: the platform is told of its rules: %s", byName, platform[wide].Content)
		}
		for who, strangers := range map[string][]string{"tenant-7": {"tenant-8"}, "tenant-8": {"tenant-7"}} {
			for name, d := range all[who] {
				text := fmt.Sprintf("%v %v %s %s", d.Scope, d.Links, d.Content, d.Raw)
				for _, s := range strangers {
					if strings.Contains(text, s) {
						t.Errorf("by name %t: %s is told of %s in %s: %s", byName, who, s, name, text)
					}
				}
			}
		}
	}
}
