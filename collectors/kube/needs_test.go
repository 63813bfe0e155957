package kube

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// A feed that needs another begins once that one was tried, however that went.
func TestNeeds(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tried := range map[string]func(*standing){
		"listed":         func(st *standing) { st.whole = true },
		"not installed":  func(st *standing) { st.Absent = true },
		"not readable":   func(st *standing) { st.fault = errors.New("refused") },
		"goes on from a": func(st *standing) { st.RV = "7" },
	} {
		rs := tiny()
		rs[1].Needs = []string{rs[0].name()}
		cfg := DefaultConfig()
		cfg.Server, cfg.TokenFile = "https://cluster.example.test", token
		c, err := New(cfg, collectors.Env{Source: "kubernetes/prod", Clock: time.Now}, "tiny/1", rs)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.(*Collector).session(nil, &collectortest.Recorder{})
		if err != nil {
			t.Fatal(err)
		}
		fw := &following{session: s, placed: make(chan struct{}), waiting: map[*feed]chan struct{}{}}
		if fw.gateOf(s.feeds[0]) != (<-chan struct{})(fw.placed) {
			t.Errorf("%s: what needs nothing waits for more than the namespaces", name)
		}
		gate := fw.gateOf(s.feeds[1])
		open := func() bool {
			fw.release()
			select {
			case <-gate:
				return true
			default:
				return false
			}
		}
		s.known = true
		if open() {
			t.Errorf("%s: it begins before the other was tried", name)
		}
		s.known = false
		tried(s.st[s.feeds[0]])
		if open() {
			t.Errorf("%s: it begins before the namespaces are known", name)
		}
		s.known = true
		if !open() {
			t.Errorf("%s: it never begins", name)
		}
	}
}
