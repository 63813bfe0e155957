package timeline

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// DocumentLines is how many lines a document of its own has at most: well over
// a hundred pages, which nobody reads from the first to the last.
const DocumentLines = 5000

// Document returns the timeline as a document, to be drawn. The picture counts
// all lines; beyond most of them the document says how many are left. Made is
// now, in UTC. It ends at the first error of the lines.
func Document(head Head, opt Options, lines iter.Seq2[Line, error], most int, program string, made time.Time) (*reports.TimelineDoc, error) {
	part, err := Part(head.Period, lines, most)
	if err != nil {
		return nil, err
	}
	d := &reports.TimelineDoc{
		Title: "What happened in " + head.Tenant.String(), Lead: reports.Span(head.Period.From, head.Period.To) + " (UTC), all sources merged.",
		Owner: head.Tenant.String(), Span: reports.Span(head.Period.From, head.Period.To), Program: program, Generated: made.UTC(), TimelinePart: *part,
		Facts: [][2]string{{"As known at", fmt.Sprintf("log size %d of %s", head.Size, head.Origin)}, {"Made", evidence.FormatTime(made)}},
	}
	if n := opt.narrowed(); n != "" {
		d.Lead = reports.Span(head.Period.From, head.Period.To) + " (UTC), narrowed down."
		d.Facts = append(d.Facts, [2]string{"Only", n})
	}
	if head.Demo {
		d.Marks = append(d.Marks, "DEMONSTRATION")
	}
	return d, nil
}

// narrowed says what of the timeline was asked for; empty when it was all.
func (o *Options) narrowed() string {
	var parts []string
	if len(o.Kinds) > 0 {
		var ks []string
		for _, k := range o.Kinds {
			ks = append(ks, string(k))
		}
		parts = append(parts, "kinds "+strings.Join(ks, ", "))
	}
	if o.Source != "" {
		parts = append(parts, "source "+string(o.Source))
	}
	if o.Link != (evidence.Ref{}) {
		parts = append(parts, "about "+o.Link.String())
	}
	if !o.Person.IsZero() {
		parts = append(parts, "of one person")
	}
	if o.NoGaps {
		parts = append(parts, "without blind windows")
	}
	return strings.Join(parts, "; ")
}

// Part returns what a document draws of the lines: all of them in the picture,
// at most so many by day.
func Part(p evidence.Period, lines iter.Seq2[Line, error], most int) (*reports.TimelinePart, error) {
	pic := newPicture(p)
	part := &reports.TimelinePart{Period: p}
	n := 0
	for l, err := range lines {
		if err != nil {
			return nil, err
		}
		pic.add(&l)
		if n++; n > most {
			part.Left++
			continue
		}
		day := l.At.UTC().Truncate(24 * time.Hour)
		if k := len(part.Days); k == 0 || !part.Days[k-1].Day.Equal(day) {
			part.Days = append(part.Days, reports.TimelineDay{Day: day})
		}
		d := &part.Days[len(part.Days)-1]
		d.Lines = append(d.Lines, l.drawn())
	}
	part.Records, part.Gaps = pic.records, pic.gaps
	for i, f := range families {
		part.Families = append(part.Families, reports.TimelineFamily{Title: f.title, Lines: pic.families[i]})
	}
	lanes := slices.SortedFunc(maps.Values(pic.lanes), func(a, b *lane) int { return cmp.Compare(a.source, b.source) })
	part.MoreLane = max(0, len(lanes)-mostLanes)
	for _, l := range lanes[:len(lanes)-part.MoreLane] {
		part.Lanes = append(part.Lanes, reports.TimelineLane{Source: cmp.Or(string(l.source), "(nobody looked)"), Counts: l.counts[:], Blind: l.blind})
	}
	return part, nil
}

// drawn is the line as a document shows it.
func (l *Line) drawn() reports.TimelineLine {
	out := reports.TimelineLine{
		At: l.At, Record: l.Seq, Blind: l.Gap, Says: l.Says, Times: l.several(), After: l.after(), Source: string(l.Source), Family: familyOf(l.Kind),
	}
	if !l.NotBefore.IsZero() {
		out.Says += ", not so at " + reports.Near(l.NotBefore, l.At)
	}
	switch {
	case l.Gap:
	case l.Basis == evidence.BasisObserved:
		out.Mark = "~"
	case l.Basis == evidence.BasisClaimed:
		out.Mark = "?"
	}
	return out
}
