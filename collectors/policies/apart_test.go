package policies

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// manySpaces are the namespaces of so many tenants, in order.
func manySpaces(n int) (names []string, l *kube.Look) {
	spaces := map[string]map[string]string{}
	for i := range n {
		name := fmt.Sprintf("space-%03d", i)
		names, spaces[name] = append(names, name), map[string]string{kubetest.TenantLabel: name, "team": name, "stage": "prod"}
	}
	return names, looktest.New("policies/prod", agent, now, spaces)
}

// tells fails the test for each word that a tenant's view of a draft holds.
func tells(t *testing.T, what string, v evidence.Draft, words ...string) {
	t.Helper()
	if v.Kind == "" {
		t.Errorf("%s: nothing is told", what)
	}
	text := fmt.Sprint(v.Subject, v.Scope, v.Links) + string(v.Content) + string(v.Raw) + string(v.Text)
	if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(text, w) }); i >= 0 {
		t.Errorf("%s: it tells of %s: %.2000s", what, words[i], text)
	}
}

// A policy that names more namespaces than its facts list tells nobody of others in
// its bytes, by name or by a pattern.
func TestManyNamespaces(t *testing.T) {
	names, l := manySpaces(maxReach + 20)
	patterns := []string{}
	for _, n := range names {
		patterns = append(patterns, n+"*")
	}
	one := func(list []string) entry {
		return entry{"name": "r", "match": entry{"resources": entry{"kinds": []string{"Pod"}, "namespaces": list}}, "validate": entry{}}
	}
	spoken := []entry{{"name": "r", "validate": entry{"message": strings.Join(names, ", ")}}}
	for what, rules := range map[string][]entry{"names": {one(names)}, "patterns": {one(patterns)}, "a sentence": spoken} {
		ds := testReader().give(t, l, clusterPolicies, policyOf("wide", entry{"rules": rules}), false)
		views := kubetest.Views(t, "policies/prod", now, kubetest.ByLabel(t, names...), ds...)
		for _, who := range []string{names[0], names[len(names)-1]} {
			others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == who })
			tells(t, what+" to "+who, views[who][0], others...)
		}
	}
}

