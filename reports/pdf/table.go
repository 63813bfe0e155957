package pdf

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"evidenced/reports"
)

// table draws rows in columns. Cells wrap; a row stays on one page unless it
// is taller than one; the header is repeated on each page.
type table struct {
	cols   []reports.RegisterColumn
	widths []float64
	head   [][]string // wrapped titles
	size   float64
}

const (
	cellGap = 2.5
	rowPad  = 0.9
)

// newTable measures the columns over the rows: each gets what it needs, and
// when that is too much the wide ones give.
func (p *pack) newTable(cols []reports.RegisterColumn, rows [][]string, size float64) *table {
	t := &table{cols: cols, size: size}
	avail := width - cellGap*float64(len(cols)-1)
	need := make([]float64, len(cols))
	least := make([]float64, len(cols))
	for i, c := range cols {
		f := t.font(i)
		need[i] = p.measure(label.at(size), p.clean(label, c.Title)) + 0.2
		least[i] = min(need[i], avail/float64(len(cols)))
		need[i] = max(need[i], min(p.widest(f, rows, i)*1.08+0.2, avail))
		least[i] = max(least[i], min(need[i], 13))
	}
	t.widths = shareOut(cols, need, least, avail)
	for i, c := range cols {
		t.head = append(t.head, p.wrap(label.at(size), t.widths[i], c.Title))
	}
	return t
}

// widest is how wide the cells of a column are, but for a little. Measuring
// each costs more than drawing it, so that of those that are the longest in
// runes, or nearly, the first few different ones are measured: of two names of
// one length the one with more of m than of i is half as wide again.
func (p *pack) widest(f font, rows [][]string, column int) float64 {
	const few = 24
	longest := 0
	for _, row := range rows {
		if column < len(row) {
			longest = max(longest, utf8.RuneCountInString(row[column]))
		}
	}
	w, measured := 0.0, map[string]bool{}
	for _, row := range rows {
		if len(measured) == few {
			break
		}
		if column >= len(row) || measured[row[column]] || 8*utf8.RuneCountInString(row[column]) < 7*longest {
			continue
		}
		measured[row[column]] = true
		w = max(w, p.measure(f, p.clean(f, row[column])))
	}
	return w
}

// shareOut gives each column its least and then, by weight, up to its need.
func shareOut(cols []reports.RegisterColumn, need, least []float64, avail float64) []float64 {
	ws := slices.Clone(least)
	left := avail
	for _, w := range ws {
		left -= w
	}
	if left < 0 {
		for i := range ws {
			ws[i] = avail / float64(len(ws))
		}
		return ws
	}
	for left > 0.01 {
		weights := 0.0
		for i, c := range cols {
			if ws[i] < need[i] {
				weights += weightOf(c)
			}
		}
		if weights == 0 {
			break
		}
		spent := 0.0
		for i, c := range cols {
			if ws[i] < need[i] {
				give := min(left*weightOf(c)/weights, need[i]-ws[i])
				ws[i] += give
				spent += give
			}
		}
		left -= spent
		if spent < 0.001 {
			break
		}
	}
	return ws
}

func weightOf(c reports.RegisterColumn) float64 {
	if c.Weight <= 0 {
		return 1
	}
	return c.Weight
}

func (t *table) font(i int) font {
	if t.cols[i].Mono {
		return font{mono, t.size - 0.7, ink}
	}
	return font{regular, t.size, ink}
}

func (t *table) lineHeight() float64 { return font{regular, t.size, ink}.height() }

func (p *pack) tableHead(t *table) {
	lines := 1
	for _, h := range t.head {
		lines = max(lines, len(h))
	}
	f := label.at(t.size)
	h := float64(lines)*t.lineHeight() + 2*rowPad
	p.fill(wash, left, p.y, width, h)
	x := left
	for i, hs := range t.head {
		for j, s := range hs {
			if t.cols[i].Right {
				p.putClean(f, x+t.widths[i]-p.measure(f, s), p.y+rowPad+float64(j)*t.lineHeight(), s)
				continue
			}
			p.putClean(f, x, p.y+rowPad+float64(j)*t.lineHeight(), s)
		}
		x += t.widths[i] + cellGap
	}
	p.y += h
	p.stroke(soft, 0.25)
	p.line(left, p.y, right, p.y)
}

// drawTable draws header and rows at the cursor.
func (p *pack) drawTable(cols []reports.RegisterColumn, rows [][]string, size float64) {
	if len(cols) == 0 {
		return
	}
	t := p.newTable(cols, rows, size)
	p.need(24)
	p.tableHead(t)
	outer := p.after
	p.after = func() {
		if outer != nil {
			outer()
		}
		p.tableHead(t)
	}
	for _, row := range rows {
		p.tableRow(t, row)
	}
	p.after = outer
	p.space(2)
}

func (p *pack) tableRow(t *table, row []string) {
	cells := make([][]string, len(t.cols))
	lines := 1
	for i := range t.cols {
		if i < len(row) {
			cells[i] = p.wrap(t.font(i), t.widths[i], row[i])
			lines = max(lines, len(cells[i]))
		}
	}
	lh := t.lineHeight()
	whole := float64(lines)*lh + 2*rowPad
	if whole < bottom-top-30 {
		p.need(whole)
	}
	for from := 0; from < lines; {
		p.need(lh + 2*rowPad)
		room := max(1, int((bottom-p.y-2*rowPad+0.001)/lh))
		to := min(lines, from+room)
		x := left
		for i, cell := range cells {
			f := t.font(i)
			for j := from; j < min(to, len(cell)); j++ {
				y := p.y + rowPad + float64(j-from)*lh
				if t.cols[i].Right {
					p.putClean(f, x+t.widths[i]-p.measure(f, cell[j]), y, cell[j])
				} else {
					p.putClean(f, x, y, cell[j])
				}
			}
			x += t.widths[i] + cellGap
		}
		p.y += float64(to-from)*lh + 2*rowPad
		from = to
	}
	p.stroke(rule, 0.12)
	p.line(left, p.y, right, p.y)
}

// registers draws the populations as tables.
func (p *pack) registers() {
	for i, r := range p.doc.Registers {
		if i == 0 {
			p.section("Registers", "Every item that was judged, one register for each population. The verifier counts them again from the records themselves; the same rows stand in the CSV files of the pack.")
		} else {
			p.space(5)
			p.need(40)
		}
		p.enter(1, "", r.Title)
		p.text(head2, left, width, r.Title)
		p.text(small, left, width, fmt.Sprintf("%s, %s", reports.Count(len(r.Rows), "row"), r.Member))
		if r.Note != "" {
			p.text(small, left, width, r.Note)
		}
		p.space(1.5)
		if len(r.Rows) == 0 {
			p.para(body.in(soft), "No item in the period.")
			continue
		}
		p.drawTable(r.Columns, r.Rows, registerSize(len(r.Columns)))
	}
}

// registerSize is the type size for so many columns.
func registerSize(cols int) float64 {
	if cols > 7 {
		return 6.5
	}
	return 7.5
}
