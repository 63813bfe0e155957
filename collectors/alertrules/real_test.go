package alertrules

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// rules of which one works, one fails whenever it is evaluated, and one waits for
// its group's long interval.
const rules = `
groups:
- name: quick
  interval: 1s
  rules:
  - alert: Works
    expr: vector(1)
    labels: {severity: critical, tenant: tenant-7}
    annotations: {summary: "of {{ $labels.instance }}"}
  - alert: Fails
    expr: label_replace(vector(1), "not a label", "x", "", "")
    labels: {severity: warning, namespace: tenant-8-web}
  - record: ratio
    expr: vector(2)
- name: slow
  interval: 6h
  rules:
  - alert: Waits
    expr: vector(0) > 1
`

// TestRealPrometheus reads the rules of Debian's Prometheus.
func TestRealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("Debian's prometheus is needed (sh deploy/test-tools.sh installs it): %v", err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"rules.yaml": rules, "prometheus.yaml": "rule_files: [rules.yaml]\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	cfg := *Spec().Config().(*Config)
	cfg.URL = "http://" + address
	c, err := New(cfg, collectors.Env{Source: "prometheus/prod"})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for ready := false; !ready; time.Sleep(100 * time.Millisecond) {
		if resp, err := http.Get(cfg.URL + "/-/ready"); err == nil {
			resp.Body.Close()
			ready = resp.StatusCode == http.StatusOK
		}
		if !ready && time.Now().After(deadline) {
			t.Fatalf("the Prometheus is not ready: %s", said.String())
		}
	}
	want := map[string]string{
		"Works": `alerting firing "" label:prod/tenant=tenant-7`, "Fails": `alerting inactive "error" ns:prod/tenant-8-web`,
		"ratio": `recording  "" ns:prod/kube-system`, "Waits": `alerting inactive "never" ns:prod/kube-system`,
	}
	for {
		rec := &collectortest.Recorder{}
		if err := c.Poll(t.Context(), evidence.Period{}, nil, rec); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, d := range rec.Of(evidence.AlertRule) {
			var f evidence.AlertRuleFacts
			if err := json.Unmarshal(d.Content, &f); err != nil {
				t.Fatal(err)
			}
			got[f.Name] = fmt.Sprintf("%s %s %q %s", f.Type, f.State, f.Blind, d.Scope[0])
		}
		if fmt.Sprint(got) == fmt.Sprint(want) && len(rec.Completed) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %v", got, want)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
