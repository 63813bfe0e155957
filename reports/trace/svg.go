package trace

import (
	"fmt"
	"io"
	"slices"

	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// Sizes of the drawing, in user units.
const (
	boxWidth   = 230
	lineHeight = 13
	boxPad     = 7
	columnGap  = 90
	rowGap     = 16
	margin     = 24
	headLine   = 18
	headWide   = 7.6 // of the 13 units of the heading
	fits       = 35  // runes of it in a box
)

// box is one thing in the drawing.
type box struct {
	item   *Item
	gap    *lineage.Missing // in place of a thing: what is missing
	lines  []string
	column int
	order  float64
	x, y   int
	height int
}

// SVG draws the trace: columns from where it came from to what came of it. The
// drawing holds no script and loads nothing; every box and line bears its
// records as a title.
func (a *Answer) SVG(w io.Writer) error {
	boxes, links := a.layout()
	width, height := 2*margin+boxWidth, 0
	for _, b := range boxes {
		width = max(width, b.x+boxWidth+margin)
		height = max(height, b.y+b.height+margin)
	}
	head := reports.Wrap(reports.Terminal(a.heading()), max(40, int(float64(width-2*margin)/headWide)))
	top := margin + headLine*len(head)
	height += top
	p := &printer{reports.NewPage(w, reports.Style{})}
	p.Line(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="11">`, width, height, width, height))
	p.Line("<title>" + reports.SVG(a.heading()) + "</title>")
	p.Line(`<rect width="100%" height="100%" fill="#fff"/>`)
	p.Line(`<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>`)
	for i, l := range head {
		p.Line(fmt.Sprintf(`<text x="%d" y="%d" font-size="13">%s</text>`, margin, margin+headLine*i, reports.SVGShown(l)))
	}
	p.Line(fmt.Sprintf(`<g transform="translate(0 %d)">`, top))
	for _, l := range links {
		p.edge(l)
	}
	for _, b := range boxes {
		p.box(b)
	}
	p.Line("</g>")
	p.Line("</svg>")
	return p.Err()
}

func (a *Answer) heading() string {
	if a.Demo {
		return a.Sentence + " " + reports.Demonstration
	}
	return a.Sentence
}

// drawn is one line of the drawing.
type drawn struct {
	from, to *box
	link     *lineage.Link // nil to what is missing
}

// layout gives every thing a column, by the longest way to it along links that
// go forward, and a row near those it is linked with.
func (a *Answer) layout() ([]*box, []drawn) {
	byID := map[string]*box{}
	var boxes []*box
	for i := range a.Items {
		b := &box{item: &a.Items[i], lines: a.Items[i].lines(), order: float64(i)}
		byID[b.item.ID] = b
		boxes = append(boxes, b)
	}
	var links []drawn
	for i := range a.Links {
		l := &a.Links[i]
		if from, to := byID[l.From], byID[l.To]; from != nil && to != nil {
			links = append(links, drawn{from, to, l})
		}
	}
	rank(boxes, links)
	for i := range a.Missing {
		m := &a.Missing[i]
		at := byID[m.Node]
		if at == nil {
			continue
		}
		b := &box{gap: m, lines: []string{"MISSING", m.What, whyWords[m.Why]}, column: at.column, order: at.order + 0.5}
		boxes = append(boxes, b)
		links = append(links, drawn{at, b, nil})
	}
	place(boxes, links)
	return boxes, links
}

// rank gives columns. Links that would close a circle (a request and the commit
// that is both proposed and landed) are left out of it, in the order of the
// boxes.
func rank(boxes []*box, links []drawn) {
	out := map[*box][]*box{}
	for _, l := range links {
		out[l.from] = append(out[l.from], l.to)
	}
	const open, done = 1, 2
	state := map[*box]int{}
	var order []*box
	var visit func(*box)
	back := map[[2]*box]bool{}
	visit = func(b *box) {
		state[b] = open
		for _, to := range out[b] {
			switch state[to] {
			case open:
				back[[2]*box{b, to}] = true
			case done:
			default:
				visit(to)
			}
		}
		state[b] = done
		order = append(order, b)
	}
	for _, b := range boxes {
		if state[b] == 0 {
			visit(b)
		}
	}
	slices.Reverse(order)
	for _, b := range order {
		for _, to := range out[b] {
			if !back[[2]*box{b, to}] {
				to.column = max(to.column, b.column+1)
			}
		}
	}
}

// place orders every column by the middle of what its boxes are linked with,
// twice from the left and once from the right, and gives coordinates.
func place(boxes []*box, links []drawn) {
	columns := map[int][]*box{}
	last := 0
	for _, b := range boxes {
		columns[b.column] = append(columns[b.column], b)
		last = max(last, b.column)
	}
	sorted := func(c int) {
		slices.SortStableFunc(columns[c], func(x, y *box) int {
			switch {
			case x.order < y.order:
				return -1
			case x.order > y.order:
				return 1
			}
			return 0
		})
		for i, b := range columns[c] {
			b.order = float64(i)
		}
	}
	middle := func(c int, near func(drawn) (of, by *box)) {
		sum, n := map[*box]float64{}, map[*box]float64{}
		for _, l := range links {
			if of, by := near(l); of.column == c && by.column != c {
				sum[of] += by.order
				n[of]++
			}
		}
		for _, b := range columns[c] {
			if n[b] > 0 {
				b.order = sum[b] / n[b]
			}
		}
		// What is missing stays below its thing.
		for _, l := range links {
			if l.link == nil && l.to.column == c {
				l.to.order = l.from.order + 0.001
			}
		}
		sorted(c)
	}
	forward := func(l drawn) (*box, *box) { return l.to, l.from }
	backward := func(l drawn) (*box, *box) { return l.from, l.to }
	for c := range last + 1 {
		sorted(c)
	}
	for c := range last + 1 {
		middle(c, forward)
	}
	for c := last; c >= 0; c-- {
		middle(c, backward)
	}
	for c := range last + 1 {
		middle(c, forward)
	}
	for c := range last + 1 {
		y := margin
		for _, b := range columns[c] {
			b.x, b.y = margin+c*(boxWidth+columnGap), y
			b.height = 2*boxPad + lineHeight*len(b.lines)
			y += b.height + rowGap
		}
	}
}

func (p *printer) box(b *box) {
	stroke, fill, dash, wide := "#444", "#f6f6f6", "", 1
	title := ""
	switch {
	case b.gap != nil:
		stroke, fill, dash = "#b00020", "#fff", ` stroke-dasharray="4 3"`
		title = b.gap.Says
	case b.item.Start:
		fill, wide = "#e8f0fe", 2
		title = b.item.ID
	case b.item.Beside:
		dash, title = ` stroke-dasharray="2 2"`, b.item.ID
	default:
		title = b.item.ID
	}
	p.Line(fmt.Sprintf(`<g><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s" stroke="%s" stroke-width="%d"%s/>`,
		reports.SVG(title), b.x, b.y, boxWidth, b.height, fill, stroke, wide, dash))
	for i, l := range b.lines {
		weight := ""
		if i == 0 {
			weight = ` font-size="9" fill="#555"`
		}
		text := reports.CutText(reports.Terminal(l), fits)
		p.Line(fmt.Sprintf(`<text x="%d" y="%d"%s>%s</text>`, b.x+boxPad, b.y+boxPad+lineHeight*(i+1)-3, weight, reports.SVGShown(text)))
	}
	p.Line("</g>")
}

