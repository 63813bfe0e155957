package workflows

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// aRun is a workflow with a status.
func aRun(uid, status string, meta ...string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"name":"w-%s","namespace":"tenant-7","uid":%q,"creationTimestamp":"2026-03-02T13:00:00Z"%s},"spec":{"entrypoint":"main"},"status":%s}`,
		uid, uid, strings.Join(meta, ""), status)
}

const (
	running = `{"phase":"Running","startedAt":"2026-03-02T13:00:01Z","finishedAt":null}`
	failed  = `{"phase":"Failed","startedAt":"2026-03-02T13:00:01Z","finishedAt":"2026-03-02T13:05:00Z"}`
	good    = `{"phase":"Succeeded","startedAt":"2026-03-02T13:00:01Z","finishedAt":"2026-03-02T13:09:00Z"}`
)

func run1(t testing.TB, r *reader, status string) evidence.WorkflowRunFacts {
	t.Helper()
	ds := r.give(t, testLook(now), kindRun, aRun("1", status), false)
	if len(ds) != 1 {
		t.Fatalf("%d drafts", len(ds))
	}
	return evidencetest.Decode[evidence.WorkflowRunFacts](t, ds[0])
}

// While a run goes on its steps do not make it news; its suspends do.
func TestRunningIsToldBySuspends(t *testing.T) {
	r := testReader()
	with := func(nodes string) string {
		return `{"phase":"Running","startedAt":"2026-03-02T13:00:01Z","nodes":{` + nodes + `}}`
	}
	pod := func(phase string) string { return `"a":{"id":"a","type":"Pod","phase":"` + phase + `"}` }
	gate := func(phase string) string {
		return `"b":{"id":"b","displayName":"gate","type":"Suspend","phase":"` + phase + `"}`
	}
	first := run1(t, r, with(pod("Running")))
	for _, same := range []string{with(""), with(pod("Failed")), running} {
		if d := cmp.Diff(first, run1(t, r, same)); d != "" {
			t.Errorf("a step makes it news: %s", d)
		}
	}
	waits, passed := run1(t, r, with(pod("Failed")+","+gate("Running"))), run1(t, r, with(gate("Succeeded")))
	if len(waits.Nodes) != 1 || waits.Nodes[0].Phase != "Running" || passed.Nodes[0].Phase != "Succeeded" || waits.Failed != 0 {
		t.Errorf("waits %+v, passed %+v", waits.Nodes, passed.Nodes)
	}
}

// A run that is deleted after its end is no news; one that had not ended bears
// when it was.
func TestDeleted(t *testing.T) {
	r := testReader()
	ended := r.give(t, testLook(now), kindRun, aRun("1", good), false)
	gone := r.give(t, testLook(now.Add(time.Minute)), kindRun, aRun("1", good), true)
	if !bytes.Equal(ended[0].Content, gone[0].Content) || ended[0].Key != gone[0].Key {
		t.Error("deleting an ended run is told")
	}
	r.give(t, testLook(now), kindRun, aRun("2", running), false)
	ds := r.give(t, testLook(now.Add(time.Minute)), kindRun, aRun("2", `{"phase":"Running","nodes":{"a":{"id":"a","type":"Pod","phase":"Failed","outputs":{"exitCode":"2"}}}}`), true)
	f := evidencetest.Decode[evidence.WorkflowRunFacts](t, ds[0])
	if !f.DeletedAt.Equal(now.Add(time.Minute)) || f.Phase != "Running" || len(f.Nodes) != 1 || *f.Nodes[0].ExitCode != 2 || ds[0].Op != evidence.OpEvent {
		t.Errorf("%+v", f)
	}
	if len(r.memory.Open) != 0 {
		t.Errorf("open: %v", r.memory.Open)
	}
}

// A run whose last form cannot be read went without its end having been seen.
func TestDeletedUnreadable(t *testing.T) {
	r := testReader()
	r.listed = func(*kube.Look, string) time.Time { return time.Time{} }
	r.give(t, testLook(now), kindRun, aRun("1", running), false)
	observed(t, r, now)
	gone := now.Add(time.Minute)
	if _, err := r.try(t, testLook(gone), kindRun, aRun("1", `"planted"`), true); err == nil {
		t.Error("it was read")
	}
	if o := observed(t, r, gone); len(o.Seen) != 2 || o.Seen[0].Class != evidence.Blind || !o.Seen[0].From.Equal(now) || !o.Seen[0].To.Equal(gone) {
		t.Errorf("%+v", o.Seen)
	}
	if _, err := r.try(t, testLook(gone), kindRun, aRun("2", `"planted"`), true); err == nil || len(r.memory.Lost) != 0 {
		t.Errorf("%v, lost %+v", err, r.memory.Lost)
	}
}

// A spec of any form may be in the cluster, and hides neither the run nor those
// beside it. Nothing of such a spec stands in the bytes.
func TestSpecOfAnyForm(t *testing.T) {
	for _, spec := range []string{
		`{"entrypoint":"main","arguments":{"parameters":{"token":"planted-argument"}}}`, `{"entrypoint":["planted"]}`, `["planted"]`, `"planted"`, `{"arguments":{"parameters":"planted"}}`,
		`{"entrypoint":"main","templates":{"main":{"container":{"image":"x","args":["planted-arg"]}}}}`,
	} {
		r := testReader()
		raw := bytes.Replace(aRun("1", `{"phase":"Error","startedAt":"2026-03-02T13:00:01Z","finishedAt":"2026-03-02T13:00:01Z"}`), []byte(`{"entrypoint":"main"}`), []byte(spec), 1)
		ds := r.give(t, testLook(now), kindRun, raw, false)
		f := evidencetest.Decode[evidence.WorkflowRunFacts](t, ds[0])
		if f.Phase != "Error" || f.SpecUnread != specOdd || !f.FinishedAt.Equal(now.Add(-time.Hour+time.Second)) {
			t.Errorf("%s: %+v", spec, f)
		}
		cron := fmt.Appendf(nil, `{"metadata":{"name":"nightly","namespace":"tenant-7","uid":"c1"},"spec":{"schedule":"0 3 * * *","workflowSpec":%s}}`, spec)
		ds = append(ds, r.give(t, testLook(now), kindCron, cron, false)...)
		if s := evidencetest.Decode[evidence.WorkflowScheduleFacts](t, ds[1]); s.SpecUnread != specOdd || len(s.Crons) != 1 {
			t.Errorf("%s: %+v", spec, s)
		}
		for _, d := range ds {
			if bytes.Contains(d.Raw, []byte("planted")) || bytes.Contains(d.Content, []byte("planted")) || len(d.Raw) < 50 {
				t.Errorf("%s: %s %s", spec, d.Content, d.Raw)
			}
		}
	}
}

// A run that fails may be tried again, under its uid.
func TestRetried(t *testing.T) {
	r := testReader()
	for _, x := range []struct {
		status, phase string
		open          int
	}{{running, "Running", 1}, {failed, "Failed", 0}, {running, "Running", 1}, {good, "Succeeded", 0}} {
		if f := run1(t, r, x.status); f.Phase != x.phase || len(r.memory.Open) != x.open {
			t.Errorf("%s: %s, %d open", x.phase, f.Phase, len(r.memory.Open))
		}
	}
}

// observed is what is claimed after a look that the engine calls whole.
func observed(t testing.TB, r *reader, at time.Time) evidence.Observation {
	t.Helper()
	if _, err := r.after(t.Context(), testLook(at)); err != nil {
		t.Fatal(err)
	}
	o := evidence.Observation{At: at, Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.WorkflowRun}, Class: evidence.Instants, From: at, To: at}}}
	r.observe(&o)
	return o
}

// A run that had not ended and is gone from a list of everything is blind, in its
// namespace alone and since it was last known to be there. It is not when no list
// was made, and not twice.
func TestEndUnseen(t *testing.T) {
	r := testReader()
	listed := time.Time{}
	r.listed = func(*kube.Look, string) time.Time { return listed }
	r.give(t, testLook(now), kindRun, aRun("1", running), false)
	r.give(t, testLook(now), kindRun, aRun("2", running), false)
	if o := observed(t, r, now); len(o.Seen) != 1 {
		t.Errorf("at first: %+v", o.Seen)
	}
	later := now.Add(10 * time.Minute)
	if o := observed(t, r, later); len(o.Seen) != 1 {
		t.Errorf("without a list: %+v", o.Seen)
	}
	gone := later.Add(10 * time.Minute)
	listed = gone
	r.give(t, testLook(gone), kindRun, aRun("2", running), false)
	o := observed(t, r, gone)
	want := evidence.Seen{Kinds: []evidence.Kind{evidence.WorkflowRun}, Class: evidence.Blind, Scope: evidence.NewRef("ns", "prod", "tenant-7"), From: later, To: gone, Cause: lostRun}
	if len(o.Seen) != 2 || cmp.Diff(want, o.Seen[0]) != "" {
		t.Errorf("got %+v", o.Seen)
	}
	listed = gone.Add(time.Minute)
	r.give(t, testLook(listed), kindRun, aRun("2", good), false)
	if o := observed(t, r, listed); len(o.Seen) != 1 {
		t.Errorf("again: %+v", o.Seen)
	}
}

// A list that was cut says nothing of what it lacks.
func TestPartOfAList(t *testing.T) {
	r := testReader()
	r.give(t, testLook(now), kindRun, aRun("1", running), false)
	r.complete = func(*kube.Look, string) bool { return false }
	if o := observed(t, r, now.Add(time.Hour)); len(o.Seen) != 1 || len(r.memory.Open) != 1 {
		t.Errorf("%+v", o.Seen)
	}
	// In the middle of a look nothing is claimed, and what is to be claimed stays.
	r.complete = func(*kube.Look, string) bool { return true }
	if _, err := r.after(t.Context(), testLook(now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	var none evidence.Observation
	if r.observe(&none); len(none.Seen) != 0 || len(r.memory.Lost) != 1 {
		t.Errorf("%+v, lost %+v", none.Seen, r.memory.Lost)
	}
}

// What is remembered is bounded, and what no longer fits is blind.
func TestMemoryIsBounded(t *testing.T) {
	var m memory
	for i := range maxOpen + maxLost + 10 {
		m.see(fmt.Sprint("u", i), fmt.Sprint("ns-", i), now.Add(time.Duration(i)*time.Second))
	}
	if len(m.Open) != maxOpen || len(m.Lost) != maxLost {
		t.Fatalf("%d open, %d lost", len(m.Open), len(m.Lost))
	}
	if last := m.Lost[maxLost-1]; last.NS != "" || last.UID != "" {
		t.Errorf("the rest is not of all namespaces: %+v", last)
	}
	for i := range maxTold + 5 {
		m.tell(fmt.Sprint("u", i), now)
	}
	if len(m.Told) != maxTold || m.told("u4", now) || !m.told("u5", now) {
		t.Error("the newest ends are not those that are remembered")
	}
	for i := range maxFor + 1 {
		if m.says(fmt.Sprint("k", i), "export") != (i < maxFor) {
			t.Fatalf("purpose %d", i)
		}
	}
}

func TestPurpose(t *testing.T) {
	owned := `,"labels":{"workflows.argoproj.io/cron-workflow":"c","workflows.argoproj.io/workflow-template":"t"%s}`
	said := func(name string) []byte {
		return fmt.Appendf(nil, `{"metadata":{"name":%q,"namespace":"tenant-7","uid":%q,"labels":{"evidenced/purpose":"by-%s"}},"spec":{"schedule":"* * * * *","workflowSpec":{}}}`, name, name, name)
	}
	for _, tc := range []struct {
		name    string
		setup   func(*reader)
		own     string
		purpose string
		from    string
		unread  bool
	}{
		{"nothing says", func(*reader) {}, "", "", "", false},
		{"the template", func(r *reader) { r.give(t, testLook(now), kindTemplate, said("t"), false) }, "", "by-t", "template", false},
		{"the schedule over the template", func(r *reader) {
			r.give(t, testLook(now), kindTemplate, said("t"), false)
			r.give(t, testLook(now), kindCron, said("c"), false)
		}, "", "by-c", "schedule", false},
		{"the run over both", func(r *reader) { r.give(t, testLook(now), kindCron, said("c"), false) }, `,"evidenced/purpose":"own"`, "own", "workflow", false},
		{"no word", func(*reader) {}, `,"evidenced/purpose":"No Word"`, "", "", false},
		{"the configuration over all", func(r *reader) {
			r.cfg.Purposes = []Purpose{{Purpose: "export", Templates: []string{"tenant-8/*"}}, {Purpose: "restore-drill", Schedules: []string{"tenant-7/c"}}}
		}, `,"evidenced/purpose":"own"`, "restore-drill", "setting", false},
		{"a schedule that could not be read", func(r *reader) {
			r.give(t, testLook(now), kindTemplate, said("t"), false)
			r.complete = func(_ *kube.Look, res string) bool { return res != resourceOf[kindCron] }
		}, "", "", "", true},
		{"a template of another namespace", func(r *reader) {
			r.give(t, testLook(now), kindTemplate, bytes.ReplaceAll(said("t"), []byte("tenant-7"), []byte("tenant-8")), false)
		}, "", "", "", false},
		{"a cluster's template of the name", func(r *reader) {
			r.give(t, testLook(now), kindClusterTemplate, bytes.ReplaceAll(said("t"), []byte(`"namespace":"tenant-7",`), nil), false)
		}, "", "", "", false},
	} {
		r := testReader()
		tc.setup(r)
		ds := r.give(t, testLook(now), kindRun, aRun("1", good, fmt.Sprintf(owned, tc.own)), false)
		f := evidencetest.Decode[evidence.WorkflowRunFacts](t, ds[0])
		if f.Purpose != tc.purpose || f.PurposeFrom != tc.from || (f.Unread != "") != tc.unread {
			t.Errorf("%s: %q from %q, unread %q", tc.name, f.Purpose, f.PurposeFrom, f.Unread)
		}
	}
}

// A run that was told while its schedule could not be asked is read again when that
// can be, after a restart too.
func TestPurposeComesLater(t *testing.T) {
	r := testReader()
	var again []string
	r.again = func(_ *kube.Look, resource, ns string) { again = append(again, resource+" "+ns) }
	r.complete = func(_ *kube.Look, res string) bool { return res != resourceOf[kindCron] }
	raw := aRun("1", good, `,"labels":{"workflows.argoproj.io/cron-workflow":"c"}`)
	if f := evidencetest.Decode[evidence.WorkflowRunFacts](t, r.give(t, testLook(now), kindRun, raw, false)[0]); f.Unread == "" {
		t.Errorf("%+v", f)
	}
	if observed(t, r, now); len(again) != 0 {
		t.Errorf("read again while nothing was to be had: %q", again)
	}
	b, err := json.Marshal(r.memory)
	if err != nil {
		t.Fatal(err)
	}
	r.memory = memory{}
	if err := json.Unmarshal(b, &r.memory); err != nil {
		t.Fatal(err)
	}
	r.complete = func(*kube.Look, string) bool { return true }
	for range 2 {
		observed(t, r, now)
	}
	if d := cmp.Diff([]string{resourceOf[kindRun] + " tenant-7"}, again); d != "" {
		t.Error(d)
	}
}

// A list of everything forgets what templates said that it does not show.
func TestPurposeForgotten(t *testing.T) {
	r := testReader()
	r.memory.For = map[string]string{"WorkflowTemplate/tenant-7/old": "export", "CronWorkflow/tenant-7/old": "export"}
	r.give(t, testLook(now), kindTemplate, []byte(`{"metadata":{"name":"t","namespace":"tenant-7","uid":"t","annotations":{"evidenced/purpose":"export"}}}`), false)
	r.listed = func(_ *kube.Look, res string) time.Time {
		if res == resourceOf[kindTemplate] {
			return now
		}
		return time.Time{}
	}
	observed(t, r, now)
	want := map[string]string{"WorkflowTemplate/tenant-7/t": "export", "CronWorkflow/tenant-7/old": "export"}
	if d := cmp.Diff(want, r.memory.For); d != "" {
		t.Error(d)
	}
}

func packed(b []byte) string {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return base64.StdEncoding.EncodeToString(z.Bytes())
}

// Small nodes in very great number would fill the memory, packed or not.
func TestSwarmOfNodes(t *testing.T) {
	var nodes strings.Builder
	for i := 0; nodes.Len() < maxUnpacked-100; i++ {
		fmt.Fprintf(&nodes, `"%x":{},`, i)
	}
	for name, swarm := range map[string]string{
		"nodes":      `{` + nodes.String() + `"a":{}}`,
		"parameters": `{"a":{"outputs":{"parameters":[` + strings.Repeat(`{},`, maxUnpacked/3-20) + `{}]}}}`,
		"children":   `{"a":{"children":[` + strings.Repeat(`"",`, maxUnpacked/3-20) + `""]}}`,
	} {
		var w workflow
		w.Status.CompressedNodes = packed([]byte(swarm))
		if name == "nodes" {
			w.Status.Nodes = json.RawMessage(swarm)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, unread := readNodes(&w)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 128 || unread != nodesMany {
			t.Errorf("%s: %d MiB, unread %q", name, n, unread)
		}
	}
}

// Nodes that are not known are told as that, and never as none.
func TestNodesUnread(t *testing.T) {
	one := `{"a":{"id":"a","type":"Pod","phase":"Succeeded"}}`
	for _, tc := range []struct {
		name, status, unread string
		nodes                int
	}{
		{"none", `"nodes":{}`, "", 0},
		{"null", `"nodes":null`, "", 0},
		{"plain", `"nodes":` + one, "", 1},
		{"packed", `"nodes":{},"compressedNodes":"` + packed([]byte(one)) + `"`, "", 1},
		{"plain beside offloaded", `"nodes":` + one + `,"offloadNodeStatusVersion":"fnv:1"`, "", 1},
		{"offloaded", `"offloadNodeStatusVersion":"fnv:1"`, offloaded, 0},
		{"not base64", `"compressedNodes":"%%%"`, packedOdd, 0},
		{"not gzip", `"compressedNodes":"KLUv/QQAAQAA"`, packedOdd, 0},
		{"cut short", `"compressedNodes":"` + packed([]byte(one))[:24] + `"`, packedOdd, 0},
		{"packed, of another shape", `"compressedNodes":"` + packed([]byte(`[1]`)) + `"`, nodesOdd, 0},
		{"a bomb", `"compressedNodes":"` + packed(make([]byte, maxUnpacked+1)) + `"`, packedLarge, 0},
		{"of another shape", `"nodes":[{"id":"planted"}]`, nodesOdd, 0},
	} {
		r := testReader()
		ds := r.give(t, testLook(now), kindRun, aRun("1", `{"phase":"Succeeded",`+tc.status+`}`), false)
		f := evidencetest.Decode[evidence.WorkflowRunFacts](t, ds[0])
		if f.NodesUnread != tc.unread || len(f.Nodes) != tc.nodes {
			t.Errorf("%s: %q, %d nodes", tc.name, f.NodesUnread, len(f.Nodes))
		}
		if bytes.Contains(ds[0].Raw, []byte("planted")) {
			t.Errorf("%s: %s", tc.name, ds[0].Raw)
		}
	}
}

// Of very many nodes suspends and failures are listed, in order, and the rest is
// counted; what is listed fits into a record.
func TestManyNodes(t *testing.T) {
	nodes := map[string]any{}
	for i := range 3000 {
		n := map[string]any{"id": fmt.Sprintf("n-%04d", i), "displayName": strings.Repeat("x", 400) + fmt.Sprint(i), "type": "Pod", "phase": "Succeeded",
			"startedAt": now.Add(time.Duration(i) * time.Second).Format(time.RFC3339), "outputs": map[string]any{"parameters": many(60)}}
		switch {
		case i%100 == 7:
			n["type"] = "Suspend"
		case i%100 == 50:
			n["phase"] = "Failed"
		}
		nodes[fmt.Sprintf("n-%04d", i)] = n
	}
	b, err := json.Marshal(nodes)
	if err != nil {
		t.Fatal(err)
	}
	r := testReader()
	f := evidencetest.Decode[evidence.WorkflowRunFacts](t, r.give(t, testLook(now), kindRun, aRun("1", `{"phase":"Failed","nodes":`+string(b)+`}`), false)[0])
	if f.Failed != 30 || len(f.Nodes)+f.NodesCut != 3000 || len(f.Nodes) == 0 || len(f.Nodes) > maxNodes {
		t.Errorf("%d failed, %d listed, %d cut", f.Failed, len(f.Nodes), f.NodesCut)
	}
	if len(f.Nodes[0].Outputs) != maxParameters || f.Nodes[0].OutputsCut != 10 {
		t.Errorf("%d outputs, %d cut", len(f.Nodes[0].Outputs), f.Nodes[0].OutputsCut)
	}
	for i := range f.Nodes[1:] {
		if f.Nodes[i+1].StartedAt.Before(f.Nodes[i].StartedAt) {
			t.Fatal("nodes are not in order")
		}
	}
}

func many(n int) (ps []map[string]string) {
	for i := range n {
		ps = append(ps, map[string]string{"name": fmt.Sprintf("p%02d", i), "value": "planted"})
	}
	return ps
}

// The hash is of what ran: it stays when arguments, order or what is patched on the
// way differ, and changes with the steps.
func TestHash(t *testing.T) {
	base := `{"entrypoint":"a","templates":[{"name":"a","suspend":{}}]}`
	for _, tc := range []struct {
		spec string
		same bool
	}{
		{`{"templates":[{"suspend":{},"name":"a"}],"entrypoint":"a"}`, true},
		{`{"entrypoint":"a","templates":[{"name":"a","suspend":{},"container":null}],"arguments":{"parameters":[{"name":"x","value":"1"}]},"shutdown":"Stop","suspend":true,"activeDeadlineSeconds":0}`, true},
		{`{"entrypoint":"a","templates":[{"name":"a"}]}`, false}, // nobody is waited for
		{`{"entrypoint":"a","templates":[{"name":"a","suspend":{"duration":"1"}}]}`, false},
		{`{"entrypoint":"a","templates":[{"name":"a","suspend":{}}],"serviceAccountName":"root"}`, false},
	} {
		if got := hashOf([]byte(tc.spec)) == hashOf([]byte(base)); got != tc.same {
			t.Errorf("%s: same is %t", tc.spec, got)
		}
	}
	for _, none := range []string{"", "null", "{"} {
		if h := hashOf([]byte(none)); h != "" {
			t.Errorf("%q: %s", none, h)
		}
	}
}

// An image is told only where it is sure that it ran.
func TestImages(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	spec := func(rest string) string {
		return `{"entrypoint":"a","templates":[{"name":"a","container":{"image":"r/x@` + digest + `"}` + rest
	}
	node := func(rest string) string {
		return `{"phase":"Succeeded","nodes":{"n":{"id":"n","type":"Pod","templateName":"a","phase":"Succeeded"` + rest + `}}}`
	}
	for _, tc := range []struct {
		name, spec, status string
		sure               bool
	}{
		{"pinned", spec(`}]}`), node(``), true},
		{"failed with its own exit code", spec(`}]}`), strings.ReplaceAll(node(`,"outputs":{"exitCode":"1"}`), "Succeeded", "Failed"), true},
		{"failed before it ran", spec(`}]}`), strings.ReplaceAll(node(``), "Succeeded", "Failed"), false},
		{"the pod is patched", spec(`}],"podSpecPatch":"x"}`), node(``), false},
		{"the template's pod is patched", spec(`,"podSpecPatch":"x"}]}`), node(``), false},
		{"templates have defaults", spec(`}],"templateDefaults":{}}`), node(``), false},
		{"two templates of the name", spec(`},{"name":"a"}]}`), node(``), false},
		{"a tag", strings.ReplaceAll(spec(`}]}`), "@"+digest, ":v1"), node(``), false},
		{"a parameter", strings.ReplaceAll(spec(`}]}`), "r/x", "{{inputs.parameters.r}}"), node(``), false},
		{"a template from elsewhere", spec(`}]}`), node(`,"templateRef":{"name":"t","template":"a"}`), false},
		{"not run", spec(`}]}`), `{"phase":"Succeeded"}`, false},
	} {
		r := testReader()
		raw := strings.Replace(string(aRun("1", tc.status)), `{"entrypoint":"main"}`, tc.spec, 1)
		d := r.give(t, testLook(now), kindRun, []byte(raw), false)[0]
		f := evidencetest.Decode[evidence.WorkflowRunFacts](t, d)
		linked := false
		for _, l := range d.Links {
			linked = linked || l == evidence.NewRef("image", "", digest)
		}
		if (len(f.Images) == 1) != tc.sure || linked != tc.sure {
			t.Errorf("%s: %v, linked %t", tc.name, f.Images, linked)
		}
	}
}

// Labels make people by claim alone.
func TestPeople(t *testing.T) {
	r := testReader()
	d := r.give(t, testLook(now), kindRun, aRun("1", good, `,"labels":{"workflows.argoproj.io/creator-email":"a.b.at.c.example","workflows.argoproj.io/actor":"system-serviceaccount-argo-bot"}`), false)[0]
	want := []evidence.Person{
		{Role: evidence.RoleInitiator, Realm: "argo:prod", NativeID: "a.b@c.example", Names: evidence.Names{Mail: "a.b@c.example"}, Proof: evidence.ProofClaimed},
		{Role: evidence.RoleActor, Realm: "argo:prod", NativeID: "system-serviceaccount-argo-bot", Names: evidence.Names{Login: "system-serviceaccount-argo-bot", Bot: true}, Proof: evidence.ProofClaimed},
	}
	if diff := cmp.Diff(want, d.People); diff != "" {
		t.Error(diff)
	}
	if f := evidencetest.Decode[evidence.WorkflowRunFacts](t, d); f.Creator != 0 || f.Actor != 1 {
		t.Errorf("creator %d, actor %d", f.Creator, f.Actor)
	}
}

// An object of another shape is told as unreadable, without its content.
func TestOddObjects(t *testing.T) {
	for _, raw := range []string{
		`{"metadata":{"name":"a","namespace":"tenant-7","uid":"u"},"spec":{},"status":"planted"}`,
		`{"metadata":{"name":"a","namespace":"tenant-7","uid":"u"},"status":{"startedAt":"planted"}}`,
	} {
		_, err := testReader().try(t, testLook(now), kindRun, []byte(raw), false)
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
