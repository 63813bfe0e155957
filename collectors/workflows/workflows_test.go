package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

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
	"tenant-7": {"evidence.example.test/tenant": "tenant-7"}, "tenant-8": {"evidence.example.test/tenant": "tenant-8"},
}

// planted are secrets and people that stand in the objects in clear. Nothing of
// the secrets is in a draft, not even in its bytes.
var planted = []string{
	"planted-argument", "planted-arg", "planted-env", "planted-script", "planted-cron", "planted-message", "planted-item", "planted-input", "planted-output",
	"planted-result", "planted-ticket", "planted-workflow-output", "planted-key", "planted-artifact", "planted-url", "planted-condition", "planted-odd",
}

var people = []string{"carla-quint", "carla.quint@platform.example", "nadia.okafor@platform.example", "sub-of-nadia"}

// withArchive adds to a conversation the archive, which holds the run of the name
// alone, as the list and by its uid.
func withArchive(t testing.TB, file string, runs ...string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ar := txtar.Parse(b)
	type item = map[string]any
	list := []item{}
	for _, raw := range runs {
		var o item
		if err := json.Unmarshal([]byte(raw), &o); err != nil {
			t.Fatal(err)
		}
		meta, status := o["metadata"].(item), o["status"].(item)
		list = append(list, item{"metadata": meta, "spec": item{}, "status": item{"phase": status["phase"], "startedAt": status["startedAt"], "finishedAt": status["finishedAt"]}})
		ar.Files = append(ar.Files, txtar.File{Name: fmt.Sprintf("GET %s/%s", archivePath, meta["uid"]), Data: []byte(raw)})
	}
	page, err := json.Marshal(item{"metadata": item{}, "items": list})
	if err != nil {
		t.Fatal(err)
	}
	q := url.Values{"listOptions.limit": {"100"}, "listOptions.fieldSelector": {"spec.startedAt>" + now.Add(-7*24*time.Hour).Format(time.RFC3339)}}
	ar.Files = append(ar.Files, txtar.File{Name: "GET " + archivePath + "?" + q.Encode(), Data: page})
	out := file + ".archive"
	if err := os.WriteFile(out, txtar.Format(ar), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// archivedExport is an export that ended and was deleted before the first look.
const archivedExport = `{"metadata":{"name":"export-6aa","namespace":"tenant-8","uid":"a7000000-0000-4000-8000-000000000090","creationTimestamp":"2026-03-01T03:00:00Z","labels":{"evidenced/purpose":"export","workflows.argoproj.io/workflow-archiving-status":"Persisted"}},"spec":{"entrypoint":"export","arguments":{}},"status":{"phase":"Failed","startedAt":"2026-03-01T03:00:01Z","finishedAt":"2026-03-01T03:02:00Z","message":"planted-message","nodes":{"x":{"id":"x","name":"export","displayName":"export","type":"Pod","templateName":"export","phase":"Failed","startedAt":"2026-03-01T03:00:01Z","finishedAt":"2026-03-01T03:02:00Z","outputs":{"exitCode":"3"}}}}}`

func TestConformance(t *testing.T) {
	for _, archive := range []bool{false, true} {
		t.Run(fmt.Sprintf("archive %t", archive), func(t *testing.T) {
			talk := kubetest.Conversation(t, objectsFile, spaces)
			if archive {
				talk = withArchive(t, talk, archivedExport)
			}
			collectortest.Run(t, collectortest.Suite{
				Source: "workflows/prod", Now: now, Conversation: talk,
				Wants: []evidence.Kind{evidence.WorkflowRun, evidence.WorkflowSchedule}, Planted: slices.Concat(planted, people),
				Says: func(d evidence.Draft) bool { return bytes.Contains(d.Content, []byte(`"unread":`)) },
				Means: func(status int, line string) bool {
					return status == 404 && strings.HasPrefix(line, "GET "+archivePath+"/")
				},
				New: func(t testing.TB, w collectortest.World) collectors.Collector {
					cfg := *defaults()
					cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
					if archive {
						cfg.Archive.URL, cfg.Archive.TokenFile = w.URL, w.TokenFile
					}
					c, err := newWith(cfg, w.Env, func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody })
					if err != nil {
						t.Fatal(err)
					}
					return c
				},
			})
		})
	}
}

func testReader(change ...func(*Config)) *reader {
	cfg := *defaults()
	for _, f := range change {
		f(&cfg)
	}
	r := newReader(cfg, collectors.Env{Source: "workflows/prod", Clock: func() time.Time { return now }})
	r.listed = func(l *kube.Look, _ string) time.Time { return l.Now } // all of it, at each look
	return r
}

func testLook(at time.Time) *kube.Look { return looktest.New("workflows/prod", agent, at, spaces) }

// give hands an object to the functions of its resource.
func (r *reader) give(t testing.TB, l *kube.Look, kind string, raw []byte, gone bool) []evidence.Draft {
	t.Helper()
	ds, err := r.try(t, l, kind, raw, gone)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func (r *reader) try(t testing.TB, l *kube.Look, kind string, raw []byte, gone bool) ([]evidence.Draft, error) {
	t.Helper()
	return looktest.Give(t, r.resources(), l, resourceOf[kind], raw, gone)
}

// look gives the drafts of the recorded objects.
func look(t testing.TB, change ...func(*Config)) []evidence.Draft {
	t.Helper()
	return looktest.Objects(t, testReader(change...).resources(), testLook(now), objectsFile)
}

// named returns the run of the name.
func named(t testing.TB, ds []evidence.Draft, name string) evidence.WorkflowRunFacts {
	t.Helper()
	for _, d := range ds {
		if d.Kind == evidence.WorkflowRun {
			if f := evidencetest.Decode[evidence.WorkflowRunFacts](t, d); f.Name == name {
				return f
			}
		}
	}
	t.Fatalf("no run %s", name)
	return evidence.WorkflowRunFacts{}
}

func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, d := range look(t) {
		b, err := json.MarshalIndent(struct {
			Kind, Op, Key, Subject, At, Basis string
			Links, Scope                      []evidence.Ref
			People                            []evidence.Person `json:",omitempty"`
			Removed                           []string
			Facts                             json.RawMessage
			Raw                               json.RawMessage
		}{string(d.Kind), string(d.Op), d.Key, d.Subject.String(), evidence.FormatTime(d.OccurredAt), string(d.Basis), d.Links, d.Scope, d.People, d.Removed, d.Content, d.Raw}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "objects.golden", got.Bytes())
}

func TestSecretsAreTakenOut(t *testing.T) {
	ds := look(t)
	for _, d := range ds {
		for _, word := range planted {
			if strings.Contains(fmt.Sprintf("%+v", d)+string(d.Content)+string(d.Raw)+string(d.Text), word) {
				t.Errorf("%q found in a draft of %s", word, d.Subject)
			}
		}
	}
	objects := kubetest.Objects(t, objectsFile)
	all := fmt.Sprintf("%s", objects)
	for _, word := range planted {
		if !strings.Contains(all, word) {
			t.Errorf("%q is planted nowhere", word)
		}
	}
}

// What a value may stand in beside the usual places.
func TestSecretsInOddPlaces(t *testing.T) {
	status := `{"phase":"Succeeded","nodes":{"a":{"id":"a","type":"Pod","phase":"Succeeded","displayName":"send(0:-----BEGIN\nplanted-item\n-----END)(1)","synchronizationStatus":{"waiting":"tenant-7/Mutex/planted-lock"}}}}`
	raw := strings.Replace(string(aRun("1", status)), `"entrypoint":"main"`, `"entrypoint":"main","artifactGC":{"podSpecPatch":"planted-gc"},
		"arguments":{"parameters":[{"name":"token","valueFrom":{"default":"planted-default","expression":"'planted-expression'","event":"planted-event"}}]}`, 1)
	cron := `{"metadata":{"name":"c","namespace":"tenant-7","uid":"c"},"spec":{"schedule":"* * * * *","workflowMetadata":{"labelsFrom":{"x":{"expression":"'planted-label'"}}},
		"workflowSpec":{"artifactGC":{"podSpecPatch":"planted-gc"},"arguments":{"parameters":[{"name":"token","valueFrom":{"default":"planted-default"}}]}}}}`
	r := testReader()
	for kind, raw := range map[string]string{kindRun: raw, kindCron: cron} {
		for _, d := range r.give(t, testLook(now), kind, []byte(raw), false) {
			if all := string(d.Content) + string(d.Raw); strings.Contains(all, "planted") {
				t.Errorf("%s: %s", kind, all)
			}
		}
	}
}

// The values of parameters are kept where the configuration names them, and
// nowhere else.
func TestKeptValues(t *testing.T) {
	ds := look(t, func(c *Config) { c.KeepValues = []string{"format", "rows"} })
	f := named(t, ds, "export-7fd")
	if d := cmp.Diff([]evidence.WorkflowParameter{{Name: "format", Value: "parquet"}, {Name: "key"}}, f.Parameters); d != "" {
		t.Error(d)
	}
	f = named(t, ds, "nightly-drill-1772416800")
	if d := cmp.Diff([]evidence.WorkflowParameter{{Name: "rows", Value: "planted-output"}}, f.Nodes[0].Outputs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]evidence.WorkflowParameter{{Name: "backup"}, {Name: "format", Value: "tar"}, {Name: "scope"}}, f.Parameters); d != "" {
		t.Error(d)
	}
}

// The role in deploy/access covers what is read and nothing beyond reading.
func TestLeastPrivilege(t *testing.T) {
	looktest.ReadsOnly(t, looktest.Rules(t, "../../deploy/access/workflows/role.yaml"), testReader().resources())
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "workflows/prod", Clock: time.Now}
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Archive.URL, c.Archive.TokenFile = "https://argo.example.test", "/nowhere/token" }, ""},
		{func(c *Config) { c.PurposeKey = "a b" }, "purpose_key"},
		{func(c *Config) { c.Archive.TokenFile = "/x" }, "without archive.url"},
		{func(c *Config) { c.Archive.URL = "https://argo.example.test" }, "without archive.token_file"},
		{func(c *Config) { c.Archive.URL, c.Archive.TokenFile = "https://u:p@argo.example.test", "/x" }, "user"},
		{func(c *Config) { c.Archive.Every = time.Second }, "archive.every"},
		{func(c *Config) { c.Archive.Longest = time.Second }, "archive.longest"},
		{func(c *Config) { c.Archive.History = 0 }, "archive.history"},
		{func(c *Config) { c.Purposes = []Purpose{{Purpose: "Export"}} }, "no word"},
		{func(c *Config) { c.Purposes = []Purpose{{Purpose: "export"}} }, "fits nothing"},
		{func(c *Config) { c.Purposes = []Purpose{{Purpose: "export", Templates: []string{"a["}}} }, "bad pattern"},
		{func(c *Config) { c.KeepValues = []string{"a", "a"} }, "keep_values"},
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
			if d := cmp.Diff([]evidence.Kind{evidence.WorkflowSchedule, evidence.WorkflowRun}, c.Kinds()); d != "" {
				t.Error(d)
			}
		}
	}
}

