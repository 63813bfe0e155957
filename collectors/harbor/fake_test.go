package harbor

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// row is a row of any list.
type row map[string]any

// registry is a registry that changes: it selects and sorts by id as Harbor
// does, and counts what is asked.
type registry struct {
	t        *testing.T
	clock    time.Time
	rights   []string
	projects []row
	arts     map[string][]row
	audit    []row
	legacy   []row
	purges   []row
	config   row               // nil: for administrators alone
	reports  map[string]string // by digest: the whole answer
	bills    map[string]string // by digest: the whole document
	status   map[string]int    // answers by path that are no success
	extra    map[string]int64  // added to X-Total-Count, by path
	lists    map[string][]row  // further lists by path
	single   map[string]any    // further answers by path
	deaf     bool              // takes no notice of q
	old      bool              // lists artifacts by repository alone, which they do not name
	hook     func(path string, page int)
	asked    []string

	cfg  Config
	c    *Collector
	srv  *httptest.Server
	desk collectortest.World
}

var allRights = []string{
	"audit-log:list", "project:list", "robot:list", "quota:list", "scanner:list", "scanner:read", "scan-all:read",
	"garbage-collection:read", "garbage-collection:list", "purge-audit:read", "purge-audit:list", "replication-policy:list", "replication:list",
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	g := &registry{
		t: t, clock: now, rights: allRights,
		projects: []row{{"project_id": 1, "name": "app", "metadata": row{"public": "false"}}},
		arts:     map[string][]row{}, reports: map[string]string{}, bills: map[string]string{}, status: map[string]int{}, extra: map[string]int64{}, lists: map[string][]row{},
	}
	g.srv = httptest.NewServer(g)
	t.Cleanup(g.srv.Close)
	g.desk = collectortest.Desk(t, "harbor/prod", g.srv.URL, &g.clock)
	g.cfg = config(g.srv.URL, g.desk.TokenFile)
	g.cfg.URL = g.srv.URL
	g.restart()
	return g
}

func (g *registry) restart() {
	g.t.Helper()
	var err error
	g.c, err = newWith(g.cfg, g.desk.Env, fetch.Options{Sleep: g.desk.Sleep, CacheBytes: -1})
	if err != nil {
		g.t.Fatal(err)
	}
}

var idWindow = regexp.MustCompile(`^(id|project_id)=\[(\d+)~(\d*)\]$`)

// ServeHTTP implements http.Handler.
func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v2.0/")
	g.asked = append(g.asked, path)
	w.Header().Set("Date", g.clock.UTC().Format(http.TimeFormat))
	if user, pass, ok := r.BasicAuth(); !ok || user != "robot$evidenced" || pass != "a-token-of-the-test" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s := g.status[path]; s != 0 {
		w.WriteHeader(s)
		fmt.Fprint(w, `{"errors":[{"code":"X","message":"as asked"}]}`)
		return
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "projects/"), "/")
	switch {
	case path == "users/current/permissions" && g.single[path] == nil:
		var list []row
		for _, right := range g.rights {
			resource, action, _ := strings.Cut(right, ":")
			list = append(list, row{"resource": resource, "action": action})
		}
		json.NewEncoder(w).Encode(list)
	case g.single[path] != nil:
		json.NewEncoder(w).Encode(g.single[path])
	case path == "projects":
		g.list(w, r, path, g.projects, "project_id")
	case g.old && rest == "artifacts":
		w.WriteHeader(http.StatusNotFound)
	case rest == "artifacts":
		g.list(w, r, path, g.arts[name], "id")
	case g.old && strings.HasPrefix(rest, "repositories/") && strings.HasSuffix(rest, "/artifacts"):
		repository, _ := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(rest, "repositories/"), "/artifacts"))
		repository, _ = url.PathUnescape(repository)
		var rows []row
		for _, x := range g.arts[name] {
			if x["repository_name"] == name+"/"+repository {
				x = maps.Clone(x)
				delete(x, "repository_name")
				rows = append(rows, x)
			}
		}
		g.list(w, r, path, rows, "id")
	case strings.HasSuffix(path, "/additions/vulnerabilities"):
		parts := strings.Split(path, "/")
		fmt.Fprint(w, g.reports[parts[len(parts)-3]])
	case strings.HasSuffix(path, "/additions/sbom"):
		parts := strings.Split(path, "/")
		fmt.Fprint(w, g.bills[parts[len(parts)-3]])
	case path == "auditlog-exts" || rest == "auditlog-exts":
		g.list(w, r, path, g.audit, "id")
	case path == "audit-logs" || rest == "logs":
		g.list(w, r, path, g.legacy, "id")
	case path == "system/purgeaudit":
		g.list(w, r, path, g.purges, "id")
	case path == "configurations":
		if g.config == nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		json.NewEncoder(w).Encode(g.config)
	case strings.HasSuffix(path, "/schedule"):
		fmt.Fprint(w, "null")
	case rest == "scanner" || path == "systeminfo":
		fmt.Fprint(w, `{"name":"Trivy","harbor_version":"v2.14.0"}`)
	default:
		g.list(w, r, path, g.lists[path], "id")
	}
}

