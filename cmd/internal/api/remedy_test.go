package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
)

func (c *counter) remedy(p api.RemedyParams) (string, error) {
	c.t.Helper()
	if p.Tenant == "" {
		p.Tenant = "tenant-7"
	}
	return desk{c.t, c.w}.op("remedy", p)
}

// plan is a plan for the request that nobody approved.
func plan(name string, with func(p *api.RemedyParams)) api.RemedyParams {
	p := api.RemedyParams{Act: "set", Name: name, RemedyFields: api.RemedyFields{
		Controls: []string{"dora-art-9-4-e"}, Owner: "github:prod|4", Cause: "process-not-followed", Remedy: "the guard binds administrators too", Due: "2026-11-20",
	}}
	if with != nil {
		with(&p)
	}
	return p
}

// The whole life of remedies, as a person sees it at 80 columns.
func TestRemedyStory(t *testing.T) {
	c := newCounter(t)
	var story strings.Builder
	tell := func(head string, s string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %s", head, problem.Text("x", err))
		}
		fmt.Fprintf(&story, "== %s\n%s\n", head, s)
		for l := range strings.SplitSeq(s, "\n") {
			if n := len([]rune(l)); n > 80 {
				t.Errorf("%s: a line of %d: %s", head, n, l)
			}
		}
	}
	do := func(p api.RemedyParams) {
		t.Helper()
		p.Width = 80
		s, err := c.remedy(p)
		tell(p.Act+" "+p.Name, s, err)
	}
	do(plan("guard-admins", func(p *api.RemedyParams) {
		p.Records, p.Maker, p.Ticket, p.Detail = []uint64{c.fail}, "github:prod|1", "OPS-77", "an administrator was in a hurry"
	}))
	do(api.RemedyParams{Act: "set", Name: "guard-admins", RemedyFields: api.RemedyFields{Due: "2026-12-15", Reason: "the forge has to be updated first"}})
	do(api.RemedyParams{Act: "done", Name: "guard-admins", RemedyFields: api.RemedyFields{Reason: "switched on"}})
	do(api.RemedyParams{Act: "list"})
	do(api.RemedyParams{Act: "show", Name: "guard-admins"})
	wide := func(q api.Common) api.Common { q.Width = 80; return q }
	for _, ask := range []struct {
		op     string
		params any
	}{
		{"gaps", api.GapsParams{Common: wide(common("tenant-7", false))}},
		{"assess", api.AssessParams{Common: wide(common("tenant-7", false)), Span: api.Span{Last: "4d"}, Controls: []string{"dora-art-9-4-e"}}},
	} {
		s, err := desk{t, c.w}.op(ask.op, ask.params)
		tell(ask.op, s, err)
	}
	do(api.RemedyParams{Act: "end", Name: "guard-admins", RemedyFields: api.RemedyFields{Reason: "the repository is given up"}})
	do(plan("once-more", func(p *api.RemedyParams) { p.Owner, p.Team, p.Tests = "", "platform team", []string{"chg-approved"} }))
	s, err := desk{t, c.w}.op("today", api.TodayParams{Common: wide(common("tenant-7", false))})
	tell("today", s, err)
	do(api.RemedyParams{Act: "list", All: true})
	// The catalog's hash changes with each word of it.
	evidencetest.Golden(t, "remedies.txt", regexp.MustCompile(`catalog [0-9a-f]{12}`).ReplaceAll([]byte(story.String()), []byte("catalog (hash)")))
}

