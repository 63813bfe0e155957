package bucket_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/bucket"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text that object storage sends: the codes and
// messages of its errors, its headers, where it sends one on to, and what stands in
// and around the objects. None comes into an error, what is counted, or the log.
func TestSecrets(t *testing.T) {
	const key = "restores/drill-1/restore-drill-1-results.gz"
	for i, secret := range collectortest.SecretTexts("x") {
		line := strings.ReplaceAll(secret, "\n", " ")
		failure := func(code string) string {
			var b strings.Builder
			fmt.Fprintf(&b, "<?xml version=\"1.0\"?><!-- %s --><Error><Code>%s</Code>", strings.ReplaceAll(line, "--", "=="), code)
			for _, name := range []string{"Message", "BucketName", "Key", "Resource", "RequestId", "HostId", "Region", "Server", "StringToSign", "AWSAccessKeyId", "Endpoint"} {
				fmt.Fprintf(&b, "<%s>%s</%s>", name, secret, name)
			}
			return b.String() + "</Error>"
		}
		var named bytes.Buffer
		z, err := gzip.NewWriterLevel(&named, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		z.Name, z.Comment = strings.ReplaceAll(line, "\n", ""), line
		if _, err := z.Write([]byte(secret)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		for _, status := range []int{200, 307, 400, 403, 404, 416, 503} {
			for name, body := range map[string]string{
				"a code": failure("AccessDenied"), "a secret for a code": failure(secret), "no bucket": failure("NoSuchBucket"), "another region": failure("AuthorizationHeaderMalformed"),
				"a page": "<html><title>" + secret + "</title>", "JSON": `{"message":` + fmt.Sprintf("%q", secret) + `}`, "nothing": "", "torn": failure("AccessDenied")[:200],
				"an object": named.String(), "a torn object": named.String()[:named.Len()-6],
			} {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					for _, h := range []string{"Server", "X-Amz-Request-Id", "X-Amz-Id-2", "X-Amz-Bucket-Region", "X-Amz-Error-Code", "X-Minio-Error-Code", "X-Minio-Error-Desc", "Etag", "Last-Modified", "Content-Type", "Www-Authenticate", "X-Amz-Meta-Owner", "Retry-After"} {
						w.Header().Set(h, line)
					}
					if status == 301 || status == 307 {
						w.Header().Set("Location", "http://127.0.0.1:1/"+strings.ReplaceAll(line, " ", "%20"))
					}
					w.WriteHeader(status)
					fmt.Fprint(w, body)
				}))
				var log bytes.Buffer
				r, err := bucket.Open(bucket.Config{Endpoint: srv.URL, Bucket: "backups", AccessKey: "reader", SecretFile: secretFile(t, "a-secret-of-the-test")}, bucket.Options{
					MaxObject: 64 << 10, Timeout: time.Second, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
					Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				})
				if err != nil {
					t.Fatal(err)
				}
				_, read := r.ReadGzip(t.Context(), key, 1<<20)
				has := r.Has(t.Context(), key)
				srv.Close()
				for part, text := range map[string]string{"the error of reading": fmt.Sprintf("%v %+v", read, read), "the error of asking": fmt.Sprintf("%v %+v", has, has), "the log": log.String(), "what was counted": fmt.Sprintf("%+v", r.Stats())} {
					if x := collectortest.FindSecret(text); x != "" || strings.Contains(text, "a-secret-of-the-test") {
						t.Errorf("text %d, %d with %s: %q stands in %s: %s", i, status, name, x, part, text)
					}
				}
			}
		}
	}
}

// TestSecretsInDirectory plants them in the names of a directory and its objects.
func TestSecretsInDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ghp_Zq74pQ8rT2vX6zB1dF5hJ9lN3sW7yA0cE4gI")
	folder := filepath.Join(dir, "restores", "password=Zq81pw")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(path string) error{
		"damaged":  func(p string) error { return os.WriteFile(p, []byte("password=Zq81pw"), 0o600) },
		"refused":  func(p string) error { return os.WriteFile(p, nil, 0) },
		"linked":   func(p string) error { return os.Symlink("/etc/password=Zq81pw", p) },
		"a folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"absent":   func(string) error { return nil },
	} {
		if err := write(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		r, err := bucket.Open(bucket.Config{Directory: dir}, bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, read := r.ReadGzip(t.Context(), "restores/password=Zq81pw/"+name, 1<<20)
		has := r.Has(t.Context(), "restores/password=Zq81pw/"+name)
		if read == nil {
			t.Errorf("%s can be read", name)
		}
		if x := collectortest.FindSecret(fmt.Sprint(read, has)); x != "" {
			t.Errorf("%s: %s stands in the errors: %v; %v", name, x, read, has)
		}
	}
}
