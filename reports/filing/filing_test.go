package filing_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
	"evidenced/reports/filing"
)

var now = time.Date(2027, 1, 20, 12, 0, 0, 0, time.UTC)

var me = incident.Who{By: "uid 1000", Reason: "as known"}

// world is a major incident of a made-up payment service, filed through all
// stages, with every field of the annex filled.
type world struct {
	t   *testing.T
	log *evidencetest.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, evidencetest.NewLog(tenant)}
	full, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := incident.ParsePatch(full)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := incident.Declare("inc1", me, evidence.IncidentDeclaredFacts{}, p, nil, now)
	w.do(ds, err)
	d, err := w.load().BecomeAware(me, "dora", at("2026-12-18T17:20:00Z"), nil, now)
	w.do([]evidence.Draft{d}, err)
	for _, place := range []string{"primary", "secondary"} {
		c := contacts[place]
		d, err = w.load().SetContact(me, place, evidence.Person{Names: evidence.Names{Display: c.Name, Mail: c.Mail}}, c.Phone, place == "secondary", now)
		w.do([]evidence.Draft{d}, err)
	}
	d, err = w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", At: at("2026-12-19T08:40:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	return w
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func (w *world) do(ds []evidence.Draft, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range ds {
		w.log.AddDraft(d)
	}
}

func (w *world) load() *incident.Incident {
	w.t.Helper()
	inc, err := incident.Load(w.t.Context(), w.log, "inc1")
	if err != nil {
		w.t.Fatal(err)
	}
	return inc
}

func (w *world) set(patch string) {
	w.t.Helper()
	p, err := incident.ParsePatch([]byte(patch))
	if err != nil {
		w.t.Fatal(err)
	}
	ds, err := w.load().Update(me, p, nil, now)
	w.do(ds, err)
}

var contacts = map[string]filing.Contact{
	"primary":   {Name: "Primary Contact", Mail: "primary@entity.example", Phone: "+33 1 00 00 00 01"},
	"secondary": {Name: "Incident desk", Mail: "desk@entity.example", Phone: "+33 1 00 00 00 02"},
}