// The same as JSON, both ways, and beside the findings.
func TestRemediesAsJSON(t *testing.T) {
	c := newCounter(t)
	s, err := c.remedy(plan("guard-admins", func(p *api.RemedyParams) { p.JSON = true }))
	var said api.RemedySaid
	if err == nil {
		err = json.Unmarshal([]byte(s), &said)
	}
	if err != nil || said.Record == 0 || said.Remedy.Seq != said.Record || said.Remedy.State != remedy.Open || said.Remedy.Owner != "dave" || !said.Remedy.Person {
		t.Errorf("%v: %+v", err, said)
	}
	got, err := both(t, c.w, "remedy", api.RemedyParams{Common: common("", true), Act: "list"})
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "remedies.json", got.Bytes())
	doc, err := desk{t, c.w}.op("assess", api.AssessParams{Common: common("tenant-7", true), Span: api.Span{Last: "4d"}, Controls: []string{"dora-art-9-4-e"}})
	var a api.Assessment
	if err == nil {
		err = json.Unmarshal([]byte(doc), &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	x := a.Controls[0].Remedies["chg-approved"]
	if a.Controls[0].Status != evidence.NotSatisfied || x == nil || len(x.Plans) != 1 || x.Plans[0].Records[0] != c.fail || x.Without != 0 {
		t.Errorf("%s %+v", a.Controls[0].Status, x)
	}
}

// The day that was typed is over when it is over where it was typed.
func TestDueInAZone(t *testing.T) {
	for zone, want := range map[string]string{"Europe/Berlin": "2026-11-20T23:00:00Z", "America/New_York": "2026-11-21T05:00:00Z", "UTC": "2026-11-21T00:00:00Z"} {
		c := newCounter(t)
		if _, err := c.remedy(plan("w", func(p *api.RemedyParams) { p.Zone = zone })); err != nil {
			t.Fatal(err)
		}
		l := c.w.Logs[mustParse(t, "tenant-7")]
		rec, err := l.Record(t.Context(), l.Size()-1)
		var f evidence.RemedyFacts
		if err == nil {
			err = rec.Decode(&f)
		}
		if err != nil || f.Due != "2026-11-20" || f.Late.Format(time.RFC3339) != want {
			t.Errorf("%s: %v %s %s, want %s", zone, err, f.Due, f.Late, want)
		}
	}
}

// What cannot be planned leaves nothing in the log and names the field.
func TestRemediesThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		name string
		with func(p *api.RemedyParams)
		code problem.Code
		want string
	}{
		{"an impossible date", func(p *api.RemedyParams) { p.Due = "2026-11-31" }, problem.Usage, "--due"},
		{"a day that is over", func(p *api.RemedyParams) { p.Due = "yesterday" }, problem.Usage, "due: 2026-11-13 is over"},
		{"an owner without a realm", func(p *api.RemedyParams) { p.Owner = "alice" }, problem.Usage, "--owner is no person"},
		{"a maker without an id", func(p *api.RemedyParams) { p.Maker = "github:prod|" }, problem.Usage, "--maker is no person"},
		{"an unknown control", func(p *api.RemedyParams) { p.Controls = []string{"dora-art-999"} }, problem.NotFound, "no control"},
		{"an unknown test", func(p *api.RemedyParams) { p.Controls, p.Tests = nil, []string{"chg-nice"} }, problem.NotFound, "there is no test"},
		{"a test of another control", func(p *api.RemedyParams) { p.Tests = []string{"cert-valid"} }, problem.NotFound, "there is no test"},
		{"a control that no test is about", func(p *api.RemedyParams) { p.Controls = []string{"gdpr-art-30-1-g"} }, problem.Refused, "no test is about it"},
		{"a record that did not fail", func(p *api.RemedyParams) { p.Records = []uint64{2} }, problem.Refused, "record 2 is no item"},
		{"another tenant, which has no such failure", func(p *api.RemedyParams) { p.Tenant = "tenant-8" }, problem.NotFound, "no finding"},
		{"nobody's tenant", func(p *api.RemedyParams) { p.Tenant = "_unassigned" }, problem.NotFound, "no finding"},
		{"no tenant that there is", func(p *api.RemedyParams) { p.Tenant = "tenant-99" }, problem.NotFound, "tenant-99"},
		{"done without a plan", func(p *api.RemedyParams) { p.Act = "done" }, problem.NotFound, "there is no remedy"},
		{"end without a plan", func(p *api.RemedyParams) { p.Act = "end" }, problem.NotFound, "there is no remedy"},
		{"show without a plan", func(p *api.RemedyParams) { p.Act = "show" }, problem.NotFound, "there is no remedy"},
		{"no such act", func(p *api.RemedyParams) { p.Act = "fix" }, problem.Usage, "use set, done, end"},
	} {
		c := newCounter(t)
		size := c.w.Logs[mustParse(t, "tenant-7")].Size()
		if s, err := c.remedy(plan("w", tc.with)); !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) || s != "" {
			t.Errorf("%s: %q %v, want %s %q", tc.name, s, err, tc.code, tc.want)
		}
		if got := c.w.Logs[mustParse(t, "tenant-7")].Size(); got != size {
			t.Errorf("%s: %d records came of it", tc.name, got-size)
		}
	}
}

