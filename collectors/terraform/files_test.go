package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// What pipelines leave, with a secret in every value, key and message.
const (
	plan = `{"format_version":"1.2","terraform_version":"1.11.4","timestamp":"2026-03-03T10:00:00Z","errored":false,"applyable":true,"complete":true,
"variables":{"s3cr3t_name":{"value":"s3cr3t"}},
"planned_values":{"outputs":{"s3cr3t":{"sensitive":true,"type":"string","value":"s3cr3t"}},"root_module":{"resources":[{"address":"aws_db_instance.main[\"s3cr3t\"]","mode":"managed","type":"aws_db_instance","name":"main","index":"s3cr3t","provider_name":"registry.terraform.io/hashicorp/aws","values":{"password":"s3cr3t"},"sensitive_values":{}}]}},
"resource_changes":[
{"address":"aws_db_instance.main[\"s3cr3t\"]","previous_address":"s3cr3t.x","mode":"managed","type":"aws_db_instance","name":"main","index":"s3cr3t","deposed":"s3cr3t","provider_name":"registry.terraform.io/hashicorp/aws","action_reason":"s3cr3t","change":{"actions":["create"],"before":null,"after":{"password":"s3cr3t"},"after_unknown":{"s3cr3t":true},"before_sensitive":false,"after_sensitive":{},"generated_config":"s3cr3t","importing":{"id":"s3cr3t"}}},
{"address":"module.net[\"s3cr3t\"].aws_vpc.main","module_address":"module.net[\"s3cr3t\"]","mode":"managed","type":"aws_vpc","name":"main","provider_name":"registry.terraform.io/hashicorp/aws","change":{"actions":["delete","create"],"before":{"x":"s3cr3t"},"after":{"x":"s3cr3t"},"replace_paths":[["s3cr3t"]]}},
{"address":"null_resource.a","mode":"managed","type":"null_resource","name":"a","provider_name":"registry.terraform.io/hashicorp/null","change":{"actions":["update"],"before":{},"after":{}}},
{"address":"null_resource.b","mode":"managed","type":"null_resource","name":"b","provider_name":"registry.terraform.io/hashicorp/null","change":{"actions":["no-op"],"before":{},"after":{}}},
{"address":"x","mode":"managed","type":"s3cr3t x","name":"b","provider_name":"s3cr3t provider!","change":{"actions":["s3cr3t action"]}}],
"resource_drift":[{"address":"s3cr3t","change":{"before":"s3cr3t"}}],"output_changes":{"s3cr3t":{"actions":["create"],"after":"s3cr3t"}},
"prior_state":{"values":{"outputs":{"pw":{"value":"s3cr3t"}}}},"configuration":{"provider_config":{"aws":{"expressions":{"access_key":{"constant_value":"s3cr3t"}}}},"root_module":{"variables":{"pw":{"default":"s3cr3t"}}}},
"relevant_attributes":[{"resource":"s3cr3t","attribute":["s3cr3t"]}],"checks":[{"address":{"to_display":"check.s3cr3t"},"status":"fail","instances":[{"problems":[{"message":"s3cr3t"}]}]}]}`

	applied = `{"@level":"info","@message":"Terraform 1.11.4 s3cr3t","@module":"terraform.ui","@timestamp":"2026-03-03T10:01:00.100000Z","terraform":"1.11.4","type":"version","ui":"1.2"}
{"@level":"info","@message":"s3cr3t: Plan to create","@timestamp":"2026-03-03T10:01:01Z","change":{"resource":{"addr":"aws_db_instance.main[\"s3cr3t\"]","module":"","resource":"aws_db_instance.main","implied_provider":"aws","resource_type":"aws_db_instance","resource_name":"main","resource_key":"s3cr3t"},"action":"create","reason":"s3cr3t"},"type":"planned_change"}
{"@level":"info","@message":"s3cr3t","@timestamp":"2026-03-03T10:01:02Z","hook":{"resource":{"addr":"aws_db_instance.main[\"s3cr3t\"]","resource_type":"aws_db_instance","resource_key":"s3cr3t"},"action":"create"},"type":"apply_start"}
{"@level":"info","@message":"s3cr3t","@timestamp":"2026-03-03T10:01:03Z","hook":{"resource":{"addr":"s3cr3t"},"provisioner":"local-exec","output":"export TOKEN=s3cr3t"},"type":"provision_progress"}
{"@level":"info","@message":"s3cr3t [id=s3cr3t]","@timestamp":"2026-03-03T10:01:04Z","hook":{"resource":{"addr":"s3cr3t","resource_type":"aws_db_instance"},"action":"create","id_key":"id","id_value":"s3cr3t","elapsed_seconds":2},"type":"apply_complete"}
{"@level":"warn","@message":"Warning: s3cr3t","@timestamp":"2026-03-03T10:01:05Z","diagnostic":{"severity":"warning","summary":"s3cr3t","detail":"s3cr3t","address":"s3cr3t","snippet":{"code":"password = \"s3cr3t\"","values":[{"traversal":"var.pw","statement":"is \"s3cr3t\""}]}},"type":"diagnostic"}
`
	done   = `{"@level":"info","@message":"Apply complete! s3cr3t","@timestamp":"2026-03-03T10:01:06Z","changes":{"add":2,"change":1,"import":1,"remove":1,"operation":"apply"},"type":"change_summary"}` + "\n" + `{"@level":"info","@message":"Outputs: s3cr3t","@timestamp":"2026-03-03T10:01:07Z","outputs":{"s3cr3t":{"sensitive":true,"type":"string","value":"s3cr3t"}},"type":"outputs"}` + "\n"
	failed = `{"@level":"error","@message":"Error: s3cr3t","@timestamp":"2026-03-03T10:01:06Z","diagnostic":{"severity":"error","summary":"s3cr3t","detail":"s3cr3t"},"type":"diagnostic"}` + "\n"

	tfstate = `{"version":4,"terraform_version":"1.11.4","serial":88,"lineage":"871d1b4a-e579-fb7c-ffdb-f0c858a647a7","outputs":{"s3cr3t":{"value":"s3cr3t","type":"string","sensitive":true}},
"resources":[{"module":"module.net[\"s3cr3t\"]","mode":"managed","type":"aws_subnet","name":"a","each":"map","provider":"provider[\"registry.terraform.io/hashicorp/aws\"].west","instances":[{"index_key":"s3cr3t","schema_version":1,"attributes":{"s3cr3t":"s3cr3t"},"sensitive_attributes":[[{"type":"get_attr","value":"s3cr3t"}]],"private":"s3cr3t","dependencies":["s3cr3t"]},{"index_key":"b","attributes_flat":{"s3cr3t":"s3cr3t"}}]},
{"mode":"data","type":"aws_ami","name":"base","provider":"module.net[\"s3cr3t\"].provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[{"attributes":{"id":"s3cr3t"}}]}],"check_results":[{"config_addr":"check.s3cr3t"}]}`
	printed = `{"format_version":"1.0","terraform_version":"1.11.4","values":{"outputs":{"pw":{"value":"s3cr3t"}},"root_module":{"resources":[{"address":"random_password.pw[0]","mode":"managed","type":"random_password","name":"pw","index":"s3cr3t","provider_name":"registry.terraform.io/hashicorp/random","values":{"result":"s3cr3t"}}],"child_modules":[{"address":"module.a[\"s3cr3t\"]","resources":[{"address":"x","mode":"managed","type":"null_resource","name":"n","provider_name":"registry.terraform.io/hashicorp/null","values":{"t":"s3cr3t"}}]}]}}}`
	locked  = `{"serial":3,"lineage":"871d1b4a-e579-fb7c-ffdb-f0c858a647a7","meta":{"key_provider.x":"s3cr3t"},"encrypted_data":"s3cr3t","encryption_version":"v0"}`
	own     = `{"commit":"c0ffee12a4b6c8d0e2f4061828a3b5c7d9e1f304","branch":"main","repo":"acme/infra","change":7,"token":"s3cr3t"}`
)

