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
		want map[string][]limit
	}{
		{`item.longest_drift <= duration("60m")`, map[string][]limit{"longest_drift": {{fixed: time.Hour}}}},
		{`duration("1h30m") > item.longest_drift && item.longest_drift != duration("5s")`, map[string][]limit{"longest_drift": {{fixed: 90 * time.Minute}, {fixed: 5 * time.Second}}}},
		{`item.longest_drift <= duration("1h") || item.longest_drift.getSeconds() > 5`, map[string][]limit{}},
		{`item.longest_drift > item.longest_possible_drift`, map[string][]limit{}},
		{`item.longest_drift <= duration("1" + "h")`, map[string][]limit{}},
		{`item.at_end && item.app == "x"`, map[string][]limit{}},
		{`has(item.revision_matches) ? item.longest_drift < duration("1h") : true`, map[string][]limit{"longest_drift": {{fixed: time.Hour}}, "revision_matches": nil}},
		{`item.longest_drift.getSeconds() * 3 < 2 * item.longest_possible_drift.getSeconds()`, map[string][]limit{
			"longest_drift":          {{field: "longest_possible_drift", share: 2.0 / 3}},
			"longest_possible_drift": {{field: "longest_drift", share: 1.5}},
		}},
		{`item.longest_drift.getSeconds() < item.longest_drift.getSeconds() * 2`, map[string][]limit{}},
		{`item.longest_drift.getSeconds() * -3 < item.longest_possible_drift.getSeconds()`, map[string][]limit{}},
		{`item.longest_drift.getMinutes() < item.longest_possible_drift.getMinutes()`, map[string][]limit{}},
	} {
		env, err := runningView.env()
		if err != nil {
			t.Fatal(err)
		}
		ast, issues := env.Compile(tc.src)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", tc.src, issues.Err())
		}
		if d := cmp.Diff(tc.want, limitsOf(ast), cmp.AllowUnexported(limit{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.src, d)
		}
	}
}

// The moment at which a verdict may turn is no later than the one at which it
// does: a rule is asked again and again while a field grows or shrinks.
func TestTurnsBeforeTheVerdict(t *testing.T) {
	end := time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	moves := map[string]func(it *item, grown, other, passed time.Duration) (long time.Duration){
		"grows": func(it *item, grown, other, passed time.Duration) time.Duration {
			it.grows("longest_drift", grown+passed)
			return max(other, grown+passed, 0)
		},
		// A look at a time not long before the end; the next ones are right there.
		"follows": func(it *item, grown, other, passed time.Duration) time.Duration {
			const behind = 7 * time.Minute
			shown := grown + passed
			if passed == 0 {
				shown -= behind
			}
			it.follows("longest_drift", grown+passed, other >= shown)
			return max(other, shown, 0)
		},
		"falls": func(it *item, grown, other, passed time.Duration) time.Duration {
			const behind = 7 * time.Minute
			left := grown + other - passed
			if passed == 0 {
				it.falls("longest_drift", behind)
				return left + behind
			}
			it.falls("longest_drift", 0)
			return left.Truncate(time.Second)
		},
	}
	for _, src := range []string{
		`item.longest_drift <= duration("60m")`, `item.longest_drift < duration("60m")`, `item.longest_drift == duration("90m")`,
		`item.longest_drift > duration("30m") && item.longest_drift <= duration("2h")`, `item.longest_drift.getMinutes() < 45`,
		`item.longest_drift < item.longest_possible_drift`, `item.longest_drift >= duration("-30m")`,
		`item.longest_drift.getSeconds() * 3 >= item.longest_possible_drift.getSeconds()`, `item.longest_possible_drift.getSeconds() > 2 * item.longest_drift.getSeconds()`,
	} {
		r, faults := compileRule(runningView, "assert", text{s: src})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		for how, move := range moves {
			for _, grown := range []time.Duration{-time.Hour, 0, 20 * time.Minute, time.Hour, 90 * time.Minute, 90*time.Minute + 1} {
				for _, other := range []time.Duration{0, 30 * time.Minute, time.Hour} {
					at := func(passed time.Duration) *item {
						it := &item{fields: map[string]any{}}
						return it.set("longest_drift", move(it, grown, other, passed)).set("longest_possible_drift", 3*time.Hour)
					}
					says := func(it *item) bool {
						ok, err := r.eval(map[string]any{"item": it.fields, "from": end, "to": end, "at": end})
						if err != nil {
							t.Fatalf("%s: %v", src, err)
						}
						return ok
					}
					first := says(at(0))
					clock, looked := at(0).turns(end, r)
					when := clock
					if how != "grows" {
						if when = looked; clock != (turns{}) {
							t.Errorf("%s: what only a look tells turns by the clock: %+v", src, clock)
						}
					}
					for m := range 300 {
						passed := time.Duration(m) * time.Minute
						if says(at(passed)) != first && !when.passed(end.Add(passed)) {
							t.Errorf("%s: %s, %s beside %s it is another after %s, and that was not told (%+v)", src, how, grown, other, passed, when)
							break
						}
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
