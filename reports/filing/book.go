package filing

import (
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// Book returns the filing as a workbook: the fields by their numbers as in
// CSV, what is open or cannot be right, and what the filing is of. Every value
// is text in the form that the annex asks for, dates in UTC.
func (f *Filing) Book(program string) *reports.Book {
	b := &reports.Book{Title: string(f.Stage) + ", incident " + f.Incident, Program: program, Generated: f.Made, Marks: f.marks()}
	fields := reports.Sheet{Name: "Fields", Columns: columns(9, 42, 13, 70, 32, 34, 10, 10)}
	for i := range f.Fields {
		x := &f.Fields[i]
		fields.Rows = append(fields.Rows, []string{x.Number, x.Name, x.Need, Words(x.Value), f.openBecause(x.Number, x.Name), x.Property, numbers(x.Set), numbers(x.Evidence)})
	}
	checks := reports.Sheet{Name: "Open and checks", Columns: []reports.SheetColumn{{Title: "number", Width: 9}, {Title: "grade", Width: 10}, {Title: "says", Width: 110}}}
	for _, o := range f.Open {
		checks.Rows = append(checks.Rows, []string{o.Number, "open", o.Name + ": " + o.Why})
	}
	for _, c := range f.Checks {
		checks.Rows = append(checks.Rows, []string{c.Number, c.Grade, c.Says})
	}
	about := reports.Sheet{Name: "About", Columns: []reports.SheetColumn{{Title: "what", Width: 18}, {Title: "value", Width: 110}}, Rows: [][]string{
		{"stage", string(f.Stage)}, {"article", f.Article}, {"asks for", f.Says}, {"tenant", f.Tenant.String()}, {"incident", f.Incident},
		{"origin", f.Origin}, {"log size", numbers([]uint64{f.Size})}, {"made", evidence.FormatTime(f.Made)}, {"copy (SHA-256)", f.Copy.String()},
		{"remark", foot},
	}}
	if len(b.Marks) > 0 {
		about.Rows = append(about.Rows, []string{"marks", strings.Join(b.Marks, ", ")})
	}
	b.Sheets = []reports.Sheet{fields, checks, about}
	return b
}

// columns are those of CSV, with widths in characters.
func columns(widths ...float64) []reports.SheetColumn {
	cs := make([]reports.SheetColumn, len(CSVHeader))
	for i, title := range CSVHeader {
		cs[i] = reports.SheetColumn{Title: title, Width: widths[i]}
	}
	return cs
}

// marks are the words that everything made of the filing bears.
func (f *Filing) marks() []string {
	var ms []string
	if f.Demo {
		ms = append(ms, "DEMONSTRATION")
	}
	if len(f.Open) > 0 {
		ms = append(ms, "DRAFT")
	}
	return ms
}

// foot stands under everything that is made for an authority.
const foot = "Prepared by evidenced. The entity decides, submits and stays responsible; no authority's acceptance is promised."