// folder is a directory that pipelines leave runs in.
type folder struct {
	t     *testing.T
	dir   string
	clock time.Time
	log   bytes.Buffer
	cfg   Config
}

func newFolder(t *testing.T) *folder {
	f := &folder{t: t, dir: t.TempDir(), clock: now}
	f.cfg = *Spec().Config().(*Config)
	f.cfg.Directory = f.dir
	return f
}

// leave writes a file of a run, as of a moment.
func (f *folder) leave(run, name, content string, at time.Time) {
	f.t.Helper()
	dir := filepath.Join(f.dir, filepath.FromSlash(run))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chtimes(p, at, at); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) collector() collectors.Collector {
	f.t.Helper()
	c, err := Spec().New(&f.cfg, collectors.Env{Source: "terraform/files", Clock: func() time.Time { return f.clock }, Log: slog.New(slog.NewJSONHandler(&f.log, nil))})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *folder) poll(resume []byte) (*collectortest.Recorder, error) {
	rec := &collectortest.Recorder{}
	return rec, f.collector().Poll(f.t.Context(), evidence.Period{To: f.clock}, resume, rec)
}

func (f *folder) must(resume []byte) *collectortest.Recorder {
	f.t.Helper()
	rec, err := f.poll(resume)
	if err != nil {
		f.t.Fatal(err)
	}
	return rec
}

func full(f *folder) {
	at := f.clock.Add(-10 * time.Minute)
	f.leave("tenant-7/network/901", planFile, plan, at)
	f.leave("tenant-7/network/901", applyFile, applied+done, at)
	f.leave("tenant-7/network/901", stateFile, tfstate, at)
	f.leave("tenant-7/network/901", runFile, own, at)
	f.leave("tenant-7/network/902", applyFile, applied+failed, at)
	f.leave("tenant-7/network/902", stateFile, locked, at)
	f.leave("tenant-8/903", planFile, strings.Replace(plan, `"errored":false`, `"errored":true`, 1), at)
	f.leave("tenant-8/904", applyFile, applied, at)
	f.leave("tenant-8/904", stateFile, printed, at)
	f.leave("tenant-8/905", applyFile, failed, at)
	f.leave("tenant-8/906", "notes.txt", "s3cr3t", at)
}

