package bucket

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

var (
	// ErrAbsent: the storage says that there is no such object.
	ErrAbsent = errors.New("the object is not there")
	// ErrTooLarge: the object, or what it unpacks to, is larger than allowed.
	ErrTooLarge = errors.New("the object is larger than allowed")
	// ErrDamaged: the object is empty, cut short or no gzip.
	ErrDamaged = errors.New("the object is empty, cut short or damaged")
)

// Options are what the daemon gives. The zero value works.
type Options struct {
	Clock   func() time.Time
	Log     *slog.Logger
	Timeout time.Duration // of one request; default 30 s
	// MaxObject is the largest object in bytes as stored. Default 16 MiB.
	MaxObject int64
	// Sleep waits between attempts; see fetch.Options.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Reader reads objects by key. It may be used by several goroutines at a time.
type Reader struct {
	prefix string
	max    int64
	get    func(ctx context.Context, key string) (io.ReadCloser, error)
	head   func(ctx context.Context, key string) error
	stats  func() fetch.Stats
}

// Open makes a Reader; nothing is read or dialled. Errors are problem.Config.
func Open(c Config, o Options) (*Reader, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if o.MaxObject <= 0 {
		o.MaxObject = 16 << 20
	}
	r := &Reader{prefix: strings.TrimSuffix(c.Prefix, "/"), max: o.MaxObject}
	if c.Directory != "" {
		d := directory(c.Directory)
		r.get, r.head, r.stats = d.get, d.head, func() fetch.Stats { return fetch.Stats{} }
		return r, nil
	}
	s, err := newS3(c, o)
	if err != nil {
		return nil, err
	}
	r.get, r.head, r.stats = s.get, s.head, s.client.Stats
	return r, nil
}

// Stats are the figures of the requests so far; zero for a directory.
func (r *Reader) Stats() fetch.Stats { return r.stats() }

func (r *Reader) key(key string) (string, error) {
	if !keyOK(key) {
		return "", fmt.Errorf("%w: its name is no key", ErrAbsent)
	}
	return path.Join(r.prefix, key), nil
}

// Read returns the whole object, as stored.
func (r *Reader) Read(ctx context.Context, key string) ([]byte, error) {
	full, err := r.key(key)
	if err != nil {
		return nil, err
	}
	body, err := r.get(ctx, full)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, r.max+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, problem.Wrap(problem.Source, plain(err), "read an object")
	case int64(len(b)) > r.max:
		return nil, fmt.Errorf("%w: more than %d bytes stored", ErrTooLarge, r.max)
	}
	return b, nil
}

// ReadGzip returns what the object unpacks to, at most limit bytes.
func (r *Reader) ReadGzip(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := r.Read(ctx, key)
	if err != nil {
		return nil, err
	}
	return Unpack(b, limit)
}

// Has tells whether the object may be read, without its content: nil, or the
// errors of Read.
func (r *Reader) Has(ctx context.Context, key string) error {
	full, err := r.key(key)
	if err != nil {
		return err
	}
	return r.head(ctx, full)
}

// Unpack unpacks gzip, at most limit bytes. What is empty, cut short, followed
// by other bytes or fails its checksum is ErrDamaged.
func Unpack(b []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, ErrDamaged
	}
	out, err := io.ReadAll(io.LimitReader(z, limit+1))
	switch {
	case int64(len(out)) > limit:
		return nil, fmt.Errorf("%w: more than %d bytes unpacked", ErrTooLarge, limit)
	case err != nil || len(out) == 0:
		return nil, ErrDamaged
	}
	return out, nil
}

// directory is a Reader's source on disk. It is opened anew for each file, so
// that a mount that is swapped is seen.
type directory string

func (d directory) open(key string) (*os.File, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, fileProblem(err, "open the directory of result files")
	}
	defer root.Close()
	// Root refuses links that lead outside. What is no plain file (a pipe would
	// block) is refused before it is opened.
	info, err := root.Stat(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrAbsent
	case err != nil:
		return nil, fileProblem(err, "look at a result file")
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is no plain file", ErrDamaged)
	}
	f, err := root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, fileProblem(err, "open a result file")
	}
	return f, nil
}

