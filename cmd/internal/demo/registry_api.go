package demo

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Harbor's API, as far as it is read.

const reportType = "application/vnd.security.vulnerability.report; version=1.1"

var scanner = map[string]string{"name": "Trivy", "vendor": "Aqua Security", "version": "v0.67.2"}

func (p *Platform) registryHandler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]func(*http.Request) (int, any){
		"/systeminfo": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"harbor_version": "v2.14.0-9c1f2d3e", "auth_mode": "oidc_auth", "registry_url": p.world.Registry,
				"external_url": "https://" + p.world.Registry, "current_time": p.now.UTC().Format(time.RFC3339Nano)}
		},
		"/health": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"status": "healthy", "components": []any{map[string]string{"name": "core", "status": "healthy"}}}
		},
		"/users/current/permissions":  hbPermissions,
		"/projects":                   p.hbProjects,
		"/projects/{project}":         p.hbProject,
		"/projects/{project}/summary": p.hbSummary,
		"/projects/{project}/members": p.hbMembers,
		"/projects/{project}/scanner": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"uuid": uuid("scanner"), "name": "Trivy", "adapter": "Trivy"}
		},
		"/projects/{project}/immutabletagrules":                                                      p.hbImmutable,
		"/projects/{project}/webhook/policies":                                                       hbNone,
		"/projects/{project}/robots":                                                                 hbNone,
		"/projects/{project}/repositories":                                                           p.hbRepositories,
		"/projects/{project}/artifacts":                                                              p.hbArtifacts,
		"/projects/{project}/logs":                                                                   p.hbAudit,
		"/projects/{project}/auditlog-exts":                                                          p.hbAudit,
		"/projects/{project}/repositories/{repository}/artifacts":                                    p.hbArtifacts,
		"/projects/{project}/repositories/{repository}/artifacts/{digest}":                           p.hbArtifact,
		"/projects/{project}/repositories/{repository}/artifacts/{digest}/accessories":               p.hbAccessories,
		"/projects/{project}/repositories/{repository}/artifacts/{digest}/additions/vulnerabilities": p.hbReport,
		"/projects/{project}/repositories/{repository}/artifacts/{digest}/additions/sbom":            p.hbBill,
		"/repositories":  p.hbRepositories,
		"/auditlog-exts": p.hbAudit,
		"/auditlog-exts/events": func(*http.Request) (int, any) {
			return http.StatusOK, []any{map[string]string{"event_type": "create_artifact"}, map[string]string{"event_type": "pull_artifact"}}
		},
		"/robots":                 p.hbRobots,
		"/quotas":                 p.hbQuotas,
		"/replication/policies":   hbNone,
		"/replication/executions": hbNone,
		"/system/gc":              hbNone,
		"/system/gc/schedule": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"schedule": map[string]string{"type": "Weekly", "cron": "0 0 4 * * 0"}}
		},
		"/system/purgeaudit": hbNone,
		"/system/purgeaudit/schedule": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"schedule": map[string]string{"type": "None", "cron": ""}}
		},
		"/system/scanAll/schedule": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"schedule": map[string]string{"type": "Weekly", "cron": "0 0 3 * * 0"}}
		},
		"/system/CVEAllowlist": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"id": 1, "project_id": 0, "expires_at": nil, "items": []any{}}
		},
		"/scanners": func(*http.Request) (int, any) {
			return http.StatusOK, []any{map[string]any{"uuid": uuid("scanner"), "name": "Trivy", "adapter": "Trivy", "is_default": true}}
		},
		"/scanners/{uuid}/metadata": func(*http.Request) (int, any) {
			return http.StatusOK, map[string]any{"scanner": scanner, "capabilities": []any{}, "properties": map[string]string{
				"harbor.scanner-adapter/vulnerability-database-updated-at": p.now.UTC().Truncate(24 * time.Hour).Format(time.RFC3339)}}
		},
	} {
		mux.HandleFunc("GET /api/v2.0"+path, p.hb(h))
	}
	mux.HandleFunc("/", p.hb(func(*http.Request) (int, any) {
		return hbError(http.StatusNotFound, "NOT_FOUND", "the path is not there")
	}))
	return p.gate("harbor", func(r *http.Request) bool {
		_, password, ok := r.BasicAuth()
		return ok && password == p.tokens["harbor"]
	}, func(w http.ResponseWriter) {
		_, body := hbError(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized")
		answer(w, http.StatusUnauthorized, body)
	}, mux)
}

