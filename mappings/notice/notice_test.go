package notice_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

var now = time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func fields(t *testing.T, text string) incident.Fields {
	t.Helper()
	var f incident.Fields
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// full is an incident of which everything is known.
func full(t *testing.T) *incident.Incident {
	t.Helper()
	b, err := os.ReadFile("../../evidence/incident/testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	inc := blank()
	inc.Fields = fields(t, string(b))
	for _, place := range incident.Places {
		inc.Contacts[place] = incident.Contact{Phone: "+49 30 5550100"}
	}
	inc.Aware["dora"] = []incident.Moment{{IncidentMomentFacts: evidence.IncidentMomentFacts{Law: "dora", At: at(t, "2026-12-18T17:20:00Z")}}}
	inc.Decisions = []incident.Decision{{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: "dora", Decision: classify.Major, At: at(t, "2026-12-19T08:40:00Z"), Recurring: []string{"x"}}}}
	return inc
}

func blank() *incident.Incident {
	return &incident.Incident{ID: "x", Declared: now, Lost: map[string]string{}, Aware: map[string][]incident.Moment{}, Contacts: map[string]incident.Contact{}}
}

// The 76 fields of the annex, each once, with its columns; the record can
// answer every one of them.
func TestFieldsOfTheAnnex(t *testing.T) {
	items, _ := notice.Items(deadline.DORAInitial)
	var want []string
	for group, n := range []int{15, 10, 35, 16} {
		for i := 1; i <= n; i++ {
			want = append(want, fmt.Sprintf("%d.%d", group+1, i))
		}
	}
	var got []string
	paths, _ := incident.Paths()
	inc := full(t)
	for i := range items {
		it := &items[i]
		got = append(got, it.Number)
		if !it.Answered(inc) {
			t.Errorf("%s (%s): the full incident does not answer it", it.Number, it.Name)
		}
		if it.Number != "1.1" && it.Answered(blank()) {
			t.Errorf("%s (%s): an empty incident answers it", it.Number, it.Name)
		}
		for _, p := range it.Fields {
			if !slices.ContainsFunc(paths, func(x string) bool { return x == p || strings.HasPrefix(x, p+".") }) {
				t.Errorf("%s: no field %s", it.Number, p)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields: %v", got)
	}
	for _, s := range []deadline.Stage{deadline.DORAInitial, deadline.DORAIntermediate, deadline.DORAUpdate, deadline.DORAFinal, deadline.DORAReclassified} {
		if open := notice.OpenItems(inc, s); len(open) > 0 {
			t.Errorf("%s: the full incident lacks %+v", s, open)
		}
	}
}

// The 20 fields of the template for cyber threats, each once; the record can
// answer every one of them.
func TestFieldsOfTheThreatTemplate(t *testing.T) {
	items, column := notice.Items(deadline.DORAThreat)
	inc := full(t)
	for i := range items {
		it := &items[i]
		if it.Number != fmt.Sprint(i+1) {
			t.Errorf("field %d has the number %s", i+1, it.Number)
		}
		if !it.Answered(inc) || it.Answered(blank()) {
			t.Errorf("%s (%s): answered by the full record %t, by an empty one %t", it.Number, it.Name, it.Answered(inc), it.Answered(blank()))
		}
		if it.NeedAt(column) == notice.Conditional && (it.When == nil || it.If == "") {
			t.Errorf("%s has no condition", it.Number)
		}
	}
	if len(items) != 20 {
		t.Errorf("%d fields, want 20", len(items))
	}
	if open := notice.OpenItems(inc, deadline.DORAThreat); len(open) > 0 {
		t.Errorf("the full record lacks %+v", open)
	}
}

// numbers lists what is open.
func numbers(open []notice.Open, word string) string {
	var ns []string
	for _, o := range open {
		if strings.Contains(o.Why, word) {
			ns = append(ns, o.Number)
		}
	}
	return strings.Join(ns, " ")
}

// Columns of the annex: what is mandatory whatever the incident, by stage.
func TestMandatory(t *testing.T) {
	inc := blank()
	for stage, want := range map[deadline.Stage]string{
		deadline.DORAInitial:      "1.2 1.3 1.4 1.7 1.8 1.9 1.10 1.11 1.12 1.15 2.1 2.2 2.3 2.4 2.5 2.7 2.9",
		deadline.DORAIntermediate: "1.2 1.3 1.4 1.7 1.8 1.9 1.10 1.11 1.12 1.15 2.1 2.2 2.3 2.4 2.5 2.7 2.9 3.2 3.4 3.5 3.6 3.7 3.12 3.15 3.22 3.23 3.27 3.28 3.30 3.31 3.33",
		deadline.DORAFinal: "1.2 1.3 1.4 1.7 1.8 1.9 1.10 1.11 1.12 1.15 2.1 2.2 2.3 2.4 2.5 2.7 2.9 3.2 3.4 3.5 3.6 3.7 3.12 3.15 3.22 3.23 3.27 3.28 3.30 3.31 3.33 " +
			"4.1 4.2 4.5 4.6 4.7 4.8 4.9 4.12 4.13 4.14",
		deadline.DORAReclassified: "1.2 1.3 1.4 1.7 1.8 1.9 1.10 1.11 1.12 1.15 2.1 2.2 2.3 2.4 2.5 2.7 2.9 2.10",
		deadline.NIS2Early:        "23(4)(a) 23(4)(a)",
		deadline.GDPRAuthority:    "33(3)(a) 33(3)(a) 33(3)(a) 33(3)(a) 33(3)(b) 33(3)(c) 33(3)(d)",
	} {
		if got := numbers(notice.OpenItems(inc, stage), "mandatory"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", stage, got, want)
		}
	}
}

// Conditions: what makes a field mandatory, and what takes it away.
func TestConditions(t *testing.T) {
	for _, tc := range []struct{ number, text, want string }{
		{"1.5", `{"reporter": {"affected": [{"name": "X"}]}}`, ""}, // answered
		{"1.6", `{"reporter": {"affected": [{"name": "X"}]}}`, "mandatory here"},
		{"1.6", `{"reporter": {"name": "X"}}`, ""},
		{"1.13", `{"reporter": {"group": true}}`, "mandatory here"},
		{"1.13", `{"reporter": {"group": false}}`, ""},
		{"1.13", `{}`, "cannot be told"},
		{"2.6", `{"place": {"states": ["DE"]}}`, ""},
		{"2.8", `{"nature": {"from_third_party": true}}`, "mandatory here"},
		{"3.3", `{"duration": {"downtime_minutes": 5}}`, "mandatory here"},
		{"3.3", `{"duration": {"downtime_minutes": 0}}`, ""},
		{"3.10", `{"business": {"transactions": {"number": 4}}}`, "mandatory here"},
		{"3.10", `{"business": {"transactions": {"number": 0}}}`, ""},
		{"3.13", `{"business": {"no_reputation": true}}`, ""},
		{"3.14", `{"business": {"reputation": ["the_major_ict-related_incident_has_been_reflected_in_the_media"]}}`, "mandatory here"},
		{"3.18", `{"place": {"states": ["DE", "FR"]}}`, "mandatory here"},
		{"3.21", `{"data": {"affected": ["integrity"], "adverse": true}}`, "mandatory here"},
		{"3.24", `{"nature": {"types": ["other"]}}`, "mandatory here"},
		{"3.25", `{"nature": {"types": ["cybersecurity-related"]}}`, "mandatory here"},
		{"3.25", `{"nature": {"types": ["process_failure"]}}`, ""},
		{"3.26", `{"nature": {"types": ["cybersecurity-related"], "techniques": ["other"]}}`, "mandatory here"},
		{"3.29", `{"systems": {"infrastructure": "yes"}}`, "mandatory here"},
		{"3.29", `{"systems": {"infrastructure": "unknown"}}`, ""},
		{"3.32", `{"response": {"authorities_told": ["other"]}}`, "mandatory here"},
		{"3.34", `{"response": {"temporary_actions": true}}`, "mandatory here"},
		{"3.35", `{"nature": {"types": ["cybersecurity-related"]}, "reporter": {"nis2_status": "none"}}`, ""},
		{"3.35", `{"nature": {"types": ["cybersecurity-related"]}, "reporter": {"nis2_status": "essential"}}`, "mandatory here"},
		{"4.3", `{"causes": {"detailed": ["human_error_mistake"]}}`, ""},
		{"4.3", `{"causes": {"detailed": ["process_failure_ICT_risk_management_process_failure"]}}`, "mandatory here"},
		{"4.4", `{"causes": {"detailed": ["human_error_other"]}}`, "mandatory here"},
		{"4.10", `{"resolution_authorities": {"risk": true}}`, "mandatory here"},
		{"4.11", `{"resolution_authorities": {"resolvability_affected": false}}`, ""},
		{"4.16", `{"causes": {"recurring_count": 2}}`, "mandatory here"},
		{"4.16", `{}`, ""},
	} {
		inc := blank()
		inc.Fields = fields(t, tc.text)
		got := ""
		for _, o := range notice.OpenItems(inc, deadline.DORAFinal) {
			if o.Number == tc.number {
				got = o.Why
			}
		}
		if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%s with %s: got %q, want %q", tc.number, tc.text, got, tc.want)
		}
	}
	inc := full(t)
	inc.Fields.Narrative.Description, inc.Lost["narrative.description"] = "", "erased"
	if open := notice.OpenItems(inc, deadline.DORAInitial); len(open) != 1 || !strings.Contains(open[0].Why, "erased") {
		t.Errorf("a text that cannot be opened: %+v", open)
	}
}

// From acts in a log to clocks: the first worked example, told by records.
func TestFromRecords(t *testing.T) {
	l := evidencetest.NewLog(evidence.Platform)
	who := incident.Who{By: "uid 1", Reason: "told"}
	load := func() *incident.Incident {
		t.Helper()
		inc, err := incident.Load(t.Context(), l, "inc1")
		if err != nil {
			t.Fatal(err)
		}
		return inc
	}
	add := func(d evidence.Draft, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		l.AddDraft(d)
	}
	p, err := incident.ParsePatch([]byte(`{"reporter": {"roles": ["financial-entity"], "state": "DE", "types": ["credit_institution"]}, "times": {"occurred": "2026-12-18T15:00:00Z"}}`))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := incident.Declare("inc1", who, evidence.IncidentDeclaredFacts{}, p, nil, at(t, "2026-12-18T17:30:00Z"))
	for _, d := range ds {
		add(d, err)
	}
	cals := deadline.Builtin()
	clock := func(stage deadline.Stage, when string) deadline.Clock {
		t.Helper()
		ks, _, err := notice.Clocks(load(), cals, time.Time{}, at(t, when))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(ks, func(k deadline.Clock) bool { return k.Stage == stage })
		if i < 0 {
			t.Fatalf("no clock %s", stage)
		}
		return ks[i]
	}
	sent := func(stage deadline.Stage, when string) {
		t.Helper()
		k := clock(stage, when)
		add(load().Notify(who, evidence.IncidentNoticeFacts{Stage: string(stage), Act: incident.NoticeSent, At: at(t, when), Clock: notice.Fix(k, at(t, when), cals)}, at(t, when)))
	}
	add(load().BecomeAware(who, "dora", at(t, "2026-12-18T17:20:00Z"), nil, at(t, "2026-12-19T08:00:00Z")))
	add(load().Decide(who, evidence.IncidentDecisionFacts{Law: "dora", Decision: classify.Major, At: at(t, "2026-12-19T08:40:00Z")}, at(t, "2026-12-19T09:00:00Z")))
	if k := clock(deadline.DORAInitial, "2026-12-19T10:00:00Z"); !k.Due.Latest.Equal(at(t, "2026-12-19T12:40:00Z")) || k.State != deadline.Running {
		t.Errorf("initial: %+v", k)
	}
	sent(deadline.DORAInitial, "2026-12-19T13:00:00Z") // 20 minutes late
	if k := clock(deadline.DORAInitial, "2026-12-19T14:00:00Z"); k.State != deadline.NoReceipt || !k.Late {
		t.Errorf("sent late, no receipt: %+v", k)
	}
	add(load().Notify(who, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: incident.NoticeReceipt, At: at(t, "2026-12-19T13:01:00Z"), Reference: "A-1"}, at(t, "2026-12-19T14:00:00Z")))
	// A classification moved to later makes the filing no less late.
	add(load().Decide(who, evidence.IncidentDecisionFacts{Law: "dora", Decision: classify.NotMajor, At: at(t, "2026-12-19T15:00:00Z")}, at(t, "2026-12-19T15:00:00Z")))
	if k := clock(deadline.DORAReclassified, "2026-12-19T16:00:00Z"); k.State != deadline.Owed {
		t.Errorf("reclassified: %+v", k)
	}
	add(load().Decide(who, evidence.IncidentDecisionFacts{Law: "dora", Decision: classify.Major, At: at(t, "2026-12-19T16:00:00Z")}, at(t, "2026-12-19T16:00:00Z")))
	k := clock(deadline.DORAInitial, "2026-12-20T10:00:00Z")
	if k.State != deadline.MetLate || !k.Late || !k.Due.Latest.Equal(at(t, "2026-12-19T12:40:00Z")) || len(k.Due.Rules) == 0 {
		t.Errorf("late stays late, with its rule: %+v", k)
	}
	if k := clock(deadline.DORAIntermediate, "2026-12-20T10:00:00Z"); !k.Due.Latest.Equal(at(t, "2026-12-22T13:00:00Z")) {
		t.Errorf("intermediate runs from the actual submission: %+v", k)
	}
}

func TestLaws(t *testing.T) {
	for text, want := range map[string]string{
		`{"reporter": {"roles": ["financial-entity", "controller"]}}`:           "dora gdpr",
		`{"reporter": {"roles": ["controller"]}, "data": {"personal": false}}`:  "",
		`{"reporter": {"roles": ["ict-provider", "operator", "manufacturer"]}}`: "nis2 cra contract",
		`{}`: "",
	} {
		inc := blank()
		inc.Fields = fields(t, text)
		var got []string
		for _, l := range notice.Laws(inc) {
			got = append(got, string(l))
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: got %q, want %q", text, g, want)
		}
	}
	none, _, err := notice.Clocks(blank(), deadline.Builtin(), now, now)
	if b, jerr := json.Marshal(map[string]any{"clocks": none}); err != nil || jerr != nil || string(b) != `{"clocks":[]}` {
		t.Errorf("no clocks: %s, %v, %v", b, err, jerr)
	}
	inc := blank()
	inc.Fields.Reporter.State = "DE"
	if _, notes, err := notice.Clocks(inc, deadline.Builtin(), now, now); err != nil || notes == nil || len(notes) > 0 {
		t.Errorf("no notes: %#v, %v", notes, err)
	}
	inc = blank()
	inc.Part = true
	ks, notes, err := notice.Clocks(inc, deadline.Builtin(), now, now)
	if err != nil || len(ks) != 1 || ks[0].Stage != deadline.CustomerNotice || len(notes) != 1 {
		t.Errorf("a part: %+v %v %v", ks, notes, err)
	}
}

// What a person decided says which reports the Cyber Resilience Act asks for,
// whatever the incident was declared as.
func TestVulnerabilityByDecision(t *testing.T) {
	for _, tc := range []struct{ kind, decision, want string }{
		{"incident", "", "cra.final.incident"},
		{"vulnerability", "", "cra.final.vuln"},
		{"incident", classify.Exploited, "cra.final.vuln"},
		{"", classify.Exploited, "cra.final.vuln"},
		{"vulnerability", classify.Severe, "cra.final.incident"},
	} {
		inc := blank()
		inc.Fields = fields(t, `{"identity": {"kind": "`+tc.kind+`"}, "reporter": {"roles": ["manufacturer"], "state": "DE"}}`)
		if tc.decision != "" {
			inc.Decisions = []incident.Decision{{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: "cra", Decision: tc.decision, At: now}}}
		}
		ks, _, err := notice.Clocks(inc, deadline.Builtin(), now, now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range ks {
			if strings.HasPrefix(string(k.Stage), "cra.final") {
				got = append(got, string(k.Stage))
			}
		}
		if g := strings.Join(got, " "); g != tc.want {
			t.Errorf("%q decided %q: %s, want %s", tc.kind, tc.decision, g, tc.want)
		}
		asked := slices.ContainsFunc(notice.OpenItems(inc, deadline.CRAEarly), func(o notice.Open) bool { return o.Number == "14(4)(a)" })
		if asked != (tc.want == "cra.final.incident") {
			t.Errorf("%q decided %q: asked whether malicious acts are suspected: %t", tc.kind, tc.decision, asked)
		}
	}
}

// Who may not use the noon rule is never given it for want of knowledge, and
// whoever gets it hears what that stands on.
func TestNoonNeedsToBeKnown(t *testing.T) {
	for _, tc := range []struct {
		reporter string
		noon     bool
		note     string
	}{
		{`{"state": "DE"}`, false, ""},
		{`{"state": "DE", "types": ["insurance_and_reinsurance_undertaking"]}`, true, "nis2_status is not set"},
		{`{"state": "DE", "types": ["insurance_and_reinsurance_undertaking"], "nis2_status": "none"}`, true, ""},
		{`{"state": "DE", "types": ["insurance_and_reinsurance_undertaking"], "nis2_status": "important"}`, false, ""},
		{`{"state": "DE", "types": ["trading_venue"]}`, false, ""},
		{`{"types": ["insurance_and_reinsurance_undertaking"], "nis2_status": "none"}`, false, "reporter.state is not set"},
	} {
		inc := blank()
		inc.Fields = fields(t, `{"reporter": `+tc.reporter+`}`)
		inc.Aware["dora"] = []incident.Moment{{IncidentMomentFacts: evidence.IncidentMomentFacts{Law: "dora", At: at(t, "2026-12-18T17:20:00Z")}}}
		inc.Decisions = []incident.Decision{{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: "dora", Decision: classify.Major, At: at(t, "2026-12-19T08:40:00Z")}}}
		ks, notes, err := notice.Clocks(inc, deadline.Builtin(), time.Time{}, now)
		if err != nil {
			t.Fatal(err)
		}
		want := at(t, "2026-12-19T12:40:00Z")
		if tc.noon {
			want = at(t, "2026-12-21T11:00:00Z")
		}
		if got := ks[0].Due.Latest; ks[0].Stage != deadline.DORAInitial || !got.Equal(want) {
			t.Errorf("%s: %s until %s, want %s", tc.reporter, ks[0].Stage, got, want)
		}
		if got := strings.Join(notes, "; "); tc.note == "" && got != "" || !strings.Contains(got, tc.note) {
			t.Errorf("%s: notes %q, want %q", tc.reporter, got, tc.note)
		}
	}
}

