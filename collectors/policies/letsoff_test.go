package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

const (
	configs  = "configs.config.gatekeeper.sh"
	hookSets = "validatingwebhookconfigurations.admissionregistration.k8s.io"
	changers = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
	anyRules = `"rules":[{"apiGroups":["*"],"apiVersions":["*"],"operations":["CREATE","UPDATE"],"resources":["*"]}]`
)

// settings is an object that says what its engine leaves unchecked.
func settings(namespace, name, rest string) []byte {
	return []byte(`{"metadata":{"name":"` + name + `","namespace":"` + namespace + `","uid":"u-` + name + `"},` + rest + `}`)
}

// letsOffOf writes what a draft says is let off.
func letsOffOf(t testing.TB, d evidence.Draft) string {
	t.Helper()
	f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d)
	var out []string
	for _, x := range f.Differs {
		out = append(out, strings.Join(strings.Fields(strings.Join([]string{x.Namespace, x.Kind, x.Policies, x.By, x.Action}, " ")), " "))
	}
	s := f.Engine + ": " + strings.Join(out, ", ")
	if f.FailsOpen != nil && *f.FailsOpen {
		s += "; open"
	}
	if len(f.Excludes.Kinds)+len(f.Excludes.By) > 0 {
		s += fmt.Sprintf("; %v %v", f.Excludes.Kinds, f.Excludes.By)
	}
	if f.Mode != evidence.PolicyLetsOff {
		s += "; mode " + f.Mode
	}
	return s
}

