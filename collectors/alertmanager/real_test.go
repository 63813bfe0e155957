package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// server is Debian's Alertmanager, with its data kept over restarts.
type server struct {
	t       *testing.T
	dir     string
	address string
	cmd     *exec.Cmd
	exited  chan error
}

func newServer(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: t.TempDir(), address: l.Addr().String()}
	l.Close()
	conf := "route:\n  receiver: none\n  group_wait: 1s\nreceivers:\n- name: none\n" +
		"inhibit_rules:\n- source_matchers: [severity=\"critical\"]\n  target_matchers: [severity=\"warning\"]\n  equal: [tenant]\n"
	if err := os.WriteFile(filepath.Join(s.dir, "am.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		s.t.Fatalf("Debian's prometheus-alertmanager is needed (sh deploy/test-tools.sh installs it): %v", err)
	}
	s.cmd = exec.Command(program, "--config.file="+filepath.Join(s.dir, "am.yaml"), "--storage.path="+filepath.Join(s.dir, "data"),
		"--web.listen-address="+s.address, "--cluster.listen-address=")
	var said strings.Builder
	s.cmd.Stderr = &said
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(s.cmd, s.exited)
	s.until("it is ready", func() bool {
		resp, err := http.Get("http://" + s.address + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends the process as an operator does, so that silences are kept.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
}

// until waits for something that the server does in its own time.
func (s *server) until(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the Alertmanager does not come to it: %s", what)
		}
	}
}

func (s *server) post(path string, body any) map[string]any {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post("http://"+s.address+"/api/v2/"+path, "application/json", bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("POST %s: %s %s %v", path, resp.Status, text, err)
	}
	var out map[string]any
	_ = json.Unmarshal(text, &out) // alerts are answered by nothing
	return out
}

// fire tells of an alert, as Prometheus does; an end that is over resolves it.
func (s *server) fire(starts, ends time.Time, labels ...string) {
	s.t.Helper()
	set := map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		set[k] = v
	}
	s.post("alerts", []any{map[string]any{"labels": set, "startsAt": starts, "endsAt": ends, "annotations": map[string]string{"summary": "x"}}})
}

func (s *server) expire(id string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodDelete, "http://"+s.address+"/api/v2/silence/"+id, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
}

