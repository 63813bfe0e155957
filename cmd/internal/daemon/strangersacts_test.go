package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/mappings/statement"
	"evidenced/store"
)

// hidden is a word in names of what is alpha's alone: nothing that another
// tenant can get, the export of its offboarding above all, may hold it.
const hidden = "wwqhidden"

// alertEar is what a destination of alerts was told.
type alertEar struct {
	mu     sync.Mutex
	bodies []string
}

func (h *alertEar) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		b = []byte(err.Error())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(b))
}

// stranger does in a tenant what people do there, with the word in all that they
// write. It returns the id of its incident.
func stranger(t *testing.T, e *Engine, tenant, word string) string {
	t.Helper()
	c := api.Common{Tenant: tenant, JSON: true}
	must := func(op string, params any) string {
		t.Helper()
		s, err := operation(t, e, op, params)
		if err != nil {
			t.Fatalf("%s of %s: %s", op, tenant, problem.Text("", err))
		}
		return s
	}
	var declared api.Acted
	fields := fmt.Sprintf(`{"identity": {"reference": "%[1]s-ref", "kind": "incident"}, "reporter": {"name": "%[1]s bank", "roles": ["controller", "financial-entity"], "state": "DE"}, "times": {"occurred": "2026-10-20T00:00:00Z"}, "narrative": {"summary": "%[1]s told it"}}`, word)
	if err := json.Unmarshal([]byte(must("incident", api.IncidentParams{Common: c, Act: "declare", Reason: word + " rang", Fields: json.RawMessage(fields)})), &declared); err != nil {
		t.Fatal(err)
	}
	must("incident", api.IncidentParams{Common: c, Act: "contact", ID: declared.ID, Place: "primary", Name: word + " Person", Mail: word + "@bank.example", Phone: "+49 30 5550100"})
	must("incident", api.IncidentParams{Common: c, Act: "clock", ID: declared.ID, Law: "gdpr", Aware: evidence.FormatTime(e.Now().Add(-time.Minute)), Reason: word + " knew"})
	must("incident", api.IncidentParams{Common: c, Act: "notify", ID: declared.ID, Stage: string(deadline.GDPRAuthority), Sent: evidence.FormatTime(e.Now()), Channel: word + " desk"})
	must("hold", api.HoldParams{Common: c, Act: "place", Name: word + "-hold", Reason: word + " asks", Authority: word + " court"})
	must("remedy", api.RemedyParams{Common: c, Act: "set", Name: word + "-plan", RemedyFields: api.RemedyFields{
		Tests: []string{"chg-approved"}, Team: word + " team", Cause: "human-error", Detail: word + " forgot", Remedy: word + " does it", Due: e.Now().AddDate(0, 0, 3).Format(time.DateOnly), Reason: "asked by " + word,
	}})
	return declared.ID
}

