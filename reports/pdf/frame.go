package pdf

import (
	"fmt"
	"strings"

	"evidenced/reports"
)

// info fills the file's own description.
func (p *pack) info() {
	clean := func(s string) string { return p.clean(body, s) }
	p.pdf.SetTitle(clean("Evidence pack "+p.doc.Tenant.String()+", "+p.period()), true)
	p.pdf.SetSubject(clean("Evidence of log "+p.doc.Origin), true)
	p.pdf.SetAuthor(clean(p.doc.Maker.Name), true)
	p.pdf.SetCreator(clean(p.doc.Program), true)
	p.pdf.SetProducer(clean(p.doc.Program), true)
	p.pdf.SetKeywords(clean(strings.Join(p.marks(), " ")), true)
	p.pdf.SetDisplayMode("fullwidth", "continuous")
}

func (p *pack) period() string { return reports.Span(p.doc.Period.From, p.doc.Period.To) }

// marks are the words that stand on every page.
func (p *pack) marks() []string {
	var ms []string
	if p.doc.Demonstration {
		ms = append(ms, "DEMONSTRATION")
	}
	if p.doc.Interim != "" {
		ms = append(ms, "INTERIM")
	}
	if !p.doc.Complete {
		ms = append(ms, "SELECTION")
	}
	return ms
}

// finish draws what needs all pages: contents, headers and footers.
func (p *pack) finish() {
	p.after = nil
	total := p.pdf.PageCount()
	p.fillContents()
	for n := 1; n <= total; n++ {
		p.turnTo(n)
		p.header()
		p.footer(n, total)
	}
	p.pdf.SetPage(total)
}

// turnTo goes back to a page. The library remembers colours and font of the
// page it was on, so they are set anew; the fill colour is one that no text
// has, which makes the library write each text's own colour.
func (c *canvas) turnTo(n int) {
	c.pdf.SetPage(n)
	c.page = n
	c.now = font{}
	c.pdf.SetFillColor(1, 2, 3)
	c.pdf.SetDashPattern(nil, 0)
}

func (p *pack) header() {
	const y = 14.0
	who := p.doc.Tenant.String()
	n := p.put(label.in(ink), left, y, who)
	p.put(small, left+n+2.5, y, p.period())
	x := right
	for _, m := range p.marks() {
		w := p.measure(label, m) + 4
		x -= w
		p.box(bad, 0.35, x, y-1.2, w, 5.4)
		p.put(label.in(bad), x+2, y-0.1, m)
		x -= 2
	}
	p.stroke(rule, 0.2)
	p.line(left, y+6, right, y+6)
}

func (p *pack) footer(n, total int) {
	y := pageH - 16
	p.stroke(rule, 0.2)
	p.line(left, y-2, right, y-2)
	from := fmt.Sprintf("%s  ·  log size %s  ·  root %s", p.doc.Origin, reports.Number(int64(p.doc.Size)), p.doc.Root.String()[:16])
	lines := p.wrap(tiny, width-30, from)
	p.putClean(tiny, left, y, lines[0])
	p.putRight(tiny, right, y, fmt.Sprintf("page %d of %d", n, total))
	if p.doc.Demonstration {
		p.put(tiny, left, y+3.2, "Made from simulated sources and a simulated clock. It proves nothing about a real system.")
	}
}

// frame draws header and footer of every page, when the pages are known: whose
// it is and what, the marks, a remark and which page of how many.
func (c *canvas) frame(owner, title string, marks []string, foot string) {
	c.after = nil
	total := c.pdf.PageCount()
	for n := 1; n <= total; n++ {
		c.turnTo(n)
		const y = 14.0
		w := c.put(label.in(ink), left, y, owner)
		c.putClean(small, left+w+2.5, y, c.cut(small, 95-w, c.clean(small, title)))
		x := right
		for _, m := range marks {
			w := c.measure(label, c.clean(label, m)) + 4
			x -= w
			c.box(bad, 0.35, x, y-1.2, w, 5.4)
			c.put(label.in(bad), x+2, y-0.1, m)
			x -= 2
		}
		c.stroke(rule, 0.2)
		c.line(left, y+6, right, y+6)
		low := pageH - 16
		c.line(left, low-2, right, low-2)
		for i, l := range c.wrap(tiny, width-30, foot) {
			c.putClean(tiny, left, low+float64(i)*tiny.height(), l)
		}
		c.putRight(tiny, right, low, fmt.Sprintf("page %d of %d", n, total))
	}
	c.pdf.SetPage(total)
}

// section begins a section of the document on a new page, with its place in
// contents and bookmarks.
func (p *pack) section(title, lead string) {
	p.newPage()
	p.enter(0, "", title)
	p.text(head1, left, width, title)
	p.space(2)
	if lead != "" {
		p.para(body.in(soft), lead)
		p.space(1)
	}
}

