package policies

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

var now = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

const objectsFile = "testdata/objects.txtar"

var spaces = map[string]map[string]string{
	"platform": {kubetest.TenantLabel: "platform"}, "kube-system": {kubetest.TenantLabel: "platform"},
	"tenant-7": {kubetest.TenantLabel: "tenant-7"}, "tenant-8": {kubetest.TenantLabel: "tenant-8"},
}

// planted are secrets that stand in the objects in clear. Nothing of them is in a
// draft, not even in its bytes.
var planted = []string{
	"planted-message", "planted-last-applied", "planted-header", "planted-generated", "planted-mutated", "planted-variable", "planted-status",
	"planted-warning", "planted-error", "planted-point", "planted-bundle", "planted-hook", "planted-generation", "planted-pass", "planted-rego",
}

func testConfig() Config {
	cfg := *Spec().Config().(*Config)
	cfg.Required, cfg.ExpiryKeys = []string{"require-signed", "no-root", "tenant-7/own"}, []string{"policies.example.test/until"}
	return cfg
}

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		Source: "policies/prod", Now: now, Conversation: kubetest.Conversation(t, objectsFile, spaces),
		Wants:   []evidence.Kind{evidence.PolicyInForce, evidence.PolicyException, evidence.PolicyResult},
		Planted: append(slices.Clone(planted), "planted-user"),
		// Waived: see TestMutatingWebhooksRefused.
		Means: func(status int, line string) bool {
			return status == http.StatusForbidden && strings.Contains(line, "/mutatingwebhookconfigurations")
		},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := testConfig()
			cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
			c, err := newWith(cfg, w.Env, kube.Client(func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody }))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
}

func testReader() *reader {
	r := &reader{cfg: testConfig(), env: collectors.Env{Source: "policies/prod", Clock: func() time.Time { return now }}, authority: "prod"}
	r.begin()
	return r
}

func testLook(at time.Time) *kube.Look { return looktest.New("policies/prod", agent, at, spaces) }

// give hands an object to the functions of its resource.
func (r *reader) give(t testing.TB, l *kube.Look, resource string, raw []byte, gone bool) []evidence.Draft {
	t.Helper()
	ds, err := looktest.Give(t, r.resources(constraintKinds), l, resource, raw, gone)
	if err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
	return ds
}

// constraintKinds are the kinds of Gatekeeper's constraints in the recorded objects.
var constraintKinds = []string{"K8sRequiredLabels"}

