package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
	"evidenced/reports/gaps"
	"evidenced/reports/pack"
	"evidenced/reports/today"
	"evidenced/store"
)

// plan sets a remedy for the change that nobody approved, due in two days.
func (o *office) plan(name string, with func(p *api.RemedyParams)) {
	o.t.Helper()
	p := api.RemedyParams{Common: api.Common{Tenant: "tenant-1"}, Act: "set", Name: name, RemedyFields: api.RemedyFields{
		Tests: []string{"chg-approved"}, Owner: "github:prod|1", Cause: "process-not-followed", Remedy: "the guard binds administrators", Ticket: "OPS-77", Due: "2026-11-03",
	}}
	if with != nil {
		with(&p)
	}
	if _, err := operation(o.t, o.e, "remedy", p); err != nil {
		o.t.Fatal(problem.Text("set", err))
	}
}

func (o *office) told(name string) remedy.Told {
	o.t.Helper()
	s, err := operation(o.t, o.e, "remedy", api.RemedyParams{Common: api.Common{Tenant: "tenant-1", JSON: true}, Act: "show", Name: name})
	var l api.RemedyList
	if err == nil {
		err = json.Unmarshal([]byte(s), &l)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return l.Remedies[0]
}

// A remedy on the real store: over a restart, past its day, said to be done,
// and closed by what the source shows. Somebody is warned before its day and
// when it is over.
func TestRemedyOverARestart(t *testing.T) {
	const hook = "alerts: {hold: 0s, release: 0s, to: [{name: hook, type: webhook, url: 'http://127.0.0.1:9', secret_file: hook.secret}]}\n"
	o := newOffice(t, hook)
	open := func() {
		t.Helper()
		var err error
		if o.e.alerts, err = o.e.openAlerts(); err != nil {
			t.Fatal(err)
		}
	}
	open()
	fires := func() string {
		t.Helper()
		judgeNow(t, o.e)
		o.e.alerts.dated = time.Time{}
		o.e.alerts.bring(t.Context(), o.e, o.e.Now())
		for _, a := range o.e.alerts.board.Alerts() {
			if a.Cause.Name == alert.RemedyDue && a.State == alert.Firing {
				for _, name := range []string{"zuzanna", "guard", "OPS", "github"} {
					if strings.Contains(a.Says+a.Cause.Key, name) {
						t.Errorf("an alert names %q: %s", name, a.Says)
					}
				}
				return string(a.Severity)
			}
		}
		return ""
	}
	o.plan("guard-admins", nil)
	if got := fires(); got != "" {
		t.Errorf("told %s before it is time", got)
	}
	if x := o.told("guard-admins"); x.State != remedy.Open || x.Failing != 1 || x.Owner != "zuzanna" || x.Overdue {
		t.Errorf("planned: %+v", x)
	}
	if err := o.e.Close(); err != nil {
		t.Fatal(err)
	}
	o.e, o.src = mustEngine(t, o.dir, o.clock, "tenant-1 tenant-2", signersConfig+hook, nil)
	o.src.sees = []string{"acme/1"}
	open()
	o.clock.t = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	o.collect()
	if got := fires(); got != string(alert.Info) {
		t.Errorf("on its day: %q", got)
	}
	o.clock.t = time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC)
	o.collect()
	if got := fires(); got != string(alert.Warning) {
		t.Errorf("after its day: %q", got)
	}
	if _, err := operation(t, o.e, "remedy", api.RemedyParams{Common: api.Common{Tenant: "tenant-1"}, Act: "done", Name: "guard-admins", RemedyFields: api.RemedyFields{Reason: "switched on"}}); err != nil {
		t.Fatal(err)
	}
	if x := o.told("guard-admins"); x.State != remedy.SaidDone || !x.Overdue || x.Days != 2 || x.Remedy != "the guard binds administrators" || len(x.Past) != 2 {
		t.Errorf("said done: %+v", x)
	}
	if got := fires(); got != string(alert.Warning) {
		t.Errorf("that somebody says so heals nothing: %q", got)
	}
	o.checkOverdue()
	// The source shows an approval, so the findings no longer name it.
	o.collect(mergeDraft("acme/1", 2, begin.Add(time.Minute), true))
	if got := fires(); got != "" {
		t.Errorf("after it healed: %q", got)
	}
	x := o.told("guard-admins")
	if s := standing(t, o.e, "tenant-1", "chg-approved"); s.Status != evidence.Satisfied || x.State != remedy.Closed || x.Outcome != remedy.Healed || x.Days != 2 {
		t.Errorf("%s, remedy %+v", s.Status, x)
	}
	rep, err := o.e.Verify(t.Context(), mustTenant(t, "tenant-1"), api.VerifyRequest{Deep: true, Progress: quiet})
	if err != nil || !rep.OK() {
		t.Errorf("verify: %+v %v", rep, err)
	}
}