// strangersFiles asks for what is filed and said of the tenant.
func strangersFiles(t *testing.T, e *Engine, tenant, incident string, out map[string]string) {
	t.Helper()
	c := api.Common{Tenant: tenant}
	js := api.Common{Tenant: tenant, JSON: true}
	ask := func(name, op string, params any) {
		t.Helper()
		s, err := operation(t, e, op, params)
		if err != nil {
			t.Errorf("%s of %s: %s", name, tenant, problem.Text("", err))
		}
		if err == nil && strings.HasSuffix(name, ".pdf") {
			s = textOfPDF(t, []byte(s))
		}
		out[name] = s + inBase64(s)
	}
	for _, c := range []api.Common{c, js} {
		kind := map[bool]string{true: " json", false: " text"}[c.JSON]
		for _, act := range []string{"show", "clock", "list"} {
			ask("incident "+act+kind, "incident", api.IncidentParams{Common: c, Act: act, ID: map[bool]string{false: incident}[act == "list"], Closed: true})
		}
		ask("gaps"+kind, "gaps", api.GapsParams{Common: c})
		ask("today"+kind, "today", api.TodayParams{Common: c, Last: "30d"})
		ask("remedies"+kind, "remedy", api.RemedyParams{Common: c, Act: "list", All: true})
		ask("holds"+kind, "hold", api.HoldParams{Common: c, Act: "list"})
		ask("anchors"+kind, "anchors", api.AnchorsParams{Tenant: tenant, JSON: c.JSON})
		ask("verify"+kind, "verify", api.VerifyParams{Tenant: tenant, Deep: true, JSON: c.JSON})
		for _, typ := range []statement.Type{statement.Waiver, statement.Scope, statement.Attestation} {
			ask(string(typ)+kind, "statement", api.StatementParams{Common: c, Type: typ, Act: "list", All: true})
		}
	}
	for _, form := range []string{"text", "json", "csv"} {
		ask("breaches "+form, "incident-register", api.RegisterParams{Common: c, Form: form})
	}
	file := func(stage deadline.Stage) {
		t.Helper()
		for _, form := range []string{"text", "json", "csv", "pdf"} {
			ask(fmt.Sprintf("filed %s.%s", stage, form), "incident-export", api.ExportParams{Common: c, ID: incident, Stage: string(stage), Form: form, Early: true})
		}
	}
	for _, stage := range deadline.Stages {
		// Of some nothing is filed; a threat is another kind of incident.
		if items, _ := notice.Items(stage); len(items) == 0 || stage == deadline.DORAThreat {
			continue
		}
		file(stage)
	}
	ask("incident update", "incident", api.IncidentParams{Common: c, Act: "update", ID: incident, Fields: json.RawMessage(`{"identity": {"kind": "threat"}}`)})
	file(deadline.DORAThreat)
	ask("receipt", "receipt", api.ReceiptParams{Common: c, Seq: 1})
}

// nowhere fails for each text that holds the word, and says where.
func nowhere(t *testing.T, word string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		if strings.HasSuffix(name, " error") {
			t.Errorf("%s: %s", name, text)
		}
		for _, l := range strings.Split(text, "\n") {
			if i := strings.Index(strings.ToLower(l), word); i >= 0 {
				t.Errorf("%s tells of another tenant: …%s…", name, l[max(0, i-120):min(len(l), i+120)])
			}
		}
	}
}