// hbPermissions answers what the robot may do: what deploy/access/harbor gives.
func hbPermissions(r *http.Request) (int, any) {
	list := "audit-log:list robot:list robot:read project:list quota:list scanner:list scanner:read scan-all:read garbage-collection:read garbage-collection:list " +
		"purge-audit:read purge-audit:list replication-policy:list replication-policy:read replication:list replication:read"
	if r.URL.Query().Get("scope") != "/system" {
		list = "repository:list repository:read artifact:list artifact:read artifact-addition:read accessory:list tag:list scan:read sbom:read log:list " +
			"scanner:read member:list robot:list robot:read immutable-tag:list tag-retention:read tag-retention:list notification-policy:list notification-policy:read metadata:list"
	}
	var out []any
	for _, right := range strings.Fields(list) {
		resource, action, _ := strings.Cut(right, ":")
		out = append(out, map[string]string{"resource": resource, "action": action})
	}
	return http.StatusOK, out
}

func hbError(status int, code, message string) (int, any) {
	return status, map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}}
}

func hbNone(*http.Request) (int, any) { return http.StatusOK, list{} }

// hb runs a handler under the lock and cuts lists into pages.
func (p *Platform) hb(h func(*http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if size := r.URL.Query().Get("page_size"); size != "" {
			if n, err := strconv.Atoi(size); err != nil || n < 0 || n > 100 {
				status, body := hbError(http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", "page_size in query should be less than or equal to 100")
				answer(w, status, body)
				return
			}
		}
		p.mu.Lock()
		status, body := h(r)
		if l, ok := body.(list); ok {
			l.items = selected(r, l.items)
			q := r.URL.Query()
			size, page := number(q.Get("page_size"), 10, 100), number(q.Get("page"), 1, 1<<20)
			w.Header().Set("X-Total-Count", itoa(len(l.items)))
			if page*size < len(l.items) {
				q.Set("page", itoa(page+1))
				w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), q.Encode()))
			}
			from := min((page-1)*size, len(l.items))
			out := l.items[from:min(page*size, len(l.items))]
			if out == nil {
				out = []any{}
			}
			body = out
		}
		raw := mustJSON(body)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(raw)
	}
}

// pushedBy are the images that were pushed by now, of a project and repository
// when they are named.
func (p *Platform) pushedBy(r *http.Request) []*pushedImage {
	project := r.PathValue("project")
	repository, _ := url.PathUnescape(r.PathValue("repository"))
	var out []*pushedImage
	for _, i := range p.registry.images {
		if !i.at.After(p.now) && (project == "" || i.tenant == project) && (repository == "" || i.app == repository) {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b *pushedImage) int { return b.at.Compare(a.at) })
	return out
}

func (p *Platform) projectIndex(name string) int {
	for i, t := range p.world.Everybody() {
		if t.Name == name {
			return i
		}
	}
	return -1
}

func (p *Platform) projectJSON(i int) map[string]any {
	made := p.world.Begun()
	return map[string]any{"project_id": i + 2, "name": p.world.Everybody()[i].Name, "owner_name": "admin", "owner_id": 1, "deleted": false, "repo_count": len(p.world.Apps),
		"creation_time": made, "update_time": made.Add(time.Hour), "registry_id": nil,
		"metadata": map[string]string{"public": "false", "auto_scan": "true", "prevent_vul": strconv.FormatBool(i != 3), "severity": "critical",
			"enable_content_trust": "false", "enable_content_trust_cosign": strconv.FormatBool(i < 6), "auto_sbom_generation": "true", "reuse_sys_cve_allowlist": "true"},
		"cve_allowlist": map[string]any{"id": i + 2, "project_id": i + 2, "expires_at": nil, "items": []any{}, "creation_time": made, "update_time": made}}
}

func (p *Platform) hbProjects(r *http.Request) (int, any) {
	var l list
	for i := range p.world.Everybody() {
		l.items = append(l.items, p.projectJSON(i))
	}
	return http.StatusOK, l
}

func (p *Platform) hbProject(r *http.Request) (int, any) {
	name := r.PathValue("project")
	for i, t := range p.world.Everybody() {
		if t.Name == name || itoa(i+2) == name {
			return http.StatusOK, p.projectJSON(i)
		}
	}
	return hbError(http.StatusNotFound, "NOT_FOUND", "project not found")
}

