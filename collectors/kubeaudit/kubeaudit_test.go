package kubeaudit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/spool/spooltest"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)

// planted stands in the recorded lines and must stay in people and raw lines.
var planted = []string{"mira", "boss@", "cto@", "kubernetes-admin", "acme.example"}

func recorded(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "events.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func logFile(t testing.TB, b []byte) string {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, b)
	return path
}

func fileConfig(paths ...string) Config {
	c := defaultConfig()
	c.AuditFiles = paths
	return c
}

func testEnv() collectors.Env {
	return collectors.Env{Source: "kubernetes-audit/prod", Clock: func() time.Time { return now }, Seal: spooltest.Keyring("a")}
}

func poll(t testing.TB, cfg Config, resume []byte) *collectortest.Recorder {
	t.Helper()
	c, err := New(cfg, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: now}, resume, &rec); err != nil {
		t.Fatal(err)
	}
	return &rec
}

// TestDrafts reads the recorded log and compares the drafts.
func TestDrafts(t *testing.T) {
	rec := poll(t, fileConfig(logFile(t, recorded(t))), nil)
	var got bytes.Buffer
	for _, d := range rec.Drafts {
		var facts bytes.Buffer
		if err := json.Indent(&facts, d.Content, "", " "); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "== %s\n%s at %s by %s\n%s\n", d.Key, d.Subject, d.OccurredAt.Format(time.RFC3339Nano), d.Basis, facts.Bytes())
		for _, p := range d.People {
			fmt.Fprintf(&got, "person %s %s %q %s %+v\n", p.Role, p.Realm, p.NativeID, p.Proof, p.Names)
		}
		fmt.Fprintf(&got, "scope %v actor %v\nlinks %v\nremoved %q\n", d.Scope, d.ActorScope, d.Links, d.Removed)
		all, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(all)+string(d.Raw), "planted-") {
			t.Errorf("%s holds what must not be kept: %s", d.Key, d.Raw)
		}
	}
	for _, n := range rec.Commits[0].Observation.Notes {
		fmt.Fprintf(&got, "note %s\n", n)
	}
	golden := filepath.Join("testdata", "drafts.golden")
	if *update {
		write(t, golden, got.Bytes())
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("drafts (-want +got):\n%s", d)
	}
}

func TestSuite(t *testing.T) {
	for _, conversation := range []string{"", "testdata/api.txtar"} {
		path := logFile(t, recorded(t))
		t.Run("api "+conversation, func(t *testing.T) {
			collectortest.Run(t, collectortest.Suite{
				Source: "kubernetes-audit/prod", Now: now, Conversation: conversation, Planted: planted,
				Wants: []evidence.Kind{evidence.AccessAudit},
				New: func(t testing.TB, w collectortest.World) collectors.Collector {
					cfg := fileConfig(path)
					if w.URL != "" {
						cfg.Server, cfg.TokenFile = w.URL, w.TokenFile
					}
					c, err := build(cfg, w.Env, func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody })
					if err != nil {
						t.Fatal(err)
					}
					c.batch = 4
					return c
				},
			})
		})
	}
}

func keys(ds []evidence.Draft) []string {
	var ks []string
	for _, d := range ds {
		ks = append(ks, d.Key)
	}
	return ks
}

// stages are the keys without the server's times.
func stages(ds []evidence.Draft) []string {
	ks := keys(ds)
	for i, k := range ks {
		id, rest, _ := strings.Cut(k, "/")
		stage, _, _ := strings.Cut(rest, "/")
		ks[i] = id + "/" + stage
	}
	return ks
}

