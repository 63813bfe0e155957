package coverage

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Text writes the chart for people. The first lines say whether anything was
// missed; the chart, the runs and the blind windows follow.
func Text(w io.Writer, c *reports.CoverageChart, style reports.Style) error {
	var b strings.Builder
	_ = style.Headline(&b, style.Bold, headline(c)) // a builder takes all
	if c.Demo {
		style.Headline(&b, style.Bad, reports.Demonstration)
	}
	b.WriteByte('\n')
	if len(c.Rows) > 0 {
		chart(&b, c, style)
		b.WriteByte('\n')
		_ = style.Headline(&b, style.Dim, "# continuous   : a look   - between looks, nothing claimed   = reconstructed   . blind   (space) nobody looked")
		b.WriteByte('\n')
	}
	runs(&b, c, style)
	windows(&b, c, style)
	totals(&b, c, style)
	_ = style.Paragraph(&b, fmt.Sprintf("%-*s", runsW, "RECORDS"), fmt.Sprintf("as known at log size %d of %s", c.Size, c.Origin))
	_, err := io.WriteString(w, b.String())
	return err
}

const runsW = 11

// totals tells where a source counts otherwise than we do, with the question
// that was asked.
func totals(b *strings.Builder, c *reports.CoverageChart, style reports.Style) {
	if c.Counted == nil {
		return
	}
	line := func(text string) {
		_ = style.Paragraph(b, fmt.Sprintf("%-*s", runsW, "COUNTED"), reports.Terminal(text))
	}
	if c.Counted.Agreed > 0 {
		line(reports.Count(c.Counted.Agreed, "list") + " as long as the source counts")
	}
	for _, d := range c.Counted.Differs {
		text := fmt.Sprintf("%s, %s: the source counts %d, %d came", d.Source, d.What, d.SourceCount.Source, d.Ours)
		if d.Query != "" {
			text += " (asked: " + d.Query + ")"
		}
		line(fmt.Sprintf("%s, %s UTC, record %d", text, d.At.UTC().Format("2 Jan 15:04"), d.Seq))
	}
	if c.Counted.Cut > 0 {
		line(fmt.Sprintf("%d more differ", c.Counted.Cut))
	}
}

func headline(c *reports.CoverageChart) string {
	when := reports.Span(c.Period.From, c.Period.To) + " (UTC)"
	if len(c.Sources) == 0 {
		return fmt.Sprintf("Not known: no source claims to have looked at %s, %s.", c.Tenant, when)
	}
	sources := reports.Count(len(c.Sources), "source")
	if len(c.Rows) == 0 {
		return fmt.Sprintf("Not known: of %s nothing was seen for %s, %s.", sources, c.Tenant, when)
	}
	var bad, ahead []evidence.SourceID
	holes := 0
	for i := range c.Blind {
		b, in := &c.Blind[i], &bad
		if b.Ahead() {
			in = &ahead
		} else {
			holes++
		}
		if !slices.Contains(*in, b.Source) {
			*in = append(*in, b.Source)
		}
	}
	end := ""
	if n := len(ahead); n > 0 {
		end = fmt.Sprintf(", but for the end, which the next look at %d of them is to tell", n)
	}
	if holes == 0 {
		return fmt.Sprintf("%s of %s saw all of %s%s.", sources, c.Tenant, when, end)
	}
	return fmt.Sprintf("%d of %s of %s did not see all of %s: %s%s.", len(bad), sources, c.Tenant, when, reports.Count(holes, "blind window"), strings.Replace(end, "but for", "beside", 1))
}

// chart draws the rows. The time axis is cut into days, or shorter or longer
// steps, that all have the same number of cells.
func chart(b *strings.Builder, c *reports.CoverageChart, style reports.Style) {
	nameW := 8
	for _, r := range c.Rows {
		nameW = max(nameW, min(24, reports.TextWidth(string(r.Source))))
	}
	step, cells := steps(c.Period, style.Columns()-nameW-2)
	ticks := ticksOf(c.Period, step)
	fmt.Fprintf(b, "%-*s", nameW, "")
	for i, t := range ticks {
		b.WriteString(" " + pad(tickLabel(t, step, cells, i == 0), cells))
	}
	trim(b)
	page, last := reports.NewPage(b, style), evidence.SourceID("")
	for _, r := range c.Rows {
		name := string(r.Source)
		if r.Source == last {
			name = ""
		}
		last = r.Source
		fmt.Fprintf(b, "%s", pad(reports.CutText(reports.Terminal(name), nameW), nameW))
		for _, t := range ticks {
			b.WriteByte(' ')
			width := step / time.Duration(cells)
			for i := range cells {
				from := t.Add(time.Duration(i) * width)
				b.WriteByte(sign(r, evidence.Period{From: from, To: from.Add(width)}, c.Period))
			}
		}
		trim(b)
		page.PaintedPara(strings.Repeat(" ", nameW+1), style.Dim, rowNote(r))
	}
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-reports.TextWidth(s))) }

// trim ends the line without trailing space.
func trim(b *strings.Builder) {
	s := strings.TrimRight(b.String(), " ")
	b.Reset()
	b.WriteString(s + "\n")
}