// TestRealAlertmanager follows alerts and silences of Debian's Alertmanager: they
// fire, are hidden, shown again, resolved, and forgotten at a restart.
func TestRealAlertmanager(t *testing.T) {
	s := newServer(t)
	cfg := *Spec().Config().(*Config)
	cfg.URLs, cfg.Settle = []string{"http://" + s.address}, 0
	env := collectors.Env{Source: "alertmanager/prod"}
	var resume []byte
	fresh := func() *Collector {
		c, err := New(cfg, env)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := fresh()
	look := func() *collectortest.Recorder {
		t.Helper()
		rec := &collectortest.Recorder{}
		if err := c.Poll(context.WithoutCancel(t.Context()), evidence.Period{}, resume, rec); err != nil {
			t.Fatal(err)
		}
		resume = rec.Resume()
		return rec
	}
	told := func(rec *collectortest.Recorder, kind evidence.Kind) map[string]string {
		out := map[string]string{}
		for _, d := range rec.Of(kind) {
			var f struct {
				Name, Status, Reason string
				SilencedBy           []string `json:"silenced_by"`
				InhibitedBy          []string `json:"inhibited_by"`
				ID                   string
			}
			if err := json.Unmarshal(d.Content, &f); err != nil {
				t.Fatal(err)
			}
			name := f.Name + f.ID
			if d.Op == evidence.OpEnd {
				name = d.Subject.Name
			}
			out[name] = fmt.Sprintf("%s%s%d%d", f.Status, f.Reason, len(f.SilencedBy), len(f.InhibitedBy))
		}
		return out
	}
	if rec := look(); len(rec.Drafts) != 0 || last(rec).Incomplete != "" {
		t.Fatalf("an Alertmanager without anything: %+v %+v", rec.Drafts, last(rec))
	}

	starts := time.Now().Add(-time.Second).UTC()
	future := time.Now().Add(time.Hour).UTC()
	s.fire(starts, future, "alertname=Down", "severity=critical", "tenant=tenant-7")
	s.fire(starts, future, "alertname=Slow", "severity=warning", "tenant=tenant-7")
	var rec *collectortest.Recorder
	s.until("one alert inhibits the other", func() bool {
		rec = look()
		return told(rec, evidence.AlertInstance)["Slow"] == "suppressed01"
	})
	got := told(rec, evidence.AlertInstance)
	if got["Down"] != "active00" || len(got) != 2 {
		t.Fatalf("told of alerts: %v", got)
	}
	print := ""
	for _, d := range rec.Of(evidence.AlertInstance) {
		if strings.Contains(string(d.Content), `"Down"`) {
			print = d.Subject.Name
			if d.Scope[0].String() != "label:prod/tenant=tenant-7" {
				t.Errorf("its scope is %v", d.Scope)
			}
		}
	}

	made := s.post("silences", map[string]any{
		"matchers": []any{map[string]any{"name": "tenant", "value": "tenant-7", "isRegex": false, "isEqual": true}},
		"startsAt": time.Now().UTC(), "endsAt": future, "createdBy": "bob", "comment": "disks are replaced",
	})
	id := fmt.Sprint(made["silenceID"])
	s.until("the alert is hidden", func() bool {
		rec = look()
		return told(rec, evidence.AlertInstance)["Down"] == "suppressed10"
	})
	ds := rec.Of(evidence.AlertSilence)
	if len(ds) != 1 || ds[0].Subject.Name != id || string(ds[0].Text) != "disks are replaced" || ds[0].People[0].Names.Display != "bob" || ds[0].People[0].Proof != evidence.ProofClaimed {
		t.Fatalf("the silence is told as %+v", ds)
	}
	s.expire(id)
	s.until("the alert is shown again", func() bool {
		rec = look()
		return told(rec, evidence.AlertInstance)["Down"] == "active00"
	})
	// The look that saw it expired may be that one or one before: the end was told once.
	if rec = look(); len(rec.Of(evidence.AlertSilence)) != 0 {
		t.Errorf("a silence that is over is told again: %+v", rec.Of(evidence.AlertSilence))
	}

	s.fire(starts, time.Now().Add(-time.Millisecond).UTC(), "alertname=Down", "severity=critical", "tenant=tenant-7")
	s.until("the alert is resolved", func() bool {
		rec = look()
		return told(rec, evidence.AlertInstance)[print] != ""
	})
	if got := told(rec, evidence.AlertInstance)[print]; got != "absent00" {
		t.Errorf("it ends as %q", got)
	}

	// A restart: what fires is forgotten, silences are not.
	made = s.post("silences", map[string]any{
		"matchers": []any{map[string]any{"name": "tenant", "value": "tenant-8", "isRegex": false, "isEqual": true}},
		"startsAt": time.Now().UTC(), "endsAt": future, "createdBy": "bob", "comment": "disks are replaced",
	})
	look()
	s.stop()
	s.start()
	c = fresh()
	c.cfg.Settle = time.Hour
	rec = look()
	if got := told(rec, evidence.AlertInstance); len(got) != 0 || claimed(rec, evidence.AlertInstance).Class != evidence.Blind {
		t.Errorf("right after a restart these are told: %v, claimed %+v", got, claimed(rec, evidence.AlertInstance))
	}
	if got := told(rec, evidence.AlertSilence); got[fmt.Sprint(made["silenceID"])] != "00" {
		t.Errorf("right after a restart the silences are %v", got)
	}
	c = fresh()
	rec = look()
	gone := 0
	for name, how := range told(rec, evidence.AlertInstance) {
		if gone++; how != evidence.AlertGoneRestart+"00" {
			t.Errorf("%s ends as %q", name, how)
		}
	}
	if gone != 1 {
		t.Errorf("once it has settled %d alerts end, want the one that fired", gone)
	}
	x, err := c.Examine(t.Context())
	if err != nil || x.Version == "" || len(x.Rights) != 4 {
		t.Errorf("an examination says %+v, %v", x, err)
	}
}