// Each word of keep alone keeps what it stands for.
func TestKeep(t *testing.T) {
	path := logFile(t, recorded(t))
	for word, want := range map[string]string{
		keepPeopleWrites:  "a-exec/ResponseStarted a-exec/ResponseComplete a-binding a-dry a-conflict a-masters a-clusterrole a-named a-panic/Panic a-crd",
		keepPeopleReads:   "a-content a-imp a-denied a-all",
		keepRBAC:          "a-binding a-clusterrole",
		keepSecrets:       "a-secret a-content a-all",
		keepExec:          "a-exec/ResponseStarted a-exec/ResponseComplete",
		keepTokens:        "a-token",
		keepImpersonation: "a-imp a-imp-sa",
		keepDenials:       "a-denied a-anon",
		keepMasters:       "a-masters",
		keepDelivery:      "a-argo",
	} {
		cfg := fileConfig(path)
		cfg.Keep = []string{word}
		rec := poll(t, cfg, nil)
		got := strings.ReplaceAll(strings.Join(stages(rec.Drafts), " "), "/ResponseComplete", "")
		if want := strings.ReplaceAll(want, "/ResponseComplete", ""); got != want {
			t.Errorf("%s: got %s, want %s", word, got, want)
		}
	}
	cfg := fileConfig(path)
	cfg.Keep, cfg.ReadNamespaces = []string{keepPeopleReads}, []string{"tenant-8"}
	if got := strings.Join(stages(poll(t, cfg, nil).Drafts), " "); got != "a-denied/ResponseComplete a-all/ResponseComplete" {
		t.Errorf("reads in tenant-8: got %s", got)
	}
}

// A person whom the configuration marks as a bot is none.
func TestMarked(t *testing.T) {
	cfg := fileConfig(logFile(t, recorded(t)))
	cfg.Keep = []string{keepPeopleWrites, keepPeopleReads}
	env := testEnv()
	env.Mark = func(realm, id, _ string) (bool, bool) {
		return realm == "kubernetes:prod" && strings.HasPrefix(id, "mira"), false
	}
	c, err := New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	var rec collectortest.Recorder
	if err := c.Poll(t.Context(), evidence.Period{To: now}, nil, &rec); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(stages(rec.Drafts), " "); got != "a-binding/ResponseComplete a-imp/ResponseComplete a-masters/ResponseComplete" {
		t.Errorf("got %s", got)
	}
}

// The log is rotated, packed and cut in two between looks: the same drafts.
func TestRotation(t *testing.T) {
	lines := bytes.SplitAfter(recorded(t), []byte("\n"))
	lines = lines[:len(lines)-1]
	want := keys(poll(t, fileConfig(logFile(t, recorded(t))), nil).Drafts)
	for cut := 1; cut < len(lines); cut += 3 {
		path := logFile(t, bytes.Join(lines[:cut], nil))
		rec := poll(t, fileConfig(path), nil)
		got := keys(rec.Drafts)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(append(old, bytes.Join(lines[cut:cut+1], nil)...))
		w.Close()
		write(t, strings.TrimSuffix(path, ".log")+"-2026-03-02T14-00-00.000.log.gz", z.Bytes())
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, path, append(bytes.Join(lines[cut+1:], nil), "\n"...))
		rec = poll(t, fileConfig(path), rec.Resume())
		if got = append(got, keys(rec.Drafts)...); !slices.Equal(got, want) {
			t.Errorf("cut at %d: got %q, want %q", cut, got, want)
		}
		for _, c := range rec.Commits {
			if c.Observation.Incomplete != "" {
				t.Errorf("cut at %d: %s", cut, c.Observation.Incomplete)
			}
		}
	}
}

// Lines that cannot be read make the look partial, and the rest goes on.
func TestBadLines(t *testing.T) {
	good := bytes.SplitAfter(recorded(t), []byte("\n"))[3]
	bad := "{\"kind\":\"Event\"\nnothing\n{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}\n{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"x\",\"stage\":7,\"verb\":\"mira-verb\"}\n\n"
	long := fmt.Sprintf("{\"kind\":\"Event\",\"x\":%q}\n", strings.Repeat("y", 8192))
	cfg := fileConfig(logFile(t, []byte(bad+long+string(good))))
	cfg.MaxLine = 4096
	rec := poll(t, cfg, nil)
	if len(rec.Drafts) != 1 {
		t.Errorf("%d drafts, want 1", len(rec.Drafts))
	}
	o := rec.Commits[len(rec.Commits)-1].Observation
	for _, want := range []string{"offset 0", "no JSON", "no event of audit.k8s.io", "and 2 more"} {
		if !strings.Contains(o.Incomplete, want) {
			t.Errorf("incomplete %q lacks %q", o.Incomplete, want)
		}
	}
	for _, want := range []string{"field stage is of another type", "longer than max_line"} {
		if !strings.Contains(strings.Join(o.Notes, "\n"), want) {
			t.Errorf("notes %q lack %q", o.Notes, want)
		}
	}
	if strings.Contains(fmt.Sprint(o), "mira") {
		t.Errorf("an observation quotes a line: %v", o)
	}
}