// look gives the drafts of the recorded objects.
func look(t testing.TB) []evidence.Draft {
	t.Helper()
	r, l := testReader(), testLook(now)
	ds := looktest.Objects(t, r.resources(constraintKinds), l, objectsFile)
	more, err := r.after(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return append(ds, more...)
}

func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, d := range look(t) {
		b, err := json.MarshalIndent(struct {
			Kind, Op, Subject, At string
			Links, Scope          []evidence.Ref
			Text                  string             `json:",omitempty"`
			Removed               []string           `json:",omitempty"`
			Mentions              []evidence.Mention `json:",omitempty"`
			Facts                 json.RawMessage
		}{string(d.Kind), string(d.Op), d.Subject.String(), evidence.FormatTime(d.OccurredAt), d.Links, d.Scope, string(d.Text), d.Removed, d.Mentions, d.Content}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "objects.golden", got.Bytes())
}

func TestSecretsAreTakenOut(t *testing.T) {
	for _, d := range look(t) {
		for _, word := range planted {
			if strings.Contains(fmt.Sprintf("%+v", d)+string(d.Content)+string(d.Raw)+string(d.Text), word) {
				t.Errorf("%q found in a draft of %s", word, d.Subject)
			}
		}
	}
}

// A constraint's bytes list what stands in everybody's namespaces: they are of the
// whole cluster, so the list is taken out, and each violation goes to its own.
func TestConstraintTellsEachItsOwn(t *testing.T) {
	seen := 0
	for _, d := range look(t) {
		switch {
		case d.Kind == evidence.PolicyInForce && strings.Contains(d.Subject.Name, "K8sRequiredLabels") && strings.HasSuffix(d.Subject.Name, "owner"):
			seen++
			if strings.Contains(string(d.Raw), "shop") || !slices.Contains(d.Removed, "/status/violations") {
				t.Errorf("raw %s, removed %q", d.Raw, d.Removed)
			}
			f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d)
			if *f.Violations != 431 || *f.Listed != 3 || !f.ViolationsCut || f.Ready != "False" || f.Reason != "not in force in 1 of 2 pods" {
				t.Errorf("facts %s", d.Content)
			}
		case d.Kind == evidence.PolicyResult && strings.Contains(d.Subject.Name, "|shop|gatekeeper|"):
			seen++
			if fmt.Sprint(d.Scope) != fmt.Sprint(testLook(now).Scope("tenant-8")) {
				t.Errorf("scope %v", d.Scope)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d of 2 drafts", seen)
	}
}

// What one tenant gets of a policy of the cluster names no namespace of another.
func TestViews(t *testing.T) {
	all := look(t)
	for _, d := range all {
		if slices.Contains(d.Scope, evidence.NewRef("ns", "prod", "tenant-8")) {
			continue // tenant-8 is concerned itself: see below
		}
		v := viewOf(t, d, "tenant-7")
		if v.Kind == "" {
			continue
		}
		if text := string(v.Content) + string(v.Raw) + string(v.Text) + fmt.Sprint(v.Scope, v.Links); strings.Contains(text, "tenant-8") {
			t.Errorf("%s %s tells tenant-7 of tenant-8: %s", v.Kind, v.Subject, text)
		}
	}
	for _, d := range all {
		v7, v8 := viewOf(t, d, "tenant-7"), viewOf(t, d, "tenant-8")
		in7, in8 := strings.Contains(d.Subject.Name, "tenant-7|"), strings.Contains(d.Subject.Name, "tenant-8|")
		if d.Kind == evidence.PolicyResult && (in7 && v8.Kind != "" || in8 && v7.Kind != "") {
			t.Errorf("%s goes to the wrong log", d.Subject)
		}
		if d.Kind == evidence.PolicyResult && (in7 && v7.Kind == "" || in8 && v8.Kind == "") {
			t.Errorf("%s does not go to its own log", d.Subject)
		}
	}
}

// A report of the cluster that calls things "namespace/name" is about what stands in
// that namespace.
func TestNameWithNamespace(t *testing.T) {
	r, l := testReader(), testLook(now)
	for name, want := range map[string]bool{"tenant-8/web": false, "tenant-7/web": true, "node-1/kubelet": true, "node-1": true} {
		raw := `{"metadata":{"name":"scan","uid":"u-` + strings.ReplaceAll(name, "/", "-") + `"},"results":[{"policy":"root","rule":"user","result":"fail","source":"Scanner","resources":[{"name":"` + name + `"}]}]}`
		ds := r.give(t, l, "clusterreports.openreports.io", []byte(raw), false)
		if v := viewOf(t, ds[0], "tenant-7"); (v.Kind != "") != want {
			t.Errorf("%s is told to tenant-7: %v, want %v", name, v.Kind != "", want)
		}
	}
}

func summary(t testing.TB, ds []evidence.Draft) (out []string) {
	t.Helper()
	for _, d := range ds {
		if d.Kind != evidence.PolicyResult {
			continue
		}
		s := string(d.Op) + " " + d.Subject.Name
		if d.Op == evidence.OpSet {
			f := evidencetest.Decode[evidence.PolicyResultFacts](t, d)
			s += " " + f.Result + " of " + f.Group
		}
		out = append(out, s)
	}
	return out
}

type entry map[string]any

func reportOf(name, uid string, results ...entry) []byte {
	b, err := json.Marshal(entry{
		"metadata": entry{"name": name, "namespace": "tenant-7", "uid": uid, "resourceVersion": "5"},
		"scope":    entry{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "tenant-7", "name": "web", "uid": "u-web"},
		"results":  results,
	})
	if err != nil {
		panic(err)
	}
	return b
}

func outcome(policy, rule, result string, seconds int) entry {
	return entry{"source": "kyverno", "policy": policy, "rule": rule, "result": result, "timestamp": entry{"seconds": 1772459100 + seconds}}
}

const wg, open = "policyreports.wgpolicyk8s.io", "reports.openreports.io"

// What a report drops ends, over a restart too, and what it says again does not.
func TestTransitions(t *testing.T) {
	r, l := testReader(), testLook(now)
	check := func(what string, got []evidence.Draft, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, summary(t, got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	const a, b = "tenant-7|Deployment.apps|web|kyverno|signed|verify", "tenant-7|Deployment.apps|web|kyverno|limits|cpu"
	first := r.give(t, l, wg, reportOf("u-web", "r1", outcome("signed", "verify", "fail", 0), outcome("limits", "cpu", "pass", 0)), false)
	check("first", first, "set "+a+" fail of wgpolicyk8s.io", "set "+b+" pass of wgpolicyk8s.io")
	again := r.give(t, l, wg, reportOf("u-web", "r1", outcome("limits", "cpu", "pass", 3600), outcome("signed", "verify", "fail", 3600)), false)
	check("scanned again", again, "set "+b+" pass of wgpolicyk8s.io", "set "+a+" fail of wgpolicyk8s.io")
	for _, d := range again { // but for what is volatile, they are the same
		i := slices.IndexFunc(first, func(x evidence.Draft) bool { return x.Subject == d.Subject })
		info, _ := evidence.KindInfo(d.Kind)
		if stable(t, d, info) != stable(t, first[i], info) {
			t.Errorf("a scan without news makes a new state: %s and %s", first[i].Content, d.Content)
		}
	}

	kept, err := json.Marshal(r.memory) // a restart
	if err != nil {
		t.Fatal(err)
	}
	r = testReader()
	if err := json.Unmarshal(kept, &r.memory); err != nil {
		t.Fatal(err)
	}
	check("one is dropped", r.give(t, l, wg, reportOf("u-web", "r1", outcome("limits", "cpu", "pass", 0)), false), "set "+b+" pass of wgpolicyk8s.io", "end "+a)
	check("and the rest", r.give(t, l, wg, reportOf("u-web", "r1"), true), "end "+b)
	if len(r.memory.Reports) != 0 {
		t.Errorf("it remembers %v", r.memory.Reports)
	}
}

func stable(t testing.TB, d evidence.Draft, info evidence.Info) string {
	f := evidencetest.Decode[map[string]any](t, d)
	for _, v := range info.Volatile {
		delete(f, v)
	}
	return fmt.Sprint(f)
}

// The same report in both groups is one state, which openreports.io tells.
func TestTwoGroups(t *testing.T) {
	r, l := testReader(), testLook(now)
	const a, b = "tenant-7|Deployment.apps|web|kyverno|signed|verify", "tenant-7|Deployment.apps|web|kyverno|limits|cpu"
	both := []entry{outcome("signed", "verify", "fail", 0), outcome("limits", "cpu", "pass", 0)}
	for _, step := range []struct {
		what, resource string
		report         []byte
		gone           bool
		want           []string
	}{
		{"the old group", wg, reportOf("u-web", "r1", both...), false, []string{"set " + a + " fail of wgpolicyk8s.io", "set " + b + " pass of wgpolicyk8s.io"}},
		{"the engine is switched over", open, reportOf("u-web", "r2", outcome("signed", "verify", "fail", 0)), false, []string{"set " + a + " fail of openreports.io"}},
		{"the old one is stale", wg, reportOf("u-web", "r1", outcome("signed", "verify", "pass", 0), outcome("limits", "cpu", "pass", 0)), false, []string{"set " + b + " pass of wgpolicyk8s.io"}},
		{"and goes: what the new one tells stays", wg, reportOf("u-web", "r1"), true, []string{"end " + b}},
		{"the new one goes", open, reportOf("u-web", "r2"), true, []string{"end " + a}},
		{"the old one is back", wg, reportOf("u-web", "r3", outcome("signed", "verify", "pass", 0)), false, []string{"set " + a + " pass of wgpolicyk8s.io"}},
	} {
		if d := cmp.Diff(step.want, summary(t, r.give(t, l, step.resource, step.report, step.gone))); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, d)
		}
		// It holds for another process just as well.
		kept, err := json.Marshal(r.memory)
		if err != nil {
			t.Fatal(err)
		}
		r = testReader()
		if err := json.Unmarshal(kept, &r.memory); err != nil {
			t.Fatal(err)
		}
	}
}

// Of entries that speak of the same the worst counts, in whatever order they stand.
func TestWorstCounts(t *testing.T) {
	for _, order := range [][]string{{"pass", "fail", "error"}, {"fail", "error", "pass"}, {"error", "pass", "fail"}} {
		r := testReader()
		var es []entry
		for _, o := range order {
			es = append(es, outcome("p", "r", o, 0))
		}
		ds := r.give(t, testLook(now), wg, reportOf("u-web", "r1", es...), false)
		if f := evidencetest.Decode[evidence.PolicyResultFacts](t, ds[0]); len(ds) != 1 || f.Result != "fail" || f.Times != 3 {
			t.Errorf("%v: %d drafts, %+v", order, len(ds), f)
		}
	}
}

// A report speaks of its own namespace alone: whoever may write reports there says
// nothing of another tenant's things.
func TestForgedNamespace(t *testing.T) {
	r, l := testReader(), testLook(now)
	forged := outcome("p", "r", "fail", 0)
	forged["resources"] = []entry{{"kind": "Deployment", "namespace": "tenant-8", "name": "shop", "uid": "u-shop"}, {"kind": "Deployment", "namespace": "tenant-7", "name": "web", "uid": "u-web"}}
	ds := r.give(t, l, wg, reportOf("x", "r1", forged), false)
	if got := summary(t, ds); len(got) != 1 || !strings.HasPrefix(got[0], "set tenant-7|") {
		t.Errorf("drafts %q", got)
	}
	if why := r.memory.Reports["r1"].Cut; !strings.Contains(why, "outside of its namespace") {
		t.Errorf("it says %q", why)
	}
}

// Two things of one name are told apart by their uids.
func TestSameName(t *testing.T) {
	r, l := testReader(), testLook(now)
	two := outcome("p", "r", "fail", 0)
	two["resources"] = []entry{{"kind": "Pod", "name": "db-0", "uid": "u-1"}, {"kind": "Pod", "name": "db-0", "uid": "u-2"}}
	if ds := r.give(t, l, wg, reportOf("x", "r1", two), false); len(ds) != 2 || ds[0].Subject == ds[1].Subject {
		t.Fatalf("%d drafts", len(ds))
	}
	two["resources"] = two["resources"].([]entry)[1:]
	ds := r.give(t, l, wg, reportOf("x", "r1", two), false)
	if len(ds) != 2 || ds[1].Op != evidence.OpEnd || ds[1].Subject.UID != "u-1" {
		t.Errorf("%v", summary(t, ds))
	}
}

// Odd entries cost themselves, and the namespace is told to be blind for them.
func TestOddResults(t *testing.T) {
	for what, tc := range map[string]struct {
		raw  string
		want int
		why  string
	}{
		"an entry of another form":     {`"results":["x",{"policy":"p","result":"pass"}]`, 1, "cannot be read"},
		"no policy":                    {`"results":[{"result":"fail"}]`, 0, "cannot be read"},
		"a message that is no text":    {`"results":[{"policy":"p","message":{}},{"policy":"p","result":"pass"}]`, 1, "cannot be read"},
		"fewer than counted":           {`"summary":{"pass":1,"fail":3},"results":[{"policy":"p","result":"pass"}]`, 1, "counts more"},
		"failures are left out":        {`"configuration":{"limits":{"statusFilter":["pass"]}},"results":[{"policy":"p","result":"pass"}]`, 1, "leaves out"},
		"passes alone are left out":    {`"configuration":{"limits":{"statusFilter":["fail","warn","error"]}},"results":[]`, 0, ""},
		"a time that is none":          {`"results":[{"policy":"p","result":"pass","timestamp":{"seconds":99999999999999}}]`, 1, ""},
		"a result that nobody knows":   {`"results":[{"policy":"p","result":"maybe"}]`, 1, ""},
		"a name as long as a megabyte": {`"results":[{"policy":"` + strings.Repeat("x", 1<<20) + `","result":"pass"}]`, 1, ""},
	} {
		r := testReader()
		ds := r.give(t, testLook(now), wg, []byte(`{"metadata":{"name":"a","namespace":"tenant-7","uid":"r1"},`+tc.raw+`}`), false)
		if why := r.memory.Reports["r1"].Cut; len(ds) != tc.want || (tc.why == "") != (why == "") || !strings.Contains(why, tc.why) {
			t.Errorf("%s: %d drafts, %q", what, len(ds), why)
		}
		for _, d := range ds {
			if n := len(d.Subject.String()); n > evidence.MaxRef+300 {
				t.Errorf("%s: a reference of %d bytes", what, n)
			}
		}
	}
}

// What is larger than a record can be is cut and counted: it never ends a run.
func TestHuge(t *testing.T) {
	long := func(prefix string) (out []string) {
		for i := range 300 {
			out = append(out, fmt.Sprint(prefix, i, strings.Repeat("<", 1100)))
		}
		return out
	}
	kinds, spaces, others, excepts := long("k"), long("n"), long("o"), long("e")
	var rules, results, excused []entry
	for i, name := range long("r") {
		rules = append(rules, entry{"name": name, "match": entry{"resources": entry{"kinds": kinds[i : i+1], "namespaces": spaces[i : i+1]}},
			"validate": entry{"failureAction": "Enforce", "failureActionOverrides": []entry{{"action": "Audit", "namespaces": others[i : i+1]}}}})
		excused = append(excused, entry{"policyName": name, "ruleNames": excepts[i : i+1]})
	}
	r, l := testReader(), testLook(now)
	ds := r.give(t, l, clusterPolicies, policyOf("huge", entry{"rules": rules}), false)
	f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, ds[0])
	if f.RulesCut == 0 || len(f.Rules) == 0 || f.Applies.Cut == 0 {
		t.Errorf("%d rules, %d cut, reach cut %d", len(f.Rules), f.RulesCut, f.Applies.Cut)
	}
	meta := entry{"name": "huge", "namespace": "tenant-7", "uid": "u"}
	raw, err := json.Marshal(entry{"metadata": meta, "spec": entry{"exceptions": excused, "match": entry{"resources": entry{"kinds": kinds}}}})
	if err != nil {
		t.Fatal(err)
	}
	r.give(t, l, "policyexceptions.kyverno.io", raw, false)
	raw, err = json.Marshal(entry{"metadata": entry{"name": "huge", "uid": "u"}, "spec": entry{"policyName": long("p")[0], "validationActions": long("a"),
		"matchResources": entry{"resourceRules": []entry{{"apiGroups": []string{"x"}, "resources": long("r")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	r.give(t, l, "validatingadmissionpolicybindings.admissionregistration.k8s.io", raw, false)
	all := long("x")
	results = append(results, entry{"policy": all[0], "rule": all[1], "category": all[2], "source": all[3], "result": "skip", "message": strings.Repeat(all[4], 10),
		"properties": entry{"exceptions": strings.Join(all, ",")}, "resources": []entry{{"kind": all[5], "name": all[6], "uid": all[7], "apiVersion": all[8] + "/v1"}}})
	if ds := r.give(t, l, wg, reportOf("x", "r1", results...), false); len(ds) != 1 {
		t.Errorf("%d drafts", len(ds))
	}
}

// seen gives the claims about results after a full look.
func (r *reader) seen(t testing.TB, l *kube.Look) []string {
	t.Helper()
	if _, err := r.after(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	o := evidence.Observation{Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.PolicyInForce, evidence.PolicyResult}, Class: evidence.Continuous, From: l.Now.Add(-time.Minute), To: l.Now}}}
	r.observe(&o)
	var out []string
	for _, s := range o.Seen {
		if slices.Contains(s.Kinds, evidence.PolicyResult) {
			out = append(out, strings.TrimSpace(fmt.Sprint(s.Class, " ", s.Scope.Name, " ", s.Cause)))
		}
	}
	return out
}

const clusterPolicies = "clusterpolicies.kyverno.io"

func policyOf(name string, more entry) []byte {
	spec := entry{"rules": []entry{{"name": "r", "validate": entry{}}}}
	for k, v := range more {
		spec[k] = v
	}
	b, err := json.Marshal(entry{"metadata": entry{"name": name, "uid": "u-" + name}, "spec": spec})
	if err != nil {
		panic(err)
	}
	return b
}

// An empty answer is no good one.
func TestNotMeasured(t *testing.T) {
	r, l := testReader(), testLook(now)
	if got := r.seen(t, l); !slices.Equal(got, []string{"blind  " + noReports}) {
		t.Errorf("nothing at all: %q", got)
	}
	constraints := kubetest.Objects(t, objectsFile)["k8srequiredlabels.constraints.gatekeeper.sh"]
	r.give(t, l, "k8srequiredlabels.constraints.gatekeeper.sh", constraints[0], false)
	if got := r.seen(t, l); !slices.Equal(got, []string{"continuous"}) {
		t.Errorf("Gatekeeper alone: %q", got)
	}
	r.give(t, l, clusterPolicies, policyOf("quiet", entry{"background": false}), false)
	if got := r.seen(t, l); !slices.Equal(got, []string{"continuous"}) {
		t.Errorf("a policy that checks nothing in the background: %q", got)
	}
	r.give(t, l, clusterPolicies, policyOf("signed", nil), false)
	if got := r.seen(t, l); !slices.Equal(got, []string{"blind  " + noKyverno}) {
		t.Errorf("Kyverno without reports: %q", got)
	}
	r.give(t, l, wg, reportOf("u-web", "r1", outcome("signed", "r", "pass", 0)), false)
	if got := r.seen(t, l); !slices.Equal(got, []string{"continuous"}) {
		t.Errorf("with one: %q", got)
	}
	r.give(t, l, wg, []byte(`{"metadata":{"name":"a","namespace":"tenant-7","uid":"r2"},"summary":{"fail":2},"results":[]}`), false)
	if got := r.seen(t, l); !slices.Equal(got, []string{"continuous", "blind tenant-7 a policy report counts more results than it lists"}) {
		t.Errorf("with one that is cut: %q", got)
	}
	r.give(t, l, wg, reportOf("u-web", "r1"), true)
	r.give(t, l, wg, reportOf("a", "r2"), true)
	if got := r.seen(t, l); !slices.Equal(got, []string{"blind  " + noKyverno}) {
		t.Errorf("reports were switched off: %q", got)
	}
}

// A requirement is told when it begins, when its policy goes and comes, and when
// nobody asks any more.
func TestRequirements(t *testing.T) {
	r, l := testReader(), testLook(now)
	r.cfg.Required = []string{"signed", "tenant-7/own"}
	check := func(what string, want ...string) {
		t.Helper()
		ds, err := r.after(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range ds {
			s := string(d.Op) + " " + d.Subject.Name
			if d.Op == evidence.OpSet {
				s += " " + evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d).Mode
			}
			if err := d.Check(); err != nil {
				t.Error(err)
			}
			got = append(got, s)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	check("nothing is there", "set RequiredPolicy//signed missing", "set RequiredPolicy/tenant-7/own missing")
	check("nothing new")
	r.give(t, l, clusterPolicies, policyOf("signed", nil), false)
	r.give(t, l, clusterPolicies, policyOf("own", nil), false) // another one
	check("one comes", "set ConfigMap//kyverno letsoff", "set RequiredPolicy//signed there")
	r.give(t, l, clusterPolicies, policyOf("signed", nil), true)
	check("and goes", "set RequiredPolicy//signed missing")
	r.cfg.Required = []string{"signed"}
	check("nobody asks", "end RequiredPolicy/tenant-7/own")
}

// What was deleted while nobody looked is forgotten by the next full list.
func TestForget(t *testing.T) {
	var m memory
	m.keep("old", &report{Of: wg, Seen: now.Add(-time.Hour)})
	m.keep("new", &report{Of: wg, Seen: now})
	m.keep("other", &report{Of: open, Seen: now.Add(-time.Hour)})
	m.policy("gone", policy{Of: clusterPolicies, Seen: now.Add(-time.Hour)})
	m.template("gone", "X", now.Add(-time.Hour))
	m.forget(func(resource string) time.Time {
		if resource == open {
			return time.Time{} // it went on from its history
		}
		return now
	})
	if len(m.Reports) != 2 || m.Reports["old"] != nil || len(m.Policies) != 0 || len(m.Templates) != 0 {
		t.Errorf("left: %v, %v, %v", m.Reports, m.Policies, m.Templates)
	}
}

func TestMemoryIsChecked(t *testing.T) {
	m := memory{Rules: []string{"|a"}}
	m.keep("r", &report{Of: wg, Own: "x", Rules: []int{1}})
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &memory{}); err == nil {
		t.Error("a rule that is not there was taken")
	}
	if err := json.Unmarshal([]byte(`"AAAA"`), &memory{}); err == nil {
		t.Error("bytes that nobody packed were taken")
	}
}

func TestExpiry(t *testing.T) {
	r := testReader()
	made := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		labels, annotations map[string]string
		want                string
	}{
		{nil, nil, ""},
		{map[string]string{ttlLabel: "36h"}, nil, "2026-02-02T12:00:00Z"},
		{map[string]string{ttlLabel: "2026-12-31"}, nil, "2026-12-31T00:00:00Z"}, // Kyverno deletes it as the day begins
		{map[string]string{ttlLabel: "30d"}, nil, "2026-03-03T00:00:00Z"},
		{map[string]string{ttlLabel: "2Weeks3days"}, nil, "2026-02-18T00:00:00Z"},
		{map[string]string{ttlLabel: "10ay"}, nil, ""},
		{map[string]string{ttlLabel: "99999999999999999999d"}, nil, ""},
		{map[string]string{ttlLabel: "106751d106751d"}, nil, ""}, // more than there is
		{map[string]string{ttlLabel: "2026-12-31T120000Z"}, nil, "2026-12-31T12:00:00Z"},
		{map[string]string{ttlLabel: "soon"}, map[string]string{"policies.example.test/until": "2026-06-30T00:00:00+02:00"}, "2026-06-29T22:00:00Z"},
		{map[string]string{"policies.example.test/until": "2026-06-30"}, nil, "2026-06-30T23:59:59Z"},
		{nil, map[string]string{"policies.example.test/other": "2026-06-30"}, ""},
		{nil, map[string]string{"policies.example.test/until": "-1h"}, ""},
	} {
		at, by := r.expiry(&kube.Object{Labels: tc.labels, Annotations: tc.annotations, CreatedAt: made})
		got := ""
		if !at.IsZero() {
			got = at.Format(time.RFC3339)
		}
		if got != tc.want || (by == "") != (got == "") {
			t.Errorf("%v %v: got %q by %q, want %q", tc.labels, tc.annotations, got, by, tc.want)
		}
	}
}

// What policies and exceptions say beyond the first lines of their forms: how they
// are narrowed, and when they are not in force.
func TestNarrowed(t *testing.T) {
	r, l := testReader(), testLook(now)
	for _, tc := range []struct {
		resource, spec, status string
		want                   string
	}{
		{"clusterpolicies.kyverno.io", `{"webhookConfiguration":{"matchConditions":[{"name":"not-batch","expression":"true"}]},
			"rules":[{"name":"r","match":{"any":[{"resources":{"kinds":["Pod"]}}]},"validate":{"failureAction":"Enforce"}}]}`, `{}`,
			"enforce applies [conditions] excludes [] differs 0 ready Unknown "},
		{"clusterpolicies.kyverno.io", `{"rules":[{"name":"r","validate":{"failureAction":"Enforce","podSecurity":{"level":"baseline","exclude":[{"controlName":"Capabilities"}]}}},
			{"name":"i","verifyImages":[{"failureAction":"Enforce","skipImageReferences":["mirror.example/*"]}]}]}`, `{}`,
			"enforce applies [] excludes [images pod security controls] differs 0 ready Unknown "},
		{"clusterpolicies.kyverno.io", `{"rules":[{"name":"r","validate":{"failureAction":"Enforce","failureActionOverrides":[{"action":"Audit"}]}}]}`, `{}`,
			"enforce applies [] excludes [] differs 1 ready Unknown "},
		{"clusterpolicies.kyverno.io", `{"validationFailureAction":"Enforce","validationFailureActionOverrides":[{"action":"Audit","namespaces":["tenant-7"]}],
			"rules":[{"name":"i","verifyImages":[{"failureAction":"Enforce"},{}]},{"name":"j","verifyImages":[{}]}]}`, `{}`,
			"enforce applies [] excludes [] differs 1 ready Unknown "},
		{"validatingpolicies.policies.kyverno.io", `{"matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"resources":["deployments"],"operations":["CREATE","UPDATE"]}],
			"excludeResourceRules":[{"apiGroups":["apps"],"resources":["deployments"],"operations":["*"],"scope":"*"}]}}`,
			`{"conditionStatus":{"ready":true,"conditions":[{"type":"WebhookConfigured","status":"True"}]}}`,
			"enforce applies [] excludes [] differs 0 ready True "},
		{"validatingpolicies.policies.kyverno.io", `{"matchConstraints":{"matchPolicy":"Exact","resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"],"operations":["*"]}],
			"excludeResourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"],"operations":["*"]}]}}`, `{}`,
			"enforce applies [versions] excludes [] differs 0 ready Unknown "},
		{"validatingpolicies.policies.kyverno.io", `{"matchConstraints":{"matchPolicy":"Equivalent","resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"resources":["deployments"],"operations":["*"]}]}}`, `{}`,
			"enforce applies [] excludes [] differs 0 ready Unknown "},
		{"validatingpolicies.policies.kyverno.io", `{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"resources":["pods"],"operations":["CREATE"],"scope":"Namespaced"}]}}`,
			`{"conditionStatus":{"conditions":[{"type":"WebhookConfigured","status":"True"},{"type":"RBACPermissionsGranted","status":"False"}]}}`,
			"enforce applies [operations scope Namespaced] excludes [] differs 0 ready False RBACPermissionsGranted"},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{"match":{"source":"Original"}}`, `{}`, "enforce applies [source Original] excludes [] differs 0 ready Unknown NoPod"},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{"match":{"source":"All"},"enforcementAction":"scoped","scopedEnforcementActions":[{"action":"deny","enforcementPoints":[{"name":"vap.k8s.io"}]}]}`,
			`{"byPod":[{"id":"audit","enforced":true,"enforcementPointsStatus":[{"enforcementPoint":"vap.k8s.io","state":"waiting"}]},{"id":"webhook","enforced":true}]}`,
			"enforce applies [] excludes [] differs 0 ready False BindingNotGenerated"},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{"enforcementAction":"scoped","scopedEnforcementActions":[{"action":"deny","enforcementPoints":[{"name":"vap.k8s.io"}]}]}`,
			`{"byPod":[{"id":"audit","enforced":true,"enforcementPointsStatus":[{"enforcementPoint":"vap.k8s.io","state":"generated"}]},{"id":"webhook","enforced":true}]}`,
			"enforce applies [] excludes [] differs 0 ready True "},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{"enforcementAction":"scoped","scopedEnforcementActions":[{"action":"deny","enforcementPoints":[{"name":"*"}]}]}`,
			`{"byPod":[{"id":"webhook","enforced":true}]}`, "enforce applies [] excludes [] differs 0 ready True "},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{}`, `{"byPod":[{"id":"audit","enforced":true,"operations":["audit","status"]}]}`,
			"enforce applies [] excludes [] differs 0 ready False NoWebhook"},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{}`, `{"byPod":[{"id":"audit","enforced":true,"operations":["audit","status"]},{"id":"a","enforced":true,"operations":["mutation-webhook","webhook"]}]}`,
			"enforce applies [] excludes [] differs 0 ready True "},
		{"k8srequiredlabels.constraints.gatekeeper.sh", `{"enforcementAction":"dryrun"}`, `{"byPod":[{"id":"audit","enforced":true,"operations":["audit","status"]}]}`,
			"audit applies [] excludes [] differs 0 ready True "},
	} {
		ds := r.give(t, l, tc.resource, []byte(`{"metadata":{"name":"p","uid":"u-p"},"spec":`+tc.spec+`,"status":`+tc.status+`}`), false)
		f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, ds[len(ds)-1])
		if got := fmt.Sprintf("%s applies %v excludes %v differs %d ready %s %s", f.Mode, f.Applies.By, f.Excludes.By, len(f.Differs), f.Ready, f.Reason); got != tc.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tc.resource, tc.spec, got, tc.want)
		}
	}
	for _, tc := range []struct{ labels, spec, want string }{
		{`{}`, `{"policyRefs":[{"kind":"ValidatingPolicy","name":"limits"}],"images":["mirror.example/*"],"allowedValues":["NET_RAW"],"evaluationMode":"HTTP","expiresAt":"2026-05-01T00:00:00Z"}`,
			"[images mode HTTP values] 2026-05-01T00:00:00Z spec.expiresAt"},
		{`{"cleanup.kyverno.io/ttl":"2026-04-01"}`, `{"evaluationMode":"Kubernetes","expiresAt":"2026-05-01T00:00:00Z"}`, "[] 2026-04-01T00:00:00Z cleanup.kyverno.io/ttl"},
		{`{"cleanup.kyverno.io/ttl":"2026-06-01"}`, `{"expiresAt":"2026-05-01T02:00:00+02:00"}`, "[] 2026-05-01T00:00:00Z spec.expiresAt"},
		{`{}`, `{"podSecurity":[{"controlName":"Capabilities"}],"expiresAt":"soon"}`, "[pod security controls] 0001-01-01T00:00:00Z "},
	} {
		ds := r.give(t, l, "policyexceptions.policies.kyverno.io", []byte(`{"metadata":{"name":"e","namespace":"tenant-7","uid":"u-e","labels":`+tc.labels+`},"spec":`+tc.spec+`}`), false)
		f := evidencetest.Decode[evidence.PolicyExceptionFacts](t, ds[0])
		if got := fmt.Sprintf("%v %s %s", f.Applies.By, f.ExpiresAt.Format(time.RFC3339), f.ExpiresBy); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.spec, got, tc.want)
		}
	}
}

func TestLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/policies/role.yaml", "../../deploy/access/policies/kyverno.yaml"), everything().resources(constraintKinds))
}

// everything is a reader that reads all that one can.
func everything() *reader {
	r := testReader()
	r.cfg.KyvernoConfig = "kyverno"
	return r
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "policies/prod", Clock: time.Now}
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Required = []string{"a", "b/a"} }, ""},
		{func(c *Config) { c.Required = []string{"a", "a"} }, `required policy "a" is empty, repeated`},
		{func(c *Config) { c.Required = []string{"a/b/c"} }, "required policy"},
		{func(c *Config) { c.Required = []string{"/a"} }, "required policy"},
		{func(c *Config) { c.Required = []string{"a-*"} }, "required policy"},
		{func(c *Config) { c.Required = make([]string, maxRequired+1) }, "required names 501 policies"},
		{func(c *Config) { c.KyvernoConfig = "kyverno/kyverno" }, "no name of a namespace"},
		{func(c *Config) { c.ExpiryKeys = []string{"a b"} }, "expiry_keys"},
		{func(c *Config) { c.PageSize = 0 }, "page_size"},
	} {
		cfg := Spec().Config().(*Config)
		cfg.Server, cfg.TokenFile = "https://cluster.example.test", "/nowhere/token"
		tc.change(cfg)
		c, err := Spec().New(cfg, env)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
		if err == nil {
			looktest.Works(t, c, true)
		}
	}
	cfg := Spec().Config().(*Config)
	cfg.Server, cfg.TokenFile, cfg.Watch = "https://cluster.example.test", "/nowhere/token", false
	c, err := Spec().New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	looktest.Works(t, c, false)
}

