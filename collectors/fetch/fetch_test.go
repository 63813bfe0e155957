package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

const token = "tok-5f0c2b7e91"

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// waits is a Sleep that remembers and does not wait.
type waits struct{ ds []time.Duration }

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.ds = append(w.ds, d)
	return ctx.Err()
}

func client(t *testing.T, url string, change func(*fetch.Options)) (*fetch.Client, *waits) {
	t.Helper()
	w := &waits{}
	o := fetch.Options{
		BaseURL: url,
		Header:  func() (http.Header, error) { return http.Header{"Authorization": {"Bearer " + token}}, nil },
		Clock:   func() time.Time { return noon },
		Sleep:   w.sleep,
	}
	if change != nil {
		change(&o)
	}
	c, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, w
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestGet(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		io.WriteString(w, "hello")
	})
	c, _ := client(t, url+"/api/v3", nil)
	r, err := c.Get(t.Context(), "repos/a%2Fb/x", map[string][]string{"page": {"2"}})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("hello"))
	if string(r.Body) != "hello" || r.Status != 200 || r.SHA256 != hex.EncodeToString(sum[:]) || r.URL != url+"/api/v3/repos/a%2Fb/x?page=2" {
		t.Errorf("got %+v", r)
	}
	if got.RequestURI != "/api/v3/repos/a%2Fb/x?page=2" || got.Header.Get("Authorization") != "Bearer "+token || got.UserAgent() != "evidenced" {
		t.Errorf("request %s, headers %v", got.RequestURI, got.Header)
	}
}

