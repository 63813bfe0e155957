package mappings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
	"evidenced/mappings/deadline"
)

// scene reads the scene of a case.
func sceneOf(t *testing.T, name string) *testCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/cases", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return parseCase(t, string(txtar.Parse(data).Files[0].Data), mustLoad(t))
}

// TestSilentTests holds what a test says beside others that had nothing on
// record to judge.
func TestSilentTests(t *testing.T) {
	for _, tt := range []struct {
		name, scene string
		control     evidence.ControlID
		status      evidence.Status
		reason      evidence.Reason
		why         string
	}{
		{"nobody declared anything", "incident-none", "dora-art-19-4", evidence.NotObserved, evidence.ReasonNoCollector, "nothing on record could be judged"},
		{"reports in time, and no update was owed", "incident-nis2-good", "nis2-art-23-4", evidence.Satisfied, "", "2 items passed"},
		{"minor ones alone, and all classified", "incident-dora-not-owed", "dora-art-17-2", evidence.NotSatisfied, "", "1 of 2 items failed"},
		{"only a supporting test has something to judge, and it failed", "incident-dora-not-owed", "dora-art-19-4", evidence.NotSatisfied, "", "classified: 1 of 2 items failed"},
		{"only a supporting test has something to judge, and it passed", "incident-dora-recurring", "dora-art-19-4", evidence.NotObserved, evidence.ReasonNoCollector, "report"},
		{"a word of a person: it does not apply", "incident-none-stated", "gdpr-art-33-5", evidence.NotApplicable, "", "approved statement"},
	} {
		c := sceneOf(t, tt.scene)
		c.in.Controls = []evidence.ControlID{tt.control}
		_, results, err := Assess(t.Context(), c.in)
		if err != nil {
			t.Fatal(err)
		}
		if r := results[0]; r.Status != tt.status || r.Reason != tt.reason || !strings.Contains(r.Why, tt.why) {
			t.Errorf("%s: %s is %s (%s): %s; want %s (%s), because %q", tt.name, tt.control, r.Status, r.Reason, r.Why, tt.status, tt.reason, tt.why)
		}
	}
}

