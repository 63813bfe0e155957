package demo

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The Kubernetes API: discovery, lists in pages, watches that deliver what
// stands there and end, and the question what a credential may do.

func sortedKeys(m map[string]kobject) []string { return slices.Sorted(maps.Keys(m)) }

func (p *Platform) clusterHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"major": "1", "minor": "34", "gitVersion": "v1.34.1", "platform": "linux/amd64"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	mux.HandleFunc("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}, "serverAddressByClientCIDRs": []any{}})
	})
	mux.HandleFunc("GET /apis", p.clusterGroups)
	mux.HandleFunc("GET /apis/{group}", p.clusterGroups)
	mux.HandleFunc("GET /api/{version}", p.clusterResources)
	mux.HandleFunc("GET /apis/{group}/{version}", p.clusterResources)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", p.clusterMay)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", p.clusterRules)
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusCreated, map[string]any{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
			"status": map[string]any{"userInfo": map[string]any{"username": "system:serviceaccount:kube-system:evidenced", "groups": []string{"system:serviceaccounts", "system:authenticated"}}}})
	})
	for _, prefix := range []string{"GET /api/{version}", "GET /apis/{group}/{version}"} {
		mux.HandleFunc(prefix+"/{plural}", p.clusterList)
		mux.HandleFunc(prefix+"/{plural}/{name}", p.clusterList)
		mux.HandleFunc(prefix+"/namespaces/{namespace}/{plural}", p.clusterList)
		mux.HandleFunc(prefix+"/namespaces/{namespace}/{plural}/{name}", p.clusterList)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.Error(w, "404 page not found", http.StatusNotFound)
	})
	return p.gate("kubernetes", func(r *http.Request) bool {
		return bearer(r) == p.tokens["kubernetes"] || bearer(r) == p.tokens[clusterAdmin]
	},
		func(w http.ResponseWriter) { clusterRefuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized") }, audited(p, mux))
}

// audited gives each request an id, as the API server does.
func audited(p *Platform, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.cluster.audit.n++
		id := uuid("cluster-request/" + itoa(p.cluster.audit.n))
		var err error
		if r.URL.Path == "/api/v1/namespaces" {
			err = p.cluster.audit.probed(id, r.URL.RequestURI(), p.now)
		}
		p.mu.Unlock()
		if err != nil {
			clusterRefuse(w, http.StatusInternalServerError, "InternalError", err.Error())
			return
		}
		w.Header().Set("Audit-Id", id)
		next.ServeHTTP(w, r)
	})
}

func clusterRefuse(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "message": message, "reason": reason, "code": code})
}

