package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
)

// desk is a world that incidents are acted on in.
type desk struct {
	t *testing.T
	w *apitest.World
}

func (d desk) ask(p api.IncidentParams) (string, error) {
	d.t.Helper()
	var got collected
	open := func(context.Context) (api.World, func() error, error) { return d.w, func() error { return nil }, nil }
	err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(d.t.Context(), "incident", p, got.out())
	return got.String(), err
}

func (d desk) must(p api.IncidentParams) string {
	d.t.Helper()
	s, err := d.ask(p)
	if err != nil {
		d.t.Fatalf("%s: %s", p.Act, problem.Text("x", err))
	}
	return s
}

func in(tenant, act string) api.IncidentParams {
	return api.IncidentParams{Common: api.Common{Tenant: tenant, Zone: "Europe/Berlin"}, Act: act}
}

// declared declares an incident and returns its id and those of its parts.
func (d desk) declared(p api.IncidentParams) (string, []api.Acted) {
	d.t.Helper()
	p.JSON = true
	var a api.Acted
	if err := json.Unmarshal([]byte(d.must(p)), &a); err != nil {
		d.t.Fatal(err)
	}
	return a.ID, a.Parts
}

// least asks for a declaration that says as little as one may.
func least(tenant string) api.IncidentParams {
	p := in(tenant, "declare")
	p.What, p.Detected, p.Roles = "pages are slow", "2026-11-14 11:00", []string{"ict-provider"}
	return p
}

const friday = `{
	"identity": {"reference": "INC-1", "kind": "incident"},
	"reporter": {"name": "Made-up Insurance", "roles": ["financial-entity", "controller"], "state": "DE", "types": ["insurance_and_reinsurance_undertaking"], "group": false},
	"times": {"occurred": "2026-11-13T12:00:00+01:00", "detected": "2026-11-13T12:20:00+01:00"},
	"narrative": {"summary": "pages fail \u001b[31m\u202e since noon"},
	"business": {"critical_services": true, "malicious_access": false},
	"duration": {"downtime_minutes": 130, "downtime_critical": true},
	"place": {"states": ["DE", "FR"]},
	"systems": {"refs": ["app:prod/argocd/web"]}}`

// uid is who runs the test.
var uid = regexp.MustCompile(`uid \d+ *`)

// An incident from declaration to close, as a person sees it.
func TestIncidentStory(t *testing.T) {
	w := apitest.New()
	l := w.Logs[mustParse(t, "tenant-7")]
	carol := evidence.Person{Role: evidence.RoleInitiator, Realm: "argocd:prod", NativeID: "9", Names: evidence.Names{Login: "carol"}, Proof: evidence.ProofAuthenticated}
	for i, health := range []string{"Healthy", "Degraded", "Healthy"} {
		at := time.Date(2026, 11, 13, 10, 55+5*i, 0, 0, time.UTC)
		l.Add(evidence.DeployState, evidence.OpSet, at, evidence.DeployFacts{App: "argocd/web", UID: "u1", Health: health, HistoryID: -1})
	}
	sync := evidencetest.DraftFor(evidence.DeploySync, evidence.OpEvent, time.Date(2026, 11, 13, 11, 30, 0, 0, time.UTC),
		evidence.SyncFacts{App: "argocd/web", UID: "u1", HistoryID: -1, Phase: "Succeeded"}, carol)
	sync.Links = append(sync.Links, evidence.NewRef("app", "prod", "argocd/web"))
	l.AddDraft(sync)
	read := evidencetest.DraftFor(evidence.SecretAccess, evidence.OpEvent, time.Date(2026, 11, 13, 11, 40, 0, 0, time.UTC), evidence.AccessFacts{RequestID: "r1", Operation: "read", Path: "kv/data/tenant-7/web/db", Outcome: "ok", Reading: true, Who: -1})
	read.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", "tenant-8")}
	l.AddDraft(read)

	d := desk{t, w}
	p := in("tenant-7", "declare")
	p.Fields, p.Reason = json.RawMessage(friday), "alarm"
	id, _ := d.declared(p)
	var golden bytes.Buffer
	step := func(name string, p api.IncidentParams) {
		t.Helper()
		if p.Act != "list" {
			p.ID = id
		}
		s, err := d.ask(p)
		if err != nil {
			s = problem.Text("evidenced", err)
		}
		fmt.Fprintf(&golden, "-- %s --\n%s", name, uid.ReplaceAllString(strings.ReplaceAll(s, id, "incidentincident"), "uid N "))
		if strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("%s: hostile text reached the terminal: %q", name, s)
		}
	}
	step("clock before anything is declared", in("tenant-7", "clock"))
	p = in("tenant-7", "clock")
	p.Law, p.Aware = "dora", "2026-11-13 15:00"
	step("aware, without saying why not earlier", p)
	p.Reason = "the sync was routine"
	step("aware", p)
	p = in("tenant-7", "classify")
	p.Law, p.DryRun = "dora", true
	step("classify, dry run", p)
	p.DryRun, p.Decide, p.At, p.Decider = false, "major", "2026-11-14 09:40", "github:prod|1"
	step("classify", p)
	step("clock", in("tenant-7", "clock"))
	p = in("tenant-7", "notify")
	p.Stage, p.Sent, p.Channel = "dora.initial", "2026-11-14 13:05", "portal"
	step("sent", p)
	step("list", in("tenant-7", "list"))
	p = in("tenant-7", "notify")
	p.Stage, p.Received, p.Reference = "dora.initial", "2026-11-14 13:06", "A-1"
	step("received", p)
	p = in("tenant-7", "contact")
	p.Place, p.Name, p.Mail, p.Phone = "primary", "Planted Person", "planted@bank.example", "+49 30 5550100"
	step("contact", p)
	p = in("tenant-7", "update")
	p.Fields, p.Records = json.RawMessage(`{"duration": {"minutes": 5}}`), map[string][]uint64{"duration.minutes": {2, 3}}
	step("update from records", p)
	p = in("tenant-7", "close")
	step("close too early", p)
	step("show", in("tenant-7", "show"))
	p.Reason = "merged into another"
	step("close", p)
	step("list of open ones", in("tenant-7", "list"))
	evidencetest.Golden(t, "incident.txt", golden.Bytes())

	reads, _ := w.Reads()
	if n := strings.Count(strings.Join(reads, "\n"), "tenant-7 incident"); n != 5 {
		t.Errorf("%d answers were sealed, want 5: %v", n, reads)
	}
	p = in("tenant-7", "show")
	p.JSON, p.ID = true, id
	var view api.IncidentView
	if err := json.Unmarshal([]byte(d.must(p)), &view); err != nil {
		t.Fatal(err)
	}
	if len(view.Clocks) == 0 || len(view.Acts) != 9 || view.Contacts["primary"].Phone == "" || !view.Aware["dora"][0].Candidates[0].At.Equal(time.Date(2026, 11, 13, 11, 30, 0, 0, time.UTC)) {
		t.Errorf("as JSON: %+v", view)
	}
}

