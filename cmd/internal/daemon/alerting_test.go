package daemon

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors"
	"evidenced/collectors/alertmanager"
	"evidenced/collectors/alertrules"
	"evidenced/evidence"
)

// alerting stands in for an Alertmanager and a Prometheus.
type alerting struct {
	clock            *testClock
	began            time.Time
	alerts, silences string
	rules            string
}

func (a *alerting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", a.clock.t.Format(http.TimeFormat))
	switch r.URL.Path {
	case "/api/v2/status":
		fmt.Fprintf(w, `{"uptime":%q}`, a.began.Format(time.RFC3339))
	case "/api/v2/alerts":
		fmt.Fprint(w, a.alerts)
	case "/api/v2/silences":
		fmt.Fprint(w, a.silences)
	case "/api/v1/rules":
		fmt.Fprintf(w, `{"status":"success","data":{"groups":[{"name":"g","file":"r.yaml","interval":60,"rules":[%s]}]}}`, a.rules)
	}
}

// TestAlerting follows alerts, silences and rules of two tenants into their logs:
// each has its own, of shared silences its own part, and an alert that comes back
// with its old start is open again.
func TestAlerting(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	a := &alerting{clock: clock, began: begin.AddDate(0, 0, -1), alerts: "[]", silences: "[]"}
	srv := httptest.NewServer(a)
	defer srv.Close()
	file := filepath.Join(dir, "evidenced.yaml")
	text := "data_dir: data\nlisten: \"\"\nplatform:\n  owns:\n    - namespaces: [kube-system]\ntenants:\n" +
		"  - name: alpha\n    owns:\n      - labels: [tenant=alpha]\n        namespaces: [alpha-*]\n" +
		"  - name: bravo\n    owns:\n      - labels: [tenant=" + strange + "]\n        namespaces: [" + strange + "-*]\n" +
		"sources:\n  - name: alertmanager/prod\n    type: alertmanager\n    config:\n      urls: [" + srv.URL + "]\n" +
		"  - name: prometheus/prod\n    type: alert-rules\n    config:\n      url: " + srv.URL + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{alertmanager.Spec(), alertrules.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), Options{Config: cfg, Clock: clock.now, Program: "evidenced test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	look := func() {
		t.Helper()
		clock.t = clock.t.Add(time.Minute)
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
	}
	told := func(tenant string, kind evidence.Kind) (out []string) {
		t.Helper()
		r, err := e.Reader(t.Context(), mustTenant(t, tenant))
		if tenant == "_platform" {
			r, err = e.Reader(t.Context(), evidence.Platform)
		}
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{kind}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec, err = r.Record(t.Context(), rec.Seq); err != nil { // with its text
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s %s %s %s %s", rec.Op, rec.Subject.Name, rec.Facts, rec.Text, rec.Scope))
		}
		return out
	}
	open := func(tenant string, kind evidence.Kind) (out []string) {
		t.Helper()
		r, err := e.Reader(t.Context(), mustTenant(t, tenant))
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range r.States(t.Context(), kind, clock.t) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rec.Subject.Name)
		}
		slices.Sort(out)
		return out
	}
	fires := func(print, tenant string, starts time.Time) string {
		return fmt.Sprintf(`{"fingerprint":%q,"startsAt":%q,"status":{"state":"active"},"labels":{"alertname":"Down","severity":"critical","tenant":%q,"pod":"%s-pod"}}`, print, starts.Format(time.RFC3339), tenant, tenant)
	}
	hush := func(id, matchers string) string {
		return fmt.Sprintf(`{"id":%q,"status":{"state":"active"},"startsAt":%q,"endsAt":%q,"updatedAt":%q,"createdBy":"bob","comment":"work on %s","matchers":[%s]}`,
			id, begin.Add(-time.Hour).Format(time.RFC3339), begin.Add(time.Hour).Format(time.RFC3339), begin.Add(-time.Hour).Format(time.RFC3339), strange, matchers)
	}
	const one, two = "00000000000000a1", "00000000000000b1"
	starts := begin.Add(-time.Hour)
	both := "[" + fires(one, "alpha", starts) + "," + fires(two, strange, starts) + "]"
	a.alerts = both
	a.silences = "[" + hush("of-both", `{"name":"tenant","value":"alpha|`+strange+`","isRegex":true,"isEqual":true}`) + "," +
		hush("of-all", `{"name":"severity","value":"info","isRegex":false,"isEqual":true},{"name":"pod","value":"`+strange+`-pod","isRegex":false,"isEqual":true},{"name":"tenant","value":"`+strange+`","isRegex":false,"isEqual":false}`) + "," +
		hush("of-bravo", `{"name":"namespace","value":"`+strange+`-web","isRegex":false,"isEqual":true}`) + "]"
	a.rules = `{"name":"Down","type":"alerting","health":"err","lastEvaluation":"` + begin.Format(time.RFC3339) + `","labels":{"tenant":"alpha"}},` +
		`{"name":"Up","type":"alerting","health":"ok","lastEvaluation":"` + begin.Format(time.RFC3339) + `"}`
	look()

	all := strings.Join(slices.Concat(told("alpha", evidence.AlertInstance), told("alpha", evidence.AlertSilence), told("alpha", evidence.AlertRule)), "\n")
	if strings.Contains(all, strange) {
		t.Errorf("alpha is told of another tenant:\n%s", all)
	}
	if got := open("alpha", evidence.AlertSilence); !slices.Equal(got, []string{"of-all", "of-both"}) || !strings.Contains(all, `"values":["alpha"]`) || !strings.Contains(all, `"others":{"matchers/values":1}`) {
		t.Errorf("alpha's silences are %q:\n%s", got, all)
	}
	if got := open("bravo", evidence.AlertSilence); !slices.Equal(got, []string{"of-all", "of-both", "of-bravo"}) {
		t.Errorf("bravo's silences are %q", got)
	}
	if got := strings.Join(told("bravo", evidence.AlertSilence), "\n"); !strings.Contains(got, "work on "+strange) {
		t.Errorf("bravo is not told why it is silenced:\n%s", got)
	}
	if got := open("alpha", evidence.AlertInstance); !slices.Equal(got, []string{one}) {
		t.Errorf("alpha's alerts are %q", got)
	}
	if got := open("alpha", evidence.AlertRule); !slices.Equal(got, []string{"r.yaml/g/Down"}) {
		t.Errorf("alpha's rules are %q", got)
	}
	if got := told("_platform", evidence.AlertRule); len(got) != 1 || !strings.Contains(got[0], "r.yaml/g/Up") {
		t.Errorf("the platform's rules are %q", got)
	}

	// Looking again tells nothing twice.
	n := len(told("alpha", evidence.AlertInstance)) + len(told("alpha", evidence.AlertSilence)) + len(told("alpha", evidence.AlertRule))
	look()
	if m := len(told("alpha", evidence.AlertInstance)) + len(told("alpha", evidence.AlertSilence)) + len(told("alpha", evidence.AlertRule)); m != n {
		t.Errorf("a second look makes %d records of %d", m, n)
	}
	// It ends, and is told again with its old start.
	a.alerts = "[]"
	look()
	if got := open("alpha", evidence.AlertInstance); len(got) != 0 {
		t.Errorf("after its end alpha's alerts are %q", got)
	}
	a.alerts = both
	look()
	if got := open("alpha", evidence.AlertInstance); !slices.Equal(got, []string{one}) {
		t.Errorf("after it came back alpha's alerts are %q", got)
	}
	// A restart empties the list, and ends nothing until it has settled.
	a.alerts, a.began = "[]", clock.t.Add(30*time.Second)
	look()
	if got := open("alpha", evidence.AlertInstance); !slices.Equal(got, []string{one}) {
		t.Errorf("right after a restart alpha's alerts are %q", got)
	}
	for range 3 {
		look()
	}
	last := told("alpha", evidence.AlertInstance)
	if got := open("alpha", evidence.AlertInstance); len(got) != 0 || !strings.Contains(last[len(last)-1], evidence.AlertGoneRestart) {
		t.Errorf("once it has settled alpha's alerts are %q: %s", got, last[len(last)-1])
	}
	// A silence expires.
	a.silences = strings.ReplaceAll(a.silences, `"state":"active"`, `"state":"expired"`)
	look()
	if got := open("alpha", evidence.AlertSilence); len(got) != 0 {
		t.Errorf("after they expired alpha's silences are %q", got)
	}
}
