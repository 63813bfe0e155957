package incident_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
)

var now = time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC)

var me = incident.Who{By: "uid 1000"}

func because(s string) incident.Who { return incident.Who{By: "uid 1000", Reason: s} }

func tenant(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	x, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func patch(t *testing.T, s string) incident.Patch {
	t.Helper()
	p, err := incident.ParsePatch([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return p
}

// world is an incident in a log.
type world struct {
	t   *testing.T
	log *evidencetest.Log
	id  string
}

const first = `{"times": {"occurred": "2026-12-18T15:00:00Z", "detected": "2026-12-18T16:30:00Z"},
	"narrative": {"summary": "pages fail"}, "systems": {"refs": ["app:prod/argocd/web"]}}`

func begin(t *testing.T, fields string) *world {
	t.Helper()
	w := &world{t, evidencetest.NewLog(tenant(t, "tenant-7")), "inc1"}
	ds, err := incident.Declare(w.id, because("alarm"), evidence.IncidentDeclaredFacts{}, patch(t, fields), nil, now.AddDate(0, 0, -5))
	if err != nil {
		t.Fatal(err)
	}
	w.add(ds...)
	return w
}

func (w *world) add(ds ...evidence.Draft) {
	w.t.Helper()
	for _, d := range ds {
		if err := d.Check(); err != nil {
			w.t.Fatal(err)
		}
		w.log.AddDraft(d)
	}
}

func (w *world) load() *incident.Incident {
	w.t.Helper()
	inc, err := incident.Load(w.t.Context(), w.log, w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return inc
}

// do adds what an act made, or fails.
func (w *world) do(ds []evidence.Draft, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.add(ds...)
}

func (w *world) one(d evidence.Draft, err error) {
	w.t.Helper()
	w.do([]evidence.Draft{d}, err)
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// refused wants a problem whose text holds the words.
func refused(t *testing.T, what string, err error, words string) {
	t.Helper()
	p := problem.Of(err)
	if p == nil || p.Hint == "" && p.Code == problem.Refused && !strings.Contains(what, "no hint") || !strings.Contains(err.Error(), words) {
		t.Errorf("%s: got %v, want a problem that says %q", what, err, words)
	}
}

func TestStory(t *testing.T) {
	w := begin(t, first)
	inc := w.load()
	if !inc.Fields.Times.Occurred.Equal(at(t, "2026-12-18T15:00:00Z")) || inc.Fields.Narrative.Summary != "pages fail" {
		t.Fatalf("fields: %+v", inc.Fields)
	}
	w.one(inc.BecomeAware(me, "dora", at(t, "2026-12-18T17:20:00Z"), nil, now))
	w.one(w.load().Decide(because("two criteria"), evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", At: at(t, "2026-12-19T08:40:00Z")}, now))
	w.one(w.load().Notify(me, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: incident.NoticeSent, At: at(t, "2026-12-19T12:05:00Z"),
		Clock: &evidence.IncidentDue{Late: true, Latest: at(t, "2026-12-19T12:00:00Z")}}, now))
	sent := w.load().Sent("dora.initial")
	if len(sent) != 1 || !sent[0].Received().IsZero() || !sent[0].Clock.Late {
		t.Fatalf("sent, no receipt: %+v", sent)
	}
	w.one(w.load().Notify(me, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: incident.NoticeReceipt, At: at(t, "2026-12-19T12:06:00Z"), Reference: "A-1"}, now))
	w.one(w.load().SetContact(me, "primary", evidence.Person{Names: evidence.Names{Display: "Planted Person", Mail: "planted@bank.example"}}, "+49 30 5550100", false, now))
	w.do(w.load().Update(because("more is known"), patch(t, `{"narrative": {"summary": null, "cause": "planted cause"}, "duration": {"minutes": 90}}`), map[string][]uint64{"duration.minutes": {0, 1}}, now))

	inc = w.load()
	sent = inc.Sent("")
	if len(sent) != 1 || !sent[0].Received().Equal(at(t, "2026-12-19T12:06:00Z")) {
		t.Errorf("receipt: %+v", sent)
	}
	if inc.Fields.Narrative.Summary != "" || inc.Fields.Narrative.Cause != "planted cause" || *inc.Fields.Duration.Minutes != 90 {
		t.Errorf("after the update: %+v", inc.Fields)
	}
	if !slices.Equal(inc.Filled["duration.minutes"], []uint64{0, 1}) || inc.Set["narrative.cause"] == 0 {
		t.Errorf("where fields come from: %v %v", inc.Filled, inc.Set)
	}
	if d, ok := inc.Major(); !ok || !d.At.Equal(at(t, "2026-12-19T08:40:00Z")) || d.Acted.Equal(d.At) {
		t.Errorf("both times of the decision: %+v", d)
	}
	if c := inc.Contacts["primary"]; c.Phone != "+49 30 5550100" {
		t.Errorf("contact: %+v", c)
	}
	// What names people or was written by them stands in no clear content.
	for rec, err := range w.log.Records(t.Context(), evidence.Query{Kinds: incident.Kinds, WithText: true}) {
		if err != nil {
			t.Fatal(err)
		}
		clear, err := json.Marshal([]any{rec.Facts, rec.Key, rec.Links, rec.Scope, rec.Subject})
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"Planted", "planted", "5550100", "alarm", "more is known", "two criteria", "pages"} {
			if strings.Contains(string(clear), word) {
				t.Errorf("record %d (%s): %q stands in the content: %s", rec.Seq, rec.Kind, word, clear)
			}
		}
	}
	w.one(inc.Close(because("over"), now, false, []string{"dora.final"}, now))
	if inc = w.load(); inc.Closed.IsZero() {
		t.Error("not closed")
	}
	if _, err := inc.Update(me, patch(t, `{"duration": {"minutes": 91}}`), nil, now); err == nil {
		t.Error("a closed incident took a field")
	}
	w.one(inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "dora.intermediate", Act: incident.NoticeSent, At: at(t, "2026-12-22T11:00:00Z")}, now))
	w.one(w.load().Close(because("again"), time.Time{}, true, nil, now))
	if inc = w.load(); !inc.Closed.IsZero() {
		t.Error("not open again")
	}
	all, err := incident.List(t.Context(), w.log)
	if err != nil || len(all) != 1 || all[0].ID != w.id || len(all[0].Acts) != len(inc.Acts) {
		t.Errorf("list: %v %v", all, err)
	}
}

func TestRefused(t *testing.T) {
	w := begin(t, first)
	inc := w.load()
	later := now.Add(time.Hour)
	for _, tc := range []struct {
		name, words string
		act         func() error
	}{
		{"an occurrence ahead", "lies ahead", func() error {
			_, err := inc.Update(me, patch(t, `{"times": {"resolved": "2027-01-01T00:00:00Z"}}`), nil, now)
			return err
		}},
		{"upside down", "before the incident occurred", func() error {
			_, err := inc.Update(me, patch(t, `{"times": {"resolved": "2026-12-01T00:00:00Z"}}`), nil, now)
			return err
		}},
		{"resolved before detected", "before times.detected", func() error {
			_, err := inc.Update(me, patch(t, `{"times": {"resolved": "2026-12-18T16:00:00Z"}}`), nil, now)
			return err
		}},
		{"aware before it occurred", "before the incident occurred", func() error {
			_, err := inc.BecomeAware(me, "dora", at(t, "2026-12-18T14:00:00Z"), nil, now)
			return err
		}},
		{"aware before it was detected", "was detected", func() error {
			_, err := inc.BecomeAware(me, "dora", at(t, "2026-12-18T16:00:00Z"), nil, now)
			return err
		}},
		{"aware ahead", "lies ahead", func() error { _, err := inc.BecomeAware(me, "dora", later, nil, now); return err }},
		{"no such law", "--law", func() error { _, err := inc.BecomeAware(me, "x", now, nil, now); return err }},
		{"an earlier candidate without a reason", "earlier candidate", func() error {
			_, err := inc.BecomeAware(me, "dora", now, []evidence.IncidentCandidate{{At: now.Add(-time.Hour), What: "an alert", Seq: 3}}, now)
			return err
		}},
		{"sent before anybody is aware", "nobody has declared", func() error {
			_, err := inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeSent, At: now}, now)
			return err
		}},
		{"a receipt of nothing", "not recorded as sent", func() error {
			_, err := inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeReceipt, At: now, Reference: "x"}, now)
			return err
		}},
		{"a receipt without a reference", "reference or its file", func() error {
			_, err := inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeReceipt, At: now}, now)
			return err
		}},
		{"a delay without reasons", "reasons", func() error {
			_, err := inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeDelay, At: now}, now)
			return err
		}},
		{"sent ahead", "lies ahead", func() error {
			_, err := inc.Notify(me, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeSent, At: later}, now)
			return err
		}},
		{"another decision without a reason", `the procedure says "undecided"`, func() error {
			_, err := inc.Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "undecided", Decision: "major"}, now)
			return err
		}},
		{"a decision before it occurred", "before the incident occurred", func() error {
			_, err := inc.Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", At: at(t, "2026-12-01T00:00:00Z")}, now)
			return err
		}},
		{"closed before declared", "before the incident was declared", func() error {
			_, err := inc.Close(me, inc.Declared.Add(-time.Hour), false, nil, now)
			return err
		}},
		{"closed ahead", "lies ahead", func() error { _, err := inc.Close(me, later, false, nil, now); return err }},
		{"closed with stages not met", "not met", func() error { _, err := inc.Close(me, now, false, []string{"dora.final"}, now); return err }},
		{"opened, no hint", "is open", func() error { _, err := inc.Close(me, now, true, nil, now); return err }},
		{"an undeclared one, no hint", "was not declared", func() error {
			_, err := (&incident.Incident{ID: "x"}).Close(me, now, false, nil, now)
			return err
		}},
		{"a contact without a number", "telephone", func() error {
			_, err := inc.SetContact(me, "primary", evidence.Person{Names: evidence.Names{Display: "A", Mail: "a@b.example"}}, "030 1", false, now)
			return err
		}},
		{"a contact without a mail address", "mail", func() error {
			_, err := inc.SetContact(me, "dpo", evidence.Person{Names: evidence.Names{Display: "A", Mail: "a b"}}, "+49 30 5550100", false, now)
			return err
		}},
		{"a place that is none", "primary", func() error {
			_, err := inc.SetContact(me, "x", evidence.Person{}, "", false, now)
			return err
		}},
		{"records of a field that is not set", "not set", func() error {
			_, err := inc.Update(me, patch(t, `{"duration": {"minutes": 1}}`), map[string][]uint64{"times.occurred": {1}}, now)
			return err
		}},
		{"a record that is not there", "no record 99", func() error {
			_, err := inc.Update(me, patch(t, `{"duration": {"minutes": 1}}`), map[string][]uint64{"duration.minutes": {99}}, now)
			return err
		}},
		{"nothing", "no field", func() error { _, err := inc.Update(me, nil, nil, now); return err }},
		{"a reason without end", "reason of", func() error {
			_, err := inc.Update(because(strings.Repeat("x", 9<<10)), patch(t, `{"duration": {"minutes": 1}}`), nil, now)
			return err
		}},
	} {
		refused(t, tc.name, tc.act(), tc.words)
	}
	if _, err := incident.Load(t.Context(), w.log, "nope"); !problem.Is(err, problem.NotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	if got := w.load(); len(got.Acts) != 2 {
		t.Errorf("%d acts after refused ones, want 2", len(got.Acts))
	}
}

