package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/reports/filing"
)

// What is filed is what was said, in every form; what nobody said is open.
func TestIncidentExport(t *testing.T) {
	w := apitest.New()
	d := desk{t, w}
	p := in("tenant-7", "declare")
	p.Fields, p.Reason = json.RawMessage(friday), "alarm"
	id, _ := d.declared(p)
	c := in("tenant-7", "contact")
	c.ID, c.Place, c.Name, c.Mail, c.Phone = id, "primary", "Incident desk", "desk@insurance.example", "+49 30 5550100"
	d.must(c)
	ask := func(change func(*api.ExportParams)) (string, string, error) {
		t.Helper()
		q := api.ExportParams{Common: api.Common{Tenant: "tenant-7"}, ID: id, Stage: "dora.initial"}
		if change != nil {
			change(&q)
		}
		var got collected
		open := func(context.Context) (api.World, func() error, error) { return w, func() error { return nil }, nil }
		err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(t.Context(), "incident-export", q, got.out())
		return got.String(), got.media, err
	}
	for form, want := range map[string]struct{ media, says string }{
		"":          {api.MediaText, "OPEN: mandatory"},
		"text":      {api.MediaText, "Made-up Insurance"},
		"csv":       {api.MediaCSV, "2.1,incident reference code of the entity,mandatory,INC-1"},
		"json":      {api.MediaJSON, `"format": "evidenced-filing/v1"`},
		"dora-json": {api.MediaJSON, `"phone": "+49 30 5550100"`},
		"xlsx":      {api.MediaXLSX, "xl/worksheets/sheet1.xml"},
		"pdf":       {api.MediaPDF, "%PDF-"},
	} {
		got, media, err := ask(func(q *api.ExportParams) { q.Form = form })
		if err != nil || media != want.media || !strings.Contains(got, want.says) {
			t.Errorf("form %q: %s, %v, and no %q in\n%.600s", form, media, err, want.says, got)
		}
	}
	text, _, err := ask(func(q *api.ExportParams) { q.Form = "json"; q.Stage = "gdpr.authority" })
	if err != nil {
		t.Fatal(err)
	}
	back, err := filing.Read([]byte(text))
	if err != nil || back.Incident != id || back.Record.Identity.Reference != "INC-1" {
		t.Errorf("reads back as %+v, %v", back, err)
	}
	for name, bad := range map[string]func(*api.ExportParams){
		"no such stage":   func(q *api.ExportParams) { q.Stage = "dora.later" },
		"no such form":    func(q *api.ExportParams) { q.Form = "docx" },
		"no such profile": func(q *api.ExportParams) { q.Form, q.Profile = "dora-json", "9" },
		"other law":       func(q *api.ExportParams) { q.Form, q.Stage = "dora-json", "gdpr.authority" },
		"no such id":      func(q *api.ExportParams) { q.ID = "zzzzzzzz" },
		"no threat":       func(q *api.ExportParams) { q.Stage = "dora.threat" },
		"threat profile":  func(q *api.ExportParams) { q.Form, q.Profile = "dora-json", "1.2.0" },
		"other tenant":    func(q *api.ExportParams) { q.Tenant = "tenant-8" },
	} {
		if got, _, err := ask(bad); err == nil || got != "" {
			t.Errorf("%s: got %.80q and error %v, want an error alone", name, got, err)
		}
	}
}