func (w *world) file(stage deadline.Stage, o filing.Options) *filing.Filing {
	w.t.Helper()
	o.Now = now
	inc := w.load()
	if o.Contacts == nil {
		var err error
		if o.Contacts, err = filing.Contacts(w.t.Context(), w.log, inc); err != nil {
			w.t.Fatal(err)
		}
	}
	f, err := filing.Build(w.log, inc, stage, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// want is the value of every field of the annex for the incident of
// testdata/full.json, as the annex asks for it.
var want = map[string]any{
	"1.1": "final_report", "1.2": "Entity One", "1.3": "529900ABCDEFGHIJKL19", "1.4": []string{"payment_institution"},
	"1.5": "Entity Two;Entity Three", "1.6": "529900ABCDEFGHIJKM16;529900ABCDEFGHIJKN13",
	"1.7": "Primary Contact", "1.8": "primary@entity.example", "1.9": "+33 1 00 00 00 01",
	"1.10": "Incident desk", "1.11": "desk@entity.example", "1.12": "+33 1 00 00 00 02",
	"1.13": "Entity Group", "1.14": "529900ABCDEFGHIJKO10", "1.15": "EUR",
	"2.1": "2026-017", "2.2": "2026-12-18T17:20:00Z", "2.3": "2026-12-19T08:40:00Z", "2.4": "Payments failed after a change.",
	"2.5": []string{"clients_financial_counterparts_and_transactions_affected", "reputational_impact", "duration_and_service_downtime", "geographical_spread", "data_losses", "critical_services_affected", "economic_impact"},
	"2.6": []string{"DE", "IT"}, "2.7": "monitoring_systems", "2.8": "Provider One;EUFR123;EUID;its storage failed", "2.9": true, "2.10": "Nothing else.",
	"3.1": "FR-2026-0001", "3.2": "2026-12-18T15:00:00Z", "3.3": "2026-12-24T10:00:00Z", "3.4": int64(120000), "3.5": 12.3, "3.6": int64(4), "3.7": 33.3,
	"3.8": true, "3.9": int64(90000), "3.10": 15.0, "3.11": int64(2500499),
	"3.12": []string{"actual_figures_for_clients_affected", "estimates_for_financial_counterparts_affected", "actual_figures_for_transactions_affected"},
	"3.13": []string{"the_major_ict-related_incident_has_been_reflected_in_the_media"}, "3.14": "Two national newspapers.",
	"3.15": "05:19:00", "3.16": "00:03:10", "3.17": "actual_figures_and_estimates",
	"3.18": []string{"clients"}, "3.19": "DE: some clients; IT: few.", "3.20": []string{"availability", "integrity"}, "3.21": "Some payments were lost.",
	"3.22": "Payments", "3.23": []string{"cybersecurity-related", "other"}, "3.24": "A new type", "3.25": []string{"ddos", "other"}, "3.26": "A new technique",
	"3.27": "Operations", "3.28": "yes", "3.29": "storage 1.2, outsourced", "3.30": "information_not_available", "3.31": []string{"csirt", "other"},
	"3.32": "A central bank", "3.33": true, "3.34": "Traffic was moved.", "3.35": "ip 192.0.2.1",
	"4.1": []string{"process_failure", "human_error"}, "4.2": []string{"process_failure_insufficient_or_failure_of_ict_operations_and_ict_security_operations", "process_failure_other", "human_error_mistake"},
	"4.3": []string{"change_management"}, "4.4": "No freeze.", "4.5": "A change met a full disk.", "4.6": "Limits were set.\n\nAlarms must look ahead.",
	"4.7": "2026-12-23T09:00:00Z", "4.8": "2026-12-24T10:00:00Z", "4.9": "No difference.", "4.10": "Payments are critical.", "4.11": "No obstacle.",
	"4.12": "Costs above the threshold.", "4.13": int64(250500), "4.14": int64(1000), "4.15": "Three times before.", "4.16": "2026-10-01T08:00:00Z",
}

// Every one of the 76 fields, by its number.
func TestEveryField(t *testing.T) {
	w := newWorld(t)
	f := w.file(deadline.DORAFinal, filing.Options{})
	if len(f.Fields) != 76 || len(want) != 76 {
		t.Fatalf("%d fields, %d wanted; the annex has 76", len(f.Fields), len(want))
	}
	for _, x := range f.Fields {
		if d := cmp.Diff(want[x.Number], x.Value); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", x.Number, x.Name, d)
		}
		if x.Property == "" {
			t.Errorf("%s has no place in the published form", x.Number)
		}
	}
	if len(f.Open) > 0 {
		t.Errorf("open although everything is filled: %+v", f.Open)
	}
	for _, c := range f.Checks {
		t.Errorf("%s %s: %s", c.Grade, c.Number, c.Says)
	}
}

// A stage asks for its own fields and those before; what is known already and
// not asked for stays at home unless somebody wants it sent early.
func TestStages(t *testing.T) {
	w := newWorld(t)
	for stage, n := range map[deadline.Stage]int{deadline.DORAInitial: 25, deadline.DORAIntermediate: 60, deadline.DORAFinal: 76} {
		filled := func(f *filing.Filing) (n int) {
			for _, x := range f.Fields {
				if x.Value != nil {
					n++
				}
			}
			return n
		}
		if got := filled(w.file(stage, filing.Options{})); got != n {
			t.Errorf("%s: %d fields, want %d", stage, got, n)
		}
		if got := filled(w.file(stage, filing.Options{Early: true})); got != 76 {
			t.Errorf("%s, early: %d fields, want 76", stage, got)
		}
	}
	if f := w.file(deadline.DORAReclassified, filing.Options{}); f.Field("1.1").Value != "major_incident_reclassified_as_non-major" {
		t.Errorf("1.1 of a reclassification is %v", f.Field("1.1").Value)
	}
	for _, s := range []deadline.Stage{"dora.nothing", deadline.DORARecurring, ""} {
		if _, err := filing.Build(w.log, w.load(), s, filing.Options{}); err == nil || !strings.Contains(err.Error(), "nothing to export") {
			t.Errorf("stage %q: got %v", s, err)
		}
	}
}

// What nobody filled is listed as open and is nowhere made up: each field taken
// away leaves its number without a value.
func TestNothingIsInvented(t *testing.T) {
	w := newWorld(t)
	items, _ := notice.Items(deadline.DORAFinal)
	for _, it := range items {
		if len(it.Fields) == 0 || it.Acts != nil || it.Number == "3.12" { // 3.12 says what is left of three
			continue
		}
		inc := w.load()
		for _, path := range it.Fields {
			inc.Fields = without(t, inc.Fields, path)
		}
		f, err := filing.Build(w.log, inc, deadline.DORAFinal, filing.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if x := f.Field(it.Number); x.Value != nil {
			t.Errorf("%s without %v says %v", it.Number, it.Fields, x.Value)
		}
	}
	empty := &world{t, evidencetest.NewLog(w.log.Tenant())}
	ds, err := incident.Declare("inc1", me, evidence.IncidentDeclaredFacts{}, nil, nil, now)
	empty.do(ds, err)
	f := empty.file(deadline.DORAFinal, filing.Options{Contacts: map[string]filing.Contact{}})
	for _, x := range f.Fields {
		if x.Value != nil && x.Number != "1.1" {
			t.Errorf("%s of an empty incident says %v", x.Number, x.Value)
		}
	}
	if len(f.Open) < 40 {
		t.Errorf("%d items are open of an empty incident", len(f.Open))
	}
}

// without takes a field away.
func without(t *testing.T, f incident.Fields, path string) (out incident.Fields) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(path, ".")
	at := doc
	for _, p := range parts[:len(parts)-1] {
		if at, _ = at[p].(map[string]any); at == nil {
			return f
		}
	}
	delete(at, parts[len(parts)-1])
	if b, err = json.Marshal(doc); err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct{ patch, number, grade, says string }{
		"order of entities":    {`{"reporter": {"affected": [{"name": "A;B", "lei": "529900ABCDEFGHIJKM16"}, {"name": "C", "lei": "529900ABCDEFGHIJKN13"}]}}`, "1.6", filing.Error, "order must be the same"},
		"no detailed cause":    {`{"causes": {"high": ["process_failure", "human_error", "external_event"]}}`, "4.2", filing.Error, "below external_event"},
		"downtime too long":    {`{"duration": {"downtime_minutes": 9000}}`, "3.16", filing.Warning, "longer than the incident"},
		"resolved too early":   {`{"times": {"root_cause_addressed": "2026-12-26T09:00:00Z"}}`, "4.8", filing.Warning, "before its root cause"},
		"one criterion":        {`{"business": {"clients": {"number": 1, "share": 1}, "counterparts": {"number": 0, "share": 0}, "transactions": {"number": 0, "share": 0}, "transactions_value_share": 0, "relevant_clients": false, "reputation": null, "no_reputation": true}, "duration": {"minutes": 60, "downtime_minutes": 60}, "place": {"states": ["FR"]}, "data": {"affected": null, "not_affected": true, "may_lose": false}, "money": {"costs": 5}}`, "2.5", filing.Warning, "at least one criterion beside"},
		"an unknown criterion": {`{"money": {"costs": null}}`, "2.5", filing.Warning, "economic impact is met cannot be told"},
		"check digits":         {`{"reporter": {"lei": "529900ABCDEFGHIJKL18"}}`, "1.3", filing.Warning, "529900ABCDEFGHIJKL18"},
		"a reference":          {`{"identity": {"reference": "INC 1/2026"}}`, "2.1", filing.Warning, "letters, digits and hyphens"},
		"currency":             {`{"reporter": {"currency": "USD"}}`, "1.15", filing.Warning, "EUR, BGN"},
		"twice an average day": {`{"business": {"transactions": {"share": 230.5}}}`, "3.10", filing.Warning, "230.5"},
		"no word of 3.17":      {`{"duration": {"minutes": 60, "downtime_minutes": 60, "figures": null}}`, "3.17", filing.Warning, "some authorities"},
		"third party":          {`{"nature": {"third_party": {"code": null, "code_type": null}, "third_party_note": null}}`, "2.8", filing.Warning, "semicolons"},
	} {
		w := newWorld(t)
		w.set(c.patch)
		f := w.file(deadline.DORAFinal, filing.Options{})
		if !slices.ContainsFunc(f.Checks, func(x filing.Check) bool {
			return x.Number == c.number && x.Grade == c.grade && strings.Contains(x.Says, c.says)
		}) {
			t.Errorf("%s: no %s at %s that says %q; got %+v", name, c.grade, c.number, c.says, f.Checks)
		}
	}
	w := newWorld(t)
	f := w.file(deadline.DORAFinal, filing.Options{HomeState: true, Contacts: map[string]filing.Contact{"primary": {Name: "P", Mail: "m", Phone: "01 00"}}})
	for _, want := range []string{"1.9", "2.6"} {
		if !slices.ContainsFunc(f.Checks, func(c filing.Check) bool { return c.Number == want }) {
			t.Errorf("no check at %s: %+v", want, f.Checks)
		}
	}
}

// Conditions bind in both directions: what is given against one is told, with
// the record as it was and the condition denied.
func TestConditionsDenied(t *testing.T) {
	for number, patch := range map[string]string{
		"1.13": `{"reporter": {"group": false}}`,
		"2.8":  `{"nature": {"from_third_party": false}}`,
		"3.3":  `{"duration": {"downtime_minutes": 0}}`,
		"3.9":  `{"business": {"transactions": {"number": 0}}}`,
		"3.24": `{"nature": {"types": ["cybersecurity-related"]}}`,
		"3.25": `{"nature": {"types": ["other"]}}`,
		"3.26": `{"nature": {"techniques": ["ddos"]}}`,
		"3.29": `{"systems": {"infrastructure": "no"}}`,
		"3.32": `{"response": {"authorities_told": ["csirt"]}}`,
		"3.34": `{"response": {"temporary_actions": false}}`,
		"3.35": `{"reporter": {"nis2_status": "none"}}`,
		"4.4":  `{"causes": {"high": ["human_error"], "detailed": ["human_error_mistake"], "additional": null}}`,
		"4.10": `{"resolution_authorities": {"risk": false}}`,
		"4.11": `{"resolution_authorities": {"resolvability_affected": false}}`,
		"4.15": `{"causes": {"recurring_count": null}}`,
	} {
		w := newWorld(t)
		before := w.file(deadline.DORAFinal, filing.Options{})
		w.set(patch)
		after := w.file(deadline.DORAFinal, filing.Options{})
		told := func(f *filing.Filing) bool {
			return slices.ContainsFunc(f.Checks, func(c filing.Check) bool {
				return c.Number == number && c.Grade == filing.Warning && strings.Contains(c.Says, "denies")
			})
		}
		if v := after.Field(number).Value; number == "3.9" && v != int64(0) || number != "3.9" && (v == nil || told(before) || !told(after)) {
			t.Errorf("%s (%v) against its condition: told %t, before %t", number, v, told(after), told(before))
		}
		if slices.ContainsFunc(after.Open, func(o notice.Open) bool { return o.Number == number }) {
			t.Errorf("%s is open though its condition is denied", number)
		}
	}
	w := newWorld(t)
	w.set(`{"duration": {"downtime_minutes": 0}}`)
	if v := w.file(deadline.DORAFinal, filing.Options{}).Field("3.16").Value; v != nil {
		t.Errorf("3.16 without a downtime is %v", v)
	}
}

// A reclassification tells what the reports stood on: when it was classified as
// major and by which criteria, whatever the facts have become since.
func TestReclassified(t *testing.T) {
	w := newWorld(t)
	res, err := classify.Run("dora", &w.load().Fields, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: res.Outcome, Decision: "major", Steps: res.Steps, At: at("2026-12-19T08:50:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	before := w.file(deadline.DORAInitial, filing.Options{})
	d, err = w.load().Notify(me, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: incident.NoticeSent, At: at("2026-12-19T10:00:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	d, err = w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "not-major", Decision: "not-major", At: at("2026-12-21T08:00:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	w.set(`{"business": {"clients": {"number": 1, "share": 1}, "relevant_clients": false, "reputation": null, "no_reputation": true}, "place": {"states": ["FR"]}}`)
	f := w.file(deadline.DORAReclassified, filing.Options{})
	for _, n := range []string{"2.3", "2.5"} {
		if diff := cmp.Diff(before.Field(n).Value, f.Field(n).Value); diff != "" || f.Field(n).Value == nil {
			t.Errorf("%s (-of the report +of the reclassification):\n%s", n, diff)
		}
	}
	for _, o := range f.Open {
		if o.Number != "2.6" { // its states were taken back: nothing is made up
			t.Errorf("open: %+v", o)
		}
	}
	var b bytes.Buffer
	p, err := filing.NewProfile(f.Stage, "", 0)
	if err == nil {
		err = f.Published(&b, p)
	}
	if err != nil || !strings.Contains(b.String(), `"classificationTypes"`) || !strings.Contains(b.String(), `"major_incident_reclassified_as_non-major"`) {
		t.Errorf("published: %v\n%s", err, b.String())
	}
}

// An incident that is major together with others was triggered by what the look
// at all of them found.
func TestRecurringCriteria(t *testing.T) {
	w := newWorld(t)
	w.set(`{"money": {"costs": 60000, "likely_above_100000": false}}`)
	if l := w.file(deadline.DORAInitial, filing.Options{}).Field("2.5").Value.([]string); slices.Contains(l, "economic_impact") {
		t.Fatalf("alone: %v", l)
	}
	d, err := w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", Recurring: []string{"other"},
		Steps: []evidence.IncidentStep{{Rule: "2024/1772 Art 9(6)", Answer: "yes"}}, At: at("2026-12-20T08:00:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	f := w.file(deadline.DORAInitial, filing.Options{})
	if l := f.Field("2.5").Value.([]string); !slices.Contains(l, "economic_impact") || !slices.Contains(l, "critical_services_affected") {
		t.Errorf("together: %v", l)
	}
}

func TestPublishedForm(t *testing.T) {
	w := newWorld(t)
	f := w.file(deadline.DORAFinal, filing.Options{})
	p, err := filing.NewProfile(f.Stage, "", 0)
	if err != nil || p.Version != "1.3.0" || p.Scale != 1000 {
		t.Fatalf("profile %+v, %v", p, err)
	}
	var b bytes.Buffer
	if err := f.Published(&b, p); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "published.json", b.Bytes())

	// Every value stands at the place of its number, and nothing else does.
	var doc any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	leaves := map[string]bool{}
	walk("", doc, leaves)
	for _, x := range f.Fields {
		if !leaves[strings.TrimSuffix(x.Property, "[]")] {
			t.Errorf("%s: nothing at %s", x.Number, x.Property)
		}
		delete(leaves, strings.TrimSuffix(x.Property, "[]"))
	}
	for _, own := range []string{"submittingEntity.entityType", "affectedEntity[].entityType", "ultimateParentUndertaking.entityType"} {
		delete(leaves, own)
	}
	if len(leaves) > 0 {
		t.Errorf("places of no field: %v", leaves)
	}
	if strings.Contains(b.String(), "null") {
		t.Error("the form holds a null")
	}
	// Whole units are whole units; thousands are rounded half up.
	one, err := filing.NewProfile(f.Stage, "1.2.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	for scale, want := range map[filing.Profile]string{p: `"grossAmountIndirectDirectCosts": 251,`, one: `"grossAmountIndirectDirectCosts": 250500,`} {
		b.Reset()
		if err := f.Published(&b, scale); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%+v: no %s, %v", scale, want, err)
		}
	}
	for _, bad := range []struct {
		v string
		s int64
	}{{"1.4", 1}, {"1.3.0", 10}, {"1.3.0", -1}} {
		if _, err := filing.NewProfile(f.Stage, bad.v, bad.s); err == nil {
			t.Errorf("profile %+v was taken", bad)
		}
	}
	if err := w.file(deadline.GDPRAuthority, filing.Options{}).Published(&b, p); err == nil {
		t.Error("a form of the GDPR was published")
	}
}

// walk lists the places that hold a value; those of lists of objects end in [].
func walk(path string, v any, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(strings.TrimPrefix(path+"."+k, "."), x, out)
		}
	case []any:
		for _, x := range v {
			if _, ok := x.(map[string]any); ok {
				walk(path+"[]", x, out)
			} else {
				out[path] = true
			}
		}
	default:
		out[path] = true
	}
}

// An export reads back to the same incident.
func TestReadsBack(t *testing.T) {
	w := newWorld(t)
	for _, stage := range []deadline.Stage{deadline.DORAInitial, deadline.DORAIntermediate, deadline.DORAFinal, deadline.NIS2Final, deadline.GDPRAuthority, deadline.CRAFinalVuln} {
		f := w.file(stage, filing.Options{})
		var b bytes.Buffer
		if err := f.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		back, err := filing.Read(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		if !reflect.DeepEqual(back.Record, w.load().Fields) {
			t.Errorf("%s reads back to another incident:\n%s", stage, cmp.Diff(w.load().Fields, back.Record))
		}
		turned := bytes.Replace(b.Bytes(), []byte("2026-017"), []byte("2026-018"), 1)
		if _, err := filing.Read(turned); err == nil || !strings.Contains(err.Error(), "was changed") {
			t.Errorf("%s: a changed record was read: %v", stage, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"format":"x"}`, `{"format":"evidenced-filing/v1"} x`, `{"no":1}`, "[]"} {
		if _, err := filing.Read([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSkins(t *testing.T) {
	w := newWorld(t)
	w.set(`{"narrative": {"description": "=1+1 \u001b[31m \u202egnp"}, "systems": {"infrastructure": null}}`)
	f := w.file(deadline.DORAIntermediate, filing.Options{})
	var table, text bytes.Buffer
	if err := f.CSV(&table); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "intermediate.csv", table.Bytes())
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 77 {
		t.Fatalf("%d rows, %v; want a header and 76", len(rows), err)
	}
	for _, r := range rows {
		if r[0] == "2.4" && !strings.HasPrefix(r[3], "'=") {
			t.Errorf("a formula stands in a cell: %q", r[3])
		}
	}
	if err := f.Text(&text, reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "intermediate.txt", text.Bytes())
	if strings.ContainsAny(text.String(), "\x1b\u202e") {
		t.Error("an escape sequence reached the terminal")
	}
}

// The other laws' notices say what their articles ask for, and what is open.
func TestOtherLaws(t *testing.T) {
	w := newWorld(t)
	var b bytes.Buffer
	for _, s := range deadline.Stages {
		law, _ := deadline.StageLaw(s)
		items, _ := notice.Items(s)
		if law == deadline.DORA || len(items) == 0 {
			continue
		}
		f := w.file(s, filing.Options{})
		if err := f.Text(&b, reports.Style{Width: 110}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, "----")
	}
	evidencetest.Golden(t, "others.txt", b.Bytes())
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":"evidenced-filing/v1","record":{},"copy":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := filing.Read(b)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := x.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		if _, err := filing.Read(out.Bytes()); err != nil {
			t.Errorf("what was written is not read: %v", err)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	inc := w.load()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := filing.Build(w.log, inc, deadline.DORAFinal, filing.Options{Now: now, Contacts: contacts}); err != nil {
			b.Fatal(err)
		}
	}
}
