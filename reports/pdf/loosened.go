package pdf

import (
	"fmt"

	"evidenced/reports"
)

// loosened draws what in the range of the pack weakened the evidence, or asked less of it:
// who changed what, and when. It has its page even when there is nothing, so
// that its absence says nothing.
func (p *pack) loosened() {
	p.section("What loosened the evidence", "Changes from the pack's first record to its last, after which less was looked at, less often, or less was asked: a source removed or paused, a filter narrowed, a limit relaxed, a rule dropped. The same list is loosened.json; the verifier makes it again from the records.")
	if len(p.doc.Loosened) == 0 {
		p.para(body, "Nothing from the pack's first record to its last.")
		return
	}
	var rows [][]string
	for _, l := range p.doc.Loosened {
		by := or(l.By, "not recorded")
		for _, s := range l.Says {
			rows = append(rows, []string{l.At.UTC().Format("2 Jan 2006 15:04:05"), by, s, fmt.Sprint(l.Seq)})
		}
		for _, s := range l.Unclear {
			rows = append(rows, []string{l.At.UTC().Format("2 Jan 2006 15:04:05"), by, s + " (whether that asks for less cannot be told)", fmt.Sprint(l.Seq)})
		}
	}
	p.drawTable([]reports.RegisterColumn{{Title: "When (UTC)"}, {Title: "By"}, {Title: "What", Weight: 5}, {Title: "Record", Right: true}}, rows, 7.5)
}