// A plan of one tenant is none of another's, by whatever is asked.
func TestRemediesOfOneTenant(t *testing.T) {
	c := newCounter(t)
	if _, err := c.remedy(plan("guard-admins", nil)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		op     string
		params any
	}{
		{"remedy", api.RemedyParams{Common: common("tenant-8", true), Act: "list", All: true}}, {"gaps", api.GapsParams{Common: common("tenant-8", true)}},
		{"today", api.TodayParams{Common: common("tenant-8", true)}}, {"records", api.RecordsParams{Common: common("tenant-8", true)}},
	} {
		s, err := desk{t, c.w}.op(p.op, p.params)
		if err != nil || strings.Contains(s, "guard-admins") {
			t.Errorf("%s: %v %s", p.op, err, s)
		}
	}
	if _, err := c.remedy(api.RemedyParams{Common: common("tenant-8", false), Act: "show", Name: "guard-admins"}); !problem.Is(err, problem.NotFound) {
		t.Errorf("show: %v", err)
	}
}

// Words of people reach a terminal, and a document, as words.
func TestHostileRemedies(t *testing.T) {
	c := newCounter(t)
	hostile := "=HYPERLINK(\"http://x\") <script>alert(1)</script> (x) Tj ET \x1b[2J\u202e\u0007 שלום 契約"
	if _, err := c.remedy(plan("w", func(p *api.RemedyParams) {
		p.Owner, p.Team, p.Remedy, p.Detail, p.Ticket, p.Reason = "", hostile, hostile+"\nline two", hostile, hostile, hostile
	})); err != nil {
		t.Fatal(problem.Text("x", err))
	}
	s, err := c.remedy(api.RemedyParams{Common: common("tenant-7", true), Act: "show", Name: "w"})
	var l api.RemedyList
	if err == nil {
		err = json.Unmarshal([]byte(s), &l)
	}
	if err != nil || l.Remedies[0].Remedy != hostile+"\nline two" || l.Remedies[0].Owner != hostile || l.Remedies[0].Ticket != hostile {
		t.Errorf("%v: %+v", err, l.Remedies)
	}
	for _, ask := range []struct {
		op     string
		params any
	}{
		{"remedy", api.RemedyParams{Common: common("tenant-7", false), Act: "show", Name: "w"}}, {"remedy", api.RemedyParams{Common: common("tenant-7", false), Act: "list"}},
		{"remedy", api.RemedyParams{Common: common("tenant-7", true), Act: "list"}},
		{"gaps", api.GapsParams{Common: common("tenant-7", false)}}, {"gaps", api.GapsParams{Common: common("tenant-7", true)}},
		{"today", api.TodayParams{Common: common("tenant-7", false)}},
		{"assess", api.AssessParams{Common: common("tenant-7", false), Span: api.Span{Last: "4d"}, Controls: []string{"dora-art-9-4-e"}}},
		{"timeline", api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{Last: "4d"}}},
		{"timeline", api.TimelineParams{Common: common("tenant-7", false), Span: api.Span{Last: "4d"}, CSV: true}},
	} {
		s, err := desk{t, c.w}.op(ask.op, ask.params)
		if err != nil || strings.ContainsAny(s, "\x1b\u202e\u0007") {
			t.Errorf("%s: %v: a control character went through:\n%q", ask.op, err, s)
		}
	}
	if _, err := c.remedy(plan("big", func(p *api.RemedyParams) { p.Remedy = strings.Repeat("x", 4097) })); !problem.Is(err, problem.Usage) {
		t.Errorf("4097 bytes: %v", err)
	}
}

// Fields of a file stand below those of the command line.
func TestRemedyFieldsOver(t *testing.T) {
	file := api.RemedyFields{Controls: []string{"a"}, Tests: []string{"b"}, Records: []uint64{1}, Owner: "o", Cause: "c", Remedy: "r", Due: "d"}
	got := file.Over(api.RemedyFields{Tests: []string{"x"}, Cause: "y", Ticket: "z"})
	if got.Controls[0] != "a" || got.Tests[0] != "x" || got.Records[0] != 1 || got.Owner != "o" || got.Cause != "y" || got.Ticket != "z" || got.Due != "d" {
		t.Errorf("%+v", got)
	}
}
