package timeline

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// Text writes the lines for people, a heading for each UTC day, and at the end
// how many there were. It stops at the first error of the lines.
func Text(w io.Writer, head Head, lines iter.Seq2[Line, error], style reports.Style) error {
	b := bufio.NewWriter(w)
	p := reports.NewPage(b, style)
	p.Headline(fmt.Sprintf("What happened in %s, %s (UTC)", head.Tenant, reports.Span(head.Period.From, head.Period.To)), false)
	p.Head(style.Dim, fmt.Sprintf("as known at log size %d of %s", head.Size, head.Origin))
	if head.Demo {
		p.Head(style.Bad, reports.Demonstration)
	}
	p.Line("")
	day, records, gaps := "", 0, 0
	for l, err := range lines {
		if err != nil {
			return cmpErr(b.Flush(), err)
		}
		if d := l.At.UTC().Format("Monday 2 January 2006"); d != day {
			if day != "" {
				p.Line("")
			}
			day = d
			p.Line(style.Bold(d + " (UTC)"))
		}
		if l.Gap {
			gaps++
		} else {
			records += max(1, l.Count)
		}
		textLine(p, l)
	}
	if day != "" {
		p.Line("")
	}
	p.Para("", fmt.Sprintf("%s, %s. ~ when we saw it, ? as claimed, else the source's own time.", reports.Count(records, "record"), reports.Count(gaps, "blind window")))
	return cmpErr(b.Flush(), p.Err())
}

func cmpErr(flush, err error) error {
	if err != nil {
		return err
	}
	return flush
}

// textLine writes "12:58:44  record  sentence  [source]", wrapped. A time that
// is not the source's own word is marked: ~ observed by us, ? claimed.
func textLine(p *reports.Page, l Line) {
	mark := " "
	switch l.Basis {
	case evidence.BasisObserved:
		mark = "~"
	case evidence.BasisClaimed:
		mark = "?"
	}
	number := strconv.FormatUint(l.Seq, 10)
	if l.Gap {
		mark, number = " ", "BLIND"
	}
	head := fmt.Sprintf("%s%s %7s  ", mark, l.At.UTC().Format("15:04:05"), number)
	says := l.Says
	if !l.NotBefore.IsZero() {
		says += ", not so at " + reports.Near(l.NotBefore, l.At)
	}
	if n := l.several(); n != "" {
		says += ": " + n
	}
	if after := l.after(); after != "" {
		says += "  (after " + after + ")"
	}
	if l.Source != "" {
		says += "  [" + string(l.Source) + "]"
	}
	paint := reports.Plain
	if l.Gap {
		paint = p.Style.Warn
	}
	p.PaintedPara(head, paint, says)
}

// after names the earlier records that the line follows.
func (l *Line) after() string {
	var seqs []string
	for _, f := range l.Follows {
		seqs = append(seqs, strconv.FormatUint(f.Record, 10))
	}
	return strings.Join(seqs, ", ")
}

// JSON writes one JSON object a line. It stops at the first error of the lines.
func JSON(w io.Writer, lines iter.Seq2[Line, error]) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for l, err := range lines {
		if err != nil {
			return cmpErr(b.Flush(), err)
		}
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("write timeline: %w", err)
		}
	}
	return b.Flush()
}

// CSVHeader names the columns of CSV.
var CSVHeader = []string{"time", "until", "basis", "record", "kind", "op", "source", "says", "who", "proof", "actor_tenant", "subject", "mark", "count", "after"}

// CSV writes the lines with a header (RFC 4180). Cells that a spreadsheet
// would run as a formula are made harmless, see reports.CSV. Several people of
// a record stand in one cell, separated by semicolons, roles before the names.
func CSV(w io.Writer, lines iter.Seq2[Line, error]) error {
	c := csv.NewWriter(w)
	if err := c.Write(CSVHeader); err != nil {
		return fmt.Errorf("write timeline: %w", err)
	}
	for l, err := range lines {
		if err != nil {
			c.Flush()
			return err
		}
		if err := c.Write(csvRow(l)); err != nil {
			return fmt.Errorf("write timeline: %w", err)
		}
	}
	c.Flush()
	return c.Error()
}

func csvRow(l Line) []string {
	var who, proofs []string
	for _, p := range l.Who {
		who = append(who, string(p.Role)+" "+p.Label)
		proofs = append(proofs, string(p.Proof))
	}
	kind := string(l.Kind)
	if l.Gap {
		kind = "blind"
	}
	seq := ""
	if l.Seq > 0 || !l.Gap {
		seq = strconv.FormatUint(l.Seq, 10)
	}
	mark := ""
	if l.Demo {
		mark = "DEMONSTRATION"
	}
	count := ""
	if l.Count > 0 {
		count = strconv.Itoa(l.Count)
	}
	row := []string{
		evidence.FormatTime(l.At), evidence.FormatTime(l.Until), string(l.Basis), seq, kind, string(l.Op), string(l.Source),
		l.Says, strings.Join(who, "; "), strings.Join(proofs, "; "), string(l.Actor), l.Subject, mark, count, l.after(),
	}
	for i := range row {
		row[i] = reports.CSV(row[i])
	}
	return row
}
