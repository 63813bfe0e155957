package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

func own(m *Metrics) []string {
	var b bytes.Buffer
	m.Write(&b)
	var lines []string
	for _, l := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(l, "evidenced_") {
			lines = append(lines, l)
		}
	}
	return lines
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Add("evidenced_records_total", Labels{Tenant: evidence.Platform, Source: "vault/prod", Kind: evidence.SecretAccess}, 3)
	m.Add("evidenced_records_total", Labels{Tenant: evidence.Platform, Source: "vault/prod", Kind: evidence.SecretAccess}, 4)
	m.Add("evidenced_runs_total", Labels{Outcome: "a\"b\\c\nd\x01\xff"}, 1)
	m.Time("evidenced_run_timestamp_seconds", Labels{Source: "a"}, time.Unix(1794664800, 0))
	m.Set("evidenced_logs", Labels{}, 8)
	m.Func("evidenced_queue", Labels{}, func() float64 { return 2 })
	want := []string{
		`evidenced_logs 8`,
		`evidenced_queue 2`,
		`evidenced_records_total{tenant="_platform",source="vault/prod",kind="secret.access"} 7`,
		`evidenced_run_timestamp_seconds{source="a"} 1794664800`,
		`evidenced_runs_total{outcome="a\"b\\c\nd??"} 1`,
	}
	if d := cmp.Diff(want, own(m)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestObserve(t *testing.T) {
	m := NewMetrics()
	for _, d := range []time.Duration{time.Millisecond, time.Second, 2 * time.Hour} {
		m.Observe("evidenced_run_duration_seconds", Labels{Source: "a"}, d)
	}
	got := strings.Join(own(m), "\n")
	for _, want := range []string{
		`_bucket{source="a",le="0.005"} 1`, `_bucket{source="a",le="0.5"} 1`, `_bucket{source="a",le="1"} 2`,
		`_bucket{source="a",le="1800"} 2`, `_bucket{source="a",le="+Inf"} 3`, `_count{source="a"} 3`, `_sum{source="a"} 7201.001`,
	} {
		if !strings.Contains(got, "evidenced_run_duration_seconds"+want) {
			t.Errorf("no line %s in\n%s", want, got)
		}
	}
}

func TestBadNamesPanic(t *testing.T) {
	for name, f := range map[string]func(*Metrics){
		"prefix":   func(m *Metrics) { m.Add("records_total", Labels{}, 1) },
		"counter":  func(m *Metrics) { m.Add("evidenced_records", Labels{}, 1) },
		"unit":     func(m *Metrics) { m.Observe("evidenced_run_ms", Labels{}, 1) },
		"injected": func(m *Metrics) { m.Set(`evidenced_x{a="b"}`, Labels{}, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f(NewMetrics())
		}()
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log, err := NewLogger(&b, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not shown")
	zone := time.FixedZone("x", 3600)
	log.Warn("run failed", "slot", time.Date(2026, 11, 14, 14, 0, 0, 0, zone), "took", 90*time.Second, "token", evidence.NewSecret("hunter2"))
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, b.Bytes())
	}
	delete(line, "time")
	want := map[string]any{"level": "WARN", "msg": "run failed", "slot": "2026-11-14T13:00:00Z", "took": "1m30s", "token": "<secret>"}
	if d := cmp.Diff(want, line); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, bad := range [][2]string{{"loud", "json"}, {"info", "xml"}} {
		if _, err := NewLogger(&b, bad[0], bad[1]); err == nil {
			t.Errorf("NewLogger(%q): no error", bad)
		}
	}
}

func TestHandler(t *testing.T) {
	sick := errors.New("log of tenant-7 has stopped")
	for _, tc := range []struct {
		method, path string
		ready        error
		status       int
		body         string
	}{
		{"GET", "/healthz", sick, 200, "alive\n"},
		{"GET", "/readyz", sick, 503, "not ready: log of tenant-7 has stopped\n"},
		{"GET", "/readyz", nil, 200, "ready\n"},
		{"POST", "/healthz", nil, 405, ""},
		{"GET", "/", nil, 404, ""},
		{"GET", "/metrics", nil, 200, ""},
	} {
		w := httptest.NewRecorder()
		Handler(NewMetrics(), Health{Ready: func(context.Context) error { return tc.ready }}).
			ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, nil))
		if w.Code != tc.status || tc.body != "" && w.Body.String() != tc.body {
			t.Errorf("%s %s: got %d %q, want %d %q", tc.method, tc.path, w.Code, w.Body, tc.status, tc.body)
		}
	}
}

func TestServeLetsRequestsFinish(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan bool), make(chan bool)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "done")
	})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	body := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-begun
	cancel()
	close(release)
	if got := <-body; got != "done" {
		t.Errorf("request in flight got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A name that somebody made lead to loopback is not answered.
func TestLocal(t *testing.T) {
	h := Local(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "names of tenants") }))
	for host, status := range map[string]int{
		"127.0.0.1:9320": 200, "127.0.0.1": 200, "localhost:9320": 200, "LOCALHOST": 200, "[::1]:9320": 200, "[::1]": 200,
		"rebound.example:9320": 421, "rebound.example": 421, "localhost.rebound.example": 421, "127.0.0.1.rebound.example": 421, "": 421,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != status || status != 200 && strings.Contains(w.Body.String(), "tenants") {
			t.Errorf("Host %q: %d %q, want %d", host, w.Code, w.Body, status)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !OnLoopback(l) {
		t.Errorf("%s is not said to be on loopback", l.Addr())
	}
}
