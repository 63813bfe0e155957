//go:build !race

package demo_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/collectors/all"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/reports"
	"evidenced/reports/filing"
	"evidenced/testdata/world"
)

// desk is where the demonstration's incident goes on.
type desk struct {
	t  *testing.T
	e  *daemon.Engine
	at time.Time // its clock
}

// ask runs an operation as a command does.
func (d *desk) ask(op string, params any) []byte {
	d.t.Helper()
	raw, err := json.Marshal(params)
	if err != nil {
		d.t.Fatal(err)
	}
	var b bytes.Buffer
	out := &api.Out{Header: func(string) error { return nil }, Body: &b}
	if err := api.Run(d.t.Context(), d.e, api.Caller{UID: 1000, Via: "direct"}, op, raw, out); err != nil {
		d.t.Fatalf("%s: %v", op, err)
	}
	return b.Bytes()
}

func (d *desk) export(tenant, id, stage, form string) []byte {
	d.t.Helper()
	return d.ask("incident-export", api.ExportParams{Common: api.Common{Tenant: tenant}, ID: id, Stage: stage, Form: form})
}

// clocks says the state of each clock.
func (d *desk) clocks(tenant, id string) string {
	d.t.Helper()
	var v api.IncidentView
	if err := json.Unmarshal(d.ask("incident", api.IncidentParams{Common: api.Common{Tenant: tenant, JSON: true}, Act: "show", ID: id}), &v); err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, k := range v.Clocks {
		says := fmt.Sprintf("%s %s", k.Stage, k.State)
		if !k.Due.Safe.IsZero() {
			says += " by " + evidence.FormatTime(k.Due.Safe)
		}
		out = append(out, says)
	}
	if !v.Closed.IsZero() {
		out = append(out, "closed")
	}
	return strings.Join(out, "\n")
}

// checkDemoIncident takes up the incident that the demonstration leaves with
// its intermediate report filed, looks at each report field by field, and plays
// it to its end.
func checkDemoIncident(t *testing.T, s *demo.Summary) {
	cfg, err := config.Load(s.Config, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, at: time.Date(2026, 11, 16, 8, 0, 0, 0, time.UTC)}
	if d.e, err = daemon.Open(t.Context(), daemon.Options{Config: cfg, Program: "evidenced test", Clock: func() time.Time { return d.at }, Simulated: true}); err != nil {
		t.Fatal(err)
	}
	defer d.e.Close()
	id := s.Incidents["tenant-7"]
	if got := d.clocks("tenant-7", id); got != clocksBefore {
		t.Errorf("clocks when the story ends:\n%s\nwant:\n%s", got, clocksBefore)
	}
	if got := d.clocks("tenant-8", s.Incidents["tenant-8"]); got != clocksOther {
		t.Errorf("clocks of tenant-8:\n%s\nwant:\n%s", got, clocksOther)
	}
	d.checkReport(id, "dora.initial")
	d.checkReport(id, "dora.intermediate")

	data, err := os.ReadFile("testdata/incident-final.yaml")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := demo.ParseIncidentSteps(data)
	if err != nil {
		t.Fatal(err)
	}
	play := demo.NewIncidentPlayer(d.e, s.Incidents, steps)
	for at, more := play.Next(); more; at, more = play.Next() {
		d.at = at
		if err := play.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.clocks("tenant-7", id); got != clocksAfter {
		t.Errorf("clocks at the end:\n%s\nwant:\n%s", got, clocksAfter)
	}
	d.checkReport(id, "dora.final")
	d.checkNobodyElse(s)
	for tenant := range s.Incidents {
		tn, err := evidence.ParseTenant(tenant)
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := d.e.Verify(t.Context(), tn, api.VerifyRequest{Deep: true}); err != nil || !rep.OK() {
			t.Errorf("log of %s: %v %+v", tenant, err, rep)
		}
	}
}

const (
	clocksBefore = `dora.initial met by 2026-11-09T02:30:00Z
dora.intermediate met by 2026-11-11T23:38:00Z
dora.final running by 2026-12-11T15:00:00Z
gdpr.authority void
customer.notice met`
	clocksAfter = `dora.initial met by 2026-11-09T02:30:00Z
dora.intermediate met by 2026-11-11T23:38:00Z
dora.final met by 2026-12-11T15:00:00Z
gdpr.authority void
customer.notice met
closed`
	clocksOther = `dora.initial void
dora.intermediate void
dora.final void
dora.recurring running by 2026-12-09T10:40:00Z
customer.notice met
closed`
)

// checkReport looks at every field of a report in all its forms.
func (d *desk) checkReport(id, stage string) {
	d.t.Run(stage, func(t *testing.T) {
		d := &desk{t, d.e, d.at}
		asked := map[string]string{"dora.initial": "12", "dora.intermediate": "123", "dora.final": "1234"}[stage]
		want := map[string]demoField{}
		for _, f := range demoFields {
			if !strings.Contains(asked, f.number[:1]) {
				f.value, f.why = "", "not asked for at this stage"
			}
			if f.number == "1.1" {
				f.value = map[string]string{"dora.initial": "initial_notification", "dora.intermediate": "intermediate_report", "dora.final": "final_report"}[stage]
			}
			if f.number == "3.17" && stage == "dora.intermediate" {
				f.value = "actual_figures_and_estimates"
			}
			want[f.number] = f
		}
		if len(want) != 76 {
			t.Fatalf("%d fields are expected, the annex has 76", len(want))
		}
		neutral := d.export("tenant-7", id, stage, "json")
		f, err := filing.Read(neutral)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Fields) != 76 || len(f.Open) > 0 || len(f.Checks) > 0 {
			t.Errorf("%d fields, open %+v, checks %+v", len(f.Fields), f.Open, f.Checks)
		}
		for _, x := range f.Fields {
			w := want[x.Number]
			if got := filing.Words(x.Value); got != w.value || x.Why != w.why {
				t.Errorf("%s %s: got %q (%s), want %q (%s)", x.Number, x.Name, got, x.Why, w.value, w.why)
			}
			if w.value != "" && x.Number != "1.1" && x.Number != "3.1" && len(x.Set) == 0 && len(x.Evidence) == 0 {
				t.Errorf("%s %s: no record says where it comes from", x.Number, x.Name)
			}
		}
		d.checkReadsBack(id, f)
		checkCSVForm(t, d.export("tenant-7", id, stage, "csv"), want)
		checkWorkbook(t, d.export("tenant-7", id, stage, "xlsx"), want)
		checkPublishedForm(t, d.export("tenant-7", id, stage, "dora-json"), f)
		checkPDFForm(t, d.export("tenant-7", id, stage, "pdf"), want)
	})
}

