package vault

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// probeID is the request id of the recorded lookup-self.
const probeID = "5e0c1111-2222-4333-8444-555566667777"

// suiteLog is a log of both kinds of requests in which the recorded probe
// turns up.
func suiteLog(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "audit.log")
	g := newGen()
	text := g.both(g.login("alice.meier")) + g.reads(12)
	named := g.login("bob.weber@example.org")
	named.resp, named.respErr = obj{}, "invalid credentials"
	text += g.both(named) + g.both(call{who: "alice.meier", op: "read", path: "identity/entity/name/alice.meier", mount: "identity/", mountType: "identity"})
	text += g.both(call{who: "collector", op: "read", path: "auth/token/lookup-self", mount: "auth/token/", mountType: "token", id: probeID, resp: obj{"data": obj{"ttl": 1}}})
	write(t, path, text)
	return path
}

func suiteOf(t *testing.T, cfg Config, s collectortest.Suite) collectortest.Suite {
	s.Source, s.Now = "vault/prod", later
	s.Planted = []string{"alice.meier", "bob.weber", "example.org", "alice-m"}
	s.New = func(t testing.TB, w collectortest.World) collectors.Collector {
		cfg := cfg
		if w.URL != "" {
			cfg.URL, cfg.TokenFile = w.URL, w.TokenFile
		}
		c, err := build(cfg, w.Env, func(o *fetch.Options) {
			o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody
		})
		if err != nil {
			t.Fatal(err)
		}
		c.interval, c.batch = 0, 4
		return c
	}
	return s
}

func TestSuiteFile(t *testing.T) {
	collectortest.Run(t, suiteOf(t, Config{AuditFiles: []string{suiteLog(t)}}, collectortest.Suite{Wants: auditKinds}))
}

func TestSuiteAPI(t *testing.T) {
	collectortest.Run(t, suiteOf(t, Config{AuditFiles: []string{suiteLog(t)}}, collectortest.Suite{
		Conversation: "testdata/api.txtar",
		Wants:        append([]evidence.Kind{evidence.SecretAccess, evidence.SecretAuth}, stateKinds...),
		Means: func(status int, line string) bool {
			return (status == 403 || status == 401) && strings.Contains(line, "audit-hash") // the salt era is optional
		},
	}))
}

// signal tells of commits that pass through it.
type signal struct {
	collectortest.Recorder
	commits chan int // drafts so far
}

func (s *signal) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	err := s.Recorder.Commit(ctx, resume, o)
	if err == nil {
		s.commits <- len(s.Drafts)
	}
	return err
}

// TestFollow stays with a file that grows, is rotated and grows again.
func TestFollow(t *testing.T) {
	s := newServer(t)
	vaultState(s)
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	write(t, path, "")
	s.audit = path
	c := s.collector(t, Config{AuditFiles: []string{path}})
	c.tick, c.batch = time.Millisecond, 5
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &signal{commits: make(chan int, 10000)}
	done := make(chan error)
	go func() { done <- c.Follow(ctx, nil, sink) }()
	grown := func(drafts int) {
		t.Helper()
		for {
			select {
			case n := <-sink.commits:
				if n >= drafts {
					return
				}
			case err := <-done:
				t.Fatalf("Follow ended: %v", err)
			case <-time.After(20 * time.Second):
				t.Fatal("no commit")
			}
		}
	}
	grown(20) // the state and what asking for it left in the log
	writeReads := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.g.t = s.clock
		add(t, path, s.g.reads(n))
	}
	writeReads(10)
	s.forward(6 * time.Second)
	grown(30)
	s.mu.Lock()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.mu.Unlock()
	writeReads(10)
	s.forward(61 * time.Second)
	grown(40)
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Follow returned %v", err)
	}
	continuous := 0
	for _, cm := range sink.Commits {
		for _, x := range cm.Observation.Seen {
			switch x.Class {
			case evidence.Continuous:
				continuous++
			case evidence.Blind:
				t.Errorf("blind: %+v", x)
			}
		}
	}
	if continuous == 0 {
		t.Error("nothing is covered continuously")
	}
	reads := 0
	for _, d := range sink.Drafts {
		if d.Kind == evidence.SecretAccess && facts(t, d).Reading {
			reads++
		}
	}
	if reads != 20 {
		t.Errorf("%d reads, want 20", reads)
	}
}
