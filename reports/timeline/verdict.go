package timeline

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
)

// One test often speaks for controls of several laws, and its verdict on each
// is a record. Told one by one they say the same sentence again and again, so
// those of one test at one instant are joined into a line that names the
// controls.

// verdicts is a group of such records.
type verdicts struct {
	at       time.Time
	says     string // of the first
	controls []string
}

// namedControls is how many controls a line names.
const namedControls = 4

// verdict puts the entry of a finding into its group. It reports whether the
// entry is one.
func (g *grouping) verdict(e *entry) bool {
	if e.line.Kind != evidence.FindingState || e.line.Op != evidence.OpSet {
		return false
	}
	var f evidence.FindingFacts
	if json.Unmarshal(e.line.Facts, &f) != nil || f.Test == "" || f.Control == "" {
		return false
	}
	key := strings.Join([]string{"verdict", f.Test, string(f.Status), string(f.Reason), f.Summary, evidence.FormatTime(e.line.NotBefore)}, "\x00")
	o := g.open[key]
	if o == nil || g.over(o) {
		o = &group{key: key, first: e, verdicts: &verdicts{at: e.line.At, says: e.line.Says}}
		g.open[key] = o
	}
	e.group = o
	o.n++
	o.last = e.line.At
	o.verdicts.controls = append(o.verdicts.controls, string(f.Control))
	if o.first != e {
		e.gone = true
		o.first.line.also(&e.line)
		o.first.line.Says = o.verdicts.sentence()
	}
	return true
}

// sentence is that of the first with all controls in it.
func (v *verdicts) sentence() string {
	named, more := v.controls, ""
	if n := len(named) - namedControls; n > 0 {
		named, more = named[:namedControls], " and "+strconv.Itoa(n)+" more"
	}
	return strings.Replace(v.says, "of control "+v.controls[0], "of controls "+strings.Join(named, ", ")+more, 1)
}
