package mappings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// TestEveryStatus holds the decision table: what is wrong in several ways
// shows the first line that holds.
func TestEveryStatus(t *testing.T) {
	fail, unk := evidence.Item{Verdict: evidence.Fail}, evidence.Item{Verdict: evidence.Unknown}
	hole := []evidence.Window{{}}
	end := evidencetest.Start.Add(100 * time.Hour)
	old, fresh := end.Add(-2*time.Hour), end
	for _, tt := range []struct {
		failed, unknown, unobserved int
		hole                        bool
		old                         bool
		items                       int
		empty                       evidence.Status
		want                        evidence.Status
	}{
		{1, 1, 0, true, true, 2, evidence.Gap, evidence.NotSatisfied},
		{0, 1, 0, true, true, 2, evidence.Gap, evidence.Undetermined},
		{0, 2, 1, true, true, 2, evidence.Gap, evidence.Undetermined},
		{0, 1, 1, false, true, 2, evidence.Gap, evidence.NotObserved},
		{0, 0, 0, true, true, 2, evidence.Gap, evidence.NotObserved},
		{0, 0, 0, false, true, 2, evidence.Gap, evidence.Stale},
		{0, 0, 0, false, true, 0, evidence.Gap, evidence.Stale},
		{0, 0, 0, false, false, 0, evidence.Gap, evidence.Gap},
		{0, 0, 0, false, false, 0, evidence.NotApplicable, evidence.Gap},
		{0, 0, 0, false, false, 0, evidence.Satisfied, evidence.Satisfied},
		{0, 0, 0, false, false, 2, evidence.Gap, evidence.Satisfied},
		{0, 0, 0, true, false, 0, evidence.Satisfied, evidence.NotObserved},
	} {
		r := &run{test: &Test{Freshness: time.Hour, Empty: tt.empty}, period: evidence.Period{From: evidencetest.Start, To: end}, tally: tally{unobserved: tt.unobserved}}
		for range tt.failed {
			r.failed = append(r.failed, fail)
		}
		for range tt.unknown {
			r.unknown = append(r.unknown, unk)
		}
		r.items = make([]evidence.Item, tt.items)
		s := &sight{newest: fresh}
		if tt.old {
			s.newest = old
		}
		if tt.hole {
			s.holes = hole
		}
		a := &assessment{}
		if got := a.status(&Control{}, r, s); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func TestControlVerdict(t *testing.T) {
	type fs []struct {
		strength string
		status   evidence.Status
	}
	for _, tt := range []struct {
		findings fs
		want     evidence.Status
	}{
		{fs{{Direct, evidence.Satisfied}, {Partial, evidence.Satisfied}}, evidence.Satisfied},
		{fs{{Direct, evidence.Satisfied}, {Supporting, evidence.NotSatisfied}}, evidence.NotSatisfied},
		{fs{{Direct, evidence.Gap}, {Partial, evidence.Stale}}, evidence.Stale},
		{fs{{Direct, evidence.Undetermined}, {Partial, evidence.NotObserved}}, evidence.Undetermined},
		{fs{{Direct, evidence.NotApplicable}, {Partial, evidence.Satisfied}}, evidence.Satisfied},
		{fs{{Direct, evidence.NotApplicable}}, evidence.NotApplicable},
		{fs{{Supporting, evidence.Satisfied}}, evidence.Undetermined},
		{fs{{Direct, evidence.NotApplicable}, {Supporting, evidence.Satisfied}}, evidence.Undetermined},
		{nil, evidence.NotObserved},
	} {
		c := ControlResult{Control: &Control{}}
		var all []evidence.Finding
		for i, f := range tt.findings {
			c.Findings = append(c.Findings, i)
			all = append(all, evidence.Finding{Strength: f.strength, Status: f.status})
		}
		if c.judge(all); c.Status != tt.want {
			t.Errorf("%v: got %s, want %s", tt.findings, c.Status, tt.want)
		}
	}
}

// own loads a catalog with one test over direct pushes.
func own(t testing.TB, assert string) *Catalog {
	t.Helper()
	c, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(`version: 1
acts: [{id: own, name: House, title: House, in_force_since: 2026-01-01, addressee: us}]
tests:
  - id: x-y
    title: T
    says: all is well
    view: secret_accesses
    assert: |
      ` + assert + `
    window: period
    freshness: 1h
    least: continuous
    empty: gap
    threshold: {failed_percent: 60}
controls:
  - {id: own-1, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: x-y, strength: direct}]}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// accesses makes a log of n reads, one an hour, every third one denied.
func accesses(n int) (*evidencetest.Log, evidence.Period) { return accessesTo(n, "kv/a") }

// accessesTo is accesses with reads of one path.
func accessesTo(n int, path string) (*evidencetest.Log, evidence.Period) {
	tenant, _ := evidence.ParseTenant("tenant-7")
	log := evidencetest.NewLog(tenant)
	p := evidence.Period{From: evidencetest.Start, To: evidencetest.Start.Add(time.Duration(n) * time.Hour)}
	for i := range n {
		outcome := "ok"
		if i%3 == 2 {
			outcome = "denied"
		}
		log.Add(evidence.SecretAccess, evidence.OpEvent, p.From.Add(time.Duration(i)*time.Hour),
			evidence.AccessFacts{RequestID: fmt.Sprint("r", i), Operation: "read", Path: path, Outcome: outcome, Reading: true, Who: -1})
	}
	log.Cover("vault/prod", evidence.Continuous, p, "", evidence.SecretAccess)
	return log, p
}

func TestRuleFailures(t *testing.T) {
	log, p := accessesTo(6, "kv/"+strings.Repeat("a", 50_000))
	// Cheap on an ordinary path, so the catalog takes it; these are no such.
	cost := `[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, !item.path.contains("zz")))`
	for _, tt := range []struct {
		name, assert, why string
		budget            time.Duration
		status            evidence.Status
		unknown           int
	}{
		{"error on every item", `1 / (size(item.entity)) == 1`, "the rule failed: division by zero", 0, evidence.Undetermined, 6},
		{"error that does not matter", `item.outcome == "denied" || 1 / size(item.entity) == 1`, "the rule failed: division by zero", 0, evidence.Undetermined, 4},
		{"too costly", cost, "the rule costs more than one evaluation may", 0, evidence.Undetermined, 6},
		{"no time left", `true`, "the time for this test was used up", time.Nanosecond, evidence.Undetermined, 5},
	} {
		var tick time.Duration
		in := Input{Reader: log, Catalog: own(t, tt.assert), Period: p, Budget: tt.budget}
		if tt.budget > 0 { // the clock moves on with every look at it
			in.Budget = time.Second
			in.Clock = func() time.Time { tick += time.Second; return evidencetest.Start.Add(tick) }
		}
		fs, _, err := Assess(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		f := fs[0]
		if f.Status != tt.status || len(f.Unknown) != tt.unknown || f.Population != 6 {
			t.Errorf("%s: got %s with %d of %d undetermined, want %s with %d", tt.name, f.Status, len(f.Unknown), f.Population, tt.status, tt.unknown)
			continue
		}
		if f.Unknown[0].Why != tt.why {
			t.Errorf("%s: got reason %q, want %q", tt.name, f.Unknown[0].Why, tt.why)
		}
	}
}

func TestFinding(t *testing.T) {
	log, p := accesses(6)
	fs, results, err := Assess(t.Context(), Input{Reader: log, Catalog: own(t, `item.outcome == "ok"`), Period: p})
	if err != nil {
		t.Fatal(err)
	}
	f := fs[0]
	if f.Population != 6 || f.Passed != 4 || len(f.Failed) != 2 || len(f.Items) != 6 || f.Size != log.Size() || f.Period != p {
		t.Errorf("got %+v", f)
	}
	if want := "House Art. 1"; f.Article != want {
		t.Errorf("got article %q, want %q", f.Article, want)
	}
	want := "The evidence contradicts that all is well: 2 of 6 items failed (33.3 %, within the threshold of 60 %, which does not change the status)."
	if f.Summary != want {
		t.Errorf("got %q, want %q", f.Summary, want)
	}
	if results[0].Status != evidence.NotSatisfied || results[0].Findings[0] != 0 {
		t.Errorf("got %+v", results[0])
	}
}

func TestInputErrors(t *testing.T) {
	log, p := accesses(3)
	cat := own(t, "true")
	boom := errors.New("disk on fire")
	for _, tt := range []struct {
		name string
		in   Input
		code problem.Code
		fail string
	}{
		{"upside down", Input{Reader: log, Catalog: cat, Period: evidence.Period{From: p.To, To: p.From}}, problem.Usage, ""},
		{"no period", Input{Reader: log, Catalog: cat}, problem.Usage, ""},
		{"not begun", Input{Reader: log, Catalog: cat, Period: p, Now: p.From}, problem.Usage, ""},
		{"unknown control", Input{Reader: log, Catalog: cat, Period: p, Controls: []evidence.ControlID{"own-2"}}, problem.NotFound, ""},
		{"broken log", Input{Reader: log, Catalog: cat, Period: p}, "", "Records"},
	} {
		log.Fail("Records", nil)
		if tt.fail != "" {
			log.Fail(tt.fail, boom)
		}
		fs, rs, err := Assess(t.Context(), tt.in)
		if err == nil || fs != nil || rs != nil {
			t.Errorf("%s: got %d findings and error %v", tt.name, len(fs), err)
		}
		if tt.code != "" && !problem.Is(err, tt.code) || tt.fail != "" && !errors.Is(err, boom) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	log.Fail("Records", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Assess(ctx, Input{Reader: log, Catalog: cat, Period: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the context ended", err)
	}
}

// TestAsKnownThen judges a smaller log size: what came later is not known.
func TestAsKnownThen(t *testing.T) {
	log, p := accesses(6)
	size := log.Size()
	log.Add(evidence.SecretAccess, evidence.OpEvent, p.From.Add(90*time.Minute),
		evidence.AccessFacts{RequestID: "late", Operation: "read", Path: "kv/a", Outcome: "denied", Reading: true, Who: -1})
	cat := own(t, `item.outcome == "ok"`)
	for _, tt := range []struct {
		r    evidence.Reader
		want int
	}{{log, 7}, {log.At(size), 6}} {
		fs, _, err := Assess(t.Context(), Input{Reader: tt.r, Catalog: cat, Period: p})
		if err != nil || fs[0].Population != tt.want || fs[0].Size != tt.r.Size() {
			t.Errorf("size %d: got population %d (%v), want %d", tt.r.Size(), fs[0].Population, err, tt.want)
		}
	}
}

func TestErasedPersons(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/cases/review-by-other.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c := parseCase(t, string(ar.Files[0].Data), mustLoad(t))
	c.log.Erase(evidencetest.Token(c.log.Tenant(), "github:acme", "5011"))
	by, err := c.assess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := by["chg-approved"].Status; got != evidence.Undetermined {
		t.Errorf("got %s after the reviewer was erased, want undetermined", got)
	}
}

// scenes that a property test puts together: each line alone is a whole fact.
var parts = []string{
	`change.merge event 10T13:00 {"repo":"acme/shop","number":1,"state":"merged","base":"main","head_sha":"@B","merge_sha":"@M","merged_at":"2026-11-10T13:00:00Z","author":0,"merger":0,"reviews":[{"id":"1","person":1,"state":"approved","commit":"@B","at":"2026-11-10T12:00:00Z"}],"reviews_seen":true} author/authenticated/github:acme|1 reviewer/authenticated/github:acme|2`,
	`change.merge event 11T13:00 {"repo":"acme/shop","number":2,"state":"merged","base":"main","head_sha":"@C","merge_sha":"@N","merged_at":"2026-11-11T13:00:00Z","author":0,"merger":0,"reviews":[{"id":"2","person":1,"state":"approved","commit":"@C","at":"2026-11-11T12:00:00Z"}],"reviews_seen":true} author/authenticated/github:acme|1 reviewer/authenticated/gitlab:acme|2`,
	`change.commit event 10T13:00 notbefore=10T12:00 {"repo":"acme/shop","sha":"@M","branch":"main","author":-1,"committer":-1}`,
	`change.commit event 10T12:00 notbefore=10T11:00 {"repo":"acme/shop","sha":"@B","branch":"side","author":-1,"committer":-1}`,
	`change.review event 10T11:00 {"repo":"acme/shop","number":1,"id":"0","state":"commented","person":0} reviewer/authenticated/github:acme|3`,
	`secret.policy set 02T00:00 {"name":"app","sha256":"2","rules":[{"path":"kv/a","capabilities":["read"]}]}`,
	`secret.access event 10T10:00 actor=tenant-7 {"request_id":"r1","operation":"read","path":"kv/a","secret":"kv/a","outcome":"ok","reading":true,"who":0} reader/authenticated/vault:prod|e1`,
	`secret.access event 10T11:00 {"request_id":"r2","operation":"read","path":"kv/b","secret":"kv/b","outcome":"ok","reading":true,"who":-1}`,
	`cover github/acme continuous 01T00:00 30T00:00 change.commit,change.merge`,
	`cover vault/prod continuous 01T00:00 12T00:00 secret.access,secret.policy`,
	`cover vault/prod blind 12T00:00 30T00:00 secret.access,secret.policy down`,
	`cert.state set 02T00:00 {"endpoint":"a:443","subject":"s","issuer":"i","serial":"1","not_before":"2026-10-01T00:00:00Z","not_after":"2027-10-01T00:00:00Z","key":"k","signature":"s","fingerprint":"f","name_matches":true,"trusted":"yes","protocol":"TLS 1.3"}`,
	`cover certs/edge instants 01T00:00 30T00:00 cert.state`,
}

// failing lines each add an item that fails the named test.
var failing = map[string]string{
	"chg-approved":   `change.commit event 15T10:00 notbefore=15T09:00 {"repo":"acme/shop","sha":"@Z","branch":"main","author":-1,"committer":-1}`,
	"secret-no-root": `secret.access event 15T10:00 {"request_id":"rz","operation":"read","path":"kv/z","outcome":"ok","reading":true,"root":true,"who":-1}`,
	"cert-valid":     `cert.state set 05T00:00 {"endpoint":"z:443","subject":"s","issuer":"i","serial":"9","not_before":"2026-10-01T00:00:00Z","not_after":"2026-11-06T00:00:00Z","key":"k","signature":"s","fingerprint":"z","name_matches":true,"trusted":"yes","protocol":"TLS 1.3"}`,
	"policy-least":   `secret.policy set 03T00:00 {"name":"wide","sha256":"9","rules":[{"path":"*","capabilities":["read"]}]}`,
}

func TestProperties(t *testing.T) {
	cat := mustLoad(t)
	judge := func(rt *rapid.T, lines []string) map[string]evidence.Finding {
		c := parseCase(t, strings.Join(lines, "\n"), cat)
		by, err := c.assess(context.Background())
		if err != nil {
			rt.Fatal(err)
		}
		return by
	}
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfDistinct(rapid.SampledFrom(parts), func(s string) string { return s }).Draw(rt, "lines")
		first := judge(rt, lines)
		second := judge(rt, rapid.Permutation(lines).Draw(rt, "order"))
		for id, a := range first {
			b := second[id]
			if a.Status != b.Status || a.Passed != b.Passed || a.Population != b.Population || len(a.Unknown) != len(b.Unknown) || a.Reason != b.Reason {
				rt.Fatalf("%s: %s (%d of %d) in one order of the log, %s (%d of %d) in another", id, a.Status, a.Passed, a.Population, b.Status, b.Passed, b.Population)
			}
			if a.Status == evidence.Satisfied && len(a.Uncovered) > 0 {
				rt.Fatalf("%s is satisfied over %d windows that nobody saw", id, len(a.Uncovered))
			}
		}
		id := rapid.SampledFrom([]string{"chg-approved", "secret-no-root", "cert-valid", "policy-least"}).Draw(rt, "failing")
		worse := judge(rt, append(lines, failing[id]))
		for other, f := range worse {
			if rank[f.Status] > rank[first[other].Status] && other == id {
				rt.Fatalf("a failing item lifted %s from %s to %s", other, first[other].Status, f.Status)
			}
		}
	})
}

// TestSameTwice holds that nothing depends on the order of maps or controls.
func TestSameTwice(t *testing.T) {
	cat := mustLoad(t)
	c := parseCase(t, strings.Join(parts, "\n"), cat)
	a, ra, err := Assess(t.Context(), c.in)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		b, rb, err := Assess(t.Context(), c.in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b, cmp.Comparer(func(x, y evidence.Tenant) bool { return x == y })); diff != "" {
			t.Fatalf("findings differ (-first +second):\n%s", diff)
		}
		for i := range ra {
			if ra[i].Status != rb[i].Status || ra[i].Why != rb[i].Why {
				t.Errorf("%s: %s, then %s", ra[i].Control.ID, ra[i].Status, rb[i].Status)
			}
		}
	}
	one := c.in
	one.Controls = []evidence.ControlID{"gdpr-art-5-1-f", "dora-art-9-4-e"}
	b, rb, err := Assess(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if len(rb) != 2 || rb[0].Control.ID != "dora-art-9-4-e" {
		t.Errorf("got %d controls, want the two in the catalog's order", len(rb))
	}
	for _, f := range b {
		for _, g := range a {
			if f.Control == g.Control && f.Test == g.Test && f.Status != g.Status {
				t.Errorf("%s %s: %s alone, %s among all", f.Control, f.Test, f.Status, g.Status)
			}
		}
	}
}

// TestNoNames looks for what persons are called in everything a finding says.
func TestNoNames(t *testing.T) {
	files, _ := filepath.Glob("testdata/cases/review-*.txtar")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ar := txtar.Parse(data)
		c := parseCase(t, string(ar.Files[0].Data), mustLoad(t))
		by, err := c.assess(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v", by)
		for _, name := range []string{"login=", "example.org", "noreply", "carol", "5011", "4402"} {
			if strings.Contains(text, name) {
				t.Errorf("%s: a finding holds %q", file, name)
			}
		}
	}
}

func TestViewFields(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Views() {
		if v.Doc == "" || len(v.Kinds) == 0 {
			t.Errorf("view %s has no document or kinds", v.Name)
		}
		for _, f := range v.Fields {
			if f.Doc == "" {
				t.Errorf("%s.%s has no document", v.Name, f.Name)
			}
			if seen[v.Name+"."+f.Name] {
				t.Errorf("%s.%s stands twice", v.Name, f.Name)
			}
			seen[v.Name+"."+f.Name] = true
			celType(f.Type)
		}
	}
}

// TestItemsKeepTheirTypes builds every view in all cases and compares items
// with the declared fields: each there with its type, or optional and missing
// with a reason.
func TestItemsKeepTheirTypes(t *testing.T) {
	files, _ := filepath.Glob("testdata/cases/*.txtar")
	built := map[string]int{}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := parseCase(t, string(ar.Files[0].Data), mustLoad(t))
		if err := c.in.check(); err != nil {
			t.Fatal(err)
		}
		a := &assessment{in: c.in, people: newPeople(c.log)}
		if err := a.load(t.Context(), c.in.Catalog.controls); err != nil {
			t.Fatal(err)
		}
		for name, v := range views {
			s := &scene{reader: c.log, period: c.in.Period, cover: a.cover, people: a.people, joins: &joins{}}
			err := v.build(t.Context(), s, func(it *item) error {
				built[name]++
				for _, f := range v.Fields {
					checkField(t, name, f, it)
				}
				for k := range it.fields {
					if v.meant("undefined field '"+k+"'") != fmt.Sprintf(" (did you mean %q?)", k) {
						t.Errorf("%s: item has field %s that is not declared", name, k)
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: view %s: %v", file, name, err)
			}
		}
	}
	for name := range views {
		if built[name] == 0 {
			t.Errorf("no case has an item of view %s", name)
		}
	}
}

func checkField(t *testing.T, view string, f Field, it *item) {
	t.Helper()
	v, there := it.fields[f.Name]
	if !there {
		if m, ok := it.missing[f.Name]; !f.Optional || !ok || m.why == "" {
			t.Errorf("%s: item %q lacks %s without a reason", view, it.label, f.Name)
		}
		return
	}
	ok := false
	switch f.Type {
	case "bool":
		_, ok = v.(bool)
	case "int":
		_, ok = v.(int)
	case "string":
		_, ok = v.(string)
	case "timestamp":
		_, ok = v.(time.Time)
	case "duration":
		_, ok = v.(time.Duration)
	case "list(string)":
		_, ok = v.([]string)
	}
	if !ok {
		t.Errorf("%s.%s is a %T, want %s", view, f.Name, v, f.Type)
	}
}

func BenchmarkAssess(b *testing.B) {
	log, p := accesses(20_000)
	cat := mustLoad(b)
	b.ReportAllocs()
	for b.Loop() {
		fs, _, err := Assess(b.Context(), Input{Reader: log, Catalog: cat, Period: p})
		if err != nil || len(fs) == 0 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// A test about what not every platform has says nothing beside others while no
// source shows that, and all that it would say once one did.
func TestOptionalTests(t *testing.T) {
	catalog := func(optional, beside bool) *Catalog {
		tests := "{test: y-z, strength: direct}"
		if beside {
			tests = "{test: x-y, strength: direct}, " + tests
		}
		c, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(`version: 1
acts: [{id: own, name: House, title: House, in_force_since: 2026-01-01, addressee: us}]
tests:
  - {id: x-y, title: T, says: all is well, view: secret_accesses, assert: "true", window: period, freshness: 1h, least: continuous, empty: gap}
  - {id: y-z, title: T, says: all runs are reviewed, view: infra_changes, assert: item.commit_known, window: period, freshness: 1h, least: continuous, empty: satisfied, optional: ` + fmt.Sprint(optional) + `}
controls:
  - {id: own-1, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [` + tests + `]}
`)}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, tt := range []struct {
		name             string
		optional, beside bool
		cover            func(*evidencetest.Log, evidence.Period)
		want             evidence.Status
		reason           evidence.Reason
		unused           bool // by the finding's record
	}{
		{"no source", true, true, nil, evidence.Satisfied, evidence.ReasonNotConfigured, true},
		{"no source, and every platform has it", false, true, nil, evidence.NotObserved, evidence.ReasonNotConfigured, false},
		{"no source, and nothing beside it", true, false, nil, evidence.NotObserved, evidence.ReasonNotConfigured, true},
		{"a source that is down", true, true, func(l *evidencetest.Log, p evidence.Period) {
			l.Cover("terraform/prod", evidence.Blind, p, "503 from server", evidence.InfraRun)
		}, evidence.NotObserved, evidence.ReasonNotConfigured, false}, // of the forge there is none
		{"a source that saw", true, true, func(l *evidencetest.Log, p evidence.Period) {
			l.Cover("terraform/prod", evidence.Continuous, p, "", evidence.InfraRun, evidence.InfraWorkspace)
		}, evidence.NotObserved, evidence.ReasonNotConfigured, false},
		{"a source that saw less than the test needs", true, true, func(l *evidencetest.Log, p evidence.Period) {
			l.Cover("terraform/prod", evidence.Reconstructed, p, "", evidence.InfraRun, evidence.InfraWorkspace)
		}, evidence.NotObserved, evidence.ReasonNotConfigured, false},
	} {
		log, p := accesses(6)
		if tt.cover != nil {
			tt.cover(log, p)
		}
		cat := catalog(tt.optional, tt.beside)
		findings, results, err := Assess(t.Context(), Input{Reader: log, Catalog: cat, Period: p, Now: p.To})
		if err != nil {
			t.Fatal(err)
		}
		f := findings[len(findings)-1]
		if results[0].Status != tt.want || f.Status != evidence.NotObserved || f.Reason != tt.reason {
			t.Errorf("%s: the control is %s, want %s; the finding is %s (%s), want not-observed (%s)", tt.name, results[0].Status, tt.want, f.Status, f.Reason, tt.reason)
		}
		facts := evidence.FindingFacts{Status: f.Status, Reason: f.Reason}
		for _, w := range f.Uncovered {
			facts.Uncovered = append(facts.Uncovered, unseenOf(w, f.Period))
		}
		for _, x := range cat.Tests() {
			if x.ID == f.Test && x.NotUsed(&facts) != tt.unused {
				t.Errorf("%s: by its record the test is not used: %t, want %t", tt.name, !tt.unused, tt.unused)
			}
		}
	}
}
