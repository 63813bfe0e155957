package pack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// readCoverage keeps what a record says was seen of a source.
func (l *learned) readCoverage(lf *chain.Leaf, plain []byte) error {
	var f evidence.CoverageFacts
	if err := openFacts(plain, &f); err != nil {
		return err
	}
	if n := f.Runs; min(n.Expected, n.Done, n.Empty, n.Partial, n.Failed, n.Missed) < 0 || max(n.Expected, n.Done, n.Empty, n.Partial, n.Failed, n.Missed) > mostRuns {
		return fmt.Errorf("it counts runs of %s that cannot be", f.Source)
	}
	for _, s := range f.Spans {
		for _, ms := range s.Looks {
			if ms < 0 || ms > longestPause {
				return fmt.Errorf("it tells of looks at %s that cannot be", f.Source)
			}
		}
		span := f.Span(s, lf.Seq)
		for _, k := range s.Kinds {
			key := seen{f.Source, k}
			l.spans[key] = append(l.spans[key], span)
		}
		if l.laid += len(s.Kinds) * (1 + len(span.Looks)); l.laid > mostLaid {
			return fmt.Errorf("the coverage records up to here tell of more than %d looks, which is more than a pack is checked for", mostLaid)
		}
	}
	l.runs = append(l.runs, evidence.CoverageFacts{Source: f.Source, Period: f.Period, Runs: f.Runs})
	return nil
}

// readSegment keeps until when records of the log were retired.
func (l *learned) readSegment(plain []byte) error {
	var f evidence.SegmentFacts
	if err := openFacts(plain, &f); err != nil {
		return err
	}
	if f.Act == evidence.SegmentRetired && f.Newest.After(l.retired) {
		l.retired = f.Newest
	}
	return nil
}

// A count below zero would take back what an earlier record counted, and numbers
// that are too large would wrap around.
const (
	mostRuns     = 1 << 32
	longestPause = 1 << 41 // milliseconds, some 70 years
)

// mostLaid bounds the looks of all kinds that are laid out again: a little more
// than two hundred sources of four kinds that are looked at each minute of half
// a year.
const mostLaid = 1 << 28

// chart is coverage.json, as far as a verifier reads it.
type chart struct {
	Tenant  evidence.Tenant                          `json:"tenant"`
	Origin  string                                   `json:"origin"`
	Size    uint64                                   `json:"size"`
	Period  evidence.Period                          `json:"period"`
	Rows    []chartRow                               `json:"rows"`
	Runs    evidence.RunCounts                       `json:"runs"`
	Sources map[evidence.SourceID]evidence.RunCounts `json:"runs_by_source"`
	Blind   []chartBlind                             `json:"blind"`
}

type chartRow struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"`
	Strips []chartStrip      `json:"strips"`
}

type chartStrip struct {
	From  time.Time      `json:"from"`
	To    time.Time      `json:"to"`
	Class evidence.Class `json:"class"`
	Cause string         `json:"cause"`
}

type chartBlind struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"`
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Cause  string            `json:"cause"`
	Looked bool              `json:"looked"`
}

// covered holds coverage.json against the coverage records of the pack. What
// was seen of the period was recorded after the period's begin, and so in the
// range.
func (v *verifier) covered() error {
	var c chart
	if err := v.readLoose(memberCoverage, &c); err != nil {
		return err
	}
	if c.Tenant != v.m.Tenant || c.Origin != v.m.Origin || c.Size != v.m.Closing.Size || c.Period != v.m.Period {
		return fmt.Errorf("member %s is of another tenant, log, size or period", memberCoverage)
	}
	said, err := c.rows()
	if err != nil {
		return err
	}
	for _, key := range slices.SortedFunc(maps.Keys(v.spans), seen.compare) {
		if said[key] == nil && slices.ContainsFunc(v.spans[key], func(s evidence.Span) bool { return s.Period.Overlaps(c.Period) }) {
			return fmt.Errorf("%s has no row of %s, of which records of the pack tell", memberCoverage, key)
		}
	}
	v.rows = said
	for _, key := range slices.SortedFunc(maps.Keys(said), seen.compare) {
		if len(v.spans[key]) == 0 {
			return fmt.Errorf("%s has a row of %s, of which no record of the pack tells", memberCoverage, key)
		}
		if err := said[key].holds(key, v.spans[key], c.Period); err != nil {
			return err
		}
	}
	runs := c.counted(v.runs)
	if err := c.blindAsRows(runs, v.retired); err != nil {
		return err
	}
	return c.runsAs(runs)
}

// seen is what is said of a kind of a source.
type seen struct {
	source evidence.SourceID
	kind   evidence.Kind
}

func (s seen) String() string { return string(s.source) + ", " + string(s.kind) }

