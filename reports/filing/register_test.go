package filing_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/reports"
	"evidenced/reports/filing"
)

// registered is the register of a log with four incidents: a breach that was
// told late, one that nobody has looked at, one that was decided to be none,
// and one that no personal data are part of.
func registered(t *testing.T) *filing.Register {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, evidencetest.NewLog(tenant)}
	for id, fields := range map[string]string{
		"breach":  `{"identity": {"reference": "=B-1"}, "reporter": {"roles": ["controller"], "state": "DE"}, "times": {"occurred": "2026-11-20T08:00:00Z", "detected": "2026-11-20T09:00:00Z"}, "narrative": {"summary": "a list was sent\nto the wrong party \u202e"}, "data": {"personal": true, "people": {"number": 0}, "records": 12, "encrypted": false, "consequences": "unwanted letters"}}`,
		"unseen":  `{"reporter": {"roles": ["processor", "operator"], "state": "DE"}}`,
		"none":    `{"reporter": {"roles": ["controller"], "state": "DE"}}`,
		"another": `{"reporter": {"roles": ["controller", "financial-entity"], "state": "DE"}, "data": {"personal": false}}`,
	} {
		p, err := incident.ParsePatch([]byte(fields))
		if err != nil {
			t.Fatal(err)
		}
		ds, err := incident.Declare(id, me, evidence.IncidentDeclaredFacts{}, p, nil, at("2026-11-20T12:00:00Z"))
		w.do(ds, err)
	}
	load := func(id string) *incident.Incident {
		inc, err := incident.Load(t.Context(), w.log, id)
		if err != nil {
			t.Fatal(err)
		}
		return inc
	}
	one := func(d evidence.Draft, err error) { t.Helper(); w.do([]evidence.Draft{d}, err) }
	one(load("breach").BecomeAware(me, "gdpr", at("2026-11-20T10:10:00Z"), nil, now))
	one(load("breach").Decide(me, evidence.IncidentDecisionFacts{Law: "gdpr", Procedure: "undecided", Decision: "risk", At: at("2026-11-20T11:00:00Z")}, now))
	one(load("breach").Notify(me, evidence.IncidentNoticeFacts{Stage: "gdpr.authority", Act: incident.NoticeSent, At: at("2026-11-24T10:00:00Z"),
		Clock: &evidence.IncidentDue{From: at("2026-11-20T10:10:00Z"), Safe: at("2026-11-23T10:10:00Z"), Latest: at("2026-11-23T11:00:00Z"), Late: true}}, now))
	one(load("none").Decide(incident.Who{By: "uid 1", Reason: "carts hold no names"}, evidence.IncidentDecisionFacts{Law: "gdpr", Procedure: "undecided", Decision: "no-breach", At: at("2026-11-20T12:00:00Z")}, now))
	one(load("breach").Close(me, now, false, []string{"gdpr.authority"}, now))
	incs, err := incident.List(t.Context(), w.log)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(incs, func(a, b *incident.Incident) int { return strings.Compare(a.ID, b.ID) })
	g, err := filing.NewRegister(w.log, incs, deadline.Builtin(), now)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Every breach is documented, closed ones too, and what is none or not known is
// said as that.
func TestRegister(t *testing.T) {
	g := registered(t)
	if len(g.Breaches) != 2 || g.Breaches[0].Incident != "breach" || g.Breaches[1].Incident != "unseen" || len(g.None) != 1 || g.None[0].Reason != "carts hold no names" {
		t.Fatalf("breaches %+v, none %+v", g.Breaches, g.None)
	}
	b := g.Breaches[0]
	if b.Closed.IsZero() || b.Decision != "risk" || !b.Aware.Equal(at("2026-11-20T10:10:00Z")) || b.People == nil || *b.People != 0 || *b.Records != 12 || len(b.Acts) < 5 {
		t.Errorf("%+v", b)
	}
	if len(b.Told) != 1 || b.Told[0].Stage != deadline.GDPRAuthority || !b.Told[0].Late || b.Told[0].State != deadline.NoReceipt {
		t.Errorf("told %+v", b.Told)
	}
	if !slices.Equal(b.Open, []string{"remedy"}) || !slices.Equal(g.Breaches[1].Open, []string{"facts", "effects", "remedy", "decision", "aware"}) {
		t.Errorf("open %v and %v", b.Open, g.Breaches[1].Open)
	}
}

func TestRegisterSkins(t *testing.T) {
	g := registered(t)
	var text, table, doc bytes.Buffer
	if err := g.Text(&text, reports.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 entries in the register of breaches of tenant-7", "decided to be none", "sent 2026-11-24T10:00:00Z,", "no breach  none", `wrong party \u202e`, "people     0\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	for l := range strings.Lines(text.String()) {
		if reports.TextWidth(strings.TrimSuffix(l, "\n")) > 80 {
			t.Errorf("wider than 80 columns: %q", l)
		}
	}
	if err := g.CSV(&table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 4 || !slices.Equal(rows[0], filing.RegisterHeader) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	at := func(row int, name string) string { return rows[row][slices.Index(filing.RegisterHeader, name)] }
	if at(1, "reference") != "'=B-1" || at(1, "people") != "0" || at(1, "encrypted") != "no" || at(1, "special_categories") != "" || at(2, "open") == "" || at(3, "decision") != "no-breach" {
		t.Errorf("rows %v", rows)
	}
	if err := g.WriteJSON(&doc); err != nil {
		t.Fatal(err)
	}
	var back filing.Register
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil || back.Format != filing.RegisterFormat || back.Breaches[0].Facts != g.Breaches[0].Facts {
		t.Errorf("%v\n%s", err, doc.String())
	}
}
