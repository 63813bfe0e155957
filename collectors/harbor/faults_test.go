package harbor

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestSkew measures a registry whose clock is ten minutes off, and loses nothing
// by it: rows are walked by id.
func TestSkew(t *testing.T) {
	for _, off := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		g := newRegistry(t)
		g.audit = []row{auditRowAt(1, g.clock.Add(off-time.Hour), nil)}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			g.ServeHTTP(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.Header().Set("Date", g.clock.Add(off).UTC().Format(http.TimeFormat))
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		}))
		t.Cleanup(srv.Close)
		g.cfg.URL = srv.URL
		g.restart()
		first := g.must(nil)
		if o := last(first); !o.OffsetOK || (o.Offset-off).Abs() > 2*time.Second {
			t.Errorf("a clock %v off is told as %v, %v", off, o.Offset, o.OffsetOK)
		}
		g.audit = append(g.audit, auditRowAt(2, g.clock.Add(off), nil))
		if ks := keys(g.later(5*time.Minute, first), evidence.RegistryAudit); len(ks) != 1 || ks[0] != "2" {
			t.Errorf("with a clock %v off the next look reads %v, want row 2", off, ks)
		}
	}
}
