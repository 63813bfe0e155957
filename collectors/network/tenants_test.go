package network

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// views returns what each tenant's log gets of drafts, by subject. byName gives
// namespaces to tenants by their names, else by their labels.
func views(t testing.TB, byName bool, ds ...evidence.Draft) map[string]map[string]evidence.Draft {
	t.Helper()
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("tenant-%d", i))
	}
	rules := kubetest.ByLabel(t, names...)
	if byName {
		rules[0].Owns = []collectors.Owns{{Namespaces: []string{"monitoring", "ingress", "kube-system"}}}
		for i, name := range names {
			rules[i+1].Owns = []collectors.Owns{{Namespaces: []string{name}}}
		}
	}
	out := map[string]map[string]evidence.Draft{}
	for tenant, ds := range kubetest.Views(t, "network/prod", now, rules, ds...) {
		out[tenant] = map[string]evidence.Draft{}
		for _, d := range ds {
			out[tenant][d.Subject.Name] = d
		}
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
		f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, seven[own])
		peers := f.Specs[0].Ingress.Allow[0].Peers
		if got := fmt.Sprint(peers[0].Spaces, peers[0].SpacesAll, peers[1].Spaces, peers[1].SpacesAll); got != "[monitoring tenant-7] 3 [] 1" {
			t.Errorf("by name %t: tenant-7 is told of its peers: %s", byName, got)
		}
		w := evidencetest.Decode[evidence.NetworkPolicyFacts](t, seven[wide])
		if len(w.Specs) != 3 || w.Others["specs"] != 1 || len(w.Specs[0].Namespaces[0].Values) != 1 || w.Specs[1].Egress.Allow[0].Peers[0].SpacesAll != 1 {
			t.Errorf("by name %t: tenant-7 is told of the cluster's rules: %s", byName, seven[wide].Content)
		}
		if w := evidencetest.Decode[evidence.NetworkPolicyFacts](t, eight[wide]); len(w.Specs) != 3 || w.Specs[1].Pods == nil {
			t.Errorf("by name %t: tenant-8 is told of the cluster's rules: %s", byName, eight[wide].Content)
		}
		if w := evidencetest.Decode[evidence.NetworkPolicyFacts](t, platform[wide]); len(w.Specs) != 4 {
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

// What a policy names beyond what its facts hold is told to nobody in its bytes,
// whether it is of the cluster or of a namespace.
func TestCutTellsNobody(t *testing.T) {
	peer := func(name string) string {
		return `{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"` + name + `"}}`
	}
	peers := slices.Repeat([]string{peer("tenant-7")}, maxPeers)
	for i := range 100 {
		peers = append(peers, peer(fmt.Sprintf("tenant-%d", i)))
	}
	var values []string
	for i := range 30_000 {
		values = append(values, fmt.Sprintf("tenant-%d", i))
	}
	for what, x := range map[string]struct{ resource, raw string }{
		"peers": {"ciliumnetworkpolicies.cilium.io", `{"metadata":{"name":"p","namespace":"tenant-7","uid":"1"},"spec":{"endpointSelector":{},"ingress":[{"fromEndpoints":[` + strings.Join(peers, ",") + `]}]}}`},
		"whom": {"ciliumclusterwidenetworkpolicies.cilium.io", `{"metadata":{"name":"w","uid":"2"},"spec":{"enableDefaultDeny":{"ingress":true},
			"endpointSelector":{"matchExpressions":[{"key":"k8s:io.kubernetes.pod.namespace","operator":"In","values":["` + strings.Join(values, `","`) + `"]}]}}}`},
	} {
		ds, err := mustReader(t, testConfig()).give(t, testLook(), x.resource, []byte(x.raw), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range views(t, true, ds...)["tenant-7"] {
			if text := string(d.Content) + string(d.Raw); strings.Contains(text, "tenant-8") {
				t.Errorf("%s: tenant-7 is told of tenant-8: %.1000s", what, text)
			}
		}
	}
}
