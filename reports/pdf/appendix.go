package pdf

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// coverage draws what was seen of each source, and every blind window.
func (p *pack) coverage() {
	ch := &p.doc.Coverage
	p.section("Coverage", "What was seen of each source, in the source's own time, computed from the coverage records of this log alone. Where nobody looked, nothing is claimed.")
	if len(ch.Rows) == 0 {
		p.para(body, "No source claims any coverage in the period.")
	} else {
		p.strips(ch.Rows, p.doc.Period, nil)
		p.space(2)
		p.need(26)
		p.stripLegend()
	}
	p.sub("Runs by source", 24)
	p.runTable()
	p.sub("Blind windows", 20)
	if len(ch.Blind) == 0 {
		p.para(body, "None.")
		return
	}
	var rows [][]string
	for _, b := range ch.Blind {
		what := "nobody looked"
		if b.Looked {
			what = "blind: " + b.Cause
		} else if b.NotYet() || strings.HasPrefix(b.Cause, evidence.CauseQuiet) {
			what = b.Cause
		} else if b.Cause != "" && b.Cause != what {
			what += ": " + b.Cause
		}
		seq := ""
		if b.Seq > 0 {
			seq = fmt.Sprint(b.Seq)
		}
		rows = append(rows, []string{string(b.Source), b.From.UTC().Format("2 Jan 2006 15:04:05"), b.To.UTC().Format("2 Jan 2006 15:04:05"), reports.Spell(b.To.Sub(b.From)), what, seq})
	}
	p.drawTable([]reports.RegisterColumn{{Title: "Source"}, {Title: "From (UTC)"}, {Title: "To (UTC)"}, {Title: "Lasting"}, {Title: "Why", Weight: 3}, {Title: "Record", Right: true}}, rows, 7.5)
}

func (p *pack) runTable() {
	var rows [][]string
	var ids []evidence.SourceID
	for id := range p.doc.Coverage.Sources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	line := func(name string, r evidence.RunCounts) {
		row := []string{name}
		for _, n := range []int{r.Expected, r.Done, r.Empty, r.Partial, r.Failed, r.Missed} {
			row = append(row, reports.Number(int64(n)))
		}
		rows = append(rows, row)
	}
	for _, id := range ids {
		line(string(id), p.doc.Coverage.Sources[id])
	}
	line("all", p.doc.Coverage.Runs)
	cols := []reports.RegisterColumn{{Title: "Source"}}
	for _, t := range []string{"Expected", "Done", "Empty", "Partial", "Failed", "Missed"} {
		cols = append(cols, reports.RegisterColumn{Title: t, Right: true})
	}
	p.drawTable(cols, rows, 7.5)
}

// changes draws what changed in the evidence system itself.
func (p *pack) changes() {
	p.section("Changes to the evidence system", "Who watches the watcher: every configuration that was loaded in the period, every act of an administrator, every key. What loosens the evidence is marked.")
	if len(p.doc.Changes) == 0 {
		p.para(body, "None in the period.")
	}
	for _, c := range p.doc.Changes {
		p.change(c)
	}
}

func (p *pack) change(c reports.SystemChange) {
	p.need(16)
	p.text(strong, left, width, c.Summary)
	who := fmt.Sprintf("%s, record %d (%s)", reports.Stamp(c.At, nil), c.Seq, c.Kind)
	if c.By != "" {
		who += ", by " + c.By
	}
	p.text(small, left, width, who)
	for _, l := range c.Loosens {
		p.need(body.height())
		p.put(strong.in(bad), left, p.y, shapeWork)
		p.text(body, left+5, width-5, "loosens the evidence: "+l)
	}
	const shown = 60
	for i, l := range c.Diff {
		if i == shown {
			p.text(small, left+5, width-5, fmt.Sprintf("and %s more lines", reports.Number(int64(len(c.Diff)-shown))))
			break
		}
		p.text(code.at(7), left+5, width-5, l)
	}
	p.space(2)
	p.hline()
	p.space(2.5)
}

