package bucket_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/bucket"
	"evidenced/evidence/problem"
)

func packed(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func secretFile(t testing.TB, secret string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(f, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// objects are one of each state that a result file was found in.
func objects(t testing.TB) map[string][]byte {
	whole := packed(t, `{"errors":{}}`)
	return map[string][]byte{
		"velero/restores/drill-1/restore-drill-1-results.gz":           whole,
		"velero/restores/cut/restore-cut-results.gz":                   whole[:len(whole)-6],
		"velero/restores/empty/restore-empty-results.gz":               {},
		"velero/restores/plain/restore-plain-results.gz":               []byte(`{"errors":{}}`),
		"velero/restores/trailing/restore-trailing-results.gz":         append(bytes.Clone(whole), "and more"...),
		"velero/restores/nothing/restore-nothing-results.gz":           packed(t, ""),
		"velero/restores/bomb/restore-bomb-results.gz":                 packed(t, strings.Repeat("0", 8<<20)),
		"velero/restores/large/restore-large-results.gz":               bytes.Repeat([]byte{1}, 70<<10),
		"velero/backups/nightly/nightly.tar.gz":                        packed(t, "what tenants keep"),
		"velero/backups/nightly/nightly-results.gz":                    whole,
		"velero/restores/with space+%/restore-with space+%-results.gz": whole,
	}
}

// want is what reading a key of objects gives.
var want = map[string]error{
	"restores/drill-1/restore-drill-1-results.gz":           nil,
	"restores/with space+%/restore-with space+%-results.gz": nil,
	"backups/nightly/nightly-results.gz":                    nil,
	"restores/cut/restore-cut-results.gz":                   bucket.ErrDamaged,
	"restores/empty/restore-empty-results.gz":               bucket.ErrDamaged,
	"restores/plain/restore-plain-results.gz":               bucket.ErrDamaged,
	"restores/trailing/restore-trailing-results.gz":         bucket.ErrDamaged,
	"restores/nothing/restore-nothing-results.gz":           bucket.ErrDamaged,
	"restores/bomb/restore-bomb-results.gz":                 bucket.ErrTooLarge,
	"restores/large/restore-large-results.gz":               bucket.ErrTooLarge,
	"restores/none/restore-none-results.gz":                 bucket.ErrAbsent,
	"restores/../backups/nightly/nightly-results.gz":        bucket.ErrAbsent,
	"/etc/passwd": bucket.ErrAbsent,
	"":            bucket.ErrAbsent,
}

func tryAll(t *testing.T, r *bucket.Reader) {
	t.Helper()
	for key, wantErr := range want {
		b, err := r.ReadGzip(t.Context(), key, 1<<20)
		if !errors.Is(err, wantErr) || err == nil && string(b) != `{"errors":{}}` {
			t.Errorf("ReadGzip(%q) = %q, %v; want error %v", key, b, err, wantErr)
		}
	}
	if err := r.Has(t.Context(), "restores/drill-1/restore-drill-1-results.gz"); err != nil {
		t.Errorf("Has of an object that is there: %v", err)
	}
	if err := r.Has(t.Context(), "restores/none/restore-none-results.gz"); !errors.Is(err, bucket.ErrAbsent) {
		t.Errorf("Has of an object that is not there: %v", err)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for key, b := range objects(t) {
		f := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(f), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := bucket.Open(bucket.Config{Directory: dir, Prefix: "velero/"}, bucket.Options{MaxObject: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	tryAll(t, r)

	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, packed(t, "x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "velero", "link")); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Read(t.Context(), "link"); err == nil {
		t.Errorf("a link out of the directory was followed: %q", b)
	}
	if _, err := r.Read(t.Context(), "restores"); !errors.Is(err, bucket.ErrDamaged) {
		t.Errorf("reading a folder: %v", err)
	}
	gone, err := bucket.Open(bucket.Config{Directory: filepath.Join(dir, "none")}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Read(t.Context(), "restores/a"); err == nil || errors.Is(err, bucket.ErrAbsent) {
		t.Errorf("a directory that is not mounted reads as %v: that is not the same as a file that is not there", err)
	}
}

// The real server, with the credential that deploy/access describes.
func TestGateway(t *testing.T) {
	g := startGateway(t)
	g.fill(t, "backups", objects(t))
	open := func(key, secret, name string) *bucket.Reader {
		r, err := bucket.Open(bucket.Config{Endpoint: g.url, Bucket: name, Prefix: "velero", AccessKey: key, SecretFile: secretFile(t, secret)},
			bucket.Options{MaxObject: 64 << 10, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open(rootKey, rootSecret, "backups")
	tryAll(t, r)
	if r.Stats().Requests == 0 {
		t.Error("no request was counted")
	}

	g.allow(t, "backups", "velero/")
	least := open(readerKey, readerSecret, "backups")
	if b, err := least.ReadGzip(t.Context(), "restores/drill-1/restore-drill-1-results.gz", 1<<20); err != nil {
		t.Errorf("the least credential cannot read results: %q, %v", b, err)
	}
	if _, err := least.ReadGzip(t.Context(), "restores/none/restore-none-results.gz", 1<<20); !errors.Is(err, bucket.ErrAbsent) && !problem.Is(err, problem.Credential) {
		t.Errorf("what is not there reads as %v", err)
	}
	if _, err := least.Read(t.Context(), "backups/nightly/nightly.tar.gz"); !problem.Is(err, problem.Credential) {
		t.Errorf("the least credential reads a backup's content: %v", err)
	}
	if err := least.Has(t.Context(), "backups/nightly/nightly.tar.gz"); !problem.Is(err, problem.Credential) {
		t.Errorf("the least credential may see a backup's content: %v", err)
	}
	// The right is decided on before the object is looked for: so a name that is
	// not there tells what a credential may read.
	if err := least.Has(t.Context(), "backups/none/none.tar.gz"); !problem.Is(err, problem.Credential) {
		t.Errorf("a backup that is not there, with the least credential: %v", err)
	}
	if err := r.Has(t.Context(), "backups/none/none.tar.gz"); !errors.Is(err, bucket.ErrAbsent) {
		t.Errorf("a backup that is not there, with every right: %v", err)
	}
	for name, r := range map[string]*bucket.Reader{
		"another secret": open(readerKey, "not-the-secret-55aa", "backups"),
		"another key":    open("nobody-has-this", rootSecret, "backups"),
	} {
		_, err := r.Read(t.Context(), "restores/drill-1/restore-drill-1-results.gz")
		if !problem.Is(err, problem.Credential) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret-55aa") || strings.Contains(err.Error(), "drill-1")) {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
	if _, err := open(rootKey, rootSecret, "no-such-bucket").Read(t.Context(), "restores/a"); err == nil || errors.Is(err, bucket.ErrAbsent) {
		t.Errorf("a bucket that is not there reads as %v: that is not the same as an object that is not there", err)
	}
}

// What a broken storage answers never becomes "not there".
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		code   problem.Code
	}{
		"503": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, problem.Source},
		"500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, problem.Source},
		"429": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, problem.Throttled},
		"403": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, problem.Credential},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("short"))
		}, problem.Source},
		"elsewhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/away")
			w.WriteHeader(302)
		}, problem.Source},
	} {
		t.Run(name, func(t *testing.T) {
			var methods []string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				methods = append(methods, r.Method)
				tc.answer(w, r)
			}))
			defer srv.Close()
			r, err := bucket.Open(bucket.Config{Endpoint: srv.URL, Bucket: "backups", AccessKey: "k", SecretFile: secretFile(t, "planted-secret-1c")},
				bucket.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Read(t.Context(), "restores/a")
			if !problem.Is(err, tc.code) || errors.Is(err, bucket.ErrAbsent) {
				t.Errorf("got %v, want a problem of code %s", err, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), "planted-secret") {
				t.Errorf("the error holds the secret: %v", err)
			}
			for _, m := range methods {
				if m != http.MethodGet {
					t.Errorf("a %s was sent", m)
				}
			}
		})
	}
}