func (p *Platform) hbSummary(r *http.Request) (int, any) {
	return http.StatusOK, map[string]any{"repo_count": len(p.world.Apps), "quota": map[string]any{"hard": map[string]int64{"storage": 50 << 30},
		"used": map[string]int64{"storage": int64(len(p.pushedBy(r))) * 120 << 20}}}
}

func (p *Platform) hbQuotas(*http.Request) (int, any) {
	var l list
	for i, t := range p.world.Everybody() {
		l.items = append(l.items, map[string]any{"id": i + 2, "ref": map[string]any{"id": i + 2, "name": t.Name, "owner_name": "admin"},
			"hard": map[string]int64{"storage": 50 << 30}, "used": map[string]int64{"storage": 3 << 30}})
	}
	return http.StatusOK, l
}

func (p *Platform) hbMembers(r *http.Request) (int, any) {
	i := p.projectIndex(r.PathValue("project"))
	if i < 0 {
		return hbError(http.StatusNotFound, "NOT_FOUND", "project not found")
	}
	var l list
	for n, m := range p.world.People {
		if slices.Contains(m.Tenants, r.PathValue("project")) {
			l.items = append(l.items, map[string]any{"id": 100*i + n, "project_id": i + 2, "entity_id": m.ID, "entity_name": m.Login, "entity_type": "u", "role_id": 2, "role_name": "developer"})
		}
	}
	return http.StatusOK, l
}

