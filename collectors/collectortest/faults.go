package collectortest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// fault is one way in which a source fails.
type fault struct {
	name   string
	status int  // what Suite.Means is asked about; 0: no status
	slow   bool // tried at a few requests only
	serve  func(w http.ResponseWriter, r *http.Request)
}

func status(code int, body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		// A careless server that shows what it was sent.
		fmt.Fprintf(w, body, r.Header.Get("Authorization")+r.Header.Get("X-Vault-Token"))
	}
}

func hangUp(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

func raw(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(conn, text)
			conn.Close()
		}
	}
}

// allFaults lists the faults; every one of them stays for as long as the run
// lasts.
func allFaults() []fault {
	return []fault{
		{name: "401", status: 401, serve: status(401, `{"message":"Bad credentials %s"}`)},
		{name: "403", status: 403, serve: status(403, `{"message":"Resource not accessible %s"}`)},
		{name: "404", status: 404, serve: status(404, `{"message":"Not Found","x":"%s"}`)},
		{name: "429 with Retry-After", serve: status(429, `slow down %s`, "Retry-After", "3600")},
		{name: "429", serve: status(429, `slow down %s`)},
		{name: "500", serve: status(500, `{"error":"oops %s"}`)},
		{name: "502 HTML", serve: status(502, `<html><body>Bad gateway %s</body></html>`, "Content-Type", "text/html")},
		{name: "200 HTML", serve: status(200, `<html><body>Please log in %s</body></html>`, "Content-Type", "text/html")},
		{name: "truncated by length", serve: raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40000\r\n\r\n[{\"id\":1")},
		{name: "truncated chunk", serve: raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n")},
		{name: "malformed JSON", serve: status(200, `[{"id":%.0s]`)},
		{name: "announced oversized", serve: raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n[]")},
		{name: "oversized", slow: true, serve: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "[")
			pad := strings.Repeat(" ", 1<<16)
			for range 5 << 20 / len(pad) {
				io.WriteString(w, pad)
			}
			io.WriteString(w, "]")
		}},
		{name: "redirect to another host", serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://other.invalid"+r.URL.Path, http.StatusFound)
		}},
		{name: "timeout", slow: true, serve: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // a gone client shows only once the body is read
			<-r.Context().Done()
		}},
	}
}

// skips thins the matrix of requests and faults under the race detector, whose
// concern is who touches what at the same time and not which fault it was: each
// request sees a sixth of the faults and each fault a sixth of the requests, one
// at the least. Without the detector, and with EVIDENCED_FULL, nothing is left out.
func skips(request, requests, fault int) bool {
	return racing && os.Getenv("EVIDENCED_FULL") == "" && (request+fault)%min(6, requests) != 0
}

// Thin is how many of n things a test makes: all of them, or a tenth under the
// race detector, for the reason that skips gives.
func Thin(n int) int {
	if racing && os.Getenv("EVIDENCED_FULL") == "" {
		return max(n/10, 1)
	}
	return n
}

// faults lets each request line fail in each way, for the whole run.
func (h *harness) faults(t *testing.T, whole *run, lines []string) {
	distinct := slices.Clone(lines)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	all := allFaults()
	for _, code := range h.Also {
		all = append(all, fault{name: fmt.Sprint(code), status: code, serve: status(code, `{"message":"as asked %s"}`)})
	}
	for j, f := range all {
		t.Run(f.name, func(t *testing.T) {
			picks := distinct
			ctx := t.Context()
			if f.slow {
				picks = nil
				for _, k := range some(len(distinct)) {
					picks = append(picks, distinct[k])
				}
				if f.name == "timeout" {
					ctx = context.WithValue(ctx, quick{}, true)
				}
			}
			for i, line := range picks {
				if !f.slow && skips(i, len(picks), j) {
					continue
				}
				h.replay.SetFault(func(_ int, l string, w http.ResponseWriter, r *http.Request) bool {
					if l == line {
						f.serve(w, r)
					}
					return l == line
				})
				r := h.poll(ctx, nil, Recorder{})
				h.replay.Requests()
				if f.status != 0 && h.Means != nil && h.Means(f.status, line) {
					continue
				}
				h.failed(t, line, whole, r)
				h.resumed(t, line, whole, r)
			}
		})
	}
	h.replay.SetFault(nil)
}

// passing lets each request fail once: a retry must heal it.
func (h *harness) passing(t *testing.T, whole *run, lines []string) {
	faults := map[string]func(http.ResponseWriter, *http.Request){
		"429":        status(429, "slow down %s", "Retry-After", "1"),
		"503":        status(503, "busy %s"),
		"broken off": raw(""),
		"truncated":  raw("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n["),
	}
	for j, name := range slices.Sorted(maps.Keys(faults)) {
		serve := faults[name]
		for k := range lines {
			if skips(k, len(lines), j) {
				continue
			}
			h.replay.SetFault(func(n int, _ string, w http.ResponseWriter, r *http.Request) bool {
				if n == k {
					serve(w, r)
				}
				return n == k
			})
			r := h.poll(t.Context(), nil, Recorder{})
			h.replay.Requests()
			if r.err != nil {
				t.Errorf("%s once at request %d: %v", name, k, r.err)
				continue
			}
			if d := cmpIdentities(whole, r); d != "" {
				t.Errorf("%s once at request %d (-want +got):\n%s", name, k, d)
			}
		}
	}
	h.replay.SetFault(nil)
}
