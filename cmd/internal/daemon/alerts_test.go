package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
)

// What is judged is told: a source that fails makes one alert for all that
// waits for it, over a restart too, and its end when it is back.
func TestVerdictsAreAlerted(t *testing.T) {
	var told []alert.Alert
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var m struct{ Alerts []alert.Alert }
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil || !strings.HasPrefix(r.Header.Get(alert.SignatureHeader), "t=") {
			t.Errorf("a message that cannot be read, or unsigned: %v", err)
		}
		told = append(told, m.Alerts...)
	}))
	defer hook.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hook.secret"), []byte("a secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("alerts: {hold: 0s, release: 0s, to: [{name: hook, type: webhook, url: '%s', secret_file: %s}]}\n", hook.URL, filepath.Join(dir, "hook.secret"))
	clock := &testClock{begin}
	e, src := mustEngine(t, dir, clock, "tenant-1", config, nil)
	src.sees = []string{"acme/1"}
	open := func() {
		t.Helper()
		var err error
		if e.alerts, err = e.openAlerts(); err != nil {
			t.Fatal(err)
		}
	}
	open()
	step := func() []alert.Alert {
		t.Helper()
		judgeNow(t, e)
		told = nil
		if _, err := e.alerts.board.Step(e.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := e.alerts.senders[0].Step(t.Context(), e.Now()); err != nil {
			t.Fatal(err)
		}
		return told
	}
	src.emit = []evidence.Draft{mergeDraft("acme/1", 1, clock.t.Add(-time.Minute), true)}
	collectAt(t, e, clock, evidence.RunDone)
	src.emit = nil
	collectAt(t, e, clock, evidence.RunEmpty)
	step()
	src.fail = true
	for range 3 {
		collectAt(t, e, clock, evidence.RunFailed)
	}
	find := func(as []alert.Alert) (n int, a alert.Alert) {
		for _, x := range as {
			if x.Cause.Name == alert.SourceUnseen && x.Cause.Source != "" {
				n, a = n+1, x
			}
		}
		return n, a
	}
	n, a := find(step())
	if n != 1 || a.State != alert.Firing || len(a.Controls) < 2 {
		t.Fatalf("%d alerts of the source: %+v", n, told)
	}
	clock.t = clock.t.Add(time.Minute)
	open() // as after a restart
	if n, a := find(step()); n != 0 {
		t.Errorf("told again after a restart: %+v", a)
	}
	src.fail = false
	collectAt(t, e, clock, evidence.RunEmpty)
	ended := step()
	clock.t = clock.t.Add(time.Minute)
	ended = append(ended, step()...)
	if n, a = find(ended); n != 1 || a.State != alert.Resolved {
		for _, x := range ended {
			t.Logf("%s %s of %s", x.State, x.Cause.Name, x.Cause.Source)
		}
		t.Errorf("after the source came back %d messages about it", n)
	}
}

// A destination that cannot be is said at the start.
func TestAlertsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	e, _ := mustEngine(t, dir, &testClock{begin}, "tenant-1", "alerts: {to: [{name: m, type: smtp, address: 'localhost:25', tls: none, from: nobody, recipients: ['a@b.example']}]}\n", nil)
	if _, err := e.openAlerts(); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "alerts.to m") {
		t.Errorf("got %v, want a problem that names the destination", err)
	}
}

// The law's clock does not wait for somebody to declare awareness, so neither
// does the warning.
func TestUndeclaredAwarenessFallsDue(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e, _ := mustEngine(t, dir, clock, "tenant-1", "", nil)
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	declared := e.Now()
	id := declareIn(t, e, "tenant-1")
	ds, err := e.deadlines(t.Context(), mustTenant(t, "tenant-1"), e.Now())
	if err != nil || len(ds) != 1 || ds[0].Key != id+"/gdpr.authority" || !strings.Contains(ds[0].Says, "nobody has declared") {
		t.Fatalf("got %+v, %v", ds, err)
	}
	if due := declared.Add(72 * time.Hour); ds[0].Due.Sub(due).Abs() > time.Minute {
		t.Errorf("due %s, want 72 h after the declaration %s", ds[0].Due, due)
	}
	at := evidence.FormatTime(declared.Add(-10 * time.Hour))
	if _, err := incidentAct(t, e, api.IncidentParams{Common: api.Common{Tenant: "tenant-1"}, Act: "clock", ID: id, Law: "gdpr", Aware: at}); err != nil {
		t.Fatal(err)
	}
	ds, err = e.deadlines(t.Context(), mustTenant(t, "tenant-1"), e.Now())
	if err != nil || len(ds) != 1 || strings.Contains(ds[0].Says, "nobody has declared") || ds[0].Due.Sub(declared.Add(62*time.Hour)).Abs() > time.Minute {
		t.Errorf("declared: %+v, %v", ds, err)
	}
}

