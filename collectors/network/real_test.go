package network

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// definition is a custom resource that takes whatever it is given.
func definition(group, version, plural, kind, scope string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%[3]s.%[1]s"},
		"spec":{"group":%[1]q,"scope":%[5]q,"names":{"plural":%[3]q,"singular":%[6]q,"kind":%[4]q,"listKind":"%[4]sList"},
		"versions":[{"name":%[2]q,"served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`,
		group, version, plural, kind, scope, strings.ToLower(kind))
}

// told is a sink that keeps what was told of each subject last.
type told struct {
	mu    sync.Mutex
	last  map[string]evidence.Draft
	times map[string]int
	notes []string
	gaps  []string
}

func (s *told) Emit(_ context.Context, d evidence.Draft) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[d.Subject.Name] = d
	s.times[d.Subject.Name]++
	return d.Check()
}

func (s *told) Complete(evidence.Kind, evidence.Ref) {}

func (s *told) Commit(_ context.Context, _ []byte, o evidence.Observation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, o.Notes...)
	if o.Incomplete != "" {
		s.gaps = append(s.gaps, o.Incomplete)
	}
	return nil
}

func (s *told) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		s.mu.Lock()
		good := ok()
		s.mu.Unlock()
		if good {
			return
		}
	}
	t.Fatalf("never: %s; last %v", what, s.last)
}

// Against a real API server: objects of Kubernetes through its own types, those of
// Cilium as custom resources, of the cluster too; groups that are not there are
// told, and policies that choose namespaces are read again when these change.
func TestRealServer(t *testing.T) {
	s := kubetest.Start(t)
	s.Install(definition(ciliumGroup, "v2", "ciliumnetworkpolicies", kindCilium, "Namespaced"))
	s.Install(definition(ciliumGroup, "v2", "ciliumclusterwidenetworkpolicies", kindClusterwide, "Cluster"))
	space := func(name string, labels map[string]any) {
		s.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels}})
	}
	space("tenant-7", map[string]any{tenantLabel: "tenant-7"})
	space("monitoring", map[string]any{"team": "a"})
	space("other", nil)
	const policies = "/apis/networking.k8s.io/v1/namespaces/tenant-7/networkpolicies"
	s.Create(policies, map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": kindPolicy, "metadata": map[string]any{"name": "by-label"},
		"spec": map[string]any{"podSelector": map[string]any{}, "ingress": []any{map[string]any{"from": []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"team": "a"}}}}}}}})
	s.Create(policies, map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": kindPolicy, "metadata": map[string]any{"name": "plain"}, "spec": map[string]any{"podSelector": map[string]any{}}})
	s.Create("/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies", map[string]any{"apiVersion": "cilium.io/v2", "kind": kindClusterwide, "metadata": map[string]any{"name": "wide"},
		"spec": map[string]any{"endpointSelector": map[string]any{}, "ingress": []any{map[string]any{"fromEndpoints": []any{map[string]any{"matchLabels": map[string]any{"k8s:io.cilium.k8s.namespace.labels.team": "a"}}}}}}})

	cfg := *Spec().Config().(*Config)
	cfg.Server, cfg.CAFile, cfg.TokenFile = s.URL, s.CAFile, s.TokenFile("reader")
	c, err := New(cfg, collectors.Env{Source: "network/prod", Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	sink := &told{last: map[string]evidence.Draft{}, times: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.(collectors.Follower).Follow(ctx, nil, sink) }()

	const byLabel, plain, wide = "NetworkPolicy.networking.k8s.io/tenant-7/by-label", "NetworkPolicy.networking.k8s.io/tenant-7/plain", "CiliumClusterwideNetworkPolicy.cilium.io//wide"
	reaches := func(name string, spaces ...string) func() bool {
		return func() bool {
			d, ok := sink.last[name]
			if !ok || d.Op != evidence.OpSet {
				return false
			}
			f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, d)
			return slices.Equal(f.Specs[0].Ingress.Allow[0].Peers[0].Spaces, spaces)
		}
	}
	sink.until(t, "the policies are told", func() bool {
		return reaches(byLabel, "monitoring")() && reaches(wide, "monitoring")() && sink.times[plain] > 0
	})
	sink.until(t, "it is told that kinds are not there", func() bool {
		return slices.ContainsFunc(sink.notes, func(n string) bool { return strings.Contains(n, "does not have adminnetworkpolicies") })
	})
	s.Change("/api/v1/namespaces/other", func(o map[string]any) {
		o["metadata"].(map[string]any)["labels"] = map[string]any{"team": "a"}
	})
	sink.until(t, "the namespace that has the label now is let in", func() bool {
		return reaches(byLabel, "monitoring", "other")() && reaches(wide, "monitoring", "other")()
	})
	s.Delete(policies + "/by-label")
	sink.until(t, "the policy ended", func() bool { d := sink.last[byLabel]; return d.Op == evidence.OpEnd })
	stop()
	if err := <-done; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	if len(sink.gaps) > 0 {
		t.Errorf("runs were incomplete: %q", sink.gaps)
	}

	x, err := c.(collectors.Examiner).Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	absent := 0
	for _, r := range x.Rights {
		switch {
		case r.Access == collectors.Absent:
			absent++
		case r.Access != collectors.Readable && len(r.Kinds) > 0: // this server answers no review of rights
			t.Errorf("%s is %s: %s", r.Name, r.Access, r.Hint)
		}
	}
	if absent != 4 {
		t.Errorf("%d kinds are said not to be there, want 4: groups of addresses and three of administrators", absent)
	}
}