func (d directory) get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.open(key)
}

func (d directory) head(_ context.Context, key string) error {
	f, err := d.open(key)
	if err != nil {
		return err
	}
	return f.Close()
}

func fileProblem(err error, doing string) error {
	if errors.Is(err, fs.ErrPermission) {
		return problem.Wrap(problem.Credential, fs.ErrPermission, "%s", doing).WithHint("let the daemon's user read it")
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path holds names of the source's objects
	}
	return problem.Wrap(problem.Source, err, "%s", doing)
}

// s3 is a Reader's source in object storage.
type s3 struct {
	core   minio.Core
	client *fetch.Client
	bucket string
	max    int64
}

func newS3(c Config, o Options) (*s3, error) {
	client, err := fetch.New(fetch.Options{
		BaseURL: c.Endpoint, CAFile: c.CAFile, Timeout: o.Timeout, MaxBody: o.MaxObject + 1<<10,
		Clock: o.Clock, Log: o.Log, Sleep: o.Sleep, CacheBytes: -1,
	})
	if err != nil {
		return nil, err
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	base := client.Base()
	core, err := minio.NewCore(base.Host, &minio.Options{
		Creds:     credentials.New(&keyPair{id: c.AccessKey, secret: fetch.TokenFile(c.SecretFile)}),
		Secure:    base.Scheme == "https",
		Transport: readOnly{client.HTTP().Transport},
		Region:    c.Region, // given, so that no request asks for it
		// The host never changes, so the guard on where requests go holds.
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1, // the transport below retries
	})
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "endpoint of the bucket")
	}
	return &s3{*core, client, c.Bucket, o.MaxObject}, nil
}

func (s *s3) get(ctx context.Context, key string) (io.ReadCloser, error) {
	// One byte more than allowed tells a large object without fetching it.
	var opts minio.GetObjectOptions
	if err := opts.SetRange(0, s.max); err != nil {
		return nil, err
	}
	body, _, _, err := s.core.GetObject(ctx, s.bucket, key, opts)
	if err != nil {
		return nil, s3Problem(ctx, err)
	}
	return body, nil
}

func (s *s3) head(ctx context.Context, key string) error {
	if _, err := s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{}); err != nil {
		return s3Problem(ctx, err)
	}
	return nil
}

// s3Problem sorts what the storage answered. Texts of the storage are left
// out: they repeat keys and key ids.
func s3Problem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p := problem.Of(err); p != nil {
		return p
	}
	var resp minio.ErrorResponse
	if !errors.As(err, &resp) {
		return problem.Wrap(problem.Source, plain(err), "ask the object storage")
	}
	switch {
	case resp.Code == "NoSuchBucket":
		return problem.New(problem.Source, "the object storage has no such bucket").WithHint("check bucket")
	case resp.StatusCode == http.StatusNotFound:
		return ErrAbsent
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return ErrDamaged // it has no first byte
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return problem.New(problem.Credential, "the object storage refused (%d): the key may not read this, or may not list and the object is not there", resp.StatusCode).
			WithHint("grant read on the objects and list on the prefix (deploy/access); check clock, access_key and secret_file")
	}
	return problem.New(problem.Source, "the object storage answered %d", resp.StatusCode)
}

// plain drops the URL from a transport's error.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// readOnly refuses what would change anything.
type readOnly struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t readOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, problem.New(problem.Refused, "a request of method %s to object storage: only reading is allowed", req.Method)
	}
	return t.next.RoundTrip(req)
}

// keyPair gives the credential, read anew for each request.
type keyPair struct {
	id     string
	secret func() (evidence.Secret, error)
}

// Retrieve implements credentials.Provider.
func (k *keyPair) Retrieve() (credentials.Value, error) {
	s, err := k.secret()
	if err != nil {
		return credentials.Value{}, err
	}
	return credentials.Value{AccessKeyID: k.id, SecretAccessKey: s.Reveal(), SignerType: credentials.SignatureV4}, nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (k *keyPair) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return k.Retrieve()
}

// IsExpired implements credentials.Provider: always, so that a key that was
// replaced is used at once.
func (k *keyPair) IsExpired() bool { return true }
