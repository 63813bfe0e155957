package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// TimeForms are the accepted forms of a time, for help texts and errors.
var TimeForms = []string{
	"2026-11-14T14:00:00Z",
	"2026-11-14T14:00:00+01:00",
	`"2026-11-14 14:00"`,
	"2026-11-14",
	"14:00",
	`"yesterday 14:00"`,
	"now",
}

// ParseTime reads a time as a person types it. A time without a zone is one of
// the given zone: on the wall, "14:00" is today's. A wall time that the zone
// skips, or has twice, when clocks change is refused with the choices: a wrong
// hour in an answer about evidence is worse than a second question.
func ParseTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	s := strings.TrimSpace(text)
	now = now.In(zone)
	if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s)); err == nil {
		return inRange(t, text)
	}
	word, clock, _ := strings.Cut(s, " ")
	day, dayOK := dayOf(word, now)
	switch {
	case s == "now":
		return now.UTC(), nil
	case dayOK && strings.TrimSpace(clock) == "":
		return wall(day, 0, 0, 0, 0, zone, text)
	case !dayOK && clock == "":
		// "2026-11-14T14:00" without a zone.
		if d, c, ok := strings.Cut(s, "T"); ok {
			if day, dayOK = dayOf(d, now); !dayOK {
				return time.Time{}, badTime(text)
			}
			clock = c
			break
		}
		day, clock = now, s // "14:00"
	case !dayOK:
		return time.Time{}, badTime(text)
	}
	h, m, sec, ns, ok := clockOf(strings.TrimSpace(clock))
	if !ok {
		return time.Time{}, badTime(text)
	}
	return wall(day, h, m, sec, ns, zone, text)
}

func badTime(text string) error {
	return problem.New(problem.Usage, "cannot read the time %s", strconv.Quote(text)).
		WithHint("write it as %s", strings.Join(TimeForms, ", "))
}

// dayOf reads a day: a date, or today, yesterday.
func dayOf(s string, now time.Time) (time.Time, bool) {
	switch strings.ToLower(s) {
	case "today":
		return now, true
	case "yesterday":
		return now.AddDate(0, 0, -1), true
	}
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}

func clockOf(s string) (h, m, sec, ns int, ok bool) {
	for _, layout := range []string{"15:04", "15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), true
		}
	}
	return 0, 0, 0, 0, false
}

// wall finds the instant at which the zone's wall clocks show the time.
func wall(day time.Time, h, m, s, ns int, zone *time.Location, text string) (time.Time, error) {
	y, mo, d := day.Date()
	// Clocks are changed by less than a day: the offsets in force a day before
	// and after are all that can apply.
	naive := time.Date(y, mo, d, h, m, s, ns, time.UTC)
	var found []time.Time
	for _, probe := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := naive.Add(probe).In(zone).Zone()
		t := naive.Add(-time.Duration(offset) * time.Second)
		if shown := t.In(zone); sameWall(shown, naive) && (len(found) == 0 || !found[0].Equal(t)) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return inRange(found[0], text)
	case 0:
		before, after := naive.Add(-24*time.Hour).In(zone), naive.Add(24*time.Hour).In(zone)
		return time.Time{}, problem.New(problem.Usage, "%s does not exist in %s: clocks go from %s to %s that day and skip it",
			naive.Format("2006-01-02 15:04"), zone, before.Format("MST"), after.Format("MST")).
			WithHint("give the offset, such as %s", naive.Add(-offsetOf(before)).In(zone).Format(time.RFC3339))
	}
	return time.Time{}, problem.New(problem.Usage, "%s comes twice in %s: clocks go back that day",
		naive.Format("2006-01-02 15:04"), zone).
		WithHint("give the offset: %s or %s", found[0].In(zone).Format(time.RFC3339), found[1].In(zone).Format(time.RFC3339))
}

func offsetOf(t time.Time) time.Duration {
	_, offset := t.Zone()
	return time.Duration(offset) * time.Second
}

func sameWall(a, b time.Time) bool {
	return a.Format("2006-01-02T15:04:05.999999999") == b.Format("2006-01-02T15:04:05.999999999")
}