// What people do in one tenant, what is filed and handed over of it, and what
// the platform does to all of them, tells no other tenant of it; and an error
// does not tell whether another tenant has what was asked for.
func TestStrangersActAndAreNotSeen(t *testing.T) {
	hook, manager := &alertEar{}, &alertEar{}
	hooks, managers := httptest.NewServer(hook), httptest.NewServer(manager)
	t.Cleanup(hooks.Close)
	t.Cleanup(managers.Close)
	dir, clock, src := t.TempDir(), &testClock{begin}, &strangers{}
	if err := os.WriteFile(filepath.Join(dir, "hook.secret"), []byte("a secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := fmt.Sprintf("alerts: {hold: 0s, release: 0s, to: [{name: hook, type: webhook, url: '%s', secret_file: hook.secret}, {name: am, type: alertmanager, url: '%s'}]}\n", hooks.URL, managers.URL)
	accounts := "accounts: {bots: [{realm: 'github:prod', logins: [" + strange + "-bot]}], shared: [{realm: 'vault:prod/entity', ids: [" + strange + "-shared]}]}\n"
	var logged bytes.Buffer
	e, m := strangeWorld(t, dir, clock, src, &logged, allRules, to+accounts)
	tenant := "bravo-" + strange
	at := begin.Add(-time.Hour)
	src.ds = append(sharedThings(t, at), strangeThings(t, at)...)
	src.ds = append(src.ds, mergeDraft("alpha", 8, at, false), mergeDraft(strange, 9, at, false))
	for i, d := range strangeThings(t, at) {
		// The same once more, of alpha alone and named by the other word.
		d = renamed(t, d, strange, hidden)
		d.Scope = []evidence.Ref{evidence.NewRef("ns", "prod", "alpha-"+hidden)}
		d.Key = fmt.Sprintf("%s-%d", hidden, i)
		src.ds = append(src.ds, d)
	}
	collect := func() {
		t.Helper()
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	collect()
	src.ds = nil
	collect()
	src.fail = true
	for range 3 {
		collect()
	}
	judgeNow(t, e)
	theirs := stranger(t, e, tenant, strange)
	ours := stranger(t, e, "alpha", hidden)
	// The platform's own incident hits both; what stands in its home alone names
	// them.
	if _, err := incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: "_platform"}, Act: "declare", Affects: []string{"alpha=financial-entity", tenant + "=controller"}, Reason: strange + " and " + hidden + " rang",
		Fields: json.RawMessage(`{"times": {"occurred": "2026-10-20T00:00:00Z"}, "narrative": {"summary": "a shared cache ran full"}}`)}); err != nil {
		t.Fatal(problem.Text("", err))
	}
	if _, err := incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: "_platform"}, Act: "declare", Affects: []string{"alpha", tenant},
		Fields: json.RawMessage(`{"times": {"occurred": "2026-10-20T00:00:00Z"}, "narrative": {"summary": "the cache of ` + tenant + ` ran full"}}`)}); !problem.Is(err, problem.Refused) {
		t.Errorf("fields that name a tenant reach another one's log: %v", err)
	}
	judgeNow(t, e)
	alerted(t, e, []*alertEar{hook, manager}, tenant)
	oracles(t, e, theirs)

	hold := func(tenant, word, act string) {
		t.Helper()
		if _, err := operation(t, e, "hold", api.HoldParams{Common: api.Common{Tenant: tenant}, Act: act, Name: word + "-hold", Reason: word + " says", Authority: word + " court"}); err != nil {
			t.Fatal(problem.Text("", err))
		}
	}
	hold(tenant, strange, "release")
	hold("alpha", hidden, "release")
	if res, err := e.Erase(t.Context(), store.EraseRequest{Subject: store.Identity{Realm: "github:prod", NativeID: "1"}, Authority: "file 7", By: "1000"}); err != nil || len(res.Logs) != 2 {
		t.Fatalf("erase: %+v, %v", res, err)
	}
	hold("alpha", hidden, "place")
	if _, err := e.RotateLogKey(t.Context(), "yearly", false); err != nil {
		t.Fatal(err)
	}
	if _, err := e.RenewKeys(t.Context(), mustTenant(t, tenant)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	// The other tenant goes, and with it what the configuration said of it.
	e, m2 := strangeWorld(t, dir, clock, src, &logged, noTenant, "")
	t.Cleanup(func() { e.Close() })
	src.fail = false
	collect()
	rq := api.OffboardRequest{Tenant: mustTenant(t, tenant), Reason: "the contract of " + strange + " ended", Authority: strange + " 4711", By: api.Caller{UID: 7}, Progress: quiet}
	judgeNow(t, e)
	given := map[string]string{}
	strangersFiles(t, e, "alpha", ours, given)
	handed := everythingOf(t, e, tenant)
	strangersFiles(t, e, tenant, theirs, handed)
	var pack bytes.Buffer
	res, err := e.OffboardExport(t.Context(), rq, &pack)
	if err != nil {
		t.Fatal(problem.Text("", err))
	}
	exported := map[string]string{}
	unpacked(t, "export", pack.String(), exported)
	for name, text := range exported {
		handed[name] = text + inBase64(text)
	}
	delete(handed, "trace json error") // it never read alpha's secret
	rq.Manifest = res.Manifest
	if _, err := e.Offboard(t.Context(), rq); err != nil {
		t.Fatal(problem.Text("", err))
	}
	collect()
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, text := range everythingOf(t, e, "alpha") {
		given[name] = text
	}
	nowhere(t, strange, given)
	nowhere(t, hidden, handed)
	// The search can find: what was planted stands where it belongs.
	for _, name := range []string{"incident show text", "filed gdpr.authority.json", "filed dora.initial.pdf", "breaches csv", "remedies text", "holds json", "records"} {
		if !strings.Contains(given[name], hidden) {
			t.Errorf("%s of alpha lacks its own word", name)
		}
		if !strings.Contains(handed[name], strange) && name != "holds json" { // released
			t.Errorf("%s of the other tenant lacks its own word", name)
		}
	}
	if !strings.Contains(handed["export claims.jsonl"], strange) {
		t.Error("the export lacks the word: nothing is found in it")
	}
	var shown bytes.Buffer
	m.Write(&shown)
	m2.Write(&shown)
	for name, text := range map[string]string{"log lines": logged.String(), "metrics": shown.String()} {
		text = strings.ReplaceAll(text, tenant, "bravo")
		nowhere(t, strange, map[string]string{name: text})
		nowhere(t, hidden, map[string]string{name: text})
	}
}