// checkReadsBack compares what an export holds with the incident in the log,
// and declares it anew from the export: it is the same again.
func (d *desk) checkReadsBack(id string, f *filing.Filing) {
	d.t.Helper()
	r, err := d.e.Reader(d.t.Context(), f.Tenant)
	if err != nil {
		d.t.Fatal(err)
	}
	inc, err := incident.Load(d.t.Context(), r, id)
	if err != nil {
		d.t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Record, inc.Fields) {
		d.t.Errorf("the export reads back to another incident:\n%s", cmp.Diff(inc.Fields, f.Record))
	}
}

func checkCSVForm(t *testing.T, b []byte, want map[string]demoField) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) != 77 {
		t.Fatalf("CSV: %d rows, %v; want a header and 76", len(rows), err)
	}
	for _, row := range rows[1:] {
		if w := want[row[0]]; row[3] != reports.CSV(w.value) || row[4] != "" {
			t.Errorf("CSV %s: got %q, open %q; want %q", row[0], row[3], row[4], w.value)
		}
	}
}

func checkWorkbook(t *testing.T, b []byte, want map[string]demoField) {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows("Fields", excelize.Options{RawCellValue: true})
	if err != nil || len(rows) != 77 {
		t.Fatalf("workbook: %d rows, %v; want a header and 76", len(rows), err)
	}
	for _, row := range rows[1:] {
		row = append(row, "", "", "", "", "") // what is empty at the end is left out
		if w := want[row[0]]; row[3] != w.value || row[4] != "" {
			t.Errorf("workbook %s: got %q, open %q; want %q", row[0], row[3], row[4], w.value)
		}
	}
}

// checkPublishedForm looks for each field at its place in the published form,
// with amounts in thousands, and that a field without a value has none.
func checkPublishedForm(t *testing.T, b []byte, f *filing.Filing) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Fields {
		value := x.Value
		switch n, _ := value.(float64); x.Number {
		case "3.11", "4.13", "4.14":
			if value != nil {
				value = float64(int64(n/1000 + 0.5))
			}
		case "4.12": // the threshold is not met: the form has no place for it
			value = nil
		case "1.5", "1.6": // the form names the submitter where it reports for itself
			continue
		}
		property := x.Property
		if property == "" {
			continue // not asked for
		}
		got := pick(doc, strings.Split(property, "."))
		if x.Number == "2.5" {
			continue // one object each, looked at below
		}
		if want := value; !reflect.DeepEqual(got, want) {
			t.Errorf("published %s at %s: got %v, want %v", x.Number, property, got, want)
		}
	}
	var criteria []any
	for _, o := range doc["incident"].(map[string]any)["classificationTypes"].([]any) {
		criteria = append(criteria, o.(map[string]any)["classificationCriterion"])
	}
	if want := f.Field("2.5").Value; !reflect.DeepEqual(any(criteria), want) {
		t.Errorf("published criteria %v, want %v", criteria, want)
	}
}

