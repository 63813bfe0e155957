package deadline_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/mappings/deadline"
)

// at reads a local time of the zone, or an instant in RFC 3339.
func at(t *testing.T, zone, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	if x, err := time.Parse(time.RFC3339, s); err == nil {
		return x
	}
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	x, err := time.ParseInLocation("2006-01-02 15:04", s, z)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func authority(t *testing.T, state string) deadline.Authority {
	t.Helper()
	c := deadline.Builtin()
	z, err := c.Zone(state)
	if err != nil {
		t.Fatal(err)
	}
	return deadline.Authority{State: state, Zone: z, Calendars: c}
}

var bank = deadline.NoNoon([]string{"credit_institution"}, "", time.Time{}, time.Time{})

// worked is one incident and what one of its clocks must say. Times are local
// to the authority unless they end in Z; filings are STAGE TIME.
type worked struct {
	name    string
	state   string
	noNoon  deadline.Exception
	hour    bool
	trust   bool
	vuln    bool
	aware   string
	class   string
	recov   string
	handled string
	avail   string
	filed   []string
	now     string
	stage   deadline.Stage
	safe    string
	latest  string
	rules   []string // articles that must be among those that gave it
}

func (w worked) clock(t *testing.T) deadline.Clock {
	t.Helper()
	if w.state == "" {
		w.state = "DE"
	}
	a := authority(t, w.state)
	zone := a.Zone.String()
	law, ok := deadline.StageLaw(w.stage)
	if !ok {
		t.Fatalf("no stage %s", w.stage)
	}
	aware := at(t, zone, w.aware)
	c := deadline.Case{
		Laws: []deadline.Law{law}, Authority: a, NoNoon: w.noNoon, HourRule: w.hour, TrustService: w.trust, Vulnerability: w.vuln,
		Aware: map[deadline.Law]time.Time{law: aware}, Classified: at(t, zone, w.class), Recovered: at(t, zone, w.recov),
		Handled: at(t, zone, w.handled), Available: at(t, zone, w.avail),
	}
	for _, f := range w.filed {
		stage, when, _ := strings.Cut(f, " ")
		c.Filings = append(c.Filings, deadline.Filing{Stage: deadline.Stage(stage), Sent: at(t, zone, when), Receipt: at(t, zone, when)})
	}
	now := aware
	if w.now != "" {
		now = at(t, zone, w.now)
	}
	for _, k := range deadline.Clocks(c, now) {
		if k.Stage == w.stage {
			return k
		}
	}
	t.Fatalf("no clock %s", w.stage)
	return deadline.Clock{}
}

func TestWorkedExamples(t *testing.T) {
	for _, w := range []worked{
		{name: "1 weekend, credit institution", noNoon: bank, aware: "2026-12-18 18:20", class: "2026-12-19 09:40", stage: deadline.DORAInitial,
			safe: "2026-12-19 13:40", latest: "2026-12-19 13:40", rules: []string{"2025/301 Art 5(5)"}},
		{name: "1 intermediate", noNoon: bank, aware: "2026-12-18 18:20", class: "2026-12-19 09:40", filed: []string{"dora.initial 2026-12-19 13:05"},
			stage: deadline.DORAIntermediate, safe: "2026-12-22 13:05", latest: "2026-12-22 13:05"},
		{name: "1 update at recovery", noNoon: bank, aware: "2026-12-18 18:20", class: "2026-12-19 09:40", recov: "2026-12-24 10:00",
			filed: []string{"dora.initial 2026-12-19 13:05", "dora.intermediate 2026-12-22 12:00"}, stage: deadline.DORAUpdate},
		{name: "1 final: the noon rule is for everyone", noNoon: bank, aware: "2026-12-18 18:20", class: "2026-12-19 09:40", recov: "2026-12-24 10:00",
			filed: []string{"dora.initial 2026-12-19 13:05", "dora.intermediate 2026-12-22 12:00", "dora.update 2026-12-24 11:30"}, stage: deadline.DORAFinal,
			safe: "2027-01-24 11:30", latest: "2027-01-25 12:00", rules: []string{"2025/301 Art 5(4)", "2025/301 Art 5(1)(c)"}},
		{name: "2 insurance undertaking", aware: "2026-12-18 18:20", class: "2026-12-19 09:40", stage: deadline.DORAInitial,
			safe: "2026-12-19 13:40", latest: "2026-12-21 12:00", rules: []string{"2025/301 Art 5(4)"}},
		{name: "2 intermediate", aware: "2026-12-18 18:20", class: "2026-12-19 09:40", filed: []string{"dora.initial 2026-12-21 10:00"},
			stage: deadline.DORAIntermediate, safe: "2026-12-24 10:00", latest: "2026-12-24 10:00"},
		{name: "2 intermediate over Christmas", aware: "2026-12-18 18:20", class: "2026-12-19 09:40", filed: []string{"dora.initial 2026-12-22 15:30"},
			stage: deadline.DORAIntermediate, safe: "2026-12-25 15:30", latest: "2026-12-28 12:00"},
		{name: "3 late classification", noNoon: bank, aware: "2026-11-23 08:00", class: "2026-11-25 16:00", stage: deadline.DORAInitial,
			safe: "2026-11-25 20:00", latest: "2026-11-25 20:00", rules: []string{"2025/301 Art 5(2)"}},
		{name: "4 the 24 h cap bites", noNoon: bank, aware: "2026-11-23 08:00", class: "2026-11-24 06:30", stage: deadline.DORAInitial,
			safe: "2026-11-24 08:00", latest: "2026-11-24 08:00"},
		{name: "5 NIS-2 early warning", aware: "2026-11-20 16:10", stage: deadline.NIS2Early, safe: "2026-11-21 16:10", latest: "2026-11-21 16:10"},
		{name: "5 NIS-2 notification", aware: "2026-11-20 16:10", stage: deadline.NIS2Notification, safe: "2026-11-23 16:10", latest: "2026-11-23 16:10"},
		{name: "5 where national law counts full hours", hour: true, aware: "2026-11-20 16:10", stage: deadline.NIS2Notification,
			safe: "2026-11-23 16:10", latest: "2026-11-23 17:00", rules: []string{"1182/71 Art 3(1)"}},
		{name: "5 NIS-2 final", aware: "2026-11-20 16:10", filed: []string{"nis2.notification 2026-11-23 12:00"}, stage: deadline.NIS2Final,
			safe: "2026-12-23 12:00", latest: "2026-12-24 00:00"},
		{name: "6 short month", aware: "2027-01-29 09:00", filed: []string{"nis2.notification 2027-01-31 10:00"}, stage: deadline.NIS2Final,
			safe: "2027-02-28 10:00", latest: "2027-03-02 00:00", rules: []string{"1182/71 Art 3(4)"}},
		{name: "7 GDPR over a weekend", aware: "2026-11-20 17:45", stage: deadline.GDPRAuthority, safe: "2026-11-23 17:45", latest: "2026-11-23 18:00"},
		{name: "8 CRA early", aware: "2026-11-21 11:05", stage: deadline.CRAEarly, safe: "2026-11-22 11:05", latest: "2026-11-22 12:00"},
		{name: "8 CRA notification", aware: "2026-11-21 11:05", stage: deadline.CRANotification, safe: "2026-11-24 11:05", latest: "2026-11-24 12:00"},
		{name: "8 CRA final", vuln: true, aware: "2026-11-21 11:05", avail: "2026-12-04 15:00", stage: deadline.CRAFinalVuln,
			safe: "2026-12-18 15:00", latest: "2026-12-19 00:00"},
		{name: "9 clock change", aware: "2026-10-24 20:00", stage: deadline.NIS2Early, safe: "2026-10-25T18:00:00Z", latest: "2026-10-25T18:00:00Z"},

		{name: "leap year", aware: "2028-01-28 09:00", filed: []string{"nis2.notification 2028-01-31 10:00"}, stage: deadline.NIS2Final,
			safe: "2028-02-29 10:00", latest: "2028-03-01 00:00"},
		{name: "no leap year", aware: "2026-01-28 09:00", filed: []string{"nis2.notification 2026-01-30 10:00"}, stage: deadline.NIS2Final,
			safe: "2026-02-28 10:00", latest: "2026-03-03 00:00"}, // a Saturday
		{name: "31 May", aware: "2026-05-29 09:00", filed: []string{"cra.notification 2026-05-31 10:00"}, stage: deadline.CRAFinalIncident,
			safe: "2026-06-30 10:00", latest: "2026-07-01 00:00"},
		{name: "over the end of the year", aware: "2026-12-29 09:00", filed: []string{"nis2.notification 2026-12-31 10:00"}, stage: deadline.NIS2Final,
			safe: "2027-01-31 10:00", latest: "2027-02-02 00:00"}, // a Sunday
		{name: "Easter: Good Friday to Easter Monday", aware: "2026-04-01 10:00", class: "2026-04-02 09:00", filed: []string{"dora.initial 2026-03-31 16:00"},
			stage: deadline.DORAIntermediate, safe: "2026-04-03 16:00", latest: "2026-04-07 12:00"},
		{name: "a holiday bridge: 1 May is a Friday", aware: "2026-04-28 15:00", filed: []string{"dora.initial 2026-04-28 15:00"}, class: "2026-04-28 14:00",
			stage: deadline.DORAIntermediate, safe: "2026-05-01 15:00", latest: "2026-05-04 12:00"},
		{name: "the same day is one of work in the Netherlands", state: "NL", aware: "2026-04-28 15:00", filed: []string{"dora.initial 2026-04-28 15:00"}, class: "2026-04-28 14:00",
			stage: deadline.DORAIntermediate, safe: "2026-05-01 15:00", latest: "2026-05-01 15:00"},
		{name: "a month over the change to summer time keeps the clock", aware: "2026-03-01 10:00", filed: []string{"nis2.notification 2026-03-03 10:00"}, stage: deadline.NIS2Final,
			safe: "2026-04-03T08:00:00Z", latest: "2026-04-08 00:00"}, // Good Friday to Easter Monday
		{name: "a local time that is skipped", aware: "2026-02-27 10:00", filed: []string{"dora.intermediate 2026-02-28 02:30"}, stage: deadline.DORAFinal,
			safe: "2026-03-28 02:30", latest: "2026-03-30 12:00"},
		{name: "a month that ends in the skipped hour takes the earlier instant", vuln: true, aware: "2026-03-14 10:00", avail: "2026-03-15 02:30", stage: deadline.CRAFinalVuln,
			safe: "2026-03-29T00:30:00Z", latest: "2026-03-31 00:00"},
		{name: "a time that comes twice is the first", vuln: true, aware: "2026-10-10 10:00", avail: "2026-10-11 02:30", stage: deadline.CRAFinalVuln,
			safe: "2026-10-25T00:30:00Z", latest: "2026-10-27 00:00"},
		{name: "Denmark has no Store Bededag any more", state: "DK", aware: "2026-04-28 15:00", filed: []string{"dora.initial 2026-04-28 15:00"}, class: "2026-04-28 14:00",
			stage: deadline.DORAIntermediate, safe: "2026-05-01 15:00", latest: "2026-05-01 15:00"},
		{name: "Orthodox Easter", state: "GR", aware: "2026-04-07 15:00", filed: []string{"dora.initial 2026-04-07 15:00"}, class: "2026-04-07 14:00",
			stage: deadline.DORAIntermediate, safe: "2026-04-10 15:00", latest: "2026-04-14 12:00"},
		{name: "a DORA final on a working day has the day", aware: "2026-11-02 10:00", filed: []string{"dora.intermediate 2026-11-10 10:00"}, stage: deadline.DORAFinal,
			safe: "2026-12-10 10:00", latest: "2026-12-11 00:00"},
		{name: "a full hour to the minute", aware: "2026-11-20 17:00", stage: deadline.GDPRAuthority, safe: "2026-11-23 17:00", latest: "2026-11-23 18:00"},
		{name: "trust service", trust: true, aware: "2026-11-20 16:10", stage: deadline.NIS2Notification, safe: "2026-11-21 16:10", latest: "2026-11-21 16:10"},
		{name: "still going on: the progress report is owed", aware: "2026-11-20 16:10", filed: []string{"nis2.notification 2026-11-23 12:00"}, now: "2026-12-27 10:00", stage: deadline.NIS2Progress,
			safe: "2026-12-23 12:00", latest: "2026-12-24 00:00"},
		{name: "and the final one a month after handling", aware: "2026-11-20 16:10", filed: []string{"nis2.notification 2026-11-23 12:00"}, handled: "2027-01-08 12:00", now: "2027-01-09 10:00",
			stage: deadline.NIS2Final, safe: "2027-02-08 12:00", latest: "2027-02-09 00:00", rules: []string{"NIS-2 Art 23(4)(e)"}},
		{name: "not classified yet: be ready within 24 h", noNoon: bank, aware: "2026-11-23 08:00", stage: deadline.DORAInitial, safe: "2026-11-24 08:00", latest: "2026-11-24 08:00"},
	} {
		t.Run(w.name, func(t *testing.T) {
			zone := authority(t, map[bool]string{true: "DE", false: w.state}[w.state == ""]).Zone.String()
			k := w.clock(t)
			if got, want := k.Due.Safe, at(t, zone, w.safe); !got.Equal(want) {
				t.Errorf("safe: got %s, want %s", got, want)
			}
			if got, want := k.Due.Latest, at(t, zone, w.latest); !got.Equal(want) {
				t.Errorf("latest: got %s, want %s", got.In(authority(t, "DE").Zone), want)
			}
			if w.safe != "" && len(k.Due.Rules) == 0 {
				t.Error("no rule gave it")
			}
			for _, a := range w.rules {
				found := false
				for _, r := range k.Due.Rules {
					found = found || r.Article == a
				}
				if !found {
					t.Errorf("rule %s is not among %+v", a, k.Due.Rules)
				}
			}
			if k.Due.Latest.Before(k.Due.Safe) {
				t.Errorf("latest %s is before safe %s", k.Due.Latest, k.Due.Safe)
			}
		})
	}
}

// States of a clock, by what was filed when and what time it is.
func TestStates(t *testing.T) {
	a := authority(t, "DE")
	zone := a.Zone.String()
	base := func() deadline.Case {
		return deadline.Case{Laws: []deadline.Law{deadline.DORA}, Authority: a, Aware: map[deadline.Law]time.Time{deadline.DORA: at(t, zone, "2026-12-18 18:20")}, Classified: at(t, zone, "2026-12-19 09:40")}
	}
	filing := func(sent, receipt string, late bool) deadline.Filing {
		return deadline.Filing{Stage: deadline.DORAInitial, Sent: at(t, zone, sent), Receipt: at(t, zone, receipt), Late: late,
			Fixed: deadline.Due{Safe: at(t, zone, "2026-12-19 13:40"), Latest: at(t, zone, "2026-12-21 12:00")}}
	}
	for _, tc := range []struct {
		name   string
		now    string
		change func(*deadline.Case)
		want   deadline.State
		late   bool
		note   string
	}{
		{"running", "2026-12-19 10:00", nil, deadline.Running, false, ""},
		{"past safe", "2026-12-20 10:00", nil, deadline.PastSafe, false, ""},
		{"exactly latest is in time", "2026-12-21 12:00", nil, deadline.PastSafe, false, ""},
		{"overdue", "2026-12-21 12:01", nil, deadline.Overdue, true, ""},
		{"sent is not met", "2026-12-22 10:00", func(c *deadline.Case) { c.Filings = []deadline.Filing{filing("2026-12-21 10:00", "", false)} }, deadline.NoReceipt, false, ""},
		{"met", "2026-12-22 10:00", func(c *deadline.Case) {
			c.Filings = []deadline.Filing{filing("2026-12-21 10:00", "2026-12-21 10:05", false)}
		}, deadline.Met, false, ""},
		{"late stays late when the facts move", "2026-12-22 10:00", func(c *deadline.Case) {
			c.Filings = []deadline.Filing{filing("2026-12-21 14:00", "2026-12-21 14:05", true)}
			c.Classified = at(t, zone, "2026-12-21 13:00")
		}, deadline.MetLate, true, "it was in time"},
		{"in time by the facts of then", "2026-12-22 10:00", func(c *deadline.Case) {
			c.Filings = []deadline.Filing{filing("2026-12-21 10:00", "2026-12-21 10:05", false)}
			c.Aware[deadline.DORA] = at(t, zone, "2026-12-16 10:00")
			c.Classified = at(t, zone, "2026-12-16 12:00")
		}, deadline.Met, false, "it was late"},
		{"a candidate stands in", "2026-12-19 10:00", func(c *deadline.Case) {
			c.Aware, c.Candidate, c.Classified = nil, at(t, zone, "2026-12-18 17:00"), time.Time{}
		}, deadline.Running, false, "not classified"},
		{"nothing is known", "2026-12-19 10:00", func(c *deadline.Case) { c.Aware, c.Classified = nil, time.Time{} }, deadline.Waiting, false, ""},
		{"24 h without classification are not lateness", "2026-12-30 10:00", func(c *deadline.Case) { c.Classified = time.Time{} }, deadline.PastSafe, false, "Art 5(2)"},
		{"classified as not major", "2026-12-30 10:00", func(c *deadline.Case) { c.NotMajor, c.Classified = c.Classified, time.Time{} }, deadline.Void, false, "not major"},
		{"reclassified", "2026-12-30 10:00", func(c *deadline.Case) {
			c.Reclassified = at(t, zone, "2026-12-29 10:00")
			c.Filings = []deadline.Filing{filing("2026-12-21 10:00", "2026-12-21 10:05", false)}
		}, deadline.Void, false, "never met"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := base()
			if tc.change != nil {
				tc.change(&c)
			}
			k := deadline.Clocks(c, at(t, zone, tc.now))[0]
			if k.State != tc.want || k.Late != tc.late {
				t.Errorf("got %s (late %v), want %s (late %v)", k.State, k.Late, tc.want, tc.late)
			}
			if notes := strings.Join(k.Notes, "; "); !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q do not say %q", notes, tc.note)
			}
			if wantProvisional := tc.name == "a candidate stands in"; k.Provisional != wantProvisional {
				t.Errorf("provisional: %v", k.Provisional)
			}
		})
	}
}