// rows returns the rows by what they are of. The stretches of each fill the
// period in order.
func (c *chart) rows() (map[seen]*chartRow, error) {
	said := map[seen]*chartRow{}
	for i := range c.Rows {
		row := &c.Rows[i]
		at := c.Period.From
		for _, s := range row.Strips {
			if !s.From.Equal(at) || !s.From.Before(s.To) {
				return nil, fmt.Errorf("%s: stretches of %s do not follow one another at %s", memberCoverage, row.Source, evidence.FormatTime(s.From))
			}
			at = s.To
		}
		if !at.Equal(c.Period.To) {
			return nil, fmt.Errorf("%s: stretches of %s end at %s", memberCoverage, row.Source, evidence.FormatTime(at))
		}
		if len(row.Kinds) == 0 {
			return nil, fmt.Errorf("%s has a row of %s without kinds", memberCoverage, row.Source)
		}
		for _, k := range row.Kinds {
			key := seen{row.Source, k}
			if said[key] != nil {
				return nil, fmt.Errorf("%s has two rows of %s", memberCoverage, key)
			}
			said[key] = row
		}
	}
	return said, nil
}

// leastSeam is how far apart two looks may lie without being told as a hole,
// however often the source was looked at in what the pack holds.
const leastSeam = 15 * time.Minute

// holds compares a row with what records say, stretch by stretch.
func (r *chartRow) holds(key seen, spans []evidence.Span, period evidence.Period) error {
	told := &evidence.Coverage{}
	told.Add(spans...)
	told = told.Within(period)
	// Between two looks at a polled source nothing is claimed, and the writer,
	// who knows the looks just outside of the pack too, joins looks that lie
	// as far apart as usual and half as much again. Twice that is no seam.
	most := longestPause * time.Millisecond
	seam := max(leastSeam, 3*min(told.UsualInterval(key.source, key.kind), most))
	laid := layOut(told.Spans(), period)
	// What was polled or blind goes on until a look is overdue, also behind what
	// ends just as the period begins.
	var on []evidence.Span
	if end := laid[len(laid)-1]; end.Class == "" {
		late := max(seam, 3*min(told.Interval(key.source, key.kind, end.Period.From), most))
		if end.Period.Duration() <= late {
			on = endedBest(told.Spans(), end.Period.From)
		}
	}
	causes := causesOf(told.Spans())
	next := 0
	for _, is := range laid {
		for next < len(r.Strips) && !r.Strips[next].To.After(is.Period.From) {
			next++
		}
		for _, s := range r.Strips[next:] {
			if !s.From.Before(is.Period.To) {
				break
			}
			joined := is.Class == "" && s.Class == evidence.Instants && is.Period.Duration() <= seam
			goesOn := is.Class == "" && is.Period.To.Equal(period.To) && len(on) > 0 && s.Class == on[0].Class
			if s.Class != is.Class && !joined && !goesOn {
				return fmt.Errorf("%s says that %s was seen as %q at %s, the records of the pack say %q", memberCoverage, key, s.Class, evidence.FormatTime(is.Period.From), is.Class)
			}
		}
	}
	for _, s := range r.Strips {
		goesOn := s.To.Equal(period.To) && slices.ContainsFunc(on, func(is evidence.Span) bool { return is.Class == evidence.Blind && is.Cause == s.Cause })
		if s.Class == evidence.Blind && !causes.tell(s) && !goesOn {
			return fmt.Errorf("%s says that %s was not seen at %s because of %q, which no record of the pack tells", memberCoverage, key, evidence.FormatTime(s.From), s.Cause)
		}
	}
	return nil
}

// endedBest returns the spans that end at a time, those of the best class; none when
// that is a class that does not go on.
func endedBest(spans []evidence.Span, at time.Time) []evidence.Span {
	best := 0
	for _, s := range spans {
		if s.Period.To.Equal(at) {
			best = max(best, s.Class.Rank())
		}
	}
	var ended []evidence.Span
	for _, s := range spans {
		if s.Period.To.Equal(at) && s.Class.Rank() == best && (s.Class == evidence.Instants || s.Class == evidence.Blind) {
			ended = append(ended, s)
		}
	}
	return ended
}

// classes are those of coverage by their rank.
var classes = [4]evidence.Class{evidence.Blind, evidence.Reconstructed, evidence.Instants, evidence.Continuous}

