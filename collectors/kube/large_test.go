package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// A platform of the size that must fit: 100 tenants with three namespaces each
// and 50,000 pods.
const (
	largeSpaces = 300
	largePods   = 50_000
)

// bulk is what makes a pod of the fake platform about as large as a real one:
// 5 KB, half of it managed fields.
var bulk = struct{ managed, spec string }{
	managed: `[{"manager":"kubelet","operation":"Update","fieldsV1":{` + strings.Repeat(`"f:status":{"f:conditions":{}},`, 70) + `"f:x":{}}}]`,
	spec:    `{"nodeName":"node-a","containers":[` + strings.Repeat(`{"name":"web","image":"registry.example.org/shop/web:1.4.2","env":[{"name":"MODE","value":"live"}],"resources":{"limits":{"memory":"128Mi"}}},`, 15) + `{"name":"last"}]}`,
}

func largePod(w io.Writer, i, version int) {
	fmt.Fprintf(w, `{"metadata":{"name":"web-%d","namespace":"ns-%d","uid":"0b6d8d0e-7b4c-4f0e-9a57-%012d","resourceVersion":"%d","creationTimestamp":"2026-11-14T09:00:00Z","labels":{"app":"web"},"managedFields":%s},"spec":%s,"status":{"phase":"Running-%d"}}`,
		i, i%largeSpaces, i, 1000+version, bulk.managed, bulk.spec, version)
}

// largeServer serves the platform without holding it. Each value of more lets
// the watch tell so many changes.
func largeServer(more <-chan int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{map[string]any{"name": "pods"}, map[string]any{"name": "namespaces"}}})
	})
	mux.HandleFunc("/apis", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"kind": "APIGroupList", "groups": []any{}})
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/api/v1/namespaces", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		io.WriteString(w, `{"metadata":{"resourceVersion":"1"},"items":[`)
		for i := range largeSpaces {
			if i > 0 {
				io.WriteString(w, ",")
			}
			fmt.Fprintf(w, `{"metadata":{"name":"ns-%d","uid":"ns-uid-%d","labels":{"tenant":"tenant-%d"}}}`, i, i, i/3)
		}
		io.WriteString(w, "]}")
	})
	mux.HandleFunc("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("watch") != "" {
			w.(http.Flusher).Flush()
			version := 1
			for {
				select {
				case n := <-more:
					for i := range n {
						io.WriteString(w, `{"type":"MODIFIED","object":`)
						largePod(w, i, version)
						io.WriteString(w, "}\n")
					}
					version++
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					return
				}
			}
		}
		from, _ := strconv.Atoi(q.Get("continue"))
		limit, _ := strconv.Atoi(q.Get("limit"))
		to := min(from+limit, largePods)
		io.WriteString(w, `{"items":[`)
		for i := from; i < to; i++ {
			if i > from {
				io.WriteString(w, ",")
			}
			largePod(w, i, 0)
		}
		meta := map[string]any{"resourceVersion": "1000"}
		if to < largePods {
			meta["continue"], meta["remainingItemCount"] = strconv.Itoa(to), largePods-to
		}
		b, _ := json.Marshal(meta)
		fmt.Fprintf(w, `],"metadata":%s}`, b)
	})
	return mux
}

// counter is a ledger that keeps nothing but numbers.
type counter struct {
	mu      sync.Mutex
	tenants []evidence.Tenant
	n       int
	cursor  []byte
	each    func() // after each batch
	changed chan struct{}
}

func (c *counter) Tenants() []evidence.Tenant { return c.tenants }
func (c *counter) Append(context.Context, evidence.Tenant, []collectors.Placed) ([]bool, error) {
	return make([]bool, 1), nil
}

func (c *counter) Ingest(_ context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		news := make([]bool, len(ds))
		for i := range news {
			news[i] = true
		}
		taken[t] = collectors.Taken{New: news}
		c.n += len(ds)
	}
	if c.each != nil {
		c.each()
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return taken, nil
}

func (c *counter) OpenStates(context.Context, evidence.Tenant, evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(func(evidence.Record, error) bool) {}
}
func (c *counter) Cursor(string) ([]byte, error)      { return c.cursor, nil }
func (c *counter) PutCursor(_ string, v []byte) error { c.cursor = v; return nil }

// until waits until n drafts were taken.
func (c *counter) until(t testing.TB, n int) {
	limit := time.After(5 * time.Minute)
	for {
		c.mu.Lock()
		now, changed := c.n, c.changed
		c.mu.Unlock()
		if now >= n {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%d drafts, want %d", now, n)
		}
	}
}

// largeRunner runs the tiny collector over the large platform.
func largeRunner(t *testing.T, c *counter, url string) *collectors.Runner {
	w := &world{t: t, now: worldBegin}
	w.cfg = DefaultConfig()
	w.cfg.Server, w.cfg.TokenFile, w.cfg.QPS = url, tokenFile(t), 1e6
	w.resources = tiny()[:1]
	var rules []collectors.TenantRules
	for i := range largeSpaces / 3 {
		tn := tenant(fmt.Sprintf("tenant-%d", i))
		c.tenants = append(c.tenants, tn)
		rules = append(rules, collectors.TenantRules{Tenant: tn, Owns: []collectors.Owns{{Labels: []string{"tenant=" + tn.String()}}}})
	}
	set, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	return &collectors.Runner{
		Source: "kubernetes/prod", Collector: w.collector(), Rules: set, Ledger: c, Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), Every: time.Hour,
	}
}

// BenchmarkListObject is the cost of one object of a list, up to its draft.
func BenchmarkListObject(b *testing.B) {
	var page bytes.Buffer
	const n = 500
	page.WriteString(`{"items":[`)
	for i := range n {
		if i > 0 {
			page.WriteByte(',')
		}
		largePod(&page, i, 0)
	}
	page.WriteString(`],"metadata":{"resourceVersion":"1"}}`)
	res := tiny()[0]
	cuts, err := res.check()
	if err != nil {
		b.Fatal(err)
	}
	f := &feed{res: &res, cuts: cuts, version: "v1"}
	l := NewLook("kubernetes/prod", "tiny/1", worldBegin)
	b.SetBytes(int64(page.Len() / n))
	b.ReportAllocs()
	for i := 0; i < b.N; {
		_, err := decodeList(bytes.NewReader(page.Bytes()), 1<<20, func(raw []byte) error {
			i++
			o, err := f.parse(raw, worldBegin, evidence.Request{})
			if err != nil {
				return err
			}
			_, err = res.Drafts(b.Context(), o, l)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWatchEvent is the cost of one event of a watch, up to its object.
func BenchmarkWatchEvent(b *testing.B) {
	var line bytes.Buffer
	line.WriteString(`{"type":"MODIFIED","object":`)
	largePod(&line, 1, 1)
	line.WriteString("}\n")
	res := tiny()[0]
	cuts, err := res.check()
	if err != nil {
		b.Fatal(err)
	}
	f := &feed{res: &res, cuts: cuts, version: "v1", clock: func() time.Time { return worldBegin }}
	b.SetBytes(int64(line.Len()))
	b.ReportAllocs()
	for b.Loop() {
		e, err := newWatchDecoder(bytes.NewReader(line.Bytes()), 1<<20).next()
		if err != nil {
			b.Fatal(err)
		}
		if err := f.event(b.Context(), e, evidence.Request{}, func(context.Context, message) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