// The moments stay in order when a field is corrected after the act.
func TestDetectionStaysBeforeAwareness(t *testing.T) {
	w := begin(t, first)
	d, err := w.load().BecomeAware(me, "nis2", at(t, "2026-12-18T17:20:00Z"), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	w.add(d)
	_, err = w.load().Update(me, patch(t, `{"times": {"detected": "2026-12-18T17:21:00Z"}}`), nil, now)
	refused(t, "detected after aware", err, "times.detected: 2026-12-18T17:21:00Z is after the entity became aware for nis2")
	if _, err = w.load().Update(me, patch(t, `{"times": {"detected": "2026-12-18T17:20:00Z"}}`), nil, now); err != nil {
		t.Errorf("detected when it became aware: %v", err)
	}
}

// What was refused by order is taken in order.
func TestOrderOfReports(t *testing.T) {
	w := begin(t, first)
	w.one(w.load().BecomeAware(me, "dora", at(t, "2026-12-18T17:20:00Z"), nil, now))
	sent := func(stage, when string) (evidence.Draft, error) {
		return w.load().Notify(me, evidence.IncidentNoticeFacts{Stage: stage, Act: incident.NoticeSent, At: at(t, when)}, now)
	}
	_, err := sent("dora.initial", "2026-12-19T12:00:00Z")
	refused(t, "not classified", err, "not classified")
	w.one(w.load().Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "major", Decision: "major", At: at(t, "2026-12-19T08:40:00Z")}, now))
	_, err = sent("dora.initial", "2026-12-18T12:00:00Z")
	refused(t, "before awareness", err, "before the entity became aware")
	_, err = sent("dora.initial", "2026-12-18T18:00:00Z")
	refused(t, "before the classification", err, "before it was classified")
	_, err = sent("dora.intermediate", "2026-12-19T12:00:00Z")
	refused(t, "intermediate first", err, "comes after dora.initial")
	w.one(sent("dora.initial", "2026-12-19T12:00:00Z"))
	_, err = sent("dora.intermediate", "2026-12-19T11:00:00Z")
	refused(t, "intermediate before initial", err, "before dora.initial")
	w.one(sent("dora.intermediate", "2026-12-19T12:00:00Z")) // together
	_, err = w.load().Notify(me, evidence.IncidentNoticeFacts{Stage: "dora.initial", Act: incident.NoticeReceipt, At: at(t, "2026-12-19T11:00:00Z"), Reference: "x"}, now)
	refused(t, "a receipt before the sending", err, "before it was sent")
	_, err = w.load().BecomeAware(because("x"), "dora", at(t, "2026-12-19T12:30:00Z"), nil, now)
	refused(t, "awareness after the classification", err, "after the classification")
	_, err = w.load().BecomeAware(me, "dora", at(t, "2026-12-18T18:00:00Z"), nil, now)
	refused(t, "a later awareness than declared before", err, "earlier candidate")
	w.one(w.load().BecomeAware(because("the first was a test alarm"), "dora", at(t, "2026-12-18T18:00:00Z"), nil, now))
	inc := w.load()
	if ms := inc.Aware["dora"]; len(ms) != 2 || len(ms[1].Candidates) != 1 {
		t.Errorf("both declarations stay: %+v", ms)
	}
	_, err = inc.Update(me, patch(t, `{"times": {"occurred": "2026-12-18T18:30:00Z", "detected": "2026-12-18T18:40:00Z"}}`), nil, now)
	refused(t, "occurred after awareness", err, "after the entity became aware")
	_, err = inc.Decide(me, evidence.IncidentDecisionFacts{Law: "dora", Procedure: "not-major", Decision: "not-major"}, now)
	refused(t, "changed its mind", err, "decided \"major\" before")
}

