package demo

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

func (p *Platform) vaultHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/sys/health", p.vaultHealth)
	mux.HandleFunc("/v1/sys/seal-status", p.vaultHealth)
	mux.HandleFunc("/v1/", p.vaultAny)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { vaultErrors(w, http.StatusNotFound) })
	// Who may ask what is decided, and audited, by the requests themselves.
	return p.gate("vault", func(*http.Request) bool { return true }, nil, mux)
}

// vaultErrors is the body of a refusal; no text means that there is nothing.
func vaultErrors(w http.ResponseWriter, status int, texts ...string) {
	if texts == nil {
		texts = []string{}
	}
	answer(w, status, map[string]any{"errors": texts})
}

// vaultHealth needs no token and is not audited, as with the real server.
func (p *Platform) vaultHealth(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"type": "shamir", "initialized": true, "sealed": false, "standby": false, "t": 3, "n": 5,
		"progress": 0, "version": "1.20.4", "cluster_name": "vault-cluster-demonstration", "cluster_id": uuid("vault/cluster"),
		"storage_type": "raft", "server_time_utc": p.Now().Unix()})
}

// vaultAny answers every audited path.
func (p *Platform) vaultAny(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		vaultErrors(w, http.StatusBadRequest, "failed to read the request")
		return
	}
	var data map[string]any
	if len(body) > 0 && json.Unmarshal(body, &data) != nil {
		vaultErrors(w, http.StatusBadRequest, "failed to parse JSON input")
		return
	}
	x := exchange{op: operation(r), path: strings.TrimPrefix(r.URL.Path, "/v1/"), raw: r.Header.Get("X-Vault-Token")}
	if data != nil {
		x.data = data
	}
	if x.remote, _, err = net.SplitHostPort(r.RemoteAddr); err != nil {
		x.remote = r.RemoteAddr
	}
	p.mu.Lock()
	status, out, err := p.vault.serve(x, p.now, data)
	p.mu.Unlock()
	switch {
	case err != nil:
		vaultErrors(w, http.StatusInternalServerError, "1 error occurred:\n\t* internal error\n\n")
	case status == http.StatusForbidden && x.raw == "":
		vaultErrors(w, status, "missing client token")
	case status == http.StatusForbidden:
		vaultErrors(w, status, "1 error occurred:\n\t* permission denied\n\n")
	case status != http.StatusOK:
		vaultErrors(w, status)
	default:
		answer(w, status, out)
	}
}

func operation(r *http.Request) string {
	switch r.Method {
	case "LIST":
		return "list"
	case http.MethodGet:
		if r.URL.Query().Get("list") == "true" {
			return "list"
		}
		return "read"
	case http.MethodDelete:
		return "delete"
	}
	return "update"
}

// serve answers one request over the API and audits it; the lock is held.
func (v *vault) serve(x exchange, now time.Time, body map[string]any) (int, any, error) {
	v.asked++
	x.id, x.at = uuid("asked/"+itoa(v.asked)), now
	if t := v.tokens[x.raw]; t != nil && t.until.After(now) {
		x.tok = t
	} else {
		x.denied = true
		return http.StatusForbidden, nil, v.audited(x)
	}
	if x.granted = v.granting(x.tok.of, x.op, x.path); len(x.granted) == 0 {
		x.denied = true
		return http.StatusForbidden, nil, v.audited(x)
	}
	data, top := v.answers(x, body)
	if data != nil {
		x.out = data
	}
	if err := v.audited(x); err != nil {
		return 0, nil, err
	}
	if data == nil {
		return http.StatusNotFound, nil, nil
	}
	out := map[string]any{"request_id": x.id, "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
		"wrap_info": nil, "warnings": nil, "auth": nil, "mount_type": mountOf(x.path).kind}
	if top {
		maps.Copy(out, data)
	}
	return http.StatusOK, out, nil
}

// audited writes the lines and makes them visible at once.
func (v *vault) audited(x exchange) error {
	if err := v.log(x); err != nil {
		return err
	}
	return v.audit.flush()
}

