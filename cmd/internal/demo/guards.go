package demo

import (
	"slices"
	"time"

	"evidenced/testdata/world"
)

// What guards the cluster: the network rules of its namespaces, and Kyverno with
// its policies, what is excepted from them, and what it reports.

// dns is the one place that everything may reach.
var dns = kobject{"to": []any{kobject{
	"namespaceSelector": kobject{"matchLabels": kobject{"kubernetes.io/metadata.name": "kube-system"}},
	"podSelector":       kobject{"matchLabels": kobject{"k8s-app": "kube-dns"}}}},
	"ports": []any{kobject{"protocol": "UDP", "port": 53}, kobject{"protocol": "TCP", "port": 53}}}

// boundary is what each namespace has from its first minute: nothing passes but
// within it, and to look up names.
func (c *cluster) boundary(namespace string, at time.Time) {
	inside := kobject{"podSelector": kobject{}}
	c.put("networkpolicies.networking.k8s.io", namespace, "tenant-boundary", at, kobject{
		"spec": kobject{"podSelector": kobject{}, "policyTypes": []any{"Ingress", "Egress"},
			"ingress": []any{kobject{"from": []any{inside}}},
			"egress":  []any{kobject{"to": []any{inside}}, dns}}})
}

// letIn is a rule left over from a move: pods of one tenant may come into
// another's namespace.
func (c *cluster) letIn(namespace, other string, at time.Time) {
	c.put("networkpolicies.networking.k8s.io", namespace, "move-of-"+other, at, kobject{
		"spec": kobject{"podSelector": kobject{}, "policyTypes": []any{"Ingress"},
			"ingress": []any{kobject{"from": []any{kobject{"namespaceSelector": kobject{"matchLabels": kobject{tenantLabel: other}}}},
				"ports": []any{kobject{"protocol": "TCP", "port": 5432}}}}}})
}

// Policies that everything in the cluster is held against. The first two are
// required; the third only tells.
const (
	byDigest       = "images-by-digest"
	unprivileged   = "no-privileged-pods"
	limitsDeclared = "limits-declared"
)

// kyvernoNamespace is where Kyverno runs.
const kyvernoNamespace = "kube-system"

