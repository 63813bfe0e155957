package trace

import (
	"fmt"
	"io"
	"strings"

	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// DOT writes the trace in the DOT language, for Graphviz and what reads it.
// Links that are only claimed or rest on a name are dashed, what stands beside
// the chain is dotted, a missing link ends in a box that says what it is.
func (a *Answer) DOT(w io.Writer) error {
	p := &printer{reports.NewPage(w, reports.Style{})}
	p.Line("digraph trace {")
	p.Line("  rankdir=LR;")
	p.Line("  node [shape=box, fontname=\"sans-serif\", fontsize=10];")
	p.Line("  edge [fontname=\"sans-serif\", fontsize=9];")
	title := a.Sentence
	if a.Demo {
		title += " " + reports.Demonstration
	}
	p.Line("  label=" + reports.DOT(title) + ";")
	p.Line("  labelloc=t;")
	number := map[string]int{}
	for i := range a.Items {
		it := &a.Items[i]
		number[it.ID] = i
		var style []string
		if it.Start {
			style = append(style, "penwidth=2")
		}
		if it.Beside {
			style = append(style, "style=dotted")
		}
		p.Line(fmt.Sprintf("  n%d [label=%s%s];", i, dotLines(it.lines()), attrs(style)))
	}
	for _, l := range a.Links {
		var style []string
		switch {
		case l.Beside:
			style = append(style, "style=dotted")
		case l.Proof != lineage.BySource:
			style = append(style, "style=dashed")
		}
		p.Line(fmt.Sprintf("  n%d -> n%d [label=%s, tooltip=%s%s];", number[l.From], number[l.To], reports.DOT(string(l.Step)), reports.DOT(because(&l)), attrs(style)))
	}
	for i, m := range a.Missing {
		n, ok := number[m.Node]
		if !ok {
			continue
		}
		p.Line(fmt.Sprintf("  m%d [label=%s, style=dashed, color=red];", i, dotLines([]string{"missing: " + m.What, whyWords[m.Why] + ": " + m.Says})))
		p.Line(fmt.Sprintf("  n%d -> m%d [style=dashed, color=red, arrowhead=none];", n, i))
	}
	p.Line("}")
	return p.Err()
}

// dotLines joins escaped lines to one label; \n is DOT's own line break.
func dotLines(lines []string) string {
	for i, l := range lines {
		q := reports.DOT(l)
		lines[i] = q[1 : len(q)-1]
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

func attrs(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return ", " + strings.Join(list, ", ")
}

// lines are what a box shows of a thing.
func (it *Item) lines() []string {
	lines := []string{strings.ToUpper(string(it.Stage)), reports.Shorten(it.Title, 60)}
	if it.Detail != "" {
		lines = append(lines, reports.Shorten(it.Detail, 60))
	}
	var who []string
	for _, p := range it.People {
		who = append(who, string(p.Role)+" "+p.Label)
	}
	if len(who) > 0 {
		lines = append(lines, reports.Shorten(strings.Join(who, ", "), 60))
	}
	if len(it.Records) > 0 {
		lines = append(lines, "record "+seqs(it.Records))
	}
	return lines
}
