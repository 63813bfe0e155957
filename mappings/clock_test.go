package mappings

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A field's limits are known only where a rule holds it against fixed durations
// and does nothing else with it.
func TestLimitsOf(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want map[string][]time.Duration
	}{
		{`item.longest_drift <= duration("60m")`, map[string][]time.Duration{"longest_drift": {time.Hour}}},
		{`duration("1h30m") > item.longest_drift && item.longest_drift != duration("5s")`, map[string][]time.Duration{"longest_drift": {90 * time.Minute, 5 * time.Second}}},
		{`item.longest_drift <= duration("1h") || item.longest_drift.getSeconds() > 5`, map[string][]time.Duration{}},
		{`item.longest_drift > item.longest_possible_drift`, map[string][]time.Duration{}},
		{`item.longest_drift <= duration("1" + "h")`, map[string][]time.Duration{}},
		{`item.at_end && item.app == "x"`, map[string][]time.Duration{}},
		{`has(item.revision_matches) ? item.longest_drift < duration("1h") : true`, map[string][]time.Duration{"longest_drift": {time.Hour}, "revision_matches": nil}},
	} {
		env, err := runningView.env()
		if err != nil {
			t.Fatal(err)
		}
		ast, issues := env.Compile(tc.src)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", tc.src, issues.Err())
		}
		if d := cmp.Diff(tc.want, limitsOf(ast)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.src, d)
		}
	}
}

// The moment at which a verdict may turn is no later than the one at which it
// does: a rule is asked again and again while a field grows.
func TestTurnsBeforeTheVerdict(t *testing.T) {
	end := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	for _, src := range []string{
		`item.longest_drift <= duration("60m")`, `item.longest_drift < duration("60m")`, `item.longest_drift == duration("90m")`,
		`item.longest_drift > duration("30m") && item.longest_drift <= duration("2h")`, `item.longest_drift.getMinutes() < 45`,
		`item.longest_drift < item.longest_possible_drift`,
	} {
		r, faults := compileRule(runningView, "assert", text{s: src})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		for _, grown := range []time.Duration{-time.Hour, 0, 20 * time.Minute, time.Hour, 90 * time.Minute} {
			for _, other := range []time.Duration{0, 30 * time.Minute, time.Hour} {
				at := func(passed time.Duration) *item {
					it := &item{fields: map[string]any{}}
					long := max(other, grown+passed, 0)
					return it.set("longest_drift", long).set("longest_possible_drift", 3*time.Hour).grows("longest_drift", grown+passed)
				}
				says := func(it *item) bool {
					ok, err := r.eval(map[string]any{"item": it.fields, "from": end, "to": end, "at": end})
					if err != nil {
						t.Fatalf("%s: %v", src, err)
					}
					return ok
				}
				first := says(at(0))
				turns := at(0).turns(end, r)
				for m := range 300 {
					passed := time.Duration(m) * time.Minute
					if says(at(passed)) != first && !turns.passed(end.Add(passed)) {
						t.Errorf("%s: grown %s beside %s it is another after %s, and that was not told (%+v)", src, grown, other, passed, turns)
						break
					}
				}
			}
		}
	}
}

func TestSeqList(t *testing.T) {
	for _, seqs := range [][]uint64{nil, {0}, {7, 8, 9, 300, 12, 12}, {1 << 40, 0, math.MaxInt64, 3}} {
		var l seqList
		for _, s := range seqs {
			l.add(s)
		}
		if got := l.all(); !slices.Equal(got, seqs) || l.n != len(seqs) {
			t.Errorf("%v came back as %v", seqs, got)
		}
	}
}
