package pdf

import (
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// overview is the picture of a law, before its controls: how many are
// supported, and a bar for the items of each.
func (p *pack) overview(law string) {
	var cs []*reports.ControlResult
	var n [4]int
	preparing := ""
	for i := range p.doc.Controls {
		c := &p.doc.Controls[i]
		if c.Law != law || c.AnsweredBy != "" {
			continue
		}
		cs = append(cs, c)
		n[reports.StatusGroup(c.Status)]++
		if c.Preparing != "" {
			preparing = c.Preparing
		}
	}
	p.newPage()
	p.enter(0, "", law)
	p.text(head1, left, width, law)
	p.space(2)
	lead := reports.Count(len(cs), "control") + " judged."
	if preparing != "" {
		lead += " Where it says preparing, the law applies from " + preparing + " and nothing is a breach."
	}
	p.para(body.in(soft), lead)
	p.groupBar(n, len(cs))
	p.overviewHead()
	outer := p.after
	p.after = func() {
		if outer != nil {
			outer()
		}
		p.overviewHead()
	}
	for _, c := range cs {
		p.overviewRow(c)
	}
	p.after = outer
	p.space(1.5)
	p.text(small, left, width, "Bars: items of a control's tests in the period, passed solid, failed in slanted lines, undecided empty; a dash where there were none.")
}

// groups are the four readings of a status with shape and words.
var groups = [4]struct{ shape, one, many string }{
	reports.Supported:  {shapeGood, "supported", "supported"},
	reports.NeedsWork:  {shapeWork, "needs someone", "need someone"},
	reports.CannotTell: {shapeUnclear, "cannot be told", "cannot be told"},
	reports.Outside:    {shapeOutside, "not applicable", "not applicable"},
}

// groupBar draws the controls as one bar by their group, each part as it is
// drawn elsewhere: solid, slanted lines, empty, grey.
func (p *pack) groupBar(n [4]int, of int) {
	if of == 0 {
		return
	}
	const h = 7.0
	unit, x := width/float64(of), left
	for g, k := range n {
		w := float64(k) * unit
		if k == 0 {
			continue
		}
		switch reports.Group(g) {
		case reports.Supported:
			p.fill(good, x, p.y, w, h)
		case reports.NeedsWork:
			p.hatch(bad, x, p.y, w, h, 1.6)
			p.box(bad, 0.3, x, p.y, w, h)
		case reports.CannotTell:
			p.box(warn, 0.3, x, p.y, w, h)
		case reports.Outside:
			p.fill(rule, x, p.y, w, h)
		}
		x += w
	}
	p.y += h + 1.8
	x = left
	for g, k := range n {
		if k == 0 {
			continue
		}
		words := groups[g].many
		if k == 1 {
			words = groups[g].one
		}
		x += p.put(strong.in(shapeColour(groups[g].shape)), x, p.y, groups[g].shape) + 1.2
		x += p.put(body, x, p.y, fmt.Sprintf("%d %s", k, words)) + 6
	}
	p.y += body.height() + 5
}

// Columns of the overview.
const (
	overArticle = 34.0
	overBar     = 38.0
	overTitle   = width - 6 - overArticle - overBar - 6
)

func (p *pack) overviewHead() {
	p.put(label, left+6, p.y, "ARTICLE")
	p.put(label, left+6+overArticle, p.y, "CONTROL")
	p.put(label, right-overBar, p.y, "ITEMS")
	p.y += label.height() + 0.8
	p.stroke(soft, 0.25)
	p.line(left, p.y, right, p.y)
	p.y += 0.8
}

func (p *pack) overviewRow(c *reports.ControlResult) {
	article := p.wrap(small.in(ink).at(8), overArticle-2, c.Article)
	title := p.wrap(body, overTitle, c.Title)
	if c.Preparing != "" {
		title = append(title, "(preparing)")
	}
	h := max(float64(len(article))*small.at(8).height(), float64(len(title))*body.height(), 2*body.height()-2)
	p.need(min(h+2, 60))
	shape := shapeOf(c.Status)
	col := shapeColour(shape)
	if c.Preparing != "" {
		col = soft
	}
	y := p.y + 0.6
	p.put(strong.in(col), left+0.5, y, shape)
	for i, l := range article {
		p.putClean(small.in(ink).at(8), left+6, y+0.3+float64(i)*small.at(8).height(), l)
	}
	for i, l := range title {
		p.putClean(body, left+6+overArticle, y+float64(i)*body.height(), l)
	}
	p.itemBar(c.Findings, right-overBar, y+0.4, col)
	p.y = y + h + 0.6
	p.stroke(rule, 0.1)
	p.line(left, p.y, right, p.y)
	p.y += 0.3
}

// itemBar draws the items of all findings of a control as one small bar with
// the numbers below.
func (p *pack) itemBar(fs []evidence.Finding, x, y float64, col colour) {
	population, passed, failed, unknown := 0, 0, 0, 0
	for i := range fs {
		population += fs[i].Population
		passed += fs[i].Passed
		failed += len(fs[i].Failed)
		unknown += len(fs[i].Unknown)
	}
	if population == 0 {
		p.put(small, x, y-0.2, "–")
		return
	}
	const h = 2.6
	pw, fw, uw := p.barParts(passed, failed, unknown, population)
	p.fill(good, x, y, pw, h)
	if failed > 0 {
		p.hatch(bad, x+pw, y, fw, h, min(1, fw/2))
		p.box(bad, 0.2, x+pw, y, fw, h)
	}
	if unknown > 0 {
		p.box(warn, 0.2, x+pw+fw, y, uw, h)
	}
	p.box(rule, 0.15, x, y, overBar, h)
	says := []string{reports.Number(int64(passed)) + " of " + reports.Number(int64(population))}
	if failed > 0 {
		says = append(says, reports.Number(int64(failed))+" failed")
	}
	if unknown > 0 {
		says = append(says, reports.Number(int64(unknown))+" undecided")
	}
	p.putClean(tiny.in(col), x, y+h+0.5, p.cut(tiny, overBar, strings.Join(says, ", ")))
}

// barParts are the lengths of those that passed, failed and are undecided. One
// failed among thousands stays visible: those that passed give way.
func (p *pack) barParts(passed, failed, unknown, population int) (pw, fw, uw float64) {
	unit := overBar / float64(max(1, population, passed+failed+unknown))
	fw, uw = p.share(failed, unit), p.share(unknown, unit)
	if k := overBar / (fw + uw); k < 1 {
		fw, uw = fw*k, uw*k
	}
	return max(0, min(float64(passed)*unit, overBar-fw-uw)), fw, uw
}