// What the claims look like without a probe, with one, and when it stays away.
func TestCoverage(t *testing.T) {
	classes := func(rec *collectortest.Recorder) string {
		var out []string
		for _, c := range rec.Commits {
			for _, s := range c.Observation.Seen {
				out = append(out, fmt.Sprintf("%s %s..%s", s.Class, s.From.Format("15:04:05"), s.To.Format("15:04:05")))
			}
		}
		return strings.Join(out, ", ")
	}
	path := logFile(t, recorded(t))
	if got := classes(poll(t, fileConfig(path), nil)); got != "reconstructed 14:00:00..14:30:00" {
		t.Errorf("without a probe: %s", got)
	}
	token := logFile(t, []byte("token"))
	clock, n := now, 0
	env := testEnv()
	env.Clock = func() time.Time { return clock }
	srv := collectortest.ReplayOf(t, []byte(strings.ReplaceAll(string(apiText(t)), "probe-1111-2222", "probe-1")+strings.ReplaceAll(string(apiText(t)), "probe-1111-2222", "probe-2")), now)
	probe := func(id string, at time.Time) []byte {
		n++
		return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":%q,"stage":"ResponseComplete","verb":"list","user":{"username":"system:serviceaccount:evidenced:evidenced"},"stageTimestamp":%q}`+"\n", id, at.Format(time.RFC3339Nano))
	}
	cfg := fileConfig(path)
	cfg.Server, cfg.TokenFile = srv.URL, token
	look := func(resume []byte) *collectortest.Recorder {
		t.Helper()
		c, err := build(cfg, env, func(o *fetch.Options) { o.Retries = -1 })
		if err != nil {
			t.Fatal(err)
		}
		var rec collectortest.Recorder
		if err := c.Poll(t.Context(), evidence.Period{To: clock}, resume, &rec); err != nil {
			t.Fatal(err)
		}
		return &rec
	}
	grow := func(b []byte) {
		t.Helper()
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, append(old, b...))
	}
	rec := look(nil)
	if got := classes(rec); got != "reconstructed 14:00:00..14:30:00" {
		t.Errorf("before the first sighting: %s", got)
	}
	grow(probe("probe-1", clock))
	clock = clock.Add(time.Minute)
	rec = look(rec.Resume())
	if got := classes(rec); !strings.HasSuffix(got, "reconstructed 14:30:00..15:00:00") {
		t.Errorf("first sighting: %s", got)
	}
	if p := rec.Commits[0].Observation.Probe; p == nil || p.ID != "probe-1" {
		t.Errorf("probe %v", p)
	}
	grow(probe("probe-2", clock))
	clock = clock.Add(time.Minute)
	rec = look(rec.Resume())
	if got := classes(rec); got != "continuous 15:00:00..15:01:00" {
		t.Errorf("second sighting: %s", got)
	}
	clock = clock.Add(time.Hour)
	if got := classes(look(rec.Resume())); got != "blind 15:01:00..16:02:00" {
		t.Errorf("a probe that stays away: %s", got)
	}
	// Nobody answers: why is told to every tenant, and says nothing of the server.
	cfg.Server = "http://127.0.0.1:1"
	rec = look(nil)
	clock = clock.Add(time.Hour)
	rec = look(rec.Resume())
	seen := rec.Commits[len(rec.Commits)-1].Observation.Seen
	if cause := seen[len(seen)-1].Cause; cause != "no probe could be sent: the source was unreachable or answered with an error" {
		t.Errorf("a probe that cannot be sent: %q", cause)
	}
}

func apiText(t testing.TB) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", "api.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return b[bytes.Index(b, []byte("-- ")):]
}