func TestFieldsRefused(t *testing.T) {
	for text, words := range map[string]string{
		`[]`:                  "object",
		`{"x": 1}`:            `"x" is no field`,
		`{"times": {"x": 1}}`: "times.occurred",
		`{"times": 1}`:        "object of fields",
		`{"a": 1, "a": 2}`:    "twice",
		`{} {}`:               "more than one",
		`{"times": {"occurred": "2026-02-30T00:00:00Z"}}`:                              "no time that exists",
		`{"times": {"occurred": "2026-12-18 18:20"}}`:                                  "no time zone",
		`{"times": {"occurred": 5}}`:                                                   "does not fit",
		`{"duration": {"minutes": 1.5}}`:                                               "whole number",
		`{"business": {"critical_services": "yes"}}`:                                   "want true or false",
		`{"nature": {"types": "other"}}`:                                               "a list",
		`{"narrative": {"summary": "a\u0000b"}}`:                                       "NUL",
		`{"systems": {"refs": ["nonsense"]}}`:                                          "systems.refs",
		`{"business": {"clients": {"number": 9223372036854775808}}}`:                   "whole number",
		`{"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}`:             "deep",
		`{"narrative": {"summary": "` + strings.Repeat("x", incident.MaxPatch) + `"}}`: "at most",
	} {
		if _, err := incident.ParsePatch([]byte(text)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.80s: got %v, want %q", text, err, words)
		}
	}
	inc := begin(t, `{}`+"\n").load()
	for text, words := range map[string]string{
		`{"nature": {"types": ["\u202eother"]}}`:                "not in list G",
		`{"reporter": {"types": ["bank"]}}`:                     "list A",
		`{"reporter": {"lei": "529900"}}`:                       "LEI",
		`{"reporter": {"affected": [{"lei": "x"}]}}`:            "affected[0].lei",
		`{"reporter": {"affected": [{"types": ["x"]}]}}`:        "list A",
		`{"reporter": {"state": "EL"}}`:                         "GR",
		`{"reporter": {"zone": "Local"}}`:                       "IANA",
		`{"reporter": {"currency": "euro"}}`:                    "ISO 4217",
		`{"identity": {"language": "german"}}`:                  "ISO 639-1",
		`{"product": {"cves": ["CVE-1"]}}`:                      "CVE",
		`{"business": {"clients": {"share": 100.1}}}`:           "percentage",
		`{"business": {"clients": {"number": -1}}}`:             "out of range",
		`{"money": {"by_type": {"redress": -1}}}`:               "out of range",
		`{"response": {"authorities_told": ["none", "csirt"]}}`: "none excludes",
		`{"causes": {"detailed": ["human_error_mistake"]}}`:     "not in causes.high",
		`{"causes": {"additional": ["logging"]}}`:               "none of causes.detailed",
		`{"times": {"occurred": "1960-01-01T00:00:00Z"}}`:       "out of range",
		`{"times": {"occurred": "0001-01-01T00:00:00Z"}}`:       "times.occurred", // it would read as not known
		`{"product": {"versions": ["1", "a\u0000b"]}}`:          "product.versions: text with a NUL",
		`{"reporter": {"affected": [{"name": "a\u0000b"}]}}`:    "reporter.affected: text with a NUL",
		`{"money": {"by_type": {"a\u0000b": 1}}}`:               "money.by_type: text with a NUL",
		`{"nature": {"types": ["other", "other"]}}`:             "stands there twice",
	} {
		if _, err := inc.Update(me, patch(t, text), nil, now); !problem.Is(err, problem.Usage) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v, want %q", text, err, words)
		}
	}
	for _, text := range []string{
		`{"causes": {"high": ["process_failure"], "detailed": ["process_failure_insufficient_monitoring_or_failure_of_monitoring_and_control"], "additional": ["logging"]}}`,
		`{"business": {"transactions": {"share": 230.5}}}`,
		`{"narrative": {"summary": "=1+1 \u202e <script> (Tj) \u4e8b\u4ef6"}}`,
	} {
		if _, err := inc.Update(me, patch(t, text), nil, now); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Every field goes through a record unchanged, and free text goes into the
// text claim alone.
func TestEveryFieldIsKept(t *testing.T) {
	paths, text := incident.Paths()
	if len(paths) < 120 || len(text) < 25 {
		t.Fatalf("%d fields, %d of text", len(paths), len(text))
	}
	full := Full(t)
	w := begin(t, full)
	inc := w.load()
	for _, p := range paths {
		if !inc.Fields.Has(p) {
			t.Errorf("%s is lost, or the full incident lacks it", p)
		}
		if inc.Set[p] == 0 {
			t.Errorf("no record set %s", p)
		}
	}
	var want, got any
	b, _, err := inc.Copy()
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	if err == nil {
		err = json.Unmarshal([]byte(full), &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(want)
	y, _ := json.Marshal(got)
	if string(x) != string(y) {
		t.Errorf("changed:\n got %s\nwant %s", y, x)
	}
	for rec := range w.log.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.IncidentUpdated}, WithText: true}) {
		if strings.Contains(string(rec.Facts), "written by") || !strings.Contains(string(rec.Text), "written by") {
			t.Errorf("free text in the content of record %d", rec.Seq)
		}
	}
	inputs, err := inc.Inputs()
	if err != nil || strings.Contains(string(inputs), "written by") {
		t.Errorf("free text among the inputs of a decision: %v", err)
	}
	handed, err := inc.Handed()
	if err != nil || handed["reporter"] != nil || handed["identity"] != nil || handed["times"] == nil {
		t.Errorf("what a part begins with: %v %v", handed, err)
	}
}