func TestLetsOff(t *testing.T) {
	const ignoring = `"namespaceSelector":{"matchExpressions":[{"key":"admission.gatekeeper.sh/ignore","operator":"DoesNotExist"}]}`
	spaces := map[string]map[string]string{
		"gatekeeper-system": {"admission.gatekeeper.sh/ignore": "no-self-managing"}, "kube-system": {},
		"tenant-7": {kubetest.TenantLabel: "tenant-7"}, "tenant-8": {kubetest.TenantLabel: "tenant-8", "admission.gatekeeper.sh/ignore": "yes"},
	}
	for _, c := range []struct{ resource, namespace, name, rest, want string }{
		{configs, "gatekeeper-system", "config", `"spec":{"match":[{"excludedNamespaces":["tenant-7"],"processes":["webhook"]}]}`, "gatekeeper: tenant-7 unchecked"},
		{configs, "gatekeeper-system", "config", `"spec":{"match":[{"excludedNamespaces":["tenant-*"],"processes":["*"]}]}`,
			"gatekeeper: tenant-7 unaudited, tenant-7 unchecked, tenant-8 unaudited, tenant-8 unchecked"},
		{configs, "gatekeeper-system", "config", `"spec":{"match":[{"excludedNamespaces":["tenant-7"],"processes":["sync","mutation-webhook"]},{"excludedNamespaces":["gone-*"],"processes":["webhook","audit"]}]}`,
			"gatekeeper: gone-* unaudited, gone-* unchecked"},
		{configs, "gatekeeper-system", "config", `"spec":{}`, "gatekeeper: "},
		{configs, "gatekeeper-system", "other", `"spec":{"match":[{"excludedNamespaces":["tenant-7"],"processes":["*"]}]}`, ""},

		{"configmaps", "kyverno", "kyverno", `"data":{"resourceFilters":"[Event,*,*] [*/*,kube-system,*] [*,tenant-7,?*][Pod,tenant-8,*] [ClusterRole,*,kyverno:*] [Node/?*,*,*]"}`,
			"kyverno: kube-system unchecked, tenant-7 unchecked, tenant-8 Pod unchecked; [Event Node/?*] [names]"},
		{"configmaps", "kyverno", "kyverno", `"data":{"resourceFilters":"[*,*,*]"}`,
			"kyverno: gatekeeper-system unchecked, kube-system unchecked, tenant-7 unchecked, tenant-8 unchecked"},
		{"configmaps", "kyverno", "kyverno", `"data":{"resourceFilters":"[*,tenant-7] [Pod]","excludeGroups":"system:nodes"}`, "kyverno: ; [] [names who asks]"},
		{"configmaps", "kyverno", "kyverno", `"data":{"excludeUsernames":"planted-person"}`, "kyverno: ; [] [who asks]"},
		{"configmaps", "kyverno", "kyverno", `"data":null`, "kyverno: "},

		{hookSets, "", "gatekeeper-validating-webhook-configuration", `"webhooks":[{` + anyRules + `,"name":"validation.gatekeeper.sh","failurePolicy":"Ignore","clientConfig":{"service":{"namespace":"gatekeeper-system"}},` + ignoring + `},{"name":"check-ignore-label.gatekeeper.sh","failurePolicy":"Fail"}]`,
			"gatekeeper: tenant-8 unchecked; open"},
		{hookSets, "", "gatekeeper-validating-webhook-configuration", `"webhooks":[]`,
			"gatekeeper: gatekeeper-system unchecked, kube-system unchecked, tenant-7 unchecked, tenant-8 unchecked"},
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"vpol.validate.kyverno.svc-fail","namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"tenant-7"}}},` +
			`{` + anyRules + `,"name":"validate.kyverno.svc-ignore","failurePolicy":"Ignore","namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"In","values":["kube-system","gatekeeper-system"]}]}}]`,
			"kyverno: gatekeeper-system ValidatingPolicy unchecked, kube-system ValidatingPolicy unchecked, tenant-7 ClusterPolicy unchecked, tenant-8 unchecked"},
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"validate.kyverno.svc-fail"}]`, "kyverno: "},
		{hookSets, "", "mine", `"webhooks":[{"name":"validate.kyverno.svc-fail"}]`, // without rules it is asked about nothing
			"kyverno: gatekeeper-system unchecked, kube-system unchecked, tenant-7 unchecked, tenant-8 unchecked"},
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"gpol.validate.kyverno.svc-fail"}]`, ""}, // it makes objects
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"validation.gatekeeper.sh","matchPolicy":"Exact"}]`, "gatekeeper: "},
		{hookSets, "", "mine", `"webhooks":[{"rules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["deployments"]}],"name":"validation.gatekeeper.sh",` +
			`"matchPolicy":"Exact","objectSelector":{"matchLabels":{"a":"b"}},"matchConditions":[{"name":"x","expression":"true"}]}]`,
			"gatekeeper: conditions unchecked, labels unchecked, operations unchecked, versions unchecked"},
		{hookSets, "", "mine", `"webhooks":[{"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}],"name":"validation.gatekeeper.sh"},` +
			`{"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["UPDATE"],"resources":["pods"]}],"name":"validation.gatekeeper.sh"}]`,
			"gatekeeper: operations unchecked"},
		// What narrows the webhook of one policy is that policy's; Kyverno's own condition
		// leaves out two kinds.
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"validate.kyverno.svc-fail","matchConditions":[{"name":"` + bootstrapName + `","expression":` + fmt.Sprintf("%q", bootstrapExpression) + `}]},` +
			`{` + anyRules + `,"name":"validate.kyverno.svc-fail-finegrained-p","matchConditions":[{"name":"x","expression":"true"}]},` +
			`{` + anyRules + `,"name":"vpol.validate.kyverno.svc-fail-11111111","objectSelector":{"matchLabels":{"a":"b"}},"matchConditions":[{"name":"x","expression":"true"}]},` +
			`{` + anyRules + `,"name":"nvpol.validate.kyverno.svc-fail","objectSelector":{"matchLabels":{"a":"b"}}}]`,
			"kyverno: CertificateSigningRequest ClusterPolicy unchecked, Node ClusterPolicy unchecked, ValidatingPolicy labels unchecked"},
		{hookSets, "", "mine", `"webhooks":[{` + anyRules + `,"name":"validate.kyverno.svc-fail","matchConditions":[{"name":"` + bootstrapName + `","expression":"false"}]}]`,
			"kyverno: ClusterPolicy conditions unchecked"},
		{changers, "", "kyverno-resource-mutating-webhook-cfg", `"webhooks":[{` + anyRules + `,"name":"mutate.kyverno.svc-ignore","failurePolicy":"Ignore","namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"tenant-7"}}},` +
			`{` + anyRules + `,"name":"mpol.validate.kyverno.svc-fail"}]`,
			"kyverno: gatekeeper-system unchecked, kube-system unchecked, tenant-8 unchecked; open"},
		{changers, "", "kyverno-resource-mutating-webhook-cfg", `"webhooks":[]`, "kyverno: gatekeeper-system unchecked, kube-system unchecked, tenant-7 unchecked, tenant-8 unchecked"},
		{changers, "", "gatekeeper-mutating-webhook-configuration", `"webhooks":[{` + anyRules + `,"name":"mutation.gatekeeper.sh"}]`, ""},
		{changers, "", "mine", `"webhooks":[{` + anyRules + `,"name":"validate.kyverno.svc-fail"}]`, ""},
		{hookSets, "", "kyverno-policy-validating-webhook-cfg", `"webhooks":[{"name":"validate-policy.kyverno.svc"}]`, ""},
	} {
		l := looktest.New("policies/prod", agent, now, spaces)
		got := ""
		for _, d := range everything().give(t, l, c.resource, settings(c.namespace, c.name, c.rest), false) {
			got += letsOffOf(t, d)
			if strings.Contains(fmt.Sprintf("%s %s", d.Content, d.Raw), "planted-person") {
				t.Errorf("%s: it names people: %s %s", c.rest, d.Content, d.Raw)
			}
		}
		if got != c.want {
			t.Errorf("%s %s:\n got %q\nwant %q", c.name, c.rest, got, c.want)
		}
	}
}

