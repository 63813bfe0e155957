package collectortest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Conditional is a handler that tags what another one answers, as servers do:
// who asks again with the tag gets 304 and no body while the answer is the same.
// It counts, so that a test can say what a look costs.
type Conditional struct {
	next http.Handler

	mu          sync.Mutex
	requests    int
	notModified int
}

// NewConditional wraps a handler.
func NewConditional(next http.Handler) *Conditional { return &Conditional{next: next} }

// ServeHTTP implements http.Handler.
func (c *Conditional) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, r)
	sum := sha256.Sum256(rec.Body.Bytes())
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	for k, vs := range rec.Header() {
		w.Header()[k] = vs
	}
	same := rec.Code == http.StatusOK && r.Header.Get("If-None-Match") == tag
	c.mu.Lock()
	c.requests++
	if same {
		c.notModified++
	}
	c.mu.Unlock()
	if rec.Code == http.StatusOK {
		w.Header().Set("ETag", tag)
	}
	if same {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

// Counts returns how many requests came since the last call, and how many of
// them were answered 304.
func (c *Conditional) Counts() (requests, notModified int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests, notModified = c.requests, c.notModified
	c.requests, c.notModified = 0, 0
	return requests, notModified
}
