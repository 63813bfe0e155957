package pack

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// readCoverage keeps what a record says was seen of a source.
func (l *learned) readCoverage(lf *chain.Leaf, plain []byte) error {
	var f coverageFacts
	if err := openFacts(plain, &f); err != nil {
		return err
	}
	if n := f.Runs; min(n.Expected, n.Done, n.Empty, n.Partial, n.Failed, n.Missed) < 0 || max(n.Expected, n.Done, n.Empty, n.Partial, n.Failed, n.Missed) > mostRuns {
		return fmt.Errorf("it counts runs of %s that cannot be", f.Source)
	}
	l.kept += weightOf + len(f.Source)
	for i := range f.Spans {
		if err := l.readSpan(f.Source, &f.Spans[i]); err != nil {
			return err
		}
	}
	l.runs = append(l.runs, ran{f.Source, f.Period, f.Runs})
	return nil
}

// readSpan keeps a stretch of a source.
func (l *learned) readSpan(id evidence.SourceID, s *evidence.CoverageSpan) error {
	for _, ms := range s.Looks {
		if ms < 0 || ms > longestPause {
			return fmt.Errorf("it tells of looks at %s that cannot be", id)
		}
	}
	if len(s.Kinds) == 0 {
		return nil
	}
	span := newSpan(s)
	looks := span.looked()
	for _, k := range s.Kinds {
		key := seen{id, k}
		l.spans[key] = append(l.spans[key], span)
		if l.looks[key] += looks; l.looks[key] > mostLooks {
			return fmt.Errorf("the coverage records up to here tell of more than %d looks at %s, which is more than a pack is checked for", mostLooks, key)
		}
		l.kept += weightKind + len(k)
	}
	l.kept += weightSpan + len(s.Cause) + weightLook*looks
	if l.laid += len(s.Kinds) * (1 + looks); l.laid > mostLaid {
		return fmt.Errorf("the coverage records up to here tell of more than %d looks, which is more than a pack is checked for", mostLaid)
	}
	return nil
}

// span is a stretch that a coverage record claims, without what nobody asks for:
// a pack holds millions.
type span struct {
	evidence.Period
	class evidence.Class
	cause string
	every time.Duration
	looks []byte // of instants: the pauses between them in milliseconds, as varints
}

func newSpan(s *evidence.CoverageSpan) *span {
	x := &span{Period: evidence.Period{From: s.From.UTC(), To: s.To.UTC()}, cause: s.Cause, every: s.Interval()}
	if i := slices.Index(classes[:], s.Class); i >= 0 {
		x.class = classes[i]
	}
	if x.class == evidence.Instants {
		x.looks = []byte{}
		for _, ms := range s.Looks {
			x.looks = binary.AppendUvarint(x.looks, uint64(ms))
		}
		x.looks = slices.Clip(x.looks)
	}
	return x
}

// looked counts the looks of a span.
func (s *span) looked() int {
	if s.looks == nil {
		return 0
	}
	n := 1
	for _, b := range s.looks {
		if b < 0x80 {
			n++
		}
	}
	return n
}

// appendLooks appends the instants of the looks.
func (s *span) appendLooks(ts []time.Time) []time.Time {
	if s.looks == nil {
		return ts
	}
	at := s.From
	ts = append(ts, at)
	for rest := s.looks; len(rest) > 0; {
		ms, n := binary.Uvarint(rest)
		at, rest = at.Add(time.Duration(ms)*time.Millisecond), rest[n:]
		ts = append(ts, at)
	}
	return ts
}

// usualInterval is [evidence.Coverage.UsualInterval] of the spans of one source and
// kind.
func usualInterval(spans []*span) time.Duration {
	n := 0
	for _, s := range spans {
		n += s.looked()
	}
	looks := make([]time.Time, 0, n)
	for _, s := range spans {
		looks = s.appendLooks(looks)
	}
	return evidence.UsualGap(looks)
}

// dueEvery is what the newest of the spans that ends by an instant and says so
// tells of how often looks were due; 0 when none does.
func dueEvery(spans []*span, at time.Time) time.Duration {
	var newest time.Time
	var every time.Duration
	for _, s := range spans {
		if s.every > 0 && !s.To.After(at) && !s.To.Before(newest) {
			newest, every = s.To, s.every
		}
	}
	return every
}

// nearTo returns the spans that count for what is said of a period, in order of
// their begin.
func nearTo(spans []*span, period evidence.Period) []*span {
	told := make([]*span, 0, len(spans))
	for _, s := range spans {
		if (&evidence.Span{Period: s.Period, Class: s.class, Every: s.every}).Near(period) {
			told = append(told, s)
		}
	}
	slices.SortStableFunc(told, func(a, b *span) int { return a.From.Compare(b.From) })
	return told
}

// ran is how many runs of a source one record of coverage counts.
type ran struct {
	source evidence.SourceID
	period evidence.Period
	runs   evidence.RunCounts
}