// TestFaults lists what a source can do wrong and what is made of it.
func TestFaults(t *testing.T) {
	raw := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, s)
			conn.Close()
		}
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, "<html>"+r.Header.Get("Authorization"))
		}
	}
	tests := []struct {
		name  string
		h     http.HandlerFunc
		code  problem.Code
		tries int
		text  string
		until time.Time
	}{
		{name: "401", h: status(401), code: problem.Credential, tries: 1, text: "refused the credential"},
		{name: "403", h: status(403), code: problem.Credential, tries: 1, text: "may not read"},
		{name: "404", h: status(404), code: problem.NotFound, tries: 1, text: "404"},
		{name: "500", h: status(500), code: problem.Source, tries: 4, text: "500"},
		{name: "501 is final", h: status(501), code: problem.Source, tries: 1, text: "501"},
		{name: "502 html", h: status(502), code: problem.Source, tries: 4, text: "502"},
		{name: "503 wants an hour", h: status(503, "Retry-After", "3600"), code: problem.Throttled, tries: 1, text: "2026-03-02T13:00:00Z", until: noon.Add(time.Hour)},
		{name: "429 bare", h: status(429), code: problem.Throttled, tries: 4, text: "come back at", until: noon.Add(time.Minute)},
		{name: "429 seconds past the cap", h: status(429, "Retry-After", "600"), code: problem.Throttled, tries: 1, until: noon.Add(10 * time.Minute)},
		{name: "429 date past the cap", h: status(429, "Date", noon.Add(time.Hour).Format(http.TimeFormat), "Retry-After", noon.Add(2*time.Hour).Format(http.TimeFormat)), code: problem.Throttled, tries: 1, until: noon.Add(time.Hour)},
		{name: "429 garbage", h: status(429, "Retry-After", "soon"), code: problem.Throttled, tries: 4},
		{name: "429 negative", h: status(429, "Retry-After", "-4"), code: problem.Throttled, tries: 4},
		{name: "short body", h: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,2"), code: problem.Source, tries: 4, text: "stopped before its end"},
		{name: "short chunks", h: raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n"), code: problem.Source, tries: 4, text: "stopped before its end"},
		{name: "no answer", h: raw(""), code: problem.Source, tries: 4, text: "no answer"},
		{name: "not http", h: raw("220 mail." + token + " ESMTP\r\n\r\n"), code: problem.Source, tries: 4, text: "no answer"},
		{name: "announced too large", h: raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), code: problem.Source, tries: 1, text: "larger than 1000 bytes"},
		{name: "too large", h: func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte("a"), 1001)) }, code: problem.Source, tries: 1, text: "larger than 1000 bytes"},
		{name: "zip bomb", h: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 100 {
				z.Write(make([]byte, 1<<16))
			}
			z.Close()
		}, code: problem.Source, tries: 1, text: "larger than 1000 bytes"},
		{name: "redirect to another host", h: status(302, "Location", "http://other.example/x"), code: problem.Source, tries: 1, text: "redirect to http://other.example was refused"},
		{name: "redirect to another scheme", h: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://"+r.Host+"/x", 301) }, code: problem.Source, tries: 1, text: "was refused"},
		{name: "redirect loop", h: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", 302) }, code: problem.Source, tries: 6, text: "more than 5 redirects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) { n.Add(1); tt.h(w, r) })
			c, _ := client(t, url, func(o *fetch.Options) { o.MaxBody = 1000 })
			_, err := c.Get(t.Context(), "/x", nil)
			if !problem.Is(err, tt.code) {
				t.Fatalf("got %v, want code %s", err, tt.code)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q does not say %q", err, tt.text)
			}
			if problem.Of(err).Hint == "" && tt.name != "redirect loop" {
				t.Errorf("no hint in %v", err)
			}
			if s := problem.Text("x", err); strings.Contains(s, token) || strings.Contains(s, "html") {
				t.Errorf("error shows the credential or the body: %s", s)
			}
			if int(n.Load()) != tt.tries || c.Stats().Requests != tt.tries {
				t.Errorf("%d requests, stats %d, want %d", n.Load(), c.Stats().Requests, tt.tries)
			}
			at, ok := fetch.RetryAt(err)
			if ok != (tt.code == problem.Throttled) || !tt.until.IsZero() && !at.Equal(tt.until) {
				t.Errorf("come back at %v, %v; want %v", at, ok, tt.until)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name   string
		header string
		value  string
		least  time.Duration
		most   time.Duration
	}{
		{"seconds", "Retry-After", "7", 7 * time.Second, 7 * time.Second},
		{"date", "Retry-After", noon.Add(9 * time.Second).Format(http.TimeFormat), 9 * time.Second, 9 * time.Second},
		{"date gone by", "Retry-After", noon.Add(-time.Hour).Format(http.TimeFormat), 0, 0},
		{"own back-off", "X", "", 250 * time.Millisecond, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", noon.Format(http.TimeFormat))
				if n++; n == 1 {
					w.Header().Set(tt.header, tt.value)
					w.WriteHeader(429)
					return
				}
				io.WriteString(w, "ok")
			})
			c, w := client(t, url, nil)
			r, err := c.Get(t.Context(), "/", nil)
			if err != nil || string(r.Body) != "ok" {
				t.Fatalf("got %v, %v", r, err)
			}
			if len(w.ds) != 1 || w.ds[0] < tt.least || w.ds[0] > tt.most {
				t.Errorf("waited %v, want one of %v to %v", w.ds, tt.least, tt.most)
			}
		})
	}
}

func TestPostIsNotRepeated(t *testing.T) {
	for status, want := range map[int]int{500: 1, 502: 1, 503: 3, 429: 3} {
		n := 0
		var bodies []string
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(b))
			n++
			w.WriteHeader(status)
		})
		c, _ := client(t, url, func(o *fetch.Options) { o.Retries = 2 })
		if _, err := c.HTTP().Post(url+"/x", "text/plain", strings.NewReader("body")); err == nil {
			t.Errorf("%d: no error", status)
		}
		if n != want || bodies[len(bodies)-1] != "body" {
			t.Errorf("%d: %d requests with bodies %q, want %d", status, n, bodies, want)
		}
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	arrived := make(chan struct{}, 10)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "[1,")
			w.(http.Flusher).Flush()
		}
		arrived <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	for _, path := range []string{"/header", "/body"} {
		c, _ := client(t, url, func(o *fetch.Options) { o.Timeout = 50 * time.Millisecond; o.Retries = -1 })
		_, err := c.Get(t.Context(), path, nil)
		if !problem.Is(err, problem.Source) || !strings.Contains(err.Error(), "within 50ms") {
			t.Errorf("%s: got %v", path, err)
		}
		<-arrived
		c, _ = client(t, url, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		if _, err := c.Get(ctx, path, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: got %v", path, err)
		}
	}
}

func TestRotatedToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	os.WriteFile(file, []byte("old-token\n"), 0o600)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer old-token" {
			os.WriteFile(file, []byte("new-token\n"), 0o600) // rotated under way
			w.WriteHeader(401)
			return
		}
		io.WriteString(w, r.Header.Get("Authorization"))
	})
	c, _ := client(t, url, func(o *fetch.Options) { o.Header = fetch.Bearer(fetch.TokenFile(file)) })
	r, err := c.Get(t.Context(), "/", nil)
	if err != nil || string(r.Body) != "Bearer new-token" {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		content string
		want    string
		text    string
	}{
		"good":    {"abc\n", "abc", ""},
		"windows": {"abc\r\n", "abc", ""},
		"empty":   {"", "", "is empty"},
		"blank":   {" \n\n", "", "is empty"},
		"two":     {"abc\ndef\n", "", "line break"},
		"huge":    {strings.Repeat("a", 70<<10), "", "larger than"},
	} {
		f := filepath.Join(dir, name)
		os.WriteFile(f, []byte(tt.content), 0o600)
		s, err := fetch.TokenFile(f)()
		if s.Reveal() != tt.want || (err != nil) != (tt.text != "") || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %q, %v", name, s.Reveal(), err)
		}
		if err != nil && !problem.Is(err, problem.Credential) {
			t.Errorf("%s: %v is no credential problem", name, err)
		}
	}
	if _, err := fetch.TokenFile(filepath.Join(dir, "none"))(); !problem.Is(err, problem.Credential) {
		t.Errorf("missing file: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "ca")
	os.WriteFile(bad, []byte("no pem"), 0o600)
	for text, o := range map[string]fetch.Options{
		"no base URL":           {},
		"is not a URL":          {BaseURL: "https://u:hunter22@h\x7f/"},
		"holds a user":          {BaseURL: "https://u:hunter22@h/"},
		`scheme "ftp"`:          {BaseURL: "ftp://h/"},
		"no host":               {BaseURL: "https:///x"},
		"a query":               {BaseURL: "https://h/?private_token=hunter22"},
		"no PEM certificate":    {BaseURL: "https://h/", CAFile: bad},
		"read CA file":          {BaseURL: "https://h/", CAFile: bad + "x"},
		"must not follow redir": {BaseURL: "https://h/", AnyOrigin: true, Header: func() (http.Header, error) { return nil, nil }},
	} {
		_, err := fetch.New(o)
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%+v: got %v, want %q", o, err, text)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "100.100.100.200", "224.0.0.1", "0.0.0.0", "[::]"} {
		c, _ := client(t, "http://"+host+"/", nil)
		_, err := c.Get(t.Context(), "/", nil)
		if !problem.Is(err, problem.Refused) || c.Stats().Requests > 1 {
			t.Errorf("%s: got %v after %d requests", host, err, c.Stats().Requests)
		}
	}
}

func TestURL(t *testing.T) {
	c, _ := client(t, "https://forge.example:443/api/v3/", nil)
	for in, want := range map[string]string{
		"/repos/x":                             "https://forge.example:443/api/v3/repos/x",
		"repos/x?page=2":                       "https://forge.example:443/api/v3/repos/x?page=2",
		"https://forge.example/api/v3/y?b=%2F": "https://forge.example/api/v3/y?b=%2F",
		"../../etc":                            "",
		"a/%2e%2e/b":                           "",
		"http://forge.example/api/v3/y":        "",
		"https://forge.example:8443/y":         "",
		"https://forge.example.evil/y":         "",
		"https://forge.example@evil.example/y": "",
	} {
		u, err := c.URL(in, nil)
		if want == "" {
			if err == nil {
				t.Errorf("%s: allowed as %s", in, u)
			}
			continue
		}
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v; want %s", in, u, err, want)
		}
	}
	// A library that builds its own request cannot leave either.
	if _, err := c.HTTP().Get("https://evil.example/"); !problem.Is(err, problem.Source) {
		t.Errorf("foreign request: %v", err)
	}
}