func mustParse(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	x, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// One incident of the platform, a part in each tenant's log, and no word of
// the other tenant in either.
func TestIncidentOfManyTenants(t *testing.T) {
	d := desk{t, apitest.New()}
	p := in("_platform", "declare")
	p.Fields, p.Aware, p.Reason = json.RawMessage(`{"reporter": {"roles": ["ict-provider"]}, "narrative": {"summary": "storage is slow"}, "times": {"detected": "2026-11-14T10:00:00Z"}}`), "2026-11-14 11:10", "planted reason"
	p.Affects = []string{"tenant-7=financial-entity,controller", "tenant-8"}
	id, parts := d.declared(p)
	if len(parts) != 2 || parts[0].ID == parts[1].ID || parts[0].ID == id {
		t.Fatalf("parts: %+v", parts)
	}
	up := in("_platform", "update")
	up.ID, up.PassOn, up.Fields = id, true, json.RawMessage(`{"narrative": {"cause": "a full disk"}, "reporter": {"state": "DE"}}`)
	if s := d.must(up); strings.Count(s, "part in") != 2 {
		t.Errorf("passed on: %s", s)
	}
	for _, part := range parts {
		show := in(part.Tenant.String(), "show")
		show.ID, show.JSON = part.ID, true
		s := d.must(show)
		var v api.IncidentView
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatal(err)
		}
		if v.Fields.Narrative.Cause != "a full disk" || v.Fields.Reporter.State != "" || !v.Part {
			t.Errorf("part in %s: %+v", part.Tenant, v.Fields)
		}
		var stages []string
		for _, k := range v.Clocks {
			stages = append(stages, string(k.Stage))
		}
		if got := strings.Join(stages, " "); !strings.HasSuffix(got, "customer.notice") || strings.Contains(got, "dora.initial") != (part.Tenant == mustParse(t, "tenant-7")) {
			t.Errorf("clocks in %s: %s", part.Tenant, got)
		}
		for rec, err := range d.w.Logs[part.Tenant].Records(t.Context(), evidence.Query{Kinds: incident.Kinds, WithText: true}) {
			if err != nil {
				t.Fatal(err)
			}
			whole := string(rec.Facts) + string(rec.Text) + rec.Key + rec.Subject.String()
			for _, other := range []string{"tenant-7", "tenant-8", parts[0].ID, parts[1].ID, id, "planted"} {
				if other != part.ID && strings.Contains(whole, other) {
					t.Errorf("the log of %s names %s: %s", part.Tenant, other, whole)
				}
			}
		}
		if _, err := d.ask(withID(in(part.Tenant.String(), "show"), id)); !problem.Is(err, problem.NotFound) {
			t.Errorf("the home's incident is seen from %s: %v", part.Tenant, err)
		}
	}
	home := d.must(withID(in("_platform", "show"), id))
	if !strings.Contains(home, "tenant-7, its own incident "+parts[0].ID) {
		t.Errorf("home:\n%s", home)
	}
	for name, p := range map[string]api.IncidentParams{
		"fields that name a tenant":          {Common: up.Common, Act: "update", ID: id, PassOn: true, Fields: json.RawMessage(`{"narrative": {"cause": "caused by Tenant-8"}}`)},
		"a tenant's log as the home of many": {Common: api.Common{Tenant: "tenant-7"}, Act: "declare", What: "slow", Detected: "11:00", Affects: []string{"tenant-8"}},
		"declared with a tenant's name":      {Common: up.Common, Act: "declare", What: "slow", Detected: "11:00", Affects: []string{"tenant-8"}, Fields: json.RawMessage(`{"systems": {"refs": ["app:prod/tenant-7/web"]}}`)},
	} {
		if _, err := d.ask(p); !problem.Is(err, problem.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A part that a failure left out is declared later, under its own id.
	lost := d.w.Logs[mustParse(t, "tenant-8")]
	d.w.Logs[mustParse(t, "tenant-8")] = evidencetest.NewLog(mustParse(t, "tenant-8"))
	again := in("_platform", "declare")
	again.Resume = true
	if s := d.must(withID(again, id)); !strings.Contains(s, "part in tenant-8: incident "+parts[1].ID) || strings.Contains(s, "part in tenant-7") {
		t.Errorf("resumed: %s", s)
	}
	if lost.Size() == 0 {
		t.Error("the part was never there")
	}
}

func withID(p api.IncidentParams, id string) api.IncidentParams {
	p.ID = id
	return p
}

func TestIncidentMistakes(t *testing.T) {
	d := desk{t, apitest.New()}
	id, _ := d.declared(least("tenant-7"))
	size := d.w.Logs[mustParse(t, "tenant-7")].Size()
	for _, tc := range []struct {
		name string
		p    api.IncidentParams
		code problem.Code
		says string
	}{
		{"no act", api.IncidentParams{}, problem.Usage, "declare"},
		{"no id", api.IncidentParams{Act: "show"}, problem.Usage, "list"},
		{"another id", api.IncidentParams{Act: "show", ID: "nonesuch"}, problem.NotFound, "nonesuch"},
		{"no law", api.IncidentParams{Act: "classify", ID: id}, problem.Usage, "dora"},
		{"no such decision", api.IncidentParams{Act: "classify", ID: id, Law: "dora", Decide: "significant"}, problem.Usage, "major"},
		{"recurring with itself", api.IncidentParams{Act: "classify", ID: id, Law: "dora", Recurring: []string{id}}, problem.Usage, "itself"},
		{"a stage that is none", api.IncidentParams{Act: "notify", ID: id, Stage: "dora.first", Sent: "12:00"}, problem.Usage, "dora.initial"},
		{"two acts at once", api.IncidentParams{Act: "notify", ID: id, Stage: "dora.initial", Sent: "12:00", Received: "12:10"}, problem.Usage, "exactly one"},
		{"a reference of what is sent", api.IncidentParams{Act: "notify", ID: id, Stage: "dora.initial", Sent: "12:00", Reference: "x"}, problem.Usage, "--received"},
		{"an impossible date", api.IncidentParams{Act: "clock", ID: id, Law: "dora", Aware: "2026-02-30 12:00"}, problem.Usage, "--aware"},
		{"a time ahead", api.IncidentParams{Act: "clock", ID: id, Law: "dora", Aware: "2026-11-14 15:00"}, problem.Usage, "lies ahead"},
		{"a decider that is nobody", api.IncidentParams{Act: "clock", ID: id, Law: "dora", Aware: "12:00", Decider: "alice"}, problem.Usage, "--decider"},
		{"a field that is none", api.IncidentParams{Act: "update", ID: id, Fields: json.RawMessage(`{"severity": 1}`)}, problem.Usage, "severity"},
		{"closed before it was declared", api.IncidentParams{Act: "close", ID: id, At: "12:00"}, problem.Usage, "before the incident was declared"},
		{"affects nobody's tenant", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Common: api.Common{Tenant: "_platform"}, Affects: []string{"tenant-9"}}, problem.NotFound, "tenant-9"},
		{"affects with a role that is none", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Common: api.Common{Tenant: "_platform"}, Affects: []string{"tenant-8=owner"}}, problem.Usage, "controller"},
		{"affects twice", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Common: api.Common{Tenant: "_platform"}, Affects: []string{"tenant-8", "tenant-8"}}, problem.Usage, "once"},
		{"declared with nothing", api.IncidentParams{Act: "declare"}, problem.Usage, "what happened, nor since when it is known, nor in which role the entity reports"},
		{"declared with empty fields", api.IncidentParams{Act: "declare", What: " ", Roles: []string{"operator"}, Fields: json.RawMessage(`{"times": {"detected": null}}`)}, problem.Usage, "what happened, nor since when it is known\n"},
		{"declared without a role", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00"}, problem.Usage, "a ROLE is one of financial-entity"},
		{"declared with a role that is none", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Roles: []string{"bank"}}, problem.Usage, "reporter.roles"},
		{"declared by a flag and a file", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Roles: []string{"operator"}, Fields: json.RawMessage(`{"narrative": {"summary": "slow"}}`)}, problem.Usage, "--what and narrative.summary in the file both say what happened"},
		{"declared with the awareness of a provider", api.IncidentParams{Act: "declare", What: "slow", Detected: "11:00", Roles: []string{"operator"}, Aware: "11:00"}, problem.Usage, "evidenced incident clock ID --law LAW --aware TIME"},
		{"passes on to nobody", api.IncidentParams{Act: "update", ID: id, PassOn: true, Fields: json.RawMessage(`{"duration": {"minutes": 1}}`)}, problem.Usage, "no parts"},
	} {
		if tc.p.Tenant == "" {
			tc.p.Tenant = "tenant-7"
		}
		_, err := d.ask(tc.p)
		if !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.says) {
			t.Errorf("%s: got %v, want %s that says %q", tc.name, err, tc.code, tc.says)
		}
	}
	var acts int
	for range d.w.Logs[mustParse(t, "tenant-7")].Records(t.Context(), evidence.Query{Kinds: incident.Kinds}) {
		acts++
	}
	if acts != 2 {
		t.Errorf("%d acts in the log after refused ones, want 2 (size was %d)", acts, size)
	}
	if s := d.must(in("", "list")); !strings.Contains(s, "1 incident is open.") {
		t.Errorf("over all tenants: %s", s)
	}
	if _, err := both(t, d.w, "incident", in("tenant-7", "list")); err != nil {
		t.Error(err)
	}
}

