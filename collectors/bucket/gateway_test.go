package bucket_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// gateway is a real S3 server on loopback over a directory of the test. It is
// built from its own module, so that nothing of it is linked elsewhere.
type gateway struct {
	url   string
	admin *minio.Client
}

const (
	rootKey, rootSecret     = "rootkey", "root-secret-7f3c"
	readerKey, readerSecret = "readerkey", "reader-secret-91be"
)

func startGateway(t *testing.T) *gateway {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "tool", "-n", "versitygw")
	build.Dir = filepath.Join("testdata", "versitygw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	build.Stderr = &stderr
	program, err := build.Output()
	if err != nil {
		t.Fatalf("build the S3 server: %v\n%s", err, &stderr)
	}
	dir := t.TempDir()
	for _, d := range []string{"data", "meta", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	// Cancelled when the test ends, which kills this one process.
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(program)),
		"--quiet", "--port", addr, "--access", rootKey, "--secret", rootSecret, "--iam-dir", filepath.Join(dir, "iam"),
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	g := &gateway{url: "http://" + addr}
	waitFor(t, g.url, &stderr)
	user := exec.CommandContext(t.Context(), cmd.Path, "admin", "--endpoint-url", g.url, "--access", rootKey, "--secret", rootSecret,
		"create-user", "--access", readerKey, "--secret", readerSecret, "--role", "user")
	if out, err := user.CombinedOutput(); err != nil {
		t.Fatalf("create the reader: %v\n%s", err, out)
	}
	g.admin, err = minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(rootKey, rootSecret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// waitFor asks until the server answers anything at all.
func waitFor(t *testing.T, url string, log *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the S3 server does not answer\n%s", log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fill makes a bucket with objects.
func (g *gateway) fill(t *testing.T, bucket string, objects map[string][]byte) {
	t.Helper()
	if err := g.admin.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for key, b := range objects {
		if _, err := g.admin.PutObject(t.Context(), bucket, key, bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{}); err != nil {
			t.Fatalf("put %s: %v", key, err)
		}
	}
}

// allow gives the reader the policy of deploy/access for keys below a prefix,
// as an operator whose location has one does.
func (g *gateway) allow(t *testing.T, bucket, prefix string) {
	t.Helper()
	policy, err := os.ReadFile("../../deploy/access/velero/bucket-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("EVIDENCED", readerKey, "BUCKET/", bucket+"/"+prefix, "BUCKET", bucket).Replace(string(policy))
	if err := g.admin.SetBucketPolicy(t.Context(), bucket, text); err != nil {
		t.Fatalf("set the policy of deploy/access: %v", err)
	}
}
