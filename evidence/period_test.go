package evidence_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evidenced/evidence"
)

var day = time.Date(2026, 11, 14, 0, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return day.Add(time.Duration(n) * time.Minute) }

func span(from, to int) evidence.Period { return evidence.Period{From: minute(from), To: minute(to)} }

func TestPeriod(t *testing.T) {
	p := span(10, 20)
	if p.Contains(minute(9)) || !p.Contains(minute(10)) || !p.Contains(minute(20).Add(-1)) || p.Contains(minute(20)) {
		t.Error("a period is not half-open")
	}
	if p.Overlaps(span(0, 10)) || p.Overlaps(span(20, 30)) || !p.Overlaps(span(19, 30)) || !p.Overlaps(span(0, 60)) {
		t.Error("overlap at the ends")
	}
	if _, ok := p.Intersect(span(20, 30)); ok {
		t.Error("neighbours intersect")
	}
	if got, ok := p.Intersect(span(15, 30)); !ok || got != span(15, 20) {
		t.Errorf("intersection %s", got)
	}
	if got, want := p.String(), "2026-11-14T00:10:00Z/2026-11-14T00:20:00Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if (evidence.Period{}).IsZero() != true || p.IsZero() {
		t.Error("IsZero")
	}
}

func TestSubtract(t *testing.T) {
	for _, tc := range []struct {
		why  string
		p    evidence.Period
		qs   []evidence.Period
		want []evidence.Period
	}{
		{"nothing", span(0, 10), nil, []evidence.Period{span(0, 10)}},
		{"all", span(0, 10), []evidence.Period{span(0, 10)}, nil},
		{"more than all", span(2, 8), []evidence.Period{span(0, 10)}, nil},
		{"a neighbour", span(0, 10), []evidence.Period{span(10, 20)}, []evidence.Period{span(0, 10)}},
		{"the middle", span(0, 10), []evidence.Period{span(3, 5)}, []evidence.Period{span(0, 3), span(5, 10)}},
		{"the begin", span(0, 10), []evidence.Period{span(-5, 5)}, []evidence.Period{span(5, 10)}},
		{"two that overlap, out of order", span(0, 10), []evidence.Period{span(5, 8), span(2, 6)}, []evidence.Period{span(0, 2), span(8, 10)}},
		{"two that join", span(0, 10), []evidence.Period{span(0, 5), span(5, 10)}, nil},
		{"an empty one", span(0, 10), []evidence.Period{span(5, 5)}, []evidence.Period{span(0, 10)}},
		{"from an empty period", span(5, 5), []evidence.Period{span(0, 10)}, nil},
	} {
		if d := cmp.Diff(tc.want, tc.p.Subtract(tc.qs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.why, d)
		}
	}
}

func drawPeriods(t *rapid.T, label string) []evidence.Period {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) evidence.Period {
		from := rapid.IntRange(-5, 60).Draw(t, "from")
		return span(from, from+rapid.IntRange(0, 30).Draw(t, "length"))
	}), 0, 8).Draw(t, label)
}

// Every minute of the period is either in what is left, or in what was taken,
// and never in both; what is left stands in order and apart.
func TestSubtractCoversEachInstantOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := span(0, rapid.IntRange(0, 60).Draw(t, "length"))
		qs := drawPeriods(t, "taken")
		rest := p.Subtract(qs)
		for m := range 70 {
			in := func(ps []evidence.Period) bool {
				return slices.ContainsFunc(ps, func(q evidence.Period) bool { return q.Contains(minute(m)) })
			}
			if want := p.Contains(minute(m)) && !in(qs); in(rest) != want {
				t.Fatalf("minute %d: left %v, want %v (%v)", m, in(rest), want, rest)
			}
		}
		for i, r := range rest {
			if r.Duration() <= 0 || i > 0 && !rest[i-1].To.Before(r.From) {
				t.Fatalf("left: %v", rest)
			}
		}
	})
}
