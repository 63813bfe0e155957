// Package schedule says when each source is due and runs it then.
//
// The text form of a schedule is that of robfig/cron: five fields (minute,
// hour, day of month, month, day of week) in UTC, a descriptor such as @daily,
// or "@every 5m". Slots are a property of the schedule alone, never of when the
// daemon was started: "@every 5m" is due at every full five minutes of UTC. So
// a slot that nobody took can be counted afterwards, and the simulated clock of
// the demonstration walks the same slots as the real one.
//
// The package takes cron's parser and its Schedule.Next; the loop is its own,
// because a source here must not overlap with itself, must report the slots it
// missed, must back off, and must not disturb its neighbours.
package schedule

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"evidenced/evidence"
)

// maxSpec bounds the text of a schedule, in bytes.
const maxSpec = 200

// horizon is how far a schedule must fire at least once: cron itself gives up
// looking after five years.
const horizon = 5 * 366 * 24 * time.Hour

// Schedule is a parsed schedule. The zero value is never due.
type Schedule struct {
	text  string
	every time.Duration // for @every; else 0
	spec  cron.Schedule
}

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Parse reads a schedule. Refused are a zone prefix (all schedules are UTC,
// where no hour is skipped or comes twice), a schedule that is never due and
// one of less than a second or of broken seconds, which cron would round
// silently.
func Parse(text string) (Schedule, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return Schedule{}, fmt.Errorf("empty schedule")
	case len(text) > maxSpec:
		return Schedule{}, fmt.Errorf("schedule of %d bytes, at most %d", len(text), maxSpec)
	case strings.Contains(strings.ToUpper(trimmed), "TZ="):
		return Schedule{}, fmt.Errorf("schedule %q names a time zone: schedules are in UTC", text)
	}
	if rest, ok := strings.CutPrefix(trimmed, "@every "); ok {
		return parseEvery(text, strings.TrimSpace(rest))
	}
	spec, err := parseCron(trimmed)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w (write five fields such as 0 */6 * * *, or @every 5m)", text, err)
	}
	s := Schedule{text: trimmed, spec: spec}
	// A fixed instant: whether a text is a schedule must not depend on today.
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if next := s.Next(from); next.IsZero() || next.Sub(from) > horizon {
		return Schedule{}, fmt.Errorf("schedule %q is never due", text)
	}
	return s, nil
}

func parseEvery(text, rest string) (Schedule, error) {
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil:
		return Schedule{}, fmt.Errorf("schedule %q: %q is no duration such as 90s, 5m or 6h", text, rest)
	case d < time.Second:
		return Schedule{}, fmt.Errorf("schedule %q: at least one second", text)
	case d%time.Second != 0:
		return Schedule{}, fmt.Errorf("schedule %q: whole seconds only", text)
	case d > 366*24*time.Hour:
		return Schedule{}, fmt.Errorf("schedule %q: at most a year", text)
	}
	return Schedule{text: "@every " + d.String(), every: d}, nil
}

// parseCron calls cron's parser in UTC. The parser is known to panic on odd
// input; a panic is an error here, for schedules come from configuration.
func parseCron(text string) (s cron.Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("cannot be read: %v", r)
		}
	}()
	return parser.Parse("CRON_TZ=UTC " + text)
}

// String returns the text form.
func (s Schedule) String() string { return s.text }

// IsZero reports whether s is the zero value.
func (s Schedule) IsZero() bool { return s.every == 0 && s.spec == nil }

// Next returns the first slot after t, in UTC; the zero time when there is
// none.
func (s Schedule) Next(t time.Time) time.Time {
	t = t.UTC()
	switch {
	case s.every > 0:
		return t.Truncate(s.every).Add(s.every)
	case s.spec != nil:
		return s.spec.Next(t)
	}
	return time.Time{}
}

// Due yields the slots in the half-open period, in order.
func (s Schedule) Due(p evidence.Period) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t := s.Next(p.From.Add(-time.Nanosecond)); !t.IsZero() && t.Before(p.To); t = s.Next(t) {
			if !yield(t) {
				return
			}
		}
	}
}

// passed counts the slots in (after, until] and returns the first and the
// last of them. A long sleep of a fast schedule is counted by arithmetic.
func (s Schedule) passed(after, until time.Time) (n int, first, last time.Time) {
	first = s.Next(after)
	if first.IsZero() || first.After(until) {
		return 0, time.Time{}, time.Time{}
	}
	if s.every > 0 {
		k := until.Sub(first) / s.every
		return int(k) + 1, first, first.Add(k * s.every)
	}
	for t := first; !t.IsZero() && !t.After(until); t = s.Next(t) {
		n, last = n+1, t
	}
	return n, first, last
}

// Longest returns the longest time between two slots, over the two years that
// follow a fixed date. It is how "less often" is told from "at other times".
func (s Schedule) Longest() time.Duration {
	if s.every > 0 || s.IsZero() {
		return s.every
	}
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	end := from.AddDate(2, 0, 0)
	longest := time.Duration(0)
	last := s.Next(from)
	// Fast schedules repeat within days; looking at 20,000 slots is enough
	// to see the widest hole of any that is not made to deceive.
	for i := 0; i < 20_000; i++ {
		next := s.Next(last)
		if next.IsZero() {
			break
		}
		longest = max(longest, next.Sub(last))
		if next.After(end) {
			break
		}
		last = next
	}
	return longest
}