// TestSilentIsOnNoRecord holds that a daemon records nothing of a test that had
// nothing to judge, and records it once there is something.
func TestSilentIsOnNoRecord(t *testing.T) {
	told := func(scene string) (tests int) {
		c := sceneOf(t, scene)
		c.in.Now = at(t, "29T00:00")
		round, err := new(Assessor).Assess(t.Context(), c.in, 28*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for i := range round.Findings {
			if _, ok := round.Facts(i); ok && strings.HasPrefix(round.Findings[i].Test, "incident-") {
				tests++
			}
		}
		return tests
	}
	if n := told("incident-none"); n != 0 {
		t.Errorf("%d findings about incidents are recorded where there are none", n)
	}
	if n := told("incident-nis2-good"); n < 3 {
		t.Errorf("%d findings are recorded of an incident, want its classification, notices and recipients", n)
	}
}

// TestDaysOff holds that verdicts follow the days off that clocks are told.
func TestDaysOff(t *testing.T) {
	days, err := deadline.Builtin().WithFile("days.yaml", []byte("version: house-1\nstates:\n  DE: {add: [{date: 2026-11-02, name: closed}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := sceneOf(t, "incident-dora-late") // late by one hour, on 2 November, for an entity that no day off helps
	scene := strings.Replace(string(txtarOf(t, "incident-dora-late")), "credit_institution", "insurance_and_reinsurance_undertaking", 1)
	other := parseCase(t, scene, mustLoad(t))
	for _, tt := range []struct {
		name string
		c    *testCase
		days *deadline.Calendars
		want int
	}{{"a bank", c, days, 2}, {"an insurer on a working day", other, nil, 2}, {"an insurer on a day off", other, days, 1}} {
		in := tt.c.in
		in.Days = tt.days
		by, err := (&testCase{in: in}).assess(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if f := by["incident-dora-reports"]; len(f.Failed) != tt.want {
			t.Errorf("%s: %d items failed, want %d: %s", tt.name, len(f.Failed), tt.want, f.Summary)
		}
	}
}

func txtarOf(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/cases", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(data).Files[0].Data
}

// TestIncidentHistories plays histories of incidents alone, as
// TestIncrementalIsFull does of everything: their verdicts turn by the clock.
func TestIncidentHistories(t *testing.T) {
	cat := mustLoad(t)
	var scenes [][]string
	for _, lines := range sceneLines(t) {
		if len(lines) > 1 && strings.HasPrefix(lines[0], "incident.") {
			scenes = append(scenes, lines)
		}
	}
	if len(scenes) < 40 {
		t.Fatalf("%d scenes of incidents", len(scenes))
	}
	for seed := range uint64(12) {
		p := playing{h: newHistory(t, seed, cat, scenes), days: 28 * 24 * time.Hour}
		p.play(t, seed)
	}
}

// TestAboutLimits holds which failures are left to the clocks' own alerts.
func TestAboutLimits(t *testing.T) {
	own := "version: 1\ntests:\n  - {id: own-late, title: T, says: s, view: incident_notices, assert: '!item.late', window: period, freshness: 24h, least: continuous, empty: not-observed}\n" +
		"  - {id: own-waits, title: T, says: s, view: incident_notices, assert: 'item.receipt_wait < duration(\"1h\")', window: period, freshness: 24h, least: continuous, empty: not-observed}\n"
	cat, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(own)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range cat.Tests() {
		if x.AboutLimits() {
			got = append(got, x.ID)
		}
	}
	want := "incident-dora-reports incident-dora-recurring incident-nis2-notices incident-nis2-recurring incident-gdpr-authority incident-cra-exploited incident-cra-severe own-late"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestReceiptWithin holds that alerts and tests give a receipt the same time.
func TestReceiptWithin(t *testing.T) {
	n := 0
	for _, x := range mustLoad(t).Tests() {
		for _, l := range x.assert.limits["receipt_wait"] {
			if n++; l.fixed != deadline.ReceiptWithin {
				t.Errorf("%s gives a receipt %s, alerts %s", x.ID, l.fixed, deadline.ReceiptWithin)
			}
		}
	}
	if n < 6 {
		t.Errorf("%d tests ask for receipts, want at least 6", n)
	}
}

// TestIncidentsTurn holds that a verdict about an incident turns at the very
// instant that it does in a full assessment, with nothing new in the log: one
// rule at a time, so that none is built again for another.
func TestIncidentsTurn(t *testing.T) {
	const declared = `incident.declared event 02T10:00 {"incident":"inc1"}
incident.updated event 02T10:00 {"incident":"inc1","set":{"reporter":{"roles":["financial-entity","operator","manufacturer"],"types":["credit_institution"],"state":"DE"},"identity":{"kind":"vulnerability"}}}
`
	const aware = declared + `incident.moment event 02T10:30 {"incident":"inc1","law":"dora","at":"2026-11-02T09:00:00Z"}
incident.moment event 02T10:30 {"incident":"inc1","law":"nis2","at":"2026-11-02T09:00:00Z"}
incident.moment event 02T10:30 {"incident":"inc1","law":"cra","at":"2026-11-02T09:00:00Z"}
`
	const major = aware + `incident.decision event 02T11:00 {"incident":"inc1","law":"dora","decision":"major","at":"2026-11-02T11:00:00Z"}
`
	const sent = major + `incident.notice event 02T12:00 {"incident":"inc1","stage":"dora.initial","act":"sent","at":"2026-11-02T12:00:00Z"}
`
	const closed = major + `incident.closed event 02T12:00 {"incident":"inc1","at":"2026-11-02T12:00:00Z"}
`
	for _, tt := range []struct {
		name, scene, view, population, assert string
		turns                                 string
	}{
		{"a limit to the instant", major, "incident_notices", `item.stage == "dora.initial"`, `!item.late`, "02T15:00"},
		{"what runs counts once its limit is over", major, "incident_notices", `item.stage == "dora.initial" && !item.running`, `!item.late`, "02T15:00"},
		{"the end of a day", aware + `incident.updated event 02T11:00 {"incident":"inc1","set":{"times":{"measure_available":"2026-11-02T11:00:00Z"}}}`, "incident_notices",
			`item.stage == "cra.final.vuln"`, `!item.late`, "16T23:00"},
		{"a look that is due", aware + `incident.decision event 02T11:00 {"incident":"inc1","law":"dora","decision":"not-major","at":"2026-11-02T11:00:00Z"}`, "incident_notices",
			`item.stage == "dora.recurring"`, `!item.late`, "12-02T23:00"},
		{"a month that goes on", aware + `incident.notice event 02T12:00 {"incident":"inc1","stage":"nis2.notification","act":"sent","at":"2026-11-02T12:00:00Z"}`, "incident_notices",
			`item.stage == "nis2.progress"`, `!item.late`, "12-02T23:00"},
		{"what is owed", aware, "incident_notices", `item.stage == "cra.users"`, `item.waited <= duration("72h")`, "05T09:00"},
		{"a receipt", sent, "incident_notices", `item.stage == "dora.initial"`, `item.receipt_wait <= duration("48h")`, "04T12:00"},
		{"awareness", declared, "incident_notices", `item.stage == "cra.early"`, `item.undeclared <= duration("24h")`, "03T10:00"},
		{"the next report waits for the one before", sent, "incident_notices", `item.stage == "dora.intermediate"`, `!item.late`, "05T12:00"},
		{"age", major, "incidents", "true", `item.age <= duration("72h")`, "05T10:00"},
		{"idle", major, "incidents", "true", `item.longest_idle <= duration("72h")`, "05T11:00"},
		{"a review", closed, "incidents", "true", `item.review_took <= duration("72h")`, "05T12:00"},
		{"recipients", major, "incidents", "true", `item.recipients_wait <= duration("72h")`, "05T09:00"},
		{"a decision of later", aware + `incident.decision event 02T11:00 {"incident":"inc1","law":"dora","decision":"major","at":"2026-11-04T09:00:00Z"}`, "incidents", "true", `item.dora == ""`, "04T09:00"},
		{"a notice of later", major + `incident.notice event 02T11:30 {"incident":"inc1","stage":"dora.initial","act":"sent","at":"2026-11-04T09:00:00Z"}`, "incident_notices", `item.stage == "dora.initial"`,
			`!has(item.submitted)`, "04T09:00"},
		{"an incident that is declared later", `incident.declared event 04T09:00 {"incident":"inc1"}`, "incidents", "true", "item.closed", "04T09:00"},
	} {
		own := "version: 1\nacts:\n  - {id: own, name: O, title: O, in_force_since: 2020-01-01, addressee: us}\ntests:\n  - {id: own-one, title: T, says: s, view: " + tt.view +
			", population: '" + tt.population + "', assert: '" + tt.assert + "', window: period, freshness: 2400h, least: continuous, empty: not-observed}\n" +
			"controls:\n  - {id: own-1, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: own-one, strength: direct}]}\n"
		cat, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(own)}})
		if err != nil {
			t.Fatal(err)
		}
		c := parseCase(t, tt.scene, cat)
		turn := at(t, tt.turns)
		var a Assessor
		before, changes := "", 0
		// One that goes over the turn in one step, and one in steps of a nanosecond.
		for _, now := range []time.Time{turn.Add(-30 * time.Minute), turn.Add(-time.Nanosecond), turn, turn.Add(time.Nanosecond), turn.Add(2 * time.Nanosecond), turn.Add(time.Hour)} {
			c.in.Now = now
			round, err := a.Assess(t.Context(), c.in, 40*24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			want, err := full(t.Context(), c.in, 40*24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			got, w := &round.Findings[0], &want[0]
			if got.Status != w.Status || got.Population != w.Population || got.Passed != w.Passed {
				t.Errorf("%s, at %s: %s of %d, %d passed; a full assessment says %s of %d, %d passed", tt.name, now.Format(time.RFC3339Nano),
					got.Status, got.Population, got.Passed, w.Status, w.Population, w.Passed)
			}
			if is := string(got.Status); is != before {
				before = is
				changes++
			}
		}
		if changes != 2 {
			t.Errorf("%s: the verdict has %d values around %s, want one before and one after", tt.name, changes, tt.turns)
		}
	}
}
