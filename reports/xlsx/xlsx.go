// Package xlsx writes workbooks in the form of ECMA-376 (.xlsx). It is the only
// importer of the spreadsheet library.
//
// Every cell is a text cell in the text format ("@"): a value that begins with
// an equals sign is shown, not run, and stays text when somebody edits the cell
// beside it; a date, an LEI or a code with leading zeros is what it was. Text is
// foreign until it is written and goes through reports.Cell.
//
// Nothing is cut: a cell holds at most 32,767 UTF-16 units, and a longer text
// goes on in rows below whose first cell says which row they continue. The same
// book gives the same bytes: the dates in the file are the book's own.
package xlsx

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"evidenced/reports"
)

// CellLimit is how many UTF-16 units a cell holds.
const CellLimit = excelize.TotalCellChars

// Write writes the book to w. Nothing is written unless the whole book could
// be made. Errors are those of w, and a sheet whose name or size no workbook
// can have.
func Write(w io.Writer, book *reports.Book) error {
	data, err := build(book)
	if err != nil {
		return fmt.Errorf("make workbook %s: %w", book.Title, err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}

func build(book *reports.Book) ([]byte, error) {
	if len(book.Sheets) == 0 {
		return nil, fmt.Errorf("it has no sheet")
	}
	f := excelize.NewFile()
	defer f.Close()
	looks, err := newStyles(f)
	if err != nil {
		return nil, err
	}
	for i := range book.Sheets {
		s := &book.Sheets[i]
		if i == 0 {
			err = f.SetSheetName("Sheet1", s.Name)
		} else if n, _ := f.GetSheetIndex(s.Name); n >= 0 {
			err = fmt.Errorf("two sheets of one name")
		} else {
			_, err = f.NewSheet(s.Name)
		}
		if err == nil {
			err = fill(f, looks, s)
		}
		if err != nil {
			return nil, fmt.Errorf("sheet %s: %w", s.Name, err)
		}
	}
	if err := describe(f, book); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// styles are the looks of cells: headings and texts.
type styles struct{ head, text int }

// textFormat is the number format "@" (ECMA-376 part 1, 18.8.30).
const textFormat = 49

func newStyles(f *excelize.File) (s styles, err error) {
	top := &excelize.Alignment{Vertical: "top", WrapText: true}
	if s.text, err = f.NewStyle(&excelize.Style{NumFmt: textFormat, Alignment: top}); err != nil {
		return s, err
	}
	s.head, err = f.NewStyle(&excelize.Style{
		NumFmt: textFormat, Alignment: top, Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"F4F6F8"}},
	})
	return s, err
}

func fill(f *excelize.File, looks styles, s *reports.Sheet) error {
	titles := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		titles[i] = c.Title
		name, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return err
		}
		if err := f.SetColStyle(s.Name, name, looks.text); err != nil {
			return err
		}
		if c.Width > 0 {
			if err := f.SetColWidth(s.Name, name, name, c.Width); err != nil {
				return err
			}
		}
	}
	if err := row(f, s.Name, 1, looks.head, titles); err != nil {
		return err
	}
	at := 2
	for _, r := range s.Rows {
		if len(r) > len(s.Columns) {
			return fmt.Errorf("row %d has %d cells and there are %d columns", at, len(r), len(s.Columns))
		}
		for _, part := range parts(r) {
			if err := row(f, s.Name, at, looks.text, part); err != nil {
				return err
			}
			at++
		}
	}
	return f.SetPanes(s.Name, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
}

func row(f *excelize.File, sheet string, at, look int, cells []string) error {
	for i, s := range cells {
		name, err := excelize.CoordinatesToCellName(i+1, at)
		if err != nil {
			return err
		}
		if err := f.SetCellStyle(sheet, name, name, look); err != nil {
			return err
		}
		if s == "" {
			continue
		}
		if err := f.SetCellStr(sheet, name, literal(s)); err != nil {
			return err
		}
	}
	return nil
}

// Continued is what the first cell of a row says, behind the number of the
// row's own first cell, when it continues the row above.
const Continued = " (continued)"

// parts makes the cells of a row safe and breaks those that are too long: the
// rows after the first hold what is left of them.
func parts(cells []string) [][]string {
	rest := make([]string, len(cells))
	for i, s := range cells {
		rest[i] = reports.Cell(s)
	}
	var out [][]string
	for more := true; more; {
		more = false
		part := make([]string, len(rest))
		for i, s := range rest {
			n := room(s)
			part[i], rest[i] = s[:n], s[n:]
			more = more || rest[i] != ""
		}
		if len(out) > 0 {
			part[0] = strings.TrimSuffix(out[len(out)-1][0], Continued) + Continued
		}
		out = append(out, part)
	}
	return out
}

// room is how many bytes of the text one cell holds, cut between runes.
func room(s string) int {
	if len(s) <= CellLimit/len(underscore) {
		return len(s)
	}
	units := 0
	for i, r := range s {
		switch {
		case escapes(s[i:]):
			units += len(underscore)
		case r > 0xffff:
			units += 2
		default:
			units++
		}
		if units > CellLimit {
			return i
		}
	}
	return len(s)
}

// underscore is how a workbook spells one that would begin such a spelling
// (ECMA-376 part 1, 22.9.2.19). The library reads them and does not write them.
const underscore = "_x005F_"

// escapes reports whether the text begins like a spelled-out character.
func escapes(s string) bool {
	if len(s) < len(underscore) || s[0] != '_' || s[1] != 'x' || s[6] != '_' {
		return false
	}
	_, err := strconv.ParseUint(s[2:6], 16, 16)
	return err == nil
}

// literal keeps a text from being read as spelled-out characters.
func literal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if escapes(s[i:]) {
			b.WriteString(underscore)
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func describe(f *excelize.File, book *reports.Book) error {
	made := book.Generated.UTC().Format(time.RFC3339)
	if err := f.SetAppProps(&excelize.AppProperties{Application: reports.Cell(book.Program)}); err != nil {
		return err
	}
	return f.SetDocProps(&excelize.DocProperties{
		Title: reports.Cell(book.Title), Creator: reports.Cell(book.Program), LastModifiedBy: reports.Cell(book.Program),
		Keywords: reports.Cell(strings.Join(book.Marks, " ")), Created: made, Modified: made,
	})
}