// sub begins a subsection where the cursor is; room is what must fit below it.
func (p *pack) sub(title string, room float64) {
	p.space(3)
	p.need(head2.height() + 2 + room)
	p.text(head2, left, width, title)
	p.space(1.2)
}

// enter adds the cursor's place to contents and bookmarks.
func (p *pack) enter(level int, shape, text string) {
	link := p.pdf.AddLink()
	p.pdf.SetLink(link, p.y, p.page)
	p.use(body)
	// The outline must not jump over a level.
	p.pdf.Bookmark(p.clean(body, reports.Shorten(text, 120)), level, p.y)
	p.entries = append(p.entries, entry{level: level, shape: shape, text: text, page: p.page, link: link})
}

// note draws a framed remark with a bar at its left.
func (p *pack) note(col colour, title, text string) {
	const pad = 3.0
	lines := p.wrap(body, width-2*pad-2, text)
	h := 2*pad + strong.height() + float64(len(lines))*body.height()
	p.need(h)
	p.fill(wash, left, p.y, width, h)
	p.fill(col, left, p.y, 1.2, h)
	y := p.y + pad
	p.put(strong.in(col), left+pad+1.5, y, title)
	y += strong.height()
	for _, l := range lines {
		p.putClean(body, left+pad+1.5, y, l)
		y += body.height()
	}
	p.y += h + 3
}

// facts draws a list of names and values, values wrapped, hashes in the
// fixed-width face when mono is set.
func (p *pack) facts(rows []fact) {
	const nameW = 38.0
	for _, r := range rows {
		if r.value == "" {
			continue
		}
		f := body
		if r.mono {
			f = code
		}
		lines := p.wrap(f, width-nameW, r.value)
		p.need(min(float64(len(lines)), 3) * body.height())
		p.put(small.at(8), left, p.y+0.2, r.name)
		for _, l := range lines {
			p.need(body.height())
			p.putClean(f, left+nameW, p.y+(body.height()-f.height())*0.6, l)
			p.y += body.height()
		}
		p.space(0.6)
	}
	p.space(1.5)
}

// fact is one line of facts.
type fact struct {
	name, value string
	mono        bool
}

// reserve keeps pages free for the contents.
func (p *pack) contents() {
	lines := 2*len(p.laws()) + len(p.doc.Registers) + 11
	for _, c := range p.doc.Controls {
		if c.AnsweredBy == "" {
			lines++
		}
	}
	p.tocLen = 1 + lines/36
	for range p.tocLen {
		p.newPage()
	}
	p.tocFrom = p.page - p.tocLen + 1
}

func (p *pack) fillContents() {
	p.turnTo(p.tocFrom)
	p.y = top
	p.put(head1, left, p.y, "Contents")
	p.y += head1.height() + 3
	last := p.tocFrom + p.tocLen - 1
	for _, e := range p.entries {
		f, h, x := body, body.height()+1.3, left+6.0
		if e.level == 0 {
			f, x = strong, left
			p.y += 1.6
		}
		room := h
		if e.level == 0 {
			room = 2.5 * h // never the last line of a page
		}
		if p.y+room > bottom {
			if p.page == last {
				return
			}
			p.turnTo(p.page + 1)
			p.y = top
		}
		p.contentsLine(e, f, x, h)
	}
	if p.page == last {
		p.legend()
	}
}

func (p *pack) contentsLine(e entry, f font, x, h float64) {
	if e.shape != "" {
		col := shapeColour(e.shape)
		if e.quiet {
			col = soft
		}
		p.put(f.in(col), x, p.y, e.shape)
		x += 5
	}
	text := p.cut(f, right-14-x, e.text)
	n := p.putClean(f, x, p.y, text)
	p.putRight(f, right, p.y, fmt.Sprint(e.page))
	p.stroke(rule, 0.15)
	p.pdf.SetDashPattern([]float64{0.3, 1.2}, 0)
	if from := x + n + 2; from < right-10 {
		p.line(from, p.y+f.ascent(), right-9, p.y+f.ascent())
	}
	p.pdf.SetDashPattern(nil, 0)
	p.pdf.Link(x, p.y, right-x, h, e.link)
	p.y += h
}

// cut makes text safe and shortens it to one line of w, with an ellipsis.
func (c *canvas) cut(f font, w float64, s string) string {
	s = c.clean(f, strings.ReplaceAll(s, "\n", " "))
	if c.measure(f, s) <= w {
		return s
	}
	return strings.TrimRight(c.fit(f, w-c.measure(f, "…"), s), " ") + "…"
}