// A node is told by its own name, whatever it is shown as.
func TestNodesShownOtherwise(t *testing.T) {
	for _, tc := range []struct{ name, shown, boundary, want string }{
		{"wf[0].build(0:planted)", "os-planted-3.17", "wf", "build(0)"},
		{"wf.a.b", "planted", "wf.a", "b"},
		{"wf[1].step", "step", "wf", "step"},
		{"wf[0].loop(1:x)[0].print(2:y.z)", "print(2:y.z)", "wf[0].loop(1:x)", "print(2)"},
		{"wf", "planted", "", "wf"},
		{"", "old", "", "old"},
	} {
		raw, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": "wf", "namespace": "tenant-7", "uid": "u-9"}, "status": map[string]any{"phase": "Succeeded", "nodes": map[string]any{
			"p": map[string]any{"id": "p", "name": tc.boundary, "type": "Steps", "phase": "Succeeded"},
			"n": map[string]any{"id": "n", "name": tc.name, "displayName": tc.shown, "boundaryID": "p", "type": "Pod", "phase": "Succeeded"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		ds := testReader().give(t, testLook(now), kindRun, raw, false)
		f := named(t, ds, "wf")
		if len(f.Nodes) != 1 || f.Nodes[0].Name != tc.want || strings.Contains(string(ds[0].Raw), "planted") {
			t.Errorf("%s: %+v, want %s; raw %s", tc.name, f.Nodes, tc.want, ds[0].Raw)
		}
	}
}

// What a run is told of nodes that no pod ran for, and of tries that failed
// somewhere below.
func TestNodesOfTriesAndCaches(t *testing.T) {
	const raw = `{"metadata":{"name":"drill-9","namespace":"tenant-7","uid":"u-9"},"spec":{"entrypoint":"all","templates":[
		{"name":"load","container":{"image":"registry.example.test/load@sha256:` + "%[1]s" + `"}},{"name":"check","container":{"image":"registry.example.test/check@sha256:` + "%[2]s" + `"}}]},
	"status":{"phase":"Succeeded","nodes":{
		"all":{"id":"all","type":"Steps","phase":"Succeeded"},
		"c":{"id":"c","displayName":"load","type":"Pod","templateName":"load","boundaryID":"all","phase":"Succeeded","memoizationStatus":{"hit":true,"key":"planted-key","cacheName":"loads"},"outputs":{"exitCode":"0"}},
		"m":{"id":"m","displayName":"check","type":"Pod","templateName":"check","boundaryID":"all","phase":"Succeeded","memoizationStatus":{"hit":false,"key":"k","cacheName":"loads"},"outputs":{"exitCode":"0"}},
		"d":{"id":"d","displayName":"rest","type":"DAG","boundaryID":"all","phase":"Succeeded","memoizationStatus":{"hit":true,"key":"k","cacheName":"loads"}},
		"r":{"id":"r","type":"Retry","boundaryID":"all","phase":"Succeeded","children":["r0","r1","h"]},
		"r0":{"id":"r0","displayName":"try(0)","type":"Steps","boundaryID":"all","phase":"Failed","nodeFlag":{"retried":true},"children":["g"]},
		"g":{"id":"g","type":"StepGroup","boundaryID":"r0","phase":"Failed","children":["p"]},
		"p":{"id":"p","displayName":"part","type":"Pod","boundaryID":"r0","phase":"Failed","outputs":{"exitCode":"1"}},
		"i":{"id":"i","displayName":"inner","type":"DAG","boundaryID":"r0","phase":"Failed"},
		"q":{"id":"q","displayName":"deep","type":"Pod","boundaryID":"i","phase":"Error"},
		"r1":{"id":"r1","displayName":"try(1)","type":"Steps","boundaryID":"all","phase":"Succeeded","nodeFlag":{"retried":true}},
		"x":{"id":"x","displayName":"borne","type":"Pod","boundaryID":"r1","phase":"Failed"},
		"h":{"id":"h","displayName":"try.onExit","type":"Pod","boundaryID":"all","phase":"Failed","nodeFlag":{"hooked":true}}}}}`
	load, check := strings.Repeat("a", 64), strings.Repeat("b", 64)
	ds := testReader().give(t, testLook(now), kindRun, fmt.Appendf(nil, raw, load, check), false)
	f := named(t, ds, "drill-9")
	if f.Cached != 2 || f.Retried != 2 || f.Failed != 2 {
		t.Errorf("%d cached, %d retried, %d failed", f.Cached, f.Retried, f.Failed)
	}
	if d := cmp.Diff([]string{"sha256:" + check}, f.Images); d != "" {
		t.Error(d)
	}
	for _, n := range f.Nodes {
		if n.Cached != (n.ID == "c") {
			t.Errorf("%s is cached: %t", n.ID, n.Cached)
		}
	}
	if bytes.Contains(ds[0].Raw, []byte("planted-key")) {
		t.Error("the key of the cache is kept")
	}
}
