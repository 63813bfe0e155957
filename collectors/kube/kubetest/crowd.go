package kubetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
)

// Crowd is a cluster of the size that must fit: a scene of recorded objects,
// repeated until there are many, in the namespaces of a hundred tenants. It is
// served as it is asked for and never held, so that what a test measures is the
// collector's.
type Crowd struct {
	Scene  []Served
	Spaces []string // namespaces of the scene that are a tenant's; each tenant gets its own
	Once   []string // resources that are the platform's: there are no more of them than the scene has
	Limit  uint64   // what the process may take for the first list, in bytes; 0: firstLimit
}

// Served is a resource and what the scene holds of it.
type Served struct {
	Group, Version, Resource string
	Objects                  []json.RawMessage
}

const (
	crowdTenants = 100
	// crowdBatch changes are told at a time.
	crowdBatch   = 5_000
	crowdBatches = 4
)

// allObjects is how many objects there are in full (EVIDENCED_FULL is set);
// otherwise there are a fifth of them, and limits to go with it.
const allObjects = 50_000

func crowdObjects() int {
	if os.Getenv("EVIDENCED_FULL") != "" {
		return allObjects
	}
	return allObjects / 5
}

// SceneOf reads a scene out of an archive as Objects does.
func SceneOf(t testing.TB, file string) (scene []Served) {
	t.Helper()
	for _, f := range archive(t, file) {
		name, version, _ := strings.Cut(f.Name, "/")
		resource, group, _ := strings.Cut(name, ".")
		scene = append(scene, Served{group, version, resource, items(t, f)})
	}
	return scene
}

// SceneOfLists reads a scene out of the lists of a recorded conversation; the
// namespaces are left to the crowd.
func SceneOfLists(t testing.TB, file string) (scene []Served) {
	t.Helper()
	for _, f := range archive(t, file) {
		u, err := url.Parse(strings.TrimPrefix(f.Name, "GET "))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(u.Path, "/apis/"), "/api/"), "/")
		s := Served{Resource: parts[len(parts)-1], Version: parts[max(0, len(parts)-2)]}
		if u.RawQuery == "" || s.Resource == "namespaces" {
			continue
		}
		if len(parts) > 2 {
			s.Group = parts[0]
		}
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal(f.Data, &list); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		i := slices.IndexFunc(scene, func(o Served) bool { return o.base() == s.base() && o.Resource == s.Resource })
		if i < 0 {
			i, scene = len(scene), append(scene, s)
		}
		scene[i].Objects = append(scene[i].Objects, list.Items...) // a page more
	}
	return scene
}

func (s Served) base() string {
	if s.Group == "" {
		return "/api/" + s.Version
	}
	return "/apis/" + s.Group + "/" + s.Version
}

// crowd is a Crowd that is served.
type crowd struct {
	Crowd
	objects int
	names   []string
	parts   []*part

	mu      sync.Mutex
	version int
	changed chan struct{} // closed when version moves on
}

// part is one resource of a crowd.
type part struct {
	Served
	texts  []string // of objects, with managed fields and a place for the version
	repeat int      // times that each of them is there
}

// managed is what a real object carries of who wrote which field: as large as
// the rest of it.
var managed = json.RawMessage(`[{"manager":"controller","operation":"Update","fieldsV1":{` + strings.Repeat(`"f:status":{"f:conditions":{}},`, 70) + `"f:x":{}}}]`)

const versionMark = "@version@"