// checkOverdue asks gaps and today, and the other tenant.
func (o *office) checkOverdue() {
	o.t.Helper()
	x := o.gaps()
	if x.Owed.Overdue != 1 || x.Owed.Plans != 1 || x.Owed.Without >= x.Owed.Failed {
		o.t.Errorf("gaps: %+v", x.Owed)
	}
	i := slices.IndexFunc(x.Needs, func(g gaps.Gap) bool { return g.Control == "dora-art-9-4-e" })
	if i < 0 {
		o.t.Fatal("the control needs nobody although it fails")
	}
	for _, f := range x.Needs[i].Findings {
		if f.Test == "chg-approved" && (f.Status != evidence.NotSatisfied || len(f.Remedies.Plans) != 1 || f.Remedies.Plans[0].Owner != "zuzanna") {
			o.t.Errorf("%s: %+v", f.Status, f.Remedies)
		}
	}
	s, err := operation(o.t, o.e, "today", api.TodayParams{Common: api.Common{Tenant: "tenant-1", JSON: true}})
	var day today.Report
	if err == nil {
		err = json.Unmarshal([]byte(s), &day)
	}
	if err != nil || len(day.Due) != 1 || day.Due[0].What != "remedy" || !day.Due[0].Over || !slices.Contains(day.Due[0].Names, "dora-art-9-4-e") {
		o.t.Errorf("due: %+v %v", day.Due, err)
	}
	for _, q := range []struct {
		op     string
		params any
	}{{"today", api.TodayParams{Common: api.Common{Tenant: "tenant-2", JSON: true}}}, {"gaps", api.GapsParams{Common: api.Common{Tenant: "tenant-2", JSON: true}}},
		{"remedy", api.RemedyParams{Common: api.Common{Tenant: "tenant-2", JSON: true}, Act: "list", All: true}}} {
		if s, err := operation(o.t, o.e, q.op, q.params); err != nil || strings.Contains(s, "guard-admins") {
			o.t.Errorf("%s of another tenant: %v %s", q.op, err, s)
		}
	}
}

// Erasing the owner takes name and words of a remedy and leaves what it is for,
// its cause and its day.
func TestOwnerIsErased(t *testing.T) {
	o := newOffice(t, "")
	o.plan("guard-admins", func(p *api.RemedyParams) {
		p.Owner, p.Maker, p.Detail = "github:prod|4711", "github:prod|4712", "an administrator was in a hurry"
	})
	r, err := o.e.Reader(t.Context(), mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.RemedyPlan}}) {
		if err != nil || strings.Contains(string(rec.Facts)+rec.Subject.String(), "471") || len(rec.People) != 2 {
			t.Errorf("%v: %s", err, rec.Facts)
		}
	}
	res, err := o.e.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: "github:prod", NativeID: "4711"}, Authority: "file 9", By: "1000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range res.Logs {
		if len(l.Still) > 0 || l.More > 0 {
			t.Errorf("claims still name the owner: %+v", l.Still)
		}
	}
	x := o.told("guard-admins")
	if !strings.HasPrefix(x.Owner, "erased person") || x.Remedy != "" || x.Detail != "" || x.Ticket != "" || x.Lost != "its words cannot be read: erased" ||
		x.State != remedy.Open || x.Due != "2026-11-03" || x.Cause != "process-not-followed" || x.Failing != 1 {
		t.Errorf("after: %+v", x)
	}
	for _, act := range []string{"done", "set"} {
		_, err := operation(t, o.e, "remedy", api.RemedyParams{Common: api.Common{Tenant: "tenant-1"}, Act: act, Name: "guard-admins"})
		if !problem.Is(err, problem.Refused) {
			t.Errorf("%s without an owner: %v", act, err)
		}
	}
	o.plan("guard-admins", func(p *api.RemedyParams) { p.Owner, p.Team, p.Tests = "", "platform team", nil })
	if x := o.told("guard-admins"); x.Owner != "platform team" || x.Lost != "" || len(x.Past) != 2 {
		t.Errorf("said anew: %+v", x)
	}
}

