package api

import (
	"fmt"
	"strings"

	"evidenced/reports"
)

// page is the text of an answer.
type page struct{ *reports.Page }

// page begins the answer as text.
func (o *Out) page(style reports.Style) *page {
	return &page{reports.NewPage(o.begin(MediaText), style)}
}

// fact writes what is named, when there is something to say.
func (p *page) fact(name, text string) {
	if text != "" {
		p.Para(fmt.Sprintf("%-12s", name), text)
	}
}

// words are a fact that somebody wrote, line by line.
func (p *page) words(name, text string) {
	for l := range strings.SplitSeq(text, "\n") {
		p.fact(name, l)
		name = ""
	}
}

// list writes the rows of a list below its headline, and how many more there are
// that are over and not listed.
func (p *page) list(t *reports.Table, over int) {
	if t.Len() > 0 {
		p.Line("")
		p.Table(t)
	}
	if over > 0 {
		p.Line(p.Style.Dim(fmt.Sprintf("%d more %s over; --all lists them", over, reports.Are(over))))
	}
}