func newCrowd(t testing.TB, c Crowd) *crowd {
	t.Helper()
	w := &crowd{Crowd: c, objects: crowdObjects(), version: 1000, changed: make(chan struct{})}
	scene := 0
	seen := map[string]bool{}
	for _, s := range c.Scene {
		p := &part{Served: s, repeat: 1} // of the cluster itself there is one
		for _, raw := range s.Objects {
			var o map[string]any
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			meta := o["metadata"].(map[string]any)
			meta["resourceVersion"], meta["managedFields"] = versionMark, managed
			for _, k := range []string{"name", "uid"} {
				if n := fmt.Sprint(meta[k]); !seen[n] && !slices.Contains(c.Spaces, n) {
					seen[n] = true
					w.names = append(w.names, n)
				}
			}
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(o); err != nil {
				t.Fatal(err)
			}
			p.texts = append(p.texts, strings.TrimSpace(b.String()))
			if meta["namespace"] != nil && !slices.Contains(c.Once, s.Resource) {
				p.repeat = 0
			}
		}
		if p.repeat == 0 {
			scene += len(p.texts)
		}
		w.parts = append(w.parts, p)
	}
	for _, p := range w.parts {
		if p.repeat == 0 {
			p.repeat = w.objects/scene + 1
		}
	}
	return w
}

// write writes so many objects of a resource, from one of them on, each between two
// texts.
func (w *crowd) write(to io.Writer, p *part, from, n, version int, before, after string) {
	var in *strings.Replacer
	for i := from; i < from+n; i++ {
		if in == nil || i%len(p.texts) == 0 {
			in = w.in(i/len(p.texts), version)
		}
		_, _ = io.WriteString(to, before)
		_, _ = in.WriteString(to, p.texts[i%len(p.texts)])
		_, _ = io.WriteString(to, after)
	}
}

// in names everything of one repetition of the scene: objects by its number,
// namespaces by their tenant.
func (w *crowd) in(n, version int) *strings.Replacer {
	pairs := []string{versionMark, strconv.Itoa(version)}
	for _, name := range w.names {
		pairs = append(pairs, `"`+name+`"`, fmt.Sprintf(`"%s-%d"`, name, n))
	}
	for _, ns := range w.Spaces {
		pairs = append(pairs, `"`+ns+`"`, `"`+w.space(ns, n)+`"`)
	}
	return strings.NewReplacer(pairs...)
}

// space is the namespace of a repetition: as many of them as give a hundred
// tenants in all.
func (w *crowd) space(ns string, n int) string {
	return fmt.Sprintf("%s-%d", ns, n%max(1, crowdTenants/len(w.Spaces)))
}

// spaces are all namespaces, the tenants' first.
func (w *crowd) spaces() (tenants, others []string) {
	for n := range max(1, crowdTenants/len(w.Spaces)) {
		for _, ns := range w.Spaces {
			tenants = append(tenants, w.space(ns, n))
		}
	}
	for _, p := range w.parts {
		for _, raw := range p.Objects {
			var o struct {
				Metadata struct {
					Namespace string `json:"namespace"`
				} `json:"metadata"`
			}
			if json.Unmarshal(raw, &o) == nil && o.Metadata.Namespace != "" && !slices.Contains(w.Spaces, o.Metadata.Namespace) && !slices.Contains(others, o.Metadata.Namespace) {
				others = append(others, o.Metadata.Namespace)
			}
		}
	}
	return tenants, others
}

// change lets the watches tell so many changes of each resource.
func (w *crowd) change() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	close(w.changed)
	w.changed = make(chan struct{})
	return w.version
}

func (w *crowd) now() (int, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version, w.changed
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the test is over when nobody listens
}

