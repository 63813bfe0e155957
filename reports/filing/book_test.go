package filing_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/reports/filing"
	"evidenced/reports/xlsx"
)

// sheet writes the filing as a workbook and reads one of its sheets back.
func sheet(t *testing.T, f *filing.Filing, name string) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := xlsx.Write(&b, f.Book("test")); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows(name, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Each of the 76 fields reads back from the workbook as the annex writes it.
func TestWorkbookHoldsEveryField(t *testing.T) {
	f := newWorld(t).file(deadline.DORAFinal, filing.Options{})
	rows := sheet(t, f, "Fields")
	if len(rows) != 77 || !slices.Equal(rows[0], filing.CSVHeader) {
		t.Fatalf("%d rows below %q; want a header and 76", len(rows), rows[0])
	}
	for i, r := range rows[1:] {
		x := f.Fields[i]
		if r[0] != x.Number || r[1] != x.Name || r[3] != filing.Words(want[x.Number]) {
			t.Errorf("row %d is %q, want %s %s %q", i+2, r, x.Number, x.Name, filing.Words(want[x.Number]))
		}
	}
	about := sheet(t, f, "About")
	for _, want := range [][]string{{"incident", "inc1"}, {"tenant", "tenant-7"}, {"stage", "dora.final"}, {"copy (SHA-256)", f.Copy.String()}, {"made", "2027-01-20T12:00:00Z"}} {
		if !slices.ContainsFunc(about, func(r []string) bool { return slices.Equal(r, want) }) {
			t.Errorf("the workbook does not say %q of itself: %q", want, about)
		}
	}
}

// What is open and what cannot be right stands on a sheet of its own, hostile
// text stays text, and every law has a workbook.
func TestWorkbookSaysWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	w.set(`{"narrative": {"description": "=1+1 \u202egnp"}, "systems": {"infrastructure": null}, "duration": {"downtime_minutes": 9000}}`)
	f := w.file(deadline.DORAIntermediate, filing.Options{})
	var said []string
	for _, r := range sheet(t, f, "Open and checks") {
		said = append(said, strings.Join(r, "|"))
	}
	for _, want := range []string{"number|grade|says", "3.28|open|infrastructure components affected: mandatory", "3.16|warning|the downtime is longer than the incident (3.15)"} {
		if !slices.Contains(said, want) {
			t.Errorf("no row %q in\n%s", want, strings.Join(said, "\n"))
		}
	}
	for _, r := range sheet(t, f, "Fields") {
		if r[0] == "2.4" && r[3] != `=1+1 \u202egnp` {
			t.Errorf("2.4 reads back as %q", r[3])
		}
	}
	for _, s := range deadline.Stages {
		if _, err := filing.Build(w.log, w.load(), s, filing.Options{Now: now}); err != nil {
			continue // nothing is filed at this stage, see TestStages
		}
		f := w.file(s, filing.Options{})
		if got := len(sheet(t, f, "Fields")); got != len(f.Fields)+1 {
			t.Errorf("%s: %d rows for %d fields", s, got, len(f.Fields))
		}
	}
	empty := &world{t, evidencetest.NewLog(w.log.Tenant())}
	empty.do(incident.Declare("inc1", me, evidence.IncidentDeclaredFacts{}, nil, nil, now))
	f = empty.file(deadline.DORAInitial, filing.Options{Contacts: map[string]filing.Contact{}})
	if marks := fmt.Sprint(sheet(t, f, "About")); !strings.Contains(marks, "DRAFT") {
		t.Errorf("an open notification is no draft: %s", marks)
	}
}