// To decide the same once more gives nobody more time.
func TestDecidedAgain(t *testing.T) {
	decided := func(law, decision, s string) incident.Decision {
		return incident.Decision{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: law, Decision: decision, At: at(t, s)}}
	}
	inc := blank()
	inc.Fields = fields(t, `{"reporter": {"roles": ["financial-entity", "controller"]}}`)
	inc.Decisions = []incident.Decision{
		decided("gdpr", classify.HighRisk, "2026-12-01T00:00:00Z"), decided("gdpr", classify.Risk, "2026-12-02T00:00:00Z"),
		decided("gdpr", classify.HighRisk, "2026-12-03T00:00:00Z"), decided("gdpr", classify.HighRisk, "2026-12-20T00:00:00Z"),
		decided("dora", classify.Major, "2026-12-01T00:00:00Z"),
		decided("dora", classify.NotMajor, "2026-12-04T00:00:00Z"), decided("dora", classify.NotMajor, "2026-12-21T00:00:00Z"),
	}
	inc.Notices = []incident.Notice{{IncidentNoticeFacts: evidence.IncidentNoticeFacts{Stage: string(deadline.DORAInitial), Act: incident.NoticeSent, At: at(t, "2026-12-01T01:00:00Z")}}}
	ks, _, err := notice.Clocks(inc, deadline.Builtin(), time.Time{}, now)
	if err != nil {
		t.Fatal(err)
	}
	for stage, want := range map[deadline.Stage]string{deadline.GDPRPeople: "2026-12-03T00:00:00Z", deadline.DORAReclassified: "2026-12-04T00:00:00Z"} {
		i := slices.IndexFunc(ks, func(k deadline.Clock) bool { return k.Stage == stage })
		if i < 0 || !ks[i].From.Equal(at(t, want)) {
			t.Errorf("%s: got %+v, want one from %s", stage, ks, want)
		}
	}
}

