package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/spool/spooltest"
)

// gen writes audit lines as a server would: hashes under a device's salt,
// request and response lines, times that go forward.
type gen struct {
	t    time.Time
	n    int
	salt string
}

func newGen() *gen {
	return &gen{t: time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC), salt: "salt-a"}
}

func (g *gen) now() time.Time { return g.t }

func collectorsEnv() collectors.Env { return collectors.Env{Seal: keyring, Source: "vault/prod"} }

type obj = map[string]any

func (g *gen) hash(s string) string {
	m := hmac.New(sha256.New, []byte(g.salt))
	m.Write([]byte(s))
	return "hmac-sha256:" + hex.EncodeToString(m.Sum(nil))
}

func (g *gen) id() string {
	g.n++
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", g.n, g.n)
}

func (g *gen) stamp() string {
	g.t = g.t.Add(1234567 * time.Nanosecond)
	return g.t.Format(time.RFC3339Nano)
}

func enc(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

// who is a caller: alice and bob are people, app is a machine, root a token.
func (g *gen) who(name string) obj {
	if name == "" {
		return obj{"token_type": "default"}
	}
	a := obj{
		"client_token": g.hash("tok-" + name), "accessor": g.hash("acc-" + name), "token_type": "service",
		"policies": []string{"default", "tenant-7-read"}, "token_ttl": 3600, "token_issue_time": "2026-03-02T15:01:09+01:00",
		"policy_results": obj{"allowed": true, "granting_policies": []obj{{"type": ""}, {"name": "tenant-7-read", "namespace_id": "root", "type": "acl"}}},
	}
	switch name {
	case "root":
		a["display_name"], a["policies"] = "token", []string{"root"}
	case "app":
		a["display_name"], a["entity_id"], a["metadata"] = "approle", "ent-app", obj{"role_name": "tenant-7-app"}
	case "pod":
		a["display_name"], a["entity_id"] = "kubernetes-tenant-7-web", "ent-pod"
		a["metadata"] = obj{"role": "tenant-7", "service_account_name": "web", "service_account_namespace": "tenant-7"}
	default:
		a["display_name"], a["entity_id"], a["metadata"] = "userpass-"+name, "ent-"+hex.EncodeToString([]byte(name)), obj{"username": name}
	}
	return a
}

// call is one request; the zero fields are filled in.
type call struct {
	who, op, path, mount, mountType, ns string
	data                                obj // request.data
	resp                                obj // the response object; nil: {}
	reqErr, respErr                     string
	denied                              bool
	id                                  string
	extra                               obj // into request
}

func (g *gen) request(c call) obj {
	r := obj{"id": c.id, "operation": c.op, "path": c.path, "namespace": obj{"id": "root"}, "remote_address": "10.42.3.17", "remote_port": 40001}
	if c.ns != "" {
		r["namespace"] = obj{"id": "abc12", "path": c.ns + "/"}
	}
	if c.mount != "" {
		r["mount_point"], r["mount_type"], r["mount_class"] = c.mount, c.mountType, "secret"
		if strings.HasPrefix(c.mount, "auth/") {
			r["mount_class"] = "auth"
		}
	}
	if c.who != "" {
		r["client_token"] = g.hash("tok-" + c.who)
	}
	if c.data != nil {
		r["data"] = c.data
	}
	for k, v := range c.extra {
		r[k] = v
	}
	return r
}

// pair returns both lines.
func (g *gen) pair(c call) (req, resp string) {
	if c.id == "" {
		c.id = g.id()
	}
	a := g.who(c.who)
	if c.denied {
		a["policy_results"] = obj{"allowed": false}
		c.respErr = "1 error occurred:\n\t* permission denied\n\n"
		c.reqErr = c.respErr
	}
	q := obj{"time": g.stamp(), "type": "request", "auth": a, "request": g.request(c)}
	if c.reqErr != "" {
		q["error"] = c.reqErr
	}
	if c.resp == nil {
		c.resp = obj{}
	}
	if _, ok := c.resp["mount_type"]; !ok && c.mountType != "" {
		c.resp["mount_type"] = c.mountType
	}
	p := obj{"time": g.stamp(), "type": "response", "auth": a, "request": g.request(c), "response": c.resp}
	if ra, ok := c.resp["auth"].(obj); ok {
		p["auth"] = ra
	}
	if c.respErr != "" {
		p["error"] = c.respErr
	}
	return enc(q), enc(p)
}

func (g *gen) both(c call) string {
	q, p := g.pair(c)
	return q + p
}

func (g *gen) kvRead(who, secret string) call {
	return call{who: who, op: "read", path: "kv/data/" + secret, mount: "kv/", mountType: "kv",
		resp: obj{"data": obj{"data": obj{"password": g.hash("pw")}, "metadata": obj{"version": 4, "created_time": g.hash("t")}}}}
}

func (g *gen) login(name string) call {
	a := g.who(name)
	delete(a, "policy_results")
	return call{op: "update", path: "auth/userpass/login/" + name, mount: "auth/userpass/", mountType: "userpass",
		data: obj{"password": g.hash("p")}, resp: obj{"auth": a}}
}

// reads are n plain reads of the same secret.
func (g *gen) reads(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(g.both(g.kvRead("alice", "tenant-7/web/db")))
	}
	return b.String()
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// keyring seals the spools of these tests.
const keyring = spooltest.Keyring("vault")