func TestFilesConformance(t *testing.T) {
	f := newFolder(t)
	full(f)
	collectortest.Run(t, collectortest.Suite{
		Source: "terraform/files", Now: now, Planted: []string{secret}, Wants: []evidence.Kind{evidence.InfraRun, evidence.InfraState},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			c, err := Spec().New(&f.cfg, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
}

func TestFilesGolden(t *testing.T) {
	f := newFolder(t)
	full(f)
	collectortest.Golden{File: "testdata/files.golden", Update: *update, URL: "no address"}.Check(t, f.must(nil))
}

// No value of a plan, a state or an output is kept anywhere, nor told in an error
// of a file that is of another form.
func TestFilesKeepNoSecret(t *testing.T) {
	f := newFolder(t)
	full(f)
	at := f.clock.Add(-10 * time.Minute)
	for i, bad := range []string{`s3cr3t`, `{"format_version":"s3cr3t","resource_changes":"s3cr3t"}`, `{"type":"s3cr3t"`, `{"version":4,"resources":[{"instances":"s3cr3t"}]}`, `["s3cr3t"]`, ``} {
		f.leave(fmt.Sprintf("tenant-9/a%d", i), planFile, bad, at)
		f.leave(fmt.Sprintf("tenant-9/b%d", i), applyFile, bad+"\n", at)
		f.leave(fmt.Sprintf("tenant-9/c%d", i), stateFile, bad, at)
	}
	rec := f.must(nil)
	for _, d := range rec.Drafts {
		if whole := fmt.Sprintf("%+v %s %s %s", d, d.Content, d.Text, d.Raw); strings.Contains(whole, secret) {
			t.Errorf("%s %s holds a secret: %s", d.Kind, d.Key, whole)
		}
		dec := json.NewDecoder(bytes.NewReader(d.Raw))
		for n := 0; dec.More(); n++ {
			if dec.Decode(new(map[string]any)) != nil {
				t.Errorf("%s: raw is no JSON: %s", d.Key, d.Raw)
				break
			}
		}
	}
	o := last(rec)
	if whole := fmt.Sprintf("%+v %s %s", o, rec.Resume(), f.log.String()); strings.Contains(whole, secret) {
		t.Errorf("a secret: %s", whole)
	}
	if o.Incomplete == "" || len(blind(rec, evidence.InfraRun)) != 1 {
		t.Errorf("files of another form are passed over: %+v", o)
	}
	if got := keysOf(rec, evidence.InfraRun); !slices.Contains(got, "tenant-7/network/901") {
		t.Errorf("told %v", got)
	}
}

// A folder that is still written to is left for a later look; one that grows is
// told again; times that a pipeline claims cannot move it out of sight.
func TestFilesAreFollowed(t *testing.T) {
	f := newFolder(t)
	f.leave("a/1", planFile, plan, f.clock.Add(-10*time.Second))
	first := f.must(nil)
	if len(first.Drafts) != 0 || last(first).Incomplete != "" {
		t.Errorf("told %v of what is still written", first.Drafts)
	}
	f.clock = f.clock.Add(5 * time.Minute)
	second := f.must(first.Resume())
	if ds := second.Of(evidence.InfraRun); len(ds) != 1 || ds[0].Basis != evidence.BasisClaimed || !ds[0].OccurredAt.Equal(time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("told %+v", ds)
	}
	f.leave("a/1", applyFile, applied+done, f.clock)
	f.leave("a/2", planFile, strings.Replace(plan, "2026-03-03", "2019-03-03", 1), f.clock)
	f.leave("a/3", planFile, strings.Replace(plan, "2026-03-03", "2036-03-03", 1), f.clock)
	f.clock = f.clock.Add(5 * time.Minute)
	third := f.must(second.Resume())
	for _, d := range third.Of(evidence.InfraRun) {
		switch claimed := d.Basis == evidence.BasisClaimed; d.Key {
		case "a/1":
			if !claimed || !strings.Contains(string(d.Content), `"status":"applied"`) || !strings.Contains(string(d.Content), `"began":true`) {
				t.Errorf("%+v %s", d, d.Content)
			}
		default:
			if claimed || !d.OccurredAt.Equal(f.clock) || !d.NotBefore.Equal(f.clock.Add(-5*time.Minute)) {
				t.Errorf("%s claims a time that cannot be: %v %v", d.Key, d.Basis, d.OccurredAt)
			}
		}
	}
	if len(third.Drafts) != 3 {
		t.Errorf("told %v", keysOf(third, evidence.InfraRun))
	}
	if fourth := f.must(third.Resume()); len(fourth.Drafts) != 0 {
		t.Errorf("told again: %v", keysOf(fourth, evidence.InfraRun))
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "a")); err != nil {
		t.Fatal(err)
	}
	if rec := f.must(third.Resume()); strings.Contains(string(rec.Resume()), "a/1") || len(rec.Drafts) != 0 {
		t.Errorf("what was cleared away: %s", rec.Resume())
	}
}

// planned is a plan that reads data, which it tells in lines of the type of an
// apply's.
const planned = `{"@timestamp":"2026-03-03T10:01:00Z","tofu":"1.10.3","type":"version","ui":"1.2"}
{"@timestamp":"2026-03-03T10:01:01Z","hook":{"resource":{"addr":"data.acme_zone.main","resource_type":"acme_zone"},"action":"read"},"type":"apply_start"}
{"@timestamp":"2026-03-03T10:01:02Z","hook":{"resource":{"addr":"data.acme_zone.main","resource_type":"acme_zone"},"action":"read","id_key":"id","id_value":"s3cr3t"},"type":"apply_complete"}
{"@timestamp":"2026-03-03T10:01:03Z","changes":{"add":0,"change":0,"import":0,"remove":0,"operation":"plan"},"type":"change_summary"}
`

// An apply begins with what changes something: that a plan reads data does not,
// and that an action is invoked does.
func TestApplyBegins(t *testing.T) {
	for name, x := range map[string]struct{ lines, want string }{
		"nothing to do but read": {planned, `"terraform_version":"1.10.3","ended_at":"2026-03-03T10:01:03Z","creator":0,"confirmer":0,"began":false,"policies_seen"`},
		"a plan that fails":      {planned + failed, `"status":"failed","native":"errored","auto_apply":false,"terraform_version":"1.10.3","ended_at":"2026-03-03T10:01:06Z","creator":0,"confirmer":0,"began":false,"policies_seen"`},
		"a resource": {planned + `{"@timestamp":"2026-03-03T10:01:04Z","hook":{"resource":{"resource_type":"acme_zone"},"action":"remove"},"type":"apply_start"}
{"@timestamp":"2026-03-03T10:01:05Z","hook":{"resource":{"resource_type":"acme_zone"},"action":"remove"},"type":"apply_complete"}`,
			`"applying_at":"2026-03-03T10:01:04Z","ended_at":"2026-03-03T10:01:05Z","creator":0,"confirmer":0,"began":true,"apply":{"status":"unknown","additions":0,"changes":0,"destructions":0,"forgotten":1}`},
		"a state that cannot be saved": {planned + `{"@timestamp":"2026-03-03T10:01:04Z","hook":{"resource":{"resource_type":"acme_zone"},"action":"create"},"type":"apply_start"}
{"@level":"info","@message":"Emergency state dump","@timestamp":"2026-03-03T10:01:05Z","state":{"version":4,"outputs":{"pw":{"value":"` + strings.Repeat(secret, 1<<18) + `"}}},"type":"log"}
` + failed, `"began":true,"apply":{"status":"errored","additions":0`},
		"an action": {planned + `{"@timestamp":"2026-03-03T10:01:04Z","hook":{"action":{"addr":"action.acme_call.notify[\"s3cr3t\"]","module":"","action":"action.acme_call.notify","action_type":"acme_call","action_key":"s3cr3t"},"invoke":{}},"type":"action_start"}
{"@timestamp":"2026-03-03T10:01:05Z","hook":{"action":{"addr":"s3cr3t"},"message":"s3cr3t"},"type":"action_progress"}
{"@timestamp":"2026-03-03T10:01:05Z","hook":{"action":{"addr":"s3cr3t"}},"type":"action_complete"}
{"@timestamp":"2026-03-03T10:01:06Z","changes":{"action_invocation":2,"add":1,"import":0,"change":0,"forget":3,"remove":0,"operation":"apply"},"type":"change_summary"}`,
			`"applying_at":"2026-03-03T10:01:04Z","applied_at":"2026-03-03T10:01:06Z","ended_at":"2026-03-03T10:01:06Z","creator":0,"confirmer":0,"began":true,"apply":{"status":"finished","additions":1,"changes":0,"destructions":0,"forgotten":3,"invoked":2}`},
	} {
		f, raw := &evidence.InfraRunFacts{}, &bytes.Buffer{}
		if err := readApply([]byte(x.lines), f, raw); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.Status = standing(f)
		got, err := evidence.EncodeFacts(f)
		if err != nil || !strings.Contains(string(got), x.want) || strings.Contains(string(got)+raw.String(), secret) {
			t.Errorf("%s: %v\n%s\nwant %s\nraw %s", name, err, got, x.want, raw)
		}
	}
}

// Where Terraform judges policies itself, the newest word of each on each thing
// counts, and nothing of what it was about is kept.
func TestApplyJudged(t *testing.T) {
	line := func(set, name, level, target, result string) string {
		return fmt.Sprintf(`{"@level":"info","@message":"Policy Result","@policy":"true","@timestamp":"2026-03-03T10:01:00Z","policy_address":"s3cr3t","policy_metadata":{"policy_set_name":%q,"policy_set_path":"s3cr3t/x","policy_name":%q,"file_name":"s3cr3t.hcl","enforcement_level":%q,"enforce_index":1},"result":%q,"target_address":%q,"type":"policy_result"}`+"\n", set, name, level, result, target)
	}
	info := `{"@message":"s3cr3t","policy_info":{"message":"s3cr3t"},"policy_metadata":{"policy_set_name":"base"},"result":"AllowResult","type":"policy_info"}` + "\n"
	for name, tt := range map[string]struct {
		lines string
		want  []evidence.InfraPolicy
	}{
		"none": {info, nil},
		"two sets": {info + line("tags", "s3cr3t", "mandatory", "a.b", "AllowResult") + line("base", "s3cr3t", "mandatory_overridable", "a.b", "DenyResult") + line("base", "s3cr3t", "mandatory", "a.c", "AllowResult") +
			line("base", "p", "advisory", "a.b", "DenyResult"), []evidence.InfraPolicy{{ID: "base", Status: "failed", Passed: 1, Advisory: 1, Mandatory: 1}, {ID: "tags", Status: "passed", Passed: 1}}},
		"not known when it was planned": {line("base", "p", "mandatory", "a.b", "UnknownResult") + line("base", "p", "mandatory", "a.b", "DenyResult"), []evidence.InfraPolicy{{ID: "base", Status: "failed", Mandatory: 1}}},
		"never known":                   {line("base", "p", "mandatory", "a.b", "UnknownResult") + line("base", "p", "mandatory", "a.c", "AllowResult"), []evidence.InfraPolicy{{ID: "base", Status: "unknown", Passed: 1}}},
		"broken policies":               {line("", "p", "mandatory", "a.b", "PolicyErrorResult") + line("", "p", "mandatory", "", "SetupErrorResult"), []evidence.InfraPolicy{{Status: "errored", Errored: 2}}},
	} {
		f, raw := &evidence.InfraRunFacts{}, &bytes.Buffer{}
		if err := readApply([]byte(tt.lines+applied+done), f, raw); err != nil {
			t.Fatal(err)
		}
		for i := range tt.want {
			tt.want[i].Form, tt.want[i].Kind = "policy-result", "terraform"
		}
		if d := cmp.Diff(tt.want, f.Policies); d != "" || f.PoliciesSeen != (tt.want != nil) {
			t.Errorf("%s: seen %v (-want +got):\n%s", name, f.PoliciesSeen, d)
		}
		if b, err := evidence.EncodeFacts(f); err != nil || strings.Contains(string(b)+raw.String(), secret) {
			t.Errorf("%s: %v: facts %s, raw %s", name, err, b, raw)
		}
	}
	if err := readApply([]byte(`{"type":"policy_result","result":["s3cr3t"]}`+"\n"), &evidence.InfraRunFacts{}, new(bytes.Buffer)); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a result of another form: %v", err)
	}
}

// planOf reads a plan that is at hand.
func planOf(b []byte, f *evidence.InfraRunFacts, raw *bytes.Buffer) error {
	return readPlan(&bounded{ctx: context.Background(), r: bytes.NewReader(b), max: maxPlan, most: maxFile}, f, raw)
}

// repeated gives a text again and again.
type repeated struct {
	text string
	left int
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A plan takes as much memory as one of its values, however large it is: what its
// changes were made from stands in it too, and is passed over.
func TestPlanIsNotHeld(t *testing.T) {
	resource := `{"type":"acme_zone","values":{"a":["` + strings.Repeat("x", 1000) + `",1,null,{"b":{}}]},"change":{"actions":["create"]}}`
	const n = 40_000 // forty megabytes, twice
	many := func() io.Reader {
		return io.MultiReader(&repeated{text: resource + ",", left: n}, strings.NewReader(resource))
	}
	whole := io.MultiReader(strings.NewReader(`{"format_version":"1.2","prior_state":{"values":[`), many(), strings.NewReader(`]},"resource_changes":[`), many(), strings.NewReader("]}\n"))
	var before, after runtime.MemStats
	f := &evidence.InfraRunFacts{}
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak, reads := uint64(0), 0
	err := readPlan(&bounded{ctx: t.Context(), max: maxPlan, most: maxFile, r: readerFunc(func(p []byte) (int, error) {
		if reads++; reads%16 > 0 {
			return whole.Read(p)
		}
		if runtime.ReadMemStats(&after); after.HeapAlloc > before.HeapAlloc {
			peak = max(peak, after.HeapAlloc-before.HeapAlloc)
		}
		return whole.Read(p)
	})}, f, new(bytes.Buffer))
	if err != nil || f.Plan.Additions != n+1 {
		t.Errorf("%v: %+v", err, f.Plan)
	}
	if peak > 20<<20 { // what waits for a collection too
		t.Errorf("it held %d bytes", peak)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What of a plan is not read is told without quoting it.
func TestPlanIsNoPlan(t *testing.T) {
	gone, stop := context.WithCancel(t.Context())
	stop()
	for name, tt := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want string
	}{
		"too large":       {t.Context(), io.MultiReader(strings.NewReader(`{"format_version":"1.2","x":[`), &repeated{text: "1,", left: 1 << 20}), "plan.json is larger than 65536 bytes"},
		"a large value":   {t.Context(), strings.NewReader(`{"format_version":"1.2","x":"` + strings.Repeat("s3cr3t", 10000) + `"}`), "one of its values is larger than 4096 bytes"},
		"a large change":  {t.Context(), strings.NewReader(`{"format_version":"1.2","resource_changes":[{"x":[` + strings.Repeat(`"s3cr3t",`, 5000) + `1]}]}`), "one of its values is larger than 4096 bytes"},
		"cut":             {t.Context(), strings.NewReader(`{"format_version":"1.2","resource_changes":[{`), "not of the form"},
		"more after it":   {t.Context(), strings.NewReader(`{"format_version":"1.2"} {"s3cr3t":1}`), "not of the form"},
		"no list":         {t.Context(), strings.NewReader(`{"format_version":"1.2","resource_changes":"s3cr3t"}`), "not of the form"},
		"no version":      {t.Context(), strings.NewReader(`{"resource_changes":[]}`), "not of the form"},
		"nested too deep": {t.Context(), strings.NewReader(`{"format_version":"1.2","x":` + strings.Repeat("[", 20000)), "not of the form"},
		"a large number":  {t.Context(), strings.NewReader(`{"format_version":"1.2","x":1e999}`), ""},
		"null":            {t.Context(), strings.NewReader(`null`), "not of the form"},
		"empty":           {t.Context(), strings.NewReader(``), "not of the form"},
		"a broken disk":   {t.Context(), io.MultiReader(strings.NewReader(`{"format_version":`), readerFunc(func([]byte) (int, error) { return 0, errors.New("s3cr3t") })), "plan.json cannot be read"},
		"nobody waits":    {gone, strings.NewReader(`{"format_version":"1.2"}`), "context canceled"},
		"null for a list": {t.Context(), strings.NewReader(`{"format_version":"1.2","resource_changes":null}`), ""},
	} {
		err := readPlan(&bounded{ctx: tt.ctx, r: tt.r, max: 64 << 10, most: 4 << 10}, &evidence.InfraRunFacts{}, new(bytes.Buffer))
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// A plan counts what leaves the state and what it invokes, beside what changes.
func TestPlanForgets(t *testing.T) {
	f, raw := &evidence.InfraRunFacts{}, &bytes.Buffer{}
	err := planOf([]byte(`{"format_version":"1.2","resource_changes":[{"type":"acme_zone","change":{"actions":["forget"]}},{"type":"acme_zone","change":{"actions":["create","forget"]}},{"mode":"data","type":"acme_zone","change":{"actions":["read"]}}],
		"action_invocations":[{"address":"action.acme_call.notify","type":"acme_call","config_values":{"token":"s3cr3t"},"invoke_action_trigger":{}}]}`), f, raw)
	if want := (evidence.InfraCount{Status: "finished", Additions: 1, Forgotten: 2, Invoked: 1}); err != nil || *f.Plan != want || strings.Contains(raw.String(), secret) {
		t.Errorf("%v: %+v, raw %s", err, f.Plan, raw)
	}
}

// States of Terraform before 0.12 are read too, an encrypted one says which it is,
// and what a working directory keeps of its backend is no empty state.
func TestOldStates(t *testing.T) {
	const none = "state.json is not of the form"
	for state, want := range map[string]string{
		`{"version":3,"terraform_version":"0.11.14","serial":8,"lineage":"abc","backend":{"hash":1},"modules":[
			{"path":["root"],"outputs":{"pw":{"value":"s3cr3t"}},"resources":{"acme_vm.web.0":{"type":"acme_vm","primary":{"id":"s3cr3t"},"provider":"provider.acme"},"acme_vm.web.1":{"type":"acme_vm","primary":{},"deposed":[],"provider":"provider.acme"},
				"data.acme_zone.main":{"type":"acme_zone","primary":{"attributes":{"x":"s3cr3t"}},"provider":"provider.acme.west"}}},
			{"path":["root","net","inner"],"resources":{"acme_vm.db":{"type":"acme_vm","provider":"module.net.provider.acme"}}}]}`: `"serial":8,"lineage":"abc","format":3,"terraform_version":"0.11.14","creator":0,"processed":true,"providers":["acme"],"resources":[` +
			`{"address":"acme_vm.web","type":"acme_vm","provider":"acme","count":2},{"address":"data.acme_zone.main","type":"data.acme_zone","provider":"acme","count":1},{"address":"module.net.module.inner.acme_vm.db","type":"acme_vm","provider":"acme","count":1}]`,
		`{"version":1,"serial":1,"modules":[{"path":["root"],"resources":{"acme_vm.web":{"type":"acme_vm","primary":{"id":"s3cr3t"}}}}]}`:                         `"processed":true,"resources":[{"address":"acme_vm.web","type":"acme_vm","count":1}]`,
		`{"version":3,"serial":0,"lineage":"abc","modules":[{"path":["root"],"resources":{}}]}`:                                                                   `"format":3,"creator":0,"processed":true}`,
		`{"version":3,"serial":2,"lineage":"abc","backend":{"type":"s3","config":{"secret_key":"s3cr3t"},"hash":1},"modules":[{"path":["root"],"resources":{}}]}`: none,
		`{"version":3,"terraform_version":"1.15.0","backend":{"type":"s3","config":{"secret_key":"s3cr3t"},"hash":1}}`:                                            none,
		`{"version":3,"terraform_version":"1.15.0","state_store":{"type":"acme_store","provider":{},"config":{"value":"s3cr3t"},"hash":1}}`:                       none,
		`{"version":3,"serial":2,"lineage":"abc","modules":[` + strings.Repeat(`{},`, maxOldModules) + `{}]}`:                                                     none,
		`{"version":3,"serial":2,"lineage":"abc","modules":[{"path":["root"],"resources":["s3cr3t"]}]}`:                                                           none,
		`{"version":5,"serial":7,"lineage":"abc","things":["s3cr3t"]}`:                                                                                            `"serial":7,"lineage":"abc","format":5,"creator":0,"processed":false}`,
		locked: `"serial":3,"lineage":"871d1b4a-e579-fb7c-ffdb-f0c858a647a7","status":"encrypted","creator":0,"processed":false}`,
	} {
		f := &evidence.InfraStateFacts{}
		err := readStateFile([]byte(state), f)
		if want == none {
			if err == nil || !strings.Contains(err.Error(), none) || strings.Contains(err.Error(), secret) {
				t.Errorf("%.200s: %v", state, err)
			}
			continue
		}
		f.Size = 0
		if got, encode := evidence.EncodeFacts(f); err != nil || encode != nil || !strings.Contains(string(got), want) || strings.Contains(string(got), secret) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", state, err, got, want)
		}
	}
}

// Links out of the directory are not followed, and one odd folder blinds no other.
func TestFilesOdd(t *testing.T) {
	f := newFolder(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, planFile), []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	at := f.clock.Add(-time.Hour)
	f.leave("a/good", planFile, plan, at)
	f.leave("a/big", applyFile, strings.Repeat("x", 1<<20), at)
	for name, target := range map[string]string{"a/out": outside, "a/up": "..", "a/loop": "."} {
		if err := os.Symlink(target, filepath.Join(f.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(f.dir, "a/dir", planFile), 0o755); err != nil {
		t.Fatal(err)
	}
	f.leave("a/linked", "x", "", at)
	if err := os.Symlink(filepath.Join(outside, planFile), filepath.Join(f.dir, "a/linked", planFile)); err != nil {
		t.Fatal(err)
	}
	f.leave("nameless", planFile, plan, at) // names no workspace
	rec := f.must(nil)
	if got := keysOf(rec, evidence.InfraRun); !slices.Equal(got, []string{"a/good"}) {
		t.Errorf("told %v", got)
	}
	if b := blind(rec, evidence.InfraRun); len(b) != 1 || !strings.Contains(last(rec).Incomplete, "a/big") {
		t.Errorf("blind %v, %q", b, last(rec).Incomplete)
	}
	f.cfg.Directory = filepath.Join(f.dir, "gone")
	if _, err := f.poll(nil); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory that is not there: %v", err)
	}
	f.cfg.Directory = f.dir
	x, err := f.collector().(collectors.Examiner).Examine(t.Context())
	if err != nil || len(x.Rights) != 1 || x.Rights[0].Name != "2 runs in the directory" {
		t.Errorf("%+v, %v", x, err)
	}
	for want, c := range map[string]Config{
		"beside an organization":     {Directory: "/x", Organization: "acme"},
		"which is not absolute":      {Directory: "x"},
		"or set directory to where ": {URL: "https://x.example"},
	} {
		if err := c.check(); err == nil || !strings.Contains(fmt.Sprintf("%v %+v", err, err), want) && want != "or set directory to where " {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What a pipeline calls its repository is often an address with its token in it.
func TestFilesRepositoryWithoutToken(t *testing.T) {
	for in, want := range map[string]string{
		"acme/infra": "acme/infra", "https://forge.example/acme/infra.git": "https://forge.example/acme/infra.git",
		"https://gitlab-ci-token:s3cr3t@forge/acme/infra.git":         "https://forge/acme/infra.git",
		"https://oauth2:a/s3cr3t@forge.example/acme/infra.git":        "https://forge.example/acme/infra.git",
		"https://forge.example/acme/infra.git?private_token=s3cr3t#x": "https://forge.example/acme/infra.git",
		"s3cr3t@forge:acme/infra":                                     "forge:acme/infra",
	} {
		f := &evidence.InfraRunFacts{}
		if err := readOwn([]byte(fmt.Sprintf(`{"repo":%q}`, in)), f); err != nil || f.Repo != want {
			t.Errorf("repo %q: told %q, %v, want %q", in, f.Repo, err, want)
		}
	}
}

// A file that says it was written in the future is read like any other.
func TestFilesFromTheFuture(t *testing.T) {
	f := newFolder(t)
	f.leave("a/1", planFile, plan, f.clock.Add(10000*time.Hour))
	f.leave("a/2", planFile, plan, f.clock.Add(10*time.Second)) // clocks differ: it may still be written
	if got := keysOf(f.must(nil), evidence.InfraRun); !slices.Equal(got, []string{"a/1"}) {
		t.Errorf("told %v", got)
	}
}

// Of an apply that was stopped half way the last line may be half a line.
func TestFilesHalfALine(t *testing.T) {
	f := newFolder(t)
	at := f.clock.Add(-time.Hour)
	f.leave("a/1", applyFile, applied+`{"@level":"info","@message":"s3cr3t`, at)
	f.leave("a/2", applyFile, `{"@level":"info","@message":"s3cr3t`, at)
	f.leave("a/3", applyFile, applied+strings.TrimSuffix(done, "\n"), at)
	rec := f.must(nil)
	status := map[string]string{}
	for _, d := range rec.Of(evidence.InfraRun) {
		var v evidence.InfraRunFacts
		if err := json.Unmarshal(d.Content, &v); err != nil {
			t.Fatal(err)
		}
		status[d.Key] = v.Status
	}
	if len(status) != 2 || status["a/1"] != "unknown" || status["a/3"] != "applied" {
		t.Errorf("told %v", status)
	}
	if !strings.Contains(last(rec).Incomplete, "a/2") || strings.Contains(last(rec).Incomplete, "a/1") {
		t.Errorf("incomplete: %q", last(rec).Incomplete)
	}
}

// What stands in a state of a form that is not known is not told as nothing.
func TestFilesOldState(t *testing.T) {
	s := &evidence.InfraStateFacts{}
	if err := readStateFile([]byte(`{"version":5,"serial":1}`), s); err != nil || s.Processed || s.Serial != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, b := range []string{tfstate, printed, `{"format_version":"1.0"}`} {
		s := &evidence.InfraStateFacts{}
		if err := readStateFile([]byte(b), s); err != nil || !s.Processed {
			t.Errorf("%s: %+v, %v", b, s, err)
		}
	}
}

// However much a state holds, what is told of it fits a record.
func TestFilesStateOfManyProviders(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"version":4,"serial":1,"resources":[`)
	for i := range 60000 {
		fmt.Fprintf(&b, `{"type":"t","name":"n%d","provider":"provider[\"registry.example/%s/p%d\"]","instances":[{}]},`, i, strings.Repeat("x", 100), i)
	}
	b.WriteString(`{"type":"t","name":"n","instances":[]}]}`)
	f := newFolder(t)
	f.leave("a/1", stateFile, b.String(), f.clock.Add(-time.Hour))
	ds := f.must(nil).Of(evidence.InfraState)
	if len(ds) != 1 || len(ds[0].Content) > evidence.MaxContent {
		t.Fatalf("%d drafts", len(ds))
	}
	var s evidence.InfraStateFacts
	if err := json.Unmarshal(ds[0].Content, &s); err != nil || len(s.Providers) != 200 || len(s.Resources)+s.ResourcesCut != 60001 {
		t.Errorf("%d providers, %d resources and %d more: %v", len(s.Providers), len(s.Resources), s.ResourcesCut, err)
	}
}

// A file takes little more memory than its size, whatever stands in it.
func TestFilesOfManyElements(t *testing.T) {
	for name, read := range map[string]func([]byte) error{
		`{"format_version":"1.2","resource_changes":[`: func(b []byte) error { return planOf(b, &evidence.InfraRunFacts{}, new(bytes.Buffer)) },
		`{"version":4,"resources":[`:                   func(b []byte) error { return readStateFile(b, &evidence.InfraStateFacts{}) },
	} {
		b := []byte(name + strings.Repeat("{},", 1<<20) + "{}]}")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := read(b); err != nil {
			t.Error(err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 16*uint64(len(b))+64<<10 { // what keeps all takes 40 times as much and more; the race detector makes it a little more
			t.Errorf("%s takes %d bytes for %d", name, took, len(b))
		}
	}
}

// A workspace whose run cannot be read costs no other workspace.
func TestFilesBlindApart(t *testing.T) {
	f := newFolder(t)
	at := f.clock.Add(-time.Hour)
	f.leave("tenant-7/net/1", planFile, plan[:len(plan)/2], at)
	f.leave("tenant-7/net/2", planFile, plan, at)
	f.leave("tenant-8/net/1", planFile, plan, at)
	rec := f.must(nil)
	if b := blind(rec, evidence.InfraRun); len(b) != 1 || b["project:files/tenant-7/net"] == "" {
		t.Errorf("blind %v", b)
	}
	if !slices.ContainsFunc(last(rec).Seen, func(s evidence.Seen) bool { return s.Class == evidence.Instants && s.Scope.IsZero() }) {
		t.Errorf("nothing is seen: %+v", last(rec).Seen)
	}
}

// A state that cannot be read costs nothing of the run that wrote it, and is owed.
func TestFilesStateOwed(t *testing.T) {
	f := newFolder(t)
	f.leave("a/1", planFile, plan, f.clock.Add(-time.Hour))
	f.leave("a/1", stateFile, tfstate[:len(tfstate)/2], f.clock.Add(-time.Hour))
	first := f.must(nil)
	second := f.must(first.Resume())
	f.leave("a/1", stateFile, tfstate, f.clock.Add(-time.Hour))
	third := f.must(second.Resume())
	for i, want := range []struct{ runs, states, blind int }{{1, 0, 1}, {0, 0, 1}, {1, 1, 0}} {
		rec := []*collectortest.Recorder{first, second, third}[i]
		if r, s, b := len(rec.Of(evidence.InfraRun)), len(rec.Of(evidence.InfraState)), len(blind(rec, evidence.InfraState)); r != want.runs || s != want.states || b != want.blind {
			t.Errorf("look %d: %d runs, %d states, %d blind, want %+v", i, r, s, b, want)
		}
	}
}

// Runs that lie where none is looked for are told of.
func TestFilesMisplaced(t *testing.T) {
	f := newFolder(t)
	f.leave("nameless", planFile, plan, f.clock.Add(-time.Hour))
	f.leave("1/2/3/4/5/6/7/8/9/10/11", planFile, plan, f.clock.Add(-time.Hour))
	rec := f.must(nil)
	if n := last(rec).Notes; len(rec.Drafts) != 0 || len(n) != 2 {
		t.Errorf("%v, told %v", n, keysOf(rec, evidence.InfraRun))
	}
}

// Names of folders are anything.
func TestFilesNames(t *testing.T) {
	f := newFolder(t)
	at := f.clock.Add(-time.Hour)
	for _, name := range []string{"a\nb/1", "a\x1b[31m/x", "a\xff/1", "a\xfe/1", "mira@example.com/1", strings.Repeat(strings.Repeat("n", 250)+"/", 7) + "1"} {
		f.leave(name, planFile, plan, at)
		f.leave(name, stateFile, "s3cr3t", at)
	}
	rec := f.must(nil)
	if o := last(rec); strings.ContainsAny(o.Incomplete, "\n\x1b") || !utf8.ValidString(o.Incomplete) {
		t.Errorf("%q", o.Incomplete)
	}
	for _, d := range rec.Drafts {
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
	if n := len(keysOf(rec, evidence.InfraRun)); n != 4 { // of the names that are UTF-8
		t.Errorf("%d runs told", n)
	}
}

// FuzzFiles reads any bytes as each of the files.
func FuzzFiles(f *testing.F) {
	for _, s := range []string{plan, applied + done, applied + failed, planned, tfstate, printed, locked, own, `{"version":3,"modules":[{"path":["root","a"],"resources":{"data.t.n.0":{"type":"t","provider":"module.a.provider.p.q"}}}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var raw bytes.Buffer
		run := &evidence.InfraRunFacts{}
		for _, err := range []error{planOf(b, run, &raw), readApply(b, run, &raw), readOwn(b, run)} {
			if err != nil && len(err.Error()) > 80 {
				t.Errorf("an error quotes: %v", err)
			}
		}
		state := &evidence.InfraStateFacts{}
		if err := readStateFile(b, state); err == nil {
			for _, r := range state.Resources {
				if strings.ContainsAny(r.Address+r.Type+r.Provider, "[]\"\\ \n") {
					t.Errorf("%+v", r)
				}
			}
		}
		for _, v := range []any{run, state} {
			if _, err := evidence.EncodeFacts(v); err != nil {
				t.Error(err)
			}
		}
	})
}