func (w *crowd) handler() http.Handler {
	mux := http.NewServeMux()
	served := map[string][]any{"/api/v1": {map[string]any{"name": "namespaces"}}}
	groups := map[string][]any{}
	for _, p := range w.parts {
		if p.Group != "" && served[p.base()] == nil {
			groups[p.Group] = append(groups[p.Group], map[string]any{"version": p.Version})
		}
		served[p.base()] = append(served[p.base()], map[string]any{"name": p.Resource})
		mux.HandleFunc(p.base()+"/"+p.Resource, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("watch") != "" {
				w.watch(rw, r, p)
				return
			}
			w.list(rw, r, p)
		})
	}
	for base, list := range served {
		gv := strings.TrimPrefix(strings.TrimPrefix(base, "/apis/"), "/api/")
		mux.HandleFunc(base, func(rw http.ResponseWriter, _ *http.Request) {
			reply(rw, map[string]any{"kind": "APIResourceList", "groupVersion": gv, "resources": list})
		})
	}
	mux.HandleFunc("/apis", func(rw http.ResponseWriter, _ *http.Request) {
		list := []any{}
		for name, versions := range groups {
			list = append(list, map[string]any{"name": name, "versions": versions})
		}
		reply(rw, map[string]any{"kind": "APIGroupList", "groups": list})
	})
	mux.HandleFunc("/readyz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
	mux.HandleFunc("/api/v1/namespaces", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") != "" {
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
			return
		}
		tenants, others := w.spaces()
		labels := map[string]map[string]string{}
		for _, ns := range tenants {
			labels[ns] = map[string]string{"tenant": ns}
		}
		for _, ns := range others {
			labels[ns] = nil
		}
		reply(rw, map[string]any{"metadata": map[string]any{"resourceVersion": "1"}, "items": namespaceItems(labels)})
	})
	return mux
}

func (w *crowd) list(rw http.ResponseWriter, r *http.Request, p *part) {
	version, _ := w.now()
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || limit <= 0 {
		limit = 500
	}
	all := len(p.texts) * p.repeat
	to := min(from+limit, all)
	_, _ = io.WriteString(rw, `{"items":[`)
	if from < to {
		w.write(rw, p, from, 1, version, "", "")
		w.write(rw, p, from+1, to-from-1, version, ",", "")
	}
	meta := map[string]any{"resourceVersion": strconv.Itoa(version)}
	if to < all {
		meta["continue"], meta["remainingItemCount"] = strconv.Itoa(to), all-to
	}
	b, _ := json.Marshal(meta)
	fmt.Fprintf(rw, `],"metadata":%s}`, b)
}