// Of a cyber threat DORA asks whether it is significant, and once it happened
// whether it is major.
func TestThreatClassified(t *testing.T) {
	d := desk{t, apitest.New()}
	p := in("tenant-7", "declare")
	p.Detected, p.Roles = "2026-11-14 11:00", []string{"financial-entity"}
	p.Fields = json.RawMessage(`{"identity": {"kind": "threat"}, "threat": {"description": "letters ask for codes", "may_affect": true, "criteria": ["geographical_spread"]}}`)
	id, _ := d.declared(p)
	look := in("tenant-7", "classify")
	look.ID, look.Law = id, "dora"
	if got := d.must(look); !strings.Contains(got, "threat.likely") || !strings.Contains(got, "2024/1772 Art 10") {
		t.Errorf("what is missing:\n%s", got)
	}
	more := in("tenant-7", "update")
	more.ID, more.Fields = id, json.RawMessage(`{"threat": {"likely": true}}`)
	d.must(more)
	look.Decide = "significant-threat"
	if got := d.must(look); !strings.Contains(got, "decided: significant-threat") {
		t.Errorf("decided:\n%s", got)
	}
	show := in("tenant-7", "show")
	show.ID = id
	if got := d.must(show); !strings.Contains(got, "dora: significant-threat") || strings.Contains(got, "dora.initial") {
		t.Errorf("show says\n%s", got)
	}
	major := look
	major.Decide, major.Reason = "major", "the letters worked"
	d.must(major)
	after := look
	after.Decide = "not-significant-threat"
	other := look
	other.Law = "nis2"
	ofIncident := look
	ofIncident.ID, _ = d.declared(least("tenant-7"))
	for want, p := range map[string]api.IncidentParams{
		"it has become an incident":            after,
		"none of significant, not-significant": other,
		"none of major, not-major":             ofIncident,
	} {
		if _, err := d.ask(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s of %s by %s: %v, want an error with %q", p.Decide, p.ID, p.Law, err, want)
		}
	}
}

// A cyber threat is declared like an incident and filed by its own template.
func TestThreatExport(t *testing.T) {
	w := apitest.New()
	d := desk{t, w}
	p := in("tenant-7", "declare")
	p.Detected = "2026-11-14 11:00"
	p.Fields = json.RawMessage(`{"identity": {"kind": "threat"}, "reporter": {"name": "Made-up Insurance", "roles": ["financial-entity"]}, "threat": {"description": "letters ask for codes", "status": "active"}}`)
	id, _ := d.declared(p)
	show := in("tenant-7", "show")
	show.ID = id
	if got := d.must(show); !strings.Contains(got, "dora.threat lacks") || strings.Contains(got, "dora.initial") {
		t.Errorf("show says\n%s", got)
	}
	var got collected
	open := func(context.Context) (api.World, func() error, error) { return w, func() error { return nil }, nil }
	q := api.ExportParams{Common: api.Common{Tenant: "tenant-7"}, ID: id, Stage: "dora.threat", Form: "dora-json"}
	err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(t.Context(), "incident-export", q, got.out())
	if err != nil || got.media != api.MediaJSON || !strings.Contains(got.String(), `"cyberThreatDescription": "letters ask for codes"`) || !strings.Contains(got.String(), `"status": "active"`) {
		t.Errorf("%s, %v:\n%s", got.media, err, got.String())
	}
}

// The register tells the tenant's own breaches, in every form.
func TestBreachRegister(t *testing.T) {
	w := apitest.New()
	d := desk{t, w}
	p := in("tenant-7", "declare")
	p.Fields = json.RawMessage(friday)
	id, _ := d.declared(p)
	ask := func(tenant, form string) (string, string, error) {
		var got collected
		open := func(context.Context) (api.World, func() error, error) { return w, func() error { return nil }, nil }
		err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(t.Context(), "incident-register", api.RegisterParams{Common: api.Common{Tenant: tenant}, Form: form}, got.out())
		return got.String(), got.media, err
	}
	for form, media := range map[string]string{"": api.MediaText, "csv": api.MediaCSV, "json": api.MediaJSON} {
		got, m, err := ask("tenant-7", form)
		if err != nil || m != media || !strings.Contains(got, id) || strings.ContainsAny(got, "\x1b") {
			t.Errorf("form %q: %s, %v\n%s", form, m, err, got)
		}
		if got, _, err := ask("tenant-8", form); err != nil || strings.Contains(got, id) {
			t.Errorf("form %q of another tenant: %v\n%s", form, err, got)
		}
	}
	if got, _, err := ask("tenant-7", "pdf"); err == nil || got != "" {
		t.Errorf("a form that is none: %q, %v", got, err)
	}
}
