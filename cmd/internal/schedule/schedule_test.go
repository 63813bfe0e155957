package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func must(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "empty schedule"},
		{"   ", "empty schedule"},
		{"TZ=UTC", "names a time zone"},
		{"TZ=UTC 0 2 * * *", "names a time zone"},
		{"CRON_TZ=Europe/Berlin 0 2 * * *", "names a time zone"},
		{"  tz=UTC 0 2 * * *", "names a time zone"},
		{"0 0 30 2 *", "never due"},
		{"0 0 31 4 *", "never due"},
		{"@every 500ms", "at least one second"},
		{"@every 1.5s", "whole seconds"},
		{"@every -5m", "at least one second"},
		{"@every five", "no duration"},
		{"@every", "unrecognized descriptor"},
		{"@every 9000h", "at most a year"},
		{"@reboot", "unrecognized descriptor"},
		{"* * * *", "expected exactly 5 fields"},
		{"every 5m", "or @every 5m"},
		{"0 0 * * * *", "expected exactly 5 fields"},
		{"61 * * * *", "above maximum"},
		{"*/0 * * * *", "step"},
		{strings.Repeat("1,", 200) + "1 * * * *", "at most 200"},
	} {
		_, err := Parse(tc.in)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%q): got %v, want an error with %q", tc.in, err, tc.want)
		}
	}
}

func TestDue(t *testing.T) {
	for _, tc := range []struct {
		spec, from, to string
		want           []string
	}{
		// Slots belong to the clock, not to the start; the period is half-open.
		{"@every 20m", "2026-11-14T13:07:00Z", "2026-11-14T14:20:00Z", []string{"13:20", "13:40", "14:00"}},
		{"@every 20m", "2026-11-14T13:20:00Z", "2026-11-14T13:40:00Z", []string{"13:20"}},
		{"*/30 9 * * *", "2026-11-14T00:00:00Z", "2026-11-16T00:00:00Z", []string{"09:00", "09:30", "09:00", "09:30"}},
		// UTC has no summer time: 02:30 exists on the day clocks change.
		{"30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z", []string{"02:30", "02:30", "02:30"}},
		{"@daily", "2026-11-14T00:00:00Z", "2026-11-15T00:00:00Z", []string{"00:00"}},
		{"@hourly", "2026-11-14T00:00:00Z", "2026-11-14T00:00:00Z", nil},
	} {
		var got []string
		for s := range must(t, tc.spec).Due(evidence.Period{From: at(tc.from), To: at(tc.to)}) {
			if s.Location() != time.UTC {
				t.Errorf("%s: slot %s is not in UTC", tc.spec, s)
			}
			got = append(got, s.Format("15:04"))
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("Due of %s (-want +got):\n%s", tc.spec, d)
		}
	}
}

// The arithmetic for @every must agree with walking the slots.
func TestPassedAgreesWithDue(t *testing.T) {
	for _, spec := range []string{"@every 7s", "@every 5m", "*/5 * * * *", "0 */6 * * 1-5"} {
		s := must(t, spec)
		for _, span := range []time.Duration{0, time.Second, 6 * time.Minute, 26 * time.Hour} {
			from := at("2026-11-13T23:59:59Z")
			walked := slices.Collect(s.Due(evidence.Period{From: from.Add(1), To: from.Add(span + 1)}))
			n, first, last := s.passed(from, from.Add(span))
			if n != len(walked) {
				t.Errorf("%s over %s: counted %d, walked %d", spec, span, n, len(walked))
				continue
			}
			if n > 0 && (!first.Equal(walked[0]) || !last.Equal(walked[n-1])) {
				t.Errorf("%s over %s: from %s to %s, walked from %s to %s", spec, span, first, last, walked[0], walked[n-1])
			}
		}
	}
}

func TestLongest(t *testing.T) {
	for spec, want := range map[string]time.Duration{
		"@every 5m":     5 * time.Minute,
		"*/20 * * * *":  20 * time.Minute,
		"0 9-17 * * *":  16 * time.Hour,
		"0 3 * * 1-5":   72 * time.Hour,
		"0 0 29 2 *":    1461 * 24 * time.Hour,
		"*/10 8 * * 1":  7*24*time.Hour - 50*time.Minute,
		"@monthly":      31 * 24 * time.Hour,
		"0 0 1 1,7 *":   184 * 24 * time.Hour,
		"0,1,2 * * * *": 58 * time.Minute,
	} {
		if got := must(t, spec).Longest(); got != want {
			t.Errorf("Longest of %q: got %s, want %s", spec, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"@every 5m", "TZ=UTC", "0 0 30 2 *", "*/5 1-3 * JAN sun", "@daily", "? ? ? ? ?", "CRON_TZ= 1 1 1 1 1"} {
		f.Add(s)
	}
	from := at("2026-11-14T13:07:11Z")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		next := s.Next(from)
		if !next.After(from) {
			t.Fatalf("Parse(%q): next slot %s is not after %s", text, next, from)
		}
		again, err := Parse(s.String())
		if err != nil || !again.Next(from).Equal(next) {
			t.Fatalf("Parse(%q) prints as %q, which is due at another time (%v)", text, s, err)
		}
	})
}