func TestConfig(t *testing.T) {
	ok := bucket.Config{Endpoint: "https://s3.example", Bucket: "backups", AccessKey: "k", SecretFile: "/etc/evidenced/s3"}
	change := func(f func(*bucket.Config)) bucket.Config { c := ok; f(&c); return c }
	for name, tc := range map[string]struct {
		c    bucket.Config
		want string
	}{
		"good":               {ok, ""},
		"directory":          {bucket.Config{Directory: "/mnt/velero"}, ""},
		"nothing":            {bucket.Config{}, "neither a directory nor an endpoint"},
		"both":               {change(func(c *bucket.Config) { c.Directory = "/mnt" }), "both a directory and a bucket"},
		"relative":           {bucket.Config{Directory: "mnt"}, "no absolute path"},
		"password in URL":    {change(func(c *bucket.Config) { c.Endpoint = "https://u:planted@s3.example" }), "no address of a storage"},
		"path in URL":        {change(func(c *bucket.Config) { c.Endpoint = "https://s3.example/b" }), "no address of a storage"},
		"scheme":             {change(func(c *bucket.Config) { c.Endpoint = "ftp://s3.example" }), "no address of a storage"},
		"bucket with a path": {change(func(c *bucket.Config) { c.Bucket = "backups/velero" }), "no name of a bucket"},
		"no secret":          {change(func(c *bucket.Config) { c.SecretFile = "" }), "secret_file is missing"},
		"prefix":             {change(func(c *bucket.Config) { c.Prefix = "/velero" }), "no beginning of a key"},
	} {
		err := tc.c.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, `{"errors":{}}`))
	f.Add(packed(f, strings.Repeat("a", 1<<16)))
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := bucket.Unpack(b, 1<<12)
		if err == nil && (len(out) == 0 || len(out) > 1<<12) {
			t.Errorf("unpacked to %d bytes without an error", len(out))
		}
		if err != nil && !errors.Is(err, bucket.ErrDamaged) && !errors.Is(err, bucket.ErrTooLarge) {
			t.Errorf("an error of no kind: %v", err)
		}
	})
}
