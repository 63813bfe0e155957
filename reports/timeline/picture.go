package timeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Sizes of the picture, in user units.
const (
	picWide   = 1180
	picLeft   = 170 // names of the sources
	picRight  = 14
	picTop    = 34
	laneHigh  = 26
	buckets   = 240
	mostLanes = 24
)

// picture counts lines by source and time, and draws a lane for each source:
// how much it told when, by family, and where it was not seen. What it holds
// does not grow with the lines.
type picture struct {
	period   evidence.Period
	lanes    map[evidence.SourceID]*lane
	lines    int
	records  int
	gaps     int
	families []int
}

type lane struct {
	source evidence.SourceID
	n      int
	counts [buckets][]int // by family
	blind  []evidence.Period
}

func newPicture(p evidence.Period) *picture {
	return &picture{period: p, lanes: map[evidence.SourceID]*lane{}, families: make([]int, len(families))}
}

func (p *picture) lane(s evidence.SourceID) *lane {
	l := p.lanes[s]
	if l == nil {
		l = &lane{source: s}
		p.lanes[s] = l
	}
	return l
}

func (p *picture) bucket(t time.Time) int {
	whole := p.period.To.Sub(p.period.From)
	b := int(float64(t.Sub(p.period.From)) / float64(whole) * buckets)
	return min(max(b, 0), buckets-1)
}

func (p *picture) add(l *Line) {
	p.lines++
	lane := p.lane(l.Source)
	if l.Gap {
		p.gaps++
		lane.blind = append(lane.blind, evidence.Period{From: l.At, To: l.Until})
		return
	}
	n, f := max(1, l.Count), familyOf(l.Kind)
	p.records += n
	p.families[f]++
	lane.n += n
	b := &lane.counts[p.bucket(l.At)]
	if *b == nil {
		*b = make([]int, len(families))
	}
	(*b)[f] += n
}

func (p *picture) x(t time.Time) float64 {
	whole := float64(p.period.To.Sub(p.period.From))
	part := min(max(float64(t.Sub(p.period.From))/whole, 0), 1)
	return picLeft + part*(picWide-picLeft-picRight)
}

// draw writes the SVG. Colours come from the page's style.
func (p *picture) draw(out *page) {
	var lanes []*lane
	for _, l := range p.lanes {
		lanes = append(lanes, l)
	}
	slices.SortFunc(lanes, func(a, b *lane) int { return cmp.Compare(a.source, b.source) })
	cut := max(0, len(lanes)-mostLanes)
	lanes = lanes[:len(lanes)-cut]
	high := picTop + laneHigh*len(lanes) + 10
	if cut > 0 {
		high += 16
	}
	out.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-size="11">`+"\n", picWide, high,
		reports.SVG(fmt.Sprintf("%s from %s over time; the same stands in the list below", reports.Count(p.records, "record"), reports.Count(len(p.lanes), "source"))))
	out.put(`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke="var(--blind)" stroke-width="2.5"/></pattern></defs>` + "\n")
	p.axis(out, high-10)
	for i, l := range lanes {
		p.drawLane(out, l, picTop+laneHigh*i)
	}
	if cut > 0 {
		out.put(`<text x="4" y="%d" fill="var(--dim)">and %s more</text>`+"\n", high-8, reports.Count(cut, "source"))
	}
	out.put("</svg>\n")
}

func (p *picture) drawLane(out *page, l *lane, y int) {
	name := cmp.Or(string(l.source), "(nobody looked)")
	out.put(`<g><text x="4" y="%d" fill="var(--ink)">%s</text><path d="M%d %dH%d" stroke="var(--line)"/>`, y+17, reports.SVG(reports.Shorten(name, 25)), picLeft, y+laneHigh-3, picWide-picRight)
	for _, b := range l.blind {
		x := p.x(b.From)
		out.put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="url(#hatch)" opacity=".75"><title>%s</title></rect>`, x, y+2, max(2, p.x(b.To)-x), laneHigh-5,
			reports.SVG(fmt.Sprintf("%s was not seen: %s", l.source, reports.Span(b.From, b.To))))
	}
	most := 1
	for _, c := range l.counts {
		most = max(most, sum(c))
	}
	wide := float64(picWide-picLeft-picRight) / buckets
	for i, c := range l.counts {
		n := sum(c)
		if n == 0 {
			continue
		}
		// The square root lets a single record be seen beside a thousand.
		high := max(3, math.Sqrt(float64(n)/float64(most))*(laneHigh-6))
		top := float64(y + laneHigh - 3)
		from := p.period.From.Add(time.Duration(float64(p.period.To.Sub(p.period.From)) / buckets * float64(i)))
		out.put(`<g><title>%s</title>`, reports.SVG(fmt.Sprintf("%s: %s from %s on", l.source, reports.Count(n, "record"), from.UTC().Format("2 Jan 15:04"))))
		for f, k := range c {
			if k == 0 {
				continue
			}
			h := high * float64(k) / float64(n)
			top -= h
			out.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="var(--%s)"/>`, picLeft+float64(i)*wide, top, max(2, wide-.5), h, families[f].id)
		}
		out.put("</g>")
	}
	out.put("</g>\n")
}

// steps are the distances of times along the top, each a round one.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour, 91 * 24 * time.Hour,
}

// mostTicks is how many times stand along the top at most.
const mostTicks = 10

// ticks are round times of the period, in UTC.
func ticks(p evidence.Period) (at []time.Time, step time.Duration) {
	whole := p.To.Sub(p.From)
	for _, step = range steps {
		if whole/step < mostTicks {
			break
		}
	}
	for whole/step >= mostTicks {
		step *= 2
	}
	t := p.From.UTC().Truncate(step)
	if t.Before(p.From) {
		t = t.Add(step)
	}
	for ; !t.After(p.To); t = t.Add(step) {
		at = append(at, t)
	}
	return at, step
}

// axis writes round times along the top; midnight is its day.
func (p *picture) axis(out *page, bottom int) {
	all, step := ticks(p.period)
	for _, t := range all {
		form := "15:04"
		switch {
		case t.Truncate(24*time.Hour).Equal(t) && step >= time.Minute:
			form = "2 Jan"
		case step < time.Minute:
			form = "15:04:05"
		}
		x, anchor := p.x(t), "middle"
		if x > picWide-picRight-24 {
			anchor = "end"
		}
		out.put(`<path d="M%.1f %dV%d" stroke="var(--line)" stroke-dasharray="2 4"/><text x="%.1f" y="20" text-anchor="%s" fill="var(--dim)">%s</text>`+"\n", x, picTop-6, bottom, x, anchor, t.Format(form))
	}
}

func sum(list []int) int {
	n := 0
	for _, x := range list {
		n += x
	}
	return n
}