// A kind of policies that refuse and that no webhook asks about is checked nowhere,
// whatever asks about others; the webhook of one policy stands for no other.
func TestUnaskedKinds(t *testing.T) {
	const (
		celHook  = `{` + anyRules + `,"name":"vpol.validate.kyverno.svc-fail"}`
		ownHook  = `{` + anyRules + `,"name":"validate.kyverno.svc-fail-finegrained-x"}`
		narrowed = `{` + anyRules + `,"name":"validate.kyverno.svc-fail","namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"tenant-7"}}}`
		vpols    = "validatingpolicies.policies.kyverno.io"
		vaps     = "validatingadmissionpolicies.admissionregistration.k8s.io"
	)
	rule := func(action string, rules ...entry) []byte {
		return policyOf("p", entry{"validationFailureAction": action, "rules": rules})
	}
	validates, verifies := entry{"name": "r", "validate": entry{}}, entry{"name": "r", "verifyImages": []entry{{}}}
	vap, vpol := []byte(`{"metadata":{"name":"v","uid":"u-v"}}`), []byte(`{"metadata":{"name":"w","uid":"u-w"},"spec":{"validationActions":["Deny"]}}`)
	type given struct {
		resource string
		raw      []byte
	}
	for _, c := range []struct {
		policies []given
		hooks    string
		want     string
	}{
		{[]given{{clusterPolicies, rule("Enforce", validates)}}, celHook, "kyverno: ClusterPolicy unchecked"},
		{[]given{{clusterPolicies, rule("Enforce", validates)}, {vpols, vpol}}, celHook, "kyverno: ClusterPolicy unchecked"},
		{[]given{{vpols, vpol}}, narrowed, "kyverno: ValidatingPolicy unchecked, kube-system unchecked, platform unchecked, tenant-8 unchecked"},
		{[]given{{clusterPolicies, rule("Audit", validates)}}, celHook, "kyverno: "},
		{[]given{{clusterPolicies, rule("Enforce", verifies)}}, celHook, "kyverno: ClusterPolicy images unchecked"},
		{[]given{{clusterPolicies, rule("Enforce", validates)}, {vaps, vap}}, celHook, "kyverno: ClusterPolicy policies of Kubernetes unchecked"},
		{nil, celHook, "kyverno: "},
		{[]given{{clusterPolicies, rule("Enforce", validates)}}, ownHook, "kyverno: ClusterPolicy conditions unchecked"},
		{nil, ownHook + "," + narrowed, "kyverno: kube-system ClusterPolicy conditions unchecked, platform ClusterPolicy conditions unchecked, tenant-8 ClusterPolicy conditions unchecked"},
	} {
		r, l := testReader(), testLook(now)
		for _, p := range c.policies {
			r.give(t, l, p.resource, p.raw, false)
		}
		if got := letsOffOf(t, r.give(t, l, hookSets, settings("", kyvernoHooks, `"webhooks":[`+c.hooks+`]`), false)[0]); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.hooks, got, c.want)
		}
		if got := letsOffOf(t, r.give(t, l, hookSets, settings("", "mine", `"webhooks":[`+celHook+`]`), false)[0]); got != "kyverno: " {
			t.Errorf("somebody else's: %q", got)
		}
	}
}