// guards puts the policies there.
func (c *cluster) guards(at time.Time) {
	for _, p := range []struct{ name, action, severity, says string }{
		{byDigest, "Enforce", "high", "Images are named by digest."},
		{unprivileged, "Enforce", "critical", "No pod runs privileged."},
		{limitsDeclared, "Audit", "low", "Containers declare their limits."},
	} {
		c.put("clusterpolicies.kyverno.io", "", p.name, at, kobject{
			"metadata": kobject{"annotations": kobject{"policies.kyverno.io/severity": p.severity}},
			"spec": kobject{"admission": true, "background": true, "rules": []any{kobject{"name": p.name,
				"match":    kobject{"any": []any{kobject{"resources": kobject{"kinds": []any{"Pod"}}}}},
				"exclude":  kobject{"any": []any{kobject{"resources": kobject{"namespaces": []any{"kube-system"}}}}},
				"validate": kobject{"failureAction": p.action, "message": p.says, "pattern": kobject{"spec": kobject{"containers": []any{}}}}}}},
			"status": kobject{"conditions": []any{ready("True", "Succeeded", at)}, "rulecount": kobject{"validate": 1}}})
	}
	c.put("configmaps", kyvernoNamespace, "kyverno", at, kobject{"data": kobject{"resourceFilters": "[*/*,kube-system,*] [Event,*,*]"}})
	c.put("validatingwebhookconfigurations.admissionregistration.k8s.io", "", "kyverno-resource-validating-webhook-cfg", at, kobject{
		"webhooks": []any{kobject{"name": "validate.kyverno.svc-fail", "failurePolicy": "Fail",
			"clientConfig": kobject{"service": kobject{"namespace": kyvernoNamespace, "name": "kyverno-svc"}},
			"rules":        []any{kobject{"operations": []any{"CREATE", "UPDATE"}, "apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{"pods"}}}}}})
	// No policy changes objects or verifies images: Kyverno keeps it empty.
	c.put("mutatingwebhookconfigurations.admissionregistration.k8s.io", "", "kyverno-resource-mutating-webhook-cfg", at, kobject{"webhooks": []any{}})
	// One ends by itself, the other was to be for a week and has no end.
	for _, e := range []struct{ tenant, name, ttl string }{{"tenant-1", "node-agent", "1440h"}, {"tenant-4", "old-importer", ""}} {
		labels := kobject{}
		if e.ttl != "" {
			labels["cleanup.kyverno.io/ttl"] = e.ttl
		}
		c.put("policyexceptions.kyverno.io", e.tenant, e.name, at.AddDate(0, 0, 30), kobject{
			"metadata": kobject{"labels": labels},
			"spec": kobject{"exceptions": []any{kobject{"policyName": limitsDeclared, "ruleNames": []any{limitsDeclared}}},
				"match": kobject{"any": []any{kobject{"resources": kobject{"kinds": []any{"Pod"}, "namespaces": []any{e.tenant}, "names": []any{e.name + "*"}}}}}}})
	}
}

// report is what Kyverno found at a Deployment, as its newest scan has it.
func (c *cluster) report(tenant, app string, dep kobject, at time.Time) {
	results := []any{}
	for _, p := range []struct{ name, severity, result string }{
		{byDigest, "high", "pass"}, {limitsDeclared, "low", "pass"}, {unprivileged, "critical", "pass"},
	} {
		if p.name == limitsDeclared && tenant == c.w.Tenants[5].Name && app == "db-proxy" {
			p.result = "fail"
		}
		results = append(results, kobject{"policy": p.name, "rule": "autogen-" + p.name, "result": p.result, "severity": p.severity, "scored": true,
			"source": "kyverno", "timestamp": kobject{"seconds": at.Unix(), "nanos": 0}})
	}
	passed := len(slices.DeleteFunc(slices.Clone(results), func(r any) bool { return r.(kobject)["result"] != "pass" }))
	c.put("policyreports.wgpolicyk8s.io", tenant, uidOf(dep), at, kobject{
		"metadata": kobject{"labels": kobject{"app.kubernetes.io/managed-by": "kyverno"}, "ownerReferences": owner("apps/v1", "Deployment", app, uidOf(dep))},
		"scope":    kobject{"apiVersion": "apps/v1", "kind": "Deployment", "name": app, "namespace": tenant, "uid": uidOf(dep)},
		"results":  results,
		"summary":  kobject{"pass": passed, "fail": len(results) - passed, "warn": 0, "error": 0, "skip": 0}})
}

// workflow is a run of a tenant's workflow that is over, as it stands then.
func (c *cluster) workflow(a world.Act) error {
	began := a.At.Add(-a.Took)
	name := a.Title + "-" + hash("workflow", a.Tenant, began.String())[:5]
	template := kobject{"entrypoint": "main", "serviceAccountName": a.Title, "templates": []any{kobject{"name": "main",
		"container": kobject{"image": c.w.Registry + "/platform/" + a.Title + "@sha256:" + hash(a.Title), "command": []any{"/" + a.Title}}}}}
	done := stamp(a.At)
	c.put("workflows.argoproj.io", a.Tenant, name, began, kobject{
		"metadata": kobject{"generateName": a.Title + "-", "labels": kobject{"evidenced/purpose": a.Title, "workflows.argoproj.io/phase": a.State,
			"workflows.argoproj.io/completed": "true", "workflows.argoproj.io/cluster-workflow-template": a.Title}},
		"spec": kobject{"workflowTemplateRef": kobject{"name": a.Title, "clusterScope": true}},
		"status": kobject{"phase": a.State, "startedAt": stamp(began), "finishedAt": done, "progress": "1/1", "storedWorkflowTemplateSpec": template,
			"nodes": kobject{name: kobject{"id": name, "name": name, "displayName": name, "type": "Pod", "templateName": "main", "phase": a.State,
				"startedAt": stamp(began), "finishedAt": done, "outputs": kobject{"exitCode": "0"}}}}})
	return nil
}