// A look that nobody decided by is a look all the same, for either law.
func TestUndecidedLooks(t *testing.T) {
	inc := blank()
	inc.Fields = fields(t, `{"reporter": {"roles": ["financial-entity", "operator"]}}`)
	for _, d := range []struct{ law, decision, at string }{
		{"dora", classify.NotMajor, "2026-11-01T00:00:00Z"}, {"nis2", classify.NotSignificant, "2026-10-01T00:00:00Z"},
		{"dora", "", "2026-11-20T00:00:00Z"}, {"nis2", "", "2026-12-20T00:00:00Z"},
	} {
		inc.Decisions = append(inc.Decisions, incident.Decision{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: d.law, Decision: d.decision, At: at(t, d.at)}})
	}
	ks, _, err := notice.Clocks(inc, deadline.Builtin(), time.Time{}, now)
	if err != nil {
		t.Fatal(err)
	}
	for stage, want := range map[deadline.Stage]string{deadline.DORARecurring: "2026-11-20T00:00:00Z", deadline.NIS2Recurring: "2026-12-20T00:00:00Z"} {
		i := slices.IndexFunc(ks, func(k deadline.Clock) bool { return k.Stage == stage })
		if i < 0 || !ks[i].From.Equal(at(t, want)) {
			t.Errorf("%s: got %+v, want one from %s", stage, ks, want)
		}
	}
}