func TestSafeURL(t *testing.T) {
	u, _ := url.Parse("https://u:pw@h/p?page=2&access_token=abc&sig=x#frag")
	if got, want := fetch.SafeURL(u), "https://h/p?access_token=%3Csecret%3E&page=2&sig=%3Csecret%3E"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestThrottleHook(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403); io.WriteString(w, "slow down") })
	c, w := client(t, url, func(o *fetch.Options) {
		o.Retries = 1
		o.Throttle = func(r *http.Response, body []byte) (time.Duration, bool) {
			return 30 * time.Second, r.StatusCode == 403 && string(body) == "slow down"
		}
	})
	_, err := c.Get(t.Context(), "/", nil)
	at, ok := fetch.RetryAt(err)
	if !problem.Is(err, problem.Throttled) || !ok || !at.Equal(noon.Add(30*time.Second)) || !cmp.Equal(w.ds, []time.Duration{30 * time.Second}) {
		t.Errorf("got %v, %v, waited %v", err, at, w.ds)
	}
}

// TestTellsHook: a failure whose body tells more comes back whole, after the same
// attempts as any other.
func TestTellsHook(t *testing.T) {
	for path, want := range map[string]int{"/more": 500, "/none": 0, "/later": 0} {
		tries := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			tries++
			if r.URL.Path == "/later" {
				w.Header().Set("Retry-After", "1")
			}
			w.WriteHeader(500)
			io.WriteString(w, r.URL.Path)
		})
		c, _ := client(t, url, func(o *fetch.Options) {
			o.Tells = func(r *http.Response, body []byte) bool { return r.StatusCode == 500 && string(body) != "/none" }
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		resp, err := c.HTTP().Do(req)
		got := 0
		if err == nil {
			got = resp.StatusCode
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != path {
				t.Errorf("%s: body %q", path, body)
			}
		}
		if got != want || tries != 4 {
			t.Errorf("%s: status %d after %d attempts, %v", path, got, tries, err)
		}
	}
}

func TestPages(t *testing.T) {
	p := fetch.NewPages(3)
	for _, k := range []string{"1", "2"} {
		if err := p.Visit(k); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Visit("1"); !problem.Is(err, problem.Source) || !strings.Contains(err.Error(), "leads back") {
		t.Errorf("loop: %v", err)
	}
	p.Visit("3")
	if err := p.Visit("4"); !problem.Is(err, problem.Source) || !strings.Contains(err.Error(), "more than 3") {
		t.Errorf("too many: %v", err)
	}
	for in, want := range map[string]string{
		``:                    "",
		`<a?x=1,2>; rel=next`: "a?x=1,2",
		`<a>; rel="prev", <b>; title="x"; rel="last next", <c>; rel="first"`: "b",
		`<a>; rel="last"`: "", `<a`: "", `rel="next"`: "",
	} {
		if got := fetch.NextLink(http.Header{"Link": {in}}); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="prev", <b>; rel="next"`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := fetch.NextLink(http.Header{"Link": {s}}); !strings.Contains(s, got) {
			t.Errorf("%q is not part of %q", got, s)
		}
	})
}

// What a file holds is a user's password, or a bearer token.
func TestFileHeader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("a:b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"": "Bearer a:b", "u": "Basic dTphOmI="} {
		h, err := fetch.FileHeader(user, file)()
		if err != nil || h.Get("Authorization") != want {
			t.Errorf("user %q: %q, %v, want %q", user, h, err, want)
		}
		if _, err := fetch.FileHeader(user, file+"-none")(); !problem.Is(err, problem.Credential) {
			t.Errorf("user %q without the file: %v", user, err)
		}
	}
	if fetch.FileHeader("", "") != nil {
		t.Error("there is a header without a file")
	}
}
