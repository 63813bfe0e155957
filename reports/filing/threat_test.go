package filing_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
	"evidenced/reports/filing"
)

// threat is a record of a cyber threat with every field of the template, made
// by a third party for a made-up entity.
const threat = `{
  "identity": {"kind": "threat", "reference": "T-2027-1"},
  "reporter": {"name": "Provider One", "code": "EUFR123", "code_type": "EUID", "types": ["payment_institution"], "roles": ["ict-provider"], "state": "FR",
    "affected": [{"name": "Entity Two", "lei": "529900ABCDEFGHIJKM16"}]},
  "threat": {"description": "Letters ask clients for codes.", "impact": "Clients could lose money.", "criteria": ["critical_services_affected", "reputational_impact"],
    "status": "active", "actions": "The domain was reported.", "others_told": true, "others": "Clients were warned."},
  "nature": {"indicators": "domain phish.example"}, "narrative": {"other": "Seen at others too."}
}`

// wantThreat is the value of every field of the template for that record.
var wantThreat = map[string]any{
	"1": "Provider One", "2": "EUFR123", "3": []string{"payment_institution"}, "4": "Entity Two", "5": "529900ABCDEFGHIJKM16",
	"6": "Primary Contact", "7": "primary@entity.example", "8": "+33 1 00 00 00 01", "9": "Incident desk", "10": "desk@entity.example", "11": "+33 1 00 00 00 02",
	"12": "2026-12-18T17:20:00Z", "13": "Letters ask clients for codes.", "14": "Clients could lose money.",
	"15": []string{"critical_services_affected", "reputational_impact"}, "16": "active", "17": "The domain was reported.", "18": "Clients were warned.",
	"19": "domain phish.example", "20": "Seen at others too.",
}

// threatened is a log with one threat: the patch, and what newWorld does to
// declare, know and name contacts.
func threatened(t *testing.T, patch string) *world {
	t.Helper()
	w := &world{t, evidencetest.NewLog(newWorld(t).log.Tenant())}
	p, err := incident.ParsePatch([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	w.do(incident.Declare("inc1", me, evidence.IncidentDeclaredFacts{}, p, nil, now))
	d, err := w.load().BecomeAware(me, "dora", at("2026-12-18T17:20:00Z"), nil, now)
	w.do([]evidence.Draft{d}, err)
	for place, c := range contacts {
		d, err = w.load().SetContact(me, place, evidence.Person{Names: evidence.Names{Display: c.Name, Mail: c.Mail}}, c.Phone, place == "secondary", now)
		w.do([]evidence.Draft{d}, err)
	}
	return w
}

// Every one of the 20 fields of the template, by its number, in every form.
func TestThreat(t *testing.T) {
	w := threatened(t, threat)
	f := w.file(deadline.DORAThreat, filing.Options{})
	if len(f.Fields) != 20 || len(wantThreat) != 20 {
		t.Fatalf("%d fields, %d wanted; the template has 20", len(f.Fields), len(wantThreat))
	}
	for _, x := range f.Fields {
		if d := cmp.Diff(wantThreat[x.Number], x.Value); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", x.Number, x.Name, d)
		}
	}
	// What each field stands on: fields of the record, and acts of their own.
	inc := w.load()
	for n, want := range map[string]uint64{"1": inc.Set["reporter.name"], "2": inc.Set["reporter.code"], "6": inc.Contacts["primary"].Seq, "11": inc.Contacts["secondary"].Seq, "12": inc.Aware["dora"][0].Seq, "13": inc.Set["threat.description"]} {
		if got := f.Field(n).Set; !slices.Equal(got, []uint64{want}) {
			t.Errorf("%s stands on the records %v, want %d", n, got, want)
		}
	}
	if len(f.Open) > 0 || len(f.Checks) > 0 {
		t.Errorf("everything is filled and right; open %+v, checks %+v", f.Open, f.Checks)
	}
	var text, form, neutral bytes.Buffer
	if err := f.Text(&text, reports.Style{Width: 110}); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "threat.txt", text.Bytes())
	p, err := filing.NewProfile(deadline.DORAThreat, "", 0)
	if err != nil || p.Version != "1.2.0" {
		t.Fatalf("profile %+v, %v", p, err)
	}
	if err := f.Published(&form, p); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "threat.json", form.Bytes())
	if err := f.WriteJSON(&neutral); err != nil {
		t.Fatal(err)
	}
	back, err := filing.Read(neutral.Bytes())
	if err != nil || !reflect.DeepEqual(back.Record, w.load().Fields) {
		t.Errorf("reads back to another record (%v)", err)
	}
	for i, r := range sheet(t, f, "Fields")[1:] {
		if want := filing.Words(wantThreat[f.Fields[i].Number]); r[3] != want {
			t.Errorf("the workbook says %q at %s, want %q", r[3], r[0], want)
		}
	}
	doc := f.Document("test")
	if len(doc.Groups) != 2 || len(doc.Groups[0].Rows) != 11 || len(doc.Groups[1].Rows) != 9 {
		t.Errorf("the document has the groups %+v, want 11 and 9 fields", doc.Groups)
	}
}

