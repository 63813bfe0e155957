package demo

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evidenced/testdata/world"
)

const vaultVersion = "v1.20.4+builtin.vault"

// vault is the state behind the Vault API and its audit file.
type vault struct {
	w        *world.World
	audit    *auditDevice
	policies map[string]string
	rules    map[string][]rule // of policies, parsed
	who      map[string]*identity
	order    []*identity
	tokens   map[string]*token // by raw value
	kv       map[string]*stored
	scripted int // requests of the script
	asked    int // requests over the API
	minted   int
	last     time.Time // of the newest line
}

// identity is somebody who can log in.
type identity struct {
	key      string
	method   string // kubernetes, approle, userpass
	role     string // or user name
	entity   string
	display  string
	policies []string // of the token
	group    []string // by group membership
	meta     map[string]string
	alias    string
	remote   string
	idLife   time.Duration // of an approle's secret id; zero: without an end
	ttl      time.Duration
	max      time.Duration
	token    *token
}

// token is a live token.
type token struct {
	raw, accessor string
	of            *identity
	issued        time.Time
	until         time.Time
}

// neverRotated is a secret that nobody has changed since it was made.
const neverRotated = "tenant-8/" + world.Copied

// stored is one secret.
type stored struct {
	version int
	created time.Time
}

// mount is a secret or auth engine.
type mount struct{ path, kind, class, accessor string }

var mounts = []mount{
	{"auth/approle/", "approle", "auth", "auth_approle_5b1c9e02"},
	{"auth/kubernetes/", "kubernetes", "auth", "auth_kubernetes_90d3a7f4"},
	{"auth/token/", "token", "auth", "auth_token_1f6e2b88"},
	{"auth/userpass/", "userpass", "auth", "auth_userpass_c4720d1a"},
	{"cubbyhole/", "cubbyhole", "secret", "cubbyhole_6a0b77d3"},
	{"identity/", "identity", "secret", "identity_2c95e410"},
	{"kv/", "kv", "secret", "kv_83b1f6ce"},
	{"sys/", "system", "secret", "system_d07a5f39"},
}

func mountOf(path string) mount {
	for _, m := range mounts {
		if strings.HasPrefix(path, m.path) {
			return m
		}
	}
	return mount{}
}

func mountAt(kind string) mount { return mountOf("auth/" + kind + "/") }

func newVault(w *world.World, dir, evidencedToken string) (*vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the audit directory: %w", err)
	}
	v := &vault{w: w, policies: map[string]string{}, rules: map[string][]rule{}, who: map[string]*identity{},
		tokens: map[string]*token{}, kv: map[string]*stored{}}
	var err error
	if v.audit, err = newAuditDevice(filepath.Join(dir, "audit.log"), w.Seed); err != nil {
		return nil, err
	}
	begun := w.Begun()
	v.people()
	v.machines()
	v.standing(begun)
	v.grant(v.who["evidenced"], begun, evidencedToken)
	v.who["evidenced"].token.until = w.End.AddDate(1, 0, 0)
	if err := v.begun(begun); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *vault) add(i *identity) {
	i.entity = uuid("entity/" + i.key)
	v.who[i.key] = i
	v.order = append(v.order, i)
}

func (v *vault) people() {
	for n, p := range v.w.People {
		if !p.Human() {
			continue
		}
		i := &identity{key: p.Key, method: "userpass", role: p.Key, display: "userpass-" + p.Key, alias: p.Key,
			policies: []string{"default"}, meta: map[string]string{"username": p.Key},
			remote: fmt.Sprintf("10.8.0.%d", 20+n), ttl: 8 * time.Hour, max: 8 * time.Hour}
		for _, t := range p.Tenants {
			i.policies = append(i.policies, t+"-operate")
		}
		i.policies = append(i.policies, p.Rights...)
		if p.Admin {
			i.group = []string{"platform-admin"}
		}
		v.add(i)
	}
}