// answers finds the data of an answer, nil for nothing there. Some old paths
// repeat their data at the top of the body.
func (v *vault) answers(x exchange, body map[string]any) (data map[string]any, top bool) {
	name := x.path[strings.LastIndexByte(x.path, '/')+1:]
	switch list := x.op == "list"; {
	case x.path == "auth/token/lookup-self":
		return x.tok.lookup(x.at), false
	case x.path == "sys/audit":
		return v.devices(), true
	case strings.HasPrefix(x.path, "sys/audit-hash/"):
		input, _ := body["input"].(string)
		if name != "file" || !v.audit.on {
			return nil, false
		}
		return map[string]any{"hash": v.audit.hash(input)}, false
	case x.path == "sys/mounts":
		return v.mounts("secret"), true
	case x.path == "sys/auth":
		return v.mounts("auth"), true
	case x.path == "sys/key-status":
		return map[string]any{"term": 2, "install_time": auditTime(v.w.Start.AddDate(0, -1, 0)), "encryptions": 40213}, true
	case x.path == "sys/leases/count":
		return map[string]any{"lease_count": 0, "counts": map[string]any{}}, false
	case x.path == "sys/capabilities-self":
		return v.capabilities(x.tok.of, body), true
	case x.path == "sys/policies/acl" && list:
		return map[string]any{"keys": anys(slices.Sorted(maps.Keys(v.policies)))}, false
	case strings.HasPrefix(x.path, "sys/policies/acl/"):
		text, ok := v.policies[name]
		if !ok {
			return nil, false
		}
		return map[string]any{"name": name, "policy": text}, false
	case strings.HasPrefix(x.path, "identity/"):
		return v.identities(x, name), false
	case strings.HasPrefix(x.path, "auth/"):
		return v.roles(x, name), false
	case strings.HasPrefix(x.path+"/", "kv/metadata/"):
		m, _ := v.kvMetadata(x, strings.Trim(strings.TrimPrefix(x.path, "kv/metadata"), "/")).(map[string]any)
		return m, false
	}
	return nil, false
}

// capabilities lists what an identity may do on the paths it asks about.
func (v *vault) capabilities(i *identity, body map[string]any) map[string]any {
	out := map[string]any{}
	paths, _ := body["paths"].([]any)
	for _, p := range paths {
		path, ok := p.(string)
		if !ok {
			continue
		}
		var caps []string
		for _, c := range []string{"create", "delete", "list", "patch", "read", "sudo", "update"} {
			if len(v.granting(i, c, path)) > 0 {
				caps = append(caps, c)
			}
		}
		if caps == nil {
			caps = []string{"deny"}
		}
		out[path] = anys(caps)
	}
	return out
}

func (t *token) lookup(now time.Time) map[string]any {
	i := t.of
	return map[string]any{"accessor": t.accessor, "creation_time": t.issued.Unix(), "creation_ttl": int64(i.ttl / time.Second),
		"display_name": i.display, "entity_id": i.entity, "expire_time": t.until.Format(time.RFC3339Nano), "explicit_max_ttl": 0,
		"id": t.raw, "issue_time": t.issued.Format(time.RFC3339Nano), "meta": i.meta, "num_uses": 0, "orphan": true,
		"path": "auth/" + i.method + "/login", "policies": anys(i.policies), "renewable": true,
		"ttl": int64(t.until.Sub(now) / time.Second), "type": "service"}
}