// renamed is the draft with another word wherever the one stands.
func renamed(t *testing.T, d evidence.Draft, from, to string) evidence.Draft {
	t.Helper()
	swap := func(s string) string { return strings.ReplaceAll(s, from, to) }
	d.Subject.Name, d.Content, d.Text, d.Raw = swap(d.Subject.Name), []byte(swap(string(d.Content))), []byte(swap(string(d.Text))), []byte(swap(string(d.Raw)))
	d.People = []evidence.Person{d.People[0]}
	p := &d.People[0]
	p.NativeID, p.Names.Login, p.Names.Mail = "78", swap(p.Names.Login), swap(p.Names.Mail)
	return d
}

// alerted has the destinations told, and searches what they are: a message about
// one tenant names no other, and none holds what a source or a person said.
func alerted(t *testing.T, e *Engine, to []*alertEar, tenant string) {
	t.Helper()
	var err error
	if e.alerts, err = e.openAlerts(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alpha", tenant} {
		ds, err := e.deadlines(t.Context(), mustTenant(t, name), e.Now())
		if err != nil {
			t.Fatal(err)
		}
		e.alerts.board.Deadlines(mustTenant(t, name), ds)
	}
	judgeNow(t, e)
	if _, err := e.alerts.board.Step(e.Now()); err != nil {
		t.Fatal(err)
	}
	for _, s := range e.alerts.senders {
		if _, err := s.Step(t.Context(), e.Now()); err != nil {
			t.Fatalf("destination %s: %v", s.Name, err)
		}
	}
	own := map[string]int{}
	for i, h := range to {
		if len(h.bodies) == 0 {
			t.Fatalf("destination %d was told nothing", i)
		}
		for _, body := range h.bodies {
			plain := strings.ReplaceAll(body, tenant, "bravo")
			nowhere(t, strange, map[string]string{"message": plain})
			nowhere(t, hidden, map[string]string{"message": plain})
			for _, one := range alertsOf(t, body) {
				if one.tenant == "" {
					continue // a cause that tenants share, for those who run the platform
				}
				own[one.tenant]++
				if one.tenant != tenant && strings.Contains(one.text, tenant) {
					t.Errorf("an alert of %s names another tenant: %s", one.tenant, one.text)
				}
			}
		}
	}
	if own["alpha"] == 0 || own[tenant] == 0 {
		t.Errorf("alerts of tenants alone: %v", own)
	}
	b, err := os.ReadFile(filepath.Join(e.local.Dir, "alerts.json"))
	if err != nil {
		t.Fatal(err)
	}
	nowhere(t, strange, map[string]string{"alerts.json": strings.ReplaceAll(string(b), tenant, "bravo")})
}

// oneAlert is an alert as a destination was told it, and the tenant that it is
// routed by; "" for none.
type oneAlert struct{ tenant, text string }

// alertsOf takes a message of a webhook or to an Alertmanager apart.
func alertsOf(t *testing.T, body string) (out []oneAlert) {
	t.Helper()
	var list []struct {
		Labels map[string]string
	}
	var parts []json.RawMessage
	if json.Unmarshal([]byte(body), &list) == nil {
		if err := json.Unmarshal([]byte(body), &parts); err != nil {
			t.Fatal(err)
		}
		for i, a := range list {
			out = append(out, oneAlert{a.Labels["tenant"], string(parts[i])})
		}
		return out
	}
	var m struct{ Alerts []alert.Alert }
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, a := range m.Alerts {
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		one := oneAlert{"", string(b)}
		if !a.Cause.Tenant.IsZero() {
			one.tenant = a.Cause.Tenant.String()
		}
		out = append(out, one)
	}
	return out
}