func (v *vault) machines() {
	for n, m := range v.w.Machines {
		v.add(&identity{key: m.Key, method: "approle", role: m.Key, display: "approle", alias: uuid("role/" + m.Key),
			policies: append([]string{"default"}, m.Policies...), meta: map[string]string{"role_name": m.Key},
			remote: fmt.Sprintf("10.43.0.%d", 9+n), idLife: m.IDLife, ttl: time.Hour, max: time.Hour})
	}
	for n, t := range v.w.Everybody() {
		v.add(&identity{key: t.Name + "/" + world.Operator, method: "kubernetes", role: t.Name + "-copy",
			display: "kubernetes-" + t.Name + "-" + world.Operator, alias: uuid("sa/" + t.Name + "/" + world.Operator),
			policies: []string{"default", t.Name + "-copy"},
			meta: map[string]string{"role": t.Name + "-copy", "service_account_name": world.Operator,
				"service_account_namespace": t.Name, "service_account_uid": uuid("sa/" + t.Name + "/" + world.Operator)},
			remote: "10.42.90.5", ttl: time.Hour, max: 2 * time.Hour})
		for k, a := range v.w.Apps {
			v.add(&identity{key: t.Name + "/" + a.Name, method: "kubernetes", role: t.Name,
				display: "kubernetes-" + t.Name + "-" + a.Name, alias: uuid("sa/" + t.Name + "/" + a.Name),
				policies: []string{"default", t.Name + "-read"},
				meta: map[string]string{"role": t.Name, "service_account_name": a.Name,
					"service_account_namespace": t.Name, "service_account_uid": uuid("sa/" + t.Name + "/" + a.Name)},
				remote: fmt.Sprintf("10.42.%d.%d", n+1, 17+k), ttl: 24 * time.Hour, max: 24 * time.Hour})
		}
	}
}

// standing fills policies and secrets.
func (v *vault) standing(at time.Time) {
	v.setPolicy("default", "path \"auth/token/lookup-self\" { capabilities = [\"read\"] }\n"+
		"path \"auth/token/renew-self\" { capabilities = [\"update\"] }\n"+
		"path \"auth/token/revoke-self\" { capabilities = [\"update\"] }\n")
	for name, text := range v.w.Policies {
		v.setPolicy(name, text)
	}
	for _, t := range v.w.Everybody() {
		v.setPolicy(t.Name+"-read", fmt.Sprintf("path \"kv/data/%s/*\" { capabilities = [\"read\"] }\n", t.Name))
		v.setPolicy(t.Name+"-copy", fmt.Sprintf("path \"kv/data/%s/%s\" { capabilities = [\"read\"] }\n", t.Name, world.Copied))
		v.setPolicy(t.Name+"-operate", fmt.Sprintf("path \"kv/data/%[1]s/*\" { capabilities = [\"create\", \"read\", \"update\"] }\n"+
			"path \"kv/metadata/%[1]s/*\" { capabilities = [\"read\", \"list\"] }\n", t.Name))
		for _, a := range v.w.Apps {
			for _, s := range a.Secrets {
				v.kv[t.Name+"/"+s] = &stored{1, at}
			}
		}
	}
	v.kv[neverRotated].created = at.AddDate(0, -4, 0)
	v.kv["platform/registry"] = &stored{1, at}
}

func (v *vault) setPolicy(name, text string) {
	v.policies[name], v.rules[name] = text, parseRules(text)
}

// begun writes the first line of an era: the device's own probe.
func (v *vault) begun(at time.Time) error {
	return v.audit.write(auditLine{Time: auditTime(at), Type: "request", Auth: &auditAuth{TokenType: "default"},
		Request: auditRequest{ID: v.scriptedID(), Operation: "update", Namespace: rootNS(), Path: "sys/audit/test"}})
}

func rootNS() map[string]any { return map[string]any{"id": "root"} }

func (v *vault) scriptedID() string {
	v.scripted++
	return uuid(fmt.Sprintf("request/%d", v.scripted))
}

// moment is a time for a line: never before the one of the line before it.
func (v *vault) moment(at time.Time) time.Time {
	if !at.After(v.last) {
		at = v.last.Add(41 * time.Microsecond)
	}
	v.last = at
	return at
}