// Every value stands at the place of its number, and nothing else does.
func TestThreatForm(t *testing.T) {
	f := threatened(t, threat).file(deadline.DORAThreat, filing.Options{})
	var b bytes.Buffer
	if err := f.Published(&b, filing.Profile{Version: "1.2.0", Scale: 1000}); err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	leaves := map[string]bool{}
	walk("", doc, leaves)
	for _, x := range f.Fields {
		place := strings.TrimSuffix(x.Property, "[]")
		if x.Number == "2" {
			place = "submittingEntity.code" // it is no LEI
		}
		if !leaves[place] {
			t.Errorf("%s: nothing at %s", x.Number, place)
		}
		delete(leaves, place)
	}
	if len(leaves) > 0 {
		t.Errorf("places of no field: %v", leaves)
	}
	for _, bad := range []string{"1.3.0", "1.2.1", ""} {
		if err := f.Published(&b, filing.Profile{Version: bad}); err == nil {
			t.Errorf("profile %q was taken", bad)
		}
	}
	if _, err := filing.NewProfile(deadline.DORAThreat, "1.3.0", 0); err == nil {
		t.Error("the form of incidents was taken for a threat")
	}
	if _, err := filing.NewProfile(deadline.DORAInitial, "1.2.0", 0); err == nil {
		t.Error("the form of threats was taken for an incident")
	}
}

