package pdf

import (
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// controls draws the judged controls, law by law, and at the end of each law
// those that no source answers yet.
func (p *pack) controls() {
	for _, law := range p.laws() {
		var waiting [][]string
		var words []*reports.ControlResult // on which somebody gave their word
		for i := range p.doc.Controls {
			c := &p.doc.Controls[i]
			switch {
			case c.Law != law:
			case c.AnsweredBy != "":
				if len(c.Attested) > 0 {
					words = append(words, c)
				}
				article := c.Article
				if c.Preparing != "" {
					article += " (preparing)"
				}
				waiting = append(waiting, []string{string(c.ID), article, c.Title, c.AnsweredBy})
			default:
				p.control(c)
			}
		}
		p.unanswered(law, waiting)
		for _, c := range words {
			p.need(20)
			p.text(strong, left, width, c.Article+"  "+c.Title)
			p.attested(c.Attested)
		}
	}
}

func (p *pack) unanswered(law string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	if law != p.law {
		p.law = law
		p.newPage()
		p.enter(0, "", law)
	} else {
		p.space(8)
	}
	p.need(50)
	p.enter(1, "", "No source answers yet")
	p.text(head2, left, width, law+": no source answers these yet")
	p.space(1)
	p.para(body.in(soft), "Nothing was judged about them: not observed, no collector. They count for nothing.")
	p.drawTable([]reports.RegisterColumn{{Title: "Control"}, {Title: "Article"}, {Title: "Title", Weight: 2}, {Title: "What would answer it", Weight: 3}}, rows, 7.5)
}

// control draws one control: what it asks, what the evidence says, each
// exception as a short story, and what this cannot prove.
func (p *pack) control(c *reports.ControlResult) {
	if c.Law != p.law {
		p.law = c.Law
		p.overview(c.Law)
	}
	if !p.fitsBelow(c) {
		p.newPage()
	} else {
		p.space(6)
		p.hline()
		p.space(6)
	}
	shape := shapeOf(c.Status)
	title := c.Article + "  " + c.Title
	if c.Preparing != "" {
		title += " (preparing)"
	}
	p.enter(1, shape, title)
	p.entries[len(p.entries)-1].quiet = c.Preparing != ""
	p.put(label.in(accent), left, p.y, p.cut(label, width-2, c.Article))
	p.y += label.height() + 0.6
	p.text(head1.at(14), left, width, c.Title)
	p.space(1.5)
	p.verdict(c, shape)
	if c.Preparing != "" {
		p.note(soft, "PREPARING", c.Law+" applies from "+c.Preparing+". What is told here is preparation for it and says nothing about a breach.")
	}
	if c.Objective != "" {
		p.para(body, c.Objective)
	}
	for i := range c.Findings {
		p.finding(c, &c.Findings[i])
		if i < len(c.Samples) && c.Samples[i] != "" {
			p.text(tiny, left, width, c.Samples[i])
			p.space(1.5)
		}
	}
	if len(c.Coverage) > 0 {
		p.sub("How well it was seen", min(14+float64(len(c.Coverage))*9, 110))
		p.strips(c.Coverage, p.doc.Period, exceptionTimes(c))
	}
	p.remedies(c)
	p.waivers(c)
	if c.Limits != "" {
		p.sub("What this cannot prove", 8)
		p.para(body, c.Limits)
	}
	if c.Unverified != "" {
		p.para(body.in(soft), "Not verified: "+c.Unverified)
	}
	p.put(tiny, left, min(p.y, bottom-3), p.cut(tiny, width, "control "+string(c.ID)))
	p.y += tiny.height()
}

// fitsBelow reports whether a control without exceptions may follow on the
// same page. One with something to tell gets a page of its own.
func (p *pack) fitsBelow(c *reports.ControlResult) bool {
	for _, f := range c.Findings {
		if _, told := p.told[toldKey(&f)]; hasStories(&f) && !told {
			return false
		}
	}
	return p.y+95+float64(len(c.Findings))*24+float64(len(c.Coverage))*9 < bottom
}

func (p *pack) verdict(c *reports.ControlResult, shape string) {
	col := shapeColour(shape)
	if c.Preparing != "" {
		col = soft // no colour of alarm where there is no breach
	}
	words := strings.ReplaceAll(string(c.Status), "-", " ")
	if words == "" {
		words = "not judged"
	}
	words = strings.ToUpper(words[:1]) + words[1:]
	w := p.measure(strong, words) + 12
	p.need(12)
	p.box(col, 0.4, left, p.y, w, 6.4)
	p.put(strong.in(col), left+2.2, p.y+1.1, shape)
	p.put(strong.in(col), left+7.5, p.y+1.1, words)
	says := reports.StatusWord(c.Status)
	if c.Waived {
		says += ", waived for a while"
	}
	if c.Reason != "" {
		says += ": " + string(c.Reason)
	}
	p.put(body, left+w+3, p.y+1.1, p.cut(body, width-w-3, says))
	p.y += 9
}

func exceptionTimes(c *reports.ControlResult) []time.Time {
	var ts []time.Time
	for _, f := range c.Findings {
		for _, it := range f.Failed {
			ts = append(ts, it.At)
		}
	}
	return ts
}

func hasStories(f *evidence.Finding) bool {
	return len(f.Failed)+len(f.Unknown)+len(f.Uncovered) > 0
}

// toldKey names what a finding tells: its test over its period.
func toldKey(f *evidence.Finding) string { return f.Test + " " + f.Period.String() }

// finding draws one test of the control.
func (p *pack) finding(c *reports.ControlResult, f *evidence.Finding) {
	p.space(1)
	p.need(30)
	if len(c.Findings) > 1 {
		p.text(strong, left, width, f.Test)
		p.space(0.6)
	}
	if f.Summary != "" {
		p.text(body, left, width, p.open(f.Summary))
		p.space(1.5)
	}
	p.populationBar(f)
	if before, ok := p.told[toldKey(f)]; ok && hasStories(f) {
		p.para(body.in(soft), fmt.Sprintf("The same test was told under %s on page %d: %s.", before.article, before.page, storyCount(f)))
	} else {
		p.told[toldKey(f)] = told{c.Law + " " + c.Article, p.page}
		p.stories("Exceptions", f.Failed, bad)
		p.stories("Could not be decided", f.Unknown, warn)
		if len(f.Uncovered) > 0 {
			p.sub("Not seen well enough", 8)
			p.windows(f.Uncovered)
		}
	}
	p.testLine(f)
}

// storyCount says how much a finding has to tell.
func storyCount(f *evidence.Finding) string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{len(f.Failed), "exception"}, {len(f.Unknown), "undecided item"}, {len(f.Uncovered), "window"}} {
		if part.n > 0 {
			parts = append(parts, reports.Count(part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// testLine says which rule gave the verdict.
func (p *pack) testLine(f *evidence.Finding) {
	s := fmt.Sprintf("test %s, rule %s, evidence %s, as known at log size %s", f.Test, f.RuleHash.String()[:12], or(f.Strength, "direct"), reports.Number(int64(f.Size)))
	if f.Class != "" {
		s += ", seen " + string(f.Class) + " at worst"
	}
	if !f.Newest.IsZero() {
		s += ", newest item " + reports.Stamp(f.Newest, nil)
	}
	p.text(tiny, left, width, s)
	p.space(1.5)
}

const storiesShown = 40

// stories draws items as short stories with the numbers of their records.
func (p *pack) stories(title string, items []evidence.Item, col colour) {
	if len(items) == 0 {
		return
	}
	p.sub(title, 14)
	for i, it := range items {
		if i == storiesShown {
			p.para(body.in(soft), fmt.Sprintf("%s more stand in findings.json and in the register of the same records.", reports.Number(int64(len(items)-i))))
			return
		}
		p.story(it, col)
	}
}

func (p *pack) story(it evidence.Item, col colour) {
	const timeW, numW = 30.0, 34.0
	textW := width - timeW - numW
	what := p.wrap(strong, textW, p.open(it.Label))
	why := p.wrap(body, textW, p.open(it.Why))
	if it.Why == "" {
		why = nil
	}
	p.need(min(float64(len(what)+len(why)), 14)*body.height() + 2)
	p.fill(col, left, p.y+0.4, 0.8, body.height()*0.8)
	p.put(small.in(ink), left+2.5, p.y+0.3, it.At.UTC().Format("2 Jan 2006"))
	p.put(small, left+2.5, p.y+0.3+small.height(), it.At.UTC().Format("15:04:05")+" UTC")
	nums := append([]string{fmt.Sprintf("record %d", it.Seq), string(it.Kind)}, p.alsoLines(it, numW)...)
	begin, page := p.y, p.page
	for i, n := range nums {
		if begin+float64(i+1)*small.height() > bottom {
			break
		}
		f := small
		if i == 0 {
			f = small.in(ink)
		}
		p.putRight(f, right, p.y+0.3+float64(i)*small.height(), n)
	}
	for i, l := range append(what, why...) {
		f := body
		if i < len(what) {
			f = strong
		}
		p.need(f.height())
		p.putClean(f, left+timeW, p.y, l)
		p.y += f.height()
	}
	if p.page == page {
		p.y = max(p.y, begin+float64(len(nums))*small.height()+0.6, begin+2*small.height()+0.6)
	}
	p.space(1.6)
}

func (p *pack) alsoLines(it evidence.Item, w float64) []string {
	if len(it.Also) == 0 {
		return nil
	}
	return p.wrap(small, w, "with "+reports.Seqs(it.Also, 4))
}

// waivers draws what people said of the control, beside what the evidence says.
func (p *pack) waivers(c *reports.ControlResult) {
	if len(c.Waivers) > 0 {
		p.sub("Waivers (they do not change the status)", 10)
		for _, w := range c.Waivers {
			p.bullet(p.said(w))
		}
	}
	if len(c.Scoped) > 0 {
		p.sub("Statements of scope (what is there is judged all the same)", 10)
		for _, w := range c.Scoped {
			p.bullet(p.said(w))
		}
	}
	p.attested(c.Attested)
}

func (p *pack) attested(list []reports.Attestation) {
	if len(list) == 0 {
		return
	}
	p.sub("A person's word (no verdict stands on it)", 10)
	for _, a := range list {
		s := p.said(a.Waiver)
		if a.Document != "" {
			s += "; document " + a.Document + ", not looked at"
		}
		p.bullet(s)
	}
}

// said tells a statement in one sentence.
func (p *pack) said(w reports.Waiver) string {
	when := w.From.UTC().Format("2 Jan 2006 15:04") + " UTC on, without an end"
	if !w.To.IsZero() {
		when = w.From.UTC().Format("2 Jan 2006 15:04") + " to " + w.To.UTC().Format("2 Jan 2006 15:04") + " UTC"
	}
	s := fmt.Sprintf("%s, by %s, approved by %s, %s, record %d", w.Reason, p.open(w.By), p.open(w.ApprovedBy), when, w.Seq)
	if w.Name != "" {
		s = w.Name + ": " + s
	}
	if w.Covers != "" {
		s += "; accepts " + w.Covers
	}
	return s
}