// lag is how long a request takes, the same for the same request.
func lag(id string) time.Duration {
	sum := sha256.Sum256([]byte(id))
	return 280*time.Microsecond + time.Duration(binary.BigEndian.Uint32(sum[:])%2_400_000)*time.Nanosecond
}

// grant makes a token for an identity; raw may be given.
func (v *vault) grant(i *identity, at time.Time, raw string) {
	v.minted++
	if raw == "" {
		raw = "hvs." + secret(v.w.Seed, fmt.Sprintf("%s/%d", i.key, v.minted))
	}
	t := &token{raw: raw, accessor: secret(v.w.Seed, fmt.Sprintf("accessor/%s/%d", i.key, v.minted)), of: i, issued: at, until: at.Add(i.ttl)}
	i.token = t
	v.tokens[raw] = t
}

// exchange is one request with its outcome.
type exchange struct {
	id      string
	at      time.Time
	tok     *token
	raw     string // token as sent, when it is unknown
	op      string
	path    string
	data    any // of the request
	remote  string
	login   *identity
	granted []string
	denied  bool
	out     any // data of the response
	auth    *token
}

func (t *token) auditAuth(d *auditDevice) *auditAuth {
	i := t.of
	all := append(slices.Clone(i.policies), i.group...)
	slices.Sort(all)
	return &auditAuth{ClientToken: d.hash(t.raw), Accessor: d.hash(t.accessor), DisplayName: i.display, Policies: all,
		TokenPolicies: i.policies, IdentityPolicies: i.group, Metadata: i.meta, EntityID: i.entity, TokenType: "service",
		TokenTTL: int64(i.ttl / time.Second)}
}

// log writes the two lines of a request.
func (v *vault) log(x exchange) error {
	d := v.audit
	if !d.on {
		return nil
	}
	m := mountOf(x.path)
	auth := &auditAuth{TokenType: "default"}
	req := auditRequest{ID: x.id, Operation: x.op, MountPoint: m.path, MountType: m.kind, MountAccessor: m.accessor,
		MountVersion: vaultVersion, MountClass: m.class, Namespace: rootNS(), Path: x.path,
		RemoteAddress: x.remote, RemotePort: 40000 + len(x.id+x.path)*7%9999}
	if x.data != nil {
		req.Data = d.hashed(x.data)
	}
	switch {
	case x.tok != nil:
		auth = x.tok.auditAuth(d)
		auth.TokenIssueTime = x.tok.issued.Format(time.RFC3339)
		auth.PolicyResults = &auditResults{Allowed: !x.denied}
		for range x.granted { // this version puts as many blanks before the real ones
			auth.PolicyResults.Granting = append(auth.PolicyResults.Granting, auditGranted{})
		}
		for _, name := range x.granted {
			auth.PolicyResults.Granting = append(auth.PolicyResults.Granting, auditGranted{name, "root", "acl"})
		}
		req.ClientID, req.ClientToken, req.TokenAccessor = x.tok.of.entity, d.hash(x.tok.raw), d.hash(x.tok.accessor)
	case x.login != nil:
		auth.PolicyResults = &auditResults{Allowed: true}
	case x.raw != "":
		req.ClientToken = d.hash(x.raw)
	}
	const refused = "1 error occurred:\n\t* permission denied\n\n"
	line := auditLine{Time: auditTime(v.moment(x.at)), Type: "request", Auth: auth, Request: req}
	if x.denied {
		line.Error = refused
		if x.tok == nil {
			line.Error = "permission denied"
		}
	}
	if err := d.write(line); err != nil {
		return err
	}
	line.Time, line.Type = auditTime(v.moment(v.last.Add(lag(x.id)))), "response"
	line.Response = &auditAnswer{MountPoint: m.path, MountType: m.kind, MountAccessor: m.accessor, PluginVersion: vaultVersion, MountClass: m.class}
	if x.denied {
		line.Error = refused
		line.Response.Data = map[string]any{"error": d.hash(refused)}
	}
	if x.out != nil {
		line.Response.Data = d.hashed(x.out)
	}
	if x.auth != nil {
		line.Response.Auth = x.auth.auditAuth(d)
		if x.login != nil {
			line.Auth = line.Response.Auth
		}
	}
	return d.write(line)
}

