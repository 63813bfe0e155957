//go:build !race

package alertrules

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

// crowdRules are many more than one server evaluates.
const crowdRules = 20_000

// A server with very many rules, all of which are evaluated rarely, fits in memory
// and in the cursor.
func TestMemory(t *testing.T) {
	var b strings.Builder
	for i := range crowdRules {
		fmt.Fprintf(&b, `,{"name":"group-%d","file":"/etc/prometheus/rules-%d.yaml","interval":3600,"rules":[{"state":"inactive","name":"Rule","query":%q,"duration":60,"labels":{"severity":"warning","tenant":"tenant-%d"},"annotations":{"summary":%q},"alerts":[],"health":"ok","lastEvaluation":"2026-03-03T11:59:40.6331Z","type":"alerting"}]}`,
			i, i%10, strings.Repeat("rate(x[5m]) + ", 20), i%100, strings.Repeat("words ", 50))
	}
	body := `{"status":"success","data":{"groups":[` + b.String()[1:] + `]}}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
	defer srv.Close()
	c, err := New(config(srv.URL, ""), collectors.Env{Source: "prometheus/prod", Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var resume []byte
	for range 2 {
		d := &collectortest.Counter{}
		if err := c.Poll(t.Context(), evidence.Period{}, resume, d); err != nil {
			t.Fatal(err)
		}
		if resume = d.Resume; d.Drafts != crowdRules {
			t.Fatalf("%d drafts", d.Drafts)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("answer of %d MiB, cursor of %d bytes a rule, heap after it %d MiB", len(body)>>20, len(resume)/crowdRules, m.HeapAlloc>>20)
	if len(resume) > 100*crowdRules {
		t.Errorf("the cursor has %d bytes for %d rules", len(resume), crowdRules)
	}
	if m.HeapAlloc > uint64(2*len(body)+len(resume))+32<<20 {
		t.Errorf("%d MiB stay in use", m.HeapAlloc>>20)
	}
}
