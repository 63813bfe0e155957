package reports

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Times are shown in UTC; a zone, where one is asked for, stands beside it.

// Stamp gives a full time: "14 Nov 2026 13:00:00 UTC", or with a zone
// "14 Nov 2026 14:00:00 CET (13:00:00 UTC)". The zero time is "never".
func Stamp(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	u := t.UTC()
	if isUTC(zone) {
		return u.Format("2 Jan 2006 ") + clock(u) + " UTC"
	}
	z := t.In(zone)
	return z.Format("2 Jan 2006 ") + clock(z) + " " + z.Format("MST") + " (" + near(u, z) + " UTC)"
}

// Near gives a time as one who knows the day of at would say it: the clock on
// the same UTC day, day and clock in the same year, else all of it. In UTC,
// without saying so. The zero time is "never".
func Near(t, at time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return near(t.UTC(), at.UTC())
}

func near(t, at time.Time) string {
	switch {
	case t.Year() == at.Year() && t.YearDay() == at.YearDay():
		return clock(t)
	case t.Year() == at.Year():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// clock shows seconds only where there are some.
func clock(t time.Time) string {
	if t.Second() == 0 && t.Nanosecond() == 0 {
		return t.Format("15:04")
	}
	return t.Format("15:04:05")
}

// Spoken gives a time as read aloud: "14:00 (13:00 UTC) on 14 Nov 2026" with
// a zone, "13:00 UTC on 14 Nov 2026" without.
func Spoken(t time.Time, zone *time.Location) string {
	u := t.UTC()
	if isUTC(zone) {
		return clock(u) + " UTC on " + u.Format("2 Jan 2006")
	}
	z := t.In(zone)
	return clock(z) + " (" + near(u, z) + " UTC) on " + z.Format("2 Jan 2006")
}

func isUTC(zone *time.Location) bool {
	return zone == nil || zone == time.UTC || zone.String() == "UTC"
}

// Span gives two times with what they share said once: "14 Nov 2026 13:20 to
// 15:05" or "1 Oct 2026 to 31 Dec 2026". A period of whole days names its last
// day, as people do, though its end is the midnight after it.
func Span(from, to time.Time) string {
	f, t := from.UTC(), to.UTC()
	if midnight(f) && midnight(t) && t.After(f) {
		last := t.AddDate(0, 0, -1)
		switch {
		case last.Equal(f):
			return f.Format("2 Jan 2006")
		case last.Year() == f.Year():
			return f.Format("2 Jan") + " to " + last.Format("2 Jan 2006")
		}
		return f.Format("2 Jan 2006") + " to " + last.Format("2 Jan 2006")
	}
	return f.Format("2 Jan 2006 ") + clock(f) + " to " + near(t, f)
}

func midnight(t time.Time) bool {
	return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0
}

// Lasting gives a duration as people say it: "20 seconds", "2 minutes",
// "3 hours", "12 days". Negative durations lose their sign.
func Lasting(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	switch {
	case d < time.Second:
		return "less than a second"
	case d < 2*time.Minute:
		return Count(int(d/time.Second), "second")
	case d < 2*time.Hour:
		return Count(int(d.Round(time.Minute)/time.Minute), "minute")
	case d < 48*time.Hour:
		return Count(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return Count(int((d+12*time.Hour)/(24*time.Hour)), "day")
}

// Spell gives a duration in its two largest units, so that those of windows that
// join add up: "40 seconds", "80 minutes", "2 hours 40 minutes", "3 days 4
// hours". Negative durations lose their sign.
func Spell(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	if d < 2*time.Hour {
		return Lasting(d)
	}
	unit, small, name, part := time.Hour, time.Minute, "hour", "minute"
	if d = d.Round(time.Minute); d >= 48*time.Hour {
		unit, small, name, part = 24*time.Hour, time.Hour, "day", "hour"
		d = d.Round(time.Hour)
	}
	says := Count(int(d/unit), name)
	if rest := d % unit / small; rest > 0 {
		says += " " + Count(int(rest), part)
	}
	return says
}

// Count gives a number with its noun: "1 workload", "3 identities". Nouns in
// -y and -s change as English has it.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Number(int64(n)) + " " + plural(noun)
}

// Are gives the verb for a number of things: "is" for one, else "are".
func Are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func plural(noun string) string {
	switch {
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay") && !strings.HasSuffix(noun, "ey"):
		return noun[:len(noun)-1] + "ies"
	case strings.HasSuffix(noun, "s"), strings.HasSuffix(noun, "x"), strings.HasSuffix(noun, "ch"):
		return noun + "es"
	}
	return noun + "s"
}

// Number gives n with commas between thousands: "18,204".
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Seqs gives record numbers, ascending, with runs joined: "40188, 40190..40192".
// At most max parts are shown, then how many records are left; 0 shows all.
func Seqs(seqs []uint64, max int) string {
	var parts []string
	shown := 0
	for i := 0; i < len(seqs); {
		j := i
		for j+1 < len(seqs) && seqs[j+1] <= seqs[j]+1 {
			j++
		}
		if max > 0 && len(parts) == max {
			parts = append(parts, fmt.Sprintf("and %s more", Number(int64(len(seqs)-shown))))
			break
		}
		switch {
		case seqs[i] == seqs[j]:
			parts = append(parts, strconv.FormatUint(seqs[i], 10))
		case seqs[j] == seqs[i]+1:
			parts = append(parts, strconv.FormatUint(seqs[i], 10), strconv.FormatUint(seqs[j], 10))
		default:
			parts = append(parts, fmt.Sprintf("%d..%d", seqs[i], seqs[j]))
		}
		shown += j - i + 1
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