// request plays a scripted request, with the login before it when one is due.
func (v *vault) request(a world.Act) error {
	if a.By == "" { // somebody with a token that is none
		return v.log(exchange{id: v.scriptedID(), at: a.At, raw: "hvs." + secret(v.w.Seed, "bad"), op: a.Op, path: a.Path,
			remote: "10.99.3.7", denied: true})
	}
	i := v.who[a.By]
	if i == nil {
		return fmt.Errorf("nobody is called %q", a.By)
	}
	if i.token == nil || !i.token.until.After(a.At) {
		if err := v.login(i, a.At); err != nil {
			return err
		}
	}
	var data any
	if a.Op == "update" && strings.HasPrefix(a.Path, "kv/data/") {
		data = map[string]any{"data": map[string]any{"username": a.Path, "password": secret(v.w.Seed, a.Path+a.At.String())}}
	}
	x := v.do(exchange{id: v.scriptedID(), at: a.At, tok: i.token, op: a.Op, path: a.Path, data: data, remote: i.remote})
	return v.log(x)
}

// login logs an identity in, 40 milliseconds before its request.
func (v *vault) login(i *identity, at time.Time) error {
	path, data := "auth/"+i.method+"/login", map[string]any{}
	switch i.method {
	case "userpass":
		path += "/" + i.role
		data["password"] = secret(v.w.Seed, "password/"+i.key)
	case "approle":
		data["role_id"], data["secret_id"] = i.alias, secret(v.w.Seed, "secret-id/"+i.key)
	default:
		data["role"], data["jwt"] = i.role, secret(v.w.Seed, "jwt/"+i.key)
	}
	at = at.Add(-40 * time.Millisecond)
	v.grant(i, at, "")
	return v.log(exchange{id: v.scriptedID(), at: at, login: i, op: "update", path: path, data: data, remote: i.remote, auth: i.token})
}

// writePolicy is a person changing an access policy.
func (v *vault) writePolicy(a world.Act) error {
	path := "sys/policies/acl/" + a.Policy
	if err := v.request(world.Act{At: a.At, By: a.By, Op: "update", Path: path}); err != nil {
		return err
	}
	v.setPolicy(a.Policy, a.Text)
	return nil
}

// device switches the audit device off or on. Switching off leaves the request
// line alone; switching on the probe and the response line.
func (v *vault) device(a world.Act) error {
	i := v.who[a.By]
	if i.token == nil || !i.token.until.After(a.At) {
		if err := v.login(i, a.At); err != nil {
			return err
		}
	}
	line := auditLine{Type: "request", Auth: i.token.auditAuth(v.audit), Request: auditRequest{ID: v.scriptedID(), ClientID: i.entity,
		Operation: "delete", MountPoint: "sys/", MountType: "system", MountAccessor: mountOf("sys/").accessor, MountClass: "secret",
		MountVersion: vaultVersion, Namespace: rootNS(), Path: "sys/audit/file", RemoteAddress: i.remote}}
	line.Auth.PolicyResults = &auditResults{Allowed: true, Granting: []auditGranted{{}, {"audit-setup", "root", "acl"}}}
	if a.Do == world.Off {
		line.Time = auditTime(v.moment(a.At))
		if err := v.audit.write(line); err != nil {
			return err
		}
		return v.audit.disable()
	}
	if err := v.audit.enable(); err != nil {
		return err
	}
	if err := v.begun(v.moment(a.At)); err != nil {
		return err
	}
	line.Time, line.Type, line.Request.Operation = auditTime(v.moment(a.At)), "response", "update"
	line.Response = &auditAnswer{MountPoint: "sys/", MountType: "system", PluginVersion: vaultVersion, MountClass: "secret"}
	line.Auth.ClientToken, line.Auth.Accessor = v.audit.hash(i.token.raw), v.audit.hash(i.token.accessor)
	return v.audit.write(line)
}
