package alertrules

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

func config(url, token string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.TokenFile = url+"/prom", token
	return c
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "prometheus/prod", Now: now, Conversation: "testdata/prometheus.txtar", Also: []int{400, 422, 503, 504},
		Wants: (&Collector{}).Kinds(),
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(w.URL, w.TokenFile)
			cfg.Timeout = w.Timeout
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite()) }

// answering is a collector whose server answers with a body.
func answering(t *testing.T, body string) *Collector {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now.Format(http.TimeFormat))
		fmt.Fprint(w, body)
	}))
	t.Cleanup(srv.Close)
	clock := now
	desk := collectortest.Desk(t, "prometheus/prod", srv.URL, &clock)
	c, err := newWith(config(srv.URL, desk.TokenFile), desk.Env, fetch.Options{Sleep: desk.Sleep, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func poll(t *testing.T, c *Collector) (*collectortest.Recorder, error) {
	t.Helper()
	rec := &collectortest.Recorder{}
	err := c.Poll(t.Context(), evidence.Period{To: now}, nil, rec)
	return rec, err
}

// TestGolden compares the drafts and the observation of a look at a Prometheus.
func TestGolden(t *testing.T) {
	r := collectortest.NewReplay(t, "testdata/prometheus.txtar", now)
	clock := now
	desk := collectortest.Desk(t, "prometheus/prod", r.URL, &clock)
	c, err := newWith(config(r.URL, desk.TokenFile), desk.Env, fetch.Options{Sleep: desk.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := poll(t, c)
	if err != nil {
		t.Fatal(err)
	}
	collectortest.Golden{File: "testdata/prometheus.golden", Update: *update, URL: r.URL}.Check(t, rec)
	for _, d := range rec.Drafts {
		if strings.Contains(fmt.Sprintf("%s%s%s", d.Content, d.Text, d.Raw), "not-to-be-kept") {
			t.Errorf("%s holds what is not to be kept: %s", d.Key, d.Content)
		}
	}
}

// vmalert as it answers since 2023: numbers of its own, health ok before the first
// evaluation, labels of the group, and parameters that may hold a credential.
const vmalert = `{"status":"success","data":{"groups":[{"name":"vm","interval":60,"lastEvaluation":"2026-03-03T11:59:30Z","type":"prometheus","id":"17","file":"/rules/vm.yaml","concurrency":1,"headers":["Authorization: Basic not-to-be-kept"],"params":["token=not-to-be-kept"],"labels":{"tenant":"tenant-7"},"Unhealthy":0,"Healthy":2,"NoMatch":1,"rules":[
 {"state":"inactive","name":"Fine","query":"up == 0","duration":60,"keep_firing_for":90,"labels":{"severity":"page"},"lastError":"","evaluationTime":0.001,"lastEvaluation":"2026-03-03T11:59:30Z","alerts":null,"health":"ok","type":"alerting","datasourceType":"prometheus","lastSamples":0,"lastSeriesFetched":0,"id":"1","group_id":"17","group_name":"vm","file":"/rules/vm.yaml","debug":false,"max_updates_entries":20},
 {"state":"inactive","name":"Fresh","query":"up == 0","duration":0,"keep_firing_for":0,"labels":{"tenant":"tenant-8"},"lastError":"","lastEvaluation":"0001-01-01T00:00:00Z","health":"ok","type":"alerting","id":"2"},
 {"state":"inactive","name":"Broken","query":"up ==","duration":0,"keep_firing_for":0,"lastError":"not-to-be-kept","lastEvaluation":"2026-03-03T11:59:30Z","health":"err","type":"alerting","id":"3"}
]}]}}`

func TestVmalert(t *testing.T) {
	rec, err := poll(t, answering(t, vmalert))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range rec.Drafts {
		var f evidence.AlertRuleFacts
		if err := json.Unmarshal(d.Content, &f); err != nil {
			t.Fatal(err)
		}
		series := "?"
		if f.QuerySeries != nil {
			series = fmt.Sprint(*f.QuerySeries)
		}
		got = append(got, fmt.Sprintf("%s %s %q keep %v series %s", d.Subject, d.Scope[0], f.Blind, f.KeepSeconds, series))
		if strings.Contains(string(d.Content), "not-to-be-kept") {
			t.Errorf("kept: %s", d.Content)
		}
	}
	want := []string{
		`alertrule:prod/vm.yaml/vm/Fine label:prod/tenant=tenant-7 "" keep 90 series 0`,
		`alertrule:prod/vm.yaml/vm/Fresh label:prod/tenant=tenant-8 "never" keep 0 series ?`,
		`alertrule:prod/vm.yaml/vm/Broken label:prod/tenant=tenant-7 "error" keep 0 series ?`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The server's clock decides what is stale.
func TestStaleByTheServersClock(t *testing.T) {
	const body = `{"status":"success","data":{"groups":[{"name":"g","file":"f","interval":60,"rules":[{"name":"r","type":"alerting","health":"ok","lastEvaluation":"2026-03-03T11:00:00Z"}]}]}}`
	for ahead, want := range map[time.Duration]string{0: "stale", -59 * time.Minute: "", -54*time.Minute - 30*time.Second: "", -53 * time.Minute: "stale"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", now.Add(ahead).Format(http.TimeFormat))
			fmt.Fprint(w, body)
		}))
		clock := now
		desk := collectortest.Desk(t, "prometheus/prod", srv.URL, &clock)
		c, err := newWith(config(srv.URL, desk.TokenFile), desk.Env, fetch.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := poll(t, c)
		srv.Close()
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.AlertRuleFacts
		if err := json.Unmarshal(rec.Drafts[0].Content, &f); err != nil || f.Blind != want {
			t.Errorf("with a clock %v off a rule of an hour ago is %q, want %q (%v)", ahead, f.Blind, want, err)
		}
	}
}

// A rule that is evaluated every six hours waits for its turn after a restart of
// its server, and is blind only when that was missed.
func TestRareRuleAfterRestart(t *testing.T) {
	r := collectortest.NewReplay(t, "testdata/prometheus.txtar", now)
	clock := now
	desk := collectortest.Desk(t, "prometheus/prod", r.URL, &clock)
	var resume []byte
	for i, x := range []struct {
		after     time.Duration
		evaluated string
		want      string
	}{
		{0, "0001-01-01T00:00:00Z", "never"},
		{time.Hour, "2026-03-03T12:30:00Z", ""},
		{2 * time.Hour, "0001-01-01T00:00:00Z", ""},
		{6 * time.Hour, "0001-01-01T00:00:00Z", ""},
		{7 * time.Hour, "0001-01-01T00:00:00Z", "stale"},
		{8 * time.Hour, "2026-03-03T19:45:00Z", ""},
	} {
		clock = now.Add(x.after)
		r.Now = clock
		r.Replace("GET /prom/api/v1/rules?exclude_alerts=true", `{"status":"success","data":{"groups":[{"name":"slow","file":"f","interval":21600,"rules":[{"name":"r","type":"alerting","health":"unknown","lastEvaluation":"`+x.evaluated+`"}]}]}}`)
		c, err := newWith(config(r.URL, desk.TokenFile), desk.Env, fetch.Options{Sleep: desk.Sleep}) // as after a restart of the daemon
		if err != nil {
			t.Fatal(err)
		}
		rec := &collectortest.Recorder{}
		if err := c.Poll(t.Context(), evidence.Period{To: clock}, resume, rec); err != nil {
			t.Fatal(err)
		}
		resume = rec.Resume()
		var f evidence.AlertRuleFacts
		if err := json.Unmarshal(rec.Drafts[0].Content, &f); err != nil || f.Blind != x.want {
			t.Errorf("look %d: it is %q, want %q (%v)", i, f.Blind, x.want, err)
		}
	}
}

// An examination asks once and names no rule.
func TestExamine(t *testing.T) {
	x, err := answering(t, vmalert).Examine(t.Context())
	if err != nil || len(x.Rights) != 1 || x.Rights[0].Access != collectors.Readable || x.Requests != 1 || strings.Contains(fmt.Sprint(x), "Fine") {
		t.Errorf("got %+v, %v", x, err)
	}
	if _, err := answering(t, "null").Examine(t.Context()); !problem.Is(err, problem.Source) {
		t.Errorf("of no list: %v", err)
	}
}

// What is no whole list is an error, and says nothing of the server's own words.
func TestNoList(t *testing.T) {
	for body, want := range map[string]string{
		`{"status":"error","errorType":"internal","error":"secret words"}`:      `error type "internal"`,
		`{"status":"success","data":{"groups":null}}`:                           "no list of groups",
		`{"status":"success","data":{}}`:                                        "no list of groups",
		`{"status":"success","data":[]}`:                                        "not what the rules API describes",
		`{"status":"success"}`:                                                  "no list of groups",
		`{"status":"success","isPartial":true,"data":{"groups":[]}}`:            "a part of its rules",
		`{"status":"success","data":{"groups":[],"groupNextToken":"x"}}`:        "a part of its rules",
		`{"status":"success","data":{"groups":[]},"page":1,"total_pages":2}`:    "a part of its rules",
		`{"status":"success","data":{"groups":[]},"warnings":["secret words"]}`: "a part of its rules",
		`[]`: "not what the rules API describes", `null`: "not what the rules API describes", `{}`: "not what the rules API describes",
		`<html>secret words</html>`: "not what the rules API describes",
	} {
		rec, err := poll(t, answering(t, body))
		if !problem.Is(err, problem.Source) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "secret words") || len(rec.Commits) > 0 {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
	rec, err := poll(t, answering(t, `{"status":"success","data":{"groups":[]}}`))
	if err != nil || len(rec.Completed) != 1 {
		t.Errorf("a server without rules: %v, %v", rec.Completed, err)
	}
}

// One odd rule or group costs no other, and ends nothing; it may be anybody's. Of
// a group whose labels cannot be read nobody knows whose its rules are.
func TestOddRule(t *testing.T) {
	rec, err := poll(t, answering(t, `{"status":"success","data":{"groups":[7,{"name":"x"},{"name":"","rules":[]},{"name":"h","labels":{"tenant":7},"rules":[{"name":"r"}]},{"name":"g","interval":"soon","file":7,"labels":null,"rules":[
		{"labels":{}},{"name":"r","labels":{"a":1}},{"name":"good","type":5,"health":"fine","duration":"1h","lastEvaluation":7,"lastSeriesFetched":"many","query":[]}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	o := rec.Commits[0].Observation
	if len(rec.Drafts) != 1 || len(rec.Completed) != 0 || !strings.HasPrefix(o.Incomplete, "6 groups or rules") || o.Seen[0].Class != evidence.Blind || o.Seen[0].Cause != causeOdd {
		t.Errorf("got %d drafts, complete %v, %+v", len(rec.Drafts), rec.Completed, o)
	}
	if d := rec.Drafts[0]; d.Subject.String() != "alertrule:prod/-/g/good" {
		t.Errorf("it is called %s", d.Subject)
	}
}

// A server may list very many rules of one name; each has a name of its own, and
// costs about as much as any other.
func TestManyOfOneName(t *testing.T) {
	answer := func(n int) []json.RawMessage {
		groups, err := parseAnswer([]byte(`{"status":"success","data":{"groups":[{"name":"g","rules":[{"name":"r~3"}` + strings.Repeat(`,{"name":"r"}`, n) + `]}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return groups
	}
	c := answering(t, "")
	tell := func(groups []json.RawMessage) *collectortest.Recorder {
		rec := &collectortest.Recorder{}
		l := &look{Collector: c, sink: rec, at: now, server: now, rare: map[string]time.Time{}}
		if err := l.tell(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		return rec
	}
	var got []string
	for _, d := range tell(answer(4)).Pending {
		got = append(got, d.Subject.Name)
	}
	if want := "-/g/r~3 -/g/r -/g/r~2 -/g/r~4 -/g/r~5"; strings.Join(got, " ") != want {
		t.Errorf("they are called %v, want %s", got, want)
	}
	const few, many = 100, 2000
	a, b := answer(few), answer(many)
	one := testing.AllocsPerRun(1, func() { tell(a) }) / few
	if all := testing.AllocsPerRun(1, func() { tell(b) }) / many; all > 2*one {
		t.Errorf("one of %d rules takes %.0f allocations, one of %d takes %.0f", many, all, few, one)
	}
}

// A group without rules, as older releases of Thanos and vmalert list it, is no odd
// one.
func TestGroupWithoutRules(t *testing.T) {
	rec, err := poll(t, answering(t, `{"status":"success","data":{"groups":[{"name":"none","file":"f","interval":60,"rules":null,"partialResponseStrategy":"ABORT"},{"name":"g","file":"f","interval":60,"rules":[{"name":"r","type":"alerting","health":"ok","lastEvaluation":"2026-03-03T11:59:30Z"}]}]}}`))
	if err != nil || len(rec.Drafts) != 1 || len(rec.Completed) != 1 {
		t.Errorf("got %d drafts, complete %v, %v", len(rec.Drafts), rec.Completed, err)
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url is not set":      func(c *Config) { c.URL = "" },
		"user is set without": func(c *Config) { c.User = "u" },
		"stale_after is":      func(c *Config) { c.StaleAfter = 0 },
		"tenant_label is":     func(c *Config) { c.TenantLabel = "" },
		"base URL of x.example holds a user or password": func(c *Config) { c.URL = "http://u:geheim@x.example" },
	} {
		cfg := config("http://prom.example", "")
		change(&cfg)
		_, err := New(cfg, collectors.Env{Source: "prometheus/prod"})
		if !problem.Is(err, problem.Config) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "geheim") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Whatever a server answers, what is told of it is sound.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(vmalert))
	f.Add([]byte(`{"status":"success","data":{"groups":[{"name":"g","file":"../..","interval":1e300,"rules":[{"name":"\u0000","labels":{"tenant":"*","namespace":"*"},"duration":1e400}]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"groups":[{"name":"g","rules":[{"name":"r","lastEvaluation":"0001-01-01T00:00:00Z"},{"name":"r"}]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		groups, err := parseAnswer(body)
		if err != nil {
			return
		}
		c, err := New(config("http://127.0.0.1:1", ""), collectors.Env{Source: "prometheus/prod"})
		if err != nil {
			t.Fatal(err)
		}
		rec := &collectortest.Recorder{}
		l := &look{Collector: c, sink: rec, at: now, server: now, rare: map[string]time.Time{}}
		if err := l.tell(t.Context(), groups); err != nil {
			t.Fatal(err)
		}
		seen := map[evidence.Ref]bool{}
		for _, d := range rec.Pending {
			if seen[d.Subject] {
				t.Errorf("two rules are called %s", d.Subject)
			}
			seen[d.Subject] = true
			if d.Scope[0].Name == "*" {
				t.Errorf("%s is given to everybody", d.Subject)
			}
		}
	})
}