// custody draws how the evidence was held and what was withheld.
func (p *pack) custody() {
	p.section("Chain of custody", "How the records came here and who held them. Each step that is itself a record can be checked like any other.")
	var rows [][]string
	for _, s := range p.doc.Custody {
		seq := ""
		if s.Seq > 0 {
			seq = fmt.Sprint(s.Seq)
		}
		rows = append(rows, []string{s.At.UTC().Format("2 Jan 2006 15:04:05"), s.Step, s.By, seq, s.Hash})
	}
	if len(rows) == 0 {
		p.para(body, "No step is recorded.")
	} else {
		p.drawTable([]reports.RegisterColumn{{Title: "When (UTC)"}, {Title: "Step", Weight: 3}, {Title: "By"}, {Title: "Record", Right: true}, {Title: "Fixed by", Mono: true}}, rows, 7.5)
	}
	p.sub("Withheld", 8)
	p.para(body, "Withheld from this pack: "+p.withheld()+". A withheld claim still has its place, size and commitment in its record, so nothing can be slipped in or out.")
	p.sub("Earlier packs of overlapping scope", 10)
	if len(p.doc.Earlier) == 0 {
		p.para(body, "None.")
		return
	}
	rows = nil
	for _, e := range p.doc.Earlier {
		rows = append(rows, []string{e.Issued.UTC().Format("2 Jan 2006 15:04"), reports.Span(e.Period.From, e.Period.To), reports.Number(int64(e.Records)), fmt.Sprint(e.Seq), e.Manifest.String()})
	}
	p.drawTable([]reports.RegisterColumn{{Title: "Issued (UTC)"}, {Title: "Period"}, {Title: "Records", Right: true}, {Title: "Record", Right: true}, {Title: "Manifest SHA-256", Mono: true, Weight: 2}}, rows, 7.5)
}

var standardSteps = []string{
	"Get evidence-verify from a place you trust, not from whoever gave you this pack, or build it from source.",
	"Get the maker's public key in another way than this pack: by hand, from a contract, from your own earlier visit. Put it into a trust file. Its fingerprint must be the one under Scope, near the beginning of this document.",
	"Run: evidence-verify pack.zip --trust auditors.trust",
	"The first line of its output is the verdict. It names the tenant, the period and the number of records it read itself; compare them with Scope.",
	"The data digest it prints must equal the one under Scope. It binds this document to the data it was made from.",
}

// verify says how to check all this without the maker.
func (p *pack) verify() {
	p.section("How to verify without us", "Nothing in this document needs to be believed. The records, their proofs and the rules are in the pack; one small program that needs no network checks them.")
	steps := p.doc.Steps
	if len(steps) == 0 {
		steps = standardSteps
	}
	for i, s := range steps {
		p.need(body.height() * 2)
		p.put(strong.in(accent), left, p.y, fmt.Sprintf("%d", i+1))
		p.text(body, left+7, width-7, s)
		p.space(1.8)
	}
	p.sub("What you compare", 30)
	p.facts([]fact{
		{"log", p.doc.Origin, false},
		{"records", fmt.Sprintf("%s to %s", reports.Number(int64(p.doc.FirstSeq)), reports.Number(int64(p.doc.Size)-1)), false},
		{"closing root", p.doc.Root.String(), true},
		{"maker's key", strings.TrimSpace(p.doc.Maker.Name + "\n" + p.doc.Maker.Fingerprint), true},
		{"data digest", p.doc.DataDigest.String(), true},
	})
	p.sub("What verifying does not show", 20)
	p.bullet("It shows that the records are the ones that were sealed, whole and in order. It does not show that a source told the truth when it was asked.")
	p.bullet("It checks that this PDF is the file that was issued. It does not check the wording; the findings it words stand in findings.json and are recounted from the records.")
	if p.doc.Anchor.LeavesOpen != "" {
		p.bullet(fmt.Sprintf("At rung %d: %s", p.doc.Anchor.Rung, sentence(p.doc.Anchor.LeavesOpen)))
	}
}
