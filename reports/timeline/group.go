package timeline

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"evidenced/evidence"
)

// restless are the kinds of which a busy platform makes many like records in a
// row. Others are told one by one, however many there are: each merge and sync
// is a thing of its own. Verdicts are joined by their test, see verdicts.
var restless = []evidence.Kind{
	evidence.SecretAccess, evidence.SecretAuth, evidence.AccessAudit, evidence.AccessRead, evidence.RuntimePod, evidence.RegistryAudit,
	evidence.PipelineCheck, evidence.ArtifactScan, evidence.SecretLease, evidence.SecretSync, evidence.CertState, evidence.ChangeCommit,
	evidence.RuntimeWorkload, evidence.RuntimeNode, evidence.ArtifactImage, evidence.RegistryRobot, evidence.AlertRule,
	evidence.PolicyResult,
}

// Telling are the kinds that are told one by one: without the restless ones and
// the bookkeeping. What happened in a long period reads best from these.
func Telling() []evidence.Kind {
	var kinds []evidence.Kind
	for _, k := range (&Options{}).kinds() {
		if !slices.Contains(restless, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Limits of a group.
const (
	groupGap   = 10 * time.Minute // between two of its records, at most
	groupLeast = 3
	groupShown = 20     // records named
	waiting    = 10_000 // lines held back, at most
)

// Group joins records that say the same of like things within minutes of each
// other into one line with how many there were: requests of one caller, pods of
// one rollout; and the verdicts of one test at one instant. The line stands
// where the first of them does. At most ten thousand lines are held back at a
// time; beyond that a group ends early and another one begins.
func Group(lines iter.Seq2[Line, error]) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		g := grouping{open: map[string]*group{}}
		for l, err := range lines {
			if err != nil {
				for _, held := range g.flush() {
					if !yield(held, nil) {
						return
					}
				}
				yield(Line{}, err)
				return
			}
			for _, done := range g.add(l) {
				if !yield(done, nil) {
					return
				}
			}
		}
		for _, held := range g.flush() {
			if !yield(held, nil) {
				return
			}
		}
	}
}

// grouping holds lines back, in order, until no later one can join them.
type grouping struct {
	queue []*entry
	open  map[string]*group
	now   time.Time // of the newest line
}

// entry is a held line. One that joined another is gone.
type entry struct {
	line  Line
	group *group // nil: it joins nothing
	gone  bool
}

// group is entries that say the same.
type group struct {
	key   string
	first *entry
	few   []*entry // the others, until there are enough of them
	n     int
	last  time.Time
	done  bool

	verdicts *verdicts // of a test; nil for other records
}

// add takes a line and returns those that need not wait any more.
func (g *grouping) add(l Line) []Line {
	g.now = l.At
	e := &entry{line: l}
	if !l.Gap && l.Closed == "" && !g.verdict(e) && slices.Contains(restless, l.Kind) {
		g.join(e)
	}
	if !e.gone {
		g.queue = append(g.queue, e)
	}
	if len(g.queue) > waiting && g.queue[0].group != nil {
		g.queue[0].group.done = true
	}
	return g.ready()
}

// join puts the entry into its group. Once there are enough, the first one
// stands for all.
func (g *grouping) join(e *entry) {
	key := likeness(&e.line)
	o := g.open[key]
	if o == nil || g.over(o) {
		o = &group{key: key, first: e}
		g.open[key] = o
	}
	e.group = o
	o.n++
	o.last = e.line.At
	if o.first == e {
		return
	}
	if o.n < groupLeast {
		o.few = append(o.few, e)
		return
	}
	f := &o.first.line
	for _, x := range o.few {
		x.gone = true
		f.also(&x.line)
	}
	o.few, e.gone = nil, true
	f.also(&e.line)
}

// also makes l stand for x too.
func (l *Line) also(x *Line) {
	if l.Count == 0 {
		l.Count, l.Records = 1, []uint64{l.Seq}
	}
	l.Count++
	l.Until = x.At
	if len(l.Records) < groupShown {
		l.Records = append(l.Records, x.Seq)
	}
}

// over reports whether nothing can join the group any more.
func (g *grouping) over(o *group) bool {
	if o.verdicts != nil {
		return o.done || g.now.After(o.verdicts.at)
	}
	return o.done || g.now.Sub(o.last) > groupGap
}

func (g *grouping) ready() []Line {
	var out []Line
	for len(g.queue) > 0 {
		e := g.queue[0]
		if !e.gone && e.group != nil {
			if !g.over(e.group) {
				break
			}
			if g.open[e.group.key] == e.group {
				delete(g.open, e.group.key)
			}
		}
		if !e.gone {
			out = append(out, e.line)
		}
		g.queue = g.queue[1:]
	}
	return out
}

func (g *grouping) flush() []Line {
	var out []Line
	for _, e := range g.queue {
		if !e.gone {
			out = append(out, e.line)
		}
	}
	g.queue, g.open = nil, map[string]*group{}
	return out
}

// likeness is what two lines of a group have in common: kind, act, source, who
// did it, and the sentence but for words with a digit in them, which tell one
// thing from the next.
func likeness(l *Line) string {
	parts := []string{string(l.Kind), string(l.Op), string(l.Source), string(l.Actor)}
	for _, p := range l.Who {
		parts = append(parts, string(p.Role), p.Label)
	}
	words := strings.FieldsFunc(l.Says, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range words {
		if strings.ContainsFunc(w, unicode.IsDigit) {
			words[i] = "#"
		}
	}
	return strings.Join(append(parts, words...), "\x00")
}

// several says of a group how many records it stands for. Verdicts name their
// controls instead.
func (l *Line) several() string {
	if l.Count == 0 || l.Kind == evidence.FindingState {
		return ""
	}
	return strconv.Itoa(l.Count) + " times until " + l.Until.UTC().Format("15:04:05")
}