// watch tells the share of the resource in each batch of changes.
func (w *crowd) watch(rw http.ResponseWriter, r *http.Request, p *part) {
	told, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		http.Error(rw, "no version", http.StatusBadRequest)
		return
	}
	for {
		version, changed := w.now()
		for ; told < version; told++ {
			share := len(p.texts) * p.repeat * crowdBatch / w.objects
			w.write(rw, p, 0, share, told+1, `{"type":"MODIFIED","object":`, "}\n")
			fmt.Fprintf(rw, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%d"}}}`+"\n", told+1)
		}
		_ = http.NewResponseController(rw).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// numbers is a ledger that keeps nothing but the cursor, and measures.
type numbers struct {
	tenants []evidence.Tenant

	mu      sync.Mutex
	cursor  []byte
	drafts  int
	peak    uint64
	changed chan struct{}
}

// Tenants implements collectors.Ledger.
func (n *numbers) Tenants() []evidence.Tenant { return n.tenants }

// Append implements collectors.Ledger.
func (n *numbers) Append(_ context.Context, _ evidence.Tenant, ds []collectors.Placed) ([]bool, error) {
	return make([]bool, len(ds)), nil
}

// Ingest implements collectors.Ledger.
func (n *numbers) Ingest(_ context.Context, batch map[evidence.Tenant][]collectors.Placed) (map[evidence.Tenant]collectors.Taken, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := map[evidence.Tenant]collectors.Taken{}
	for t, ds := range batch {
		taken[t] = collectors.Taken{New: slices.Repeat([]bool{true}, len(ds))}
		n.drafts += len(ds)
	}
	n.peak = max(n.peak, inUse())
	return taken, nil
}

// OpenStates implements collectors.Ledger.
func (n *numbers) OpenStates(context.Context, evidence.Tenant, evidence.Kind) iter.Seq2[evidence.Record, error] {
	return func(func(evidence.Record, error) bool) {}
}

// Cursor implements collectors.Ledger.
func (n *numbers) Cursor(string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cursor, nil
}

// PutCursor implements collectors.Ledger.
func (n *numbers) PutCursor(_ string, v []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cursor, n.peak = v, max(n.peak, inUse())
	close(n.changed)
	n.changed = make(chan struct{})
	return nil
}

// at waits until every feed has come to the version, durably.
func (n *numbers) at(t testing.TB, feeds, version int, ended <-chan error) {
	t.Helper()
	for {
		n.mu.Lock()
		cursor, changed := n.cursor, n.changed
		n.mu.Unlock()
		var outer struct{ Resume []byte }
		var resume struct {
			Feeds map[string]struct{ RV string }
		}
		there := 0
		if json.Unmarshal(cursor, &outer) == nil && json.Unmarshal(outer.Resume, &resume) == nil {
			for _, f := range resume.Feeds {
				if rv, err := strconv.Atoi(f.RV); err == nil && rv >= version {
					there++
				}
			}
		}
		if there >= feeds {
			return
		}
		select {
		case <-changed:
		case err := <-ended:
			t.Fatalf("the collector ended with %d of %d resources at %d: %v", there, feeds, version, err)
		case <-t.Context().Done():
			t.Fatalf("%d of %d resources came to %d", there, feeds, version)
		}
	}
}

// inUse is the memory that the process has from the system, in bytes.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// live is what is left on the heap after a collection, in bytes: the least of
// some, because what the collector has under way at one of them is gone at
// another.
func live() uint64 {
	least := uint64(math.MaxUint64)
	for range 8 {
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc)
		time.Sleep(50 * time.Millisecond)
	}
	return least
}

const (
	// firstLimit is what the process may take for the first list of 50,000 objects,
	// the server that plays the cluster and the runner's book of open states
	// included.
	firstLimit = 300 << 20
	// growLimit is what the second half of the changes may leave on the
	// heap.
	growLimit = 10 // MB
)

// Memory lets a collector list and follow the crowd and measures what the
// process takes. The race detector multiplies memory: tests that call it are
// not built with it.
func (c Crowd) Memory(t *testing.T, source evidence.SourceID, open func(server, tokenFile string, env collectors.Env) (collectors.Collector, error)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // as of a daemon, whatever the tests are run with
	w := newCrowd(t, c)
	srv := httptest.NewServer(w.handler())
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken-of-nobody"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	col, err := open(srv.URL, token, collectors.Env{Source: source, Clock: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	n := &numbers{changed: make(chan struct{})}
	var rules []collectors.TenantRules
	tenants, _ := w.spaces()
	for _, name := range tenants {
		tn, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		n.tenants = append(n.tenants, tn)
		rules = append(rules, collectors.TenantRules{Tenant: tn, Owns: []collectors.Owns{{Labels: []string{"tenant=" + name}}}})
	}
	set, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	r := &collectors.Runner{Source: source, Collector: col, Rules: set, Ledger: n, Clock: time.Now, Log: log, Every: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Follow(ctx) }()

	n.at(t, len(w.parts), 1000, done)
	n.mu.Lock()
	first, drafts, cursor := n.peak, n.drafts, len(n.cursor)
	n.mu.Unlock()
	t.Logf("first list of %d objects of %d resources and %d tenants, %d drafts: %d MB of process memory; cursor of %d KB",
		w.objects, len(w.parts), len(tenants), drafts, first>>20, cursor>>10)
	limit := cmp.Or(c.Limit, firstLimit)
	if w.objects < allObjects {
		limit -= 200 << 20
	}
	if first > limit {
		t.Errorf("the first list took %d MB, at most %d", first>>20, limit>>20)
	}
	var after []uint64
	for range crowdBatches {
		n.at(t, len(w.parts), w.change(), done)
		after = append(after, live()>>20)
	}
	t.Logf("live heap after each %d changes: %d MB", crowdBatch, after)
	// What happens to be under way at the moment is no growth.
	if grown := int64(slices.Min(after[crowdBatches/2:])) - int64(slices.Min(after[:crowdBatches/2])); grown > growLimit {
		t.Errorf("following grew the heap by %d MB", grown)
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
