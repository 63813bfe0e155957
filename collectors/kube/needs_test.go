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

// A resource of the cluster waits for the namespaces to be known only when it needs
// them, and then although it is in none.
func TestNeedsNamespaces(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	drafts := tiny()[0].Drafts
	rs := []Resource{
		{Resource: "namespaces", Kind: "Namespace", Versions: []string{"v1"}, Cluster: true, Drafts: drafts},
		{Resource: "nodes", Kind: "Node", Versions: []string{"v1"}, Cluster: true, Drafts: drafts},
		{Resource: "persistentvolumes", Kind: "PersistentVolume", Versions: []string{"v1"}, Cluster: true, Needs: []string{"nodes"}, Drafts: drafts},
		{Group: "cilium.io", Resource: "rules", Kind: "Rule", Versions: []string{"v2"}, Cluster: true, Needs: []string{"namespaces"}, Drafts: drafts},
	}
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
	plain, needy := fw.gateOf(s.feeds[2]), fw.gateOf(s.feeds[3])
	open := func(gate <-chan struct{}) bool {
		fw.release()
		select {
		case <-gate:
			return true
		default:
			return false
		}
	}
	s.st[s.feeds[0]].whole, s.st[s.feeds[1]].whole = true, true
	if !open(plain) || open(needy) {
		t.Errorf("before the namespaces are known: what does not need them begins: %t, what does: %t", open(plain), open(needy))
	}
	s.known = true
	if !open(needy) {
		t.Error("it never begins")
	}
}

// One object by its name, in its own namespace: the list asks for it alone, and a
// right on it is enough.
func TestNamed(t *testing.T) {
	drafts := tiny()[0].Drafts
	one := Resource{Resource: "configmaps", Kind: "ConfigMap", Versions: []string{"v1"}, In: "kube-system", Named: "settings", Drafts: drafts}
	if _, err := one.check(); err != nil || one.chosen() != "metadata.name=settings" {
		t.Errorf("chosen by %q, %v", one.chosen(), err)
	}
	for _, bad := range []func(*Resource){
		func(r *Resource) { r.In = "" }, func(r *Resource) { r.Named = "" }, func(r *Resource) { r.Cluster = true },
		func(r *Resource) { r.Named = "a/b" }, func(r *Resource) { r.In = "A" },
	} {
		r := one
		if bad(&r); r.In == "" && r.Named == "" {
			continue
		}
		if _, err := r.check(); err == nil {
			t.Errorf("in %q, named %q, of the cluster %t: no error", r.In, r.Named, r.Cluster)
		}
	}
	for names, want := range map[string]bool{"": true, "settings": true, "others": false} {
		x := rule{Verbs: []string{"watch"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}
		if names != "" {
			x.ResourceNames = []string{names}
		}
		if got := allows([]rule{x}, "watch", &one); got != want {
			t.Errorf("a right on %q: allowed %t, want %t", names, got, want)
		}
		all := one
		all.In, all.Named = "", ""
		if got := allows([]rule{x}, "watch", &all); got != (names == "") {
			t.Errorf("a right on %q opens all: %t", names, got)
		}
	}
}
