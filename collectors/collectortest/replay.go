package collectortest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Replay is a server that answers from a recorded conversation. A request that
// was not recorded fails the test. Each answer carries an ETag, honours
// If-None-Match, and has the Date of Now.
//
// A conversation is a txtar archive. The name of a file is the request line
// without the protocol ("GET /repos/a/b?per_page=100", the order of query
// parameters does not matter). Its content is the body, or header lines, an
// empty line, and the body:
//
//	-- GET /repos/acme/app --
//	status: 404
//	Link: <{{url}}/next>; rel="next"
//
//	{"message": "Not Found"}
//
// Header lines are there when the first line has the form "Name: value"; a
// line "status: N" sets the status. {{url}} stands for the server's address.
// When a request line stands in the archive several times the answers come in
// turn and the last one stays.
type Replay struct {
	URL string
	Now time.Time

	t       testing.TB
	srv     *httptest.Server
	mu      sync.Mutex
	answers map[string][]answer
	log     []string
	lenient bool // a request that was not recorded is answered 404
	fault   func(n int, line string, w http.ResponseWriter, r *http.Request) bool
}

type answer struct {
	status int
	header http.Header
	body   string
}

// NewReplay starts a server for the conversation in file, closed when the test
// ends.
func NewReplay(t testing.TB, file string, now time.Time) *Replay {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return ReplayOf(t, b, now)
}

// ReplayOf starts a server for a conversation.
func ReplayOf(t testing.TB, conversation []byte, now time.Time) *Replay {
	t.Helper()
	r := &Replay{t: t, Now: now, answers: map[string][]answer{}}
	for _, f := range txtar.Parse(conversation).Files {
		line, err := canonical(f.Name)
		if err != nil {
			t.Fatalf("conversation: %v", err)
		}
		a, err := parseAnswer(string(f.Data))
		if err != nil {
			t.Fatalf("conversation: %s: %v", f.Name, err)
		}
		r.answers[line] = append(r.answers[line], a)
	}
	r.srv = httptest.NewServer(r)
	r.URL = r.srv.URL
	t.Cleanup(r.srv.Close)
	return r
}

func canonical(line string) (string, error) {
	method, target, ok := strings.Cut(line, " ")
	if !ok {
		return "", fmt.Errorf("request line %q: want METHOD /path", line)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "", err
	}
	return requestLine(method, u), nil
}

func requestLine(method string, u *url.URL) string {
	s := method + " " + u.EscapedPath()
	if q := u.Query().Encode(); q != "" {
		s += "?" + q
	}
	return s
}

func parseAnswer(s string) (answer, error) {
	a := answer{status: 200, header: http.Header{}}
	first, _, _ := strings.Cut(s, "\n")
	if !isHeaderLine(first) {
		a.body = s
		return a, nil
	}
	for {
		line, rest, _ := strings.Cut(s, "\n")
		s = rest
		if line == "" {
			break
		}
		if !isHeaderLine(line) {
			return a, fmt.Errorf("line %q is no header", line)
		}
		k, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		if k == "status" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return a, err
			}
			a.status = n
			continue
		}
		a.header.Add(k, v)
	}
	a.body = s
	return a, nil
}

func isHeaderLine(s string) bool {
	k, _, ok := strings.Cut(s, ": ")
	return ok && k != "" && strings.Trim(k, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// ServeHTTP implements http.Handler.
func (r *Replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	line := requestLine(req.Method, req.URL)
	r.mu.Lock()
	n := len(r.log)
	r.log = append(r.log, line)
	fault := r.fault
	as := r.answers[line]
	if len(as) > 1 && fault == nil {
		r.answers[line] = as[1:]
	}
	r.mu.Unlock()
	w.Header().Set("Date", r.Now.UTC().Format(http.TimeFormat))
	if fault != nil && fault(n, line, w, req) {
		return
	}
	if len(as) == 0 && r.lenient {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(as) == 0 {
		r.t.Errorf("request that was not recorded: %s", line)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a := as[0]
	body := strings.ReplaceAll(a.body, "{{url}}", r.URL)
	for k, vs := range a.header {
		for _, v := range vs {
			w.Header().Add(k, strings.ReplaceAll(v, "{{url}}", r.URL))
		}
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if a.status == 200 {
		sum := sha256.Sum256([]byte(body))
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		w.Header().Set("ETag", tag)
		if req.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(a.status)
	fmt.Fprint(w, body)
}

// SetFault puts f before the recorded answers; it reports whether it answered
// the n-th request since the last Requests call (0 is the first). nil takes it
// away.
func (r *Replay) SetFault(f func(n int, line string, w http.ResponseWriter, req *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

// Requests returns the request lines served since the last call.
func (r *Replay) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.log
	r.log = nil
	return l
}

// Replace sets the answer of one request line from now on: its status, and a
// body in the form of the archive.
func (r *Replay) Replace(line, content string) {
	r.t.Helper()
	l, err := canonical(line)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := parseAnswer(content)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[l] = []answer{a}
}