// An update is owed for a recovery that no report could tell yet, and what was
// sent needs a receipt, also what nobody owed.
func TestUpdates(t *testing.T) {
	a := authority(t, "DE")
	when := func(s string) time.Time { return at(t, a.Zone.String(), s) }
	sent := func(stage deadline.Stage, s string, received bool) deadline.Filing {
		f := deadline.Filing{Stage: stage, Sent: when(s)}
		if received {
			f.Receipt = f.Sent
		}
		return f
	}
	before, early, late := sent(deadline.DORAIntermediate, "2026-12-22 12:00", true), sent(deadline.DORAUpdate, "2026-12-23 12:00", true), sent(deadline.DORAUpdate, "2026-12-24 11:30", false)
	for _, tc := range []struct {
		name    string
		recov   string
		filings []deadline.Filing
		stage   deadline.Stage
		want    deadline.State
	}{
		{"nobody recovered", "", []deadline.Filing{before}, deadline.DORAUpdate, ""},
		{"recovered after the report", "2026-12-24 10:00", []deadline.Filing{before}, deadline.DORAUpdate, deadline.Owed},
		{"recovered before the report", "2026-12-22 10:00", []deadline.Filing{before}, deadline.DORAUpdate, ""},
		{"an earlier update could not tell it", "2026-12-24 10:00", []deadline.Filing{before, early}, deadline.DORAUpdate, deadline.Owed},
		{"told, no receipt", "2026-12-24 10:00", []deadline.Filing{before, early, late}, deadline.DORAUpdate, deadline.NoReceipt},
		{"told by the final report", "2026-12-24 10:00", []deadline.Filing{before, sent(deadline.DORAFinal, "2026-12-26 12:00", true)}, deadline.DORAUpdate, ""},
		{"told by another intermediate report", "2026-12-24 10:00", []deadline.Filing{before, sent(deadline.DORAIntermediate, "2026-12-24 11:00", true), late}, deadline.DORAUpdate, deadline.NoReceipt},
		{"an update that nobody owed", "", []deadline.Filing{before, late}, deadline.DORAUpdate, deadline.NoReceipt},
		{"recipients were told", "", []deadline.Filing{sent(deadline.NIS2Recipients, "2026-12-22 12:00", true)}, deadline.NIS2Recipients, deadline.Met},
		{"sent again, no receipt of it", "", []deadline.Filing{before, sent(deadline.DORAIntermediate, "2026-12-22 13:00", false)}, deadline.DORAIntermediate, deadline.NoReceipt},
	} {
		c := deadline.Case{Laws: []deadline.Law{deadline.DORA}, Authority: a, Classified: when("2026-12-19 09:40"), Recovered: when(tc.recov), Filings: tc.filings}
		var got deadline.State
		for _, k := range deadline.Clocks(c, when("2026-12-27 10:00")) {
			if k.Stage == tc.stage {
				got = k.State
			}
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// An update counts from when it told the recovery, whatever was sent before, and
// stays owed and told when the final report is sent.
func TestUpdateThatTold(t *testing.T) {
	a := authority(t, "DE")
	when := func(s string) time.Time { return at(t, a.Zone.String(), s) }
	filings := []deadline.Filing{
		{Stage: deadline.DORAIntermediate, Sent: when("2026-12-02 12:00")},
		{Stage: deadline.DORAUpdate, Sent: when("2026-12-03 12:00")},
		{Stage: deadline.DORAUpdate, Sent: when("2026-12-20 12:00")},
		{Stage: deadline.DORAUpdate, Sent: when("2026-12-21 12:00")},
		{Stage: deadline.DORAFinal, Sent: when("2026-12-22 12:00")},
	}
	for n := 4; n <= len(filings); n++ {
		c := deadline.Case{Laws: []deadline.Law{deadline.DORA}, Authority: a, Classified: when("2026-12-01 09:40"), Recovered: when("2026-12-05 10:00"), Filings: filings[:n]}
		var got []deadline.Clock
		for _, k := range deadline.Clocks(c, when("2026-12-27 10:00")) {
			if k.Stage == deadline.DORAUpdate {
				got = append(got, k)
			}
		}
		if len(got) != 1 || !got[0].From.Equal(c.Recovered) || !got[0].Sent.Equal(filings[2].Sent) || !slices.Contains(got[0].Notes, "sent again 2026-12-21T11:00:00Z") {
			t.Errorf("%d filings: got %+v, want one clock from the recovery to the second update", n, got)
		}
	}
}

// Which clocks there are.
func TestWhichClocks(t *testing.T) {
	a := authority(t, "DE")
	zone := a.Zone.String()
	aware := at(t, zone, "2026-11-20 10:00")
	for _, tc := range []struct {
		name string
		c    deadline.Case
		want string
	}{
		{"controller", deadline.Case{Laws: []deadline.Law{deadline.GDPR}}, "gdpr.authority:running"},
		{"processor", deadline.Case{Laws: []deadline.Law{deadline.GDPR}, Processor: true}, "gdpr.processor:owed"},
		{"high risk", deadline.Case{Laws: []deadline.Law{deadline.GDPR}, HighRisk: aware}, "gdpr.authority:running gdpr.people:owed"},
		{"risk unlikely", deadline.Case{Laws: []deadline.Law{deadline.GDPR}, RiskUnlikely: true}, "gdpr.authority:void"},
		{"severe incident", deadline.Case{Laws: []deadline.Law{deadline.CRA}}, "cra.early:running cra.notification:running cra.final.incident:waiting cra.users:owed"},
		{"vulnerability", deadline.Case{Laws: []deadline.Law{deadline.CRA}, Vulnerability: true}, "cra.early:running cra.notification:running cra.final.vuln:waiting cra.users:owed"},
		{"a report was asked for", deadline.Case{Laws: []deadline.Law{deadline.NIS2}, Requested: map[deadline.Stage]time.Time{deadline.NIS2Intermediate: aware}},
			"nis2.early:running nis2.notification:running nis2.intermediate:owed nis2.final:waiting"},
		{"not significant", deadline.Case{Laws: []deadline.Law{deadline.NIS2}, Void: map[deadline.Law]string{deadline.NIS2: "not significant"}, NotSignificant: aware},
			"nis2.early:void nis2.notification:void nis2.final:void nis2.recurring:running"},
		{"provider", deadline.Case{Laws: []deadline.Law{deadline.Contract}, Home: aware}, "customer.notice:owed"},
		{"clients", deadline.Case{Laws: []deadline.Law{deadline.DORA}, Classified: aware, ClientsHit: aware}, "dora.initial:running dora.intermediate:waiting dora.final:waiting dora.clients:owed"},
		{"small ones again", deadline.Case{Laws: []deadline.Law{deadline.DORA}, NotMajor: aware}, "dora.initial:void dora.intermediate:void dora.final:void dora.recurring:running"},
		{"no look at recurrence for the smallest", deadline.Case{Laws: []deadline.Law{deadline.DORA}, NotMajor: aware, Microenterprise: true}, "dora.initial:void dora.intermediate:void dora.final:void"},
		{"reclassified", deadline.Case{Laws: []deadline.Law{deadline.DORA}, Classified: aware, Reclassified: aware}, "dora.initial:void dora.intermediate:void dora.final:void dora.reclassified:owed"},
	} {
		tc.c.Authority = a
		tc.c.Aware = map[deadline.Law]time.Time{}
		for _, l := range tc.c.Laws {
			tc.c.Aware[l] = aware
		}
		var got []string
		for _, k := range deadline.Clocks(tc.c, aware.Add(time.Hour)) {
			got = append(got, string(k.Stage)+":"+string(k.State))
		}
		if g := strings.Join(got, " "); g != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, g, tc.want)
		}
	}
}

func TestNoNoon(t *testing.T) {
	told := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		types    []string
		nis2     string
		notified time.Time
		reported time.Time
		want     string
	}{
		{[]string{"insurance_and_reinsurance_undertaking"}, "", time.Time{}, told, ""},
		{[]string{"investment_firm", "trading_venue"}, "", time.Time{}, told, "2025/301 Art 5(5)"},
		{[]string{"investment_firm"}, "important", time.Time{}, told, "2025/301 Art 5(5)"},
		{[]string{"investment_firm"}, "", told, told.Add(time.Hour), "2025/301 Art 5(6)"},
		{[]string{"investment_firm"}, "", told, told.Add(-time.Hour), ""},
		{nil, "", time.Time{}, told, "2025/301 Art 5(5)"}, // it may be one of those named
	} {
		e := deadline.NoNoon(tc.types, tc.nis2, tc.notified, tc.reported)
		if e.Rule.Article != tc.want || e.Applies != (tc.want != "") {
			t.Errorf("%v %s: got %+v, want %q", tc.types, tc.nis2, e, tc.want)
		}
	}
}

// Every stage has a law, an article and words; unverified rules are marked.
func TestStagesAreTold(t *testing.T) {
	for _, s := range deadline.Stages {
		article, says := deadline.StageSays(s)
		if l, ok := deadline.StageLaw(s); !ok || l == "" || article == "" || says == "" {
			t.Errorf("%s: %q %q %q", s, l, article, says)
		}
	}
	k := worked{aware: "2026-11-20 17:45", stage: deadline.GDPRAuthority}.clock(t)
	marks := map[string]bool{}
	for _, r := range k.Due.Rules {
		marks[r.Article] = r.Unverified
	}
	if !marks["1182/71 Art 3(2)(a)"] || marks["GDPR Art 33(1)"] {
		t.Errorf("unverified marks: %v", marks)
	}
}
