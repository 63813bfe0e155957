package timestamptest

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Real builds the sigstore project's authority from its module, starts it on
// loopback and returns the address that takes requests and its root. The
// process ends with the test. The first build takes about a minute; later ones
// are a matter of linking.
func Real(t testing.TB, args ...string) (url string, roots *x509.CertPool, rootPEM []byte) {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where is this file?")
	}
	bin := filepath.Join(t.TempDir(), "authority")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	build.Dir = filepath.Join(filepath.Dir(here), "..", "testdata", "authority")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the authority: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()} // it looks for a configuration there
	var said bytes.Buffer
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the authority did not say where it listens: %v\n%s", err, said.String())
	}
	base := strings.TrimSpace(line)
	if rootPEM, err = chain(base); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rootPEM) {
		t.Fatalf("the authority's chain:\n%s", rootPEM)
	}
	return base + "/api/v1/timestamp", roots, rootPEM
}

// chain asks for the chain and returns its last certificate.
func chain(base string) ([]byte, error) {
	resp, err := http.Get(base + "/api/v1/timestamp/certchain")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the authority's chain: %s, %w", resp.Status, err)
	}
	last := bytes.LastIndex(b, []byte("-----BEGIN CERTIFICATE-----"))
	if last < 0 {
		return nil, fmt.Errorf("the authority's chain: %q", b)
	}
	return b[last:], nil
}