// readSegment keeps until when records of the log were retired.
func (l *learned) readSegment(plain []byte) error {
	var f segmentFacts
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
// a year. mostLooks bounds those of one source and kind, which are held at once:
// each minute of eight years.
const (
	mostLaid  = 1 << 28
	mostLooks = 1 << 22
)

// What of a coverage record is kept weighs so much.
const (
	weightSpan = 128 // beside its cause
	weightKind = 64  // of a span, beside its name
	weightLook = 4
)

// mostStretches bounds the stretches of coverage.json, counted for each kind.
const mostStretches = 1 << 26

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

	holes []chartStrip // made of these when it is asked for
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
		if said[key] == nil && slices.ContainsFunc(v.spans[key], func(s *span) bool { return s.Overlaps(c.Period) }) {
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
	stretches := 0
	for i := range c.Rows {
		row := &c.Rows[i]
		if stretches += len(row.Kinds) * len(row.Strips); stretches > mostStretches {
			return nil, fmt.Errorf("%s has more than %d stretches of all kinds, which is more than a pack is checked for", memberCoverage, mostStretches)
		}
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
func (r *chartRow) holds(key seen, spans []*span, period evidence.Period) error {
	told := nearTo(spans, period)
	laid := layOut(told, period)
	// Between two looks at a polled source nothing is claimed, and the writer,
	// who knows the looks just outside of the pack too, joins looks that lie
	// as far apart as usual and half as much again. Twice that is no seam.
	most := longestPause * time.Millisecond
	usual := time.Duration(0)
	if slices.ContainsFunc(laid, func(s evidence.Strip) bool { return s.Class == "" }) {
		usual = usualInterval(told)
	}
	seam := max(leastSeam, 3*min(usual, most))
	// What was polled or blind goes on until a look is overdue, also behind what
	// ends just as the period begins.
	var on []*span
	if end := laid[len(laid)-1]; end.Class == "" {
		late := max(seam, 3*min(cmp.Or(dueEvery(told, end.Period.From), usual), most))
		if end.Period.Duration() <= late {
			on = endedBest(told, end.Period.From)
		}
	}
	causes := causesOf(told)
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
			goesOn := is.Class == "" && is.Period.To.Equal(period.To) && len(on) > 0 && s.Class == on[0].class
			if s.Class != is.Class && !joined && !goesOn {
				return fmt.Errorf("%s says that %s was seen as %q at %s, the records of the pack say %q", memberCoverage, key, s.Class, evidence.FormatTime(is.Period.From), is.Class)
			}
		}
	}
	for _, s := range r.Strips {
		goesOn := s.To.Equal(period.To) && slices.ContainsFunc(on, func(is *span) bool { return is.class == evidence.Blind && is.cause == s.Cause })
		if s.Class == evidence.Blind && !causes.tell(s) && !goesOn {
			return fmt.Errorf("%s says that %s was not seen at %s because of %q, which no record of the pack tells", memberCoverage, key, evidence.FormatTime(s.From), s.Cause)
		}
	}
	return nil
}

// endedBest returns the spans that end at a time, those of the best class; none when
// that is a class that does not go on.
func endedBest(spans []*span, at time.Time) []*span {
	best := 0
	for _, s := range spans {
		if s.To.Equal(at) {
			best = max(best, s.class.Rank())
		}
	}
	var ended []*span
	for _, s := range spans {
		if s.To.Equal(at) && s.class.Rank() == best && (s.class == evidence.Instants || s.class == evidence.Blind) {
			ended = append(ended, s)
		}
	}
	return ended
}

// classes are those of coverage by their rank.
var classes = [4]evidence.Class{evidence.Blind, evidence.Reconstructed, evidence.Instants, evidence.Continuous}

// layOut gives the best class that spans claim, stretch by stretch; neighbours
// differ, and together they fill the period.
func layOut(spans []*span, period evidence.Period) []evidence.Strip {
	type edge struct {
		at   time.Time
		rank int8
		by   int8 // spans more, or fewer
	}
	edges := make([]edge, 0, 2*len(spans)+1)
	for _, s := range spans {
		if in, ok := s.Intersect(period); ok {
			rank := int8(s.class.Rank())
			edges = append(edges, edge{in.From, rank, 1}, edge{in.To, rank, -1})
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
		open[e.rank] += int(e.by)
	}
	return strips
}

// causes are the blind spans of each cause in order of their begin, each with the
// latest end up to it.
type causes map[string][]evidence.Period

func causesOf(spans []*span) causes {
	cs := causes{}
	for _, s := range spans { // in order of their begin
		if s.class != evidence.Blind {
			continue
		}
		p := s.Period
		if n := len(cs[s.cause]); n > 0 && cs[s.cause][n-1].To.After(p.To) {
			p.To = cs[s.cause][n-1].To
		}
		cs[s.cause] = append(cs[s.cause], p)
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
func (c *chart) counted(told []ran) map[evidence.SourceID]evidence.RunCounts {
	by := map[evidence.SourceID]evidence.RunCounts{}
	for _, f := range told {
		if evidence.RunsIn(c.Period, f.period) {
			n := by[f.source]
			n.Add(f.runs)
			by[f.source] = n
		}
	}
	return by
}

// blindAsRows requires that the list of blind windows is what the rows say, and
// that of a source that was due and has no row it says that nothing was seen, all
// over the period but for what was retired.
func (c *chart) blindAsRows(runs map[evidence.SourceID]evidence.RunCounts, retired time.Time) error {
	var want []chartBlind
	hasRow := map[evidence.SourceID]bool{}
	for _, row := range c.Rows {
		hasRow[row.Source] = true
		for _, s := range row.Strips {
			if s.Class.Rank() == 0 {
				want = append(want, chartBlind{row.Source, row.Kinds, s.From, s.To, s.Cause, s.Class == evidence.Blind})
			}
		}
	}
	for id, n := range runs {
		if n.Expected == 0 || hasRow[id] {
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