func anys(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func (v *vault) devices() map[string]any {
	out := map[string]any{"relay/": map[string]any{"type": "socket", "description": "to the log store", "local": false, "path": "relay/",
		"options": map[string]any{"address": "127.0.0.1:9", "socket_type": "tcp"}}}
	if v.audit.on {
		out["file/"] = map[string]any{"type": "file", "description": "", "local": false, "path": "file/",
			"options": map[string]any{"file_path": "/var/log/vault/audit.log", "mode": "0600"}}
	}
	return out
}

func (v *vault) mounts(class string) map[string]any {
	out := map[string]any{}
	for _, m := range mounts {
		if m.class != class {
			continue
		}
		j := map[string]any{"type": m.kind, "accessor": m.accessor, "uuid": uuid("mount/" + m.path), "description": "", "local": false,
			"seal_wrap": false, "external_entropy_access": false, "plugin_version": "", "running_plugin_version": vaultVersion,
			"options": nil, "config": map[string]any{"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false}}
		if m.kind == "kv" {
			j["options"] = map[string]any{"version": "2"}
		}
		out[strings.TrimPrefix(m.path, "auth/")] = j
	}
	return out
}

// identities answers below identity/: entities and the one group.
func (v *vault) identities(x exchange, name string) map[string]any {
	switch {
	case x.path == "identity/entity/id" && x.op == "list":
		var keys []string
		for _, i := range v.order {
			keys = append(keys, i.entity)
		}
		return map[string]any{"keys": anys(keys)}
	case strings.HasPrefix(x.path, "identity/entity/id/"):
		for _, i := range v.order {
			if i.entity == name {
				return i.show()
			}
		}
	case x.path == "identity/group/id" && x.op == "list":
		return map[string]any{"keys": []any{adminGroup}}
	case x.path == "identity/group/id/"+adminGroup:
		var members []string
		for _, i := range v.order {
			if len(i.group) > 0 {
				members = append(members, i.entity)
			}
		}
		return map[string]any{"id": adminGroup, "name": "platform-admins", "type": "internal", "policies": []any{"platform-admin"},
			"member_entity_ids": anys(members), "member_group_ids": []any{}, "metadata": nil, "namespace_id": "root"}
	}
	return nil
}

var adminGroup = uuid("group/platform-admins")

// show is an entity. Policies stand with the login roles, not with the entity.
func (i *identity) show() map[string]any {
	m := mountAt(i.method)
	alias := map[string]any{"id": uuid("alias/" + i.key), "name": i.alias, "canonical_id": i.entity, "mount_accessor": m.accessor,
		"mount_type": m.kind, "mount_path": m.path, "metadata": i.meta, "local": false}
	groups := []any{}
	if len(i.group) > 0 {
		groups = append(groups, adminGroup)
	}
	return map[string]any{"id": i.entity, "name": "entity_" + i.entity[:8], "disabled": false, "policies": []any{}, "aliases": []any{alias},
		"group_ids": groups, "direct_group_ids": groups, "inherited_group_ids": []any{}, "metadata": nil, "namespace_id": "root"}
}

// roles answers below auth/: the login roles of each method.
func (v *vault) roles(x exchange, name string) map[string]any {
	parts := strings.Split(x.path, "/")
	if len(parts) < 3 {
		return nil
	}
	method, what := parts[1], parts[2]
	if method == "userpass" != (what == "users") || method != "userpass" && what != "role" {
		return nil
	}
	found := map[string]*identity{}
	for _, i := range v.order {
		if i.method == method {
			found[i.role] = i
		}
	}
	if len(parts) == 3 && x.op == "list" {
		if len(found) == 0 {
			return nil
		}
		return map[string]any{"keys": anys(slices.Sorted(maps.Keys(found)))}
	}
	i := found[name]
	if i == nil || len(parts) != 4 {
		return nil
	}
	j := map[string]any{"token_policies": anys(i.policies), "token_ttl": int64(i.ttl / time.Second), "token_max_ttl": int64(i.max / time.Second),
		"token_type": "default", "token_num_uses": 0, "token_period": 0, "token_bound_cidrs": []any{}, "token_no_default_policy": false}
	switch method {
	case "kubernetes":
		var names []string
		for _, o := range v.order {
			if o.method == method && o.role == i.role {
				names = append(names, o.meta["service_account_name"])
			}
		}
		j["bound_service_account_names"] = anys(names)
		j["bound_service_account_namespaces"] = []any{i.meta["service_account_namespace"]}
		j["alias_name_source"] = "serviceaccount_uid"
	case "approle":
		j["bind_secret_id"], j["secret_id_num_uses"], j["secret_id_ttl"] = true, 0, int64(i.idLife/time.Second)
	}
	return j
}
