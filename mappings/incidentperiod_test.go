package mappings

import (
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// duty is something that an incident owed, that was not done, and by when.
type duty struct {
	name, test, item string
	scene            string // without the close
	limit            string
	endOfDay         bool // the limit is no instant of the day that it ends
}

const anyRoles = `{"incident":"inc1","set":{"reporter":{"roles":["financial-entity","operator","controller","manufacturer"],"types":["credit_institution"],"state":"DE"}}}` + "\n"

// duties are of every kind: limits of laws and those that tests choose.
var duties = []duty{
	{
		name: "a receipt", test: "incident-dora-reports", item: "dora.initial", limit: "27T12:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles +
			`incident.moment event 20T10:30 {"incident":"inc1","law":"dora","at":"2026-11-20T10:00:00Z"}
incident.decision event 20T11:00 {"incident":"inc1","law":"dora","decision":"major","at":"2026-11-20T11:00:00Z"}
incident.notice event 20T12:00 {"incident":"inc1","stage":"dora.initial","act":"sent","at":"2026-11-20T12:00:00Z"}`,
	},
	{
		name: "hours that end as clocks change", test: "incident-dora-reports", item: "dora.initial", limit: "2026-10-25T01:00",
		scene: "incident.declared event 2026-10-24T20:00 {\"incident\":\"inc1\"}\nincident.updated event 2026-10-24T20:00 " + anyRoles +
			`incident.moment event 2026-10-24T20:30 {"incident":"inc1","law":"dora","at":"2026-10-24T20:00:00Z"}
incident.decision event 2026-10-24T21:00 {"incident":"inc1","law":"dora","decision":"major","at":"2026-10-24T21:00:00Z"}`,
	},
	{
		name: "noon of the next working day, over the end of a year", test: "incident-dora-reports", item: "dora.intermediate", limit: "2027-01-04T11:00",
		scene: `incident.declared event 2026-12-30T09:00 {"incident":"inc1"}
incident.updated event 2026-12-30T09:00 {"incident":"inc1","set":{"reporter":{"roles":["financial-entity"],"types":["insurance_and_reinsurance_undertaking"],"state":"DE","nis2_status":"none"}}}
incident.moment event 2026-12-30T09:30 {"incident":"inc1","law":"dora","at":"2026-12-30T09:00:00Z"}
incident.decision event 2026-12-30T09:30 {"incident":"inc1","law":"dora","decision":"major","at":"2026-12-30T09:30:00Z"}
incident.notice event 2026-12-30T10:00 {"incident":"inc1","stage":"dora.initial","act":"sent","at":"2026-12-30T10:00:00Z"}`,
	},
	{
		name: "the end of a working day, after clocks changed at Easter", test: "incident-nis2-notices", item: "nis2.final", limit: "2027-03-30T22:00", endOfDay: true,
		scene: "incident.declared event 2027-02-28T10:00 {\"incident\":\"inc1\"}\nincident.updated event 2027-02-28T10:00 " + anyRoles +
			`incident.moment event 2027-02-28T10:30 {"incident":"inc1","law":"nis2","at":"2027-02-28T10:00:00Z"}
incident.notice event 2027-02-28T12:00 {"incident":"inc1","stage":"nis2.notification","act":"sent","at":"2027-02-28T12:00:00Z"}
incident.updated event 2027-02-28T13:00 {"incident":"inc1","set":{"times":{"handled":"2027-02-28T13:00:00Z"}}}`,
	},
	{
		name: "a day that ends with the UTC day, over the end of a year", test: "incident-nis2-notices", item: "nis2.final", limit: "2027-01-29T00:00", endOfDay: true,
		scene: `incident.declared event 2026-12-28T10:00 {"incident":"inc1"}
incident.updated event 2026-12-28T10:00 {"incident":"inc1","set":{"reporter":{"roles":["operator"],"state":"IE"}}}
incident.moment event 2026-12-28T10:30 {"incident":"inc1","law":"nis2","at":"2026-12-28T10:00:00Z"}
incident.notice event 2026-12-28T12:00 {"incident":"inc1","stage":"nis2.notification","act":"sent","at":"2026-12-28T12:00:00Z"}
incident.updated event 2026-12-28T13:00 {"incident":"inc1","set":{"times":{"handled":"2026-12-28T13:00:00Z"}}}`,
	},
	{
		name: "full hours", test: "incident-gdpr-authority", item: "gdpr.authority", limit: "23T11:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles +
			`incident.moment event 20T10:30 {"incident":"inc1","law":"gdpr","at":"2026-11-20T10:00:00Z"}`,
	},
	{
		name: "what is owed without undue delay", test: "incident-cra-users", item: "cra.users", limit: "23T10:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles +
			`incident.moment event 20T10:30 {"incident":"inc1","law":"cra","at":"2026-11-20T10:00:00Z"}`,
	},
	{
		name: "people at high risk", test: "incident-gdpr-people", item: "gdpr.people", limit: "23T11:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles +
			`incident.decision event 20T11:00 {"incident":"inc1","law":"gdpr","decision":"high-risk","at":"2026-11-20T11:00:00Z"}`,
	},
	{
		name: "a word on awareness", test: "incident-cra-severe", item: "cra.early", limit: "21T10:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles,
	},
	{
		name: "a decision", test: "incident-nis2-classified", item: "incident", limit: "23T10:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles,
	},
	{
		name: "documentation", test: "incident-gdpr-documented", item: "incident", limit: "12-20T10:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles,
	},
	{
		name: "a word to recipients", test: "incident-nis2-recipients", item: "incident", limit: "23T10:00",
		scene: "incident.declared event 20T10:00 {\"incident\":\"inc1\"}\nincident.updated event 20T10:00 " + anyRoles +
			`incident.moment event 20T10:30 {"incident":"inc1","law":"nis2","at":"2026-11-20T10:00:00Z"}
incident.decision event 20T11:00 {"incident":"inc1","law":"nis2","decision":"significant","at":"2026-11-20T11:00:00Z"}`,
	},
}

// closed is the act that closes the incident an hour after the last one of the scene.
func (d *duty) closed(t *testing.T) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(d.scene), "\n")
	when := at(t, strings.Fields(lines[len(lines)-1])[2]).Add(time.Hour)
	return "\nincident.closed event " + when.Format("2006-01-02T15:04") + ` {"incident":"inc1","at":"` + evidence.FormatTime(when) + `"}`
}

