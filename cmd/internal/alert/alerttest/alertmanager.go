// Package alerttest starts the real Alertmanager for tests.
package alerttest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Alertmanager starts Debian's Alertmanager with one receiver, which tells hook,
// a URL, each alert by itself once when it fires and once when it is resolved.
// It returns the Alertmanager's address, as a URL without a slash at its end.
// The process ends with the test.
func Alertmanager(t *testing.T, hook string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Fatalf("Debian's prometheus-alertmanager is needed (sh deploy/test-tools.sh installs it): %v", err)
	}
	dir := t.TempDir()
	conf := fmt.Sprintf(`
route:
  receiver: hook
  group_by: [alertname, cause]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 24h
receivers:
- name: hook
  webhook_configs:
  - url: %s
    send_resolved: true
`, hook)
	if err := os.WriteFile(filepath.Join(dir, "am.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "am.yaml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if resp, err := http.Get("http://" + address + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("the Alertmanager ended: %v\n%s", err, said.String())
		case <-t.Context().Done():
			t.Fatal("the Alertmanager did not start")
		case <-again.C:
		}
	}
}
