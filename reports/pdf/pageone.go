package pdf

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// The shapes of the statuses. Each stands beside a word wherever it is used.
const (
	shapeGood    = "✓"
	shapeWork    = "▲"
	shapeUnclear = "◇"
	shapeOutside = "–"
)

func shapeOf(s evidence.Status) string {
	switch reports.StatusGroup(s) {
	case reports.Supported:
		return shapeGood
	case reports.NeedsWork:
		return shapeWork
	case reports.Outside:
		return shapeOutside
	}
	return shapeUnclear
}

func shapeColour(shape string) colour {
	switch shape {
	case shapeGood:
		return good
	case shapeWork:
		return bad
	case shapeUnclear:
		return warn
	}
	return soft
}

// pageOne is the answer: what the evidence says law by law, how the looking
// went, and how far the log is fixed from outside.
func (p *pack) pageOne() {
	p.newPage()
	p.enter(0, "", "The answer")
	p.put(label.in(accent), left, p.y, "EVIDENCE PACK")
	p.y += label.height() + 1
	p.text(head1.at(24), left, width, p.doc.Tenant.String())
	p.text(body.at(12), left, width, p.period())
	p.space(3)
	p.text(body, left, width, p.opening())
	p.space(3)
	p.markNotes()
	p.lawTable()
	p.runNumbers()
	p.anchor()
	p.scope()
}

