package network

import (
	"fmt"
	"strings"
	"testing"

	"evidenced/collectors/kube"
)

// A policy of the cluster about as large as a record holds, each rule of which names
// a tenant: what it costs to tell it to a hundred of them, to each in its own view.
func BenchmarkLargest(b *testing.B) {
	var ns []kube.Namespace
	var rules []string
	for i := range 100 {
		name := fmt.Sprintf("tenant-%d", i)
		ns = append(ns, kube.Namespace{Name: name, UID: name, Labels: map[string]string{tenantLabel: name}})
	}
	for i := range 290 {
		rules = append(rules, fmt.Sprintf(`{"fromEndpoints":[{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-%d"}}]}`, i%100))
	}
	raw := []byte(`{"metadata":{"name":"p","uid":"u"},"spec":{"endpointSelector":{},"ingress":[` + strings.Join(rules, ",") + `]}}`)
	l := kube.NewLook("network/prod", agent, now, ns...)
	for b.Loop() {
		r := &reader{cfg: testConfig()}
		ds, err := r.give(b, l, "ciliumclusterwidenetworkpolicies.cilium.io", raw, false)
		if err != nil || len(ds[0].Mentions) == 0 {
			b.Fatal(err)
		}
		views(b, false, ds...)
	}
}
