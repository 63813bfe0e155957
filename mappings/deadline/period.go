package deadline

import (
	"fmt"
	"time"
)

// Rule is a rule that gave an instant.
type Rule struct {
	Article    string `json:"article"`
	Says       string `json:"says"`
	Unverified bool   `json:"unverified,omitempty"` // its wording was not read at the source
}

// Due is by when something must be done.
type Due struct {
	Safe   time.Time `json:"safe"`   // the number of the law, never moved
	Latest time.Time `json:"latest"` // the most that the law allows
	// EndOfDay says that Latest is the end of a local day: it is 00:00 of the
	// day after.
	EndOfDay bool   `json:"end_of_day,omitempty"`
	Rules    []Rule `json:"rules"`
}

// Late reports whether what was sent at the instant came after Latest. The end
// of a day is no instant of that day: what is sent then is of the next.
func (d Due) Late(sent time.Time) bool {
	return sent.After(d.Latest) || d.EndOfDay && sent.Equal(d.Latest)
}

// The rules of counting. Articles are of Regulation (EEC, Euratom) No 1182/71
// where no other act is named.
var (
	ruleHour      = Rule{Article: "1182/71 Art 3(1)", Says: "the hour in which it began is not counted"}
	ruleFullHours = Rule{Article: "1182/71 Art 3(2)(a)", Says: "hours run to the end of the last full one", Unverified: true}
	ruleDayFirst  = Rule{Article: "1182/71 Art 3(1)", Says: "the day on which it began is not counted"}
	ruleDays      = Rule{Article: "1182/71 Art 3(2)(b)", Says: "a period of days ends with the last hour of its last day", Unverified: true}
	ruleMonth     = Rule{Article: "1182/71 Art 3(2)(c)", Says: "a month ends with the last hour of the same date"}
	ruleMonthEnd  = Rule{Article: "1182/71 Art 3(2)(c)", Says: "the date does not exist in that month: its last day counts", Unverified: true}
	ruleCounted   = Rule{Article: "1182/71 Art 3(3)", Says: "weekends and holidays within it are counted", Unverified: true}
	ruleWorking   = Rule{Article: "1182/71 Art 3(4)", Says: "it would end on a day off, so it ends with the next working day"}
	ruleNoon      = Rule{Article: "2025/301 Art 5(4)", Says: "the limit falls on a day off: until noon of the next working day"}
	rulePlaceless = Rule{Article: "1182/71 Art 2", Says: "nothing is added: whose days and hours count is not known (reporter.state)"}
)

// Authority is whom a notification goes to: its state decides which days are
// off, its zone where days end. With neither known (no State, and UTC) limits
// are the law's number alone: a day of UTC ends later than one of the Union.
type Authority struct {
	State     string
	Zone      *time.Location
	Calendars *Calendars
}

func (a Authority) placeless() bool { return a.State == "" && a.Zone == time.UTC }

// bare is a limit that nothing is added to, because nobody said where it runs.
func bare(d Due) Due {
	d.Latest, d.EndOfDay, d.Rules = d.Safe, false, append(d.Rules, rulePlaceless)
	return d
}

// off explains a day off and names the calendar.
func (a Authority) off(r Rule, t time.Time, why string) Rule {
	r.Says = fmt.Sprintf("%s (%s %s in %s, calendar %s)", r.Says, t.Format("2 Jan 2006"), why, a.State, a.Calendars.Version())
	return r
}

// exact is so many hours after from, without a rule that adds to it.
func exact(from time.Time, hours int, rules ...Rule) Due {
	end := from.Add(time.Duration(hours) * time.Hour).UTC()
	return Due{Safe: end, Latest: end, Rules: rules}
}

// fullHours lets the last hour end, as Regulation 1182/71 counts hours.
func fullHours(d Due) Due {
	// Zones of the Union are whole hours from UTC, so the hour is the same.
	d.Latest = d.Latest.Truncate(time.Hour).Add(time.Hour)
	d.Rules = append(d.Rules, ruleHour, ruleFullHours)
	return d
}

