package vault

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// TestRealTransit reads keys of the real transit engine, before and after a
// rotation. The engine is a module of its own, so that its weight stays out of
// ours; the other engines' answers are those of api.txtar.
func TestRealTransit(t *testing.T) {
	const full = "hvs.full-token-of-the-test"
	bin := filepath.Join(t.TempDir(), "transitserver")
	build1 := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	build1.Dir = "../../store/keyring/transit/testdata/transitserver"
	build1.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := build1.CombinedOutput(); err != nil {
		t.Fatalf("build the transit server: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-token", full, "-weak", "hvs.weak", "-mount", "platform/transit")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it ends with its standard input
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(line)
	do := func(path string, body any) {
		t.Helper()
		b, _ := json.Marshal(body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/platform/transit/"+path, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Vault-Token", full)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("%s: %s", path, resp.Status)
		}
	}
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, full+"\n")
	c, err := build(Config{URL: url, TokenFile: token}, collectors.Env{Seal: keyring, Source: "vault/prod"}, func(o *fetch.Options) { o.Retries = -1 })
	if err != nil {
		t.Fatal(err)
	}
	c.interval = 0
	keys := func() map[string]evidence.RotationFacts {
		t.Helper()
		var rec collectortest.Recorder
		r, err := c.begin(nil, &rec)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.walk(time.Now().UTC(), time.Time{}).transitKeys(t.Context(), &nsState{}, "platform/transit"); err != nil {
			t.Fatal(err)
		}
		if err := r.commit(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		found := map[string]evidence.RotationFacts{}
		for _, d := range rec.Drafts {
			var f evidence.RotationFacts
			if err := json.Unmarshal(d.Content, &f); err != nil {
				t.Fatal(err)
			}
			found[d.Subject.Name] = f
		}
		return found
	}
	begun := time.Now().Add(-time.Second).Truncate(time.Second)
	if n := len(keys()); n != 0 {
		t.Errorf("%d keys before any was made", n)
	}
	do("keys/tenant-7", map[string]any{"type": "aes256-gcm96"})
	do("keys/tenant-7/config", map[string]any{"auto_rotate_period": "720h"})
	do("keys/signer", map[string]any{"type": "ed25519", "exportable": true})
	sym := keys()["platform/transit/keys/tenant-7"]
	if sym.Version != 1 || sym.PeriodSeconds != 2592000 || sym.LastRotated.Before(begun) || sym.Exportable == nil || *sym.Exportable || sym.KeyType != "aes256-gcm96" {
		t.Errorf("a symmetric key: %+v", sym)
	}
	do("keys/tenant-7/rotate", nil)
	do("keys/tenant-7/config", map[string]any{"min_decryption_version": 2, "deletion_allowed": true})
	now := keys()
	sym, sign := now["platform/transit/keys/tenant-7"], now["platform/transit/keys/signer"]
	if sym.Version != 2 || sym.MinDecryption != 2 || sym.DeletionAllowed == nil || !*sym.DeletionAllowed || sym.LastRotated.Before(begun) {
		t.Errorf("after its rotation: %+v", sym)
	}
	if sign.Version != 1 || sign.Exportable == nil || !*sign.Exportable || sign.LastRotated.Before(begun) || sign.PeriodSeconds != 0 {
		t.Errorf("a signing key: %+v", sign)
	}
}