func TestDueOf(t *testing.T) {
	from := begin
	open := &incident.Incident{ID: "inc1", Decisions: []incident.Decision{{IncidentDecisionFacts: evidence.IncidentDecisionFacts{Law: "dora", Decision: "major"}}}}
	k := deadline.Clock{Stage: deadline.DORAInitial, Article: "2025/301 Art 5(1)(a)", Start: "classification as major", State: deadline.Running, From: from, Due: deadline.Due{Safe: from.Add(4 * time.Hour), Latest: from.Add(4 * time.Hour)}}
	d := dueOf(open, &k)
	if !d.Due.Equal(from.Add(4*time.Hour)) || !d.Warn.Equal(from.Add(3*time.Hour)) || d.Says != "incident inc1: dora.initial (2025/301 Art 5(1)(a)) is due by 2026-11-01T12:00:00Z" {
		t.Errorf("got %+v", d)
	}
	k.State = deadline.Overdue
	if d = dueOf(open, &k); !strings.HasSuffix(d.Says, "was due by 2026-11-01T12:00:00Z, and nothing is on record as sent") {
		t.Errorf("got %+v", d)
	}
	k.State, k.Due.Safe, k.Due.Latest = deadline.Running, from.Add(72*time.Hour), from.Add(96*time.Hour)
	if d = dueOf(open, &k); !d.Warn.Equal(from.Add(54*time.Hour)) || !strings.Contains(d.Says, "at the very latest by") {
		t.Errorf("got %+v", d)
	}
	if d = dueOf(&incident.Incident{ID: "inc1"}, &k); !strings.Contains(d.Says, "waits for the classification: 4 h run from it") {
		t.Errorf("not classified: %+v", d)
	}
	k.State, k.Sent = deadline.NoReceipt, from.Add(70*time.Hour)
	if d = dueOf(open, &k); !d.Warn.Equal(from.Add(54*time.Hour)) || !d.Due.Equal(k.Sent.Add(7*24*time.Hour)) || !strings.Contains(d.Says, "has no receipt") {
		t.Errorf("a receipt is owed: %+v", d)
	}
	closed := &incident.Incident{ID: "inc1", Decisions: open.Decisions, Closed: from}
	for _, s := range []deadline.State{deadline.Running, deadline.PastSafe, deadline.Overdue, deadline.NoReceipt} {
		k.State = s
		if !isTold(open, &k, from) || !isTold(closed, &k, from.Add(time.Hour)) || isTold(closed, &k, from.Add(1000*time.Hour)) {
			t.Errorf("a clock that is %s is told of an open incident, and of a closed one while its limit lies in what is judged", s)
		}
	}
	for _, s := range []deadline.State{deadline.Met, deadline.MetLate, deadline.Void, deadline.OnRequest} {
		if k.State = s; isTold(open, &k, from) {
			t.Errorf("a clock that is %s is told", s)
		}
	}
	k.State = deadline.Running
	if isTold(&incident.Incident{Closed: from}, &k, from) {
		t.Error("a closed incident waits for a classification")
	}
	k.State, k.Due = deadline.Owed, deadline.Due{}
	if isTold(open, &k, from) {
		t.Error("a clock without a limit is told")
	}
	k = deadline.Clock{Stage: deadline.DORARecurring, Start: "latest look", State: deadline.Overdue, Due: deadline.Due{Safe: from, Latest: from}}
	if closed.Closed = from.Add(time.Hour); !isTold(open, &k, from) || !isTold(closed, &k, from) {
		t.Error("a look that was due before the close is not told")
	}
	if closed.Closed = from; isTold(closed, &k, from) {
		t.Error("a look is asked for at a closed incident")
	}
}
