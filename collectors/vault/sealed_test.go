package vault

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/spool/spooltest"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// left returns what the files of a spool hold, less the key.
func left(t testing.TB, cfg Config) []byte {
	t.Helper()
	var all []byte
	err := fs.WalkDir(os.DirFS(cfg.SpoolDir), ".", func(path string, de fs.DirEntry, err error) error {
		if err != nil || de.IsDir() || path == "key" {
			return nil // deleted just now
		}
		b, err := os.ReadFile(filepath.Join(cfg.SpoolDir, path))
		if err == nil {
			all = append(all, b...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Lines that came over the socket stand sealed until they are evidence, and soon
// after nowhere but in the log.
func TestSpoolIsSealedThenGone(t *testing.T) {
	cfg := socketConfig(t)
	lines := newGen().reads(5)
	spooled(t, cfg, lines)
	waiting := left(t, cfg)
	if len(waiting) < len(lines) {
		t.Errorf("%d bytes wait, want more than %d", len(waiting), len(lines))
	}
	for _, word := range []string{"display_name", "request", "entity", "alice", "tenant-", "evidenced", "socket"} {
		if !strings.Contains(lines+string(markBegin)+spoolFile, word) {
			t.Errorf("the test is wrong: no line holds %q", word)
		}
		if bytes.Contains(waiting, []byte(word)) {
			t.Errorf("%q stands in the spool", word)
		}
	}

	var mu sync.Mutex
	at := later
	c, err := New(cfg, collectors.Env{Seal: keyring, Source: "vault/prod", Clock: func() time.Time { // each look at the clock is a little later
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(100 * time.Millisecond)
		return at
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.tick = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sink := &signal{commits: make(chan progress, 100000)}
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, nil, sink) }()
	path := strings.TrimPrefix(cfg.Listen, "unix://")
	// The name of a socket is there before somebody listens behind it.
	var conn net.Conn
	waitFor(t, func() bool { conn, err = net.Dial("unix", path); return err == nil })
	more := newGen()
	more.t = more.t.Add(time.Minute)
	if _, err := conn.Write([]byte(more.reads(2))); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(left(t, cfg)) > len(waiting) })
	waitFor(t, func() bool { return len(left(t, cfg)) == 0 })
	conn.Close()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Follow returned %v", err)
	}
	for _, cm := range sink.Commits {
		for _, s := range cm.Observation.Seen {
			if s.Class == evidence.Blind && strings.Contains(s.Cause, "deleted") {
				t.Errorf("what was given back is missed: %+v", s)
			}
		}
	}
	if len(sink.Drafts) < 5 {
		t.Errorf("%d drafts, want those of five reads at least", len(sink.Drafts))
	}

	// Without the keyring lines are not read, and not taken for lost.
	spooled(t, cfg, lines)
	other := fileCollector(t, cfg, later)
	other.spool.keys = spooltest.Keyring("of somebody else")
	if err := other.Poll(t.Context(), evidence.Period{To: later}, sink.Resume(), &signal{commits: make(chan progress, 9)}); !problem.Is(err, problem.Corrupt) {
		t.Errorf("with another keyring: %v", err)
	}
	last := &signal{commits: make(chan progress, 9)}
	if err := fileCollector(t, cfg, later).Poll(t.Context(), evidence.Period{To: later}, sink.Resume(), last); err != nil || len(last.Drafts) != 5 {
		t.Errorf("with its own: %d drafts, %v, want 5", len(last.Drafts), err)
	}
}
