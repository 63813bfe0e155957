package reports

import "time"

// Book is a document of tables, to be written as a workbook. Everything in it
// is text as it came: numbers and times are written by who makes the book, so
// that no program that opens it reads them its own way.
type Book struct {
	Title     string
	Marks     []string // such as DEMONSTRATION, DRAFT
	Program   string
	Generated time.Time
	Sheets    []Sheet
}

// Sheet is one table. A row may have fewer cells than there are columns.
type Sheet struct {
	Name    string // at most 31 characters, none of : \ / ? * [ ]
	Columns []SheetColumn
	Rows    [][]string
}

// SheetColumn is a column with its width in characters.
type SheetColumn struct {
	Title string
	Width float64
}

// Cell makes foreign text safe as a text cell of a workbook. Such a cell is
// never run, so no apostrophe is needed as in CSV; what people cannot see and
// what turns a line around is spelled out all the same, line ends and tabs
// stay.
func Cell(s string) string { return spellOut(s, "\n\r\t") }