// opening is the first sentence, fit to be read aloud.
func (p *pack) opening() string {
	var n [4]int
	judged, preparing, unanswered, waived, attested := 0, 0, 0, 0, 0
	for _, c := range p.doc.Controls {
		if len(c.Attested) > 0 {
			attested++
		}
		switch {
		case c.AnsweredBy != "":
			unanswered++
		case c.Preparing != "":
			preparing++
		default:
			judged++
			n[reports.StatusGroup(c.Status)]++
			if c.Waived {
				waived++
			}
		}
	}
	if len(p.doc.Controls) == 0 {
		return "This pack holds records only; no control was judged."
	}
	rest := []string{
		fmt.Sprintf("%d %s someone", n[reports.NeedsWork], verb(n[reports.NeedsWork], "needs", "need")),
		fmt.Sprintf("%d cannot be told", n[reports.CannotTell]),
	}
	if n[reports.Outside] > 0 {
		rest = append(rest, fmt.Sprintf("%d %s not apply", n[reports.Outside], verb(n[reports.Outside], "does", "do")))
	}
	s := fmt.Sprintf("The evidence supports %d of %s; %s.", n[reports.Supported], reports.Count(judged, "control"), strings.Join(rest, ", "))
	if waived > 0 {
		s += fmt.Sprintf(" Of %d that %s someone people accepted every failure for a while; the failures stand below.", waived, verb(waived, "needs", "need"))
	}
	if overdue := p.overdue(); overdue > 0 {
		s += fmt.Sprintf(" %s %s overdue.", reports.Count(overdue, "remedy"), verb(overdue, "is", "are"))
	}
	if preparing > 0 {
		s += fmt.Sprintf(" %s of laws that do not apply yet %s judged apart.", reports.Count(preparing, "control"), verb(preparing, "is", "are"))
	}
	if unanswered > 0 {
		s += fmt.Sprintf(" No source answers %s yet; they count for nothing.", reports.Count(unanswered, "control"))
	}
	if attested > 0 {
		s += fmt.Sprintf(" On %s there is a person's word; no verdict stands on it.", reports.Count(attested, "control"))
	}
	if b := len(p.doc.Coverage.Blind); b > 0 {
		s += fmt.Sprintf(" There %s %s in which a source was not seen.", verb(b, "was", "were"), reports.Count(b, "stretch"))
	} else if len(p.doc.Coverage.Rows) > 0 {
		s += " No source was blind in the period."
	}
	return s
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (p *pack) markNotes() {
	if p.doc.Demonstration {
		p.note(bad, "DEMONSTRATION", "Made from simulated sources and a simulated clock. It shows what a pack looks like and proves nothing about a real system.")
	}
	if p.doc.Interim != "" {
		p.note(bad, "INTERIM", p.doc.Interim)
	}
	if !p.doc.Complete {
		p.note(bad, "SELECTION", "This pack does not hold every record of its range. What was left out cannot be told from it.")
	}
}

// laws returns the regulations in the order they first appear: those of which
// a control in force was judged, then the others.
func (p *pack) laws() []string {
	var laws []string
	add := func(of func(*reports.ControlResult) bool) {
		for i := range p.doc.Controls {
			if c := &p.doc.Controls[i]; of(c) && !slices.Contains(laws, c.Law) {
				laws = append(laws, c.Law)
			}
		}
	}
	add(func(c *reports.ControlResult) bool { return c.AnsweredBy == "" && c.Preparing == "" })
	add(func(*reports.ControlResult) bool { return true })
	return laws
}

func (p *pack) lawTable() {
	if len(p.doc.Controls) == 0 {
		return
	}
	p.heading("What the evidence says")
	p.lawLines(false)
	if slices.ContainsFunc(p.doc.Controls, func(c reports.ControlResult) bool { return c.Preparing != "" && c.AnsweredBy == "" }) {
		p.heading("In preparation: laws that do not apply yet")
		p.lawLines(true)
	}
}

// lawLines draws a line for each law that has judged controls in force, or in
// preparation.
func (p *pack) lawLines(preparing bool) {
	shapes, most := map[string][]string{}, 0
	counts := map[string]*[4]int{}
	for i := range p.doc.Controls {
		c := &p.doc.Controls[i]
		if c.AnsweredBy != "" || (c.Preparing != "") != preparing {
			continue
		}
		if counts[c.Law] == nil {
			counts[c.Law] = &[4]int{}
		}
		counts[c.Law][reports.StatusGroup(c.Status)]++
		shapes[c.Law] = append(shapes[c.Law], shapeOf(c.Status))
		most = max(most, len(shapes[c.Law]))
	}
	paint := shapeColour
	if preparing {
		paint = func(string) colour { return soft }
	}
	for _, law := range p.laws() {
		if n := counts[law]; n != nil {
			p.lawLine(law, *n, shapes[law], most, paint)
		}
	}
	p.space(3)
}

// lawLine draws one of several lines, of which one has most shapes.
func (p *pack) lawLine(law string, n [4]int, shapes []string, most int, paint func(string) colour) {
	const wordsW, shapeW = 88.0, 3.6
	// Names of implementing acts are long; the shapes give way to them, and
	// where those of one law do not fit beside the words, all stand below.
	lawW := 26.0
	for _, l := range p.laws() {
		lawW = max(lawW, min(p.measure(strong, l)+4, 62))
	}
	shapesX, shapesY := lawW+wordsW, 0.0
	perLine := int((width - shapesX) / shapeW)
	if most > perLine {
		shapesX, shapesY = lawW, body.height()
		perLine = int((width - shapesX) / shapeW)
	}
	h := shapesY + body.height()*float64(1+(len(shapes)-1)/perLine)
	p.need(h + 2)
	p.put(strong, left, p.y, p.cut(strong, lawW-2, law))
	x := left + lawW
	for _, g := range []struct {
		shape, words string
		n            int
	}{
		{shapeGood, "supported", n[reports.Supported]}, {shapeWork, verb(n[reports.NeedsWork], "needs someone", "need someone"), n[reports.NeedsWork]},
		{shapeUnclear, "cannot be told", n[reports.CannotTell]}, {shapeOutside, "not applicable", n[reports.Outside]},
	} {
		if g.n == 0 {
			continue
		}
		x += p.put(strong.in(paint(g.shape)), x, p.y, g.shape) + 1.2
		x += p.put(body, x, p.y, fmt.Sprintf("%d %s", g.n, g.words)) + 4
	}
	for i, s := range shapes {
		p.put(strong.in(paint(s)), left+shapesX+float64(i%perLine)*shapeW, p.y+shapesY+float64(i/perLine)*body.height(), s)
	}
	p.y += h + 0.8
	p.hline()
	p.space(1.2)
}

// heading is a small heading on page one.
func (p *pack) heading(s string) {
	p.need(20)
	p.text(head2.at(10).in(accent), left, width, s)
	p.space(1.2)
}

func (p *pack) runNumbers() {
	r := p.doc.Coverage.Runs
	p.heading("How the looking went")
	cells := []struct {
		n    int
		word string
		says string
	}{
		{r.Expected, "expected", "looks that were due"}, {r.Done, "done", "found something new"}, {r.Empty, "empty", "complete, nothing new"},
		{r.Partial, "partial", "incomplete"}, {r.Failed, "failed", "could not look"}, {r.Missed, "missed", "nobody looked"},
	}
	w := width / float64(len(cells))
	p.need(18)
	for i, c := range cells {
		x := left + float64(i)*w
		col := ink
		if i > 2 && c.n > 0 {
			col = bad
		}
		p.put(body.at(15).in(col), x, p.y, reports.Number(int64(c.n)))
		p.put(strong, x, p.y+7.2, c.word)
		p.put(tiny, x, p.y+11.4, c.says)
	}
	p.y += 17.5
}

var rungs = []string{"local", "receipt", "elsewhere", "object lock", "time-stamp", "witness"}

// anchor shows how far the closing checkpoint is fixed outside, and which
// attack that leaves open.
func (p *pack) anchor() {
	p.heading("How far the log is fixed from outside")
	p.need(24)
	w := width / float64(len(rungs))
	for i, r := range rungs {
		x, h := left+float64(i)*w, 1.6
		switch {
		case i <= p.doc.Anchor.Rung:
			p.fill(accent, x, p.y, w-1.5, h)
		default:
			p.box(rule, 0.2, x, p.y, w-1.5, h)
		}
		f := small
		if i == p.doc.Anchor.Rung {
			f = label.in(ink)
		}
		p.put(f.at(6.5), x, p.y+2.4, fmt.Sprintf("%d  %s", i, r))
	}
	p.y += 7
	p.text(body, left, width, fmt.Sprintf("Rung %d: %s", p.doc.Anchor.Rung, sentence(p.doc.Anchor.Says)))
	if p.doc.Anchor.LeavesOpen != "" {
		p.text(body, left, width, "Left open: "+sentence(p.doc.Anchor.LeavesOpen))
	}
	p.space(3)
}

// sentence gives s its final stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// scope says what the pack is, for whom, and what fixes it.
func (p *pack) scope() {
	d := p.doc
	p.heading("Scope")
	what := "selection"
	if d.Complete {
		what = "complete"
	}
	records := fmt.Sprintf("%s, %s: seq %s to %s", what, reports.Count(int(d.Size-d.FirstSeq), "record"), reports.Number(int64(d.FirstSeq)), reports.Number(int64(d.Size)-1))
	if d.Size <= d.FirstSeq {
		records = "none"
	}
	p.facts([]fact{
		{"period", reports.Stamp(d.Period.From, nil) + " up to " + reports.Stamp(d.Period.To, nil), false},
		{"log", d.Origin, false},
		{"records", records, false},
		{"withheld", p.withheld(), false},
		{"purpose", or(d.Purpose, "not stated"), false},
		{"recipient", or(d.Recipient, "not stated"), false},
		{"made", reports.Stamp(d.Generated, nil) + " by " + d.Program, false},
		{"maker", d.Maker.Name, false},
		{"key fingerprint", d.Maker.Fingerprint, true},
		{"closing root", d.Root.String(), true},
		{"data digest", d.DataDigest.String(), true},
	})
}

func (p *pack) withheld() string {
	if len(p.doc.Withheld) == 0 {
		return "nothing"
	}
	var parts []string
	for _, w := range p.doc.Withheld {
		s := reports.Count(w.Count, w.Claim+" claim") + " (" + w.Reason
		if w.Seq > 0 {
			s += fmt.Sprintf(", record %d", w.Seq)
		}
		parts = append(parts, s+")")
	}
	return strings.Join(parts, "; ")
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
