package pdf

import (
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// populationBar draws passed, failed and undetermined of a population as one
// bar and says the numbers under it: solid, slanted lines, outline.
func (p *pack) populationBar(f *evidence.Finding) {
	failed, unknown := len(f.Failed), len(f.Unknown)
	const h = 4.2
	p.need(h + 8)
	if f.Population == 0 {
		p.box(rule, 0.25, left, p.y, width, h)
		p.y += h + 1
		p.text(small, left, width, "The population is empty: no record of the period is in the scope of this test.")
		p.space(1.5)
		return
	}
	unit := width / float64(max(f.Population, f.Passed+failed+unknown))
	x := left
	w := p.share(f.Passed, unit)
	p.fill(good, x, p.y, w, h)
	x += w
	w = p.share(failed, unit)
	p.box(bad, 0.25, x, p.y, w, h)
	p.hatch(bad, x, p.y, w, h, 1.1)
	x += w
	w = min(p.share(unknown, unit), right-x)
	if unknown > 0 {
		p.box(warn, 0.25, x, p.y, w, h)
	}
	p.box(ink, 0.15, left, p.y, width, h)
	p.y += h + 1.2
	x = left + p.put(small.in(ink), left, p.y, reports.Count(f.Population, "item")+":") + 3
	for _, part := range []struct {
		n    int
		word string
		mark func(x, y, w, h float64)
	}{
		{f.Passed, "passed", func(x, y, w, h float64) { p.fill(good, x, y, w, h) }},
		{failed, "failed", func(x, y, w, h float64) { p.box(bad, 0.25, x, y, w, h); p.hatch(bad, x, y, w, h, 1.1) }},
		{unknown, "undetermined", func(x, y, w, h float64) { p.box(warn, 0.25, x, y, w, h) }},
	} {
		part.mark(x, p.y+0.7, 3, 2.2)
		x += 4.2
		x += p.put(small.in(ink), x, p.y, reports.Number(int64(part.n))+" "+part.word) + 4
	}
	p.y += small.height() + 2
}

// share is the length of n items; one failed among thousands stays visible.
func (p *pack) share(n int, unit float64) float64 {
	if n == 0 {
		return 0
	}
	return max(float64(n)*unit, 0.8)
}

const stripNameW = 34.0

// strips draws sources over time: a row each, an axis below. marks are times
// of exceptions, shown as triangles over the rows.
func (p *pack) strips(rows []reports.CoverageRow, period evidence.Period, marks []time.Time) {
	const h, gap = 3.6, 2.2
	axis := newAxis(period, left+stripNameW, width-stripNameW)
	for i, row := range rows {
		name := p.wrap(small.in(ink), stripNameW-2, string(row.Source))
		kinds := p.wrap(tiny, stripNameW-2, kindList(row.Kinds))
		if len(kinds) > 3 {
			kinds = append(kinds[:2], fmt.Sprintf("of %s", reports.Count(len(row.Kinds), "kind")))
		}
		rowH := max(h, float64(len(name))*small.height()+float64(len(kinds))*tiny.height()) + gap
		if p.need(rowH+12) || i == 0 {
			p.exceptions(axis, marks)
		}
		y := p.y
		for _, l := range name {
			p.putClean(small.in(ink), left, y-0.4, l)
			y += small.height()
		}
		for _, l := range kinds {
			p.putClean(tiny, left, y-0.4, l)
			y += tiny.height()
		}
		p.strip(axis, row, p.y, h)
		p.y += rowH
	}
	p.axis(axis)
}

func kindList(kinds []evidence.Kind) string {
	s := ""
	for i, k := range kinds {
		if i > 0 {
			s += ", "
		}
		s += string(k)
	}
	return s
}

// strip draws one row: solid for continuous, ticks for instants, slanted
// lines for reconstructed, a crossed box for blind, nothing where nobody looked.
func (p *pack) strip(a axis, row reports.CoverageRow, y, h float64) {
	p.stroke(rule, 0.15)
	p.line(a.x, y+h, a.x+a.w, y+h)
	for _, s := range row.Strips {
		x1, x2 := a.at(s.From), a.at(s.To)
		w := max(x2-x1, 0.35)
		switch s.Class {
		case evidence.Continuous:
			p.fill(accent, x1, y, w, h)
		case evidence.Instants:
			p.fill(colour{214, 224, 236}, x1, y+h*0.55, w, h*0.45)
			p.ticks(x1, w, y, h)
		case evidence.Reconstructed:
			p.box(accent, 0.15, x1, y, w, h)
			p.hatch(accent, x1, y, w, h, 1.3)
		case evidence.Blind:
			p.fill(white, x1, y, w, h)
			p.box(bad, 0.3, x1, y, w, h)
			p.line(x1, y, x1+w, y+h)
			p.line(x1, y+h, x1+w, y)
		}
	}
}

// ticks stand for looks, closely spaced: at most one each millimetre, so the
// chart does not claim to show each look.
func (p *pack) ticks(x, w, y, h float64) {
	p.stroke(accent, 0.22)
	for d := 0.0; d <= w; d += 1.2 {
		p.line(x+d, y, x+d, y+h)
	}
}

func (p *pack) exceptions(a axis, marks []time.Time) {
	if len(marks) == 0 {
		return
	}
	p.put(tiny, left, p.y, "exceptions")
	last := -10.0
	for _, t := range marks {
		x := a.at(t)
		if x-last < 0.8 {
			continue
		}
		last = x
		f := tiny.in(bad)
		p.put(f, x-p.measure(f, shapeWork)/2, p.y, shapeWork)
	}
	p.y += tiny.height() + 0.6
}

// axis maps a period to a stretch of the page.
type axis struct {
	period evidence.Period
	x, w   float64
}

func newAxis(period evidence.Period, x, w float64) axis { return axis{period, x, w} }

func (a axis) at(t time.Time) float64 {
	d := a.period.Duration()
	if d <= 0 || !t.After(a.period.From) {
		return a.x
	}
	if t.After(a.period.To) {
		return a.x + a.w
	}
	return a.x + a.w*float64(t.Sub(a.period.From))/float64(d)
}

// tickTimes are round times of the axis, at most nine.
func (a axis) tickTimes() (ts []time.Time, layout string) {
	d := a.period.Duration()
	from := a.period.From.UTC()
	for _, s := range []struct {
		every  time.Duration
		layout string
	}{{time.Hour, "15:04"}, {3 * time.Hour, "15:04"}, {6 * time.Hour, "2 Jan 15:04"}, {12 * time.Hour, "2 Jan 15:04"}, {24 * time.Hour, "2 Jan"}, {48 * time.Hour, "2 Jan"}, {7 * 24 * time.Hour, "2 Jan"}} {
		if d/s.every <= 8 {
			for t := from.Truncate(s.every); !t.After(a.period.To); t = t.Add(s.every) {
				if !t.Before(from) {
					ts = append(ts, t)
				}
			}
			return ts, s.layout
		}
	}
	months := int(d/(30*24*time.Hour))/8 + 1
	for t := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC); !t.After(a.period.To); t = t.AddDate(0, months, 0) {
		if !t.Before(from) {
			ts = append(ts, t)
		}
	}
	return ts, "2 Jan 2006"
}