func FuzzPolicies(f *testing.F) {
	for _, list := range kubetest.Objects(f, objectsFile) {
		for _, raw := range list {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, l := everything(), testLook(now)
		for range 2 {
			for _, res := range r.resources(constraintKinds) {
				o, err := kube.ParseObject(raw, now, res.Remove...)
				if err != nil {
					return
				}
				o.APIVersion, o.Kind = res.Group+"/v1", res.Kind
				ds, err := res.Drafts(t.Context(), o, l)
				for _, d := range ds {
					if err := d.Check(); err != nil {
						t.Error(err)
					}
				}
				policy := slices.Contains(res.Kinds, evidence.PolicyInForce) && !slices.Contains(res.Kinds, evidence.PolicyResult) && strings.Contains(res.Kind, "Policy")
				if err == nil && (policy && len(ds) != 1 || len(ds) > 1 && !slices.Contains(res.Kinds, evidence.PolicyResult)) {
					t.Errorf("%d drafts of %s", len(ds), res.Kind)
				}
			}
		}
		kept, err := json.Marshal(r.memory)
		if err != nil {
			t.Fatal(err)
		}
		var m memory
		if err := json.Unmarshal(kept, &m); err != nil {
			t.Fatalf("its own memory: %v", err)
		}
		want := map[named]bool{}
		for _, x := range r.memory.Reports {
			r.memory.each(x, func(n named) { want[n] = true })
		}
		for _, x := range m.Reports {
			m.each(x, func(n named) { delete(want, n) })
		}
		if len(want) > 0 {
			t.Errorf("lost over a restart: %v", want)
		}
		o := evidence.Observation{Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.PolicyResult}, Class: evidence.Instants}}}
		if _, err := r.after(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		r.observe(&o)
	})
}