// layOut gives the best class that spans claim, stretch by stretch; neighbours
// differ, and together they fill the period.
func layOut(spans []evidence.Span, period evidence.Period) []evidence.Strip {
	type edge struct {
		at   time.Time
		rank int
		by   int // spans more, or fewer
	}
	var edges []edge
	for _, s := range spans {
		if in, ok := s.Period.Intersect(period); ok {
			edges = append(edges, edge{in.From, s.Class.Rank(), 1}, edge{in.To, s.Class.Rank(), -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	edges = append(edges, edge{at: period.To})
	var strips []evidence.Strip
	var open [len(classes)]int
	at := period.From
	for _, e := range edges {
		if at.Before(e.at) {
			class := evidence.Class("")
			for rank, n := range open {
				if n > 0 {
					class = classes[rank]
				}
			}
			if n := len(strips); n > 0 && strips[n-1].Class == class {
				strips[n-1].Period.To = e.at
			} else {
				strips = append(strips, evidence.Strip{Period: evidence.Period{From: at, To: e.at}, Class: class})
			}
			at = e.at
		}
		open[e.rank] += e.by
	}
	return strips
}

// causes are the blind spans of each cause in order of their begin, each with the
// latest end up to it.
type causes map[string][]evidence.Period

func causesOf(spans []evidence.Span) causes {
	cs := causes{}
	for _, s := range spans { // in order of their begin
		if s.Class != evidence.Blind {
			continue
		}
		p := s.Period
		if n := len(cs[s.Cause]); n > 0 && cs[s.Cause][n-1].To.After(p.To) {
			p.To = cs[s.Cause][n-1].To
		}
		cs[s.Cause] = append(cs[s.Cause], p)
	}
	return cs
}

// tell reports whether a record tells the cause of a blind stretch.
func (cs causes) tell(s chartStrip) bool {
	list := cs[s.Cause]
	n, _ := slices.BinarySearchFunc(list, s.To, func(p evidence.Period, to time.Time) int { return p.From.Compare(to) })
	return n > 0 && list[n-1].To.After(s.From)
}

// counted counts the runs of the period by source, as records tell them.
func (c *chart) counted(told []evidence.CoverageFacts) map[evidence.SourceID]evidence.RunCounts {
	by := map[evidence.SourceID]evidence.RunCounts{}
	for _, f := range told {
		if evidence.RunsIn(c.Period, f.Period) {
			n := by[f.Source]
			n.Add(f.Runs)
			by[f.Source] = n
		}
	}
	return by
}

// hasRow reports whether anything is said of what a source was seen of.
func (c *chart) hasRow(id evidence.SourceID) bool {
	return slices.ContainsFunc(c.Rows, func(r chartRow) bool { return r.Source == id })
}

// blindAsRows requires that the list of blind windows is what the rows say, and
// that of a source that was due and has no row it says that nothing was seen, all
// over the period but for what was retired.
func (c *chart) blindAsRows(runs map[evidence.SourceID]evidence.RunCounts, retired time.Time) error {
	var want []chartBlind
	for _, row := range c.Rows {
		for _, s := range row.Strips {
			if s.Class.Rank() == 0 {
				want = append(want, chartBlind{row.Source, row.Kinds, s.From, s.To, s.Cause, s.Class == evidence.Blind})
			}
		}
	}
	for id, n := range runs {
		if n.Expected == 0 || c.hasRow(id) {
			continue
		}
		from := c.Period.From
		if retired.After(from) && retired.Before(c.Period.To) {
			want = append(want, chartBlind{Source: id, From: from, To: retired, Cause: evidence.CauseRetired})
			from = retired
		}
		want = append(want, chartBlind{Source: id, From: from, To: c.Period.To, Cause: evidence.CauseUnseen, Looked: n.Looked()})
	}
	order := func(x, y chartBlind) int { return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Source, y.Source)) }
	slices.SortStableFunc(want, order)
	same := func(x, y chartBlind) bool {
		return x.Source == y.Source && x.From.Equal(y.From) && x.To.Equal(y.To) && x.Cause == y.Cause && x.Looked == y.Looked && slices.Equal(x.Kinds, y.Kinds)
	}
	if !slices.EqualFunc(want, c.Blind, same) {
		return fmt.Errorf("%s: its blind windows are not those of its rows and of the sources without one", memberCoverage)
	}
	return nil
}

// runsAs requires that runs are those of the records, for every source that was
// due.
func (c *chart) runsAs(runs map[evidence.SourceID]evidence.RunCounts) error {
	for _, row := range c.Rows {
		if _, ok := c.Sources[row.Source]; !ok {
			return fmt.Errorf("%s counts no runs of %s", memberCoverage, row.Source)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		if _, ok := c.Sources[id]; !ok && runs[id].Expected > 0 {
			return fmt.Errorf("%s counts no runs of %s", memberCoverage, id)
		}
	}
	var all evidence.RunCounts
	for _, id := range slices.Sorted(maps.Keys(c.Sources)) {
		if n := c.Sources[id]; runs[id] != n {
			return fmt.Errorf("%s counts other runs of %s than the records of the pack", memberCoverage, id)
		}
		all.Add(c.Sources[id])
	}
	if all != c.Runs {
		return fmt.Errorf("%s: the runs of all sources are not those of each", memberCoverage)
	}
	return nil
}