// An act answers with what it starts, and a hint is a command that runs as it
// stands.
func TestActsSayWhatIsDue(t *testing.T) {
	d := desk{t, apitest.New()}
	p := least("tenant-7")
	p.Roles = []string{"controller", "operator", "manufacturer"}
	id, _ := d.declared(p)
	must := func(says []string, p api.IncidentParams) {
		t.Helper()
		s := d.must(withID(p, id))
		for _, want := range says {
			if !strings.Contains(s, want) {
				t.Errorf("%s does not say %q:\n%s", p.Act, want, s)
			}
		}
	}
	p = in("tenant-7", "notify")
	p.Stage, p.Sent = "gdpr.authority", "14:00"
	if _, err := d.ask(withID(p, id)); !strings.Contains(problem.Text("x", err), "evidenced incident clock "+id+" --tenant tenant-7 --law gdpr --aware TIME comes first") {
		t.Errorf("sent without awareness: %v", err)
	}
	p = in("tenant-7", "clock")
	p.Law, p.Aware = "gdpr", "2026-11-14 11:30"
	must([]string{"gdpr.authority is due by 2026-11-17 11:30:00 CET (10:30:00 UTC), at the very latest by 2026-11-17 12:00:00 CET (11:00:00 UTC)"}, p)
	p = in("tenant-7", "classify")
	p.Law, p.Decide, p.Reason = "gdpr", "high-risk", "passwords went astray"
	must([]string{"gdpr.authority is due by", "gdpr.people is owed without undue delay", "Nothing is computed: the risk to people is a person's decision."}, p)
	must([]string{"is next, by 2026-11-15 11:00:00 CET"}, in("tenant-7", "clock")) // before what has no number
	p = in("tenant-7", "close")
	p.Reason = "it is over"
	must([]string{"closing ends no duty:\ngdpr.authority is due by", "gdpr.people is owed"}, p)
	if s := d.must(in("tenant-7", "list")); !strings.Contains(s, "0 incidents are open. 1 closed, with a limit ahead.") || !strings.Contains(s, "gdpr.authority running") {
		t.Errorf("list:\n%s", s)
	}
}
