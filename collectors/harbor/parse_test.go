package harbor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence"

	"github.com/rogpeppe/go-internal/txtar"
)

// seeds are the bodies of the conversation whose request line holds part.
func seeds(t testing.TB, part string) (bodies [][]byte) {
	t.Helper()
	ar, err := txtar.ParseFile("testdata/registry.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if !strings.Contains(f.Name, part) {
			continue
		}
		body := f.Data
		if i := strings.Index(string(body), "\n\n"); i >= 0 && body[0] != '[' && body[0] != '{' {
			body = body[i+2:]
		}
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil {
			bodies = append(bodies, body)
		}
		for _, it := range list {
			bodies = append(bodies, it)
		}
	}
	if len(bodies) == 0 {
		t.Fatalf("no answer of %s is recorded", part)
	}
	return bodies
}

// offline is a look at nothing.
func offline(t testing.TB) *look {
	t.Helper()
	c, err := New(config("http://127.0.0.1:1", "/run/token"), collectors.Env{Source: "harbor/prod", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return &look{Collector: c, ctx: t.Context(), started: now}
}

func checked(t *testing.T, d evidence.Draft) {
	t.Helper()
	if err := d.Check(); err != nil {
		t.Errorf("a draft that is refused: %v", err)
	}
	if !json.Valid(d.Content) {
		t.Errorf("content %q", d.Content)
	}
}

func FuzzArtifact(f *testing.F) {
	for _, b := range seeds(f, "/artifacts?") {
		f.Add(b)
	}
	l := offline(f)
	p := &project{ID: 1, Name: "app", state: &projectState{}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := parseArtifact(raw, "")
		if err != nil {
			return
		}
		facts := l.artifactFacts(p, w)
		d := l.draft(evidence.ArtifactImage, evidence.OpSet, l.artifactRef("app", facts.Repository, w.Digest), facts, evidence.Request{})
		d.Raw, d.Removed = forge.Without(agent, raw, "extra_attrs", "annotations")
		checked(t, d)
		var kept map[string]json.RawMessage
		if json.Unmarshal(d.Raw, &kept) == nil && (kept["extra_attrs"] != nil || kept["annotations"] != nil) {
			t.Errorf("raw %s", d.Raw)
		}
	})
}

func FuzzReport(f *testing.F) {
	for _, b := range seeds(f, "/additions/vulnerabilities") {
		var m map[string]json.RawMessage
		if json.Unmarshal(b, &m) == nil {
			for _, r := range m {
				f.Add([]byte(r))
			}
		}
	}
	f.Add([]byte(`{"vulnerabilities":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseReport(raw)
		if err != nil {
			return
		}
		facts := &evidence.ScanFacts{}
		r.into(facts, genericReport)
		b := forge.Encode(facts)
		if len(b) == 0 || len(b) > evidence.MaxContent || facts.Total != len(facts.Findings)+facts.Cut {
			t.Errorf("%d bytes, total %d, %d findings, %d cut", len(b), facts.Total, len(facts.Findings), facts.Cut)
		}
		sum := 0
		for _, n := range facts.BySeverity {
			sum += n
		}
		if sum != facts.Total {
			t.Errorf("severities sum to %d of %d", sum, facts.Total)
		}
	})
}

func FuzzAuditRow(f *testing.F) {
	for _, b := range append(seeds(f, "/auditlog-exts?"), seeds(f, "/audit-logs?")...) {
		f.Add(b)
	}
	l := offline(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseAuditRow(raw)
		if err != nil {
			return
		}
		a := &auditLog{form: formExt, state: &auditState{}}
		d := l.auditDraft(a, r, raw, when(r.Time), evidence.Request{})
		checked(t, d)
		var facts evidence.RegistryAuditFacts
		if err := json.Unmarshal(d.Content, &facts); err != nil || facts.Who >= len(d.People) {
			t.Errorf("who %d of %d people, %v", facts.Who, len(d.People), err)
		}
	})
}

func FuzzRobot(f *testing.F) {
	for _, b := range seeds(f, "/robots?") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseRobot(raw)
		if err != nil {
			return
		}
		if b := forge.Encode(r.facts("harbor.example")); !json.Valid(b) {
			t.Errorf("facts %q", b)
		}
	})
}

func FuzzMember(f *testing.F) {
	for _, b := range seeds(f, "/members?") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, err := parseMember(raw); err == nil && (m.Entity <= 0 || m.Name == "") {
			t.Errorf("member %+v", m)
		}
	})
}

func BenchmarkArtifact(b *testing.B) {
	raw := seeds(b, "tenant-7/artifacts?")[0]
	l := offline(b)
	p := &project{ID: 3, Name: "tenant-7", state: &projectState{}}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		w, err := parseArtifact(raw, "")
		if err != nil {
			b.Fatal(err)
		}
		forge.Encode(l.artifactFacts(p, w))
	}
}

// BenchmarkReport reads a report of 2,000 findings, about 1 MB.
func BenchmarkReport(b *testing.B) {
	var list []string
	for i := range 2000 {
		list = append(list, fmt.Sprintf(`{"id":"CVE-2026-%d","package":"pkg-%d","version":"1.%d","fix_version":"","severity":"Medium","description":%q,"links":["https://cve.example/%d"],"preferred_cvss":{"score_v3":5.5}}`, i, i%300, i, strings.Repeat("made up ", 40), i))
	}
	raw := []byte(`{"generated_at":"2026-03-03T02:10:41Z","severity":"Medium","vulnerabilities":[` + strings.Join(list, ",") + `]}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := parseReport(raw)
		if err != nil {
			b.Fatal(err)
		}
		f := &evidence.ScanFacts{}
		r.into(f, genericReport)
		forge.Encode(f)
	}
}

func BenchmarkAuditRow(b *testing.B) {
	raw := seeds(b, "/auditlog-exts?page=1&page_size=100")[1]
	l := offline(b)
	a := &auditLog{form: formExt, state: &auditState{}}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := parseAuditRow(raw)
		if err != nil {
			b.Fatal(err)
		}
		l.auditDraft(a, r, raw, when(r.Time), evidence.Request{})
	}
}
