package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/collectors/all"
	"evidenced/evidence"
)

// The program killed again and again while it takes in an audit file: in the
// end every request stands in its tenant's log, once.
func TestKilledWhileCollecting(t *testing.T) {
	const requests = 12_000
	dir := t.TempDir()
	audit := filepath.Join(dir, "audit.log")
	writeRequests(t, audit, requests)
	file := filepath.Join(dir, "evidenced.yaml")
	text := "data_dir: data\nlisten: \"\"\ntenants:\n" +
		"  - {name: tenant-1, owns: [{paths: [kv/tenant-1/]}]}\n  - {name: tenant-2, owns: [{paths: [kv/tenant-2/]}]}\n" +
		"sources:\n  - {name: vault/prod, type: vault, config: {audit_files: [" + audit + "]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for try := range 60 {
		cmd := exec.Command(exe, "collect", "-c", file)
		cmd.Env = append(os.Environ(), programEnv+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var kill *time.Timer
		if try < 40 {
			kill = time.AfterFunc(time.Duration(30+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if kill != nil {
			kill.Stop()
		}
		if cmd.ProcessState.ExitCode() == -1 {
			killed++
			continue
		}
		if err == nil && try >= 20 {
			break // it came to the end alive
		}
	}
	if killed < 3 {
		t.Errorf("the program was killed only %d times: the test tests nothing", killed)
	}
	checkCollected(t, file, requests)
}

func checkCollected(t *testing.T, file string, requests int) {
	t.Helper()
	cfg, err := config.Load(file, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	e, err := daemon.Open(t.Context(), daemon.Options{Config: cfg, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i, name := range []string{"tenant-1", "tenant-2"} {
		tn, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := e.Verify(t.Context(), tn, api.VerifyRequest{Deep: true})
		if err != nil || !rep.OK() {
			t.Fatalf("%s: %v %+v", name, err, rep)
		}
		r, err := e.Reader(t.Context(), tn)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for rec, err := range r.Records(context.Background(), evidence.Query{Kinds: []evidence.Kind{evidence.SecretAccess}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Op != evidence.OpAmend {
				seen[rec.Key]++
			}
		}
		for n := i; n < requests; n += 2 {
			if got := seen[requestID(n)]; got != 1 {
				t.Fatalf("%s: request %d stands %d times", name, n, got)
			}
		}
		if len(seen) != requests/2 {
			t.Errorf("%s: %d requests, want %d", name, len(seen), requests/2)
		}
	}
}

func requestID(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// writeRequests writes an audit file of so many reads, by turns of two tenants.
func writeRequests(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	at := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	mac := "hmac-sha256:" + fmt.Sprintf("%064x", 7)
	for i := range n {
		at = at.Add(5 * time.Millisecond)
		body := fmt.Sprintf(`"auth":{"client_token":"%s","display_name":"approle","entity_id":"e%d","policies":["p"],"policy_results":{"allowed":true},"token_type":"service"},"request":{"id":"%s","operation":"read","mount_point":"kv/","mount_type":"kv","client_token":"%s","namespace":{"id":"root"},"path":"kv/data/tenant-%d/db"}`,
			mac, i%5, requestID(i), mac, i%2+1)
		fmt.Fprintf(w, "{\"time\":%q,\"type\":\"request\",%s}\n", at.Format(time.RFC3339Nano), body)
		fmt.Fprintf(w, "{\"time\":%q,\"type\":\"response\",%s,\"response\":{\"data\":{\"data\":{\"v\":%q}}}}\n", at.Add(time.Millisecond).Format(time.RFC3339Nano), body, mac)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
