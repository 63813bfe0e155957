package xlsx

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"evidenced/reports"
)

// hostile are values that a spreadsheet would like to take for something else.
var hostile = []string{
	"=1+1", "=HYPERLINK(\"http://host.example\",\"x\")", "+33 1 00 00 00 01", "-1", "@SUM(A1)", "'quoted", "\tTab", "007", "1e5", "2026-12-18T17:20:00Z", "TRUE", "#REF!",
	"two\nlines", "ends\r\nlike this", "  space around  ", "<b>&amp;</b>", "_x0041_", "_x0041_x0042_", "a__x005F__x004", "_x+041_", "日本語 и кириллица", "🚀 above the plane", "]]>", "\"", "12:30", "5.19.00", "",
}

func sample() *reports.Book {
	b := &reports.Book{
		Title: "a title", Marks: []string{"DRAFT"}, Program: "test", Generated: time.Date(2026, 12, 19, 12, 0, 0, 0, time.UTC),
		Sheets: []reports.Sheet{
			{Name: "Fields", Columns: []reports.SheetColumn{{Title: "number", Width: 9}, {Title: "value", Width: 60}}},
			{Name: "Checks", Columns: []reports.SheetColumn{{Title: "says"}}, Rows: [][]string{{"one"}}},
		},
	}
	for i, s := range hostile {
		b.Sheets[0].Rows = append(b.Sheets[0].Rows, []string{strings.Repeat("1.", i%3) + "1", s})
	}
	return b
}

func written(t *testing.T, b *reports.Book) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func opened(t *testing.T, data []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// What is read back is what was given, and every cell is text in the text
// format without a formula.
func TestReadsBack(t *testing.T) {
	book := sample()
	data := written(t, book)
	f := opened(t, data)
	if d := cmp.Diff([]string{"Fields", "Checks"}, f.GetSheetList()); d != "" {
		t.Fatalf("sheets (-want +got):\n%s", d)
	}
	for i, r := range book.Sheets[0].Rows {
		for k, col := range []string{"A", "B"} {
			cell := col + itoa(i+2)
			got, err := f.GetCellValue("Fields", cell, excelize.Options{RawCellValue: true})
			if err != nil || got != r[k] {
				t.Errorf("%s: got %q (%v), want %q", cell, got, err, r[k])
			}
			if shown, err := f.GetCellValue("Fields", cell); err != nil || shown != r[k] {
				t.Errorf("%s is shown as %q (%v), want %q", cell, shown, err, r[k])
			}
			if formula, err := f.GetCellFormula("Fields", cell); err != nil || formula != "" {
				t.Errorf("%s runs %q (%v)", cell, formula, err)
			}
			if kind, err := f.GetCellType("Fields", cell); err != nil || r[k] != "" && kind != excelize.CellTypeSharedString && kind != excelize.CellTypeInlineString {
				t.Errorf("%s is of type %v (%v), want text", cell, kind, err)
			}
			id, err := f.GetCellStyle("Fields", cell)
			if err != nil {
				t.Fatal(err)
			}
			if look, err := f.GetStyle(id); err != nil || look.NumFmt != textFormat {
				t.Errorf("%s is not in the text format: %+v, %v", cell, look, err)
			}
		}
	}
	if !bytes.Equal(data, written(t, sample())) {
		t.Error("written twice, the bytes differ")
	}
	p, err := f.GetDocProps()
	if err != nil || p.Title != "a title" || p.Creator != "test" || p.Created != "2026-12-19T12:00:00Z" || p.Keywords != "DRAFT" {
		t.Errorf("the file says of itself %+v, %v", p, err)
	}
}

func itoa(n int) string {
	s, err := excelize.CoordinatesToCellName(1, n)
	if err != nil {
		panic(err)
	}
	return s[1:]
}

// No part of the file but the text itself comes from outside, and nothing in it
// is a program, a link or a formula.
func TestHoldsNothingThatRuns(t *testing.T) {
	data := written(t, sample())
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range z.File {
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"<f>", "<f ", "hyperlink", "vbaProject", "externalLink"} {
			if bytes.Contains(body, []byte(bad)) || strings.Contains(m.Name, bad) {
				t.Errorf("%s holds %s", m.Name, bad)
			}
		}
	}
}

// What nobody sees and what turns a line around is spelled out.
func TestHiddenIsSpelledOut(t *testing.T) {
	b := sample()
	b.Sheets[0].Rows = [][]string{{"1", "a\x1b[31mb\u202ec\x00"}}
	got, err := opened(t, written(t, b)).GetCellValue("Fields", "B2")
	if want := `a\x1b[31mb\u202ec\x00`; err != nil || got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

// A text that no cell holds goes on below; put together it is the same text.
func TestLongText(t *testing.T) {
	for name, long := range map[string]string{
		"fits": strings.Repeat("a", CellLimit), "one more": strings.Repeat("a", CellLimit+1), "three rows": strings.Repeat("wörter ", 12000),
		"pairs": strings.Repeat("🚀", CellLimit), "spelled": strings.Repeat("_x0041_", 6000),
	} {
		b := sample()
		b.Sheets[0].Rows = [][]string{{"2.4", long}, {"2.5", "next"}}
		rows, err := opened(t, written(t, b)).GetRows("Fields", excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		whole := ""
		for i, r := range rows[1 : len(rows)-1] {
			want := "2.4"
			if i > 0 {
				want += Continued
			}
			if r[0] != want {
				t.Errorf("%s: row %d begins with %q, want %q", name, i+2, r[0], want)
			}
			whole += r[1]
		}
		if whole != long {
			t.Errorf("%s: %d bytes read back, want %d", name, len(whole), len(long))
		}
		if last := rows[len(rows)-1]; last[0] != "2.5" || last[1] != "next" {
			t.Errorf("%s: the last row is %q", name, last)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, spoil := range map[string]func(*reports.Book){
		"no sheet":       func(b *reports.Book) { b.Sheets = nil },
		"no name":        func(b *reports.Book) { b.Sheets[1].Name = "" },
		"name too long":  func(b *reports.Book) { b.Sheets[1].Name = strings.Repeat("x", 32) },
		"bad name":       func(b *reports.Book) { b.Sheets[0].Name = "a/b" },
		"name twice":     func(b *reports.Book) { b.Sheets[1].Name = "Fields" },
		"too many cells": func(b *reports.Book) { b.Sheets[1].Rows = [][]string{{"a", "b"}} },
	} {
		b := sample()
		spoil(b)
		var out bytes.Buffer
		if err := Write(&out, b); err == nil || out.Len() > 0 {
			t.Errorf("%s: error %v and %d bytes, want an error alone", name, err, out.Len())
		}
	}
}