// What nobody filled is open with its reason, or left out where the template
// asks for it only if there is some.
func TestThreatLacks(t *testing.T) {
	w := &world{t, evidencetest.NewLog(newWorld(t).log.Tenant())}
	p, err := incident.ParsePatch([]byte(`{"identity": {"kind": "threat"}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.do(incident.Declare("inc1", me, evidence.IncidentDeclaredFacts{}, p, nil, now))
	f := w.file(deadline.DORAThreat, filing.Options{Contacts: map[string]filing.Contact{}})
	var open []string
	for _, o := range f.Open {
		open = append(open, o.Number+" "+o.Why)
	}
	want := []string{"1 mandatory", "2 mandatory", "6 mandatory", "7 mandatory", "8 mandatory", "12 mandatory", "13 mandatory", "14 mandatory", "15 mandatory", "16 mandatory",
		"17 mandatory", "18 cannot be told yet whether other stakeholders were informed"}
	if d := cmp.Diff(want, open); d != "" {
		t.Errorf("open (-want +got):\n%s", d)
	}
	for _, x := range f.Fields {
		if x.Value != nil {
			t.Errorf("%s of an empty record says %v", x.Number, x.Value)
		}
	}
	w.set(`{"threat": {"others_told": false}, "reporter": {"affected": [{"name": "Entity Two"}]}}`)
	f = w.file(deadline.DORAThreat, filing.Options{Contacts: map[string]filing.Contact{}})
	has := func(n string) bool {
		return slices.ContainsFunc(f.Open, func(o notice.Open) bool { return o.Number == n })
	}
	if has("18") || !has("3") || has("4") || !has("5") {
		t.Errorf("with another entity and nobody told: open are %+v, want 3 and 5 among them, not 4 and 18", f.Open)
	}
}

func TestThreatChecks(t *testing.T) {
	for name, c := range map[string]struct{ patch, number, grade, says string }{
		"no LEI":          {`{"reporter": {"roles": ["financial-entity"]}}`, "2", filing.Error, "by its LEI"},
		"two entities":    {`{"reporter": {"affected": [{"name": "A", "lei": "529900ABCDEFGHIJKM16"}, {"name": "B", "lei": "529900ABCDEFGHIJKN13"}]}}`, "4", filing.Warning, "2 entities"},
		"order":           {`{"reporter": {"affected": [{"name": "A;B", "lei": "529900ABCDEFGHIJKM16"}]}}`, "5", filing.Error, "order must be the same"},
		"not significant": {`{"threat": {"criteria": ["reputational_impact"]}}`, "15", filing.Warning, "2024/1772 Art 10"},
		"told nobody":     {`{"threat": {"others_told": false}}`, "18", filing.Error, "nobody else was informed"},
	} {
		w := threatened(t, threat)
		w.set(c.patch)
		f := w.file(deadline.DORAThreat, filing.Options{})
		if !slices.ContainsFunc(f.Checks, func(x filing.Check) bool {
			return x.Number == c.number && x.Grade == c.grade && strings.Contains(x.Says, c.says)
		}) {
			t.Errorf("%s: no %s at %s that says %q; got %+v", name, c.grade, c.number, c.says, f.Checks)
		}
	}
	f := threatened(t, threat).file(deadline.DORAThreat, filing.Options{Contacts: map[string]filing.Contact{"secondary": {Phone: "01 00"}}})
	if !slices.ContainsFunc(f.Checks, func(c filing.Check) bool { return c.Number == "11" }) {
		t.Errorf("no check of a telephone number without prefix: %+v", f.Checks)
	}
	for _, bad := range []string{`{"threat": {"status": "dormant"}}`, `{"threat": {"criteria": ["severity"]}}`} {
		p, err := incident.ParsePatch([]byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := threatened(t, threat).load().Update(me, p, nil, now); err == nil || !strings.Contains(err.Error(), "threat.") {
			t.Errorf("%s: got %v, want the field named", bad, err)
		}
	}
}

// An incident is no threat, and a threat has no limit unless it is classified
// as a major incident.
func TestThreatIsNoIncident(t *testing.T) {
	w := newWorld(t)
	if _, err := filing.Build(w.log, w.load(), deadline.DORAThreat, filing.Options{Now: now}); !problem.Is(err, problem.Refused) || !strings.Contains(err.Error(), "identity.kind is incident") {
		t.Errorf("the notification of a threat was made of an incident: %v", err)
	}
	w = threatened(t, strings.Replace(threat, `["ict-provider"]`, `["financial-entity"]`, 1))
	stages := func() (out []string) {
		clocks, _, err := notice.Clocks(w.load(), deadline.Builtin(), now, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range clocks {
			out = append(out, string(k.Stage)+" "+string(k.State))
		}
		return out
	}
	if got := stages(); !slices.Equal(got, []string{"dora.threat voluntary"}) {
		t.Errorf("clocks of a threat: %q", got)
	}
	sent := func(act string, f evidence.IncidentNoticeFacts) {
		t.Helper()
		f.Act, f.Stage, f.At = act, "dora.threat", at("2026-12-19T10:00:00Z")
		d, err := w.load().Notify(me, f, now)
		w.do([]evidence.Draft{d}, err)
	}
	sent(incident.NoticeSent, evidence.IncidentNoticeFacts{})
	if got := stages(); !slices.Equal(got, []string{"dora.threat sent-no-receipt"}) {
		t.Errorf("clocks of a threat that was sent: %q", got)
	}
	sent(incident.NoticeReceipt, evidence.IncidentNoticeFacts{Reference: "R1"})
	if got := stages(); !slices.Equal(got, []string{"dora.threat met"}) {
		t.Errorf("clocks of a threat that was received: %q", got)
	}
	d, err := w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", At: at("2026-12-20T08:40:00Z")}, now)
	w.do([]evidence.Draft{d}, err)
	if got := stages(); !slices.Contains(got, "dora.initial overdue") || !slices.Contains(got, "dora.threat met") {
		t.Errorf("clocks of a threat that became a major incident: %q", got)
	}
}
