package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/witness"
)

// say runs one command line that ends by itself.
func say(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), parts{now: time.Now}, args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

// serveWitnessUntil runs witness serve and returns its address; stop ends it and
// returns the exit code.
func serveWitnessUntil(t *testing.T, args ...string) (addr string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, parts{now: time.Now}, append([]string{"witness", "serve"}, args...), func(string) string { return "" }, io.Discard, w)
		w.Close()
	}()
	stop = func() int { cancel(); return <-code }
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(sc.Bytes(), &line) == nil && line.Msg == "witness serving" {
			go io.Copy(io.Discard, r)
			return line.Addr, stop
		}
		t.Log(sc.Text())
	}
	t.Fatalf("witness serve ends with %d", <-code)
	return "", nil
}

// A witness from nothing: a key, a file of logs, a state; a checkpoint is
// cosigned, and after a new start another of its size is not.
func TestWitnessCommands(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	code, vkey, stderr := say(t, "witness", "key", "--key", path("key"), "--name", "witness.example/w1")
	if code != 0 || !strings.HasPrefix(vkey, "witness.example/w1+") {
		t.Fatalf("witness key: %d %q %q", code, vkey, stderr)
	}
	if code, again, _ := say(t, "witness", "key", "--key", path("key")); code != 0 || again != vkey {
		t.Errorf("the key again: %d %q", code, again)
	}
	skey, logKey, err := note.GenerateKey(rand.Reader, "0a1b2c3d4e5f6071")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("logs"), []byte("0a1b2c3d4e5f6071/* "+logKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := selfSigned(t)
	for name, b := range map[string][]byte{"tls.pem": certPEM, "tls.key": keyPEM} {
		if err := os.WriteFile(path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := []string{"--listen", "127.0.0.1:0", "--key", path("key"), "--logs", path("logs"), "--state", path("state")}
	base = base[:len(base):len(base)]
	for _, tc := range []struct {
		why  string
		code int
		args []string
	}{
		{"no state yet", cli.ExitRefused, base},
		{"no such key", cli.ExitNotFound, []string{"--key", path("x"), "--logs", path("logs"), "--state", path("state"), "--new-state"}},
		{"no such logs", cli.ExitNotFound, []string{"--key", path("key"), "--logs", path("x"), "--state", path("state"), "--new-state"}},
		{"logs that are none", cli.ExitUsage, []string{"--key", path("key"), "--logs", path("tls.pem"), "--state", path("state"), "--new-state"}},
		{"half of a certificate", cli.ExitUsage, append(base, "--new-state", "--tls-cert", path("tls.pem"))},
		{"a rate of none", cli.ExitUsage, append(base, "--new-state", "--rate", "0")},
		{"no state named", cli.ExitUsage, base[:6]},
		{"an address that is none", cli.ExitUsage, append(base, "--new-state", "--listen", "256.0.0.1:1")},
	} {
		if code, _, stderr := say(t, append([]string{"witness", "serve"}, tc.args...)...); code != tc.code || !strings.Contains(stderr, "hint:") {
			t.Errorf("%s: exits with %d, want %d:\n%s", tc.why, code, tc.code, stderr)
		}
	}
	if _, err := os.Stat(path("state")); !os.IsNotExist(err) {
		t.Errorf("a command that failed has begun the state: %v", err)
	}
	addr, stop := serveWitnessUntil(t, append(base, "--new-state", "--tls-cert", path("tls.pem"), "--tls-key", path("tls.key"))...)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	w, err := witness.ParseWitness("Example", strings.TrimSpace(vkey))
	if err != nil {
		t.Fatal(err)
	}
	c := chain.Checkpoint{Origin: "0a1b2c3d4e5f6071/1", Size: 3, Root: evidence.Hash{3}}
	status, answer := handIn(t, secure, "https://"+addr, c, 0, signer)
	if _, err := witness.ParseAnswer(answer, c, w); status != 200 || err != nil {
		t.Errorf("cosigned: %d %v", status, err)
	}
	if code, _, stderr := say(t, append([]string{"witness", "serve"}, base...)...); code != cli.ExitLocked {
		t.Errorf("a second one: %d %s", code, stderr)
	}
	secure.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
	addr, stop = serveWitnessUntil(t, base...)
	c.Root = evidence.Hash{4}
	plain := &http.Client{Transport: &http.Transport{}}
	if status, _ := handIn(t, plain, "http://"+addr, c, 3, signer); status != 422 {
		t.Errorf("another root after a new start: %d", status)
	}
	if status, answer := handIn(t, plain, "http://"+addr, c, 0, signer); status != 409 || string(answer) != "3\n" {
		t.Errorf("from nothing after a new start: %d %q", status, answer)
	}
	plain.CloseIdleConnections()
	if code := stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
}

func handIn(t *testing.T, client *http.Client, url string, c chain.Checkpoint, old uint64, by note.Signer) (int, []byte) {
	t.Helper()
	signed, err := c.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	body, err := witness.Request{Old: old, Signed: signed}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(url+witness.AddPath, "", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func selfSigned(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "witness.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