func (p *Platform) clusterGroups(w http.ResponseWriter, r *http.Request) {
	groups, order := map[string][]any{}, []string{}
	for _, res := range served {
		if res.group == "" {
			continue
		}
		if _, ok := groups[res.group]; !ok {
			order = append(order, res.group)
		}
		v := map[string]string{"groupVersion": res.group + "/" + res.version, "version": res.version}
		if !slices.ContainsFunc(groups[res.group], func(o any) bool { return o.(map[string]string)["version"] == res.version }) {
			groups[res.group] = append(groups[res.group], v)
		}
	}
	var list []any
	for _, g := range order {
		one := map[string]any{"name": g, "versions": groups[g], "preferredVersion": groups[g][0]}
		if g == r.PathValue("group") {
			one["kind"], one["apiVersion"] = "APIGroup", "v1"
			answer(w, http.StatusOK, one)
			return
		}
		list = append(list, one)
	}
	if r.PathValue("group") != "" {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
}

func (p *Platform) clusterResources(w http.ResponseWriter, r *http.Request) {
	var list []any
	for _, res := range served {
		if res.group == r.PathValue("group") && res.version == r.PathValue("version") {
			list = append(list, map[string]any{"name": res.plural, "singularName": strings.ToLower(res.kind), "namespaced": res.namespaced, "kind": res.kind,
				"verbs": []string{"get", "list", "watch"}})
		}
	}
	if list == nil {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	gv := strings.TrimPrefix(r.PathValue("group")+"/"+r.PathValue("version"), "/")
	answer(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": list})
}

// clusterMay answers what the credential of the demonstration may do: read
// everything but secrets.
func (p *Platform) clusterMay(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Spec struct {
			ResourceAttributes struct{ Verb, Resource string } `json:"resourceAttributes"`
		} `json:"spec"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&q); err != nil {
		clusterRefuse(w, http.StatusBadRequest, "BadRequest", "the body cannot be read")
		return
	}
	a := q.Spec.ResourceAttributes
	may := bearer(r) == p.tokens[clusterAdmin] || slices.Contains([]string{"get", "list", "watch"}, a.Verb) && a.Resource != "secrets" && a.Resource != "*"
	answer(w, http.StatusCreated, map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": q.Spec, "status": map[string]any{"allowed": may}})
}

// clusterRules answers with all that the credential may do.
func (p *Platform) clusterRules(w http.ResponseWriter, r *http.Request) {
	var rules []any
	for _, res := range served {
		if res.plural != "secrets" {
			rules = append(rules, map[string]any{"verbs": []string{"get", "list", "watch"}, "apiGroups": []string{res.group}, "resources": []string{res.plural}})
		}
	}
	if bearer(r) == p.tokens[clusterAdmin] {
		rules = []any{map[string]any{"verbs": []string{"*"}, "apiGroups": []string{"*"}, "resources": []string{"*"}}}
	}
	answer(w, http.StatusCreated, map[string]any{"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "spec": map[string]any{},
		"status": map[string]any{"incomplete": false, "nonResourceRules": []any{}, "resourceRules": rules}})
}

// shown is what of an object its clients see: the rest is this platform's own.
func (res resource) shown(o kobject) kobject {
	out := kobject{"apiVersion": strings.TrimPrefix(res.group+"/"+res.version, "/"), "kind": res.kind}
	for _, k := range []string{"metadata", "spec", "status", "rules", "subjects", "roleRef", "scope", "results", "summary", "data", "webhooks"} {
		if v, ok := o[k]; ok {
			out[k] = v
		}
	}
	return out
}

func (p *Platform) clusterList(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(served, func(res resource) bool {
		return res.group == r.PathValue("group") && res.version == r.PathValue("version") && res.plural == r.PathValue("plural")
	})
	if i < 0 {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	res := served[i]
	if res.plural == "secrets" {
		clusterRefuse(w, http.StatusForbidden, "Forbidden", `secrets is forbidden: User "system:serviceaccount:kube-system:evidenced" cannot list resource "secrets" in API group "" at the cluster scope`)
		return
	}
	q := r.URL.Query()
	ns, name := r.PathValue("namespace"), r.PathValue("name")
	p.mu.Lock()
	version := itoa(p.cluster.rv)
	var items []json.RawMessage
	for _, key := range sortedKeys(p.cluster.objects[res.key()]) {
		in, called, _ := strings.Cut(key, "/")
		if (ns == "" || in == ns) && (name == "" || called == name) {
			items = append(items, mustJSON(res.shown(p.cluster.objects[res.key()][key])))
		}
	}
	p.mu.Unlock()
	switch {
	case name != "" && len(items) == 0:
		clusterRefuse(w, http.StatusNotFound, "NotFound", res.plural+` "`+name+`" not found`)
		return
	case name != "":
		answer(w, http.StatusOK, items[0])
		return
	case q.Get("watch") == "true" || q.Get("watch") == "1":
		p.clusterWatch(w, r, res, version)
		return
	}
	from := 0
	if t := q.Get("continue"); t != "" {
		b, err := base64.RawURLEncoding.DecodeString(t)
		if from, _ = strconv.Atoi(string(b)); err != nil || from <= 0 || from > len(items) {
			clusterRefuse(w, http.StatusBadRequest, "BadRequest", "continue key is not valid")
			return
		}
	}
	meta := map[string]any{"resourceVersion": version}
	page := items[from:]
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit > 0 && limit < len(page) {
		meta["continue"] = base64.RawURLEncoding.EncodeToString([]byte(itoa(from + limit)))
		meta["remainingItemCount"] = len(page) - limit
		page = page[:limit]
	}
	if page == nil {
		page = []json.RawMessage{}
	}
	answer(w, http.StatusOK, map[string]any{"kind": res.kind + "List", "apiVersion": strings.TrimPrefix(res.group+"/"+res.version, "/"), "metadata": meta, "items": page})
}

// clusterWatch stays open for a moment and ends with a bookmark: the clock of
// the demonstration stands still while it is asked. This server keeps no
// history, and says so to whom needs some.
func (p *Platform) clusterWatch(w http.ResponseWriter, r *http.Request, res resource, version string) {
	if from := r.URL.Query().Get("resourceVersion"); from != "" && from != version {
		clusterRefuse(w, http.StatusGone, "Expired", "too old resource version: "+from)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	mark := map[string]any{"type": "BOOKMARK", "object": map[string]any{"kind": res.kind, "apiVersion": strings.TrimPrefix(res.group+"/"+res.version, "/"),
		"metadata": map[string]any{"resourceVersion": version, "creationTimestamp": nil}}}
	_, _ = w.Write(append(mustJSON(mark), '\n'))
	_ = http.NewResponseController(w).Flush()
	select {
	case <-r.Context().Done():
	case <-time.After(100 * time.Millisecond):
	}
}
