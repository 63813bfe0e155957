package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fake is an API server in memory with the protocol's rules for lists, pages,
// watches, bookmarks and lost history.
type fake struct {
	*httptest.Server

	mu       sync.Mutex
	rv       uint64
	oldest   uint64 // history before it is gone
	objects  map[string]map[string]map[string]any
	history  []change
	pages    map[string]page
	served   map[string]bool // resources that discovery names
	changed  chan struct{}   // closed at each change
	kicked   chan struct{}   // closed when watches are to end
	notReady bool
	fault    func(w http.ResponseWriter, r *http.Request) bool
	log      []string
}

type change struct {
	rv       uint64
	resource string
	kind     string // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR
	object   map[string]any
}

// page is the rest of a list, as it was when the list began.
type page struct {
	rv    uint64
	items []map[string]any
}

// known resources of the fake, with the head of their addresses.
var paths = map[string]string{
	"namespaces": "/api/v1", "pods": "/api/v1", "restores.velero.io": "/apis/velero.io/v1",
}

func newFake(t testing.TB) *fake {
	f := &fake{
		rv: 100, oldest: 1, objects: map[string]map[string]map[string]any{}, pages: map[string]page{},
		served:  map[string]bool{"namespaces": true, "pods": true, "restores.velero.io": true},
		changed: make(chan struct{}), kicked: make(chan struct{}),
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() { f.kick(); f.Close() })
	return f
}

func object(ns, name, uid string) map[string]any {
	m := map[string]any{"name": name, "uid": uid}
	if ns != "" {
		m["namespace"] = ns
	}
	return map[string]any{"metadata": m}
}

func pod(ns, name, uid, phase string) map[string]any {
	o := object(ns, name, uid)
	o["status"] = map[string]any{"phase": phase}
	return o
}

func space(name, uid string, labels map[string]string) map[string]any {
	o := object("", name, uid)
	o["metadata"].(map[string]any)["labels"] = labels
	return o
}

func clone(o map[string]any) map[string]any {
	b, _ := json.Marshal(o)
	var c map[string]any
	json.Unmarshal(b, &c)
	return c
}

// put stores an object and tells the watches.
func (f *fake) put(resource string, o map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rv++
	o = clone(o)
	m := o["metadata"].(map[string]any)
	m["resourceVersion"] = strconv.FormatUint(f.rv, 10)
	key := fmt.Sprint(m["namespace"], "/", m["name"])
	if f.objects[resource] == nil {
		f.objects[resource] = map[string]map[string]any{}
	}
	kind := "MODIFIED"
	if f.objects[resource][key] == nil {
		kind = "ADDED"
	}
	f.objects[resource][key] = o
	f.tell(change{f.rv, resource, kind, o})
}

// del deletes an object.
func (f *fake) del(resource, ns, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rv++
	var n any
	if ns != "" {
		n = ns
	}
	key := fmt.Sprint(n, "/", name)
	o := clone(f.objects[resource][key])
	o["metadata"].(map[string]any)["resourceVersion"] = strconv.FormatUint(f.rv, 10)
	delete(f.objects[resource], key)
	f.tell(change{f.rv, resource, "DELETED", o})
}

// bookmark tells every watch of the resource how far it is.
func (f *fake) bookmark(resource string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rv++
	f.tell(change{f.rv, resource, "BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": strconv.FormatUint(f.rv, 10)}}})
}

// expire lets running watches of the resource end with 410.
func (f *fake) expire(resource string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rv++
	f.oldest = f.rv + 1
	f.tell(change{f.rv, resource, "ERROR", map[string]any{"kind": "Status", "code": 410, "reason": "Expired"}})
}

func (f *fake) tell(c change) {
	f.history = append(f.history, c)
	close(f.changed)
	f.changed = make(chan struct{})
}

// compact drops the history.
func (f *fake) compact() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rv++
	f.oldest = f.rv
}

// kick ends all watches, as a server does that goes down.
func (f *fake) kick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.kicked)
	f.kicked = make(chan struct{})
}

func (f *fake) setFault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// requests returns how many requests had the word in their line.
func (f *fake) requests(word string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.log {
		if strings.Contains(l, word) {
			n++
		}
	}
	return n
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.log = append(f.log, r.Method+" "+r.URL.String())
	fault, ready := f.fault, !f.notReady
	f.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	switch r.URL.Path {
	case "/readyz":
		if !ready {
			http.Error(w, "[-]poststarthook failed", 500)
			return
		}
		fmt.Fprint(w, "ok")
	case "/version":
		answer(w, map[string]any{"gitVersion": "v1.35.0"})
	case "/apis":
		f.groups(w)
	case "/api/v1", "/apis/velero.io/v1":
		f.resources(w, r.URL.Path)
	default:
		f.resource(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "status": "Failure", "code": code, "reason": reason})
}