// Labels of namespaces come with the probe and go into the scope.
func TestLabels(t *testing.T) {
	srv := collectortest.NewReplay(t, filepath.Join("testdata", "api.txtar"), now)
	for _, c := range []struct {
		labels []string
		want   string
	}{
		{nil, "[ns:prod/tenant-7 label:prod/tenant=tenant-7]"},
		{[]string{"other"}, "[ns:prod/tenant-7]"},
	} {
		cfg := fileConfig(logFile(t, recorded(t)))
		cfg.Server, cfg.TokenFile, cfg.TenantLabels = srv.URL, logFile(t, []byte("t")), c.labels
		rec := poll(t, cfg, nil)
		if got := fmt.Sprint(rec.Drafts[0].Scope); got != c.want {
			t.Errorf("labels %q: scope %s, want %s", c.labels, got, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"":                           func(c *Config) {},
		"exactly one of":             func(c *Config) { c.Listen, c.SpoolDir = "127.0.0.1:0", "/s" },
		"exactly one":                func(c *Config) { c.AuditFiles = nil },
		"without spool_dir":          func(c *Config) { c.AuditFiles, c.Listen = nil, "127.0.0.1:0" },
		"no address":                 func(c *Config) { c.AuditFiles, c.Listen, c.SpoolDir = nil, "8443", "/s" },
		"reached from other":         func(c *Config) { c.AuditFiles, c.Listen, c.SpoolDir = nil, "0.0.0.0:8443", "/s" },
		"reached from":               func(c *Config) { c.AuditFiles, c.Listen, c.SpoolDir, c.ListenTokenFile = nil, ":8443", "/s", "/t" },
		"client_ca_file is set":      nil,
		"need listen":                func(c *Config) { c.ListenTokenFile = "/t" },
		"server is set without":      func(c *Config) { c.Server = "https://k" },
		"need server":                func(c *Config) { c.CAFile = "/ca" },
		"max_line":                   func(c *Config) { c.MaxLine = 5 },
		"probe_limit":                func(c *Config) { c.ProbeLimit = 0 },
		"keep is empty":              func(c *Config) { c.Keep = nil },
		"none of":                    func(c *Config) { c.Keep = []string{"everything"} },
		"no pattern":                 func(c *Config) { c.ReadNamespaces = []string{"["} },
		"not an absolute path":       func(c *Config) { c.AuditFiles = []string{"audit.log"} },
		"not a path or glob":         func(c *Config) { c.AuditFiles = []string{"/[a"} },
		"cluster_namespace is empty": func(c *Config) { c.ClusterNamespace = "" },
		"spool_bytes":                func(c *Config) { c.SpoolBytes = 1 },
	} {
		c := fileConfig("/var/log/audit.log")
		if change == nil {
			c.AuditFiles, c.Listen, c.SpoolDir, c.ClientCAFile = nil, "127.0.0.1:0", "/s", "/ca"
		} else {
			change(&c)
		}
		_, err := New(c, testEnv())
		if want == "" && err != nil || want != "" && (!problem.Is(err, problem.Config) || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := Spec().New(Spec().Config(), testEnv()); err == nil {
		t.Error("the default configuration names no log and is taken")
	}
}

func TestExamine(t *testing.T) {
	path := logFile(t, recorded(t))
	x, err := must(New(fileConfig(path), testEnv())).Examine(t.Context())
	if err != nil || len(x.Oldest) != 1 || !x.Oldest[0].At.Equal(time.Date(2026, 3, 2, 14, 0, 0, 902110000, time.UTC)) {
		t.Errorf("files: %+v, %v", x, err)
	}
	got := func(x collectors.Examination) string {
		var s []string
		for _, r := range x.Rights {
			s = append(s, fmt.Sprintf("%s: %s", strings.Replace(r.Name, path, "FILE", 1), r.Access))
		}
		return strings.Join(s, ", ")
	}
	if s := got(x); s != "read FILE: readable, probe: missing" {
		t.Errorf("without an API: %s", s)
	}
	review := func(allowed bool) string {
		return fmt.Sprintf("-- POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews --\nstatus: 201\nContent-Type: application/json\n\n{\"status\":{\"allowed\":%v}}\n", allowed)
	}
	for conversation, want := range map[string]string{
		string(apiText(t)) + review(false): "read FILE: readable, list namespaces: readable",
		string(apiText(t)) + review(true): "read FILE: readable, list namespaces: readable, get secrets in all namespaces: excess, create pods in all namespaces: excess, " +
			"delete namespaces in all namespaces: excess, * * in all namespaces: excess",
		"-- GET /api/v1/namespaces?limit=500 --\nstatus: 403\nContent-Type: application/json\n\n{\"kind\":\"Status\",\"code\":403}\n" + review(false): "read FILE: readable, list namespaces: missing",
	} {
		srv := collectortest.ReplayOf(t, []byte(conversation), now)
		cfg := fileConfig(path)
		cfg.Server, cfg.TokenFile = srv.URL, logFile(t, []byte("token"))
		x, err := must(New(cfg, testEnv())).Examine(t.Context())
		if s := got(x); err != nil || s != want || x.Requests == 0 {
			t.Errorf("got %s (%d requests, %v), want %s", s, x.Requests, err, want)
		}
	}
}

func must(c *Collector, err error) *Collector {
	if err != nil {
		panic(err)
	}
	return c
}

func FuzzEvent(f *testing.F) {
	for _, l := range splitLines(recorded(f)) {
		f.Add(l)
	}
	f.Add([]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x","stage":"Panic","RESPONSEOBJECT":{"kind":"Secret","data":"planted-x"},"requestURI":"/a?b\n=c"}`))
	c := must(New(fileConfig("/var/log/audit.log"), testEnv()))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parse(b)
		if err != nil {
			return
		}
		clean, removed, err := sanitize(b, e)
		if err != nil {
			t.Fatalf("parsed, but cannot be cut: %v", err)
		}
		e2, err := parse(clean)
		if err != nil {
			t.Fatalf("cut to what cannot be parsed: %v\n%s", err, clean)
		}
		again, removed2, err := sanitize(clean, e2)
		if err != nil || !bytes.Equal(clean, again) || !slices.Equal(removed, removed2) {
			t.Fatalf("cut twice: %v\n%s\n%s\n%q %q", err, clean, again, removed, removed2)
		}
		c.keeper.keep(e)
		d, err := c.maker.draft(&line{e: e, raw: b, at: now, known: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		for _, r := range slices.Concat(d.Links, d.Scope, d.ActorScope, []evidence.Ref{d.Subject}) {
			if p, err := evidence.ParseRef(r.String()); err != nil || p != r {
				t.Fatalf("reference %q: %v", r, err)
			}
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add(batch(recorded(f)))
	f.Add([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"x","stage":"Panic"}]}`))
	f.Add([]byte(`{"items":null,"apiVersion":"audit.k8s.io/v1","kind":"EventList"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := readBatch(bytes.NewReader(b), now)
		if err != nil {
			return
		}
		for _, l := range bytes.Split(bytes.TrimSuffix(lines, []byte("\n")), []byte("\n")) {
			if len(l) == 0 && len(lines) == 0 {
				continue
			}
			if _, ok := readMark(l); ok {
				continue
			}
			if _, err := parse(l); err != nil {
				t.Fatalf("a spooled line cannot be read: %v\n%s", err, l)
			}
		}
	})
}

// batch makes the body that a webhook sends of lines.
func batch(lines []byte) []byte {
	items := bytes.ReplaceAll(bytes.TrimSpace(lines), []byte("\n"), []byte(","))
	items = bytes.ReplaceAll(items, []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1",`), []byte("{"))
	return slices.Concat([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`), items, []byte("]}"))
}

func BenchmarkEvent(b *testing.B) {
	c := must(New(fileConfig("/var/log/audit.log"), testEnv()))
	raw := bytes.Split(recorded(b), []byte("\n"))[2]
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		e, err := parse(raw)
		if err != nil || !c.keeper.keep(e) {
			b.Fatal(err)
		}
		if _, err := c.maker.draft(&line{e: e, raw: raw, at: now, known: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFile reads a log of which most is machines that look.
func BenchmarkFile(b *testing.B) {
	var text bytes.Buffer
	lines := bytes.SplitAfter(recorded(b), []byte("\n"))
	for i := range 20000 {
		l := lines[20]
		if i%20 == 0 {
			l = lines[2]
		}
		text.Write(l)
	}
	path := logFile(b, text.Bytes())
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		var s collectortest.Counter
		if err := must(New(fileConfig(path), testEnv())).Poll(context.Background(), evidence.Period{}, nil, &s); err != nil || s.Drafts != 1000 {
			b.Fatal(s.Drafts, err)
		}
	}
	b.ReportMetric(float64(20000*b.N)/b.Elapsed().Seconds(), "lines/s")
}

func splitLines(b []byte) [][]byte { return bytes.Split(bytes.TrimSpace(b), []byte("\n")) }