func (p *Platform) hbImmutable(r *http.Request) (int, any) {
	i := p.projectIndex(r.PathValue("project"))
	return http.StatusOK, list{items: []any{map[string]any{"id": i + 20, "priority": 0, "disabled": false, "action": "immutable", "template": "immutable_template",
		"tag_selectors":   []any{map[string]string{"kind": "doublestar", "decoration": "matches", "pattern": "**"}},
		"scope_selectors": map[string]any{"repository": []any{map[string]string{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}}}}}
}

func (p *Platform) hbRepositories(r *http.Request) (int, any) {
	type repo struct{ tenant, app string }
	count, newest := map[repo]int{}, map[repo]time.Time{}
	var order []repo
	for _, i := range p.pushedBy(r) {
		k := repo{i.tenant, i.app}
		if count[k] == 0 {
			order = append(order, k)
			newest[k] = i.at
		}
		count[k]++
	}
	slices.SortFunc(order, func(a, b repo) int { return strings.Compare(a.tenant+"/"+a.app, b.tenant+"/"+b.app) })
	var l list
	for _, k := range order {
		l.items = append(l.items, map[string]any{"id": 500 + len(l.items), "project_id": p.projectIndex(k.tenant) + 2, "name": k.tenant + "/" + k.app, "artifact_count": count[k],
			"pull_count": 0, "creation_time": p.world.Begun(), "update_time": newest[k]})
	}
	return http.StatusOK, l
}

func (p *Platform) hbArtifacts(r *http.Request) (int, any) {
	var l list
	for _, i := range p.pushedBy(r) {
		l.items = append(l.items, p.artifactJSON(i))
	}
	return http.StatusOK, l
}

func (p *Platform) image(r *http.Request) *pushedImage {
	for _, i := range p.pushedBy(r) {
		if d := r.PathValue("digest"); i.digest() == d || i.version == d {
			return i
		}
	}
	return nil
}

func (p *Platform) hbArtifact(r *http.Request) (int, any) {
	if i := p.image(r); i != nil {
		return http.StatusOK, p.artifactJSON(i)
	}
	return hbError(http.StatusNotFound, "NOT_FOUND", "artifact not found")
}

func (p *Platform) artifactJSON(i *pushedImage) map[string]any {
	labels := map[string]string{}
	if i.revision != "" {
		labels["org.opencontainers.image.revision"], labels["org.opencontainers.image.source"] = i.revision, i.source
	}
	pulled := "0001-01-01T00:00:00.000Z"
	if !i.pulled.IsZero() {
		pulled = i.pulled.UTC().Format(time.RFC3339Nano)
	}
	j := map[string]any{"id": i.id, "type": "IMAGE", "media_type": "application/vnd.oci.image.config.v1+json", "manifest_media_type": "application/vnd.oci.image.manifest.v1+json",
		"project_id": p.projectIndex(i.tenant) + 2, "repository_id": 500, "repository_name": i.tenant + "/" + i.app, "digest": i.digest(), "size": 120 << 20,
		"push_time": i.at.UTC().Format(time.RFC3339Nano), "pull_time": pulled, "references": nil, "annotations": nil, "labels": nil,
		"tags": []any{map[string]any{"id": i.id, "repository_id": 500, "artifact_id": i.id, "name": i.version, "push_time": i.at.UTC().Format(time.RFC3339Nano), "pull_time": pulled, "immutable": true}},
		"extra_attrs": map[string]any{"architecture": "amd64", "os": "linux", "created": i.at.Add(-time.Minute).UTC().Format(time.RFC3339Nano),
			"config": map[string]any{"Labels": labels, "Entrypoint": []string{"/" + i.app}}},
		"accessories": p.accessories(i)}
	if s := p.registry.scanned(i, p.now); s != nil {
		count := map[string]int{}
		fixable := 0
		for _, w := range s.weaknesses {
			count[w.severity]++
			if w.fixed != "" {
				fixable++
			}
		}
		j["scan_overview"] = map[string]any{reportType: map[string]any{"report_id": s.report, "scan_status": "Success", "severity": s.severity(), "duration": 41,
			"summary":    map[string]any{"total": len(s.weaknesses), "fixable": fixable, "summary": count},
			"start_time": s.began.UTC().Format(time.RFC3339Nano), "end_time": s.ended.UTC().Format(time.RFC3339Nano), "complete_percent": 100, "scanner": scanner}}
	}
	return j
}

// accessories are what a pipeline binds to the image that it pushed: a signature
// and a bill of materials.
func (p *Platform) accessories(i *pushedImage) []any {
	if i.robot == "" || i.at.Add(boundAfter).After(p.now) {
		return []any{}
	}
	var out []any
	for n, a := range []struct {
		kind, digest string
		size         int
	}{{"signature.cosign", "sha256:" + hash("signature", i.digest()), 1873}, {"sbom.spdx", billDigest(i), len(mustJSON(p.bill(i)))}} {
		id := i.id + 50000*(n+1)
		out = append(out, map[string]any{"id": id, "artifact_id": id, "subject_artifact_id": i.id, "subject_artifact_digest": i.digest(),
			"subject_artifact_repo": i.tenant + "/" + i.app, "size": a.size, "digest": a.digest, "type": a.kind,
			"creation_time": i.at.Add(boundAfter).UTC().Format(time.RFC3339Nano)})
	}
	return out
}

// boundAfter is how long after the push a pipeline binds to an image.
const boundAfter = 30 * time.Second

func billDigest(i *pushedImage) string { return "sha256:" + hash("bill", i.digest()) }

// bill is an image's bill of materials: what the scanner finds weak in some of
// them, and the application itself.
func (p *Platform) bill(i *pushedImage) map[string]any {
	packages := []any{map[string]any{"SPDXID": "SPDXRef-image", "name": i.tenant + "/" + i.app, "versionInfo": i.version, "downloadLocation": "NOASSERTION",
		"primaryPackagePurpose": "CONTAINER"}}
	relations := []any{map[string]any{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"}}
	for n, k := range known {
		id := "SPDXRef-package-" + itoa(n+1)
		packages = append(packages, map[string]any{"SPDXID": id, "name": k.pkg, "versionInfo": k.version, "downloadLocation": "NOASSERTION"})
		relations = append(relations, map[string]any{"spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": id})
	}
	return map[string]any{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": i.tenant + "/" + i.app + "@" + i.digest(),
		"documentNamespace": "https://" + p.world.Registry + "/bill/" + billDigest(i), "packages": packages, "relationships": relations,
		"creationInfo": map[string]any{"created": i.at.UTC().Format(time.RFC3339), "creators": []string{"Tool: image-pipeline"}}}
}

func (p *Platform) hbBill(r *http.Request) (int, any) {
	for _, i := range p.pushedBy(r) {
		if i.robot != "" && billDigest(i) == r.PathValue("digest") {
			return http.StatusOK, p.bill(i)
		}
	}
	return hbError(http.StatusNotFound, "NOT_FOUND", "artifact not found")
}

func (p *Platform) hbAccessories(r *http.Request) (int, any) {
	if i := p.image(r); i != nil {
		return http.StatusOK, list{items: p.accessories(i)}
	}
	return hbError(http.StatusNotFound, "NOT_FOUND", "artifact not found")
}

func (p *Platform) hbReport(r *http.Request) (int, any) {
	i := p.image(r)
	if i == nil {
		return hbError(http.StatusNotFound, "NOT_FOUND", "artifact not found")
	}
	s := p.registry.scanned(i, p.now)
	if s == nil {
		return http.StatusOK, map[string]any{}
	}
	found := []any{}
	for _, w := range s.weaknesses {
		found = append(found, map[string]any{"id": w.id, "package": w.pkg, "version": w.version, "fix_version": w.fixed, "severity": w.severity, "status": "fixed",
			"description": "An invented weakness of " + w.pkg + ".", "links": []string{"https://weakness.example/" + w.id}, "artifact_digests": []string{i.digest()}})
	}
	return http.StatusOK, map[string]any{reportType: map[string]any{"generated_at": s.ended.UTC().Format(time.RFC3339Nano), "scanner": scanner,
		"severity": s.severity(), "vulnerabilities": found}}
}

// hbRobots answers as Harbor does: with the robots of the project that q asks
// for, and without one with those of the system, of which there are none.
func (p *Platform) hbRobots(r *http.Request) (int, any) {
	var l list
	_, project, _ := strings.Cut(r.URL.Query().Get("q"), "ProjectID=")
	for i, t := range p.world.Everybody() {
		if project != strconv.Itoa(p.projectIndex(t.Name)+2) {
			continue
		}
		l.items = append(l.items, map[string]any{"id": 30 + i, "name": "robot$" + t.Name + "+ci", "level": "project", "disable": false, "duration": 365, "editable": true,
			"expires_at": p.world.End.AddDate(0, 6, 0).Unix(), "creation_time": p.world.Begun(), "update_time": p.world.Begun(),
			"permissions": []any{map[string]any{"kind": "project", "namespace": t.Name, "access": []any{
				map[string]string{"resource": "repository", "action": "push", "effect": "allow"}, map[string]string{"resource": "repository", "action": "pull", "effect": "allow"}}}}})
	}
	return http.StatusOK, l
}

// hbAudit answers with the lines of a closed window, in ascending order when it
// is asked for.
func (p *Platform) hbAudit(r *http.Request) (int, any) {
	project := r.PathValue("project")
	q := r.URL.Query()
	from, to := auditWindow(q.Get("q"))
	var l list
	for _, x := range p.registry.audit {
		if x.at.After(p.now) || project != "" && x.tenant != project || !from.IsZero() && x.at.Before(from) || !to.IsZero() && x.at.After(to) {
			continue
		}
		l.items = append(l.items, map[string]any{"id": x.id, "op_time": x.at.UTC().Format("2006-01-02T15:04:05.000Z"), "username": x.who, "operation": x.operation,
			"operation_description": x.operation + " artifact", "operation_result": true, "resource": x.resource, "resource_type": "artifact"})
	}
	if sort := q.Get("sort"); sort == "" || strings.HasPrefix(sort, "-") {
		slices.Reverse(l.items)
	}
	return http.StatusOK, l
}

// selected are the items of a list that a query asks for by id (id=[N~M], either
// end open), ordered by it when that is asked for.
func selected(r *http.Request, items []any) []any {
	idOf := func(item any) int {
		m, _ := item.(map[string]any)
		for _, k := range []string{"id", "project_id"} {
			if n, ok := m[k].(int); ok {
				return n
			}
		}
		return 0
	}
	q := r.URL.Query()
	for _, key := range []string{"id", "project_id"} {
		_, rest, ok := strings.Cut(","+q.Get("q"), ","+key+"=[")
		if !ok {
			continue
		}
		rest, _, _ = strings.Cut(rest, "]")
		a, b, _ := strings.Cut(rest, "~")
		from, _ := strconv.Atoi(a)
		to, err := strconv.Atoi(b)
		if err != nil {
			to = 1 << 30
		}
		items = slices.DeleteFunc(slices.Clone(items), func(i any) bool { return idOf(i) < from || idOf(i) > to })
	}
	if by := strings.TrimPrefix(q.Get("sort"), "-"); by == "id" || by == "project_id" {
		items = slices.Clone(items)
		slices.SortStableFunc(items, func(a, b any) int { return idOf(a) - idOf(b) })
		if strings.HasPrefix(q.Get("sort"), "-") {
			slices.Reverse(items)
		}
	}
	return items
}

// auditWindow reads op_time=[from~to] out of a query.
func auditWindow(q string) (from, to time.Time) {
	_, rest, ok := strings.Cut(q, "op_time=[")
	if !ok {
		return
	}
	rest, _, _ = strings.Cut(rest, "]")
	a, b, _ := strings.Cut(rest, "~")
	from, _ = time.Parse(time.DateTime, a)
	to, _ = time.Parse(time.DateTime, b)
	return from, to
}