func (c *canvas) axis(a axis) {
	ts, layout := a.tickTimes()
	c.stroke(soft, 0.2)
	c.line(a.x, c.y, a.x+a.w, c.y)
	edge := a.x - 20
	for _, t := range ts {
		x := a.at(t)
		c.stroke(soft, 0.2)
		c.line(x, c.y, x, c.y+1.2)
		s := t.Format(layout)
		w := c.measure(tiny, s)
		tx := min(max(x-w/2, a.x), right-w)
		if tx > edge+1.5 {
			c.put(tiny, tx, c.y+1.4, s)
			edge = tx + w
		}
	}
	c.y += 1.4 + tiny.height()
	c.putRight(tiny, right, c.y, "UTC")
	c.space(tiny.height() + 0.5)
}

// legend says what shapes and strips mean.
func (p *pack) legend() {
	const h = 62.0
	if p.y+h > bottom {
		return
	}
	p.y = bottom - h
	p.hline()
	p.space(3)
	p.put(label, left, p.y, "HOW TO READ SHAPES")
	p.y += label.height() + 1
	for _, l := range [][2]string{
		{shapeGood, "supported: all items passed and the sources were seen well enough over the whole period"},
		{shapeWork, "needs someone: an item failed, evidence that must exist is missing, or the newest is too old"},
		{shapeUnclear, "cannot be told: an item could not be decided, or the sources were not seen well enough"},
		{shapeOutside, "not applicable: the control does not apply, by an approved statement"},
	} {
		p.put(strong.in(shapeColour(l[0])), left, p.y, l[0])
		p.put(small.in(ink), left+6, p.y+0.4, l[1])
		p.y += body.height()
	}
	p.space(2)
	p.put(label, left, p.y, "HOW TO READ COVERAGE")
	p.y += label.height() + 1
	p.stripLegend()
}

// stripLegend takes 25 millimetres. It does not turn the page, because it is
// also drawn on pages already done.
func (p *pack) stripLegend() {
	a := axis{evidence.Period{From: time.Unix(0, 0), To: time.Unix(10, 0)}, left, 10}
	for _, l := range []struct {
		class evidence.Class
		says  string
	}{
		{evidence.Continuous, "continuous: a gapless history or an unbroken watch"},
		{evidence.Instants, "instants: polled; nothing is claimed between looks"},
		{evidence.Reconstructed, "reconstructed: read later from history"},
		{evidence.Blind, "blind: we tried to look and could not"},
		{"", "empty: nobody looked"},
	} {
		row := reports.CoverageRow{Strips: []reports.Strip{{From: a.period.From, To: a.period.To, Class: l.class}}}
		p.strip(a, row, p.y+0.4, 2.8)
		p.put(small.in(ink), left+13, p.y, l.says)
		p.y += body.height()
	}
}

// list draws windows without coverage.
func (p *pack) windows(ws []evidence.Window) {
	const shown = 12
	for i, w := range ws {
		if i == shown {
			p.text(small, left+4, width-4, fmt.Sprintf("and %s more, see the coverage appendix", reports.Count(len(ws)-shown, "window")))
			break
		}
		who := string(w.Source)
		if who == "" {
			who = "no source"
		}
		says := reports.ClassWord(w.Class)
		if w.Cause != "" && w.Cause != says {
			says += ": " + w.Cause
		}
		p.bullet(fmt.Sprintf("%s, %s: %s UTC, %s", who, w.Kind, reports.Span(w.Period.From, w.Period.To), says))
	}
}

// bullet draws one indented remark.
func (p *pack) bullet(s string) {
	p.need(body.height())
	p.put(body.in(soft), left, p.y, "·")
	p.text(body, left+4, width-4, s)
	p.space(0.6)
}
