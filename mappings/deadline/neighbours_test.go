package deadline_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/mappings/deadline"
)

// Neighbours of the worked examples: the same rules a day, an hour or a state
// further on.
func TestNeighbours(t *testing.T) {
	for _, w := range []worked{
		{name: "classified on the minute of the cap: 4 h would be later", noNoon: bank, aware: "2026-11-23 08:00", class: "2026-11-24 08:00", stage: deadline.DORAInitial,
			safe: "2026-11-24 08:00", latest: "2026-11-24 08:00"},
		{name: "classified a minute after the cap", noNoon: bank, aware: "2026-11-23 08:00", class: "2026-11-24 08:01", stage: deadline.DORAInitial,
			safe: "2026-11-24 12:01", latest: "2026-11-24 12:01", rules: []string{"2025/301 Art 5(2)"}},
		{name: "4 h and 24 h end together", noNoon: bank, aware: "2026-11-23 08:00", class: "2026-11-24 04:00", stage: deadline.DORAInitial,
			safe: "2026-11-24 08:00", latest: "2026-11-24 08:00"},
		{name: "a limit on Friday midnight is Saturday's", aware: "2026-11-20 19:00", class: "2026-11-20 20:00", stage: deadline.DORAInitial,
			safe: "2026-11-21 00:00", latest: "2026-11-23 12:00"},
		{name: "the last minute of Friday is Friday's", aware: "2026-11-20 19:00", class: "2026-11-20 19:59", stage: deadline.DORAInitial,
			safe: "2026-11-20 23:59", latest: "2026-11-20 23:59"},
		{name: "Sunday in UTC is Monday in Helsinki", state: "FI", aware: "2026-11-22T18:00:00Z", class: "2026-11-22T18:30:00Z", stage: deadline.DORAInitial,
			safe: "2026-11-22T22:30:00Z", latest: "2026-11-22T22:30:00Z"},
		{name: "the last hour of Sunday in Lisbon", state: "PT", aware: "2026-11-22T18:00:00Z", class: "2026-11-22T19:30:00Z", stage: deadline.DORAInitial,
			safe: "2026-11-22T23:30:00Z", latest: "2026-11-23T12:00:00Z"},
		{name: "4 h over the end of summer time", noNoon: bank, aware: "2026-10-24 22:00", class: "2026-10-25 00:30", stage: deadline.DORAInitial,
			safe: "2026-10-25T02:30:00Z", latest: "2026-10-25T02:30:00Z"}, // 03:30, not 04:30
		{name: "24 h over the begin of summer time in Athens", state: "GR", noNoon: bank, aware: "2026-03-28 20:00", class: "2026-03-29 19:00", stage: deadline.DORAInitial,
			safe: "2026-03-29 21:00", latest: "2026-03-29 21:00"},
		{name: "72 h over the begin of summer time in Dublin", state: "IE", noNoon: bank, aware: "2026-03-26 10:00", class: "2026-03-26 11:00",
			filed: []string{"dora.initial 2026-03-27 12:00"}, stage: deadline.DORAIntermediate, safe: "2026-03-30 13:00", latest: "2026-03-30 13:00"},
		{name: "72 h end on a bank holiday of Ireland alone", state: "IE", aware: "2026-10-23 10:00", class: "2026-10-23 11:00",
			filed: []string{"dora.initial 2026-10-23 12:00"}, stage: deadline.DORAIntermediate, safe: "2026-10-26 11:00", latest: "2026-10-27 12:00"},
		{name: "Orthodox Good Friday in Cyprus", state: "CY", aware: "2026-04-07 10:00", class: "2026-04-07 11:00",
			filed: []string{"dora.initial 2026-04-07 12:00"}, stage: deadline.DORAIntermediate, safe: "2026-04-10 12:00", latest: "2026-04-14 12:00"},
		{name: "Orthodox Easter Monday in Romania", state: "RO", aware: "2026-04-10 10:00", class: "2026-04-10 11:00",
			filed: []string{"dora.initial 2026-04-10 12:00"}, stage: deadline.DORAIntermediate, safe: "2026-04-13 12:00", latest: "2026-04-14 12:00"},
		{name: "1 May on Holy Saturday in Bulgaria", state: "BG", aware: "2027-04-27 10:00", class: "2027-04-27 11:00",
			filed: []string{"dora.initial 2027-04-27 12:00"}, stage: deadline.DORAIntermediate, safe: "2027-04-30 12:00", latest: "2027-05-05 12:00"},
		{name: "a day that Slovakia works on", state: "SK", aware: "2026-11-14 10:00", class: "2026-11-14 11:00",
			filed: []string{"dora.initial 2026-11-14 12:00"}, stage: deadline.DORAIntermediate, safe: "2026-11-17 12:00", latest: "2026-11-17 12:00"},
		{name: "DORA final from 31 January", aware: "2027-01-25 10:00", filed: []string{"dora.intermediate 2027-01-31 10:00"}, stage: deadline.DORAFinal,
			safe: "2027-02-28 10:00", latest: "2027-03-01 12:00"},
		{name: "DORA final from a leap day", aware: "2028-02-25 10:00", filed: []string{"dora.intermediate 2028-02-29 10:00"}, stage: deadline.DORAFinal,
			safe: "2028-03-29 10:00", latest: "2028-03-30 00:00"},
		{name: "NIS-2 final from 31 March: a Thursday", aware: "2026-03-30 10:00", filed: []string{"nis2.notification 2026-03-31 10:00"}, stage: deadline.NIS2Final,
			safe: "2026-04-30 10:00", latest: "2026-05-01 00:00"},
		{name: "NIS-2 final from 30 November is 30 December", aware: "2026-11-29 10:00", filed: []string{"nis2.notification 2026-11-30 10:00"}, stage: deadline.NIS2Final,
			safe: "2026-12-30 10:00", latest: "2026-12-31 00:00"},
		{name: "sent a minute before the month ends, in the authority's zone", aware: "2026-11-29 10:00", filed: []string{"nis2.notification 2026-11-30 23:59"}, stage: deadline.NIS2Final,
			safe: "2026-12-30 23:59", latest: "2026-12-31 00:00"},
		{name: "the authority's day counts, not that of UTC", aware: "2026-11-29 10:00", filed: []string{"nis2.notification 2026-11-30T23:30:00Z"}, stage: deadline.NIS2Final,
			safe: "2027-01-01 00:30", latest: "2027-01-05 00:00"}, // 1 December in Berlin; New Year and a weekend
		{name: "14 days that end on 26 December", vuln: true, aware: "2028-12-11 10:00", avail: "2028-12-12 09:00", stage: deadline.CRAFinalVuln,
			safe: "2028-12-26 09:00", latest: "2028-12-28 00:00"},
		{name: "GDPR over Christmas is not moved", aware: "2026-12-23 17:45", stage: deadline.GDPRAuthority, safe: "2026-12-26 17:45", latest: "2026-12-26 18:00"},
		{name: "GDPR over the end of summer time", aware: "2026-10-23 17:45", stage: deadline.GDPRAuthority, safe: "2026-10-26 16:45", latest: "2026-10-26 17:00"},
		{name: "NIS-2 handled in the month: a progress report moves nothing", aware: "2026-11-20 16:10", handled: "2026-12-20 10:00", now: "2026-12-27 10:00",
			filed: []string{"nis2.notification 2026-11-23 12:00", "nis2.progress 2026-12-18 10:00"}, stage: deadline.NIS2Final,
			safe: "2026-12-23 12:00", latest: "2026-12-24 00:00", rules: []string{"NIS-2 Art 23(4)(d)"}},
		{name: "NIS-2 handled after the month that a progress report told", aware: "2026-11-20 16:10", handled: "2026-12-31 10:00", now: "2027-01-02 10:00",
			filed: []string{"nis2.notification 2026-11-23 12:00", "nis2.progress 2026-12-23 10:00"}, stage: deadline.NIS2Final,
			safe: "2027-01-31 10:00", latest: "2027-02-02 00:00", rules: []string{"NIS-2 Art 23(4)(e)"}},
	} {
		t.Run(w.name, func(t *testing.T) {
			state := w.state
			if state == "" {
				state = "DE"
			}
			zone := authority(t, state).Zone
			k := w.clock(t)
			if want := at(t, zone.String(), w.safe); !k.Due.Safe.Equal(want) {
				t.Errorf("safe: got %s, want %s", k.Due.Safe.In(zone), want)
			}
			if want := at(t, zone.String(), w.latest); !k.Due.Latest.Equal(want) {
				t.Errorf("latest: got %s, want %s", k.Due.Latest.In(zone), want)
			}
			for _, a := range w.rules {
				if !slices.ContainsFunc(k.Due.Rules, func(r deadline.Rule) bool { return r.Article == a }) {
					t.Errorf("rule %s is not among %+v", a, k.Due.Rules)
				}
			}
		})
	}
}

