package cosigner

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"evidenced/evidence/witness"
)

func post(t *testing.T, h http.Handler, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/add-checkpoint", bytes.NewReader(body)))
	return w
}

func TestHTTP(t *testing.T) {
	key, other := install(t, installation), install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey), Rate: 1})
	srv := c.Handler()
	h := key.history(installation+"/1").grow(9, "a")
	encode := func(r witness.Request) []byte {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tc := range []struct {
		why    string
		body   []byte
		status int
		typ    string
		text   string // "": empty
	}{
		{"the first", encode(h.request(t, 0, 3)), 200, "text/plain; charset=utf-8", "\u2014 witness.example "},
		{"from nothing", encode(h.request(t, 0, 9)), 409, "text/x.tlog.size", "3\n"},
		{"without a proof", encode(witness.Request{Old: 3, Signed: h.signed(t, 9)}), 422, "", ""},
		{"smaller", encode(witness.Request{Old: 3, Signed: h.signed(t, 2)}), 400, "", ""},
		{"another key", encode(other.history(h.origin).grow(9, "a").request(t, 3, 9)), 403, "", ""},
		{"another log", encode(key.history("x").grow(3, "a").request(t, 0, 3)), 404, "", ""},
		{"nonsense", []byte("hello"), 400, "", ""},
		{"too much", bytes.Repeat([]byte("a"), witness.MaxRequest+1), 413, "", ""},
	} {
		w := post(t, srv, tc.body)
		if w.Code != tc.status || w.Header().Get("Content-Type") != tc.typ || !strings.HasPrefix(w.Body.String(), tc.text) || tc.text == "" && w.Body.Len() > 0 {
			t.Errorf("%s: %d %v %q", tc.why, w.Code, w.Header(), w.Body)
		}
	}
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return w
	}
	shown := get("GET", "/"+witness.OriginHash(h.origin)+"/checkpoint")
	w1, err := witness.ParseWitness("x", c.Key())
	if err != nil {
		t.Fatal(err)
	}
	if cp, cs, err := witness.Open(shown.Body.Bytes(), key.vkey, []witness.Witness{w1}); shown.Code != 200 || err != nil || cp.Size != 3 || len(cs) != 1 {
		t.Errorf("the newest checkpoint: %d, %v, %v, %v", shown.Code, cp, cs, err)
	}
	for path, status := range map[string]int{"/" + witness.OriginHash("other") + "/checkpoint": 404, "/x/checkpoint": 404, "/": 404, "/add-checkpoint": 405} {
		if w := get("GET", path); w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
	}
	for range 10 {
		post(t, srv, encode(h.request(t, 3, 3)))
	}
	if w := post(t, srv, encode(h.request(t, 3, 3))); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("too often: %d %v", w.Code, w.Header())
	}
	c.db.Close()
	if w := get("GET", "/"+witness.OriginHash(h.origin)+"/checkpoint"); w.Code != 500 || w.Body.Len() > 0 {
		t.Errorf("without a state: %d %q", w.Code, w.Body)
	}
}

// A body that does not end holds a place; beyond all places the answer is 503 at
// once.
func TestTooManyAtOnce(t *testing.T) {
	key := install(t, installation)
	srv := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey)}).Handler()
	done := make(chan int, maxAtOnce)
	var writers []*io.PipeWriter
	for range maxAtOnce {
		r, w := io.Pipe()
		writers = append(writers, w)
		go func() {
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, httptest.NewRequest("POST", "/add-checkpoint", r))
			done <- rec.Code
		}()
		fmt.Fprint(w, "old 0") // returns when the body is being read
	}
	if w := post(t, srv, nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.Code)
	}
	for _, w := range writers {
		w.Close()
	}
	for range maxAtOnce {
		if code := <-done; code != 400 {
			t.Errorf("one that waited: %d", code)
		}
	}
	if w := post(t, srv, nil); w.Code != 400 {
		t.Errorf("afterwards: %d", w.Code)
	}
}