// Whose namespace is let off is told, and others are told of nobody, not of the
// platform's namespaces either: that one is listed says that it is let off.
func TestLetsOffViews(t *testing.T) {
	l := testLook(now)
	for resource, raw := range map[string][]byte{
		configs:      settings("platform", "config", `"spec":{"match":[{"excludedNamespaces":["kube-*","tenant-8","nobody-*"],"processes":["webhook"]}]}`),
		"configmaps": settings("platform", "kyverno", `"data":{"resourceFilters":"[*/*,kube-system,*][*,tenant-8,*][*,nobody-*,*]"}`),
		changers:     settings("", "y", `"webhooks":[{`+anyRules+`,"name":"mutate.kyverno.svc-fail","namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system","tenant-8"]}]}}]`),
		hookSets:     settings("", "x", `"webhooks":[{`+anyRules+`,"name":"validation.gatekeeper.sh","namespaceSelector":{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system","tenant-8"]}]}}]`),
	} {
		ds := everything().give(t, l, resource, raw, false)
		views := kubetest.Views(t, "policies/prod", now, kubetest.ByLabel(t, "tenant-7", "tenant-8"), ds...)
		if len(views["tenant-7"]) != 1 || len(views["tenant-8"]) != 1 {
			t.Fatalf("%s: told to %d and %d", resource, len(views["tenant-7"]), len(views["tenant-8"]))
		}
		f7, f8 := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, views["tenant-7"][0]), evidencetest.Decode[evidence.AdmissionPolicyFacts](t, views["tenant-8"][0])
		if len(f7.Differs) > 0 {
			t.Errorf("%s: tenant-7 is told of %v", resource, f7.Differs)
		}
		tells(t, resource+" to tenant-7", views["tenant-7"][0], "tenant-8")
		if want := []evidence.PolicyDiffer{{Namespace: "tenant-8", Action: evidence.PolicyUnchecked}}; !slices.Equal(f8.Differs, want) {
			t.Errorf("%s: tenant-8 is told of %v, want %v", resource, f8.Differs, want)
		}
	}
}