// Where nobody said whose days count, nothing is added to the law's number: the
// end of a day in UTC lies after that of any state's.
func TestNoStateAddsNothing(t *testing.T) {
	sent := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) // a Saturday
	c := deadline.Case{
		Laws: []deadline.Law{deadline.DORA, deadline.NIS2, deadline.CRA}, Authority: deadline.Authority{Zone: time.UTC, Calendars: deadline.Builtin()}, Vulnerability: true,
		Classified: sent, Available: sent.AddDate(0, 0, -2),
		Aware:   map[deadline.Law]time.Time{deadline.DORA: sent, deadline.NIS2: sent, deadline.CRA: sent},
		Filings: []deadline.Filing{{Stage: deadline.NIS2Notification, Sent: sent}, {Stage: deadline.DORAIntermediate, Sent: sent}},
	}
	for _, k := range deadline.Clocks(c, sent) {
		switch k.Stage {
		case deadline.DORAInitial, deadline.DORAFinal, deadline.NIS2Final, deadline.CRAFinalVuln:
			if k.Due.Safe.IsZero() || !k.Due.Latest.Equal(k.Due.Safe) || k.Due.EndOfDay {
				t.Errorf("%s: safe %s, latest %s", k.Stage, k.Due.Safe, k.Due.Latest)
			}
			if !slices.ContainsFunc(k.Due.Rules, func(r deadline.Rule) bool { return strings.Contains(r.Says, "reporter.state") }) {
				t.Errorf("%s: no rule says why: %+v", k.Stage, k.Due.Rules)
			}
		}
	}
}