func (g *registry) list(w http.ResponseWriter, r *http.Request, path string, rows []row, key string) {
	q := r.URL.Query()
	id := func(x row) int64 {
		n, _ := strconv.ParseInt(fmt.Sprint(x[key]), 10, 64)
		return n
	}
	rows = slices.Clone(rows)
	if m := idWindow.FindStringSubmatch(q.Get("q")); m != nil && !g.deaf {
		lo, _ := strconv.ParseInt(m[2], 10, 64)
		hi, err := strconv.ParseInt(m[3], 10, 64)
		rows = slices.DeleteFunc(rows, func(x row) bool { return id(x) > 0 && (id(x) < lo || err == nil && id(x) > hi) })
	} else if since, ok := strings.CutPrefix(q.Get("q"), "op_time=["); ok {
		from, err := time.Parse("2006-01-02 15:04:05", strings.TrimSuffix(since, "~]"))
		if err != nil {
			g.t.Errorf("query %q", q.Get("q"))
		}
		// This server takes times of a query as those of a zone far west.
		rows = slices.DeleteFunc(rows, func(x row) bool { return when(fmt.Sprint(x["op_time"])).Before(from.Add(10 * time.Hour)) })
	}
	slices.SortStableFunc(rows, func(a, b row) int { return int(id(a) - id(b)) })
	if q.Get("sort") == "-"+key {
		slices.Reverse(rows)
	}
	size, page := 10, 1
	if n, err := strconv.Atoi(q.Get("page_size")); err == nil {
		size = n
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil {
		page = n
	}
	if size > 100 {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("X-Total-Count", strconv.FormatInt(int64(len(rows))+g.extra[path], 10))
	from := min((page-1)*size, len(rows))
	json.NewEncoder(w).Encode(rows[from:min(from+size, len(rows))])
	if g.hook != nil {
		g.hook(path, page)
	}
}

func (g *registry) poll(resume []byte) (*collectortest.Recorder, error) {
	g.asked = nil
	rec := &collectortest.Recorder{}
	err := g.c.Poll(g.t.Context(), evidence.Period{To: g.clock}, resume, rec)
	return rec, err
}

func (g *registry) must(resume []byte) *collectortest.Recorder {
	g.t.Helper()
	rec, err := g.poll(resume)
	if err != nil {
		g.t.Fatal(err)
	}
	return rec
}

// later moves the clock on and looks again.
func (g *registry) later(d time.Duration, rec *collectortest.Recorder) *collectortest.Recorder {
	g.t.Helper()
	g.clock = g.clock.Add(d)
	return g.must(rec.Resume())
}

func digestOf(n int) string { return fmt.Sprintf("sha256:%064x", n) }

func artifactRow(id int, more row) row {
	a := row{
		"id": id, "type": "IMAGE", "project_id": 1, "repository_name": "app/web", "digest": digestOf(id), "size": 10,
		"push_time": "2026-03-01T00:00:00.000Z", "pull_time": "0001-01-01T00:00:00.000Z",
	}
	for k, v := range more {
		a[k] = v
	}
	return a
}

func overview(mime, id, status string, total int) row {
	return row{"scan_overview": row{mime: row{
		"report_id": id, "scan_status": status, "severity": "High", "start_time": "2026-03-03T10:00:00.000Z", "end_time": "2026-03-03T10:01:00.000Z",
		"summary": row{"total": total, "fixable": 0, "summary": row{"High": total}}, "scanner": row{"name": "Trivy", "version": "v1"},
	}}}
}

func auditRowAt(id int, at time.Time, more row) row {
	a := row{
		"id": id, "op_time": at.Format("2006-01-02T15:04:05.000Z"), "username": "robot$app+ci", "operation": "create",
		"operation_result": true, "operation_description": "", "resource": "app/web:1", "resource_type": "artifact",
	}
	for k, v := range more {
		a[k] = v
	}
	return a
}

// keys are the keys of the drafts of a kind, in order.
func keys(rec *collectortest.Recorder, kind evidence.Kind) []string {
	var ks []string
	for _, d := range rec.Of(kind) {
		ks = append(ks, d.Key)
	}
	return ks
}

func factsOf[T any](t *testing.T, d evidence.Draft) (f T) {
	t.Helper()
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// completes reports whether a list was called complete.
func completes(rec *collectortest.Recorder, kind evidence.Kind, scope evidence.Ref) bool {
	return slices.Contains(rec.Completed, collectortest.Completed{Kind: kind, Scope: scope})
}

// spans writes what is claimed of a kind, one claim on a line.
func spans(rec *collectortest.Recorder, kind evidence.Kind) string {
	var b strings.Builder
	for _, s := range last(rec).Seen {
		if slices.Contains(s.Kinds, kind) {
			fmt.Fprintf(&b, "%s %s-%s %s %s\n", s.Class, s.From.Format("02T15:04"), s.To.Format("02T15:04"), s.Scope, s.Cause)
		}
	}
	return b.String()
}

func noted(rec *collectortest.Recorder, text string) bool {
	return slices.ContainsFunc(last(rec).Notes, func(n string) bool { return strings.Contains(n, text) })
}