// A pack tells what is planned for what failed, its verifier makes that out
// again from the records, and what was tampered with is refused. A plan may be
// older than the range.
func TestPackTellsRemedies(t *testing.T) {
	o := newOffice(t, "")
	o.plan("guard-admins", nil)
	o.plan("see-drift", func(p *api.RemedyParams) { p.Tests, p.Due = []string{"chg-drift"}, "2026-11-30" }) // a gap
	for range 7 {                                                                                           // past the day of the first
		if err := o.e.Checkpoints(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.clock.t = o.clock.t.Add(9 * time.Hour)
		o.collect()
	}
	ask := func(from, to time.Duration) api.PackRequest {
		return api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin.Add(from), To: begin.Add(to)}, Raw: "none", Progress: quiet}
	}
	for _, tc := range []struct {
		name   string
		q      api.PackRequest
		with   func(q *api.PackRequest)
		forge  func(f *pack.Finding)
		want   string // of the error
		copies int    // overdue plans
	}{
		{"in the range", ask(0, 30*time.Hour), nil, nil, "", 1},
		{"before the plan was made", ask(0, 2*time.Hour-time.Minute), nil, nil, "", 1},
		{"pseudonymous", ask(0, 30*time.Hour), func(q *api.PackRequest) { q.Pseudonymous = true }, nil, "", 1},
		{"left away", ask(0, 30*time.Hour), nil, func(f *pack.Finding) { f.Remedies = nil }, "names 0 remedies, its records give 1", 0},
		{"a later day", ask(0, 30*time.Hour), nil, func(f *pack.Finding) { f.Remedies[0].Late = f.Remedies[0].Late.AddDate(1, 0, 0) }, "is not what it says", 0},
		{"called closed", ask(0, 30*time.Hour), nil, func(f *pack.Finding) { f.Remedies[0].Closed = begin.Add(time.Hour) }, "is called closed", 0},
	} {
		if tc.with != nil {
			tc.with(&tc.q)
		}
		b, err := o.e.newPackBuild(t.Context(), tc.q)
		if err != nil {
			t.Fatal(err)
		}
		planned := 0
		for i := range b.in.Findings {
			f := &b.in.Findings[i]
			if len(f.Remedies) == 0 || f.Test == "chg-drift" {
				continue
			}
			planned++
			if f.Test != "chg-approved" || f.Status != evidence.NotSatisfied || f.Remedies[0].Due != "2026-11-03" {
				t.Errorf("%s: %s of %s: %+v", tc.name, f.Status, f.Test, f.Remedies)
			}
			if tc.forge != nil {
				f.Remedies = slices.Clone(f.Remedies)
				tc.forge(f)
			}
		}
		if planned == 0 {
			t.Errorf("%s: no finding has a remedy", tc.name)
		}
		zip, err := zipOf(t, b)
		if err != nil {
			t.Fatal(err)
		}
		sameVerdict(t, zip)
		rep, err := verifyBytes(zip, "")
		if tc.want != "" {
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if c := rep.Remedies; c == nil || len(c.Overdue) != tc.copies || c.Without >= c.Failed {
			t.Errorf("%s: %+v", tc.name, rep.Remedies)
		}
	}
	o.checkOldPlan(ask(50*time.Hour, 60*time.Hour))
}

// checkOldPlan makes a pack whose range begins after the plan for a gap.
func (o *office) checkOldPlan(q api.PackRequest) {
	o.t.Helper()
	b, err := o.e.newPackBuild(o.t.Context(), q)
	if err != nil {
		o.t.Fatal(err)
	}
	zip, err := zipOf(o.t, b)
	if err != nil {
		o.t.Fatal(err)
	}
	sameVerdict(o.t, zip)
	rep, err := verifyBytes(zip, "")
	if err != nil {
		o.t.Fatal(err)
	}
	if seq := o.told("see-drift").Seq; seq >= rep.First || rep.Remedies == nil || !slices.Equal(rep.Remedies.Plans, []uint64{seq}) {
		o.t.Errorf("the plan of record %d, the range begins at %d: %+v", seq, rep.First, rep.Remedies)
	}
}