// pick returns what stands at a place; of a list of objects the first that has
// it.
func pick(v any, path []string) any {
	if len(path) == 0 || v == nil {
		return v
	}
	name, list := strings.CutSuffix(path[0], "[]")
	o, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if !list || len(path) == 1 {
		return pick(o[name], path[1:])
	}
	all, _ := o[name].([]any)
	for _, x := range all {
		if got := pick(x, path[1:]); got != nil {
			return got
		}
	}
	return nil
}

// checkPDFForm reads the text of the file with another program than the one
// that drew it.
func checkPDFForm(t *testing.T, b []byte, want map[string]demoField) {
	t.Helper()
	text := squeeze(pdfText(t, b))
	for n, w := range want {
		if w.value == "" {
			if w.why != "not asked for at this stage" && !strings.Contains(text, squeeze(w.why)) {
				t.Errorf("PDF: %s does not say why it has no value: %s", n, w.why)
			}
			continue
		}
		for _, part := range strings.Split(w.value, "\n") {
			if !strings.Contains(text, squeeze(part)) {
				t.Errorf("PDF: %s does not hold %q", n, part)
			}
		}
		if !strings.Contains(text, squeeze(n)) {
			t.Errorf("PDF: the number %s is missing", n)
		}
	}
}

// squeeze takes the spaces out: lines of a PDF break anywhere.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// pdfText is the text of the value column and of all that stands beside it, in
// the order of the file's own strings, so that a wrapped value stays together.
func pdfText(t *testing.T, b []byte) string {
	t.Helper()
	cmd := exec.Command("pdftotext", "-raw", "-", "-")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pdftotext (sh deploy/test-tools.sh installs it): %v", err)
	}
	return string(out)
}

// checkNobodyElse searches everything that is exported for the two tenants for
// the names of others, in the bytes as they are and in what is packed in them.
func (d *desk) checkNobodyElse(s *demo.Summary) {
	w, err := world.Load()
	if err != nil {
		d.t.Fatal(err)
	}
	// What each says of itself, and the others must not.
	own := map[string][]string{
		"tenant-7": {"Tenant Seven", "EXAM00TENANTSEVEN", "T7-INC", "mira.sandvoss"}, "tenant-8": {"Tenant Eight", "EXAM00TENANTEIGHT", "T8-INC"}, "_platform": {"PLAT-2026"},
	}
	for _, t := range w.Tenants {
		own[t.Name] = append(own[t.Name], t.Name)
	}
	for tenant, id := range s.Incidents {
		own[tenant] = append(own[tenant], id)
	}
	for _, tenant := range []string{"tenant-7", "tenant-8"} {
		for _, stage := range []string{"dora.initial", "dora.intermediate", "dora.final", "gdpr.authority"} {
			for _, form := range []string{"text", "json", "csv", "xlsx", "pdf", "dora-json"} {
				if form == "dora-json" && stage == "gdpr.authority" {
					continue // there is no such form
				}
				b := unpacked(d.t, d.export(tenant, s.Incidents[tenant], stage, form))
				if stage != "gdpr.authority" && !b.holds(own[tenant][0]) {
					d.t.Errorf("%s of %s as %s: the search does not find the tenant's own name", stage, tenant, form)
				}
				for other, names := range own {
					for _, name := range names {
						if other != tenant && b.holds(name) {
							d.t.Errorf("%s of %s as %s holds %q of %s", stage, tenant, form, name, other)
						}
					}
				}
			}
		}
	}
}

// packed are the bytes of a file, and those of each stream in it.
type packed [][]byte

// holds looks for a name as UTF-8 and in the two bytes a letter that PDF fonts
// are shown by.
func (p packed) holds(name string) bool {
	var wide []byte
	for _, u := range utf16.Encode([]rune(name)) {
		wide = append(wide, byte(u>>8), byte(u))
	}
	for _, b := range p {
		if bytes.Contains(b, []byte(name)) || bytes.Contains(b, wide) {
			return true
		}
	}
	return false
}

// unpacked inflates every stream of a PDF and every part of a workbook; other
// files are as they are.
func unpacked(t *testing.T, b []byte) packed {
	t.Helper()
	all := packed{b}
	switch {
	case bytes.HasPrefix(b, []byte("PK")):
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, read(t, r))
		}
	case bytes.HasPrefix(b, []byte("%PDF")):
		all = append(all, []byte(pdfText(t, b)))
		_, rest, more := bytes.Cut(b, []byte("stream\n"))
		for ; more; _, rest, more = bytes.Cut(rest, []byte("stream\n")) {
			if z, err := zlib.NewReader(bytes.NewReader(rest)); err == nil { // else the end of a stream, or one that is not packed
				all = append(all, read(t, z))
			}
		}
	}
	return all
}

func read(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(io.LimitReader(r, 32<<20))
	if err != nil {
		t.Errorf("a part of a file cannot be read: %v", err)
	}
	return b
}