func (f *fake) groups(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	groups := []any{}
	if f.served["restores.velero.io"] {
		groups = append(groups, map[string]any{"name": "velero.io", "versions": []any{map[string]any{"version": "v1"}}})
	}
	answer(w, map[string]any{"kind": "APIGroupList", "groups": groups})
}

func (f *fake) resources(w http.ResponseWriter, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []any{}
	for name, p := range paths {
		if p == path && f.served[name] {
			list = append(list, map[string]any{"name": strings.Split(name, ".")[0]})
		}
	}
	answer(w, map[string]any{"kind": "APIResourceList", "groupVersion": strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/"), "resources": list})
}

// resource serves lists, watches and single namespaces.
func (f *fake) resource(w http.ResponseWriter, r *http.Request) {
	name, ns, one := "", "", ""
	for n, p := range paths {
		rest, ok := strings.CutPrefix(r.URL.Path, p+"/")
		if !ok {
			continue
		}
		short := strings.Split(n, ".")[0]
		segs := strings.Split(rest, "/")
		switch {
		case len(segs) == 3 && segs[0] == "namespaces" && segs[2] == short:
			name, ns = n, segs[1]
		case len(segs) == 1 && segs[0] == short:
			name = n
		case len(segs) == 2 && short == "namespaces" && segs[0] == short:
			name, one = n, segs[1]
		}
	}
	f.mu.Lock()
	there := f.served[name]
	f.mu.Unlock()
	q := r.URL.Query()
	switch {
	case !there:
		http.NotFound(w, r)
	case one != "":
		f.mu.Lock()
		o := f.objects[name]["<nil>/"+one]
		f.mu.Unlock()
		if o == nil {
			status(w, 404, "NotFound")
			return
		}
		answer(w, o)
	case q.Get("watch") != "":
		f.watch(w, r, name, ns, q)
	default:
		f.list(w, name, ns, q)
	}
}

func (f *fake) list(w http.ResponseWriter, name, ns string, q url.Values) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := page{rv: f.rv}, true
	if token := q.Get("continue"); token != "" {
		if p, ok = f.pages[token]; !ok || p.rv < f.oldest {
			status(w, 410, "Expired")
			return
		}
	} else {
		for _, k := range slices.Sorted(maps.Keys(f.objects[name])) {
			o := f.objects[name][k]
			m := o["metadata"].(map[string]any)
			if (ns == "" || m["namespace"] == ns) && (q.Get("fieldSelector") == "" || q.Get("fieldSelector") == "metadata.name="+m["name"].(string)) {
				p.items = append(p.items, o)
			}
		}
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	meta := map[string]any{"resourceVersion": strconv.FormatUint(p.rv, 10)}
	items := p.items
	if limit > 0 && len(items) > limit {
		items = items[:limit]
		token := fmt.Sprintf("%s-%d-%d", name, p.rv, len(p.items))
		f.pages[token] = page{p.rv, p.items[limit:]}
		meta["continue"], meta["remainingItemCount"] = token, len(p.items)-limit
	}
	if items == nil {
		items = []map[string]any{}
	}
	w.Header().Set("Audit-Id", "fa8299da-76c6-4d2d-83cf-95fd12a04b92")
	answer(w, map[string]any{"items": items, "kind": "List", "metadata": meta})
}

func (f *fake) watch(w http.ResponseWriter, r *http.Request, name, ns string, q url.Values) {
	from, _ := strconv.ParseUint(q.Get("resourceVersion"), 10, 64)
	f.mu.Lock()
	gone, kicked := from+1 < f.oldest, f.kicked
	f.mu.Unlock()
	if gone {
		status(w, 410, "Expired")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	enc := json.NewEncoder(w)
	for {
		f.mu.Lock()
		var news []change
		for _, c := range f.history {
			if c.rv > from && c.resource == name && (ns == "" || c.object["metadata"].(map[string]any)["namespace"] == ns) {
				news = append(news, c)
			}
		}
		changed := f.changed
		f.mu.Unlock()
		for _, c := range news {
			enc.Encode(map[string]any{"type": c.kind, "object": c.object})
			from = c.rv
			if c.kind == "ERROR" {
				return
			}
		}
		w.(http.Flusher).Flush()
		if q.Get("timeoutSeconds") != "" {
			return // that time has passed
		}
		select {
		case <-changed:
		case <-kicked:
			return
		case <-r.Context().Done():
			return
		}
	}
}
