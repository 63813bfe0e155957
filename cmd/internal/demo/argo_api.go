package demo

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// follower is one open stream; its lines wait until they are written.
type follower struct {
	projects []string
	lines    chan struct{} // something waits in queue, or done
	queue    [][]byte
	done     bool
}

func (p *Platform) argoHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", p.argoVersion)
	mux.HandleFunc("GET /api/v1/version", p.argoVersion)
	mux.HandleFunc("GET /api/v1/applications", p.argoList)
	mux.HandleFunc("GET /api/v1/applications/{name}", p.argoGet)
	mux.HandleFunc("GET /api/v1/stream/applications", p.argoStream)
	mux.HandleFunc("GET /api/v1/projects", p.argoProjects)
	mux.HandleFunc("GET /api/v1/account/can-i/{resource}/{action}/{subresource...}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{"value": yesNo(r.PathValue("action") == "get")})
	})
	mux.HandleFunc("GET /api/v1/session/userinfo", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"loggedIn": true, "username": "evidenced", "iss": "argocd"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		argoRefuse(w, http.StatusNotFound, 5, "Not Found")
	})
	return p.gate("argocd", func(r *http.Request) bool {
		return r.URL.Path == "/api/version" || bearer(r) == p.tokens["argocd"]
	}, func(w http.ResponseWriter) {
		argoRefuse(w, http.StatusUnauthorized, 16, "no session information")
	}, mux)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func argoRefuse(w http.ResponseWriter, status, code int, text string) {
	answer(w, status, map[string]any{"error": text, "code": code, "message": text})
}

func (p *Platform) argoVersion(w http.ResponseWriter, r *http.Request) {
	v := map[string]string{"Version": "v2.14.21"}
	if bearer(r) == p.tokens["argocd"] {
		v["BuildDate"], v["GoVersion"], v["Compiler"], v["Platform"] = "2026-08-03T00:00:00Z", "go1.23.12", "gc", "linux/amd64"
	}
	answer(w, http.StatusOK, v)
}

func wanted(r *http.Request) []string {
	q := r.URL.Query()
	return append(q["projects"], q["project"]...)
}

func (p *Platform) argoList(w http.ResponseWriter, r *http.Request) {
	projects, name := wanted(r), r.URL.Query().Get("name")
	p.mu.Lock()
	items := []json.RawMessage{}
	for _, a := range p.argo.apps {
		if (len(projects) == 0 || slices.Contains(projects, a.tenant)) && (name == "" || name == a.name()) {
			items = append(items, mustJSON(p.argo.show(a, p.now)))
		}
	}
	body := map[string]any{"metadata": map[string]string{"resourceVersion": itoa(p.argo.rv)}, "items": items}
	p.mu.Unlock()
	if len(items) == 0 {
		body["items"] = nil
	}
	answer(w, http.StatusOK, body)
}

func (p *Platform) argoGet(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	var body []byte
	for _, a := range p.argo.apps {
		if a.name() == r.PathValue("name") {
			body = mustJSON(p.argo.show(a, p.now))
		}
	}
	p.mu.Unlock()
	if body == nil { // not 404: names of others are not given away
		argoRefuse(w, http.StatusForbidden, 7, "permission denied")
		return
	}
	answer(w, http.StatusOK, json.RawMessage(body))
}

// argoProjects answers with one project for each tenant and for the platform: what may be deployed
// where, and when. Weekend nights are closed to machines.
func (p *Platform) argoProjects(w http.ResponseWriter, _ *http.Request) {
	var items []any
	for _, t := range p.world.Everybody() {
		items = append(items, map[string]any{
			"metadata": map[string]any{"name": t.Name, "namespace": argoNamespace, "uid": uuid("argo/project/" + t.Name), "resourceVersion": "3900", "generation": 1,
				"creationTimestamp": stamp(p.world.Begun().Add(6 * time.Hour))},
			"spec": map[string]any{
				"sourceRepos":  []string{p.world.RepoURL, p.world.ChartURL},
				"destinations": []any{map[string]string{"server": clusterServer, "namespace": t.Name}},
				"roles": []any{map[string]any{"name": "team", "groups": []string{"oidc:" + t.Name},
					"policies": []string{"p, proj:" + t.Name + ":team, applications, sync, " + t.Name + "/*, allow"}}},
				"syncWindows": []any{map[string]any{"kind": "deny", "schedule": "0 20 * * 6", "duration": "10h", "applications": []string{"*"}, "manualSync": true, "timeZone": "UTC"}},
			}})
	}
	answer(w, http.StatusOK, map[string]any{"metadata": map[string]string{"resourceVersion": "4000"}, "items": items})
}

// argoStream sends every application once as ADDED and then each change.
func (p *Platform) argoStream(w http.ResponseWriter, r *http.Request) {
	f := &follower{projects: wanted(r), lines: make(chan struct{}, 1)}
	p.mu.Lock()
	for _, a := range p.argo.apps {
		p.send(f, "ADDED", a)
	}
	p.followers = append(p.followers, f)
	p.mu.Unlock()
	defer p.leave(f)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for {
		p.mu.Lock()
		queue, done := f.queue, f.done
		f.queue = nil
		p.mu.Unlock()
		for _, line := range queue {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
		if flush.Flush() != nil || done {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-f.lines:
		}
	}
}

// send queues one line; the lock is held.
func (p *Platform) send(f *follower, kind string, a *argoApp) {
	if len(f.projects) > 0 && !slices.Contains(f.projects, a.tenant) {
		return
	}
	line := mustJSON(map[string]any{"result": map[string]any{"type": kind, "application": p.argo.show(a, p.now)}})
	f.queue = append(f.queue, append(line, '\n'))
	f.wake()
}

func (f *follower) wake() {
	select {
	case f.lines <- struct{}{}:
	default:
	}
}

// broadcast tells all streams what the act just played changed; the lock is
// held.
func (p *Platform) broadcast() {
	for _, key := range p.argo.seen {
		for _, f := range p.followers {
			p.send(f, "MODIFIED", p.argo.by[key])
		}
	}
	p.argo.seen = p.argo.seen[:0]
}

// cut ends all streams; the lock is held.
func (p *Platform) cut() {
	for _, f := range p.followers {
		f.done = true
		f.wake()
	}
	p.followers = nil
}

func (p *Platform) leave(f *follower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.followers = slices.DeleteFunc(p.followers, func(o *follower) bool { return o == f })
}

// bearer returns the token of a request's Authorization header.
func bearer(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "bearer") || strings.EqualFold(kind, "token") {
		return token
	}
	return ""
}

// httpDate is the form of Date headers.
func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
