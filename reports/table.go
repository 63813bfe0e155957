package reports

import (
	"io"
	"strings"
)

// Column is one column of a text table.
type Column struct {
	Title string
	Right bool // numbers stand to the right
	Keep  bool // never wrapped where a line can hold it: what is copied, times
}

// Table lays cells out in columns for a terminal. Cells are escaped by Row. The
// first column names the row and is kept whole; the last one explains it and
// gets the room that the others leave.
type Table struct {
	Columns []Column
	rows    [][]string
	paints  []func(string) string
}

// Row adds a row of foreign or own text; missing cells are empty.
func (t *Table) Row(cells ...string) { t.PaintedRow(nil, cells...) }

// PaintedRow adds a row whose lines are coloured by paint, which may be nil.
func (t *Table) PaintedRow(paint func(string) string, cells ...string) {
	row := make([]string, len(t.Columns))
	for i := range row {
		if i < len(cells) {
			row[i] = Terminal(cells[i])
		}
	}
	if paint == nil {
		paint = Plain
	}
	t.rows = append(t.rows, row)
	t.paints = append(t.paints, paint)
}

// Len returns how many rows the table has.
func (t *Table) Len() int { return len(t.rows) }

// Write writes the header and the rows. Nothing is cut. On a terminal no line is
// wider than it: a cell that does not fit wraps in its column, and columns that
// do not fit beside the others stand below them, indented. Elsewhere a row is
// one line, for grep. No line has trailing space.
func (t *Table) Write(w io.Writer, style Style) error {
	var places [][]place
	if style.Width > 0 {
		places = t.fit(style.Columns())
	} else {
		places = t.whole()
	}
	titles := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
	}
	var b strings.Builder
	t.write(&b, titles, places, style.Dim)
	for i, row := range t.rows {
		t.write(&b, row, places, t.paints[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	tableGap    = 2
	tableIndent = 4 // of columns that stand below the others

	// Narrower than this a text of several words is hard to read: of the column
	// that explains, and of any other.
	proseWidth = 36
	wordsWidth = 16

	// wholeWidth is how far a column is padded where lines have no end: one long
	// cell must not push all the others away.
	wholeWidth = 60
)

// place is a column with the width that it has. A width of 0 wraps nothing.
type place struct {
	column, pad, width int
}

// whole places all columns on one line.
func (t *Table) whole() [][]place {
	var line []place
	for i := range t.Columns {
		_, whole := t.measure(i)
		line = append(line, place{column: i, pad: min(whole, wholeWidth)})
	}
	return [][]place{line}
}

// fit places the columns on as many lines as they need to be readable within
// total columns. What is left on a line goes to those that would be wider.
func (t *Table) fit(total int) [][]place {
	var lines [][]place
	var line []place
	room := total
	end := func() {
		lines = append(lines, line)
		line, room = nil, total-tableIndent
	}
	most := make([]int, len(t.Columns))
	for i := range t.Columns {
		var least int
		least, most[i] = t.limits(i)
		if len(line) > 0 && least+tableGap > room {
			end()
		}
		if len(line) > 0 {
			room -= tableGap
		}
		width := min(least, room)
		line = append(line, place{column: i, pad: width, width: width})
		room -= width
	}
	end()
	for i, line := range lines {
		room := total - tableGap*(len(line)-1)
		if i > 0 {
			room -= tableIndent
		}
		for _, p := range line {
			room -= p.width
		}
		widen(line, most, room)
	}
	return lines
}

// widen gives room to the narrowest of the columns that would be wider, again
// and again.
func widen(line []place, most []int, room int) {
	for ; room > 0; room-- {
		var narrowest *place
		for i := range line {
			if p := &line[i]; p.width < most[p.column] && (narrowest == nil || p.width < narrowest.width) {
				narrowest = p
			}
		}
		if narrowest == nil {
			return
		}
		narrowest.width++
		narrowest.pad++
	}
}

// limits returns the width from which on a column is readable, and the one from
// which on nothing in it wraps.
func (t *Table) limits(column int) (least, most int) {
	word, most := t.measure(column)
	switch {
	case t.Columns[column].Keep, column == 0:
		return most, most
	case column == len(t.Columns)-1:
		return min(most, max(word, proseWidth)), most
	}
	return min(most, max(word, wordsWidth)), most
}

// measure returns the width of the longest word of a column, which may be an id
// that somebody copies, and of its longest cell.
func (t *Table) measure(column int) (word, whole int) {
	cell := func(s string) {
		whole = max(whole, TextWidth(s))
		for w := range strings.FieldsSeq(s) {
			word = max(word, TextWidth(w))
		}
	}
	cell(t.Columns[column].Title)
	for _, row := range t.rows {
		cell(row[column])
	}
	return word, whole
}

// write writes the cells of a row, each wrapped in its place.
func (t *Table) write(b *strings.Builder, cells []string, places [][]place, paint func(string) string) {
	for i, line := range places {
		indent := ""
		if i > 0 {
			indent = strings.Repeat(" ", tableIndent)
		}
		for _, text := range t.lines(cells, line) {
			b.WriteString(paint(strings.TrimRight(indent+text, " ")))
			b.WriteByte('\n')
		}
	}
}

// lines lays the cells side by side that one line of places holds; none when all
// of them are empty.
func (t *Table) lines(cells []string, line []place) []string {
	wrapped, height := make([][]string, len(line)), 0
	for k, p := range line {
		switch cell := cells[p.column]; {
		case cell == "":
		case p.width > 0 && TextWidth(cell) > p.width:
			wrapped[k] = Wrap(cell, p.width)
		default:
			wrapped[k] = []string{cell}
		}
		height = max(height, len(wrapped[k]))
	}
	out := make([]string, height)
	for h := range out {
		for k, p := range line {
			cell := ""
			if h < len(wrapped[k]) {
				cell = wrapped[k][h]
			}
			pad := strings.Repeat(" ", max(0, p.pad-TextWidth(cell)))
			if k > 0 {
				out[h] += strings.Repeat(" ", tableGap)
			}
			if t.Columns[p.column].Right {
				out[h] += pad + cell
			} else {
				out[h] += cell + pad
			}
		}
	}
	return out
}