// steps chooses the step of the axis and how many cells each has.
func steps(p evidence.Period, width int) (time.Duration, int) {
	const day = 24 * time.Hour
	for _, s := range []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, day, 7 * day, 28 * day, 91 * day, 364 * day} {
		n := len(ticksOf(p, s))
		for _, cells := range []int{12, 8, 7, 6} {
			if n*(cells+1) <= width && n <= 14 {
				return s, cells
			}
		}
	}
	return 3640 * day, 7
}

func ticksOf(p evidence.Period, step time.Duration) []time.Time {
	start := p.From.Truncate(step)
	if step > 24*time.Hour {
		start = p.From.Truncate(24 * time.Hour)
	}
	var ts []time.Time
	for t := start; t.Before(p.To) && len(ts) < 1000; t = t.Add(step) {
		ts = append(ts, t)
	}
	return ts
}

func tickLabel(t time.Time, step time.Duration, cells int, first bool) string {
	switch {
	case step >= 24*time.Hour:
		return t.Format("2 Jan")
	case (first || t.Hour() == 0 && t.Minute() == 0) && cells >= 12:
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}

// sign picks the sign of a cell: blindness of a tenth of it shows, else the
// class that holds for most of it; a polled cell without a look of its own has
// the sign for between looks. Outside the period it is blank.
func sign(r reports.CoverageRow, cell, period evidence.Period) byte {
	in, ok := cell.Intersect(period)
	if !ok {
		return ' '
	}
	i, _ := slices.BinarySearchFunc(r.Looks, in.From, time.Time.Compare)
	looked := i < len(r.Looks) && in.Contains(r.Looks[i])
	switch s := best(r, in); {
	case s == ':' && !looked:
		return '-'
	case s == ' ' && looked:
		return ':'
	default:
		return s
	}
}

// best returns the sign of the class that holds for most of a cell.
func best(r reports.CoverageRow, in evidence.Period) byte {
	var lasting [5]time.Duration
	for _, s := range r.Strips {
		if x, ok := (evidence.Period{From: s.From, To: s.To}).Intersect(in); ok {
			i := s.Class.Rank()
			if s.Class == evidence.Blind {
				i = 4
			}
			lasting[i] += x.Duration()
		}
	}
	if lasting[4] > in.Duration()/10 {
		return '.'
	}
	most := 0
	for i := 1; i < 4; i++ {
		if lasting[i] > lasting[most] {
			most = i
		}
	}
	if lasting[most] == 0 && lasting[4] > 0 {
		return '.'
	}
	return " =:#"[most]
}

// rowNote says in words what the row shows.
func rowNote(r reports.CoverageRow) string {
	var classes []string
	var causes []string
	for _, s := range r.Strips {
		if w := s.Words(); !slices.Contains(classes, w) {
			classes = append(classes, w)
		}
		if s.Cause != "" && s.Class.Rank() > 0 && !slices.Contains(causes, s.Cause) {
			causes = append(causes, s.Cause)
		}
	}
	var kinds []string
	for _, k := range r.Kinds {
		kinds = append(kinds, string(k))
	}
	s := strings.Join(classes, ", ")
	if n := len(r.Looks); n > 0 {
		s += fmt.Sprintf(" (%s)", reports.Count(n, "look"))
	}
	if len(causes) > 0 {
		s += ": " + strings.Join(causes, "; ")
	}
	return reports.Terminal(s + "  [" + strings.Join(kinds, " ") + "]")
}

func runs(b *strings.Builder, c *reports.CoverageChart, style reports.Style) {
	n := func(i int) string { return reports.Number(int64(i)) }
	line := func(label string, r evidence.RunCounts, name string) {
		_ = style.Paragraph(b, fmt.Sprintf("%-*s", runsW, label), fmt.Sprintf("expected %s   done %s   empty %s   partial %s   failed %s   missed %s%s",
			n(r.Expected), n(r.Done), n(r.Empty), n(r.Partial), n(r.Failed), n(r.Missed), name))
	}
	line("RUNS", c.Runs, "")
	var ids []evidence.SourceID
	for id, r := range c.Sources {
		if r.Partial+r.Failed+r.Missed > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		line("", c.Sources[id], "   "+reports.Terminal(string(id)))
	}
}

func windows(b *strings.Builder, c *reports.CoverageChart, style reports.Style) {
	page, label := reports.NewPage(b, style), "BLIND"
	switch {
	case len(c.Sources) == 0:
		fmt.Fprintf(b, "%-*sall of it: nobody looked\n", runsW, label)
	case len(c.Blind) == 0:
		fmt.Fprintf(b, "%-*snone\n", runsW, label)
	}
	for _, w := range c.Blind {
		var kinds []string
		for _, k := range w.Kinds {
			kinds = append(kinds, string(k))
		}
		s := fmt.Sprintf("%s %s UTC (%s): %s", w.Source, reports.Span(w.From, w.To), reports.Spell(w.To.Sub(w.From)), w.Says())
		if n := c.Sources[w.Source]; w.Cause == evidence.CauseUnseen {
			s += fmt.Sprintf(" (of %s due %s failed, %s missed)", reports.Count(n.Expected, "run"), reports.Number(int64(n.Failed)), reports.Number(int64(n.Missed)))
		}
		if w.Seq > 0 {
			s += fmt.Sprintf(", record %d", w.Seq)
		}
		if len(kinds) > 0 {
			s += "  [" + strings.Join(kinds, " ") + "]"
		}
		page.PaintedPara(fmt.Sprintf("%-*s", runsW, label), style.Warn, s)
		label = ""
	}
}