func (p *printer) edge(l drawn) {
	x1, y1 := l.from.x+boxWidth, l.from.y+l.from.height/2
	x2, y2 := l.to.x, l.to.y+l.to.height/2
	bend := columnGap / 2
	if l.from.column >= l.to.column { // back, or within one column
		x1, x2 = l.from.x+boxWidth/2, l.to.x+boxWidth/2
		y1, y2 = l.from.y+l.from.height, l.to.y
		bend = 0
	}
	stroke, dash, arrow, title, step := "#555", "", ` marker-end="url(#to)"`, "", ""
	switch {
	case l.link == nil:
		stroke, dash, arrow = "#b00020", ` stroke-dasharray="4 3"`, ""
	default:
		step, title = string(l.link.Step), because(l.link)
		if l.link.Beside {
			dash = ` stroke-dasharray="2 2"`
		} else if l.link.Proof != lineage.BySource {
			dash, step = ` stroke-dasharray="6 3"`, step+" ("+string(l.link.Proof)+")"
		}
	}
	p.Line(fmt.Sprintf(`<g><title>%s</title><path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="%s"%s%s/>`,
		reports.SVG(title), x1, y1, x1+bend, y1, x2-bend, y2, x2, y2, stroke, dash, arrow))
	if step != "" {
		p.Line(fmt.Sprintf(`<text x="%d" y="%d" font-size="9" fill="#555" text-anchor="middle">%s</text>`, (x1+x2)/2, (y1+y2)/2-3, reports.SVG(step)))
	}
	p.Line("</g>")
}
