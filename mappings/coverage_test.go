package mappings

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// What is blind stays so until a look is overdue, by all that is known by now:
// what is said of a day does not depend on how long a period is judged. Until then
// the clock alone may turn it.
func TestBlindUntilOverdue(t *testing.T) {
	const id, kind, day = evidence.SourceID("vault/prod"), evidence.SecretAccess, 24 * time.Hour
	at := func(h int) time.Time { return evidencetest.Start.Add(time.Duration(h) * time.Hour) }
	span := func(source evidence.SourceID, class evidence.Class, from, to int, every time.Duration) evidence.Span {
		s := evidence.Span{Source: source, Kinds: []evidence.Kind{kind}, Period: evidence.Period{From: at(from), To: at(to)}, Class: class, Every: every}
		if class == evidence.Blind {
			s.Cause = "503"
		}
		return s
	}
	for _, tc := range []struct {
		name  string
		spans []evidence.Span
		want  string // of the first day
		wakes time.Time
	}{
		{"not overdue", []evidence.Span{span(id, evidence.Blind, 0, 8, 4*day)}, "blind", at(8 + 6*24)},
		{"not overdue as far as is known", []evidence.Span{span(id, evidence.Blind, 0, 8, 4*day), span("other/one", evidence.Continuous, 0, 5*24, 0)}, "blind", at(8 + 6*24)},
		{"overdue", []evidence.Span{span(id, evidence.Blind, 0, 8, day), span("other/one", evidence.Continuous, 0, 5*24, 0)}, "blind/", time.Time{}},
		{"overdue before it was looked at less often", []evidence.Span{span(id, evidence.Blind, 0, 8, time.Hour), span(id, evidence.Continuous, 90, 91, 4*day)}, "blind/", time.Time{}},
		{"blind all of a week before", []evidence.Span{span(id, evidence.Blind, -9*24, -4*24, 7*day)}, "blind", at(-4*24 + 21*12)},
	} {
		for _, days := range []int{1, 4} {
			cov := &evidence.Coverage{}
			cov.Add(tc.spans...)
			var n notes
			c := &coverage{all: cov, book: &notebook{open: &n}}
			var got []string
			for _, s := range c.layOut(id, kind, evidence.Period{From: at(0), To: at(days * 24)}) {
				if s.Period.From.Before(at(24)) {
					got = append(got, string(s.Class))
				}
			}
			if g := strings.Join(got, "/"); g != tc.want || !n.wakes.Equal(tc.wakes) {
				t.Errorf("%s, judged over %d days: got %q until %s, want %q until %s", tc.name, days, g, n.wakes, tc.want, tc.wakes)
			}
		}
	}
}
