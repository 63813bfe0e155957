package timeline

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// verdictLine is a finding's line n seconds after noon.
func verdictLine(t *testing.T, n int, seq uint64, control, test string, status evidence.Status, summary string) Line {
	t.Helper()
	facts, err := json.Marshal(evidence.FindingFacts{Control: evidence.ControlID(control), Test: test, Status: status, Summary: summary})
	if err != nil {
		t.Fatal(err)
	}
	return Line{At: noon.Add(time.Duration(n) * time.Second), Seq: seq, Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource,
		Facts: facts, Says: fmt.Sprintf("test %s of control %s is %s: %s", test, control, status, summary)}
}

// Verdicts of one test at one instant are one line; those of another test, of
// another time or with another sentence are their own.
func TestVerdictsAreJoined(t *testing.T) {
	v := func(n int, seq uint64, control, test, summary string) Line {
		return verdictLine(t, n, seq, control, test, evidence.NotSatisfied, summary)
	}
	ended := v(0, 3, "a", "t1", "s")
	ended.Op, ended.Facts, ended.Says = evidence.OpEnd, []byte(`{"reason":"gone"}`), "a/t1 ended"
	for name, c := range map[string]struct {
		in   []Line
		want []string
	}{
		"two are one":    {[]Line{v(0, 1, "a", "t1", "s"), v(0, 2, "b", "t1", "s")}, []string{"1 test t1 of controls a, b is not-satisfied: s [1 2]"}},
		"one alone":      {[]Line{v(0, 1, "a", "t1", "s")}, []string{"1 test t1 of control a is not-satisfied: s []"}},
		"tests in turns": {[]Line{v(0, 1, "a", "t1", "s"), v(0, 2, "a", "t2", "s"), v(0, 3, "b", "t1", "s")}, []string{"1 test t1 of controls a, b is not-satisfied: s [1 3]", "2 test t2 of control a is not-satisfied: s []"}},
		"later":          {[]Line{v(0, 1, "a", "t1", "s"), v(1, 2, "b", "t1", "s")}, []string{"1 test t1 of control a is not-satisfied: s []", "2 test t1 of control b is not-satisfied: s []"}},
		"another status": {[]Line{v(0, 1, "a", "t1", "s"), verdictLine(t, 0, 2, "b", "t1", evidence.Stale, "s")}, []string{"1 test t1 of control a is not-satisfied: s []", "2 test t1 of control b is stale: s []"}},
		"another word":   {[]Line{v(0, 1, "a", "t1", "s"), v(0, 2, "b", "t1", "s, and preparation")}, []string{"1 test t1 of control a is not-satisfied: s []", "2 test t1 of control b is not-satisfied: s, and preparation []"}},
		"many": {[]Line{v(0, 1, "a", "t1", "s"), v(0, 2, "b", "t1", "s"), v(0, 3, "c", "t1", "s"), v(0, 4, "d", "t1", "s"), v(0, 5, "e", "t1", "s"), v(0, 6, "f", "t1", "s")},
			[]string{"1 test t1 of controls a, b, c, d and 2 more is not-satisfied: s [1 2 3 4 5 6]"}},
		"an end": {[]Line{v(0, 1, "a", "t1", "s"), v(0, 2, "b", "t1", "s"), ended}, []string{"1 test t1 of controls a, b is not-satisfied: s [1 2]", "3 a/t1 ended []"}},
	} {
		var got []string
		for l, err := range Group(seq(c.in, nil)) {
			if err != nil {
				t.Fatal(err)
			}
			if l.several() != "" {
				t.Errorf("%s: a verdict says %s", name, l.several())
			}
			got = append(got, fmt.Sprintf("%d %s %v", l.Seq, l.Says, l.Records))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Times along the picture are round ones, within the period and not too many,
// whatever its length.
func TestTicks(t *testing.T) {
	for _, whole := range []time.Duration{5 * time.Second, 7 * time.Minute, 59 * time.Minute, 19 * time.Hour, 30 * time.Hour, 31 * 24 * time.Hour, 3 * 365 * 24 * time.Hour, 40 * 365 * 24 * time.Hour} {
		p := evidence.Period{From: noon.Add(137 * time.Millisecond), To: noon.Add(whole)}
		all, step := ticks(p)
		if len(all) == 0 || len(all) > mostTicks {
			t.Errorf("%s: %d times", whole, len(all))
		}
		for _, at := range all {
			if !at.Truncate(step).Equal(at) || at.Before(p.From) || at.After(p.To) {
				t.Errorf("%s: %s is not round to %s, or outside", whole, at, step)
			}
		}
	}
	all, _ := ticks(evidence.Period{From: noon.Add(-19 * time.Hour), To: noon})
	var got []string
	for _, at := range all {
		got = append(got, at.Format("15:04"))
	}
	if d := cmp.Diff([]string{"18:00", "20:00", "22:00", "00:00", "02:00", "04:00", "06:00", "08:00", "10:00", "12:00"}, got); d != "" {
		t.Errorf("19 hours (-want +got):\n%s", d)
	}
}