// A text that cannot be opened loses its own fields and nothing else.
func TestErasedText(t *testing.T) {
	w := begin(t, first)
	w.do(w.load().Update(me, patch(t, `{"narrative": {"cause": "words"}, "duration": {"minutes": 5}}`), nil, now))
	r := closing{w.log}
	inc, err := incident.Load(t.Context(), r, w.id)
	if err != nil {
		t.Fatal(err)
	}
	if inc.Fields.Narrative.Cause != "" || inc.Lost["narrative.cause"] != "erased" || *inc.Fields.Duration.Minutes != 5 {
		t.Errorf("lost %v, fields %+v", inc.Lost, inc.Fields)
	}
	w.do(w.load().Update(me, patch(t, `{"narrative": {"summary": "told anew"}}`), nil, now))
	if inc = w.load(); len(inc.Lost) != 0 || inc.Fields.Narrative.Summary != "told anew" {
		t.Errorf("told anew: %v", inc.Lost)
	}
}

// closing is a log whose texts are gone.
type closing struct{ *evidencetest.Log }

func TestMentions(t *testing.T) {
	for text, want := range map[string]string{
		`it hit Tenant-8, and tenant-70`:     "tenant-8 tenant-70",
		`first\ntenant-8`:                    "tenant-8", // what JSON writes before it is a letter
		`a\ttenant-8\u0000`:                  "tenant-8",
		`<tenant-8>`:                         "tenant-8",
		`&tenant-8&`:                         "tenant-8",
		`tenant\u20118 ten\u200bant-9`:       "tenant-8 tenant-9", // another hyphen, and a space that is not seen
		`https://tenant-8.example`:           "tenant-8",
		`tenant-8-web is called after it`:    "tenant-8",
		`my-tenant-8`:                        "tenant-8",
		`tenant-80 xtenant-8 \u00e9tenant-8`: "",
		`TENANT-8`:                           "tenant-8",
		`\u202etenant-8`:                     "tenant-8",
		`nothing`:                            "",
		`tenant-`:                            "",
	} {
		p := incident.Patch{}
		if err := json.Unmarshal([]byte(`{"narrative": {"summary": "`+text+`"}}`), &p); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, word := range []string{"tenant-8", "tenant-70", "tenant-9", "tenant-7", "nant-8"} {
			if p.Mentions(word) {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != strings.Join(slices.Sorted(slices.Values(strings.Fields(want))), " ") {
			t.Errorf("%s: names %q, want %q", text, g, want)
		}
	}
	for _, text := range []string{
		`{"systems": {"refs": ["app:prod/tenant-9/web"]}}`, `{"systems": {"refs": ["app:prod/argocd/tenant-9-web"]}}`,
		`{"money": {"by_type": {"paid to tenant-9": 1}}}`, `{"product": {"versions": ["1", "tenant-9"]}}`,
	} {
		if p := patch(t, text); !p.Mentions("tenant-9") || p.Mentions("tenant-8") {
			t.Errorf("%s: names tenant-9 %t, tenant-8 %t", text, p.Mentions("tenant-9"), p.Mentions("tenant-8"))
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(first))
	f.Add([]byte(`{"narrative": {"summary": "\u202e=cmd|"}, "money": {"by_type": {"\u0000": 1}}}`))
	f.Add([]byte(`{"reporter": null, "times": {"occurred": "2026-12-18T15:00:00+01:00"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := incident.ParsePatch(data)
		if err != nil || len(p.Paths()) == 0 {
			return
		}
		inc := &incident.Incident{ID: "x", Declared: now, Lost: map[string]string{}}
		ds, err := inc.Update(me, p, nil, now)
		if err != nil {
			return
		}
		l := evidencetest.NewLog(evidence.Platform)
		d, err := incident.Declare("x", me, evidence.IncidentDeclaredFacts{}, nil, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append(d, ds...) {
			l.AddDraft(d)
		}
		back, err := incident.Load(t.Context(), l, "x")
		if err != nil {
			t.Fatalf("%s: written, not read: %v", data, err)
		}
		if _, err := back.Inputs(); err != nil {
			t.Fatal(err)
		}
	})
}
