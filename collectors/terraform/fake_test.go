package terraform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// row is an object of the API.
type row map[string]any

// platform is an organization that changes: it pages by number as the API does,
// and counts what is asked.
type platform struct {
	t          *testing.T
	clock      time.Time
	workspaces []row
	runs       map[string][]row // by workspace, newest first
	states     map[string][]row // by the workspace's name, newest first
	audit      []row
	included   []row
	asked      []string
	cfg        Config
	desk       collectortest.World
	c          *Collector
	// before is called ahead of each answer; it reports whether it answered.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newPlatform(t *testing.T, change func(*Config)) *platform {
	t.Helper()
	p := &platform{t: t, clock: now, runs: map[string][]row{}, states: map[string][]row{}}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	p.desk = collectortest.Desk(t, "terraform/acme", srv.URL, &p.clock)
	p.cfg = config(srv.URL, p.desk.TokenFile)
	p.cfg.AuditTokenFile = ""
	if change != nil {
		change(&p.cfg)
	}
	p.restart()
	return p
}

func (p *platform) restart() {
	p.t.Helper()
	var err error
	p.c, err = newWith(p.cfg, p.desk.Env, fetch.Options{Sleep: p.desk.Sleep})
	if err != nil {
		p.t.Fatal(err)
	}
}

// ServeHTTP implements http.Handler.
func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.URL.Path)
	if p.before != nil && p.before(w, r) {
		return
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/tfe/api/v2/"), "/")
	switch {
	case path[0] == "organizations":
		p.page(w, r, p.workspaces)
	case path[0] == "workspaces" && path[2] == "runs":
		p.page(w, r, p.runs[path[1]])
	case path[0] == "state-versions" && len(path) == 1:
		p.page(w, r, p.states[r.URL.Query().Get("filter[workspace][name]")])
	case path[0] == "runs" && len(path) == 2:
		p.one(w, path[1], p.runs)
	case path[0] == "state-versions":
		p.one(w, path[1], p.states)
	case path[0] == "runs":
		p.page(w, r, nil)
	case path[0] == "organization":
		since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
		rows := []row{}
		for _, e := range p.audit {
			if at, _ := time.Parse(time.RFC3339, e["timestamp"].(string)); at.After(since) && p.clock.Sub(at) < auditKept {
				rows = append(rows, e)
			}
		}
		p.write(w, row{"data": rows, "pagination": row{"current_page": 1, "next_page": nil}})
	default:
		http.NotFound(w, r)
	}
}

func (p *platform) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", mediaType)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *platform) page(w http.ResponseWriter, r *http.Request, rows []row) {
	n, _ := strconv.Atoi(r.URL.Query().Get("page[number]"))
	size, _ := strconv.Atoi(r.URL.Query().Get("page[size]"))
	from := min((n-1)*size, len(rows))
	to := min(n*size, len(rows))
	meta := row{"current-page": n, "next-page": nil, "total-count": len(rows)}
	if to < len(rows) {
		meta["next-page"] = n + 1
	}
	p.write(w, row{"data": append([]row{}, rows[from:to]...), "included": p.included, "meta": row{"pagination": meta}})
}

func (p *platform) one(w http.ResponseWriter, id string, lists map[string][]row) {
	for _, rows := range lists {
		for _, r := range rows {
			if r["id"] == id {
				p.write(w, row{"data": r, "included": p.included})
				return
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"errors":[{"status":"404","title":"not found"}]}`)
}

func (p *platform) poll(resume []byte) (*collectortest.Recorder, error) {
	p.asked = nil
	rec := &collectortest.Recorder{}
	err := p.c.Poll(p.t.Context(), evidence.Period{To: p.clock}, resume, rec)
	return rec, err
}

func (p *platform) must(resume []byte) *collectortest.Recorder {
	p.t.Helper()
	rec, err := p.poll(resume)
	if err != nil {
		p.t.Fatal(err)
	}
	return rec
}

// later looks again after a while, as after a restart of the daemon.
func (p *platform) later(d time.Duration, before *collectortest.Recorder) *collectortest.Recorder {
	p.t.Helper()
	p.clock = p.clock.Add(d)
	p.restart()
	return p.must(before.Resume())
}

func wsRow(id, name, state string, tags ...string) row {
	r := row{"id": id, "type": "workspaces", "attributes": row{"name": name, "auto-apply": false, "execution-mode": "remote", "created-at": "2026-01-01T00:00:00Z", "tag-names": tags},
		"relationships": row{"effective-tag-bindings": row{"data": []row{}}}}
	if state != "" {
		r["relationships"].(row)["current-state-version"] = row{"data": row{"id": state, "type": "state-versions"}}
	}
	return r
}

func runRow(id, status string, at time.Time) row {
	times := row{}
	switch status {
	case "applied":
		times["applied-at"] = at.Add(time.Minute).Format(time.RFC3339)
	case "planned":
		times["planned-at"] = at.Add(time.Minute).Format(time.RFC3339)
	}
	return row{"id": id, "type": "runs", "attributes": row{"status": status, "source": "tfe-ui", "created-at": at.Format(time.RFC3339Nano), "status-timestamps": times},
		"relationships": row{"policy-checks": row{"data": []row{}}, "task-stages": row{"data": []row{}}}}
}

func svRow(id string, serial int, at time.Time, processed bool) row {
	return row{"id": id, "type": "state-versions", "attributes": row{"serial": serial, "created-at": at.Format(time.RFC3339Nano), "resources-processed": processed, "status": "finalized",
		"resources": []row{{"name": "a", "type": "t", "count": 1, "module": "root", "provider": "p"}}}}
}

// manyRuns are n runs that were applied, an hour apart, newest first.
func manyRuns(n int, newest time.Time) (rows []row) {
	for i := range n {
		rows = append(rows, runRow(fmt.Sprintf("run-%05d", n-i), "applied", newest.Add(-time.Duration(i)*time.Hour)))
	}
	return rows
}

func keysOf(rec *collectortest.Recorder, kind evidence.Kind) (keys []string) {
	for _, d := range rec.Of(kind) {
		keys = append(keys, d.Key)
	}
	slices.Sort(keys)
	return keys
}

// blind returns the causes of what an observation says was not seen of a kind, by
// scope.
func blind(rec *collectortest.Recorder, kind evidence.Kind) map[string]string {
	out := map[string]string{}
	for _, c := range rec.Commits {
		for _, s := range c.Observation.Seen {
			if s.Class == evidence.Blind && slices.Contains(s.Kinds, kind) {
				out[s.Scope.String()] = s.Cause
			}
		}
	}
	return out
}