// While it is not known what Kyverno leaves unchecked, that is told; where Kyverno has
// no policies nobody asks.
func TestUnread(t *testing.T) {
	l := testLook(now)
	after := func(r *reader) (got string) {
		t.Helper()
		kept, err := json.Marshal(r.memory) // a restart
		if err != nil {
			t.Fatal(err)
		}
		r.memory = memory{}
		if err := json.Unmarshal(kept, &r.memory); err != nil {
			t.Fatal(err)
		}
		r.cfg.Required = nil
		ds, err := r.after(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			got += string(d.Op)
			if d.Op == evidence.OpSet {
				f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d)
				got += " " + f.Mode + " " + f.Ready + " " + f.Reason
			}
			if v := viewOf(t, d, "tenant-7"); v.Kind == "" {
				t.Error("tenant-7 is not told")
			}
		}
		return got
	}
	r := testReader()
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{func() { r.give(t, l, clusterPolicies, policyOf("p", entry{"rules": []entry{}}), false) }, "set letsoff Unknown NotRead"},
		{func() {}, ""},
		{func() { r.cfg.KyvernoConfig = "kyverno" }, "set letsoff Unknown NotFound"},
		{func() { r.give(t, l, "configmaps", settings("kyverno", "kyverno", `"data":{}`), false) }, "end"},
		{func() {}, ""},
		{func() { r.give(t, l, "configmaps", settings("kyverno", "kyverno", `"data":{}`), true) }, "set letsoff Unknown NotFound"},
	} {
		step.do()
		if got := after(r); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

// An engine whose policies refuse and whose webhook configuration is not there is asked
// nothing, and that is told; where Kubernetes has policies of its own, it is not known.
func TestUnasked(t *testing.T) {
	l := testLook(now)
	after := func(r *reader) (got []string) {
		t.Helper()
		kept, err := json.Marshal(r.memory) // a restart
		if err != nil {
			t.Fatal(err)
		}
		r.memory = memory{}
		if err := json.Unmarshal(kept, &r.memory); err != nil {
			t.Fatal(err)
		}
		ds, err := r.unasked(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			says := d.Subject.Name + " " + string(d.Op)
			if d.Op == evidence.OpSet {
				f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d)
				says += " " + f.Engine + " " + f.Mode + " " + f.Ready + " " + f.Reason
			}
			if v := viewOf(t, d, "tenant-7"); v.Kind == "" {
				t.Error("tenant-7 is not told")
			}
			got = append(got, says)
		}
		return got
	}
	const (
		gates, checks, images = "ValidatingWebhookConfiguration//gatekeeper-validating-webhook-configuration", "ValidatingWebhookConfiguration//kyverno-resource-validating-webhook-cfg", "MutatingWebhookConfiguration//kyverno-resource-mutating-webhook-cfg"
	)
	rule := func(rules ...entry) []byte {
		return policyOf("p", entry{"validationFailureAction": "Enforce", "rules": rules})
	}
	audits := []byte(`{"metadata":{"name":"k","uid":"u-k"},"spec":{"enforcementAction":"dryrun"}}`)
	refuses := []byte(`{"metadata":{"name":"k","uid":"u-k"},"spec":{}}`)
	const constraints = "k8srequiredlabels.constraints.gatekeeper.sh"
	checking, changing := settings("", "kyverno-resource-validating-webhook-cfg", `"webhooks":[]`), settings("", "kyverno-resource-mutating-webhook-cfg", `"webhooks":[]`)
	r := testReader()
	for i, step := range []struct {
		resource string
		raw      []byte
		gone     bool
		want     []string
	}{
		{constraints, audits, false, nil},
		{constraints, refuses, false, []string{gates + " set gatekeeper letsoff False NotFound"}},
		{clusterPolicies, rule(entry{"name": "r", "validate": entry{}}), false, []string{checks + " set kyverno letsoff False NotFound"}},
		{clusterPolicies, rule(entry{"name": "r", "verifyImages": []entry{{}}}), false, []string{images + " set kyverno letsoff False NotFound"}},
		{hookSets, checking, false, []string{checks + " end"}},
		{changers, changing, false, []string{images + " end"}},
		{changers, changing, true, []string{images + " set kyverno letsoff False NotFound"}},
		{"validatingadmissionpolicies.admissionregistration.k8s.io", []byte(`{"metadata":{"name":"v","uid":"u-v"}}`), false,
			[]string{gates + " set gatekeeper letsoff Unknown NotFound", images + " set kyverno letsoff Unknown NotFound"}},
		{constraints, refuses, true, []string{gates + " end"}},
		{clusterPolicies, rule(entry{"name": "r", "mutate": entry{}}), false, []string{images + " end"}},
	} {
		r.give(t, l, step.resource, step.raw, step.gone)
		if got := after(r); !slices.Equal(got, step.want) {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
		if got := after(r); got != nil {
			t.Errorf("step %d: told again %q", i, got)
		}
	}
}

// A namespace that gets a label, or is made, may be let off by what is as it was: it is
// read again.
func TestLetsOffAgain(t *testing.T) {
	r := everything()
	var asked []string
	r.again = func(_ *kube.Look, resource, namespace string) { asked = append(asked, namespace+"/"+resource) }
	settle := func(l *kube.Look) string {
		asked = nil
		r.settle(l)
		slices.Sort(asked)
		return strings.Join(asked, " ")
	}
	l := testLook(now)
	r.give(t, l, hookSets, settings("", "x", `"webhooks":[{`+anyRules+`,"name":"validation.gatekeeper.sh"}]`), false)
	r.give(t, l, "configmaps", settings("kyverno", "kyverno", `"data":{}`), false)
	const all = "/" + hookSets + " kyverno/configmaps"
	if got := settle(l); got != all {
		t.Errorf("at first %q", got)
	}
	if got := settle(testLook(now)); got != "" {
		t.Errorf("the same namespaces: %q", got)
	}
	if got := settle(looktest.New("policies/prod", agent, now, spaces, kube.Namespace{Name: "new", UID: "n"})); got != all {
		t.Errorf("a new one: %q", got)
	}
	last := looktest.New("policies/prod", agent, now, spaces, kube.Namespace{Name: "new", UID: "n"})
	r.give(t, last, clusterPolicies, policyOf("p", entry{"validationFailureAction": "Enforce", "rules": []entry{{"name": "r", "validate": entry{}}}}), false)
	if got := settle(last); got != all {
		t.Errorf("policies of another kind: %q", got)
	}
	if got := settle(last); got != "" {
		t.Errorf("the same policies: %q", got)
	}
	r.cfg.NamespaceLabels = true
	if got := settle(looktest.New("policies/prod", agent, now, nil)); got != "" {
		t.Errorf("none is known: %q", got)
	}
}

// Where the labels of namespaces are not read, nobody knows whom a webhook reaches.
func TestWebhookWithoutLabels(t *testing.T) {
	r, l := everything(), looktest.New("policies/prod", agent, now, nil)
	r.cfg.NamespaceLabels = false
	for selector, want := range map[string]string{`{}`: "True ", `{"matchLabels":{"a":"b"}}`: "Unknown NamespacesNotRead"} {
		d := r.give(t, l, hookSets, settings("", "x", `"webhooks":[{`+anyRules+`,"name":"validation.gatekeeper.sh","namespaceSelector":`+selector+`}]`), false)[0]
		if f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d); f.Ready+" "+f.Reason != want {
			t.Errorf("%s: %s %s, want %s", selector, f.Ready, f.Reason, want)
		}
	}
	r.cfg.NamespaceLabels = true // they are read, and could not be
	raw := settings("", "x", `"webhooks":[{`+anyRules+`,"name":"validation.gatekeeper.sh","namespaceSelector":{"matchLabels":{"a":"b"}}}]`)
	if ds, err := looktest.Give(t, r.resources(nil), l, hookSets, raw, false); !errors.Is(err, errSpaces) || len(ds) > 0 {
		t.Errorf("without namespaces: %d drafts, %v", len(ds), err)
	}
}
