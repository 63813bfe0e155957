//go:build !race

package alertmanager

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/evidence"
)

// crowdAlerts fire at once: ten times what a platform of 100 tenants has on a bad
// day.
const crowdAlerts = 50_000

// A storm of alerts fits in memory and in the cursor.
func TestMemory(t *testing.T) {
	var b strings.Builder
	for i := range crowdAlerts {
		fmt.Fprintf(&b, `,{"annotations":{"summary":%q},"endsAt":"2026-03-03T12:03:00Z","fingerprint":"%016x","receivers":[{"name":"pager"}],"startsAt":"2026-03-03T10:43:17.544Z","status":{"inhibitedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-03-03T11:59:17.544Z","generatorURL":"http://prometheus.example/graph?g0.expr=up","labels":{"alertname":"PodCrashLooping","cluster":"prod-eu","namespace":"tenant-%d-web","pod":"web-%d","severity":"critical"}}`,
			strings.Repeat("words ", 50), i, i%100, i)
	}
	body := "[" + b.String()[1:] + "]"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/alerts"):
			fmt.Fprint(w, body)
		case strings.HasSuffix(r.URL.Path, "/silences"):
			fmt.Fprint(w, "[]")
		default:
			fmt.Fprint(w, `{"uptime":"2026-03-01T06:00:00Z"}`)
		}
	}))
	defer srv.Close()
	c, err := New(config("", srv.URL), collectors.Env{Source: "alertmanager/prod", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var resume []byte
	for range 2 {
		d := &collectortest.Counter{}
		if err := c.Poll(t.Context(), evidence.Period{}, resume, d); err != nil {
			t.Fatal(err)
		}
		if resume = d.Resume; d.Drafts != crowdAlerts {
			t.Fatalf("%d drafts", d.Drafts)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("answer of %d MiB, cursor of %d bytes an alert, heap after it %d MiB", len(body)>>20, len(resume)/crowdAlerts, m.HeapAlloc>>20)
	if len(resume) > 200*crowdAlerts {
		t.Errorf("the cursor has %d bytes for %d alerts", len(resume), crowdAlerts)
	}
	if m.HeapAlloc > uint64(len(body)+len(resume)+b.Len())+32<<20 {
		t.Errorf("%d MiB stay in use", m.HeapAlloc>>20)
	}
}
