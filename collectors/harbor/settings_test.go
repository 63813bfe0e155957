package harbor

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

func TestConfig(t *testing.T) {
	good := func() *Config {
		c := Spec().Config().(*Config)
		c.URL, c.User, c.TokenFile = "https://harbor.example:8443", "robot$evidenced", "/run/token"
		return c
	}
	env := collectors.Env{Source: "harbor/prod", Clock: time.Now}
	c, err := Spec().New(good(), env)
	if err != nil {
		t.Fatal(err)
	}
	if h := c.(*Collector); h.authority != "prod" || h.cfg.Registry != "harbor.example:8443" {
		t.Errorf("authority %q, registry %q", h.authority, h.cfg.Registry)
	}
	for text, change := range map[string]func(*Config){
		"url is not set":            func(c *Config) { c.URL = "" },
		"holds the path of the API": func(c *Config) { c.URL = "https://harbor.example/api/v2.0" },
		"which is no host":          func(c *Config) { c.Registry = "https://harbor.example" },
		"user is not set":           func(c *Config) { c.User = "" },
		"user holds a colon":        func(c *Config) { c.User = "a:b" },
		"token_file is not set":     func(c *Config) { c.TokenFile = "" },
		"robot_prefix is empty":     func(c *Config) { c.RobotPrefix = "" },
		`pulls is "some"`:           func(c *Config) { c.Pulls = "some" },
		"history is negative":       func(c *Config) { c.History = -1 },
		"settings_every is 1s":      func(c *Config) { c.SettingsEvery = time.Second },
		"audit_silence is 0s":       func(c *Config) { c.AuditSilence = 0 },
		"scheme":                    func(c *Config) { c.URL = "ftp://harbor.example" },
		"CA file":                   func(c *Config) { c.CAFile = "/does/not/exist" },
		"holds a user or password":  func(c *Config) { c.URL, c.Registry = "https://a@harbor.example", "harbor.example" },
	} {
		cfg := good()
		change(cfg)
		if _, err := Spec().New(cfg, env); !problem.Is(err, problem.Config) && !strings.Contains(fmt.Sprint(err), text) || !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("want %q, got %v", text, err)
		}
	}
	if _, err := Spec().New(Config{}, env); err == nil {
		t.Error("a configuration of another type is taken")
	}
}

