package pdf

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"evidenced/reports"
)

// Timeline draws a timeline and writes the file to w. Nothing is written unless
// the whole document could be drawn.
func Timeline(w io.Writer, doc *reports.TimelineDoc) error {
	data, err := drawTimeline(doc)
	if err != nil {
		return fmt.Errorf("draw PDF of %s: %w", doc.Title, err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write PDF: %w", err)
	}
	return nil
}

func drawTimeline(doc *reports.TimelineDoc) (data []byte, err error) {
	defer catch(&data, &err)
	c, err := newCanvas(doc.Generated)
	if err != nil {
		return nil, err
	}
	clean := func(s string) string { return c.clean(body, s) }
	c.pdf.SetTitle(clean(doc.Title+", "+doc.Span), true)
	c.pdf.SetCreator(clean(doc.Program), true)
	c.pdf.SetProducer(clean(doc.Program), true)
	c.pdf.SetKeywords(clean(strings.Join(doc.Marks, " ")), true)
	c.newPage()
	c.text(head1, left, width, doc.Title)
	c.space(2)
	c.para(body.in(soft), doc.Lead)
	for _, x := range doc.Facts {
		c.fact(x[0], x[1])
	}
	c.space(4)
	c.timeline(&doc.TimelinePart, true)
	c.frame(doc.Owner, doc.Span, doc.Marks, "Numbers are those of the records in the log. It says what was seen and what belongs together, not what caused what.")
	var b bytes.Buffer
	if err := c.pdf.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fact draws a name and its value.
func (c *canvas) fact(name, value string) {
	const nameW = 28.0
	lines := c.wrap(body, width-nameW, value)
	c.need(body.height())
	c.put(small.at(8), left, c.y+0.2, name)
	for _, l := range lines {
		c.need(body.height())
		c.putClean(body, left+nameW, c.y, l)
		c.y += body.height()
	}
}

// familyColours are those of the families of kinds, in their order. Each line
// says in words what it is; the colour only groups.
var familyColours = []colour{accent, {102, 57, 150}, good, {180, 82, 10}, {15, 118, 125}, bad, soft}

func familyColour(i int) colour { return familyColours[min(max(i, 0), len(familyColours)-1)] }

// Columns of a line: time, number of the record, text, source.
const (
	lineTime   = 17.5
	lineNumber = 13.0
	lineSource = 27.0
	lineText   = width - lineTime - lineNumber - lineSource - 4
)

// timeline draws the picture and the lines; days become bookmarks when asked.
func (c *canvas) timeline(t *reports.TimelinePart, bookmarks bool) {
	c.lanes(t)
	c.families(t)
	if len(t.Days) == 0 {
		c.para(body, "Nothing is told of this window.")
	} else {
		c.text(small, left, width, "~ before a time: when we saw it; ?: as whoever made it claims; else the source's own time. All times are UTC.")
	}
	outer := c.after
	for i := range t.Days {
		c.day(&t.Days[i], outer, bookmarks)
	}
	c.after = outer
	c.space(2)
	says := fmt.Sprintf("%s, %s in the window.", reports.Count(t.Records, "record"), reports.Count(t.Gaps, "blind window"))
	if t.Left > 0 {
		says = fmt.Sprintf("%s more stand in the timeline and not here; the picture counts them. ", reports.Count(t.Left, "line")) + says
	}
	c.text(small, left, width, says)
}

// lanes draws a lane for each source: bars by family, slanted lines where it
// was not seen, an axis below.
func (c *canvas) lanes(t *reports.TimelinePart) {
	const h, gap = 5.2, 1.4
	if len(t.Lanes) == 0 {
		return
	}
	a := newAxis(t.Period, left+stripNameW, width-stripNameW)
	for _, l := range t.Lanes {
		c.need(h + gap + 10)
		y := c.y
		c.putClean(small.in(ink), left, y+1, c.cut(small, stripNameW-2, l.Source))
		c.stroke(rule, 0.15)
		c.line(a.x, y+h, a.x+a.w, y+h)
		for _, b := range l.Blind {
			x1, x2 := a.at(b.From), a.at(b.To)
			w := max(x2-x1, 0.6)
			c.fill(colour{255, 247, 230}, x1, y, w, h)
			c.hatch(warn, x1, y, w, h, 1.4)
		}
		c.bars(a, l.Counts, y, h)
		c.y += h + gap
	}
	if t.MoreLane > 0 {
		c.text(tiny, left, width, "and "+reports.Count(t.MoreLane, "source")+" more")
	}
	c.axis(a)
}

// bars draws the counts of a lane. The square root lets a single record be seen
// beside a thousand.
func (c *canvas) bars(a axis, counts [][]int, y, h float64) {
	most := 1
	for _, k := range counts {
		most = max(most, total(k))
	}
	wide := a.w / float64(max(1, len(counts)))
	for i, k := range counts {
		n := total(k)
		if n == 0 {
			continue
		}
		high := max(0.8, math.Sqrt(float64(n)/float64(most))*(h-0.6))
		foot := y + h
		for f, part := range k {
			if part == 0 {
				continue
			}
			ph := high * float64(part) / float64(n)
			foot -= ph
			c.fill(familyColour(f), a.x+float64(i)*wide, foot, max(wide-0.08, 0.4), ph)
		}
	}
}

func total(list []int) int {
	n := 0
	for _, x := range list {
		n += x
	}
	return n
}

// families says what the colours are, and how many lines each has.
func (c *canvas) families(t *reports.TimelinePart) {
	c.space(1)
	x, blind := left, t.Gaps > 0
	item := func(says string, mark func(x, y float64)) {
		w := 4.2 + c.measure(small, c.clean(small, says)) + 4
		if x+w > right {
			x, c.y = left, c.y+small.height()+0.6
		}
		mark(x, c.y+0.6)
		c.put(small.in(ink), x+4.2, c.y, says)
		x += w
	}
	c.need(2*small.height() + 4)
	for i, f := range t.Families {
		if f.Lines > 0 {
			item(fmt.Sprintf("%s (%s)", f.Title, reports.Number(int64(f.Lines))), func(x, y float64) { c.fill(familyColour(i), x, y, 3, 2.2) })
		}
	}
	if blind {
		item(fmt.Sprintf("not seen (%s)", reports.Number(int64(t.Gaps))), func(x, y float64) { c.hatch(warn, x, y, 3, 2.2, 1.1) })
	}
	c.y += small.height() + 3
}

// day draws the lines of a day. A page that begins within it says which day it
// is.
func (c *canvas) day(d *reports.TimelineDay, outer func(), bookmarks bool) {
	title := d.Day.UTC().Format("Monday 2 January 2006") + " (UTC)"
	c.after = outer
	c.space(2.5)
	c.need(head2.height() + 14)
	if bookmarks {
		c.use(body)
		c.pdf.Bookmark(title, 0, c.y)
	}
	c.dayHead(title)
	c.after = func() {
		if outer != nil {
			outer()
		}
		c.dayHead(title + ", continued")
	}
	for i := range d.Lines {
		c.timelineLine(&d.Lines[i])
	}
}

func (c *canvas) dayHead(title string) {
	c.put(head2.at(10), left, c.y, title)
	c.y += head2.at(10).height() + 0.6
	c.stroke(soft, 0.25)
	c.line(left, c.y, right, c.y)
	c.y += 0.8
}

// timelineLine draws one line, over a page break where it is long: its time
// and number stand where it begins.
func (c *canvas) timelineLine(l *reports.TimelineLine) {
	says, f := l.Says, body.at(8.5)
	if l.Times != "" {
		says += ": " + l.Times
	}
	if l.After != "" {
		says += " (after " + l.After + ")"
	}
	number, col := strconv.FormatUint(l.Record, 10), familyColour(l.Family)
	if l.Blind {
		number, col, f = "BLIND", warn, f.in(warn)
	}
	lines := c.wrap(f, lineText, says)
	source := c.wrap(tiny, lineSource, l.Source)
	if l.Blind { // the sentence names it
		source = nil
	}
	const pad = 0.7
	h := max(float64(len(lines))*f.height(), float64(len(source))*tiny.height()) + 2*pad
	c.need(min(h, 40))
	y, page := c.y+pad, c.page
	c.fill(col, left, c.y+pad, 0.8, f.height()-0.4)
	c.put(small.in(soft).at(8), left+2.2, y+0.2, l.Mark)
	c.put(small.in(ink).at(8), left+4.8, y+0.2, l.At.UTC().Format("15:04:05"))
	nf := small
	if l.Blind {
		nf = label.in(warn).at(7)
	}
	c.putRight(nf, left+lineTime+lineNumber, y+0.3, number)
	for i, s := range source {
		c.putClean(tiny, right-lineSource, y+0.5+float64(i)*tiny.height(), s)
	}
	c.y = y
	for _, s := range lines {
		c.need(f.height())
		c.putClean(f, left+lineTime+lineNumber+2.5, c.y, s)
		c.y += f.height()
	}
	if c.page == page {
		c.y = max(c.y, y+float64(len(source))*tiny.height()+0.5)
	}
	c.y += pad
	c.stroke(rule, 0.1)
	c.line(left, c.y, right, c.y)
}
