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
		w.Env.Seal = keyring
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
		// Audit devices are left to TestState: a request with a body keeps the
		// suite's hanging handler from noticing that its client has gone.
		Wants: []evidence.Kind{evidence.SecretAccess, evidence.SecretAuth, evidence.SecretMount,
			evidence.SecretPolicy, evidence.SecretRole, evidence.SecretIdentity, evidence.SecretRotation, evidence.SecretLease, evidence.SecretServer},
	}))
}

// progress is what was committed so far.
type progress struct{ reads, states, continuous int }

// signal tells of commits that pass through it.
type signal struct {
	collectortest.Recorder
	commits chan progress
}

func (s *signal) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	err := s.Recorder.Commit(ctx, resume, o)
	if err != nil {
		return err
	}
	var p progress
	for _, d := range s.Drafts {
		switch {
		case d.Op == evidence.OpSet:
			p.states++
		case d.Kind == evidence.SecretAccess && strings.Contains(string(d.Content), `"reading":true`):
			p.reads++
		}
	}
	for _, cm := range s.Commits {
		for _, x := range cm.Observation.Seen {
			if x.Class == evidence.Continuous {
				p.continuous++
			}
		}
	}
	s.commits <- p
	return nil
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
	sink := &signal{commits: make(chan progress, 10000)}
	done := make(chan error)
	go func() { done <- c.Follow(ctx, nil, sink) }()
	until := func(ok func(progress) bool) {
		t.Helper()
		for range 10000 {
			select {
			case p := <-sink.commits:
				if ok(p) {
					return
				}
			case err := <-done:
				t.Fatalf("Follow ended: %v", err)
			case <-time.After(2 * time.Millisecond):
				s.forward(time.Second) // commits and probes follow the clock
			}
		}
		t.Fatal("what was waited for was never committed")
	}
	until(func(p progress) bool { return p.states > 10 })
	writeReads := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.g.t = s.clock
		add(t, path, s.g.reads(n))
	}
	writeReads(10)
	until(func(p progress) bool { return p.reads == 10 })
	s.mu.Lock()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.mu.Unlock()
	writeReads(10)
	until(func(p progress) bool { return p.reads == 20 && p.continuous > 0 })
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Follow returned %v", err)
	}
	for _, cm := range sink.Commits {
		for _, x := range cm.Observation.Seen {
			if x.Class == evidence.Blind {
				t.Errorf("blind: %+v", x)
			}
		}
	}
}