// unknown is what alpha does not know.
type unknown struct{ word, incident, person string }

// oracles asks alpha for what another tenant has and for what nobody has: the
// answers differ in the name that was asked for and in nothing else.
func oracles(t *testing.T, e *Engine, incident string) {
	t.Helper()
	c := api.Common{Tenant: "alpha"}
	span := api.Span{From: "2026-10-31", To: "2026-11-02"}
	asked := []struct {
		name string
		op   string
		ask  func(x unknown) any
	}{
		{"incident", "incident", func(x unknown) any { return api.IncidentParams{Common: c, Act: "show", ID: x.incident} }},
		{"clock", "incident", func(x unknown) any { return api.IncidentParams{Common: c, Act: "clock", ID: x.incident} }},
		{"update", "incident", func(x unknown) any {
			return api.IncidentParams{Common: c, Act: "update", ID: x.incident, Fields: json.RawMessage(`{"narrative": {"summary": "x"}}`)}
		}},
		{"export", "incident-export", func(x unknown) any {
			return api.ExportParams{Common: c, ID: x.incident, Stage: string(deadline.GDPRAuthority)}
		}},
		{"hold", "hold", func(x unknown) any {
			return api.HoldParams{Common: c, Act: "release", Name: x.word + "-hold", Reason: "r", Authority: "a"}
		}},
		{"remedy", "remedy", func(x unknown) any { return api.RemedyParams{Common: c, Act: "show", Name: x.word + "-plan"} }},
		{"remedy done", "remedy", func(x unknown) any {
			return api.RemedyParams{Common: c, Act: "done", Name: x.word + "-plan", RemedyFields: api.RemedyFields{Reason: "r"}}
		}},
		{"waiver", "statement", func(x unknown) any {
			return api.StatementParams{Common: c, Type: statement.Waiver, Act: "show", Name: x.word + "-plan"}
		}},
		{"subject", "records", func(x unknown) any {
			return api.RecordsParams{Common: c, Span: span, Subject: "object:prod/" + x.word + "-thing-1"}
		}},
		{"link", "records", func(x unknown) any {
			return api.RecordsParams{Common: c, Span: span, Link: "namespace:prod/" + x.word + "-web"}
		}},
		{"person", "records", func(x unknown) any { return api.RecordsParams{Common: c, Span: span, Person: x.word + ".person"} }},
		{"timeline", "timeline", func(x unknown) any { return api.TimelineParams{Common: c, Span: span, Person: x.word + ".person"} }},
		{"who", "who", func(x unknown) any { return api.WhoParams{Common: c, Span: span, Person: x.word + ".person"} }},
		{"trace", "trace", func(x unknown) any { return api.TraceParams{Common: c, Span: span, Ref: "kv/" + x.word + "/db"} }},
		{"identity", "identity-link", func(x unknown) any {
			return api.LinkParams{Tenant: "alpha", A: "github:prod|1", B: "github:prod|" + x.person, Approver: "github:prod|2", Reason: "r"}
		}},
		{"approver", "identity-link", func(x unknown) any {
			return api.LinkParams{Tenant: "alpha", A: "github:prod|1", B: "github:prod|2", Approver: "github:prod|" + x.person, Reason: "r"}
		}},
	}
	size := regexp.MustCompile(`\b(log size|size|record) \d+\b`)
	for _, q := range asked {
		answer := func(x unknown) string {
			s, err := operation(t, e, q.op, q.ask(x))
			s += problem.Text("", errOrNone(err))
			return size.ReplaceAllString(strings.NewReplacer(x.word, "WORD", x.incident, "ID", x.person, "PERSON").Replace(s), "$1 N")
		}
		there, none := answer(unknown{strange, incident, "77"}), answer(unknown{"qqnobody", "deadbeef" + incident[8:], "99"})
		if there != none {
			t.Errorf("%s tells whether another tenant has it:\n%s\n---\n%s", q.name, there, none)
		}
	}
}

func errOrNone(err error) error {
	if err == nil {
		return problem.New(problem.Usage, "none")
	}
	return err
}
