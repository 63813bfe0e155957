package reports

import (
	"io"
	"strings"
)

// Column is one column of a text table.
type Column struct {
	Title string
	Right bool // numbers stand to the right
	Max   int  // widest, in columns; 0: as wide as it needs
	Keep  bool // never narrowed to fit the line
}

// Table lays cells out in columns for a terminal. Cells are escaped by Row.
type Table struct {
	Columns []Column
	rows    [][]string
	paints  []func(string) string
}

// Row adds a row of foreign or own text; missing cells are empty.
func (t *Table) Row(cells ...string) { t.PaintedRow(nil, cells...) }

// PaintedRow adds a row whose line is coloured by paint, which may be nil.
func (t *Table) PaintedRow(paint func(string) string, cells ...string) {
	row := make([]string, len(t.Columns))
	for i := range row {
		if i < len(cells) {
			row[i] = Terminal(cells[i])
		}
	}
	t.rows = append(t.rows, row)
	t.paints = append(t.paints, paint)
}

// Len returns how many rows the table has.
func (t *Table) Len() int { return len(t.rows) }

// Write writes the header and the rows. Columns are narrowed, widest first,
// until a line fits the style's width or none may be narrowed any more; a cut
// cell ends in an ellipsis. No line has trailing space.
func (t *Table) Write(w io.Writer, style Style) error {
	widths := t.widths(style.Columns())
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	var b strings.Builder
	b.WriteString(style.Dim(t.line(titles, widths)))
	b.WriteByte('\n')
	for i, row := range t.rows {
		line := t.line(row, widths)
		if t.paints[i] != nil {
			line = t.paints[i](line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const tableGap = 2

func (t *Table) widths(total int) []int {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = TextWidth(c.Title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], TextWidth(row[i]))
		}
		if c.Max > 0 {
			widths[i] = min(widths[i], max(c.Max, TextWidth(c.Title)))
		}
	}
	for sum(widths)+tableGap*(len(widths)-1) > total {
		widest := -1
		for i, c := range t.Columns {
			if !c.Keep && widths[i] > max(8, TextWidth(c.Title)) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func sum(ns []int) int {
	t := 0
	for _, n := range ns {
		t += n
	}
	return t
}

func (t *Table) line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		cell = CutText(cell, widths[i])
		pad := strings.Repeat(" ", widths[i]-TextWidth(cell))
		if i > 0 {
			b.WriteString(strings.Repeat(" ", tableGap))
		}
		if t.Columns[i].Right {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