// misses reports whether the test finds in the period that the duty was not done.
func (d *duty) misses(t *testing.T, cat *Catalog, scene string, p evidence.Period) bool {
	t.Helper()
	c := parseCase(t, scene, cat)
	c.in.Period = p
	by, err := c.assess(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := by[d.test]
	return slices.ContainsFunc(append(f.Failed, f.Unknown...), func(it evidence.Item) bool { return strings.HasPrefix(it.Label, d.item+" ") })
}

// TestDutiesFallInAPeriod holds that what was not done is judged in the period in
// which its limit ends: of an incident that was closed in that one alone, of one
// that is open from then on.
func TestDutiesFallInAPeriod(t *testing.T) {
	cat := mustLoad(t)
	for _, d := range duties {
		limit := at(t, d.limit)
		for _, off := range []time.Duration{-time.Hour, -time.Microsecond, 0, time.Microsecond, time.Hour} {
			turn := limit.Add(off)
			before, after := evidence.Period{From: limit.AddDate(0, -3, 0), To: turn}, evidence.Period{From: turn, To: limit.AddDate(0, 2, 0)}
			over := turn.After(limit) || d.endOfDay && off == 0
			closed := d.scene + d.closed(t)
			if in, next := d.misses(t, cat, closed, before), d.misses(t, cat, closed, after); in != over || next == over {
				t.Errorf("%s, a period that ends %s after the limit, closed: missed in it %t, in the next %t; want %t and %t", d.name, off, in, next, over, !over)
			}
			if in, next := d.misses(t, cat, d.scene, before), d.misses(t, cat, d.scene, after); in != over || !next {
				t.Errorf("%s, a period that ends %s after the limit, open: missed in it %t, in the next %t; want %t and true", d.name, off, in, next, over)
			}
		}
	}
}

// TestLateReceiptInTheNextPeriod holds that a receipt which came late is told in
// the period in which it came, beside the one in which its limit ended, and not
// after that; and that one which came in time is missed in none.
func TestLateReceiptInTheNextPeriod(t *testing.T) {
	cat := mustLoad(t)
	d := duties[0]
	limit := at(t, d.limit)
	day := 24 * time.Hour
	for _, tt := range []struct {
		name                 string
		turn, came           time.Duration // after the limit
		before, after, third bool
	}{
		{"due after the turn, came later still", -day, day, false, true, false},
		{"due before the turn, came after it", day, 2 * day, true, true, false},
		{"came late before the turn", 2 * day, day, true, false, false},
		{"due after the turn, came in time after it", -2 * day, -day, false, false, false},
		{"came at the limit, which is the turn", 0, 0, false, false, false},
		{"due after the turn, came in the third", -day, 30 * day, false, true, true},
	} {
		came := limit.Add(tt.came)
		scene := d.scene + d.closed(t) + "\nincident.notice event " + came.Format("2006-01-02T15:04") + ` {"incident":"inc1","stage":"dora.initial","act":"receipt","of":5,"reference":"A1","at":"` + evidence.FormatTime(came) + `"}`
		turn, end := limit.Add(tt.turn), limit.Add(20*day)
		got := []bool{
			d.misses(t, cat, scene, evidence.Period{From: limit.Add(-30 * day), To: turn}),
			d.misses(t, cat, scene, evidence.Period{From: turn, To: end}),
			d.misses(t, cat, scene, evidence.Period{From: end, To: limit.Add(60 * day)}),
		}
		if want := []bool{tt.before, tt.after, tt.third}; !slices.Equal(got, want) {
			t.Errorf("%s: missed in the three periods: %v, want %v", tt.name, got, want)
		}
	}
}