// inRange refuses times that no evidence can have.
func inRange(t time.Time, text string) (time.Time, error) {
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return time.Time{}, problem.New(problem.Usage, "the time %s is out of range", strconv.Quote(text)).
			WithHint("use a year from 1970 to 9999")
	}
	return t.UTC(), nil
}

// ParsePeriod reads a period from the flags --from, --to and --last. To is now
// when it is not given, and the whole day when it is a date alone: "--from
// 2026-11-01 --to 2026-11-30" holds the 30th. From is required unless last (a
// duration such as 24h or 7d back from the end) is given.
func ParsePeriod(from, to, last string, now time.Time, zone *time.Location) (evidence.Period, error) {
	end := now.UTC()
	if to != "" {
		var err error
		if end, err = ParseTime(to, now, zone); err != nil {
			return evidence.Period{}, problem.Wrap(problem.Usage, err, "--to")
		}
		if _, dateOnly := dayOf(strings.TrimSpace(to), now.In(zone)); dateOnly {
			y, m, d := end.In(zone).Date()
			end = time.Date(y, m, d+1, 0, 0, 0, 0, zone).UTC()
		}
	}
	var begin time.Time
	switch {
	case from != "" && last != "":
		return evidence.Period{}, problem.New(problem.Usage, "--from and --last exclude each other").WithHint("give one of them")
	case from != "":
		var err error
		if begin, err = ParseTime(from, now, zone); err != nil {
			return evidence.Period{}, problem.Wrap(problem.Usage, err, "--from")
		}
	case last != "":
		d, err := ParseSpan(last)
		if err != nil {
			return evidence.Period{}, err
		}
		begin = end.Add(-d)
	default:
		return evidence.Period{}, problem.New(problem.Usage, "no period is given").WithHint("give --from and --to, or --last 7d")
	}
	switch {
	case begin.Before(end):
	case to == "":
		return evidence.Period{}, problem.New(problem.Usage, "the period begins %s and so lies ahead: it is %s", SayTime(begin, zone), SayTime(now, zone)).
			WithHint("choose a period that has begun")
	case begin.Equal(end):
		return evidence.Period{}, problem.New(problem.Usage, "the period is empty: it begins and ends %s", SayTime(end, zone)).
			WithHint("give a --to after --from; a date alone means the whole day")
	default:
		return evidence.Period{}, problem.New(problem.Usage, "the period ends %s before it begins %s",
			SayTime(end, zone), SayTime(begin, zone)).WithHint("exchange --from and --to")
	}
	return evidence.Period{From: begin, To: end}, nil
}

// ParseSpan reads a duration in Go's form, or in days and weeks: 24h, 7d, 2w.
func ParseSpan(text string) (time.Duration, error) {
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			if i, err := strconv.ParseUint(n, 10, 16); err == nil && i > 0 {
				return time.Duration(i) * d, nil
			}
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, problem.New(problem.Usage, "cannot read the duration %s", strconv.Quote(text)).WithHint("write it as 90m, 24h, 7d or 2w")
}

// Zone reads a zone's name; "" and "Local" are refused, for an answer must not
// depend on whose machine it was asked from without saying so.
func Zone(name string) (*time.Location, error) {
	if name != "" && name != "Local" {
		if z, err := time.LoadLocation(name); err == nil {
			return z, nil
		}
	}
	return nil, problem.New(problem.Usage, "%q is no time zone", name).
		WithHint("use an IANA name such as Europe/Berlin or UTC")
}

// SayTime shows how a typed time was understood: "2026-11-14 14:00:00 CET
// (13:00:00 UTC)".
func SayTime(t time.Time, zone *time.Location) string {
	u := t.UTC().Format("15:04:05 UTC")
	z := t.In(zone)
	if zone == time.UTC || zone.String() == "UTC" {
		return z.Format("2006-01-02 ") + u
	}
	return fmt.Sprintf("%s (%s)", z.Format("2006-01-02 15:04:05 MST"), u)
}
