package fetch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence/problem"

	"github.com/google/go-cmp/cmp"
)

func TestETag(t *testing.T) {
	body, tag, full, notMod := "one", `"1"`, 0, 0
	var link string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		if link != "" {
			w.Header().Set("Link", link)
		}
		if r.Header.Get("If-None-Match") == tag {
			notMod++
			w.WriteHeader(304)
			return
		}
		full++
		w.Header().Set("Content-Type", "text/x")
		io.WriteString(w, body)
	})
	tok := "a-first-token"
	c, _ := client(t, url, func(o *fetch.Options) {
		o.Header = func() (http.Header, error) { return http.Header{"Authorization": {tok}}, nil }
		o.CacheBytes = 64 << 10
	})
	get := func(path, want string, wantFull, wantNotMod int) {
		t.Helper()
		r, err := c.Get(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Body) != want || r.Status != 200 || r.Header.Get("Content-Type") != "text/x" || full != wantFull || notMod != wantNotMod {
			t.Errorf("%s: got %d %q %v after %d full, %d not modified; want %q %d %d", path, r.Status, r.Body, r.Header, full, notMod, want, wantFull, wantNotMod)
		}
	}
	get("/a", "one", 1, 0)
	link = `<x>; rel="next"`
	get("/a", "one", 1, 1)
	get("/b", "one", 2, 1)
	tok = "another-token" // another credential must not be served from this one's answers
	get("/a", "one", 3, 1)
	body, tag = "two", `"2"`
	get("/a", "two", 4, 1)
	get("/a", "two", 4, 2)
	if s := c.Stats(); s.NotModified != 2 || s.Requests != 6 {
		t.Errorf("stats %+v", s)
	}
	// Bounded: the oldest answers are dropped, a huge one is never kept.
	body = strings.Repeat("x", 10<<10)
	for i := range 10 {
		get(fmt.Sprint("/big", i), body, 5+i, 2)
	}
	get("/big9", body, 14, 3)
	get("/big0", body, 15, 3)
	body = strings.Repeat("x", 40<<10)
	get("/huge", body, 16, 3)
	get("/huge", body, 17, 3)
}

func TestETagTruncatedIsNotKept(t *testing.T) {
	n := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			t.Error("a body that was cut is used for a conditional request")
		}
		n++
		conn, _, _ := w.(http.Hijacker).Hijack()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 9\r\n\r\nshort")
		conn.Close()
	})
	c, _ := client(t, url, nil)
	if _, err := c.Get(t.Context(), "/", nil); err == nil || n != 4 {
		t.Errorf("got %v after %d", err, n)
	}
}

func TestOffset(t *testing.T) {
	for _, tt := range []struct{ date, want time.Duration }{
		{0, 0}, {-time.Second, 0}, {-10 * time.Second, -9 * time.Second}, {10 * time.Minute, 10 * time.Minute},
	} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", noon.Add(tt.date).Format(http.TimeFormat))
		})
		c, _ := client(t, url, nil)
		if c.Stats().OffsetOK {
			t.Error("offset before any answer")
		}
		c.Get(t.Context(), "/", nil)
		if s := c.Stats(); !s.OffsetOK || s.Offset != tt.want {
			t.Errorf("date %v off: got %v, %v; want %v", tt.date, s.Offset, s.OffsetOK, tt.want)
		}
		c.ResetStats()
		if s := c.Stats(); s.OffsetOK || s.Requests != 0 {
			t.Errorf("after reset: %+v", s)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	c, _ := client(t, s.URL, nil)
	_, err := c.Get(t.Context(), "/", nil)
	if !problem.Is(err, problem.Source) || !strings.Contains(err.Error(), "not trusted") || c.Stats().Requests != 1 {
		t.Errorf("unknown authority: got %v after %d", err, c.Stats().Requests)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
	c, _ = client(t, s.URL, func(o *fetch.Options) { o.CAFile = ca })
	if _, err := c.Get(t.Context(), "/", nil); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.Certificate().RawSubjectPublicKeyInfo)
	if st := c.Stats(); st.TLS != "TLS 1.3" || st.TLSKey != hex.EncodeToString(sum[:]) {
		t.Errorf("got %+v", st)
	}
}

func TestStream(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole":
			io.WriteString(w, "a\nbb\n\nccc")
		case "/long":
			io.WriteString(w, "a\n"+strings.Repeat("b", 100)+"\n")
		case "/silent":
			io.WriteString(w, "a\n")
			w.(http.Flusher).Flush()
			<-hang
		case "/cut":
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n")
			conn.Close()
		default:
			w.WriteHeader(403)
		}
	})
	for path, want := range map[string][]string{
		"/whole":  {"a", "bb", "", "ccc"},
		"/long":   {"a", "line of the stream is longer than 50 bytes"},
		"/silent": {"a", "gave nothing for"},
		"/cut":    {"a", "the stream broke"},
	} {
		c, _ := client(t, url, func(o *fetch.Options) { o.StreamIdle = 50 * time.Millisecond })
		r, _, err := c.Stream(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line, err := range fetch.Lines(r, 50) {
			if err != nil {
				if !problem.Is(err, problem.Source) || !strings.Contains(err.Error(), want[len(want)-1]) {
					t.Errorf("%s: %v", path, err)
				}
				got = append(got, want[len(want)-1])
				break
			}
			got = append(got, string(line))
		}
		r.Close()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	c, _ := client(t, url, nil)
	if _, _, err := c.Stream(t.Context(), "/forbidden", nil); !problem.Is(err, problem.Credential) {
		t.Errorf("forbidden: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := c.Stream(ctx, "/silent", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var one [2]byte
	io.ReadFull(r, one[:])
	cancel()
	if _, err := r.Read(one[:]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled stream: %v", err)
	}
}

// A source's library may bring the transport; it connects with our dial
// function, and everything above it stays as it is.
func TestUnder(t *testing.T) {
	asked := make(chan http.Header, 10)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Clone()
		io.WriteString(w, "[1]")
	})
	dialled := 0
	c, _ := client(t, url, func(o *fetch.Options) {
		o.Under = func(dial fetch.DialFunc) (http.RoundTripper, error) {
			return &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialled++
				return dial(ctx, network, addr)
			}}, nil
		}
	})
	if r, err := c.GetAs(t.Context(), "/a", nil, "text/x-small"); err != nil || string(r.Body) != "[1]" {
		t.Fatalf("GetAs: %v", err)
	}
	if got := (<-asked).Get("Accept"); got != "text/x-small" {
		t.Errorf("GetAs asks for %q", got)
	}
	body, _, err := c.Open(t.Context(), "/b", nil, fetch.Reading{Accept: "text/x-stream", Idle: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if got := (<-asked).Get("Accept"); got != "text/x-stream" {
		t.Errorf("Open asks for %q", got)
	}
	if dialled == 0 || c.Stats().Requests != 2 {
		t.Errorf("%d connections, %d requests counted", dialled, c.Stats().Requests)
	}
	// What no source is served from is refused below a borrowed transport too.
	c, err = fetch.New(fetch.Options{BaseURL: "http://169.254.169.254", Retries: -1, Under: func(dial fetch.DialFunc) (http.RoundTripper, error) {
		return &http.Transport{DialContext: dial}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "/latest/meta-data", nil); !problem.Is(err, problem.Refused) {
		t.Errorf("metadata address: %v", err)
	}
	if _, err := fetch.New(fetch.Options{BaseURL: url, Under: func(fetch.DialFunc) (http.RoundTripper, error) { return nil, errors.New("no key") }}); err == nil {
		t.Error("a transport that cannot be made is no error")
	}
}