// noon applies the rule of DORA for limits on a day off. The limit is the last
// instant that counts, so for an end of a day that day's.
func (a Authority) noon(d Due) Due {
	if a.placeless() {
		return bare(d)
	}
	limit := d.Latest.In(a.Zone)
	if d.EndOfDay {
		limit = limit.Add(-time.Nanosecond)
	}
	why, free := a.Calendars.Free(a.State, limit)
	if !free {
		return d
	}
	y, m, n := a.Calendars.NextWorkingDay(a.State, limit).Date()
	d.Latest, d.EndOfDay = localTime(y, m, n, 12, 0, 0, 0, a.Zone).UTC(), false
	d.Rules = append(d.Rules, a.off(ruleNoon, limit, why))
	return d
}

// working applies the rule for periods that are not of hours.
func (a Authority) working(d Due) Due {
	if a.placeless() {
		return bare(d)
	}
	last := d.Latest.In(a.Zone).Add(-time.Nanosecond)
	why, free := a.Calendars.Free(a.State, last)
	if !free {
		return d
	}
	y, m, n := a.Calendars.NextWorkingDay(a.State, last).Date()
	d.Latest = localTime(y, m, n+1, 0, 0, 0, 0, a.Zone).UTC()
	d.Rules = append(d.Rules, a.off(ruleWorking, last, why))
	return d
}

// month is one month after from: safe at the same local date and time, latest
// with the end of that date. Days off are not looked at.
func (a Authority) month(from time.Time, rules ...Rule) Due { return a.months(from, 1, rules...) }

func (a Authority) months(from time.Time, n int, rules ...Rule) Due {
	local := from.In(a.Zone)
	y, m, d := local.Date()
	m += time.Month(n)
	last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() // of the month it ends in
	rules = append(rules, ruleDayFirst, ruleMonth, ruleCounted)
	if d > last {
		d, rules = last, append(rules, ruleMonthEnd)
	}
	return a.wholeDays(local, y, m, d, rules)
}

// days is n days after from, as month.
func (a Authority) days(from time.Time, n int, rules ...Rule) Due {
	local := from.In(a.Zone)
	y, m, d := local.Date()
	return a.wholeDays(local, y, m, d+n, append(rules, ruleDayFirst, ruleDays, ruleCounted))
}

func (a Authority) wholeDays(local time.Time, y int, m time.Month, d int, rules []Rule) Due {
	h, min, s := local.Clock()
	return Due{
		Safe:   localTime(y, m, d, h, min, s, local.Nanosecond(), a.Zone).UTC(),
		Latest: localTime(y, m, d+1, 0, 0, 0, 0, a.Zone).UTC(), EndOfDay: true, Rules: rules,
	}
}

// localTime is time.Date that takes the earlier instant of a local time that
// comes twice, and of one that is skipped the instant at which clocks change
// at the latest: limits are never later than they may be read.
func localTime(y int, m time.Month, d, h, min, s, ns int, zone *time.Location) time.Time {
	naive := time.Date(y, m, d, h, min, s, ns, time.UTC)
	var best time.Time
	for _, probe := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := naive.Add(probe).In(zone).Zone()
		t := naive.Add(-time.Duration(offset) * time.Second).In(zone)
		if best.IsZero() || t.Before(best) {
			best = t
		}
	}
	if best.Format("2006-01-02 15:04:05.999999999") == naive.Format("2006-01-02 15:04:05.999999999") {
		return best
	}
	// The earlier candidate shows another time: either the later one is the
	// only right one, or the time is skipped and the earlier is taken.
	if t := time.Date(y, m, d, h, min, s, ns, zone); t.Format("2006-01-02 15:04:05.999999999") == naive.Format("2006-01-02 15:04:05.999999999") {
		return t
	}
	return best
}