func TestCursor(t *testing.T) {
	for _, b := range []string{
		``, `{`, `{"v":2}`, `{"v":1,"x":1}`, `{"v":1} 2`, `{"v":1,"projects":{"a":null}}`, `{"v":1,"audit":{"ext":null}}`,
		`{"v":1,"audit":{"ext":{"settled":-1,"last":0}}}`, `{"v":1,"audit":{"ext":{"settled":3,"last":2}}}`,
		`{"v":1,"projects":{"a":{"id":1,"reports":"AA"}}}`, `{"v":1,"projects":{"a":{"id":1,"reports":"?"}}}`,
	} {
		if _, err := readCursor([]byte(b)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("cursor %q: %v", b, err)
		}
	}
	c, err := readCursor(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := c.project("app", 7)
	p.Reports = fingerprints{stampOf("a"): true, stampOf("b"): true}
	c.audit("ext").Last = 4
	d, err := readCursor(c.bytes())
	if err != nil || !d.project("app", 7).Reports[stampOf("b")] || d.audit("ext").Last != 4 {
		t.Errorf("read back: %v, %s", err, c.bytes())
	}
	if d.project("app", 8).Reports != nil {
		t.Error("a project of the same name has the reports of the old one")
	}
}

// What the registry does not let us read of its own makes its part blind, and
// nothing of it ends.
func TestSettingsRefused(t *testing.T) {
	for path, kind := range map[string]evidence.Kind{
		"robots":                         evidence.RegistryRobot,
		"replication/policies":           evidence.RegistryRule,
		"system/gc/schedule":             evidence.RegistryRule,
		"system/gc":                      evidence.RegistryRun,
		"projects/app/members":           evidence.AccessMember,
		"projects/app/immutabletagrules": evidence.RegistryRule,
		"projects/app/webhook/policies":  evidence.RegistryRule,
		"retentions/4":                   evidence.RegistryRule,
		"retentions/4/executions":        evidence.RegistryRun,
		"scanners":                       evidence.RegistryRule,
	} {
		t.Run(strings.ReplaceAll(path, "/", "."), func(t *testing.T) {
			g := newRegistry(t)
			g.projects = []row{{"project_id": 1, "name": "app", "metadata": row{"retention_id": "4"}}, {"project_id": 2, "name": "other"}}
			g.lists["scanners"] = []row{{"id": 1, "uuid": "x", "name": "Trivy", "disabled": true}}
			g.lists["retentions/4/executions"] = []row{}
			g.status["retentions/4"] = 404
			g.status[path] = 403
			rec := g.must(nil)
			if !strings.Contains(last(rec).Incomplete, "may not read this") {
				t.Errorf("incomplete %q", last(rec).Incomplete)
			}
			if got := spans(rec, kind); !strings.Contains(got, "blind") {
				t.Errorf("claims of %s:\n%s", kind, got)
			}
			if completes(rec, kind, evidence.Ref{}) {
				t.Errorf("the list of %s counts as complete", kind)
			}
			other := completes(rec, kind, evidence.NewRef("project", "prod", "other"))
			info, _ := evidence.KindInfo(kind)
			if own := strings.HasPrefix(path, "projects/") || strings.HasPrefix(path, "retentions/"); other != (own && info.State) {
				t.Errorf("complete list of the other project: %v", other)
			}
			if host := completes(rec, kind, evidence.NewRef("host", "prod", "harbor.example")); host != other {
				t.Errorf("complete list of the registry's own: %v", host)
			}
			// A lasting refusal is not asked about at every look.
			rec = g.later(time.Minute, rec)
			if slices.Contains(g.asked, path) {
				t.Errorf("%s is asked for again after a minute", path)
			}
			g.status[path] = 0
			if path == "retentions/4" {
				g.status[path] = 404
			}
			rec = g.later(5*time.Minute, rec)
			if !slices.Contains(g.asked, path) || last(rec).Incomplete != "" {
				t.Errorf("granted: asked %v, incomplete %q", slices.Contains(g.asked, path), last(rec).Incomplete)
			}
		})
	}
}

// A scanner that does not answer the registry does not hide the scanners after
// it; that it was not read is said, and nothing is told of it.
func TestScannerDown(t *testing.T) {
	for _, code := range []int{404, 500, 502} {
		g := newRegistry(t)
		g.lists["scanners"] = []row{{"id": 1, "uuid": "x", "name": "Old"}, {"id": 2, "uuid": "y", "name": "Trivy", "is_default": true}}
		g.status["scanners/x/metadata"] = code
		g.single = map[string]any{"scanners/y/metadata": row{"scanner": row{"vendor": "Aqua Security", "name": "Trivy", "version": "v0.61.0"}}}
		rec := g.must(nil)
		var got []string
		for _, d := range rec.Of(evidence.RegistryRule) {
			if f := factsOf[evidence.RegistryRuleFacts](t, d); f.Type == ruleScanner {
				got = append(got, f.Name+": "+strings.Join(f.Says, ", "))
			}
		}
		if d := cmp.Diff([]string{"Trivy: default, Aqua Security Trivy v0.61.0"}, got); d != "" || !strings.Contains(last(rec).Incomplete, "scanners: scanner Old") {
			t.Errorf("%d: scanners (-want +got):\n%s\nincomplete %q", code, d, last(rec).Incomplete)
		}
	}
}

// A registry that passes over the question for one project's robots gives no
// project the robots of another.
func TestRobotsOfOthers(t *testing.T) {
	g := newRegistry(t)
	g.projects = []row{{"project_id": 1, "name": "app"}, {"project_id": 2, "name": "other"}}
	grant := func(project string) []row { return []row{{"kind": "project", "namespace": project}} }
	g.lists["robots"] = []row{
		{"id": 3, "name": "robot$app+push", "level": "project", "permissions": grant("app")},
		{"id": 4, "name": "robot$other+push", "level": "project", "permissions": grant("other")},
		{"id": 5, "name": "robot$both", "level": "system", "permissions": append(grant("app"), grant("other")...)},
		{"id": 6, "name": "robot$app+bare", "level": "project"},
	}
	rec := g.must(nil)
	own := evidence.NewRef("host", "prod", "harbor.example")
	got, shared := map[string][]string{}, false
	for _, d := range rec.Of(evidence.RegistryRobot) {
		if d.Subject.Name == "5" {
			of := [][]evidence.Ref{{evidence.NewRef("project", "prod", "app")}, {evidence.NewRef("project", "prod", "other")}}
			if want := []evidence.Mention{{At: "/grants", Names: []string{"project"}, Of: of}, {Of: of}}; !reflect.DeepEqual(d.Mentions, want) {
				t.Errorf("whose the grants of a robot are: %v, want %v", d.Mentions, want)
			}
			shared = true
		}
		if slices.Contains(d.Scope, own) {
			continue // from the list of the system's
		}
		for _, r := range d.Scope {
			got[r.Name] = append(got[r.Name], d.Subject.Name)
		}
	}
	if want := (map[string][]string{"app": {"3", "6"}, "other": {"4"}}); !reflect.DeepEqual(got, want) || !shared {
		t.Errorf("got %v, want %v", got, want)
	}
	if !noted(rec, "not recorded there: robot 4") || last(rec).Incomplete != "" {
		t.Errorf("notes %v, incomplete %q", last(rec).Notes, last(rec).Incomplete)
	}
}

// A retention policy that a project names and that was deleted is no rule.
func TestDeletedRetention(t *testing.T) {
	for _, code := range []int{400, 404} {
		g := newRegistry(t)
		g.projects = []row{{"project_id": 1, "name": "app", "metadata": row{"retention_id": "4"}}}
		g.status["retentions/4"], g.status["retentions/4/executions"] = code, code
		if rec := g.must(nil); last(rec).Incomplete != "" || !completes(rec, evidence.RegistryRule, evidence.Ref{}) {
			t.Errorf("%d: incomplete %q", code, last(rec).Incomplete)
		}
	}
}

// A replication of several projects, whose filter names them, says whose they are.
func TestReplicationOfSeveral(t *testing.T) {
	g := newRegistry(t)
	g.projects = []row{{"project_id": 1, "name": "app"}, {"project_id": 2, "name": "other"}, {"project_id": 3, "name": "third"}}
	g.lists["replication/policies"] = []row{{"id": 1, "name": "away", "enabled": true, "dest_registry": row{"id": 2, "name": "far", "type": "harbor", "url": "https://far.example"},
		"filters": []row{{"type": "name", "value": "{app,other}/**"}}}}
	found := false
	for _, d := range g.must(nil).Of(evidence.RegistryRule) {
		if f := factsOf[evidence.RegistryRuleFacts](t, d); f.Type != ruleReplication {
			continue
		}
		found = true
		of := [][]evidence.Ref{{evidence.NewRef("project", "prod", "app")}, {evidence.NewRef("project", "prod", "other")}, {evidence.NewRef("project", "prod", "third")}}
		if want := []evidence.Mention{{Of: of}}; !reflect.DeepEqual(d.Mentions, want) || !strings.Contains(string(d.Content), "{app,other}/**") {
			t.Errorf("whose the projects of a replication are: %v, want %v; %s", d.Mentions, want, d.Content)
		}
	}
	if !found {
		t.Error("no replication was read")
	}
}

// Settings are read when they are due, and a run is told again when it ended.
func TestSettingsThroughTime(t *testing.T) {
	g := newRegistry(t)
	run := row{"id": 5, "policy_id": 1, "status": "InProgress", "trigger": "manual", "start_time": "2026-03-03T11:00:00Z"}
	g.lists["replication/executions"] = []row{{"id": 4, "policy_id": 1, "status": "Succeed", "start_time": "2026-03-03T10:00:00Z"}, run}
	rec := g.must(nil)
	if got := keys(rec, evidence.RegistryRun); fmt.Sprint(got) != "[replication/5 replication/4]" {
		t.Errorf("first look: %q", got)
	}
	if rec = g.later(10*time.Minute, rec); slices.Contains(g.asked, "robots") {
		t.Error("settings are read before they are due")
	}
	run["status"] = "Failed"
	rec = g.later(20*time.Minute, rec)
	runs := rec.Of(evidence.RegistryRun)
	if !slices.Contains(g.asked, "robots") || len(runs) == 0 || factsOf[evidence.RegistryRunFacts](t, runs[0]).Status != "failure" {
		t.Errorf("after half an hour: asked %q, runs %q", g.asked, keys(rec, evidence.RegistryRun))
	}
	if rec = g.later(30*time.Minute, rec); slices.Contains(keys(rec, evidence.RegistryRun), "replication/4") && len(rec.Of(evidence.RegistryRun)) > 2 {
		t.Errorf("runs that ended come for ever: %q", keys(rec, evidence.RegistryRun))
	}
}

func TestWords(t *testing.T) {
	for native, want := range map[string]string{"Success": "success", "ERROR": "error", "Stopped": "stopped", "Pending": "waiting", "Scheduled": "waiting", "Running": "running", "": "unknown", "Queued?": "unknown"} {
		if got := scanState(native); got != want {
			t.Errorf("scan %q is %q, want %q", native, got, want)
		}
	}
	for said, want := range map[string]string{"true": "true", "TRUE": "true", "false": "false", "": "unsaid", "1": "unsaid"} {
		got := "unsaid"
		if b := (&project{Meta: map[string]word{"public": word(said)}}).flag("public"); b != nil {
			got = fmt.Sprint(*b)
		}
		if got != want {
			t.Errorf("%q is %s, want %s", said, got, want)
		}
	}
	for native, want := range map[string]string{"Succeed": "success", "Success": "success", "Failed": "failure", "Error": "failure", "Stopped": "stopped", "InProgress": "running", "Pending": "running", "": "unknown"} {
		if got := runState(native); got != want {
			t.Errorf("run %q is %q, want %q", native, got, want)
		}
	}
	for role, want := range map[int]string{1: "admin", 2: "write", 3: "read", 4: "maintain", 5: "read", 9: "unknown"} {
		if got := rankOf(role); got != want {
			t.Errorf("role %d is %q, want %q", role, got, want)
		}
	}
	for s, want := range map[string]string{"critical": "Critical", "None": "None", "": "Unknown", "Terrible": "Unknown"} {
		if got := severity(s); got != want {
			t.Errorf("severity %q is %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]bool{"0001-01-01T00:00:00.000Z": true, "": true, "yesterday": true, "2026-03-03T00:00:00+02:00": false, "99999-01-01T00:00:00Z": true} {
		if got := when(s).IsZero(); got != want {
			t.Errorf("time %q is never: %v", s, got)
		}
	}
	for s, want := range map[int64]bool{-1: true, 0: true, 1790000000: false, 1 << 60: true} {
		if got := epoch(s).IsZero(); got != want {
			t.Errorf("expiry %d is never: %v", s, got)
		}
	}
	for s, want := range map[string]string{"https://u:p@h.example:8/x?token=1": "h.example:8", "nonsense": "unknown", "": "unknown", "http://[": "unknown"} {
		if got := hostOf(s); got != want {
			t.Errorf("host of %q is %q, want %q", s, got, want)
		}
	}
	if got := sourceURL("https://me:secret@forge.example/a/b?x=1#y"); got != "https://forge.example/a/b" {
		t.Errorf("source %q", got)
	}
	if got := text("ask a.b@planted.example\x00 or " + strings.Repeat("é", 300)); strings.Contains(got, "planted") || len(got) > maxText || strings.ContainsRune(got, 0) {
		t.Errorf("text %q", got)
	}
	if got := len(keyOf(strings.Repeat("a", 600))); got > evidence.MaxKey {
		t.Errorf("key of %d bytes", got)
	}
}

// Findings stand worst first, all of them are counted, and a report that is too
// large for facts is cut from its end.
func TestFindings(t *testing.T) {
	high, low := 9.1, 4.2
	score := func(v *float64) *struct {
		V3 *float64 `json:"score_v3"`
	} {
		return &struct {
			V3 *float64 `json:"score_v3"`
		}{v}
	}
	r := &wireReport{Vulnerabilities: []wireFinding{
		{ID: "e", Severity: "odd"}, {ID: "d", Severity: "Low", CVSS: score(&low)}, {ID: "b", Severity: "High", CVSS: score(&low), Fixed: "2"},
		{ID: "a", Severity: "High", CVSS: score(&high)}, {ID: "c", Severity: "High", CVSS: score(nil)}, {ID: "z", Severity: "Critical"},
	}}
	f := &evidence.ScanFacts{}
	r.into(f, genericReport)
	var ids []string
	for _, x := range f.Findings {
		ids = append(ids, x.ID)
	}
	if fmt.Sprint(ids) != "[z a b c d e]" || f.Total != 6 || f.Fixable != 1 {
		t.Errorf("order %v, total %d, fixable %d", ids, f.Total, f.Fixable)
	}
	if d := cmp.Diff(map[string]int{"Critical": 1, "High": 3, "Low": 1, "Unknown": 1}, f.BySeverity); d != "" {
		t.Error(d)
	}
	big := &wireReport{}
	for i := range 5000 {
		s := "Low"
		if i == 4999 {
			s = "Critical"
		}
		big.Vulnerabilities = append(big.Vulnerabilities, wireFinding{ID: fmt.Sprintf("CVE-%d", i), Package: strings.Repeat("p", 250), Severity: s})
	}
	f = &evidence.ScanFacts{}
	big.into(f, genericReport)
	if f.Total != 5000 || len(f.Findings)+f.Cut != 5000 || f.Cut == 0 || f.Findings[0].Severity != "Critical" || len(forge.Encode(f)) > evidence.MaxContent {
		t.Errorf("total %d, kept %d, cut %d, first %s, %d bytes", f.Total, len(f.Findings), f.Cut, f.Findings[0].Severity, len(forge.Encode(f)))
	}
}

// An artifact with far more tags and images than facts hold is kept, and said.
func TestLargeArtifact(t *testing.T) {
	g := newRegistry(t)
	var tags, refs []row
	for i := range 500 {
		tags = append(tags, row{"name": fmt.Sprintf("t%04d", i)})
		refs = append(refs, row{"child_digest": digestOf(1000 + i), "platform": nil})
	}
	g.arts["app"] = []row{artifactRow(1, row{"tags": tags, "references": refs, "push_time": "2026-12-01T00:00:00.000Z"})}
	rec := g.must(nil)
	d := rec.Of(evidence.ArtifactImage)[0]
	f := factsOf[evidence.ArtifactFacts](t, d)
	if len(f.Tags) != maxTags || len(f.Children) != maxChildren || len(d.Links) != 1+maxTags+maxChildren {
		t.Errorf("%d tags, %d children, %d links", len(f.Tags), len(f.Children), len(d.Links))
	}
	if !noted(rec, "500 tags") || !noted(rec, "500 images") || !noted(rec, "pushed in the future") {
		t.Errorf("notes %q", last(rec).Notes)
	}
}

// TestManyRuns: however many runs began since the last look, all are told; one
// that never ends does not make every look read all of them again.
func TestManyRuns(t *testing.T) {
	g := newRegistry(t)
	path := "replication/executions"
	run := func(id int, status string) row {
		return row{"id": id, "policy_id": 1, "status": status, "start_time": "2026-03-03T10:00:00Z"}
	}
	g.lists[path] = []row{run(1, "InProgress"), run(2, "Succeed")}
	rec := g.must(nil)
	for id := 3; id <= 2500; id++ {
		g.lists[path] = append(g.lists[path], run(id, "Succeed"))
	}
	rec = g.later(time.Hour, rec)
	ids := map[string]bool{}
	for _, k := range keys(rec, evidence.RegistryRun) {
		ids[k] = true
	}
	if len(ids) != 2500 {
		t.Errorf("%d runs are told, want 2500", len(ids))
	}
	rec = g.later(time.Hour, rec)
	pages := 0
	for _, p := range g.asked {
		if p == path {
			pages++
		}
	}
	if pages != maxRunPages || !noted(rec, "followed no longer") {
		t.Errorf("%d pages read again for a run that does not end; notes %q", pages, last(rec).Notes)
	}
	g.later(time.Hour, rec)
	if pages = len(slices.DeleteFunc(g.asked, func(p string) bool { return p != path })); pages != 1 {
		t.Errorf("%d pages read when nothing is new", pages)
	}
}

// TestLongLists: who administers a project may write lists of any length; no
// record may grow beyond what the sink takes, which would end the run for all.
func TestLongLists(t *testing.T) {
	g := newRegistry(t)
	long := strings.Repeat(`"`, 300)
	var allowed, selectors, rules, grants, targets []row
	for i := range 3000 {
		allowed = append(allowed, row{"cve_id": fmt.Sprint(i, long)})
		selectors = append(selectors, row{"decoration": "matches", "pattern": long})
		grants = append(grants, row{"kind": "project", "namespace": fmt.Sprintf("p%d", i), "access": []row{{"resource": "repository", "action": "pull"}, {"resource": long, "action": "push"}}})
		targets = append(targets, row{"type": "http", "address": "https://" + fmt.Sprint("h", i) + ".example"})
	}
	for i := range 300 {
		rules = append(rules, row{"id": i + 1, "action": "retain", "template": long, "tag_selectors": selectors[:20]})
	}
	g.projects[0]["cve_allowlist"] = row{"items": allowed}
	g.projects[0]["metadata"] = row{"retention_id": "4"}
	g.lists["projects/app/immutabletagrules"] = []row{{"id": 1, "tag_selectors": selectors}}
	g.lists["projects/app/webhook/policies"] = []row{{"id": 2, "targets": targets}}
	g.lists["robots"] = []row{{"id": 3, "name": "robot$big", "permissions": grants}}
	g.single = map[string]any{"retentions/4": row{"rules": rules}}
	rec := g.must(nil)
	if o := last(rec); o.Incomplete != "" {
		t.Fatalf("incomplete: %s", o.Incomplete)
	}
	if n := len(rec.Of(evidence.RegistryRule)); n < 3 {
		t.Errorf("%d rules", n)
	}
	for _, d := range rec.Of(evidence.RegistryRobot) {
		if f := factsOf[evidence.RobotFacts](t, d); len(f.Grants) == 0 || len(f.Grants)+f.GrantsCut != 3000 {
			t.Errorf("%d grants, %d cut", len(f.Grants), f.GrantsCut)
		}
		// Whose they are is said of all: the bytes have them.
		if len(d.Mentions[0].Of) != 3000 {
			t.Errorf("of %d grants it is said whose they are", len(d.Mentions[0].Of))
		}
	}
}
