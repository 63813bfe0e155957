package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/alert/alerttest"
	"evidenced/evidence"
)

// told is one alert as the real Alertmanager tells its receiver.
type told struct {
	Status      string
	Labels      map[string]string
	Annotations map[string]string
}

// TestRealAlertmanager hands an outage to Debian's Alertmanager and waits for
// what its receiver hears: one alert, again nothing over restarts, its end.
func TestRealAlertmanager(t *testing.T) {
	heard := make(chan told, 100)
	hook := http.NewServeMux()
	hook.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Alerts []told }
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			t.Error(err)
		}
		for _, a := range m.Alerts {
			if a.Labels["alertname"] != HeartbeatName {
				heard <- a
			}
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: hook}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	base := alerttest.Alertmanager(t, "http://"+l.Addr().String()+"/")

	// The Alertmanager lives in real time, so the alerts do too.
	x := newBench(t, func(o *Options) { o.Hold, o.Release = 0, 0 })
	am := NewAlertmanager(client(t, base), time.Minute)
	var now time.Time
	step := func() {
		t.Helper()
		now = time.Now().UTC()
		if _, err := x.b.Step(now); err != nil {
			t.Fatal(err)
		}
		s := x.sender(am)
		s.Every = time.Minute
		if o, err := s.Step(t.Context(), now); o != Taken || err != nil {
			t.Fatalf("got %q, %v; want it taken", o, err)
		}
	}
	down := func() evidence.FindingFacts {
		return finding(evidence.NotObserved, because(evidence.ReasonSourceDown, evidence.Unseen{
			Source: "vault/prod", Kind: "secret.access", Class: evidence.Blind, From: now.Add(-time.Hour)}))
	}
	now = time.Now().UTC()
	x.give("tenant-7", down())
	x.give("tenant-8", down())
	step()
	got := <-heard
	if got.Status != "firing" || got.Labels["alertname"] != SourceUnseen || got.Labels["source"] != "vault/prod" || got.Labels["severity"] != "critical" {
		t.Errorf("heard %+v, want the outage firing", got)
	}
	if !strings.Contains(got.Annotations["tenants"], "tenant-7, tenant-8") || got.Annotations["controls"] != "dora-art-9-4-e" {
		t.Errorf("heard %v, want both tenants and the control", got.Annotations)
	}
	for range 3 { // restarts of the daemon, each telling all that fires
		x.open()
		x.give("tenant-7", down())
		x.give("tenant-8", down())
		step()
	}
	x.give("tenant-7", finding(evidence.Satisfied))
	x.give("tenant-8", finding(evidence.Satisfied))
	step()
	// The next thing it hears is the end: the restarts told nothing new.
	if got := <-heard; got.Status != "resolved" || got.Labels["cause"] == "" {
		t.Errorf("heard %+v, want the end of the outage", got)
	}
	// The heartbeat stands in the Alertmanager.
	resp, err := http.Get(base + "/api/v2/alerts?filter=alertname%3D" + HeartbeatName)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var beats []json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&beats); err != nil || len(beats) != 1 {
		t.Errorf("%d heartbeats stand there, err %v; want 1", len(beats), err)
	}
}

func TestAlertmanagerThatRefuses(t *testing.T) {
	r := newReceiver(t)
	am := NewAlertmanager(client(t, r.URL+"/prefix/"), time.Minute)
	for status, want := range map[int]string{401: "401", 400: "400", 404: "404", 503: "503"} {
		r.answer(status)
		err := am.Send(t.Context(), Message{At: t0})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("status %d: got error %v", status, err)
		}
	}
}

// Every alert goes, however many there are.
func TestAlertmanagerMany(t *testing.T) {
	r := newReceiver(t)
	m := Message{At: t0}
	for i := range 2*atOnce + 3 {
		m.Firing = append(m.Firing, Alert{ID: fmt.Sprint(i), Cause: Cause{Name: Gap, Test: fmt.Sprint(i)}, State: Firing})
	}
	if err := NewAlertmanager(client(t, r.URL), time.Minute).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range r.bodies {
		var list []amAlert
		if err := json.Unmarshal([]byte(b), &list); err != nil {
			t.Fatal(err)
		}
		n += len(list)
	}
	if want := 2*atOnce + 4; n != want || len(r.bodies) != 3 {
		t.Errorf("%d alerts in %d requests, want %d in 3", n, len(r.bodies), want)
	}
}
