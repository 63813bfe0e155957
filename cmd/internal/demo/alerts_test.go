//go:build !race

package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/cmd/internal/alert"
	"evidenced/cmd/internal/alert/alerttest"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/collectors/all"
	"evidenced/evidence"
	"evidenced/testdata/world"
)

// heard is one alert as the Alertmanager told its receiver.
type heard struct {
	Status string
	Labels map[string]string
}

// bridge stands between the demonstration and an Alertmanager, which has the
// wall clock alone: it moves the times of each message by what the two clocks
// are apart.
type bridge struct {
	t     *testing.T
	clock func() time.Time
	to    string

	mu   sync.Mutex
	last []map[string]any // the alerts of the newest message, as they came
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var list []map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&list); err != nil {
		b.t.Errorf("a message that cannot be read: %v", err)
	}
	b.mu.Lock()
	b.last = list
	b.mu.Unlock()
	apart := time.Since(b.clock())
	moved := make([]map[string]any, len(list))
	for i, a := range list {
		moved[i] = map[string]any{"labels": a["labels"], "annotations": a["annotations"]}
		for _, k := range []string{"startsAt", "endsAt"} {
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(a[k]))
			if err != nil {
				b.t.Errorf("%s of an alert: %v", k, err)
			}
			moved[i][k] = at.Add(apart)
		}
	}
	body, err := json.Marshal(moved)
	if err != nil {
		b.t.Error(err)
	}
	resp, err := http.Post(b.to+r.URL.Path, "application/json", bytes.NewReader(body))
	if err != nil {
		b.t.Error(err)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		b.t.Errorf("the Alertmanager refuses: %s %s", resp.Status, text)
	}
	w.WriteHeader(resp.StatusCode)
}

// told counts what the receiver heard of each cause.
type told struct {
	n      map[string]int // "STATUS CAUSE"
	labels map[string]map[string]string
}

// until takes what comes in until done is content with it.
func (x *told) until(t *testing.T, in <-chan heard, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case h := <-in:
			x.n[h.Status+" "+h.Labels["cause"]]++
			x.labels[h.Labels["cause"]] = h.Labels
		case <-ctx.Done():
			t.Fatalf("the Alertmanager did not tell %s", what)
		}
	}
}

// checkDemoAlerts lets Debian's Alertmanager hear of the gaps that the story
// leaves, over a restart, and of the end of one that is mended: tenant-5 tries
// the restore again that broke off.
func checkDemoAlerts(t *testing.T, p *demo.Platform, s *demo.Summary) {
	in := make(chan heard, 10_000)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Alerts []heard }
		if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&m); err != nil {
			t.Error(err)
		}
		for _, a := range m.Alerts {
			in <- a
		}
	}))
	defer receiver.Close()
	am := alerttest.Alertmanager(t, receiver.URL+"/")
	b := &bridge{t: t, clock: p.Now, to: am}
	between := httptest.NewServer(b)
	defer between.Close()
	cfg := withAlerts(t, s, between.URL)
	open := func() (*daemon.Engine, func(context.Context) error) {
		t.Helper()
		e, err := daemon.Open(t.Context(), daemon.Options{Config: cfg, Program: "evidenced test", Clock: p.Now, Simulated: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		tell, err := e.Alerting()
		if err != nil {
			t.Fatal(err)
		}
		return e, tell
	}
	judge := func(e *daemon.Engine, tell func(context.Context) error) {
		t.Helper()
		if err := e.Judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := tell(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	x := &told{map[string]int{}, map[string]map[string]string{}}

	e, tell := open()
	judge(e, tell)
	firing := b.causes(true)
	gap := ""
	for cause, labels := range firing {
		if labels["tenant"] == "tenant-5" && labels["test"] == "restore-ok" {
			gap = cause
		}
	}
	if gap == "" {
		e.Close()
		t.Fatalf("nothing fires for the restore of tenant-5 that broke off; %d alerts do", len(firing))
	}
	x.until(t, in, "every alert that fires", func() bool {
		for cause := range firing {
			if x.n["firing "+cause] == 0 {
				return false
			}
		}
		return true
	})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}

	// The daemon comes back after a while and tells all that fires, as the
	// Alertmanager expects.
	if err := p.Advance(p.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	e, tell = open()
	defer e.Close()
	judge(e, tell)
	if d := cmp.Diff(firing, b.causes(true)); d != "" {
		t.Errorf("what is told after a restart is not what was told before (-before +after):\n%s", d)
	}

	// The restore is tried again, and comes back whole.
	if err := p.Play(world.Act{At: p.Now().Add(40 * time.Minute), Do: world.Restore, Tenant: "tenant-5", State: "Completed", Took: 6 * time.Minute, Into: "fresh", Check: "passed"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Advance(p.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, source := range p.Sources() {
		if _, err := e.Look(t.Context(), evidence.SourceID(source.Name), p.Now()); err != nil {
			t.Fatal(err)
		}
	}
	judge(e, tell)
	x.until(t, in, "that the gap is mended", func() bool { return x.n["resolved "+gap] > 0 })
	if labels := x.labels[gap]; labels["tenant"] != "tenant-5" || labels["test"] != "restore-ok" || labels["severity"] == "" {
		t.Errorf("the alert has the labels %v", labels)
	}
	for what, n := range x.n {
		if n != 1 && !strings.HasSuffix(what, " ") { // the heartbeat has no cause
			t.Errorf("%s was told %d times", what, n)
		}
	}
	checkStanding(t, am, gap)
}

// causes are the alerts of the newest message that fire, or are resolved, with
// their labels.
func (b *bridge) causes(firing bool) map[string]map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]map[string]string{}
	for _, a := range b.last {
		labels := map[string]string{}
		for k, v := range a["labels"].(map[string]any) {
			labels[k] = fmt.Sprint(v)
		}
		ends, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(a["endsAt"]))
		if cause := labels["cause"]; cause != "" && ends.After(b.clock()) == firing {
			out[cause] = labels
		}
	}
	return out
}

// checkStanding asks the Alertmanager itself: the heartbeat stands there, what
// was mended does not.
func checkStanding(t *testing.T, am, gone string) {
	t.Helper()
	resp, err := http.Get(am + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stand []struct{ Labels map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&stand); err != nil {
		t.Fatal(err)
	}
	beats := 0
	for _, a := range stand {
		if a.Labels["alertname"] == alert.HeartbeatName {
			beats++
		}
		if a.Labels["cause"] == gone {
			t.Error("the mended gap still stands in the Alertmanager")
		}
	}
	if beats != 1 || len(stand) < 5 {
		t.Errorf("%d alerts stand in the Alertmanager, %d of them heartbeats", len(stand), beats)
	}
}

// withAlerts is the demonstration's configuration with one destination more.
func withAlerts(t *testing.T, s *demo.Summary, url string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	// Longer than any test takes, so that nothing ends there by itself.
	text = fmt.Appendf(text, "alerts: {hold: 0s, release: 0s, to: [{name: am, type: alertmanager, url: '%s', every: 10m}]}\n", url)
	file := filepath.Join(filepath.Dir(s.Config), "alerting.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