// Whoever owns a namespace that an exception opens is told of it, however many they
// are.
func TestExceptionForMany(t *testing.T) {
	names, l := manySpaces(maxReach + 20)
	raw, err := json.Marshal(entry{"metadata": entry{"name": "wide", "namespace": names[0], "uid": "u"},
		"spec": entry{"exceptions": []entry{{"policyName": "p", "ruleNames": []string{"r"}}}, "match": entry{"any": []entry{{"resources": entry{"namespaces": []string{"space-*"}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	views := kubetest.Views(t, "policies/prod", now, kubetest.ByLabel(t, names...), testReader().give(t, l, "policyexceptions.kyverno.io", raw, false)...)
	for _, who := range names {
		if len(views[who]) != 1 {
			t.Fatalf("%s is not told", who)
		}
	}
}

// An exception that names no namespace may open every one: who keeps the cluster is
// told, and of the tenants the one that it stands with.
func TestExceptionForAll(t *testing.T) {
	spaces := map[string]map[string]string{"kube-system": {kubetest.TenantLabel: "platform"}, "tenant-7": {kubetest.TenantLabel: "tenant-7"}, "tenant-8": {kubetest.TenantLabel: "tenant-8"}}
	l := looktest.New("policies/prod", agent, now, spaces)
	for match, want := range map[string]string{
		`{"any":[{"resources":{"kinds":["Pod"]}}]}`:                                "_platform tenant-8",
		`{"any":[{"resources":{"kinds":["Pod"],"namespaces":["tenant-8"]}}]}`:      "tenant-8",
		`{"any":[{"resources":{"kinds":["Pod"],"namespaces":["tenant-[78]"]}}]}`:   "tenant-8",
		`{"any":[{"resources":{"kinds":["Pod"],"namespaces":["kube-*","te*7"]}}]}`: "_platform tenant-7 tenant-8",
	} {
		raw := `{"metadata":{"name":"e","namespace":"tenant-8","uid":"u"},"spec":{"exceptions":[{"policyName":"p","ruleNames":["r"]}],"match":` + match + `}}`
		views := kubetest.Views(t, "policies/prod", now, kubetest.ByLabel(t, "tenant-7", "tenant-8"), testReader().give(t, l, "policyexceptions.kyverno.io", []byte(raw), false)...)
		if got := strings.Join(slices.Sorted(maps.Keys(views)), " "); got != want {
			t.Errorf("%s is told to %q, want %q", match, got, want)
		}
	}
}

// An entry about things of several goes to each without the others' names.
func TestEntryOfSeveral(t *testing.T) {
	x := outcome("p", "r", "fail", 0)
	x["resources"] = []entry{{"kind": "Deployment", "apiVersion": "apps/v1", "namespace": "tenant-8", "name": "shop", "uid": "u-shop"}, {"kind": "Deployment", "apiVersion": "apps/v1", "namespace": "tenant-7", "name": "web", "uid": "u-web"}}
	raw, err := json.Marshal(entry{"metadata": entry{"name": "c", "uid": "c1"}, "results": []entry{x}})
	if err != nil {
		t.Fatal(err)
	}
	ds := testReader().give(t, testLook(now), "clusterpolicyreports.wgpolicyk8s.io", raw, false)
	if len(ds) != 2 {
		t.Fatalf("%d drafts", len(ds))
	}
	for _, d := range ds {
		if f := evidencetest.Decode[evidence.PolicyResultFacts](t, d); f.Resource.Namespace == "tenant-7" {
			tells(t, "tenant-7", viewOf(t, d, "tenant-7"), "tenant-8", "shop")
		} else {
			tells(t, "tenant-8", viewOf(t, d, "tenant-8"), "tenant-7", "web")
		}
	}
}

// A policy that cannot be read is there, and a report that cannot be read for once
// still has what it told to end.
func TestUnreadable(t *testing.T) {
	r, l := testReader(), testLook(now)
	r.cfg.Required = []string{"odd", "k"}
	for resource, raw := range map[string]string{
		clusterPolicies: `{"metadata":{"name":"odd","uid":"u-odd"},"spec":{"rules":"none"}}`,
		"k8srequiredlabels.constraints.gatekeeper.sh": `{"metadata":{"name":"k","uid":"u-k"},"status":{"violations":{}}}`,
	} {
		if _, err := looktest.Give(t, r.resources(constraintKinds), l, resource, []byte(raw), false); err == nil {
			t.Errorf("%s: %s was read", resource, raw)
		}
	}
	ds, err := r.after(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		if f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d); f.Mode != evidence.PolicyThere {
			t.Errorf("%s is %s", d.Subject, f.Mode)
		}
	}
	r.give(t, l, wg, reportOf("x", "r1", outcome("p", "r", "fail", 0)), false)
	later := testLook(now.Add(1))
	if _, err := looktest.Give(t, r.resources(nil), later, wg, []byte(`{"metadata":{"name":"x","namespace":"tenant-7","uid":"r1"},"results":{}}`), false); err == nil {
		t.Error("the report was read")
	}
	r.memory.forget(func(string) (at time.Time) { return later.Now })
	if ds := r.give(t, later, wg, reportOf("x", "r1"), false); len(ds) != 1 || ds[0].Op != evidence.OpEnd {
		t.Errorf("%d drafts", len(ds))
	}
}

// Whatever a name stands behind in JSON, and whether or not the namespaces of the
// cluster are known, it is taken out.
func TestSpelled(t *testing.T) {
	x := outcome("p", "r", "fail", 0)
	x["message"] = "not allowed beside\ntenant-8"
	raw, err := json.Marshal(entry{"metadata": entry{"name": "c", "uid": "c1"}, "scope": entry{"kind": "Pod", "namespace": "tenant-7", "name": "web", "uid": "u-web"}, "results": []entry{x}})
	if err != nil {
		t.Fatal(err)
	}
	wide := policyOf("wide", entry{"rules": []entry{{"name": "r", "validate": entry{"message": x["message"]}}}})
	for what, change := range map[string]func(*Config) *kube.Look{
		"with labels": func(*Config) *kube.Look { return testLook(now) },
		"by name alone": func(c *Config) *kube.Look {
			c.NamespaceLabels = false
			return kube.NewLook("policies/prod", agent, now)
		},
		"one of several": func(c *Config) *kube.Look {
			c.Namespaces = []string{"tenant-7"}
			return kube.NewLook("policies/prod", agent, now)
		},
	} {
		r := testReader()
		l := change(&r.cfg)
		rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
		for i, name := range []string{"platform", "tenant-7", "tenant-8"} {
			rules[i].Owns[0].Namespaces = []string{name}
		}
		for _, d := range append(r.give(t, l, "clusterpolicyreports.wgpolicyk8s.io", raw, false), r.give(t, l, clusterPolicies, wide, false)...) {
			views := kubetest.Views(t, "policies/prod", now, rules, d)["tenant-7"]
			if len(views) != 1 {
				t.Fatalf("%s: %s is told %d times", what, d.Kind, len(views))
			}
			tells(t, what, views[0], "tenant-8")
			if !strings.Contains(string(views[0].Raw), "[removed]") {
				t.Errorf("%s: raw %s", what, views[0].Raw)
			}
		}
	}
}

// Bytes that spell more names than can be asked for are left out.
func TestSpelledTooMany(t *testing.T) {
	var words []string
	for i := range maxSpelled + 1 {
		words = append(words, fmt.Sprint("w", i))
	}
	r := testReader()
	r.cfg.NamespaceLabels = false
	d := r.give(t, kube.NewLook("policies/prod", agent, now), clusterPolicies, policyOf("wordy", entry{"rules": []entry{{"name": "r", "validate": entry{"message": strings.Join(words, " ")}}}}), false)[0]
	if string(d.Raw) != "null" || len(d.Removed) != 2 {
		t.Errorf("raw %.100s, removed %q", d.Raw, d.Removed)
	}
}

// What a policy says of other tenants by the labels of their namespaces, in its
// selectors and its sentences, is told to nobody else, nor is a name behind an escape.
// What a label says that is nobody's is told.
func TestSpelledLabels(t *testing.T) {
	spaces := map[string]map[string]string{
		"tenant-7": {kubetest.TenantLabel: "tenant-7", "stage": "prod"},
		"space-8":  {kubetest.TenantLabel: "Acme.Eight_8", "stage": "canary"},
	}
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	rules[2].Owns[0].Labels = []string{kubetest.TenantLabel + "=Acme.Eight_8"}
	chosen := func(value string) entry {
		return entry{"matchLabels": entry{kubetest.TenantLabel: value}}
	}
	raw := policyOf("wide", entry{"rules": []entry{{
		"name":     "r",
		"match":    entry{"any": []entry{{"resources": entry{"kinds": []string{"Pod"}, "namespaceSelector": chosen("Acme.Eight_8")}}}},
		"validate": entry{"message": "not as Acme.Eight_8 does", "pattern": entry{"x": `{"m":"on canary\nspace-8"}`, "y": "canary"}},
	}, {
		"name":  "s",
		"match": entry{"any": []entry{{"resources": entry{"kinds": []string{"Pod"}, "selector": chosen("tenant-7")}}}},
	}}})
	ds := testReader().give(t, looktest.New("policies/prod", agent, now, spaces), clusterPolicies, raw, false)
	views := kubetest.Views(t, "policies/prod", now, rules, ds...)
	tells(t, "tenant-7", views["tenant-7"][0], "Acme", "space-8")
	for _, s := range []string{`"y":"canary"`, `{"` + kubetest.TenantLabel + `":"tenant-7"}`} {
		if !strings.Contains(string(views["tenant-7"][0].Raw), s) {
			t.Errorf("tenant-7 is not told %s: %s", s, views["tenant-7"][0].Raw)
		}
	}
	tells(t, "tenant-8", views["tenant-8"][0], `":"tenant-7"`)
	if s := string(views["tenant-8"][0].Raw); !strings.Contains(s, "not as Acme.Eight_8 does") {
		t.Errorf("tenant-8 is not told of its own: %s", s)
	}
}

// The end of a policy tells nobody of others either.
func TestEndApart(t *testing.T) {
	raw := policyOf("wide", entry{"rules": []entry{{"name": "r", "match": entry{"resources": entry{"kinds": []string{"Pod"}, "namespaces": []string{"tenant-7", "tenant-8"}}}, "validate": entry{"message": "not in tenant-8"}}}})
	r := testReader()
	r.give(t, testLook(now), clusterPolicies, raw, false)
	ds := r.give(t, testLook(now), clusterPolicies, raw, true)
	v := viewOf(t, ds[0], "tenant-7")
	if tells(t, "the end", v, "tenant-8"); v.Op != evidence.OpEnd || string(v.Content) != `{"reason":"deleted"}` || !strings.Contains(string(v.Raw), "tenant-7") {
		t.Errorf("%s: %s, %s", v.Op, v.Content, v.Raw)
	}
}