// The end of a day is the first instant that is too late; an instant of the
// clock is the last that is not.
func TestLateToTheInstant(t *testing.T) {
	end := time.Date(2026, 12, 23, 23, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		day  bool
		sent time.Time
		late bool
	}{
		{true, end.Add(-time.Second), false}, {true, end, true}, {false, end, false}, {false, end.Add(time.Nanosecond), true},
	} {
		if got := (deadline.Due{Latest: end, EndOfDay: tc.day}).Late(tc.sent); got != tc.late {
			t.Errorf("end of day %t, sent %s: late %t", tc.day, tc.sent, got)
		}
	}
}

// Who is a controller and a processor owes both what each owes.
func TestBothRolesOfTheGDPR(t *testing.T) {
	aware := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	c := deadline.Case{Laws: []deadline.Law{deadline.GDPR}, Authority: authority(t, "DE"), Processor: true, Controller: true, HighRisk: aware, Aware: map[deadline.Law]time.Time{deadline.GDPR: aware}}
	if got := stagesOf(deadline.Clocks(c, aware)); got != "gdpr.authority:running gdpr.processor:owed gdpr.people:owed" {
		t.Error(got)
	}
	c.Controller = false
	if got := stagesOf(deadline.Clocks(c, aware)); got != "gdpr.processor:owed" {
		t.Error(got)
	}
}

func stagesOf(clocks []deadline.Clock) string {
	var out []string
	for _, k := range clocks {
		out = append(out, string(k.Stage)+":"+string(k.State))
	}
	return strings.Join(out, " ")
}

// Before the first intermediate report nothing is there to update: the report
// itself tells the recovery.
func TestRecoveredBeforeTheFirstReport(t *testing.T) {
	a := authority(t, "DE")
	aware := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	c := deadline.Case{
		Laws: []deadline.Law{deadline.DORA}, Authority: a, NoNoon: bank, Aware: map[deadline.Law]time.Time{deadline.DORA: aware}, Classified: aware, Recovered: aware.Add(5 * time.Hour),
		Filings: []deadline.Filing{{Stage: deadline.DORAInitial, Sent: aware.Add(time.Hour), Receipt: aware.Add(time.Hour)}},
	}
	clocks := deadline.Clocks(c, aware.Add(6*time.Hour))
	if got := stagesOf(clocks); got != "dora.initial:met dora.intermediate:running dora.final:waiting" {
		t.Fatal(got)
	}
	if notes := strings.Join(clocks[1].Notes, " "); !strings.Contains(notes, "recovered") {
		t.Errorf("notes of the intermediate report: %q", notes)
	}
}

// What was sent while its start was not known is judged by the facts as they
// stand, never taken for timely.
func TestSentWithoutAKnownLimit(t *testing.T) {
	a := authority(t, "DE")
	available := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	c := deadline.Case{
		Laws: []deadline.Law{deadline.CRA}, Authority: a, Vulnerability: true, Aware: map[deadline.Law]time.Time{deadline.CRA: available}, Available: available,
		Filings: []deadline.Filing{{Stage: deadline.CRAFinalVuln, Sent: available.AddDate(0, 0, 15), Receipt: available.AddDate(0, 0, 15)}},
	}
	for _, k := range deadline.Clocks(c, available.AddDate(0, 0, 16)) {
		if k.Stage == deadline.CRAFinalVuln && (k.State != deadline.MetLate || !k.Late || !strings.Contains(strings.Join(k.Notes, " "), "no limit was known")) {
			t.Errorf("%s, late %t, %q", k.State, k.Late, k.Notes)
		}
	}
}
